package test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	goredis "github.com/redis/go-redis/v9"
	"go.yaml.in/yaml/v3"

	"teamsdlp/test/graphtwin"
	"teamsdlp/test/redistest"
	"teamsdlp/test/trial"
)

// patience is how long anything is waited for that should come at once. It is spent
// where a test fails, and so says nothing of how fast the machine has to be; under make
// chaos there is more of everything.
var patience = time.Duration(trial.Chaos(120, 600)) * time.Second

// ---- the binaries ----

// binary is what a user would build.
var binary string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "teamsdlp-e2e-")
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		defer os.RemoveAll(dir)
		binary = filepath.Join(dir, "teamsdlp")
		if err := build(binary); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func build(path string, flags ...string) error {
	args := append([]string{"build", "-o", path}, flags...)
	if out, err := exec.Command("go", append(args, "teamsdlp/cmd/teamsdlp")...).CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	return nil
}

var buildFaulty = sync.OnceValues(func() (string, error) {
	path := binary + "-faults"
	return path, build(path, "-tags", "faults")
})

// faulty is the binary that breaks a promise when it is told to.
func faulty(t *testing.T) string {
	t.Helper()
	path, err := buildFaulty()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// ---- processes ----

// stream is the output of a process; it may be read while it grows.
type stream struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (s *stream) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.Write(b)
}

func (s *stream) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.buf.String()
}

// proc is a running process of the product.
type proc struct {
	cmd            *exec.Cmd
	stdout, stderr stream
	done           chan struct{} // closed once it ended and its streams are read
	code           int           // of a process that ended; -1: by a signal
}

// start runs a binary until it ends or the test does. env is added to a bare
// environment.
func start(t *testing.T, path string, env []string, args ...string) *proc {
	t.Helper()
	return startTo(t, nil, path, env, args...)
}

// startTo is start with standard output elsewhere than in the process's own stream.
func startTo(t *testing.T, stdout io.Writer, path string, env []string, args ...string) *proc {
	t.Helper()
	p := &proc{cmd: exec.Command(path, args...), done: make(chan struct{})}
	p.cmd.Env = append([]string{"HOME=" + t.TempDir(), "PATH=" + os.Getenv("PATH"), "TMPDIR=" + os.TempDir()}, env...)
	if p.cmd.Stderr, p.cmd.Stdout = &p.stderr, stdout; stdout == nil {
		p.cmd.Stdout = &p.stdout
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(p.done)
		err := p.cmd.Wait()
		var exit *exec.ExitError
		switch {
		case errors.As(err, &exit):
			p.code = exit.ExitCode()
		case err != nil:
			p.code = -2
		}
	}()
	t.Cleanup(p.kill)
	return p
}

// run runs the plain binary to its end and returns exit code and both streams.
func run(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	p := start(t, binary, nil, args...)
	return p.wait(t), p.stdout.String(), p.stderr.String()
}

// wait returns the exit code.
func (p *proc) wait(t *testing.T) int {
	t.Helper()
	select {
	case <-p.done:
	case <-time.After(max(2*time.Minute, patience)):
		p.kill()
		t.Fatalf("%v does not end:\n%s", p.cmd.Args, p.stderr.String())
	}
	return p.code
}

// kill ends it as the kernel does when memory is short.
func (p *proc) kill() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// stop asks it to end and wants exit code 0.
func (p *proc) stop(t *testing.T) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatalf("SIGTERM: %v\n%s", err, p.stderr.String())
	}
	if code := p.wait(t); code != 0 {
		t.Fatalf("exit code %d after SIGTERM\n%s", code, p.stderr.String())
	}
}

func (p *proc) ended() bool {
	select {
	case <-p.done:
		return true
	default:
		return false
	}
}

// says waits for a line of standard error or output.
func (p *proc) says(t *testing.T, expr string) []string {
	t.Helper()
	re := regexp.MustCompile(expr)
	var found []string
	waitFor(t, "the line "+expr, func() bool {
		if found = re.FindStringSubmatch(p.stderr.String()); found == nil {
			found = re.FindStringSubmatch(p.stdout.String())
		}
		if found == nil && p.ended() {
			t.Fatalf("ended with code %d before it said %s\n%s%s", p.code, expr, p.stdout.String(), p.stderr.String())
		}
		return found != nil
	})
	return found
}

// waitFor asks cond until it holds.
func waitFor(t *testing.T, what string, cond func() bool) {
	t.Helper()
	if !eventually(patience, cond) {
		t.Fatalf("%s: not within %s", what, patience)
	}
}

func eventually(within time.Duration, cond func() bool) bool {
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	beat := time.NewTicker(5 * time.Millisecond)
	defer beat.Stop()
	for {
		if cond() {
			return true
		}
		select {
		case <-deadline.C:
			return cond()
		case <-beat.C:
		}
	}
}

