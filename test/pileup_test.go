package test

import (
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"teamsdlp/test/trial"
)

// held is what a process has open at a moment.
type held struct{ files, goroutines, heap float64 }

func (s *site) holds(t *testing.T) held {
	t.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.cmd.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	return held{float64(len(open)), s.metric("go_goroutines"), s.metric("go_memstats_heap_alloc_bytes")}
}

// I7. Nothing piles up in a process that runs for long: after a thousand connections
// that ended in each way there is, messages, and rules that changed, it holds as
// many files and goroutines as before, and as much memory.
func TestNothingPilesUp(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"", "leak"} {
		t.Run("build "+fault, func(t *testing.T) {
			t.Parallel()
			twin := newTwin(t)
			s := newSite(t, twin.URL())
			s.breaking(fault)
			s.up()
			x := newTraffic(t, twin)
			base := readFile(t, s.file("rules/base.yaml"))
			inForce := 0.0
			round := func() {
				for i := range 1000 {
					stray(t, s.public, i)
				}
				x.say(200)
				s.settle(twin)
				for _, text := range []string{base + "# a remark\n", base} {
					s.writeRule("base.yaml", text)
					inForce++
					waitFor(t, "the rules to be in force", func() bool {
						return s.metric(`teamsdlp_rule_generations_total{result="in_force"}`) >= inForce
					})
				}
			}
			round() // what is made once is made
			before := s.holds(t)
			rounds, wait := trial.Chaos(1, 30), patience
			if fault != "" {
				rounds, wait = 1, 3*time.Second
			}
			for range rounds {
				round()
			}
			var after held
			same := eventually(wait, func() bool {
				after = s.holds(t)
				// 32 connections to Graph may be idle, with two goroutines each, and of
				// the heap is counted what the collector has not looked at yet.
				return after.files <= before.files+48 && after.goroutines <= before.goroutines+96 && after.heap <= before.heap+16<<20
			})
			if same != (fault == "") {
				t.Errorf("before %+v, after %+v", before, after)
			}
			if fault == "" {
				trial.Tried(t, "I7: %d000 connections, %d messages, %d changes of rules: %.0f files and %.0f goroutines before, %.0f and %.0f after; heap %.1f and %.1f MiB",
					rounds, len(x.said), 2*rounds, before.files, before.goroutines, after.files, after.goroutines, before.heap/(1<<20), after.heap/(1<<20))
			} else {
				trial.Tried(t, "control: %q is found out: %.0f files and %.0f goroutines before, %.0f and %.0f after", fault, before.files, before.goroutines, after.files, after.goroutines)
			}
		})
	}
}

// stray makes the i-th connection, which ends in one of the ways there are.
func stray(t *testing.T, addr string, i int) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	const head = "POST /graph/notifications HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
	send, answered := [...]string{
		"",             // nothing
		"POST /graph/", // half a line
		head + "Content-Length: 50\r\n\r\n{\"value\":",                  // half a body
		head + "Connection: close\r\nContent-Length: 2\r\n\r\n{}",       // refused
		"GET /nowhere HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", // not found
		"\x16\x03\x01\x02\x00\x01\x00",                                  // TLS where there is none
	}[i%6], i%6 == 3 || i%6 == 4
	if _, err := io.WriteString(c, send); err != nil {
		t.Fatal(err)
	}
	if !answered {
		return
	}
	if answer, err := io.ReadAll(c); err != nil || !strings.HasPrefix(string(answer), "HTTP/1.1 ") {
		t.Errorf("%q: answer %q, %v", send, answer, err)
	}
}
