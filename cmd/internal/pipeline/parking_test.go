package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"teamsdlp/actions"
	"teamsdlp/webhook"
)

const lesser = "<p>daffodil</p>"

var noRole = &actions.CallError{Status: 403, Code: "Authorization_RequestDenied", Message: "Insufficient privileges"}

// sayIn notifies of n violating messages, each in a chat of its own.
func (r *rig) sayIn(n int, body string, alter ...func(*webhook.Item)) {
	for range n {
		i := r.inbox.rows()
		chat := "19:" + strconv.Itoa(i) + "@thread.v2"
		r.notify("created", said{id: strconv.Itoa(1000 + i), body: body, chat: chat}, append([]func(*webhook.Item){func(item *webhook.Item) {
			item.Resource = fmt.Sprintf("chats('%s')/messages('%d')", chat, 1000+i)
		}}, alter...)...)
	}
}

// results counts the log's results by outcome, and keeps the reasons of failures.
func (r *rig) results() (outcomes map[string]int, reasons []string) {
	r.Helper()
	entries, err := r.ledger.Entries(context.Background(), actions.Filter{After: new(int64(-1)), Limit: 5000})
	if err != nil {
		r.Fatal(err)
	}
	outcomes = map[string]int{}
	for _, e := range entries {
		if e.Kind == actions.KindResult {
			outcomes[string(e.Outcome)]++
			if e.Outcome == actions.OutcomeFailed {
				reasons = append(reasons, e.Verdict)
			}
		}
	}
	return outcomes, reasons
}

// A permission is taken away for hours and given back: no block is lost, Graph is
// asked now and then by one order alone, and all follow by themselves.
func TestPermissionGoneForHours(t *testing.T) {
	for _, refusal := range []*actions.CallError{
		noRole, {Status: 402, Code: "PaymentRequired"}, {Status: 401, Code: "InvalidAuthenticationToken"}, {Code: "AADSTS7000222", NotSent: true, NoToken: true},
	} {
		bubble(t, strconv.Itoa(refusal.Status), func(r *rig) {
			begin := time.Now()
			away := func() bool { return time.Since(begin) < 5*time.Hour }
			var asked []time.Duration
			applied := 0
			r.teams.shows = &actions.Snapshot{}
			r.teams.pace = 10 * time.Millisecond
			r.teams.answer = func(int) error {
				if away() {
					asked = append(asked, time.Since(begin))
					return refusal
				}
				applied++
				return nil
			}
			r.sayIn(1, bad)
			time.AfterFunc(time.Minute, func() { r.sayIn(300, bad) })
			time.AfterFunc(4*time.Hour, func() {
				if waiting, gates := r.p.Parked(); waiting != 301 || gates != 1 {
					r.Errorf("%d wait at %d gates", waiting, gates)
				}
			})
			r.run(5*time.Hour + 6*time.Minute)
			if applied != 301 {
				r.Errorf("%d of 301 were acted on", applied)
			}
			each := 1
			if refusal.Status == 401 || refusal.NoToken {
				each = 2 // with another token
			}
			if n := len(asked) / each; n < 40 || n > 80 {
				r.Errorf("Graph was asked %d times in 5 hours: %v", n, asked)
			}
			for i := each; i < len(asked); i += each {
				if asked[i]-asked[i-1] < 4*time.Second { // one alone comes back after 5 s at first
					r.Errorf("two were tried at once: %v", asked[max(0, i-3):i+1])
				}
			}
			for row := range 301 {
				if got := r.inbox.how(row + 1); got != "finished" {
					r.Fatalf("row %d: %q", row+1, got)
				}
			}
			if waiting, gates := r.p.Parked(); waiting != 0 || gates != 0 {
				r.Errorf("%d wait at %d gates at the end", waiting, gates)
			}
		})
	}
}

