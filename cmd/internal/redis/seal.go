package redis

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/sqlite"
)

const (
	// sealEvery is how often the leader numbers what has come in.
	sealEvery = time.Second
	// settled is how old, by Redis' clock, an entry is when it is numbered: what
	// was written before it in another partition is there by then.
	settled = 20 * time.Millisecond
	// sealBatch is how many entries of one partition are read at once, at most; see
	// portion. Of all together so many, or their bytes, are numbered at once.
	sealBatch    = 500
	publishMost  = 2000
	publishBytes = 4 << 20
	// defaultKeepSealed is how many sealed entries stay in Redis although every node has
	// them.
	defaultKeepSealed = 2000
	// fillBytes bounds what is sent at once to a node that lacks older entries.
	fillBytes = 1 << 20
)

// portion is how many entries are read at once. An entry can be long, and what does not
// come in time never would: after a read that failed it is a quarter, and after one
// that came twice as many again. The zero value is all of sealBatch.
type portion struct{ less atomic.Int64 }

func (p *portion) size() int64 { return sealBatch - p.less.Load() }

func (p *portion) came(err error) {
	n := min(2*p.size(), sealBatch)
	if err != nil {
		n = max(p.size()/4, 1)
	}
	p.less.Store(sealBatch - n)
}

// head is the state of the sealed log.
type head struct {
	size int64          // entries
	subs int64          // version of the table of subscriptions
	from map[int]string // the last id numbered, of each partition
	note string         // the last checkpoint
	view string         // what the leader shows of the subscriptions
}

func (s *Store) headKey() string   { return s.keys.of(lead, "head") }
func (s *Store) sealedKey() string { return s.keys.of(lead, "sealed") }

func (s *Store) readHead(ctx context.Context) (head, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	fields, err := s.ctl.HGetAll(ctx, s.headKey()).Result()
	if err != nil {
		return head{}, s.judged(err)
	}
	h := head{from: map[int]string{}, note: fields["note"], view: fields["view"]}
	for k, v := range fields {
		var err error
		name, part, _ := strings.Cut(k, ":")
		switch name {
		case "size":
			h.size, err = strconv.ParseInt(v, 10, 64)
		case "subs":
			h.subs, err = strconv.ParseInt(v, 10, 64)
		case "from":
			p := lead
			if part != tag(lead) {
				p, err = strconv.Atoi(strings.TrimPrefix(part, "p"))
			}
			h.from[p] = v
		}
		if err != nil {
			return head{}, fmt.Errorf("%w: field %s of %s is not a number", ErrUnavailable, k, s.headKey())
		}
	}
	return h, nil
}

// lookAtHead learns of what it did not hear: a longer log, other subscriptions, a
// new checkpoint.
func (s *Store) lookAtHead(ctx context.Context) error {
	h, err := s.readHead(ctx)
	if err != nil {
		return err
	}
	s.mu.Lock()
	before, known := s.head, s.subsSeen
	s.head = h
	s.mu.Unlock()
	if h.size > before.size {
		s.signal(s.tailNow)
	}
	if h.subs > known {
		if err := s.refreshSubscriptions(ctx); err != nil {
			return err
		}
	}
	if h.note != before.note && h.note != "" {
		return s.model.CheckpointSink().Put(ctx, []byte(h.note))
	}
	return nil
}

// logLoop seals while this node leads, and copies what was sealed.
func (s *Store) logLoop() {
	tick := time.NewTicker(sealEvery)
	defer tick.Stop()
	for {
		if err := s.logOnce(s.life); err != nil && s.life.Err() == nil && !errors.Is(err, ErrFenced) {
			s.log.Warn("action log", zap.Error(err))
		}
		select {
		case <-tick.C:
		case <-s.tailNow:
		case <-s.life.Done():
			return
		}
	}
}

func (s *Store) logOnce(ctx context.Context) error {
	var errs []error
	if l := s.lease(lead); l != nil {
		errs = append(errs, s.seal(ctx, l, settled), s.trim(ctx, l), s.fill(ctx, l))
	}
	return errors.Join(append(errs, s.tail(ctx))...)
}

// unsealed is an entry as a partition's stream has it.
type unsealed struct {
	part  int
	id    string
	at    int64 // µs
	node  string
	call  int64
	place int // in its stream
	body  string
}

func (u unsealed) compare(o unsealed) int {
	return cmp.Or(cmp.Compare(u.at, o.at), cmp.Compare(u.node, o.node), cmp.Compare(u.call, o.call), cmp.Compare(u.part, o.part), cmp.Compare(u.place, o.place))
}

