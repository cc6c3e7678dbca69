package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"teamsdlp/cmd/internal/faults"
)

const (
	// margin is how long before its end a lease is given up here: what was begun
	// is cancelled by then.
	margin = 50 * time.Millisecond
	// leastLeft is how much of a lease a request to Graph must have before it.
	leastLeft = 500 * time.Millisecond
)

// A lease is a partition held by this node, from the moment it was acquired to
// its loss. Another one of the same partition is another lease.
type lease struct {
	s     *Store
	part  int
	fence int64
	until atomic.Int64 // since Store.epoch, by this node's clock
	wall  atomic.Int64 // the same by wall-clock time: a machine that slept has a clock that stood still
	ctx   context.Context
	end   context.CancelFunc

	// Store.mu guards what follows.
	held     map[string]*row // claimed rows by id
	cursor   string
	rewind   bool      // the next claim begins at the head
	look     bool      // there may be something to claim
	behind   bool      // what the node before had no room for is to be recalled first
	fresh    bool      // nothing is claimed before Options.Taken was told
	due      time.Time // when the next deferred row is; zero: none
	draining time.Time // since when nothing is claimed, so that it can be given away; zero: it is not
}

// rests reports whether nothing is claimed under the lease now. Store.mu is held.
func (l *lease) rests() bool { return l.fresh || !l.draining.IsZero() }

// left is how much of the lease is left for certain.
func (l *lease) left() time.Duration {
	return min(time.Duration(l.until.Load())-l.s.now(), time.Until(time.Unix(0, l.wall.Load())))
}

func (l *lease) extend(sent time.Time) {
	l.until.Store(int64(sent.Sub(l.s.epoch) + l.s.opts.Lease))
	l.wall.Store(sent.Add(l.s.opts.Lease).Round(0).UnixNano())
}

func (l *lease) args(more ...any) []any {
	return append([]any{l.s.id, strconv.FormatInt(l.fence, 10)}, more...)
}

type leaseKey struct{}

// Guard returns an error if ctx is of work under a lease that is lost, or about
// to be: a request to Graph that is not sent yet must not be sent then. Work
// under no lease passes.
func Guard(ctx context.Context) error {
	l, ok := ctx.Value(leaseKey{}).(*lease)
	if !ok || faults.On(faults.NoFence) {
		return nil
	}
	if l.ctx.Err() != nil || l.left() < min(leastLeft, l.s.opts.Lease/4) {
		return ErrFenced
	}
	return nil
}

// under returns a context for work under l, which ends with it.
func under(ctx context.Context, l *lease) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(context.WithValue(ctx, leaseKey{}, l))
	stop := context.AfterFunc(l.ctx, func() {
		if !faults.On(faults.NoFence) {
			cancel()
		}
	})
	return ctx, func() { stop(); cancel() }
}

// gone is a context that has ended.
func gone(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	cancel()
	return ctx, cancel
}

// Held returns a context for the work on a claimed item: it ends when the item
// is not this node's any more, and writes under it are fenced. The function must
// be called when the work is over.
func (s *Store) Held(ctx context.Context, receipt string) (context.Context, context.CancelFunc) {
	r, err := parseReceipt(receipt)
	if err != nil {
		return gone(ctx)
	}
	s.mu.Lock()
	l := s.leases[r.part]
	if l != nil && l.held[r.id] == nil {
		l = nil
	}
	s.mu.Unlock()
	if l == nil {
		return gone(ctx)
	}
	return under(ctx, l)
}

// HeldKey is Held for work about a message that no item led to; ErrFenced if
// another node holds its partition.
func (s *Store) HeldKey(ctx context.Context, messageKey string) (context.Context, context.CancelFunc, error) {
	l := s.lease(partition(laneOf(messageKey), s.opts.Partitions))
	if l == nil {
		return nil, nil, ErrFenced
	}
	ctx, cancel := under(ctx, l)
	return ctx, cancel, nil
}

func (s *Store) lease(part int) *lease {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.leases[part]
}

// current is the lease that work in a partition goes under: the one ctx is of, or
// the one held now.
func (s *Store) current(ctx context.Context, part int) (*lease, error) {
	if l, ok := ctx.Value(leaseKey{}).(*lease); ok && l.part == part {
		return l, nil
	}
	if l := s.lease(part); l != nil {
		return l, nil
	}
	return nil, ErrFenced
}

