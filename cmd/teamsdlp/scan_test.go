package main

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// scanned runs the command on stdin.
func scanned(t *testing.T, stdin string, args ...string) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	e := &env{context.Background(), os.Getenv, strings.NewReader(stdin), &stdout, &stderr}
	code = run(e, append([]string{"scan"}, args...))
	return code, stdout.String(), stderr.String()
}

func TestScanJSON(t *testing.T) {
	const card = `"detector":"credit-card","family":"financial","confidence":"high","level":85`
	for _, tc := range []struct {
		name, in, args, want string
		code                 int
	}{
		{"text", "my card is 4539 5787 6362 1486", "--json", `{"id":"-","matches":[{` + card + `,"start":11,"end":30,"masked":"453957••••••1486"}]}`, 1},
		{"known test value", "my card is 4111 1111 1111 1111", "--json", `{"id":"-","matches":[{` + card + `,"start":11,"end":30,"masked":"411111••••••1111","known_test":true}]}`, 1},
		{"clean", "good morning", "--json", `{"id":"-","matches":[]}`, 0},
		{"empty", "", "--json", `{"id":"-","matches":[]}`, 0},
		{"code points", "日本 カード 4539５７８７63621486 é", "--json", `{"id":"-","matches":[{` + card + `,"start":7,"end":23,"masked":"453957••••••1486"}]}`, 1},
		{"invalid bytes count one each", "\xff\xfe card 4539578763621486", "--json", `{"id":"-","matches":[{` + card + `,"start":8,"end":24,"masked":"453957••••••1486"}]}`, 1},
		{"html", `{"id":"a","html":"<p>é card 4539<b>5787</b>6362&#49;486</p>"}`, "--jsonl", `{"id":"a","matches":[{` + card + `,"start":10,"end":37,"masked":"453957••••••1486"}]}`, 1},
		{"text of a line is no markup", `{"id":"a","text":"<b>x</b> card 4539<b>5787</b>63621486"}`, "--jsonl", `{"id":"a","matches":[]}`, 0},
		{"hidden", `{"id":7,"text":"card 4539\u200b578763621486"}`, "--json --jsonl", `{"id":7,"matches":[{` + card + `,"start":5,"end":22,"masked":"453957••••••1486","obfuscated":true}]}`, 1},
		{"least level", "4539578763621486", "--json --min-level 75", `{"id":"-","matches":[]}`, 0},
		{"internal level", "order 4539578763621486", "--json --min-level 40", `{"id":"-","matches":[{"detector":"credit-card","family":"financial","confidence":"internal","level":40,"start":6,"end":22,"masked":"453957••••••1486"}]}`, 1},
		{"inside the regions", "ssn 536-22-1234", "--json --min-level 85 --regions us,de", `{"id":"-","matches":[{"detector":"us-ssn","family":"person","confidence":"high","level":85,"start":4,"end":15,"masked":"•••••••34"}]}`, 1},
		{"outside the regions", "ssn 536-22-1234", "--json --min-level 85 --regions de", `{"id":"-","matches":[]}`, 0},
		{"home region", "ring 020 7946 0123", "--json --region-hint GB", `{"id":"-","matches":[{"detector":"phone-national","family":"contact","confidence":"medium","level":75,"start":5,"end":18,"masked":"•••••••••23"}]}`, 1},
		{"no home region: a number of some region", "ring 020 7946 0123", "--json", `{"id":"-","matches":[{"detector":"phone-national","family":"contact","confidence":"medium","level":75,"start":5,"end":18,"masked":"•••••••••23"}]}`, 1},
	} {
		code, out, errs := scanned(t, tc.in, strings.Fields(tc.args)...)
		if diff := cmp.Diff(tc.want+"\n", out); diff != "" || code != tc.code || errs != "" {
			t.Errorf("%s: exit %d, want %d; stderr %q (-want +got):\n%s", tc.name, code, tc.code, errs, diff)
		}
	}
}

