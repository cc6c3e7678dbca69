// Package review is the desk where analysts read the action log and decide: a
// table of cases, each case with its timeline and every rule's reason, and the
// decisions release, label and show text.
//
// It only reads the log (actions.Reader) and hands decisions to a Desk; it keeps
// nothing itself but who is signed in. Pages are plain HTML without scripts,
// under a Content-Security-Policy that allows none; every value in them is
// escaped by html/template.
//
// # Who may do what
//
// Everything but the sign-in page needs a named person: by a one-time link
// printed when the service starts, or by a token of the configuration. A GET
// changes nothing. A change is a POST that the browser says came from this site
// (http.CrossOriginProtection), by a person whose name goes into the log. The
// Host header must be one the desk was told of, so that a page elsewhere cannot
// reach a loopback desk by DNS rebinding.
//
// # Failure
//
// A decision whose entry could not be committed did not happen, and the page
// says so. An answer never carries more of an error than a sentence of ours; the
// program log has the rest.
package review

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"crypto/subtle"
	"embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
)

// Desk carries decisions out. Each method writes its entry before it returns
// nil. Errors that are meant for the analyst wrap ErrRefused.
type Desk interface {
	// Release lifts what stands on the message (PATCH none).
	Release(ctx context.Context, caseID, actor, reason string) error
	// Label records a true or a false positive.
	Label(ctx context.Context, caseID, actor, label, reason string) error
	// Text reads the message from Graph, after it has written that actor looked.
	Text(ctx context.Context, caseID, actor, reason string) (Text, error)
}

// ErrRefused is wrapped by a Desk's errors whose text is a sentence for the
// analyst.
var ErrRefused = errors.New("refused")

// Text is a message as Graph has it now. It is shown once and stored nowhere; it
// prints as [redacted].
type Text struct {
	Subject, Body string
	// Missing says why there is no text, as that Graph returned an empty body.
	Missing string
}

