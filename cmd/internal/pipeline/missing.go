package pipeline

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
)

// Why context was not to be had.
const (
	ContextRefused     = "refused"     // somebody must mend it: a permission, the credential, a bill
	ContextNotFound    = "not_found"   // Graph has no such account or conversation
	ContextUnavailable = "unavailable" // no answer in time, throttled, or Graph fails
)

// sayMissingEvery is how often the program log says that context of one sort is missing
// for one cause: at once, and then as a reminder.
const sayMissingEvery = time.Hour

// missing tells those who operate it that the rules have to do without context. The
// message is judged all the same, and at once: whatever its result hangs on counts as
// the answer that keeps a rule in force, so what is refused makes the rules stricter
// and lets nothing through, and the entry names what was assumed.
func (p *Pipeline) missing(ctx context.Context, target actions.Target, what string, err error) {
	if errors.Is(ctx.Err(), context.Canceled) {
		return // told to stop: the message is judged at the next start
	}
	cause, status, code := causeOf(err)
	p.observe.ContextMissing(what, cause)
	if cause == ContextNotFound {
		return // nobody can mend it
	}
	of := target.Tenant
	if what == "conversation" {
		of = gateOf(target)
	}
	if !p.reminders.due(of+" "+what+" "+cause, p.clock()) {
		return
	}
	p.log.Warn("rules do without context: they stay in force where they cannot be judged",
		zap.String("of", of), zap.String("context", what), zap.String("cause", cause), zap.Int("status", status), zap.String("code", code), zap.String("mend", mendMissing(target, what, cause, status)))
}

func causeOf(err error) (cause string, status int, code string) {
	var call *actions.CallError
	if !errors.As(err, &call) {
		return ContextUnavailable, 0, ""
	}
	switch {
	case call.NoToken:
		return ContextRefused, http.StatusUnauthorized, call.Code
	case call.Status == http.StatusUnauthorized, call.Status == http.StatusPaymentRequired, call.Status == http.StatusForbidden:
		return ContextRefused, call.Status, call.Code
	case call.Gone():
		return ContextNotFound, call.Status, call.Code
	}
	return ContextUnavailable, call.Status, call.Code
}

func mendMissing(target actions.Target, what, cause string, status int) string {
	switch {
	case cause != ContextRefused:
		return "see that Graph can be reached, and whether it throttles"
	case status == http.StatusUnauthorized:
		return "check that the credential has not expired"
	case status == http.StatusPaymentRequired:
		return "see to the app's billing"
	case what == "person":
		return "grant User.Read.All with admin consent"
	case what == "groups":
		return "grant User.Read.All and GroupMember.Read.All with admin consent"
	case target.ChatID != "":
		return "grant ChatMember.Read.All with admin consent"
	}
	return "grant Channel.ReadBasic.All and ChannelMember.Read.All with admin consent"
}

// reminders are what was said, and when.
type reminders struct {
	mu   sync.Mutex
	said map[string]time.Time
}

// due reports whether something is to be said now, and takes it that it is.
func (r *reminders) due(what string, now time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, ok := r.said[what]; ok && now.Sub(at) < sayMissingEvery {
		return false
	}
	if r.said == nil {
		r.said = map[string]time.Time{}
	}
	r.said[what] = now
	return true
}
