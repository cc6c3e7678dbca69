package rulefile

import (
	"slices"
	"strings"
	"time"

	"teamsdlp/policy"
)

// maxWorlds bounds how many situations are tried for one rule; a rule with more
// questions than that is not judged by lint.
const maxWorlds = 1 << 17

// maxCompared is how many keywords are compared one with another.
const maxCompared = 1000

// reachable is what a rule does over all situations that can be.
type reachable struct {
	inScope   bool // some situation is in scope
	holds     bool // the condition holds in some
	both      bool // both, in one and the same
	matches   bool // and no exception applies
	clean     bool // it matches with nothing found in the text
	outsiders bool // it matches where an outsider can read
}

// world is one situation: who speaks, where, who reads, and what the text holds.
type world struct {
	kind    string // of conversation
	readers int    // 0 inside only, 1 outsiders, 2 guests
	speaker int    // 0 member, 1 guest, 2 another tenant's, 3 application
	user    int    // index in users; the last is anybody else
	domain  int
	group   []bool
	content []bool
}

// questions are what a rule asks: each distinct leaf, and the ids it compares to.
type questions struct {
	users, domains, groups []string
	content                []policy.Condition
	keys                   []string // of content
	implies                [][2]int // content that cannot be without other content
	excludes               [][2]int
}

func (q *questions) ask(c policy.Condition) {
	policy.Leaves(c, func(leaf policy.Condition, _ bool) {
		switch c := leaf.(type) {
		case policy.SentBy:
			q.users = union(q.users, c.Users)
			q.domains = union(q.domains, c.Domains)
			for _, g := range c.Groups {
				q.groups = union(q.groups, []string{g.ObjectID})
			}
		case *policy.Detect, *policy.Keywords, *policy.Regex:
			if key := Describe(c); !slices.Contains(q.keys, key) {
				q.keys = append(q.keys, key)
				q.content = append(q.content, c)
			}
		}
	})
}

func union(a, b []string) []string {
	for _, s := range b {
		if !slices.Contains(a, s) {
			a = append(a, s)
		}
	}
	return a
}

// relate finds which content cannot be without, or with, which other.
func (q *questions) relate() {
	for i, a := range q.content {
		for j, b := range q.content {
			switch {
			case i == j:
			case implies(a, b):
				q.implies = append(q.implies, [2]int{i, j})
			case i < j && excludes(a, b):
				q.excludes = append(q.excludes, [2]int{i, j})
			}
		}
	}
}

// implies reports whether a text that has a must have b.
func implies(a, b policy.Condition) bool {
	switch a := a.(type) {
	case *policy.Detect:
		b, ok := b.(*policy.Detect)
		return ok && a.Detector == b.Detector && a.Level >= b.Level &&
			(a.IgnoreKnownTest || !b.IgnoreKnownTest) &&
			b.Count.Max == 0 && b.Distinct.Max == 0 &&
			max(a.Count.Min, a.Distinct.Min, 1) >= b.Count.Min &&
			max(a.Distinct.Min, 1) >= b.Distinct.Min
	case *policy.Keywords:
		b, ok := b.(*policy.Keywords)
		if ok && max(len(a.Terms), len(b.Terms)) > maxCompared {
			return a.List != "" && a.List == b.List
		}
		return ok && !slices.ContainsFunc(a.Terms, func(t string) bool {
			return !slices.ContainsFunc(b.Terms, func(u string) bool { return strings.EqualFold(t, u) })
		})
	}
	return false
}

// excludes reports whether no text has both a and b.
func excludes(a, b policy.Condition) bool {
	x, ok := a.(*policy.Detect)
	y, ok2 := b.(*policy.Detect)
	return ok && ok2 && x.Detector == y.Detector && x.Level == y.Level && x.IgnoreKnownTest == y.IgnoreKnownTest &&
		(apart(x.Count, y.Count) || apart(x.Distinct, y.Distinct))
}

func apart(a, b policy.Range) bool {
	return a.Max > 0 && a.Max < b.Min || b.Max > 0 && b.Max < a.Min
}

