// Package pipeline is the product in one place: it takes what the webhook
// stored and carries each message to its verdict, its action and its entry.
//
// # The way of one item
//
//	claim -> prove what was deferred -> open -> extract -> follow -> context and
//	judge -> log the intent -> act -> log the result and end the inbox row
//
// Each step is a function of its own in this package; [Pipeline.handle] reads as
// the list of them. What is done about a version of a message is decided by
// [actions.Next], what the rules say by [policy.Set.Judge], and neither does any
// I/O. This package fetches, calls them, and writes down.
//
// # Lanes
//
// All work about one conversation runs in one lane, in the order in which it
// was stored: the PATCH of a message's first version cannot overtake that of its
// second, and an analyst's release waits for what is under way. Conversations do
// not wait for one another: of a conversation in which Graph is slow only a few
// items are held, the others go back to the inbox until it is their turn.
//
// # Guarantees
//
// An inbox row ends only in the same commit as what became of it, in a drop with
// a counted reason, or in quarantine with its ciphertext. Killed at any point,
// the row is claimed again at the next start and the ledger tells how far it
// came. If the ledger cannot be written nothing is sent, and the item is tried
// again until it can.
//
// The package does not depend on the Graph SDK.
package pipeline

import (
	"context"
	"errors"
	"fmt"
	"runtime"
	"runtime/debug"
	"sync"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/semaphore"

	"teamsdlp/actions"
	"teamsdlp/policy"
	"teamsdlp/webhook"
)

// Inbox is the claiming side of the store of items.
type Inbox interface {
	// Claim waits for items and returns at most limit of them, oldest first.
	// Each stays claimed until it is ended, put back or the process ends.
	Claim(ctx context.Context, limit int) ([]webhook.Item, error)
	// Proved records that an item's deferred tokens were verified: it comes without them
	// from then on, however Microsoft's keys change.
	Proved(ctx context.Context, receipt string) error
	// Drop ends an item that leads to nothing.
	Drop(ctx context.Context, receipt, reason string) error
	// Defer puts an item back until a time. It comes again, whatever became of others
	// like it: those behind it in line wait for it.
	Defer(ctx context.Context, receipt string, until time.Time, reason string) error
	// Recall has items that were put back come at once, in that order. Those that
	// are not there, or have come already, are left as they are.
	Recall(ctx context.Context, receipts []string) error
	// Quarantine sets an item aside with its ciphertext and the reason.
	Quarantine(ctx context.Context, receipt, reason string) error
}

// Opener decrypts resource data; webhook.Keyring is one.
type Opener interface {
	Open(*webhook.EncryptedContent) ([]byte, error)
}

// Verifier proves an item by the tokens that it was stored with, as of its
// receipt; webhook.Verifier is one.
type Verifier interface {
	Prove(ctx context.Context, item webhook.Item) error
}

// Graph is what is asked of Graph for one tenant.
type Graph interface {
	actions.Graph
	// Message reads a message as JSON. Errors are as in Read.
	Message(ctx context.Context, target actions.Target) ([]byte, error)
	Conversation(ctx context.Context, target actions.Target) (*policy.Conversation, error)
	Person(ctx context.Context, userID string) (*policy.Person, error)
	// Groups returns those of the groups that the user is a member of.
	Groups(ctx context.Context, userID string, groups []string) ([]string, error)
	// ForgetMembers drops what is known of the members of target's conversation, and of
	// those that the same people may have come to.
	ForgetMembers(target actions.Target)
}

// Observer is told what happened, for metrics. It must not block.
type Observer interface {
	Dropped(reason string)
	Quarantined(reason string)
	Deferred(reason string)
	// ContextMissing is called for conversation, person or groups; the cause is one of
	// the constants.
	ContextMissing(what, cause string)
	// Judged is called for each verdict: action is what it asked for, shadow
	// whether only shadow rules matched.
	Judged(action string, matched bool, took time.Duration)
	// Acted is called when an action's result is known.
	Acted(outcome string, e actions.Exposure)
}

