package actions

import (
	"strings"
	"time"
)

// Change is a change notification's changeType.
type Change string

// The change types.
const (
	Created Change = "created"
	Updated Change = "updated"
	Deleted Change = "deleted"
)

// Observation is one version of a message as a notification (or a read) showed it.
type Observation struct {
	// Version is the etag, or what stands in for it: lastModifiedDateTime in
	// milliseconds, or at last the fingerprint.
	Version string
	Change  Change
	// Deleted: deletedDateTime is set.
	Deleted bool
	// EmptyBody: body.content is "". Graph blanks the body of a blocked message,
	// so an empty body is never news of one that is known.
	EmptyBody bool
	// Fingerprint is the keyed digest of subject, body and attachments.
	Fingerprint string
	// Violation is the message's policyViolation; nil when it has none.
	Violation *Seen
	// System: a system event message, which nobody wrote.
	System bool
}

// effectVersion is the version under which the effect of o is kept. A deletion
// has one of its own, because Graph does not promise that it moves the etag.
func (o Observation) effectVersion() string {
	if o.deleted() {
		return o.Version + "/deleted"
	}
	return o.Version
}

func (o Observation) deleted() bool { return o.Deleted || o.Change == Deleted }

// StepKind says what a version calls for.
type StepKind int

// The kinds of step. The zero StepKind is none of them.
const (
	Skip      StepKind = iota + 1 // nothing is new
	Close                         // the message was deleted; nothing is sent
	Supersede                     // a newer version was seen
	Record                        // the sender or Graph did something that is an entry
	Judge                         // a text that was not judged
	Resume                        // decided and not finished: read it, then perhaps send it
)

func (k StepKind) String() string {
	switch k {
	case Skip:
		return "skip"
	case Close:
		return "close"
	case Supersede:
		return "supersede"
	case Record:
		return "record"
	case Judge:
		return "judge"
	case Resume:
		return "resume"
	}
	return "none"
}

// Step is what Next decides, with its reason.
type Step struct {
	Kind   StepKind
	Reason string
	// Records are the kinds of entry that the step writes: override, report,
	// deleted, and result for the echo of our own action. A Judge step writes
	// them beside what the judgement leads to.
	Records []Kind
	// Edit: another text of the message was judged before. Only with Judge.
	Edit bool
	// Standing is what is known once the step is done; for Judge, before what
	// the judgement itself adds.
	Standing Standing

	before Standing
	seen   Observation
	effect Effect
	target Target
}

// String returns the kind and the reason.
func (s Step) String() string { return s.Kind.String() + ": " + s.Reason }

// Next decides what version o of a message calls for, given what is known of
// the message and the effect of this version. It is pure.
func Next(o Observation, s Standing, e Effect) Step {
	step := next(o, s, e)
	step.before, step.seen, step.effect = s, o, e
	return step
}

func next(o Observation, s Standing, e Effect) Step {
	switch {
	case e.State.Terminal():
		return skip("this version is finished: "+string(e.State), s)
	case o.deleted():
		return closed(o, s)
	case o.System:
		return skip("a system event, which nobody wrote", s)
	case e.State == StateDecided:
		return unfinished(o, s, e)
	case s.Closed:
		return afterDeletion(o, s)
	case !s.Judged:
		return firstSight(o, s)
	case older(o.Version, s.Version):
		return late(o, s)
	}
	return known(o, s)
}

func skip(reason string, s Standing) Step { return Step{Kind: Skip, Reason: reason, Standing: s} }

// closed ends a message. It goes before any comparison of versions: a deletion
// is final, and its etag need not be newer.
func closed(o Observation, s Standing) Step {
	if s.Closed {
		return skip("the deletion is recorded", s)
	}
	step := Step{Kind: Close, Reason: "the message was deleted", Standing: s}
	if s.Case != "" {
		step.Records = []Kind{KindDeleted}
	}
	n := &step.Standing
	n.Closed, n.Action = true, ActionNone
	n.Version = newest(s.Version, o.Version)
	return step
}

// unfinished takes up an effect that was decided and has no result: its process
// died, or Graph could not be reached.
func unfinished(o Observation, s Standing, e Effect) Step {
	done := s
	if done.Pending == e.Version {
		done.Pending = ""
	}
	same := o.EmptyBody || o.Fingerprint == s.Fingerprint
	switch {
	case s.Closed:
		return skip("the message was deleted before the action reached it", done)
	case s.Judged && !same && older(o.Version, s.Version):
		return Step{Kind: Supersede, Reason: "a newer text was judged before this one was acted on", Standing: done}
	case s.Order != nil && e.Order != nil && older(e.Order.Version, s.Order.Version):
		return Step{Kind: Supersede, Reason: "a newer action was decided before this one was finished", Standing: done}
	case same && s.Overridden && (e.Order == nil || e.Order.Action != ActionNone):
		return skip("the sender overrode the action meanwhile", done)
	case same && s.Released:
		return skip("an analyst released the message meanwhile", done)
	}
	return Step{Kind: Resume, Reason: "decided and not finished: the message is read before anything is sent again", Standing: s}
}

// afterDeletion is what comes of a message that was deleted: items on their
// way since before, or the deletion was undone.
func afterDeletion(o Observation, s Standing) Step {
	if !newer(o.Version, s.Version) {
		return Step{Kind: Supersede, Reason: "the message was deleted since", Standing: s}
	}
	if o.EmptyBody {
		return skip("deleted, and no text came back", s)
	}
	n := s
	n.Closed, n.Version, n.TextVersion = false, o.Version, o.Version
	same := s.Judged && o.Fingerprint == s.Fingerprint
	switch {
	case same && (s.Overridden || s.Released):
		return skip("the deletion was undone; the text was overridden or released before", n)
	case same && s.Order != nil && s.Order.Action != ActionNone && ours(s.Order, o.Violation):
		n.Action = s.Order.Action
		return skip("the deletion was undone; our action still stands", n)
	}
	return judge(o, s, n, "the deletion was undone")
}

