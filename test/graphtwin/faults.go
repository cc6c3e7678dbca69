package graphtwin

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Faults is the fault desk: what goes wrong from now on. The zero value is a
// Graph in good health.
type Faults struct {
	// Rules spoil requests to Graph and to the token service. The first that
	// matches and is not used up is taken.
	Rules []Rule `json:"rules"`
	// Delivery spoils notifications. The first that matches is taken.
	Delivery []DeliveryFault `json:"delivery"`
	// Hold keeps notifications back until it is false again.
	Hold bool `json:"hold"`
}

// Rule spoils requests.
type Rule struct {
	Method string `json:"method"` // empty: any
	// Path is a regular expression over the decoded path, as
	// ^/v1.0/chats/.*/messages/ or discovery/v2.0/keys. Empty: any.
	Path string `json:"path"`
	// After requests that match are let through first; then Count are spoiled
	// (0: all), each with Probability (0: certainly).
	After       int     `json:"after"`
	Count       int     `json:"count"`
	Probability float64 `json:"probability"`

	// Status is the answer; 0 with neither Reset nor Delay does nothing.
	Status int `json:"status"`
	// RetryAfter is the header, verbatim: 3, 2.128, or empty for none.
	RetryAfter string `json:"retry_after"`
	// Code and Message fill Graph's error envelope; empty: as usual for Status.
	Code    string `json:"code"`
	Message string `json:"message"`
	// Body replaces the envelope, verbatim, as {}; HTML says that it is a page
	// (with Body empty, a gateway's).
	Body string `json:"body"`
	HTML bool   `json:"html"`
	// Reset ends the connection by a TCP reset instead of an answer.
	Reset bool `json:"reset"`
	// Apply carries the request out before it is spoiled: 504 though applied,
	// an answer that is lost.
	Apply bool `json:"apply"`
	// Delay passes before the request is carried out; with Apply, after it.
	Delay Duration `json:"delay"`
}

// DeliveryFault spoils notifications.
type DeliveryFault struct {
	Kind string `json:"kind"` // one of the Fault constants
	// Change restricts it to a changeType or lifecycleEvent, Subscription to one
	// subscription; empty: any.
	Change       string   `json:"change"`
	Subscription string   `json:"subscription"`
	After        int      `json:"after"`
	Count        int      `json:"count"`
	Probability  float64  `json:"probability"`
	Delay        Duration `json:"delay"` // of FaultDelay, and the longest of FaultReorder
	// Genuine lets the unharmed item follow, in a POST of its own.
	Genuine bool `json:"genuine"`
}

// The kinds of DeliveryFault.
const (
	FaultDuplicate = "duplicate" // sent twice
	FaultReorder   = "reorder"   // the next item for the URL passes it
	FaultDelay     = "delay"
	FaultDrop      = "drop" // never sent, and nobody is told

	FaultWrongClientState    = "wrong-client-state"
	FaultUnknownSubscription = "unknown-subscription"
	FaultWrongTenant         = "wrong-tenant" // tenantId of the item

	FaultTokenAudience       = "token-wrong-aud"
	FaultTokenIssuer         = "token-wrong-iss"
	FaultTokenTenant         = "token-wrong-tid"
	FaultTokenPublisher      = "token-wrong-azp"
	FaultTokenExpired        = "token-expired"
	FaultTokenAlgNone        = "token-alg-none"
	FaultTokenHS256          = "token-hs256" // signed with the public key as shared secret
	FaultTokenUnpublishedKey = "token-unpublished-kid"
	FaultTokensNull          = "tokens-null"
	FaultTokensEmpty         = "tokens-empty"
	FaultTokensMissing       = "tokens-missing"

	FaultFlipData         = "flip-data"         // one bit of encryptedContent.data
	FaultFlipSignature    = "flip-signature"    // of dataSignature
	FaultFlipKey          = "flip-key"          // of dataKey
	FaultOAEP256          = "oaep-sha256"       // dataKey wrapped with SHA-256
	FaultWrongCertificate = "wrong-certificate" // encryptionCertificateId
	FaultWrongThumbprint  = "wrong-thumbprint"  // encryptionCertificateThumbprint
	FaultNoContent        = "no-content"        // encryptedContent left out
	FaultOversize         = "oversize"          // 17 MiB of padding in the item
	FaultDeepJSON         = "deep-json"         // 9,000 nested arrays in the item
)

var deliveryKinds = []string{
	FaultDuplicate, FaultReorder, FaultDelay, FaultDrop, FaultWrongClientState, FaultUnknownSubscription, FaultWrongTenant,
	FaultTokenAudience, FaultTokenIssuer, FaultTokenTenant, FaultTokenPublisher, FaultTokenExpired, FaultTokenAlgNone, FaultTokenHS256,
	FaultTokenUnpublishedKey, FaultTokensNull, FaultTokensEmpty, FaultTokensMissing, FaultFlipData, FaultFlipSignature, FaultFlipKey,
	FaultOAEP256, FaultWrongCertificate, FaultWrongThumbprint, FaultNoContent, FaultOversize, FaultDeepJSON,
}

