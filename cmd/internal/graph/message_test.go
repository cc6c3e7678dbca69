package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/graph/limit"
	"teamsdlp/test/graphtwin"
)

// What goes over the wire: the three paths, policyViolation alone, a body of
// known length that is not compressed, and the token.
func TestPatchOnTheWire(t *testing.T) {
	full := map[string]any{"policyViolation": map[string]any{
		"dlpAction": "blockAccess", "verdictDetails": "allowFalsePositiveOverride,allowOverrideWithJustification",
		"policyTip": map[string]any{"generalText": "It holds a card number.", "complianceUrl": "https://intranet.test/dlp", "matchedConditionDescriptions": []any{"Credit card"}},
	}}
	cases := []struct {
		name   string
		target actions.Target
		change func(*actions.Judgement)
		path   string
		body   map[string]any
	}{
		{"chat", inChat, nil, "/v1.0/chats/19:c0a7050c0dea100000000000000000d1@thread.v2/messages/1761985000001", full},
		{"channel", actions.Target{Tenant: home, TeamID: team, ChannelID: chann, MessageID: "11"}, nil,
			"/v1.0/teams/" + team + "/channels/" + chann + "/messages/11", full},
		{"reply", actions.Target{Tenant: home, TeamID: team, ChannelID: chann, MessageID: "12", ReplyTo: "11"}, nil,
			"/v1.0/teams/" + team + "/channels/" + chann + "/messages/11/replies/12", full},
		{"notify, no tip", inChat, func(j *actions.Judgement) { j.Action, j.Report, j.Override = actions.ActionNotify, "none", "none" },
			"/v1.0/chats/" + chat + "/messages/1761985000001",
			map[string]any{"policyViolation": map[string]any{"dlpAction": "notifySender", "verdictDetails": "none"}}},
		{"block-external", inChat, func(j *actions.Judgement) {
			j.Action, j.Report, j.Override, j.URL, j.Descriptions = actions.ActionBlockExternal, "review", "without-justification", "", nil
		},
			"/v1.0/chats/" + chat + "/messages/1761985000001",
			map[string]any{"policyViolation": map[string]any{
				"dlpAction": "blockAccessExternal", "verdictDetails": "allowOverrideWithoutJustification", "policyTip": map[string]any{"generalText": "It holds a card number."},
			}}},
	}
	for _, c := range cases {
		s := newServer(t, say(200, "", "", "request-id", "r-1"))
		if c.change == nil {
			c.change = func(*actions.Judgement) {}
		}
		call, err := newClient(t, s.URL).Patch(t.Context(), order(t, c.target, c.change))
		if err != nil || call != (actions.Call{Status: 200, RequestID: "r-1"}) {
			t.Errorf("%s: %+v, %v", c.name, call, err)
		}
		r := s.got()[0]
		path := strings.NewReplacer("%3A", ":", "%40", "@").Replace(r.path)
		if r.method != "PATCH" || path != c.path || r.auth != "Bearer secret-token" {
			t.Errorf("%s: %s %s with %q", c.name, r.method, path, r.auth)
		}
		if diff := cmp.Diff(c.body, mustParse(t, r.body)); diff != "" {
			t.Errorf("%s: body (-want +got)\n%s", c.name, diff)
		}
		if r.header.Get("Content-Encoding") != "" || r.header.Get("Content-Type") != "application/json" || r.length != int64(len(r.body)) {
			t.Errorf("%s: headers %v, length %d of %d", c.name, r.header, r.length, len(r.body))
		}
		if id := r.header.Get("client-request-id"); !guid(id) {
			t.Errorf("%s: client-request-id %q", c.name, id)
		}
	}
}

// Whatever says 2xx is a success, whatever the body is.
func TestPatchSuccess(t *testing.T) {
	cases := []struct {
		name   string
		answer func(int, http.ResponseWriter, *http.Request)
		status int
	}{
		{"200, empty", say(200, "", ""), 200},
		{"200, empty, application/json", say(200, "application/json", ""), 200},
		{"204", say(204, "", ""), 204},
		{"200 with the message", say(200, "application/json", `{"id":"1","body":{"content":"x"}}`), 200},
		{"200 with half a message", say(200, "application/json", `{"id":"1","bo`), 200},
		{"200 with a page", say(200, "text/html", "<html>ok</html>"), 200},
		{"202", say(202, "text/plain", "later"), 202},
		{"200, then the connection breaks", func(_ int, w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "1000")
			w.WriteHeader(200)
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		}, 200},
	}
	for _, c := range cases {
		s := newServer(t, c.answer)
		call, err := newClient(t, s.URL).Patch(t.Context(), order(t, inChat))
		if err != nil || call.Status != c.status {
			t.Errorf("%s: %+v, %v", c.name, call, err)
		}
		if n := len(s.got()); n != 1 {
			t.Errorf("%s: %d requests", c.name, n)
		}
	}
}