// Format implements fmt.Formatter.
func (Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

// User is a named person with a token for signing in.
type User struct {
	Name  string
	Token string
}

// Coverage is one line of the coverage page: a resource that should be watched.
type Coverage struct {
	Tenant, Resource, Status string
	Expires, LastNotified    time.Time
	OpenGap                  string // cause; empty when there is no open gap
	// Trouble is why the last step towards a subscription did not work, as a
	// renewal that is refused; empty if it did. Retry is when it is tried again.
	Trouble string
	Retry   time.Time
}

// Config is what New needs. Reader and Desk are required.
type Config struct {
	Reader actions.Reader
	Desk   Desk
	// Users may sign in with their token. None is fine on loopback.
	Users []User
	// Hosts are the host names, or IP addresses, that are answered, with or without
	// a port, which does not count. Loopback names and, for each request, the
	// address it came in on are always among them.
	Hosts []string
	// Coverage lists what is watched; nil: nothing to show.
	Coverage func() []Coverage
	// Generation names the rules in force; nil: nothing to show.
	Generation func() string
	Clock      func() time.Time // nil: time.Now
	Log        *zap.Logger      // nil: none
}

// Server is the desk. It is safe for concurrent use.
type Server struct {
	cfg   Config
	pages *template.Template
	hosts map[string]bool

	mu       sync.Mutex
	once     map[[32]byte]time.Time // hash of a one-time token to its end
	sessions map[[32]byte]session   // by hash of the cookie
}

type session struct {
	actor string
	ends  time.Time
}

const (
	cookieName  = "teamsdlp_session"
	sessionLife = 12 * time.Hour
	onceLife    = 15 * time.Minute
	maxForm     = 16 << 10
	maxReason   = 1000 // runes
	// minToken is the least length of a user's token, in bytes.
	minToken = 16
	// operator is who signs in by a one-time link.
	operator = "operator"
)

// Reserved reports whether the log uses a name for somebody who is no user.
func Reserved(name string) bool {
	return slices.Contains([]string{operator, actions.ActorSelf, actions.ActorSender, actions.ActorGraph}, name)
}

//go:embed templates/*.html static/*
var files embed.FS

// New checks the configuration and returns a desk.
func New(cfg Config) (*Server, error) {
	if cfg.Reader == nil || cfg.Desk == nil {
		return nil, errors.New("review: reader and desk are required")
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	for _, u := range cfg.Users {
		if Reserved(u.Name) {
			return nil, fmt.Errorf("review: user %q: the log uses this name for somebody else", u.Name)
		}
		if u.Name == "" || len(u.Token) < minToken {
			return nil, fmt.Errorf("review: user %q needs a name and a token of at least %d bytes", u.Name, minToken)
		}
	}
	s := &Server{
		cfg:      cfg,
		hosts:    map[string]bool{"localhost": true, "127.0.0.1": true, "::1": true},
		once:     map[[32]byte]time.Time{},
		sessions: map[[32]byte]session{},
	}
	for _, h := range cfg.Hosts {
		s.hosts[hostName(h)] = true
	}
	pages, err := template.New("").Funcs(s.funcs()).ParseFS(files, "templates/*.html")
	if err != nil {
		return nil, fmt.Errorf("review: %w", err)
	}
	s.pages = pages
	return s, nil
}

// OneTimeLink returns a link, relative to base, that signs the local operator in
// once within 15 minutes.
func (s *Server) OneTimeLink(base string) string {
	token := rand.Text() + rand.Text()
	s.mu.Lock()
	s.once[sha256.Sum256([]byte(token))] = s.cfg.Clock().Add(onceLife)
	s.mu.Unlock()
	return strings.TrimSuffix(base, "/") + "/login?once=" + url.QueryEscape(token)
}

// Handler returns the desk's routes.
func (s *Server) Handler() http.Handler {
	mux := http.NewServeMux()
	static, err := fs.Sub(files, "static")
	if err != nil {
		panic(err) // the files are embedded
	}
	mux.Handle("GET /static/", http.StripPrefix("/static/", http.FileServerFS(static)))
	mux.HandleFunc("GET /login", s.login)
	mux.HandleFunc("POST /login", s.loginToken)
	mux.HandleFunc("POST /logout", s.logout)
	mux.Handle("GET /{$}", http.RedirectHandler("/cases", http.StatusSeeOther))
	mux.HandleFunc("GET /cases", s.page("cases.html", s.doCases))
	mux.HandleFunc("GET /cases/{id}", s.page("case.html", s.doCase))
	mux.HandleFunc("GET /coverage", s.page("coverage.html", s.doCoverage))
	mux.HandleFunc("POST /cases/{id}/release", s.change(s.doRelease))
	mux.HandleFunc("POST /cases/{id}/label", s.change(s.doLabel))
	mux.HandleFunc("POST /cases/{id}/text", s.page("text.html", s.doText))
	mux.HandleFunc("GET /cases/{id}/text", func(w http.ResponseWriter, r *http.Request) { // the address of a text, opened anew
		http.Redirect(w, r, "/cases/"+url.PathEscape(r.PathValue("id")), http.StatusSeeOther)
	})
	mux.HandleFunc("GET /api/cases", s.api(s.apiCases))
	mux.HandleFunc("GET /api/cases/{id}", s.api(s.apiCase))
	mux.HandleFunc("GET /api/entries", s.api(s.apiEntries))
	mux.HandleFunc("POST /api/cases/{id}/release", s.api(s.apiRelease))
	mux.HandleFunc("POST /api/cases/{id}/label", s.api(s.apiLabel))
	return s.guard(http.NewCrossOriginProtection().Handler(mux))
}

// guard sets the headers of every answer and refuses foreign hosts.
func (s *Server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Cache-Control", "no-store")
		if !s.KnownHost(r) {
			http.Error(w, "this host name is not served: add it to private.hosts", http.StatusMisdirectedRequest)
			return
		}
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		s.quiet(next).ServeHTTP(w, r)
	})
}

