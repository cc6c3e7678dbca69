package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"teamsdlp/cmd/internal/archive"
)

// archivePage is how many rows Dump reads at a time.
const archivePage = 500

// notMoved are the meta keys that are of this file.
var notMoved = map[string]bool{keySchema: true, keyDisorder: true, "redis_install": true}

// Dump implements archive.Source. It fails if retention has deleted the start of
// the log: without it the tree cannot be built anew.
func (r *Reader) Dump(ctx context.Context, fn func(archive.Record) error) error {
	first, _, err := r.Forgettable(ctx, time.Time{})
	if err != nil {
		return err
	}
	if first > 0 {
		return fmt.Errorf("retention has deleted the first %d entries of the log: a store without them cannot be moved", first)
	}
	err = r.Bodies(ctx, 0, func(seq int64, body []byte) error {
		return fn(archive.Record{Kind: archive.Entry, Seq: seq, Body: body})
	})
	if err != nil {
		return err
	}
	for _, t := range []struct {
		kind, query string
		from        []any // what sorts before every row
		scan        func(*sql.Rows) (rec archive.Record, next []any, err error)
	}{
		{archive.Checkpoint, `SELECT size, time_ms, note FROM checkpoint WHERE size > ? ORDER BY size LIMIT ?`, []any{-1}, func(rows *sql.Rows) (rec archive.Record, next []any, err error) {
			var ms int64
			err = rows.Scan(&rec.Seq, &ms, &rec.Body)
			rec.At = fromMillis(ms)
			return rec, []any{rec.Seq}, err
		}},
		{archive.Effect, `SELECT message_key, version, state, case_id, updated_ms, body FROM effect WHERE (message_key, version) > (?, ?) ORDER BY message_key, version LIMIT ?`, []any{"", ""}, func(rows *sql.Rows) (rec archive.Record, next []any, err error) {
			var ms int64
			err = rows.Scan(&rec.Key, &rec.Version, &rec.State, &rec.Case, &ms, &rec.Body)
			next = []any{rec.Key, rec.Version}
			rec.Key, rec.At = messageKey(rec.Key), fromMillis(ms)
			return rec, next, err
		}},
		{archive.Standing, `SELECT message_key, case_id, updated_ms, body FROM standing WHERE message_key > ? ORDER BY message_key LIMIT ?`, []any{""}, func(rows *sql.Rows) (rec archive.Record, next []any, err error) {
			var ms int64
			err = rows.Scan(&rec.Key, &rec.Case, &ms, &rec.Body)
			next = []any{rec.Key}
			rec.Key, rec.At = messageKey(rec.Key), fromMillis(ms)
			return rec, next, err
		}},
		{archive.Item, `SELECT i.seq, i.recv_ms, i.flags, i.body, coalesce(w.due_ms, 0), coalesce(w.attempts, 0), coalesce(w.reason, '')
			FROM inbox i LEFT JOIN work w ON w.seq = i.seq WHERE i.seq > ? ORDER BY i.seq LIMIT ?`, []any{0}, func(rows *sql.Rows) (rec archive.Record, next []any, err error) {
			var seq, received, flags, due int64
			err = rows.Scan(&seq, &received, &flags, &rec.Body, &due, &rec.Attempts, &rec.Reason)
			rec.Received, rec.Due, rec.Unverified = fromMillis(received), fromMillis(due), flags&flagUnverified != 0
			return rec, []any{seq}, err
		}},
		{archive.Quarantined, `SELECT id, at_ms, recv_ms, flags, attempts, reason, body FROM quarantine WHERE id > ? ORDER BY id LIMIT ?`, []any{0}, func(rows *sql.Rows) (rec archive.Record, next []any, err error) {
			var id, at, received, flags int64
			err = rows.Scan(&id, &at, &received, &flags, &rec.Attempts, &rec.Reason, &rec.Body)
			rec.At, rec.Received, rec.Unverified = fromMillis(at), fromMillis(received), flags&flagUnverified != 0
			return rec, []any{id}, err
		}},
		{archive.Subscription, `SELECT local_id, body FROM subscription WHERE local_id > ? ORDER BY local_id LIMIT ?`, []any{""}, func(rows *sql.Rows) (rec archive.Record, next []any, err error) {
			err = rows.Scan(&rec.Key, &rec.Body)
			return rec, []any{rec.Key}, err
		}},
		{archive.Alive, `SELECT target, at_ns FROM alive WHERE target > ? ORDER BY target LIMIT ?`, []any{""}, func(rows *sql.Rows) (rec archive.Record, next []any, err error) {
			var ns int64
			err = rows.Scan(&rec.Key, &ns)
			rec.At = time.Unix(0, ns).UTC()
			return rec, []any{rec.Key}, err
		}},
		{archive.Meta, `SELECT key, value FROM meta WHERE key > ? ORDER BY key LIMIT ?`, []any{""}, func(rows *sql.Rows) (rec archive.Record, next []any, err error) {
			err = rows.Scan(&rec.Key, &rec.Body)
			return rec, []any{rec.Key}, err
		}},
	} {
		for at := t.from; ; {
			var page []archive.Record
			err := r.each(ctx, t.query, append(at[:len(at):len(at)], archivePage), func(rows *sql.Rows) error {
				rec, next, err := t.scan(rows)
				rec.Kind, at = t.kind, next
				page = append(page, rec)
				return err
			})
			if err != nil {
				return fmt.Errorf("reading every %s: %w", t.kind, err)
			}
			for _, rec := range page {
				if rec.Kind == archive.Meta && notMoved[rec.Key] {
					continue
				}
				if err := fn(rec); err != nil {
					return err
				}
			}
			if len(page) < archivePage {
				break
			}
		}
	}
	return nil
}