// A request that changes something is not sent when its guard says so, and says
// that it was not; one that reads is.
func TestGuard(t *testing.T) {
	s := newServer(t, say(200, "application/json", `{"id":"1761985000001","value":[]}`))
	type key struct{}
	c := newClient(t, s.URL, func(o *Options) {
		o.Guard = func(ctx context.Context) error {
			if ctx.Value(key{}) != nil {
				return errors.New("lost")
			}
			return nil
		}
	})
	lost := context.WithValue(t.Context(), key{}, true)
	_, err := c.Patch(lost, order(t, inChat))
	var call *actions.CallError
	if !errors.As(err, &call) || call.Code != "lease_lost" || !call.NotSent || call.Ambiguous {
		t.Errorf("guarded: %v", err)
	}
	if n := len(s.got()); n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	if _, err := c.Message(lost, inChat); err != nil {
		t.Errorf("a read: %v", err)
	}
	if _, err := c.Groups(lost, ana, []string{"1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11"}); err != nil {
		t.Errorf("a question that is a POST: %v", err)
	}
	if _, err := c.Patch(t.Context(), order(t, inChat)); err != nil {
		t.Errorf("not guarded: %v", err)
	}
}

// The guard is asked again when there is a connection, and what it refuses then is not
// sent either. The next call goes through, over a connection that was left alone too.
func TestGuardOnTheConnection(t *testing.T) {
	s := newServer(t, say(200, "application/json", `{"id":"1761985000001"}`))
	var asked, refuse atomic.Int32
	c := newClient(t, s.URL, func(o *Options) {
		o.Guard = func(context.Context) error {
			if n := refuse.Load(); asked.Add(1) >= n && n > 0 { // a lease that was lost stays lost
				return errors.New("lost")
			}
			return nil
		}
	})
	for range 2 {
		asked.Store(0)
		refuse.Store(2) // the first says yes, before the connection
		_, err := c.Patch(t.Context(), order(t, inChat))
		var call *actions.CallError
		if !errors.As(err, &call) || call.Code != "lease_lost" || !call.NotSent || call.Ambiguous {
			t.Errorf("guarded: %v", err)
		}
		refuse.Store(0)
		if _, err := c.Patch(t.Context(), order(t, inChat)); err != nil {
			t.Errorf("not guarded: %v", err)
		}
	}
	whole := 0
	for _, r := range s.got() { // the head of one that was refused may have come, and never its body
		if int64(len(r.body)) == r.length {
			whole++
		}
	}
	if whole != 2 {
		t.Errorf("%d whole requests came, want the 2 that were not refused", whole)
	}
}

// A lease that is lost when the body is on its way takes nothing back: the request went,
// and must not be said not to have gone.
func TestGuardAfterTheBody(t *testing.T) {
	s := newServer(t, say(200, "application/json", `{"id":"1761985000001"}`))
	var asked atomic.Int32
	c := newClient(t, s.URL, func(o *Options) {
		o.Guard = func(context.Context) error {
			if asked.Add(1) > 2 { // before the connection, and on it
				return errors.New("lost")
			}
			return nil
		}
	})
	if _, err := c.Patch(t.Context(), order(t, inChat)); err != nil {
		t.Errorf("the request went, and Patch says %v", err)
	}
	if n := len(s.got()); n != 1 {
		t.Errorf("%d requests came", n)
	}
}

