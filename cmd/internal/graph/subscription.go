package graph

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	kiota "github.com/microsoft/kiota-abstractions-go"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	sdk "github.com/microsoftgraph/msgraph-sdk-go/subscriptions"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/graph/limit"
	"teamsdlp/subscriptions"
)

// Subscriptions drives the subscriptions of several tenants. It implements
// subscriptions.API.
type Subscriptions struct {
	clients map[string]*Client
}

// NewSubscriptions returns the subscriptions of the clients' tenants.
func NewSubscriptions(clients ...*Client) *Subscriptions {
	s := &Subscriptions{clients: map[string]*Client{}}
	for _, c := range clients {
		s.clients[strings.ToLower(c.tenant)] = c
	}
	return s
}

func (s *Subscriptions) client(tenantID string) (*Client, error) {
	c := s.clients[strings.ToLower(tenantID)]
	if c == nil {
		return nil, fmt.Errorf("tenant %s has no graph client", tenantID)
	}
	return c, nil
}

// Create implements subscriptions.API.
// Source: learn.microsoft.com/graph/api/subscription-post-subscriptions.
func (s *Subscriptions) Create(ctx context.Context, want subscriptions.Subscription, cert subscriptions.Certificate) (subscriptions.Subscription, error) {
	c, err := s.client(want.TenantID)
	if err != nil {
		return subscriptions.Subscription{}, err
	}
	m := models.NewSubscription()
	resource := "/" + strings.TrimPrefix(want.Resource, "/")
	rich, tls := true, "v1_2"
	until := want.Expires.UTC().Truncate(time.Second)
	m.SetResource(&resource)
	m.SetChangeType(&want.ChangeTypes)
	m.SetNotificationUrl(&want.NotificationURL)
	m.SetLifecycleNotificationUrl(&want.LifecycleURL)
	m.SetExpirationDateTime(&until)
	m.SetClientState(&want.ClientState)
	m.SetIncludeResourceData(&rich)
	m.SetLatestSupportedTlsVersion(&tls)
	setCertificate(m, cert)

	// Without it, system events come as messages of an unknown type.
	headers := kiota.NewRequestHeaders()
	headers.Add("Prefer", "include-unknown-enum-members")
	var got models.Subscriptionable
	fault := c.subscription(ctx, func(ctx context.Context) (err error) {
		got, err = sdk.NewSubscriptionsRequestBuilderInternal(c.path(), c.adapter).Post(ctx, m, &sdk.SubscriptionsRequestBuilderPostRequestConfiguration{Headers: headers})
		return err
	})
	if fault != nil {
		return subscriptions.Subscription{}, creation(fault)
	}
	return c.domain(got), nil
}

// Renew implements subscriptions.API.
// Source: learn.microsoft.com/graph/api/subscription-update.
func (s *Subscriptions) Renew(ctx context.Context, sub subscriptions.Subscription, cert subscriptions.Certificate, until time.Time) (subscriptions.Subscription, error) {
	c, err := s.item(sub.TenantID, sub.ID)
	if err != nil {
		return subscriptions.Subscription{}, err
	}
	m := models.NewSubscription()
	until = until.UTC().Truncate(time.Second)
	m.SetExpirationDateTime(&until)
	if sub.NotificationURL != "" {
		m.SetNotificationUrl(&sub.NotificationURL)
	}
	if cert.ID != "" {
		setCertificate(m, cert)
	}
	var got models.Subscriptionable
	fault := c.subscription(ctx, func(ctx context.Context) (err error) {
		got, err = c.one(sub.ID).Patch(ctx, m, nil)
		return err
	})
	if fault != nil {
		return subscriptions.Subscription{}, outcome(fault)
	}
	return c.domain(got), nil
}

