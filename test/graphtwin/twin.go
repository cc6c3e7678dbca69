package graphtwin

import (
	"bytes"
	"compress/gzip"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	mrand "math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// PublisherAppID is the app that signs change notifications, in every tenant.
// Source: learn.microsoft.com/graph/change-notifications-with-resource-data.
const PublisherAppID = "0bf30f3b-4a52-48df-9a82-234910c4a086"

// The issuers of validation tokens and of what the discovery documents say; {login}
// is the twin's URL and {tid} the tenant.
const (
	issuerV1 = "{login}/{tid}/"
	issuerV2 = "{login}/{tid}/v2.0"
)

// The positions of Switches.BlockedBody.
const (
	BodyKept  = "kept"  // a blocked message's body is still read and notified
	BodyEmpty = "empty" // it is empty until the message is released, overridden or edited
)

// Switches are the behaviours of Graph that no public source settles. The
// product must pass in every position.
type Switches struct {
	// Echo: a PATCH of policyViolation raises updated.
	Echo bool `json:"echo"`
	// BlockedBody is BodyKept or BodyEmpty.
	BlockedBody string `json:"blocked_body"`
	// PatchMovesLastEdited: the PATCH moves lastEditedDateTime as well.
	PatchMovesLastEdited bool `json:"patch_moves_last_edited"`
	// OddCasing: enums are PascalCase, flags joined by ", ", in what is read and
	// notified.
	OddCasing bool `json:"odd_casing"`
	// EditClears: an edit by the sender sets policyViolation to null.
	EditClears bool `json:"edit_clears"`
}

// DefaultSwitches is what is most likely true: echo on, body kept.
func DefaultSwitches() Switches { return Switches{Echo: true, BlockedBody: BodyKept} }

// Options says what a Twin is. The zero value is an empty Graph on the system
// clock with Graph's own limits.
type Options struct {
	// World is what exists at the start.
	World World
	// Switches; nil: DefaultSwitches.
	Switches *Switches
	// Clock; nil: the system's.
	Clock Clock
	// TokenLifetime is that of access tokens. Default 1 hour.
	TokenLifetime time.Duration
	// PageSize is how many elements a page of a list holds. Default 100.
	PageSize int
	// Throttle bounds requests.
	Throttle Throttle
	// Delivery says how notifications are sent.
	Delivery Delivery
	// Refusals says what a PATCH that cannot be is answered; see Refusal. A
	// missing one keeps its default, 0 lets the PATCH through.
	Refusals map[Refusal]int
	// Logf, if set, is told what the twin does: methods, paths, statuses, ids.
	// Never text, tokens or client states.
	Logf func(format string, args ...any)
}

// Throttle bounds requests as Graph does. The zero value is on, with Graph's
// numbers.
// Source: learn.microsoft.com/graph/throttling-limits, Teams.
type Throttle struct {
	Off bool `json:"off"`
	// Requests a second: per chat or channel (1), per team (4), per app and
	// tenant (30). 0: the number in parentheses.
	Conversation float64 `json:"conversation"`
	Team         float64 `json:"team"`
	Tenant       float64 `json:"tenant"`
	// RetryAfter is the form of the header on 429: integer (default),
	// fractional, missing, or mixed, which takes them in turn.
	RetryAfter string `json:"retry_after"`
}

// Delivery says how notifications are sent. Waits follow the Clock.
type Delivery struct {
	// Batch is the most items in one POST, 1 to 100. Default 20.
	Batch int
	// FirstTimeout is for the first attempt, RetryTimeout for later ones and
	// for handshakes. Default 3 s and 10 s.
	FirstTimeout, RetryTimeout time.Duration
	// Backoff is the wait after the first failure; it doubles up to MaxBackoff.
	// Default 10 s and 10 min.
	Backoff, MaxBackoff time.Duration
	// GiveUp is when an item is dropped. Default 4 h.
	GiveUp time.Duration
	// Scale shortens Backoff, MaxBackoff and GiveUp: 0.01 makes 10 s into
	// 100 ms. Default 1.
	Scale float64
}

// Refusal is a reason for which a PATCH of policyViolation is refused.
type Refusal string

// The refusals and their default status. Microsoft documents the reasons, not
// the statuses.
const (
	RefuseForeign    Refusal = "foreign"     // sender of another tenant: 403
	RefuseSkype      Refusal = "skype"       // a consumer Skype member in the chat: 403
	RefuseUnlicensed Refusal = "unlicensed"  // sender without the licence: 403
	RefuseDeleted    Refusal = "deleted"     // deleted message: 404
	RefuseSystem     Refusal = "system"      // system event: 403
	RefuseApp        Refusal = "application" // sent by a bot: let through
)

var defaultRefusals = map[Refusal]int{
	RefuseForeign: 403, RefuseSkype: 403, RefuseUnlicensed: 403, RefuseDeleted: 404, RefuseSystem: 403, RefuseApp: 0,
}

type appKey struct{ tenant, app string }

// A Twin is a Microsoft Graph and the token service beside it. It is an
// http.Handler; all methods are safe for concurrent use.
type Twin struct {
	opts   Options
	clock  Clock
	client *http.Client

	ctx    context.Context // ends with Close
	cancel context.CancelFunc
	wg     sync.WaitGroup // what Close waits for

	mu       sync.Mutex // guards everything below
	wake     chan struct{}
	closed   bool
	server   *http.Server
	base     string
	rootCert *x509.Certificate
	rng      *mrand.Rand
	switches Switches
	throttle throttler

	tenants       []Tenant
	apps          map[appKey]*App
	users         []*User
	bots          []*Bot
	groups        []*Group
	teams         []*team
	conversations []*conversation
	messages      map[string]*message // by ref
	order         []string            // refs as they were said
	refs          int
	lastStamp     int64
	guids         uint64

	keys       []*signingKey // ever used; the last two are published
	nextKey    int
	tokenCache map[string]cachedToken
	// tokenGeneration counts revocations: access tokens of an earlier one are refused.
	tokenGeneration int

	subs   map[string]*subscription
	queues map[string]*queue
	// undelivered counts items that are queued, under way or waiting for a retry.
	undelivered int
	retries     map[*batch]func() // stops the timer
	stats       map[string]*SubscriptionStats
	deliveries  []Attempt

	faults   Faults
	rules    []*ruleState
	delivery []*deliveryState
	journal  []*Request
}

// New returns a twin. It panics if the World contradicts itself (a chat with a
// member who does not exist, say): that is a mistake in the program.
func New(o Options) *Twin {
	if o.Clock == nil {
		o.Clock = systemClock{}
	}
	if o.Switches == nil {
		s := DefaultSwitches()
		o.Switches = &s
	}
	setDefault(&o.TokenLifetime, time.Hour)
	setDefault(&o.PageSize, 100)
	setDefault(&o.Delivery.Batch, 20)
	setDefault(&o.Delivery.FirstTimeout, 3*time.Second)
	setDefault(&o.Delivery.RetryTimeout, 10*time.Second)
	setDefault(&o.Delivery.Backoff, 10*time.Second)
	setDefault(&o.Delivery.MaxBackoff, 10*time.Minute)
	setDefault(&o.Delivery.GiveUp, 4*time.Hour)
	setDefault(&o.Delivery.Scale, 1)
	o.Delivery.Batch = min(o.Delivery.Batch, 100)
	ctx, cancel := context.WithCancel(context.Background())
	t := &Twin{
		opts: o, clock: o.Clock, ctx: ctx, cancel: cancel, wake: make(chan struct{}),
		client: &http.Client{
			Transport: &http.Transport{
				TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12}, MaxIdleConnsPerHost: 16, IdleConnTimeout: time.Minute,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		rng:  mrand.New(mrand.NewPCG(0, 0x7477696e)), //nolint:gosec // a run can be repeated
		apps: map[appKey]*App{}, messages: map[string]*message{}, tokenCache: map[string]cachedToken{},
		subs: map[string]*subscription{}, queues: map[string]*queue{}, retries: map[*batch]func(){}, stats: map[string]*SubscriptionStats{},
	}
	t.throttle.set(o.Throttle)
	t.keys = []*signingKey{poolKey(0), poolKey(1)}
	t.nextKey = 2
	if err := t.SetSwitches(*o.Switches); err != nil {
		panic("graphtwin: " + err.Error())
	}
	if err := t.furnish(o.World); err != nil {
		panic("graphtwin: " + err.Error())
	}
	return t
}

func setDefault[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (t *Twin) furnish(w World) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tenants = slices.Clone(w.Tenants)
	for _, x := range w.Apps {
		t.addApp(x)
	}
	for _, x := range w.Users {
		if err := t.addUser(x); err != nil {
			return err
		}
	}
	for _, x := range w.Bots {
		t.addBot(x)
	}
	for _, x := range w.Groups {
		if err := t.addGroup(x); err != nil {
			return err
		}
	}
	for _, x := range w.Chats {
		if _, err := t.addChat(x); err != nil {
			return err
		}
	}
	for _, x := range w.Teams {
		if err := t.addTeam(x); err != nil {
			return err
		}
	}
	return nil
}

// Start listens on addr (127.0.0.1:0 takes a free port) and returns the URL.
func (t *Twin) Start(addr string) (string, error) { return t.listen(addr, false) }

// StartTLS is Start over TLS, with a certificate of its own for the host of
// addr; see CertPool.
func (t *Twin) StartTLS(addr string) (string, error) { return t.listen(addr, true) }

func (t *Twin) listen(addr string, withTLS bool) (string, error) {
	ln, err := new(net.ListenConfig).Listen(context.Background(), "tcp", addr)
	if err != nil {
		return "", err // it names the address
	}
	u := "http://" + ln.Addr().String()
	if withTLS {
		cert, root, err := selfSigned(ln.Addr().(*net.TCPAddr).IP)
		if err != nil {
			_ = ln.Close()
			return "", err
		}
		ln = tls.NewListener(ln, &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12})
		u = "https://" + ln.Addr().String()
		t.mu.Lock()
		t.rootCert = root
		t.mu.Unlock()
	}
	srv := &http.Server{Handler: t, ReadHeaderTimeout: 10 * time.Second}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.server != nil || t.closed {
		_ = ln.Close()
		return "", errors.New("twin was started before")
	}
	t.server = srv
	if t.base == "" {
		t.base = u
	}
	t.wg.Go(func() { _ = srv.Serve(ln) }) // always ErrServerClosed, after Close
	return u, nil
}

func selfSigned(ip net.IP) (tls.Certificate, *x509.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("making a TLS key: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "graphtwin"}, IPAddresses: []net.IP{ip}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().AddDate(1, 0, 0), IsCA: true, BasicConstraintsValid: true,
		KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("making a TLS certificate: %w", err)
	}
	root, err := x509.ParseCertificate(der)
	if err != nil {
		return tls.Certificate{}, nil, fmt.Errorf("making a TLS certificate: %w", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, root, nil
}

// CertPool holds the certificate of StartTLS; nil before.
func (t *Twin) CertPool() *x509.CertPool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rootCert == nil {
		return nil
	}
	pool := x509.NewCertPool()
	pool.AddCert(t.rootCert)
	return pool
}

// URL is the base under which clients reach the twin.
func (t *Twin) URL() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.base
}

// Close stops listening and delivering, and waits for both. What was not
// delivered is dropped.
func (t *Twin) Close() {
	t.mu.Lock()
	if t.closed {
		t.mu.Unlock()
		return
	}
	t.closed = true
	t.cancel()
	for b, stop := range t.retries {
		stop()
		delete(t.retries, b)
	}
	srv := t.server
	t.changed()
	t.mu.Unlock()
	if srv != nil {
		_ = srv.Close()
	}
	t.wg.Wait()
	t.client.CloseIdleConnections()
}

// Switches returns the switches as they are.
func (t *Twin) Switches() Switches {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.switches
}

// SetSwitches changes the switches from now on.
func (t *Twin) SetSwitches(s Switches) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	switch s.BlockedBody {
	case "":
		s.BlockedBody = BodyKept
	case BodyKept, BodyEmpty:
	default:
		return fmt.Errorf("blocked body %q: want %s or %s", s.BlockedBody, BodyKept, BodyEmpty)
	}
	t.switches = s
	return nil
}

