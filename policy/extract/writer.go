package extract

import (
	"bytes"
	"math/bits"
	"unicode/utf8"
)

// A pause is what stands between two stretches of text.
type pause uint8

const (
	noPause pause = iota
	cellPause
	linePause
	blockPause
)

// A writer lays one source string out in a Text.
type writer struct {
	t    *Text
	src  string
	part int16
	// jmap maps src, where it is an unescaped JSON string, to the JSON; shift is
	// where src starts in the source of the part. jpos is the last entry used.
	jmap  []seg
	jpos  int
	shift int

	base  Zone  // zone of the source as a whole
	zone  Zone  // zone of what is written next
	wait  pause // written before the next visible byte
	begun bool  // something of this part has been written
	pre   bool  // line breaks and tabs of the source count

	bent int // where a control of direction stood inside a value; 0: nowhere

	open int // cell being written, as index in t.cells; else -1

	override bool // text is shown from right to left from here on
	from     int  // where the stretch that is shown so starts; -1 before it does
	turned   int  // how many of t.turned are written
}

// source translates an offset in src.
func (w *writer) source(off int) int {
	if w.jmap == nil {
		return w.shift + off
	}
	for w.jpos > 0 && int(w.jmap[w.jpos].out) > off {
		w.jpos--
		w.t.work++
	}
	for w.jpos+1 < len(w.jmap) && int(w.jmap[w.jpos+1].out) <= off {
		w.jpos++
		w.t.work++
	}
	m := w.jmap[w.jpos]
	if m.atom {
		return w.shift + int(m.src)
	}
	return w.shift + int(m.src) + off - int(m.out)
}

// sourceEnd translates the end of a stretch whose last byte is at off-1.
func (w *writer) sourceEnd(off int) int {
	if w.jmap == nil || off == 0 {
		return w.source(off)
	}
	s := w.source(off - 1)
	if m := w.jmap[w.jpos]; m.atom {
		return w.shift + int(m.src+m.n)
	}
	return s + 1
}

// begin does what must come before visible text: the pause and the zone.
func (w *writer) begin(off int) {
	t := w.t
	if w.wait >= linePause && (w.override || w.turned < len(t.turned)) {
		w.turn()
	}
	if n := len(t.spans); n == 0 || t.spans[n-1].zone != w.zone {
		t.spans = append(t.spans, span{int32(len(t.buf)), w.zone})
	}
	if w.wait != noPause {
		if w.begun {
			w.separate(off, [...]string{cellPause: "\t", linePause: "\n", blockPause: "\n\n"}[w.wait])
		}
		w.wait = noPause
	}
	w.begun = true
	if w.override && w.from < 0 {
		w.from = len(t.buf)
	}
	if w.open >= 0 && t.cells[w.open].start < 0 {
		t.cells[w.open].start = int32(len(t.buf))
	}
}

// separate writes s, which stands for nothing in the source.
func (w *writer) separate(off int, s string) {
	w.t.segs = append(w.t.segs, seg{out: int32(len(w.t.buf)), src: int32(w.source(off)), part: w.part, atom: true})
	w.t.buf = append(w.t.buf, s...)
}

// plain copies src[from:to] byte for byte.
func (w *writer) plain(from, to int) {
	if from >= to {
		return
	}
	w.begin(from)
	for from < to {
		src, end := w.source(from), to
		if w.jmap != nil {
			if w.jmap[w.jpos].atom {
				m := w.jmap[w.jpos]
				if w.jpos+1 < len(w.jmap) {
					end = min(to, int(w.jmap[w.jpos+1].out))
				}
				w.t.segs = append(w.t.segs, seg{int32(len(w.t.buf)), m.src + int32(w.shift), m.n, w.part, true})
				w.t.buf = append(w.t.buf, w.src[from:end]...)
				from = end
				continue
			}
			if w.jpos+1 < len(w.jmap) {
				end = min(to, int(w.jmap[w.jpos+1].out))
			}
		}
		w.run(src)
		w.t.buf = append(w.t.buf, w.src[from:end]...)
		from = end
	}
}

// run makes sure that the next byte of the buffer maps to src, byte for byte.
func (w *writer) run(src int) {
	t := w.t
	if n := len(t.segs); n > 0 {
		if s := t.segs[n-1]; !s.atom && s.part == w.part && int(s.src)+len(t.buf)-int(s.out) == src {
			return
		}
	}
	t.segs = append(t.segs, seg{out: int32(len(t.buf)), src: int32(src), part: w.part})
}

