package actions

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"time"
)

// Graph is what a Carrier needs of Microsoft Graph. Neither method retries.
type Graph interface {
	// Patch sends o. It returns a *CallError for an answer that is not a
	// success; any other error means that it is not known whether o arrived.
	Patch(ctx context.Context, o Order) (Call, error)
	// Read returns the message as Graph has it now. A message that Graph does
	// not have is a *CallError with status 404.
	Read(ctx context.Context, t Target) (Snapshot, error)
}

// Call is a successful answer of Graph.
type Call struct {
	Status    int
	RequestID string
}

// Snapshot is a message as a read showed it.
type Snapshot struct {
	Version   string
	Deleted   bool
	EmptyBody bool
	// Fingerprint is of the text, as in Observation; empty: not computed.
	Fingerprint string
	Violation   *Seen
}

// CallError is an answer of Graph that is not a success, or none.
type CallError struct {
	Status int    // 0: no answer
	Code   string // error.code of the body, or our own word for it
	// Message is Graph's sentence. It is looked at to tell kinds of refusal
	// apart, and never printed or recorded.
	Message       string
	RetryAfter    time.Duration // fractions kept
	HasRetryAfter bool
	RequestID     string
	// Ambiguous: it is not known whether the call had its effect.
	Ambiguous bool
	// NotSent: the call certainly never reached Graph.
	NotSent bool
	// NoToken: not sent, since the login server refuses our credential.
	NoToken bool
}

// NotJSON is the Code of an answer whose body is not JSON. Graph answers in JSON;
// a page comes from something between, and knows nothing of messages.
const NotJSON = "not_json"

// Gone reports whether Graph itself says that it does not have the message.
func (e *CallError) Gone() bool {
	return (e.Status == 404 || e.Status == 410) && e.Code != NotJSON
}

// LacksRole reports whether Graph misses an application permission of ours. Our token
// tells those that we had when it was issued.
func (e *CallError) LacksRole() bool {
	return e.Status == 403 && e.says("authorization_requestdenied", "insufficient privileges", "missing role", "missing scope", "scope", "role")
}

// says reports whether one of words is in Graph's code or sentence.
func (e *CallError) says(words ...string) bool {
	text := strings.ToLower(e.Code + " " + e.Message)
	return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(text, w) })
}

// Error implements error.
func (e *CallError) Error() string {
	switch {
	case e.Status == 0 && e.NotSent:
		return "calling graph: not reached (" + e.Code + ")"
	case e.Status == 0:
		return "calling graph: no answer (" + e.Code + ")"
	}
	return fmt.Sprintf("calling graph: status %d (%s)", e.Status, e.Code)
}

// ResultKind says what became of an Order.
type ResultKind int

// The kinds of result. The first two leave the effect decided.
const (
	Interrupted    ResultKind = iota // the context ended first; the zero value
	Parked                           // an operator must mend something first, as a permission
	Applied                          // Graph took it, or a read found it there
	Overridden                       // a read found that the sender overrode it
	Superseded                       // a read found another text
	Gone                             // Graph does not have the message
	NotEnforceable                   // Graph will not take it for this message
	Failed                           // refused for a reason that retrying cannot mend
)

func (k ResultKind) String() string {
	names := []string{"interrupted", "parked", "applied", "overridden", "superseded", "gone", "not_enforceable", "failed"}
	if k < 0 || int(k) >= len(names) {
		return "unknown"
	}
	return names[k]
}

// Result is what became of an Order.
type Result struct {
	Kind   ResultKind
	Reason string // a sentence, with what to mend where something can be
	Call   GraphCall
	At     time.Time // when Graph answered, for Applied
	Seen   *Seen     // what the read showed, for Overridden
	// Wide: what keeps a Parked order waiting keeps all that are sent to the same
	// kind of conversation of the tenant.
	Wide bool

	version string // of the message as the read showed it, for Overridden
	unknown bool   // Failed, and what was sent may have arrived
}

// GiveUp is a Parked result that is waited for no longer: a failure, with the reason.
// What was sent may have arrived.
func (r Result) GiveUp(reason string) Result {
	r.Kind, r.Reason, r.unknown = Failed, reason+": "+r.Reason, true
	return r
}

func (r Result) outcome() Outcome {
	switch r.Kind {
	case Applied, Overridden:
		return OutcomeApplied
	case NotEnforceable:
		return OutcomeNotEnforceable
	}
	return OutcomeFailed
}

