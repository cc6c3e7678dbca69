//go:build bench

package bench

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/cmd/internal/redis"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/policy"
	"teamsdlp/test/redistest"
	"teamsdlp/webhook"
)

// The figures of several nodes, against a real redis-server with the settings that
// the product asks for.

func openShared(t testing.TB, o redis.Options) *redis.Store {
	t.Helper()
	o.Dir, o.ReadModel = t.TempDir(), sqlite.Options{MinFree: -1, PruneEvery: -1}
	s, err := redis.Open(context.Background(), o)
	must(t, err)
	t.Cleanup(func() { _ = s.Close() })
	return s
}

func redisEnqueue(b *bench) {
	for _, kb := range []int{1, 8} {
		srv := redistest.Start(b)
		redisEnqueueOn(b, srv, redistest.NewBare(srv.Addr), kb, "Redis, appendfsync always", "pipelined XADD", .75)
	}
	if _, err := exec.LookPath("valkey-server"); err != nil {
		b.Log("B7 with WAITAOF is not measured: valkey-server is not here")
		return
	}
	for _, kb := range []int{1, 8} {
		srv := redistest.StartValkey(b)
		redisEnqueueOn(b, srv, redistest.NewBareSynced(srv.Addr), kb, "Valkey, appendfsync everysec and WAITAOF", "pipelined XADD and WAITAOF", .9)
	}
}

func redisEnqueueOn(b *bench, srv *redistest.Server, bare *redistest.Bare, kb int, what, limit string, want float64) {
	s := openShared(b, redis.Options{Addrs: []string{srv.Addr}})
	i := item(kb << 10)
	data, err := json.Marshal(i)
	must(b, err)
	base := func() float64 {
		defer func() { must(b, bare.Empty()) }()
		return rate(producers, func(int) bool { return bare.Put(data) == nil })
	}
	n := 0
	var mu sync.Mutex
	ours := func() float64 {
		return rate(producers, func(int) bool {
			mu.Lock()
			n++
			one := i
			one.Resource = fmt.Sprintf("chats('19:%d@thread.v2')/messages('%d')", n%300, n)
			mu.Unlock()
			return s.Put(context.Background(), []webhook.Item{one}) == nil
		})
	}
	b.add("B7", fmt.Sprintf("enqueue on %s, %d producers, %d KB / %s", what, producers, kb, limit), interleaved(base, ours), want, false)
	must(b, s.Close())
	must(b, bare.Close())
	srv.Kill()
}

// What B8 gives each node to do: so many items at once, each of which waits for Graph
// that long. That is what holds a node back here; no other limit is near. Each message
// is in a conversation of its own: with few, one node is dealt more of them by chance.
const (
	nodeInFlight = 8
	graphTakes   = 100 * time.Millisecond
	nodeMessages = 320
)

// The rate is that of the messages between these shares of a window's: at its
// beginning all of them are claimed at once, and at its end one node has none left.
const (
	rateFrom = nodeMessages / 10
	rateTo   = nodeMessages - nodeMessages/6
)

// slowGraph takes its time, and says what it was asked to do.
type slowGraph struct {
	graph
	told func(string)
}

func (g slowGraph) Patch(ctx context.Context, o actions.Order) (actions.Call, error) {
	g.told(o.Target().Key())
	select {
	case <-time.After(graphTakes):
		return actions.Call{Status: 200}, nil
	case <-ctx.Done():
		return actions.Call{}, ctx.Err()
	}
}

// teller says of each message that what became of it is on record.
type teller struct {
	unobserved
	told func()
}

func (t teller) Acted(string, actions.Exposure) { t.told() }

// TestNode is one node, a process that nodes starts: it does what it is told on
// standard input, a line a command, and answers with a line.
func TestNode(t *testing.T) {
	addr := os.Getenv("BENCH_NODE")
	if addr == "" {
		t.Skip("it is run by B8")
	}
	k := loadKeys(t, os.Getenv("BENCH_KEYS"))
	set := rules(t)
	epoch, err := actions.NewKeys("bench")
	must(t, err)
	s := openShared(t, redis.Options{Addrs: []string{addr}, Prefix: os.Getenv("BENCH_PREFIX")})
	var out sync.Mutex
	say := func(format string, args ...any) {
		out.Lock()
		defer out.Unlock()
		fmt.Printf(format+"\n", args...)
	}
	stop := func() {}
	in := bufio.NewScanner(os.Stdin)
	say("ready")
	for in.Scan() {
		var n, from int
		switch line := in.Text(); {
		case strings.HasPrefix(line, "hold "): // wait for that many partitions
			_, _ = fmt.Sscanf(line, "hold %d", &n)
			for s.Holds() != n {
				time.Sleep(20 * time.Millisecond)
			}
			say("holds")
		case strings.HasPrefix(line, "fill "):
			_, _ = fmt.Sscanf(line, "fill %d %d", &from, &n)
			var list []webhook.Item
			for i := range n {
				list = append(list, k.message(t, from+i, 1<<30, true))
			}
			must(t, s.Put(context.Background(), list))
			say("filled")
		case line == "go":
			p := pipeline.New(pipeline.Config{
				Inbox: s, Ledger: s, Log: s, Held: s.Held, HeldKey: s.HeldKey, Opener: k.ring, Verifier: provenAll{},
				Graph:     func(string) pipeline.Graph { return slowGraph{told: func(what string) { say("patch %s", what) }} },
				Rules:     func() *policy.Set { return set },
				Lifecycle: func(context.Context, string, string) error { return nil },
				Keys:      epoch, CanEnforce: true, InFlight: nodeInFlight, Observer: teller{told: func() { say("acted") }},
			})
			ctx, cancel := context.WithCancel(context.Background())
			ended := make(chan error, 1)
			go func() { ended <- p.Run(ctx) }()
			stop = func() { cancel(); must(t, <-ended) }
		case line == "depth":
			d, err := s.Depth(context.Background())
			must(t, err)
			say("depth %d", d.Items)
		case line == "stop":
			stop()
			say("stopped")
		}
	}
}

