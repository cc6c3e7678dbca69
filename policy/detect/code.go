package detect

import (
	"cmp"
	"encoding/binary"
	"math"
	"slices"
	"strconv"
)

// A codeForm is what an id of letters and digits looks like.
//
// In a pattern 'A' is a letter, '9' a digit, 'X' either, and a letter in lower
// case or the digit 0 is itself. '_' is where people put a separator, or none;
// '-', '+', '.' and '/' must stand there. '<' and '>' are parentheses, or none.
type codeForm struct {
	patterns []string
	check    func(v []byte) bool  // of the value in upper case, without separators; nil: the pattern is all
	gate     string               // what check is called
	known    map[string]bool      // published test values
	alone    func(v []byte) Level // the most that this value is worth without evidence; nil: no limit
	capitals bool                 // small letters are something else
	printed  bool                 // without separators it needs a word
	// labelled says of a value that it says nothing unless a word names it; nil: none.
	labelled func(v string) bool
}

// A coded is one pattern of one detector.
type coded struct {
	k *kind
	p string
}

// codeTables lead from how a text starts to the patterns that it matches: by so many
// letters or digits, and something of the other kind (0) or a sign (1) behind them, to
// a state, and from there byte by byte to others. State 0 is that of what matches
// none, where most texts are after a few bytes.
type codeTables struct {
	all     []coded
	letters [2][8][26]uint16 // by the first letter as well
	digits  [2][18]uint16
	length  [65][]*coded // those whose start may be either, by length

	class  [256]uint8 // bytes that no pattern tells apart are of one
	sample []byte     // one of each class

	// A state is where its row starts in next: what the next byte leads to, by class.
	// Behind the row of none come those of the states in which patterns end, up to ended.
	next  []uint16
	ends  [][]uint16 // the patterns that a text matches in each of those
	ended uint16
}

// codeClasses is room for the classes of bytes.
const codeClasses = 32

var codeForms codeTables

func listCodes() {
	t := &codeForms
	for _, k := range builtin {
		if k.code != nil {
			for _, p := range k.code.patterns {
				t.all = append(t.all, coded{k, p})
			}
		}
	}
	t.classify()
	b := codeBuilder{codeTables: t, known: map[string]uint16{}}
	b.state(nil)
	var letters [2][8][26][]codePlace
	var digits [2][18][]codePlace
	list := func(i, n, next int) {
		switch p := t.all[i].p; {
		case isDigit(p[0]):
			digits[next][n] = b.reach(digits[next][n], i, behind(p, n))
		case isLower(p[0]):
			of := &letters[next][n][p[0]-'a']
			*of = b.reach(*of, i, behind(p, n))
		default:
			for c := range letters[next][n] {
				of := &letters[next][n][c]
				*of = b.reach(*of, i, behind(p, n))
			}
		}
	}
	for i := range t.all {
		p := t.all[i].p
		compact, next := lead(p, false)
		printed, sign := lead(p, true)
		if compact < 0 {
			t.length[alnums(p)] = append(t.length[alnums(p)], &t.all[i])
		} else {
			list(i, compact, next)
		}
		if printed > 0 && (printed != compact || sign != next) {
			list(i, printed, sign)
		}
	}
	for next := range 2 {
		for n := range letters[next] {
			for c, places := range letters[next][n] {
				t.letters[next][n][c] = b.state(places)
			}
		}
		for n, places := range digits[next] {
			t.digits[next][n] = b.state(places)
		}
	}
	b.connect()
	b.sort()
}

// sort lays the states out: first none, then those in which patterns end.
func (b *codeBuilder) sort() {
	order := make([]uint16, len(b.rows)) // the old numbers by the new
	for i := range order {
		order[i] = uint16(i) //nolint:gosec // as in state
	}
	slices.SortStableFunc(order[1:], func(x, y uint16) int { return truth(b.over[y] != nil) - truth(b.over[x] != nil) })
	classes := len(b.sample)
	if len(order)*classes > math.MaxUint16 {
		panic("there are too many patterns of codes for 16 bits")
	}
	number := make([]uint16, len(order))
	for i, old := range order {
		number[old] = uint16(i * classes) //nolint:gosec // as checked
	}
	t := b.codeTables
	for _, old := range order {
		for class := range classes {
			t.next = append(t.next, number[b.rows[old][class]])
		}
		if b.over[old] != nil {
			t.ends, t.ended = append(t.ends, b.over[old]), number[old]
		}
	}
	for sign := range 2 {
		for n := range b.letters[sign] {
			for c, old := range b.letters[sign][n] {
				b.letters[sign][n][c] = number[old]
			}
		}
		for n, old := range b.digits[sign] {
			b.digits[sign][n] = number[old]
		}
	}
}

