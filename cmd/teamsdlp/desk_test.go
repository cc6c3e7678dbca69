package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"teamsdlp/actions"
	"teamsdlp/actions/review"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/config"
	"teamsdlp/test/graphtwin"
	"teamsdlp/webhook"
)

// output may be read while it is written.
type output struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	watch string // not empty: then is called once this is written
	then  func()
}

func (o *output) Write(b []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.watch != "" && bytes.Contains(b, []byte(o.watch)) {
		o.then()
	}
	return o.buf.Write(b)
}

func (o *output) when(text string, then func()) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.watch, o.then = text, then
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.buf.String()
}

// running is a service that watches a twin.
type running struct {
	*testing.T
	*service
	twin  *graphtwin.Twin
	dir   string
	log   *output
	stop  context.CancelFunc
	ended chan error
}

func runService(t *testing.T, change ...func(*config.Config)) *running {
	t.Helper()
	return runServiceBefore(t, func(*service) {}, change...)
}

// runServiceBefore is runService that calls before once the service is open and
// has sent nothing.
func runServiceBefore(t *testing.T, before func(*service), change ...func(*config.Config)) *running {
	t.Helper()
	r := &running{T: t, dir: t.TempDir(), log: &output{}, ended: make(chan error, 1), twin: graphtwin.New(graphtwin.Options{World: graphtwin.Contoso(), Throttle: graphtwin.Throttle{Off: true}})}
	t.Cleanup(r.twin.Close)
	at, err := r.twin.Start("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := demoConfig(r.dir, at)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range change {
		c(cfg)
	}
	log, err := newLogger(r.log, "debug")
	if err != nil {
		t.Fatal(err)
	}
	if r.service, err = openService(t.Context(), cfg, log); err != nil {
		t.Fatal(err)
	}
	before(r.service)
	ctx, cancel := context.WithCancel(context.Background())
	r.stop = cancel
	gone := make(chan struct{})
	go func() { defer close(gone); r.ended <- r.run(ctx) }()
	t.Cleanup(func() { cancel(); <-gone })
	r.await("subscriptions", r.manager.Ready)
	return r
}

// await waits for cond.
func (r *running) await(what string, cond func() bool) {
	r.Helper()
	deadline := time.After(2 * time.Minute)
	beat := time.NewTicker(5 * time.Millisecond)
	defer beat.Stop()
	for !cond() {
		select {
		case <-beat.C:
		case <-deadline:
			r.Fatalf("waited too long for %s\n%s", what, r.log)
		}
	}
}

// blocked says something that a rule blocks and returns its message and case.
func (r *running) blocked() (graphtwin.Message, string) {
	r.Helper()
	m, err := r.twin.Say(graphtwin.Post{As: "ana", In: "ana-li", HTML: "<p>my card is " + demoCard + "</p>"})
	if err != nil {
		r.Fatal(err)
	}
	var id string
	r.await("a block", func() bool {
		cases, err := r.store.Cases(context.Background(), actions.Filter{Outcome: actions.OutcomeApplied, Limit: 1})
		if err == nil && len(cases) == 1 {
			id = cases[0].ID
		}
		return id != ""
	})
	return m, id
}

func (r *running) shown(m graphtwin.Message) graphtwin.View {
	r.Helper()
	v, err := r.twin.Shown(m.ID)
	if err != nil {
		r.Fatal(err)
	}
	return v
}

func (r *running) kinds(id string) string {
	r.Helper()
	_, entries, err := r.store.Case(context.Background(), id)
	if err != nil {
		r.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, string(e.Kind))
	}
	return strings.Join(list, " ")
}

// get asks the private listener under a host name.
func (r *running) get(client *http.Client, host, path string) (int, string) {
	r.Helper()
	req, err := http.NewRequest(http.MethodGet, "http://"+r.private.Addr().String()+path, nil)
	if err != nil {
		r.Fatal(err)
	}
	if host != "" {
		req.Host = host
	}
	res, err := client.Do(req)
	if err != nil {
		r.Fatal(err)
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		r.Fatal(err)
	}
	return res.StatusCode, string(body)
}