// ---- the loops ----

// leaseLoop keeps what this node holds, and takes what it should hold.
func (s *Store) leaseLoop() {
	tick := time.NewTicker(s.opts.Lease / 4)
	defer tick.Stop()
	for {
		s.tend(s.life)
		select {
		case <-tick.C:
		case <-s.beatNow:
		case <-s.life.Done():
			return
		}
	}
}

func (s *Store) tend(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Lease)
	defer cancel()
	sent := time.Now()
	if err := s.beat(ctx); err != nil {
		if s.life.Err() == nil {
			s.log.Warn("redis does not answer", zap.Error(err))
		}
		return
	}
	s.renew(ctx)
	if err := s.look(ctx); err == nil {
		s.informed(sent) // only now this node knows what the others do
	} else if s.life.Err() == nil {
		s.log.Warn("reading the state of the store", zap.Error(err))
	}
	s.balance(ctx)
}

// watchdog gives leases up here before they end at Redis.
func (s *Store) watchdog() {
	tick := time.NewTicker(margin / 2) // so that none is overlooked until it has ended
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.mu.Lock()
			var late []*lease
			for _, l := range s.leases {
				if l.left() < margin {
					late = append(late, l)
				}
			}
			s.mu.Unlock()
			for _, l := range late {
				s.lose(l, "it could not be renewed in time")
			}
		case <-s.life.Done():
			return
		}
	}
}

// renew prolongs every lease.
func (s *Store) renew(ctx context.Context) {
	s.mu.Lock()
	var list []*lease
	for _, l := range s.leases {
		list = append(list, l)
	}
	s.mu.Unlock()
	s.each(len(list), func(i int) {
		l, sent := list[i], time.Now()
		v, err := s.runBy(ctx, s.ctl, renewScript, []string{s.keys.lease(l.part)}, l.args(s.opts.Lease.Milliseconds())...)
		switch {
		case err != nil: // tried again at the next tick; the watchdog knows when it is too late
		case v == int64(1):
			l.extend(sent)
		default:
			s.lose(l, "another node took it")
		}
	})
}

// each calls do for 0 to n-1, a few at a time, and waits.
func (s *Store) each(n int, do func(i int)) {
	slots, done := make(chan struct{}, 8), make(chan struct{})
	for i := range n {
		go func() {
			slots <- struct{}{}
			do(i)
			<-slots
			done <- struct{}{}
		}()
	}
	for range n {
		<-done
	}
}

// balance takes free partitions up to this node's share, gives away what is
// beyond it, and takes the lead if nobody has it.
func (s *Store) balance(ctx context.Context) {
	begun := time.Now()
	share := (s.opts.Partitions + s.Live() - 1) / s.Live()
	s.mu.Lock()
	var mine []*lease
	leads := false
	for p, l := range s.leases {
		if p == lead {
			leads = true
		} else {
			mine = append(mine, l)
		}
	}
	extra := len(mine) - share
	for _, l := range mine {
		if !l.draining.IsZero() {
			if extra <= 0 { // a node went away meanwhile
				l.draining, l.look = time.Time{}, true
			}
			extra--
		}
	}
	for _, l := range mine {
		if extra > 0 && l.draining.IsZero() {
			l.draining = time.Now()
			extra--
		}
	}
	var away []*lease
	for _, l := range mine {
		if !l.draining.IsZero() && (len(l.held) == 0 || time.Since(l.draining) > 2*s.opts.Lease) {
			away = append(away, l)
		}
	}
	s.mu.Unlock()
	for _, l := range away {
		s.lose(l, "given to another node")
		_, _ = s.runBy(ctx, s.ctl, releaseScript, []string{s.keys.lease(l.part)}, l.args(s.keys.wake())...) // or it runs out
	}
	if !leads {
		s.take(ctx, lead)
	}
	want := share - len(mine)
	var taken []*lease
	defer func() {
		if len(taken) > 0 && s.opts.Taken != nil {
			s.loops.Go(func() {
				s.opts.Taken()
				s.mu.Lock()
				for _, l := range taken {
					l.fresh = false
				}
				s.mu.Unlock()
				s.signal(s.wake)
			})
		}
	}()
	for _, p := range rand.Perm(s.opts.Partitions) { //nolint:gosec // it guards nothing
		if want <= 0 || ctx.Err() != nil || time.Since(begun) > s.opts.Lease/4 { // what is held must be prolonged in time, whatever does not answer
			return
		}
		if s.lease(p) == nil {
			if l := s.take(ctx, p); l != nil {
				want--
				taken = append(taken, l)
			}
		}
	}
}

