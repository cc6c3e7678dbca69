package redis

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/subscriptions"
	"teamsdlp/webhook"
)

// ListWaiting returns up to limit items that were put back, oldest first: those
// with a number above after. limit is at most 5000; 0 means 50.
func (s *Store) ListWaiting(ctx context.Context, after int64, limit int) ([]sqlite.Waiting, error) {
	fail := func(err error) ([]sqlite.Waiting, error) {
		return nil, fmt.Errorf("listing what waits: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, 4*s.opts.Timeout)
	defer cancel()
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 5000)
	type at struct {
		part int
		id   string
		w    sqlite.Waiting
	}
	var list []at
	for p := lead; p < s.opts.Partitions; p++ {
		due, err := s.rdb.ZRangeWithScores(ctx, s.keys.delay(p), 0, -1).Result()
		if err != nil {
			return fail(s.judged(err))
		}
		for _, z := range due {
			name, _ := z.Member.(string)
			id, err := parseID(name)
			if n := deadID(id, p); err == nil && n > after {
				list = append(list, at{p, name, sqlite.Waiting{Seq: n, Due: time.UnixMilli(int64(z.Score)).UTC()}})
			}
		}
	}
	slices.SortFunc(list, func(a, b at) int { return cmp.Compare(a.w.Seq, b.w.Seq) })
	list = list[:min(len(list), limit)]
	var out []sqlite.Waiting
	for _, x := range list {
		found, err := s.rdb.XRange(ctx, s.keys.queue(x.part), x.id, x.id).Result()
		if err != nil {
			return fail(s.judged(err))
		}
		if len(found) == 0 { // it has ended meanwhile
			continue
		}
		tries, err := s.rdb.HGet(ctx, s.keys.attempts(x.part), x.id).Result()
		if err != nil && !errors.Is(err, goredis.Nil) {
			return fail(s.judged(err))
		}
		n, reason, _ := strings.Cut(tries, " ")
		rec := recordOf("", found[0])
		x.w.Received, x.w.Size, x.w.Reason = rec.Received, len(rec.Body), reason
		x.w.Attempts, _ = strconv.Atoi(n)
		if json.Unmarshal(rec.Body, &x.w.Item) != nil {
			x.w.Item = webhook.Item{}
		}
		x.w.Item.Deferred = nil
		if e := x.w.Item.Encrypted; e != nil {
			e.Data, e.DataKey, e.DataSignature = "", "", ""
		}
		out = append(out, x.w)
	}
	return out, nil
}

// CountWaiting counts the items that were put back for reasons that begin with
// prefix, by reason: that for which most wait first. One that is being tried at this
// moment counts.
func (s *Store) CountWaiting(ctx context.Context, prefix string) ([]sqlite.WaitingFor, error) {
	byReason := map[string]*sqlite.WaitingFor{}
	err := s.eachWaiting(ctx, prefix, func(_ int, id streamID, reason string, due time.Time) {
		w := byReason[reason]
		if w == nil {
			w = &sqlite.WaitingFor{Reason: reason}
			byReason[reason] = w
		}
		w.Add(time.UnixMilli(int64(id.ms)).UTC(), due) //nolint:gosec // a time
	})
	if err != nil {
		return nil, fmt.Errorf("counting what waits: %w", err)
	}
	return sqlite.SortWaiting(byReason), nil
}

// eachWaiting reads, a page at a time, what was put back for reasons that begin with
// prefix. What is being tried is due now.
func (s *Store) eachWaiting(ctx context.Context, prefix string, do func(part int, id streamID, reason string, due time.Time)) error {
	for p := range s.opts.Partitions {
		err := s.eachTried(ctx, p, prefix, func(ids, reasons []string) error {
			due, err := s.dues(ctx, p, ids)
			if err != nil {
				return err
			}
			for i, name := range ids {
				if id, err := parseID(name); err == nil {
					do(p, id, reasons[i], due[i])
				}
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// eachTried calls do with a page at a time of what was put back in a partition for
// reasons that begin with prefix.
func (s *Store) eachTried(ctx context.Context, part int, prefix string, do func(ids, reasons []string) error) error {
	seen := map[string]bool{} // a scan may return one twice
	for cursor := uint64(0); ; {
		page, next, err := s.tried(ctx, part, cursor)
		if err != nil {
			return err
		}
		var ids, reasons []string
		for i := 0; i+1 < len(page); i += 2 {
			if _, reason, _ := strings.Cut(page[i+1], " "); strings.HasPrefix(reason, prefix) && !seen[page[i]] {
				seen[page[i]] = true
				ids, reasons = append(ids, page[i]), append(reasons, reason)
			}
		}
		if err := do(ids, reasons); err != nil {
			return err
		}
		if cursor = next; cursor == 0 {
			return nil
		}
	}
}

// tried is a page of what was put back in a partition: ids, each with how often and why.
func (s *Store) tried(ctx context.Context, part int, cursor uint64) ([]string, uint64, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*s.opts.Timeout)
	defer cancel()
	page, next, err := s.rdb.HScan(ctx, s.keys.attempts(part), cursor, "", 1000).Result()
	return page, next, s.judged(err)
}

// dues are when rows come again; those that are not put back any more, now.
func (s *Store) dues(ctx context.Context, part int, ids []string) ([]time.Time, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 4*s.opts.Timeout)
	defer cancel()
	scores, err := s.rdb.ZMScore(ctx, s.keys.delay(part), ids...).Result()
	if err != nil {
		return nil, s.judged(err)
	}
	list := make([]time.Time, len(ids))
	for i := range list {
		list[i] = time.Now().UTC().Truncate(time.Millisecond)
		if i < len(scores) && scores[i] > 0 {
			list[i] = time.UnixMilli(int64(scores[i])).UTC()
		}
	}
	return list, nil
}

// RecallWaiting is Recall for the oldest items, most of them at most, that were put
// back for reasons that begin with prefix, whichever node holds them.
func (s *Store) RecallWaiting(ctx context.Context, prefix string, most int) error {
	type at struct {
		part int
		id   streamID
	}
	var list []at
	err := s.eachWaiting(ctx, prefix, func(part int, id streamID, _ string, _ time.Time) { list = append(list, at{part, id}) })
	if err != nil {
		return fmt.Errorf("recalling what waits: %w", err)
	}
	slices.SortFunc(list, func(a, b at) int { return a.id.compare(b.id) })
	parts := map[int][]goredis.Z{}
	score := recalled()
	for i, x := range list[:min(most, len(list))] {
		parts[x.part] = append(parts[x.part], goredis.Z{Score: score(i), Member: x.id.String()})
	}
	if len(parts) == 0 {
		return nil
	}
	if err := s.recall(ctx, parts); err != nil {
		return err
	}
	var woken []string
	for p := range parts {
		woken = append(woken, tag(p))
	}
	_ = s.rdb.Publish(ctx, s.keys.wake(), strings.Join(woken, " ")).Err() // without it they are found later
	return nil
}

// KeysNamed returns the certificate ids that stored items name, and how often. It
// reads every item, a page at a time: first what waits, then the quarantine, which
// is the way that an item goes by itself.
func (s *Store) KeysNamed(ctx context.Context) (map[string]sqlite.KeyUse, error) {
	use := map[string]sqlite.KeyUse{}
	count := func(key string, one func(*sqlite.KeyUse)) error {
		return s.pages(ctx, key, func(m goredis.XMessage) error {
			var item webhook.Item
			if json.Unmarshal([]byte(text(m.Values["b"])), &item) == nil && item.Encrypted != nil {
				u := use[item.Encrypted.CertificateID]
				one(&u)
				use[item.Encrypted.CertificateID] = u
			}
			return nil
		})
	}
	for p := lead; p < s.opts.Partitions; p++ {
		err := count(s.keys.queue(p), func(u *sqlite.KeyUse) { u.Inbox++ })
		if err == nil {
			err = count(s.keys.dead(p), func(u *sqlite.KeyUse) { u.Quarantine++ })
		}
		if err != nil {
			return nil, fmt.Errorf("counting what names a key: %w", err)
		}
	}
	return use, nil
}

// View is the reading side of a shared store, for commands: it joins nothing,
// holds nothing and writes nothing.
type View struct{ s *Store }

// OpenView connects for reading.
func OpenView(o Options) (*View, error) {
	o, err := o.withDefaults()
	if err != nil {
		return nil, err
	}
	s := &Store{opts: o, keys: keyset{o.Prefix}, log: o.Log}
	if s.rdb, err = dial(o, 4); err != nil {
		return nil, err
	}
	s.ctl = s.rdb
	return &View{s}, nil
}

// Close ends the connections.
func (v *View) Close() error { return v.s.rdb.Close() }

// ListQuarantine is Store.ListQuarantine.
func (v *View) ListQuarantine(ctx context.Context, before int64, limit int) ([]sqlite.Quarantined, error) {
	return v.s.ListQuarantine(ctx, before, limit)
}

// GetQuarantine is Store.GetQuarantine.
func (v *View) GetQuarantine(ctx context.Context, id int64) (sqlite.Quarantined, error) {
	return v.s.GetQuarantine(ctx, id)
}

// ListWaiting is Store.ListWaiting.
func (v *View) ListWaiting(ctx context.Context, after int64, limit int) ([]sqlite.Waiting, error) {
	return v.s.ListWaiting(ctx, after, limit)
}

// CountWaiting is Store.CountWaiting.
func (v *View) CountWaiting(ctx context.Context, prefix string) ([]sqlite.WaitingFor, error) {
	return v.s.CountWaiting(ctx, prefix)
}

// KeysNamed is Store.KeysNamed.
func (v *View) KeysNamed(ctx context.Context) (map[string]sqlite.KeyUse, error) {
	return v.s.KeysNamed(ctx)
}

// Subscriptions is Store.Subscriptions.
func (v *View) Subscriptions(ctx context.Context) ([]subscriptions.Subscription, error) {
	return v.s.Subscriptions(ctx)
}
