package graphtwin_test

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/test/graphtwin"
)

func faults(t *testing.T, tw *graphtwin.Twin, f graphtwin.Faults) {
	t.Helper()
	if err := tw.SetFaults(f); err != nil {
		t.Fatal(err)
	}
}

func TestRequestFaults(t *testing.T) {
	const messages = `/messages/`
	for _, tc := range []struct {
		name    string
		rule    graphtwin.Rule
		status  int // 0: the connection breaks
		retry   string
		body    string
		html    bool
		applied bool
	}{
		{name: "429", rule: graphtwin.Rule{Status: 429, RetryAfter: "2.128"}, status: 429, retry: "2.128", body: `"TooManyRequests"`},
		{name: "429 without Retry-After", rule: graphtwin.Rule{Status: 429}, status: 429, body: `"TooManyRequests"`},
		{name: "503", rule: graphtwin.Rule{Status: 503, RetryAfter: "1"}, status: 503, retry: "1", body: `"ServiceUnavailable"`},
		{name: "own code", rule: graphtwin.Rule{Status: 412, Code: "PreconditionFailed", Message: "not in this context"}, status: 412, body: "not in this context"},
		{name: "504 though applied", rule: graphtwin.Rule{Status: 504, Apply: true}, status: 504, body: `"GatewayTimeout"`, applied: true},
		{name: "403 {}", rule: graphtwin.Rule{Status: 403, Body: "{}"}, status: 403, body: "{}"},
		{name: "HTML page", rule: graphtwin.Rule{Status: 502, HTML: true}, status: 502, body: "<html>", html: true},
		{name: "reset before", rule: graphtwin.Rule{Reset: true}},
		{name: "reset after", rule: graphtwin.Rule{Reset: true, Apply: true}, applied: true},
		{name: "delay", rule: graphtwin.Rule{Delay: graphtwin.Duration(time.Millisecond)}, status: 200, applied: true},
		{name: "another method", rule: graphtwin.Rule{Method: "GET", Status: 500}, status: 200, applied: true},
	} {
		tw := start(t)
		m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
		a := contoso(t, tw)
		tc.rule.Path, tc.rule.Count = messages, 1
		faults(t, tw, graphtwin.Faults{Rules: []graphtwin.Rule{tc.rule}})
		header := map[string]string{"Authorization": "Bearer " + a.token, "Content-Type": "application/json"}
		r, err := trySend(t.Context(), "PATCH", tw.URL()+"/v1.0"+m.Path, header, block)
		if (err != nil) != (tc.status == 0) || r.status != tc.status {
			t.Errorf("%s: %d, %v", tc.name, r.status, err)
		}
		if err == nil && (r.header.Get("Retry-After") != tc.retry || !strings.Contains(string(r.body), tc.body) || strings.HasPrefix(r.header.Get("Content-Type"), "text/html") != tc.html) {
			t.Errorf("%s: %v %s", tc.name, r.header, r.body)
		}
		if applied := shown(t, tw, m.ID).PatchCount == 1; applied != tc.applied {
			t.Errorf("%s: applied %v", tc.name, applied)
		}
		log := tw.Patches()
		if len(log) != 1 || log[0].Status != tc.status || log[0].Applied != tc.applied || (log[0].Fault == "") != (tc.rule.Method == "GET") {
			t.Errorf("%s: journal %+v", tc.name, log)
		}
		if tc.rule.Method == "" {
			if r := a.do("PATCH", m.Path, block); r.status != 200 {
				t.Errorf("%s: after the fault %d", tc.name, r.status)
			}
		}
	}
}

func TestFaultsAfterCountAndProbability(t *testing.T) {
	tw := start(t)
	a := contoso(t, tw)
	faults(t, tw, graphtwin.Faults{Rules: []graphtwin.Rule{{Path: "/users$", After: 2, Count: 2, Status: 500}}})
	var got []int
	for range 6 {
		got = append(got, a.do("GET", "/users", "").status)
	}
	if d := cmp.Diff([]int{200, 200, 500, 500, 200, 200}, got); d != "" {
		t.Error(d)
	}
	faults(t, tw, graphtwin.Faults{Rules: []graphtwin.Rule{{Path: "/users$", Probability: 0.5, Status: 500}}})
	failed := 0
	for range 100 {
		if a.do("GET", "/users", "").status == 500 {
			failed++
		}
	}
	if failed < 30 || failed > 70 {
		t.Errorf("%d of 100 failed", failed)
	}
	if err := tw.SetFaults(graphtwin.Faults{Rules: []graphtwin.Rule{{Path: "("}}}); err == nil {
		t.Error("a bad expression was taken")
	}
	if err := tw.SetFaults(graphtwin.Faults{Delivery: []graphtwin.DeliveryFault{{Kind: "earthquake"}}}); err == nil {
		t.Error("an unknown kind was taken")
	}
}