// Every refusal keeps its status, whatever its body is; nothing of the body is
// printed; nothing is sent twice.
func TestPatchRefusals(t *testing.T) {
	const planted = "4111 1111 1111 1111"
	page := "<html><body>" + planted + "</body></html>"
	cases := []struct {
		name   string
		answer func(int, http.ResponseWriter, *http.Request)
		want   actions.CallError
	}{
		{"{}", say(403, "application/json", `{}`), actions.CallError{Status: 403, Code: "no_code"}},
		{"nothing", say(403, "", ""), actions.CallError{Status: 403, Code: "no_code"}},
		{"no message", say(403, "application/json", `{"error":{"code":"Forbidden"}}`), actions.CallError{Status: 403, Code: "Forbidden"}},
		{"null", say(403, "application/json", `null`), actions.CallError{Status: 403, Code: "no_code"}},
		{"error is a word", say(403, "application/json", `{"error":"denied"}`), actions.CallError{Status: 403, Code: "not_json"}},
		{"a list", say(400, "application/json", `[]`), actions.CallError{Status: 400, Code: "not_json"}},
		{"a page", say(502, "text/html", page), actions.CallError{Status: 502, Code: "not_json", Ambiguous: true}},
		{"a page that says it is JSON", say(503, "application/json", page), actions.CallError{Status: 503, Code: "not_json", Ambiguous: true}},
		{"text", say(500, "text/plain; charset=utf-8", planted), actions.CallError{Status: 500, Code: "not_json", Ambiguous: true}},
		{"a kind of its own", say(404, "application/xml", "<x/>"), actions.CallError{Status: 404, Code: "not_json"}},
		{"a code with text in it", say(403, "application/json", `{"error":{"code":"card `+planted+`","message":"m"}}`), actions.CallError{Status: 403, Code: "no_code"}},
		{"a long code", say(403, "application/json", `{"error":{"code":"`+strings.Repeat("a", 101)+`"}}`), actions.CallError{Status: 403, Code: "no_code"}},
		{"as documented", say(404, "application/json", `{"error":{"code":"NotFound","message":"`+planted+`","innerError":{"date":"2026-11-01T08:00:00","request-id":"8f6f","client-request-id":"1c2d"}}}`),
			actions.CallError{Status: 404, Code: "NotFound", RequestID: "8f6f"}},
		{"the header's id wins", say(404, "application/json", `{"error":{"code":"NotFound","innerError":{"request-id":"8f6f"}}}`, "request-id", "aaaa"),
			actions.CallError{Status: 404, Code: "NotFound", RequestID: "aaaa"}},
		{"401 with a challenge", say(401, "application/json", `{"error":{"code":"InvalidAuthenticationToken"}}`, "WWW-Authenticate", `Bearer realm="", claims="eyJ9"`),
			actions.CallError{Status: 401, Code: "InvalidAuthenticationToken"}},
		{"429", say(429, "application/json", `{"error":{"code":"TooManyRequests"}}`, "Retry-After", "2"),
			actions.CallError{Status: 429, Code: "TooManyRequests", RetryAfter: 2 * time.Second, HasRetryAfter: true}},
		{"429 with a fraction", say(429, "application/json", `{}`, "Retry-After", "0.9"),
			actions.CallError{Status: 429, Code: "no_code", RetryAfter: 900 * time.Millisecond, HasRetryAfter: true}},
		{"429 without a time", say(429, "application/json", `{}`), actions.CallError{Status: 429, Code: "no_code"}},
		{"429 with nonsense", say(429, "application/json", `{}`, "Retry-After", "soon"), actions.CallError{Status: 429, Code: "no_code"}},
		{"429 with a negative time", say(429, "application/json", `{}`, "Retry-After", "-5"), actions.CallError{Status: 429, Code: "no_code"}},
		{"429 with NaN", say(429, "application/json", `{}`, "Retry-After", "NaN"), actions.CallError{Status: 429, Code: "no_code"}},
		{"429 for ever", say(429, "application/json", `{}`, "Retry-After", "1e300"),
			actions.CallError{Status: 429, Code: "no_code", RetryAfter: 24 * time.Hour, HasRetryAfter: true}},
		{"408", say(408, "", ""), actions.CallError{Status: 408, Code: "no_code", Ambiguous: true}},
		{"504", say(504, "", ""), actions.CallError{Status: 504, Code: "no_code", Ambiguous: true}},
	}
	for _, c := range cases {
		s := newServer(t, c.answer)
		_, err := newClient(t, s.URL).Patch(t.Context(), order(t, inChat))
		var got *actions.CallError
		if !errors.As(err, &got) {
			t.Errorf("%s: error %v (%T)", c.name, err, err)
			continue
		}
		if diff := cmp.Diff(&c.want, got, cmpopts.IgnoreFields(actions.CallError{}, "Message")); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
		if text := fmt.Sprint(err); contains(text, planted, "html") {
			t.Errorf("%s: printed as %q", c.name, text)
		}
		if n := len(s.got()); n != 1 {
			t.Errorf("%s: sent %d times", c.name, n)
		}
	}
}

// A PATCH that was throttled goes out again as it was.
func TestRetriedPatchKeepsItsBody(t *testing.T) {
	s := newServer(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n < 4 {
			say(429, "application/json", `{"error":{"code":"TooManyRequests","message":"m"}}`, "Retry-After", "0.02")(n, w, r)
			return
		}
		w.WriteHeader(200)
	})
	carrier := &actions.Carrier{Graph: newClient(t, s.URL), MinBackoff: time.Millisecond}
	res := carrier.Carry(t.Context(), order(t, inChat), false)
	if res.Kind != actions.Applied || res.Call.Attempts != 4 {
		t.Fatalf("result %+v", res)
	}
	got := s.got()
	for i, r := range got {
		if r.body != got[0].body || r.body == "" || r.method != "PATCH" || r.header.Get("Retry-Attempt") != "" {
			t.Errorf("request %d: %s %q", i, r.method, r.body)
		}
	}
}

