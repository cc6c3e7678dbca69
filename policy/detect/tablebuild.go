package detect

import (
	"bufio"
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
	"strings"
	"time"
	"unicode/utf8"

	"teamsdlp/policy/extract"
)

// TableOptions say how [BuildTable] reads a CSV file.
type TableOptions struct {
	Key TableKey
	// Primary is the column whose value makes a match; Others are looked for
	// around it.
	Primary TableColumn
	Others  []TableColumn
	Comma   rune // between fields; 0: a comma
	// MinLength is how many letters and digits a primary value must have; 0 is 5.
	MinLength int
	Built     time.Time
}

// The bounds of MinLength.
const (
	defaultMinLength = 5
	leastMinLength   = 3
)

// TableReport says what became of the rows of a CSV file. It names rows and holds
// no value. The header is row 1.
type TableReport struct {
	Rows   int // in the file, the header not counted
	Kept   int // in the table
	Values int // different primary values
	// Rows that were left out.
	Empty     RowList // the primary cell is empty
	Short     RowList // the primary value is shorter than MinLength
	Unfit     RowList // the primary cell cannot be a value of its kind
	Same      RowList // all columns are those of another row
	Crowded   RowList // more than 16 rows share the primary value
	CellUnfit RowList // kept, but a cell of another column is too short or cannot be a value of its kind
	// Guessable: the primary values are numbers of at most 10 digits, of which
	// there are so few that who has table and key can try them all.
	Guessable bool
}

// RowList counts rows, and names the first few.
type RowList struct {
	Count int
	First []int
}

func (l *RowList) add(row int) {
	l.Count++
	if len(l.First) < 5 {
		l.First = append(l.First, row)
	}
}

// The limits of a CSV file.
const (
	maxRecord    = 1 << 20 // bytes of one row
	maxTableRows = 20_000_000
)

// A CSVError is what is wrong with a CSV file, and where. It never holds what
// stands there.
type CSVError struct {
	Row, Column int // from 1, the header being row 1; 0: all of it
	Line        int // of the file, if it is known
	Msg         string
}

// Error says where and what.
func (e *CSVError) Error() string {
	var at strings.Builder
	if e.Row > 0 {
		fmt.Fprintf(&at, "row %d", e.Row)
		if e.Column > 0 {
			fmt.Fprintf(&at, ", column %d", e.Column)
		}
		if e.Line > 0 && e.Line != e.Row {
			fmt.Fprintf(&at, " (line %d)", e.Line)
		}
		at.WriteString(": ")
	}
	return at.String() + e.Msg
}

// limitedReader ends a row that never ends: a quote that is not closed would have
// the rest of the file read into memory.
type limitedReader struct {
	r    io.Reader
	left int
}

var errLongRow = errors.New("longer than 1 MiB: is a quote not closed?")

func (l *limitedReader) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errLongRow
	}
	n, err := l.r.Read(p[:min(len(p), l.left)])
	l.left -= n
	return n, err
}

// tableBuilder gathers the rows of a table.
type tableBuilder struct {
	TableOptions
	csv    *csv.Reader
	limit  *limitedReader
	report TableReport
	keys   *tableKeys
	hash   *tableHash
	text   extract.Text
	words  tokenizer
	normal []byte

	fields []int // of the columns, in a record
	sizes  []uint64
	prime  []byte   // primarySize a row
	tokens []uint64 // of the primary value, one a row
	cells  []uint64 // one a row and other column; 0: empty
	nums   []int32  // of the rows in the file
}

