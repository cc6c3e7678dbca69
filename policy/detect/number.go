package detect

import (
	"bytes"
	"slices"
	"strings"
	"unicode/utf8"

	"teamsdlp/policy/extract"
)

// A form is what a number of some kind looks like.
type form struct {
	min, max      int                                        // digits
	before, after int                                        // letters right before and after
	layouts       []string                                   // how it is printed: the digits of each group, as bytes
	check         func(d []byte, home string) (string, bool) // of the digits; says more about them
	letters       func(s []byte) bool                        // check, of letters and digits
	gate          string                                     // what check is called
	known         map[string]bool                            // published test values
	expiry        bool                                       // an expiry date nearby is evidence
	paren         bool                                       // may hold parentheses: a phone number
	branch        bool                                       // a branch's number, which that of an account may follow
	solid         bool                                       // only bare or as it is printed
	named         bool                                       // worth something beside a word only
	mixed         bool                                       // its print mixes separators
	seps          string                                     // what it is printed with; empty: any
}

// byDigits lists the detectors of numbers by how many digits they have, grouped
// those that may be in groups of any length.
var byDigits, grouped [most + 1][]*kind

// A layoutNode is a row of groups that some detector's values are printed in, or
// start with. Detectors are found in step with the groups of a number.
type layoutNode struct {
	next  [most + 1]uint16 // in layouts, by the length of the next group
	kinds []*kind          // printed in this row, or grouped
}

// layouts are the rows: the first stands for all that nothing is printed in, the
// second for no group at all.
var layouts = make([]layoutNode, 2)

func listNumbers() {
	for _, k := range builtin {
		f := k.number
		if f == nil {
			continue
		}
		for n := f.min; n <= f.max; n++ {
			byDigits[n] = append(byDigits[n], k)
			if f.paren {
				grouped[n] = append(grouped[n], k)
			}
		}
		for _, l := range f.layouts {
			if len(l) > 1 && total(l) >= f.min && total(l) <= f.max {
				addLayout(l)
			}
		}
	}
}

// addLayout adds a row with the detectors of its values, in their order.
func addLayout(l string) {
	at, n := uint16(1), total(l)
	for i := range len(l) {
		if layouts[at].next[l[i]] == 0 {
			layouts[at].next[l[i]] = uint16(len(layouts)) //nolint:gosec // a few hundred
			layouts = append(layouts, layoutNode{})
		}
		at = layouts[at].next[l[i]]
	}
	if layouts[at].kinds == nil {
		for _, k := range builtin {
			if f := k.number; f != nil && n >= f.min && n <= f.max && (f.paren || slices.Contains(f.layouts, l)) {
				layouts[at].kinds = append(layouts[at].kinds, k)
			}
		}
	}
}

// total is how many digits a layout has.
func total(layout string) int {
	n := 0
	for i := range len(layout) {
		n += int(layout[i])
	}
	return n
}

// fewest is the least number of digits any detector takes.
const fewest, most = 6, 23

// A group is a run of digits in a chain.
type group struct {
	off, n int
	from   int  // its first digit in scanner.digits
	sep    byte // what stands before it: see separator; 0 for the first
}

// What stands between two groups, besides ' ', '-', '.', '/', '_'.
const (
	lineSep  = '\n'
	blockSep = 'P'
	parenSep = ')'
)

// chain reads every group that follows the digits buf[first:i] with separators
// between, and tries every stretch of it. It returns where the chain ends.
func (s *scanner) chain(first, i int) int {
	buf := s.buf
	next, sep := separator(buf, i, first)
	if sep == 0 && i-first < fewest {
		s.groups = append(s.groups[:0], group{off: first, n: i - first})
		s.digits = s.digits[:0]
		s.ibanBefore(first)
		return i
	}
	s.digits = append(s.digits[:0], buf[first:i]...)
	s.groups = append(s.groups[:0], group{off: first, n: i - first})
	for sep != 0 {
		g := group{off: next, from: len(s.digits), sep: sep}
		for i = next; i < len(buf) && isDigit(buf[i]); {
			i++
		}
		g.n = i - next
		s.digits = append(s.digits, buf[next:i]...)
		s.groups = append(s.groups, g)
		next, sep = separator(buf, i, g.off)
	}
	s.ibanBefore(first)
	s.groupsRead(i)
	for a := range s.groups {
		if len(s.digits)-s.groups[a].from < fewest {
			break // with all that follow they are too few
		}
		s.from(a)
	}
	return i
}

