// Package redistest starts real Redis servers for tests: on loopback, on a free
// port, in a directory of the test. They can be killed, frozen and started again
// on the same port and data.
package redistest

import (
	"bufio"
	"cmp"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// patience is how long a server may take for what should come at once.
const patience = 30 * time.Second

// Safe are the settings that the product asks for.
var Safe = []string{"--appendonly", "yes", "--appendfsync", "always", "--maxmemory-policy", "noeviction"}

// A Server is one redis-server process. Its methods are for one goroutine.
type Server struct {
	t       testing.TB
	Addr    string
	Dir     string
	program string // empty: redis-server
	args    []string
	conf    string // of a sentinel

	locked bool // PING is answered by NOAUTH

	mu  sync.Mutex
	cmd *exec.Cmd
}

// Start starts a server with the settings in args, Safe if there are none. It
// ends with the test.
func Start(t testing.TB, args ...string) *Server {
	t.Helper()
	if len(args) == 0 {
		args = Safe
	}
	return StartIn(t, t.TempDir(), args...)
}

// StartIn is Start in a directory of the caller's.
func StartIn(t testing.TB, dir string, args ...string) *Server {
	t.Helper()
	return begin(&Server{t: t, Dir: dir, args: args})
}

// begin starts s on a free port; it ends with the test.
func begin(s *Server) *Server {
	s.t.Helper()
	s.Addr = FreeAddr(s.t)
	for slices.Contains(s.args, "--cluster-enabled") && !busFree(s.Port()) {
		s.Addr = FreeAddr(s.t)
	}
	s.Up()
	s.t.Cleanup(s.Kill)
	return s
}

// Everysec are settings that the product asks for where the server has WAITAOF.
var Everysec = []string{"--appendonly", "yes", "--appendfsync", "everysec", "--maxmemory-policy", "noeviction"}

// StartValkey is Start for a Valkey, which has WAITAOF, with the settings Everysec if
// there are none. The test is skipped where there is none: the releases of some
// systems bring none, and test/setup.sh installs it where it can be had.
func StartValkey(t testing.TB, args ...string) *Server {
	t.Helper()
	const program = "valkey-server"
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not here: what a server does that has WAITAOF is not tried", program) //nolint:forbidigo // test/setup.sh says so too
	}
	if len(args) == 0 {
		args = Everysec
	}
	return begin(&Server{t: t, Dir: t.TempDir(), program: program, args: args})
}

// StartLocked is StartIn for a server that knows no command from somebody who has
// not signed in.
func StartLocked(t testing.TB, dir string, args ...string) *Server {
	t.Helper()
	return begin(&Server{t: t, Dir: dir, args: args, locked: true})
}

// FreeAddr is an address of loopback that nobody listens on.
func FreeAddr(t testing.TB) string {
	t.Helper()
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	return ln.Addr().String()
}

// busFree reports whether nobody listens on the port on which a server of a cluster
// talks to the others, 10,000 above its own.
func busFree(port string) bool {
	n, _ := strconv.Atoi(port) // it was listened on
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(n+10_000)))
	if err == nil {
		_ = ln.Close()
	}
	return err == nil
}

// Port is that of Addr.
func (s *Server) Port() string {
	_, port, _ := net.SplitHostPort(s.Addr)
	return port
}

// Up starts the server and returns when it answers.
func (s *Server) Up() {
	s.t.Helper()
	args := append([]string{"--port", s.Port(), "--bind", "127.0.0.1", "--dir", s.Dir, "--save", "", "--daemonize", "no"}, s.args...)
	if s.conf != "" {
		args = []string{s.conf, "--port", s.Port(), "--bind", "127.0.0.1", "--dir", s.Dir, "--sentinel"}
	}
	program := cmp.Or(s.program, "redis-server")
	cmd := exec.CommandContext(context.Background(), program, args...) //nolint:gosec // one of two
	log, err := os.OpenFile(filepath.Join(s.Dir, "server.log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		s.t.Fatal(err)
	}
	defer log.Close()
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		s.t.Fatalf("%s: %v (test/setup.sh installs it)", program, err)
	}
	s.mu.Lock()
	s.cmd = cmd
	s.mu.Unlock()
	for begun := time.Now(); ; <-time.After(5 * time.Millisecond) {
		if s.Answers() {
			return
		}
		if time.Since(begun) > patience {
			said, _ := os.ReadFile(filepath.Join(s.Dir, "server.log"))
			s.t.Fatalf("%s does not answer:\n%s", program, said)
		}
	}
}

// Answers reports whether the server answers PING with PONG: not while it loads.
func (s *Server) Answers() bool {
	said, err := s.Do("PING")
	return err == nil && (said == "+PONG" || s.locked && strings.HasPrefix(said, "-NOAUTH"))
}

// Do sends one command and returns the first line of the answer.
func (s *Server) Do(args ...string) (string, error) {
	conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(context.Background(), "tcp", s.Addr)
	if err != nil {
		return "", err
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(2 * time.Second))
	var b strings.Builder
	fmt.Fprintf(&b, "*%d\r\n", len(args))
	for _, a := range args {
		fmt.Fprintf(&b, "$%d\r\n%s\r\n", len(a), a)
	}
	if _, err := io.WriteString(conn, b.String()); err != nil {
		return "", err
	}
	line, err := bufio.NewReader(conn).ReadString('\n')
	return strings.TrimSpace(line), err
}

// Set changes a setting.
func (s *Server) Set(name, value string) {
	s.t.Helper()
	if said, err := s.Do("CONFIG", "SET", name, value); err != nil || said != "+OK" {
		s.t.Fatalf("CONFIG SET %s %s: %s %v", name, value, said, err)
	}
}

// Int is the answer to a command that is a number.
func (s *Server) Int(args ...string) int {
	s.t.Helper()
	said, err := s.Do(args...)
	n, err2 := strconv.Atoi(strings.TrimPrefix(said, ":"))
	if err != nil || err2 != nil {
		s.t.Fatalf("%v: %s %v", args, said, err)
	}
	return n
}

// Kill ends the server as a power cut does, as far as a process can tell. One
// that has ended already stays so.
func (s *Server) Kill() {
	s.mu.Lock()
	cmd := s.cmd
	s.cmd = nil
	s.mu.Unlock()
	if cmd == nil {
		return
	}
	_ = cmd.Process.Signal(syscall.SIGCONT)
	_ = cmd.Process.Kill()
	_ = cmd.Wait()
}

// Freeze stops the server where it is; Thaw lets it go on.
func (s *Server) Freeze() { s.send(syscall.SIGSTOP) }

// Thaw undoes Freeze.
func (s *Server) Thaw() { s.send(syscall.SIGCONT) }

func (s *Server) send(sig syscall.Signal) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatal(err)
	}
}

// StartSentinel starts a sentinel with a configuration file, which it rewrites.
func StartSentinel(t testing.TB, conf string) *Server {
	t.Helper()
	return begin(&Server{t: t, Dir: filepath.Dir(conf), conf: conf})
}
