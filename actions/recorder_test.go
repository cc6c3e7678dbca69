package actions

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// desk is a recorder with what it works on.
type desk struct {
	*Recorder
	t    *testing.T
	m    *Memory
	rows []string // inbox rows that ended
	now  time.Time
}

var target = Target{Tenant: "t", ChatID: "19:c", MessageID: "1"}

func newDesk(t *testing.T) *desk {
	keys, err := NewKeys("test")
	if err != nil {
		t.Fatal(err)
	}
	d := &desk{t: t, m: NewMemory(), now: time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)}
	d.m.Ended = func(r string) { d.rows = append(d.rows, r) }
	mask := func(s string) string {
		return strings.ReplaceAll(s, "4111111111111111", "411111••••••1111")
	}
	d.Recorder = &Recorder{Ledger: d.m, Log: d.m, Keys: keys, Mask: mask, Clock: func() time.Time {
		d.now = d.now.Add(time.Second)
		return d.now
	}}
	return d
}

func (d *desk) begin(o Observation) Step {
	d.t.Helper()
	step, err := d.Begin(d.t.Context(), target, o)
	if err != nil {
		d.t.Fatal(err)
	}
	return step
}

// judge judges o, which must call for it.
func (d *desk) judge(o Observation, j Judgement) *Decision {
	d.t.Helper()
	dec, err := d.Judge(d.t.Context(), d.begin(o), j, "row "+o.Version)
	if err != nil {
		d.t.Fatal(err)
	}
	return dec
}

func (d *desk) settle(dec *Decision, k ResultKind) {
	d.t.Helper()
	if dec == nil {
		d.t.Fatal("nothing was decided")
	}
	res := Result{Kind: k, Reason: "said so", Call: GraphCall{Status: 200, RequestID: "id", Attempts: 1}, At: d.now}
	if err := d.Settle(d.t.Context(), dec, res, "row "+dec.effect.Version); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) follow(o Observation) {
	d.t.Helper()
	if err := d.Follow(d.t.Context(), d.begin(o), "row "+o.Version); err != nil {
		d.t.Fatal(err)
	}
}

// log is the log in short: kind, action and outcome of each entry.
func (d *desk) log() []string {
	var list []string
	for _, e := range d.m.entries {
		list = append(list, strings.TrimRight(string(e.Kind)+" "+string(e.Action)+" "+string(e.Outcome), " "))
	}
	return list
}

func (d *desk) wantLog(want ...string) {
	d.t.Helper()
	if diff := cmp.Diff(want, d.log()); diff != "" {
		d.t.Errorf("log (-want +got):\n%s", diff)
	}
}

func (d *desk) standing() Standing {
	s, _, _ := d.m.Begin(context.Background(), target.Key(), "-")
	return s
}

func (d *desk) kase() Case {
	d.t.Helper()
	c, _, err := d.m.Case(context.Background(), d.Keys.CaseID(target.Key()))
	if err != nil {
		d.t.Fatal(err)
	}
	return c
}

func rule(id, mode string, a Action, result string) RuleResult {
	return RuleResult{ID: id, Mode: mode, Action: a, Result: result, Severity: "high",
		Matched: []Match{{Detector: "credit-card", Count: 1, Distinct: 1, Confidence: "high", Masked: []string{"411111••••••1111"}}}}
}

func verdict(a Action, rules ...RuleResult) Judgement {
	return Judgement{Generation: "g1", Action: a, Rules: rules, Severity: "high", Tip: "tip", Report: "review", Override: "none",
		Conversation: &Conversation{Kind: "oneOnOne", ID: "19:c"}, Message: &Message{SentAt: time.Unix(1, 0).UTC()}, Sender: &Sender{ID: "ana"},
		Exposure: Exposure{Sent: time.Unix(1, 0).UTC(), Received: time.Unix(2, 0).UTC(), Judged: time.Unix(3, 0).UTC()}}
}

var (
	blocks  = verdict(ActionBlock, rule("card", "enforce", ActionBlock, "matched"))
	shadows = verdict(ActionNone, rule("card", "shadow", ActionBlock, "matched"))
	cleanJ  = verdict(ActionNone, rule("card", "enforce", ActionBlock, "no_match"))
)