func TestKeysOutOfReach(t *testing.T) {
	tw := start(t)
	faults(t, tw, graphtwin.Faults{Rules: []graphtwin.Rule{{Path: "discovery/", Status: 500}}})
	if r := send(t, "GET", tw.URL()+"/common/discovery/v2.0/keys", nil, ""); r.status != 500 {
		t.Errorf("%d", r.status)
	}
}

func TestDeliveryFaults(t *testing.T) {
	open := func(n notification) error {
		_, err := open(encryptionKey(), n.EncryptedContent)
		return err
	}
	token := func(t *testing.T, tw *graphtwin.Twin, c collection) (map[string]any, error) {
		if c.Tokens == nil || len(*c.Tokens) != 1 {
			return nil, errors.New("not one token")
		}
		_, claims, err := checkToken(t, tw, (*c.Tokens)[0])
		return claims, err
	}
	// badToken: the signature is right, the claim is not.
	badToken := func(claim, good string) func(*testing.T, *graphtwin.Twin, collection) bool {
		return func(t *testing.T, tw *graphtwin.Twin, c collection) bool {
			claims, err := token(t, tw, c)
			return err == nil && claims[claim] != good && claims[claim] != nil
		}
	}
	unsigned := func(text string) func(*testing.T, *graphtwin.Twin, collection) bool {
		return func(t *testing.T, tw *graphtwin.Twin, c collection) bool {
			_, err := token(t, tw, c)
			return err != nil && strings.Contains(err.Error(), text)
		}
	}
	item := func(f func(notification) bool) func(*testing.T, *graphtwin.Twin, collection) bool {
		return func(t *testing.T, tw *graphtwin.Twin, c collection) bool {
			_, err := token(t, tw, c)
			return f(c.Value[0]) && (err == nil || c.Value[0].EncryptedContent == nil)
		}
	}
	for kind, spoiled := range map[string]func(*testing.T, *graphtwin.Twin, collection) bool{
		graphtwin.FaultWrongClientState:    item(func(n notification) bool { return n.ClientState != "the-client-state" && open(n) == nil }),
		graphtwin.FaultUnknownSubscription: item(func(n notification) bool { return len(n.SubscriptionID) == 36 && open(n) == nil }),
		graphtwin.FaultWrongTenant:         item(func(n notification) bool { return n.TenantID != graphtwin.ContosoTenant && open(n) == nil }),
		graphtwin.FaultTokenAudience:       badToken("aud", graphtwin.ContosoApp),
		graphtwin.FaultTokenTenant:         badToken("tid", graphtwin.ContosoTenant),
		graphtwin.FaultTokenPublisher:      badToken("azp", graphtwin.PublisherAppID),
		graphtwin.FaultTokenIssuer: func(t *testing.T, tw *graphtwin.Twin, c collection) bool {
			claims, err := token(t, tw, c)
			return err == nil && !strings.HasPrefix(claims["iss"].(string), tw.URL())
		},
		graphtwin.FaultTokenExpired: func(t *testing.T, tw *graphtwin.Twin, c collection) bool {
			claims, err := token(t, tw, c)
			return err == nil && claims["exp"].(float64) < float64(time.Now().Add(-30*time.Minute).Unix())
		},
		graphtwin.FaultTokenAlgNone:        unsigned("not RS256"),
		graphtwin.FaultTokenHS256:          unsigned("not RS256"),
		graphtwin.FaultTokenUnpublishedKey: unsigned("not published"),
		graphtwin.FaultTokensNull: func(_ *testing.T, _ *graphtwin.Twin, c collection) bool {
			return strings.Contains(c.raw, `"validationTokens":null`)
		},
		graphtwin.FaultTokensEmpty: func(_ *testing.T, _ *graphtwin.Twin, c collection) bool {
			return strings.Contains(c.raw, `"validationTokens":[]`)
		},
		graphtwin.FaultTokensMissing: func(_ *testing.T, _ *graphtwin.Twin, c collection) bool {
			return !strings.Contains(c.raw, "validationTokens")
		},
		graphtwin.FaultFlipData:         item(func(n notification) bool { return errors.Is(open(n), errSignature) }),
		graphtwin.FaultFlipSignature:    item(func(n notification) bool { return errors.Is(open(n), errSignature) }),
		graphtwin.FaultFlipKey:          item(func(n notification) bool { return open(n) != nil && !errors.Is(open(n), errSignature) }),
		graphtwin.FaultOAEP256:          item(func(n notification) bool { return open(n) != nil && !errors.Is(open(n), errSignature) }),
		graphtwin.FaultWrongCertificate: item(func(n notification) bool { return n.EncryptedContent.EncryptionCertificateID != "cert-1" }),
		graphtwin.FaultWrongThumbprint: item(func(n notification) bool {
			return n.EncryptedContent.EncryptionCertificateThumbprint == strings.Repeat("0", 40)
		}),
		graphtwin.FaultNoContent: item(func(n notification) bool { return n.EncryptedContent == nil }),
		graphtwin.FaultOversize:  item(func(n notification) bool { return open(n) == nil }),
		graphtwin.FaultDeepJSON:  item(func(n notification) bool { return open(n) == nil }),
	} {
		t.Run(kind, func(t *testing.T) {
			tw, rc := start(t), newReceiver(t)
			contoso(t, tw).subscribe(rc)
			faults(t, tw, graphtwin.Faults{Delivery: []graphtwin.DeliveryFault{{Kind: kind, Count: 1, Genuine: true}}})
			say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
			settle(t, tw)
			posts := rc.got()
			if len(posts) != 2 || len(posts[0].Value) != 1 {
				t.Fatalf("%d posts", len(posts))
			}
			if !spoiled(t, tw, posts[0]) {
				t.Errorf("not spoiled: %.2000s", posts[0].raw)
			}
			if kind == graphtwin.FaultOversize && len(posts[0].raw) < 16<<20 {
				t.Errorf("%d bytes", len(posts[0].raw))
			}
			if _, err := token(t, tw, posts[1]); err != nil || open(posts[1].Value[0]) != nil || posts[1].Value[0].ClientState != "the-client-state" {
				t.Errorf("the genuine one is spoiled: %v", err)
			}
			if d := tw.Deliveries(); d[0].Fault != kind || d[1].Fault != "" {
				t.Errorf("deliveries %+v", d)
			}
		})
	}
}

