package detect

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"testing"

	"teamsdlp/policy/detect/catalogue"
)

var update = flag.Bool("update", false, "write README.md, the page of the catalogue")

// measured is what "make accuracy" found out about a detector.
type measured struct {
	Detector  string  `json:"detector"`
	Labels    int     `json:"labels"`
	Precision float64 `json:"precision"`
	Recall    float64 `json:"recall"`
}

// The page of the catalogue is that of the detectors and of what was measured.
func TestPage(t *testing.T) {
	const page = "README.md"
	want := cataloguePage(t)
	if *update {
		if err := os.WriteFile(page, []byte(want), 0o644); err != nil { //nolint:gosec // a page of the repository
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Errorf("%s is not of these detectors and figures: go test ./policy/detect -run TestPage -update", page)
	}
}

func cataloguePage(t *testing.T) string {
	t.Helper()
	figures := map[string]measured{}
	switch data, err := os.ReadFile("../../test/corpus/accuracy.json"); {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		t.Fatal(err)
	default:
		var all []measured
		if err := json.Unmarshal(data, &all); err != nil {
			t.Fatal(err)
		}
		for _, m := range all {
			figures[m.Detector] = m
		}
	}
	all := Builtin()
	byFamily := map[string][]Detector{}
	for _, d := range all {
		byFamily[d.Family] = append(byFamily[d.Family], d)
	}
	var b strings.Builder
	fmt.Fprintf(&b, `# The built-in detectors

%d detectors, generated from the declarations in [catalogue](catalogue) by `+"`go test ./policy/detect -run TestPage -update`"+`; do not edit.
`+"`teamsdlp rules show ID`"+` prints one with its words and examples. A level is what a value is worth: 85 high, 75 medium, 65 low; 40 is only
for rules that combine several things, and a dash is not reported. "alone" is without a word for it nearby, written without a break and (after a
slash, where it differs) in its printed grouping; "with a word" likewise. Tier A is common, B belongs to a region, C is only reported with
evidence. Precision and recall are those of [the labelled corpus](../../test/corpus/README.md) at 65; an empty cell was not measured.
`, len(all))
	for _, family := range catalogue.Families {
		if len(byFamily[family]) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n## %s%s (%d)\n\n", strings.ToUpper(family[:1]), family[1:], len(byFamily[family]))
		b.WriteString("| Detector | Name | Region | Tier | Alone | With a word | Check | Form and algorithm |")
		if len(figures) > 0 {
			b.WriteString(" Precision | Recall |")
		}
		b.WriteString("\n|---|---|---|---|---|---|---|---|")
		if len(figures) > 0 {
			b.WriteString("---|---|")
		}
		b.WriteByte('\n')
		list := byFamily[family]
		slices.SortFunc(list, func(a, b Detector) int { return strings.Compare(a.ID, b.ID) })
		for _, d := range list {
			fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s | %s | %s | %s |", d.ID, cell(d.Name), strings.ToUpper(d.Region), d.Tier,
				pair(d.Alone, d.Printed), pair(d.BareContext, d.WithContext), d.Validate, cell(d.Source))
			if len(figures) > 0 {
				precision, recall := "", ""
				if m, ok := figures[d.ID]; ok && m.Labels > 0 {
					precision, recall = fmt.Sprintf("%.3f", m.Precision), fmt.Sprintf("%.3f", m.Recall)
				}
				fmt.Fprintf(&b, " %s | %s |", precision, recall)
			}
			b.WriteByte('\n')
		}
	}
	return b.String()
}

func pair(bare, printed Level) string {
	level := func(l Level) string {
		if l == 0 {
			return "-"
		}
		return fmt.Sprint(int(l))
	}
	if bare == printed {
		return level(bare)
	}
	return level(bare) + " / " + level(printed)
}

func cell(s string) string { return strings.ReplaceAll(s, "|", `\|`) }
