// Package actionstest holds the acceptance suite of the stores behind package
// actions. Whatever passes it keeps the contract that a Recorder builds on: what
// is committed is there, what is finished stays finished, and the log is in
// order, without gaps, and folds into its cases.
package actionstest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"teamsdlp/actions"
)

// store is what one test works on.
type store struct {
	*testing.T
	actions.Ledger
	actions.Log
	actions.Reader
}

var start = time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)

// TestLedger runs the suite. Open returns a store that is empty; it is called
// once for each test, and what it opened is closed by its own means. A store that
// is an actions.VerifySource is verified too.
func TestLedger(t *testing.T, open func() (actions.Ledger, actions.Log, actions.Reader)) {
	for _, tt := range []struct {
		name string
		run  func(store)
	}{
		{"UnknownMessage", unknownMessage},
		{"KeepsEffectAndStanding", keepsEffectAndStanding},
		{"StandingIsOfTheMessage", standingIsOfTheMessage},
		{"FinishedStaysFinished", finishedStaysFinished},
		{"FinishWithoutDecide", finishWithoutDecide},
		{"FinishWantsATerminalState", finishWantsATerminalState},
		{"EntriesAreNumbered", entriesAreNumbered},
		{"EntriesAreKeptWhole", entriesAreKeptWhole},
		{"CallersKeepTheirEntries", callersKeepTheirEntries},
		{"CasesAreFolds", casesAreFolds},
		{"NotFound", notFound},
		{"FilterEntries", filterEntries},
		{"FilterCases", filterCases},
		{"Paging", paging},
		{"Concurrent", concurrent},
		{"Verifies", verifies},
		{"WithARecorder", withARecorder},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ledger, log, reader := open()
			tt.run(store{t, ledger, log, reader})
		})
	}
}

func (s store) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s store) same(what string, want, got any) {
	s.Helper()
	if d := cmp.Diff(want, got); d != "" {
		s.Errorf("%s (-want +got):\n%s", what, d)
	}
}

// all returns every entry, oldest first.
func (s store) all() []actions.Entry {
	s.Helper()
	from := int64(-1)
	list, err := s.Entries(s.Context(), actions.Filter{After: &from, Limit: 5000})
	s.must(err)
	return list
}

func entry(kind actions.Kind, kase string, second int) actions.Entry {
	return actions.Entry{Kind: kind, Case: kase, Tenant: "t", Time: start.Add(time.Duration(second) * time.Second)}
}

func effect(key, version string, state actions.State) actions.Effect {
	return actions.Effect{MessageKey: key, Version: version, State: state, Updated: start}
}

func unknownMessage(s store) {
	st, e, err := s.Begin(s.Context(), "never", "1")
	s.must(err)
	s.same("standing", actions.Standing{}, st)
	s.same("effect", actions.Effect{MessageKey: "never", Version: "1"}, e)
}

// full is a standing and an effect with every field set.
func full() (actions.Standing, actions.Effect) {
	yes := true
	intent := actions.Entry{
		Case: "c", Time: start, Kind: actions.KindIntent, Tenant: "t",
		Conversation: &actions.Conversation{Kind: "group", ID: "19:c", Name: "n", External: &yes, Size: 3},
		Message:      &actions.Message{ID: "1", ReplyTo: "0", Version: "100", SentAt: start},
		Sender:       &actions.Sender{ID: "ana", Name: "Ana", Kind: "aadUser"},
		Target:       &actions.Target{Tenant: "t", ChatID: "19:c", MessageID: "1"},
		Generation:   "g", Verdict: "v", Action: actions.ActionBlock, Outcome: actions.OutcomePending,
		Rules:    []actions.RuleResult{{ID: "card", Severity: "high", Mode: "enforce", Result: "matched", Matched: []actions.Match{{Detector: "credit-card", Count: 2, Distinct: 1, Confidence: "high", Masked: []string{"411111••••••1111"}, Digest: []string{"e1:00"}}}}},
		Exposure: &actions.Exposure{Sent: start, Received: start, Judged: start},
		Actor:    "teamsdlp", Reason: "r",
	}
	order := &actions.OrderRecord{Target: *intent.Target, Action: actions.ActionBlock, Tip: "tip", URL: "u", Matched: []string{"m"}, Override: "none", ReportFP: "review",
		Severity: "high", SenderOID: "ana", Version: "100", Fingerprint: "e1:ff", StaleOverride: true}
	st := actions.Standing{Case: "c", Version: "100", TextVersion: "99", Judged: true, Fingerprint: "e1:ff", Generation: "g", Action: actions.ActionBlock, Pending: "100",
		Overridden: true, StaleOverride: true, Reported: true, Released: true, Closed: true, Confirmed: true, Last: &intent, Order: order}
	return st, actions.Effect{MessageKey: "k", Version: "100", State: actions.StateDecided, Order: order, Intent: &intent, Decided: start, Updated: start}
}

