package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"sync"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/actions/review"
	"teamsdlp/cmd/internal/redis"
	"teamsdlp/subscriptions"
)

// What several nodes on one store need of one another. With the embedded store
// nothing here does anything.

// held is the pipeline's Held.
func (s *service) held() func(context.Context, string) (context.Context, context.CancelFunc) {
	if s.shared == nil {
		return nil
	}
	return s.shared.Held
}

// heldKey is the pipeline's HeldKey.
func (s *service) heldKey() func(context.Context, string) (context.Context, context.CancelFunc, error) {
	if s.shared == nil {
		return nil
	}
	return s.shared.HeldKey
}

// informed answers 503 while this node does not know the state of the others: it
// could take a notification for one of a subscription that nobody has.
func (s *service) informed(next http.Handler) http.Handler {
	if s.shared == nil {
		return next
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := s.shared.Fresh(); err != nil && !r.URL.Query().Has("validationToken") {
			begun := time.Now()
			w.Header().Set("Retry-After", "5")
			w.WriteHeader(http.StatusServiceUnavailable)
			s.metrics.Answered("", http.StatusServiceUnavailable, time.Since(begun))
			return
		}
		next.ServeHTTP(w, r)
	})
}

// seal signs checkpoints until ctx ends: on the node that leads.
func (s *service) seal(ctx context.Context) error {
	if s.shared == nil {
		s.sealer.Run(ctx)
		return nil
	}
	for ctx.Err() == nil {
		term, end, err := s.shared.Lead(ctx)
		if err != nil {
			return nil //nolint:nilerr // told to stop before it led
		}
		s.sealTerm(term)
		end()
	}
	return nil
}

// inOrder hands a checkpoint from sink to sink as long as each takes it. The first
// is the shared store, which refuses it from a node that does not lead any more:
// what such a node signs late, and covers less than what others signed since, must
// not reach the others, where it would look like a log that was rolled back.
type inOrder []actions.CheckpointSink

// Put implements actions.CheckpointSink.
func (o inOrder) Put(ctx context.Context, signed []byte) error {
	for _, sink := range o {
		if err := sink.Put(ctx, signed); err != nil {
			return err
		}
	}
	return nil
}

// sealTerm signs while term lasts, from when this node has the whole log.
func (s *service) sealTerm(term context.Context) {
	for term.Err() == nil {
		err := s.shared.CaughtUp(term)
		if err == nil {
			err = s.vouchShared(term)
		}
		if err == nil {
			break
		}
		if term.Err() == nil {
			s.log.Warn("checkpoints wait", zap.Error(err))
		}
		sleep(term, time.Second)
	}
	if term.Err() != nil {
		return
	}
	sealer := s.newSealer()
	var told sync.WaitGroup
	told.Go(func() {
		for every(term, time.Second) {
			sealer.Appended()
		}
	})
	sealer.Run(term)
	told.Wait()
}

// flush numbers what this node wrote, if it leads.
func (s *service) flush() {
	if s.shared == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := s.shared.Flush(ctx); err != nil {
		s.log.Warn("entries wait for another node to number them", zap.Error(err))
	}
}

// every waits, and reports whether ctx still lasts.
func every(ctx context.Context, wait time.Duration) bool {
	sleep(ctx, wait)
	return ctx.Err() == nil
}

func sleep(ctx context.Context, wait time.Duration) {
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// neighbours keeps up with the other nodes until ctx ends: it shares the limits of
// Graph and answers what they ask.
func (s *service) neighbours(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		for s.graphs.share(s.shared.Live()); every(ctx, time.Second); {
			s.graphs.share(s.shared.Live())
		}
	})
	return s.shared.Answer(ctx, s.answer)
}

// ---- decisions on a case whose conversation another node holds ----

type askedRelease struct {
	Case   actions.Case `json:"case"`
	Actor  string       `json:"actor"`
	Reason string       `json:"reason"`
}

// answered is what came of it. Refused: Text is for the analyst.
type answered struct {
	OK      bool   `json:"ok"`
	Refused bool   `json:"refused,omitempty"`
	Text    string `json:"text,omitempty"`
}

// releaseShared releases on the node that holds the case's conversation.
func (s *service) releaseShared(ctx context.Context, c actions.Case, actor, reason string) error {
	if c.Target == nil {
		return refusal(actions.ErrNothingStands)
	}
	key := c.Target.Key()
	held, end, err := s.shared.HeldKey(ctx, key)
	if err == nil {
		defer end()
		return refusal(s.pipeline.Release(held, c, actor, reason))
	}
	if !errors.Is(err, redis.ErrFenced) {
		return err
	}
	body, err := json.Marshal(askedRelease{c, actor, reason})
	if err != nil {
		return err
	}
	said, err := s.shared.Ask(ctx, key, body)
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("the node that holds this conversation did not answer; try again in a minute: %w", review.ErrRefused)
	}
	if err != nil {
		return err
	}
	var a answered
	switch err := json.Unmarshal(said, &a); {
	case err != nil:
		return err
	case a.OK:
		return nil
	case a.Refused:
		return fmt.Errorf("%s: %w", a.Text, review.ErrRefused)
	}
	return errors.New("the node that holds this conversation could not release: " + a.Text)
}

// answer does what another node asks.
func (s *service) answer(ctx context.Context, body []byte) []byte {
	var a answered
	switch err := s.releaseHere(ctx, body); {
	case err == nil:
		a.OK = true
	case errors.Is(err, review.ErrRefused):
		a.Refused, a.Text = true, trimRefused(err)
	default:
		a.Text = err.Error()
	}
	said, _ := json.Marshal(a) // plain values
	return said
}

