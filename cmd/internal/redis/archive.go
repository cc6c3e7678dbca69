package redis

import (
	"bytes"
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

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/archive"
	"teamsdlp/webhook"
)

var (
	_ archive.Source = (*Store)(nil)
	_ archive.Sink   = (*Store)(nil)
)

// Whole waits until this node holds every partition and leads, and has numbered
// and copied the whole log: what a move needs. Another node makes it wait for ever.
func (s *Store) Whole(ctx context.Context) error {
	for s.Holds() < s.opts.Partitions || !s.Leads() {
		timer := time.NewTimer(50 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return fmt.Errorf("waiting for all of the store (does another node run?): %w", ctx.Err())
		}
	}
	return s.Flush(ctx)
}

// Dump implements archive.Source. See Whole.
func (s *Store) Dump(ctx context.Context, fn func(archive.Record) error) error {
	first, _, err := s.model.Forgettable(ctx, time.Time{})
	if err != nil {
		return err
	}
	if first > 0 {
		return fmt.Errorf("retention has deleted the first %d entries of the log: a store without them cannot be moved", first)
	}
	err = s.model.Bodies(ctx, 0, func(seq int64, body []byte) error {
		return fn(archive.Record{Kind: archive.Entry, Seq: seq, Body: body})
	})
	if err != nil {
		return err
	}
	for after := int64(-1); ; {
		page, err := s.model.Checkpoints(ctx, after, 500)
		if err != nil {
			return err
		}
		for _, c := range page {
			if err := fn(archive.Record{Kind: archive.Checkpoint, Seq: c.Size, At: c.Time, Body: c.Note}); err != nil {
				return err
			}
			after = c.Size
		}
		if len(page) == 0 {
			break
		}
	}
	if err := s.dumpKeys(ctx, "e:", func(ctx context.Context, key string) (archive.Record, error) {
		body, err := s.rdb.HGet(ctx, key, "b").Bytes()
		rec := archive.Record{Kind: archive.Effect, Body: body}
		var e actions.Effect
		if err = errors.Join(s.judged(err), json.Unmarshal(body, &e)); err == nil {
			rec.Key, rec.Version, rec.State, rec.At = e.MessageKey, e.Version, string(e.State), e.Updated
		}
		return rec, err
	}, fn); err != nil {
		return err
	}
	if err := s.dumpKeys(ctx, "s:", func(ctx context.Context, key string) (archive.Record, error) {
		body, err := s.rdb.Get(ctx, key).Bytes()
		name, body, _ := bytes.Cut(body, []byte("\n"))
		rec := archive.Record{Kind: archive.Standing, Key: string(name), Body: body, At: time.Now().UTC()}
		var st actions.Standing
		if err = errors.Join(s.judged(err), json.Unmarshal(body, &st)); err == nil {
			rec.Case = st.Case
		}
		return rec, err
	}, fn); err != nil {
		return err
	}
	for _, dump := range []func(context.Context, func(archive.Record) error) error{s.dumpItems, s.dumpQuarantine, s.dumpLead} {
		if err := dump(ctx, fn); err != nil {
			return err
		}
	}
	return nil
}

