package main

import (
	"bytes"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/alecthomas/kong"
	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/modfile"

	"teamsdlp/config"
	"teamsdlp/policy/detect"
	"teamsdlp/policy/rulefile"
)

// root is the repository, seen from this package.
const root = "../.."

// readmes are the pages whose commands and links are held to be true.
var readmes = []string{"README.md", "actions/README.md", "policy/rulefile/README.md", "test/graphtwin/README.md", "webhook/README.md"}

// page is a README in its parts.
type page struct {
	name   string
	blocks []block
	prose  string // what is not in a fenced block
}

// block is a fenced code block.
type block struct {
	lang  string
	line  int // of its first line, from 1
	lines []string
}

func readPage(t *testing.T, name string) page {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, name))
	if err != nil {
		t.Fatal(err)
	}
	p := parsePage(string(data))
	p.name = name
	return p
}

func parsePage(text string) page {
	var p page
	var open *block
	var prose strings.Builder
	for i, line := range strings.Split(text, "\n") {
		lang, fence := strings.CutPrefix(strings.TrimSpace(line), "```")
		switch {
		case fence && open == nil:
			open = &block{lang: lang, line: i + 2}
		case fence:
			p.blocks = append(p.blocks, *open)
			open = nil
		case open != nil:
			open.lines = append(open.lines, line)
		default:
			prose.WriteString(line + "\n")
		}
	}
	p.prose = prose.String()
	return p
}

// section is the text from a heading to the next of the same or a higher level.
func (p page) section(t *testing.T, heading string) string {
	t.Helper()
	_, rest, ok := strings.Cut("\n"+p.prose, "\n"+heading+"\n")
	if !ok {
		t.Fatalf("%s has no heading %q", p.name, heading)
	}
	level := len(heading) - len(strings.TrimLeft(heading, "#"))
	if end := regexp.MustCompile(`(?m)^#{1,` + strconv.Itoa(level) + `} `).FindStringIndex(rest); end != nil {
		rest = rest[:end[0]]
	}
	return rest
}

// ours returns the arguments of each call of teamsdlp in a line of shell or of a
// unit file. A name that only stands among another command's arguments is none.
func ours(line string) (calls [][]string) {
	for _, words := range simpleCommands(strings.TrimPrefix(line, "ExecStart=")) {
		for len(words) > 0 {
			switch {
			case words[0] == "sudo" && len(words) > 3 && words[1] == "-u":
				words = words[3:]
				continue
			case words[0] == "sudo", assignment.MatchString(words[0]):
				words = words[1:]
				continue
			case len(words) > 2 && words[0] == "go" && words[1] == "run" && words[2] == "./cmd/teamsdlp":
				calls = append(calls, words[3:])
			case path.Base(words[0]) == "teamsdlp":
				calls = append(calls, words[1:])
			}
			break
		}
	}
	return calls
}

var assignment = regexp.MustCompile(`^[A-Z_]+=`)

// simpleCommands splits a line at |, &, ; and takes out redirections and
// comments, as far as the READMEs use the shell.
func simpleCommands(line string) (commands [][]string) {
	var words []string
	var word strings.Builder
	var quote rune
	inWord, redirected := false, false
	endWord := func() {
		if inWord && !redirected {
			words = append(words, word.String())
		}
		redirected = redirected && !inWord
		word.Reset()
		inWord = false
	}
	endCommand := func() {
		endWord()
		if len(words) > 0 {
			commands = append(commands, words)
		}
		words, redirected = nil, false
	}
	for _, r := range line {
		switch {
		case quote != 0 && r == quote:
			quote = 0
		case quote != 0:
			word.WriteRune(r)
		case r == '\'' || r == '"':
			quote, inWord = r, true
		case r == '#' && !inWord:
			endCommand()
			return commands
		case r == ' ' || r == '\t':
			endWord()
		case r == '|' || r == '&' || r == ';':
			endCommand()
		case r == '<' || r == '>':
			endWord()
			redirected = true
		default:
			word.WriteRune(r)
			inWord = true
		}
	}
	endCommand()
	return commands
}