func keepsEffectAndStanding(s store) {
	st, e := full()
	s.must(s.Decide(s.Context(), e, st, *e.Intent))
	gotS, gotE, err := s.Begin(s.Context(), "k", "100")
	s.must(err)
	s.same("standing", st, gotS)
	s.same("effect", e, gotE)
	if n := len(s.all()); n != 1 {
		s.Errorf("%d entries, want the intent", n)
	}
	e.State, e.Order, e.Intent = actions.StateApplied, nil, nil
	st.Pending = ""
	s.must(s.Finish(s.Context(), e, st, "", entry(actions.KindResult, "c", 1)))
	gotS, gotE, err = s.Begin(s.Context(), "k", "100")
	s.must(err)
	s.same("standing, finished", st, gotS)
	s.same("effect, finished", e, gotE)
}

func standingIsOfTheMessage(s store) {
	ctx := s.Context()
	s.must(s.Finish(ctx, effect("k", "1", actions.StateClean), actions.Standing{Version: "1", Judged: true}, ""))
	s.must(s.Finish(ctx, effect("k", "2", actions.StateNoop), actions.Standing{Version: "2", Judged: true}, ""))
	s.must(s.Finish(ctx, effect("other", "1", actions.StateClean), actions.Standing{Version: "9"}, ""))
	st, e, err := s.Begin(ctx, "k", "1")
	s.must(err)
	if st.Version != "2" || e.State != actions.StateClean {
		s.Errorf("version 1: standing of version %s, state %s", st.Version, e.State)
	}
	st, e, err = s.Begin(ctx, "k", "3")
	s.must(err)
	if st.Version != "2" || e.State != "" {
		s.Errorf("version 3: standing of version %s, state %s", st.Version, e.State)
	}
}

func finishedStaysFinished(s store) {
	ctx := s.Context()
	for _, end := range []actions.State{actions.StateApplied, actions.StateShadow, actions.StateClean, actions.StateNoop,
		actions.StateSuperseded, actions.StateNotEnforceable, actions.StateFailed} {
		key := "k " + string(end)
		s.must(s.Finish(ctx, effect(key, "1", end), actions.Standing{Version: "1"}, ""))
		before := len(s.all())
		for name, again := range map[string]func() error{
			"Finish": func() error {
				return s.Finish(ctx, effect(key, "1", actions.StateFailed), actions.Standing{Version: "2"}, "", entry(actions.KindResult, "c", 0))
			},
			"Decide": func() error {
				return s.Decide(ctx, effect(key, "1", actions.StateDecided), actions.Standing{Version: "2"}, entry(actions.KindIntent, "c", 0))
			},
		} {
			if err := again(); !errors.Is(err, actions.ErrFinished) {
				s.Errorf("%s after %s: %v, want ErrFinished", name, end, err)
			}
		}
		st, e, err := s.Begin(ctx, key, "1")
		s.must(err)
		if e.State != end || st.Version != "1" || len(s.all()) != before {
			s.Errorf("after %s: state %s, standing of version %s, %d entries more", end, e.State, st.Version, len(s.all())-before)
		}
	}
}

