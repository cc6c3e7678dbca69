package review

import (
	"context"
	"fmt"
	"html"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"teamsdlp/actions"
)

// log is a log of one case; it remembers the filter of the last list.
type log struct {
	cases []actions.Case
	asked actions.Filter
	stops int64 // where a search stops; 0: nowhere
}

func (l *log) Cases(_ context.Context, f actions.Filter) ([]actions.Case, error) {
	l.asked = f
	if l.stops > 0 {
		return l.cases[:1], &actions.SearchStopped{At: l.stops}
	}
	return l.cases[:min(len(l.cases), f.Limit)], nil
}

func (l *log) Case(_ context.Context, id string) (actions.Case, []actions.Entry, error) {
	for _, c := range l.cases {
		if c.ID == id {
			return c, []actions.Entry{{Seq: 4, Case: id, Kind: actions.KindIntent, Time: noon, Rules: append(c.Rules,
				actions.RuleResult{ID: "iban", Title: "IBAN", Mode: "enforce", Result: "near_miss", Reason: "iban found 0; 1 needed"})}}, nil
		}
	}
	return actions.Case{}, nil, actions.ErrNotFound
}

func (l *log) Entries(_ context.Context, f actions.Filter) ([]actions.Entry, error) {
	l.asked = f
	return []actions.Entry{{Kind: actions.KindGap, Time: noon, Gap: &actions.Gap{Resource: "chats/getAllMessages", From: noon, Cause: "down"}}}, nil
}

// desk writes down what it was asked to do.
type desk struct {
	did  []string
	fail error
	text Text
}

func (d *desk) Release(_ context.Context, id, actor, reason string) error {
	d.did = append(d.did, fmt.Sprintf("release %s by %s: %s", id, actor, reason))
	return d.fail
}

func (d *desk) Label(_ context.Context, id, actor, label, reason string) error {
	d.did = append(d.did, fmt.Sprintf("label %s %s by %s: %s", id, label, actor, reason))
	return d.fail
}

func (d *desk) Text(_ context.Context, id, actor, reason string) (Text, error) {
	d.did = append(d.did, fmt.Sprintf("text %s by %s: %s", id, actor, reason))
	return d.text, d.fail
}

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

const anaToken = "a-token-of-ana-that-is-long-enough"

type rig struct {
	t     *testing.T
	log   *log
	desk  *desk
	s     *Server
	url   string
	http  *http.Client
	clock time.Time
}

func newRig(t *testing.T) *rig {
	t.Helper()
	r := &rig{t: t, desk: &desk{text: Text{Body: "<script>alert(1)</script>"}}, clock: noon}
	r.log = &log{cases: []actions.Case{{
		ID: "c1", LastSeq: 9, Updated: noon, Severity: "high", Action: actions.ActionBlock, Outcome: actions.OutcomeApplied,
		Standing: actions.ActionBlock, Sender: &actions.Sender{Name: `<img src=x onerror=alert(2)>`},
		Rules:    []actions.RuleResult{{ID: "card-number", Title: "Payment card number", Result: "matched", Matched: []actions.Match{{Detector: "credit-card", Masked: []string{"411111••••••1111"}}}}},
		Exposure: &actions.Exposure{Sent: noon, Received: noon.Add(3 * time.Second), Judged: noon.Add(3010 * time.Millisecond), Applied: noon.Add(3100 * time.Millisecond)},
	}}}
	s, err := New(Config{Reader: r.log, Desk: r.desk, Users: []User{{"ana", anaToken}}, Hosts: []string{"dlp.example.com"}, Clock: func() time.Time { return r.clock },
		Coverage: func() []Coverage { return []Coverage{{Resource: "teams/getAllMessages", Status: "active"}} }})
	if err != nil {
		t.Fatal(err)
	}
	r.s = s
	server := httptest.NewServer(s.Handler())
	t.Cleanup(server.Close)
	r.url = server.URL
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	r.http = &http.Client{Jar: jar}
	return r
}

