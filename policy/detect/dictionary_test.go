package detect

import (
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy/extract"
	"teamsdlp/test/trial"
)

// automated finds terms by an automaton alone.
func automated(terms []string) *Keywords {
	k := &Keywords{}
	k.automate(terms)
	return k
}

func termsIn(k *Keywords, text *extract.Text) []string {
	var got []string
	for _, h := range k.Find(text) {
		got = append(got, fmt.Sprintf("%d:%q", h.Term, text.Bytes()[h.Start:h.End]))
	}
	slices.Sort(got)
	return got
}

// A dictionary finds what the automaton finds.
func TestDictionary(t *testing.T) {
	for _, tc := range []struct{ terms, in string }{
		{"bluebird", "the Bluebird flies, bluebirds, xbluebird, bluebird2, _bluebird, (bluebird)-bluebird.bluebird"},
		{"operation lotus|operation|lotus eater", "Operation   LOTUS and operation\nlotus, operation-lotus eater"},
		{"café|cafes", "CAFE cafe\u0301 Café cafés"},
		{"straße|łódź|æon", "STRASSE Straße Lodz ŁÓDŹ AEON Æon"},
		{"пароль", "ПАРОЛЬ пароли"},
		{"密码|的密|码是什", "我的密码是什么 a密码b"},
		{"パスワード|한국|รหัสผ่าน", "このパスワードは 한국어 ใส่รหัสผ่านนะ"},
		{"ab|b|abc|ab b", "ab b abc ab  b"},
		{"c++|c|#secret|secret|.net", "C++ and c+++ #secret x#secret asp.net c"},
		{"_x|x_|a_b|_|b_ c", "_x a_b x_ y_x b_ c __ _"},
		{"one|two|one|One ", "ONE two"},
		{strings.Repeat("a ", 40) + "|a a a", strings.Repeat("a ", 50)},
		{"x", "\xff\xfex\xff \x00x"},
		{"a-b|a - b|a -b", "a-b a - b a -b"},
		{"|  |\t", "a  b"},
		{"Ａ", "Ａ a"},
	} {
		terms := strings.Split(tc.terms, "|")
		text := extract.Plain(tc.in)
		if diff := cmp.Diff(termsIn(automated(terms), text), termsIn(new(Keywords).index(terms), text)); diff != "" {
			t.Errorf("%q in %q (-automaton +dictionary):\n%s", tc.terms, tc.in, diff)
		}
	}
}

// Hits come by their ends, whether a term is in the dictionary or, as a few odd
// ones are, left to the automaton.
func TestLongList(t *testing.T) {
	terms := longListTerms(20_000)
	k := NewKeywords(append(terms, "_odd", "c++"))
	if len(k.terms) != 1 {
		t.Fatalf("%d terms left to the automaton", len(k.terms))
	}
	text := extract.Plain("x_odd " + strings.ToUpper(terms[77]) + ", c++ and " + terms[19_999] + "s " + terms[3])
	want := []Hit{{20_000, 1, 5}}
	at := 6
	want = append(want, Hit{77, at, at + len(terms[77])})
	at += len(terms[77]) + 2
	want = append(want, Hit{20_001, at, at + 3})
	want = append(want, Hit{3, text.Len() - len(terms[3]), text.Len()})
	if diff := cmp.Diff(want, k.Find(text)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// longListTerms are n made-up names of one to three words.
func longListTerms(n int) []string {
	r := rand.New(rand.NewPCG(1, 2))
	name := func() string {
		var b strings.Builder
		for range 2 + r.IntN(3) {
			b.WriteByte("bcdfghklmnprstvwz"[r.IntN(17)])
			b.WriteByte("aeiou"[r.IntN(5)])
		}
		return b.String()
	}
	list := make([]string, n)
	for i := range list {
		list[i] = name() + fmt.Sprint(i%97)
		for range r.IntN(3) {
			list[i] += " " + name()
		}
	}
	return list
}

// The look-ups grow with the text and not with the list, whatever the text and
// the list are.
func TestDictionaryIsLinear(t *testing.T) {
	var alike []string // as bad as a list can be: all terms begin alike
	for i := range 50_000 {
		alike = append(alike, strings.Repeat("the ", i%maxUnits)+fmt.Sprint("x", i))
	}
	d, _ := newDictionary(alike, (&Keywords{}).fold)
	few, _ := newDictionary(alike[:100], (&Keywords{}).fold)
	for _, unit := range []string{"the ", "x1 ", "a", "1", "密", "é", "#", " ", "the x5 ", "\u0301"} {
		buf := []byte(strings.Repeat(unit, (64<<10)/len(unit)))
		_, work := d.find(buf, nil)
		_, less := few.find(buf, nil)
		if work > (maxUnits+1)*len(buf) || work > less+less/8+100 {
			t.Errorf("%q: %d look-ups in %d bytes, %d with a short list", unit, work, len(buf), less)
		}
	}
}

func FuzzDictionary(f *testing.F) {
	f.Add("he,she,hers,his", "ushers his he she")
	f.Add("a a,a,aa,_a,a_", "a a aa  a _a a_")
	f.Add("é,密,ß,c++,a.b", "É密ss\xff c+++ a.b")
	trial.Fuzz(f, 1000, func(t *testing.T, list, s string) {
		terms := strings.Split(list, ",")
		if len(terms) > 30 {
			return
		}
		text := extract.Plain(s)
		// The automaton takes an accent that stands alone for the end of a word, and
		// the two letters that one folds to for the places of two.
		for _, r := range list + string(text.Bytes()) {
			if utf8.RuneCountInString(foldRune(r)) != 1 {
				return
			}
		}
		if diff := cmp.Diff(termsIn(automated(terms), text), termsIn(new(Keywords).index(terms), text)); diff != "" {
			t.Errorf("%q in %q (-automaton +dictionary):\n%s", list, s, diff)
		}
	})
}

// BenchmarkLists compares lists of 100, 10,000 and 100,000 terms on 2 KB of talk.
func BenchmarkLists(b *testing.B) {
	text := extract.Message(extract.Source{Body: talk + talk, HTML: true})
	terms := longListTerms(100_000)
	for _, n := range []int{100, 10_000, 100_000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			k := NewKeywords(terms[:n])
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				k.Find(text)
			}
		})
	}
	b.Run("100-by-automaton", func(b *testing.B) {
		k := automated(terms[:100])
		b.SetBytes(int64(text.Len()))
		for b.Loop() {
			k.Find(text)
		}
	})
	b.Run("load-100000", func(b *testing.B) {
		b.ReportAllocs()
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		k := NewKeywords(terms)
		runtime.GC()
		runtime.ReadMemStats(&after)
		runtime.KeepAlive(k)
		for b.Loop() {
			NewKeywords(terms)
		}
		b.ReportMetric(float64(after.HeapAlloc-before.HeapAlloc)/(1<<20), "MiB-kept")
	})
}
