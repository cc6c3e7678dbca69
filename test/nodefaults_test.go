package test

import (
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"teamsdlp/test/graphtwin"
	"teamsdlp/test/redistest"
	"teamsdlp/test/trial"
)

// pause stops a process where it is; resume lets it go on.
func (p *proc) pause(t *testing.T)  { p.send(t, syscall.SIGSTOP) }
func (p *proc) resume(t *testing.T) { p.send(t, syscall.SIGCONT) }

func (p *proc) send(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := p.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

// leader is the node that leads; nil: none says so.
func (c *cluster) leader() *site {
	for _, s := range c.nodes {
		if s.metric("teamsdlp_leader") == 1 {
			return s
		}
	}
	return nil
}

// TestRedisKilled: Redis is killed under traffic, again and again. F6.
func TestRedisKilled(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	away := filepath.Join(t.TempDir(), "checkpoints")
	c := newCluster(t, twin, 2, oftenSealed(away)).up()
	x := newTraffic(t, twin)
	rng := newRand(t)
	kills := trial.Chaos(5, 30)
	for range kills {
		x.say(40)
		moment(rng, 200*time.Millisecond)
		c.redis.Kill()
		x.say(10)
		moment(rng, 500*time.Millisecond)
		c.redis.Up()
		for _, s := range c.nodes {
			s.ready()
		}
	}
	c.settle(twin)
	c.account(t, x, twin, away)
	trial.Tried(t, "F6: Redis killed %d times under load: %d messages, nothing lost, nothing done twice", kills, len(x.said))
}

// lost counts the messages that were answered 202 and never acted on.
func lost(x *traffic, s *site) (n int) {
	s.t.Helper()
	for _, f := range account(x.said, x.twin, s.entries()) {
		if strings.Contains(f, "lost: ") {
			n++
		}
	}
	return n
}

// One that answers 202 for what Redis was not there to take is found out. F6.
func TestRedisKilledIsNoticed(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSiteOn(t, onRedis, twin.URL()).breaking("ack-when-down").up()
	x := newTraffic(t, twin)
	n := 0
	for round := 0; n == 0; round++ {
		if round == 20 {
			t.Fatal("not noticed")
		}
		s.redis.Kill()
		before := len(twin.Deliveries())
		x.say(10)
		waitFor(t, "an answer", func() bool { return len(twin.Deliveries()) > before })
		s.redis.Up()
		s.ready()
		s.settle(twin)
		n = lost(x, s)
	}
	trial.Tried(t, "control: \"ack-when-down\" is found out: %d messages lost", n)
}

// TestRedisMemoryFull: Redis has no memory left. What comes is refused until it has,
// and nothing is lost or done twice. F9.
func TestRedisMemoryFull(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"", "ack-when-full"} {
		t.Run("build "+fault, func(t *testing.T) {
			t.Parallel()
			twin := newTwin(t)
			s := newSiteOn(t, onRedis, twin.URL())
			s.breaking(fault)
			s.up()
			x := newTraffic(t, twin)
			x.say(20)
			s.settle(twin)
			s.redis.Set("maxmemory", "1mb") // less than it has
			x.say(20)
			waitFor(t, "all to be refused again and again, or to be answered", func() bool {
				return refused(twin) > 40 || twin.Undelivered() == 0
			})
			s.redis.Set("maxmemory", "0")
			s.settle(twin)
			if fault == "" {
				wantAccount(t, x, s)
				wantSound(t, s, "")
				trial.Tried(t, "F9: Redis had no memory: %d notifications refused with 503, %d messages in all, nothing lost, nothing done twice", refused(twin), len(x.said))
				return
			}
			if n := lost(x, s); n == 0 {
				t.Error("not noticed")
			} else {
				trial.Tried(t, "control: %q is found out: %d messages lost", fault, n)
			}
		})
	}
}

