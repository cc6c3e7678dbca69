package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"teamsdlp/policy/detect"
)

type edmCmd struct {
	Key   edmKeyCmd   `cmd:"" help:"Make a key for tables of exact data."`
	Build edmBuildCmd `cmd:"" help:"Make a table of keyed hashes out of a CSV file, where the data is."`
	Show  edmShowCmd  `cmd:"" help:"Say what a table holds, and whether it is whole."`
}

type edmKeyCmd struct {
	File string `arg:"" help:"The file to write; it must not be there yet."`
}

// Help is printed by --help.
func (edmKeyCmd) Help() string {
	return `The key makes the hashes of a table useless to who has only the table. Both the host that builds tables and the one that runs teamsdlp need
it; keep it out of the rule directory, and apart from copies of the tables.

Example:
  teamsdlp edm key /etc/teamsdlp/keys/edm.key`
}

func (c edmKeyCmd) Run(e *env) error {
	key := detect.NewTableKey()
	switch err := writeNew(c.File, key.File()); {
	case errors.Is(err, fs.ErrExist):
		return fmt.Errorf("%s is there already: a key is never overwritten", c.File)
	case err != nil:
		return err
	}
	_, err := fmt.Fprintf(e.stdout, "wrote %s  key %s: secret\n", c.File, key.ID())
	return err
}

type edmBuildCmd struct {
	CSV       string   `arg:"" name:"csv" help:"The CSV file, its first row naming the columns; - for standard input."`
	Key       string   `required:"" placeholder:"FILE" help:"The key, as teamsdlp edm key makes one."`
	Primary   string   `required:"" placeholder:"NAME=KIND" help:"The column whose values are looked for, and its kind: digits, text, email or verbatim."`
	Column    []string `sep:"none" placeholder:"NAME=KIND" help:"A column that corroborates, and its kind; up to 8 of them."`
	Out       string   `short:"o" required:"" placeholder:"FILE" help:"The table to write. One that is there is replaced as a whole."`
	Delimiter string   `default:"," help:"What parts fields: one character, or tab."`
	MinLength int      `default:"5" help:"How many letters and digits a primary value must have; rows with a shorter one are left out."`
	Strict    bool     `help:"Write nothing if a row would be left out, or a cell of it."`
	JSON      bool     `name:"json" help:"Print JSON."`
}

// Help is printed by --help.
func (edmBuildCmd) Help() string {
	return `Reads a company's own records and writes a table of keyed hashes (HMAC-SHA-256, cut to 128 bits). Copy the table into the rule directory of the
server, which never sees the records, and name it in a detector:

  detectors:
    - id: customer-record
      exact: {table: customers.edm, key: "file:../keys/edm.key", corroborate: {columns: [last name, email], at_least: 1, within: 300}}

Kinds say how values are compared. digits: the digits alone, whatever stands between them. text: whole words, up to 8, without case and accents.
email: an address, without case. verbatim: as it is written, up to three parts between blanks.

Choose a primary column that says who is meant by itself: a customer number, an e-mail address. A name alone is somebody else's too.

Who has both table and key can try values one by one. Of a nine-digit number there are so few that it takes minutes, and a salt would not change
that: what protects such a column is that key and table are kept apart, and the key is secret. Rotate the key by building anew.

A row with an empty primary cell, a value too short, or one shared by more than 16 rows is left out, and said by its number. No value is ever
printed. Exit code: 0 built, 1 refused for --strict, 2 the file or the key could not be used.

Example:
  teamsdlp edm build customers.csv --key edm.key --primary customer_no=digits --column "last name=text" --column email=email -o customers.edm`
}

// edmReport is what edm build --json prints.
type edmReport struct {
	Table     string       `json:"table"`
	KeyID     string       `json:"key_id"`
	Rows      int          `json:"rows"`
	Kept      int          `json:"kept"`
	Values    int          `json:"values"`
	LeftOut   []edmLeftOut `json:"left_out"`
	Guessable bool         `json:"guessable"`
}

type edmLeftOut struct {
	Why   string `json:"why"`
	Count int    `json:"count"`
	First []int  `json:"first_rows"` // the header is row 1
}

// leftOut lists what a build had to leave out. What is twice in the file is not
// lost, and is not counted as such.
func leftOut(r detect.TableReport, minLength int) (list []edmLeftOut, lost int) {
	for _, l := range []struct {
		why  string
		rows detect.RowList
		lost bool
	}{
		{"the primary cell is empty", r.Empty, true},
		{fmt.Sprintf("the primary value has fewer than %d letters and digits", minLength), r.Short, true},
		{"the primary cell holds no value of its kind, or too long a one", r.Unfit, true},
		{"more than 16 rows share the primary value: it is a placeholder", r.Crowded, true},
		{"another row says the same", r.Same, false},
		{"kept without a cell: it has fewer than 2 letters or digits, or no value of its kind", r.CellUnfit, true},
	} {
		if l.rows.Count > 0 {
			list = append(list, edmLeftOut{l.why, l.rows.Count, l.rows.First})
			if l.lost {
				lost += l.rows.Count
			}
		}
	}
	return list, lost
}

