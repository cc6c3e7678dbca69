package redis

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/storetest"
	"teamsdlp/test/redistest"
	"teamsdlp/webhook"
)

// Settings under which Redis loses what it confirmed are refused, with the mend.
func TestUnsafeSettingsAreRefused(t *testing.T) {
	srv := redistest.Start(t)
	for _, c := range []struct{ name, value, mend string }{
		{"maxmemory-policy", "allkeys-lru", "CONFIG SET maxmemory-policy noeviction"},
		{"maxmemory-policy", "volatile-ttl", "CONFIG SET maxmemory-policy noeviction"},
		{"appendonly", "no", "CONFIG SET appendonly yes"},
		{"appendfsync", "everysec", "CONFIG SET appendfsync always"}, // 7.0 has no WAITAOF
		{"appendfsync", "no", "CONFIG SET appendfsync always"},
		{"no-appendfsync-on-rewrite", "yes", "CONFIG SET no-appendfsync-on-rewrite no"},
	} {
		t.Run(c.name+" "+c.value, func(t *testing.T) {
			srv.Set(c.name, c.value)
			defer func() {
				for i := 0; i < len(redistest.Safe); i += 2 {
					srv.Set(strings.TrimPrefix(redistest.Safe[i], "--"), redistest.Safe[i+1])
				}
				srv.Set("no-appendfsync-on-rewrite", "no")
			}()
			refuse(t, testOptions(t, srv), c.mend)
		})
	}
	must(t, openTest(t, testOptions(t, srv)).Close())
}

// Where CONFIG GET is refused somebody must vouch for the settings, but not against what
// the server says of its memory.
func TestConfigGetForbidden(t *testing.T) {
	locked := append([]string{"--rename-command", "CONFIG", "", "--maxmemory", "100mb"}, redistest.Safe...)
	srv := redistest.Start(t, locked...)
	o := testOptions(t, srv)
	refuse(t, o, "assert_durable: true")
	o.Durable = true
	s := owner(t, o)
	must(t, s.Put(t.Context(), messages(3)))
	if want := int64(100<<20) / 10 * 6; s.opts.MaxBytes != want {
		t.Errorf("%d bytes are taken at most; want %d", s.opts.MaxBytes, want)
	}
	o = testOptions(t, redistest.Start(t, append(locked, "--maxmemory-policy", "allkeys-lru")...))
	o.Durable = true
	refuse(t, o, "maxmemory-policy is allkeys-lru")
}

func TestNobodyThere(t *testing.T) {
	o := Options{Addrs: []string{redistest.FreeAddr(t)}, Dir: t.TempDir(), Timeout: 300 * time.Millisecond}
	refuse(t, o, "asking for its version")
	for _, bad := range []struct {
		o    Options
		want string
	}{
		{Options{}, "no address"},
		{Options{Addrs: []string{"a:1", "b:1"}}, "name the mode"},
		{Options{Addrs: []string{"a:1"}, Mode: Sentinel}, "the name of the master"},
		{Options{Addrs: []string{"a:1"}, Mode: Cluster, DB: 1}, "only database 0"},
		{Options{Addrs: []string{"a:1"}, Mode: "x"}, "there is no mode"},
		{Options{Addrs: []string{"a:1"}, Prefix: "{a}"}, "brace"},
		{Options{Addrs: []string{"a:1"}, Partitions: -1}, "from 1 to 256"},
	} {
		refuse(t, bad.o, bad.want)
	}
}

