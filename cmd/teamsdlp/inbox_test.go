package main

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/subscriptions"
	"teamsdlp/test/graphtwin"
	"teamsdlp/webhook"
)

// at runs a command on the service's data and checks exit code and output.
func (r *running) at(code int, want string, args ...string) (out string) {
	r.Helper()
	args = slices.Insert(args, 2, "--data", filepath.Join(r.dir, "data"))
	got, out, errs := command(r.T, args...)
	if got != code || !strings.Contains(out+errs, want) {
		r.Errorf("%v: exit code %d; want %d and %q\n%s%s", args, got, code, want, out, errs)
	}
	return out
}

func (r *running) quarantined(n int64) {
	r.Helper()
	r.await("quarantine", func() bool {
		d, err := r.store.Depth(context.Background())
		return err == nil && d.Quarantined == n && d.Items == 0
	})
}

// said are the entries of a kind, newest first: actor, verdict and reason.
func (r *running) said(k actions.Kind) (list []string) {
	r.Helper()
	entries, err := r.store.Entries(context.Background(), actions.Filter{Kind: k, Limit: 50})
	if err != nil {
		r.Fatal(err)
	}
	for _, e := range entries {
		list = append(list, e.Actor+": "+e.Verdict+": "+e.Reason)
	}
	return list
}

// An item for a key that is not here waits with its ciphertext; with the key it
// is judged and acted on as if nothing had been.
func TestQuarantineIsTriedAgain(t *testing.T) {
	r := runService(t)
	r.at(0, "nothing is in quarantine", "inbox", "list")
	r.at(0, "nothing waits", "inbox", "list", "--waiting")
	if err := r.twin.SetFaults(graphtwin.Faults{Delivery: []graphtwin.DeliveryFault{{Kind: graphtwin.FaultWrongCertificate, Change: "created", Count: 1}}}); err != nil {
		t.Fatal(err)
	}
	m, err := r.twin.Say(graphtwin.Post{As: "ana", In: "ana-li", HTML: "<p>my card is " + demoCard + "</p>"})
	if err != nil {
		t.Fatal(err)
	}
	r.quarantined(1)

	out := r.at(1, "1 item in quarantine", "inbox", "list")
	for _, want := range []string{"no-such-certificate", "no key with that certificate id", "created"} {
		if !strings.Contains(out, want) {
			t.Errorf("the list lacks %q: %s", want, out)
		}
	}
	var listed sqlite.Quarantined
	if err := json.Unmarshal([]byte(r.at(1, "", "inbox", "list", "--json", "--all")), &listed); err != nil || listed.ID != 1 || listed.Item.Encrypted.Data != "" {
		t.Errorf("listed %+v, %v", listed, err)
	}
	r.at(0, "encrypted for a key that is not ours", "inbox", "show", "1")
	var shown sqlite.Quarantined
	if err := json.Unmarshal([]byte(r.at(0, "", "inbox", "show", "1", "--json")), &shown); err != nil || shown.Item.Encrypted.Data == "" {
		t.Errorf("shown %+v, %v", shown, err)
	}
	r.at(1, "item 2 is not in quarantine", "inbox", "show", "2")

	// The ciphertext is whole: with the right key it opens.
	content := filepath.Join(r.dir, "content.json")
	if err := os.WriteFile(content, []byte(r.at(0, "dataSignature", "inbox", "show", "1", "--content")), 0o600); err != nil {
		t.Fatal(err)
	}
	key := filepath.Join(r.dir, "keys", "encryption-"+r.keyring.Current().ID)
	if code, out, errs := command(t, "inspect", "--key", key+".key.pem", "--cert", key+".cert.pem", content); code != 0 {
		t.Errorf("inspect: exit code %d\n%s%s", code, out, errs)
	}

	// Without the key it comes back, under a number of its own.
	r.at(0, "item 1: back in the inbox", "inbox", "retry", "1", "--reason", "card "+demoCard)
	r.quarantined(1)
	r.at(1, "not in quarantine", "inbox", "retry", "1")
	r.at(1, "1 of 2 items not tried again", "inbox", "retry", "1", "2")
	r.quarantined(1)
	r.at(1, "nothing in quarantine fits", "inbox", "retry", "--key", "another")
	for _, wrong := range [][]string{{}, {"1", "--all"}, {"--all", "--key", "x"}} {
		r.at(2, "name the items", append([]string{"inbox", "retry"}, wrong...)...)
	}

	// Half a pair is a fault that is said, and changes nothing.
	half := filepath.Join(r.dir, "keys", "encryption-no-such-certificate")
	copyFile(t, key+".cert.pem", half+".cert.pem")
	r.at(1, "nothing was changed", "inbox", "retry", "3")
	copyFile(t, key+".key.pem", half+".key.pem")
	before := r.said(actions.KindKeys)
	r.at(0, "item 3: back in the inbox", "inbox", "retry", "--key", "no-such-certificate", "--reason", "key restored")
	r.await("the block", func() bool { v, err := r.twin.Shown(m.ID); return err == nil && v.Blocked })
	r.quarantined(0)
	if v := r.shown(m); v.PatchCount != 1 {
		t.Errorf("PATCHed %d times", v.PatchCount)
	}
	r.at(1, "nothing in quarantine fits", "inbox", "retry", "--all")

	said := r.said(actions.KindInbox)
	if len(said) != 3 || !strings.Contains(said[0], "(local, uid ") || !strings.Contains(said[0], "item 3, in quarantine since ") || !strings.HasSuffix(said[0], "is tried again: key restored") {
		t.Errorf("entries %q", said)
	}
	if strings.Contains(strings.Join(said, ""), "4111 1111") {
		t.Error("a reason is recorded as it was typed")
	}
	if after := r.said(actions.KindKeys); len(after) != len(before)+1 || !strings.Contains(after[0], "encryption key no-such-certificate") {
		t.Errorf("a key that came into use is not on record: %q", after)
	}
}

