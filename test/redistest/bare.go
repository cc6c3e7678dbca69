package redistest

import (
	"context"
	"errors"

	goredis "github.com/redis/go-redis/v9"
)

// A Bare is what storing an item is compared with: XADD by itself, in pipelines of
// whatever queued up during the last.
type Bare struct {
	rdb    *goredis.Client
	queue  chan bareOp
	synced bool
}

// bareFlights is how many connections serve it best: of each, Redis reads 16 KiB
// before it syncs. bareBatch bounds a pipeline.
const (
	bareFlights = 4
	bareBatch   = 256
)

type bareOp struct {
	body []byte
	done chan error
}

// NewBare connects to a server. Close must be called.
func NewBare(addr string) *Bare { return newBare(addr, false) }

// NewBareSynced is NewBare for a server that syncs once a second: WAITAOF follows each
// pipeline.
func NewBareSynced(addr string) *Bare { return newBare(addr, true) }

func newBare(addr string, synced bool) *Bare {
	b := &Bare{goredis.NewClient(&goredis.Options{Addr: addr, MaxRetries: -1}), make(chan bareOp, 4096), synced}
	for range bareFlights {
		go b.loop()
	}
	return b
}

func (b *Bare) loop() {
	for first := range b.queue {
		batch := []bareOp{first}
	more:
		for len(batch) < bareBatch {
			select {
			case o, ok := <-b.queue:
				if !ok {
					break more
				}
				batch = append(batch, o)
			default:
				break more
			}
		}
		var synced *goredis.Cmd
		_, err := b.rdb.Pipelined(context.Background(), func(p goredis.Pipeliner) error {
			for _, o := range batch {
				p.XAdd(context.Background(), &goredis.XAddArgs{Stream: "bare", Values: []any{"b", o.body}})
			}
			if b.synced {
				synced = p.Do(context.Background(), "WAITAOF", 1, 0, 1000)
			}
			return nil
		})
		if err == nil && b.synced {
			if got, _ := synced.Int64Slice(); len(got) != 2 || got[0] < 1 {
				err = errors.New("it was not synced")
			}
		}
		for _, o := range batch {
			o.done <- err
		}
	}
}

// Put adds body and waits until Redis confirmed it.
func (b *Bare) Put(body []byte) error {
	o := bareOp{body, make(chan error, 1)}
	b.queue <- o
	return <-o.done
}

// Empty deletes what was added.
func (b *Bare) Empty() error { return b.rdb.Del(context.Background(), "bare").Err() }

// Close ends it; nothing may be put any more.
func (b *Bare) Close() error {
	close(b.queue)
	return b.rdb.Close()
}