// What is wrong with a first contact is said with what to change.
func TestMended(t *testing.T) {
	t.Parallel()
	plain := redistest.Start(t)
	locked := redistest.StartLocked(t, t.TempDir(), append([]string{"--requirepass", "right"}, redistest.Safe...)...)
	replica := redistest.Start(t, append([]string{"--replicaof", "127.0.0.1 " + plain.Port()}, redistest.Safe...)...)
	slots := startCluster(t, 1)[0]
	for user, rights := range map[string][]string{"nokeys": {"~other:*", "&*"}, "nochannels": {"~*", "resetchannels"}} {
		args := append([]string{"ACL", "SETUSER", user, "on", ">x", "+@all"}, rights...)
		if said, err := plain.Do(args...); err != nil || said != "+OK" {
			t.Fatalf("%v: %s %v", args, said, err)
		}
	}
	for _, c := range []struct {
		name, addr string
		change     func(*Options)
		want       string
	}{
		{"no password", locked.Addr, func(*Options) {}, "set password"},
		{"wrong password", locked.Addr, func(o *Options) { o.Password = "wrong" }, "does not know this username with this password"},
		{"keys", plain.Addr, func(o *Options) { o.Username, o.Password = "nokeys", "x" }, "ACL SETUSER nokeys ~t"},
		{"channels", plain.Addr, func(o *Options) { o.Username, o.Password = "nochannels", "x" }, "ACL SETUSER nochannels ~t"},
		{"TLS", plain.Addr, func(o *Options) { o.TLS, o.Timeout = &tls.Config{MinVersion: tls.VersionTLS12}, 200*time.Millisecond }, "does it speak TLS"},
		{"no sentinel", plain.Addr, func(o *Options) { o.Mode, o.Master = Sentinel, "m" }, "set mode: single"},
		{"no cluster", plain.Addr, func(o *Options) { o.Mode = Cluster }, "set mode: single"},
		{"a cluster", slots.Addr, func(*Options) {}, "set mode: cluster"},
		{"a replica", replica.Addr, func(*Options) {}, "replica of 127.0.0.1:" + plain.Port()},
		{"no replicas", plain.Addr, func(o *Options) { o.Replicas, o.Timeout = 2, 300*time.Millisecond }, "too few replicas"},
	} {
		o := testOptions(t, plain)
		o.Addrs = []string{c.addr}
		c.change(&o)
		t.Run(c.name, func(t *testing.T) { refuse(t, o, c.want) })
	}
}

// Settings that become unsafe while it runs close the inbox, until they are safe
// again.
func TestSettingsChangedWhileRunning(t *testing.T) {
	srv := redistest.Start(t)
	s := owner(t, testOptions(t, srv))
	must(t, s.Put(t.Context(), messages(1)))
	srv.Set("maxmemory-policy", "allkeys-lru")
	s.check(t.Context())
	for name, err := range map[string]error{"Put": s.Put(t.Context(), messages(2)), "Ready": s.Ready()} {
		if !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "noeviction") {
			t.Errorf("%s: %v", name, err)
		}
	}
	srv.Set("maxmemory-policy", "noeviction")
	s.check(t.Context())
	must(t, s.Ready())
	must(t, s.Put(t.Context(), messages(2)))
}

// Redis without memory: items are refused, what is there is worked off in every way,
// for longer than a lease lasts and by a node that is started then, and nothing is half
// written.
func TestMemoryFull(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	o := testOptions(t, srv)
	s := owner(t, o)
	ctx := t.Context()
	must(t, s.Put(ctx, messages(5)))
	claimAll(t, s, 5)
	srv.Set("maxmemory", "1mb") // less than it has
	refused := func() bool {
		err := s.Put(ctx, []webhook.Item{storetest.Item("new", 1)})
		if err == nil {
			t.Fatal("an item was taken")
		}
		return errors.Is(err, webhook.ErrFull)
	}
	waitFor(t, "an item to be refused", refused)
	full := s.beaten.Load()
	waitFor(t, "a lease's time to pass", func() bool { return time.Duration(s.beaten.Load()-full) > 2*o.Lease })
	must(t, s.Close())
	o.Lease = time.Minute // none is lost while what is claimed is worked off
	s = owner(t, o)
	items := claimAll(t, s, 5)
	for i, item := range items {
		switch i {
		case 0:
			must(t, s.Quarantine(ctx, item.Receipt, "set aside"))
			continue
		case 1:
			must(t, s.Defer(ctx, item.Receipt, time.Now(), "again"))
			items[i] = claimAll(t, s, 1)[0]
		}
		e := actions.Effect{MessageKey: laneOfItem(item) + "/messages/1", Version: "1", State: actions.StateApplied}
		must(t, s.Decide(ctx, e, actions.Standing{Case: "c"}, actions.Entry{Kind: actions.KindIntent}))
		must(t, s.Finish(ctx, e, actions.Standing{Case: "c"}, item.Receipt, actions.Entry{Kind: actions.KindResult}))
	}
	waitFor(t, "the log to be whole", func() bool {
		n, err := s.model.LogSize(ctx)
		st, err2 := s.LogState(ctx)
		return err == nil && err2 == nil && n == 8 && st.Unsealed == 0
	})
	waitFor(t, "an item to be refused", refused)
	srv.Set("maxmemory", "0")
	waitFor(t, "items to be taken again", func() bool { return s.Put(ctx, []webhook.Item{storetest.Item("new", 2)}) == nil })
	d, err := s.Depth(ctx)
	must(t, err)
	if d.Items != 1 || d.Quarantined != 1 {
		t.Errorf("%d items are left and %d set aside, want 1 and 1", d.Items, d.Quarantined)
	}
}

