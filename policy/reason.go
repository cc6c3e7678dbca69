package policy

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"teamsdlp/policy/detect"
)

// maxGates bounds how many gates a reason spells out.
const maxGates = 4

// account says of one condition what held, what stopped it, and what was found.
type account struct {
	j        *Judging
	assume   truth
	held     []string
	stopped  []string
	evidence bool // something was found in the text that speaks for the rule
	matches  []detect.Match
}

// explain walks c, whose answer is already known, and keeps what bears on it:
// below a condition that went as the rule asks, only what made it so; below one
// that did not, everything.
func (j *Judging) explain(c Condition, assume truth) *account {
	a := &account{j: j, assume: assume}
	a.walk(c, false)
	return a
}

// favours reports whether c answers as the rule asks.
func (a *account) favours(c Condition, negated bool) bool {
	if negated {
		return c.eval(a.j, a.assume.not()) == no
	}
	return c.eval(a.j, a.assume) == yes
}

func (a *account) walk(c Condition, negated bool) {
	favours := a.favours(c, negated)
	switch c := c.(type) {
	case All, Any:
		for _, p := range parts(c) {
			if !favours || a.favours(p, negated) {
				a.walk(p, negated)
			}
		}
	case Not:
		a.walk(c.Condition, !negated)
	case *Detect:
		a.detect(c, favours, negated)
	case *Keywords:
		a.keywords(c, favours, negated)
	case *Regex:
		a.regex(c, favours, negated)
	default:
		if c.eval(a.j, unknown) != unknown { // what was assumed is said apart
			a.add(contextReason(c, favours != negated, a.j), favours, negated)
		}
	}
}

// add files a sentence under what held or what stopped. That something forbidden
// is absent says nothing worth reading.
func (a *account) add(sentence string, favours, negated bool) {
	switch {
	case !favours && negated:
		a.stopped = append(a.stopped, sentence+", which the rule excludes")
	case !favours:
		a.stopped = append(a.stopped, sentence)
	case !negated:
		a.held = append(a.held, sentence)
	}
}

func (a *account) detect(d *Detect, favours, negated bool) {
	t := d.tally(a.j)
	a.add(d.reason(t, favours || negated), favours, negated)
	if negated {
		return
	}
	a.evidence = a.evidence || len(t.found) > 0
	if favours {
		for i := range t.found {
			if d.counts(&t.found[i]) {
				a.matches = append(a.matches, t.found[i])
			}
			if len(a.matches) >= maxMatches {
				break
			}
		}
	}
}

// reason says what was found, and where that is not enough, what is needed:
// "credit-card found 1, at medium; high needed".
func (d *Detect) reason(t tally, enough bool) string {
	if len(t.found) == 0 {
		return d.Detector + " did not occur"
	}
	if enough {
		return fmt.Sprintf("%s found %d (%d distinct), up to %s", d.Detector, t.count, t.distinct, t.best)
	}
	switch {
	case t.best < d.Level:
		return fmt.Sprintf("%s found %d, at %s; %s needed", d.Detector, len(t.found), t.best, d.Level)
	case t.count == 0:
		return fmt.Sprintf("%s found %d, known test values only, which the rule ignores", d.Detector, t.tests)
	case !d.Count.has(t.count):
		return fmt.Sprintf("%s found %d; %s needed", d.Detector, t.count, d.Count)
	}
	return fmt.Sprintf("%s found %d distinct; %s needed", d.Detector, t.distinct, d.Distinct)
}

// name is what a reason calls k. Terms are never spelled out: one that occurs is
// text of the message.
func (k *Keywords) name() string {
	if k.List != "" {
		return "keyword list " + k.List
	}
	if len(k.Terms) == 1 {
		return "the rule's keyword"
	}
	return "any of the rule's " + strconv.Itoa(len(k.Terms)) + " keywords"
}