// SetThrottle changes the limits from now on.
func (t *Twin) SetThrottle(x Throttle) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.throttle.set(x)
}

// Await returns nil as soon as cond holds: it is asked now and after every
// change of the twin's state. cond may call every method of the twin.
func (t *Twin) Await(ctx context.Context, cond func() bool) error {
	for {
		t.mu.Lock()
		wake := t.wake
		t.mu.Unlock()
		if cond() {
			return nil
		}
		select {
		case <-wake:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// Settle waits until no notification is queued, under way or to be retried.
func (t *Twin) Settle(ctx context.Context) error {
	err := t.Await(ctx, func() bool { return t.Undelivered() == 0 })
	if err != nil {
		return fmt.Errorf("%d notifications not delivered: %w", t.Undelivered(), err)
	}
	return nil
}

// Undelivered is how many items are queued, under way or to be retried.
func (t *Twin) Undelivered() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.undelivered
}

// changed wakes those who Await; t.mu is held.
func (t *Twin) changed() {
	close(t.wake)
	t.wake = make(chan struct{})
}

func (t *Twin) now() time.Time { return t.clock.Now().UTC() }

func (t *Twin) logf(format string, args ...any) {
	if t.opts.Logf != nil {
		t.opts.Logf(format, args...)
	}
}

// newGUID makes an id; t.mu is held. It is not a secret, so it is a count.
func (t *Twin) newGUID() string {
	t.guids++
	return derivedGUID("object " + strconv.FormatUint(t.guids, 10) + t.base)
}

// derivedGUID is a GUID in the form of version 4 that is always the same for seed.
func derivedGUID(seed string) string {
	sum := sha256.Sum256([]byte("graphtwin " + seed))
	return formatGUID(sum[:16])
}

func randomGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return formatGUID(b[:])
}

func formatGUID(b []byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// maxBody is the largest request that the twin reads.
const maxBody = 8 << 20

// call is one request on its way through the twin.
type call struct {
	r    *http.Request
	path []string // decoded segments, without the version
	args []string // what the route's stars stand for
	body []byte   // decoded
	from *access  // nil before it is known
	log  *Request
	base string
}

// answer is what a handler says. A nil body is an empty one.
type answer struct {
	status int
	header map[string]string
	body   any    // as JSON
	raw    string // instead of body, with its content type in header
	reset  bool
}

func ok(body any) answer { return answer{status: http.StatusOK, body: body} }

// ServeHTTP implements http.Handler.
func (t *Twin) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path == "/twin" || strings.HasPrefix(r.URL.Path, "/twin/") {
		t.serveControl(w, r)
		return
	}
	c, a := t.begin(r)
	if a.status == 0 {
		a = t.answer(c)
	}
	t.finish(w, c, a)
}

// begin reads the request and opens its line in the journal.
func (t *Twin) begin(r *http.Request) (*call, answer) {
	c := &call{r: r}
	segments, decoded, pathErr := splitPath(r.URL.EscapedPath())
	c.path = segments
	c.log = &Request{
		Path:      decoded,
		RequestID: randomGUID(), ClientRequestID: r.Header.Get("client-request-id"), Method: r.Method, Query: r.URL.RawQuery,
		UserAgent: r.UserAgent(), Authorized: r.Header.Get("Authorization") != "", ContentEncoding: r.Header.Get("Content-Encoding"),
	}
	t.mu.Lock()
	if t.base == "" {
		t.base = "http://" + r.Host
		if r.TLS != nil {
			t.base = "https://" + r.Host
		}
	}
	c.base = t.base
	c.log.At = t.now()
	t.journal = remember(t.journal, c.log)
	t.mu.Unlock()
	if pathErr != nil {
		return c, failure(http.StatusBadRequest, "BadRequest", "The request URL is malformed.")
	}
	body, err := readBody(r)
	if err != nil {
		return c, failure(http.StatusBadRequest, "BadRequest", "The request body could not be read: %s.", err)
	}
	c.body = body
	return c, answer{}
}

// splitPath decodes the segments of a path. name('value') is taken as two, as
// in the resource of a notification.
func splitPath(escaped string) (segments []string, decoded string, err error) {
	for _, part := range strings.Split(strings.Trim(escaped, "/"), "/") {
		s, err := url.PathUnescape(part)
		if err != nil {
			return nil, escaped, err
		}
		decoded += "/" + s
		if name, value, ok := strings.Cut(s, "('"); ok && strings.HasSuffix(value, "')") {
			segments = append(segments, name, strings.ReplaceAll(strings.TrimSuffix(value, "')"), "''", "'"))
			continue
		}
		segments = append(segments, s)
	}
	return segments, decoded, nil
}

func readBody(r *http.Request) ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, maxBody+1))
	if err != nil {
		return nil, err
	}
	if strings.EqualFold(r.Header.Get("Content-Encoding"), "gzip") {
		zr, err := gzip.NewReader(bytes.NewReader(body))
		if err != nil {
			return nil, errors.New("not gzip")
		}
		if body, err = io.ReadAll(io.LimitReader(zr, maxBody+1)); err != nil {
			return nil, errors.New("not gzip")
		}
	}
	if len(body) > maxBody {
		return nil, errors.New("too large")
	}
	return body, nil
}

// answer serves the request, with what the fault desk makes of it.
func (t *Twin) answer(c *call) answer {
	t.identify(c)
	rule := t.takeRule(c.r.Method, c.log.Path)
	if rule == nil {
		return t.serve(c)
	}
	t.mu.Lock()
	c.log.Fault = rule.name()
	t.mu.Unlock()
	if !rule.Apply {
		t.wait(c.r.Context(), time.Duration(rule.Delay))
		if rule.Reset || rule.Status != 0 {
			return rule.answer()
		}
		return t.serve(c)
	}
	served := t.serve(c)
	t.wait(c.r.Context(), time.Duration(rule.Delay))
	if rule.Reset || rule.Status != 0 {
		return rule.answer()
	}
	return served
}

// wait lets d pass by the twin's clock.
func (t *Twin) wait(ctx context.Context, d time.Duration) {
	if d <= 0 {
		return
	}
	done := make(chan struct{})
	stop := t.clock.AfterFunc(d, func() { close(done) })
	defer stop()
	select {
	case <-done:
	case <-ctx.Done():
	case <-t.ctx.Done():
	}
}

func (t *Twin) serve(c *call) answer {
	if len(c.path) > 0 && (c.path[0] == "v1.0" || c.path[0] == "beta") {
		c.path = c.path[1:]
		return t.serveGraph(c)
	}
	return t.serveLogin(c)
}

