package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
)

// newSealer returns the sealer of the action log: its checkpoints go into the
// store, to the configured file and to the further sinks.
func (s *service) newSealer() *actions.Sealer {
	sinks := []actions.CheckpointSink{s.store.CheckpointSink()}
	if path := s.cfg.ActionLog.CheckpointFile; path != "" {
		sinks = append(sinks, &actions.FileSink{Path: path})
	}
	sinks = append(sinks, s.checkpoints...)
	if s.shared != nil {
		sinks = []actions.CheckpointSink{inOrder(sinks)}
	}
	return &actions.Sealer{
		Tree:   s.store,
		Signer: s.keys.Signer(),
		Policy: actions.SealPolicy{Interval: s.cfg.ActionLog.CheckpointEvery, Rows: s.cfg.ActionLog.CheckpointRows},
		Sinks:  sinks,
		Fault: func(err error) {
			s.metrics.undelivered.Inc()
			s.log.Error("checkpoint", zap.Error(err))
		},
	}
}

// leap is how far the clock may go on from one look at it to the next without a doubt
// about it.
const leap = 30 * 24 * time.Hour

// retain deletes what the configuration says is too old, now and every hour, until
// ctx ends. What a wrong clock would have it delete does not come back, so a clock that
// is a leap ahead of the newest entry at the start, or of an hour ago, is believed an
// hour later only: by then it may have been set right.
func (s *service) retain(ctx context.Context) error {
	days := s.cfg.ActionLog.RetentionDays
	if days == 0 {
		return nil
	}
	tick := time.NewTicker(time.Hour)
	defer tick.Stop()
	for known := s.newest; ; {
		now := time.Now().Round(0)
		if !known.IsZero() && now.Sub(known) > leap {
			s.log.Warn("retention waits for an hour: the clock is far ahead of the newest entry, or was set; if it is wrong, set it right", zap.Time("now", now), zap.Time("known", known))
		} else {
			s.forget(ctx, now, days)
		}
		known = now
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// forget deletes what is older than so many days.
func (s *service) forget(ctx context.Context, now time.Time, days int) {
	n, err := s.store.Forget(ctx, now.AddDate(0, 0, -days))
	switch {
	case ctx.Err() != nil: // told to stop; the next start goes on
	case err != nil:
		s.log.Error("retention", zap.Error(err)) // nothing is lost by deleting later
	case n > 0:
		s.sealer.Appended()
		s.log.Info("retention deleted what old entries said", zap.Int64("entries", n), zap.Int("days", days))
	}
}

// keysInUse begins the verdict of the entry about keys that came into use.
const keysInUse = "in use: "

// recordKeys writes an entry if other keys are in use than at the last start. A new
// checkpoint key is vouched for: the key before it signs that entry, and only then
// the new one signs anything.
func (s *service) recordKeys(ctx context.Context) error {
	const meta = "keys_in_use"
	now := actions.KeysInUse{Encryption: s.keyring.Current().ID, Checkpoint: s.keys.PublicKey(), Digest: s.keys.Epoch()}
	inUse := fmt.Sprintf("encryption key %s, checkpoint key %s, digest epoch %s", now.Encryption, now.Checkpoint, now.Digest)
	before, _, err := s.store.Meta(ctx, meta)
	if err != nil || before == inUse {
		return err
	}
	if err := s.pipeline.Recorder().KeyUse(ctx, actions.ActorSelf, keysInUse+inUse, now); err != nil {
		return err
	}
	if before != "" && !strings.Contains(before, now.Checkpoint) && s.shared != nil {
		err = s.askVouch(ctx, now.Checkpoint, before)
	} else if before != "" && !strings.Contains(before, now.Checkpoint) {
		err = s.vouch(ctx, before)
	}
	if err != nil {
		return err
	}
	return s.store.SetMeta(ctx, meta, inUse)
}

// metaVouch holds the checkpoint key that is still to be vouched for, and in a
// second line what was in use when one last signed. Without that line it is done.
const metaVouch = "vouch_for"

// askVouch leaves the vouching for a key to the leader: only it signs, and only
// what has a number; see sealTerm. While an earlier one is still to be done the key
// that it was for has signed nothing, so what was in use before it counts.
func (s *service) askVouch(ctx context.Context, key, before string) error {
	open, _, err := s.store.Meta(ctx, metaVouch)
	if err != nil {
		return err
	}
	had, earlier, asked := strings.Cut(open, "\n")
	switch {
	case asked:
		before = earlier
	case had == key: // another node, started at the same time, had asked, and it is done
		return nil
	}
	return s.store.SetMeta(ctx, metaVouch, key+"\n"+before)
}

// vouchShared does for several nodes what recordKeys does for one: on the leader,
// once the entry about the new key is in the log.
func (s *service) vouchShared(ctx context.Context) error {
	open, _, err := s.store.Meta(ctx, metaVouch)
	key, before, asked := strings.Cut(open, "\n")
	if err != nil || !asked || key != s.keys.PublicKey() {
		return err
	}
	if err := s.shared.Flush(ctx); err != nil {
		return err
	}
	if err := s.vouch(ctx, before); err != nil {
		return err
	}
	return s.store.SetMeta(ctx, metaVouch, key)
}

// vouch seals the log once with the checkpoint key before the one in use, if that
// is the one that signed last: before says what was in use then. A key that was
// rotated away before it signed anything is known to nobody.
func (s *service) vouch(ctx context.Context, before string) error {
	old := s.keys.Predecessor()
	if old == nil || !strings.Contains(before, fmt.Sprintf("%s+%08x+", old.Name(), old.KeyHash())) {
		s.log.Warn("another checkpoint key is in use, and the one before it is not there to vouch for it: whoever verifies the log must be given the new public key")
		return nil
	}
	last := &actions.Sealer{Tree: s.sealer.Tree, Signer: old, Sinks: s.sealer.Sinks}
	if _, err := last.Seal(ctx); err != nil {
		return fmt.Errorf("signing the new checkpoint key with the one before it: %w", err)
	}
	return nil
}

// sealed is the store, telling the sealer of what was appended.
type sealed struct {
	store
	sealer *actions.Sealer
}

func (l sealed) told(err error) error {
	if err == nil {
		l.sealer.Appended()
	}
	return err
}

func (l sealed) Decide(ctx context.Context, e actions.Effect, st actions.Standing, entries ...actions.Entry) error {
	return l.told(l.store.Decide(ctx, e, st, entries...))
}

func (l sealed) Finish(ctx context.Context, e actions.Effect, st actions.Standing, receipt string, entries ...actions.Entry) error {
	return l.told(l.store.Finish(ctx, e, st, receipt, entries...))
}

func (l sealed) Append(ctx context.Context, entries ...actions.Entry) error {
	return l.told(l.store.Append(ctx, entries...))
}