func (r *rig) do(method, path, body string, header ...string) (*http.Response, string) {
	r.t.Helper()
	req, err := http.NewRequest(method, r.url+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	if method == http.MethodPost {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
		if header[i] == "Host" {
			req.Host = header[i+1]
		}
	}
	res, err := r.http.Do(req)
	if err != nil {
		r.t.Fatal(err)
	}
	defer res.Body.Close()
	page, err := io.ReadAll(res.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return res, string(page)
}

func (r *rig) signIn() {
	r.t.Helper()
	if res, _ := r.do("GET", strings.TrimPrefix(r.s.OneTimeLink(r.url), r.url), ""); res.StatusCode != http.StatusOK || res.Request.URL.Path != "/cases" {
		r.t.Fatalf("one-time link led to %d %s", res.StatusCode, res.Request.URL)
	}
}

func TestNothingWithoutSigningIn(t *testing.T) {
	r := newRig(t)
	for _, path := range []string{"/", "/cases", "/cases/c1", "/coverage"} {
		if res, page := r.do("GET", path, ""); res.Request.URL.Path != "/login" || strings.Contains(page, "411111") || strings.Contains(page, "nothing was done") {
			t.Errorf("GET %s led to %s", path, res.Request.URL.Path)
		}
	}
	for _, path := range []string{"/cases/c1/release", "/cases/c1/label", "/cases/c1/text"} {
		// Whoever decided must not believe that it was done.
		if res, page := r.do("POST", path, "reason=x&label=true-positive"); res.Request.URL.Path != "/login" || !strings.Contains(page, "nothing was done") {
			t.Errorf("POST %s led to %s", path, res.Request.URL.Path)
		}
	}
	for _, path := range []string{"GET /api/cases", "GET /api/cases/c1", "GET /api/entries", "POST /api/cases/c1/release", "POST /api/cases/c1/label"} {
		method, path, _ := strings.Cut(path, " ")
		if res, _ := r.do(method, path, `{"reason":"x"}`); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s %s: %d", method, path, res.StatusCode)
		}
		if res, _ := r.do(method, path, `{"reason":"x"}`, "Authorization", "Bearer wrong-token-of-some-length"); res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s %s with a wrong token: %d", method, path, res.StatusCode)
		}
	}
	if len(r.desk.did) != 0 {
		t.Errorf("decisions without a person: %q", r.desk.did)
	}
}

func TestOneTimeLink(t *testing.T) {
	r := newRig(t)
	link := strings.TrimPrefix(r.s.OneTimeLink(r.url), r.url)
	if res, _ := r.do("GET", link, ""); res.Request.URL.Path != "/cases" {
		t.Fatal("the link does not sign in")
	}
	r.http.Jar, _ = cookiejar.New(nil)
	if res, _ := r.do("GET", link, ""); res.StatusCode != http.StatusForbidden {
		t.Errorf("second use: %d", res.StatusCode)
	}
	late := strings.TrimPrefix(r.s.OneTimeLink(r.url), r.url)
	r.clock = noon.Add(onceLife + time.Second)
	if res, _ := r.do("GET", late, ""); res.StatusCode != http.StatusForbidden {
		t.Errorf("old link: %d", res.StatusCode)
	}
	if res, _ := r.do("GET", "/login?once=guess", ""); res.StatusCode != http.StatusForbidden {
		t.Errorf("guessed link: %d", res.StatusCode)
	}
}

func TestSessionEnds(t *testing.T) {
	r := newRig(t)
	r.signIn()
	r.clock = noon.Add(sessionLife + time.Second)
	if res, _ := r.do("GET", "/cases", ""); res.Request.URL.Path != "/login" {
		t.Error("a session outlived its life")
	}
	r.clock = noon
	r.signIn()
	r.do("POST", "/logout", "")
	if res, _ := r.do("GET", "/cases", ""); res.Request.URL.Path != "/login" {
		t.Error("signed in after signing out")
	}
}

func TestTokenSignIn(t *testing.T) {
	r := newRig(t)
	if res, _ := r.do("POST", "/login", "token=not-the-token-of-ana"); res.StatusCode != http.StatusForbidden {
		t.Errorf("wrong token: %d", res.StatusCode)
	}
	if res, page := r.do("POST", "/login", "token="+anaToken); res.Request.URL.Path != "/cases" || !strings.Contains(page, "ana") {
		t.Errorf("ana's token led to %s", res.Request.URL.Path)
	}
	if res, _ := r.do("POST", "/cases/c1/release", "reason=cleared"); res.StatusCode != http.StatusOK || r.desk.did[0] != "release c1 by ana: cleared" {
		t.Errorf("%d %q", res.StatusCode, r.desk.did)
	}
	if res, _ := r.do("POST", "/api/cases/c1/label", `{"label":"false-positive"}`, "Authorization", "Bearer "+anaToken); res.StatusCode != http.StatusOK || r.desk.did[1] != "label c1 false-positive by ana: " {
		t.Errorf("%d %q", res.StatusCode, r.desk.did)
	}
}

