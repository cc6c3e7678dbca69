package redis

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/subscriptions"
	"teamsdlp/webhook"
)

// The modes in which Redis is reached.
const (
	Single   = "single"
	Sentinel = "sentinel"
	Cluster  = "cluster"
)

// Options say how to open a store. Fields without a word of a default are
// required.
type Options struct {
	// Mode is Single, Sentinel or Cluster; empty: Single. Addrs is one address,
	// those of the sentinels, or some of the cluster's nodes.
	Mode   string
	Addrs  []string
	Master string // its name, for Sentinel
	DB     int    // not for Cluster
	// Username and Password of Redis, SentinelPassword of the sentinels; may be empty.
	Username, Password, SentinelPassword string
	TLS                                  *tls.Config // nil: plain

	// Prefix begins every key. Empty: tdlp.
	Prefix string
	// Partitions is fixed by the first node that opens the store. 0: 16.
	Partitions int
	// Node names this node for people. Empty: the host's name.
	Node string
	// Dir is the directory of the read model.
	Dir string
	// Keys is a public fingerprint of the node's keys: nodes with different keys
	// would not know each other's digests.
	Keys string

	// MaxItems, MaxBytes and MaxUnverified bound the inbox; 0: 1,000,000, 60 % of
	// Redis' maxmemory (8 GiB where it has none), 10,000.
	MaxItems, MaxBytes, MaxUnverified int64
	// Lease is how long a node that died holds its partitions. 0: 6 s.
	Lease time.Duration
	// Timeout bounds a write. 0: 1.5 s.
	Timeout time.Duration
	// Durable asserts that Redis keeps what it confirms (appendonly, appendfsync
	// always, noeviction) where it does not allow CONFIG GET.
	Durable bool
	// Replicas is how many replicas must have confirmed a write. 0: none.
	Replicas int
	// MinCopies is how many nodes must have a sealed entry before Redis forgets
	// it. 0: 2.
	MinCopies int

	// Retain is how long after its last change what is known of a message with a
	// case is kept. 0: for good.
	Retain time.Duration

	// Behind begins the reasons for which rows are put back until there is room for them
	// in their lane: a node that takes a lease has room, and takes them up in their order.
	// Empty: they wait until they are due.
	Behind string

	// Generation says which rules the node runs; nil: it does not.
	Generation func() string
	// Lost is told that a lease ended: owns reports whether a lane was in it. Nil:
	// nobody is. It is called before the partition can be claimed again here, so it must
	// not call the store.
	Lost func(owns func(lane string) bool)
	// Taken is told, in a goroutine of its own, that leases were taken. Until it returns
	// nothing is claimed under them: what it takes up goes first. Nil: nobody is.
	Taken func()
	// Reload is told that another node reads its keys again. Nil: nobody is.
	Reload func()
	// Parked is told that the actions that wait for an operator are to be tried. Nil:
	// nobody is.
	Parked func()
	// Log receives what an operator should know. Nil: nothing is logged.
	Log *zap.Logger
	// ReadModel are the options of the read model, Dir apart; for tests.
	ReadModel sqlite.Options

	keepSealed int64 // 0: defaultKeepSealed
}

