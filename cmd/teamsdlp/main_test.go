package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"testing"
)

// TestUsage: what people try first works, and a command line that is none is
// answered with what there is.
func TestUsage(t *testing.T) {
	for _, c := range []struct {
		args string
		code int
		want string
	}{
		{"", 0, "Usage: teamsdlp <command>"},
		{"help", 0, "Usage: teamsdlp <command>"},
		{"help actions list", 0, "Usage: teamsdlp actions list [<filter> ...]"},
		{"--version", 0, "teamsdlp devel ("},
		{"srve", 2, "did you mean \"serve\"? (the commands are demo, serve, twin, "},
		{"actions foo", 2, "unexpected argument foo (the commands are list, show, "},
		{"version now", 2, "unexpected argument now (--help says what there is; flags stand before or after the arguments, not between them)"},
		{"serve --cofnig x", 2, "unknown flag --cofnig, did you mean \"--config\"? (--help says what there is)"},
	} {
		code, stdout, stderr := command(t, strings.Fields(c.args)...)
		if out := stdout + stderr; code != c.code || !strings.Contains(out, c.want) {
			t.Errorf("teamsdlp %s: exit %d, want %d and %q:\n%s", c.args, code, c.code, c.want, out)
		}
	}
}

// An address that is taken is said with its key and what to do.
func TestAddressTaken(t *testing.T) {
	ln, err := (&net.ListenConfig{}).Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer ln.Close()
	dir := site(t, fmt.Sprintf("private: {listen: \"127.0.0.1:0\"}\npublic: {url: https://dlp.example.com, listen: %q}", ln.Addr()))
	for _, args := range [][]string{{"serve", "--config", filepath.Join(dir, "teamsdlp.yaml")}, {"twin", "--listen", ln.Addr().String()}} {
		code, _, stderr := commandEnv(t, map[string]string{"SECRET": checkSecret}, args...)
		if code != 2 || !strings.Contains(stderr, "listen: listen tcp "+ln.Addr().String()+": bind: ") || !strings.Contains(stderr, "(another process listens there") {
			t.Errorf("%s: exit %d: %s", args[0], code, stderr)
		}
	}
}
