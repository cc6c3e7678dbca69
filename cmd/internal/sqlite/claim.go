package sqlite

import (
	"cmp"
	"container/heap"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"go.uber.org/zap"

	"teamsdlp/webhook"
)

var (
	// ErrReceipt is returned for a receipt that this store did not give out.
	ErrReceipt = errors.New("not a receipt of this inbox")
	// ErrNotClaimed is returned by Defer and Quarantine for a row that
	// is not in flight: it was ended or put back already.
	ErrNotClaimed = errors.New("the inbox row is not claimed")
)

// claimBytes bounds the bodies that one Claim reads into memory, after its
// first.
const claimBytes = 4 << 20

// Claim returns up to limit items, at least one, in the order of the inbox:
// deferred ones that are due, then new ones. It waits until there is one, until
// ctx ends or until the store is closed. Each is then in flight, and not
// returned again by this process, until it is put back with Defer;
// Finish, Drop and Quarantine end it. Claims of several goroutines take turns.
//
// A row that cannot be decoded is quarantined here.
func (s *Store) Claim(ctx context.Context, limit int) ([]webhook.Item, error) {
	limit = max(limit, 1)
	b := &s.inbox
	select {
	case b.claiming <- struct{}{}:
		defer func() { <-b.claiming }()
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-s.life.Done():
		return nil, ErrClosed
	}
	for {
		items, err := s.claimNow(ctx, limit)
		if s.life.Err() != nil {
			return nil, ErrClosed // what was claimed is claimed again after the next start
		}
		if err != nil {
			return nil, fmt.Errorf("claiming from the inbox: %w", err)
		}
		if len(items) > 0 {
			return items, nil
		}
		if s.inbox.behind() {
			continue // what was read was none to hand out; who stored the rest woke nobody but us
		}
		if err := s.awaitRow(ctx); err != nil {
			return nil, err
		}
	}
}

// awaitRow returns when there may be something to claim.
func (s *Store) awaitRow(ctx context.Context) error {
	var due <-chan time.Time
	if at, ok := s.inbox.firstDue(); ok {
		t := time.NewTimer(time.Until(at))
		defer t.Stop()
		due = t.C
	}
	select {
	case <-s.inbox.wake:
	case <-due:
	case <-ctx.Done():
		return ctx.Err()
	case <-s.life.Done():
		return ErrClosed
	}
	return nil
}

// behind reports whether there are rows that no claim has come to.
func (b *inbox) behind() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.cursor < b.stored
}

// firstDue returns when the first waiting row is due.
func (b *inbox) firstDue() (time.Time, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.due) == 0 {
		return time.Time{}, false
	}
	return b.due[0].due, true
}

// claimed is a row that was read, before it is handed out.
type claimed struct {
	*row
	item webhook.Item
	odd  bool // it cannot be decoded
}

// read decodes the body of the row. Tokens that were verified meanwhile are left out.
func (c *claimed) read(body []byte) {
	var err error
	c.item, err = webhook.ReadItem(body)
	c.odd = err != nil
	if !c.unverified {
		c.item.Deferred = nil
	}
	c.item.Receipt, c.item.Attempts = strconv.FormatInt(c.seq, 10), c.attempts
}

// claimNow claims what is there. On an error everything is as it was.
func (s *Store) claimNow(ctx context.Context, limit int) ([]webhook.Item, error) {
	got, err := s.readDue(ctx, limit)
	if err != nil {
		return nil, err
	}
	size := int64(0)
	for _, c := range got {
		size += c.size
	}
	fresh, cursor, err := s.readFresh(ctx, limit-len(got), claimBytes-size)
	if err != nil {
		return nil, err
	}
	s.inbox.take(got, fresh, cursor)
	got = append(got, fresh...)
	slices.SortFunc(got, func(a, b claimed) int { return cmp.Compare(a.seq, b.seq) })
	items, err := s.decoded(ctx, got)
	if err == nil {
		s.foresee(ctx, items)
	}
	return items, err
}

// readDue reads waiting rows that are due. They stay in the heap.
func (s *Store) readDue(ctx context.Context, limit int) ([]claimed, error) {
	var got []claimed
	size := int64(0)
	for _, r := range s.inbox.peekDue(time.Now(), limit) {
		if len(got) > 0 && size+r.size > claimBytes {
			break
		}
		c := claimed{row: r}
		var body []byte
		err := s.Reader.row(ctx, `SELECT body FROM inbox WHERE seq = ?`, []any{r.seq}, &body)
		if errors.Is(err, sql.ErrNoRows) { // its end is durable, and about to be known here
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading row %d: %w", r.seq, err)
		}
		c.read(body)
		got = append(got, c)
		size += r.size
	}
	return got, nil
}