// quiet answers a panic with 500. net/http's own recovery would print its value,
// which could hold text; only its type is logged.
func (s *Server) quiet(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		defer func() {
			if v := recover(); v != nil {
				s.cfg.Log.Error("panic in the desk", zap.String("type", fmt.Sprintf("%T", v)), zap.ByteString("stack", debug.Stack()))
				http.Error(w, "internal error", http.StatusInternalServerError)
			}
		}()
		next.ServeHTTP(w, r)
	})
}

// KnownHost reports whether the desk answers to the Host header of r.
func (s *Server) KnownHost(r *http.Request) bool {
	name := hostName(r.Host)
	if name == "" {
		return false
	}
	if s.hosts[name] {
		return true
	}
	local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr)
	return ok && hostName(local.String()) == name
}

// hostName is a host without port, brackets and the dot at its end, in lower
// case; an IP address in its one canonical form.
func hostName(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	host = strings.TrimSuffix(strings.ToLower(strings.Trim(host, "[]")), ".")
	if ip, err := netip.ParseAddr(host); err == nil {
		return ip.Unmap().String()
	}
	return host
}

// ---- who is it ----

// actor returns who sent the request, by session cookie or bearer token.
func (s *Server) actor(r *http.Request) (string, bool) {
	if bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return s.userByToken(bearer)
	}
	c, err := r.Cookie(cookieName)
	if err != nil {
		return "", false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	key := sha256.Sum256([]byte(c.Value))
	have, ok := s.sessions[key]
	if !ok || s.cfg.Clock().After(have.ends) {
		delete(s.sessions, key)
		return "", false
	}
	return have.actor, true
}

// userByToken compares with every user, in constant time for each.
func (s *Server) userByToken(token string) (string, bool) {
	sum := sha256.Sum256([]byte(token))
	name := ""
	for _, u := range s.cfg.Users {
		want := sha256.Sum256([]byte(u.Token))
		if subtle.ConstantTimeCompare(sum[:], want[:]) == 1 {
			name = u.Name
		}
	}
	return name, name != ""
}

func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	token := r.URL.Query().Get("once")
	if token == "" || r.Method != http.MethodGet { // a HEAD is of somebody who looks where the link leads
		data := map[string]any{"Users": len(s.cfg.Users) > 0, "To": r.URL.Query().Get("to")}
		if r.URL.Query().Has("ended") {
			data["Error"] = "You were not signed in any more: nothing was done. Sign in and decide again."
		}
		s.render(w, http.StatusOK, "login.html", data)
		return
	}
	key := sha256.Sum256([]byte(token))
	s.mu.Lock()
	ends, ok := s.once[key]
	delete(s.once, key)
	s.mu.Unlock()
	if !ok || s.cfg.Clock().After(ends) {
		s.render(w, http.StatusForbidden, "login.html", map[string]any{
			"Users": len(s.cfg.Users) > 0,
			"Error": "This link was used already or is too old. Start the service again for a new one, or sign in with a token.",
		})
		return
	}
	s.signIn(w, r, operator)
	http.Redirect(w, r, "/cases", http.StatusSeeOther)
}

func (s *Server) loginToken(w http.ResponseWriter, r *http.Request) {
	name, ok := s.userByToken(r.PostFormValue("token"))
	if !ok {
		s.cfg.Log.Warn("desk sign-in refused")
		s.render(w, http.StatusForbidden, "login.html", map[string]any{
			"Users": len(s.cfg.Users) > 0, "To": r.PostFormValue("to"), "Error": "No user has this token.",
		})
		return
	}
	s.signIn(w, r, name)
	http.Redirect(w, r, pageOf(r.PostFormValue("to")), http.StatusSeeOther) //nolint:gosec // pageOf lets pages of the desk through alone
}

