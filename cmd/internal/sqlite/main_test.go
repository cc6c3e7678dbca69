package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teamsdlp/actions"
	"teamsdlp/test/trial"
	"teamsdlp/webhook"
)

// Environment of the test binary when it runs as another process.
const (
	roleVar = "SQLITE_TEST_ROLE"
	dirVar  = "SQLITE_TEST_DIR"
	runVar  = "SQLITE_TEST_RUN"
)

func TestMain(m *testing.M) {
	role, dir := os.Getenv(roleVar), os.Getenv(dirVar)
	switch role {
	case "":
		os.Exit(trial.Main(m))
	case "write":
		writeAndDie(dir, os.Getenv(runVar))
	case "open":
		s, err := Open(context.Background(), Options{Dir: dir, MinFree: -1})
		if err == nil {
			err = s.Close()
		}
		fmt.Println("locked:", errors.Is(err, ErrLocked), err)
	case "read":
		r, err := OpenReadOnly(context.Background(), dir)
		if err != nil {
			fmt.Println(err)
			return
		}
		size, err := r.LogSize(context.Background())
		fmt.Println("entries:", size, err)
	}
}

// another runs the test binary in a role, as a process of its own.
func another(t *testing.T, role, dir, run string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe)
	cmd.Env = append(os.Environ(), roleVar+"="+role, dirVar+"="+dir, runVar+"="+run)
	cmd.Stderr = os.Stderr
	return cmd
}

// writeAndDie stores items and finishes effects as fast as it can, prints each
// one's name once it was answered, and kills itself, as by kill -9, right after
// one of the answers: run is a name for the run and the number of that answer.
func writeAndDie(dir, run string) {
	ctx := context.Background()
	run, number, _ := strings.Cut(run, "/")
	last, err := strconv.ParseInt(number, 10, 64)
	die := func(err error) {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err != nil {
		die(err)
	}
	self, err := os.FindProcess(os.Getpid())
	if err != nil {
		die(err)
	}
	s, err := Open(ctx, Options{Dir: dir, MinFree: -1})
	if err != nil {
		die(err)
	}
	var answers atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for i := 0; ; i++ {
				name := run + "-" + strconv.Itoa(g) + "-" + strconv.Itoa(i)
				var err error
				what := "put "
				if g < 6 {
					err = s.Put(ctx, []webhook.Item{testItem(name)})
				} else {
					what = "finish "
					err = s.Finish(ctx, shadowEffect(name), actions.Standing{Case: name}, "", shadowEntry(name))
				}
				if err != nil {
					die(err)
				}
				os.Stdout.WriteString(what + name + "\n") // one write: lines stay whole
				if answers.Add(1) == last {
					_ = self.Kill()
				}
			}
		})
	}
	wg.Wait()
}

func shadowEffect(key string) actions.Effect {
	return actions.Effect{MessageKey: key, Version: "1", State: actions.StateShadow}
}

func shadowEntry(id string) actions.Entry {
	return actions.Entry{Case: id, Kind: actions.KindShadow, Tenant: "t", Outcome: actions.OutcomeShadow}
}

// testItem is an item of about 2 KB that can be told by its resource.
func testItem(resource string) webhook.Item {
	return webhook.Item{
		Received:       time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		SubscriptionID: "sub", TenantID: "tenant", AppID: "app", ChangeType: "created",
		Resource: resource,
		Encrypted: &webhook.EncryptedContent{
			Data: string(make64(1400)), DataKey: string(make64(344)), DataSignature: string(make64(44)),
			CertificateID: "cert-1", CertificateThumbprint: "AB12",
		},
	}
}

// make64 is n letters.
func make64(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = 'A' + byte(i*7%26)
	}
	return b
}

// testOptions open a store without a mark on the disk and without a pruner.
func testOptions(dir string) Options {
	return Options{Dir: dir, MinFree: -1, PruneEvery: -1}
}

// openTest opens a store that is closed when the test ends.
func openTest(t testing.TB, o Options) *Store {
	t.Helper()
	s, err := Open(context.Background(), o)
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

// reopen closes s and opens its directory again.
func reopen(t testing.TB, s *Store) *Store {
	t.Helper()
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	return openTest(t, s.opts)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// wantErr fails unless err is every one of want.
func wantErr(t testing.TB, doing string, err error, want ...error) {
	t.Helper()
	for _, w := range want {
		if !errors.Is(err, w) {
			t.Errorf("%s: got error %v, want %v", doing, err, w)
		}
	}
}

// commits records what the writer did.
type commits struct {
	mu      sync.Mutex
	list    []Commit
	refused []string
}

func (c *commits) Committed(x Commit) { c.mu.Lock(); c.list = append(c.list, x); c.mu.Unlock() }
func (c *commits) Refused(why string) { c.mu.Lock(); c.refused = append(c.refused, why); c.mu.Unlock() }

func (c *commits) sizes() []int {
	c.mu.Lock()
	defer c.mu.Unlock()
	var ops []int
	for _, x := range c.list {
		ops = append(ops, x.Ops)
	}
	return ops
}

// integrity fails unless SQLite finds the file whole.
func integrity(t testing.TB, r *Reader) {
	t.Helper()
	var said string
	must(t, r.db.QueryRow("PRAGMA integrity_check").Scan(&said))
	if said != "ok" {
		t.Errorf("integrity_check: %s", said)
	}
}
