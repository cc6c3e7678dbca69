package test

import (
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"os/user"
	"strings"
	"testing"

	"teamsdlp/test/graphtwin"
)

// browser is a signed-in person at the desk.
type browser struct {
	t    *testing.T
	base string
	c    *http.Client
}

func newBrowser(t *testing.T, base string) *browser {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &browser{t, base, &http.Client{Timeout: patience, Jar: jar, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}}
}

// deskToken is that of the named person of withUser.
const deskToken = "jo-opens-the-desk-of-the-tests"

// withUser names one person who may sign in.
func withUser(s *site) {
	writeFile(s.t, s.file("desk-token"), deskToken+"\n")
	s.edit(func(d node) {
		d["desk"] = node{"users": []any{node{"name": "jo@contoso.com", "token": "file:" + s.file("desk-token")}}}
	})
}

// signIn opens the one-time link that the service printed; when that was used
// already, an earlier sign-in of the site is taken.
func signIn(t *testing.T, s *site) *browser {
	t.Helper()
	if s.desk != nil && s.desk.of == s.proc {
		return s.desk.browser
	}
	b := newBrowser(t, "http://"+s.private)
	link := s.says(t, `review desk: http://[^/]+(/login\?once=\w+) `)[1]
	b.want(http.MethodGet, link, "", nil, http.StatusSeeOther)
	s.desk = &signedIn{s.proc, b}
	return b
}

// signedIn is the sign-in to one run of the service.
type signedIn struct {
	of *proc
	*browser
}

func (b *browser) want(method, path, body string, h http.Header, status int) string {
	b.t.Helper()
	got, answer, err := do(b.c, method, b.base+path, body, h)
	if err != nil || got != status {
		b.t.Fatalf("%s %s: %d %v; want %d\n%s", method, path, got, err, status, answer)
	}
	return answer
}

func (b *browser) get(path string, status int) string {
	b.t.Helper()
	return b.want(http.MethodGet, path, "", nil, status)
}

// post sends a form, as a browser does from the desk's own page.
func (b *browser) post(path string, form url.Values, status int) string {
	b.t.Helper()
	return b.want(http.MethodPost, path, form.Encode(), http.Header{
		"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}, "Origin": {b.base},
	}, status)
}

// TestDesk: sign in by the link, read a case, label it, look at its text,
// release it; each is an entry with the person's name.
func TestDesk(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL()).up()
	m := say(t, twin, "li", "li-jo", "my card is "+card+" today")
	await(t, twin, m, "blocked", blocked)
	s.settle(twin)

	stranger := newBrowser(t, "http://"+s.private)
	stranger.get("/cases", http.StatusSeeOther)
	stranger.get("/api/cases", http.StatusUnauthorized)
	stranger.get("/login?once=AAAAAAAAAAAAAAAAAAAAAAAAAA", http.StatusForbidden)

	link := s.says(t, `review desk: http://[^/]+(/login\?once=\w+) `)[1]
	desk := signIn(t, s)
	stranger.get(link, http.StatusForbidden) // it works once

	id := s.caseOf(m)
	for _, want := range []string{id, "492951••••••2400", "Li Wei", "Payment card number"} {
		if page := desk.get("/cases", http.StatusOK); !strings.Contains(page, want) {
			t.Errorf("the table lacks %q", want)
		}
	}
	if page := desk.get("/cases/"+id, http.StatusOK); strings.Contains(page, card) || !strings.Contains(page, "492951••••••2400") {
		t.Error("the case must show the mask and not the number")
	}
	desk.get("/cases/0123456789abcdef", http.StatusNotFound)
	desk.get("/cases?severty=high", http.StatusBadRequest)

	// A change needs a reason, a known label, this site and a person.
	desk.post("/cases/"+id+"/release", url.Values{"reason": {" "}}, http.StatusBadRequest)
	desk.post("/cases/"+id+"/text", url.Values{}, http.StatusBadRequest)
	desk.post("/cases/"+id+"/label", url.Values{"label": {"maybe"}}, http.StatusBadRequest)
	form := url.Values{"reason": {"no"}}.Encode()
	desk.want(http.MethodPost, "/cases/"+id+"/release", form, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"cross-site"}}, http.StatusForbidden)
	desk.want(http.MethodPost, "/cases/"+id+"/release", form, http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Origin": {"http://evil.example"}}, http.StatusForbidden)
	stranger.post("/cases/"+id+"/release", url.Values{"reason": {"no"}}, http.StatusSeeOther)
	desk.get("/cases/"+id+"/release", http.StatusMethodNotAllowed)
	if v := shown(t, twin, m); !v.Blocked || v.PatchCount != 1 {
		t.Fatalf("a refused change did something: %+v", v.Patches)
	}

	if page := desk.post("/cases/"+id+"/text", url.Values{"reason": {"to decide"}}, http.StatusOK); !strings.Contains(page, "my card is "+card+" today") {
		t.Errorf("the text is not shown:\n%s", page)
	}
	desk.post("/cases/"+id+"/label", url.Values{"label": {"false-positive"}, "reason": {"a sample"}}, http.StatusSeeOther)
	desk.post("/cases/"+id+"/release", url.Values{"reason": {"a sample number"}}, http.StatusSeeOther)
	await(t, twin, m, "released", released)
	desk.post("/cases/"+id+"/release", url.Values{"reason": {"again"}}, http.StatusConflict)
	s.settle(twin)

	var got []string
	for _, e := range s.entries("case=" + id) {
		if e.Actor == "operator" {
			got = append(got, strings.TrimSpace(e.Kind+" "+e.Label+" ")+": "+e.Reason)
		}
	}
	want := "view: to decide, label false-positive: a sample, release: a sample number"
	if s := strings.Join(got, ", "); s != want {
		t.Errorf("entries by the operator: %s; want %s", s, want)
	}
	if v := shown(t, twin, m); len(v.Patches) != 2 {
		t.Errorf("%d PATCHes; want the block and the release", len(v.Patches))
	}
}

