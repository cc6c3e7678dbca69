package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
)

// attempts bounds how many steps one target may take in one pass, as renew,
// re-create, adopt.
const attempts = 5

// again is how soon a write that our own store refused is tried again.
const again = 30 * time.Second

// errUnsettled is what a target fails with whose steps lead to one another.
var errUnsettled = errors.New("graph's answers contradict one another")

// loop looks after one tenant. Its goroutine owns every field but wake.
type loop struct {
	m        *Manager
	tenantID string
	wake     chan struct{}
	targets  []*watch

	compareAt time.Time // when Graph's list is compared next
	failures  int       // of listing, in a row
}

// watch is one target and what we know about it.
type watch struct {
	Target
	local string    // local id of the present record, pending or active; empty: none
	extra *observed // at Graph for the same resource, and not the present one

	gone      string // how we know that Graph does not have the present one
	kept      bool   // Graph kept the old certificate after a PATCH
	unmoved   bool   // Graph kept the expiry at the last renewal
	confirm   bool   // whether it exists must be asked before anything is done
	unsettled bool   // it stands, but its gap is not recorded yet

	// reauthorize: since when Graph asks for it; zero: it does not.
	reauthorize time.Time

	// proved: up to here the target is covered or its gap is recorded. Zero:
	// it never had a subscription.
	proved time.Time
	gap    *Gap // not covered now
	opened bool // gap was recorded as open

	failures int
	retry    time.Time
	trouble  error
}

// nudge wakes the loop.
func (l *loop) nudge() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// run passes over the targets until ctx ends. first is called after the first pass.
func (l *loop) run(ctx context.Context, first func()) {
	defer func() {
		final, cancel := context.WithTimeout(context.WithoutCancel(ctx), goodbye)
		defer cancel()
		l.write(final)
	}()
	l.recall()
	l.pass(ctx)
	first()
	for {
		timer := time.NewTimer(l.rest())
		select {
		case <-timer.C:
		case <-l.wake:
			timer.Stop()
		case <-ctx.Done():
			timer.Stop()
			return
		}
		l.pass(ctx)
	}
}

// recall finds each target's present record among the stored ones: the active
// one, else the pending one.
func (l *loop) recall() {
	for _, s := range l.m.of(l.tenantID) {
		if s.Status == Retired {
			continue
		}
		for _, w := range l.targets {
			if w.key() != s.target().key() {
				continue
			}
			if have, ok := l.m.record(w.local); !ok || have.Status == Pending || s.Status == Active {
				w.local = s.LocalID
			}
		}
	}
}

// pass does once all there is to do now.
func (l *loop) pass(ctx context.Context) {
	l.write(ctx)
	if now := l.m.clock(); !now.Before(l.compareAt) {
		l.compare(ctx, now)
	}
	for _, w := range l.targets {
		if ctx.Err() != nil {
			return
		}
		l.tend(ctx, w)
		l.publish(w)
	}
	l.bury(ctx)
}

// write stores what is not stored yet.
func (l *loop) write(ctx context.Context) {
	for _, s := range l.m.unsaved(l.tenantID) {
		l.m.keep(ctx, s)
	}
}

// rest is how long nothing is due: until the next comparison, the next attempt
// of a target that failed, or somebody's half life. Only here is there jitter.
func (l *loop) rest() time.Duration {
	now, wall := l.m.clock(), l.m.now()
	d := min(l.compareAt.Sub(now), l.m.check)
	if len(l.m.unsaved(l.tenantID)) > 0 {
		d = min(d, again)
	}
	for _, w := range l.targets {
		if w.trouble != nil {
			d = min(d, w.retry.Sub(now))
			continue
		}
		if w.unsettled {
			d = min(d, again)
		}
		if s, ok := l.m.record(w.local); ok && s.Status == Active {
			due := halfLife(s, l.m.lifetime)
			if quiet := s.Renewed.Add(apart); due.Before(quiet) {
				due = quiet
			}
			end := s.Expires
			if w.unmoved {
				end = end.Add(-apart)
			}
			d = min(d, due.Sub(wall)+time.Duration(l.m.roll()*float64(l.m.check)), end.Sub(wall))
		}
	}
	return max(d, time.Second)
}

