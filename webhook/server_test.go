package webhook

import (
	"bufio"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"
)

func TestServerLimits(t *testing.T) {
	s := NewServer("127.0.0.1:0", http.NotFoundHandler())
	if s.ReadHeaderTimeout != 2*time.Second || s.ReadTimeout != 5*time.Second || s.WriteTimeout != 10*time.Second ||
		s.IdleTimeout != 90*time.Second || s.MaxHeaderBytes != 16<<10 {
		t.Errorf("limits: %+v", s)
	}
	cert := selfSigned(boxKey(), time.Now().Add(-time.Hour))
	s.TLSConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: boxKey()}}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.ErrorLog = zap.NewStdLog(zap.NewNop())
	go func() { _ = s.ServeTLS(ln, "", "") }()
	defer s.Close()
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, MinVersion: version, MaxVersion: version})
		if (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
		if err == nil {
			conn.Close()
		}
	}
	conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2", "http/1.1"}})
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if got := conn.ConnectionState().NegotiatedProtocol; got != "http/1.1" {
		t.Errorf("%q is spoken: a connection must carry one request at a time", got)
	}
}

// pipes is a listener without a network, for time bubbles.
type pipes struct {
	conns chan net.Conn
	done  chan struct{}
}

func newPipes() *pipes { return &pipes{make(chan net.Conn), make(chan struct{})} }

func (p *pipes) Accept() (net.Conn, error) {
	select {
	case c := <-p.conns:
		return c, nil
	case <-p.done:
		return nil, net.ErrClosed
	}
}

func (p *pipes) Close() error   { close(p.done); return nil }
func (p *pipes) Addr() net.Addr { return &net.TCPAddr{} }

func (p *pipes) dial() net.Conn {
	ours, theirs := net.Pipe()
	p.conns <- theirs
	return ours
}

// offline is a receiver that needs no network as long as no token is sent.
func offline(t *testing.T, inbox Inbox) *Receiver {
	t.Helper()
	v := newVerifier(t, VerifierConfig{LoginURL: "https://login.test", Tenants: []TenantApps{{tenantA, []string{appA}}}})
	r, err := New(Config{Inbox: inbox, Subscriptions: someSubscriptions(), Verifier: v})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// posting is a request as it is on the wire.
func posting(body string) string {
	return fmt.Sprintf("POST %s HTTP/1.1\r\nHost: dlp.test\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", NotificationsPath, len(body), body)
}

// Whoever is slow is cut off in time, and gets nothing stored.
func TestSlowClients(t *testing.T) {
	whole := posting(string(collectionOf(nil, basic())))
	header := whole[:strings.Index(whole, "{")]
	for _, tc := range []struct {
		name string
		// drip is sent a byte every so often after first.
		first, drip string
		every       time.Duration
		within      time.Duration // the connection is closed after this
		answer      string        // what it begins with; empty: nothing, or an error
		stored      int
	}{
		{"nothing", "", "", 0, headerTime, "", 0},
		{"a header a byte a second", "", whole, time.Second, headerTime, "", 0},
		{"a header that never ends", "POST /graph/notifications HTTP/1.1\r\n", strings.Repeat("X-A: b\r\n", 1000), 10 * time.Millisecond, headerTime, "", 0},
		{"a body a byte a second", header, whole[len(header):], time.Second, readTime, "", 0},
		{"a body that stops", header + "{", "", 0, readTime, "", 0},
		{"an idle connection", whole, "", 0, idleTime, "HTTP/1.1 202", 1},
		{"whole, and in time", "", whole, time.Millisecond, idleTime + time.Minute, "HTTP/1.1 202", 1},
		{"a header too long", "POST /graph/notifications HTTP/1.1\r\nX-A: " + strings.Repeat("a", maxHeader+8<<10), "", 0, headerTime, "", 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			inbox := &memory{}
			ln := newPipes()
			srv := NewServer("", offline(t, inbox).Handler())
			guarded := Guard(ln, srv, 10, zap.NewNop())
			served := make(chan error, 1)
			go func() { served <- srv.Serve(guarded) }()
			begun := time.Now()
			conn := ln.dial()
			wrote := make(chan struct{})
			go func() {
				defer close(wrote)
				if _, err := io.WriteString(conn, tc.first); err != nil {
					return
				}
				for i := range len(tc.drip) {
					<-time.After(tc.every)
					if _, err := io.WriteString(conn, tc.drip[i:i+1]); err != nil {
						return
					}
				}
			}()
			all, _ := io.ReadAll(conn)
			if took := time.Since(begun); took > tc.within+2*time.Second {
				t.Errorf("%s: held for %v, want at most %v", tc.name, took, tc.within)
			}
			if !strings.HasPrefix(string(all), tc.answer) || tc.answer == "" && strings.HasPrefix(string(all), "HTTP/1.1 20") {
				t.Errorf("%s: answer %q, want %q", tc.name, all, tc.answer)
			}
			if len(inbox.items) != tc.stored {
				t.Errorf("%s: %d stored, want %d", tc.name, len(inbox.items), tc.stored)
			}
			_ = conn.Close()
			<-wrote
			_ = srv.Close()
			if err := <-served; !errors.Is(err, http.ErrServerClosed) {
				t.Errorf("%s: %v", tc.name, err)
			}
			if g := guarded.(*guard); len(g.all) != 0 || g.waiting.Len() != 0 {
				t.Errorf("%s: %d connections are still counted", tc.name, len(g.all))
			}
		})
	}
}