// dumpKeys dumps what has a key of its own. Those that end meanwhile are left out.
func (s *Store) dumpKeys(ctx context.Context, kind string, get func(context.Context, string) (archive.Record, error), fn func(archive.Record) error) error {
	scan := func(ctx context.Context, c goredis.Cmdable) error {
		var cursor uint64
		for {
			keys, next, err := c.Scan(ctx, cursor, s.opts.Prefix+":{p*}:"+kind+"*", 1000).Result()
			if err != nil {
				return s.judged(err)
			}
			for _, key := range keys {
				rec, err := get(ctx, key)
				if err != nil || len(rec.Body) == 0 {
					if n, gone := s.rdb.Exists(ctx, key).Result(); gone == nil && n == 0 {
						continue
					}
					return fmt.Errorf("reading %s: %w", key, cmp.Or(err, errors.New("it is empty")))
				}
				if err := fn(rec); err != nil {
					return err
				}
			}
			if cursor = next; cursor == 0 {
				return nil
			}
		}
	}
	c, ok := s.rdb.(*goredis.ClusterClient)
	if !ok {
		return scan(ctx, s.rdb)
	}
	var masters []*goredis.Client
	err := c.ForEachMaster(ctx, func(_ context.Context, one *goredis.Client) error {
		s.mu.Lock()
		defer s.mu.Unlock()
		masters = append(masters, one)
		return nil
	})
	if err != nil {
		return s.judged(err)
	}
	for _, one := range masters { // one after the other: fn is not for two
		if err := scan(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// pages calls fn for every entry of a stream.
func (s *Store) pages(ctx context.Context, key string, fn func(goredis.XMessage) error) error {
	for from := "-"; ; {
		page, err := s.rdb.XRangeN(ctx, key, from, "+", 200).Result()
		if err != nil {
			return s.judged(err)
		}
		for _, m := range page {
			if err := fn(m); err != nil {
				return err
			}
			from = "(" + m.ID
		}
		if len(page) == 0 {
			return nil
		}
	}
}

func (s *Store) dumpItems(ctx context.Context, fn func(archive.Record) error) error {
	for p := lead; p < s.opts.Partitions; p++ {
		err := s.pages(ctx, s.keys.queue(p), func(m goredis.XMessage) error {
			rec := recordOf(archive.Item, m)
			tries, err := s.rdb.HGet(ctx, s.keys.attempts(p), m.ID).Result()
			if err != nil && !errors.Is(err, goredis.Nil) {
				return s.judged(err)
			}
			n, reason, _ := strings.Cut(tries, " ")
			rec.Attempts, _ = strconv.Atoi(n)
			rec.Reason = reason
			if rec.Unverified {
				proved, err := s.rdb.HExists(ctx, s.keys.counts(p), "proved:"+m.ID).Result()
				if err != nil {
					return s.judged(err)
				}
				rec.Unverified = !proved
			}
			due, err := s.rdb.ZScore(ctx, s.keys.delay(p), m.ID).Result()
			if err != nil && !errors.Is(err, goredis.Nil) {
				return s.judged(err)
			}
			if due > 0 {
				rec.Due = time.UnixMilli(int64(due)).UTC()
			}
			return fn(rec)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func recordOf(kind string, m goredis.XMessage) archive.Record {
	ms, _ := strconv.ParseInt(text(m.Values["r"]), 10, 64)
	return archive.Record{Kind: kind, Body: []byte(text(m.Values["b"])), Received: time.UnixMilli(ms).UTC(), Unverified: text(m.Values["u"]) == "1"}
}

func (s *Store) dumpQuarantine(ctx context.Context, fn func(archive.Record) error) error {
	for p := lead; p < s.opts.Partitions; p++ {
		err := s.pages(ctx, s.keys.dead(p), func(m goredis.XMessage) error {
			rec := recordOf(archive.Quarantined, m)
			id, err := parseID(m.ID)
			if err != nil {
				return err
			}
			rec.At, rec.Reason = time.UnixMilli(int64(id.ms)).UTC(), text(m.Values["w"]) //nolint:gosec // a time
			rec.Attempts, _ = strconv.Atoi(text(m.Values["a"]))
			return fn(rec)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) dumpLead(ctx context.Context, fn func(archive.Record) error) error {
	for _, t := range []struct {
		kind, key string
		make      func(rec *archive.Record, value string) error
	}{
		{archive.Subscription, s.subsKey(), func(rec *archive.Record, v string) error { rec.Body = []byte(v); return nil }},
		{archive.Alive, s.keys.of(lead, "alive"), func(rec *archive.Record, v string) error {
			ns, err := strconv.ParseInt(v, 10, 64)
			rec.At = time.Unix(0, ns).UTC()
			return err
		}},
		{archive.Meta, s.keys.of(lead, "meta"), func(rec *archive.Record, v string) error { rec.Body = []byte(v); return nil }},
	} {
		all, err := s.rdb.HGetAll(ctx, t.key).Result()
		if err != nil {
			return s.judged(err)
		}
		var names []string
		for name := range all {
			names = append(names, name)
		}
		slices.Sort(names)
		for _, name := range names {
			rec := archive.Record{Kind: t.kind, Key: name}
			if err := t.make(&rec, all[name]); err != nil {
				return fmt.Errorf("reading %s: %w", t.key, err)
			}
			if err := fn(rec); err != nil {
				return err
			}
		}
	}
	return nil
}

// Restore implements archive.Sink. See Whole.
func (s *Store) Restore(ctx context.Context, list []archive.Record) error {
	if len(list) == 0 {
		return nil
	}
	var err error
	switch list[0].Kind {
	case archive.Entry:
		err = s.restoreEntries(ctx, list)
	case archive.Checkpoint:
		err = s.model.Restore(ctx, list)
	default:
		_, err = s.rdb.Pipelined(ctx, func(p goredis.Pipeliner) error {
			for _, rec := range list {
				if err := s.restore(ctx, p, rec); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			err = s.judged(err)
		}
	}
	if err != nil {
		return fmt.Errorf("restoring %d of kind %s: %w", len(list), list[0].Kind, err)
	}
	return nil
}

// restoreEntries appends numbered entries to the sealed log, from where every
// node copies them.
func (s *Store) restoreEntries(ctx context.Context, list []archive.Record) error {
	l, err := s.current(ctx, lead)
	if err != nil {
		return err
	}
	args := l.args(list[0].Seq, s.keys.wake())
	for _, rec := range list {
		args = append(args, tag(lead), "0-0", rec.Body)
	}
	if _, err := s.run(ctx, publishScript, []string{s.keys.lease(lead), s.sealedKey(), s.headKey()}, args...); err != nil {
		return err
	}
	return s.tail(ctx)
}

func (s *Store) restore(ctx context.Context, p goredis.Pipeliner, rec archive.Record) error {
	left := func(keep time.Duration) time.Duration { return max(time.Minute, keep-time.Since(rec.At)) }
	part := partition(laneOf(rec.Key), s.opts.Partitions)
	stream := func(name func(int) string) (int, *goredis.XAddArgs) {
		var item webhook.Item
		at := partition("unreadable/", s.opts.Partitions) // one that cannot be read is set aside there
		if json.Unmarshal(rec.Body, &item) == nil {
			at = s.partitionOf(item)
		}
		u := "0"
		if rec.Unverified {
			u = "1"
		}
		return at, &goredis.XAddArgs{Stream: name(at), Values: []any{"b", rec.Body, "u", u, "r", rec.Received.UnixMilli()}}
	}
	switch rec.Kind {
	case archive.Effect:
		key := s.keys.effect(part, rec.Key, rec.Version)
		p.HSet(ctx, key, "s", rec.State, "c", "", "b", rec.Body)
		switch state := actions.State(rec.State); {
		case !state.Terminal():
			if strings.HasPrefix(rec.Version, releasePrefix) {
				p.HSet(ctx, s.keys.open(part), digest(rec.Key, rec.Version), rec.Body)
			}
		case rec.Case == "" && (state == actions.StateClean || state == actions.StateNoop || state == actions.StateSuperseded):
			p.PExpire(ctx, key, left(keepClean))
		default:
			p.PExpire(ctx, key, left(keepEffect))
		}
	case archive.Standing:
		keep := time.Duration(0)
		if rec.Case == "" {
			keep = left(keepClean)
		}
		p.Set(ctx, s.keys.standing(part, rec.Key), append([]byte(rec.Key+"\n"), rec.Body...), keep)
	case archive.Item:
		at, add := stream(s.keys.queue)
		// Far in the past, so that what comes later comes after.
		add.ID = "1-" + strconv.FormatInt(s.call.Add(1), 10)
		if rec.Attempts > 0 {
			p.HSet(ctx, s.keys.attempts(at), add.ID, strconv.Itoa(rec.Attempts)+" "+rec.Reason)
		}
		if !rec.Due.IsZero() {
			p.ZAdd(ctx, s.keys.delay(at), goredis.Z{Score: float64(rec.Due.UnixMilli()), Member: add.ID})
		}
		p.XAdd(ctx, add)
		p.HIncrBy(ctx, s.keys.counts(at), "bytes", int64(len(rec.Body)))
		if rec.Unverified {
			p.HIncrBy(ctx, s.keys.counts(at), "unverified", 1)
		}
	case archive.Quarantined:
		at, add := stream(s.keys.dead)
		id := streamID{ms: uint64(max(rec.At.UnixMilli(), 1))} //nolint:gosec // positive
		if last := s.buried[at]; id.ms <= last.ms {            // an id never goes back, nor beyond what a number has room for
			id = streamID{last.ms, last.seq + 1}
			if id.seq == 1<<seqBits {
				id = streamID{ms: last.ms + 1}
			}
		}
		s.buried[at], add.ID = id, id.String()
		add.Values = append(add.Values.([]any), "a", rec.Attempts, "w", rec.Reason)
		p.XAdd(ctx, add)
	case archive.Subscription:
		p.HSet(ctx, s.subsKey(), rec.Key, rec.Body)
		p.HIncrBy(ctx, s.headKey(), "subs", 1)
	case archive.Alive:
		p.HSet(ctx, s.keys.of(lead, "alive"), rec.Key, rec.At.UnixNano())
	case archive.Meta:
		p.HSet(ctx, s.keys.of(lead, "meta"), rec.Key, rec.Body)
	default:
		return fmt.Errorf("there is no kind %q", rec.Kind)
	}
	return nil
}
