package detect

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"teamsdlp/policy/extract"
)

// maxToken bounds how far around a candidate its surroundings are looked at.
const maxToken = 256

// veto says what a number at buf[start:end] is a part of, empty if of nothing.
// soft: a keyword right beside it outweighs that.
func (s *scanner) veto(start, end int) (why string, soft bool) {
	buf := s.buf
	lo, hi := start, end
	for lo > 0 && start-lo < maxToken && !blankByte(buf[lo-1]) {
		lo--
	}
	for hi < len(buf) && hi-end < maxToken && !blankByte(buf[hi]) {
		hi++
	}
	s.work += hi - lo
	token, from, to := buf[lo:hi], start-lo, end-lo
	switch {
	case inGUID(token, from, to):
		return "part of a GUID", false
	case fraction(buf, start, end):
		return "part of a decimal number", false
	case inCode(token, from, to):
		return "part of a hash or code", true
	case s.t.Zone(start) == extract.Link && bytes.Contains(s.buf[s.lineStart(start, maxToken*4):start], []byte("://")),
		bytes.Contains(token[:from], []byte("://")), bytes.HasPrefix(token, []byte("www.")):
		return "part of a URL", true
	case bytes.HasPrefix(token, []byte("arn:")):
		return "part of a resource name", true
	case localPart(token, to):
		return "part of an e-mail address", true
	case path(token, from):
		return "part of a path", true
	}
	return "", false
}

func blankByte(c byte) bool {
	switch c {
	case ' ', '\n', '\t', '\f', '"', '\'', '<', '>', '(', ')', '[', ']', '{', '}', ',', ';', '|', '`':
		return true
	}
	return false
}

// inGUID reports whether token[from:to] lies in 8-4-4-4-12 hexadecimal digits.
func inGUID(token []byte, from, to int) bool {
	for i := max(0, to-36); i <= from && i+36 <= len(token); i++ {
		if isGUID(token[i : i+36]) {
			return true
		}
	}
	return false
}

