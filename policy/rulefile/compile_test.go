package rulefile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp/syntax"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"teamsdlp/policy"
	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
	"teamsdlp/test/trial"
)

var today = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// compile compiles one file named r.yaml.
func compile(text string) (*Generation, error) {
	return Compile("", []Source{{"r.yaml", []byte(text)}}, Options{Now: today})
}

// faultsOf returns the faults of one file, one string each.
func faultsOf(t *testing.T, text string) []string {
	t.Helper()
	_, err := compile(text)
	return faultLines(t, err)
}

func faultLines(t *testing.T, err error) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	faults, ok := AsFaults(err)
	if !ok {
		t.Fatalf("the error is no list of faults: %v", err)
	}
	var lines []string
	for _, f := range faults {
		lines = append(lines, f.Error())
	}
	return lines
}

func TestExampleOfTheFormat(t *testing.T) {
	set, findings, err := Load("testdata/example", Options{Now: today})
	if err != nil {
		t.Fatal(err)
	}
	var codes []string // the example shows forms that its one rule does not use
	for _, f := range findings {
		codes = append(codes, fmt.Sprintf("%d:%d %s", f.Line, f.Col, f.Code))
	}
	if diff := cmp.Diff([]string{"3:9 unused-detector", "12:10 unused-list"}, codes); diff != "" {
		t.Errorf("findings (-want +got):\n%s", diff)
	}
	want := policy.Rule{ID: "card-number", Title: "Payment card number", Owner: "payments-security@contoso.com",
		Severity: policy.High, Mode: policy.Enforce, Action: policy.Block, Override: policy.WithJustification, Report: policy.ReviewReport,
		Tip:  policy.Tip{Text: "This message looks like it holds a payment card number.", URL: "https://intranet.contoso.com/dlp"},
		File: "testdata/example/payments.yaml", Line: 18}
	got := set.Rules[0]
	about := policy.Rule{ID: got.ID, Title: got.Title, Owner: got.Owner, Severity: got.Severity, Mode: got.Mode, Action: got.Action,
		Override: got.Override, Report: got.Report, Tip: got.Tip, File: got.File, Line: got.Line}
	if diff := cmp.Diff(fmt.Sprintf("%+v", want), fmt.Sprintf("%+v", about)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if when := Describe(got.When()); when != `all[detect credit-card at high or higher, distinct at least 1, not(keyword "test card")]` {
		t.Errorf("when: %s", when)
	}
	ends := got.Exceptions()[0].Expires
	if ends != time.Date(2027, 4, 1, 0, 0, 0, 0, time.UTC) {
		t.Errorf("the exception ends %s, want the end of its day", ends)
	}
}

// TestExampleJudges: the example's rule does what it says, from YAML to verdict.
func TestExampleJudges(t *testing.T) {
	set, _, err := Load("testdata/example", Options{Now: today})
	if err != nil {
		t.Fatal(err)
	}
	const pci = "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11"
	ask := func(text string, c *policy.Context) policy.Verdict {
		m := &policy.Message{Text: extract.Plain(text), Sender: policy.Sender{ID: "ana", Kind: "aadUser"}}
		return set.Judge(m, c, today)
	}
	outside := &policy.Context{Groups: map[string]bool{pci: false}, Person: &policy.Person{Domain: "contoso.com"}}
	tests := []struct {
		text string
		c    *policy.Context
		want policy.Result
	}{
		{"my card is 4111 1111 1111 1111", outside, policy.Matched},
		{"hello", nil, policy.NoMatch},
		{"my test card is 4111 1111 1111 1111", outside, policy.NearMiss},
		{"my card is 4111 1111 1111 1111", &policy.Context{Groups: map[string]bool{pci: true}}, policy.OutOfScope},
		{"my card is 4111 1111 1111 1111", &policy.Context{Groups: map[string]bool{pci: false}, Person: &policy.Person{Domain: "qa.contoso.com"}}, policy.Excepted},
		{"my card is 4111 1111 1111 1111", &policy.Context{Final: true}, policy.Matched},
	}
	for _, tt := range tests {
		if v := ask(tt.text, tt.c); v.Rules[0].Result != tt.want {
			t.Errorf("%q with %+v: %s (%s), want %s", tt.text, tt.c, v.Rules[0].Result, v.Rules[0].Reason, tt.want)
		}
	}
	v := ask("my card is 4111 1111 1111 1111", nil)
	if want := (policy.Need{Person: true, Groups: []string{pci}}); !cmp.Equal(v.Need, want) {
		t.Errorf("need %+v, want %+v", v.Need, want)
	}
	if v := ask("hello", nil); v.Need.Any() {
		t.Errorf("a clean message needs %+v", v.Need)
	}
}

func TestFullLoads(t *testing.T) {
	g, err := Open("testdata/full", Options{Now: today})
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Set.Rules) != 1 || len(g.RunTests()) != 6 {
		t.Errorf("%d rules, %d tests", len(g.Set.Rules), len(g.RunTests()))
	}
}

