package graphtwin_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"

	"teamsdlp/test/graphtwin"
)

// control sends one request to the control API.
func control(t *testing.T, tw *graphtwin.Twin, method, path, body string) reply {
	t.Helper()
	return send(t, method, tw.URL()+"/twin"+path, nil, body)
}

func TestControlSays(t *testing.T) {
	tw := start(t)
	root := control(t, tw, "POST", "/messages", `{"as":"ana","team":"sales","channel":"general","html":"<p>x</p>","subject":"s"}`).json(t)["id"].(string)
	world := tw.World()
	for _, tc := range []struct {
		body   string
		status int
		alias  string
	}{
		{`{"as":"ana","chat":"ana-li","html":"<p>x</p>"}`, 201, "chat:ana-li"},
		{`{"as":"Ana@contoso.com","chat":"chat:ana-li","text":"x"}`, 201, "chat:ana-li"},
		{`{"as":"ana","chat":"` + world.Chats[3].ID + `","text":"x"}`, 201, "chat:deal"},
		{`{"as":"ana","in":"ana-li","text":"x"}`, 201, "chat:ana-li"},
		{`{"as":"ana","in":"sales/board","text":"x"}`, 201, "sales/board"},
		{`{"as":"ana","team":"` + world.Teams[0].ID + `","channel":"` + world.Teams[0].Channels[0].ID + `","text":"x"}`, 201, "sales/general"},
		{`{"as":"li","team":"sales","channel":"general","text":"x","reply_to":"` + root + `"}`, 201, "sales/general"},
		{`{"as":"ana","chat":"ana-li","forward_of":"` + root + `"}`, 201, "chat:ana-li"},
		{`{"as":"ana","chat":"ana-li","html":"x","attachments":[{"content_type":"reference","name":"a.xlsx","content_url":"https://x.example"}],"mentions":["li"]}`, 201, "chat:ana-li"},

		{`{"as":"ana","chat":"nowhere","text":"x"}`, 400, ""},
		{`{"as":"nobody","chat":"ana-li","text":"x"}`, 400, ""},
		{`{"as":"ana","chat":"ana-li","txt":"x"}`, 400, ""},
		{`{"as":"ana","team":"sales","text":"x"}`, 400, ""},
		{`{"as":"ana","chat":"ana-li","forward_of":"m99"}`, 404, ""},
		{``, 400, ""},
		{`[]`, 400, ""},
	} {
		r := control(t, tw, "POST", "/messages", tc.body)
		got := r.json(t)
		if r.status != tc.status || tc.alias != "" && got["alias"] != tc.alias || tc.status >= 400 && got["error"] == "" {
			t.Errorf("%s: %d %s, want %d %s", tc.body, r.status, r.body, tc.status, tc.alias)
		}
		if tc.status == 201 {
			if v := control(t, tw, "GET", "/messages/"+got["id"].(string), ""); v.status != 200 {
				t.Errorf("%s: GET %d", tc.body, v.status)
			}
		}
	}
}

func TestControlActs(t *testing.T) {
	for _, tc := range []struct {
		method, id, body string
		blocked          bool
		status           int
		text             string // afterwards
	}{
		{"PATCH", "m1", `{"edit":"<p>new</p>"}`, false, 200, "<p>new</p>"},
		{"PATCH", "m1", `{"override":"why"}`, true, 200, "x"},
		{"PATCH", "m1", `{"report":true}`, true, 200, graphtwin.Placeholder},
		{"PATCH", "m1", `{"react":"like"}`, false, 200, "x"},
		{"PATCH", "m1", `{"react":"like","by":"li"}`, false, 200, "x"},
		{"DELETE", "m1", ``, false, 200, ""},

		{"PATCH", "m1", `{"override":"why"}`, false, 409, "x"},
		{"PATCH", "m1", `{"override":""}`, true, 409, graphtwin.Placeholder},
		{"PATCH", "m1", `{"report":true}`, false, 409, "x"},
		{"PATCH", "m1", `{}`, false, 400, "x"},
		{"PATCH", "m1", `{"edit":"a","report":true}`, false, 400, "x"},
		{"PATCH", "m1", `{"delete":true}`, false, 400, "x"},
		{"PATCH", "m1", `{"react":"like","by":"nobody"}`, false, 400, "x"},
		{"PATCH", "m2", `{"edit":"a"}`, false, 404, "x"},
		{"PATCH", "m2", `{"react":"like"}`, false, 404, "x"},
		{"DELETE", "m2", ``, false, 404, "x"},
		{"GET", "m2", ``, false, 404, "x"},
		{"POST", "m1/x", ``, false, 400, "x"},
	} {
		tw := start(t)
		m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
		if tc.blocked {
			if err := patched(contoso(t, tw), m, block); err != nil {
				t.Fatal(err)
			}
		}
		r := control(t, tw, tc.method, "/messages/"+tc.id, tc.body)
		if r.status != tc.status {
			t.Errorf("%s %s %s: %d, want %d: %s", tc.method, tc.id, tc.body, r.status, tc.status, r.body)
		}
		var v graphtwin.View
		if err := json.Unmarshal(control(t, tw, "GET", "/messages/m1", "").body, &v); err != nil || v.Text != tc.text {
			t.Errorf("%s %s: shows %q, want %q (%v)", tc.method, tc.body, v.Text, tc.text, err)
		}
	}
}

