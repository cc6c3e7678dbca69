package webhook

import (
	"container/list"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// The limits of the public listener. Graph gives up on an answer after 3 s, so
// whatever is slower than these is not Graph.
const (
	headerTime = 2 * time.Second // for TLS and the header of a request
	readTime   = 5 * time.Second // for a whole request
	// writeTime is counted from the end of the header: it holds the body, the
	// keys, the store and the answer.
	writeTime = 10 * time.Second
	idleTime  = 90 * time.Second
	maxHeader = 16 << 10

	// MaxConnections is how many connections the public listener holds.
	MaxConnections = 4096
)

// NewServer returns a server for the public listener with every limit set: zero
// means no limit in net/http. The certificate, if TLS ends here, goes into
// TLSConfig or to ServeTLS. TLS 1.2 stays enabled because Graph fails to reach
// an endpoint that speaks 1.3 only.
//
// It speaks HTTP/1.1 alone. With HTTP/2 a connection carries hundreds of requests at
// once: a bound on connections would bound nothing, and one request after the other,
// none of them for anything, would keep a connection from ever being one that waits.
func NewServer(addr string, h http.Handler) *http.Server {
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	return &http.Server{
		Addr:              addr,
		Handler:           h,
		ReadHeaderTimeout: headerTime,
		ReadTimeout:       readTime,
		WriteTimeout:      writeTime,
		IdleTimeout:       idleTime,
		MaxHeaderBytes:    maxHeader,
		TLSConfig:         &tls.Config{MinVersion: tls.VersionTLS12},
		Protocols:         &protocols,
	}
}

// Guard bounds the connections of srv, the server of a Receiver. Whoever holds
// many open, and sends nothing or a byte now and then, must not keep Graph out:
// at the bound the one whose request has been awaited longest, its body
// included, is closed in favour of the newcomer. Only if every connection has
// brought its request and awaits the answer is the newcomer closed. What was
// closed is summed up in the log.
//
// It must be in front of srv before Serve: it takes srv's ConnState, ConnContext
// and ErrorLog.
func Guard(ln net.Listener, srv *http.Server, most int, log *zap.Logger) net.Listener {
	g := &guard{
		Listener: ln, most: most, all: map[net.Conn]*held{}, waiting: list.New(),
		closed: dropLog{log: log, every: 10 * time.Second, message: "connections closed"},
	}
	srv.ConnState = g.state
	srv.ConnContext = func(ctx context.Context, c net.Conn) context.Context {
		return context.WithValue(ctx, connKey{}, g.find(c))
	}
	srv.ErrorLog = zap.NewStdLog(zap.New(&serverLog{zapcore.InfoLevel, &g.closed}))
	return g
}

// guard is the listener that Guard returns.
type guard struct {
	net.Listener
	most   int
	closed dropLog

	mu      sync.Mutex
	all     map[net.Conn]*held
	waiting *list.List // of *held whose request is awaited, the longest first
}

// held is one connection. Its guard's mu guards at.
type held struct {
	net.Conn
	g  *guard
	at *list.Element // in g.waiting; nil: its request is there, and it awaits the answer
}

type connKey struct{}

// Accept implements net.Listener.
func (g *guard) Accept() (net.Conn, error) {
	for {
		c, err := g.Listener.Accept()
		if err != nil {
			return nil, err
		}
		in, out := g.admit(c)
		if out != nil {
			_ = out.Close()
		}
		switch {
		case in == nil:
			g.closed.add(map[Reason]int{"no_room": 1})
			continue
		case out != nil:
			g.closed.add(map[Reason]int{"waited_longest": 1})
		}
		return in, nil
	}
}

// admit returns the newcomer, if it may stay, and whoever has to go.
func (g *guard) admit(c net.Conn) (in *held, out net.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.all) >= g.most {
		first := g.waiting.Front()
		if first == nil {
			return nil, c
		}
		longest := first.Value.(*held)
		g.forget(longest)
		out = longest.Conn
	}
	in = &held{Conn: c, g: g}
	in.at = g.waiting.PushBack(in)
	g.all[in] = in
	return in, out
}

// forget needs mu.
func (g *guard) forget(h *held) {
	if h.at != nil {
		g.waiting.Remove(h.at)
		h.at = nil
	}
	delete(g.all, h)
}

// find returns the connection as it was accepted, nil if it was closed in favour
// of another.
func (g *guard) find(c net.Conn) *held {
	if t, ok := c.(*tls.Conn); ok {
		c = t.NetConn()
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.all[c]
}

// state is the server's ConnState: a connection that has had its answer begins
// to wait anew.
func (g *guard) state(c net.Conn, state http.ConnState) {
	h := g.find(c)
	if h == nil {
		return
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	switch {
	case state != http.StateIdle || g.all[h] == nil:
	case h.at == nil:
		h.at = g.waiting.PushBack(h)
	default: // it had an answer for which its request did not have to come whole
		g.waiting.MoveToBack(h.at)
	}
}

// here notes that the request of ctx has come whole, so that its connection is
// not closed in favour of another before the answer.
func here(ctx context.Context) {
	h, _ := ctx.Value(connKey{}).(*held)
	if h == nil {
		return
	}
	h.g.mu.Lock()
	defer h.g.mu.Unlock()
	if h.at != nil {
		h.g.waiting.Remove(h.at)
		h.at = nil
	}
}

// Close implements net.Conn.
func (h *held) Close() error {
	h.g.mu.Lock()
	h.g.forget(h)
	h.g.mu.Unlock()
	return h.Conn.Close()
}

// CloseWrite lets net/http end an answer to a request that it does not read to
// its end, so that the answer arrives.
func (h *held) CloseWrite() error {
	if c, ok := h.Conn.(interface{ CloseWrite() error }); ok {
		return c.CloseWrite()
	}
	return nil
}

// serverLog takes the lines of net/http's own log, of which anybody can cause as
// many as he likes and which quote him: they are counted, and none is written.
// It is a zapcore.Core.
type serverLog struct {
	zapcore.LevelEnabler
	to *dropLog
}

// With implements zapcore.Core; net/http gives no fields.
func (l *serverLog) With([]zapcore.Field) zapcore.Core { return l }

// Check implements zapcore.Core.
func (l *serverLog) Check(e zapcore.Entry, c *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	return c.AddCore(e, l)
}

// Write implements zapcore.Core.
func (l *serverLog) Write(e zapcore.Entry, _ []zapcore.Field) error {
	why := Reason("other")
	switch {
	case strings.Contains(e.Message, "TLS handshake error"):
		why = "tls_handshake"
	case strings.Contains(e.Message, "Accept error"):
		why = "accept_failed" // too many open files, as a rule
	}
	l.to.add(map[Reason]int{why: 1})
	return nil
}

// Sync implements zapcore.Core.
func (l *serverLog) Sync() error { return nil }