// A frozen Redis makes Put fail within its time, and while it stays so at once.
func TestFrozen(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	s := owner(t, testOptions(t, srv))
	must(t, s.Put(t.Context(), messages(1)))
	srv.Freeze()
	defer srv.Thaw()
	var wg sync.WaitGroup
	for i := range 100 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
			defer cancel()
			begun := time.Now()
			err := s.Put(ctx, []webhook.Item{storetest.Item(fmt.Sprint("f", i), 1)})
			if err == nil {
				t.Error("an item was stored in a frozen Redis")
			}
			if took := time.Since(begun); took > 2200*time.Millisecond {
				t.Errorf("Put answered after %s", took)
			}
		})
	}
	wg.Wait()
	waitFor(t, "the node not to be ready", func() bool { return s.Ready() != nil })
	waitFor(t, "the leases to be given up", func() bool { return s.Holds() == 0 && !s.Leads() })
	waitFor(t, "the node to know that it does not know the others", func() bool { return s.Fresh() != nil })
	srv.Thaw()
	waitFor(t, "the node to be back", func() bool { return s.Ready() == nil && s.Holds() == 4 && s.Leads() })
	must(t, s.Put(t.Context(), []webhook.Item{storetest.Item("after", 1)}))
}

// Redis killed again and again under writers: what was answered is there, once.
func TestKilledRedisLosesNothing(t *testing.T) {
	t.Parallel()
	t.Run("appendfsync always", func(t *testing.T) {
		t.Parallel()
		killedLosesNothing(t, redistest.Start(t))
	})
	t.Run("everysec with WAITAOF", func(t *testing.T) {
		t.Parallel()
		killedLosesNothing(t, redistest.StartValkey(t))
	})
}

func killedLosesNothing(t *testing.T, srv *redistest.Server) {
	t.Helper()
	o := testOptions(t, srv)
	o.Timeout = 500 * time.Millisecond
	s := owner(t, o)
	ctx, cancel := context.WithCancel(t.Context())
	var (
		mu    sync.Mutex
		acked = map[string]bool{}
		wg    sync.WaitGroup
	)
	for w := range 16 {
		wg.Go(func() {
			for i := 0; ctx.Err() == nil; i++ {
				item := storetest.Item(fmt.Sprintf("w%d", w), i)
				if s.Put(ctx, []webhook.Item{item}) == nil {
					mu.Lock()
					acked[item.Resource] = true
					mu.Unlock()
				}
			}
		})
	}
	count := func() int { mu.Lock(); defer mu.Unlock(); return len(acked) }
	for range 6 {
		before := count()
		waitFor(t, "writers to go on", func() bool { return count() > before+200 })
		srv.Kill()
		srv.Up()
	}
	cancel()
	wg.Wait()
	waitFor(t, "the node to be back", func() bool { return s.Ready() == nil && s.Holds() == 4 })
	client := patient(t, o) // the queue is long
	stored := map[string]int{}
	for p := range o.Partitions {
		list, err := client.XRange(t.Context(), s.keys.queue(p), "-", "+").Result()
		must(t, err)
		for _, m := range list {
			body := text(m.Values["b"])
			at := strings.Index(body, `"resource":"`) + len(`"resource":"`)
			stored[body[at:at+strings.IndexByte(body[at:], '"')]]++
		}
	}
	for r := range acked {
		if n := stored[strings.ReplaceAll(r, "'", `'`)]; n != 1 {
			t.Errorf("%s was answered and is there %d times", r, n)
		}
	}
	for r, n := range stored {
		if n != 1 {
			t.Errorf("%s is there %d times", r, n)
		}
	}
	t.Logf("%d answered, %d stored", len(acked), len(stored))
}