// Only what an enforcing rule asks for can become an order.
func TestWhatCanBecomeAnOrder(t *testing.T) {
	for _, tt := range []struct {
		name string
		j    Judgement
		want Action // "": no order
	}{
		{"enforcing", blocks, ActionBlock},
		{"two enforcing", verdict(ActionBlock, rule("a", "enforce", ActionNotify, "matched"), rule("b", "enforce", ActionBlock, "matched")), ActionBlock},
		{"shadow", shadows, ""},
		{"shadow, and a verdict that says block", verdict(ActionBlock, rule("a", "shadow", ActionBlock, "matched")), ""},
		{"shadow blocks, enforcing notifies, the verdict says block", verdict(ActionBlock, rule("a", "shadow", ActionBlock, "matched"), rule("b", "enforce", ActionNotify, "matched")), ActionNotify},
		{"the verdict is milder than the rule", verdict(ActionNotify, rule("a", "enforce", ActionBlock, "matched")), ActionNotify},
		{"the verdict says none", verdict(ActionNone, rule("a", "enforce", ActionBlock, "matched")), ""},
		{"the verdict says nothing", verdict("", rule("a", "enforce", ActionBlock, "matched")), ""},
		{"an action that is none of ours", verdict("burn", rule("a", "enforce", "burn", "matched")), ""},
		{"a mode that is none of ours", verdict(ActionBlock, rule("a", "Enforce", ActionBlock, "matched")), ""},
		{"off", verdict(ActionBlock, rule("a", "off", ActionBlock, "matched")), ""},
		{"near miss", verdict(ActionBlock, rule("a", "enforce", ActionBlock, "near_miss")), ""},
		{"excepted", verdict(ActionBlock, rule("a", "enforce", ActionBlock, "excepted")), ""},
		{"out of scope", verdict(ActionBlock, rule("a", "enforce", ActionBlock, "out_of_scope")), ""},
		{"no rules", verdict(ActionBlock), ""},
		{"clean", cleanJ, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			dec := d.judge(created("100", "A"), tt.j)
			var got Action
			if dec != nil {
				got = dec.Order.Action()
				if !dec.Order.Valid() || dec.Order.Target() != target {
					t.Errorf("order %+v", dec.Order)
				}
			}
			if got != tt.want {
				t.Errorf("order %q, want %q", got, tt.want)
			}
			if (dec == nil) != (len(d.rows) == 1) {
				t.Errorf("decided %v, and the rows that ended are %v", dec != nil, d.rows)
			}
		})
	}
}

// No record, no action.
func TestNoOrderWithoutALog(t *testing.T) {
	broken := errors.New("disk full")
	d := newDesk(t)
	step := d.begin(created("100", "A"))
	d.m.Fail = func(call string) error { return broken }
	dec, err := d.Judge(t.Context(), step, blocks, "row")
	if dec != nil || !errors.Is(err, broken) || len(d.rows) > 0 {
		t.Errorf("Judge = %v, %v; rows %v", dec, err, d.rows)
	}
	if err := d.View(t.Context(), Case{ID: "c"}, "jo", "why"); !errors.Is(err, broken) {
		t.Errorf("View = %v", err)
	}
	if _, err := d.Release(t.Context(), Case{ID: "c", Target: &target}, "jo", "why"); !errors.Is(err, broken) {
		t.Errorf("Release = %v", err)
	}
}

func TestAnIntentIsLoggedBeforeItsOrderExists(t *testing.T) {
	d := newDesk(t)
	d.judge(created("100", "A"), blocks)
	d.wantLog("intent block pending")
	if s := d.standing(); s.Pending != "100" || s.Action != "" || s.Order == nil {
		t.Errorf("standing %+v", s)
	}
}

func TestResults(t *testing.T) {
	for _, tt := range []struct {
		kind    ResultKind
		state   State
		outcome Outcome
		stands  Action
	}{
		{Applied, StateApplied, OutcomeApplied, ActionBlock},
		{Failed, StateFailed, OutcomeFailed, ActionNone},
		{NotEnforceable, StateNotEnforceable, OutcomeNotEnforceable, ActionNone},
		{Gone, StateNoop, OutcomeFailed, ActionNone},
		{Superseded, StateSuperseded, OutcomeFailed, ActionNone},
		{Overridden, StateApplied, OutcomeApplied, ActionNone},
	} {
		d := newDesk(t)
		dec := d.judge(created("100", "A"), blocks)
		d.settle(dec, tt.kind)
		_, e, _ := d.m.Begin(t.Context(), target.Key(), "100")
		c := d.kase()
		if e.State != tt.state || c.Outcome != tt.outcome || c.Standing != tt.stands || c.Action != ActionBlock {
			t.Errorf("%v: state %s outcome %s, %s stands; want %s %s %s", tt.kind, e.State, c.Outcome, c.Standing, tt.state, tt.outcome, tt.stands)
		}
		if len(d.rows) != 1 {
			t.Errorf("%v: rows %v", tt.kind, d.rows)
		}
		d.settle(dec, Applied) // what is finished stays finished
		if _, again, _ := d.m.Begin(t.Context(), target.Key(), "100"); again.State != tt.state {
			t.Errorf("%v: became %s", tt.kind, again.State)
		}
	}
}