func TestOurs(t *testing.T) {
	for _, tc := range []struct {
		line string
		want [][]string
	}{
		{`teamsdlp scan`, [][]string{{"scan"}}},
		{`go run ./cmd/teamsdlp demo   # all of it; teamsdlp serve`, [][]string{{"demo"}}},
		{`echo 'a | teamsdlp x' | teamsdlp scan --rules rules > out`, [][]string{{"scan", "--rules", "rules"}}},
		{`A=b sudo -u teamsdlp /usr/local/bin/teamsdlp check --online && teamsdlp version`, [][]string{{"check", "--online"}, {"version"}}},
		{`ExecStart=/usr/local/bin/teamsdlp serve --config "a b"`, [][]string{{"serve", "--config", "a b"}}},
		{`teamsdlp rules schema >rules.json`, [][]string{{"rules", "schema"}}},

		{`sudo install -o teamsdlp bin/teamsdlp /usr/local/bin/teamsdlp`, nil},
		{`sudo useradd --system teamsdlp`, nil},
		{`journalctl -u teamsdlp | grep teamsdlp`, nil},
		{`# teamsdlp serve`, nil},
		{`   0.61s  teamsdlp  block`, nil},
		{``, nil},
	} {
		if d := cmp.Diff(tc.want, ours(tc.line)); d != "" {
			t.Errorf("%s:\n%s", tc.line, d)
		}
	}
}