// With its disk full, Redis ends itself; the node refuses and recovers.
func TestRedisEndsAndComesBack(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	o := testOptions(t, srv)
	o.Timeout = 500 * time.Millisecond
	s := owner(t, o)
	must(t, s.Put(t.Context(), messages(3)))
	srv.Kill()
	if err := s.Put(t.Context(), messages(4)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Put without Redis: %v", err)
	}
	if err := s.Put(t.Context(), messages(4)); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Put while the breaker is open: %v", err)
	}
	if _, _, err := s.Begin(t.Context(), keyOf(1), "1"); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Begin without Redis: %v", err)
	}
	if err := s.Append(t.Context(), actions.Entry{Kind: actions.KindGap}); !errors.Is(err, ErrUnavailable) {
		t.Errorf("Append without Redis: %v", err)
	}
	srv.Up()
	waitFor(t, "the node to be back", func() bool { return s.Ready() == nil && s.Holds() == 4 })
	if got := claimAll(t, s, 3); len(got) != 3 {
		t.Errorf("claimed %d", len(got))
	}
}

// ---- a server that answers as it is told ----

// scripted speaks RESP in front of a real server: it passes on what it does not
// answer itself.
type scripted struct {
	addr, server string
	mu           sync.Mutex
	say          map[string]func(args []string) string // by command, lower case: a whole answer
	seen         map[string]int
}

// breaks is what is said for the connection to break once the server has carried the
// command out, and before its answer comes.
const breaks = "the connection breaks"

// alone has a scripted server say that it is a whole cluster.
func (s *scripted) alone() func([]string) string {
	host, port, _ := net.SplitHostPort(s.addr)
	return func([]string) string {
		return "*1\r\n*3\r\n:0\r\n:16383\r\n*3\r\n" + bulk(host) + ":" + port + "\r\n" + bulk(s.addr)
	}
}

func newScripted(t *testing.T, server string) *scripted {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { _ = ln.Close() })
	s := &scripted{addr: ln.Addr().String(), server: server, say: map[string]func([]string) string{}, seen: map[string]int{}}
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go s.serve(c, server)
		}
	}()
	return s
}

func (s *scripted) on(command string, say func(args []string) string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.say[command] = say
}

func (s *scripted) times(command string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen[command]
}

func (s *scripted) serve(c net.Conn, server string) {
	defer c.Close()
	up, err := net.Dial("tcp", server)
	if err != nil {
		return
	}
	defer up.Close()
	in, out := bufio.NewReader(c), bufio.NewReader(up)
	for {
		args, raw, err := readCommand(in)
		if err != nil {
			return
		}
		name := strings.ToLower(args[0])
		s.mu.Lock()
		s.seen[name]++
		say := s.say[name]
		s.mu.Unlock()
		answer := ""
		if say != nil {
			answer = say(args)
		}
		lost := answer == breaks
		if answer == "" || lost {
			if _, err := io.WriteString(up, raw); err != nil {
				return
			}
			if answer, err = readAnswer(out); err != nil || lost {
				return
			}
		}
		if _, err := io.WriteString(c, answer); err != nil {
			return
		}
	}
}

func readCommand(r *bufio.Reader) (args []string, raw string, err error) {
	line, err := r.ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "*") {
		return nil, "", errors.Join(err, errors.New("not a command"))
	}
	raw = line
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	for range n {
		head, err := r.ReadString('\n')
		if err != nil {
			return nil, "", err
		}
		size, _ := strconv.Atoi(strings.TrimSpace(head[1:]))
		body := make([]byte, size+2)
		if _, err := io.ReadFull(r, body); err != nil {
			return nil, "", err
		}
		raw += head + string(body)
		args = append(args, string(body[:size]))
	}
	return args, raw, nil
}

// readAnswer reads one answer whole, of RESP 2 or 3.
func readAnswer(r *bufio.Reader) (string, error) {
	line, err := r.ReadString('\n')
	if err != nil {
		return "", err
	}
	n, _ := strconv.Atoi(strings.TrimSpace(line[1:]))
	switch line[0] {
	case '$', '=', '!':
		if n < 0 {
			return line, nil
		}
		body := make([]byte, n+2)
		_, err := io.ReadFull(r, body)
		return line + string(body), err
	case '%':
		n *= 2
		fallthrough
	case '*', '~', '>':
		for range n {
			part, err := readAnswer(r)
			if err != nil {
				return "", err
			}
			line += part
		}
	}
	return line, nil
}

func bulk(text string) string { return fmt.Sprintf("$%d\r\n%s\r\n", len(text), text) }

