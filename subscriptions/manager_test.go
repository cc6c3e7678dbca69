package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

const chats = "chats/getAllMessages"

// world is one installation whose process can be stopped and started.
type world struct {
	t     *testing.T
	graph *fakeGraph
	store *fakeStore
	opts  Options
	cert  atomic.Pointer[Certificate]
	m     *Manager
	stop  func()
}

func newWorld(t *testing.T, targets ...Target) *world {
	w := &world{t: t, graph: newFakeGraph(), store: newFakeStore()}
	w.cert.Store(&Certificate{ID: "cert-1", DER: []byte{1}})
	if len(targets) == 0 {
		targets = []Target{target("t1", chats)}
	}
	w.opts = Options{
		API: w.graph, Store: w.store, Gaps: w.store, Targets: targets,
		URLs:        URLs{Notification: "https://dlp.test/n", Lifecycle: "https://dlp.test/l"},
		Certificate: func() Certificate { return *w.cert.Load() },
	}
	return w
}

func target(tenant, resource string) Target {
	return Target{TenantID: tenant, AppID: "app", Resource: resource, ChangeTypes: "created,updated,deleted"}
}

// start runs a new manager over the same store and Graph, as a restarted
// process would.
func (w *world) start() {
	w.t.Helper()
	m, err := New(w.opts)
	if err != nil {
		w.t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	w.m = m
	go func() { done <- m.Run(ctx) }()
	w.stop = func() {
		cancel()
		if err := <-done; err != nil {
			w.t.Errorf("Run: %v", err)
		}
	}
	synctest.Wait()
}

// pass lets time go by.
func (w *world) pass(d time.Duration) {
	time.Sleep(d) //nolint:forbidigo // the bubble's clock, not the wall's
	synctest.Wait()
}

// wake makes every tenant be looked at now, without waiting for a timer.
func (w *world) wake() {
	for _, l := range w.m.loops {
		l.nudge()
	}
}

// the returns the one subscription that Graph has for the resource.
func (w *world) the(resource string) Subscription {
	w.t.Helper()
	list := w.graph.there(resource)
	if len(list) != 1 {
		w.t.Fatalf("Graph has %d subscriptions to %s, want 1", len(list), resource)
	}
	return list[0]
}

// noGap fails the test if a gap was recorded.
func (w *world) noGap() {
	w.t.Helper()
	if gaps := w.store.takeGaps(); len(gaps) > 0 {
		w.t.Errorf("gaps: %v", gaps)
	}
}

// oneGap fails the test unless exactly one closed gap was recorded, and returns it.
func (w *world) oneGap() Gap {
	w.t.Helper()
	gaps := w.store.takeGaps()
	if len(gaps) != 1 || gaps[0].To.IsZero() || gaps[0].To.Before(gaps[0].From) || gaps[0].Cause == "" {
		w.t.Fatalf("gaps: %v, want one that is closed and has a cause", gaps)
	}
	return gaps[0]
}

func TestRenewsForWeeks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, target("t1", chats), target("t1", "teams/getAllMessages"), target("t2", chats))
		w.start()
		if !w.m.Ready() {
			t.Fatalf("not ready after the first pass: %+v", w.m.Snapshot())
		}
		first := w.graph.there(chats)
		w.graph.take()
		w.pass(28 * 24 * time.Hour)
		w.stop()
		if got := w.graph.take("create", "delete", "get"); len(got) > 0 {
			t.Errorf("subscriptions were replaced: %v", got)
		}
		if got := w.graph.there(chats); len(got) != 2 || len(first) != 2 {
			t.Errorf("Graph has %v, at first %v", got, first)
		}
		w.noGap()
	})
}

func TestRenewsAtHalfLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.graph.take()
		w.pass(DefaultLifetime/2 - time.Second)
		if got := w.graph.take("renew"); len(got) > 0 {
			t.Fatalf("renewed before half life: %v", got)
		}
		w.pass(DefaultCheck + 2*time.Second)
		if got := w.graph.take("renew"); !cmp.Equal(got, []string{"renew " + chats}) {
			t.Fatalf("after half life: %v", got)
		}
		w.stop()
		if s := w.the(chats); time.Until(s.Expires) < DefaultLifetime-DefaultCheck-time.Minute {
			t.Errorf("expires in %v", time.Until(s.Expires))
		}
	})
}

func TestFirstStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var pendingAtPost []Subscription
		w.graph.onCreate = func(want Subscription) {
			// What Graph will be told is on disk, and can be recognised, before it is told.
			w.store.mu.Lock()
			defer w.store.mu.Unlock()
			for _, s := range w.store.subs {
				if s.Status == Pending && s.ClientState == want.ClientState && s.ID == "" {
					pendingAtPost = append(pendingAtPost, s)
				}
			}
			if got := w.m.PendingOnes(); len(got) != 1 || got[0].ClientState != want.ClientState {
				t.Errorf("pending in memory: %v", got)
			}
		}
		w.start()
		w.stop()
		if len(pendingAtPost) != 1 {
			t.Errorf("stored before the POST: %v", pendingAtPost)
		}
		s := w.the(chats)
		if len(s.ClientState) < 43 || len(s.ClientState) > 128 {
			t.Errorf("client state of %d characters", len(s.ClientState))
		}
		got, ok := w.m.Lookup(strings.ToUpper(s.ID))
		if !ok || got.ClientState != s.ClientState || got.Status != Active {
			t.Errorf("Lookup: %+v, %v", got, ok)
		}
		if n := len(w.m.PendingOnes()); n != 0 {
			t.Errorf("%d still pending", n)
		}
		for _, id := range []string{"", "another"} {
			if _, ok := w.m.Lookup(id); ok {
				t.Errorf("Lookup(%q) found something", id)
			}
		}
		w.noGap()
	})
}

