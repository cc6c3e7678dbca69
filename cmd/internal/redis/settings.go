package redis

import (
	"cmp"
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"syscall"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"teamsdlp/cmd/internal/faults"
)

// server is what is known of Redis.
type server struct {
	product   string // Redis or Valkey
	version   string
	waitAOF   bool // the command exists
	always    bool // appendfsync always
	maxMemory int64
	unsafe    error // why what it confirms could be lost
}

// waits reports whether a write is followed by a confirmation.
func (k *server) waits(o Options) bool { return !k.always || o.Replicas > 0 }

// A confirmation is what was asked of Redis after a write, over the same connection:
// that it is synced there, and that replicas have it. A part that was not asked for
// is nil.
type confirmation struct{ synced, copied *goredis.Cmd }

// confirm asks for it. Replicas are asked by WAIT, in any case: WAITAOF would wait
// until they say themselves what they have synced, which they do once a second.
func (k *server) confirm(ctx context.Context, p goredis.Pipeliner, o Options) (c confirmation) {
	patience := (o.Timeout / 3).Milliseconds() // the answer must come in time, the second one as well where the script was not known
	if !k.always {
		c.synced = p.Do(ctx, "WAITAOF", 1, 0, patience)
		patience /= 2 // after the sync they have it long since
	}
	if o.Replicas > 0 {
		c.copied = p.Do(ctx, "WAIT", o.Replicas, patience)
	}
	return c
}

// given returns nil if it was confirmed: a short count is no confirmation.
func (c confirmation) given(o Options) error {
	if c.synced != nil {
		v, err := c.synced.Result()
		if err != nil {
			return err
		}
		if got, _ := c.synced.Int64Slice(); len(got) != 2 || got[0] < 1 {
			return fmt.Errorf("the write was not confirmed as synced: WAITAOF 1 0 answered %v", v)
		}
	}
	if c.copied != nil {
		v, err := c.copied.Result()
		if err != nil {
			return err
		}
		if n, err := c.copied.Int64(); err != nil || n < int64(o.Replicas) {
			return fmt.Errorf("the write was not confirmed by %d replicas: WAIT answered %v", o.Replicas, v)
		}
	}
	return nil
}

// mended adds to an error of a first contact what to change, where that is known.
func mended(err error, o Options) error {
	if err == nil {
		return nil
	}
	var unknown x509.UnknownAuthorityError
	var timeout interface{ Timeout() bool }
	said := err.Error()
	for _, m := range []struct {
		is   bool
		what string
	}{
		{goredis.HasErrorPrefix(err, "NOAUTH"), "it asks for a password: set password, and username where it has users"},
		{goredis.HasErrorPrefix(err, "WRONGPASS"), "it does not know this username with this password"},
		{goredis.HasErrorPrefix(err, "NOPERM"), fmt.Sprintf("its user needs more rights: ACL SETUSER %s ~%s:* &%s:* +@all -@dangerous +info +config|get", cmp.Or(o.Username, "default"), o.Prefix, o.Prefix)},
		{goredis.HasErrorPrefix(err, "CLUSTERDOWN"), "the cluster is not whole: redis-cli --cluster check says what is missing"},
		{o.Mode == Cluster && strings.Contains(said, "cluster support disabled"), "it is no cluster: set mode: single"},
		{o.Mode == Sentinel && strings.Contains(said, "unknown command"), "it is no sentinel: name the addresses of the sentinels, or set mode: single"},
		{o.Mode == Sentinel && strings.HasSuffix(said, goredis.Nil.Error()), "the sentinels know no master named " + o.Master},
		{o.Replicas > 0 && strings.Contains(said, "was not confirmed by"), "too few replicas are connected, or they are too slow: INFO replication says which there are"},
		{errors.As(err, &unknown), "its certificate is of an authority that is not known here: name that in ca"},
		{o.TLS != nil && errors.As(err, &timeout) && timeout.Timeout(), "does it speak TLS at this port?"},
		{o.TLS == nil && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET)), "does it want TLS at this port? Then set tls: true"},
	} {
		if m.is {
			return fmt.Errorf("%w (%s)", err, m.what)
		}
	}
	return err
}