// compare takes in Graph's list. Without it every target goes on by what is
// stored: renewal does not wait for it.
func (l *loop) compare(ctx context.Context, now time.Time) {
	listed, err := l.m.api.List(ctx, l.tenantID)
	if err != nil {
		l.failures++
		l.compareAt = now.Add(pause(err, l.failures, l.m.roll()))
		l.m.observe.Trouble(l.tenantID, "list", err)
		return
	}
	l.failures = 0
	l.compareAt = now.Add(l.m.check - time.Duration(l.m.roll()*float64(l.m.check)/10))
	for _, w := range l.targets {
		l.match(ctx, w, listed)
	}
	l.strays(ctx)
}

// match finds the target's subscription in Graph's list. The list is not the
// whole truth: what it lacks is asked for by id, what it says has expired is
// left out.
func (l *loop) match(ctx context.Context, w *watch, listed []Subscription) {
	now := l.m.now()
	have, present := l.m.record(w.local)
	w.extra = nil
	seen := false
	for _, s := range listed {
		if !w.isFor(&s) {
			continue
		}
		if present && have.ID != "" && strings.EqualFold(s.ID, have.ID) {
			seen = true
			if !s.Expires.IsZero() && !now.Before(s.Expires) {
				continue // the list shows what is over, too; the clock decides
			}
			l.stands(ctx, w, have, s)
			continue
		}
		if !s.Expires.IsZero() && !now.Before(s.Expires) {
			continue
		}
		w.extra = l.identify(s)
	}
	if present && have.Status == Active && !seen && w.gone == "" && now.Before(have.Expires) {
		w.confirm = true
	}
}

// isFor reports whether a listed subscription is for the target. The list is
// the app's own, so one that names no app is ours.
func (w *watch) isFor(s *Subscription) bool {
	if s.AppID == "" {
		s.AppID = w.AppID
	}
	return normal(s.Resource) == normal(w.Resource) && strings.EqualFold(s.AppID, w.AppID)
}

// identify adds what our store knows of a subscription at Graph.
func (l *loop) identify(s Subscription) *observed {
	for _, ours := range l.m.of(l.tenantID) {
		if ours.ID != "" && strings.EqualFold(ours.ID, s.ID) && ours.ClientState != "" && ours.target().key() == s.target().key() {
			ours.Expires = s.Expires
			return &observed{Subscription: ours, Known: true}
		}
	}
	return &observed{Subscription: s}
}

// strays deletes subscriptions that we made for targets no longer wanted, and those
// that a target has beside the one in force: one that somebody else deleted to make
// another, or an attempt that was stored and not made.
func (l *loop) strays(ctx context.Context) {
	for _, s := range l.m.of(l.tenantID) {
		if s.Status == Retired {
			continue
		}
		step := next(nil, &observed{Subscription: s, Known: true}, l.m.now(), l.margins())
		if w := l.watching(s); w != nil {
			if s.LocalID == w.local || !l.inForce(w) {
				continue
			}
			step.Reason = secondOne
		}
		if s.ID != "" {
			err := l.m.api.Delete(ctx, l.tenantID, s.ID)
			if err != nil && !errors.Is(err, ErrNotFound) {
				l.m.observe.Stepped(s.target(), step, err, l.m.check)
				continue
			}
			l.m.observe.Stepped(s.target(), step, nil, 0)
			l.retire(ctx, s)
			continue
		}
		l.m.drop(ctx, s)
	}
}

// watching returns the target that s is for, nil if it is not wanted.
func (l *loop) watching(s Subscription) *watch {
	for _, w := range l.targets {
		if w.key() == s.target().key() {
			return w
		}
	}
	return nil
}

// inForce reports whether Graph has the target's present subscription, as far as its
// list just showed.
func (l *loop) inForce(w *watch) bool {
	s, ok := l.m.record(w.local)
	return ok && s.Status == Active && w.gone == "" && !w.confirm && l.m.now().Before(s.Expires)
}

// bury forgets retired subscriptions for which nothing can come any more.
func (l *loop) bury(ctx context.Context) {
	now := l.m.now()
	for _, s := range l.m.of(l.tenantID) {
		if s.Status == Retired && now.Sub(s.RetiredAt) >= late {
			l.m.drop(ctx, s)
		}
	}
}

