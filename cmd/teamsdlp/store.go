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
		o.Generation = func() string { return s.rules.Current().Generation }
		o.Lost = func(owns func(string) bool) {
			if p := s.ended.Load(); p != nil {
				p.Forget(owns)
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
	switch whose, err := redis.ReadModelOf(ctx, st.Reader); {
	case err != nil:
		return err
	case whose != "":
		return errors.New("data_dir holds a node's copy of the log of an installation on Redis: set store.kind to redis, or name another data_dir")
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