func TestDuplicateDropDelayReorder(t *testing.T) {
	for _, tc := range []struct {
		fault graphtwin.DeliveryFault
		want  string
	}{
		{graphtwin.DeliveryFault{Kind: graphtwin.FaultDuplicate, Count: 1}, "1 1 2 3"},
		{graphtwin.DeliveryFault{Kind: graphtwin.FaultDrop, Count: 1}, "2 3"},
		{graphtwin.DeliveryFault{Kind: graphtwin.FaultReorder, Count: 1}, "2 1 3"},
		{graphtwin.DeliveryFault{Kind: graphtwin.FaultDelay, Count: 1, Delay: graphtwin.Duration(time.Minute)}, "2 3 1"},
		{graphtwin.DeliveryFault{Kind: graphtwin.FaultReorder, After: 2, Delay: graphtwin.Duration(time.Minute)}, "1 2 3"}, // nothing passes the last one
	} {
		clock := graphtwin.NewManualClock(time.Now())
		tw, rc := start(t, func(o *graphtwin.Options) { o.Clock = clock }), newReceiver(t)
		id := contoso(t, tw).subscribe(rc)
		faults(t, tw, graphtwin.Faults{Delivery: []graphtwin.DeliveryFault{tc.fault}})
		names := map[string]string{}
		for i := 1; i <= 3; i++ {
			m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
			names[m.GraphID] = strconv.Itoa(i)
		}
		want := strings.Fields(tc.want)
		arrived := func(n int) func() bool { return func() bool { return len(tw.Deliveries()) >= n } }
		if tc.fault.Delay > 0 {
			await(t, tw, arrived(2))
			clock.Advance(time.Minute)
		}
		settle(t, tw)
		var got []string
		for _, n := range rc.items() {
			got = append(got, names[n.ResourceData["id"]])
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%+v: %s", tc.fault, d)
		}
		if st := tw.Stats()[id]; st.Delivered != len(want) || (st.Dropped == 1) != (tc.fault.Kind == graphtwin.FaultDrop) {
			t.Errorf("%+v: %+v", tc.fault, st)
		}
	}
}

func await(t *testing.T, tw *graphtwin.Twin, cond func() bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := tw.Await(ctx, cond); err != nil {
		t.Fatal(err)
	}
}