// An action that waited and has become pointless is not counted as one that waits.
func TestPointlessWaitsForNobody(t *testing.T) {
	bubble(t, "deleted meanwhile, and a text that cannot be opened any more", func(r *rig) {
		begin := time.Now()
		r.teams.shows = &actions.Snapshot{}
		r.teams.answer = func(int) error {
			if time.Since(begin) < 2*time.Hour {
				return noRole
			}
			return nil
		}
		r.sayIn(4, bad)
		time.AfterFunc(time.Hour, func() {
			if waiting, _ := r.p.Parked(); waiting != 4 {
				r.Errorf("%d wait", waiting)
			}
			r.notify("deleted", said{id: "1000", etag: "9", chat: "19:0@thread.v2", deleted: true}, func(i *webhook.Item) {
				i.Resource = "chats('19:0@thread.v2')/messages('1000')"
			})
			r.inbox.mu.Lock()
			r.inbox.items[1].Encrypted.DataSignature = "wrong"
			r.inbox.mu.Unlock()
		})
		r.run(3 * time.Hour)
		if waiting, gates := r.p.Parked(); waiting != 0 || gates != 0 {
			r.Errorf("%d wait at %d gates at the end", waiting, gates)
		}
		for row, want := range map[int]string{1: "finished", 2: "quarantined: ", 3: "finished", 4: "finished"} {
			if how := r.inbox.how(row); !strings.HasPrefix(how, want) {
				r.Errorf("row %d: %q, want %q", row, how, want)
			}
		}
	})
}

// One message that Graph takes no action on, in words that could mean all, keeps
// nobody else: not while all is well, and not once the permission is back.
func TestOneRefusedAlone(t *testing.T) {
	bubble(t, "one", func(r *rig) {
		begin := time.Now()
		gone := func() bool { d := time.Since(begin); return d > time.Hour && d < 2*time.Hour }
		r.teams.shows = &actions.Snapshot{}
		r.teams.pace = 100 * time.Millisecond
		var late atomic.Int64
		var last time.Duration // the fake's lock guards it
		r.teams.answer = func(n int) error {
			if gone() || strings.HasPrefix(r.teams.patches[n-1], "1000 ") {
				return noRole
			}
			last = time.Since(begin)
			return nil
		}
		r.sayIn(1, bad)
		for i := range 200 {
			time.AfterFunc(time.Duration(1+13*i)*time.Second, func() {
				row := r.inbox.rows() + 1
				r.sayIn(1, bad)
				time.AfterFunc(3*time.Second, func() {
					if r.inbox.how(row) != "finished" {
						late.Add(1)
					}
				})
			})
		}
		time.AfterFunc(61*time.Minute, func() { r.sayIn(50, bad) })
		r.run(2*time.Hour + 15*time.Minute)
		if n := late.Load(); n > 0 {
			r.Errorf("%d of 200 messages were late because of another", n)
		}
		for row := 2; row <= 251; row++ {
			if got := r.inbox.how(row); got != "finished" {
				r.Fatalf("row %d: %q", row, got)
			}
		}
		if last > 2*time.Hour+11*time.Minute { // two pauses, if that one takes the first
			r.Errorf("the last was acted on after %v", last)
		}
		if got := r.inbox.how(1); got != "deferred: "+parkedFor(tenant+" chats", reasonNoRole) {
			r.Errorf("the one that is refused: %q", got)
		}
	})
}

// Where Graph takes actions it goes on taking them: chats and channels have
// permissions of their own.
func TestOtherGateStaysOpen(t *testing.T) {
	bubble(t, "channels", func(r *rig) {
		r.teams.shows = &actions.Snapshot{}
		r.teams.answer = func(n int) error {
			if strings.HasPrefix(r.teams.patches[n-1], "1") { // a chat's
				return noRole
			}
			return nil
		}
		r.sayIn(3, bad)
		r.teams.messages = map[string]string{"7": `{"id":"7","etag":"7","messageType":"message","channelIdentity":{"teamId":"00000000-0000-0000-0000-000000000001","channelId":"19:c@thread.tacv2"},"createdDateTime":"2026-11-24T08:00:00Z","body":{"contentType":"html","content":"` + bad + `"},"from":{"user":{"id":"u1","userIdentityType":"aadUser"}}}`}
		time.AfterFunc(time.Minute, func() {
			r.notify("created", said{id: "7", body: bad}, func(item *webhook.Item) {
				item.Resource, item.Encrypted = "teams('00000000-0000-0000-0000-000000000001')/channels('19:c@thread.tacv2')/messages('7')", nil
			})
		})
		r.run(2 * time.Minute)
		if out, _ := r.results(); out["applied"] != 1 {
			r.Errorf("results %v, PATCHes %v, the item %q", out, r.teams.sent(), r.inbox.how(4))
		}
		if waiting, gates := r.p.Parked(); waiting != 3 || gates != 1 {
			r.Errorf("%d wait at %d gates", waiting, gates)
		}
	})
}