// BuildTable reads the rows of a CSV file, its first row being the names of the
// columns, and writes their table. Rows are read one by one; of each only hashes
// are kept. Its error is a [*CSVError] if the file is to blame, and then nothing
// was written.
func BuildTable(w io.Writer, r io.Reader, o TableOptions) (TableReport, error) {
	b := &tableBuilder{TableOptions: o}
	b.Comma, b.MinLength = cmp.Or(o.Comma, ','), cmp.Or(o.MinLength, defaultMinLength)
	if err := b.check(); err != nil {
		return TableReport{}, err
	}
	b.keys = o.Key.keys()
	b.hash = b.keys.pool.Get().(*tableHash)
	defer b.words.end()
	if err := b.open(r); err != nil {
		return b.report, err
	}
	if err := b.read(); err != nil {
		return b.report, err
	}
	order, blocks := b.arrange()
	if len(order) == 0 {
		return b.report, &CSVError{Msg: "no row has a primary value that can be used: nothing to build"}
	}
	if size := tableBytes(len(order), len(b.Others), blocks); size > MaxTableBytes {
		return b.report, &CSVError{Msg: fmt.Sprintf("the table would have %d MiB, and at most %d are read: take fewer columns, or part the file", size>>20, MaxTableBytes>>20)}
	}
	return b.report, b.write(w, order, blocks)
}

// tableBytes is the size of a table's file, its header at the most that it can be.
func tableBytes(rows, others, blocks int) int64 {
	return int64(len(tableHead)+4+maxHeader) + int64(blocks)*blockSize + int64(rows)*int64(primarySize+others*cellSize) + 2*sha256.Size
}

// check refuses options that make no table.
func (b *tableBuilder) check() error {
	if b.Key.b == nil {
		return errors.New("no key")
	}
	all := append([]TableColumn{b.Primary}, b.Others...)
	if len(all) > MaxTableColumns {
		return fmt.Errorf("%d columns; a table has at most %d", len(all), MaxTableColumns)
	}
	for i, c := range all {
		if err := checkColumnName(c.Name); err != nil {
			return err
		}
		if c.Kind >= columnKinds {
			return fmt.Errorf("column %q: unknown kind", c.Name)
		}
		if slices.ContainsFunc(all[:i], func(o TableColumn) bool { return o.Name == c.Name }) {
			return fmt.Errorf("column %q is named twice", c.Name)
		}
	}
	if b.MinLength < leastMinLength {
		return fmt.Errorf("a primary value of fewer than %d characters would match by chance", leastMinLength)
	}
	if b.Comma == '"' || b.Comma == '\r' || b.Comma == '\n' || !utf8.ValidRune(b.Comma) || b.Comma == utf8.RuneError {
		return errors.New("that cannot be a delimiter")
	}
	return nil
}

// open reads the header.
func (b *tableBuilder) open(r io.Reader) error {
	b.limit = &limitedReader{r, 3}
	start := make([]byte, 3)
	n, err := io.ReadFull(b.limit, start)
	if err != nil && !errors.Is(err, io.EOF) && !errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("reading: %w", err)
	}
	start = start[:n]
	switch {
	case bytes.HasPrefix(start, []byte("\xEF\xBB\xBF")):
		start = nil
	case bytes.HasPrefix(start, []byte("\xFF\xFE")), bytes.HasPrefix(start, []byte("\xFE\xFF")):
		return &CSVError{Msg: "the file is UTF-16: save it as UTF-8"}
	}
	// The reader of package csv takes this one as its own, so that what is read
	// ahead is known.
	ahead := bufio.NewReaderSize(io.MultiReader(bytes.NewReader(start), b.limit), 1<<16)
	b.csv = csv.NewReader(ahead)
	b.csv.Comma, b.csv.ReuseRecord = b.Comma, true
	b.limit.left = maxRecord + 1<<16
	header, err := b.csv.Read()
	if errors.Is(err, io.EOF) {
		return &CSVError{Msg: "the file is empty: its first row must name the columns"}
	}
	if err != nil {
		return b.csvError(1, err)
	}
	return b.columns(header)
}

// columns finds the columns in the header. What stands there is not repeated: a
// file without a header has its first record there.
func (b *tableBuilder) columns(header []string) error {
	for _, c := range append([]TableColumn{b.Primary}, b.Others...) {
		at := -1
		for i, name := range header {
			switch {
			case strings.TrimSpace(name) != c.Name:
			case at >= 0:
				return &CSVError{Row: 1, Column: i + 1, Msg: fmt.Sprintf("named %q as column %d is: which is meant?", c.Name, at+1)}
			default:
				at = i
			}
		}
		if at < 0 {
			return &CSVError{Row: 1, Msg: fmt.Sprintf("no column is named %q; the row has %d columns%s", c.Name, len(header), otherDelimiter(header))}
		}
		b.fields = append(b.fields, at)
	}
	b.sizes = make([]uint64, len(b.fields))
	return nil
}

