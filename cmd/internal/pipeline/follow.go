package pipeline

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/policy"
	"teamsdlp/policy/extract"
	"teamsdlp/webhook"
)

// staleAfter is the age of an item from which a message is read before it is
// acted on. It is half of what clean messages are remembered for.
const staleAfter = 24 * time.Hour

// senderApplication is the Sender.Kind of bots and connectors.
const senderApplication = "application"

// follow is the way of one version of a message: what it calls for is decided
// by the recorder, and each branch ends the inbox row in the commit that writes
// down what became of it.
func (p *Pipeline) follow(ctx context.Context, item webhook.Item, target actions.Target, m *webhook.Message) error {
	if graph := p.graph(target.Tenant); graph != nil && movesMembers(m) {
		graph.ForgetMembers(target) // it comes before what is said in front of those who joined
	}
	step, err := p.recorder.Begin(ctx, target, p.observation(item, m))
	if err != nil {
		return err
	}
	switch step.Kind {
	case actions.Judge:
		return p.decide(ctx, item, target, m, step)
	case actions.Resume:
		decision, err := p.recorder.Resume(step)
		if err != nil {
			return err
		}
		return p.carryOut(ctx, item, target, decision)
	}
	return p.left(item, p.recorder.Follow(ctx, step, item.Receipt))
}

// movesMembers reports whether m is Graph's event of who came to or left a
// conversation, as #microsoft.graph.membersAddedEventMessageDetail.
func movesMembers(m *webhook.Message) bool {
	return m.EventDetail != nil && strings.Contains(strings.ToLower(m.EventDetail.Type), "graph.members")
}

// left forgets that an item's action waits for an operator, once what became of the item
// is written down without one, and returns the error of that.
func (p *Pipeline) left(item webhook.Item, err error) error {
	if err == nil {
		p.parking.leave(item.Receipt)
	}
	return err
}

// decide judges the text and records the verdict; what is to be sent is sent.
func (p *Pipeline) decide(ctx context.Context, item webhook.Item, target actions.Target, m *webhook.Message, step actions.Step) error {
	begin := p.now()
	j := p.judge(ctx, m, target)
	verdict, message, judged := j.verdict, j.message, p.now()
	if ctx.Err() != nil {
		// Told to stop: the verdict may rest on context that was out of reach only
		// because of that. The item is claimed again at the next start.
		return nil //nolint:nilerr // as said
	}
	judgement := actions.Judgement{
		Generation:   verdict.Generation,
		Rules:        p.ruleResults(verdict),
		Action:       actions.Action(verdict.Action),
		Severity:     string(verdict.Severity),
		Tip:          verdict.Tip.Text,
		URL:          verdict.Tip.URL,
		Override:     string(verdict.Override),
		Report:       string(verdict.Report),
		Descriptions: verdict.Descriptions,
		Conversation: conversation(message, j.known),
		Message:      &actions.Message{ID: m.ID, ReplyTo: m.ReplyToID, Version: m.Version(), SentAt: sentAt(m)},
		Sender:       &actions.Sender{ID: message.Sender.ID, Name: senderName(m), Kind: message.Sender.Kind},
		Exposure:     actions.Exposure{Sent: sentAt(m), Received: item.Received.UTC(), Judged: judged},

		NotEnforceable: p.notEnforceable(target.Tenant, message.Sender),
	}
	j.End() // before anything is waited for: its buffers are for the next message
	decision, err := p.recorder.Judge(ctx, step, judgement, item.Receipt)
	if err = p.left(item, err); err != nil {
		return err
	}
	p.observe.Judged(string(verdict.Action), verdict.Severity != "", judged.Sub(begin))
	if decision == nil {
		if verdict.Action != policy.NoAction {
			p.observe.Acted(string(actions.OutcomeNotEnforceable), actions.Exposure{})
		}
		return nil
	}
	return p.carryOut(ctx, item, target, decision)
}

