package test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"teamsdlp/test/graphtwin"
	"teamsdlp/test/trial"
)

// what is to come of a message.
type fate string

const (
	fateBlock  fate = "block"
	fateShadow fate = "shadow"
	fateClean  fate = "clean"
)

// sent is a message that was said and what must come of it.
type sent struct {
	graphtwin.Message
	fate fate
	late int // how many identical PATCHes may have come late, after a pause inside the call
}

// traffic says messages in many conversations: of ten, six are to be blocked,
// two are for a shadow rule and two are clean.
type traffic struct {
	t     *testing.T
	twin  *graphtwin.Twin
	rooms []string
	said  []sent
}

func newTraffic(t *testing.T, twin *graphtwin.Twin) *traffic {
	t.Helper()
	x := &traffic{t: t, twin: twin, rooms: []string{"chat:ana-li", "chat:deal", "chat:standup", "sales/general", "sales/board"}}
	for i := range 30 {
		c, err := twin.AddChat(graphtwin.Chat{Alias: fmt.Sprintf("room%d", i), Members: []string{"ana", "li"}})
		if err != nil {
			t.Fatal(err)
		}
		x.rooms = append(x.rooms, c.ID)
	}
	return x
}

func (x *traffic) say(n int) {
	x.t.Helper()
	for range n {
		i := len(x.said)
		f, text := fateBlock, "card "+card
		switch i % 10 {
		case 3, 7:
			f, text = fateShadow, "meet me in the glasshouse"
		case 5, 9:
			f, text = fateClean, "lunch at noon"
		}
		m := say(x.t, x.twin, "ana", x.rooms[i%len(x.rooms)], fmt.Sprintf("%s (%d)", text, i))
		x.said = append(x.said, sent{Message: m, fate: f})
	}
}

// account compares the sender's own list of 202s with what came of each message
// at the twin and in the log, and returns what is wrong.
func account(said []sent, twin *graphtwin.Twin, log []entry) (faults []string) {
	acked := accepted(twin)
	cases := map[string]string{}         // by message; only an entry with a verdict names the message
	kinds := map[string]map[string]int{} // of each case, how many entries there are of "result applied" and so on
	for _, e := range log {
		if e.Target != nil {
			cases[e.Target.MessageID] = e.Case
		}
		if kinds[e.Case] == nil {
			kinds[e.Case] = map[string]int{}
		}
		what := e.Kind + " " + e.Outcome
		if e.Kind == "result" && e.Graph == nil { // no call of ours: a notification showed it
			what = "confirmed by the echo"
		}
		kinds[e.Case][what]++
	}
	for _, m := range said {
		fault := func(format string, args ...any) {
			faults = append(faults, fmt.Sprintf("%s (%s): ", m.ID, m.fate)+fmt.Sprintf(format, args...))
		}
		v, err := twin.Shown(m.ID)
		if err != nil {
			fault("%v", err)
			continue
		}
		if !acked[m.ID] {
			fault("never answered 202")
			continue
		}
		want := map[string]int{}
		patches := 0
		switch m.fate {
		case fateBlock:
			patches = 1
			want["intent pending"], want["result applied"], want["confirmed by the echo"] = 1, 1, 1
		case fateShadow:
			want["shadow shadow"] = 1
		}
		if v.PatchCount < patches {
			fault("lost: answered 202 and never acted on")
		} else if v.PatchCount > patches+m.late {
			fault("acted on %d times; want %d", v.PatchCount, patches)
		}
		if v.Blocked != (patches == 1) {
			fault("blocked: %v", v.Blocked)
		}
		have := map[string]int{}
		if c, ok := cases[m.GraphID]; ok {
			have = kinds[c]
		}
		if !maps.Equal(have, want) {
			fault("entries %v; want %v", have, want)
		}
	}
	return faults
}

// accepted holds every message whose creation was answered 202.
func accepted(twin *graphtwin.Twin) map[string]bool {
	acked := map[string]bool{}
	for _, a := range twin.Deliveries() {
		if a.Change == "created" && a.Status == http.StatusAccepted {
			acked[a.MessageID] = true
		}
	}
	return acked
}

