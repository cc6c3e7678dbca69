package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/archive"
	"teamsdlp/cmd/internal/redis"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/config"
)

type storeCmd struct {
	Export storeExportCmd `cmd:"" help:"Write everything in the store to one file."`
	Import storeImportCmd `cmd:"" help:"Write everything in such a file into an empty store."`
}

// Help is printed by --help.
func (storeCmd) Help() string {
	return `Moves from the embedded store to Redis, and back. serve must be stopped, on every node.

Example:
  teamsdlp store export --config one.yaml moved.jsonl
  teamsdlp store import --config nodes.yaml moved.jsonl`
}

type storeExportCmd struct {
	Config string `short:"c" default:"teamsdlp.yaml" type:"path" help:"Configuration file; it says where the store is."`
	File   string `arg:"" type:"path" help:"File to write. It must not be there yet."`
}

// Help is printed by --help.
func (storeExportCmd) Help() string {
	return `The file holds what the store holds: the log entry by entry, effects, subscriptions with their secrets,
and items as Microsoft encrypted them. Keep it like the store itself.

Example:
  teamsdlp store export --config one.yaml moved.jsonl`
}

// movable is a store that can be moved from and to.
type movable interface {
	archive.Source
	archive.Sink
	actions.Tree
	Close() error
}

// openMovable opens the configured store for this process alone.
func openMovable(ctx context.Context, cfg *config.Config) (movable, error) {
	if cfg.Store.Kind != config.Redis {
		st, err := sqlite.Open(ctx, sqlite.Options{Dir: cfg.DataDir, PruneEvery: -1})
		if err != nil {
			return nil, err
		}
		if whose, err := redis.ReadModelOf(ctx, st.Reader); err != nil || whose != "" {
			return nil, errors.Join(err, errors.New("data_dir holds a node's copy of the log of an installation on Redis, not a store: set store.kind to redis"), st.Close())
		}
		return st, nil
	}
	o, err := redisOptions(cfg)
	if err != nil {
		return nil, err
	}
	keys, err := actions.LoadKeys(cfg.KeysDir)
	if err != nil {
		return nil, err
	}
	o.Keys = nodeKeys(keys)
	look, err := redis.Look(ctx, o)
	if err != nil {
		return nil, err
	}
	for _, n := range look.Nodes {
		if n.Live {
			return nil, fmt.Errorf("node %s runs: stop serve on every node first (one that was killed is forgotten after %s)", n.Name, cfg.Store.Redis.Lease)
		}
	}
	st, err := redis.Open(ctx, o)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, 2*cfg.Store.Redis.Lease+10*time.Second)
	defer cancel()
	if err := st.Whole(ctx); err != nil {
		return nil, errors.Join(err, st.Close())
	}
	return st, nil
}

func (c *storeExportCmd) Run(e *env) (err error) {
	cfg, err := config.Load(c.Config, e.getenv)
	if err != nil {
		return configFault(err, "name it with --config FILE")
	}
	if cfg.Store.Kind != config.Redis {
		if _, err := os.Stat(filepath.Join(cfg.DataDir, sqlite.FileName)); err != nil {
			return fmt.Errorf("there is no store: %w", err)
		}
	}
	st, err := openMovable(e.ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	f, err := os.OpenFile(c.File, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	s, err := archive.Write(e.ctx, f, st, time.Now())
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return errors.Join(err, os.Remove(c.File))
	}
	if err := sameTree(e.ctx, st, s); err != nil {
		return errors.Join(err, os.Remove(c.File))
	}
	return told(e.stdout, "exported", c.File, s)
}

type storeImportCmd struct {
	Config string `short:"c" default:"teamsdlp.yaml" type:"path" help:"Configuration file; it says where the store is to be."`
	File   string `arg:"" type:"path" help:"File that store export wrote."`
}

// Help is printed by --help.
func (storeImportCmd) Help() string {
	return `The file is checked to its end before anything is written: its SHA-256, its counts, and the tree over the
log. The store must be empty. What was written is read back and compared.

Example:
  teamsdlp store import --config nodes.yaml moved.jsonl`
}

func (c *storeImportCmd) Run(e *env) (err error) {
	cfg, err := config.Load(c.Config, e.getenv)
	if err != nil {
		return configFault(err, "name it with --config FILE")
	}
	f, err := os.Open(c.File)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	want, err := archive.Check(f)
	if err != nil {
		return fmt.Errorf("%s: %w", c.File, err)
	}
	st, err := openMovable(e.ctx, cfg)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, st.Close()) }()
	have, err := archive.Summarise(e.ctx, st)
	if err != nil {
		return err
	}
	if len(have.Counts) > 0 {
		return fmt.Errorf("the store is not empty (%s): name a new data_dir, or on Redis a new store.redis.prefix", counted(have))
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return err
	}
	if _, err := archive.Restore(e.ctx, f, st); err != nil {
		return fmt.Errorf("%w\nwhat was written until then is not a whole store: begin again with an empty one", err)
	}
	have, err = archive.Summarise(e.ctx, st)
	if err != nil {
		return err
	}
	if !maps.Equal(want.Counts, have.Counts) || want.Root != have.Root {
		return fmt.Errorf("the store holds %s, the file %s: begin again with an empty store", counted(have), counted(want))
	}
	if err := sameTree(e.ctx, st, want); err != nil {
		return err
	}
	return told(e.stdout, "imported", c.File, have)
}

// sameTree wants the tree that a store keeps to be the one over the entries.
func sameTree(ctx context.Context, st actions.Tree, s archive.Summary) error {
	size, root, err := actions.TreeHead(ctx, st)
	if err != nil {
		return err
	}
	if size != s.Size || root.String() != s.Root {
		return fmt.Errorf("the tree over %d entries is not that of the %d entries themselves: the log was tampered with or is damaged; see teamsdlp actions verify", size, s.Size)
	}
	return nil
}

func counted(s archive.Summary) string {
	var parts []string
	for _, kind := range slices.Sorted(maps.Keys(s.Counts)) {
		parts = append(parts, fmt.Sprintf("%d %s", s.Counts[kind], kind))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

func told(w io.Writer, what, file string, s archive.Summary) error {
	_, err := fmt.Fprintf(w, "%s %s: %s\nlog of %d entries, root %s\n", what, file, counted(s), s.Size, s.Root)
	return err
}