// No record, no subscription: Graph is not asked for one whose client state is
// not on disk.
func TestStoreRefusesIntent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.set("save", true)
		w.start()
		if got := w.graph.take("create"); len(got) > 0 {
			t.Errorf("asked Graph without a record: %v", got)
		}
		w.store.set("save", false)
		w.pass(time.Minute)
		w.the(chats)
		w.stop()
	})
}

// The record after the POST cannot be written: the subscription works, and the
// record follows.
func TestStoreRefusesResult(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.store.set("save active", true)
		w.start()
		if _, ok := w.m.Lookup(w.the(chats).ID); !ok {
			t.Error("not in memory")
		}
		w.store.set("save active", false)
		w.pass(time.Minute)
		if n := w.store.count(Active); n != 1 {
			t.Errorf("%d active in the store", n)
		}
		w.stop()
		w.noGap()
	})
}

func TestRestartAdopts(t *testing.T) {
	for _, down := range []time.Duration{time.Second, time.Hour, Bridge} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			before := w.the(chats)
			w.pass(time.Hour)
			w.stop()
			w.graph.take()
			w.pass(down)
			w.start()
			if got := w.graph.take("create", "delete", "renew"); len(got) > 0 {
				t.Errorf("down for %v: %v", down, got)
			}
			if s, ok := w.m.Lookup(before.ID); !ok || s.ClientState != before.ClientState {
				t.Errorf("down for %v: %+v, %v", down, s, ok)
			}
			w.pass(time.Hour)
			w.stop()
			w.noGap()
		})
	}
}

// Lookup must answer before Run: the webhook listens first.
func TestLoadBeforeRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		id := w.the(chats).ID
		w.stop()
		m, err := New(w.opts)
		if err != nil {
			t.Fatal(err)
		}
		if err := m.Load(t.Context()); err != nil {
			t.Fatal(err)
		}
		if _, ok := m.Lookup(id); !ok {
			t.Error("not found after Load")
		}
		if m.Ready() {
			t.Error("ready before Graph was asked")
		}
	})
}

func TestDownLongerThanGraphRetries(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.pass(time.Hour)
		w.stop()
		stopped := time.Now()
		w.pass(10 * time.Hour)
		w.start()
		g := w.oneGap()
		if want := time.Now().Add(-Bridge); !g.From.Equal(stopped) || !g.To.Equal(want) {
			t.Errorf("gap %v to %v, want %v to %v", g.From, g.To, stopped, want)
		}
		w.stop()
		w.start()
		w.stop()
		w.noGap() // it is recorded once
	})
}

func TestDownUntilExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.graph.life = time.Hour
		w.start()
		id := w.the(chats).ID
		w.pass(time.Minute) // the last that Graph confirmed is the creation
		confirmed := time.Now().Add(-time.Minute)
		w.stop()
		w.pass(2 * time.Hour)
		w.start()
		g := w.oneGap()
		if s := w.the(chats); s.ID == id || !g.From.Equal(confirmed) || !g.To.Equal(time.Now()) {
			t.Errorf("gap %v to %v, want %v to %v", g.From, g.To, confirmed, time.Now())
		}
		if !strings.Contains(g.Cause, "expired") {
			t.Errorf("cause %q", g.Cause)
		}
		if _, ok := w.m.Lookup(id); !ok {
			t.Error("late notifications of the old one are refused")
		}
		w.pass(late + DefaultCheck)
		if _, ok := w.m.Lookup(id); ok {
			t.Error("the old one is still accepted after 4 hours")
		}
		if n := w.store.count(Retired); n != 0 {
			t.Errorf("%d retired still stored", n)
		}
		w.stop()
	})
}

// Down for longer than both Graph's retries and the subscription: that is one
// gap, not two.
func TestDownForDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		confirmed := time.Now()
		w.pass(time.Minute)
		w.stop()
		w.pass(100 * time.Hour)
		w.start()
		if g := w.oneGap(); !g.From.Equal(confirmed) || !g.To.Equal(time.Now()) {
			t.Errorf("gap %v to %v", g.From, g.To)
		}
		w.stop()
	})
}

// A target that Graph refused from the first attempt is promised from that
// attempt, restarts or not.
func TestRefusedFromTheStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		began := time.Now()
		w.graph.refuse["create"] = &APIError{Status: 403}
		w.start()
		w.pass(time.Hour)
		w.stop()
		w.store.takeGaps()
		w.graph.refuse = map[string]error{}
		w.start()
		if g := w.oneGap(); !g.From.Equal(began) || !g.To.Equal(time.Now()) {
			t.Errorf("gap %v to %v, want from %v", g.From, g.To, began)
		}
		w.stop()
	})
}

func TestGraphDown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.pass(30 * time.Hour)
		w.graph.with(func(g *fakeGraph) { g.down = true })
		w.pass(20 * time.Hour) // past half life, before expiry
		if !w.m.Ready() {
			t.Error("not ready, though the subscription lives")
		}
		v := w.m.Snapshot()[0]
		if v.Trouble == "" || v.Retry.IsZero() || v.Gap != nil {
			t.Errorf("view %+v", v)
		}
		w.graph.with(func(g *fakeGraph) { g.down = false; g.calls = nil })
		w.pass(10 * time.Minute)
		if got := w.graph.take("renew", "create"); !cmp.Equal(got, []string{"renew " + chats}) {
			t.Errorf("after the outage: %v", got)
		}
		if v := w.m.Snapshot()[0]; v.Trouble != "" {
			t.Errorf("still in trouble: %+v", v)
		}
		w.stop()
		w.noGap()
	})
}

func TestGraphDownUntilExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.graph.with(func(g *fakeGraph) { g.down = true })
		confirmed := time.Now()
		w.pass(DefaultLifetime + time.Hour)
		gaps := w.store.takeGaps()
		if len(gaps) != 1 || !gaps[0].From.Equal(confirmed) || !gaps[0].To.IsZero() {
			t.Fatalf("gaps %v, want one open from %v", gaps, confirmed)
		}
		if v := w.m.Snapshot()[0]; v.Gap == nil || w.m.Ready() {
			t.Errorf("the view shows no gap: %+v", v)
		}
		w.graph.with(func(g *fakeGraph) { g.down = false })
		w.pass(10 * time.Minute)
		g := w.oneGap()
		if !g.From.Equal(confirmed) || !w.m.Ready() || w.m.Snapshot()[0].Gap != nil {
			t.Errorf("gap %v", g)
		}
		w.stop()
	})
}

// A crash while a gap is open: the next process records it again, from the same
// moment.
func TestCrashInGap(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		confirmed := time.Now()
		w.graph.with(func(g *fakeGraph) { g.down = true })
		w.pass(DefaultLifetime + time.Hour)
		w.stop()
		w.store.takeGaps()
		w.start()
		w.graph.with(func(g *fakeGraph) { g.down = false })
		w.pass(10 * time.Minute)
		gaps := w.store.takeGaps()
		w.stop()
		if len(gaps) == 0 || !gaps[len(gaps)-1].From.Equal(confirmed) || gaps[len(gaps)-1].To.IsZero() {
			t.Errorf("gaps %v, want the last closed and from %v", gaps, confirmed)
		}
	})
}

// The gap cannot be written: it is not forgotten, and the time up to which all
// is accounted for does not move.
func TestGapNotRecorded(t *testing.T) {
	for _, crash := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			confirmed := time.Now()
			w.pass(time.Minute)
			w.graph.with(func(g *fakeGraph) { clear(g.subs) })
			w.store.set("gap", true)
			w.pass(DefaultCheck)
			w.the(chats)
			if crash {
				w.stop()
				w.start()
			}
			w.store.set("gap", false)
			w.pass(DefaultCheck)
			if g := w.oneGap(); !g.From.Equal(confirmed) {
				t.Errorf("crash %v: gap from %v, want %v", crash, g.From, confirmed)
			}
			w.stop()
		})
	}
}

func TestGoneAtRenewal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		old := w.the(chats)
		w.pass(DefaultLifetime/2 - time.Minute)
		w.graph.with(func(g *fakeGraph) {
			clear(g.subs)
			g.refuse["list"] = &APIError{Status: 503} // so that the PATCH finds out
			g.calls = nil
		})
		w.pass(DefaultCheck + 2*time.Minute)
		if got := w.graph.take("renew", "create", "delete"); !cmp.Equal(got, []string{"renew " + chats, "create " + chats}) {
			t.Errorf("steps %v", got)
		}
		if s := w.the(chats); s.ClientState == old.ClientState {
			t.Error("the client state was used twice")
		}
		w.oneGap()
		w.stop()
	})
}

func TestRemovedEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		old := w.the(chats)
		w.pass(time.Minute)
		w.graph.take()

		// Replayed: Graph still has it. Nothing is destroyed.
		event := Event{SubscriptionID: old.ID, Kind: SubscriptionRemoved}
		if err := w.m.Lifecycle(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if got := w.graph.take("get", "create", "delete", "renew"); !cmp.Equal(got, []string{"get " + old.ID}) {
			t.Errorf("a false event led to %v", got)
		}
		w.noGap()

		confirmed := time.Now()
		w.pass(time.Minute)
		w.graph.with(func(g *fakeGraph) { clear(g.subs) })
		if err := w.m.Lifecycle(t.Context(), event); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if s := w.the(chats); s.ID == old.ID {
			t.Error("not replaced")
		}
		if g := w.oneGap(); !g.From.Equal(confirmed) || !g.To.Equal(time.Now()) {
			t.Errorf("gap %v", g)
		}

		// Late and replayed: about one that was replaced, or never was.
		w.graph.take()
		for _, id := range []string{old.ID, "unknown", ""} {
			for _, kind := range []string{SubscriptionRemoved, ReauthorizationRequired, Missed} {
				if err := w.m.Lifecycle(t.Context(), Event{SubscriptionID: id, Kind: kind}); err != nil {
					t.Fatal(err)
				}
			}
		}
		synctest.Wait()
		if got := w.graph.take("get", "create", "delete", "renew", "list"); len(got) > 0 {
			t.Errorf("events for others led to %v", got)
		}
		w.noGap()
		w.stop()
	})
}

// While Graph does not answer whether it was removed, nothing is destroyed and
// the question stays.
func TestRemovedEventUnconfirmed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.graph.with(func(g *fakeGraph) { clear(g.subs); g.refuse["get"] = &APIError{Status: 500}; g.hide = true })
		id := w.m.Snapshot()[0].ID
		if err := w.m.Lifecycle(t.Context(), Event{id, SubscriptionRemoved}); err != nil {
			t.Fatal(err)
		}
		w.pass(time.Minute)
		if got := w.graph.take("create"); len(got) > 1 {
			t.Errorf("created again on the event's word: %v", got)
		}
		w.graph.with(func(g *fakeGraph) { g.refuse = map[string]error{} })
		w.pass(DefaultCheck)
		w.the(chats)
		w.oneGap()
		w.stop()
	})
}

func TestReauthorization(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		id := w.the(chats).ID
		tell := func() []string {
			t.Helper()
			w.graph.take()
			if err := w.m.Lifecycle(t.Context(), Event{strings.ToUpper(id), ReauthorizationRequired}); err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			return w.graph.take("renew")
		}
		w.pass(20 * time.Minute)
		if got := tell(); !cmp.Equal(got, []string{"renew " + chats}) {
			t.Errorf("first event: %v", got)
		}
		if s := w.the(chats); time.Until(s.Expires) != DefaultLifetime {
			t.Errorf("expires in %v", time.Until(s.Expires))
		}
		w.pass(9 * time.Minute)
		if got := tell(); len(got) > 0 {
			t.Errorf("nine minutes later: %v", got)
		}
		w.pass(2 * time.Minute)
		if got := w.graph.take("renew"); len(got) > 0 {
			t.Errorf("the event that came too soon was kept: %v", got)
		}
		if got := tell(); !cmp.Equal(got, []string{"renew " + chats}) {
			t.Errorf("eleven minutes later: %v", got)
		}
		w.stop()
	})
}

func TestMissedEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		id := w.the(chats).ID
		created := time.Now()
		missed := Event{id, Missed}
		w.pass(time.Hour)
		if err := w.m.Lifecycle(t.Context(), missed); err != nil {
			t.Fatal(err)
		}
		if g := w.oneGap(); !g.From.Equal(created) || !g.To.Equal(time.Now()) {
			t.Errorf("gap %v, want from the creation", g)
		}
		w.pass(24 * time.Hour)
		if err := w.m.Lifecycle(t.Context(), missed); err != nil {
			t.Fatal(err)
		}
		if g := w.oneGap(); g.To.Sub(g.From) != 4*time.Hour {
			t.Errorf("gap of %v, want 4h", g.To.Sub(g.From))
		}
		w.store.set("gap", true)
		if err := w.m.Lifecycle(t.Context(), missed); !errors.Is(err, errDisk) {
			t.Errorf("error %v, want %v", err, errDisk)
		}
		if err := w.m.Lifecycle(t.Context(), Event{id, "somethingNew"}); err != nil {
			t.Errorf("unknown event: %v", err)
		}
		w.stop()
	})
}

func TestCertificateRotation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		old := w.the(chats)
		w.pass(time.Minute)
		w.graph.take()
		w.cert.Store(&Certificate{ID: "cert-2", DER: []byte{2}})
		w.wake()
		synctest.Wait()
		if got := w.graph.take("renew", "create", "delete"); !cmp.Equal(got, []string{"renew " + chats + " cert"}) {
			t.Errorf("rotation: %v", got)
		}
		if s := w.the(chats); s.CertificateID != "cert-2" || s.ID != old.ID || time.Until(s.Expires) != DefaultLifetime {
			t.Errorf("after rotation: %+v", s)
		}
		w.noGap()

		// Graph takes the PATCH and keeps the old certificate: replaced.
		w.graph.with(func(g *fakeGraph) { g.keepCert = true; g.calls = nil })
		w.cert.Store(&Certificate{ID: "cert-3", DER: []byte{3}})
		w.wake()
		synctest.Wait()
		if got := w.graph.take("renew", "create", "delete"); !cmp.Equal(got, []string{"renew " + chats + " cert", "delete " + old.ID, "create " + chats}) {
			t.Errorf("rotation refused: %v", got)
		}
		if s := w.the(chats); s.CertificateID != "cert-3" {
			t.Errorf("after rotation: %+v", s)
		}
		w.pass(time.Hour)
		if got := w.graph.take("renew", "create", "delete"); len(got) > 0 {
			t.Errorf("it does not settle: %v", got)
		}
		w.stop()
	})
}

func TestURLChange(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		old := w.the(chats)
		w.stop()
		w.graph.take()
		w.opts.URLs.Notification = "https://new.test/n"
		w.start()
		if got := w.graph.take("renew", "create", "delete"); !cmp.Equal(got, []string{"renew " + chats + " url"}) {
			t.Errorf("notification URL: %v", got)
		}
		w.stop()
		w.noGap()
		w.opts.URLs.Lifecycle = "https://new.test/l"
		w.start()
		if got := w.graph.take("renew", "create", "delete"); !cmp.Equal(got, []string{"delete " + old.ID, "create " + chats}) {
			t.Errorf("lifecycle URL: %v", got)
		}
		if _, ok := w.m.Lookup(old.ID); !ok {
			t.Error("late notifications of the old one are refused")
		}
		w.pass(time.Hour)
		if got := w.graph.take("renew", "create", "delete"); len(got) > 0 {
			t.Errorf("it does not settle: %v", got)
		}
		w.stop()
	})
}

// Crash between the store and the POST: the same intent is created.
func TestCrashBeforePost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		intended := Subscription{LocalID: "local", TenantID: "t1", AppID: "app", Resource: chats, ClientState: "intended", Status: Pending}
		w.store.subs["local"] = intended
		w.start()
		w.stop()
		if s := w.the(chats); s.ClientState != "intended" {
			t.Errorf("client state %q", s.ClientState)
		}
		if n := w.store.count(Active); n != 1 || len(w.store.subs) != 1 {
			t.Errorf("stored: %v", w.store.subs)
		}
	})
}

// Crash, or a lost answer, between the POST and the record of its answer: Graph
// has one whose id we do not know. It is replaced, and what it still sends can
// be proved by the client state of the attempt.
func TestAnswerLost(t *testing.T) {
	for _, how := range []string{"listed", "hidden from the list", "409 without an id"} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.graph.lose["create"] = true
			w.start()
			orphan := w.the(chats)
			w.stop()
			w.graph.with(func(g *fakeGraph) {
				g.lose = map[string]bool{}
				g.hide = how == "hidden from the list"
				if how == "409 without an id" {
					g.mute, g.hides = true, 1
				}
				g.calls = nil
			})
			w.start()
			w.pass(time.Minute)
			s := w.the(chats)
			if s.ID == orphan.ID {
				t.Errorf("%s: the orphan is still there", how)
			}
			if got, ok := w.m.Lookup(s.ID); !ok || got.ClientState != s.ClientState {
				t.Errorf("%s: Lookup of the new one: %+v, %v", how, got, ok)
			}
			if got, ok := w.m.Lookup(orphan.ID); !ok || got.ClientState != orphan.ClientState {
				t.Errorf("%s: Lookup of the orphan: %+v, %v", how, got, ok)
			}
			w.stop()
		})
	}
}