// killed runs a site under traffic and kills it, rounds times, at moments that
// the seed decides: after so many further 202s or PATCHes, and a little later; now and then while it is starting.
func killed(s *site, x *traffic, rng *rand.Rand, rounds, messages int) (outputs []string) {
	t := s.t
	t.Helper()
	s.up()
	for round := range rounds {
		if rng.IntN(2) == 0 {
			s.ready() // else the messages find it down, or coming up
		}
		events := func() int { return len(accepted(x.twin)) + len(x.twin.Patches()) }
		mark := events() + 1 + rng.IntN(max(2, messages/rounds))
		x.say((round+1)*messages/rounds - len(x.said))
		ctx, cancel := context.WithTimeout(t.Context(), patience)
		if err := x.twin.Await(ctx, func() bool { return events() >= mark || s.ended() }); err != nil {
			t.Fatalf("round %d: nothing happens: %v\n%s", round, err, s.stderr.String())
		}
		cancel()
		moment(rng, 8*time.Millisecond)
		s.kill()
		outputs = append(outputs, s.stdout.String())
		s.launch()
		if rng.IntN(4) == 0 {
			moment(rng, 150*time.Millisecond)
			s.kill()
			outputs = append(outputs, s.stdout.String())
			s.launch()
		}
	}
	s.ready()
	s.settle(x.twin)
	s.stop(t)
	return append(outputs, s.stdout.String())
}

// moment passes some time below most: not to wait for anything, but so that a
// kill does not always follow right on an event.
func moment(rng *rand.Rand, most time.Duration) {
	<-time.After(time.Duration(rng.Int64N(int64(most))))
}

func newRand(t *testing.T) *rand.Rand {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

func oftenSealed(path string) func(node) {
	return func(d node) {
		d["action_log"] = node{"checkpoint_file": path, "checkpoint_every": "1s", "checkpoint_rows": 20}
	}
}

// TestKill: 40 and more kills under traffic, 500 messages. Every message that
// was answered 202 is judged once and acted on once, and the log is whole
// against the checkpoints that left the process.
func TestKill(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		rounds, messages := trial.Chaos(40, 150), trial.Chaos(500, 2000)
		if store == onRedis { // each start waits for the lease of the one before
			rounds, messages = trial.Chaos(20, 75), trial.Chaos(250, 1000)
		}
		twin := newTwin(t)
		away := filepath.Join(t.TempDir(), "checkpoints")
		s := newSiteOn(t, store, twin.URL(), oftenSealed(away))
		x := newTraffic(t, twin)
		outputs := killed(s, x, newRand(t), rounds, messages)
		if len(outputs)-1 < 20 {
			t.Errorf("only %d kills", len(outputs)-1)
		}
		if len(x.said) != messages {
			t.Errorf("only %d messages", len(x.said))
		}
		log := s.entries()
		if faults := account(x.said, twin, log); len(faults) > 0 {
			t.Errorf("%d faults, as\n%s", len(faults), strings.Join(faults[:min(10, len(faults))], "\n"))
		}
		again, found := interrupted(twin, log)
		t.Logf("%d messages were delivered again; of %d actions a read found that they had worked", again, found)
		if again == 0 { // that a read finds an action is left to chance here; TestKillAtEachPoint makes sure of it
			t.Error("the kills hit nothing that was under way")
		}
		for i, e := range log {
			if e.Seq != int64(i) {
				t.Fatalf("entry %d has seq %d", i, e.Seq)
			}
		}
		if n := len(twin.Requests(graphtwin.Filter{Method: http.MethodPost, Path: "/subscriptions$"})); n != 2 {
			t.Errorf("%d subscriptions were asked for over %d starts; want 2", n, len(outputs))
		}
		verifies(t, s, "the file", away, len(log))
		out := filepath.Join(t.TempDir(), "stdout")
		writeFile(t, out, strings.Join(outputs, ""))
		verifies(t, s, "standard output", out, len(log))
		wantSound(t, s, away)
		trial.Tried(t, "F1: %d kills under load, %d messages, %d delivered again, %d actions found by a read: nothing lost, nothing done twice", len(outputs)-1, len(x.said), again, found)
	})
}

