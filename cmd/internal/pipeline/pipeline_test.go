package pipeline

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"teamsdlp/actions"
	"teamsdlp/policy"
	"teamsdlp/policy/rulefile"
	"teamsdlp/webhook"
)

const (
	tenant = "9f3f2b0e-6a54-4c39-8c0b-6f0f6a3f7d21"
	app    = "0c9a7a52-7d0e-4a57-9b0f-2f4f2f6f5d11"
	group  = "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11"
)

// inbox is an Inbox in memory that remembers how each row ended, or was put
// back, last. What is put back comes again when it is due.
type inbox struct {
	mu       sync.Mutex
	items    []webhook.Item
	ended    map[string]string // receipt to how
	claimed  int
	away     []putBack
	fail     error // of claims
	unproved error // of Proved
	grown    chan struct{}
}

type putBack struct {
	item webhook.Item
	due  time.Time
}

func newInbox() *inbox { return &inbox{ended: map[string]string{}, grown: make(chan struct{}, 1)} }

// put returns the row of the item, which is its receipt.
func (b *inbox) put(item webhook.Item) int {
	b.mu.Lock()
	row := len(b.items) + 1
	item.Receipt = strconv.Itoa(row)
	b.items = append(b.items, item)
	b.mu.Unlock()
	b.signal()
	return row
}

// rows is how many items there ever were.
func (b *inbox) rows() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return len(b.items)
}

func (b *inbox) signal() {
	select {
	case b.grown <- struct{}{}:
	default:
	}
}

func (b *inbox) Claim(ctx context.Context, limit int) ([]webhook.Item, error) {
	for {
		got, next, err := b.now(limit)
		if len(got) > 0 || err != nil {
			return got, err
		}
		timer := time.NewTimer(next)
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-b.grown:
		case <-timer.C:
		}
		timer.Stop()
	}
}

// now returns what can be claimed, or how long until something is due.
func (b *inbox) now(limit int) (got []webhook.Item, next time.Duration, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.fail != nil {
		return nil, 0, b.fail
	}
	slices.SortStableFunc(b.away, func(x, y putBack) int { return x.due.Compare(y.due) })
	for len(b.away) > 0 && len(got) < limit && !b.away[0].due.After(time.Now()) {
		got = append(got, b.away[0].item)
		b.away = b.away[1:]
	}
	n := min(limit-len(got), len(b.items)-b.claimed)
	got = append(got, b.items[b.claimed:b.claimed+n]...)
	b.claimed += n
	next = time.Hour
	if len(b.away) > 0 {
		next = time.Until(b.away[0].due)
	}
	return got, next, nil
}

func (b *inbox) end(receipt, how string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.ended[receipt] = how
	return nil
}

func (b *inbox) Proved(_ context.Context, receipt string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := strconv.Atoi(receipt)
	if err == nil {
		err = b.unproved
	}
	if err == nil {
		b.items[n-1].Deferred = nil
	}
	return err
}

func (b *inbox) Drop(_ context.Context, receipt, reason string) error {
	return b.end(receipt, "dropped: "+reason)
}
func (b *inbox) Quarantine(_ context.Context, receipt, reason string) error {
	return b.end(receipt, "quarantined: "+reason)
}
func (b *inbox) Defer(ctx context.Context, receipt string, until time.Time, reason string) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	_ = b.end(receipt, "deferred: "+reason)
	b.mu.Lock()
	defer b.mu.Unlock()
	n, err := strconv.Atoi(receipt)
	if err != nil {
		return err
	}
	b.items[n-1].Attempts++
	b.away = append(b.away, putBack{b.items[n-1], until})
	b.signal()
	return nil
}

func (b *inbox) Recall(_ context.Context, receipts []string) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	for n, receipt := range receipts {
		for i := range b.away {
			if b.away[i].item.Receipt == receipt {
				b.away[i].due = time.Unix(0, int64(n))
			}
		}
	}
	b.signal()
	return nil
}

// deferrals counts how often anything was put back.
func (b *inbox) deferrals() (n int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, i := range b.items {
		n += i.Attempts
	}
	return n
}

func (b *inbox) how(receipt int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended[strconv.Itoa(receipt)]
}

// opener "decrypts" content that is not encrypted; one value panics.
type opener struct{}

func (opener) Open(e *webhook.EncryptedContent) ([]byte, error) {
	switch e.DataSignature {
	case "wrong":
		return nil, webhook.ErrSignature
	case "poison":
		panic("4111 1111 1111 1111")
	}
	return base64.StdEncoding.DecodeString(e.Data)
}

type verifier struct{ err error }

func (v verifier) Prove(context.Context, webhook.Item) error { return v.err }

type proving func() error

func (p proving) Prove(context.Context, webhook.Item) error { return p() }

// teams is Graph as the pipeline sees it.
type teams struct {
	mu       sync.Mutex
	patches  []string // message id and action
	answer   func(n int) error
	messages map[string]string
	members  []policy.Member
	forgot   []string // chats whose members are to be read again
	groups   []string
	fail     error             // of context reads
	down     bool              // reads of messages are answered 503
	shows    *actions.Snapshot // what a read of a message shows; nil: 404
	looks    int               // reads of messages
	reads    int
	pace     time.Duration // what a PATCH takes
	stand    time.Time     // no PATCH is answered before
}

func (g *teams) Patch(ctx context.Context, o actions.Order) (actions.Call, error) {
	pause(ctx, max(g.pace, time.Until(g.stand)))
	if ctx.Err() != nil {
		return actions.Call{}, &actions.CallError{NotSent: true}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if !o.Valid() {
		return actions.Call{}, errors.New("an order that nobody made")
	}
	g.patches = append(g.patches, o.Target().MessageID+" "+o.DLPAction())
	if g.answer != nil {
		if err := g.answer(len(g.patches)); err != nil {
			return actions.Call{}, err
		}
	}
	return actions.Call{Status: 200}, nil
}

func (g *teams) Read(ctx context.Context, t actions.Target) (actions.Snapshot, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.looks++
	if g.down {
		return actions.Snapshot{}, &actions.CallError{Status: http.StatusServiceUnavailable}
	}
	if g.shows != nil {
		return *g.shows, nil
	}
	return actions.Snapshot{}, &actions.CallError{Status: http.StatusNotFound}
}

func (g *teams) Message(_ context.Context, t actions.Target) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if m, ok := g.messages[t.MessageID]; ok {
		return []byte(m), nil
	}
	if strings.Contains(t.MessageID, "/") {
		return nil, &actions.CallError{Status: http.StatusBadRequest, Code: "invalid_target"}
	}
	return nil, &actions.CallError{Status: http.StatusNotFound}
}

func (g *teams) Conversation(context.Context, actions.Target) (*policy.Conversation, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reads++
	return &policy.Conversation{Kind: "group", Name: "The deal", Members: g.members}, g.fail
}

func (g *teams) Person(context.Context, string) (*policy.Person, error) {
	return &policy.Person{Domain: "contoso.com"}, g.fail
}

func (g *teams) Groups(_ context.Context, _ string, ask []string) ([]string, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.reads++
	return g.groups, g.fail
}

func (g *teams) ForgetMembers(t actions.Target) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.forgot = append(g.forgot, t.ChatID)
}

func (g *teams) sent() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return append([]string(nil), g.patches...)
}

const rules = `
groups:
  - {id: pci-team, object_id: ` + group + `}
rules:
  - id: secret-word
    title: Secret word
    owner: security@contoso.com
    severity: high
    mode: enforce
    scope: {senders: {not_in_groups: [pci-team]}}
    when: {regex: 'bluebird'}
    action: block
    tip: {text: Not here., url: "https://intranet.contoso.com/dlp"}
    override: with-justification
    report_false_positive: review
  - id: lesser
    title: Lesser word
    owner: security@contoso.com
    severity: low
    mode: enforce
    scope: {senders: {not_in_groups: [pci-team]}}
    when: {regex: 'daffodil'}
    action: block
  - id: watched
    title: Watched word
    owner: security@contoso.com
    severity: low
    mode: shadow
    when: {regex: 'lotus'}
    action: block
`

