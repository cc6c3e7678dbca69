package detect

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy/extract"
)

func employee() Detector {
	return Detector{
		ID: "employee-number", Name: "Employee number", Family: "company", Patterns: []string{`CE-\d{6}`}, Validate: "luhn",
		Words: []string{"employee", "staff", "personnel no"}, Within: 60, Alone: Low, WithContext: High,
	}
}

func TestCustom(t *testing.T) {
	project := Detector{ID: "project", Patterns: []string{`(?i)\bprj:([a-z]{4})\b`, `PRJ-\d\d`}, Alone: Medium, Mask: MaskAll}
	worded := Detector{ID: "badge", Patterns: []string{`B\d{4}`}, Words: []string{"badge*"}, WithContext: Medium}
	e, errs := New([]Detector{employee(), project, worded})
	if errs != nil {
		t.Fatal(errs)
	}
	for _, tc := range []struct {
		in   string
		want string
	}{
		{"staff CE-123455", "employee-number 85 CE123455"},
		{"CE-123455", "employee-number 65 CE123455"},
		{"CE-123456 staff", ""},
		{"CE-12", ""},
		{"CE-1234551", ""}, // cut out of a longer number
		{"CE-123455" + strings.Repeat(" x", 31) + " staff", "employee-number 65 CE123455"},
		{"CE-123455" + strings.Repeat(" x", 20) + " staff", "employee-number 85 CE123455"},
		{"staff's PERSONNEL-NO CE-123455", "employee-number 85 CE123455"},
		{"see PRJ:Lotu now", "project 75 LOTU"},
		{"PRJ-12 prj:abcd", "project 75 PRJ12, project 75 ABCD"},
		{"badges B1234", "badge 75 B1234"},
		{"B1234", ""},
		{"card 4539 5787 6362 1486", "credit-card 85 4539578763621486"},
	} {
		var got []string
		for _, m := range e.Scan(extract.Plain(tc.in), Options{}) {
			got = append(got, fmt.Sprintf("%s %d %s", m.Detector, m.Level, m.Value.Reveal()))
		}
		if diff := cmp.Diff(tc.want, strings.Join(got, ", ")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.in, diff)
		}
	}
	if !e.Has("badge") || !e.Has("iban") || e.Has("x") || !slices.Contains(e.IDs(), "project") || !slices.IsSorted(e.IDs()) {
		t.Errorf("ids are %v", e.IDs())
	}
	if f := e.Families(); !slices.Contains(f, "company") || !slices.Contains(f, "financial") {
		t.Errorf("families are %v", f)
	}
	if got := len(e.Detectors()); got != len(Builtin())+3 {
		t.Errorf("%d detectors", got)
	}
	if got := e.MaskAll("PRJ-12 staff CE-123455"); got != "•••• staff ••••••55" {
		t.Errorf("MaskAll: %q", got)
	}
	if got := e.Scan(extract.Plain("PRJ-12 CE-123455"), Options{Only: map[string]bool{"project": true}}); len(got) != 1 || got[0].Detector != "project" {
		t.Errorf("Only: %+v", got)
	}
}

