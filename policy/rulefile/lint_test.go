package rulefile

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy/detect"
)

// quiet is a rule without findings; tables change it.
const quiet = `groups:
  - {id: pci, object_id: 1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11}
lists:
  - {id: birds, words: [heron, owl]}
rules:
  - id: r
    mode: enforce
    scope: {SCOPE}
    when: {all: [{any: [{list: birds}, {sender: {group: pci}}, {audience: guest}]}, {detect: credit-card}]}
    action: block
    tip: {text: A tip.}
    exceptions: []
    tests: {match: ["my card is 4111 1111 1111 1111 heron"], no_match: [nothing]}
`

func TestLint(t *testing.T) {
	when := func(c string) func(string) string {
		return func(s string) string {
			lines := strings.Split(s, "\n")
			lines[8] = "    when: {all: [" + c + ", {any: [{detect: credit-card}, {list: birds}, {sender: {group: pci}}, {keyword: x}]}]}"
			return strings.Join(lines, "\n")
		}
	}
	only := func(c string) func(string) string {
		return func(s string) string {
			s = when("{keyword: x}")(s)
			lines := strings.Split(s, "\n")
			lines[8] = "    when: " + c
			return strings.Join(lines, "\n")
		}
	}
	set := func(before, after string) func(string) string {
		return func(s string) string {
			if !strings.Contains(s, before) {
				panic(before)
			}
			return strings.Replace(s, before, after, 1)
		}
	}
	scope := func(s string) func(string) string { return set("{SCOPE}", "{"+s+"}") }
	both := func(a, b func(string) string) func(string) string { return func(s string) string { return b(a(s)) } }
	exc := func(s string) func(string) string { return set("exceptions: []", "exceptions: [{"+s+"}]") }
	const never = "6:9 never-fires r"
	tests := []struct {
		name   string
		change func(string) string
		want   []string
	}{
		{"quiet", func(s string) string { return s }, nil},

		// Rules that can never fire.
		{"inside and outside", when("{audience: internal}, {audience: external}"), []string{never}},
		{"a guest inside", when("{audience: internal}, {audience: guest}"), []string{never}},
		{"a guest speaks inside", when("{audience: internal}, {sender: {guest: true}}"), []string{never}},
		{"a bot in a group", when("{sender: {app: true, group: pci}}"), []string{never}},
		{"a bot with a domain", when("{sender: {app: true, domain: a.com}}"), []string{never}},
		{"a guest bot", when("{sender: {app: true, guest: true}}"), []string{never}},
		{"two users", when("{sender: {user: aaaaaaaa-0000-0000-0000-000000000001}}, {sender: {user: aaaaaaaa-0000-0000-0000-000000000002}}"), []string{never}},
		{"one and not it", when("{keyword: x}, {not: {keyword: x}}"), []string{never}},
		{"less without more", when("{keyword: heron}, {not: {list: birds}}"), []string{never}},
		{"high without low", when("{detect: credit-card, confidence: high}, {not: {detect: credit-card}}"), []string{never}},
		{"five but not two", when("{detect: credit-card, count: 5}, {not: {detect: credit-card, count: 2}}"), []string{never}},
		{"few and many", when("{detect: credit-card, count: {max: 2}}, {detect: credit-card, count: 5}"), []string{never}},
		{"scope against condition", both(scope("conversations: [meeting]"), when("{conversation: channel}")), []string{never}},
		{"scope group against condition", both(scope("senders: {not_in_groups: pci}"), when("{sender: {group: pci}}")), []string{never}},
		{"scope against itself", scope("senders: {in_groups: pci, not_in_groups: pci}"), []string{never}},
		{"an exception for all", exc("id: e, reason: x, owner: o, expires: 2027-11-24, when: {any: [{audience: internal}, {audience: external}]}"), []string{never}},

		// And rules that can.
		{"low without high", when("{detect: credit-card}, {not: {detect: credit-card, confidence: high}}"), nil},
		{"more without less", when("{list: birds}, {not: {keyword: heron}}"), nil},
		{"two but not five", when("{detect: credit-card, count: 2}, {not: {detect: credit-card, count: 5}}"), nil},
		{"all cards but test ones", when("{detect: credit-card}, {not: {detect: credit-card, ignore_known_test: true}}"), nil},
		{"an exception for all, expired", exc("id: e, reason: x, owner: o, expires: 2020-11-24, when: {any: [{audience: internal}, {audience: external}]}"), []string{"12:23 expired-exception r"}},

		// Rules that match too much.
		{"nothing of the text", only("{all: [{sender: {group: pci}}, {any: [{audience: external}, {list: birds}]}]}"), []string{"6:9 matches-clean-text r"}},
		{"only what is not there", only("{any: [{not: {list: birds}}, {sender: {group: pci}}]}"), []string{"6:9 matches-clean-text r"}},
		{"a slow pattern", when(`{regex: '[a-z]\d+'}`), []string{"6:9 slow-regex r"}},
		{"digits without end", when(`{regex: 'x\d{2}.*'}`), []string{"6:9 slow-regex r"}},
		{"a slow pattern of a detector", set("rules:", "detectors:\n  - {id: d, patterns: ['CE-\\d+', '[A-Z]+']}\nrules:"), []string{"6:10 unused-detector ", "6:34 slow-regex "}},
		{"digits in a row", when(`{regex: '\b7\d{5}\b'}`), nil},
		{"a fast one", when(`{regex: 'CE-\d+'}`), nil},

		// Tests.
		{"no tests", set(`match: ["my card is 4111 1111 1111 1111 heron"], no_match: [nothing]`, ""), []string{"6:9 enforce-without-tests r"}},
		{"no match tests", set(`match: ["my card is 4111 1111 1111 1111 heron"], `, ""), []string{"6:9 enforce-without-match-test r"}},
		{"no no_match tests", set(`, no_match: [nothing]`, ""), []string{"6:9 enforce-without-no-match-test r"}},
		{"shadow needs none", both(set("enforce", "shadow"), set(`match: ["my card is 4111 1111 1111 1111 heron"], no_match: [nothing]`, "")), nil},

		// What the sender is told.
		{"no tip", set("    tip: {text: A tip.}\n", ""), []string{"6:9 block-without-tip r"}},
		{"tip that is not sent", set("exceptions:", "report_false_positive: none\n    exceptions:"), []string{"6:9 tip-not-sent r"}},
		{"override without tip", set("tip: {text: A tip.}", "override: with-justification"), []string{"6:9 block-without-tip r", "6:9 override-without-tip r"}},
		{"override of notify", set("action: block", "action: notify\n    override: with-justification"), []string{"6:9 override-of-notify r"}},
		{"block-external inside", both(set("action: block", "action: block-external"), when("{keyword: x}, {audience: internal}")), []string{"6:9 block-external-inside r"}},

		// Exceptions.
		{"expired yesterday", exc("id: e, reason: x, owner: o, expires: 2026-11-23, when: {keyword: y}"), []string{"12:23 expired-exception r"}},
		{"expires today", exc("id: e, reason: x, owner: o, expires: 2026-11-24, when: {keyword: y}"), []string{"12:23 expiring-exception r"}},
		{"expires next year", exc("id: e, reason: x, owner: o, expires: 2027-11-24, when: {keyword: y}"), nil},
		{"never expires", exc("id: e, reason: x, owner: o, when: {keyword: y}"), []string{"12:23 exception-without-end r"}},
		{"nobody's", exc("id: e, reason: x, expires: 2027-11-24, when: {keyword: y}"), []string{"12:23 exception-without-owner r"}},

		// Names.
		{"unused names", set("rules:", "  - {id: l2, words: [x]}\ndetectors:\n  - {id: d, patterns: [ab]}\nrules:"), []string{"5:10 unused-list ", "7:10 unused-detector "}},
		{"unused group", only("{all: [{detect: credit-card}, {list: birds}]}"), []string{"2:10 unused-group "}},
		{"names used by an exception alone", both(only("{all: [{detect: credit-card}, {list: birds}]}"),
			exc("id: e, reason: x, owner: o, expires: 2027-11-24, when: {sender: {group: pci}}")), nil},
		{"the same again", set("  - id: r\n", "  - id: q\n    mode: enforce\n    when: {keyword: x}\n    action: block\n    tip: {text: t}\n    tests: {match: [x], no_match: [y]}\n  - id: s\n    mode: enforce\n    when: {keyword: x}\n    action: notify\n    tip: {text: t}\n    tests: {match: [x], no_match: [y]}\n  - id: r\n"),
			[]string{"12:9 duplicate-rule s"}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			text := strings.Replace(tt.change(quiet), "{SCOPE}", "{}", 1)
			g, err := Compile("", []Source{{"r.yaml", []byte(text)}}, Options{Now: today, SkipTests: true, cost: func(*detect.Pattern) time.Duration { return time.Microsecond }})
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			var got []string
			for _, f := range g.Findings {
				at := strings.TrimPrefix(position(f.File, f.Line, f.Col), "r.yaml:")
				got = append(got, strings.TrimSuffix(at, ": ")+" "+f.Code+" "+f.Rule)
				if !strings.Contains(f.Msg, ": ") || f.String() == "" {
					t.Errorf("%s has no mend: %s", f.Code, f.Msg)
				}
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s\n%s\n%v", diff, text, g.Findings)
			}
		})
	}
}

