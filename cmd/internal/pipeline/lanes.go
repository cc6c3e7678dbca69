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
// allows one PATCH a second must not hold what the others need.
type lanes struct {
	depth   int
	clock   func() time.Time
	working func(delta int) // told of lanes that begin and end to work; nil: nobody is

	mu     sync.Mutex
	open   map[string]*lane // those with work, or with items away
	closed bool
	wg     sync.WaitGroup
}

// lane is one line. lanes.mu guards it.
type lane struct {
	jobs    []func()
	running bool
	begun   time.Time     // of the job that runs
	pace    time.Duration // of a job, averaged

	away        map[string]int    // receipt to place in line, of items sent away
	due         map[int]time.Time // place in line to when the item comes back
	first, next int               // places: of the one to come back first, and of the next one sent away
}

func newLanes(depth int, clock func() time.Time) *lanes {
	return &lanes{depth: depth, clock: clock, open: map[string]*lane{}}
}

// admit queues the job of an item behind the others of its lane and returns 0,
// or returns how long the item must stay away before it is offered again. It
// keeps the order in which items were first offered, does not block, and must
// not be called after close.
func (l *lanes) admit(key, receipt string, job func()) (wait time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.lane(key)
	place, back := n.away[receipt]
	switch {
	case !back && len(n.away) == 0 && len(n.jobs) < l.depth:
		l.start(key, n, append(n.jobs, job))
		return 0
	case !back:
		place = n.next
		n.away[receipt] = place
		n.next++
	case place == n.first && len(n.jobs) < l.depth:
		delete(n.away, receipt)
		delete(n.due, place)
		n.first++
		l.start(key, n, append(n.jobs, job))
		return 0
	}
	return n.wait(place, l.depth, l.clock())
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
func (n *lane) wait(place, depth int, now time.Time) time.Duration {
	pace := n.pace
	if n.running {
		pace = max(pace, now.Sub(n.begun))
	}
	ahead := place - n.first
	most := longestStay + time.Duration(ahead)*stayPerPlace
	stay := time.Duration(max(1, ahead+1+len(n.jobs)-depth)) * min(pace, most)
	stay = max(shortestStay, min(stay, most), n.due[place-1].Sub(now))
	n.due[place] = now.Add(stay)
	return stay
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
		n.away, n.due, n.first, n.next = map[string]int{}, map[int]time.Time{}, 0, 0
		if !n.running {
			delete(l.open, key)
		}
	}
}

func (l *lanes) lane(key string) *lane {
	n := l.open[key]
	if n == nil {
		n = &lane{pace: firstPace, away: map[string]int{}, due: map[int]time.Time{}}
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
