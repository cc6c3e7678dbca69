package detect

import (
	_ "embed"
	"sort"
	"strings"
	"sync"
)

// phones.txt has a line for each region, and for each country code without one:
// the country code, the trunk prefixes that are or were dialled inside the country
// ('-': none), and the lengths of national numbers, each with the digits that they may
// start with; once more after a '=' where they are printed without a break; and
// after a '+' what mobile numbers have behind the area code, inside the country
// alone. It is drawn from ITU-T's national numbering plans as libphonenumber has
// them.
//
//go:embed phones.txt
var phonePlans string

// A plan is how numbers look inside a region.
type plan struct {
	code   string
	trunks []string
	first  [18]uint16 // by length: the digits that a number may start with, as bits
	bare   [18]uint16 // the same, of numbers that are printed without a break
	short  bool       // no number has more than six digits
	mobile string     // what mobile numbers have behind the area code
}

// numbering is every plan, by region and by country code.
type numbering struct {
	regions map[string]*plan
	codes   map[string]*[18]uint16
}

// plans are read when the first phone number is met.
var plans = sync.OnceValue(func() numbering {
	n := numbering{map[string]*plan{}, map[string]*[18]uint16{}}
	for line := range strings.Lines(phonePlans) {
		f := strings.Fields(line)
		p := &plan{code: f[1]}
		if f[2] != "-" {
			p.trunks = strings.Split(f[2], ",")
		}
		all := n.codes[p.code]
		if all == nil {
			all = new([18]uint16)
			n.codes[p.code] = all
		}
		p.short = true
		for _, l := range f[3:] {
			if l[0] == '+' {
				p.mobile = l[1:]
				continue
			}
			l, bare := strings.CutPrefix(l, "=")
			length, first, _ := strings.Cut(l, ":")
			at := number([]byte(length))
			starts := &p.first
			if bare {
				starts = &p.bare
			}
			for _, c := range first {
				starts[at] |= 1 << (c - '0')
			}
			all[at] |= p.first[at]
			p.short = p.short && at <= 6
		}
		n.regions[f[0]] = p
	}
	return n
})

// has reports whether d, without the trunk prefix, has a length and a first digit
// of the plan.
func (p *plan) has(d []byte) bool {
	n := len(d)
	if n >= 5 && n < len(p.first) && p.first[n]>>(d[0]-'0')&1 == 1 {
		return true
	}
	if p.mobile != "" && n-len(p.mobile) >= 10 && n < len(p.first) && p.first[n-len(p.mobile)]>>(d[0]-'0')&1 == 1 {
		for area := 2; area <= 4; area++ {
			if string(d[area:area+len(p.mobile)]) == p.mobile {
				return true
			}
		}
	}
	return false
}

// unbroken reports whether d is printed without a break; p may be nil.
func (p *plan) unbroken(d []byte) bool {
	return p != nil && len(d) < len(p.bare) && p.bare[len(d)]>>(d[0]-'0')&1 == 1
}

// What a national number is told by.
const (
	byNANP  = "North American numbering plan"
	byTrunk = "trunk prefix"
	byPairs = "pairs like those of a phone number"
	byGroup = "groups like those of a phone number"
)

// fewestDialled and mostDialled are how many digits a number has that is dialled inside
// some country: what all of them have in common. One in particular has its own plan.
const fewestDialled, mostDialled = 7, 12

// national reports whether d may be a phone number as it is dialled inside a
// country: in North America, in the home region, or somewhere.
func national(d []byte, home string) (string, bool) {
	if same(d) {
		return "", false
	}
	if home == "" && (len(d) < fewestDialled || len(d) > mostDialled) {
		return "", false
	}
	american := (len(d) == 10 || len(d) == 11 && d[0] == '1') && nanp(d[len(d)-10:])
	var p *plan
	if home != "" {
		p = plans().regions[home]
	}
	if p != nil && (p.code != "1" || american) {
		for _, trunk := range p.trunks {
			if len(d) > len(trunk) && string(d[:len(trunk)]) == trunk && p.has(d[len(trunk):]) {
				return "trunk prefix and numbering plan of " + home, true
			}
		}
		if p.has(d) {
			return "numbering plan of " + home, true
		}
	}
	switch n := len(d); {
	case american:
		return byNANP, true
	case d[0] == '0' && d[1] != '0' && n > fewestDialled && n <= mostDialled:
		return byTrunk, true
	case d[0] != '0' && n >= fewestDialled && n < mostDialled:
		return byGroup, true
	}
	return "", false
}

// atHome reports whether what a number is told by is the plan of the home country.
func atHome(detail string) bool {
	return detail != byNANP && detail != byTrunk && detail != byGroup && detail != byPairs
}

