package actions

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
)

var (
	// ErrNothingStands is returned by Recorder.Release when there is nothing to
	// lift: the message is deleted, overridden, released or was never acted on.
	ErrNothingStands = errors.New("nothing stands on the message")
	// ErrUnsettled is returned by Recorder.Settle for a result that leaves the
	// effect decided: nothing was written, and the item must be put back to be
	// resumed.
	ErrUnsettled = errors.New("the action has no result yet")
	// errLabel is returned for a label that is neither of the two.
	errLabel = errors.New(`label is neither "true-positive" nor "false-positive"`)
)

// The actors of entries that no analyst made.
const (
	ActorSelf   = "teamsdlp"
	ActorSender = "sender"
	ActorGraph  = "graph"
)

const (
	maxWords    = 1000 // runes of a reason or justification that are kept
	resultMatch = "matched"
	modeEnforce = "enforce"
	modeShadow  = "shadow"
)

// Recorder turns what was seen, judged, sent and decided into effects, standings
// and entries, and commits them. It is safe for concurrent use, but calls for
// one message must not run at the same time: see Ledger.
type Recorder struct {
	Ledger Ledger // required
	Log    Log    // required
	Keys   *Keys  // required
	// Mask masks what people wrote before it is recorded. Nil: their words are
	// not recorded at all.
	Mask  func(string) string
	Clock func() time.Time // nil: time.Now
}

// Judgement is a final verdict of the rules on one text, as the log keeps it.
type Judgement struct {
	Generation string
	// Rules holds a result for every rule, or at least for those that matched.
	Rules []RuleResult
	// Action is what the verdict asks for. What is done is never stricter than
	// what an enforcing rule that matched asks for, whatever this says.
	Action       Action
	Severity     string
	Tip          string
	URL          string
	Override     string // none, without-justification, with-justification
	Report       string // none, review, release
	Descriptions []string

	Conversation *Conversation
	Message      *Message
	Sender       *Sender
	Exposure     Exposure
	// NotEnforceable says why it is known in advance that Graph will not take an
	// action on this message, as of a federated sender. Empty: it may.
	NotEnforceable string
}

// Decision is an intent on disk: Order may be sent, and Settle must be told what
// became of it.
type Decision struct {
	Order Order
	// Resumed: the order may have been sent before; the message is to be read
	// before it is sent again.
	Resumed bool

	effect   Effect
	standing Standing
	intent   Entry
	prior    *OrderRecord
	desk     bool
}

// Begin reads what is known of a message and decides what version o of it calls
// for.
func (r *Recorder) Begin(ctx context.Context, t Target, o Observation) (Step, error) {
	key, version := t.Key(), o.effectVersion()
	s, e, err := r.Ledger.Begin(ctx, key, version)
	if err != nil {
		return Step{}, fmt.Errorf("reading what is known of the message: %w", err)
	}
	e.MessageKey, e.Version = key, version
	step := Next(o, s, e)
	step.target = t
	return step, nil
}

// Follow ends a version that calls for no judgement and no action, with its
// entries. Receipt is the inbox row that ends with it.
func (r *Recorder) Follow(ctx context.Context, step Step, receipt string) error {
	if step.Kind == Judge || step.Kind == Resume || step.Kind == 0 {
		return fmt.Errorf("following a step of kind %s: it is not one to follow", step.Kind)
	}
	e := step.effect
	decided := e.State == StateDecided
	e.State = StateNoop
	if step.Kind == Supersede {
		e.State = StateSuperseded
	}
	entries := r.records(step)
	if len(entries) > 0 {
		step.Standing.Case = entries[0].Case
	}
	if decided && e.Intent != nil {
		entries = append(entries, r.result(*e.Intent, step.overtaken()))
	}
	return r.finish(ctx, e, step.Standing, receipt, entries...)
}

// overtaken is the result of an intent that something else made pointless.
func (s Step) overtaken() Result {
	if s.Standing.Overridden && s.Kind == Skip {
		// Only what reached Teams can be overridden.
		return Result{Kind: Applied, Reason: s.Reason, Call: GraphCall{Reconciled: true}}
	}
	return Result{Kind: Superseded, Reason: s.Reason, Call: GraphCall{Code: "overtaken"}}
}