type rig struct {
	*testing.T
	inbox  *inbox
	ledger *actions.Memory
	teams  *teams
	p      *Pipeline
}

// newRig is a pipeline over fakes; change adjusts its configuration.
func newRig(t *testing.T, change ...func(*Config)) *rig {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "rules.yaml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	set, _, err := rulefile.Load(dir, rulefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	keys, err := actions.NewKeys("test")
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{T: t, inbox: newInbox(), ledger: actions.NewMemory(), teams: &teams{}}
	r.ledger.Ended = func(receipt string) { _ = r.inbox.end(receipt, "finished") }
	cfg := Config{
		Inbox: r.inbox, Ledger: r.ledger, Log: r.ledger, Opener: opener{}, Verifier: verifier{},
		Graph: func(id string) Graph {
			if id != tenant {
				return nil
			}
			return r.teams
		},
		Rules:     func() *policy.Set { return set },
		Lifecycle: func(context.Context, string, string) error { return nil },
		Keys:      keys, CanEnforce: true, Mask: func(s string) string { return s },
	}
	for _, c := range change {
		c(&cfg)
	}
	r.p = New(cfg)
	return r
}

// said is a message; what it lacks is filled in.
type said struct {
	id, etag, body, chat, from, fromTenant, violation, event string
	deleted                                                  bool
}

func (s said) json() string {
	if s.chat == "" {
		s.chat = "19:a@thread.v2"
	}
	m := map[string]any{
		"id": s.id, "etag": s.etag, "messageType": "message", "chatId": s.chat,
		"createdDateTime": "2026-11-24T08:00:00Z", "lastModifiedDateTime": "2026-11-24T08:00:00Z",
		"body": map[string]string{"contentType": "html", "content": s.body},
		"from": map[string]any{"user": map[string]string{"id": "u1", "displayName": "Ana", "userIdentityType": s.from, "tenantId": s.fromTenant}},
	}
	if s.violation != "" {
		m["policyViolation"] = json.RawMessage(s.violation)
	}
	if s.event != "" {
		m["messageType"], m["from"] = "systemEventMessage", nil
		m["eventDetail"] = map[string]string{"@odata.type": "#microsoft.graph." + s.event + "EventMessageDetail"}
	}
	if s.deleted {
		m["deletedDateTime"] = "2026-11-24T08:01:00Z"
	}
	data, _ := json.Marshal(m)
	return string(data)
}

// notify puts a notification about s into the inbox.
func (r *rig) notify(change string, s said, alter ...func(*webhook.Item)) int {
	if s.from == "" {
		s.from = "aadUser"
	}
	if s.etag == "" {
		s.etag = s.id
	}
	item := webhook.Item{
		Received: time.Now(), SubscriptionID: "s1", TenantID: tenant, AppID: app, ChangeType: change,
		Resource:  fmt.Sprintf("chats('19:a@thread.v2')/messages('%s')", s.id),
		Encrypted: &webhook.EncryptedContent{Data: base64.StdEncoding.EncodeToString([]byte(s.json()))},
	}
	for _, a := range alter {
		a(&item)
	}
	return r.inbox.put(item)
}

// run runs the pipeline until it has nothing to do for d, then ends it.
func (r *rig) run(d time.Duration) {
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- r.p.Run(ctx) }()
	pause(ctx, d) // in a synctest bubble: passes when every goroutine waits
	cancel()
	if err := <-done; err != nil {
		r.Fatal(err)
	}
}

func (r *rig) kinds() string {
	entries, err := r.ledger.Entries(context.Background(), actions.Filter{After: new(int64(-1)), Limit: 5000})
	if err != nil {
		r.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, string(e.Kind)+"/"+string(e.Outcome))
	}
	return strings.Join(list, " ")
}

func (r *rig) want(kinds string, patches ...string) {
	r.Helper()
	if got := r.kinds(); got != kinds {
		r.Errorf("entries %q, want %q", got, kinds)
	}
	if got := r.teams.sent(); strings.Join(got, ",") != strings.Join(patches, ",") {
		r.Errorf("patches %q, want %q", got, patches)
	}
}

// bubble runs one case on a fake clock.
func bubble(t *testing.T, name string, f func(r *rig), change ...func(*Config)) {
	t.Run(name, func(t *testing.T) { synctest.Test(t, func(t *testing.T) { f(newRig(t, change...)) }) })
}

const bad, clean = "<p>project bluebird</p>", "<p>good morning</p>"

func TestOneMessage(t *testing.T) {
	bubble(t, "clean", func(r *rig) {
		row := r.notify("created", said{id: "1", body: clean})
		r.run(time.Second)
		r.want("")
		if r.teams.reads != 0 {
			r.Errorf("%d context reads for a message in which nothing was found", r.teams.reads)
		}
		if got := r.inbox.how(row); got != "finished" {
			r.Errorf("row %q", got)
		}
	})
	bubble(t, "block", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		r.want("intent/pending result/applied", "1 blockAccess")
	})
	bubble(t, "shadow", func(r *rig) {
		r.notify("created", said{id: "1", body: "<p>lotus</p>"})
		r.run(time.Second)
		r.want("shadow/shadow")
	})
	bubble(t, "excused by group", func(r *rig) {
		r.teams.groups = []string{group}
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		r.want("")
	})
	bubble(t, "context out of reach keeps the rule in force", func(r *rig) {
		r.teams.fail = errors.New("503")
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		r.want("intent/pending result/applied", "1 blockAccess")
		entries, _ := r.ledger.Entries(context.Background(), actions.Filter{Kind: actions.KindIntent})
		if len(entries) != 1 || len(entries[0].Rules[0].Assumed) == 0 {
			r.Error("the entry does not say what was assumed")
		}
	})
	bubble(t, "context that is refused keeps the rule in force", func(r *rig) {
		r.teams.fail = &actions.CallError{Status: 403, Code: "Forbidden"}
		r.teams.groups = []string{group} // he is excused, only nobody may know
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		r.want("intent/pending result/applied", "1 blockAccess")
	})
	bubble(t, "federated sender", func(r *rig) {
		r.notify("created", said{id: "1", body: bad, from: "federatedUser"})
		r.run(time.Second)
		r.want("result/not_enforceable")
	})
	bubble(t, "account of another tenant", func(r *rig) {
		r.notify("created", said{id: "1", body: bad, fromTenant: "other"})
		r.run(time.Second)
		r.want("result/not_enforceable")
	})
	bubble(t, "cloud without the API", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		r.want("result/not_enforceable")
	}, func(c *Config) { c.CanEnforce = false })
	bubble(t, "refused by Graph", func(r *rig) {
		r.teams.answer = func(int) error { return &actions.CallError{Status: 403, Code: "Forbidden"} }
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		r.want("intent/pending result/not_enforceable", "1 blockAccess")
	})
}

// missed counts what is said of context that is missing.
type missed struct {
	nobody
	mu     sync.Mutex
	counts map[string]int
}

func (m *missed) ContextMissing(what, cause string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.counts == nil {
		m.counts = map[string]int{}
	}
	m.counts[what+" "+cause]++
}

