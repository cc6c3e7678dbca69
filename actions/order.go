package actions

import (
	"fmt"
	"io"
	"slices"
	"strings"
)

// Order is the one thing that the Graph client may send to a message. It is
// made by a Recorder alone, after its intent is on disk: for a judgement in
// which an enforcing rule matched, to lift what stands, or again from an effect
// that was decided before. The zero Order is not Valid and must be refused.
type Order struct {
	r         OrderRecord
	committed bool
}

// Valid reports whether the order was made by a Recorder.
func (o Order) Valid() bool { return o.committed }

// Target is the message to act on.
func (o Order) Target() Target { return o.r.Target }

// Action is what to do; ActionNone lifts what stands.
func (o Order) Action() Action { return o.r.Action }

// Severity is that of the verdict, for the order in which waiting calls go out.
func (o Order) Severity() string { return o.r.Severity }

// Tip is the text for the sender; empty when the sender is told nothing.
func (o Order) Tip() string {
	if !o.HasTip() {
		return ""
	}
	return o.r.Tip
}

// URL is the page behind the tip.
func (o Order) URL() string {
	if !o.HasTip() {
		return ""
	}
	return o.r.URL
}

// Matched names what matched, for the sender: matchedConditionDescriptions.
func (o Order) Matched() []string {
	if !o.HasTip() {
		return nil
	}
	return slices.Clone(o.r.Matched)
}

// HasTip reports whether a policyTip is sent. Graph offers the sender a report
// wherever there is a tip, so there is none where reports are not wanted.
func (o Order) HasTip() bool {
	return o.r.Action != ActionNone && o.r.ReportFP != "none" &&
		(o.r.Tip != "" || o.r.URL != "" || len(o.r.Matched) > 0)
}

// DLPAction is Graph's dlpAction for the order.
func (o Order) DLPAction() string {
	switch o.r.Action {
	case ActionNotify:
		return "notifySender"
	case ActionBlockExternal:
		return "blockAccessExternal"
	case ActionBlock:
		return "blockAccess"
	}
	return "none"
}

// VerdictDetails is Graph's verdictDetails for the order: what the sender may
// do, as a comma-separated list of flags, or "none".
func (o Order) VerdictDetails() string {
	if o.r.Action == ActionNone {
		return "none"
	}
	var flags []string
	if o.r.ReportFP == "release" {
		flags = append(flags, "allowFalsePositiveOverride")
	}
	switch o.r.Override {
	case "without-justification":
		flags = append(flags, "allowOverrideWithoutJustification")
	case "with-justification":
		flags = append(flags, "allowOverrideWithJustification")
	}
	if len(flags) == 0 {
		return "none"
	}
	return strings.Join(flags, ",")
}

// Equal reports whether s is what this order wrote: the same action and, as far
// as s tells them, the same permissions and tip. What the sender did since is
// not compared. Graph is free in casing, order and spacing of flags, and may
// leave fields out.
func (o Order) Equal(s *Seen) bool {
	if s == nil {
		return o.r.Action == ActionNone
	}
	if !slices.Equal(flags(o.DLPAction()), flags(s.DLPAction)) {
		return false
	}
	if o.r.Action == ActionNone {
		return true // a cleared violation may keep what the sender was told
	}
	return agree(flags(o.VerdictDetails()), flags(s.VerdictDetails)) &&
		(s.TipText == "" || strings.TrimSpace(s.TipText) == strings.TrimSpace(o.Tip())) &&
		(s.URL == "" || strings.TrimSpace(s.URL) == strings.TrimSpace(o.URL())) &&
		(len(s.Matched) == 0 || slices.Equal(sorted(s.Matched), sorted(o.r.Matched)))
}

// agree reports whether seen equals want or tells nothing.
func agree(want, seen []string) bool { return len(seen) == 0 || slices.Equal(want, seen) }

// Seen is a message's policyViolation as Graph shows it, in Graph's words as
// they came. It holds the sender's own words and prints as [redacted].
type Seen struct {
	DLPAction      string
	VerdictDetails string
	UserAction     string
	TipText        string
	URL            string
	Matched        []string
	Justification  string // of the sender's override
}

// Overridden reports whether the sender overrode the action. A nil Seen was not.
func (s *Seen) Overridden() bool { return s != nil && slices.Contains(flags(s.UserAction), "override") }

// Reported reports whether the sender reported a false positive.
func (s *Seen) Reported() bool {
	return s != nil && slices.Contains(flags(s.UserAction), "reportfalsepositive")
}

// Format implements fmt.Formatter.
func (Seen) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[redacted]") }

// MarshalText keeps a Seen out of anything that is encoded.
func (Seen) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// flags splits one of Graph's flag strings, as "Override, ReportFalsePositive",
// into sorted lower-case words; "none" is no flag.
func flags(s string) []string {
	var words []string
	for w := range strings.SplitSeq(s, ",") {
		w = strings.ToLower(strings.TrimSpace(w))
		if w != "" && w != "none" {
			words = append(words, w)
		}
	}
	slices.Sort(words)
	return slices.Compact(words)
}

func sorted(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}