func isGUID(b []byte) bool {
	for i, c := range b {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !isHex(c) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return isDigit(c) || (c|0x20)-'a' < 6 }

// fraction reports whether the digits are behind the point of a decimal number,
// or before one. A list parted by commas is no fraction: its neighbours are long.
func fraction(buf []byte, start, end int) bool {
	if i := start - 2; i >= 0 && (buf[i+1] == '.' || buf[i+1] == ',') && isDigit(buf[i]) {
		n := 1
		for n <= 3 && i-n >= 0 && isDigit(buf[i-n]) {
			n++
		}
		if n <= 3 {
			return true
		}
	}
	if i := end + 1; i < len(buf) && (buf[end] == '.' || buf[end] == ',') && isDigit(buf[i]) && bytes.IndexByte(buf[start:end], '.') < 0 {
		n := 1
		for n <= 3 && i+n < len(buf) && isDigit(buf[i+n]) {
			n++
		}
		return n <= 2
	}
	return false
}

// inCode reports whether token[from:to] lies in a run of letters and digits that
// no person wrote: 20 or more hexadecimal digits with letters on either side, or
// 28 or more of base64 with digits outside the candidate.
func inCode(token []byte, from, to int) bool {
	hexFrom, hexTo := from, to
	for hexFrom > 0 && isHex(token[hexFrom-1]) {
		hexFrom--
	}
	for hexTo < len(token) && isHex(token[hexTo]) {
		hexTo++
	}
	if hexTo-hexFrom > to-from && hexTo-hexFrom >= 20 {
		return true
	}
	b64From, b64To := from, to
	for b64From > 0 && isBase64(token[b64From-1]) {
		b64From--
	}
	for b64To < len(token) && isBase64(token[b64To]) {
		b64To++
	}
	if b64To-b64From < 28 {
		return false
	}
	digits, upper, lower := 0, 0, 0
	for i := b64From; i < b64To; i++ {
		if i == from {
			i = to
			if i == b64To {
				break
			}
		}
		switch c := token[i]; {
		case isDigit(c):
			digits++
		case isUpper(c):
			upper++
		case isLower(c):
			lower++
		}
	}
	return digits > 0 && upper > 0 && lower > 0
}

func isBase64(c byte) bool {
	return isAlnum(c) || c == '+' || c == '/' || c == '=' || c == '-' || c == '_'
}

// localPart reports whether what follows the candidate makes it the local part of
// an address.
func localPart(token []byte, to int) bool {
	for _, c := range token[to:] {
		switch {
		case c == '@':
			return true
		case !isAlnum(c) && c != '.' && c != '-' && c != '_' && c != '+':
			return false
		}
	}
	return false
}

// path reports whether token[from:] continues a file's path.
func path(token []byte, from int) bool {
	before := token[:from]
	if bytes.IndexByte(before, '\\') >= 0 {
		return true
	}
	slash := bytes.IndexByte(before, '/')
	if slash > 0 && slash == from-1 && isLetter(before[slash-1]) && isName(before[:slash]) {
		return true
	}
	return slash == 0 || slash > 0 && bytes.IndexByte(before[slash+1:], '/') >= 0
}

// isName reports whether b could be a directory or a host: nothing but letters,
// digits and the signs between them.
func isName(b []byte) bool {
	for _, c := range b {
		if !isAlnum(c) && c != '.' && c != '-' && c != '_' {
			return false
		}
	}
	return len(b) > 0
}

// outweighs reports whether the evidence is so near that it counts more than what
// the value is part of. What a hash or code happens to spell is no word.
func (s *scanner) outweighs(ev evidence, start, end int) bool {
	if !ev.touches() || ev.header {
		return ev.touches()
	}
	if ev.in != s {
		return true
	}
	from, to := ev.at.End, start
	if !ev.before {
		from, to = end, ev.at.Start
	}
	for _, c := range s.buf[from:to] {
		if !isWordByte(c) {
			return true
		}
	}
	return ev.at.Start == 0 || !wordBefore(s.buf, ev.at.Start)
}

// called reports whether the word of ev is the name of a function that is called with
// what starts at start: sin(668307788). People put a blank before a parenthesis, or
// write a word that is short for others in capitals; those who write without blanks
// have letters of their own before the word.
func (s *scanner) called(ev evidence, start int) bool {
	if !ev.found() || !ev.before || ev.in != s || ev.at.End != start-1 || s.buf[start-1] != '(' || ev.at.Start > 0 && s.buf[ev.at.Start-1] >= utf8.RuneSelf {
		return false
	}
	for _, c := range s.buf[ev.at.Start:ev.at.End] {
		if !isLower(c) {
			return false
		}
	}
	return true
}

// named reports whether the value goes on as a name does: report_20221213,
// 4539-rev-b.
func (s *scanner) named(start, end int) bool {
	buf := s.buf
	joint := func(c byte) bool { return c == '_' || c == '-' }
	if start > 0 && buf[start-1] == '#' || start > 1 && joint(buf[start-1]) && isLetter(buf[start-2]) {
		return true
	}
	return end+1 < len(buf) && joint(buf[end]) && isLetter(buf[end+1])
}

// clock reports whether a time of day goes on or ends at the value.
func (s *scanner) clock(start, end int) bool {
	buf := s.buf
	two := func(i int) bool { return i >= 0 && i+1 < len(buf) && isDigit(buf[i]) && isDigit(buf[i+1]) }
	return end < len(buf) && buf[end] == ':' && two(end+1) || start > 0 && buf[start-1] == ':' && two(start-3) && start > 3 && buf[start-4] == ':'
}

// article reports whether d is a number of GS1 by its length and check digit:
// UPC, EAN or GTIN. 756 is Switzerland's, whose AHV numbers are made like that.
func article(d []byte) bool {
	switch n := len(d); {
	case n != 8 && (n < 12 || n > 14), string(d[:3]) == "756":
		return false
	}
	sum := 0
	for i, c := range d {
		w := 1
		if (len(d)-1-i)%2 == 1 {
			w = 3
		}
		sum += w * int(c-'0')
	}
	return sum%10 == 0
}

// dottedQuad reports whether b is four numbers up to 255 with dots between.
func dottedQuad(b []byte) bool {
	n, groups, digits := 0, 1, 0
	for _, c := range b {
		switch {
		case isDigit(c):
			n = n*10 + int(c-'0')
			if digits++; digits > 3 || n > 255 {
				return false
			}
		case c == '.' && digits > 0:
			groups++
			n, digits = 0, 0
		default:
			return false
		}
	}
	return groups == 4 && digits > 0
}

// dialled reports whether a value is written as phone numbers are in three groups,
// and could be one: of North America with dashes or dots, or with a trunk prefix.
func (s *scanner) dialled(start, end int) bool {
	b := s.buf[start:end]
	if len(b) != 12 || isDigit(b[3]) || b[7] != b[3] {
		return false
	}
	if b[0] == '0' || b[3] != '-' && b[3] != '.' {
		return b[0] == '0' && b[1] != '0'
	}
	var d [10]byte
	copy(d[:], b[:3])
	copy(d[3:], b[4:7])
	copy(d[6:], b[8:])
	return nanp(d[:])
}

// computed reports whether the value is the result or a part of a sum: 3 * 4 = 12.
func (s *scanner) computed(start, end int) bool {
	buf := s.buf
	i := start
	for i > 0 && buf[i-1] == ' ' && start-i < 3 {
		i--
	}
	if i > 1 && buf[i-1] == '=' {
		equals := i - 1
		for i--; i > 0 && buf[i-1] == ' ' && start-i < 8; {
			i--
		}
		if i > 0 && (isDigit(buf[i-1]) && i < equals || buf[i-1] == ')') {
			return true
		}
	}
	// " of 24136710322 bytes" is counted; here it is " × 8832".
	return end+3 < len(buf) && buf[end] == ' ' && (buf[end+1] == '*' || buf[end+1] == '+' || buf[end+1] == '=') && buf[end+2] == ' ' && isDigit(buf[end+3])
}

// listed reports whether the value is a field in a row of numbers.
func (s *scanner) listed(start, end int) bool {
	buf := s.buf
	mark := func(c byte) bool { return c == ';' || c == ',' || c == '|' }
	if start > 3 && buf[start-1] == ' ' && buf[start-2] == '|' && buf[start-3] == ' ' && isDigit(buf[start-4]) ||
		end+3 < len(buf) && buf[end] == ' ' && buf[end+1] == '|' && buf[end+2] == ' ' && isDigit(buf[end+3]) {
		return true
	}
	return start > 1 && mark(buf[start-1]) && isDigit(buf[start-2]) || end+1 < len(buf) && mark(buf[end]) && isDigit(buf[end+1])
}

// units are what is counted or measured; right after a number they say that it is
// neither an id nor a card.
var units = set("units", "unit", "pieces", "pcs", "items", "rows", "records", "lines", "entries", "events", "bytes", "users", "hits", "views", "requests", "messages", "files", "tokens",
	"kb", "mb", "gb", "tb", "ms", "us", "ns", "nanoseconds", "microseconds", "milliseconds", "cycles", "sec", "secs", "seconds", "minutes", "hours", "days", "km", "kg", "tons", "steps", "points", "samples", "people", "inhabitants", "shares", "downloads",
	"boxes", "box", "cartons", "pallets", "times", "percent", "st", "stuck", "einheiten", "adet", "ks", "kusov", "unidad", "pecas", "pezzo", "stycken", "antal", "kpl", "sztuk", "штук", "шт", "zeilen", "millionen", "unites", "pieces", "unidades", "pezzi", "stuks", "stk", "szt", "million", "billion", "millions", "billions")

// measures are those units of which no id is followed, whatever word is near it.
var measures = set("nanoseconds", "microseconds", "milliseconds", "bytes", "kb", "mb", "gb", "tb", "ms", "ns", "rows", "records", "lines", "requests", "downloads", "inhabitants", "zeilen", "lignes", "filas", "righe", "linhas", "regels", "rader", "wierszy")

// counters are the measure words of East Asia.
const counters = "個个件台枚本冊名人円元ページ条份项次개명원"

// counted reports whether a unit follows the value that ends at i.
func (s *scanner) counted(i int) bool {
	buf := s.buf
	if i < len(buf) && buf[i] == ' ' {
		i++
	}
	if i < len(buf) && foreignLead(buf[i]) {
		r, _ := utf8.DecodeRune(buf[i:])
		return strings.ContainsRune(counters, r)
	}
	return s.follows(i, units)
}

// follows reports whether one of the words stands behind the blank before i.
func (s *scanner) follows(i int, words map[string]bool) bool {
	buf := s.buf
	if i == 0 || i >= len(buf) || buf[i-1] != ' ' {
		return false
	}
	var word [16]byte
	n := 0
	for i < len(buf) && n < len(word) && wordAt(buf, i) && !isDigit(buf[i]) {
		if buf[i] < utf8.RuneSelf {
			word[n] = lowered[buf[i]]
			n++
			i++
			continue
		}
		r, size := utf8.DecodeRune(buf[i:])
		n += copy(word[n:], foldRune(r))
		i += size
	}
	return n > 1 && (i == len(buf) || !wordAt(buf, i)) && words[string(word[:n])]
}

// extension reports whether the extension of a phone number is at i: x123.
func (s *scanner) extension(i int) bool {
	buf := s.buf
	if i+1 >= len(buf) || buf[i]|0x20 != 'x' || !isDigit(buf[i+1]) {
		return false
	}
	for i++; i < len(buf) && isDigit(buf[i]); {
		i++
	}
	return i == len(buf) || !wordAt(buf, i)
}

// maxGlued bounds how long a word is that a value is glued to.
const maxGlued = 32

// gluedWord looks for evidence in the letters that touch a value: mycard4539….
func (s *scanner) gluedWord(k *kind, start, end int) evidence {
	buf := s.buf
	from, to := start, end
	for from > 0 && start-from < maxGlued && (isLetter(buf[from-1]) || buf[from-1] >= utf8.RuneSelf) {
		from--
	}
	for to < len(buf) && to-end < maxGlued && (isLetter(buf[to]) || buf[to] >= utf8.RuneSelf) {
		to++
	}
	s.work += to - from
	// Letters with digits on both sides are a code's.
	if from > 0 && isDigit(buf[from-1]) {
		from = start
	}
	if to < len(buf) && isDigit(buf[to]) {
		to = end
	}
	for _, side := range [2][2]int{{from, start}, {end, to}} {
		for _, w := range k.Words {
			n, at := gluedTo(buf[side[0]:side[1]], w, side[1] == start)
			if n == 0 || k.weak && n < 4 {
				continue
			}
			s.work += n
			if term, ok := s.e.term(w); ok {
				at += side[0]
				return evidence{term: term, at: Hit{term, at, at + n}, before: side[1] == start, full: true, in: s}
			}
		}
	}
	return evidence{term: -1}
}

// gluedTo returns how long word w is at the end of b, or at its start, and where; 0
// if it is not there. Blanks and dashes in w are left out.
func gluedTo(b []byte, w string, ends bool) (n, at int) {
	var word [maxGlued]byte
	for i := range len(w) {
		switch c := w[i]; {
		case c == ' ' || c == '-':
		case c >= utf8.RuneSelf || n == len(word) || c == '*':
			return 0, 0
		default:
			word[n] = lowered[c]
			n++
		}
	}
	least := 4 // letters that make a word, where others touch them
	if ends {
		least = 3
		at = max(0, len(b)-n)
	}
	if n < 2 || n > len(b) || n < len(b) && n < least {
		return 0, 0
	}
	if !matches(b[at:at+n], string(word[:n]), true) {
		return 0, 0
	}
	return n, at
}