// TestDeskBlankedText: what Graph does not give is said, not invented.
func TestDeskBlankedText(t *testing.T) {
	t.Parallel()
	twin := newTwin(t, func(o *graphtwin.Options) {
		o.Switches = &graphtwin.Switches{Echo: true, BlockedBody: graphtwin.BodyEmpty}
	})
	s := newSite(t, twin.URL()).up()
	m := say(t, twin, "li", "li-jo", "my card is "+card)
	await(t, twin, m, "blocked", blocked)
	s.settle(twin)
	page := signIn(t, s).post("/cases/"+s.caseOf(m)+"/text", url.Values{"reason": {"to decide"}}, http.StatusOK)
	if !strings.Contains(page, "Graph returned an empty body") {
		t.Errorf("the page does not say why there is no text:\n%s", page)
	}
	if v := shown(t, twin, m); !v.Blocked {
		t.Error("looking at it released the message")
	}
}

// TestDeskHosts: a page elsewhere that rebinds its name to this address is not
// answered, on no route that tells anything.
func TestDeskHosts(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL()).up()
	for _, tc := range []struct {
		host, path string
		status     int
	}{
		{"evil.example", "/cases", http.StatusMisdirectedRequest},
		{"evil.example", "/login", http.StatusMisdirectedRequest},
		{"evil.example", "/metrics", http.StatusMisdirectedRequest},
		{"evil.example:" + s.private[strings.LastIndexByte(s.private, ':')+1:], "/metrics", http.StatusMisdirectedRequest},
		{"127.0.0.1.evil.example", "/api/cases", http.StatusMisdirectedRequest},
		{"localhost", "/login", http.StatusOK},
		{s.private, "/metrics", http.StatusOK},
		{"evil.example", "/livez", http.StatusOK}, // it tells nothing
	} {
		status, body, err := do(plain, http.MethodGet, "http://"+s.private+tc.path, "", http.Header{"Host": {tc.host}})
		if err != nil || status != tc.status {
			t.Errorf("%s with Host %s: %d %v; want %d\n%s", tc.path, tc.host, status, err, tc.status, body)
		}
	}
	// The public listener has none of it.
	for _, path := range []string{"/cases", "/metrics", "/login", "/livez", "/"} {
		if status, _, err := get("http://" + s.public + path); err != nil || status != http.StatusNotFound {
			t.Errorf("public %s: %d %v; want 404", path, status, err)
		}
	}
}

