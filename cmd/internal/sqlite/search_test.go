package sqlite

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"teamsdlp/actions"
)

// A search finds, over many short reads, what one read of everything would, in the same
// order and in pages; where it is told to stop it says so, and goes on from there.
func TestSearchGoesBackInPieces(t *testing.T) {
	const n = 2*maxPage + 1234
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	digest := "e1:00112233445566778899aabbccddeeff"
	rare := []int{0, 3, maxPage - 1, maxPage, maxPage + 1, 2*maxPage - 1, 2 * maxPage, n - 1}
	entries := make([]actions.Entry, n)
	for i := range entries {
		e := &entries[i]
		e.Kind, e.Case, e.Tenant = actions.KindShadow, fmt.Sprintf("%016x", i), "t"
		e.Time = time.Date(2026, 3, 1, 12, 0, i, 0, time.UTC)
		e.Sender = &actions.Sender{ID: "s", Name: "Ana Often"}
		if slices.Contains(rare, i) {
			e.Sender.Name = "Jo Seldom"
			e.Rules = []actions.RuleResult{{ID: "r", Result: "matched", Matched: []actions.Match{{Detector: "d", Digest: []string{digest}}}}}
		}
	}
	must(t, s.do(ctx, 0, func(tx *tx) error { return appendEntries(tx, entries) }, nil))
	newest := slices.Clone(rare)
	slices.Reverse(newest)
	seqs := func(f actions.Filter) []int {
		t.Helper()
		list, err := s.Entries(ctx, f)
		must(t, err)
		var got []int
		for _, e := range list {
			got = append(got, int(e.Seq))
		}
		return got
	}
	start, middle := int64(-1), int64(maxPage)
	for name, c := range map[string]struct {
		f    actions.Filter
		want []int
	}{
		"part of a name":          {actions.Filter{Sender: "SELD"}, newest},
		"a value":                 {actions.Filter{Digests: []string{digest}}, newest},
		"one of two values":       {actions.Filter{Digests: []string{"e9:x", digest}}, newest},
		"a value of a detector":   {actions.Filter{Digests: []string{digest}, Detector: "d"}, newest},
		"neither":                 {actions.Filter{Sender: "nobody"}, nil},
		"a page":                  {actions.Filter{Sender: "seldom", Limit: 5}, newest[:5]},
		"the next page":           {actions.Filter{Sender: "seldom", Limit: 5, Before: int64(newest[4])}, newest[5:]},
		"oldest first":            {actions.Filter{Sender: "seldom", After: &start}, rare},
		"a page, oldest first":    {actions.Filter{Sender: "seldom", After: &start, Limit: 3}, rare[:3]},
		"from the middle on":      {actions.Filter{Sender: "seldom", After: &middle}, rare[4:]},
		"until a time":            {actions.Filter{Sender: "seldom", Until: entries[maxPage].Time}, newest[5:]},
		"since a time":            {actions.Filter{Sender: "seldom", Since: entries[2*maxPage].Time}, newest[:2]},
		"by another filter first": {actions.Filter{Sender: "seldom", Rule: "r"}, newest},
	} {
		if got := seqs(c.f); !slices.Equal(got, c.want) {
			t.Errorf("%s: got %v, want %v", name, got, c.want)
		}
	}
	cases, err := s.Cases(ctx, actions.Filter{Sender: "seldom", Limit: 6})
	must(t, err)
	for i, c := range cases {
		if int(c.LastSeq) != newest[i] {
			t.Errorf("case %d is of entry %d, want %d", i, c.LastSeq, newest[i])
		}
	}
	if len(cases) != 6 {
		t.Errorf("%d cases, want 6", len(cases))
	}

	for _, f := range []actions.Filter{{Sender: "seldom", Scan: maxPage}, {Sender: "seldom", Scan: maxPage, After: &start}} {
		var got []int
		stops := 0
		for {
			list, err := s.Entries(ctx, f)
			for _, e := range list {
				got = append(got, int(e.Seq))
			}
			var stopped *actions.SearchStopped
			if !errors.As(err, &stopped) {
				must(t, err)
				break
			}
			if stops++; f.After != nil {
				f.After = &stopped.At
			} else {
				f.Before = stopped.At
			}
		}
		want := newest
		if f.After != nil {
			want = rare
		}
		if stops != 2 || !slices.Equal(got, want) {
			t.Errorf("in pieces, after %v: %d stops and %v, want 2 and %v", f.After, stops, got, want)
		}
	}
	if list, err := s.Entries(ctx, actions.Filter{Scan: 1, Limit: 7}); err != nil || len(list) != 7 {
		t.Errorf("a list that is no search: %d entries, %v", len(list), err)
	}
	// No read of a search goes over more than its piece.
	query, args := entriesQuery(actions.Filter{Sender: "seldom", Digests: []string{digest}}, span{5, 10})
	if p := plan(t, s.Reader, query, args); p != "SEARCH entries USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)" {
		t.Errorf("entries: %s", p)
	}
	query, args, err = casesQuery(actions.Filter{Sender: "seldom"}, span{5, 10})
	must(t, err)
	if p := plan(t, s.Reader, query, args); p != "SEARCH cases USING INDEX cases_last (last_seq>? AND last_seq<?)" {
		t.Errorf("cases: %s", p)
	}
}
