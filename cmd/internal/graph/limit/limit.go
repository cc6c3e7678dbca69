// Package limit paces calls to Microsoft Graph before they are sent, so that
// Graph rarely has to refuse one, and decides which goes first.
//
// One [Limiter] serves one app in one tenant and every verb, because Graph
// counts them together. A call names its scopes: the conversation, the team and
// whether it counts against the tenant. Each scope is a sliding window: in no
// span of a second (longer for rates below one a second) are more calls granted
// than its rate. Among those that could go, the most urgent goes first, and in
// one class the one that waits longest. An urgent call that waits for its own
// conversation holds nobody else up.
//
// When Graph answers that it is throttling, the workload (chats, teams, users,
// subscriptions) closes until Retry-After has passed: nothing of it is granted.
// Where Graph names no time it closes for a second, doubling up to a minute.
// Then it goes on at half the rate at which it was throttled, evenly, and regains
// that rate in 20 seconds: what Graph publishes is not all that it enforces.
package limit

import (
	"context"
	"slices"
	"strings"
	"sync"
	"time"
)

// slack is added to every window: two calls can arrive closer together than
// they were sent.
const slack = 25 * time.Millisecond

// The pauses where Graph names none.
const (
	firstPause   = time.Second
	longestPause = time.Minute
)

// regain is how long a workload takes from half the rate at which Graph throttled
// it back to that rate.
const regain = 20 * time.Second

// leastRate is the slowest pace of a workload, in calls a second: a limit below
// it is that of one conversation or team, and known. Retry-After does the rest.
const leastRate = 5

// crowd is how many scopes are remembered before those at rest are forgotten.
const crowd = 4096

// Rates are calls per second. Zero or less means no limit.
type Rates struct {
	Conversation float64 // of one chat or channel
	Team         float64 // of one team
	Tenant       float64 // of all calls that are Metered
}

// Priority orders calls that wait: the lowest goes first.
type Priority int

// Call is a call about to be sent. Empty scopes do not limit it.
type Call struct {
	Conversation string
	Team         string
	Workload     string // what closes together when Graph throttles
	Metered      bool   // counts against the tenant's rate
	Priority     Priority
}

// A Limiter is safe for concurrent use.
type Limiter struct {
	rates Rates
	app   *App // nil: none
	now   func() time.Time

	mu      sync.Mutex
	share   int // of how many limiters this is one
	windows map[string]*window
	closed  map[string]time.Time   // workload: until when
	strikes map[string]int         // workload: refusals in a row that named no time
	recent  map[string][]time.Time // workload: grants of the last second, oldest first
	paces   map[string]*pace       // workload: how it goes on after Graph throttled it
	waiting []*waiter              // the most urgent first
	serial  uint64
	timer   *time.Timer
}

type waiter struct {
	Call
	serial uint64
	ready  chan struct{}
}

// window remembers the last grants of a scope, oldest first, as many as fit
// into one span.
type window struct {
	most   int
	span   time.Duration
	grants []time.Time
}

// pace is the rate of a workload that Graph has throttled.
type pace struct {
	rate  float64   // calls a second, half of what it was
	since time.Time // when it was throttled
	last  time.Time // the last grant
}

// at is the rate now: it grows to twice what it was.
func (p *pace) at(now time.Time) float64 {
	return p.rate * (1 + max(now.Sub(p.since), 0).Seconds()/regain.Seconds())
}

// free is when the next call may go.
func (p *pace) free(now time.Time) time.Time {
	return p.last.Add(time.Duration(float64(time.Second) / p.at(now)))
}

// An App is what the limiters of one app registration in several tenants have
// in common: Graph counts its calls over all of them too. It is safe for
// concurrent use.
type App struct {
	rate float64

	mu sync.Mutex
	w  *window
}

// NewApp returns the common part for limiters of one app. Zero or less: no limit.
func NewApp(rate float64) *App {
	if rate <= 0 {
		return nil
	}
	return &App{rate: rate, w: newWindow(rate)}
}

// Share makes this one of n that keep to the rate of the app between them.
func (a *App) Share(n int) {
	if a == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.w = a.w.at(a.rate / float64(max(n, 1)))
}

