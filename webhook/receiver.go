package webhook

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"runtime/debug"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/gin-gonic/gin"
	"go.uber.org/zap"
)

// The two routes of the public listener. They take the same: a lifecycle
// notification is one on either, since both URLs of a subscription may be equal.
const (
	NotificationsPath = "/graph/notifications"
	LifecyclePath     = "/graph/lifecycle"
)

// Config is what a Receiver is made of. Inbox, Subscriptions and Verifier must
// be set; every other zero value means the default that is named.
type Config struct {
	Inbox         Inbox
	Subscriptions Subscriptions
	Verifier      *Verifier

	// Full is asked before anything of a notification is read: while it returns an
	// error the answer is 503 at once. Nil: only Inbox says that it is full.
	Full func() error

	MaxBody     int64 // bytes of one request; 16 MiB
	MaxItems    int   // of one request; 1000
	MaxBuffered int64 // bytes of all requests in memory, but for the first 16 KiB of each; 4 x MaxBody

	// StoreTimeout is how long Put may take before the answer is 503; 2 s.
	// VerifyTimeout is how long a request waits for keys that are not there
	// before its tokens count as unverifiable; 500 ms. Together they stay below
	// the 3 s after which Graph calls an endpoint slow.
	StoreTimeout  time.Duration
	VerifyTimeout time.Duration

	// TrustedProxies are addresses or CIDRs whose X-Forwarded-For is believed; none.
	TrustedProxies []string

	Clock    func() time.Time // time.Now
	Observer Observer         // nobody
	Log      *zap.Logger      // nowhere
}

// Receiver is the public listener's handler. It is safe for concurrent use.
type Receiver struct {
	cfg     Config
	handler http.Handler
	bodies  budget
	dropped dropLog
}

var releaseMode = sync.OnceFunc(func() { gin.SetMode(gin.ReleaseMode) })

// New returns a Receiver, or says what is missing in cfg.
func New(cfg Config) (*Receiver, error) {
	if cfg.Inbox == nil || cfg.Subscriptions == nil || cfg.Verifier == nil {
		return nil, errors.New("webhook receiver: inbox, subscriptions and verifier must be set")
	}
	orDefault(&cfg.MaxBody, 16<<20)
	orDefault(&cfg.MaxItems, 1000)
	orDefault(&cfg.MaxBuffered, 4*cfg.MaxBody)
	orDefault(&cfg.StoreTimeout, 2*time.Second)
	orDefault(&cfg.VerifyTimeout, 500*time.Millisecond)
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Observer == nil {
		cfg.Observer = unobserved{}
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	r := &Receiver{cfg: cfg, dropped: dropLog{log: cfg.Log, every: 10 * time.Second, message: "notifications refused"}}
	r.bodies.give(cfg.MaxBuffered)
	if cfg.MaxBuffered >= 4*cfg.MaxBody { // else the largest body would not fit
		r.bodies.reserve = cfg.MaxBuffered / 2
	}

	releaseMode()
	g := gin.New()
	g.HandleMethodNotAllowed = true
	g.RedirectTrailingSlash = false
	// gin believes every proxy unless told otherwise; nil is none.
	if err := g.SetTrustedProxies(cfg.TrustedProxies); err != nil {
		return nil, fmt.Errorf("webhook receiver: trusted proxies: %w", err)
	}
	g.Use(r.recover)
	g.NoRoute(func(c *gin.Context) { c.AbortWithStatus(http.StatusNotFound) })
	g.NoMethod(func(c *gin.Context) { c.AbortWithStatus(http.StatusMethodNotAllowed) })
	g.POST(NotificationsPath, r.serve)
	g.POST(LifecyclePath, r.serve)
	r.handler = g
	return r, nil
}

func orDefault[N int | int64 | time.Duration](v *N, d N) {
	if *v <= 0 {
		*v = d
	}
}

// Handler returns the handler of both routes. Every other path is 404, every
// other method than POST 405.
func (r *Receiver) Handler() http.Handler {
	if r.cfg.Full == nil {
		return r.handler
	}
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if !r.shed(w, req) {
			r.handler.ServeHTTP(w, req)
		}
	})
}

