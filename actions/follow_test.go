package actions

import (
	"slices"
	"testing"
)

// The violation that blockA wrote, and what became of it.
var (
	blockA    = OrderRecord{Action: ActionBlock, Tip: "card", Matched: []string{"Card"}, Override: "with-justification", ReportFP: "review"}
	blockA200 = OrderRecord{Action: ActionBlock, Version: "200"}
	cleared   = OrderRecord{Action: ActionNone}
	echoA     = &Seen{DLPAction: "BlockAccess", VerdictDetails: "allowOverrideWithJustification", TipText: "card", Matched: []string{"Card"}}
	overrode  = &Seen{DLPAction: "blockAccess", VerdictDetails: "allowOverrideWithJustification", TipText: "card", UserAction: "Override", Justification: "because"}
	reported  = &Seen{DLPAction: "blockAccess", TipText: "card", UserAction: "reportFalsePositive"}
	both      = &Seen{DLPAction: "blockAccess", UserAction: "Override, ReportFalsePositive"}
	foreign   = &Seen{DLPAction: "notifySender", TipText: "somebody else's"}
	none      = &Seen{DLPAction: "none"}
)

// The constructors below make the tables a specification.
func created(v, text string) Observation {
	return Observation{Version: v, Change: Created, Fingerprint: text}
}
func updated(v, text string, seen *Seen) Observation {
	return Observation{Version: v, Change: Updated, Fingerprint: text, Violation: seen}
}
func blanked(v string, seen *Seen) Observation {
	return Observation{Version: v, Change: Updated, EmptyBody: true, Fingerprint: "empty", Violation: seen}
}
func deleted(v string) Observation { return Observation{Version: v, Change: Deleted, EmptyBody: true} }

// blocked is a message whose text A is blocked since version 100.
func blocked(change ...func(*Standing)) Standing {
	s := Standing{Case: "c", Version: "100", TextVersion: "100", Judged: true, Fingerprint: "A", Generation: "g", Action: ActionBlock, Order: &blockA}
	for _, c := range change {
		c(&s)
	}
	return s
}
func clean(change ...func(*Standing)) Standing {
	s := Standing{Version: "100", TextVersion: "100", Judged: true, Fingerprint: "A"}
	for _, c := range change {
		c(&s)
	}
	return s
}

func overriddenS(s *Standing) { s.Overridden, s.Action = true, ActionNone }
func releasedS(s *Standing)   { s.Released, s.Action, s.Order = true, ActionNone, &cleared }
func closedS(s *Standing)     { s.Closed, s.Action = true, ActionNone }
func confirmedS(s *Standing)  { s.Confirmed = true }
func staleS(s *Standing)      { s.StaleOverride = true }
func reportedS(s *Standing)   { s.Reported = true }
func pendingS(s *Standing)    { s.Pending, s.Action = "100", "" }
func at(v string) func(*Standing) {
	return func(s *Standing) { s.Version = v }
}
func reordered(s *Standing) { s.Order = &blockA200 }
func textB(s *Standing)     { s.Fingerprint, s.Version, s.TextVersion = "B", "150", "150" }

