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
		t.readWords(buf)
	case EmailColumn:
		t.readEmails(buf)
	case VerbatimColumn:
		t.readChunks(buf)
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

// readWords reads words, a row of letters and digits each. Most are of ASCII: nothing of
// those is written but where they are.
func (t *tokenizer) readWords(buf []byte) {
	t.lower = lowerBits
	start, mixed := -1, false // of a row that is not at its end, and whether more than ASCII has been in it
	before := uint64(0)       // 1: a row reaches into the block
	for at := 0; at < len(buf); at += 64 {
		in, foreign := wordBits(buf[at:])
		edges := in ^ (in<<1 | before)
		from := 0 // where in the block the row starts
		for before = in >> 63; edges != 0; edges &= edges - 1 {
			n := bits.TrailingZeros64(edges)
			if start < 0 {
				start, from = at+n, n
				continue
			}
			if mixed || foreign>>from<<(64-n+from) != 0 {
				t.readMixed(buf, start, at+n)
			} else {
				t.add(buf, start, at+n, -1)
			}
			start, mixed = -1, false
		}
		if start >= 0 {
			mixed = mixed || foreign>>from != 0
		}
	}
	switch {
	case start < 0:
	case mixed:
		t.readMixed(buf, start, len(buf))
	default:
		t.add(buf, start, len(buf), -1)
	}
}

// readMixed reads the words of a row that holds more than ASCII.
func (t *tokenizer) readMixed(buf []byte, i, end int) {
	for i < end {
		i = t.readFolded(buf, i)
	}
}

// wordBits has a bit for each of the first 64 bytes of buf that is a letter or digit of
// ASCII or part of another character, and one for each of the latter.
func wordBits(buf []byte) (in, foreign uint64) {
	const ones, high = 0x0101010101010101, 0x8080808080808080
	var room [64]byte
	if len(buf) < len(room) {
		copy(room[:], buf)
		buf = room[:]
	}
	for i := 0; i < 64; i += 8 {
		x := binary.LittleEndian.Uint64(buf[i:])
		low := x &^ high
		small := low | lowerBits
		// The high bit of each byte: at least the first of them, and not more than the last.
		letters := (small + (0x80-'a')*ones) &^ (small + (0x7F-'z')*ones)
		digits := (low + (0x80-'0')*ones) &^ (low + (0x7F-'9')*ones)
		in |= (x | letters | digits) & high >> 7 * 0x0102040810204080 >> 56 << i
		foreign |= x & high >> 7 * 0x0102040810204080 >> 56 << i
	}
	return in, foreign
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

// groupBreaks are what may not stand between the groups of one number.
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
func trimmed(c byte) bool {
	switch c {
	case '.', ',', ';', ':', '!', '?', '"', '\'', '(', ')', '[', ']', '{', '}', '<', '>':
		return true
	}
	return false
}

func (t *tokenizer) readChunks(buf []byte) {
	for i := 0; i < len(buf); {
		if isBlank(buf[i]) {
			i++
			continue
		}
		start := i
		for i < len(buf) && !isBlank(buf[i]) {
			i++
		}
		end := i
		for start < end && trimmed(buf[start]) {
			start++
		}
		for start < end && trimmed(buf[end-1]) {
			end--
		}
		if start < end && end-start <= maxChunk {
			t.add(buf, start, end, -1)
		}
	}
}

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

// quick is a hash of word w that everybody can aim at.
func (t *tokenizer) quick(w *word) uint64 {
	if w.from >= 0 {
		return quickHash(t.folded, int(w.from), int(w.to), 0)
	}
	return quickHash(t.buf, int(w.start), int(w.end), t.lower)
}

func quickHash(buf []byte, start, end int, lower uint64) uint64 {
	h := uint64(end - start)
	for ; end-start > 8; start += 8 {
		h = joinHash(h, binary.LittleEndian.Uint64(buf[start:])|lower)
	}
	return joinHash(h, upTo8(buf, start, end, lower))
}

// upTo8 returns the at most eight bytes buf[start:end], each with the bits of lower.
func upTo8(buf []byte, start, end int, lower uint64) (x uint64) {
	unused := uint(64-8*(end-start)) & 127 //nolint:gosec // 0 to 64
	if start+8 <= len(buf) {
		return (binary.LittleEndian.Uint64(buf[start:]) | lower) << unused >> unused
	}
	for i, c := range buf[start:end] {
		x |= uint64(c) << (8 * i)
	}
	return x | lower<<unused>>unused
}

// tokens appends those tokens of what was read whose size (digits of a number, words
// of a text, chunks of a verbatim value; 1 of an address) is in sizes, a bit for each,
// and that one of filters lets pass, in the order of their starts, of the same start
// the shorter first. No filters let everything pass.
func (t *tokenizer) tokens(list []token, kind ColumnKind, k *sipKey, sizes uint64, filters [][]byte) []token {
	if kind == DigitsColumn {
		return t.numbers(list, k, sizes, filters)
	}
	t.hashes = t.hashes[:0]
	for i := range t.words {
		t.hashes = append(t.hashes, t.hash(k, &t.words[i]))
	}
	most := bits.Len64(sizes) - 1
	for i, end := 0, 0; i < len(t.words); i++ {
		if i == end { // the words from i up to end may be of one value
			for end++; end < len(t.words) && t.words[end].joined; {
				end++
			}
		}
		h := uint64(0)
		for n, part := range t.hashes[i:min(end, i+most)] {
			if n == 0 {
				h = part
			} else {
				h = joinHash(h, part)
			}
			if sizes>>(n+1)&1 != 0 && passes(filters, h|1) {
				list = append(list, token{t.words[i].start, t.words[i+n].end, h | 1})
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
type sipKey struct{ k0, k1 uint64 }

func newSIPKey(b []byte) *sipKey {
	return &sipKey{binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:])}
}

// hash is the hash of buf[start:end], each of its bytes with the bits of lower.
func (k *sipKey) hash(buf []byte, start, end int, lower uint64) uint64 {
	v0, v1, v2, v3 := k.k0^0x736f6d6570736575, k.k1^0x646f72616e646f6d, k.k0^0x6c7967656e657261, k.k1^0x7465646279746573
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
	v0, v2 = v0^last, v2^0xff
	for range 4 {
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
	}
	return v0 ^ v1 ^ v2 ^ v3
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
