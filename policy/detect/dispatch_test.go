package detect

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"teamsdlp/policy/extract"
)

// written is a text that a code's pattern matches, with separators where the pattern
// has room for some.
func written(r *rand.Rand, p string) string {
	pick := func(from string) byte { return from[r.IntN(len(from))] }
	var b strings.Builder
	open := r.IntN(2) == 0
	for i := range len(p) {
		switch f := p[i]; {
		case f == '_':
			b.WriteString([]string{"", "", " ", "-", ". ", " \n "}[r.IntN(6)])
		case f == '<' && open:
			b.WriteByte('(')
		case f == '>' && open:
			b.WriteByte(')')
		case f == '<' || f == '>':
		case f == '9':
			b.WriteByte(pick("0123456789"))
		case f == 'A':
			b.WriteByte(pick("AbCdEfGhIjKlMnOpQrStUvWxYz"))
		case f == 'X':
			b.WriteByte(pick("0123456789AbCdEfGhIjKl"))
		default:
			b.WriteByte(f)
		}
	}
	return b.String()
}

// No code is turned away by what stands beyond the letters or digits it starts with.
func TestCodesAreTried(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same every time
	tried := 0
	for _, k := range builtin {
		if k.code == nil {
			continue
		}
		for _, p := range k.code.patterns {
			for range 200 {
				text := written(r, p)
				s := new(scanner)
				s.start(builtinEngine, extract.Plain(text+[]string{"", ".", " 12 ab", ", A1"}[r.IntN(4)]), Options{}, false)
				if _, _, ok := s.read(p, 0); !ok {
					t.Fatalf("%s: %q is not of the pattern %s", k.ID, text, p)
				}
				n := 0
				for n < len(text) && isAlnum(text[n]) && isDigit(text[n]) == isDigit(text[0]) {
					n++
				}
				next := 1
				if n < len(text) && isAlnum(text[n]) {
					next = 0
				}
				compact, of := lead(p, false)
				printed, sign := lead(p, true)
				if (n != compact || next != of) && (n != printed || next != sign) {
					continue // listed by its length, or not at all
				}
				tried++
				s.tried = s.tried[:0]
				if isDigit(text[0]) {
					s.digitCodes(0, n)
				} else {
					s.wordCodes(0, n)
				}
				turned := !slices.ContainsFunc(s.tried, func(c uint16) bool { return codeForms.all[c] == coded{k, p} })
				if turned {
					t.Errorf("%s: %q is not tried for %s", k.ID, text, p)
				}
			}
		}
	}
	if tried < 10_000 {
		t.Errorf("only %d codes were tried", tried)
	}
}

// Each row of groups leads to the detectors whose values are printed in it, and to
// those that may be in any groups.
func TestLayouts(t *testing.T) {
	var rows []string
	for _, k := range builtin {
		if k.number != nil {
			rows = append(rows, k.number.layouts...)
		}
	}
	for a := byte(1); a < 8; a++ {
		for b := byte(1); b < 8; b++ {
			for c := byte(0); c < 8; c++ {
				rows = append(rows, strings.TrimRight(string([]byte{a, b, c}), "\x00"))
			}
		}
	}
	for _, l := range rows {
		if len(l) < 2 {
			continue
		}
		at := uint16(1)
		for i := range len(l) {
			at = layouts[at].next[l[i]]
		}
		got := layouts[at].kinds
		if got == nil {
			got = grouped[total(l)]
		}
		var want []*kind
		for _, k := range byDigits[total(l)] {
			if k.number.paren || slices.Contains(k.number.layouts, l) {
				want = append(want, k)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q: %d detectors, want %d", l, len(got), len(want))
		}
	}
}

// Needles finds every fixed text wherever it stands, and nothing else.
func TestNeedles(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4)) //nolint:gosec // the same every time
	word := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = "abAB1-"[r.IntN(6)]
		}
		return string(b)
	}
	found := 0
	for range 3000 {
		var patterns []*Pattern
		var texts []literal
		for range 1 + r.IntN(6) {
			l := literal{text: word(2 + r.IntN(5)), fold: r.IntN(2) == 0}
			if l.fold {
				l.text = strings.ToLower(l.text)
			}
			texts, patterns = append(texts, l), append(patterns, &Pattern{any: []literal{l}})
		}
		var h Haystack
		h.Reset([]byte(word(r.IntN(40))))
		n := NewNeedles(patterns)
		got, some := n.Find(&h, nil)
		h.Sift(h.text, NewSieve(nil, n, NewKeywords([]string{"ab", "b1 a"})))
		if sifted, still := n.Find(&h, nil); !slices.Equal(sifted, got) || still != some {
			t.Fatalf("%v in %q, sifted: %v, want %v", texts, h.text, sifted, got)
		}
		hit := false
		for i, l := range texts {
			in := string(h.text)
			if l.fold {
				in = strings.ToLower(in)
			}
			want := strings.Contains(in, l.text)
			if got[i] != want {
				t.Fatalf("%q (in any case: %t) in %q: %t", l.text, l.fold, h.text, got[i])
			}
			if want {
				hit = true
				found++
			}
		}
		if some != hit {
			t.Fatalf("some of %v in %q: %t", texts, h.text, some)
		}
	}
	if found < 500 {
		t.Errorf("only %d were found", found)
	}
}

// What terms start with turns none of them away.
func TestHeads(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 6)) //nolint:gosec // the same every time
	text := func(n int) string {
		var b strings.Builder
		for range n {
			b.WriteString([]string{"a", "b", "A", " ", " ", "\n", "-", "1", "é", "密", "_"}[r.IntN(11)])
		}
		return b.String()
	}
	found := 0
	for range 5000 {
		var terms []string
		for range 1 + r.IntN(4) {
			if term := strings.TrimSpace(text(2 + r.IntN(5))); len(term) > 1 {
				terms = append(terms, term)
			}
		}
		k := NewKeywords(terms)
		all := *k
		all.heads = nil
		in := extract.Plain(text(r.IntN(60)))
		got, want := k.Find(in), all.Find(in)
		if found += len(want); !slices.Equal(got, want) {
			t.Fatalf("%q in %q: %v, want %v", terms, in.Bytes(), got, want)
		}
		var h Haystack
		h.Sift(in.Bytes(), NewSieve(builtinEngine, nil, k))
		if got := k.FindIn(&h); !slices.Equal(got, want) {
			t.Fatalf("%q in %q, sifted: %v, want %v", terms, in.Bytes(), got, want)
		}
	}
	if found < 1000 {
		t.Errorf("only %d were found", found)
	}
}

// Eight bytes at a time find the digit that one by one would.
func TestNextDigit(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			b := []byte(strings.Repeat("aZ /:\xb0", 4))
			b[at] = byte(c)
			want := len(b)
			if isDigit(byte(c)) {
				want = at
			}
			if got := nextDigit(b, 0); got != want {
				t.Errorf("byte %#x at %d: %d, want %d", c, at, got, want)
			}
		}
	}
}
