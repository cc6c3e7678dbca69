package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"teamsdlp/policy/detect"
	"teamsdlp/test/corpus"
)

// dir is where the page and the baseline are.
const dir = ".."

func newEngine(t *testing.T) *detect.Engine {
	t.Helper()
	e, faults := detect.New(nil)
	if len(faults) > 0 {
		t.Fatal(faults)
	}
	return e
}

// A part of the corpus is no worse than the baseline. "make accuracy" does all.
func TestNoWorse(t *testing.T) {
	then, err := readBaseline(dir)
	if err != nil {
		t.Fatal(err)
	}
	cases := corpus.Generate(perCellQuick)
	if len(cases) < 1000 {
		t.Fatalf("only %d cases", len(cases))
	}
	if err := then.Quick.worse(score(newEngine(t), cases)); err != nil {
		t.Errorf("worse than %s (make accuracy UPDATE=1 takes it, if it is meant):\n%v", baselineName, err)
	}
}

// judged scores one case.
func judged(t *testing.T, c corpus.Case) (*results, *rowScore) {
	t.Helper()
	c.Row = "plain"
	r := score(newEngine(t), []corpus.Case{c})
	return r, r.Rows["plain"]
}

func TestJudge(t *testing.T) {
	const card = "card 4539 5787 6362 1486 here" // at 5 to 24
	at := func(id string, start, end, least, most int) corpus.Span {
		return corpus.Span{Detector: id, Start: start, End: end, Least: least, Most: most}
	}
	for _, tc := range []struct {
		name string
		c    corpus.Case
		want rowScore
	}{
		{"found", corpus.Case{Body: card, Want: []corpus.Span{at("credit-card", 5, 24, 85, 85)}}, rowScore{Cases: 1, Labels: 1, Exact: 1, Level: 1}},
		{"half of the label is enough", corpus.Case{Body: card, Want: []corpus.Span{at("credit-card", 5, 29, 85, 85)}}, rowScore{Cases: 1, Labels: 1, Level: 1}},
		{"less than half is not", corpus.Case{Body: card + " and very much more text than that", Want: []corpus.Span{at("credit-card", 5, 60, 85, 85)}}, rowScore{Cases: 1, Failed: 1, Labels: 1, Missed: 1, Others: 1}},
		{"of another detector", corpus.Case{Body: card, Want: []corpus.Span{at("iban", 5, 24, 85, 85)}}, rowScore{Cases: 1, Failed: 1, Labels: 1, Missed: 1, Others: 1}},
		{"one that is right as well", corpus.Case{Body: card, Want: []corpus.Span{{Detector: "iban", Also: []string{"credit-card"}, Start: 5, End: 24, Least: 65, Most: 85}}}, rowScore{Cases: 1, Labels: 1, Exact: 1, Level: 1}},
		{"too high a level", corpus.Case{Body: card, Want: []corpus.Span{at("credit-card", 5, 24, 65, 75)}}, rowScore{Cases: 1, Labels: 1, Exact: 1}},
		{"alarm in noise", corpus.Case{Body: card}, rowScore{Cases: 1, Failed: 1, Others: 1}},
		{"silence", corpus.Case{Body: "nothing here"}, rowScore{Cases: 1}},
		{"missed", corpus.Case{Body: "nothing here", Want: []corpus.Span{at("iban", 0, 7, 65, 85)}}, rowScore{Cases: 1, Failed: 1, Labels: 1, Missed: 1}},
		{"a test value is silence where that is said", corpus.Case{Body: "card 4111 1111 1111 1111", Known: true}, rowScore{Cases: 1}},
		{"and else is not", corpus.Case{Body: "card 4111 1111 1111 1111"}, rowScore{Cases: 1, Failed: 1, Others: 1}},
		{"said twice", corpus.Case{Body: card + ", " + card, Once: true, Want: []corpus.Span{at("credit-card", 5, 24, 85, 85)}}, rowScore{Cases: 1, Failed: 1, Labels: 1, Exact: 1, Level: 1, Others: 1}},
	} {
		_, got := judged(t, tc.c)
		tc.want.Kind = corpus.Evasion
		if *got != tc.want {
			t.Errorf("%s: %+v, want %+v", tc.name, *got, tc.want)
		}
	}
}

func TestThresholds(t *testing.T) {
	r, _ := judged(t, corpus.Case{Body: "4539 5787 6362 1486", Want: []corpus.Span{{Detector: "credit-card", Start: 0, End: 19, Least: 75, Most: 75}}})
	want := [3]counts{{Labels: 1, Found: 1, Exact: 1, Right: 1}, {Labels: 1, Found: 1, Exact: 1, Right: 1}, {}}
	if got := *r.Detectors["credit-card"]; got != want {
		t.Errorf("counts %+v, want %+v", got, want)
	}
}

