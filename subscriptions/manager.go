package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"time"
)

// The fixed times of the protocol and of ours.
const (
	// DefaultLifetime is five minutes less than Graph's three days, so that
	// clocks may differ.
	DefaultLifetime = 71*time.Hour + 55*time.Minute
	// DefaultCheck is how often Graph's list is compared.
	DefaultCheck = 10 * time.Minute
	// Bridge is how long the service may be down without a gap: Graph
	// retries a delivery for 4 hours, and its back-off schedule is not public,
	// so the last half hour is not counted on.
	Bridge = 3*time.Hour + 30*time.Minute

	// late is how long notifications may still come for a subscription that
	// was replaced.
	late = 4 * time.Hour
	// apart is the least time between two PATCHes of one subscription that
	// renew or re-authorize it ("change-notifications-lifecycle-events").
	apart = 10 * time.Minute
	// beat is how often the process notes that it is up.
	beat = time.Minute
	// goodbye bounds the last write at shutdown.
	goodbye = 2 * time.Second
)

// heartbeat is the name under which the store keeps when the process was last up.
const heartbeat = "process"

// Observer hears what the manager does, for logs and metrics. It is called from
// several goroutines and must not block.
type Observer interface {
	// Stepped is called after a step was tried. A nil err means done; else it
	// is tried again after retry.
	Stepped(t Target, s Step, err error, retry time.Duration)
	// Trouble tells of anything beside a step that did not work and will be
	// tried again: "list", "store", "gap".
	Trouble(tenantID, operation string, err error)
	// Heard is called for every lifecycle event. known reports whether it was
	// about a subscription in force; others are ignored.
	Heard(e Event, known bool)
}

// Options are what a Manager is made of.
type Options struct {
	API     API
	Store   Store
	Gaps    Recorder
	Targets []Target
	URLs    URLs
	// Certificate returns the certificate that Graph should encrypt for now. It
	// is asked before every decision; a new id makes every subscription be
	// patched.
	Certificate func() Certificate
	Lifetime    time.Duration    // zero: DefaultLifetime
	Check       time.Duration    // zero: DefaultCheck
	Now         func() time.Time // nil: time.Now. Timers are always the runtime's
	Observer    Observer         // nil: nobody
}

// A Manager holds the subscriptions of all tenants. Its methods are safe for
// concurrent use; Run may be called once.
type Manager struct {
	api      API
	store    Store
	gaps     Recorder
	urls     URLs
	cert     func() Certificate
	lifetime time.Duration
	check    time.Duration
	clock    func() time.Time
	observe  Observer
	loops    []*loop

	loading sync.Mutex
	loaded  bool

	// mu guards what follows. Graph's ids are in lower case in every key.
	mu       sync.RWMutex
	subs     map[string]Subscription // by local id; all statuses
	byID     map[string]string       // Graph's id to local id
	dirty    map[string]bool         // local ids whose last state is not stored yet
	notified map[string]time.Time    // by Graph's id
	asked    map[string]request      // by Graph's id: what lifecycle events asked for
	views    map[string]View         // by target key
}

// request is what lifecycle events asked for of one subscription.
type request struct{ reauthorize, confirm bool }

// New returns a manager that does nothing until Run. It refuses options that
// cannot work: no API, Store, Gaps or Certificate, or two targets that are one.
func New(o Options) (*Manager, error) {
	if o.API == nil || o.Store == nil || o.Gaps == nil || o.Certificate == nil {
		return nil, errors.New("subscription manager: API, Store, Gaps and Certificate are all needed")
	}
	o = spoil(o)
	m := &Manager{
		api: o.API, store: o.Store, gaps: o.Gaps, urls: o.URLs, cert: o.Certificate,
		lifetime: o.Lifetime, check: o.Check, clock: o.Now, observe: o.Observer,
		subs:     map[string]Subscription{},
		byID:     map[string]string{},
		dirty:    map[string]bool{},
		notified: map[string]time.Time{},
		asked:    map[string]request{},
		views:    map[string]View{},
	}
	if m.lifetime <= 0 {
		m.lifetime = DefaultLifetime
	}
	if m.check <= 0 {
		m.check = DefaultCheck
	}
	if m.clock == nil {
		m.clock = time.Now
	}
	if m.observe == nil {
		m.observe = nobody{}
	}
	byTenant := map[string]*loop{}
	for _, t := range o.Targets {
		if _, twice := m.views[t.key()]; twice {
			return nil, fmt.Errorf("subscription manager: %s is wanted twice in tenant %s", t.Resource, t.TenantID)
		}
		m.views[t.key()] = View{TenantID: t.TenantID, Resource: t.Resource}
		id := strings.ToLower(t.TenantID)
		l := byTenant[id]
		if l == nil {
			l = &loop{m: m, tenantID: t.TenantID, wake: make(chan struct{}, 1)}
			byTenant[id] = l
			m.loops = append(m.loops, l)
		}
		l.targets = append(l.targets, &watch{Target: t})
	}
	return m, nil
}

