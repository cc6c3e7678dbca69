package detect

import (
	"cmp"
	"slices"
	"strings"
	"sync"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"

	"teamsdlp/policy/extract"
)

// Keywords finds many words and phrases in one pass over a text. Case and
// accents do not matter, and any run of blanks is one. A term of a script with
// spaces is found as a whole word only; one of Chinese, Japanese, Korean or Thai
// anywhere. Keywords is immutable and safe for concurrent use; nil finds nothing.
type Keywords struct {
	auto  automaton
	dict  *dictionary // of most terms, unless loose
	terms []term      // the others, as the automaton numbers them
	loose bool        // for evidence: digits end a word, '-' and '_' are blanks

	starts, inWord [utf8.RuneSelf]bool // bytes that a term starts with; that are part of words
	heads          *threes             // what terms start with; nil where that would turn little away
}

// A term is one folded word or phrase.
type term struct {
	index      int  // in the caller's slice
	length     int  // in folded bytes
	head, tail bool // a word must start, end there
}

// Hit is one term found.
type Hit struct {
	Term       int // index in the slice given to [NewKeywords]
	Start, End int // byte offsets in the buffer
}

// NewKeywords makes a matcher for terms. A term that holds no letter, digit or
// sign is never found. terms is not kept.
func NewKeywords(terms []string) *Keywords { return newKeywords(terms, false) }

// fewTerms is up to how many terms the automaton is the quicker search: what most
// texts hold starts none of them.
const fewTerms = 1000

func newKeywords(terms []string, loose bool) *Keywords {
	k := &Keywords{loose: loose}
	if loose || len(terms) <= fewTerms {
		k.automate(terms)
		return k
	}
	return k.index(terms)
}

// index puts the terms into a dictionary, as far as they fit one.
func (k *Keywords) index(terms []string) *Keywords {
	rest := make([]string, len(terms))
	var left []int
	k.dict, left = newDictionary(terms, k.fold)
	for _, i := range left {
		rest[i] = terms[i]
	}
	k.automate(rest)
	return k
}

// automate builds the automaton.
func (k *Keywords) automate(terms []string) {
	var folded [][]byte
	for i, s := range terms {
		open := k.loose && strings.HasSuffix(s, "*")
		if open {
			s = strings.TrimSuffix(s, "*")
		}
		f := k.fold(s)
		if len(f) == 0 {
			continue
		}
		first, _ := utf8.DecodeRune(f)
		last, _ := utf8.DecodeLastRune(f)
		k.terms = append(k.terms, term{i, len(f), spaced(first), spaced(last) && !open})
		folded = append(folded, f)
	}
	k.auto.build(folded)
	if !k.loose {
		k.heads = headsOf(folded)
	}
	for c := range byte(utf8.RuneSelf) {
		k.starts[c] = k.auto.next(0, lowered[c]) != 0
		k.inWord[c] = k.wordly(rune(c))
	}
}

// fold returns a term as the automaton sees it.
func (k *Keywords) fold(s string) []byte {
	var f []byte
	blank := true // leading blanks are dropped
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if r == '.' && k.loose && dotted([]byte(s), i-n) {
			continue
		}
		if r < utf8.RuneSelf && k.blank(byte(r)) {
			if !blank {
				f = append(f, ' ')
			}
			blank = true
			continue
		}
		blank = false
		f = append(f, foldRune(r)...)
	}
	if n := len(f); n > 0 && f[n-1] == ' ' {
		f = f[:n-1]
	}
	return f
}

func (k *Keywords) blank(c byte) bool {
	return c == ' ' || c == '\n' || c == '\t' || c == '\f' || k.loose && (c == '-' || c == '_')
}

// mostDotted is the most letters of an abbreviation with points.
const mostDotted = 16

// dotted reports whether the point at i is one of an abbreviation of three letters or
// more with a point after each: to evidence, "D.N.I." is the word "DNI". Of a longer row
// than an abbreviation it only looks at the end.
func dotted(buf []byte, i int) bool {
	letters := 0
	for end := i; ; letters++ {
		r, n := utf8.DecodeLastRune(buf[:end])
		if n == 0 || !unicode.IsLetter(r) || letters == mostDotted {
			return false // a longer word, or none, stands before
		}
		if end -= n; end == 0 || buf[end-1] != '.' {
			if r, n = utf8.DecodeLastRune(buf[:end]); n > 0 && (unicode.IsLetter(r) || unicode.IsDigit(r)) {
				return false
			}
			letters++
			break
		}
		end--
	}
	for from := i + 1; letters < 3; letters++ {
		r, n := utf8.DecodeRune(buf[from:])
		if n == 0 || !unicode.IsLetter(r) {
			return false
		}
		if from += n; from == len(buf) || buf[from] != '.' {
			r, _ = utf8.DecodeRune(buf[from:])
			return letters == 2 && !unicode.IsLetter(r)
		}
		from++
	}
	return true
}

