package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy/extract"
	"teamsdlp/policy/rulefile"
)

const goodRules = `lists:
  - {id: birds, words: [heron, owl]}
rules:
  - id: birds-outside
    title: Birds
    mode: enforce
    when: {all: [{list: birds}, {audience: external}]}
    action: block
    tip: {text: A bird.}
    tests: {match: [a heron], no_match: [a cat, {text: a heron, audience: internal}]}
  - id: owls-in-channels
    mode: enforce
    scope: {conversations: channel}
    when: {keyword: owl}
    action: notify
    tip: {text: An owl.}
    tests: {match: [owl], no_match: [heron]}
  - id: quiet
    mode: shadow
    when: {all: [{keyword: heron}, {keyword: cat}]}
    action: block
    tip: {text: A quiet one.}
`

func rulesDir(t *testing.T, text string) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "r.yaml"), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestRulesCommands(t *testing.T) {
	good := rulesDir(t, goodRules)
	failing := rulesDir(t, strings.Replace(goodRules, "match: [a heron]", "match: [a hen]", 1))
	broken := rulesDir(t, "rulez: []\nlists: 3\n")
	odd := rulesDir(t, strings.Replace(goodRules, "    tip: {text: An owl.}\n    tests: {match: [owl], no_match: [heron]}\n", "    tip: {text: An owl.}\n", 1))
	none := filepath.Join(good, "none")
	tests := []struct {
		args string
		code int
		want []string // in what is printed
	}{
		{"rules test --rules " + good, 0, []string{"5 tests, 5 passed, 0 failed; 3 rules, generation "}},
		{"rules test -v --rules " + good, 0, []string{"ok   " + good + "/r.yaml:10:21: rule birds-outside, match: matched: keyword list birds occurred once"}},
		{"rules test --rules " + failing, 1, []string{"FAIL ", "rule birds-outside, test must match, but no_match: keyword list birds did not occur", "teamsdlp: 1 test failed"}},
		{"rules test --json --rules " + failing, 1, []string{`"failed": 1`, `"passed": false`}},
		{"rules test --rules " + broken, 1, []string{broken + `/r.yaml:1:1: unknown key "rulez" in a rule file (did you mean "rules"?)`, "r.yaml:2:8: lists must be a list, not a number", "2 faults"}},
		{"rules test --json --rules " + broken, 1, []string{`"faults": [`, `"line": 2`}},
		{"rules test --rules " + none, 2, []string{"reading rules in " + none + ": no such file or directory"}},
		{"rules test --config " + none, 2, []string{"teamsdlp: "}},
		{"rules test --config x --rules y", 2, []string{"can't be used together"}},
		{"rules lint --rules " + good, 0, []string{"3 rules, nothing to remark; generation "}},
		{"rules lint --json --rules " + good, 0, []string{`"findings": []`}},
		{"rules lint --rules " + odd, 1, []string{"[enforce-without-tests]", "1 finding"}},
		{"rules lint --json --rules " + odd, 1, []string{`"code": "enforce-without-tests"`}},
		{"rules lint --rules " + broken, 1, []string{"r.yaml:1:1: "}},
		{"rules lint --rules " + none, 2, []string{"no such file or directory"}},
		{"rules show --rules " + good, 0, []string{"birds-outside", "enforce", "3 rules; generation "}},
		{"rules show --rules " + broken, 1, []string{"r.yaml:1:1: "}},
		{"rules show --json --rules " + broken, 1, []string{`"faults": [`}},
		{"rules show detectors --rules " + broken, 1, []string{"credit-card", "2 faults: the rules cannot be loaded, so only the built-in detectors are shown"}},
		{"rules show credit-card --rules " + broken, 1, []string{"detector        credit-card", "2 faults"}},
		{"rules show credit-crad --rules " + broken, 1, []string{"r.yaml:1:1: ", "2 faults"}},
		{"rules show birds-outside --rules " + good, 0, []string{"when                   all[list birds, audience external]"}},
		{"rules show birds-outside --json --rules " + good, 0, []string{`"when": "all[list birds, audience external]"`}},
		{"rules show nobody --rules " + good, 2, []string{`no rule or detector "nobody"`}},
		{"rules show detectors", 0, []string{"credit-card", "financial"}},
		{"rules show credit-card --json", 0, []string{`"id": "credit-card"`}},
		{"rules show --rules " + none, 2, []string{"no such file or directory"}},
		{"rules show detectors --rules " + none, 2, []string{"no such file or directory"}},
		{"rules lint", 2, []string{"reading rules in rules: no such file or directory (name the rule directory with --rules DIR"}},
		{"rules schema", 0, []string{`"$schema": "https://json-schema.org/draft/2020-12/schema"`}},
		{"rules test --help", 0, []string{"\n    teamsdlp rules test"}},
	}
	for _, tt := range tests {
		var out bytes.Buffer
		e := &env{ctx: t.Context(), getenv: func(string) string { return "" }, stdin: strings.NewReader(""), stdout: &out, stderr: &out}
		if code := run(e, strings.Fields(tt.args)); code != tt.code {
			t.Errorf("%s: exit code %d, want %d\n%s", tt.args, code, tt.code, &out)
		}
		for _, want := range tt.want {
			if !strings.Contains(out.String(), want) {
				t.Errorf("%s: no %q in\n%s", tt.args, want, &out)
			}
		}
		if strings.Contains(tt.args, "--json") && tt.code == 0 && !json.Valid(out.Bytes()) {
			t.Errorf("%s: not JSON:\n%s", tt.args, &out)
		}
	}
}

