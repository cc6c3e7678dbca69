package test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sync/errgroup"
)

// TestDemoInEveryPosition plays the script in all sixteen positions of the four
// switches. The version of validation tokens goes with the parity of the
// position, so that every switch is seen on and off with both.
func TestDemoInEveryPosition(t *testing.T) {
	t.Parallel()
	switches := []string{"--no-echo", "--blocked-body=empty", "--patch-moves-last-edited", "--odd-casing"}
	var runs errgroup.Group
	runs.SetLimit(4) // the script is mostly waiting
	for position := range 1 << len(switches) {
		args := []string{"demo", "--once", "--speed", "8"}
		set := 0
		for i, s := range switches {
			if position&(1<<i) != 0 {
				args = append(args, s)
				set++
			}
		}
		args = append(args, "--token-version", strconv.Itoa(1+set%2))
		runs.Go(func() error {
			p := start(t, binary, nil, args...)
			<-p.done
			out := p.stdout.String()
			if p.code != 0 || !allAsExpected.MatchString(out) || strings.Contains(out, "BAD") {
				return fmt.Errorf("%v: exit code %d\n%s%s", args, p.code, out, p.stderr.String())
			}
			return nil
		})
	}
	if err := runs.Wait(); err != nil {
		t.Error(err)
	}
}

var allAsExpected = regexp.MustCompile(`(?s)WHAT WAS SAID +EXPECTED +WHAT TEAMS SHOWS +READABLE FOR\n(ok  [^\n]+\n)+all \d+ as expected\n$`)

// TestDemoShowsNoText: the timeline masks what was found.
func TestDemoShowsNoText(t *testing.T) {
	t.Parallel()
	p := start(t, binary, nil, "demo", "--once", "--speed", "8", "--log-level", "debug")
	if code := p.wait(t); code != 0 {
		t.Fatalf("exit code %d\n%s", code, p.stderr.String())
	}
	out := p.stdout.String() + p.stderr.String()
	for _, want := range []string{"411111••••••1111", "readable for"} {
		if !strings.Contains(out, want) {
			t.Errorf("the output lacks %q", want)
		}
	}
	for _, leak := range []string{"4111 1111", "4111111111", "DE89 3704", "DE893704", "AKIAQ3EG", "536-22"} {
		if strings.Contains(out, leak) {
			t.Errorf("the output holds %q", leak)
		}
	}
}

// TestDemoNotices: the script fails when one thing is not as it should be.
func TestDemoNotices(t *testing.T) {
	t.Parallel()
	t.Run("a block that is only claimed", func(t *testing.T) {
		t.Parallel()
		p := start(t, faulty(t), []string{"TEAMSDLP_FAULT=no-patch"}, "demo", "--once", "--speed", "8")
		wantBad(t, p, `(?m)^BAD  .+  blocked +readable, not touched`) // which of them has the first order, the machine's load decides
	})
	t.Run("a rule that does not enforce", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		rules := sampleInto(t, dir)
		rules = strings.Replace(rules, "    mode: enforce\n    scope: {conversations: [channel]}", "    mode: shadow\n    scope: {conversations: [channel]}", 1)
		writeFile(t, filepath.Join(dir, "rules", "payments.yaml"), rules)
		p := start(t, binary, nil, "demo", "--once", "--speed", "8", "--data", dir)
		wantBad(t, p, `(?m)^BAD  Ana posts an IBAN in a channel's table +blocked +readable, not touched`)
	})
	t.Run("a rule that does not load", func(t *testing.T) {
		t.Parallel()
		dir := t.TempDir()
		rules := sampleInto(t, dir)
		writeFile(t, filepath.Join(dir, "rules", "payments.yaml"), strings.Replace(rules, "detect: iban", "detect: ibann", 1))
		code, _, errs := run(t, "demo", "--once", "--data", dir)
		if want := `unknown detector "ibann" (did you mean "iban"?)`; code != 2 || !strings.Contains(errs, want) {
			t.Errorf("exit code %d, %q; want 2 and %q", code, errs, want)
		}
	})
}

// wantBad wants exit code 1 and one bad line, the one named.
func wantBad(t *testing.T, p *proc, line string) {
	t.Helper()
	code, out := p.wait(t), p.stdout.String()
	if code != 1 || !regexp.MustCompile(line).MatchString(out) || strings.Count(out, "BAD") != 1 {
		t.Errorf("exit code %d; want 1 and one bad line %s\n%s%s", code, line, out, p.stderr.String())
	}
}

// sampleInto writes a demo's keys and sample rules into dir and returns the text
// of the payment rules, for a change.
func sampleInto(t *testing.T, dir string) string {
	t.Helper()
	if code, _, errs := run(t, "twin", "--write-config", dir, "--exit"); code != 0 {
		t.Fatalf("exit code %d\n%s", code, errs)
	}
	return readFile(t, filepath.Join(dir, "rules", "payments.yaml"))
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