// Carrier carries orders out: it sends, waits and reads until there is a result
// or the context ends. It is safe for concurrent use.
type Carrier struct {
	Graph Graph // required
	// MinBackoff and MaxBackoff bound the waits that Graph does not name.
	// Zero: 1 s and 60 s.
	MinBackoff, MaxBackoff time.Duration
	// Jitter returns what to add to a wait, so that many lanes do not wake at
	// once. Nil: up to a tenth of it. It never makes a wait shorter.
	Jitter func(wait time.Duration) time.Duration
	Clock  func() time.Time // nil: time.Now
}

// Carry carries o out. With readFirst the message is read before anything is
// sent, as it must be when o may have been sent before. Nothing is sent while
// Graph asked to wait. When ctx ends the result is Interrupted.
func (c *Carrier) Carry(ctx context.Context, o Order, readFirst bool) Result {
	if !o.Valid() {
		return Result{Kind: Failed, Reason: "an order that no verdict made", Call: GraphCall{Code: "invalid_order"}}
	}
	t := &trip{c: c, order: o, read: readFirst}
	for {
		if ctx.Err() != nil {
			return t.end(Interrupted, "stopped before Graph answered")
		}
		var (
			done bool
			res  Result
			wait time.Duration
		)
		if t.read {
			res, done, wait = t.look(ctx)
		} else {
			res, done, wait = t.send(ctx)
		}
		if done {
			return res
		}
		if !sleep(ctx, wait) {
			return t.end(Interrupted, "stopped while waiting for Graph")
		}
	}
}

// maxServerErrors is how many answers 500 or 502 in a row are borne before the order
// is parked.
const maxServerErrors = 6

// trip is the state of one Carry.
type trip struct {
	c        *Carrier
	order    Order
	read     bool // read before sending
	call     GraphCall
	backoffs int // waits in a row that Graph did not name
	unauth   int // answers 401, or refusals of a token, in a row
	server   int // answers 500 or 502 in a row
}

func (t *trip) end(k ResultKind, reason string) Result {
	return Result{Kind: k, Reason: reason, Call: t.call}
}

// park ends with what keeps more than this order waiting.
func (t *trip) park(reason string) Result {
	res := t.end(Parked, reason)
	res.Wide = true
	return res
}

// send PATCHes once.
func (t *trip) send(ctx context.Context) (Result, bool, time.Duration) {
	t.call.Attempts++
	call, err := t.c.Graph.Patch(ctx, t.order)
	if err == nil {
		t.call.Status, t.call.RequestID, t.call.Code = call.Status, call.RequestID, ""
		res := t.end(Applied, "Graph took it")
		res.At = t.c.now()
		return res, true, 0
	}
	return t.refused(ctx, err, true)
}

// look reads the message once and decides whether it must be sent still.
func (t *trip) look(ctx context.Context) (Result, bool, time.Duration) {
	m, err := t.c.Graph.Read(ctx, t.order.Target())
	if err != nil {
		return t.refused(ctx, err, false)
	}
	t.unauth = 0
	o := t.order
	switch {
	case m.Deleted:
		return t.end(Gone, "the message was deleted before the action reached it"), true, 0
	case o.Action() != ActionNone && m.Violation.Overridden() && !(o.r.StaleOverride && (m.Version == o.r.Version || !o.Equal(m.Violation))):
		res := t.end(Overridden, "the sender overrode the action")
		res.Call.Reconciled, res.Seen, res.version = true, m.Violation, m.Version
		return res, true, 0
	case m.Fingerprint != "" && o.r.Fingerprint != "" && !m.EmptyBody && m.Fingerprint != o.r.Fingerprint:
		return t.end(Superseded, "the text was edited before the action reached it; its new version is judged by itself"), true, 0
	case (o.Action() == ActionNone || !m.Violation.Overridden()) && o.Equal(m.Violation):
		res := t.end(Applied, "a read found that Graph had taken it")
		res.Call.Reconciled, res.At = true, t.c.now()
		return res, true, 0
	}
	t.read = false
	return Result{}, false, 0
}

