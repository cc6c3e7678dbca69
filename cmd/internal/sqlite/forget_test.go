package sqlite

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/note"

	"teamsdlp/actions"
)

// forgetful is a store whose log holds, a day apart, an intent and a result of n
// cases each, the results half the log later; and the effects that belong to them.
func forgetful(t *testing.T, n int) (*Store, *actions.Keys, time.Time) {
	t.Helper()
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for i := range 2 * n {
		kind, outcome, state := actions.KindIntent, actions.OutcomePending, actions.StateDecided
		if i >= n {
			kind, outcome, state = actions.KindResult, actions.OutcomeApplied, actions.StateApplied
		}
		id := fmt.Sprintf("c%d", i%n)
		e := actions.Entry{
			Case: id, Kind: kind, Outcome: outcome, Tenant: "t", Time: start.AddDate(0, 0, i),
			Rules: []actions.RuleResult{{ID: "r", Result: "matched", Matched: []actions.Match{{Detector: "credit-card", Digest: []string{"e1:" + id}}}}},
		}
		effect, standing := actions.Effect{MessageKey: "m" + id, Version: "1", State: state}, actions.Standing{Case: id}
		if i < n {
			must(t, s.Decide(ctx, effect, standing, e))
		} else {
			must(t, s.Finish(ctx, effect, standing, "", e))
		}
	}
	keys, err := actions.NewKeys("log.example")
	must(t, err)
	return s, keys, start
}

func seal(t *testing.T, s *Store, keys *actions.Keys, sinks ...actions.CheckpointSink) {
	t.Helper()
	sealer := &actions.Sealer{Tree: s, Signer: keys.Signer(), Sinks: append(sinks, s.CheckpointSink())}
	_, err := sealer.Seal(t.Context())
	must(t, err)
}

type pile struct{ all []byte }

func (p *pile) Put(_ context.Context, signed []byte) error {
	p.all = append(append(p.all, "\n\n"...), signed...)
	return nil
}

func TestForget(t *testing.T) {
	ctx := t.Context()
	const n = 20
	s, keys, start := forgetful(t, n)
	var kept pile
	seal(t, s, keys, &kept)

	// Nothing is old enough.
	if got, err := s.Forget(ctx, start); got != 0 || err != nil {
		t.Fatalf("nothing is old: %d, %v", got, err)
	}
	// The intents and the results of the first five cases.
	got, err := s.Forget(ctx, start.AddDate(0, 0, n+5))
	if got != n+5 || err != nil {
		t.Fatalf("deleted %d, %v; want %d", got, err, n+5)
	}
	check := func(forgotten int64) {
		t.Helper()
		report, err := actions.Verify(ctx, s, kept.all, note.VerifierList(keys.Verifier()))
		if err != nil || !report.OK() || report.Forgotten != forgotten {
			t.Errorf("verified %+v, %v; want %d forgotten", report, err, forgotten)
		}
	}
	check(n + 5)
	for _, table := range []string{"entry_rule", "entry_detector"} {
		var gone, left int
		must(t, s.Reader.db.QueryRow("SELECT coalesce(sum(seq < ?1), 0), coalesce(sum(seq >= ?1), 0) FROM "+table, n+5).Scan(&gone, &left))
		var want int
		must(t, s.Reader.db.QueryRow("SELECT count(*) FROM entries e, json_each(CAST(e.body AS TEXT), '$.rules') r WHERE r.value ->> 'result' = 'matched'").Scan(&want))
		if gone != 0 || left != want {
			t.Errorf("%s has %d rows of what was deleted, and %d of the rest; want %d", table, gone, left, want)
		}
	}
	if list, err := s.Entries(ctx, actions.Filter{Kind: actions.KindForget}); err != nil || len(list) != 1 || list[0].Forgot == nil || list[0].Forgot.Before != n+5 {
		t.Errorf("entries about it: %+v, %v", list, err)
	}
	if _, _, err := s.Case(ctx, "c4"); !errors.Is(err, actions.ErrNotFound) {
		t.Errorf("a case of which nothing is left: %v", err)
	}
	if c, entries, err := s.Case(ctx, "c5"); err != nil || c.LastSeq != n+5 || len(entries) != 1 {
		t.Errorf("a case of which the result is left: %+v, %d entries, %v", c, len(entries), err)
	}
	for id, want := range map[string]actions.State{"c4": "", "c5": actions.StateApplied} {
		if st, e, err := s.Begin(ctx, "m"+id, "1"); err != nil || e.State != want || (st.Case == "") != (want == "") {
			t.Errorf("effect of %s: %q, %+v, %v; want %q", id, e.State, st, err, want)
		}
	}
	if list, err := s.Entries(ctx, actions.Filter{Detector: "credit-card", Digests: []string{"e1:c4", "e1:c7"}, Limit: 100}); err != nil || len(list) != 1 || list[0].Case != "c7" {
		t.Errorf("looked for by digest: %+v, %v", list, err)
	}
	if list, err := s.Cases(ctx, actions.Filter{Rule: "r", Limit: 100}); err != nil || len(list) != n-5 {
		t.Errorf("%d cases, %v; want %d", len(list), err, n-5)
	}

	// Again: nothing new is old, and the log goes on after a restart.
	if got, err := s.Forget(ctx, start.AddDate(0, 0, n+5)); got != 0 || err != nil {
		t.Errorf("again: %d, %v", got, err)
	}
	s = reopen(t, s)
	must(t, s.Append(ctx, shadowEntry("new")))
	seal(t, s, keys, &kept)
	check(n + 5)
	if got, err := s.Forget(ctx, start.AddDate(0, 0, 2*n)); got != n-5 || err != nil {
		t.Errorf("the rest: %d, %v; want %d", got, err, n-5)
	}
	check(2 * n)
	if size, err := s.LogSize(ctx); err != nil || size != 2*n+3 { // and three of this test
		t.Errorf("the log has %d entries, %v", size, err)
	}
}

