package policy

import (
	"fmt"
	"testing"
	"time"

	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
)

// longList is a list of n terms of one or two words.
func longList(n int) []string {
	list := make([]string, n)
	for i := range list {
		list[i] = fmt.Sprintf("supplier%d", i)
		if i%2 == 1 {
			list[i] += fmt.Sprint(" works", i%13)
		}
	}
	return list
}

// A list that many rules name is kept once, and each rule counts its own words: a
// term of two lists is a hit of both.
func TestSharedList(t *testing.T) {
	shared := longList(1000)
	var rules []*Rule
	for i := range 50 {
		rules = append(rules, at(fmt.Sprint("r", i), &Keywords{List: "shared", Terms: shared}))
	}
	rules = append(rules,
		at("both", &Keywords{List: "other", Terms: []string{"SUPPLIER2", "heron", "heron "}}),
		at("not", All{&Keywords{Terms: []string{"supplier4"}}, Not{&Keywords{List: "shared", Terms: shared}}}),
		at("same words", &Keywords{List: "twin", Terms: longList(1000)}))
	s := NewSet("g", nil, rules, detect.Options{})
	if len(s.terms) != 1000+2 { // the terms are told apart as they are written
		t.Errorf("%d terms are kept", len(s.terms))
	}
	for _, tc := range []struct {
		text          string
		shared, other bool
	}{
		{"supplier2", true, true}, {"a Heron", false, true}, {"supplier3 works3", true, false}, {"supplier3", false, false}, {"supplier4", true, false}, {"", false, false},
	} {
		v := s.Judge(&Message{Text: extract.Plain(tc.text)}, &Context{Final: true}, time.Time{})
		for i, r := range v.Rules {
			want := map[string]bool{"both": tc.other, "not": false}
			w, ok := want[r.Rule.ID]
			if !ok {
				w = tc.shared
			}
			if got := r.Result == Matched; got != w {
				t.Errorf("%q: rule %d %s: %s, %s", tc.text, i, r.Rule.ID, r.Result, r.Reason)
			}
		}
	}
}

// BenchmarkJudgeList judges clean talk by a rule with a list of 100, and one of
// 100,000 terms.
func BenchmarkJudgeList(b *testing.B) {
	text := extract.Plain(chatter(2048))
	for _, n := range []int{100, 100_000} {
		s := NewSet("g", nil, []*Rule{at("r", &Keywords{List: "l", Terms: longList(n)})}, detect.Options{})
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			b.SetBytes(int64(text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				s.Judge(&Message{Text: text}, &Context{Final: true}, time.Time{})
			}
		})
	}
}
