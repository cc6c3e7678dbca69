package test

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	_ "modernc.org/sqlite" // to look into the file as any other program would

	"teamsdlp/test/graphtwin"
	"teamsdlp/test/trial"
)

// The fault suite of one node, on the real binary. Every test of it comes with a
// build that breaks the promise in question, and must find that build out; see
// teamsdlp/cmd/internal/faults for what can be broken. With TEAMSDLP_CHAOS set
// (make chaos) it goes on for minutes, without for seconds.

// breaking tells a site to run the binary that breaks a promise; with none it stays as it is.
func (s *site) breaking(how string) *site {
	s.t.Helper()
	if how != "" {
		s.exe, s.env = faulty(s.t), []string{"TEAMSDLP_FAULT=" + how}
	}
	return s
}

// hitting tells it to do something at a point of the way: "decided:kill:2".
func (s *site) hitting(at string) *site {
	s.t.Helper()
	s.exe = faulty(s.t)
	s.env = append(slices.DeleteFunc(s.env, func(v string) bool { return strings.HasPrefix(v, "TEAMSDLP_HIT=") }), "TEAMSDLP_HIT="+at)
	return s
}

// healed tells it to hit nothing any more; a promise stays broken.
func (s *site) healed() *site {
	s.env = slices.DeleteFunc(s.env, func(v string) bool { return strings.HasPrefix(v, "TEAMSDLP_HIT=") })
	return s
}

// awaitEnd waits until the process has died by itself.
func (s *site) awaitEnd() {
	s.t.Helper()
	waitFor(s.t, "the process to die", s.ended)
}

// look asks the database file, as any other program would.
func (s *site) look(query string, into ...any) {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.data(), "teamsdlp.db")+"?mode=ro")
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	if err := db.QueryRow(query).Scan(into...); err != nil {
		s.t.Fatalf("%s: %v", query, err)
	}
}

// change alters the file while nobody runs on it.
func (s *site) change(queries ...string) {
	s.t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(s.data(), "teamsdlp.db"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer db.Close()
	for _, q := range queries {
		if _, err := db.Exec(q); err != nil {
			s.t.Fatalf("%s: %v", q, err)
		}
	}
}

// sound checks what must hold after every scenario, whatever it was: nothing is
// left half done, every intent has one result, the file is whole, the log is whole
// against the checkpoints that left the process (away; empty: there are none),
// and nothing printed holds what people wrote.
func sound(t *testing.T, s *site, away string, printed ...string) (faults []string) {
	t.Helper()
	if s.proc != nil && !s.ended() {
		s.stop(t)
	}
	fault := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	var (
		check            string
		decided, waiting int
	)
	s.look("PRAGMA integrity_check", &check)
	if s.redis != nil {
		decided, waiting = s.unfinished()
	} else {
		s.look("SELECT count(*) FROM effect WHERE state = 'decided'", &decided)
		s.look("SELECT count(*) FROM inbox", &waiting)
	}
	if check != "ok" {
		fault("integrity_check: %s", check)
	}
	if decided+waiting > 0 {
		fault("%d effects are decided without a result, %d items wait", decided, waiting)
	}
	log := s.entries()
	open := map[string]int{} // intents of each case without a result, by their order in the log
	for i, e := range log {
		if e.Seq != int64(i) {
			fault("entry %d has number %d", i, e.Seq)
		}
		switch {
		case e.Outcome == "pending":
			open[e.Case]++
		case e.Kind == "result" && e.Graph != nil:
			open[e.Case]--
			if open[e.Case] < 0 {
				fault("case %s has a result without an intent", e.Case)
			}
		}
	}
	for c, n := range open {
		if n > 0 {
			fault("case %s has %d intents without a result", c, n)
		}
	}
	if away != "" {
		if code, out, errs := run(t, "actions", "verify", "--data", s.data(), "--key", publicKey(t, s), "--checkpoints", away); code != 0 {
			fault("actions verify: %s%s", out, errs)
		}
	}
	if s.proc != nil {
		printed = append(printed, s.stdout.String(), s.stderr.String())
	}
	for _, text := range printed {
		for _, secret := range []string{card, strings.ReplaceAll(card, " ", ""), "glasshouse", "lunch at noon"} {
			if strings.Contains(text, secret) {
				fault("%q was printed", secret)
			}
		}
	}
	return faults
}

// wantSound fails the test over what sound finds.
func wantSound(t *testing.T, s *site, away string, printed ...string) {
	t.Helper()
	for _, f := range sound(t, s, away, printed...) {
		t.Error(f)
	}
}

// wantAccount fails the test over what account finds.
func wantAccount(t *testing.T, x *traffic, s *site) {
	t.Helper()
	if faults := account(x.said, x.twin, s.entries()); len(faults) > 0 {
		t.Errorf("%d faults, as\n%s", len(faults), strings.Join(faults[:min(10, len(faults))], "\n"))
	}
}

// points are those of teamsdlp/cmd/internal/faults, in the order in which a
// message passes them.
var points = []string{"parsed", "commit", "committed", "leased", "judged", "decided", "patch-sent", "patch-applied", "terminal"}

// F2. The process dies at each point of the way of a message. What was answered
// 202 is judged once and acted on once, whichever it was.
func TestKillAtEachPoint(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		nths := trial.Chaos(1, 5)
		for _, point := range points {
			t.Run(point, func(t *testing.T) {
				t.Parallel()
				for nth := range nths {
					twin := newTwin(t)
					away := filepath.Join(t.TempDir(), "checkpoints")
					s := newSiteOn(t, store, twin.URL(), oftenSealed(away))
					s.up().stop(t) // so that the point is reached by messages, not by the first start
					s.hitting(fmt.Sprintf("%s:kill:%d", point, 3*nth+2)).launch()
					x := newTraffic(t, twin)
					x.say(20)
					for end := time.Now().Add(patience); !eventually(500*time.Millisecond, s.ended); {
						if time.Now().After(end) {
							t.Fatalf("the point was not reached %d times", 3*nth+2)
						}
						x.say(5) // many come in one request, and not every message comes to each point
					}
					first := s.stderr.String()
					s.healed().launch()
					s.ready()
					s.settle(twin)
					s.stop(t)
					wantAccount(t, x, s)
					wantSound(t, s, away, first)
				}
				trial.Tried(t, "F2: killed %d time(s) at %q, 20 messages and more each: nothing lost, nothing done twice", nths, point)
			})
		}
	})
}

