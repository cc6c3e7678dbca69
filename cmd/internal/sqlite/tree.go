package sqlite

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"teamsdlp/actions"
)

// growTree adds the hashes that record seq with these bytes brings, in the
// transaction that adds the record.
func growTree(t *tx, seq int64, body []byte) error {
	read := tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return readHashes(indexes, func(idx int64, hash *[]byte) error {
			return t.row(selectHash, []any{idx}, hash)
		})
	})
	hashes, err := actions.AppendHashes(seq, body, read)
	if err != nil {
		return err
	}
	first := tlog.StoredHashIndex(0, seq)
	for i, h := range hashes {
		if _, err := t.exec(`INSERT INTO tlog_hash (idx, hash) VALUES (?, ?)`, first+int64(i), h[:]); err != nil {
			return err
		}
	}
	return nil
}

const selectHash = `SELECT hash FROM tlog_hash WHERE idx = ?`

// readHashes reads the hashes at indexes by get.
func readHashes(indexes []int64, get func(idx int64, hash *[]byte) error) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, idx := range indexes {
		var b []byte
		err := get(idx, &b)
		switch {
		case errors.Is(err, sql.ErrNoRows):
			return nil, fmt.Errorf("hash %d of the tree is missing", idx)
		case err != nil:
			return nil, fmt.Errorf("reading hash %d of the tree: %w", idx, err)
		case len(b) != tlog.HashSize:
			return nil, fmt.Errorf("hash %d of the tree has %d bytes", idx, len(b))
		}
		hashes[i] = tlog.Hash(b)
	}
	return hashes, nil
}

// LogSize returns the number of entries in the action log. The tree over the
// first n entries, for any n up to it, never changes.
func (r *Reader) LogSize(ctx context.Context) (int64, error) {
	var n int64
	if err := r.row(ctx, `SELECT coalesce(max(seq) + 1, 0) FROM entries`, nil, &n); err != nil {
		return 0, fmt.Errorf("reading the size of the action log: %w", err)
	}
	return n, nil
}

// Hashes returns hashes of the action log's tree as they are stored, by their
// index in the order of tlog.StoredHashIndex. One that is missing is an error.
func (r *Reader) Hashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error) {
	if n := len(indexes); n > 8 && indexes[n-1]-indexes[0] == int64(n-1) && slices.IsSorted(indexes) {
		return r.hashRange(ctx, indexes[0], n)
	}
	return readHashes(indexes, func(idx int64, hash *[]byte) error {
		return r.row(ctx, selectHash, []any{idx}, hash)
	})
}

// hashRange reads n hashes from index first on as one value: whoever verifies the
// log reads all of them, and a row costs more than a hash.
func (r *Reader) hashRange(ctx context.Context, first int64, n int) ([]tlog.Hash, error) {
	const query = `SELECT CAST(group_concat(hash, '') AS BLOB)
		FROM (SELECT hash FROM tlog_hash WHERE idx >= ? AND idx < ? AND octet_length(hash) = 32 ORDER BY idx)`
	var all blob
	if err := r.row(ctx, query, []any{first, first + int64(n)}, &all); err != nil {
		return nil, fmt.Errorf("reading hashes of the tree: %w", err)
	}
	if len(all) != n*tlog.HashSize {
		return nil, fmt.Errorf("reading hashes of the tree: of the %d from %d on, %d are there", n, first, len(all)/tlog.HashSize)
	}
	hashes := make([]tlog.Hash, n)
	for i := range hashes {
		hashes[i] = tlog.Hash(all[i*tlog.HashSize:])
	}
	return hashes, nil
}

// bodiesPage is how many entries Bodies reads at a time.
const bodiesPage = 500

// Bodies calls fn with the bytes of the entries from number from on, in order,
// exactly as they were appended, until the log as it was at the call ends or fn
// returns an error, which it returns. What is missing is left out: fn sees it
// from the numbers. It reads in pages, and a slow fn holds nothing up. fn may
// keep body.
func (r *Reader) Bodies(ctx context.Context, from int64, fn func(seq int64, body []byte) error) error {
	end, err := r.LogSize(ctx)
	if err != nil {
		return err
	}
	// A page is one row: each costs more than an entry.
	const query = `SELECT coalesce(group_concat(seq), ''), coalesce(group_concat(octet_length(body)), ''), CAST(group_concat(body, '') AS BLOB)
		FROM (SELECT seq, body FROM entries WHERE seq >= ? AND seq < ? ORDER BY seq)`
	for from < end {
		until := min(end, from+bodiesPage)
		var (
			seqs, sizes string
			all         blob
		)
		if err := r.row(ctx, query, []any{from, until}, &seqs, &sizes, &all); err != nil {
			return fmt.Errorf("reading the action log from entry %d: %w", from, err)
		}
		if seqs == "" { // a hole: where does it end?
			if err := r.row(ctx, `SELECT coalesce(min(seq), ?) FROM entries WHERE seq >= ?`, []any{end, until}, &from); err != nil {
				return fmt.Errorf("reading the action log from entry %d: %w", until, err)
			}
			continue
		}
		for more := true; more; {
			var seqText, sizeText string
			seqText, seqs, more = strings.Cut(seqs, ",")
			sizeText, sizes, _ = strings.Cut(sizes, ",")
			seq, err1 := strconv.ParseInt(seqText, 10, 64)
			size, err2 := strconv.Atoi(sizeText)
			if err := errors.Join(err1, err2); err != nil || size > len(all) {
				return fmt.Errorf("reading the action log from entry %d: %d bytes of %q are left: %w", from, len(all), sizeText, err)
			}
			if err := fn(seq, all[:size:size]); err != nil {
				return err
			}
			all = all[size:]
		}
		from = until
	}
	return nil
}

