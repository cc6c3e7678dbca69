package actions

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// withRules is an entry with every field, and a rule of each result.
func withRules(t testing.TB) Entry {
	t.Helper()
	e := everyField(t)
	e.Seq, e.ID, e.SealedAt = 0, "", time.Time{}
	one := e.Rules[0]
	e.Rules = nil
	for _, result := range []string{"no_match", "matched", "near_miss", "no_match", "out_of_scope", "matched", "excepted", "no_match"} {
		one.Result, one.ID = result, one.ID+"."
		e.Rules = append(e.Rules, one)
	}
	return e
}

// As bytes, an entry gets its number just as it would if it were decoded for that,
// in whatever form it is.
func TestSealBody(t *testing.T) {
	at := time.Date(2026, 11, 26, 8, 30, 15, 120_000_000, time.UTC)
	numbered := withRules(t)
	numbered.Seq, numbered.ID = 3, "0123"
	sealed := withRules(t)
	sealed.SealedAt = at.Add(-time.Hour)
	for name, e := range map[string]Entry{"every field": withRules(t), "hardly any": {Kind: KindGap}, "numbered before": numbered, "sealed before": sealed} {
		body, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		forms := map[string][]byte{"": body}
		if name == "every field" {
			spaced, err := json.MarshalIndent(e, "", " ")
			if err != nil {
				t.Fatal(err)
			}
			forms[", spaced"] = spaced
		}
		for form, b := range forms {
			was := slices.Clone(b)
			got, err := SealBody(b, 1204, at)
			if err != nil {
				t.Errorf("%s%s: %v", name, form, err)
				continue
			}
			var back Entry
			if err := json.Unmarshal(got, &back); err != nil {
				t.Fatalf("%s%s: %v\n%s", name, form, err, got)
			}
			if len(back.ID) != 32 || back.ID == e.ID {
				t.Errorf("%s%s: id %q", name, form, back.ID)
			}
			want := e
			want.SealedAt = at
			if _, err := SealEntry(&want, 1204); err != nil {
				t.Fatal(err)
			}
			want.ID = back.ID
			same, err := json.Marshal(want)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(string(same), string(got)); d != "" {
				t.Errorf("%s%s: %s", name, form, d)
			}
			if !slices.Equal(b, was) {
				t.Errorf("%s%s: what it was given is changed", name, form)
			}
		}
	}
	for _, b := range []string{``, `{}x`, `[]`, `{"seq":0,"id":"",`, `{"seq":0,"id":"","kind":"gap"`, `{"seq":0,"id":"","kind":gap}`} {
		if got, err := SealBody([]byte(b), 1, at); err == nil {
			t.Errorf("%q was sealed as %q", b, got)
		}
	}
}

// The rules that matched are all that is told apart: the rest is as in the entry.
func TestDecodeMatched(t *testing.T) {
	e := withRules(t)
	none := e
	none.Rules = e.Rules[:1]
	text := e
	text.Reason, text.Rules = `,"rules":[{"result":"no_match"},`, e.Rules[1:2]
	for name, e := range map[string]Entry{"every field": e, "no rule matched": none, "no rules": {Kind: KindGap}, "a text that looks like rules": text} {
		body, err := SealEntry(&e, 7)
		if err != nil {
			t.Fatal(err)
		}
		spaced := []byte(strings.ReplaceAll(string(body), `,"`, `, "`))
		for form, b := range map[string][]byte{"": body, ", spaced": spaced} {
			var want Entry
			if err := json.Unmarshal(b, &want); err != nil {
				t.Fatal(err)
			}
			want.Rules = matchedRules(want.Rules)
			got, err := DecodeMatched(b)
			if d := cmp.Diff(want, got); err != nil || d != "" {
				t.Errorf("%s%s: %v %s", name, form, err, d)
			}
		}
	}
	for _, b := range []string{``, `{"seq":1,"rules":[`, `{"seq":1,"rules":[{"result":"no_match"}`, `{"seq":1,"rules":[{"result":"no_match"},]}`, `{"seq":1,"rules":[{"result":"no_match"}}`, `{"seq":1,"rules":[{"result":"no_match","id":tru}]}`, `{"seq":1,"rules":[{"result":"no_match"}]`, `{"seq":1,"rules":[{"result":"no_match"}]}}`} {
		if e, err := DecodeMatched([]byte(b)); err == nil {
			t.Errorf("%q was decoded as %+v", b, e)
		}
	}
	body, err := SealEntry(&e, 7)
	if err != nil {
		t.Fatal(err)
	}
	if short := withoutNoMatch(body); strings.Contains(string(short), "no_match") || strings.Count(string(short), `"result":`) != 5 {
		t.Errorf("what is decoded is\n%s", short)
	}
}
