package webhook

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"teamsdlp/test/trial"
)

// counted is an Observer that counts.
type counted struct {
	mu               sync.Mutex
	refused          map[Reason]int
	stored, deferred int
	answered         map[string]int
}

func (c *counted) Answered(route string, status int, _ time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.answered == nil {
		c.answered = make(map[string]int)
	}
	c.answered[fmt.Sprint(route, " ", status)]++
}

func (c *counted) Refused(r Reason, n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refused == nil {
		c.refused = make(map[Reason]int)
	}
	c.refused[r] += n
}

func (c *counted) Stored(items, deferred int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.stored += items
	c.deferred += deferred
}

// bench is a receiver with everything around it, over real HTTP.
type bench struct {
	*httptest.Server
	receiver *Receiver
	issuer   *issuer
	clock    *fakeClock
	inbox    *memory
	seen     *counted
	logs     *observer.ObservedLogs
}

func newBench(t testing.TB, change ...func(*Config)) *bench {
	t.Helper()
	b := &bench{issuer: newIssuer(t), clock: newClock(), inbox: &memory{}, seen: &counted{}}
	core, logs := observer.New(zapcore.DebugLevel)
	b.logs = logs
	cfg := Config{
		Inbox: b.inbox, Subscriptions: someSubscriptions(), Verifier: newVerifier(t, b.issuer.config(b.clock)),
		Clock: b.clock.now, Observer: b.seen, Log: zap.New(core),
	}
	for _, c := range change {
		c(&cfg)
	}
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	b.receiver, b.Server = r, httptest.NewServer(r.Handler())
	t.Cleanup(b.Close)
	return b
}

// answer is what a caller can see of a response.
type answer struct {
	Status     int
	Body       string
	Type       string
	RetryAfter string
}

func (b *bench) do(t testing.TB, req *http.Request) answer {
	t.Helper()
	resp, err := b.Client().Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	got, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{resp.StatusCode, string(got), resp.Header.Get("Content-Type"), resp.Header.Get("Retry-After")}
}

