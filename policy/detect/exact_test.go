package detect

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy/extract"
	"teamsdlp/test/trial"
)

var (
	testKey  = mustKey(strings.Repeat("0123456789abcdef", 4))
	otherKey = mustKey(strings.Repeat("fedcba9876543210", 4))
	built    = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
)

func mustKey(s string) TableKey {
	k, err := ParseTableKey([]byte(s + "\n"))
	if err != nil {
		panic(err)
	}
	return k
}

// customers is a table of made-up people.
const customers = `customer_no,first name,last name,email,phone,contract
10442817,Anna,Muster,anna.muster@contoso.test,+49 170 5550123,AB-12/x9
10442818,Li,Wei,li.wei@fabrikam.test,030 5550 199,AB-13/x9
20917744,Zoë,"van der Berg, née O'Neil",Zoe@Contoso.Test,,"CD 14-7"
30000001,王,小明,ming@contoso.test,138 5550 0001,EF-1
`

func columns(spec string) (list []TableColumn) {
	for _, s := range strings.Split(spec, ",") {
		name, kind, _ := strings.Cut(s, "=")
		for i, k := range ColumnKinds {
			if k == kind {
				list = append(list, TableColumn{name, ColumnKind(i)})
			}
		}
	}
	return list
}

// tableOf builds a table of a CSV text by testKey. The first column is the primary
// one.
func tableOf(t testing.TB, text, spec string) *Table {
	t.Helper()
	c := columns(spec)
	var out bytes.Buffer
	if _, err := BuildTable(&out, strings.NewReader(text), TableOptions{Key: testKey, Primary: c[0], Others: c[1:], Built: built}); err != nil {
		t.Fatal(err)
	}
	table, err := ReadTable(out.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if table, err = table.Unlock(testKey); err != nil {
		t.Fatal(err)
	}
	return table
}

func exactEngine(t testing.TB, list ...Detector) *Engine {
	t.Helper()
	e, errs := New(list)
	if errs != nil {
		t.Fatal(errors.Join(errs...))
	}
	return e
}

const allColumns = "customer_no=digits,first name=text,last name=text,email=email,phone=digits,contract=verbatim"

func TestExact(t *testing.T) {
	table := tableOf(t, customers, allColumns)
	byName := tableOf(t, customers, "last name=text,email=email")
	byMail := tableOf(t, customers, "email=email")
	byCode := tableOf(t, strings.ReplaceAll(customers, "EF-1\n", "EF 1 a b\n"), "contract=verbatim")
	e := exactEngine(t,
		Detector{ID: "customer", Family: "person", Alone: Low, WithContext: High, Exact: &Exact{Table: table, AtLeast: 2}},
		Detector{ID: "named", Family: "person", WithContext: High, Exact: &Exact{Table: byName, Columns: []string{"email"}, Within: 30}},
		Detector{ID: "mail", Family: "person", WithContext: Medium, Exact: &Exact{Table: byMail}},
		Detector{ID: "contract", Family: "company", Alone: Medium, Exact: &Exact{Table: byCode}},
	)
	far := strings.Repeat("lorem ipsum ", 30)
	for _, tc := range []struct{ in, want string }{
		{"customer 10442817, Anna Muster", "customer 85 10442817 ••••••17"},
		{"customer 10442817", "customer 65 10442817 ••••••17"},
		{"customer 10442817, Anna", "customer 65 10442817 ••••••17"}, // one of two needed
		{"ANNA MUSTER: 1044-2817", "customer 85 1044-2817 ••••••17"},
		{"anna múster (104.428.17)", "customer 85 104.428.17 ••••••17"},
		{"Muster, Anna 10 44 28 17", "customer 85 10 44 28 17 ••••••17"},
		{"Anna Muster １０４４２８１７", "customer 85 10442817 ••••••17"},
		{"Anna Mus\u200bter 104\u200b42817", "customer 85 10442817 ••••••17"},
		{"10442817 Anna Annabel Musterova", "customer 65 10442817 ••••••17"},       // no whole words
		{"10442817 Li Wei", "customer 65 10442817 ••••••17"},                       // another's
		{"10442817 " + far + "Anna Muster", "customer 65 10442817 ••••••17"},       // too far
		{"Anna Muster " + far + " x 10442817", "customer 65 10442817 ••••••17"},    // too far before
		{"110442817 Anna Muster 104428170", ""},                                    // longer numbers
		{"1044281 7x Anna Muster", "customer 85 1044281 7 ••••••17"},               // a unit sticks to it
		{"104428\n17 Anna Muster", ""},                                             // over two lines
		{"20917744 zoe van der berg nee o'neil", "customer 85 20917744 ••••••44"},  // a name of several words
		{"20917744 Zoe; Van der Berg née O’Neil", "customer 85 20917744 ••••••44"}, // with other signs
		{"20917744 Zoe zoe@contoso.test.", "customer 85 20917744 ••••••44|mail 75 zoe@contoso.test z•••@contoso.test"},
		{"客户30000001王小明的", "customer 85 30000001 ••••••01"},
		{"10442817 EF-1, (AB-12/x9) +49 (170) 555-0123", "customer 85 10442817 ••••••17|contract 75 AB-12/x9 ••••••x9"},
		{"10442817 ab-12/x9 AB-12/X9", "customer 65 10442817 ••••••17"}, // verbatim keeps case
		{"see CD  14-7!", "contract 75 CD  14-7 ••••••7"},
		{"EF 1 a b", ""}, // more chunks than a value has
		{"Muster anna.muster@contoso.test", "named 85 Muster •••••r|mail 75 anna.muster@contoso.test a•••@contoso.test"},
		{"Muster and much of nothing: anna.muster@contoso.test", "mail 75 anna.muster@contoso.test a•••@contoso.test"},
		{"Wei li.wei@fabrikam.test", "mail 75 li.wei@fabrikam.test l•••@fabrikam.test"}, // Wei is too short a primary value
		{"mailto:LI.WEI@fabrikam.test?x", "mail 75 LI.WEI@fabrikam.test l•••@fabrikam.test"},
		{"xli.wei@fabrikam.test li.wei@fabrikam.test.evil li@wei@fabrikam.test", ""},
		{"", ""},
	} {
		text := extract.Plain(tc.in)
		var got []string
		for _, m := range e.Scan(text, Options{Only: map[string]bool{"customer": true, "named": true, "mail": true, "contract": true}}) {
			got = append(got, fmt.Sprintf("%s %d %s %s", m.Detector, m.Level, text.Bytes()[m.Start:m.End], m.Masked))
		}
		if diff := cmp.Diff(tc.want, strings.Join(got, "|")); diff != "" {
			t.Errorf("%q (-want +got):\n%s", tc.in, diff)
		}
	}
}

// A match says which columns speak for it, by name, and no value.
func TestExactWhy(t *testing.T) {
	e := exactEngine(t, Detector{ID: "customer", Family: "person", WithContext: High, Exact: &Exact{Table: tableOf(t, customers, allColumns), AtLeast: 2}})
	m, rejected := e.ScanExplain(extract.Plain("10442817 Anna Muster; 20917744"), Options{Only: map[string]bool{"customer": true}})
	if len(m) != 1 || m[0].Why != "a value of column customer_no; within 300 characters 2 of 5 other columns: first name, last name" {
		t.Errorf("%+v", m)
	}
	if m[0].Value.Reveal() != "10442817" {
		t.Error("the value is not the normalised one")
	}
	var gates []string
	for _, r := range rejected {
		if r.Detector == "customer" {
			gates = append(gates, r.Gate)
		}
	}
	if diff := cmp.Diff([]string{"too few of the other columns of its row are nearby"}, gates); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// No value reaches over two parts of a message, or two cells of a table; what
// corroborates it may stand in another.
func TestExactParts(t *testing.T) {
	e := exactEngine(t, Detector{ID: "customer", Family: "person", WithContext: High, Exact: &Exact{Table: tableOf(t, customers, allColumns), AtLeast: 2}})
	for _, tc := range []struct {
		subject, body string
		want          int
	}{
		{"about 104428", "<p>17 Anna Muster</p>", 0},
		{"about 10442817", "<p>Anna Muster</p>", 1},
		{"", "<table><tr><td>104428</td><td>17</td><td>Anna</td><td>Muster</td></tr></table>", 0},
		{"", "<table><tr><td>1044<b>2817</b></td><td>Anna</td><td>Muster</td></tr></table>", 1},
		{"", "<p>1044</p><p>2817 Anna Muster</p>", 0},
	} {
		text := extract.Message(extract.Source{Subject: tc.subject, Body: tc.body, HTML: true})
		if m := e.Scan(text, Options{Only: map[string]bool{"customer": true}}); len(m) != tc.want {
			t.Errorf("%q, %q: %+v", tc.subject, tc.body, m)
		}
	}
}

// People's own words are masked by exact data as by all else.
func TestExactMasksText(t *testing.T) {
	e := exactEngine(t, Detector{ID: "customer", Family: "person", WithContext: High, Exact: &Exact{Table: tableOf(t, customers, allColumns)}})
	const want = "it is for ••••••17, Muster"
	if got := e.MaskAll("it is for 1044281 7, Muster"); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Two columns of the same value are one piece of evidence, and the primary value
// is none for itself.
func TestExactEqualValues(t *testing.T) {
	table := tableOf(t, "no,phone,mobile,again\n5550123,0301234567,0301234567,5550123\n", "no=digits,phone=digits,mobile=digits,again=digits")
	e := exactEngine(t, Detector{ID: "x", Family: "person", Alone: Low, WithContext: High, Exact: &Exact{Table: table, AtLeast: 2}})
	for in, want := range map[string]Level{
		"5550123 and 0301234567":             Low,
		"5550123 and 0301234567, 0301234567": Low,
		"5550123 and 0301234567, 5550123":    High,
	} {
		if m := e.Scan(extract.Plain(in), Options{Only: map[string]bool{"x": true}}); len(m) == 0 || m[0].Level != want {
			t.Errorf("%q: %+v, want %d", in, m, want)
		}
	}
}

// Whatever a cell holds, a message that says it is found.
func TestExactFindsEveryValue(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	alphabet := []rune("abcXYZ 019-./'éßæñŁøĳ密王ㄱ한カｶ०٣，。@_+\"\u0301")
	var list []Detector
	var cells []string
	for i := range 2000 {
		kind := ColumnKind(i % int(columnKinds))
		var cell string
		for range 3 + r.IntN(15) {
			cell += string(alphabet[r.IntN(len(alphabet))])
		}
		if kind == EmailColumn {
			cell = strings.NewReplacer("@", "", " ", "", "'", "", "\"", "", "/", "", "，", "", "。", "").Replace(cell) + "x@y.z"
		}
		csv := "v\n\"" + strings.ReplaceAll(cell, `"`, `""`) + "\"\n"
		var out bytes.Buffer
		report, err := BuildTable(&out, strings.NewReader(csv), TableOptions{Key: testKey, Primary: TableColumn{"v", kind}, Built: built})
		if err != nil {
			if report.Unfit.Count+report.Short.Count+report.Empty.Count != 1 {
				t.Errorf("%s %q: %v", kind, cell, err)
			}
			continue
		}
		table, err := ReadTable(out.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if table, err = table.Unlock(testKey); err != nil {
			t.Fatal(err)
		}
		list = append(list, Detector{ID: fmt.Sprint("x", i), Family: "person", WithContext: High, Exact: &Exact{Table: table}})
		cells = append(cells, cell)
	}
	e := exactEngine(t, list...)
	tried := 0
	for i, d := range list {
		kind := d.Exact.Table.info.Columns[0].Kind
		text := extract.Plain("say: " + cells[i] + " , ok")
		if writtenApart(kind, text) {
			continue
		}
		tried++
		if m := e.Scan(text, Options{Only: map[string]bool{d.ID: true}}); len(m) != 1 {
			t.Errorf("%s %q is not found", kind, cells[i])
		}
	}
	if tried < 1000 {
		t.Errorf("only %d of %d values were tried", tried, len(list))
	}
}

// writtenApart reports whether a value is written in a way in which no message is read:
// its parts more than a few signs apart, or digits with letters between them.
func writtenApart(kind ColumnKind, text *extract.Text) bool {
	var tk tokenizer
	tk.read(kind, text.Bytes()[5:text.Len()-5])
	for i := range tk.words[min(1, len(tk.words)):] {
		if !tk.words[i+1].joined {
			return true
		}
	}
	return false
}

func TestExactFaults(t *testing.T) {
	table := tableOf(t, customers, "customer_no=digits,email=email")
	locked := *table
	locked.keys = nil
	for _, tc := range []struct {
		d    Detector
		want string
	}{
		{Detector{Exact: &Exact{}}, "exact: there is no table, or it is not unlocked"},
		{Detector{Exact: &Exact{Table: &locked}}, "exact: there is no table, or it is not unlocked"},
		{Detector{Exact: &Exact{Table: table, Columns: []string{"mail"}}}, `columns[0]: the table has no column "mail"`},
		{Detector{Exact: &Exact{Table: table, Columns: []string{"email", "email"}}}, `columns[1]: "email" is there twice`},
		{Detector{Exact: &Exact{Table: table, Columns: []string{"customer_no"}}}, `columns[0]: "customer_no" is the primary column`},
		{Detector{Exact: &Exact{Table: table, AtLeast: 2}}, "at_least: 2 corroborating columns are needed, and there are 1"},
		{Detector{Exact: &Exact{Table: table, AtLeast: -1}}, "at_least: "},
		{Detector{Exact: &Exact{Table: table, Within: 3001}}, "within: the distance must be"},
		{Detector{Exact: &Exact{Table: table}, Patterns: []string{"x"}}, "exact: a detector has patterns, exact or fingerprint: one of them"},
		{Detector{Exact: &Exact{Table: table}, Validate: "luhn"}, "validate: only what a pattern found"},
		{Detector{Exact: &Exact{Table: table}, Words: []string{"x"}}, "context: only patterns take context words"},
		{Detector{Fingerprint: &Fingerprint{Text: claimForm}}, "similarity: is missing"},
		{Detector{Fingerprint: &Fingerprint{Text: claimForm, Low: 80, High: 70}}, "similarity: a higher confidence needs a higher share"},
		{Detector{Fingerprint: &Fingerprint{Text: claimForm, Low: 101}}, "similarity: a share is a percentage"},
		{Detector{Fingerprint: &Fingerprint{Text: "Name: ____ Date of birth: ____", Low: 50}}, "fingerprint: the form has 1 groups of words"},
		{Detector{Fingerprint: &Fingerprint{Low: 50}}, "fingerprint: the form has 0 groups of words"},
	} {
		tc.d.ID, tc.d.WithContext = "x", High
		e, errs := New([]Detector{tc.d})
		got := fmt.Sprint(errors.Join(errs...))
		for _, want := range strings.Split(tc.want, "|") {
			if !strings.Contains(got, want) || e != nil {
				t.Errorf("%+v: %v, want %s", tc.d, got, want)
			}
		}
	}
}

// What base64, hexadecimal digits and escapes say is looked up as well. The match is
// the whole of what it was decoded from, and the other columns may stand there or
// around it.
func TestExactDecoded(t *testing.T) {
	e := exactEngine(t,
		Detector{ID: "customer", Family: "person", Alone: Low, WithContext: High, Exact: &Exact{Table: tableOf(t, customers, allColumns), Within: 40}},
		Detector{ID: "named", Family: "person", WithContext: Medium, Exact: &Exact{Table: tableOf(t, customers, "last name=text,customer_no=digits")}})
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for _, tc := range []struct{ before, blob, after, want string }{
		{"see ", b64("customer 10442817, Anna"), " ok", "customer 85"},
		{"see ", hex.EncodeToString([]byte("customer 10442817, Anna")), " ok", "customer 85"},
		{"see ", "no%3D%31%30442817%26first%3DAnna", " ok", "customer 85"},
		{"see {", `\u0022no\u0022:\u002210442817\u0022:\u0022Anna\u0022`, "} ok", "customer 85"},
		{"see ", b64(b64("customer 10442817, Anna")), " ok", "customer 85"},
		{"see ", b64("the number is 10442817, or so"), " ok", "customer 65"},
		{"Anna: ", b64("the number is 10442817, or so"), " ok", "customer 85"},
		{"see ", b64(b64("the number is 10442817, or so")), " of Muster", "customer 85"},
		{"Anna" + strings.Repeat(" lorem", 20), " " + b64("the number is 10442817, or so"), "", "customer 65"},
		{"see ", b64("the number is 10442810, or so"), " Anna", ""},
		{"see ", b64("Zoë van der Berg, née O'Neil: 20917744"), "", "customer 85|named 75"},
		{"see ", "van%20der%20Berg%2C%20n%C3%A9e%20O%27Neil%20is%2020917744", "", "named 75|customer 85"},
		{"see ", b64("née: van der Berg, née O'Neil"), " 20917744", "customer 65|named 75"}, // what is decoded is not around what stands plainly
	} {
		text := tc.before + tc.blob + tc.after
		var got []string
		for _, m := range e.Scan(extract.Plain(text), Options{}) {
			got = append(got, fmt.Sprintf("%s %d", m.Detector, m.Level))
			switch at := text[m.Start:m.End]; {
			case at == "20917744" && tc.after == " 20917744":
			case at != strings.TrimSpace(tc.blob) || !m.Obfuscated:
				t.Errorf("%q: %s is at %q, hidden %t", text, m.Detector, at, m.Obfuscated)
			}
		}
		slices.Sort(got)
		want := strings.Split(tc.want, "|")
		slices.Sort(want)
		if strings.Join(got, "|") != strings.Join(want, "|") {
			t.Errorf("%q: %q, want %q", text, got, tc.want)
		}
	}
	// A scan knows nothing of what the one before has decoded.
	clean := extract.Plain("see " + b64("there is nothing at all here"))
	if m := e.Scan(clean, Options{}); len(m) > 0 {
		t.Errorf("%+v", m)
	}
}

// exactWork counts the steps of a scan.
func exactWork(e *Engine, text *extract.Text, only string) ([]Match, int) {
	s := new(scanner)
	s.start(e, text, Options{Only: map[string]bool{only: true}}, false)
	s.exactData()
	s.copies()
	m := s.resolve()
	return m, s.work
}

// Look-ups are bounded by the text: by nothing that a table or a writer chooses.
func TestExactIsLinear(t *testing.T) {
	var csv strings.Builder
	csv.WriteString("name,a,b,c,d,e,f,g,h\n")
	for i := range 16 { // as many rows alike as there can be
		fmt.Fprintf(&csv, "lorem ipsum,w%d a,w%d b,w%d c,w%d d,w%d e,w%d f,w%d g,w%d h\n", i, i, i, i, i, i, i, i)
	}
	fmt.Fprint(&csv, "a b c d e f g hh,x1 2 3 4 5 6 7 8,,,,,,,\n")
	names := tableOf(t, csv.String(), "name=text,a=text,b=text,c=text,d=text,e=text,f=text,g=text,h=text")
	numbers := tableOf(t, "no,x\n12345678,87654321\n123456789012345678901234567890,11111\n", "no=digits,x=digits")
	mails := tableOf(t, customers, "email=email,phone=digits")
	codes := tableOf(t, customers, "contract=verbatim,email=email")
	e := exactEngine(t,
		Detector{ID: "names", WithContext: High, Alone: Low, Exact: &Exact{Table: names}},
		Detector{ID: "numbers", WithContext: High, Alone: Low, Exact: &Exact{Table: numbers}},
		Detector{ID: "mails", WithContext: High, Alone: Low, Exact: &Exact{Table: mails}},
		Detector{ID: "codes", WithContext: High, Alone: Low, Exact: &Exact{Table: codes}},
		Detector{ID: "form", Fingerprint: &Fingerprint{Text: claimForm, High: 80}},
	)
	for _, unit := range []string{"lorem ipsum ", "lorem ipsum w1 a ", "a ", "1 ", "1", "12345678 ", "12345678 87654321 ", "1-2.3/", "@", "a@", "anna.muster@contoso.test ", "AB-12/x9 ",
		"(", "é", "密", "\u0301", "\xff", "x", " ", "date of birth ", claimForm} {
		for _, id := range []string{"names", "numbers", "mails", "codes", "form"} {
			var work [2]int
			for i, size := range []int{32 << 10, 64 << 10} {
				_, work[i] = exactWork(e, extract.Plain(strings.Repeat(unit, size/len(unit))), id)
				if work[i] > 1000*size {
					t.Errorf("%s, %.20q: %d steps a byte", id, unit, work[i]/size)
				}
			}
			if work[1] > 2*work[0]+work[0]/4+1<<16 {
				t.Errorf("%s, %.20q: %d steps for 32 KB, %d for 64 KB", id, unit, work[0], work[1])
			}
		}
	}
}

// A message of 100,000 candidates, all of them in the table: each is found, and
// none costs more than the first.
func TestExactManyCandidates(t *testing.T) {
	var csv, text strings.Builder
	csv.WriteString("no,mail\n")
	for i := range 100_000 {
		fmt.Fprintf(&csv, "%d,p%d@contoso.test\n", 10_000_000+i*7, i)
		fmt.Fprintf(&text, "%d ", 10_000_000+i*7)
	}
	e := exactEngine(t, Detector{ID: "x", Alone: Low, Exact: &Exact{Table: tableOf(t, csv.String(), "no=digits,mail=email")}})
	doc := extract.Plain(text.String())
	m, work := exactWork(e, doc, "x")
	if len(m) != 100_000 {
		t.Errorf("%d found", len(m))
	}
	if work > 800*doc.Len() {
		t.Errorf("%d steps in %d bytes", work, doc.Len())
	}
}

// Clean talk costs no memory, and what is kept between scans holds no text.
func TestExactKeepsNothing(t *testing.T) {
	e := exactEngine(t,
		Detector{ID: "x", WithContext: High, Alone: Low, Exact: &Exact{Table: tableOf(t, customers, "last name=text,email=email")}},
		Detector{ID: "form", Fingerprint: &Fingerprint{Text: claimForm, High: 80}})
	s := new(scanner)
	text := extract.Plain("Muster anna.muster@contoso.test " + talk + " Müster")
	s.start(e, text, Options{}, false)
	s.exactData()
	s.copies()
	if len(s.found) == 0 {
		t.Fatal("nothing was found, so nothing could be kept")
	}
	s.end()
	x := &s.exact
	if kept := fmt.Sprintf("%s %s %s %s %s %v", x.tokenizer.folded[:cap(x.tokenizer.folded)], x.text.folded[:cap(x.text.folded)], x.tokenizer.buf, x.text.buf, x.normal[:cap(x.normal)], x.rows); strings.Contains(strings.ToLower(kept), "muster") {
		t.Error("the scanner keeps text of the message")
	}
	if raceEnabled {
		return // the race detector drops pooled memory at random
	}
	clean := extract.Message(extract.Source{Body: talk, HTML: true})
	e.Scan(clean, Options{})
	if n := testing.AllocsPerRun(100, func() { e.Scan(clean, Options{}) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}

// A text is read in blocks: where in one it starts does not matter.
func TestTokensAnywhere(t *testing.T) {
	long := strings.Repeat("x", 70)
	for _, s := range []string{"Li Wei, anna-muster", "a\tb\fc", "a\t" + long + " b", "a\f" + long + long + " b  c", "a " + long + "    c", "née " + long + "é  Straße\f\u0301ab", long + "密密" + long + "\xffab", "(AB-12/x9) \"" + long + "\" a.b;\n\n\nc\u00a0d"} {
		for _, kind := range []ColumnKind{TextColumn, VerbatimColumn} {
			var want string
			for pad := range 200 {
				var tk tokenizer
				buf := []byte("start " + strings.Repeat(" ", pad) + s)
				tk.read(kind, buf)
				var got strings.Builder
				for i := range tk.words[1:] {
					w := &tk.words[1+i]
					fmt.Fprintf(&got, "%d:%d %q %v %x\n", int(w.start)-pad, int(w.end)-pad, tk.form(nil, w), w.joined && i > 0, tk.hash(formKey, w))
				}
				tk.hashAll(formKey)
				for i := range tk.words {
					if h := tk.hash(formKey, &tk.words[i]); tk.hashes[i] != h {
						t.Errorf("%q: word %d hashes as %x, and among others as %x", buf, i, h, tk.hashes[i])
					}
				}
				if want == "" {
					want = got.String()
				}
				if got.String() != want {
					t.Fatalf("%q at %d: %s\nwant %s", s, pad, got.String(), want)
				}
			}
		}
	}
}

// SipHash-2-4 of the bytes 0 to 14, from the paper's appendix.
func TestSipHash(t *testing.T) {
	b := make([]byte, 16)
	for i := range b {
		b[i] = byte(i)
	}
	if got := newSIPKey(b).hash(b, 0, 15, 0); got != 0xa129ca6149be45e5 {
		t.Errorf("%x", got)
	}
}

func FuzzExact(f *testing.F) {
	for _, s := range []string{"10442817 Anna Muster", "1 0 4 4 2 8 1 7 é@é.x a@b@c", "\f\t王小明30000001", "AB-12/x9 (CD 14)", "\xff\xfe@\xff"} {
		f.Add(s, false)
	}
	f.Add("<table><tr><td>10442817</td><td>An<b>na</b></td></tr></table>", true)
	table := tableOf(f, customers, allColumns)
	var list []Detector
	for _, spec := range []string{"customer_no=digits,last name=text", "last name=text,email=email", "email=email,contract=verbatim", "contract=verbatim,phone=digits"} {
		list = append(list, Detector{ID: spec[:3], Family: "person", Alone: Low, WithContext: High, Exact: &Exact{Table: tableOf(f, customers, spec)}})
	}
	list = append(list, Detector{ID: "all", Family: "person", Alone: Low, WithContext: High, Exact: &Exact{Table: table, AtLeast: 3}},
		Detector{ID: "form", Family: "content", Fingerprint: &Fingerprint{Text: claimForm, Low: 10, High: 80}})
	e := exactEngine(f, list...)
	trial.Fuzz(f, 1000, func(t *testing.T, s string, markup bool) {
		text := extract.Plain(s)
		if markup {
			text = extract.HTML(s)
		}
		for _, d := range list {
			m, work := exactWork(e, text, d.ID)
			last := 0
			for _, m := range m {
				if m.Start < last || m.End <= m.Start || m.End > text.Len() || bytes.IndexByte(text.Bytes()[m.Start:m.End], '\f') >= 0 || m.Masked == "" || m.Value.Reveal() == "" {
					t.Errorf("%q: %s at %d:%d after %d of %d", s, m.Detector, m.Start, m.End, last, text.Len())
				}
				last = m.End
			}
			if work > 1000*(len(s)+64) {
				t.Errorf("%q: %d steps for %s", s, work, d.ID)
			}
		}
	})
}