func TestLintEmpty(t *testing.T) {
	g, err := Compile("rules", nil, Options{Now: today})
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Set.Rules) != 0 || len(g.Findings) != 1 || !strings.HasPrefix(g.Findings[0].String(), "rules: no rules: ") {
		t.Errorf("%d rules, findings %v", len(g.Set.Rules), g.Findings)
	}
}

// TestLintGivesUp: a rule with too many questions is left alone rather than take
// the start of the service down.
func TestLintGivesUp(t *testing.T) {
	var parts []string
	for i := range 40 {
		parts = append(parts, "{keyword: k"+strings.Repeat("x", i)+"}")
	}
	g, err := compile(ruleHead + "    when: {all: [{keyword: k}, {not: {keyword: k}}, " + strings.Join(parts, ", ") + "]}\n    tip: {text: t}\n")
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Findings) != 0 {
		t.Errorf("findings: %v", g.Findings)
	}
}

// TestLintCost: a pattern is said to be dear by what it was measured to cost.
func TestLintCost(t *testing.T) {
	for _, tc := range []struct {
		pattern string
		cost    time.Duration
		want    string
	}{
		{`CE-\d{6}`, 20 * time.Microsecond, ""},
		{`CE-\d{6}`, 21 * time.Microsecond, "the expression costs 21µs a KB of chat, more than 20µs: give it longer fixed text, and bound its repetitions"},
		{`[a-z]+`, 1234567, "the expression is run over every message, at 1.2346ms a KB: give it fixed text of two letters or more, or digits in a match of bounded length"},
	} {
		l := &linter{cost: func(*detect.Pattern) time.Duration { return tc.cost }}
		l.slow(place{file: "f", line: 2, col: 3}, regexp.MustCompile(tc.pattern))
		got := ""
		for _, f := range l.list {
			got += f.Msg
		}
		if got != tc.want {
			t.Errorf("%s at %v: %q, want %q", tc.pattern, tc.cost, got, tc.want)
		}
	}
	if costNow(detect.NewPattern(regexp.MustCompile(`[a-z]+\d`))) <= 0 {
		t.Error("a pattern costs nothing")
	}
}
