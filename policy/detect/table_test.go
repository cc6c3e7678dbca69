package detect

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy/extract"
	"teamsdlp/test/trial"
)

func buildOf(text string, change func(*TableOptions)) ([]byte, TableReport, error) {
	c := columns(allColumns)
	o := TableOptions{Key: testKey, Primary: c[0], Others: c[1:], Built: built}
	if change != nil {
		change(&o)
	}
	var out bytes.Buffer
	report, err := BuildTable(&out, strings.NewReader(text), o)
	return out.Bytes(), report, err
}

func fromColumns(spec string) func(*TableOptions) {
	return func(o *TableOptions) { c := columns(spec); o.Primary, o.Others = c[0], c[1:] }
}

func TestBuildTable(t *testing.T) {
	file, report, err := buildOf(customers, nil)
	if err != nil {
		t.Fatal(err)
	}
	// Row 5's first name is one character of Chinese, which counts as two letters.
	if diff := cmp.Diff(TableReport{Rows: 4, Kept: 4, Values: 4, Guessable: true}, report); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	table, err := ReadTable(file)
	if err != nil {
		t.Fatal(err)
	}
	want := TableInfo{Built: built, KeyID: testKey.ID(), Rows: 4, Columns: columns(allColumns), Bytes: len(file)}
	if diff := cmp.Diff(want, table.Info()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	again, _, err := buildOf(customers, nil)
	if err != nil || !bytes.Equal(file, again) {
		t.Error("two builds of the same differ")
	}
	lower := strings.ToLower(string(file))
	for _, value := range []string{"muster", "10442817", "contoso", "ab-12"} {
		if strings.Contains(lower, value) {
			t.Errorf("the table holds %q", value)
		}
	}
}

// The ways in which people's spreadsheets write CSV.
func TestBuildTableForms(t *testing.T) {
	plain, _, err := buildOf(customers, nil)
	if err != nil {
		t.Fatal(err)
	}
	other := strings.ReplaceAll(customers, "\"van der Berg, née O'Neil\"", "van der Berg, née O'Neil")
	for name, tc := range map[string]struct {
		text  string
		comma rune
	}{
		"byte order mark":   {"\uFEFF" + customers, 0},
		"line ends of DOS":  {strings.ReplaceAll(customers, "\n", "\r\n"), 0},
		"no last line end":  {strings.TrimSuffix(customers, "\n"), 0},
		"columns unused":    {strings.ReplaceAll(strings.ReplaceAll(customers, "\n", ",x,x,\n"), "contract,x,x", "contract,notes,notes"), 0},
		"empty lines":       {strings.ReplaceAll(customers, "\n", "\n\n"), 0},
		"blanks in names":   {strings.Replace(customers, "customer_no,first name", " customer_no , first name", 1), 0},
		"semicolon":         {strings.ReplaceAll(strings.ReplaceAll(other, ",", ";"), "Berg;", "Berg,"), ';'},
		"tab":               {strings.ReplaceAll(strings.ReplaceAll(other, ",", "\t"), "Berg\t", "Berg,"), '\t'},
		"all of it quoted":  {`"` + strings.ReplaceAll(strings.ReplaceAll(strings.TrimSpace(strings.ReplaceAll(customers, `"`, "")), ",", `","`), "\n", "\"\n\"") + `"`, 0},
		"rows in any order": {"customer_no,first name,last name,email,phone,contract\n" + strings.Join(wordsReversed(strings.SplitAfter(customers, "\n")[1:5]), ""), 0},
	} {
		if name == "all of it quoted" {
			tc.text = strings.Replace(tc.text, `van der Berg"," née`, "van der Berg, née", 1)
		}
		file, _, err := buildOf(tc.text, func(o *TableOptions) { o.Comma = tc.comma })
		if err != nil || !bytes.Equal(file, plain) {
			t.Errorf("%s: %v; another table", name, err)
		}
	}
}

func TestBuildTableLeavesOut(t *testing.T) {
	var b strings.Builder
	b.WriteString("no,name\n")
	for _, row := range []string{
		"10000001,Anna Muster", // 2
		",Li Wei",              // 3: no primary value
		"   ,Li Wei",
		"n/a,Li Wei",                 // 5: no digit
		"1234,Li Wei",                // 6: short
		"10000001,Muster",            // 7: another row of 2's number
		"10000001,ANNA MUSTER",       // 8: the same as 2
		"10000002,x",                 // 9: a cell that is too short
		"10000003,a b c d e f g h i", // 10: a name that is too long
		"10000004,",
		strings.Repeat("1", 33) + ",Li Wei", // 12: more digits than a number has
	} {
		b.WriteString(row + "\n")
	}
	for i := range 17 {
		fmt.Fprintf(&b, "0000 0000,Somebody %d\n", i) // 13 on: a placeholder
	}
	_, report, err := buildOf(b.String(), fromColumns("no=digits,name=text"))
	if err != nil {
		t.Fatal(err)
	}
	want := TableReport{
		Rows: 28, Kept: 5, Values: 4,
		Empty: RowList{2, []int{3, 4}}, Short: RowList{1, []int{6}}, Unfit: RowList{2, []int{5, 12}}, Same: RowList{1, []int{8}},
		Crowded: RowList{17, report.Crowded.First}, CellUnfit: RowList{2, []int{9, 10}}, Guessable: true,
	}
	if diff := cmp.Diff(want, report); diff != "" || len(report.Crowded.First) != 5 {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if _, report, err := buildOf(b.String(), func(o *TableOptions) { fromColumns("no=digits,name=text")(o); o.MinLength = 4 }); err != nil || report.Short.Count != 0 {
		t.Errorf("with a lower limit: %+v, %v", report, err)
	}
}

func TestBuildTableFaults(t *testing.T) {
	const secret = "4111111111111111"
	head := "customer_no,first name,last name,email,phone,contract\n"
	long := strings.Repeat("x", 1<<21)
	for name, tc := range map[string]struct {
		text   string
		change func(*TableOptions)
		want   string
	}{
		"empty file":         {"", nil, "the file is empty: its first row must name the columns"},
		"header alone":       {head, nil, "no row has a primary value that can be used: nothing to build"},
		"unusable rows":      {head + ",,,,,\nn/a,,,,,\n", nil, "no row has a primary value"},
		"ragged row":         {head + "10442817,a,b,c,d,e\n" + secret + ",b\n", nil, "row 3: the row has not as many columns as the header"},
		"ragged, later line": {head + "10442817,\"a\na\",b,c,d,e\n" + secret + ",b\n", nil, "row 3 (line 4): the row has not as many columns as the header"},
		"no such column":     {secret + ",b\n", nil, `row 1: no column is named "customer_no"; the row has 2 columns`},
		"other delimiter":    {strings.ReplaceAll(head, ",", ";"), nil, `no column is named "customer_no"; the row has 1 columns: is the delimiter ;?`},
		"tabs":               {strings.ReplaceAll(head, ",", "\t"), nil, "is the delimiter tab?"},
		"columns alike":      {strings.Replace(head, "email", "last name", 1), nil, `row 1, column 4: named "last name" as column 3 is: which is meant?`},
		"stray quote":        {head + secret + "\"x,a,b,c,d,e\n", nil, "row 2: a quote within a field that is not quoted (byte 17 of its line)"},
		"text after quote":   {head + "\"" + secret + "\"x,a,b,c,d,e\n", nil, "row 2: a quote that is not closed, or text after a closing one"},
		"open quote":         {head + "\"" + secret + ",a,b,c,d,e\n", nil, "row 2: a quote that is not closed"},
		"open quote, long":   {head + "\"" + secret + strings.Repeat("1111\n", 1<<19), nil, "row 2: longer than 1 MiB: is a quote not closed?"},
		"huge cell":          {head + secret + "," + long + ",b,c,d,e\n", nil, "row 2: longer than 1 MiB"},
		"huge header":        {long, nil, "row 1: longer than 1 MiB"},
		"UTF-16":             {"\xFF\xFEc\x00u\x00", nil, "the file is UTF-16: save it as UTF-8"},
		"Latin-1":            {head + "10442817,J\xfcrgen,b,c,d,e\n", nil, "row 2, column 2: not UTF-8 text: save the file as UTF-8"},
		"NUL":                {head + "10442817,a\x00,b,c,d,e\n", nil, "row 2, column 2: not UTF-8 text"},
		"no key":             {customers, func(o *TableOptions) { o.Key = TableKey{} }, "no key"},
		"column twice":       {customers, fromColumns("customer_no=digits,customer_no=text"), `column "customer_no" is named twice`},
		"no name":            {customers, fromColumns("=digits"), "a column needs a name"},
		"control character":  {customers, fromColumns("a\tb=digits"), "one line of printable characters"},
		"long name":          {customers, fromColumns(strings.Repeat("n", 65) + "=digits"), "at most 64 characters"},
		"many columns":       {customers, fromColumns("a=text,b=text,c=text,d=text,e=text,f=text,g=text,h=text,i=text,j=text"), "10 columns; a table has at most 9"},
		"bad kind":           {customers, func(o *TableOptions) { o.Primary.Kind = 9 }, "unknown kind"},
		"short values":       {customers, func(o *TableOptions) { o.MinLength = 2 }, "fewer than 3 characters would match by chance"},
		"bad delimiter":      {customers, func(o *TableOptions) { o.Comma = '"' }, "that cannot be a delimiter"},
	} {
		file, _, err := buildOf(tc.text, tc.change)
		if err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
			continue
		}
		if strings.Contains(err.Error(), "4111") {
			t.Errorf("%s: a value is printed: %v", name, err)
		}
		if len(file) != 0 {
			t.Errorf("%s: %d bytes were written", name, len(file))
		}
	}
	c := columns(allColumns)
	o := TableOptions{Key: testKey, Primary: c[0], Others: c[1:], Built: built}
	broken := errors.New("the disk is gone")
	if _, err := BuildTable(io.Discard, io.MultiReader(strings.NewReader(customers[:200]), iotest.ErrReader(broken)), o); !errors.Is(err, broken) {
		t.Errorf("a reader that fails: %v", err)
	}
	if _, err := BuildTable(failing{broken}, strings.NewReader(customers), o); !errors.Is(err, broken) {
		t.Errorf("a writer that fails: %v", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }

func TestReadTableRefuses(t *testing.T) {
	good, _, err := buildOf(customers, nil)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(b []byte) []byte) []byte { return change(bytes.Clone(good)) }
	for name, tc := range map[string]struct {
		file []byte
		want string
	}{
		"empty":         {nil, "not a table of exact data"},
		"another file":  {[]byte("PK\x03\x04 a spreadsheet"), "not a table of exact data"},
		"a CSV file":    {[]byte(customers), "not a table of exact data"},
		"later version": {with(func(b []byte) []byte { b[len(tableMagic)] = '2'; return b }), `a table of version "2", and this program reads version 1`},
		"no version":    {[]byte(tableMagic + "123456789"), "damaged: its first line does not end"},
		"head alone":    {[]byte(tableHead), "cut short within its header"},
		"half a header": {good[:len(tableHead)+40], "cut short within its header"},
		"long header": {with(func(b []byte) []byte {
			binary.LittleEndian.PutUint32(b[len(tableHead):], 1<<31)
			return b
		}), "damaged: its header is too long"},
		"header of nonsense": {with(func(b []byte) []byte { b[len(tableHead)+4] = 'x'; return b }), "damaged: its header cannot be read"},
		"many rows":          {bytes.Replace(good, []byte(`"rows":4`), []byte(`"rows":9`), 1), "cut short: it has"},
		"few rows":           {bytes.Replace(good, []byte(`"rows":4`), []byte(`"rows":1`), 1), "damaged: 168 bytes follow its end"},
		"no rows":            {bytes.Replace(good, []byte(`"rows":4`), []byte(`"rows":0`), 1), "damaged: its header cannot be read"},
		"negative":           {bytes.Replace(good, []byte(`"blocks":1`), []byte(`"blocks":-`), 1), "damaged: its header cannot be read"},
		"one byte short":     {good[:len(good)-1], "cut short: it has"},
		"half of it":         {good[:len(good)*3/4], "cut short: it has"},
		"one byte more":      {append(bytes.Clone(good), 0), "damaged: 1 bytes follow its end"},
	} {
		table, err := ReadTable(tc.file)
		if table != nil || err == nil || !strings.Contains(err.Error(), tc.want) {
			t.Errorf("%s: %v, want %s", name, err, tc.want)
		}
	}
}

// One flipped bit anywhere is found: by the checksum, or at the latest by the seal.
func TestTableFlippedBits(t *testing.T) {
	good, _, err := buildOf(customers, nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := range good {
		bad := bytes.Clone(good)
		bad[i] ^= 1 << (i % 8)
		table, err := ReadTable(bad)
		if err == nil {
			_, err = table.Unlock(testKey)
		}
		if err == nil {
			t.Errorf("byte %d of %d may be changed", i, len(good))
		}
	}
}

func TestTableKeys(t *testing.T) {
	file, _, err := buildOf(customers, nil)
	if err != nil {
		t.Fatal(err)
	}
	table, err := ReadTable(file)
	if err != nil {
		t.Fatal(err)
	}
	want := fmt.Sprintf("built with key %s, and this is key %s", testKey.ID(), otherKey.ID())
	if _, err := table.Unlock(otherKey); err == nil || err.Error() != want {
		t.Errorf("another key: %v, want %s", err, want)
	}
	// Who has no key can make the checksum fit, and not the seal.
	forged := bytes.Clone(file)
	forged[len(forged)-80] ^= 1
	if _, err = ReadTable(forged); err == nil {
		t.Fatal("the checksum does not notice")
	}
	copy(forged[len(forged)-64:], sumOf(forged[:len(forged)-64]))
	if table, err = ReadTable(forged); err != nil {
		t.Fatal(err)
	}
	if _, err := table.Unlock(testKey); err == nil || !strings.Contains(err.Error(), "not sealed by its key") {
		t.Errorf("a forged table: %v", err)
	}

	if k, err := ParseTableKey(testKey.File()); err != nil || k.ID() != testKey.ID() {
		t.Errorf("a key does not come back: %v", err)
	}
	if a, b := NewTableKey(), NewTableKey(); a.ID() == b.ID() {
		t.Error("two new keys are one")
	}
	for _, bad := range []string{"", "\n", strings.Repeat("0", 64), strings.Repeat("g", 64), strings.Repeat("a", 63), strings.Repeat("a", 65), strings.Repeat("a", 64) + " \n", "-----BEGIN"} {
		if _, err := ParseTableKey([]byte(bad)); err == nil || strings.Contains(err.Error(), "aaa") {
			t.Errorf("%q: %v", bad, err)
		}
	}
	for _, s := range []string{fmt.Sprint(testKey), fmt.Sprintf("%#v", testKey), fmt.Sprintf("%x", testKey), fmt.Sprintf("%+v", TableOptions{Key: testKey}), fmt.Sprintf("%v", table)} {
		if strings.Contains(s, "1234") || strings.Contains(s, "0x0") {
			t.Errorf("prints %s", s)
		}
	}
}

// Rows do not show that they share a value: equal cells are covered differently.
func TestCellsAreCovered(t *testing.T) {
	var csv strings.Builder
	csv.WriteString("no,town\n")
	for i := range 1000 {
		fmt.Fprintf(&csv, "%d,Springfield\n", 10_000_000+i)
	}
	csv.WriteString("10000000,Shelbyville\n") // the second of its number
	table := tableOf(t, csv.String(), "no=digits,town=text")
	seen := map[string]bool{}
	for i := range table.rows {
		seen[string(table.cells[i*cellSize:][:cellSize])] = true
	}
	if len(seen) != 1001 {
		t.Errorf("%d different cells in 1001 rows", len(seen))
	}
}

// The filter passes every value, and few others.
func TestFilter(t *testing.T) {
	var csv strings.Builder
	csv.WriteString("no\n")
	for i := range 50_000 {
		fmt.Fprintf(&csv, "%d\n", 10_000_000+i)
	}
	table := tableOf(t, csv.String(), "no=digits")
	passed := 0
	for i := range 200_000 {
		value := fmt.Appendf(nil, "%d", 10_000_000+i)
		h := table.keys.sip.hash(value, 0, len(value), 0) | 1
		switch ok := table.may(h); {
		case i < 50_000 && !ok:
			t.Fatalf("value %d does not pass", i)
		case i >= 50_000 && ok:
			passed++
		}
	}
	if passed > 150_000/100 {
		t.Errorf("%d of 150,000 others pass", passed)
	}
}

// What is built can be read: the size is known before.
func TestTableBytes(t *testing.T) {
	file, report, err := buildOf(customers, nil)
	if err != nil {
		t.Fatal(err)
	}
	most := tableBytes(report.Kept, len(columns(allColumns))-1, 1)
	if got := int64(len(file)); got > most || got < most-maxHeader {
		t.Errorf("%d bytes; %d were said", got, most)
	}
	if n := tableBytes(maxTableRows, MaxTableColumns-1, maxTableRows/keysPerBlock); n <= MaxTableBytes {
		t.Errorf("the largest table has %d bytes: nothing can be too large", n)
	}
}

func TestOneIn(t *testing.T) {
	for spec, want := range map[string]int{"customer_no=digits": 25_000_000, "phone=digits,email=email": 333_333_333_333, "email=email": 0, "last name=text": 0} {
		if got := tableOf(t, customers, spec).OneIn(); got != want {
			t.Errorf("%s: one in %d, want %d", spec, got, want)
		}
	}
}

func FuzzReadTable(f *testing.F) {
	good, _, err := buildOf(customers, nil)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:60])
	f.Add([]byte(tableHead + "\x02\x00\x00\x00{}"))
	trial.Fuzz(f, 300, func(t *testing.T, file []byte) {
		// A checksum that fits lets the rest be looked at.
		if n := len(file) - 64; n > 0 {
			file = bytes.Clone(file)
			copy(file[n:], sumOf(file[:n]))
		}
		table, err := ReadTable(file)
		if err != nil {
			return
		}
		table.keys = testKey.keys()
		e := exactEngine(t, Detector{ID: "x", Alone: Low, Exact: &Exact{Table: table}})
		e.Scan(extract.Plain(customers), Options{Only: map[string]bool{"x": true}})
	})
}

func FuzzBuildTable(f *testing.F) {
	f.Add(customers, false)
	f.Add("customer_no\n\"1", true)
	f.Add("\xEF\xBB\xBFcustomer_no\r\n٣٤٥٦٧٨\r\n", false)
	trial.Fuzz(f, 1000, func(t *testing.T, text string, semicolon bool) {
		file, report, err := buildOf(text, func(o *TableOptions) {
			fromColumns("customer_no=text,email=email")(o)
			if semicolon {
				o.Comma = ';'
			}
		})
		if err != nil {
			return
		}
		if report.Kept > report.Rows || report.Values > report.Kept || report.Kept == 0 {
			t.Errorf("%q: %+v", text, report)
		}
		table, err := ReadTable(file)
		if err == nil {
			_, err = table.Unlock(testKey)
		}
		if err != nil {
			t.Errorf("%q: %v", text, err)
		}
	})
}

// bigTable is the CSV text of n made-up customers.
func bigTable(n int) string {
	r := rand.New(rand.NewPCG(5, 6))
	names := longListTerms(20_000)
	var b strings.Builder
	b.WriteString("no,town,name,email\n")
	word := func() string { return strings.Fields(names[r.IntN(len(names))])[0] }
	for i := range n {
		fmt.Fprintf(&b, "%d,%s,%s %s,p%d@contoso.test\n", 1_000_000_000+r.IntN(1_000_000_000), names[r.IntN(len(names))], word(), word(), i)
	}
	return b.String()
}

// BenchmarkMillionRows builds, loads and asks a table of a million rows and four
// columns. What it asks of a message is timed beside what a table of 100 rows does,
// without the other detectors.
func BenchmarkMillionRows(b *testing.B) {
	c := columns("no=digits,town=text,name=text,email=email")
	build := func(b *testing.B, text string, primary int) []byte {
		cols := append([]TableColumn{c[primary]}, c[:primary]...)
		var out bytes.Buffer
		if _, err := BuildTable(&out, strings.NewReader(text), TableOptions{Key: testKey, Primary: cols[0], Others: append(cols[1:], c[primary+1:]...), Built: built}); err != nil {
			b.Fatal(err)
		}
		return out.Bytes()
	}
	big, small := bigTable(1_000_000), bigTable(100)
	var file []byte
	b.Run("build", func(b *testing.B) {
		b.SetBytes(int64(len(big)))
		for b.Loop() {
			file = build(b, big, 0)
		}
		b.ReportMetric(float64(len(file))/(1<<20), "MiB")
	})
	b.Run("load", func(b *testing.B) {
		b.SetBytes(int64(len(file)))
		b.ReportAllocs()
		for b.Loop() {
			table, err := ReadTable(file)
			if err == nil {
				_, err = table.Unlock(testKey)
			}
			if err != nil {
				b.Fatal(err)
			}
		}
	})
	text := extract.Message(extract.Source{Body: talk + talk, HTML: true})
	hit := extract.Plain("Customer " + strings.ReplaceAll(strings.Split(big, "\n")[77], ",", " ") + ", thanks. " + strings.Repeat("Nothing else here. ", 20))
	for _, tc := range []struct {
		name    string
		csv     string
		primary int
		text    *extract.Text
	}{
		{"talk/numbers/100", small, 0, text}, {"talk/numbers/million", big, 0, text}, {"talk/names/100", small, 2, text}, {"talk/names/million", big, 2, text},
		{"hit/numbers/100", small, 0, extract.Plain("Customer " + strings.ReplaceAll(strings.Split(small, "\n")[77], ",", " ") + ", thanks. " + strings.Repeat("Nothing else here. ", 20))},
		{"hit/numbers/million", big, 0, hit},
	} {
		table, err := ReadTable(build(b, tc.csv, tc.primary))
		if err == nil {
			table, err = table.Unlock(testKey)
		}
		if err != nil {
			b.Fatal(err)
		}
		e := exactEngine(b, Detector{ID: "x", WithContext: High, Exact: &Exact{Table: table, AtLeast: 2}})
		s := new(scanner)
		runtime.GC()
		b.Run(tc.name, func(b *testing.B) {
			b.SetBytes(int64(tc.text.Len()))
			b.ReportAllocs()
			for b.Loop() {
				s.start(e, tc.text, Options{}, false)
				s.exactData()
				s.end()
			}
		})
	}
}

func sumOf(b []byte) []byte {
	sum := sha256.Sum256(b)
	return sum[:]
}