// lateness is how much later than it should a goroutine of this process woke up, all
// told since it began: what a busy machine adds to a time that is measured on it.
type lateness struct{ total atomic.Int64 }

func newLateness(t *testing.T) *lateness {
	t.Helper()
	const every, usual = 10 * time.Millisecond, 20 * time.Millisecond
	l := &lateness{}
	tick := time.NewTicker(every)
	t.Cleanup(tick.Stop)
	go func() {
		last := time.Now()
		for {
			select {
			case <-tick.C:
			case <-t.Context().Done():
				return
			}
			now := time.Now()
			if late := now.Sub(last) - every; late > usual {
				l.total.Add(int64(late))
			}
			last = now
		}
	}()
	return l
}

// atMost is a limit on this machine: what the product promises, and some times what
// the machine took from this process meanwhile. What hangs takes longer than any.
func (l *lateness) atMost(limit time.Duration) time.Duration {
	return limit + 3*time.Duration(l.total.Load())
}

// ports hands out ports below those that the kernel gives to connections, so
// that one stays free while the process behind it is down.
var ports atomic.Int32

func init() { ports.Store(20_000 + rand.Int32N(6_000)) }

// freePort returns the address of a loopback port that nobody listens on.
func freePort(t *testing.T) string {
	t.Helper()
	for range 2000 {
		addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(int(ports.Add(1))))
		if l, err := net.Listen("tcp", addr); err == nil {
			_ = l.Close()
			return addr
		}
	}
	t.Fatal("no free port")
	return ""
}

// ---- twin and product ----

// newTwin starts a Contoso that does not throttle and whose back-off is short.
func newTwin(t *testing.T, change ...func(*graphtwin.Options)) *graphtwin.Twin {
	t.Helper()
	o := graphtwin.Options{
		World: graphtwin.Contoso(), Throttle: graphtwin.Throttle{Off: true},
		Delivery: graphtwin.Delivery{Scale: 0.005}, // 50 ms after the first failure
	}
	for _, c := range change {
		c(&o)
	}
	twin := graphtwin.New(o)
	t.Cleanup(twin.Close)
	if _, err := twin.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	return twin
}

// site is a configuration on disk and the processes that run it.
type site struct {
	t               *testing.T
	dir             string
	away            string // the data directory, if not in dir
	public, private string // addresses
	exe             string
	env             []string
	level           string
	desk            *signedIn
	redis           *redistest.Server // nil: the store is embedded
	*proc                             // the one that runs now; nil before
}

// node is a mapping of the configuration file.
type node = map[string]any

// newSite writes a configuration for a twin, as the twin command does, with
// ports of its own, fast limits and the rules of testdata; change may alter it.
func newSite(t *testing.T, twinURL string, change ...func(node)) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir(), exe: binary, level: "info"}
	code, out, errs := run(t, "twin", "--write-config", s.dir, "--exit", "--listen", strings.TrimPrefix(twinURL, "http://"))
	if code != 0 {
		t.Fatalf("twin --write-config: exit code %d\n%s%s", code, out, errs)
	}
	s.useRules()
	s.edit(append([]func(node){s.ports, fast}, change...)...)
	return s
}

// The stores. What must hold whatever happens is tried on each.
const (
	embedded = "embedded"
	onRedis  = "redis" // one node
)

// onEachStore runs a test on each store.
func onEachStore(t *testing.T, run func(t *testing.T, store string)) {
	t.Helper()
	for _, store := range []string{embedded, onRedis} {
		t.Run(store, func(t *testing.T) {
			t.Parallel()
			run(t, store)
		})
	}
}

// newSiteOn is newSite on a store; on Redis, with a server of its own.
func newSiteOn(t *testing.T, store, twinURL string, change ...func(node)) *site {
	t.Helper()
	s := newSite(t, twinURL, change...)
	if store == onRedis {
		s.redis = redistest.Start(t)
		s.edit(func(d node) {
			d["store"] = node{"kind": "redis", "redis": node{"addresses": []any{s.redis.Addr}, "lease": "1s"}}
		})
	}
	return s
}

// unfinished counts what lies in Redis: effects that are decided without a result,
// and items.
func (s *site) unfinished() (decided, waiting int) {
	s.t.Helper()
	ctx := s.t.Context()
	rdb := goredis.NewClient(&goredis.Options{Addr: s.redis.Addr})
	defer rdb.Close()
	for keys := rdb.Scan(ctx, 0, "tdlp:*", 1000).Iterator(); keys.Next(ctx); {
		_, name, _ := strings.Cut(keys.Val(), "}:")
		switch {
		case strings.HasPrefix(name, "e:"):
			if state, err := rdb.HGet(ctx, keys.Val(), "s").Result(); err != nil {
				s.t.Fatal(err)
			} else if state == "decided" {
				decided++
			}
		case name == "q":
			n, err := rdb.XLen(ctx, keys.Val()).Result()
			if err != nil {
				s.t.Fatal(err)
			}
			waiting += int(n)
		}
	}
	return decided, waiting
}