// firstSight is a message of which no text was judged.
func firstSight(o Observation, s Standing) Step {
	n := advance(o, s)
	if o.Violation.Overridden() && !o.EmptyBody {
		// We have no memory of acting on it, but the sender overrode somebody's
		// action on a text that may well be this one.
		n.Judged, n.Fingerprint = true, o.Fingerprint
		n.Overridden, n.Action = true, ActionNone
		return Step{Kind: Record, Reason: "overridden by its sender before it was first seen", Records: []Kind{KindOverride}, Standing: n}
	}
	if s.Version != "" && older(o.Version, s.Version) {
		n.Version = s.Version
	}
	return judge(o, s, n, "first sight")
}

// late is a version older than the newest one seen. It says nothing new of
// what stands, but it may carry a text that the newer ones, blanked by Graph,
// did not show.
func late(o Observation, s Standing) Step {
	if o.EmptyBody || !newer(o.Version, s.TextVersion) {
		return Step{Kind: Supersede, Reason: "a newer version was seen", Standing: s}
	}
	n := s
	n.TextVersion = o.Version
	if o.Fingerprint == s.Fingerprint {
		return skip("the text is the one judged", n)
	}
	return judge(o, s, n, "an edit that arrived late")
}

// known is news of a message whose text was judged.
func known(o Observation, s Standing) Step {
	var (
		v        = o.Violation
		n        = advance(o, s)
		same     = o.EmptyBody || o.Fingerprint == s.Fingerprint
		acted    = s.Order != nil // what the sender overrides or reports is ours
		override = acted && v.Overridden() && !s.StaleOverride && !s.Overridden
		report   = acted && v.Reported() && !s.Reported
		stands   = acted && s.Order.Action != ActionNone && !v.Overridden() && ours(s.Order, v)
		records  []Kind
		reason   string
	)
	if !v.Overridden() {
		n.StaleOverride = false
	}
	n.Reported = v.Reported()
	if override {
		records, reason = append(records, KindOverride), "the sender overrode the action"
		n.Overridden, n.Action = true, ActionNone
	}
	if report {
		records = append(records, KindReport)
		reason = and(reason, "the sender reported a false positive")
	}
	if !same {
		step := judge(o, s, n, "the text was edited")
		step.Reason = and(reason, step.Reason)
		step.Records = records
		return step
	}
	if stands && (!s.Confirmed || s.Overridden) {
		records = append(records, KindResult)
		reason = and(reason, "the echo of our own action")
		// An override from before our last action is replaced by it.
		n.Confirmed, n.Overridden, n.Action = true, false, s.Order.Action
	}
	if len(records) > 0 {
		return Step{Kind: Record, Reason: reason, Records: records, Standing: n}
	}
	return skip(sameReason(o, s, stands), n)
}

func sameReason(o Observation, s Standing, stands bool) string {
	switch {
	case stands:
		return "our own action, seen before"
	case o.EmptyBody:
		return "an empty body is Graph's blanking, not an edit"
	case s.Overridden:
		return "the text is the one its sender overrode"
	}
	return "the text is the one judged: a reaction, or another change beside it"
}

// judge is the step for a text that was not judged, with the standing of one
// that was. Whatever the sender or an analyst said of the text before does not
// hold for this one.
func judge(o Observation, before, n Standing, reason string) Step {
	n.Judged, n.Fingerprint = true, o.Fingerprint
	n.Overridden, n.Released, n.Confirmed = false, false, false
	n.StaleOverride = o.Violation.Overridden()
	return Step{Kind: Judge, Reason: reason, Standing: n, Edit: before.Judged && o.Fingerprint != before.Fingerprint}
}

// advance moves the newest versions seen.
func advance(o Observation, s Standing) Standing {
	s.Version = o.Version
	if !o.EmptyBody {
		s.TextVersion = o.Version
	}
	return s
}

func ours(r *OrderRecord, v *Seen) bool { return Order{r: *r}.Equal(v) }

func and(a, b string) string {
	if a == "" {
		return b
	}
	return a + "; " + b
}

// older reports whether version a is known to be older than b. Versions that
// cannot be compared are not: a text that might be new is judged.
func older(a, b string) bool { c, ok := compareVersions(a, b); return ok && c < 0 }

// newer reports whether version a is known to be newer than b; anything is newer
// than none.
func newer(a, b string) bool {
	if b == "" {
		return true
	}
	c, ok := compareVersions(a, b)
	return ok && c > 0
}

func newest(a, b string) string {
	if b != "" && newer(b, a) {
		return b
	}
	return a
}

// compareVersions compares two etags, which are milliseconds in decimal, or two
// times in RFC 3339. Anything else has no order.
func compareVersions(a, b string) (int, bool) {
	if digits(a) && digits(b) {
		a, b = strings.TrimLeft(a, "0"), strings.TrimLeft(b, "0")
		if len(a) != len(b) {
			return len(a) - len(b), true
		}
		return strings.Compare(a, b), true
	}
	ta, errA := time.Parse(time.RFC3339Nano, a)
	tb, errB := time.Parse(time.RFC3339Nano, b)
	if errA != nil || errB != nil {
		return 0, false
	}
	return ta.Compare(tb), true
}

func digits(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}
