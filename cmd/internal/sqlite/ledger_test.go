package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/actions"
)

func effect(key, version string, state actions.State) actions.Effect {
	return actions.Effect{MessageKey: key, Version: version, State: state, Updated: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
}

func logSize(t testing.TB, r *Reader) int64 {
	t.Helper()
	n, err := r.LogSize(context.Background())
	must(t, err)
	return n
}

func TestDecideFinish(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	st, e, err := s.Begin(ctx, "m", "1")
	must(t, err)
	if st != (actions.Standing{}) || e.State != "" {
		t.Errorf("never seen: got %+v, %+v", st, e)
	}

	must(t, s.Put(ctx, testItems("a")))
	_, items := claim(t, s, 1)
	receipt := items[0].Receipt
	decided := effect("m", "1", "")
	decided.Order = &actions.OrderRecord{Action: actions.ActionBlock, Target: actions.Target{ChatID: "c", MessageID: "m"}}
	standing := actions.Standing{Case: "case-1", Version: "1"}
	must(t, s.Decide(ctx, decided, standing, actions.Entry{Case: "case-1", Kind: actions.KindIntent}))
	decided.State = actions.StateDecided
	got, e, err := s.Begin(ctx, "m", "1")
	must(t, err)
	if d := cmp.Diff(decided, e); d != "" {
		t.Errorf("effect (-want +got):\n%s", d)
	}
	if d := cmp.Diff(standing, got); d != "" {
		t.Errorf("standing (-want +got):\n%s", d)
	}
	if _, e, err := s.Begin(ctx, "m", "2"); err != nil || e.State != "" {
		t.Errorf("another version is %q, %v", e.State, err)
	}

	for _, state := range []actions.State{"", actions.StateDecided} {
		if err := s.Finish(ctx, effect("m", "1", state), standing, receipt); err == nil {
			t.Errorf("finished as %q", state)
		}
	}
	wantErr(t, "receipt of no inbox", s.Finish(ctx, effect("m", "1", actions.StateApplied), standing, "x"), ErrReceipt)
	wantDepth(t, s, Depth{Items: 1, InFlight: 1})

	standing.Action = actions.ActionBlock
	must(t, s.Finish(ctx, effect("m", "1", actions.StateApplied), standing, receipt, actions.Entry{Case: "case-1", Kind: actions.KindResult}))
	wantDepth(t, s, Depth{})
	got, e, err = s.Begin(ctx, "m", "1")
	must(t, err)
	if e.State != actions.StateApplied || got.Action != actions.ActionBlock || logSize(t, s.Reader) != 2 {
		t.Errorf("after Finish: %q, %q, %d entries", e.State, got.Action, logSize(t, s.Reader))
	}
}

// The end of an effect is for ever; the row of whatever comes later still ends.
func TestFinishedStaysFinished(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	for _, state := range []actions.State{actions.StateApplied, actions.StateShadow, actions.StateClean, actions.StateNoop,
		actions.StateSuperseded, actions.StateNotEnforceable, actions.StateFailed} {
		t.Run(string(state), func(t *testing.T) {
			key := "m-" + string(state)
			must(t, s.Finish(ctx, effect(key, "1", state), actions.Standing{Case: key}, ""))
			size := logSize(t, s.Reader)
			must(t, s.Put(ctx, testItems(key)))
			_, items := claim(t, s, 1)
			other := actions.Standing{Case: "other"}
			err := s.Finish(ctx, effect(key, "1", actions.StateFailed), other, items[0].Receipt, shadowEntry(key))
			wantErr(t, "Finish", err, actions.ErrFinished)
			wantErr(t, "Finish again", s.Finish(ctx, effect(key, "1", actions.StateFailed), other, items[0].Receipt), actions.ErrFinished)
			wantErr(t, "Decide", s.Decide(ctx, effect(key, "1", ""), other, shadowEntry(key)), actions.ErrFinished)
			st, e, err := s.Begin(ctx, key, "1")
			must(t, err)
			if e.State != state || st.Case != key || logSize(t, s.Reader) != size {
				t.Errorf("got %q, case %q, %d entries more", e.State, st.Case, logSize(t, s.Reader)-size)
			}
			wantDepth(t, s, Depth{})
		})
	}
}

// A Finish that fails at its last entry leaves nothing of itself, while what
// shares its commit is stored.
func TestFinishIsAtomic(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s, err := Open(ctx, testOptions(t.TempDir()))
		must(t, err)
		defer s.Close()
		must(t, s.Put(ctx, testItems("a")))
		_, items := claim(t, s, 1)
		must(t, s.do(ctx, 0, func(tx *tx) error {
			_, err := tx.exec(`INSERT INTO entry_rule (rule, seq) VALUES ('taken', 1)`) // for entry 1, once there is one
			return err
		}, nil))
		release := hold(t, s)
		failed, stored := make(chan error), make(chan error)
		go func() {
			bad := actions.Entry{Case: "c", Rules: []actions.RuleResult{{ID: "taken", Result: "matched"}}}
			failed <- s.Finish(ctx, effect("m", "1", actions.StateShadow), actions.Standing{Case: "c"}, items[0].Receipt, shadowEntry("c"), bad)
		}()
		synctest.Wait()
		go func() { stored <- s.Append(ctx, actions.Entry{Case: "d", Kind: actions.KindLabel, Label: "x"}) }()
		synctest.Wait()
		release()
		if err := <-failed; err == nil || errors.Is(err, ErrFailed) {
			t.Errorf("Finish returned %v", err)
		}
		must(t, <-stored)

		st, e, err := s.Begin(ctx, "m", "1")
		must(t, err)
		if e.State != "" || st.Case != "" {
			t.Errorf("left effect %q and standing %+v", e.State, st)
		}
		if _, _, err := s.Case(ctx, "c"); !errors.Is(err, actions.ErrNotFound) {
			t.Errorf("left a case: %v", err)
		}
		entries, err := s.Entries(ctx, actions.Filter{})
		must(t, err)
		if len(entries) != 1 || entries[0].Case != "d" || entries[0].Seq != 0 {
			t.Errorf("the log holds %+v", entries)
		}
		checkTree(t, s.Reader)
		wantDepth(t, s, Depth{Items: 1, InFlight: 1}) // still in flight, to be finished again
		must(t, s.Finish(ctx, effect("m", "1", actions.StateClean), actions.Standing{}, items[0].Receipt))
		wantDepth(t, s, Depth{})
	})
}

