package detect

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"math/bits"
	"strings"
	"unicode/utf8"

	"teamsdlp/policy/extract"
)

// A scanner is the state of one scan; engines keep them for the next.
type scanner struct {
	e       *Engine
	t       *extract.Text
	buf     []byte
	o       Options
	regions map[string]bool // nil: all
	home    string
	plan    *plan // of home; nil: none is known
	explain bool
	floor   Level // below this nothing matters, unless it is to be explained

	found    []candidate
	rejected []Rejected
	said     map[string]bool
	terms    []Hit     // of evidence, with the names and nouns of phrases
	hits     []Hit     // of evidence, with the phrases
	looked   bool      // hits are those of this text
	present  []uint64  // the sets that hits are of, by bit
	hay      *Haystack // of buf
	ownHay   Haystack
	tallies  bool      // hay takes note of the long rows of digits that run reads
	possible []bool    // of all patterns of a company's detectors
	aws      bool      // the text speaks of AWS
	azure    bool      // of Azure
	pgpass   bool      // of a password file of PostgreSQL
	care     bool      // of care for the sick
	words    []Hit     // of the lexicon, or of few words that are looked for by themselves
	unborn   stretchOf // no word for birth starts in it: see bornNear
	postal   bool      // of a column of postal codes
	row      wordRun
	seeds    []seedAt
	groups   []group
	digits   []byte // of groups
	spare    [64]byte
	tried    []uint16 // of codeForms.all
	exact    exactState
	form     formState

	// What a stretch says is scanned by inner, which knows the stretch of outer
	// that it reads.
	inner     *child
	outer     *scanner
	inFrom    int
	inTo      int
	depth     int
	spelledTo int // up to where stretches of each kind have been read
	alikeTo   int
	oddTo     int
	escapesTo int

	work int // steps taken beyond the one pass, for the test of linear time
}

// maxRejected bounds what an explanation holds.
const maxRejected = 1000

func (s *scanner) start(e *Engine, t *extract.Text, o Options, explain bool) {
	s.e, s.t, s.buf, s.o, s.explain = e, t, t.Bytes(), o, explain
	s.found, s.rejected, s.said, s.regions = s.found[:0], nil, nil, nil
	s.looked, s.aws, s.azure, s.pgpass, s.care, s.postal, s.tallies, s.work = false, false, false, false, false, false, false, 0
	s.outer, s.depth, s.spelledTo, s.alikeTo, s.oddTo, s.escapesTo = nil, 0, 0, 0, 0, 0
	s.hay, s.unborn = &s.ownHay, stretchOf{}
	s.floor = min(cmp.Or(o.Min, Low), Low)
	s.home, s.plan = "", nil
	if o.RegionHint != "" {
		s.home = strings.ToUpper(o.RegionHint)
		s.plan = plans().regions[s.home]
	}
	if o.Regions != nil {
		s.regions = map[string]bool{}
		for _, r := range o.Regions {
			s.regions[strings.ToLower(r)] = true
		}
	}
}

// end lets go of the message: a scanner outlives it.
func (s *scanner) end() {
	clear(s.found)
	clear(s.digits[:cap(s.digits)])
	s.spare = [64]byte{}
	s.t, s.buf, s.said, s.rejected, s.outer = nil, nil, nil, nil, nil
	s.ownHay.Reset(nil)
	s.hay = nil
	s.exact.end()
	if c := s.inner; c != nil && c.used {
		c.used = false
		clear(c.raw[:cap(c.raw)])
		c.own.Load(extract.Source{})
	}
	if cap(s.terms) > 1<<14 {
		s.terms = nil
	}
	if cap(s.hits) > 1<<14 {
		s.hits = nil
	}
	if cap(s.words) > 1<<14 {
		s.words = nil
	}
	if cap(s.groups) > 1<<14 {
		s.groups, s.digits = nil, nil
	}
}

// reject takes note of a candidate that a gate stopped: see lacked.
func (s *scanner) reject(id string, start, end int, why string) {
	if s.explain && len(s.rejected) < maxRejected {
		s.rejected = append(s.rejected, Rejected{id, start, end, lacked(why)})
	}
}

