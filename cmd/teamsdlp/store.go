package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/cmd/internal/redis"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/config"
	"teamsdlp/subscriptions"
	"teamsdlp/webhook"
)

// store is what the service needs of either store.
type store interface {
	webhook.Inbox
	pipeline.Inbox
	actions.Ledger
	actions.Log
	actions.Tree
	actions.Reader
	subscriptions.Store
	keyReader
	quarantine
	CountWaiting(ctx context.Context, prefix string) ([]sqlite.WaitingFor, error)
	RecallWaiting(ctx context.Context, prefix string, most int) error
	UnfinishedReleases(ctx context.Context) ([]actions.Effect, error)
	Meta(ctx context.Context, key string) (value string, found bool, err error)
	SetMeta(ctx context.Context, key, value string) error
	Forget(ctx context.Context, olderThan time.Time) (int64, error)
	CheckpointSink() actions.CheckpointSink
	Ready() error
	Fatal() <-chan error
	Depth(ctx context.Context) (sqlite.Depth, error)
	Stats() sqlite.Stats
	Close() error
}

// unfinishedFunc returns the releases that were decided and have no result.
type unfinishedFunc = func(context.Context) ([]actions.Effect, error)

var (
	_ store = (*sqlite.Store)(nil)
	_ store = (*redis.Store)(nil)
)

// openStore opens the configured store.
func (s *service) openStore(ctx context.Context) error {
	if s.cfg.Store.Kind == config.Redis {
		o, err := redisOptions(s.cfg)
		if err != nil {
			return err
		}
		o.Log = s.log.Named("store")
		o.Keys = nodeKeys(s.keys)
		o.Behind = pipeline.Behind
		o.Generation = func() string { return s.rules.Current().Generation }
		o.Lost = func(owns func(string) bool) {
			if p := s.ended.Load(); p != nil {
				p.Forget(owns)
			}
		}
		o.Reload = func() {
			if s.keyring == nil {
				return // not read yet: see openService
			}
			if err := s.keyring.Reload(); err != nil {
				s.log.Error("keys not read again", zap.Error(err))
			}
		}
		o.Parked = func() {
			if p := s.ended.Load(); p != nil {
				p.RetryParked()
			}
		}
		o.Taken = func() {
			ctx, cancel := context.WithTimeout(context.Background(), grace)
			defer cancel()
			if p := s.ended.Load(); p != nil {
				if err := p.Resume(ctx); err != nil {
					s.log.Warn("releases of another node not taken up yet", zap.Error(err))
				}
			}
		}
		if s.shared, err = redis.Open(ctx, o); err != nil {
			return err
		}
		s.store = s.shared
		s.log.Info("store", zap.String("is", s.shared.Describe()))
		return nil
	}
	st, err := sqlite.Open(ctx, sqlite.Options{
		Dir: s.cfg.DataDir, Log: s.log.Named("store"),
		MaxItems: s.cfg.Webhook.MaxInbox, MaxUnverified: s.cfg.Webhook.MaxUnverified, MinFree: spoilMark(),
	})
	if err != nil {
		return err
	}
	s.store = st
	if err := st.RecallWaiting(ctx, pipeline.Behind, 10_000); err != nil { // nothing is under way yet
		return err
	}
	switch whose, err := redis.ReadModelOf(ctx, st.Reader); {
	case err != nil:
		return err
	case whose != "":
		return errors.New("data_dir holds a node's copy of the log of an installation on Redis: set store.kind to redis, or name another data_dir")
	}
	return nil
}

// working is the pipeline's Working. With Redis nobody is told.
func (s *service) working() func(int) {
	if st, ok := s.store.(*sqlite.Store); ok {
		return st.Working
	}
	return nil
}

// nodeKeys is the same for nodes with the same keys, and tells nothing of them.
func nodeKeys(keys *actions.Keys) string {
	return keys.Fingerprint("the keys of a node", keys.PublicKey())
}

// redisOptions are the options that the configuration makes.
func redisOptions(cfg *config.Config) (redis.Options, error) {
	r := cfg.Store.Redis
	o := redis.Options{
		Mode: r.Mode, Addrs: r.Addresses, Master: r.Master, DB: r.Database,
		Username: r.Username, Password: r.Password.Reveal(), SentinelPassword: r.SentinelPassword.Reveal(),
		Prefix: r.Prefix, Partitions: r.Partitions, Node: r.Node, Lease: r.Lease, Replicas: r.Replicas,
		Durable: r.AssertDurable, MinCopies: r.MinCopies,
		Retain: time.Duration(cfg.ActionLog.RetentionDays) * 24 * time.Hour,
		Dir:    cfg.DataDir, MaxItems: cfg.Webhook.MaxInbox, MaxUnverified: cfg.Webhook.MaxUnverified, MaxBytes: r.MaxBytes,
	}
	if !r.TLS {
		return o, nil
	}
	o.TLS = &tls.Config{MinVersion: tls.VersionTLS12}
	if r.CA != "" {
		pem, err := os.ReadFile(r.CA)
		if err != nil {
			return o, fmt.Errorf("store.redis.ca: %w", err)
		}
		o.TLS.RootCAs = x509.NewCertPool()
		if !o.TLS.RootCAs.AppendCertsFromPEM(pem) {
			return o, fmt.Errorf("store.redis.ca: %s holds no PEM certificate", r.CA)
		}
	}
	return o, nil
}

// storeReader is what commands read of either store.
type storeReader interface {
	keyReader
	ListWaiting(ctx context.Context, after int64, limit int) ([]sqlite.Waiting, error)
	CountWaiting(ctx context.Context, prefix string) ([]sqlite.WaitingFor, error)
	ListQuarantine(ctx context.Context, before int64, limit int) ([]sqlite.Quarantined, error)
	GetQuarantine(ctx context.Context, id int64) (sqlite.Quarantined, error)
	Close() error
}

// openStore opens the store for reading, beside whatever runs: not only this
// node's copy of the log, as open does where the store is on Redis.
func (w where) openStore(e *env) (storeReader, error) {
	r, err := w.open(e)
	if err != nil {
		return nil, err
	}
	whose, err := redis.ReadModelOf(e.ctx, r)
	if err == nil && whose == "" {
		return r, nil
	}
	if err == nil && w.Data != "" {
		err = errors.New("--data names a node's copy of the action log, and the rest is on Redis: name the configuration with --config instead")
	}
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	cfg, err := config.Load(w.Config, e.getenv)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	o, err := redisOptions(cfg)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	v, err := redis.OpenView(o)
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	return nodeReader{v, r}, nil
}

// nodeReader reads the log from the node's copy, and all else from Redis.
type nodeReader struct {
	*redis.View
	log *sqlite.Reader
}

func (r nodeReader) Entries(ctx context.Context, f actions.Filter) ([]actions.Entry, error) {
	return r.log.Entries(ctx, f)
}

func (r nodeReader) Close() error { return errors.Join(r.View.Close(), r.log.Close()) }
