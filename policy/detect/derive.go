package detect

import (
	"encoding/base64"
	"unicode"
	"unicode/utf8"

	"teamsdlp/policy/extract"
)

// Some stretches of a text say something else than they show: base64 and its
// kind, escapes, characters parted one by one, letters that stand for digits. What
// they say is scanned as a text of its own, with the evidence that surrounds the
// stretch.

// maxBlob bounds what is decoded of one stretch, maxDepth how often a decoded
// text is decoded again.
const maxBlob, maxDepth = 4 << 10, 2

// A reading is how a stretch of the text is to be understood.
type reading struct {
	why     string
	most    Level // no match is worth more
	needs   bool  // a keyword
	hidden  bool  // whoever wrote it like this hides it
	beside  bool  // the keyword must be near
	digits  bool  // only numbers are looked for
	decoded bool  // the span is the whole stretch
}

// A child scans what a stretch of another text says.
type child struct {
	scanner
	own  extract.Text
	raw  []byte  // what the stretch says
	used bool    // raw is not cleared
	at   []int32 // where each byte of raw stands in the outer text, and its end
}

// within scans c.raw, which buf[from:to] says, and takes over what is found.
func (s *scanner) within(c *child, from, to int, r reading) {
	blob := r.decoded
	c.own.Load(extract.Source{Body: string(c.raw)})
	if c.own.Len() != len(c.raw) {
		r.decoded = true // something in it was folded: c.at no longer fits
	}
	c.start(s.e, &c.own, Options{Min: Low, Regions: s.o.Regions, RegionHint: s.o.RegionHint, Only: s.o.Only, Now: s.o.Now}, s.explain && blob)
	c.outer, c.inFrom, c.inTo, c.depth = s, from, to, s.depth+1
	c.aws = s.aws
	c.run()
	if blob {
		c.hay.Reset(c.buf)
		c.custom()
		c.exactData()
		c.copies()
	}
	c.settle()
	for _, x := range c.rejected {
		s.reject(x.Detector, from, to, x.Gate+"; in what it decodes to")
	}
	s.work += c.work + len(c.raw)
	for i := range c.found {
		f := c.found[i]
		switch {
		case f.dropped || f.level < Low || r.digits && f.kind.number == nil:
			continue
		case r.needs && !f.evidence, r.beside && f.dist > near:
			s.reject(f.kind.ID, from, to, "no word nearby says what it is, and written like this it says too little: "+r.why)
			continue
		}
		if r.decoded {
			f.start, f.end = from, to
			f.decoded = true
		} else {
			f.start, f.end = int(c.at[f.start]), int(c.at[f.end-1])+1
		}
		f.hidden = f.hidden || r.hidden
		f.level = min(f.level, r.most)
		f.why += "; " + r.why
		s.found = append(s.found, f)
	}
	c.end()
}

// child returns the scanner for what is decoded here, with nothing in it.
func (s *scanner) child() *child {
	if s.inner == nil {
		s.inner = new(child)
	}
	s.inner.used = true
	s.inner.raw, s.inner.at = s.inner.raw[:0], s.inner.at[:0]
	return s.inner
}

// put adds a character that stands at off in the outer text.
func (c *child) put(b byte, off int) {
	c.raw = append(c.raw, b)
	c.at = append(c.at, int32(off))
}

// shortestBlob is the least length of a run that is taken for encoded: 15 bytes
// in base64.
const shortestBlob = 20

var blobByte = alphabet("Aa0+/-_")

// blobs decodes runs of base64 and hexadecimal digits that are text underneath. A
// run of that length holds one in so many bytes, so most are never looked at.
func (s *scanner) blobs() {
	if s.depth >= maxDepth {
		return
	}
	buf := s.buf
	for i, past := shortestBlob-1, 0; i < len(buf); {
		if !blobByte[buf[i]] {
			i += shortestBlob
			continue
		}
		from, to := i, i+1
		for from > past && blobByte[buf[from-1]] {
			from--
		}
		for to < len(buf) && blobByte[buf[to]] {
			to++
		}
		s.work += to - from
		if to-from >= shortestBlob {
			to = s.blob(from, to)
		}
		past, i = to, to+shortestBlob
	}
}

