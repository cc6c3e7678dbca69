package pipeline

import (
	"sync"
	"time"
)

// lanes runs jobs so that those of one key run one after the other, in the
// order they were submitted, and those of different keys at the same time. A
// lane is a goroutine only while it has work.
//
// A lane takes no more than depth items. Those beyond stay away, in the inbox,
// and come back for their place in the line: a conversation in which Graph
// allows one PATCH a second must not hold what the others need. They come when
// they are thought to have their turn, or are called when there is room before.
type lanes struct {
	depth   int
	clock   func() time.Time
	working func(delta int)         // told of lanes that begin and end to work; nil: nobody is
	recall  func(receipts []string) // has items that stay away come at once, in that order; nil: they come by themselves

	mu      sync.Mutex
	open    map[string]*lane // those with work, or with items away
	calls   []string         // receipts still to be recalled
	sending bool             // somebody recalls
	closed  bool
	wg      sync.WaitGroup
}

// lane is one line. lanes.mu guards it.
type lane struct {
	jobs    []func()
	running bool
	begun   time.Time     // of the job that runs
	pace    time.Duration // of a job, averaged

	away        map[string]int // receipt to place in line, of items sent away
	stays       map[int]stay   // by place in line
	first, next int            // places: of the one to come back first, and of the next one sent away
	called      int            // those before this place were called
}

// stay is that of an item which was sent away.
type stay struct {
	receipt string
	until   time.Time
}

func newLanes(depth int, clock func() time.Time) *lanes {
	return &lanes{depth: depth, clock: clock, open: map[string]*lane{}}
}

// admit queues the job of an item behind the others of its lane and returns 0,
// or returns how long the item must stay away before it is offered again; whoever
// has put it back then calls putBack. It keeps the order in which items were first
// offered, does not block, and must not be called after close.
func (l *lanes) admit(key, receipt string, job func()) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.lane(key)
	depth := l.depth
	if n.running && l.clock().Sub(n.begun) > standsStill {
		depth = min(depth, few)
	}
	place, back := n.away[receipt]
	switch {
	case !back && len(n.away) == 0 && len(n.jobs) < depth:
		l.start(key, n, append(n.jobs, job))
		return 0
	case !back:
		place = n.next
		n.away[receipt] = place
		n.next++
	case place == n.first && len(n.jobs) < depth:
		delete(n.away, receipt)
		delete(n.stays, place)
		n.first++
		n.called = max(n.called, n.first)
		l.start(key, n, append(n.jobs, job))
		return 0
	}
	return n.wait(place, receipt, depth, l.clock())
}

// A lane whose job has run for so long stands still, as when Graph is away. It takes no
// more than a few items: many such lanes must not hold what the others need.
const (
	standsStill = 10 * time.Second
	few         = 4
)

// putBack calls an item again that was called, if that came while it was being put
// back: then nobody heard it.
func (l *lanes) putBack(key, receipt string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.open[key]
	if n == nil {
		return
	}
	if place, ok := n.away[receipt]; ok && place < n.called && !n.stays[place].until.After(l.clock()) {
		l.send([]string{receipt})
	}
}

// call calls those who are next in line if there is room for many of them, or
// nothing else to do. mu is held.
func (l *lanes) call(n *lane) {
	room := l.depth - len(n.jobs) - (n.called - n.first)
	if l.recall == nil || n.called == n.next || room < (l.depth+1)/2 {
		return
	}
	now := l.clock()
	var receipts []string
	for ; room > 0 && n.called < n.next; room-- {
		s := n.stays[n.called]
		receipts = append(receipts, s.receipt)
		n.stays[n.called] = stay{s.receipt, now}
		n.called++
	}
	l.send(receipts)
}

// send has one goroutine at a time recall, so that they come in this order. mu is held.
func (l *lanes) send(receipts []string) {
	l.calls = append(l.calls, receipts...)
	if l.sending {
		return
	}
	l.sending = true
	l.wg.Go(func() {
		l.mu.Lock()
		defer l.mu.Unlock()
		for len(l.calls) > 0 {
			calls := l.calls
			l.calls = nil
			l.mu.Unlock()
			l.recall(calls)
			l.mu.Lock()
		}
		l.sending = false
	})
}

const (
	// firstPace is what a job is thought to take before one has ended.
	firstPace = 5 * time.Millisecond
	// The bounds of a stay. The longest grows with the place in line, so that
	// many who wait for a lane that stands still do not come back all the time.
	shortestStay = 50 * time.Millisecond
	longestStay  = 30 * time.Second
	stayPerPlace = 50 * time.Millisecond
)

// wait is about when the item in that place can be taken, and not before the one
// ahead of it comes back.
func (n *lane) wait(place int, receipt string, depth int, now time.Time) time.Duration {
	pace := n.pace
	if n.running {
		pace = max(pace, now.Sub(n.begun))
	}
	ahead := place - n.first
	most := longestStay + time.Duration(ahead)*stayPerPlace
	wait := time.Duration(max(1, ahead+1+len(n.jobs)-depth)) * min(pace, most)
	wait = max(shortestStay, min(wait, most), n.stays[place-1].until.Sub(now))
	n.stays[place] = stay{receipt, now.Add(wait)}
	return wait
}

// next queues a job before all others of its lane, behind the one that runs. It
// reports whether the lanes are open still.
func (l *lanes) next(key string, job func()) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return false
	}
	n := l.lane(key)
	l.start(key, n, append([]func(){job}, n.jobs...))
	return true
}

// forget forgets the items that lanes sent away.
func (l *lanes) forget(lost func(key string) bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, n := range l.open {
		if len(n.away) == 0 || !lost(key) {
			continue
		}
		n.away, n.stays, n.first, n.next, n.called = map[string]int{}, map[int]stay{}, 0, 0, 0
		if !n.running {
			delete(l.open, key)
		}
	}
}

func (l *lanes) lane(key string) *lane {
	n := l.open[key]
	if n == nil {
		n = &lane{pace: firstPace, away: map[string]int{}, stays: map[int]stay{}}
		l.open[key] = n
	}
	return n
}

func (l *lanes) start(key string, n *lane, jobs []func()) {
	n.jobs = jobs
	if !n.running {
		n.running, n.begun = true, l.clock()
		l.tell(1)
		l.wg.Go(func() {
			defer l.tell(-1)
			l.run(key, n)
		})
	}
}

func (l *lanes) tell(delta int) {
	if l.working != nil {
		l.working(delta)
	}
}

func (l *lanes) run(key string, n *lane) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(n.jobs) > 0 {
		job := n.jobs[0]
		n.jobs[0], n.jobs = nil, n.jobs[1:] // nil: a message is not kept by a line it has left
		n.begun = l.clock()
		l.mu.Unlock()
		job()
		l.mu.Lock()
		n.pace = (3*n.pace + l.clock().Sub(n.begun)) / 4
		l.call(n)
	}
	n.running, n.jobs = false, nil
	if len(n.away) == 0 {
		delete(l.open, key)
	}
}

// close takes no more work and returns when no lane has any.
func (l *lanes) close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.wg.Wait()
}