// A company's own detector is found beside a built-in one on the same text.
func TestCustomBesideBuiltin(t *testing.T) {
	e, errs := New([]Detector{{ID: "own", Patterns: []string{`4539[\d ]+`}, Alone: Low}})
	if errs != nil {
		t.Fatal(errs)
	}
	var ids []string
	for _, m := range e.Scan(extract.Plain("card 4539 5787 6362 1486"), Options{}) {
		ids = append(ids, m.Detector)
	}
	slices.Sort(ids)
	if diff := cmp.Diff([]string{"credit-card", "own"}, ids); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// A match never reaches over two parts of a message.
func TestCustomParts(t *testing.T) {
	e, errs := New([]Detector{{ID: "own", Patterns: []string{`(?s)a.*b`}, Alone: Low}})
	if errs != nil {
		t.Fatal(errs)
	}
	if m := e.Scan(extract.Message(extract.Source{Subject: "a", Body: "b"}), Options{}); m != nil {
		t.Errorf("found %+v", m)
	}
}

func TestCustomFaults(t *testing.T) {
	with := func(change func(*Detector)) Detector {
		d := employee()
		change(&d)
		return d
	}
	for _, tc := range []struct {
		d     Detector
		field string
		index int
		text  string
	}{
		{with(func(d *Detector) { d.ID = "" }), "id", -1, "missing"},
		{with(func(d *Detector) { d.ID = "iban" }), "id", -1, "of that id"},
		{with(func(d *Detector) { d.Patterns = nil }), "patterns", -1, "none"},
		{with(func(d *Detector) { d.Patterns = []string{"x", ""} }), "patterns", 1, "empty"},
		{with(func(d *Detector) { d.Patterns = []string{"a*"} }), "patterns", 0, "empty text"},
		{with(func(d *Detector) { d.Patterns = []string{"(?:)"} }), "patterns", 0, "empty text"},
		{with(func(d *Detector) { d.Patterns = []string{"(?<=a)b"} }), "patterns", 0, "look-"},
		{with(func(d *Detector) { d.Patterns = []string{"a(?!b)"} }), "patterns", 0, "look-"},
		{with(func(d *Detector) { d.Patterns = []string{"(a"} }), "patterns", 0, "missing closing )"},
		{with(func(d *Detector) { d.Patterns = []string{`(a)\1`} }), "patterns", 0, "invalid escape"},
		{with(func(d *Detector) { d.Patterns = []string{"a{1001}"} }), "patterns", 0, "repeat count"},
		{with(func(d *Detector) { d.Patterns = []string{strings.Repeat("a", 10<<10)} }), "patterns", 0, "longer than"},
		{with(func(d *Detector) { d.Validate = "lunh" }), "validate", -1, "no validator"},
		{with(func(d *Detector) { d.Words = []string{"a", " "} }), "context", 1, "empty"},
		{with(func(d *Detector) { d.Words = []string{"*"} }), "context", 0, "empty"},
		{with(func(d *Detector) { d.Within = -1 }), "context", -1, "negative"},
		{with(func(d *Detector) { d.Within = 1 << 20 }), "context", -1, "more than"},
		{with(func(d *Detector) { d.Alone, d.WithContext = 0, 0 }), "confidence", -1, "missing"},
		{with(func(d *Detector) { d.Alone, d.Words = 0, nil }), "confidence", -1, "no context words"},
	} {
		e, errs := New([]Detector{tc.d})
		var f *Fault
		if e != nil || len(errs) == 0 || !errors.As(errs[0], &f) {
			t.Errorf("%+v: engine %v, faults %v", tc.d, e, errs)
			continue
		}
		if f.Field != tc.field || f.Index != tc.index || !strings.Contains(f.Error(), tc.text) || !strings.Contains(f.Error(), tc.d.ID) {
			t.Errorf("fault %q (%s, %d), want %q (%s, %d)", f, f.Field, f.Index, tc.text, tc.field, tc.index)
		}
	}
	if _, errs := New([]Detector{employee(), employee()}); len(errs) != 1 {
		t.Errorf("the same id twice: %v", errs)
	}
	if _, errs := New([]Detector{{ID: "a"}, {ID: "b", Validate: "x"}}); len(errs) != 5 {
		t.Errorf("not all faults at once: %v", errs)
	}
}

// A gate must never keep a match from being found.
func FuzzGate(f *testing.F) {
	for _, p := range []string{`CE-\d{6}`, `(?i)ab(c|\d)`, `a|b1`, `[0-9]+x?`, `(\d\d|[1-3])z`, `\d*abc`, `(?:abc)+\d?`, `^x$`, `\bfoo\B`, `[a-z0-9]{2,3}`, `é{2}`} {
		f.Add(p, "CE-123456 abc AB1 b1 12z x foobar éé")
	}
	f.Fuzz(func(t *testing.T, p, s string) {
		re, g, err := gated(p)
		if err != nil {
			return
		}
		digits := strings.ContainsAny(s, "0123456789")
		if re.MatchString(s) && !g.passes([]byte(s), digits) {
			t.Errorf("%q matches %q, and its gate %q, %t keeps it out", p, s, g.literal, g.digits)
		}
	})
}

func TestGate(t *testing.T) {
	for _, tc := range []struct {
		pattern, literal string
		digits           bool
	}{
		{`CE-\d{6}`, "CE-", true}, {`(?i)abc`, "", false}, {`a|b`, "", false}, {`(\d|[1-3]x)`, "", true}, {`(abc)?x`, "x", false}, {`(foo)+bar`, "foo", false}, {`\d{0,3}y`, "y", false},
	} {
		_, g, err := gated(tc.pattern)
		if err != nil || string(g.literal) != tc.literal || g.digits != tc.digits {
			t.Errorf("%s: gate %q, %t, %v, want %q, %t", tc.pattern, g.literal, g.digits, err, tc.literal, tc.digits)
		}
	}
}
