package redis

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

const (
	askEvery  = 50 * time.Millisecond // how often an answer is looked for
	keepAsked = time.Minute
)

// question is what one node asks of the one that holds a partition.
type question struct {
	ID   string `json:"id"`
	Body []byte `json:"body"`
}

// Ask has the node that holds the partition of a message do something, and
// returns its answer. It waits as long as ctx: a node that dies takes the
// question with it.
func (s *Store) Ask(ctx context.Context, messageKey string, body []byte) ([]byte, error) {
	p := partition(laneOf(messageKey), s.opts.Partitions)
	q := question{ID: random(16), Body: body}
	text, err := json.Marshal(q)
	if err != nil {
		return nil, err
	}
	key, answer := s.keys.of(p, "ask"), s.keys.of(p, "ans:"+q.ID)
	if err := s.rdb.RPush(ctx, key, text).Err(); err != nil {
		return nil, fmt.Errorf("asking the node that holds %s: %w", tag(p), s.judged(err))
	}
	_ = s.rdb.Expire(ctx, key, keepAsked).Err() // nobody may ever take it
	_ = s.rdb.Publish(ctx, s.keys.wake(), "ask").Err()
	for {
		got, err := s.rdb.Get(ctx, answer).Bytes()
		if err == nil {
			return got, nil
		}
		if !errors.Is(err, goredis.Nil) {
			return nil, fmt.Errorf("asking the node that holds %s: %w", tag(p), s.judged(err))
		}
		timer := time.NewTimer(askEvery)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, ctx.Err()
		}
	}
}

// Answer answers what other nodes ask about the partitions held here, until ctx
// ends. do is called for each question, in a goroutine of its own.
func (s *Store) Answer(ctx context.Context, do func(ctx context.Context, body []byte) []byte) error {
	tick := time.NewTicker(10 * askEvery)
	defer tick.Stop()
	for {
		if err := s.answerNow(ctx, do); err != nil && ctx.Err() == nil {
			s.log.Warn("answering other nodes", zap.Error(err))
		}
		select {
		case <-tick.C:
		case <-s.asked:
		case <-ctx.Done():
			return nil
		case <-s.life.Done():
			return nil
		}
	}
}

func (s *Store) answerNow(ctx context.Context, do func(context.Context, []byte) []byte) error {
	for p := range s.opts.Partitions {
		if s.lease(p) == nil {
			continue
		}
		for {
			text, err := s.rdb.LPop(ctx, s.keys.of(p, "ask")).Bytes()
			if errors.Is(err, goredis.Nil) {
				break
			}
			if err != nil {
				return s.judged(err)
			}
			var q question
			if json.Unmarshal(text, &q) != nil {
				continue
			}
			go func() {
				body := do(ctx, q.Body)
				// The one who asks tries again when no answer comes.
				_ = s.rdb.Set(context.WithoutCancel(ctx), s.keys.of(p, "ans:"+q.ID), body, keepAsked).Err()
			}()
		}
	}
	return nil
}

// Flush numbers what has come in, if this node leads: at its end nothing of what
// it did should have to wait for the next leader.
func (s *Store) Flush(ctx context.Context) error {
	l := s.lease(lead)
	if l == nil {
		return nil
	}
	if err := s.seal(ctx, l, 0); err != nil {
		return err
	}
	return s.tail(ctx)
}

// TellReload has every node read its keys again, before it sees what is put into
// the inbox after this.
func (s *Store) TellReload(ctx context.Context) error {
	if err := s.rdb.Publish(ctx, s.keys.wake(), "keys").Err(); err != nil {
		return fmt.Errorf("telling the other nodes to read their keys: %w", s.judged(err))
	}
	return nil
}

// TellParked has every node let its actions that wait for an operator be tried,
// before it sees what is recalled after this.
func (s *Store) TellParked(ctx context.Context) error {
	if err := s.rdb.Publish(ctx, s.keys.wake(), "parked").Err(); err != nil {
		return fmt.Errorf("telling the other nodes to try the actions that wait: %w", s.judged(err))
	}
	return nil
}