func TestAnUnsettledOrderStaysDecided(t *testing.T) {
	for _, k := range []ResultKind{Interrupted, Parked} {
		d := newDesk(t)
		dec := d.judge(created("100", "A"), blocks)
		if err := d.Settle(t.Context(), dec, Result{Kind: k}, "row"); !errors.Is(err, ErrUnsettled) {
			t.Errorf("%v: %v", k, err)
		}
		if len(d.rows) > 0 {
			t.Errorf("%v: rows %v", k, d.rows)
		}
		step := d.begin(created("100", "A"))
		if step.Kind != Resume {
			t.Fatalf("%v: %v", k, step)
		}
		again, err := d.Resume(step)
		if err != nil || !again.Resumed || !again.Order.Valid() {
			t.Fatalf("Resume = %+v, %v", again, err)
		}
		if diff := cmp.Diff(dec.Order.r, again.Order.r); diff != "" {
			t.Errorf("another order (-first +resumed):\n%s", diff)
		}
		d.settle(again, Applied)
		d.wantLog("intent block pending", "result block applied")
	}
}

func TestStories(t *testing.T) {
	edit := updated("200", "B", nil)
	for _, tt := range []struct {
		name string
		run  func(d *desk)
		log  []string
		want Case // flags, action, outcome and standing are compared
	}{
		{"a block", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
		}, []string{"intent block pending", "result block applied"}, Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionBlock}},
		{"a block and its echo", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			d.follow(blanked("200", &Seen{DLPAction: "blockAccess"}))
			d.follow(updated("300", "A", &Seen{DLPAction: "blockAccess"}))
		}, []string{"intent block pending", "result block applied", "result block applied"}, Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionBlock}},
		{"shadow", func(d *desk) { d.judge(created("100", "A"), shadows) },
			[]string{"shadow block shadow"}, Case{Action: ActionBlock, Outcome: OutcomeShadow, Standing: ActionNone}},
		{"not enforceable, known in advance", func(d *desk) {
			j := blocks
			j.NotEnforceable = "the sender is a federated user"
			if dec := d.judge(created("100", "A"), j); dec != nil {
				d.t.Error("it became an order")
			}
		}, []string{"result block not_enforceable"}, Case{Action: ActionBlock, Outcome: OutcomeNotEnforceable, Standing: ActionNone}},
		{"override", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			d.follow(updated("200", "A", overrode))
			d.follow(updated("300", "A", overrode))
		}, []string{"intent block pending", "result block applied", "override"}, Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionNone, Overridden: true}},
		{"override before the result, then resumed", func(d *desk) {
			d.judge(created("100", "A"), blocks)
			d.follow(updated("200", "A", overrode))
			d.follow(created("100", "A"))
		}, []string{"intent block pending", "override", "result block applied"}, Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionNone, Overridden: true}},
		{"report", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			d.follow(updated("200", "A", &Seen{UserAction: "reportFalsePositive"}))
		}, []string{"intent block pending", "result block applied", "report"}, Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionBlock, Reported: true}},
		{"deletion", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			d.follow(deleted("100"))
			d.follow(deleted("100"))
		}, []string{"intent block pending", "result block applied", "deleted"}, Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionNone, Deleted: true}},
		{"deletion before the result", func(d *desk) {
			d.judge(created("100", "A"), blocks)
			d.follow(deleted("200"))
			d.follow(created("100", "A"))
		}, []string{"intent block pending", "deleted", "result block failed"}, Case{Action: ActionBlock, Outcome: OutcomeFailed, Standing: ActionNone, Deleted: true}},
		{"clean edit", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			dec := d.judge(edit, cleanJ)
			if dec == nil || dec.Order.Action() != ActionNone {
				d.t.Fatalf("nothing is lifted: %+v", dec)
			}
			d.settle(dec, Applied)
		}, []string{"intent block pending", "result block applied", "edit none", "release none pending", "result none applied"},
			Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionNone, Edited: true, Released: true}},
		{"edit to what only a shadow rule matches", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			d.settle(d.judge(edit, shadows), Applied)
		}, []string{"intent block pending", "result block applied", "edit none", "shadow block shadow", "release none pending", "result none applied"},
			Case{Action: ActionBlock, Outcome: OutcomeShadow, Standing: ActionNone, Edited: true, Released: true}},
		{"clean edit of what was never acted on", func(d *desk) {
			d.judge(created("100", "A"), shadows)
			if dec := d.judge(edit, cleanJ); dec != nil {
				d.t.Error("something is sent")
			}
		}, []string{"shadow block shadow", "edit none"}, Case{Action: ActionBlock, Outcome: OutcomeShadow, Standing: ActionNone, Edited: true}},
		{"clean edit while the block's result is not known", func(d *desk) {
			d.judge(created("100", "A"), blocks)
			d.settle(d.judge(edit, cleanJ), Applied)
			d.follow(created("100", "A"))
		}, []string{"intent block pending", "edit none", "release none pending", "result none applied", "result block failed"},
			Case{Action: ActionBlock, Outcome: OutcomeFailed, Standing: ActionNone, Edited: true, Released: true}},
		{"edit that still matches", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			d.follow(updated("150", "A", overrode))
			d.settle(d.judge(edit, blocks), Applied)
		}, []string{"intent block pending", "result block applied", "override", "edit block", "intent block pending", "result block applied"},
			Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionBlock, Edited: true}},
		{"edit of a clean text that now matches", func(d *desk) {
			d.judge(created("100", "A"), cleanJ)
			d.settle(d.judge(edit, blocks), Applied)
		}, []string{"intent block pending", "result block applied"}, Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionBlock}},
		{"edit that is gone when the PATCH comes", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			d.settle(d.judge(edit, cleanJ), Failed)
		}, []string{"intent block pending", "result block applied", "edit none", "release none pending", "result none failed"},
			Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionBlock, Edited: true}},
		{"release and label", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			dec, err := d.Release(d.t.Context(), d.kase(), "jo", "a test card")
			if err != nil {
				d.t.Fatal(err)
			}
			d.settle(dec, Applied)
			if err := d.Label(d.t.Context(), d.kase(), "jo", "false-positive", ""); err != nil {
				d.t.Fatal(err)
			}
			d.follow(updated("200", "A", none)) // respected
		}, []string{"intent block pending", "result block applied", "release none pending", "result none applied", "label"},
			Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionNone, Released: true, Label: "false-positive"}},
		{"release that Graph refuses", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			dec, _ := d.Release(d.t.Context(), d.kase(), "jo", "a test card")
			d.settle(dec, Failed)
		}, []string{"intent block pending", "result block applied", "release none pending", "result none failed"},
			Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionBlock}},
		{"release that was interrupted, and again", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			for _, k := range []ResultKind{Interrupted, Applied} {
				dec, err := d.Release(d.t.Context(), d.kase(), "jo", "a test card")
				if err != nil {
					d.t.Fatal(err)
				}
				d.settle(dec, k)
			}
		}, []string{"intent block pending", "result block applied", "release none pending", "result none failed", "release none pending", "result none applied"},
			Case{Action: ActionBlock, Outcome: OutcomeApplied, Standing: ActionNone, Released: true}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			d := newDesk(t)
			tt.run(d)
			d.wantLog(tt.log...)
			c := d.kase()
			got := Case{Action: c.Action, Outcome: c.Outcome, Standing: c.Standing, Overridden: c.Overridden, Reported: c.Reported,
				Released: c.Released, Edited: c.Edited, Deleted: c.Deleted, Label: c.Label}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("case (-want +got):\n%s", diff)
			}
		})
	}
}