// Config is what New needs. Fields without a word of a default are required.
type Config struct {
	Inbox    Inbox
	Ledger   actions.Ledger
	Log      actions.Log
	Opener   Opener
	Verifier Verifier
	// Graph returns the client of a tenant, nil if the tenant is not ours.
	Graph func(tenant string) Graph
	Rules func() *policy.Set
	// Lifecycle takes lifecycle notifications.
	Lifecycle func(ctx context.Context, subscriptionID, event string) error
	// Unfinished returns the releases that were decided and have no result; Run
	// takes them up before anything else. Nil: there are none.
	Unfinished func(context.Context) ([]actions.Effect, error)
	// Mask masks what people wrote before it is recorded.
	Mask func(string) string
	// Notified is told of each notification's subscription and time; nil: nobody is.
	Notified func(subscriptionID string, at time.Time)
	Keys     *actions.Keys
	// Held returns a context for the work on a claimed item, which ends when the
	// item is not ours to work on any more, and what to call when the work is over.
	// Nil: an item stays ours until it is ended or put back.
	Held func(ctx context.Context, receipt string) (context.Context, context.CancelFunc)
	// HeldKey is Held for work about a message that no item led to. Its error means
	// that the message is not ours to work on.
	HeldKey func(ctx context.Context, messageKey string) (context.Context, context.CancelFunc, error)
	// Working is told how many more conversations are worked on, or fewer, those that
	// wait for Graph left out: a store can write the ends of their messages together.
	// Nil: nobody is.
	Working func(delta int)
	// CanEnforce: the cloud has the API to act on messages.
	CanEnforce bool

	Observer Observer         // nil: nobody
	Clock    func() time.Time // nil: time.Now
	Program  *zap.Logger      // nil: none
	// InFlight bounds the items claimed at once, default 4096, and LaneDepth those
	// of one conversation that wait for their turn, default 64.
	InFlight, LaneDepth int
	// MaxParked bounds the actions that wait for an operator, default 10,000, and
	// ParkedFor for how long each does, default 72 h.
	MaxParked int
	ParkedFor time.Duration
	// Quarantined returns how many items are set aside. While they are fewer than
	// MaxUnproved, default 10,000, one is set aside too whose tokens were signed by a
	// key that may be made up; beyond, it is dropped. Nil: none are.
	Quarantined func(ctx context.Context) (int64, error)
	MaxUnproved int64
	// ContextTimeout bounds the fetching of context for one message, default 10 s.
	ContextTimeout time.Duration
	// Drain is how long Run waits for work under way when it is told to end,
	// default 10 s. What is not done then is taken up at the next start.
	Drain time.Duration
}

// Pipeline is the product between inbox and Graph. Its methods are safe for
// concurrent use.
type Pipeline struct {
	Config
	recorder *actions.Recorder
	lanes    *lanes
	parking  *parking
	slots    *semaphore.Weighted // items in flight
	cores    chan struct{}       // holds one for each piece of work that only computes

	reminders reminders
	unproved  sync.Mutex // held by whoever sets aside what may be forged

	life  context.Context // of all work; it ends when Run has drained
	abort context.CancelFunc

	clock          func() time.Time
	observe        Observer
	log            *zap.Logger
	keys           *actions.Keys
	canEnforce     bool
	contextTimeout time.Duration
}

