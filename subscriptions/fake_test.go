package subscriptions

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// fakeGraph is Graph's side of subscriptions: one to a resource, an expiry, no
// client state in what it reads out. Faults are switched on by the test.
type fakeGraph struct {
	mu     sync.Mutex
	now    func() time.Time
	subs   map[string]Subscription
	serial int
	calls  []string // "create chats", in order

	down     bool                    // nothing is answered
	lose     map[string]bool         // operation: done, but the answer is lost
	refuse   map[string]error        // operation, or operation and tenant: this answer
	frozen   bool                    // PATCH does not move the expiry
	keepCert bool                    // PATCH does not change the certificate
	hide     bool                    // List leaves everything out
	mute     bool                    // 409 does not name the id
	hides    int                     // so many more lists leave everything out
	curt     bool                    // POST and PATCH answer no expiry
	onCreate func(want Subscription) // runs while a create is under way
	life     time.Duration           // cap; zero: as asked
	most     time.Duration           // a PATCH for longer is refused; zero: none is
	stale    []Subscription          // listed, and not there
	hang     string                  // a tenant whose calls do not end by themselves
}

func newFakeGraph() *fakeGraph {
	return &fakeGraph{now: time.Now, subs: map[string]Subscription{}, lose: map[string]bool{}, refuse: map[string]error{}}
}

func (g *fakeGraph) begin(op, tenant, what string) error {
	g.calls = append(g.calls, op+" "+what)
	for id, s := range g.subs {
		if !g.now().Before(s.Expires) {
			delete(g.subs, id)
		}
	}
	if g.down {
		return fmt.Errorf("dial: connection refused")
	}
	for _, key := range []string{op + " " + tenant, op + " " + what} {
		if err := g.refuse[key]; err != nil {
			return err
		}
	}
	return g.refuse[op]
}

func (g *fakeGraph) Create(_ context.Context, want Subscription, cert Certificate) (Subscription, error) {
	if g.onCreate != nil {
		g.onCreate(want)
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.begin("create", want.TenantID, want.Resource); err != nil {
		return Subscription{}, err
	}
	for id, s := range g.subs {
		if s.TenantID == want.TenantID && normal(s.Resource) == normal(want.Resource) {
			if g.mute {
				id = ""
			}
			return Subscription{}, &ConflictError{ID: id}
		}
	}
	g.serial++
	s := Subscription{
		ID: fmt.Sprintf("Sub-%d", g.serial), TenantID: want.TenantID, AppID: want.AppID, Resource: "/" + want.Resource, ChangeTypes: want.ChangeTypes,
		NotificationURL: want.NotificationURL, LifecycleURL: want.LifecycleURL, CertificateID: cert.ID, ClientState: want.ClientState, Expires: g.cap(want.Expires),
	}
	g.subs[s.ID] = s
	if g.lose["create"] {
		return Subscription{}, fmt.Errorf("read: connection reset")
	}
	return g.answer(s), nil
}

func (g *fakeGraph) Renew(_ context.Context, s Subscription, cert Certificate, until time.Time) (Subscription, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	what := s.Resource
	if cert.ID != "" {
		what += " cert"
	}
	if s.NotificationURL != "" {
		what += " url"
	}
	if err := g.begin("renew", s.TenantID, what); err != nil {
		return Subscription{}, err
	}
	have, ok := g.subs[s.ID]
	if !ok {
		return Subscription{}, ErrNotFound
	}
	if g.most > 0 && until.Sub(g.now()) > g.most {
		return Subscription{}, &APIError{Status: 400, Code: "ExtensionError"}
	}
	if !g.frozen {
		have.Expires = g.cap(until)
	}
	if cert.ID != "" && !g.keepCert {
		have.CertificateID = cert.ID
	}
	if s.NotificationURL != "" {
		have.NotificationURL = s.NotificationURL
	}
	g.subs[s.ID] = have
	return g.answer(have), nil
}

func (g *fakeGraph) Get(_ context.Context, tenantID, id string) (Subscription, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.begin("get", tenantID, id); err != nil {
		return Subscription{}, err
	}
	s, ok := g.subs[id]
	if !ok {
		return Subscription{}, ErrNotFound
	}
	return read(s), nil
}

func (g *fakeGraph) List(ctx context.Context, tenantID string) ([]Subscription, error) {
	if g.hang == tenantID {
		<-ctx.Done()
		return nil, ctx.Err()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.begin("list", tenantID, tenantID); err != nil {
		return nil, err
	}
	var list []Subscription
	if g.hides > 0 {
		g.hides--
		return nil, nil
	}
	for _, s := range g.subs {
		if s.TenantID == tenantID && !g.hide {
			list = append(list, read(s))
		}
	}
	return append(list, g.stale...), nil
}

func (g *fakeGraph) Delete(_ context.Context, tenantID, id string) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	if err := g.begin("delete", tenantID, id); err != nil {
		return err
	}
	if _, ok := g.subs[id]; !ok {
		return ErrNotFound
	}
	delete(g.subs, id)
	return nil
}

func (g *fakeGraph) cap(until time.Time) time.Time {
	if g.life > 0 && until.After(g.now().Add(g.life)) {
		return g.now().Add(g.life)
	}
	return until
}

// answer is a subscription as POST and PATCH answer it.
func (g *fakeGraph) answer(s Subscription) Subscription {
	if g.curt {
		return Subscription{ID: s.ID}
	}
	return read(s)
}

// read is a subscription as Graph reads it out.
func read(s Subscription) Subscription {
	s.ClientState = ""
	return s
}

// with changes faults under the lock.
func (g *fakeGraph) with(f func(*fakeGraph)) {
	g.mu.Lock()
	defer g.mu.Unlock()
	f(g)
}

// take returns the calls since it was last asked that begin with one of ops.
func (g *fakeGraph) take(ops ...string) []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []string
	for _, c := range g.calls {
		if slices.ContainsFunc(ops, func(op string) bool { return strings.HasPrefix(c, op+" ") }) {
			list = append(list, c)
		}
	}
	g.calls = nil
	return list
}

