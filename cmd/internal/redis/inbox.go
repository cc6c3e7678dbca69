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
	"sync"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/webhook"
)

const (
	// remember is how long an item that led to an effect is known when it comes
	// again: Graph repeats one for 4 hours. Beyond, and wherever it is not known, its
	// effect tells, only that it is decrypted for that.
	remember = 5 * time.Hour
	// claimBytes bounds the bodies of one claim, after its first.
	claimBytes = 4 << 20
	// passMost is about how many items one claim passes over that are put back: Redis does
	// nothing else meanwhile.
	passMost = 1000
	// pollEvery is how often a partition is looked at that nothing was heard of.
	pollEvery = 250 * time.Millisecond
	// recallMost is how many rows a node recalls that takes a lease, by so many at once.
	// Those that are beyond would only be put back again.
	recallMost, recallBatch = 10_000, 1000
	// head0 is the cursor of a claim that begins at the head of the inbox. What is in
	// flight is passed over.
	head0 = "0-0"
	// breakFor is how long nothing is tried after Redis did not answer.
	breakFor = 500 * time.Millisecond
)

// row is a claimed item.
type row struct {
	size       int
	unverified string // "0" or "1": when it was stored
	proved     bool   // since
	attempts   int
	known      string // by which it is known when it comes again; empty: nothing
	passed     bool   // it was due again before this node knew that it is put back
}

// receipt names a row wherever it is; the lease it was claimed under is known by
// the row.
type receipt struct {
	part       int
	id         string
	size       int
	unverified string
}

func (r receipt) String() string {
	return strings.Join([]string{tag(r.part), r.id, strconv.Itoa(r.size), r.unverified}, "/")
}

func parseReceipt(text string) (receipt, error) {
	parts := strings.Split(text, "/")
	if len(parts) != 4 || (parts[3] != "0" && parts[3] != "1") {
		return receipt{}, ErrReceipt
	}
	r := receipt{part: lead, id: parts[1], unverified: parts[3]}
	var errs [3]error
	if parts[0] != tag(lead) {
		n, ok := strings.CutPrefix(parts[0], "p")
		if !ok {
			return receipt{}, ErrReceipt
		}
		r.part, errs[0] = strconv.Atoi(n)
	}
	r.size, errs[1] = strconv.Atoi(parts[2])
	_, errs[2] = parseID(r.id)
	if errors.Join(errs[:]...) != nil || r.part < lead || r.size < 0 {
		return receipt{}, ErrReceipt
	}
	return r, nil
}

// streamID is the id of an entry of a stream.
type streamID struct{ ms, seq uint64 }

func parseID(text string) (streamID, error) {
	a, b, ok := strings.Cut(text, "-")
	if !ok {
		return streamID{}, ErrReceipt
	}
	ms, err := strconv.ParseUint(a, 10, 64)
	seq, err2 := strconv.ParseUint(b, 10, 64)
	return streamID{ms, seq}, errors.Join(err, err2)
}

func (i streamID) String() string { return fmt.Sprintf("%d-%d", i.ms, i.seq) }

func (i streamID) compare(o streamID) int {
	return cmp.Or(cmp.Compare(i.ms, o.ms), cmp.Compare(i.seq, o.seq))
}

// ---- taking items in ----

// partitionOf is where an item goes.
func (s *Store) partitionOf(item webhook.Item) int {
	if item.LifecycleEvent != "" {
		return lead // the leader owns the subscriptions
	}
	return partition(laneOfItem(item), s.opts.Partitions)
}