func finishWithoutDecide(s store) {
	s.must(s.Finish(s.Context(), effect("k", "1", actions.StateShadow), actions.Standing{Case: "c"}, "", entry(actions.KindShadow, "c", 0)))
	_, e, err := s.Begin(s.Context(), "k", "1")
	s.must(err)
	if e.State != actions.StateShadow || len(s.all()) != 1 {
		s.Errorf("state %s, %d entries", e.State, len(s.all()))
	}
}

func finishWantsATerminalState(s store) {
	for _, state := range []actions.State{"", actions.StateDecided} {
		if err := s.Finish(s.Context(), effect("k", "1", state), actions.Standing{}, "", entry(actions.KindResult, "c", 0)); err == nil {
			s.Errorf("an effect was finished as %q", state)
		}
	}
	if n := len(s.all()); n > 0 {
		s.Errorf("%d entries were written", n)
	}
}

func entriesAreNumbered(s store) {
	ctx := s.Context()
	s.must(s.Append(ctx, entry(actions.KindGap, "", 0)))
	s.must(s.Decide(ctx, effect("k", "1", actions.StateDecided), actions.Standing{}, entry(actions.KindEdit, "c", 1), entry(actions.KindIntent, "c", 2)))
	s.must(s.Finish(ctx, effect("k", "1", actions.StateApplied), actions.Standing{}, "", entry(actions.KindResult, "c", 3)))
	s.must(s.Append(ctx, entry(actions.KindRules, "", 4), entry(actions.KindKeys, "", 5)))
	ids := map[string]bool{}
	want := []actions.Kind{actions.KindGap, actions.KindEdit, actions.KindIntent, actions.KindResult, actions.KindRules, actions.KindKeys}
	var got []actions.Kind
	for i, e := range s.all() {
		got = append(got, e.Kind)
		if e.Seq != int64(i) || len(e.ID) != 32 || ids[e.ID] {
			s.Errorf("entry %d: seq %d, id %q", i, e.Seq, e.ID)
		}
		ids[e.ID] = true
	}
	s.same("kinds", want, got)
}

func entriesAreKeptWhole(s store) {
	_, e := full()
	want := *e.Intent
	want.Graph = &actions.GraphCall{Status: 200, RequestID: "id", Attempts: 2, Code: "c", Reconciled: true}
	want.Gap = &actions.Gap{Resource: "r", From: start, To: start, Cause: "c"}
	want.Label = "true-positive"
	want.Reason = "<b>\"quoted\"\u2028 é 🙂"
	s.must(s.Append(s.Context(), want))
	got := s.all()[0]
	want.Seq, want.ID, want.SealedAt = got.Seq, got.ID, got.SealedAt
	s.same("entry", want, got)
}

func callersKeepTheirEntries(s store) {
	mine := []actions.Entry{entry(actions.KindGap, "", 0), entry(actions.KindGap, "", 1)}
	before := slices.Clone(mine)
	s.must(s.Append(s.Context(), mine...))
	s.same("the caller's entries", before, mine)
	mine[0].Verdict = "changed later"
	if got := s.all()[0].Verdict; got != "" {
		s.Errorf("the log changed with the caller's slice: %q", got)
	}
}

func casesAreFolds(s store) {
	ctx := s.Context()
	_, e := full()
	result := entry(actions.KindResult, "c", 1)
	result.Action, result.Outcome, result.Message = actions.ActionBlock, actions.OutcomeApplied, e.Intent.Message
	override := entry(actions.KindOverride, "c", 2)
	label := entry(actions.KindLabel, "c", 3)
	label.Label = "false-positive"
	s.must(s.Decide(ctx, e, actions.Standing{Case: "c"}, *e.Intent))
	s.must(s.Append(ctx, entry(actions.KindShadow, "another", 0), entry(actions.KindGap, "", 0)))
	s.must(s.Finish(ctx, effect("k", "100", actions.StateApplied), actions.Standing{Case: "c"}, "", result))
	s.must(s.Finish(ctx, effect("k", "200", actions.StateNoop), actions.Standing{Case: "c"}, "", override))
	s.must(s.Append(ctx, label))
	got, entries, err := s.Case(ctx, "c")
	s.must(err)
	if len(entries) != 4 {
		s.Fatalf("%d entries, want 4", len(entries))
	}
	var want actions.Case
	for _, e := range entries {
		if e.Case != "c" {
			s.Errorf("entry %d is of case %q", e.Seq, e.Case)
		}
		want = actions.Fold(want, e)
	}
	s.same("case", want, got)
	if !got.Overridden || got.Label != "false-positive" || got.Standing != actions.ActionNone || got.FirstSeq != 0 || got.LastSeq != 5 {
		s.Errorf("case %+v", got)
	}
	list, err := s.Cases(ctx, actions.Filter{Case: "c"})
	s.must(err)
	s.same("the case in a list", []actions.Case{want}, list)
}

