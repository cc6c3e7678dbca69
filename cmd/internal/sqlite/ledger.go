package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"teamsdlp/actions"
)

// pruneAfter is how long what led to no entry is remembered. Graph repeats a
// notification for 4 hours; the rest is for an outage of ours in between.
const pruneAfter = 48 * time.Hour

// rowKey is a message key as it is stored: its last part, which is the id of the
// message, goes first. An id is the time of its message, so that new rows go to the
// end of a table, many to a page; in the order of the conversations each message of
// a busy minute would write a page of its own.
func rowKey(messageKey string) string {
	i := strings.LastIndexByte(messageKey, '/')
	if i < 0 {
		return messageKey
	}
	return messageKey[i+1:] + "/" + messageKey[:i]
}

// messageKey undoes rowKey.
func messageKey(rowKey string) string {
	id, path, found := strings.Cut(rowKey, "/")
	if !found {
		return rowKey
	}
	return path + "/" + id
}

// Begin returns what is known of a message and the effect of one version of it.
func (r *Reader) Begin(ctx context.Context, messageKey, version string) (actions.Standing, actions.Effect, error) {
	var (
		s                actions.Standing
		e                actions.Effect
		standing, effect []byte // nil: there is none
	)
	const query = `SELECT (SELECT body FROM standing WHERE message_key = ?1), (SELECT body FROM effect WHERE message_key = ?1 AND version = ?2)`
	err := r.row(ctx, query, []any{rowKey(messageKey), version}, &standing, &effect)
	if err == nil && standing != nil {
		err = json.Unmarshal(standing, &s)
	}
	if err == nil && effect != nil {
		err = json.Unmarshal(effect, &e)
	}
	if err != nil {
		return actions.Standing{}, actions.Effect{}, fmt.Errorf("reading the effect of %s version %s: %w", messageKey, version, err)
	}
	e.MessageKey, e.Version = messageKey, version
	return s, e, nil
}

// Begin returns what is known of a message and the effect of one version of it.
func (s *Store) Begin(ctx context.Context, messageKey, version string) (actions.Standing, actions.Effect, error) {
	if s.unseen.has(messageKey) {
		return actions.Standing{}, actions.Effect{MessageKey: messageKey, Version: version}, nil
	}
	return s.Reader.Begin(ctx, messageKey, version)
}