// add takes a confirmed candidate, at the level that the region leaves it.
func (s *scanner) add(c candidate) {
	if c.kind.Region != "" && s.regions != nil && !s.regions[c.kind.Region] {
		c.level = c.level.lower()
		c.why += "; outside the expected regions"
	}
	if c.level == 0 {
		s.reject(c.kind.ID, c.start, c.end, "no evidence nearby")
		return
	}
	s.found = append(s.found, c)
}

// What a byte may start.
type class uint8

const (
	other class = iota
	letter
	digit
	at
	plus
	colon
	dash
	bracket
	tilde
	angle
	escaped
	dollar
	foreign
)

var classes = func() (t [256]class) {
	for i := range t {
		switch c := byte(i); {
		case isLetter(c), c >= utf8.RuneSelf && !foreignLead(c):
			t[i] = letter
		case c >= utf8.RuneSelf:
			t[i] = foreign
		case isDigit(c):
			t[i] = digit
		}
	}
	t['@'], t['+'], t[':'], t['-'], t['['], t['('], t['{'], t['~'], t['<'] = at, plus, colon, dash, bracket, bracket, bracket, tilde, angle
	t['%'], t['\\'], t['$'] = escaped, escaped, dollar
	return t
}()

// alnumBytes are the letters and digits of ASCII. Where nothing says which of them is
// the likelier, a table is the quicker way to ask.
var alnumBytes = func() (t [256]bool) {
	for i := range t {
		t[i] = isDigit(byte(i)) || isLetter(byte(i))
	}
	return t
}()

// run is the one pass.
func (s *scanner) run() {
	buf := s.buf
	numbers := 0 // where chains of digits have been read up to
	colons := 0  // where groups between colons have been read up to
	for i := 0; i < len(buf); {
		switch classes[buf[i]] {
		case other:
		case letter:
			switch {
			case i == 0 || !isDigit(buf[i-1]):
				i = s.word(i)
			case s.row.n == 0 && !s.explain && i+1 < len(buf) && classes[buf[i+1]] != letter && buf[i] < utf8.RuneSelf:
				i++ // alone among digits, as in a hash
			default:
				i = s.tail(i)
			}
			if i < len(buf) && classes[buf[i]] == other {
				i++
			}
			continue
		case digit:
			end := i + 1
			for end < len(buf) && isDigit(buf[end]) {
				end++
			}
			head := i == 0 || !wordBefore(buf, i)
			if head {
				s.digitCodes(i, end)
			}
			if end-i >= longRun && s.tallies {
				s.hay.addLong(i, end)
			}
			switch {
			case i < numbers:
			case !head && end-i < fewest && end < len(buf) && isLetter(buf[end]) && isLetter(buf[i-1]):
				if i > 1 && !isDigit(buf[i-2]) {
					s.ibanBefore(i) // inside a hash, a name
				}
			default:
				if buf[i] == '0' && i+2 < len(buf) && buf[i+1] == '0' && buf[i+2] > '0' && isDigit(buf[i+2]) {
					s.international(i, i+2)
				}
				if i > 4 && buf[i-1] == ' ' && houseEnds[triggerKey(buf[i-4], buf[i-3], buf[i-2])] {
					s.housed(i)
				}
				if end-i < fewest && (end == len(buf) || !partsGroups[buf[end]]) { // most numbers in a chat
					numbers = end
					s.ibanBefore(i)
					s.disguised(i, end, true)
				} else {
					numbers = s.chain(i, end)
					s.disguised(i, numbers, len(s.groups) == 1)
				}
			}
			if i = end; i < len(buf) {
				switch classes[buf[i]] {
				case other:
					i++
				case letter:
					if s.row.n == 0 && !s.explain && buf[i] < utf8.RuneSelf {
						i = s.mixed(i)
					}
				}
			}
			continue
		case foreign:
			s.trigger(i)
			for i++; i < len(buf) && !utf8.RuneStart(buf[i]); {
				i++
			}
			continue
		case at:
			s.email(i)
			if i > 0 && i+1 < len(buf) && (buf[i-1] == ' ' || buf[i+1] == ' ' || buf[i-1] == '(' || buf[i-1] == '[') || s.dotAhead(i) {
				s.spelledEmail(i)
			}
		case plus:
			s.international(i, i+1)
		case colon:
			if i+2 < len(buf) && buf[i+1] == '/' && buf[i+2] == '/' {
				s.url(i)
			} else if i >= colons {
				colons = s.hexGroups(i)
			}
		case dash:
			if i == 0 || buf[i-1] != '-' {
				if i+1 < len(buf) && buf[i+1] == '-' {
					s.pem(i)
				} else {
					s.dashedMAC(i)
				}
			}
		case bracket:
			if i+2 < len(buf) && (buf[i+1]|0x20 == 'a' || buf[i+1] == ' ' || buf[i+1] == '@') {
				s.spelledEmail(i)
			}
		case tilde:
			s.azureSecret(i)
		case dollar:
			s.passwordHash(i)
		case escaped:
			if i >= s.escapesTo && s.depth < maxDepth {
				s.escapesTo = s.escapes(i)
			}
		case angle:
			if i+1 < len(buf) && buf[i+1] == '<' {
				i = s.mrz(i)
				s.tallies = false // the digits of a zone are not read
				continue
			}
			if i+2 < len(buf) && (buf[i+1]|0x20 == 'a') {
				s.spelledEmail(i)
			}
		}
		i++
	}
	if r := s.row.take(); r.n > 0 {
		s.seedPhrase(r)
	}
	if s.aws {
		s.awsSecrets()
	}
	if s.azure {
		s.azureTokens()
	}
	if s.pgpass {
		s.passwordFiles()
	}
	if s.postal {
		s.postalColumns()
	}
	s.cardCodes()
	s.blobs()
}