func (o Options) withDefaults() (Options, error) {
	if o.Mode == "" {
		o.Mode = Single
	}
	if o.Prefix == "" {
		o.Prefix = "tdlp"
	}
	if strings.ContainsAny(o.Prefix, "{}") {
		return o, errors.New("the prefix holds a brace: it would change which keys lie together")
	}
	if o.Partitions == 0 {
		o.Partitions = 16
	}
	if o.Partitions < 1 || o.Partitions > 256 {
		return o, errors.New("partitions must be from 1 to 256")
	}
	if o.Node == "" {
		o.Node, _ = os.Hostname()
	}
	set := func(v *int64, def int64) {
		if *v == 0 {
			*v = def
		}
	}
	set(&o.MaxItems, 1_000_000)
	set(&o.MaxUnverified, 10_000)
	set(&o.keepSealed, defaultKeepSealed)
	if o.Lease == 0 {
		o.Lease = 6 * time.Second
	}
	if o.Timeout == 0 {
		o.Timeout = 1500 * time.Millisecond
	}
	if o.MinCopies == 0 {
		o.MinCopies = 2
	}
	if o.Generation == nil {
		o.Generation = func() string { return "" }
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if len(o.Addrs) == 0 {
		return o, errors.New("no address of Redis")
	}
	return o, nil
}

var (
	// ErrFenced is returned for work under a lease that this node does not hold
	// (any more). Nothing was written.
	ErrFenced = errors.New("the lease is not held by this node any more")
	// ErrUnavailable is returned while Redis does not answer, or not as it must.
	ErrUnavailable = errors.New("redis does not answer as it must")
	// ErrReceipt is returned for a receipt that this store did not give out.
	ErrReceipt = errors.New("not a receipt of this inbox")
	// ErrNotClaimed is returned by Defer and Quarantine for a row that is not in
	// flight here.
	ErrNotClaimed = errors.New("the inbox row is not claimed")
	// ErrClosed is returned by operations on a store that was closed.
	ErrClosed = errors.New("the store is closed")
)

// Store is one node's side of the shared store. It is safe for concurrent use.
// It implements webhook.Inbox, actions.Ledger, actions.Log, subscriptions.Store
// and what the pipeline claims from. What is read of the log it answers from the
// node's own copy.
type Store struct {
	copied  // of the read model
	opts    Options
	keys    keyset
	log     *zap.Logger
	rdb     goredis.UniversalClient
	ctl     goredis.UniversalClient // for leases: they must not wait behind the work
	model   *sqlite.Store
	id      string // of this process: a restarted node is another
	install string // of the installation, as its first node named it
	puts    *batcher
	call    atomic.Int64 // numbers scripts of this process
	epoch   time.Time    // monotonic origin

	server atomic.Pointer[server] // what is known of Redis
	broken atomic.Pointer[outage] // nil: it answers
	beaten atomic.Int64           // when this node last said that it lives and learned of the others, since epoch
	wall   atomic.Int64           // the same by wall-clock time: see lease

	buried           map[int]streamID // of Restore: the last of each quarantine
	sealing, tailing sync.Mutex       // held while sealing, and while copying
	unsealedPortion  portion
	sealedPortion    portion
	swept            *lease     // under which nothing is left that is numbered; sealing guards it
	counting         sync.Mutex // held while the inbox is counted

	mu       sync.Mutex // guards what follows
	leases   map[int]*lease
	nodes    []Node
	inbox    count // as of the last look
	since    count // what this node added and ended since that look began
	subs     map[string]subscriptions.Subscription
	subsSeen int64 // version of subs
	head     head
	lacking  map[string]bool // nodes of which it was said that they lack what nobody has any more
	terms    []chan struct{} // to close when leadership changes

	wake     chan struct{} // holds one when there may be something to claim
	claiming chan struct{} // holds one while a claim runs
	tailNow  chan struct{} // holds one when the sealed log may have grown
	beatNow  chan struct{} // holds one when a beat is wanted
	asked    chan struct{} // holds one when another node may have asked something

	life      context.Context // ended by Close
	end       context.CancelFunc
	loops     sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

// copied is all that a node answers from its read model. The read model's other
// methods would answer from tables that are empty on a node, so that it is not
// embedded: what is missing here and in Store does not compile.
type copied interface {
	actions.Reader
	actions.VerifySource
}

var (
	_ webhook.Inbox       = (*Store)(nil)
	_ actions.Ledger      = (*Store)(nil)
	_ actions.Log         = (*Store)(nil)
	_ subscriptions.Store = (*Store)(nil)
)

// outage is why, and until when, nothing is tried.
type outage struct {
	until time.Time
	err   error
}

// Open connects, judges Redis' settings, joins the installation and opens the
// read model. It fails with what to change if Redis could lose what it confirms.
func Open(ctx context.Context, o Options) (*Store, error) {
	o, err := o.withDefaults()
	if err == nil {
		var s *Store
		if s, err = open(ctx, o); err == nil {
			return s, nil
		}
	}
	return nil, fmt.Errorf("opening the store on Redis at %s: %w", strings.Join(o.Addrs, ", "), mended(err, o))
}

func open(ctx context.Context, o Options) (_ *Store, err error) {
	s := &Store{
		opts: o, keys: keyset{o.Prefix}, log: o.Log, epoch: time.Now(),
		id:     strings.NewReplacer("/", "-", " ", "-").Replace(o.Node) + "-" + random(6),
		leases: map[int]*lease{}, lacking: map[string]bool{}, buried: map[int]streamID{}, subs: map[string]subscriptions.Subscription{},
		wake: make(chan struct{}, 1), claiming: make(chan struct{}, 1), tailNow: make(chan struct{}, 1), beatNow: make(chan struct{}, 1), asked: make(chan struct{}, 1),
	}
	s.life, s.end = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			_ = s.shut() // the first error says why
		}
	}()
	if s.rdb, err = dial(o, 32); err != nil {
		return nil, err
	}
	if s.ctl, err = dial(o, 8); err != nil {
		return nil, err
	}
	know, err := s.inspect(ctx)
	if err != nil {
		return nil, err
	}
	s.server.Store(know)
	if s.opts.MaxBytes == 0 {
		s.opts.MaxBytes = 8 << 30
		if know.maxMemory > 0 {
			s.opts.MaxBytes = know.maxMemory / 10 * 6
		}
	}
	if err := s.join(ctx); err != nil {
		return nil, err
	}
	ro := o.ReadModel
	ro.Dir, ro.Log = o.Dir, o.Log
	if s.model, err = sqlite.Open(ctx, ro); err != nil {
		return nil, err
	}
	s.copied = s.model.Reader
	if err := s.own(ctx); err != nil {
		return nil, err
	}
	if err := s.forgetHere(ctx); err != nil {
		return nil, err
	}
	s.puts = newBatcher(s)
	if err := s.refreshSubscriptions(ctx); err != nil {
		return nil, err
	}
	sent := time.Now()
	if err := s.beat(ctx); err != nil {
		return nil, err
	}
	if err := s.sameKeys(s.Nodes()); err != nil { // of one that joined at the same time
		return nil, err
	}
	if err := s.look(ctx); err != nil {
		return nil, err
	}
	s.informed(sent)
	s.loops.Go(s.listen)
	s.loops.Go(s.leaseLoop)
	s.loops.Go(s.watchdog)
	s.loops.Go(s.logLoop)
	s.loops.Go(s.checkLoop)
	return s, nil
}

