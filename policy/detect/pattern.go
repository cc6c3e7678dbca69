package detect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// A Pattern is a company's regular expression behind a gate: what must stand in a
// text for it to match, derived from the expression itself. Looking for that is
// some hundred times faster than running the expression, and where a match has a
// greatest length, the expression is run around what was found only. A Pattern is
// immutable and safe for concurrent use.
type Pattern struct {
	re     *regexp.Regexp
	shape  *shape    // must occur; nil: see any
	any    []literal // one of them must occur; empty: see digits
	digits int       // so many digits in a row must occur
	window int       // how many bytes a match has at most; 0: not known
}

// literal is text that must occur as it is, or, folded, in any case of its ASCII
// letters (then it is lower case).
type literal struct {
	text string
	fold bool
}

// maxLiterals bounds how many alternatives are looked for before the expression
// itself is the cheaper search; maxWindow how long matches may be for the
// expression to be run around them only.
const maxLiterals, maxWindow = 8, 512

// NewPattern derives the gate of re.
func NewPattern(re *regexp.Regexp) *Pattern {
	p := &Pattern{re: re}
	tree, err := syntax.Parse(re.String(), syntax.Perl)
	if err != nil {
		return p // not what regexp.Compile took: then there is no gate
	}
	tree = tree.Simplify()
	p.shape, p.any, p.digits = shapeOf(tree), required(tree), digitsOf(tree).best
	if p.shape != nil && p.shape.text == "" && shortest(p.any) > fewestAnchored {
		p.shape = nil // fixed text says more than some digits
	}
	switch {
	case p.shape != nil:
		p.any, p.digits = nil, 0
	case len(p.any) > 0:
		p.digits = 0
	}
	if n := longest(tree); n > 0 && n <= maxWindow {
		p.window = n
	}
	return p
}

// Gated reports whether most texts need not be searched with the expression at
// all, or only around the digits in them.
func (p *Pattern) Gated() bool {
	return p.shape != nil && (p.shape.text != "" || p.window > 0 || p.shape.digits >= longRun) || len(p.any) > 0 || p.digits > 0 && p.window > 0
}

// A Haystack is a text that patterns are looked for in, with what they share. The
// zero value is ready for Reset; it may be used again, by one goroutine at a time.
type Haystack struct {
	text     []byte
	lower    []byte // with ASCII letters in lower case
	folded   bool
	digits   []stretchOf // of the text, once counted
	counted  bool
	long     []stretchOf // those of at least longRun, once looked
	looked   bool
	longest  int // of those that are known
	around   []stretchOf
	searched int      // bytes that expressions were run over
	sieve    *Sieve   // that the text was sifted with; nil: it was not
	sieved   []sieved // in order
	of       uint8    // the searches that want any of them
	scanner  *scanner // of the last scan, for the next one; nil before the first
}

// longRun is from when on a row of digits is kept apart: few are that long.
const longRun = 4

type stretchOf struct{ from, to int }

// Reset makes text what is searched. It must not change meanwhile.
func (h *Haystack) Reset(text []byte) {
	clear(h.lower) // a haystack outlives its message
	h.text, h.lower, h.folded = text, h.lower[:0], false
	h.digits, h.counted, h.long, h.looked, h.longest, h.searched = h.digits[:0], false, h.long[:0], false, 0, 0
	h.sieve, h.sieved, h.of = nil, h.sieved[:0], 0
}

func (h *Haystack) foldedText() []byte {
	if !h.folded {
		h.folded = true
		h.lower = append(h.lower[:0], h.text...)
		lowerASCII(h.lower)
	}
	return h.lower
}

// lowerASCII puts the letters of ASCII in b into lower case, eight at a time.
func lowerASCII(b []byte) {
	const ones = 0x0101010101010101
	for ; len(b) >= 8; b = b[8:] {
		x := binary.LittleEndian.Uint64(b)
		low := x & (0x7F * ones)
		// The high bit of each byte: at least 'A', and not more than 'Z'.
		upper := (low + (0x80-'A')*ones) &^ (low + (0x7F-'Z')*ones) &^ x & (0x80 * ones)
		binary.LittleEndian.PutUint64(b, x|upper>>2)
	}
	for i, c := range b {
		if isUpper(c) {
			b[i] = c | 0x20
		}
	}
}

