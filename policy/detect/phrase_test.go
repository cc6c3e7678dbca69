package detect

import (
	"slices"
	"strings"
	"testing"

	"teamsdlp/policy/extract"
)

// A country's name before a noun of the id's kind is evidence, and says that the value
// is no other's.
func TestPhrases(t *testing.T) {
	for _, tc := range []struct {
		in, want string // want: detector and level; none if empty
		level    Level
	}{
		{"my Greek tax number is 094259216", "gr-afm", High},
		{"Greece tax id: 094259216", "gr-afm", High},
		{"Greece's TIN 094259216", "gr-afm", High},
		{"the greek-tax-number 094259216", "gr-afm", High},
		{`{"greek_tax_number": "094259216"}`, "gr-afm", High},
		{"Israeli identity number 123456782", "il-tz", High},
		{"Uruguayan ID 4.439.163-3", "uy-ci", Medium},
		{"Hungarian social security number 624 991 544", "hu-taj", High},
		{"Saudi national ID 1468744683", "sa-id", High},         // and no Ecuadorian cédula, which it could be
		{"German tax number 86095742719", "de-steuer-id", High}, // and no Croatian OIB
		{"Norwegian organisation number 980243087", "no-orgnr", Medium},
		// Without a country, of what says something by itself, and less.
		{"her personal registration number: 1480405150475", "ro-cnp", Medium},
		{"tax identification number 8490635501", "hu-adoazonosito", Medium},
		{"tax number 094259216", "", 0},
		// Not that country's, not right before the noun, another noun.
		{"Polish tax number 094259216", "", 0},
		{"Greek salad, tax number 094259216", "", 0},
		{"a Greek salad for 094259216", "", 0},
		{"Hungarian social security number 624 991 545", "", 0}, // nor a US one
		// Words that are others' as well.
		{"my social is 536221234", "us-ssn", Medium},
		{"see my social media post 536221234", "", 0},
		{"tz: Europe/Berlin, build 123456782", "", 0},
		{"Holiday Inn, booking 2345678901", "", 0},
	} {
		m := builtinEngine.Scan(extract.Plain(tc.in), Options{})
		switch {
		case tc.want == "" && len(m) > 0:
			t.Errorf("%q: %s at %v: %s", tc.in, m[0].Detector, m[0].Level, m[0].Why)
		case tc.want != "" && !slices.ContainsFunc(m, func(m Match) bool { return m.Detector == tc.want && m.Level == tc.level }):
			t.Errorf("%q: no %s at %v%s", tc.in, tc.want, tc.level, explain(tc.in))
		}
	}
}

// An abbreviation of three letters or more is the same word with points and without.
func TestDotted(t *testing.T) {
	k := newKeywords([]string{"dni", "α.φ.μ.", "abn number", "c.f", "tax"}, true)
	for _, tc := range []struct {
		in   string
		want []string
	}{
		{"mi D.N.I. es", []string{"D.N.I"}},
		{"mi d.n.i es", []string{"d.n.i"}},
		{"(D.N.I.)", []string{"D.N.I"}},
		{"DNI", []string{"DNI"}},
		{"ΑΦΜ, Α.Φ.Μ.", []string{"ΑΦΜ", "Α.Φ.Μ"}},
		{"A.B.N. number", []string{"A.B.N. number"}},
		{"C.F.", []string{"C.F"}},
		{"cf", nil},
		{"D.NI", nil},
		{"D.N. I", nil},
		{"d.n.is", nil},
		{"ad.n.i", nil},
		{"income tax.", []string{"tax"}},
	} {
		var got []string
		for _, h := range k.find([]byte(tc.in), nil) {
			got = append(got, tc.in[h.Start:h.End])
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
	}
	if row := []byte(strings.Repeat("a.", 1000)); dotted(row, len(row)-1) {
		t.Error("a row of a thousand points is read from its start")
	}
}