// separator reads what stands between the digits that end at i and the next
// ones; 0 if those belong to something else. from is where the digits start.
func separator(buf []byte, i, from int) (next int, sep byte) {
	if i+1 >= len(buf) || !partsGroups[buf[i]] {
		return 0, 0
	}
	switch c := buf[i+1]; { // most that stands between
	case isDigit(c) && buf[i] == '\n':
		return i + 1, lineSep
	case isDigit(c) && buf[i] != '(' && buf[i] != ')':
		return i + 1, buf[i]
	case isLetter(c) && buf[i] != '(':
		return 0, 0
	}
	spaces, lines := 0, 0
	for n := 0; i < len(buf) && n < 8; i, n = i+1, n+1 {
		switch c := buf[i]; {
		case isDigit(c):
			if sep == 0 && lines == 1 {
				sep = lineSep
			} else if sep == 0 && lines == 2 {
				sep = blockSep
			} else if sep == 0 {
				sep = ' '
			}
			return i, sep
		case c == ' ' && spaces < 4:
			spaces++
		case c == '\n' && lines < 2 && sep == 0:
			lines++
		case (c == '-' || c == '.' || c == '/' || c == '_') && sep == 0 && lines == 0:
			sep = c
		case c == '(' && (sep == 0 || sep == ' ') && lines == 0 && enclosed(buf, i):
			sep = parenSep
		case c == '-' && sep == parenSep: // (310)-736-5000
		case c == ')' && sep == 0 && lines == 0 && opened(buf, from):
			sep = parenSep
		default:
			return 0, 0
		}
	}
	return 0, 0
}

// partsGroups are the bytes that what stands between two groups starts with.
var partsGroups = func() (t [256]bool) {
	for _, c := range []byte(" \n-./_()") {
		t[c] = true
	}
	return t
}()

// opened reports whether a parenthesis opens at most six characters before the
// group at from, digits and a blank or dash between: "(06 1) 234".
func opened(buf []byte, from int) bool {
	for i := from - 1; i >= 0 && from-i <= 6; i-- {
		if c := buf[i]; c == '(' {
			return true
		} else if !isDigit(c) && c != ' ' && c != '-' {
			return false
		}
	}
	return false
}

// enclosed reports whether up to five digits and a parenthesis follow the one at i.
func enclosed(buf []byte, i int) bool {
	j := i + 1
	for j < len(buf) && j-i <= 5 && isDigit(buf[j]) {
		j++
	}
	return j > i+1 && j < len(buf) && buf[j] == ')'
}

// A parting is what stands between the groups of a stretch.
type parting struct {
	last   byte // separator that is no line's end and no parenthesis
	mixed  bool // there are several
	dotted bool // and one is a dot: 212 736-5000 is usual, 252.227-7013 is a clause
	parens bool
	lines  int // 1: over a line's end, 2: over a block's
}

func (p *parting) add(sep byte) {
	switch sep {
	case lineSep:
		p.lines = max(p.lines, 1)
	case blockSep:
		p.lines = 2
	case parenSep:
		p.parens = true
	default:
		if p.last != 0 && p.last != sep {
			p.mixed = true
			p.dotted = p.dotted || p.last == '.' || sep == '.'
		}
		p.last = sep
	}
}

// from tries every stretch that starts with group a.
func (s *scanner) from(a int) {
	n, at := 0, uint16(1)
	var p parting
	for b := a; b < len(s.groups); b++ {
		s.work++
		last := &s.groups[b]
		if n += last.n; n > most {
			return
		}
		at = layouts[at].next[last.n]
		if b > a {
			p.add(last.sep)
		}
		if n < fewest {
			continue
		}
		kinds := byDigits[n]
		switch g := s.groups[a : b+1]; {
		case len(g) == 1:
			if !s.explain && (tight(g[0].sep) || b+1 < len(s.groups) && tight(s.groups[b+1].sep)) {
				continue // cut would say that it is part of a longer number
			}
		case (a > 0 || b < len(s.groups)-1) && !roomy(g), len(g) == 2 && g[1].sep == '.', dated(s.digits[g[0].from:], g):
			// Oddly grouped it is nothing.
			if kinds = layouts[at].kinds; kinds == nil {
				kinds = grouped[n]
				if s.home == "" && (!s.explain && (n < fewestDialled || n > mostDialled) || (len(g) == 3 || g[0].n != 2) && dated(s.digits[g[0].from:], g)) {
					continue // no phone number
				}
			}
		}
		undialled := s.home == "" && !s.explain && (n < fewestDialled || n > mostDialled)
		for _, k := range kinds {
			if !undialled || !k.number.paren {
				s.try(k, a, b, n, &p)
			}
		}
	}
}