func TestCleanMessagesLeaveNoEntry(t *testing.T) {
	d := newDesk(t)
	if dec := d.judge(created("100", "A"), cleanJ); dec != nil {
		t.Error("something is sent")
	}
	d.follow(updated("200", "A", nil))
	d.follow(deleted("300"))
	d.wantLog()
	if len(d.rows) != 3 {
		t.Errorf("rows %v", d.rows)
	}
}

// What Graph blanked was never read: the text is judged when it shows.
func TestABlankIsNotTheText(t *testing.T) {
	d := newDesk(t)
	d.judge(blanked("200", foreign), cleanJ)
	if step := d.begin(created("100", "A")); step.Kind != Judge {
		t.Fatalf("the text, late: %v", step)
	}
	d.settle(d.judge(blanked("300", nil), blocks), Applied) // its subject matches
	if step := d.begin(blanked("400", &Seen{DLPAction: "blockAccess"})); step.Kind == Judge {
		t.Fatalf("a loop: %v", step)
	}
}

func TestWhatEntriesHold(t *testing.T) {
	d := newDesk(t)
	d.settle(d.judge(created("100", "A"), blocks), Applied)
	d.follow(updated("200", "A", &Seen{UserAction: "override", Justification: "it is 4111111111111111\r\n\x1b[31m for Ana"}))
	c := d.kase()
	intent, result, override := d.m.entries[0], d.m.entries[1], d.m.entries[2]
	at := time.Date(2026, 11, 1, 8, 0, 0, 0, time.UTC)
	want := Entry{
		Seq: 0, ID: intent.ID, Case: c.ID, Time: at.Add(time.Second), Kind: KindIntent, Tenant: "t", Target: &target,
		Conversation: &Conversation{Kind: "oneOnOne", ID: "19:c"}, Message: &Message{ID: "1", Version: "100", SentAt: time.Unix(1, 0).UTC()}, Sender: &Sender{ID: "ana"},
		Generation: "g1", Rules: blocks.Rules, Verdict: "block: card, 1 credit-card (high)", Action: ActionBlock, Outcome: OutcomePending,
		Exposure: &blocks.Exposure, Actor: ActorSelf,
	}
	if diff := cmp.Diff(want, intent); diff != "" {
		t.Errorf("intent (-want +got):\n%s", diff)
	}
	exposure := blocks.Exposure
	exposure.Applied = at.Add(2 * time.Second) // when it was decided, by this test's clock
	want = Entry{
		Seq: 1, ID: result.ID, Case: c.ID, Time: result.Time, Kind: KindResult, Tenant: "t",
		Conversation: want.Conversation, Message: want.Message, Sender: want.Sender,
		Generation: "g1", Verdict: "said so", Action: ActionBlock, Outcome: OutcomeApplied,
		Graph: &GraphCall{Status: 200, RequestID: "id", Attempts: 1}, Exposure: &exposure, Actor: ActorGraph,
	}
	if diff := cmp.Diff(want, result); diff != "" {
		t.Errorf("result (-want +got):\n%s", diff)
	}
	if override.Reason != "it is 411111••••••1111 [31m for Ana" || override.Actor != ActorSender || override.Message.Version != "200" || override.Sender.ID != "ana" {
		t.Errorf("override %+v", override)
	}
	if diff := cmp.Diff(&exposure, c.Exposure); diff != "" {
		t.Errorf("case's exposure:\n%s", diff)
	}
}