// word reads the letters from i on, which no digit is before, and the words that
// follow them as in a sentence; it returns what follows. The start of a word, and of
// each hump of a camelCase one, may be that of a secret.
func (s *scanner) word(i int) int {
	buf, r := s.buf, &s.row
	if r.n > 0 && i-r.to > maxSeedGap {
		if r.n >= fewestSeeds {
			return s.wordRead(i, s.lettersFrom(i))
		}
		r.n = 0
	}
	for rest := buf[i:]; len(rest) >= wordAhead; {
		x := binary.LittleEndian.Uint64(rest)
		if byte(x) >= utf8.RuneSelf {
			break
		}
		if mayTrigger(x) {
			s.triggered(i)
		}
		n := smallLetters(x | 0x20)
		if n == 8 && len(rest) >= 8+wordAhead {
			n += smallLetters(binary.LittleEndian.Uint64(rest[8:]))
		}
		c, next, step := rest[n], rest[n+1], n+1
		switch {
		case c == ' ' && isLetter(next): // most words
		case classes[c] == letter: // a capital, or of another script
			return s.wordRead(i, s.letters(i))
		case classes[c] != other:
			return s.wordRead(i, i+n)
		case isLetter(next):
		case !codeGap(c):
		case classes[next] == other && isLetter(rest[n+2]):
			step++
		default: // perhaps a number
			return s.wordRead(i, i+n)
		}
		switch {
		case n >= shortestSeed && n <= longestSeed:
			if r.n == 0 {
				r.from = i
			}
			r.n, r.to = r.n+1, i+n
		case n == 0, n == 1 && spelledSep(c) && s.singleBeside(i), n == 2 && x&0xDFDF == 'A'|'T'<<8, r.n >= fewestSeeds:
			return s.wordRead(i, i+n)
		default:
			r.n = 0
		}
		i, rest = i+step, rest[step:]
		if !isLetter(rest[0]) {
			return i
		}
	}
	return s.wordRead(i, s.lettersFrom(i))
}

// lettersFrom is letters, and tries the first of them as well.
func (s *scanner) lettersFrom(i int) int {
	s.trigger(i)
	return s.letters(i)
}