// seal numbers what has come in, oldest first over all partitions, and publishes
// it. What it takes of a partition is a prefix of its stream, so the id of the
// last one says how far it came; that is written with the entries.
func (s *Store) seal(ctx context.Context, l *lease, age time.Duration) error {
	s.sealing.Lock()
	defer s.sealing.Unlock()
	for {
		have, err := s.model.LogSize(ctx)
		if err != nil {
			return err
		}
		h, err := s.readHead(ctx)
		if err != nil {
			return err
		}
		if have > h.size {
			if err := s.publishAgain(ctx, l, h); err != nil {
				return err
			}
			continue
		}
		if s.swept != l { // the leader before, or this one when Redis did not answer, may have left some
			if err := s.forget(ctx, l, h.from); err != nil {
				return err
			}
		}
		batch, more, err := s.unsealed(ctx, h, age)
		if err != nil || len(batch) == 0 {
			return err
		}
		args := l.args(h.size, s.keys.wake())
		now := time.Now().UTC().Truncate(time.Millisecond)
		last := map[int]string{}
		for i, u := range batch {
			last[u.part] = u.id
			body, err := actions.SealBody([]byte(u.body), h.size+int64(i), now)
			if err != nil {
				return fmt.Errorf("numbering %s of %s: %w", u.id, s.keys.alog(u.part), err)
			}
			args = append(args, tag(u.part), u.id, body)
		}
		if _, err := s.run(ctx, publishScript, []string{s.keys.lease(lead), s.sealedKey(), s.headKey()}, args...); err != nil {
			return fmt.Errorf("publishing %d entries: %w", len(batch), err)
		}
		if err := s.forget(ctx, l, last); err != nil {
			return err
		}
		if !more {
			return nil
		}
	}
}

// publishAgain publishes what this node has copied of the sealed log and Redis has lost,
// as where a replica took over that had not got it yet: it may be signed for already.
func (s *Store) publishAgain(ctx context.Context, l *lease, h head) error {
	args, next, size := l.args(h.size, s.keys.wake()), h.size, 0
	err := s.model.Bodies(ctx, h.size, func(seq int64, body []byte) error {
		if seq != next {
			return fmt.Errorf("entry %d is not here any more", next)
		}
		args = append(args, tag(lead), cmp.Or(h.from[lead], "0-0"), body)
		next++
		if size += len(body); size > publishBytes || next-h.size >= publishMost {
			return errEnough
		}
		return nil
	})
	if err == nil || errors.Is(err, errEnough) {
		s.log.Warn("Redis has lost entries of the action log that this node has: they are published again", zap.Int64("from", h.size), zap.Int64("to", next-1))
		_, err = s.run(ctx, publishScript, []string{s.keys.lease(lead), s.sealedKey(), s.headKey()}, args...)
	}
	if err != nil {
		return fmt.Errorf("publishing entries again, from %d: %w", h.size, err)
	}
	return nil
}

// unsealed reads what is not numbered yet and at least so old.
func (s *Store) unsealed(ctx context.Context, h head, age time.Duration) (batch []unsealed, more bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	var parts []int
	for p := lead; p < s.opts.Partitions; p++ {
		parts = append(parts, p)
	}
	until, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return nil, false, s.judged(err)
	}
	cutoff := until.Add(-age).UnixMicro()
	cmds := make([]*goredis.XMessageSliceCmd, len(parts))
	size := s.unsealedPortion.size()
	_, err = s.rdb.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
		for i, p := range parts {
			cmds[i] = pipe.XRangeN(ctx, s.keys.alog(p), "("+cmp.Or(h.from[p], "0-0"), "+", size)
		}
		return nil
	})
	s.unsealedPortion.came(err)
	if err != nil {
		return nil, false, s.judged(err)
	}
	for i, p := range parts {
		list := cmds[i].Val()
		for place, m := range list {
			u := unsealed{part: p, id: m.ID, node: text(m.Values["n"]), place: place, body: text(m.Values["e"])}
			u.at, _ = strconv.ParseInt(text(m.Values["t"]), 10, 64)
			if u.at > until.Add(sealEvery).UnixMicro() { // the clock went back since: it is not waited for
				u.at = until.Add(-age).UnixMicro()
			}
			_, call, _ := strings.Cut(text(m.Values["k"]), "/")
			u.call, _ = strconv.ParseInt(call, 10, 64)
			// A stream never overtakes itself: not when a clock was set back, and not
			// where two calls of one moment came in another order than they were numbered.
			if place > 0 {
				if last := batch[len(batch)-1]; u.at <= last.at {
					u.at, u.node, u.call = last.at, last.node, max(u.call, last.call)
				}
			}
			batch = append(batch, u)
		}
		if int64(len(list)) == size { // what follows here may be older than the end of the others
			more = true
			cutoff = min(cutoff, batch[len(batch)-1].at)
		}
	}
	batch = slices.DeleteFunc(batch, func(u unsealed) bool { return u.at > cutoff })
	slices.SortFunc(batch, unsealed.compare)
	sum := 0
	for i, u := range batch {
		if sum += len(u.body); i >= publishMost || i > 0 && sum > publishBytes {
			batch, more = batch[:i], true
			break
		}
	}
	return batch, more && len(batch) > 0, nil
}

