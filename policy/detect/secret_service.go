package detect

import (
	"bytes"
	"strings"
)

// A service issues keys that only their name gives away: "DATADOG_API_KEY=…".
type service struct {
	kind   *kind
	words  []string // one of which stands before the assignment, in lower case
	shapes []*tokenForm
}

var services []*service

// listService compiles the shapes of what a service issues.
func listService(k *kind) {
	sv := &service{kind: k, words: k.Words}
	for _, shape := range k.Tokens {
		parts, err := parseParts(shape)
		if err != nil {
			panic(k.ID + ": " + err.Error()) // the catalogue is part of the program
		}
		sv.shapes = append(sv.shapes, &tokenForm{parts: parts})
	}
	for _, w := range sv.words {
		on(w, true, func(s *scanner, start, end int) { s.serviceNamed(start, end, w) })
	}
	services = append(services, sv)
}

// serviced returns the service whose key v is, which is given to the words that
// end before end; nil if none.
func (s *scanner) serviced(start, end int, v string) *service {
	before := bytes.ToLower(s.buf[s.lineStart(start, 40):end])
	s.work += len(before) * 4
	for _, sv := range services {
		for _, w := range sv.words {
			if !bytes.Contains(before, []byte(w)) {
				continue
			}
			for _, f := range sv.shapes {
				if f.follows([]byte(v), 0) == len(v) && entropy(v) >= 3 {
					return sv
				}
			}
		}
	}
	return nil
}

// serviceNamed looks for a key that is given to the name of its service and to no
// word for a key: "circleci: …".
func (s *scanner) serviceNamed(start, end int, word string) {
	how := s.joined(start, skipQuote(s.buf, end), word, false)
	if how.at < 0 || how.how != given && how.how != passed {
		return
	}
	from, to, _ := value(s.buf, how.at, maxPassword)
	s.work += to - start
	v := string(s.buf[from:to])
	// A form of two parts is none that words have.
	if parted := strings.IndexByte(v, ':') > 0; placeholder(v) || !parted && (len(v) < 24 || !random(v)) {
		return
	}
	if sv := s.serviced(start, from, v); sv != nil {
		s.add(candidate{kind: sv.kind, start: from, end: to, level: sv.kind.Alone, value: v, why: "given to the name of the service, and of its form"})
	}
}

// skipQuote skips what ends a name in quotes.
func skipQuote(buf []byte, i int) int {
	if i < len(buf) && (buf[i] == '"' || buf[i] == '\'') {
		i++
	}
	return i
}