func TestRetriesBackOffAndGiveUp(t *testing.T) {
	clock := graphtwin.NewManualClock(time.Now())
	tw, rc := start(t, func(o *graphtwin.Options) { o.Clock = clock; o.Delivery.Scale = 1 }), newReceiver(t)
	id := contoso(t, tw).subscribe(rc)
	rc.set(func() { rc.answer = func(n int) int { return 503 } })
	begun := clock.Now()
	say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	wait, attempts := 10*time.Second, 1
	var gaps []time.Duration
	for {
		await(t, tw, func() bool { return len(tw.Deliveries()) == attempts })
		if tw.Undelivered() == 0 {
			break
		}
		gaps = append(gaps, wait)
		clock.Advance(wait)
		attempts++
		wait = min(2*wait, 10*time.Minute)
	}
	took := clock.Now().Sub(begun)
	if took > 4*time.Hour || took < 3*time.Hour+45*time.Minute || gaps[0] != 10*time.Second || gaps[1] != 20*time.Second {
		t.Errorf("gave up after %v and %d attempts, gaps %v", took, attempts, gaps)
	}
	st := tw.Stats()[id]
	if st.Dropped != 1 || st.Delivered != 0 || st.Statuses[503] != attempts || st.Attempts != attempts {
		t.Errorf("stats %+v", st)
	}
}

func TestRetryDelivers(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	id := contoso(t, tw).subscribe(rc)
	rc.set(func() {
		rc.answer = func(n int) int { return []int{500, 307, 202}[min(n-1, 2)] }
	})
	m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	settle(t, tw)
	if st := tw.Stats()[id]; st.Attempts != 3 || st.Delivered != 1 || st.Failed != 2 {
		t.Errorf("%+v", st)
	}
	d := tw.Deliveries()
	if len(d) != 3 || d[2].Number != 3 || d[2].Status != 202 || !d[2].Delivered || d[0].Delivered || d[2].MessageID != m.ID || d[2].ETag != m.ETag || d[2].SubscriptionID != id {
		t.Errorf("%+v", d)
	}
}

func TestFirstAttemptTimesOutAfterThreeSeconds(t *testing.T) {
	clock := graphtwin.NewManualClock(time.Now())
	tw, rc := start(t, func(o *graphtwin.Options) { o.Clock = clock }), newReceiver(t)
	contoso(t, tw).subscribe(rc)
	blocked, release := make(chan struct{}), make(chan struct{})
	rc.set(func() {
		rc.answer = func(n int) int {
			if n == 1 {
				close(blocked)
				<-release
			}
			return 202
		}
	})
	say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	<-blocked
	clock.Advance(3 * time.Second)
	await(t, tw, func() bool { return len(tw.Deliveries()) == 1 })
	close(release)
	if d := tw.Deliveries()[0]; d.Status != 0 || d.Delivered {
		t.Errorf("%+v", d)
	}
	clock.Advance(time.Minute)
	settle(t, tw)
	if d := tw.Deliveries(); len(d) != 2 || !d[1].Delivered {
		t.Errorf("%+v", d)
	}
}

func TestLifecycle(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	a := contoso(t, tw)
	chats := a.subscribe(rc)
	channels := a.subscribe(rc, with("resource", "/teams/getAllMessages"))
	if n, err := tw.Lifecycle(graphtwin.ReauthorizationRequired, ""); n != 2 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := tw.Lifecycle(graphtwin.SubscriptionRemoved, chats); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	if n, err := tw.Lifecycle(graphtwin.Missed, channels); n != 1 || err != nil {
		t.Fatal(n, err)
	}
	settle(t, tw)
	counts := map[string]int{}
	for _, c := range rc.got() {
		for _, n := range c.Value {
			counts[n.LifecycleEvent]++
			if n.ChangeType != "" || n.Resource != "" || n.ClientState != "the-client-state" || n.TenantID != graphtwin.ContosoTenant || c.Tokens != nil {
				t.Errorf("%s", c.raw)
			}
			if _, err := time.Parse("2006-01-02T15:04:05.0000000-07:00", n.SubscriptionExpirationDateTime); err != nil {
				t.Error(err)
			}
		}
	}
	if d := cmp.Diff(map[string]int{"reauthorizationRequired": 2, "subscriptionRemoved": 1, "missed": 1}, counts); d != "" {
		t.Error(d)
	}
	if r := a.do("GET", "/subscriptions/"+chats, ""); r.status != 404 {
		t.Errorf("the removed one answers %d", r.status)
	}
	for _, bad := range [][2]string{{"earthquake", ""}, {graphtwin.Missed, chats}, {graphtwin.Missed, "nobody"}} {
		if _, err := tw.Lifecycle(bad[0], bad[1]); err == nil {
			t.Errorf("%v was sent", bad)
		}
	}
}