// dialCode returns the length of the country code that d starts with, and what
// numbers may follow; 0 if no such code is given out.
func dialCode(d []byte) (code int, first *[18]uint16) {
	for n := 1; n <= 3 && n <= len(d); n++ {
		if f := plans().codes[string(d[:n])]; f != nil {
			return n, f
		}
	}
	return 0, nil
}

// vague are words that are beside many a number that is no phone's.
var vague = set("number", "contact", "ring", "reach", "reach me", "portable")

// numbered is what has a number that nobody calls.
var numbered = set("account", "asset", "badge", "batch", "case", "claim", "client", "contract", "customer", "debtor", "device", "document", "employee", "equipment", "file", "item", "job", "member", "membership",
	"meter", "model", "page", "personnel", "policy", "product", "project", "record", "request", "room", "staff", "supplier", "transaction", "vendor")

// qualified reports whether the word of ev is "number" and the one before it says of
// what: "AFM number", unlike "my number" or "a new number". A plain word, as in
// "whose", says nothing.
func (s *scanner) qualified(ev evidence, set int) bool {
	if s = ev.in; s.e.label(ev.term) != "number" {
		return false
	}
	for j := sort.Search(len(s.hits), func(j int) bool { return s.hits[j].End+2 > ev.at.Start }); j < len(s.hits) && s.hits[j].End < ev.at.Start; j++ {
		if sets := s.e.setsOf(s.hits[j].Term); len(sets) > 0 && sets[0] != 0 && len(sets) <= fewSets && !has(sets, set) {
			return true
		}
	}
	i := ev.at.Start
	if i == 0 || s.buf[i-1] != ' ' && s.buf[i-1] != '_' && s.buf[i-1] != '-' {
		return false
	}
	i--
	from, capitals := i, 0
	for from > 0 && i-from < maxGlued && isLetter(s.buf[from-1]) {
		if from--; isUpper(s.buf[from]) {
			capitals++
		}
	}
	if numbered[strings.ToLower(string(s.buf[from:i]))] {
		return true
	}
	return i-from > 1 && capitals == i-from && isLower(s.buf[ev.at.End-1]) // not "OFFICE NUMBER"
}

// initials are words for a phone in signatures, right before the number or none at all.
var initials = set("t:", "m:")

// weighPhone applies the evidence model to a phone number, of which detail says
// what it is told by.
func (s *scanner) weighPhone(x *stretch, ev evidence, detail string) weight {
	k := x.k
	if detail == byNANP && x.layout == printed && !x.sized {
		detail = byGroup
	}
	home := atHome(detail)
	alone, with := Internal, k.WithContext
	switch {
	case x.layout != printed:
		if home && (strings.HasPrefix(detail, byTrunk) || s.plan.unbroken(x.digits)) {
			alone = k.Printed
		}
	case x.area:
		alone = k.Printed
	case detail == byGroup:
		with = Low
	case detail != byTrunk || x.roomy || x.sized:
		alone = k.Printed // "02110-1301" is a postal code
	}
	if x.mixed && detail == byNANP {
		alone, with = alone.lower(), with.lower()
	}
	w := weight{level: alone}
	word := ev.found() && (x.layout == printed && ev.full || ev.dist <= beside || ev.header)
	if x.loose && !home && detail != byNANP {
		word, ev.term = false, -1 // a part of a longer number
	}
	if word && x.glued && x.start > 0 && isUpper(s.buf[x.start-1]) && !(ev.before && ev.dist == 0) {
		word, ev.term = false, -1 // CH2266578239 is a code
	}
	if ev.found() && initials[s.term(ev)] && (!ev.before || ev.dist > len(": ")) {
		word, ev.term = false, -1
	}
	if word && vague[s.term(ev)] && (x.glued || s.covered(ev, k.set) || s.qualified(ev, k.set)) {
		word, ev.term = false, -1 // "account number", "id number"
	}
	if detail == byGroup && word && !ev.header && (vague[s.term(ev)] || x.layout != printed || x.lines > 0 || ev.dist > beside || !ev.before && ev.dist > justAfter || x.since) {
		word = false
	}
	switch {
	case ev.other && !word:
		w.level, w.other = min(alone.lower(), Internal), true
	case ev.label, ev.named && !(ev.found() && !vague[s.term(ev)]):
		w.level, w.label = min(alone.lower(), Internal), true
	case word:
		w.level, w.word = max(alone, with), true
	case ev.found() && x.layout == printed && detail != byGroup:
		w.level, w.word = max(alone, with.lower()), true
	case x.glued:
		w.lacks = "letters touch it"
	case x.lines > 0:
		w.lacks = "it reaches over a line's end"
	case x.loose:
		w.lacks = "it is part of a row of numbers"
	case x.layout != printed && stamp(x.digits):
		w.lacks = "it looks like a time stamp"
	case s.named(x.start, x.end):
		w.lacks = "it is part of a name"
	case x.start > 1 && (s.buf[x.start-1] == '+' || s.buf[x.start-1] == ':' && isAlnum(s.buf[x.start-2])):
		w.lacks = "a sign stands before it" // UTC+0200 12345678, fc:01 1318064
	case s.money(x.start, x.end):
		w.lacks = "it is an amount"
	case s.counted(x.end):
		w.lacks = "it is a quantity"
	}
	if w.lacks != "" {
		w.level = min(w.level, Internal)
	}
	return w
}