// The commands decide through the admin socket; their actor is who runs them.
func TestDecisionsThroughTheSocket(t *testing.T) {
	r := runService(t)
	m, id := r.blocked()
	data := filepath.Join(r.dir, "data")
	run := func(code int, want string, args ...string) {
		t.Helper()
		args = slices.Insert(args, 2, "--data", data)
		if got, out, errs := command(t, args...); got != code || !strings.Contains(out+errs, want) {
			t.Errorf("%v: exit code %d; want %d and %q\n%s%s", args, got, code, want, out, errs)
		}
	}
	run(0, "label: done", "actions", "label", id, "false-positive", "--reason", "my card is "+demoCard)
	run(0, "release: done", "actions", "release", id, "--reason", "cleared")
	if v := r.shown(m); v.Blocked || v.PatchCount != 2 {
		t.Errorf("after the release: %+v", v)
	}
	run(1, "nothing of ours stands", "actions", "release", id, "--reason", "again")
	run(1, "no such case", "actions", "release", "0123456789abcdef", "--reason", "x")
	run(1, "A reason is needed", "actions", "release", id, "--reason", " ")
	run(0, "(local, uid ", "actions", "show", id)
	run(0, id, "actions", "list", "label=false-positive", "state=released")
	if _, out, _ := command(t, "actions", "show", "--data", data, id, "--json"); strings.Contains(out, "4111 1111") || !strings.Contains(out, "411111") {
		t.Errorf("a reason is recorded as it was typed: %s", out)
	}
	if strings.Contains(r.log.String(), "4111 1111") {
		t.Error("the program log holds a card number")
	}
}

// The desk signs in by its link, and shows text only after the view is on record.
func TestDeskShowsText(t *testing.T) {
	r := runService(t)
	_, id := r.blocked()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar}
	res, err := client.Get(r.link)
	if err != nil || res.Request.URL.Path != "/cases" {
		t.Fatalf("the link: %v %v", res, err)
	}
	_ = res.Body.Close()
	res, err = client.PostForm("http://"+r.private.Addr().String()+"/cases/"+id+"/text", url.Values{"reason": {"to review"}})
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK || !strings.Contains(string(page), demoCard) {
		t.Errorf("status %d, %v\n%s", res.StatusCode, err, page)
	}
	if got := r.kinds(id); !strings.Contains(got, "view") {
		t.Errorf("entries %s", got)
	}
	if strings.Contains(r.log.String(), "4111 1111") {
		t.Error("the program log holds the text")
	}
}

func TestPrivateListener(t *testing.T) {
	r := runService(t, func(c *config.Config) { c.Private.Hosts = []string{"desk.example.com:8444"} })
	for _, tc := range []struct {
		host, path string
		want       int
	}{
		{"", "/livez", 200},
		{"evil.example", "/livez", 200}, // probes name whatever they like, and learn nothing
		{"", "/readyz", 200},
		{"", "/startupz", 200},
		{"", "/metrics", 200},
		{"localhost:8444", "/metrics", 200},
		{"desk.example.com", "/metrics", 200},
		{"evil.example", "/metrics", 421},
		{"evil.example", "/login", 421},
		{"desk.example.com:8444", "/login", 200},
		{"0.0.0.0:8444", "/login", 421},
	} {
		if got, page := r.get(http.DefaultClient, tc.host, tc.path); got != tc.want {
			t.Errorf("%s at %q: %d; want %d\n%s", tc.path, tc.host, got, tc.want, page)
		}
	}
	r.stop()
	if err := <-r.ended; err != nil {
		t.Errorf("it ended with %v", err)
	}
	if log := r.log.String(); !strings.Contains(log, `"msg":"draining"`) {
		t.Errorf("the log does not say that it drained:\n%s", log)
	}
}

// A part that must not end takes the service with it, and says which it was.
func TestPartThatEnds(t *testing.T) {
	r := runService(t)
	_ = r.public.Close() // as if the listener broke
	if err := <-r.ended; err == nil || !strings.Contains(err.Error(), "public listener") {
		t.Errorf("it ended with %v", err)
	}
}

// A listener on every address prints a link that can be opened.
func TestDeskURL(t *testing.T) {
	r := runService(t, func(c *config.Config) { c.Private.Listen = "0.0.0.0:0" })
	u, err := url.Parse(r.link)
	if err != nil || u.Hostname() != "localhost" {
		t.Errorf("link to %q, %v", u.Host, err)
	}
	if got, page := r.get(http.DefaultClient, u.Host, "/login"); got != 200 {
		t.Errorf("%d %s", got, page)
	}
}

