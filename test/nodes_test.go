package test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teamsdlp/test/graphtwin"
	"teamsdlp/test/redistest"
	"teamsdlp/test/trial"
)

// balancer is what stands before several nodes: it gives each request to the
// next node, and to the one after that if nobody answers there.
type balancer struct {
	addr  string
	nodes []string
	next  atomic.Int64

	mu      sync.Mutex
	answers map[int]int // by status
	slowest time.Duration
}

// forget begins a new count of answers.
func (b *balancer) forget() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers, b.slowest = map[int]int{}, 0
}

// seen is how many answers of a status there were, and how long the slowest of
// all took.
func (b *balancer) seen(status int) (n int, slowest time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.answers[status], b.slowest
}

func newBalancer(t *testing.T) *balancer {
	t.Helper()
	b := &balancer{addr: freePort(t), answers: map[int]int{}}
	ln, err := net.Listen("tcp", b.addr)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: b, ReadHeaderTimeout: patience}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	return b
}

func (b *balancer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	first := int(b.next.Add(1))
	for i := range b.nodes {
		failed := false
		proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: b.nodes[(first+i)%len(b.nodes)]})
		proxy.Transport = &http.Transport{DisableKeepAlives: true}
		begun := time.Now()
		proxy.ModifyResponse = func(res *http.Response) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			b.answers[res.StatusCode]++
			b.slowest = max(b.slowest, time.Since(begun))
			return nil
		}
		proxy.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { failed = true }
		r.Body = io.NopCloser(bytes.NewReader(body))
		proxy.ServeHTTP(w, r)
		if !failed {
			return
		}
	}
	w.WriteHeader(http.StatusBadGateway)
}

// cluster is several nodes behind a balancer, on one Redis.
type cluster struct {
	redis *redistest.Server
	front *balancer
	nodes []*site
}

// subscribed are the requests for new subscriptions.
var subscribed = graphtwin.Filter{Method: http.MethodPost, Path: "/subscriptions$"}

// newCluster writes the configurations of n nodes with the same keys and rules.
func newCluster(t *testing.T, twin *graphtwin.Twin, n int, change ...func(node)) *cluster {
	t.Helper()
	c := &cluster{redis: redistest.Start(t), front: newBalancer(t)}
	for i := range n {
		s := newSite(t, twin.URL(), change...)
		c.front.nodes = append(c.front.nodes, s.public)
		s.edit(func(d node) {
			d["public"].(node)["url"] = "http://" + c.front.addr
			d["store"] = node{"kind": "redis", "redis": node{"addresses": []any{c.redis.Addr}, "node": fmt.Sprint("node", i), "lease": "2s"}}
			if i > 0 {
				d["keys_dir"], d["rules_dir"] = filepath.Join(c.nodes[0].dir, "keys"), c.nodes[0].rules()
			}
		})
		c.nodes = append(c.nodes, s)
	}
	return c
}

// up starts all nodes and waits until they are ready and share the work.
func (c *cluster) up() *cluster {
	for _, s := range c.nodes {
		s.launch()
	}
	for _, s := range c.nodes {
		s.ready()
		waitFor(s.t, "the node to hold its part", func() bool {
			return s.metric("teamsdlp_nodes_live") == float64(len(c.nodes)) && s.metric("teamsdlp_partitions_held") == float64(16/len(c.nodes))
		})
	}
	return c
}

// settle waits until everything was delivered, worked off and numbered.
func (c *cluster) settle(twin *graphtwin.Twin) {
	for _, s := range c.nodes {
		s.settle(twin)
	}
	for _, s := range c.nodes { // the last to settle may have given the others entries
		s.settle(twin)
	}
}