// pageOf returns the address of a page of the desk, or the first page in its place:
// never what a browser could take for another site, as /\example.com.
func pageOf(to string) string {
	u, err := url.Parse(to)
	if err != nil || u.Scheme != "" || u.Host != "" {
		return "/cases"
	}
	p := u.EscapedPath()
	if p != path.Clean(p) || p != "/cases" && p != "/coverage" && !strings.HasPrefix(p, "/cases/") {
		return "/cases"
	}
	if u.RawQuery != "" {
		p += "?" + u.RawQuery
	}
	return p
}

func (s *Server) signIn(w http.ResponseWriter, r *http.Request, actor string) {
	value := rand.Text() + rand.Text()
	now := s.cfg.Clock()
	s.mu.Lock()
	for key, have := range s.sessions {
		if now.After(have.ends) {
			delete(s.sessions, key)
		}
	}
	s.sessions[sha256.Sum256([]byte(value))] = session{actor, now.Add(sessionLife)}
	s.mu.Unlock()
	setCookie(w, r, value, int(sessionLife/time.Second))
	s.cfg.Log.Info("desk sign-in", zap.String("actor", actor))
}

func (s *Server) logout(w http.ResponseWriter, r *http.Request) {
	if c, err := r.Cookie(cookieName); err == nil {
		s.mu.Lock()
		delete(s.sessions, sha256.Sum256([]byte(c.Value)))
		s.mu.Unlock()
	}
	setCookie(w, r, "", -1)
	http.Redirect(w, r, "/login", http.StatusSeeOther)
}

// setCookie answers with the session's cookie. It is for https only where the browser
// came by https, as through a proxy that ends TLS: then it says so with every POST.
func setCookie(w http.ResponseWriter, r *http.Request, value string, maxAge int) {
	http.SetCookie(w, &http.Cookie{ //nolint:gosec // on loopback there is no TLS
		Name: cookieName, Value: value, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: strings.HasPrefix(r.Header.Get("Origin"), "https://"), SameSite: http.SameSiteStrictMode,
	})
}

// ---- pages ----

// problem is an error for the person in front of the page.
type problem struct {
	status int
	text   string
}

func (p problem) Error() string { return p.text }

// page wraps a function that reads or shows; it is the one place where errors
// become answers.
func (s *Server) page(name string, do func(r *http.Request, actor string) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		actor, ok := s.actor(r)
		if !ok {
			toLogin(w, r)
			return
		}
		data, err := do(r, actor)
		if err != nil {
			s.fail(w, r, actor, err)
			return
		}
		status := http.StatusOK
		if cases, ok := data.(casesPage); ok && cases.Refused != "" {
			status = http.StatusBadRequest
		}
		s.render(w, status, name, s.frame(actor, data))
	}
}

// change wraps a decision; a good one leads back to its case.
func (s *Server) change(do func(r *http.Request, actor string) error) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		actor, ok := s.actor(r)
		if !ok {
			toLogin(w, r)
			return
		}
		if err := do(r, actor); err != nil {
			s.fail(w, r, actor, err)
			return
		}
		http.Redirect(w, r, "/cases/"+url.PathEscape(r.PathValue("id")), http.StatusSeeOther)
	}
}

// toLogin leads to the sign-in page, and from there back to what was asked for. If
// a decision was lost on the way, the sign-in page says so, and leads to its case.
func toLogin(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		http.Redirect(w, r, "/login?ended&to="+url.QueryEscape("/cases/"+url.PathEscape(r.PathValue("id"))), http.StatusSeeOther)
		return
	}
	http.Redirect(w, r, "/login?to="+url.QueryEscape(r.URL.RequestURI()), http.StatusSeeOther)
}

func (s *Server) frame(actor string, data any) map[string]any {
	frame := map[string]any{"Actor": actor, "Data": data}
	if s.cfg.Generation != nil {
		frame["Generation"] = s.cfg.Generation()
	}
	return frame
}

