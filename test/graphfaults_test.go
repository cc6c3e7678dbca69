package test

import (
	"fmt"
	"net/http"
	"regexp"
	"testing"
	"time"

	"teamsdlp/test/graphtwin"
	"teamsdlp/test/trial"
)

// TestGraphFaults: whatever Graph answers to the PATCH, the message ends as it
// should, and an order that Graph took is never carried out again.
func TestGraphFaults(t *testing.T) {
	t.Parallel()
	const page = "<html><body><h1>502 Bad Gateway</h1></body></html>"
	cases := []struct {
		name    string
		fault   graphtwin.Rule
		outcome string // of the result
		patches int    // requests that reached the message or were spoiled before
		wait    time.Duration
	}{
		{"reset once applied", graphtwin.Rule{Reset: true, Apply: true}, "applied", 1, 0},
		{"reset before", graphtwin.Rule{Reset: true}, "applied", 2, 0},
		{"504 once applied", graphtwin.Rule{Status: 504, Apply: true}, "applied", 1, 0},
		{"503 once applied", graphtwin.Rule{Status: 503, Apply: true, RetryAfter: "0.2"}, "applied", 1, 0},
		{"no answer in time, applied", graphtwin.Rule{Apply: true, Delay: graphtwin.Duration(20 * time.Second)}, "applied", 1, 0},
		{"429, fractional Retry-After", graphtwin.Rule{Status: 429, RetryAfter: "1.250"}, "applied", 2, 1250 * time.Millisecond},
		{"429, Retry-After of zero", graphtwin.Rule{Status: 429, RetryAfter: "0"}, "applied", 2, 500 * time.Millisecond},
		{"429 without Retry-After", graphtwin.Rule{Status: 429}, "applied", 2, 500 * time.Millisecond},
		{"429 that is not JSON", graphtwin.Rule{Status: 429, Body: "slow down", RetryAfter: "1"}, "applied", 2, time.Second},
		{"503 with Retry-After", graphtwin.Rule{Status: 503, RetryAfter: "1"}, "applied", 2, time.Second},
		{"a gateway's page", graphtwin.Rule{Status: 502, HTML: true, Body: page}, "applied", 2, 0},
		{"500 {}", graphtwin.Rule{Status: 500, Body: "{}"}, "applied", 2, 0},
		{"401 once", graphtwin.Rule{Status: 401}, "applied", 2, 0},
		{"403 {}", graphtwin.Rule{Status: 403, Body: "{}"}, "not_enforceable", 1, 0},
		{"403 page", graphtwin.Rule{Status: 403, HTML: true, Body: page}, "not_enforceable", 1, 0},
		{"403 for want of a permission, once", graphtwin.Rule{Status: 403, Code: "Authorization_RequestDenied", Message: "Insufficient privileges to complete the operation."}, "applied", 2, 5 * time.Second},
		{"400 {}", graphtwin.Rule{Status: 400, Body: "{}"}, "failed", 1, 0},
		{"404", graphtwin.Rule{Status: 404}, "failed", 1, 0},
	}
	twin := newTwin(t)
	s := newSite(t, twin.URL(), func(d node) { d["graph"].(node)["timeout"] = "3s" }).up()
	said := make([]graphtwin.Message, len(cases))
	rooms := make([]string, len(cases))
	var faults graphtwin.Faults
	for i, c := range cases {
		room, err := twin.AddChat(graphtwin.Chat{Alias: fmt.Sprintf("fault%d", i), Members: []string{"ana", "li"}})
		if err != nil {
			t.Fatal(err)
		}
		rooms[i] = room.ID
		c.fault.Method, c.fault.Path, c.fault.Count = http.MethodPatch, "/chats/"+regexp.QuoteMeta(room.ID)+"/messages/", 1
		faults.Rules = append(faults.Rules, c.fault)
	}
	if err := twin.SetFaults(faults); err != nil {
		t.Fatal(err)
	}
	for i := range cases {
		said[i] = say(t, twin, "ana", rooms[i], "card "+card)
	}
	s.settle(twin)
	log := s.entries()
	body := string(shown(t, twin, said[0]).Patches[0].Body) // of the order that arrived at once
	for i, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			v := shown(t, twin, said[i])
			applied := 0
			if c.outcome == "applied" {
				applied = 1
			}
			if v.PatchCount != applied || v.Blocked != (applied == 1) {
				t.Errorf("applied %d times, blocked %v; want %d", v.PatchCount, v.Blocked, applied)
			}
			sent := twin.Requests(graphtwin.Filter{Method: http.MethodPatch, Path: "/chats/" + regexp.QuoteMeta(rooms[i]) + "/messages/"})
			if len(sent) != c.patches {
				t.Fatalf("%d PATCHes; want %d: %+v", len(sent), c.patches, sent)
			}
			if len(sent) == 2 {
				if sent[1].Body != body { // the journal has no body of a request that was spoiled
					t.Errorf("the second PATCH has another body:\n%s; want\n%s", sent[1].Body, body)
				}
				if gap := sent[1].At.Sub(sent[0].At); gap < c.wait {
					t.Errorf("sent again after %s; want %s at least", gap, c.wait)
				}
			}
			var outcomes []string
			for _, e := range log {
				if e.Case == s.caseIn(log, said[i]) && e.Kind == "result" && e.Graph != nil {
					outcomes = append(outcomes, e.Outcome)
				}
			}
			if len(outcomes) != 1 || outcomes[0] != c.outcome {
				t.Errorf("results %v; want one, %s", outcomes, c.outcome)
			}
		})
	}
}

