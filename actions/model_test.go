package actions

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"testing"
)

// teams is a small model of Teams and Graph: one message, what its sender does to
// it, and the notifications that come of it.
type teams struct {
	rng      *rand.Rand
	blanks   bool // bodies of blocked messages come empty
	echoes   bool // our PATCH raises an updated notification
	clears   bool // an edit takes the sender's override away
	dies     bool // PATCHes and their answers get lost
	clock    int
	text     string
	edited   string // version of the last edit
	deleted  bool
	order    *Order // what stands, as it was sent
	user     string // userAction
	waiting  []Observation
	landed   map[string]int // PATCHes by order
	problems []string
	log      *Memory
}

func (m *teams) problem(format string, args ...any) {
	m.problems = append(m.problems, fmt.Sprintf(format, args...))
}

func (m *teams) seen() *Seen {
	if m.order == nil {
		return nil
	}
	return &Seen{DLPAction: m.order.DLPAction(), VerdictDetails: m.order.VerdictDetails(), TipText: m.order.Tip(), Matched: m.order.Matched(), UserAction: m.user}
}

func (m *teams) hidden() bool {
	return m.blanks && m.order != nil && m.order.Action() == ActionBlock && m.user == ""
}

func (m *teams) notify(c Change, shown bool) {
	m.clock += 1 + m.rng.IntN(3)
	o := Observation{Version: strconv.Itoa(m.clock), Change: c, Fingerprint: m.text, Violation: m.seen()}
	if c == Deleted || !shown && m.hidden() {
		o.EmptyBody, o.Fingerprint = true, "empty"
	}
	for range 1 + m.rng.IntN(2) { // at least once
		m.waiting = append(m.waiting, o)
	}
}

// act lets the sender, or a reader, do something.
func (m *teams) act() {
	if m.deleted {
		return
	}
	switch m.rng.IntN(7) {
	case 0, 1:
		m.text = []string{"clean", "clean too", "card", "another card", "iban", "shadowed"}[m.rng.IntN(6)]
		if m.clears {
			m.user = ""
		}
		m.notify(Updated, true)
		m.edited = strconv.Itoa(m.clock)
	case 2:
		if m.order != nil && m.order.Action() == ActionBlock {
			m.user = "override"
			m.notify(Updated, true)
		}
	case 3:
		if m.rng.IntN(6) == 0 {
			m.deleted = true
			m.notify(Deleted, false)
		}
	default:
		m.notify(Updated, false) // a reaction
	}
}

var errLost = errors.New("connection reset")

// Patch implements Graph.
func (m *teams) Patch(_ context.Context, o Order) (Call, error) {
	if !o.Valid() {
		m.problem("an order that nobody made was sent")
	}
	if !m.logged(o) {
		m.problem("PATCH without a record")
	}
	if m.deleted {
		return Call{}, &CallError{Status: 404, Code: "NotFound"}
	}
	if m.dies && m.rng.IntN(6) == 0 {
		return Call{}, errLost // on the way there
	}
	if o.Action() != ActionNone && m.user == "override" && !older(m.order.r.Version, m.edited) {
		m.problem("a PATCH for %q trampled the override of %q", o.r.Fingerprint, m.text)
	}
	if o.Action() != ActionNone && verdictOf(o.r.Fingerprint) != o.Action() {
		m.problem("a PATCH %s for %q", o.Action(), o.r.Fingerprint)
	}
	id := o.r.Version + " " + string(o.Action())
	if m.landed[id]++; m.landed[id] > 1 && o.Action() != ActionNone {
		m.problem("%d PATCHes for version %s", m.landed[id], o.r.Version)
	}
	m.order, m.user = &o, ""
	if m.echoes {
		m.notify(Updated, false)
	}
	if m.dies && m.rng.IntN(4) == 0 {
		return Call{}, errLost // on the way back
	}
	return Call{Status: 200}, nil
}

func (m *teams) logged(o Order) bool {
	for _, e := range m.log.entries {
		if (e.Kind == KindIntent || e.Kind == KindRelease) && e.Action == o.Action() && e.Outcome == OutcomePending {
			return true
		}
	}
	return false
}

// Read implements Graph.
func (m *teams) Read(context.Context, Target) (Snapshot, error) {
	if m.deleted {
		return Snapshot{Deleted: true}, nil
	}
	s := Snapshot{Version: strconv.Itoa(m.clock), Fingerprint: m.text, Violation: m.seen()}
	if m.hidden() {
		s.EmptyBody, s.Fingerprint = true, "empty"
	}
	return s, nil
}

func verdictOf(text string) Action {
	switch text {
	case "card", "another card":
		return ActionBlock
	case "iban":
		return ActionNotify
	}
	return ActionNone
}

func judgementOf(text string) Judgement {
	j := Judgement{Generation: "g", Tip: "a tip", Report: "review", Override: "without-justification", Descriptions: []string{"Card"}, Action: verdictOf(text)}
	switch {
	case text == "shadowed":
		j.Rules = []RuleResult{{ID: "s", Mode: "shadow", Action: ActionBlock, Result: "matched"}}
	case j.Action != ActionNone:
		j.Rules = []RuleResult{{ID: "r", Mode: "enforce", Action: j.Action, Result: "matched"}}
	}
	return j
}

