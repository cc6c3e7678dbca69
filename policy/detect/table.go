package detect

import (
	"bytes"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"hash"
	"io"
	"math/bits"
	"slices"
	"sort"
	"strings"
	"sync"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Table is exact data: the values of a company's own records, so that a message
// can be asked whether it holds one. It holds no value, only keyed hashes. A Table
// is immutable and safe for concurrent use.
//
// # The file
//
// A line that names the format and its version; the length of the header, 4 bytes;
// the header, JSON; a filter of the values of the primary column; for each row the
// HMAC-SHA-256 of its primary value, cut to 128 bits, in their order; for each row
// a word of 64 bits for each other column; the SHA-256 of all that; and the HMAC of
// that sum. Numbers are little-endian.
//
// The other columns' words are SipHash values, each covered by a stream of bits
// that HMAC makes of the row's primary hash and its place. So who has the file and
// not the key learns how many rows there are, and not even which of them share a
// name or a town. Who has both can try values one by one: of nine digits there are
// so few that it takes minutes. Keep them apart.
type Table struct {
	info   TableInfo
	sizes  []uint64 // by column
	sum    []byte   // of all before it
	seal   []byte
	filter []byte
	rows   int
	prime  []byte // primarySize bytes a row, ascending
	cells  []byte // cellSize bytes a row and column
	keys   *tableKeys
}

// TableInfo says what a table holds.
type TableInfo struct {
	Built time.Time `json:"built"`
	KeyID string    `json:"key_id"`
	Rows  int       `json:"rows"`
	// Columns are the primary column, then the others.
	Columns []TableColumn `json:"columns"`
	Bytes   int           `json:"-"` // of the file
}

// TableColumn is one column of a table.
type TableColumn struct {
	Name string     `json:"name"`
	Kind ColumnKind `json:"-"`
}

// The form of a table's file.
const (
	tableMagic   = "teamsdlp edm "
	tableVersion = "1"
	tableHead    = tableMagic + tableVersion + "\n"
	primarySize  = 16
	cellSize     = 8
	keyIDSize    = 8
	blockSize    = 64 // bytes of a block of the filter
	keysPerBlock = 40 // 12.8 bits each: one token in 150 that is no value passes
	maxHeader    = 1 << 16
)

// The limits of a table.
const (
	MaxTableColumns = 9 // the primary one included
	MaxTableBytes   = 1 << 30
	MaxColumnName   = 64 // characters
	// maxAlike is how many rows may share a primary value. It bounds what a match
	// costs; what more rows share is no one's number but a placeholder.
	maxAlike = 16
)

// tableHeader is the header as it is written.
type tableHeader struct {
	Built   string        `json:"built"`
	KeyID   string        `json:"key_id"`
	Rows    int           `json:"rows"`
	Blocks  int           `json:"blocks"`
	Columns []tableColumn `json:"columns"`
}

type tableColumn struct {
	Name  string `json:"name"`
	Kind  string `json:"kind"`
	Sizes uint64 `json:"sizes"`
}

// A TableKey keys the hashes of a table. It prints as [secret].
type TableKey struct{ b *[32]byte }

// NewTableKey makes a key.
func NewTableKey() TableKey {
	k := TableKey{new([32]byte)}
	_, _ = rand.Read(k.b[:]) // never fails
	return k
}

// ParseTableKey reads a key file: 64 hexadecimal digits on one line. What is wrong
// is said without repeating any of it.
func ParseTableKey(file []byte) (TableKey, error) {
	line := bytes.TrimRight(file, "\r\n")
	k := TableKey{new([32]byte)}
	if len(line) != hex.EncodedLen(len(k.b)) {
		return TableKey{}, fmt.Errorf("not a key for exact data: it holds %d bytes, and a key is %d hexadecimal digits (teamsdlp edm key makes one)", len(line), hex.EncodedLen(len(k.b)))
	}
	if _, err := hex.Decode(k.b[:], line); err != nil {
		return TableKey{}, errors.New("not a key for exact data: not all of it is hexadecimal digits (teamsdlp edm key makes one)")
	}
	if *k.b == [32]byte{} {
		return TableKey{}, errors.New("not a key for exact data: it is all zeros")
	}
	return k, nil
}

// File returns what a key file holds: for nothing else.
func (k TableKey) File() []byte { return append(hex.AppendEncode(nil, k.b[:]), '\n') }

// ID names the key; it tells nothing of it.
func (k TableKey) ID() string { return hex.EncodeToString(k.derive("id")[:keyIDSize]) }

// Format implements fmt.Formatter.
func (TableKey) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// MarshalText implements encoding.TextMarshaler.
func (TableKey) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

func (k TableKey) derive(use string) []byte {
	h := hmac.New(sha256.New, k.b[:])
	_, _ = io.WriteString(h, tableHead+use)
	return h.Sum(nil)
}

// tableKeys are what is derived of a key, for one use each.
type tableKeys struct {
	sip     *sipKey
	sealing []byte
	pool    sync.Pool // of *tableHash
}

func (k TableKey) keys() *tableKeys {
	primary, row := k.derive("primary"), k.derive("row")
	t := &tableKeys{sip: newSIPKey(k.derive("token")), sealing: k.derive("seal")}
	t.pool.New = func() any {
		return &tableHash{primary: hmac.New(sha256.New, primary), row: hmac.New(sha256.New, row)}
	}
	return t
}

// seal is the HMAC over a file's sum.
func (k *tableKeys) seal(sum []byte) []byte {
	h := hmac.New(sha256.New, k.sealing)
	_, _ = h.Write(sum)
	return h.Sum(nil)
}

// tableHash hashes values and covers cells; for one goroutine.
type tableHash struct {
	primary, row hash.Hash
	sum          [sha256.Size]byte
	block        [8]byte
}

// value is the hash of a primary value, in its normalised form.
func (h *tableHash) value(kind ColumnKind, normal []byte) (out [primarySize]byte) {
	h.primary.Reset()
	h.block[0] = byte(kind)
	_, _ = h.primary.Write(h.block[:1])
	_, _ = h.primary.Write(normal)
	copy(out[:], h.primary.Sum(h.sum[:0]))
	return out
}

// cover covers or uncovers the cells of a row, the nth of those that have its
// primary value.
func (h *tableHash) cover(primary []byte, nth int, cells []uint64) {
	const each = sha256.Size / cellSize
	for i := range cells {
		if i%each == 0 {
			h.row.Reset()
			_, _ = h.row.Write(primary)
			binary.LittleEndian.PutUint32(h.block[:], uint32(nth))     //nolint:gosec // at most maxAlike
			binary.LittleEndian.PutUint32(h.block[4:], uint32(i/each)) //nolint:gosec // at most MaxTableColumns
			_, _ = h.row.Write(h.block[:])
			h.row.Sum(h.sum[:0])
		}
		cells[i] ^= binary.LittleEndian.Uint64(h.sum[i%each*cellSize:])
	}
}

// ReadTable reads a table's file, all of it, and checks that it is whole. The
// table keeps file, which must not be changed. It cannot be searched before
// [Table.Unlock].
func ReadTable(file []byte) (*Table, error) {
	t := &Table{}
	rest, ok := bytes.CutPrefix(file, []byte(tableMagic))
	if !ok {
		return nil, errors.New("not a table of exact data (teamsdlp edm build makes one)")
	}
	end := bytes.IndexByte(rest[:min(len(rest), 8)], '\n')
	if end < 0 {
		return nil, errors.New("damaged: its first line does not end")
	}
	version, rest := rest[:end], rest[end+1:]
	if string(version) != tableVersion {
		return nil, fmt.Errorf("a table of version %q, and this program reads version %s: build it with this program", version, tableVersion)
	}
	if len(rest) < 4 {
		return nil, errors.New("cut short within its header")
	}
	n := binary.LittleEndian.Uint32(rest)
	if n > maxHeader {
		return nil, errors.New("damaged: its header is too long")
	}
	if rest = rest[4:]; len(rest) < int(n) {
		return nil, errors.New("cut short within its header")
	}
	var h tableHeader
	dec := json.NewDecoder(bytes.NewReader(rest[:n]))
	dec.DisallowUnknownFields()
	if dec.Decode(&h) != nil || t.describe(h) != nil {
		return nil, errors.New("damaged: its header cannot be read")
	}
	rest = rest[n:]
	others := len(h.Columns) - 1
	want := int64(h.Blocks)*blockSize + int64(h.Rows)*int64(primarySize+others*cellSize) + 2*sha256.Size
	switch got := int64(len(rest)); {
	case got < want:
		return nil, fmt.Errorf("cut short: it has %d bytes of %d", len(file), int64(len(file))+want-got)
	case got > want:
		return nil, fmt.Errorf("damaged: %d bytes follow its end", got-want)
	}
	take := func(n int) []byte {
		part := rest[:n:n]
		rest = rest[n:]
		return part
	}
	t.filter = take(h.Blocks * blockSize)
	t.prime = take(h.Rows * primarySize)
	t.cells = take(h.Rows * others * cellSize)
	sum := sha256.Sum256(file[:len(file)-len(rest)])
	t.sum, t.seal = take(sha256.Size), take(sha256.Size)
	if !hmac.Equal(sum[:], t.sum) {
		return nil, errors.New("damaged: its checksum does not match")
	}
	t.rows, t.info.Bytes = h.Rows, len(file)
	return t, nil
}

// describe takes over what a header says.
func (t *Table) describe(h tableHeader) error {
	built, err := time.Parse(time.RFC3339, h.Built)
	if err != nil || !goodKeyID(h.KeyID) || h.Rows < 1 || h.Rows > MaxTableBytes/primarySize || h.Blocks < 1 || h.Blocks > h.Rows ||
		len(h.Columns) < 1 || len(h.Columns) > MaxTableColumns {
		return errors.New("out of range")
	}
	t.info = TableInfo{Built: built, KeyID: h.KeyID, Rows: h.Rows}
	for _, c := range h.Columns {
		kind := slices.Index(ColumnKinds, c.Kind)
		if kind < 0 || checkColumnName(c.Name) != nil {
			return errors.New("unknown column")
		}
		t.info.Columns = append(t.info.Columns, TableColumn{c.Name, ColumnKind(kind)}) //nolint:gosec // one of four
		t.sizes = append(t.sizes, c.Sizes&sizesOf(ColumnKind(kind)))                   //nolint:gosec // one of four
	}
	return nil
}

func goodKeyID(id string) bool {
	b, err := hex.DecodeString(id)
	return err == nil && len(b) == keyIDSize
}

// sizesOf are the sizes that values of a kind can have, a bit for each.
func sizesOf(kind ColumnKind) uint64 {
	most := 1
	switch kind {
	case DigitsColumn:
		most = maxDigits
	case TextColumn:
		most = maxWords
	case VerbatimColumn:
		most = maxChunks
	}
	return 1<<(most+1) - 2
}

// checkColumnName: names are printed, and written into rule files.
func checkColumnName(name string) error {
	switch {
	case strings.TrimSpace(name) == "":
		return errors.New("a column needs a name")
	case !utf8.ValidString(name) || strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }):
		return errors.New("a column's name must be one line of printable characters")
	case utf8.RuneCountInString(name) > MaxColumnName:
		return fmt.Errorf("a column's name has at most %d characters", MaxColumnName)
	}
	return nil
}