// TestNodes: two processes on one Redis and one twin do what one does, each part
// of the work is one node's, and the log is the same on both.
func TestNodes(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	away := filepath.Join(t.TempDir(), "checkpoints")
	c := newCluster(t, twin, 2, oftenSealed(away)).up()
	a, b := c.nodes[0], c.nodes[1]
	x := newTraffic(t, twin)
	x.say(100)
	c.settle(twin)
	log := a.entries()
	if faults := account(x.said, twin, log); len(faults) > 0 {
		t.Errorf("%d faults, as\n%s", len(faults), strings.Join(faults[:min(10, len(faults))], "\n"))
	}
	if other := b.entries(); !slices.EqualFunc(log, other, func(x, y entry) bool { return x.Seq == y.Seq && x.Case == y.Case && x.Kind == y.Kind }) {
		t.Errorf("the nodes have different logs, of %d and %d entries", len(log), len(other))
	}
	for _, s := range c.nodes {
		if n := s.metric("teamsdlp_verdicts_total"); n < 10 {
			t.Errorf("a node judged %v messages only", n)
		}
		if s.metric("teamsdlp_resources_covered") != 2 {
			t.Errorf("a node shows %v resources as covered", s.metric("teamsdlp_resources_covered"))
		}
	}
	if n := len(twin.Requests(subscribed)); n != 2 {
		t.Errorf("%d subscriptions were asked for; want 2", n)
	}

	// A release asked of either node is carried out by the one that holds the
	// conversation.
	for i, s := range c.nodes {
		for _, m := range x.said[:20] {
			if m.fate != fateBlock || shown(t, twin, m.Message).PatchCount > 1 {
				continue
			}
			code, out, errs := run(t, "actions", "release", "--data", s.data(), "--reason", "a mistake", a.caseIn(log, m.Message))
			if code != 0 {
				t.Fatalf("release on node %d: exit code %d\n%s%s", i, code, out, errs)
			}
			await(t, twin, m.Message, "released", released)
		}
	}

	// Rules: every node takes a change, and says which it runs.
	before := a.metric("teamsdlp_nodes_other_rules")
	base := readFile(t, filepath.Join("testdata", "rules", "base.yaml"))
	a.writeRule("base.yaml", strings.ReplaceAll(base, "mode: enforce", "mode: shadow"))
	for _, s := range c.nodes {
		waitFor(t, "the new rules", func() bool { return s.metric(`teamsdlp_rule_generations_total{result="in_force"}`) >= 1 })
	}
	waitFor(t, "the nodes to say so", func() bool { return a.metric("teamsdlp_nodes_other_rules") == 0 })
	if before != 0 {
		t.Errorf("%v nodes ran other rules", before)
	}
	m := say(t, twin, "ana", "ana-li", "card "+card)
	c.settle(twin)
	if shown(t, twin, m).Blocked {
		t.Error("a rule that went into shadow still blocks")
	}

	// One node leaves: the other has all, at once.
	a.writeRule("base.yaml", base)
	waitFor(t, "the rules to be back", func() bool { return b.metric(`teamsdlp_rule_generations_total{result="in_force"}`) >= 2 })
	a.stop(t)
	waitFor(t, "the other to take over", func() bool { return b.metric("teamsdlp_partitions_held") == 16 && b.metric("teamsdlp_leader") == 1 })
	for _, in := range []string{"ana-li", "deal", "standup"} {
		m := say(t, twin, "ana", "chat:"+in, "card "+card)
		await(t, twin, m, "blocked", blocked)
	}
	waitFor(t, "the log to be whole", func() bool {
		return b.metric("teamsdlp_log_entries_unsealed") == 0 && b.metric("teamsdlp_log_entries_missing") == 0
	})
	b.stop(t)
	all := b.entries()
	for i, e := range all {
		if e.Seq != int64(i) {
			t.Fatalf("entry %d has seq %d", i, e.Seq)
		}
	}
	code, out, errs := run(t, "actions", "verify", "--data", b.data(), "--key", publicKey(t, a), "--checkpoints", away)
	if code != 0 {
		t.Errorf("actions verify: exit code %d\n%s%s", code, out, errs)
	}
	if n := len(twin.Requests(subscribed)); n != 2 {
		t.Errorf("%d subscriptions were asked for over a change of leaders; want 2", n)
	}
}

// TestNodesKill: under traffic one of two nodes is killed again and again.
func TestNodesKill(t *testing.T) {
	t.Parallel()
	rounds := trial.Chaos(8, 40)
	twin := newTwin(t)
	away := filepath.Join(t.TempDir(), "checkpoints")
	c := newCluster(t, twin, 2, oftenSealed(away)).up()
	x := newTraffic(t, twin)
	rng := newRand(t)
	for range rounds {
		for range 3 {
			x.say(10)
			moment(rng, 300*time.Millisecond)
		}
		s := c.nodes[rng.IntN(2)]
		x.say(40)
		moment(rng, 60*time.Millisecond)
		s.kill()
		x.say(20)
		moment(rng, time.Second)
		s.launch()
		moment(rng, time.Second)
	}
	// Once more, where chance may not have hit: Graph took the action, and its result
	// is not on disk.
	s := c.nodes[rng.IntN(2)]
	s.kill()
	s.hitting("patch-applied:kill:2").launch()
	for end := time.Now().Add(patience); !eventually(500*time.Millisecond, s.ended); {
		if time.Now().After(end) {
			t.Fatal("the node carried nothing out")
		}
		x.say(20)
	}
	s.healed().launch()
	for _, s := range c.nodes {
		s.ready()
	}
	c.settle(twin)
	c.account(t, x, twin, away)
	again, found := interrupted(twin, c.nodes[0].entries())
	if found == 0 {
		t.Error("no read found an action that a kill left without its result")
	}
	trial.Tried(t, "F1, two nodes: %d kills of one under load, %d messages, %d delivered again, %d actions found by a read: nothing lost, nothing done twice", rounds+1, len(x.said), again, found)
}

// TestNodesBusyConversations: in a few conversations far more is said than Graph
// takes, and nodes are killed meanwhile. Most of it stays away, in the inbox, and is
// called back by the node that has the conversation, whichever that is by then.
func TestNodesBusyConversations(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	away := filepath.Join(t.TempDir(), "checkpoints")
	c := newCluster(t, twin, 2, oftenSealed(away)).up()
	x := newTraffic(t, twin)
	x.rooms = x.rooms[5:8]
	rng := newRand(t)
	sentAway := func() float64 {
		const series = `teamsdlp_items_deferred_total{reason="its conversation is behind"}`
		return c.nodes[0].metric(series) + c.nodes[1].metric(series)
	}
	rounds := trial.Chaos(3, 10)
	for range rounds {
		before := sentAway()
		slow := graphtwin.Faults{Rules: []graphtwin.Rule{{Method: http.MethodPatch, Delay: graphtwin.Duration(2 * time.Second)}}}
		if err := twin.SetFaults(slow); err != nil {
			t.Fatal(err)
		}
		x.say(100 * len(x.rooms)) // a lane holds 64
		waitFor(t, "items to be sent away", func() bool { return sentAway() > before })
		if err := twin.SetFaults(graphtwin.Faults{}); err != nil {
			t.Fatal(err)
		}
		moment(rng, 3*time.Second)
		s := c.nodes[rng.IntN(2)]
		s.kill()
		moment(rng, time.Second)
		s.launch()
		for _, s := range c.nodes {
			s.ready()
		}
	}
	c.settle(twin)
	c.account(t, x, twin, away)
	trial.Tried(t, "F1, two nodes: %d kills of one while %d conversations were far behind: %d messages, nothing lost, nothing done twice", rounds, len(x.rooms), len(x.said))
}

// account wants that nothing was lost or done twice, that both nodes have one and
// the same log, and that it is whole against the checkpoints.
func (c *cluster) account(t *testing.T, x *traffic, twin *graphtwin.Twin, checkpoints string) {
	t.Helper()
	log := c.nodes[0].entries()
	if faults := account(x.said, twin, log); len(faults) > 0 {
		t.Errorf("%d faults, as\n%s", len(faults), strings.Join(faults[:min(10, len(faults))], "\n"))
	}
	if n := len(twin.Requests(subscribed)); n != 2 {
		t.Errorf("%d subscriptions were asked for; want 2", n)
	}
	for _, s := range c.nodes {
		for i, e := range s.entries() {
			if e.Seq != int64(i) || e.Case != log[i].Case || e.Kind != log[i].Kind {
				t.Fatalf("entry %d of a node differs: %+v", i, e)
			}
		}
		code, out, errs := run(t, "actions", "verify", "--data", s.data(), "--key", publicKey(t, c.nodes[0]), "--checkpoints", checkpoints)
		if code != 0 {
			t.Errorf("actions verify: exit code %d\n%s%s", code, out, errs)
		}
	}
}