// The headers of every answer, and of a refusal. They are not to be changed.
var (
	noSniff    = []string{"nosniff"}
	noSources  = []string{"default-src 'none'"}
	laterAgain = []string{"10"}
)

// shed refuses a notification while there is no room, before anything is read or
// looked up: under overload every answer costs. A handshake is answered all the
// same.
func (r *Receiver) shed(w http.ResponseWriter, req *http.Request) bool {
	path := req.URL.Path
	if req.Method != http.MethodPost || req.URL.RawQuery != "" || path != NotificationsPath && path != LifecyclePath || r.cfg.Full() == nil {
		return false
	}
	start := r.cfg.Clock()
	h := w.Header()
	h["X-Content-Type-Options"], h["Content-Security-Policy"], h["Retry-After"] = noSniff, noSources, laterAgain
	w.WriteHeader(http.StatusServiceUnavailable)
	r.refuse(map[Reason]int{ReasonInboxFull: 1})
	r.cfg.Observer.Answered(path, http.StatusServiceUnavailable, r.cfg.Clock().Sub(start))
	return true
}

// serve answers one POST to either route.
func (r *Receiver) serve(c *gin.Context) {
	start := r.cfg.Clock()
	h := c.Writer.Header()
	h["X-Content-Type-Options"], h["Content-Security-Policy"] = noSniff, noSources

	token, asked, why := handshake(c.Request.URL.RawQuery)
	status := http.StatusOK
	switch {
	case why != "":
		r.refuse(map[Reason]int{why: 1})
		status = why.status()
	case !asked:
		status = r.take(c.Request, start)
	}
	if status == http.StatusServiceUnavailable {
		h.Set("Retry-After", "10")
	}
	if asked && why == "" {
		c.Data(status, "text/plain; charset=utf-8", []byte(token))
	} else {
		c.Status(status)
		c.Writer.WriteHeaderNow()
	}
	r.cfg.Observer.Answered(c.FullPath(), status, r.cfg.Clock().Sub(start))
}

// take reads, proves and stores one collection and returns the status to
// answer: 202 only once everything worth storing is durable.
func (r *Receiver) take(req *http.Request, received time.Time) int {
	fail := func(why Reason) int {
		r.refuse(map[Reason]int{why: 1})
		return why.status()
	}
	if why := checkHeader(req.Header); why != "" {
		return fail(why)
	}
	body, held, why := readBody(req.Body, req.ContentLength, r.cfg.MaxBody, &r.bodies)
	defer r.bodies.give(held)
	if why != "" {
		body.free()
		return fail(why)
	}
	here(req.Context())
	c, why := parseCollection(body.b, r.cfg.MaxItems)
	body.free()
	if why != "" {
		return fail(why)
	}

	var drops tally
	items, strangers := r.match(c.Value, received, &drops)
	items = r.prove(req.Context(), items, c.Tokens, strangers, received, &drops)
	r.refuse(drops)
	if len(items) == 0 {
		return http.StatusAccepted
	}
	if why := r.store(req.Context(), items); why != "" {
		return fail(why)
	}
	return http.StatusAccepted
}

// tally counts what was dropped, by why. As a rule it is nothing: the map is made for
// the first.
type tally map[Reason]int

func (t *tally) add(why Reason, n int) {
	if *t == nil {
		*t = make(tally)
	}
	(*t)[why] += n
}

// match returns the items that are about a subscription of ours, carry its
// clientState and tenant, and are of a kind that we know. strangers are the
// tenants of those that are about another subscription.
func (r *Receiver) match(in []notification, received time.Time, drops *tally) (out []Item, strangers []string) {
	out = make([]Item, 0, len(in))
	for i := range in {
		n := &in[i]
		item, why := r.matchOne(n)
		if why != "" {
			drops.add(why, 1)
			if why == ReasonSubscription {
				strangers = append(strangers, n.TenantID)
			}
			continue
		}
		item.Received = received
		out = append(out, item)
	}
	return out, strangers
}