// Unlock returns the table ready to be searched. Its error says so if the table
// was built with another key, or changed by somebody who has not this one.
func (t *Table) Unlock(k TableKey) (*Table, error) {
	if k.ID() != t.info.KeyID {
		return nil, fmt.Errorf("built with key %s, and this is key %s", t.info.KeyID, k.ID())
	}
	keys := k.keys()
	if !hmac.Equal(keys.seal(t.sum), t.seal) {
		return nil, errors.New("not sealed by its key: it was changed after it was built")
	}
	open := *t
	open.keys = keys
	return &open, nil
}

// Info says what the table holds.
func (t *Table) Info() TableInfo { return t.info }

// OneIn returns how many numbers as long as the longest of the primary column there
// are for each row: of that many, chosen by chance, one is in the table. It is 0
// where the primary column holds no numbers, or there are more than people meet.
func (t *Table) OneIn() int {
	digits := bits.Len64(t.sizes[0]) - 1
	if t.info.Columns[0].Kind != DigitsColumn || digits > 15 {
		return 0
	}
	numbers := 1
	for range digits {
		numbers *= 10
	}
	return max(1, numbers/t.rows)
}

// Column returns the place of a column among the table's; -1 if there is none.
func (t *Table) Column(name string) int {
	return slices.IndexFunc(t.info.Columns, func(c TableColumn) bool { return c.Name == name })
}