// wordAhead is how much of a text word looks at: eight letters and three bytes behind
// them.
const wordAhead = 8 + 3

// wordRead does what is to be done at the word buf[start:i], and returns i.
func (s *scanner) wordRead(start, i int) int {
	buf, n := s.buf, i-start
	if start+2 < len(buf) && spelledSep(buf[start+1]) && s.singleBeside(start) && (start == 0 || !wordBefore(buf, start)) {
		s.spelled(start)
	}
	if n == 2 && buf[start]|0x20 == 'a' && buf[start+1]|0x20 == 't' && start > 0 && buf[start-1] == ' ' && dotBehind(buf, i) {
		s.spelledEmail(start)
	}
	if r := s.row.add(start, i); r.n > 0 {
		s.seedPhrase(r)
	}
	if i < len(buf) && isDigit(buf[i]) {
		if n == fiscalLetters || s.explain {
			s.fiscal(i)
		}
		s.wordCodes(start, i)
	} else if n < 8 && i+1 < len(buf) && (isDigit(buf[i+1]) || !wordAt(buf, i+1)) && digitAfter(buf, i) || (n == 8 || n == 11) && isUpper(buf[start]) && isUpper(buf[i-1]) {
		s.wordCodes(start, i)
	}
	return i
}

// letters returns what follows the letters from i on, and tries each hump of them.
func (s *scanner) letters(i int) int {
	buf, lowerBefore := s.buf, isLower(s.buf[i])
	for i++; i < len(buf); i++ {
		c := buf[i]
		if isLower(c) && buf[i-1] < utf8.RuneSelf {
			if !lowerBefore && i > 1 && isUpper(buf[i-2]) && isUpper(buf[i-1]) {
				s.trigger(i - 1) // a word behind an acronym
			}
			lowerBefore = true
			continue
		}
		if classes[c] != letter {
			break
		}
		if lowerBefore && isUpper(c) || buf[i-1] >= utf8.RuneSelf && c < utf8.RuneSelf {
			s.trigger(i)
		}
		lowerBefore = isLower(c)
	}
	return i
}

// smallLetters returns how many of the bytes of x, from the lowest on, are small
// letters of ASCII.
func smallLetters(x uint64) int {
	const ones = 0x0101010101010101
	low := x & (0x7F * ones)
	// The high bit of each byte: at least 'a', and not more than 'z'.
	small := (low + (0x80-'a')*ones) &^ (low + (0x7F-'z')*ones) &^ x & (0x80 * ones)
	return bits.TrailingZeros64(small^0x80*ones) / 8
}

// tail is word for letters that a digit is before, as in a hash: nothing but a hump
// starts there.
func (s *scanner) tail(i int) int {
	start := i
	i = s.letters(i)
	if r := s.row.add(start, i); r.n > 0 {
		s.seedPhrase(r)
	}
	if s.explain && i < len(s.buf) && isDigit(s.buf[i]) {
		s.fiscal(i)
	}
	return i
}

// mixed reads what nothing starts in of letters among digits, as in a hash: one letter
// or two small ones at a time, and few digits. It starts at a letter behind a digit,
// and returns what follows.
func (s *scanner) mixed(i int) int {
	buf := s.buf
	for {
		from := i + 1
		if from < len(buf) && isLower(buf[from]) && isLower(buf[i]) {
			from++
		}
		to := from
		for to < len(buf) && isDigit(buf[to]) {
			to++
		}
		switch {
		case to == from:
			return i
		case to-from >= longRun || to == len(buf) || !isLetter(buf[to]):
			if from == i+1 {
				return from
			}
			return i
		}
		if from > i+1 && ibanLengths[buf[i]-'a'][buf[i+1]-'a'] != 0 {
			s.ibanBefore(from)
		}
		i = to
	}
}