func notFound(s store) {
	s.must(s.Append(s.Context(), entry(actions.KindGap, "", 0)))
	for _, id := range []string{"", "nothing", "%", "'"} {
		if _, _, err := s.Case(s.Context(), id); !errors.Is(err, actions.ErrNotFound) {
			s.Errorf("case %q: %v, want ErrNotFound", id, err)
		}
	}
}

// populate writes six cases; case i has the sequence number i.
func (s store) populate() {
	s.Helper()
	for i, c := range []struct{ tenant, conversation, sender, name, rule, mode, result, detector, severity string }{
		{"t1", "19:a", "00000000-0000-0000-0000-000000000001", "Ana Ruiz", "card", "enforce", "matched", "credit-card", "high"},
		{"t1", "19:a", "00000000-0000-0000-0000-000000000002", "Li Wei", "card", "enforce", "matched", "credit-card", "high"},
		{"t1", "19:b", "00000000-0000-0000-0000-000000000001", "Ana Ruiz", "iban", "shadow", "matched", "iban", "low"},
		{"t2", "19:c", "00000000-0000-0000-0000-000000000003", "Ünal 100%", "iban", "enforce", "matched", "iban", "critical"},
		{"t2", "19:c", "00000000-0000-0000-0000-000000000003", "Ünal 100%", "keys", "enforce", "matched", "secret-generic", "medium"},
		{"t2", "19:c", "00000000-0000-0000-0000-000000000003", "Ünal 100%", "keys", "enforce", "matched", "secret-generic", "medium"},
	} {
		e := entry(actions.KindIntent, fmt.Sprint("c", i), i)
		e.Tenant, e.Action, e.Outcome = c.tenant, actions.ActionBlock, actions.OutcomePending
		if c.mode == "shadow" {
			e.Kind, e.Action, e.Outcome = actions.KindShadow, actions.ActionNotify, actions.OutcomeShadow
		}
		e.Conversation = &actions.Conversation{ID: c.conversation}
		e.Sender = &actions.Sender{ID: c.sender, Name: c.name}
		e.Rules = []actions.RuleResult{
			{ID: c.rule, Mode: c.mode, Severity: c.severity, Result: c.result, Matched: []actions.Match{{Detector: c.detector, Count: 1}}},
			{ID: "never", Mode: "enforce", Severity: "critical", Result: "near_miss", Matched: []actions.Match{{Detector: "us-ssn", Count: 1}}},
		}
		s.must(s.Append(s.Context(), e))
	}
}

type filtered struct {
	name string
	f    actions.Filter
	want []string
}