// Find returns the terms in t by where they end; nil if there are none. Terms
// may overlap.
func (k *Keywords) Find(t *extract.Text) []Hit {
	if k == nil {
		return nil
	}
	return k.find(t.Bytes(), nil)
}

// FindIn is Find in the text of h.
func (k *Keywords) FindIn(h *Haystack) []Hit {
	switch {
	case k == nil:
		return nil
	case h.sieve != nil && h.sieve.keywords == k:
		return k.run(h.text, nil, h)
	}
	return k.find(h.text, nil)
}

// find appends to hits.
func (k *Keywords) find(buf []byte, hits []Hit) []Hit {
	if k.dict == nil {
		return k.run(buf, hits, nil)
	}
	first := len(hits)
	hits, _ = k.dict.find(buf, hits)
	hits = k.run(buf, hits, nil)
	slices.SortFunc(hits[first:], func(a, b Hit) int { return cmp.Or(a.End-b.End, a.Start-b.Start, a.Term-b.Term) })
	return hits
}

// run appends what the automaton finds in buf, which is the text of h if that was
// sifted for k; else h is nil.
func (k *Keywords) run(buf []byte, hits []Hit, h *Haystack) []Hit {
	if len(k.terms) == 0 {
		return hits
	}
	next := 0 // of h.sieved
	if h != nil {
		if h.of&ofKeywords == 0 {
			return hits
		}
		if next = h.from(0, 0); next == len(h.sieved) {
			return hits
		}
	}
	var ringBuf [256]int32
	ring := ringBuf[:]
	for len(ring) <= k.auto.longest {
		ring = make([]int32, 2*len(ring))
	}
	mask := len(ring) - 1
	state, fed := int32(0), 0
	feed := func(c byte, from, to int) {
		ring[fed&mask] = int32(from)
		fed++
		state = k.auto.next(state, c)
		for s := k.auto.output(state); s != 0; s = k.auto.output(k.auto.fail[s]) {
			for _, i := range k.auto.found(s) {
				m := &k.terms[i]
				start := int(ring[(fed-m.length)&mask])
				if k.whole(buf, start, to, m) {
					hits = append(hits, Hit{m.index, start, to})
				}
			}
		}
	}
	for i := 0; i < len(buf); {
		c := buf[i]
		if state == 0 {
			// Most of a text is no term's beginning: what has gone before does
			// not matter there.
			if h != nil {
				i, next = k.skipSieved(h, i, next)
			} else {
				i = k.skip(buf, i)
			}
			if i == len(buf) {
				break
			}
			c = buf[i]
		}
		if c < utf8.RuneSelf {
			if !k.blank(c) {
				if c != '.' || !k.loose || !dotted(buf, i) {
					feed(lowered[c], i, i+1)
				}
				i++
				continue
			}
			from := i
			for i < len(buf) && k.blank(buf[i]) {
				i++
			}
			feed(' ', from, i)
			continue
		}
		r, n := utf8.DecodeRune(buf[i:])
		if r >= foldedUpTo {
			// Beyond where accents live: case only, and no string for it.
			var b [utf8.UTFMax]byte
			for _, c := range b[:utf8.EncodeRune(b[:], unicode.ToLower(r))] {
				feed(c, i, i+n)
			}
		} else {
			f := foldRune(r)
			for j := range len(f) {
				feed(f[j], i, i+n)
			}
		}
		i += n
	}
	return hits
}

// skip returns where the next term could start: at a byte that starts one, or
// beyond ASCII. A term that starts with a letter starts where a word does.
func (k *Keywords) skip(buf []byte, i int) int {
	if k.heads == nil {
		return k.next(buf, i, len(buf))
	}
	first := i
	for i += k.heads.clear(buf[i:]); i+10 <= len(buf); i += k.heads.clear(buf[i:]) {
		// One that starts at the byte before is known by what follows it.
		if at := k.next(buf, max(first, i-1), i+8); at < i+8 {
			return at
		}
		i += 8
	}
	return k.next(buf, max(first, i-1), len(buf))
}

// skipSieved is skip in a text that was sifted; n is from where on to look in
// h.sieved, and n2 where to do so the next time.
func (k *Keywords) skipSieved(h *Haystack, i, n int) (at, n2 int) {
	for n = h.from(n, i); n < len(h.sieved); n = h.from(n+1, i) {
		from := int(h.sieved[n].at)
		end := min(from+8, len(h.text))
		if at := k.next(h.text, max(i, from-1), end); at < end {
			return at, n
		}
	}
	return len(h.text), n
}

