package redis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"teamsdlp/cmd/internal/faults"
	"teamsdlp/webhook"
)

const (
	putQueue   = 4096    // calls that may wait
	putBatch   = 256     // calls of one pipeline
	putBytes   = 2 << 20 // or their bytes, whichever comes first
	putFlights = 1       // pipelines at once
)

// putCall is one call of Put.
type putCall struct {
	of   []putItem
	adds count
	done chan error // holds one
}

// putItem is an item as it is stored.
type putItem struct {
	part     int
	body     []byte
	known    string // see knownBy
	received int64  // ms
	count
}

// A batcher sends what has queued up meanwhile as one pipeline: Redis syncs once
// for all of it. It is plain commands in a transaction: each item costs Redis the
// XADD that it would cost by itself, where a script would copy it twice more.
type batcher struct {
	s     *Store
	queue chan *putCall
	loops sync.WaitGroup
}

func newBatcher(s *Store) *batcher {
	b := &batcher{s: s, queue: make(chan *putCall, putQueue)}
	for range putFlights {
		b.loops.Go(b.run)
	}
	return b
}

func (b *batcher) close() { b.loops.Wait() }

// add queues a call, or answers it with webhook.ErrFull at once.
func (b *batcher) add(c *putCall) {
	select {
	case b.queue <- c:
	default:
		c.done <- fmt.Errorf("%w (queue)", webhook.ErrFull)
	}
}

// wait returns the answer of a call. It does not wait beyond ctx: the call may
// still be carried out.
func (b *batcher) wait(ctx context.Context, c *putCall) error {
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return ctx.Err()
	case <-b.s.life.Done():
		return ErrClosed
	}
}

func (b *batcher) run() {
	for {
		var batch []*putCall
		select {
		case c := <-b.queue:
			batch = append(batch, c)
		case <-b.s.life.Done():
			return
		}
		for size := batch[0].adds.bytes; len(batch) < putBatch && size < putBytes; {
			select {
			case c := <-b.queue:
				batch = append(batch, c)
				size += c.adds.bytes
				continue
			default:
			}
			break
		}
		b.flush(batch)
	}
}

// flush sends a batch and answers its calls.
func (b *batcher) flush(batch []*putCall) {
	s := b.s
	err := s.refused()
	if err == nil {
		ctx, cancel := context.WithTimeout(s.life, s.opts.Timeout)
		defer cancel()
		err = s.store(ctx, batch)
	}
	for _, c := range batch {
		c.done <- err
	}
}

// store stores what calls hold: all of it, or it returns an error. In a cluster a
// transaction is of one partition, and calls fail together: what was stored of them
// is recognised when it comes again.
func (s *Store) store(ctx context.Context, calls []*putCall) error {
	byPart := map[int][]putItem{}
	for _, c := range calls {
		for _, i := range c.of {
			byPart[i.part] = append(byPart[i.part], i)
		}
	}
	err := s.storeParts(ctx, byPart)
	if s.moved(ctx, s.rdb, err) { // what is left was refused whole
		err = s.storeParts(ctx, byPart)
	}
	switch {
	case err == nil:
		s.broken.Store(nil)
		return nil
	case goredis.HasErrorPrefix(err, "OOM"):
		return fmt.Errorf("%w (memory of Redis)", webhook.ErrFull)
	}
	return s.broke(err)
}

// storeParts stores items, and takes out of byPart those of partitions that have
// theirs. Its error is that a slot has moved only if nothing else went wrong.
func (s *Store) storeParts(ctx context.Context, byPart map[int][]putItem) error {
	byServer := map[goredis.UniversalClient][]int{}
	for p := range byPart {
		client, err := nodeOf(ctx, s.rdb, s.keys.queue(p))
		if err != nil {
			return err
		}
		byServer[client] = append(byServer[client], p)
	}
	var elsewhere, other error
	for client, parts := range byServer {
		transactions := [][]int{parts}
		if s.opts.Mode == Cluster {
			transactions = slices.Collect(slices.Chunk(parts, 1))
		}
		for i, err := range s.transact(ctx, client, transactions, byPart) {
			switch {
			case err == nil:
				for _, p := range transactions[i] {
					delete(byPart, p)
				}
			case goredis.HasErrorPrefix(err, "MOVED"):
				elsewhere = err
			default:
				other = errors.Join(other, err)
			}
		}
	}
	return cmp.Or(other, elsewhere)
}

// transact adds the items of partitions on one server, a transaction for each list
// of partitions, in one pipeline. It returns why each was not carried out, or nil.
func (s *Store) transact(ctx context.Context, client goredis.UniversalClient, lists [][]int, items map[int][]putItem) []error {
	errs := make([]error, len(lists))
	if err := faults.Hit(faults.Commit); err != nil {
		return slices.Repeat([]error{err}, len(lists))
	}
	know := s.server.Load()
	var (
		cmds      = make([][]*goredis.Cmd, len(lists))
		confirmed confirmation
		woken     []string
	)
	_, _ = client.Pipelined(ctx, func(pipe goredis.Pipeliner) error { // each answer is looked at
		for n, parts := range lists {
			do := func(args ...any) { cmds[n] = append(cmds[n], pipe.Do(ctx, args...)) }
			do("MULTI")
			for _, p := range parts {
				var adds count
				for _, i := range items[p] {
					add := []any{"XADD", s.keys.queue(p), "*", "b", i.body, "u", i.unverified, "r", i.received, "d", i.known}
					if i.known == "" {
						add = add[:len(add)-2]
					}
					do(add...)
					adds = adds.plus(i.count)
				}
				do("HINCRBY", s.keys.counts(p), "bytes", adds.bytes)
				if adds.unverified > 0 {
					do("HINCRBY", s.keys.counts(p), "unverified", adds.unverified)
				}
				woken = append(woken, tag(p))
			}
			do("EXEC")
		}
		pipe.Publish(ctx, s.keys.wake(), strings.Join(woken, " ")) // without it they are found later
		if know.waits(s.opts) {
			confirmed = know.confirm(ctx, pipe, s.opts)
		}
		return nil
	})
	short := confirmed.given(s.opts)
	for n := range lists {
		errs[n] = cmp.Or(refusal(cmds[n]), short)
	}
	return errs
}

// refusal is why a transaction was not carried out: the first error in its answers.
func refusal(cmds []*goredis.Cmd) error {
	for _, cmd := range cmds {
		if err := cmd.Err(); err != nil {
			return err
		}
		answers, _ := cmd.Val().([]any) // of EXEC
		for _, v := range answers {
			if err, ok := v.(error); ok {
				return err
			}
		}
	}
	return nil
}

// broke notes that Redis does not answer as it must, so that for a short while
// items are refused without asking it.
func (s *Store) broke(err error) error {
	err = s.judged(err)
	if s.life.Err() == nil {
		s.broken.Store(&outage{until: time.Now().Add(breakFor), err: err})
	}
	return err
}