// blob decodes buf[from:to], if it is text underneath, and returns where what it has
// decoded ends: a run may go on in the next lines.
func (s *scanner) blob(from, to int) int {
	src := s.buf[from:min(to, from+maxBlob)]
	var head [16]byte
	switch {
	case hexText(src):
		c := s.child()
		for i := 0; i+1 < len(src); i += 2 {
			c.raw = append(c.raw, unhex(src[i])<<4|unhex(src[i+1]))
		}
		s.within(c, from, to, reading{why: "decoded from hexadecimal", most: High, hidden: true, decoded: true})
	case base64Text(src[:20], head[:]):
		src, to = s.lines(src, from, to)
		c := s.child()
		enc := base64.RawStdEncoding
		for _, b := range src {
			if b == '-' || b == '_' {
				enc = base64.RawURLEncoding
			}
		}
		c.raw = append(c.raw, make([]byte, enc.DecodedLen(len(src)))...)
		n, _ := enc.Decode(c.raw, src) // as far as it goes
		c.raw = c.raw[:n]
		for n := 0; to < len(s.buf) && s.buf[to] == '=' && n < 2; n++ {
			to++
		}
		s.within(c, from, to, reading{why: "decoded from base64", most: High, hidden: true, decoded: true})
	}
	return to
}

// shortestLine is the least length of the lines that base64 is cut into.
const shortestLine = 32

// lines appends to src, the run of base64 that is buf[from:to], the lines that go on with
// it: as long as it, and one that is shorter. It returns where they end.
func (s *scanner) lines(src []byte, from, to int) ([]byte, int) {
	buf, n := s.buf, to-from
	if n < shortestLine || n%4 != 0 || n > len(src) || to == len(buf) || buf[to] != '\n' {
		return src, to
	}
	all := append([]byte(nil), src...)
	for to < len(buf) && buf[to] == '\n' && len(all) < maxBlob {
		i := to + 1
		if i < len(buf) && buf[i] == '\n' {
			i++ // each line is a paragraph, as Teams pastes them
		}
		for i < len(buf) && i-to < 8 && (buf[i] == ' ' || buf[i] == '>' || buf[i] == '\t') {
			i++
		}
		m := s.stretch(i, &blobByte, n+1)
		end := i + m
		padded := end < len(buf) && buf[end] == '='
		if m == 0 || m > n || m < n && m < shortestBlob && !padded || end < len(buf) && !padded && !blankByte(buf[end]) {
			break // no line of it, but words
		}
		all, to = append(all, buf[i:i+m]...), i+m
		if m < n {
			break
		}
	}
	return all[:min(len(all), maxBlob)], to
}

// hexText reports whether b is hexadecimal and its first bytes are text.
func hexText(b []byte) bool {
	var head [10]byte
	for i := range head {
		h, l := b[2*i], b[2*i+1]
		if !isHex(h) || !isHex(l) {
			return false
		}
		if head[i] = unhex(h)<<4 | unhex(l); head[i] < utf8.RuneSelf && !printable(head[i]) {
			return false // most are turned away here at once
		}
	}
	if !readable(head[:]) {
		return false
	}
	for _, c := range b[20:] {
		if !isHex(c) {
			return false
		}
	}
	return len(b)%2 == 0
}

// base64Text reports whether b, the first of a run, decodes to text.
func base64Text(b, space []byte) bool {
	for i := 0; i < len(b); i += 4 {
		n := uint32(0)
		for _, c := range b[i : i+4] {
			v := base64Value(c)
			n = n<<6 | v
		}
		j := i / 4 * 3
		space[j], space[j+1], space[j+2] = byte(n>>16), byte(n>>8), byte(n)
		if !readable(space[:j+3]) { // most are turned away here at once
			return false
		}
	}
	return true
}

// readable reports whether b, the first bytes of something, is text: printable, and
// UTF-8 but for a character that is cut off at the end.
func readable(b []byte) bool {
	for i := 0; i < len(b); {
		if b[i] < utf8.RuneSelf {
			if !printable(b[i]) {
				return false
			}
			i++
			continue
		}
		r, n := utf8.DecodeRune(b[i:])
		if r == utf8.RuneError {
			return !utf8.FullRune(b[i:])
		}
		if !unicode.IsPrint(r) {
			return false
		}
		i += n
	}
	return true
}

func base64Value(c byte) uint32 {
	switch {
	case isUpper(c):
		return uint32(c - 'A')
	case isLower(c):
		return uint32(c-'a') + 26
	case isDigit(c):
		return uint32(c-'0') + 52
	case c == '+' || c == '-':
		return 62
	}
	return 63
}