// eachKey calls f for every mapping key in a file.
func eachKey(t *testing.T, data []byte, f func(key *yaml.Node)) {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var walk func(n *yaml.Node)
	walk = func(n *yaml.Node) {
		for i, c := range n.Content {
			if n.Kind == yaml.MappingNode && i%2 == 0 {
				f(c)
			}
			walk(c)
		}
	}
	walk(&doc)
}

// TestTypoAtEveryDepth misspells each key of the full file in turn: none passes in
// silence, and the fault is at the key.
func TestTypoAtEveryDepth(t *testing.T) {
	data, err := os.ReadFile("testdata/full/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	files, err := ReadDir("testdata/full")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	eachKey(t, data, func(key *yaml.Node) {
		n++
		lines := strings.Split(string(data), "\n")
		line := lines[key.Line-1]
		lines[key.Line-1] = line[:key.Column-1] + "q" + line[key.Column-1:]
		misspelt := slices.Clone(files)
		misspelt[0].Data = []byte(strings.Join(lines, "\n"))
		_, err := Compile("", misspelt, Options{Now: today})
		at := fmt.Sprintf("full.yaml:%d:%d: ", key.Line, key.Column)
		if !slices.ContainsFunc(faultLines(t, err), func(s string) bool { return strings.HasPrefix(s, at) && strings.Contains(s, "q"+key.Value) }) {
			t.Errorf("misspelt %q at %s: %v", key.Value, at, err)
		}
	})
	if n < 90 {
		t.Errorf("only %d keys were tried", n)
	}
}

// The start of a rule to which a table adds one line.
const (
	ruleHead = "rules:\n  - id: r\n    mode: shadow\n    action: block\n"
	ruleWhen = ruleHead + "    when: {keyword: [x]}\n"
)