func TestVersions(t *testing.T) {
	srv := redistest.Start(t)
	for _, c := range []struct{ info, want string }{
		{"redis_version:6.2.14\r\n", `it is Redis "6.2.14": 7.0 or later is needed`},
		{"redis_version:5.0.7\r\n", "7.0 or later"},
		{"redis_version:rubbish\r\n", "7.0 or later"},
		{"", "7.0 or later"},
		{"redis_version:7.0.0\r\n", ""},
		{"redis_version:8.2.1\r\n", ""},
		{"redis_version:7.2.4\r\nserver_name:valkey\r\nvalkey_version:8.1.0\r\n", ""},
		{"redis_version:7.2.4\r\nvalkey_version:6.0.0\r\n", `it is Valkey "6.0.0"`},
	} {
		t.Run(c.info, func(t *testing.T) {
			fake := newScripted(t, srv.Addr)
			fake.on("info", func(args []string) string {
				if len(args) == 1 {
					return bulk("# Server\r\n" + c.info)
				}
				return ""
			})
			o := testOptions(t, srv)
			o.Addrs = []string{fake.addr}
			if c.want != "" {
				refuse(t, o, c.want)
				return
			}
			s := openTest(t, o)
			if strings.Contains(c.info, "valkey") != strings.HasPrefix(s.Describe(), "Valkey") {
				t.Errorf("it says that it is %s", s.Describe())
			}
		})
	}
}

// withWaitAOF is a scripted server with the command WAITAOF, at everysec.
func withWaitAOF(t *testing.T, answer func() string) (*scripted, Options) {
	srv := redistest.Start(t)
	srv.Set("appendfsync", "everysec")
	fake := newScripted(t, srv.Addr)
	fake.on("command", func([]string) string {
		return "*1\r\n*6\r\n" + bulk("waitaof") + ":4\r\n*1\r\n+blocking\r\n:0\r\n:0\r\n:0\r\n"
	})
	fake.on("waitaof", func([]string) string { return answer() })
	o := testOptions(t, srv)
	o.Addrs = []string{fake.addr}
	return fake, o
}

// With everysec every write is followed by WAITAOF, and a count that is short is
// no confirmation.
func TestWaitAOF(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	answer := "*2\r\n:1\r\n:0\r\n"
	set := func(a string) { mu.Lock(); answer = a; mu.Unlock() }
	fake, o := withWaitAOF(t, func() string { mu.Lock(); defer mu.Unlock(); return answer })
	s := owner(t, o)
	ctx := t.Context()
	if !strings.Contains(s.Describe(), "WAITAOF") {
		t.Errorf("it says that it is %s", s.Describe())
	}
	before := fake.times("waitaof")
	must(t, s.Put(ctx, messages(1)))
	must(t, s.Decide(ctx, actions.Effect{MessageKey: keyOf(0), Version: "1"}, actions.Standing{}))
	if n := fake.times("waitaof") - before; n < 2 {
		t.Errorf("%d confirmations of 2 writes", n)
	}
	for i, short := range []string{"*2\r\n:0\r\n:0\r\n", "*2\r\n:0\r\n:1\r\n", "*0\r\n", ":1\r\n", "+OK\r\n", "-ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.\r\n"} {
		set(short)
		<-time.After(breakFor) // the breaker of the one before
		if err := s.Put(ctx, []webhook.Item{storetest.Item("s", i)}); !errors.Is(err, ErrUnavailable) {
			t.Errorf("Put after the answer %q: %v", short, err)
		}
		if err := s.Decide(ctx, actions.Effect{MessageKey: keyOf(0), Version: fmt.Sprint("s", i)}, actions.Standing{}); err == nil {
			t.Errorf("Decide after the answer %q was taken as written", short)
		}
	}
	set("*2\r\n:1\r\n:0\r\n")
	waitFor(t, "the node to be back", func() bool { return s.Ready() == nil && s.Holds() == 4 })
	must(t, s.Put(ctx, messages(1)))
}