func (s *Server) fail(w http.ResponseWriter, r *http.Request, actor string, err error) {
	p := s.explain(r, err)
	frame := s.frame(actor, p.text)
	frame["Back"] = "/cases"
	if id := r.PathValue("id"); id != "" && p.status != http.StatusNotFound {
		frame["Back"] = "/cases/" + url.PathEscape(id)
	}
	s.render(w, p.status, "error.html", frame)
}

// explain maps an error to a status and a sentence, and logs what it hides.
func (s *Server) explain(r *http.Request, err error) problem {
	var p problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, actions.ErrNotFound):
		p = problem{http.StatusNotFound, "There is no such case in the log."}
	case errors.Is(err, ErrRefused):
		p = problem{http.StatusConflict, strings.TrimSuffix(err.Error(), ": "+ErrRefused.Error())}
	default:
		s.cfg.Log.Error("desk request", zap.String("route", r.Pattern), zap.Error(err))
		p = problem{http.StatusInternalServerError, "This did not work; nothing was changed unless the timeline says so. The service's log has the reason."}
	}
	return p
}

func (s *Server) render(w http.ResponseWriter, status int, name string, data any) {
	var page strings.Builder
	if err := s.pages.ExecuteTemplate(&page, name, data); err != nil {
		s.cfg.Log.Error("desk page", zap.String("page", name), zap.Error(err))
		http.Error(w, "the page could not be drawn", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(page.String()))
}

// ---- what the pages show ----

type casesPage struct {
	Cases   []actions.Case
	Filter  url.Values
	Refused string       // what is wrong with the filter; then there are no cases
	Newest  template.URL // of the first page; empty there
	Next    template.URL // of the next page; empty on the last
	Search  bool         // for part of a name, which stopped at Next
	Counts  counts
}

// counts sums up the cases on the page.
type counts struct {
	Shown, Blocked, Open, Reported, NotEnforceable int
}

// pageSize is how many cases a page shows, and maxPage how many it may be asked for.
// A search for part of a name goes back over searchSpan entries of the log at a time.
const (
	pageSize   = 50
	maxPage    = 1000
	searchSpan = 100_000
)

func (s *Server) doCases(r *http.Request, _ string) (any, error) {
	f, err := ParseFilter(r.URL.Query())
	if err != nil {
		return casesPage{Filter: r.URL.Query(), Refused: err.Error()}, nil //nolint:nilerr // the page says it
	}
	if f.Limit == 0 {
		f.Limit = pageSize
	}
	limit := min(f.Limit, maxPage)
	f.Limit = limit
	f.Limit++ // one more tells whether there is a next page
	f.Scan = searchSpan
	cases, err := s.cfg.Reader.Cases(r.Context(), f)
	stopped, searching := errors.AsType[*actions.SearchStopped](err)
	if err != nil && !searching {
		return nil, err
	}
	page := casesPage{Cases: cases, Filter: r.URL.Query(), Search: searching}
	from := func(before int64) template.URL {
		q := r.URL.Query()
		q.Del("before")
		if before > 0 {
			q.Set("before", strconv.FormatInt(before, 10))
		}
		return template.URL("/cases?" + q.Encode()) //nolint:gosec // every value is escaped
	}
	switch {
	case searching:
		page.Next = from(stopped.At)
	case len(cases) > limit:
		page.Cases = cases[:limit]
		page.Next = from(page.Cases[limit-1].LastSeq)
	}
	if f.Before > 0 {
		page.Newest = from(0)
	}
	for _, c := range page.Cases {
		page.Counts.add(c)
	}
	return page, nil
}

func (n *counts) add(c actions.Case) {
	n.Shown++
	if c.Standing == actions.ActionBlock || c.Standing == actions.ActionBlockExternal {
		n.Blocked++
	}
	if open(c) {
		n.Open++
	}
	if c.Reported && !c.Released {
		n.Reported++
	}
	if c.Outcome == actions.OutcomeNotEnforceable {
		n.NotEnforceable++
	}
}

// open reports whether nobody has decided anything about the case.
func open(c actions.Case) bool {
	return c.Label == "" && !c.Overridden && !c.Released && !c.Edited && !c.Deleted
}

type casePage struct {
	Case    actions.Case
	Entries []actions.Entry
	Others  []actions.RuleResult // rules that did not match, of the last verdict
}

func (s *Server) doCase(r *http.Request, _ string) (any, error) {
	c, entries, err := s.cfg.Reader.Case(r.Context(), r.PathValue("id"))
	if err != nil {
		return nil, err
	}
	page := casePage{Case: c, Entries: entries}
	for i := len(entries) - 1; i >= 0; i-- {
		if len(entries[i].Rules) == 0 {
			continue
		}
		for _, rule := range entries[i].Rules {
			if rule.Result != "matched" {
				page.Others = append(page.Others, rule)
			}
		}
		break
	}
	return page, nil
}

type coveragePage struct {
	Coverage []Coverage
	Gaps     []actions.Entry
}

func (s *Server) doCoverage(r *http.Request, _ string) (any, error) {
	gaps, err := s.cfg.Reader.Entries(r.Context(), actions.Filter{Kind: actions.KindGap, Limit: pageSize})
	if err != nil {
		return nil, err
	}
	page := coveragePage{Gaps: gaps}
	if s.cfg.Coverage != nil {
		page.Coverage = s.cfg.Coverage()
	}
	return page, nil
}

// ---- decisions ----

// reason returns the reason given; a decision without one is refused.
func reason(given string) (string, error) {
	why, err := note(given)
	if err == nil && why == "" {
		err = problem{http.StatusBadRequest, "A reason is needed: it goes into the log beside your name."}
	}
	return why, err
}

// note returns what may be said beside a label.
func note(given string) (string, error) {
	said := strings.TrimSpace(given)
	if len([]rune(said)) > maxReason {
		return "", problem{http.StatusBadRequest, fmt.Sprintf("The reason is longer than %d characters.", maxReason)}
	}
	return said, nil
}

func label(given string) (string, error) {
	switch given {
	case "true-positive", "false-positive":
		return given, nil
	}
	return "", problem{http.StatusBadRequest, "A label is true-positive or false-positive."}
}

func (s *Server) doRelease(r *http.Request, actor string) error {
	why, err := reason(r.PostFormValue("reason"))
	if err != nil {
		return err
	}
	return s.cfg.Desk.Release(r.Context(), r.PathValue("id"), actor, why)
}

func (s *Server) doLabel(r *http.Request, actor string) error {
	l, err := label(r.PostFormValue("label"))
	if err != nil {
		return err
	}
	said, err := note(r.PostFormValue("reason"))
	if err != nil {
		return err
	}
	return s.cfg.Desk.Label(r.Context(), r.PathValue("id"), actor, l, said)
}

type textPage struct {
	ID   string
	Text Text
	// Shown are the parts of Text, which itself does not print.
	Subject, Body string
}

func (s *Server) doText(r *http.Request, actor string) (any, error) {
	why, err := reason(r.PostFormValue("reason"))
	if err != nil {
		return nil, err
	}
	text, err := s.cfg.Desk.Text(r.Context(), r.PathValue("id"), actor, why)
	if err != nil {
		return nil, err
	}
	return textPage{r.PathValue("id"), text, text.Subject, text.Body}, nil
}

// ---- the JSON API ----

func (s *Server) api(do func(r *http.Request, actor string) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		actor, ok := s.actor(r)
		if !ok {
			writeJSON(w, http.StatusUnauthorized, map[string]string{"error": "sign in, or send a user's token as Authorization: Bearer"})
			return
		}
		s.answer(w, r, actor, do)
	}
}