// The store was lost: what Graph has is ours by app and resource, but nobody
// knows its client state.
func TestUnknownClientState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		old := w.the(chats)
		w.stop()
		w.store = newFakeStore()
		w.opts.Store, w.opts.Gaps = w.store, w.store
		w.graph.take()
		w.start()
		if got := w.graph.take("create", "delete", "renew"); !cmp.Equal(got, []string{"delete " + old.ID, "create " + chats}) {
			t.Errorf("steps %v", got)
		}
		if _, ok := w.m.Lookup(old.ID); ok {
			t.Error("the unknown one is accepted")
		}
		w.stop()
	})
}

// 409 names one that our own store knows: it is taken up, not replaced.
func TestConflictKnown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		old := w.the(chats)
		w.pass(time.Minute)
		w.graph.with(func(g *fakeGraph) {
			g.hide = true
			g.refuse["get"] = ErrNotFound // Graph is of two minds
			g.calls = nil
		})
		w.pass(DefaultCheck)
		if got := w.graph.take("create", "delete", "renew"); !cmp.Equal(got, []string{"create " + chats, "renew " + chats}) {
			t.Errorf("steps %v", got)
		}
		if s, ok := w.m.Lookup(old.ID); !ok || s.Status != Active || s.ClientState != old.ClientState {
			t.Errorf("Lookup: %+v, %v", s, ok)
		}
		if n := len(w.m.PendingOnes()); n != 0 {
			t.Errorf("%d still pending", n)
		}
		w.noGap()
		w.stop()
	})
}

// A list that lacks what exists leads to a question, not to a new subscription.
func TestListLacksOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		id := w.the(chats).ID
		w.graph.with(func(g *fakeGraph) { g.hide = true; g.calls = nil })
		w.pass(DefaultCheck + time.Minute)
		got := w.graph.take("get", "create", "delete")
		if len(got) == 0 || slices.ContainsFunc(got, func(c string) bool { return c != "get "+id }) {
			t.Errorf("steps %v", got)
		}
		w.stop()
		w.noGap()
	})
}

// A list that shows what has expired is not believed.
func TestListShowsExpired(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		stale := Subscription{ID: "stale", TenantID: "t1", AppID: "app", Resource: "/" + chats, Expires: time.Now().Add(-time.Minute)}
		l := &loop{m: mustNew(t, w.opts), tenantID: "t1"}
		target := &watch{Target: w.opts.Targets[0]}
		l.match(t.Context(), target, []Subscription{stale})
		if target.extra != nil {
			t.Errorf("taken: %+v", target.extra)
		}
	})
}

func mustNew(t *testing.T, o Options) *Manager {
	t.Helper()
	m, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A tenant that refuses, and a resource that refuses, delay nobody else.
func TestRefusals(t *testing.T) {
	for _, refusal := range []error{&APIError{Status: 401}, &APIError{Status: 403, Code: "Forbidden"}, &APIError{Status: 429, RetryAfter: time.Hour}, &APIError{Status: 503}, errors.New("tls")} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t, target("bad", chats), target("bad", "teams/getAllMessages"), target("good", "teams/a/channels/b/messages"))
			for _, op := range []string{"create", "list", "renew", "get", "delete"} {
				w.graph.refuse[op+" bad"] = refusal
			}
			began := time.Now()
			w.start()
			w.the("teams/a/channels/b/messages")
			if w.m.Ready() {
				t.Error("ready although a tenant refuses")
			}
			w.pass(24 * time.Hour)
			tries := len(w.graph.take("create"))
			if tries < 2*20 || tries > 2*24*60 {
				t.Errorf("%v: %d tries in a day", refusal, tries)
			}
			for _, g := range w.store.takeGaps() {
				if g.TenantID != "bad" || !g.From.Equal(began) || !g.To.IsZero() || !strings.Contains(g.Cause, refusal.Error()) {
					t.Errorf("%v: gap %+v", refusal, g)
				}
			}
			w.graph.with(func(g *fakeGraph) { g.refuse = map[string]error{} })
			w.pass(90 * time.Minute)
			if !w.m.Ready() {
				t.Errorf("%v: not ready after it was mended: %+v", refusal, w.m.Snapshot())
			}
			if gaps := w.store.takeGaps(); len(gaps) != 2 {
				t.Errorf("%v: closed gaps %v", refusal, gaps)
			}
			w.stop()
		})
	}
}

// Nothing is sent before Retry-After has passed.
func TestRetryAfter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.graph.refuse["create"] = &APIError{Status: 429, RetryAfter: 90 * time.Second}
		w.start()
		w.graph.take()
		w.pass(30 * time.Second)
		w.wake() // whatever wakes the loop
		w.pass(59 * time.Second)
		if got := w.graph.take("create"); len(got) > 0 {
			t.Errorf("sent within Retry-After: %v", got)
		}
		w.pass(30 * time.Second)
		if got := w.graph.take("create"); len(got) != 1 {
			t.Errorf("after Retry-After: %v", got)
		}
		w.stop()
	})
}

// What was told is scheduled from, not what was asked for.
func TestGraphDecidesExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.graph.life = time.Hour
		w.start()
		w.graph.take()
		w.pass(20 * time.Hour)
		if got := len(w.graph.take("renew")); got < 20*60/45 || got > 20*2+1 {
			t.Errorf("%d renewals of a subscription of one hour in 20 hours", got)
		}
		w.graph.with(func(g *fakeGraph) { g.frozen = true })
		w.noGap()
		w.pass(40 * time.Hour)
		if got := len(w.graph.take("renew")); got == 0 || got > 40*7 {
			t.Errorf("%d PATCHes of an expiry that does not move in 40 hours", got)
		}
		w.stop()
		// Replaced before each expiry, so that nothing lies between but the two calls.
		gaps := w.store.takeGaps()
		for _, g := range gaps {
			if g.To.Sub(g.From) > time.Second {
				t.Errorf("gap %v", g)
			}
		}
	})
}