// tend takes steps for one target until there is nothing to do, or until one
// fails.
func (l *loop) tend(ctx context.Context, w *watch) {
	if s, ok := l.m.record(w.local); ok && s.Status == Active {
		r := l.m.take(s.ID)
		if r.reauthorize && w.reauthorize.IsZero() {
			w.reauthorize = l.m.now()
		}
		w.confirm = w.confirm || r.confirm
	}
	if w.trouble != nil && l.m.clock().Before(w.retry) {
		return
	}
	if w.unsettled {
		l.settle(ctx, w)
	}
	if w.confirm {
		if err := l.ask(ctx, w); err != nil && l.decide(l.have(w), w).Kind != Renew { // which asks, too
			l.fail(ctx, w, Step{Keep, "asking whether it still exists"}, err)
			return
		}
	}
	var step Step
	for range attempts {
		have := l.have(w)
		step = l.decide(have, w)
		if step.Kind == Keep {
			w.reauthorize, w.failures, w.trouble = time.Time{}, 0, nil
			l.spare(ctx, w)
			return
		}
		if err := l.act(ctx, w, step, have); err != nil {
			l.fail(ctx, w, step, err)
			return
		}
		l.m.observe.Stepped(w.Target, step, nil, 0)
	}
	l.fail(ctx, w, step, errUnsettled)
}

// decide returns the next step for a target.
func (l *loop) decide(have *observed, w *watch) Step {
	want := &intent{Target: w.Target, URLs: l.m.urls, CertificateID: l.m.cert().ID}
	return next(want, have, l.m.now(), l.margins())
}

func (l *loop) margins() margins { return margins{Lifetime: l.m.lifetime, Apart: apart} }

// have is the subscription to decide about: the present one if it is in force,
// else another that Graph has for the resource, else what there is.
func (l *loop) have(w *watch) *observed {
	s, ok := l.m.record(w.local)
	if ok && s.Status == Active && w.gone == "" {
		return &observed{Subscription: s, Known: true, Reauthorize: !w.reauthorize.IsZero(), CertificateKept: w.kept, Unmoved: w.unmoved}
	}
	if w.extra != nil {
		return w.extra
	}
	if ok {
		return &observed{Subscription: s, Known: true, Gone: w.gone}
	}
	return nil
}

// secondOne is why a subscription is deleted that is beside another.
const secondOne = "a second one for the same resource"

// spare deletes a second subscription for a resource that has one in force.
func (l *loop) spare(ctx context.Context, w *watch) {
	if w.extra == nil {
		return
	}
	err := l.m.api.Delete(ctx, l.tenantID, w.extra.ID)
	if errors.Is(err, ErrNotFound) {
		err = nil
	}
	l.m.observe.Stepped(w.Target, Step{Delete, secondOne}, err, 0)
	w.extra = nil // the next comparison finds it again if it is still there
}

// fail notes that a step did not work and when it is tried again. If nothing
// covers the target now, its gap opens.
func (l *loop) fail(ctx context.Context, w *watch, step Step, err error) {
	if ctx.Err() != nil {
		return // we are being stopped: that is not Graph's doing
	}
	w.failures++
	wait := pause(err, w.failures, l.m.roll())
	w.retry = l.m.clock().Add(wait)
	w.trouble = err
	l.m.observe.Stepped(w.Target, step, err, wait)
	if s, ok := l.m.record(w.local); ok && s.Status == Active && w.gone == "" && l.m.now().Before(s.Expires) && !l.withheld(w) {
		return
	}
	l.lose(w, step.Reason)
	l.open(ctx, w, err)
}

// withheld reports whether Graph has waited for re-authorization for so long
// that it drops what it held back, though the subscription exists.
func (l *loop) withheld(w *watch) bool {
	return !w.reauthorize.IsZero() && l.m.now().Sub(w.reauthorize) > Bridge
}