// Whoever operates it is told what context is refused, and how to mend that: in a line
// for each cause, however many messages there are. What is not there is nobody's fault.
func TestContextMissing(t *testing.T) {
	for _, tc := range []struct {
		name   string
		err    error
		counts map[string]int
		lines  []string // cause, status and mend, of each line
	}{
		{"refused", &actions.CallError{Status: 403, Code: "Forbidden"}, map[string]int{"groups refused": 50}, []string{
			"refused 403 grant User.Read.All and GroupMember.Read.All with admin consent",
			"refused 403 grant User.Read.All and GroupMember.Read.All with admin consent", // an hour later
		}},
		{"credential", &actions.CallError{Status: 401}, map[string]int{"groups refused": 50}, []string{
			"refused 401 check that the credential has not expired", "refused 401 check that the credential has not expired",
		}},
		{"no token", &actions.CallError{Code: "AADSTS7000222", NotSent: true, NoToken: true}, map[string]int{"groups refused": 50}, []string{
			"refused 401 check that the credential has not expired", "refused 401 check that the credential has not expired",
		}},
		{"no answer", &actions.CallError{Code: "no_answer", Ambiguous: true}, map[string]int{"groups unavailable": 50}, []string{
			"unavailable 0 see that Graph can be reached, and whether it throttles", "unavailable 0 see that Graph can be reached, and whether it throttles",
		}},
		{"not there", &actions.CallError{Status: 404, Code: "ResourceNotFound"}, map[string]int{"groups not_found": 50}, nil},
		{"a page of something between", &actions.CallError{Status: 404, Code: actions.NotJSON}, map[string]int{"groups unavailable": 50}, []string{
			"unavailable 404 see that Graph can be reached, and whether it throttles", "unavailable 404 see that Graph can be reached, and whether it throttles",
		}},
	} {
		seen := &missed{}
		log, logged := observer.New(zap.WarnLevel)
		bubble(t, tc.name, func(r *rig) {
			r.teams.fail = tc.err
			r.sayIn(40, bad)
			time.AfterFunc(61*time.Minute, func() { r.sayIn(10, bad) })
			r.run(2 * time.Hour)
			if out, _ := r.results(); out["applied"] != 50 {
				r.Errorf("results %v, want 50 applied", out)
			}
		}, func(c *Config) { c.Observer, c.Program = seen, zap.New(log) })
		if d := cmp.Diff(tc.counts, seen.counts); d != "" {
			t.Errorf("%s: counted (-want +got):\n%s", tc.name, d)
		}
		var lines []string
		for _, l := range logged.FilterMessageSnippet("rules do without context").All() {
			f := l.ContextMap()
			if f["of"] != tenant || f["context"] != "groups" {
				t.Errorf("%s: logged %v", tc.name, f)
			}
			lines = append(lines, fmt.Sprint(f["cause"], " ", f["status"], " ", f["mend"]))
		}
		if d := cmp.Diff(tc.lines, lines); d != "" {
			t.Errorf("%s: logged (-want +got):\n%s", tc.name, d)
		}
	}
}

func TestFollowing(t *testing.T) {
	blocked := `{"dlpAction":"blockAccess","verdictDetails":"allowOverrideWithJustification","policyTip":{"generalText":"Not here."}}`
	overridden := `{"dlpAction":"blockAccess","userAction":"Override","justificationText":"asked for it"}`
	bubble(t, "echo and reaction", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.notify("updated", said{id: "1", etag: "2", body: bad, violation: blocked})
		r.notify("updated", said{id: "1", etag: "3", body: bad, violation: blocked})
		r.run(time.Second)
		r.want("intent/pending result/applied result/applied", "1 blockAccess")
	})
	bubble(t, "blanked echo", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.notify("updated", said{id: "1", etag: "2", body: "", violation: blocked})
		r.run(time.Second)
		r.want("intent/pending result/applied result/applied", "1 blockAccess")
	})
	bubble(t, "clean edit releases", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.notify("updated", said{id: "1", etag: "2", body: clean, violation: blocked})
		r.run(time.Second)
		r.want("intent/pending result/applied edit/ release/pending result/applied", "1 blockAccess", "1 none")
	})
	bubble(t, "override is respected", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.notify("updated", said{id: "1", etag: "2", body: bad, violation: overridden})
		r.notify("updated", said{id: "1", etag: "3", body: bad, violation: overridden})
		r.run(time.Second)
		r.want("intent/pending result/applied override/", "1 blockAccess")
	})
	bubble(t, "deleted", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.notify("deleted", said{id: "1", etag: "2", body: ""})
		r.notify("updated", said{id: "1", etag: "1", body: bad})
		r.run(time.Second)
		r.want("intent/pending result/applied deleted/", "1 blockAccess")
	})
	bubble(t, "delivered five times", func(r *rig) {
		for range 5 {
			r.notify("created", said{id: "1", body: bad})
		}
		r.run(time.Second)
		r.want("intent/pending result/applied", "1 blockAccess")
		for row := range 5 {
			if got := r.inbox.how(row + 1); got != "finished" {
				r.Errorf("row %d: %q", row+1, got)
			}
		}
	})
	bubble(t, "an older version after a newer one", func(r *rig) {
		r.notify("updated", said{id: "1", etag: "5", body: clean})
		r.notify("created", said{id: "1", etag: "1", body: bad})
		r.run(time.Second)
		r.want("")
	})
}

// Who joined a conversation can read what is said from then on: what was known of its
// members is read again. Another event, or a message, changes nothing of that.
func TestMembersMove(t *testing.T) {
	for event, forgets := range map[string]bool{"membersAdded": true, "membersDeleted": true, "membersJoined": true, "membersLeft": true, "chatRenamed": false, "": false} {
		bubble(t, "event "+event, func(r *rig) {
			r.notify("created", said{id: "1", body: "<systemEventMessage/>", event: event})
			r.run(time.Second)
			r.want("")
			if got := slices.Equal(r.teams.forgot, []string{"19:a@thread.v2"}); got != forgets || !forgets && len(r.teams.forgot) > 0 {
				r.Errorf("members are forgotten of %q", r.teams.forgot)
			}
		})
	}
}

func TestSetAside(t *testing.T) {
	for _, c := range []struct {
		name  string
		alter func(*webhook.Item)
		want  string
	}{
		{"signature", func(i *webhook.Item) { i.Encrypted.DataSignature = "wrong" }, "quarantined: " + webhook.ErrSignature.Error()},
		{"panic", func(i *webhook.Item) { i.Encrypted.DataSignature = "poison" }, "quarantined: internal error"},
		{"not a message", func(i *webhook.Item) { i.Encrypted.Data = "e30=" }, "quarantined: not a message: no id"},
		{"not JSON", func(i *webhook.Item) { i.Encrypted.Data = "eA==" }, "quarantined: not a message: not the JSON of a chatMessage"},
		{"resource of something else", func(i *webhook.Item) { i.Resource = "users('1')" }, "quarantined: resource is not the path of a message"},
		{"resource of another message", func(i *webhook.Item) { i.Resource = "chats('19:a@thread.v2')/messages('2')" }, "quarantined: content is of another message than its resource"},
		{"resource of another chat", func(i *webhook.Item) { i.Resource = "chats('19:b@thread.v2')/messages('1')" }, "quarantined: content is of another message than its resource"},
		{"tenant that is gone, no content", func(i *webhook.Item) { i.TenantID, i.Encrypted = "other", nil }, "quarantined: its tenant is not configured any more"},
		{"no content and Graph does not have it yet", func(i *webhook.Item) { i.Encrypted = nil }, "deferred: content could not be read from Graph"},
		{"no content and Graph still does not have it", func(i *webhook.Item) { i.Encrypted, i.Attempts = nil, 1 }, "finished"},
		{"no content and an id that none has", func(i *webhook.Item) { i.Encrypted, i.Resource = nil, "chats('19:a@thread.v2')/messages('1/2')" }, "quarantined: Graph can read no message that its resource names"},
		{"deleted, and Graph has it not", func(i *webhook.Item) { i.Encrypted, i.ChangeType = nil, "deleted" }, "finished"},
	} {
		bubble(t, c.name, func(r *rig) {
			row := r.notify("created", said{id: "1", body: bad}, c.alter)
			next := r.notify("created", said{id: "7", body: bad})
			r.run(time.Second)
			if got := r.inbox.how(row); got != c.want {
				r.Errorf("row %q, want %q", got, c.want)
			}
			if got := r.inbox.how(next); got != "finished" {
				r.Errorf("its neighbour: %q", got)
			}
			r.want("intent/pending result/applied", "7 blockAccess")
		})
	}
}