// interrupted says what the kills hit: messages that had to be delivered again,
// and actions that Graph had taken when their result was not on disk.
func interrupted(twin *graphtwin.Twin, log []entry) (deliveries, actions int) {
	again := map[string]bool{}
	for _, a := range twin.Deliveries() {
		if a.Number > 1 {
			again[a.MessageID] = true
		}
	}
	for _, e := range log {
		if e.Graph != nil && e.Graph.Reconciled {
			actions++
		}
	}
	return len(again), actions
}

// verifies wants the log to be whole and covered to its end by checkpoints.
func verifies(t *testing.T, s *site, what, checkpoints string, size int) {
	t.Helper()
	code, out, errs := run(t, "actions", "verify", "--data", s.data(), "--key", publicKey(t, s), "--checkpoints", checkpoints, "--json")
	var report struct {
		OK                         bool
		Size, Checkpoints, Covered int
		External                   bool
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
		t.Errorf("actions verify against %s: exit code %d, %v\n%s%s", what, code, err, out, errs)
		return
	}
	if !report.OK || !report.External || report.Size != size || report.Covered != size || report.Checkpoints < 2 { // how many depends on time
		t.Errorf("actions verify against %s: %+v; want %d entries, all covered, by several checkpoints", what, report, size)
	}
}

func publicKey(t *testing.T, s *site) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(s.dir, "keys", "checkpoint*pub*"))
	if err != nil || len(found) != 1 {
		t.Fatalf("public checkpoint keys: %v %v", found, err)
	}
	return found[0]
}

// TestKillIsNoticed: the same account of a build that answers before it commits
// misses messages, and of one that sends twice finds both.
func TestKillIsNoticed(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		twin := newTwin(t)
		s := newSiteOn(t, store, twin.URL())
		s.exe, s.env = faulty(t), []string{"TEAMSDLP_FAULT=ack-before-commit"}
		x := newTraffic(t, twin)
		killed(s, x, newRand(t), 5, 100)
		faults := account(x.said, twin, s.entries())
		if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, "lost: ") }) {
			t.Errorf("a build that answers before the commit was not noticed: %d faults %v", len(faults), faults)
		}
		trial.Tried(t, "control: \"ack-before-commit\" is found out by %d faults", len(faults))
	})
}

func TestTwiceIsNoticed(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		twin := newTwin(t)
		s := newSiteOn(t, store, twin.URL())
		s.exe, s.env = faulty(t), []string{"TEAMSDLP_FAULT=patch-twice"}
		s.up()
		x := newTraffic(t, twin)
		x.say(10)
		s.settle(twin)
		faults := account(x.said, twin, s.entries())
		if n := len(slices.DeleteFunc(faults, func(f string) bool { return !strings.Contains(f, "acted on 2 times") })); n != 6 {
			t.Errorf("a build that sends twice: noticed for %d of 6 messages", n)
		}
		trial.Tried(t, "control: \"patch-twice\" is found out: 6 of 6 messages were acted on twice")
	})
}

// TestVerifyNotices: what the kill test relies on fails on a log that was cut
// off or whose checkpoints are of another log.
func TestVerifyNotices(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	away := filepath.Join(t.TempDir(), "checkpoints")
	s := newSite(t, twin.URL(), oftenSealed(away)).up()
	x := newTraffic(t, twin)
	x.say(10)
	s.settle(twin)
	s.stop(t)
	early := t.TempDir()
	if err := os.CopyFS(filepath.Join(early, "data"), os.DirFS(s.data())); err != nil {
		t.Fatal(err)
	}
	s.up()
	x.say(10)
	s.settle(twin)
	s.stop(t)
	for _, tc := range []struct {
		name, data, checkpoints string
		code                    int
	}{
		{"whole", s.data(), away, 0},
		{"rolled back", filepath.Join(early, "data"), away, 1},
	} {
		code, out, errs := run(t, "actions", "verify", "--data", tc.data, "--key", publicKey(t, s), "--checkpoints", tc.checkpoints)
		if code != tc.code {
			t.Errorf("%s: exit code %d; want %d\n%s%s", tc.name, code, tc.code, out, errs)
		}
	}
}
