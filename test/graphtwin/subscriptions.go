package graphtwin

import (
	"bytes"
	"context"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sort"
	"strings"
	"time"
)

// The lifetimes of a subscription. Source: the subscription resource type.
const (
	minLifetime      = 45 * time.Minute   // anything shorter is raised to this
	withoutLifecycle = time.Hour          // more needs a lifecycleNotificationUrl
	maxLifetime      = 4320 * time.Minute // chatMessage
	genericLifetime  = 10080 * time.Minute
)

// Quotas of Teams resources. Source: change-notifications-overview.
const (
	quotaPerUser         = 10
	quotaPerOrganisation = 10000
)

// Subscription is one that exists, as GET shows it and with what GET hides.
type Subscription struct {
	ID                   string    `json:"id"`
	TenantID             string    `json:"tenant_id"`
	AppID                string    `json:"app_id"`
	Resource             string    `json:"resource"`
	ChangeType           string    `json:"change_type"`
	NotificationURL      string    `json:"notification_url"`
	LifecycleURL         string    `json:"lifecycle_url"`
	ClientState          string    `json:"-"`
	IncludeResourceData  bool      `json:"include_resource_data"`
	CertificateID        string    `json:"certificate_id"`
	Expires              time.Time `json:"expires"`
	Created              time.Time `json:"created"`
	Renewals             int       `json:"renewals"`
	LatestSupportedTLS   string    `json:"latest_supported_tls"`
	UnknownEnumMembers   bool      `json:"unknown_enum_members"`
	NotificationURLAppID string    `json:"notification_url_app_id,omitempty"`
}

// SubscriptionStats is what became of a subscription's notifications.
type SubscriptionStats struct {
	Attempts  int         `json:"attempts"`  // items times POSTs
	Delivered int         `json:"delivered"` // items answered 2xx in time
	Failed    int         `json:"failed"`    // attempts that were not
	Dropped   int         `json:"dropped"`   // items given up, or lost by a fault
	Statuses  map[int]int `json:"statuses"`  // 0: no answer
}

type subscription struct {
	Subscription
	target resource
	cert   *x509.Certificate // nil without resource data
	path   string            // resource without leading slash and query, for duplicates
}

// resource is a subscription's resource, taken apart.
type resource struct {
	kind                      string // chats, channels, chat, channel, user, me
	chat, team, channel, user string
	roles                     []string // any one of them
}

func (s *subscription) expired(now time.Time) bool { return !now.Before(s.Expires) }

// wants reports whether the subscription is to hear of a change of m.
func (s *subscription) wants(m *message, changeType string) bool {
	if !slices.Contains(strings.Split(s.ChangeType, ","), changeType) || !m.conv.visible(s.TenantID) {
		return false
	}
	c := m.conv
	switch s.target.kind {
	case "chats":
		return !c.channel()
	case "channels":
		return c.channel()
	case "chat":
		return c.chatID == s.target.chat
	case "channel":
		return c.teamID == s.target.team && c.channelID == s.target.channel
	case "user":
		return !c.channel() && slices.ContainsFunc(c.members, func(u *User) bool { return u.ID == s.target.user })
	}
	return false
}

// parseResource understands the Teams message resources of graph's
// subscription page; ok is false for any other.
func parseResource(text string) (r resource, path string, ok bool) {
	path, _, _ = strings.Cut(strings.TrimPrefix(text, "/"), "?")
	segs, _, err := splitPath(path)
	if err != nil {
		return resource{}, path, false
	}
	switch p := segs; {
	case len(p) == 2 && p[0] == "chats" && p[1] == "getAllMessages":
		return resource{kind: "chats", roles: []string{"Chat.Read.All"}}, path, true
	case len(p) == 2 && p[0] == "teams" && p[1] == "getAllMessages":
		return resource{kind: "channels", roles: []string{"ChannelMessage.Read.All"}}, path, true
	case len(p) == 3 && p[0] == "chats" && p[2] == "messages":
		return resource{kind: "chat", chat: p[1], roles: []string{"Chat.Read.All"}}, path, true
	case len(p) == 5 && p[0] == "teams" && p[2] == "channels" && p[4] == "messages":
		return resource{kind: "channel", team: p[1], channel: p[3], roles: []string{"ChannelMessage.Read.All"}}, path, true
	case len(p) == 4 && p[0] == "users" && p[2] == "chats" && p[3] == "getAllMessages":
		return resource{kind: "user", user: p[1], roles: []string{"Chat.Read.All", "Chat.ReadWrite.All"}}, path, true
	case len(p) == 3 && p[0] == "me" && p[1] == "chats":
		return resource{kind: "me"}, path, true
	}
	return resource{}, path, false
}

