package graphtwin

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// serveControl is the control API; see the package comment.
func (t *Twin) serveControl(w http.ResponseWriter, r *http.Request) {
	status, body := http.StatusForbidden, any(controlError{"the control API is for programs: a request with an Origin header is refused"})
	if r.Header.Get("Origin") == "" {
		status, body = t.control(r)
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	_ = e.Encode(body) // a client that went away
}

type controlError struct {
	Error string `json:"error"`
}

// post is the body of POST /twin/messages: a Post, or with the conversation in
// parts.
type controlPost struct {
	Post
	Chat    string `json:"chat"`
	Team    string `json:"team"`
	Channel string `json:"channel"`
}

// controlAct is the body of PATCH /twin/messages/{id}: exactly one of its members.
type controlAct struct {
	Edit     *string `json:"edit"`
	Override *string `json:"override"`
	Report   *bool   `json:"report"`
	React    *string `json:"react"`
	By       string  `json:"by"` // who reacts; default the sender
}

func (t *Twin) control(r *http.Request) (int, any) {
	path := strings.Trim(strings.TrimPrefix(r.URL.Path, "/twin"), "/")
	what, id, _ := strings.Cut(path, "/")
	switch r.Method + " " + what {
	case "POST messages":
		return t.controlSay(r)
	case "PATCH messages":
		return t.controlAct(r, id)
	case "DELETE messages":
		m, err := t.Delete(id)
		return reply(m, err)
	case "GET messages":
		if id == "" {
			return http.StatusOK, t.ShownAll()
		}
		v, err := t.Shown(id)
		return reply(v, err)
	case "GET faults":
		return http.StatusOK, t.Faults()
	case "PUT faults":
		var f Faults
		if err := decodeStrict(r.Body, &f); err != nil {
			return reply(nil, err)
		}
		return reply(f, t.SetFaults(f))
	case "POST lifecycle":
		var b struct {
			Event        string `json:"event"`
			Subscription string `json:"subscription"`
		}
		if err := decodeStrict(r.Body, &b); err != nil {
			return reply(nil, err)
		}
		n, err := t.Lifecycle(b.Event, b.Subscription)
		return reply(map[string]int{"sent": n}, err)
	case "GET requests":
		return t.controlRequests(r)
	case "GET deliveries":
		return http.StatusOK, t.Deliveries()
	case "GET world":
		return http.StatusOK, t.controlWorld()
	case "GET subscriptions":
		return http.StatusOK, t.controlSubscriptions()
	case "POST settle":
		return t.controlSettle(r)
	case "GET switches":
		return http.StatusOK, t.Switches()
	case "PUT switches":
		s := t.Switches() // what is not named stays
		if err := decodeStrict(r.Body, &s); err != nil {
			return reply(nil, err)
		}
		err := t.SetSwitches(s)
		return reply(t.Switches(), err)
	case "PUT throttle":
		var x Throttle
		if err := decodeStrict(r.Body, &x); err != nil {
			return reply(nil, err)
		}
		t.SetThrottle(x)
		return http.StatusOK, x
	case "POST rotate":
		return http.StatusOK, map[string]string{"kid": t.Rotate()}
	}
	return http.StatusNotFound, controlError{"no " + r.Method + " /twin/" + path + "; see teamsdlp twin --help"}
}

// reply maps an error to its status: the one place where that is done.
func reply(body any, err error) (int, any) {
	switch {
	case err == nil:
		return http.StatusOK, body
	case errors.Is(err, ErrNoMessage):
		return http.StatusNotFound, controlError{err.Error()}
	case errors.Is(err, ErrNotAllowed), errors.Is(err, ErrJustification), errors.Is(err, ErrDeleted):
		return http.StatusConflict, controlError{err.Error()}
	}
	return http.StatusBadRequest, controlError{err.Error()}
}

var errControlBody = errors.New("the body is not the JSON object that is wanted here, or has a member that is not known")

// decodeStrict reads one JSON value. Its error does not quote the input.
func decodeStrict(body io.Reader, into any) error {
	d := json.NewDecoder(io.LimitReader(body, maxBody))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return errControlBody
	}
	return nil
}

func (t *Twin) controlSay(r *http.Request) (int, any) {
	var b controlPost
	if err := decodeStrict(r.Body, &b); err != nil {
		return reply(nil, err)
	}
	switch {
	case b.In != "":
	case b.Chat != "":
		b.In = b.Chat
		if !strings.Contains(b.Chat, ":") {
			b.In = "chat:" + b.Chat
		}
	case b.Team != "":
		b.In = b.Team + "/" + b.Channel
	}
	m, err := t.Say(b.Post)
	if err != nil {
		return reply(nil, err)
	}
	return http.StatusCreated, m
}

func (t *Twin) controlAct(r *http.Request, id string) (int, any) {
	var b controlAct
	if err := decodeStrict(r.Body, &b); err != nil {
		return reply(nil, err)
	}
	given := 0
	for _, set := range []bool{b.Edit != nil, b.Override != nil, b.Report != nil && *b.Report, b.React != nil} {
		if set {
			given++
		}
	}
	if given != 1 {
		return reply(nil, errors.New(`give exactly one of "edit", "override", "report": true, "react"`))
	}
	var (
		m   Message
		err error
	)
	switch {
	case b.Edit != nil:
		m, err = t.Edit(id, *b.Edit)
	case b.Override != nil:
		m, err = t.Override(id, *b.Override)
	case b.React != nil:
		if b.By == "" {
			if m, err = t.Message(id); err != nil {
				return reply(nil, err)
			}
			b.By = m.SenderID
		}
		m, err = t.React(id, b.By, *b.React)
	default:
		m, err = t.Report(id)
	}
	return reply(m, err)
}

func (t *Twin) controlRequests(r *http.Request) (int, any) {
	q := r.URL.Query()
	f := Filter{Method: q.Get("method"), MessageID: q.Get("message"), Applied: q.Get("applied") == "true"}
	f.Status, _ = strconv.Atoi(q.Get("status"))
	list := []Request{}
	for _, x := range t.Requests(f) {
		if strings.Contains(x.Path, q.Get("path")) {
			list = append(list, x)
		}
	}
	return http.StatusOK, list
}

// controlWorld is the world as JSON, with the names that the API takes.
func (t *Twin) controlWorld() any {
	w := t.World()
	return map[string]any{
		"tenants": w.Tenants, "apps": w.Apps, "people": w.Users, "bots": w.Bots, "groups": w.Groups, "chats": w.Chats, "teams": w.Teams,
		"switches": t.Switches(),
	}
}

type controlSubscription struct {
	Subscription
	Stats SubscriptionStats `json:"stats"`
}

func (t *Twin) controlSubscriptions() any {
	stats := t.Stats()
	list := []controlSubscription{}
	for _, s := range t.Subscriptions() {
		list = append(list, controlSubscription{s, stats[s.ID]})
	}
	return list
}

// controlSettle waits at most for ?timeout (default 30s).
func (t *Twin) controlSettle(r *http.Request) (int, any) {
	timeout := 30 * time.Second
	if text := r.URL.Query().Get("timeout"); text != "" {
		d, err := time.ParseDuration(text)
		if err != nil {
			return reply(nil, errors.New("timeout: want a duration as 30s"))
		}
		timeout = d
	}
	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer t.clock.AfterFunc(timeout, cancel)()
	if err := t.Settle(ctx); err != nil {
		return http.StatusRequestTimeout, map[string]any{"settled": false, "undelivered": t.Undelivered()}
	}
	return http.StatusOK, map[string]any{"settled": true, "undelivered": 0}
}