func (b *bench) request(t testing.TB, path string, body []byte, headers ...string) *http.Request {
	t.Helper()
	req, err := http.NewRequest(http.MethodPost, b.URL+path, bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json; charset=utf-8")
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	return req
}

func (b *bench) post(t testing.TB, body []byte) answer {
	t.Helper()
	return b.do(t, b.request(t, NotificationsPath, body))
}

// note is an item in the making.
type note map[string]any

func rich(edits ...func(note)) note {
	n := basic(edits...)
	n["encryptedContent"] = EncryptedContent{Data: "AAAA", DataKey: "BBBB", DataSignature: "CCCC", CertificateID: "c1", CertificateThumbprint: "AB"}
	return n
}

func basic(edits ...func(note)) note {
	n := note{
		"subscriptionId": subA, "changeType": "created", "clientState": stateA, "tenantId": tenantA,
		"subscriptionExpirationDateTime": "2026-11-04T08:10:00.0000000+00:00",
		"resource":                       "chats('19:a@unq.gbl.spaces')/messages('1')",
		"resourceData":                   map[string]any{"id": "1", "@odata.type": "#Microsoft.Graph.chatMessage"},
		"encryptedContent":               nil,
	}
	for _, e := range edits {
		e(n)
	}
	return n
}

func lifecycle(event string, edits ...func(note)) note {
	n := note{"subscriptionId": subA, "lifecycleEvent": event, "clientState": stateA, "tenantId": tenantA}
	for _, e := range edits {
		e(n)
	}
	return n
}

func put(key string, value any) func(note) { return func(n note) { n[key] = value } }
func drop(key string) func(note)           { return func(n note) { delete(n, key) } }

func inB(n note) { n["subscriptionId"], n["clientState"], n["tenantId"] = subB, stateB, tenantB }

// ofStranger makes an item of a tenant that we do not know.
func ofStranger(n note) {
	n["subscriptionId"], n["clientState"], n["tenantId"] = "theirs", stateC, tenantC
}

func tokens(ts ...string) []string { return ts }

func collectionOf(tokens any, items ...note) []byte {
	return mustJSON(map[string]any{"value": items, "validationTokens": tokens})
}

func TestWhatIsStored(t *testing.T) {
	good, goodB := newToken(), newToken(ofB)
	forged := newToken(byKey(otherKey()))
	long := strings.Repeat("x", maxResource)
	tests := []struct {
		name    string
		body    []byte
		stored  int
		refused map[Reason]int
	}{
		{"rich", collectionOf(tokens(good), rich()), 1, nil},
		{"rich, v1 token", collectionOf(tokens(newToken(v1)), rich()), 1, nil},
		{"updated and deleted", collectionOf(tokens(good), rich(put("changeType", "updated")), rich(put("changeType", "deleted"))), 2, nil},
		{"odd casing", collectionOf(tokens(good), rich(put("changeType", "Created"), put("tenantId", strings.ToUpper(tenantA)))), 1, nil},
		{"two tenants", collectionOf(tokens(good, goodB), rich(), rich(inB)), 2, nil},
		{"content-less, of a rich subscription", collectionOf(nil, basic()), 1, nil},
		{"content-less, null tokens left out", mustJSON(map[string]any{"value": []note{basic(drop("encryptedContent"))}}), 1, nil},
		{"content-less beside rich", collectionOf(tokens(good), rich(), basic()), 2, nil},
		{"lifecycle", collectionOf(nil, lifecycle("reauthorizationRequired"), lifecycle("subscriptionRemoved"), lifecycle("missed")), 3, nil},
		{"lifecycle beside change", collectionOf(tokens(good), lifecycle("missed"), rich()), 2, nil},
		{"overtaking our create", collectionOf(tokens(good), rich(put("subscriptionId", "new-id"), put("clientState", stateP))), 1, nil},
		{"nothing", []byte(`{"value":[]}`), 0, nil},
		{"members we do not know", collectionOf(tokens(good), rich(put("id", nil), put("sequenceNumber", []int{1}))), 1, nil},

		{"unknown id", collectionOf(tokens(good), rich(put("subscriptionId", "5b0c1f5e"))), 0, map[Reason]int{ReasonSubscription: 1}},
		{"no id", collectionOf(tokens(good), rich(drop("subscriptionId"))), 0, map[Reason]int{ReasonSubscription: 1}},
		{"id with a line break", collectionOf(tokens(good), rich(put("subscriptionId", "a\nb"), put("clientState", stateP))), 0, map[Reason]int{ReasonSubscription: 1}},
		{"id too long", collectionOf(tokens(good), rich(put("subscriptionId", strings.Repeat("a", 129)), put("clientState", stateP))), 0, map[Reason]int{ReasonSubscription: 1}},
		{"unknown id, pending state, other tenant", collectionOf(tokens(good), rich(put("subscriptionId", "new-id"), put("clientState", stateP), put("tenantId", tenantB))), 0, map[Reason]int{ReasonTenant: 1}},
		{"unknown id, state of an active one", collectionOf(tokens(good), rich(put("subscriptionId", "new-id"))), 0, map[Reason]int{ReasonSubscription: 1}},
		{"known id, pending state", collectionOf(tokens(good), rich(put("clientState", stateP))), 0, map[Reason]int{ReasonClientState: 1}},
		{"wrong clientState", collectionOf(tokens(good), rich(put("clientState", stateA+"x"))), 0, map[Reason]int{ReasonClientState: 1}},
		{"clientState of another subscription", collectionOf(tokens(good), rich(put("clientState", stateB))), 0, map[Reason]int{ReasonClientState: 1}},
		{"no clientState", collectionOf(tokens(good), rich(drop("clientState"))), 0, map[Reason]int{ReasonClientState: 1}},
		{"null clientState", collectionOf(tokens(good), rich(put("clientState", nil))), 0, map[Reason]int{ReasonClientState: 1}},
		{"empty clientState against a lost one", collectionOf(nil, basic(put("subscriptionId", "empty"), put("clientState", ""))), 0, map[Reason]int{ReasonClientState: 1}},
		{"tenant of another subscription", collectionOf(tokens(good, goodB), rich(put("tenantId", tenantB))), 0, map[Reason]int{ReasonTenant: 1}},
		{"no tenant", collectionOf(tokens(good), rich(drop("tenantId"))), 0, map[Reason]int{ReasonTenant: 1}},
		{"unknown change", collectionOf(tokens(good), rich(put("changeType", "unknownFutureValue"))), 0, map[Reason]int{ReasonChangeType: 1}},
		{"list of changes", collectionOf(tokens(good), rich(put("changeType", "created,updated"))), 0, map[Reason]int{ReasonChangeType: 1}},
		{"unknown event", collectionOf(nil, lifecycle("somethingNew")), 0, map[Reason]int{ReasonLifecycleEvent: 1}},
		{"change and event", collectionOf(tokens(good), rich(put("lifecycleEvent", "missed"))), 0, map[Reason]int{ReasonAmbiguous: 1}},
		{"neither", collectionOf(tokens(good), rich(drop("changeType"))), 0, map[Reason]int{ReasonAmbiguous: 1}},
		{"endless resource", collectionOf(tokens(good), rich(put("resource", long+"x"))), 0, map[Reason]int{ReasonResource: 1}},
		{"lifecycle, wrong clientState", collectionOf(nil, lifecycle("missed", put("clientState", "x"))), 0, map[Reason]int{ReasonClientState: 1}},
		{"lifecycle, wrong tenant", collectionOf(nil, lifecycle("missed", put("tenantId", tenantB))), 0, map[Reason]int{ReasonTenant: 1}},

		{"rich, tokens null", collectionOf(nil, rich()), 0, map[Reason]int{ReasonTokensMissing: 1}},
		{"rich, tokens empty", collectionOf(tokens(), rich()), 0, map[Reason]int{ReasonTokensMissing: 1}},
		{"rich without tokens, content-less beside", collectionOf(nil, rich(), basic()), 1, map[Reason]int{ReasonTokensMissing: 1}},
		{"rich, token of another tenant", collectionOf(tokens(goodB), rich()), 0, map[Reason]int{ReasonTokenNotForIt: 1}},
		{"two tenants, one token", collectionOf(tokens(good), rich(), rich(inB)), 1, map[Reason]int{ReasonTokenNotForIt: 1}},
		{"forged token", collectionOf(tokens(forged), rich()), 0, map[Reason]int{ReasonTokenSignature: 1}},
		{"one forged token drops all", collectionOf(tokens(good, forged), rich(), rich(), basic()), 0, map[Reason]int{ReasonTokenSignature: 3}},
		{"another tenant's bad token drops all", collectionOf(tokens(good, newToken(ofB, claim("exp", 1))), rich(), rich(inB)), 0, map[Reason]int{ReasonTokenExpired: 2}},
		// Graph puts several apps and tenants into one POST if they share our URL,
		// and anybody may subscribe with it: theirs must not cost us ours.
		{"beside a stranger's tenant", collectionOf(tokens(newToken(ofC), good), rich(ofStranger), rich()), 1, map[Reason]int{ReasonSubscription: 1}},
		{"beside a stranger's tenant, in upper case", collectionOf(tokens(newToken(ofC), good), rich(ofStranger, put("tenantId", strings.ToUpper(tenantC))), rich()), 1, map[Reason]int{ReasonSubscription: 1}},
		{"beside another app in our tenant", collectionOf(tokens(newToken(claim("aud", appB)), good), rich(put("subscriptionId", "theirs")), rich()), 1, map[Reason]int{ReasonSubscription: 1}},
		{"a subscription of a tenant that is no longer configured", collectionOf(tokens(newToken(ofC), good), rich(ofStranger, put("subscriptionId", "left")), rich()), 1, map[Reason]int{ReasonSubscription: 1}},
		{"a stranger's tenant alone", collectionOf(tokens(newToken(ofC)), rich(ofStranger)), 0, map[Reason]int{ReasonSubscription: 1}},
		{"a stranger's token proves nothing of ours", collectionOf(tokens(newToken(ofC)), rich(ofStranger), rich()), 0, map[Reason]int{ReasonSubscription: 1, ReasonTokenNotForIt: 1}},
		{"a stranger's token without an item of his", collectionOf(tokens(newToken(ofC), good), rich()), 0, map[Reason]int{ReasonTokenTenant: 1}},
		{"another app's token without an item of its", collectionOf(tokens(newToken(claim("aud", appB)), good), rich()), 0, map[Reason]int{ReasonTokenAudience: 1}},
		{"a stranger's item excuses no bad token of ours", collectionOf(tokens(newToken(ofC), forged), rich(ofStranger), rich()), 0, map[Reason]int{ReasonSubscription: 1, ReasonTokenSignature: 1}},
		{"nor one with another publisher", collectionOf(tokens(newToken(claim("azp", "x")), good), rich(put("subscriptionId", "theirs")), rich()), 0, map[Reason]int{ReasonSubscription: 1, ReasonTokenPublisher: 1}},
		{"nor one without a tenant", collectionOf(tokens(newToken(without("tid")), good), rich(put("subscriptionId", "theirs"), drop("tenantId")), rich()), 0, map[Reason]int{ReasonSubscription: 1, ReasonTokenTenant: 1}},
		{"lifecycle with a bad token", collectionOf(tokens(forged), lifecycle("missed")), 0, map[Reason]int{ReasonTokenSignature: 1}},
		{"null for a token", collectionOf([]any{nil}, rich()), 0, map[Reason]int{ReasonTokenMalformed: 1}},
		{"good among bad items", collectionOf(tokens(good), rich(), rich(put("clientState", "x")), rich(put("tenantId", tenantB)), rich(put("changeType", "x"))), 1,
			map[Reason]int{ReasonClientState: 1, ReasonTenant: 1, ReasonChangeType: 1}},
	}
	for _, tt := range tests {
		for _, path := range []string{NotificationsPath, LifecyclePath} {
			t.Run(tt.name+path, func(t *testing.T) {
				b := newBench(t)
				got := b.do(t, b.request(t, path, tt.body))
				// Good or bad, the caller sees the same.
				if diff := cmp.Diff(answer{Status: 202}, got); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				if len(b.inbox.items) != tt.stored || b.seen.stored != tt.stored || b.seen.deferred != 0 {
					t.Errorf("stored %d, counted %d; want %d", len(b.inbox.items), b.seen.stored, tt.stored)
				}
				if diff := cmp.Diff(tt.refused, b.seen.refused); diff != "" {
					t.Errorf("refused (-want +got):\n%s", diff)
				}
				if want := map[string]int{path + " 202": 1}; !cmp.Equal(want, b.seen.answered) {
					t.Errorf("answered %v, want %v", b.seen.answered, want)
				}
				if logged := b.logs.Len() > 0; logged != (tt.refused != nil) {
					t.Errorf("%d log lines", b.logs.Len())
				}
			})
		}
	}
}

// Every wrong token is answered like a good one, leads to nothing stored, and is
// counted under its own reason and no other; on both routes.
func TestEveryTokenOnTheWire(t *testing.T) {
	jku := newIssuer(t)
	wrong, texts := 0, map[string]string{}
	for _, tt := range tokenCases(jku.URL) {
		if tt.want != "" {
			wrong++
		}
		token := newToken(tt.edits...)
		if before := texts[token]; before != "" {
			t.Errorf("%s is the same token as %s", tt.name, before)
		}
		texts[token] = tt.name
		for _, path := range []string{NotificationsPath, LifecyclePath} {
			t.Run(tt.name+path, func(t *testing.T) {
				b := newBench(t)
				publishOdd(b.issuer)
				items := []note{rich()}
				if tt.want == "" && strings.Contains(tt.name, "own tenant") || tt.name == "other tenant of ours" {
					items = []note{rich(inB)}
				}
				want := answer{Status: 202}
				stored, refused := 0, map[Reason]int(nil)
				for again := range 2 {
					if again == 1 && tt.want == ReasonTokenUnknownKey {
						b.clock.advance(6 * time.Minute) // it may ask for the key again
					}
					if got := b.do(t, b.request(t, path, collectionOf(tokens(token), items...))); got != want {
						t.Errorf("answer %+v, want %+v", got, want)
					}
					if tt.want == "" {
						stored++
					} else {
						refused = map[Reason]int{tt.want: again + 1}
					}
					if len(b.inbox.items) != stored || b.seen.deferred != 0 {
						t.Errorf("stored %d, want %d; %d deferred", len(b.inbox.items), stored, b.seen.deferred)
					}
					if diff := cmp.Diff(refused, b.seen.refused); diff != "" {
						t.Errorf("refused (-want +got):\n%s", diff)
					}
				}
				// A wrong one beside a good one, which would do alone, drops all the same.
				if tt.want == "" {
					return
				}
				b = newBench(t)
				publishOdd(b.issuer)
				if got := b.do(t, b.request(t, path, collectionOf(tokens(newToken(), token), rich(), basic()))); got != want {
					t.Errorf("beside a good one: answer %+v, want %+v", got, want)
				}
				if refused = map[Reason]int{tt.want: 2}; len(b.inbox.items) != 0 || !cmp.Equal(refused, b.seen.refused) {
					t.Errorf("beside a good one: stored %d, refused %v, want %v", len(b.inbox.items), b.seen.refused, refused)
				}
				if n := jku.fetches(); n > 0 {
					t.Errorf("%d fetches from where the token points", n)
				}
			})
		}
	}
	if wrong < 40 {
		t.Errorf("%d wrong tokens, want at least 40", wrong)
	}
}

// answeredMeanwhile is a set of subscriptions in which a create is answered
// between the question for the id and that for the pending ones.
type answeredMeanwhile struct {
	known
	asked int
}

func (a *answeredMeanwhile) Lookup(id string) (Subscription, bool) {
	if a.asked++; a.asked == 1 {
		return Subscription{}, false
	}
	return a.known.Lookup(id)
}

func TestCreateIsAnsweredMeanwhile(t *testing.T) {
	for state, want := range map[string]int{stateA: 1, "x": 0} {
		b := newBench(t, func(c *Config) {
			c.Subscriptions = &answeredMeanwhile{known: known{active: someSubscriptions().active}}
		})
		b.post(t, collectionOf(tokens(newToken()), rich(put("clientState", state))))
		if got := len(b.inbox.items); got != want {
			t.Errorf("clientState %q: %d stored, want %d", state, got, want)
		}
	}
}

// What is stored is ours where we know better and as it came where we do not.
func TestStoredItems(t *testing.T) {
	b := newBench(t)
	upper := put("tenantId", strings.ToUpper(tenantA))
	b.post(t, collectionOf(tokens(newToken()),
		rich(upper, put("changeType", "Updated")),
		basic(put("changeType", "deleted")),
		rich(put("subscriptionId", "new-id"), put("clientState", stateP)),
		lifecycle("ReauthorizationRequired", put("resource", "x"), put("encryptedContent", EncryptedContent{Data: "x"}))))
	ec := &EncryptedContent{Data: "AAAA", DataKey: "BBBB", DataSignature: "CCCC", CertificateID: "c1", CertificateThumbprint: "AB"}
	where := "chats('19:a@unq.gbl.spaces')/messages('1')"
	want := []Item{
		{Received: start, SubscriptionID: subA, TenantID: tenantA, AppID: appA, ChangeType: "updated", Resource: where, Encrypted: ec},
		{Received: start, SubscriptionID: subA, TenantID: tenantA, AppID: appA, ChangeType: "deleted", Resource: where},
		{Received: start, SubscriptionID: "new-id", TenantID: tenantA, AppID: appA, ChangeType: "created", Resource: where, Encrypted: ec},
		{Received: start, SubscriptionID: subA, TenantID: tenantA, AppID: appA, LifecycleEvent: "reauthorizationRequired"},
	}
	if diff := cmp.Diff(want, b.inbox.items); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
	if kept := string(mustJSON(b.inbox.items)); strings.Contains(kept, stateA) || strings.Contains(kept, stateP) {
		t.Error("a clientState was stored")
	}
}

// With the keys out of reach rich items are stored with the tokens that are for
// them; what is wrong without a key is still refused.
func TestDeferred(t *testing.T) {
	good, goodB := newToken(), newToken(ofB)
	b := newBench(t)
	b.issuer.set(func() { b.issuer.status = 503 })
	got := b.post(t, collectionOf(tokens(good, goodB), rich(), rich(inB), basic(), lifecycle("missed")))
	if got.Status != 202 {
		t.Fatalf("answer %+v", got)
	}
	var deferred [][]string
	for _, item := range b.inbox.items {
		deferred = append(deferred, item.Deferred)
	}
	if diff := cmp.Diff([][]string{{good}, {goodB}, nil, nil}, deferred); diff != "" {
		t.Errorf("deferred (-want +got):\n%s", diff)
	}
	if b.seen.deferred != 2 || b.seen.stored != 4 {
		t.Errorf("counted %d stored, %d deferred", b.seen.stored, b.seen.deferred)
	}
	for name, body := range map[string][]byte{
		"no token for it":              collectionOf(tokens(goodB), rich()),
		"expired":                      collectionOf(tokens(newToken(claim("exp", 1))), rich()),
		"one refused beside one to be": collectionOf(tokens(good, newToken(claim("azp", "x"))), rich()),
	} {
		b.inbox.items = nil
		if got := b.post(t, body); got.Status != 202 || len(b.inbox.items) != 0 {
			t.Errorf("%s: %+v, %d stored", name, got, len(b.inbox.items))
		}
	}
}

// However many tokens somebody sends that cannot be verified now, an item is not
// stored with all of them.
func TestDeferredTokensAreBounded(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxItems = 1000 })
	b.issuer.set(func() { b.issuer.status = 503 })
	many := make([]string, maxTokens)
	for i := range many {
		many[i] = newToken(claim("n", i))
	}
	items := make([]note, 1000)
	for i := range items {
		items[i] = rich()
	}
	body := collectionOf(tokens(many...), items...)
	if got := b.post(t, body); got.Status != 202 || len(b.inbox.items) != len(items) {
		t.Fatalf("%+v, %d stored", got, len(b.inbox.items))
	}
	stored := 0
	for _, item := range b.inbox.items {
		one, err := item.AppendJSON(nil)
		if err != nil {
			t.Fatal(err)
		}
		stored += len(one)
	}
	if stored > 10*len(body) {
		t.Errorf("%d bytes are stored of a body of %d", stored, len(body))
	}
}