func TestContentRead(t *testing.T) {
	bubble(t, "read from Graph", func(r *rig) {
		r.teams.messages = map[string]string{"1": said{id: "1", etag: "1", body: bad, from: "aadUser"}.json()}
		r.notify("created", said{id: "1"}, func(i *webhook.Item) { i.Encrypted = nil })
		r.run(time.Second)
		r.want("intent/pending result/applied", "1 blockAccess")
	})
}

func TestDeferredTokens(t *testing.T) {
	unknown := &webhook.Refusal{Reason: webhook.ReasonTokenUnknownKey}
	const kept = "quarantined: the key that signed its tokens is not among Microsoft's now: it was withdrawn since, or never was"
	for _, c := range []struct {
		name  string
		ago   time.Duration // of the receipt
		err   error
		want  string
		kinds string
	}{
		{"proved late", 0, nil, "finished", "intent/pending result/applied"},
		{"still unverifiable", 0, webhook.ErrUnverifiable, "deferred: signing keys are out of reach", ""},
		{"refused", 0, &webhook.Refusal{Reason: webhook.ReasonTokenMalformed}, "dropped: " + string(webhook.ReasonTokenMalformed), ""},
		{"refused after days", 48 * time.Hour, &webhook.Refusal{Reason: webhook.ReasonTokenMalformed}, "dropped: " + string(webhook.ReasonTokenMalformed), ""},
		{"of a key that was withdrawn at once, or never was", keyStays - time.Second, unknown, "quarantined: the key that signed its tokens is not among Microsoft's: it was made up, or withdrawn at once", ""},
		{"of a key that may have been withdrawn", keyStays + time.Second, unknown, kept, ""},
		{"of a key that was withdrawn days ago", 48 * time.Hour, unknown, kept, ""},
		{"any other error", 0, errors.New("x"), "deferred: tokens could not be verified", ""},
	} {
		bubble(t, c.name, func(r *rig) {
			row := r.notify("created", said{id: "1", body: bad}, func(i *webhook.Item) {
				i.Deferred, i.Received = []string{"token"}, i.Received.Add(-c.ago)
			})
			r.run(time.Second)
			if got := r.inbox.how(row); got != c.want {
				r.Errorf("row %q, want %q", got, c.want)
			}
			if got := r.kinds(); got != c.kinds {
				r.Errorf("entries %q, want %q", got, c.kinds)
			}
		}, func(cfg *Config) { cfg.Verifier = verifier{c.err} })
	}
}

// What was proved is not asked for again: not when it is put back, nor when it is tried
// again out of quarantine, though its key was withdrawn meanwhile. What was not proved is.
func TestProvedOnce(t *testing.T) {
	var withdrawn atomic.Bool
	bubble(t, "withdrawn", func(r *rig) {
		tokens := func(i *webhook.Item) { i.Deferred = []string{"token"} }
		aside := r.notify("created", said{id: "1", body: bad}, tokens, func(i *webhook.Item) {
			i.Encrypted = &webhook.EncryptedContent{Data: i.Encrypted.Data, DataSignature: "wrong"}
		})
		back := r.notify("created", said{id: "2"}, tokens, func(i *webhook.Item) { i.Encrypted = nil })
		var again, late int
		var then sync.WaitGroup
		then.Go(func() {
			pause(context.Background(), time.Second)
			if a, b := r.inbox.how(aside), r.inbox.how(back); !strings.HasPrefix(a, "quarantined: ") || !strings.HasPrefix(b, "deferred: ") {
				r.Errorf("at first: %q and %q", a, b)
			}
			withdrawn.Store(true)
			r.teams.mu.Lock()
			r.teams.messages = map[string]string{"2": said{id: "2", etag: "2", body: bad, from: "aadUser"}.json()}
			r.teams.mu.Unlock()
			r.inbox.mu.Lock()
			item := r.inbox.items[aside-1]
			r.inbox.mu.Unlock()
			item.Encrypted = &webhook.EncryptedContent{Data: item.Encrypted.Data} // what was wrong was mended
			again = r.inbox.put(item)
			late = r.notify("created", said{id: "3", body: bad}, tokens)
		})
		r.run(time.Minute)
		then.Wait()
		for row, want := range map[int]string{again: "finished", back: "finished", late: "quarantined: "} {
			if how := r.inbox.how(row); !strings.HasPrefix(how, want) {
				r.Errorf("row %d is %q, want %q", row, how, want)
			}
		}
	}, func(cfg *Config) {
		cfg.Verifier = proving(func() error {
			if withdrawn.Load() {
				return &webhook.Refusal{Reason: webhook.ReasonTokenUnknownKey}
			}
			return nil
		})
	})
	for _, broken := range []error{nil, errors.New("disk full")} {
		bubble(t, fmt.Sprintf("recorded: %v", broken), func(r *rig) {
			r.inbox.unproved = broken
			r.notify("created", said{id: "1", body: bad}, func(i *webhook.Item) { i.Deferred = []string{"token"} })
			r.run(time.Second)
			if sent := len(r.teams.sent()); (sent == 0) != (broken != nil) {
				r.Errorf("%d PATCHes", sent)
			}
		})
	}
}

// Whoever knows a subscription's secret and makes keys up fills the quarantine no
// further than this; what was kept for other reasons has its place beside it.
func TestMadeUpKeysFillNothing(t *testing.T) {
	old := func(i *webhook.Item) { i.Received = i.Received.Add(-time.Hour) }
	deferred := func(i *webhook.Item) { i.Deferred = []string{"token"} }
	var r *rig
	set := func(how string) (n int64) {
		r.inbox.mu.Lock()
		defer r.inbox.mu.Unlock()
		for _, h := range r.inbox.ended {
			if strings.HasPrefix(h, how) {
				n++
			}
		}
		return n
	}
	bubble(t, "flood", func(rig *rig) {
		r = rig
		r.sayIn(3, bad, deferred, old)
		r.sayIn(200, bad, deferred)
		r.sayIn(4, bad, deferred, old)
		r.run(time.Minute)
		// The old ones are kept in any case, and take the places of as many others as come after them.
		aside, dropped := set("quarantined"), set("dropped: token_key")
		if others := aside - 7; others < 13 || others > 20 || aside+dropped != 207 {
			r.Errorf("%d set aside and %d dropped of 207, of which 7 are kept anyway; 13 to 20 others may be", aside, dropped)
		}
		for _, row := range []int{1, 2, 3, 204, 205, 206, 207} {
			if how := r.inbox.how(row); !strings.HasPrefix(how, "quarantined: ") {
				r.Errorf("row %d, which is old: %q", row, how)
			}
		}
	}, func(c *Config) {
		c.Verifier = verifier{&webhook.Refusal{Reason: webhook.ReasonTokenUnknownKey}}
		c.MaxUnproved, c.Quarantined = 20, func(context.Context) (int64, error) { return set("quarantined"), nil }
	})
	bubble(t, "not known how full", func(r *rig) {
		row := r.notify("created", said{id: "1", body: bad}, deferred)
		r.run(time.Second)
		if how := r.inbox.how(row); how != "" {
			r.Errorf("the item is %q while nobody knows how many are set aside", how)
		}
	}, func(c *Config) {
		c.Verifier = verifier{&webhook.Refusal{Reason: webhook.ReasonTokenUnknownKey}}
		c.Quarantined = func(context.Context) (int64, error) { return 0, errors.New("no answer") }
	})
}