// inspect looks at version and settings of every server that takes writes. Its
// error says what to change.
func (s *Store) inspect(ctx context.Context) (*server, error) {
	c, ok := s.rdb.(*goredis.ClusterClient)
	if !ok {
		return inspect(ctx, s.rdb, s.opts)
	}
	var all []*server
	err := c.ForEachMaster(ctx, func(ctx context.Context, one *goredis.Client) error {
		k, err := inspect(ctx, one, s.opts)
		if err != nil {
			return fmt.Errorf("node %s: %w", one.Options().Addr, err)
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		all = append(all, k)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(all) == 0 {
		return nil, errors.New("the cluster has no node that holds slots: redis-cli --cluster create makes one of its servers")
	}
	least := all[0] // settings may differ: the weakest counts
	for _, k := range all[1:] {
		least.always = least.always && k.always
		least.waitAOF = least.waitAOF && k.waitAOF
		if k.maxMemory > 0 && (least.maxMemory == 0 || k.maxMemory < least.maxMemory) {
			least.maxMemory = k.maxMemory
		}
	}
	return least, nil
}

func inspect(ctx context.Context, c goredis.Cmdable, o Options) (*server, error) {
	info, err := c.Info(ctx).Result()
	if err != nil {
		return nil, fmt.Errorf("asking for its version: %w", err)
	}
	switch mode := cmp.Or(infoField(info, "redis_mode"), infoField(info, "server_mode")); { // of Redis, of Valkey
	case mode == "sentinel":
		return nil, errors.New("it is a sentinel and no server: set mode: sentinel, and master")
	case mode == "cluster" && o.Mode != Cluster:
		return nil, errors.New("it is part of a cluster: set mode: cluster")
	case o.Mode == Single && infoField(info, "role") == "slave":
		return nil, fmt.Errorf("it is a replica of %s:%s and takes no writes: name that one, or reach both through Sentinel", infoField(info, "master_host"), infoField(info, "master_port"))
	}
	k := &server{product: "Redis"}
	k.version = infoField(info, "redis_version")
	least := 7
	if v := infoField(info, "valkey_version"); v != "" {
		k.product, k.version = "Valkey", v
	}
	major, _, _ := strings.Cut(k.version, ".")
	if n, err := strconv.Atoi(major); err != nil || n < least {
		return nil, fmt.Errorf("it is %s %q: 7.0 or later is needed", k.product, k.version)
	}
	// Of forks and proxies a version says little: ask for the command.
	if known, err := c.Command(ctx).Result(); err == nil {
		_, k.waitAOF = known["waitaof"]
	}
	if faults.On(faults.UnsafeRedis) {
		k.always = true
		return k, nil
	}
	settings, err := c.ConfigGet(ctx, "*").Result()
	if err != nil {
		if !o.Durable {
			return nil, fmt.Errorf("CONFIG GET is refused (%w), so that nobody can tell whether it keeps what it confirms: allow it for this user (ACL SETUSER … +config|get), or set assert_durable: true if appendonly is yes, appendfsync always, no-appendfsync-on-rewrite no and maxmemory-policy noeviction", err)
		}
		// What it says of itself all the same needs nobody's word.
		settings = map[string]string{"maxmemory": infoField(info, "maxmemory"), "maxmemory-policy": cmp.Or(infoField(info, "maxmemory_policy"), noeviction), "appendonly": "yes", "appendfsync": "always"}
	}
	if p := settings["maxmemory-policy"]; p != noeviction {
		return nil, fmt.Errorf("maxmemory-policy is %s, so that it forgets keys when memory is short: CONFIG SET maxmemory-policy noeviction, and the same in redis.conf", p)
	}
	if settings["appendonly"] != "yes" {
		return nil, errors.New("appendonly is no, so that a restart loses what it confirmed: CONFIG SET appendonly yes, and the same in redis.conf")
	}
	switch fsync := settings["appendfsync"]; {
	case fsync == "always" && settings["no-appendfsync-on-rewrite"] == "yes":
		return nil, errors.New("no-appendfsync-on-rewrite is yes, so that it confirms what is not written yet while it rewrites its file: CONFIG SET no-appendfsync-on-rewrite no, and the same in redis.conf")
	case fsync == "always":
		k.always = true
	case fsync == "everysec" && k.waitAOF:
	case fsync == "everysec":
		return nil, fmt.Errorf("appendfsync is everysec and %s %s has no WAITAOF, so that it confirms what is not written yet: CONFIG SET appendfsync always, and the same in redis.conf", k.product, k.version)
	default:
		return nil, fmt.Errorf("appendfsync is %s, so that it confirms what is not written yet: CONFIG SET appendfsync always, and the same in redis.conf", fsync)
	}
	k.maxMemory, _ = strconv.ParseInt(settings["maxmemory"], 10, 64)
	return k, nil
}

const noeviction = "noeviction"

func infoField(info, name string) string {
	for line := range strings.Lines(info) {
		if v, ok := strings.CutPrefix(line, name+":"); ok {
			return strings.TrimSpace(v)
		}
	}
	return ""
}

// checkEvery is how often settings are looked at again: they can be changed
// while Redis runs.
const checkEvery = 5 * time.Second

func (s *Store) checkLoop() {
	tick := time.NewTicker(checkEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.check(s.life)
		case <-s.life.Done():
			return
		}
	}
}

// check closes the inbox while settings are unsafe.
func (s *Store) check(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, 2*s.opts.Timeout)
	defer cancel()
	before := s.server.Load()
	know, err := s.inspect(ctx)
	var answered goredis.Error
	switch {
	case ctx.Err() != nil, err != nil && (errors.As(err, &answered) || unanswered(err)):
		return // it does not answer, or is loading: the beat notices that
	case err != nil:
		worse := *before
		worse.unsafe = fmt.Errorf("%w: %w", ErrUnavailable, err)
		s.server.Store(&worse)
		if before.unsafe == nil {
			s.log.Error("settings of Redis became unsafe: no new items are taken", zap.Error(err))
		}
	default:
		s.server.Store(know)
		if before.unsafe != nil {
			s.log.Info("settings of Redis are safe again")
		}
	}
}

// unanswered reports whether err is of the network.
func unanswered(err error) bool {
	var timeout interface{ Timeout() bool }
	return errors.As(err, &timeout)
}

// Describe says what Redis is, for people.
func (s *Store) Describe() string {
	k := s.server.Load()
	how := "appendfsync always"
	if !k.always {
		how = "appendfsync everysec with WAITAOF"
	}
	if s.opts.Replicas > 0 {
		how += fmt.Sprintf(", confirmed by %d replicas", s.opts.Replicas)
	}
	return fmt.Sprintf("%s %s (%s, %s), %d partitions", k.product, k.version, s.opts.Mode, how, s.opts.Partitions)
}

// State is what can be seen without joining.
type State struct {
	Server      string
	Nodes       []Node
	Quarantined int64
}

// Look connects, judges Redis' settings as Open does, and reads who runs. It
// writes nothing.
func Look(ctx context.Context, o Options) (State, error) {
	fail := func(err error) (State, error) {
		return State{}, fmt.Errorf("the store on Redis at %s: %w", strings.Join(o.Addrs, ", "), mended(err, o))
	}
	o, err := o.withDefaults()
	if err != nil {
		return fail(err)
	}
	s := &Store{opts: o, keys: keyset{o.Prefix}, log: o.Log}
	if s.rdb, err = dial(o, 4); err != nil {
		return fail(err)
	}
	defer s.rdb.Close()
	know, err := s.inspect(ctx)
	if err != nil {
		return fail(err)
	}
	s.server.Store(know)
	now, err := s.rdb.Time(ctx).Result()
	if err != nil {
		return fail(err)
	}
	said, err := s.rdb.HGetAll(ctx, s.keys.of(lead, "nodes")).Result()
	if err != nil {
		return fail(err)
	}
	var list []any // as the script of a beat answers
	for id, line := range said {
		at, about, _ := strings.Cut(line, " ")
		ms, err := strconv.ParseInt(at, 10, 64)
		if err != nil {
			return fail(errors.New("the list of nodes cannot be read"))
		}
		list = append(list, id, strconv.FormatInt(max(0, now.UnixMilli()-ms), 10), about)
	}
	nodes, err := s.nodesOf(list)
	if err != nil {
		return fail(err)
	}
	st := State{Server: s.Describe(), Nodes: nodes}
	for p := lead; p < o.Partitions; p++ {
		n, err := s.rdb.XLen(ctx, s.keys.dead(p)).Result()
		if err != nil {
			return fail(err)
		}
		st.Quarantined += n
	}
	return st, nil
}
