package detect

import (
	"bytes"
	"encoding/binary"
	"math/bits"
	"slices"
	"unicode"
	"unicode/utf8"
)

// ColumnKind says how the values of a column of exact data are compared.
type ColumnKind uint8

// The kinds of column.
const (
	DigitsColumn   ColumnKind = iota // its digits, whatever stands between them
	TextColumn                       // its words, without case and accents
	EmailColumn                      // an e-mail address, without case
	VerbatimColumn                   // as it is written
	columnKinds
)

// ColumnKinds are the words for the kinds of column.
var ColumnKinds = []string{DigitsColumn: "digits", TextColumn: "text", EmailColumn: "email", VerbatimColumn: "verbatim"}

// String returns the word for k.
func (k ColumnKind) String() string {
	if int(k) < len(ColumnKinds) {
		return ColumnKinds[k]
	}
	return "unknown"
}

// The bounds of a value. They bound how many tokens a text has.
const (
	maxDigits   = 32 // of a number
	maxGroups   = 8  // of digits, in one number
	maxWords    = 8  // of a text; a character of Chinese and its like is a word
	maxChunks   = 3  // of a verbatim value, between blanks
	maxChunk    = 128
	maxTokenGap = 3 // bytes between two words or groups of one value
)

// A token is a stretch of a text that may be a value of a column.
type token struct {
	start, end int32
	hash       uint64 // keyed, of the normalised value
}

// A word is one word of a text, one chunk between blanks, or one group of digits.
type word struct {
	start, end int32 // in the text
	from, to   int32 // of its normalised form, in tokenizer.folded; from < 0: it is in the text
	joined     bool  // it may belong to the same value as the word before
}

// A tokenizer reads the tokens of a text. It is reused.
type tokenizer struct {
	buf    []byte
	words  []word
	folded []byte
	lower  uint64 // the bits that make eight bytes of a word that is not in folded its normalised form
	hashes []uint64
}

// lowerBits are those by which a small letter of ASCII differs from a capital. A digit
// has its one as well.
const lowerBits = 0x2020202020202020

// read reads the words of kind from buf, which the tokenizer keeps until its end.
func (t *tokenizer) read(kind ColumnKind, buf []byte) {
	t.buf, t.words, t.folded, t.lower = buf, t.words[:0], t.folded[:0], 0
	switch kind {
	case DigitsColumn:
		t.readDigits(buf)
	case TextColumn:
		t.lower = lowerBits
		t.readRows(buf, false)
	case EmailColumn:
		t.readEmails(buf)
	case VerbatimColumn:
		t.readRows(buf, true)
	}
}

// add takes buf[start:end] as a word whose normalised form is what was added to
// folded since from, or, with a from below 0, is there as it stands.
func (t *tokenizer) add(buf []byte, start, end, from int) {
	n := len(t.words)
	if n == cap(t.words) {
		t.words = slices.Grow(t.words, n/2+64)
	}
	t.words = t.words[:n+1]
	// Field by field: a word that is put together elsewhere and copied is waited for.
	w := &t.words[n]
	w.start, w.end, w.from, w.to = int32(start), int32(end), int32(from), int32(len(t.folded)) //nolint:gosec // a text is far below 2 GiB
	if n == 0 {
		w.joined = false
		return
	}
	last := int(t.words[n-1].end)
	if gap := start - last; gap == 1 {
		w.joined = buf[last] != '\f' && buf[last] != '\t'
	} else {
		w.joined = gap <= maxTokenGap && bytes.IndexByte(buf[last:start], '\f') < 0 && bytes.IndexByte(buf[last:start], '\t') < 0
	}
}

