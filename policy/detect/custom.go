package detect

import (
	"bytes"
	"errors"
	"regexp"
	"regexp/syntax"
	"strings"
)

// maxPattern is Purview's limit for a pattern (sit-limits): what is imported from
// there fits.
const maxPattern = 1024

// A gate is what every match of a pattern must hold, derived from the pattern: a
// text without it is not searched.
type gate struct {
	literal []byte // nil: none
	digits  bool   // at least one
}

// passes reports whether buf may hold a match.
func (g gate) passes(buf []byte, digits bool) bool {
	return (!g.digits || digits) && (g.literal == nil || bytes.Contains(buf, g.literal))
}

// gated compiles a pattern and derives its gate. Errors say what to do and quote
// no more than the pattern's own syntax.
func gated(p string) (*regexp.Regexp, gate, error) {
	switch {
	case p == "":
		return nil, gate{}, errors.New("the pattern is empty")
	case len(p) > maxPattern:
		return nil, gate{}, errors.New("the pattern is longer than 1024 characters")
	}
	tree, err := syntax.Parse(p, syntax.Perl)
	if err != nil {
		if lookAround(p) {
			return nil, gate{}, errors.New("look-ahead, look-behind and the like are not supported: use context words or a validator instead")
		}
		return nil, gate{}, err
	}
	re, err := regexp.Compile(p)
	if err != nil {
		return nil, gate{}, err
	}
	if re.MatchString("") {
		return nil, gate{}, errors.New("the pattern matches the empty text, so it would match everywhere")
	}
	var g gate
	g.derive(tree.Simplify())
	return re, g, nil
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

// derive adds to g what every match of re must hold.
func (g *gate) derive(re *syntax.Regexp) {
	switch re.Op {
	case syntax.OpLiteral:
		if re.Flags&syntax.FoldCase == 0 && len(re.Rune) > 0 {
			if l := []byte(string(re.Rune)); len(l) > len(g.literal) {
				g.literal = l
			}
		}
		for _, r := range re.Rune {
			g.digits = g.digits || r >= '0' && r <= '9'
		}
	case syntax.OpCharClass:
		only := len(re.Rune) > 0
		for i := 0; i+1 < len(re.Rune); i += 2 {
			only = only && re.Rune[i] >= '0' && re.Rune[i+1] <= '9'
		}
		g.digits = g.digits || only
	case syntax.OpConcat:
		for _, sub := range re.Sub {
			g.derive(sub)
		}
	case syntax.OpCapture, syntax.OpPlus:
		g.derive(re.Sub[0])
	case syntax.OpRepeat:
		if re.Min > 0 {
			g.derive(re.Sub[0])
		}
	case syntax.OpAlternate:
		all := true
		for _, sub := range re.Sub {
			var one gate
			one.derive(sub)
			all = all && one.digits
		}
		g.digits = g.digits || all
	}
}

// custom runs a company's own detectors.
func (s *scanner) custom() {
	for _, o := range s.e.own {
		if s.o.Only != nil && !s.o.Only[o.ID] {
			continue
		}
		for i, re := range o.patterns {
			if !o.gates[i].passes(s.buf, s.digit) {
				continue
			}
			for _, m := range re.FindAllSubmatchIndex(s.buf, -1) {
				start, end := m[0], m[1]
				if len(m) > 2 && m[2] >= 0 {
					start, end = m[2], m[3]
				}
				if start < end {
					s.ownMatch(o, start, end)
				}
			}
		}
	}
}

// ownMatch judges one match of a company's own detector.
func (s *scanner) ownMatch(o *owned, start, end int) {
	buf := s.buf
	if start > 0 && isDigit(buf[start]) && isDigit(buf[start-1]) || end < len(buf) && isDigit(buf[end-1]) && isDigit(buf[end]) {
		s.reject(o.ID, start, end, "part of a longer number")
		return
	}
	if bytes.IndexByte(buf[start:end], '\f') >= 0 {
		s.reject(o.ID, start, end, "reaches over two parts of the message")
		return
	}
	value := canonical(string(buf[start:end]))
	if value == "" {
		value = string(buf[start:end])
	}
	c := candidate{own: o, start: start, end: end, level: o.Alone, value: value, why: "pattern"}
	if o.Validate != "" {
		if !Validate(o.Validate, value) {
			s.reject(o.ID, start, end, o.Validate)
			return
		}
		c.why = o.Validate + " holds"
	}
	if len(o.Words) > 0 {
		if ev := s.evidence(o.set, o.Within, start, end); ev.found() {
			c.level, c.evidence = o.WithContext, true
			c.why += "; " + s.tell(ev)
		}
	}
	if c.level == 0 {
		s.reject(o.ID, start, end, "no context word nearby")
		return
	}
	s.found = append(s.found, c)
}
