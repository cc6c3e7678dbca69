package policy

import (
	"cmp"
	"slices"
	"time"

	"teamsdlp/policy/detect"
)

// Judge decides what the rules say of m, given what is known of its surroundings.
// A nil c knows nothing. While the verdict's Need names anything, the caller
// fetches it and judges again; at last with Final set. Judge has no effect and is
// safe for concurrent use. Who judges a message more than once uses Begin.
func (s *Set) Judge(m *Message, c *Context, now time.Time) Verdict {
	return s.Begin(m).Judge(c, now)
}

// Begin begins to judge m, which must not change meanwhile. End is called when
// neither the Judging nor its verdicts are needed any longer; who leaves it out only
// costs memory.
func (s *Set) Begin(m *Message) *Judging {
	j := s.pool.Get().(*Judging)
	j.set, j.m = s, m
	return j
}

// End gives back what the judging used, its verdicts' rules included.
func (j *Judging) End() {
	s := j.set
	if j.still {
		// Nothing of the message is in the rest, scoped rules included: it stays for
		// the next one.
		for _, i := range s.open {
			j.rules[i] = s.blank[i]
		}
	} else {
		clear(j.rules)
	}
	clear(j.patterns)
	j.hay.Reset(nil)
	j.patterns, j.asked = j.patterns[:0], asked{}
	s.pool.Put(j)
}

// Judge decides as Set.Judge does. It may be called again with more context; the
// rules of the verdict before are then overwritten.
func (j *Judging) Judge(c *Context, now time.Time) (v Verdict) {
	j.know(c)
	j.now = now
	if n := len(j.set.Rules); cap(j.rules) < n {
		j.rules = make([]RuleVerdict, n)
	} else {
		j.rules = j.rules[:n]
	}
	var need gaps
	matched := false
	j.answered = 0 // what is known may have changed
	if j.asksText() && j.silent() {
		j.quiet()
		for _, i := range j.set.open {
			j.rules[i] = j.set.blank[i]
			j.judge(&j.rules[i], j.set.Rules[i], now, &need)
			matched = matched || j.rules[i].Result == Matched
		}
	} else {
		j.still = false
		for i, r := range j.set.Rules {
			j.rules[i] = j.set.blank[i]
			if r.Mode != Off {
				j.judge(&j.rules[i], r, now, &need)
				matched = matched || j.rules[i].Result == Matched
			}
		}
	}
	v.Generation, v.Rules, v.Action, v.Override, v.Report = j.set.Generation, j.rules, NoAction, NoOverride, NoReport
	v.Need = need.need
	if matched {
		v.conclude()
	}
	return v
}

// asksText reports whether some rule, whatever else holds, asks what is in the text:
// one that is in no scope, or whose scope does not keep the message out.
func (j *Judging) asksText() bool {
	return j.set.always || slices.ContainsFunc(j.set.scoped, func(rules []int) bool { return j.keptOut(j.set.Rules[rules[0]]) == nowhere })
}

// quiet writes the verdicts of a message in which nothing was found, but for the
// open rules. Most of them are there already, from the message before: what differs
// from one to the next is which scopes keep it out.
func (j *Judging) quiet() {
	if !j.still {
		j.still = true
		copy(j.rules, j.set.quiet)
		j.kept = append(j.kept[:0], j.set.inside...)
	}
	for g, rules := range j.set.scoped {
		first := j.set.Rules[rules[0]]
		out := j.keptOut(first)
		if out == j.kept[g] {
			continue
		}
		j.kept[g] = out
		for _, i := range rules {
			v := &j.rules[i]
			if out == nowhere {
				v.Result, v.Reason = NoMatch, v.Rule.quiet
			} else {
				v.Result, v.Reason = OutOfScope, v.Rule.outside[out]
			}
		}
	}
}

// Try judges one rule of the set as if its mode were shadow, for the tests beside
// a rule. The second result is what must be known before the first is final.
func (s *Set) Try(r *Rule, m *Message, c *Context, now time.Time) (RuleVerdict, Need) {
	var need gaps
	j := s.Begin(m)
	j.know(c)
	j.now = now
	v := RuleVerdict{Rule: r}
	j.judge(&v, r, now, &need)
	return v, need.need
}