func TestNext(t *testing.T) {
	var (
		fresh   = Effect{}
		decided = Effect{Version: "100", State: StateDecided}
	)
	done := func(s State) Effect { return Effect{State: s} }
	for _, tt := range []struct {
		name    string
		o       Observation
		s       Standing
		e       Effect
		want    StepKind
		records []Kind
		then    Standing // compared as a whole unless zero and want is Judge or Resume
	}{
		// Deletion closes, whatever else the item says, and sends nothing.
		{"deleted", deleted("200"), blocked(), fresh, Close, []Kind{KindDeleted}, blocked(closedS, at("200"))},
		{"deleted by date only", Observation{Version: "200", Change: Updated, Deleted: true, Fingerprint: "B"}, blocked(), fresh, Close, []Kind{KindDeleted}, blocked(closedS, at("200"))},
		{"deleted with a version that did not move", deleted("100"), blocked(), fresh, Close, []Kind{KindDeleted}, blocked(closedS)},
		{"deleted with an older version", deleted("50"), blocked(), fresh, Close, []Kind{KindDeleted}, blocked(closedS)},
		{"deleted without a version", deleted(""), blocked(), fresh, Close, []Kind{KindDeleted}, blocked(closedS)},
		{"deleted, no case", deleted("200"), clean(), fresh, Close, nil, clean(closedS, at("200"))},
		{"deleted before it was seen", deleted("200"), Standing{}, fresh, Close, nil, Standing{Closed: true, Action: ActionNone, Version: "200"}},
		{"deleted twice", deleted("200"), blocked(closedS), fresh, Skip, nil, blocked(closedS)},
		{"deleted with an override on it", Observation{Version: "200", Deleted: true, Violation: overrode}, blocked(), fresh, Close, []Kind{KindDeleted}, blocked(closedS, at("200"))},

		// After a deletion: stragglers say nothing; an undone deletion does.
		{"a straggler of before the deletion", updated("150", "B", nil), blocked(closedS, at("200")), fresh, Supersede, nil, blocked(closedS, at("200"))},
		{"a late echo of before the deletion", blanked("150", echoA), blocked(closedS, at("200")), fresh, Supersede, nil, blocked(closedS, at("200"))},
		{"a blanked item after the deletion", blanked("250", echoA), blocked(closedS, at("200")), fresh, Skip, nil, blocked(closedS, at("200"))},
		{"undone, our block stands", updated("250", "A", echoA), blocked(closedS, at("200")), fresh, Skip, nil, blocked(at("250"), func(s *Standing) { s.TextVersion = "250" })},
		{"undone, our block is gone", updated("250", "A", nil), blocked(closedS, at("200")), fresh, Judge, nil, Standing{}},
		{"undone with another text", updated("250", "B", nil), blocked(closedS, at("200")), fresh, Judge, nil, Standing{}},
		{"undone, overridden before", updated("250", "A", overrode), blocked(closedS, overriddenS, at("200")), fresh, Skip, nil, blocked(overriddenS, at("250"), func(s *Standing) { s.TextVersion = "250" })},
		{"undone, never judged", updated("250", "A", nil), Standing{Closed: true, Version: "200"}, fresh, Judge, nil, Standing{}},

		// A finished version stays finished.
		{"redelivered after applied", created("100", "A"), blocked(), done(StateApplied), Skip, nil, blocked()},
		{"redelivered after clean", created("100", "A"), clean(), done(StateClean), Skip, nil, clean()},
		{"redelivered after failed", created("100", "A"), clean(), done(StateFailed), Skip, nil, clean()},
		{"redelivered after not enforceable", created("100", "A"), clean(), done(StateNotEnforceable), Skip, nil, clean()},
		{"redelivered with other content", created("100", "B"), blocked(), done(StateApplied), Skip, nil, blocked()},
		{"a deletion redelivered", deleted("100"), blocked(closedS), done(StateNoop), Skip, nil, blocked(closedS)},

		// A decided version is resumed, unless something made it pointless.
		{"decided", created("100", "A"), blocked(pendingS), decided, Resume, nil, Standing{}},
		{"decided, an echo was seen", created("100", "A"), blocked(pendingS, at("150")), decided, Resume, nil, Standing{}},
		{"decided, another text was judged", created("100", "A"), blocked(textB), decided, Supersede, nil, blocked(textB)},
		{"decided, overridden meanwhile", created("100", "A"), blocked(pendingS, overriddenS), decided, Skip, nil, blocked(overriddenS)},
		{"decided, the same text was decided anew", created("100", "A"), blocked(reordered), Effect{Version: "100", State: StateDecided, Order: &OrderRecord{Version: "100", Action: ActionBlock}}, Supersede, nil, blocked(reordered)},
		{"a lift decided, overridden meanwhile", created("100", "A"), blocked(pendingS, overriddenS), Effect{Version: "100", State: StateDecided, Order: &cleared}, Resume, nil, Standing{}},
		{"decided, released meanwhile", created("100", "A"), blocked(releasedS), decided, Skip, nil, blocked(releasedS)},
		{"decided, deleted meanwhile", created("100", "A"), blocked(closedS), decided, Skip, nil, blocked(closedS)},

		// System events are nobody's words.
		{"system event", Observation{Version: "1", Change: Created, System: true, Fingerprint: "A"}, Standing{}, fresh, Skip, nil, Standing{}},

		// First sight.
		{"created", created("100", "A"), Standing{}, fresh, Judge, nil, clean()},
		{"an update is the first that is seen", updated("100", "A", nil), Standing{}, fresh, Judge, nil, clean()},
		{"first sight with somebody's violation", updated("100", "A", foreign), Standing{}, fresh, Judge, nil, clean()},
		{"first sight with a report", updated("100", "A", reported), Standing{}, fresh, Judge, nil, Standing{}},
		{"first sight, empty body", blanked("100", nil), Standing{}, fresh, Judge, nil, Standing{}},
		{"first sight of an overridden message", updated("100", "A", overrode), Standing{}, fresh, Record, []Kind{KindOverride},
			Standing{Version: "100", TextVersion: "100", Judged: true, Fingerprint: "A", Overridden: true, Action: ActionNone}},
		{"the text after a blank that was clean", created("100", "A"), Standing{Version: "150"}, fresh, Judge, nil, clean(at("150"))},

		// Versions out of order.
		{"v1 after v3", created("50", "X"), blocked(), fresh, Supersede, nil, blocked()},
		{"older with fewer digits", created("99", "X"), blocked(), fresh, Supersede, nil, blocked()},
		{"older with an override", updated("50", "A", overrode), blocked(), fresh, Supersede, nil, blocked()},
		{"an edit that a newer blanked item overtook", updated("150", "B", nil), blocked(at("200")), fresh, Judge, nil,
			Standing{Case: "c", Version: "200", TextVersion: "150", Judged: true, Fingerprint: "B", Generation: "g", Action: ActionBlock, Order: &blockA}},
		{"the same text, overtaken by a blanked item", updated("150", "A", nil), blocked(at("200")), fresh, Skip, nil, blocked(at("200"), textAt("150"))},
		{"a blanked item, overtaken", blanked("150", echoA), blocked(at("200")), fresh, Supersede, nil, blocked(at("200"))},
		{"an overtaken item does not undo an override", updated("150", "A", echoA), blocked(overriddenS, at("200")), fresh, Skip, nil, blocked(overriddenS, at("200"), textAt("150"))},
		{"an old edit, when a newer item showed the text again", updated("120", "B", nil), blocked(at("200"), textAt("150")), fresh, Supersede, nil, blocked(at("200"), textAt("150"))},
		{"versions without an order are judged", updated("e1:ff", "B", nil), blocked(), fresh, Judge, nil, Standing{}},

		// The sender's override.
		{"override", updated("200", "A", overrode), blocked(), fresh, Record, []Kind{KindOverride}, blocked(overriddenS, seenAt("200"))},
		{"override while the body is blanked", blanked("200", overrode), blocked(), fresh, Record, []Kind{KindOverride}, blocked(overriddenS, at("200"))},
		{"override before the echo", updated("200", "A", overrode), blocked(pendingS), fresh, Record, []Kind{KindOverride}, blocked(pendingS, overriddenS, seenAt("200"))},
		{"override, seen before", updated("200", "A", overrode), blocked(overriddenS), fresh, Skip, nil, blocked(overriddenS, seenAt("200"))},
		{"override with a report", updated("200", "A", both), blocked(), fresh, Record, []Kind{KindOverride, KindReport}, blocked(overriddenS, reportedS, seenAt("200"))},
		{"override of what an analyst released", updated("200", "A", overrode), blocked(releasedS), fresh, Record, []Kind{KindOverride}, blocked(releasedS, overriddenS, seenAt("200"))},
		{"override of an action that is not ours", updated("200", "A", overrode), clean(), fresh, Skip, nil, clean(seenAt("200"))},
		{"override of an earlier text", updated("200", "A", overrode), blocked(staleS), fresh, Skip, nil, blocked(staleS, seenAt("200"))},
		{"a new override, after one without", updated("200", "A", echoA), blocked(staleS, confirmedS), fresh, Skip, nil, blocked(confirmedS, seenAt("200"))},
		{"edit with the override on it", updated("200", "B", overrode), blocked(overriddenS), fresh, Judge, nil, edited("200", staleS, func(s *Standing) { s.Action = ActionNone })},
		{"edit with an override not seen before", updated("200", "B", overrode), blocked(), fresh, Judge, []Kind{KindOverride}, edited("200", staleS, func(s *Standing) { s.Action = ActionNone })},
		{"our later block replaced the override", updated("200", "A", echoA), blocked(overriddenS), fresh, Record, []Kind{KindResult}, blocked(confirmedS, seenAt("200"))},

		// Reports.
		{"report", updated("200", "A", reported), blocked(confirmedS), fresh, Record, []Kind{KindReport}, blocked(reportedS, confirmedS, seenAt("200"))},
		{"report, and the first sight of our own action", updated("200", "A", reported), blocked(), fresh, Record, []Kind{KindReport, KindResult}, blocked(reportedS, confirmedS, seenAt("200"))},
		{"report while blanked", blanked("200", reported), blocked(confirmedS), fresh, Record, []Kind{KindReport}, blocked(reportedS, confirmedS, at("200"))},
		{"report, seen before", updated("200", "A", reported), blocked(reportedS, confirmedS), fresh, Skip, nil, blocked(reportedS, confirmedS, seenAt("200"))},
		{"report of what is not ours", updated("200", "A", reported), clean(), fresh, Skip, nil, clean(reportedS, seenAt("200"))},

		// Echoes and blanking.
		{"echo", updated("200", "A", echoA), blocked(), fresh, Record, []Kind{KindResult}, blocked(confirmedS, seenAt("200"))},
		{"blanked echo", blanked("200", echoA), blocked(), fresh, Record, []Kind{KindResult}, blocked(confirmedS, at("200"))},
		{"second echo", updated("200", "A", echoA), blocked(confirmedS), fresh, Skip, nil, blocked(confirmedS, seenAt("200"))},
		{"echo before the result", blanked("200", echoA), blocked(pendingS), fresh, Record, []Kind{KindResult}, blocked(pendingS, confirmedS, at("200"), func(s *Standing) { s.Action = ActionBlock })},
		{"blanked without a violation", blanked("200", nil), blocked(), fresh, Skip, nil, blocked(at("200"))},
		{"blanked, after a release", blanked("200", echoA), blocked(releasedS), fresh, Skip, nil, blocked(releasedS, at("200"))},
		{"blanked, the text was clean", blanked("200", nil), clean(), fresh, Skip, nil, clean(at("200"))},
		{"the echo of a release", updated("200", "A", none), blocked(releasedS), fresh, Skip, nil, blocked(releasedS, seenAt("200"))},
		{"a violation that is not ours", updated("200", "A", foreign), blocked(), fresh, Skip, nil, blocked(seenAt("200"))},

		// Reactions.
		{"reaction", updated("200", "A", nil), clean(), fresh, Skip, nil, clean(seenAt("200"))},
		{"reaction to a blocked message", updated("200", "A", echoA), blocked(confirmedS), fresh, Skip, nil, blocked(confirmedS, seenAt("200"))},
		{"reaction to a released message", updated("200", "A", none), blocked(releasedS), fresh, Skip, nil, blocked(releasedS, seenAt("200"))},
		{"same version, effect forgotten", updated("100", "A", nil), clean(), fresh, Skip, nil, clean()},

		// Edits.
		{"edit", updated("200", "B", echoA), blocked(), fresh, Judge, nil, edited("200")},
		{"edit of a clean text", updated("200", "B", nil), clean(), fresh, Judge, nil, Standing{Version: "200", TextVersion: "200", Judged: true, Fingerprint: "B"}},
		{"edit of a released text", updated("200", "B", none), blocked(releasedS), fresh, Judge, nil, edited("200", func(s *Standing) { s.Action, s.Order = ActionNone, &cleared })},
		{"edit with a report on it", updated("200", "B", reported), blocked(), fresh, Judge, []Kind{KindReport}, edited("200", reportedS)},
		{"edit, with changeType created", created("200", "B"), blocked(), fresh, Judge, nil, edited("200")},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Next(tt.o, tt.s, tt.e)
			if got.Kind != tt.want || !slices.Equal(got.Records, tt.records) || got.Reason == "" {
				t.Fatalf("Next = %v, records %v\nwant %v, records %v", got, got.Records, tt.want, tt.records)
			}
			if tt.then == (Standing{}) && (tt.want == Judge || tt.want == Resume) {
				return
			}
			if got.Standing != tt.then {
				t.Errorf("%v: standing\n got %+v\nwant %+v", got, got.Standing, tt.then)
			}
		})
	}
}