// TestNodesRelease: a node dies on an analyst's release, before or after Graph took
// it. No notification brings it back: the node that takes over its conversation
// carries it out, once, and one that does not look for such is found out.
func TestNodesRelease(t *testing.T) {
	t.Parallel()
	for _, at := range []struct{ point, fault string }{
		{"decided", ""}, {"patch-applied", ""}, {"decided", "forget-unfinished"},
	} {
		t.Run(strings.TrimSpace(at.point+" "+at.fault), func(t *testing.T) {
			t.Parallel()
			twin := newTwin(t)
			away := filepath.Join(t.TempDir(), "checkpoints")
			c := newCluster(t, twin, 2, oftenSealed(away)).up()
			dies, other := c.nodes[0], c.nodes[1]
			x := newTraffic(t, twin)
			x.say(30)
			c.settle(twin)
			log := dies.entries()
			for _, s := range c.nodes {
				s.stop(t)
			}
			dies.hitting(at.point + ":kill")
			if at.fault != "" {
				other.breaking(at.fault)
			}
			c.up()
			var victim graphtwin.Message
			asked := map[string]bool{}
			for _, m := range x.said {
				if m.fate != fateBlock {
					continue
				}
				cli := start(t, binary, nil, "actions", "release", "--data", other.data(), "--reason", "a mistake", other.caseIn(log, m.Message))
				asked[m.ID] = true
				waitFor(t, "the release, or the death of the node that was to carry it out", func() bool { return cli.ended() || dies.ended() })
				if dies.ended() {
					victim = m.Message
					break
				}
				await(t, twin, m.Message, "released", released)
			}
			if victim.ID == "" {
				t.Fatal("the node that was to die holds no conversation")
			}
			if at.fault != "" {
				waitFor(t, "the other node to take over", func() bool { return other.metric("teamsdlp_partitions_held") == 16 })
				if eventually(3*time.Second, func() bool { return released(shown(t, twin, victim)) }) {
					t.Error("not noticed: the release was carried out")
				}
				trial.Tried(t, "control: %q is found out: the release of a node that died is not carried out", at.fault)
				return
			}
			await(t, twin, victim, "released", released)
			dies.healed().launch()
			dies.ready()
			c.settle(twin)
			for _, m := range x.said {
				want := 0
				if m.fate == fateBlock {
					want = 1
				}
				if asked[m.ID] {
					want = 2
				}
				if n := shown(t, twin, m.Message).PatchCount; n != want {
					t.Errorf("message %s was acted on %d times; want %d", m.ID, n, want)
				}
			}
			for _, s := range c.nodes {
				s.stop(t)
			}
			for _, s := range c.nodes {
				open := map[string]int{}
				for _, e := range s.entries() {
					if e.Outcome == "pending" {
						open[e.Case]++
					} else if e.Kind == "result" && e.Graph != nil {
						open[e.Case]--
					}
				}
				for id, n := range open {
					if n != 0 {
						t.Errorf("case %s has %d intents more than results", id, n)
					}
				}
				if code, out, errs := run(t, "actions", "verify", "--data", s.data(), "--key", publicKey(t, c.nodes[0]), "--checkpoints", away); code != 0 {
					t.Errorf("actions verify: exit code %d\n%s%s", code, out, errs)
				}
			}
			trial.Tried(t, "F2, two nodes: one killed at %q of a release: the other carried it out, once", at.point)
		})
	}
}

