package redistest

import (
	"context"

	goredis "github.com/redis/go-redis/v9"
)

// A Bare is what storing an item is compared with: XADD by itself, in pipelines of
// whatever queued up during the last.
type Bare struct {
	rdb   *goredis.Client
	queue chan bareOp
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
func NewBare(addr string) *Bare {
	b := &Bare{goredis.NewClient(&goredis.Options{Addr: addr, MaxRetries: -1}), make(chan bareOp, 4096)}
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
		_, err := b.rdb.Pipelined(context.Background(), func(p goredis.Pipeliner) error {
			for _, o := range batch {
				p.XAdd(context.Background(), &goredis.XAddArgs{Stream: "bare", Values: []any{"b", o.body}})
			}
			return nil
		})
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