// Get implements subscriptions.API.
func (s *Subscriptions) Get(ctx context.Context, tenantID, id string) (subscriptions.Subscription, error) {
	c, err := s.item(tenantID, id)
	if err != nil {
		return subscriptions.Subscription{}, err
	}
	var got models.Subscriptionable
	fault := c.subscription(ctx, func(ctx context.Context) (err error) {
		got, err = c.one(id).Get(ctx, nil)
		return err
	})
	if fault != nil {
		return subscriptions.Subscription{}, outcome(fault)
	}
	if sub := c.domain(got); sub.ID != "" {
		return sub, nil
	}
	return subscriptions.Subscription{}, outcome(unreadable())
}

// List implements subscriptions.API.
func (s *Subscriptions) List(ctx context.Context, tenantID string) ([]subscriptions.Subscription, error) {
	c, err := s.client(tenantID)
	if err != nil {
		return nil, err
	}
	list := []subscriptions.Subscription{}
	builder := sdk.NewSubscriptionsRequestBuilderInternal(c.path(), c.adapter)
	for range maxPages {
		var got models.SubscriptionCollectionResponseable
		fault := c.subscription(ctx, func(ctx context.Context) (err error) {
			got, err = builder.Get(ctx, nil)
			return err
		})
		if fault != nil {
			return nil, outcome(fault)
		}
		if got == nil {
			return nil, outcome(unreadable())
		}
		for _, sub := range got.GetValue() {
			list = append(list, c.domain(sub))
		}
		next := got.GetOdataNextLink()
		if next == nil || *next == "" {
			return list, nil
		}
		u, err := url.Parse(*next)
		if err != nil || !sameHost(u, c.base) {
			return nil, &actions.CallError{Code: "foreign_host", NotSent: true}
		}
		builder = builder.WithUrl(u.String())
	}
	return nil, outcome(unreadable())
}

// Delete implements subscriptions.API.
func (s *Subscriptions) Delete(ctx context.Context, tenantID, id string) error {
	c, err := s.item(tenantID, id)
	if err != nil {
		return err
	}
	fault := c.subscription(ctx, func(ctx context.Context) error { return c.one(id).Delete(ctx, nil) })
	if fault != nil {
		return outcome(fault)
	}
	return nil
}

// item returns the tenant's client, for a call about one subscription. An id
// that is no path segment is refused: without one the call would be about all.
func (s *Subscriptions) item(tenantID, id string) (*Client, error) {
	if err := checkIDs(id); err != nil {
		return nil, err
	}
	return s.client(tenantID)
}

func (c *Client) one(id string) *sdk.SubscriptionItemRequestBuilder {
	return sdk.NewSubscriptionsRequestBuilderInternal(c.path(), c.adapter).BySubscriptionId(id)
}

// subscription makes one call about subscriptions. They have quotas of their
// own, far above what is needed, so only Retry-After makes them wait.
func (c *Client) subscription(ctx context.Context, do func(context.Context) error) *actions.CallError {
	return c.call(ctx, "subscriptions", limit.Call{Workload: workSubscriptions, Priority: urgent}, &record{}, do)
}

func setCertificate(m models.Subscriptionable, cert subscriptions.Certificate) {
	der := base64.StdEncoding.EncodeToString(cert.DER)
	m.SetEncryptionCertificate(&der)
	m.SetEncryptionCertificateId(&cert.ID)
}

// domain is a subscription as Graph tells it. What it left out is zero.
func (c *Client) domain(m models.Subscriptionable) subscriptions.Subscription {
	if m == nil {
		return subscriptions.Subscription{}
	}
	s := subscriptions.Subscription{
		ID: value(m.GetId()), TenantID: c.tenant, AppID: value(m.GetApplicationId()),
		Resource: strings.TrimPrefix(value(m.GetResource()), "/"), ChangeTypes: value(m.GetChangeType()),
		NotificationURL: value(m.GetNotificationUrl()), LifecycleURL: value(m.GetLifecycleNotificationUrl()), CertificateID: value(m.GetEncryptionCertificateId()),
	}
	if at := m.GetExpirationDateTime(); at != nil {
		s.Expires = at.UTC()
	}
	return s
}