// put writes b for src[from:to].
func (w *writer) put(b byte, from, to int) {
	w.begin(from)
	if to == from+1 && w.jmap == nil {
		w.run(w.source(from))
	} else {
		w.atom(from, to)
	}
	w.t.buf = append(w.t.buf, b)
}

// atom starts a segment for src[from:to], unless the last one is the same.
func (w *writer) atom(from, to int) {
	t := w.t
	src, end := w.source(from), w.sourceEnd(to)
	t.segs = append(t.segs, seg{int32(len(t.buf)), int32(src), int32(end - src), w.part, true})
}

// mark remembers that something invisible stood here.
func (w *writer) mark() {
	t := w.t
	at := int32(len(t.buf))
	if n := len(t.marks); n == 0 || t.marks[n-1] != at {
		t.marks = append(t.marks, at)
	}
}

// pauseFor asks for a pause before the next visible byte.
func (w *writer) pauseFor(p pause) { w.wait = max(w.wait, p) }

// lineBreak is a <br>: two in a row end a paragraph.
func (w *writer) lineBreak() {
	if w.wait >= linePause {
		w.wait = blockPause
		return
	}
	w.wait = linePause
}

// special are the bytes that are not simply copied.
var special = func() (t [256]bool) {
	for i := range t {
		t[i] = i < ' ' || i >= 0x7F
	}
	t['<'], t['&'] = true, true
	return t
}()

// ordinary returns up to where the bytes of s from i on, and no further than to, are
// certain to be none of the special ones.
func ordinary(s string, i, to int) int {
	const ones = 0x0101010101010101
	for i+8 <= to {
		b := s[i : i+8]
		x := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		low := x & (0x7F * ones)
		// The high bit of each byte that is a control, beyond ASCII or DEL, '<', '&'.
		is := ^(low + (0x80-' ')*ones) | x | (low + ones) | ^((low ^ '<'*ones) + 0x7F*ones) | ^((low ^ '&'*ones) + 0x7F*ones)
		if is &= 0x80 * ones; is != 0 {
			return i + bits.TrailingZeros64(is)/8
		}
		i += 8
	}
	return i
}

// text writes src[from:to] and returns to; but with markup it stops at the first
// '<' or '&' and returns where that is.
func (w *writer) text(from, to int, markup bool) int {
	for i := from; i < to; {
		c := w.src[i]
		if w.wait != noPause && !w.pre && isSpace(c) {
			i++ // a new line does not start with a space
			continue
		}
		if markup && (c == '<' || c == '&') {
			return i
		}
		j := ordinary(w.src, i, to)
		for j < to && (!special[w.src[j]] || !markup && (w.src[j] == '<' || w.src[j] == '&')) {
			j++
		}
		w.t.work += j - i + 1
		w.plain(i, j)
		if i = j; i < to && w.src[i] != '<' && w.src[i] != '&' {
			i = w.rune(i, to)
		}
	}
	return to
}

// rune writes the one control or rune beyond ASCII at i and returns what follows.
func (w *writer) rune(i, to int) int {
	c := w.src[i]
	if c < utf8.RuneSelf {
		w.control(c, i)
		return i + 1
	}
	r, n := utf8.DecodeRuneInString(w.src[i:to])
	if r == utf8.RuneError && n == 1 {
		w.begin(i)
		w.atom(i, i+1)
		w.t.buf = append(w.t.buf, replacement...)
		return i + 1
	}
	w.foldRune(r, i, i+n, true)
	return i + n
}

// control writes a control character of ASCII.
func (w *writer) control(c byte, i int) {
	switch {
	case c == '\n' && w.pre:
		w.turn()
		w.begin(i)
		w.put('\n', i, i+1)
	case c == '\r' && w.pre && i+1 < len(w.src) && w.src[i+1] == '\n':
	case c == '\r' && w.pre:
		w.put('\n', i, i+1)
	case isSpace(c), c == '\v':
		w.put(' ', i, i+1)
	default:
		w.mark()
	}
}

