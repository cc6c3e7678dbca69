package redis

import (
	"context"
	"errors"
	"os"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/test/redistest"
	"teamsdlp/test/trial"
)

var prefixes atomic.Int64

// shared is a server for tests that leave it alone: each has keys of its own.
var shared struct {
	sync.Mutex
	*redistest.Server
}

// sharedTB is the test that a shared server belongs to: the whole run.
type sharedTB struct {
	testing.TB
	ends []func()
}

func (s *sharedTB) Helper()          {}
func (s *sharedTB) Cleanup(f func()) { s.ends = append(s.ends, f) }

var whole = &sharedTB{}

func TestMain(m *testing.M) {
	os.Exit(trial.Main(m, func() {
		for _, f := range whole.ends {
			f()
		}
	}))
}

func sharedServer(t testing.TB) *redistest.Server {
	t.Helper()
	shared.Lock()
	defer shared.Unlock()
	if shared.Server == nil {
		dir, err := os.MkdirTemp("", "teamsdlp-redis-") //nolint:usetesting // it outlives the test
		if err != nil {
			t.Fatal(err)
		}
		whole.TB = t
		whole.Cleanup(func() { _ = os.RemoveAll(dir) })
		shared.Server = redistest.StartIn(whole, dir, redistest.Safe...)
		whole.ends = append(whole.ends[1:], whole.ends[0]) // the server first, then its directory
	}
	return shared.Server
}

// testOptions are of a node with few partitions. A lease lasts longer than a loaded
// machine stands still: with one that is lost by chance go its items and writes.
func testOptions(t testing.TB, srv *redistest.Server) Options {
	return Options{
		Addrs: []string{srv.Addr}, Prefix: "t" + strconv.FormatInt(prefixes.Add(1), 10), Partitions: 4, Node: "a", Dir: t.TempDir(),
		Lease: 15 * time.Second, ReadModel: sqlite.Options{MinFree: -1, PruneEvery: -1}, Log: zap.NewNop(),
	}
}

// another are the options of a further node.
func another(t testing.TB, o Options, name string) Options {
	o.Node, o.Dir = name, t.TempDir()
	return o
}

func openTest(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), o)
	for begun := time.Now(); errors.Is(err, ErrUnavailable) && time.Since(begun) < 2*time.Minute; { // the disk was slow: serve would be started again
		s, err = Open(context.Background(), o)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

// owner opens a node and waits until it holds everything.
func owner(t testing.TB, o Options) *Store {
	t.Helper()
	s := openTest(t, o)
	waitFor(t, "one node to hold everything", func() bool { return s.Holds() == o.Partitions && s.Leads() })
	return s
}

func waitFor(t testing.TB, what string, cond func() bool) {
	t.Helper()
	for begun := time.Now(); !cond(); <-time.After(5 * time.Millisecond) {
		if time.Since(begun) > 2*time.Minute {
			t.Fatalf("%s: not within 2m", what)
		}
	}
}

// patient is a client for what takes longer than the store waits.
func patient(t testing.TB, o Options) *goredis.Client {
	c := goredis.NewClient(&goredis.Options{Addr: o.Addrs[0], ReadTimeout: -1, WriteTimeout: -1})
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// flushed seals and copies what was written, before each read.
type flushed struct {
	t testing.TB
	*Store
}

func (f flushed) flush() {
	f.t.Helper()
	ctx := context.Background()
	l := f.lease(lead)
	if l == nil {
		f.t.Fatal("the node does not lead")
	}
	must(f.t, f.seal(ctx, l, 0))
	must(f.t, f.CaughtUp(ctx))
}

func (f flushed) Cases(ctx context.Context, q actions.Filter) ([]actions.Case, error) {
	f.flush()
	return f.Store.Cases(ctx, q)
}

func (f flushed) Case(ctx context.Context, id string) (actions.Case, []actions.Entry, error) {
	f.flush()
	return f.Store.Case(ctx, id)
}

func (f flushed) Entries(ctx context.Context, q actions.Filter) ([]actions.Entry, error) {
	f.flush()
	return f.Store.Entries(ctx, q)
}

func (f flushed) LogSize(ctx context.Context) (int64, error) {
	f.flush()
	return f.Store.LogSize(ctx)
}

func (f flushed) Bodies(ctx context.Context, from int64, fn func(int64, []byte) error) error {
	f.flush()
	return f.Store.Bodies(ctx, from, fn)
}
