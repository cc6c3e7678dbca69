package rulefile

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"teamsdlp/policy"
	"teamsdlp/policy/detect"
)

// soon is how long before an exception expires lint says so.
const soon = 30 * 24 * time.Hour

// linter collects findings.
type linter struct {
	set  *set
	now  time.Time
	cost func(*detect.Pattern) time.Duration // of a kilobyte of chat
	list []Finding
}

// lint remarks on a set that compiles.
func (s *set) lint(dir string, now time.Time, cost func(*detect.Pattern) time.Duration) []Finding {
	if cost == nil {
		cost = costNow
	}
	l := &linter{set: s, now: now, cost: cost}
	if len(s.rules) == 0 {
		l.add("empty-set", place{file: dir}, "no rules: no message is ever acted on. Add a rule, or check that this is the right directory")
	}
	l.unused()
	l.exact()
	l.patterns()
	for i, r := range s.rules {
		l.rule(r)
		l.duplicates(r, s.rules[:i])
	}
	slices.SortStableFunc(l.list, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Col-b.Col)
	})
	return l.list
}

func costNow(p *detect.Pattern) time.Duration { return p.Cost(time.Now) }

func (l *linter) add(code string, at place, format string, args ...any) {
	l.list = append(l.list, Finding{Code: code, File: at.file, Line: at.line, Col: at.col, Rule: at.rule, Msg: fmt.Sprintf(format, args...)})
}

// unused finds names that no rule uses. A name that is also a typo elsewhere would
// be a fault there already.
func (l *linter) unused() {
	for _, id := range keys(l.set.detectors) {
		if x := l.set.detectors[id]; !x.used {
			l.add("unused-detector", x.place, "detector %q is used by no rule: remove it, or use it", id)
		}
	}
	for _, id := range keys(l.set.lists) {
		if x := l.set.lists[id]; !x.used {
			l.add("unused-list", x.place, "list %q is used by no rule: remove it, or use it", id)
		}
	}
	for _, id := range keys(l.set.groups) {
		if x := l.set.groups[id]; !x.used {
			l.add("unused-group", x.place, "group %q is used by no rule: remove it, or use it", id)
		}
	}
}

// exact looks at the detectors of exact data.
func (l *linter) exact() {
	open := map[string]bool{}
	for _, id := range l.set.order {
		x := l.set.detectors[id]
		if x.Exact == nil {
			continue
		}
		key := x.exact.key
		if mode := l.set.modes[key.name]; mode.Perm()&0o077 != 0 && !open[key.name] {
			open[key.name] = true
			l.add("open-key", place{file: x.file, line: key.node.Line, col: key.node.Column}, "others than its owner can read the key %s: chmod 600 mends that", key.name)
		}
		one := x.Exact.Table.OneIn()
		alone := x.Alone > 0 || len(x.Exact.Table.Info().Columns) == 1
		if alone && one > 0 && one < chance {
			l.add("exact-by-chance", x.place, "detector %q: one in %d numbers of the length of %s is in the table, so that any number may match alone: set confidence.alone to none, and have other columns corroborate",
				id, one, x.Exact.Table.Info().Columns[0].Name)
		}
	}
}

// chance is up to how many numbers hold one of the table's too often for a match
// without anything else.
const chance = 10_000

func (l *linter) rule(r *rule) {
	l.reach(r)
	l.tests(r)
	l.words(r)
	for _, e := range r.exceptions {
		l.exception(e)
	}
	policy.Leaves(r.when, func(c policy.Condition, _ bool) {
		if re, ok := c.(*policy.Regex); ok {
			l.slow(r.place, re.Pattern)
		}
	})
}

// patterns looks at what the detectors' patterns cost.
func (l *linter) patterns() {
	for _, id := range keys(l.set.detectors) {
		x := l.set.detectors[id]
		for i, p := range x.Patterns {
			at := x.place
			if len(x.patterns) == len(x.Patterns) {
				at.line, at.col = x.patterns[i].Line, x.patterns[i].Column
			}
			if re, err := regexp.Compile(p); err == nil {
				l.slow(at, re)
			}
		}
	}
}

// A pattern that costs more than dear for a kilobyte of chat is dearer than all
// built-in detectors together.
const dear = 20 * time.Microsecond