// Each of these builds breaks what the kills rely on, and is found out.
func TestKillAtAPointIsNoticed(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		for _, c := range []struct{ point, fault, says string }{
			{"committed", "ack-before-commit", "lost: "},
			{"patch-applied", "no-read-first", "acted on 2 times"},
			{"decided", "forget-unfinished", "lost: "},
			{"judged", "no-intent", "entries map["},
		} {
			t.Run(c.fault, func(t *testing.T) {
				t.Parallel()
				twin := newTwin(t)
				s := newSiteOn(t, store, twin.URL())
				s.up().stop(t)
				s.breaking(c.fault)
				if c.fault != "ack-before-commit" { // which never gets that far
					s.hitting(c.point + ":kill:2")
				}
				s.launch()
				x := newTraffic(t, twin)
				x.say(20)
				if c.fault == "ack-before-commit" {
					ctx, cancel := context.WithTimeout(t.Context(), patience)
					defer cancel()
					if err := twin.Await(ctx, func() bool { return len(accepted(twin)) > 0 }); err != nil {
						t.Fatal(err)
					}
					s.kill()
				}
				s.awaitEnd()
				s.healed().launch()
				s.ready()
				s.settle(twin)
				faults := account(x.said, twin, s.entries())
				if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, c.says) }) {
					t.Errorf("not noticed: %v", faults)
				}
				trial.Tried(t, "control: %q at %q is found out by %d faults", c.fault, c.point, len(faults))
			})
		}
	})
}

// F10. A process that is stopped for a while, and goes on: no other may work on
// its data meanwhile, and what it had decided is done once.
func TestStopped(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL())
	s.up().stop(t)
	s.hitting("decided:stop:3").launch()
	x := newTraffic(t, twin)
	x.say(30)
	first := s.besideStopped(binary)
	if code := s.wait(t); code != 2 || !strings.Contains(s.stderr.String(), "another server process") {
		t.Errorf("a second process beside a stopped one: exit code %d\n%s", code, s.stderr.String())
	}
	s.goOn(first)
	s.settle(twin)
	wantAccount(t, x, s)
	wantSound(t, s, "")
	trial.Tried(t, "F10: stopped with an order decided, a second process refused, continued: 30 messages, nothing lost, nothing done twice")
}

