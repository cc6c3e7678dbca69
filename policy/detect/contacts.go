package detect

import (
	"bytes"
	"strings"
	"unicode/utf8"

	"teamsdlp/policy/extract"
)

// RFC 5321's limits for the local part and the domain.
const maxLocal, maxDomain = 64, 255

func isLocal(c byte) bool {
	return isAlnum(c) || c >= utf8.RuneSelf || c == '.' || c == '_' || c == '%' || c == '+' || c == '-' || c == '\''
}

func isDomain(c byte) bool { return isAlnum(c) || c >= utf8.RuneSelf || c == '-' || c == '.' }

// email reads an address around the '@' at i.
func (s *scanner) email(i int) {
	from := i
	for from > 0 && i-from < maxLocal && isLocal(s.buf[from-1]) && (s.buf[from-1] < utf8.RuneSelf || wordBefore(s.buf, from)) {
		from--
	}
	to := i + 1
	for to < len(s.buf) && to-i < maxDomain && isDomain(s.buf[to]) && (s.buf[to] < utf8.RuneSelf || wordAt(s.buf, to)) {
		to++
	}
	s.work += to - from
	s.address(from, i, i+1, to)
}

// address judges the local part buf[from:localEnd] and the domain buf[domain:to].
func (s *scanner) address(from, localEnd, domain, to int) {
	buf, k := s.buf, kinds["email"]
	// The limits of length may have cut a rune in two.
	for from < localEnd && !utf8.RuneStart(buf[from]) {
		from++
	}
	for to > domain && to < len(buf) && !utf8.RuneStart(buf[to]) {
		to--
	}
	if bytes.ContainsRune(buf[from:to], utf8.RuneError) {
		return
	}
	for from < localEnd && (buf[from] == '.' || buf[from] == '\'' || buf[from] == '-' || buf[from] == '%') {
		from++
	}
	for to > domain && (buf[to-1] == '.' || buf[to-1] == '-') {
		to--
	}
	host := buf[domain:to]
	dot := bytes.LastIndexByte(host, '.')
	if from == localEnd || dot <= 0 || bytes.Contains(host, []byte("..")) || bytes.Contains(buf[from:localEnd], []byte("..")) {
		return
	}
	tld := host[dot+1:]
	if len(tld) < 2 || len(tld) > 24 {
		return
	}
	for _, c := range tld {
		if !isLetter(c) && c < utf8.RuneSelf {
			s.reject(k.ID, from, to, "no top-level domain")
			return
		}
	}
	s.judgeAddress(from, to, strings.ToLower(string(buf[from:localEnd])+"@"+string(host)), false)
}

// judgeAddress weighs the address value at buf[from:to] and adds it. spelled: its
// signs are written in words.
func (s *scanner) judgeAddress(from, to int, value string, spelled bool) {
	buf, k := s.buf, kinds["email"]
	top := value[strings.LastIndexByte(value, '.')+1:]
	switch {
	case fileTypes[top]:
		s.reject(k.ID, from, to, "a file name")
		return
	case strings.HasSuffix(value, "@thread.skype") || strings.HasSuffix(value, "@unq.gbl.spaces") || strings.HasPrefix(top, "tacv"):
		s.reject(k.ID, from, to, "a Teams conversation id")
		return
	case s.inUserinfo(from):
		s.reject(k.ID, from, to, "a user in a URL")
		return
	case strings.HasPrefix(value, "git@") && to < len(buf) && buf[to] == ':':
		s.reject(k.ID, from, to, "a repository's address")
		return
	}
	c := candidate{kind: k, start: from, end: to, level: k.Alone, value: value, why: "address with a top-level domain"}
	d := value[strings.LastIndexByte(value, '@')+1:]
	c.known = documentation(d)
	ev := s.evidence(k.set, k.Within, from, to)
	if ev.found() && ev.full {
		c.level, c.evidence = k.WithContext, true
		c.why += "; " + s.tell(ev)
	} else if s.t.Zone(from) == extract.Code {
		c.level = c.level.lower()
		c.why += "; in code"
	}
	if spelled {
		local := value[:strings.LastIndexByte(value, '@')]
		if !c.evidence && strings.IndexByte(string(buf[from:to]), ' ') >= 0 && !strings.ContainsAny(string(buf[from:to]), "[({<") && !strings.ContainsAny(local, "._0123456789") {
			s.reject(k.ID, from, to, "words of a sentence")
			return
		}
		c.level = Low
		c.why += "; its signs are spelled out"
	}
	s.add(c)
}