// slow finds expressions that are run over every message, or cost too much for
// another reason. What one costs is measured, here and now.
func (l *linter) slow(at place, re *regexp.Regexp) {
	p := detect.NewPattern(re)
	cost := l.cost(p).Round(100 * time.Nanosecond)
	switch {
	case !p.Gated():
		l.add("slow-regex", at, "the expression is run over every message, at %v a KB: give it fixed text of two letters or more, or digits in a match of bounded length", cost)
	case cost > dear:
		l.add("slow-regex", at, "the expression costs %v a KB of chat, more than %v: give it longer fixed text, and bound its repetitions", cost, dear)
	}
}

// reach finds rules that cannot match, or match what they should not.
func (l *linter) reach(r *rule) {
	w, ok := explore(r, l.now)
	switch {
	case !ok:
		return
	case !w.inScope:
		l.add("never-fires", r.place, "the rule can never fire: no message is in its scope. Take out what contradicts itself")
	case !w.holds:
		l.add("never-fires", r.place, "the rule can never fire: its condition contradicts itself. Take out one side")
	case !w.both:
		l.add("never-fires", r.place, "the rule can never fire: its scope leaves out every message that its condition asks for. Widen the scope, or change the condition")
	case !w.matches:
		l.add("never-fires", r.place, "the rule can never fire: one of its exceptions applies to all it matches. Narrow the exception")
	}
	if w.clean {
		l.add("matches-clean-text", r.place, "the rule can match a message in which nothing was found: join a detect, keyword, list or regex condition with all")
	}
	if r.about.Action == policy.BlockExternal && w.matches && !w.outsiders {
		l.add("block-external-inside", r.place, "block-external does nothing where only people inside the organisation can read: use block, or audience external")
	}
}

func (l *linter) tests(r *rule) {
	if r.about.Mode != policy.Enforce {
		return
	}
	switch {
	case len(r.tests.match)+len(r.tests.noMatch) == 0:
		l.add("enforce-without-tests", r.place, "the rule enforces without tests: add tests.match and tests.no_match")
	case len(r.tests.match) == 0:
		l.add("enforce-without-match-test", r.place, "no test shows what the rule matches: add tests.match")
	case len(r.tests.noMatch) == 0:
		l.add("enforce-without-no-match-test", r.place, "no test shows what the rule must leave alone: add tests.no_match")
	}
}

// words looks at what the sender is told.
func (l *linter) words(r *rule) {
	about := r.about
	tip := about.Tip.Text != ""
	switch {
	case tip && about.Report == policy.NoReport:
		l.add("tip-not-sent", r.place, "report_false_positive none sends no tip, because Teams offers a report wherever there is a tip: use review, or take the tip out")
	case !tip && about.Action != policy.Notify:
		l.add("block-without-tip", r.place, "the sender is not told why the message is blocked: add a tip")
	}
	switch {
	case about.Action == policy.Notify && about.Override != policy.NoOverride:
		l.add("override-of-notify", r.place, "override has nothing to lift where the action is notify: take it out")
	case about.Override != policy.NoOverride && (!tip || about.Report == policy.NoReport):
		l.add("override-without-tip", r.place, "the sender can only override where a tip is shown: add a tip, and report_false_positive review")
	}
}

func (l *linter) exception(e exception) {
	switch {
	case e.Expired(l.now):
		l.add("expired-exception", e.place, "exception %q expired after %s and no longer applies: remove or renew it", e.ID, lastDay(e.Exception))
	case e.Expires.IsZero():
		l.add("exception-without-end", e.place, "exception %q never expires: give it expires", e.ID)
	case e.Expired(l.now.Add(soon)):
		l.add("expiring-exception", e.place, "exception %q expires after %s: renew it if it is still needed", e.ID, lastDay(e.Exception))
	}
	if e.Owner == "" {
		l.add("exception-without-owner", e.place, "exception %q has no owner: say who answers for it", e.ID)
	}
}

func lastDay(e policy.Exception) string { return e.Expires.AddDate(0, 0, -1).Format(time.DateOnly) }

// duplicates finds rules that say what an earlier one says.
func (l *linter) duplicates(r *rule, earlier []*rule) {
	for _, o := range earlier {
		if o.about.Mode == r.about.Mode && describeRule(o) == describeRule(r) {
			l.add("duplicate-rule", r.place, "the rule has the scope and condition of %q at line %d: join the two", o.about.ID, o.line)
			return
		}
	}
}

func describeRule(r *rule) string {
	return Describe(policy.All(r.scope.Conditions())) + "|" + Describe(r.when)
}