func (s *site) config() string { return filepath.Join(s.dir, "teamsdlp.yaml") }
func (s *site) data() string {
	if s.away != "" {
		return s.away
	}
	return filepath.Join(s.dir, "data")
}
func (s *site) rules() string { return filepath.Join(s.dir, "rules") }
func (s *site) file(name string) string {
	return filepath.Join(s.dir, name)
}

// edit changes the configuration file.
func (s *site) edit(change ...func(node)) {
	s.t.Helper()
	data, err := os.ReadFile(s.config())
	if err != nil {
		s.t.Fatal(err)
	}
	doc := node{}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		s.t.Fatal(err)
	}
	for _, c := range change {
		c(doc)
	}
	if data, err = yaml.Marshal(doc); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(s.config(), data, 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// ports gives the product addresses that nothing else uses.
func (s *site) ports(doc node) {
	s.public, s.private = freePort(s.t), freePort(s.t)
	doc["public"] = node{"url": "http://" + s.public, "listen": s.public}
	doc["private"] = node{"listen": s.private}
}

// fast raises our own limits above what any test sends.
func fast(doc node) {
	doc["graph"] = node{"conversation_rps": 10_000, "team_rps": 10_000, "tenant_rps": 10_000}
}

// useRules replaces the rule directory's files by that of testdata.
func (s *site) useRules() {
	s.t.Helper()
	if err := os.RemoveAll(s.rules()); err != nil {
		s.t.Fatal(err)
	}
	if err := os.Mkdir(s.rules(), 0o700); err != nil {
		s.t.Fatal(err)
	}
	s.writeRule("base.yaml", readFile(s.t, filepath.Join("testdata", "rules", "base.yaml")))
}

func (s *site) writeRule(name, text string) {
	s.t.Helper()
	if err := os.WriteFile(filepath.Join(s.rules(), name), []byte(text), 0o600); err != nil {
		s.t.Fatal(err)
	}
}

// launch starts serve and does not wait for it.
func (s *site) launch() {
	s.t.Helper()
	s.proc = start(s.t, s.exe, s.env, "serve", "--config", s.config(), "--log-level", s.level)
}

// up starts serve and waits until it serves and its subscriptions stand.
func (s *site) up() *site {
	s.t.Helper()
	s.launch()
	s.ready()
	return s
}

func (s *site) ready() {
	s.t.Helper()
	waitFor(s.t, "the service to be ready", func() bool {
		if s.ended() {
			s.t.Fatalf("serve ended with code %d\n%s", s.code, s.stderr.String())
		}
		status, _, err := get("http://" + s.private + "/readyz")
		return err == nil && status == http.StatusOK && s.metric("teamsdlp_resources_uncovered") == 0
	})
}

// metric returns the value of one figure, or the sum over its labels; series may
// name labels, as name{a="b"}. NaN-free: what is not there is 0, and -1 stands
// for an answer that did not come.
func (s *site) metric(series string) float64 { return s.metrics(series)[0] }

// metrics is metric for several, as of one moment.
func (s *site) metrics(series ...string) []float64 {
	values := make([]float64, len(series))
	status, body, err := get("http://" + s.private + "/metrics")
	for i, name := range series {
		if err != nil || status != http.StatusOK {
			values[i] = -1
			continue
		}
		for line := range strings.Lines(body) {
			rest, ok := strings.CutPrefix(line, name)
			if !ok || !strings.HasPrefix(rest, " ") && !strings.HasPrefix(rest, "{") {
				continue
			}
			v, err := strconv.ParseFloat(strings.TrimSpace(line[strings.LastIndexByte(line, ' '):]), 64)
			if err != nil {
				values[i] = -1
				break
			}
			values[i] += v
		}
	}
	return values
}

// settle waits until the twin has delivered everything and the product has
// worked it off. What the product does makes the twin deliver again, so both
// must be seen idle one after the other several times. However much there is, and
// however slow the machine, it goes on waiting as long as that becomes less.
func (s *site) settle(twin *graphtwin.Twin) {
	s.t.Helper()
	s.settleWithin(twin, patience)
}

func (s *site) settleWithin(twin *graphtwin.Twin, most time.Duration) {
	s.t.Helper()
	if why := s.unsettled(twin, most); why != "" {
		s.t.Fatal(why)
	}
}

// unsettled waits until nothing is under way any more, and says what still is when
// it has not become less for so long.
func (s *site) unsettled(twin *graphtwin.Twin, most time.Duration) (why string) {
	s.t.Helper()
	var (
		now         []float64
		peak, least float64 // of what is under way: since it was most, the least
		idle        int
	)
	for last := time.Now(); time.Since(last) < most; <-time.After(20 * time.Millisecond) {
		if s.ended() {
			return fmt.Sprintf("serve ended with code %d\n%s", s.code, s.stderr.String())
		}
		now = append(s.metrics("teamsdlp_inbox_items", "teamsdlp_log_entries_unsealed", "teamsdlp_log_entries_missing"), float64(twin.Undelivered()))
		if slices.Contains(now, -1) {
			idle = 0
			continue
		}
		all := now[0] + now[1] + now[2] + now[3]
		if idle++; all > 0 {
			idle = 0
		}
		if idle > 5 {
			return ""
		}
		if all > peak || all < least {
			peak, least, last = max(peak, all), all, time.Now()
		}
	}
	return fmt.Sprintf("not settled, and nothing became less for %s: %v items wait, %v entries have no number, %v are missing, %v notifications are undelivered", most, now[0], now[1], now[2], now[3])
}

// entries is the action log, oldest first, read as anybody would.
func (s *site) entries(filters ...string) []entry {
	s.t.Helper()
	args := append([]string{"actions", "list", "--data", s.data(), "--entries", "--json", "--all", "after=-1"}, filters...)
	r, w, err := os.Pipe() // it may be a million
	if err != nil {
		s.t.Fatal(err)
	}
	defer r.Close()
	p := startTo(s.t, w, binary, nil, args...)
	w.Close()
	var list []entry
	dec := json.NewDecoder(r)
	for {
		var e entry
		if err = dec.Decode(&e); err != nil {
			break
		}
		list = append(list, e)
	}
	if !errors.Is(err, io.EOF) {
		s.t.Fatalf("actions list: %v", err)
	}
	if code := p.wait(s.t); code > 1 {
		s.t.Fatalf("actions list: exit code %d\n%s", code, p.stderr.String())
	}
	return list
}

// entry is what the tests look at in an entry of the log.
type entry struct {
	Seq        int64
	Case       string
	Kind       string
	Outcome    string
	Verdict    string
	Actor      string
	Reason     string
	Label      string
	Generation string
	Target     *struct {
		MessageID string `json:"message_id"`
	}
	Graph *struct{ Reconciled bool }
}

// caseOf returns the case of a message.
func (s *site) caseOf(m graphtwin.Message) string {
	s.t.Helper()
	return s.caseIn(s.entries(), m)
}

func (s *site) caseIn(log []entry, m graphtwin.Message) string {
	s.t.Helper()
	for _, e := range log {
		if e.Target != nil && e.Target.MessageID == m.GraphID {
			return e.Case
		}
	}
	s.t.Fatalf("no entry about message %s", m.ID)
	return ""
}

// ---- talk ----

// card is a number that passes Luhn's test, in pieces so that no scanner takes
// this file for a leak.
const card = "4929 5168 " + "3177 2400"

func say(t *testing.T, twin *graphtwin.Twin, as, in, text string) graphtwin.Message {
	t.Helper()
	m, err := twin.Say(graphtwin.Post{As: as, In: in, HTML: "<p>" + text + "</p>"})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func shown(t *testing.T, twin *graphtwin.Twin, m graphtwin.Message) graphtwin.View {
	t.Helper()
	v, err := twin.Shown(m.ID)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// await waits until Teams shows m as cond wants it.
func await(t *testing.T, twin *graphtwin.Twin, m graphtwin.Message, what string, cond func(graphtwin.View) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := twin.Await(ctx, func() bool { return cond(shown(t, twin, m)) }); err != nil {
		t.Fatalf("message %s was not %s within %s: %+v", m.ID, what, patience, shown(t, twin, m).Patches)
	}
}

func blocked(v graphtwin.View) bool  { return v.Blocked }
func released(v graphtwin.View) bool { return !v.Blocked && v.PatchCount == 2 }

// ---- HTTP ----

var plain = &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}

func get(url string) (status int, body string, err error) {
	return do(plain, http.MethodGet, url, "", nil)
}

func do(c *http.Client, method, url, body string, header http.Header) (status int, answer string, err error) {
	req, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for k, v := range header {
		req.Header[k] = v
	}
	if h := header.Get("Host"); h != "" {
		req.Host = h
	}
	res, err := c.Do(req)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return res.StatusCode, string(data), err
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}
