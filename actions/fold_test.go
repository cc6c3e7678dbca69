package actions

import (
	"bytes"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestFold(t *testing.T) {
	t1, t2 := time.Unix(1, 0).UTC(), time.Unix(2, 0).UTC()
	intent := Entry{Seq: 4, Case: "c", Tenant: "t", Time: t1, Kind: KindIntent, Generation: "g", Action: ActionBlock, Outcome: OutcomePending, Verdict: "v",
		Target: &target, Message: &Message{ID: "1", Version: "100"}, Sender: &Sender{ID: "ana"}, Conversation: &Conversation{ID: "19:c"},
		Rules:    []RuleResult{{ID: "a", Result: "matched", Severity: "medium"}, {ID: "b", Result: "near_miss", Severity: "critical"}, {ID: "c", Result: "matched", Severity: "high"}},
		Exposure: &Exposure{Sent: t1}}
	result := Entry{Seq: 5, Case: "c", Time: t2, Kind: KindResult, Action: ActionBlock, Outcome: OutcomeApplied, Message: intent.Message,
		Graph: &GraphCall{Status: 200}, Exposure: &Exposure{Sent: t2, Applied: t2}}
	want := Case{ID: "c", Tenant: "t", FirstSeq: 4, LastSeq: 5, Opened: t1, Updated: t2, Generation: "g", Severity: "high", Verdict: "v",
		Target: &target, Message: intent.Message, Sender: intent.Sender, Conversation: intent.Conversation,
		Rules: []RuleResult{intent.Rules[0], intent.Rules[2]}, Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionBlock,
		Graph: result.Graph, Exposure: &Exposure{Sent: t1, Applied: t2}}
	c := Fold(Fold(Case{}, intent), result)
	if d := cmp.Diff(want, c); d != "" {
		t.Errorf("case (-want +got):\n%s", d)
	}
	if d := cmp.Diff(c, Fold(c, Entry{Seq: 6, Kind: KindGap})); d != "" {
		t.Errorf("an entry of no case changed it:\n%s", d)
	}
	old := result
	old.Message, old.Outcome = &Message{ID: "1", Version: "50"}, OutcomeFailed
	if got := Fold(c, old); got.Outcome != OutcomeApplied {
		t.Errorf("the result of an older verdict made it %s", got.Outcome)
	}
	if got := Fold(c, Entry{Case: "c", Kind: KindView}); got.Outcome != OutcomeApplied || got.Standing != ActionBlock {
		t.Errorf("a view made it %+v", got)
	}
	thin := Fold(Case{}, Entry{Seq: 9, Case: "c", Tenant: "t", Time: t1, Kind: KindOverride})
	if d := cmp.Diff(Case{ID: "c", Tenant: "t", FirstSeq: 9, LastSeq: 9, Opened: t1, Updated: t1, Standing: ActionNone, Overridden: true}, thin); d != "" {
		t.Errorf("a case that begins with an override:\n%s", d)
	}
}

func TestWriteNDJSON(t *testing.T) {
	var b bytes.Buffer
	list := []Entry{{Seq: 0, ID: "a", Kind: KindGap, Verdict: "a<b\nc"}, {Seq: 1, ID: "b", Kind: KindRules}}
	if err := WriteNDJSON(&b, list); err != nil {
		t.Fatal(err)
	}
	want := `{"seq":0,"id":"a","time":"0001-01-01T00:00:00Z","kind":"gap","verdict":"a<b\nc"}
{"seq":1,"id":"b","time":"0001-01-01T00:00:00Z","kind":"rules"}
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}
