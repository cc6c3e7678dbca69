package redis

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"teamsdlp/subscriptions"
)

func (s *Store) subsKey() string { return s.keys.of(lead, "subs") }

// Subscriptions returns all that are kept, by local id.
func (s *Store) Subscriptions(ctx context.Context) ([]subscriptions.Subscription, error) {
	if err := s.refreshSubscriptions(ctx); err != nil {
		return nil, fmt.Errorf("reading subscriptions: %w", err)
	}
	list := slices.Collect(maps.Values(s.table()))
	slices.SortFunc(list, func(a, b subscriptions.Subscription) int { return cmp.Compare(a.LocalID, b.LocalID) })
	return list, nil
}

func (s *Store) table() map[string]subscriptions.Subscription {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.subs
}

// refreshSubscriptions reads the table. The version is read first: the table may
// then be newer than it says, never older.
func (s *Store) refreshSubscriptions(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	version, err := s.ctl.HGet(ctx, s.headKey(), "subs").Int64()
	if err != nil && !errors.Is(err, goredis.Nil) {
		return s.judged(err)
	}
	fields, err := s.ctl.HGetAll(ctx, s.subsKey()).Result()
	if err != nil {
		return s.judged(err)
	}
	table := map[string]subscriptions.Subscription{}
	for local, body := range fields {
		var sub subscriptions.Subscription
		if json.Unmarshal([]byte(body), &sub) != nil {
			// The cause is left out: it could quote a client state.
			return errors.New("a stored subscription cannot be decoded")
		}
		table[local] = sub
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if version >= s.subsSeen {
		s.subs, s.subsSeen = table, version
	}
	return nil
}

// SaveSubscription keeps sub under its local id, in place of what was there. Only
// the leader can. One that is pending is saved once every live node knows it: a
// notification for it may come to any of them.
func (s *Store) SaveSubscription(ctx context.Context, sub subscriptions.Subscription) error {
	if sub.LocalID == "" {
		return errors.New("saving a subscription: it has no local id")
	}
	body, err := json.Marshal(sub)
	if err == nil {
		err = s.changeSubscription(ctx, sub.Status == subscriptions.Pending, sub.LocalID, body)
	}
	if err != nil {
		return fmt.Errorf("saving subscription %s: %w", sub.LocalID, err)
	}
	return nil
}

// DeleteSubscription forgets the subscription; one that is not there is no error.
func (s *Store) DeleteSubscription(ctx context.Context, localID string) error {
	if err := s.changeSubscription(ctx, false, localID); err != nil {
		return fmt.Errorf("deleting subscription %s: %w", localID, err)
	}
	return nil
}

func (s *Store) changeSubscription(ctx context.Context, wait bool, args ...any) error {
	l, err := s.current(ctx, lead)
	if err != nil {
		return err
	}
	v, err := s.run(ctx, subscribeScript, []string{s.keys.lease(lead), s.subsKey(), s.headKey()}, l.args(append([]any{s.keys.wake()}, args...)...)...)
	if err != nil {
		return err
	}
	if err := s.refreshSubscriptions(ctx); err != nil {
		return err
	}
	version, _ := v.(int64)
	if !wait {
		return nil
	}
	return s.everywhere(ctx, version)
}

// everywhere waits until every live node knows a version of the table. A node that
// says nothing for the time of a lease is not live, and refuses items itself
// before it has looked again (see Ready).
func (s *Store) everywhere(ctx context.Context, version int64) error {
	ctx, cancel := context.WithTimeout(ctx, 3*s.opts.Lease)
	defer cancel()
	for {
		if err := s.beat(ctx); err != nil {
			return err
		}
		behind := slices.ContainsFunc(s.Nodes(), func(n Node) bool { return n.ID != s.id && n.Subs < version && n.Age < s.opts.Lease+s.opts.Timeout })
		if !behind {
			return nil
		}
		timer := time.NewTimer(20 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("waiting for the other nodes to know it: %w", ctx.Err())
		}
	}
}

// late is how long notifications may still come for a subscription that was
// replaced.
const late = 4 * time.Hour

// Lookup returns the subscription with Graph's id: one in force, or one that was
// replaced less than four hours ago. It answers from memory.
func (s *Store) Lookup(id string) (subscriptions.Subscription, bool) {
	if id == "" {
		return subscriptions.Subscription{}, false
	}
	for _, sub := range s.table() {
		if strings.EqualFold(sub.ID, id) && sub.Status != subscriptions.Pending &&
			(sub.Status != subscriptions.Retired || time.Since(sub.RetiredAt) < late) {
			return sub, true
		}
	}
	return subscriptions.Subscription{}, false
}

// PendingOnes returns those that are being created. It answers from memory.
func (s *Store) PendingOnes() []subscriptions.Subscription {
	var list []subscriptions.Subscription
	for _, sub := range s.table() {
		if sub.Status == subscriptions.Pending {
			list = append(list, sub)
		}
	}
	return list
}

// Alive records that target was seen to be in order at t. Only the leader can.
func (s *Store) Alive(ctx context.Context, target string, t time.Time) error {
	l, err := s.current(ctx, lead)
	if err == nil {
		_, err = s.run(ctx, ledScript, []string{s.keys.lease(lead), s.keys.of(lead, "alive")}, l.args("HSET", target, t.UnixNano())...)
	}
	if err != nil {
		return fmt.Errorf("recording %s as alive: %w", target, err)
	}
	return nil
}

// LastAlive returns the time last given to Alive for target, UTC; the zero time
// if there was none.
func (s *Store) LastAlive(ctx context.Context, target string) (time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	ns, err := s.rdb.HGet(ctx, s.keys.of(lead, "alive"), target).Int64()
	if errors.Is(err, goredis.Nil) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading when %s was last alive: %w", target, s.judged(err))
	}
	return time.Unix(0, ns).UTC(), nil
}