// runs returns where digits stand: every row of at least so many, and perhaps
// shorter ones.
func (h *Haystack) runs(least int) []stretchOf {
	switch {
	case least >= longRun && h.looked:
		return h.long
	case !h.counted:
		h.counted, h.looked, h.long = true, true, h.long[:0]
		for i := nextDigit(h.text, 0); i < len(h.text); i = nextDigit(h.text, i) {
			from := i
			for i < len(h.text) && isDigit(h.text[i]) {
				i++
			}
			h.digits = append(h.digits, stretchOf{from, i})
			h.longest = max(h.longest, i-from)
			if i-from >= longRun {
				h.addLong(from, i)
			}
		}
	}
	if least >= longRun {
		return h.long
	}
	return h.digits
}

// addLong takes note of a row of at least longRun digits.
func (h *Haystack) addLong(from, to int) {
	h.long = append(h.long, stretchOf{from, to})
	h.longest = max(h.longest, to-from)
}

// Find returns the first n matches in h as FindAllSubmatchIndex does, all of them
// if n is negative.
func (p *Pattern) Find(h *Haystack, n int) [][]int {
	switch {
	case p.shape == nil && len(p.any) == 0 && p.digits == 0:
		h.searched += len(h.text)
		return p.re.FindAllSubmatchIndex(h.text, n)
	case p.window == 0:
		if !p.possible(h) {
			return nil
		}
		h.searched += len(h.text)
		return p.re.FindAllSubmatchIndex(h.text, n)
	}
	p.places(h)
	var found [][]int
	for _, w := range h.around {
		if n >= 0 && len(found) >= n {
			break
		}
		h.searched += w.to - w.from
		for _, m := range p.re.FindAllSubmatchIndex(h.text[w.from:w.to], n) {
			for i := range m {
				if m[i] >= 0 {
					m[i] += w.from
				}
			}
			if n >= 0 && len(found) >= n {
				break
			}
			found = append(found, m)
		}
	}
	return found
}

// possible reports whether what must occur does.
func (p *Pattern) possible(h *Haystack) (is bool) {
	if p.shape != nil {
		p.shape.find(h, func(int) bool { is = true; return false })
		return is
	}
	if p.digits > 0 {
		for _, d := range h.runs(p.digits) {
			if d.to-d.from >= p.digits {
				return true
			}
		}
		return false
	}
	for _, l := range p.any {
		in := h.text
		if l.fold {
			in = h.foldedText()
		}
		if bytes.Contains(in, []byte(l.text)) {
			return true
		}
	}
	return false
}

// slack is what a window holds beyond the longest match, so that no match touches
// its ends: what a match sees of its neighbours is then there.
const slack = 8

// places sets h.around to the stretches in which every match lies, each within one
// of them.
func (p *Pattern) places(h *Haystack) {
	h.around = h.around[:0]
	if p.shape != nil {
		n := len(p.shape.classes)
		p.shape.find(h, func(at int) bool {
			h.include(at+n-p.window, at+p.window)
			return true
		})
		return
	}
	if p.digits > 0 {
		for _, d := range h.runs(p.digits) {
			// A match holds some of the digits, and no more than window bytes on
			// either side of them.
			if d.to-d.from >= p.digits {
				h.include(d.from-p.window, d.to+p.window)
			}
		}
		return
	}
	for _, l := range p.any {
		in := h.text
		if l.fold {
			in = h.foldedText()
		}
		for at := 0; ; {
			i := bytes.Index(in[at:], []byte(l.text))
			if i < 0 {
				break
			}
			at += i
			h.include(at-p.window, at+len(l.text)+p.window)
			at++
		}
	}
	if len(p.any) > 1 {
		h.merge()
	}
}

// include adds a stretch; those of one literal come in order.
func (h *Haystack) include(from, to int) {
	from, to = max(0, from-slack), min(len(h.text), to+slack)
	for from > 0 && !utf8.RuneStart(h.text[from]) {
		from--
	}
	for to < len(h.text) && !utf8.RuneStart(h.text[to]) {
		to++
	}
	if n := len(h.around); n > 0 && h.around[n-1].from <= from && from <= h.around[n-1].to {
		h.around[n-1].to = max(h.around[n-1].to, to)
		return
	}
	h.around = append(h.around, stretchOf{from, to})
}