// Put stores items: when it returns nil all of them are as durable as Redis makes
// them. Those of one partition are stored together, but some partitions may hold
// theirs when others refused: what is sent again then is recognised on its way (see
// remember). It returns webhook.ErrFull at a bound and when Redis is out of memory.
func (s *Store) Put(ctx context.Context, items []webhook.Item) error {
	if len(items) == 0 {
		return nil
	}
	fail := func(err error) error { return fmt.Errorf("storing %d items: %w", len(items), err) }
	if err := s.refused(); err != nil {
		return fail(err)
	}
	c := &putCall{of: make([]putItem, len(items)), done: make(chan error, 1)}
	for i, item := range items {
		body, err := json.Marshal(item)
		if err != nil {
			return fail(errors.New("an item cannot be encoded")) // the cause could quote it
		}
		c.of[i] = putItem{s.partitionOf(item), body, knownBy(item), item.Received.UnixMilli(), countOf(len(body), len(item.Deferred) > 0)}
		c.adds = c.adds.plus(c.of[i].count)
	}
	if err := s.reserve(c.adds); err != nil {
		return fail(err)
	}
	s.puts.add(c)
	if err := s.puts.wait(ctx, c); err != nil {
		return fail(err)
	}
	return nil
}

// refused says why items are not taken now, without asking Redis.
func (s *Store) refused() error {
	if s.life.Err() != nil {
		return ErrClosed
	}
	if b := s.broken.Load(); b != nil && time.Now().Before(b.until) {
		return b.err
	}
	return s.server.Load().unsafe
}

// count is how full something is.
type count struct{ items, bytes, unverified int64 }

func countOf(size int, unverified bool) count {
	c := count{items: 1, bytes: int64(size)}
	if unverified {
		c.unverified = 1
	}
	return c
}

func (c count) plus(o count) count {
	return count{c.items + o.items, c.bytes + o.bytes, c.unverified + o.unverified}
}

func (c count) minus(o count) count {
	return count{c.items - o.items, c.bytes - o.bytes, c.unverified - o.unverified}
}

// reserve counts what is about to be stored, or returns webhook.ErrFull. What the
// other nodes added and ended is known as of the last look: together they may go
// beyond a bound by what comes in between two.
func (s *Store) reserve(more count) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if why := s.full(more); why != "" {
		return fmt.Errorf("%w (%s)", webhook.ErrFull, why)
	}
	s.since = s.since.plus(more)
	return nil
}

// full says which bound does not leave room for more. s.mu is held.
func (s *Store) full(more count) string {
	have := s.inbox.plus(s.since).plus(more)
	switch {
	case have.items > s.opts.MaxItems:
		return "items"
	case have.bytes > s.opts.MaxBytes:
		return "bytes"
	case more.unverified > 0 && have.unverified > s.opts.MaxUnverified:
		return "unverified"
	}
	return ""
}

// look learns what else lies in Redis.
func (s *Store) look(ctx context.Context) error {
	if err := s.count(ctx); err != nil {
		return err
	}
	return s.lookAtHead(ctx)
}

// count counts the inbox.
func (s *Store) count(ctx context.Context) error {
	s.counting.Lock() // what is taken off since is taken off once
	defer s.counting.Unlock()
	s.mu.Lock()
	before := s.since
	s.mu.Unlock()
	var all count
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	lens, sizes := make([]*goredis.IntCmd, s.opts.Partitions), make([]*goredis.SliceCmd, s.opts.Partitions)
	_, err := s.ctl.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i := range lens {
			lens[i], sizes[i] = p.XLen(ctx, s.keys.queue(i)), p.HMGet(ctx, s.keys.counts(i), "bytes", "unverified")
		}
		return nil
	})
	if err != nil {
		return s.judged(err)
	}
	for i := range lens {
		var n [2]int64
		for j, v := range sizes[i].Val() {
			n[j], _ = strconv.ParseInt(text(v), 10, 64)
		}
		all = all.plus(count{lens[i].Val(), n[0], n[1]})
	}
	s.mu.Lock()
	s.inbox, s.since = all, s.since.minus(before)
	s.mu.Unlock()
	return nil
}

// ---- giving items out ----