// Load reads the stored subscriptions, so that Lookup and PendingOnes answer.
// Call it before the webhook listens. Run calls it if it was not called.
func (m *Manager) Load(ctx context.Context) error {
	m.loading.Lock()
	defer m.loading.Unlock()
	if m.loaded {
		return nil
	}
	stored, err := m.store.Subscriptions(ctx)
	if err != nil {
		return fmt.Errorf("loading subscriptions: %w", err)
	}
	for _, l := range m.loops {
		for _, w := range l.targets {
			if w.proved, err = m.store.LastAlive(ctx, w.key()); err != nil {
				return fmt.Errorf("loading subscriptions: %w", err)
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, s := range stored {
		// Those of a tenant that is not configured any more stay in the store.
		if slices.ContainsFunc(m.loops, func(l *loop) bool { return strings.EqualFold(l.tenantID, s.TenantID) }) {
			m.put(s)
		}
	}
	m.loaded = true
	return nil
}

// Run keeps the subscriptions until ctx ends, and returns when every loop has.
// It returns an error only if the store could not be read at the start. The
// webhook must answer before Run is called: Graph validates both URLs while it
// creates a subscription.
func (m *Manager) Run(ctx context.Context) error {
	if err := m.Load(ctx); err != nil {
		return err
	}
	last, err := m.store.LastAlive(ctx, heartbeat)
	if err != nil {
		return fmt.Errorf("loading subscriptions: %w", err)
	}
	started := m.now()
	var all, first sync.WaitGroup
	for _, l := range m.loops {
		first.Add(1)
		all.Go(func() { l.run(ctx, first.Done) })
	}
	// Whether being down left a gap is only asked once every tenant was tried:
	// where the subscription itself is gone, that gap covers this one. But a
	// tenant whose calls do not end must not keep the heartbeat from being noted.
	tried := make(chan struct{})
	go func() { first.Wait(); close(tried) }()
	patience := time.NewTimer(beat)
	defer patience.Stop()
	select {
	case <-tried:
	case <-patience.C:
	case <-ctx.Done():
	}
	m.beats(ctx, last, started)
	all.Wait()
	return nil
}

// beats notes every minute that the process is up, and records a gap when it
// was not (or was frozen) for longer than Graph retries.
func (m *Manager) beats(ctx context.Context, last, now time.Time) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		last = m.beatOnce(ctx, last, now)
		select {
		case <-tick.C:
			now = m.now()
		case <-ctx.Done():
			final, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
			defer cancel()
			m.beatOnce(final, last, m.now())
			return
		}
	}
}

// beatOnce moves the heartbeat from last to now and returns where it stands. It
// stays where it was while a gap that lies between cannot be recorded.
func (m *Manager) beatOnce(ctx context.Context, last, now time.Time) time.Time {
	if !last.IsZero() && now.Sub(last) > Bridge {
		for _, s := range m.active() {
			if !s.Created.Before(last) {
				continue
			}
			g := Gap{TenantID: s.TenantID, Resource: s.Resource, From: last, To: now.Add(-Bridge), Cause: "the service was down for longer than Graph retries"}
			if err := m.gaps.Gap(ctx, g); err != nil {
				m.observe.Trouble(s.TenantID, "gap", err)
				return last
			}
		}
	}
	if err := m.store.Alive(ctx, heartbeat, now); err != nil {
		m.observe.Trouble("", "store", err)
		return last
	}
	return now
}

// now is wall-clock time: a monotonic reading would not notice a clock that was
// set, and Graph's expiry is wall-clock time.
func (m *Manager) now() time.Time { return m.clock().UTC().Round(0) }

// roll is a random number in [0,1), for pauses and wake-ups only.
func (m *Manager) roll() float64 { return rand.Float64() } //nolint:gosec // it guards nothing

// save stores s and then shows it to readers.
func (m *Manager) save(ctx context.Context, s Subscription) error {
	m.mu.RLock()
	if at := m.notified[strings.ToLower(s.ID)]; at.After(s.LastNotified) {
		s.LastNotified = at
	}
	m.mu.RUnlock()
	if err := m.store.SaveSubscription(ctx, s); err != nil {
		return fmt.Errorf("storing the subscription to %s: %w", s.Resource, err)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.put(s)
	delete(m.dirty, s.LocalID)
	return nil
}

// put shows s to readers. m.mu is held.
func (m *Manager) put(s Subscription) {
	m.subs[s.LocalID] = s
	if s.ID != "" {
		m.byID[strings.ToLower(s.ID)] = s.LocalID
	}
}

// record returns the subscription with that local id.
func (m *Manager) record(local string) (Subscription, bool) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	s, ok := m.subs[local]
	return s, ok
}

// keep shows s to readers and then stores it: for a state that holds at Graph
// whether or not we could write it down. What could not be stored is tried again.
func (m *Manager) keep(ctx context.Context, s Subscription) {
	m.mu.Lock()
	m.put(s)
	m.dirty[s.LocalID] = true
	m.mu.Unlock()
	if err := m.save(ctx, s); err != nil {
		m.observe.Trouble(s.TenantID, "store", err)
	}
}

// drop forgets s.
func (m *Manager) drop(ctx context.Context, s Subscription) {
	if err := m.store.DeleteSubscription(ctx, s.LocalID); err != nil {
		m.observe.Trouble(s.TenantID, "store", err)
		return
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.subs, s.LocalID)
	delete(m.dirty, s.LocalID)
	if id := strings.ToLower(s.ID); id != "" && m.byID[id] == s.LocalID {
		delete(m.byID, id)
		delete(m.notified, id)
		delete(m.asked, id)
	}
}

// of returns the tenant's subscriptions, oldest first.
func (m *Manager) of(tenantID string) []Subscription {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var list []Subscription
	for _, s := range m.subs {
		if strings.EqualFold(s.TenantID, tenantID) {
			list = append(list, s)
		}
	}
	slices.SortFunc(list, func(a, b Subscription) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.LocalID, b.LocalID)
	})
	return list
}

// active returns all that are in force.
func (m *Manager) active() []Subscription {
	m.mu.RLock()
	defer m.mu.RUnlock()
	list := slices.Collect(maps.Values(m.subs))
	return slices.DeleteFunc(list, func(s Subscription) bool { return s.Status != Active })
}

// nobody is an Observer that does not listen.
type nobody struct{}

func (nobody) Stepped(Target, Step, error, time.Duration) {}
func (nobody) Trouble(string, string, error)              {}
func (nobody) Heard(Event, bool)                          {}
