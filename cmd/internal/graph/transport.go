package graph

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/graph/answer"
)

// The most that is read of an answer.
const (
	maxErrorBody = 64 << 10
	maxBody      = 8 << 20
	maxRequest   = 1 << 20
)

// record is what the transport saw of one call. It travels in the call's
// context, since the SDK passes on no more than an error.
type record struct {
	sent      atomic.Bool // a byte of the request may have reached Graph
	status    int
	requestID string
	discard   bool // the answer's body is of no interest
	asks      bool // it changes nothing, though it may be a POST
}

type recordKey struct{}

// newTransport is Go's default with idle connections for many lanes.
func newTransport() *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	t.MaxIdleConnsPerHost = 32
	return t
}

// transport is the lowest of our layers: what passes it goes to the one
// configured host, once, and what is not a success comes back as a CallError,
// so that neither the SDK nor net/http interprets it.
type transport struct {
	base  http.RoundTripper
	graph *url.URL
	clock func() time.Time
	guard func(context.Context) error // nil: none
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	rec, _ := req.Context().Value(recordKey{}).(*record)
	if rec == nil {
		rec = &record{}
	}
	req, err := t.prepare(req, rec)
	if err != nil {
		return nil, err
	}
	lost := &actions.CallError{Code: "lease_lost", NotSent: true}
	var late atomic.Bool
	if t.guard != nil && !rec.asks && req.Method != http.MethodGet {
		if t.guard(req.Context()) != nil {
			return nil, lost
		}
		if req.Body != nil {
			get := req.GetBody // a connection that turns out to be dead is replaced by another
			req.GetBody = func() (io.ReadCloser, error) {
				body, err := get()
				return &heldBody{ReadCloser: body, ctx: req.Context(), guard: t.guard, late: &late}, err
			}
			req.Body, _ = req.GetBody()
		}
	}
	resp, err := t.base.RoundTrip(req)
	switch {
	case err != nil && late.Load():
		return nil, lost
	case err != nil:
		return nil, err
	}
	rec.status, rec.requestID = resp.StatusCode, answer.RequestID(resp.Header)
	if resp.StatusCode < 200 || resp.StatusCode > 299 {
		defer resp.Body.Close()
		return nil, answer.Refusal(resp, t.clock())
	}
	if rec.discard {
		_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxErrorBody)) // so that the connection is used again
		_ = resp.Body.Close()
		resp.Body, resp.ContentLength = http.NoBody, 0
		return resp, nil
	}
	resp.Body = struct {
		io.Reader
		io.Closer
	}{io.LimitReader(resp.Body, maxBody), resp.Body}
	return resp, nil
}

// heldBody is the body of a request that changes something. It asks the guard once more
// before its first byte is read, which is when there is a connection: to make one can
// take long. What it refuses is not sent but for its head, which has gone by then: the
// connection, or with HTTP/2 the stream, ends before the body, without which Graph
// changes nothing. Later it asks no more: the body may have gone.
type heldBody struct {
	io.ReadCloser
	ctx   context.Context // of the request
	guard func(context.Context) error
	late  *atomic.Bool // set when the guard refuses
	begun bool
}

// Read implements io.Reader.
func (b *heldBody) Read(p []byte) (int, error) {
	if !b.begun {
		if err := b.guard(b.ctx); err != nil {
			b.late.Store(true)
			return 0, err
		}
		b.begun = true
	}
	return b.ReadCloser.Read(p)
}

// prepare checks where the request goes and gives it a body of known length and
// an id. The SDK sends a stream of unknown length, which some proxies refuse.
func (t *transport) prepare(req *http.Request, rec *record) (*http.Request, error) {
	if !sameHost(req.URL, t.graph) {
		return nil, &actions.CallError{Code: "foreign_host", NotSent: true}
	}
	req = req.Clone(httptrace.WithClientTrace(req.Context(), &httptrace.ClientTrace{
		WroteHeaderField: func(string, []string) { rec.sent.Store(true) },
		WroteHeaders:     func() { rec.sent.Store(true) },
	}))
	if req.Body != nil {
		data, err := io.ReadAll(io.LimitReader(req.Body, maxRequest))
		_ = req.Body.Close()
		if err != nil {
			return nil, &actions.CallError{Code: "request_body", NotSent: true}
		}
		req.ContentLength = int64(len(data))
		req.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(data)), nil }
		req.Body, _ = req.GetBody()
	}
	req.Header.Set("client-request-id", newRequestID())
	req.Header.Set("User-Agent", "teamsdlp")
	return req, nil
}

// fault turns whatever a call ended with into a CallError.
func (r *record) fault(err error) *actions.CallError {
	var call *actions.CallError
	if errors.As(err, &call) {
		return call
	}
	var token *noToken
	if errors.As(err, &token) {
		return &actions.CallError{Code: token.code, NotSent: true, NoToken: token.refused}
	}
	sent := r.sent.Load()
	e := &actions.CallError{Code: "no_answer", Ambiguous: sent, NotSent: !sent}
	var timeout net.Error
	switch {
	case r.status != 0: // it answered, and then we could not read on
		e.Status, e.RequestID, e.Code, e.Ambiguous, e.NotSent = http.StatusBadGateway, r.requestID, "unreadable_answer", true, false
	case errors.Is(err, context.Canceled):
		e.Code = "canceled"
	case errors.Is(err, context.DeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		e.Code = "timeout"
	}
	return e
}

// sameHost reports whether u is at base's scheme, host and port.
func sameHost(u, base *url.URL) bool {
	return strings.EqualFold(u.Scheme, base.Scheme) && strings.EqualFold(u.Hostname(), base.Hostname()) && port(u) == port(base) && u.User == nil
}

func port(u *url.URL) string {
	if p := u.Port(); p != "" {
		return p
	}
	if strings.EqualFold(u.Scheme, "http") {
		return "80"
	}
	return "443"
}

func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:])
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
