package policy

import (
	"regexp"
	"slices"
	"strconv"
	"strings"

	"teamsdlp/policy/detect"
)

// A Condition is one question about a message: [All], [Any] and [Not] join the
// leaves [*Detect], [*Keywords], [*Regex], [Audience], [SentBy] and
// [InConversation]. Conditions are plain values for whoever builds or inspects a
// rule; a leaf pointer belongs to the one [Set] it was compiled into.
type Condition interface {
	// eval answers the question. What is unknown is answered by assume, which
	// is unknown itself as long as there is hope of learning more.
	eval(j *Judging, assume truth) truth
}

// All holds if every one of its conditions does.
type All []Condition

// Any holds if one of its conditions does.
type Any []Condition

// Not holds if its condition does not.
type Not struct{ Condition Condition }

// Detect holds if a detector found enough in the text.
type Detect struct {
	Detector string
	Level    detect.Level // matches below it do not count; zero: every match counts
	Count    Range        // how many matches; zero: at least one
	Distinct Range        // how many different values; zero: any number
	// IgnoreKnownTest leaves published test values out of the count.
	IgnoreKnownTest bool
}

// Range is an inclusive range of counts.
type Range struct {
	Min int
	Max int // zero: no upper end
}

func (r Range) has(n int) bool { return n >= r.Min && (r.Max == 0 || n <= r.Max) }

// String says what the range asks for, as "at least 3", "at most 5" or "2 to 5".
func (r Range) String() string {
	switch {
	case r.Max == 0:
		return "at least " + strconv.Itoa(r.Min)
	case r.Min <= 1:
		return "at most " + strconv.Itoa(r.Max)
	case r.Min == r.Max:
		return "exactly " + strconv.Itoa(r.Min)
	}
	return strconv.Itoa(r.Min) + " to " + strconv.Itoa(r.Max)
}

// Keywords holds if one of its terms occurs as whole words, whatever their case
// and accents.
type Keywords struct {
	List  string // name of the list the terms are from; empty: written in the rule
	Terms []string

	index int // of the set's lists of terms; filled by NewSet
}

// Regex holds if a pattern matches the extracted text anywhere.
type Regex struct {
	Pattern *regexp.Regexp

	index int // of the set's patterns; filled by NewSet
}

// Audience asks who can read the conversation. Guests count as outsiders, as
// they do in Microsoft Purview.
type Audience string

// The audiences.
const (
	Internal Audience = "internal" // only accounts of the home tenant, no guests
	External Audience = "external" // somebody else as well: a guest, or a person of another tenant
	Guests   Audience = "guest"    // a guest account as well
)

// SentBy asks who said it. All fields that are set must hold; a list holds if
// one of its elements does.
type SentBy struct {
	Users   []string // object ids
	Domains []string // of the sender's address, lower case, compared whole
	Groups  []Group
	Guest   *bool // a guest account or an anonymous guest, or not
	App     *bool // a bot or connector, or not
}

// Group is a directory group under the name that rule files use for it.
type Group struct{ Name, ObjectID string }

// InConversation asks for the kind of conversation: oneOnOne, group, meeting,
// standard, private or shared.
type InConversation []string

// The kinds of conversation, as Graph's chatType and membershipType name them.
var (
	ChatKinds    = []string{"oneOnOne", "group", "meeting"}
	ChannelKinds = []string{"standard", "private", "shared"}
)

func (a All) eval(j *Judging, assume truth) truth {
	t := yes
	for _, c := range a {
		t = min(t, c.eval(j, assume))
	}
	return t
}

func (a Any) eval(j *Judging, assume truth) truth {
	t := no
	for _, c := range a {
		t = max(t, c.eval(j, assume))
	}
	return t
}

func (n Not) eval(j *Judging, assume truth) truth {
	return n.Condition.eval(j, assume.not()).not()
}

// eval stops counting as soon as the answer is certain: a message full of matches
// is counted to the end only for a reason, not for every rule.
func (d *Detect) eval(j *Judging, _ truth) truth {
	found := j.matchesOf(d.Detector)
	if len(found) == 0 {
		return no
	}
	var different distinct
	asked, n := d.Distinct != (Range{}), 0
	for i := range found {
		if !d.counts(&found[i]) {
			continue
		}
		n++
		if asked {
			different.add(found[i].Value)
		}
		if d.Count.Max == 0 && d.Distinct.Max == 0 && n >= d.Count.Min && different.n >= d.Distinct.Min {
			return yes
		}
	}
	return truthOf(n > 0 && d.Count.has(n) && (!asked || d.Distinct.has(different.n)))
}

// A distinct counts different values. As long as there are few it takes no memory.
type distinct struct {
	n    int
	few  [8]detect.Value
	many map[detect.Value]bool // all of them, once they are no longer few
}

func (d *distinct) add(v detect.Value) {
	if d.many == nil {
		if slices.Contains(d.few[:d.n], v) {
			return
		}
		if d.n < len(d.few) {
			d.few[d.n] = v
			d.n++
			return
		}
		d.many = map[detect.Value]bool{}
		for _, f := range d.few {
			d.many[f] = true
		}
	}
	d.many[v] = true
	d.n = len(d.many)
}

