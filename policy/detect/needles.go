package detect

import (
	"encoding/binary"
	"slices"
)

// A threes is a set of three bytes in a row, letters of both cases being one. It may
// hold more than was added, but few.
type threes [threeBits / 64]uint64

const hashBits, threeBits = 15, 1 << hashBits

// folding makes letters of both cases one in each byte; what else it makes one does
// not matter.
const folding = 0x2020202020202020

// threeHash hashes the lowest three bytes of x, which are folded.
func threeHash(x uint64) uint32 { return uint32(x&0xFFFFFF) * threeFactor >> (32 - hashBits) }

const threeFactor = 0x9E3779B1

// has has its lowest bit set if the lowest three bytes of x, which are folded, are in t.
func (t *threes) has(x uint64) uint64 {
	h := threeHash(x)
	return t[h>>6] >> (h & 63)
}

// clear returns how many bytes of b, by eights, are ASCII and none of t starts at every
// other of them. The two that follow are looked at as well.
func (t *threes) clear(b []byte) int {
	rest := b
	for ; len(rest) >= 10; rest = rest[8:] {
		x, y := binary.LittleEndian.Uint64(rest), uint64(binary.LittleEndian.Uint16(rest[8:]))
		high := (x | y) & beyondASCII
		y = x>>48 | y<<16 | folding
		x |= folding
		if high|(t.has(x)|t.has(x>>16)|t.has(x>>32)|t.has(y))&1 != 0 {
			break
		}
	}
	return len(b) - len(rest)
}

// add adds the bytes of which each is one of those in its place; nil stands for any.
// It calls each with the hashes of what it adds.
func (t *threes) add(of [3][]byte, each func(hash uint32)) {
	for i, some := range of {
		if some == nil {
			of[i] = everyByte[:]
		}
	}
	for _, a := range of[0] {
		for _, b := range of[1] {
			for _, c := range of[2] {
				h := threeHash(uint64(a) | uint64(b)<<8 | uint64(c)<<16 | folding)
				t[h>>6] |= 1 << (h & 63)
				each(h)
			}
		}
	}
}

var everyByte = func() (t [256]byte) {
	for i := range t {
		t[i] = byte(i)
	}
	return t
}()

// Needles finds in one pass which of many patterns could match a text at all: those
// whose fixed text occurs, or so many digits in a row. It is immutable and safe for
// concurrent use.
//
// A text is known by three of its bytes. Only the threes that start at every other
// byte are looked at, so each text is listed by two, side by side: one of them is
// looked at wherever it stands.
type Needles struct {
	threes threes
	exact  [256][]needle // by a part of the same hash
	texts  int
	digits []digitNeed
	fewest int   // of digits
	loose  []int // patterns that have neither
	n      int
}

// A needle is one fixed text of a pattern.
type needle struct {
	pattern int
	text    string
	fold    bool
	three   int // where in text its three bytes are: before or after it, in part, where it is short
}

// A digitNeed is a pattern that so many digits in a row must occur for.
type digitNeed struct{ pattern, digits int }

// NewNeedles makes a search for patterns.
func NewNeedles(patterns []*Pattern) *Needles {
	n := &Needles{n: len(patterns)}
	for i, p := range patterns {
		switch {
		case p.shape != nil && p.shape.text != "":
			n.add(needle{pattern: i, text: p.shape.text, fold: p.shape.fold})
		case len(p.any) > 0:
			for _, l := range p.any {
				n.add(needle{pattern: i, text: l.text, fold: l.fold})
			}
		case p.shape != nil:
			n.digits = append(n.digits, digitNeed{i, p.shape.digits})
		case p.digits > 0:
			n.digits = append(n.digits, digitNeed{i, p.digits})
		default:
			n.loose = append(n.loose, i)
		}
	}
	if len(n.digits) > 0 {
		n.fewest = slices.MinFunc(n.digits, func(a, b digitNeed) int { return a.digits - b.digits }).digits
	}
	return n
}

// commonness ranks bytes by how often chats hold them; what is not in it is rare.
const commonness = "zqjx;&+#=()'\"9876543102bkvw:/-,ypgf.mcuhldsrniaote "

// rarity is higher for rarer bytes.
var rarity = func() (t [256]int) {
	for i := range t {
		t[i] = len(commonness) + 1
	}
	for i := range len(commonness) {
		c := commonness[i]
		t[c] = len(commonness) - i
		if isLower(c) {
			t[c&^0x20] = t[c] + 1
		}
	}
	return t
}()