func TestFaults(t *testing.T) {
	rule := func(line string) string { return ruleWhen + "    " + line + "\n" }
	when := func(c string) string { return ruleHead + "    when: " + c + "\n" }
	list := func(v string) string { return "lists:\n  - {id: l, words: " + v + "}\n" }
	det := func(line string) string { return "detectors:\n  - id: d\n    " + line + "\n" }
	in := func(pos, msg string) []string { return []string{"r.yaml:" + pos + ": rule \"r\": " + msg} }
	at := func(pos, msg string) []string { return []string{"r.yaml:" + pos + ": " + msg} }
	const ruleKeys = "; it has id, title, owner, severity, mode, scope, when, action, tip, override, report_false_positive, exceptions, tests"
	tests := []struct {
		name, text string
		want       []string
	}{
		// The file.
		{"not a mapping", "- a\n", at("1:1", "a rule file must be a mapping (key: value), not a list")},
		{"text", "hello\n", at("1:1", "a rule file must be a mapping (key: value), not text")},
		{"unknown section", "rulez: []\n", at("1:1", `unknown key "rulez" in a rule file (did you mean "rules"?)`)},
		{"unlike anything", "zebra: []\n", at("1:1", `unknown key "zebra" in a rule file; it has detectors, lists, groups, rules`)},
		{"broken YAML", "rules: [\n", at("1:1", "a value is missing here, or a bracket above is not closed")},
		{"tab", "rules:\n\t- id: r\n", at("2:1", "a tab: YAML is indented with spaces")},
		{"escape", "detectors:\n  - {id: d, patterns: [\"CE-\\d{6}\"]}\n", at("2:28", "a backslash in double quotes begins an escape: put the text, as a regular expression, in single quotes")},
		{"colon in a text", "rules:\n  - id: r\n    title: a: b\n", at("3:1", "a colon and a blank where no key can be: put a text that holds them in quotes, and look above for a quote that is not closed, a key without a colon, or a dash without a blank")},
		{"no blank after a colon", "rules:\n  - id:\u00a0r\n    mode: shadow\n", at("2:8", "a character that looks like a blank, or like nothing, and is neither (U+00A0): write a blank in its place")},
		{"no blank before a dash", "rules:\n\u00a0\u00a0- id: r\n    mode: shadow\n", at("2:1", "a character that looks like a blank, or like nothing, and is neither (U+00A0): write a blank in its place")},
		{"no blank in a text", "rules:\n  - id: r\n    title: a\u00a0b: c\n", at("3:1", "a colon and a blank where no key can be: put a text that holds them in quotes, and look above for a quote that is not closed, a key without a colon, or a dash without a blank")},
		{"open quote", "rules:\n  - id: \"r\n", at("2:1", "the file ends within quotes: one above is not closed")},
		{"no comma", "lists:\n  - {id: l words: [a]}\n", at("2:1", "within brackets a comma or the closing bracket is missing: put a text that holds a comma, a colon or a bracket in quotes")},
		{"indent", "rules:\n  - id: r\n   mode: off\n", at("3:1", "this line, or one just above it, does not fit the lines before: indent what belongs together alike, and put a text that goes on after a quote in quotes as a whole")},
		{"text after a quote", "rules:\n  - id: r\n    title: \"a\" b\n", at("3:1", "this line, or one just above it, does not fit the lines before: indent what belongs together alike, and put a text that goes on after a quote in quotes as a whole")},
		{"no colon", "rules:\n  - id: r\n    mode\n    action: block\n", at("3:1", "a key without a colon, or a text that goes on in the next line without quotes")},
		{"at sign", "rules:\n  - id: @r\n", at("2:1", "a text that begins with %, @ or ` must be in quotes")},
		{"NUL", "rules: []\n\x00", at("2:1", "a NUL byte: the file is not UTF-8 text")},
		{"not UTF-8", "# ok\nrules: \"\xff\"\n", at("2:9", "a byte that is not UTF-8: save the file as UTF-8")},
		{"UTF-16", "\xff\xfer\x00u\x00", at("1:4", "a NUL byte: the file is not UTF-8 text")},
		{"two documents", "rules: []\n---\nrules: []\n", at("2:1", "a second document: put it into a file of its own")},
		{"broken YAML after a long list", "lists:\n  - id: l\n    words: [\n" + strings.Repeat("      w,\n", 60) + "    ]\nrules:\n  - id: r\n    when: {any: ]}\n    mode: off\n",
			at("67:1", "a value is missing here, or a bracket above is not closed")},
		{"broken second document", "rules: []\n---\nrules: [\n", at("3:1", "a value is missing here, or a bracket above is not closed")},
		{"key twice", "rules: []\nrules: []\n", at("2:1", `key "rules" is already there at line 1`)},
		{"key that is a list", "? [a]\n: 1\n", at("1:3", "a key must be a word, not a list")},
		{"anchor", "lists: &a []\n", at("1:8", "an anchor (&a): write the value out where it is needed")},
		{"alias bomb", "lists: &a [x]\ngroups: [*a, *a]\n", []string{
			"r.yaml:1:8: an anchor (&a): write the value out where it is needed",
			"r.yaml:2:10: an alias (*a): write the value out", "r.yaml:2:14: an alias (*a): write the value out"}},
		{"merge key", "rules:\n  - <<: {id: r}\n", []string{`r.yaml:2:5: unknown key "<<" in a rule` + ruleKeys, `r.yaml:2:5: a rule needs the key "id"`, `r.yaml:2:5: a rule needs the key "mode"`,
			`r.yaml:2:5: a rule needs the key "when"`, `r.yaml:2:5: a rule needs the key "action"`}},
		{"tag", "lists: !!binary aGVsbG8=\n", at("1:8", "a tag (!!binary): write the value without")},

		// Keys and types.
		{"missing keys", "rules:\n  - title: x\n", []string{
			`r.yaml:2:5: a rule needs the key "id"`, `r.yaml:2:5: a rule needs the key "mode"`,
			`r.yaml:2:5: a rule needs the key "when"`, `r.yaml:2:5: a rule needs the key "action"`}},
		{"rules no list", "rules: {id: r}\n", at("1:8", "rules must be a list, not a mapping")},
		{"rule no mapping", "rules: [r]\n", at("1:9", "a rule must be a mapping (key: value), not text")},
		{"bad id", "rules:\n  - {id: 'A b', mode: off, action: block, when: {keyword: x}}\n", []string{`r.yaml:2:10: rule "A b": a rule's id "A b" must be at most 64 of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit`}},
		{"mode that is no word", rule("severity: 3"), in("6:15", `unknown severity "3"; it is one of low, medium, high, critical`)},
		{"truth that is no word", rule("report_false_positive: false"), in("6:28", `unknown report_false_positive "false"; it is one of none, review, release`)},
		{"no word", rule("severity:"), in("6:14", "severity is empty")},
		{"unknown severity", rule("severity: hihg"), in("6:15", `unknown severity "hihg" (did you mean "high"?); it is one of low, medium, high, critical`)},
		{"empty title", rule("title: ''"), in("6:12", "title is empty")},
		{"no title", rule("title:"), in("6:11", "title is empty")},
		{"title of two lines", rule(`title: "a\nb"`), in("6:12", "title must be one line without control characters")},
		{"title with markup", rule("title: a <b>bold</b> one"), in("6:12", "title must be plain text: Teams shows HTML as it stands")},
		{"override", rule("override: with_justification"), in("6:15", `unknown override "with_justification" (did you mean "with-justification"?); it is one of none, without-justification, with-justification`)},
		{"several at once", rule("severity: x\n    owner: 1\n    nope: 2"), []string{
			`r.yaml:6:15: rule "r": unknown severity "x"; it is one of low, medium, high, critical`,
			`r.yaml:7:12: rule "r": owner must be text, not a number: put it in quotes`,
			`r.yaml:8:5: rule "r": unknown key "nope" in a rule` + ruleKeys}},

		// Tips.
		{"long tip", rule("tip: {text: " + strings.Repeat("é", 257) + "}"), in("6:17", "tip.text has 257 characters; at most 256 are allowed")},
		{"tip with entity", rule("tip: {text: 'a &amp; b'}"), in("6:17", "tip.text must be plain text: Teams shows HTML as it stands")},
		{"tip without text", rule("tip: {url: 'https://a.example'}"), in("6:10", `tip needs the key "text"`)},
		{"http", rule("tip: {text: t, url: 'http://a.example'}"), in("6:25", `tip.url "http://a.example" must be an https URL`)},
		{"script", rule("tip: {text: t, url: 'javascript:alert(1)'}"), in("6:25", `tip.url "javascript:alert(1)" must be an https URL`)},
		{"credentials in a URL", rule("tip: {text: t, url: 'https://a:b@c.example'}"), in("6:25", `tip.url "https://a:b@c.example" must be an https URL`)},
		{"notify without tip", strings.Replace(ruleWhen, "block", "notify", 1), in("2:5", "action notify needs a tip: it is all the sender is told")},
		{"notify that tells nobody", strings.Replace(rule("tip: {text: t}\n    report_false_positive: none"), "block", "notify", 1),
			in("7:28", "action notify with report_false_positive none would do nothing: none sends no tip")},

		// Conditions.
		{"no condition", when("{}"), in("5:11", "an empty condition; it is one of all, any, not, detect, keyword, list, regex, audience, conversation, sender")},
		{"condition is text", when("credit-card"), in("5:11", "a condition must be a mapping (detect: credit-card), not text")},
		{"misspelt condition", when("{keywrod: x}"), in("5:12", `unknown condition "keywrod" (did you mean "keyword"?); it is one of all, any, not, detect, keyword, list, regex, audience, conversation, sender`)},
		{"detector of many", when("{detect: passport}"), in("5:20", `unknown detector "passport" (there is "in-passport", "passport-number"); teamsdlp rules show detectors lists them`)},
		{"detector like none", when("{detect: zebra}"), in("5:20", `unknown detector "zebra"; teamsdlp rules show detectors lists them`)},
		{"unknown detector", when("{detect: credit-crad}"), in("5:20", `unknown detector "credit-crad" (did you mean "credit-card"?)`)},
		{"detector that is a list", when("{detect: [credit-card]}"), in("5:20", "detect takes one detector: join several under any, as any: [{detect: a}, {detect: b}]")},
		{"two kinds", when("{detect: credit-card, keyword: x}"), in("5:33", `a condition has one kind, and this one is "detect" already: join it with "keyword" under all or any`)},
		{"option of another kind", when("{keyword: x, count: 2}"), in("5:24", `unknown key "count" in condition keyword`)},
		{"empty all", when("{all: []}"), in("5:17", "all needs at least one condition")},
		{"fault deep inside", when("{all: [{not: {any: [{detect: credit-card, confidence: hgih}]}}]}"), in("5:65", `unknown confidence "hgih" (did you mean "high"?); it is one of low, medium, high (65, 75, 85)`)},
		{"a rule's key too deep", when("\n      keyword: x\n      severity: high"), in("7:7", `unknown key "severity" in condition keyword: it is a key of the rule; indent it as the rule's id is`)},
		{"count 0", when("{detect: credit-card, count: 0}"), in("5:40", "count must be a whole number from 1 to 500")},
		{"count of half", when("{detect: credit-card, count: 1.5}"), in("5:40", "count must be a whole number from 1 to 500")},
		{"count backwards", when("{detect: credit-card, distinct: {min: 3, max: 2}}"), in("5:43", "distinct: min 3 is more than max 2")},
		{"count of nothing", when("{detect: credit-card, count: {}}"), in("5:40", "count needs min or max")},
		{"yes is no boolean", when("{detect: credit-card, ignore_known_test: 'yes'}"), in("5:52", "ignore_known_test must be true or false")},
		{"keyword number", when("{keyword: [1]}"), in("5:22", "keyword must be text, not a number: put it in quotes")},
		{"keyword null", when("{keyword: [null]}"), in("5:22", "keyword is empty")},
		{"keyword of dots", when("{keyword: '...'}"), in("5:21", `keyword "..." has no letter or digit and can never occur as a word`)},
		{"keyword with a star", when("{keyword: 'pass*'}"), in("5:21", `keyword "pass*": a star is not a wildcard here; write the forms out, or use regex`)},
		{"no keywords", when("{keyword: []}"), in("5:21", "keyword is an empty list")},
		{"no list at all", when("{list: k}"), in("5:18", `unknown list "k"; lists are defined under lists, as {id: names, words: [a, b]}`)},
		{"unknown list", list("[x]") + when("{list: k}"), []string{`r.yaml:7:18: rule "r": unknown list "k" (did you mean "l"?)`}},
		{"audience", when("{audience: externl}"), in("5:22", `unknown audience "externl" (did you mean "external"?); it is one of internal, external, guest`)},
		{"sender of nothing", when("{sender: {}}"), in("5:20", "condition sender needs one of user, domain, group, guest, app")},
		{"sender by name", when("{sender: {user: jo}}"), in("5:27", `user "jo" is not an object id (00000000-0000-0000-0000-000000000000)`)},
		{"sender wildcard", when("{sender: {domain: '*.contoso.com'}}"), in("5:29", `domain "*.contoso.com" must be a whole domain name, as contoso.com; a sub-domain is named by itself`)},
		{"unknown group", when("{sender: {group: pci}}"), in("5:28", `unknown group "pci"; groups are defined under groups, by object id`)},
		{"nested too deep", when(strings.Repeat("{not: ", 40) + "{keyword: x}" + strings.Repeat("}", 40)), in("5:203", "conditions are nested more than 32 deep")},

		// Patterns.
		{"look-ahead", when(`{regex: 'a(?=b)'}`), in("5:19", "look-around ((?=) is not supported: patterns are RE2, which takes time linear in the text")},
		{"negative look-behind", when(`{regex: '(?<!a)b'}`), in("5:19", "look-around ((?<!a)b) is not supported: patterns are RE2, which takes time linear in the text")},
		{"back-reference", when(`{regex: '(a)\1'}`), in("5:19", `a back-reference (\1) is not supported: patterns are RE2, which takes time linear in the text`)},
		{"atomic group", when(`{regex: '(?>a)b'}`), in("5:19", "an atomic group is not supported: patterns are RE2, which takes time linear in the text")},
		{"possessive", when(`{regex: 'a++'}`), in("5:19", "a possessive or doubled repeat (++) is not supported: patterns are RE2, which takes time linear in the text")},
		{"unclosed", when(`{regex: '(a'}`), in("5:19", "bad regular expression: missing closing ) at (a")},
		{"empty regex", when(`{regex: ''}`), in("5:19", "a regular expression is empty")},
		{"matches nothing", when(`{regex: 'a*'}`), in("5:19", "a regular expression that matches the empty text matches everywhere")},
		{"matches between", when(`{regex: '\b'}`), in("5:19", "a regular expression that matches the empty text matches everywhere")},
		{"huge repeat", when(`{regex: '((a{500}){500}){500}'}`), in("5:19", "bad regular expression: invalid repeat count at {500}")},
		{"many steps", when(`{regex: '(?:[a-c][d-f][g-i][j-l][m-o][p-r][s-u][v-x][yz]){600}'}`), in("5:19", "a regular expression has 6601 steps with its repetitions written out; at most 5000 are allowed: shorten them")},
		{"long regex", when(`{regex: '` + strings.Repeat("a", 1025) + `'}`), in("5:19", "a regular expression has 1025 bytes; at most 1024 are allowed")},

		// Scope.
		{"unknown kind", rule("scope: {conversations: [chats]}"), in("6:29", `unknown conversation "chats" (did you mean "chat"?); it is one of chat, channel, oneOnOne, group, meeting, standard, private, shared`)},
		{"no kind", rule("scope: {conversations: []}"), in("6:28", "conversations is an empty list")},
		{"unknown scope group", rule("scope: {senders: {in_groups: [a]}}"), in("6:35", `unknown group "a"; groups are defined under groups, by object id`)},

		// Exceptions.
		{"exception without condition", rule("exceptions: [{id: e, reason: x}]"), in("6:18", `an exception needs the key "when"`)},
		{"exception date", rule("exceptions: [{id: e, reason: x, expires: 2027-02-30, when: {keyword: y}}]"), in("6:46", "expires must be a date, as 2027-03-31")},
		{"exception date and time", rule("exceptions: [{id: e, reason: x, expires: 2027-02-03T00:00:00Z, when: {keyword: y}}]"), in("6:46", "expires must be a date, as 2027-03-31")},
		{"exception twice", rule("exceptions: [{id: e, reason: x, when: {keyword: y}}, {id: e, reason: x, when: {keyword: z}}]"), in("6:63", `exception "e" is already defined at r.yaml:6:23`)},

		// Names.
		{"rule twice", ruleWhen + "  - {id: r, mode: off, action: block, when: {keyword: [y]}}\n", in("6:10", `rule "r" is already defined at r.yaml:2:9`)},
		{"list twice", "lists:\n  - {id: l, words: [a]}\n  - {id: l, words: [b]}\n", at("3:10", `list "l" is already defined at r.yaml:2:10`)},
		{"group twice", "groups:\n  - {id: g, object_id: 1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11}\n  - {id: g, object_id: 1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a12}\n", at("3:10", `group "g" is already defined at r.yaml:2:10`)},
		{"group by name", "groups:\n  - {id: g, object_id: Finance}\n", at("2:24", `object_id "Finance" is not an object id (00000000-0000-0000-0000-000000000000)`)},

		// Detectors.
		{"detector without patterns", "detectors:\n  - {id: d}\n", at("2:5", `a detector needs one of the keys patterns, exact, fingerprint`)},
		{"detector with no patterns", det("patterns: []"), at("3:15", "a detector has 1 to 20 patterns, not 0")},
		{"detector twice", "detectors:\n  - {id: d, patterns: [ab]}\n  - {id: d, patterns: [bc]}\n", at("3:10", `detector "d" is already defined at r.yaml:2:10`)},
		{"detector named as a built-in one", "detectors:\n  - {id: credit-card, patterns: [ab]}\n", at("2:10", `detector "credit-card" is a built-in one: choose another id`)},
		{"unknown validator", det("patterns: ['ab']\n    validate: luhm"), at("4:15", `unknown validator "luhm" (did you mean "luhn"?); teamsdlp rules schema lists them all`)},
		{"validator like none", det("patterns: ['ab']\n    validate: zebra"), at("4:15", `unknown validator "zebra"; it is one of `+strings.Join(validators(), ", "))},
		{"look-around in a detector", det("patterns: ['ab', 'a(?!b)']"), at("3:22", "look-around ((?!) is not supported: patterns are RE2, which takes time linear in the text")},
		{"detector that never reports", det("patterns: ['ab']\n    confidence: {alone: none}"), at("4:17", `detector "d": confidence: is missing: the detector could never report anything`)},
		{"confidence like none", det("patterns: ['ab']\n    confidence: {alone: never}"), at("4:25", `unknown confidence "never"; it is one of none, low, medium, high (65, 75, 85)`)},
		{"context word with a star inside", det("patterns: ['ab']\n    context: {words: ['a*b']}"), at("4:23", `keyword "a*b": a star is not a wildcard here; write the forms out, or use regex`)},
		{"window too wide", det("patterns: ['ab']\n    context: {words: [x], within: 100000}"), at("4:35", "within must be a whole number from 1 to 1000")},

		// Tests.
		{"test of nothing", rule("tests: {match: [{sender: {guest: true}}]}"), in("6:21", "a test needs the key text or html")},
		{"test of both", rule("tests: {match: [{text: x, html: x}]}"), in("6:21", "a test has text or html, not both")},
		{"test typo", rule("tests: {match: [{text: x, sendr: {}}]}"), in("6:31", `unknown key "sendr" in a test (did you mean "sender"?)`)},
		{"test that fails", rule("tests: {match: [y]}"), in("6:21", "test must match, but no_match: the rule's keyword did not occur")},
		{"no_match test that fails", rule("tests: {no_match: [x]}"), in("6:24", "test must not match, but matched: the rule's keyword occurred once")},
		{"detector test that fails", det("patterns: ['AB-[0-9]+']\n    tests: {match: [CD-1], no_match: [AB-1]}"), []string{
			`r.yaml:4:21: detector "d": test must match, but found nothing`, `r.yaml:4:39: detector "d": test must not match, but found 1, up to low`}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, faultsOf(t, tt.text)); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s", diff, tt.text)
			}
		})
	}
}