func (s *Server) answer(w http.ResponseWriter, r *http.Request, actor string, do func(r *http.Request, actor string) (any, error)) {
	data, err := do(r, actor)
	if err != nil {
		p := s.explain(r, err)
		writeJSON(w, p.status, map[string]string{"error": p.text})
		return
	}
	writeJSON(w, http.StatusOK, data)
}

func writeJSON(w http.ResponseWriter, status int, data any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(data)
}

func (s *Server) apiCases(r *http.Request, _ string) (any, error) {
	f, err := ParseFilter(r.URL.Query())
	if err != nil {
		return nil, problem{http.StatusBadRequest, err.Error()}
	}
	f.Scan = searchSpan
	cases, err := s.cfg.Reader.Cases(r.Context(), f)
	return searched(map[string]any{"cases": cases}, err)
}

// searched is an answer that says where a search stopped, if it did.
func searched(answer map[string]any, err error) (any, error) {
	if stopped, ok := errors.AsType[*actions.SearchStopped](err); ok {
		answer["searched_to"], err = stopped.At, nil
	}
	return answer, err
}

func (s *Server) apiCase(r *http.Request, _ string) (any, error) {
	c, entries, err := s.cfg.Reader.Case(r.Context(), r.PathValue("id"))
	return map[string]any{"case": c, "entries": entries}, err
}

