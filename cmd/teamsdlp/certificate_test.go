package main

import (
	"context"
	"crypto/tls"
	"errors"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"teamsdlp/config"
	"teamsdlp/webhook"
)

// A renewed certificate is in use without a restart, and one that cannot be used
// leaves the last.
func TestCertificateIsRenewed(t *testing.T) {
	dir := t.TempDir()
	writeTLS(t, dir, "old.example.com", 24*time.Hour)
	core, logged := observer.New(zap.InfoLevel)
	var passed atomic.Int64 // of the clock
	begin := time.Now()
	cert, err := newCertificate(filepath.Join(dir, "tls.pem"), filepath.Join(dir, "tls.key"), func() time.Time { return begin.Add(time.Duration(passed.Load())) }, zap.New(core))
	if err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	s := &service{cfg: &config.Config{}, log: zap.NewNop(), public: ln, publicTLS: cert}
	go func() { ended <- s.servePublic(ctx, http.NotFoundHandler()) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	shown := func() string {
		t.Helper()
		conn, err := tls.Dial("tcp", ln.Addr().String(), &tls.Config{InsecureSkipVerify: true}) //nolint:gosec // it only looks
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		return conn.ConnectionState().PeerCertificates[0].DNSNames[0]
	}
	// Each step writes files, lets time pass, and says what must be shown then.
	other := t.TempDir()
	writeTLS(t, other, "new.example.com", 48*time.Hour)
	move := func(name string) {
		t.Helper()
		if err := os.Rename(filepath.Join(other, name), filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	// A file that cannot be read, and then can, without being another one: as under chmod,
	// which does not keep root from anything.
	var held string
	set := func(content string) {
		t.Helper()
		put(t, dir, "tls.key", content)
		if err := os.Chtimes(filepath.Join(dir, "tls.key"), begin, begin); err != nil {
			t.Fatal(err)
		}
	}
	hide := func() {
		t.Helper()
		b, err := os.ReadFile(filepath.Join(dir, "tls.key"))
		if err != nil {
			t.Fatal(err)
		}
		held = string(b)
		set(strings.Repeat("x", len(held)))
	}
	for _, step := range []struct {
		name  string
		do    func()
		after time.Duration
		want  string
		logs  int // lines, all in all
	}{
		{"as it began", func() {}, time.Hour, "old.example.com", 0},
		{"one file of two", func() { move("tls.pem") }, lookAgain, "old.example.com", 1},
		{"nothing new", func() {}, lookAgain, "old.example.com", 1},
		{"both, just now", func() { move("tls.key") }, 0, "old.example.com", 1},
		{"both", func() {}, lookAgain, "new.example.com", 2},
		{"no certificate", func() { put(t, dir, "tls.pem", "garbage") }, lookAgain, "new.example.com", 3},
		{"no file", func() { _ = os.Remove(filepath.Join(dir, "tls.pem")) }, lookAgain, "new.example.com", 4},
		{"back again", func() { writeTLS(t, dir, "back.example.com", time.Hour) }, lookAgain, "back.example.com", 5},
		{"none any more", func() { _ = os.Remove(filepath.Join(dir, "tls.key")) }, lookAgain, "back.example.com", 5},
		{"one that cannot be read", func() { writeTLS(t, dir, "late.example.com", time.Hour); hide() }, lookAgain, "back.example.com", 6},
		{"one that can", func() { set(held) }, lookAgain, "late.example.com", 7},
	} {
		step.do()
		passed.Add(int64(step.after))
		if got := shown(); got != step.want || logged.Len() != step.logs {
			t.Errorf("%s: %s is shown, want %s; %d lines are logged, want %d: %v", step.name, got, step.want, logged.Len(), step.logs, logged.All())
		}
	}
	if _, err := newCertificate(filepath.Join(dir, "tls.key"), filepath.Join(dir, "tls.pem"), time.Now, zap.NewNop()); err == nil {
		t.Error("files the wrong way round were taken")
	}
}

// Files on a disk that hangs keep nobody waiting but whoever looks at them.
func TestCertificateHangs(t *testing.T) {
	dir := t.TempDir()
	writeTLS(t, dir, "old.example.com", 24*time.Hour)
	key := filepath.Join(dir, "tls.key")
	now := time.Now()
	cert, err := newCertificate(filepath.Join(dir, "tls.pem"), key, func() time.Time { return now }, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.Remove(key), syscall.Mkfifo(key, 0o600)); err != nil { // reading it waits for a writer
		t.Fatal(err)
	}
	now = now.Add(lookAgain)
	shown := make(chan *tls.Certificate, 1)
	go func() { shown <- cert.current() }()
	disk, err := os.OpenFile(key, os.O_WRONLY, 0) // done once the other end is open
	if err != nil {
		t.Fatal(err)
	}
	meanwhile := make(chan *tls.Certificate, 1)
	go func() { meanwhile <- cert.current() }()
	select {
	case <-meanwhile:
	case <-time.After(time.Minute):
		t.Error("a handshake waits for the disk")
	}
	if err := disk.Close(); err != nil {
		t.Fatal(err)
	}
	if got := <-shown; got.Leaf.DNSNames[0] != "old.example.com" {
		t.Errorf("%s is shown", got.Leaf.DNSNames[0])
	}
}

// Where few files may be open, connections leave some for all else.
func TestConnectionsLeaveFiles(t *testing.T) {
	for files, want := range map[int]int{0: 1, 1024: 512, 8192: webhook.MaxConnections, math.MaxInt32: webhook.MaxConnections} {
		if got := connections(files); got != want {
			t.Errorf("%d connections where %d files may be open, want %d", got, files, want)
		}
	}
	if got := openFiles(); got < 64 {
		t.Errorf("%d files may be open", got)
	}
}