func (c edmBuildCmd) Run(e *env) error {
	o := detect.TableOptions{MinLength: cmp.Or(c.MinLength, 1), Built: time.Now()} // 0 would be the default
	var err error
	if o.Primary, err = tableColumn("--primary", c.Primary); err != nil {
		return err
	}
	for _, s := range c.Column {
		column, err := tableColumn("--column", s)
		if err != nil {
			return err
		}
		o.Others = append(o.Others, column)
	}
	if o.Comma, err = delimiter(c.Delimiter); err != nil {
		return err
	}
	if o.Key, err = c.key(e); err != nil {
		return err
	}
	in := io.ReadCloser(io.NopCloser(e.stdin))
	if c.CSV != "-" {
		if in, err = os.Open(c.CSV); err != nil {
			return err
		}
	}
	defer in.Close()

	var report detect.TableReport
	lost := 0
	err = replaceFile(c.Out, 0o640, func(w io.Writer) error {
		report, err = detect.BuildTable(w, stopped{e.ctx, in}, o)
		var bad *detect.CSVError
		if errors.As(err, &bad) {
			return fmt.Errorf("%s: %w", c.CSV, err)
		}
		if err != nil {
			return err
		}
		if _, lost = leftOut(report, c.MinLength); c.Strict && lost > 0 {
			return errStrict
		}
		return nil
	})
	strict := errors.Is(err, errStrict)
	if err != nil && !strict {
		c.warn(e, report)
		return err
	}
	if strict && !c.JSON { // there is no table to speak of
		c.warn(e, report)
	} else if err := c.print(e, o.Key, report); err != nil {
		return err
	}
	if strict {
		return found{fmt.Sprintf("%s or cells would be left out: nothing was written", plural(lost, "row"))}
	}
	return nil
}

// errStrict keeps a table with losses from being written.
var errStrict = errors.New("strict")

// tableColumn reads NAME=KIND.
func tableColumn(flag, s string) (detect.TableColumn, error) {
	at := strings.LastIndexByte(s, '=')
	if at < 0 {
		return detect.TableColumn{}, fmt.Errorf("%s %q: want the column's name and its kind, as %s=digits", flag, s, s)
	}
	kind := slices.Index(detect.ColumnKinds, s[at+1:])
	if kind < 0 {
		return detect.TableColumn{}, fmt.Errorf("%s %q: the kind of a column is one of %s", flag, s, strings.Join(detect.ColumnKinds, ", "))
	}
	return detect.TableColumn{Name: s[:at], Kind: detect.ColumnKind(kind)}, nil //nolint:gosec // one of four
}

func delimiter(s string) (rune, error) {
	if s == "tab" {
		return '\t', nil
	}
	r, n := utf8.DecodeRuneInString(s)
	if n != len(s) || n == 0 {
		return 0, fmt.Errorf("--delimiter %q: want one character, or tab", s)
	}
	return r, nil
}

// key reads the key, and warns of one that others may have.
func (c edmBuildCmd) key(e *env) (detect.TableKey, error) {
	key, mode, err := readTableKey(c.Key)
	if err != nil {
		return detect.TableKey{}, err
	}
	if mode.Perm()&0o077 != 0 {
		fmt.Fprintf(e.stderr, "warning: others than its owner can read %s; chmod 600 mends that\n", c.Key)
	}
	if filepath.Dir(filepath.Clean(c.Key)) == filepath.Dir(filepath.Clean(c.Out)) {
		fmt.Fprintf(e.stderr, "warning: the table is written beside its key: keep the two apart, and the key out of the rule directory\n")
	}
	return key, nil
}

func readTableKey(name string) (detect.TableKey, os.FileMode, error) {
	info, err := os.Stat(name) // before opening: a pipe would block
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%w (teamsdlp edm key makes one)", err)
	}
	if err != nil {
		return detect.TableKey{}, 0, err
	}
	if !info.Mode().IsRegular() || info.Size() > 4<<10 {
		return detect.TableKey{}, 0, fmt.Errorf("%s: not a key for exact data", name)
	}
	data, err := os.ReadFile(name)
	if err != nil {
		return detect.TableKey{}, 0, err
	}
	key, err := detect.ParseTableKey(data)
	if err != nil {
		return detect.TableKey{}, 0, fmt.Errorf("%s: %w", name, err)
	}
	return key, info.Mode(), nil
}

func (c edmBuildCmd) print(e *env, key detect.TableKey, r detect.TableReport) error {
	list, _ := leftOut(r, c.MinLength)
	if c.JSON {
		out := edmReport{Table: c.Out, KeyID: key.ID(), Rows: r.Rows, Kept: r.Kept, Values: r.Values, LeftOut: append([]edmLeftOut{}, list...), Guessable: r.Guessable}
		return writeIndented(e.stdout, out)
	}
	c.warn(e, r)
	_, err := fmt.Fprintf(e.stdout, "%s: %d of %s, %d different values; key %s\n", c.Out, r.Kept, plural(r.Rows, "row"), r.Values, key.ID())
	return err
}