// lose begins a gap where the target was last proved to be covered, or now if
// it never was.
func (l *loop) lose(w *watch, cause string) {
	if w.gap != nil {
		return
	}
	now := l.m.now()
	if w.proved.After(now) { // the clock was ahead then, and was set
		w.proved = now.Add(-l.m.check)
	}
	from := w.proved
	if from.IsZero() {
		from = now
	}
	w.gap = &Gap{TenantID: w.TenantID, Resource: w.Resource, From: from, Cause: cause}
}

// open records a gap that could not be closed at once.
func (l *loop) open(ctx context.Context, w *watch, err error) {
	if w.opened {
		return
	}
	g := *w.gap
	g.Cause += "; " + err.Error()
	if e := l.m.gaps.Gap(ctx, g); e != nil {
		l.m.observe.Trouble(l.tenantID, "gap", e)
		return
	}
	w.gap, w.opened = &g, true
	if w.proved.IsZero() { // from here on the target is promised
		l.prove(ctx, w, g.From)
	}
}

// settle notes that the target's subscription stands now: first the gap before
// it is recorded, then the time up to which all is accounted for moves. A gap
// is whatever lies between that time and the creation of the subscription, so
// one that a crash kept from being recorded is found here, too.
func (l *loop) settle(ctx context.Context, w *watch) {
	s, ok := l.m.record(w.local)
	if !ok || s.Status != Active || l.withheld(w) {
		return
	}
	if w.opened || (!w.proved.IsZero() && w.proved.Before(s.Created)) {
		g := Gap{TenantID: w.TenantID, Resource: w.Resource, From: w.proved, Cause: "no subscription was in force"}
		if w.gap != nil {
			g = *w.gap
		}
		g.To = s.Created
		if !g.To.After(g.From) { // an older one was taken up again
			g.To = l.m.now()
		}
		if err := l.m.gaps.Gap(ctx, g); err != nil {
			w.unsettled = true
			l.m.observe.Trouble(l.tenantID, "gap", err)
			return
		}
	}
	w.gap, w.opened, w.unsettled = nil, false, false
	at := l.m.now()
	if !w.reauthorize.IsZero() { // what comes after that may be held back
		at = w.reauthorize
	}
	l.prove(ctx, w, at)
}

// prove moves the time up to which all is accounted for.
func (l *loop) prove(ctx context.Context, w *watch, at time.Time) {
	w.proved = at
	if err := l.m.store.Alive(ctx, w.key(), at); err != nil {
		l.m.observe.Trouble(l.tenantID, "store", err)
	}
}

// stands takes in what Graph says of the present subscription. What only we can
// change (URLs, change types) stays as we know it, since Graph may spell it
// differently.
func (l *loop) stands(ctx context.Context, w *watch, have, graph Subscription) {
	before := have
	if !graph.Expires.IsZero() {
		have.Expires = graph.Expires
	}
	if graph.CertificateID != "" {
		have.CertificateID = graph.CertificateID
	}
	if !have.Expires.Equal(before.Expires) || have.CertificateID != before.CertificateID {
		l.m.keep(ctx, have)
	}
	w.gone = ""
	l.settle(ctx, w)
}

// ask reads the present subscription from Graph: a lifecycle event may be
// replayed, and a list may lack what exists.
func (l *loop) ask(ctx context.Context, w *watch) error {
	s, ok := l.m.record(w.local)
	if !ok || s.Status != Active {
		w.confirm = false
		return nil
	}
	got, err := l.m.api.Get(ctx, l.tenantID, s.ID)
	switch {
	case errors.Is(err, ErrNotFound):
		w.gone = "Graph does not have it any more"
	case err != nil:
		return fmt.Errorf("reading subscription %s: %w", s.ID, err)
	default:
		l.stands(ctx, w, s, got)
	}
	w.confirm = false
	return nil
}

// publish shows where the target stands.
func (l *loop) publish(w *watch) {
	v := View{TenantID: w.TenantID, Resource: w.Resource}
	if s, ok := l.m.record(w.local); ok {
		v.ID, v.Status, v.Expires, v.LastNotified = s.ID, s.Status, s.Expires, s.LastNotified
	}
	if w.gap != nil {
		g := *w.gap
		v.Gap = &g
	}
	if w.trouble != nil {
		v.Trouble, v.Retry = w.trouble.Error(), w.retry.Round(0)
	}
	l.m.show(w.key(), v)
}