// tight reports whether a separator joins what it stands between.
func tight(sep byte) bool { return sep == '.' || sep == '_' || sep == '-' || sep == '/' }

// A stretch is a run of groups that a detector may take for its own.
type stretch struct {
	k          *kind
	start, end int
	arrangement
	lines int  // 1: over a line's end, 2: over a block's
	far   bool // its letters stand apart
	glued bool // letters touch it
	loose bool // a part of a longer chain, which only a word nearby makes a value
}

// An arrangement is how the groups of a stretch stand, to a detector.
type arrangement struct {
	digits []byte
	layout layout
	mixed  bool // separators of several kinds
	roomy  bool // its groups are as long as those of a phone number
	paired bool // its groups are two and three digits: see pairs
	sized  bool // its groups are as long as in print
	since  bool // a year stands first: 2006-2007, CVE-2004-0914
	area   bool // its groups are those that only phone numbers have: see area
}

// How digits are grouped.
type layout uint8

const (
	bare      layout = iota // not at all
	printed                 // as the kind is printed
	irregular               // in some other way
)

// try tests groups a to b, n digits in all and parted by p, for one detector.
func (s *scanner) try(k *kind, a, b, n int, p *parting) {
	f, g := k.number, s.groups[a:b+1]
	x := arrangement{digits: s.digits[g[0].from:][:n], mixed: p.mixed && (!f.paren || p.dotted)}
	switch {
	case len(g) == 1:
	case p.parens && !f.paren, !f.arranged(&x, g, p.lines, a == 0 && b == len(s.groups)-1, s.plan):
		return
	}
	last := &g[len(g)-1]
	start, end := g[0].off, last.off+last.n
	var detail string
	if f.letters == nil { // most are turned away here
		var ok bool
		if detail, ok = f.check(x.digits, s.home); !ok {
			if x.layout != irregular {
				s.reject(k.ID, start, end, f.gate)
			}
			return
		}
	}
	s.confirmed(&stretch{k: k, start: start, end: end, arrangement: x, lines: p.lines}, a, b, detail)
}

// confirmed judges what has the arrangement and, if it is only digits, the check of a
// detector.
func (s *scanner) confirmed(x *stretch, a, b int, detail string) {
	k, value := x.k, x.digits
	switch {
	case k.number.letters != nil:
		var ok bool
		if value, ok = s.lettered(x); !ok {
			return
		}
	case k.number.paren && detail == byGroup && x.layout == printed && x.paired:
		detail = byPairs
	}
	why := s.cut(x, a, b)
	if x.lines > 0 && !s.t.SameCell(x.start, x.end-1) {
		why = "it reaches over two cells of a table"
	}
	if why != "" {
		s.reject(k.ID, x.start, x.end, why)
		return
	}
	// A word that the value is glued to is none of the text's whole words.
	glued := x.start > 0 && wordBefore(s.buf, x.start) || x.end < len(s.buf) && wordAt(s.buf, x.end)
	if glued || !s.lacking(k) {
		s.judge(x, value, detail)
	}
}

// arranged sets how the groups stand; false if they cannot be one value. whole: they
// are all there are. home is the numbering plan of the home country, if that is known.
func (f *form) arranged(x *arrangement, g []group, lines int, whole bool, home *plan) bool {
	x.layout, x.sized = f.layoutOf(g)
	switch {
	case x.layout == printed:
		return true
	case f.paren:
		if !x.phoneGroups(g, home) {
			return false
		}
		x.paired = pairs(g, x.digits)
		x.layout = printed // outside North America phone numbers are grouped as anyone likes
		return true
	}
	// Lines that happen to end and start with digits, a decimal number.
	return !f.solid && (whole && lines == 0 || roomy(g)) && !dated(x.digits, g) && (len(g) != 2 || g[1].sep != '.' || x.sized)
}

// layoutOf says whether groups are those of a layout, with the separators that it is
// printed with. sized: they are as long as those of one.
func (f *form) layoutOf(g []group) (_ layout, sized bool) {
	for _, l := range f.layouts {
		if !asLong(g, l) {
			continue
		}
		sized = true
		same := len(g) != 2 || g[1].sep != '.' || strings.IndexByte(f.seps, '.') >= 0
		for i := 1; i < len(g) && same; i++ {
			same = f.seps == "" || g[i].sep == ' ' && g[i].n > 5 || strings.IndexByte(f.seps, g[i].sep) >= 0
		}
		if same {
			return printed, true
		}
	}
	return irregular, sized
}

// asLong reports whether groups are as long as those of layout l.
func asLong(g []group, l string) bool {
	if len(g) != len(l) {
		return false
	}
	for i := range g {
		if int(l[i]) != g[i].n {
			return false
		}
	}
	return true
}

// roomy reports whether the groups are so large that they are a value's and not a
// row of small numbers.
func roomy(g []group) bool {
	for _, y := range g {
		if y.n < 4 {
			return false
		}
	}
	return true
}

// lettered takes the letters that belong to the digits, and runs the check. It
// returns the canonical value, which is good until the next candidate.
func (s *scanner) lettered(x *stretch) (value []byte, ok bool) {
	f := x.k.number
	head, from := s.lettersBefore(x, f.before)
	tail, to := s.lettersAfter(x, f.after)
	if len(head) != f.before || len(tail) != f.after {
		return nil, false
	}
	v := append(append(append(s.spare[:0], head...), x.digits...), tail...)
	for i, c := range v {
		if isLower(c) {
			v[i] = c &^ 0x20
		}
	}
	if !f.letters(v) {
		s.reject(x.k.ID, from, to, f.gate)
		return nil, false
	}
	x.start, x.end = from, to
	return v, true
}

// lettersBefore returns the n letters right before i, which separators may part
// from it, and where they start. None, if they are part of a word.
func (s *scanner) lettersBefore(x *stretch, n int) ([]byte, int) {
	i := x.start
	if n == 0 {
		return nil, i
	}
	j := i
	for j > 0 && i-j < maxGap && codeGap(s.buf[j-1]) {
		j--
	}
	if j < n || j > n && wordBefore(s.buf, j-n) || !x.apart(s.buf[j:i]) {
		return nil, i
	}
	for _, c := range s.buf[j-n : j] {
		if !isLetter(c) {
			return nil, i
		}
	}
	return s.buf[j-n : j], j - n
}

func (s *scanner) lettersAfter(x *stretch, n int) ([]byte, int) {
	i := x.end
	if n == 0 {
		return nil, i
	}
	j := i
	for j < len(s.buf) && j-i < maxGap && codeGap(s.buf[j]) {
		j++
	}
	if j+n > len(s.buf) || j+n < len(s.buf) && wordAt(s.buf, j+n) || !x.apart(s.buf[i:j]) {
		return nil, i
	}
	for _, c := range s.buf[j : j+n] {
		if !isLetter(c) {
			return nil, i
		}
	}
	return s.buf[j : j+n], j + n
}

func codeGap(c byte) bool {
	return c == ' ' || c == '-' || c == '.' || c == '/' || c == '_' || c == '\n'
}

// apart takes note of what stands between the digits and their letters; false if
// that is too much.
func (x *stretch) apart(gap []byte) bool {
	if len(gap) == 0 || len(gap) == 1 && (gap[0] == ' ' || gap[0] == '-') {
		return true
	}
	x.far = true
	lines := bytes.Count(gap, []byte("\n"))
	x.lines = max(x.lines, lines)
	return lines <= 2
}

// isWordByte reports whether c is part of a word or number.
func isWordByte(c byte) bool { return isAlnum(c) || c >= 0x80 }

// wordAt reports whether what stands at i belongs to the word or number before it:
// a letter of a script that parts words by spaces, or a digit.
func wordAt(buf []byte, i int) bool {
	return isAlnum(buf[i]) || buf[i] >= utf8.RuneSelf && !foreignLead(buf[i])
}

// wordBefore reports the same of what stands before i.
func wordBefore(buf []byte, i int) bool {
	return alnumBytes[buf[i-1]] || buf[i-1] >= utf8.RuneSelf && foreignBefore(buf, i)
}

// foreignBefore is wordBefore beyond ASCII. It stands by itself, so that wordBefore is
// small enough to be part of what asks it.
//
//go:noinline
func foreignBefore(buf []byte, i int) bool {
	c := buf[i-1]
	for j := i - 1; j > 0 && i-j < utf8.UTFMax && !utf8.RuneStart(c); j-- {
		c = buf[j-1]
	}
	return !foreignLead(c)
}

// foreignLead reports whether a rune beyond ASCII that starts with c is no part of a word
// of letters beside it: signs, and the scripts of East Asia, which have no spaces.
func foreignLead(c byte) bool { return c == 0xC2 || c == 0xE2 || c >= 0xE3 && c <= 0xED || c >= 0xEF }

// cut says why a stretch that is a part of a longer chain is no value of its own.
// What is cut off by a space may stand alone; what is cut off by the same
// separator that it holds may not.
func (s *scanner) cut(x *stretch, a, b int) string {
	if x.layout == printed && x.k.number.expiry && s.columns(a, b) {
		x.loose = true
	}
	var l, r byte
	if a > 0 {
		l = s.groups[a].sep
	}
	if b+1 < len(s.groups) {
		r = s.groups[b+1].sep
	}
	inner := byte(0)
	if b > a {
		inner = s.groups[b].sep
	}
	for _, c := range [2]byte{l, r} {
		switch c {
		case 0, lineSep, blockSep, parenSep:
		case ' ':
			// A row of groups of one kind; cards are told by their layout.
			if x.layout == bare && s.column(a) || x.layout != printed && inner == ' ' || x.layout == printed && !x.k.number.expiry && inner == ' ' {
				x.loose = true
			}
		case '.', '_':
			if c == '.' && a == b {
				return "part of a decimal number"
			}
			return "part of a longer number"
		case '-', '/':
			if c == inner || x.layout != printed {
				return "part of a longer number"
			}
			x.loose = true
		}
	}
	return ""
}

// column reports whether the digits of group a stand in a row of numbers, of which
// another is as long as a value.
func (s *scanner) column(a int) bool {
	beside := func(i int) bool { return i >= 0 && i < len(s.groups) && s.groups[i].n >= fewest }
	return s.groups[a].sep == ' ' && beside(a-1) || a+1 < len(s.groups) && s.groups[a+1].sep == ' ' && beside(a+1)
}

// columns reports whether a card's four groups are taken out of a longer row of
// such groups, which is not one of whole cards: one group more may be the date of
// expiry.
func (s *scanner) columns(a, b int) bool {
	if b-a > 3 || s.groups[a].n != 4 || s.groups[b].n != 4 {
		return false
	}
	before, after := 0, 0
	for i := a - 1; i >= 0 && s.groups[i].n == 4; i-- {
		before++
	}
	for i := b + 1; i < len(s.groups) && s.groups[i].n == 4; i++ {
		after++
	}
	if after == 1 {
		if m := number(s.digits[s.groups[b+1].from:][:2]); m >= 1 && m <= 12 {
			after = 0
		}
	}
	s.work += before + after
	if b-a < 3 {
		return before > 0 || after > 0
	}
	return before%4 != 0 || after%4 != 0
}

// judge weighs a confirmed number and adds it.
func (s *scanner) judge(x *stretch, value []byte, detail string) {
	k, f := x.k, x.k.number
	known := f.known[string(value)]
	if same(x.digits) && !known {
		s.reject(k.ID, x.start, x.end, "one digit over and over")
		return
	}
	x.glued = x.start > 0 && wordBefore(s.buf, x.start) || x.end < len(s.buf) && wordAt(s.buf, x.end)
	if x.glued && f.paren && s.extension(x.end) && (x.start == 0 || !wordBefore(s.buf, x.start)) {
		x.glued = false
	}
	glue := evidence{term: -1}
	if x.glued {
		glue = s.gluedWord(k, x.start, x.end)
	}
	if x.glued && !glue.found() && (f.letters != nil || x.layout == irregular || k.weak && x.start > 1 && wordBefore(s.buf, x.start-1)) {
		s.reject(k.ID, x.start, x.end, "part of a word")
		return
	}
	if k.weak && s.goesOn(x.end) {
		s.reject(k.ID, x.start, x.end, "part of a longer code")
		return
	}
	veto, soft := s.veto(x.start, x.end)
	if veto != "" && !soft {
		s.reject(k.ID, x.start, x.end, veto)
		return
	}
	ev := s.evidence(k.set, k.Within, s.rowStart(x), x.end)
	if glue.found() && !ev.touches() {
		ev = glue
	}
	if veto != "" && !s.outweighs(ev, x.start, x.end) {
		s.reject(k.ID, x.start, x.end, veto)
		return
	}
	if x.layout == bare && s.called(ev, x.start) {
		s.reject(k.ID, x.start, x.end, "what a function is called with")
		return
	}
	w := s.weigh(x, ev, detail)
	if f.paren && x.start > 0 && s.buf[x.start-1] == '(' && bytes.IndexByte(s.buf[x.start:x.end], ')') >= 0 {
		x.start--
	}
	if f.paren && fictional(x.digits) {
		w.level, known = min(w.level, Internal), true
	}
	if w.level < s.floor && !s.explain {
		return
	}
	if f.branch && w.level >= Low {
		if from, to := s.account(x.end); to > 0 {
			value = append(append(s.spare[:0], value...), s.buf[from:to]...)
			x.end = to
		}
	}
	s.add(candidate{
		kind: k, start: x.start, end: x.end, level: w.level, value: string(value), known: known, evidence: w.word || w.date, dist: ev.rank(), said: ev.length(), home: f.paren && atHome(detail),
		why: s.reason(x, ev, w, detail),
	})
}

