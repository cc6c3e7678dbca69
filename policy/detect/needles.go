package detect

// Needles finds in one pass which of many patterns could match a text at all: those
// whose fixed text occurs. It is immutable and safe for concurrent use.
type Needles struct {
	pairs *[1 << 10]uint64 // a bit for each pair of bytes that some text holds, in 5 + 5 bits, folded
	exact [256][]needle    // by a hash of the pair
	loose []int            // patterns that have no fixed text
	n     int
	texts int
}

// A needle is one fixed text of a pattern.
type needle struct {
	pattern int
	text    string
	fold    bool
	pair    int // where in text its rarest pair is
}

// NewNeedles makes a search for patterns.
func NewNeedles(patterns []*Pattern) *Needles {
	n := &Needles{pairs: new([1 << 10]uint64), n: len(patterns)}
	for i, p := range patterns {
		switch {
		case p.shape != nil && p.shape.text != "":
			n.add(needle{i, p.shape.text, p.shape.fold, 0})
		case len(p.any) > 0:
			for _, l := range p.any {
				n.add(needle{i, l.text, l.fold, 0})
			}
		default:
			n.loose = append(n.loose, i)
		}
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

func (n *Needles) add(x needle) {
	best := -1
	for i := 0; i+1 < len(x.text); i++ {
		if r := rarity[x.text[i]] + rarity[x.text[i+1]]; r > best {
			best, x.pair = r, i
		}
	}
	a, b := folded20(x.text[x.pair]), folded20(x.text[x.pair+1])
	k := pairKey(a, b)
	n.pairs[k>>6] |= 1 << (k & 63)
	n.exact[pairHash(a, b)] = append(n.exact[pairHash(a, b)], x)
	n.texts++
}

// folded20 makes letters of both cases one; what else it makes one does not matter.
func folded20(c byte) byte { return c | 0x20 }

func pairKey(a, b byte) uint { return uint(a)<<8 | uint(b) }

func pairHash(a, b byte) byte { return a*31 ^ b }

// Find says of each pattern whether it could match h, in out if that is large
// enough.
func (n *Needles) Find(h *Haystack, out []bool) []bool {
	if cap(out) < n.n {
		out = make([]bool, n.n)
	}
	out = out[:n.n]
	clear(out)
	for _, i := range n.loose {
		out[i] = true
	}
	if n.texts == 0 || len(h.text) < 2 {
		return out
	}
	key := pairKey(0, folded20(h.text[0]))
	for i, c := range h.text[1:] {
		key = key<<8&0xFF00 | uint(c|0x20)
		if n.pairs[key>>6&1023]&(1<<(key&63)) != 0 {
			n.check(h.text, i, out)
		}
	}
	return out
}

// check marks the patterns whose text stands around the pair at i.
func (n *Needles) check(text []byte, i int, out []bool) {
	for _, x := range n.exact[pairHash(folded20(text[i]), folded20(text[i+1]))] {
		from := i - x.pair
		if out[x.pattern] || from < 0 || from+len(x.text) > len(text) {
			continue
		}
		out[x.pattern] = matches(text[from:from+len(x.text)], x.text, x.fold)
	}
}