// Judge commits what the rules said of the text that step is about. It returns a
// Decision when something is to be sent to Graph; its intent is then on disk.
// Otherwise it returns nil and the version is finished, receipt included.
func (r *Recorder) Judge(ctx context.Context, step Step, j Judgement, receipt string) (*Decision, error) {
	if step.Kind != Judge {
		return nil, fmt.Errorf("recording a judgement for a step of kind %s", step.Kind)
	}
	var (
		s       = step.Standing
		e       = step.effect
		entries = r.records(step)
		act     = j.enforced()
		matched = j.matched()
		stands  = s.mayStand()
	)
	s.Generation = j.Generation
	if step.seen.EmptyBody && !matched {
		// The text was not seen: the first item that shows it is judged.
		s.Judged, s.Fingerprint = false, step.before.Fingerprint
	}
	if step.Edit && s.Case != "" {
		entries = append(entries, r.edit(step, j, act))
	}
	switch {
	case act != ActionNone && j.NotEnforceable != "":
		entry := r.verdict(KindResult, step, j, act)
		entry.Outcome = OutcomeNotEnforceable
		entry.Reason = j.NotEnforceable
		s.Case, s.Last = entry.Case, remember(entry)
		e.State = StateNotEnforceable
		return nil, r.finish(ctx, e, s, receipt, append(entries, entry)...)
	case act != ActionNone:
		entry := r.verdict(KindIntent, step, j, act)
		entry.Outcome = OutcomePending
		s.Case, s.Last = entry.Case, remember(entry)
		return r.decide(ctx, e, s, orderOf(step, j, act), entry, receipt, append(entries, entry)...)
	}
	e.State = StateClean
	if matched {
		entry := r.verdict(KindShadow, step, j, j.strictest(modeShadow))
		entry.Outcome = OutcomeShadow
		s.Case, s.Last = entry.Case, remember(entry)
		entries = append(entries, entry)
		e.State = StateShadow
	}
	if stands {
		lift := r.lift(step)
		return r.decide(ctx, e, s, liftOf(step.target, s, j.Severity), lift, receipt, append(entries, lift)...)
	}
	return nil, r.finish(ctx, e, s, receipt, entries...)
}

// mayStand reports whether something of ours may stand in Teams that a text which
// no enforcing rule matches must be rid of. What the sender overrode is among it:
// nobody says that an edit keeps the override.
func (s Standing) mayStand() bool {
	return s.Action.rank() > 0 || s.Pending != "" || s.Order != nil && s.Order.Action.rank() > 0
}

// Resume makes the Decision of an effect that was decided before.
func (r *Recorder) Resume(step Step) (*Decision, error) {
	e := step.effect
	if step.Kind != Resume || e.State != StateDecided || e.Order == nil || e.Intent == nil {
		return nil, fmt.Errorf("resuming a step of kind %s: its effect was not decided", step.Kind)
	}
	return &Decision{
		Order: Order{r: *e.Order, committed: true}, Resumed: true,
		effect: e, standing: step.Standing, intent: *e.Intent, prior: step.Standing.Order,
	}, nil
}

// Settle commits what became of a decision. For a result that leaves it open it
// returns ErrUnsettled and writes nothing; a release from the desk, which no
// inbox row would bring back, is then recorded as failed.
func (r *Recorder) Settle(ctx context.Context, d *Decision, res Result, receipt string) error {
	if (res.Kind == Interrupted || res.Kind == Parked) && !d.desk {
		return ErrUnsettled
	}
	var (
		s       = d.standing
		e       = d.effect
		entries = []Entry{r.result(d.intent, res)}
	)
	if s.Pending == e.Version {
		s.Pending = ""
	}
	switch res.Kind {
	case Applied:
		e.State = StateApplied
		s.Action, s.Order = d.Order.Action(), &d.Order.r
		s.Released = d.desk
	case Overridden:
		e.State = StateApplied
		s.Action = ActionNone
		if !s.Overridden {
			entries = append(entries, r.overrideOf(d.intent, res.Seen))
		}
		s.Overridden = true
		// The read saw further than the items that are still to come: an echo from
		// before the override is not news of our action standing again.
		s.Version = newest(s.Version, res.version)
	case Superseded:
		e.State = StateSuperseded
		s.Pending = e.Version // it may have arrived; what it was to lift may stand
		s.Fingerprint = ""    // should the text come back, it is one that was not acted on
	case Gone:
		// Should the message come back, its text is one that nothing was done about.
		e.State = StateNoop
		s.Judged, s.Fingerprint, s.Action = false, "", ActionNone
	case Interrupted, Parked: // a release: it may have reached Teams, and can be made again
		e.State = StateFailed
		s.Pending = e.Version
	case NotEnforceable:
		e.State = StateNotEnforceable
		s.Order = d.prior
	default:
		e.State = StateFailed
		if res.unknown {
			s.Pending = e.Version
		} else {
			s.Order = d.prior
		}
	}
	return r.finish(ctx, e, s, receipt, entries...)
}

