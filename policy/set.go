package policy

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"teamsdlp/policy/detect"
)

// Scope limits where and for whom a rule is judged. Every field that is set must
// hold; zero is everywhere and everybody.
type Scope struct {
	Conversations []string // kinds, as in InConversation
	Users         []string // object ids
	NotUsers      []string
	Domains       []string
	NotDomains    []string
	InGroups      []Group
	NotInGroups   []Group
}

// Conditions returns the scope as conditions of which all must hold.
func (s Scope) Conditions() []Condition {
	var list []Condition
	if s.Conversations != nil {
		list = append(list, InConversation(s.Conversations))
	}
	senders := []struct {
		set bool
		not bool
		is  SentBy
	}{
		{s.Users != nil, false, SentBy{Users: s.Users}},
		{s.NotUsers != nil, true, SentBy{Users: s.NotUsers}},
		{s.Domains != nil, false, SentBy{Domains: s.Domains}},
		{s.NotDomains != nil, true, SentBy{Domains: s.NotDomains}},
		{s.InGroups != nil, false, SentBy{Groups: s.InGroups}},
		{s.NotInGroups != nil, true, SentBy{Groups: s.NotInGroups}},
	}
	for _, c := range senders {
		switch {
		case c.set && c.not:
			list = append(list, Not{c.is})
		case c.set:
			list = append(list, c.is)
		}
	}
	return list
}

// Exception is where a rule, though it matches, does not act.
type Exception struct {
	ID     string
	Reason string
	Owner  string
	// Expires is the first instant at which it no longer applies; zero: never.
	Expires time.Time
	When    Condition
}

// Expired reports whether the exception no longer applies.
func (e *Exception) Expired(now time.Time) bool {
	return !e.Expires.IsZero() && !now.Before(e.Expires)
}

// lastDay is the last day on which the exception applies, as rule files say it.
func (e *Exception) lastDay() string {
	return e.Expires.Add(-time.Nanosecond).UTC().Format(time.DateOnly)
}

func (e *Exception) until() string {
	if e.Expires.IsZero() {
		return ""
	}
	return " (until " + e.lastDay() + ")"
}

func (e *Exception) on() string { return " after " + e.lastDay() }

// NewRule makes a rule out of what about describes and what decides it. It panics
// if when is nil: a rule without a condition would match everything.
func NewRule(about Rule, scope Scope, when Condition, exceptions []Exception) *Rule {
	if when == nil {
		panic("policy: rule " + about.ID + " without a condition")
	}
	about.scope, about.gates, about.when, about.exceptions = scope, scope.Conditions(), when, exceptions
	var quiet []string
	Leaves(when, func(leaf Condition, negated bool) {
		if said := absent(leaf); said != "" {
			about.leaves = append(about.leaves, leaf)
			if !negated {
				about.content = true
				quiet = append(quiet, said)
			}
		}
	})
	about.quiet = sentence(quiet)
	about.needsText = !couldHold(when, true)
	for _, g := range about.gates {
		about.outside = append(about.outside, "scope: "+stops(g))
	}
	return &about
}

// stops says why a gate of a scope keeps a message out. Each asks one thing only, so
// it is the same of every message.
func stops(g Condition) string {
	if n, ok := g.(Not); ok {
		return contextReason(n.Condition, true, nobody) + ", which the rule excludes"
	}
	return contextReason(g, false, nobody)
}

// nobody is a message of which nothing is known.
var nobody = &Judging{asked: asked{m: &Message{}, c: &Context{}}}

// couldHold reports whether c could answer want though nothing was found in the
// text.
func couldHold(c Condition, want bool) bool {
	switch c := c.(type) {
	case Not:
		return couldHold(c.Condition, !want)
	case All, Any:
		_, all := c.(All)
		for _, p := range parts(c) {
			if could := couldHold(p, want); could != (all == want) {
				return could
			}
		}
		return all == want
	case *Detect, *Keywords, *Regex:
		return !want
	}
	return true
}

// absent says that a content condition found nothing; empty for a context one.
func absent(c Condition) string {
	switch c := c.(type) {
	case *Detect:
		return c.Detector + " did not occur"
	case *Keywords:
		return c.name() + " did not occur"
	case *Regex:
		return "the rule's regex did not match"
	}
	return ""
}