func TestLifecycle(t *testing.T) {
	var heard []string
	bubble(t, "handed on", func(r *rig) {
		row := r.notify("", said{id: "1"}, func(i *webhook.Item) { i.LifecycleEvent, i.Encrypted, i.Resource = "missed", nil, "" })
		r.run(time.Second)
		if got := r.inbox.how(row); got != "dropped: lifecycle" || len(heard) != 1 || heard[0] != "s1 missed" {
			r.Errorf("row %q, heard %q", got, heard)
		}
	}, func(c *Config) {
		c.Lifecycle = func(_ context.Context, id, event string) error { heard = append(heard, id+" "+event); return nil }
	})
	bubble(t, "put back when it could not be recorded", func(r *rig) {
		row := r.notify("", said{id: "1"}, func(i *webhook.Item) { i.LifecycleEvent, i.Encrypted = "missed", nil })
		r.run(time.Second)
		if got := r.inbox.how(row); got != "deferred: lifecycle: missed" {
			r.Errorf("row %q", got)
		}
	}, func(c *Config) {
		c.Lifecycle = func(context.Context, string, string) error { return errors.New("disk") }
	})
}

// No record, no action: while the ledger cannot be written nothing is sent, and
// once it can, everything is, once.
func TestNoRecordNoAction(t *testing.T) {
	bubble(t, "ledger down", func(r *rig) {
		begin := time.Now()
		r.ledger.Fail = func(call string) error {
			if call == "Decide" && time.Since(begin) < time.Minute {
				if len(r.teams.sent()) > 0 {
					r.Error("sent without a record")
				}
				return errors.New("no space")
			}
			return nil
		}
		r.notify("created", said{id: "1", body: bad})
		r.run(2 * time.Minute)
		r.want("intent/pending result/applied", "1 blockAccess")
	})
}

// Graph out of reach: the effect stays decided through a stop, and is taken up
// after a read at the next start.
func TestStopWhileGraphIsOut(t *testing.T) {
	bubble(t, "interrupted", func(r *rig) {
		r.teams.answer, r.teams.down = func(int) error { return &actions.CallError{Status: 503, Ambiguous: true} }, true
		row := r.notify("created", said{id: "1", body: bad})
		r.run(5 * time.Second)
		r.want("intent/pending", "1 blockAccess")
		if got := r.inbox.how(row); got != "" {
			r.Errorf("the row ended: %q", got)
		}
	})
}

// F12, the hour: nothing answers, then everything does. Each is acted on once, and
// after a read, since one of the calls may have arrived.
func TestGraphGoneForAnHour(t *testing.T) {
	bubble(t, "an hour", func(r *rig) {
		begin := time.Now()
		out := func() bool { return time.Since(begin) < time.Hour }
		applied := 0
		r.teams.answer = func(int) error {
			if out() {
				return &actions.CallError{Status: 503, Ambiguous: true}
			}
			applied++
			return nil
		}
		r.teams.down = true
		time.AfterFunc(time.Hour, func() {
			r.teams.mu.Lock()
			defer r.teams.mu.Unlock()
			r.teams.down, r.teams.shows = false, &actions.Snapshot{}
		})
		const n = 200
		for i := range n {
			r.notify("created", said{id: strconv.Itoa(1000 + i), body: bad, chat: "19:" + strconv.Itoa(i) + "@thread.v2"}, func(item *webhook.Item) {
				item.Resource = fmt.Sprintf("chats('19:%d@thread.v2')/messages('%d')", i, 1000+i)
			})
		}
		r.run(65 * time.Minute)
		if applied != n {
			r.Errorf("%d of %d were acted on", applied, n)
		}
		if r.teams.looks < n {
			r.Errorf("only %d reads before PATCHes that may be second ones", r.teams.looks)
		}
		for row := range n {
			if got := r.inbox.how(row + 1); got != "finished" {
				r.Fatalf("row %d: %q", row+1, got)
			}
		}
	})
}

func TestReleaseWaitsForItsLane(t *testing.T) {
	bubble(t, "release", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		cases, err := r.ledger.Cases(context.Background(), actions.Filter{})
		if err != nil || len(cases) != 1 {
			r.Fatal(cases, err)
		}
		r.p = New(r.p.Config) // one that does not run
		if err := r.p.Release(context.Background(), cases[0], "jo", "not a secret"); err != nil {
			r.Fatal(err)
		}
		if err := r.p.Release(context.Background(), cases[0], "jo", "again"); !errors.Is(err, actions.ErrNothingStands) {
			r.Errorf("second release: %v", err)
		}
		r.want("intent/pending result/applied release/pending result/applied", "1 blockAccess", "1 none")
	})
	bubble(t, "refused", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		r.teams.answer = func(int) error { return &actions.CallError{Status: 403, Code: "Forbidden"} }
		cases, _ := r.ledger.Cases(context.Background(), actions.Filter{})
		r.p = New(r.p.Config)
		if err := r.p.Release(context.Background(), cases[0], "jo", "x"); !errors.Is(err, ErrNotReleased) {
			r.Errorf("got %v", err)
		}
	})
}

// impatient is a ledger before which the caller gives up while it commits.
type impatient struct {
	actions.Ledger
	giveUp func()
}

func (l impatient) Decide(ctx context.Context, e actions.Effect, s actions.Standing, entries ...actions.Entry) error {
	err := l.Ledger.Decide(ctx, e, s, entries...)
	l.giveUp()
	return errors.Join(err, ctx.Err())
}

// An analyst who leaves while his release is being recorded leaves none behind that has
// no result.
func TestReleaseIsSettledWhoeverLeaves(t *testing.T) {
	bubble(t, "left", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		cases, err := r.ledger.Cases(context.Background(), actions.Filter{})
		if err != nil || len(cases) != 1 {
			r.Fatal(cases, err)
		}
		ctx, leave := context.WithCancel(context.Background())
		cfg := r.p.Config
		cfg.Ledger = impatient{r.ledger, leave}
		r.p = New(cfg)
		if err := r.p.Release(ctx, cases[0], "jo", "why"); err == nil {
			r.Error("released for somebody who had left")
		}
		open, err := r.ledger.UnfinishedReleases(context.Background())
		if err != nil || len(open) > 0 {
			r.Errorf("%d releases without a result, %v", len(open), err)
		}
		r.want("intent/pending result/applied release/pending result/failed", "1 blockAccess")
	})
}

// A release that the store does not take at once is on record in the end, without
// another start: its result, and what a process that died had left.
func TestReleaseWhileTheStoreFails(t *testing.T) {
	fails := func(r *rig, call string) (c actions.Case, failed *atomic.Int32) {
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		cases, err := r.ledger.Cases(context.Background(), actions.Filter{})
		if err != nil || len(cases) != 1 {
			r.Fatal(cases, err)
		}
		failed = new(atomic.Int32)
		r.ledger.Fail = func(what string) error {
			if what == call && failed.Add(1) <= 3 {
				return errors.New("the store is out of reach")
			}
			return nil
		}
		r.teams.shows = &actions.Snapshot{Violation: &actions.Seen{DLPAction: "blockAccess"}}
		cfg := r.p.Config
		cfg.Unfinished = r.ledger.UnfinishedReleases
		r.p = New(cfg)
		return cases[0], failed
	}
	const released = "intent/pending result/applied release/pending result/applied"
	bubble(t, "its result", func(r *rig) {
		c, failed := fails(r, "Finish")
		if err := r.p.Release(context.Background(), c, "jo", "why"); err != nil || failed.Load() != 4 {
			r.Errorf("%v, after %d tries", err, failed.Load())
		}
		r.want(released, "1 blockAccess", "1 none")
	})
	for _, call := range []string{"UnfinishedReleases", "Begin", "Finish"} {
		bubble(t, "taken up: "+call, func(r *rig) {
			c, failed := fails(r, "")
			if _, err := r.p.recorder.Release(context.Background(), c, "jo", "why"); err != nil { // and the process is killed
				r.Fatal(err)
			}
			r.ledger.Fail = func(what string) error {
				if what == call && failed.Add(1) <= 3 {
					return errors.New("the store is out of reach")
				}
				return nil
			}
			if err := r.p.Resume(context.Background()); err != nil {
				r.Fatal(err)
			}
			pause(context.Background(), time.Minute)
			r.want(released, "1 blockAccess", "1 none")
		})
	}
	bubble(t, "for good", func(r *rig) {
		c, _ := fails(r, "")
		r.ledger.Fail = func(what string) error {
			if what == "Finish" {
				return errors.New("the store is out of reach")
			}
			return nil
		}
		begun := time.Now()
		if err := r.p.Release(context.Background(), c, "jo", "why"); err == nil || time.Since(begun) > 2*stuck {
			r.Errorf("after %v: %v", time.Since(begun), err)
		}
	})
}

