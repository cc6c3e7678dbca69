package redis

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"teamsdlp/actions"
)

const (
	// What led to no case is remembered for so long: Graph repeats a notification
	// for 4 hours; the rest is for an outage of ours in between.
	keepClean = 48 * time.Hour
	// The effects of a case are remembered for so long after their end. What is
	// known of its message, which is what an override or a block is respected by,
	// stays for good.
	keepEffect = 30 * 24 * time.Hour
)

// Begin returns what is known of a message and the effect of one version of it.
func (s *Store) Begin(ctx context.Context, messageKey, version string) (actions.Standing, actions.Effect, error) {
	fail := func(err error) (actions.Standing, actions.Effect, error) {
		return actions.Standing{}, actions.Effect{}, fmt.Errorf("reading the effect of %s version %s: %w", messageKey, version, err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	p := partition(laneOf(messageKey), s.opts.Partitions)
	var standing, effect *goredis.StringCmd
	_, _ = s.rdb.Pipelined(ctx, func(pipe goredis.Pipeliner) error { // each answer is looked at
		standing = pipe.Get(ctx, s.keys.standing(p, messageKey))
		effect = pipe.HGet(ctx, s.keys.effect(p, messageKey, version), "b")
		return nil
	})
	var (
		st actions.Standing
		e  actions.Effect
	)
	for i, part := range []struct {
		cmd *goredis.StringCmd
		v   any
	}{{standing, &st}, {effect, &e}} {
		body, err := part.cmd.Bytes()
		if i == 0 {
			_, body, _ = bytes.Cut(body, []byte("\n")) // the message's key stands before it
		}
		if errors.Is(err, goredis.Nil) {
			continue
		}
		if err != nil {
			return fail(s.judged(err))
		}
		if err := json.Unmarshal(body, part.v); err != nil {
			return fail(errors.New("what is stored cannot be decoded"))
		}
	}
	e.MessageKey, e.Version = messageKey, version
	return st, e, nil
}

// Decide commits e as decided, with st and the entries, before anything is sent.
// It returns actions.ErrFinished, and writes nothing, if e is terminal already.
func (s *Store) Decide(ctx context.Context, e actions.Effect, st actions.Standing, entries ...actions.Entry) error {
	e.State = actions.StateDecided
	return s.settle(ctx, "deciding", e, st, "", entries)
}

// Finish commits the end of e, its entries and the end of the inbox row in one
// script; see actions.Ledger. A row that has ended already is no error.
func (s *Store) Finish(ctx context.Context, e actions.Effect, st actions.Standing, receipt string, entries ...actions.Entry) error {
	if !e.State.Terminal() {
		return fmt.Errorf("finishing %s version %s: state %q is not terminal", e.MessageKey, e.Version, e.State)
	}
	return s.settle(ctx, "finishing", e, st, receipt, entries)
}

func (s *Store) settle(ctx context.Context, doing string, e actions.Effect, st actions.Standing, rowText string, entries []actions.Entry) error {
	fail := func(err error) error {
		return fmt.Errorf("%s %s version %s: %w", doing, e.MessageKey, e.Version, err)
	}
	if e.MessageKey == "" || e.Version == "" {
		return fail(errors.New("the effect has no key"))
	}
	p := partition(laneOf(e.MessageKey), s.opts.Partitions)
	var r receipt
	if rowText != "" {
		var err error
		if r, err = parseReceipt(rowText); err != nil {
			return fail(fmt.Errorf("receipt %q: %w", rowText, err))
		}
		if r.part != p {
			return fail(fmt.Errorf("receipt %q is of another conversation: %w", rowText, ErrReceipt))
		}
	}
	l, err := s.current(ctx, p)
	if err != nil {
		return fail(err)
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
	bodies, err := encodeEntries(entries)
	if err != nil {
		return fail(err)
	}
	var effectFor, standingFor time.Duration
	standingFor = s.opts.Retain
	if st.Case == "" {
		standingFor = keepClean
	}
	if e.State.Terminal() {
		effectFor = keepEffect
		if s.opts.Retain > 0 {
			effectFor = min(effectFor, s.opts.Retain)
		}
		if st.Case == "" {
			effectFor = keepClean
		}
	}
	standing = append([]byte(e.MessageKey+"\n"), standing...)
	open := ""
	if strings.HasPrefix(e.Version, releasePrefix) {
		open = digest(e.MessageKey, e.Version)
	}
	args := l.args(s.number(), string(e.State), effect, standing, effectFor.Milliseconds(), standingFor.Milliseconds(), r.id, r.size, r.unverified, s.id, open, remember.Milliseconds())
	keys := []string{
		s.keys.lease(p), s.keys.effect(p, e.MessageKey, e.Version), s.keys.standing(p, e.MessageKey), s.keys.alog(p),
		s.keys.queue(p), s.keys.delay(p), s.keys.attempts(p), s.keys.counts(p), s.keys.open(p),
	}
	if known := s.known(l, r.id); known != "" {
		keys = append(keys, known)
	}
	v, err := s.run(ctx, settleScript, keys, append(args, bodies...)...)
	if err != nil {
		return fail(err)
	}
	if r.id != "" {
		s.ended(l, r.id)
	}
	if v == "FINISHED" {
		return fail(actions.ErrFinished)
	}
	return nil
}

// releasePrefix begins the version of an effect that is an analyst's release: no
// inbox row brings it back when its node dies before its result is on record.
const releasePrefix = "release/"

// UnfinishedReleases returns the analysts' releases, in the partitions that this
// node holds, that were decided and have no result.
func (s *Store) UnfinishedReleases(ctx context.Context) ([]actions.Effect, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	var list []actions.Effect
	for p := range s.opts.Partitions {
		if s.lease(p) == nil {
			continue
		}
		bodies, err := s.rdb.HVals(ctx, s.keys.open(p)).Result()
		if err != nil {
			return nil, fmt.Errorf("reading unfinished releases: %w", s.judged(err))
		}
		for _, body := range bodies {
			var e actions.Effect
			if err := json.Unmarshal([]byte(body), &e); err != nil {
				return nil, errors.New("reading unfinished releases: one cannot be decoded")
			}
			list = append(list, e)
		}
	}
	return list, nil
}

// encodeEntries returns entries without number and id: those come with the tree.
func encodeEntries(entries []actions.Entry) ([]any, error) {
	bodies := make([]any, len(entries))
	for i, e := range entries {
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		e.Time = e.Time.UTC()
		body, err := json.Marshal(e)
		if err != nil {
			return nil, err
		}
		bodies[i] = body
	}
	return bodies, nil
}

// Append commits entries that end no effect. Any node may.
func (s *Store) Append(ctx context.Context, entries ...actions.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	bodies, err := encodeEntries(entries)
	if err == nil {
		n := s.number()
		_, err = s.run(ctx, appendScript, []string{s.keys.alog(lead), s.keys.of(lead, "once:"+digest(n))}, append([]any{n, s.id}, bodies...)...)
	}
	if err != nil {
		return fmt.Errorf("appending %d entries to the action log: %w", len(entries), err)
	}
	return nil
}
