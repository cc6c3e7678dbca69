package detect

import (
	"strings"
	"testing"

	"teamsdlp/policy/extract"
)

// A match says what earned its level, in words that somebody who has never seen the
// detector understands: which word, how far away, and what would have been needed.
func TestWhy(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"card 4539 5787 6362 1486", `Visa: brand and Luhn, printed grouping; keyword "card" right before`},
		{"card4539578763621486", `Visa: brand and Luhn; keyword "card" right before`},
		{"card: 4539578763621486", `Visa: brand and Luhn; keyword "card" 2 characters before`},
		{"4539578763621486 is a card", `Visa: brand and Luhn; keyword "card" 6 characters after`},
		{"Kreditkartendaten 4539578763621486", `Visa: brand and Luhn; keyword "kreditkarte" 7 characters before`},
		{"order 4539578763621486", `Visa: brand and Luhn; the word "order" right before it says that it is something else`},
		{"9434765919", "modulus 11; no keyword nearby, without which it says too little"},
		{"943 476 5919", "modulus 11, printed grouping"},
		{"TAJ 448 791 541", `Luhn, printed grouping; the word "taj" right before it says that it is something else`},
		{"(212) 736-5000", "North American numbering plan, printed grouping"},
		{"call 020 7946 0018", `trunk prefix, printed grouping; keyword "call" right before`},
		{"part ABA300000", `check digit; the word "part" right before it says that it is something else`},
		{"ssn\n" + words(120) + " 536-22-1234", `area, group and serial that are given out, printed grouping; keyword "ssn" 241 characters before, too far away to count in full`},
	} {
		m := builtinEngine.Scan(extract.Plain(tc.in), Options{Min: Internal})
		if len(m) != 1 || m[0].Why != tc.want {
			t.Errorf("%q: %+v, want %q", tc.in, m, tc.want)
		}
	}
}

// What stopped a candidate is told in a sentence, of every detector.
func TestLacked(t *testing.T) {
	sentence := func(s string) bool {
		for _, w := range []string{"it ", "its ", "no ", "none ", "too few "} {
			if strings.HasPrefix(s, w) {
				return true
			}
		}
		return false
	}
	for _, k := range builtin {
		if k.number != nil && !sentence(lacked(k.number.gate)) {
			t.Errorf("%s: %q is no sentence", k.ID, lacked(k.number.gate))
		}
		if k.code != nil && k.code.check != nil && !sentence(lacked(k.code.gate)) {
			t.Errorf("%s: %q is no sentence", k.ID, lacked(k.code.gate))
		}
		for _, in := range append(append([]string{}, k.Match...), k.NoMatch...) {
			_, rejected := builtinEngine.ScanExplain(extract.Plain(in), Options{})
			for _, r := range rejected {
				if !sentence(r.Gate) {
					t.Errorf("%q: %s: %q is no sentence", in, r.Detector, r.Gate)
				}
			}
		}
	}
	for gate, want := range map[string]string{
		"date and modulo 11":        "it holds no possible date, or its digits or letters fail the check that all values of its kind pass (modulo 11)",
		"month, department and key": "it holds no possible month, or it names no department that there is, or its digits or letters fail the check that all values of its kind pass (key)",
		"prefix 80":                 "it does not start with 80, as the numbers of European health cards do",
		"ten digits":                "it is not made of ten digits",
		"part of a GUID":            "it is part of a GUID",
	} {
		if got := lacked(gate); got != want {
			t.Errorf("%s: %q, want %q", gate, got, want)
		}
		if got := lacked(want); got != want {
			t.Errorf("%q becomes %q", want, got)
		}
	}
}

// words is a text of n words of one letter.
func words(n int) string {
	b := make([]byte, 2*n-1)
	for i := range b {
		b[i] = "x "[i%2]
	}
	return string(b)
}