// A node copies nothing of the log that is not confirmed: it could be lost, and numbered
// otherwise then. What is confirmed it copies though Redis has no memory left.
func TestUnconfirmedIsNotCopied(t *testing.T) {
	t.Parallel()
	var synced atomic.Bool
	synced.Store(true)
	_, o := withWaitAOF(t, func() string {
		if synced.Load() {
			return "*2\r\n:1\r\n:0\r\n"
		}
		return "*2\r\n:0\r\n:0\r\n"
	})
	o.Lease = time.Minute // nothing is lost meanwhile
	s := owner(t, o)
	ctx := t.Context()
	synced.Store(false)
	if err := s.Append(ctx, actions.Entry{Kind: actions.KindGap}); !errors.Is(err, ErrUnavailable) {
		t.Fatalf("Append: %v", err)
	}
	waitFor(t, "it to be numbered", func() bool {
		h, err := s.readHead(ctx)
		return err == nil && h.size == 1
	})
	if err := s.tail(ctx); !errors.Is(err, ErrUnavailable) {
		t.Errorf("copying it: %v", err)
	}
	if n, err := s.model.LogSize(ctx); err != nil || n != 0 {
		t.Errorf("%d entries are copied: %v", n, err)
	}
	synced.Store(true)
	waitFor(t, "it to be copied", func() bool { n, err := s.model.LogSize(ctx); return err == nil && n == 1 })
	must(t, s.rdb.ConfigSet(ctx, "maxmemory", "1mb").Err()) // less than it has
	waitFor(t, "another to be appended", func() bool { return s.Append(ctx, actions.Entry{Kind: actions.KindGap}) == nil })
	waitFor(t, "it to be copied", func() bool { n, err := s.model.LogSize(ctx); return err == nil && n > 1 })
}

// Where both are asked for, the sync and the replicas, each must confirm.
func TestReplicasConfirm(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	answer := ":1\r\n"
	fake, o := withWaitAOF(t, func() string { return "*2\r\n:1\r\n:0\r\n" })
	fake.on("wait", func([]string) string { mu.Lock(); defer mu.Unlock(); return answer })
	o.Replicas = 1
	s := owner(t, o)
	must(t, s.Put(t.Context(), messages(1)))
	mu.Lock()
	answer = ":0\r\n"
	mu.Unlock()
	if err := s.Put(t.Context(), messages(2)); !errors.Is(err, ErrUnavailable) || !strings.Contains(err.Error(), "by 1 replicas") {
		t.Errorf("Put without the replica: %v", err)
	}
	mu.Lock()
	answer = ":1\r\n"
	mu.Unlock()
}

// Without WAITAOF, replicas confirm by WAIT: on a real server that has none.
func TestWaitWithoutReplica(t *testing.T) {
	t.Parallel()
	srv := redistest.Start(t)
	o := testOptions(t, srv)
	o.Replicas, o.Timeout = 1, time.Second
	refuse(t, o, "not confirmed by 1 replicas")
	replica := redistest.Start(t, append([]string{"--replicaof", "127.0.0.1 " + srv.Port()}, redistest.Safe...)...)
	waitFor(t, "the replica", func() bool {
		said, err := replica.Do("GET", "x")
		return err == nil && said == "$-1" && srv.Int("WAIT", "1", "100") == 1
	})
	o.Timeout = 10 * time.Second // of which a third is for the replica: it syncs as well
	s := owner(t, o)
	must(t, s.Put(t.Context(), messages(3)))
}

// On a real server that has WAITAOF: a replica confirms as soon as it has the write,
// not when it next tells what it has synced, once a second. Leases that are asked for
// one after the other would end before they are there.
func TestValkeyReplica(t *testing.T) {
	t.Parallel()
	srv := redistest.StartValkey(t)
	redistest.StartValkey(t, append([]string{"--replicaof", "127.0.0.1 " + srv.Port()}, redistest.Everysec...)...)
	waitFor(t, "the replica", func() bool { return srv.Int("WAIT", "1", "100") == 1 })
	for _, fsync := range []string{"always", "everysec"} {
		srv.Set("appendfsync", fsync)
		o := testOptions(t, srv)
		o.Replicas, o.Timeout = 1, 10*time.Second
		s := owner(t, o)
		must(t, s.Put(t.Context(), messages(3)))
		must(t, s.Close())
	}
}

// Valkey names its mode by another word.
func TestValkeyMode(t *testing.T) {
	t.Parallel()
	srv := redistest.StartValkey(t, append([]string{"--cluster-enabled", "yes"}, redistest.Everysec...)...)
	refuse(t, testOptions(t, srv), "set mode: cluster")
}

// ---- Cluster and Sentinel, real ones ----