// there returns what exists for a resource now.
func (g *fakeGraph) there(resource string) []Subscription {
	g.mu.Lock()
	defer g.mu.Unlock()
	var list []Subscription
	for _, s := range g.subs {
		if normal(s.Resource) == normal(resource) && g.now().Before(s.Expires) {
			list = append(list, s)
		}
	}
	return list
}

// fakeStore is a store in memory that outlives managers, and can refuse.
type fakeStore struct {
	mu    sync.Mutex
	subs  map[string]Subscription
	alive map[string]time.Time
	fail  map[string]bool // "save", "alive", "gap"
	gaps  []Gap
}

func newFakeStore() *fakeStore {
	return &fakeStore{subs: map[string]Subscription{}, alive: map[string]time.Time{}, fail: map[string]bool{}}
}

var errDisk = fmt.Errorf("disk full")

func (s *fakeStore) Subscriptions(context.Context) ([]Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []Subscription
	for _, sub := range s.subs {
		list = append(list, sub)
	}
	return list, nil
}

func (s *fakeStore) SaveSubscription(_ context.Context, sub Subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail["save"] || s.fail["save "+string(sub.Status)] {
		return errDisk
	}
	s.subs[sub.LocalID] = sub
	return nil
}

func (s *fakeStore) DeleteSubscription(_ context.Context, local string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subs, local)
	return nil
}

func (s *fakeStore) Alive(_ context.Context, target string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail["alive"] {
		return errDisk
	}
	s.alive[target] = at
	return nil
}

func (s *fakeStore) LastAlive(_ context.Context, target string) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alive[target], nil
}

func (s *fakeStore) Gap(_ context.Context, g Gap) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.fail["gap"] {
		return errDisk
	}
	s.gaps = append(s.gaps, g)
	return nil
}

func (s *fakeStore) set(what string, broken bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail[what] = broken
}

// takeGaps returns the gaps since it was last asked.
func (s *fakeStore) takeGaps() []Gap {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.gaps
	s.gaps = nil
	return list
}

// count returns how many stored subscriptions have the status.
func (s *fakeStore) count(status Status) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, sub := range s.subs {
		if sub.Status == status {
			n++
		}
	}
	return n
}
