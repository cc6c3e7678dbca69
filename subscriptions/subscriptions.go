// Package subscriptions keeps Microsoft Graph change-notification subscriptions
// alive: it knows which should exist, compares that with what Graph has, and
// closes the difference.
//
// # Vocabulary
//
// A [Target] is a subscription that should exist: a tenant and a resource. A
// [Subscription] is one that we made or are about to make. It is [Pending] from
// the moment it is stored, which is before Graph is asked for it, so that a
// notification that overtakes the answer to our own create can be recognised by
// its client state; then [Active]; and [Retired] for four hours after it was
// replaced, because Graph delivers late for so long.
//
// What to do about a target is decided by one pure function, next, which
// returns a [Step] and its reason. The [Manager] fetches state, calls next and
// does what it says: one loop a tenant, so that a tenant which refuses us never
// delays another.
//
// # Coverage
//
// A message is covered when a subscription of ours existed as it was sent and
// Graph could still deliver it. Everything that is not provably covered is a
// [Gap], and provably means that Graph said so:
//
//   - Existence. A subscription id is never used twice. So the same id seen at
//     Graph at two moments existed in between, whether or not we ran or Graph
//     answered meanwhile. When a subscription is gone (removed, expired,
//     deleted by us to make another) the gap runs from the last moment at which
//     Graph confirmed it until its successor was created. That may be longer
//     than the real loss, never shorter. It is so even where the subscription
//     expired while we were down: what Graph held for it may be dropped with it.
//   - Delivery. Graph retries for four hours. A service that was down for up to
//     [Bridge] (four hours less half an hour for the last step of a
//     back-off whose schedule is not public), and finds its subscription still
//     there, has no gap. Down for longer, the gap runs from the last heartbeat
//     to the restart less that bridge.
//   - Authorization. Deliveries that wait for a re-authorization which Graph
//     asked for are dropped in the end. If it was not granted within the bridge,
//     the gap runs from when Graph asked until it is. A restart meanwhile forgets
//     that it was asked for; Graph asks again.
//   - A target is promised from its first subscription on. Before, there is a
//     gap only if the first attempt to create it failed: from that attempt.
//   - A missed event says that notifications were lost, not when. What Graph
//     calls lost was due in the last four hours, so that is the gap.
//
// A gap that cannot be closed at once is recorded twice: when it opens (To is
// zero) and when it closes (same From). The moment up to which a target is
// accounted for moves only after its gap was recorded, so a crash at any point
// records the gap again rather than never.
//
// # Failure
//
// The manager never gives up. Refusals (401, 403), throttling and outages are
// tried again with growing pauses, Retry-After is honoured, and the reason is in
// [Manager.Snapshot] and at the [Observer]. A subscription lapses only if Graph
// or the credential refuse, or this process is down, for longer than the half of
// its life that is left when renewal starts.
//
// Sources: learn.microsoft.com/graph, "change-notifications-delivery-webhooks",
// "change-notifications-lifecycle-events", "subscription-update" and
// "resources/subscription".
package subscriptions

