package detect

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
	k      *kind
	p      string
	ends   uint64 // how many letters and digits in a row it may start with, by bit
	beyond uint32 // what may stand beyond the letters or digits it is listed by: see beyond
}

// codeTables lists the patterns by how a text that matches them starts: with so
// many letters or digits, and then something of the other kind (0) or a sign (1).
type codeTables struct {
	letters [2][8][26]codeList // by the first letter as well
	digits  [2][18]codeList
	length  [65]codeList // those whose start may be either, by length
}

// A codeList is patterns whose texts start alike.
type codeList struct {
	all    []coded
	ends   uint64 // of any of them
	beyond uint32
}

func (l *codeList) add(c coded) {
	l.all = append(l.all, c)
	l.ends |= c.ends
	l.beyond |= c.beyond
}

var codeForms codeTables

func listCodes() {
	for _, k := range builtin {
		if k.code == nil {
			continue
		}
		for _, p := range k.code.patterns {
			codeForms.add(coded{k: k, p: p})
		}
	}
}

func (t *codeTables) add(c coded) {
	p := c.p
	c.ends = rowsOf(p)
	compact, next := lead(p, false)
	printed, sign := lead(p, true)
	if compact < 0 {
		n := 0
		for i := range len(p) {
			if isAlnum(p[i]) {
				n++
			}
		}
		t.length[n].add(c)
	} else {
		t.put(c, compact, next)
	}
	if printed > 0 && (printed != compact || sign != next) {
		t.put(c, printed, sign)
	}
}

// put lists a pattern that starts with n letters or digits.
func (t *codeTables) put(c coded, n, next int) {
	c.beyond = takenBeyond(c.p, n)
	switch p := c.p; {
	case isDigit(p[0]):
		t.digits[next][n].add(c)
	case isLower(p[0]):
		t.letters[next][n][p[0]-'a'].add(c)
	default:
		for i := range t.letters[next][n] {
			t.letters[next][n][i].add(c)
		}
	}
}

// rowsOf returns how many letters and digits in a row a text that matches p may start
// with: as many as stand before the end, or before a place for a separator.
func rowsOf(p string) (rows uint64) {
	n := 0
	for i := range len(p) {
		if isAlnum(p[i]) {
			n++
			continue
		}
		rows |= 1 << n
		if p[i] != '_' && p[i] != '<' && p[i] != '>' {
			return rows
		}
	}
	return rows | 1<<n
}

// What stands beyond the letters or digits before a sign is told by the next ones,
// whatever signs part them: so many digits, or so many letters. That is a bit of a
// word, so that one look turns away all patterns of a list that most texts do not
// match.
const (
	nothingBeyond = 30 // neither letters nor digits
	unclearBeyond = 31 // more signs than any pattern takes
	mostBeyond    = 15 // digits; that many or more
	anything      = ^uint32(0)
)

// beyond tells what stands beyond the letters or digits that end at i.
func (s *scanner) beyond(i int) uint32 {
	buf, from := s.buf, i
	for i < len(buf) && betweenGroups[buf[i]] {
		if i++; i-from > 2*maxGap {
			return 1 << unclearBeyond
		}
	}
	start := i
	for i < len(buf) && i-start < mostBeyond && isDigit(buf[i]) {
		i++
	}
	if i > start {
		return 1 << (i - start - 1)
	}
	for i < len(buf) && i-start < mostBeyond && isLetter(buf[i]) {
		i++
	}
	if i > start {
		return 1 << (mostBeyond + i - start - 1)
	}
	return 1 << nothingBeyond
}

// betweenGroups are the bytes that may part two groups of a code.
var betweenGroups = func() (t [256]bool) {
	for _, c := range []byte(" -./_\n()+") {
		t[c] = true
	}
	return t
}()

// takenBeyond returns what may stand beyond the first n letters or digits of a text
// that matches p.
func takenBeyond(p string, n int) uint32 {
	i := 0
	for ; n > 0; i++ {
		if isAlnum(p[i]) {
			n--
		}
	}
	for i < len(p) && !isAlnum(p[i]) {
		i++
	}
	if p = p[i:]; p == "" {
		return anything
	}
	taken := uint32(1) << unclearBeyond
	for kind := range 2 {
		count := 0
		ends := func() {
			if count > 0 {
				taken |= 1 << (kind*mostBeyond + min(count, mostBeyond) - 1)
			}
		}
	row:
		for i := range len(p) {
			switch f := p[i]; {
			case f == '_' || f == '<' || f == '>':
				ends()
			case f == 'X':
				ends()
				count++
			case isAlnum(f) && isDigit(f) == (kind == 0):
				count++
			default:
				break row
			}
		}
		ends()
	}
	return taken
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
			s.tryRow(&codeForms.letters[0][n][(buf[start]|0x20)-'a'], start, to-start)
		}
		s.tokenCodes(start, to)
		return
	case listed:
		s.tryParted(&codeForms.letters[1][n][(buf[start]|0x20)-'a'], start, end)
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
		to := s.tokenEnd(i, j)
		if j-i < len(codeForms.digits[0]) {
			s.tryRow(&codeForms.digits[0][j-i], i, to-i)
		}
		s.tokenCodes(i, to)
	case betweenGroups[buf[j]] && j-i < len(codeForms.digits[1]):
		s.tryParted(&codeForms.digits[1][j-i], i, j)
	}
}

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
		for i := range codeForms.length[n].all {
			if c := &codeForms.length[n].all[i]; s.fits(c.p, start) {
				s.code(c, start)
			}
		}
	case s.buf[start] == '4' || s.buf[start] == '8':
		s.monero(start)
	}
}

// tryRow tries the patterns of l on the n letters and digits from i on.
func (s *scanner) tryRow(l *codeList, i, n int) {
	if l.ends>>n&1 == 0 {
		return
	}
	for j := range l.all {
		if c := &l.all[j]; c.ends>>n&1 != 0 && s.fits(c.p, i) {
			s.code(c, i)
		}
	}
}

// tryParted tries the patterns of l on what starts at i, where a sign follows the
// letters or digits up to end.
func (s *scanner) tryParted(l *codeList, i, end int) {
	if len(l.all) == 0 {
		return
	}
	beyond := s.beyond(end)
	if l.beyond&beyond == 0 {
		return
	}
	for j := range l.all {
		if c := &l.all[j]; c.beyond&beyond != 0 && s.fits(c.p, i) {
			s.code(c, i)
		}
	}
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
		case f == '<' && c == '(' || f == '>' && c == ')':
			i++
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
			case '_', '<', '>':
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
	if !ok || w.lower && c.k.code.capitals {
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
	}
	if level < s.floor && !s.explain {
		return
	}
	s.add(candidate{kind: k, start: start, end: end, level: level, value: value, why: why, known: known, evidence: found, dist: ev.rank()})
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
	colon, letters := false, 0
	for _, c := range s.buf[ev.at.End:start] {
		switch {
		case c == '\n', c == '.', c == '\f':
			return false
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
	word := s.e.labels[ev.term]
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

// only makes a form's check of one that has nothing to add.
func only(check func([]byte) bool) func([]byte, string) (string, bool) {
	return func(d []byte, _ string) (string, bool) { return "", check(d) }
}
