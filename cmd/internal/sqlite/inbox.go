package sqlite

import (
	"container/heap"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"time"

	"teamsdlp/webhook"
)

// flagUnverified marks a row that holds validation tokens still to be verified. Tokens
// in a row without it were: see [Store.Proved].
const flagUnverified = 1

// A row is what memory keeps of an inbox row between its claim, or its deferral,
// and its end. The body is not kept.
type row struct {
	seq        int64
	size       int64
	unverified bool
	attempts   int
	due        time.Time // when waiting: not before then
	waiting    bool      // in inbox.due; otherwise in flight
	index      int       // in inbox.due
}

// inbox is the state of the queue in memory. Rows beyond cursor have not been
// claimed since the store was opened; rows up to it are held, or have ended.
type inbox struct {
	claiming chan struct{} // holds one while a claim runs: one at a time
	wake     chan struct{} // holds one when there may be something to claim

	mu          sync.Mutex
	next        int64 // number of the next row; of the writer's goroutine, but for load
	stored      int64 // highest committed
	cursor      int64
	held        map[int64]*row
	loaded      map[int64]bool // rows that were deferred when the store was opened; never changes
	due         dueHeap
	items       int64 // stored, or admitted and about to be
	bytes       int64
	unverified  int64
	quarantined int64
}

// load counts what is in the file. Nothing else uses the inbox yet.
func (b *inbox) load(ctx context.Context, r *Reader) error {
	b.claiming = make(chan struct{}, 1)
	b.wake = make(chan struct{}, 1)
	b.held, b.loaded = map[int64]*row{}, map[int64]bool{}
	const count = `SELECT count(*), coalesce(sum(length(body)), 0), coalesce(sum(flags & 1), 0), coalesce(max(seq), 0) FROM inbox`
	if err := r.row(ctx, count, nil, &b.items, &b.bytes, &b.unverified, &b.stored); err != nil {
		return fmt.Errorf("counting the inbox: %w", err)
	}
	if err := r.row(ctx, `SELECT count(*) FROM quarantine`, nil, &b.quarantined); err != nil {
		return fmt.Errorf("counting the quarantine: %w", err)
	}
	b.next = b.stored + 1
	const deferred = `SELECT w.seq, w.due_ms, w.attempts, length(i.body), i.flags FROM work w JOIN inbox i ON i.seq = w.seq
		WHERE w.seq > ? ORDER BY w.seq LIMIT ?`
	now := time.Now()
	for after, n := int64(0), maxPage; n == maxPage; {
		n = 0
		err := r.each(ctx, deferred, []any{after, maxPage}, func(rows *sql.Rows) error {
			w := &row{waiting: true}
			var due, flags int64
			if err := rows.Scan(&w.seq, &due, &w.attempts, &w.size, &flags); err != nil {
				return err
			}
			w.due, w.unverified = steady(fromMillis(due), now), flags&flagUnverified != 0
			b.held[w.seq], b.loaded[w.seq] = w, true
			heap.Push(&b.due, w)
			after, n = w.seq, n+1
			return nil
		})
		if err != nil {
			return fmt.Errorf("reading deferred rows: %w", err)
		}
	}
	b.signal()
	return nil
}

// signal lets a waiting claim look again.
func (b *inbox) signal() {
	select {
	case b.wake <- struct{}{}:
	default:
	}
}

// fullFor says which bound does not allow so much more, or nothing.
func (b *inbox) fullFor(items, bytes, unverified int64, o Options) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.overBound(items, bytes, unverified, o)
}

func (b *inbox) overBound(items, bytes, unverified int64, o Options) string {
	switch {
	case b.items+items > o.MaxItems:
		return "items"
	case b.bytes+bytes > o.MaxBytes:
		return "bytes"
	case unverified > 0 && b.unverified+unverified > o.MaxUnverified:
		return "unverified"
	}
	return ""
}

// admit counts what is about to be stored, so that calls at the same time
// cannot go over a bound together. It returns the bound that does not allow it.
func (b *inbox) admit(items, bytes, unverified int64, o Options) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	why := b.overBound(items, bytes, unverified, o)
	if why == "" {
		b.add(items, bytes, unverified)
	}
	return why
}

// add needs mu.
func (b *inbox) add(items, bytes, unverified int64) {
	b.items += items
	b.bytes += bytes
	b.unverified += unverified
}

func count(unverified bool) int64 {
	if unverified {
		return 1
	}
	return 0
}

const insertInbox = `INSERT INTO inbox (seq, recv_ms, flags, body) VALUES (?, ?, ?, ?)`

// An inboxRow is an item in its stored form.
type inboxRow struct {
	received time.Time
	flags    int64
	body     []byte
}