// foldRune writes r, which src[from:to] stands for: literally, or as an entity.
func (w *writer) foldRune(r rune, from, to int, literal bool) {
	t := w.t
	b, what := fold(r)
	if what == keep && overlay(r) && len(t.buf) > 0 && w.wait == noPause && t.buf[len(t.buf)-1]-'0' < 10 {
		what = removed
	}
	switch what {
	case removed:
		switch {
		case r == rightToLeft && !w.override:
			w.override, w.from = true, -1
		case r == popDirection:
			w.endOverride()
		}
		if w.belongs(r) {
			w.extend(to)
		}
		w.mark()
	case disguised:
		w.begin(from)
		w.mark()
		w.put(b, from, to)
		w.mark()
	case replaced:
		if b == ' ' && w.wait != noPause && !w.pre {
			return
		}
		w.put(b, from, to)
	case newLine:
		w.lineBreak()
	case newBlock:
		w.pauseFor(blockPause)
	default:
		if literal {
			w.plain(from, to)
			return
		}
		w.begin(from)
		w.atom(from, to)
		t.buf = utf8.AppendRune(t.buf, r)
	}
}

// belongs reports whether r, which leaves nothing, is part of the character before
// it: what draws that as a keycap, say, or the end of a direction that began inside
// the same value. Who blacks out the value must take it along.
func (w *writer) belongs(r rune) bool {
	n := len(w.t.buf)
	if n == 0 || w.wait != noPause {
		return false
	}
	switch {
	case r >= 0xFE00 && r <= 0xFE0F, r == 0x20E3, overlay(r):
		return true
	case r == 0x200E || r == 0x200F || r >= 0x202A && r <= 0x202E && r != popDirection || r >= 0x2066 && r <= 0x2068:
		last := w.t.buf[n-1]
		inside := last-'0' < 10 || (last|0x20)-'a' < 26 && r != rightToLeft
		if last == ' ' && n > 1 {
			inside = w.t.buf[n-2]-'0' < 10 // 4111 <control>1111
		}
		if w.bent = 0; inside {
			w.bent = n
		}
	case r == popDirection || r == 0x2069:
		inside := w.bent > 0 && n > w.bent && n-w.bent <= longestBent && bytes.IndexByte(w.t.buf[w.bent:], '\n') < 0
		w.bent = 0
		return inside
	}
	return false
}

// longestBent is how long what follows a control of direction may be for the end of
// that direction to be part of it.
const longestBent = 64

// extend has the last character of the buffer come from all of the source up to to.
func (w *writer) extend(to int) {
	t := w.t
	last := &t.segs[len(t.segs)-1]
	_, size := utf8.DecodeLastRune(t.buf)
	at := int32(len(t.buf) - size)
	start := last.src + at - last.out
	switch {
	case last.part != w.part, last.atom && last.out != at:
		return
	case last.atom:
		last.n = int32(w.sourceEnd(to)) - last.src
		return
	case last.out == at:
		*last = seg{at, start, int32(w.sourceEnd(to)) - start, w.part, true}
		return
	}
	t.segs = append(t.segs, seg{at, start, int32(w.sourceEnd(to)) - start, w.part, true})
}

// The controls between which everything is shown from right to left.
const rightToLeft, popDirection = 0x202E, 0x202C

// shortestTurn is the least length of a stretch that is worth turning round.
const shortestTurn = 4

// endOverride ends a stretch that is shown from right to left.
func (w *writer) endOverride() {
	if from, to := w.from, len(w.t.buf); w.override && from >= 0 && to-from >= shortestTurn {
		w.t.turned = append(w.t.turned, turn{int32(from), int32(to)})
	}
	w.override = false
}

// turn ends a line: what is shown from right to left in it is written once more,
// as it is read. It may have been typed in either order.
func (w *writer) turn() {
	w.endOverride()
	for t := w.t; w.turned < len(t.turned); w.turned++ {
		from, to := int(t.turned[w.turned].from), int(t.turned[w.turned].to)
		t.work += to - from
		k := t.segAt(to - 1)
		t.segs = append(t.segs, seg{int32(len(t.buf)), t.segs[k].src, t.segs[k].n, w.part, true})
		t.buf = append(t.buf, "\f\n"...)
		for i := to; i > from; {
			r, n := utf8.DecodeLastRune(t.buf[from:i])
			i -= n
			for int(t.segs[k].out) > i {
				k--
			}
			s := seg{int32(len(t.buf)), t.segs[k].src, t.segs[k].n, w.part, true}
			if !t.segs[k].atom {
				s.src, s.n = s.src+int32(i)-t.segs[k].out, int32(n)
			}
			w.mark()
			t.segs = append(t.segs, s)
			if r == '\n' || r == '\t' || r == '\f' {
				r = ' '
			}
			t.buf = utf8.AppendRune(t.buf, r)
		}
		w.wait = blockPause
	}
}

func isSpace(c byte) bool {
	return c == ' ' || c == '\n' || c == '\t' || c == '\r' || c == '\f'
}
