package detect

import (
	"encoding/binary"
	"math/bits"
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
	from, to   int32 // of its normalised form, in tokenizer.folded
	joined     bool  // it may belong to the same value as the word before
}

// A tokenizer reads the tokens of a text. It is reused.
type tokenizer struct {
	words  []word
	folded []byte
	hashes []uint64
}

// words of kind are read from buf.
func (t *tokenizer) read(kind ColumnKind, buf []byte) {
	t.words, t.folded = t.words[:0], t.folded[:0]
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
// folded since from.
func (t *tokenizer) add(buf []byte, start, end, from int) {
	joined := false
	if n := len(t.words); n > 0 {
		if gap := buf[t.words[n-1].end:start]; len(gap) <= maxTokenGap {
			joined = true
			for _, c := range gap {
				joined = joined && c != '\f' && c != '\t'
			}
		}
	}
	t.words = append(t.words, word{int32(start), int32(end), int32(from), int32(len(t.folded)), joined}) //nolint:gosec // a text is far below 2 GiB
}

func (t *tokenizer) readWords(buf []byte) {
	var room [8]byte
	for i := 0; i < len(buf); {
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
			continue
		}
		_, n := utf8.DecodeRune(buf[i:])
		i += max(n, 1)
	}
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
			from := len(t.folded)
			t.folded = append(t.folded, buf[start:end]...)
			t.add(buf, start, end, from)
		}
	}
}

// form returns the normalised form of word w.
func (t *tokenizer) form(w *word) []byte { return t.folded[w.from:w.to] }

// tokens appends the tokens of buf whose size (digits of a number, words of a
// text, chunks of a verbatim value; 1 of an address) is in sizes, a bit for each,
// in the order of their starts, of the same start the shorter first.
func (t *tokenizer) tokens(list []token, kind ColumnKind, buf []byte, k *sipKey, sizes uint64) []token {
	t.read(kind, buf)
	if kind == DigitsColumn {
		return t.numbers(list, k, sizes)
	}
	t.hashes = t.hashes[:0]
	for i := range t.words {
		t.hashes = append(t.hashes, k.hash(t.form(&t.words[i])))
	}
	for i := range t.words {
		h := t.hashes[i]
		for n := 1; sizes>>n != 0; n++ {
			if n > 1 {
				if i+n > len(t.words) || !t.words[i+n-1].joined {
					break
				}
				h = joinHash(h, t.hashes[i+n-1])
			}
			if sizes&(1<<n) != 0 {
				list = append(list, token{t.words[i].start, t.words[i+n-1].end, h | 1})
			}
		}
	}
	return list
}

func (t *tokenizer) numbers(list []token, k *sipKey, sizes uint64) []token {
	for i := range t.words {
		for n := 0; n < maxGroups && i+n < len(t.words); n++ {
			w := &t.words[i+n]
			if n > 0 && !w.joined {
				break
			}
			// The groups of a number stand side by side in folded.
			digits := t.folded[t.words[i].from:w.to]
			if len(digits) > maxDigits {
				break
			}
			if sizes&(1<<len(digits)) != 0 {
				list = append(list, token{t.words[i].start, w.end, k.hash(digits) | 1})
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
		dst = append(dst, t.form(&t.words[i])...)
	}
	return dst, len(t.words)
}

// hashOf is the hash that tokens gives the value that was read last.
func (t *tokenizer) hashOf(kind ColumnKind, k *sipKey) uint64 {
	if kind == DigitsColumn {
		return k.hash(t.folded) | 1
	}
	h := k.hash(t.form(&t.words[0]))
	for i := range t.words[1:] {
		h = joinHash(h, k.hash(t.form(&t.words[i+1])))
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

func (k *sipKey) hash(b []byte) uint64 {
	v0, v1, v2, v3 := k.k0^0x736f6d6570736575, k.k1^0x646f72616e646f6d, k.k0^0x6c7967656e657261, k.k1^0x7465646279746573
	last := uint64(len(b)) << 56
	for ; len(b) >= 8; b = b[8:] {
		m := binary.LittleEndian.Uint64(b)
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3^m)
		v0, v1, v2, v3 = sipRound(v0, v1, v2, v3)
		v0 ^= m
	}
	for i, c := range b {
		last |= uint64(c) << (8 * i)
	}
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