// digitAfter reports whether a digit follows the separators at i.
func digitAfter(buf []byte, i int) bool {
	for n := 0; i < len(buf) && n <= maxGap; i, n = i+1, n+1 {
		switch c := buf[i]; {
		case isDigit(c):
			return n > 0
		case c != ' ' && c != '-' && c != '.' && c != '/' && c != '_' && c != '\n':
			return false
		}
	}
	return false
}

// trigger looks for what starts with the three bytes at i.
func (s *scanner) trigger(i int) {
	if i+3 <= len(s.buf) && mayTrigger(uint64(s.buf[i])|uint64(s.buf[i+1])<<8|uint64(s.buf[i+2])<<16) {
		s.triggered(i)
	}
}

// mayTrigger reports whether something may start with the lowest three bytes of x.
func mayTrigger(x uint64) bool {
	h := triggerHash(x)
	return triggered3[h>>6]>>(h&63)&1 != 0
}

func triggerHash(x uint64) uint32 { return uint32(x) & 0x1F1F1F * 0x9E3779B1 >> 17 } //nolint:gosec // the lowest three bytes

// triggered does what starts with the three bytes at i.
func (s *scanner) triggered(i int) {
	rest := s.buf[i:]
	t := triggers[triggerKey(rest[0], rest[1], rest[2])]
	if len(rest) > 3 && triggerList[t].fourth>>(rest[3]&31)&1 == 0 {
		return
	}
	var x uint64
	if len(rest) >= 8 {
		x = binary.LittleEndian.Uint64(rest)
	} else {
		for j, c := range rest {
			x |= uint64(c) << (8 * j)
		}
	}
	for ; t != 0; t = triggerList[t].next {
		e := &triggerList[t]
		if x&e.mask == e.head && len(rest) >= len(e.text) && (len(e.text) <= 8 || matches(rest[8:len(e.text)], e.text[8:], e.anyCase)) {
			s.work += len(e.text)
			e.do(s, i, i+len(e.text))
		}
	}
}

// matches compares b with text, which is in lower case where case does not matter.
func matches(b []byte, text string, anyCase bool) bool {
	if !anyCase {
		return string(b) == text
	}
	for i, c := range b {
		if isUpper(c) {
			c |= 0x20
		}
		if c != text[i] {
			return false
		}
	}
	return true
}

// A triggered is what to do at a word that starts with text.
type triggered struct {
	text    string
	anyCase bool // text is in lower case
	do      func(s *scanner, start, end int)
	next    uint16 // in triggerList, of the same key
	fourth  uint32 // the fourth bytes of this text and the next ones, a bit for each as in the key

	head, mask uint64 // the first eight bytes of text, and the bits of them that count
}

var (
	triggers    [1 << 15]uint16
	triggered3  [1 << 9]uint64    // a bit for each hash of three bytes that has any: it fits in the nearest cache
	triggerList = []triggered{{}} // from 1 on
)

func triggerKey(a, b, c byte) int { return int(a&31)<<10 | int(b&31)<<5 | int(c&31) }

func on(text string, anyCase bool, do func(s *scanner, start, end int)) {
	k := triggerKey(text[0], text[1], text[2])
	fourth := ^uint32(0)
	if len(text) > 3 {
		fourth = 1<<(text[3]&31) | triggerList[triggers[k]].fourth
	}
	e := triggered{text: text, anyCase: anyCase, do: do, next: triggers[k], fourth: fourth}
	for i := range min(len(text), 8) {
		bits := uint64(0xFF)
		if anyCase && isLower(text[i]) {
			bits = 0xDF
		}
		e.mask |= bits << (8 * i)
		e.head |= uint64(text[i]) & bits << (8 * i)
	}
	triggerList = append(triggerList, e)
	triggers[k] = uint16(len(triggerList) - 1)
	h := triggerHash(e.head)
	triggered3[h>>6] |= 1 << (h & 63)
}

// lineStart returns where the line that holds i starts, but no more than limit
// bytes before i.
func (s *scanner) lineStart(i, limit int) int {
	lo := max(0, i-limit)
	if j := bytes.LastIndexAny(s.buf[lo:i], "\n\f\t"); j >= 0 {
		return lo + j + 1
	}
	return lo
}