// finish writes the answer and closes the line in the journal.
func (t *Twin) finish(w http.ResponseWriter, c *call, a answer) {
	t.mu.Lock()
	c.log.Status = a.status
	c.log.RetryAfter = a.header["Retry-After"]
	if a.reset {
		c.log.Status = 0
	}
	c.log.Done = true
	t.changed()
	t.mu.Unlock()
	t.logf("%s %s -> %d", c.r.Method, c.log.Path, c.log.Status)
	if a.reset {
		resetConnection(w)
		return
	}
	h := w.Header()
	h.Set("request-id", c.log.RequestID)
	if c.log.ClientRequestID != "" {
		h.Set("client-request-id", c.log.ClientRequestID)
	}
	h.Set("Cache-Control", "no-store")
	h.Set("Date", t.now().Format(http.TimeFormat))
	h.Set("Strict-Transport-Security", "max-age=31536000")
	h.Set("x-ms-ags-diagnostic", `{"ServerInfo":{"DataCenter":"Twin","Slice":"E","Ring":"1","ScaleUnit":"000","RoleInstance":"GRAPHTWIN"}}`)
	for k, v := range a.header {
		h.Set(k, v)
	}
	switch e, isError := a.body.(*errorBody); {
	case isError:
		e.Error.Inner = innerError{t.now().Format("2006-01-02T15:04:05"), c.log.RequestID, c.log.ClientRequestID}
	case a.raw != "":
		w.WriteHeader(a.status)
		_, _ = io.WriteString(w, a.raw)
		return
	case a.body == nil:
		w.WriteHeader(a.status)
		return
	}
	if h.Get("Content-Type") == "" {
		h.Set("Content-Type", "application/json;odata.metadata=minimal;odata.streaming=true;IEEE754Compatible=false;charset=utf-8")
	}
	w.WriteHeader(a.status)
	writeJSON(w, a.body)
}

