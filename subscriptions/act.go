package subscriptions

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// act does what a step says. Graph's answer may call for another step; nil
// means that next should be asked again.
func (l *loop) act(ctx context.Context, w *watch, step Step, have *observed) error {
	switch step.Kind {
	case Create:
		return l.create(ctx, w, step.Reason)
	case Adopt:
		return l.adopt(ctx, w, have.Subscription)
	case Renew:
		return l.renew(ctx, w, have.Subscription)
	case Recreate:
		return l.recreate(ctx, w, have, step.Reason)
	}
	return nil
}

// create stores the intended subscription and then asks Graph for it. The
// record of an attempt whose end is not known is used again, so that whatever
// Graph made of that attempt carries a client state we know.
func (l *loop) create(ctx context.Context, w *watch, reason string) error {
	m := l.m
	cert := m.cert()
	if cert.ID == "" || len(cert.DER) == 0 {
		return errors.New("there is no encryption certificate")
	}
	s, ok := m.record(w.local)
	if !ok || s.Status != Pending {
		s = Subscription{LocalID: newLocalID(), ClientState: newClientState(), Status: Pending}
	}
	s.TenantID, s.AppID, s.Resource, s.ChangeTypes = w.TenantID, w.AppID, w.Resource, w.ChangeTypes
	s.NotificationURL, s.LifecycleURL, s.CertificateID = m.urls.Notification, m.urls.Lifecycle, cert.ID
	if err := m.save(ctx, s); err != nil {
		return err // no record, no subscription
	}
	w.local, w.gone, w.kept, w.unmoved = s.LocalID, "", false, false

	s.Expires = m.now().Add(m.lifetime)
	got, err := m.api.Create(ctx, s, cert)
	var conflict *ConflictError
	switch {
	case errors.As(err, &conflict):
		l.lose(w, reason)
		return l.inTheWay(ctx, w, conflict)
	case err != nil:
		return fmt.Errorf("creating the subscription to %s: %w", w.Resource, err)
	case got.ID == "":
		return fmt.Errorf("creating the subscription to %s: graph answered without an id", w.Resource)
	}
	s.ID, s.Status = got.ID, Active
	s.Created = m.now()
	s.Renewed = s.Created
	s.Expires = l.expiry(ctx, s, got)
	m.keep(ctx, s)
	w.extra, w.reauthorize, w.confirm = nil, time.Time{}, false
	l.settle(ctx, w)
	return nil
}

// expiry is when Graph says that s, just created or renewed, ends. Only what
// Graph says counts: it raises, caps and sometimes ignores what was asked for.
func (l *loop) expiry(ctx context.Context, s, answered Subscription) time.Time {
	if !answered.Expires.IsZero() {
		return answered.Expires
	}
	if got, err := l.m.api.Get(ctx, l.tenantID, s.ID); err == nil && !got.Expires.IsZero() {
		return got.Expires
	}
	return s.Expires
}

// inTheWay looks at the subscription that made Graph answer 409.
func (l *loop) inTheWay(ctx context.Context, w *watch, conflict *ConflictError) error {
	s := Subscription{ID: conflict.ID, TenantID: w.TenantID, AppID: w.AppID, Resource: w.Resource}
	if s.ID == "" {
		listed, err := l.m.api.List(ctx, l.tenantID)
		if err != nil {
			return fmt.Errorf("looking for what is in the way: %w", err)
		}
		for _, at := range listed {
			if w.isFor(&at) && (at.Expires.IsZero() || l.m.now().Before(at.Expires)) {
				s.ID = at.ID
			}
		}
		if s.ID == "" {
			return conflict
		}
	}
	w.extra = l.identify(s)
	return nil
}

// adopt takes up a subscription of ours that Graph still has.
func (l *loop) adopt(ctx context.Context, w *watch, s Subscription) error {
	err := l.patch(ctx, w, &s)
	if errors.Is(err, ErrNotFound) {
		w.extra = nil
		return nil
	}
	if err != nil {
		return err
	}
	if pending, ok := l.m.record(w.local); ok && pending.Status == Pending {
		l.m.drop(ctx, pending)
	}
	s.Status, s.RetiredAt = Active, time.Time{}
	l.m.keep(ctx, s)
	w.local, w.extra, w.gone, w.reauthorize = s.LocalID, nil, "", time.Time{}
	l.settle(ctx, w)
	return nil
}

