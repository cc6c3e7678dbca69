package sqlite

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"teamsdlp/actions"
)

// checkTree fails unless entries and tree are whole, by the log's own verifier,
// and returns the root.
func checkTree(t testing.TB, r *Reader) tlog.Hash {
	t.Helper()
	report, err := actions.Verify(context.Background(), r, nil, nil)
	must(t, err)
	size, root, err := actions.TreeHead(context.Background(), r)
	must(t, err)
	if !report.OK() || report.Size != size || report.Root != root {
		t.Errorf("log of %d entries with root %v; verified %d with %v: %v", size, root, report.Size, report.Root, report.Faults)
	}
	return root
}

func TestAppend(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	must(t, s.Append(ctx))
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.FixedZone("", 3600))
	must(t, s.Append(ctx,
		actions.Entry{Seq: 77, ID: "mine", Kind: actions.KindRules, Time: at},
		actions.Entry{Kind: actions.KindKeys}))
	for i := range 20 {
		must(t, s.Append(ctx, shadowEntry(fmt.Sprint(i%3))))
	}
	entries, err := s.Entries(ctx, actions.Filter{After: new(int64), Before: 2})
	must(t, err)
	if len(entries) != 1 || entries[0].Seq != 1 || entries[0].Time.IsZero() || entries[0].Time.Location() != time.UTC {
		t.Errorf("got %+v", entries)
	}
	all, err := s.Entries(ctx, actions.Filter{Limit: 100})
	must(t, err)
	ids := map[string]bool{}
	for i, e := range all {
		if want := int64(21 - i); e.Seq != want || len(e.ID) != 32 || strings.Trim(e.ID, "0123456789abcdef") != "" {
			t.Errorf("entry %d has number %d and id %q", want, e.Seq, e.ID)
		}
		ids[e.ID] = true
	}
	if len(all) != 22 || len(ids) != 22 || !all[21].Time.Equal(at) {
		t.Errorf("got %d entries with %d ids, the first of %v", len(all), len(ids), all[21].Time)
	}
	root := checkTree(t, s.Reader)
	s = reopen(t, s)
	must(t, s.Append(ctx, shadowEntry("x")))
	if checkTree(t, s.Reader) == root {
		t.Error("the tree did not change")
	}
}

// Whatever is changed in the file behind the store's back is found, by what is
// in the file or by a checkpoint that is not.
func TestTampering(t *testing.T) {
	secret, public, err := note.GenerateKey(rand.Reader, "log.example")
	must(t, err)
	signer, err := note.NewSigner(secret)
	must(t, err)
	verifier, err := note.NewVerifier(public)
	must(t, err)
	for _, c := range []struct {
		name string
		kind actions.FaultKind
		sql  []string
	}{
		{"edit", actions.FaultEdited, []string{`UPDATE entries SET body = replace(body, 'shadow', 'Shadow') WHERE seq = 4`}},
		{"swap", actions.FaultMoved, []string{`UPDATE entries SET body = (SELECT b.body FROM entries b WHERE b.seq = 9 - entries.seq) WHERE seq IN (4, 5)`}},
		{"drop from the middle", actions.FaultMissing, []string{`DELETE FROM entries WHERE seq = 4`}},
		{"wrong hash", actions.FaultHash, []string{`UPDATE tlog_hash SET hash = zeroblob(32) WHERE idx = 2`}},
		{"short hash", actions.FaultHash, []string{`UPDATE tlog_hash SET hash = x'00' WHERE idx = 2`}},
		{"hash gone", actions.FaultHash, []string{`DELETE FROM tlog_hash WHERE idx = 6`}},
		{"cut off, and the tree with it", actions.FaultCutOff, []string{`DELETE FROM entries WHERE seq >= 8`, `DELETE FROM tlog_hash WHERE idx >= 15`}},
	} {
		t.Run(c.name, func(t *testing.T) {
			ctx := t.Context()
			s := openTest(t, testOptions(t.TempDir()))
			for range 10 {
				must(t, s.Append(ctx, shadowEntry("c")))
			}
			sealer := actions.Sealer{Tree: s, Signer: signer, Sinks: []actions.CheckpointSink{s.CheckpointSink()}}
			kept, err := sealer.Seal(ctx)
			must(t, err)
			if last, err := s.LastCheckpoint(ctx); err != nil || last.Size != 10 || !bytes.Equal(last.Note, kept) {
				t.Errorf("the store keeps %+v, %v", last, err)
			}
			report, err := actions.Verify(ctx, s, kept, note.VerifierList(verifier))
			must(t, err)
			if !report.OK() || report.Covered != 10 {
				t.Fatalf("before: %+v", report)
			}
			must(t, s.do(ctx, 0, func(tx *tx) error {
				for _, q := range c.sql {
					if _, err := tx.exec(q); err != nil {
						return err
					}
				}
				return nil
			}, nil))
			report, err = actions.Verify(ctx, s, kept, note.VerifierList(verifier))
			must(t, err)
			if !slices.ContainsFunc(report.Faults, func(f actions.Fault) bool { return f.Kind == c.kind }) {
				t.Errorf("want a fault of kind %q, got %q", c.kind, report.Faults)
			}
		})
	}
}