// newRigOn is another process on the same inbox, ledger and Graph.
func newRigOn(r *rig) *rig {
	next := *r
	next.p = New(r.p.Config)
	return &next
}

// What is known of who waits is not kept over a restart, and found again: the age
// counts from the decision.
func TestGivenUpAfterItsTime(t *testing.T) {
	bubble(t, "age", func(r *rig) {
		r.teams.shows = &actions.Snapshot{}
		r.teams.answer = func(int) error { return noRole }
		r.sayIn(20, bad)
		r.run(40 * time.Minute)
		if out, _ := r.results(); len(out) > 0 {
			r.Fatalf("results before their time: %v", out)
		}
		r = newRigOn(r)
		r.run(26 * time.Minute)
		out, reasons := r.results()
		if out["failed"] != 20 || len(out) != 1 {
			r.Errorf("results %v", out)
		}
		for _, why := range reasons {
			if !strings.Contains(why, "waiting for 1h0m0s") || !strings.Contains(why, "grant Chat.UpdatePolicyViolation.All") {
				r.Errorf("reason %q", why)
			}
		}
		if waiting, _ := r.p.Parked(); waiting != 0 {
			r.Errorf("%d wait still", waiting)
		}
	}, func(c *Config) { c.ParkedFor = time.Hour })
}

// No more than so many wait: the least severe are given up, the oldest of them first.
func TestTooManyParked(t *testing.T) {
	bubble(t, "count", func(r *rig) {
		r.teams.shows = &actions.Snapshot{}
		gone := true
		r.teams.answer = func(int) error {
			if gone {
				return noRole
			}
			return nil
		}
		r.sayIn(6, lesser)
		time.AfterFunc(time.Minute, func() { r.sayIn(8, bad) })
		time.AfterFunc(2*time.Minute, func() { r.sayIn(4, lesser) })
		time.AfterFunc(time.Hour, func() {
			r.teams.mu.Lock()
			defer r.teams.mu.Unlock()
			gone = false
		})
		r.run(2 * time.Hour)
		out, reasons := r.results()
		if out["failed"] != 8 || out["applied"] != 10 {
			r.Errorf("results %v", out)
		}
		for _, why := range reasons {
			if !strings.Contains(why, "more than 10 actions wait") {
				r.Errorf("reason %q", why)
			}
		}
		blocked := r.teams.sent()
		for i := 6; i < 14; i++ {
			if !slices.Contains(blocked, strconv.Itoa(1000+i)+" blockAccess") {
				r.Errorf("message %d was severe, and is not blocked", i)
			}
		}
		for i := range 6 {
			if r.inbox.how(i+1) != "finished" {
				r.Errorf("row %d: %q", i+1, r.inbox.how(i+1))
			}
		}
	}, func(c *Config) { c.MaxParked = 10 })
}

// reasonNoRole is what is said of noRole.
const reasonNoRole = "the app lacks a permission: grant Chat.UpdatePolicyViolation.All and ChannelMessage.UpdatePolicyViolation.All with admin consent"

// retry is what an operator does who does not want to wait.
func (r *rig) retry() {
	r.Helper()
	r.p.RetryParked()
	r.inbox.mu.Lock()
	var receipts []string
	for receipt, how := range r.inbox.ended {
		if strings.HasPrefix(how, "deferred: "+Parked) {
			receipts = append(receipts, receipt)
		}
	}
	r.inbox.mu.Unlock()
	if err := r.inbox.Recall(context.Background(), receipts); err != nil {
		r.Error(err)
	}
}