// releasePrefix begins the version of an effect that is an analyst's release.
const releasePrefix = "release/"

// isRelease reports whether e is an analyst's release, which no inbox row brings.
func (e Effect) isRelease() bool { return strings.HasPrefix(e.Version, releasePrefix) }

// Release commits an analyst's decision to lift what stands on the message of c.
// The Decision must be carried out and settled with an empty receipt, in the
// lane of the message's conversation. It returns ErrNothingStands when there is
// nothing to lift.
func (r *Recorder) Release(ctx context.Context, c Case, actor, reason string) (*Decision, error) {
	if c.Target == nil {
		return nil, ErrNothingStands
	}
	key, version := c.Target.Key(), releasePrefix+nonce()
	s, e, err := r.Ledger.Begin(ctx, key, version)
	if err != nil {
		return nil, fmt.Errorf("reading what is known of the message: %w", err)
	}
	if s.Closed || s.Action.rank() == 0 && s.Pending == "" {
		return nil, ErrNothingStands
	}
	e.MessageKey, e.Version = key, version
	entry := r.ofCase(KindRelease, c, actor, reason)
	entry.Action, entry.Outcome = ActionNone, OutcomePending
	entry.Verdict = "an analyst releases the message"
	d, err := r.decide(ctx, e, s, liftOf(*c.Target, s, c.Severity), entry, "", entry)
	if err != nil {
		return nil, err
	}
	if d == nil {
		return nil, ErrNothingStands
	}
	d.desk = true
	return d, nil
}

// ResumeRelease makes the Decision of a release whose process ended before its
// result was on record: no inbox row brings it back, so the effect itself does.
// It must be carried out and settled as one of Release. When it has become
// pointless that is recorded here; then, and when it is finished already, both
// results are nil.
func (r *Recorder) ResumeRelease(ctx context.Context, unfinished Effect) (*Decision, error) {
	s, e, err := r.Ledger.Begin(ctx, unfinished.MessageKey, unfinished.Version)
	if err != nil {
		return nil, fmt.Errorf("reading what is known of the message: %w", err)
	}
	if e.State != StateDecided || e.Order == nil || e.Intent == nil {
		return nil, nil
	}
	d := &Decision{Order: Order{r: *e.Order, committed: true}, Resumed: true, effect: e, standing: s, intent: *e.Intent, prior: s.Order, desk: true}
	var reason string
	switch {
	case s.Closed:
		reason = "the message was deleted before it was released"
	case s.Pending != e.Version:
		reason = "something newer was decided about the message before it was released"
	default:
		return d, nil
	}
	e.State = StateSuperseded
	return nil, r.finish(ctx, e, s, "", r.result(d.intent, Result{Kind: Superseded, Reason: reason, Call: GraphCall{Code: "overtaken"}}))
}

// Label records an analyst's opinion of c: "true-positive" or "false-positive".
func (r *Recorder) Label(ctx context.Context, c Case, actor, label, reason string) error {
	if label != "true-positive" && label != "false-positive" {
		return errLabel
	}
	e := r.ofCase(KindLabel, c, actor, reason)
	e.Label = label
	return r.append(ctx, e)
}

// View records that actor is about to read the text of c. The text may be shown
// only if it returns nil.
func (r *Recorder) View(ctx context.Context, c Case, actor, reason string) error {
	return r.append(ctx, r.ofCase(KindView, c, actor, reason))
}