// rowStart returns where the row of groups starts that x is cut out of, which is what a
// label before it is of: "Meeting ID: 312 456 789 012".
func (s *scanner) rowStart(x *stretch) int {
	start, i := x.start, 0
	for i < len(s.groups) && s.groups[i].off < start {
		i++
	}
	for x.loose && i > 0 && i < len(s.groups) && s.groups[i].sep == ' ' {
		i--
		start = s.groups[i].off
	}
	return start
}

// account returns where the number of an account stands that is named right after
// a branch's: "20-45-77, account no. 63849201".
func (s *scanner) account(i int) (from, to int) {
	const gap, least, most = 24, 6, 10
	for from = i; from < len(s.buf) && from-i < gap && !isDigit(s.buf[from]); from++ {
		if s.buf[from] == '\n' || s.buf[from] == '\f' {
			return 0, 0
		}
	}
	s.work += from - i
	named := false
	for _, w := range []string{"acc", "a/c", "konto"} {
		named = named || bytes.Contains(bytes.ToLower(s.buf[i:from]), []byte(w))
	}
	for to = from; to < len(s.buf) && to-from <= most && isDigit(s.buf[to]); to++ {
	}
	if !named || to-from < least || to-from > most || to < len(s.buf) && (wordAt(s.buf, to) || tight(s.buf[to]) && to+1 < len(s.buf) && isDigit(s.buf[to+1])) {
		return 0, 0
	}
	return from, to
}

// goesOn reports whether a letter follows i, at most a dash between: "44134840-W".
func (s *scanner) goesOn(i int) bool {
	if i < len(s.buf) && s.buf[i] == '-' {
		i++
	}
	return i < len(s.buf) && isLetter(s.buf[i])
}

// A weight is what a number is worth and what decided it.
type weight struct {
	level  Level
	label  bool   // a label says that it is something else
	other  bool   // a word for another kind does
	word   bool   // a keyword counts
	date   bool   // an expiry date counts
	lacks  string // why it would have needed one of them
	inCode bool
}

// weigh applies the evidence model to a number.
func (s *scanner) weigh(x *stretch, ev evidence, detail string) weight {
	k, f := x.k, x.k.number
	if f.paren {
		w := s.weighPhone(x, ev, detail)
		if x.lines > 1 {
			w.level = w.level.lower()
		}
		if !w.word && s.t.Zone(x.start) == extract.Code {
			w.level, w.inCode = w.level.lower(), true
		}
		return w
	}
	base, with := k.Alone, k.BareContext
	switch x.layout {
	case printed:
		base, with = k.Printed, k.WithContext
	case irregular:
		base, with = k.Alone.lower(), k.BareContext.lower()
	}
	if x.uneven() {
		base, with = base.lower(), with.lower()
	}
	if f.named {
		base = min(base, Internal)
	}
	w := weight{level: base}
	if x.layout == bare && k.Alone <= Low && s.follows(x.end+1, measures) || s.everyday(x, ev) {
		ev.term = -1 // "routing took 121000248 ns", "the run 12345678 failed"
	}
	if ev.other && !f.expiry && k.Alone < Medium && !(ev.phrase && k.Alone >= Low) {
		ev.term, w.other = -1, true
		w.level = min(w.level, Internal)
	}
	switch {
	case w.other:
	case ev.label:
		w.level, w.label = min(base.lower(), Internal), true
	case ev.found() && ev.full:
		w.level, w.word = max(base, with), true
	case f.expiry && s.expiry(x.start, x.end):
		w.level, w.date = max(base, with), true
	case ev.found():
		w.level, w.word = max(base, with.lower()), true
	case x.glued:
		w.lacks = "letters touch it"
	case x.lines > 0:
		w.lacks = "it reaches over a line's end"
	case x.far:
		w.lacks = "its letters stand apart"
	case x.loose:
		w.lacks = "it is part of a row of numbers"
	case x.layout == irregular:
		w.lacks = "it is oddly grouped"
	case x.layout == bare && stamp(x.digits):
		w.lacks = "it looks like a time stamp"
	case s.named(x.start, x.end):
		w.lacks = "it is part of a name"
	case s.clock(x.start, x.end):
		w.lacks = "a time stands beside it"
	case x.layout == bare && (f.expiry && len(x.digits) == 13 || !f.expiry && k.Alone <= Low) && article(x.digits):
		w.lacks = "it has the check digit of an article number"
	case x.layout == printed && !f.paren && len(x.digits) == 10 && s.dialled(x.start, x.end):
		w.lacks = "it looks like a phone number"
	case x.layout != bare && dottedQuad(s.buf[x.start:x.end]):
		w.lacks = "it looks like an address"
	case x.layout == bare && (!f.expiry || len(x.digits) != 16) && s.listed(x.start, x.end):
		w.lacks = "it is part of a row of numbers"
	case s.computed(x.start, x.end):
		w.lacks = "it is part of a sum"
	case s.counted(x.end):
		w.lacks = "it is a quantity"
	case !f.expiry && s.money(x.start, x.end):
		w.lacks = "it is an amount"
	}
	if w.lacks != "" {
		w.level = min(w.level, Internal)
	}
	if x.lines > 1 {
		w.level = w.level.lower()
	}
	if !w.word && !w.date && (s.t.Zone(x.start) == extract.Code || x.layout == bare && x.start > 0 && s.buf[x.start-1] == '`') {
		w.level, w.inCode = w.level.lower(), true
	}
	return w
}

