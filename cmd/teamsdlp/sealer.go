package main

import (
	"context"

	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/sqlite"
)

// newSealer returns the sealer of the action log: its checkpoints go into the
// store, to the configured file and to the further sinks.
func (s *service) newSealer(further []actions.CheckpointSink) *actions.Sealer {
	sinks := []actions.CheckpointSink{s.store.CheckpointSink()}
	if path := s.cfg.ActionLog.CheckpointFile; path != "" {
		sinks = append(sinks, &actions.FileSink{Path: path})
	}
	return &actions.Sealer{
		Tree:   s.store,
		Signer: s.keys.Signer(),
		Policy: actions.SealPolicy{Interval: s.cfg.ActionLog.CheckpointEvery, Rows: s.cfg.ActionLog.CheckpointRows},
		Sinks:  append(sinks, further...),
		Fault:  func(err error) { s.log.Error("checkpoint", zap.Error(err)) },
	}
}

// sealed is the store, telling the sealer of what was appended.
type sealed struct {
	*sqlite.Store
	sealer *actions.Sealer
}

func (l sealed) told(err error) error {
	if err == nil {
		l.sealer.Appended()
	}
	return err
}

func (l sealed) Decide(ctx context.Context, e actions.Effect, st actions.Standing, entries ...actions.Entry) error {
	return l.told(l.Store.Decide(ctx, e, st, entries...))
}

func (l sealed) Finish(ctx context.Context, e actions.Effect, st actions.Standing, receipt string, entries ...actions.Entry) error {
	return l.told(l.Store.Finish(ctx, e, st, receipt, entries...))
}

func (l sealed) Append(ctx context.Context, entries ...actions.Entry) error {
	return l.told(l.Store.Append(ctx, entries...))
}