// New returns a pipeline that is not running.
func New(cfg Config) *Pipeline {
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Observer == nil {
		cfg.Observer = nobody{}
	}
	if cfg.Program == nil {
		cfg.Program = zap.NewNop()
	}
	if cfg.InFlight == 0 {
		cfg.InFlight = 4096
	}
	if cfg.LaneDepth == 0 {
		cfg.LaneDepth = 64
	}
	if cfg.MaxParked == 0 {
		cfg.MaxParked = 10_000
	}
	if cfg.ParkedFor == 0 {
		cfg.ParkedFor = 72 * time.Hour
	}
	if cfg.Quarantined == nil {
		cfg.Quarantined = func(context.Context) (int64, error) { return 0, nil }
	}
	if cfg.MaxUnproved == 0 {
		cfg.MaxUnproved = 10_000
	}
	if cfg.ContextTimeout == 0 {
		cfg.ContextTimeout = 10 * time.Second
	}
	if cfg.Drain == 0 {
		cfg.Drain = 10 * time.Second
	}
	p := &Pipeline{
		Config: cfg, lanes: newLanes(cfg.LaneDepth, cfg.Clock), parking: newParking(cfg.MaxParked, cfg.ParkedFor, cfg.Clock), slots: semaphore.NewWeighted(int64(cfg.InFlight)),
		cores: make(chan struct{}, runtime.GOMAXPROCS(0)),
		clock: cfg.Clock, observe: cfg.Observer, log: cfg.Program, keys: cfg.Keys,
		canEnforce: cfg.CanEnforce, contextTimeout: cfg.ContextTimeout,
	}
	p.lanes.working, p.lanes.recall = cfg.Working, p.recall
	p.life, p.abort = context.WithCancel(context.Background())
	p.recorder = &actions.Recorder{Ledger: cfg.Ledger, Log: cfg.Log, Keys: cfg.Keys, Mask: cfg.Mask, Clock: cfg.Clock}
	return p
}

// Recorder is what the pipeline records with.
func (p *Pipeline) Recorder() *actions.Recorder { return p.recorder }

// claimBatch is how many items are claimed at once, at most.
const claimBatch = 256

// Run claims and handles items until ctx ends; then it takes no more work, lets
// what is under way finish for Config.Drain and returns nil. It returns early
// only if the inbox cannot be read for a minute. It must be called once.
func (p *Pipeline) Run(ctx context.Context) error {
	defer func() {
		timer := time.AfterFunc(p.Drain, p.abort)
		defer timer.Stop()
		p.lanes.close()
		p.abort()
	}()
	if err := p.resumeReleases(ctx); err != nil && ctx.Err() == nil {
		return err
	}
	for {
		items, err := p.claim(ctx)
		if ctx.Err() != nil {
			return nil //nolint:nilerr // that is how Run is told to stop; what was claimed is claimed again at the next start
		}
		if err != nil {
			return err
		}
		var away sync.WaitGroup
		for _, item := range items {
			wait := p.lanes.admit(laneOf(item), item.Receipt, func() {
				defer p.slots.Release(1)
				if ctx.Err() == nil { // else told to stop before this began
					held, release := p.held(p.life, item)
					defer release()
					p.untilWritten(held, item)
				}
			})
			if wait > 0 {
				away.Go(func() {
					defer p.slots.Release(1)
					held, release := p.held(ctx, item)
					defer release()
					p.sendAway(held, item, wait)
				})
			}
		}
		away.Wait() // they share a commit
	}
}

func (p *Pipeline) held(ctx context.Context, item webhook.Item) (context.Context, context.CancelFunc) {
	if p.Held == nil {
		return ctx, func() {}
	}
	return p.Held(ctx, item.Receipt)
}

// Forget forgets which items of some lanes were sent away or are parked: they are not ours any
// more, and may never come back. lost reports whether a lane is one of them.
func (p *Pipeline) Forget(lost func(lane string) bool) {
	p.lanes.forget(lost)
	p.parking.forget(lost)
}

// Parked returns how many actions wait for an operator, and for how many kinds of
// conversation, chats or channels of a tenant, Graph takes none.
func (p *Pipeline) Parked() (waiting, gates int) { return p.parking.counts() }

// RetryParked lets the actions that wait for an operator be tried as soon as their
// items come, whatever they waited for: the first of each kind of conversation tells
// for the others. Whoever calls it has the items recalled.
func (p *Pipeline) RetryParked() { p.parking.retry() }

// claim returns items, each with a slot taken for it. An inbox that cannot be
// read is tried again for a minute.
func (p *Pipeline) claim(ctx context.Context) ([]webhook.Item, error) {
	if err := p.slots.Acquire(ctx, 1); err != nil {
		return nil, err
	}
	limit := 1
	for limit < claimBatch && p.slots.TryAcquire(1) {
		limit++
	}
	var items []webhook.Item
	defer func() { p.slots.Release(int64(limit - len(items))) }()
	for begun := p.clock(); ; {
		var err error
		items, err = p.Inbox.Claim(ctx, limit)
		if err == nil || ctx.Err() != nil {
			return items, err
		}
		if p.clock().Sub(begun) > time.Minute {
			return nil, fmt.Errorf("claiming items: %w", err)
		}
		p.log.Error("items not claimed, trying again", zap.Error(err))
		pause(ctx, time.Second)
	}
}