// TestRedisFrozen: while Redis stands still every answer is a 503, in less than
// 2.2 seconds, and nothing is lost or done twice. F8.
func TestRedisFrozen(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	away := filepath.Join(t.TempDir(), "checkpoints")
	c := newCluster(t, twin, 2, oftenSealed(away)).up()
	x := newTraffic(t, twin)
	x.say(40)
	late := newLateness(t)
	c.front.forget()
	c.redis.Freeze()
	x.say(60)
	waitFor(t, "Graph to try again and again", func() bool { n, _ := c.front.seen(http.StatusServiceUnavailable); return n >= 20 })
	waitFor(t, "the nodes not to be ready", func() bool {
		for _, s := range c.nodes {
			if status, _, err := get("http://" + s.private + "/readyz"); err != nil || status == http.StatusOK {
				return false
			}
		}
		return true
	})
	refused, slowest := c.front.seen(http.StatusServiceUnavailable)
	if most := late.atMost(2200 * time.Millisecond); slowest > most {
		t.Errorf("an answer took %s; want %s at most", slowest, most)
	}
	for _, d := range twin.Deliveries() {
		if d.Status == 0 {
			t.Errorf("delivery %d of %s was not answered", d.Number, d.MessageID)
		}
	}
	c.redis.Thaw()
	for _, s := range c.nodes {
		s.ready()
	}
	c.settle(twin)
	c.account(t, x, twin, away)
	trial.Tried(t, "F8: Redis stood still: %d requests refused with 503, the slowest answer took %s, %d messages in all, nothing lost, nothing done twice", refused, slowest.Round(time.Millisecond), len(x.said))
}

// TestRedisDiskFull: the file system of Redis' append-only file fills up, so that
// Redis ends itself. Every answer is a 503 until there is space again and Redis is
// back, and nothing is lost or done twice. F9.
func TestRedisDiskFull(t *testing.T) {
	t.Parallel()
	disk, ok := smallDisk(t, 16)
	if !ok {
		trial.Tried(t, "F9: NOT RUN on a real file system: mounting a tmpfs takes root. See cmd/internal/redis.TestRedisEndsAndComesBack")
		return
	}
	twin := newTwin(t)
	away := filepath.Join(t.TempDir(), "checkpoints")
	c := newCluster(t, twin, 2, oftenSealed(away))
	c.redis = redistest.StartIn(t, disk, redistest.Safe...)
	for _, s := range c.nodes {
		s.edit(func(d node) { d["store"].(node)["redis"].(node)["addresses"] = []any{c.redis.Addr} })
	}
	c.up()
	x := newTraffic(t, twin)
	x.say(40)
	late := newLateness(t)
	c.front.forget()
	ballast := filepath.Join(disk, "ballast")
	fill(t, ballast)
	x.say(40)
	waitFor(t, "Redis to end itself", func() bool { return !c.redis.Answers() })
	waitFor(t, "Graph to try again and again", func() bool { n, _ := c.front.seen(http.StatusServiceUnavailable); return n >= 20 })
	for _, s := range c.nodes {
		waitFor(t, "the node not to be ready, and to say why", func() bool {
			status, body, err := get("http://" + s.private + "/readyz")
			return err == nil && status == http.StatusServiceUnavailable && strings.Contains(body, "redis does not answer")
		})
	}
	refused, slowest := c.front.seen(http.StatusServiceUnavailable)
	if most := late.atMost(2200 * time.Millisecond); slowest > most {
		t.Errorf("an answer took %s; want %s at most", slowest, most)
	}
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	c.redis.Kill() // it has ended; what is left of it is waited for
	c.redis.Up()
	for _, s := range c.nodes {
		s.ready()
	}
	c.settle(twin)
	c.account(t, x, twin, away)
	trial.Tried(t, "F9: the disk of Redis filled up and Redis ended: %d notifications refused with 503, the slowest answer took %s, %d messages in all, nothing lost, nothing done twice", refused, slowest.Round(time.Millisecond), len(x.said))
}