// merge sorts the stretches of several literals and joins those that meet.
func (h *Haystack) merge() {
	list := h.around
	slices.SortFunc(list, func(a, b stretchOf) int { return a.from - b.from })
	h.around = h.around[:0]
	for _, w := range list {
		if n := len(h.around); n > 0 && w.from <= h.around[n-1].to {
			h.around[n-1].to = max(h.around[n-1].to, w.to)
			continue
		}
		h.around = append(h.around, w)
	}
}

// required returns literals of which one occurs in every match of re, or nothing
// if none is certain.
func required(re *syntax.Regexp) []literal {
	switch re.Op {
	case syntax.OpLiteral:
		return literalOf(re)
	case syntax.OpCapture, syntax.OpPlus:
		return required(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			return required(re.Sub[0])
		}
	case syntax.OpConcat:
		var best []literal
		for _, sub := range re.Sub {
			if got := required(sub); shortest(got) > shortest(best) {
				best = got
			}
		}
		return best
	case syntax.OpAlternate:
		var all []literal
		for _, sub := range re.Sub {
			got := required(sub)
			if len(got) == 0 || len(all)+len(got) > maxLiterals {
				return nil
			}
			all = append(all, got...)
		}
		return all
	}
	return nil
}

func shortest(list []literal) int {
	if len(list) == 0 {
		return 0
	}
	n := len(list[0].text)
	for _, l := range list {
		n = min(n, len(l.text))
	}
	return n
}

// literalOf takes the longest stretch of re that can be looked for byte by byte.
// Under (?i) the letters k and s also match the Kelvin sign and the long s, and
// letters beyond ASCII have other folds: a stretch ends there.
func literalOf(re *syntax.Regexp) []literal {
	fold := re.Flags&syntax.FoldCase != 0
	var best, run []byte
	for _, r := range re.Rune {
		switch {
		case r == utf8.RuneError: // also matches a byte that is no UTF-8
			run = nil
		case !fold:
			run = utf8.AppendRune(run, r)
		case r < utf8.RuneSelf && r != 'k' && r != 'K' && r != 's' && r != 'S':
			run = append(run, lowered[byte(r)])
		default:
			run = nil
		}
		if len(run) > len(best) {
			best = run
		}
	}
	if len(best) < 2 {
		return nil
	}
	return []literal{{string(best), fold}}
}

// A digits says what every match of an expression holds of digits of ASCII.
type digits struct {
	pre, suf int  // how many it starts and ends with, at least
	best     int  // how many in a row there are somewhere, at least
	all      bool // nothing else is in it, pre of them at least
}

// digitsOf returns what every match of re holds of digits.
func digitsOf(re *syntax.Regexp) digits {
	one := digits{1, 1, 1, true}
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText:
		return digits{all: true}
	case syntax.OpLiteral:
		d := digits{all: true}
		for _, r := range re.Rune {
			if r >= '0' && r <= '9' {
				d = d.then(one)
			} else {
				d = d.then(digits{})
			}
		}
		return d
	case syntax.OpCharClass:
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if re.Rune[i] < '0' || re.Rune[i+1] > '9' {
				return digits{}
			}
		}
		if len(re.Rune) > 0 {
			return one
		}
	case syntax.OpCapture:
		return digitsOf(re.Sub[0])
	case syntax.OpPlus:
		return digitsOf(re.Sub[0]) // of the first and the last at least
	case syntax.OpStar, syntax.OpQuest:
		return digits{all: digitsOf(re.Sub[0]).all}
	case syntax.OpRepeat:
		d := digitsOf(re.Sub[0])
		switch {
		case re.Min == 0:
			return digits{all: d.all}
		case d.all:
			n := min(d.pre*re.Min, maxWindow)
			return digits{n, n, n, true}
		}
		return d
	case syntax.OpConcat:
		d := digits{all: true}
		for _, sub := range re.Sub {
			d = d.then(digitsOf(sub))
		}
		return d
	case syntax.OpAlternate:
		d := digitsOf(re.Sub[0])
		for _, sub := range re.Sub[1:] {
			o := digitsOf(sub)
			d = digits{min(d.pre, o.pre), min(d.suf, o.suf), min(d.best, o.best), d.all && o.all}
		}
		return d
	}
	return digits{}
}