// Put stores items in one commit: when it returns nil all of them are durable,
// otherwise none is, except that after the error of ctx they still may be. It
// returns webhook.ErrFull at a bound, below the mark of free space, on a full
// disk, and when more writes are queued than would be done in time.
func (s *Store) Put(ctx context.Context, items []webhook.Item) error {
	if len(items) == 0 {
		return nil
	}
	if s.diskLow.Load() {
		return s.refuse(len(items), "disk_mark", ErrDiskFull)
	}
	rows, buf, unverified, err := encode(items)
	if err != nil {
		return fmt.Errorf("storing %d items: %w", len(items), err)
	}
	b := &s.inbox
	n, size := int64(len(items)), int64(len(*buf))
	if why := b.admit(n, size, unverified, s.opts); why != "" {
		giveBack(buf)
		return s.refuse(len(items), why, nil)
	}
	var last int64
	o := &op{ctx: ctx, size: int(size), shed: true, bare: true}
	o.run = func(t *tx) (err error) {
		last, err = b.insert(t, rows)
		return err
	}
	o.after = func(err error) {
		giveBack(buf)
		if err != nil {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.add(-n, -size, -unverified)
			return
		}
		b.committed(last)
	}
	err = s.w.submit(o, false)
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errQueueFull):
		return s.refuse(len(items), "queue", err)
	case errors.Is(err, ErrDiskFull):
		return s.refuse(len(items), "disk_full", err)
	}
	return fmt.Errorf("storing %d items: %w", len(items), err)
}

// refuse is the error of a Put that does not fit.
func (s *Store) refuse(items int, why string, cause error) error {
	s.opts.Observe.Refused(why)
	if cause == nil {
		return fmt.Errorf("storing %d items: %w (%s)", items, webhook.ErrFull, why)
	}
	return fmt.Errorf("storing %d items: %w (%s): %w", items, webhook.ErrFull, why, cause)
}

// bodies are buffers for the stored forms of a Put. One is used again once its
// rows were written.
var bodies = sync.Pool{New: func() any { return new([]byte) }}

// maxPooled is the largest buffer that is kept.
const maxPooled = 256 << 10

func giveBack(buf *[]byte) {
	if cap(*buf) <= maxPooled {
		bodies.Put(buf)
	}
}

// encode returns items in their stored form, and the buffer that holds it.
func encode(items []webhook.Item) (rows []inboxRow, buf *[]byte, unverified int64, err error) {
	buf = bodies.Get().(*[]byte)
	all := (*buf)[:0]
	ends := make([]int, len(items))
	for i, item := range items {
		if all, err = item.AppendJSON(all); err != nil {
			giveBack(buf)
			return nil, nil, 0, errors.New("an item cannot be encoded") // the cause could quote it
		}
		ends[i] = len(all)
	}
	*buf = all
	rows = make([]inboxRow, len(items))
	from := 0
	for i, item := range items {
		rows[i] = inboxRow{received: item.Received, body: all[from:ends[i]:ends[i]]}
		if len(item.Deferred) > 0 {
			rows[i].flags |= flagUnverified
			unverified++
		}
		from = ends[i]
	}
	return rows, buf, unverified, nil
}

// insert writes rows in the writer's transaction and returns the last number.
// Numbers are never used twice while the process lives, so that a receipt cannot
// come to name another row; a transaction that is rolled back leaves a gap.
func (b *inbox) insert(t *tx, rows []inboxRow) (last int64, err error) {
	b.mu.Lock()
	first := b.next
	b.next += int64(len(rows))
	b.mu.Unlock()
	for i, r := range rows {
		last = first + int64(i)
		if _, err := t.exec(insertInbox, last, millis(r.received), r.flags, r.body); err != nil {
			return 0, err
		}
	}
	return last, nil
}

// committed makes rows up to last visible to Claim.
func (b *inbox) committed(last int64) {
	b.mu.Lock()
	b.stored = max(b.stored, last)
	b.mu.Unlock()
	b.signal()
}

// Depth is how full the inbox is.
type Depth struct {
	Items       int64 // stored and not ended, those in flight and deferred included
	Bytes       int64 // of their bodies
	InFlight    int64 // claimed
	Deferred    int64 // waiting for their time
	Unverified  int64 // of Items: with tokens still to be verified
	Quarantined int64 // not in Items
	// OldestReceived is when the row at the head of the inbox was received; zero
	// if there is none.
	OldestReceived time.Time
}

// Depth returns how full the inbox is. It costs one read of one row.
func (s *Store) Depth(ctx context.Context) (Depth, error) {
	b := &s.inbox
	b.mu.Lock()
	d := Depth{
		Items:       b.items,
		Bytes:       b.bytes,
		Unverified:  b.unverified,
		Quarantined: b.quarantined,
		Deferred:    int64(len(b.due)),
		InFlight:    int64(len(b.held) - len(b.due)),
	}
	b.mu.Unlock()
	var ms int64
	err := s.Reader.row(ctx, `SELECT recv_ms FROM inbox ORDER BY seq LIMIT 1`, nil, &ms)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Depth{}, fmt.Errorf("reading the head of the inbox: %w", err)
	}
	d.OldestReceived = fromMillis(ms)
	return d, nil
}

// dueHeap is the rows that wait, the first due first.
type dueHeap []*row

func (h dueHeap) Len() int { return len(h) }
func (h dueHeap) Less(i, j int) bool {
	if !h[i].due.Equal(h[j].due) {
		return h[i].due.Before(h[j].due)
	}
	return h[i].seq < h[j].seq
}
func (h dueHeap) Swap(i, j int) {
	h[i], h[j] = h[j], h[i]
	h[i].index, h[j].index = i, j
}
func (h *dueHeap) Push(x any) {
	r := x.(*row)
	r.index = len(*h)
	*h = append(*h, r)
}
func (h *dueHeap) Pop() any {
	old := *h
	r := old[len(old)-1]
	old[len(old)-1] = nil
	*h = old[:len(old)-1]
	return r
}