func TestSecretsAreOfBoundedLength(t *testing.T) {
	for n, want := range map[int]bool{0: false, 1: true, maxSecret: true, maxSecret + 1: false, 16 << 20: false} {
		if s := strings.Repeat("s", n); sameSecret(s, s) != want {
			t.Errorf("a secret of %d bytes: %v, want %v", n, !want, want)
		}
	}
}

// Slow keys do not make a slow answer.
func TestSlowKeysAreNotWaitedFor(t *testing.T) {
	b := newBench(t, func(c *Config) { c.VerifyTimeout = time.Millisecond })
	hold := make(chan struct{})
	b.issuer.set(func() { b.issuer.hold = hold })
	got := b.post(t, collectionOf(tokens(newToken()), rich()))
	if got.Status != 202 || len(b.inbox.items) != 1 || b.inbox.items[0].Deferred == nil {
		t.Errorf("%+v, stored %+v", got, b.inbox.items)
	}
	close(hold)
}

// Who does not know a clientState cannot make us fetch keys or verify anything.
func TestStrangersCostNothing(t *testing.T) {
	b := newBench(t)
	b.post(t, collectionOf(tokens(newToken(head("kid", "x"))), rich(put("clientState", "guess"))))
	if n := b.issuer.fetches(); n != 0 {
		t.Errorf("%d key sets fetched", n)
	}
}

