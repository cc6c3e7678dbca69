package sqlite

import (
	"context"
	"errors"
	"fmt"
	"time"

	"teamsdlp/actions"
)

// ErrOutOfStep is returned by AppendSealed for entries that do not follow on
// what the log holds.
var ErrOutOfStep = errors.New("entries do not follow on the log")

// AppendSealed appends entries that were numbered elsewhere, byte for byte as
// they are, with their hashes and cases: so a node keeps its own copy of a log
// that several nodes share. The first has number first, which must be the size
// of the log. It is one commit.
func (s *Store) AppendSealed(ctx context.Context, first int64, bodies [][]byte) error {
	entries := make([]actions.Entry, len(bodies))
	size := 0
	for i, body := range bodies {
		var err error
		if entries[i], err = actions.DecodeMatched(body); err != nil {
			return fmt.Errorf("appending sealed entry %d: it cannot be decoded", first+int64(i))
		}
		if entries[i].Seq != first+int64(i) {
			return fmt.Errorf("appending sealed entry %d: it says that it is entry %d: %w", first+int64(i), entries[i].Seq, ErrOutOfStep)
		}
		size += len(body)
	}
	err := s.do(ctx, size, func(t *tx) error {
		var have int64
		if err := t.row(`SELECT coalesce(max(seq) + 1, 0) FROM entries`, nil, &have); err != nil {
			return err
		}
		if have != first {
			return fmt.Errorf("the log holds %d: %w", have, ErrOutOfStep)
		}
		for i, e := range entries {
			if err := insertSealed(t, e, bodies[i]); err != nil {
				return fmt.Errorf("entry %d: %w", e.Seq, err)
			}
		}
		return foldCases(t, entries)
	}, nil)
	if err != nil {
		return fmt.Errorf("appending %d sealed entries: %w", len(bodies), err)
	}
	return nil
}

// Forgettable returns the first entry whose body is there, and the first that must
// stay if those older than a time go; see Forget.
func (r *Reader) Forgettable(ctx context.Context, olderThan time.Time) (first, before int64, err error) {
	if first, before, err = r.forgettable(ctx, olderThan); err != nil {
		err = fmt.Errorf("looking for entries older than %s: %w", olderThan.UTC().Format(time.RFC3339), err)
	}
	return first, before, err
}

// ForgetBefore is Forget for a log that several nodes share, where the entry that
// says so is in the log already.
func (s *Store) ForgetBefore(ctx context.Context, before int64) error {
	for n := int64(pruneRows); n == pruneRows; {
		err := s.do(ctx, entryBytes, func(t *tx) (err error) {
			n, err = forgetSome(t, before)
			return err
		}, nil)
		if err != nil {
			return fmt.Errorf("deleting entries before %d: %w", before, err)
		}
	}
	if err := s.deleteAllCases(ctx, before); err != nil {
		return fmt.Errorf("deleting entries before %d: %w", before, err)
	}
	return nil
}
