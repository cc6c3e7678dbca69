package rulefile

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy"
	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
	"teamsdlp/test/trial"
)

var update = flag.Bool("update", false, "write testdata/full/tables/customers.edm anew")

const (
	keyText   = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\n"
	wrongKey  = "fedcba9876543210fedcba9876543210fedcba9876543210fedcba9876543210\n"
	customers = "no,last name,email\n10442817,Muster,anna.muster@contoso.test\n20917744,van der Berg,zoe@contoso.test\n"
)

// buildTable is the table of a CSV text whose first column is a number and the
// others text, but for email.
func buildTable(t *testing.T, csv string) []byte {
	t.Helper()
	key, err := detect.ParseTableKey([]byte(keyText))
	if err != nil {
		t.Fatal(err)
	}
	names := strings.Split(strings.SplitN(csv, "\n", 2)[0], ",")
	o := detect.TableOptions{Key: key, Primary: detect.TableColumn{Name: names[0], Kind: detect.DigitsColumn}, Built: today}
	for _, n := range names[1:] {
		c := detect.TableColumn{Name: n, Kind: detect.TextColumn}
		if n == "email" {
			c.Kind = detect.EmailColumn
		}
		o.Others = append(o.Others, c)
	}
	var out bytes.Buffer
	if _, err := detect.BuildTable(&out, strings.NewReader(csv), o); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// TestFullTable: the table that the full file names is of this version.
func TestFullTable(t *testing.T) {
	want := buildTable(t, customers)
	const name = "testdata/full/tables/customers.edm"
	if *update {
		if err := os.WriteFile(name, want, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(name)
	if err != nil || !bytes.Equal(got, want) {
		t.Errorf("%s: %v; not the table of the customers (-update writes it)", name, err)
	}
}

const (
	exactRule = `detectors:
  - id: customer
    exact: {table: customers.edm, key: "file:../edm.key", corroborate: {at_least: 2}}
`
	formRule = "detectors:\n  - id: claim\n    fingerprint: {file: forms/claim.txt}\n"
	listRule = "lists:\n  - {id: fish, file: fish.txt}\n"
)

// ruleDirWith is a directory of rules, with a key beside it.
func ruleDirWith(t *testing.T, files map[string]string) string {
	t.Helper()
	base := t.TempDir()
	dir := filepath.Join(base, "rules")
	files["../edm.key"] = keyText
	for name, text := range files {
		at := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestNamedFiles: what a directory is faulted for, with the files that its rules
// name.
func TestNamedFiles(t *testing.T) {
	table := string(buildTable(t, customers))
	form, err := os.ReadFile("testdata/full/forms/claim.txt")
	if err != nil {
		t.Fatal(err)
	}
	flipped := []byte(table)
	flipped[len(flipped)-80] ^= 1
	exact := func(s string) string { return "detectors:\n  - id: d\n    exact: " + s + "\n" }
	similar := func(s string) string {
		return "detectors:\n  - id: d\n    fingerprint: {file: f.txt, similarity: " + s + "}\n"
	}
	const ok = `table: customers.edm, key: "file:../edm.key"`
	var many strings.Builder
	for range MaxListWords + 1 {
		many.WriteString("a\n")
	}
	for _, tc := range []struct {
		name, rules string
		files       map[string]string
		want        string // one fault a line; empty: it loads
	}{
		{"a table", exactRule, map[string]string{"customers.edm": table}, ""},
		{"a form", formRule, map[string]string{"forms/claim.txt": string(form)}, ""},
		{"a list", listRule, map[string]string{"fish.txt": "trout\n"}, ""},
		{"a list of DOS", listRule, map[string]string{"fish.txt": "\uFEFFtrout\r\n# x*\r\n#\r\n\r\nbass"}, ""},

		{"no table", exactRule, nil, "r.yaml:3:20: table customers.edm: no such file or directory"},
		{"a folder for a table", exactRule, map[string]string{"customers.edm/x": ""}, "r.yaml:3:20: table customers.edm: is not a regular file"},
		{"no table", exactRule, map[string]string{"customers.edm": ""}, "r.yaml:3:20: table customers.edm: not a table of exact data (teamsdlp edm build makes one)"},
		{"the CSV file", exactRule, map[string]string{"customers.edm": customers}, "r.yaml:3:20: table customers.edm: not a table of exact data (teamsdlp edm build makes one)"},
		{"cut short", exactRule, map[string]string{"customers.edm": table[:len(table)-9]}, fmt.Sprintf("r.yaml:3:20: table customers.edm: cut short: it has %d bytes of %d", len(table)-9, len(table))},
		{"a flipped bit", exactRule, map[string]string{"customers.edm": string(flipped)}, "r.yaml:3:20: table customers.edm: damaged: its checksum does not match"},
		{"another version", exactRule, map[string]string{"customers.edm": strings.Replace(table, "edm 1\n", "edm 7\n", 1)}, `r.yaml:3:20: table customers.edm: a table of version "7", and this program reads version 1: build it with this program`},
		{"wrong key", exactRule, map[string]string{"customers.edm": table, "../edm.key": wrongKey}, "r.yaml:3:40: table customers.edm: built with key d44f, and this is key 0d4c"},
		{"no key", exactRule, map[string]string{"customers.edm": table, "../edm.key": "\n"}, "r.yaml:3:40: key ../edm.key: not a key for exact data: it holds 0 bytes, and a key is 64 hexadecimal digits (teamsdlp edm key makes one)"},
		{"a large key", exactRule, map[string]string{"customers.edm": table, "../edm.key": strings.Repeat("a", 5000)}, "r.yaml:3:40: key ../edm.key: is larger than 4096 bytes"},
		{"neither", exact("{table: no.edm, key: 'file:../no.key'}"), nil, "r.yaml:3:20: table no.edm: no such file or directory\nr.yaml:3:33: key ../no.key: no such file or directory"},
		{"two detectors of one table", exactRule + "  - id: other\n    exact: {" + ok + "}\n", map[string]string{"customers.edm": table}, ""},

		{"no keys", exact("{}"), nil, "r.yaml:3:12: exact needs the key \"table\"\nr.yaml:3:12: exact needs the key \"key\""},
		{"outside", exact("{table: ../t.edm, key: 'file:../edm.key'}"), nil, `r.yaml:3:20: table "../t.edm" must be the path of a file in the rule directory or below it, as lists/names.txt`},
		{"absolute", exact("{table: /t.edm, key: 'file:../edm.key'}"), nil, `r.yaml:3:20: table "/t.edm" must be the path of a file in the rule directory or below it, as lists/names.txt`},
		{"hidden", exact("{table: a/.t, key: 'file:../edm.key'}"), nil, `r.yaml:3:20: table "a/.t" must not be hidden: no part of its path begins with a dot`},
		{"a rule file", exact("{table: r.yaml, key: 'file:../edm.key'}"), nil, `r.yaml:3:20: table "r.yaml" must not end as a rule file does`},
		{"key in the rule file", exact("{table: t.edm, key: " + keyText[:20] + "x}"), nil, `r.yaml:3:32: key must be file: and a path, as file:/etc/teamsdlp/keys/edm.key`},
		{"key beside the rules", exact("{table: t.edm, key: 'file:edm.key'}"), nil, "r.yaml:3:32: key must not be in the rule directory: rule files are shown and copied, and a key must not be"},
		{"key below", exact("{table: t.edm, key: 'file:../x/../../y/../edm.key'}"), nil, "r.yaml:3:20: table t.edm: no such file or directory\nr.yaml:3:32: key ../../edm.key: no such file or directory"},
		{"unknown column", exact("{" + ok + ", corroborate: {columns: [email, lastname]}}"), map[string]string{"customers.edm": table},
			`r.yaml:3:90: the table has no column "lastname" (did you mean "last name"?); beside the primary one, "no", it has last name, email`},
		{"the primary column", exact("{" + ok + ", corroborate: {columns: [email, 'no']}}"), map[string]string{"customers.edm": table}, `r.yaml:3:90: detector "d": columns: "no" is the primary column`},
		{"too many", exact("{" + ok + ", corroborate: {columns: [email], at_least: 2}}"), map[string]string{"customers.edm": table},
			`r.yaml:3:101: detector "d": at_least: 2 corroborating columns are needed, and there are 1`},
		{"nothing to corroborate", exact("{" + ok + ", corroborate: {within: 9}}"), map[string]string{"customers.edm": string(buildTable(t, "no\n12345678\n"))},
			`r.yaml:3:72: the table has no column but "no": nothing can corroborate it`},
		{"range", exact("{" + ok + ", corroborate: {at_least: 0, within: 1001}}"), nil,
			"r.yaml:3:83: at_least must be a whole number from 1 to 8\nr.yaml:3:94: within must be a whole number from 1 to 1000"},
		{"never reported", exactRule + "    confidence: {alone: none}\n", map[string]string{"customers.edm": table}, `r.yaml:4:17: detector "customer": confidence: is missing: the detector could never report anything`},

		{"patterns too", exactRule + "    patterns: [x]\n", nil, "r.yaml:3:12: a detector has one of the keys patterns, exact, fingerprint, and this one has patterns already"},
		{"validate too", exactRule + "    validate: luhn\n", nil, "r.yaml:4:15: validate: only what a pattern found can be validated"},
		{"context too", formRule + "    context: {words: [x]}\n", nil, "r.yaml:4:14: context: only patterns take context words"},
		{"confidence of a form", formRule + "    confidence: {alone: high}\n", nil, "r.yaml:4:17: confidence: that of a fingerprint is told by its similarity"},

		{"no form", formRule, nil, "r.yaml:3:25: form forms/claim.txt: no such file or directory"},
		{"a small form", formRule, map[string]string{"forms/claim.txt": "Name: ____"}, `r.yaml:3:25: detector "claim": fingerprint: the form has 0 groups of words, and at least 10 are needed to know it by: is it the whole form, as plain text?`},
		{"a form of Word", formRule, map[string]string{"forms/claim.txt": "PK\x03\x04\x00"}, "r.yaml:3:25: form forms/claim.txt: it is not UTF-8 text"},
		{"a large form", formRule, map[string]string{"forms/claim.txt": strings.Repeat("a", MaxFormFile+1)}, "r.yaml:3:25: form forms/claim.txt: is larger than 1048576 bytes"},
		{"no share", similar("{}"), nil, "r.yaml:3:44: similarity needs one of low, medium, high"},
		{"a share too large", similar("{high: 101}"), nil, "r.yaml:3:51: high must be a whole number from 1 to 100"},
		{"a share of the other kind", similar("{high: 0.8}"), nil, "r.yaml:3:51: high must be a whole number from 1 to 100"},
		{"shares the wrong way", similar("{low: 80, high: 40}"), map[string]string{"f.txt": string(form)}, `r.yaml:3:44: detector "d": similarity: a higher confidence needs a higher share`},

		{"no list", listRule, nil, "r.yaml:2:22: file fish.txt: no such file or directory"},
		{"words and file", "lists:\n  - {id: l, words: [a], file: fish.txt}\n", map[string]string{"fish.txt": "a"}, "r.yaml:2:5: a list has one of the keys words and file"},
		{"neither words nor file", "lists:\n  - {id: l}\n", nil, "r.yaml:2:5: a list has one of the keys words and file"},
		{"an empty list", listRule, map[string]string{"fish.txt": "# nothing\n\n"}, "r.yaml:2:22: file fish.txt: there is no keyword in it"},
		{"lines", listRule, map[string]string{"fish.txt": "ok\n--\nse*ret\n" + strings.Repeat("x", 129) + "\na\tb\nok\n"},
			"fish.txt:2:1: the keyword has no letter or digit and can never occur as a word\nfish.txt:3:1: a star is not a wildcard here: write the forms out, or use regex\n" +
				"fish.txt:4:1: the keyword has 129 characters; at most 128 are allowed\nfish.txt:5:1: a keyword must be without control characters"},
		{"many lines", listRule, map[string]string{"fish.txt": strings.Repeat("--\n", 11)},
			strings.Join(func() (l []string) {
				for i := range 10 {
					l = append(l, fmt.Sprintf("fish.txt:%d:1: the keyword has no letter or digit and can never occur as a word", i+1))
				}
				return l
			}(), "\n") + "\nr.yaml:2:22: file fish.txt: 1 more of its lines are wrong"},
		{"Latin-1", listRule, map[string]string{"fish.txt": "\xc4sche\n"}, "r.yaml:2:22: file fish.txt: it is not UTF-8 text"},
		{"UTF-16", listRule, map[string]string{"fish.txt": "\xff\xfea\x00"}, "r.yaml:2:22: file fish.txt: it is UTF-16: save it as UTF-8"},
		{"a long list", listRule, map[string]string{"fish.txt": many.String()}, "r.yaml:2:22: file fish.txt holds 200001 keywords; at most 200000 are allowed"},
		{"a large list", listRule, map[string]string{"fish.txt": strings.Repeat("a\n", MaxListFile/2+1)}, "r.yaml:2:22: file fish.txt: is larger than 8388608 bytes"},
	} {
		files := map[string]string{"r.yaml": tc.rules}
		dir := ruleDirWith(t, files)
		for name, text := range tc.files {
			at := filepath.Join(dir, name)
			if err := os.MkdirAll(filepath.Dir(at), 0o700); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(at, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		_, err := Open(dir, Options{Now: today})
		got := strings.ReplaceAll(strings.Join(faultLines(t, err), "\n"), dir+"/", "")
		got = strings.NewReplacer(keyID(t, keyText), "d44f", keyID(t, wrongKey), "0d4c").Replace(got)
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s\n%s", tc.name, diff, tc.rules)
		}
		if strings.Contains(got, keyText[:16]) || strings.Contains(got, "se*ret") {
			t.Errorf("%s: a fault repeats what it must not: %s", tc.name, got)
		}
	}
}

func keyID(t *testing.T, text string) string {
	t.Helper()
	k, err := detect.ParseTableKey([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return k.ID()
}

// FuzzTerms: whatever a file of keywords holds, its faults have lines that it has,
// and what is taken of it can be searched for.
func FuzzTerms(f *testing.F) {
	for _, s := range []string{"trout\n", "\uFEFF# x\r\n\r\nbass", "--\na*\n\tb\t\n", "\xff", "\x00", "a\u2028b\n密\n"} {
		f.Add([]byte(s))
	}
	rules := Source{"r.yaml", []byte(listRule)}
	trial.Fuzz(f, 10, func(t *testing.T, data []byte) {
		g, err := Compile("", []Source{rules, {"fish.txt", data}}, Options{Now: today})
		if err == nil {
			for _, w := range g.set.lists["fish"].words {
				if strings.TrimSpace(w) != w || w == "" {
					t.Errorf("a keyword is %q", w)
				}
			}
			return
		}
		faults, ok := AsFaults(err)
		if !ok || len(faults) == 0 {
			t.Fatalf("no fault in %v", err)
		}
		for _, x := range faults {
			if x.File == "fish.txt" && (x.Line < 1 || x.Line > bytes.Count(data, []byte("\n"))+1) || x.File != "fish.txt" && x.File != "r.yaml" {
				t.Errorf("fault %+v points nowhere", x)
			}
		}
	})
}

// TestAbsoluteKeyInside: nor does an absolute path lead into the rule directory.
func TestAbsoluteKeyInside(t *testing.T) {
	dir := ruleDirWith(t, map[string]string{"customers.edm": string(buildTable(t, customers)), "keys/edm.key": keyText})
	write(t, dir, "r.yaml", strings.Replace(exactRule, "../edm.key", dir+"/keys/edm.key", 1))
	_, err := Open(dir, Options{Now: today})
	if lines := faultLines(t, err); len(lines) != 1 || !strings.Contains(lines[0], "key must not be in the rule directory") {
		t.Errorf("%q", lines)
	}
	write(t, dir, "r.yaml", strings.Replace(exactRule, "../edm.key", filepath.Dir(dir)+"/edm.key", 1))
	if _, err := Open(dir, Options{Now: today}); err != nil {
		t.Errorf("an absolute path elsewhere: %v", err)
	}
}

// judged is the reason of the first rule on a text.
func judged(set *policy.Set, text string) string {
	v := set.Judge(&policy.Message{Text: extract.Plain(text), Sender: policy.Sender{ID: "ana", Kind: "aadUser"}}, &policy.Context{Final: true}, today)
	return v.Rules[0].Reason
}

const watchedRules = exactRule + listRule + `rules:
  - id: customers
    mode: enforce
    when: {any: [{detect: customer, confidence: high}, {list: fish}]}
    action: block
    tests: {match: ["10442817, Muster, anna.muster@contoso.test"], no_match: ["10442817"]}
`

// TestWatchNamedFiles: tables, lists and keys are part of the generation: swapped as
// the rules are, whole or not at all.
func TestWatchNamedFiles(t *testing.T) {
	table := string(buildTable(t, customers))
	dir := ruleDirWith(t, map[string]string{"r.yaml": watchedRules, "customers.edm": table, "fish.txt": "trout\n"})
	w := &watched{dir: dir}
	var err error
	now := time.Now()
	w.Watcher, err = NewWatcher(WatchOptions{
		Dir: dir, Now: func() time.Time { return today },
		OnChange: func(*Generation) { w.told = append(w.told, "change") },
		OnFault: func(err error) {
			if err == nil {
				w.told = append(w.told, "clear")
				return
			}
			w.told = append(w.told, "fault: "+strings.ReplaceAll(err.Error(), dir+"/", ""))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	w.reader.now = func() time.Time { return now }
	const anna, zoe = "10442817, Muster, anna.muster@contoso.test", "20917744 van der Berg zoe@contoso.test"
	const li = "30918855 Li Wei li@contoso.test"
	step := func(what string, seen []string, not []string, told ...string) {
		t.Helper()
		w.ticks(3)
		now = now.Add(time.Minute)
		w.ticks(3)
		if diff := cmp.Diff(told, w.told); diff != "" {
			t.Errorf("%s: told (-want +got):\n%s", what, diff)
		}
		w.told = nil
		for _, s := range seen {
			if r := judged(w.Current(), s); strings.Contains(r, "did not occur") {
				t.Errorf("%s: %q is not found: %s", what, s, r)
			}
		}
		for _, s := range not {
			if r := judged(w.Current(), s); !strings.Contains(r, "did not occur") {
				t.Errorf("%s: %q is found: %s", what, s, r)
			}
		}
	}
	first := w.Current().Generation
	step("at first", []string{anna, zoe, "a trout"}, []string{li, "a bass"})

	write(t, dir, "fish.txt", "bass\n")
	step("another list", []string{anna, "a bass"}, []string{"a trout"}, "change")

	write(t, dir, "customers.edm", string(buildTable(t, customers+"30918855,Li Wei,li@contoso.test\n")))
	step("one row more", []string{anna, zoe, li}, nil, "change")

	write(t, dir, "customers.edm", table[:100])
	step("a table cut short", []string{anna, zoe, li}, nil, "fault: r.yaml:3:20: table customers.edm: cut short within its header")

	write(t, dir, "../edm.key", wrongKey)
	write(t, dir, "customers.edm", table)
	step("another key", []string{anna, zoe, li}, nil, "fault: r.yaml:3:40: table customers.edm: built with key "+keyID(t, keyText)+", and this is key "+keyID(t, wrongKey))

	write(t, dir, "../edm.key", keyText)
	write(t, dir, "customers.edm", string(buildTable(t, "no,last name,email\n30918855,Li Wei,li@contoso.test\n")))
	step("a table without the row that is tested", []string{anna, zoe, li}, nil, "fault: r.yaml:11:21: rule \"customers\": test must match, but no_match: customer did not occur; keyword list fish did not occur")

	if err := os.Remove(filepath.Join(dir, "customers.edm")); err != nil {
		t.Fatal(err)
	}
	step("no table", []string{anna, zoe, li}, nil, "fault: r.yaml:3:20: table customers.edm: no such file or directory")

	write(t, dir, "customers.edm", table)
	write(t, dir, "fish.txt", "trout\n")
	step("as at first", []string{anna, zoe, "a trout"}, []string{li, "a bass"}, "change")
	if w.Current().Generation != first {
		t.Error("equal directories have different names")
	}
}

// TestWatchSwapWhileJudging: a table is swapped while messages are judged. Each set
// judges by one table or the other, whole.
func TestWatchSwapWhileJudging(t *testing.T) {
	// Both tables have Anna. One has Li as well, the other Ming.
	tables := [][]byte{buildTable(t, customers+"30918855,Li Wei,li@contoso.test\n"), buildTable(t, customers+"40918856,Ming Na,ming@contoso.test\n")}
	dir := ruleDirWith(t, map[string]string{"r.yaml": watchedRules, "customers.edm": string(tables[0]), "fish.txt": "trout\n"})
	w, err := NewWatcher(WatchOptions{Dir: dir, Now: func() time.Time { return today }, OnFault: func(err error) { t.Errorf("fault: %v", err) }})
	if err != nil {
		t.Fatal(err)
	}
	finds := func(set *policy.Set, text string) bool { return !strings.Contains(judged(set, text), "did not occur") }
	stop, done := make(chan struct{}), make(chan error, 2)
	for range 2 {
		go func() {
			for {
				select {
				case <-stop:
					done <- nil
					return
				default:
				}
				set := w.Current()
				anna, li, ming := finds(set, "10442817, Muster, anna.muster@contoso.test"), finds(set, "30918855 Li Wei li@contoso.test"), finds(set, "40918856 Ming Na ming@contoso.test")
				if !anna || li == ming {
					done <- fmt.Errorf("generation %s finds Anna %v, Li %v, Ming %v", set.Generation, anna, li, ming)
					return
				}
			}
		}()
	}
	seen := map[string]bool{}
	for i := range 8 {
		write(t, dir, ".next", string(tables[(i+1)%2]))
		if err := os.Rename(filepath.Join(dir, ".next"), filepath.Join(dir, "customers.edm")); err != nil {
			t.Fatal(err)
		}
		w.tick()
		w.tick()
		seen[w.Current().Generation] = true
	}
	close(stop)
	for range 2 {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if len(seen) != 2 {
		t.Errorf("%d generations were in force, want 2", len(seen))
	}
}

// TestReaderReadsOnlyWhatChanged: a large table is not read at every look, unless it
// was changed so lately that its time of change proves nothing.
func TestReaderReadsOnlyWhatChanged(t *testing.T) {
	dir := ruleDirWith(t, map[string]string{"r.yaml": listRule, "fish.txt": "trout\n"})
	r := newReader(dir)
	look := func() string {
		t.Helper()
		s, err := r.read()
		if err != nil {
			t.Fatal(err)
		}
		return string(s.files[1].Data)
	}
	file := filepath.Join(dir, "fish.txt")
	changed := time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	change := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, changed, changed); err != nil {
			t.Fatal(err)
		}
	}
	change("trout\n")
	r.now = func() time.Time { return changed.Add(time.Second) }
	if got := look(); got != "trout\n" {
		t.Fatalf("read %q", got)
	}
	change("carps\n") // within the grain of the clock: only reading tells
	if got := look(); got != "carps\n" {
		t.Errorf("a change within the second after the last is not seen: %q", got)
	}
	r.now = func() time.Time { return changed.Add(time.Minute) }
	look()
	change("perch\n") // nothing tells: this is what makes the look cheap
	if got := look(); got != "carps\n" {
		t.Errorf("the file is read though nothing says it has changed: %q", got)
	}
	changed = changed.Add(time.Millisecond)
	change("perch\n")
	if got := look(); got != "perch\n" {
		t.Errorf("a later change is not seen: %q", got)
	}
}

// TestSourceNeverPrints: a file may be a key.
func TestSourceNeverPrints(t *testing.T) {
	s := Source{"../edm.key", []byte(keyText)}
	for _, got := range []string{fmt.Sprint(s), fmt.Sprintf("%+v", []Source{s}), fmt.Sprintf("%s", s)} {
		if strings.Contains(got, "0123") {
			t.Errorf("prints %s", got)
		}
	}
}

func TestLintExact(t *testing.T) {
	var dense strings.Builder
	dense.WriteString("no,last name\n")
	for i := range 2000 {
		fmt.Fprintf(&dense, "%d,Muster\n", 100_000+i*7)
	}
	for _, tc := range []struct {
		name, rules, table string
		mode               os.FileMode
		want               []string
	}{
		{"quiet", exactRule, customers, 0o600, nil},
		{"a key that others can read", exactRule, customers, 0o640, []string{"3:40 open-key"}},
		{"one key of two detectors", exactRule + strings.Replace(strings.TrimPrefix(exactRule, "detectors:\n"), "customer", "second", 1), customers, 0o604, []string{"3:40 open-key"}},
		{"many rows, with another column", strings.Replace(exactRule, "at_least: 2", "at_least: 1", 1), dense.String(), 0o600, nil},
		{"many rows, alone", strings.Replace(exactRule, "at_least: 2", "at_least: 1", 1) + "    confidence: {alone: low, with_context: high}\n", dense.String(), 0o600, []string{"2:9 exact-by-chance"}},
		{"few rows, alone", exactRule + "    confidence: {alone: low, with_context: high}\n", customers, 0o600, nil},
		{"many rows and no other column", strings.Replace(exactRule, ", corroborate: {at_least: 2}", "", 1), strings.ReplaceAll(strings.ReplaceAll(dense.String(), ",Muster", ""), ",last name", ""), 0o600,
			[]string{"2:9 exact-by-chance"}},
	} {
		dir := ruleDirWith(t, map[string]string{"customers.edm": string(buildTable(t, tc.table)),
			"r.yaml": tc.rules + "rules:\n  - {id: r, mode: shadow, when: {any: [{detect: customer}, {detect: second}]}, action: block, tip: {text: x}}\n"})
		if !strings.Contains(tc.rules, "second") {
			write(t, dir, "r.yaml", tc.rules+"rules:\n  - {id: r, mode: shadow, when: {detect: customer}, action: block, tip: {text: x}}\n")
		}
		if err := os.Chmod(filepath.Join(dir, "../edm.key"), tc.mode); err != nil {
			t.Fatal(err)
		}
		g, err := Open(dir, Options{Now: today})
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		var got []string
		for _, f := range g.Findings {
			got = append(got, fmt.Sprintf("%d:%d %s", f.Line, f.Col, f.Code))
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tc.name, diff)
		}
	}
}

// TestLongListsAreNotCompared: lint compares short lists word by word; of long ones
// it takes no more than that a list is itself.
func TestLongListsAreNotCompared(t *testing.T) {
	var long []string
	for i := range maxCompared + 1 {
		long = append(long, fmt.Sprint("word", i))
	}
	a := &policy.Keywords{List: "a", Terms: long}
	for _, tc := range []struct {
		a, b *policy.Keywords
		want bool
	}{
		{a, &policy.Keywords{List: "a", Terms: long}, true},
		{a, &policy.Keywords{List: "b", Terms: long}, false},
		{&policy.Keywords{Terms: long[:1]}, a, false},
		{&policy.Keywords{Terms: []string{"WORD1"}}, &policy.Keywords{List: "c", Terms: long[:9]}, true},
	} {
		if got := implies(tc.a, tc.b); got != tc.want {
			t.Errorf("%d words of %q imply %d of %q: %v", len(tc.a.Terms), tc.a.List, len(tc.b.Terms), tc.b.List, got)
		}
	}
}
