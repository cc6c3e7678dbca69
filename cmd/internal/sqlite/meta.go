package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

const (
	getMeta = `SELECT value FROM meta WHERE key = ?`
	putMeta = `INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET value = excluded.value`
)

// Meta returns the value kept under key, and whether there is one.
func (r *Reader) Meta(ctx context.Context, key string) (value string, found bool, err error) {
	err = r.row(ctx, getMeta, []any{key}, &value)
	if errors.Is(err, sql.ErrNoRows) {
		return "", false, nil
	}
	if err != nil {
		return "", false, fmt.Errorf("reading %s: %w", key, err)
	}
	return value, true, nil
}

// SetMeta keeps value under key, a name of the caller's such as node_id. The
// key schema_version is the store's own and is refused.
func (s *Store) SetMeta(ctx context.Context, key, value string) error {
	if key == keySchema {
		return fmt.Errorf("writing %s: the key is the store's own", key)
	}
	err := s.do(ctx, len(value), func(t *tx) error {
		_, err := t.exec(putMeta, key, value)
		return err
	}, nil)
	if err != nil {
		return fmt.Errorf("writing %s: %w", key, err)
	}
	return nil
}