func printable(c byte) bool { return c >= ' ' && c < 0x7F || c == '\n' || c == '\r' || c == '\t' }

func unhex(c byte) byte {
	if isDigit(c) {
		return c - '0'
	}
	return (c | 0x20) - 'a' + 10
}

// fewestEscapes is how many make a stretch worth decoding.
const fewestEscapes = 3

// escapes decodes the percent and \u escapes of the token that holds the one at i,
// and returns where that ends.
func (s *scanner) escapes(i int) int {
	buf, from := s.buf, i
	for from > 0 && i-from < maxToken && !blankByte(buf[from-1]) {
		from--
	}
	for from < i && !utf8.RuneStart(buf[from]) {
		from++ // cut in two by the limit
	}
	c, n, j := s.child(), 0, from
	for j < len(buf) && len(c.raw) < maxBlob && !blankByte(buf[j]) {
		r, size := escape(buf[j:])
		if size > 1 {
			n++
			var room [utf8.UTFMax]byte
			for _, b := range room[:utf8.EncodeRune(room[:], r)] {
				c.put(b, j)
			}
		} else {
			c.put(buf[j], j)
		}
		j += size
		if j > i && n == 0 {
			return i + 1
		}
	}
	s.work += j - from
	if n < fewestEscapes {
		return j
	}
	// The match ends where its last escape does.
	c.at = append(c.at, int32(j))
	s.within(c, from, j, reading{why: "decoded from escapes", most: High, hidden: true, decoded: true})
	return j
}

// escape reads the character at the start of b: escaped, if its size is more than
// one byte. One beyond ASCII is several escapes of percent signs in a row.
func escape(b []byte) (r rune, size int) {
	switch {
	case b[0] == '%' && len(b) >= 3 && isHex(b[1]) && isHex(b[2]):
		c := unhex(b[1])<<4 | unhex(b[2])
		if c < utf8.RuneSelf && printable(c) {
			return rune(c), 3
		}
		var room [utf8.UTFMax]byte
		n := 0
		for c >= utf8.RuneSelf && n < len(room) && len(b) >= 3*n+3 && b[3*n] == '%' && isHex(b[3*n+1]) && isHex(b[3*n+2]) {
			room[n] = unhex(b[3*n+1])<<4 | unhex(b[3*n+2])
			n++
		}
		if r, size := utf8.DecodeRune(room[:n]); r != utf8.RuneError && unicode.IsPrint(r) {
			return r, 3 * size
		}
	case b[0] == '\\' && len(b) >= 6 && b[1]|0x20 == 'u' && isHex(b[2]) && isHex(b[3]) && isHex(b[4]) && isHex(b[5]):
		r := rune(unhex(b[2]))<<12 | rune(unhex(b[3]))<<8 | rune(unhex(b[4]))<<4 | rune(unhex(b[5]))
		if r < utf8.RuneSelf && printable(byte(r)) || r >= utf8.RuneSelf && unicode.IsPrint(r) {
			return r, 6
		}
	case b[0] == '\\' && len(b) >= 4 && b[1]|0x20 == 'x' && isHex(b[2]) && isHex(b[3]):
		if c := unhex(b[2])<<4 | unhex(b[3]); c < utf8.RuneSelf && printable(c) {
			return rune(c), 4
		}
	}
	return rune(b[0]), 1
}

// fewestSpelled and mostSpelled bound how many characters a value that is parted
// character by character has.
const fewestSpelled, mostSpelled = 7, 64

// spelled reads a value whose characters are parted one by one, of which that at i
// is one.
func (s *scanner) spelled(i int) {
	if i < s.spelledTo {
		return
	}
	buf, from := s.buf, i
	single := func(j int) bool {
		return isAlnum(buf[j]) && (j == 0 || !wordBefore(buf, j)) && (j+1 == len(buf) || !wordAt(buf, j+1))
	}
	for n := 0; n < mostSpelled; n++ {
		j := from - 1
		for j >= 0 && from-j < 4 && spelledSep(buf[j]) {
			j--
		}
		if j == from-1 || j < s.spelledTo || !single(j) {
			break
		}
		from = j
	}
	c, end := s.child(), from
	for j := from; j < len(buf) && len(c.raw) < mostSpelled && single(j); {
		c.put(buf[j], j)
		end = j + 1
		gap := 0
		for j++; j < len(buf) && gap < 4 && spelledSep(buf[j]); j++ {
			gap++
		}
		if gap == 0 {
			break
		}
	}
	s.work += end - from
	s.spelledTo = end
	if len(c.raw) >= fewestSpelled {
		s.within(c, from, end, reading{why: "its characters are parted one by one", most: Medium, needs: true})
	}
}