// alnums returns how many letters and digits there are in a pattern.
func alnums(p string) (n int) {
	for i := range len(p) {
		if isAlnum(p[i]) {
			n++
		}
	}
	return n
}

// behind returns where in a pattern its first n letters and digits end.
func behind(p string, n int) int {
	i := 0
	for ; n > 0; i++ {
		if isAlnum(p[i]) {
			n--
		}
	}
	return i
}

// classify puts bytes into classes.
func (t *codeTables) classify() {
	var used [len(fitting)]bool
	for i := range t.all {
		p := t.all[i].p
		if n, _ := lead(p, true); n > 0 {
			p = p[behind(p, n):] // what it starts with is known
		}
		for _, f := range []byte(p) {
			used[f] = true
		}
	}
	known := map[string]uint8{}
	for c := range 256 {
		var key []byte
		for f := range fitting {
			key = strconv.AppendBool(key, used[f] && fitting[f][c])
		}
		key = strconv.AppendBool(key, codeGap(byte(c)))
		class, ok := known[string(key)]
		if !ok {
			if len(known) == codeClasses {
				panic("patterns of codes tell too many bytes apart: raise codeClasses")
			}
			class = uint8(len(known)) //nolint:gosec // as checked
			known[string(key)] = class
			t.sample = append(t.sample, byte(c))
		}
		t.class[c] = class
	}
}

// A codePlace is how far a text has matched a pattern.
type codePlace struct{ pattern, at uint16 }

// A codeBuilder makes states of the sets of places that a text may have come to.
type codeBuilder struct {
	*codeTables
	known map[string]uint16
	key   []byte
	sets  [][]codePlace // by state
	rows  [][codeClasses]uint16
	over  [][]uint16 // the patterns that end in it
}

// reach adds a place, and the ones behind it that a text may go on at as well.
func (b *codeBuilder) reach(places []codePlace, pattern, at int) []codePlace {
	for p := b.all[pattern].p; ; at++ {
		if x := (codePlace{uint16(pattern), uint16(at)}); !slices.Contains(places, x) { //nolint:gosec // a few hundred
			places = append(places, x)
		}
		if at == len(p) || p[at] != '_' && p[at] != '<' && p[at] != '>' {
			return places
		}
	}
}

// state returns the state of a set of places.
func (b *codeBuilder) state(places []codePlace) uint16 {
	slices.SortFunc(places, func(x, y codePlace) int { return cmp.Or(cmp.Compare(x.pattern, y.pattern), cmp.Compare(x.at, y.at)) })
	key := b.key[:0]
	for _, x := range places {
		key = binary.LittleEndian.AppendUint16(key, x.pattern)
		key = binary.LittleEndian.AppendUint16(key, x.at)
	}
	b.key = key
	s, ok := b.known[string(key)]
	if !ok {
		s = uint16(len(b.sets)) //nolint:gosec // some thousands
		b.known[string(key)] = s
		b.sets = append(b.sets, places)
	}
	return s
}

// connect follows every state, and what it leads to, byte by byte.
func (b *codeBuilder) connect() {
	for s := 0; s < len(b.sets); s++ {
		var ends []uint16
		var next [codeClasses]uint16
		var of [codeClasses][]codePlace
		for _, x := range b.sets[s] {
			p := b.all[x.pattern].p
			if int(x.at) == len(p) {
				ends = append(ends, x.pattern)
				continue
			}
			for class, c := range b.sample {
				switch f := p[x.at]; {
				case f == '_':
					if codeGap(c) {
						of[class] = b.reach(of[class], int(x.pattern), int(x.at))
					}
				case fitting[f][c]:
					of[class] = b.reach(of[class], int(x.pattern), int(x.at)+1)
				}
			}
		}
		for class := range of {
			next[class] = b.state(of[class])
		}
		b.rows, b.over = append(b.rows, next), append(b.over, ends)
	}
}

