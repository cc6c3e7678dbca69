package actions

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
)

func TestOrderOnTheWire(t *testing.T) {
	for _, tt := range []struct {
		r               OrderRecord
		action, details string
		tip             bool
	}{
		{OrderRecord{Action: ActionBlock, Tip: "t", Override: "none", ReportFP: "review"}, "blockAccess", "none", true},
		{OrderRecord{Action: ActionBlockExternal, Tip: "t", Override: "without-justification", ReportFP: "review"}, "blockAccessExternal", "allowOverrideWithoutJustification", true},
		{OrderRecord{Action: ActionNotify, Tip: "t", Override: "with-justification", ReportFP: "review"}, "notifySender", "allowOverrideWithJustification", true},
		{OrderRecord{Action: ActionBlock, Tip: "t", Override: "with-justification", ReportFP: "release"}, "blockAccess", "allowFalsePositiveOverride,allowOverrideWithJustification", true},
		{OrderRecord{Action: ActionBlock, Tip: "t", ReportFP: "release"}, "blockAccess", "allowFalsePositiveOverride", true},
		{OrderRecord{Action: ActionBlock, Tip: "t", ReportFP: "none"}, "blockAccess", "none", false},
		{OrderRecord{Action: ActionBlock, ReportFP: "review"}, "blockAccess", "none", false},
		{OrderRecord{Action: ActionNone, Tip: "t", Override: "with-justification", ReportFP: "release"}, "none", "none", false},
		{OrderRecord{Action: "burn", Tip: "t"}, "none", "none", true},
		{OrderRecord{}, "none", "none", false},
	} {
		o := Order{r: tt.r, committed: true}
		if o.DLPAction() != tt.action || o.VerdictDetails() != tt.details || o.HasTip() != tt.tip || (o.Tip() != "") != tt.tip {
			t.Errorf("%+v: %q %q tip %v (%q), want %q %q %v", tt.r, o.DLPAction(), o.VerdictDetails(), o.HasTip(), o.Tip(), tt.action, tt.details, tt.tip)
		}
	}
}

func TestOrderEqual(t *testing.T) {
	two := OrderRecord{Action: ActionBlock, Tip: "tip", URL: "https://x", Matched: []string{"A", "B"}, Override: "with-justification", ReportFP: "release"}
	bare := OrderRecord{Action: ActionBlock, Tip: "tip", ReportFP: "none"}
	same := func(r OrderRecord, s *Seen) { t.Helper(); equal(t, r, s, true) }
	differs := func(r OrderRecord, s *Seen) { t.Helper(); equal(t, r, s, false) }

	same(two, &Seen{DLPAction: "blockAccess"})
	same(two, &Seen{DLPAction: "BlockAccess", VerdictDetails: "AllowOverrideWithJustification, AllowFalsePositiveOverride", TipText: " tip\n", URL: "https://x", Matched: []string{"B", "A"}})
	same(two, &Seen{DLPAction: " BLOCKACCESS ", UserAction: "override", Justification: "j"})
	same(two, &Seen{DLPAction: "none,blockAccess"})
	same(two, &Seen{DLPAction: "blockAccess,blockAccess"})
	same(bare, &Seen{DLPAction: "blockAccess", VerdictDetails: "none"})
	same(cleared, nil)
	same(cleared, &Seen{})
	same(cleared, &Seen{DLPAction: "none"})
	same(cleared, &Seen{DLPAction: "None", TipText: "left over"})

	differs(two, nil)
	differs(two, &Seen{})
	differs(two, &Seen{DLPAction: "none"})
	differs(two, &Seen{DLPAction: "blockAccessExternal"})
	differs(two, &Seen{DLPAction: "blockAccess,notifySender"})
	differs(two, &Seen{DLPAction: "block"})
	differs(two, &Seen{DLPAction: "blockAccess", VerdictDetails: "allowOverrideWithJustification"})
	differs(two, &Seen{DLPAction: "blockAccess", TipText: "another"})
	differs(two, &Seen{DLPAction: "blockAccess", URL: "https://y"})
	differs(two, &Seen{DLPAction: "blockAccess", Matched: []string{"A"}})
	differs(bare, &Seen{DLPAction: "blockAccess", TipText: "tip"})
	differs(cleared, &Seen{DLPAction: "blockAccess"})
}

func equal(t *testing.T, r OrderRecord, s *Seen, want bool) {
	t.Helper()
	if got := (Order{r: r}).Equal(s); got != want {
		t.Errorf("Equal = %v, want %v", got, want)
	}
}

func TestSeenUserAction(t *testing.T) {
	for _, tt := range []struct {
		user               string
		override, reported bool
	}{
		{"", false, false}, {"none", false, false}, {"override", true, false}, {"Override", true, false},
		{"reportFalsePositive", false, true}, {"Override, ReportFalsePositive", true, true},
		{"reportFalsePositive,override", true, true}, {"overridden", false, false}, {"not override", false, false},
	} {
		s := &Seen{UserAction: tt.user}
		if s.Overridden() != tt.override || s.Reported() != tt.reported {
			t.Errorf("%q: overridden %v reported %v", tt.user, s.Overridden(), s.Reported())
		}
	}
	var nobody *Seen
	if nobody.Overridden() || nobody.Reported() {
		t.Error("a message without a violation was overridden")
	}
}

func TestSeenAndKeysCannotBePrinted(t *testing.T) {
	keys, err := NewKeys("test")
	if err != nil {
		t.Fatal(err)
	}
	seen := Seen{Justification: "4111111111111111", TipText: "4111111111111111"}
	o := Observation{Violation: &seen}
	for _, v := range []any{seen, &seen, []Seen{seen}, *keys, keys, struct{ K *Keys }{keys}} {
		for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
			hidden(t, fmt.Sprintf(verb, v), keys)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		hidden(t, string(b), keys)
	}
	b, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	hidden(t, string(b), keys)
}

func hidden(t *testing.T, s string, k *Keys) {
	t.Helper()
	for _, secret := range []string{"4111111111111111", string(k.epochs[0].key), fmt.Sprintf("%x", k.epochs[0].key), fmt.Sprint(k.epochs[0].key)} {
		if strings.Contains(s, secret) {
			t.Errorf("printed: %s", s)
		}
	}
}
