package sqlite

import (
	"context"
	"errors"
	"sync"
	"time"
)

const (
	// patience is how long a write that only its own conversation waits for may wait
	// for others to share its commit.
	patience = 20 * time.Millisecond
	// gatherOps is how many are too many to wait for more.
	gatherOps = batchOps / 2
)

// gather holds back writes that are in no hurry, the ends of messages, until any
// commit takes them along: a commit of one's own costs several times what is
// written in it. They wait for patience at most, and not at all once
// everybody who works has come: see Store.Working.
type gather struct {
	w        *writer
	patience time.Duration // a constant but in tests

	mu      sync.Mutex
	list    []*op
	timer   *time.Timer // runs while list is not empty
	working int
}

// add holds o back. It is answered like one of the writer's own.
func (g *gather) add(o *op) {
	o.done = make(chan error, 1)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.list = append(g.list, o)
	if len(g.list) == 1 {
		g.timer = time.AfterFunc(g.patience, g.flush)
	}
	g.look()
}

// flush waits no longer.
func (g *gather) flush() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.send()
}

// work counts those who may add more.
func (g *gather) work(delta int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.working += delta
	g.look()
}

// look sends what there is if there is nothing to wait for. It needs mu.
func (g *gather) look() {
	if n := len(g.list); n > 0 && (n >= g.working || n >= gatherOps) {
		g.send()
	}
}

// send queues one write for what there is. It needs mu.
func (g *gather) send() {
	o := g.take()
	if o == nil {
		return
	}
	switch err := g.w.enqueue(o, false); {
	case err == nil:
	case errors.Is(err, errQueueFull):
		go func() {
			if err := g.w.enqueue(o, true); err != nil {
				o.after(err)
			}
		}()
	default:
		o.after(err)
	}
}

// ride returns one write for all that is held back, nil if nothing is, for a commit
// that is about to begin.
func (g *gather) ride() *op {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.take()
}

// take needs mu.
func (g *gather) take() *op {
	if len(g.list) == 0 {
		return nil
	}
	list := g.list
	g.list = nil
	g.timer.Stop()
	o := &op{ctx: context.Background(), bare: true, done: make(chan error, 1)} // nobody waits for it
	live := list[:0]
	for _, each := range list {
		if err := each.ctx.Err(); err != nil {
			answer(each, err)
			continue
		}
		live = append(live, each)
		o.size += each.size
	}
	o.run = func(t *tx) error {
		for _, each := range live {
			if err := each.run(t); err != nil {
				return err
			}
		}
		return nil
	}
	o.after = func(err error) {
		if err != nil && len(live) > 1 {
			// What is wrong may be with one of them.
			go func() {
				for _, each := range live {
					if err := g.w.enqueue(each, true); err != nil {
						answer(each, err)
					}
				}
			}()
			return
		}
		for _, each := range live {
			answer(each, err)
		}
	}
	return o
}

// Working counts those who may be about to end a message: its end is written with
// those of the others, if there are others. Who calls it
// with 1 when it begins to work calls it with -1 when it has ended.
func (s *Store) Working(delta int) { s.w.gather.work(delta) }

// submitInTime is submit for a write that may wait a little for others.
func (w *writer) submitInTime(o *op) error {
	w.gather.add(o)
	select {
	case err := <-o.done:
		return err
	case <-o.ctx.Done():
		return o.ctx.Err()
	}
}
