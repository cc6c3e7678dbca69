package webhook

import (
	"errors"
	"net/http"
	"time"
)

// Reason says why a request, an item or a token was not taken. The set is
// closed, so that it can be a metric's label.
type Reason string

// Reasons for which a whole request is answered with an error.
const (
	ReasonHandshake     Reason = "handshake"        // 400: validationToken missing, repeated, too long, or with markup or control characters
	ReasonEncoding      Reason = "content_encoding" // 415: compressed
	ReasonContentType   Reason = "content_type"     // 415: not application/json in UTF-8
	ReasonTooLarge      Reason = "body_too_large"   // 413
	ReasonBusy          Reason = "busy"             // 503: bodies in memory are at Config.MaxBuffered
	ReasonUnreadable    Reason = "body_unreadable"  // 400: the body did not come whole or in time
	ReasonMalformed     Reason = "malformed"        // 400: not a change notification collection
	ReasonTooManyItems  Reason = "too_many_items"   // 400
	ReasonTooManyTokens Reason = "too_many_tokens"  // 400
	ReasonInboxFull     Reason = "inbox_full"       // 503: Put returned ErrFull
	ReasonStoreFailed   Reason = "store_failed"     // 503: Put returned another error
)

// Reasons for which one item is dropped; the answer stays 202.
const (
	ReasonSubscription   Reason = "unknown_subscription" // or of a tenant or app that is not configured
	ReasonClientState    Reason = "client_state"
	ReasonTenant         Reason = "tenant"
	ReasonChangeType     Reason = "change_type"      // not created, updated or deleted
	ReasonLifecycleEvent Reason = "lifecycle_event"  // not one that we know
	ReasonAmbiguous      Reason = "ambiguous"        // both changeType and lifecycleEvent, or neither
	ReasonResource       Reason = "resource"         // longer than any path to a message
	ReasonTokensMissing  Reason = "tokens_missing"   // rich items, and no tokens at all
	ReasonTokenNotForIt  Reason = "token_not_for_it" // rich item, and no token for its tenant and app
)

// Reasons for which a token is refused, and with it every item of its POST; the
// answer stays 202.
const (
	ReasonTokenMalformed  Reason = "token_malformed"
	ReasonTokenAlgorithm  Reason = "token_algorithm"  // not RS256
	ReasonTokenKeyID      Reason = "token_key_id"     // names no key
	ReasonTokenVersion    Reason = "token_version"    // ver is not 1.0 or 2.0
	ReasonTokenTenant     Reason = "token_tenant"     // tid is not one of ours
	ReasonTokenIssuer     Reason = "token_issuer"     // iss is not the one for ver and tid
	ReasonTokenAudience   Reason = "token_audience"   // aud is not one of our apps in that tenant
	ReasonTokenPublisher  Reason = "token_publisher"  // appid or azp is not the change tracking service
	ReasonTokenNoExpiry   Reason = "token_no_expiry"  // exp is missing
	ReasonTokenExpired    Reason = "token_expired"    // exp has passed
	ReasonTokenNotYet     Reason = "token_not_yet"    // nbf or iat is to come
	ReasonTokenUnknownKey Reason = "token_key"        // kid is not in a key set fetched since
	ReasonTokenKeyIssuer  Reason = "token_key_issuer" // the key is not for tokens of this tenant
	ReasonTokenSignature  Reason = "token_signature"
)

// status is the HTTP answer to a request refused as a whole.
func (r Reason) status() int {
	switch r {
	case ReasonEncoding, ReasonContentType:
		return http.StatusUnsupportedMediaType
	case ReasonTooLarge:
		return http.StatusRequestEntityTooLarge
	case ReasonBusy, ReasonInboxFull, ReasonStoreFailed:
		return http.StatusServiceUnavailable
	case ReasonHandshake, ReasonUnreadable, ReasonMalformed, ReasonTooManyItems, ReasonTooManyTokens:
		return http.StatusBadRequest
	}
	return http.StatusAccepted
}

// A Refusal is the error of a token that will never be good. It holds nothing of
// the token.
type Refusal struct{ Reason Reason }

// Error implements error.
func (r *Refusal) Error() string { return "validation token refused: " + string(r.Reason) }

// ErrUnverifiable is returned for a token in which nothing is wrong but whose
// signature cannot be checked now: the issuer's keys are out of reach, or its
// key is not known and the key set was asked for too short a time ago.
var ErrUnverifiable = errors.New("validation token cannot be verified now")

// Observer is told what the receiver does, to make metrics of it. Its methods
// are called on the way of a request: they must be quick and safe for concurrent
// use.
type Observer interface {
	// Answered is called once a request, after the answer, with the route's path.
	Answered(route string, status int, took time.Duration)
	// Refused is called with the number of items that were dropped for a reason,
	// or with 1 for a request that was refused before its items were known.
	Refused(reason Reason, n int)
	// Stored is called with the number of items that were stored, and how many
	// of them carry tokens that are still to be verified.
	Stored(items, deferred int)
}

// unobserved is the Observer of a Config that names none.
type unobserved struct{}

func (unobserved) Answered(string, int, time.Duration) {}
func (unobserved) Refused(Reason, int)                 {}
func (unobserved) Stored(int, int)                     {}