// singleBeside reports whether another single character may stand beside the one at i,
// which a separator follows. "a", "I" and their like mostly stand among words.
func (s *scanner) singleBeside(i int) bool {
	buf := s.buf
	if c := buf[i+2]; spelledSep(c) || isAlnum(c) && (i+3 == len(buf) || !wordAt(buf, i+3)) {
		return true
	}
	if i < 2 || !spelledSep(buf[i-1]) {
		return false
	}
	c := buf[i-2]
	return spelledSep(c) || isAlnum(c) && (i == 2 || !wordBefore(buf, i-2))
}

func spelledSep(c byte) bool { return c == ' ' || c == '-' || c == '.' || c == '_' || c == '/' }

// alike maps letters to the digits that they are taken for; 0 for others.
var alike = func() (t [256]byte) {
	for i, c := range "OoQDIlLi|SsBZz" {
		t[c] = "00001111155822"[i]
	}
	for c := byte('0'); c <= '9'; c++ {
		t[c] = c
	}
	return t
}()

// fewestAlike is how many characters a number has in which letters stand for
// digits.
const fewestAlike = 9

// letterDigits reads a number around buf[from:to], which is digits, in which some
// are written as letters.
func (s *scanner) letterDigits(from, to int) {
	if from < s.alikeTo {
		return
	}
	buf := s.buf
	lo, hi := from, to
	for j := lo; j > s.alikeTo && from-j < 32; j-- {
		if k := neighbours[buf[j-1]]; k&looksAlike != 0 {
			lo = j - 1
		} else if k != partsThem || j < lo {
			break
		}
	}
	for j := hi; j < len(buf) && j-from < 48; j++ {
		if k := neighbours[buf[j]]; k&looksAlike != 0 {
			hi = j + 1
		} else if k != partsThem || j > hi {
			break
		}
	}
	s.work += hi - lo
	s.alikeTo = hi
	if hi-lo < fewestAlike {
		return
	}
	// Words at the ends are no part of it.
	if lo, hi = s.wholeWords(lo, hi); hi-lo < fewestAlike {
		return
	}
	// A lone letter before it may be its first digit: l 60 04 …, or "I".
	if lo > 1 && spelledSep(buf[lo-1]) && alike[buf[lo-2]] == '1' && (lo == 2 || !wordBefore(buf, lo-2)) && s.asDigits(lo-2, hi) {
		return
	}
	s.asDigits(lo, hi)
}

// asDigits scans buf[lo:hi] with digits for the letters that look like them, and
// reports whether anything was found.
func (s *scanner) asDigits(lo, hi int) bool {
	buf, before, letters := s.buf, len(s.found), false
	for _, b := range buf[lo:hi] {
		letters = letters || alike[b] != 0 && !isDigit(b)
	}
	if !letters || hi-lo < fewestAlike {
		return false
	}
	c := s.child()
	for j := lo; j < hi; j++ {
		b := buf[j]
		if d := alike[b]; d != 0 {
			b = d
		}
		c.put(b, j)
	}
	s.within(c, lo, hi, reading{why: "letters stand for digits", most: Low, needs: true, beside: true, hidden: true, digits: true})
	return len(s.found) > before
}

// wholeWords moves lo and hi to where words start and end, and drops those at the
// ends that are no numbers.
func (s *scanner) wholeWords(lo, hi int) (int, int) {
	buf := s.buf
	for lo < hi && lo > 0 && wordBefore(buf, lo) && wordAt(buf, lo) {
		lo++ // a word that goes on with other letters
	}
	for hi > lo && hi < len(buf) && wordAt(buf, hi) && wordBefore(buf, hi) {
		hi--
	}
	for lo < hi {
		n := 0
		for lo+n < hi && alike[buf[lo+n]] != 0 {
			n++
		}
		if n > 0 && digital(buf[lo:lo+n]) {
			break
		}
		lo += max(n, 1)
	}
	for lo < hi {
		n := 0
		for n < hi-lo && alike[buf[hi-1-n]] != 0 {
			n++
		}
		if n > 0 && digital(buf[hi-n:hi]) {
			break
		}
		hi -= max(n, 1)
	}
	return lo, hi
}