// readRows reads words, a row of letters and digits each, or chunks, a row of what is
// not blank. Of most nothing is written but where they are.
func (t *tokenizer) readRows(buf []byte, chunks bool) {
	start, mixed := -1, chunks // of a row that is not at its end, and whether it may be other than one word of ASCII
	before := uint64(0)        // 1: a row reaches into the block
	apart := false             // whether this block or the one before holds what parts values
	for at := 0; at < len(buf); at += 64 {
		in, foreign, parts := rowBits(buf[at:], chunks)
		edges := in ^ (in<<1 | before)
		apart = apart || parts
		from := 0 // where in the block the row starts
		words := slices.Grow(t.words, 33)
		for before = in >> 63; edges != 0; edges &= edges - 1 {
			n := bits.TrailingZeros64(edges)
			if start < 0 {
				start, from = at+n, n
				continue
			}
			near := start >= at-64+maxTokenGap // what stands between it and the word before is in one of these blocks
			if size := len(words); size > 0 && near && !apart && !mixed && foreign>>from<<(64-n+from) == 0 {
				words = words[:size+1]
				// Field by field: a word that is put together elsewhere and copied is waited for.
				w := &words[size]
				w.start, w.end, w.from, w.joined = int32(start), int32(at+n), -1, start-int(words[size-1].end) <= maxTokenGap //nolint:gosec // a text is far below 2 GiB
			} else {
				t.words = words
				t.addRow(buf, start, at+n, chunks, mixed || foreign>>from<<(64-n+from) != 0)
				words = slices.Grow(t.words, 33)
			}
			start, mixed = -1, chunks
		}
		t.words = words
		if start >= 0 {
			mixed = mixed || foreign>>from != 0
		}
		apart = parts
	}
	if start >= 0 {
		t.addRow(buf, start, len(buf), chunks, mixed)
	}
}

// addRow takes a row, which is a chunk, a word, or, if it is mixed, perhaps several words.
func (t *tokenizer) addRow(buf []byte, start, end int, chunk, mixed bool) {
	switch {
	case chunk:
		for start < end && trimmed[buf[start]] {
			start++
		}
		for start < end && trimmed[buf[end-1]] {
			end--
		}
		if start < end && end-start <= maxChunk {
			t.add(buf, start, end, -1)
		}
	case mixed:
		for start < end {
			start = t.readFolded(buf, start)
		}
	default:
		t.add(buf, start, end, -1)
	}
}

// rowBits has a bit for each of the first 64 bytes of buf that is not blank, or, for
// words, that is a letter or digit of ASCII or part of another character, and one for
// each of the latter; parts: what parts values may be among them.
func rowBits(buf []byte, chunks bool) (in, foreign uint64, parts bool) {
	var room [64]byte
	if len(buf) < len(room) {
		for i := copy(room[:], buf); i < len(room); i++ {
			room[i] = ' '
		}
		buf = room[:]
	}
	if chunks {
		return chunkBits((*[64]byte)(buf)), 0, true
	}
	return wordBits((*[64]byte)(buf))
}

const (
	byteOnes = 0x0101010101010101
	byteHigh = 0x8080808080808080
)

// highBits gathers the high bits of the bytes of x.
func highBits(x uint64) uint64 { return x & byteHigh >> 7 * 0x0102040810204080 >> 56 }

func wordBits(b *[64]byte) (in, foreign uint64, parts bool) {
	none := uint64(byteHigh)
	for i := 0; i < 64; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		low := x &^ byteHigh
		small := low | lowerBits
		// The high bit of each byte: at least the first of them, and not more than the last.
		letters := (small + (0x80-'a')*byteOnes) &^ (small + (0x7F-'z')*byteOnes)
		digits := (low + (0x80-'0')*byteOnes) &^ (low + (0x7F-'9')*byteOnes)
		in |= highBits(x|letters|digits) << i
		foreign |= highBits(x) << i
		none &= x | ((low^'\t'*byteOnes)+0x7F*byteOnes)&((low^'\f'*byteOnes)+0x7F*byteOnes)
	}
	return in, foreign, none != byteHigh
}

func chunkBits(b *[64]byte) (in uint64) {
	for i := 0; i < 64; i += 8 {
		x := binary.LittleEndian.Uint64(b[i:])
		low := x &^ byteHigh
		// The high bit of each byte: it is not this one.
		space, line := (low^' '*byteOnes)+0x7F*byteOnes, (low^'\n'*byteOnes)+0x7F*byteOnes
		tab, part := (low^'\t'*byteOnes)+0x7F*byteOnes, (low^'\f'*byteOnes)+0x7F*byteOnes
		in |= highBits(x|space&line&tab&part) << i
	}
	return in
}

// readFolded reads a word that may hold more than ASCII from i on, if there is one, and
// returns what follows.
func (t *tokenizer) readFolded(buf []byte, i int) int {
	var room [8]byte
	start, end, from, single := i, i, len(t.folded), false
	for i < len(buf) && !single {
		c := buf[i]
		if c < utf8.RuneSelf {
			if !isAlnum(c) {
				break
			}
			t.folded = append(t.folded, lowered[c])
			i++
			end = i
			continue
		}
		r, n := utf8.DecodeRune(buf[i:])
		if r == utf8.RuneError {
			break
		}
		f := foldInto(&room, r)
		if len(f) == 0 { // an accent that stands alone
			i += n
			continue
		}
		if !spacedRune(r) {
			if end > start || !unicode.IsLetter(r) && !unicode.IsDigit(r) {
				break
			}
			single = true
		}
		if end == start {
			start = i
		}
		t.folded = append(t.folded, f...)
		i += n
		end = i
	}
	if end > start {
		t.add(buf, start, end, from)
		return i
	}
	_, n := utf8.DecodeRune(buf[i:])
	return i + max(n, 1)
}

