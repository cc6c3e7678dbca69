package detect

import (
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

// words is a text of n words of one letter.
func words(n int) string {
	b := make([]byte, 2*n-1)
	for i := range b {
		b[i] = "x "[i%2]
	}
	return string(b)
}