// take grants a call and returns now, or the first moment at which it may.
func (a *App) take(now time.Time) time.Time {
	if a == nil {
		return now
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if free := a.w.free(now); free.After(now) {
		return free
	}
	a.w.grant(now)
	return now
}

// Of makes the limiter one of an app's. It must be called before the first Wait.
func (l *Limiter) Of(a *App) { l.app = a }

// New returns a limiter. now nil means time.Now; timers are always the runtime's.
func New(rates Rates, now func() time.Time) *Limiter {
	if now == nil {
		now = time.Now
	}
	return &Limiter{rates: rates, now: now, share: 1, windows: map[string]*window{}, closed: map[string]time.Time{}, strikes: map[string]int{}, recent: map[string][]time.Time{}, paces: map[string]*pace{}}
}

// Wait returns nil when c may be sent, which counts as sent, or ctx's error.
func (l *Limiter) Wait(ctx context.Context, c Call) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	w := &waiter{Call: c, ready: make(chan struct{})}
	l.mu.Lock()
	l.serial++
	w.serial = l.serial
	at, _ := slices.BinarySearchFunc(l.waiting, w, compare)
	l.waiting = slices.Insert(l.waiting, at, w)
	l.dispatch()
	l.mu.Unlock()
	select {
	case <-w.ready:
		return nil
	case <-ctx.Done():
		l.mu.Lock()
		l.waiting = slices.DeleteFunc(l.waiting, func(o *waiter) bool { return o == w })
		l.mu.Unlock()
		return ctx.Err()
	}
}

func compare(a, b *waiter) int {
	if a.Priority != b.Priority {
		return int(a.Priority) - int(b.Priority)
	}
	if a.serial < b.serial {
		return -1
	}
	return 1
}

// Throttled notes that Graph refused a call of the workload for its rate, and
// closes it: for after, or if that is not positive for a pause that doubles. It
// never shortens a closure, and calls that were under way when it closed tell
// nothing new unless they name a longer time. It returns how long the workload
// stays closed.
func (l *Limiter) Throttled(workload string, after time.Duration) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := l.now()
	closed := l.closed[workload].After(now)
	if !closed {
		l.slow(workload, now)
	}
	switch {
	case after > 0:
	case closed:
		return l.closed[workload].Sub(now)
	default:
		after = min(firstPause<<min(l.strikes[workload], 10), longestPause)
		l.strikes[workload]++
	}
	until := now.Add(after)
	if until.Before(l.closed[workload]) {
		until = l.closed[workload]
	}
	l.closed[workload] = until
	l.paces[workload].since = until // it regains its rate from when it is open again
	l.dispatch()
	return until.Sub(now)
}

// slow halves the rate of a workload. l.mu is held.
func (l *Limiter) slow(workload string, now time.Time) {
	was := float64(len(l.lately(workload, now)))
	if p := l.paces[workload]; p != nil {
		was = max(was, p.at(now))
	}
	p := &pace{rate: max(was/2, leastRate)}
	if before := l.paces[workload]; before != nil {
		p.last = before.last
	}
	l.paces[workload] = p
}

// lately returns the workload's grants of the last second. l.mu is held.
func (l *Limiter) lately(workload string, now time.Time) []time.Time {
	grants := l.recent[workload]
	first, _ := slices.BinarySearchFunc(grants, now.Add(-time.Second), func(g, t time.Time) int {
		if g.After(t) {
			return 1
		}
		return -1
	})
	l.recent[workload] = grants[first:]
	return l.recent[workload]
}

// Share makes this limiter one of n that keep to the rates of teams and tenant
// between them: each grants its part. A conversation is not shared.
func (l *Limiter) Share(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n = max(n, 1); n == l.share {
		return
	}
	l.share = n
	for name, w := range l.windows {
		var rate float64
		switch kind, _, _ := strings.Cut(name, " "); kind {
		case "team":
			rate = l.rates.Team
		case "tenant":
			rate = l.rates.Tenant
		default:
			continue
		}
		l.windows[name] = w.at(rate / float64(n))
	}
	l.dispatch()
}