func TestLimitsAndForm(t *testing.T) {
	many := func(n int) []byte {
		items := make([]note, n)
		for i := range items {
			items[i] = basic(put("clientState", "x"))
		}
		return collectionOf(nil, items...)
	}
	manyTokens := func(n int) []byte {
		ts := make([]string, n)
		return collectionOf(ts, basic())
	}
	one := string(collectionOf(nil, basic()))
	deep := func(n int) string {
		return `{"value":[],"x":` + strings.Repeat("[", n) + strings.Repeat("]", n) + `}`
	}
	keys := func(n int) string {
		var b strings.Builder
		for i := range n {
			fmt.Fprintf(&b, `,"k%d":0`, i)
		}
		return `{"value":[],"x":{` + b.String()[1:] + `}}`
	}
	exact := one + strings.Repeat(" ", 40<<10-len(one))
	tests := []struct {
		name   string
		body   string
		header []string
		status int
		reason Reason
	}{
		{"as many items as allowed", string(many(100)), nil, 202, ReasonClientState},
		{"one item more", string(many(101)), nil, 400, ReasonTooManyItems},
		{"as many tokens as allowed", string(manyTokens(128)), nil, 202, ReasonTokenMalformed},
		{"one token more", string(manyTokens(129)), nil, 400, ReasonTooManyTokens},
		{"as long as allowed", exact, nil, 202, ""},
		{"one byte more", exact + " ", nil, 413, ReasonTooLarge},
		{"one byte more, length not said", exact + " ", []string{"chunked", ""}, 413, ReasonTooLarge},
		{"as deep as allowed", deep(15), nil, 202, ""},
		{"deeper", deep(16), nil, 400, ReasonMalformed},
		{"very deep", strings.Repeat(`{"value":[`, 2000), nil, 400, ReasonMalformed},
		{"as many keys as allowed", keys(maxKeys), nil, 202, ""},
		{"one key more", keys(maxKeys + 1), nil, 400, ReasonMalformed},
		{"empty", "", nil, 400, ReasonMalformed},
		{"null", "null", nil, 400, ReasonMalformed},
		{"a list", "[]", nil, 400, ReasonMalformed},
		{"no value", "{}", nil, 400, ReasonMalformed},
		{"value null", `{"value":null}`, nil, 400, ReasonMalformed},
		{"value an object", `{"value":{}}`, nil, 400, ReasonMalformed},
		{"item null", `{"value":[null]}`, nil, 400, ReasonMalformed},
		{"item a string", `{"value":["x"]}`, nil, 400, ReasonMalformed},
		{"id a number", `{"value":[{"subscriptionId":1}]}`, nil, 400, ReasonMalformed},
		{"content a string", `{"value":[{"encryptedContent":"x"}]}`, nil, 400, ReasonMalformed},
		{"token a number", `{"value":[],"validationTokens":[1]}`, nil, 400, ReasonMalformed},
		{"cut off", one[:len(one)-1], nil, 400, ReasonMalformed},
		{"something behind", one + "{}", nil, 400, ReasonMalformed},
		{"two collections", one + one, nil, 400, ReasonMalformed},
		{"the same key twice", `{"value":[],"value":[]}`, nil, 400, ReasonMalformed},
		{"the same key in two casings", `{"value":[{"tenantId":"a","TenantID":"b"}]}`, nil, 400, ReasonMalformed},
		{"the same key, escaped", `{"value":[{"tenantId":"a","tenant\u0049d":"b"}]}`, nil, 400, ReasonMalformed},
		{"the same key, Kelvin sign", `{"value":[{"encryptedContent":{"dataKey":"a","data` + "\u212a" + `ey":"b"}}]}`, nil, 400, ReasonMalformed},
		{"the same key, long s", `{"value":[{"subscriptionId":"a","` + "\u017f" + `ubscriptionId":"b"}]}`, nil, 400, ReasonMalformed},
		{"not UTF-8", `{"value":[],"x":"` + "\xff" + `"}`, nil, 400, ReasonMalformed},
		{"byte order mark", "\ufeff" + one, nil, 400, ReasonMalformed},
		{"gzip", one, []string{"Content-Encoding", "gzip"}, 415, ReasonEncoding},
		{"identity", one, []string{"Content-Encoding", "identity"}, 202, ""},
		{"identity, gzip", one, []string{"Content-Encoding", "identity, gzip"}, 415, ReasonEncoding},
		{"plain text", one, []string{"Content-Type", "text/plain"}, 415, ReasonContentType},
		{"a form", one, []string{"Content-Type", "application/x-www-form-urlencoded"}, 415, ReasonContentType},
		{"no type", one, []string{"Content-Type", ""}, 415, ReasonContentType},
		{"JSON of another kind", one, []string{"Content-Type", "application/json-patch+json"}, 415, ReasonContentType},
		{"UTF-16", one, []string{"Content-Type", "application/json; charset=utf-16"}, 415, ReasonContentType},
		{"JSON without charset", one, []string{"Content-Type", "application/json"}, 202, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, func(c *Config) { c.MaxBody, c.MaxItems = 40<<10, 100 })
			if strings.Contains(tt.name, "items") || strings.Contains(tt.name, "item more") {
				b = newBench(t, func(c *Config) { c.MaxItems = 100 })
			}
			req := b.request(t, NotificationsPath, []byte(tt.body))
			for i := 0; i < len(tt.header); i += 2 {
				if tt.header[i] == "chunked" {
					req.ContentLength = -1
				} else {
					req.Header.Set(tt.header[i], tt.header[i+1])
				}
			}
			if got := b.do(t, req); got.Status != tt.status || got.Body != "" {
				t.Errorf("answer %+v, want %d", got, tt.status)
			}
			var reasons []Reason
			for r := range b.seen.refused {
				reasons = append(reasons, r)
			}
			if want := tt.reason; want != "" && !cmp.Equal([]Reason{want}, reasons) || want == "" && len(reasons) > 0 {
				t.Errorf("refused %v, want %q", reasons, want)
			}
			if tt.status != 202 && len(b.inbox.items) > 0 {
				t.Error("something was stored")
			}
		})
	}
}