// What came to nothing is told of with --explain alone, in the code points of the
// input.
func TestScanExplain(t *testing.T) {
	type line struct {
		Matches  []scanMatch
		Rejected *[]scanRejected
	}
	for _, tc := range []struct {
		name, in, args string
		want           *scanRejected
		none           bool
	}{
		{"check digit", "日本 card 4539 5787 6362 1487", "--json --explain", &scanRejected{"credit-card", 8, 27, "it does not start as the cards of a known brand do, or is too long or too short for one, or its digits or letters fail the check that all values of its kind pass (Luhn)"}, false},
		{"markup", `{"id":"a","html":"<p>é card 4539<b>5787</b>63621487</p>"}`, "--jsonl --explain", &scanRejected{"credit-card", 10, 33, "it does not start as the cards of a known brand do, or is too long or too short for one, or its digits or letters fail the check that all values of its kind pass (Luhn)"}, false},
		{"nothing that looks like anything", "good morning", "--json --explain", nil, true},
		{"not asked for", "card 4539 5787 6362 1487", "--json", nil, false},
	} {
		code, out, errs := scanned(t, tc.in, strings.Fields(tc.args)...)
		var l line
		if err := json.Unmarshal([]byte(out), &l); err != nil || code != 0 || errs != "" || len(l.Matches) > 0 {
			t.Errorf("%s: exit %d, %v, stderr %q: %s", tc.name, code, err, errs, out)
			continue
		}
		switch {
		case tc.want != nil && (l.Rejected == nil || !slices.Contains(*l.Rejected, *tc.want)):
			t.Errorf("%s: want %+v in %s", tc.name, *tc.want, out)
		case tc.none && (l.Rejected == nil || len(*l.Rejected) > 0):
			t.Errorf("%s: want an empty list in %s", tc.name, out)
		case tc.want == nil && !tc.none && l.Rejected != nil:
			t.Errorf("%s: told of without --explain: %s", tc.name, out)
		}
	}
	_, out, _ := scanned(t, "card 4539 5787 6362 1487", "--explain")
	if !strings.Contains(out, "5-24  credit-card rejected: it does not start as the cards of a known brand do,") {
		t.Errorf("for a person:\n%s", out)
	}
}

// An HTML file is read as a message's body is.
func TestScanHTML(t *testing.T) {
	const in = "<p>my card is <b>4539</b> 5787 6362 1486</p>"
	if code, out, _ := scanned(t, in, "--html"); code != 1 || !strings.Contains(out, "17-40  credit-card") {
		t.Errorf("--html: exit %d:\n%s", code, out)
	}
	if code, out, _ := scanned(t, in); code != 0 {
		t.Errorf("as text: exit %d:\n%s", code, out)
	}
	if code, _, errs := scanned(t, in, "--html", "--jsonl"); code != 2 || !strings.Contains(errs, "can't be used together") {
		t.Errorf("--html and --jsonl: exit %d: %s", code, errs)
	}
}

