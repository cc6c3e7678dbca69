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

// Begin begins to judge m, which must not change meanwhile.
func (s *Set) Begin(m *Message) *Judging { return &Judging{set: s, m: m} }

// Judge decides as Set.Judge does. It may be called again with more context.
func (j *Judging) Judge(c *Context, now time.Time) Verdict {
	j.know(c)
	v := Verdict{Generation: j.set.Generation, Rules: make([]RuleVerdict, len(j.set.Rules))}
	var need gaps
	for i, r := range j.set.Rules {
		if r.Mode == Off {
			v.Rules[i] = RuleVerdict{Rule: r, Result: OutOfScope, Reason: "mode is off"}
			continue
		}
		v.Rules[i] = j.judge(r, now, &need)
	}
	v.Need = need.need
	v.conclude()
	return v
}

// Try judges one rule of the set as if its mode were shadow, for the tests beside
// a rule. The second result is what must be known before the first is final.
func (s *Set) Try(r *Rule, m *Message, c *Context, now time.Time) (RuleVerdict, Need) {
	var need gaps
	j := s.Begin(m)
	j.know(c)
	v := j.judge(r, now, &need)
	return v, need.need
}

func (j *Judging) know(c *Context) {
	if c == nil {
		c = &Context{}
	}
	j.c = c
}

// judge takes one rule through its gates: scope, condition, exceptions.
func (j *Judging) judge(r *Rule, now time.Time, need *gaps) RuleVerdict {
	v := RuleVerdict{Rule: r}
	in := All(r.gates).eval(j, unknown)
	if in == no {
		v.Result, v.Reason = OutOfScope, j.outOfScope(r)
		return v
	}
	held := r.when.eval(j, unknown)
	if held == no {
		j.missed(r, &v)
		return v
	}
	by, lapsed, excepted := j.exceptions(r, now)
	if excepted == yes {
		v.Result, v.Reason = Excepted, "exception "+by.ID+" applies"+by.until()
		v.Matches = j.explain(r.when, held).matches
		return v
	}
	assume := unknown
	if min(in, held, excepted.not()) == unknown {
		g := j.hangsOn(r, in, held, excepted, now)
		if !j.c.Final {
			need.add(g.need)
			v.Result, v.Reason = NearMiss, "hangs on what is not known yet: "+sentence(g.assumed)
			return v
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
	return v
}

// outOfScope names the gate that keeps the message out.
func (j *Judging) outOfScope(r *Rule) string {
	for _, g := range r.gates {
		if g.eval(j, unknown) == no {
			return "scope: " + sentence(j.explain(g, unknown).stopped)
		}
	}
	return "scope"
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
	v.Action, v.Override, v.Report = NoAction, NoOverride, NoReport
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
	if !v.Enforced() {
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

// Enforced reports whether the verdict asks for anything to be done in Teams.
func (v *Verdict) Enforced() bool { return v.Action.rank() > 0 }

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