// add lists x by the two threes, side by side, that are the rarer.
func (n *Needles) add(x needle) {
	n.texts++
	if len(x.text) == 2 {
		x.three = -1
	}
	rare := func(at int) (sum int) {
		for i := max(at, 0); i < min(at+3, len(x.text)); i++ {
			sum += rarity[x.text[i]]
		}
		return sum
	}
	for i, best := x.three, -1; i+4 <= max(len(x.text), x.three+4); i++ {
		if r := min(rare(i), rare(i+1)); r > best {
			best, x.three = r, i
		}
	}
	for range 2 {
		n.list(x)
		x.three++
	}
}

// list lists x by its three bytes; one that lies outside its text may be any.
func (n *Needles) list(x needle) {
	var of [3][]byte
	for i := range of {
		if at := x.three + i; at >= 0 && at < len(x.text) {
			of[i] = []byte{x.text[at]}
		}
	}
	n.threes.add(of, func(h uint32) {
		if list := n.exact[h>>7]; len(list) == 0 || list[len(list)-1] != x {
			n.exact[h>>7] = append(list, x)
		}
	})
}

// Find says of each pattern whether it could match h, in out if that is large
// enough. some: at least one could.
func (n *Needles) Find(h *Haystack, out []bool) (_ []bool, some bool) {
	if cap(out) < n.n {
		out = make([]bool, n.n)
	}
	out = out[:n.n]
	clear(out)
	for _, i := range n.loose {
		out[i], some = true, true
	}
	if len(n.digits) > 0 {
		if h.runs(n.fewest); h.longest >= n.fewest { // which few texts hold
			for _, d := range n.digits {
				if d.digits <= h.longest {
					out[d.pattern], some = true, true
				}
			}
		}
	}
	if n.texts == 0 {
		return out, some
	}
	if of := h.want(n); of != 0 {
		if h.of&of == 0 {
			return out, some
		}
		for _, m := range h.sieved {
			switch at := int(m.at); {
			case m.of&of == 0:
			case at+10 > len(h.text):
				b := h.behind(at)
				some = n.eight(h.text, b[:], at, out) || some
			case n.any(h.text[at:]):
				some = n.eight(h.text, h.text[at:], at, out) || some
			}
		}
		return out, some
	}
	text := h.text
	for ; len(text) >= 10; text = text[8:] {
		if n.any(text) {
			some = n.eight(h.text, text, len(h.text)-len(text), out) || some
		}
	}
	var last [18]byte // what is left, as long as two steps take
	copy(last[:], text)
	for at := 0; at < len(text); at += 8 {
		some = n.eight(h.text, last[at:], len(h.text)-len(text)+at, out) || some
	}
	return out, some
}

// any reports whether a three that starts at one of the first eight bytes of b is that
// of a text.
func (n *Needles) any(b []byte) bool {
	x, t := binary.LittleEndian.Uint64(b), &n.threes
	y := x>>48 | uint64(binary.LittleEndian.Uint16(b[8:]))<<16 | folding
	x |= folding
	return (t.has(x)|t.has(x>>16)|t.has(x>>32)|t.has(y))&1 != 0
}

// eight looks at the threes that start at the first eight bytes of b, which is what
// stands in text at i.
func (n *Needles) eight(text, b []byte, i int, out []bool) (some bool) {
	x := binary.LittleEndian.Uint64(b)
	y := x>>48 | uint64(binary.LittleEndian.Uint16(b[8:]))<<16
	for k, three := range [4]uint64{x, x >> 16, x >> 32, y} {
		some = n.check(text, i+2*k, three|folding, out) || some
	}
	return some
}

// check marks the patterns whose text stands around the three bytes at i. It reports
// whether there are any.
func (n *Needles) check(text []byte, i int, three uint64, out []bool) (some bool) {
	if n.threes.has(three)&1 == 0 {
		return false
	}
	for _, x := range n.exact[threeHash(three)>>7] {
		from := i - x.three
		if out[x.pattern] || from < 0 || from+len(x.text) > len(text) {
			continue
		}
		if matches(text[from:from+len(x.text)], x.text, x.fold) {
			out[x.pattern], some = true, true
		}
	}
	return some
}