func (j *Judging) know(c *Context) {
	if c == nil {
		c = nobody.c
	}
	j.c = c
}

// judge takes one rule through its gates: scope, condition, exceptions. v is its
// verdict.
func (j *Judging) judge(v *RuleVerdict, r *Rule, now time.Time, need *gaps) {
	in := yes
	for i := range r.gates {
		in = min(in, j.gate(r, i))
	}
	if in == no {
		v.Result, v.Reason = OutOfScope, r.outside[j.keptOut(r)]
		return
	}
	if r.needsText && (j.silent() || !j.touches(r)) {
		v.Result, v.Reason = NoMatch, r.quiet
		return
	}
	held := r.when.eval(j, unknown)
	if held == no {
		j.missed(r, v)
		return
	}
	by, lapsed, excepted := j.exceptions(r, now)
	if excepted == yes {
		v.Result, v.Reason = Excepted, "exception "+by.ID+" applies"+by.until()
		v.Matches = j.explain(r.when, held).matches
		return
	}
	assume := unknown
	if min(in, held, excepted.not()) == unknown {
		g := j.hangsOn(r, in, held, excepted, now)
		if !j.c.Final {
			need.add(g.need)
			v.Result, v.Reason = NearMiss, "hangs on what is not known yet: "+sentence(g.assumed)
			return
		}
		v.Assumed, assume = g.assumed, yes
	}
	a := j.explain(r.when, assume)
	v.Result, v.Matches = Matched, once(a.matches)
	v.Reason = sentence(a.held)
	if v.Reason == "" {
		v.Reason = "nothing that the rule excludes occurred"
	}
	if lapsed != nil {
		v.Reason += "; exception " + lapsed.ID + " no longer applies: it expired" + lapsed.on()
	}
	if len(v.Assumed) > 0 {
		v.Reason += "; could not be told and was assumed: " + sentence(v.Assumed)
	}
}

// gate answers the i-th gate of a rule's scope. One that rules share is answered
// once for a message.
func (j *Judging) gate(r *Rule, i int) truth {
	g := r.gates[i]
	if i >= len(r.shared) || r.shared[i] >= maxShared {
		return g.eval(j, unknown)
	}
	shared := r.shared[i]
	if j.answered&(1<<shared) == 0 {
		j.answered |= 1 << shared
		j.answers[shared] = g.eval(j, unknown)
	}
	return j.answers[shared]
}

// nowhere says that no gate keeps a message out.
const nowhere = -1

// keptOut returns the first gate of a rule's scope that keeps the message out.
func (j *Judging) keptOut(r *Rule) int {
	for i := range r.gates {
		if j.gate(r, i) == no {
			return i
		}
	}
	return nowhere
}

// missed tells a near miss from no match. A rule about text comes near by what is
// found in the text; one without any, by a condition that held.
func (j *Judging) missed(r *Rule, v *RuleVerdict) {
	if r.content && !j.touches(r) {
		v.Result, v.Reason = NoMatch, r.quiet
		return
	}
	a := j.explain(r.when, unknown)
	v.Result, v.Reason = NoMatch, sentence(a.stopped)
	if a.evidence || !r.content && len(a.held) > 0 {
		v.Result, v.Matches = NearMiss, once(a.matches)
		if len(a.held) > 0 {
			v.Reason += "; held: " + sentence(a.held)
		}
	}
}

// silent reports whether nothing at all was found in the text that any rule asks
// for, which is so of most messages.
func (j *Judging) silent() bool {
	if j.heard == 0 {
		j.heard = 1
		if j.set.detects && len(j.matchesAll()) > 0 || j.anyHits() || j.anyPattern() {
			j.heard = 2
		}
	}
	return j.heard == 1
}

// touches reports whether any content condition of r found anything at all.
func (j *Judging) touches(r *Rule) bool {
	for _, c := range r.leaves {
		switch c := c.(type) {
		case *Detect:
			if len(j.matchesOf(c.Detector)) > 0 {
				return true
			}
		case *Keywords:
			if j.occurs(c) {
				return true
			}
		case *Regex:
			if j.regexMatches(c) {
				return true
			}
		}
	}
	return false
}