// lead returns how many letters, or digits, a pattern starts with, -1 if that is
// open, and whether a sign follows. split: a separator stands wherever one may.
func lead(p string, split bool) (n, sign int) {
	digits := isDigit(p[0])
	for i := range len(p) {
		switch c := p[i]; {
		case c == 'X':
			return -1, 0
		case c == '_' && !split, c == '<', c == '>':
		case !isAlnum(c):
			return n, 1
		case isDigit(c) != digits:
			return n, 0
		default:
			n++
		}
	}
	return n, 0
}

// wordCodes tries what starts with the letters buf[start:end].
func (s *scanner) wordCodes(start, end int) {
	buf := s.buf
	if start > 0 && wordBefore(buf, start) {
		return
	}
	n := end - start
	listed := n < len(codeForms.letters[0]) && isLetter(buf[start])
	switch {
	case end < len(buf) && isDigit(buf[end]):
		to := s.tokenEnd(start, end)
		if listed {
			s.codes(codeForms.letters[0][n][(buf[start]|0x20)-'a'], start, end)
		}
		s.tokenCodes(start, to)
		return
	case listed:
		s.codes(codeForms.letters[1][n][(buf[start]|0x20)-'a'], start, end)
	}
	if n == 8 || n == 11 {
		s.tokenCodes(start, s.tokenEnd(start, end))
	}
}

// digitCodes tries what starts with the digits buf[i:j].
func (s *scanner) digitCodes(i, j int) {
	buf := s.buf
	switch {
	case j == len(buf):
	case isLetter(buf[j]):
		if buf[i] == '0' && buf[j] == 'D' { // 00D…!…
			s.tokenOfDigits(i)
		}
		to := s.tokenEnd(i, j)
		if j-i < len(codeForms.digits[0]) {
			s.codes(codeForms.digits[0][j-i], i, j)
		}
		s.tokenCodes(i, to)
	case j-i < len(codeForms.digits[1]):
		if j-i == 4 && buf[j] == '.' { // 1000.….…
			s.tokenOfDigits(i)
		}
		s.codes(codeForms.digits[1][j-i], i, j)
	}
}

// tokenOfDigits looks for a secret that starts with digits, as few do. It stands by itself
// to keep digitCodes small.
//
//go:noinline
func (s *scanner) tokenOfDigits(i int) { s.trigger(i) }

// tokenEnd returns where the letters and digits from start on end, of which those up
// to end are read. It does not look further than codes are long.
func (s *scanner) tokenEnd(start, end int) int {
	for end < len(s.buf) && end-start < len(codeForms.length) && isAlnum(s.buf[end]) {
		end++
	}
	s.work += end - start
	return end
}

// tokenCodes tries what is as long as the letters and digits buf[start:end].
func (s *scanner) tokenCodes(start, end int) {
	n := end - start
	switch {
	case n < len(codeForms.length):
		if n >= shortestKey && n <= longestKey {
			s.crypto(start, end)
		}
		for _, c := range codeForms.length[n] {
			if s.fits(c.p, start) {
				s.code(c, start)
			}
		}
	case s.buf[start] == '4' || s.buf[start] == '8':
		s.monero(start)
	}
}

// codes tries the patterns that a text may match in state, which it is in at i, on
// what starts at start.
func (s *scanner) codes(state uint16, start, i int) {
	buf, t := s.buf, &codeForms
	if i < len(buf) && !t.leads(state, buf[i]) {
		return // most are turned away here at once
	}
	s.work -= i
	s.tried = s.tried[:0]
	for state != 0 {
		if state <= t.ended && (i == len(buf) || !isAlnum(buf[i])) {
			s.tried = t.endIn(state, s.tried)
		}
		if i == len(buf) {
			break
		}
		state, i = t.follow(state, buf, i)
	}
	s.work += i
	if len(s.tried) == 0 {
		return
	}
	slices.Sort(s.tried)
	for _, c := range s.tried {
		s.code(&codeForms.all[c], start)
	}
}

// leads reports whether a text in state may be one of a pattern, if c is next.
func (t *codeTables) leads(state uint16, c byte) bool {
	return t.next[int(state)+int(t.class[c])] != 0 || state != 0 && state <= t.ended
}

// follow reads one byte of buf from i on, and more up to a state in which patterns
// end, or none is left.
func (t *codeTables) follow(state uint16, buf []byte, i int) (uint16, int) {
	next, ended := t.next, t.ended
	for uint(i) < uint(len(buf)) {
		state = next[int(state)+int(t.class[buf[i]])]
		if i++; state <= ended {
			break
		}
	}
	return state, i
}

