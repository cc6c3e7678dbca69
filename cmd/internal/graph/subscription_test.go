package graph

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/actions"
	"teamsdlp/subscriptions"
	"teamsdlp/test/graphtwin"
)

// encryption is a key pair for resource data, made once.
var encryption = sync.OnceValues(func() (subscriptions.Certificate, error) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return subscriptions.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "teamsdlp"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	return subscriptions.Certificate{ID: "cert-1", DER: der}, err
})

func certificate(t *testing.T, id string) subscriptions.Certificate {
	t.Helper()
	c, err := encryption()
	if err != nil {
		t.Fatal(err)
	}
	c.ID = id
	return c
}

// hook answers validation requests as our webhook does.
func hook(t *testing.T) string {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
	}))
	t.Cleanup(s.Close)
	return s.URL
}

func wanted(hook, resource string) subscriptions.Subscription {
	return subscriptions.Subscription{
		TenantID: home, AppID: graphtwin.ContosoApp, Resource: resource, ChangeTypes: "created,updated,deleted", ClientState: "state",
		NotificationURL: hook + "/graph/notifications", LifecycleURL: hook + "/graph/lifecycle", Expires: time.Now().Add(subscriptions.DefaultLifetime),
	}
}

func TestSubscriptions(t *testing.T) {
	tw, c := newTwin(t, graphtwin.Options{PageSize: 1, Throttle: graphtwin.Throttle{Off: true}}, unlimited)
	api, ctx, url := NewSubscriptions(c), t.Context(), hook(t)
	want := wanted(url, "chats/getAllMessages")
	got, err := api.Create(ctx, want, certificate(t, "cert-1"))
	if err != nil {
		t.Fatal(err)
	}
	expect := want
	expect.ChangeTypes = "created,deleted,updated" // Graph spells as it likes
	expect.ID, expect.CertificateID, expect.ClientState, expect.Expires = got.ID, "cert-1", "", want.Expires.UTC().Truncate(time.Second)
	if diff := cmp.Diff(expect, got); diff != "" || got.ID == "" {
		t.Errorf("created (-want +got)\n%s", diff)
	}
	at := tw.Subscriptions()[0]
	if at.ClientState != "state" || !at.IncludeResourceData || !at.UnknownEnumMembers || at.LatestSupportedTLS != "v1_2" || at.Resource != "/chats/getAllMessages" {
		t.Errorf("at Graph: %+v", at)
	}

	var conflict *subscriptions.ConflictError
	if _, err := api.Create(ctx, want, certificate(t, "cert-1")); !errors.As(err, &conflict) || conflict.ID != got.ID {
		t.Errorf("a second one: %v", err)
	}
	if _, err := api.Create(ctx, wanted(url, "teams/getAllMessages"), certificate(t, "cert-1")); err != nil {
		t.Fatal(err)
	}
	list, err := api.List(ctx, home)
	if err != nil || len(list) != 2 {
		t.Errorf("list: %+v, %v", list, err)
	}
	if one, err := api.Get(ctx, home, got.ID); err != nil || one.ID != got.ID || one.CertificateID != "cert-1" {
		t.Errorf("get: %+v, %v", one, err)
	}

	tw.ForgetRequests()
	plain := got
	plain.NotificationURL = ""
	until := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	renewed, err := api.Renew(ctx, plain, subscriptions.Certificate{}, until)
	if err != nil || !renewed.Expires.Equal(until) {
		t.Errorf("renew: %+v, %v", renewed, err)
	}
	sent := tw.Requests(graphtwin.Filter{Method: "PATCH"})
	if len(sent) != 1 || contains(sent[0].Body, "ertificate", "otificationUrl", "clientState", "resource") {
		t.Errorf("a plain renewal sends %+v", sent)
	}
	moved := got
	moved.NotificationURL = url + "/moved"
	renewed, err = api.Renew(ctx, moved, certificate(t, "cert-2"), until)
	if err != nil || renewed.CertificateID != "cert-2" || renewed.NotificationURL != url+"/moved" {
		t.Errorf("renew with all three: %+v, %v", renewed, err)
	}

	if err := api.Delete(ctx, home, got.ID); err != nil {
		t.Fatal(err)
	}
	_, getErr := api.Get(ctx, home, got.ID)
	_, renewErr := api.Renew(ctx, plain, subscriptions.Certificate{}, until)
	for what, err := range map[string]error{"get": getErr, "renew": renewErr, "delete": api.Delete(ctx, home, got.ID)} {
		if !errors.Is(err, subscriptions.ErrNotFound) {
			t.Errorf("%s of one that is gone: %v", what, err)
		}
	}
}