// Each kind of loss is complained about, and gains are not.
func TestWorse(t *testing.T) {
	base := func() *results {
		return &results{
			Rows:      map[string]*rowScore{"plain": {Cases: 10, Failed: 2, Labels: 10, Missed: 2, Others: 1}},
			Detectors: map[string]*[3]counts{"iban": {{Labels: 10, Found: 8, Right: 8, False: 2}, {Labels: 4, Found: 4, Right: 4}, {}}},
		}
	}
	for _, tc := range []struct {
		name   string
		change func(*results)
		want   string // in the complaint; empty: none
	}{
		{"nothing", func(*results) {}, ""},
		{"better", func(r *results) {
			r.Rows["plain"].Failed = 1
			r.Detectors["iban"][0].Found = 9
			r.Detectors["iban"][0].False = 0
		}, ""},
		{"more misses", func(r *results) { r.Rows["plain"].Failed = 3 }, "3 of 10 cases fail, and 2 did"},
		{"fewer cases", func(r *results) { r.Rows["plain"].Cases = 9 }, "has 9 cases, and had 10"},
		{"no cases", func(r *results) { r.Rows["plain"].Cases = 0 }, "ran nothing"},
		{"row gone", func(r *results) { delete(r.Rows, "plain") }, "ran nothing"},
		{"more beside", func(r *results) { r.Rows["plain"].Others = 2 }, "matches of something else"},
		{"recall", func(r *results) { r.Detectors["iban"][1].Found = 3 }, "iban finds 0.7500 at 75"},
		{"precision", func(r *results) { r.Detectors["iban"][0].False = 3 }, "iban is right in"},
		{"detector gone", func(r *results) { delete(r.Detectors, "iban") }, "no values to find"},
	} {
		now := base()
		tc.change(now)
		err := base().worse(now)
		switch {
		case tc.want == "" && err != nil:
			t.Errorf("%s: %v", tc.name, err)
		case tc.want != "" && (err == nil || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: %v, want %q", tc.name, err, tc.want)
		}
	}
}

func TestMoreAlarms(t *testing.T) {
	then := &alarms{Bytes: 1 << 20, Count: map[string]*[3]int{"ipv4": {10, 4, 0}}}
	for _, tc := range []struct {
		name string
		now  alarms
		bad  bool
	}{
		{"the same", alarms{Bytes: 1 << 20, Count: map[string]*[3]int{"ipv4": {10, 4, 0}}}, false},
		{"fewer", alarms{Bytes: 1 << 20, Count: map[string]*[3]int{}}, false},
		{"one more", alarms{Bytes: 1 << 20, Count: map[string]*[3]int{"ipv4": {11, 4, 0}}}, true},
		{"a new detector", alarms{Bytes: 1 << 20, Count: map[string]*[3]int{"iban": {1, 1, 1}}}, true},
		{"another text, as dense", alarms{Bytes: 2 << 20, Count: map[string]*[3]int{"ipv4": {22, 8, 1}}}, false},
		{"another text, twice as dense", alarms{Bytes: 2 << 20, Count: map[string]*[3]int{"ipv4": {40, 8, 0}}}, true},
	} {
		if err := then.worse(&tc.now); (err != nil) != tc.bad {
			t.Errorf("%s: %v", tc.name, err)
		}
	}
}

// The committed page and figures are those of the committed baseline.
func TestPageIsOfTheBaseline(t *testing.T) {
	then, err := readBaseline(dir)
	if err != nil {
		t.Fatal(err)
	}
	again := t.TempDir()
	if err := then.write(again, then.page()); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"README.md", "accuracy.json", baselineName} {
		if got, want := read(t, filepath.Join(dir, name)), read(t, filepath.Join(again, name)); got != want {
			t.Errorf("%s is not what the baseline gives", name)
		}
	}
}

// Real text says nothing that is a secret. "make accuracy" reads more of it.
func TestRealTextHasNoSecrets(t *testing.T) {
	a, err := realText(t.Context(), newEngine(t), 4<<20)
	if err != nil {
		t.Fatal(err)
	}
	if a.Bytes < 4<<20 {
		t.Fatalf("only %d bytes of real text on this machine", a.Bytes)
	}
	secret := map[string]bool{}
	for _, d := range detect.Builtin() {
		secret[d.ID] = d.Family == "secret"
	}
	for _, f := range a.samples {
		if secret[f.Type] {
			t.Error(f.what)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