// inUserinfo reports whether a URL starts before from, and its host is not yet
// reached there: what ends at the '@' is a user's name or password.
func (s *scanner) inUserinfo(from int) bool {
	lo := from
	for lo > 0 && from-lo < maxLocal && !blankByte(s.buf[lo-1]) {
		lo--
	}
	s.work += from - lo
	before := s.buf[lo:from]
	i := bytes.LastIndex(before, []byte("://"))
	return i >= 0 && bytes.IndexByte(before[i+3:], '/') < 0
}

// documentation reports whether a host is one that is kept for examples (RFC 2606).
func documentation(host string) bool {
	host, _, _ = strings.Cut(host, ":")
	for _, d := range []string{"example.com", "example.org", "example.net", "example", "test", "invalid"} {
		if host == d || strings.HasSuffix(host, "."+d) {
			return true
		}
	}
	return false
}

// fileTypes are endings of file names that look like top-level domains.
var fileTypes = set("png", "jpg", "jpeg", "gif", "svg", "webp", "ico", "bmp", "css", "js", "ts", "tsx", "jsx", "json", "yaml", "yml", "xml", "html", "txt", "csv",
	"pdf", "docx", "xlsx", "pptx", "exe", "dll", "jar", "py", "go", "cs", "java", "local", "internal", "lan", "localdomain", "localhost")

// international reads a phone number after the international prefix buf[i:j]: '+',
// or the 00 that many countries dial.
func (s *scanner) international(i, j int) {
	buf, k := s.buf, kinds["phone-e164"]
	if i > 0 && (strings.IndexByte(".-/_", buf[i-1]) >= 0 && buf[i] == '0' || wordBefore(buf, i) || buf[i-1] == '+') {
		return
	}
	d := s.spare[:0]
	var ends, counts [16]int
	groups := 0
	for j < len(buf) && len(d) <= 15 {
		if isDigit(buf[j]) {
			for j < len(buf) && isDigit(buf[j]) && len(d) <= 15 {
				d = append(d, buf[j])
				j++
			}
			if groups < len(ends) && len(d) <= 15 {
				ends[groups], counts[groups] = j, len(d)
				groups++
			}
			continue
		}
		if bytes.HasPrefix(buf[j:], []byte("(0)")) { // the trunk prefix, not dialled from abroad
			j += 3
			continue
		}
		if strings.IndexByte(" .-()/_\n", buf[j]) < 0 || !digitWithin(buf, j, 4) {
			break
		}
		j++
	}
	s.work += j - i
	if groups == 0 {
		return
	}
	code, first := dialCode(d)
	if code == 0 {
		s.reject(k.ID, i, j, "country code")
		return
	}
	for g := groups - 1; g >= 0; g-- {
		n, end := counts[g]-code, ends[g]
		if n < 4 || n > 15 || first[n]>>(d[code]-'0')&1 == 0 || end < len(buf) && wordAt(buf, end) && !s.extension(end) {
			continue
		}
		if d[0] == '1' && !nanp(d[1:11]) {
			break
		}
		c := candidate{kind: k, start: i, end: end, level: k.Alone, value: "+" + string(d[:counts[g]]), why: "country code +" + string(d[:code]) + " and length"}
		if buf[i] == '0' {
			if c.level = Low; g == 0 {
				c.level = Internal // bare digits that happen to start with 00
			}
		}
		ev := s.evidence(k.set, k.Within, i, end)
		lines := bytes.Count(buf[i:end], []byte("\n"))
		if lines > 0 && !ev.found() {
			continue // the next line's number is its own
		}
		if ev.found() && ev.full && (buf[i] != '0' || g > 0 || ev.dist <= beside) {
			c.level, c.evidence = k.WithContext, true
			c.why += "; " + s.tell(ev)
		} else if ev.label {
			c.level = c.level.lower()
			c.why += "; a label right before it says it is something else"
		}
		if lines > 1 {
			c.level = c.level.lower()
			c.why += "; it reaches over a paragraph's end"
		}
		if d[0] == '1' && fictional(d[:counts[g]]) {
			c.level, c.known = min(c.level, Internal), true
		}
		s.add(c)
		return
	}
	s.reject(k.ID, i, j, "length for the country")
}

func digitWithin(buf []byte, i, n int) bool {
	for _, c := range buf[i:min(len(buf), i+n+1)] {
		if isDigit(c) {
			return true
		}
		if strings.IndexByte(" .-()/_\n", c) < 0 {
			return false
		}
	}
	return false
}