// Bodies hands over what is stored, byte for byte, and leaves out what is not there,
// however much that is.
func TestBodies(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	const size = 2*bodiesPage + 7
	var want []string
	for i := range size {
		must(t, s.Append(ctx, shadowEntry(fmt.Sprint(i))))
	}
	all, err := s.Entries(ctx, actions.Filter{Limit: maxPage})
	must(t, err)
	for _, e := range slices.Backward(all) {
		body, err := json.Marshal(e)
		must(t, err)
		want = append(want, fmt.Sprintf("%d %s", e.Seq, body))
	}
	read := func(from int64) (got []string) {
		t.Helper()
		must(t, s.Bodies(ctx, from, func(seq int64, body []byte) error {
			if body == nil {
				t.Errorf("entry %d: nil is for what is missing", seq)
			}
			got = append(got, fmt.Sprintf("%d %s", seq, body))
			return nil
		}))
		return got
	}
	for _, from := range []int64{0, 1, bodiesPage - 1, bodiesPage, size - 1, size} {
		if d := cmp.Diff(want[from:], append([]string{}, read(from)...)); d != "" {
			t.Errorf("from %d (-want +got):\n%s", from, d)
		}
	}
	must(t, s.do(ctx, 0, func(tx *tx) error {
		for _, q := range []string{
			`DELETE FROM entries WHERE seq > 4`,
			`UPDATE entries SET body = x'' WHERE seq = 0`,
			`UPDATE entries SET body = x'002c00' WHERE seq = 1`,
			`UPDATE entries SET body = 'é,' WHERE seq = 2`,
			`UPDATE entries SET body = 17 WHERE seq = 3`,
			`UPDATE entries SET seq = 1 << 50 WHERE seq = 4`,
		} {
			if _, err := tx.exec(q); err != nil {
				return err
			}
		}
		return nil
	}, nil))
	odd := []string{"0 ", "1 \x00,\x00", "2 é,", "3 17", strings.Replace(want[4], "4 ", fmt.Sprint(1<<50, " "), 1)}
	if d := cmp.Diff(odd, read(0)); d != "" {
		t.Errorf("odd ones (-want +got):\n%s", d)
	}
	if d := cmp.Diff(odd[4:], read(4)); d != "" {
		t.Errorf("behind a hole (-want +got):\n%s", d)
	}
}

// What Bodies has handed over stays as it is, whatever is read after it.
func TestBodiesStay(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	for range 8 {
		list := make([]actions.Entry, bodiesPage)
		for i := range list {
			list[i] = shadowEntry("c")
		}
		must(t, s.Append(ctx, list...))
	}
	var kept [][]byte
	var then []string
	for range 3 {
		must(t, s.Bodies(ctx, 0, func(_ int64, body []byte) error {
			kept, then = append(kept, body), append(then, string(body))
			return nil
		}))
		_, err := s.hashRange(ctx, 0, 4000)
		must(t, err)
		runtime.GC()
	}
	for i, body := range kept {
		if string(body) != then[i] {
			t.Fatalf("entry %d was %s and is %s", i, then[i], body)
		}
	}
}

