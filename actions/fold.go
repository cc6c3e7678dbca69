package actions

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"time"
)

// Fold adds entry e to case c. The zero Case is one without entries. An entry
// that names no case changes nothing. A store folds an entry in the commit that
// appends it, after Seq and ID are set.
func Fold(c Case, e Entry) Case {
	if e.Case == "" {
		return c
	}
	if c.ID == "" {
		c = Case{ID: e.Case, Tenant: e.Tenant, FirstSeq: e.Seq, Opened: e.Time, Standing: ActionNone}
	}
	c.LastSeq, c.Updated = e.Seq, e.Time
	c.Conversation = cmpOr(c.Conversation, e.Conversation)
	c.Message = cmpOr(c.Message, e.Message)
	c.Sender = cmpOr(c.Sender, e.Sender)
	switch e.Kind {
	case KindIntent, KindShadow:
		c = foldVerdict(c, e)
	case KindResult:
		if e.Target != nil { // a verdict that could not be acted on
			c = foldVerdict(c, e)
		}
		c = foldResult(c, e)
	case KindOverride:
		c.Overridden, c.Standing = true, ActionNone
	case KindReport:
		c.Reported = true
	case KindEdit:
		c.Edited = true
	case KindDeleted:
		c.Deleted, c.Standing = true, ActionNone
	case KindLabel:
		c.Label = e.Label
	}
	return c
}

// foldVerdict is a new verdict: what people did about the text before does not
// hold for this one.
func foldVerdict(c Case, e Entry) Case {
	c.Conversation = cmpOr(e.Conversation, c.Conversation)
	c.Message = cmpOr(e.Message, c.Message)
	c.Sender = cmpOr(e.Sender, c.Sender)
	c.Target = cmpOr(e.Target, c.Target)
	c.Generation, c.Verdict = e.Generation, e.Verdict
	c.Rules = matchedRules(e.Rules)
	c.Severity = highestSeverity(c.Rules)
	c.Action, c.Outcome = e.Action, e.Outcome
	c.Exposure, c.Graph = e.Exposure, nil
	c.Overridden, c.Reported, c.Released, c.Deleted = false, false, false, false
	return c
}

func foldResult(c Case, e Entry) Case {
	if e.Graph != nil {
		c.Graph = e.Graph
	}
	if e.Action == ActionNone { // of a release
		if e.Outcome == OutcomeApplied {
			c.Standing, c.Released = ActionNone, true
		}
		return c
	}
	if c.Message == nil || e.Message == nil || c.Message.Version != e.Message.Version {
		return c // of an older verdict
	}
	c.Outcome = e.Outcome
	if e.Outcome == OutcomeApplied {
		if e.Graph == nil { // an echo: what Teams shows replaced an override of before
			c.Overridden = false
		}
		if !c.Overridden && !c.Deleted && !c.Released {
			c.Standing = e.Action
		}
	}
	if x := e.Exposure; x != nil {
		var all Exposure
		if c.Exposure != nil {
			all = *c.Exposure
		}
		for _, f := range []struct{ to, from *time.Time }{
			{&all.Sent, &x.Sent}, {&all.Received, &x.Received}, {&all.Judged, &x.Judged},
			{&all.Applied, &x.Applied}, {&all.Confirmed, &x.Confirmed},
		} {
			if f.to.IsZero() {
				*f.to = *f.from
			}
		}
		c.Exposure = &all
	}
	return c
}

func highestSeverity(rules []RuleResult) string {
	order := []string{"low", "medium", "high", "critical"}
	highest := ""
	for _, r := range rules {
		if slices.Index(order, r.Severity) > slices.Index(order, highest) {
			highest = r.Severity
		}
	}
	return highest
}

// WriteNDJSON writes each of list as one line of JSON.
func WriteNDJSON[T Entry | Case](w io.Writer, list []T) error {
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	for _, v := range list {
		if err := enc.Encode(v); err != nil {
			return fmt.Errorf("writing a line: %w", err)
		}
	}
	return nil
}