func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// quiet takes what the client would print to standard error: what matters of it
// comes back as an error.
type quiet struct{}

func (quiet) Printf(context.Context, string, ...any) {}

var silence = sync.OnceFunc(func() { goredis.SetLogger(quiet{}) })

// dial makes a client with so many connections. It sends nothing yet.
func dial(o Options, conns int) (goredis.UniversalClient, error) {
	u := &goredis.UniversalOptions{
		Addrs: o.Addrs, DB: o.DB, Username: o.Username, Password: o.Password, SentinelPassword: o.SentinelPassword, TLSConfig: o.TLS,
		ClientName: "teamsdlp",
		// A command whose answer was lost may have been carried out: the caller
		// knows what to do then, the client does not.
		MaxRetries:            -1,
		ContextTimeoutEnabled: true,
		DialTimeout:           time.Second, DialerRetries: 1,
		ReadTimeout: o.Timeout, WriteTimeout: o.Timeout, PoolTimeout: o.Timeout,
		PoolSize: conns,
	}
	silence()
	switch o.Mode {
	case Single:
		if len(o.Addrs) != 1 {
			return nil, errors.New("one address is one server: name the mode, sentinel or cluster, for more")
		}
		return goredis.NewClient(u.Simple()), nil
	case Sentinel:
		if o.Master == "" {
			return nil, errors.New("sentinel: the name of the master is missing")
		}
		u.MasterName = o.Master
		return goredis.NewFailoverClient(u.Failover()), nil
	case Cluster:
		if o.DB != 0 {
			return nil, errors.New("cluster: there is only database 0")
		}
		return goredis.NewClusterClient(u.Cluster()), nil
	}
	return nil, fmt.Errorf("there is no mode %q: single, sentinel or cluster", o.Mode)
}

// ---- one installation ----