func value(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

var (
	innerStatus = regexp.MustCompile(`Status Code: (\w+)`)
	anID        = regexp.MustCompile(`(?i)subscription\s+id\s+([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})`)
)

// statusNames are the words for which an ExtensionError wraps the status of the
// service behind it.
var statusNames = map[string]int{
	"badrequest": 400, "unauthorized": 401, "paymentrequired": 402, "forbidden": 403, "notfound": 404, "conflict": 409, "gone": 410,
	"preconditionfailed": 412, "toomanyrequests": 429, "internalservererror": 500, "badgateway": 502, "serviceunavailable": 503, "gatewaytimeout": 504,
}

// status is the status that counts: an ExtensionError's inner one.
func status(e *actions.CallError) int {
	if !strings.EqualFold(e.Code, "ExtensionError") {
		return e.Status
	}
	m := innerStatus.FindStringSubmatch(e.Message)
	if m == nil {
		return e.Status
	}
	if n, ok := statusNames[strings.ToLower(m[1])]; ok {
		return n
	}
	if n, err := strconv.Atoi(m[1]); err == nil && n >= 400 && n <= 599 {
		return n
	}
	return e.Status
}

// creation maps an error of a create. A 404 is not about the subscription then,
// but about what it is for.
func creation(e *actions.CallError) error {
	if status(e) == http.StatusConflict {
		// Another GUID in the sentence, as a request's, is not what is in the way;
		// without an id the manager looks at the list.
		var id string
		if m := anID.FindStringSubmatch(e.Message); m != nil {
			id = m[1]
		}
		return &subscriptions.ConflictError{ID: id}
	}
	err := outcome(e)
	if errors.Is(err, subscriptions.ErrNotFound) {
		return apiError(e)
	}
	return err
}

// outcome maps an error of any call about subscriptions. A 404 counts only if
// Graph itself says it: one of a proxy's pages must not make us delete anything.
func outcome(e *actions.CallError) error {
	switch {
	case e.Status == 0:
		return e
	case status(e) == http.StatusNotFound && e.Code != actions.NotJSON && e.Code != "no_code":
		return subscriptions.ErrNotFound
	}
	return apiError(e)
}

func apiError(e *actions.CallError) *subscriptions.APIError {
	n := status(e)
	out := &subscriptions.APIError{Status: n, Code: e.Code, Detail: detail(n, e.Message), RequestID: e.RequestID}
	if e.HasRetryAfter {
		out.RetryAfter = e.RetryAfter
	}
	return out
}

// detail says in our words what is known of a refusal. Graph's sentences hold
// URLs and ids, and are known to change, so only landmarks are looked for.
func detail(status int, message string) string {
	text := strings.ToLower(message)
	for _, c := range []struct{ landmark, detail string }{
		{"must respond with 200", "our endpoint did not answer the validation request with 200"},
		{"must exactly match", "our endpoint's answer to the validation request was changed on its way"},
		{"validation request timed out", "our endpoint did not answer the validation request within 10 seconds"},
		{"ssl/tls", "no TLS connection to our endpoint could be made: it must offer TLS 1.2"},
		{"subscription validation request failed", "our endpoint failed the validation request"},
		{"certificate validation error", "the encryption certificate was not accepted"},
		{"beyond allowed max", "the lifetime asked for is longer than allowed"},
		{"minutes in the future", "the lifetime asked for is longer than allowed"},
		{"lifecyclenotificationurl is a required", "a lifecycle URL is needed for this lifetime"},
		{"quota", "a quota of subscriptions is used up"},
		{"limit", "a quota of subscriptions is used up"},
	} {
		if strings.Contains(text, c.landmark) {
			return c.detail
		}
	}
	switch status {
	case http.StatusUnauthorized:
		return "the credential was refused"
	case http.StatusForbidden:
		return "a permission or its consent is missing"
	}
	return ""
}