// Two processes on the same data act twice. One that was stopped in the middle of
// a write keeps the second from starting at all, so there are several attempts.
func TestStoppedIsNoticed(t *testing.T) {
	t.Parallel()
	for range 10 {
		twin := newTwin(t)
		s := newSite(t, twin.URL())
		s.up().stop(t)
		s.hitting("decided:stop").launch()
		m := say(t, twin, "ana", "ana-li", "card "+card)
		s.env = []string{"TEAMSDLP_FAULT=no-lock"}
		first := s.besideStopped(faulty(t))
		waitFor(t, "the second process to act", func() bool { return s.ended() || shown(t, twin, m).PatchCount > 0 })
		s.kill()
		s.goOn(first)
		await(t, twin, m, "blocked", blocked)
		waitFor(t, "the first process to go on with its order", func() bool {
			return first.ended() || strings.Contains(first.stderr.String(), `"msg":"action"`) || shown(t, twin, m).PatchCount > 1
		})
		if shown(t, twin, m).PatchCount > 1 {
			trial.Tried(t, "control: \"no-lock\" is found out: two processes acted on one message")
			return
		}
		s.kill()
	}
	t.Error("two processes on the same data were not noticed")
}

// besideStopped starts a second process on the data of one that has stopped
// itself, which it returns.
func (s *site) besideStopped(exe string) (first *stopped) {
	s.t.Helper()
	s.says(s.t, "stopped at decided")
	first = &stopped{s.proc, s.public, s.private}
	s.edit(s.ports) // the first one holds its addresses
	if s.exe = exe; exe == binary {
		s.env = nil
	}
	s.launch()
	return first
}

// stopped is a process that SIGSTOP holds, and where it listens.
type stopped struct {
	*proc
	public, private string
}

func (s *site) goOn(first *stopped) {
	s.t.Helper()
	if err := first.cmd.Process.Signal(syscall.SIGCONT); err != nil {
		s.t.Fatal(err)
	}
	s.proc, s.public, s.private = first.proc, first.public, first.private
}

// F12. A Graph that refuses, fails, hangs and forgets to answer.
func TestStormyGraph(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		storm := func(t *testing.T, twin *graphtwin.Twin, wait string) {
			patch := func(r graphtwin.Rule) graphtwin.Rule {
				r.Method, r.Path = http.MethodPatch, "/messages/"
				return r
			}
			err := twin.SetFaults(graphtwin.Faults{Rules: []graphtwin.Rule{
				patch(graphtwin.Rule{Status: http.StatusTooManyRequests, RetryAfter: wait, Count: 1}), // at least one
				patch(graphtwin.Rule{Reset: true, Apply: true, Count: 1}),
				patch(graphtwin.Rule{Status: http.StatusTooManyRequests, RetryAfter: wait, Probability: .2}),
				patch(graphtwin.Rule{Status: http.StatusServiceUnavailable, Probability: .1}),
				patch(graphtwin.Rule{Status: http.StatusBadGateway, HTML: true, Probability: .05}),
				patch(graphtwin.Rule{Reset: true, Apply: true, Probability: .1}),
				patch(graphtwin.Rule{Apply: true, Delay: graphtwin.Duration(20 * time.Second), Probability: .02}),
				{Method: http.MethodGet, Path: "/messages/", Status: http.StatusServiceUnavailable, Probability: .1},
			}})
			if err != nil {
				t.Fatal(err)
			}
		}
		// early counts the PATCHes of a message that came before the time that its
		// last refusal had asked for.
		early := func(twin *graphtwin.Twin, wait time.Duration) (n, refused int) {
			until := map[string]time.Time{}
			for _, p := range twin.Patches() {
				if p.At.Before(until[p.Path]) {
					n++
				}
				if p.Status == http.StatusTooManyRequests {
					refused++
					until[p.Path] = p.At.Add(wait)
				}
			}
			return n, refused
		}
		slow := func(d node) { d["graph"].(node)["timeout"] = "3s" }
		t.Run("as built", func(t *testing.T) {
			t.Parallel()
			twin := newTwin(t)
			away := filepath.Join(t.TempDir(), "checkpoints")
			s := newSiteOn(t, store, twin.URL(), slow, oftenSealed(away)).up()
			storm(t, twin, "1.5")
			x := newTraffic(t, twin)
			x.say(trial.Chaos(25, 250))
			s.settleWithin(twin, 2*patience)
			n, refused := early(twin, 1500*time.Millisecond)
			if n > 0 || refused == 0 {
				t.Errorf("%d PATCHes before the time that a 429 asked for, of %d refusals", n, refused)
			}
			wantAccount(t, x, s)
			wantSound(t, s, away)
			trial.Tried(t, "F12: %d messages, %d PATCHes of which %d refused with 429: nothing lost, nothing done twice, none too early", len(x.said), len(twin.Patches()), refused)
		})
		t.Run("no-retry-after", func(t *testing.T) {
			t.Parallel()
			twin := newTwin(t)
			newSiteOn(t, store, twin.URL(), slow).breaking("no-retry-after").up()
			storm(t, twin, "20") // far longer than our own first waits
			newTraffic(t, twin).say(10)
			waitFor(t, "a PATCH that comes too early", func() bool { n, _ := early(twin, 20*time.Second); return n > 0 })
			trial.Tried(t, "control: \"no-retry-after\" is found out: a PATCH came before its time")
		})
	})
}