// A caller that does not read its answer is cut off too.
func TestAnswerIsNotRead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ln := newPipes()
		srv := NewServer("", offline(t, &memory{}).Handler())
		served := make(chan error, 1)
		go func() { served <- srv.Serve(ln) }()
		conn := ln.dial()
		if _, err := io.WriteString(conn, posting(`{"value":[]}`)); err != nil {
			t.Fatal(err)
		}
		<-time.After(writeTime + time.Second)
		synctest.Wait()
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			t.Errorf("reading after %v: %v, want EOF", writeTime, err)
		}
		_ = srv.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// guardedServer serves h on loopback with room for so many connections.
func guardedServer(t *testing.T, h http.Handler, most int, over bool) (addr string, g *guard, logs *observer.ObservedLogs) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	core, logs := observer.New(zapcore.DebugLevel)
	srv := NewServer("", h)
	guarded := Guard(ln, srv, most, zap.New(core))
	served := make(chan struct{})
	go func() {
		defer close(served)
		if !over {
			_ = srv.Serve(guarded)
			return
		}
		cert := selfSigned(boxKey(), time.Now().Add(-time.Hour))
		srv.TLSConfig.Certificates = []tls.Certificate{{Certificate: [][]byte{cert.Raw}, PrivateKey: boxKey()}}
		_ = srv.ServeTLS(guarded, "", "")
	}()
	t.Cleanup(func() { _ = srv.Close(); <-served })
	return ln.Addr().String(), guarded.(*guard), logs
}

// However many connections somebody opens and keeps, Graph's is served.
func TestHalfOpenConnectionsKeepNobodyOut(t *testing.T) {
	whole := posting(string(collectionOf(nil, basic())))
	for name, sent := range map[string]string{
		"nothing sent": "", "half a header": whole[:30], "half a body": whole[:len(whole)-20], "a TLS record that never ends": "\x16\x03\x01\x02\x00\x01",
	} {
		for _, over := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, TLS %v", name, over), func(t *testing.T) {
				const room, flood = 8, 300
				inbox := &memory{}
				addr, g, logs := guardedServer(t, offline(t, inbox).Handler(), room, over)
				var first net.Conn
				for i := range flood {
					c, err := net.Dial("tcp", addr)
					if err != nil {
						t.Fatal(err)
					}
					defer c.Close()
					_, _ = io.WriteString(c, sent)
					if i == 0 {
						first = c
					}
					if i%100 != 99 {
						continue
					}
					if status := postOnce(t, addr, over, whole); !strings.HasPrefix(status, "HTTP/1.1 202") {
						t.Fatalf("after %d connections: %q", i+1, status)
					}
				}
				if len(inbox.items) != flood/100 {
					t.Errorf("%d stored", len(inbox.items))
				}
				g.mu.Lock()
				if len(g.all) > room || g.waiting.Len() > room {
					t.Errorf("%d connections held, %d waiting; room for %d", len(g.all), g.waiting.Len(), room)
				}
				g.mu.Unlock()
				if _, err := io.ReadAll(first); err != nil && !strings.Contains(err.Error(), "reset") {
					t.Errorf("the oldest connection: %v", err)
				}
				if n := logs.Len(); n == 0 || n > 5 {
					t.Errorf("%d log lines", n)
				}
			})
		}
	}
}

// postOnce sends a request on a connection of its own and returns the answer's
// first line.
func postOnce(t *testing.T, addr string, over bool, request string) string {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if over {
		c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
	}
	if _, err := io.WriteString(c, request); err != nil {
		return err.Error()
	}
	line, err := bufio.NewReader(c).ReadString('\n')
	if err != nil {
		return err.Error()
	}
	return line
}