func (r *Receiver) matchOne(n *notification) (Item, Reason) {
	sub, why := r.subscription(n)
	if why != "" {
		return Item{}, why
	}
	item := Item{SubscriptionID: sub.ID, TenantID: sub.TenantID, AppID: sub.AppID}
	switch {
	case (n.ChangeType == "") == (n.LifecycleEvent == ""):
		return Item{}, ReasonAmbiguous
	case n.LifecycleEvent != "":
		if item.LifecycleEvent = oneOf(n.LifecycleEvent, "reauthorizationRequired", "subscriptionRemoved", "missed"); item.LifecycleEvent == "" {
			return Item{}, ReasonLifecycleEvent
		}
		// A lifecycle notification has no resource and no content; what comes
		// with it all the same is not looked at.
		return item, ""
	case len(n.Resource) > maxResource:
		return Item{}, ReasonResource
	}
	if item.ChangeType = oneOf(n.ChangeType, "created", "updated", "deleted"); item.ChangeType == "" {
		return Item{}, ReasonChangeType
	}
	item.Resource, item.Encrypted = n.Resource, n.Encrypted
	return item, ""
}

// subscription returns the subscription that a notification is for. An unknown
// id may be that of a subscription whose create has not been answered yet: then
// its clientState is one that we have stored as pending.
func (r *Receiver) subscription(n *notification) (Subscription, Reason) {
	if n.SubscriptionID == "" || len(n.SubscriptionID) > maxID || !graphic(n.SubscriptionID) {
		return Subscription{}, ReasonSubscription
	}
	sub, known := r.cfg.Subscriptions.Lookup(n.SubscriptionID)
	if !known {
		sub, known = r.pending(n)
	}
	if !known { // the create may have been answered between the two questions
		sub, known = r.cfg.Subscriptions.Lookup(n.SubscriptionID)
	}
	switch {
	case !known, !r.cfg.Verifier.expects(sub.TenantID, sub.AppID): // or one of a tenant or app that is not configured any more
		return Subscription{}, ReasonSubscription
	case !sameSecret(sub.ClientState, n.ClientState):
		return Subscription{}, ReasonClientState
	case !strings.EqualFold(sub.TenantID, n.TenantID):
		return Subscription{}, ReasonTenant
	}
	return sub, ""
}

// pending returns the subscription being created whose clientState n carries.
func (r *Receiver) pending(n *notification) (sub Subscription, known bool) {
	for _, p := range r.cfg.Subscriptions.Pending() { // all of them: no early end to measure
		if sameSecret(p.ClientState, n.ClientState) {
			sub, known = p, true
		}
	}
	sub.ID = n.SubscriptionID
	return sub, known
}

// prove looks at the tokens of the collection and returns the items that may be
// stored. It is only called with items that passed match, so that nobody who
// does not know a clientState can have us verify signatures or fetch keys.
func (r *Receiver) prove(ctx context.Context, items []Item, tokens, strangers []string, received time.Time, drops *tally) []Item {
	if len(items) == 0 {
		return nil
	}
	proof, ok := r.cfg.Verifier.rememberedCollection(tokens, received)
	var err error
	if !ok {
		ctx, cancel := context.WithTimeout(ctx, r.cfg.VerifyTimeout)
		defer cancel()
		proof, err = r.cfg.Verifier.VerifyCollection(ctx, tokens, received, strangers...)
	}
	if refusal, ok := errors.AsType[*Refusal](err); ok {
		drops.add(refusal.Reason, len(items))
		return nil
	}
	out := items[:0]
	for _, item := range items {
		if item.Encrypted != nil && !proof.Proves(item.TenantID, item.AppID) {
			item.Deferred = proof.Unproved(item.TenantID, item.AppID)
			switch {
			case len(tokens) == 0:
				drops.add(ReasonTokensMissing, 1)
				continue
			case len(item.Deferred) == 0:
				drops.add(ReasonTokenNotForIt, 1)
				continue
			}
		}
		out = append(out, item)
	}
	return out
}