// Nothing of the workload is sent within Retry-After, by whatever verb.
func TestRetryAfterHoldsEveryVerb(t *testing.T) {
	const wait = 300 * time.Millisecond
	s := newServer(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			say(429, "application/json", `{}`, "Retry-After", "0.3")(n, w, r)
			return
		}
		say(200, "application/json", `{"id":"1","value":[]}`)(n, w, r)
	})
	c := newClient(t, s.URL)
	if _, err := c.Patch(t.Context(), order(t, inChat)); err == nil {
		t.Fatal("no error")
	}
	other := inChat
	other.ChatID = "19:another@thread.v2"
	if _, err := c.Read(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Conversation(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	got := s.got()
	if d := got[1].at.Sub(got[0].at); d < wait {
		t.Errorf("sent %v after a 429 that asked for %v", d, wait)
	}
}

// firstSlow is a credential whose first answer waits to be let go.
type firstSlow struct {
	tokens
	asks    atomic.Int32
	entered chan struct{}
	leave   chan struct{}
}

func (c *firstSlow) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	if c.asks.Add(1) == 1 {
		close(c.entered)
		<-c.leave
	}
	return c.tokens.GetToken(ctx, o)
}

// A call that still waits for its token when Graph throttles another one is held
// too: a token is got before the turn, not after it.
func TestRetryAfterHoldsWhoWaitsForAToken(t *testing.T) {
	const wait = 300 * time.Millisecond
	s := newServer(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			say(429, "application/json", `{}`, "Retry-After", "0.3")(n, w, r)
			return
		}
		say(200, "application/json", `{"id":"1"}`)(n, w, r)
	})
	cred := &firstSlow{tokens: tokens{word: "x"}, entered: make(chan struct{}), leave: make(chan struct{})}
	c := newClient(t, s.URL, func(o *Options) { o.Credential = cred })
	other := inChat
	other.ChatID = "19:another@thread.v2"
	slow, quick := order(t, inChat), order(t, other)
	done := make(chan error)
	go func() { _, err := c.Patch(t.Context(), slow); done <- err }()
	<-cred.entered
	if _, err := c.Patch(t.Context(), quick); err == nil {
		t.Fatal("not throttled")
	}
	close(cred.leave)
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	got := s.got()
	if d := got[1].at.Sub(got[0].at); len(got) != 2 || d < wait {
		t.Errorf("%d requests; sent %v after a 429 that asked for %v", len(got), d, wait)
	}
	if c.Waiting() != 0 || c.Paused() != 0 {
		t.Errorf("%d wait, paused for %v", c.Waiting(), c.Paused())
	}
}

// A redirect is an answer: the token goes nowhere else.
func TestRedirectIsNotFollowed(t *testing.T) {
	for _, status := range []int{301, 302, 303, 307, 308} {
		foreign := newServer(t, say(200, "", ""))
		s := newServer(t, say(status, "", "", "Location", foreign.URL+"/v1.0/elsewhere"))
		c := newClient(t, s.URL)
		_, err := c.Patch(t.Context(), order(t, inChat))
		var call *actions.CallError
		if !errors.As(err, &call) || call.Status != status {
			t.Errorf("PATCH answered %d: %v", status, err)
		}
		if _, err := c.Message(t.Context(), inChat); !errors.As(err, &call) || call.Status != status {
			t.Errorf("GET answered %d: %v", status, err)
		}
		if got := foreign.got(); len(got) != 0 {
			t.Errorf("%d: followed with %q", status, got[0].auth)
		}
	}
}

// No token goes to a host that is not the configured one: not by a link in an
// answer, not by the SDK.
func TestNoTokenToAForeignHost(t *testing.T) {
	foreign := newServer(t, say(200, "application/json", `{"value":[]}`))
	link := `{"value":[],"@odata.nextLink":"` + foreign.URL + `/v1.0/next"}`
	s := newServer(t, say(200, "application/json", link))
	credential := &tokens{word: "secret-token"}
	c := newClient(t, s.URL, func(o *Options) { o.Credential = credential })
	check := func(what string, err error) {
		t.Helper()
		var call *actions.CallError
		if !errors.As(err, &call) || call.Code != "foreign_host" {
			t.Errorf("%s: error %v", what, err)
		}
	}
	_, err := c.Conversation(t.Context(), inChat)
	check("members", err)
	_, err = NewSubscriptions(c).List(t.Context(), home)
	check("subscriptions", err)
	asked := len(credential.asked)

	c.adapter.SetBaseUrl(foreign.URL + "/v1.0") // as if the SDK had been led astray
	_, err = NewSubscriptions(c).List(t.Context(), home)
	check("adapter", err)
	_, err = c.Patch(t.Context(), order(t, inChat))
	check("PATCH", err)
	if n := len(credential.asked) - asked; n != 2 { // one a call before its turn, for our own host
		t.Errorf("%d tokens were fetched, want 2: none for a foreign host", n)
	}
	if got := foreign.got(); len(got) != 0 {
		t.Errorf("reached by %s %s with %q", got[0].method, got[0].path, got[0].auth)
	}
}

