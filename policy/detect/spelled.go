package detect

import (
	"strings"
	"unicode/utf8"
)

// People spell addresses so that programs do not read them: jane [at] contoso
// (dot) com. What is read here is spelled in at least one sign.

// sign reads a sign of an address at i, going forward: the sign itself, its word
// in brackets, or the word between spaces. It returns what follows, -1 if there is
// none, and whether it is spelled.
func sign(buf []byte, i int, itself byte, words ...string) (next int, spelled bool) {
	j := i
	if j < len(buf) && buf[j] == ' ' {
		j++
	}
	if j == len(buf) {
		return -1, false
	}
	closing := byte(0)
	switch buf[j] {
	case '[':
		closing = ']'
	case '(':
		closing = ')'
	case '{':
		closing = '}'
	case '<':
		closing = '>'
	}
	k := j
	if closing != 0 {
		if k++; k < len(buf) && buf[k] == ' ' {
			k++
		}
	}
	n := 0
	switch {
	case k < len(buf) && buf[k] == itself:
		n = 1
	default:
		for _, w := range words {
			if k+len(w) < len(buf) && buf[k]|0x20 == w[0] && matches(buf[k:k+len(w)], w, true) && !wordAt(buf, k+len(w)) {
				n = len(w)
				break
			}
		}
	}
	if n == 0 {
		return -1, false
	}
	k += n
	switch {
	case closing != 0:
		if k < len(buf) && buf[k] == ' ' {
			k++
		}
		if k == len(buf) || buf[k] != closing {
			return -1, false
		}
		k++
	case n > 1 && (j == i || k == len(buf) || buf[k] != ' '):
		return -1, false // a word must stand by itself
	case n == 1 && itself == '.' && (j > i || k < len(buf) && buf[k] == ' '):
		return -1, false // the end of a sentence
	}
	if k < len(buf) && buf[k] == ' ' {
		k++
	}
	return k, closing != 0 || n > 1 || j > i || k > j+n
}

// maxLabels bounds the parts of a spelled name.
const maxLabels = 6

// spelledEmail reads an address whose '@', as a sign or as a word, is at i, or
// whose bracket is.
func (s *scanner) spelledEmail(i int) {
	buf := s.buf
	at := i
	if at > 0 && buf[at-1] == ' ' {
		at--
	}
	domain, spelled := sign(buf, at, '@', "at", "a")
	if domain < 0 {
		return
	}
	// The domain: labels with dots between.
	var space [maxDomain]byte
	host := space[:0]
	to, dots, last := domain, 0, 0
	for j := domain; ; {
		start := j
		for j < len(buf) && j-start < maxLocal && (isAlnum(buf[j]) || buf[j] == '-') {
			j++
		}
		if j == start || len(host)+j-start >= maxDomain {
			break
		}
		host = append(host, buf[start:j]...)
		to, last = j, j-start
		next, is := sign(buf, j, '.', "dot", "punkt", "point", "punto")
		if next < 0 || dots == maxLabels || next == len(buf) || !isAlnum(buf[next]) {
			break
		}
		host = append(host, '.')
		spelled = spelled || is
		dots++
		j = next
	}
	s.work += to - at
	if dots == 0 || last < 2 {
		return
	}
	from, local, spelledLocal := s.localBefore(at)
	if from < 0 {
		return
	}
	h := strings.ToLower(string(host))
	top := h[strings.LastIndexByte(h, '.')+1:]
	if strings.HasSuffix(h, ".") || strings.IndexFunc(top, func(r rune) bool { return r < 'a' || r > 'z' }) >= 0 || to < len(buf) && wordAt(buf, to) {
		return
	}
	if spelled || spelledLocal {
		s.judgeAddress(from, to, strings.ToLower(local)+"@"+h, true)
	}
}

// dotAhead reports whether a dot in brackets follows the host's name after the '@'
// at i.
func (s *scanner) dotAhead(i int) bool {
	j := i + 1
	for j < len(s.buf) && j-i < maxLocal && (isAlnum(s.buf[j]) || s.buf[j] == '-') {
		j++
	}
	s.work += j - i
	return j+1 < len(s.buf) && (s.buf[j] == '[' || s.buf[j] == '(' || s.buf[j] == ' ' && (s.buf[j+1] == '(' || s.buf[j+1] == '['))
}

// dotBehind reports whether, behind a blank at i and what may be a label of a name, a
// dot could follow, as a sign or as a word: behind "look at the" none does.
func dotBehind(buf []byte, i int) bool {
	if i+1 >= len(buf) || buf[i] != ' ' {
		return false
	}
	for i++; i < len(buf) && (isAlnum(buf[i]) || buf[i] == '-'); i++ {
	}
	if i+2 >= len(buf) {
		return false
	}
	c := buf[i]
	if c == ' ' {
		c = buf[i+1]
	}
	switch c | 0x20 {
	case 'd', 'p': // dot, punkt, point, punto
		return buf[i+2]|0x20 == 'o' || buf[i+2]|0x20 == 'u'
	}
	return c == '.' || c == '[' || c == '(' || c == '{' || c == '<'
}

// localBefore reads the local part that ends at i, and returns where it starts, -1
// if there is none.
func (s *scanner) localBefore(i int) (from int, local string, spelled bool) {
	buf, from := s.buf, i
	for n := 0; n < maxLabels; n++ {
		start := from
		for from > 0 && start-from < maxLocal && isLocal(buf[from-1]) {
			from--
		}
		for from < start && !utf8.RuneStart(buf[from]) {
			from++
		}
		if from == start {
			return -1, "", false
		}
		local = string(buf[from:start]) + local
		dot := from
		for dot > 0 && from-dot < 8 && strings.IndexByte(" [](){}<>DdOoTt.", buf[dot-1]) >= 0 {
			dot--
		}
		// The dot may be any part of what stands there.
		found := false
		for ; dot < from && !found; dot++ {
			if next, is := sign(buf, dot, '.', "dot"); next == from && is && dot > 0 && isAlnum(buf[dot-1]) {
				found = true
				break
			}
		}
		if !found {
			break
		}
		local, from, spelled = "."+local, dot, true
	}
	local = strings.Trim(local, ".-'%")
	return from, local, spelled && local != ""
}