// join reads, or as the first node writes, what all nodes must agree on.
func (s *Store) join(ctx context.Context) error {
	key := s.keys.of(lead, "install")
	have, err := s.rdb.HGetAll(ctx, key).Result()
	if err == nil && len(have) < 2 { // a Redis without memory would refuse even what changes nothing
		for _, kv := range [][2]string{{"id", random(16)}, {"partitions", strconv.Itoa(s.opts.Partitions)}} {
			err = cmp.Or(err, s.rdb.HSetNX(ctx, key, kv[0], kv[1]).Err())
		}
		if err == nil {
			have, err = s.rdb.HGetAll(ctx, key).Result()
		}
	}
	if err != nil {
		return fmt.Errorf("joining the installation: %w", err)
	}
	if have["partitions"] != strconv.Itoa(s.opts.Partitions) {
		return fmt.Errorf("the installation has %s partitions and this node is configured for %d: the number is fixed by its first node, set partitions to %s", have["partitions"], s.opts.Partitions, have["partitions"])
	}
	v, err := s.runBy(ctx, s.ctl, beatScript, []string{s.keys.of(lead, "nodes")}, s.id, "", forgetNodes.Milliseconds())
	if err != nil {
		return fmt.Errorf("joining the installation: %w", err)
	}
	nodes, err := s.nodesOf(v)
	if err != nil {
		return err
	}
	if err := s.sameKeys(nodes); err != nil {
		return err
	}
	s.install = have["id"]
	// The others share with this one at once; and its user may publish.
	if err := s.rdb.Publish(ctx, s.keys.wake(), "lease").Err(); err != nil {
		return fmt.Errorf("joining the installation: telling the other nodes: %w", err)
	}
	return nil
}

// sameKeys returns an error if one of the live nodes has other keys than this one.
func (s *Store) sameKeys(nodes []Node) error {
	for _, n := range nodes {
		if n.Live && n.Keys != s.opts.Keys {
			return fmt.Errorf("this node's keys are not those of node %s, so that they would not know each other's digests: copy its keys_dir (to change keys, stop all nodes first)", n.Name)
		}
	}
	return nil
}

// installMeta is where a data directory says whose copy of the log it holds.
const installMeta = "redis_install"

// ReadModelOf returns the installation whose log a data directory is a copy of,
// or nothing if the log in it is its own.
func ReadModelOf(ctx context.Context, r *sqlite.Reader) (string, error) {
	id, _, err := r.Meta(ctx, installMeta)
	return id, err
}

// own sees to it that the data directory is of this installation, or new.
func (s *Store) own(ctx context.Context) error {
	whose, err := ReadModelOf(ctx, s.model.Reader)
	if err != nil {
		return err
	}
	size, err := s.model.LogSize(ctx)
	if err != nil {
		return err
	}
	switch {
	case whose == s.install:
		return nil
	case whose != "":
		return errors.New("the data directory holds the log of another installation: name an empty data_dir, it is filled from the other nodes")
	case size > 0:
		return fmt.Errorf("the data directory holds an embedded store with %d log entries: name an empty data_dir for this node", size)
	}
	if d, err := s.model.Depth(ctx); err != nil {
		return err
	} else if d.Items+d.Quarantined > 0 {
		return fmt.Errorf("the data directory holds an embedded store with %d items: let it finish them, or name an empty data_dir for this node", d.Items+d.Quarantined)
	}
	return s.model.SetMeta(ctx, installMeta, s.install)
}

// ---- calling scripts ----

// number is a name for one call of a script, by which Redis knows it again.
func (s *Store) number() string { return s.id + "/" + strconv.FormatInt(s.call.Add(1), 10) }

// now is monotonic time since the store was opened.
func (s *Store) now() time.Duration { return time.Since(s.epoch) }

// run runs a script on the node that has its keys, confirmed as Options demand.
func (s *Store) run(ctx context.Context, sc *goredis.Script, keys []string, args ...any) (any, error) {
	return s.runBy(ctx, s.rdb, sc, keys, args...)
}

// runBy is run over a given client.
func (s *Store) runBy(ctx context.Context, client goredis.UniversalClient, sc *goredis.Script, keys []string, args ...any) (any, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	know := s.server.Load()
	if !know.waits(s.opts) && s.opts.Mode != Cluster { // its client would repeat what was under way when a connection broke
		v, err := sc.Run(ctx, client, keys, args...).Result()
		return v, s.judged(err)
	}
	for again, moved := false, false; ; {
		c, err := nodeOf(ctx, client, keys[0])
		if err != nil {
			return nil, s.judged(err)
		}
		var v *goredis.Cmd
		var confirmed confirmation
		_, err = c.Pipelined(ctx, func(p goredis.Pipeliner) error {
			if again {
				v = sc.Eval(ctx, p, keys, args...)
			} else {
				v = sc.EvalSha(ctx, p, keys, args...)
			}
			confirmed = know.confirm(ctx, p, s.opts)
			return nil
		})
		switch {
		case !again && goredis.HasErrorPrefix(v.Err(), "NOSCRIPT"):
			again = true
			continue
		case !moved && s.moved(ctx, client, v.Err()):
			moved = true
			continue
		case !know.waits(s.opts) && goredis.HasErrorPrefix(v.Err(), "ASK"): // it is on its way, and the client asks there
			v, err := sc.Run(ctx, client, keys, args...).Result()
			return v, s.judged(err)
		}
		if v.Err() != nil {
			return nil, s.judged(v.Err())
		}
		if err == nil {
			err = confirmed.given(s.opts)
		}
		return v.Val(), s.judged(err)
	}
}

