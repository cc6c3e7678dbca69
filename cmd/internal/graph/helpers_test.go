package graph

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/graph/limit"
	"teamsdlp/config"
	"teamsdlp/test/graphtwin"
)

const (
	home  = graphtwin.ContosoTenant
	chat  = "19:c0a7050c0dea100000000000000000d1@thread.v2"
	team  = "7ea00001-5a1e-4c0e-8d11-000000000888"
	chann = "19:c0a7050c5a1e000000000000000000c1@thread.tacv2"
)

// request is one that reached a server.
type request struct {
	method, path, auth, body string
	header                   http.Header
	length                   int64
	at                       time.Time
}

// server is a Graph of which each test says what it answers.
type server struct {
	*httptest.Server
	mu       sync.Mutex
	requests []request
	answer   func(n int, w http.ResponseWriter, r *http.Request)
}

func newServer(t *testing.T, answer func(n int, w http.ResponseWriter, r *http.Request)) *server {
	s := &server{answer: answer}
	s.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		s.mu.Lock()
		s.requests = append(s.requests, request{r.Method, r.URL.EscapedPath(), r.Header.Get("Authorization"), string(body), r.Header.Clone(), r.ContentLength, time.Now()})
		n := len(s.requests)
		s.mu.Unlock()
		s.answer(n, w, r)
	}))
	t.Cleanup(s.Close)
	return s
}

func (s *server) got() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]request(nil), s.requests...)
}

// say answers every request alike.
func say(status int, kind, body string, header ...string) func(int, http.ResponseWriter, *http.Request) {
	return func(_ int, w http.ResponseWriter, _ *http.Request) {
		if kind != "" {
			w.Header().Set("Content-Type", kind)
		} else {
			w.Header()["Content-Type"] = nil
		}
		for i := 0; i+1 < len(header); i += 2 {
			w.Header().Set(header[i], header[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// tokens is a credential that gives out tokens of a fixed word.
type tokens struct {
	mu    sync.Mutex
	word  string
	err   error
	asked []string
}

func (c *tokens) GetToken(_ context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.asked = append(c.asked, o.Scopes...)
	return azcore.AccessToken{Token: c.word, ExpiresOn: time.Now().Add(time.Hour)}, c.err
}

func newClient(t *testing.T, url string, change ...func(*Options)) *Client {
	t.Helper()
	o := Options{GraphURL: url, Tenant: home, Credential: &tokens{word: "secret-token"}, Timeout: 20 * time.Second}
	for _, c := range change {
		c(&o)
	}
	c, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// twin is a Graph with the Contoso cast, and a client of it.
func newTwin(t *testing.T, o graphtwin.Options, change ...func(*Options)) (*graphtwin.Twin, *Client) {
	t.Helper()
	o.World = graphtwin.Contoso()
	tw := graphtwin.New(o)
	t.Cleanup(tw.Close)
	url, err := tw.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cred, err := NewCredential(CredentialOptions{
		Kind: config.ClientSecret, Tenant: home, AppID: graphtwin.ContosoApp, Secret: config.NewSecret(graphtwin.ContosoSecret), LoginURL: url,
	})
	if err != nil {
		t.Fatal(err)
	}
	c := newClient(t, url, append([]func(*Options){func(o *Options) { o.Credential = cred }}, change...)...)
	return tw, c
}

var inChat = actions.Target{Tenant: home, ChatID: chat, MessageID: "1761985000001"}

// intent is the way to an order: it is committed to a log first.
type intent struct {
	rec  actions.Recorder
	step actions.Step
}

// order is what an enforcing verdict makes of a judgement about a message.
func order(t *testing.T, target actions.Target, change ...func(*actions.Judgement)) actions.Order {
	t.Helper()
	return decide(t, target, change...).Order
}

func decide(t *testing.T, target actions.Target, change ...func(*actions.Judgement)) *actions.Decision {
	t.Helper()
	keys, err := actions.NewKeys("test")
	if err != nil {
		t.Fatal(err)
	}
	memory := actions.NewMemory()
	in := intent{rec: actions.Recorder{Ledger: memory, Log: memory, Keys: keys}}
	in.step, err = in.rec.Begin(t.Context(), target, actions.Observation{Version: "1", Change: "created", Fingerprint: "f"})
	if err != nil {
		t.Fatal(err)
	}
	j := actions.Judgement{
		Generation: "g1", Action: actions.ActionBlock, Severity: "high", Tip: "It holds a card number.", URL: "https://intranet.test/dlp",
		Override: "with-justification", Report: "release", Descriptions: []string{"Credit card"},
		Rules: []actions.RuleResult{{ID: "card", Severity: "high", Mode: "enforce", Action: actions.ActionBlock, Result: "matched"}},
	}
	for _, c := range change {
		c(&j)
		j.Rules[0].Action = j.Action
	}
	d, err := in.rec.Judge(t.Context(), in.step, j, "")
	if err != nil {
		t.Fatal(err)
	}
	if d == nil || !d.Order.Valid() {
		t.Fatalf("no order was made of %+v", j)
	}
	return d
}

func mustParse(t *testing.T, s string) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(s), &m); err != nil {
		t.Fatalf("%q is not JSON", s)
	}
	return m
}

// targetOf is where a message of the twin lives.
func targetOf(m graphtwin.Message) actions.Target {
	return actions.Target{Tenant: home, ChatID: m.ChatID, TeamID: m.TeamID, ChannelID: m.ChannelID, MessageID: m.GraphID, ReplyTo: m.ReplyTo}
}

func speak(t *testing.T, tw *graphtwin.Twin, as, in string, change ...func(*graphtwin.Post)) graphtwin.Message {
	t.Helper()
	p := graphtwin.Post{As: as, In: in, HTML: "<p>card 4111 1111 1111 1111</p>"}
	for _, c := range change {
		c(&p)
	}
	m, err := tw.Say(p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func unlimited(o *Options) { o.Limits = limit.Rates{} }

func contains(s string, parts ...string) bool {
	for _, p := range parts {
		if strings.Contains(s, p) {
			return true
		}
	}
	return false
}
