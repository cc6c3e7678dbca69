package detect

import (
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy/extract"
	"teamsdlp/test/trial"
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
// What base64, hexadecimal digits and escapes say is searched for a company's own
// values as well; the match is the whole of what it was decoded from.
func TestCustomDecoded(t *testing.T) {
	e, errs := New([]Detector{employee()})
	if errs != nil {
		t.Fatal(errs)
	}
	const says = "the staff number is CE-123455"
	twice := base64.StdEncoding.EncodeToString([]byte(base64.StdEncoding.EncodeToString([]byte(says))))
	for _, tc := range []struct{ in, blob string }{
		{"look: %s !", base64.StdEncoding.EncodeToString([]byte(says))},
		{"look: %s !", hex.EncodeToString([]byte(says))},
		{"look: %s !", twice},
		{"look: %s !", "staff%20%43%45%2D%31%32%33%34%35%35"},
	} {
		text := fmt.Sprintf(tc.in, tc.blob)
		m := e.Scan(extract.Plain(text), Options{})
		if len(m) != 1 || m[0].Detector != "employee-number" || m[0].Level != High || text[m[0].Start:m[0].End] != tc.blob || !m[0].Obfuscated || m[0].Value.Reveal() != "CE123455" {
			t.Errorf("%s: %+v", text, m)
		}
	}
	// Why nothing was found is told of what it says, at the same place.
	blob := base64.StdEncoding.EncodeToString([]byte("the staff number is CE-123456, or so"))
	m, rejected := e.ScanExplain(extract.Plain("look: "+blob), Options{})
	if i := slices.IndexFunc(rejected, func(r Rejected) bool { return r.Detector == "employee-number" }); len(m) != 0 || i < 0 ||
		rejected[i].Gate != "it fails the check that the detector asks for (luhn); in what it decodes to" || rejected[i].Start != 6 || rejected[i].End != 6+len(blob) {
		t.Errorf("%+v, rejected %+v", m, rejected)
	}
}

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

// A gate must never keep a match from being found, nor make one up.
func FuzzGate(f *testing.F) {
	for _, p := range []string{`CE-\d{6}`, `(?i)ab(c|\d)`, `a|b1`, `[0-9]+x?`, `(\d\d|[1-3])z`, `\d*abc`, `(?:abc)+\d?`, `^x$`, `\bfoo\B`, `[a-z0-9]{2,3}`, `é{2}`, `\b\d{3}\b`, `(?:ab|cd)\W?\d`, `(?i)\bprj.{0,3}\d`, `(?s).ab.`, `\Bab\b`} {
		f.Add(p, "CE-123456 abc AB1 b1 12z x foobar éé 123 ab1 cd-7 PRJx1", 20)
	}
	trial.Fuzz(f, 50, func(t *testing.T, p, s string, times int) {
		if len(p) > 200 || len(s) > 2000 {
			return
		}
		pattern, err := CompilePattern(p)
		if err != nil {
			return
		}
		// Far apart, so that windows do not meet.
		for _, text := range []string{s, strings.Repeat(s+strings.Repeat(" é", times&127*4), 3)} {
			var h Haystack
			h.Reset([]byte(text))
			for _, n := range []int{-1, 2} {
				want := pattern.re.FindAllSubmatchIndex([]byte(text), n)
				if possible, some := NewNeedles([]*Pattern{pattern}).Find(&h, nil); len(want) > 0 && !possible[0] || some != possible[0] {
					t.Errorf("%q in %q is kept out", p, text)
				}
				if diff := cmp.Diff(want, pattern.Find(&h, n)); diff != "" {
					t.Errorf("%q in %q (-want +got):\n%s", p, text, diff)
				}
			}
		}
	})
}

func TestGate(t *testing.T) {
	for _, tc := range []struct {
		pattern, gate string
		window        int
	}{
		{`CE-\d{6}`, "CE-, 9 in a row", 9},
		{`(?i)abc`, "abc in any case, 3 in a row", 3},
		{`\b1\d{7}\b`, "8 digits, 8 in a row", 8},
		{`[A-Z]{2}7\d{5}[A-Z]`, "6 digits, 9 in a row", 9},
		{`(?i)\bcust[- ]?7[a-z]\d{4}\b`, "cu in any case, 2 in a row", 14},
		{`a|b`, "", 1},
		{`(\d|[1-3]x)`, "digits in a row: 1", 2},
		{`\d+`, "digits in a row: 1", 0},
		{`a\d`, "digits in a row: 1", 2}, // one letter is in every message
		{`(\d{3}|\d\d)-?\d{4}`, "4 digits, 4 in a row", 8},
		{`(?:\d\d){3}(x|\d)\d+`, "6 digits, 8 in a row", 0},
		{`\d?\d{2}\.\d{4}`, "4 digits, 7 in a row", 8},
		{`(abc)?x`, "", 4},
		{`(foo)+bar`, "foo, 3 in a row", 0},
		{`\d{0,3}yy`, "yy, 2 in a row", 5},
		{`(?:alpha|beta)\d`, "one of alpha, beta", 6},
		{`(?:alpha|beta)\d{4}`, "one of alpha, beta", 9},
		{`(?:alpha|\d)x`, "", 6},
		{`(alpha)*b`, "", 0},
		{`(?i)secret`, "ecret in any case, 5 in a row", 7}, // the long s folds to s
		{`(?i)kaks`, "", 9},                                // and the Kelvin sign to k
		{`(?i)straße`, "tra in any case, 3 in a row", 9},
		{`straße`, "straße, 7 in a row", 7},
		{"\uFFFDab", "ab, 2 in a row", 5}, // also matches broken UTF-8
		{`^ab`, "ab, 2 in a row", 0},
		{`(?m)ab$`, "ab, 2 in a row", 0},
		{`\bab\b`, "ab, 2 in a row", 2},
		{`a.{600}b`, "", 0},
		{`one|two|three|four|five|six|seven|eight|nine`, "", 5},
		{`(?i)project-15-[a-z]\d+`, "project-15- in any case, 11 in a row", 0},
	} {
		p, err := CompilePattern(tc.pattern)
		if err != nil {
			t.Errorf("%s: %v", tc.pattern, err)
			continue
		}
		if got := p.gate(); got != tc.gate || p.window != tc.window {
			t.Errorf("%s: gate %q, window %d, want %q, %d", tc.pattern, got, p.window, tc.gate, tc.window)
		}
	}
}

// gate says what a pattern's gate is.
func (p *Pattern) gate() string {
	switch {
	case p.shape != nil && p.shape.text == "":
		return fmt.Sprintf("%d digits, %d in a row", p.shape.digits, len(p.shape.classes))
	case p.shape != nil && p.shape.fold:
		return fmt.Sprintf("%s in any case, %d in a row", p.shape.text, len(p.shape.classes))
	case p.shape != nil:
		return fmt.Sprintf("%s, %d in a row", p.shape.text, len(p.shape.classes))
	case len(p.any) > 0:
		var all []string
		for _, l := range p.any {
			all = append(all, l.text)
		}
		return "one of " + strings.Join(all, ", ")
	case p.digits > 0:
		return fmt.Sprint("digits in a row: ", p.digits)
	}
	return ""
}

// Behind a gate an expression is run over next to nothing, whatever the text.
func TestGateSpares(t *testing.T) {
	text := []byte(strings.Repeat("nothing of it here, but 7 words. ", 2000) + "CE-123455")
	for _, tc := range []struct {
		pattern string
		most    int
	}{
		{`CE-\d{6}`, 100}, {`(?i)ce-\d{6}`, 100}, {`(?:CE|XX)-\d{6}`, 100}, {`(?i)project-[a-z]+\d`, 0}, {`[A-Z]{2}-\d{6}`, len(text)}, {`[A-Z]{2}-[a-z]{6}`, len(text)},
	} {
		p, err := CompilePattern(tc.pattern)
		if err != nil {
			t.Fatal(err)
		}
		var h Haystack
		h.Reset(text)
		p.Find(&h, -1)
		if h.searched > tc.most {
			t.Errorf("%s is run over %d bytes of %d, want at most %d", tc.pattern, h.searched, len(text), tc.most)
		}
	}
}

// A pattern's cost is that of its quickest run.
func TestCost(t *testing.T) {
	p, err := CompilePattern(`[a-z]+\d`)
	if err != nil {
		t.Fatal(err)
	}
	at, ticks := time.Time{}, []time.Duration{0, 9, 0, 4, 0, 7, 0, 8, 0, 9}
	if got := p.Cost(func() time.Time { d := ticks[0]; ticks = ticks[1:]; at = at.Add(d); return at }); got != 4 {
		t.Errorf("cost is %v, want 4ns", got)
	}
}