// TestTextOpenedAnew: the address of a text leads back to its case, and shows nothing.
func TestTextOpenedAnew(t *testing.T) {
	r := newRig(t)
	r.signIn()
	if res, page := r.do("GET", "/cases/c1/text", ""); res.StatusCode != http.StatusOK || res.Request.URL.Path != "/cases/c1" || len(r.desk.did) != 0 {
		t.Errorf("%d at %s, %q: %s", res.StatusCode, res.Request.URL.Path, r.desk.did, page)
	}
}

func TestRefusals(t *testing.T) {
	for _, c := range []struct {
		name, method, path, body string
		header                   []string
		want                     int
	}{
		{"foreign host", "GET", "/cases", "", []string{"Host", "evil.example"}, http.StatusMisdirectedRequest},
		{"foreign host with a port", "GET", "/cases", "", []string{"Host", "evil.example:80"}, http.StatusMisdirectedRequest},
		{"cross-origin change", "POST", "/cases/c1/release", "reason=x", []string{"Sec-Fetch-Site", "cross-site"}, http.StatusForbidden},
		{"cross-origin change, old browser", "POST", "/cases/c1/release", "reason=x", []string{"Origin", "https://evil.example"}, http.StatusForbidden},
		{"change by GET", "GET", "/cases/c1/release", "", nil, http.StatusMethodNotAllowed},
		{"release without a reason", "POST", "/cases/c1/release", "reason=+", nil, http.StatusBadRequest},
		{"text without a reason", "POST", "/cases/c1/text", "", nil, http.StatusBadRequest},
		{"reason too long", "POST", "/cases/c1/release", "reason=" + strings.Repeat("x", maxReason+1), nil, http.StatusBadRequest},
		{"note too long", "POST", "/cases/c1/label", "label=true-positive&reason=" + strings.Repeat("x", maxReason+1), nil, http.StatusBadRequest},
		{"api: note too long", "POST", "/api/cases/c1/label", `{"label":"true-positive","reason":"` + strings.Repeat("x", maxReason+1) + `"}`, nil, http.StatusBadRequest},
		{"label of no kind", "POST", "/cases/c1/label", "label=maybe", nil, http.StatusBadRequest},
		{"api: not JSON", "POST", "/api/cases/c1/release", "reason=x", nil, http.StatusBadRequest},
		{"api: unknown field", "POST", "/api/cases/c1/release", `{"why":"x"}`, nil, http.StatusBadRequest},
		{"misspelt filter", "GET", "/cases?severty=high", "", nil, http.StatusBadRequest},
		{"filter of no kind", "GET", "/cases?severity=urgent", "", nil, http.StatusBadRequest},
		{"unknown case", "GET", "/cases/nope", "", nil, http.StatusNotFound},
		{"unknown page", "GET", "/nope", "", nil, http.StatusNotFound},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := newRig(t)
			r.signIn()
			if res, page := r.do(c.method, c.path, c.body, c.header...); res.StatusCode != c.want {
				t.Errorf("got %d, want %d: %s", res.StatusCode, c.want, page)
			}
			if len(r.desk.did) != 0 {
				t.Errorf("it was done all the same: %q", r.desk.did)
			}
		})
	}
}

func TestCoveragePage(t *testing.T) {
	r := newRig(t)
	r.signIn()
	r.s.cfg.Coverage = func() []Coverage {
		return []Coverage{
			{Resource: "teams/getAllMessages", Status: "active", Trouble: "calling graph: not reached (AADSTS7000222) <b>", Retry: noon.Add(time.Minute)},
			{Resource: "chats/getAllMessages", Status: "pending", OpenGap: "no subscription"},
		}
	}
	_, page := r.do("GET", "/coverage", "")
	if n := strings.Count(page, "<td data-th="); n == 0 || n != strings.Count(page, "<td") { // else a telephone cannot say what it shows
		t.Errorf("%d of %d cells are named", n, strings.Count(page, "<td"))
	}
	for _, want := range []string{"(AADSTS7000222) &lt;b&gt;", "tried again 2026-11-24 12:01:00.000 UTC", "no subscription"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if n := strings.Count(page, "tried again"); n != 1 {
		t.Errorf("%d resources are tried again", n)
	}
}

func TestDeskErrors(t *testing.T) {
	r := newRig(t)
	r.signIn()
	r.desk.fail = fmt.Errorf("the message was deleted: %w", ErrRefused)
	if res, page := r.do("POST", "/cases/c1/release", "reason=x"); res.StatusCode != http.StatusConflict || !strings.Contains(page, "the message was deleted") {
		t.Errorf("refused: %d %s", res.StatusCode, page)
	}
	r.desk.fail = fmt.Errorf("dial tcp 10.0.0.7: secret-host")
	if res, page := r.do("POST", "/cases/c1/release", "reason=x"); res.StatusCode != http.StatusInternalServerError || strings.Contains(page, "secret-host") {
		t.Errorf("inner error: %d %s", res.StatusCode, page)
	}
}

func TestPagesEscape(t *testing.T) {
	r := newRig(t)
	r.signIn()
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/cases", "&lt;img src=x onerror=alert(2)&gt;"},
		{"GET", "/cases/c1", "&lt;img src=x onerror=alert(2)&gt;"},
		{"POST", "/cases/c1/text", "&lt;script&gt;alert(1)&lt;/script&gt;"},
		{"GET", "/cases?sender=%22%3E%3Cscript%3E", "&#34;&gt;&lt;script&gt;"},
	} {
		res, page := r.do(c.method, c.path, "reason=looking")
		if strings.Contains(page, "<script") || strings.Contains(page, "<img src=x") || !strings.Contains(page, c.want) {
			t.Errorf("%s %s is not escaped:\n%s", c.method, c.path, page)
		}
		if csp := res.Header.Get("Content-Security-Policy"); !strings.HasPrefix(csp, "default-src 'none';") || strings.Contains(csp, "unsafe") {
			t.Errorf("%s: policy %q", c.path, csp)
		}
		if res.Header.Get("Cache-Control") != "no-store" {
			t.Errorf("%s may be cached", c.path)
		}
	}
}