// otherDelimiter hints at the usual reason why a header has but one column.
func otherDelimiter(header []string) string {
	if len(header) != 1 {
		return ""
	}
	for _, d := range []struct{ sign, name string }{{";", ";"}, {"\t", "tab"}, {"|", "|"}, {",", ","}} {
		if strings.Contains(header[0], d.sign) {
			return ": is the delimiter " + d.name + "?"
		}
	}
	return ""
}

func (b *tableBuilder) csvError(row int, err error) error {
	e := &CSVError{Row: row}
	var p *csv.ParseError
	switch {
	case errors.Is(err, errLongRow):
		e.Msg = errLongRow.Error()
		return e
	case errors.As(err, &p):
		e.Line = p.StartLine
		switch {
		case errors.Is(p.Err, csv.ErrFieldCount):
			e.Msg = "the row has not as many columns as the header"
		case errors.Is(p.Err, csv.ErrBareQuote):
			e.Line, e.Msg = p.Line, fmt.Sprintf("a quote within a field that is not quoted (byte %d of its line)", p.Column)
		case errors.Is(p.Err, csv.ErrQuote):
			e.Line, e.Msg = p.Line, fmt.Sprintf("a quote that is not closed, or text after a closing one (byte %d of its line)", p.Column)
		default:
			e.Msg = "cannot be read as CSV"
		}
		return e
	}
	return fmt.Errorf("reading row %d: %w", row, err)
}

// read reads the rows.
func (b *tableBuilder) read() error {
	for row := 2; ; row++ {
		b.limit.left = maxRecord + 1<<16
		record, err := b.csv.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return b.csvError(row, err)
		}
		if row > maxTableRows {
			return &CSVError{Row: row, Msg: fmt.Sprintf("a table has at most %d rows", maxTableRows)}
		}
		b.report.Rows++
		for i, f := range b.fields {
			if !utf8.ValidString(record[f]) || strings.IndexByte(record[f], 0) >= 0 {
				line, _ := b.csv.FieldPos(f)
				return &CSVError{Row: row, Column: f + 1, Line: line, Msg: "not UTF-8 text: save the file as UTF-8"}
			}
			if i == 0 && strings.TrimSpace(record[f]) == "" {
				b.report.Empty.add(row)
				break
			}
		}
		if strings.TrimSpace(record[b.fields[0]]) != "" {
			b.row(row, record)
		}
	}
}

// row takes one row in, or says why not.
func (b *tableBuilder) row(num int, record []string) {
	size, length := b.value(b.Primary.Kind, record[b.fields[0]])
	switch {
	case size == 0:
		b.report.Unfit.add(num)
		return
	case length < b.MinLength:
		b.report.Short.add(num)
		return
	}
	hash := b.hash.value(b.Primary.Kind, b.normal)
	b.sizes[0] |= 1 << size
	b.prime = append(b.prime, hash[:]...)
	b.tokens = append(b.tokens, b.words.hashOf(b.Primary.Kind, b.keys.sip))
	b.nums = append(b.nums, int32(num)) //nolint:gosec // at most maxTableRows
	unfit := false
	for i, c := range b.Others {
		cell := uint64(0)
		if text := record[b.fields[i+1]]; strings.TrimSpace(text) != "" {
			if size, length := b.value(c.Kind, text); size == 0 || length < 2 {
				unfit = true
			} else {
				cell = b.words.hashOf(c.Kind, b.keys.sip)
				b.sizes[i+1] |= 1 << size
			}
		}
		b.cells = append(b.cells, cell)
	}
	if unfit {
		b.report.CellUnfit.add(num)
	}
}