// carryOut sends what was decided and records what became of it. What has no
// result when ctx ends stays decided, and its item is claimed again at the next
// start; what waits for an operator is put back.
func (p *Pipeline) carryOut(ctx context.Context, item webhook.Item, target actions.Target, d *actions.Decision) error {
	graph := p.graph(target.Tenant)
	if graph == nil {
		return p.putBack(ctx, item, "its tenant is not configured any more")
	}
	// An item that waited very long, as in quarantine, may be about a text whose
	// newer versions are forgotten by now: Teams is asked what it says today.
	stale := p.now().Sub(item.Received) > staleAfter
	result, wait := p.send(ctx, graph, item, target, d, d.Resumed || stale)
	if result.Kind == actions.Parked && ctx.Err() == nil {
		if why := p.parking.park(item.Receipt, gateOf(target), laneOf(item), d); why != "" {
			result = result.GiveUp(why)
		}
	}
	if result.Kind != actions.Parked || result.Call.Attempts > 0 { // else it is as it was
		p.log.Info("action", zap.String("case", p.keys.CaseID(target.Key())), zap.String("action", string(d.Order.Action())),
			zap.Stringer("result", result.Kind), zap.Int("status", result.Call.Status), zap.String("code", result.Call.Code), zap.Int("attempts", result.Call.Attempts))
	}
	// What Graph took is on record even if the service is told to stop meanwhile.
	err := p.left(item, p.recorder.Settle(context.WithoutCancel(ctx), d, result, item.Receipt))
	switch {
	case errors.Is(err, actions.ErrUnsettled) && ctx.Err() != nil:
		return nil //nolint:nilerr // claimed again at the next start
	case errors.Is(err, actions.ErrUnsettled):
		if wait == 0 {
			wait = backOff(item)
		}
		gate := ""
		if result.Wide {
			gate = gateOf(target)
		}
		return p.deferParked(ctx, item, wait, parkedFor(gate, result.Reason))
	case err != nil:
		return err
	}
	if d.Order.Action() != actions.ActionNone {
		exposure := d.Exposure()
		exposure.Applied = result.At
		p.observe.Acted(string(result.Outcome()), exposure)
	}
	return nil
}

// send carries an order out if its gate is open, or as the one that tries whether it
// is. A wait above 0 is when a Parked order is to be tried again.
func (p *Pipeline) send(ctx context.Context, graph Graph, item webhook.Item, target actions.Target, d *actions.Decision, readFirst bool) (actions.Result, time.Duration) {
	gate := gateOf(target)
	probe, wait, reason := p.parking.pass(gate, item.Receipt)
	if wait > 0 {
		return actions.Result{Kind: actions.Parked, Reason: reason, Wide: true}, wait
	}
	var result actions.Result
	turned := false
	func() {
		defer func() { wait, turned = p.parking.answered(gate, item.Receipt, probe, result) }() // a panic is no answer, and ends the probe
		result = p.carrier(graph).Carry(ctx, d.Order, readFirst)
	}()
	switch {
	case turned && result.Kind == actions.Parked:
		p.log.Error("actions wait for an operator", zap.String("for", gate), zap.String("reason", result.Reason), zap.Int("status", result.Call.Status), zap.String("code", result.Call.Code))
	case turned:
		p.log.Info("actions go on", zap.String("for", gate))
	}
	return result, wait
}

// gone ends an item whose message Graph does not have any more.
func (p *Pipeline) gone(ctx context.Context, item webhook.Item, target actions.Target) error {
	// There is no version to go by; the deletion has one of its own.
	step, err := p.recorder.Begin(ctx, target, actions.Observation{Change: actions.Deleted})
	if err != nil {
		return err
	}
	return p.left(item, p.recorder.Follow(ctx, step, item.Receipt))
}

// Errors of Release, when nothing was released and nothing recorded. Their texts
// are sentences for the analyst.
var (
	ErrUnknownCase = errors.New("the case's tenant is not configured")
	ErrBusy        = errors.New("an action on this conversation is still under way; nothing was released, try again in a minute")
	ErrStopping    = errors.New("the service is stopping; nothing was released")
	errPanic       = errors.New("internal error")
)

// Release lifts what stands on the message of c for an analyst: in the lane of
// its conversation, behind what is under way there and before what waits. It
// returns actions.ErrNothingStands when there is nothing to lift, ErrBusy when
// ctx ended before its turn, ErrStopping once Run has ended, and an ErrNotReleased
// that says why when Graph refused.
func (p *Pipeline) Release(ctx context.Context, c actions.Case, actor, reason string) error {
	if c.Target == nil {
		return actions.ErrNothingStands
	}
	graph := p.graph(c.Target.Tenant)
	if graph == nil {
		return ErrUnknownCase
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	var (
		taken atomic.Bool // by its turn, or by giving up: whichever comes first
		done  = make(chan error, 1)
	)
	open := p.lanes.next(c.Target.Tenant+"/"+laneOfTarget(*c.Target), func() {
		if taken.CompareAndSwap(false, true) {
			done <- p.release(ctx, graph, c, actor, reason)
		}
	})
	if !open {
		return ErrStopping
	}
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
		if taken.CompareAndSwap(false, true) {
			return ErrBusy
		}
		return <-done
	}
}

