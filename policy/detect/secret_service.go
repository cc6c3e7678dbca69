package detect

import (
	"bytes"
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