// The name of a chat is what somebody wrote.
func TestNamesOfConversationsAreMasked(t *testing.T) {
	d := newDesk(t)
	j := blocks
	j.Conversation = &Conversation{Kind: "group", ID: "19:c", Name: "card 4111111111111111"}
	d.settle(d.judge(created("100", "A"), j), Applied)
	for _, e := range d.m.entries {
		if e.Conversation.Name != "card 411111••••••1111" {
			t.Errorf("%s holds %q", e.Kind, e.Conversation.Name)
		}
	}
	if c := d.kase(); c.Conversation.Name != "card 411111••••••1111" || j.Conversation.Name != "card 4111111111111111" {
		t.Errorf("the case holds %q, and what was given is now %q", c.Conversation.Name, j.Conversation.Name)
	}
}

func TestWords(t *testing.T) {
	d := newDesk(t)
	for _, tt := range []struct{ in, want string }{
		{"", ""},
		{"plain", "plain"},
		{" a\tb\nc\x00d ", "a b c d"},
		{strings.Repeat("é", 2000), strings.Repeat("é", 1000) + "…"},
	} {
		if got := d.words(tt.in); got != tt.want {
			t.Errorf("words(%q) = %q", tt.in, got)
		}
	}
	d.Mask = nil
	if got := d.words("anything"); got != "[not recorded]" {
		t.Errorf("without a mask: %q", got)
	}
}

