package test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// commands are those that the design names; --help of the binary must list them,
// and may list more.
var commands = []string{
	"demo", "serve", "twin", "check", "keys new", "inspect", "scan",
	"rules test", "rules lint", "rules show", "rules schema",
	"actions list", "actions show", "actions verify", "actions release", "actions label", "version",
}

// TestEveryCommand: each has a help with an example, which is printed to
// standard output, and none takes a flag that it does not know.
func TestEveryCommand(t *testing.T) {
	t.Parallel()
	code, help, _ := run(t, "--help")
	if code != 0 {
		t.Fatalf("--help: exit code %d", code)
	}
	var listed []string
	for _, m := range regexp.MustCompile(`(?m)^  ([a-z]+(?: [a-z]+)?)(?: |$)`).FindAllStringSubmatch(help, -1) {
		listed = append(listed, m[1])
	}
	for _, c := range commands {
		if !slices.Contains(listed, c) {
			t.Errorf("--help does not list %s:\n%s", c, help)
		}
	}
	for _, c := range listed {
		args := strings.Fields(c)
		code, out, errs := run(t, append(args, "--help")...)
		if code != 0 || !regexp.MustCompile(`(?m)^Example:\n\n    .*teamsdlp `+c).MatchString(out) || strings.Count(out, "Example") != 1 || errs != "" {
			t.Errorf("%s --help: exit code %d; want 0 and an example\n%s%s", c, code, out, errs)
		}
		code, out, errs = run(t, append(args, "--no-such-flag")...)
		if code != 2 || !strings.Contains(errs, "--no-such-flag") {
			t.Errorf("%s --no-such-flag: exit code %d, %q %q; want 2 and its name", c, code, out, errs)
		}
	}
}

// TestExitCodes: 0 fine, 1 found something, 2 could not run.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL()).up()
	m := say(t, twin, "ana", "ana-li", "card "+card)
	await(t, twin, m, "blocked", blocked)
	s.settle(twin)
	id := s.caseOf(m)
	dir := t.TempDir()
	file := func(name, text string) string {
		path := filepath.Join(dir, name)
		writeFile(t, path, text)
		return path
	}
	clean, found := file("clean.txt", "lunch at noon\n"), file("card.txt", "card "+card+"\n")
	badRules := t.TempDir()
	writeFile(t, filepath.Join(badRules, "r.yaml"), strings.Replace(tulipRule, "match: [a tulip]", "match: [a rose]", 1))
	unlinted := t.TempDir()
	writeFile(t, filepath.Join(unlinted, "r.yaml"), strings.Replace(tulipRule, "    tests: {match: [a tulip], no_match: [a rose]}\n", "", 1))
	goodRules := t.TempDir()
	writeFile(t, filepath.Join(goodRules, "r.yaml"), tulipRule)
	brokenRules := t.TempDir()
	writeFile(t, filepath.Join(brokenRules, "r.yaml"), "rules: [")

	for _, tc := range []struct {
		args []string
		code int
		want string // in either stream
	}{
		{nil, 0, "Usage: teamsdlp <command>"},
		{[]string{"--help"}, 0, "Usage: teamsdlp <command>"},
		{[]string{"rules"}, 2, "expected one of"},
		{[]string{"bogus"}, 2, "bogus"},
		{[]string{"version"}, 0, "teamsdlp "},
		{[]string{"version", "more"}, 2, "more"},
		{[]string{"scan", clean}, 0, ""},
		{[]string{"scan", found}, 1, "492951••••••2400"},
		{[]string{"scan", filepath.Join(dir, "none.txt")}, 2, "none.txt"},
		{[]string{"scan", "--json", found}, 1, `"detector":"credit-card"`},
		{[]string{"scan", "--rules", brokenRules, clean}, 2, "r.yaml"},
		{[]string{"rules", "test", "--rules", goodRules}, 0, ""},
		{[]string{"rules", "test", "--rules", badRules}, 1, "tulip"},
		{[]string{"rules", "test", "--rules", brokenRules}, 1, "r.yaml"},
		{[]string{"rules", "lint", "--rules", goodRules}, 0, ""},
		{[]string{"rules", "lint", "--rules", unlinted}, 1, "tulip"},
		{[]string{"rules", "schema"}, 0, `"$schema"`},
		{[]string{"rules", "show", "credit-card"}, 0, "credit-card"},
		{[]string{"rules", "show", "credit-crad"}, 2, "credit-crad"},
		{[]string{"check", "--config", s.config()}, 0, ""},
		{[]string{"check", "--config", s.config(), "--online"}, 0, "handshake"},
		{[]string{"check", "--config", filepath.Join(dir, "none.yaml")}, 2, "none.yaml"},
		{[]string{"check", "--live", "http://" + s.private + "/livez"}, 0, ""},
		{[]string{"check", "--live", "http://" + s.private + "/none"}, 1, ""},
		{[]string{"actions", "list", "--data", s.data()}, 0, "492951••••••2400"},
		{[]string{"actions", "list", "--config", s.config(), "severity=high", "since=1h"}, 0, id},
		{[]string{"actions", "list", "--data", s.data(), "severity=critical"}, 1, ""},
		{[]string{"actions", "list", "--data", s.data(), "severty=high"}, 2, "severty"},
		{[]string{"actions", "list", "--data", s.data(), "severity=huge"}, 2, "huge"},
		{[]string{"actions", "list", "--data", filepath.Join(dir, "nowhere")}, 2, "nowhere"},
		{[]string{"actions", "show", "--data", s.data(), id}, 0, "credit-card found 1"},
		{[]string{"actions", "show", "--data", s.data(), "0123456789abcdef"}, 1, ""},
		{[]string{"actions", "verify", "--config", s.config()}, 0, "ok"},
		{[]string{"actions", "verify", "--data", s.data()}, 2, "--key"},
		{[]string{"inspect", "--key", filepath.Join(dir, "none.pem"), found}, 2, "none.pem"},
		{[]string{"keys", "new", "--keys-dir", filepath.Join(dir, "keys")}, 0, ""},
	} {
		code, out, errs := run(t, tc.args...)
		if code != tc.code || !strings.Contains(out+errs, tc.want) {
			t.Errorf("%v: exit code %d; want %d and %q\n%s%s", tc.args, code, tc.code, tc.want, out, errs)
		}
	}
}