// Bodies in memory are bounded over all requests together.
func TestBodiesShareABudget(t *testing.T) {
	b := newBench(t, func(c *Config) { c.MaxBody, c.MaxBuffered = 1<<20, 100<<10 })
	if got := b.post(t, collectionOf(nil, basic(put("x", strings.Repeat("y", 200<<10))))); got.Status != 503 || got.RetryAfter == "" {
		t.Errorf("over the budget: %+v", got)
	}
	for range 20 { // what was taken is given back, also after a refusal
		if got := b.post(t, collectionOf(nil, basic(put("x", strings.Repeat("y", 30<<10))))); got.Status != 202 {
			t.Fatalf("within the budget: %+v", got)
		}
	}
	if b.seen.refused[ReasonBusy] != 1 {
		t.Errorf("refused %v", b.seen.refused)
	}
}

// Large bodies that stall hold no more than their half: the usual ones get in,
// and one of the largest size does when there is room.
func TestStalledBodiesKeepNobodyOut(t *testing.T) {
	const largest = 8 << 20
	b := newBench(t, func(c *Config) { c.MaxBody = largest })
	free := func() int64 { return b.receiver.bodies.free.Load() }
	whole := free()
	big := append(collectionOf(nil, basic()), bytes.Repeat([]byte(" "), largest-1000)...)
	if got := b.post(t, big); got.Status != 202 || free() != whole {
		t.Fatalf("the largest body: %+v, %d of %d free", got, free(), whole)
	}
	var stalled []net.Conn
	refused := 0
	for range 12 {
		c, err := net.Dial("tcp", b.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		before := free()
		header := strings.Replace(posting(""), "Content-Length: 0", fmt.Sprint("Content-Length: ", largest), 1)
		go func() { _, _ = c.Write(append([]byte(header), bytes.Repeat([]byte(" "), largest/2+1000)...)) }()
		answered := make(chan bool, 1)
		go func() { n, _ := c.Read(make([]byte, 12)); answered <- n > 0 }()
		for done := false; !done; { // it holds what it needs, or is told to come back
			select {
			case <-answered:
				refused++
				done = true
			default:
				done = before-free() >= largest
				runtime.Gosched()
			}
		}
		stalled = append(stalled, c)
	}
	if refused == 0 || refused == len(stalled) {
		t.Errorf("%d of %d large bodies were refused", refused, len(stalled))
	}
	if free() < whole/2 {
		t.Errorf("%d of %d free: the half for small bodies is used", free(), whole)
	}
	if got := b.post(t, collectionOf(nil, basic(put("x", strings.Repeat("y", 300<<10))))); got.Status != 202 {
		t.Errorf("a usual body beside them: %+v", got)
	}
	if got := b.post(t, big); got.Status != 503 || got.RetryAfter == "" {
		t.Errorf("one more of the largest: %+v", got)
	}
}

// However many bodies begin and then stall, they hold nothing that a usual one needs.
func TestStalledBeginningsHoldNothing(t *testing.T) {
	const limit = 64 << 10
	b := &budget{}
	b.give(4 * limit)
	var stalled []*io.PipeWriter
	var ended sync.WaitGroup
	defer func() {
		for _, w := range stalled {
			_ = w.Close()
		}
		ended.Wait()
	}()
	for range 100 {
		r, w := io.Pipe()
		stalled = append(stalled, w)
		ended.Go(func() {
			body, held, why := readBody(r, -1, limit, b)
			body.free()
			b.give(held)
			_ = r.CloseWithError(errors.New(string(why)))
		})
		if _, err := io.WriteString(w, "{"); err != nil { // once it is read there is a buffer for it
			t.Fatal(err)
		}
	}
	body, held, why := readBody(bytes.NewReader(make([]byte, limit)), -1, limit, b)
	if why != "" || len(body.b) != limit {
		t.Errorf("a usual body beside them: %q", why)
	}
	body.free()
	b.give(held)
}

// A body that does not come whole is none.
func TestBodyIsCutOff(t *testing.T) {
	b := newBench(t)
	whole := posting(string(collectionOf(nil, basic())))
	chunked := strings.Replace(whole[:strings.Index(whole, "{")], "Content-Length: ", "Transfer-Encoding: chunked\r\nX-Length: ", 1)
	for i, sent := range []string{
		whole[:len(whole)-1], whole[:strings.Index(whole, "{")], chunked + "5\r\n{\"val", chunked + "zz\r\n", chunked + "ffffffffffffffff\r\n{", chunked + "3\r\n{}{}\r\n0\r\n\r\n",
	} {
		c, err := net.Dial("tcp", b.Listener.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, sent); err != nil {
			t.Fatal(err)
		}
		if err := c.(*net.TCPConn).CloseWrite(); err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(c)
		c.Close()
		if !strings.HasPrefix(string(got), "HTTP/1.1 400") || len(b.inbox.items) > 0 {
			t.Errorf("%.60q: answer %q, %d stored", sent, got, len(b.inbox.items))
		}
		b.seen.mu.Lock()
		if want := map[Reason]int{ReasonUnreadable: i + 1}; !cmp.Equal(want, b.seen.refused) {
			t.Errorf("%.60q: refused %v, want %v", sent, b.seen.refused, want)
		}
		b.seen.mu.Unlock()
	}
}

func TestHandshake(t *testing.T) {
	// The form in which Graph sends it: lower-case escapes and + for a space.
	const wire = "Validation%3a+Testing+client+application+reachability+for+subscription+Request-Id%3a+25460109-0e8b-4521-8090-dd691b407ed8"
	const text = "Validation: Testing client application reachability for subscription Request-Id: 25460109-0e8b-4521-8090-dd691b407ed8"
	ok := func(body string) answer { return answer{Status: 200, Body: body, Type: "text/plain; charset=utf-8"} }
	bad := answer{Status: 400}
	tests := []struct {
		name, query string
		want        answer
	}{
		{"as Graph sends it", "validationToken=" + wire, ok(text)},
		{"a query of our own beside", "tenant=a&validationToken=" + wire, ok(text)},
		{"decoded once", "validationToken=a%2520b", ok("a%20b")},
		{"quotes", "validationToken=%22a%27%26%25", ok(`"a'&%`)},
		{"plus", "validationToken=a%2Bb", ok("a+b")},
		{"not ASCII", "validationToken=%c3%a9", ok("é")},
		{"longest", "validationToken=" + strings.Repeat("a", 2048), ok(strings.Repeat("a", 2048))},
		{"too long", "validationToken=" + strings.Repeat("a", 2049), bad},
		{"markup", "validationToken=%3Cscript%3Ealert(1)%3C/script%3E", bad},
		{"<", "validationToken=<", bad},
		{">", "validationToken=a%3e", bad},
		{"line break", "validationToken=a%0d%0aSet-Cookie:x", bad},
		{"NUL", "validationToken=a%00", bad},
		{"DEL", "validationToken=a%7f", bad},
		{"C1 control", "validationToken=a%c2%85", bad},
		{"escape", "validationToken=%1b[31m", bad},
		{"not UTF-8", "validationToken=%ff", bad},
		{"empty", "validationToken=", bad},
		{"no value", "validationToken", bad},
		{"twice", "validationToken=a&validationToken=b", bad},
		{"broken escape", "validationToken=%zz", bad},
		{"broken beside it", "x=%zz&validationToken=a", bad},
		{"semicolon", "a=b;validationToken=c", bad},
	}
	b := newBench(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, path := range []string{NotificationsPath, LifecyclePath} {
				req := b.request(t, path+"?"+tt.query, nil, "Content-Type", "text/plain; charset=utf-8")
				resp, err := b.Client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				got, _ := io.ReadAll(resp.Body)
				resp.Body.Close()
				if diff := cmp.Diff(tt.want, answer{resp.StatusCode, string(got), resp.Header.Get("Content-Type"), ""}); diff != "" {
					t.Errorf("answer (-want +got):\n%s", diff)
				}
				for h, want := range map[string]string{"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"} {
					if got := resp.Header.Get(h); got != want {
						t.Errorf("%s: %q, want %q", h, got, want)
					}
				}
				if resp.Header.Get("Set-Cookie") != "" {
					t.Error("a header was injected")
				}
				b.seen.mu.Lock()
				if n := b.seen.refused[ReasonHandshake]; (n == 1) != (tt.want == bad) || len(b.seen.refused) > n {
					t.Errorf("refused %v", b.seen.refused)
				}
				clear(b.seen.refused)
				b.seen.mu.Unlock()
			}
		})
	}
}

