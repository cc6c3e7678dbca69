package detect

import (
	"strings"
	"unicode/utf8"

	"teamsdlp/policy/extract"
)

// dots hide what is not shown; a dot takes dotSize bytes.
const (
	dot     = "•"
	dotSize = len(dot)
)

var dots = strings.Repeat(dot, mostDots)

const mostDots = 40

// mask hides value. prefix is what is public of a secret.
func mask(m MaskKind, value, prefix string) string {
	n := utf8.RuneCountInString(value)
	switch m {
	case MaskCard:
		if n >= 12 {
			return value[:6] + dots[:min(n-10, mostDots)*dotSize] + value[n-4:]
		}
	case MaskPrefix:
		return prefix + dots[:4*dotSize]
	case MaskEmail:
		at := strings.LastIndexByte(value, '@')
		_, first := utf8.DecodeRuneInString(value)
		if at >= first && at > 0 {
			return value[:first] + dots[:3*dotSize] + value[at:]
		}
	case maskForm:
		return value
	case MaskAll:
		return dots[:4*dotSize]
	}
	// Long values, a whole key block say, are not drawn at full length.
	shown := min(4, n/4)
	tail := value
	for range n - shown {
		_, size := utf8.DecodeRuneInString(tail)
		tail = tail[size:]
	}
	return dots[:min(n-shown, mostDots)*dotSize] + tail
}

// MaskAll replaces every match in s of at least Low by its masked form. It is for
// people's own words (a justification, a note) before they are written down.
func (e *Engine) MaskAll(s string) string {
	t := extract.Plain(s)
	matches := e.Scan(t, Options{})
	if len(matches) == 0 {
		return s
	}
	var b strings.Builder
	done := 0
	for _, m := range matches {
		_, start, end := t.Origin(m.Start, m.End)
		if start < done { // a company's own detector found it as well
			if end <= done {
				continue
			}
			start = done
		}
		b.WriteString(s[done:start])
		b.WriteString(m.Masked)
		done = end
	}
	b.WriteString(s[done:])
	return b.String()
}
