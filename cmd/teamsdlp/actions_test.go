package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/sqlite"
)

// logSite is a site whose log holds the entries of n cases and one of rules; the
// last entry of all is seq 2n.
func logSite(t *testing.T, n int) string {
	t.Helper()
	dir := site(t, "data_dir: data\n")
	keys, err := actions.LoadKeys(filepath.Join(dir, "keys"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: filepath.Join(dir, "data"), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	at := time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC)
	var entries []actions.Entry
	for i := range n {
		e := actions.Entry{
			Case: fmt.Sprintf("c%d", i), Time: at, Kind: actions.KindIntent, Tenant: checkTenant, Action: actions.ActionBlock, Outcome: actions.OutcomePending,
			Sender:  &actions.Sender{ID: "u1", Name: "Ana\x1b[2J\u009b1A\u202e\tB"},
			Verdict: "block: bluebird", Target: &actions.Target{Tenant: checkTenant, ChatID: "19:a@thread.v2", MessageID: fmt.Sprint(i)},
			Rules: []actions.RuleResult{{ID: "bluebird", Severity: "high", Mode: "enforce", Result: "matched", Reason: "regex found 1",
				Matched: []actions.Match{{Detector: "bluebird", Count: 1, Masked: []string{"••\x1b[31m\u20687"}}}}},
		}
		result := e
		result.Kind, result.Outcome, result.Rules, result.Target = actions.KindResult, actions.OutcomeApplied, nil, nil
		result.Graph = &actions.GraphCall{Status: 200, Attempts: 1}
		entries = append(entries, e, result)
	}
	entries = append(entries, actions.Entry{Time: at, Kind: actions.KindRules, Generation: "g1", Verdict: "in force: 1 rules", Actor: actions.ActorSelf})
	if err := store.Append(t.Context(), entries...); err != nil {
		t.Fatal(err)
	}
	file, err := os.Create(filepath.Join(dir, "checkpoints"))
	if err != nil {
		t.Fatal(err)
	}
	sealer := &actions.Sealer{Tree: store, Signer: keys.Signer(), Sinks: []actions.CheckpointSink{store.CheckpointSink(), &actions.WriterSink{W: file}}}
	if _, err := sealer.Seal(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

// actionsAt runs an actions command on the site's data.
func actionsAt(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	args = append([]string{"actions", args[0], "--data", filepath.Join(dir, "data")}, args[1:]...)
	return commandEnv(t, nil, args...)
}

func TestActionsList(t *testing.T) {
	dir := logSite(t, 7)
	for _, tc := range []struct {
		args  string
		code  int
		lines int
		want  string // part of standard output or standard error
	}{
		{"", 0, 7, "bluebird"},
		{"limit=3", 0, 3, "c6"},
		{"limit=3", 0, 3, "only the first 3: --all prints the rest"},
		{"limit=3 --json", 0, 3, "only the first 3: --all prints the rest"},
		{"--entries limit=14", 0, 14, "only the first 14: --all prints the rest"},
		{"limit=3 --all", 0, 7, "c0"},
		{"limit=3 --all --json", 0, 7, `"id":"c0"`},
		{"limit=1 --all --json", 0, 7, `"id":"c0"`},
		{"limit=7 --all --json", 0, 7, `"id":"c0"`},
		{"limit=7", 0, 7, "c0"},
		{"severity=high state=open", 0, 7, "c3"},
		{"sender=ana limit=1", 0, 1, "c6"},
		{"before=2", 0, 1, "c0"},
		{"case=c3", 0, 1, "c3"},
		{"--entries", 0, 15, "in force: 1 rules"},
		{"--entries limit=4 --all --json", 0, 15, `"seq":0,`},
		{"--entries limit=1 --all --json", 0, 15, `"seq":0,`},
		{"--entries --all --json limit=4 after=-1", 0, 15, `{"seq":0,`},
		{"--entries after=13 --all", 0, 1, "rules"},
		{"--entries kind=intent rule=bluebird", 0, 7, "intent"},
		{"severity=low", 1, 0, "nothing fits"},
		{"--entries after=14 --all", 1, 0, "nothing fits"},
		{"severity", 2, 0, "name=value"},
		{"sevrity=high", 2, 0, `unknown filter "sevrity"`},
		{"severity=high severity=low", 2, 0, "given twice"},
		{"kind=intent", 2, 0, "for entries"},
		{"after=-1 --all", 2, 0, "for entries"},
		{"--entries state=open", 2, 0, "for cases"},
		{"limit=9999", 2, 0, "at most 5000"},
	} {
		code, out, errs := actionsAt(t, dir, append([]string{"list"}, strings.Fields(tc.args)...)...)
		if n := strings.Count(out, "\n"); code != tc.code || n != tc.lines || !strings.Contains(out+errs, tc.want) {
			t.Errorf("list %s: exit code %d, %d lines; want %d, %d and %q\n%s%s", tc.args, code, n, tc.code, tc.lines, tc.want, out, errs)
		}
		if said := strings.Contains(errs, "only the first"); said && (tc.lines == 7 || strings.Contains(tc.args, "--all")) {
			t.Errorf("list %s: all are there: %s", tc.args, errs)
		}
		seen := map[string]bool{}
		for line := range strings.Lines(out) {
			if seen[line] {
				t.Errorf("list %s prints twice: %s", tc.args, line)
			}
			seen[line] = true
		}
		if !strings.Contains(tc.args, "--json") && strings.ContainsAny(out, "\x1b\u009b\u202e\u2068\t") {
			t.Errorf("list %s prints control characters: %q", tc.args, out)
		}
	}
}

// TestActionsLines: the state of a case and the span of a gap stand in their
// lines, and control characters do not.
func TestActionsLines(t *testing.T) {
	from := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	c := actions.Case{ID: "c1", Updated: from, Severity: "high", Action: actions.ActionBlock, Outcome: actions.OutcomeApplied, Overridden: true, Label: "false-positive"}
	if got, want := caseLine(c), "c1\t2026-11-25 08:00:00\thigh\tblock\tapplied\toverridden,false-positive\t\t\t\t"; got != want {
		t.Errorf("case: %q, want %q", got, want)
	}
	gap := actions.Gap{Resource: "chats/getAllMessages", From: from, Cause: "removed\x1b[2J"}
	for _, to := range []time.Time{{}, from.Add(time.Hour)} {
		gap.To = to
		want := "7\t2026-11-25 08:00:00\tgap\t\t\t\tteamsdlp\tchats/getAllMessages not covered from 2026-11-25 08:00:00 on: removed?[2J"
		if !to.IsZero() {
			want = strings.Replace(want, " on: ", " to 2026-11-25 09:00:00: ", 1)
		}
		if got := entryLine(actions.Entry{Seq: 7, Time: from, Kind: actions.KindGap, Actor: "teamsdlp", Gap: &gap}); got != want {
			t.Errorf("gap: %q, want %q", got, want)
		}
	}
}

func TestActionsFlagsBetween(t *testing.T) {
	dir := logSite(t, 1)
	code, _, errs := actionsAt(t, dir, "list", "state=open", "--json", "severity=high")
	if code != 2 || !strings.Contains(errs, "flags stand before or after the arguments") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestActionsShow(t *testing.T) {
	dir := logSite(t, 2)
	code, out, errs := actionsAt(t, dir, "show", "c1")
	if code != 0 || !strings.Contains(out, "matched      bluebird: regex found 1") || !strings.Contains(out, "graph: status 200, 1 attempt\n") || strings.ContainsAny(out, "\x1b\u202e") {
		t.Errorf("exit code %d: %q %s", code, out, errs)
	}
	for _, line := range []string{"case      c1  last changed ", "severity  high\n", "action    block  pending\n", "stands    none\n", "readable  not known\n", "  intent block pending by ", "sender    Ana?[2J?1A??B  u1\n", "found     bluebird  ••?[31m?7\n"} {
		if !strings.Contains(out, line) {
			t.Errorf("show does not say %q:\n%s", line, out)
		}
	}
	code, out, _ = actionsAt(t, dir, "show", "c1", "--json")
	var answer struct {
		Case    actions.Case
		Entries []actions.Entry
	}
	if err := json.Unmarshal([]byte(out), &answer); err != nil || code != 0 || answer.Case.ID != "c1" || len(answer.Entries) != 2 {
		t.Errorf("exit code %d, %v: %s", code, err, out)
	}
	if code, _, errs := actionsAt(t, dir, "show", "c9\x1b"); code != 1 || !strings.Contains(errs, `there is no case "c9\x1b"`) {
		t.Errorf("unknown case: exit code %d, %s", code, errs)
	}
}

func TestActionsVerify(t *testing.T) {
	whole := func(*testing.T, string) {}
	noPoints := func(why string) string { return "it holds no signed checkpoint: " + why + "\n--checkpoints takes" }
	const size, sign = "line %d should be the number of entries that the first checkpoint covers", `line %d should be a signature, which begins with "— "`
	points := func(instead func([]byte) string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			b, err := os.ReadFile(filepath.Join(dir, "checkpoints"))
			if err != nil {
				t.Fatal(err)
			}
			put(t, dir, "checkpoints", instead(b))
		}
	}
	signed := func(k *actions.Keys, size int64) string {
		b, err := actions.SignCheckpoint(actions.Checkpoint{Size: size}, k.Signer())
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	stranger := func(origin string) string {
		k, err := actions.NewKeys(origin)
		if err != nil {
			t.Fatal(err)
		}
		return signed(k, 3)
	}
	for _, tc := range []struct {
		name   string
		cases  int
		change func(t *testing.T, dir string)
		args   string // DIR is the site
		code   int
		want   string
	}{
		{"whole, against a file", 3, whole, "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 0, "covered up to entry 6; 0 after it"},
		{"whole, against the store's own", 3, whole, "--key DIR/keys/checkpoint.pub", 0, "of this machine only"},
		{"nothing but the rules", 0, whole, "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 0, "1 entry, root"},
		{"no key named", 1, whole, "", 2, "--key"},
		{"no such key", 1, whole, "--key DIR/nowhere", 2, "nowhere"},
		{"a key that is none", 1, whole, "--key DIR/teamsdlp.yaml", 2, "teamsdlp.yaml"},
		{"no such checkpoints", 1, whole, "--key DIR/keys/checkpoint.pub --checkpoints DIR/nowhere", 2, "nowhere"},
		{"empty checkpoints", 1, points(func([]byte) string { return "" }), "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 2, noPoints("it is empty")},
		{"nothing but line ends", 1, points(func([]byte) string { return "\n\n" }), "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 2, noPoints("it is empty")},
		{"checkpoints that are a text", 1, points(func([]byte) string { return "\nhello\n\n— you\n" }), "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 2, noPoints(fmt.Sprintf(size, 3))},
		{"half a checkpoint", 1, points(func(b []byte) string { return string(b[:len(b)/2]) }), "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 2, noPoints(fmt.Sprintf(sign, 7))},
		{"a checkpoint without its signature", 1, points(func(b []byte) string {
			return "\r\n" + strings.ReplaceAll(string(b[:bytes.Index(b, []byte("—"))]), "\n", "\r\n")
		}), "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 2, noPoints(fmt.Sprintf(sign, 8))},
		{"a checkpoint with half its signature", 1, points(func(b []byte) string { return string(b[:bytes.Index(b, []byte("—"))+12]) }), "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 2, noPoints(fmt.Sprintf(sign, 7))},
		{"checkpoints of an editor that marks its files", 1, points(func(b []byte) string { return "\ufeff" + string(b) }), "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 0, "covered up to entry 2; 0 after it"},
		{"checkpoints that are the public key", 1, whole, "--key DIR/keys/checkpoint.pub --checkpoints DIR/keys/checkpoint.pub", 2, noPoints(fmt.Sprintf(size, 2))},
		{"checkpoints that are the database", 1, whole, "--key DIR/keys/checkpoint.pub --checkpoints DIR/data/" + sqlite.FileName, 2, noPoints(fmt.Sprintf(size, 2))},
		{"checkpoints that are a folder", 1, whole, "--key DIR/keys/checkpoint.pub --checkpoints DIR/data", 2, "is a directory"},
		{"checkpoints of another log", 1, points(func([]byte) string { return stranger("other.example") }), "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 2, "no key of this log signed any of its 1, but other.example+"},
		{"checkpoints of another log of the same name", 1, points(func([]byte) string { return stranger("teamsdlp") }), "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 2, "no key of this log signed any of its 1, but teamsdlp+"},
		{"the key of another log", 1, func(t *testing.T, dir string) {
			k, err := actions.NewKeys("teamsdlp")
			if err != nil {
				t.Fatal(err)
			}
			put(t, dir, "other.pub", k.PublicKey()+"\n")
		}, "--key DIR/other.pub --checkpoints DIR/checkpoints", 2, "no key of this log signed any of its 1, but teamsdlp+"},
		{"one of another log among its own", 1, points(func(b []byte) string { return stranger("teamsdlp") + "\n" + string(b) }), "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 1, "checkpoint 1 of the file: untrusted checkpoint: not signed by a known key, but by teamsdlp+"},
		{"a checkpoint of this log with another size", 1, points(func(b []byte) string { return strings.Replace(string(b), "\n3\n", "\n2\n", 1) }), "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 1, "its signature is wrong"},
		{"a checkpoint of this log with another root", 1, func(t *testing.T, dir string) {
			k, err := actions.LoadKeys(filepath.Join(dir, "keys"))
			if err != nil {
				t.Fatal(err)
			}
			put(t, dir, "checkpoints", signed(k, 3))
		}, "--key DIR/keys/checkpoint.pub --checkpoints DIR/checkpoints", 1, "the log differs from the checkpoint of size 3"},
		{"no data", 1, func(t *testing.T, dir string) {
			if err := os.RemoveAll(filepath.Join(dir, "data")); err != nil {
				t.Fatal(err)
			}
		}, "--key DIR/keys/checkpoint.pub", 2, "there is no store"},
		{"data that is no store", 1, func(t *testing.T, dir string) { put(t, dir, "data/"+sqlite.FileName, strings.Repeat("x", 8192)) }, "--key DIR/keys/checkpoint.pub", 2, "reading the store"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			dir := logSite(t, tc.cases)
			tc.change(t, dir)
			args := strings.Fields(strings.ReplaceAll(tc.args, "DIR", dir))
			code, out, errs := actionsAt(t, dir, append([]string{"verify"}, args...)...)
			if code != tc.code || !strings.Contains(out+errs, tc.want) {
				t.Errorf("exit code %d; want %d and %q\n%s%s", code, tc.code, tc.want, out, errs)
			}
			if tampered := strings.Contains(out+errs, "tampered"); tampered != (code == 1) {
				t.Errorf("exit code %d, and it speaks of tampering: %v\n%s%s", code, tampered, out, errs)
			}
		})
	}
}

// A long log is told of while it is read, and read no less for that.
func TestActionsVerifyTells(t *testing.T) {
	dir := logSite(t, 1100) // an entry more than 2,200
	r, err := sqlite.OpenReadOnly(t.Context(), filepath.Join(dir, "data"))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for every, want := range map[time.Duration]string{0: "verified 1000 of 2201 entries\nverified 2000 of 2201 entries\n", time.Hour: ""} {
		var said strings.Builder
		report, err := actions.Verify(t.Context(), telling{r, &said, every}, nil, nil)
		if err != nil || !report.OK() || report.Size != 2201 || said.String() != want {
			t.Errorf("every %s: %+v, %v; it says %q, want %q", every, report, err, said.String(), want)
		}
	}
}

// An empty log, of a service that never ran its rules, is whole and covered by
// nothing.
func TestActionsVerifyEmpty(t *testing.T) {
	dir := site(t, "data_dir: data\n")
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: filepath.Join(dir, "data"), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	code, out, errs := actionsAt(t, dir, "verify", "--key", filepath.Join(dir, "keys", "checkpoint.pub"))
	if code != 0 || !strings.Contains(out, "0 entries") || !strings.Contains(out, "covered by no checkpoint") || strings.Contains(out, "-1") {
		t.Errorf("exit code %d\n%s%s", code, out, errs)
	}
	if code, _, errs := actionsAt(t, dir, "list"); code != 1 || !strings.Contains(errs, "nothing fits") {
		t.Errorf("list: exit code %d %s", code, errs)
	}
}

// Where SQLite cannot make its files beside the store, as in somebody else's copy of
// one, each command that reads the log says what to do.
func TestActionsBesideTheStore(t *testing.T) {
	dir := logSite(t, 1)
	index := filepath.Join(dir, "data", sqlite.FileName+"-wal")
	if err := os.RemoveAll(index); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(index, 0o700); err != nil { // cannot be made, for root neither
		t.Fatal(err)
	}
	value := filepath.Join(dir, "value")
	put(t, dir, "value", "4539578763621486")
	keys := filepath.Join(dir, "keys")
	key := filepath.Join(keys, actions.CheckpointPublicFile)
	for _, args := range [][]string{{"list"}, {"show", "c0"}, {"verify", "--key", key}, {"prove", "0", "--key", key}, {"find", value, "--keys-dir", keys}} {
		if code, _, errs := actionsAt(t, dir, args...); code != 2 || !strings.Contains(errs, "copy all files of the store into a folder that you can write to") {
			t.Errorf("%v: exit code %d: %s", args, code, errs)
		}
	}
	if err := os.Remove(index); err != nil {
		t.Fatal(err)
	}
	put(t, dir, filepath.Join("data", sqlite.FileName), "") // as without what was there
	if code, _, errs := actionsAt(t, dir, "verify", "--key", key); code != 2 || !strings.Contains(errs, "it was copied without teamsdlp.db-wal") {
		t.Errorf("an empty file: exit code %d: %s", code, errs)
	}
}

// What serve answers to a decision, and what the command makes of it.
func TestActionsDecide(t *testing.T) {
	dir := t.TempDir()
	data := filepath.Join(dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	if code, _, errs := actionsAt(t, dir, "release", "c1", "--reason", "x"); code != 2 || !strings.Contains(errs, "start teamsdlp serve") {
		t.Errorf("nothing runs: exit code %d %s", code, errs)
	}
	l, err := net.Listen("unix", adminSocket(data))
	if err != nil {
		t.Fatal(err)
	}
	var status int
	var answer, asked string
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		asked = r.Method + " " + r.URL.EscapedPath() + " " + string(body)
		w.WriteHeader(status)
		fmt.Fprint(w, answer)
	})}
	go func() { _ = server.Serve(l) }()
	defer server.Close()
	for _, tc := range []struct {
		args   []string
		status int
		answer string
		code   int
		want   string
		asked  string
	}{
		{[]string{"release", "c1", "--reason", "not a card"}, 200, `{"released":true}`, 0, "release: done", `POST /cases/c1/release {"reason":"not a card"}`},
		{[]string{"label", "c1", "false-positive"}, 200, `{}`, 0, "label: done", `POST /cases/c1/label {"label":"false-positive","reason":""}`},
		{[]string{"label", "a/../b", "true-positive"}, 404, `{"error":"There is no such case in the log."}`, 1, "no such case", `POST /cases/a%2F..%2Fb/label {"label":"true-positive","reason":""}`},
		{[]string{"release", "c1", "--reason", "x"}, 409, `{"error":"nothing stands\u001b[2J"}`, 1, "nothing stands?[2J", ""},
		{[]string{"release", "c1", "--reason", "x"}, 500, `{"error":"This did not work"}`, 2, "This did not work", ""},
		{[]string{"release", "c1", "--reason", "x"}, 200, `<html>`, 2, "the service's answer", ""},
		{[]string{"release", "c1"}, 200, ``, 2, "--reason", ""},
		{[]string{"label", "c1", "maybe"}, 200, ``, 2, "true-positive", ""},
	} {
		status, answer = tc.status, tc.answer
		code, out, errs := actionsAt(t, dir, tc.args...)
		if code != tc.code || !strings.Contains(out+errs, tc.want) || tc.asked != "" && asked != tc.asked {
			t.Errorf("%v: exit code %d, asked %s; want %d and %q\n%s%s", tc.args, code, asked, tc.code, tc.want, out, errs)
		}
	}
}

// One entry is proved to somebody who has neither the log nor a configuration.
func TestActionsProve(t *testing.T) {
	dir := logSite(t, 3)
	key := filepath.Join(dir, "keys", actions.CheckpointPublicFile)
	write := func(name, text string) string {
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	code, proof, errs := actionsAt(t, dir, "prove", "4", "--key", key)
	if code != 0 || !strings.HasPrefix(proof, "c2sp.org/tlog-proof@v1\n") {
		t.Fatalf("prove: exit code %d\n%s%s", code, proof, errs)
	}
	verify := func(proof string, more ...string) (int, string) {
		code, out, errs := commandEnv(t, nil, append([]string{"actions", "verify", "--proof", write("proof", proof)}, more...)...)
		return code, out + errs
	}
	if code, out := verify(proof, "--key", key); code != 0 || !strings.Contains(out, "ok: entry 4 is in the log of teamsdlp") || strings.Contains(out, "\x1b") {
		t.Errorf("verify --proof: exit code %d\n%s", code, out)
	}
	if code, out := verify(proof, "--key", key, "--json"); code != 0 || !strings.Contains(out, `"seq":4`) || !strings.Contains(out, `"kind":"intent"`) {
		t.Errorf("verify --proof --json: exit code %d\n%s", code, out)
	}
	if code, out := verify(proof); code != 2 || !strings.Contains(out, "--key") {
		t.Errorf("without a key: exit code %d\n%s", code, out)
	}
	if code, out := verify(strings.Replace(proof, "index 4", "index 2", 1), "--key", key); code != 1 || !strings.Contains(out, "does not hold") {
		t.Errorf("moved: exit code %d\n%s", code, out)
	}
	for _, tc := range []struct {
		args string
		code int
		want string
	}{
		{"prove 7 --key " + key, 1, "7 entries"},
		{"prove four --key " + key, 2, "four"},
		{"prove", 2, "entry"},
		{"prove 4", 2, "--key"},
		{"prove 4 --key " + key + " --checkpoints " + write("empty", "\n"), 2, "holds no signed checkpoint"},
		{"prove 4 --key " + key + " --checkpoints " + write("other", "nothing\n\n— here YWJj\n"), 2, "holds no signed checkpoint"},
	} {
		args := strings.Fields(tc.args)
		if code, out, errs := actionsAt(t, dir, args...); code != tc.code || !strings.Contains(out+errs, tc.want) {
			t.Errorf("%s: exit code %d; want %d and %q\n%s%s", tc.args, code, tc.code, tc.want, out, errs)
		}
	}
}

// A value that is known is found by its digest, under the key of the epoch in which
// it was recorded, and never stands on a command line.
func TestActionsFind(t *testing.T) {
	dir := site(t, "data_dir: data\n")
	keysDir := filepath.Join(dir, "keys")
	load := func() *actions.Keys {
		k, err := actions.LoadKeys(keysDir)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	store, err := sqlite.Open(t.Context(), sqlite.Options{Dir: filepath.Join(dir, "data"), MinFree: -1})
	if err != nil {
		t.Fatal(err)
	}
	const number, other, third = "4539578763621486", "5412750123450987", "371449635398431"
	record := func(id, detector, value string) {
		t.Helper()
		err := store.Append(t.Context(), actions.Entry{
			Case: id, Kind: actions.KindShadow, Time: time.Date(2026, 11, 24, 8, 0, 0, 0, time.UTC), Tenant: checkTenant,
			Rules: []actions.RuleResult{{ID: "r", Result: "matched", Matched: []actions.Match{{Detector: detector, Count: 1, Digest: []string{load().Digest(detector, value)}}}}},
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	rotate := func() {
		t.Helper()
		if code, out, errs := commandEnv(t, nil, "keys", "rotate", "digest", "--keys-dir", keysDir); code != 0 {
			t.Fatalf("keys rotate: exit code %d\n%s%s", code, out, errs)
		}
	}
	record("old", "credit-card", number)
	rotate()
	record("new", "credit-card", number)
	record("other", "credit-card", other)
	record("own", "employee-number", "CE-123455")
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
	find := func(text string, args ...string) (int, string) {
		t.Helper()
		path := filepath.Join(t.TempDir(), "value")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := actionsAt(t, dir, append([]string{"find", path, "--keys-dir", keysDir}, args...)...)
		return code, out + errs
	}
	for _, tc := range []struct {
		text string
		args []string
		code int
		want []string // cases
	}{
		{number, nil, 0, []string{"old", "new"}},
		{" 4539 5787 6362 1486\n", nil, 0, []string{"old", "new"}},
		{"the card " + number + " of the customer", nil, 0, []string{"old", "new"}},
		{third, nil, 1, nil},
		{"CE-123455", []string{"--detector", "employee-number"}, 0, []string{"own"}},
		{"CE-123456", []string{"--detector", "employee-number"}, 1, nil},
		{number, []string{"--since", "2026-11-25"}, 1, nil},
		{"nothing to see", nil, 1, nil},
		{"", nil, 2, nil},
		{strings.Repeat("x", maxValue+1), nil, 2, nil},
	} {
		code, out := find(tc.text, tc.args...)
		var got []string
		for _, id := range []string{"old", "new", "other", "own"} {
			if strings.Contains(out, "  "+id+"  ") {
				got = append(got, id)
			}
		}
		if code != tc.code || !slices.Equal(got, tc.want) {
			t.Errorf("find %.40q %v: exit code %d, cases %v; want %d, %v\n%.400s", tc.text, tc.args, code, got, tc.code, tc.want, out)
		}
		if strings.Contains(out, number) {
			t.Errorf("find prints the value:\n%s", out)
		}
	}
	if _, out := find("CE-123456", "--detector", "employe-number"); !strings.Contains(out, `not found; no built-in detector is called "employe-number"`) {
		t.Errorf("find by a detector that nobody knows: %s", out)
	}
	if code, out, errs := actionsAt(t, dir, "find"); code != 2 || !strings.Contains(out+errs, "--keys-dir") {
		t.Errorf("without keys: exit code %d\n%s%s", code, out, errs)
	}
}

// A search that takes several steps says where it is, shows no more than was asked for,
// and goes on to the end with --all.
func TestListSearchesOn(t *testing.T) {
	for _, tc := range []struct {
		name  string
		c     actionsListCmd
		f     actions.Filter
		found int
		said  []string
	}{
		{"to the end", actionsListCmd{JSON: true, All: true}, actions.Filter{Sender: "jo"}, 6, []string{"searching: 2 found, at entry 700 of the log\n", "searching: 4 found, at entry 400 of the log\n"}},
		{"oldest first", actionsListCmd{JSON: true, All: true}, actions.Filter{Sender: "jo", After: new(int64)}, 6, []string{"searching: 2 found, at entry 300 of the log\n", "searching: 4 found, at entry 600 of the log\n"}},
		{"a page", actionsListCmd{JSON: true}, actions.Filter{Sender: "jo", Limit: 3}, 3, []string{"searching: 2 found, at entry 700 of the log\n", "only the first 3: --all prints the rest\n"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var out, errs strings.Builder
			e := &env{ctx: t.Context(), stdout: &out, stderr: &errs}
			calls := 0
			page := func(_ context.Context, f actions.Filter) (list []actions.Entry, err error) {
				calls++
				at := int64(1000 - 300*calls)
				if f.After != nil {
					at = int64(300 * calls)
				}
				for range min(2, f.Limit) {
					list = append(list, actions.Entry{Seq: at + 10})
				}
				switch {
				case calls > 3:
					return nil, nil
				case calls == 3:
					return list, nil
				}
				return list, &actions.SearchStopped{At: at}
			}
			n, err := listAll(e, &tc.c, tc.f, page, func(x actions.Entry, f *actions.Filter) { f.Before = x.Seq }, entryLine)
			if err != nil || n != tc.found || strings.Count(out.String(), "\n") != tc.found {
				t.Errorf("%d found, %v, printed\n%s", n, err, out.String())
			}
			if got := errs.String(); got != strings.Join(tc.said, "") {
				t.Errorf("said %q, want %q", got, tc.said)
			}
		})
	}
}
