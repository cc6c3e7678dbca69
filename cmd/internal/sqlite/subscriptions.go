package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"teamsdlp/subscriptions"
)

// Subscriptions returns all that are kept, by local id.
func (r *Reader) Subscriptions(ctx context.Context) ([]subscriptions.Subscription, error) {
	var list []subscriptions.Subscription
	err := r.each(ctx, `SELECT body FROM subscription ORDER BY local_id`, nil, func(rows *sql.Rows) error {
		var body []byte
		if err := rows.Scan(&body); err != nil {
			return err
		}
		var s subscriptions.Subscription
		if json.Unmarshal(body, &s) != nil {
			// The cause is left out: it could quote a client state.
			return errors.New("a stored subscription cannot be decoded")
		}
		list = append(list, s)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("reading subscriptions: %w", err)
	}
	return list, nil
}

// SaveSubscription keeps sub under its local id, in place of what was there.
func (s *Store) SaveSubscription(ctx context.Context, sub subscriptions.Subscription) error {
	if sub.LocalID == "" {
		return errors.New("saving a subscription: it has no local id")
	}
	body, err := json.Marshal(sub)
	if err != nil {
		return fmt.Errorf("saving subscription %s: %w", sub.LocalID, err)
	}
	const query = `INSERT INTO subscription (local_id, body) VALUES (?, ?) ON CONFLICT (local_id) DO UPDATE SET body = excluded.body`
	err = s.do(ctx, len(body), func(t *tx) error {
		_, err := t.exec(query, sub.LocalID, body)
		return err
	}, nil)
	if err != nil {
		return fmt.Errorf("saving subscription %s: %w", sub.LocalID, err)
	}
	return nil
}

// DeleteSubscription forgets the subscription; one that is not there is no error.
func (s *Store) DeleteSubscription(ctx context.Context, localID string) error {
	err := s.do(ctx, 0, func(t *tx) error {
		_, err := t.exec(`DELETE FROM subscription WHERE local_id = ?`, localID)
		return err
	}, nil)
	if err != nil {
		return fmt.Errorf("deleting subscription %s: %w", localID, err)
	}
	return nil
}

// Alive records that target was seen to be in order at t.
func (s *Store) Alive(ctx context.Context, target string, at time.Time) error {
	const query = `INSERT INTO alive (target, at_ns) VALUES (?, ?) ON CONFLICT (target) DO UPDATE SET at_ns = excluded.at_ns`
	err := s.do(ctx, 0, func(t *tx) error {
		_, err := t.exec(query, target, at.UnixNano())
		return err
	}, nil)
	if err != nil {
		return fmt.Errorf("recording %s as alive: %w", target, err)
	}
	return nil
}

// LastAlive returns the time last given to Alive for target, UTC; the zero time
// if there was none.
func (r *Reader) LastAlive(ctx context.Context, target string) (time.Time, error) {
	var ns int64
	err := r.row(ctx, `SELECT at_ns FROM alive WHERE target = ?`, []any{target}, &ns)
	if errors.Is(err, sql.ErrNoRows) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("reading when %s was last alive: %w", target, err)
	}
	return time.Unix(0, ns).UTC(), nil
}