// refused sorts an error of either call into an end or a wait.
func (t *trip) refused(ctx context.Context, err error, patch bool) (Result, bool, time.Duration) {
	var e *CallError
	if !errors.As(err, &e) {
		e = &CallError{Code: "no_answer", Ambiguous: true}
	}
	t.call.Status, t.call.RequestID, t.call.Code = e.Status, e.RequestID, e.Code
	if patch && e.ambiguous() {
		t.read = true // whatever comes next: it may have worked
	}
	if ctx.Err() != nil {
		return t.end(Interrupted, "stopped before Graph answered"), true, 0
	}
	if e.Status != 401 && !e.NoToken {
		t.unauth = 0
	}
	if e.Status != 500 && e.Status != 502 {
		t.server = 0
	}
	switch {
	case e.NotSent:
		if patch {
			t.call.Attempts--
		}
		if e.NoToken {
			if t.unauth++; t.unauth > 1 {
				return t.park("the login server gives no token for our credential (" + e.Code + "): check that it has not expired"), true, 0
			}
		}
		return Result{}, false, t.wait(e)
	case e.Status == 429 || e.Status == 408 || e.Status == 0:
		return Result{}, false, t.wait(e)
	case e.Status == 500 || e.Status == 502:
		if t.server++; t.server >= maxServerErrors {
			return t.end(Parked, "Graph keeps failing on this message"), true, 0
		}
		return Result{}, false, t.wait(e)
	case e.Status == 501 || e.Status == 505:
	case e.Status >= 500:
		return Result{}, false, t.wait(e)
	case e.Status == 401:
		if t.unauth++; t.unauth > 1 {
			return t.park("Graph refuses our credential: check that it has not expired"), true, 0
		}
		return Result{}, false, 0
	case e.Status == 404 && e.Code == NotJSON:
		return Result{}, false, t.wait(e)
	case e.Gone():
		return t.end(Gone, "Graph does not have the message (any more)"), true, 0
	case e.Status == 403 && patch:
		kind, reason := forbidden(e)
		if kind == Parked {
			return t.park(reason), true, 0
		}
		return t.end(kind, reason), true, 0
	case e.Status == 403:
		return t.park("Graph does not let us read the message, so it is not known whether the action stands: grant Chat.Read.All and ChannelMessage.Read.All with admin consent"), true, 0
	case e.Status == 402:
		return t.park("Graph asks for payment: the app's billing configuration is refused"), true, 0
	}
	if !patch {
		res := t.end(Failed, "Graph does not let us read the message, so it is not known whether the action stands")
		res.unknown = true
		return res, true, 0
	}
	return t.end(Failed, refusal(e.Status)), true, 0
}

// wait is how long nothing may be sent: what Graph asks for, else twice as long
// as the last time.
func (t *trip) wait(e *CallError) time.Duration {
	backoff := t.c.backoff(t.backoffs)
	t.backoffs++
	wait := backoff
	if e.HasRetryAfter && e.RetryAfter > 0 {
		wait, t.backoffs = e.RetryAfter, 0
	}
	return wait + t.c.jitter(wait)
}

func (e *CallError) ambiguous() bool {
	return !e.NotSent && (e.Ambiguous || e.Status == 0 || e.Status == 408 || e.Status >= 500)
}

// forbidden tells the kinds of 403 apart by Graph's code and sentence, since one
// status stands for all of them. A role that is missing can be mended, and is waited
// for; what is left belongs to the message.
// Source: learn.microsoft.com/graph/api/chatmessage-update, and the error texts
// that Graph is known to send.
func forbidden(e *CallError) (ResultKind, string) {
	switch {
	case e.says("licen"):
		return NotEnforceable, "Graph wants a licence with Microsoft Communications DLP for this message"
	case e.says("federat", "external user", "other tenant", "another tenant", "skype"):
		return NotEnforceable, "the sender belongs to another organisation: only that one can act on the message"
	case e.says("protected api"):
		return Parked, "Graph says that the app is not approved for this protected API: request access for it"
	case e.LacksRole():
		return Parked, "the app lacks a permission: grant Chat.UpdatePolicyViolation.All and ChannelMessage.UpdatePolicyViolation.All with admin consent"
	}
	return NotEnforceable, "Graph does not let us act on this message"
}

// refusal explains the other statuses that no retry can mend.
func refusal(status int) string {
	switch status {
	case 400:
		return "Graph calls the request malformed"
	case 412:
		return "Graph wants another kind of token for this call"
	}
	return "Graph refused the action"
}

func (c *Carrier) now() time.Time {
	if c.Clock != nil {
		return c.Clock()
	}
	return time.Now()
}

func (c *Carrier) backoff(n int) time.Duration {
	low, high := c.MinBackoff, c.MaxBackoff
	if low <= 0 {
		low = time.Second
	}
	if high <= 0 {
		high = time.Minute
	}
	for ; n > 0 && low < high; n-- {
		low *= 2
	}
	return min(low, high)
}

func (c *Carrier) jitter(wait time.Duration) time.Duration {
	if c.Jitter != nil {
		return max(0, c.Jitter(wait))
	}
	return time.Duration(rand.Int64N(int64(wait)/10 + 1)) //nolint:gosec // it spreads retries, and guards nothing
}

// sleep waits and reports whether it was not interrupted.
func sleep(ctx context.Context, wait time.Duration) bool {
	if wait <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-timer.C:
		return true
	}
}