// writeJSON writes v as Graph does: no HTML escaping, one line.
func writeJSON(w io.Writer, v any) {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	_ = e.Encode(v) // a client that went away
}

// resetConnection ends the connection with a TCP reset and no answer.
func resetConnection(w http.ResponseWriter) {
	h, canHijack := w.(http.Hijacker)
	if !canHijack {
		panic(http.ErrAbortHandler)
	}
	conn, _, err := h.Hijack()
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	raw := conn
	if tc, isTLS := conn.(*tls.Conn); isTLS {
		raw = tc.NetConn()
	}
	if tcp, isTCP := raw.(*net.TCPConn); isTCP {
		_ = tcp.SetLinger(0)
	}
	_ = raw.Close()
}

// errorBody is Graph's error envelope.
type errorBody struct {
	Error struct {
		Code    string     `json:"code"`
		Message string     `json:"message"`
		Inner   innerError `json:"innerError"`
	} `json:"error"`
}

type innerError struct {
	Date            string `json:"date"`
	RequestID       string `json:"request-id"`
	ClientRequestID string `json:"client-request-id,omitempty"`
}

func failure(status int, code, format string, args ...any) answer {
	e := &errorBody{}
	e.Error.Code = code
	e.Error.Message = fmt.Sprintf(format, args...)
	return answer{status: status, body: e}
}