var filters = []filtered{
	{"everything", actions.Filter{}, []string{"c5", "c4", "c3", "c2", "c1", "c0"}},
	{"tenant", actions.Filter{Tenant: "t1"}, []string{"c2", "c1", "c0"}},
	{"conversation", actions.Filter{Conversation: "19:a"}, []string{"c1", "c0"}},
	{"part of a conversation", actions.Filter{Conversation: "19:"}, nil},
	{"sender by id", actions.Filter{Sender: "00000000-0000-0000-0000-000000000001"}, []string{"c2", "c0"}},
	{"sender by name", actions.Filter{Sender: "Li Wei"}, []string{"c1"}},
	{"sender by part of the name, any case", actions.Filter{Sender: "RUIZ"}, []string{"c2", "c0"}},
	{"sender by a letter with marks", actions.Filter{Sender: "ünal"}, []string{"c5", "c4", "c3"}},
	{"a wildcard is a letter", actions.Filter{Sender: "0%"}, []string{"c5", "c4", "c3"}},
	{"a wildcard matches nothing else", actions.Filter{Sender: "A%z"}, nil},
	{"another wildcard", actions.Filter{Sender: "Li_Wei"}, nil},
	{"a quote", actions.Filter{Sender: "' OR 1=1 --"}, nil},
	{"rule", actions.Filter{Rule: "card"}, []string{"c1", "c0"}},
	{"a rule that did not match", actions.Filter{Rule: "never"}, nil},
	{"detector", actions.Filter{Detector: "iban"}, []string{"c3", "c2"}},
	{"a detector of a rule that did not match", actions.Filter{Detector: "us-ssn"}, nil},
	{"severity", actions.Filter{Severity: "medium"}, []string{"c5", "c4"}},
	{"severity of a rule that did not match", actions.Filter{Severity: "critical"}, []string{"c3"}},
	{"action", actions.Filter{Action: actions.ActionNotify}, []string{"c2"}},
	{"outcome", actions.Filter{Outcome: actions.OutcomePending}, []string{"c5", "c4", "c3", "c1", "c0"}},
	{"case", actions.Filter{Case: "c3"}, []string{"c3"}},
	{"since", actions.Filter{Since: start.Add(4 * time.Second)}, []string{"c5", "c4"}},
	{"until", actions.Filter{Until: start.Add(2 * time.Second)}, []string{"c1", "c0"}},
	{"a span", actions.Filter{Since: start.Add(time.Second), Until: start.Add(3 * time.Second)}, []string{"c2", "c1"}},
	{"several", actions.Filter{Tenant: "t1", Rule: "card", Sender: "li"}, []string{"c1"}},
	{"several that exclude each other", actions.Filter{Tenant: "t2", Rule: "card"}, nil},
	{"limit", actions.Filter{Limit: 2}, []string{"c5", "c4"}},
	{"before", actions.Filter{Before: 2}, []string{"c1", "c0"}},
	{"before, with a limit", actions.Filter{Before: 4, Limit: 2}, []string{"c3", "c2"}},
	{"a label that nothing has", actions.Filter{Label: "true-positive"}, nil},
}

func filterEntries(s store) {
	s.populate()
	two := int64(2)
	for _, tt := range append(slices.Clone(filters), []filtered{
		{"kind", actions.Filter{Kind: actions.KindShadow}, []string{"c2"}},
		{"after: oldest first", actions.Filter{After: &two}, []string{"c3", "c4", "c5"}},
		{"after, with a limit", actions.Filter{After: &two, Limit: 2}, []string{"c3", "c4"}},
		{"after and before", actions.Filter{After: &two, Before: 5}, []string{"c3", "c4"}},
	}...) {
		list, err := s.Entries(s.Context(), tt.f)
		if err != nil {
			s.Errorf("%s: %v", tt.name, err)
			continue
		}
		var got []string
		for _, e := range list {
			got = append(got, e.Case)
		}
		s.same(tt.name, tt.want, got)
	}
}

