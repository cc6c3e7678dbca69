package detect

import "encoding/binary"

// A Sieve looks once through a text for what several searches would each look through
// it for: those of an engine's own patterns, of the rules' patterns and of their
// keywords. Of most texts it leaves them nothing to look at. It is immutable and safe
// for concurrent use.
type Sieve struct {
	table    [1 << sieveBits]uint8 // by a part of the hash of three bytes: the searches that want them
	engine   *Needles
	needles  *Needles
	keywords *Keywords
}

// sieveBits makes a table that stays in the nearest cache.
const sieveBits = 13

// The searches of a sieve, by bit.
const (
	ofEngine = 1 << iota
	ofNeedles
	ofKeywords
)

// A sieved is a place where eight bytes start that some searches want to look at.
type sieved struct {
	at int32
	of uint8
}

// NewSieve makes a sieve for an engine's own patterns, and for those and the keywords
// of rules. Each may be nil. Many keywords are looked for in a way of their own.
func NewSieve(e *Engine, n *Needles, k *Keywords) *Sieve {
	s := new(Sieve)
	if e != nil && e.needles.texts > 0 {
		s.engine = e.needles
		s.add(&e.needles.threes, ofEngine)
	}
	if n != nil && n.texts > 0 {
		s.needles = n
		s.add(&n.threes, ofNeedles)
	}
	if k != nil && k.heads != nil && k.dict == nil {
		s.keywords = k
		s.add(k.heads, ofKeywords)
	}
	return s
}

func (s *Sieve) add(t *threes, of uint8) {
	for h := range uint32(threeBits) {
		if t[h>>6]>>(h&63)&1 != 0 {
			s.table[h>>(hashBits-sieveBits)] |= of
		}
	}
}

// at returns the searches that want the lowest three bytes of x, which are folded.
func (s *Sieve) at(x uint64) uint8 { return s.table[uint32(x&0xFFFFFF)*threeFactor>>(32-sieveBits)] }

// eight returns the searches that want the threes which start at the first three of
// every other byte of x, or with y.
func (s *Sieve) eight(x, y uint64) uint8 { return s.at(x) | s.at(x>>16) | s.at(x>>32) | s.at(y) }

// Sift makes text what is searched, as Reset does, and sifts it.
func (h *Haystack) Sift(text []byte, s *Sieve) {
	h.Reset(text)
	h.sieve = s
	foreign := uint8(0) // what bytes beyond ASCII are of
	if s.keywords != nil {
		foreign = ofKeywords
	}
	rest := text
	for ; len(rest) >= 10; rest = rest[8:] {
		x, y := binary.LittleEndian.Uint64(rest), uint64(binary.LittleEndian.Uint16(rest[8:]))
		of := s.eight(x|folding, x>>48|y<<16|folding)
		if (x|y)&beyondASCII != 0 {
			of |= foreign
		}
		if of != 0 {
			h.wanted(of, len(text)-len(rest))
		}
	}
	last := h.behind(len(text) - len(rest))
	for at := 0; at < len(rest); at += 8 {
		x, y := binary.LittleEndian.Uint64(last[at:]), uint64(binary.LittleEndian.Uint16(last[at+8:]))
		of := s.eight(x|folding, x>>48|y<<16|folding)
		if (x|y)&beyondASCII != 0 {
			of |= foreign
		}
		if of != 0 {
			h.wanted(of, len(text)-len(rest)+at)
		}
	}
}

// beyondASCII has the bit of each byte that only bytes beyond ASCII have.
const beyondASCII = 0x8080808080808080

// wanted takes note of eight bytes that searches want to look at.
func (h *Haystack) wanted(of uint8, at int) {
	h.of |= of
	h.sieved = append(h.sieved, sieved{int32(at), of}) //nolint:gosec // a text is far below 2 GiB
}

// behind returns what stands at i, with zeros where less than two steps are left.
func (h *Haystack) behind(i int) (b [18]byte) {
	copy(b[:], h.text[i:])
	return b
}

// want returns the bit of n in the sieve that h was sifted with; 0 if it was not.
func (h *Haystack) want(n *Needles) uint8 {
	switch {
	case h.sieve == nil:
		return 0
	case n == h.sieve.engine:
		return ofEngine
	case n == h.sieve.needles:
		return ofNeedles
	}
	return 0
}