// Gap records a span that is not provably covered, when it opens and again when
// it is closed.
func (r *Recorder) Gap(ctx context.Context, tenant string, g Gap) error {
	return r.append(ctx, Entry{Time: r.now(), Kind: KindGap, Tenant: tenant, Gap: &g, Actor: ActorSelf})
}

// Rules records that a rule generation came into force or, with what is wrong in
// verdict, that it was refused. The verdict must not quote rule files.
func (r *Recorder) Rules(ctx context.Context, generation, verdict string) error {
	return r.append(ctx, Entry{Time: r.now(), Kind: KindRules, Generation: generation, Verdict: verdict, Actor: ActorSelf})
}

// KeyUse records that a key came into use or was retired; verdict names it by
// its public name, never by its value. inUse are those in use from here on.
func (r *Recorder) KeyUse(ctx context.Context, actor, verdict string, inUse KeysInUse) error {
	return r.append(ctx, Entry{Time: r.now(), Kind: KindKeys, Verdict: verdict, Actor: actor, Keys: &inUse})
}

// KeyRetired is KeyUse for a key that somebody retires, with his own words.
func (r *Recorder) KeyRetired(ctx context.Context, actor, verdict, reason string) error {
	return r.append(ctx, Entry{Time: r.now(), Kind: KindKeys, Verdict: verdict, Actor: actor, Reason: r.words(reason)})
}

// Inbox records that actor is about to have an item in quarantine tried again or
// dropped; verdict says which item, by its number and why it is there. What is
// recorded first is done only if it returns nil.
func (r *Recorder) Inbox(ctx context.Context, tenant, actor, verdict, reason string) error {
	return r.append(ctx, Entry{Time: r.now(), Kind: KindInbox, Tenant: tenant, Verdict: verdict, Actor: actor, Reason: r.words(reason)})
}

func (r *Recorder) append(ctx context.Context, e Entry) error {
	if err := r.Log.Append(ctx, e); err != nil {
		return fmt.Errorf("recording a %s: %w", e.Kind, err)
	}
	return nil
}

// decide commits the intent and returns its Decision. It returns nil for an
// effect that was finished by somebody else.
func (r *Recorder) decide(ctx context.Context, e Effect, s Standing, o OrderRecord, intent Entry, receipt string, entries ...Entry) (*Decision, error) {
	prior := s.Order
	e.State, e.Order, e.Intent = StateDecided, &o, remember(intent)
	e.Decided = r.now()
	e.Updated = e.Decided
	s.Order, s.Pending = &o, e.Version
	err := r.Ledger.Decide(ctx, e, s, entries...)
	if errors.Is(err, ErrFinished) {
		e.State = StateNoop
		return nil, r.finish(ctx, e, s, receipt)
	}
	if err != nil {
		return nil, fmt.Errorf("recording the intent: %w", err)
	}
	return &Decision{
		Order:  Order{r: o, committed: true},
		effect: e, standing: s, intent: *e.Intent, prior: prior,
	}, nil
}

// finish commits the end of an effect. One that is finished already is no
// error: its inbox row has ended.
func (r *Recorder) finish(ctx context.Context, e Effect, s Standing, receipt string, entries ...Entry) error {
	e.Updated = r.now()
	e.Intent, e.Order = nil, nil // nothing is left to be resumed
	err := r.Ledger.Finish(ctx, e, s, receipt, entries...)
	if err != nil && !errors.Is(err, ErrFinished) {
		return fmt.Errorf("recording the end of a version: %w", err)
	}
	return nil
}

// records makes the entries of what a version showed.
func (r *Recorder) records(step Step) []Entry {
	var entries []Entry
	for _, k := range step.Records {
		e := r.about(k, step)
		v := step.seen.Violation
		switch k {
		case KindOverride:
			e.Actor, e.Verdict = ActorSender, "the sender overrode the action"
			e.Reason = r.words(justification(v))
		case KindReport:
			e.Actor, e.Verdict = ActorSender, "the sender reported a false positive"
			e.Reason = r.words(justification(v))
		case KindDeleted:
			e.Actor, e.Verdict = ActorSender, "the message was deleted"
		case KindResult:
			e.Actor, e.Verdict = ActorGraph, "Teams shows the action"
			e.Outcome = OutcomeApplied
			e.Exposure = &Exposure{Confirmed: e.Time}
			if l := step.before.Last; l != nil {
				e.Message = l.Message // it is about the version that was judged
			}
			if o := step.before.Order; o != nil {
				e.Action = o.Action
			}
		}
		entries = append(entries, e)
	}
	return entries
}