// TestPermissionTakenAway: Graph takes no action on chats for want of a permission.
// Their messages wait, over a kill, and are asked about one at a time; channels are
// acted on as ever. Once the permission is back all follow by themselves, and once.
func TestPermissionTakenAway(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL()).up()
	takeAway(t, twin)
	x := newTraffic(t, twin)
	x.say(40)
	waitFor(t, "the actions on chats to wait, and those on channels to be done", func() bool {
		return s.metric("teamsdlp_actions_parked") > 15 && s.metric("teamsdlp_actions_parked") == s.metric("teamsdlp_inbox_items") && twin.Undelivered() == 0
	})
	if n := s.metric("teamsdlp_actions_refused_for_all"); n != 1 {
		t.Errorf("%v kinds of conversation are said to be refused; want 1", n)
	}
	s.says(t, `"actions wait for an operator".*"for":"[^"]* chats".*grant Chat.UpdatePolicyViolation.All`)
	refused := len(twin.Requests(graphtwin.Filter{Method: http.MethodPatch, Path: "/chats/"}))
	if most := int(s.metric("teamsdlp_actions_parked")); refused > most {
		t.Errorf("%d PATCHes for %v actions that wait", refused, most)
	}
	s.kill()
	s.up()
	if err := twin.SetFaults(graphtwin.Faults{}); err != nil {
		t.Fatal(err)
	}
	s.settleWithin(twin, 2*patience)
	for _, f := range account(x.said, twin, s.entries()) {
		t.Error(f)
	}
	trial.Tried(t, "F12: a permission taken away and given back: %d PATCHes refused while it was gone, %d messages, nothing lost, nothing done twice", refused, len(x.said))
	if n := s.metric("teamsdlp_actions_parked"); n != 0 {
		t.Errorf("%v are said to wait", n)
	}
	wantSound(t, s, "")
}

func takeAway(t *testing.T, twin *graphtwin.Twin) {
	t.Helper()
	refuse := graphtwin.Rule{Method: http.MethodPatch, Path: "/chats/", Status: 403, Code: "Forbidden", Message: "Missing role permissions on the request. API requires one of 'Chat.UpdatePolicyViolation.All'."}
	if err := twin.SetFaults(graphtwin.Faults{Rules: []graphtwin.Rule{refuse}}); err != nil {
		t.Fatal(err)
	}
}

// The control: a product that takes the refusal for the last word.
func TestPermissionTakenAwayIsNoticed(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL()).breaking("give-up")
	s.up()
	takeAway(t, twin)
	x := newTraffic(t, twin)
	x.say(20)
	s.settle(twin)
	if err := twin.SetFaults(graphtwin.Faults{}); err != nil {
		t.Fatal(err)
	}
	faults := account(x.said, twin, s.entries())
	if len(faults) == 0 {
		t.Error("not noticed")
	}
	trial.Tried(t, "control: %q is found out by %d faults", "give-up", len(faults))
}

// TestThrottled: under Graph's own limits, and with Retry-After in every form,
// nothing is lost, and our own pace keeps the refusals few.
func TestThrottled(t *testing.T) {
	t.Parallel()
	twin := newTwin(t, func(o *graphtwin.Options) { o.Throttle = graphtwin.Throttle{RetryAfter: "mixed"} })
	s := newSite(t, twin.URL(), func(d node) { delete(d, "graph") }).up() // our limits as they are by default
	var said []graphtwin.Message
	for range 4 {
		for _, room := range []string{"ana-li", "deal", "standup", "engineering"} {
			as := map[string]string{"engineering": "sam"}[room]
			if as == "" {
				as = "li"
			}
			said = append(said, say(t, twin, as, room, "card "+card))
		}
	}
	s.settle(twin)
	refused := 0
	for _, m := range said {
		v := shown(t, twin, m)
		if !v.Blocked || v.PatchCount != 1 {
			t.Errorf("message %s: blocked %v, applied %d times", m.ID, v.Blocked, v.PatchCount)
		}
	}
	for _, p := range twin.Patches() {
		if p.Status == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused > len(said)/2 {
		t.Errorf("%d of %d PATCHes were refused with 429: there is no pace of our own", refused, len(twin.Patches()))
	}
}