// Claim returns up to limit items, at least one, of the partitions that this node
// holds: each in flight here until it is ended or put back, or its lease is lost.
// It waits until there is one, ctx ends or the store is closed. In a partition
// they come in the order of the inbox, deferred ones when they are due.
func (s *Store) Claim(ctx context.Context, limit int) ([]webhook.Item, error) {
	limit = max(limit, 1)
	select {
	case s.claiming <- struct{}{}:
		defer func() { <-s.claiming }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.life.Done():
		return nil, ErrClosed
	}
	for {
		items, next, err := s.claimNow(ctx, limit)
		switch {
		case s.life.Err() != nil:
			return nil, ErrClosed
		case len(items) > 0:
			return items, nil
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err != nil:
			s.log.Warn("items not claimed, trying again", zap.Error(err))
			next = breakFor
		}
		timer := time.NewTimer(next)
		select {
		case <-s.wake:
		case <-timer.C:
		case <-ctx.Done():
		case <-s.life.Done():
		}
		timer.Stop()
	}
}

// claimNow claims what is there, and says when to look again.
func (s *Store) claimNow(ctx context.Context, limit int) (items []webhook.Item, next time.Duration, err error) {
	s.mu.Lock()
	var list []*lease
	now := time.Now()
	next = pollEvery
	for _, l := range s.leases {
		switch {
		case l.rests():
		case l.look, !l.due.IsZero() && !l.due.After(now):
			list = append(list, l)
		case !l.due.IsZero():
			next = min(next, l.due.Sub(now))
		}
	}
	if len(list) == 0 { // now and then all, in case that something was not heard
		for _, l := range s.leases {
			if !l.rests() {
				list = append(list, l)
			}
		}
	}
	s.mu.Unlock()
	for len(list) > 0 && len(items) < limit && err == nil {
		some := list[:min(len(list), limit-len(items))]
		list = list[len(some):]
		var got []webhook.Item
		got, err = s.claimFrom(ctx, some, (limit-len(items))/len(some))
		items = append(items, got...)
		s.mu.Lock()
		for _, l := range some {
			switch {
			case l.look && err == nil: // all that came is in flight
				next = 0
			case !l.due.IsZero():
				next = min(next, time.Until(l.due))
			}
		}
		s.mu.Unlock()
	}
	return items, max(next, time.Millisecond), err
}

// claimFrom claims up to limit items of each of some partitions, in one go.
func (s *Store) claimFrom(ctx context.Context, some []*lease, limit int) (items []webhook.Item, err error) {
	s.mu.Lock()
	fresh := slices.DeleteFunc(slices.Clone(some), func(l *lease) bool { return !l.behind })
	s.mu.Unlock()
	for _, l := range fresh {
		switch err := s.recallBehind(ctx, l); {
		case errors.Is(err, ErrFenced):
			s.lose(l, "another node took it")
		case err != nil:
			return nil, err
		}
	}
	asked, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	cmds := make([]*goredis.Cmd, len(some))
	args := make([][]any, len(some))
	byServer := map[goredis.UniversalClient][]int{} // asked one by one: the client of a cluster would repeat a claim whose answer was lost
	for i, l := range some {
		client, err := nodeOf(asked, s.rdb, s.keys.queue(l.part))
		if err != nil {
			return nil, s.judged(err)
		}
		byServer[client] = append(byServer[client], i)
	}
	s.mu.Lock()
	for i, l := range some {
		if l.rewind {
			l.cursor, l.rewind = head0, false
		}
		l.look = false
		args[i] = l.args(l.cursor, limit, claimBytes, s.keys.of(l.part, knownPrefix), passMost)
	}
	s.mu.Unlock()
	var all sync.WaitGroup
	for client, places := range byServer {
		all.Go(func() {
			_, _ = client.Pipelined(asked, func(pipe goredis.Pipeliner) error { // each answer is looked at
				for _, i := range places {
					cmds[i] = claimScript.EvalSha(asked, pipe, s.rowKeys(some[i].part), args[i]...)
				}
				return nil
			})
		})
	}
	all.Wait()
	var errs []error
	for i, l := range some {
		v, err := cmds[i].Result()
		if goredis.HasErrorPrefix(err, "NOSCRIPT") || s.moved(ctx, s.rdb, err) { // it was not carried out
			v, err = s.run(ctx, claimScript, s.rowKeys(l.part), args[i]...)
		}
		var got []webhook.Item
		if err = s.judged(err); err == nil {
			got, err = s.claimed(ctx, l, v)
			items = append(items, got...)
		}
		switch {
		case errors.Is(err, ErrFenced):
			s.lose(l, "another node took it")
		case err != nil:
			errs = append(errs, err)
			s.mu.Lock()
			l.look, l.rewind = true, true // what was given out, and did not get here, is behind the cursor
			s.mu.Unlock()
		}
	}
	return items, errors.Join(errs...)
}