// F13. Notifications that come several times, in any order, while messages are
// edited and deleted: what stands in the end is the verdict on the newest text.
func TestDisorder(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		twin := newTwin(t)
		away := filepath.Join(t.TempDir(), "checkpoints")
		s := newSiteOn(t, store, twin.URL(), oftenSealed(away)).up()
		err := twin.SetFaults(graphtwin.Faults{Delivery: []graphtwin.DeliveryFault{
			{Kind: graphtwin.FaultReorder, Probability: .3, Delay: graphtwin.Duration(100 * time.Millisecond)},
			{Kind: graphtwin.FaultDuplicate, Probability: .5},
			{Kind: graphtwin.FaultDelay, Probability: .3, Delay: graphtwin.Duration(50 * time.Millisecond)},
		}})
		if err != nil {
			t.Fatal(err)
		}
		rng := newRand(t)
		texts := []string{"card " + card, "lunch at noon", "another card 5425 2334 " + "3010 9903", "see you then"}
		type story struct {
			graphtwin.Message
			text    int
			deleted bool
		}
		x := newTraffic(t, twin)
		stories := make([]*story, trial.Chaos(30, 300))
		for i := range stories {
			n := rng.IntN(len(texts))
			stories[i] = &story{Message: say(t, twin, "ana", x.rooms[i%len(x.rooms)], texts[n]), text: n}
		}
		for range 3 * len(stories) {
			st := stories[rng.IntN(len(stories))]
			if st.deleted {
				continue
			}
			switch n := rng.IntN(8); n {
			case 0:
				st.deleted = true
				_, err = twin.Delete(st.ID)
			case 1:
				_, err = twin.React(st.ID, "li", "like")
			default:
				st.text = n % len(texts)
				_, err = twin.Edit(st.ID, "<p>"+texts[st.text]+"</p>")
			}
			if err != nil {
				t.Fatal(err)
			}
			moment(rng, 10*time.Millisecond)
		}
		s.settle(twin)
		again := 0
		for _, st := range stories {
			v := shown(t, twin, st.Message)
			if want := st.text%2 == 0 && !st.deleted; v.Blocked != want && !st.deleted {
				t.Errorf("message %s: blocked %v, its newest text wants %v\n%+v", st.ID, v.Blocked, want, v.Patches)
			}
			again += v.PatchCount
		}
		wantSound(t, s, away)
		trial.Tried(t, "F13: %d messages edited and deleted under %d notifications, doubled and out of order: the newest text's verdict stands on each", len(stories), len(twin.Deliveries()))
	})
}