func TestCasePageSaysWhyOthersDidNotMatch(t *testing.T) {
	r := newRig(t)
	r.signIn()
	_, page := r.do("GET", "/cases/c1", "")
	for _, want := range []string{"411111••••••1111", "near miss", "iban found 0; 1 needed", "Microsoft 3.0 s", "ours 100 ms", "readable for 3.1 s"} {
		if !strings.Contains(page, want) {
			t.Errorf("the case page lacks %q", want)
		}
	}
}

// TestReadable: only a block ends that a text can be read, and only as long as it
// stands.
func TestReadable(t *testing.T) {
	clock := &actions.Exposure{Sent: noon, Received: noon.Add(3 * time.Second), Applied: noon.Add(3100 * time.Millisecond)}
	half := &actions.Exposure{Sent: noon, Received: noon.Add(3 * time.Second)}
	for _, tc := range []struct {
		c    actions.Case
		want string
	}{
		{actions.Case{Action: actions.ActionBlock, Outcome: actions.OutcomeApplied, Exposure: clock}, "for 3.1 s"},
		{actions.Case{Action: actions.ActionBlockExternal, Outcome: actions.OutcomeApplied, Exposure: clock}, "for 3.1 s outside"},
		{actions.Case{Action: actions.ActionBlock, Outcome: actions.OutcomeApplied, Exposure: clock, Overridden: true}, "for 3.1 s, and again"},
		{actions.Case{Action: actions.ActionBlock, Outcome: actions.OutcomeApplied, Exposure: clock, Released: true}, "for 3.1 s, and again"},
		{actions.Case{Action: actions.ActionBlock, Outcome: actions.OutcomeApplied, Exposure: clock, Released: true, Deleted: true}, "for 3.1 s"},
		{actions.Case{Action: actions.ActionBlock, Outcome: actions.OutcomeApplied, Exposure: clock, Released: true, Edited: true}, "for 3.1 s"},
		{actions.Case{Action: actions.ActionNotify, Outcome: actions.OutcomeApplied, Exposure: clock}, "still"},
		{actions.Case{Action: actions.ActionBlock, Outcome: actions.OutcomeNotEnforceable, Exposure: half}, "still"},
		{actions.Case{Action: actions.ActionBlock, Outcome: actions.OutcomeFailed, Exposure: half}, "still"},
		{actions.Case{Action: actions.ActionBlock, Outcome: actions.OutcomeShadow, Exposure: half}, "still"},

		{actions.Case{Action: actions.ActionBlock, Outcome: actions.OutcomePending, Exposure: half}, ""},
		{actions.Case{Action: actions.ActionBlock, Outcome: actions.OutcomeApplied, Exposure: half}, ""},
		{actions.Case{Action: actions.ActionBlock, Outcome: actions.OutcomeApplied}, ""},
		{actions.Case{Action: actions.ActionBlock, Outcome: actions.OutcomeNotEnforceable, Deleted: true}, ""},
		{actions.Case{Action: actions.ActionNotify, Outcome: actions.OutcomeApplied, Exposure: clock, Edited: true}, ""},
	} {
		if got := Readable(tc.c); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.c, got, tc.want)
		}
	}
}