func justification(v *Seen) string {
	if v == nil {
		return ""
	}
	return v.Justification
}

// about is the frame of an entry about the message of step, with the people and
// the place that the last verdict named.
func (r *Recorder) about(k Kind, step Step) Entry {
	t := step.target
	e := Entry{
		Case: r.Keys.CaseID(step.effect.MessageKey), Time: r.now(), Kind: k, Tenant: t.Tenant,
		Conversation: &Conversation{ID: t.ConversationID()},
		Message:      &Message{ID: t.MessageID, ReplyTo: t.ReplyTo, Version: step.seen.Version},
	}
	if l := step.before.Last; l != nil {
		e.Conversation, e.Sender, e.Generation = l.Conversation, l.Sender, l.Generation
		if l.Message != nil {
			e.Message.SentAt = l.Message.SentAt
		}
	}
	return e
}

// verdict is the entry of a judgement.
func (r *Recorder) verdict(k Kind, step Step, j Judgement, act Action) Entry {
	e := r.about(k, step)
	t := step.target
	e.Actor, e.Target = ActorSelf, &t
	if j.Conversation != nil {
		place := *j.Conversation
		place.Name = r.words(place.Name) // whoever is in a chat may give it any
		e.Conversation = &place
	}
	e.Sender = cmpOr(j.Sender, e.Sender)
	if j.Message != nil {
		m := *j.Message
		m.ID, m.Version = e.Message.ID, step.seen.Version
		e.Message = &m
	}
	e.Generation, e.Rules, e.Action = j.Generation, j.Rules, act
	e.Verdict = j.sentence(act)
	exposure := j.Exposure
	e.Exposure = &exposure
	return e
}

func cmpOr[T any](a, b *T) *T {
	if a != nil {
		return a
	}
	return b
}

// edit records that a text with a case was replaced by another.
func (r *Recorder) edit(step Step, j Judgement, act Action) Entry {
	e := r.about(KindEdit, step)
	e.Actor, e.Generation, e.Action = ActorSender, j.Generation, act
	e.Verdict = "the text was edited: " + j.sentence(act)
	return e
}

// lift records that what stands on the text before is lifted.
func (r *Recorder) lift(step Step) Entry {
	e := r.about(KindRelease, step)
	e.Actor, e.Action, e.Outcome = ActorSelf, ActionNone, OutcomePending
	e.Verdict = "no enforcing rule matches the text any more: what stands on the message is lifted"
	return e
}

// result is the entry of what became of an intent.
func (r *Recorder) result(intent Entry, res Result) Entry {
	e := intent
	e.Seq, e.ID = 0, ""
	e.Time, e.Kind, e.Actor = r.now(), KindResult, ActorGraph
	e.Rules, e.Target, e.Gap, e.Reason = nil, nil, nil, ""
	e.Verdict = res.Reason
	call := res.Call
	e.Graph = &call
	e.Outcome = res.outcome()
	if e.Outcome == OutcomeApplied && !res.At.IsZero() && intent.Action != ActionNone {
		var x Exposure
		if intent.Exposure != nil {
			x = *intent.Exposure
		}
		x.Applied = res.At.UTC().Round(0)
		e.Exposure = &x
	}
	return e
}

// overrideOf records an override that a read found.
func (r *Recorder) overrideOf(intent Entry, v *Seen) Entry {
	e := intent
	e.Seq, e.ID = 0, ""
	e.Time, e.Kind, e.Actor = r.now(), KindOverride, ActorSender
	e.Rules, e.Target, e.Exposure, e.Graph = nil, nil, nil, nil
	e.Action, e.Outcome = "", ""
	e.Verdict = "the sender overrode the action"
	e.Reason = r.words(justification(v))
	return e
}

// ofCase is the frame of an entry that a person makes about a case.
func (r *Recorder) ofCase(k Kind, c Case, actor, reason string) Entry {
	return Entry{
		Case: c.ID, Time: r.now(), Kind: k, Tenant: c.Tenant,
		Conversation: c.Conversation, Message: c.Message, Sender: c.Sender, Generation: c.Generation,
		Actor: actor, Reason: r.words(reason),
	}
}