// process is the pipeline: it takes one notification to its end, or reports that
// it must come again.
func (m *teams) process(t *testing.T, r *Recorder, target Target, o Observation) (again bool) {
	ctx := context.Background()
	step, err := r.Begin(ctx, target, o)
	if err != nil {
		t.Fatal(err)
	}
	var d *Decision
	switch step.Kind {
	case Judge:
		d, err = r.Judge(ctx, step, judgementOf(o.Fingerprint), "row")
	case Resume:
		d, err = r.Resume(step)
	default:
		err = r.Follow(ctx, step, "row")
	}
	if err != nil {
		t.Fatal(err)
	}
	if d == nil {
		return false
	}
	if m.dies && m.rng.IntN(5) == 0 {
		return true // killed before the PATCH
	}
	err = r.Settle(ctx, d, m.carry(ctx, d), "row")
	if errors.Is(err, ErrUnsettled) {
		return true
	}
	if err != nil {
		t.Fatal(err)
	}
	return false
}

// carry carries d out; now and then the process dies instead of waiting.
func (m *teams) carry(ctx context.Context, d *Decision) Result {
	ctx, kill := context.WithCancel(ctx)
	defer kill()
	c := Carrier{Graph: m, MinBackoff: 1, MaxBackoff: 1, Jitter: nothing}
	if m.dies && m.rng.IntN(2) == 0 {
		c.Graph = mortal{m, kill}
	}
	return c.Carry(ctx, d.Order, d.Resumed)
}

// mortal is Graph for a process that is killed when an answer fails to come.
type mortal struct {
	*teams
	kill func()
}

func (m mortal) Patch(ctx context.Context, o Order) (Call, error) {
	call, err := m.teams.Patch(ctx, o)
	if err != nil {
		m.kill()
	}
	return call, err
}

// TestAnyOrder delivers what happens to a message in any order, more than once,
// to a process that dies, and holds the outcome against the model.
func TestAnyOrder(t *testing.T) {
	runs := uint64(2000)
	if testing.Short() {
		runs = 500
	}
	keys, err := NewKeys("test")
	if err != nil {
		t.Fatal(err)
	}
	target := Target{Tenant: "t", ChatID: "19:c", MessageID: "1"}
	counts := map[string]int{}
	for seed := range runs {
		rng := rand.New(rand.NewPCG(seed, 7))
		m := &teams{
			rng: rng, blanks: rng.IntN(2) == 0, echoes: rng.IntN(2) == 0, clears: rng.IntN(2) == 0, dies: rng.IntN(2) == 0,
			clock: 100, text: "card", edited: "100", landed: map[string]int{}, log: NewMemory(),
		}
		r := &Recorder{Ledger: m.log, Log: m.log, Keys: keys}
		m.notify(Created, true)
		for turn := 0; turn < 25 || len(m.waiting) > 0; turn++ {
			if turn > 2000 {
				t.Fatalf("seed %d: it does not settle: a loop", seed)
			}
			switch {
			case turn < 25 && rng.IntN(3) == 0:
				m.act()
			case turn < 25 && rng.IntN(20) == 0:
				m.release(t, r, target)
			case len(m.waiting) > 0:
				i := rng.IntN(len(m.waiting))
				o := m.waiting[i]
				m.waiting = append(m.waiting[:i:i], m.waiting[i+1:]...)
				if m.process(t, r, target, o) {
					m.waiting = append(m.waiting, o)
				}
			}
		}
		m.judge(target, counts)
		for _, p := range m.problems {
			t.Errorf("seed %d: %s", seed, p)
		}
		if t.Failed() {
			for _, e := range m.log.entries {
				t.Logf("%d %s %s %s %s", e.Seq, e.Kind, e.Action, e.Outcome, e.Verdict)
			}
			t.FailNow()
		}
	}
	for _, what := range []string{"deleted", "overridden", "released", "block", "notify", "none"} {
		if counts[what] == 0 {
			t.Errorf("no run ended %s: the model does not reach it (%v)", what, counts)
		}
	}
}

func (m *teams) release(t *testing.T, r *Recorder, target Target) {
	ctx := context.Background()
	d, err := r.Release(ctx, Case{ID: "c", Target: &target}, "jo", "reviewed")
	if errors.Is(err, ErrNothingStands) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	res := m.carry(ctx, d)
	if err := r.Settle(ctx, d, res, ""); err != nil {
		t.Fatal(err)
	}
	if res.Kind == Interrupted { // the analyst sees that it failed, and tries again
		m.release(t, r, target)
	}
}

// judge holds the end against what must be.
func (m *teams) judge(target Target, counts map[string]int) {
	s, _, err := m.log.Begin(context.Background(), target.Key(), "end")
	if err != nil {
		m.problem("%v", err)
		return
	}
	have := ActionNone
	if m.order != nil {
		have = m.order.Action()
	}
	switch {
	case m.deleted:
		counts["deleted"]++
		if !s.Closed {
			m.problem("the deletion was not recorded")
		}
	case m.user == "override" || s.Overridden && s.Fingerprint == m.text: // an edit to the same text does not end an override
		counts["overridden"]++
	case s.Released && s.Fingerprint == m.text:
		counts["released"]++
		if have != ActionNone {
			m.problem("%s stands on a text that was released", have)
		}
	default:
		counts[string(have)]++
		if want := verdictOf(m.text); have != want {
			m.problem("%s stands on %q, want %s (standing %+v)", have, m.text, want, s)
		}
	}
}
