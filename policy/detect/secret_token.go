package detect

import (
	"bytes"
	"errors"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"strconv"
	"strings"
	"unicode/utf8"
)

// A tokenForm is the form of a secret with a public prefix, as it is declared in
// [Detector.Tokens]: "ghp_{Aa0:36-255}".
//
// What stands before the first brace is the prefix, by which the one pass finds
// the secret; "(?i)" before it lets case not matter. In braces stands what
// characters follow and how many: A, a and 0 are letters and digits, h and x are
// hexadecimal digits in lower and in any case, w is letters, digits, '_' and '-',
// b the alphabet of base64, and every other character is itself. What is between
// braces stands for itself.
type tokenForm struct {
	kind    *kind
	prefix  string
	anyCase bool
	parts   []tokenPart
	test    bool // a key for a service's sandbox, which opens nothing
	short   bool // nothing but a prefix so short that base64 has it by chance
}

// A tokenPart is text that must stand there, or, if text is empty, characters of a
// class.
type tokenPart struct {
	text     string
	allowed  [256]bool
	min, max int
}

// maxTokenPart bounds what one class may take.
const maxTokenPart = 4096

// parseToken reads a form.
func parseToken(form string) (*tokenForm, error) {
	t := new(tokenForm)
	rest, anyCase := strings.CutPrefix(form, "(?i)")
	t.anyCase = anyCase
	open := strings.IndexByte(rest, '{')
	if open < 3 {
		return nil, fmt.Errorf("token %q: want at least three characters before the first brace", form)
	}
	t.prefix = rest[:open]
	if anyCase && t.prefix != strings.ToLower(t.prefix) {
		return nil, fmt.Errorf("token %q: a prefix in any case is written in lower case", form)
	}
	parts, err := parseParts(rest[open:])
	if err != nil {
		return nil, fmt.Errorf("token %q: %w", form, err)
	}
	t.parts, t.short = parts, len(t.prefix) == 3 && len(parts) == 1
	return t, nil
}

// parseParts reads what follows the prefix.
func parseParts(s string) ([]tokenPart, error) {
	var parts []tokenPart
	for s != "" {
		if s[0] != '{' {
			text, _, _ := strings.Cut(s, "{")
			parts = append(parts, tokenPart{text: text})
			s = s[len(text):]
			continue
		}
		inside, after, closed := strings.Cut(s[1:], "}")
		colon := strings.LastIndexByte(inside, ':')
		if !closed || colon < 1 || strings.ContainsAny(inside[:colon], " \"'{") {
			return nil, errors.New(`want {class:count} or {class:least-most}`)
		}
		least, most, ranged := strings.Cut(inside[colon+1:], "-")
		p := tokenPart{allowed: alphabet(inside[:colon])}
		var errs [2]error
		p.min, errs[0] = strconv.Atoi(least)
		if p.max = p.min; ranged {
			p.max, errs[1] = strconv.Atoi(most)
		}
		if errors.Join(errs[:]...) != nil || p.min < 1 || p.max < p.min || p.max > maxTokenPart {
			return nil, fmt.Errorf("count %q: want a number, or two, of 1 to %d", inside[colon+1:], maxTokenPart)
		}
		parts, s = append(parts, p), after
	}
	return parts, nil
}

// inBlob reports whether buf[start:to] is cut out of base64: by a '+' or '/', on whose
// other side as mixed a text goes on as few paths are.
func inBlob(buf []byte, start, to int) bool {
	cuts := func(i int) bool { return i >= 0 && i < len(buf) && (buf[i] == '+' || buf[i] == '/') }
	from, end := start, to
	for cuts(start-1) && from > 0 && start-from < besideBlob && isBase64(buf[from-1]) {
		from--
	}
	for cuts(to) && end < len(buf) && end-to < besideBlob && isBase64(buf[end]) {
		end++
	}
	for _, side := range [2][]byte{buf[from:start], buf[to:end]} {
		digits, upper, lower := mix(string(side))
		if len(side) >= besideBlob/2 && digits > 0 && upper > 2 && lower > 2 {
			return true
		}
	}
	return false
}