// A release whose process was killed after its record is carried out at the next
// start, after a read; one that has become pointless is closed.
func TestReleaseOutlivesItsProcess(t *testing.T) {
	ours := &actions.Seen{DLPAction: "blockAccess"}
	for _, c := range []struct {
		name    string
		shows   *actions.Snapshot
		between func(r *rig)
		kinds   string
		patches []string
	}{
		{"not sent yet", &actions.Snapshot{Violation: ours}, nil, "release/pending result/applied", []string{"1 blockAccess", "1 none"}},
		{"sent, and the answer lost", &actions.Snapshot{}, nil, "release/pending result/applied", []string{"1 blockAccess"}},
		{"the text was edited since", &actions.Snapshot{Fingerprint: "other", Violation: ours}, nil, "release/pending result/failed", []string{"1 blockAccess"}},
		{"deleted since", &actions.Snapshot{Violation: ours}, func(r *rig) { r.notify("deleted", said{id: "1", etag: "9"}) }, "release/pending deleted/ result/failed", []string{"1 blockAccess"}},
		{"blocked anew since", &actions.Snapshot{Violation: ours}, func(r *rig) { r.notify("updated", said{id: "1", etag: "9", body: bad + "again"}) },
			"release/pending edit/ intent/pending result/applied result/failed", []string{"1 blockAccess", "1 blockAccess"}},
	} {
		bubble(t, c.name, func(r *rig) {
			r.notify("created", said{id: "1", body: bad})
			r.run(time.Second)
			cases, err := r.ledger.Cases(context.Background(), actions.Filter{})
			if err != nil || len(cases) != 1 {
				r.Fatal(cases, err)
			}
			if _, err := r.p.recorder.Release(context.Background(), cases[0], "jo", "why"); err != nil { // and the process is killed
				r.Fatal(err)
			}
			if c.between != nil {
				c.between(r)
				r.p = New(r.p.Config)
				r.run(time.Second)
			}
			r.teams.shows = c.shows
			cfg := r.p.Config
			cfg.Unfinished = r.ledger.UnfinishedReleases
			for range 2 { // once, however often it starts
				r.p = New(cfg)
				r.run(time.Second)
			}
			r.want("intent/pending result/applied "+c.kinds, c.patches...)
		})
	}
}

// What waited for days, as in quarantine, may be about a text whose newer versions
// are forgotten: Teams is asked before anything is sent.
func TestOldItemIsReadFirst(t *testing.T) {
	for _, c := range []struct {
		name    string
		age     time.Duration
		shows   actions.Snapshot
		looks   int
		patches []string
	}{
		{"fresh", time.Hour, actions.Snapshot{Fingerprint: "other"}, 0, []string{"1 blockAccess"}},
		{"old, and the text is another by now", 3 * 24 * time.Hour, actions.Snapshot{Fingerprint: "other"}, 1, nil},
		{"old, and deleted", 3 * 24 * time.Hour, actions.Snapshot{Deleted: true}, 1, nil},
		{"old, and overridden", 3 * 24 * time.Hour, actions.Snapshot{Violation: &actions.Seen{DLPAction: "blockAccess", UserAction: "override"}}, 1, nil},
		{"old, and as it was", 3 * 24 * time.Hour, actions.Snapshot{}, 1, []string{"1 blockAccess"}},
	} {
		bubble(t, c.name, func(r *rig) {
			r.teams.shows = &c.shows
			row := r.notify("created", said{id: "1", body: bad}, func(i *webhook.Item) { i.Received = time.Now().Add(-c.age) })
			r.run(time.Second)
			if got := r.teams.sent(); r.teams.looks != c.looks || !slices.Equal(got, c.patches) || r.inbox.how(row) != "finished" {
				r.Errorf("%d reads, PATCHes %q, row %q", r.teams.looks, got, r.inbox.how(row))
			}
		})
	}
}

// An analyst does not wait behind a backlog, and gets an answer when the lane
// does not move at all.
func TestReleaseGoesFirst(t *testing.T) {
	bubble(t, "before what waits", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		cases, _ := r.ledger.Cases(context.Background(), actions.Filter{})
		lane := tenant + "/chats/19:a@thread.v2"
		hold := make(chan struct{})
		p := New(r.p.Config)
		p.lanes.next(lane, func() { <-hold })
		synctest.Wait()
		p.lanes.admit(lane, "x", func() {
			if n := len(r.teams.sent()); n != 2 {
				r.Error("the release waited for an item")
			}
		})
		done := make(chan error)
		go func() { done <- p.Release(context.Background(), cases[0], "jo", "x") }()
		synctest.Wait()
		close(hold)
		if err := <-done; err != nil {
			r.Error(err)
		}
		p.lanes.close()
	})
	bubble(t, "gives up, and does nothing later", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		cases, _ := r.ledger.Cases(context.Background(), actions.Filter{})
		hold := make(chan struct{})
		p := New(r.p.Config)
		p.lanes.next(tenant+"/chats/19:a@thread.v2", func() { <-hold })
		synctest.Wait()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := p.Release(ctx, cases[0], "jo", "x"); !errors.Is(err, ErrBusy) {
			r.Errorf("got %v", err)
		}
		close(hold)
		p.lanes.close()
		r.want("intent/pending result/applied", "1 blockAccess")
	})
	bubble(t, "refused once stopped", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		cases, _ := r.ledger.Cases(context.Background(), actions.Filter{})
		if err := r.p.Release(context.Background(), cases[0], "jo", "x"); !errors.Is(err, ErrStopping) {
			r.Errorf("got %v", err)
		}
	})
	bubble(t, "drains with the rest, and is on record", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		ctx, cancel := context.WithCancel(context.Background())
		ran := make(chan error)
		go func() { ran <- r.p.Run(ctx) }()
		pause(ctx, time.Second)
		r.teams.mu.Lock()
		r.teams.answer, r.teams.down = func(int) error { return &actions.CallError{Status: 503, Ambiguous: true} }, true
		r.teams.mu.Unlock()
		cases, _ := r.ledger.Cases(context.Background(), actions.Filter{})
		done := make(chan error)
		go func() { done <- r.p.Release(context.Background(), cases[0], "jo", "x") }()
		synctest.Wait()
		begin := time.Now()
		cancel()
		if err := <-done; !errors.Is(err, ErrNotReleased) {
			r.Errorf("got %v", err)
		}
		if err := <-ran; err != nil || time.Since(begin) > r.p.Drain {
			r.Errorf("Run ended with %v after %v", err, time.Since(begin))
		}
		r.want("intent/pending result/applied release/pending result/failed", "1 blockAccess", "1 none")
	})
	bubble(t, "a panic is an error", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		r.teams.answer = func(int) error { panic("4111 1111 1111 1111") }
		cases, _ := r.ledger.Cases(context.Background(), actions.Filter{})
		if err := New(r.p.Config).Release(context.Background(), cases[0], "jo", "x"); err == nil || strings.Contains(err.Error(), "4111") {
			r.Errorf("got %v", err)
		}
	})
}