func (a *account) keywords(k *Keywords, favours, negated bool) {
	hits := a.j.hitsOf(k)
	if len(hits) == 0 {
		a.add(k.name()+" did not occur", favours, negated)
		return
	}
	a.add(strings.Replace(k.name(), "any of", "one of", 1)+" occurred "+times(len(hits)), favours, negated)
	if negated {
		return
	}
	a.evidence = true
	masked := k.List
	if masked == "" {
		masked = "keyword"
	}
	for _, h := range hits {
		a.matches = append(a.matches, detect.Match{
			Detector: "keyword-list", Family: "content", Level: detect.High, Start: h.Start, End: h.End,
			Value: detect.NewValue(a.j.set.terms[h.Term].text), Masked: masked, Why: k.name(),
		})
	}
}

func (a *account) regex(r *Regex, favours, negated bool) {
	places := a.j.placesOf(r)
	if len(places) == 0 {
		a.add("the rule's regex did not match", favours, negated)
		return
	}
	a.add("the rule's regex matched "+times(len(places)), favours, negated)
	if negated {
		return
	}
	a.evidence = true
	text := a.j.m.Text.Bytes()
	for _, p := range places {
		a.matches = append(a.matches, detect.Match{
			Detector: "regex", Family: "content", Level: detect.High, Start: p[0], End: p[1],
			Value: detect.NewValue(string(text[p[0]:p[1]])), Masked: "regex", Why: "the rule's regex",
		})
	}
}

// contextReason says how a context condition was answered.
func contextReason(c Condition, holds bool, j *Judging) string {
	switch c := c.(type) {
	case Audience:
		return c.reason(holds)
	case InConversation:
		if holds {
			return "the conversation is " + strings.Join(c, " or ")
		}
		return "the conversation is not " + strings.Join(c, " or ")
	case SentBy:
		return c.reason(holds, j)
	}
	return "an unnamed condition"
}

func (a Audience) reason(holds bool) string {
	switch {
	case a == Guests && holds:
		return "a guest can read the conversation"
	case a == Guests:
		return "no guest can read the conversation"
	case (a == External) == holds:
		return "people outside the organisation can read the conversation"
	}
	return "nobody outside the organisation can read the conversation"
}

// reason names the fields that decided: all of them where s holds, else those
// that do not.
func (s SentBy) reason(holds bool, j *Judging) string {
	answers := s.answers(j)
	verb := func(field int) string {
		if holds || answers[field] == yes {
			return "is"
		}
		return "is not"
	}
	var said []string
	say := func(field int, set bool, sentence string) {
		if set && (holds || answers[field] != yes) {
			said = append(said, sentence)
		}
	}
	say(senderUsers, s.Users != nil, verb(senderUsers)+" one of "+strconv.Itoa(len(s.Users))+" named users")
	say(senderDomains, s.Domains != nil, verb(senderDomains)+" of "+strings.Join(s.Domains, " or "))
	say(senderGroups, s.Groups != nil, verb(senderGroups)+" in group "+groupNames(s.Groups))
	if s.Guest != nil {
		say(senderGuest, true, verb(senderGuest)+guestWord(*s.Guest, " a guest", " a member"))
	}
	if s.App != nil {
		say(senderApp, true, verb(senderApp)+guestWord(*s.App, " an application", " a person"))
	}
	if len(said) == 0 { // every field is unknown and assumed
		return "the sender is not as asked"
	}
	return "the sender " + strings.Join(said, " and ")
}

func guestWord(b bool, ifTrue, ifFalse string) string {
	if b {
		return ifTrue
	}
	return ifFalse
}

func times(n int) string {
	switch {
	case n == 1:
		return "once"
	case n >= maxPlaces:
		return strconv.Itoa(maxPlaces) + " times or more"
	}
	return strconv.Itoa(n) + " times"
}

// sentence joins what was said, at most maxGates of it and nothing twice.
func sentence(said []string) string {
	var once []string
	for _, s := range said {
		if !slices.Contains(once, s) {
			once = append(once, s)
		}
	}
	if more := len(once) - maxGates; more > 0 {
		once = append(once[:maxGates], "and "+strconv.Itoa(more)+" more")
	}
	return strings.Join(once, "; ")
}