// groupSign reports whether c may stand between the groups of one number.
func groupSign(c byte) bool {
	switch c {
	case ' ', '-', '.', '/', '(', ')', '_':
		return true
	}
	return false
}

func (t *tokenizer) readDigits(buf []byte) {
	for i := nextDigit(buf, 0); i < len(buf); i = nextDigit(buf, i) {
		start, from := i, len(t.folded)
		for i < len(buf) && isDigit(buf[i]) {
			i++
		}
		t.folded = append(t.folded, buf[start:i]...)
		t.add(buf, start, i, from)
		w := &t.words[len(t.words)-1]
		if w.joined {
			for _, c := range buf[t.words[len(t.words)-2].end:start] {
				w.joined = w.joined && groupSign(c)
			}
		}
	}
}

// nextDigit returns where the first digit of ASCII from i on is; len(buf) if there is
// none.
func nextDigit(buf []byte, i int) int {
	const ones = 0x0101010101010101
	for ; i+8 <= len(buf); i += 8 {
		x := binary.LittleEndian.Uint64(buf[i:])
		low := x & (0x7F * ones)
		// The high bit of each byte: at least '0', and not more than '9'.
		if is := (low + (0x80-'0')*ones) &^ (low + (0x7F-'9')*ones) &^ x & (0x80 * ones); is != 0 {
			return i + bits.TrailingZeros64(is)/8
		}
	}
	for i < len(buf) && !isDigit(buf[i]) {
		i++
	}
	return i
}

func emailByte(c byte) bool {
	return isAlnum(c) || c >= utf8.RuneSelf || c == '.' || c == '_' || c == '%' || c == '+' || c == '-'
}

func (t *tokenizer) readEmails(buf []byte) {
	for i := 0; i < len(buf); i++ {
		if buf[i] != '@' {
			continue
		}
		start, end := i, i+1
		for start > 0 && i-start < maxChunk && emailByte(buf[start-1]) {
			start--
		}
		for end < len(buf) && end-i < maxChunk && emailByte(buf[end]) {
			end++
		}
		for start < i && (buf[start] == '.' || buf[start] == '-' || !utf8.RuneStart(buf[start])) {
			start++
		}
		for end > i+1 && (buf[end-1] == '.' || buf[end-1] == '-') {
			end--
		}
		if start == i || end == i+1 || end < len(buf) && buf[end] == '@' {
			continue
		}
		from := len(t.folded)
		for _, r := range string(buf[start:end]) {
			t.folded = utf8.AppendRune(t.folded, unicode.ToLower(r))
		}
		t.words = append(t.words, word{int32(start), int32(end), int32(from), int32(len(t.folded)), false}) //nolint:gosec // a text is far below 2 GiB
	}
}

// trimmed are the signs around a verbatim value that are not part of it.
var trimmed = func() (t [256]bool) {
	for _, c := range []byte(`.,;:!?"'()[]{}<>`) {
		t[c] = true
	}
	return t
}()

// form appends the normalised form of word w.
func (t *tokenizer) form(dst []byte, w *word) []byte {
	if w.from >= 0 {
		return append(dst, t.folded[w.from:w.to]...)
	}
	for _, c := range t.buf[w.start:w.end] {
		dst = append(dst, c|byte(t.lower))
	}
	return dst
}

// hash is the keyed hash of word w.
func (t *tokenizer) hash(k *sipKey, w *word) uint64 {
	if w.from >= 0 {
		return k.hash(t.folded, int(w.from), int(w.to), 0)
	}
	return k.hash(t.buf, int(w.start), int(w.end), t.lower)
}

// hashAll hashes the words. Most have less than eight bytes: of those two are hashed at
// a time.
func (t *tokenizer) hashAll(k *sipKey) {
	t.hashes = append(t.hashes[:0], make([]uint64, len(t.words))...)
	other, otherLast := -1, uint64(0) // a short word that waits for another
	for i := range t.words {
		w := &t.words[i]
		start, n := int(w.start), int(w.end-w.start)
		if w.from >= 0 || n >= 8 || start+8 > len(t.buf) {
			t.hashes[i] = t.hash(k, w)
			continue
		}
		last := uint64(n)<<56 | (binary.LittleEndian.Uint64(t.buf[start:])|t.lower)&(1<<(8*n&63)-1) //nolint:gosec // not negative
		if other < 0 {
			other, otherLast = i, last
			continue
		}
		t.hashes[other], t.hashes[i] = k.shorts(otherLast, last)
		other = -1
	}
	if other >= 0 {
		t.hashes[other] = t.hash(k, &t.words[other])
	}
}

// quick is a hash of word w that everybody can aim at.
func (t *tokenizer) quick(w *word) uint64 {
	if w.from >= 0 {
		return quickHash(t.folded, int(w.from), int(w.to), 0)
	}
	return quickHash(t.buf, int(w.start), int(w.end), t.lower)
}

func quickHash(buf []byte, start, end int, lower uint64) uint64 {
	h := uint64(end - start)
	for ; end-start >= 8; start += 8 {
		h = joinHash(h, binary.LittleEndian.Uint64(buf[start:])|lower)
	}
	return joinHash(h, upTo8(buf, start, end, lower))
}

// upTo8 returns the less than eight bytes buf[start:end], each with the bits of lower.
func upTo8(buf []byte, start, end int, lower uint64) (x uint64) {
	if start+8 <= len(buf) {
		x = binary.LittleEndian.Uint64(buf[start:])
	} else {
		for i, c := range buf[start:end] {
			x |= uint64(c) << (8 * i & 63)
		}
	}
	return (x | lower) & (1<<(8*(end-start)&63) - 1)
}

// tokens appends those tokens of what was read whose size (digits of a number, words
// of a text, chunks of a verbatim value; 1 of an address) is in sizes, a bit for each,
// and that one of filters lets pass, in the order of their starts, of the same start
// the shorter first. No filters let everything pass.
func (t *tokenizer) tokens(list []token, kind ColumnKind, k *sipKey, sizes uint64, filters [][]byte) []token {
	if kind == DigitsColumn {
		return t.numbers(list, k, sizes, filters)
	}
	t.hashAll(k)
	most := bits.Len64(sizes) - 1
	for i, end := 0, 0; i < len(t.words); i++ {
		if i == end { // the words from i up to end may be of one value
			for end++; end < len(t.words) && t.words[end].joined; {
				end++
			}
		}
		start, h := t.words[i].start, t.hashes[i]
		if sizes&2 != 0 && passes(filters, h|1) {
			list = append(list, token{start, t.words[i].end, h | 1})
		}
		if most == 1 {
			continue
		}
		left := sizes
		for n, part := range t.hashes[i+1 : min(end, i+most)] {
			h = joinHash(h, part)
			if left >>= 1; left&2 != 0 && passes(filters, h|1) {
				list = append(list, token{start, t.words[i+1+n].end, h | 1})
			}
		}
	}
	return list
}

// passes reports whether one of filters, if there are any, lets a token of that hash
// pass.
func passes(filters [][]byte, h uint64) bool {
	for _, f := range filters {
		if inFilter(f, h) {
			return true
		}
	}
	return len(filters) == 0
}

func (t *tokenizer) numbers(list []token, k *sipKey, sizes uint64, filters [][]byte) []token {
	for i := range t.words {
		for n := 0; n < maxGroups && i+n < len(t.words); n++ {
			w := &t.words[i+n]
			if n > 0 && !w.joined {
				break
			}
			// The groups of a number stand side by side in folded.
			from, to := int(t.words[i].from), int(w.to)
			if to-from > maxDigits {
				break
			}
			if sizes&(1<<(to-from)) == 0 {
				continue
			}
			if h := k.hash(t.folded, from, to, 0) | 1; passes(filters, h) {
				list = append(list, token{t.words[i].start, w.end, h})
			}
		}
	}
	return list
}