func startCluster(t *testing.T, n int) []*redistest.Server {
	t.Helper()
	var servers []*redistest.Server
	for range n {
		servers = append(servers, redistest.Start(t, append([]string{"--cluster-enabled", "yes", "--cluster-node-timeout", "2000"}, redistest.Safe...)...))
	}
	for i, s := range servers {
		first, last := 16384*i/n, 16384*(i+1)/n-1
		if said, err := s.Do("CLUSTER", "ADDSLOTSRANGE", strconv.Itoa(first), strconv.Itoa(last)); err != nil || said != "+OK" {
			t.Fatalf("ADDSLOTSRANGE: %s %v", said, err)
		}
		if i > 0 {
			if said, err := s.Do("CLUSTER", "MEET", "127.0.0.1", servers[0].Port()); err != nil || said != "+OK" {
				t.Fatalf("MEET: %s %v", said, err)
			}
		}
	}
	waitFor(t, "the cluster", func() bool {
		for _, s := range servers {
			if said, err := s.Do("GET", "x"); err != nil || strings.HasPrefix(said, "-CLUSTERDOWN") {
				return false
			}
			if !clusterKnows(s, n) {
				return false
			}
		}
		return true
	})
	return servers
}

func clusterKnows(s *redistest.Server, n int) bool {
	said, err := s.Do("CLUSTER", "SLOTS")
	return err == nil && said == fmt.Sprintf("*%d", n)
}

// A slot that has moved to another server is followed there by the call that learns
// of it: what was asked is not refused for that, nor done twice.
func TestClusterSlotMoved(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		what  string
		first func(ctx context.Context, s *Store) error // the call that learns of it
	}{
		{"an item", func(ctx context.Context, s *Store) error {
			return s.Put(ctx, []webhook.Item{storetest.Item("moved", 1), storetest.Item("moved too", 2), storetest.Item("and this", 3)})
		}},
		{"a script", func(ctx context.Context, s *Store) error {
			err := s.Decide(ctx, actions.Effect{MessageKey: keyOf(0), Version: "1"}, actions.Standing{})
			return errors.Join(err, s.Put(ctx, []webhook.Item{storetest.Item("moved", 1), storetest.Item("moved too", 2), storetest.Item("and this", 3)}))
		}},
	} {
		t.Run(c.what, func(t *testing.T) {
			t.Parallel()
			from, o := withWaitAOF(t, func() string { return "*2\r\n:1\r\n:0\r\n" })
			to := newScripted(t, from.server)
			to.say["command"], to.say["waitaof"] = from.say["command"], from.say["waitaof"]
			var away atomic.Bool // all slots have moved
			here, there := from.alone(), to.alone()
			slots := func(args []string) string {
				if away.Load() {
					return there(args)
				}
				return here(args)
			}
			from.on("cluster", slots)
			to.on("cluster", slots)
			elsewhere := "-MOVED 7 " + to.addr + "\r\n"
			for command, refusal := range map[string]string{
				"multi": "+OK\r\n", "exec": "-EXECABORT Transaction discarded because of previous errors.\r\n",
				"xadd": elsewhere, "hincrby": elsewhere, "evalsha": elsewhere, "eval": elsewhere,
			} {
				from.on(command, func([]string) string {
					if away.Load() {
						return refusal
					}
					return ""
				})
			}
			o.Mode, o.Lease = Cluster, time.Minute // nothing is renewed meanwhile
			s := owner(t, o)
			ctx := t.Context()
			must(t, s.Put(ctx, messages(3)))
			away.Store(true)
			must(t, c.first(ctx, s))
			if got := claimAll(t, s, 6); len(got) != 6 {
				t.Errorf("%d items are there, want 6", len(got))
			}
		})
	}
}

// What was asked of a cluster is not asked again by its client when the connection broke
// before the answer came: what a claim gave out would be lost with its first answer.
func TestClusterClaimIsLost(t *testing.T) {
	t.Parallel()
	srv := sharedServer(t)
	fake := newScripted(t, srv.Addr)
	fake.on("cluster", fake.alone())
	o := testOptions(t, srv)
	o.Mode, o.Addrs, o.Partitions = Cluster, []string{fake.addr}, 1
	s := owner(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, s.Put(ctx, messages(3)))
	got := claimAll(t, s, 3)
	var lose atomic.Value // the script whose next answer is lost
	lose.Store(claimScript.Hash())
	fake.on("evalsha", func(args []string) string {
		if lose.CompareAndSwap(args[1], "") {
			return breaks
		}
		return ""
	})
	must(t, s.Defer(ctx, got[0].Receipt, time.Now().Add(-time.Second), "again"))
	must(t, s.Put(ctx, []webhook.Item{storetest.Item("new", 1)}))
	for _, want := range []string{got[0].Resource, storetest.Item("new", 1).Resource} {
		again, err := s.Claim(ctx, 1)
		if err != nil || again[0].Resource != want {
			t.Fatalf("claimed %v, %v; want %s", again, err, want)
		}
	}
	lose.Store(ledScript.Hash())
	if err := s.Alive(ctx, "x", time.Now()); !errors.Is(err, ErrUnavailable) {
		t.Errorf("a write whose answer was lost: %v", err)
	}
}