func TestReleaseNeedsSomethingThatStands(t *testing.T) {
	ctx := t.Context()
	for _, tt := range []struct {
		name string
		run  func(d *desk)
	}{
		{"shadow", func(d *desk) { d.judge(created("100", "A"), shadows) }},
		{"failed", func(d *desk) { d.settle(d.judge(created("100", "A"), blocks), Failed) }},
		{"overridden", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			d.follow(updated("200", "A", overrode))
		}},
		{"deleted", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			d.follow(deleted("200"))
		}},
		{"released", func(d *desk) {
			d.settle(d.judge(created("100", "A"), blocks), Applied)
			dec, _ := d.Release(ctx, d.kase(), "jo", "why")
			d.settle(dec, Applied)
		}},
	} {
		d := newDesk(t)
		tt.run(d)
		before := len(d.m.entries)
		if dec, err := d.Release(ctx, d.kase(), "jo", "why"); dec != nil || !errors.Is(err, ErrNothingStands) || len(d.m.entries) != before {
			t.Errorf("%s: Release = %v, %v", tt.name, dec, err)
		}
	}
	d := newDesk(t)
	if _, err := d.Release(ctx, Case{ID: "thin"}, "jo", "why"); !errors.Is(err, ErrNothingStands) {
		t.Errorf("a case without a target: %v", err)
	}
}

func TestEntriesThatEndNoEffect(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	gap := Gap{Resource: "/chats/getAllMessages", From: time.Unix(1, 0).UTC(), Cause: "no subscription"}
	err := errors.Join(d.Gap(ctx, "t", gap), d.Rules(ctx, "g2", "in force"), d.KeyUse(ctx, "jo", "e2 came into use", KeysInUse{Digest: "e2"}),
		d.View(ctx, Case{ID: "c", Tenant: "t"}, "jo", "to review"), d.Label(ctx, Case{ID: "c"}, "jo", "true-positive", ""))
	if err != nil {
		t.Fatal(err)
	}
	d.wantLog("gap", "rules", "keys", "view", "label")
	if diff := cmp.Diff(&gap, d.m.entries[0].Gap); diff != "" {
		t.Error(diff)
	}
	for _, label := range []string{"", "positive", "True-Positive", "true-positive "} {
		if err := d.Label(ctx, Case{ID: "c"}, "jo", label, ""); !errors.Is(err, errLabel) {
			t.Errorf("label %q: %v", label, err)
		}
	}
	d.wantLog("gap", "rules", "keys", "view", "label")
}

func TestStepsAreNotMixedUp(t *testing.T) {
	d := newDesk(t)
	ctx := t.Context()
	judge := d.begin(created("100", "A"))
	if err := d.Follow(ctx, judge, "row"); err == nil {
		t.Error("a text that calls for judgement was followed")
	}
	if _, err := d.Resume(judge); err == nil {
		t.Error("what was never decided was resumed")
	}
	if _, err := d.Judge(ctx, d.begin(deleted("100")), blocks, "row"); err == nil {
		t.Error("a deletion was judged")
	}
	if err := d.Follow(ctx, Step{}, "row"); err == nil {
		t.Error("no step was followed")
	}
	d.wantLog()
}

// An override that a read found is on record once, and stands, whatever items
// from before it are still on their way.
func TestOverrideFoundByARead(t *testing.T) {
	d := newDesk(t)
	dec := d.judge(created("100", "A"), blocks)
	res := Result{Kind: Overridden, Reason: "the sender overrode the action", Seen: overrode, version: "200", At: d.now}
	if err := d.Settle(t.Context(), dec, res, "row 100"); err != nil {
		t.Fatal(err)
	}
	d.follow(updated("150", "A", &Seen{DLPAction: "blockAccess"})) // our echo, late
	if s := d.standing(); !s.Overridden || s.Action != ActionNone {
		t.Errorf("the override is forgotten: %+v", s)
	}
	d.follow(updated("200", "A", overrode))
	d.wantLog("intent block pending", "result block applied", "override")
}

// The rules of a verdict are kept once, by its entry.
func TestRulesAreInTheLogAlone(t *testing.T) {
	d := newDesk(t)
	dec := d.judge(created("1", "card"), blocks)
	if _, e, _ := d.m.Begin(t.Context(), target.Key(), "1"); e.Intent == nil || len(e.Intent.Rules) > 0 {
		t.Errorf("the effect keeps %+v", e.Intent)
	}
	d.settle(dec, Applied)
	if last := d.standing().Last; last == nil || len(last.Rules) > 0 {
		t.Errorf("the standing keeps %+v", last)
	}
	if got := d.m.entries[0].Rules; len(got) != 1 {
		t.Errorf("the log's entry has rules %+v", got)
	}
}