func TestSameHost(t *testing.T) {
	const base = "https://graph.microsoft.com"
	cases := []struct {
		base, url string
		want      bool
	}{
		{base, "https://graph.microsoft.com/v1.0/x", true},
		{base, "https://GRAPH.microsoft.com:443/v1.0/x", true},
		{base, "http://graph.microsoft.com/v1.0/x", false},
		{base, "https://graph.microsoft.com:8443/x", false},
		{base, "https://graph.microsoft.com.evil.test/x", false},
		{base, "https://graph.microsoft.com@evil.test/x", false},
		{base, "https://user@graph.microsoft.com/x", false},
		{base, "https://evil.test/graph.microsoft.com", false},
		{base, "/v1.0/x", false},
		{"http://127.0.0.1:9400", "http://127.0.0.1:9400/x", true},
		{"http://127.0.0.1:9400", "http://127.0.0.1:9401/x", false},
		{"http://127.0.0.1:9400", "http://localhost:9400/x", false},
	}
	for _, c := range cases {
		u, b := parse(t, c.url), parse(t, c.base)
		if got := sameHost(u, b); got != c.want {
			t.Errorf("sameHost(%s, %s) = %v", c.url, c.base, got)
		}
	}
}

// An answer that is lost after the request left is open; a request that never
// left is not.
func TestLostAnswers(t *testing.T) {
	closed := newServer(t, say(200, "", ""))
	closed.Close()
	cases := []struct {
		name    string
		server  *server
		timeout time.Duration
		want    actions.CallError
	}{
		{"connection reset after it was sent", newServer(t, func(_ int, w http.ResponseWriter, _ *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			_ = conn.(*net.TCPConn).SetLinger(0)
			_ = conn.Close()
		}), time.Minute, actions.CallError{Code: "no_answer", Ambiguous: true}},
		{"no answer in time", newServer(t, func(_ int, _ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }), time.Second, actions.CallError{Code: "timeout", Ambiguous: true}},
		{"nobody listens", closed, time.Minute, actions.CallError{Code: "no_answer", NotSent: true}},
	}
	for _, c := range cases {
		client := newClient(t, c.server.URL, func(o *Options) { o.Timeout = c.timeout })
		_, err := client.Patch(t.Context(), order(t, inChat))
		var got *actions.CallError
		if !errors.As(err, &got) {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff(&c.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", c.name, diff)
		}
	}
}

func TestNotSent(t *testing.T) {
	s := newServer(t, say(200, "", ""))
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	cases := []struct {
		name string
		ctx  context.Context
		cred *tokens
		code string
	}{
		{"no token", t.Context(), &tokens{err: errors.New("quotes a secret")}, "no_token"},
		{"an empty token", t.Context(), &tokens{}, "no_token"},
		{"the authority is out of reach", t.Context(), &tokens{err: fmt.Errorf("quotes a secret: %w", &url.Error{Op: "Post", URL: "https://login", Err: errors.New("refused")})}, "login_server_out_of_reach"},
		{"azidentity got no answer", t.Context(), &tokens{err: &azidentity.AuthenticationFailedError{}}, "login_server_out_of_reach"},
		{"azidentity was refused without a code", t.Context(), &tokens{err: &azidentity.AuthenticationFailedError{RawResponse: &http.Response{
			StatusCode: 503, Body: io.NopCloser(strings.NewReader("<p>quotes a secret</p>")), Request: httptest.NewRequest("POST", "https://login/", nil),
		}}}, "login_status_503"},
		{"azidentity was refused", t.Context(), &tokens{err: &azidentity.AuthenticationFailedError{RawResponse: &http.Response{
			StatusCode: 401, Body: io.NopCloser(strings.NewReader(`{"error_description":"AADSTS7000222: quotes a secret"}`)), Request: httptest.NewRequest("POST", "https://login/", nil),
		}}}, "AADSTS7000222"},
		{"the authority refused", t.Context(), &tokens{err: &tokenError{status: 401, code: "AADSTS7000215"}}, "AADSTS7000215"},
		{"stopped", ended, &tokens{word: "x"}, "canceled"},
	}
	for _, c := range cases {
		client := newClient(t, s.URL, func(o *Options) { o.Credential = c.cred })
		_, err := client.Patch(c.ctx, order(t, inChat))
		var got *actions.CallError
		if !errors.As(err, &got) || got.Code != c.code || !got.NotSent || got.Ambiguous || contains(err.Error(), "quotes") {
			t.Errorf("%s: PATCH: %#v", c.name, err)
		}
		if want := strings.HasPrefix(c.code, "AADSTS"); got != nil && got.NoToken != want {
			t.Errorf("%s: the credential is refused: %v, want %v", c.name, got.NoToken, want)
		}
		if _, err = client.Message(c.ctx, inChat); !errors.As(err, &got) || got.Code != c.code || !got.NotSent {
			t.Errorf("%s: GET: %#v", c.name, err)
		}
	}
	if n := len(s.got()); n != 0 {
		t.Errorf("%d requests reached Graph", n)
	}
}

// The PATCH client takes only what an enforcing verdict made, and only ids that
// lead where they should.
func TestPatchRefusesOrders(t *testing.T) {
	s := newServer(t, say(200, "", ""))
	c := newClient(t, s.URL)
	check := func(what string, err error, code string) {
		t.Helper()
		var got *actions.CallError
		if !errors.As(err, &got) || got.Code != code || got.Status != 400 {
			t.Errorf("%s: %v", what, err)
		}
	}
	_, err := c.Patch(t.Context(), actions.Order{})
	check("zero order", err, "invalid_order")
	for name, target := range map[string]actions.Target{
		"nothing":         {},
		"no message":      {ChatID: chat},
		"no channel":      {TeamID: team, MessageID: "1"},
		"up":              {ChatID: "..", MessageID: "1"},
		"a path":          {ChatID: chat, MessageID: "1/../../users"},
		"a query":         {ChatID: chat, MessageID: "1?model=A"},
		"a reply's root":  {TeamID: team, ChannelID: chann, MessageID: "1", ReplyTo: "."},
		"a backslash":     {ChatID: `x\y`, MessageID: "1"},
		"another message": {ChatID: chat, MessageID: "1#2"},
	} {
		target.Tenant = home
		_, err := c.Patch(t.Context(), order(t, target))
		check(name, err, "invalid_target")
		_, err = c.Read(t.Context(), target)
		check(name+", read", err, "invalid_target")
	}
	foreign := inChat
	foreign.Tenant = graphtwin.FabrikamTenant
	_, err = c.Patch(t.Context(), order(t, foreign))
	check("another tenant", err, "foreign_tenant")
	if n := len(s.got()); n != 0 {
		t.Errorf("%d requests reached Graph", n)
	}
}

// An answer that is no message is a gateway's fault, not the message's.
func TestReadUnreadable(t *testing.T) {
	for _, body := range []string{`{}`, `<html>4111</html>`, ``} {
		s := newServer(t, say(200, "application/json", body))
		_, err := newClient(t, s.URL).Read(t.Context(), inChat)
		var call *actions.CallError
		if !errors.As(err, &call) || call.Status != 502 || call.Code != "unreadable_answer" {
			t.Errorf("%q: %v", body, err)
		}
	}
}

func TestFingerprintOfRead(t *testing.T) {
	s := newServer(t, say(200, "application/json", `{"id":"1","etag":"5","body":{"content":"x"}}`))
	c := newClient(t, s.URL, func(o *Options) { o.Fingerprint = func(m []byte) string { return fmt.Sprint(len(m)) } })
	got, err := c.Read(t.Context(), inChat)
	if err != nil || got.Fingerprint != "44" {
		t.Errorf("%+v, %v", got, err)
	}
}

// ---- against the twin ----

func TestTwinBlockAndRelease(t *testing.T) {
	tw, c := newTwin(t, graphtwin.Options{Throttle: graphtwin.Throttle{Off: true}}, unlimited)
	root := speak(t, tw, "ana", "sales/general")
	for _, m := range []graphtwin.Message{
		root,
		speak(t, tw, "ana", "chat:ana-li"),
		speak(t, tw, "li", "sales/general", func(p *graphtwin.Post) { p.ReplyTo = root.ID }),
	} {
		if _, err := c.Patch(t.Context(), order(t, targetOf(m))); err != nil {
			t.Fatalf("%s: %v", m.Path, err)
		}
		shown, err := tw.Shown(m.ID)
		if err != nil || !shown.Blocked || shown.PatchCount != 1 {
			t.Errorf("%s: %+v, %v", m.Path, shown, err)
		}
		got, err := c.Read(t.Context(), targetOf(m))
		if err != nil || !order(t, targetOf(m)).Equal(got.Violation) || got.Version == m.ETag {
			t.Errorf("%s: read %+v, %v", m.Path, got, err)
		}
	}
}

func TestTwinOddCasing(t *testing.T) {
	odd := graphtwin.DefaultSwitches()
	odd.OddCasing = true
	tw, c := newTwin(t, graphtwin.Options{Switches: &odd, Throttle: graphtwin.Throttle{Off: true}}, unlimited)
	m := speak(t, tw, "ana", "chat:ana-li")
	o := order(t, targetOf(m))
	if _, err := c.Patch(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	got, err := c.Read(t.Context(), targetOf(m))
	if err != nil || !o.Equal(got.Violation) {
		t.Errorf("our own PATCH is not recognised: %v, %v", got.Violation == nil, err)
	}
	if _, err := tw.Override(m.ID, "agreed in writing"); err != nil {
		t.Fatal(err)
	}
	got, err = c.Read(t.Context(), targetOf(m))
	if err != nil || !got.Violation.Overridden() {
		t.Errorf("the override is lost: %v", err)
	}
}

// The answer to a PATCH is lost after it worked, and the sender overrides the
// block before we look: it is not sent again.
func TestTwinAnswerLostThenOverridden(t *testing.T) {
	tw, c := newTwin(t, graphtwin.Options{Throttle: graphtwin.Throttle{Off: true}}, unlimited)
	m := speak(t, tw, "ana", "chat:ana-li")
	rule := graphtwin.Rule{Method: "PATCH", Path: "/messages/", Count: 1, Reset: true, Apply: true}
	if err := tw.SetFaults(graphtwin.Faults{Rules: []graphtwin.Rule{rule}}); err != nil {
		t.Fatal(err)
	}
	carrier := &actions.Carrier{Graph: overriding{c, tw, m.ID}, MinBackoff: time.Millisecond}
	res := carrier.Carry(t.Context(), order(t, targetOf(m)), false)
	if res.Kind != actions.Overridden || !res.Call.Reconciled {
		t.Errorf("result %+v", res)
	}
	if n := len(tw.Patches()); n != 1 {
		t.Errorf("%d PATCHes", n)
	}
	shown, err := tw.Shown(m.ID)
	if err != nil || shown.Blocked {
		t.Errorf("blocked over the override: %v, %v", shown.Blocked, err)
	}
}

// overriding lets the sender override between a PATCH and whatever follows.
type overriding struct {
	*Client
	tw *graphtwin.Twin
	id string
}

func (o overriding) Patch(ctx context.Context, order actions.Order) (actions.Call, error) {
	call, err := o.Client.Patch(ctx, order)
	_, _ = o.tw.Override(o.id, "agreed in writing")
	return call, err
}

// Lost answers, pages, resets and throttling in a row: one PATCH is applied, or
// applied again as it was.
func TestTwinFaults(t *testing.T) {
	cases := []struct {
		name    string
		rule    graphtwin.Rule
		applied int
	}{
		{"reset after applying", graphtwin.Rule{Reset: true, Apply: true}, 1},
		{"reset before applying", graphtwin.Rule{Reset: true}, 1},
		{"504 though applied", graphtwin.Rule{Status: 504, Apply: true}, 1},
		{"a page", graphtwin.Rule{Status: 503, HTML: true}, 1},
		{"429 without a time", graphtwin.Rule{Status: 429}, 1},
		{"429 with a fraction", graphtwin.Rule{Status: 429, RetryAfter: "0.05"}, 1},
		{"401 once", graphtwin.Rule{Status: 401}, 1},
	}
	for _, c := range cases {
		tw, client := newTwin(t, graphtwin.Options{Throttle: graphtwin.Throttle{Off: true}}, unlimited)
		m := speak(t, tw, "ana", "chat:ana-li")
		c.rule.Method, c.rule.Path, c.rule.Count = "PATCH", "/messages/", 1
		if err := tw.SetFaults(graphtwin.Faults{Rules: []graphtwin.Rule{c.rule}}); err != nil {
			t.Fatal(err)
		}
		carrier := &actions.Carrier{Graph: client, MinBackoff: time.Millisecond}
		res := carrier.Carry(t.Context(), order(t, targetOf(m)), false)
		shown, err := tw.Shown(m.ID)
		if res.Kind != actions.Applied || err != nil || !shown.Blocked || shown.PatchCount != c.applied {
			t.Errorf("%s: %+v; %d PATCHes applied, blocked %v, %v", c.name, res, shown.PatchCount, shown.Blocked, err)
		}
	}
}

// What Graph will not take is told as what it is.
func TestTwinRefusals(t *testing.T) {
	tw, c := newTwin(t, graphtwin.Options{Throttle: graphtwin.Throttle{Off: true}}, unlimited)
	carrier := &actions.Carrier{Graph: c, MinBackoff: time.Millisecond}
	gone := speak(t, tw, "ana", "chat:ana-li")
	if _, err := tw.Delete(gone.ID); err != nil {
		t.Fatal(err)
	}
	cases := []struct {
		name string
		m    graphtwin.Message
		want actions.ResultKind
	}{
		{"federated sender", speak(t, tw, "kim", "chat:ext-deal"), actions.NotEnforceable},
		{"Skype in the chat", speak(t, tw, "ana", "chat:skype"), actions.NotEnforceable},
		{"no licence", speak(t, tw, "max", "chat:max-ana"), actions.NotEnforceable},
		{"deleted", gone, actions.Gone},
	}
	for _, x := range cases {
		if res := carrier.Carry(t.Context(), order(t, targetOf(x.m)), false); res.Kind != x.want {
			t.Errorf("%s: %+v, want %v", x.name, res, x.want)
		}
	}
}

// At Graph's own pace nothing is refused for its rate.
func TestTwinPace(t *testing.T) {
	clock := graphtwin.NewManualClock(time.Now())
	tw, c := newTwin(t, graphtwin.Options{Clock: clock}, func(o *Options) {
		o.Limits, o.Clock = limit.Rates{Conversation: 1, Team: 4, Tenant: 30}, clock.Now
	})
	errs := make(chan error)
	rooms := []string{"chat:ana-li", "chat:ana-li", "sales/general", "sales/general", "sales/board"}
	for _, in := range rooms {
		o := order(t, targetOf(speak(t, tw, "ana", in)))
		go func() {
			_, err := c.Patch(t.Context(), o)
			errs <- err
		}()
	}
	for i := range rooms {
		if i == 3 { // one of each room is through: the next second
			if n := len(tw.Requests(graphtwin.Filter{Method: "PATCH"})); n != 3 {
				t.Errorf("%d sent in the first second", n)
			}
			clock.Advance(1100 * time.Millisecond)
		}
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
	for _, r := range tw.Requests(graphtwin.Filter{}) {
		if r.Throttled {
			t.Errorf("throttled: %s %s", r.Method, r.Path)
		}
	}
}

// Of the calls that wait for one conversation, the most severe PATCH goes first
// and what only reads goes last.
func TestPatchGoesFirst(t *testing.T) {
	s := newServer(t, say(200, "application/json", `{"id":"1","etag":"1"}`))
	var running atomic.Bool // time stands still until all wait
	start := time.Now()
	c := newClient(t, s.URL, func(o *Options) {
		o.Limits = limit.Rates{Conversation: 1.99} // one in half a second
		o.Clock = func() time.Time {
			if running.Load() {
				return time.Now()
			}
			return start
		}
	})
	if _, err := c.Message(t.Context(), inChat); err != nil { // takes the first turn
		t.Fatal(err)
	}
	severe := func(severity string) func(*actions.Judgement) {
		return func(j *actions.Judgement) { j.Severity, j.Tip = severity, severity }
	}
	mild, critical := order(t, inChat, severe("low")), order(t, inChat, severe("critical"))
	done := make(chan struct{})
	for i, call := range []func(){
		func() { _, _ = c.Conversation(t.Context(), inChat) },
		func() { _, _ = c.Message(t.Context(), inChat) },
		func() { _, _ = c.Read(t.Context(), inChat) },
		func() { _, _ = c.Patch(t.Context(), mild) },
		func() { _, _ = c.Patch(t.Context(), critical) },
	} {
		go func() {
			call()
			done <- struct{}{}
		}()
		for c.limiter.Waiting() <= i {
			runtime.Gosched()
		}
	}
	running.Store(true)
	for range 5 {
		<-done
	}
	got := s.got()[1:]
	if !contains(got[0].body, "critical") || !contains(got[1].body, "low") || got[2].method != "GET" || got[4].path != "/v1.0/chats/"+chat {
		for _, r := range got {
			t.Errorf("sent %s %s %s", r.method, r.path, r.body)
		}
	}
}

// A token that Graph refuses is replaced for the next call.
func TestTwinRevokedToken(t *testing.T) {
	tw, c := newTwin(t, graphtwin.Options{Throttle: graphtwin.Throttle{Off: true}}, unlimited)
	m := speak(t, tw, "ana", "chat:ana-li")
	if _, err := c.Read(t.Context(), targetOf(m)); err != nil {
		t.Fatal(err)
	}
	tw.RevokeTokens()
	carrier := &actions.Carrier{Graph: c, MinBackoff: time.Millisecond}
	if res := carrier.Carry(t.Context(), order(t, targetOf(m)), false); res.Kind != actions.Applied || res.Call.Attempts != 2 {
		t.Errorf("result %+v", res)
	}
}