// node is such a process.
type node struct {
	t     testing.TB
	in    io.Writer
	lines chan string
	told  func(patched string)
	acted chan struct{}
}

func startNode(t testing.TB, env []string, told func(string), acted chan struct{}) *node {
	t.Helper()
	exe, err := os.Executable()
	must(t, err)
	cmd := exec.Command(exe, "-test.run=^TestNode$", "-test.timeout=30m")
	cmd.Env = append(append(os.Environ(), "GOMAXPROCS=1"), env...)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	must(t, err)
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	t.Cleanup(func() { _ = in.Close(); _ = cmd.Process.Kill(); _ = cmd.Wait() })
	n := &node{t, in, make(chan string, 16), told, acted}
	go func() {
		defer close(n.lines)
		for sc := bufio.NewScanner(out); sc.Scan(); {
			if what, ok := strings.CutPrefix(sc.Text(), "patch "); ok {
				n.told(what)
				continue
			}
			if sc.Text() == "acted" {
				n.acted <- struct{}{}
				continue
			}
			n.lines <- sc.Text()
		}
	}()
	n.hear("ready")
	return n
}

func (n *node) ask(line string) {
	_, err := fmt.Fprintln(n.in, line)
	must(n.t, err)
}

func (n *node) hear(prefix string) string {
	n.t.Helper()
	select {
	case line, ok := <-n.lines:
		if rest, found := strings.CutPrefix(line, prefix); ok && found {
			return strings.TrimSpace(rest)
		}
		for more := range n.lines {
			line += "\n" + more
		}
		n.t.Fatalf("the node said %q; want %q", line, prefix)
	case <-time.After(2 * time.Minute):
		n.t.Fatalf("the node did not say %q", prefix)
	}
	return ""
}

// nodes compares two nodes with one, on one Redis: an installation of each, and each
// works alone in its window.
func nodes(b *bench) {
	srv := redistest.Start(b)
	k := newKeys(b, 2048)
	var mu sync.Mutex
	patched := map[string]int{}
	told := func(what string) { mu.Lock(); defer mu.Unlock(); patched[what]++ }
	acted := make(chan struct{}, nodeMessages)
	installation := func(prefix string, n int) []*node {
		var list []*node
		for range n {
			list = append(list, startNode(b, []string{"BENCH_NODE=" + srv.Addr, "BENCH_KEYS=" + k.dir, "BENCH_PREFIX=" + prefix}, told, acted))
		}
		for _, x := range list {
			x.ask(fmt.Sprint("hold ", 16/n))
			x.hear("holds")
		}
		return list
	}
	sent := 0
	worked := func(list []*node) float64 {
		list[0].ask(fmt.Sprint("fill ", sent, nodeMessages))
		list[0].hear("filled")
		sent += nodeMessages
		for _, n := range list {
			n.ask("go")
		}
		var from, to time.Time
		for i := range nodeMessages {
			select {
			case <-acted:
			case <-time.After(2 * time.Minute):
				b.Fatalf("%d of %d messages were acted on", i, nodeMessages)
			}
			switch i + 1 {
			case rateFrom:
				from = time.Now()
			case rateTo:
				to = time.Now()
			}
		}
		for _, n := range list {
			n.ask("stop")
			n.hear("stopped")
		}
		list[0].ask("depth")
		if left := list[0].hear("depth"); left != "0" {
			b.Fatalf("%s items are left", left)
		}
		return (rateTo - rateFrom) / to.Sub(from).Seconds()
	}
	one, two := installation("one", 1), installation("two", 2)
	b.add("B8", fmt.Sprintf("two nodes / one, GOMAXPROCS=1 each, Graph answers in %v, %d items at once a node, while both have some", graphTakes, nodeInFlight),
		interleaved(func() float64 { return worked(one) }, func() float64 { return worked(two) }), 1.8, false)
	double := 0
	for _, n := range patched {
		if n > 1 {
			double++
		}
	}
	if len(patched) != sent {
		b.Errorf("%d messages were acted on; want %d", len(patched), sent)
	}
	b.add("B8", fmt.Sprintf("of %d effects, those carried out twice", sent), []float64{float64(double)}, 0, true)
}