// Passed notes that Graph took a call of the workload.
func (l *Limiter) Passed(workload string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed[workload].After(l.now()) { // else it was on its way before Graph throttled
		delete(l.strikes, workload)
	}
}

// Paused returns how long the workload stays closed.
func (l *Limiter) Paused(workload string) time.Duration {
	l.mu.Lock()
	defer l.mu.Unlock()
	return max(l.closed[workload].Sub(l.now()), 0)
}

// Waiting returns how many calls wait.
func (l *Limiter) Waiting() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.waiting)
}

// dispatch grants what can be granted, in order, and sets the timer for the
// next moment at which anything can. l.mu is held.
func (l *Limiter) dispatch() {
	now := l.now()
	var next time.Time
	l.waiting = slices.DeleteFunc(l.waiting, func(w *waiter) bool {
		at := l.earliest(w.Call, now)
		if !at.After(now) {
			at = l.app.take(now)
		}
		if at.After(now) {
			if next.IsZero() || at.Before(next) {
				next = at
			}
			return false
		}
		l.grant(w.Call, now)
		close(w.ready)
		return true
	})
	if l.timer != nil {
		l.timer.Stop()
		l.timer = nil
	}
	if !next.IsZero() {
		l.timer = time.AfterFunc(next.Sub(now), func() {
			l.mu.Lock()
			defer l.mu.Unlock()
			l.dispatch()
		})
	}
	l.forget(now)
}

// earliest is the first moment, from now on, at which c could be granted.
func (l *Limiter) earliest(c Call, now time.Time) time.Time {
	at := now
	if until := l.closed[c.Workload]; until.After(at) {
		at = until
	}
	if p := l.paces[c.Workload]; p != nil {
		if free := p.free(now); free.After(at) {
			at = free
		}
	}
	for _, s := range l.scopes(c) {
		if w := l.windows[s.name]; w != nil {
			if free := w.free(now); free.After(at) {
				at = free
			}
		}
	}
	return at
}

func (l *Limiter) grant(c Call, now time.Time) {
	if c.Workload != "" {
		l.recent[c.Workload] = append(l.lately(c.Workload, now), now)
	}
	switch p := l.paces[c.Workload]; {
	case p == nil:
	case now.Sub(p.since) >= regain:
		delete(l.paces, c.Workload)
	default:
		p.last = now
	}
	for _, s := range l.scopes(c) {
		w := l.windows[s.name]
		if w == nil {
			w = newWindow(s.rate)
			l.windows[s.name] = w
		}
		w.grant(now)
	}
}

type scope struct {
	name string
	rate float64
}

func (l *Limiter) scopes(c Call) []scope {
	list := make([]scope, 0, 3)
	add := func(name string, rate float64, applies bool) {
		if applies && rate > 0 {
			list = append(list, scope{name, rate})
		}
	}
	add("conversation "+c.Conversation, l.rates.Conversation, c.Conversation != "")
	add("team "+c.Team, l.rates.Team/float64(l.share), c.Team != "")
	add("tenant", l.rates.Tenant/float64(l.share), c.Metered)
	return list
}

// forget drops windows in which nothing counts any more, so that memory follows
// the conversations in use. l.mu is held.
func (l *Limiter) forget(now time.Time) {
	if len(l.windows) < crowd {
		return
	}
	for name, w := range l.windows {
		if !w.grants[len(w.grants)-1].Add(w.span).After(now) {
			delete(l.windows, name)
		}
	}
}

func newWindow(rate float64) *window {
	most := max(1, int(rate))
	return &window{most: most, span: time.Duration(float64(most)/rate*float64(time.Second)) + slack}
}

// at is the window for another rate: what was granted counts on.
func (w *window) at(rate float64) *window {
	next := newWindow(rate)
	next.grants = append(next.grants, w.grants[max(0, len(w.grants)-next.most):]...)
	return next
}

// free is when the window takes another.
func (w *window) free(now time.Time) time.Time {
	if len(w.grants) < w.most {
		return now
	}
	return w.grants[0].Add(w.span)
}

func (w *window) grant(now time.Time) {
	if len(w.grants) == w.most {
		w.grants = slices.Delete(w.grants, 0, 1)
	}
	w.grants = append(w.grants, now)
}
