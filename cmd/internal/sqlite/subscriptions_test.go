package sqlite

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/subscriptions"
)

func TestSubscriptions(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	a := subscriptions.Subscription{LocalID: "a", TenantID: "t", ClientState: "state", Status: subscriptions.Pending, Created: at}
	b := subscriptions.Subscription{LocalID: "b", ID: "graph-b", Status: subscriptions.Active, Expires: at.Add(time.Hour)}
	want := func(doing string, list ...subscriptions.Subscription) {
		t.Helper()
		got, err := s.Subscriptions(ctx)
		must(t, err)
		if d := cmp.Diff(list, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", doing, d)
		}
	}
	want("none")
	if s.SaveSubscription(ctx, subscriptions.Subscription{ID: "no local id"}) == nil {
		t.Error("saved one without a local id")
	}
	must(t, s.SaveSubscription(ctx, b))
	must(t, s.SaveSubscription(ctx, a))
	want("two", a, b)
	a.ID, a.Status = "graph-a", subscriptions.Active
	must(t, s.SaveSubscription(ctx, a))
	s = reopen(t, s)
	want("changed", a, b)
	must(t, s.DeleteSubscription(ctx, "a"))
	must(t, s.DeleteSubscription(ctx, "a"))
	want("one", b)
}

func TestAlive(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	if got, err := s.LastAlive(ctx, "x"); err != nil || !got.IsZero() {
		t.Errorf("never: got %v, %v", got, err)
	}
	for _, at := range []time.Time{
		time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600)),
		time.Date(2026, 3, 1, 10, 0, 0, 0, time.UTC), // a clock may be set back
	} {
		must(t, s.Alive(ctx, "x", at))
		got, err := s.LastAlive(ctx, "x")
		if err != nil || !got.Equal(at) || got.Location() != time.UTC {
			t.Errorf("got %v, %v, want %v", got, err, at)
		}
	}
	if got, err := s.LastAlive(ctx, "y"); err != nil || !got.IsZero() {
		t.Errorf("another target: got %v, %v", got, err)
	}
}