// A violating first version that arrives after its clean second one is not acted
// on; two builds that do are found out.
func TestLateVersion(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		for _, fault := range []string{"", "arrival-order", "forget-clean"} {
			t.Run("build "+fault, func(t *testing.T) {
				t.Parallel()
				twin := newTwin(t)
				s := newSiteOn(t, store, twin.URL())
				s.breaking(fault)
				s.up()
				if err := twin.SetFaults(graphtwin.Faults{Delivery: []graphtwin.DeliveryFault{{Kind: graphtwin.FaultDelay, Change: "created", Delay: graphtwin.Duration(600 * time.Millisecond)}}}); err != nil {
					t.Fatal(err)
				}
				m := say(t, twin, "ana", "ana-li", "card "+card)
				if _, err := twin.Edit(m.ID, "<p>lunch at noon</p>"); err != nil {
					t.Fatal(err)
				}
				s.settle(twin)
				n := shown(t, twin, m).PatchCount
				if (n > 0) != (fault != "") {
					t.Errorf("%d PATCHes for a text that was edited away before it arrived", n)
				}
				if fault == "" {
					trial.Tried(t, "F13: a violating version that arrives after its clean successor is left alone")
				} else {
					trial.Tried(t, "control: %q is found out: the older version was acted on", fault)
				}
			})
		}
	})
}

// F14. Every PATCH comes back as a notification, and people react all the time.
func TestEchoStorm(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		t.Run("as built", func(t *testing.T) {
			t.Parallel()
			twin := newTwin(t)
			s := newSiteOn(t, store, twin.URL()).up()
			x := newTraffic(t, twin)
			x.say(trial.Chaos(30, 300))
			for range 5 {
				for _, m := range x.said {
					if _, err := twin.React(m.ID, "li", "heart"); err != nil {
						t.Fatal(err)
					}
				}
			}
			s.settle(twin)
			wantAccount(t, x, s)
			wantSound(t, s, "")
			trial.Tried(t, "F14: %d messages, %d notifications of echoes and reactions: one PATCH each", len(x.said), len(twin.Deliveries()))
		})
		t.Run("no-loop-guard", func(t *testing.T) {
			t.Parallel()
			twin := newTwin(t)
			newSiteOn(t, store, twin.URL()).breaking("no-loop-guard").up()
			m := say(t, twin, "ana", "ana-li", "card "+card)
			await(t, twin, m, "PATCHed in a loop", func(v graphtwin.View) bool { return v.PatchCount > 3 })
			trial.Tried(t, "control: \"no-loop-guard\" is found out: its own echo was acted on")
		})
	})
}

// F15. The process dies after Graph took a block and before that is on record; its
// sender overrides meanwhile. The override stands, also over a reload of the rules
// and a reaction.
func TestOverrideInBetween(t *testing.T) {
	t.Parallel()
	onEachStore(t, func(t *testing.T, store string) {
		for _, c := range []struct{ fault, says string }{
			{"", ""},
			{"ignore-override", "no entry of the override"},
			{"no-read-first", "trampled"},
		} {
			t.Run("build "+c.fault, func(t *testing.T) {
				t.Parallel()
				twin := newTwin(t)
				s := newSiteOn(t, store, twin.URL())
				s.up().stop(t)
				s.breaking(c.fault)
				s.hitting("patch-applied:kill").launch()
				m := say(t, twin, "ana", "ana-li", "card "+card)
				s.awaitEnd()
				if _, err := twin.Override(m.ID, "the supplier asked for it"); err != nil {
					t.Fatal(err)
				}
				s.healed().launch()
				s.ready()
				s.settle(twin)
				s.useRules()
				s.writeRule("more.yaml", "lists:\n  - {id: more, words: [nothing]}\n")
				if _, err := twin.React(m.ID, "li", "like"); err != nil {
					t.Fatal(err)
				}
				s.settle(twin)
				var found []string
				if v := shown(t, twin, m); v.Blocked || v.PatchCount != 1 {
					found = append(found, fmt.Sprintf("trampled: blocked %v, %d PATCHes", v.Blocked, v.PatchCount))
				}
				if n := len(slices.DeleteFunc(s.entries(), func(e entry) bool { return e.Kind != "override" })); n != 1 {
					found = append(found, fmt.Sprintf("no entry of the override, or several: %d", n))
				}
				if c.fault == "" {
					for _, f := range found {
						t.Error(f)
					}
					wantSound(t, s, "")
					trial.Tried(t, "F15: an override between PATCH and redelivery stands, over a reload and a reaction")
					return
				}
				if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, c.says) }) {
					t.Errorf("not noticed: %v", found)
				}
				trial.Tried(t, "control: %q is found out: %s", c.fault, strings.Join(found, "; "))
			})
		}
	})
}