// A time that is too long ago for nanoseconds is long ago still.
func TestForgetNothingOfCenturies(t *testing.T) {
	s, keys, _ := forgetful(t, 2)
	seal(t, s, keys)
	for _, days := range []int{130_000, 200_000, 999_999} {
		if got, err := s.Forget(t.Context(), time.Now().AddDate(0, 0, -days)); got != 0 || err != nil {
			t.Errorf("what is older than %d days: %d, %v", days, got, err)
		}
	}
}

// Only what a checkpoint covers goes, and never the last entry.
func TestForgetKeepsWhatIsNotCovered(t *testing.T) {
	ctx := t.Context()
	s, keys, start := forgetful(t, 10)
	if got, err := s.Forget(ctx, start.AddDate(1, 0, 0)); got != 0 || err != nil {
		t.Errorf("without a checkpoint: %d, %v", got, err)
	}
	seal(t, s, keys)
	if got, err := s.Forget(ctx, start.AddDate(1, 0, 0)); got != 19 || err != nil {
		t.Errorf("all of it: %d, %v; want all but the last", got, err)
	}
	if report, err := actions.Verify(ctx, s, nil, nil); err != nil || !report.OK() {
		t.Errorf("%+v, %v", report, err)
	}
}

// An action that is under way is not forgotten, however old it is.
func TestForgetKeepsWhatIsUnderWay(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	keys, err := actions.NewKeys("log.example")
	must(t, err)
	old := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	must(t, s.Decide(ctx, actions.Effect{MessageKey: "m", Version: "1"}, actions.Standing{Case: "c"},
		actions.Entry{Case: "c", Kind: actions.KindIntent, Outcome: actions.OutcomePending, Time: old}))
	must(t, s.Append(ctx, shadowEntry("x")))
	seal(t, s, keys)
	if got, err := s.Forget(ctx, old.AddDate(1, 0, 0)); got != 1 || err != nil {
		t.Fatalf("deleted %d, %v", got, err)
	}
	if _, e, err := s.Begin(ctx, "m", "1"); err != nil || e.State != actions.StateDecided {
		t.Errorf("the effect is %q, %v", e.State, err)
	}
	if c, entries, err := s.Case(ctx, "c"); err != nil || c.Outcome != actions.OutcomePending || len(entries) != 0 {
		t.Errorf("the case: %+v, %d entries, %v", c, len(entries), err)
	}
	must(t, s.Finish(ctx, actions.Effect{MessageKey: "m", Version: "1", State: actions.StateApplied}, actions.Standing{Case: "c"}, "",
		actions.Entry{Case: "c", Kind: actions.KindResult, Outcome: actions.OutcomeApplied}))
	if c, entries, err := s.Case(ctx, "c"); err != nil || c.LastSeq != 3 || len(entries) != 1 {
		t.Errorf("the case, settled: %+v, %d entries, %v", c, len(entries), err)
	}
}

// Deleted half-way, as by a kill, the log still verifies, and the next call goes on.
func TestForgetHalfWay(t *testing.T) {
	ctx := t.Context()
	s, keys, start := forgetful(t, 10)
	seal(t, s, keys)
	must(t, s.do(ctx, 0, func(t *tx) error {
		if err := appendEntries(t, []actions.Entry{{Kind: actions.KindForget, Forgot: &actions.Forgot{Before: 12}}}); err != nil {
			return err
		}
		_, err := forgetSome(t, 7)
		return err
	}, nil))
	if report, err := actions.Verify(ctx, s, nil, nil); err != nil || !report.OK() || report.Forgotten != 7 {
		t.Errorf("half-way: %+v, %v", report, err)
	}
	if got, err := s.Forget(ctx, start.AddDate(0, 0, 12)); got != 5 || err != nil {
		t.Errorf("the rest: %d, %v; want 5", got, err)
	}
	if report, err := actions.Verify(ctx, s, nil, nil); err != nil || !report.OK() || report.Forgotten != 12 {
		t.Errorf("then: %+v, %v", report, err)
	}
}

// Killed when all entries were deleted and no case yet, the next call deletes those.
func TestForgetKilledBeforeTheCases(t *testing.T) {
	ctx := t.Context()
	s, keys, start := forgetful(t, 10)
	seal(t, s, keys)
	must(t, s.do(ctx, 0, func(t *tx) error {
		_, err := forgetSome(t, 15)
		return err
	}, nil))
	if got, err := s.Forget(ctx, start.AddDate(0, 0, 15)); got != 0 || err != nil {
		t.Errorf("deleted %d, %v; want none", got, err)
	}
	if list, err := s.Cases(ctx, actions.Filter{Limit: 100}); err != nil || len(list) != 5 {
		t.Errorf("%d cases are left, %v; want 5", len(list), err)
	}
}

// What deletes entries looks for them by an index, however long the log is.
func TestForgetIsSearched(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	story(t, s)
	for _, query := range forgetEntries {
		if p := plan(t, s.Reader, query, []any{1, 2}); strings.Contains(p, "SCAN entr") || !strings.Contains(p, "SEARCH entr") {
			t.Errorf("%s\n\tplan: %s", query, p)
		}
	}
}