// peekDue returns up to limit rows that are due, first due first, and leaves them
// waiting.
func (b *inbox) peekDue(now time.Time, limit int) []*row {
	b.mu.Lock()
	defer b.mu.Unlock()
	var rows []*row
	for len(rows) < limit && len(b.due) > 0 && !b.due[0].due.After(now) {
		rows = append(rows, heap.Pop(&b.due).(*row))
	}
	for _, r := range rows {
		heap.Push(&b.due, r)
	}
	return rows
}

// readFresh reads rows beyond the cursor, at most limit and, after the first that
// is claimed at all, at most size bytes. It returns how far it came: behind many rows
// that were deferred when the store was opened no further than one page.
func (s *Store) readFresh(ctx context.Context, limit int, size int64) ([]claimed, int64, error) {
	b := &s.inbox
	b.mu.Lock()
	cursor, stored := b.cursor, b.stored
	b.mu.Unlock()
	if limit <= 0 || size <= 0 || cursor >= stored {
		return nil, cursor, nil
	}
	var got []claimed
	const query = `SELECT seq, flags, body FROM inbox WHERE seq > ? AND seq <= ? ORDER BY seq`
	end, passed := stored, 0
	err := s.Reader.each(ctx, query, []any{cursor, stored}, func(rows *sql.Rows) error {
		c := claimed{row: &row{}}
		var (
			flags int64
			body  sql.RawBytes
		)
		if err := rows.Scan(&c.seq, &flags, &body); err != nil {
			return err
		}
		c.size, c.unverified = int64(len(body)), flags&flagUnverified != 0
		if b.loaded[c.seq] { // it comes, or came, through the heap
			if passed++; passed < maxPage {
				return nil
			}
			end = c.seq
			return errStop
		}
		if len(got) == limit || len(got) > 0 && size < c.size {
			end = got[len(got)-1].seq
			return errStop
		}
		c.read(body)
		got = append(got, c)
		size -= c.size
		return nil
	})
	if err != nil {
		return nil, 0, fmt.Errorf("reading rows after %d: %w", cursor, err)
	}
	return got, end, nil
}

// take puts the rows in flight. Only a claim takes rows out of the heap, and
// claims take turns, so due rows are still there.
func (b *inbox) take(due, fresh []claimed, cursor int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range due {
		heap.Remove(&b.due, c.index)
		c.waiting = false
	}
	for _, c := range fresh {
		b.held[c.seq] = c.row
	}
	b.cursor = max(b.cursor, cursor)
}

// decoded returns the items of rows; a row without one is quarantined.
func (s *Store) decoded(ctx context.Context, got []claimed) ([]webhook.Item, error) {
	items := make([]webhook.Item, 0, len(got))
	for _, c := range got {
		if c.odd {
			s.log.Error("an inbox row cannot be decoded", zap.Int64("seq", c.seq))
			if err := s.Quarantine(ctx, c.item.Receipt, "the stored item cannot be decoded"); err != nil {
				for _, c := range got {
					s.inbox.putBack(c.seq, c.attempts, time.Time{})
				}
				return nil, err
			}
			continue
		}
		items = append(items, c.item)
	}
	return items, nil
}

func parseReceipt(receipt string) (int64, error) {
	seq, err := strconv.ParseInt(receipt, 10, 64)
	if err != nil || seq < 1 {
		return 0, ErrReceipt
	}
	return seq, nil
}

// endRow removes a row in the writer's transaction. One that is gone is no
// error: ending twice is ending once.
func endRow(t *tx, seq int64) error {
	if _, err := t.exec(`DELETE FROM inbox WHERE seq = ?`, seq); err != nil {
		return err
	}
	_, err := t.exec(`DELETE FROM work WHERE seq = ?`, seq)
	return err
}

// ended forgets a row once its end is durable.
func (b *inbox) ended(seq int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.held[seq]
	if r == nil {
		return
	}
	if r.waiting {
		heap.Remove(&b.due, r.index)
	}
	delete(b.held, seq)
	b.add(-1, -r.size, -count(r.unverified))
}

// putBack lets a row that is in flight be claimed again from due on.
func (b *inbox) putBack(seq int64, attempts int, due time.Time) {
	b.mu.Lock()
	if r := b.held[seq]; r != nil && !r.waiting {
		r.attempts, r.due, r.waiting = attempts, due, true
		heap.Push(&b.due, r)
	}
	b.mu.Unlock()
	b.signal()
}