// warn says what was left out, by the numbers of rows.
func (c edmBuildCmd) warn(e *env, r detect.TableReport) {
	list, _ := leftOut(r, c.MinLength)
	for _, l := range list {
		rows := make([]string, len(l.First))
		for i, n := range l.First {
			rows[i] = strconv.Itoa(n)
		}
		more := ""
		if l.Count > len(rows) {
			more = ", …"
		}
		fmt.Fprintf(e.stderr, "left out: %s (row %s%s): %s\n", plural(l.Count, "row"), strings.Join(rows, ", "), more, l.Why)
	}
	if r.Guessable && !c.JSON {
		fmt.Fprintln(e.stderr, "note: there are so few numbers of that length that who has table and key can try them all: keep the two apart")
	}
}

// stopped ends a long read when the program is to end.
type stopped struct {
	ctx context.Context
	r   io.Reader
}

func (s stopped) Read(p []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(p)
}

// replaceFile writes a file beside its place and moves it there when it is whole
// and on the disk: who watches the place never sees half of it. The mode is that of
// the file that was there.
func replaceFile(name string, mode os.FileMode, write func(io.Writer) error) (err error) {
	dir := filepath.Dir(name)
	if info, err := os.Stat(name); err == nil {
		if !info.Mode().IsRegular() { // a device, say, would be gone
			return fmt.Errorf("%s is there and is not a file: it is not replaced", name)
		}
		mode = info.Mode().Perm()
	}
	f, err := os.CreateTemp(dir, ".edm-*")
	if err != nil {
		if p, ok := errors.AsType[*fs.PathError](err); ok {
			err = p.Err // without the name, which nobody gave
		}
		return fmt.Errorf("writing into the folder %s: %w", dir, err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(f.Name())
		}
	}()
	err = write(f)
	if err == nil {
		err = errors.Join(f.Chmod(mode), f.Sync())
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	if err = os.Rename(f.Name(), name); err != nil {
		return err
	}
	return syncDir(dir)
}

type edmShowCmd struct {
	Table string `arg:"" help:"The table."`
	Key   string `placeholder:"FILE" help:"Check as well that this key built it, and that nobody changed it since."`
	JSON  bool   `name:"json" help:"Print JSON."`
}

// Help is printed by --help.
func (edmShowCmd) Help() string {
	return `Says which columns a table has, how many rows, when and by which key it was built, and whether the file is whole. Exit code 1 if it is not, or
if the key is another.

Example:
  teamsdlp edm show customers.edm --key /etc/teamsdlp/keys/edm.key`
}

// edmShown is what edm show --json prints.
type edmShown struct {
	Table   string      `json:"table"`
	Built   time.Time   `json:"built"`
	KeyID   string      `json:"key_id"`
	Key     string      `json:"key"` // checked, or not checked
	Rows    int         `json:"rows"`
	Bytes   int         `json:"bytes"`
	Columns []edmColumn `json:"columns"`
}

type edmColumn struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	Role string `json:"role"` // primary or corroborates
}

func (c edmShowCmd) Run(e *env) error {
	f, err := os.Open(c.Table)
	if err != nil {
		return err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, detect.MaxTableBytes+1))
	switch {
	case err != nil:
		return err
	case len(data) > detect.MaxTableBytes:
		return fmt.Errorf("%s is larger than %d MiB", c.Table, detect.MaxTableBytes>>20)
	}
	table, err := detect.ReadTable(data)
	if err != nil {
		return found{fmt.Sprintf("%s: %v", c.Table, err)}
	}
	checked := "not checked"
	if c.Key != "" {
		key, _, err := readTableKey(c.Key)
		if err != nil {
			return err
		}
		if _, err := table.Unlock(key); err != nil {
			return found{fmt.Sprintf("%s: %v", c.Table, err)}
		}
		checked = "checked"
	}
	info := table.Info()
	shown := edmShown{Table: c.Table, Built: info.Built, KeyID: info.KeyID, Key: checked, Rows: info.Rows, Bytes: info.Bytes}
	for i, column := range info.Columns {
		role := "corroborates"
		if i == 0 {
			role = "primary"
		}
		shown.Columns = append(shown.Columns, edmColumn{column.Name, column.Kind.String(), role})
	}
	if c.JSON {
		return writeIndented(e.stdout, shown)
	}
	lines := [][2]string{
		{"table", shown.Table}, {"built", shown.Built.Format(time.RFC3339)}, {"key", shown.KeyID + ", " + checked},
		{"rows", strconv.Itoa(shown.Rows)}, {"bytes", strconv.Itoa(shown.Bytes)},
	}
	for _, column := range shown.Columns {
		lines = append(lines, [2]string{column.Role, column.Name + " (" + column.Kind + ")"})
	}
	return writeLines(e.stdout, lines)
}