import (
	"context"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Target is a subscription that should exist.
type Target struct {
	TenantID string
	AppID    string
	// Resource is the path without a leading slash, as chats/getAllMessages.
	Resource    string
	ChangeTypes string // created,updated,deleted
}

// key names a target in the store: one subscription exists for a tenant, an
// app and a resource.
func (t Target) key() string {
	return strings.ToLower(t.TenantID) + "/" + strings.ToLower(t.AppID) + "/" + normal(t.Resource)
}

// URLs are our two public endpoints, the same for every tenant.
type URLs struct {
	Notification string
	Lifecycle    string
}

// Status is where a subscription of ours stands.
type Status string

// The statuses.
const (
	Pending Status = "pending" // intended; Graph has not told us an id
	Active  Status = "active"
	Retired Status = "retired" // replaced or removed; late notifications still arrive for 4 hours
)

// Subscription is one that we made or are about to make.
type Subscription struct {
	// LocalID names it before Graph has given it an id, and after.
	LocalID         string    `json:"local_id"`
	ID              string    `json:"id,omitempty"`
	TenantID        string    `json:"tenant_id"`
	AppID           string    `json:"app_id"`
	Resource        string    `json:"resource"`
	ChangeTypes     string    `json:"change_types"`
	ClientState     string    `json:"client_state"` // 256 random bits, base64url; Graph never gives it back
	NotificationURL string    `json:"notification_url"`
	LifecycleURL    string    `json:"lifecycle_url"`
	CertificateID   string    `json:"certificate_id"`
	Status          Status    `json:"status"`
	Created         time.Time `json:"created,omitzero"`
	Renewed         time.Time `json:"renewed,omitzero"`
	Expires         time.Time `json:"expires,omitzero"`
	RetiredAt       time.Time `json:"retired_at,omitzero"`
	// LastNotified is when a notification for it last came in.
	LastNotified time.Time `json:"last_notified,omitzero"`
}

// Format implements fmt.Formatter: it prints what names the subscription and
// where it stands, never the client state.
func (s Subscription) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s subscription %q to %s of tenant %s", s.Status, s.ID, s.Resource, s.TenantID)
}

// target is what the subscription is for.
func (s Subscription) target() Target {
	return Target{TenantID: s.TenantID, AppID: s.AppID, Resource: s.Resource, ChangeTypes: s.ChangeTypes}
}

// Store keeps subscriptions and the open gap of each target. A nil error means
// it is on disk.
type Store interface {
	Subscriptions(ctx context.Context) ([]Subscription, error)
	SaveSubscription(ctx context.Context, s Subscription) error
	DeleteSubscription(ctx context.Context, localID string) error
	// Alive records that the process and its subscriptions for a target were
	// seen to be in order at t: after a crash a gap starts there. The manager
	// also keeps the heartbeat of the process here, under the name "process".
	Alive(ctx context.Context, target string, t time.Time) error
	// LastAlive returns the zero time for a target never seen.
	LastAlive(ctx context.Context, target string) (time.Time, error)
}

// Gap is a span in which messages of a resource may have been missed.
type Gap struct {
	TenantID string
	Resource string
	From, To time.Time // To is zero while it is open
	Cause    string
}

// A Recorder writes gaps into the action log. A nil error means it is on disk;
// otherwise the manager calls again. The same gap can come twice after a crash.
type Recorder interface {
	Gap(ctx context.Context, g Gap) error
}

// API is the part of Graph that the manager calls. Calls for different tenants
// run at the same time. Errors are ErrNotFound, *ConflictError and *APIError
// where Graph answered; anything else means that it is not known whether the
// call worked.
type API interface {
	// Create asks for want until want.Expires and returns what Graph answered.
	Create(ctx context.Context, want Subscription, cert Certificate) (Subscription, error)
	// Renew asks for a new expiry in one PATCH. An empty s.NotificationURL and
	// a zero cert leave URL and certificate as they are. A field that Graph did
	// not answer is zero.
	Renew(ctx context.Context, s Subscription, cert Certificate, until time.Time) (Subscription, error)
	Get(ctx context.Context, tenantID, id string) (Subscription, error)
	// List returns the app's subscriptions in the tenant, all pages. It may hold
	// expired ones and lack some that exist (both were seen at Graph).
	List(ctx context.Context, tenantID string) ([]Subscription, error)
	Delete(ctx context.Context, tenantID, id string) error
}

// Certificate is the public half of the key that Graph encrypts for.
type Certificate struct {
	ID  string // our own id for it, at most 128 characters
	DER []byte
}

// normal is a resource in the form in which two are compared: no leading slash,
// lower case, and without the model parameter, which Graph ignores since
// August 2025 but which older subscriptions still carry.
func normal(resource string) string {
	path, query, ok := strings.Cut(strings.TrimPrefix(resource, "/"), "?")
	path = strings.ToLower(path)
	if !ok {
		return path
	}
	values, err := url.ParseQuery(query)
	if err != nil {
		return path + "?" + query
	}
	values.Del("model")
	if len(values) == 0 {
		return path
	}
	return path + "?" + values.Encode()
}