// A handshake is one whatever comes with it, and its body is not looked at.
func TestHandshakeWithABody(t *testing.T) {
	b := newBench(t)
	got := b.do(t, b.request(t, NotificationsPath+"?validationToken=abc", collectionOf(tokens(newToken()), rich()), "Content-Encoding", "gzip"))
	if got.Status != 200 || got.Body != "abc" || len(b.inbox.items) != 0 {
		t.Errorf("%+v, %d stored", got, len(b.inbox.items))
	}
	// A query of our own, however odd, is no handshake.
	if got := b.do(t, b.request(t, NotificationsPath+"?a=%zz;b", collectionOf(nil, basic()))); got.Status != 202 || len(b.inbox.items) != 1 {
		t.Errorf("own query: %+v", got)
	}
}

func TestRoutes(t *testing.T) {
	b := newBench(t)
	for _, tt := range []struct {
		method, path string
		want         int
	}{
		{"GET", NotificationsPath, 405}, {"GET", NotificationsPath + "?validationToken=a", 405},
		{"HEAD", LifecyclePath, 405}, {"PUT", LifecyclePath, 405}, {"OPTIONS", NotificationsPath, 405}, {"DELETE", LifecyclePath, 405},
		{"POST", "/", 404}, {"GET", "/", 404}, {"GET", "/metrics", 404}, {"GET", "/debug/pprof/", 404}, {"GET", "/livez", 404},
		{"POST", NotificationsPath + "/", 404}, {"POST", "/Graph/Notifications", 404}, {"POST", "//graph/notifications", 404},
		{"POST", "/graph/%6eotifications", 400}, // the same path, and no body
	} {
		req, err := http.NewRequest(tt.method, b.URL+tt.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		if got := b.do(t, req); got.Status != tt.want {
			t.Errorf("%s %s: %d, want %d", tt.method, tt.path, got.Status, tt.want)
		}
	}
}

// The 202 is written after Put has returned, not before.
func TestAnswerWaitsForPut(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	b := newBench(t)
	b.inbox.put = func(ctx context.Context, items []Item) error {
		close(entered)
		<-leave
		return nil
	}
	req := b.request(t, NotificationsPath, collectionOf(nil, basic()))
	answered := make(chan answer, 1)
	go func() { answered <- b.do(t, req) }()
	<-entered
	// Put is under way. A connection that is answered now would be answered
	// before the items are durable; one more request round-trips to give it time.
	b.do(t, b.request(t, NotificationsPath, nil))
	select {
	case got := <-answered:
		t.Fatalf("answered %+v before Put returned", got)
	default:
	}
	close(leave)
	if got := <-answered; got.Status != 202 || got.Body != "" {
		t.Errorf("answer %+v", got)
	}
}

// Whoever waits for the answer sees Put's return first, at the level of the
// handler, where nothing is in between.
func TestHeaderIsNotWrittenBeforePut(t *testing.T) {
	w := &watched{ResponseRecorder: httptest.NewRecorder()}
	early := false
	inbox := &memory{put: func(context.Context, []Item) error {
		early = w.written
		return nil
	}}
	is, c := newIssuer(t), newClock()
	r, err := New(Config{Inbox: inbox, Subscriptions: someSubscriptions(), Verifier: newVerifier(t, is.config(c)), Clock: c.now})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest("POST", NotificationsPath, bytes.NewReader(collectionOf(nil, basic())))
	req.Header.Set("Content-Type", "application/json")
	r.Handler().ServeHTTP(w, req)
	if early || !w.written || w.Code != 202 {
		t.Errorf("written before Put: %v, at all: %v; code %d", early, w.written, w.Code)
	}
}

// watched knows whether anything of the answer was written.
type watched struct {
	*httptest.ResponseRecorder
	written bool
}

func (w *watched) WriteHeader(code int)        { w.written = true; w.ResponseRecorder.WriteHeader(code) }
func (w *watched) Write(b []byte) (int, error) { w.written = true; return w.ResponseRecorder.Write(b) }

func TestPutFails(t *testing.T) {
	tests := []struct {
		name   string
		put    func(context.Context, []Item) error
		reason Reason
	}{
		{"full", func(context.Context, []Item) error { return fmt.Errorf("rows: %w", ErrFull) }, ReasonInboxFull},
		{"broken", func(context.Context, []Item) error { return errors.New("disk on fire") }, ReasonStoreFailed},
		{"slow", func(ctx context.Context, _ []Item) error { <-ctx.Done(); return ctx.Err() }, ReasonStoreFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			b := newBench(t, func(c *Config) { c.StoreTimeout = 5 * time.Millisecond })
			b.inbox.put = tt.put
			got := b.post(t, collectionOf(nil, basic()))
			if diff := cmp.Diff(answer{Status: 503, RetryAfter: "10"}, got); diff != "" {
				t.Errorf("answer (-want +got):\n%s", diff)
			}
			if diff := cmp.Diff(map[Reason]int{tt.reason: 1}, b.seen.refused); diff != "" {
				t.Errorf("refused (-want +got):\n%s", diff)
			}
			// Nothing worth storing is still 202: a full inbox tells a forger nothing.
			if got := b.post(t, collectionOf(nil, basic(put("clientState", "x")))); got.Status != 202 {
				t.Errorf("nothing to store: %+v", got)
			}
		})
	}
}