func filterCases(s store) {
	s.populate()
	for _, tt := range filters {
		s.sameCases(tt)
	}
	// Each case but c5 becomes something.
	for i, k := range []actions.Kind{actions.KindOverride, actions.KindReport, actions.KindEdit, actions.KindDeleted, actions.KindLabel} {
		e := entry(k, fmt.Sprint("c", i), 10+i)
		if k == actions.KindLabel {
			e.Label = "false-positive"
		}
		s.must(s.Append(s.Context(), e))
	}
	for _, tt := range []filtered{
		{"overridden", actions.Filter{State: "overridden"}, []string{"c0"}},
		{"reported", actions.Filter{State: "reported"}, []string{"c1"}},
		{"edited", actions.Filter{State: "edited"}, []string{"c2"}},
		{"deleted", actions.Filter{State: "deleted"}, []string{"c3"}},
		{"released", actions.Filter{State: "released"}, nil},
		{"open", actions.Filter{State: "open"}, []string{"c5"}},
		{"label", actions.Filter{Label: "false-positive"}, []string{"c4"}},
		{"newest first is by the last entry", actions.Filter{}, []string{"c4", "c3", "c2", "c1", "c0", "c5"}},
		{"before is of the last entry", actions.Filter{Before: 8}, []string{"c1", "c0", "c5"}},
		{"since is of the last entry", actions.Filter{Since: start.Add(12 * time.Second)}, []string{"c4", "c3", "c2"}},
		{"a flag and a rule", actions.Filter{State: "overridden", Rule: "card"}, []string{"c0"}},
	} {
		s.sameCases(tt)
	}
	if _, err := s.Cases(s.Context(), actions.Filter{State: "no such state"}); err == nil {
		s.Error("a state that is none was taken")
	}
}

func (s store) sameCases(tt filtered) {
	s.Helper()
	list, err := s.Cases(s.Context(), tt.f)
	if err != nil {
		s.Errorf("%s: %v", tt.name, err)
		return
	}
	var got []string
	for _, c := range list {
		got = append(got, c.ID)
	}
	s.same(tt.name, tt.want, got)
}

func paging(s store) {
	const n = 130
	for i := range n {
		s.must(s.Append(s.Context(), entry(actions.KindIntent, fmt.Sprint("c", i), i)))
	}
	list, err := s.Entries(s.Context(), actions.Filter{})
	s.must(err)
	if len(list) != 50 || list[0].Seq != n-1 {
		s.Errorf("without a limit: %d entries from %d", len(list), list[0].Seq)
	}
	for _, limit := range []int{1, 7, 50, 5000, 1 << 30} {
		seen := map[int64]bool{}
		f := actions.Filter{Limit: limit}
		for {
			page, err := s.Cases(s.Context(), f)
			s.must(err)
			if len(page) == 0 {
				break
			}
			for _, c := range page {
				if seen[c.LastSeq] {
					s.Fatalf("limit %d: case %s comes twice", limit, c.ID)
				}
				seen[c.LastSeq] = true
			}
			if f.Before = page[len(page)-1].LastSeq; f.Before == 0 {
				break // there is nothing before the first
			}
		}
		if len(seen) != n {
			s.Errorf("limit %d: %d cases, want %d", limit, len(seen), n)
		}
	}
}

func concurrent(s store) {
	const writers, each = 8, 25
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for i := range each {
				key, kase := fmt.Sprint("k", w), fmt.Sprint("c", w)
				e := effect(key, fmt.Sprint(i), actions.StateDecided)
				if err := s.Decide(context.Background(), e, actions.Standing{Version: e.Version, Case: kase}, entry(actions.KindIntent, kase, i)); err != nil {
					s.Error(err)
				}
				e.State = actions.StateApplied
				if err := s.Finish(context.Background(), e, actions.Standing{Version: e.Version, Case: kase}, "", entry(actions.KindResult, kase, i)); err != nil {
					s.Error(err)
				}
				if _, err := s.Cases(context.Background(), actions.Filter{Limit: 3}); err != nil {
					s.Error(err)
				}
			}
		})
	}
	wg.Wait()
	for i, e := range s.all() {
		if e.Seq != int64(i) {
			s.Fatalf("entry %d has the number %d", i, e.Seq)
		}
	}
	for w := range writers {
		c, entries, err := s.Case(s.Context(), fmt.Sprint("c", w))
		s.must(err)
		if len(entries) != 2*each || c.LastSeq != entries[len(entries)-1].Seq || c.FirstSeq != entries[0].Seq {
			s.Errorf("case %s: %d entries, %d to %d", c.ID, len(entries), c.FirstSeq, c.LastSeq)
		}
	}
}