// newReadmeParser is the parser of run, but that files need not exist.
func newReadmeParser(t *testing.T) *kong.Kong {
	t.Helper()
	p, err := kong.New(&cli{}, kong.Name("teamsdlp"), kong.Bind(&env{}), kong.Exit(func(int) {}),
		kong.NamedMapper("existingfile", kong.MapperFunc(func(ctx *kong.DecodeContext, target reflect.Value) error {
			return ctx.Scan.PopValueInto("file", target.Addr().Interface())
		})))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestParserOfTheReadmeRefuses(t *testing.T) {
	for _, args := range [][]string{{"sever"}, {"serve", "--no-such-flag"}, {"actions", "show"}, {"inspect", "file"}, {"demo", "--blocked-body", "gone"}} {
		if _, err := newReadmeParser(t).Parse(args); err == nil {
			t.Errorf("%q parses", args)
		}
	}
}

// TestReadmeCommands: every command of ours in a code block, and every one in the
// running text that begins with our name, is one that the program takes.
func TestReadmeCommands(t *testing.T) {
	inline := regexp.MustCompile("`(teamsdlp [^`]+)`")
	for _, name := range readmes {
		p, n := readPage(t, name), 0
		parse := func(at string, args []string) {
			n++
			if _, err := newReadmeParser(t).Parse(args); err != nil {
				t.Errorf("%s: teamsdlp %s: %v", at, strings.Join(args, " "), err)
			}
		}
		for _, b := range p.blocks {
			if b.lang == "text" { // what a command prints
				continue
			}
			for i, line := range b.lines {
				for _, args := range ours(line) {
					parse(name+":"+strconv.Itoa(b.line+i), args)
				}
			}
		}
		for _, m := range inline.FindAllStringSubmatch(p.prose, -1) {
			for _, args := range ours(m[1]) {
				parse(name, args)
			}
		}
		if n == 0 {
			t.Errorf("%s: no command was found", name)
		}
	}
}

// TestHelp: every command says what it is for and ends its help with examples, each
// on a line of its own that can be copied and that the program takes. No default is
// hidden behind a placeholder.
func TestHelp(t *testing.T) {
	for _, leaf := range newReadmeParser(t).Model.Leaves(true) {
		_, examples, ok := strings.Cut("\n"+leaf.Detail, "\nExample:\n")
		if !ok {
			t.Errorf("%s: no example", leaf.FullPath())
			continue
		}
		own := false
		for _, line := range strings.Split(examples, "\n") {
			if !strings.HasPrefix(line, "  ") {
				t.Errorf("%s: the line %q of the examples is not indented: it would be wrapped", leaf.FullPath(), line)
			}
			for _, args := range ours(strings.TrimSpace(line)) {
				own = own || strings.HasPrefix("teamsdlp "+strings.Join(args, " "), leaf.FullPath())
				if _, err := newReadmeParser(t).Parse(args); err != nil {
					t.Errorf("%s: example %q: %v", leaf.FullPath(), args, err)
				}
			}
		}
		if !own {
			t.Errorf("%s: no example of it", leaf.FullPath())
		}
		for _, flag := range leaf.Flags {
			if flag.HasDefault && flag.PlaceHolder != "" && !strings.Contains(flag.Help, flag.Default) {
				t.Errorf("%s --%s: its default %q is not said", leaf.FullPath(), flag.Name, flag.Default)
			}
		}
	}
}

// TestReadmeKnowsEveryCommand: the table of commands has all of them.
func TestReadmeKnowsEveryCommand(t *testing.T) {
	table := readPage(t, "README.md").section(t, "## Commands")
	for _, leaf := range newReadmeParser(t).Model.Leaves(true) {
		if command := leaf.FullPath(); !strings.Contains(table, "| `"+command+" ") && !strings.Contains(table, "| `"+command+"`") {
			t.Errorf("the table of commands lacks %s", command)
		}
	}
}

// TestReadmeLinks: every file that a page links to or shows is there, and so is
// the heading of it.
func TestReadmeLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)\s]+)\)`)
	for _, name := range pages(t) {
		p := readPage(t, name)
		for _, m := range link.FindAllStringSubmatch(p.prose, -1) {
			target, heading, _ := strings.Cut(m[1], "#")
			if strings.HasPrefix(target, "https://") {
				continue
			}
			at := name
			if target != "" {
				at = path.Join(path.Dir(name), target)
			}
			if _, err := os.Stat(filepath.Join(root, at)); err != nil {
				t.Errorf("%s links to %s: %v", name, m[1], err)
			} else if heading != "" && !slices.Contains(readPage(t, at).anchors(), heading) {
				t.Errorf("%s links to %s: %s has no such heading", name, m[1], at)
			}
		}
	}
	for _, want := range []string{"actions/review/desk.png", "policy/rulefile/README.md", "test/graphtwin/README.md", "config/example.yaml"} {
		if !strings.Contains(readPage(t, "README.md").prose, "]("+want+")") {
			t.Errorf("README.md does not link to %s", want)
		}
	}
}

// pages are all pages of the repository.
func pages(t *testing.T) (names []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(at string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || at != root && strings.HasPrefix(d.Name(), ".")):
			return fs.SkipDir
		case strings.HasSuffix(at, ".md"):
			name, err := filepath.Rel(root, at)
			names = append(names, filepath.ToSlash(name))
			return err
		}
		return nil
	})
	if err != nil || len(names) < len(readmes) {
		t.Fatalf("pages: %q, %v", names, err)
	}
	return names
}

// anchors are the names by which links find the page's headings.
func (p page) anchors() (list []string) {
	for _, m := range regexp.MustCompile(`(?m)^#+ (.*)$`).FindAllStringSubmatch(p.prose, -1) {
		list = append(list, strings.Map(func(r rune) rune {
			switch {
			case r == ' ':
				return '-'
			case unicode.IsLetter(r), unicode.IsDigit(r), r == '-', r == '_':
				return unicode.ToLower(r)
			}
			return -1
		}, m[1]))
	}
	return list
}

// TestReadmePromises: each of the eleven promises names tests, and each of them
// is in the folder named, as a function that go test runs.
func TestReadmePromises(t *testing.T) {
	row := regexp.MustCompile(`(?m)^\| (P\d+) \| [^|]+ \| ([^|]+) \|`)
	named := regexp.MustCompile("`([a-z/]+)\\.([A-Za-z0-9_]+)`")
	var got []string
	for _, m := range row.FindAllStringSubmatch(readPage(t, "README.md").section(t, "## Promises"), -1) {
		got = append(got, m[1])
		tests := named.FindAllStringSubmatch(m[2], -1)
		if len(tests) == 0 || len(tests) != len(strings.Fields(m[2])) {
			t.Errorf("%s: want tests as `folder.TestName` and nothing else: %s", m[1], m[2])
		}
		for _, test := range tests {
			if !hasTest(t, test[1], test[2]) {
				t.Errorf("%s: there is no %s in %s", m[1], test[2], test[1])
			}
		}
	}
	want := []string{"P1", "P2", "P3", "P4", "P5", "P6", "P7", "P8", "P9", "P10", "P11"}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("promises:\n%s", d)
	}
}