// Without an id a call would be about all subscriptions; with a path in it,
// about something else.
func TestSubscriptionIDs(t *testing.T) {
	s := newServer(t, say(204, "", ""))
	api := NewSubscriptions(newClient(t, s.URL))
	for _, id := range []string{"", ".", "..", "a/b", "a?b"} {
		if err := api.Delete(t.Context(), home, id); err == nil {
			t.Errorf("DELETE of %q was sent", id)
		}
		if _, err := api.Get(t.Context(), home, id); err == nil {
			t.Errorf("GET of %q was sent", id)
		}
		if _, err := api.Renew(t.Context(), subscriptions.Subscription{TenantID: home, ID: id}, subscriptions.Certificate{}, time.Now()); err == nil {
			t.Errorf("PATCH of %q was sent", id)
		}
	}
	if _, err := api.List(t.Context(), "another tenant"); err == nil {
		t.Error("a tenant without a client was listed")
	}
	if n := len(s.got()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// What Graph asks a subscription call to wait can be hours: the manager is told,
// and hears lifecycle events meanwhile.
func TestSubscriptionCallDoesNotWaitOutThrottling(t *testing.T) {
	s := newServer(t, say(429, "application/json", `{"error":{"code":"TooManyRequests","message":"x"}}`, "Retry-After", "86400"))
	subs := NewSubscriptions(newClient(t, s.URL, func(o *Options) { o.Timeout = 50 * time.Millisecond }))
	for _, want := range []*subscriptions.APIError{
		{Status: 429, Code: "TooManyRequests", RetryAfter: 24 * time.Hour},
		{Status: 429, Code: "throttled", RetryAfter: 50 * time.Millisecond},
	} {
		_, err := subs.Get(t.Context(), home, "5b0c1f5e-6a1e-4f7e-9a55-3d7c2b4b8e10")
		var got *subscriptions.APIError
		if !errors.As(err, &got) || got.Status != want.Status || got.Code != want.Code || got.RetryAfter != want.RetryAfter {
			t.Errorf("got %#v, want %#v", err, want)
		}
	}
	if n := len(s.got()); n != 1 {
		t.Errorf("%d requests in a window in which none may be sent", n)
	}
}

func TestSubscriptionErrors(t *testing.T) {
	const json = "application/json"
	envelope := func(code, message string) string {
		return fmt.Sprintf(`{"error":{"code":%q,"message":%q,"innerError":{"request-id":"r1"}}}`, code, message)
	}
	extension := func(inner string) string {
		return envelope("ExtensionError", "Operation: Create; Exception: [Status Code: "+inner+"; Reason: of secrets]")
	}
	api := func(status int, code, detail string) *subscriptions.APIError {
		return &subscriptions.APIError{Status: status, Code: code, Detail: detail, RequestID: "r1"}
	}
	const id = "5b0c1f5e-6a1e-4f7e-9a55-3d7c2b4b8e10"
	cases := []struct {
		name   string
		answer func(int, http.ResponseWriter, *http.Request)
		create error // of Create
		get    error // of Get; nil: as for Create
	}{
		{"409", say(409, json, envelope("ObjectIdentifierInUse", "Subscription Id "+id+" already exists for the requested combination")),
			&subscriptions.ConflictError{ID: id}, api(409, "ObjectIdentifierInUse", "")},
		{"409 that names another GUID", say(409, json, envelope("ObjectIdentifierInUse", "Request 11111111-2222-4333-8444-555555555555 is a duplicate")),
			&subscriptions.ConflictError{}, api(409, "ObjectIdentifierInUse", "")},
		{"409 without an id", say(409, json, `{}`), &subscriptions.ConflictError{}, &subscriptions.APIError{Status: 409, Code: "no_code"}},
		{"409 inside", say(400, json, extension("Conflict")), &subscriptions.ConflictError{}, api(409, "ExtensionError", "")},
		{"404", say(404, json, envelope("ResourceNotFound", "gone")), api(404, "ResourceNotFound", ""), subscriptions.ErrNotFound},
		{"404 inside", say(500, json, extension("NotFound")), api(404, "ExtensionError", ""), subscriptions.ErrNotFound},
		{"404 of a proxy", say(404, "text/html", "<html>"), &subscriptions.APIError{Status: 404, Code: "not_json"}, nil},
		{"404 {}", say(404, json, `{}`), &subscriptions.APIError{Status: 404, Code: "no_code"}, nil},
		{"401", say(401, json, envelope("InvalidAuthenticationToken", "expired")), api(401, "InvalidAuthenticationToken", "the credential was refused"), nil},
		{"403", say(403, json, envelope("Forbidden", "no")), api(403, "Forbidden", "a permission or its consent is missing"), nil},
		{"403 inside", say(500, json, extension("Forbidden")), api(403, "ExtensionError", "a permission or its consent is missing"), nil},
		{"401 inside, as a number", say(400, json, extension("401")), api(401, "ExtensionError", "the credential was refused"), nil},
		{"inside, a word to come", say(400, json, extension("Teapot")), api(400, "ExtensionError", ""), nil},
		{"inside, no status", say(500, json, envelope("ExtensionError", "Operation: Create; Exception: [Specified method is not supported.]")), api(500, "ExtensionError", ""), nil},
		{"quota", say(403, json, envelope("Forbidden", "the Quota of 10000 is exceeded")), api(403, "Forbidden", "a quota of subscriptions is used up"), nil},
		{"validation: not 200", say(400, json, envelope("ValidationError", "Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.")),
			api(400, "ValidationError", "our endpoint did not answer the validation request with 200"), nil},
		{"validation: changed", say(400, json, envelope("ValidationError", "Subscription validation request failed. Response must exactly match validationToken query parameter.")),
			api(400, "ValidationError", "our endpoint's answer to the validation request was changed on its way"), nil},
		{"validation: late", say(400, json, envelope("InvalidRequest", "Subscription validation request timed out.")),
			api(400, "InvalidRequest", "our endpoint did not answer the validation request within 10 seconds"), nil},
		{"validation: TLS 1.3 only", say(400, json, envelope("ValidationError", "HttpRequestException: The request was aborted: Could not create SSL/TLS secure channel.")),
			api(400, "ValidationError", "no TLS connection to our endpoint could be made: it must offer TLS 1.2"), nil},
		{"429", say(429, json, envelope("TooManyRequests", "slow down"), "Retry-After", "0.5"),
			&subscriptions.APIError{Status: 429, Code: "TooManyRequests", RetryAfter: 500 * time.Millisecond, RequestID: "r1"}, nil},
		{"a page", say(503, "text/html", "<html>"), &subscriptions.APIError{Status: 503, Code: "not_json"}, nil},
		{"a redirect", say(302, "", "", "Location", "https://evil.test/"), &subscriptions.APIError{Status: 302, Code: "no_code"}, nil},
		{"200, a page", say(200, "text/html", "<html>"), &subscriptions.APIError{Status: 502, Code: "unreadable_answer"}, nil},
	}
	for _, c := range cases {
		s := newServer(t, c.answer)
		subs := NewSubscriptions(newClient(t, s.URL))
		_, err := subs.Create(t.Context(), wanted("https://dlp.test", "chats/getAllMessages"), certificate(t, "cert-1"))
		same(t, c.name+": create", err, c.create)
		if c.get == nil {
			c.get = c.create
		}
		subs = NewSubscriptions(newClient(t, s.URL)) // without what the other learnt of Retry-After
		_, err = subs.Get(t.Context(), home, id)
		same(t, c.name+": get", err, c.get)
		if err != nil && contains(err.Error(), "secrets", "html") {
			t.Errorf("%s: printed as %q", c.name, err)
		}
	}
}

func same(t *testing.T, what string, got, want error) {
	t.Helper()
	if want == subscriptions.ErrNotFound {
		if !errors.Is(got, want) {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
		return
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("%s: (-want +got)\n%s", what, diff)
	}
}

// Where nobody answered, the manager must not take it for an answer.
func TestSubscriptionNoAnswer(t *testing.T) {
	s := newServer(t, say(200, "", ""))
	s.Close()
	_, err := NewSubscriptions(newClient(t, s.URL)).Get(t.Context(), home, "id")
	var call *actions.CallError
	var answered *subscriptions.APIError
	if !errors.As(err, &call) || errors.As(err, &answered) || errors.Is(err, subscriptions.ErrNotFound) {
		t.Errorf("%v", err)
	}
}

// The manager, over this API, against the twin: created, found again after a
// restart, removed by Graph and made anew, with the gap in between.
func TestManagerAgainstTwin(t *testing.T) {
	tw, c := newTwin(t, graphtwin.Options{Throttle: graphtwin.Throttle{Off: true}}, unlimited)
	store := &store{subs: map[string]subscriptions.Subscription{}, alive: map[string]time.Time{}, gap: make(chan subscriptions.Gap, 10)}
	url, cert := hook(t), certificate(t, "cert-1")
	options := subscriptions.Options{
		API: NewSubscriptions(c), Store: store, Gaps: store, Certificate: func() subscriptions.Certificate { return cert },
		URLs: subscriptions.URLs{Notification: url + "/n", Lifecycle: url + "/l"},
		Targets: []subscriptions.Target{
			{TenantID: home, AppID: graphtwin.ContosoApp, Resource: "chats/getAllMessages", ChangeTypes: "created,updated,deleted"},
			{TenantID: home, AppID: graphtwin.ContosoApp, Resource: "teams/getAllMessages", ChangeTypes: "created,updated,deleted"},
		},
	}
	start := func() (*subscriptions.Manager, *stepper, func()) {
		steps := &stepper{done: make(chan subscriptions.Step, 100)}
		options.Observer = steps
		m, err := subscriptions.New(options)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- m.Run(ctx) }()
		return m, steps, func() {
			cancel()
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
	}
	m, steps, stop := start()
	for range 2 {
		if step := steps.next(t); step.Kind != subscriptions.Create {
			t.Errorf("step %v", step)
		}
	}
	stop()
	before := tw.Subscriptions()

	m, steps, stop = start()
	removed := before[0]
	for !m.Ready() {
		select {
		case s := <-steps.done:
			t.Fatalf("after a restart: %v", s)
		case <-time.After(time.Millisecond):
		}
	}
	if err := NewSubscriptions(c).Delete(t.Context(), home, removed.ID); err != nil {
		t.Fatal(err)
	}
	if err := m.Lifecycle(t.Context(), subscriptions.Event{SubscriptionID: removed.ID, Kind: subscriptions.SubscriptionRemoved}); err != nil {
		t.Fatal(err)
	}
	if step := steps.next(t); step.Kind != subscriptions.Recreate {
		t.Errorf("step %v", step)
	}
	if g := <-store.gap; g.Resource != strings.TrimPrefix(removed.Resource, "/") || g.To.Before(g.From) {
		t.Errorf("gap %+v", g)
	}
	stop()
	if n := len(tw.Subscriptions()); n != 2 {
		t.Errorf("%d subscriptions", n)
	}
}

// stepper hears steps.
type stepper struct{ done chan subscriptions.Step }

func (s *stepper) Stepped(_ subscriptions.Target, step subscriptions.Step, err error, _ time.Duration) {
	if err != nil {
		step.Reason += ": " + err.Error()
		step.Kind = "failed " + step.Kind
	}
	s.done <- step
}
func (s *stepper) Trouble(string, string, error)   {}
func (s *stepper) Heard(subscriptions.Event, bool) {}

func (s *stepper) next(t *testing.T) subscriptions.Step {
	t.Helper()
	select {
	case step := <-s.done:
		return step
	case <-time.After(2 * time.Minute):
		t.Fatal("nothing happened")
		return subscriptions.Step{}
	}
}

// store keeps subscriptions in memory.
type store struct {
	mu    sync.Mutex
	subs  map[string]subscriptions.Subscription
	alive map[string]time.Time
	gap   chan subscriptions.Gap
}

func (s *store) Subscriptions(context.Context) ([]subscriptions.Subscription, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	var list []subscriptions.Subscription
	for _, sub := range s.subs {
		list = append(list, sub)
	}
	return list, nil
}

func (s *store) SaveSubscription(_ context.Context, sub subscriptions.Subscription) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs[sub.LocalID] = sub
	return nil
}

func (s *store) DeleteSubscription(_ context.Context, local string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.subs, local)
	return nil
}

func (s *store) Alive(_ context.Context, target string, at time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.alive[target] = at
	return nil
}

func (s *store) LastAlive(_ context.Context, target string) (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.alive[target], nil
}

func (s *store) Gap(_ context.Context, g subscriptions.Gap) error {
	s.gap <- g
	return nil
}