// claimed takes what the script answered about a partition.
func (s *Store) claimed(ctx context.Context, l *lease, v any) ([]webhook.Item, error) {
	p := l.part
	list, _ := v.([]any)
	if len(list) < 2 {
		return nil, fmt.Errorf("%w: an answer of %d parts", ErrUnavailable, len(list))
	}
	wait, err := strconv.ParseInt(text(list[1]), 10, 64)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	type claimed struct {
		receipt receipt
		row     *row
		body    string
		at      streamID
		known   bool
		proved  bool
	}
	var got []claimed
	s.mu.Lock()
	if s.leases[p] != l { // lost meanwhile: they are another's
		s.mu.Unlock()
		return nil, nil
	}
	if text(list[0]) != l.cursor || len(list) > 2 {
		l.look = true // there may be more
	}
	l.cursor, l.due = text(list[0]), time.Time{}
	if wait >= 0 {
		l.due = time.Now().Add(time.Duration(wait) * time.Millisecond)
	}
	for i := 2; i+5 < len(list); i += 6 {
		id, body := text(list[i]), text(list[i+1])
		attempts, _ := strconv.Atoi(text(list[i+3]))
		if r := l.held[id]; r != nil { // it came through the deferred ones, ahead of the cursor
			r.passed = r.passed || attempts > r.attempts // or is one of them again, and the answer to that is on its way
			continue
		}
		at, _ := parseID(id)
		r := &row{size: len(body), unverified: text(list[i+2]), known: text(list[i+4])}
		if r.unverified == "p" {
			r.unverified, r.proved = "1", true // the receipt stays what it was
		}
		r.attempts = attempts
		l.held[id] = r
		got = append(got, claimed{receipt{p, id, r.size, r.unverified}, r, body, at, text(list[i+5]) == "1", r.proved || r.unverified == "0"})
	}
	s.mu.Unlock()
	slices.SortFunc(got, func(a, b claimed) int { return a.at.compare(b.at) })
	items := make([]webhook.Item, 0, len(got))
	for _, c := range got {
		item, err := webhook.ReadItem([]byte(c.body))
		if err != nil {
			s.log.Error("an inbox row cannot be decoded", zap.String("row", c.receipt.String()))
			if err := s.Quarantine(ctx, c.receipt.String(), "the stored item cannot be decoded"); err != nil {
				s.lose(l, "a row could neither be decoded nor set aside") // all of it is claimed again
				return nil, err
			}
			continue
		}
		item.Receipt, item.Attempts = c.receipt.String(), c.row.attempts
		if c.proved {
			item.Deferred = nil
		}
		// One that was put back is given out: whoever put it back waits for it, as the
		// others of its conversation do for it. Its effect tells that it came before.
		if c.known && c.row.attempts == 0 {
			if err := s.Drop(ctx, item.Receipt, "it came before"); err == nil {
				continue
			}
		}
		items = append(items, item)
	}
	return items, nil
}

