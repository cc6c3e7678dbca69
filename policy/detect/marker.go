package detect

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"
)

var content = finders{"classification-marker": {scanned: true}}

// markers are what messages and documents are classified with, the longer first.
// What needs no protection (public, TLP:CLEAR, TLP:GREEN) is none of them.
var markers = []string{
	"highly confidential", "strictly confidential", "strictly private and confidential", "private and confidential", "private & confidential", "company confidential", "commercial in confidence", "confidential",
	"internal use only", "for internal use only", "internal only", "official-sensitive", "official sensitive", "top secret", "secret", "restricted", "eyes only", "attorney-client privileged", "privileged and confidential",
	"streng vertraulich", "vertraulich", "nur für den internen gebrauch", "nur für den dienstgebrauch", "vs-nur für den dienstgebrauch", "vs-nfd", "vs-vertraulich", "streng geheim", "geheim",
	"strictement confidentiel", "confidentiel défense", "confidentiel", "diffusion restreinte", "usage interne", "estrictamente confidencial", "confidencial", "uso interno", "strettamente riservato", "riservato", "uso interno",
	"strikt vertrouwelijk", "vertrouwelijk", "alleen voor intern gebruik", "strängt konfidentiellt", "konfidentiellt", "strengt fortrolig", "fortrolig", "ehdottoman luottamuksellinen", "luottamuksellinen", "ściśle poufne", "ściśle tajne", "poufne",
	"çok gizli", "gizli", "社外秘", "極秘", "部外秘", "机密", "絕密", "绝密", "機密", "대외비",
}

// usual are those that are titles and answers as well: they count in capitals, or
// where a label names them.
var usual = set("secret", "restricted", "geheim", "gizli", "riservato", "poufne", "fortrolig", "internal only")

func init() {
	seen := map[string]bool{}
	for _, m := range markers {
		// The case of a trigger is that of ASCII.
		capital := strings.Map(func(r rune) rune {
			if r < utf8.RuneSelf {
				return r
			}
			return unicode.ToUpper(r)
		}, m)
		for _, spelt := range []string{m, capital} {
			if !seen[spelt] {
				seen[spelt] = true
				on(spelt, true, (*scanner).marker)
			}
		}
	}
	for _, colour := range []string{"red", "amber+strict", "amber"} {
		on("tlp:"+colour, true, (*scanner).trafficLight)
	}
}

// trafficLight judges a marking of the Traffic Light Protocol, which says by itself
// what it is.
func (s *scanner) trafficLight(start, end int) {
	if end == len(s.buf) || !wordAt(s.buf, end) && s.buf[end] != '+' {
		s.mark(start, end, "Traffic Light Protocol")
	}
}

// longestBanner is how long the line of a marking may be.
const longestBanner = 80

// marker judges a word of markers: a line of its own, a tag at the start of one, or
// what a label names. In a sentence it classifies nothing.
func (s *scanner) marker(start, end int) {
	buf := s.buf
	if end < len(buf) && wordAt(buf, end) || start > 0 && wordBefore(buf, start) || isLower(buf[start]) && !s.labelledMarker(start) {
		return
	}
	from, to := start, end
	for from > 0 && start-from <= longestBanner && !lineEnd(buf[from-1]) {
		from--
	}
	for to < len(buf) && to-end <= longestBanner && !lineEnd(buf[to]) {
		to++
	}
	s.work += to - from
	before, after := bytes.TrimLeft(buf[from:start], decoration), bytes.TrimRight(buf[end:to], decoration)
	switch {
	case usual[string(bytes.ToLower(buf[start:end]))] && !bytes.Equal(buf[start:end], bytes.ToUpper(buf[start:end])) && !s.labelledMarker(start):
		s.reject("classification-marker", start, end, "a word that is a heading as well")
	case len(before) == 0 && len(after) == 0:
		s.mark(start, end, "a line of its own")
	case len(before) == 0 && start > from && buf[start-1] == '[' && buf[end] == ']':
		s.mark(start, end, "a tag at the start of a line")
	case s.labelledMarker(start):
		s.mark(start, end, "what a label names")
	case to-from <= longestBanner && title(before) && (len(after) == 0 || isUpper(buf[end-1]) && capitals(after)):
		s.mark(start, end, "a banner")
	default:
		s.reject("classification-marker", start, end, "part of a sentence")
	}
}

// decoration is what frames a marking.
const decoration = " *#=-_~|/<>[](){}.!:'\"\u2022"

func lineEnd(c byte) bool { return c == '\n' || c == '\f' || c == '\t' }

// labelledMarker reports whether "classification:" or the like stands right before
// start.
func (s *scanner) labelledMarker(start int) bool {
	i := start
	for i > 0 && (s.buf[i-1] == ' ' || s.buf[i-1] == '"' || s.buf[i-1] == '\'') {
		i--
	}
	if i == 0 || s.buf[i-1] != ':' && s.buf[i-1] != '=' {
		return false
	}
	k := kinds["classification-marker"]
	ev := s.evidence(k.set, k.Within, start, start)
	return ev.found() && ev.before && ev.dist <= labelGap
}

// title reports whether b is empty, or a name and a sign that parts it from what
// follows: "Contoso - ".
func title(b []byte) bool {
	b = bytes.TrimRight(b, " ")
	if len(b) == 0 {
		return true
	}
	if c := b[len(b)-1]; c != '-' && c != '|' && c != '/' {
		return false
	}
	for _, word := range bytes.Fields(b) {
		if isLower(word[0]) {
			return false
		}
	}
	return true
}

// capitals reports whether b is in capitals, parted from what stands before it by a
// sign: " - DO NOT FORWARD", "//NOFORN".
func capitals(b []byte) bool {
	b = bytes.TrimLeft(b, " ")
	if b[0] != '-' && b[0] != '/' && b[0] != '|' {
		return false
	}
	for _, c := range b {
		if isLower(c) {
			return false
		}
	}
	return true
}

// mark adds a marking.
func (s *scanner) mark(start, end int, why string) {
	k := kinds["classification-marker"]
	c := candidate{kind: k, start: start, end: end, level: k.Alone, value: string(bytes.ToLower(s.buf[start:end])), why: why}
	if ev := s.evidence(k.set, k.Within, start, end); ev.found() && ev.full {
		c.level, c.evidence, c.dist = k.WithContext, true, ev.rank()
		c.why += "; " + s.tell(ev)
	}
	s.add(c)
}
