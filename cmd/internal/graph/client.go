package graph

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	kiota "github.com/microsoft/kiota-abstractions-go"
	khttp "github.com/microsoft/kiota-http-go"
	kjson "github.com/microsoft/kiota-serialization-json-go"
	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/graph/limit"
)

// Observer hears of every call, for metrics. It must not block. op is one of
// patch, read, message, conversation, person, groups, subscriptions.
type Observer interface {
	// Waited tells how long a call waited for its turn.
	Waited(op string, d time.Duration)
	// Called tells how a call ended. status is 0 where nobody answered.
	Called(op string, status int)
}

// Options are what a Client is made of.
type Options struct {
	// GraphURL is the root, as https://graph.microsoft.com. Plain http is taken
	// for a loopback address only.
	GraphURL string
	// Tenant is the tenant's id: accounts of any other are external.
	Tenant     string
	Credential azcore.TokenCredential
	// HTTP carries the calls. Nil: a transport with Go's defaults.
	HTTP http.RoundTripper
	// Limits are Graph's published limits; see limit.Rates. App is what clients
	// of the same app in other tenants count against too; nil: nothing.
	Limits limit.Rates
	App    *limit.App
	// Timeout bounds one call, its token included, but not the wait for its
	// turn. Zero: 30 s.
	Timeout time.Duration
	// Fingerprint computes the digest of a message's text from its JSON, for
	// Client.Read. Nil: Snapshot.Fingerprint stays empty.
	Fingerprint func(message []byte) string
	// Guard is asked right before a request that changes something is sent, with
	// the context of the call. Its error means that the request is not sent. Nil:
	// everything is.
	Guard    func(context.Context) error
	Clock    func() time.Time // nil: time.Now
	Log      *zap.Logger      // nil: nothing is logged. Calls are logged at debug level, by ids and codes only
	Observer Observer         // nil: nobody
}

// Client is one app in one tenant. It is safe for concurrent use. It implements
// actions.Graph.
type Client struct {
	base        *url.URL // with /v1.0
	tenant      string
	credential  azcore.TokenCredential
	scopes      []string
	http        *http.Client
	adapter     *khttp.NetHttpRequestAdapter
	limiter     *limit.Limiter
	timeout     time.Duration
	fingerprint func([]byte) string
	clock       func() time.Time
	log         *zap.Logger
	observe     Observer
	cache       caches

	forgetting sync.Mutex // guards forgot
	forgot     time.Time  // when a token was forgotten last
}

// New returns a client and sends nothing.
func New(o Options) (*Client, error) {
	root, err := endpoint(o.GraphURL)
	if err != nil {
		return nil, fmt.Errorf("graph URL: %w", err)
	}
	if o.Credential == nil || o.Tenant == "" {
		return nil, errors.New("graph client: a credential and a tenant are needed")
	}
	c := &Client{
		base: root.JoinPath("v1.0"), tenant: o.Tenant, credential: o.Credential, scopes: []string{strings.TrimSuffix(root.String(), "/") + "/.default"},
		timeout: o.Timeout, fingerprint: o.Fingerprint, clock: o.Clock, log: o.Log, observe: o.Observer,
	}
	if c.timeout <= 0 {
		c.timeout = 30 * time.Second
	}
	if c.clock == nil {
		c.clock = time.Now
	}
	if c.log == nil {
		c.log = zap.NewNop()
	}
	if c.observe == nil {
		c.observe = nobody{}
	}
	c.limiter = limit.New(o.Limits, c.clock)
	c.limiter.Of(o.App)
	c.cache = newCaches(c.clock)

	lowest := &transport{base: o.HTTP, graph: root, clock: c.clock, guard: o.Guard}
	if o.HTTP == nil {
		lowest.base = newTransport()
	}
	// An explicit chain of one harmless handler: the default one would retry,
	// redirect and compress.
	c.http = &http.Client{
		Transport:     khttp.NewCustomTransportWithParentTransport(lowest, khttp.NewParametersNameDecodingHandler()),
		CheckRedirect: noRedirect,
	}
	c.adapter, err = khttp.NewNetHttpRequestAdapterWithParseNodeFactoryAndSerializationWriterFactoryAndHttpClient(
		authenticator{c}, kjson.NewJsonParseNodeFactory(), kjson.NewJsonSerializationWriterFactory(), c.http)
	if err != nil {
		return nil, fmt.Errorf("graph client: %w", err)
	}
	c.adapter.SetBaseUrl(c.base.String())
	return c, nil
}

// Share makes this client one of n that keep to the limits of the tenant between
// them.
func (c *Client) Share(n int) { c.limiter.Share(n) }