// store puts the items into the inbox. A caller that hangs up does not undo it:
// what is half stored would only be sent again.
func (r *Receiver) store(ctx context.Context, items []Item) Reason {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), r.cfg.StoreTimeout)
	defer cancel()
	err := r.cfg.Inbox.Put(ctx, items)
	switch {
	case err == nil:
		deferred := 0
		for _, item := range items {
			if item.Deferred != nil {
				deferred++
			}
		}
		r.cfg.Observer.Stored(len(items), deferred)
		return ""
	case errors.Is(err, ErrFull):
		return ReasonInboxFull
	}
	r.cfg.Log.Error("storing notifications", zap.Int("items", len(items)), zap.Error(err))
	return ReasonStoreFailed
}

func (r *Receiver) refuse(drops map[Reason]int) {
	for reason, n := range drops {
		r.cfg.Observer.Refused(reason, n)
	}
	r.dropped.add(drops)
}

// recover answers a panic with 500. gin's own recovery would print the request.
// Of the panic only the type is logged: its value could hold content.
func (r *Receiver) recover(c *gin.Context) {
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if p == http.ErrAbortHandler { //nolint:errorlint // net/http compares it so
			panic(p)
		}
		r.cfg.Log.Error("panic in the webhook", zap.String("type", fmt.Sprintf("%T", p)), zap.ByteString("stack", debug.Stack()))
		c.AbortWithStatus(http.StatusInternalServerError)
	}()
	c.Next()
}

// maxSecret is the length of the longest clientState that Graph can send, by either
// of its pages. A longer one, of megabytes, is not hashed for each that is pending.
const maxSecret = 255

// sameSecret compares in constant time, the length of ours included. Nothing equals
// an empty secret, or one that is too long.
func sameSecret(ours, theirs string) bool {
	if len(theirs) > maxSecret {
		return false
	}
	a, b := sumOf(ours), sumOf(theirs)
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1 && ours != ""
}

// oneOf returns the canonical spelling of s, or "" if it is none of them.
func oneOf(s string, canonical ...string) string {
	for _, c := range canonical {
		if strings.EqualFold(s, c) {
			return c
		}
	}
	return ""
}

// graphic reports whether s is printable ASCII without spaces.
func graphic(s string) bool {
	return !strings.ContainsFunc(s, func(c rune) bool { return c <= ' ' || c > '~' })
}

// dropLog sums up what was dropped: the first at once, then at most one line a
// period, so that a flood of forgeries is not one of log lines.
type dropLog struct {
	log     *zap.Logger
	every   time.Duration
	message string

	mu      sync.Mutex
	counts  map[Reason]int
	waiting bool // a flush is to come
}

func (d *dropLog) add(drops map[Reason]int) {
	if len(drops) == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.counts == nil {
		d.counts = make(map[Reason]int)
	}
	for reason, n := range drops {
		d.counts[reason] += n
	}
	if !d.waiting {
		d.write()
	}
}

// write logs the counts, empties them and holds the next line back. The caller
// holds mu.
func (d *dropLog) write() {
	fields := make([]zap.Field, 0, len(d.counts)+1)
	for _, reason := range slices.Sorted(maps.Keys(d.counts)) {
		fields = append(fields, zap.Int(string(reason), d.counts[reason]))
	}
	if d.counts[ReasonTokensMissing] > 0 {
		fields = append(fields, zap.String("hint", "rich notifications without tokens: set appRoleAssignmentRequired to false on the app's service principal"))
	}
	d.log.Warn(d.message, fields...)
	clear(d.counts)
	d.waiting = true
	time.AfterFunc(d.every, func() {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.waiting = false
		if len(d.counts) > 0 {
			d.write()
		}
	})
}