func (p *Pipeline) release(ctx context.Context, graph Graph, c actions.Case, actor, reason string) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.panicked(v, zap.String("case", c.ID))
			err = errPanic
		}
	}()
	if ctx.Err() != nil {
		return ErrBusy
	}
	// A decision that is on record while nobody heard of it would wait for the next start.
	d, err := p.recorder.Release(context.WithoutCancel(ctx), c, actor, reason)
	if err != nil {
		return err
	}
	result := p.carrier(graph).Carry(ctx, d.Order, false)
	// The decision is on record: what became of it must be too, even if the
	// analyst's connection is gone.
	err = p.persist(ctx, func() error { return p.recorder.Settle(context.WithoutCancel(ctx), d, result, "") })
	if err != nil {
		return err
	}
	if result.Kind != actions.Applied {
		return fmt.Errorf("%w: %s", ErrNotReleased, result.Reason)
	}
	return nil
}

// ErrNotReleased is wrapped by Release's error when Graph did not take it; the
// rest of the text is a sentence.
var ErrNotReleased = errors.New("not released")

// resumeReleases takes up the releases whose process died between the record
// of the decision and that of its result. They go first in their lanes.
func (p *Pipeline) resumeReleases(ctx context.Context) error {
	if p.Unfinished == nil {
		return nil
	}
	list, err := p.Unfinished(ctx)
	if err != nil {
		return err
	}
	for _, e := range list {
		if e.Order == nil {
			continue
		}
		target := e.Order.Target
		p.lanes.next(target.Tenant+"/"+laneOfTarget(target), func() {
			held, release, err := p.heldKey(p.life, e.MessageKey)
			if err != nil {
				return // another server's, which takes it up
			}
			defer release()
			if err := p.resumeRelease(held, e, target); err != nil {
				p.log.Error("release not taken up: it is tried again at the next start", zap.String("case", p.keys.CaseID(e.MessageKey)), zap.Error(err))
			}
		})
	}
	return nil
}

// Resume takes up what Unfinished returns now: after a server took over the work of
// another. Run does so once by itself.
func (p *Pipeline) Resume(ctx context.Context) error {
	return p.persist(ctx, func() error { return p.resumeReleases(ctx) })
}

// persist does again what the store refused, for as long as an item is tried in place
// or until ctx ends: nothing else brings a release back before the next start.
func (p *Pipeline) persist(ctx context.Context, do func() error) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(p.life, cancel)()
	begun := p.clock()
	for wait := 100 * time.Millisecond; ; wait = min(2*wait, 5*time.Second) {
		err := do()
		if err == nil || ctx.Err() != nil || p.clock().Sub(begun) > stuck {
			return err
		}
		p.log.Error("release not written, trying again", zap.Duration("wait", wait), zap.Error(err))
		pause(ctx, wait)
	}
}

func (p *Pipeline) heldKey(ctx context.Context, messageKey string) (context.Context, context.CancelFunc, error) {
	if p.HeldKey == nil {
		return ctx, func() {}, nil
	}
	return p.HeldKey(ctx, messageKey)
}

func (p *Pipeline) resumeRelease(ctx context.Context, e actions.Effect, target actions.Target) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.panicked(v, zap.String("case", p.keys.CaseID(e.MessageKey)))
			err = errPanic
		}
	}()
	graph := p.graph(target.Tenant)
	if graph == nil {
		return ErrUnknownCase
	}
	var d *actions.Decision
	err = p.persist(ctx, func() (err error) {
		d, err = p.recorder.ResumeRelease(ctx, e)
		return err
	})
	if err != nil || d == nil {
		return err
	}
	result := p.carrier(graph).Carry(ctx, d.Order, d.Resumed)
	if result.Kind == actions.Interrupted {
		return nil // it stays decided, for the next start
	}
	return p.persist(ctx, func() error { return p.recorder.Settle(context.WithoutCancel(ctx), d, result, "") })
}

func (p *Pipeline) carrier(g Graph) *actions.Carrier {
	return &actions.Carrier{Graph: g, Clock: p.clock}
}

// isGone reports whether err is Graph's answer that it has no such message.
func isGone(err error) bool {
	var call *actions.CallError
	return errors.As(err, &call) && call.Gone()
}

// isNonsense reports whether err is the answer to a question that can never be right,
// as for a message whose id no message has.
func isNonsense(err error) bool {
	var call *actions.CallError
	return errors.As(err, &call) && call.Status == http.StatusBadRequest && call.Code != actions.NotJSON
}