// TestNamesAreIsolated: what others chose as a name turns the direction of nothing
// but itself.
func TestNamesAreIsolated(t *testing.T) {
	r := newRig(t)
	r.signIn()
	r.log.cases[0].Sender.Name = "\u202eאנה"
	r.log.cases[0].Conversation = &actions.Conversation{Kind: "channel", Name: "مبيعات"}
	r.log.cases[0].Rules[0].Title = "رقم بطاقة"
	for _, path := range []string{"/cases", "/cases/c1"} {
		_, page := r.do("GET", path, "")
		for _, name := range []string{"\u202eאנה", "مبيعات", "رقم بطاقة"} {
			if n := strings.Count(page, name); n == 0 || n != strings.Count(page, "<bdi>"+name+"</bdi>") {
				t.Errorf("%s: %q stands there %d times, isolated %d times", path, name, n, strings.Count(page, "<bdi>"+name+"</bdi>"))
			}
		}
	}
}

func TestTextThatGraphNoLongerHas(t *testing.T) {
	r := newRig(t)
	r.signIn()
	r.desk.text = Text{Missing: "Graph returned an empty body."}
	if _, page := r.do("POST", "/cases/c1/text", "reason=x"); !strings.Contains(page, "Graph returned an empty body.") {
		t.Error("the page does not say that there is no text")
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q"} {
		if got := fmt.Sprintf(verb, Text{Body: "hunter2"}); strings.Contains(got, "hunter2") {
			t.Errorf("%s prints %s", verb, got)
		}
	}
}

func TestParseFilter(t *testing.T) {
	after := int64(-1)
	for _, c := range []struct {
		query string
		want  actions.Filter
	}{
		{"", actions.Filter{}},
		{"severity=high&state=open&limit=7", actions.Filter{Severity: "high", State: "open", Limit: 7}},
		{"since=24h", actions.Filter{Since: noon.Add(-24 * time.Hour)}},
		{"since=7d", actions.Filter{Since: noon.Add(-7 * 24 * time.Hour)}},
		{"until=2026-11-01", actions.Filter{Until: time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)}},
		{"after=-1", actions.Filter{After: &after}},
		{"kind=intent&severity=", actions.Filter{Kind: actions.KindIntent}},
		{"since=18250d", actions.Filter{Since: noon.Add(-18250 * 24 * time.Hour)}},
	} {
		q, _ := url.ParseQuery(c.query)
		got, err := parseFilter(q, noon)
		if err != nil || got.Kind != c.want.Kind || got.Severity != c.want.Severity || got.State != c.want.State || got.Limit != c.want.Limit ||
			!got.Since.Equal(c.want.Since) || !got.Until.Equal(c.want.Until) || (got.After == nil) != (c.want.After == nil) {
			t.Errorf("%q: got %+v, %v; want %+v", c.query, got, err, c.want)
		}
	}
	for _, bad := range []string{"sev=high", "severity=HIGH", "action=delete", "outcome=x", "state=closed", "label=maybe", "since=yesterday", "since=-3h", "limit=0", "limit=5001", "limit=x", "before=-1", "after=-2",
		"kind=intnet", "severity=low&severity=high", "since=110000d", "since=18251d", "since=0001-01-01", "until=9999-12-31", "since=1600-01-01T00:00:00Z", "since=5md", "since=d"} {
		q, _ := url.ParseQuery(bad)
		if _, err := parseFilter(q, noon); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
}

// A filter that the list does not have is refused, and never shows everything.
func TestFiltersOfTheOtherList(t *testing.T) {
	for _, c := range []struct {
		query          string
		cases, entries bool // taken
	}{
		{"severity=high", true, true},
		{"state=open", true, false},
		{"kind=intent", false, true},
		{"after=7", false, true},
		{"state=&kind=&after=", true, true}, // an empty form
	} {
		q, _ := url.ParseQuery(c.query)
		if _, err := ParseFilter(q); (err == nil) != c.cases {
			t.Errorf("cases, %q: %v", c.query, err)
		}
		if _, err := ParseEntryFilter(q); (err == nil) != c.entries {
			t.Errorf("entries, %q: %v", c.query, err)
		}
	}
	r := newRig(t)
	for path, want := range map[string]int{"/api/cases?kind=intent": 400, "/api/entries?state=open": 400, "/api/entries?kind=gap": 200} {
		if res, page := r.do("GET", path, "", "Authorization", "Bearer "+anaToken); res.StatusCode != want {
			t.Errorf("%s: %d %s", path, res.StatusCode, page)
		}
	}
}