// An answer without an expiry is followed by a question, never by a guess.
func TestAnswerWithoutExpiry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.graph.curt, w.graph.life = true, time.Hour
		w.start()
		w.pass(10 * time.Hour)
		if v, s := w.m.Snapshot()[0], w.the(chats); !v.Expires.Equal(s.Expires) {
			t.Errorf("expires %v, at Graph %v", v.Expires, s.Expires)
		}
		w.stop()
		w.noGap()
	})
}

// A second subscription for a resource that has one in force would double every
// notification.
func TestSecondOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		id := w.the(chats).ID
		w.graph.with(func(g *fakeGraph) {
			g.subs["second"] = Subscription{ID: "second", TenantID: "t1", AppID: "APP", Resource: chats + "?model=A", Expires: time.Now().Add(time.Hour)}
			g.subs["other app"] = Subscription{ID: "other app", TenantID: "t1", AppID: "other", Resource: chats, Expires: time.Now().Add(time.Hour)}
			g.calls = nil
		})
		w.pass(DefaultCheck)
		if got := w.graph.take("delete", "create", "renew"); !cmp.Equal(got, []string{"delete second"}) {
			t.Errorf("steps %v", got)
		}
		if _, ok := w.m.Lookup(id); !ok {
			t.Error("ours is gone")
		}
		w.stop()
		w.noGap()
	})
}

// What is stored beside the subscription in force is no record of one in force: of one
// that somebody else deleted to make another, and of an attempt that was never made.
func TestStoredBesideTheOneInForce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.stop()
		attempt := Subscription{LocalID: "attempt", TenantID: "t1", AppID: "app", Resource: chats, ClientState: "x", CertificateID: "cert-1", Status: Pending}
		if err := w.store.SaveSubscription(t.Context(), attempt); err != nil {
			t.Fatal(err)
		}
		w.start()
		if n := len(w.m.PendingOnes()); n != 0 {
			t.Errorf("%d pending", n)
		}
		old := w.the(chats).ID
		w.graph.with(func(g *fakeGraph) {
			delete(g.subs, old)
			g.subs["theirs"] = Subscription{ID: "theirs", TenantID: "t1", AppID: "app", Resource: chats, Expires: time.Now().Add(time.Hour)}
		})
		w.pass(2*DefaultCheck + time.Minute)
		if s := w.the(chats); s.ID == old || s.ID == "theirs" {
			t.Errorf("in force: %s", s.ID)
		}
		if a, r := w.store.count(Active), w.store.count(Retired); a != 1 || r != 1 {
			t.Errorf("stored: %d active, %d retired; want one of each", a, r)
		}
		w.pass(late + DefaultCheck)
		if len(w.store.subs) != 1 {
			t.Errorf("stored: %v", w.store.subs)
		}
		w.stop()
	})
}

// The heartbeat cannot be written: the gap is recorded when the process is up
// again, not lost.
func TestHeartbeatRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.pass(time.Hour)
		w.stop()
		w.pass(5 * time.Hour)
		w.store.set("gap", true)
		w.start()
		w.pass(10 * time.Minute)
		w.stop() // crash before it could be written
		w.store.set("gap", false)
		w.start()
		g := w.oneGap()
		if d := g.To.Sub(g.From); d != 5*time.Hour+10*time.Minute-Bridge {
			t.Errorf("gap of %v", d)
		}
		w.stop()
	})
}

// A clock that is set: decisions are by the wall clock and are taken at least
// every Check.
func TestClockIsSet(t *testing.T) {
	for _, jump := range []time.Duration{-2 * time.Hour, 2 * time.Hour, -30 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			var offset atomic.Int64
			w.opts.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
			w.start()
			w.pass(30 * time.Hour)
			offset.Store(int64(jump))
			w.pass(14 * 24 * time.Hour)
			w.stop()
			if got := w.graph.take("create", "delete"); len(got) != 1 {
				t.Errorf("clock set by %v: %v", jump, got)
			}
			w.noGap()
		})
	}
}

// The process was frozen (a suspended machine): that is being down.
func TestFrozen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var offset atomic.Int64
		w.opts.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		w.start()
		w.pass(time.Hour)
		offset.Store(int64(6 * time.Hour))
		w.pass(2 * time.Minute)
		g := w.oneGap()
		if d := g.To.Sub(g.From); d < 150*time.Minute || d > 152*time.Minute {
			t.Errorf("gap of %v, want 2h30m", d)
		}
		w.stop()
	})
}

func TestTargetRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, target("t1", chats), target("t1", "teams/getAllMessages"))
		w.start()
		id := w.the("teams/getAllMessages").ID
		w.stop()
		w.opts.Targets = w.opts.Targets[:1]
		w.graph.with(func(g *fakeGraph) {
			g.subs["foreign"] = Subscription{ID: "foreign", TenantID: "t1", AppID: "app", Resource: "users", Expires: time.Now().Add(100 * time.Hour)}
		})
		w.graph.take()
		w.start()
		if got := w.graph.take("delete", "create"); !cmp.Equal(got, []string{"delete " + id}) {
			t.Errorf("steps %v", got)
		}
		if len(w.graph.there("users")) != 1 {
			t.Error("somebody else's subscription was deleted")
		}
		w.stop()
	})
}

func TestNotified(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		id := w.the(chats).ID
		at := time.Now().UTC()
		w.m.Notified(strings.ToUpper(id), at)
		w.m.Notified(id, at.Add(-time.Hour)) // late
		if got := w.m.Snapshot()[0].LastNotified; !got.Equal(at) {
			t.Errorf("LastNotified %v, want %v", got, at)
		}
		w.pass(DefaultCheck)
		w.stop()
		for _, s := range w.store.subs {
			if !s.LastNotified.Equal(at) {
				t.Errorf("stored %v, want %v", s.LastNotified, at)
			}
		}
	})
}