// ---- from Graph's words to ours ----

func targetOf(tenant string, ref webhook.Ref) actions.Target {
	return actions.Target{
		Tenant: tenant, ChatID: ref.ChatID, TeamID: ref.TeamID, ChannelID: ref.ChannelID,
		MessageID: ref.MessageID, ReplyTo: ref.ReplyTo,
	}
}

func laneOfTarget(t actions.Target) string {
	return webhook.Ref{ChatID: t.ChatID, TeamID: t.TeamID, ChannelID: t.ChannelID, MessageID: t.MessageID, ReplyTo: t.ReplyTo}.Lane()
}

// observation is what the item's content shows.
func (p *Pipeline) observation(item webhook.Item, m *webhook.Message) actions.Observation {
	o := actions.Observation{
		Version:     m.Version(),
		Change:      actions.Change(item.ChangeType),
		Deleted:     !m.Deleted.IsZero(),
		EmptyBody:   emptyBody(m),
		Fingerprint: Fingerprint(p.keys, m),
		Violation:   seen(m.PolicyViolation),
		System:      m.EventDetail != nil || m.MessageType == "systemEventMessage",
	}
	if o.Version == "" {
		o.Version = o.Fingerprint
	}
	spoil(&o)
	return o
}

func emptyBody(m *webhook.Message) bool { return m.Body.Content.Reveal() == "" }

// Fingerprint is the keyed digest of everything in m that is judged. A Graph's
// Read computes the same, so that an edit is told from a block's blanked copy.
func Fingerprint(keys *actions.Keys, m *webhook.Message) string {
	parts := []string{m.Subject.Reveal(), m.Summary.Reveal(), m.Body.Content.Reveal()}
	for _, a := range m.Attachments {
		parts = append(parts, a.ID, a.ContentType, a.Name.Reveal(), a.ContentURL.Reveal(), a.Content.Reveal())
	}
	return keys.Fingerprint(parts...)
}

func seen(v *webhook.PolicyViolation) *actions.Seen {
	if v == nil {
		return nil
	}
	s := &actions.Seen{
		DLPAction:      strings.Join(v.DLPAction, ","),
		VerdictDetails: strings.Join(v.VerdictDetails, ","),
		UserAction:     strings.Join(v.UserAction, ","),
		Justification:  v.JustificationText.Reveal(),
	}
	if v.PolicyTip != nil {
		s.TipText, s.URL = v.PolicyTip.GeneralText.Reveal(), v.PolicyTip.ComplianceURL
		for _, d := range v.PolicyTip.MatchedConditionDescriptions {
			s.Matched = append(s.Matched, d.Reveal())
		}
	}
	return s
}

// message is m as the rules see it.
func (p *Pipeline) message(target actions.Target, m *webhook.Message) *policy.Message {
	source := extract.Source{
		Subject: m.Subject.Reveal(), Summary: m.Summary.Reveal(),
		Body: m.Body.Content.Reveal(), HTML: m.Body.HTML(),
	}
	for _, a := range m.Attachments {
		source.Attachments = append(source.Attachments, extract.Attachment{
			ContentType: a.ContentType, Name: a.Name.Reveal(), ContentURL: a.ContentURL.Reveal(), Content: a.Content.Reveal(),
		})
	}
	return &policy.Message{
		TenantID:       target.Tenant,
		Text:           extract.Message(source),
		Sender:         sender(m),
		ConversationID: target.ConversationID(),
		Channel:        target.ChatID == "",
	}
}

func sender(m *webhook.Message) policy.Sender {
	switch f := m.From; {
	case f == nil:
		return policy.Sender{}
	case f.User != nil:
		return policy.Sender{ID: f.User.ID, Kind: string(f.User.UserIdentityType), TenantID: f.User.TenantID}
	case f.Application != nil:
		return policy.Sender{ID: f.Application.ID, Kind: senderApplication}
	}
	return policy.Sender{}
}

func senderName(m *webhook.Message) string {
	switch f := m.From; {
	case f == nil:
		return ""
	case f.User != nil:
		return f.User.DisplayName
	case f.Application != nil:
		return f.Application.DisplayName
	}
	return ""
}

// sentAt is when the text was sent by Microsoft's clock: last edited, or created.
func sentAt(m *webhook.Message) time.Time {
	if m.LastEdited.After(m.Created) {
		return m.LastEdited.UTC()
	}
	return m.Created.UTC()
}