// words is what somebody wrote as it may be recorded: masked, on one line, of
// bounded length.
func (r *Recorder) words(s string) string {
	if s == "" {
		return ""
	}
	if r.Mask == nil {
		return "[not recorded]"
	}
	s = strings.Join(strings.FieldsFunc(r.Mask(s), func(c rune) bool {
		return unicode.IsControl(c) || unicode.IsSpace(c)
	}), " ")
	if runes := []rune(s); len(runes) > maxWords {
		s = string(runes[:maxWords]) + "…"
	}
	return s
}

func (r *Recorder) now() time.Time {
	if r.Clock != nil {
		return r.Clock().UTC().Round(0)
	}
	return time.Now().UTC().Round(0)
}

// remember is an entry as an effect or a standing keeps it: without its rules. They
// are in the log, no later entry repeats them, and they are most of its bytes.
func remember(e Entry) *Entry {
	e.Rules = nil
	return &e
}

func matchedRules(rules []RuleResult) []RuleResult {
	n := 0
	for i := range rules {
		if rules[i].Result == resultMatch {
			n++
		}
	}
	if n == 0 {
		return nil
	}
	matched := make([]RuleResult, 0, n)
	for i := range rules {
		if rules[i].Result == resultMatch {
			matched = append(matched, rules[i])
		}
	}
	return matched
}

// enforced is the action to be taken: the verdict's, but never a stricter one
// than an enforcing rule that matched asks for.
func (j Judgement) enforced() Action {
	act := j.strictest(modeEnforce)
	if j.Action.rank() < act.rank() {
		return ActionNone.orIf(j.Action)
	}
	return act
}

// strictest is the strictest action of the rules of one mode that matched.
func (j Judgement) strictest(mode string) Action {
	act := ActionNone
	for _, r := range j.Rules {
		if r.Mode == mode && r.Result == resultMatch && r.Action.rank() > act.rank() {
			act = r.Action
		}
	}
	return act
}

// matched reports whether a rule matched, in whatever mode.
func (j Judgement) matched() bool {
	return slices.ContainsFunc(j.Rules, func(r RuleResult) bool {
		return r.Result == resultMatch && (r.Mode == modeEnforce || r.Mode == modeShadow)
	})
}

// sentence says what was decided and why.
func (j Judgement) sentence(act Action) string {
	var because []string
	for _, r := range matchedRules(j.Rules) {
		if r.Mode != modeEnforce && r.Mode != modeShadow {
			continue
		}
		s := r.ID
		if r.Mode == modeShadow {
			s += ", in shadow"
		}
		for _, m := range r.Matched {
			s += fmt.Sprintf(", %d %s (%s)", m.Count, m.Detector, m.Confidence)
		}
		because = append(because, s)
	}
	if len(because) == 0 {
		return "no rule matches"
	}
	return string(act) + ": " + strings.Join(because, "; ")
}

// rank orders actions by strictness; an unknown one ranks with none.
func (a Action) rank() int {
	return max(0, slices.Index([]Action{ActionNone, ActionNotify, ActionBlockExternal, ActionBlock}, a))
}

// orIf is b if that is an action, else a.
func (a Action) orIf(b Action) Action {
	if b.rank() > 0 {
		return b
	}
	return a
}

func orderOf(step Step, j Judgement, act Action) OrderRecord {
	o := OrderRecord{
		Target: step.target, Action: act, Tip: j.Tip, URL: j.URL, Matched: slices.Clone(j.Descriptions),
		Override: j.Override, ReportFP: j.Report, Severity: j.Severity,
		Version: step.seen.Version, Fingerprint: step.seen.Fingerprint, StaleOverride: step.Standing.StaleOverride,
	}
	if j.Sender != nil {
		o.SenderOID = j.Sender.ID
	}
	return o
}

func liftOf(t Target, s Standing, severity string) OrderRecord {
	return OrderRecord{
		Target: t, Action: ActionNone, Severity: severity,
		Version: s.Version, Fingerprint: s.Fingerprint, StaleOverride: s.StaleOverride,
	}
}

func nonce() string {
	var b [8]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand
	return hex.EncodeToString(b[:])
}