// With rules a person is told of the detectors that these name; the rest is counted.
func TestScanExplainForRules(t *testing.T) {
	dir := rulesDir(t, "rules:\n  - {id: r, mode: shadow, when: {detect: credit-card}, action: block, exceptions: [{id: e, reason: x, when: {detect: in-aadhaar}}]}\n")
	_, out, _ := scanned(t, "card 4539 5787 6362 1487", "--explain", "--rules", dir)
	for _, want := range []string{"credit-card rejected: ", "in-aadhaar rejected: ", " of detectors that no rule names came to nothing"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
	if strings.Contains(out, "phone-national") {
		t.Errorf("a detector that no rule names is explained:\n%s", out)
	}
}

// A region that no detector knows is told of: uk for gb would lower what was meant.
func TestScanRegions(t *testing.T) {
	for _, tc := range []struct {
		regions string
		want    []string
	}{
		{"us,DE,gb", nil},
		{"all", nil},
		{"uk", []string{`no detector is of the region "uk"; they are of ae, ar, at, au,`}},
		{"us,uk,zz", []string{`region "uk"`, `region "zz"`}},
	} {
		code, _, errs := scanned(t, "good morning", "--regions", tc.regions)
		if code != 0 || strings.Count(errs, "\n") != len(tc.want) {
			t.Errorf("%s: exit %d: %s", tc.regions, code, errs)
		}
		for _, want := range tc.want {
			if !strings.Contains(errs, want) {
				t.Errorf("%s: %q does not say %q", tc.regions, errs, want)
			}
		}
	}
	if code, _, errs := scanned(t, "x", "--region-hint", "UK"); code != 0 || !strings.Contains(errs, "--region-hint UK: the code of the United Kingdom is GB") {
		t.Errorf("exit %d: %s", code, errs)
	}
	if code, _, errs := scanned(t, "x", "--regions", "europe"); code != 2 || !strings.Contains(errs, `"europe": want a country code`) {
		t.Errorf("exit %d: %s", code, errs)
	}
}

// A bad line is told of by number, without its text, and the others are scanned.
func TestScanBadLines(t *testing.T) {
	in := strings.Join([]string{
		`{"id":"1","text":"ssn 536-22-1234"}`,
		`{"id":"2","text":"ssn 536-22-1234"`,
		`{"text":"ssn 536-22-1234"}`,
		`{"id":"4","text":"a","html":"536-22-1234"}`,
		`{"id":"5"}`,
		`["536-22-1234"]`,
		``,
		`{"id":"8","text":536221234}`,
		`{"id":"9","text":"clean"}`,
	}, "\n")
	code, out, errs := scanned(t, in, "--jsonl")
	if code != 2 {
		t.Errorf("exit %d, want 2", code)
	}
	var ids []string
	for _, line := range strings.Split(strings.TrimSpace(out), "\n") {
		var l struct{ ID string }
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		ids = append(ids, l.ID)
	}
	if diff := cmp.Diff([]string{"1", "9"}, ids); diff != "" {
		t.Errorf("scanned lines (-want +got):\n%s", diff)
	}
	for _, want := range []string{"-:2: not an object", "-:3: \"id\" is missing", "-:4: want one of", "-:5: want one of", "-:6: not an object", "-:8: not an object", "6 of the inputs"} {
		if !strings.Contains(errs, want) {
			t.Errorf("stderr lacks %q:\n%s", want, errs)
		}
	}
	if strings.Contains(errs+out, "536") {
		t.Errorf("the text is repeated:\n%s%s", errs, out)
	}
}

func TestScanFiles(t *testing.T) {
	dir := t.TempDir()
	clean, leak := filepath.Join(dir, "clean.txt"), filepath.Join(dir, "leak.txt")
	for name, text := range map[string]string{clean: "hello", leak: "write to jane@contoso.com"} {
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	code, out, _ := scanned(t, "", clean, leak)
	if want := clean + ": nothing found\n" + leak + ": 1 match\n  9-25  email  high 85  j•••@contoso.com\n"; code != 1 || !strings.HasPrefix(out, want) {
		t.Errorf("exit %d, printed %q, want %q", code, out, want)
	}
	code, out, errs := scanned(t, "", filepath.Join(dir, "none"), leak)
	if code != 2 || !strings.Contains(out, "1 match") || !strings.Contains(errs, "none") {
		t.Errorf("with a missing file: exit %d, %q, %q", code, out, errs)
	}
	for _, args := range [][]string{{"--min-level", "50"}, {"--regions", "usa"}, {"--rules", filepath.Join(dir, "none")}, {"--nonsense"}} {
		if code, _, _ := scanned(t, "x", args...); code != 2 {
			t.Errorf("%v: exit %d, want 2", args, code)
		}
	}
}

// The name of a file is printed as it is, but for what would move the cursor.
func TestScanNames(t *testing.T) {
	dir := t.TempDir()
	for name, want := range map[string]string{"a&b <c>.txt": "a&b <c>.txt", "é\"\x1b[2J": "é\"?[2J"} {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, out, _ := scanned(t, "", file); out != filepath.Join(dir, want)+": nothing found\n" {
			t.Errorf("%q: %q", name, out)
		}
	}
}

func TestScanRules(t *testing.T) {
	dir := rulesDir(t, `detectors:
  - id: employee-number
    name: Employee number
    patterns: ['CE-\d{6}']
    validate: luhn
    context: {words: [employee, staff, personnel no], within: 60}
    confidence: {alone: low, with_context: high}
rules:
  - id: staff
    title: Employee numbers
    mode: enforce
    when: {detect: employee-number, confidence: high}
    action: block
    tip: {text: An employee number.}
    tests: {match: [staff CE-123455], no_match: [CE-123455]}
`)
	code, out, errs := scanned(t, "staff CE-123455", "--rules", dir, "--json")
	var got struct {
		Matches []struct{ Detector string }
		Verdict string
		Rules   []struct{ ID, Result string }
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil {
		t.Fatalf("%q: %v", out, err)
	}
	if code != 1 || errs != "" || got.Verdict != "block" || len(got.Matches) != 1 || got.Matches[0].Detector != "employee-number" || got.Rules[0].Result != "matched" {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	shadow := rulesDir(t, "rules:\n  - {id: birds, mode: shadow, when: {keyword: [heron]}, action: block}\n")
	for text, want := range map[string]struct {
		code int
		says string
	}{"a heron": {1, "-: found by a rule\n  rule birds (shadow): matched: "}, "a hen": {0, "-: nothing found\n  rule birds (shadow): no_match: "}} {
		if code, out, _ := scanned(t, text, "--rules", shadow); code != want.code || !strings.HasPrefix(out, want.says) || !strings.HasSuffix(out, "verdict: none\n") {
			t.Errorf("%s: exit %d, want %d and %q:\n%s", text, code, want.code, want.says, out)
		}
	}
	if code, out, _ := scanned(t, "CE-123456 staff", "--rules", dir); code != 0 || !strings.Contains(out, "rule staff: ") || !strings.Contains(out, "verdict: none") {
		t.Errorf("exit %d, %s", code, out)
	}
}