// known is the key of what a claimed row is known by when it comes again.
func (s *Store) known(l *lease, id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := l.held[id]; r != nil && r.known != "" {
		return s.keys.of(l.part, knownPrefix+r.known)
	}
	return ""
}

// flight returns a claimed row and its lease.
func (s *Store) flight(ctx context.Context, text string) (receipt, *lease, *row, error) {
	r, err := parseReceipt(text)
	if err != nil {
		return r, nil, nil, err
	}
	l, err := s.current(ctx, r.part)
	if err != nil {
		return r, nil, nil, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	return r, l, l.held[r.id], nil
}

func (s *Store) ended(l *lease, id string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if r := l.held[id]; r != nil && l.part != lead { // the leader's are not counted
		s.since = s.since.minus(countOf(r.size, r.unverified != "0" && !r.proved))
	}
	delete(l.held, id)
}

func (s *Store) rowKeys(p int, more ...string) []string {
	return append([]string{s.keys.lease(p), s.keys.queue(p), s.keys.delay(p), s.keys.attempts(p), s.keys.counts(p)}, more...)
}

// Drop ends a row that leads to no effect. reason goes to the program log, so it
// names no text. Ending a row that has ended is no error.
func (s *Store) Drop(ctx context.Context, receipt, reason string) error {
	r, l, _, err := s.flight(ctx, receipt)
	if err == nil {
		_, err = s.run(ctx, dropScript, s.rowKeys(r.part), l.args(r.id, r.size, r.unverified)...)
	}
	if err != nil {
		return fmt.Errorf("dropping inbox row %q: %w", receipt, err)
	}
	s.ended(l, r.id)
	s.log.Debug("dropped an inbox row", zap.String("row", receipt), zap.String("reason", reason))
	return nil
}

// Proved records that the tokens of a claimed row were verified. It is without them
// from then on, at other nodes and out of quarantine too: the key that signed them
// may be withdrawn by then.
func (s *Store) Proved(ctx context.Context, receipt string) error {
	r, l, row, err := s.flight(ctx, receipt)
	if err == nil && row == nil {
		err = ErrNotClaimed
	}
	if err == nil {
		_, err = s.run(ctx, provedScript, s.rowKeys(r.part), l.args(r.id)...)
	}
	if err != nil {
		return fmt.Errorf("recording that inbox row %q is proved: %w", receipt, err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if row.unverified != "0" && !row.proved {
		row.proved = true
		if l.part != lead {
			s.since = s.since.minus(count{unverified: 1})
		}
	}
	return nil
}

// Defer puts a claimed row back until a time, and counts an attempt. Both outlive
// the process. The time is taken as a wait from now, by Redis' clock. reason is
// kept for whoever looks, so it names no text.
func (s *Store) Defer(ctx context.Context, receipt string, until time.Time, reason string) error {
	r, l, row, err := s.flight(ctx, receipt)
	if err == nil && row == nil {
		err = ErrNotClaimed
	}
	if err == nil {
		wait := max(0, time.Until(until).Milliseconds())
		_, err = s.run(ctx, deferScript, s.rowKeys(r.part)[:4], l.args(r.id, wait, strconv.Itoa(row.attempts+1)+" "+reason)...)
	}
	if err != nil {
		return fmt.Errorf("deferring inbox row %q: %w", receipt, err)
	}
	s.mu.Lock()
	delete(l.held, r.id)
	l.look = true                     // when it is due is read there
	l.rewind = l.rewind || row.passed // it is behind the cursor, also behind that of a claim under way
	s.mu.Unlock()
	s.signal(s.wake)
	return nil
}

// Recall makes deferred rows due at once, in that order and before others; those
// that are not deferred, or not of this node any more, it leaves as they are.
func (s *Store) Recall(ctx context.Context, receipts []string) error {
	parts := map[int][]goredis.Z{}
	score := recalled()
	for i, text := range receipts {
		r, err := parseReceipt(text)
		if err != nil {
			return fmt.Errorf("recalling inbox row %q: %w", text, err)
		}
		parts[r.part] = append(parts[r.part], goredis.Z{Score: score(i), Member: r.id})
	}
	return s.recall(ctx, parts)
}

// recalled returns when the rows that are recalled now are due: long ago, but the
// later the later they were recalled. See due times in milliseconds.
func recalled() func(place int) float64 {
	first := float64(time.Now().UnixMicro()) / 1e6
	return func(place int) float64 { return first + float64(place)/1e6 }
}

// recallBehind takes back that the node before put rows back because its lanes were
// full: this one's are not, and it knows of none of them. It is called before the first
// claim under a lease, which begins at the head of the inbox: so they come in its order.
func (s *Store) recallBehind(ctx context.Context, l *lease) error {
	var list []streamID
	err := s.eachTried(ctx, l.part, s.opts.Behind, func(ids, _ []string) error {
		for _, name := range ids {
			if id, err := parseID(name); err == nil {
				list = append(list, id)
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("recalling what another node put back: %w", err)
	}
	slices.SortFunc(list, streamID.compare)
	for some := range slices.Chunk(list[:min(len(list), recallMost)], recallBatch) {
		args := l.args("ZREM")
		for _, id := range some {
			args = append(args, id.String())
		}
		if _, err := s.run(ctx, ledScript, []string{s.keys.lease(l.part), s.keys.delay(l.part)}, args...); err != nil {
			return fmt.Errorf("recalling what another node put back: %w", err)
		}
	}
	s.mu.Lock()
	l.behind = false
	s.mu.Unlock()
	return nil
}

func (s *Store) recall(ctx context.Context, parts map[int][]goredis.Z) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	// What is claimed is not among what is deferred, and XX adds nothing to that.
	_, err := s.rdb.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for part, rows := range parts {
			p.ZAddXX(ctx, s.keys.delay(part), rows...)
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("recalling inbox rows: %w", err)
	}
	s.mu.Lock()
	for _, l := range s.leases {
		if parts[l.part] != nil {
			l.look = true
		}
	}
	s.mu.Unlock()
	s.signal(s.wake)
	return nil
}

// ---- how full it is ----

// Depth returns how full the shared inbox is; what is in flight is of this node.
func (s *Store) Depth(ctx context.Context) (sqlite.Depth, error) {
	fail := func(err error) (sqlite.Depth, error) {
		return sqlite.Depth{}, fmt.Errorf("counting the inbox: %w", err)
	}
	if err := s.count(ctx); err != nil {
		return fail(err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	var d sqlite.Depth
	var deferred, dead []*goredis.IntCmd
	var heads []*goredis.XMessageSliceCmd
	_, err := s.rdb.Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i := range s.opts.Partitions {
			deferred = append(deferred, p.ZCard(ctx, s.keys.delay(i)))
			dead = append(dead, p.XLen(ctx, s.keys.dead(i)))
			heads = append(heads, p.XRangeN(ctx, s.keys.queue(i), "-", "+", 1))
		}
		return nil
	})
	if err != nil {
		return fail(s.judged(err))
	}
	for i := range deferred {
		d.Deferred += deferred[i].Val()
		d.Quarantined += dead[i].Val()
		for _, m := range heads[i].Val() {
			ms, _ := strconv.ParseInt(text(m.Values["r"]), 10, 64)
			if at := time.UnixMilli(ms).UTC(); d.OldestReceived.IsZero() || at.Before(d.OldestReceived) {
				d.OldestReceived = at
			}
		}
	}
	s.mu.Lock()
	d.Items, d.Bytes, d.Unverified = s.inbox.items, s.inbox.bytes, s.inbox.unverified
	for _, l := range s.leases {
		d.InFlight += int64(len(l.held))
	}
	s.mu.Unlock()
	return d, nil
}
