package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const tulipRule = `
rules:
  - id: tulip
    title: Tulip
    owner: security@contoso.com
    severity: low
    mode: enforce
    when: {keyword: [tulip]}
    action: block
    tip: {text: No tulips here.}
    tests: {match: [a tulip], no_match: [a rose]}
`

// TestRulesReload: what is saved into the rule directory comes into force, whole or
// not at all, and every change is an entry. That it does in 5 seconds is shown on a clock
// that no machine slows: policy/rulefile.TestWatchInTime.
func TestRulesReload(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL()).up()
	seen := len(s.entries("kind=rules"))
	if seen != 1 {
		t.Fatalf("%d entries about rules after the start; want 1", seen)
	}
	// change does something to the directory and wants one entry with what it says.
	change := func(say string, do func()) (generation string) {
		t.Helper()
		do()
		var list []entry
		waitFor(t, "an entry that says "+say, func() bool { list = s.entries("kind=rules"); return len(list) > seen })
		if len(list) != seen+1 || !strings.Contains(list[seen].Verdict, say) {
			t.Errorf("entries %+v; want one, that says %q", list[seen:], say)
		}
		seen = len(list)
		return list[seen-1].Generation
	}
	// is wants text to be blocked or left alone.
	is := func(text string, want bool) {
		t.Helper()
		m := say(t, twin, "ana", "ana-li", text)
		s.settle(twin)
		if v := shown(t, twin, m); v.Blocked != want || len(v.Patches) > 1 {
			t.Errorf("%q: blocked %v with %d PATCHes; want blocked %v", text, v.Blocked, len(v.Patches), want)
		}
	}
	first := s.entries("kind=rules")[0].Generation
	is("a tulip", false)

	second := change("in force: 3 rules", func() { s.writeRule("tulip.yaml", tulipRule) })
	if second == first {
		t.Error("another set of rules has the same generation")
	}
	is("a tulip", true)
	is("card "+card, true)

	broken := strings.Replace(strings.Replace(tulipRule, "keyword", "keywrd", 1), "tulip]}", "rose]}", 1)
	if g := change("refused with 1 fault:", func() { s.writeRule("tulip.yaml", broken) }); g != second {
		t.Errorf("after a refused change the entry names generation %s; want %s, which stays in force", g, second)
	}
	s.says(t, `rules refused.*tulip\.yaml:8:12: .*unknown condition.*keywrd.*did you mean.*keyword`)
	is("a tulip", true)
	is("a rose", false)
	is("card "+card, true)

	if g := change("holds again what is in force", func() { s.writeRule("tulip.yaml", tulipRule) }); g != second {
		t.Errorf("generation %s; want %s: the files are the same again", g, second)
	}

	base := readFile(t, "testdata/rules/base.yaml")
	is("meet me in the glasshouse", false)
	change("in force: 3 rules", func() { s.writeRule("base.yaml", strings.Replace(base, "mode: shadow", "mode: enforce", 1)) })
	is("meet me in the glasshouse", true)
	if g := change("in force: 3 rules", func() { s.writeRule("base.yaml", base) }); g != second {
		t.Errorf("generation %s; want %s: it is named by its content", g, second)
	}
	is("meet me in the glasshouse", false)
	change("in force: 2 rules", func() {
		if err := os.Remove(filepath.Join(s.rules(), "tulip.yaml")); err != nil {
			t.Fatal(err)
		}
	})
	is("a tulip", false)
	if got := s.metric(`teamsdlp_rule_generations_total{result="refused"}`); got != 1 {
		t.Errorf("%v refused generations are counted; want 1", got)
	}
}

// TestRulesBrokenAtStart: there is no last good set to fall back on, so the
// service does not start, and says every fault.
func TestRulesBrokenAtStart(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL())
	s.writeRule("tulip.yaml", strings.NewReplacer("keyword", "keywrd", "severity: low", "severity: lwo").Replace(tulipRule))
	s.launch()
	code := s.wait(t)
	for _, want := range []string{"tulip.yaml:6:15:", "tulip.yaml:8:12:"} {
		if code != 2 || !strings.Contains(s.stderr.String(), want) {
			t.Errorf("exit code %d, want 2 and %s in\n%s", code, want, s.stderr.String())
		}
	}
}