// TestNodesInbox: what could not be opened is listed, shown, tried again and
// dropped on any node, and a key that something needs is not retired.
func TestNodesInbox(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	c := newCluster(t, twin, 2).up()
	spoiled := func() {
		t.Helper()
		if err := twin.SetFaults(graphtwin.Faults{Delivery: []graphtwin.DeliveryFault{{Kind: graphtwin.FaultFlipData, Count: 1}}}); err != nil {
			t.Fatal(err)
		}
		before := c.nodes[0].metric("teamsdlp_quarantine_items")
		say(t, twin, "ana", "ana-li", "card "+card)
		waitFor(t, "it to be set aside", func() bool { return c.nodes[0].metric("teamsdlp_quarantine_items") == before+1 })
	}
	spoiled()
	spoiled()
	var ids []string
	for _, s := range c.nodes {
		code, out, errs := run(t, "inbox", "list", "--config", s.config())
		if code != 1 || strings.Count(out, "\n") != 2 {
			t.Fatalf("inbox list: exit code %d\n%s%s", code, out, errs)
		}
		ids = nil
		for line := range strings.Lines(out) {
			ids = append(ids, strings.Fields(line)[0])
		}
		if code, out, errs := run(t, "inbox", "list", "--data", s.data()); code != 2 || !strings.Contains(errs, "--config") {
			t.Errorf("inbox list of the copy of the log: exit code %d\n%s%s", code, out, errs)
		}
		if code, out, errs := run(t, "inbox", "show", "--config", s.config(), ids[0]); code != 0 || !strings.Contains(out, ids[0]) {
			t.Errorf("inbox show: exit code %d\n%s%s", code, out, errs)
		}
		if code, out, errs := run(t, "keys", "list", "--config", s.config(), "--json"); code != 0 || !strings.Contains(out, `"quarantine":2`) {
			t.Errorf("keys list: exit code %d\n%s%s", code, out, errs)
		}
	}
	// The ciphertext was changed on its way, so it cannot be opened now either: it
	// comes back with another number.
	if code, out, errs := run(t, "inbox", "retry", "--config", c.nodes[0].config(), ids[0]); code != 0 {
		t.Errorf("inbox retry: exit code %d\n%s%s", code, out, errs)
	}
	waitFor(t, "it to be back", func() bool {
		_, out, _ := run(t, "inbox", "list", "--config", c.nodes[1].config())
		return strings.Count(out, "\n") == 2 && !strings.Contains(out, ids[0])
	})
	if code, out, errs := run(t, "inbox", "drop", "--config", c.nodes[1].config(), "--reason", "spoiled", ids[1]); code != 0 {
		t.Errorf("inbox drop: exit code %d\n%s%s", code, out, errs)
	}
	if c.nodes[0].metric("teamsdlp_quarantine_items") != 1 {
		t.Error("it is there still")
	}
	key := regexp.MustCompile(`"id":"([^"]+)"`)
	_, out, _ := run(t, "keys", "list", "--config", c.nodes[0].config(), "--json")
	if code, _, errs := run(t, "keys", "retire", "--config", c.nodes[0].config(), "--reason", "test", key.FindStringSubmatch(out)[1]); code != 1 || !strings.Contains(errs, "needed") {
		t.Errorf("keys retire: exit code %d\n%s", code, errs)
	}
}

// TestNodesParked: what actions wait for is the same on any node, and whichever is
// asked to, all try them.
func TestNodesParked(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	c := newCluster(t, twin, 2).up()
	takeAway(t, twin)
	x := newTraffic(t, twin)
	x.say(60)
	parked := func() (n float64) {
		return c.nodes[0].metric("teamsdlp_actions_parked") + c.nodes[1].metric("teamsdlp_actions_parked")
	}
	waitFor(t, "the actions on chats to wait, and those on channels to be done", func() bool {
		return parked() > 15 && parked() == c.nodes[0].metric("teamsdlp_inbox_items") && twin.Undelivered() == 0
	})
	for _, s := range c.nodes {
		code, out, errs := run(t, "inbox", "list", "--config", s.config())
		want := fmt.Sprintf("%v actions wait for an operator since ", parked())
		if code != 1 || !strings.Contains(out, want) || !strings.Contains(out, "chats: the app lacks a permission") || strings.Count(out, "\n") != 2 {
			t.Errorf("inbox list: exit code %d, want %q\n%s%s", code, want, out, errs)
		}
	}
	if err := twin.SetFaults(graphtwin.Faults{}); err != nil {
		t.Fatal(err)
	}
	if code, out, errs := run(t, "inbox", "retry", "--config", c.nodes[1].config(), "--parked"); code != 0 && !strings.Contains(errs, "no action waits") {
		t.Errorf("inbox retry: exit code %d\n%s%s", code, out, errs)
	}
	for _, s := range c.nodes {
		s.settleWithin(twin, 2*patience)
	}
	c.settle(twin)
	for _, f := range account(x.said, twin, c.nodes[0].entries()) {
		t.Error(f)
	}
	if n := parked(); n != 0 {
		t.Errorf("%v are said to wait", n)
	}
}