// besideBlob is how much of what is beside a token is looked at.
const besideBlob = 40

// alphabet makes a table of the bytes that a class stands for.
func alphabet(class string) (t [256]bool) {
	has := func(c byte) bool { return strings.IndexByte(class, c) >= 0 }
	for i := range t {
		c := byte(i)
		switch {
		case isDigit(c):
			t[i] = has('0') || has('h') || has('x') || has('w') || has('b') || has(c)
		case isUpper(c):
			t[i] = has('A') || has('w') || has('b') || has('x') && isHex(c)
		case isLower(c):
			t[i] = has('a') || has('w') || has('b') || (has('h') || has('x')) && isHex(c)
		case c == '_' || c == '-':
			t[i] = has('w') || has(c)
		case c == '+' || c == '/':
			t[i] = has('b') || has(c)
		default:
			t[i] = has(c) && c < utf8.RuneSelf
		}
	}
	return t
}

// follows returns where the parts end that start at buf[i:], -1 if they do not
// stand there. The last may be followed by what is no letter or digit only.
func (t *tokenForm) follows(buf []byte, i int) int {
	for n := range t.parts {
		p := &t.parts[n]
		if p.text != "" {
			if !bytes.HasPrefix(buf[i:], []byte(p.text)) {
				return -1
			}
			i += len(p.text)
			continue
		}
		from := i
		for i < len(buf) && i-from < p.max && p.allowed[buf[i]] {
			i++
		}
		if n == len(t.parts)-1 {
			for i-from > p.min && strings.IndexByte("-_.=/+", buf[i-1]) >= 0 && (i == len(buf) || !isAlnum(buf[i])) {
				i-- // the end of a sentence or a rule
			}
		}
		if i-from < p.min {
			return -1
		}
	}
	if i < len(buf) && isAlnum(buf[i]) {
		return -1
	}
	return i
}

// inWord reports whether buf[start] goes on with a word. A letter of a script
// without blanks parts words as well as one.
func inWord(buf []byte, start int) bool {
	return start > 0 && (isAlnum(buf[start-1]) || buf[start-1] >= utf8.RuneSelf && latinBefore(buf[:start]))
}

// latinBefore reports whether b ends with an accented letter of a script that
// writes blanks between words.
func latinBefore(b []byte) bool {
	r, _ := utf8.DecodeLastRune(b)
	return r < 0x2000
}

// token judges what follows a secret's prefix, which is buf[start:end].
func (s *scanner) token(t *tokenForm, start, end int) {
	buf, k := s.buf, t.kind
	if inWord(buf, start) {
		return
	}
	to := t.follows(buf, end)
	s.work += max(to-end, 16)
	if to < 0 {
		s.reject(k.ID, start, end, "length")
		return
	}
	v := string(buf[end:to])
	if t.short && inBlob(buf, start, to) {
		s.reject(k.ID, start, to, "part of a hash or code")
		return
	}
	if start > 0 && buf[start-1] == '.' && to+1 < len(buf) && buf[to] == '.' && isLower(buf[to+1]) {
		s.reject(k.ID, start, to, "part of the name of a file")
		return
	}
	level, filler := k.Alone, false
	if entropy(v) < t.entropy(len(v)) || placeholder(v) {
		// Between what fills up an example may stand a key: an account's number
		// before it, or what somebody changed in it.
		filler = true
		if rest := t.free(v); len(rest) <= maxFilled {
			rest = filled(rest)
			s.work += len(v) * 8
			level, filler = level.lower(), len(rest) < 16 || entropy(rest) < 3
		}
	}
	switch {
	case standsIn(v) || filler || masked(buf[to:]):
		s.reject(k.ID, start, to, "placeholder")
		return
	case t.words(v):
		s.reject(k.ID, start, to, "words")
		return
	}
	// One form of key belongs to several services: the host before it says which.
	switch {
	case k.ID == "secret-azure-storage-key" && s.speaks(start, start, "documents.azure.com"):
		k = kinds["secret-azure-cosmos-key"]
	case k.ID == "secret-azure-service-bus-key" && s.speaks(start, start, "azure-devices.net"):
		k = kinds["secret-azure-iot-key"]
	}
	prefix := string(buf[start:end])
	s.add(candidate{kind: k, start: start, end: to, level: level, value: prefix + v, prefix: prefix, why: "prefix, length and randomness", known: t.test})
}

