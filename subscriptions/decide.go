package subscriptions

import "time"

// Kind is what is to be done about a subscription.
type Kind string

// The kinds of step.
const (
	Keep     Kind = "keep"     // nothing
	Create   Kind = "create"   // there is none: POST
	Adopt    Kind = "adopt"    // Graph has one whose client state we know: PATCH and take it up
	Renew    Kind = "renew"    // PATCH
	Recreate Kind = "recreate" // what there is cannot be used or mended: DELETE if it exists, then POST
	Delete   Kind = "delete"   // ours, and not wanted: DELETE
)

// Step is one thing to do and why.
type Step struct {
	Kind   Kind
	Reason string
}

// String implements fmt.Stringer.
func (s Step) String() string { return string(s.Kind) + ": " + s.Reason }

// intent is a target with all that its subscription should have.
type intent struct {
	Target
	URLs
	CertificateID string
}

// observed is a subscription and what we know of it at Graph.
type observed struct {
	Subscription
	// Known: its client state is in our store. Of one that is not known no
	// notification could be proved.
	Known bool
	// Gone says how we know that Graph does not have it (any more); empty if it
	// does, or if that is open.
	Gone string
	// Reauthorize: Graph asked for it in a lifecycle notification.
	Reauthorize bool
	// CertificateKept: Graph took a PATCH with a new certificate and still
	// answers the old one's id.
	CertificateKept bool
	// Unmoved: Graph took the last renewal and did not move the expiry.
	Unmoved bool
}

// margins are the times that decisions hang on.
type margins struct {
	// Lifetime is what is asked for. It stands in for the beginning of a
	// subscription whose last renewal we do not know.
	Lifetime time.Duration
	// Apart is the least time between two PATCHes that renew or re-authorize:
	// Graph's state can become inconsistent below 10 minutes.
	Apart time.Duration
}

// next is pure: what is wanted (nil: nothing), what there is (nil: nothing) and
// the time in; one step and its reason out. There is no randomness in it: what
// is jittered is when it is asked.
func next(want *intent, have *observed, now time.Time, m margins) Step {
	switch {
	case want == nil && (have == nil || have.Gone != ""):
		return Step{Keep, "neither wanted nor there"}
	case want == nil:
		return Step{Delete, "not in the configuration"}
	case have == nil:
		return Step{Create, "no subscription for " + want.Resource}
	case have.Status == Pending:
		return Step{Create, "intended, but Graph has not confirmed it"}
	case have.Gone != "":
		return Step{Recreate, have.Gone}
	case !have.Expires.IsZero() && !now.Before(have.Expires):
		return Step{Recreate, "expired at " + stamp(have.Expires)}
	case !have.Known:
		return Step{Recreate, "its client state is not known here"}
	case have.ChangeTypes != want.ChangeTypes:
		return Step{Recreate, "other change types are wanted, and they cannot be patched"}
	case have.LifecycleURL != want.Lifecycle:
		return Step{Recreate, "the lifecycle URL changed, and it cannot be patched"}
	case have.CertificateKept && rotated(want, have):
		return Step{Recreate, "Graph kept the old encryption certificate after a PATCH"}
	case have.Status != Active:
		return Step{Adopt, "Graph still has it"}
	case have.Unmoved && have.Expires.Sub(now) <= m.Apart:
		return Step{Recreate, "Graph does not move its expiry, " + stamp(have.Expires)}
	case rotated(want, have):
		return Step{Renew, "the encryption certificate was rotated"}
	case have.NotificationURL != want.Notification:
		return Step{Renew, "the notification URL changed"}
	case now.Sub(have.Renewed) < m.Apart && !now.Before(have.Renewed):
		return Step{Keep, "renewed at " + stamp(have.Renewed)}
	case have.Reauthorize:
		return Step{Renew, "Graph asked for re-authorization"}
	case !now.Before(halfLife(have.Subscription, m.Lifetime)):
		return Step{Renew, "half of its life is over; it expires at " + stamp(have.Expires)}
	}
	return Step{Keep, "valid until " + stamp(have.Expires)}
}

// rotated reports whether Graph should encrypt for another certificate. Having
// none at hand must not keep a subscription from being renewed.
func rotated(want *intent, have *observed) bool {
	return want.CertificateID != "" && want.CertificateID != have.CertificateID
}

// halfLife is when a subscription is due for renewal. It counts from the expiry
// that Graph answered: if a PATCH did not move it, the next is due at half of
// what is left.
func halfLife(s Subscription, lifetime time.Duration) time.Time {
	from := s.Renewed
	if from.IsZero() || from.After(s.Expires) {
		from = s.Expires.Add(-lifetime)
	}
	return from.Add(s.Expires.Sub(from) / 2)
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }
