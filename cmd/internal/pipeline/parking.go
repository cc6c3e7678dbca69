package pipeline

import (
	"fmt"
	"sync"
	"time"

	"teamsdlp/actions"
)

// parking holds what is known of the orders that wait for an operator: that a
// permission is granted again, a credential renewed, a bill paid. They stay decided
// in the ledger and put back in the inbox, where a kill finds them; what is here is
// made anew by the next turn of each.
//
// A permission holds for all orders that go to the same kind of conversation of the
// tenant. So the second order that is refused, with none taken since the first, closes
// their gate; one alone may be refused for a reason of its own. Behind a closed gate
// one order at a time is tried, after a pause that grows, and not the same one again
// and again; once Graph takes it, or refuses it for a reason of its own, the gate is
// open, and the others follow at their next turn.
//
// Neither lasts without end. An order that has waited for too long is given up, and
// beyond so many orders the least severe, the oldest among them, are.
type parking struct {
	most    int
	longest time.Duration
	clock   func() time.Time

	mu      sync.Mutex
	gates   map[string]*gate
	waiting map[string]*waiter // by receipt
	shed    int                // of waiting, how many are given up at their next turn
}

// gate is one that an order was refused at, with none taken since. It is closed once
// there is a pause.
type gate struct {
	reason  string
	last    string // receipt of the order that was refused last
	probing bool   // one is on its way
	told    bool   // that it closed
	pause   time.Duration
	next    time.Time // when the next one may be tried
}

type waiter struct {
	gate, lane string
	severity   int
	decided    time.Time
	shed       bool
}

const (
	firstProbe   = 15 * time.Second
	longestProbe = 5 * time.Minute
	// duringProbe is when those come back that meet a probe on its way, atOpen where
	// the gate may well be open. For forOthers the order that was refused last leaves
	// the next probe to the others.
	duringProbe = 10 * time.Second
	atOpen      = time.Second
	forOthers   = 30 * time.Second
)

func newParking(most int, longest time.Duration, clock func() time.Time) *parking {
	return &parking{most: most, longest: longest, clock: clock, gates: map[string]*gate{}, waiting: map[string]*waiter{}}
}

// gateOf names the gate of an order: Graph's permissions are of chats or of channels.
func gateOf(t actions.Target) string {
	if t.ChatID != "" {
		return t.Tenant + " chats"
	}
	return t.Tenant + " channels"
}

// early returns how long an item that waits need not even be opened, and for what;
// 0: it may have its turn.
func (k *parking) early(receipt string) (wait time.Duration, reason string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.waiting[receipt]
	if w == nil || w.shed || k.old(w) {
		return 0, ""
	}
	if wait = k.closed(w.gate, receipt); wait > 0 {
		reason = parkedFor(w.gate, k.gates[w.gate].reason)
	}
	return wait, reason
}

// Parked begins the reason for which an item is put back whose action waits for an
// operator. Who waits for what follows, so that all that wait for the same have the
// same reason.
const Parked = "the action waits for an operator"

// parkedFor is why an item is put back whose order waits at a gate, or, where that is
// empty, for a reason of its own.
func parkedFor(gate, reason string) string {
	if gate != "" {
		return Parked + ", " + gate + ": " + reason
	}
	return Parked + ": " + reason
}

// retry has every closed gate tried at once, and closed again by the first order that
// is refused.
func (k *parking) retry() {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, g := range k.gates {
		if g.pause > 0 {
			g.pause, g.last = 0, ""
		}
	}
}

// closed returns how long an order may not pass a gate. mu is held.
func (k *parking) closed(name, receipt string) time.Duration {
	g := k.gates[name]
	if g == nil {
		return 0
	}
	now := k.clock()
	switch {
	case g.pause == 0 && g.probing:
		return atOpen
	case g.pause == 0:
		return 0
	case g.probing:
		return max(g.next.Sub(now), duringProbe)
	case receipt == g.last && k.others(name, receipt):
		return max(g.next.Add(forOthers).Sub(now), 0)
	}
	return max(g.next.Sub(now), 0)
}