// F17. Microsoft's signing keys are out of reach: what cannot be verified waits,
// is not acted on, and is verified once they are back; what turns out to be forged
// is dropped. That it is verified as of its receipt takes hours to show:
// webhook.TestProveDeferred shows it on a clock of its own.
func TestSigningKeysOut(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ fault, says string }{
		{"", ""},
		{"trust-deferred", "acted on unverified"},
	} {
		t.Run("build "+c.fault, func(t *testing.T) {
			t.Parallel()
			twin := newTwin(t)
			s := newSite(t, twin.URL())
			s.breaking(c.fault)
			out := graphtwin.Faults{Rules: []graphtwin.Rule{{Path: "keys", Status: http.StatusServiceUnavailable}}}
			if err := twin.SetFaults(out); err != nil {
				t.Fatal(err)
			}
			s.launch()
			waitFor(t, "the subscriptions", func() bool { return s.metric("teamsdlp_resources_uncovered") == 0 })
			m := say(t, twin, "ana", "ana-li", "card "+card)
			out.Delivery = []graphtwin.DeliveryFault{{Kind: graphtwin.FaultTokenAudience}}
			if err := twin.SetFaults(out); err != nil {
				t.Fatal(err)
			}
			forged := say(t, twin, "li", "ana-li", "card "+card)
			waitFor(t, "both to be delivered", func() bool { return twin.Undelivered() == 0 && s.metric("teamsdlp_inbox_items") >= 0 })
			var found []string
			acts := func() bool { return shown(t, twin, m).PatchCount+shown(t, twin, forged).PatchCount > 0 }
			if c.fault == "trust-deferred" {
				waitFor(t, "an action", acts)
			}
			if acts() {
				found = append(found, "acted on unverified")
			}
			if err := twin.SetFaults(graphtwin.Faults{}); err != nil {
				t.Fatal(err)
			}
			s.settle(twin)
			if shown(t, twin, m).PatchCount != 1 {
				found = append(found, "lost: a genuine message")
			}
			if shown(t, twin, forged).PatchCount != 0 {
				found = append(found, "acted on a forged message")
			}
			if c.fault == "" {
				for _, f := range found {
					t.Error(f)
				}
				wantSound(t, s, "")
				trial.Tried(t, "F17: keys out of reach: a genuine message waited and was acted on once they were back, a forged one never was")
				return
			}
			if !slices.ContainsFunc(found, func(f string) bool { return strings.Contains(f, c.says) }) {
				t.Errorf("not noticed: %v", found)
			}
			trial.Tried(t, "control: %q is found out: %s", c.fault, strings.Join(found, "; "))
		})
	}
}

// F18, as far as it takes the whole binary: content changed on its way is set
// aside, never read; a build that decrypts first is found out.
func TestSpoiledContent(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"", "no-hmac"} {
		t.Run("build "+fault, func(t *testing.T) {
			t.Parallel()
			twin := newTwin(t)
			s := newSite(t, twin.URL())
			s.breaking(fault)
			s.up()
			if err := twin.SetFaults(graphtwin.Faults{Delivery: []graphtwin.DeliveryFault{{Kind: graphtwin.FaultFlipSignature, Change: "created"}}}); err != nil {
				t.Fatal(err)
			}
			m := say(t, twin, "ana", "ana-li", "card "+card)
			s.settle(twin)
			n, aside := shown(t, twin, m).PatchCount, s.metric("teamsdlp_quarantine_items")
			if (n == 0 && aside == 1) != (fault == "") {
				t.Errorf("%d PATCHes, %v set aside", n, aside)
			}
			if fault == "" {
				wantSound(t, s, "")
				trial.Tried(t, "F18: content with another signature is set aside with its ciphertext")
			} else {
				trial.Tried(t, "control: %q is found out: spoiled content was acted on", fault)
			}
		})
	}
}

