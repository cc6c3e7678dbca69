package detect

import (
	"bytes"
	"regexp/syntax"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// A shape is a row of bytes, each of a known kind, that stands in every match of an
// expression: of CE-\d{6} it is the whole of it. Where it is rare, comparing it byte
// by byte is all that most texts cost.
type shape struct {
	classes []*byteClass
	text    string // anchor: looked for first; in lower case, if fold
	fold    bool
	at      int // where text, or the digits, stand in the row
	digits  int // anchor, if there is no text: so many digits in a row
}

type byteClass [256]bool

// fewestAnchored is the least that an anchor must be.
const fewestAnchored = 2

// shapeOf returns the best shape of re, nil if there is none worth looking for.
func shapeOf(re *syntax.Regexp) *shape {
	b := shaper{}
	b.walk(re)
	b.end()
	return b.best
}

// A shaper collects rows of bytes.
type shaper struct {
	row  []*byteClass
	best *shape
}

// walk adds what every match of re holds at this place, or ends the row where that
// is open.
func (b *shaper) walk(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpEmptyMatch, syntax.OpWordBoundary, syntax.OpNoWordBoundary, syntax.OpBeginLine, syntax.OpEndLine, syntax.OpBeginText, syntax.OpEndText:
		return
	case syntax.OpLiteral:
		for _, r := range re.Rune {
			b.rune(r, re.Flags&syntax.FoldCase != 0)
		}
		return
	case syntax.OpCharClass:
		c := new(byteClass)
		for i := 0; i+1 < len(re.Rune); i += 2 {
			if re.Rune[i+1] >= utf8.RuneSelf {
				b.end() // more than a byte, perhaps
				return
			}
			for r := re.Rune[i]; r <= re.Rune[i+1]; r++ {
				c[r] = true
			}
		}
		b.row = append(b.row, c)
		return
	case syntax.OpCapture:
		b.walk(re.Sub[0])
		return
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			b.walk(sub)
		}
		return
	case syntax.OpRepeat:
		if re.Min > 0 && re.Min <= maxShape {
			for range re.Min {
				b.walk(re.Sub[0])
			}
			if re.Max != re.Min {
				b.end()
			}
			return
		}
	case syntax.OpPlus:
		b.walk(re.Sub[0])
	}
	b.end()
}

// maxShape bounds how long a row is.
const maxShape = 64

func (b *shaper) rune(r rune, fold bool) {
	c := new(byteClass)
	switch {
	case r == utf8.RuneError:
		b.end()
		return
	case !fold:
		for _, x := range []byte(string(r)) {
			c := new(byteClass)
			c[x] = true
			b.row = append(b.row, c)
		}
		return
	}
	for f := r; ; {
		if f >= utf8.RuneSelf {
			b.end()
			return
		}
		c[f] = true
		if f = unicode.SimpleFold(f); f == r {
			break
		}
	}
	b.row = append(b.row, c)
}

// end ends a row and keeps it if it is the best one.
func (b *shaper) end() {
	row := b.row
	b.row = nil
	if len(row) > maxShape {
		row = row[:maxShape]
	}
	s := &shape{classes: row}
	var text []byte
	n := 0
	for i, c := range row {
		one := c.lone()
		if text = append(text, one); one == 0 {
			text = nil
		}
		if len(text) > len(s.text) {
			s.text, s.at = string(text), i+1-len(text)
		}
	}
	if len(s.text) < fewestAnchored || strings.Trim(s.text, "0123456789") == "" {
		// Two digits are in every message; many in a row are not.
		s.text = ""
		for i, c := range row {
			if n++; !c.digits() {
				n = 0
			}
			if n > s.digits {
				s.digits, s.at = n, i+1-n
			}
		}
	} else {
		// Where letters of both cases stand the text is searched in lower case.
		for _, c := range row[s.at : s.at+len(s.text)] {
			s.fold = s.fold || !c.single()
		}
		if !s.fold {
			s.text = exact(row[s.at : s.at+len(s.text)])
		}
	}
	if (s.text != "" || s.digits >= fewestAnchored) && (b.best == nil || s.weight() > b.best.weight()) {
		b.best = s
	}
}

// exact returns the bytes of classes that are one byte each.
func exact(row []*byteClass) string {
	b := make([]byte, 0, len(row))
	for _, c := range row {
		b = append(b, byte(slices.Index(c[:], true)))
	}
	return string(b)
}

// weight is how rare a shape is, about: what narrows a byte down counts.
func (s *shape) weight() int {
	w := 4 * len(s.text)
	for _, c := range s.classes {
		switch {
		case c.lone() != 0:
			w += 4
		case c.digits():
			w += 3
		default:
			w++
		}
	}
	return w
}

// lone returns the one letter or sign that c is, in lower case; 0 if it is more.
func (c *byteClass) lone() byte {
	var one byte
	for i, in := range c {
		if !in {
			continue
		}
		b := byte(i)
		if b < utf8.RuneSelf {
			b = lowered[b]
		}
		if one != 0 && one != b {
			return 0
		}
		one = b
	}
	return one
}

// single reports whether c is one byte in one case.
func (c *byteClass) single() bool {
	n := 0
	for _, in := range c {
		if in {
			n++
		}
	}
	return n == 1
}

// digits reports whether c is nothing but digits.
func (c *byteClass) digits() bool {
	some := false
	for i, in := range c {
		if in && (i < '0' || i > '9') {
			return false
		}
		some = some || in
	}
	return some
}

// find calls yield with where s stands in h, in order, for as long as yield wants
// more.
func (s *shape) find(h *Haystack, yield func(at int) bool) {
	if s.text == "" {
		for _, d := range h.runs(s.digits) {
			for at := d.from; at+s.digits <= d.to; at++ {
				if s.matches(h.text, at-s.at) && !yield(at-s.at) {
					return
				}
			}
		}
		return
	}
	in := h.text
	if s.fold {
		in = h.foldedText()
	}
	needle := []byte(s.text)
	for at := 0; ; at++ {
		i := bytes.Index(in[at:], needle)
		if i < 0 {
			return
		}
		at += i
		if s.matches(h.text, at-s.at) && !yield(at-s.at) {
			return
		}
	}
}

func (s *shape) matches(text []byte, at int) bool {
	if at < 0 || at+len(s.classes) > len(text) {
		return false
	}
	for i, c := range s.classes {
		if !c[text[at+i]] {
			return false
		}
	}
	return true
}
