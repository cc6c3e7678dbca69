package corpus

import (
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// The check digits are those of numbers that authorities have published.
func TestPublishedNumbers(t *testing.T) {
	for _, tc := range []struct{ name, got, want string }{
		{"Luhn, Visa's test card", luhn("411111111111111"), "1"},
		{"Luhn, ISO/IEC 7812-1's example", luhn("7992739871"), "3"},
		{"Verhoeff", verhoeff("236"), "3"},
		{"ISO 7064 MOD 11,10, the Steuer-ID of the tax office's leaflet", mod1110("8609574271"), "9"},
		{"IBAN of Germany", two(98 - mod97("370400440532013000"+"DE"+"00")), "89"},
		{"IBAN of the United Kingdom", two(98 - mod97("WEST12345698765432"+"GB"+"00")), "82"},
		{"CPF, first", elevenTo(weigh("111444777", 10, 9, 8, 7, 6, 5, 4, 3, 2)), "3"},
		{"CPF, second", elevenTo(weigh("1114447773", 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)), "5"},
		{"NHS number", char(11 - weigh("943476591", 10, 9, 8, 7, 6, 5, 4, 3, 2)%11), "9"},
		{"PESEL", char((10 - weigh("4405140135", 1, 3, 7, 9)%10) % 10), "9"},
		{"BSN", char(weigh("11122233", 9, 8, 7, 6, 5, 4, 3, 2) % 11), "3"},
		{"DNI", string(dniLetters[mod("12345678", 23)]), "Z"},
		{"NIR", two(97 - mod("1850578006084", 97)), "91"},
		{"CNPJ, first", elevenTo(weigh("112223330001", 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)), "8"},
		{"CNPJ, second", elevenTo(weigh("1122233300018", 6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)), "1"},
		{"SNILS, the pension fund's example", two(weigh("112233445", 9, 8, 7, 6, 5, 4, 3, 2, 1) % 101 % 100), "95"},
		{"INN, last", char(weigh("50010073225", 3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8) % 11 % 10), "9"},
		{"LEI of the standard's annex", two(98 - mod97("5493001KJTIIGC8Y1R"+"00")), "12"},
		{"AHV number of the leaflet", char((10 - weigh("756921707698", 1, 3)%10) % 10), "5"},
		{"machine readable zone of the specimen, number", icao("L898902C3"), "6"},
		{"machine readable zone of the specimen, birth", icao("740812"), "2"},
		{"Bitcoin's first address", base58check([]byte("\x00\x62\xe9\x07\xb1\x5c\xbf\x27\xd5\x42\x53\x99\xeb\xf6\xf0\xfb\x50\xeb\xb8\x8f\x18"))[33:], "a"},
		{"CCC, bank", esCheck("00" + "21000418"), "4"},
		{"CCC, account", esCheck("0200051332"), "5"},
	} {
		if tc.got != tc.want {
			t.Errorf("%s: check digit %s, want %s", tc.name, tc.got, tc.want)
		}
	}
}

// Every row has its cases for every type, each label lies in its message, and no
// message is made twice of one seed.
func TestGenerate(t *testing.T) {
	if len(baseTypes) < 10 || len(languages) != 12 {
		t.Errorf("%d base types and %d languages, want at least 10 and 12", len(baseTypes), len(languages))
	}
	const n = 20
	cases := Generate(n)
	cells, langs, html := map[string]int{}, map[string]int{}, 0
	for _, c := range cases {
		cells[c.Row+"/"+c.Type]++
		langs[c.Lang]++
		if c.HTML {
			html++
		}
		if c.Reason == "" || c.Body == "" || !utf8.ValidString(c.Body) || strings.ContainsAny(c.Body, string(markFrom)+string(markTo)+"%V%K") && strings.Contains(c.Body, "%V") {
			t.Errorf("%s: incomplete: %+v", c.ID, c)
		}
		for _, w := range c.Want {
			if w.Start < 0 || w.End-w.Start < 3 || w.End > len(c.Body) || w.Detector == "" || w.Least < 65 || w.Most < w.Least || w.Most > 85 {
				t.Errorf("%s: label %+v of %q", c.ID, w, c.Body)
			}
		}
	}
	for _, r := range Rows() {
		if len(r.Types()) == 0 || r.About == "" {
			t.Errorf("row %s: no types or no example", r.Name)
		}
		for _, id := range r.Types() {
			if got := cells[r.Name+"/"+id]; got < n {
				t.Errorf("row %s, type %s: %d cases, want at least %d", r.Name, id, got, n)
			}
		}
	}
	for _, l := range languages {
		if langs[l.code] < len(cases)/30 {
			t.Errorf("language %s: only %d of %d cases", l.code, langs[l.code], len(cases))
		}
	}
	if html < len(cases)/4 || html > len(cases)*3/4 {
		t.Errorf("%d of %d cases are markup", html, len(cases))
	}
	if !reflect.DeepEqual(cases, Generate(n)) {
		t.Error("a second run makes other cases")
	}
	if quick := Generate(2); !reflect.DeepEqual(quick[1], cases[1]) || !reflect.DeepEqual(quick[2], cases[n]) {
		t.Error("the cases of a smaller run are not the first of the larger one")
	}
}

// Every evasion holds a value, no noise does.
func TestKinds(t *testing.T) {
	kinds := map[string]Kind{}
	for _, r := range Rows() {
		kinds[r.Name] = r.Kind
	}
	with := map[Kind]int{}
	for _, c := range Generate(5) {
		k := kinds[c.Row]
		if len(c.Want) > 0 {
			with[k]++
		}
		if k == Noise && len(c.Want) > 0 || k == Evasion && len(c.Want) == 0 && c.Row != "plain" {
			t.Errorf("%s is %s and has %d labels", c.ID, k, len(c.Want))
		}
	}
	if with[Evasion] == 0 || with[Plain] == 0 {
		t.Errorf("labels by kind: %v", with)
	}
}

// The corpus is a second opinion only as long as it shares no code with what it
// judges.
func TestIndependent(t *testing.T) {
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 5 {
		t.Fatalf("%d files: %v", len(files), err)
	}
	for _, name := range files {
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if p, _ := strconv.Unquote(i.Path.Value); strings.HasPrefix(p, "teamsdlp") {
				t.Errorf("%s imports %s", name, p)
			}
		}
	}
}