// then is d followed by o.
func (d digits) then(o digits) digits {
	sum := digits{pre: d.pre, suf: o.suf, all: d.all && o.all, best: max(d.best, o.best, d.suf+o.pre)}
	if d.all {
		sum.pre = d.pre + o.pre
	}
	if o.all {
		sum.suf = d.suf + o.suf
	}
	return sum
}

// longest returns how many bytes a match of re has at most, -1 where there is no
// end to it or it looks at more than its neighbours.
func longest(re *syntax.Regexp) int {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpNoMatch, syntax.OpWordBoundary, syntax.OpNoWordBoundary:
		return 0
	case syntax.OpLiteral:
		n := 0
		for _, r := range re.Rune {
			switch {
			case re.Flags&syntax.FoldCase != 0:
				n += longestFold(r)
			case r == utf8.RuneError:
				n += 3
			default:
				n += utf8.RuneLen(r)
			}
		}
		return n
	case syntax.OpCharClass:
		if n := len(re.Rune); n > 0 {
			return utf8.RuneLen(re.Rune[n-1])
		}
		return 0
	case syntax.OpAnyChar, syntax.OpAnyCharNotNL:
		return utf8.UTFMax
	case syntax.OpCapture, syntax.OpQuest:
		return longest(re.Sub[0])
	case syntax.OpRepeat:
		n := longest(re.Sub[0])
		if n < 0 || re.Max < 0 {
			return -1
		}
		return min(n*re.Max, maxWindow+1)
	case syntax.OpConcat:
		n := 0
		for _, sub := range re.Sub {
			m := longest(sub)
			if m < 0 {
				return -1
			}
			n = min(n+m, maxWindow+1)
		}
		return n
	case syntax.OpAlternate:
		n := 0
		for _, sub := range re.Sub {
			m := longest(sub)
			if m < 0 {
				return -1
			}
			n = max(n, m)
		}
		return n
	}
	return -1
}

// longestFold returns how many bytes r has in the case in which it has most.
func longestFold(r rune) int {
	n := max(1, utf8.RuneLen(r))
	for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
		n = max(n, utf8.RuneLen(f))
	}
	return n
}

// maxPattern is Purview's limit for a pattern (sit-limits): what is imported from
// there fits.
const maxPattern = 1024

// CompilePattern compiles a company's expression. Errors say what to do and quote
// no more than the expression's own syntax.
func CompilePattern(p string) (*Pattern, error) {
	switch {
	case p == "":
		return nil, errors.New("the pattern is empty")
	case len(p) > maxPattern:
		return nil, errors.New("the pattern is longer than 1024 characters")
	}
	re, err := regexp.Compile(p)
	if err != nil {
		if lookAround(p) {
			return nil, errors.New("look-ahead, look-behind and the like are not supported: use context words or a validator instead")
		}
		return nil, err
	}
	if re.MatchString("") {
		return nil, errors.New("the pattern matches the empty text, so it would match everywhere")
	}
	return NewPattern(re), nil
}

// lookAround reports whether p, which does not compile, looks like it wants to see
// beyond its match.
func lookAround(p string) bool {
	for _, op := range []string{"(?=", "(?!", "(?<=", "(?<!", "(?>"} {
		if strings.Contains(p, op) {
			return true
		}
	}
	return false
}

// sampleChat is what the cost of a pattern is measured on: a kilobyte of talk with
// ids, links, dates and names, as chats hold them.
var sampleChat = []byte(strings.Repeat("Morning all, the build 20261101.4 from Tuesday is green again, see ticket 48213 and https://dev.contoso.test/runs/77?view=logs\n"+
	"I moved the review to 2026-11-03 14:00, room 4.117. Jo Li asked for the numbers of Q3 (1,204 of 3,881); thanks, see you then!\n", 5)[:1024])

// Cost measures what p costs for each kilobyte of a chat that holds no match:
// the best of several runs, by the clock given.
func (p *Pattern) Cost(now func() time.Time) time.Duration {
	var h Haystack
	best := time.Duration(1<<63 - 1)
	for range 5 {
		from := now()
		h.Reset(sampleChat)
		p.Find(&h, 1)
		best = min(best, now().Sub(from))
	}
	return best
}
