package extract

import (
	"fmt"
	"sort"
)

// Kind says which field of a message a part of a Text came from.
type Kind string

// The parts of a message, in the order in which they are laid out.
const (
	PartSubject    Kind = "subject"
	PartSummary    Kind = "summary"
	PartBody       Kind = "body"
	PartAttachment Kind = "attachment" // content of a card, a quote or a forward
	PartName       Kind = "name"       // an attachment's file name
	PartLink       Kind = "link"       // an attachment's URL
)

// Part names one field of a message.
type Part struct {
	Kind  Kind
	Index int // which attachment, from 0; 0 for every other kind
}

// Zone says what a stretch of text was in the message. Where two apply, the
// later in this list wins.
type Zone uint8

// The zones.
const (
	Prose Zone = iota
	Code       // <pre>, <code>, <codeblock>, code snippets
	Cell       // a table cell
	Quote      // a blockquote, a quoted reply
	Link       // a link's target or title, an image's alternative text
)

// Source is a message as Teams has it. It is all that is read of one.
type Source struct {
	Subject, Summary string
	Body             string
	HTML             bool // Body is markup; else plain text
	Attachments      []Attachment
}

// Attachment is what is read of Graph's chatMessageAttachment.
type Attachment struct {
	ContentType, ContentURL, Content, Name string
}

// Text is an extracted message. The zero value is empty and ready for
// [Text.Load]. Its methods may be called concurrently, but for Load.
type Text struct {
	buf    []byte
	segs   []seg
	parts  []Part
	spans  []span
	marks  []int32 // where something invisible stood; ascending
	turned []turn  // shown from right to left; ascending
	cells  []cell
	links  []attr // attributes that wait for the end of their part
	raw    []byte // an unescaped JSON string
	jmap   []seg  // and where it came from
	work   int    // bytes looked at and steps taken, for the tests of linear time
}

// A seg maps a stretch of the buffer to its source. A plain seg is byte for
// byte; every byte of an atom came from the same n bytes of source.
type seg struct {
	out, src, n int32
	part        int16
	atom        bool
}

// A span is the zone from off to the next span.
type span struct {
	off  int32
	zone Zone
}

// A turn is a stretch of the buffer that is shown from right to left.
type turn struct{ from, to int32 }

// A cell is one table cell.
type cell struct {
	start, end      int32
	table, row, col int32
}

// maxSource bounds what is read of one field; offsets are 32 bits wide. Graph's
// messages are a few hundred KB at most.
const maxSource = 1 << 28

// Plain extracts plain text. Offsets are those of s.
func Plain(s string) *Text { return Message(Source{Body: s}) }

// HTML extracts the body of a chat message. Offsets are those of markup.
func HTML(markup string) *Text { return Message(Source{Body: markup, HTML: true}) }

// Message extracts every part of src.
func Message(src Source) *Text {
	t := new(Text)
	t.Load(src)
	return t
}

// Bytes returns the buffer. It is valid until the next Load and must not be
// changed.
func (t *Text) Bytes() []byte { return t.buf }

// Len returns the length of the buffer in bytes.
func (t *Text) Len() int { return len(t.buf) }

// Zone returns the zone of the byte at off.
func (t *Text) Zone(off int) Zone {
	i := sort.Search(len(t.spans), func(i int) bool { return int(t.spans[i].off) > off })
	if i == 0 {
		return Prose
	}
	return t.spans[i-1].zone
}

// Origin returns where buffer bytes start to end came from: a part, and byte
// offsets in its source. For a body those are offsets in its markup; for an
// attachment, in its content as Graph sent it. Where the stretch reaches over
// several parts, Origin answers for the first. An empty or impossible stretch has
// the zero Part.
func (t *Text) Origin(start, end int) (part Part, srcStart, srcEnd int) {
	if start < 0 || start >= end || end > len(t.buf) || len(t.segs) == 0 {
		return Part{}, 0, 0
	}
	a, b := t.segAt(start), t.segAt(end-1)
	first := t.segs[a]
	for t.segs[b].part != first.part {
		b--
	}
	last := t.segs[b]
	srcStart = int(first.src)
	if !first.atom {
		srcStart += start - int(first.out)
	}
	switch {
	case last.atom:
		srcEnd = int(last.src + last.n)
	default:
		lastOut := end
		if b+1 < len(t.segs) {
			lastOut = min(end, int(t.segs[b+1].out))
		}
		srcEnd = int(last.src) + lastOut - int(last.out)
	}
	if first.atom && last.atom && last.src < first.src { // turned round
		srcStart, srcEnd = int(last.src), int(first.src+first.n)
	}
	return t.parts[first.part], srcStart, max(srcStart, srcEnd)
}

// segAt returns the index of the segment that holds off.
func (t *Text) segAt(off int) int {
	return sort.Search(len(t.segs), func(i int) bool { return int(t.segs[i].out) > off }) - 1
}

// Obfuscated reports whether something invisible was removed between start and
// end, a digit there was written in characters that only look like one, or it is
// shown from right to left.
func (t *Text) Obfuscated(start, end int) bool {
	if i := sort.Search(len(t.turned), func(i int) bool { return int(t.turned[i].to) > start }); i < len(t.turned) && int(t.turned[i].from) < end {
		return true
	}
	i := sort.Search(len(t.marks), func(i int) bool { return int(t.marks[i]) > start })
	return i < len(t.marks) && int(t.marks[i]) < end
}

// Header returns the heading of the table column that holds off: where the cell
// of the same column in the table's first row lies. It reports false outside
// tables, and in the first row.
func (t *Text) Header(off int) (start, end int, ok bool) {
	i := t.cellAt(off)
	if i < 0 || t.cells[i].row == 0 {
		return 0, 0, false
	}
	c := t.cells[i]
	// Cells are in the order of the text, so those of one table's first row
	// stand together and are found by halves.
	j := sort.Search(len(t.cells), func(j int) bool {
		d := t.cells[j]
		return d.table > c.table || d.table == c.table && (d.row > 0 || d.col >= c.col)
	})
	if j == len(t.cells) {
		return 0, 0, false
	}
	h := t.cells[j]
	if h.table != c.table || h.row != 0 || h.col != c.col {
		return 0, 0, false
	}
	return int(h.start), int(h.end), true
}

// SameCell reports whether two offsets are not in different cells of tables.
func (t *Text) SameCell(a, b int) bool {
	return len(t.cells) == 0 || t.cellAt(a) == t.cellAt(b)
}

// cellAt returns the cell that holds off as an index in cells; -1 if none does.
func (t *Text) cellAt(off int) int {
	i := sort.Search(len(t.cells), func(i int) bool { return int(t.cells[i].start) > off }) - 1
	if i < 0 || off >= int(t.cells[i].end) {
		return -1
	}
	return i
}

// Format implements fmt.Formatter: a Text is never printed.
func (t *Text) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

// MarshalText implements encoding.TextMarshaler for the same reason.
func (t *Text) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }
