package subscriptions

import (
	"testing"
	"time"
)

var noon = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)

func TestNext(t *testing.T) {
	m := margins{Lifetime: DefaultLifetime, Apart: apart}
	want := &intent{
		Target:        Target{TenantID: "t", AppID: "a", Resource: "chats/getAllMessages", ChangeTypes: "created,updated,deleted"},
		URLs:          URLs{Notification: "https://dlp.test/n", Lifecycle: "https://dlp.test/l"},
		CertificateID: "cert-1",
	}
	have := func(age, left time.Duration, change ...func(*observed)) *observed {
		o := &observed{Known: true, Subscription: Subscription{
			ID: "s1", TenantID: "t", AppID: "a", Resource: want.Resource, ChangeTypes: want.ChangeTypes, Status: Active,
			NotificationURL: want.Notification, LifecycleURL: want.Lifecycle, CertificateID: "cert-1",
			Renewed: noon.Add(-age), Expires: noon.Add(left),
		}}
		for _, c := range change {
			c(o)
		}
		return o
	}
	status := func(s Status) func(*observed) { return func(o *observed) { o.Status = s } }
	unknown := func(o *observed) { o.Known = false }
	gone := func(o *observed) { o.Gone = "Graph answered 404" }
	asked := func(o *observed) { o.Reauthorize = true }
	oldCert := func(o *observed) { o.CertificateID = "cert-0" }
	kept := func(o *observed) { o.CertificateID, o.CertificateKept = "cert-0", true }
	oldURL := func(o *observed) { o.NotificationURL = "https://old.test/n" }
	oldLifecycle := func(o *observed) { o.LifecycleURL = "https://old.test/l" }
	unmoved := func(o *observed) { o.Unmoved = true }
	fewer := func(o *observed) { o.ChangeTypes = "created" }
	neverRenewed := func(o *observed) { o.Renewed = time.Time{} }
	noExpiry := func(o *observed) { o.Expires = time.Time{} }
	noCert := *want
	noCert.CertificateID = ""

	const h = time.Hour
	cases := []struct {
		name string
		want *intent
		have *observed
		kind Kind
	}{
		{"nothing there", want, nil, Create},
		{"intended, answer lost", want, have(0, 0, status(Pending)), Create},
		{"young", want, have(1*h, 70*h), Keep},
		{"a second before half life", want, have(36*h-time.Second, 36*h+time.Second), Keep},
		{"half life", want, have(36*h, 36*h), Renew},
		{"a second before expiry", want, have(72*h, time.Second), Renew},
		{"expires now", want, have(72*h, 0), Recreate},
		{"expired long ago", want, have(99*h, -27*h), Recreate},
		{"renewal unknown, half of the usual life left", want, have(0, 35*h, neverRenewed), Renew},
		{"renewal unknown, more than half left", want, have(0, 37*h, neverRenewed), Keep},
		{"clock went back before the renewal", want, have(-2*h, 74*h), Keep},
		{"gone", want, have(1*h, 70*h, gone), Recreate},
		{"gone and expired", want, have(99*h, -1*h, gone), Recreate},
		{"client state unknown", want, have(1*h, 70*h, unknown), Recreate},
		{"client state unknown, no expiry told", want, have(1*h, 0, unknown, noExpiry), Recreate},
		{"change types differ", want, have(1*h, 70*h, fewer), Recreate},
		{"lifecycle URL differs", want, have(1*h, 70*h, oldLifecycle), Recreate},
		{"notification URL differs", want, have(1*h, 70*h, oldURL), Renew},
		{"notification URL differs just after a renewal", want, have(time.Second, 71*h, oldURL), Renew},
		{"certificate differs", want, have(1*h, 70*h, oldCert), Renew},
		{"certificate differs, PATCH did not help", want, have(1*h, 70*h, kept), Recreate},
		{"no certificate at hand", &noCert, have(1*h, 70*h), Keep},
		{"no certificate at hand at half life", &noCert, have(36*h, 36*h), Renew},
		{"expiry does not move, eleven minutes left", want, have(5*time.Minute, 11*time.Minute, unmoved), Keep},
		{"expiry does not move, ten minutes left", want, have(5*time.Minute, 10*time.Minute, unmoved), Recreate},
		{"expires soon, just renewed", want, have(5*time.Minute, 9*time.Minute), Keep},
		{"re-authorization", want, have(1*h, 70*h, asked), Renew},
		{"re-authorization within ten minutes of a PATCH", want, have(9*time.Minute, 70*h, asked), Keep},
		{"re-authorization ten minutes after a PATCH", want, have(10*time.Minute, 70*h, asked), Renew},
		{"retired, still at Graph", want, have(1*h, 70*h, status(Retired)), Adopt},
		{"retired, still at Graph, no expiry told", want, have(1*h, 0, status(Retired), noExpiry), Adopt},
		{"retired for its lifecycle URL, still at Graph", want, have(1*h, 70*h, status(Retired), oldLifecycle), Recreate},
		{"retired and expired", want, have(99*h, -1*h, status(Retired)), Recreate},
		{"unwanted", nil, have(1*h, 70*h), Delete},
		{"unwanted and gone", nil, have(1*h, 70*h, gone), Keep},
		{"unwanted and not there", nil, nil, Keep},
	}
	for _, c := range cases {
		got := next(c.want, c.have, noon, m)
		if got.Kind != c.kind {
			t.Errorf("%s: got %q, want %s", c.name, got, c.kind)
		}
		if got.Reason == "" {
			t.Errorf("%s: no reason", c.name)
		}
		if again := next(c.want, c.have, noon, m); again != got {
			t.Errorf("%s: asked again: %q, before %q", c.name, again, got)
		}
	}
}

// An expiry that PATCHes do not move makes renewals come closer, never a storm.
func TestNextUnmovedExpiry(t *testing.T) {
	want := &intent{Target: Target{Resource: "r"}, CertificateID: "c"}
	have := &observed{Known: true, Subscription: Subscription{Status: Active, CertificateID: "c", Renewed: noon, Expires: noon.Add(72 * time.Hour)}}
	patches := 0
	for now := noon; now.Before(have.Expires); now = now.Add(time.Minute) {
		if next(want, have, now, margins{Lifetime: DefaultLifetime, Apart: apart}).Kind == Renew {
			patches++
			have.Renewed = now
		}
	}
	if patches < 5 || patches > 12 {
		t.Errorf("%d PATCHes in 72 hours, want between 5 and 12", patches)
	}
}

func TestNormal(t *testing.T) {
	cases := []struct{ in, want string }{
		{"chats/getAllMessages", "chats/getallmessages"},
		{"/chats/getAllMessages", "chats/getallmessages"},
		{"/chats/getAllMessages?model=A", "chats/getallmessages"},
		{"chats/getAllMessages?model=B&$search=x", "chats/getallmessages?%24search=x"},
		{"chats/x/messages?$search=x", "chats/x/messages?%24search=x"},
		{"chats?%zz", "chats?%zz"},
		{"", ""},
	}
	for _, c := range cases {
		if got := normal(c.in); got != c.want {
			t.Errorf("normal(%q) = %q, want %q", c.in, got, c.want)
		}
	}
}

func TestPause(t *testing.T) {
	denied := &APIError{Status: 403}
	cases := []struct {
		name     string
		err      error
		failures int
		roll     float64
		want     time.Duration
	}{
		{"first", ErrNotFound, 1, 0, 2 * time.Second},
		{"doubles", ErrNotFound, 4, 0, 16 * time.Second},
		{"has an end", ErrNotFound, 1000, 0, 5 * time.Minute},
		{"denied starts slower", denied, 1, 0, 30 * time.Second},
		{"denied has an end", denied, 30, 0, 5 * time.Minute},
		{"Retry-After counts", &APIError{Status: 429, RetryAfter: time.Hour}, 1, 0, time.Hour},
		{"a short Retry-After does not hurry", &APIError{Status: 429, RetryAfter: time.Second}, 9, 0, 5 * time.Minute},
		{"jitter only adds", ErrNotFound, 1, 1, 2400 * time.Millisecond},
	}
	for _, c := range cases {
		if got := pause(c.err, c.failures, c.roll); got != c.want {
			t.Errorf("%s: got %v, want %v", c.name, got, c.want)
		}
	}
}