// blob is a value as the driver gave it. Scanning into []byte would copy it once more;
// this driver gives each value memory of its own, which TestBodiesStay holds it to.
type blob []byte

// Scan implements sql.Scanner.
func (b *blob) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*b = nil
	case []byte:
		*b = v
	default:
		return fmt.Errorf("want bytes, got %T", src)
	}
	return nil
}

// Checkpoint is a signed note over the log's first Size entries.
type Checkpoint struct {
	Size int64
	Time time.Time
	Note []byte // as in c2sp.org/tlog-checkpoint
}

// SaveCheckpoint keeps c, in place of one of the same size, which is about the same
// tree, and of the one before it if that is of the same hour and by the same key: a
// checkpoint vouches for all that an earlier one does. The last by each key stays, on
// which the belief in the key after it may rest: where two keys signed the same, both
// signatures.
func (s *Store) SaveCheckpoint(ctx context.Context, c Checkpoint) error {
	const query = `INSERT INTO checkpoint (size, time_ms, note) VALUES (?, ?, ?)
		ON CONFLICT (size) DO UPDATE SET time_ms = excluded.time_ms, note = excluded.note`
	const hour = int64(time.Hour / time.Millisecond)
	err := s.do(ctx, len(c.Note), func(t *tx) error {
		var (
			before Checkpoint
			ms     int64
			kept   = c.Note
		)
		err := t.row(`SELECT size, time_ms, note FROM checkpoint WHERE size <= ? ORDER BY size DESC LIMIT 1`, []any{c.Size}, &before.Size, &ms, &before.Note)
		if err != nil && !errors.Is(err, sql.ErrNoRows) {
			return err
		}
		switch same := signers(c.Note) == signers(before.Note) && signers(c.Note) != ""; {
		case before.Size == c.Size && !same:
			kept = signedByBoth(before.Note, c.Note)
		case before.Size < c.Size && same && ms/hour == millis(c.Time)/hour:
			if _, err := t.exec(`DELETE FROM checkpoint WHERE size = ?`, before.Size); err != nil {
				return err
			}
		}
		_, err = t.exec(query, c.Size, millis(c.Time), kept)
		return err
	}, nil)
	if err != nil {
		return fmt.Errorf("saving the checkpoint of size %d: %w", c.Size, err)
	}
	return nil
}

// signedByBoth is the second note with the signatures of the first as well, if both say
// the same; else the second alone.
func signedByBoth(first, second []byte) []byte {
	text, had, signed := bytes.Cut(first, []byte("\n\n"))
	said, by, _ := bytes.Cut(second, []byte("\n\n"))
	switch {
	case !signed || !bytes.Equal(text, said):
		return second
	case bytes.Contains(had, by):
		return first
	}
	return slices.Concat(second, had)
}

// signers names the keys that a checkpoint says it is signed by, empty if it is none.
func signers(signed []byte) (names string) {
	var unknown *note.UnverifiedNoteError
	if _, err := note.Open(signed, note.VerifierList()); errors.As(err, &unknown) {
		for _, s := range unknown.Note.UnverifiedSigs {
			names += fmt.Sprintf("%s+%08x ", s.Name, s.Hash)
		}
	}
	return names
}

// LastCheckpoint returns the checkpoint of the largest size; its Note is nil if
// there is none.
func (r *Reader) LastCheckpoint(ctx context.Context) (Checkpoint, error) {
	var (
		c  Checkpoint
		ms int64
	)
	err := r.row(ctx, `SELECT size, time_ms, note FROM checkpoint ORDER BY size DESC LIMIT 1`, nil, &c.Size, &ms, &c.Note)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return Checkpoint{}, fmt.Errorf("reading the last checkpoint: %w", err)
	}
	c.Time = fromMillis(ms)
	return c, nil
}

// Checkpoints returns up to limit checkpoints larger than after, the smallest
// first. limit is at most 5000; 0 means 50.
func (r *Reader) Checkpoints(ctx context.Context, after int64, limit int) ([]Checkpoint, error) {
	var list []Checkpoint
	const query = `SELECT size, time_ms, note FROM checkpoint WHERE size > ? ORDER BY size LIMIT ?`
	err := r.each(ctx, query, []any{after, pageSize(limit)}, func(rows *sql.Rows) error {
		var (
			c  Checkpoint
			ms int64
		)
		if err := rows.Scan(&c.Size, &ms, &c.Note); err != nil {
			return err
		}
		c.Time = fromMillis(ms)
		list = append(list, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading checkpoints: %w", err)
	}
	return list, nil
}

// CheckpointSink keeps what a sealer signs in the store, so that the last
// checkpoint can be shown. It is no safe place: whoever can change the log can
// change these as well.
func (s *Store) CheckpointSink() actions.CheckpointSink { return checkpointSink{s} }

type checkpointSink struct{ s *Store }

// Put implements actions.CheckpointSink.
func (c checkpointSink) Put(ctx context.Context, signed []byte) error {
	lines := bytes.SplitN(signed, []byte("\n"), 3)
	if len(lines) < 3 {
		return errors.New("saving a checkpoint: it is too short to be one")
	}
	size, err := strconv.ParseInt(string(lines[1]), 10, 64)
	if err != nil {
		return errors.New("saving a checkpoint: its size is not a number")
	}
	return c.s.SaveCheckpoint(ctx, Checkpoint{Size: size, Time: time.Now().UTC(), Note: signed})
}