func TestPrune(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	old, young := now.Add(-pruneAfter-time.Millisecond), now.Add(-pruneAfter+time.Millisecond)
	for _, c := range []struct {
		key    string
		state  actions.State
		caseID string
		at     time.Time
		kept   bool
	}{
		{"clean", actions.StateClean, "", old, false},
		{"noop", actions.StateNoop, "", old, false},
		{"superseded", actions.StateSuperseded, "", old, false},
		{"clean and young", actions.StateClean, "", young, true},
		{"clean of a case", actions.StateClean, "c", old, true},
		{"override of a case", actions.StateNoop, "c", old, true},
		{"applied", actions.StateApplied, "c", old, true},
	} {
		t.Run(c.key, func(t *testing.T) {
			e := effect(c.key, "1", c.state)
			e.Updated = c.at
			must(t, s.Finish(ctx, e, actions.Standing{Case: c.caseID, Version: "1"}, ""))
			n, err := s.Prune(ctx, now)
			must(t, err)
			st, e, err := s.Begin(ctx, c.key, "1")
			must(t, err)
			if kept := e.State != "" && st.Version != ""; kept != c.kept || (n == 0) != c.kept {
				t.Errorf("kept %v (%+v, %+v; %d rows removed), want %v", kept, st, e, n, c.kept)
			}
		})
	}
}