// value reads a cell as a text of Teams is read: b.normal is its normalised form.
// A character of Chinese and its like counts as two.
func (b *tableBuilder) value(kind ColumnKind, cell string) (size, length int) {
	b.text.Load(extract.Source{Body: cell})
	b.normal, size = b.words.value(b.normal[:0], kind, trimBlanks(b.text.Bytes()))
	for _, r := range string(b.normal) {
		switch {
		case r == ' ':
		case r >= utf8.RuneSelf && !spacedRune(r):
			length += 2
		default:
			length++
		}
	}
	return size, length
}

// arrange sorts the rows, drops those that are there twice or share their value
// with too many, and counts the filter's blocks.
func (b *tableBuilder) arrange() (order []int, blocks int) {
	n := len(b.Others)
	prime := func(i int) []byte { return b.prime[i*primarySize:][:primarySize] }
	cells := func(i int) []uint64 { return b.cells[i*n:][:n] }
	all := make([]int, len(b.tokens))
	for i := range all {
		all[i] = i
	}
	sort.Slice(all, func(x, y int) bool {
		i, j := all[x], all[y]
		if c := bytes.Compare(prime(i), prime(j)); c != 0 {
			return c < 0
		}
		return cmp.Or(slices.Compare(cells(i), cells(j)), i-j) < 0
	})
	order = all[:0]
	for len(all) > 0 {
		group := 1
		for group < len(all) && bytes.Equal(prime(all[group]), prime(all[0])) {
			group++
		}
		kept := len(order)
		for k, i := range all[:group] {
			if k > 0 && slices.Equal(cells(i), cells(all[k-1])) {
				b.report.Same.add(int(b.nums[i]))
				continue
			}
			order = append(order, i)
		}
		if len(order)-kept > maxAlike {
			for _, i := range order[kept:] {
				b.report.Crowded.add(int(b.nums[i]))
			}
			order = order[:kept]
		} else {
			b.report.Values++
		}
		all = all[group:]
	}
	b.report.Kept = len(order)
	b.report.Guessable = b.Primary.Kind == DigitsColumn && b.sizes[0] < 1<<11
	return order, (b.report.Values + keysPerBlock - 1) / keysPerBlock
}

// write writes the table.
func (b *tableBuilder) write(w io.Writer, order []int, blocks int) error {
	h := tableHeader{Built: b.Built.UTC().Format(time.RFC3339), KeyID: b.Key.ID(), Rows: len(order), Blocks: blocks}
	for i, c := range append([]TableColumn{b.Primary}, b.Others...) {
		h.Columns = append(h.Columns, tableColumn{c.Name, c.Kind.String(), b.sizes[i]})
	}
	head, err := json.Marshal(h)
	if err != nil {
		return err
	}
	filter := make([]byte, blocks*blockSize)
	for _, i := range order {
		addToFilter(filter, b.tokens[i])
	}
	sum := sha256.New()
	out := bufio.NewWriterSize(io.MultiWriter(w, sum), 1<<16)
	// What bufio.Writer could not write it returns from Flush.
	_, _ = out.WriteString(tableHead)
	_, _ = out.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(head)))) //nolint:gosec // a few hundred bytes
	_, _ = out.Write(head)
	_, _ = out.Write(filter)
	for _, i := range order {
		_, _ = out.Write(b.prime[i*primarySize:][:primarySize])
	}
	n, nth := len(b.Others), 0
	covered, buf := make([]uint64, n), make([]byte, 0, n*cellSize)
	for k, i := range order {
		prime := b.prime[i*primarySize:][:primarySize]
		if nth++; k == 0 || !bytes.Equal(prime, b.prime[order[k-1]*primarySize:][:primarySize]) {
			nth = 0
		}
		copy(covered, b.cells[i*n:][:n])
		b.hash.cover(prime, nth, covered)
		buf = buf[:0]
		for _, c := range covered {
			buf = binary.LittleEndian.AppendUint64(buf, c)
		}
		_, _ = out.Write(buf)
	}
	if err := out.Flush(); err != nil {
		return err
	}
	digest := sum.Sum(nil)
	_, err = w.Write(append(digest, b.keys.seal(digest)...))
	return err
}