// What the analyst may read of an error is marked; what the store says is not.
func TestRefusal(t *testing.T) {
	for err, want := range map[error]bool{
		nil:                      false,
		actions.ErrNothingStands: true,
		pipeline.ErrUnknownCase:  true,
		pipeline.ErrBusy:         true,
		pipeline.ErrStopping:     true,
		fmt.Errorf("%w: 403", pipeline.ErrNotReleased): true,
		actions.ErrUnsettled:                           false,
		errors.New("disk I/O"):                         false,
		fmt.Errorf("recording: %w", context.Canceled):  false,
	} {
		if got := refusal(err); errors.Is(got, review.ErrRefused) != want || (err == nil) != (got == nil) {
			t.Errorf("%v: %v", err, got)
		}
	}
}

func TestShown(t *testing.T) {
	message := func(s string) *webhook.Message {
		m, err := webhook.DecodeMessage([]byte(s))
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, tc := range []struct{ name, message, body, missing string }{
		{"text", `{"id":"1","messageType":"message","body":{"contentType":"html","content":"<p>one<br>two</p>"}}`, "one", ""},
		{"blanked", `{"id":"1","messageType":"message","body":{"contentType":"html","content":""}}`, "", "empty body"},
		{"deleted", `{"id":"1","messageType":"message","deletedDateTime":"2026-11-24T08:00:00Z","body":{"contentType":"html","content":"x"}}`, "", "deleted"},
		{"a forward, whose text is an attachment", `{"id":"1","messageType":"message","body":{"contentType":"html","content":"<attachment id=\"a\"></attachment>"},
			"attachments":[{"id":"a","contentType":"forwardedMessageReference","content":"{\"originalMessageId\":\"2\",\"originalMessageContent\":\"<p>card of somebody</p>\"}"}]}`, "card of somebody", ""},
		{"a forward with an empty body", `{"id":"1","messageType":"message","body":{"contentType":"html","content":""},
			"attachments":[{"id":"a","contentType":"forwardedMessageReference","content":"{\"originalMessageId\":\"2\",\"originalMessageContent\":\"<p>card of somebody</p>\"}"}]}`, "card of somebody", ""},
	} {
		got := shown(message(tc.message))
		if !strings.Contains(got.Body, tc.body) || (got.Missing == "") != (tc.missing == "") || !strings.Contains(got.Missing, tc.missing) {
			t.Errorf("%s: body %q, missing %q", tc.name, got.Body, got.Missing)
		}
	}
}

// Keys are not kept in the data directory, however it is named.
func TestServeDataApartFromKeys(t *testing.T) {
	dir := site(t, "data_dir: data\n")
	vars := map[string]string{"SECRET": checkSecret}
	for _, data := range []string{dir, filepath.Join(dir, "keys"), filepath.Join(dir, "data", "..")} {
		code, _, errs := commandEnv(t, vars, "serve", "--config", filepath.Join(dir, "teamsdlp.yaml"), "--data", data)
		if code != 2 || !strings.Contains(errs, "copy of the keys") {
			t.Errorf("--data %s: exit code %d\n%s", data, code, errs)
		}
	}
}

// A demo whose service dies says so, and does not wait for ever.
func TestDemoWhoseServiceDies(t *testing.T) {
	for name, once := range map[string]bool{"once": true, "goes on": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			twin := graphtwin.New(switches{BlockedBody: "kept", TokenVersion: 2}.twin())
			defer twin.Close()
			at, err := twin.Start("127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			cfg, err := demoConfig(dir, at)
			if err != nil {
				t.Fatal(err)
			}
			out := &output{}
			log, err := newLogger(out, "error")
			if err != nil {
				t.Fatal(err)
			}
			s, err := openService(t.Context(), cfg, log)
			if err != nil {
				t.Fatal(err)
			}
			c := &demoCmd{Once: once, Speed: 100}
			if once {
				_ = s.public.Close()
			} else {
				out.when("Ctrl-C ends it.", func() { _ = s.public.Close() })
			}
			err = c.play(&env{ctx: t.Context(), stdout: out, stderr: out}, s, twin, at, time.Now())
			if err == nil || !strings.Contains(err.Error(), "the service ended by itself: public listener") {
				t.Errorf("got %v\n%s", err, out)
			}
		})
	}
}
