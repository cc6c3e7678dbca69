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

// Forget deletes what entries older than a time said, and with them the cases and
// effects that nothing younger belongs to. It returns how many entries went.
//
// It deletes from the start of the log on, and only what a checkpoint covers: the
// hashes of the tree stay, so that every proof and every checkpoint still holds.
// An entry of kind forget says what went, in the commit that deletes the first of
// it; the last entry of a log always stays. A case that was not settled keeps its
// fold, but not its old entries. Killed half-way, the next call goes on.
func (s *Store) Forget(ctx context.Context, olderThan time.Time) (int64, error) {
	fail := func(err error) (int64, error) {
		return 0, fmt.Errorf("deleting entries older than %s: %w", olderThan.UTC().Format(time.RFC3339), err)
	}
	first, before, err := s.forgettable(ctx, olderThan)
	if err != nil {
		return fail(err)
	}
	if before <= first { // but a call before may have been killed short of the cases
		if err := s.deleteAllCases(ctx, first); err != nil {
			return fail(err)
		}
		return 0, nil
	}
	record := actions.Entry{
		Kind: actions.KindForget, Actor: actions.ActorSelf, Forgot: &actions.Forgot{Before: before, Until: olderThan.UTC()},
		Verdict: fmt.Sprintf("retention deleted entries %d to %d; their hashes stay", first, before-1),
	}
	for recorded := false; ; recorded = true {
		var n int64
		err := s.do(ctx, entryBytes, func(t *tx) error {
			if !recorded {
				if err := appendEntries(t, []actions.Entry{record}); err != nil {
					return err
				}
			}
			var err error
			n, err = forgetSome(t, before)
			return err
		}, nil)
		if err != nil {
			return fail(err)
		}
		if n < pruneRows {
			break
		}
	}
	if err := s.deleteAllCases(ctx, before); err != nil {
		return fail(err)
	}
	if err := s.do(ctx, 0, vacuum, nil); err != nil {
		return fail(fmt.Errorf("giving back free pages: %w", err))
	}
	return before - first, nil
}

// forgettable returns the first entry whose body is there and the first that must
// stay.
func (r *Reader) forgettable(ctx context.Context, olderThan time.Time) (first, before int64, err error) {
	var covered, last int64
	err = errors.Join(
		r.row(ctx, `SELECT coalesce(min(seq), 0), coalesce(max(seq), 0) FROM entries`, nil, &first, &last),
		r.row(ctx, `SELECT coalesce(max(size), 0) FROM checkpoint`, nil, &covered),
		// The first that is younger, whatever a clock that went back says of later ones.
		r.row(ctx, `SELECT coalesce(min(seq), ?) FROM entries WHERE time_ns >= ?`, []any{int64(maxSeq), nanos(olderThan)}, &before),
	)
	return first, min(before, covered, last), err
}

// forgetSome deletes up to pruneRows entries before a number, in order.
func forgetSome(t *tx, before int64) (int64, error) {
	var first, n int64
	if err := t.row(`SELECT coalesce(min(seq), 0), count(*) FROM (SELECT seq FROM entries WHERE seq < ? ORDER BY seq LIMIT ?)`, []any{before, pruneRows}, &first, &n); err != nil || n == 0 {
		return 0, err
	}
	var end int64
	if err := t.row(`SELECT max(seq) + 1 FROM (SELECT seq FROM entries WHERE seq < ? ORDER BY seq LIMIT ?)`, []any{before, pruneRows}, &end); err != nil {
		return 0, err
	}
	for _, query := range forgetEntries {
		if _, err := t.exec(query, first, end); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// forgetEntries delete entries from a number to another, what side tables say of them
// first. Those are by value: each of the few values there are is looked up, since a scan
// of all rows would hold up the writer for longer the longer the log is.
var forgetEntries = []string{
	bySeq("entry_rule", "rule"),
	bySeq("entry_detector", "detector"),
	`DELETE FROM entries WHERE seq >= ? AND seq < ?`,
}

func bySeq(table, column string) string {
	return strings.NewReplacer("$table", table, "$column", column).Replace(
		`WITH RECURSIVE one(v) AS (SELECT min($column) FROM $table UNION ALL SELECT (SELECT min($column) FROM $table WHERE $column > v) FROM one WHERE v IS NOT NULL)
		DELETE FROM $table WHERE $column IN (SELECT v FROM one) AND seq >= ? AND seq < ?`)
}

// deleteAllCases is deleteCases for as many as there are.
func (s *Store) deleteAllCases(ctx context.Context, before int64) error {
	for n := pruneRows; n == pruneRows; {
		var err error
		if n, err = s.deleteCases(ctx, before); err != nil {
			return err
		}
	}
	return nil
}

// deleteCases deletes up to pruneRows cases whose last entry is gone, with their
// effects. One of which an action is still under way stays.
func (s *Store) deleteCases(ctx context.Context, before int64) (int, error) {
	var ids []string
	const query = `SELECT id FROM cases WHERE last_seq < ?
		AND NOT EXISTS (SELECT 1 FROM effect e WHERE e.case_id = cases.id AND e.case_id <> '' AND e.state = 'decided') ORDER BY last_seq LIMIT ?`
	err := s.each(ctx, query, []any{before, pruneRows}, func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	if err != nil || len(ids) == 0 {
		return 0, err
	}
	err = s.do(ctx, 0, func(t *tx) error {
		for _, id := range ids {
			var (
				last int64
				body []byte
				c    actions.Case
			)
			err := t.row(`SELECT last_seq, body FROM cases WHERE id = ?`, []any{id}, &last, &body)
			if errors.Is(err, sql.ErrNoRows) || err == nil && last >= before {
				continue // something new was said of it meanwhile
			}
			if err != nil {
				return err
			}
			if err := json.Unmarshal(body, &c); err != nil {
				return fmt.Errorf("case %s: %w", id, err)
			}
			rules, detectors := findings(c.Rules)
			if err := dropFindings(t, last, rules, detectors); err != nil {
				return err
			}
			for _, query := range []string{
				`DELETE FROM effect WHERE case_id = ? AND case_id <> ''`,
				`DELETE FROM standing WHERE case_id = ? AND case_id <> ''`,
				`DELETE FROM cases WHERE id = ?`,
			} {
				if _, err := t.exec(query, id); err != nil {
					return err
				}
			}
		}
		return nil
	}, nil)
	return len(ids), err
}
