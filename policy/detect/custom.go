package detect

import "bytes"

// custom runs a company's own detectors.
func (s *scanner) custom() {
	if len(s.e.own) == 0 {
		return
	}
	if s.tallies {
		s.hay.looked = true // run has taken note of all long rows of digits
	}
	var some bool
	s.possible, some = s.e.needles.Find(s.hay, s.possible)
	s.work += len(s.buf)
	if !some {
		return
	}
	n := 0
	for _, o := range s.e.own {
		possible := s.possible[n : n+len(o.patterns)]
		n += len(o.patterns)
		if s.o.Only != nil && !s.o.Only[o.ID] {
			continue
		}
		for i, p := range o.patterns {
			if !possible[i] {
				continue
			}
			for _, m := range p.Find(s.hay, -1) {
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
			s.reject(o.ID, start, end, "it fails the check that the detector asks for ("+o.Validate+")")
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