func textAt(v string) func(*Standing) {
	return func(s *Standing) { s.TextVersion = v }
}

func seenAt(v string) func(*Standing) {
	return func(s *Standing) { s.Version, s.TextVersion = v, v }
}

// edited is blocked() once its text is B.
func edited(v string, change ...func(*Standing)) Standing {
	return blocked(append([]func(*Standing){seenAt(v), func(s *Standing) { s.Fingerprint = "B" }}, change...)...)
}

func TestNextSaysWhetherItIsAnEdit(t *testing.T) {
	for _, tt := range []struct {
		o    Observation
		s    Standing
		want bool
	}{
		{created("100", "A"), Standing{}, false},
		{created("100", "A"), Standing{Version: "150"}, false},
		{updated("200", "B", nil), blocked(), true},
		{updated("200", "A", nil), blocked(closedS), false},
		{updated("150", "B", nil), blocked(at("200")), true},
	} {
		if got := Next(tt.o, tt.s, Effect{}); got.Kind != Judge || got.Edit != tt.want {
			t.Errorf("Next(%v, %v) = %v, edit %v, want %v", tt.o.Version, tt.s.Version, got, got.Edit, tt.want)
		}
	}
}

func TestEffectVersion(t *testing.T) {
	for _, tt := range []struct {
		o    Observation
		want string
	}{
		{created("100", "A"), "100"},
		{deleted("100"), "100/deleted"},
		{Observation{Version: "100", Deleted: true}, "100/deleted"},
		{deleted(""), "/deleted"},
	} {
		if got := tt.o.effectVersion(); got != tt.want {
			t.Errorf("effectVersion(%+v) = %q, want %q", tt.o, got, tt.want)
		}
	}
}

func TestCompareVersions(t *testing.T) {
	for _, tt := range []struct {
		a, b         string
		older, newer bool
	}{
		{"1761984123456", "1761984123457", true, false},
		{"999", "1000", true, false},
		{"0999", "999", false, false},
		{"100000000000000000000000", "99999999999999999999999", false, true},
		{"2026-11-01T08:00:00Z", "2026-11-01T08:00:00.001Z", true, false},
		{"2026-11-01T08:00:00+01:00", "2026-11-01T07:30:00Z", true, false},
		{"100", "", false, true},
		{"", "100", false, false},
		{"e1:00", "e1:ff", false, false},
		{"100", "2026-11-01T08:00:00Z", false, false},
		{"-5", "100", false, false},
	} {
		if o, n := older(tt.a, tt.b), newer(tt.a, tt.b); o != tt.older || n != tt.newer {
			t.Errorf("%q against %q: older %v newer %v, want %v %v", tt.a, tt.b, o, n, tt.older, tt.newer)
		}
	}
}
