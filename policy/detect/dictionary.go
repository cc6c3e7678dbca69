package detect

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"sync"
	"unicode"
	"unicode/utf8"
)

// A dictionary finds the terms of a list, however long. It reads a text as units
// (a word; or one sign, or one character of a script without spaces), and looks
// whole units up by hash: one bit for most words of a message, whatever the
// length of the list, where the table of an automaton would soon not fit a
// processor's cache and each byte would wait for memory. Terms with the same first
// unit are told apart by how many units they have, so a word costs at most
// maxUnits look-ups.
type dictionary struct {
	gate    []uint64   // bit per hash of a first unit
	firsts  []firstOf  // open addressing, by hash of the first unit
	slots   []uint32   // open addressing, by hash of all units: entry + 1
	entries []dictTerm // one for each folded term
	text    []byte     // of all terms, folded
	pool    sync.Pool  // of *[]unit
}

// firstOf says what terms begin with a unit.
type firstOf struct {
	hash   uint64 // 0: free
	counts uint32 // bit n: one of n units does
}

type dictTerm struct {
	hash     uint64
	off, end uint32  // in text
	index    int32   // in the caller's slice
	also     []int32 // more of the same folded term
}

// A unit is one word or sign of a text.
type unit struct {
	start, end int32
	hash       uint64 // its last bit says that blanks stand before it
}

// maxUnits is the most units of a term in a dictionary. A longer one is left to
// the automaton.
const maxUnits = 31

const hashStart = 0xcbf29ce484222325

// spread spreads h over all bits.
func spread(h uint64) uint64 {
	h ^= h >> 32
	h *= 0xd6e8feb86659fd93
	h ^= h >> 32
	return h
}

// A unitHash hashes a unit, eight of its bytes at a time.
type unitHash struct {
	h, last uint64 // last are the bytes that are not in h
	n       int    // bits of last
}

func (u *unitHash) add(c byte) {
	u.last |= uint64(c) << u.n
	if u.n += 8; u.n == 64 {
		*u = unitHash{h: spread(u.h ^ u.last)}
	}
}

func (u *unitHash) sum() uint64 {
	if u.n == 0 {
		return u.h
	}
	return spread(u.h ^ u.last)
}

// joinHash is the hash of a phrase and the unit after it.
func joinHash(phrase, unit uint64) uint64 {
	return (bits.RotateLeft64(phrase, 23) ^ unit) * 0x9e3779b97f4a7c15
}

// newDictionary makes a dictionary of what fits one; rest holds the indices of
// the other terms.
func newDictionary(terms []string, fold func(string) []byte) (d *dictionary, rest []int) {
	d = &dictionary{}
	d.pool.New = func() any { return new([]unit) }
	size := 1
	for size < 2*len(terms) {
		size *= 2
	}
	d.firsts, d.slots, d.gate = make([]firstOf, size), make([]uint32, size), make([]uint64, max(1, size*8/64))
	var units []unit
	for i, s := range terms {
		f := fold(s)
		if len(f) == 0 {
			continue
		}
		units = appendUnits(units[:0], []byte(s))
		if edgy(f) || len(units) == 0 || len(units) > maxUnits || len(d.text)+len(f) > 1<<31 {
			rest = append(rest, i)
			continue
		}
		h := units[0].hash &^ 1
		d.begin(h, len(units))
		for _, u := range units[1:] {
			h = joinHash(h, u.hash)
		}
		d.insert(h, f, int32(i))
	}
	return d, rest
}

// edgy reports whether a term begins or ends with '_', which parts no words and
// belongs to none.
func edgy(f []byte) bool { return f[0] == '_' || f[len(f)-1] == '_' }

// begin notes that a term of n units begins with the unit of that hash.
func (d *dictionary) begin(h uint64, n int) {
	g := spread(h) & uint64(len(d.gate)*64-1)
	d.gate[g/64] |= 1 << (g % 64)
	f := d.first(h)
	f.hash = h
	f.counts |= 1 << n
}

// first returns the slot of a first unit: its own, or a free one.
func (d *dictionary) first(h uint64) *firstOf {
	mask := uint64(len(d.firsts) - 1)
	for i := spread(h) >> 20 & mask; ; i = (i + 1) & mask {
		if f := &d.firsts[i]; f.hash == h || f.hash == 0 && f.counts == 0 {
			return f
		}
	}
}

func (d *dictionary) insert(h uint64, folded []byte, index int32) {
	mask := uint64(len(d.slots) - 1)
	for i := spread(h) & mask; ; i = (i + 1) & mask {
		at := d.slots[i]
		if at == 0 {
			off := len(d.text)
			d.text = append(d.text, folded...)
			d.entries = append(d.entries, dictTerm{hash: h, off: uint32(off), end: uint32(len(d.text)), index: index}) //nolint:gosec // bounded by the caller
			d.slots[i] = uint32(len(d.entries))                                                                        //nolint:gosec // terms are far fewer
			return
		}
		if e := &d.entries[at-1]; e.hash == h && bytes.Equal(d.text[e.off:e.end], folded) {
			e.also = append(e.also, index)
			return
		}
	}
}