// TestNodePaused: a node stands still in the middle of its work for longer than
// its lease, and goes on: what the other did meanwhile is not done again. F10.
// The first to stand still leads, so that two leaders meet as well. F11.
func TestNodePaused(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	away := filepath.Join(t.TempDir(), "checkpoints")
	c := newCluster(t, twin, 2, oftenSealed(away)).up()
	x := newTraffic(t, twin)
	rng := newRand(t)
	var stood []span
	for round := range trial.Chaos(4, 20) {
		s := c.leader()
		if s == nil || round%2 == 1 {
			s = c.nodes[rng.IntN(2)]
		}
		other := c.nodes[0]
		if other == s {
			other = c.nodes[1]
		}
		x.say(40)
		moment(rng, 100*time.Millisecond)
		s.pause(t)
		from := time.Now()
		// The balancer waits for the node that stands still, as a real one would.
		waitFor(t, "the other to take over", func() bool {
			return other.metric("teamsdlp_partitions_held") == 16 && other.metric("teamsdlp_leader") == 1
		})
		x.say(20)
		stood = append(stood, span{from, time.Now()})
		s.resume(t)
		for _, s := range c.nodes {
			s.ready()
		}
		waitFor(t, "one leader", func() bool { return c.nodes[0].metric("teamsdlp_leader")+c.nodes[1].metric("teamsdlp_leader") == 1 })
	}
	c.settle(twin)
	late := 0
	for i, m := range x.said {
		if landedLate(twin, m.ID, stood) {
			x.said[i].late = 1
			late++
		}
	}
	if late > len(stood) {
		t.Errorf("%d PATCHes came late, in %d pauses", late, len(stood))
	}
	c.account(t, x, twin, away)
	trial.Tried(t, "F10, F11: a node, often the leader, stood still %d times for longer than its lease: %d messages, nothing lost, %d PATCHes repeated by one that stood still inside the call, nothing else done twice", len(stood), len(x.said), late)
}

// A node stands still with an order decided, before its PATCH, and the other carries
// it out. When the first goes on it sends nothing; one that does is found out. F10.
func TestNodeStoppedBeforeItsPatch(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"", "no-fence"} {
		t.Run("build "+fault, func(t *testing.T) {
			t.Parallel()
			twin := newTwin(t)
			away := filepath.Join(t.TempDir(), "checkpoints")
			c := newCluster(t, twin, 2, oftenSealed(away))
			first, other := c.nodes[0], c.nodes[1]
			first.breaking(fault)
			first.hitting("decided:stop")
			c.up()
			x := newTraffic(t, twin)
			stopped := func() bool { return strings.Contains(first.stderr.String(), "stopped at decided") }
			var m graphtwin.Message // one at a time, so that nothing else is under way
			for !stopped() {
				x.say(1)
				if m = x.said[len(x.said)-1].Message; len(x.said) > 500 {
					t.Fatal("the first node holds no conversation")
				}
				waitFor(t, "the message to be delivered, and acted on or left alone", func() bool {
					return stopped() || twin.Undelivered() == 0 && other.metric("teamsdlp_inbox_items") == 0
				})
			}
			waitFor(t, "the other to take over", func() bool {
				return other.metric("teamsdlp_partitions_held") == 16 && other.metric("teamsdlp_leader") == 1
			})
			await(t, twin, m, "blocked", blocked)
			first.resume(t)
			if fault != "" {
				waitFor(t, "the first to go on with its order", func() bool { return shown(t, twin, m).PatchCount > 1 })
				trial.Tried(t, "control: %q is found out: two nodes acted on one message", fault)
				return
			}
			for _, s := range c.nodes {
				s.ready()
			}
			c.settle(twin)
			c.account(t, x, twin, away)
			trial.Tried(t, "F10: a node stood still before its PATCH, for longer than its lease: the other acted, it did not; %d messages, nothing lost, nothing done twice", len(x.said))
		})
	}
}

type span struct{ from, to time.Time }

// landedLate reports whether a message was acted on twice because a node stood still
// inside the call: between its last look at its lease and the connection. The other
// acted meanwhile, and the first PATCH, the same to the byte, went out when it was over.
// This is the limit that the promise states.
func landedLate(twin *graphtwin.Twin, id string, stood []span) bool {
	var patches []graphtwin.Request
	for _, r := range twin.Patches() {
		if r.MessageID == id {
			patches = append(patches, r)
		}
	}
	return len(patches) == 2 && patches[0].Body == patches[1].Body && slices.ContainsFunc(stood, func(s span) bool {
		return patches[0].At.After(s.from) && patches[0].At.Before(s.to) && patches[1].At.After(s.to)
	})
}