// tally is what a Detect found.
type tally struct {
	found    []detect.Match // all of the detector's matches
	count    int            // of those that count
	distinct int
	best     detect.Level // of all found
	tests    int          // left out as known test values
}

func (d *Detect) counts(m *detect.Match) bool {
	return m.Level >= d.Level && !(d.IgnoreKnownTest && m.KnownTest)
}

func (d *Detect) tally(j *Judging) tally {
	t := tally{found: j.matchesOf(d.Detector)}
	if len(t.found) == 0 {
		return t
	}
	var different distinct
	for i := range t.found {
		m := &t.found[i]
		t.best = max(t.best, m.Level)
		if m.Level >= d.Level && d.IgnoreKnownTest && m.KnownTest {
			t.tests++
		}
		if !d.counts(m) {
			continue
		}
		t.count++
		different.add(m.Value)
	}
	t.distinct = different.n
	return t
}

func (k *Keywords) eval(j *Judging, _ truth) truth { return truthOf(j.occurs(k)) }

func (r *Regex) eval(j *Judging, _ truth) truth { return truthOf(j.regexMatches(r)) }

func (a Audience) eval(j *Judging, assume truth) truth {
	t := a.answer(j)
	if t == unknown {
		return assume
	}
	return t
}

// answer looks at the sender first: an outsider who speaks is proof enough.
func (a Audience) answer(j *Judging) truth {
	outside := truthOf(j.senderIsOutsider())
	if outside == no {
		outside = unknown
	}
	if c := j.c.Conversation; c != nil && c.Members != nil {
		if a == Guests {
			return truthOf(slices.ContainsFunc(c.Members, func(m Member) bool { return m.Guest }))
		}
		outside = truthOf(outside == yes || slices.ContainsFunc(c.Members, j.outsider))
	}
	switch a {
	case External:
		return outside
	case Internal:
		return outside.not()
	}
	return unknown
}

func (s SentBy) eval(j *Judging, assume truth) truth {
	t := yes
	for _, a := range s.answers(j) {
		switch a {
		case yes: // as of every field that is not set
		case unknown:
			t = min(t, assume)
		default:
			t = a
		}
	}
	return t
}

// The places of a SentBy's fields in what answers returns.
const (
	senderUsers = iota
	senderDomains
	senderGroups
	senderGuest
	senderApp
	senderFields
)

// answers answers each field; a field that is not set holds.
func (s SentBy) answers(j *Judging) [senderFields]truth {
	a := [senderFields]truth{yes, yes, yes, yes, yes}
	if s.Users != nil {
		a[senderUsers] = truthOf(slices.ContainsFunc(s.Users, func(id string) bool { return strings.EqualFold(id, j.m.Sender.ID) }))
	}
	if s.Domains != nil {
		a[senderDomains] = j.inDomains(s.Domains)
	}
	if s.Groups != nil {
		a[senderGroups] = j.inGroups(s.Groups)
	}
	if s.Guest != nil {
		if a[senderGuest] = j.isGuest(); !*s.Guest {
			a[senderGuest] = a[senderGuest].not()
		}
	}
	if s.App != nil {
		a[senderApp] = truthOf(j.isApp() == *s.App)
	}
	return a
}

func (in InConversation) eval(j *Judging, assume truth) truth {
	if t := in.answer(j); t != unknown {
		return t
	}
	return assume
}

// answer needs to know the kind only where the condition parts kinds of chat
// from one another, or kinds of channel.
func (in InConversation) answer(j *Judging) truth {
	kinds := ChatKinds
	if j.m.Channel {
		kinds = ChannelKinds
	}
	n := 0
	for _, k := range kinds {
		if slices.Contains(in, k) {
			n++
		}
	}
	switch {
	case n == 0:
		return no
	case n == len(kinds):
		return yes
	}
	if c := j.c.Conversation; c != nil && slices.Contains(kinds, c.Kind) {
		return truthOf(slices.Contains(in, c.Kind))
	}
	return unknown
}

// parts returns the conditions joined by c. A leaf has none.
func parts(c Condition) []Condition {
	switch c := c.(type) {
	case All:
		return c
	case Any:
		return c
	}
	return nil
}

// Leaves calls f for each leaf under c, in the order in which they were written,
// and says whether an odd number of Nots is above it.
func Leaves(c Condition, f func(leaf Condition, negated bool)) { leaves(c, false, f) }

func leaves(c Condition, negated bool, f func(Condition, bool)) {
	switch c := c.(type) {
	case nil:
	case All, Any:
		for _, p := range parts(c) {
			leaves(p, negated, f)
		}
	case Not:
		leaves(c.Condition, !negated, f)
	default:
		f(c, negated)
	}
}

// groupNames lists names as a reason shows them.
func groupNames(groups []Group) string {
	names := make([]string, len(groups))
	for i, g := range groups {
		names[i] = g.Name
	}
	return strings.Join(names, ", ")
}
