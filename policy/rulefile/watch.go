package rulefile

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"teamsdlp/policy"
)

// WatchOptions says what a [Watcher] watches and whom it tells.
type WatchOptions struct {
	Dir      string
	Interval time.Duration // between two looks; zero: 1 second
	// Now is the clock; nil: time.Now.
	Now func() time.Time
	// OnChange is told of each generation that comes into force after the first.
	OnChange func(*Generation)
	// OnFault is told once of each state of the directory that cannot be put in
	// force, and with nil if after that the directory holds again what was in
	// force all the time. Where something else comes into force, OnChange says so.
	OnFault func(error)
}

// Watcher keeps a rule directory's last good generation in force.
//
// It looks at the content of every rule file at each interval, and at that of a
// file which one names whenever the file system says that it may have changed. A
// change is compiled
// once two looks running have found the same content, so that a directory in the
// middle of being copied is left alone, and takes force by one pointer swap: with
// the default interval, about two seconds after the last file was written. What
// does not compile changes nothing but what OnFault is told. Neither does a
// directory that lost its last rule: that is what a volume which is not mounted
// looks like, or a deployment that was cut short.
type Watcher struct {
	opt     WatchOptions
	current atomic.Pointer[Generation]

	// Owned by the goroutine that calls tick.
	reader  *reader
	pending string // state seen once and not yet judged
	judged  string // last state that was judged
	failing bool   // OnFault was told and not yet told nil
}

// NewWatcher compiles the directory and returns a watcher with it in force. That it
// cannot be compiled is an error here: there is no good generation to fall back to.
func NewWatcher(o WatchOptions) (*Watcher, error) {
	if o.Interval <= 0 {
		o.Interval = time.Second
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	w := &Watcher{opt: o, reader: newReader(o.Dir)}
	s, err := w.reader.read()
	if err != nil {
		return nil, err
	}
	g, err := w.compile(s)
	if err != nil {
		return nil, err
	}
	w.current.Store(g)
	w.judged = s.state()
	return w, nil
}

// Current returns the set in force. It is safe for concurrent use.
func (w *Watcher) Current() *policy.Set { return w.current.Load().Set }

// Run watches until ctx ends.
func (w *Watcher) Run(ctx context.Context) {
	tick := time.NewTicker(w.opt.Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			w.tick()
		}
	}
}

// tick looks at the directory once. It must not be called while Run runs, nor by
// two goroutines at once.
func (w *Watcher) tick() {
	s, err := w.reader.read()
	var state string
	if err != nil {
		state = "unreadable: " + err.Error()
	} else {
		state = s.state()
	}
	if state == w.judged {
		w.pending = ""
		return
	}
	if state != w.pending {
		w.pending = state
		return
	}
	w.judged, w.pending = state, ""
	if err != nil {
		w.fault(err)
		return
	}
	if state == w.Current().Generation {
		w.clear()
		return
	}
	g, err := w.compile(s)
	if err != nil {
		w.fault(err)
		return
	}
	if len(g.Set.Rules) == 0 && len(w.Current().Rules) > 0 {
		w.fault(fmt.Errorf("%s has no rule any more: to stop judging messages, set mode: off in each rule; else put the rule files back", w.opt.Dir))
		return
	}
	w.current.Store(g)
	w.failing = false
	if w.opt.OnChange != nil {
		w.opt.OnChange(g)
	}
}

func (w *Watcher) compile(s *snapshot) (*Generation, error) {
	return compileAll(w.opt.Dir, s, Options{Now: w.opt.Now()})
}

func (w *Watcher) fault(err error) {
	w.failing = true
	if w.opt.OnFault != nil {
		w.opt.OnFault(err)
	}
}

func (w *Watcher) clear() {
	if w.failing && w.opt.OnFault != nil {
		w.opt.OnFault(nil)
	}
	w.failing = false
}
