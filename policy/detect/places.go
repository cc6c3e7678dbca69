package detect

import (
	"bytes"
	"net/netip"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// groupsRead looks among the groups that chain has read for what is told by its
// punctuation: addresses, coordinates, dates, card tracks. They end at end.
func (s *scanner) groupsRead(end int) {
	g := s.groups
	if g[0].n >= 12 && end < len(s.buf) && (s.buf[end] == '^' || s.buf[end] == '=') {
		s.track(g[0].off, end)
	}
	if len(g) < 2 {
		return
	}
	if len(g) == 2 && g[1].sep == '.' && end < len(s.buf) && s.buf[end] == ',' {
		s.coordinates(end)
	}
	if last := g[len(g)-1]; last.sep == '-' && last.n == 2 && g[len(g)-2].n == 4 {
		s.cnpjBefore(g[len(g)-2].off)
	}
	for a := range g {
		if a+3 < len(g) && g[a+1].sep == '.' {
			s.ipv4(a)
		}
		if a+2 < len(g) && g[a+1].sep == g[a+2].sep {
			s.birth(a)
		}
	}
}

// cnpjBefore looks for a Brazilian company number with letters, whose branch is at i:
// EI.WIM.YEQ/0001-17. It need not have a digit before that.
func (s *scanner) cnpjBefore(i int) {
	const head, whole = len("XX.XXX.XXX/"), len("XX.XXX.XXX/0001-17")
	from := i - head
	if from < 0 || s.buf[i-1] != '/' || isDigit(s.buf[from+1]) || from > 0 && wordBefore(s.buf, from) {
		return // those that start with a digit, or a letter and a digit, are found by it
	}
	s.work += whole
	v := s.spare[:0]
	for j, c := range s.buf[from : from+whole] {
		switch sign := j == 2 || j == 6 || j == 10 || j == 15; {
		case isUpper(c) || isDigit(c):
			v = append(v, c)
		case !sign || isAlnum(c):
			return
		}
	}
	k := kinds["br-cnpj"]
	if len(v) != 14 || !cnpjLetters(v) {
		s.reject(k.ID, from, from+whole, k.code.gate)
		return
	}
	s.judgeCode(k, from, spelling{end: from + whole, printed: true}, string(v), k.code.gate, High, false)
}

// vatBefore looks for a VAT number whose first digit is at i, where the country stands
// apart from a letter that belongs to the number: AT U12345675, ES B12345674.
func (s *scanner) vatBefore(i int) {
	k, from := kinds["eu-vat"], i-len("AT U")
	if from < 0 || from > 0 && wordBefore(s.buf, from) {
		return
	}
	for _, p := range []string{"at_u99999999", "es_A99999999", "es_A9999999A"} {
		if s.fits(p, from) {
			s.code(&coded{k, p}, from)
		}
	}
}

// track looks for the data of a card's magnetic stripe (ISO/IEC 7813): track 1
// around "%B", track 2 after ';'.
func (s *scanner) track(start, end int) {
	buf := s.buf
	d := buf[start:end]
	if len(d) > 19 || brand(d) == "" || !luhn(d) || start < 1 {
		return
	}
	from, to := start-1, end+1
	if buf[end] == '^' {
		if start < 2 || buf[start-1]|0x20 != 'b' || buf[start-2] != '%' {
			return
		}
		from = start - 2
		for to < len(buf) && to-end < 28 && buf[to] != '^' && buf[to] != '\n' {
			to++
		}
		if to == len(buf) || buf[to] != '^' {
			return
		}
		to++
	} else if buf[start-1] != ';' {
		return
	}
	if to+4 > len(buf) || !allDigits(buf[to:to+4]) {
		return
	}
	for to < len(buf) && to-end < 80 && buf[to] != '?' && !blankByte(buf[to]) {
		to++
	}
	if to < len(buf) && buf[to] == '?' {
		to++
	}
	s.work += to - from
	s.add(candidate{kind: kinds["card-track-data"], start: from, end: to, level: High, value: string(buf[from:to]), why: "track of a magnetic stripe: brand and Luhn", known: knownCards[string(d)]})
}

// cardCodes looks for the three or four digits of a card's security code, after a
// word for it and near a card.
func (s *scanner) cardCodes() {
	if !slices.ContainsFunc(s.found, isCard) {
		return
	}
	k := kinds["card-cvv"]
	n := len(s.found)
	j := 0
	for _, h := range s.hits {
		if !has(s.e.setsOf(h.Term), k.set) {
			continue
		}
		for j < n && (!isCard(s.found[j]) || s.found[j].end+100 < h.Start) {
			j++
		}
		if j == n {
			return
		}
		if s.found[j].start > h.End+100 {
			continue
		}
		i := h.End
		for i < len(s.buf) && i-h.End < labelGap && !isDigit(s.buf[i]) {
			i++
		}
		if i < len(s.buf) && !s.right(h.End, i) {
			continue
		}
		to := i
		for to < len(s.buf) && to-i < 5 && isDigit(s.buf[to]) {
			to++
		}
		s.work += to - h.End
		if i > h.End && to-i >= 3 && to-i <= 4 && (to == len(s.buf) || !wordAt(s.buf, to) && s.buf[to] != '/') && s.found[j].start >= to || to-i >= 3 && to-i <= 4 && s.found[j].end <= h.Start {
			s.add(candidate{kind: k, start: i, end: to, level: k.WithContext, value: string(s.buf[i:to]), evidence: true, why: `"` + s.e.label(h.Term) + `" before it, and a card nearby`})
		}
	}
}

func isCard(c candidate) bool { return c.kind != nil && c.kind.ID == "credit-card" && c.level >= Low }

// ipv4 judges four groups from a on.
func (s *scanner) ipv4(a int) {
	g, buf := s.groups[a:a+4], s.buf
	var ip [4]byte
	digits := 0
	for i, x := range g {
		if x.n > 3 || i > 0 && (x.sep != '.' || x.off != g[i-1].off+g[i-1].n+1) || x.n > 1 && buf[x.off] == '0' {
			return
		}
		n := number(s.digits[x.from : x.from+x.n])
		if n > 255 {
			return
		}
		ip[i] = byte(n)
		digits += x.n
	}
	start, end := g[0].off, g[3].off+g[3].n
	k := kinds["ipv4"]
	if a > 0 && g[0].sep == '.' || a+4 < len(s.groups) && s.groups[a+4].sep == '.' || start > 0 && (wordBefore(buf, start) || buf[start-1] == '.' || buf[start-1] == '-') ||
		end < len(buf) && (wordAt(buf, end) || buf[end] == '-') {
		s.reject(k.ID, start, end, "a version or part of a longer number")
		return
	}
	if addr := netip.AddrFrom4(ip); !public(addr) {
		if addr.IsPrivate() {
			s.hostBeside(start, end)
		}
		s.reject(k.ID, start, end, "a private or documentation address")
		return
	}
	ev := s.evidence(k.set, k.Within, start, end)
	c := candidate{kind: k, start: start, end: end, level: k.Alone, value: string(buf[start:end]), why: "a public address"}
	switch {
	case ev.label:
		c.level = 0
	case ev.found():
		c.level, c.evidence, c.dist = k.WithContext, true, ev.rank()
		c.why += "; " + s.tell(ev)
	case digits < 7:
		c.level = Internal
		c.why += "; no keyword nearby, and it is as short as a version"
	}
	s.add(c)
}

// reserved are networks that tell nothing (IANA special-purpose registries).
var reserved = func() (all []netip.Prefix) {
	for _, p := range []string{"0.0.0.0/8", "100.64.0.0/10", "192.0.0.0/24", "192.0.2.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
		"2001:db8::/32", "2001::/23", "3fff::/20"} {
		all = append(all, netip.MustParsePrefix(p))
	}
	return all
}()

func public(a netip.Addr) bool {
	if !a.IsGlobalUnicast() || a.IsPrivate() || a.Is6() && (a.As16()[0]&0xe0 != 0x20) {
		return false
	}
	return !isReserved(a)
}

func isReserved(a netip.Addr) bool {
	return slices.ContainsFunc(reserved, func(p netip.Prefix) bool { return p.Contains(a) })
}

// hexGroups reads the groups of hexadecimal digits around the ':' at i and returns
// what follows: an IPv6 address or a device's.
func (s *scanner) hexGroups(i int) int {
	buf, from, to, colons, double := s.buf, i, i, 0, false
	for from > 0 && i-from < 4 && isHex(buf[from-1]) {
		from--
	}
	if from > 0 && (isLetter(buf[from-1]) || buf[from-1] >= utf8.RuneSelf) && i+1 < len(buf) && isHex(buf[i+1]) {
		s.work += i - from
		return i + 1 // the end of a word: "gateway:2a0d:55a5::1"
	}
	for to < len(buf) && to-from < 40 && (isHex(buf[to]) || buf[to] == ':') {
		if buf[to] == ':' {
			colons++
			double = double || to > from && buf[to-1] == ':'
		}
		to++
	}
	s.work += to - from
	end := to
	for end > from && buf[end-1] == ':' {
		end--
	}
	switch {
	case from == i, from > 0 && (wordBefore(buf, from) || buf[from-1] == '.'), to < len(buf) && wordAt(buf, to):
	case colons == 5 && end-from == 17 && !double:
		s.mac(from, ':')
	case colons == 7 && !double && end-from >= fullIPv6, i-from == 4 && (colons == 7 && !double || double && colons >= 3 && colons < 7):
		s.ipv6(from, end)
	}
	return to
}

// fullIPv6 is the least length of an address that is known by its eight groups,
// wherever its network is.
const fullIPv6 = 28

func (s *scanner) ipv6(start, end int) {
	k := kinds["ipv6"]
	a, err := netip.ParseAddr(string(s.buf[start:end]))
	switch {
	case err == nil && public(a):
		s.addPlace(k, start, end, a.String(), "a public address")
	case err == nil && a.IsGlobalUnicast() && !a.IsPrivate() && !isReserved(a) && end-start >= fullIPv6 && bytes.ContainsFunc(s.buf[start:end], unicode.IsLetter):
		s.addPlace(k, start, end, a.String(), "eight groups of an address of no network that is given out yet")
	default:
		s.reject(k.ID, start, end, "no public address")
	}
}

// dashedMAC looks for a device address with dashes whose first is at i.
func (s *scanner) dashedMAC(i int) {
	if i >= 2 && i+15 <= len(s.buf) && s.buf[i+3] == '-' && s.buf[i+6] == '-' && (i == 2 || !wordBefore(s.buf, i-2) && s.buf[i-3] != '-') {
		s.mac(i-2, '-')
	}
}

func (s *scanner) mac(start int, sep byte) {
	buf := s.buf
	if start+17 > len(buf) || start+17 < len(buf) && (wordAt(buf, start+17) || buf[start+17] == sep) {
		return
	}
	v := buf[start : start+17]
	letters, zeros := 0, 0
	for i, c := range v {
		switch {
		case i%3 == 2:
			if c != sep {
				return
			}
			continue
		case !isHex(c):
			return
		case isLetter(c):
			letters++
		case c == '0':
			zeros++
		}
	}
	k := kinds["mac"]
	if letters == 0 || zeros == 12 || bytes.EqualFold(v[:2], []byte("ff")) && letters == 12 {
		s.reject(k.ID, start, start+17, "no device's address")
		return
	}
	s.addPlace(k, start, start+17, strings.ToUpper(string(v)), "six groups of two")
}

// digests are labels of against that say of groups of hexadecimal digits that they are
// no address: "key fingerprint 1f0c:99ab:…".
var digests = set("fingerprint", "thumbprint", "checksum", "digest", "hash", "fingerabdruck", "empreinte", "huella", "vingerafdruk")

func (s *scanner) addPlace(k *kind, start, end int, value, why string) {
	ev := s.evidence(k.set, k.Within, start, end)
	if ev.label && digests[ev.in.e.label(ev.says)] {
		s.reject(k.ID, start, end, "part of a hash or code")
		return
	}
	c := candidate{kind: k, start: start, end: end, level: k.Alone, value: value, why: why}
	if ev.found() {
		c.level, c.evidence, c.dist = max(k.Alone, k.WithContext), true, ev.rank()
		c.why += "; " + s.tell(ev)
	}
	s.add(c)
}

// coordinates judges a pair of decimal degrees, the first of which ends at comma.
func (s *scanner) coordinates(comma int) {
	buf, g := s.buf, s.groups
	start := g[0].off
	if start > 0 && buf[start-1] == '-' {
		start--
	}
	if start > 0 && (wordBefore(buf, start) || buf[start-1] == '.') || g[0].n > 2 || g[1].n < 4 || g[1].n > 8 {
		return
	}
	i := comma + 1
	if i < len(buf) && buf[i] == ' ' {
		i++
	}
	if i < len(buf) && buf[i] == '-' {
		i++
	}
	whole := i
	for i < len(buf) && i-whole < 4 && isDigit(buf[i]) {
		i++
	}
	point := i
	if i == whole || i-whole > 3 || i == len(buf) || buf[i] != '.' {
		return
	}
	for i++; i < len(buf) && i-point < 10 && isDigit(buf[i]); i++ {
	}
	s.work += i - start
	if i-point < 5 || i-point > 9 || i < len(buf) && (wordAt(buf, i) || buf[i] == ',' && i+1 < len(buf) && isDigit(buf[i+1])) {
		return
	}
	if number(s.digits[:g[0].n]) > 90 || number(buf[whole:point]) > 180 {
		return
	}
	s.addPlace(kinds["geo-coordinates"], start, i, string(buf[start:i]), "latitude and longitude")
}

// birth judges three groups from a on as a date that words say is of a birth.
func (s *scanner) birth(a int) {
	g := s.groups[a : a+3]
	switch g[1].sep {
	case '.', '/', '-':
	default:
		return
	}
	n := func(i int) int { return number(s.digits[g[i].from : g[i].from+g[i].n]) }
	var y, m, d int
	switch {
	case g[0].n == 4 && g[1].n <= 2 && g[2].n <= 2:
		y, m, d = n(0), n(1), n(2)
	case g[0].n <= 2 && g[1].n <= 2 && g[2].n == 4:
		d, m, y = n(0), n(1), n(2)
		if m > 12 {
			d, m = m, d
		}
	default:
		return
	}
	if !s.born(y, m, d) {
		return
	}
	start, end := g[0].off, g[2].off+g[2].n
	if start > 0 && wordBefore(s.buf, start) || end < len(s.buf) && wordAt(s.buf, end) {
		return
	}
	k := kinds["date-of-birth"]
	if !s.bornNear(k, start, end) {
		return
	}
	ev := s.evidence(k.set, k.Within, start, end)
	if !ev.found() || !ev.full || ev.label {
		return
	}
	s.add(candidate{kind: k, start: start, end: end, level: k.WithContext, value: string(s.buf[start:end]), why: "a date; " + s.tell(ev), evidence: true, dist: ev.rank()})
}

// stamp reports whether bare digits look like a time: seconds, milliseconds or
// microseconds since 1970, or a date with hours and minutes.
func stamp(d []byte) bool {
	switch len(d) {
	case 10, 13, 16:
		return d[0] == '1' && d[1] >= '4' && d[1] <= '7'
	case 8, 12, 14:
		y := number(d[:4])
		if y < 1990 || y > 2039 || !yymmdd(d[2:8]) {
			return false
		}
		return len(d) == 8 || number(d[8:10]) < 24 && number(d[10:12]) < 60
	}
	return false
}

// dated reports whether groups start with a date, as 2026-11-03 14 and 03.11.2026 14.
func dated(d []byte, g []group) bool {
	if len(g) < 3 || len(d) < 6 {
		return false
	}
	a, b, c := g[0].n, g[1].n, g[2].n
	if g[1].sep == parenSep || g[2].sep == parenSep {
		return false
	}
	switch {
	case a == 4 && b <= 2 && c <= 2 && b+c > 2:
		return (d[0] == '1' && d[1] == '9' || d[0] == '2' && d[1] == '0') && number(d[4:4+b]) <= 12
	case a <= 2 && b <= 2 && a+b > 2 && (c == 4 || c == 2):
		return number(d[:a]) <= 31 && number(d[a:a+b]) <= 31
	}
	return false
}

// currencies stand beside amounts.
var currencies = []string{"€", "$", "£", "¥", "eur", "usd", "gbp", "chf", "sek", "nok", "dkk", "pln", "kc", "kr", "zl", "brl", "inr", "rs", "jpy", "cny", "units", "pcs", "stuck", "bytes", "rows", "%"}

// money reports whether a currency or unit stands right before or after.
func (s *scanner) money(start, end int) bool {
	before, after := s.buf[max(0, start-5):start], s.buf[end:min(len(s.buf), end+7)]
	before, after = bytes.TrimRight(before, " -"), bytes.TrimLeft(after, " ")
	for _, c := range currencies {
		n := len(c)
		if len(before) >= n && bytes.EqualFold(before[len(before)-n:], []byte(c)) && (!isLetter(c[0]) || len(before) == n || !isWordByte(before[len(before)-n-1])) ||
			len(after) >= n && bytes.EqualFold(after[:n], []byte(c)) && (!isLetter(c[0]) || len(after) == n || !isWordByte(after[n])) {
			return true
		}
	}
	return false
}

// An mrzForm is one of the layouts of ICAO Doc 9303 parts 4 to 6.
type mrzForm struct {
	name   string
	length int
	kinds  string // first letters
	fields [][3]int
	upper  [][2]int // what the composite check digit covers
}

// fields are start, end and place of the check digit; the composite one is last.
var mrzForms = []mrzForm{
	{"TD3", 88, "PV", [][3]int{{44, 53, 53}, {57, 63, 63}, {65, 71, 71}}, [][2]int{{44, 54}, {57, 64}, {65, 87}}},
	{"TD1", 90, "IAC", [][3]int{{5, 14, 14}, {30, 36, 36}, {38, 44, 44}}, [][2]int{{5, 30}, {30, 37}, {38, 45}, {48, 59}}},
	{"TD2", 72, "IACPV", [][3]int{{36, 45, 45}, {49, 55, 55}, {57, 63, 63}}, [][2]int{{36, 46}, {49, 56}, {57, 71}}},
}

// mrz looks for the machine-readable zone of a travel document around the fillers
// at i, and returns what follows it, or the fillers.
func (s *scanner) mrz(i int) int {
	buf := s.buf
	lines := i
	for n := 0; n < 3; n++ {
		at := lines
		for at > 0 && lines-at < 48 && buf[at-1] != '\n' && mrzByte(buf[at-1]) {
			at--
		}
		s.work += lines - at + 1
		if end := s.mrzAt(at); end > i {
			return end
		}
		if at == 0 || buf[at-1] != '\n' && buf[at-1] != ' ' {
			break
		}
		lines = at - 1
	}
	for i < len(buf) && buf[i] == '<' {
		i++
	}
	return i
}

func mrzByte(c byte) bool { return isUpper(c) || isDigit(c) || c == '<' }

// mrzAt reads a zone that starts at i and returns where it ends; 0 if there is
// none.
func (s *scanner) mrzAt(i int) int {
	buf, start := s.buf, i
	if i >= len(buf) || strings.IndexByte("PVIAC", buf[i]) < 0 || i > 0 && wordBefore(buf, i) {
		return 0
	}
	var v [90]byte
	var ends [91]int
	n := 0
	for gap := 0; i < len(buf) && n < len(v); i++ {
		if mrzByte(buf[i]) {
			v[n], gap = buf[i], 0
			n++
			ends[n] = i + 1
		} else if gap++; buf[i] != '\n' && buf[i] != ' ' || gap > 2 {
			break
		}
	}
	s.work += i - start
	for f := range mrzForms {
		if m := &mrzForms[f]; n >= m.length && strings.IndexByte(m.kinds, v[0]) >= 0 && m.holds(v[:m.length]) {
			s.add(candidate{kind: kinds["mrz"], start: start, end: ends[m.length], level: High, value: string(v[:m.length]), why: m.name + ": all check digits hold"})
			return ends[m.length]
		}
	}
	return 0
}

// holds checks every check digit.
func (m *mrzForm) holds(v []byte) bool {
	for _, f := range m.fields {
		c := v[f[2]]
		if c == '<' {
			c = '0'
		}
		if icao(v[f[0]:f[1]]) != c {
			return false
		}
	}
	var room [90]byte
	all := room[:0]
	for _, r := range m.upper {
		all = append(all, v[r[0]:r[1]]...)
	}
	last := v[m.length-1]
	if m.name == "TD1" {
		last = v[59]
	}
	return icao(all) == last
}