func verifies(s store) {
	source, ok := s.Reader.(actions.VerifySource)
	if !ok {
		source, ok = s.Ledger.(actions.VerifySource)
	}
	if !ok {
		s.T.Log("the store is no VerifySource; its tree is verified by its own tests")
		return
	}
	keys, err := actions.NewKeys("log.example")
	s.must(err)
	var points []byte
	seal := func() {
		size, root, err := actions.TreeHead(s.Context(), source)
		s.must(err)
		signed, err := actions.SignCheckpoint(actions.Checkpoint{Size: size, Root: root}, keys.Signer())
		s.must(err)
		points = append(points, "\n\n"...)
		points = append(points, signed...)
	}
	seal()
	s.populate()
	seal()
	for i := range 70 {
		s.must(s.Append(s.Context(), entry(actions.KindGap, "", 20+i), entry(actions.KindRules, "", 20+i)))
	}
	seal()
	report, err := actions.Verify(s.Context(), source, points, note.VerifierList(keys.Verifier()))
	s.must(err)
	if !report.OK() || report.Size != 146 || report.Covered != 146 || report.Checkpoints != 3 {
		s.Errorf("report %+v", report)
	}
	s.must(source.Bodies(s.Context(), 100, func(seq int64, body []byte) error {
		var e actions.Entry
		if err := json.Unmarshal(body, &e); err != nil {
			return fmt.Errorf("body %d: %w", seq, err)
		}
		if e.Seq != seq || seq < 100 {
			return fmt.Errorf("body %d is of entry %d", seq, e.Seq)
		}
		return nil
	}))
	stop := errors.New("stop")
	if err := source.Bodies(s.Context(), 0, func(int64, []byte) error { return stop }); !errors.Is(err, stop) {
		s.Errorf("Bodies did not return its function's error: %v", err)
	}
}

// withARecorder runs one message's whole story.
func withARecorder(s store) {
	ctx := s.Context()
	keys, err := actions.NewKeys("log.example")
	s.must(err)
	r := &actions.Recorder{Ledger: s.Ledger, Log: s.Log, Keys: keys, Mask: func(w string) string { return w }}
	target := actions.Target{Tenant: "t", ChatID: "19:c", MessageID: "1"}
	first := actions.Observation{Version: "100", Change: actions.Created, Fingerprint: "A"}
	step, err := r.Begin(ctx, target, first)
	s.must(err)
	d, err := r.Judge(ctx, step, actions.Judgement{Generation: "g", Action: actions.ActionBlock,
		Rules: []actions.RuleResult{{ID: "card", Mode: "enforce", Action: actions.ActionBlock, Result: "matched"}}}, "")
	s.must(err)
	step, err = r.Begin(ctx, target, first) // as if the process had died
	s.must(err)
	if d == nil || step.Kind != actions.Resume {
		s.Fatalf("decision %v, then %v", d, step)
	}
	d, err = r.Resume(step)
	s.must(err)
	s.must(r.Settle(ctx, d, actions.Result{Kind: actions.Applied, At: start}, ""))
	step, err = r.Begin(ctx, target, first)
	s.must(err)
	if step.Kind != actions.Skip {
		s.Fatalf("a finished version: %v", step)
	}
	s.must(r.Follow(ctx, step, ""))
	c, _, err := s.Case(ctx, keys.CaseID(target.Key()))
	s.must(err)
	d, err = r.Release(ctx, c, "jo", "a test card")
	s.must(err)
	s.must(r.Settle(ctx, d, actions.Result{Kind: actions.Applied, At: start}, ""))
	s.must(r.Label(ctx, c, "jo", "false-positive", ""))
	c, entries, err := s.Case(ctx, c.ID)
	s.must(err)
	if len(entries) != 5 || !c.Released || c.Standing != actions.ActionNone || c.Outcome != actions.OutcomeApplied || c.Label != "false-positive" {
		s.Errorf("%d entries, case %+v", len(entries), c)
	}
	if _, err := r.Release(ctx, c, "jo", "again"); !errors.Is(err, actions.ErrNothingStands) {
		s.Errorf("a second release: %v", err)
	}
}
