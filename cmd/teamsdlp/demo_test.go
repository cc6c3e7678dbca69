package main

import (
	"strings"
	"testing"
	"time"

	"teamsdlp/actions"
)

// TestTimeline: what people do stands after what the log had by then, each line
// with its own time; what an earlier demo left in the same log is not shown.
func TestTimeline(t *testing.T) {
	started := time.Now().Add(-10 * time.Second)
	at := func(after time.Duration) time.Time { return started.Add(after) }
	sent := actions.Exposure{Sent: at(time.Second), Received: at(1001 * time.Millisecond), Applied: at(1020 * time.Millisecond)}
	entries := []actions.Entry{
		{Seq: 0, Time: at(-time.Hour), Kind: actions.KindOverride, Reason: "an earlier demo"},
		{Seq: 1, Time: at(1010 * time.Millisecond), Kind: actions.KindIntent, Action: actions.ActionBlock,
			Rules: []actions.RuleResult{{ID: "card-number", Result: "matched", Matched: []actions.Match{{Masked: []string{"4111••1111"}}}}, {ID: "iban", Result: "near_miss"}}},
		{Seq: 2, Time: at(1030 * time.Millisecond), Kind: actions.KindResult, Action: actions.ActionBlock, Outcome: actions.OutcomeApplied, Exposure: &sent},
		{Seq: 3, Time: at(2 * time.Second), Kind: actions.KindResult, Action: actions.ActionNotify, Outcome: actions.OutcomeApplied, Exposure: &sent},
		{Seq: 4, Time: at(3 * time.Second), Kind: actions.KindResult, Action: actions.ActionBlock, Outcome: actions.OutcomeNotEnforceable, Verdict: "no licence"},
	}
	var out strings.Builder
	tick := &ticker{w: &out, started: started, last: -1, entries: func(f actions.Filter) ([]actions.Entry, error) {
		return entries[*f.After+1:], nil
	}}
	tick.event("ana", "Ana overrides")
	tick.catchUp()
	want := []string{
		"   1.01s  teamsdlp  found     card-number  4111••1111: blocking",
		"   1.03s  teamsdlp  blocked   readable for 20 ms: Microsoft 1 ms, ours 19 ms",
		"   2.00s  teamsdlp  tipped    after 20 ms: Microsoft 1 ms, ours 19 ms",
		"   3.00s  teamsdlp  NOT ENFORCEABLE  no licence",
	}
	lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
	if len(lines) != len(want)+1 {
		t.Fatalf("%d lines:\n%s", len(lines), out.String())
	}
	for i, line := range want {
		if lines[i] != line {
			t.Errorf("line %d: %q, want %q", i, lines[i], line)
		}
	}
	if last := lines[len(want)]; !strings.HasSuffix(last, "s  ana       Ana overrides") || !strings.HasPrefix(last, "  10.") {
		t.Errorf("the last line is %q", last)
	}
}