// A storm of violations in one chat, in which Graph takes one PATCH a second,
// does not keep a message of another chat waiting; and the storm itself is
// worked off in order, each once, at the rate that Graph allows.
func TestStormInOneChat(t *testing.T) {
	const storm = 3000
	elsewhere := func(i *webhook.Item) { i.Resource = "chats('19:b@thread.v2')/messages('other')" }
	bubble(t, "others do not wait", func(r *rig) {
		r.teams.pace = time.Second
		for i := range storm {
			r.notify("created", said{id: strconv.Itoa(1000 + i), body: bad})
		}
		r.notify("created", said{id: "other", body: bad, chat: "19:b@thread.v2"}, elsewhere)
		r.run(10 * time.Second)
		sent := r.teams.sent()
		if !slices.Contains(sent, "other blockAccess") {
			r.Errorf("the other chat waited behind %d PATCHes of the storm", len(sent))
		}
		if rows := r.inbox.deferrals(); rows > 5*storm {
			r.Errorf("%d rows written to put %d items back", rows, storm)
		}
	}, func(c *Config) { c.InFlight = 100; c.LaneDepth = 16 })
	bubble(t, "in order, at full rate", func(r *rig) {
		r.teams.pace = time.Second
		for i := range 500 {
			r.notify("created", said{id: strconv.Itoa(1000 + i), body: bad})
		}
		r.run(550 * time.Second)
		sent := r.teams.sent()
		if len(sent) != 500 || !slices.IsSorted(sent) || len(slices.Compact(sent)) != 500 {
			r.Errorf("%d PATCHes in 550 s, sorted %v", len(sent), slices.IsSorted(sent))
		}
		for row := range 500 {
			if got := r.inbox.how(row + 1); got != "finished" {
				r.Fatalf("row %d: %q", row+1, got)
			}
		}
		if n := r.inbox.deferrals(); n > 10*500 {
			r.Errorf("%d rows written to put 500 items back", n)
		}
		if len(r.p.lanes.open) != 0 {
			r.Error("the lane is kept")
		}
	})
	bubble(t, "after a standstill the lane does not run dry", func(r *rig) {
		begin := time.Now()
		r.teams.stand = begin.Add(20 * time.Minute)
		for i := range 300 {
			r.notify("created", said{id: strconv.Itoa(1000 + i), body: bad})
		}
		r.run(21 * time.Minute)
		if sent := r.teams.sent(); len(sent) != 300 || !slices.IsSorted(sent) {
			r.Errorf("%d PATCHes a minute after Graph came back", len(sent))
		}
		if n := r.inbox.deferrals(); n > 300*2*20*60/30 {
			r.Errorf("%d rows written while nothing moved", n)
		}
	})
}

// slowOpener takes a while and counts how many do so at once.
type slowOpener struct{ now, most *atomic.Int32 }

func (o slowOpener) Open(e *webhook.EncryptedContent) ([]byte, error) {
	if n := o.now.Add(1); n > o.most.Load() {
		o.most.Store(n)
	}
	defer o.now.Add(-1)
	pause(context.Background(), time.Millisecond)
	return opener{}.Open(e)
}

// Hundreds of conversations do not decrypt all at once: the answers to Graph need
// the cores too.
func TestComputesOnTheCoresThereAre(t *testing.T) {
	var now, most atomic.Int32
	bubble(t, "100 lanes", func(r *rig) {
		for i := range 100 {
			chat := fmt.Sprintf("19:%d@thread.v2", i)
			r.notify("created", said{id: "1", body: clean, chat: chat}, func(item *webhook.Item) {
				item.Resource = fmt.Sprintf("chats('%s')/messages('1')", chat)
			})
		}
		r.run(time.Second)
		if r.inbox.how(100) != "finished" || int(most.Load()) > runtime.GOMAXPROCS(0) {
			r.Errorf("%d at once; the last: %q", most.Load(), r.inbox.how(100))
		}
	}, func(c *Config) { c.Opener = slowOpener{&now, &most} })
}

// However few items may be in flight, work goes on.
func TestFewInFlight(t *testing.T) {
	bubble(t, "one", func(r *rig) {
		for i := range 20 {
			r.notify("created", said{id: strconv.Itoa(i), body: bad})
		}
		r.run(time.Second)
		if n := len(r.teams.sent()); n != 20 {
			r.Errorf("%d PATCHes", n)
		}
	}, func(c *Config) { c.InFlight = 1 })
}

// Many conversations that stand still, since Graph is away, hold nobody else up.
func TestManyStandStill(t *testing.T) {
	bubble(t, "one goes on", func(r *rig) {
		r.teams.stand = time.Now().Add(time.Hour)
		in := func(chat int) func(*webhook.Item) {
			return func(i *webhook.Item) {
				i.Resource = fmt.Sprintf("chats('19:%d@thread.v2')/messages('%d')", chat, 1000+r.inbox.rows())
			}
		}
		say := func(chat int, body string) int {
			return r.notify("created", said{id: strconv.Itoa(1000 + r.inbox.rows()), body: body, chat: fmt.Sprintf("19:%d@thread.v2", chat)}, in(chat))
		}
		for chat := range 10 {
			say(chat, bad)
		}
		time.AfterFunc(time.Minute, func() {
			for range 20 {
				for chat := range 10 {
					say(chat, clean)
				}
			}
		})
		time.AfterFunc(2*time.Minute, func() {
			row := say(99, clean)
			pause(context.Background(), time.Minute)
			if got := r.inbox.how(row); got != "finished" {
				r.Errorf("a message in another chat: %q", got)
			}
		})
		r.run(time.Hour + time.Minute)
		for row := range r.inbox.rows() {
			if got := r.inbox.how(row + 1); got != "finished" {
				r.Fatalf("row %d, once Graph is back: %q", row+1, got)
			}
		}
	}, func(c *Config) { c.InFlight, c.LaneDepth = 100, 32 })
}

// An inbox that cannot be read for a moment does not end the service; one that
// cannot be read at all does.
func TestInboxOutOfReach(t *testing.T) {
	bubble(t, "for a moment", func(r *rig) {
		r.inbox.fail = errors.New("busy")
		r.notify("created", said{id: "1", body: bad})
		time.AfterFunc(30*time.Second, func() {
			r.inbox.mu.Lock()
			r.inbox.fail = nil
			r.inbox.mu.Unlock()
		})
		r.run(time.Minute)
		r.want("intent/pending result/applied", "1 blockAccess")
	})
	bubble(t, "for good", func(r *rig) {
		r.inbox.fail = errors.New("corrupt")
		if err := r.p.Run(context.Background()); !errors.Is(err, r.inbox.fail) {
			r.Errorf("got %v", err)
		}
	})
}

// What cannot be recorded about one message does not hold up its conversation
// for ever.
func TestPoisonInTheLedger(t *testing.T) {
	bubble(t, "put back", func(r *rig) {
		r.ledger.Fail = func(call string) error {
			if call == "Decide" && len(r.teams.sent()) == 0 && r.inbox.how(1) == "" {
				return errors.New("the standing cannot be decoded")
			}
			return nil
		}
		row := r.notify("created", said{id: "1", body: bad})
		next := r.notify("created", said{id: "2", body: bad})
		r.run(stuck + 6*time.Second)
		if got := r.inbox.how(row); got != "deferred: what became of it could not be written" {
			r.Errorf("row %q", got)
		}
		if got := r.inbox.how(next); got != "finished" {
			r.Errorf("its neighbour: %q", got)
		}
	})
}

func TestLanesKeepOrder(t *testing.T) {
	l := newLanes(2000, time.Now)
	var mu sync.Mutex
	got := map[string][]int{}
	for i := range 1000 {
		key := strconv.Itoa(i % 7)
		wait := l.admit(key, strconv.Itoa(i), func() {
			mu.Lock()
			defer mu.Unlock()
			got[key] = append(got[key], i)
		})
		if wait != 0 {
			t.Fatalf("item %d was sent away", i)
		}
	}
	l.close()
	if l.next("0", func() { t.Error("it ran") }) {
		t.Error("closed lanes took a job")
	}
	total := 0
	for key, list := range got {
		total += len(list)
		for i := 1; i < len(list); i++ {
			if list[i] < list[i-1] {
				t.Fatalf("lane %s ran %d after %d", key, list[i], list[i-1])
			}
		}
	}
	if total != 1000 || len(l.open) != 0 {
		t.Errorf("%d jobs ran, %d lanes left", total, len(l.open))
	}
}