// Restore implements archive.Sink. Items that it writes are claimed once the
// store was opened again.
func (s *Store) Restore(ctx context.Context, list []archive.Record) error {
	if len(list) == 0 {
		return nil
	}
	if list[0].Kind == archive.Entry {
		bodies := make([][]byte, len(list))
		for i, rec := range list {
			bodies[i] = rec.Body
		}
		return s.AppendSealed(ctx, list[0].Seq, bodies)
	}
	err := s.do(ctx, len(list)*entryBytes, func(t *tx) error {
		for _, rec := range list {
			if err := restore(t, rec); err != nil {
				return err
			}
		}
		return nil
	}, nil)
	if err != nil {
		return fmt.Errorf("restoring %d of kind %s: %w", len(list), list[0].Kind, err)
	}
	return nil
}

func restore(t *tx, rec archive.Record) error {
	flags := count(rec.Unverified)
	var err error
	switch rec.Kind {
	case archive.Checkpoint:
		_, err = t.exec(`INSERT INTO checkpoint (size, time_ms, note) VALUES (?, ?, ?)`, rec.Seq, millis(rec.At), rec.Body)
	case archive.Effect:
		_, err = t.exec(putEffect, rowKey(rec.Key), rec.Version, rec.State, rec.Case, millis(rec.At), rec.Body)
	case archive.Standing:
		_, err = t.exec(putStanding, rowKey(rec.Key), rec.Case, millis(rec.At), rec.Body)
	case archive.Item:
		var seq int64
		if err := t.row(`SELECT coalesce(max(seq) + 1, 1) FROM inbox`, nil, &seq); err != nil {
			return err
		}
		if _, err := t.exec(insertInbox, seq, millis(rec.Received), flags, rec.Body); err != nil {
			return err
		}
		if rec.Attempts > 0 {
			_, err = t.exec(`INSERT INTO work (seq, due_ms, attempts, reason) VALUES (?, ?, ?, ?)`, seq, millis(rec.Due), rec.Attempts, rec.Reason)
		}
	case archive.Quarantined:
		_, err = t.exec(`INSERT INTO quarantine (at_ms, recv_ms, flags, attempts, reason, body) VALUES (?, ?, ?, ?, ?, ?)`, millis(rec.At), millis(rec.Received), flags, rec.Attempts, rec.Reason, rec.Body)
	case archive.Subscription:
		_, err = t.exec(`INSERT INTO subscription (local_id, body) VALUES (?, ?)`, rec.Key, rec.Body)
	case archive.Alive:
		_, err = t.exec(`INSERT INTO alive (target, at_ns) VALUES (?, ?)`, rec.Key, rec.At.UnixNano())
	case archive.Meta:
		_, err = t.exec(putMeta, rec.Key, string(rec.Body))
	default:
		return fmt.Errorf("there is no kind %q", rec.Kind)
	}
	return err
}

var (
	_ archive.Source = (*Reader)(nil)
	_ archive.Sink   = (*Store)(nil)
)