// maxFilled bounds what is looked at for what fills up an example, since every
// character is compared with all before it.
const maxFilled = 256

// free returns v without what every token of the form has.
func (t *tokenForm) free(v string) string {
	for i := range t.parts {
		if p := t.parts[i].text; p != "" {
			v = strings.Replace(v, p, "-", 1)
		}
	}
	return v
}

// masked reports whether what follows a secret says that its last part was taken
// out.
func masked(after []byte) bool {
	after = bytes.TrimLeft(after[:min(len(after), 8)], "-_.")
	return bytes.HasPrefix(after, []byte("####")) || bytes.HasPrefix(after, []byte("****"))
}

// entropy is the least that a value of n characters must have: 3 bits a character,
// or what is left of it in a short value.
func (t *tokenForm) entropy(n int) float64 {
	if n < 16 {
		return 2.5
	}
	return 3
}

// words reports whether v is put together of words, where it could hold digits and
// letters of both cases.
func (t *tokenForm) words(v string) bool {
	digits, upper, lower := mix(v)
	mayDigits, mayUpper, mayLower := false, false, false
	for i := range t.parts {
		a := &t.parts[i].allowed
		mayDigits, mayUpper, mayLower = mayDigits || a['7'], mayUpper || a['Q'], mayLower || a['q']
	}
	parted := strings.ContainsAny(v, "-_.")
	return mayDigits && mayLower && digits == 0 && (upper == 0 || lower == 0) && (parted || entropy(v) < 3.4) || mayUpper && mayLower && upper == 0 && strings.Count(v, "-")+strings.Count(v, "_") >= 2 && digits < 3
}

// Fill replaces what stands in braces as in a token's form by random characters,
// always the same ones for the same text: "key ghp_{Aa0:36}". Examples of secrets
// are declared in this way, so that no declaration holds what a scanner must take
// for a leak.
func Fill(example string) string {
	if !strings.Contains(example, "{") {
		return example
	}
	h := fnv.New64a()
	h.Write([]byte(example))
	seed := h.Sum64()
	for n := uint64(0); ; n++ {
		// A draw that reads like a placeholder is drawn again.
		if s := fill(example, rand.New(rand.NewPCG(seed, n))); n > 50 || s == example || !placeholder(s) { //nolint:gosec // examples must be the same every time
			return s
		}
	}
}

func fill(example string, r *rand.Rand) string {
	var b strings.Builder
	for {
		before, rest, ok := strings.Cut(example, "{")
		b.WriteString(before)
		if !ok {
			return b.String()
		}
		inside, after, closed := strings.Cut(rest, "}")
		parts, err := parseParts("{" + inside + "}")
		if !closed || err != nil || len(parts) != 1 {
			b.WriteString("{")
			example = rest
			continue
		}
		var chars []byte
		for c, ok := range parts[0].allowed {
			if ok {
				chars = append(chars, byte(c))
			}
		}
		for i := range parts[0].min {
			c := chars[r.IntN(len(chars))]
			for (i == 0 || i == parts[0].min-1) && !isAlnum(c) {
				c = chars[r.IntN(len(chars))]
			}
			b.WriteByte(c)
		}
		example = after
	}
}