// Readers and events while the loops work, for the race detector.
func TestConcurrentUse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, target("t1", chats), target("t2", chats))
		w.start()
		ids := w.graph.there(chats)
		for i := range 8 {
			go func() {
				for j := range 50 {
					id := ids[(i+j)%len(ids)].ID
					w.m.Lookup(id)
					w.m.PendingOnes()
					w.m.Notified(id, time.Now())
					w.m.Snapshot()
					w.m.Ready()
					_ = w.m.Lifecycle(context.Background(), Event{id, ReauthorizationRequired})
					time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock
				}
			}()
		}
		w.pass(3 * time.Hour)
		w.stop()
		w.noGap()
	})
}

// Graph does not answer whether it still exists, but takes renewals: it is
// renewed, since a renewal asks, too.
func TestRenewsWithoutAnAnswerToGet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		id := w.the(chats).ID
		w.graph.with(func(g *fakeGraph) { g.hide = true; g.refuse["get"] = &APIError{Status: 500} })
		w.pass(20 * 24 * time.Hour)
		if s := w.the(chats); s.ID != id {
			t.Errorf("replaced by %s", s.ID)
		}
		if got := len(w.graph.take("renew")); got > 20 {
			t.Errorf("%d PATCHes in 20 days", got)
		}
		w.stop()
		w.noGap()
	})
}

// Graph refuses what comes with a renewal: the renewal goes without it.
func TestRenewsWithoutWhatIsRefused(t *testing.T) {
	refusal := &APIError{Status: 400, Code: "ValidationError"}
	for what, change := range map[string]func(*world){
		" cert": func(w *world) { w.cert.Store(&Certificate{ID: "cert-2", DER: []byte{2}}) },
		" url":  func(w *world) { w.opts.URLs.Notification = "https://mistyped.test/n" },
	} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			id := w.the(chats).ID
			w.stop()
			change(w)
			w.graph.refuse["renew "+chats+what] = refusal
			w.start()
			w.graph.take()
			w.pass(20 * 24 * time.Hour)
			if s := w.the(chats); s.ID != id || s.CertificateID != "cert-1" || s.NotificationURL != "https://dlp.test/n" {
				t.Errorf("%s: %+v", what, s)
			}
			bare := slices.DeleteFunc(w.graph.take("renew"), func(c string) bool { return c != "renew "+chats })
			if len(bare) < 10 || len(bare) > 40 {
				t.Errorf("%s: %d renewals in 20 days", what, len(bare))
			}
			if v := w.m.Snapshot()[0]; !strings.Contains(v.Trouble, refusal.Error()) {
				t.Errorf("%s: trouble is %q", what, v.Trouble)
			}
			w.graph.with(func(g *fakeGraph) { g.refuse = map[string]error{} })
			w.pass(10 * time.Minute)
			if s, v := w.the(chats), w.m.Snapshot()[0]; v.Trouble != "" || s.CertificateID == "cert-1" && s.NotificationURL == "https://dlp.test/n" {
				t.Errorf("%s: after it was mended: %+v", what, v)
			}
			w.stop()
			w.noGap()
		})
	}
}

// Our clock is so far ahead that Graph refuses what we ask for: less is asked for.
func TestClockAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		id := w.the(chats).ID
		w.graph.with(func(g *fakeGraph) { g.most = DefaultLifetime - time.Hour })
		w.pass(20 * 24 * time.Hour)
		if s := w.the(chats); s.ID != id {
			t.Errorf("replaced by %s", s.ID)
		}
		w.stop()
		w.noGap()
	})
}

// Graph asked for re-authorization and refuses it. It holds deliveries back and
// drops them in the end, though the subscription is still listed.
func TestReauthorizationRefused(t *testing.T) {
	for _, refused := range []time.Duration{3 * time.Hour, 10 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := newWorld(t)
			w.start()
			id := w.the(chats).ID
			w.pass(time.Hour)
			w.graph.with(func(g *fakeGraph) { g.refuse["renew"] = &APIError{Status: 403} })
			asked := time.Now()
			for range 3 { // Graph asks again and again
				if err := w.m.Lifecycle(t.Context(), Event{id, ReauthorizationRequired}); err != nil {
					t.Fatal(err)
				}
				w.pass(15 * time.Minute)
			}
			w.pass(refused - 45*time.Minute)
			gaps := w.store.takeGaps()
			lost := refused > Bridge
			if lost && (len(gaps) != 1 || !gaps[0].From.Equal(asked) || !gaps[0].To.IsZero() || w.m.Snapshot()[0].Gap == nil) || !lost && len(gaps) > 0 {
				t.Fatalf("refused for %v: gaps %v, view %+v", refused, gaps, w.m.Snapshot()[0])
			}
			w.graph.with(func(g *fakeGraph) { g.refuse = map[string]error{} })
			w.pass(10 * time.Minute)
			if lost {
				if g := w.oneGap(); !g.From.Equal(asked) || g.To.Sub(asked) < refused || w.m.Snapshot()[0].Gap != nil {
					t.Errorf("closed gap %v", g)
				}
			}
			w.pass(time.Hour)
			w.stop()
			w.noGap()
		})
	}
}

// As above, and the gap could not be written while it was open.
func TestReauthorizationRefusedUnrecorded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.store.set("gap", true)
		w.graph.with(func(g *fakeGraph) { g.refuse["renew"] = &APIError{Status: 403} })
		w.pass(time.Hour)
		asked := time.Now()
		if err := w.m.Lifecycle(t.Context(), Event{w.the(chats).ID, ReauthorizationRequired}); err != nil {
			t.Fatal(err)
		}
		w.pass(10 * time.Hour)
		w.graph.with(func(g *fakeGraph) { g.refuse = map[string]error{} })
		w.pass(10 * time.Minute)
		w.store.set("gap", false)
		w.pass(DefaultCheck)
		if g := w.oneGap(); !g.From.Equal(asked) || g.To.Sub(asked) < 10*time.Hour {
			t.Errorf("gap %v, want from %v", g, asked)
		}
		w.stop()
	})
}