// ---- what only the leader sees, and the others show ----

// Show publishes the leader's view of the subscriptions.
func (s *Store) Show(ctx context.Context, views []subscriptions.View) error {
	body, err := json.Marshal(views)
	if err != nil {
		return err
	}
	l, err := s.current(ctx, lead)
	if err == nil {
		_, err = s.run(ctx, ledScript, []string{s.keys.lease(lead), s.headKey()}, l.args("HSET", "view", body)...)
	}
	return err
}

// Views is what the leader last published.
func (s *Store) Views() []subscriptions.View {
	s.mu.Lock()
	body := s.head.view
	s.mu.Unlock()
	var list []subscriptions.View
	_ = json.Unmarshal([]byte(body), &list) // nothing published yet is an empty list
	return list
}

// Notified tells the leader when notifications last came in, by Graph's id.
func (s *Store) Notified(ctx context.Context, at map[string]time.Time) error {
	if len(at) == 0 {
		return nil
	}
	var fields []any
	for id, t := range at {
		fields = append(fields, id, t.UnixNano())
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	return s.judged(s.rdb.HSet(ctx, s.keys.of(lead, "notified"), fields...).Err())
}

// TakeNotified returns what nodes told by Notified since the last call.
func (s *Store) TakeNotified(ctx context.Context) (map[string]time.Time, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	var got *goredis.MapStringStringCmd
	_, err := s.rdb.TxPipelined(ctx, func(p goredis.Pipeliner) error {
		got = p.HGetAll(ctx, s.keys.of(lead, "notified"))
		p.Del(ctx, s.keys.of(lead, "notified"))
		return nil
	})
	if err != nil {
		return nil, s.judged(err)
	}
	at := map[string]time.Time{}
	for id, v := range got.Val() {
		if ns, err := strconv.ParseInt(v, 10, 64); err == nil {
			at[id] = time.Unix(0, ns).UTC()
		}
	}
	return at, nil
}

// ---- names and values ----

// Meta returns the value kept under key, and whether there is one.
func (s *Store) Meta(ctx context.Context, key string) (value string, found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	value, err = s.rdb.HGet(ctx, s.keys.of(lead, "meta"), key).Result()
	if errors.Is(err, goredis.Nil) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("reading %s: %w", key, s.judged(err))
	}
	return value, true, nil
}

// SetMeta keeps value under key, for all nodes.
func (s *Store) SetMeta(ctx context.Context, key, value string) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	if err := s.rdb.HSet(ctx, s.keys.of(lead, "meta"), key, value).Err(); err != nil {
		return fmt.Errorf("writing %s: %w", key, s.judged(err))
	}
	return nil
}