// Put is given the time that is configured, and a caller that hangs up does not
// undo what is being stored.
func TestPutHasItsOwnTime(t *testing.T) {
	ctx, hangUp := context.WithCancel(t.Context())
	var limited bool
	var ended error
	inbox := &memory{put: func(ctx context.Context, _ []Item) error {
		hangUp()
		_, limited = ctx.Deadline()
		ended = ctx.Err()
		return nil
	}}
	is, c := newIssuer(t), newClock()
	r, err := New(Config{Inbox: inbox, Subscriptions: someSubscriptions(), Verifier: newVerifier(t, is.config(c))})
	if err != nil {
		t.Fatal(err)
	}
	req := httptest.NewRequest("POST", NotificationsPath, bytes.NewReader(collectionOf(nil, basic()))).WithContext(ctx)
	req.Header.Set("Content-Type", "application/json")
	r.Handler().ServeHTTP(httptest.NewRecorder(), req)
	if !limited || ended != nil {
		t.Errorf("deadline %v, context error %v", limited, ended)
	}
}

// No decryption before the answer: content that no key opens is stored as it is.
func TestNothingIsOpenedOnReceipt(t *testing.T) {
	b := newBench(t)
	odd := put("encryptedContent", map[string]string{"data": "not base64!", "dataKey": "", "encryptionCertificateId": "nobody's"})
	n := rich()
	odd(n)
	if got := b.post(t, collectionOf(tokens(newToken()), n)); got.Status != 202 || len(b.inbox.items) != 1 {
		t.Fatalf("%+v, %d stored", got, len(b.inbox.items))
	}
	want := &EncryptedContent{Data: "not base64!", CertificateID: "nobody's"}
	if diff := cmp.Diff(want, b.inbox.items[0].Encrypted); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// A flood of refusals is a few lines, and none holds anything that was sent.
func TestLogOfRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.DebugLevel)
		d := &dropLog{log: zap.New(core), every: 10 * time.Second}
		for range 1000 {
			d.add(map[Reason]int{ReasonClientState: 2, ReasonTokensMissing: 1})
		}
		<-time.After(time.Minute) // of the bubble's time
		synctest.Wait()
		d.add(nil)
		d.add(map[Reason]int{ReasonTenant: 1})
		var got []map[string]any
		for _, l := range logs.All() {
			got = append(got, l.ContextMap())
		}
		hint := "rich notifications without tokens: set appRoleAssignmentRequired to false on the app's service principal"
		want := []map[string]any{
			{"client_state": int64(2), "tokens_missing": int64(1), "hint": hint},
			{"client_state": int64(1998), "tokens_missing": int64(999), "hint": hint},
			{"tenant": int64(1)},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}

func TestNothingSentIsLogged(t *testing.T) {
	var out bytes.Buffer
	core := zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.AddSync(&out), zapcore.DebugLevel)
	b := newBench(t, func(c *Config) { c.Log = zap.New(core) })
	const canary = "CANARY-7781"
	b.inbox.put = func(context.Context, []Item) error { panic(canary) }
	if got := b.post(t, collectionOf(nil, basic(put("resource", canary)))); got.Status != 500 || got.Body != "" {
		t.Errorf("panic: %+v", got)
	}
	for _, body := range [][]byte{
		collectionOf(tokens(canary), rich()), collectionOf(nil, basic(put("clientState", canary))),
		collectionOf(nil, basic(put("subscriptionId", canary))), collectionOf(nil, basic(put("changeType", canary))), []byte(`{"` + canary), []byte(canary),
	} {
		b.post(t, body)
	}
	b.do(t, b.request(t, NotificationsPath+"?validationToken=<"+canary, nil))
	b.do(t, b.request(t, "/"+canary, nil, "X-Canary", canary))
	if out.Len() == 0 || strings.Contains(out.String(), canary) || strings.Contains(out.String(), stateA) {
		t.Errorf("log:\n%s", out.String())
	}
}

// X-Forwarded-For is believed from nobody unless that is configured.
func TestForwardedForIsNotBelieved(t *testing.T) {
	is, c := newIssuer(t), newClock()
	cfg := Config{Inbox: &memory{}, Subscriptions: someSubscriptions(), Verifier: newVerifier(t, is.config(c))}
	for _, tt := range []struct {
		trusted []string
		want    string
	}{{nil, "192.0.2.1"}, {[]string{"192.0.2.0/24"}, "203.0.113.9"}} {
		cfg.TrustedProxies = tt.trusted
		r, err := New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		req := httptest.NewRequest("POST", "/", nil)
		req.Header.Set("X-Forwarded-For", "203.0.113.9")
		gc := gin.CreateTestContextOnly(httptest.NewRecorder(), r.handler.(*gin.Engine))
		gc.Request = req
		if got := gc.ClientIP(); got != tt.want {
			t.Errorf("trusted %v: client is %s, want %s", tt.trusted, got, tt.want)
		}
	}
	cfg.TrustedProxies = []string{"not an address"}
	if _, err := New(cfg); err == nil {
		t.Error("a proxy that is no address was taken")
	}
	if _, err := New(Config{}); err == nil {
		t.Error("an empty config was taken")
	}
}