// forget deletes what was published: of each partition up to the last one. What it
// does not come to delete stays until it is called again, and counts as not numbered.
func (s *Store) forget(ctx context.Context, l *lease, last map[int]string) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	s.swept = nil
	below := map[int]string{}
	for p, name := range last {
		id, err := parseID(name)
		if err != nil {
			return fmt.Errorf("%w: id %q in %s", ErrUnavailable, name, s.keys.alog(p))
		}
		id.seq++
		below[p] = id.String()
	}
	if len(below) > 0 {
		_, err := s.rdb.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
			for p, id := range below {
				pipe.XTrimMinID(ctx, s.keys.alog(p), id)
			}
			return nil
		})
		if err != nil {
			return s.judged(err)
		}
	}
	s.swept = l
	return nil
}

// tail copies sealed entries into the read model.
func (s *Store) tail(ctx context.Context) error {
	s.tailing.Lock()
	defer s.tailing.Unlock()
	for {
		have, err := s.model.LogSize(ctx)
		if err != nil {
			return err
		}
		next, bodies, err := s.sealedFrom(ctx, have)
		if err != nil {
			return err
		}
		if len(bodies) == 0 || next != have {
			bodies, err = s.filled(ctx, have)
			if err != nil || len(bodies) == 0 {
				return err
			}
		} else if err := s.follow(ctx, have, bodies); err != nil {
			return err
		}
		if err := s.model.AppendSealed(ctx, have, bodies); err != nil {
			return err
		}
		if slices.ContainsFunc(bodies, func(b []byte) bool { return bytes.Contains(b, []byte(`"kind":"forget"`)) }) {
			if err := s.forgetHere(ctx); err != nil {
				return err
			}
		}
	}
}

// Forget has every node delete what entries older than a time said, and the cases
// that nothing younger belongs to; see sqlite.Store.Forget. Only the leader does
// anything: it says so in the log, and each node deletes when it copies that entry.
func (s *Store) Forget(ctx context.Context, olderThan time.Time) (int64, error) {
	if !s.Leads() {
		return 0, nil
	}
	first, before, err := s.model.Forgettable(ctx, olderThan)
	if err != nil || before <= first {
		return 0, err
	}
	err = s.Append(ctx, actions.Entry{
		Kind: actions.KindForget, Actor: actions.ActorSelf, Forgot: &actions.Forgot{Before: before, Until: olderThan.UTC()},
		Verdict: fmt.Sprintf("retention deletes entries %d to %d; their hashes stay", first, before-1),
	})
	if err == nil {
		err = s.Flush(ctx)
	}
	return before - first, err
}

// forgetHere deletes what the log says is to be deleted. What was done is not done
// again, so it may be called at any time.
func (s *Store) forgetHere(ctx context.Context) error {
	last, err := s.model.Entries(ctx, actions.Filter{Kind: actions.KindForget, Limit: 1})
	if err != nil || len(last) == 0 || last[0].Forgot == nil {
		return err
	}
	return s.model.ForgetBefore(ctx, last[0].Forgot.Before)
}

// sealedFrom reads sealed entries from number n on, as many as there are at hand,
// and says what number the first has.
func (s *Store) sealedFrom(ctx context.Context, n int64) (first int64, bodies [][]byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*s.opts.Timeout)
	defer cancel()
	list, err := s.rdb.XRangeN(ctx, s.sealedKey(), strconv.FormatInt(n+1, 10)+"-0", "+", s.sealedPortion.size()).Result()
	s.sealedPortion.came(err)
	if err != nil {
		return 0, nil, s.judged(err)
	}
	for i, m := range list {
		id, err := parseID(m.ID)
		if err != nil {
			return 0, nil, fmt.Errorf("%w: id %q in the sealed log", ErrUnavailable, m.ID)
		}
		if i == 0 {
			first = int64(id.ms) - 1 //nolint:gosec // a count of entries
		}
		if int64(id.ms)-1 != first+int64(i) { //nolint:gosec // as above
			return 0, nil, fmt.Errorf("entry %d of the sealed log is missing", first+int64(i))
		}
		bodies = append(bodies, []byte(text(m.Values["b"])))
	}
	return first, bodies, nil
}