// A search for part of a name goes back so far and no further; whoever wants more asks.
func TestSearchStops(t *testing.T) {
	r := newRig(t)
	r.signIn()
	r.log.stops = 12345
	for path, want := range map[string]string{
		"/cases?sender=jo":     `<a href="/cases?before=12345&amp;sender=jo">Search further back</a>`,
		"/api/cases?sender=jo": `"searched_to":12345`,
	} {
		res, body := r.do(http.MethodGet, path, "", "Authorization", "Bearer "+anaToken)
		if res.StatusCode != http.StatusOK || !strings.Contains(body, want) || r.log.asked.Scan != searchSpan {
			t.Errorf("%s: %d, scanning %d, no %q in\n%s", path, res.StatusCode, r.log.asked.Scan, want, body)
		}
	}
	r.log.stops, r.log.cases = 0, slices.Repeat(r.log.cases, pageSize+1)
	r.log.cases[pageSize-1].LastSeq = 77
	_, body := r.do(http.MethodGet, "/cases?sender=jo&rule=a%26b%22", "")
	link := regexp.MustCompile(`href="([^"]*)">Older cases`).FindStringSubmatch(body)
	if link == nil {
		t.Fatalf("no link to the next page in\n%s", body)
	}
	if res, body := r.do(http.MethodGet, html.UnescapeString(link[1]), ""); res.StatusCode != http.StatusOK || r.log.asked.Before != 77 || r.log.asked.Sender != "jo" || r.log.asked.Rule != `a&b"` {
		t.Errorf("the next page, %s: %d, asked for %+v\n%s", link[1], res.StatusCode, r.log.asked, body)
	}
	if _, body := r.do(http.MethodGet, "/api/cases?sender=jo", "", "Authorization", "Bearer "+anaToken); strings.Contains(body, "searched_to") {
		t.Errorf("a search that did not stop: %s", body)
	}
}

func TestKnownHost(t *testing.T) {
	s, err := New(Config{Reader: &log{}, Desk: &desk{}, Hosts: []string{"dlp.example.com", "desk.example.com:8444", "[2001:DB8::0:7]:8444", "2001:db8::9", "10.0.0.9"}})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]bool{
		"localhost": true, "localhost:8444": true, "LocalHost.:8444": true, "127.0.0.1:1": true, "[::1]:8444": true, "[::1]": true, "[::ffff:127.0.0.1]:8444": true,
		"dlp.example.com": true, "DLP.example.com:443": true, "dlp.example.com.": true,
		"desk.example.com": true, "desk.example.com:8444": true, "desk.example.com:1": true,
		"[2001:db8::7]:8444": true, "[2001:db8::9]": true, "10.0.0.9:8444": true, "10.0.0.9": true,
		"192.0.2.1:8444": true, // the address the request came in on
		"":               false, ":8444": false, ".": false, "[]": false, "evil.example": false, "evil.example:8444": false, "localhost.evil.example": false,
		"xlocalhost": false, "0.0.0.0:8444": false, "[::]:8444": false, "192.0.2.2:8444": false, "127.0.0.1.evil.example": false, "localhost:8444:8444": false,
		"127.0.0.1@evil.example": false, "10.0.0.9.nip.example": false,
	} {
		req := httptest.NewRequest(http.MethodGet, "/", nil)
		req.Host = host
		req = req.WithContext(context.WithValue(req.Context(), http.LocalAddrContextKey, &net.TCPAddr{IP: net.IPv4(192, 0, 2, 1), Port: 8444}))
		if got := s.KnownHost(req); got != want {
			t.Errorf("Host %q: %v", host, got)
		}
	}
}

// Whoever looks where a one-time link leads does not use it up.
func TestHeadLeavesTheLink(t *testing.T) {
	r := newRig(t)
	link := strings.TrimPrefix(r.s.OneTimeLink(r.url), r.url)
	if res, _ := r.do("HEAD", link, ""); len(res.Cookies()) > 0 {
		t.Error("a HEAD signed in")
	}
	if res, _ := r.do("GET", link, ""); res.Request.URL.Path != "/cases" {
		t.Error("a HEAD used the link up")
	}
}