func TestComments(t *testing.T) {
	src := "// Package x does y.\n//\n// It is short.\npackage x\n\n//go:embed secret\nvar s = \"// not one\" // a trailing one stays out\n\n/* Old style,\n   two lines. */\nfunc f() {\n\t// inside\n}\n"
	want := "Package x does y.\n\nIt is short.\n\nOld style,\ntwo lines. \n\ninside\n\n"
	if got := string(comments([]byte(src))); got != want {
		t.Errorf("comments:\n%q, want\n%q", got, want)
	}
	if got := comments([]byte("// Code generated by x. DO NOT EDIT.\npackage x\n")); got != nil {
		t.Errorf("comments of generated code: %q", got)
	}
}

// A paragraph counts once, wherever it is, and messages are small.
func TestReaderLeavesOutRepeats(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat(strings.Repeat("word ", 100)+"\n\n", 1) + strings.Repeat("x", 3<<10) + "\n\n" + strings.Repeat("y", 3<<10)
	for name, text := range map[string]string{
		"README.md": "One paragraph.\n\nAnother one.\n", "a/CHANGELOG": "One  paragraph.\n\nNew here.\n", "b/news.txt": long, "c/main.bin": "never read", "testdata/README": "neither", "d/README": "bad \xff utf-8",
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var got []string
	r := newReader(0, func(_, text string) { got = append(got, text) })
	r.source("test")
	r.tree(dir)
	all := strings.Join(got, "|")
	for text, want := range map[string]int{"One": 1, "Another": 1, "New here": 1, "never": 0, "neither": 0, "bad": 0, "xxx": 1 << 10, "word": 100} {
		if n := strings.Count(all, text); n != want {
			t.Errorf("%q is read %d times, want %d", text, n, want)
		}
	}
	if s := r.sources[0]; s.Files != 3 || s.Bytes != len(strings.ReplaceAll(all, "|", "")) {
		t.Errorf("source %+v for %d bytes", s, len(all))
	}
	for _, s := range got {
		if len(s) > chunk+2 {
			t.Errorf("a message of %d bytes", len(s))
		}
	}
	limited := newReader(10, func(string, string) {})
	limited.source("test")
	if limited.tree(dir); limited.sources[0].Files != 1 {
		t.Errorf("limit of 10 bytes: %+v", limited.sources)
	}
}