func TestCheckpoints(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	if c, err := s.LastCheckpoint(ctx); err != nil || c.Note != nil {
		t.Errorf("none yet: got %+v, %v", c, err)
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	must(t, s.SaveCheckpoint(ctx, Checkpoint{5, at, []byte("five")}))
	must(t, s.SaveCheckpoint(ctx, Checkpoint{9, at, []byte("nine")}))
	must(t, s.SaveCheckpoint(ctx, Checkpoint{5, at, []byte("five again")}))
	last, err := s.LastCheckpoint(ctx)
	must(t, err)
	if d := cmp.Diff(Checkpoint{9, at, []byte("nine")}, last); d != "" {
		t.Errorf("last (-want +got):\n%s", d)
	}
	list, err := s.Checkpoints(ctx, 0, 0)
	must(t, err)
	if d := cmp.Diff([]Checkpoint{{5, at, []byte("five again")}, last}, list); d != "" {
		t.Errorf("all (-want +got):\n%s", d)
	}
	list, err = s.Checkpoints(ctx, 5, 1)
	must(t, err)
	if len(list) != 1 || list[0].Size != 9 {
		t.Errorf("after 5: %+v", list)
	}
}

// Of the checkpoints by one key the last of each hour is kept, and the last by each key:
// whoever verifies with the first key needs it, to believe the next.
func TestCheckpointsOfAnHour(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	first, err := actions.NewKeys("log.example")
	must(t, err)
	next, err := actions.NewKeys("log.example")
	must(t, err)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for i, by := range []*actions.Keys{first, first, first, first, next, next, first, next} {
		must(t, s.Append(ctx, shadowEntry("c")))
		size, root, err := actions.TreeHead(ctx, s)
		must(t, err)
		signed, err := actions.SignCheckpoint(actions.Checkpoint{Size: size, Root: root}, by.Signer())
		must(t, err)
		must(t, s.SaveCheckpoint(ctx, Checkpoint{size, at.Add(time.Duration(i) * 25 * time.Minute), signed})) // 12:00, 12:25, 12:50, 13:15, 13:40 ...
	}
	list, err := s.Checkpoints(ctx, 0, 0)
	must(t, err)
	var sizes []int64
	for _, c := range list {
		sizes = append(sizes, c.Size)
	}
	if want := []int64{3, 4, 5, 6, 7, 8}; !slices.Equal(sizes, want) {
		t.Errorf("kept those of sizes %v, want %v", sizes, want)
	}
}

// Where a new key signs what the one before it vouched for last, whoever verifies with
// the old one finds its signature still, whatever is signed again.
func TestCheckpointsOfTheSameSize(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	first, err := actions.NewKeys("log.example")
	must(t, err)
	next, err := actions.NewKeys("log.example")
	must(t, err)
	must(t, s.Append(ctx, shadowEntry("c")))
	size, root, err := actions.TreeHead(ctx, s)
	must(t, err)
	for _, by := range []*actions.Keys{first, first, next, next} {
		signed, err := actions.SignCheckpoint(actions.Checkpoint{Size: size, Root: root}, by.Signer())
		must(t, err)
		must(t, s.SaveCheckpoint(ctx, Checkpoint{size, time.Now(), signed}))
	}
	last, err := s.LastCheckpoint(ctx)
	must(t, err)
	if n := bytes.Count(last.Note, []byte("\n\u2014 ")); n != 2 {
		t.Errorf("%d signatures, want 2:\n%s", n, last.Note)
	}
	for _, by := range []*actions.Keys{first, next} {
		if _, err := note.Open(last.Note, note.VerifierList(by.Verifier())); err != nil {
			t.Errorf("opened with one of the keys: %v", err)
		}
	}
}

// story fills a log with three cases and two entries about none.
func story(t *testing.T, s *Store) (at func(minute int) time.Time) {
	at = func(minute int) time.Time { return time.Date(2026, 3, 1, 12, minute, 0, 0, time.UTC) }
	rule := func(id, severity, result, detector string) actions.RuleResult {
		return actions.RuleResult{ID: id, Severity: severity, Result: result, Matched: []actions.Match{{Detector: detector, Count: 1}}}
	}
	must(t, s.Append(t.Context(),
		actions.Entry{Time: at(0), Kind: actions.KindRules, Generation: "g1"},
		actions.Entry{Time: at(1), Kind: actions.KindIntent, Case: "a", Tenant: "t1", Action: actions.ActionBlock, Outcome: actions.OutcomePending,
			Conversation: &actions.Conversation{ID: "chat1"}, Sender: &actions.Sender{ID: "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11", Name: "Zoë Ångström"},
			Message: &actions.Message{ID: "m1", Version: "1"},
			Rules:   []actions.RuleResult{rule("card", "high", "matched", "credit-card"), rule("iban", "critical", "near_miss", "iban")}},
		actions.Entry{Time: at(2), Kind: actions.KindShadow, Case: "b", Tenant: "t2", Action: actions.ActionNotify, Outcome: actions.OutcomeShadow,
			Conversation: &actions.Conversation{ID: "chat2"}, Sender: &actions.Sender{ID: "bob", Name: "Bob 100%_"},
			Message: &actions.Message{ID: "m2"},
			Rules:   []actions.RuleResult{rule("iban", "low", "matched", "iban")}},
		actions.Entry{Time: at(3), Kind: actions.KindResult, Case: "a", Tenant: "t1", Action: actions.ActionBlock, Outcome: actions.OutcomeApplied,
			Message: &actions.Message{ID: "m1", Version: "1"}},
		actions.Entry{Time: at(4), Kind: actions.KindLabel, Case: "b", Tenant: "t2", Label: "false-positive"},
		actions.Entry{Time: at(5), Kind: actions.KindShadow, Case: "c", Tenant: "t1", Action: actions.ActionBlock, Outcome: actions.OutcomeShadow,
			Conversation: &actions.Conversation{ID: "chat1"}, Sender: &actions.Sender{ID: "bob", Name: "Bob 100%_"},
			Message: &actions.Message{ID: "m3"},
			Rules:   []actions.RuleResult{rule("card", "medium", "matched", "credit-card")}},
		actions.Entry{Time: at(6), Kind: actions.KindGap, Tenant: "t1", Gap: &actions.Gap{Resource: "chats/getAllMessages"}},
	))
	return at
}

func TestEntriesFilters(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	at := story(t, s)
	none, zero, minus := int64(100), int64(0), int64(-1)
	for _, c := range []struct {
		name string
		f    actions.Filter
		want []int64
	}{
		{"all", actions.Filter{}, []int64{6, 5, 4, 3, 2, 1, 0}},
		{"limit", actions.Filter{Limit: 2}, []int64{6, 5}},
		{"before", actions.Filter{Before: 2}, []int64{1, 0}},
		{"from the start", actions.Filter{After: &minus, Limit: 3}, []int64{0, 1, 2}},
		{"after the first", actions.Filter{After: &zero, Limit: 2}, []int64{1, 2}},
		{"after the last", actions.Filter{After: &none}, nil},
		{"between", actions.Filter{After: &zero, Before: 3}, []int64{1, 2}},
		{"tenant", actions.Filter{Tenant: "t1"}, []int64{6, 5, 3, 1}},
		{"conversation", actions.Filter{Conversation: "chat1"}, []int64{5, 1}},
		{"sender by id", actions.Filter{Sender: "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11"}, []int64{1}},
		{"sender by short id", actions.Filter{Sender: "bob"}, []int64{5, 2}},
		{"sender by part of the name", actions.Filter{Sender: "ÅNGST"}, []int64{1}},
		{"sender is not a pattern", actions.Filter{Sender: "%"}, []int64{5, 2}},
		{"sender underscore is itself", actions.Filter{Sender: "Z_ë"}, nil},
		{"sender is not SQL", actions.Filter{Sender: "' OR 1=1 --"}, nil},
		{"rule that matched", actions.Filter{Rule: "iban"}, []int64{2}},
		{"detector that matched", actions.Filter{Detector: "credit-card"}, []int64{5, 1}},
		{"severity of what matched", actions.Filter{Severity: "high"}, []int64{1}},
		{"severity of a near miss", actions.Filter{Severity: "critical"}, nil},
		{"action", actions.Filter{Action: actions.ActionBlock}, []int64{5, 3, 1}},
		{"outcome", actions.Filter{Outcome: actions.OutcomeShadow}, []int64{5, 2}},
		{"kind", actions.Filter{Kind: actions.KindLabel}, []int64{4}},
		{"case", actions.Filter{Case: "a"}, []int64{3, 1}},
		{"label", actions.Filter{Label: "false-positive"}, []int64{4}},
		{"since", actions.Filter{Since: at(5)}, []int64{6, 5}},
		{"until", actions.Filter{Until: at(2)}, []int64{1, 0}},
		{"a nanosecond more", actions.Filter{Until: at(2).Add(1)}, []int64{2, 1, 0}},
		{"all at once", actions.Filter{Tenant: "t1", Rule: "card", Detector: "credit-card", Action: actions.ActionBlock, Since: at(2), Kind: actions.KindShadow}, []int64{5}},
	} {
		t.Run(c.name, func(t *testing.T) {
			entries, err := s.Entries(t.Context(), c.f)
			must(t, err)
			var got []int64
			for _, e := range entries {
				got = append(got, e.Seq)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%+v (-want +got):\n%s", c.f, d)
			}
		})
	}
	if _, err := s.Entries(t.Context(), actions.Filter{State: "open"}); err == nil {
		t.Error("entries were filtered by state")
	}
}

// What a write made of a case is not taken for the case if that write failed.
func TestFoldsOnWhatIsStored(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	must(t, s.Append(t.Context(), shadowEntry("c")))
	odd := errors.New("odd")
	wantErr(t, "a write that fails", s.do(t.Context(), 0, func(x *tx) error {
		label := actions.Entry{Case: "c", Kind: actions.KindLabel, Label: "false-positive"}
		return errors.Join(appendEntries(x, []actions.Entry{label}), odd)
	}, nil), odd)
	must(t, s.Append(t.Context(), actions.Entry{Case: "c", Kind: actions.KindReport}))
	c, entries, err := s.Case(t.Context(), "c")
	must(t, err)
	if c.Label != "" || !c.Reported || len(entries) != 2 {
		t.Errorf("got %+v of %d entries", c, len(entries))
	}
}

func TestCasesFilters(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	at := story(t, s)
	for _, c := range []struct {
		name string
		f    actions.Filter
		want []string
	}{
		{"all, by their last entry", actions.Filter{}, []string{"c", "b", "a"}},
		{"limit", actions.Filter{Limit: 1}, []string{"c"}},
		{"before", actions.Filter{Before: 4}, []string{"a"}},
		{"tenant", actions.Filter{Tenant: "t1"}, []string{"c", "a"}},
		{"conversation", actions.Filter{Conversation: "chat2"}, []string{"b"}},
		{"sender", actions.Filter{Sender: "zoë"}, []string{"a"}},
		{"rule", actions.Filter{Rule: "card"}, []string{"c", "a"}},
		{"rule that was near", actions.Filter{Rule: "iban"}, []string{"b"}},
		{"detector", actions.Filter{Detector: "iban"}, []string{"b"}},
		{"severity", actions.Filter{Severity: "high"}, []string{"a"}},
		{"outcome now", actions.Filter{Outcome: actions.OutcomePending}, nil},
		{"outcome", actions.Filter{Outcome: actions.OutcomeApplied}, []string{"a"}},
		{"case", actions.Filter{Case: "b"}, []string{"b"}},
		{"label", actions.Filter{Label: "false-positive"}, []string{"b"}},
		{"open", actions.Filter{State: "open"}, []string{"c", "a"}},
		{"overridden", actions.Filter{State: "overridden"}, nil},
		{"since", actions.Filter{Since: at(4)}, []string{"c", "b"}},
		{"until", actions.Filter{Until: at(4)}, []string{"a"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			cases, err := s.Cases(t.Context(), c.f)
			must(t, err)
			var got []string
			for _, e := range cases {
				got = append(got, e.ID)
			}
			if d := cmp.Diff(c.want, got); d != "" {
				t.Errorf("%+v (-want +got):\n%s", c.f, d)
			}
		})
	}
	if _, err := s.Cases(t.Context(), actions.Filter{State: "1 OR 1"}); err == nil {
		t.Error("a state that does not exist was taken")
	}
}

func TestCase(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	story(t, s)
	c, entries, err := s.Case(ctx, "a")
	must(t, err)
	if c.ID != "a" || c.FirstSeq != 1 || c.LastSeq != 3 || c.Outcome != actions.OutcomeApplied ||
		len(entries) != 2 || entries[0].Seq != 1 || entries[1].Seq != 3 {
		t.Errorf("got %+v with %+v", c, entries)
	}
	for _, id := range []string{"", "nobody", "%"} {
		_, _, err := s.Case(ctx, id)
		wantErr(t, "Case "+id, err, actions.ErrNotFound)
	}
}