// take acquires a partition, and returns nil if that did not work.
func (s *Store) take(ctx context.Context, part int) *lease {
	sent := time.Now()
	v, err := s.runBy(ctx, s.ctl, acquireScript, []string{s.keys.lease(part)}, s.id, s.opts.Lease.Milliseconds())
	fence, _ := v.(int64)
	if err != nil || fence == 0 {
		return nil
	}
	l := &lease{
		s: s, part: part, fence: fence, held: map[string]*row{}, cursor: head0, look: true,
		behind: s.opts.Behind != "" && part != lead, fresh: s.opts.Taken != nil && part != lead,
	}
	l.ctx, l.end = context.WithCancel(s.life)
	l.extend(sent)
	s.mu.Lock()
	s.leases[part] = l
	if part == lead {
		s.turn()
	}
	s.mu.Unlock()
	s.log.Info("lease taken", zap.String("partition", tag(part)), zap.Int64("fence", fence))
	s.signal(s.wake)
	if part == lead {
		s.signal(s.tailNow)
	}
	return l
}

// lose forgets a lease: what is under way about it is cancelled.
func (s *Store) lose(l *lease, why string) {
	s.mu.Lock()
	if s.leases[l.part] != l {
		s.mu.Unlock()
		return
	}
	l.end()
	delete(s.leases, l.part)
	if l.part == lead {
		s.turn()
	}
	if s.opts.Lost != nil { // before the lease can be taken again, and its items claimed
		s.opts.Lost(func(lane string) bool {
			if strings.HasPrefix(lane, "lifecycle/") { // they are the leader's
				return l.part == lead
			}
			return l.part != lead && partition(lane, s.opts.Partitions) == l.part
		})
	}
	s.mu.Unlock()
	s.log.Info("lease ended", zap.String("partition", tag(l.part)), zap.Int64("fence", l.fence), zap.String("reason", why))
}

// turn tells those who wait for a change of leadership. s.mu is held.
func (s *Store) turn() {
	for _, c := range s.terms {
		close(c)
	}
	s.terms = nil
}

// Lead waits until this node leads and returns a context that ends when it does
// not any more. Writes and calls under it are fenced.
func (s *Store) Lead(ctx context.Context) (context.Context, context.CancelFunc, error) {
	for {
		s.mu.Lock()
		l := s.leases[lead]
		changed := make(chan struct{})
		if l == nil {
			s.terms = append(s.terms, changed)
		}
		s.mu.Unlock()
		if l != nil {
			term, cancel := under(ctx, l)
			return term, cancel, nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return nil, nil, ctx.Err()
		case <-s.life.Done():
			return nil, nil, ErrClosed
		}
	}
}

// Leads reports whether this node leads now.
func (s *Store) Leads() bool { return s.lease(lead) != nil }

// Holds is how many partitions this node has.
func (s *Store) Holds() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for p := range s.leases {
		if p != lead {
			n++
		}
	}
	return n
}

// leave gives everything back.
func (s *Store) leave() {
	ctx, cancel := context.WithTimeout(context.Background(), s.opts.Timeout)
	defer cancel()
	s.mu.Lock()
	var list []*lease
	for _, l := range s.leases {
		list = append(list, l)
	}
	s.mu.Unlock()
	s.each(len(list), func(i int) {
		s.lose(list[i], "this node stops")
		_, _ = s.runBy(ctx, s.ctl, releaseScript, []string{s.keys.lease(list[i].part)}, list[i].args(s.keys.wake())...) // or it runs out
	})
	_, _ = s.runBy(ctx, s.ctl, beatScript, []string{s.keys.of(lead, "nodes")}, s.id, "", forgetNodes.Milliseconds())
}

// ---- the nodes ----

