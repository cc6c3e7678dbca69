package detect

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy/extract"
	"teamsdlp/test/trial"
)

func TestKeywords(t *testing.T) {
	for _, tc := range []struct {
		terms string // parted by |
		in    string
		want  string // what is found, parted by |
	}{
		{"bluebird", "the Bluebird flies", "Bluebird"},
		{"bluebird", "bluebirds, xbluebird, bluebird2, _bluebird", ""},
		{"bluebird", "(bluebird)-bluebird.bluebird", "bluebird|bluebird|bluebird"},
		{"operation lotus", "Operation   LOTUS and operation\nlotus, operation-lotus", "Operation   LOTUS|operation\nlotus"},
		{"operation lotus", "operation lot us", ""},
		{"café", "CAFE cafe\u0301 Café cafés", "CAFE|cafe|Café"},
		{"cafe", "Café", "Café"},
		{"straße", "STRASSE Straße", "STRASSE|Straße"},
		{"łódź", "Lodz ŁÓDŹ", "Lodz|ŁÓDŹ"},
		{"пароль", "ПАРОЛЬ пароли", "ПАРОЛЬ"},
		{"密码", "我的密码是", "密码"},
		{"パスワード", "このパスワードは", "パスワード"},
		{"รหัสผ่าน", "ใส่รหัสผ่านนะ", "รหัสผ่าน"},
		{"a", "a b a", "a|a"},
		{"ab|b|abc", "ab b abc", "ab|b|abc"},
		{"he|she|hers", "she ushers hers", "she|hers"},
		{"c++", "C++ and c+++", "C++|c++"},
		{"#secret", "#secret x#secret", "#secret|#secret"},
		{"full-width", "ｆｕｌｌ－ｗｉｄｔｈ", "full-width"},
		{"secret", "se\u200bcret sec\u00adret", "secret|secret"},
		{"", "x", ""},
		{" |\t", "   ", ""},
		{"x", "", ""},
		{"x", "\xff\xfex\xff", "x"},
		{"lotus|bird", "", ""},
	} {
		text := extract.Plain(tc.in)
		var got []string
		for _, h := range NewKeywords(strings.Split(tc.terms, "|")).Find(text) {
			got = append(got, string(text.Bytes()[h.Start:h.End]))
		}
		if diff := cmp.Diff(tc.want, strings.Join(got, "|")); diff != "" {
			t.Errorf("%q in %q (-want +got):\n%s", tc.terms, tc.in, diff)
		}
	}
	if hits := (*Keywords)(nil).Find(extract.Plain("x")); hits != nil {
		t.Errorf("nil finds %v", hits)
	}
}

// Term is the index in the caller's list, empty terms counted.
func TestKeywordsTerm(t *testing.T) {
	hits := NewKeywords([]string{"", "one", "  ", "two", "one"}).Find(extract.Plain("two one"))
	want := []Hit{{3, 0, 3}, {1, 4, 7}, {4, 4, 7}}
	if diff := cmp.Diff(want, hits); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// An automaton too large for a table finds the same way.
func TestKeywordsLarge(t *testing.T) {
	var terms []string
	for i := range 60000 {
		terms = append(terms, fmt.Sprintf("%c%d term %d", 'a'+rune(i%26), i, i*i))
	}
	k := automated(append(terms, "she", "he"))
	if k.auto.table != nil {
		t.Fatal("the table is dense, so the test is of nothing")
	}
	text := extract.Plain("she x b1 term 1 y z25 TERM 625 b1 term 11 " + terms[59999])
	var got []string
	for _, h := range k.Find(text) {
		got = append(got, string(text.Bytes()[h.Start:h.End]))
	}
	if diff := cmp.Diff([]string{"she", "b1 term 1", "z25 TERM 625", terms[59999]}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// naive finds terms one by one, the slow way.
func naive(terms []string, text *extract.Text) map[Hit]bool {
	all := map[Hit]bool{}
	for i, term := range terms {
		for _, h := range NewKeywords([]string{term}).Find(text) {
			all[Hit{i, h.Start, h.End}] = true
		}
	}
	return all
}

func FuzzKeywords(f *testing.F) {
	f.Add("he,she,hers,his", "ushers his he she")
	f.Add("a a,a,aa", "a a aa  a")
	f.Add("é,密,ß", "É密ss\xff")
	trial.Fuzz(f, 1000, func(t *testing.T, list, s string) {
		terms := strings.Split(list, ",")
		if len(terms) > 30 {
			return
		}
		text := extract.Plain(s)
		got := map[Hit]bool{}
		for _, h := range NewKeywords(terms).Find(text) {
			if h.Start < 0 || h.End <= h.Start || h.End > text.Len() {
				t.Fatalf("hit %v in %d bytes", h, text.Len())
			}
			got[h] = true
		}
		if diff := cmp.Diff(naive(terms, text), got); diff != "" {
			t.Errorf("%q in %q: together differs from one by one (-one +all):\n%s", list, s, diff)
		}
	})
}