// What actions wait for is listed beside the quarantine; once it is mended, the
// operator has them tried without waiting for it.
func TestParkedActions(t *testing.T) {
	r := runService(t)
	r.at(1, "no action waits for an operator", "inbox", "retry", "--parked")
	refuse := graphtwin.Rule{Method: http.MethodPatch, Path: "/chats/", Status: 403, Code: "Forbidden", Message: "Missing role permissions on the request."}
	if err := r.twin.SetFaults(graphtwin.Faults{Rules: []graphtwin.Rule{refuse}}); err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	var said []graphtwin.Message
	for range 5 {
		m, err := r.twin.Say(graphtwin.Post{As: "ana", In: "ana-li", HTML: "<p>my card is " + demoCard + "</p>"})
		if err != nil {
			t.Fatal(err)
		}
		said = append(said, m)
	}
	r.await("the actions to wait", func() bool {
		list, err := r.store.CountWaiting(context.Background(), pipeline.Parked)
		return err == nil && len(list) == 1 && list[0].Items == len(said)
	})
	r.await("the gate to close", func() bool { _, closed := r.pipeline.Parked(); return closed == 1 })
	out := r.at(1, "5 actions wait for an operator: see above", "inbox", "list")
	if !regexp.MustCompile(`nothing is in quarantine\n5 actions wait for an operator since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d, next tried (now|at \d{4}-.*): ` + r.cfg.Tenants[0].ID + ` chats: the app lacks a permission: grant Chat.UpdatePolicyViolation.All .*\n$`).MatchString(out) {
		t.Errorf("the list says %q", out)
	}
	var listed struct{ Parked sqlite.WaitingFor }
	if err := json.Unmarshal([]byte(r.at(1, "", "inbox", "list", "--json")), &listed); err != nil || listed.Parked.Items != 5 || listed.Parked.Since.Before(begun.Add(-time.Second)) || listed.Parked.Next.Before(begun) {
		t.Errorf("listed %+v, %v", listed, err)
	}
	r.at(2, "name the items", "inbox", "retry", "--parked", "--all")

	r.at(0, "tried now", "inbox", "retry", "--parked", "--reason", "consent granted")
	if said := r.said(actions.KindInbox); len(said) != 1 || !strings.HasSuffix(said[0], ": 5 actions wait for an operator: tried again: consent granted") {
		t.Errorf("entries %q", said)
	}
	if err := r.twin.SetFaults(graphtwin.Faults{}); err != nil {
		t.Fatal(err)
	}
	if err := r.retryParked(t.Context(), "", "somebody", ""); err != nil && err.Error() != "no action waits for an operator" { // they may have been tried by themselves
		t.Fatal(err)
	}
	r.await("the actions", func() bool { waiting, closed := r.pipeline.Parked(); return waiting == 0 && closed == 0 })
	r.quarantined(0)
	for _, m := range said {
		if v := r.shown(m); !v.Blocked || v.PatchCount != 1 {
			t.Errorf("blocked %v, PATCHed %d times", v.Blocked, v.PatchCount)
		}
	}
	r.at(0, "nothing is in quarantine", "inbox", "list")
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	data, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, data, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// itemFor is an item that no key opens.
func itemFor(key string) webhook.Item {
	return webhook.Item{
		Received: time.Now(), SubscriptionID: "s", TenantID: checkTenant, AppID: "a", ChangeType: "created",
		Resource:  "chats('19:a\x1b[2J@unq.gbl.spaces')/messages('1')",
		Encrypted: &webhook.EncryptedContent{Data: "AAAA", DataKey: "AAAA", DataSignature: "AAAA", CertificateID: key, CertificateThumbprint: "AB\x1b[31m"},
	}
}

func TestQuarantineIsDropped(t *testing.T) {
	r := runService(t)
	if err := r.store.Put(t.Context(), []webhook.Item{itemFor("lost"), itemFor("lost\u202e")}); err != nil {
		t.Fatal(err)
	}
	r.quarantined(2)
	for _, args := range [][]string{{"list", "--all"}, {"show", "1"}, {"show", "2"}} {
		out := r.at(map[bool]int{true: 1}[args[0] == "list"], "lost", append([]string{"inbox"}, args...)...)
		if strings.ContainsAny(out, "\x1b\u202e") {
			t.Errorf("%v prints control characters: %q", args, out)
		}
	}
	r.at(2, "--reason", "inbox", "drop", "1")
	r.at(1, "a reason is needed", "inbox", "drop", "1", "--reason", " ")
	r.at(1, "longer than 500", "inbox", "drop", "1", "--reason", strings.Repeat("x", 501))
	r.at(1, "not in quarantine", "inbox", "drop", "9", "--reason", "x")
	r.quarantined(2)
	if said := r.said(actions.KindInbox); len(said) != 0 {
		t.Errorf("refusals are on record: %q", said)
	}
	r.at(0, "item 1: dropped", "inbox", "drop", "1", "--reason", "a test's")
	r.quarantined(1)
	r.at(1, "not in quarantine", "inbox", "drop", "1", "--reason", "x")
	r.at(1, "2 of 2 items not dropped", "inbox", "drop", "1", "7", "--reason", "x")
	if said := r.said(actions.KindInbox); len(said) != 1 || !strings.HasSuffix(said[0], "is dropped: a test's") {
		t.Errorf("entries %q", said)
	}
	// The log is whole with them.
	r.stop()
	if err := <-r.ended; err != nil {
		t.Fatal(err)
	}
	r.at(0, "ok", "actions", "verify", "--key", filepath.Join(r.dir, "keys", actions.CheckpointPublicFile))
	r.at(1, " B  ", "inbox", "list") // read without a server
	r.at(2, "start teamsdlp serve", "inbox", "drop", "2", "--reason", "x")
}

// noLog is a log that takes nothing.
type noLog struct{}

var errNoLog = errors.New("the log takes nothing")

func (noLog) Append(context.Context, ...actions.Entry) error { return errNoLog }

// No record, no change.
func TestQuarantineWithoutRecord(t *testing.T) {
	r := runService(t)
	if err := r.store.Put(t.Context(), []webhook.Item{itemFor("lost")}); err != nil {
		t.Fatal(err)
	}
	r.quarantined(1)
	r.pipeline.Recorder().Log = noLog{}
	for name, do := range map[string]func(context.Context, string, string, string) error{"drop": r.dropItem, "retry": r.retryItem} {
		if err := do(t.Context(), "1", "somebody", "x"); !errors.Is(err, errNoLog) {
			t.Errorf("%s without a record: %v", name, err)
		}
	}
	r.quarantined(1)
}

// What the socket is sent is not believed.
func TestAdminSocketRefuses(t *testing.T) {
	r := runService(t)
	if err := r.store.Put(t.Context(), []webhook.Item{itemFor("lost")}); err != nil {
		t.Fatal(err)
	}
	r.quarantined(1)
	client := &http.Client{Transport: &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", adminSocket(filepath.Join(r.dir, "data")))
	}}}
	defer client.CloseIdleConnections()
	for _, tc := range []struct {
		method, path, body string
		want               int
	}{
		{"GET", "/inbox/1/drop", ``, 404},
		{"PUT", "/inbox/1/drop", `{"reason":"x"}`, 404},
		{"POST", "/inbox/1/drop", ``, 400},
		{"POST", "/inbox/1/drop", `null`, 400},
		{"POST", "/inbox/1/drop", `[]`, 400},
		{"POST", "/inbox/1/drop", `{"reason":1}`, 400},
		{"POST", "/inbox/1/drop", `{"reason":"x","actor":"root"}`, 400},
		{"POST", "/inbox/1/drop", `{"reason":"` + strings.Repeat("x", 20<<10) + `"}`, 400},
		{"POST", "/inbox/one/drop", `{"reason":"x"}`, 400},
		{"POST", "/inbox/-1/drop", `{"reason":"x"}`, 404},
		{"POST", "/inbox/99999999999999999999/drop", `{"reason":"x"}`, 400},
		{"POST", "/inbox/1/forget", `{"reason":"x"}`, 404},
		{"POST", "/keys/..%2f..%2fetc/retire", `{}`, 404},
		{"POST", "/keys/%00/retire", `{}`, 404},
	} {
		req, err := http.NewRequest(tc.method, "http://x"+tc.path, strings.NewReader(tc.body))
		if err != nil {
			t.Fatal(err)
		}
		res, err := client.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != tc.want {
			t.Errorf("%s %s %.40s: %d, want %d", tc.method, tc.path, tc.body, res.StatusCode, tc.want)
		}
	}
	r.quarantined(1)
	if said := r.said(actions.KindInbox); len(said) != 0 {
		t.Errorf("refusals are on record: %q", said)
	}
}