// A value that came with the request never becomes the session, and a session is
// an HttpOnly, SameSite=Strict cookie.
func TestSessionCookie(t *testing.T) {
	r := newRig(t)
	r.http.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	res, _ := r.do("POST", "/login", "token="+anaToken, "Cookie", cookieName+"=chosen-by-somebody")
	c := res.Cookies()
	if len(c) != 1 || c[0].Value == "chosen-by-somebody" || len(c[0].Value) < 40 || !c[0].HttpOnly || c[0].SameSite != http.SameSiteStrictMode || c[0].Path != "/" {
		t.Errorf("cookies %+v", c)
	}
	for origin, secure := range map[string]bool{"": false, r.url: false, "https://dlp.example.com": true} {
		// A browser that came by https says so, whatever a proxy in between made of it.
		res, _ := r.do("POST", "/login", "token="+anaToken, "Origin", origin, "Sec-Fetch-Site", "same-origin")
		if c := res.Cookies(); len(c) != 1 || c[0].Secure != secure {
			t.Errorf("signed in from %q: cookies %+v", origin, c)
		}
	}
	r.http.Jar = nil
	if res, _ := r.do("GET", "/cases", "", "Cookie", cookieName+"=chosen-by-somebody"); res.StatusCode != http.StatusSeeOther {
		t.Errorf("a chosen session was taken: %d", res.StatusCode)
	}
	if res, _ := r.do("POST", "/login", "token="+anaToken, "Sec-Fetch-Site", "cross-site"); res.StatusCode != http.StatusForbidden || len(res.Cookies()) > 0 {
		t.Errorf("signed in from another site: %d", res.StatusCode)
	}
}

// What a panic says may be text: it reaches neither page nor log.
func TestPanicIsQuiet(t *testing.T) {
	core, logged := observer.New(zap.DebugLevel)
	s, err := New(Config{Reader: &log{}, Desk: &desk{}, Log: zap.New(core)})
	if err != nil {
		t.Fatal(err)
	}
	for name, h := range map[string]http.Handler{
		"desk":  s.guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic("hunter2") })),
		"admin": s.AdminHandler(func(*http.Request) (string, error) { panic("hunter2") }),
	} {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest(http.MethodPost, "http://localhost/cases/c1/release", strings.NewReader("{}")))
		if w.Code != http.StatusInternalServerError || strings.Contains(w.Body.String(), "hunter2") {
			t.Errorf("%s: %d %s", name, w.Code, w.Body)
		}
	}
	if logged.Len() != 2 || strings.Contains(fmt.Sprint(logged.All()), "hunter2") {
		t.Errorf("log %v", logged.All())
	}
}