// Format implements fmt.Formatter: a table is never printed.
func (t *Table) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[table]") }

// may reports whether a token of that hash may be a primary value. Every value
// passes, and about one in 150 of what is none.
func (t *Table) may(h uint64) bool { return inFilter(t.filter, h) }

// The filter is one of Bloom's, of blocks that a processor loads as one.
const filterBits = 6

func inFilter(filter []byte, h uint64) bool {
	block, bit := filterPlace(filter, h)
	for range filterBits {
		if block[bit>>3&63]&(1<<(bit&7)) == 0 {
			return false
		}
		bit >>= 9
	}
	return true
}

func addToFilter(filter []byte, h uint64) {
	block, bit := filterPlace(filter, h)
	for range filterBits {
		block[bit>>3&63] |= 1 << (bit & 7)
		bit >>= 9
	}
}

func filterPlace(filter []byte, h uint64) (block []byte, bit uint64) {
	n, _ := bits.Mul64(spread(h), uint64(len(filter)/blockSize))
	return filter[n*blockSize:][:blockSize], spread(h ^ 0x9e3779b97f4a7c15)
}

// find returns the rows of a primary hash.
func (t *Table) find(primary []byte) (from, to int) {
	row := func(i int) []byte { return t.prime[i*primarySize:][:primarySize] }
	from = sort.Search(t.rows, func(i int) bool { return bytes.Compare(row(i), primary) >= 0 })
	to = from
	for to < t.rows && to-from < maxAlike && bytes.Equal(row(to), primary) {
		to++
	}
	return from, to
}

// uncovered appends the cells of row, the nth of its primary value.
func (t *Table) uncovered(dst []uint64, h *tableHash, row, nth int) []uint64 {
	n := len(t.info.Columns) - 1
	at := len(dst)
	for i := range n {
		dst = append(dst, binary.LittleEndian.Uint64(t.cells[(row*n+i)*cellSize:]))
	}
	h.cover(t.prime[row*primarySize:][:primarySize], nth, dst[at:])
	return dst
}