// TestThreats: every row of the receiver's threats names tests that are there.
func TestThreats(t *testing.T) {
	row := regexp.MustCompile(`(?m)^\| ([^|]+) \| ([^|]+) \| ([^|]+) \|$`)
	named := regexp.MustCompile("`([a-z/]+)\\.([A-Za-z0-9_]+)`")
	rows := row.FindAllStringSubmatch(readPage(t, "webhook/README.md").section(t, "## Threats"), -1)
	if len(rows) < 20 {
		t.Errorf("%d rows", len(rows))
	}
	for _, m := range rows[1:] {
		tests := named.FindAllStringSubmatch(m[3], -1)
		if len(tests) == 0 || len(tests) != len(strings.Fields(m[3])) {
			t.Errorf("%s: want tests as `folder.TestName` and nothing else: %s", m[1], m[3])
		}
		for _, test := range tests {
			if !hasTest(t, test[1], test[2]) {
				t.Errorf("%s: there is no %s in %s", m[1], test[2], test[1])
			}
		}
	}
}

// TestReasonsAreProved: each reason for which the receiver refuses is named by a
// test of it.
func TestReasonsAreProved(t *testing.T) {
	source, err := os.ReadFile(filepath.Join(root, "webhook", "reason.go"))
	if err != nil {
		t.Fatal(err)
	}
	reasons := regexp.MustCompile(`(?m)^\t(Reason[A-Za-z]+) +Reason = `).FindAllStringSubmatch(string(source), -1)
	if len(reasons) < 30 {
		t.Fatalf("%d reasons", len(reasons))
	}
	var tests strings.Builder
	files, err := filepath.Glob(filepath.Join(root, "webhook", "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		tests.Write(data)
	}
	for _, r := range reasons {
		if !regexp.MustCompile(r[1] + `\b`).MatchString(tests.String()) {
			t.Errorf("no test of the webhook names %s", r[1])
		}
	}
}

func hasTest(t *testing.T, folder, name string) bool {
	t.Helper()
	if !strings.HasPrefix(name, "Test") && !strings.HasPrefix(name, "Fuzz") {
		return false
	}
	files, err := filepath.Glob(filepath.Join(root, folder, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	return slices.ContainsFunc(files, func(file string) bool {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		return strings.Contains(string(data), "\nfunc "+name+"(t *testing.T) {") || strings.Contains(string(data), "\nfunc "+name+"(f *testing.F) {")
	})
}

func TestHasTest(t *testing.T) {
	for _, tc := range []struct {
		folder, name string
		want         bool
	}{
		{"cmd/teamsdlp", "TestHasTest", true},
		{"cmd/teamsdlp", "TestHasTes", false},
		{"cmd/teamsdlp", "readPage", false},
		{"cmd", "TestHasTest", false},
		{"no/such/folder", "TestHasTest", false},
	} {
		if got := hasTest(t, tc.folder, tc.name); got != tc.want {
			t.Errorf("%s in %s: %v", tc.name, tc.folder, got)
		}
	}
}

// TestReadmeDependencies: the table holds the modules that our code imports, in
// order, each with a reason; and those are required by go.mod.
func TestReadmeDependencies(t *testing.T) {
	row := regexp.MustCompile("(?m)^\\| `([^`]+\\.[^`]+/[^`]+)` \\| +(\\S.*) \\|$")
	var got []string
	for _, m := range row.FindAllStringSubmatch(readPage(t, "README.md").section(t, "## Dependencies"), -1) {
		got = append(got, m[1])
	}
	if d := cmp.Diff(directModules(t), got); d != "" {
		t.Errorf("the dependency table does not hold what is imported (-imported +table):\n%s", d)
	}
}

// directModules are the required modules of which a package is imported by any
// of our files, tests and other platforms included, sorted.
func directModules(t *testing.T) []string {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	mod, err := modfile.Parse("go.mod", data, nil)
	if err != nil {
		t.Fatal(err)
	}
	used := map[string]bool{}
	for _, pkg := range imports(t) {
		if first, _, _ := strings.Cut(pkg, "/"); !strings.Contains(first, ".") {
			continue // the standard library, or ours
		}
		best := ""
		for _, r := range mod.Require {
			if p := r.Mod.Path; (pkg == p || strings.HasPrefix(pkg, p+"/")) && len(p) > len(best) {
				best = p
			}
		}
		if best == "" {
			t.Errorf("go.mod does not require the module of %s", pkg)
			continue
		}
		used[best] = true
	}
	var list []string
	for _, r := range mod.Require {
		if used[r.Mod.Path] {
			list = append(list, r.Mod.Path)
		}
	}
	slices.Sort(list)
	return list
}

// imports are the packages that our files import.
func imports(t *testing.T) []string {
	t.Helper()
	seen := map[string]bool{}
	err := filepath.WalkDir(root, func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && file != root && (strings.HasPrefix(d.Name(), ".") || d.Name() == "testdata"):
			return fs.SkipDir
		case d.IsDir() || path.Ext(file) != ".go":
			return nil
		}
		f, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		for _, s := range f.Imports {
			p, err := strconv.Unquote(s.Path.Value)
			if err != nil {
				return err
			}
			seen[p] = true
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for p := range seen {
		list = append(list, p)
	}
	return list
}

// yaml returns the page's only YAML block, without its indentation in a list.
func (p page) yaml(t *testing.T) string {
	t.Helper()
	at := slices.IndexFunc(p.blocks, func(b block) bool { return b.lang == "yaml" })
	if at < 0 || slices.ContainsFunc(p.blocks[at+1:], func(b block) bool { return b.lang == "yaml" }) {
		t.Fatalf("%s: want one block of YAML", p.name)
	}
	lines := p.blocks[at].lines
	indent := lines[0][:len(lines[0])-len(strings.TrimLeft(lines[0], " "))]
	var out strings.Builder
	for _, l := range lines {
		out.WriteString(strings.TrimPrefix(l, indent) + "\n")
	}
	return out.String()
}

// TestReadmeConfiguration: the configuration for a first tenant loads, once the
// files that it names are there.
func TestReadmeConfiguration(t *testing.T) {
	dir := t.TempDir()
	text := readPage(t, "README.md").yaml(t)
	for _, name := range []string{"tls/fullchain.pem", "tls/privkey.pem", "keys/graph.pem"} {
		if !strings.Contains(text, name) {
			t.Errorf("the configuration does not name %s", name)
		}
		if err := os.MkdirAll(filepath.Join(dir, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "teamsdlp.yaml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := config.Load(file, func(string) string { return "" }); err != nil {
		t.Error(err)
	}
}

// TestReadmeRules: the example of the rules' page loads, its tests pass, and the
// page names every validator and every code of lint.
func TestReadmeRules(t *testing.T) {
	p := readPage(t, "policy/rulefile/README.md")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "payments.yaml"), []byte(p.yaml(t)), 0o600); err != nil {
		t.Fatal(err)
	}
	set, _, err := rulefile.Load(dir, rulefile.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(set.Rules) != 1 {
		t.Errorf("%d rules", len(set.Rules))
	}
	own := map[string]bool{}
	for _, d := range detect.Builtin() {
		own[d.Validate], own[d.ID] = true, true // of uk-utr the check is told of, not asked for
	}
	var names []string
	for _, v := range detect.Validators() {
		if !own[v] { // the page says that a detector's check goes by the detector's id
			names = append(names, v)
		}
	}
	source, err := os.ReadFile(filepath.Join(root, "policy/rulefile/lint.go"))
	if err != nil {
		t.Fatal(err)
	}
	codes := regexp.MustCompile(`l\.add\("([a-z-]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(codes) == 0 {
		t.Error("no lint code was found")
	}
	for _, m := range codes {
		names = append(names, m[1])
	}
	for _, name := range names {
		if !strings.Contains(p.prose, "`"+name+"`") {
			t.Errorf("the page does not name %s", name)
		}
	}
}

// TestReadmeExact: the example of exact data, forms and lists loads, once the files
// that it names are there, and finds what it says.
func TestReadmeExact(t *testing.T) {
	p := readPage(t, "policy/rulefile/README.md")
	at := slices.IndexFunc(p.blocks, func(b block) bool { return b.lang == "yml" })
	if at < 0 {
		t.Fatal("there is no example")
	}
	dir := t.TempDir()
	form, err := os.ReadFile(filepath.Join(root, "policy/rulefile/testdata/full/forms/claim.txt"))
	if err != nil {
		t.Fatal(err)
	}
	putFile(t, dir+"/rules/r.yaml", strings.Join(p.blocks[at].lines, "\n")+"\n")
	putFile(t, dir+"/rules/forms/claim.txt", string(form))
	putFile(t, dir+"/rules/lists/suppliers.txt", "# suppliers\nFabrikam Paper\n")
	putFile(t, dir+"/rules/tables/.keep", "")
	putFile(t, dir+"/keys/.keep", "")
	putFile(t, dir+"/customers.csv", "customer_no,last name,email\n00000042,Testperson,t@contoso.test\n")
	commands := 0
	for _, b := range p.blocks {
		for _, line := range b.lines {
			for _, args := range ours(line) {
				if b.lang != "sh" || args[0] != "edm" {
					continue
				}
				commands++
				for i, a := range args {
					if strings.Contains(a, "/") || strings.HasSuffix(a, ".csv") {
						args[i] = dir + "/" + a
					}
				}
				var out bytes.Buffer
				e := &env{t.Context(), func(string) string { return "" }, strings.NewReader(""), &out, &out}
				if code := run(e, args); code != 0 {
					t.Errorf("%q: exit %d, %s", args, code, &out)
				}
			}
		}
	}
	if commands != 3 {
		t.Errorf("%d commands of edm", commands)
	}
	for text, want := range map[string]string{
		"00000042 is t@contoso.test":  "customer-record",
		"ask Fabrikam  paper for it":  "suppliers",
		string(form):                  "claim-form",
		"00000042 is x@contoso.test?": "none",
	} {
		_, out, errs := ran(t, dir, text, "scan --rules {dir}/rules")
		if matched := strings.Contains(out, "rule customer-data (shadow): matched"); matched != (want != "none") || matched && !strings.Contains(out, want) {
			t.Errorf("%.30q: want %s in %s%s", text, want, out, errs)
		}
	}
}

// TestReadmeMetrics: every figure that README.md names is one that we make, and each
// that we make is in it, or of several nodes in the page on Redis.
func TestReadmeMetrics(t *testing.T) {
	source, err := os.ReadFile("metrics.go")
	if err != nil {
		t.Fatal(err)
	}
	prose := readPage(t, "README.md").prose + readPage(t, "cmd/internal/redis/README.md").prose
	names := regexp.MustCompile(`teamsdlp_([a-z_]+)`).FindAllStringSubmatch(prose, -1)
	if len(names) == 0 {
		t.Error("no metric was found")
	}
	for _, m := range names {
		if !strings.Contains(string(source), strconv.Quote(m[1])) {
			t.Errorf("metrics.go makes no %s", m[0])
		}
	}
	made := regexp.MustCompile(`(?:counter|seconds|gauge)\("([a-z_]+)"|Name: "([a-z_]+)"`).FindAllStringSubmatch(string(source), -1)
	if len(made) < 30 {
		t.Errorf("only %d figures were found in metrics.go", len(made))
	}
	for _, m := range made {
		if name := m[1] + m[2]; !regexp.MustCompile("(?:teamsdlp_|`)" + name + `\b`).MatchString(prose) {
			t.Errorf("no README names %s", name)
		}
	}
}
