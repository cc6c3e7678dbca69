package sqlite

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

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
		if err := json.Unmarshal(body, &entries[i]); err != nil {
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
		return nil
	}, nil)
	if err != nil {
		return fmt.Errorf("appending %d sealed entries: %w", len(bodies), err)
	}
	return nil
}