// subscriptionBody is what POST and PATCH take. A field that is nil was absent.
type subscriptionBody struct {
	Resource                  *string `json:"resource"`
	ChangeType                *string `json:"changeType"`
	NotificationURL           *string `json:"notificationUrl"`
	LifecycleNotificationURL  *string `json:"lifecycleNotificationUrl"`
	ExpirationDateTime        *string `json:"expirationDateTime"`
	ClientState               *string `json:"clientState"`
	IncludeResourceData       *bool   `json:"includeResourceData"`
	EncryptionCertificate     *string `json:"encryptionCertificate"`
	EncryptionCertificateID   *string `json:"encryptionCertificateId"`
	LatestSupportedTLSVersion *string `json:"latestSupportedTlsVersion"`
	NotificationURLAppID      *string `json:"notificationUrlAppId"`
	NotificationQueryOptions  *string `json:"notificationQueryOptions"`
}

func invalid(format string, args ...any) answer {
	return failure(http.StatusBadRequest, "InvalidRequest", format, args...)
}

const badPayload = "Could not process subscription creation payload. Are all property names spelled and camelCased properly? " +
	"Also are the Datetimeoffset properties in a valid internet Date and Time format?"

// decodeSubscription reads the body strictly; annotations (@odata.…) pass.
func decodeSubscription(c *call) (*subscriptionBody, answer, bool) {
	if a, bad := c.needJSON(); bad {
		return nil, a, false
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(c.body, &members) != nil {
		return nil, invalid(badPayload), false
	}
	for k := range members {
		if strings.HasPrefix(k, "@odata.") {
			delete(members, k)
		}
	}
	clean, err := json.Marshal(members)
	if err != nil {
		return nil, invalid(badPayload), false
	}
	d := json.NewDecoder(bytes.NewReader(clean))
	d.DisallowUnknownFields()
	b := &subscriptionBody{}
	if d.Decode(b) != nil {
		return nil, invalid(badPayload), false
	}
	return b, answer{}, true
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

func (t *Twin) createSubscription(c *call) answer {
	b, a, good := decodeSubscription(c)
	if !good {
		return a
	}
	s, a, good := t.draft(c, b)
	if !good {
		return a
	}
	// Payload first, then the endpoints, then the workload: the order seen at Graph.
	for _, u := range []string{s.NotificationURL, s.LifecycleURL} {
		if u == "" {
			continue
		}
		if a, good := t.handshake(c.r.Context(), u); !good {
			return a
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if a, good := t.workload("Create", c, s); !good {
		return a
	}
	t.subs[s.ID] = s
	t.stats[s.ID] = &SubscriptionStats{Statuses: map[int]int{}}
	t.changed()
	t.logf("subscription %s to %s created", s.ID, s.Resource)
	return answer{status: http.StatusCreated, body: t.wireSubscription(s, true, contextRoot+"subscriptions/$entity")}
}

// draft checks everything that the payload alone tells.
func (t *Twin) draft(c *call, b *subscriptionBody) (*subscription, answer, bool) {
	no := func(a answer) (*subscription, answer, bool) { return nil, a, false }
	for name, p := range map[string]*string{"resource": b.Resource, "changeType": b.ChangeType, "notificationUrl": b.NotificationURL, "expirationDateTime": b.ExpirationDateTime} {
		if deref(p) == "" {
			return no(invalid("The property '%s' is required for subscription creation.", name))
		}
	}
	target, path, known := parseResource(*b.Resource)
	switch {
	case !known:
		return no(invalid("Resource '%s' is not supported.", *b.Resource))
	case strings.Contains(*b.Resource, "$select"):
		return no(invalid("$select is not supported for resource '%s'.", *b.Resource))
	case target.kind == "me":
		return no(failure(http.StatusInternalServerError, "ExtensionError", "Operation: Create; Exception: [Specified method is not supported.]"))
	case b.NotificationQueryOptions != nil:
		return no(invalid("notificationQueryOptions is not supported for this resource."))
	case len(deref(b.ClientState)) > 128:
		return no(invalid("clientState must not be longer than 128 characters."))
	case len(deref(b.EncryptionCertificateID)) > 128:
		return no(invalid("encryptionCertificateId must not be longer than 128 characters."))
	}
	changeType, good := normalChangeType(*b.ChangeType)
	if !good {
		return no(invalid("changeType '%s' is not valid.", *b.ChangeType))
	}
	for _, p := range []*string{b.NotificationURL, b.LifecycleNotificationURL} {
		if p != nil && !allowedURL(*p) {
			return no(invalid("Invalid notification URL '%s': it must be https.", *p))
		}
	}
	tlsVersion := deref(b.LatestSupportedTLSVersion)
	setDefault(&tlsVersion, "v1_2")
	if !slices.Contains([]string{"v1_0", "v1_1", "v1_2", "v1_3"}, tlsVersion) {
		return no(invalid("latestSupportedTlsVersion '%s' is not valid.", tlsVersion))
	}
	now := t.now()
	s := &subscription{target: target, path: path, Subscription: Subscription{
		ID: randomGUID(), TenantID: c.from.tenant, AppID: c.from.app, Resource: *b.Resource, ChangeType: changeType,
		NotificationURL: *b.NotificationURL, LifecycleURL: deref(b.LifecycleNotificationURL), ClientState: deref(b.ClientState),
		Created: now, LatestSupportedTLS: tlsVersion, NotificationURLAppID: deref(b.NotificationURLAppID),
		UnknownEnumMembers: prefersUnknown(c.r), IncludeResourceData: b.IncludeResourceData != nil && *b.IncludeResourceData,
	}}
	expires, a, good := s.expiry(*b.ExpirationDateTime, now)
	if !good {
		return no(a)
	}
	s.Expires = expires
	if s.IncludeResourceData {
		if deref(b.EncryptionCertificate) == "" || deref(b.EncryptionCertificateID) == "" {
			return no(invalid("encryptionCertificate and encryptionCertificateId are required when includeResourceData is true."))
		}
		if a, good := s.setCertificate(*b.EncryptionCertificate, *b.EncryptionCertificateID); !good {
			return no(a)
		}
	}
	return s, answer{}, true
}

func prefersUnknown(r *http.Request) bool {
	return strings.Contains(strings.Join(r.Header.Values("Prefer"), ","), "include-unknown-enum-members")
}

// normalChangeType is the set in a fixed order.
func normalChangeType(text string) (string, bool) {
	parts := strings.Split(text, ",")
	for i, p := range parts {
		parts[i] = strings.TrimSpace(p)
		if !slices.Contains([]string{"created", "updated", "deleted"}, parts[i]) {
			return "", false
		}
	}
	sort.Strings(parts)
	return strings.Join(slices.Compact(parts), ","), true
}

// allowedURL: https, or http to a loopback host, which Graph itself would not take.
func allowedURL(text string) bool {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || u.User != nil {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname())
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// expiry reads and raises the time asked for. The rules of the payload are
// checked here, the workload's cap in workload.
func (s *subscription) expiry(text string, now time.Time) (time.Time, answer, bool) {
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, invalid(badPayload), false
	}
	at = at.UTC()
	switch ahead := at.Sub(now); {
	case ahead < minLifetime:
		at = now.Add(minLifetime)
	case ahead > genericLifetime:
		return time.Time{}, invalid("Subscription expiration can only be 10080 minutes in the future."), false
	case ahead > withoutLifecycle && s.LifecycleURL == "":
		return time.Time{}, invalid("lifecycleNotificationUrl is a required property for subscription creation on this resource when the expirationDateTime value is set to greater than 1 hour"), false
	}
	return at, answer{}, true
}

// setCertificate takes an X.509 certificate in base64 DER with an RSA key of
// 2048 to 4096 bits.
func (s *subscription) setCertificate(text, id string) (answer, bool) {
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return invalid("Certificate validation error: The input is not a valid Base-64 string."), false
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		return invalid("Certificate validation error: Cannot find the requested object."), false
	}
	pub, isRSA := cert.PublicKey.(*rsa.PublicKey)
	if !isRSA || pub.N.BitLen() < 2048 || pub.N.BitLen() > 4096 {
		return invalid("Certificate validation error: The key must be RSA of 2048 to 4096 bits."), false
	}
	s.cert, s.CertificateID = cert, id
	return answer{}, true
}

func (s *subscription) thumbprint() string {
	sum := sha1.Sum(s.cert.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

// workload is what the Teams workload checks once the endpoints are validated:
// permission, expiry, quota; then the duplicate. t.mu is held.
func (t *Twin) workload(operation string, c *call, s *subscription) (answer, bool) {
	extension := func(status int, code, reason string) (answer, bool) {
		return failure(status, "ExtensionError", "Operation: %s; Exception: [Status Code: %s; Reason: %s]", operation, code, reason), false
	}
	if !slices.ContainsFunc(s.target.roles, func(r string) bool { return slices.Contains(c.from.roles, r) }) {
		return extension(http.StatusForbidden, "Forbidden", "Caller does not have access to '"+s.path+"' resource. Missing permission "+strings.Join(s.target.roles, " or "))
	}
	if ahead := s.Expires.Sub(t.now()); ahead > maxLifetime {
		return extension(http.StatusBadRequest, "BadRequest", fmt.Sprintf("Expiration time '%s' ('-%s' from now) is beyond allowed max '3.00:00:00'.", s.Expires.Format(time.RFC3339Nano), dotnetSpan(ahead)))
	}
	if operation != "Create" {
		return answer{}, true
	}
	t.sweep()
	same, organisation := 0, 0
	for _, have := range t.subs {
		if have.TenantID == s.TenantID {
			organisation++
		}
		if have.TenantID != s.TenantID || have.AppID != s.AppID || !strings.EqualFold(have.path, s.path) {
			continue
		}
		if have.ChangeType == s.ChangeType {
			return failure(http.StatusConflict, "ObjectIdentifierInUse", "Subscription Id %s already exists for the requested combination", have.ID), false
		}
		same++
	}
	limit := 1
	if s.target.kind == "user" {
		limit = quotaPerUser
	}
	switch {
	case same >= limit:
		return extension(http.StatusForbidden, "Forbidden", fmt.Sprintf("Subscription limit of %d for this app and resource '%s' was reached.", limit, s.path))
	case organisation >= quotaPerOrganisation:
		return extension(http.StatusForbidden, "Forbidden", "Subscription limit of 10000 for this organization was reached.")
	}
	return answer{}, true
}

// dotnetSpan writes d as d.hh:mm:ss.ff, as Graph does.
func dotnetSpan(d time.Duration) string {
	return fmt.Sprintf("%d.%02d:%02d:%05.2f", int(d.Hours())/24, int(d.Hours())%24, int(d.Minutes())%60, (d % time.Minute).Seconds())
}

// sweep forgets expired subscriptions; nothing is sent. t.mu is held.
func (t *Twin) sweep() {
	now := t.now()
	for id, s := range t.subs {
		if s.expired(now) {
			delete(t.subs, id)
			t.logf("subscription %s expired", id)
		}
	}
}

// handshake validates an endpoint: one POST with a token that must come back
// decoded, byte for byte, with 200, in ten seconds.
// The form on the wire (%3a, + for a space, no User-Agent) is that of access logs.
func (t *Twin) handshake(ctx context.Context, endpoint string) (answer, bool) {
	bad := func(format string, args ...any) (answer, bool) {
		return failure(http.StatusBadRequest, "ValidationError", format, args...), false
	}
	token := "Validation: Testing client application reachability for subscription Request-Id: " + randomGUID()
	sep := "?"
	if strings.Contains(endpoint, "?") {
		sep = "&"
	}
	target := endpoint + sep + "validationToken=" + strings.ReplaceAll(url.QueryEscape(token), "%3A", "%3a")
	header := http.Header{"Content-Type": {"text/plain; charset=utf-8"}, "User-Agent": {""}}
	status, body, err := t.post(ctx, target, header, nil, t.opts.Delivery.RetryTimeout)
	switch {
	case errors.Is(err, errTimeout):
		return bad("Subscription validation request timed out.")
	case err != nil:
		return bad("Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request.")
	case status != http.StatusOK:
		return bad("Subscription validation request failed. Notification endpoint must respond with 200 OK to validation request. HTTP status code is '%s'.", strings.ReplaceAll(http.StatusText(status), " ", ""))
	case string(body) != token:
		return bad("Subscription validation request failed. Response must exactly match validationToken query parameter.")
	}
	return answer{}, true
}

var errTimeout = errors.New("no answer in time")

// post sends one request and reads at most 64 KiB of the answer, all within the
// timeout by the twin's clock.
func (t *Twin) post(ctx context.Context, target string, header http.Header, body []byte, timeout time.Duration) (int, []byte, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	defer t.clock.AfterFunc(timeout, func() { cancel(errTimeout) })()
	defer context.AfterFunc(t.ctx, func() { cancel(t.ctx.Err()) })()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, target, bytes.NewReader(body))
	if err != nil {
		return 0, nil, err
	}
	req.Header = header
	resp, err := t.client.Do(req)
	if err != nil {
		return 0, nil, orCause(ctx, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err != nil {
		return resp.StatusCode, nil, orCause(ctx, err)
	}
	return resp.StatusCode, answer, nil
}

func orCause(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		return cause
	}
	return err
}

type wireSubscription struct {
	Context                   string  `json:"@odata.context,omitempty"`
	ID                        string  `json:"id"`
	Resource                  string  `json:"resource"`
	ChangeType                string  `json:"changeType"`
	ApplicationID             string  `json:"applicationId"`
	CreatorID                 string  `json:"creatorId"`
	ClientState               *string `json:"clientState"`
	NotificationURL           string  `json:"notificationUrl"`
	LifecycleNotificationURL  *string `json:"lifecycleNotificationUrl"`
	ExpirationDateTime        string  `json:"expirationDateTime"`
	IncludeResourceData       bool    `json:"includeResourceData"`
	EncryptionCertificate     *string `json:"encryptionCertificate"`
	EncryptionCertificateID   *string `json:"encryptionCertificateId"`
	LatestSupportedTLSVersion string  `json:"latestSupportedTlsVersion"`
	NotificationQueryOptions  *string `json:"notificationQueryOptions"`
	NotificationURLAppID      *string `json:"notificationUrlAppId"`
	NotificationContentType   string  `json:"notificationContentType"`
}

// wireSubscription is s as Graph writes it: the client state only in the answer
// to the create, the certificate never. t.mu is held.
func (t *Twin) wireSubscription(s *subscription, withState bool, context string) wireSubscription {
	w := wireSubscription{
		Context: context, ID: s.ID, Resource: s.Resource, ChangeType: s.ChangeType, ApplicationID: s.AppID, NotificationURL: s.NotificationURL,
		LifecycleNotificationURL: text(s.LifecycleURL), ExpirationDateTime: s.Expires.Format(time.RFC3339Nano), IncludeResourceData: s.IncludeResourceData,
		EncryptionCertificateID: text(s.CertificateID), LatestSupportedTLSVersion: s.LatestSupportedTLS,
		NotificationURLAppID: text(s.NotificationURLAppID), NotificationContentType: "application/json",
	}
	if app := t.apps[appKey{s.TenantID, s.AppID}]; app != nil {
		w.CreatorID = app.ServicePrincipalID
	}
	if withState {
		w.ClientState = text(s.ClientState)
	}
	return w
}

// mine finds a live subscription of the caller; t.mu is held.
func (t *Twin) mine(c *call) (*subscription, answer, bool) {
	t.sweep()
	s := t.subs[c.args[0]]
	if s == nil || s.AppID != c.from.app || s.TenantID != c.from.tenant {
		return nil, failure(http.StatusNotFound, "ResourceNotFound", "The object was not found."), false
	}
	return s, answer{}, true
}

func (t *Twin) getSubscription(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, a, found := t.mine(c)
	if !found {
		return a
	}
	return ok(t.wireSubscription(s, false, contextRoot+"subscriptions/$entity"))
}

func (t *Twin) listSubscriptions(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep()
	list := []any{}
	for _, id := range sortedKeys(t.subs) {
		if s := t.subs[id]; s.AppID == c.from.app && s.TenantID == c.from.tenant {
			list = append(list, t.wireSubscription(s, false, ""))
		}
	}
	return t.page(c, "subscriptions", list)
}

func (t *Twin) deleteSubscription(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, a, found := t.mine(c)
	if !found {
		return a
	}
	delete(t.subs, s.ID)
	t.changed()
	return answer{status: http.StatusNoContent}
}

func (t *Twin) reauthorize(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	s, a, found := t.mine(c)
	if !found {
		return a
	}
	if a, good := t.workload("Update", c, s); !good {
		return a
	}
	return answer{status: http.StatusNoContent}
}

func (t *Twin) patchSubscription(c *call) answer {
	b, a, good := decodeSubscription(c)
	if !good {
		return a
	}
	t.mu.Lock()
	old, a, found := t.mine(c)
	if !found {
		t.mu.Unlock()
		return a
	}
	next := *old
	t.mu.Unlock()
	if a, good := next.update(b, t.now()); !good {
		return a
	}
	if b.NotificationURL != nil && *b.NotificationURL != old.NotificationURL {
		if a, good := t.handshake(c.r.Context(), *b.NotificationURL); !good {
			return a
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if _, a, found := t.mine(c); !found {
		return a
	}
	if a, good := t.workload("Update", c, &next); !good {
		return a
	}
	next.Renewals++
	t.subs[next.ID] = &next
	t.changed()
	return ok(t.wireSubscription(&next, false, contextRoot+"subscriptions/$entity"))
}

// update applies the body of a PATCH: expirationDateTime, notificationUrl and,
// beside either, a new certificate with its id.
func (s *subscription) update(b *subscriptionBody, now time.Time) (answer, bool) {
	for name, set := range map[string]bool{
		"resource": b.Resource != nil, "changeType": b.ChangeType != nil, "clientState": b.ClientState != nil,
		"includeResourceData": b.IncludeResourceData != nil, "lifecycleNotificationUrl": b.LifecycleNotificationURL != nil,
		"latestSupportedTlsVersion": b.LatestSupportedTLSVersion != nil, "notificationQueryOptions": b.NotificationQueryOptions != nil,
		"notificationUrlAppId": b.NotificationURLAppID != nil,
	} {
		if set {
			return invalid("The property '%s' cannot be updated.", name), false
		}
	}
	if b.ExpirationDateTime == nil && b.NotificationURL == nil {
		return invalid("The request must contain expirationDateTime or notificationUrl."), false
	}
	if b.NotificationURL != nil {
		if !allowedURL(*b.NotificationURL) {
			return invalid("Invalid notification URL '%s': it must be https.", *b.NotificationURL), false
		}
		s.NotificationURL = *b.NotificationURL
	}
	if b.ExpirationDateTime != nil {
		at, a, good := s.expiry(*b.ExpirationDateTime, now)
		if !good {
			return a, false
		}
		s.Expires = at
	}
	switch {
	case (b.EncryptionCertificate == nil) != (b.EncryptionCertificateID == nil):
		return invalid("encryptionCertificate and encryptionCertificateId must be updated together."), false
	case b.EncryptionCertificate != nil:
		return s.setCertificate(*b.EncryptionCertificate, *b.EncryptionCertificateID)
	}
	return answer{}, true
}

// Subscriptions returns those that exist now, by id.
func (t *Twin) Subscriptions() []Subscription {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.sweep()
	list := []Subscription{}
	for _, id := range sortedKeys(t.subs) {
		list = append(list, t.subs[id].Subscription)
	}
	return list
}

// Stats returns the delivery statistics of every subscription there ever was.
func (t *Twin) Stats() map[string]SubscriptionStats {
	t.mu.Lock()
	defer t.mu.Unlock()
	out := map[string]SubscriptionStats{}
	for id, s := range t.stats {
		c := *s
		c.Statuses = map[int]int{}
		for k, v := range s.Statuses {
			c.Statuses[k] = v
		}
		out[id] = c
	}
	return out
}