// F20. The encryption key is rotated while items wait that are under the old one.
func TestKeyRotatedUnderABacklog(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL())
	s.up().stop(t)
	s.hitting("leased:1h:0").launch() // nothing is opened
	s.ready()
	x := newTraffic(t, twin)
	x.say(trial.Chaos(100, 10_000))
	waitFor(t, "the backlog", func() bool { return len(accepted(twin)) == len(x.said) })
	s.kill()
	before, err := filepath.Glob(s.file("keys/encryption-*.key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	if code, out, errs := run(t, "keys", "new", "--keys-dir", s.file("keys"), "--data-dir", s.data()); code != 0 {
		t.Fatalf("keys new: %d\n%s%s", code, out, errs)
	}
	after, err := filepath.Glob(s.file("keys/encryption-*.key.pem"))
	if err != nil || len(after) != len(before)+1 {
		t.Fatalf("keys before %v, after %v, %v", before, after, err)
	}
	oldID := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(before[0]), "encryption-"), ".key.pem")
	s.launch() // nothing is opened still
	s.ready()
	if code, out, errs := run(t, "keys", "retire", oldID, "--data", s.data()); code != 1 || !strings.Contains(errs, "the key is needed") {
		t.Errorf("retiring the key that %d items wait for: exit code %d\n%s%s", len(x.said), code, out, errs)
	}
	s.kill()
	s.healed().launch()
	s.ready()
	waitFor(t, "the subscriptions to name the new key", func() bool {
		return !slices.ContainsFunc(twin.Subscriptions(), func(sub graphtwin.Subscription) bool {
			return sub.CertificateID == oldID
		})
	})
	old := len(x.said)
	x.say(20)
	s.settleWithin(twin, 2*patience)
	wantAccount(t, x, s)
	wantSound(t, s, "")
	trial.Tried(t, "F20: retiring the old key refused; %d items under the old key and %d under the new: all opened, nothing lost", old, len(x.said)-old)
}

// Without the key that they name, items are set aside with their ciphertext: what
// opens them above is the old key, and the account misses them.
func TestKeyRemovedIsNoticed(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL())
	s.up().stop(t)
	s.hitting("leased:1h:0").launch()
	s.ready()
	x := newTraffic(t, twin)
	x.say(10)
	waitFor(t, "the backlog", func() bool { return len(accepted(twin)) == len(x.said) })
	s.kill()
	for _, pattern := range []string{"keys/encryption-*.key.pem", "keys/encryption-*.cert.pem"} {
		files, err := filepath.Glob(s.file(pattern))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		if err := os.Rename(files[0], filepath.Join(t.TempDir(), "away")); err != nil {
			t.Fatal(err)
		}
	}
	if code, out, errs := run(t, "keys", "new", "--keys-dir", s.file("keys"), "--data-dir", s.data()); code != 0 {
		t.Fatalf("keys new: %d\n%s%s", code, out, errs)
	}
	s.healed().launch()
	s.ready()
	s.settle(twin)
	if n := s.metric("teamsdlp_quarantine_items"); n != 10 {
		t.Errorf("%v items set aside, want 10", n)
	}
	faults := account(x.said, twin, s.entries())
	if !slices.ContainsFunc(faults, func(f string) bool { return strings.Contains(f, "lost: ") }) {
		t.Errorf("not noticed: %v", faults)
	}
	trial.Tried(t, "control: the old key taken away by hand: 10 items set aside, and missed by the account")
}

// F23. SIGTERM under load, again and again; the build that answers before it
// stores is found out by the same account in TestKillIsNoticed.
func TestDrainUnderLoad(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	away := filepath.Join(t.TempDir(), "checkpoints")
	s := newSite(t, twin.URL(), oftenSealed(away)).up()
	x := newTraffic(t, twin)
	rng := newRand(t)
	rounds := trial.Chaos(4, 30)
	for range rounds {
		x.say(25)
		moment(rng, 60*time.Millisecond)
		s.says(t, `"msg":"serving"`) // until then SIGTERM is nobody's business but the kernel's
		s.stop(t)
		s.launch()
	}
	s.ready()
	s.settle(twin)
	wantAccount(t, x, s)
	wantSound(t, s, away)
	trial.Tried(t, "F23: told to end %d times under load: %d messages, nothing lost, nothing done twice", rounds, len(x.said))
}

// The normal binary knows none of this.
func TestNoFaultsInTheProduct(t *testing.T) {
	t.Parallel()
	data, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	faults, err := os.ReadFile(faulty(t))
	if err != nil {
		t.Fatal(err)
	}
	names := regexp.MustCompile(`TEAMSDLP_(HIT|FAULT)`)
	if names.Match(data) || !names.Match(faults) {
		t.Errorf("the product holds hooks: %v; the test build: %v", names.Match(data), names.Match(faults))
	}
}