func (s *service) releaseHere(ctx context.Context, body []byte) error {
	var ask askedRelease
	if err := json.Unmarshal(body, &ask); err != nil || ask.Case.Target == nil {
		return errors.New("a question that cannot be read")
	}
	ctx, cancel := context.WithTimeout(ctx, 40*time.Second)
	defer cancel()
	held, end, err := s.shared.HeldKey(ctx, ask.Case.Target.Key())
	if err != nil {
		return fmt.Errorf("the conversation went to another node; try again: %w", review.ErrRefused)
	}
	defer end()
	return refusal(s.pipeline.Release(held, ask.Case, ask.Actor, ask.Reason))
}

// trimRefused is the sentence without the mark that it is one.
func trimRefused(err error) string {
	text := err.Error()
	mark := ": " + review.ErrRefused.Error()
	if n := len(text) - len(mark); n > 0 && text[n:] == mark {
		return text[:n]
	}
	return text
}

// ---- subscriptions: one owner ----

// coverer holds subscriptions, or knows who does.
type coverer interface {
	Lookup(id string) (subscriptions.Subscription, bool)
	PendingOnes() []subscriptions.Subscription
	Snapshot() []subscriptions.View
	Ready() bool
	Notified(id string, at time.Time)
	Lifecycle(ctx context.Context, e subscriptions.Event) error
	Load(ctx context.Context) error
	Run(ctx context.Context) error
}

// sharedManager holds the subscriptions while this node leads, and else answers
// from what the leader wrote.
type sharedManager struct {
	s *service

	mu       sync.Mutex
	own      *subscriptions.Manager // nil: another node leads
	notified map[string]time.Time   // not told to the leader yet
}

func newSharedManager(s *service) *sharedManager {
	return &sharedManager{s: s, notified: map[string]time.Time{}}
}

func (m *sharedManager) current() *subscriptions.Manager {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.own
}

// Lookup answers from memory: what the manager knows may be newer than the store.
func (m *sharedManager) Lookup(id string) (subscriptions.Subscription, bool) {
	if own := m.current(); own != nil {
		if sub, ok := own.Lookup(id); ok {
			return sub, true
		}
	}
	return m.s.shared.Lookup(id)
}

func (m *sharedManager) PendingOnes() []subscriptions.Subscription {
	list := m.s.shared.PendingOnes()
	if own := m.current(); own != nil {
		list = append(list, own.PendingOnes()...)
	}
	return list
}

func (m *sharedManager) Snapshot() []subscriptions.View {
	if own := m.current(); own != nil {
		return own.Snapshot()
	}
	if views := m.s.shared.Views(); len(views) > 0 {
		return views
	}
	var list []subscriptions.View // nobody has led yet
	for _, t := range targets(m.s.cfg) {
		list = append(list, subscriptions.View{TenantID: t.TenantID, Resource: t.Resource})
	}
	return list
}

func (m *sharedManager) Ready() bool {
	for _, v := range m.Snapshot() {
		if v.Status != subscriptions.Active || !time.Now().Before(v.Expires) {
			return false
		}
	}
	return true
}

func (m *sharedManager) Notified(id string, at time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.own != nil {
		m.own.Notified(id, at)
		return
	}
	if at.After(m.notified[id]) {
		m.notified[id] = at
	}
}

// errNotLeader is returned for what only the leader can do.
var errNotLeader = errors.New("another node holds the subscriptions")

func (m *sharedManager) Lifecycle(ctx context.Context, e subscriptions.Event) error {
	own := m.current()
	if own == nil {
		return errNotLeader
	}
	return own.Lifecycle(ctx, e)
}

// Load implements coverer: the store has loaded the table.
func (m *sharedManager) Load(context.Context) error { return nil }

// Run holds the subscriptions whenever this node leads, until ctx ends.
func (m *sharedManager) Run(ctx context.Context) error {
	var all sync.WaitGroup
	defer all.Wait()
	all.Go(func() {
		for every(ctx, 2*time.Second) {
			m.tell(ctx)
		}
	})
	for ctx.Err() == nil {
		term, end, err := m.s.shared.Lead(ctx)
		if err != nil {
			return nil //nolint:nilerr // told to stop before it led
		}
		err = m.term(ctx, term)
		end()
		if err != nil && ctx.Err() == nil {
			m.s.log.Warn("holding the subscriptions", zap.Error(err))
			sleep(ctx, time.Second)
		}
	}
	return nil
}

// term holds the subscriptions for one term: with a manager that begins with what
// the one before wrote.
func (m *sharedManager) term(ctx, term context.Context) error {
	own, err := m.s.newManager()
	if err != nil {
		return err
	}
	if err := own.Load(term); err != nil {
		return err
	}
	m.mu.Lock()
	m.own = own
	m.mu.Unlock()
	m.s.log.Info("this node holds the subscriptions")
	err = own.Run(term)
	m.mu.Lock()
	m.own = nil
	m.mu.Unlock()
	if ctx.Err() == nil {
		m.s.log.Info("this node does not hold the subscriptions any more")
	}
	return err
}

// tell shows the others what the leader sees, and the leader what they saw.
func (m *sharedManager) tell(ctx context.Context) {
	if own := m.current(); own != nil {
		heard, err := m.s.shared.TakeNotified(ctx)
		for id, at := range heard {
			own.Notified(id, at)
		}
		if err = errors.Join(err, m.s.shared.Show(ctx, own.Snapshot())); err != nil && !errors.Is(err, redis.ErrFenced) {
			m.s.log.Warn("showing the subscriptions to the other nodes", zap.Error(err))
		}
		return
	}
	m.mu.Lock()
	seen := m.notified
	m.notified = map[string]time.Time{}
	m.mu.Unlock()
	if err := m.s.shared.Notified(ctx, seen); err != nil {
		m.s.log.Debug("telling the leader what came in", zap.Error(err))
	}
}