// digital reports whether a word of letters that look like digits is meant as a
// number: it holds a digit, or is one letter over and over.
func digital(b []byte) bool {
	one := true
	for _, c := range b {
		if isDigit(c) {
			return true
		}
		one = one && c == b[0]
	}
	return one && len(b) > 1
}

// disguised looks for numbers that the chain of digits buf[from:to] is only a part
// of. one: it is one group.
func (s *scanner) disguised(from, to int, one bool) {
	buf := s.buf
	if g := s.groups; !one && len(g) >= fewestSpelled && g[0].n == 1 && g[1].n == 1 {
		s.spelled(from)
	}
	if from > 0 && s.alikeBeside(from-1, -1) || to < len(buf) && s.alikeBeside(to, 1) {
		s.letterDigits(from, to)
	}
	if one && to+3 < len(buf) && (oddSeps[buf[to]] || buf[to] >= utf8.RuneSelf || buf[to] == ' ' && oddSeps[buf[to+1]]) && s.repeatsOdd(to) {
		s.oddly(from)
	}
}

// repeatsOdd reports whether the separator at i stands once more after the next
// digits, as one that parts three groups does.
func (s *scanner) repeatsOdd(i int) bool {
	buf, j := s.buf, i
	for j < len(buf) && j-i < 6 && !isDigit(buf[j]) {
		j++
	}
	k := j
	for k < len(buf) && k-j < most && isDigit(buf[k]) {
		k++
	}
	return k > j && k+(j-i) < len(buf) && string(buf[k:k+j-i]) == string(buf[i:j])
}

// alikeBeside reports whether a letter that looks like a digit is at i, or one
// step further behind a separator.
func (s *scanner) alikeBeside(i, step int) bool {
	c := neighbours[s.buf[i]]
	if c == partsThem {
		if i += step; i < 0 || i >= len(s.buf) {
			return false
		}
		c = neighbours[s.buf[i]]
	}
	return c == looksAlike
}

// What a byte beside a number may be.
const (
	looksAlike = 1                      // a letter that looks like a digit
	partsThem  = 2                      // a separator
	isOne      = looksAlike | partsThem // a digit
)

var neighbours = func() (t [256]uint8) {
	for i := range t {
		switch c := byte(i); {
		case isDigit(c):
			t[i] = isOne
		case alike[c] != 0:
			t[i] = looksAlike
		case spelledSep(c):
			t[i] = partsThem
		}
	}
	return t
}()

// oddSeps are separators that nobody prints numbers with.
var oddSeps = func() (t [256]bool) {
	for _, c := range []byte(`*|~:,+=\#;`) {
		t[c] = true
	}
	return t
}()

// oddly reads a number whose first group starts at from and whose groups are
// parted by an odd separator, the same everywhere.
func (s *scanner) oddly(from int) {
	buf := s.buf
	if from < s.oddTo || from > 0 && (wordBefore(buf, from) || oddSeps[buf[from-1]]) {
		return
	}
	c, sep, groups, threes := s.child(), []byte(nil), 0, true
	j := from
	for {
		at := j
		for j < len(buf) && isDigit(buf[j]) {
			c.put(buf[j], j)
			j++
		}
		if groups > 0 {
			threes = threes && j-at == 3
		}
		groups++
		k := j
		for k < len(buf) && k-j < 6 && (buf[k] == ' ' || oddSeps[buf[k]] || buf[k] >= utf8.RuneSelf) {
			k++
		}
		if k == j || k >= len(buf) || !isDigit(buf[k]) || len(c.raw) > most+8 || sep != nil && string(sep) != string(buf[j:k]) {
			break
		}
		sep = buf[j:k]
		c.put(' ', j)
		j = k
	}
	s.work += j - from
	s.oddTo = j
	if groups < 3 || len(c.raw) < 9+groups-1 || j < len(buf) && wordAt(buf, j) || sep[0] == ',' && threes {
		return
	}
	s.within(c, from, j, reading{why: "parted by odd signs", most: Medium, needs: true, beside: true, digits: true})
}