// Node is one node of the installation as it was last heard of.
type Node struct {
	ID         string        `json:"id"`
	Name       string        `json:"name"`
	Generation string        `json:"generation"` // of the rules it runs
	Partitions []int         `json:"partitions,omitempty"`
	Leads      bool          `json:"leads,omitempty"`
	Entries    int64         `json:"entries"`       // of the log that it has
	Subs       int64         `json:"subscriptions"` // version of the table that it knows
	Keys       string        `json:"keys"`          // fingerprint of its keys
	Age        time.Duration `json:"-"`             // since it was heard of
	Live       bool          `json:"-"`
}

const forgetNodes = time.Hour

// beat says that this node lives, and learns of the others.
func (s *Store) beat(ctx context.Context) error {
	size, err := s.model.LogSize(ctx)
	if err != nil {
		return err
	}
	me := Node{ID: s.id, Name: s.opts.Node, Generation: s.opts.Generation(), Entries: size, Keys: s.opts.Keys}
	s.mu.Lock()
	me.Subs = s.subsSeen
	for p := range s.leases {
		if p == lead {
			me.Leads = true
		} else {
			me.Partitions = append(me.Partitions, p)
		}
	}
	s.mu.Unlock()
	slices.Sort(me.Partitions)
	text, err := json.Marshal(me)
	if err != nil {
		return err
	}
	v, err := s.runBy(ctx, s.ctl, beatScript, []string{s.keys.of(lead, "nodes")}, s.id, text, forgetNodes.Milliseconds())
	if err != nil {
		return fmt.Errorf("saying that this node lives: %w", err)
	}
	nodes, err := s.nodesOf(v)
	if err != nil {
		return err
	}
	s.broken.Store(nil)
	s.mu.Lock()
	s.nodes = nodes
	maps.DeleteFunc(s.lacking, func(id string, _ bool) bool {
		return !slices.ContainsFunc(nodes, func(n Node) bool { return n.ID == id })
	})
	s.mu.Unlock()
	return nil
}

func (s *Store) nodesOf(v any) ([]Node, error) {
	list, _ := v.([]any)
	var nodes []Node
	for i := 0; i+2 < len(list); i += 3 {
		var n Node
		age, err := strconv.ParseInt(text(list[i+1]), 10, 64)
		if err = errors.Join(err, json.Unmarshal([]byte(text(list[i+2])), &n)); err != nil {
			return nil, fmt.Errorf("reading the list of nodes: %w", err)
		}
		n.Age = time.Duration(age) * time.Millisecond
		n.Live = n.Age < s.opts.Lease
		nodes = append(nodes, n)
	}
	slices.SortFunc(nodes, func(a, b Node) int { return slices.Compare([]string{a.Name, a.ID}, []string{b.Name, b.ID}) })
	return nodes, nil
}

func text(v any) string { t, _ := v.(string); return t }

// Nodes returns what was last heard of every node, dead ones of the last hour
// included.
func (s *Store) Nodes() []Node {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.nodes)
}

// Live is how many nodes share the work, this one included.
func (s *Store) Live() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := 0
	for _, x := range s.nodes {
		if x.Live {
			n++
		}
	}
	return max(1, n)
}

// ---- being woken ----

func (s *Store) signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// listen hears what other nodes publish. Everything is looked at without it too,
// only later.
func (s *Store) listen() {
	sub := s.rdb.Subscribe(s.life, s.keys.wake())
	defer sub.Close()
	said := sub.Channel(goredis.WithChannelSize(1000))
	for {
		select {
		case m, ok := <-said:
			if !ok {
				return
			}
			s.heard(m.Payload)
		case <-s.life.Done():
			return
		}
	}
}

func (s *Store) heard(what string) {
	switch what {
	case "log":
		s.signal(s.tailNow)
	case "subs":
		if err := s.refreshSubscriptions(s.life); err == nil {
			s.signal(s.beatNow)
		}
	case "keys":
		if s.opts.Reload != nil {
			s.opts.Reload()
		}
	case "parked":
		if s.opts.Parked != nil {
			s.opts.Parked()
		}
	case "ask":
		s.signal(s.asked)
	case "lease":
		s.signal(s.beatNow)
	default:
		s.mu.Lock()
		for part := range strings.FieldsSeq(what) {
			for p, l := range s.leases {
				if tag(p) == part {
					l.look = true
				}
			}
		}
		s.mu.Unlock()
		s.signal(s.wake)
	}
}