func TestCluster(t *testing.T) {
	t.Parallel()
	servers := startCluster(t, 3)
	o := testOptions(t, servers[0])
	o.Mode, o.Addrs, o.Partitions = Cluster, []string{servers[0].Addr, servers[1].Addr}, 16
	a := owner(t, o)
	ctx := t.Context()
	must(t, a.Put(ctx, messages(100)))
	b := openTest(t, another(t, o, "b"))
	waitFor(t, "each to hold half", func() bool { return a.Holds() == 8 && b.Holds() == 8 })
	d, err := b.Depth(ctx)
	must(t, err)
	if d.Items != 100 {
		t.Errorf("%d items, want 100", d.Items)
	}
	done := 0
	waitFor(t, "all to be finished", func() bool {
		for _, s := range []*Store{a, b} {
			short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
			items, _ := s.Claim(short, 50) // nothing, where the time is over
			cancel()
			for _, i := range items {
				key := laneOfItem(i) + "/messages/1"
				entry := actions.Entry{Kind: actions.KindShadow, Case: key, Tenant: "t"}
				held, stop := s.Held(ctx, i.Receipt)
				must(t, s.Finish(held, actions.Effect{MessageKey: key, Version: "1", State: actions.StateShadow}, actions.Standing{Case: key}, i.Receipt, entry))
				stop()
				done++
			}
		}
		return done >= 100
	})
	appendN(t, b, 5)
	sameLog(t, 105, a, b)
	spread := 0
	for _, s := range servers {
		if s.Int("DBSIZE") > 0 {
			spread++
		}
	}
	if spread != 3 {
		t.Errorf("the keys are on %d of 3 servers", spread)
	}
	// An unsafe setting on one of them is seen.
	servers[2].Set("appendfsync", "everysec")
	refuse(t, another(t, o, "c"), servers[2].Addr)
	servers[2].Set("appendfsync", "always")
}

func TestSentinel(t *testing.T) {
	t.Parallel()
	master := redistest.Start(t)
	replica := redistest.Start(t, append([]string{"--replicaof", "127.0.0.1 " + master.Port()}, redistest.Safe...)...)
	dir := t.TempDir()
	conf := filepath.Join(dir, "sentinel.conf")
	must(t, os.WriteFile(conf, []byte(fmt.Sprintf("sentinel monitor dlp 127.0.0.1 %s 1\nsentinel down-after-milliseconds dlp 5000\nsentinel failover-timeout dlp 2000\n", master.Port())), 0o600))
	sentinel := redistest.StartSentinel(t, conf)
	waitFor(t, "the replica", func() bool { return master.Int("WAIT", "1", "100") == 1 })
	waitFor(t, "the sentinel to know the replica", func() bool {
		said, err := sentinel.Do("SENTINEL", "REPLICAS", "dlp")
		return err == nil && said == "*1"
	})
	o := testOptions(t, master)
	o.Mode, o.Addrs, o.Master = Sentinel, []string{sentinel.Addr}, "dlp"
	s := owner(t, o)
	must(t, s.Put(t.Context(), messages(10)))
	refuseMaster := another(t, o, "b")
	refuseMaster.Master, refuseMaster.Timeout = "nobody", 300*time.Millisecond
	refuse(t, refuseMaster, "asking for its version")
	// What comes last at the master comes last at the replica.
	if _, err := master.Do("SET", "last", "1"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, "the replica to have all", func() bool { return replica.Int("EXISTS", "last") == 1 })
	// The replica is promoted, and not before: a stall is no death. What both had is there.
	if said, err := replica.Do("ROLE"); err != nil || said != "*5" {
		t.Fatalf("the replica's role: %s, %v", said, err)
	}
	master.Kill()
	waitFor(t, "a fail-over", func() bool {
		said, err := replica.Do("ROLE")
		return err == nil && said == "*3" // a replica's has five parts
	})
	waitFor(t, "the node to be back", func() bool { return s.Put(t.Context(), []webhook.Item{storetest.Item("after", 1)}) == nil })
	if got := claimAll(t, s, 11); len(got) != 11 {
		t.Errorf("%d items survived, want 11", len(got))
	}
}