// TestNotSupportedYet: a condition of a later version is refused by name, wherever
// it stands and whatever it says.
func TestNotSupportedYet(t *testing.T) {
	for _, name := range unsupported {
		for _, text := range []string{"{" + name + ": x}", "{any: [{keyword: x}, {not: {" + name + ": {a: b}}}]}"} {
			got := faultsOf(t, ruleHead+"    when: "+text+"\n")
			want := fmt.Sprintf("condition %q is not supported yet by this version", name)
			if len(got) != 1 || !strings.Contains(got[0], want) {
				t.Errorf("%s: %q, want %q", text, got, want)
			}
		}
	}
}

func TestFaultCause(t *testing.T) {
	_, err := compile(ruleHead + "    when: {regex: '(a'}\n")
	var cause *syntax.Error
	if !errors.As(err, &cause) || cause.Code != syntax.ErrMissingParen {
		t.Errorf("the cause of %v is lost", err)
	}
}

// TestAcrossFiles: names defined in one file serve another, whichever comes first,
// and a name is defined once in all of them.
func TestAcrossFiles(t *testing.T) {
	files := []Source{
		{"a.yaml", []byte(ruleHead + "    when: {list: l}\n")},
		{"b.yml", []byte("lists:\n  - {id: l, words: [x]}\n")},
	}
	g, err := Compile("dir", files, Options{Now: today})
	if err != nil {
		t.Fatal(err)
	}
	if got := g.Set.Rules[0].File; got != filepath.Join("dir", "a.yaml") {
		t.Errorf("the rule is in %q", got)
	}
	_, err = Compile("dir", append(files, Source{"c.yaml", []byte("lists:\n  - {id: l, words: [y]}\n" + ruleWhen)}), Options{Now: today})
	want := []string{`dir/c.yaml:2:10: list "l" is already defined at dir/b.yml:2:10`, `dir/c.yaml:4:9: rule "r": rule "r" is already defined at dir/a.yaml:2:9`}
	if diff := cmp.Diff(want, faultLines(t, err)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestAccepted(t *testing.T) {
	tests := []struct{ name, text string }{
		{"nothing", ""},
		{"only a comment", "# to be filled\n"},
		{"an explicit nothing", "---\n...\n"},
		{"byte order mark", "\uFEFF" + ruleWhen},
		{"carriage returns", strings.ReplaceAll(ruleWhen, "\n", "\r\n")},
		{"JSON is YAML", `{"rules": [{"id": "r", "mode": "off", "action": "block", "when": {"keyword": "x"}}]}`},
		{"no keys but the needed", ruleWhen},
		{"words that other YAML reads as booleans", ruleHead + "    when: {keyword: [yes, no, on, off, y]}\n"},
		{"ten alternatives", ruleHead + "    when: {any: [" + strings.TrimSuffix(strings.Repeat("{keyword: x}, ", 10), ", ") + "]}\n"},
		{"a context word with a star", "detectors:\n  - {id: d, patterns: ['ab'], context: {words: [kart*]}}\n"},
		{"purview levels", ruleHead + "    when: {detect: credit-card, confidence: 85}\n"},
		{"a rule that is off may have tests", strings.Replace(ruleWhen, "shadow", "off", 1) + "    tests: {match: [x], no_match: [y]}\n"},
		{"a test in a scope of channels", ruleWhen + "    scope: {conversations: channel}\n    tests: {match: [x], no_match: [{text: x, conversation: chat}]}\n"},
		{"a test sees an expired exception in force", ruleWhen + "    exceptions: [{id: e, reason: x, expires: 2020-01-01, when: {keyword: y}}]\n    tests: {match: [x], no_match: [x y]}\n"},
		{"an unknown group keeps the rule in force", "groups: [{id: g, object_id: 1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11}]\n" + ruleWhen + "    scope: {senders: {in_groups: g}}\n    tests: {match: [x, {text: x, sender: {groups: g}}], no_match: [{text: x, sender: {groups: []}}]}\n"},
		{"test of an audience", ruleHead + "    when: {all: [{keyword: x}, {audience: external}]}\n    tests: {match: [x, {text: x, audience: guest}], no_match: [{text: x, audience: internal}]}\n"},
	}
	for _, tt := range tests {
		if _, err := compile(tt.text); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
}

func TestDefaults(t *testing.T) {
	g, err := compile(ruleHead + "    when: {detect: credit-card}\n")
	if err != nil {
		t.Fatal(err)
	}
	r := g.Set.Rules[0]
	got := []any{r.Title, r.Severity, r.Override, r.Report, r.Tip, r.Scope().Conversations == nil, *r.When().(*policy.Detect)}
	want := []any{"r", policy.Medium, policy.NoOverride, policy.ReviewReport, policy.Tip{}, true, policy.Detect{Detector: "credit-card", Level: detect.Low}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestSkipTests(t *testing.T) {
	text := []byte(ruleWhen + "    tests: {match: [y, x]}\n")
	g, err := Compile("", []Source{{"r.yaml", text}}, Options{SkipTests: true})
	if err != nil {
		t.Fatal(err)
	}
	want := []TestResult{
		{Rule: "r", File: "r.yaml", Line: 6, Col: 21, Want: "match", Reason: "no_match: the rule's keyword did not occur"},
		{Rule: "r", File: "r.yaml", Line: 6, Col: 24, Want: "match", Passed: true, Reason: "matched: the rule's keyword occurred once"},
	}
	if diff := cmp.Diff(want, g.RunTests()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"credit-card", "iban", "us-ssn", "email"}
	tests := []struct{ got, want string }{
		{"credit-crad", "credit-card"}, {"credit_card", "credit-card"}, {"Credit-Card", "credit-card"},
		{"ibn", "iban"}, {"emial", "email"}, {"us-sn", "us-ssn"}, {"passport", ""}, {"", ""}, {"x", ""},
	}
	for _, tt := range tests {
		want := ""
		if tt.want != "" {
			want = fmt.Sprintf(" (did you mean %q?)", tt.want)
		}
		if got := didYouMean(tt.got, known); got != want {
			t.Errorf("%q: %q, want %q", tt.got, got, want)
		}
	}
}

// FuzzCompile: whatever is in a file, compiling ends with a set or with faults that
// point into the file.
func FuzzCompile(f *testing.F) {
	for _, name := range []string{"testdata/example/payments.yaml", "testdata/full/full.yaml"} {
		data, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	for _, s := range []string{"", "rules: [", "a: &a [*a]", "rules: [{id: r, when: {not: {not: {any: []}}}}]", "\xff\xfe", "? {a: b}\n: c", ruleWhen, "rules: [{when: {regex: '(?=a)'}}]", "- - - -", "lists: [{id: l, words: ['\u200b']}]", "rules: [{tests: {match: [{text: x, sender: {groups: []}}]}}]"} {
		f.Add([]byte(s))
	}
	for _, s := range []string{exactRule, formRule, listRule, "lists: [{id: l, file: [x]}]", "detectors: [{id: d, exact: 7}, {id: e, exact: {key: 'file:/', table: .}}]"} {
		f.Add([]byte(s))
	}
	named, err := ReadDir("testdata/full")
	if err != nil {
		f.Fatal(err)
	}
	named = slices.DeleteFunc(named, func(s Source) bool { return isRuleFile(s.Name) })
	trial.Fuzz(f, 3, func(t *testing.T, data []byte) {
		if len(data) > 1<<14 {
			return
		}
		rules := Source{"f.yaml", data}
		for name := range namedBy([]Source{rules}) {
			if !filepath.IsAbs(name) && !strings.HasPrefix(name, "../") && !fs.ValidPath(name) {
				t.Errorf("a rule file names %q", name)
			}
		}
		_, err := Compile("", append(slices.Clone(named), rules), Options{Now: today})
		if err == nil {
			return
		}
		faults, ok := AsFaults(err)
		if !ok || len(faults) == 0 {
			t.Fatalf("no fault in %v", err)
		}
		for _, x := range faults {
			if x.File != "f.yaml" || x.Line < 1 || x.Line > strings.Count(string(data), "\n")+strings.Count(string(data), "\r")+strings.Count(string(data), "\u2028")+strings.Count(string(data), "\u2029")+strings.Count(string(data), "\u0085")+2 || x.Msg == "" {
				t.Errorf("fault %+v points nowhere", x)
			}
		}
	})
}

// What people write is far below the bound.
func TestStepsOfUsualExpressions(t *testing.T) {
	for _, re := range []string{
		`\b[\p{L}\p{M}'-]{2,64}(?: [\p{L}\p{M}'-]{2,64}){1,5}\b`, `x[\s\S]{0,1000}`, `\b[\w.+-]{1,64}@(?:[\w-]{1,63}\.){1,8}[a-z]{2,24}\b`,
		`(?i)\b(?:` + strings.Repeat("word|", 200) + `last)\b`, `(?:\d[ -]?){13,19}`, `(?i)password.{0,300}\S{8,64}`,
	} {
		if _, err := Compile("", []Source{{"r.yaml", []byte(ruleHead + "    when: {regex: '" + strings.ReplaceAll(re, "'", "''") + "'}\n")}}, Options{SkipTests: true}); err != nil {
			t.Error(err)
		}
	}
}

// All regular expressions together are bounded, whatever file they are in: a few
// kilobytes of them must not take the memory of the machine.
func TestAllStepsAreBounded(t *testing.T) {
	var files []Source
	patterns := strings.Repeat(", 'a{1000}b{1000}'", MaxPatterns)[2:] // of 4001 steps each
	for i := range 13 {
		name := fmt.Sprintf("f%02d.yaml", i)
		files = append(files, Source{name, fmt.Appendf(nil, "detectors:\n  - {id: d%d, patterns: [%s]}\n", i, patterns)})
	}
	_, err := Compile("", files, Options{SkipTests: true})
	const want = "f12.yaml:2:188: with this one the regular expressions have 1000250 steps; at most 1000000 are allowed: take some out, or shorten their repetitions"
	if faults, ok := AsFaults(err); !ok || faults[0].Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

// A file that is no rule file at all, as one of a million numbers, has a fault for each of
// them: what is told of it is bounded, and with it what it takes of the memory.
func TestFaultsAreBounded(t *testing.T) {
	const n = 5000
	_, err := Compile("dir", []Source{{"r.yaml", []byte("lists: [" + strings.Repeat("1,", n) + "]\n")}}, Options{})
	faults, ok := AsFaults(err)
	if !ok || len(faults) != maxFaults+1 || faults[0].Error() != "dir: more than these: 5000 faults in all" ||
		faults[maxFaults].Error() != "dir/r.yaml:1:2007: a list must be a mapping (key: value), not a number" {
		t.Errorf("%d faults, %v ... %v", len(faults), faults[0], faults[len(faults)-1])
	}
}