func TestControlRest(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	a := contoso(t, tw)
	id := a.subscribe(rc)
	m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	if err := patched(a, m, block); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		method, path, body string
		status             int
		want               string
	}{
		{"POST", "/settle", "", 200, `"settled": true`},
		{"GET", "/world", "", 200, `"alias": "ana-li"`},
		{"GET", "/subscriptions", "", 200, `"delivered": 2`},
		{"GET", "/deliveries", "", 200, `"message_id": "m1"`},
		{"GET", "/requests?method=PATCH&applied=true&message=m1", "", 200, `blockAccess`},
		{"GET", "/requests?path=/nowhere", "", 200, `[]`},
		{"GET", "/messages", "", 200, `"patch_count": 1`},
		{"PUT", "/switches", `{"blocked_body":"empty","echo":false}`, 200, `"blocked_body": "empty"`},
		{"GET", "/switches", "", 200, `"echo": false`},
		{"PUT", "/switches", `{"blocked_body":"gone"}`, 400, `blocked body`},
		{"PUT", "/switches", `{"eko":true}`, 400, `error`},
		{"PUT", "/throttle", `{"conversation":5}`, 200, `"conversation": 5`},
		{"PUT", "/throttle", `{"off":true}`, 200, `"off": true`},
		{"PUT", "/faults", `{"rules":[{"method":"GET","path":"/users","status":503,"retry_after":"1","delay":"1ms"}],"delivery":[{"kind":"duplicate","count":1}]}`, 200, `"delay": "1ms"`},
		{"GET", "/faults", "", 200, `"kind": "duplicate"`},
		{"PUT", "/faults", `{"rules":[{"delay":"soon"}]}`, 400, `error`},
		{"PUT", "/faults", `{"delivery":[{"kind":"earthquake"}]}`, 400, `want one of`},
		{"POST", "/lifecycle", `{"event":"reauthorizationRequired","subscription":"` + id + `"}`, 200, `"sent": 1`},
		{"POST", "/lifecycle", `{"event":"earthquake"}`, 400, `want reauthorizationRequired`},
		{"POST", "/rotate", "", 200, `"kid"`},
		{"POST", "/settle?timeout=forever", "", 400, `duration`},
		{"GET", "/nothing", "", 404, `error`},
	} {
		r := control(t, tw, tc.method, tc.path, tc.body)
		if r.status != tc.status || !strings.Contains(string(r.body), tc.want) {
			t.Errorf("%s %s %s: %d %s; want %d %s", tc.method, tc.path, tc.body, r.status, r.body, tc.status, tc.want)
		}
	}
	if r := a.do("GET", "/users", ""); r.status != 503 || r.header.Get("Retry-After") != "1" {
		t.Errorf("the faults of the control API do nothing: %d", r.status)
	}
	if body := string(control(t, tw, "GET", "/world", "").body) + string(control(t, tw, "GET", "/subscriptions", "").body); strings.Contains(body, graphtwin.ContosoSecret) || strings.Contains(body, "the-client-state") {
		t.Error("the control API shows a secret")
	}
}

func TestControlIsNotForBrowsers(t *testing.T) {
	tw := start(t)
	r := send(t, "POST", tw.URL()+"/twin/messages", map[string]string{"Origin": "https://evil.example"}, `{"as":"ana","chat":"ana-li","text":"x"}`)
	if r.status != 403 || len(tw.ShownAll()) != 0 {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func TestSettleGivesUp(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	contoso(t, tw).subscribe(rc)
	tw.Hold(true)
	say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := tw.Settle(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if r := control(t, tw, "POST", "/settle?timeout=1ms", ""); r.status != 408 || !strings.Contains(string(r.body), `"undelivered": 1`) {
		t.Errorf("%d %s", r.status, r.body)
	}
}

func ExampleTwin() {
	twin := graphtwin.New(graphtwin.Options{World: graphtwin.Contoso()})
	defer twin.Close()
	url, err := twin.Start("127.0.0.1:0") // the product's graph_url and login_url
	if err != nil {
		panic(err)
	}
	_ = url
	m, err := twin.Say(graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "<p>my card is 4111 1111 1111 1111</p>"})
	if err != nil {
		panic(err)
	}
	if err := twin.Settle(context.Background()); err != nil {
		panic(err)
	}
	view, err := twin.Shown(m.ID)
	if err != nil {
		panic(err)
	}
	_ = view.Blocked // what Teams shows by now
	// Output:
}
