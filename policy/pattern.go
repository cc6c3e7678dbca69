package policy

import (
	"bytes"
	"regexp"
	"regexp/syntax"
	"unicode/utf8"
)

// pattern is a regular expression with what must occur for it to match: looking
// for a literal is some hundred times faster than running the expression.
type pattern struct {
	re  *regexp.Regexp
	any []literal // one of them must occur; empty: nothing is known
}

// literal is text that must occur as it is, or, folded, in any case of its ASCII
// letters (then it is lower case).
type literal struct {
	text string
	fold bool
}

// maxLiterals bounds how many alternatives are looked for before the expression
// itself is the cheaper search.
const maxLiterals = 8

func newPattern(re *regexp.Regexp) *pattern {
	p := &pattern{re: re}
	if tree, err := syntax.Parse(re.String(), syntax.Perl); err == nil {
		p.any = required(tree.Simplify())
	}
	return p
}

// HasLiteral reports whether every match of re holds some fixed text of at least
// two bytes, so that most messages need not be searched with re at all.
func HasLiteral(re *regexp.Regexp) bool { return len(newPattern(re).any) > 0 }

// possible reports whether p could match the message's text.
func (p *pattern) possible(j *Judging) bool {
	if len(p.any) == 0 {
		return true
	}
	text := j.m.Text.Bytes()
	for _, l := range p.any {
		in := text
		if l.fold {
			if j.lower == nil {
				j.lower = lowerASCII(text)
			}
			in = j.lower
		}
		if bytes.Contains(in, []byte(l.text)) {
			return true
		}
	}
	return false
}

func lowerASCII(text []byte) []byte {
	low := make([]byte, len(text))
	for i, b := range text {
		if 'A' <= b && b <= 'Z' {
			b += 'a' - 'A'
		}
		low[i] = b
	}
	return low
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
			run = append(run, lowerASCII([]byte{byte(r)})...)
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