// endIn adds the patterns that a text matches in state, each once.
func (t *codeTables) endIn(state uint16, tried []uint16) []uint16 {
	for _, c := range t.ends[int(state)/len(t.sample)-1] {
		if !slices.Contains(tried, c) {
			tried = append(tried, c)
		}
	}
	return tried
}

// fits reports whether what stands at i could be read by p. It is what most texts
// are turned away by.
func (s *scanner) fits(p string, i int) bool {
	for n := range len(p) {
		f := p[n]
		if i >= len(s.buf) {
			return f == '_' || f == '<' || f == '>'
		}
		c := s.buf[i]
		switch {
		case fitting[f][c]:
			i++
		case f == '_':
			for g := 0; g < maxGap && i < len(s.buf) && codeGap(s.buf[i]); g++ {
				i++
			}
		case f != '<' && f != '>':
			return false
		}
	}
	return true
}

// fitting says which bytes a letter of a pattern takes.
var fitting = func() (t [128][256]bool) {
	for f := range byte(128) {
		for i := range 256 {
			switch c := byte(i); f {
			case '_':
			case '<', '>':
				t[f][c] = c == '(' && f == '<' || c == ')' && f == '>'
			case '9':
				t[f][c] = isDigit(c)
			case '0':
				t[f][c] = c == '0'
			case 'A':
				t[f][c] = isLetter(c)
			case 'X':
				t[f][c] = isAlnum(c)
			default:
				t[f][c] = c == f || isLower(f) && c|0x20 == f
			}
		}
	}
	return t
}()

// A spelling is how a code is written.
type spelling struct {
	end     int
	printed bool // with separators
	lower   bool // with small letters
	odd     bool // with separators that nobody prints
	lines   int  // how many line ends it reaches over; two end a paragraph
}

// read matches pattern p at i. The value is good until the next candidate.
func (s *scanner) read(p string, i int) (v []byte, w spelling, ok bool) {
	buf := s.buf
	v = s.spare[:0]
	opened := false
	for n := range len(p) {
		var c byte
		if i < len(buf) {
			c = buf[i]
		}
		switch f := p[n]; {
		case f == '_':
			if i < len(buf) && !isAlnum(c) {
				i = w.gap(buf, i)
			}
			continue
		case f == '<' && c == '(', f == '>' && c == ')' && opened:
			w.printed, opened = true, true
		case f == '<' || f == '>':
			continue
		case f == '9' && isDigit(c), f == '0' && c == '0', f == 'X' && isDigit(c):
			v = append(v, c)
		case (f == 'A' || f == 'X') && isLetter(c), isLower(f) && c|0x20 == f:
			w.lower = w.lower || isLower(c)
			v = append(v, c&^0x20)
		case !isAlnum(f) && c == f:
		default:
			return nil, w, false
		}
		i++
	}
	w.end = i
	return v, w, i == len(buf) || !wordAt(buf, i)
}

// maxGap is the most that stands between two groups of a code.
const maxGap = 4

// gap reads what parts two groups of a code at i, and returns what follows.
func (w *spelling) gap(buf []byte, i int) int {
	signs, lines := 0, 0
	from := i
	for ; i < len(buf) && i-from < maxGap; i++ {
		switch buf[i] {
		case ' ':
		case '-', '.', '/':
			signs++
		case '_':
			signs++
			w.odd = true
		case '\n':
			if lines++; lines > 2 {
				return from
			}
		default:
			if i > from {
				w.printed = true
				w.odd = w.odd || signs > 1 || i-from > 2 || lines > 0
				w.lines = max(w.lines, lines)
			}
			return i
		}
	}
	return i
}

// code judges what matches a pattern at i.
func (s *scanner) code(c *coded, i int) {
	s.work++
	v, w, ok := s.read(c.p, i)
	if !ok || w.lower && c.k.code.capitals || w.lines > 0 && c.k.weak {
		return
	}
	k, f := c.k, c.k.code
	if f.check != nil && !f.check(v) {
		s.reject(k.ID, i, w.end, f.gate)
		return
	}
	if s.lacking(k) {
		return
	}
	why := f.gate
	if why == "" {
		why = "form"
	}
	most := High
	if f.alone != nil {
		most = f.alone(v)
	}
	s.judgeCode(k, i, w, string(v), why, most, f.known[string(v)])
}