// UnfinishedReleases returns the analysts' releases that were decided and have
// no result: their process ended in between, and no inbox row brings them back.
func (r *Reader) UnfinishedReleases(ctx context.Context) ([]actions.Effect, error) {
	var list []actions.Effect
	const query = `SELECT message_key, version, body FROM effect WHERE state = 'decided' AND version >= 'release/' AND version < 'release0'`
	err := r.each(ctx, query, nil, func(rows *sql.Rows) error {
		var (
			key, version string
			body         []byte
			e            actions.Effect
		)
		if err := rows.Scan(&key, &version, &body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &e); err != nil {
			return err
		}
		e.MessageKey, e.Version = messageKey(key), version
		list = append(list, e)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading unfinished releases: %w", err)
	}
	return list, nil
}

// Decide commits e as decided, with s and the entries, before anything is sent.
// It returns actions.ErrFinished, and writes nothing, if e is terminal already.
func (s *Store) Decide(ctx context.Context, e actions.Effect, st actions.Standing, entries ...actions.Entry) error {
	e.State = actions.StateDecided
	return s.settle(ctx, "deciding", e, st, 0, entries)
}

// Finish commits the end of e, its entries and the end of the inbox row in one
// commit; see actions.Ledger. A row that has ended already is no error.
func (s *Store) Finish(ctx context.Context, e actions.Effect, st actions.Standing, receipt string, entries ...actions.Entry) error {
	if !e.State.Terminal() {
		return fmt.Errorf("finishing %s version %s: state %q is not terminal", e.MessageKey, e.Version, e.State)
	}
	var seq int64
	if receipt != "" {
		var err error
		if seq, err = parseReceipt(receipt); err != nil {
			return fmt.Errorf("finishing %s version %s: receipt %q: %w", e.MessageKey, e.Version, receipt, err)
		}
	}
	return s.settle(ctx, "finishing", e, st, seq, entries)
}

// settle writes an effect with all that goes with it, and ends row seq unless
// that is 0.
func (s *Store) settle(ctx context.Context, doing string, e actions.Effect, st actions.Standing, seq int64, entries []actions.Entry) error {
	fail := func(err error) error {
		return fmt.Errorf("%s %s version %s: %w", doing, e.MessageKey, e.Version, err)
	}
	if e.MessageKey == "" || e.Version == "" {
		return fail(errors.New("the effect has no key"))
	}
	if e.Updated.IsZero() {
		e.Updated = time.Now().UTC()
	}
	effect, err := json.Marshal(e)
	if err != nil {
		return fail(err)
	}
	standing, err := json.Marshal(st)
	if err != nil {
		return fail(err)
	}
	key := rowKey(e.MessageKey)
	written := s.unseen.write(e.MessageKey)
	finished := false // of the writer until the answer
	o := &op{ctx: ctx, size: len(effect) + len(standing) + len(entries)*entryBytes, bare: true,
		run: func(t *tx) (err error) {
			if seq != 0 {
				if err := endRow(t, seq); err != nil {
					return err
				}
			}
			res, err := t.exec(putEffect, key, e.Version, string(e.State), st.Case, millis(e.Updated), effect)
			if err != nil {
				return err
			}
			rows, err := res.RowsAffected()
			if finished = err == nil && rows == 0; err != nil || finished {
				return err
			}
			if _, err := t.exec(putStanding, key, st.Case, millis(e.Updated), standing); err != nil {
				return err
			}
			return appendEntries(t, entries)
		},
		after: func(err error) {
			written()
			if err == nil && seq != 0 {
				s.inbox.ended(seq)
			}
		},
	}
	if e.State.Terminal() {
		err = s.w.submitInTime(o) // what was to be sent is sent
	} else {
		err = s.w.submit(o, true)
	}
	if err == nil && finished {
		err = actions.ErrFinished
	}
	if err != nil {
		return fail(err)
	}
	return nil
}

const (
	// putEffect changes no row if the effect has come to its end before.
	putEffect = `INSERT INTO effect (message_key, version, state, case_id, updated_ms, body) VALUES (?, ?, ?, ?, ?, ?)
		ON CONFLICT (message_key, version) DO UPDATE SET state = excluded.state, case_id = excluded.case_id, updated_ms = excluded.updated_ms, body = excluded.body
		WHERE effect.state = 'decided'`
	putStanding = `INSERT INTO standing (message_key, case_id, updated_ms, body) VALUES (?, ?, ?, ?)
		ON CONFLICT (message_key) DO UPDATE SET case_id = excluded.case_id, updated_ms = excluded.updated_ms, body = excluded.body`
)

// Append commits entries that end no effect.
func (s *Store) Append(ctx context.Context, entries ...actions.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	err := s.do(ctx, len(entries)*entryBytes, func(t *tx) error { return appendEntries(t, entries) }, nil)
	if err != nil {
		return fmt.Errorf("appending %d entries to the action log: %w", len(entries), err)
	}
	return nil
}

// pruneRows bounds the rows of one delete, so that other writes come between.
const pruneRows = 1000

// Prune removes what led to no case and is 48 hours old at now: effects that
// ended clean, as noop or as superseded, and what was known of their messages.
// Whatever belongs to a case stays, because an override or a block is respected
// however late a notification comes. It also gives a little of the space that
// became free back to the file system. It returns the number of rows removed.
func (s *Store) Prune(ctx context.Context, now time.Time) (int, error) {
	before := millis(now.Add(-pruneAfter))
	total := 0
	for _, query := range []string{
		`DELETE FROM effect WHERE (message_key, version) IN (
			SELECT message_key, version FROM effect
			WHERE case_id = '' AND updated_ms < ? AND state IN ('clean', 'noop', 'superseded') LIMIT ?)`,
		`DELETE FROM standing WHERE message_key IN (
			SELECT message_key FROM standing WHERE case_id = '' AND updated_ms < ? LIMIT ?)`,
	} {
		for {
			n, err := s.deleteSome(ctx, query, before)
			total += n
			if err != nil {
				return total, fmt.Errorf("pruning effects: %w", err)
			}
			if n < pruneRows {
				break
			}
		}
	}
	if err := s.do(ctx, 0, vacuum, nil); err != nil {
		return total, fmt.Errorf("giving back free pages: %w", err)
	}
	return total, nil
}

func (s *Store) deleteSome(ctx context.Context, query string, before int64) (int, error) {
	var n int64
	err := s.do(ctx, 0, func(t *tx) error {
		res, err := t.exec(query, before, pruneRows)
		if err != nil {
			return err
		}
		n, err = res.RowsAffected()
		return err
	}, nil)
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

// Free pages are kept for the next rows, up to here; beyond, some are given back
// at each prune.
const (
	keepFreePages   = 16384 // 64 MiB
	returnFreePages = 2048
)

func vacuum(t *tx) error {
	var free int
	if err := t.row(`PRAGMA freelist_count`, nil, &free); err != nil {
		return err
	}
	if free <= keepFreePages {
		return nil
	}
	rows, err := t.conn.QueryContext(t.ctx, fmt.Sprintf("PRAGMA incremental_vacuum(%d)", returnFreePages))
	if err != nil {
		return err
	}
	return drain(rows, func(*sql.Rows) error { return nil })
}