// When what a conversation stood still for is over, those who wait for it in the
// inbox are called, and do not stay for as long as it was thought to take.
func TestLanesCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLanes(4, time.Now)
		timers := map[string]*time.Timer{}
		var mu sync.Mutex
		var got []int
		var offer func(i int, takes time.Duration)
		offer = func(i int, takes time.Duration) {
			receipt := strconv.Itoa(i)
			wait := l.admit("a", receipt, func() {
				time.Sleep(takes) //nolint:forbidigo // the bubble's clock
				mu.Lock()
				defer mu.Unlock()
				got = append(got, i)
			})
			if wait == 0 {
				return
			}
			time.Sleep(time.Millisecond) //nolint:forbidigo // the bubble's clock: of putting it back
			mu.Lock()
			timers[receipt] = time.AfterFunc(wait, func() { offer(i, takes) })
			mu.Unlock()
			l.putBack("a", receipt)
		}
		l.recall = func(receipts []string) {
			for _, receipt := range receipts {
				mu.Lock()
				if timer := timers[receipt]; timer != nil && timer.Stop() {
					timer.Reset(0)
				}
				mu.Unlock()
				time.Sleep(time.Microsecond) //nolint:forbidigo // the bubble's clock: they come in this order
			}
		}
		const stands, items = 20 * time.Second, 100
		begun := time.Now()
		offer(0, stands)
		for i := 1; i < items; i++ {
			offer(i, time.Millisecond)
		}
		time.Sleep(stands + time.Second - time.Since(begun)) //nolint:forbidigo // the bubble's clock
		mu.Lock()
		if len(got) != items || !slices.IsSorted(got) {
			t.Errorf("a second after it went on, the lane has run %v", got)
		}
		mu.Unlock()
		time.Sleep(time.Minute) //nolint:forbidigo // the bubble's clock: for the timers of what has not come
		synctest.Wait()
		l.close()
	})
}

// stallingOpener stands still once.
type stallingOpener struct{ once *sync.Once }

func (o stallingOpener) Open(e *webhook.EncryptedContent) ([]byte, error) {
	o.once.Do(func() { pause(context.Background(), 20*time.Second) })
	return opener{}.Open(e)
}

// A conversation that stood still is worked off as soon as it goes on.
func TestStallIsOver(t *testing.T) {
	bubble(t, "one chat", func(r *rig) {
		last := 0
		for i := range 60 {
			last = r.notify("created", said{id: strconv.Itoa(i), body: clean})
		}
		r.run(21 * time.Second)
		if got := r.inbox.how(last); got != "finished" {
			r.Errorf("a second after it went on: %q", got)
		}
	}, func(c *Config) { c.Opener, c.LaneDepth = stallingOpener{new(sync.Once)}, 4 })
}

// Who is called while it is still being put back is called again, and nobody else is.
func TestLanesCallAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLanes(2, time.Now)
		var called []string
		l.recall = func(receipts []string) { called = append(called, receipts...) }
		block := make(chan struct{})
		l.admit("a", "1", func() { <-block })
		l.admit("a", "2", func() {})
		for _, receipt := range []string{"3", "4", "5"} {
			if l.admit("a", receipt, func() {}) == 0 {
				t.Fatalf("%s was not sent away", receipt)
			}
		}
		l.putBack("a", "3") // nobody was called yet
		synctest.Wait()
		if called != nil {
			t.Fatalf("called %v", called)
		}
		time.Sleep(time.Millisecond) //nolint:forbidigo // the bubble's clock
		close(block)
		synctest.Wait()
		l.putBack("a", "3")
		l.putBack("a", "5") // there is no room for it yet
		l.putBack("b", "3") // of no lane
		synctest.Wait()
		if want := []string{"3", "4", "3"}; !slices.Equal(called, want) {
			t.Errorf("called %v, want %v", called, want)
		}
		l.close()
	})
}

// Work on an item that is another node's is not begun, and what was begun ends.
func TestHeld(t *testing.T) {
	lost := func(c *Config) {
		c.Held = func(ctx context.Context, _ string) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			cancel()
			return ctx, cancel
		}
	}
	bubble(t, "lost before it began", func(r *rig) {
		row := r.notify("created", said{id: "1", body: bad})
		r.run(time.Minute)
		r.want("")
		if got := r.inbox.how(row); got != "" {
			r.Errorf("row %q", got)
		}
	}, lost)
	released := 0
	bubble(t, "held", func(r *rig) {
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		r.want("intent/pending result/applied", "1 blockAccess")
	}, func(c *Config) {
		c.Held = func(ctx context.Context, _ string) (context.Context, context.CancelFunc) {
			return ctx, func() { released++ }
		}
	})
	if released != 1 {
		t.Errorf("released %d times", released)
	}
}

// An item whose lease was lost before it could be put back comes back to nobody here:
// those behind it in line do not wait for it.
func TestLostBeforeItWasPutBack(t *testing.T) {
	lost := ""
	bubble(t, "one chat", func(r *rig) {
		var rows []int
		for i := range 6 {
			rows = append(rows, r.notify("created", said{id: strconv.Itoa(i), body: clean}))
		}
		lost = strconv.Itoa(rows[3]) // the lane has room for two
		r.run(time.Hour)
		for i, row := range rows {
			want := "finished"
			if i == 3 {
				want = ""
			}
			if got := r.inbox.how(row); got != want {
				r.Errorf("item %d: %q, want %q", i, got, want)
			}
		}
	}, func(c *Config) {
		c.Opener, c.LaneDepth = stallingOpener{new(sync.Once)}, 1
		c.Held = func(ctx context.Context, receipt string) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			if receipt == lost {
				cancel()
			}
			return ctx, cancel
		}
	})
}

// A lane that was lost does not wait for the items that it sent away: they went to
// another node.
func TestLanesForget(t *testing.T) {
	l := newLanes(1, time.Now)
	block := make(chan struct{})
	l.admit("a", "1", func() { <-block })
	if l.admit("a", "2", func() {}) == 0 && l.admit("a", "3", func() {}) == 0 {
		t.Fatal("nothing was sent away")
	}
	if l.admit("b", "9", func() {}) != 0 {
		t.Error("another lane waits")
	}
	l.forget(func(key string) bool { return key == "b" })
	if l.admit("a", "4", func() {}) == 0 {
		t.Error("an item overtook those that were sent away")
	}
	l.forget(func(key string) bool { return key == "a" })
	close(block)
	ran := make(chan struct{})
	for l.admit("a", "5", func() { close(ran) }) != 0 {
		l.forget(func(string) bool { return true }) // the first may still stand in the lane
		runtime.Gosched()
	}
	<-ran
	l.close()
	if len(l.open) != 0 {
		t.Errorf("%d lanes are left", len(l.open))
	}
}

// Who computes or writes works, who waits for Graph does not, and in the end nobody.
func TestWorking(t *testing.T) {
	var working, computing, asking atomic.Int32
	bubble(t, "one message", func(r *rig) {
		r.teams.answer = func(int) error { asking.Store(working.Load()); return nil }
		r.notify("created", said{id: "1", body: bad})
		r.run(time.Second)
		r.want("intent/pending result/applied", "1 blockAccess")
		if computing.Load() != 1 || asking.Load() != 0 || working.Load() != 0 {
			t.Errorf("at work: %d while computing, %d while Graph is asked, %d in the end", computing.Load(), asking.Load(), working.Load())
		}
	}, func(c *Config) {
		c.Working = func(delta int) { working.Add(int32(delta)) }
		c.Opener = openerFunc(func(e *webhook.EncryptedContent) ([]byte, error) {
			computing.Store(working.Load())
			return opener{}.Open(e)
		})
	})
}

type openerFunc func(*webhook.EncryptedContent) ([]byte, error)

func (f openerFunc) Open(e *webhook.EncryptedContent) ([]byte, error) { return f(e) }