// Who has brought his request is not closed before he has the answer, and then
// is the one who has waited least.
func TestRequestUnderWayIsNotClosed(t *testing.T) {
	entered, leave := make(chan struct{}), make(chan struct{})
	inbox := &memory{put: func(context.Context, []Item) error {
		entered <- struct{}{}
		<-leave
		return nil
	}}
	addr, g, logs := guardedServer(t, offline(t, inbox).Handler(), 1, false)
	whole := posting(string(collectionOf(nil, basic())))
	answered := make(chan string)
	go func() { answered <- postOnce(t, addr, false, whole) }()
	<-entered
	for range 3 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(c); len(b) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
			t.Errorf("a newcomer without room: %q, %v", b, err)
		}
		c.Close()
	}
	leave <- struct{}{}
	if got := <-answered; !strings.HasPrefix(got, "HTTP/1.1 202") {
		t.Errorf("answer %q", got)
	}
	for room := false; !room; { // there is, once the server has seen the first one go
		go func() { answered <- postOnce(t, addr, false, whole) }()
		select {
		case <-entered:
			room = true
		case got := <-answered:
			if strings.HasPrefix(got, "HTTP") {
				t.Fatalf("answer %q, nothing stored", got)
			}
		}
	}
	leave <- struct{}{}
	if got := <-answered; !strings.HasPrefix(got, "HTTP/1.1 202") {
		t.Errorf("answer %q", got)
	}
	if got := logs.All()[0]; got.Message != "connections closed" || !cmp.Equal(got.ContextMap(), map[string]any{"no_room": int64(1)}) {
		t.Errorf("log %s %v", got.Message, got.ContextMap())
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.all) > 1 {
		t.Errorf("%d connections held", len(g.all))
	}
}

// Whoever was answered waits anew, also if his request was one that need not be read
// to its end, as a handshake.
func TestAnsweredWaitsAnew(t *testing.T) {
	addr, g, _ := guardedServer(t, offline(t, &memory{}).Handler(), 2, false)
	dial := func() net.Conn {
		t.Helper()
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		return c
	}
	graph := dial()
	answers := bufio.NewReader(graph)
	handshake := func() {
		t.Helper()
		_, _ = fmt.Fprintf(graph, "POST %s?validationToken=x HTTP/1.1\r\nHost: dlp.test\r\nContent-Length: 0\r\n\r\n", NotificationsPath)
		resp, err := http.ReadResponse(answers, nil)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(resp.Body); err != nil || string(b) != "x" {
			t.Fatalf("answer %q, %v", b, err)
		}
	}
	handshake() // then it has been accepted before the next
	silent := dial()
	for accepted := 0; accepted < 2; runtime.Gosched() {
		g.mu.Lock()
		accepted = len(g.all)
		g.mu.Unlock()
	}
	for range 2 { // when the second is answered, the server has seen the first one's end
		handshake()
	}
	third := dial()
	if b, err := io.ReadAll(silent); len(b) > 0 || err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("who has waited longest: %q, %v", b, err)
	}
	handshake()
	third.Close()
}

// An answer to a request that is not read to its end arrives.
func TestRefusalArrives(t *testing.T) {
	addr, _, _ := guardedServer(t, offline(t, &memory{}).Handler(), 4, false)
	request := strings.Replace(posting(""), "Content-Length: 0", "Content-Length: 99999999", 1) + strings.Repeat("x", 1<<20)
	if got := postOnce(t, addr, false, request); !strings.HasPrefix(got, "HTTP/1.1 413") {
		t.Errorf("answer %q", got)
	}
}

// Of what strangers can make the server say nothing is written but how often.
func TestServerLogHoldsNothingSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		core, logs := observer.New(zapcore.DebugLevel)
		srv := NewServer("", http.NotFoundHandler())
		Guard(newPipes(), srv, 1, zap.New(core))
		for range 1000 {
			srv.ErrorLog.Print("http: TLS handshake error from 192.0.2.1:1: CANARY\r\n\x1b[31m")
		}
		srv.ErrorLog.Print("http: Accept error: too many open files; retrying in 1s")
		srv.ErrorLog.Print("CANARY")
		<-time.After(time.Minute)
		synctest.Wait()
		var got []map[string]any
		for _, l := range logs.All() {
			got = append(got, l.ContextMap())
			if l.Message != "connections closed" {
				t.Errorf("message %q", l.Message)
			}
		}
		want := []map[string]any{{"tls_handshake": int64(1)}, {"tls_handshake": int64(999), "accept_failed": int64(1), "other": int64(1)}}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("log (-want +got):\n%s", diff)
		}
	})
}
