package policy

import (
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"

	"teamsdlp/policy/extract"
)

func TestRequired(t *testing.T) {
	lit := func(s string) literal { return literal{s, false} }
	fold := func(s string) literal { return literal{s, true} }
	tests := []struct {
		pattern string
		want    []literal
	}{
		{`CE-\d{6}`, []literal{lit("CE-")}},
		{`\d+`, nil},
		{`a\d`, nil}, // one letter is in every message
		{`(?:alpha|beta)\d`, []literal{lit("alpha"), lit("beta")}},
		{`(?:alpha|\d)x`, nil},
		{`(alpha)?beta`, []literal{lit("beta")}},
		{`(alpha)*`, nil},
		{`(alpha)+`, []literal{lit("alpha")}},
		{`(?i)Confidential`, []literal{fold("confidential")}},
		{`(?i)secret`, []literal{fold("ecret")}}, // the long s folds to s
		{`(?i)kaks`, nil},                        // and the Kelvin sign to k
		{`(?i)straße`, []literal{fold("tra")}},
		{`straße`, []literal{lit("straße")}},
		{"\uFFFDab", []literal{lit("ab")}}, // also matches broken UTF-8
	}
	for _, tt := range tests {
		p := newPattern(regexp.MustCompile(tt.pattern))
		if !slices.Equal(p.any, tt.want) {
			t.Errorf("%s: got %+v, want %+v", tt.pattern, p.any, tt.want)
		}
	}
}

// TestPossibleLosesNothing: wherever the pattern matches, the search for its
// literals lets it through.
func TestPossibleLosesNothing(t *testing.T) {
	pieces := []string{"ab", "k", "S", "s", "É", "é", `\d`, "x+", "(?:ab|cd)", "(?i:ks)", "(?i:abk)", "y*", "z?", ".", "\uFFFD", "(?:q|ab){2}"}
	inputs := []string{"ab", "AB", "k", "\u212A", "\u017F", "S", "s", "É", "é", "5", "xx", "cd", "y", "z", "\xff", "q", " "}
	d := dice{rand.New(rand.NewPCG(5, 6))}
	hits := 0
	for range 20000 {
		var pattern, text strings.Builder
		for range 1 + d.IntN(4) {
			pattern.WriteString(pick(d, pieces...))
		}
		for range d.IntN(8) {
			text.WriteString(pick(d, inputs...))
		}
		re := regexp.MustCompile(pattern.String())
		m := &Message{Text: extract.Plain(text.String())}
		if !re.Match(m.Text.Bytes()) {
			continue
		}
		hits++
		if j := (&Judging{m: m}); !newPattern(re).possible(j) {
			t.Fatalf("%s matches %q, but its literals do not", re, text.String())
		}
	}
	if hits < 1000 {
		t.Fatalf("only %d of the tries matched", hits)
	}
}
