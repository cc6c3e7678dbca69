package detect

import (
	"slices"
	"strings"
	"testing"

	"teamsdlp/policy/extract"
)

// Every detector's examples hold, and there are enough of them.
func TestExamples(t *testing.T) {
	families := []string{"financial", "person", "company", "health", "travel", "contact", "network", "secret", "content"}
	for _, d := range Builtin() {
		if d.Name == "" || d.Source == "" || d.Tier == "" || !slices.Contains(families, d.Family) {
			t.Errorf("%s: incomplete: %+v", d.ID, d)
		}
		if len(d.Match) < 3 || len(d.NoMatch) < 3 {
			t.Errorf("%s: %d and %d examples, want at least 3 of both", d.ID, len(d.Match), len(d.NoMatch))
		}
		if d.Validate != "" && !HasValidator(d.Validate) {
			t.Errorf("%s: no validator %q", d.ID, d.Validate)
		}
		for _, s := range d.Match {
			if _, ok := find(d.ID, extract.Plain(s)); !ok {
				t.Errorf("%s: nothing in %q%s", d.ID, s, explain(s))
			}
		}
		for _, s := range d.NoMatch {
			if m, ok := find(d.ID, extract.Plain(s)); ok {
				t.Errorf("%s: found at %d:%d in %q: %s", d.ID, m.Start, m.End, s, m.Why)
			}
		}
	}
}

// find returns the first match of a detector.
func find(id string, text *extract.Text) (Match, bool) {
	for _, m := range builtinEngine.Scan(text, Options{}) {
		if m.Detector == id {
			return m, true
		}
	}
	return Match{}, false
}

// explain says what became of the candidates in s.
func explain(s string) string {
	var b strings.Builder
	m, r := builtinEngine.ScanExplain(extract.Plain(s), Options{})
	for _, x := range m {
		b.WriteString("\n\tmatch " + x.Detector + ": " + x.Why)
	}
	for _, x := range r {
		b.WriteString("\n\trejected " + x.Detector + ": " + x.Gate)
	}
	return b.String()
}

// builtinEngine is the engine without a company's own detectors.
var builtinEngine = mustNew()

func mustNew() *Engine {
	e, errs := New(nil)
	if len(errs) > 0 {
		panic(errs[0]) // the catalogue is part of the program
	}
	return e
}
