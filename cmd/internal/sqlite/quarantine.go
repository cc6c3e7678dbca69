package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
	"unicode/utf8"

	"teamsdlp/webhook"
)

// ErrNotQuarantined is returned for a number that names no quarantined item.
var ErrNotQuarantined = errors.New("not in quarantine")

// Quarantined is an item that could not be opened. It stays as Microsoft
// encrypted it until it is retried, when a missing key is back, or dropped.
type Quarantined struct {
	ID       int64     `json:"id"`
	At       time.Time `json:"at"` // when it was put there
	Reason   string    `json:"reason"`
	Attempts int       `json:"attempts"`
	Size     int       `json:"size"` // bytes as stored
	// Item is the zero value if the stored bytes cannot be decoded. In lists it
	// is without ciphertext and without validation tokens.
	Item webhook.Item `json:"item"`
}

// Quarantine moves a claimed row out of the inbox, with the reason and the
// time. Quarantined items count against none of the inbox's bounds, only
// against the disk.
func (s *Store) Quarantine(ctx context.Context, receipt, reason string) error {
	seq, err := parseReceipt(receipt)
	if err != nil {
		return fmt.Errorf("quarantining inbox row %q: %w", receipt, err)
	}
	attempts, ok := s.inbox.inFlight(seq)
	if !ok {
		return fmt.Errorf("quarantining inbox row %d: %w", seq, ErrNotClaimed)
	}
	now := time.Now()
	var moved int64
	const move = `INSERT INTO quarantine (at_ms, recv_ms, flags, attempts, reason, body)
		SELECT ?, recv_ms, flags, ?, ?, body FROM inbox WHERE seq = ?`
	err = s.do(ctx, len(reason),
		func(t *tx) error {
			res, err := t.exec(move, millis(now), attempts, reason, seq)
			if err != nil {
				return err
			}
			if moved, err = res.RowsAffected(); err != nil { // 0: it has ended meanwhile
				return err
			}
			return endRow(t, seq)
		},
		func(err error) {
			if err == nil {
				s.inbox.ended(seq)
				s.inbox.countQuarantined(moved)
			}
		})
	if err != nil {
		return fmt.Errorf("quarantining inbox row %d: %w", seq, err)
	}
	return nil
}

func (b *inbox) countQuarantined(n int64) {
	b.mu.Lock()
	b.quarantined += n
	b.mu.Unlock()
}