// Who mended what actions wait for need not wait for the next try, and learns at
// once if it was not mended.
func TestParkedAreTriedAtOnce(t *testing.T) {
	logged, logs := observer.New(zap.InfoLevel)
	bubble(t, "retry", func(r *rig) {
		r.teams.shows = &actions.Snapshot{}
		r.teams.pace = 10 * time.Millisecond
		gone := true
		r.teams.answer = func(int) error {
			if gone {
				return noRole
			}
			return nil
		}
		r.sayIn(40, bad)
		time.AfterFunc(3*time.Hour, func() {
			before := len(r.teams.sent())
			r.retry()
			time.AfterFunc(5*time.Second, func() {
				tries := len(r.teams.sent()) - before
				if waiting, gates := r.p.Parked(); tries != 1 || waiting != 40 || gates != 1 {
					r.Errorf("%d tries, and %d wait at %d gates; want one try and the gate closed", tries, waiting, gates)
				}
			})
		})
		time.AfterFunc(4*time.Hour, func() {
			r.teams.mu.Lock()
			gone = false
			r.teams.mu.Unlock()
			r.retry()
			time.AfterFunc(5*time.Second, func() {
				if waiting, gates := r.p.Parked(); waiting != 0 || gates != 0 {
					r.Errorf("%d wait at %d gates, 5 s after they were tried again", waiting, gates)
				}
			})
		})
		r.run(4*time.Hour + time.Minute)
	}, func(c *Config) { c.Program = zap.New(logged) })
	var turns []string
	for _, l := range logs.All() {
		if strings.HasPrefix(l.Message, "actions ") {
			turns = append(turns, l.Message)
		}
	}
	if want := []string{"actions wait for an operator", "actions wait for an operator", "actions go on"}; !slices.Equal(turns, want) {
		t.Errorf("the log says %q, want %q", turns, want)
	}
}

// An item that waits says for what, and all that wait for the same say the same.
func TestParkedSayForWhat(t *testing.T) {
	bubble(t, "wide", func(r *rig) {
		r.teams.shows = &actions.Snapshot{}
		r.teams.answer = func(int) error { return noRole }
		r.sayIn(5, bad)
		r.run(20 * time.Minute)
		for row := range 5 {
			if got, want := r.inbox.how(row+1), "deferred: "+Parked+", "+tenant+" chats: "+reasonNoRole; got != want {
				r.Errorf("row %d: %q, want %q", row+1, got, want)
			}
		}
	})
	bubble(t, "alone", func(r *rig) {
		r.teams.shows = &actions.Snapshot{}
		r.teams.answer = func(int) error { return &actions.CallError{Status: 500} }
		r.sayIn(1, bad)
		r.run(20 * time.Minute)
		if got, want := r.inbox.how(1), "deferred: "+Parked+": Graph keeps failing on this message"; got != want {
			r.Errorf("got %q, want %q", got, want)
		}
	})
}

// What happened meanwhile counts: who edited his text is judged by the new one, and
// who overrode what stands is left alone.
func TestMeanwhile(t *testing.T) {
	away := func(r *rig) (taken *int) {
		begin := time.Now()
		taken = new(int)
		r.teams.shows = &actions.Snapshot{}
		r.teams.answer = func(int) error {
			if time.Since(begin) < time.Hour {
				return noRole
			}
			*taken++
			return nil
		}
		return taken
	}
	bubble(t, "edited", func(r *rig) {
		taken := away(r)
		r.notify("created", said{id: "1", etag: "100", body: bad})
		time.AfterFunc(10*time.Minute, func() {
			edited := said{id: "1", etag: "200", body: clean, from: "aadUser"}
			m, err := webhook.DecodeMessage([]byte(edited.json()))
			if err != nil {
				r.Error(err)
				return
			}
			r.teams.mu.Lock()
			r.teams.shows = &actions.Snapshot{Version: "200", Fingerprint: Fingerprint(r.p.keys, m)}
			r.teams.mu.Unlock()
			r.notify("updated", edited)
		})
		r.run(2 * time.Hour)
		if *taken != 0 || r.inbox.how(1) != "finished" || r.inbox.how(2) != "finished" {
			r.Errorf("%d actions on a text that was edited; rows %q and %q; entries %s", *taken, r.inbox.how(1), r.inbox.how(2), r.kinds())
		}
	})
	bubble(t, "overridden", func(r *rig) {
		taken := away(r)
		r.notify("created", said{id: "1", etag: "100", body: bad})
		time.AfterFunc(30*time.Minute, func() {
			r.teams.mu.Lock()
			defer r.teams.mu.Unlock()
			r.teams.shows = &actions.Snapshot{Version: "150", Violation: &actions.Seen{DLPAction: "blockAccess", UserAction: "override"}}
		})
		r.run(2 * time.Hour)
		if out, _ := r.results(); *taken != 0 || out["applied"] != 1 || !strings.Contains(r.kinds(), "override/") {
			r.Errorf("%d actions over an override; entries %s", *taken, r.kinds())
		}
	})
}