// follow returns nil if sealed entries, from number first on, follow on what this node
// has, and stay. What is not confirmed yet may be lost with its server and numbered
// otherwise then; who had copied it would have another log than the other nodes.
func (s *Store) follow(ctx context.Context, first int64, bodies [][]byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	var own []byte // the one before the first
	err := s.model.Bodies(ctx, max(0, first-1), func(seq int64, body []byte) error {
		if seq == first-1 {
			own = body
		}
		return errEnough
	})
	if err != nil && !errors.Is(err, errEnough) {
		return err
	}
	client, err := nodeOf(ctx, s.rdb, s.sealedKey())
	if err != nil {
		return s.judged(err)
	}
	know, confirmed := s.server.Load(), confirmation{}
	var before, last *goredis.XMessageSliceCmd
	_, err = client.Pipelined(ctx, func(p goredis.Pipeliner) error {
		one := func(number int64) *goredis.XMessageSliceCmd { // an id is one more than its number
			id := strconv.FormatInt(number+1, 10) + "-0"
			return p.XRange(ctx, s.sealedKey(), id, id)
		}
		before, last = one(first-1), one(first+int64(len(bodies))-1)
		if know.waits(s.opts) {
			touchScript.Eval(ctx, p, []string{s.keys.of(lead, "read")}) // what is confirmed is a write, and all before it
			confirmed = know.confirm(ctx, p, s.opts)
		}
		return nil
	})
	if err = cmp.Or(err, confirmed.given(s.opts)); err != nil {
		return s.judged(err)
	}
	is := func(c *goredis.XMessageSliceCmd, body []byte) bool {
		return len(c.Val()) > 0 && text(c.Val()[0].Values["b"]) == string(body)
	}
	switch {
	case !is(last, bodies[len(bodies)-1]):
		return fmt.Errorf("%w: it has changed entries of the action log meanwhile", ErrUnavailable)
	case own != nil && len(before.Val()) > 0 && !is(before, own):
		return fmt.Errorf("entry %d of the action log is another here than on Redis, which lost what this node had copied: stop this node and name an empty data_dir, it is filled from the other nodes", first-1)
	}
	return nil
}

// trim lets Redis forget sealed entries that enough nodes have.
func (s *Store) trim(ctx context.Context, l *lease) error {
	least, copies := int64(-1), 0
	for _, n := range s.Nodes() {
		if n.Live {
			copies++
			if least < 0 || n.Entries < least {
				least = n.Entries
			}
		}
	}
	if copies < s.opts.MinCopies || least <= s.opts.keepSealed {
		return nil
	}
	// An id is one more than its number: the last keepSealed stay.
	_, err := s.run(ctx, ledScript, []string{s.keys.lease(lead), s.sealedKey()}, l.args("XTRIM", "MINID", strconv.FormatInt(least-s.opts.keepSealed+1, 10)+"-0")...)
	return err
}

// ---- older entries, for a node that lacks them ----

func (s *Store) fillKey(node string) string { return s.keys.of(lead, "fill:"+node) }

// fill sends each live node that lacks entries which Redis has no more the next
// of them, from this node's copy.
func (s *Store) fill(ctx context.Context, l *lease) error {
	oldest, err := s.oldest(ctx)
	if err != nil || oldest == 0 {
		return err
	}
	begins, _, err := s.model.Forgettable(ctx, time.Time{})
	if err != nil {
		return err
	}
	for _, n := range s.Nodes() {
		if !n.Live || n.ID == s.id || n.Entries >= oldest {
			continue
		}
		if n.Entries < begins {
			s.mu.Lock()
			said := s.lacking[n.ID]
			s.lacking[n.ID] = true
			s.mu.Unlock()
			if said {
				continue
			}
			s.log.Warn("a node lacks entries that retention has deleted: stop it, and give it a copy of another node's "+sqlite.FileName, zap.String("node", n.Name))
			continue
		}
		key := s.fillKey(n.ID)
		if waiting, err := s.rdb.LLen(ctx, key).Result(); err != nil || waiting > 0 {
			if err = s.judged(err); err != nil {
				return err
			}
			continue
		}
		args, size := l.args("RPUSH", strconv.FormatInt(n.Entries, 10)), 0
		err := s.model.Bodies(ctx, n.Entries, func(_ int64, body []byte) error {
			args = append(args, body)
			if size += len(body); size > fillBytes || len(args) > sealBatch {
				return errEnough
			}
			return nil
		})
		if err != nil && !errors.Is(err, errEnough) {
			return err
		}
		if len(args) == 4 {
			continue
		}
		if _, err := s.run(ctx, ledScript, []string{s.keys.lease(lead), key}, args...); err != nil {
			return err
		}
		if err := s.judged(s.rdb.Expire(ctx, key, time.Hour).Err()); err != nil {
			return err
		}
		_ = s.rdb.Publish(ctx, s.keys.wake(), "log").Err() // or it looks by itself
	}
	return nil
}