func (s *Server) apiEntries(r *http.Request, _ string) (any, error) {
	f, err := ParseEntryFilter(r.URL.Query())
	if err != nil {
		return nil, problem{http.StatusBadRequest, err.Error()}
	}
	f.Scan = searchSpan
	entries, err := s.cfg.Reader.Entries(r.Context(), f)
	return searched(map[string]any{"entries": entries}, err)
}

// decision is the body of the API's changes.
type decision struct {
	Reason string `json:"reason"`
	Label  string `json:"label"`
}

func readDecision(r *http.Request) (decision, error) {
	var d decision
	dec := json.NewDecoder(r.Body)
	dec.DisallowUnknownFields()
	if err := dec.Decode(&d); err != nil {
		return d, problem{http.StatusBadRequest, `the body is not JSON of the form {"reason": "...", "label": "..."}`}
	}
	return d, nil
}

func (s *Server) apiRelease(r *http.Request, actor string) (any, error) {
	d, err := readDecision(r)
	if err != nil {
		return nil, err
	}
	why, err := reason(d.Reason)
	if err != nil {
		return nil, err
	}
	return map[string]bool{"released": true}, s.cfg.Desk.Release(r.Context(), r.PathValue("id"), actor, why)
}

func (s *Server) apiLabel(r *http.Request, actor string) (any, error) {
	d, err := readDecision(r)
	if err != nil {
		return nil, err
	}
	l, err := label(d.Label)
	if err != nil {
		return nil, err
	}
	said, err := note(d.Reason)
	if err != nil {
		return nil, err
	}
	return map[string]bool{"labelled": true}, s.cfg.Desk.Label(r.Context(), r.PathValue("id"), actor, l, said)
}

// AdminHandler returns the API for a socket whose peer is known by other means:
// actor names the peer of a request.
func (s *Server) AdminHandler(actor func(*http.Request) (string, error)) http.Handler {
	wrap := func(do func(r *http.Request, actor string) (any, error)) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			who, err := actor(r)
			if err != nil {
				writeJSON(w, http.StatusForbidden, map[string]string{"error": "the peer of this socket is not known"})
				return
			}
			r.Body = http.MaxBytesReader(w, r.Body, maxForm)
			s.answer(w, r, who, do)
		}
	}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /cases/{id}/release", wrap(s.apiRelease))
	mux.HandleFunc("POST /cases/{id}/label", wrap(s.apiLabel))
	return s.quiet(mux)
}