// beside is how near a word must be to make bare digits a phone number, justAfter
// how near one that follows must be to make one of mere groups.
const beside, justAfter = 30, 12

// uneven reports whether a value in its printed grouping has separators of
// several kinds.
func (x *stretch) uneven() bool { return x.mixed && x.layout == printed && !x.k.number.mixed }

// reason says in words what a weight comes from.
func (s *scanner) reason(x *stretch, ev evidence, w weight, detail string) string {
	why := x.k.number.gate
	switch {
	case x.k.number.paren:
		why = detail
	case detail != "":
		why = detail + ": " + why
	}
	if x.layout == printed {
		why += ", printed grouping"
	}
	if x.uneven() {
		why += ", uneven separators"
	}
	switch {
	case w.label, w.other:
		why += "; " + s.otherwise(ev)
	case w.word:
		why += "; " + s.tell(ev)
	case w.date:
		why += "; a date like an expiry date nearby"
	case w.lacks != "":
		why += "; no keyword nearby, and " + w.lacks
	case w.level <= Internal:
		why += "; no keyword nearby, without which it says too little"
	}
	if x.lines > 1 {
		why += "; it reaches over a paragraph's end"
	}
	if w.inCode {
		why += "; in code"
	}
	return why
}

// expiry reports whether a date like 12/27 stands within 40 characters after, or
// 20 before, on the same line.
func (s *scanner) expiry(start, end int) bool {
	return month(s.buf, end, min(len(s.buf), end+40)) || month(s.buf[:start], max(0, start-20), start)
}

// month reports whether a month and a year that are no part of a date of a day stand
// in b[lo:hi].
func month(b []byte, lo, hi int) bool {
	for i := lo + 2; i+2 < hi; i++ {
		if b[i] == '\n' || b[i] == '\f' {
			return false
		}
		if b[i] != '/' && b[i] != '-' || i > 2 && isWordByte(b[i-3]) || i > 3 && dateSep(b[i-3]) && isDigit(b[i-4]) {
			continue
		}
		m, y := b[i-2:i], b[i+1:]
		if !isDigit(m[0]) || !isDigit(m[1]) || number(m) == 0 || number(m) > 12 {
			continue
		}
		n := 0
		for n < len(y) && isDigit(y[n]) {
			n++
		}
		if n+1 < len(y) && dateSep(y[n]) && isDigit(y[n+1]) {
			continue
		}
		if n == 2 && y[0] >= '2' && y[0] <= '4' || n == 4 && y[0] == '2' && y[1] == '0' {
			return true
		}
	}
	return false
}

// dateSep reports whether c parts a day, a month and a year.
func dateSep(c byte) bool { return c == '/' || c == '-' || c == '.' }