// Behind is why an item is put back for which there is no room in its lane. A process
// that takes the work of another over knows of none of these, and has room.
const Behind = "its conversation is behind"

// sendAway puts an item back until it is about its turn in its lane.
func (p *Pipeline) sendAway(ctx context.Context, item webhook.Item, wait time.Duration) {
	lane := laneOf(item)
	for {
		err := p.deferBy(ctx, item, wait, Behind)
		if err == nil {
			p.lanes.putBack(lane, item.Receipt)
			return
		}
		if ctx.Err() != nil { // not ours any more: it may never come back, and nobody must wait for it
			p.lanes.forget(func(key string) bool { return key == lane })
			return
		}
		p.log.Error("item not put back, trying again", zap.String("receipt", item.Receipt), zap.Error(err))
		pause(ctx, time.Second)
	}
}

// recall has items come back that stayed away. It tries until it is heard: those
// behind them in line wait for them.
func (p *Pipeline) recall(receipts []string) {
	for wait := 100 * time.Millisecond; p.life.Err() == nil; wait = min(2*wait, 5*time.Second) {
		err := p.Inbox.Recall(p.life, receipts)
		if err == nil || p.life.Err() != nil {
			return
		}
		p.log.Error("items not called back, trying again", zap.Int("items", len(receipts)), zap.Error(err))
		pause(p.life, wait)
	}
}

