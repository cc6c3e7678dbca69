package graphtwin

import (
	"fmt"
	"math"
	"net/http"
	"strconv"
	"time"
)

// throttler holds one meter a bucket. A meter is the time at which its bucket
// is empty again (the generic cell rate algorithm), so nothing runs beside it.
type throttler struct {
	Throttle
	meters map[string]time.Time
	// barred is until when a bucket that answered 429 answers nothing else.
	barred map[string]time.Time
	turn   int
}

func (h *throttler) set(x Throttle) {
	setDefault(&x.Conversation, 1)
	setDefault(&x.Team, 4)
	setDefault(&x.Tenant, 30)
	setDefault(&x.RetryAfter, "integer")
	h.Throttle = x
	h.meters, h.barred = map[string]time.Time{}, map[string]time.Time{}
}

// slack forgives requests that arrive this much closer than they were sent.
const slack = 100 * time.Millisecond

// take asks a bucket of rate requests a second for one, and returns how long to
// wait if there is none. A call before the wait has passed extends it.
func (h *throttler) take(key string, rate float64, now time.Time) time.Duration {
	interval := time.Duration(float64(time.Second) / rate)
	if until := h.barred[key]; now.Before(until) {
		h.barred[key] = until.Add(interval / 2)
		return h.barred[key].Sub(now)
	}
	burst := time.Duration(math.Max(rate-1, 0)) * interval
	empty := h.meters[key]
	if empty.Before(now) {
		empty = now
	}
	if early := empty.Sub(now); early > burst+slack {
		wait := early - burst
		h.barred[key] = now.Add(wait)
		return wait
	}
	h.meters[key] = empty.Add(interval)
	return 0
}

// throttled asks every bucket that a request falls into; t.mu is held.
// The buckets: per app and tenant (one rate for all verbs), per app and team,
// per app, tenant and conversation.
func (t *Twin) throttled(c *call, conversation, team string) (answer, bool) {
	h := &t.throttle
	if h.Off || conversation == "" && team == "" {
		return answer{}, false
	}
	now, who := t.now(), c.from.app+" "+c.from.tenant
	var wait time.Duration
	if conversation != "" {
		wait = max(wait, h.take("conversation "+who+" "+conversation, h.Conversation, now))
	}
	if team != "" {
		wait = max(wait, h.take("team "+c.from.app+" "+team, h.Team, now))
	}
	wait = max(wait, h.take("tenant "+who, h.Tenant, now))
	if wait == 0 {
		return answer{}, false
	}
	c.log.Throttled = true
	a := failure(http.StatusTooManyRequests, "TooManyRequests", "Request has been throttled as the limit of the conversation, team or tenant was exceeded.")
	a.header = map[string]string{}
	form := h.RetryAfter
	if form == "mixed" {
		form = []string{"integer", "fractional", "missing"}[h.turn%3]
		h.turn++
	}
	switch form {
	case "fractional":
		a.header["Retry-After"] = fmt.Sprintf("%.3f", wait.Seconds()+0.0005)
	case "missing":
	default:
		a.header["Retry-After"] = strconv.Itoa(int(math.Ceil(wait.Seconds())))
	}
	return a, true
}