func TestThrottle(t *testing.T) {
	clock := graphtwin.NewManualClock(time.Now())
	newTwin := func(form string) (*graphtwin.Twin, *app) {
		tw := start(t, func(o *graphtwin.Options) {
			o.Clock = clock
			o.Throttle = graphtwin.Throttle{RetryAfter: form}
		})
		return tw, contoso(t, tw)
	}
	t.Run("conversation", func(t *testing.T) {
		tw, a := newTwin("integer")
		one := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
		two := say(t, tw, graphtwin.Post{As: "ana", In: "chat:deal", HTML: "x"})
		get := func(m graphtwin.Message) int { return a.do("GET", m.Path, "").status }
		var got []int
		got = append(got, get(one), get(one), get(two))
		clock.Advance(1100 * time.Millisecond)
		got = append(got, get(one)) // too early: the call above extended the wait
		clock.Advance(2 * time.Second)
		got = append(got, get(one))
		if d := cmp.Diff([]int{200, 429, 200, 200, 200}, got); d != "" {
			t.Error(d)
		}
		r := a.do("PATCH", one.Path, block)
		if code, _ := r.code(); r.status != 429 || code != "TooManyRequests" || r.header.Get("Retry-After") != "1" {
			t.Errorf("%d %s %v", r.status, code, r.header)
		}
		if shown(t, tw, one.ID).PatchCount != 0 || !tw.Patches()[0].Throttled {
			t.Error("a throttled PATCH was applied")
		}
		if r := a.do("PATCH", one.Path, block); r.header.Get("Retry-After") != "2" {
			t.Errorf("a call within the wait: Retry-After %q, want it longer", r.header.Get("Retry-After"))
		}
	})
	t.Run("steady pace passes", func(t *testing.T) {
		tw, a := newTwin("integer")
		m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
		for i := range 20 {
			if s := a.do("GET", m.Path, "").status; s != 200 {
				t.Fatalf("request %d: %d", i, s)
			}
			clock.Advance(time.Second)
		}
	})
	t.Run("team", func(t *testing.T) {
		tw, a := newTwin("fractional")
		team := tw.World().Teams[0].ID
		var got []int
		var last reply
		for range 6 {
			last = a.do("GET", "/teams/"+team, "")
			got = append(got, last.status)
		}
		if d := cmp.Diff([]int{200, 200, 200, 200, 429, 429}, got); d != "" {
			t.Error(d)
		}
		if !strings.Contains(last.header.Get("Retry-After"), ".") {
			t.Errorf("Retry-After %q", last.header.Get("Retry-After"))
		}
	})
	t.Run("missing Retry-After, and off", func(t *testing.T) {
		tw, a := newTwin("missing")
		m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
		_ = a.do("GET", m.Path, "")
		if r := a.do("GET", m.Path, ""); r.status != 429 || r.header.Values("Retry-After") != nil {
			t.Errorf("%d %v", r.status, r.header)
		}
		tw.SetThrottle(graphtwin.Throttle{Off: true})
		if r := a.do("GET", m.Path, ""); r.status != 200 {
			t.Errorf("off: %d", r.status)
		}
	})
}

func TestHoldBatchesUpToTheLimit(t *testing.T) {
	tw, rc := start(t, func(o *graphtwin.Options) { o.Delivery.Batch = 3 }), newReceiver(t)
	contoso(t, tw).subscribe(rc)
	tw.Hold(true)
	for range 7 {
		say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	}
	if len(rc.got()) != 0 {
		t.Error("delivered while held")
	}
	tw.Hold(false)
	settle(t, tw)
	var sizes []int
	for _, c := range rc.got() {
		sizes = append(sizes, len(c.Value))
	}
	if d := cmp.Diff([]int{3, 3, 1}, sizes); d != "" {
		t.Error(d)
	}
}

func TestCloseDropsWhatWaits(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	contoso(t, tw).subscribe(rc)
	rc.set(func() { rc.answer = func(int) int { return 503 } })
	say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	await(t, tw, func() bool { return len(tw.Deliveries()) > 0 })
	tw.Close()
	tw.Close()
}