// from returns the first of h.sieved from n on that keywords want and that does not
// end before i.
func (h *Haystack) from(n, i int) int {
	for n < len(h.sieved) && (h.sieved[n].of&ofKeywords == 0 || int(h.sieved[n].at)+8 <= i) {
		n++
	}
	return n
}

// next returns the first of the bytes from i up to end at which a term could start.
func (k *Keywords) next(buf []byte, i, end int) int {
	before := byte(' ')
	if i > 0 && buf[i-1] < utf8.RuneSelf {
		before = buf[i-1]
	}
	for ; i < end; i++ {
		c := buf[i]
		if c >= utf8.RuneSelf {
			break
		}
		if k.starts[c] && !(isAlnum(c) && k.inWord[before] && !(k.loose && isUpper(c) && isLower(before))) {
			break
		}
		before = c
	}
	return i
}

// mostHeads is up to how many terms are told by what they start with: more would have
// most stretches of a text looked at.
const mostHeads = 400

// headsOf returns the bytes that terms start with, three each; nil if there are too
// many, or one is too short. Each stands twice in it: as its first three, and, for
// where only every other byte is looked at, as the three that start one byte further
// or, if those are too common, one byte before it.
func headsOf(terms [][]byte) *threes {
	if len(terms) > mostHeads {
		return nil
	}
	h := new(threes)
	for _, t := range terms {
		if len(t) < 2 {
			return nil
		}
		h.add(startsWith(t), func(uint32) {})
		if second := startsWith(t[1:]); second[1] != nil {
			h.add(second, func(uint32) {})
		} else {
			h.add([3][]byte{nil, t[:1], startsWith(t)[1]}, func(uint32) {})
		}
	}
	return h
}

// startsWith returns which bytes may stand at the start of a text for the folded term
// t; nil is any. Where t has a blank there may be several.
func startsWith(t []byte) (of [3][]byte) {
	for i := 0; i < min(len(t), len(of)); i++ {
		if t[i] == ' ' {
			of[i] = []byte(" \n\t\f")
			return of
		}
		of[i] = t[i : i+1]
	}
	return of
}

// whole reports whether buf[start:end] stands as a word where m asks for one.
func (k *Keywords) whole(buf []byte, start, end int, m *term) bool {
	if m.head && start > 0 {
		r, _ := utf8.DecodeLastRune(buf[:start])
		camel := k.loose && isUpper(buf[start]) && r < utf8.RuneSelf && isLower(byte(r))
		if k.wordly(r) && !camel {
			return false
		}
	}
	if m.tail && end < len(buf) {
		r, n := utf8.DecodeRune(buf[end:])
		for r >= utf8.RuneSelf && unicode.Is(unicode.Mn, r) && end+n < len(buf) { // an accent of its own
			end += n
			r, n = utf8.DecodeRune(buf[end:])
		}
		camel := k.loose && isLower(buf[end-1]) && r < utf8.RuneSelf && isUpper(byte(r))
		if k.wordly(r) && !camel {
			return false
		}
	}
	return true
}

// wordly reports whether r next to a word makes it a longer one.
func (k *Keywords) wordly(r rune) bool {
	if r < utf8.RuneSelf {
		return isLetter(byte(r)) || isDigit(byte(r)) && !k.loose || r == '_' && !k.loose
	}
	return spaced(r)
}

// spaced reports whether r is part of a word in a script that parts words by
// spaces.
func spaced(r rune) bool {
	if r < utf8.RuneSelf {
		return isAlnum(byte(r))
	}
	if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
		return false
	}
	return !unicode.In(r, unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar) && r != 'ー'
}

// lowered folds ASCII.
var lowered = func() (t [utf8.RuneSelf]byte) {
	for i := range t {
		t[i] = byte(unicode.ToLower(rune(i)))
	}
	return t
}()

// foldedUpTo is the first rune beyond those where accents live.
const foldedUpTo = 0x2000

// foldedRunes holds the folded form of every rune up to foldedUpTo; it is made when
// the first of them turns up.
var foldedRunes = sync.OnceValue(func() *[foldedUpTo]string {
	t := new([foldedUpTo]string)
	for r := range rune(len(t)) {
		t[r] = stripAccents(r)
	}
	return t
})