// judgeCode weighs a confirmed code and adds it. most is what it is worth
// without evidence.
func (s *scanner) judgeCode(k *kind, start int, w spelling, value, why string, most Level, known bool) {
	end := w.end
	veto, soft := s.veto(start, end)
	if veto != "" && !soft {
		s.reject(k.ID, start, end, veto)
		return
	}
	ev := s.evidence(k.set, k.Within, start, end)
	if veto != "" && !s.outweighs(ev, start, end) {
		s.reject(k.ID, start, end, veto)
		return
	}
	if k.code != nil && k.code.labelled != nil && k.code.labelled(value) && !s.namesCode(ev, start) {
		s.reject(k.ID, start, end, "no keyword names it")
		return
	}
	level, with := min(k.Alone, most), k.BareContext
	switch {
	case !w.printed && k.code != nil && k.code.printed:
		level = min(level, Internal)
	case w.printed:
		level, with = min(k.Printed, most), k.WithContext
		why += ", printed grouping"
	}
	found := false
	switch {
	case ev.label:
		level = min(level.lower(), Internal)
		why += "; " + s.otherwise(ev)
	case ev.found():
		found = true
		if !ev.full {
			with = with.lower()
		}
		level = max(level, with)
		why += "; " + s.tell(ev)
		if w.lines > 1 {
			level = level.lower()
			why += "; it reaches over a paragraph's end"
		}
	case ev.other && k.Alone < Medium:
		level = min(level, Internal)
		why += "; " + s.otherwise(ev)
	case w.odd:
		level = min(level, Internal)
		why += "; no keyword nearby, and it is oddly written"
	case s.partOf(start, end):
		level = min(level, Internal)
		why += "; no keyword nearby, and it is part of a longer code"
	case w.lower && k.Alone < High:
		level = min(level, Internal)
		why += "; no keyword nearby, and it is in small letters"
	case !w.printed && k.Alone < Medium && s.listed(start, end):
		level = min(level, Internal)
		why += "; no keyword nearby, and it is part of a row of numbers"
	}
	if level < s.floor && !s.explain {
		return
	}
	s.add(candidate{kind: k, start: start, end: end, level: level, value: value, why: why, known: known, evidence: found, dist: ev.rank(), said: ev.length()})
}

// namesCode reports whether the word of ev names the code at start, or a list of
// codes that it is in: "ICD-10: E11, I10". A word that speaks of other things as well
// (diagnostic, coded) needs a colon.
func (s *scanner) namesCode(ev evidence, start int) bool {
	if !ev.found() || ev.header {
		return ev.found()
	}
	if !ev.before || ev.dist > mostListed || ev.in != s {
		return false
	}
	colon, opened, letters := false, false, 0
	for _, c := range s.buf[ev.at.End:start] {
		switch {
		case c == '\n', c == '.', c == '\f', c == ')' && !opened:
			return false
		case c == '(':
			opened = true
		case c == ':' || c == '=':
			colon = true
		case isDigit(c), c == ' ':
			letters = 0
		case isLetter(c):
			if letters++; letters > 6 {
				return false
			}
		}
	}
	word := s.e.label(ev.term)
	return colon || !loosely[word]
}

// mostListed is how far the word before a list of codes may be.
const mostListed = 40

// loosely are words that are evidence of a diagnosis, and of other things that are
// looked into.
var loosely = set("diagnostic", "diagnose", "diagnosed", "coded", "comorbid")

// partOf reports whether buf[start:end] goes on before or after a '-' or the like.
func (s *scanner) partOf(start, end int) bool {
	buf := s.buf
	joint := func(c byte) bool { return c == '-' || c == '_' || c == '/' || c == '.' || c == '#' || c == '=' }
	if start > 0 && (buf[start-1] == '#' || start > 1 && joint(buf[start-1]) && wordBefore(buf, start-1)) {
		return true
	}
	return end+1 < len(buf) && joint(buf[end]) && wordAt(buf, end+1)
}

// rank orders candidates by how near their evidence is. What stands before a
// value names it rather than what follows.
func (ev evidence) rank() int {
	switch {
	case !ev.found():
		return 1 << 30
	case ev.header:
		return 0
	case ev.before:
		return ev.dist
	}
	return ev.dist + 15
}

// length is how long the word of ev is.
func (ev evidence) length() int {
	if !ev.found() {
		return 0
	}
	return ev.at.End - ev.at.Start
}

// only makes a form's check of one that has nothing to add.
func only(check func([]byte) bool) func([]byte, string) (string, bool) {
	return func(d []byte, _ string) (string, bool) { return "", check(d) }
}
