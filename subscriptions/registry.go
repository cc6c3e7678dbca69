package subscriptions

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"slices"
	"strings"
	"time"
)

// The lifecycle events that are acted on; others are heard and ignored.
const (
	ReauthorizationRequired = "reauthorizationRequired"
	SubscriptionRemoved     = "subscriptionRemoved"
	Missed                  = "missed"
)

// Event is a lifecycle notification that was proved to be meant for us. It may
// still be replayed or late, so nothing is destroyed on its word alone.
type Event struct {
	SubscriptionID string
	Kind           string
}

// View is where one target stands, for the page and for metrics. It holds no
// client state.
type View struct {
	TenantID string
	Resource string
	// ID is Graph's; empty while there is none.
	ID string
	// Status is empty before the first attempt.
	Status       Status
	Expires      time.Time
	LastNotified time.Time // zero: never
	// Gap is open while the target is not covered; nil if it is.
	Gap *Gap
	// Trouble is why the last step did not work; empty if it did. It holds no
	// text of Graph's.
	Trouble string
	// Retry is when the step is tried again; zero if none failed.
	Retry time.Time
}

// Lookup returns the subscription with Graph's id: one in force, or one that
// was replaced less than four hours ago. It answers from memory.
func (m *Manager) Lookup(id string) (Subscription, bool) {
	if id == "" {
		return Subscription{}, false
	}
	now := m.now()
	m.mu.RLock()
	defer m.mu.RUnlock()
	s, ok := m.subs[m.byID[strings.ToLower(id)]]
	if !ok || s.Status == Pending || (s.Status == Retired && now.Sub(s.RetiredAt) >= late) {
		return Subscription{}, false
	}
	return s, true
}

// PendingOnes returns those that are being created: stored with their client
// state, id not known yet. It answers from memory.
func (m *Manager) PendingOnes() []Subscription {
	m.mu.RLock()
	defer m.mu.RUnlock()
	var list []Subscription
	for _, s := range m.subs {
		if s.Status == Pending {
			list = append(list, s)
		}
	}
	return list
}

// Notified notes that a notification for the subscription came in. It costs a
// map write; the time reaches the store with the next comparison.
func (m *Manager) Notified(id string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if id = strings.ToLower(id); at.After(m.notified[id]) {
		m.notified[id] = at
	}
}

// Lifecycle takes a lifecycle notification. It returns at once: what it leads to
// happens in the tenant's own loop. If the process dies before, a removal is
// found again by comparing with Graph's list, and Graph repeats what it asks
// for. Only the gap of a missed event is recorded before it returns; an error
// means that it could not be, and the event should be given again. Events for
// unknown or replaced subscriptions are ignored.
func (m *Manager) Lifecycle(ctx context.Context, e Event) error {
	s, ok := m.Lookup(e.SubscriptionID)
	known := ok && s.Status == Active
	m.observe.Heard(e, known)
	if !known {
		return nil
	}
	m.mu.Lock()
	id := strings.ToLower(s.ID)
	r := m.asked[id]
	switch e.Kind {
	case ReauthorizationRequired:
		r.reauthorize = true
	case SubscriptionRemoved, Missed:
		r.confirm = true
	default:
		m.mu.Unlock()
		return nil
	}
	m.asked[id] = r
	m.mu.Unlock()

	if e.Kind == Missed {
		now := m.now()
		from := now.Add(-late)
		if s.Created.After(from) {
			from = s.Created
		}
		g := Gap{TenantID: s.TenantID, Resource: s.Resource, From: from, To: now, Cause: "Graph said that notifications were missed"}
		if err := m.gaps.Gap(ctx, g); err != nil {
			return err
		}
	}
	for _, l := range m.loops {
		if strings.EqualFold(l.tenantID, s.TenantID) {
			l.nudge()
		}
	}
	return nil
}

// Snapshot returns where every target stands, in the order of tenant and
// resource.
func (m *Manager) Snapshot() []View {
	m.mu.RLock()
	defer m.mu.RUnlock()
	list := make([]View, 0, len(m.views))
	for _, v := range m.views {
		if at := m.notified[strings.ToLower(v.ID)]; v.ID != "" && at.After(v.LastNotified) {
			v.LastNotified = at
		}
		list = append(list, v)
	}
	slices.SortFunc(list, func(a, b View) int {
		if c := strings.Compare(a.TenantID, b.TenantID); c != 0 {
			return c
		}
		return strings.Compare(a.Resource, b.Resource)
	})
	return list
}

// Ready reports whether every target has a subscription in force.
func (m *Manager) Ready() bool {
	now := m.now()
	for _, v := range m.Snapshot() {
		if v.Status != Active || !now.Before(v.Expires) {
			return false
		}
	}
	return true
}

// show publishes v.
func (m *Manager) show(key string, v View) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.views[key] = v
}

// take returns and clears what lifecycle events asked for of a subscription.
func (m *Manager) take(id string) request {
	m.mu.Lock()
	defer m.mu.Unlock()
	id = strings.ToLower(id)
	r := m.asked[id]
	delete(m.asked, id)
	return r
}

// unsaved returns the tenant's subscriptions whose last state is not stored:
// those that could not be, and those notified since.
func (m *Manager) unsaved(tenantID string) []Subscription {
	var list []Subscription
	for _, s := range m.of(tenantID) {
		m.mu.RLock()
		behind := m.dirty[s.LocalID] || (s.Status != Pending && m.notified[strings.ToLower(s.ID)].After(s.LastNotified))
		m.mu.RUnlock()
		if behind {
			list = append(list, s)
		}
	}
	return list
}

// newClientState returns 256 random bits as 43 characters; Graph takes 128.
func newClientState() string {
	var b [32]byte
	_, _ = rand.Read(b[:]) // never fails, by its documentation
	return base64.RawURLEncoding.EncodeToString(b[:])
}

// newLocalID returns 128 random bits.
func newLocalID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return base64.RawURLEncoding.EncodeToString(b[:])
}
