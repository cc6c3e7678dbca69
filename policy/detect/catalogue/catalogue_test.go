package catalogue

import (
	"io/fs"
	"slices"
	"strings"
	"testing"
)

// Every file is in Order, and every entry is whole.
func TestLoad(t *testing.T) {
	names, err := fs.Glob(files, "*.yaml")
	if err != nil {
		t.Fatal(err)
	}
	names = slices.DeleteFunc(names, func(n string) bool { return n == "nouns.yaml" }) // what detectors' ids are called
	for _, n := range names {
		if !slices.Contains(Order, strings.TrimSuffix(n, ".yaml")) {
			t.Errorf("%s is not in Order", n)
		}
	}
	all, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) != len(Order) || len(all) < 200 {
		t.Errorf("%d files for %d names, %d entries", len(names), len(Order), len(all))
	}
}

// What is wrong with an entry is an error, and the right one.
func TestDecode(t *testing.T) {
	const good = `detectors:
  - id: x-y
    name: X
    family: person
    region: de
    tier: A
    context: {words: [a, b], within: 20}
    confidence: {alone: low, printed: medium, bare_with_context: medium, with_context: high}
    mask: all
    source: the office
    tests: {match: [a, b, c], no_match: [d, e, f]}
`
	if all, err := Decode("x.yaml", []byte(good)); err != nil || len(all) != 1 || all[0].Confidence.Printed != "medium" || all[0].Context.Within != 20 {
		t.Fatalf("%+v, %v", all, err)
	}
	for _, tc := range []struct{ old, new, want string }{
		{"    name: X\n", "    nam: X\n", "line 3: field nam not found"},
		{"within:", "whithin:", "line 7: field whithin not found"},
		{"printed:", "prnted:", "field prnted not found"},
		{"no_match:", "nomatch:", "field nomatch not found"},
		{"detectors:", "detektors:", "field detektors not found"},
		{"    tier: A\n", "    tier: A\n    tier: B\n", `key "tier" already`},
		{"id: x-y", "id: X_Y", "the id must be"},
		{"id: x-y", "id: ''", "the id must be"},
		{"name: X", "name: ' '", "no name"},
		{"source: the office", "source: ''", "no source"},
		{"family: person", "family: persons", `unknown family "persons"`},
		{"region: de", "region: DE", `region "DE"`},
		{"region: de", "region: deu", `region "deu"`},
		{"tier: A", "tier: D", `unknown tier "D"`},
		{"mask: all", "mask: some", `unknown mask "some"`},
		{"alone: low", "alone: lowish", `unknown confidence "lowish"`},
		{"alone: low, ", "", "must be there"},
		{"with_context: high", "with_context: none", "never report"},
		{"words: [a, b], ", "", "no words"},
		{"words: [a, b]", "words: [a, '-']", "no letter or digit"},
		{"words: [a, b]", "words: [a, a]", "twice"},
		{"words: [a, b]", "words: [a, ' b']", "blanks"},
		{"    tier: A\n", "    tier: A\n    nouns: [taxes]\n", `no nouns of the kind "taxes"`},
		{"    tier: A\n", "    tier: A\n    nouns: [tax]\n    countries: [xx]\n", `the country "xx" has no name`},
		{"    tier: A\n", "    tier: A\n    countries: [de]\n", "countries are for nouns"},
		{"    region: de\n    tier: A\n", "    tier: A\n    nouns: [tax]\n", "nouns need a region"},
		{"within: 20", "within: -1", "within must"},
		{"match: [a, b, c]", "match: [a, b]", "2 texts to match"},
		{"no_match: [d, e, f]", "no_match: []", "0 texts not to match"},
		{"    mask: all", "    tokens: ['x{h:4}']\n    mask: all", "tokens are of secrets"},
		{"    mask: all", "    by_name: true\n    mask: all", "by_name needs"},
		{"within: 20", "within: near", "cannot unmarshal"},
		{good, "", "EOF"},
		{good, "detectors: []\n", "no detectors"},
		{good, good + "---\nx: 1\n", "second document"},
		{"name: X", "name: \xff", "not UTF-8"},
		{good, "detectors: &a [*a]\n", "x.yaml"},
	} {
		_, err := Decode("x.yaml", []byte(strings.Replace(good, tc.old, tc.new, 1)))
		if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.HasPrefix(err.Error(), "x.yaml") {
			t.Errorf("%q for %q: %v, want %q", tc.new, tc.old, err, tc.want)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Load(); err != nil {
			b.Fatal(err)
		}
	}
}