// pause waits, or until ctx ends.
func pause(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// compute runs what only computes, on no more cores than there are: hundreds of
// lanes that decrypt at once would keep the answers to Graph waiting.
func (p *Pipeline) compute(do func()) {
	p.cores <- struct{}{} // whoever has one gives it back soon
	defer func() { <-p.cores }()
	do()
}

// laneOf names the lane of an item: its conversation; for a lifecycle item its
// subscription. A resource that cannot be read has a lane of its own, where it
// is set aside.
func laneOf(item webhook.Item) string {
	if item.LifecycleEvent != "" {
		return "lifecycle/" + item.SubscriptionID
	}
	ref, err := webhook.ParseResource(item.Resource)
	if err != nil {
		return "unreadable/" + item.SubscriptionID
	}
	return item.TenantID + "/" + ref.Lane()
}

// stuck is how long an item is tried in place. Then it is put back if at least
// that can be written: what is wrong may be with this item alone.
const stuck = 2 * time.Minute

// untilWritten handles an item until what became of it is written down: the
// store is the only thing that can fail here, and without it nothing goes on.
func (p *Pipeline) untilWritten(ctx context.Context, item webhook.Item) {
	begun := p.clock()
	for wait := 100 * time.Millisecond; ctx.Err() == nil; wait = min(2*wait, 5*time.Second) {
		err := p.guarded(ctx, item)
		if err == nil || ctx.Err() != nil {
			return
		}
		p.log.Error("item not written, trying again", zap.String("receipt", item.Receipt), zap.Duration("wait", wait), zap.Error(err))
		if p.clock().Sub(begun) > stuck && p.putBack(ctx, item, "what became of it could not be written") == nil {
			return
		}
		pause(ctx, wait)
	}
}

// guarded is handle, with a panic turned into quarantine: one poisoned item must
// not stop the others. What the panic says is not logged: it may hold text.
func (p *Pipeline) guarded(ctx context.Context, item webhook.Item) (err error) {
	defer func() {
		if v := recover(); v != nil {
			p.panicked(v, zap.String("receipt", item.Receipt))
			err = p.quarantine(ctx, item, "internal error")
		}
	}()
	return p.handle(ctx, item)
}

func (p *Pipeline) panicked(v any, about zap.Field) {
	p.log.Error("panic in the pipeline", about, zap.String("type", fmt.Sprintf("%T", v)), zap.ByteString("stack", debug.Stack()))
}

// handle takes one item all the way. A nil error means that what became of it
// is written down, or that ctx ended first.
func (p *Pipeline) handle(ctx context.Context, item webhook.Item) error {
	if wait, reason := p.parking.early(item.Receipt); wait > 0 {
		return p.deferParked(ctx, item, wait, reason)
	}
	if done, err := p.prove(ctx, item); done || err != nil {
		return err
	}
	if p.Notified != nil {
		p.Notified(item.SubscriptionID, item.Received)
	}
	if item.LifecycleEvent != "" {
		return p.lifecycle(ctx, item)
	}
	ref, err := webhook.ParseResource(item.Resource)
	if err != nil {
		return p.quarantine(ctx, item, "resource is not the path of a message")
	}
	target := targetOf(item.TenantID, ref)
	message, done, err := p.open(ctx, item, ref, target)
	if done || err != nil {
		return err
	}
	return p.follow(ctx, item, target, message)
}

// keyStays is how long after it signed a token a key is almost surely published: it is
// before, and for days after. So a key that is not there so soon is likely made up,
// by somebody who knows the subscription's secret: of such items only so many are kept.
// Later, as after an outage or when an item in quarantine is tried again, nobody can
// tell, and the item is kept. It is more than an item waits for the keys to be asked
// for again.
const keyStays = 15 * time.Minute

// prove verifies what could not be verified on receipt, as of the receipt, and has that
// recorded before anything is done: an item can wait for long, put back or in quarantine,
// and the key that proved it may be withdrawn meanwhile.
func (p *Pipeline) prove(ctx context.Context, item webhook.Item) (done bool, err error) {
	if len(item.Deferred) == 0 {
		return false, nil
	}
	err = p.Verifier.Prove(ctx, item)
	var refusal *webhook.Refusal
	switch {
	case err == nil:
		return false, p.Inbox.Proved(ctx, item.Receipt)
	case ctx.Err() != nil:
		return true, nil //nolint:nilerr // claimed again at the next start
	case errors.As(err, &refusal) && refusal.Reason == webhook.ReasonTokenUnknownKey:
		return true, p.unknownKey(ctx, item)
	case errors.As(err, &refusal):
		return true, p.drop(ctx, item, string(refusal.Reason))
	case errors.Is(err, webhook.ErrUnverifiable):
		return true, p.putBack(ctx, item, "signing keys are out of reach")
	}
	// Nothing says that it is forged.
	p.log.Error("tokens not verified", zap.String("receipt", item.Receipt), zap.Error(err))
	return true, p.putBack(ctx, item, "tokens could not be verified")
}

// unknownKey sets an item aside whose tokens name a key that Microsoft does not publish.
// It was answered 202, so if it is genuine it must not be lost.
func (p *Pipeline) unknownKey(ctx context.Context, item webhook.Item) error {
	if p.Clock().Sub(item.Received) > keyStays {
		return p.quarantine(ctx, item, "the key that signed its tokens is not among Microsoft's now: it was withdrawn since, or never was")
	}
	p.unproved.Lock() // so that no two of them take the last place
	defer p.unproved.Unlock()
	n, err := p.Quarantined(ctx)
	switch {
	case err != nil:
		return err
	case n >= p.MaxUnproved:
		return p.drop(ctx, item, string(webhook.ReasonTokenUnknownKey))
	}
	return p.quarantine(ctx, item, "the key that signed its tokens is not among Microsoft's: it was made up, or withdrawn at once")
}

func (p *Pipeline) lifecycle(ctx context.Context, item webhook.Item) error {
	if err := p.Lifecycle(ctx, item.SubscriptionID, item.LifecycleEvent); err != nil {
		if ctx.Err() != nil {
			return nil //nolint:nilerr // claimed again at the next start
		}
		p.log.Warn("lifecycle notification", zap.String("event", item.LifecycleEvent), zap.String("subscription", item.SubscriptionID), zap.Error(err))
		return p.putBack(ctx, item, "lifecycle: "+item.LifecycleEvent)
	}
	return p.Inbox.Drop(ctx, item.Receipt, "lifecycle")
}

// open returns the message of an item: decrypted, or read from Graph when it
// came without content.
func (p *Pipeline) open(ctx context.Context, item webhook.Item, ref webhook.Ref, target actions.Target) (m *webhook.Message, done bool, err error) {
	var data []byte
	if item.Encrypted == nil {
		if data, done, err = p.read(ctx, item, target); done || err != nil {
			return nil, true, err
		}
	}
	p.compute(func() {
		if item.Encrypted != nil {
			data, err = p.Opener.Open(item.Encrypted)
		}
		if err == nil {
			m, err = webhook.DecodeMessage(data)
		}
	})
	if err != nil {
		return nil, true, p.quarantine(ctx, item, err.Error())
	}
	// The signature covers the content only: a resource of another message put in
	// front of it would have us act on that one.
	if said := m.Ref(); said != (webhook.Ref{}) && said.Key() != ref.Key() || m.ID != ref.MessageID {
		return nil, true, p.quarantine(ctx, item, "content is of another message than its resource")
	}
	return m, false, nil
}

// read fetches the content that a notification came without.
func (p *Pipeline) read(ctx context.Context, item webhook.Item, target actions.Target) (data []byte, done bool, err error) {
	graph := p.graph(item.TenantID)
	if graph == nil {
		return nil, true, p.quarantine(ctx, item, "its tenant is not configured any more")
	}
	data, err = graph.Message(ctx, target)
	switch {
	case err == nil:
		return data, false, nil
	case ctx.Err() != nil:
		return nil, true, nil //nolint:nilerr // claimed again at the next start
	case isGone(err) && (item.ChangeType == string(actions.Deleted) || item.Attempts > 0):
		return nil, true, p.gone(ctx, item, target)
	case isNonsense(err): // it would be tried for ever
		return nil, true, p.quarantine(ctx, item, "Graph can read no message that its resource names")
	}
	// A message that is new may not be there yet: it is asked for once more.
	return nil, true, p.putBack(ctx, item, "content could not be read from Graph")
}

// ---- ends other than an effect ----

func (p *Pipeline) drop(ctx context.Context, item webhook.Item, reason string) error {
	if err := p.left(item, p.Inbox.Drop(ctx, item.Receipt, reason)); err != nil {
		return err
	}
	p.observe.Dropped(reason)
	return nil
}

func (p *Pipeline) quarantine(ctx context.Context, item webhook.Item, reason string) error {
	if err := p.left(item, p.Inbox.Quarantine(ctx, item.Receipt, reason)); err != nil {
		return err
	}
	p.observe.Quarantined(reason)
	p.log.Warn("item set aside", zap.String("receipt", item.Receipt), zap.String("subscription", item.SubscriptionID), zap.String("reason", reason))
	return nil
}

// backOff is how long an item stays away by its attempts: 5 s to 5 min.
func backOff(item webhook.Item) time.Duration {
	return min(5*time.Second<<min(item.Attempts, 6), 5*time.Minute)
}

func (p *Pipeline) putBack(ctx context.Context, item webhook.Item, reason string) error {
	return p.deferBy(ctx, item, backOff(item), reason)
}

func (p *Pipeline) deferBy(ctx context.Context, item webhook.Item, wait time.Duration, reason string) error {
	if err := p.Inbox.Defer(ctx, item.Receipt, p.now().Add(wait), reason); err != nil {
		return err
	}
	p.observe.Deferred(reason)
	return nil
}

// deferParked puts an item back whose action waits for an operator. Observers are not
// told for what: tenants are no labels.
func (p *Pipeline) deferParked(ctx context.Context, item webhook.Item, wait time.Duration, reason string) error {
	if err := p.Inbox.Defer(ctx, item.Receipt, p.now().Add(wait), reason); err != nil {
		return err
	}
	p.observe.Deferred(Parked)
	return nil
}

// nobody observes nothing.
type nobody struct{}

func (nobody) Dropped(string)                     {}
func (nobody) Quarantined(string)                 {}
func (nobody) Deferred(string)                    {}
func (nobody) ContextMissing(string, string)      {}
func (nobody) Judged(string, bool, time.Duration) {}
func (nobody) Acted(string, actions.Exposure)     {}