// explore tries a rule in every situation. It returns false if there are too many.
func explore(r *rule, now time.Time) (reachable, bool) {
	scope := policy.All(r.scope.Conditions())
	var q questions
	q.ask(scope)
	q.ask(r.when)
	for _, e := range r.exceptions {
		q.ask(e.When)
	}
	q.relate()
	const places = 6 * 3 * 4
	bits := len(q.groups) + len(q.content)
	if bits > 16 || places*(len(q.users)+1)*(len(q.domains)+1)<<bits > maxWorlds {
		return reachable{}, false
	}
	var found reachable
	q.each(func(w *world) {
		in, held := q.holds(scope, w), q.holds(r.when, w)
		found.inScope = found.inScope || in
		found.holds = found.holds || held
		if !in || !held {
			return
		}
		found.both = true
		for _, e := range r.exceptions {
			if !e.Expired(now) && q.holds(e.When, w) {
				return
			}
		}
		found.matches = true
		found.clean = found.clean || !slices.Contains(w.content, true)
		found.outsiders = found.outsiders || w.readers > 0
	})
	return found, true
}

// each calls f with every situation that can be.
func (q *questions) each(f func(*world)) {
	w := &world{group: make([]bool, len(q.groups)), content: make([]bool, len(q.content))}
	for _, w.kind = range slices.Concat(policy.ChatKinds, policy.ChannelKinds) {
		for w.readers = range 3 {
			for w.speaker = range 4 {
				if w.speaker == 1 && w.readers < 2 || w.speaker == 2 && w.readers < 1 {
					continue // who speaks also reads
				}
				for w.user = range len(q.users) + 1 {
					for w.domain = range len(q.domains) + 1 {
						q.eachBits(w, f)
					}
				}
			}
		}
	}
}

func (q *questions) eachBits(w *world, f func(*world)) {
	g := len(q.groups)
	for bits := range 1 << (g + len(q.content)) {
		for i := range w.group {
			w.group[i] = bits>>i&1 == 1
		}
		for i := range w.content {
			w.content[i] = bits>>(g+i)&1 == 1
		}
		if w.speaker > 1 && slices.Contains(w.group, true) || w.speaker == 3 && w.domain < len(q.domains) {
			continue // only accounts of the home tenant are in its groups; an application has no domain
		}
		if q.possible(w) {
			f(w)
		}
	}
}

func (q *questions) possible(w *world) bool {
	for _, p := range q.implies {
		if w.content[p[0]] && !w.content[p[1]] {
			return false
		}
	}
	for _, p := range q.excludes {
		if w.content[p[0]] && w.content[p[1]] {
			return false
		}
	}
	return true
}

// holds answers a condition in a situation in which everything is known.
func (q *questions) holds(c policy.Condition, w *world) bool {
	switch c := c.(type) {
	case policy.All:
		for _, x := range c {
			if !q.holds(x, w) {
				return false
			}
		}
		return true
	case policy.Any:
		return slices.ContainsFunc(c, func(x policy.Condition) bool { return q.holds(x, w) })
	case policy.Not:
		return !q.holds(c.Condition, w)
	case policy.Audience:
		switch c {
		case policy.Internal:
			return w.readers == 0
		case policy.External:
			return w.readers > 0
		}
		return w.readers == 2
	case policy.InConversation:
		return slices.Contains(c, w.kind)
	case policy.SentBy:
		return q.sentBy(c, w)
	}
	return w.content[slices.Index(q.keys, Describe(c))]
}

func (q *questions) sentBy(s policy.SentBy, w *world) bool {
	is := func(list, all []string, at int) bool { return at < len(all) && slices.Contains(list, all[at]) }
	switch {
	case s.Users != nil && !is(s.Users, q.users, w.user):
		return false
	case s.Domains != nil && !is(s.Domains, q.domains, w.domain):
		return false
	case s.Guest != nil && *s.Guest != (w.speaker == 1):
		return false
	case s.App != nil && *s.App != (w.speaker == 3):
		return false
	}
	return s.Groups == nil || slices.ContainsFunc(s.Groups, func(g policy.Group) bool { return w.group[slices.Index(q.groups, g.ObjectID)] })
}