// find appends what it finds in buf, and returns the look-ups it took.
func (d *dictionary) find(buf []byte, hits []Hit) (_ []Hit, work int) {
	scratch := d.pool.Get().(*[]unit)
	units := appendUnits((*scratch)[:0], buf)
	for i := range units {
		h := units[i].hash &^ 1
		g := spread(h) & uint64(len(d.gate)*64-1)
		if d.gate[g/64]&(1<<(g%64)) == 0 {
			continue
		}
		counts := d.first(h).counts
		for n := 1; counts>>n != 0 && i+n <= len(units); n++ {
			if n > 1 {
				h = joinHash(h, units[i+n-1].hash)
			}
			work++
			if counts&(1<<n) != 0 {
				hits = d.look(h, buf, int(units[i].start), int(units[i+n-1].end), hits)
			}
		}
	}
	work += len(units)
	if cap(units) > 1<<15 {
		units = nil
	}
	*scratch = units[:0]
	d.pool.Put(scratch)
	return hits, work
}

// look appends the terms that buf[start:end], of hash h, is.
func (d *dictionary) look(h uint64, buf []byte, start, end int, hits []Hit) []Hit {
	mask := uint64(len(d.slots) - 1)
	for i := spread(h) & mask; d.slots[i] != 0; i = (i + 1) & mask {
		e := &d.entries[d.slots[i]-1]
		if e.hash != h || !foldsTo(buf[start:end], d.text[e.off:e.end]) {
			continue
		}
		hits = append(hits, Hit{int(e.index), start, end})
		for _, k := range e.also {
			hits = append(hits, Hit{int(k), start, end})
		}
		break
	}
	return hits
}

// foldsTo reports whether span, folded as [Keywords] folds, is folded.
func foldsTo(span, folded []byte) bool {
	var room [8]byte
	for i := 0; i < len(span); {
		c := span[i]
		if c < utf8.RuneSelf {
			i++
			if isBlank(c) {
				for i < len(span) && isBlank(span[i]) {
					i++
				}
				c = ' '
			}
			if len(folded) == 0 || folded[0] != lowered[c] {
				return false
			}
			folded = folded[1:]
			continue
		}
		r, n := utf8.DecodeRune(span[i:])
		i += n
		f := foldInto(&room, r)
		if !bytes.HasPrefix(folded, f) {
			return false
		}
		folded = folded[len(f):]
	}
	return len(folded) == 0
}

// foldInto is foldRune without a new string: what it returns may lie in room.
func foldInto(room *[8]byte, r rune) []byte {
	if r < 0x2000 {
		return room[:copy(room[:], foldedRunes()[r])]
	}
	return utf8.AppendRune(room[:0], unicode.ToLower(r))
}

func isBlank(c byte) bool { return c == ' ' || c == '\n' || c == '\t' || c == '\f' }

// What an ASCII byte is to a dictionary.
const (
	signUnit uint8 = iota // a unit by itself
	wordUnit
	blankUnit
)

var unitBytes = func() (t [utf8.RuneSelf]uint8) {
	for i := range t {
		switch c := byte(i); {
		case isAlnum(c), c == '_':
			t[i] = wordUnit
		case isBlank(c):
			t[i] = blankUnit
		}
	}
	return t
}()

// appendUnits reads buf as units.
func appendUnits(units []unit, buf []byte) []unit {
	blank := uint64(0)
	var room [8]byte
	for i := 0; i < len(buf); {
		c := buf[i]
		if c < utf8.RuneSelf {
			switch unitBytes[c] {
			case blankUnit:
				blank = 1
				i++
				continue
			case signUnit:
				units = append(units, unit{int32(i), int32(i + 1), spread(hashStart^uint64(lowered[c]))&^1 | blank}) //nolint:gosec // a text is far below 2 GiB
				blank = 0
				i++
				continue
			}
		}
		if i+8 < len(buf) { // most words
			x := binary.LittleEndian.Uint64(buf[i:]) | folding
			n := smallLetters(x)
			if next := buf[i+n]; n > 0 && n < 8 && next < utf8.RuneSelf && unitBytes[next] != wordUnit {
				h := spread(hashStart ^ x&(1<<(8*n)-1))
				units = append(units, unit{int32(i), int32(i + n), h&^1 | blank}) //nolint:gosec // a text is far below 2 GiB
				blank = 0
				i += n
				continue
			}
		}
		start, end, h := i, i, unitHash{h: hashStart}
		word := false
	chars:
		for i < len(buf) {
			c := buf[i]
			if c < utf8.RuneSelf {
				if unitBytes[c] != wordUnit {
					break
				}
				h.add(lowered[c])
				i++
				end, word = i, true
				continue
			}
			r, n := utf8.DecodeRune(buf[i:])
			f := foldInto(&room, r)
			spaced := spacedRune(r)
			switch {
			case len(f) == 0: // an accent that stands alone
				i += n
				continue
			case !spaced && word:
				break chars
			}
			if !word {
				start = i
			}
			for _, c := range f {
				h.add(c)
			}
			i += n
			end, word = i, true
			if !spaced {
				break
			}
		}
		if word {
			units = append(units, unit{int32(start), int32(end), h.sum()&^1 | blank}) //nolint:gosec // a text is far below 2 GiB
			blank = 0
		}
	}
	return units
}

// spacedTable holds what spaced says of every rune up to U+1FFF.
var spacedTable = sync.OnceValue(func() *[0x2000]bool {
	t := new([0x2000]bool)
	for r := range rune(len(t)) {
		t[r] = spaced(r)
	}
	return t
})

// spacedRune is spaced, fast.
func spacedRune(r rune) bool {
	switch {
	case r < 0x2000:
		return spacedTable()[r]
	case r >= 0x2E80 && r < 0xA000, r >= 0xAC00 && r < 0xD7A4: // Chinese, Japanese, Korean
		return r < 0x3400 && !unicode.Is(unicode.Han, r) && spaced(r)
	}
	return spaced(r)
}
