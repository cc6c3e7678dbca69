package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const customerRule = `
detectors:
  - id: customer-record
    family: person
    exact: {table: customers.edm, key: "file:../keys/edm.key", corroborate: {columns: [name, mail]}}
rules:
  - id: customer-data
    title: Customer data
    owner: security@contoso.com
    severity: high
    mode: enforce
    when: {detect: customer-record}
    action: block
    tip: {text: A customer's record.}
    tests: {match: ["00000042 is Testperson"], no_match: ["00000042"]}
`

// The records of the test. No value but the made-up one for the rule's test may
// be written down anywhere but in the CSV file.
const (
	recordNo   = "7340" + "199228"
	recordName = "Hedwig Quillfeather"
	recordMail = "hq@quillfeather" + ".example"
	laterNo    = "7340" + "199317"
	laterName  = "Osric Bramblethorn"
)

// TestExactData: records become a table where they are; the running service finds
// them in messages, takes up a new table, keeps the last good one when a table or
// its key is wrong, and writes none of it down.
func TestExactData(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL())
	s.level = "debug"
	away := t.TempDir() // where the records are
	csv := filepath.Join(away, "customers.csv")
	key := filepath.Join(s.dir, "keys", "edm.key")
	table := filepath.Join(s.rules(), "customers.edm")
	build := func(keyFile string, records ...string) {
		t.Helper()
		text := "no,name,mail\n00000042,Testperson,test@contoso.com\n" + strings.Join(records, "\n") + "\n"
		if err := os.WriteFile(csv, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := run(t, "edm", "build", csv, "--key", keyFile, "--primary", "no=digits", "--column", "name=text", "--column", "mail=email", "-o", table)
		if code != 0 {
			t.Fatalf("edm build: exit %d, %s%s", code, out, errs)
		}
	}
	if code, out, errs := run(t, "edm", "key", key); code != 0 {
		t.Fatalf("edm key: exit %d, %s%s", code, out, errs)
	}
	first := recordNo + "," + recordName + "," + recordMail
	later := laterNo + "," + laterName + ","
	build(key, first)
	s.writeRule("customers.yaml", customerRule)
	s.up()

	seen := len(s.entries("kind=rules"))
	change := func(say string, do func()) {
		t.Helper()
		do()
		waitFor(t, "an entry that says "+say, func() bool { return len(s.entries("kind=rules")) > seen })
		if list := s.entries("kind=rules"); !strings.Contains(list[len(list)-1].Verdict, say) || len(list) != seen+1 {
			t.Errorf("entries %+v; want one, that says %q", list[seen:], say)
		}
		seen++
	}
	is := func(text string, want bool) {
		t.Helper()
		m := say(t, twin, "ana", "ana-li", text)
		s.settle(twin)
		if v := shown(t, twin, m); v.Blocked != want {
			t.Errorf("%q: blocked %v; want %v", text, v.Blocked, want)
		}
	}
	is("please call "+strings.ToUpper(recordName)+" about 7340-199.228", true)
	is(recordMail+" asks for "+recordNo, true)
	is("the number is "+recordNo, false)
	is(recordName+" will call", false)
	is(laterName+" "+laterNo, false)

	change("in force", func() { build(key, first, later) })
	is(laterName+" "+laterNo, true)

	change("refused with 1 fault:", func() {
		if err := os.Truncate(table, 200); err != nil {
			t.Fatal(err)
		}
	})
	s.says(t, `rules refused.*customers\.yaml:5:20: .*table customers\.edm: cut short within`)
	is(laterName+" again: "+laterNo, true)

	other := filepath.Join(away, "other.key")
	if code, out, errs := run(t, "edm", "key", other); code != 0 {
		t.Fatalf("edm key: exit %d, %s%s", code, out, errs)
	}
	change("refused with 1 fault:", func() { build(other, later) })
	s.says(t, `rules refused.*customers\.yaml:5:40: .*built with key [0-9a-f]{16}, and this is key`)
	is(recordName+" "+recordNo, true)

	s.settle(twin)
	list := needles(recordNo, recordName, recordMail, laterNo, laterName)
	found := leaks("standard error", []byte(s.stderr.String()), list)
	found = append(found, leaks("standard output", []byte(s.stdout.String()), list)...)
	_, out, _ := run(t, "actions", "list", "--data", s.data(), "--entries", "--json", "--all", "after=-1")
	found = append(found, leaks("actions list", []byte(out), list)...)
	for _, dir := range []string{s.data(), s.rules()} {
		for path, data := range filesUnder(t, dir) {
			found = append(found, leaks(path, data, list)...)
		}
	}
	if len(found) > 0 {
		t.Errorf("%d leaks:\n%s", len(found), strings.Join(found, "\n"))
	}
	if !strings.Contains(out, "customer-record") || !strings.Contains(out, "28") {
		t.Error("the log does not name the detector with a mask")
	}
}