// A clock that was ahead when Graph last confirmed the subscription hides no gap.
func TestGapAfterClockWasAhead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		var offset atomic.Int64
		w.opts.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
		offset.Store(int64(20 * time.Hour))
		w.start()
		w.pass(time.Hour)
		w.stop()
		offset.Store(0)
		w.graph.with(func(g *fakeGraph) { clear(g.subs) })
		removed := time.Now()
		w.start()
		if g := w.oneGap(); g.From.After(removed) || removed.Sub(g.From) > 2*DefaultCheck || g.To.Before(removed) {
			t.Errorf("gap %v to %v, removed at %v", g.From, g.To, removed)
		}
		w.stop()
	})
}

// What was not written yet is written when the manager is stopped.
func TestStopWrites(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.start()
		w.pass(time.Minute)
		at := time.Now().UTC()
		w.m.Notified(w.the(chats).ID, at)
		w.stop()
		for _, s := range w.store.subs {
			if !s.LastNotified.Equal(at) {
				t.Errorf("stored %v, want %v", s.LastNotified, at)
			}
		}
	})
}

// One tenant's calls do not end: the heartbeat of the process goes on, and the
// manager stops when it is told to.
func TestHangingTenant(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, target("bad", chats), target("good", "teams/getAllMessages"))
		w.graph.hang = "bad"
		w.start()
		w.the("teams/getAllMessages")
		w.pass(10 * time.Hour)
		if at := w.store.alive[heartbeat]; time.Since(at) > 2*beat {
			t.Errorf("last heartbeat %v ago", time.Since(at))
		}
		before := time.Now()
		w.stop()
		if d := time.Since(before); d > goodbye {
			t.Errorf("it took %v to stop", d)
		}
		w.noGap()
	})
}

// A tenant that is not configured any more is no tenant of ours.
func TestTenantRemoved(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, target("t1", chats), target("t2", "teams/getAllMessages"))
		w.start()
		id := w.the("teams/getAllMessages").ID
		w.pass(time.Minute)
		w.stop()
		w.opts.Targets = w.opts.Targets[:1]
		w.pass(10 * time.Hour)
		w.start()
		if g := w.oneGap(); g.TenantID != "t1" {
			t.Errorf("gap %+v", g)
		}
		if _, ok := w.m.Lookup(id); ok {
			t.Error("its subscription is still accepted")
		}
		w.stop()
	})
}

// 409 without an id, and a list with leftovers: the one in the way is found.
func TestInTheWayAmongLeftovers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		w.graph.subs["orphan"] = Subscription{ID: "orphan", TenantID: "t1", AppID: "app", Resource: chats, Expires: time.Now().Add(time.Hour)}
		w.graph.mute, w.graph.stale = true, []Subscription{
			{ID: "expired", TenantID: "t1", AppID: "app", Resource: chats, Expires: time.Now().Add(-time.Minute)},
			{ID: "other app's", TenantID: "t1", AppID: "other", Resource: chats, Expires: time.Now().Add(time.Hour)},
		}
		l := &loop{m: mustNew(t, w.opts), tenantID: "t1"}
		watched := &watch{Target: w.opts.Targets[0]}
		if err := l.inTheWay(t.Context(), watched, &ConflictError{}); err != nil || watched.extra.ID != "orphan" {
			t.Errorf("%+v, %v", watched.extra, err)
		}
	})
}

// A list that does not name the app still shows what is ours.
func TestListWithoutApps(t *testing.T) {
	w := newWorld(t)
	l := &loop{m: mustNew(t, w.opts), tenantID: "t1"}
	ours := Subscription{LocalID: "l", ID: "s1", TenantID: "t1", AppID: "app", Resource: chats, ClientState: "x", Status: Retired}
	l.m.put(ours)
	watched := &watch{Target: w.opts.Targets[0]}
	l.match(t.Context(), watched, []Subscription{{ID: "s1", TenantID: "t1", Resource: "/" + chats, Expires: time.Now().Add(time.Hour)}})
	if watched.extra == nil || !watched.extra.Known {
		t.Errorf("taken for a stranger's: %+v", watched.extra)
	}
}

func TestNewRefuses(t *testing.T) {
	good := newWorld(t).opts
	cases := []struct {
		name   string
		change func(*Options)
	}{
		{"no API", func(o *Options) { o.API = nil }},
		{"no store", func(o *Options) { o.Store = nil }},
		{"no recorder of gaps", func(o *Options) { o.Gaps = nil }},
		{"no certificate", func(o *Options) { o.Certificate = nil }},
		{"one target twice", func(o *Options) { o.Targets = append(o.Targets, target("T1", "/CHATS/getAllMessages")) }},
	}
	for _, c := range cases {
		o := good
		c.change(&o)
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", c.name)
		}
	}
}

// Errors carry nothing of Graph's own text and no secret.
func TestErrorText(t *testing.T) {
	cases := []struct {
		err  error
		want string
	}{
		{&APIError{Status: 403, Code: "Forbidden", Detail: "permission or consent is missing", RequestID: "r1"}, "graph answered 403 Forbidden: permission or consent is missing (request r1)"},
		{&APIError{Status: 503}, "graph answered 503"},
		{&ConflictError{ID: "s1"}, "subscription s1 is in the way"},
		{&ConflictError{}, "another subscription is in the way"},
	}
	for _, c := range cases {
		if got := c.err.Error(); got != c.want {
			t.Errorf("got %q, want %q", got, c.want)
		}
	}
	sub := Subscription{ID: "s1", TenantID: "t1", Resource: chats, ClientState: "secret", Status: Active}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%d", "%q", "%x"} {
		if got := fmt.Sprintf(verb, sub) + fmt.Sprintf(verb, []Subscription{sub}) + fmt.Sprintf(verb, &sub); strings.Contains(got, "secret") {
			t.Errorf("%s prints the client state: %s", verb, got)
		}
	}
	if got := fmt.Sprint(Step{Renew, "because"}); got != "renew: because" {
		t.Errorf("step prints %q", got)
	}
}
