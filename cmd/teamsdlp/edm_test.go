package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// ran runs a command line; a word {dir} stands for dir.
func ran(t *testing.T, dir, stdin, line string, args ...any) (code int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	e := &env{context.Background(), func(string) string { return "" }, strings.NewReader(stdin), &stdout, &stderr}
	words := strings.Fields(strings.ReplaceAll(line, "{dir}", dir))
	for i := range words {
		words[i] = strings.ReplaceAll(words[i], "~", " ")
	}
	code = run(e, append(words, strs(args)...))
	clean := strings.NewReplacer(dir+"/", "", dir, ".")
	return code, clean.Replace(stdout.String()), clean.Replace(stderr.String())
}

func strs(args []any) (list []string) {
	for _, a := range args {
		list = append(list, fmt.Sprint(a))
	}
	return list
}

func putFile(t *testing.T, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

const (
	recordsCSV = `customer_no,last name,email
10442817,Muster,anna.muster@contoso.test
20917744,"van der Berg, née O'Neil",zoe@contoso.test
`
	recordRules = `detectors:
  - id: customer-record
    name: Customer record
    family: person
    exact: {table: tables/customers.edm, key: "file:../keys/edm.key", corroborate: {columns: [last name, email], within: 200}}
    tests:
      match: ["10442817 is Muster"]
      no_match: ["10442817", "Muster, anna.muster@contoso.test"]
rules:
  - id: customer-data
    title: Customer data
    mode: enforce
    when: {detect: customer-record, confidence: high}
    action: block
    tip: {text: This looks like a customer's record.}
    tests: {match: ["customer 10442817, Muster"], no_match: ["customer 10442817"]}
`
)

// From a CSV file to a blocked message, through the commands that people use.
func TestEDM(t *testing.T) {
	dir := t.TempDir()
	putFile(t, dir+"/rules/r.yaml", recordRules)
	putFile(t, dir+"/rules/tables/.keep", "")
	putFile(t, dir+"/keys/.keep", "")
	putFile(t, dir+"/data/customers.csv", recordsCSV)
	const build = "edm build {dir}/data/customers.csv --key {dir}/keys/edm.key --primary customer_no=digits --column last~name=text --column email=email -o {dir}/rules/tables/customers.edm"

	if code, _, errs := ran(t, dir, "", build); code != 2 || !strings.Contains(errs, "keys/edm.key: no such file") {
		t.Errorf("without a key: exit %d, %s", code, errs)
	}
	code, out, errs := ran(t, dir, "", "edm key {dir}/keys/edm.key")
	if code != 0 || !strings.HasPrefix(out, "wrote keys/edm.key  key ") || errs != "" {
		t.Fatalf("edm key: exit %d, %s%s", code, out, errs)
	}
	id := strings.TrimSuffix(strings.TrimPrefix(out, "wrote keys/edm.key  key "), ": secret\n")
	if info, err := os.Stat(dir + "/keys/edm.key"); err != nil || info.Mode() != 0o600 {
		t.Errorf("the key's mode: %v, %v", info.Mode(), err)
	}
	if code, _, _ := ran(t, dir, "", "edm key {dir}/keys/edm.key"); code != 2 {
		t.Errorf("a key is written over another: exit %d", code)
	}

	code, out, errs = ran(t, dir, "", "rules lint --rules {dir}/rules")
	if code != 1 || !strings.Contains(out, "rules/r.yaml:5:20: table tables/customers.edm: no such file or directory") {
		t.Errorf("rules without their table: exit %d, %s%s", code, out, errs)
	}
	code, out, errs = ran(t, dir, "", build)
	if want := "rules/tables/customers.edm: 2 of 2 rows, 2 different values; key " + id + "\n"; code != 0 || out != want || !strings.HasPrefix(errs, "note: there are so few numbers") {
		t.Fatalf("edm build: exit %d, %q, want %q; %s", code, out, want, errs)
	}
	for _, mode := range []os.FileMode{0o640, 0o604} { // of a new one, and of one that is replaced
		if info, err := os.Stat(dir + "/rules/tables/customers.edm"); err != nil || info.Mode() != mode {
			t.Errorf("the table's mode: %v, %v; want %v", info.Mode(), err, mode)
		}
		if err := os.Chmod(dir+"/rules/tables/customers.edm", 0o604); err != nil {
			t.Fatal(err)
		}
		if code, _, errs := ran(t, dir, "", build); code != 0 {
			t.Fatalf("edm build again: exit %d, %s", code, errs)
		}
	}
	table, err := os.ReadFile(dir + "/rules/tables/customers.edm")
	if err != nil {
		t.Fatal(err)
	}
	key, err := os.ReadFile(dir + "/keys/edm.key")
	if err != nil {
		t.Fatal(err)
	}
	for _, value := range []string{"Muster", "muster", "10442817", "zoe", string(bytes.TrimSpace(key))} {
		if bytes.Contains(table, []byte(value)) {
			t.Error("the table holds a value, or the key")
		}
	}

	code, out, errs = ran(t, dir, "", "edm show {dir}/rules/tables/customers.edm --key {dir}/keys/edm.key --json")
	var shown edmShown
	if err := json.Unmarshal([]byte(out), &shown); err != nil {
		t.Fatalf("%s%s: %v", out, errs, err)
	}
	want := edmShown{Table: "rules/tables/customers.edm", Built: shown.Built, KeyID: id, Key: "checked", Rows: 2, Bytes: len(table),
		Columns: []edmColumn{{"customer_no", "digits", "primary"}, {"last name", "text", "corroborates"}, {"email", "email", "corroborates"}}}
	if diff := cmp.Diff(want, shown); diff != "" || code != 0 || time.Since(shown.Built) > time.Hour {
		t.Errorf("edm show: exit %d (-want +got):\n%s", code, diff)
	}

	if code, out, errs := ran(t, dir, "", "rules test --rules {dir}/rules"); code != 0 || !strings.HasPrefix(out, "5 tests, 5 passed") {
		t.Errorf("rules test: exit %d, %s%s", code, out, errs)
	}
	if code, out, errs := ran(t, dir, "", "rules lint --rules {dir}/rules"); code != 0 {
		t.Errorf("rules lint: exit %d, %s%s", code, out, errs)
	}
	code, out, _ = ran(t, dir, "", "rules show customer-record --rules {dir}/rules")
	for _, line := range []string{"exact", "2 rows by customer_no (digits)", "last name (text), email (email); at least 1 within 200 characters", id} {
		if code != 0 || !strings.Contains(out, line) {
			t.Errorf("rules show: exit %d, no %q in\n%s", code, line, out)
		}
	}

	for _, tc := range []struct {
		text string
		code int
		want []string
	}{
		{"for 1044-2817 (MUSTER) please", 1, []string{`{"detector":"customer-record","family":"person","confidence":"high","level":85,"start":4,"end":13,"masked":"••••••17"}`, `"verdict":"block"`,
			"customer-record found 1 (1 distinct), up to high"}},
		{"zoe@contoso.test is 20917744", 1, []string{`"detector":"customer-record"`, `"masked":"••••••44"`, `"verdict":"block"`}},
		{"for 10442817 please", 0, []string{`"verdict":"none"`, "customer-record did not occur"}},
		{"20917744 Muster", 0, []string{`"verdict":"none"`}},
	} {
		code, out, errs := ran(t, dir, tc.text, "scan --json --rules {dir}/rules")
		for _, want := range tc.want {
			if code != tc.code || !strings.Contains(out, want) {
				t.Errorf("scan %q: exit %d, no %s in %s%s", tc.text, code, want, out, errs)
			}
		}
		if reason := strings.ToLower(out[strings.Index(out, `"rules"`):]); strings.Contains(reason, "muster") || strings.Contains(reason, "zoe") || strings.Contains(reason, "1044") {
			t.Errorf("scan %q: a value is printed: %s", tc.text, out)
		}
	}
}

// What a build leaves out is said by row; --strict then writes nothing, and a table
// that is there stays.
func TestEDMBuildLosses(t *testing.T) {
	dir := t.TempDir()
	csv := "no;name\n10442817;Anna Muster\n;Li Wei\n123;Li Wei\nn/a;x\n10442817;anna muster\n30000001;x\n"
	putFile(t, dir+"/c.csv", csv)
	putFile(t, dir+"/keys/edm.key", strings.Repeat("0123456789abcdef", 4))
	putFile(t, dir+"/t.edm", "the table of before")
	const build = "edm build {dir}/c.csv --key {dir}/keys/edm.key --primary no=digits --column name=text --delimiter ; -o {dir}/t.edm"
	const said = `left out: 1 row (row 3): the primary cell is empty
left out: 1 row (row 4): the primary value has fewer than 5 letters and digits
left out: 1 row (row 5): the primary cell holds no value of its kind, or too long a one
left out: 1 row (row 6): another row says the same
left out: 1 row (row 7): kept without a cell: it has fewer than 2 letters or digits, or no value of its kind
`
	code, out, errs := ran(t, dir, "", build+" --strict")
	if out != "" || !strings.HasPrefix(errs, said) || code != 1 || !strings.Contains(errs, "4 rows or cells would be left out: nothing was written") {
		t.Errorf("--strict: exit %d\n%s", code, errs)
	}
	if got, err := os.ReadFile(dir + "/t.edm"); err != nil || string(got) != "the table of before" {
		t.Errorf("--strict: the table of before is %q, %v", got, err)
	}
	code, out, errs = ran(t, dir, "", build)
	if code != 0 || !strings.HasPrefix(out, "t.edm: 2 of 6 rows, 2 different values; key ") || !strings.HasPrefix(errs, said) {
		t.Errorf("exit %d, %s%s", code, out, errs)
	}
	code, out, _ = ran(t, dir, csv, strings.Replace(build, "{dir}/c.csv", "-", 1)+" --json")
	var report edmReport
	if err := json.Unmarshal([]byte(out), &report); err != nil || code != 0 {
		t.Fatalf("exit %d, %s: %v", code, out, err)
	}
	if report.Rows != 6 || report.Kept != 2 || len(report.LeftOut) != 5 || !report.Guessable {
		t.Errorf("%+v", report)
	}
	left, err := filepath.Glob(dir + "/.edm-*")
	if err != nil || left != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

func TestEDMRefuses(t *testing.T) {
	dir := t.TempDir()
	putFile(t, dir+"/c.csv", recordsCSV)
	putFile(t, dir+"/ragged.csv", recordsCSV+"4111111111111111,x\n")
	putFile(t, dir+"/bare.csv", "4111111111111111\n4111111111111111\n")
	putFile(t, dir+"/edm.key", strings.Repeat("0123456789abcdef", 4)+"\n")
	putFile(t, dir+"/other.key", strings.Repeat("fedcba9876543210", 4)+"\n")
	putFile(t, dir+"/no.key", "4111111111111111")
	putFile(t, dir+"/big.key", strings.Repeat("a", 5000))
	putFile(t, dir+"/open.key", strings.Repeat("0123456789abcdef", 4)+"\n")
	if err := os.Chmod(dir+"/open.key", 0o644); err != nil {
		t.Fatal(err)
	}
	socket, err := net.Listen("unix", dir+"/socket")
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	const rest = " --key {dir}/edm.key --primary customer_no=digits -o {dir}/sub/t.edm"
	putFile(t, dir+"/sub/x", "")
	for _, tc := range []struct {
		line string
		code int
		want string
	}{
		{"edm build {dir}/c.csv" + rest, 0, "sub/t.edm: 2 of 2 rows"},
		{"edm build {dir}/c.csv --key {dir}/open.key --primary email=email -o {dir}/t.edm", 0, "warning: others than its owner can read open.key"},
		{"edm build {dir}/c.csv --key {dir}/edm.key --primary email=email -o {dir}/t.edm", 0, "warning: the table is written beside its key"},
		{"edm build {dir}/none.csv" + rest, 2, "none.csv: no such file"},
		{"edm build {dir}/ragged.csv" + rest, 2, "ragged.csv: row 4: the row has not as many columns as the header"},
		{"edm build {dir}/bare.csv" + rest, 2, `bare.csv: row 1: no column is named "customer_no"; the row has 1 columns`},
		{"edm build {dir}/c.csv --key {dir}/edm.key --primary customer_no -o {dir}/t.edm", 2, `--primary "customer_no": want the column's name and its kind, as customer_no=digits`},
		{"edm build {dir}/c.csv --key {dir}/edm.key --primary customer_no=number -o {dir}/t.edm", 2, "the kind of a column is one of digits, text, email, verbatim"},
		{"edm build {dir}/c.csv" + rest + " --column email", 2, "--column \"email\": want"},
		{"edm build {dir}/c.csv" + rest + " --column customer_no=text", 2, `column "customer_no" is named twice`},
		{"edm build {dir}/c.csv" + rest + " --delimiter ;;", 2, `--delimiter ";;": want one character, or tab`},
		{"edm build {dir}/c.csv" + rest + " --delimiter tab", 2, "the row has 1 columns: is the delimiter ,?"},
		{"edm build {dir}/c.csv" + rest + " --min-length 2", 2, "would match by chance"},
		{"edm build {dir}/c.csv" + rest + " --min-length 0", 2, "would match by chance"},
		{"edm build {dir}/c.csv --key {dir}/edm.key --primary email=email -o {dir}/socket", 2, "socket is there and is not a file: it is not replaced"},
		{"edm build {dir}/c.csv --key {dir}/edm.key --primary email=email -o {dir}/sub", 2, "sub is there and is not a file"},
		{"edm build {dir}/c.csv" + rest + " --min-length 20", 2, "left out: 2 rows (row 2, 3): the primary value has fewer than 20"},
		{"edm build {dir}/c.csv --key {dir}/no.key --primary a=digits -o {dir}/t.edm", 2, "no.key: not a key for exact data: it holds 16 bytes"},
		{"edm build {dir}/c.csv --key {dir}/big.key --primary a=digits -o {dir}/t.edm", 2, "big.key: not a key for exact data"},
		{"edm build {dir}/c.csv --key {dir}/not-there --primary a=digits -o {dir}/t.edm", 2, "not-there: no such file or directory (teamsdlp edm key makes one)"},
		{"edm build {dir}/c.csv --key {dir} --primary a=digits -o {dir}/t.edm", 2, "not a key for exact data"},
		{"edm build {dir}/c.csv --key {dir}/edm.key --primary customer_no=digits -o {dir}/none/t.edm", 2, "writing into the folder none: no such file or directory"},
		{"edm build {dir}/c.csv --primary customer_no=digits -o {dir}/t.edm", 2, "missing flags: --key"},
		{"edm show {dir}/sub/t.edm", 0, "not checked"},
		{"edm show {dir}/sub/t.edm --key {dir}/other.key", 1, "sub/t.edm: built with key "},
		{"edm show {dir}/sub/t.edm --key {dir}/no.key", 2, "not a key for exact data"},
		{"edm show {dir}/c.csv", 1, "c.csv: not a table of exact data"},
		{"edm show {dir}/none", 2, "no such file"},
		{"edm build --help", 0, "a salt would not change"},
		{"edm key --help", 0, "\n    teamsdlp edm key"},
		{"edm show --help", 0, "\n    teamsdlp edm show"},
	} {
		code, out, errs := ran(t, dir, "", tc.line)
		if code != tc.code || !strings.Contains(out+errs, tc.want) {
			t.Errorf("%s: exit %d, want %d; no %q in\n%s%s", tc.line, code, tc.code, tc.want, out, errs)
		}
		if strings.Contains(out+errs, "4111") {
			t.Errorf("%s: a value is printed: %s%s", tc.line, out, errs)
		}
	}
}

// A build that is stopped leaves nothing behind.
func TestEDMBuildStopped(t *testing.T) {
	dir := t.TempDir()
	putFile(t, dir+"/keys/edm.key", strings.Repeat("0123456789abcdef", 4))
	putFile(t, dir+"/c.csv", recordsCSV)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	var out bytes.Buffer
	e := &env{ctx, func(string) string { return "" }, strings.NewReader(""), &out, &out}
	code := run(e, []string{"edm", "build", dir + "/c.csv", "--key", dir + "/keys/edm.key", "--primary", "email=email", "-o", dir + "/t.edm"})
	if code != 2 || !strings.Contains(out.String(), "context canceled") {
		t.Errorf("exit %d, %s", code, &out)
	}
	left, err := filepath.Glob(dir + "/*.edm*")
	if err != nil || left != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
	if left, err = filepath.Glob(dir + "/.edm*"); err != nil || left != nil {
		t.Errorf("left behind: %v, %v", left, err)
	}
}

// A form, and a list from a file, through scan.
func TestScanForms(t *testing.T) {
	dir := t.TempDir()
	form, err := os.ReadFile(filepath.Join(root, "policy/rulefile/testdata/full/forms/claim.txt"))
	if err != nil {
		t.Fatal(err)
	}
	putFile(t, dir+"/rules/forms/claim.txt", string(form))
	putFile(t, dir+"/rules/lists/fish.txt", "trout\nsea bass\n")
	putFile(t, dir+"/rules/r.yaml", `detectors:
  - id: claim-form
    fingerprint: {file: forms/claim.txt, similarity: {medium: 50, high: 80}}
lists:
  - {id: fish, file: lists/fish.txt}
rules:
  - id: claims
    mode: enforce
    when: {any: [{detect: claim-form, confidence: high}, {list: fish}]}
    action: block
    tip: {text: A claim.}
    tests: {match: [sea bass], no_match: [bass]}
`)
	filled := strings.NewReplacer("______________  Date", "ANNA MUSTER  Date", "____/____/______", "12/03/1990", "..............", "030 5550123").Replace(string(form))
	for text, want := range map[string]string{
		filled:                  `"detector":"claim-form","family":"content","confidence":"high","level":85,"start":0,`,
		"a Sea  Bass, please":   `"verdict":"block"`,
		"a claim form, please?": `{"id":"-","matches":[],"verdict":"none"`,
	} {
		code, out, errs := ran(t, dir, text, "scan --json --rules {dir}/rules")
		if !strings.Contains(out, want) || strings.Contains(out, "MUSTER") || errs != "" {
			t.Errorf("%.30q: exit %d, no %s in %s%s", text, code, want, out, errs)
		}
	}
	if code, out, errs := ran(t, dir, "", "rules show claim-form --rules {dir}/rules"); code != 0 || !strings.Contains(out, "medium from 50 %, high from 80 %") {
		t.Errorf("rules show: exit %d, %s%s", code, out, errs)
	}
}