// path are the parameters that the SDK's builders start from.
func (c *Client) path() map[string]string { return map[string]string{"baseurl": c.base.String()} }

// The order of waiting calls. A PATCH goes before everything that only reads;
// the reads that a PATCH waits for go before those that a verdict waits for.
const (
	urgent limit.Priority = iota // critical
	high
	medium
	low
	reconcile // is it there already?
	content   // the message itself
	around    // who can read it
)

func priority(severity string) limit.Priority {
	switch severity {
	case "critical":
		return urgent
	case "high":
		return high
	case "medium":
		return medium
	}
	return low
}

// The workloads: Graph throttles them apart.
const (
	workChats         = "chats"
	workTeams         = "teams"
	workUsers         = "users"
	workSubscriptions = "subscriptions"
)

// call runs do once, when it is its turn. do must send one request with the
// context it is given.
func (c *Client) call(ctx context.Context, op string, turn limit.Call, rec *record, do func(context.Context) error) *actions.CallError {
	began := c.clock()
	if fault := c.prepare(ctx, op); fault != nil {
		return fault
	}
	if fault := c.await(ctx, turn); fault != nil {
		return fault
	}
	start := c.clock()
	c.observe.Waited(op, start.Sub(began))
	ctx, cancel := context.WithTimeout(context.WithValue(ctx, recordKey{}, rec), c.timeout)
	defer cancel()
	err := do(ctx)
	took := c.clock().Sub(start)
	if err == nil {
		c.limiter.Passed(turn.Workload)
		c.observe.Called(op, rec.status)
		c.log.Debug("graph call", zap.String("op", op), zap.Int("status", rec.status), zap.String("request_id", rec.requestID), zap.Duration("took", took))
		return nil
	}
	fault := rec.fault(err)
	c.regulate(turn.Workload, fault)
	c.observe.Called(op, fault.Status)
	c.log.Debug("graph call", zap.String("op", op), zap.Int("status", fault.Status), zap.String("code", fault.Code),
		zap.String("request_id", fault.RequestID), zap.Bool("not_sent", fault.NotSent), zap.Duration("retry_after", fault.RetryAfter), zap.Duration("took", took))
	return fault
}

// prepare gets a token before the call waits for its turn. Between its turn and
// its request nothing slow may come: what Graph answers to others meanwhile, as
// that nothing is to be sent for a time, would come too late for it.
func (c *Client) prepare(ctx context.Context, op string) *actions.CallError {
	if ctx.Err() != nil {
		return nil // await says so
	}
	bounded, cancel := context.WithTimeout(ctx, c.timeout)
	defer cancel()
	if _, err := c.token(bounded, c.base); err != nil {
		fault := (&record{}).fault(err)
		if fault.NoToken {
			c.forgetToken() // its certificate's file may hold another since
		}
		c.observe.Called(op, 0)
		c.log.Debug("graph call", zap.String("op", op), zap.String("code", fault.Code), zap.Bool("not_sent", true))
		return fault
	}
	return nil
}

// Waiting returns how many calls wait for their turn.
func (c *Client) Waiting() int { return c.limiter.Waiting() }

// Paused returns for how long at least one workload is closed because Graph
// throttled it.
func (c *Client) Paused() time.Duration {
	var longest time.Duration
	for _, w := range []string{workChats, workTeams, workUsers, workSubscriptions} {
		longest = max(longest, c.limiter.Paused(w))
	}
	return longest
}

// await waits for the call's turn. A call about subscriptions does not wait out
// what Graph may ask for, which can be hours: its caller has a timer of its own,
// and lifecycle events to hear meanwhile.
func (c *Client) await(ctx context.Context, turn limit.Call) *actions.CallError {
	bounded := ctx
	if turn.Workload == workSubscriptions {
		var cancel context.CancelFunc
		bounded, cancel = context.WithTimeout(ctx, c.timeout)
		defer cancel()
	}
	switch err := c.limiter.Wait(bounded, turn); {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return &actions.CallError{Code: "canceled", NotSent: true}
	}
	return &actions.CallError{Status: http.StatusTooManyRequests, Code: "throttled", NotSent: true, RetryAfter: c.timeout, HasRetryAfter: true}
}

// regulate closes a workload that Graph throttles, and drops a refused token.
func (c *Client) regulate(workload string, e *actions.CallError) {
	switch {
	case e.Status == http.StatusTooManyRequests, e.Status == http.StatusServiceUnavailable && e.HasRetryAfter:
		c.limiter.Throttled(workload, e.RetryAfter)
	case e.Status == http.StatusUnauthorized, e.LacksRole():
		c.forgetToken()
	}
}