// Duration is a time.Duration that reads and writes as "250ms" in JSON.
type Duration time.Duration

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(time.Duration(d).String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(b []byte) error {
	x, err := time.ParseDuration(string(b))
	*d = Duration(x)
	return err
}

type ruleState struct {
	Rule
	path        *regexp.Regexp
	seen, taken int
}

type deliveryState struct {
	DeliveryFault
	seen, taken int
}

// SetFaults replaces all faults; counts start anew. SetFaults(Faults{}) heals.
func (t *Twin) SetFaults(f Faults) error {
	rules := []*ruleState{}
	for i, r := range f.Rules {
		re, err := regexp.Compile(r.Path)
		if err != nil {
			return fmt.Errorf("fault rule %d: path: %w", i, err)
		}
		rules = append(rules, &ruleState{Rule: r, path: re})
	}
	delivery := []*deliveryState{}
	for i, d := range f.Delivery {
		if !slices.Contains(deliveryKinds, d.Kind) {
			return fmt.Errorf("delivery fault %d: kind %q: want one of %s", i, d.Kind, strings.Join(deliveryKinds, ", "))
		}
		delivery = append(delivery, &deliveryState{DeliveryFault: d})
	}
	t.mu.Lock()
	t.faults, t.rules, t.delivery = f, rules, delivery
	t.mu.Unlock()
	t.Hold(f.Hold)
	return nil
}

// Faults returns what SetFaults was given.
func (t *Twin) Faults() Faults {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.faults
}

// due counts a match and reports whether it is to be spoiled; t.mu is held.
func (t *Twin) due(seen, taken *int, after, count int, probability float64) bool {
	*seen++
	if *seen <= after || count > 0 && *taken >= count {
		return false
	}
	if probability > 0 && t.rng.Float64() >= probability {
		return false
	}
	*taken++
	return true
}

func (t *Twin) takeRule(method, path string) *Rule {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, r := range t.rules {
		if r.Method != "" && !strings.EqualFold(r.Method, method) || !r.path.MatchString(path) {
			continue
		}
		if t.due(&r.seen, &r.taken, r.After, r.Count, r.Probability) {
			return &r.Rule
		}
	}
	return nil
}

// takeDelivery finds the fault for an item; t.mu is held.
func (t *Twin) takeDelivery(it *item) *DeliveryFault {
	for _, d := range t.delivery {
		if d.Change != "" && d.Change != it.change || d.Subscription != "" && d.Subscription != it.sub.ID {
			continue
		}
		if t.due(&d.seen, &d.taken, d.After, d.Count, d.Probability) {
			return &d.DeliveryFault
		}
	}
	return nil
}

func (r *Rule) name() string {
	name := fmt.Sprintf("status %d", r.Status)
	switch {
	case r.Reset:
		name = "reset"
	case r.Status == 0:
		name = "delay"
	}
	if r.Apply {
		name += " though applied"
	}
	return name
}

// The codes that Graph usually gives for a status.
var usualCodes = map[int]string{
	400: "BadRequest", 401: "InvalidAuthenticationToken", 402: "PaymentRequired", 403: "Forbidden", 404: "NotFound", 409: "Conflict", 412: "PreconditionFailed",
	415: "UnsupportedMediaType", 429: "TooManyRequests", 500: "InternalServerError", 502: "BadGateway", 503: "ServiceUnavailable", 504: "GatewayTimeout", 507: "InsufficientStorage",
}

func (r *Rule) answer() answer {
	if r.Reset {
		return answer{reset: true}
	}
	code, message := r.Code, r.Message
	setDefault(&code, usualCodes[r.Status])
	setDefault(&code, "UnknownError")
	setDefault(&message, http.StatusText(r.Status))
	a := failure(r.Status, code, "%s", message)
	a.header = map[string]string{}
	if r.RetryAfter != "" {
		a.header["Retry-After"] = r.RetryAfter
	}
	switch {
	case r.HTML:
		a.raw = r.Body
		setDefault(&a.raw, fmt.Sprintf("<html><head><title>%d %s</title></head><body><h1>Our services aren't available right now</h1></body></html>", r.Status, http.StatusText(r.Status)))
		a.body, a.header["Content-Type"] = nil, "text/html; charset=utf-8"
	case r.Body != "":
		a.raw, a.body, a.header["Content-Type"] = r.Body, nil, "application/json"
	}
	return a
}

// spoil does to an item what its fault says, where that is about the item
// itself; tokens are spoiled when they are made. t.mu is held.
func (t *Twin) spoil(it *item) {
	b := &it.body
	if b.Encrypted != nil {
		e := *b.Encrypted
		b.Encrypted = &e
	}
	switch it.fault {
	case FaultWrongClientState:
		b.ClientState = text("not-the-client-state")
	case FaultUnknownSubscription:
		b.SubscriptionID = randomGUID()
	case FaultWrongTenant:
		b.TenantID = derivedGUID("somebody else's tenant")
	case FaultNoContent:
		b.Encrypted, it.app = nil, nil
	case FaultOversize:
		b.Padding, _ = json.Marshal(strings.Repeat("x", 17<<20))
	case FaultDeepJSON:
		b.Padding = json.RawMessage(strings.Repeat("[", 9000) + strings.Repeat("]", 9000))
	}
	if b.Encrypted == nil {
		return
	}
	switch it.fault {
	case FaultFlipData:
		b.Encrypted.Data = flip(b.Encrypted.Data)
	case FaultFlipSignature:
		b.Encrypted.DataSignature = flip(b.Encrypted.DataSignature)
	case FaultFlipKey:
		b.Encrypted.DataKey = flip(b.Encrypted.DataKey)
	case FaultWrongCertificate:
		b.Encrypted.CertificateID = "no-such-certificate"
	case FaultWrongThumbprint:
		b.Encrypted.Thumbprint = strings.Repeat("0", 40)
	case FaultOAEP256:
		b.Encrypted = encrypt([]byte(`{"id":"1"}`), it.sub.cert, it.sub.CertificateID, it.sub.thumbprint(), sha256.New())
	}
}

// flip turns one bit in the middle of base64 content.
func flip(b64 string) string {
	raw, err := base64.StdEncoding.DecodeString(b64)
	if err != nil || len(raw) == 0 {
		return b64
	}
	raw[len(raw)/2] ^= 1
	return base64.StdEncoding.EncodeToString(raw)
}
