package redis

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"teamsdlp/webhook"
)

const (
	putQueue   = 4096    // calls that may wait
	putBatch   = 256     // calls of one pipeline
	putBytes   = 2 << 20 // or their bytes, whichever comes first
	putFlights = 4       // pipelines at once
)

// putCall is one run of the enqueue script.
type putCall struct {
	keys []string
	args []any
	size int
	done chan error // holds one

	of []*putCall // the calls that this one stands for; none: itself
}

// head is how many keys and arguments of the script stand before those of the
// items.
const (
	headKeys = 2
	headArgs = 6
)

// merged makes one call of those to the same partition: their script then counts
// and publishes once. The bounds are checked for them together.
func merged(calls []*putCall) []*putCall {
	byQueue := map[string]*putCall{}
	var out []*putCall
	for _, c := range calls {
		m := byQueue[c.keys[0]]
		if m == nil {
			m = &putCall{keys: slices.Clone(c.keys), args: slices.Clone(c.args), done: make(chan error, 1)}
			byQueue[c.keys[0]] = m
			out = append(out, m)
		} else {
			m.keys, m.args = append(m.keys, c.keys[headKeys:]...), append(m.args, c.args[headArgs:]...)
		}
		m.of = append(m.of, c)
	}
	return out
}

// A batcher sends what has queued up meanwhile as one pipeline: Redis syncs once
// for all of it, and the answer of each call is its own.
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

// answer gives every call that c stands for its answer. Where they were refused
// together, each may fit by itself: they are returned then.
func (c *putCall) answer(err error) (again []*putCall) {
	if len(c.of) > 1 && errors.Is(err, webhook.ErrFull) {
		return c.of
	}
	for _, one := range c.of {
		one.done <- err
	}
	if len(c.of) == 0 {
		c.done <- err
	}
	return nil
}

// add queues a call, or answers it with webhook.ErrFull at once.
func (b *batcher) add(c *putCall) {
	select {
	case b.queue <- c:
	default:
		b.s.opts.Observe.Refused("queue")
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
		for size := batch[0].size; len(batch) < putBatch && size < putBytes; {
			select {
			case c := <-b.queue:
				batch = append(batch, c)
				size += c.size
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
	if len(batch) > 1 {
		batch = merged(batch)
	}
	s := b.s
	if err := s.refused(); err != nil {
		answer(batch, err)
		return
	}
	ctx, cancel := context.WithTimeout(s.life, s.opts.Timeout)
	defer cancel()
	know := s.server.Load()
	if !know.waits(s.opts) {
		s.send(ctx, s.rdb, batch, nil)
		return
	}
	byServer := map[goredis.UniversalClient][]*putCall{}
	for _, c := range batch {
		client, err := nodeOf(ctx, s.rdb, c.keys[0])
		if err != nil {
			answer([]*putCall{c}, s.broke(err))
			continue
		}
		byServer[client] = append(byServer[client], c)
	}
	for client, calls := range byServer {
		s.send(ctx, client, calls, know)
	}
}

// send runs calls in one pipeline, followed by a confirmation if know is given.
func (s *Store) send(ctx context.Context, client goredis.UniversalClient, calls []*putCall, know *server) {
	var refused []*putCall
	defer func() {
		if len(refused) > 0 {
			s.send(ctx, client, refused, know)
		}
	}()
	for again := false; len(calls) > 0; again = true {
		cmds := make([]*goredis.Cmd, len(calls))
		var confirm *goredis.Cmd
		_, _ = client.Pipelined(ctx, func(p goredis.Pipeliner) error { // each answer is looked at
			for i, c := range calls {
				if again && i == 0 {
					cmds[i] = enqueueScript.Eval(ctx, p, c.keys, c.args...) // it is known from then on
				} else {
					cmds[i] = enqueueScript.EvalSha(ctx, p, c.keys, c.args...)
				}
			}
			if know != nil {
				confirm = know.confirm(ctx, p, s.opts)
			}
			return nil
		})
		var unconfirmed error
		if confirm != nil {
			unconfirmed = know.confirmed(confirm, s.opts)
		}
		var unknown []*putCall
		for i, c := range calls {
			err := cmds[i].Err()
			switch {
			case err != nil && goredis.HasErrorPrefix(err, "NOSCRIPT") && !again:
				unknown = append(unknown, c)
			case err != nil && goredis.HasErrorPrefix(err, "NOSCRIPT"):
				// In a cluster each server must be told.
				refused = append(refused, c.answer(s.stored(enqueueScript.Eval(ctx, client, c.keys, c.args...)))...)
			case err == nil && unconfirmed != nil:
				_ = c.answer(s.broke(unconfirmed)) // no refusal
			default:
				refused = append(refused, c.answer(s.stored(cmds[i]))...)
			}
		}
		calls = unknown
	}
}

// stored judges the answer of one call.
func (s *Store) stored(cmd *goredis.Cmd) error {
	why, err := cmd.Text()
	switch {
	case err == nil && why == "":
		s.broken.Store(nil)
		return nil
	case err == nil:
		s.opts.Observe.Refused(why)
		return fmt.Errorf("%w (%s)", webhook.ErrFull, why)
	case goredis.HasErrorPrefix(err, "OOM"):
		s.opts.Observe.Refused("memory")
		return fmt.Errorf("%w (memory of Redis)", webhook.ErrFull)
	}
	return s.broke(err)
}

// broke notes that Redis does not answer as it must, so that for a short while
// items are refused without asking it.
func (s *Store) broke(err error) error {
	err = s.judged(err)
	if s.life.Err() == nil {
		s.broken.Store(&outage{until: time.Now().Add(breakFor), err: err})
		s.opts.Observe.Refused("store")
	}
	return err
}

func answer(calls []*putCall, err error) {
	for _, c := range calls {
		_ = c.answer(err) // no refusal
	}
}