// oldKey makes a key that is older than the one in use, for notifications of a
// year ago.
func (r *running) oldKey(id string) {
	r.Helper()
	keys := filepath.Join(r.dir, "keys")
	if _, err := writeEncryptionKey(keyOptions{Dir: keys, Bits: 2048, ID: id, Now: time.Now().AddDate(-1, 0, 0)}, keys); err != nil {
		r.Fatal(err)
	}
}

// aged puts it on record that the key in use came into use long ago.
func (r *running) aged() {
	r.Helper()
	err := r.store.Append(context.Background(), actions.Entry{Time: time.Now().Add(-sentAgain - time.Minute), Kind: actions.KindKeys, Verdict: keysInUse + "another"})
	if err != nil {
		r.Fatal(err)
	}
}

// A key that anything names stays; one that nothing names goes, and no further
// than into a folder beside.
func TestKeysRetire(t *testing.T) {
	r := runService(t)
	keys := filepath.Join(r.dir, "keys")
	r.oldKey("old")
	current := r.keyring.Current().ID
	r.at(1, "there is no key of that id: there are "+current+", old", "keys", "retire", "older")
	r.at(1, "in use for new subscriptions", "keys", "retire", current)
	r.at(1, "was made with "+current, "keys", "retire", current)
	r.at(1, "Graph may send again what it encrypted for this one until ", "keys", "retire", "old")
	r.aged()
	if err := r.store.Put(t.Context(), []webhook.Item{itemFor("old"), itemFor("lost")}); err != nil {
		t.Fatal(err)
	}
	r.quarantined(2)
	r.at(1, "the key is needed: 1 item in quarantine named old", "keys", "retire", "old")
	out := r.at(0, "1 item in quarantine named lost, and there is no such key here", "keys", "list", "--keys-dir", keys)
	for _, want := range []string{"2048 bits", "in use for new subscriptions", "1 item in quarantine named old"} {
		if !strings.Contains(out, want) {
			t.Errorf("the list lacks %q:\n%s", want, out)
		}
	}
	r.at(2, "name the key directory", "keys", "list")
	before := r.said(actions.KindKeys)

	r.at(0, "item 1: dropped", "inbox", "drop", "1", "--reason", "x")
	if out := r.at(0, `"needed":[]`, "keys", "list", "--keys-dir", keys, "--json"); strings.Contains(out, "PRIVATE") {
		t.Error("a secret is listed")
	}
	r.at(0, "key old: retired", "keys", "retire", "old", "--reason", "yearly")
	if ids := r.keyring.Keys(); !slices.Equal(ids, []string{current}) {
		t.Errorf("keys %v", ids)
	}
	for _, name := range []string{"encryption-old.key.pem", "encryption-old.cert.pem"} {
		info, err := os.Stat(filepath.Join(keys, retiredDir, name))
		if err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	said := r.said(actions.KindKeys)
	if len(said) != len(before)+1 || !strings.Contains(said[0], "(local, uid ") || !strings.HasSuffix(said[0], "retired: encryption key old: yearly") {
		t.Errorf("entries %q", said)
	}
	r.at(1, "there is no key of that id", "keys", "retire", "old")

	// A second one of the same name does not write over the first.
	r.oldKey("old")
	r.at(1, "is there already", "keys", "retire", "old")
	if ids := r.keyring.Keys(); len(ids) != 2 {
		t.Errorf("keys %v", ids)
	}
	if again := r.said(actions.KindKeys); len(again) != len(said) {
		t.Errorf("a refusal is on record: %q", again)
	}
}

// asks is a keyReader that answers one after the other.
type asks struct {
	keyReader
	named []map[string]sqlite.KeyUse
	subs  []subscriptions.Subscription
}

func (a *asks) KeysNamed(context.Context) (map[string]sqlite.KeyUse, error) {
	n := a.named[0]
	a.named = a.named[1:]
	return n, nil
}

func (a *asks) Subscriptions(context.Context) ([]subscriptions.Subscription, error) {
	return a.subs, nil
}

// What comes in between the look and the move puts the key back.
func TestKeyIsNamedMeanwhile(t *testing.T) {
	r := runService(t)
	r.oldKey("old")
	r.aged()
	err := r.retire(t.Context(), &asks{keyReader: r.store, named: []map[string]sqlite.KeyUse{{}, {"old": {Inbox: 1}}}}, "old", "somebody", "")
	if err == nil || !strings.Contains(err.Error(), "1 item in the inbox named old") {
		t.Errorf("got %v", err)
	}
	if ids := r.keyring.Keys(); len(ids) != 2 {
		t.Errorf("keys %v", ids)
	}
	if err := webhookReload(filepath.Join(r.dir, "keys")); err != nil {
		t.Errorf("the key directory after it: %v", err)
	}
	if said := r.said(actions.KindKeys); !strings.Contains(said[0], "not retired after all") || !strings.Contains(said[1], "retired: encryption key old") {
		t.Errorf("entries %q", said)
	}
}

func webhookReload(dir string) error { _, err := webhook.LoadKeyring(dir); return err }

// Whatever Graph may still notify for needs its key.
func TestSubscriptionsNeedTheirKey(t *testing.T) {
	r := runService(t)
	r.oldKey("old")
	r.aged()
	for _, tc := range []struct {
		status subscriptions.Status
		ended  time.Duration // ago
		needed bool
	}{
		{subscriptions.Active, -time.Hour, true},
		{subscriptions.Active, sentAgain - time.Minute, true},
		{subscriptions.Active, sentAgain + time.Minute, false}, // of a tenant that is not configured any more
		{subscriptions.Pending, 0, true},
		{subscriptions.Retired, time.Minute, true},
		{subscriptions.Retired, sentAgain - time.Minute, true},
		{subscriptions.Retired, sentAgain + time.Minute, false},
		{"of a later release", 0, true},
	} {
		sub := subscriptions.Subscription{LocalID: "l", Resource: "chats/getAllMessages", CertificateID: "old", Status: tc.status}
		switch tc.status {
		case subscriptions.Active:
			sub.Expires = time.Now().Add(-tc.ended)
		case subscriptions.Retired:
			sub.RetiredAt, sub.Expires = time.Now().Add(-tc.ended), time.Now().Add(time.Hour)
		}
		reader := &asks{keyReader: r.store, named: []map[string]sqlite.KeyUse{{}}, subs: []subscriptions.Subscription{sub}}
		use, err := readKeyUses(t.Context(), reader, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		if err := r.keyring.Reload(); err != nil {
			t.Fatal(err)
		}
		if by := use.needs(r.keyring, "old"); (len(by) > 0) != tc.needed {
			t.Errorf("%s, ended %v ago: needed by %q", tc.status, tc.ended, by)
		}
	}
}

// What is behind, and why, can be seen from outside.
func TestBacklogIsVisible(t *testing.T) {
	r := runService(t)
	r.blocked()
	if err := r.twin.SetFaults(graphtwin.Faults{Rules: []graphtwin.Rule{{Method: "PATCH", Path: "/messages/.", Status: 429, RetryAfter: "3.5"}}}); err != nil {
		t.Fatal(err)
	}
	if err := r.store.Put(t.Context(), []webhook.Item{itemFor("lost")}); err != nil {
		t.Fatal(err)
	}
	for range 3 {
		if _, err := r.twin.Say(graphtwin.Post{As: "ana", In: "ana-li", HTML: "<p>my card is " + demoCard + "</p>"}); err != nil {
			t.Fatal(err)
		}
	}
	var missing string
	defer func() {
		if t.Failed() {
			t.Errorf("missing %s", missing)
		}
	}()
	r.await("the pause", func() bool {
		_, page := r.get(http.DefaultClient, "", "/metrics")
		for _, want := range []string{
			`teamsdlp_graph_requests_total{code="200",op="patch"} 1`, `teamsdlp_graph_requests_total{code="429",op="patch"} `,
			"teamsdlp_quarantine_items 1", "teamsdlp_inbox_items 3", "teamsdlp_graph_waiting_calls 0",
			"teamsdlp_graph_paused_seconds 3.", "teamsdlp_inbox_in_flight_items 3", "teamsdlp_inbox_waiting_items 0", "teamsdlp_inbox_oldest_age_seconds ", "teamsdlp_signing_keys_age_seconds ", `teamsdlp_graph_wait_seconds_count{op="patch"}`,
		} {
			if !strings.Contains(page, want) {
				missing = want
				return false
			}
		}
		return true
	})
	if err := r.twin.SetFaults(graphtwin.Faults{}); err != nil {
		t.Fatal(err)
	}
}