// What a proxy would say, nobody can say to us: no header changes the method, the
// path, the host, or what is proved.
func TestHeadersAreNotBelieved(t *testing.T) {
	good := collectionOf(tokens(newToken()), rich())
	bad := collectionOf(tokens(newToken(byKey(otherKey()))), rich())
	for _, header := range [][]string{
		{"X-Forwarded-For", "127.0.0.1"}, {"X-Real-IP", "::1"}, {"Forwarded", "for=127.0.0.1;host=localhost;proto=https"}, {"X-Forwarded-Host", "evil.test"},
		{"X-HTTP-Method-Override", "GET"}, {"X-HTTP-Method", "DELETE"}, {"X-Method-Override", "PUT"}, {"X-Original-URL", "/livez"}, {"X-Rewrite-URL", "/metrics"},
		{"X-Forwarded-Prefix", "/x"}, {"Authorization", "Bearer " + newToken()}, {"X-MS-Client-Principal", "e30="}, {"Client-Cert", ":AAAA:"}, {"validationTokens", newToken()},
		{"Cookie", "validationToken=x"}, {"Expect", "100-continue"}, {"Transfer-Encoding", "identity"}, {"Trailer", "X-A"}, {"Upgrade", "h2c"}, {"Range", "bytes=0-1"}, {"If-None-Match", "*"},
	} {
		b := newBench(t)
		if got := b.do(t, b.request(t, NotificationsPath, good, header...)); got != (answer{Status: 202}) || len(b.inbox.items) != 1 {
			t.Errorf("%s: %+v, %d stored; want 202 and 1", header[0], got, len(b.inbox.items))
		}
		if got := b.do(t, b.request(t, NotificationsPath, bad, header...)); got != (answer{Status: 202}) || len(b.inbox.items) != 1 {
			t.Errorf("%s with a forged token: %+v, %d stored", header[0], got, len(b.inbox.items)-1)
		}
		for _, at := range []struct {
			method, path string
			want         int
		}{{"GET", NotificationsPath, 405}, {"POST", "/livez", 404}, {"POST", "/", 404}} {
			req := b.request(t, at.path, good, header...)
			req.Method = at.method
			req.Header.Set("X-HTTP-Method-Override", "POST")
			req.Header.Set("X-Original-URL", NotificationsPath)
			if got := b.do(t, req); got.Status != at.want || len(b.inbox.items) != 1 {
				t.Errorf("%s, %s %s: %d, %d stored", header[0], at.method, at.path, got.Status, len(b.inbox.items)-1)
			}
		}
	}
	b := newBench(t)
	req := b.request(t, NotificationsPath, good)
	req.Host = "evil.test"
	if got := b.do(t, req); got.Status != 202 || len(b.inbox.items) != 1 {
		t.Errorf("another Host: %+v", got)
	}
}

func FuzzCollection(f *testing.F) {
	f.Add(collectionOf(nil, basic()))
	f.Add(collectionOf(tokens("a.b.c"), rich(), lifecycle("missed")))
	f.Add([]byte(`{"value":[{"encryptedContent":{"data":"","DATA":""}}]}`))
	f.Add([]byte(`{"value":[[[[[[[[`))
	f.Add([]byte(`{"a\u0062":"\"","value":[]}`))
	v, err := NewVerifier(VerifierConfig{LoginURL: "https://login.test", Tenants: []TenantApps{{tenantA, []string{appA}}, {tenantB, []string{appB}}}})
	if err != nil {
		f.Fatal(err)
	}
	r, err := New(Config{Inbox: &memory{}, Subscriptions: someSubscriptions(), Verifier: v})
	if err != nil {
		f.Fatal(err)
	}
	trial.Fuzz(f, 300, func(t *testing.T, b []byte) {
		c, why := parseCollection(b, 10)
		if why != "" {
			if c.Value != nil || why.status() == http.StatusAccepted {
				t.Errorf("refused as %s with %+v", why, c)
			}
			return
		}
		var drops tally
		items, _ := r.match(c.Value, start, &drops)
		n := len(items)
		for _, dropped := range drops {
			n += dropped
		}
		if n != len(c.Value) {
			t.Errorf("%d items and dropped %v of %d", len(items), drops, len(c.Value))
		}
		for _, item := range items {
			if !bytes.Contains(b, []byte("client-state-")) && !bytes.Contains(b, []byte("\\")) && !bytes.Contains(b, []byte("another-pending")) {
				t.Errorf("taken without a client state: %+v", item)
			}
			if (item.ChangeType == "") == (item.LifecycleEvent == "") || item.TenantID == "" || item.AppID == "" || len(item.Resource) > maxResource {
				t.Errorf("taken: %+v", item)
			}
		}
		if len(c.Value) > 10 || len(c.Tokens) > maxTokens {
			t.Errorf("%d items, %d tokens", len(c.Value), len(c.Tokens))
		}
		if !json.Valid(b) {
			t.Errorf("took what is not JSON: %q", b)
		}
	})
}

// BenchmarkAck is the way to the 202 without a network or a disk.
func BenchmarkAck(b *testing.B) {
	content := strings.Repeat("A", 4000)
	item := func() note {
		n := rich()
		n["encryptedContent"] = EncryptedContent{Data: content, DataKey: content[:344], DataSignature: content[:44], CertificateID: "c1", CertificateThumbprint: content[:40]}
		return n
	}
	batch := make([]note, 100)
	for i := range batch {
		batch[i] = item()
	}
	for name, body := range map[string][]byte{
		"rich":      collectionOf(tokens(newToken()), item()),
		"rich100":   collectionOf(tokens(newToken()), batch...),
		"basic":     collectionOf(nil, basic()),
		"forged":    collectionOf(tokens(newToken(byKey(otherKey()))), item()),
		"strangers": collectionOf(tokens(newToken()), rich(put("clientState", "guess"))),
	} {
		b.Run(name, func(b *testing.B) {
			is, c := newIssuer(b), newClock()
			nowhere := &memory{put: func(context.Context, []Item) error { return nil }}
			r, err := New(Config{Inbox: nowhere, Subscriptions: someSubscriptions(), Verifier: newVerifier(b, is.config(c)), Clock: c.now})
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				req := httptest.NewRequest("POST", NotificationsPath, bytes.NewReader(body))
				req.Header.Set("Content-Type", "application/json")
				w := httptest.NewRecorder()
				r.Handler().ServeHTTP(w, req)
				if w.Code != 202 {
					b.Fatal(w.Code)
				}
			}
		})
	}
}