// nodeOf returns the client of the server that holds a key. A confirmation names
// no key, so it must go to that server, over the same connection.
func nodeOf(ctx context.Context, client goredis.UniversalClient, key string) (goredis.UniversalClient, error) {
	if c, ok := client.(*goredis.ClusterClient); ok {
		return c.MasterForKey(ctx, key)
	}
	return client, nil
}

// moved reports whether err says that a slot of the cluster is on another server than
// it was, and the client has learned since where each is. What got that answer was not
// carried out. ASK is not this: the slot is still on its way.
func (s *Store) moved(ctx context.Context, client goredis.UniversalClient, err error) bool {
	c, ok := client.(*goredis.ClusterClient)
	return ok && goredis.HasErrorPrefix(err, "MOVED") &&
		c.ForEachMaster(ctx, func(context.Context, *goredis.Client) error { return nil }) == nil // it asks for the servers first
}

// judged gives errors their kind.
func (s *Store) judged(err error) error {
	switch {
	case err == nil, errors.Is(err, goredis.Nil):
		return nil
	case goredis.HasErrorPrefix(err, "FENCED"):
		return ErrFenced
	case goredis.HasErrorPrefix(err, "OUTOFSTEP"):
		return sqlite.ErrOutOfStep
	case errors.Is(err, goredis.ErrClosed):
		return ErrClosed
	case errors.Is(err, context.Canceled): // that is not Redis' doing
		return err
	case goredis.HasErrorPrefix(err, "MOVED"), goredis.HasErrorPrefix(err, "ASK"):
		for _, client := range []goredis.UniversalClient{s.rdb, s.ctl} {
			if c, ok := client.(*goredis.ClusterClient); ok {
				c.ReloadState(context.Background())
			}
		}
	}
	return fmt.Errorf("%w: %w", ErrUnavailable, err)
}

// Ready returns nil if items are taken, and otherwise why they are not.
func (s *Store) Ready() error {
	if s.life.Err() != nil {
		return ErrClosed
	}
	if b := s.broken.Load(); b != nil {
		return b.err
	}
	if know := s.server.Load(); know.unsafe != nil {
		return know.unsafe
	}
	if err := s.Fresh(); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if why := s.full(count{items: 1, bytes: 1}); why != "" {
		return fmt.Errorf("%w (%s)", webhook.ErrFull, why)
	}
	return nil
}

// Fresh returns nil if this node knows the state of the installation as of less
// than a lease ago. A node that does not may lack a subscription that the others
// have, and must not judge notifications.
func (s *Store) Fresh() error {
	if idle := max(s.now()-time.Duration(s.beaten.Load()), time.Since(time.Unix(0, s.wall.Load()))); idle > s.opts.Lease {
		return fmt.Errorf("%w: nothing was heard from it for %s", ErrUnavailable, idle.Truncate(time.Millisecond))
	}
	return nil
}

// informed notes that this node knows the state of the installation as of sent.
func (s *Store) informed(sent time.Time) {
	s.beaten.Store(int64(sent.Sub(s.epoch)))
	s.wall.Store(sent.UnixNano())
}

// Fatal yields the failure of the read model; see sqlite.Store.Fatal.
func (s *Store) Fatal() <-chan error { return s.model.Fatal() }

// Stats is a look at the read model's writer and disk.
func (s *Store) Stats() sqlite.Stats { return s.model.Stats() }

// Close gives the leases back, so that other nodes take over at once, and closes
// the read model. Only the first call does anything; all return its error.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.shut() })
	return s.closeErr
}

func (s *Store) shut() error {
	s.end()
	s.loops.Wait()
	if s.puts != nil {
		s.puts.close()
	}
	var errs []error
	if s.rdb != nil {
		if s.model != nil {
			s.leave()
		}
		errs = append(errs, s.rdb.Close())
	}
	if s.ctl != nil {
		errs = append(errs, s.ctl.Close())
	}
	if s.model != nil {
		errs = append(errs, s.model.Close())
	}
	return errors.Join(errs...)
}