var errEnough = errors.New("enough")

// oldest is the number of the first sealed entry that Redis has; the log's size if it
// has none.
func (s *Store) oldest(ctx context.Context) (int64, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	h, err := s.readHead(ctx)
	if err != nil {
		return 0, err
	}
	list, err := s.rdb.XRangeN(ctx, s.sealedKey(), "-", "+", 1).Result()
	if err != nil {
		return 0, s.judged(err)
	}
	if len(list) == 0 {
		return h.size, nil
	}
	id, err := parseID(list[0].ID)
	return int64(id.ms) - 1, err //nolint:gosec // a count of entries
}

// filled takes what the leader sent, if it follows on what this node has.
func (s *Store) filled(ctx context.Context, have int64) ([][]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 2*s.opts.Timeout)
	defer cancel()
	list, err := s.rdb.LRange(ctx, s.fillKey(s.id), 0, -1).Result()
	if err != nil || len(list) < 2 {
		return nil, s.judged(err)
	}
	if err := s.judged(s.rdb.Del(ctx, s.fillKey(s.id)).Err()); err != nil {
		return nil, err
	}
	if list[0] != strconv.FormatInt(have, 10) {
		return nil, nil
	}
	bodies := make([][]byte, len(list)-1)
	for i, b := range list[1:] {
		bodies[i] = []byte(b)
	}
	s.signal(s.beatNow) // the leader sends the next once it knows
	return bodies, nil
}

// ---- checkpoints ----

// CaughtUp waits until this node has every sealed entry there is at the call.
func (s *Store) CaughtUp(ctx context.Context) error {
	h, err := s.readHead(ctx)
	if err != nil {
		return err
	}
	for {
		have, err := s.model.LogSize(ctx)
		if err != nil || have >= h.size {
			return err
		}
		s.signal(s.tailNow)
		timer := time.NewTimer(sealEvery / 10)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// LogState is how far the log is, and what it costs.
type LogState struct {
	Unsealed  int64 // entries that have no number yet
	Missing   int64 // sealed entries that this node does not have
	Memory    int64 // bytes that Redis uses; in a cluster those of one server
	MaxMemory int64 // 0: no limit
}

// LogState returns how far the log is.
func (s *Store) LogState(ctx context.Context) (LogState, error) {
	fail := func(err error) (LogState, error) {
		return LogState{}, fmt.Errorf("reading the state of the log: %w", err)
	}
	h, err := s.readHead(ctx)
	if err != nil {
		return fail(err)
	}
	have, err := s.model.LogSize(ctx)
	if err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	var waiting []*goredis.IntCmd
	_, err = s.rdb.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for part := lead; part < s.opts.Partitions; part++ {
			waiting = append(waiting, p.XLen(ctx, s.keys.alog(part)))
		}
		return nil
	})
	if err != nil {
		return fail(s.judged(err))
	}
	info, err := s.rdb.Info(ctx, "memory").Result()
	if err != nil {
		return fail(s.judged(err))
	}
	st := LogState{Missing: max(0, h.size-have), MaxMemory: s.server.Load().maxMemory}
	st.Memory, _ = strconv.ParseInt(infoField(info, "used_memory"), 10, 64)
	for _, w := range waiting {
		st.Unsealed += w.Val()
	}
	return st, nil
}

// CheckpointSink keeps what the leader signs here and at the other nodes.
func (s *Store) CheckpointSink() actions.CheckpointSink { return checkpointSink{s} }

type checkpointSink struct{ s *Store }

// Put implements actions.CheckpointSink.
func (c checkpointSink) Put(ctx context.Context, signed []byte) error {
	l, err := c.s.current(ctx, lead)
	if err == nil {
		_, err = c.s.run(ctx, ledScript, []string{c.s.keys.lease(lead), c.s.headKey()}, l.args("HSET", "note", signed)...)
	}
	if err != nil {
		return fmt.Errorf("sharing a checkpoint: %w", err)
	}
	return c.s.model.CheckpointSink().Put(ctx, signed)
}