// ibanBefore looks for an IBAN whose check digits start at i: two letters stand
// before them, with at most one separator between each.
func (s *scanner) ibanBefore(i int) {
	buf := s.buf
	if i < 2 {
		return
	}
	j := i - 1
	second := buf[j]
	gap := ibanSeps[second]
	if gap {
		j--
		second = buf[j]
	}
	if !isLetter(second) || j == 0 {
		return
	}
	j--
	spaced := false
	if ibanSeps[buf[j]] && j > 0 && isLetter(buf[j-1]) {
		spaced = true
		j--
	}
	if spaced && !gap && j == i-3 {
		s.vatBefore(i)
	}
	if !isLetter(buf[j]) || gap && j > 0 && isLetter(buf[j-1]) || ibanLengths[buf[j]&^0x20-'A'][second&^0x20-'A'] == 0 {
		return
	}
	s.iban(j, spaced)
}

// ibanLengths are the lengths of IBANs by country; 0 where there is none.
var ibanLengths = func() (t [26][26]int8) {
	for c, f := range ibanForms {
		t[c[0]-'A'][c[1]-'A'] = int8(ibanLength(f))
	}
	return t
}()

// ibanSeps are the bytes that may part the characters of an IBAN.
var ibanSeps = func() (t [256]bool) {
	for i := range t {
		t[i] = oddSeps[i] || codeGap(byte(i))
	}
	return t
}()

// iban reads an IBAN that starts at i. It ends where its country's length is
// reached.
func (s *scanner) iban(i int, spaced bool) {
	buf := s.buf
	v := s.spare[:0]
	want, j, gap, gaps, lines := 2, i, 0, 0, 0
	for ; j < len(buf) && len(v) < want; j++ {
		c := buf[j]
		switch {
		case isLetter(c):
			v = append(v, c&^0x20)
		case isDigit(c):
			v = append(v, c)
		case ibanSeps[c] && gap < 3:
			if gap++; gap == 1 {
				gaps++
			}
			if c == '\n' {
				lines++
			}
			continue
		default:
			return
		}
		gap = 0
		switch len(v) {
		case 4:
			if !isDigit(v[2]) || !isDigit(v[3]) {
				return
			}
		case 2:
			if want = int(ibanLengths[v[0]-'A'][v[1]-'A']); want == 0 {
				return
			}
		}
	}
	s.work += j - i
	k := kinds["iban"]
	if len(v) < want {
		return
	}
	if !iban(v) {
		if gaps <= 9 {
			s.reject(k.ID, i, j, "check digits or form of the country")
		}
		return
	}
	glued := i > 0 && wordBefore(buf, i) || j < len(buf) && wordAt(buf, j)
	ev := s.evidence(k.set, k.Within, i, j)
	if glued && !ev.touches() {
		if glue := s.gluedWord(k, i, j); glue.found() {
			ev = glue
		}
	}
	c := candidate{kind: k, start: i, end: j, level: High, value: string(v), why: "IBAN of " + string(v[:2]) + ", mod 97", known: knownIBANs[string(v)]}
	if glued && isDigit(buf[min(j, len(buf)-1)]) {
		s.reject(k.ID, i, j, "part of a longer number")
		return
	}
	if why, soft := s.veto(i, j); why == "part of a hash or code" && !(soft && ev.touches()) {
		s.reject(k.ID, i, j, why)
		return
	}
	if ev.found() {
		c.evidence = true
		c.why += "; " + s.tell(ev)
	} else if glued || spaced || gaps > 12 || lines > 0 {
		c.level = Internal
		c.why += "; no keyword nearby, and it is oddly written"
	}
	if lines > 1 {
		c.level = c.level.lower()
	}
	s.add(c)
}

// fiscalLetters is how many letters an Italian tax code starts with.
const fiscalLetters = 6

// fiscal looks for an Italian tax code whose first digit is at i.
func (s *scanner) fiscal(i int) {
	buf := s.buf
	from := i - fiscalLetters
	if from < 0 || from+16 > len(buf) || from > 0 && wordBefore(buf, from) || from+16 < len(buf) && wordAt(buf, from+16) {
		return
	}
	v := s.spare[:0]
	for _, c := range buf[from : from+16] {
		if !isAlnum(c) {
			return
		}
		if isLower(c) {
			c &^= 0x20
		}
		v = append(v, c)
	}
	k := kinds["it-cf"]
	if !codiceFiscale(v) {
		s.reject(k.ID, from, from+16, "check letter")
		return
	}
	ev := s.evidence(k.set, k.Within, from, from+16)
	c := candidate{kind: k, start: from, end: from + 16, level: k.Alone, value: string(v), why: "check letter holds"}
	if ev.found() {
		c.evidence = true
		c.why += "; " + s.tell(ev)
	}
	s.add(c)
}
