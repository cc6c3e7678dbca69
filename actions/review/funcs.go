package review

import (
	"fmt"
	"html/template"
	"strings"
	"time"

	"teamsdlp/actions"
)

// funcs are what the templates can say.
func (s *Server) funcs() template.FuncMap {
	return template.FuncMap{
		"ago":      func(t time.Time) string { return ago(s.cfg.Clock().Sub(t)) },
		"utc":      func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05.000 UTC") },
		"stamp":    func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"readable": Readable,
		"zero":     func(t time.Time) bool { return t.IsZero() },
		"exposure": exposureOf,
		"masked":   masked,
		"titles":   titles,
		"tags":     Tags,
		"words":    func(v any) string { return strings.NewReplacer("_", " ", "-", " ").Replace(fmt.Sprint(v)) },
		"external": func(known *bool) bool { return known != nil && *known },
		"slist":    func(words ...string) []string { return words },
		"states":   func() []string { return states },
	}
}

func ago(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds ago", max(0, int(d.Seconds())))
	case d < time.Hour:
		return fmt.Sprintf("%dm ago", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh ago", int(d.Hours()))
	}
	return fmt.Sprintf("%dd ago", int(d.Hours()/24))
}

// span is a stretch of the exposure clock.
type span struct {
	Name  string
	Text  string
	Known bool
}

// exposureView is the exposure clock in words, in its parts.
type exposureView struct {
	Known            bool
	Total            string
	Microsoft, Ours  string
	MicrosoftPercent int // of the total, rounded to tens: the page's styles have a class for each
	Steps            []span
}

// exposureOf splits how long the text could be read: Microsoft's part from sent
// to received, ours from received to applied.
func exposureOf(e *actions.Exposure) exposureView {
	var v exposureView
	if e == nil {
		return v
	}
	step := func(name string, from, to time.Time) {
		if !from.IsZero() && !to.IsZero() {
			v.Steps = append(v.Steps, span{name, Span(to.Sub(from).Round(time.Millisecond)), true})
			return
		}
		v.Steps = append(v.Steps, span{name, "not known", false})
	}
	step("sent to received (Microsoft)", e.Sent, e.Received)
	step("received to judged", e.Received, e.Judged)
	step("judged to applied", e.Judged, e.Applied)
	step("applied to confirmed by Teams", e.Applied, e.Confirmed)
	if e.Sent.IsZero() || e.Received.IsZero() || e.Applied.IsZero() {
		return v
	}
	v.Known = true
	total := e.Applied.Sub(e.Sent)
	v.Total, v.Microsoft, v.Ours = Parts(e)
	if total > 0 {
		percent := int(100 * e.Received.Sub(e.Sent) / total)
		v.MicrosoftPercent = min(100, max(0, (percent+5)/10*10))
	}
	return v
}

// Readable says for how long people could read the text, as far as the log knows
// it; empty if it does not. Only a block ends that: a tip leaves the text where it
// is, and so does what could not be enforced.
func Readable(c actions.Case) string {
	x := exposureOf(c.Exposure)
	blocks := c.Action == actions.ActionBlock || c.Action == actions.ActionBlockExternal
	switch {
	case x.Known && blocks && c.Outcome == actions.OutcomeApplied:
		said := "for " + x.Total
		if c.Action == actions.ActionBlockExternal {
			said += " outside"
		}
		if (c.Overridden || c.Released) && !c.Deleted && !c.Edited {
			said += ", and again"
		}
		return said
	case c.Deleted, c.Edited, c.Outcome == actions.OutcomePending, c.Outcome == actions.OutcomeApplied && blocks:
		return ""
	}
	return "still"
}

// Parts says for how long the text could be read until the action, and which part of
// that was Microsoft's and which ours; in milliseconds they add up. Sent, received and
// applied must be known.
func Parts(e *actions.Exposure) (total, microsoft, ours string) {
	all, theirs := e.Applied.Sub(e.Sent).Round(time.Millisecond), e.Received.Sub(e.Sent).Round(time.Millisecond)
	return Span(all), Span(theirs), Span(all - theirs)
}

// Span is a stretch of time in words.
func Span(d time.Duration) string {
	switch {
	case d < 0:
		return "0 ms (clocks differ)"
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < time.Minute:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < time.Hour:
		return fmt.Sprintf("%dm %02ds", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%dh %02dm", int(d.Hours()), int(d.Minutes())%60)
}

// masked lists the masked values of the rules that matched, each once.
func masked(rules []actions.RuleResult) []string {
	var list []string
	seen := map[string]bool{}
	for _, r := range rules {
		for _, m := range r.Matched {
			for _, v := range m.Masked {
				if !seen[v] {
					seen[v] = true
					list = append(list, v)
				}
			}
		}
	}
	return list
}

// titles lists the rules that matched.
func titles(rules []actions.RuleResult) []string {
	var list []string
	for _, r := range rules {
		if r.Result != "matched" && r.Result != "" {
			continue
		}
		name := r.Title
		if name == "" {
			name = r.ID
		}
		list = append(list, name)
	}
	return list
}

// Tags are the words that say what became of the case.
func Tags(c actions.Case) []string {
	var list []string
	add := func(yes bool, word string) {
		if yes {
			list = append(list, word)
		}
	}
	add(c.Overridden, "overridden")
	add(c.Reported, "reported")
	add(c.Released, "released")
	add(c.Edited, "edited")
	add(c.Deleted, "deleted")
	add(c.Label != "", c.Label)
	return list
}