// Scope returns where and for whom the rule is judged.
func (r *Rule) Scope() Scope { return r.scope }

// When returns the rule's condition. It must not be changed.
func (r *Rule) When() Condition { return r.when }

// Exceptions returns the rule's exceptions, expired ones included.
func (r *Rule) Exceptions() []Exception { return slices.Clone(r.exceptions) }

// NewSet compiles rules, in file order, into one generation. The engine must know
// every detector they name. A rule belongs to one set.
func NewSet(generation string, engine *detect.Engine, rules []*Rule, options detect.Options) *Set {
	s := &Set{Generation: generation, Rules: rules, engine: engine, options: options}
	if engine != nil {
		s.scanner = engine
	}
	s.compile()
	return s
}

// Engine returns the detection engine that the set searches with.
func (s *Set) Engine() *detect.Engine { return s.engine }

// compile joins the terms of all rules into one search, and equal patterns into
// one. A list that many rules name is taken once.
func (s *Set) compile() {
	lists := map[string]int{}
	terms := map[string]int{}
	patterns := map[string]int{}
	leaf := func(c Condition, _ bool) {
		switch c := c.(type) {
		case *Keywords:
			c.index = intern(lists, c.key(), func(string) {
				list := len(lists) - 1
				for _, t := range c.Terms {
					i := intern(terms, strings.TrimSpace(t), func(t string) { s.terms = append(s.terms, term{text: t}) })
					s.terms[i].lists = appendOnce(s.terms[i].lists, list)
				}
			})
		case *Detect:
			s.detects = true
		case *Regex:
			c.index = intern(patterns, c.Pattern.String(), func(string) { s.patterns = append(s.patterns, detect.NewPattern(c.Pattern)) })
		}
	}
	for _, r := range s.Rules {
		Leaves(r.when, leaf)
		for i := range r.exceptions {
			Leaves(r.exceptions[i].When, leaf)
		}
	}
	gates, scopes := map[string]int{}, map[string]int{}
	for i, r := range s.Rules {
		r.shared = make([]int, len(r.gates))
		for n, g := range r.gates {
			r.shared[n] = intern(gates, fmt.Sprintf("%#v", g), func(string) {})
		}
		v, quiet := RuleVerdict{Rule: r}, RuleVerdict{Rule: r, Result: NoMatch, Reason: r.quiet}
		switch {
		case r.Mode == Off:
			v.Result, v.Reason = OutOfScope, "mode is off"
			quiet = v
		case !r.needsText:
			quiet = v
			s.open = append(s.open, i)
		case len(r.gates) > 0:
			g := intern(scopes, fmt.Sprint(r.shared), func(string) {
				s.scoped, s.inside = append(s.scoped, nil), append(s.inside, nowhere)
			})
			s.scoped[g] = append(s.scoped[g], i)
		default:
			s.always = true
		}
		s.blank, s.quiet = append(s.blank, v), append(s.quiet, quiet)
	}
	s.needles = detect.NewNeedles(s.patterns)
	s.unsearched = make([]patternResult, len(s.patterns))
	s.pool.New = func() any { return new(Judging) }
	if len(s.terms) > 0 {
		all := make([]string, len(s.terms))
		for i := range s.terms {
			all[i] = s.terms[i].text
		}
		s.keywords = detect.NewKeywords(all)
	}
	s.sieve = detect.NewSieve(s.engine, s.needles, s.keywords)
}

// key tells lists of terms apart.
func (k *Keywords) key() string {
	if k.List != "" && len(k.Terms) > 0 {
		return fmt.Sprintf("%s %p %d", k.List, &k.Terms[0], len(k.Terms)) // a named list is long, and shared
	}
	return strings.Join(k.Terms, "\n")
}

func appendOnce(list []int, n int) []int {
	if slices.Contains(list, n) {
		return list
	}
	return append(list, n)
}

// intern returns the number of key, giving it the next one if it is new.
func intern(numbers map[string]int, key string, isNew func(string)) int {
	n, ok := numbers[key]
	if !ok {
		n = len(numbers)
		numbers[key] = n
		isNew(key)
	}
	return n
}

var _ scanner = (*detect.Engine)(nil)