// pairs reports whether the groups are those of phone numbers that are read out two
// digits at a time: 32 45 67 12, 912 34 56 78. Numbers that go up or down by steps
// are a list.
func pairs(g []group, d []byte) bool {
	if len(g) < 3 || len(g) > 5 || len(d) < 7 {
		return false
	}
	threes, rising, falling, at, last := 0, true, true, 0, -1
	for i, y := range g {
		if y.n == 3 && i < 2 {
			threes++
		} else if y.n != 2 {
			return false
		}
		if i > 0 && y.sep != ' ' && y.sep != '-' && y.sep != parenSep {
			return false
		}
		n := number(d[at : at+y.n])
		if last >= 0 {
			rising, falling = rising && n >= last, falling && n <= last
		}
		at, last = at+y.n, n
	}
	return threes <= 1 && !rising && !falling && (threes == 1 || len(g) == 4 && d[0] > '1')
}

// area reports whether the first digits are an area code in parentheses, as in
// (11) 2345-6789 and 8 (301) 123-45-67: no other numbers are written like that.
// "(2012) 1234-5678" is of a paper.
func area(g []group, d []byte) bool {
	i := 0
	if len(g) > 2 && g[0].n == 1 && g[1].sep == parenSep && g[2].sep == parenSep {
		i = 1
	}
	if len(g) < i+2 || g[i+1].sep != parenSep || i == 0 && len(g) > 2 && g[2].sep == parenSep {
		return false
	}
	n := g[i].n
	return n >= 2 && n <= 5 && (n != 4 || d[i] == '0') && len(d)-n-i >= 6 && len(d) <= 12
}

// chinese reports whether the groups are those of a Chinese mobile number.
func chinese(g []group, d []byte) bool {
	return len(g) == 3 && g[0].n == 3 && g[1].n == 4 && g[2].n == 4 && d[0] == '1' && d[1] >= '3'
}

// term is the word that ev is of.
func (s *scanner) term(ev evidence) string { return ev.in.e.label(ev.term) }

// phoneGroups says whether the groups are those of a phone number. home is the plan of
// the home country, if that is known.
func (x *arrangement) phoneGroups(g []group, home *plan) bool {
	pairs := home != nil && home.short && len(g) == 3 && g[0].n == 2 && g[1].n == 2 && g[2].n == 2 && g[1].sep == g[2].sep // 22 12 34, 75.12.34
	if len(g) > 6 || dated(x.digits, g) && !(pairs && g[1].sep == ' ') && !(home != nil && len(g) >= 5) && (len(g) <= 3 || g[0].n != 2 || g[2].n != 2 || x.mixed) {
		return false
	}
	trunk := x.digits[0] == '0'
	if trunk && len(x.digits) > 11 && len(g) > 3 && (home == nil || g[0].n == g[1].n && g[1].n == g[2].n) {
		return false // a dump of bytes
	}
	x.since = len(g) == 2 && g[0].n == 4 && g[1].sep == '-' && (string(x.digits[:2]) == "19" || string(x.digits[:2]) == "20")
	x.area = area(g, x.digits) || chinese(g, x.digits)
	x.roomy = len(g) >= 3 || trunk && g[0].n == 2 && g[1].n >= 7 || g[0].n >= 3 && g[0].n <= 5 && (g[1].n >= 5 || g[0].n <= 4 && g[1].n == 4 && g[1].sep != '-')
	dots := 0
	for i, y := range g {
		switch {
		case y.sep == '_', y.n < 2 && i > 0 && (home == nil || i == len(g)-1):
			return false
		case y.sep == '.':
			dots++
		case i > 1 && y.sep != g[i-1].sep && g[i-1].sep != parenSep && !(trunk && i == 2 && (y.sep == ' ' || g[0].n >= 3 && y.n >= 3)):
			x.roomy = false // "06 2012 -0500"; "070-123 45 67" and "011 2345-6789" are usual
		case y.sep == '/' && i > 1:
			return false
		}
	}
	return dots == 0 || dots >= 2 && (len(x.digits) >= 9 || pairs) && g[0].n >= 2
}