func TestPruneInSteps(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	must(t, s.do(ctx, 0, func(tx *tx) error {
		_, err := tx.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
			INSERT INTO effect SELECT 'm' || i, '1', 'clean', '', 0, '{}' FROM n`, 2*pruneRows+1)
		return err
	}, nil))
	n, err := s.Prune(ctx, time.Now())
	must(t, err)
	if n != 2*pruneRows+1 {
		t.Errorf("removed %d rows, want %d", n, 2*pruneRows+1)
	}
}

func TestPruneByItself(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(t.TempDir())
		o.PruneEvery = time.Hour
		s, err := Open(t.Context(), o)
		must(t, err)
		defer s.Close()
		e := effect("m", "1", actions.StateClean)
		e.Updated = time.Time{} // now
		must(t, s.Finish(t.Context(), e, actions.Standing{}, ""))
		<-time.After(pruneAfter)
		if _, e, _ := s.Begin(t.Context(), "m", "1"); e.State == "" {
			t.Error("pruned too early")
		}
		<-time.After(2 * time.Hour)
		if _, e, _ := s.Begin(t.Context(), "m", "1"); e.State != "" {
			t.Error("not pruned")
		}
	})
}

// Only a release that was decided and has no result is unfinished.
func TestUnfinishedReleases(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	order := &actions.OrderRecord{Target: actions.Target{Tenant: "t", ChatID: "c", MessageID: "1"}}
	for _, version := range []string{"100", "release/a", "release/b", "zzz"} {
		must(t, s.Decide(ctx, actions.Effect{MessageKey: "k", Version: version, Order: order}, actions.Standing{Case: "c"}))
	}
	must(t, s.Finish(ctx, actions.Effect{MessageKey: "k", Version: "release/b", State: actions.StateApplied}, actions.Standing{Case: "c"}, ""))
	got, err := s.UnfinishedReleases(ctx)
	must(t, err)
	if len(got) != 1 || got[0].Version != "release/a" || got[0].MessageKey != "k" || got[0].Order == nil {
		t.Errorf("unfinished: %+v", got)
	}
	var plan string
	must(t, s.Reader.db.QueryRow(`EXPLAIN QUERY PLAN SELECT message_key FROM effect WHERE state = 'decided' AND version >= 'release/' AND version < 'release0'`).Scan(new(int), new(int), new(int), &plan))
	if !strings.Contains(plan, "effect_unfinished") {
		t.Errorf("it reads every effect: %s", plan)
	}
}

// Rows are in the order of their messages' times, those of an older schema too, and
// are found by the key that they were stored by.
func TestRowKeys(t *testing.T) {
	ctx := t.Context()
	keys := []string{"t/chats/19:b/messages/100", "t/chats/19:a/messages/101", "t/teams/g/channels/19:é/messages/100/replies/102", "odd", "t//103", "104/"}
	for _, key := range keys {
		if got := messageKey(rowKey(key)); got != key {
			t.Errorf("%q became %q", key, got)
		}
	}
	s := openTest(t, testOptions(t.TempDir()))
	for _, key := range keys {
		must(t, s.Finish(ctx, effect(key, "1", actions.StateClean), actions.Standing{Version: key}, ""))
	}
	stored := func() (list []string) {
		for _, table := range []string{"effect", "standing"} {
			must(t, s.each(ctx, "SELECT message_key FROM "+table+" ORDER BY message_key", nil, func(rows *sql.Rows) error {
				var key string
				err := rows.Scan(&key)
				list = append(list, key)
				return err
			}))
		}
		return list
	}
	want := []string{"/104", "100/t/chats/19:b/messages", "101/t/chats/19:a/messages", "102/t/teams/g/channels/19:é/messages/100/replies", "103/t/", "odd"}
	want = append(want, want...)
	if d := cmp.Diff(want, stored()); d != "" {
		t.Errorf("stored as (-want +got):\n%s", d)
	}

	// As an older release had them.
	must(t, s.do(ctx, 0, func(x *tx) error {
		for _, table := range []string{"effect", "standing"} {
			for _, key := range keys {
				if _, err := x.exec("UPDATE "+table+" SET message_key = ? WHERE message_key = ?", key, rowKey(key)); err != nil {
					return err
				}
			}
		}
		for _, query := range append(undo5(), "UPDATE meta SET value = '3' WHERE key = '"+keySchema+"'") {
			if _, err := x.exec(query); err != nil {
				return err
			}
		}
		return nil
	}, nil))
	s = reopen(t, s)
	if d := cmp.Diff(want, stored()); d != "" {
		t.Errorf("migrated to (-want +got):\n%s", d)
	}
	for _, key := range keys {
		if st, e, err := s.Begin(ctx, key, "1"); err != nil || st.Version != key || e.State != actions.StateClean {
			t.Errorf("%q: found %+v, %+v, %v", key, st, e, err)
		}
	}
}