// What a rule's author wrote does not move the cursor of whoever looks at it.
func TestRulesArePrintedPlain(t *testing.T) {
	title := "\"A\\u009b31m\\u202eB\""
	good := strings.Replace(goodRules, "title: Birds", "title: "+title, 1)
	for _, dir := range []string{
		rulesDir(t, strings.Replace(good, "{keyword: owl}", `{regex: "\e(31m"}`, 1)),
		rulesDir(t, strings.Replace(good, "match: [owl]", `match: ["\e[31m owls"]`, 1)),
		rulesDir(t, "detectors:\n  - {id: d, name: "+title+`, patterns: ["x\e[2Jy"], tests: {match: ["x\e[2Jy", "1 x\e[2Jy\n2"]}}`+"\n"+good),
	} {
		for _, args := range []string{"rules lint", "rules test -v", "rules show", "rules show birds-outside", "rules show detectors", "rules show d", "scan"} {
			var out bytes.Buffer
			run(&env{t.Context(), func(string) string { return "" }, strings.NewReader("an owl"), &out, &out}, append(strings.Fields(args), "--rules", dir))
			if strings.ContainsAny(out.String(), "\x1b\u009b\u202e") {
				t.Errorf("%s: %q", args, &out)
			}
		}
	}
}

func TestJudgeText(t *testing.T) {
	set, _, err := rulefile.Load(rulesDir(t, goodRules), rulefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tests := []struct {
		text, verdict string
		results       []string
	}{
		{"a cat", "none", []string{"no_match", "no_match", "near_miss"}},
		{"a heron", "block", []string{"matched", "no_match", "near_miss"}},
		{"an owl", "block", []string{"matched", "matched", "no_match"}},
		{"a heron and a cat", "block", []string{"matched", "no_match", "matched"}},
	}
	for _, tt := range tests {
		v := judgeText(set, extract.Plain(tt.text), time.Now())
		var results []string
		for _, r := range v.Rules {
			results = append(results, r.Result)
		}
		if diff := cmp.Diff(tt.results, results); diff != "" || v.Verdict != tt.verdict {
			t.Errorf("%q: verdict %s, want %s; results (-want +got):\n%s", tt.text, v.Verdict, tt.verdict, diff)
		}
		var out bytes.Buffer
		if err := v.print(&out); err != nil || !strings.HasSuffix(out.String(), "verdict: "+tt.verdict+"\n") {
			t.Errorf("%q prints %q, %v", tt.text, &out, err)
		}
	}
}