// value appends the normalised form of a whole value, and returns its size; 0 if
// it cannot be a value of that kind, or has more than that kind may.
func (t *tokenizer) value(dst []byte, kind ColumnKind, buf []byte) (_ []byte, size int) {
	t.read(kind, buf)
	switch kind {
	case DigitsColumn:
		if len(t.folded) > maxDigits || len(t.words) > maxGroups {
			return dst, 0
		}
		return append(dst, t.folded...), len(t.folded)
	case EmailColumn:
		if len(t.words) != 1 || len(t.words) == 1 && int(t.words[0].end-t.words[0].start) != len(trimBlanks(buf)) {
			return dst, 0
		}
	case TextColumn:
		if len(t.words) > maxWords {
			return dst, 0
		}
	case VerbatimColumn:
		if len(t.words) > maxChunks {
			return dst, 0
		}
	}
	for i := range t.words {
		if i > 0 {
			dst = append(dst, ' ')
		}
		dst = t.form(dst, &t.words[i])
	}
	return dst, len(t.words)
}

// hashOf is the hash that tokens gives the value that was read last.
func (t *tokenizer) hashOf(kind ColumnKind, k *sipKey) uint64 {
	if kind == DigitsColumn {
		return k.hash(t.folded, 0, len(t.folded), 0) | 1
	}
	h := t.hash(k, &t.words[0])
	for i := range t.words[1:] {
		h = joinHash(h, t.hash(k, &t.words[i+1]))
	}
	return h | 1
}

func trimBlanks(b []byte) []byte {
	for len(b) > 0 && isBlank(b[0]) {
		b = b[1:]
	}
	for len(b) > 0 && isBlank(b[len(b)-1]) {
		b = b[:len(b)-1]
	}
	return b
}

// end forgets the text.
func (t *tokenizer) end() {
	t.buf = nil
	clear(t.folded[:cap(t.folded)])
	if cap(t.words) > 1<<14 {
		*t = tokenizer{}
	}
}

// A sipKey keys SipHash-2-4 (Aumasson and Bernstein), a fast hash whose values
// tell nothing of what was hashed, nor can be aimed at, without the key.
type sipKey struct{ v0, v1, v2, v3 uint64 } // what a hash starts from

func newSIPKey(b []byte) *sipKey {
	k0, k1 := binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])
	return &sipKey{k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261, k1 ^ 0x7465646279746573}
}

// hash is the hash of buf[start:end], each of its bytes with the bits of lower.
func (k *sipKey) hash(buf []byte, start, end int, lower uint64) uint64 {
	v0, v1, v2, v3 := k.v0, k.v1, k.v2, k.v3
	last := uint64(end-start) << 56 //nolint:gosec // not negative
	for ; end-start >= 8; start += 8 {
		m := binary.LittleEndian.Uint64(buf[start:]) | lower
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3^m)
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0 ^= m
	}
	last |= upTo8(buf, start, end, lower)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3^last)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0^last, v1, v2^0xff, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	return v0 ^ v1 ^ v2 ^ v3
}

// shorts hashes two values of less than eight bytes each, with their length in the
// highest one. In turns: each step of one hash waits for the one before.
func (k *sipKey) shorts(x, y uint64) (uint64, uint64) {
	x0, x1, x2, x3 := sipRound(k.v0, k.v1, k.v2, k.v3^x)
	y0, y1, y2, y3 := sipRound(k.v0, k.v1, k.v2, k.v3^y)
	x0, x1, x2, x3 = sipRound(x0, x1, x2, x3)
	y0, y1, y2, y3 = sipRound(y0, y1, y2, y3)
	x0, x1, x2, x3 = sipRound(x0^x, x1, x2^0xff, x3)
	y0, y1, y2, y3 = sipRound(y0^y, y1, y2^0xff, y3)
	x0, x1, x2, x3 = sipRound(x0, x1, x2, x3)
	y0, y1, y2, y3 = sipRound(y0, y1, y2, y3)
	x0, x1, x2, x3 = sipRound(x0, x1, x2, x3)
	y0, y1, y2, y3 = sipRound(y0, y1, y2, y3)
	x0, x1, x2, x3 = sipRound(x0, x1, x2, x3)
	y0, y1, y2, y3 = sipRound(y0, y1, y2, y3)
	return x0 ^ x1 ^ x2 ^ x3, y0 ^ y1 ^ y2 ^ y3
}

func sipRound(v0, v1, v2, v3 uint64) (_, _, _, _ uint64) {
	v0 += v1
	v2 += v3
	v1 = bits.RotateLeft64(v1, 13) ^ v0
	v3 = bits.RotateLeft64(v3, 16) ^ v2
	v2 += v1
	v0 = bits.RotateLeft64(v0, 32) + v3
	v1 = bits.RotateLeft64(v1, 17) ^ v2
	v3 = bits.RotateLeft64(v3, 21) ^ v0
	return v0, v1, bits.RotateLeft64(v2, 32), v3
}