func TestNewRefuses(t *testing.T) {
	good := Config{Reader: &log{}, Desk: &desk{}}
	for name, change := range map[string]func(*Config){
		"no reader":    func(c *Config) { c.Reader = nil },
		"no desk":      func(c *Config) { c.Desk = nil },
		"unnamed user": func(c *Config) { c.Users = []User{{"", anaToken}} },
		"our own name": func(c *Config) { c.Users = []User{{actions.ActorSelf, anaToken}} },
		"the link's":   func(c *Config) { c.Users = []User{{operator, anaToken}} },
		"short token":  func(c *Config) { c.Users = []User{{"ana", "short"}} },
		"no token":     func(c *Config) { c.Users = []User{{"ana", ""}} },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := New(good); err != nil {
		t.Error(err)
	}
}

func TestAdminHandlerNeedsAPeer(t *testing.T) {
	r := newRig(t)
	server := httptest.NewServer(r.s.AdminHandler(func(req *http.Request) (string, error) {
		if req.Header.Get("Peer") == "" {
			return "", fmt.Errorf("no peer")
		}
		return "uid 0", nil
	}))
	defer server.Close()
	post := func(peer string) int {
		req, _ := http.NewRequest(http.MethodPost, server.URL+"/cases/c1/release", strings.NewReader(`{"reason":"x"}`))
		req.Header.Set("Peer", peer)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res.StatusCode
	}
	if got := post(""); got != http.StatusForbidden {
		t.Errorf("no peer: %d", got)
	}
	if got := post("x"); got != http.StatusOK || len(r.desk.did) != 1 {
		t.Errorf("peer: %d %q", got, r.desk.did)
	}
}

// Whoever mistypes a filter keeps the form with all that was typed.
func TestFilterIsKept(t *testing.T) {
	r := newRig(t)
	r.signIn()
	res, page := r.do("GET", "/cases?severity=high&sender=ana&conversation=19:c&since=yesterday", "")
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("status %d", res.StatusCode)
	}
	for _, want := range []string{`<option selected>high</option>`, `name="sender" value="ana"`, `name="conversation" value="19:c"`, `value="yesterday"`, "is not a time"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(page, "No case fits") || strings.Contains(page, "shown") {
		t.Error("the page says that no case fits, or counts them, and did not look")
	}
	// A link of the case page leads to a list that says what it is filtered by.
	r.log.cases[0].Sender = &actions.Sender{ID: "oid", Name: "Ana"}
	r.log.cases[0].Conversation = &actions.Conversation{Kind: "chat", ID: "19:a&b@thread.v2"}
	_, page = r.do("GET", "/cases/c1", "")
	for _, link := range []string{"/cases?sender=oid", "/cases?conversation=19%3aa%26b%40thread.v2", "/cases?rule=card-number"} {
		if !strings.Contains(page, `href="`+link+`"`) {
			t.Errorf("the case page has no link %s", link)
		}
		if res, _ := r.do("GET", link, ""); res.StatusCode != http.StatusOK {
			t.Errorf("%s: status %d", link, res.StatusCode)
		}
	}
	if got := r.log.asked.Rule; got != "card-number" {
		t.Errorf("the last link asked for rule %q", got)
	}
}

func TestPagesLeadOn(t *testing.T) {
	r := newRig(t)
	r.signIn()
	r.log.cases = append(r.log.cases, r.log.cases[0])
	_, page := r.do("GET", "/cases?severity=high&limit=1", "")
	if !strings.Contains(page, `<a href="/cases?before=9&amp;limit=1&amp;severity=high">Older cases</a>`) || strings.Contains(page, "Newest cases") {
		t.Errorf("first page:\n%s", page)
	}
	_, page = r.do("GET", "/cases?severity=high&limit=1&before=20", "")
	if !strings.Contains(page, `<a href="/cases?limit=1&amp;severity=high">Newest cases</a>`) {
		t.Errorf("a later page has no way back:\n%s", page)
	}
}

// Who follows a link, or decides, without being signed in comes to it by signing in.
func TestSignInLeadsOn(t *testing.T) {
	for _, c := range []struct{ method, path, want string }{
		{"GET", "/cases/c1", "/cases/c1"},
		{"GET", "/cases?severity=high", "/cases?severity=high"},
		{"GET", "/coverage", "/coverage"},
		{"POST", "/cases/c1/release", "/cases/c1"},
		{"GET", "/login", "/cases"},
		{"GET", "/login?to=https%3A%2F%2Fevil.example%2F", "/cases"},
		{"GET", "/login?to=%2F%2Fevil.example%2Fcases", "/cases"},
		{"GET", `/login?to=/cases/../%5Cevil.example`, "/cases"}, // a browser reads \ as /
		{"GET", "/login?to=/cases/..//evil.example", "/cases"},
		{"GET", "/login?to=/casesabc", "/cases"},
		{"GET", "/login?to=javascript:alert(1)", "/cases"},
	} {
		r := newRig(t)
		_, page := r.do(c.method, c.path, "")
		to := regexp.MustCompile(`name="to" value="([^"]*)"`).FindStringSubmatch(page)
		if to == nil {
			t.Fatalf("%s %s: no form to sign in by:\n%s", c.method, c.path, page)
		}
		body := url.Values{"to": {html.UnescapeString(to[1])}}
		body.Set("token", "a wrong one")
		_, page = r.do("POST", "/login", body.Encode()) // a mistyped token changes nothing of where it leads
		if !strings.Contains(page, to[0]) {
			t.Errorf("%s %s: after a wrong token the form lacks %s", c.method, c.path, to[0])
		}
		body.Set("token", anaToken)
		if res, _ := r.do("POST", "/login", body.Encode()); res.Request.URL.String() != r.url+c.want {
			t.Errorf("%s %s: signing in led to %s, want %s", c.method, c.path, res.Request.URL, c.want)
		}
	}
}

// The parts of the clock add up, in whole milliseconds, whatever they are rounded from.
func TestPartsAddUp(t *testing.T) {
	at := func(us int) time.Time { return noon.Add(time.Duration(us) * time.Microsecond) }
	for _, c := range []struct {
		received, applied      int // microseconds after it was sent
		total, microsoft, ours string
	}{
		{700, 14_300, "14 ms", "1 ms", "13 ms"},
		{400, 14_000, "14 ms", "0 ms", "14 ms"},
		{-3_000, 5_000, "5 ms", "0 ms (clocks differ)", "8 ms"},
		{2_900_000, 3_300_000, "3.3 s", "2.9 s", "400 ms"},
	} {
		total, microsoft, ours := Parts(&actions.Exposure{Sent: noon, Received: at(c.received), Applied: at(c.applied)})
		if total != c.total || microsoft != c.microsoft || ours != c.ours {
			t.Errorf("%d us, %d us: %s: %s and %s, want %s: %s and %s", c.received, c.applied, total, microsoft, ours, c.total, c.microsoft, c.ours)
		}
	}
}