// foldRune returns r without case and accents, as UTF-8; nothing for an accent
// that stands alone.
func foldRune(r rune) string {
	if r < foldedUpTo {
		return foldedRunes()[r]
	}
	if l := unicode.ToLower(r); l != r {
		return string(l)
	}
	return string(r)
}

func stripAccents(r rune) string {
	switch r { // letters that Unicode does not decompose
	case 'ß', 'ẞ':
		return "ss"
	case 'ø', 'Ø':
		return "o"
	case 'ł', 'Ł':
		return "l"
	case 'đ', 'Đ', 'ð', 'Ð':
		return "d"
	case 'æ', 'Æ':
		return "ae"
	case 'œ', 'Œ':
		return "oe"
	case 'ı', 'İ':
		return "i"
	}
	var b strings.Builder
	for _, d := range norm.NFD.String(string(r)) {
		if !unicode.Is(unicode.Mn, d) {
			b.WriteRune(unicode.ToLower(d))
		}
	}
	return b.String()
}

// An automaton is that of Aho and Corasick over folded bytes. Small ones are a
// dense table, so that a step is one load; for large word lists the edges stay
// in a map and a step may follow failure links.
type automaton struct {
	class   [256]uint16 // of bytes; 0 for those in no term
	classes int
	table   []int32          // state*classes + class; nil if it would be too large
	edges   map[uint64]int32 // state<<8 | byte
	fail    []int32
	out     []int32   // the state itself or the nearest on its failure links that ends a term; 0 for none
	ends    [][]int32 // terms that end in a state
	longest int
}

// denseCells is the size up to which the table is dense: 16 MiB.
const denseCells = 4 << 20

func (a *automaton) build(terms [][]byte) {
	a.edges = map[uint64]int32{}
	a.classes = 1
	a.ends = make([][]int32, 1)
	for i, t := range terms {
		a.longest = max(a.longest, len(t))
		s := int32(0)
		for _, c := range t {
			if a.class[c] == 0 {
				a.class[c] = uint16(a.classes)
				a.classes++
			}
			next, ok := a.edges[uint64(s)<<8|uint64(c)]
			if !ok {
				next = int32(len(a.ends))
				a.edges[uint64(s)<<8|uint64(c)] = next
				a.ends = append(a.ends, nil)
			}
			s = next
		}
		a.ends[s] = append(a.ends[s], int32(i))
	}
	a.link()
}

// link computes failure links breadth first, and the table if it is small. An
// edge leads to a state made after its source, so the order of the keys is not
// that of depth: levels are walked one by one.
func (a *automaton) link() {
	n := len(a.ends)
	a.fail, a.out = make([]int32, n), make([]int32, n)
	keys := make([]uint64, 0, len(a.edges))
	for e := range a.edges {
		keys = append(keys, e)
	}
	slices.Sort(keys)
	first := make([]int32, n+1) // where the edges of a state start in keys
	for i, s := 0, 0; s <= n; s++ {
		for i < len(keys) && int(keys[i]>>8) < s {
			i++
		}
		first[s] = int32(i)
	}
	order := make([]int32, 1, n)
	for i := 0; i < len(order); i++ {
		s := order[i]
		if s != 0 {
			a.out[s] = a.out[a.fail[s]]
			if a.ends[s] != nil {
				a.out[s] = s
			}
		}
		for _, e := range keys[first[s]:first[s+1]] {
			to, c := a.edges[e], byte(e)
			if s != 0 {
				a.fail[to] = a.step(a.fail[s], c)
			}
			order = append(order, to)
		}
	}
	if n*a.classes > denseCells {
		return
	}
	a.table = make([]int32, n*a.classes)
	for _, s := range order {
		copy(a.table[int(s)*a.classes:], a.table[int(a.fail[s])*a.classes:][:a.classes])
		for _, e := range keys[first[s]:first[s+1]] {
			a.table[int(s)*a.classes+int(a.class[byte(e)])] = a.edges[e]
		}
	}
	a.edges = nil
}

// step follows an edge, or failure links to one.
func (a *automaton) step(s int32, c byte) int32 {
	for {
		if to, ok := a.edges[uint64(s)<<8|uint64(c)]; ok {
			return to
		}
		if s == 0 {
			return 0
		}
		s = a.fail[s]
	}
}

func (a *automaton) next(s int32, c byte) int32 {
	k := a.class[c]
	if k == 0 {
		return 0
	}
	if a.table != nil {
		return a.table[int(s)*a.classes+int(k)]
	}
	return a.step(s, c)
}

// output returns s or the next state on its failure links that ends a term; 0
// for none.
func (a *automaton) output(s int32) int32 { return a.out[s] }

func (a *automaton) found(s int32) []int32 { return a.ends[s] }