// inFlight returns how often a claimed row was put back before.
func (b *inbox) inFlight(seq int64) (attempts int, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.held[seq]
	if r == nil || r.waiting {
		return 0, false
	}
	return r.attempts, true
}

// Drop ends a row that leads to no effect: the item turned out to be forged, or
// is one to do nothing about. reason goes to the program log, so it names no
// text. Ending a row that has ended is no error.
func (s *Store) Drop(ctx context.Context, receipt, reason string) error {
	seq, err := parseReceipt(receipt)
	if err != nil {
		return fmt.Errorf("dropping inbox row %q: %w", receipt, err)
	}
	err = s.do(ctx, 0,
		func(t *tx) error { return endRow(t, seq) },
		func(err error) {
			if err == nil {
				s.inbox.ended(seq)
			}
		})
	if err != nil {
		return fmt.Errorf("dropping inbox row %d: %w", seq, err)
	}
	s.log.Debug("dropped an inbox row", zap.Int64("seq", seq), zap.String("reason", reason))
	return nil
}

// Proved records that the tokens of a claimed row were verified. It is without them
// from then on, after a restart and out of quarantine too: the key that signed them
// may be withdrawn by then.
func (s *Store) Proved(ctx context.Context, receipt string) error {
	seq, err := parseReceipt(receipt)
	if err != nil {
		return fmt.Errorf("recording that inbox row %q is proved: %w", receipt, err)
	}
	if _, ok := s.inbox.inFlight(seq); !ok {
		return fmt.Errorf("recording that inbox row %d is proved: %w", seq, ErrNotClaimed)
	}
	err = s.do(ctx, 0,
		func(t *tx) error {
			_, err := t.exec(`UPDATE inbox SET flags = flags & ~?1 WHERE seq = ?2 AND flags & ?1`, flagUnverified, seq)
			return err
		},
		func(err error) {
			if err == nil {
				s.inbox.proved(seq)
			}
		})
	if err != nil {
		return fmt.Errorf("recording that inbox row %d is proved: %w", seq, err)
	}
	return nil
}

func (b *inbox) proved(seq int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if r := b.held[seq]; r != nil {
		b.add(0, 0, -count(r.unverified))
		r.unverified = false
	}
}

// Defer puts a claimed row back until a time, and counts an attempt. Both
// outlive the process; the resolution is a millisecond. After a restart a row is due
// within a day, and no later because the clock was set back. reason is kept for
// whoever looks into the file, so it names no text.
func (s *Store) Defer(ctx context.Context, receipt string, until time.Time, reason string) error {
	seq, err := parseReceipt(receipt)
	if err != nil {
		return fmt.Errorf("deferring inbox row %q: %w", receipt, err)
	}
	attempts, ok := s.inbox.inFlight(seq)
	if !ok {
		return fmt.Errorf("deferring inbox row %d: %w", seq, ErrNotClaimed)
	}
	attempts++
	const query = `INSERT INTO work (seq, due_ms, attempts, reason) VALUES (?, ?, ?, ?)
		ON CONFLICT (seq) DO UPDATE SET due_ms = excluded.due_ms, attempts = excluded.attempts, reason = excluded.reason`
	err = s.do(ctx, len(reason),
		func(t *tx) error {
			_, err := t.exec(query, seq, millis(until), attempts, reason)
			return err
		},
		func(err error) {
			if err == nil {
				s.inbox.putBack(seq, attempts, steady(until, time.Now()))
			}
		})
	if err != nil {
		return fmt.Errorf("deferring inbox row %d: %w", seq, err)
	}
	return nil
}

// steady is a time as so long from now: it does not move when the clock is set.
func steady(t, now time.Time) time.Time { return now.Add(t.Round(0).Sub(now)) }

// Recall makes deferred rows due at once, in that order and before others; those
// that are not deferred it leaves as they are. It writes nothing: after a restart
// they are due when they were.
func (s *Store) Recall(_ context.Context, receipts []string) error {
	seqs := make([]int64, len(receipts))
	for i, receipt := range receipts {
		var err error
		if seqs[i], err = parseReceipt(receipt); err != nil {
			return fmt.Errorf("recalling inbox row %q: %w", receipt, err)
		}
	}
	s.inbox.recall(seqs)
	return nil
}

func (b *inbox) recall(seqs []int64) {
	first := time.Now().UnixMicro() // as nanoseconds: long ago, but the later the later they were recalled
	b.mu.Lock()
	for i, seq := range seqs {
		if r := b.held[seq]; r != nil && r.waiting {
			r.due = time.Unix(0, first+int64(i))
			heap.Fix(&b.due, r.index)
		}
	}
	b.mu.Unlock()
	b.signal()
}