// TestDeskNamedUser: a token of the configuration signs its owner in, by form or
// as a bearer, and nobody else.
func TestDeskNamedUser(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL())
	withUser(s)
	s.up()
	m := say(t, twin, "li", "li-jo", "card "+card)
	await(t, twin, m, "blocked", blocked)
	s.settle(twin)
	desk := newBrowser(t, "http://"+s.private)
	desk.post("/login", url.Values{"token": {"jo-opens-the-desk-of-the-testz"}}, http.StatusForbidden)
	desk.get("/cases", http.StatusSeeOther)
	desk.post("/login", url.Values{"token": {deskToken}}, http.StatusSeeOther)
	desk.get("/cases", http.StatusOK)
	id := s.caseOf(m)
	api := newBrowser(t, "http://"+s.private)
	h := http.Header{"Authorization": {"Bearer " + deskToken}, "Content-Type": {"application/json"}}
	api.want(http.MethodPost, "/api/cases/"+id+"/release", `{"reason":""}`, h, http.StatusBadRequest)
	api.want(http.MethodPost, "/api/cases/"+id+"/release", `{"reason":"a sample"}`, http.Header{"Authorization": {"Bearer x"}}, http.StatusUnauthorized)
	api.want(http.MethodPost, "/api/cases/"+id+"/release", `{"reason":"a sample"}`, h, http.StatusOK)
	await(t, twin, m, "released", released)
	for _, e := range s.entries("kind=release") {
		if e.Actor != "jo@contoso.com" || e.Reason != "a sample" {
			t.Errorf("release by %q because %q", e.Actor, e.Reason)
		}
	}
	for _, stream := range []string{s.stdout.String(), s.stderr.String()} {
		if strings.Contains(stream, deskToken) {
			t.Error("the token is in the program log")
		}
	}
}

// TestAdminSocket: release and label on the command line go through the running
// service, by the user that runs the command; without it they fail.
func TestAdminSocket(t *testing.T) {
	t.Parallel()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	twin := newTwin(t)
	s := newSite(t, twin.URL()).up()
	m := say(t, twin, "li", "li-jo", "card "+card)
	await(t, twin, m, "blocked", blocked)
	s.settle(twin)
	id := s.caseOf(m)
	for _, tc := range []struct {
		args []string
		code int
		want string
	}{
		{[]string{"label", id, "perhaps"}, 2, "must be one of"},
		{[]string{"release", id}, 2, "--reason"},
		{[]string{"release", id, "--reason", " "}, 1, "reason is needed"},
		{[]string{"release", "0123456789abcdef", "--reason", "x"}, 1, "no such case"},
		{[]string{"label", id, "false-positive", "--reason", "a sample"}, 0, "label: done"},
		{[]string{"release", id, "--reason", "a sample number"}, 0, "release: done"},
		{[]string{"release", id, "--reason", "again"}, 1, "nothing of ours stands"},
	} {
		args := append([]string{"actions", tc.args[0], "--config", s.config()}, tc.args[1:]...)
		code, out, errs := run(t, args...)
		if code != tc.code || !strings.Contains(out+errs, tc.want) {
			t.Errorf("%v: exit code %d; want %d and %q\n%s%s", tc.args, code, tc.code, tc.want, out, errs)
		}
	}
	await(t, twin, m, "released", released)
	s.settle(twin)
	n := 0
	for _, e := range s.entries("case=" + id) {
		if e.Kind == "label" || e.Kind == "release" {
			n++
			if !strings.Contains(e.Actor, me.Username) {
				t.Errorf("%s by %q; want the user %s", e.Kind, e.Actor, me.Username)
			}
		}
	}
	if n != 2 {
		t.Errorf("%d entries; want label and release", n)
	}
	s.stop(t)
	if code, _, errs := run(t, "actions", "release", "--config", s.config(), id, "--reason", "x"); code != 2 || !strings.Contains(errs, "start teamsdlp serve") {
		t.Errorf("without a service: exit code %d, %q; want 2 and what to start", code, errs)
	}
}
