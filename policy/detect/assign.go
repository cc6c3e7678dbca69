package detect

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

// verbs are what joins a password to its word in a sentence.
var verbs = []string{"is", "ist", "lautet", "est", "es", "e'", "è", "é", "jest", "är", "er", "on"}

// common are words that follow "password:" and are none.
var common = set("required", "reset", "wrong", "incorrect", "expired", "invalid", "missing", "protected", "manager", "policy", "below", "above", "here", "none", "null", "nil",
	"true", "false", "empty", "unknown", "string", "hidden", "secret", "password", "pass", "passwd", "pwd", "pw", "the", "and", "not", "see", "ask", "same", "todo", "tbd", "n/a",
	"yes", "no", "please", "must", "should", "will", "has", "was", "for", "with", "optional", "value", "undefined", "default", "stored", "saved", "sent", "changed", "set", "user", "username",
	"mypassword", "yourpassword", "userpassword", "dbpassword", "test", "demo", "admin", "root", "guest", "hunter", "token", "apikey", "key", "changeit", "passwort", "kennwort", "erforderlich", "falsch", "abgelaufen")

// assigned looks for a value that is given to the word buf[start:end]: after ':',
// '=', "is" and the like. password tells a password from a key or token, whose
// value must look random.
func (s *scanner) assigned(start, end int, word string, password bool) {
	buf := s.buf
	if start > 0 && isWordByte(buf[start-1]) && !(isLower(buf[start-1]) && isUpper(buf[start])) && buf[start] < utf8.RuneSelf {
		return
	}
	i := end
	if i < len(buf) && (isLetter(buf[i]) || isDigit(buf[i])) {
		return // a longer word
	}
	for i < len(buf) && i-end < 3 && strings.IndexByte("\"'])", buf[i]) >= 0 {
		i++
	}
	i, sentence := joined(buf, i)
	if i < 0 {
		return
	}
	from, to, quoted := value(buf, i)
	s.work += to - start
	v := string(buf[from:to])
	id := "secret-generic"
	if password {
		id = "password-assignment"
	}
	k := kinds[id]
	switch {
	case len(v) < 4 || len(v) > 128 || strings.IndexByte(v, '\f') >= 0:
		return
	case placeholder(v) || common[strings.ToLower(v)] || repeated(v) || strings.Trim(v, "*•.-_?!#xX") == "":
		s.reject(k.ID, from, to, "placeholder")
		return
	case !quoted && strings.ContainsAny(v, "()[]{}<>") && !password, strings.HasSuffix(v, "()"):
		s.reject(k.ID, from, to, "an expression, not a value")
		return
	case start > 0 && buf[start-1] == '$', strings.EqualFold(word, "pwd") && (v[0] == '/' || v[0] == '~'):
		s.reject(k.ID, from, to, "a path")
		return
	case strings.Contains(v, "://"):
		s.reject(k.ID, from, to, "a URL")
		return
	}
	digits, upper, lower := mix(v)
	signs := len(v) - digits - upper - lower
	if !password {
		if len(v) < 16 || digits < 2 || upper+lower < 2 || entropy(v) < 3.5 {
			s.reject(k.ID, from, to, "randomness")
			return
		}
		s.add(candidate{kind: k, start: from, end: to, level: k.Alone, value: v, why: `"` + word + `" is given a random value`})
		return
	}
	classes := 0
	for _, n := range []int{digits, upper, lower, signs} {
		if n > 0 {
			classes++
		}
	}
	level := k.Alone
	switch {
	case classes >= 3 && len(v) >= 6 || classes >= 2 && len(v) >= 8 && (digits > 0 || signs > 1):
		level = k.Printed
	case classes == 1 && digits == 0, classes == 2 && digits == 0 && signs == 0:
		// A word. It is one only if nothing else stands on the line.
		if sentence || !quoted && !lineEnds(buf, to) {
			s.reject(k.ID, from, to, "a word of the sentence")
			return
		}
	case sentence && digits == 0:
		s.reject(k.ID, from, to, "a word of the sentence")
		return
	}
	if word != "passphrase" && digits == 0 && strings.Contains(v, " ") {
		s.reject(k.ID, from, to, "a sentence")
		return
	}
	if word == "pass" && (digits == 0 || upper+lower == 0) {
		s.reject(k.ID, from, to, "a word of the sentence")
		return
	}
	s.add(candidate{kind: k, start: from, end: to, level: level, value: v, why: `"` + word + `" is given a value`})
}

// joined returns where the value after an assignment at i starts, -1 if there is
// no assignment. sentence: it was a verb.
func joined(buf []byte, i int) (next int, sentence bool) {
	i = blanks(buf, i)
	if i >= len(buf) {
		return -1, false
	}
	switch c := buf[i]; {
	case c == '=' || c == ':':
		i++
		for i < len(buf) && (buf[i] == '=' || buf[i] == '>') {
			i++
		}
	case c == '-' && i+1 < len(buf) && buf[i+1] == '>':
		i += 2
	case bytes.HasPrefix(buf[i:], []byte("\uff1a")): // folded in texts, kept in case
		i += len("\uff1a")
	default:
		for _, v := range verbs {
			if bytes.HasPrefix(buf[i:], []byte(v)) && i+len(v) < len(buf) && (buf[i+len(v)] == ' ' || buf[i+len(v)] == ':') {
				i += len(v)
				if buf[i] == ':' {
					i++
				}
				return blanks(buf, i), true
			}
		}
		return -1, false
	}
	return blanks(buf, i), false
}

func blanks(buf []byte, i int) int {
	for n := 0; i < len(buf) && buf[i] == ' ' && n < 8; n++ {
		i++
	}
	return i
}

// value returns the value at i: what is between quotes, or what goes on to the
// next blank, without the end of the sentence.
func value(buf []byte, i int) (from, to int, quoted bool) {
	if i < len(buf) && (buf[i] == '"' || buf[i] == '\'' || buf[i] == '`') {
		for j := i + 1; j < len(buf) && j-i <= 130 && buf[j] != '\n'; j++ {
			if buf[j] == buf[i] {
				return i + 1, j, true
			}
		}
		i++
	}
	to = i
	for to < len(buf) && to-i <= 130 && !blankValue(buf[to]) {
		to++
	}
	for to > i && strings.IndexByte(".,;:", buf[to-1]) >= 0 {
		to--
	}
	if to > i && buf[to-1] == ')' && bytes.IndexByte(buf[i:to], '(') < 0 {
		to--
	}
	return i, to, false
}

func blankValue(c byte) bool {
	return c == ' ' || c == '\n' || c == '\t' || c == '\f' || c == '"' || c == '\'' || c == '`' || c == ',' || c == ';' || c == '|'
}

// repeated reports whether v is one character over and over.
func repeated(v string) bool { return strings.Trim(v, v[:1]) == "" }

func lineEnds(buf []byte, i int) bool {
	for ; i < len(buf); i++ {
		switch buf[i] {
		case '\n', '\f', '\t':
			return true
		case ' ', '.', '!':
		default:
			return false
		}
	}
	return true
}