// TestUnsafeRedis: serve does not start on settings that lose what was answered,
// and says what to change; nor on a data directory of the other kind. F7.
func TestUnsafeRedis(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	c := newCluster(t, twin, 1)
	s := c.nodes[0]
	c.redis.Set("appendfsync", "everysec")
	code, _, errs := run(t, "serve", "--config", s.config())
	if code != 2 || !strings.Contains(errs, "CONFIG SET appendfsync always") {
		t.Errorf("serve: exit code %d\n%s", code, errs)
	}
	code, out, errs := run(t, "check", "--config", s.config())
	if code != 1 || !strings.Contains(out, "CONFIG SET appendfsync always") {
		t.Errorf("check: exit code %d\n%s%s", code, out, errs)
	}
	c.redis.Set("appendfsync", "always")
	if code, out, errs := run(t, "check", "--config", s.config()); code != 0 || !strings.Contains(out, "Redis 7.") {
		t.Errorf("check: exit code %d\n%s%s", code, out, errs)
	}
	s.up()
	x := newTraffic(t, twin)
	x.say(10)
	c.settle(twin)
	if code, out, errs := run(t, "check", "--config", s.config()); code != 0 || !strings.Contains(out, "node0") {
		t.Errorf("check beside serve: exit code %d\n%s%s", code, out, errs)
	}
	s.stop(t)
	s.edit(func(d node) { d["store"] = node{"kind": "embedded"} })
	if code, _, errs := run(t, "serve", "--config", s.config()); code != 2 || !strings.Contains(errs, "set store.kind to redis") {
		t.Errorf("serve with the embedded store: exit code %d\n%s", code, errs)
	}
	trial.Tried(t, "F7: a Redis that loses what it confirmed: serve does not start, check says what to change")
}

// One that runs on such a Redis all the same, and loses what it answered, is found out. F7.
func TestUnsafeRedisIsNoticed(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSiteOn(t, onRedis, twin.URL()).breaking("unsafe-redis").hitting("judged:5s:0")
	s.redis.Set("appendonly", "no")
	s.up()
	x := newTraffic(t, twin)
	x.rooms = x.rooms[:1] // one after the other, so that most wait
	x.say(10)
	waitFor(t, "all to be answered", func() bool { return len(accepted(twin)) == len(x.said) })
	s.redis.Kill()
	s.redis.Up()
	s.ready()
	s.settle(twin)
	n := lost(x, s)
	if n == 0 {
		t.Error("not noticed")
	}
	trial.Tried(t, "control: \"unsafe-redis\" is found out: %d messages lost", n)
}

// link is a connection to Redis that can be slow and that breaks: now and then it
// takes a request to the server and loses the answer.
type link struct {
	addr, to string
	delay    atomic.Int64 // of each answer, in nanoseconds
	loses    atomic.Int64 // of a thousand answers, so many are lost with their connection
	lost     atomic.Int64
}

func newLink(t *testing.T, to string) *link {
	t.Helper()
	l := &link{addr: freePort(t), to: to}
	ln, err := net.Listen("tcp", l.addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = ln.Close() })
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			go l.carry(c)
		}
	}()
	return l
}

func (l *link) carry(c net.Conn) {
	defer c.Close()
	up, err := net.Dial("tcp", l.to)
	if err != nil {
		return
	}
	defer up.Close()
	go func() {
		_, _ = io.Copy(up, c)
		_ = up.Close()
	}()
	buf := make([]byte, 64<<10)
	for {
		n, err := up.Read(buf)
		if err != nil {
			return
		}
		if rand.Int64N(1000) < l.loses.Load() {
			l.lost.Add(1)
			return
		}
		<-time.After(time.Duration(l.delay.Load()))
		if _, err := c.Write(buf[:n]); err != nil {
			return
		}
	}
}

// TestRedisLink: answers of Redis that are lost, after it has done what they
// answer, and answers that are late, make nothing happen twice and lose nothing. F8.
func TestRedisLink(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	away := filepath.Join(t.TempDir(), "checkpoints")
	c := newCluster(t, twin, 2, oftenSealed(away))
	l := newLink(t, c.redis.Addr)
	for _, s := range c.nodes {
		s.edit(func(d node) { d["store"].(node)["redis"].(node)["addresses"] = []any{l.addr} })
	}
	c.up()
	x := newTraffic(t, twin)
	l.loses.Store(15)
	x.say(trial.Chaos(100, 1000))
	waitFor(t, "answers to be lost", func() bool { return l.lost.Load() > int64(trial.Chaos(20, 100)) })
	l.loses.Store(0)
	l.delay.Store(int64(25 * time.Millisecond))
	x.say(30)
	c.settle(twin)
	l.delay.Store(0)
	for _, s := range c.nodes {
		s.ready()
	}
	c.settle(twin)
	c.account(t, x, twin, away)
	trial.Tried(t, "F8: %d answers of Redis lost after it had done what they answer, others late: %d messages, nothing lost, nothing done twice", l.lost.Load(), len(x.said))
}