// others reports whether other orders wait at a gate. mu is held.
func (k *parking) others(name, receipt string) bool {
	for r, w := range k.waiting {
		if w.gate == name && r != receipt && !w.shed {
			return true
		}
	}
	return false
}

// pass returns 0 if an order may be sent, as the probe if one was refused last;
// otherwise how long it must wait, and for what. Whoever may send calls answered
// afterwards.
func (k *parking) pass(name, receipt string) (probe bool, wait time.Duration, reason string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	g := k.gates[name]
	if g == nil {
		return false, 0, ""
	}
	if wait := k.closed(name, receipt); wait > 0 {
		return false, wait, g.reason
	}
	g.probing = true
	return true, 0, ""
}

// answered takes in what came of an order that passed, and returns when it may be
// tried again where the gate tells. turned reports whether this closed the gate or
// opened it.
func (k *parking) answered(name, receipt string, probe bool, res actions.Result) (wait time.Duration, turned bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	g := k.gates[name]
	if g != nil && probe {
		g.probing = false
	}
	switch {
	case res.Kind == actions.Interrupted:
		return 0, false
	case res.Kind != actions.Parked || !res.Wide:
		if g != nil && (probe || g.pause == 0) {
			delete(k.gates, name)
			return 0, g.told
		}
		return 0, false
	case g == nil:
		k.gates[name] = &gate{reason: res.Reason, last: receipt}
		return 0, false
	case g.pause == 0 && g.last == receipt:
		return 0, false
	}
	turned = g.pause == 0
	if turned || probe { // others that were under way when the gate closed say nothing new
		g.pause = min(max(firstProbe, 2*g.pause), longestProbe)
		g.next = k.clock().Add(g.pause)
		g.reason, g.last, g.told = res.Reason, receipt, true
	}
	return max(g.next.Sub(k.clock()), time.Second), turned
}

// park notes that an order waits, or returns why it does not any longer.
func (k *parking) park(receipt, name, lane string, d *actions.Decision) (giveUp string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	w := k.waiting[receipt]
	if w == nil {
		w = &waiter{gate: name, lane: lane, severity: rank(d.Order.Severity()), decided: d.Decided()}
		k.waiting[receipt] = w
	}
	if k.old(w) {
		return fmt.Sprintf("given up after waiting for %v", k.longest)
	}
	for len(k.waiting)-k.shed > k.most {
		var least *waiter
		for _, x := range k.waiting {
			if !x.shed && (least == nil || x.severity < least.severity || x.severity == least.severity && x.decided.Before(least.decided)) {
				least = x
			}
		}
		least.shed = true
		k.shed++
	}
	if w.shed {
		return fmt.Sprintf("given up because more than %d actions wait", k.most)
	}
	return ""
}

func (k *parking) old(w *waiter) bool { return k.clock().Sub(w.decided) > k.longest }

// rank orders severities.
func rank(severity string) int {
	for i, s := range []string{"low", "medium", "high", "critical"} {
		if s == severity {
			return i + 1
		}
	}
	return 0
}

// leave forgets an order that has its result.
func (k *parking) leave(receipt string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.drop(receipt)
}

func (k *parking) drop(receipt string) {
	if w := k.waiting[receipt]; w != nil {
		if w.shed {
			k.shed--
		}
		delete(k.waiting, receipt)
	}
}

// forget forgets the orders of lanes that are not ours any more.
func (k *parking) forget(lost func(lane string) bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for receipt, w := range k.waiting {
		if lost(w.lane) {
			k.drop(receipt)
		}
	}
}

// counts returns how many orders wait and how many gates are closed.
func (k *parking) counts() (waiting, closed int) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, g := range k.gates {
		if g.pause > 0 {
			closed++
		}
	}
	return len(k.waiting), closed
}