// exceptions returns the first exception that applies, or unknown if one might.
// An expired one never does; lapsed is one that would have.
func (j *Judging) exceptions(r *Rule, now time.Time) (by, lapsed *Exception, t truth) {
	t = no
	for i := range r.exceptions {
		e := &r.exceptions[i]
		applies := e.When.eval(j, unknown)
		switch {
		case e.Expired(now):
			if applies == yes {
				lapsed = e
			}
		case applies == yes:
			return e, nil, yes
		default:
			t = max(t, applies)
		}
	}
	return nil, lapsed, t
}

// hangsOn gathers what keeps the result of r open.
func (j *Judging) hangsOn(r *Rule, in, held, excepted truth, now time.Time) gaps {
	var g gaps
	if in == unknown {
		for _, gate := range r.gates {
			if gate.eval(j, unknown) == unknown {
				j.gather(gate, &g)
			}
		}
	}
	if held == unknown {
		j.gather(r.when, &g)
	}
	if excepted == unknown {
		for _, e := range r.exceptions {
			if !e.Expired(now) && e.When.eval(j, unknown) == unknown {
				j.gather(e.When, &g)
			}
		}
	}
	return g
}

func (g *gaps) add(n Need) {
	g.need.Conversation = g.need.Conversation || n.Conversation
	g.need.Person = g.need.Person || n.Person
	for _, id := range n.Groups {
		if !slices.Contains(g.need.Groups, id) {
			g.need.Groups = append(g.need.Groups, id)
		}
	}
}

// once sorts matches by place and drops what two conditions found alike.
func once(list []detect.Match) []detect.Match {
	slices.SortFunc(list, func(a, b detect.Match) int {
		return cmp.Or(a.Start-b.Start, a.End-b.End, cmp.Compare(a.Detector, b.Detector))
	})
	return slices.CompactFunc(list, func(a, b detect.Match) bool {
		return a.Start == b.Start && a.End == b.End && a.Detector == b.Detector
	})
}

// conclude fills in what the rules together ask for. Only rules that enforce
// contribute; shadow rules count for Severity alone.
func (v *Verdict) conclude() {
	for i := range v.Rules {
		r := &v.Rules[i]
		if r.Result != Matched {
			continue
		}
		if r.Rule.Severity.rank() > v.Severity.rank() {
			v.Severity = r.Rule.Severity
		}
		if r.enforces() && r.Rule.Action.rank() > v.Action.rank() {
			v.Action = r.Rule.Action
		}
	}
	if !v.enforced() {
		return
	}
	v.Override = WithoutJustification
	var tipOf Severity
	release := true
	for i := range v.Rules {
		r := &v.Rules[i]
		if !r.enforces() || r.Rule.Action != v.Action {
			continue
		}
		rule := r.Rule
		if !slices.Contains(v.Descriptions, rule.Title) {
			v.Descriptions = append(v.Descriptions, rule.Title)
		}
		if rule.Override.rank() < v.Override.rank() {
			v.Override = rule.Override
		}
		release = release && rule.Report == ReleaseReport
		if rule.Report != NoReport && rule.Report != "" && rule.Tip != (Tip{}) && rule.Severity.rank() > tipOf.rank() {
			v.Tip, tipOf, v.Report = rule.Tip, rule.Severity, ReviewReport
		}
	}
	if release && v.Report != NoReport {
		v.Report = ReleaseReport
	}
}

// enforced reports whether the verdict asks for anything to be done in Teams.
func (v *Verdict) enforced() bool { return v.Action.rank() > 0 }

func (r *RuleVerdict) enforces() bool { return r.Result == Matched && r.Rule.Mode == Enforce }

// rank orders actions from the mildest; no action is 0.
func (a Action) rank() int {
	return slices.Index([]Action{Notify, BlockExternal, Block}, a) + 1
}

// rank orders severities from the lowest; no severity is 0.
func (s Severity) rank() int {
	return slices.Index([]Severity{Low, Medium, High, Critical}, s) + 1
}

// rank orders overrides from the least permissive. What is not known permits
// nothing.
func (o Override) rank() int {
	return max(0, slices.Index([]Override{NoOverride, WithJustification, WithoutJustification}, o))
}
