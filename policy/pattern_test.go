package policy

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
)

// TestPossibleLosesNothing: what is behind a gate finds what the expression finds
// alone.
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
		var h detect.Haystack
		h.Reset(m.Text.Bytes())
		want := re.FindAllSubmatchIndex(m.Text.Bytes(), -1)
		if diff := cmp.Diff(want, detect.NewPattern(re).Find(&h, -1)); diff != "" {
			t.Fatalf("%s in %q (-want +got):\n%s", re, text.String(), diff)
		}
	}
	if hits < 1000 {
		t.Fatalf("only %d of the tries matched", hits)
	}
}