// forgetApart is the least time between two refusals that a new token is asked for:
// one for all calls that went out with the old one, and no flood of requests while
// nobody mends what is wrong.
const forgetApart = time.Minute

// forgetToken has the next call ask for a token anew: Graph refused the one that is
// kept, or for want of a permission that may have been granted since it was issued.
func (c *Client) forgetToken() {
	kept, ok := c.credential.(interface{ Forget() })
	if !ok {
		return
	}
	c.forgetting.Lock()
	defer c.forgetting.Unlock()
	if now := c.clock(); now.Sub(c.forgot) >= forgetApart {
		c.forgot = now
		kept.Forget()
	}
}

// get reads one resource as JSON.
func (c *Client) get(ctx context.Context, op string, turn limit.Call, u *url.URL) ([]byte, *actions.CallError) {
	return c.send(ctx, op, turn, http.MethodGet, u, nil)
}

// send sends one request that changes nothing, outside the SDK and over the same
// transport, and returns the answer's body.
func (c *Client) send(ctx context.Context, op string, turn limit.Call, method string, u *url.URL, body []byte) ([]byte, *actions.CallError) {
	var data []byte
	rec := &record{asks: true}
	fault := c.call(ctx, op, turn, rec, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, method, u.String(), strings.NewReader(string(body)))
		if err != nil {
			return &actions.CallError{Code: "bad_request", NotSent: true}
		}
		if body == nil {
			req.Body = nil
		} else {
			req.Header.Set("Content-Type", "application/json")
		}
		req.Header.Set("Accept", "application/json")
		req.Header.Set("Prefer", "include-unknown-enum-members")
		token, err := c.token(ctx, u)
		if err != nil {
			return err
		}
		req.Header.Set("Authorization", token)
		resp, err := c.http.Do(req)
		if err != nil {
			return err
		}
		defer resp.Body.Close()
		data, err = io.ReadAll(resp.Body)
		return err
	})
	return data, fault
}

// token returns the Authorization header for u. There is none for any host but
// the configured one.
func (c *Client) token(ctx context.Context, u *url.URL) (string, error) {
	if !sameHost(u, c.base) {
		return "", &actions.CallError{Code: "foreign_host", NotSent: true}
	}
	t, err := c.credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: c.scopes})
	if err != nil {
		return "", newNoToken(ctx, err)
	}
	if t.Token == "" {
		return "", &noToken{code: "no_token"}
	}
	return "Bearer " + t.Token, nil
}

// noToken says that a call was not sent for want of a token.
type noToken struct {
	code    string
	refused bool // the login server refuses the credential, and will until somebody mends that
}

func (e *noToken) Error() string { return "no token (" + e.code + ")" }

// unreachable is the code of a login server that gave no answer.
const unreachable = "login_server_out_of_reach"

// newNoToken keeps of err no more than a code: the rest may quote the request.
func newNoToken(ctx context.Context, err error) error {
	var refused *azidentity.AuthenticationFailedError
	var own *tokenError
	var network *url.Error
	switch {
	case ctx.Err() != nil:
		return &noToken{code: "no_token_in_time"}
	case errors.As(err, &own):
		return &noToken{own.code, isRefusal(own.status)}
	case errors.As(err, &refused) && refused.RawResponse != nil:
		status := refused.RawResponse.StatusCode
		return &noToken{loginCode(refused.Error(), status), isRefusal(status)}
	case errors.As(err, &refused) && aadsts.MatchString(refused.Error()):
		return &noToken{code: loginCode(refused.Error(), 0)}
	case refused != nil, errors.As(err, &network):
		return &noToken{code: unreachable}
	}
	return &noToken{code: "no_token"}
}

// isRefusal reports whether a login server answers so to a credential, an app or a
// tenant that it does not take. What passes by itself has another status.
func isRefusal(status int) bool {
	return status == http.StatusBadRequest || status == http.StatusUnauthorized || status == http.StatusForbidden
}

// authenticator attaches tokens to the SDK's requests.
type authenticator struct{ c *Client }

// AuthenticateRequest implements kiota's AuthenticationProvider.
func (a authenticator) AuthenticateRequest(ctx context.Context, r *kiota.RequestInformation, _ map[string]any) error {
	u, err := r.GetUri()
	if err != nil {
		return &actions.CallError{Code: "bad_request", NotSent: true}
	}
	token, err := a.c.token(ctx, u)
	if err != nil {
		return err
	}
	r.Headers.Remove("Authorization")
	r.Headers.Add("Authorization", token)
	return nil
}

// nobody is an Observer that does not listen.
type nobody struct{}

func (nobody) Waited(string, time.Duration) {}
func (nobody) Called(string, int)           {}
