package test

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"teamsdlp/test/graphtwin"
)

// TestTwoProcesses is what the README shows: the twin in one process, the
// product in another, curl between them.
func TestTwoProcesses(t *testing.T) {
	t.Parallel()
	s := &site{t: t, dir: t.TempDir(), exe: binary, level: "info"}
	addr := freePort(t)
	base := "http://" + addr
	twin := start(t, binary, nil, "twin", "--listen", addr, "--write-config", s.dir, "--backoff-scale", "0.01")
	twin.says(t, `Simulated Microsoft Graph +`+base+`\n`)
	twin.says(t, `serve --config `+s.config())
	s.edit(s.ports) // the README's ports may be taken here
	s.up()

	curl := func(method, path, body string, into any) {
		t.Helper()
		status, answer, err := do(plain, method, base+path, body, nil)
		if err != nil || status >= 300 {
			t.Fatalf("%s %s: %d %v\n%s", method, path, status, err, answer)
		}
		if err := json.Unmarshal([]byte(answer), into); err != nil {
			t.Fatalf("%s %s: %v\n%s", method, path, err, answer)
		}
	}
	saysCard := func(where string) string {
		t.Helper()
		var m graphtwin.Message
		curl(http.MethodPost, "/twin/messages", `{"as":"ana",`+where+`,"text":"my card is 4111 1111 1111 1111"}`, &m)
		return m.ID
	}
	isBlocked := func(id string) {
		t.Helper()
		waitFor(t, "the block of "+id, func() bool {
			var v graphtwin.View
			curl(http.MethodGet, "/twin/messages/"+id, "", &v)
			return v.Blocked
		})
	}
	creates := func() int {
		var list []graphtwin.Request
		curl(http.MethodGet, "/twin/requests?method=POST&path=/subscriptions", "", &list)
		return len(list)
	}

	first := saysCard(`"chat":"ana-li"`)
	isBlocked(first)
	isBlocked(saysCard(`"team":"sales","channel":"general"`))
	if n := creates(); n != 2 {
		t.Errorf("%d subscriptions were asked for; want 2, chats and channels", n)
	}

	s.stop(t)
	if !strings.Contains(s.stderr.String(), `"msg":"draining"`) {
		t.Error("the program log does not say that it drained")
	}
	meanwhile := saysCard(`"chat":"deal"`)
	waitFor(t, "a delivery that fails", func() bool {
		var list []graphtwin.Attempt
		curl(http.MethodGet, "/twin/deliveries", "", &list)
		return list[len(list)-1].MessageID == meanwhile && list[len(list)-1].Status == 0
	})

	s.up()
	isBlocked(meanwhile)
	isBlocked(saysCard(`"chat":"ana-li"`))
	if n := creates(); n != 2 {
		t.Errorf("after a restart %d subscriptions were asked for in all; want 2: it did not adopt its own", n)
	}
	var settled struct{ Settled bool }
	curl(http.MethodPost, "/twin/settle", "", &settled)
	var all []graphtwin.View
	curl(http.MethodGet, "/twin/messages", "", &all)
	for _, v := range all {
		if v.PatchCount != 1 || len(v.Patches) != 1 {
			t.Errorf("message %s was PATCHed %d times, %d of them applied; want once", v.ID, len(v.Patches), v.PatchCount)
		}
	}
	s.stop(t)
	twin.stop(t)
}

// TestDrain: what was accepted before SIGTERM is acted on before the process
// ends, or at the next start.
func TestDrain(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL()).up()
	var said []graphtwin.Message
	for range 40 {
		said = append(said, say(t, twin, "ana", "ana-li", "card "+card))
	}
	waitFor(t, "the first block", func() bool { return shown(t, twin, said[0]).Blocked })
	s.stop(t)
	s.up()
	s.settle(twin)
	for _, m := range said {
		if v := shown(t, twin, m); !v.Blocked || len(v.Patches) != 1 {
			t.Errorf("message %s: blocked %v, %d PATCHes; want one block", m.ID, v.Blocked, len(v.Patches))
		}
	}
}

// TestCustomCloudIsAnnounced: nobody takes a simulation for Microsoft.
func TestCustomCloudIsAnnounced(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL()).up()
	s.says(t, `"level":"warn".*a custom cloud is in use`)
}

// TestSecondProcessIsRefused: two processes on one data directory would each act.
func TestSecondProcessIsRefused(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL()).up()
	s.edit(s.ports)
	second := start(t, binary, nil, "serve", "--config", s.config())
	if code := second.wait(t); code != 2 {
		t.Errorf("a second serve on the same data: exit code %d; want 2\n%s", code, second.stderr.String())
	}
	m := say(t, twin, "ana", "ana-li", "card "+card)
	await(t, twin, m, "blocked", blocked)
}

// TestStartRefused: what cannot be run as configured does not start.
func TestStartRefused(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	for _, tc := range []struct {
		name   string
		change func(node)
		want   string
	}{
		{"desk on the network without names", func(d node) { d["private"] = node{"listen": "0.0.0.0:0"} }, "desk.users"},
		{"desk on every address without names", func(d node) { d["private"] = node{"listen": ":0"} }, "desk.users"},
		{"plain http to the internet", func(d node) { d["public"].(node)["url"] = "http://dlp.example.com" }, "https"},
		{"a key that is not known", func(d node) { d["tennants"] = 1 }, `did you mean "tenants"?`},
		{"keys beside the data", func(d node) { d["keys_dir"] = d["data_dir"].(string) + "/keys" }, "keys_dir"},
		{"a rule directory that is not there", func(d node) { d["rules_dir"] = "/nowhere" }, "/nowhere"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s := newSite(t, twin.URL(), tc.change)
			s.launch()
			if code := s.wait(t); code != 2 || !strings.Contains(s.stderr.String(), tc.want) {
				t.Errorf("exit code %d, %q; want 2 and %q", code, s.stderr.String(), tc.want)
			}
			if n := len(twin.Requests(graphtwin.Filter{})); n > 0 {
				t.Errorf("%d requests reached Graph", n)
			}
		})
	}
}