// renew moves the expiry, and the URL and certificate if they changed, in one
// PATCH. It also re-authorises.
func (l *loop) renew(ctx context.Context, w *watch, s Subscription) error {
	err := l.patch(ctx, w, &s)
	if errors.Is(err, ErrNotFound) {
		w.gone = "Graph answered 404 to its renewal"
		return nil
	}
	if err != nil && !l.stretch(ctx, &s, err) {
		return err
	}
	l.m.keep(ctx, s)
	if l.withheld(w) {
		l.lose(w, "Graph waited too long for re-authorization")
		w.opened = true // so that it is recorded, though the subscription is the same
	}
	w.reauthorize, w.confirm = time.Time{}, false
	l.settle(ctx, w)
	return err
}

// stretch keeps a subscription that is due for renewal from lapsing when Graph
// refuses the renewal (400) for what comes with it, as a URL that does not
// answer, or for its length, as when our clock is ahead: the PATCH is sent once
// more, bare and for half as long. It reports whether that worked.
func (l *loop) stretch(ctx context.Context, s *Subscription, err error) bool {
	now := l.m.now()
	var refused *APIError
	if !errors.As(err, &refused) || refused.Status != 400 || now.Before(halfLife(*s, l.m.lifetime)) {
		return false
	}
	bare := *s
	bare.NotificationURL = ""
	got, err := l.m.api.Renew(ctx, bare, Certificate{}, now.Add(l.m.lifetime/2))
	if err != nil {
		return false
	}
	s.Renewed = now
	s.Expires = l.expiry(ctx, *s, got)
	return true
}

// patch sends one PATCH for s and takes Graph's answer into it.
func (l *loop) patch(ctx context.Context, w *watch, s *Subscription) error {
	m := l.m
	cert, send := m.cert(), Certificate{}
	ask := *s
	ask.NotificationURL = ""
	if cert.ID != "" && s.CertificateID != cert.ID {
		send = cert
	}
	if s.NotificationURL != m.urls.Notification {
		ask.NotificationURL = m.urls.Notification
	}
	now := m.now()
	got, err := m.api.Renew(ctx, ask, send, now.Add(m.lifetime))
	if err != nil {
		return fmt.Errorf("renewing subscription %s: %w", s.ID, err)
	}
	s.Renewed = now
	s.NotificationURL = m.urls.Notification
	if send.ID != "" {
		s.CertificateID = send.ID
	}
	if got.CertificateID != "" {
		s.CertificateID = got.CertificateID
	}
	w.kept = send.ID != "" && s.CertificateID != cert.ID
	before := s.Expires
	s.Expires = l.expiry(ctx, *s, got)
	w.unmoved = !s.Expires.After(before)
	return nil
}

// recreate replaces what there is. Graph allows one subscription to a resource,
// so the old one is deleted first; the moment between is a gap like any other.
func (l *loop) recreate(ctx context.Context, w *watch, have *observed, reason string) error {
	m := l.m
	if w.trouble != nil {
		reason += "; " + w.trouble.Error()
	}
	s := have.Subscription
	ended := !s.Expires.IsZero() && !m.now().Before(s.Expires)
	if have.Gone == "" && !ended {
		switch err := m.api.Delete(ctx, l.tenantID, s.ID); {
		case err == nil && have.Known && have.Status == Active:
			l.prove(ctx, w, m.now())
		case err != nil && !errors.Is(err, ErrNotFound):
			return fmt.Errorf("deleting subscription %s: %w", s.ID, err)
		}
	}
	l.lose(w, reason)
	if w.proved.IsZero() {
		w.gap = nil // never promised, and not refused either
	}
	pending, ok := m.record(w.local)
	switch {
	case have.Known:
		l.retire(ctx, s)
	case ok && pending.Status == Pending:
		// Perhaps it is what became of an attempt of ours whose answer was
		// lost: then its late notifications carry that attempt's client state.
		s.LocalID, s.ClientState, s.Created = newLocalID(), pending.ClientState, m.now()
		l.retire(ctx, s)
	}
	if w.local == s.LocalID {
		w.local = ""
	}
	w.extra, w.gone = nil, ""
	return l.create(ctx, w, reason)
}

// retire keeps s for what may still come for it.
func (l *loop) retire(ctx context.Context, s Subscription) {
	s.Status, s.RetiredAt = Retired, l.m.now()
	l.m.keep(ctx, s)
}