// ListQuarantine returns up to limit quarantined items, newest first: those
// with a number below before, or the newest if before is 0. limit is at most
// 5000; 0 means 50.
func (r *Reader) ListQuarantine(ctx context.Context, before int64, limit int) ([]Quarantined, error) {
	const query = `SELECT id, at_ms, attempts, reason, flags, body FROM quarantine WHERE id < ? ORDER BY id DESC LIMIT ?`
	if before <= 0 {
		before = maxSeq
	}
	var list []Quarantined
	err := r.each(ctx, query, []any{before, pageSize(limit)}, func(rows *sql.Rows) error {
		q, err := scanQuarantined(rows.Scan)
		if err != nil {
			return err
		}
		bare(&q.Item)
		list = append(list, q)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the quarantine: %w", err)
	}
	return list, nil
}

// GetQuarantine returns one quarantined item, whole. ErrNotQuarantined if there
// is none with that number.
func (r *Reader) GetQuarantine(ctx context.Context, id int64) (Quarantined, error) {
	const query = `SELECT id, at_ms, attempts, reason, flags, body FROM quarantine WHERE id = ?`
	q, err := scanQuarantined(func(dest ...any) error { return r.row(ctx, query, []any{id}, dest...) })
	if errors.Is(err, sql.ErrNoRows) {
		err = ErrNotQuarantined
	}
	if err != nil {
		return Quarantined{}, fmt.Errorf("reading quarantined item %d: %w", id, err)
	}
	return q, nil
}

// bare takes from an item what no list needs: the ciphertext and the tokens.
func bare(item *webhook.Item) {
	item.Deferred = nil
	if e := item.Encrypted; e != nil {
		e.Data, e.DataKey, e.DataSignature = "", "", ""
	}
}

func scanQuarantined(scan func(...any) error) (Quarantined, error) {
	var (
		q         Quarantined
		at, flags int64
		body      []byte
	)
	if err := scan(&q.ID, &at, &q.Attempts, &q.Reason, &flags, &body); err != nil {
		return Quarantined{}, err
	}
	q.At, q.Size = fromMillis(at), len(body)
	if json.Unmarshal(body, &q.Item) != nil {
		q.Item = webhook.Item{}
	}
	if flags&flagUnverified == 0 {
		q.Item.Deferred = nil
	}
	return q, nil
}

// RetryQuarantine puts a quarantined item back into the inbox, as a new row that
// is received when the item was. The inbox's bounds do not apply: somebody asked
// for it. ErrNotQuarantined if there is none with that number.
func (s *Store) RetryQuarantine(ctx context.Context, id int64) error {
	var (
		r    inboxRow
		last int64
	)
	b := &s.inbox
	err := s.do(ctx, 0,
		func(t *tx) error {
			var ms int64
			const query = `SELECT recv_ms, flags, body FROM quarantine WHERE id = ?`
			err := t.row(query, []any{id}, &ms, &r.flags, &r.body)
			if errors.Is(err, sql.ErrNoRows) {
				return ErrNotQuarantined
			}
			if err != nil {
				return err
			}
			r.received = fromMillis(ms)
			if last, err = b.insert(t, []inboxRow{r}); err != nil {
				return err
			}
			_, err = t.exec(`DELETE FROM quarantine WHERE id = ?`, id)
			return err
		},
		func(err error) {
			if err != nil {
				return
			}
			b.mu.Lock()
			b.add(1, int64(len(r.body)), count(r.flags&flagUnverified != 0))
			b.quarantined--
			b.mu.Unlock()
			b.committed(last)
		})
	if err != nil {
		return fmt.Errorf("retrying quarantined item %d: %w", id, err)
	}
	return nil
}

// DropQuarantine forgets a quarantined item for good. ErrNotQuarantined if there
// is none with that number.
func (s *Store) DropQuarantine(ctx context.Context, id int64) error {
	err := s.do(ctx, 0,
		func(t *tx) error {
			res, err := t.exec(`DELETE FROM quarantine WHERE id = ?`, id)
			if err != nil {
				return err
			}
			if n, err := res.RowsAffected(); err != nil || n == 0 {
				return errors.Join(err, ErrNotQuarantined)
			}
			return nil
		},
		func(err error) {
			if err == nil {
				s.inbox.countQuarantined(-1)
			}
		})
	if err != nil {
		return fmt.Errorf("dropping quarantined item %d: %w", id, err)
	}
	return nil
}

// Waiting is an item of the inbox that was put back until a time.
type Waiting struct {
	Seq      int64     `json:"seq"`
	Received time.Time `json:"received"`
	Due      time.Time `json:"due"`
	Attempts int       `json:"attempts"`
	Reason   string    `json:"reason"`
	Size     int       `json:"size"` // bytes as stored
	// Item is without ciphertext and without validation tokens; it is the zero
	// value if the stored bytes cannot be decoded.
	Item webhook.Item `json:"item"`
}

// ListWaiting returns up to limit items that were put back, oldest first: those
// with a number above after. limit is at most 5000; 0 means 50.
func (r *Reader) ListWaiting(ctx context.Context, after int64, limit int) ([]Waiting, error) {
	const query = `SELECT w.seq, i.recv_ms, w.due_ms, w.attempts, w.reason, i.body
		FROM work w JOIN inbox i ON i.seq = w.seq WHERE w.seq > ? ORDER BY w.seq LIMIT ?`
	var list []Waiting
	err := r.each(ctx, query, []any{after, pageSize(limit)}, func(rows *sql.Rows) error {
		var (
			w             Waiting
			received, due int64
			body          []byte
		)
		if err := rows.Scan(&w.Seq, &received, &due, &w.Attempts, &w.Reason, &body); err != nil {
			return err
		}
		w.Received, w.Due, w.Size = fromMillis(received), fromMillis(due), len(body)
		if json.Unmarshal(body, &w.Item) != nil {
			w.Item = webhook.Item{}
		}
		bare(&w.Item)
		list = append(list, w)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing what waits: %w", err)
	}
	return list, nil
}

// WaitingFor are the items that were put back for one reason.
type WaitingFor struct {
	Reason string    `json:"reason"`
	Items  int       `json:"items"`
	Since  time.Time `json:"since"` // when the oldest was received
	Next   time.Time `json:"next"`  // when the first is due
}

// Add counts one more item.
func (w *WaitingFor) Add(received, due time.Time) {
	if w.Items++; w.Items == 1 || received.Before(w.Since) {
		w.Since = received
	}
	if w.Items == 1 || due.Before(w.Next) {
		w.Next = due
	}
}

// CountWaiting counts the items that were put back for reasons that begin with
// prefix, by reason: that for which most wait first. One that is being tried at this
// moment counts.
func (r *Reader) CountWaiting(ctx context.Context, prefix string) ([]WaitingFor, error) {
	byReason := map[string]*WaitingFor{}
	err := r.eachWaiting(ctx, prefix, 0, func(_ int64, reason string, received, due time.Time) {
		w := byReason[reason]
		if w == nil {
			w = &WaitingFor{Reason: reason}
			byReason[reason] = w
		}
		w.Add(received, due)
	})
	if err != nil {
		return nil, fmt.Errorf("counting what waits: %w", err)
	}
	return SortWaiting(byReason), nil
}

// SortWaiting returns them as CountWaiting does.
func SortWaiting(byReason map[string]*WaitingFor) []WaitingFor {
	list := make([]WaitingFor, 0, len(byReason))
	for _, w := range byReason {
		list = append(list, *w)
	}
	slices.SortFunc(list, func(a, b WaitingFor) int {
		return cmp.Or(cmp.Compare(b.Items, a.Items), cmp.Compare(a.Reason, b.Reason))
	})
	return list
}

// eachWaiting reads, a page at a time, what was put back for reasons that begin with
// prefix: all, or the oldest of them.
func (r *Reader) eachWaiting(ctx context.Context, prefix string, most int, do func(seq int64, reason string, received, due time.Time)) error {
	const query = `SELECT w.seq, w.reason, i.recv_ms, w.due_ms FROM work w JOIN inbox i ON i.seq = w.seq
		WHERE w.seq > ? AND substr(w.reason, 1, ?) = ? ORDER BY w.seq LIMIT ?`
	for after, left := int64(0), most; ; {
		limit := maxPage
		if most > 0 {
			limit = min(limit, left)
		}
		n := 0
		err := r.each(ctx, query, []any{after, utf8.RuneCountInString(prefix), prefix, limit}, func(rows *sql.Rows) error {
			var (
				reason        string
				received, due int64
			)
			if err := rows.Scan(&after, &reason, &received, &due); err != nil {
				return err
			}
			n++
			do(after, reason, fromMillis(received), fromMillis(due))
			return nil
		})
		left -= n
		if err != nil || n < limit || most > 0 && left == 0 {
			return err
		}
	}
}

// RecallWaiting is Recall for the oldest items, most of them at most, that were put
// back for reasons that begin with prefix.
func (s *Store) RecallWaiting(ctx context.Context, prefix string, most int) error {
	var seqs []int64
	err := s.eachWaiting(ctx, prefix, most, func(seq int64, _ string, _, _ time.Time) { seqs = append(seqs, seq) })
	if err != nil {
		return fmt.Errorf("recalling what waits: %w", err)
	}
	s.inbox.recall(seqs)
	return nil
}

// KeyUse is how many stored items are encrypted for a key.
type KeyUse struct {
	Inbox      int64 `json:"inbox"`
	Quarantine int64 `json:"quarantine"`
}

// KeysNamed returns the certificate ids that stored items name, and how often.
// It reads every item, a page at a time, so that a large inbox does not hold
// back the emptying of the write-ahead log. An item that is taken in, or tried
// again, while it runs may be missing.
func (r *Reader) KeysNamed(ctx context.Context) (map[string]KeyUse, error) {
	use := map[string]KeyUse{}
	// The body is a BLOB, which SQLite's JSON functions would take for their own
	// binary form. One that cannot be decoded can be opened with no key at all.
	const inInbox = `SELECT seq, json_extract(CASE WHEN json_valid(CAST(body AS TEXT)) THEN CAST(body AS TEXT) ELSE '{}' END, '$.encrypted.encryptionCertificateId')
		FROM inbox WHERE seq > ? ORDER BY seq LIMIT ?`
	const inQuarantine = `SELECT id, json_extract(CASE WHEN json_valid(CAST(body AS TEXT)) THEN CAST(body AS TEXT) ELSE '{}' END, '$.encrypted.encryptionCertificateId')
		FROM quarantine WHERE id > ? ORDER BY id LIMIT ?`
	count := func(query string, one func(*KeyUse)) error {
		for after := int64(0); ; {
			n := 0
			err := r.each(ctx, query, []any{after, maxPage}, func(rows *sql.Rows) error {
				var id any
				if err := rows.Scan(&after, &id); err != nil {
					return err
				}
				n++
				if name, ok := id.(string); ok {
					u := use[name]
					one(&u)
					use[name] = u
				}
				return nil
			})
			if err != nil {
				return fmt.Errorf("counting what names a key: %w", err)
			}
			if n < maxPage {
				return nil
			}
		}
	}
	// In the order in which an item moves by itself, so that none is missed on its way.
	if err := count(inInbox, func(u *KeyUse) { u.Inbox++ }); err != nil {
		return nil, err
	}
	if err := count(inQuarantine, func(u *KeyUse) { u.Quarantine++ }); err != nil {
		return nil, err
	}
	return use, nil
}
