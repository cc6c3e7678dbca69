package detect

import (
	"bytes"
	"strings"
	"unicode"
	"unicode/utf8"

	"teamsdlp/policy/extract"
)

// Postal addresses and codes. Neither has a check digit, and both look like much else
// that people write. So a street with a house number is worth something only beside a
// postal code or a word for addresses, and a postal code only right behind its name.

// A street is a word that streets are called by.
type street struct {
	ahead bool // names stand before it, and the number before them: 12 High Street
	after bool // names stand behind it: Calle Mayor 15, 14 rue des Lilas
	exact bool // in small letters it is something else
}

// streetWords are the words by themselves; streetEnds those that names end in, the
// longer first, with the number behind: Lindenstraße 44, Storgatan 12. weakEnds are
// also the ends of other words: they need a postal code as well.
var (
	streetWords = map[string]street{}
	streetEnds  = []string{"strasse", "stræde", "straat", "gracht", "vägen", "gatan", "gränd", "allee", "straße", "gasse", "katu", "laan", "gata", "gade", "kade", "vej", "vei", "väg", "str.", "weg"}
	weakEnds    = []string{"chaussee", "singel", "polku", "dreef", "platz", "graben", "plads", "torget", "markt", "steig", "plein", "kuja", "damm", "ufer", "ring", "allé", "gate", "tori", "dijk", "tie", "hof"}
)

// houseEnds has a bit for the last three bytes of each of them, as a text has them.
var houseEnds [1 << 15]bool

func init() {
	list := func(s street, words ...string) {
		for _, w := range words {
			t := streetWords[w]
			streetWords[w] = street{s.ahead || t.ahead, s.after || t.after, s.exact || t.exact}
		}
	}
	list(street{ahead: true}, "street", "avenue", "road", "lane", "drive", "boulevard", "crescent", "terrace", "highway", "parkway", "esplanade", "mews")
	list(street{ahead: true, exact: true}, "st", "ave", "rd", "ln", "dr", "blvd", "cres", "tce", "hwy", "pkwy", "court", "ct", "close", "square", "sq", "place", "pl", "way", "walk", "grove", "gardens",
		"parade", "pde", "circle", "cir", "trail", "row", "hill", "rise", "view", "green", "quay")
	list(street{after: true}, "rue", "avenue", "av", "boulevard", "bd", "bvd", "chemin", "impasse", "allée", "allee", "quai", "place", "route", "cours", "square",
		"calle", "c/", "avenida", "avda", "paseo", "plaza", "carrer", "camino", "carretera", "ronda", "rua", "travessa", "praça", "praca", "praceta", "estrada", "alameda", "largo",
		"via", "viale", "corso", "piazza", "piazzale", "vicolo", "ul", "ulica", "ulicy", "al", "aleja", "aleje", "alei", "os", "osiedle", "plac")
	for w := range streetWords {
		if len(w) > 2 {
			on(w, true, (*scanner).streetWord)
			continue
		}
		for _, c := range " .," { // a trigger has three bytes
			on(w+string(c), true, func(s *scanner, start, end int) { s.streetWord(start, end-1) })
		}
	}
	on("box ", true, (*scanner).postBox)
	on("postfach ", true, (*scanner).postBox)
	for _, ends := range [2][]string{streetEnds, weakEnds} {
		for _, w := range ends {
			for _, v := range []string{w, strings.ToUpper(w)} {
				houseEnds[triggerKey(v[len(v)-3], v[len(v)-2], v[len(v)-1])] = true
			}
		}
	}
}

// nameByte reports whether c is part of a word of a street's or a town's name.
func nameByte(c byte) bool { return isAlnum(c) || c == '\'' || c == '-' || c >= utf8.RuneSelf }

// capital reports whether the word b starts with a capital letter.
func capital(b []byte) bool {
	if len(b) == 0 || b[0] < utf8.RuneSelf {
		return len(b) > 0 && isUpper(b[0])
	}
	r, _ := utf8.DecodeRune(b)
	return unicode.IsUpper(r)
}

// maxName bounds a word, maxNames how many of them a street's name has.
const maxName, maxNames = 24, 5

// streetWord looks for an address around the word buf[start:end].
func (s *scanner) streetWord(start, end int) {
	buf := s.buf
	if start > 0 && wordBefore(buf, start) || end < len(buf) && buf[end-1] != '/' && wordAt(buf, end) {
		return
	}
	var room [16]byte
	k := streetWords[string(lowerInto(room[:0], buf[start:end]))]
	if k.ahead && start > 3 && buf[start-1] == ' ' && (!k.exact || isUpper(buf[start])) && s.streetAfter(start, end) {
		return
	}
	if k.after && end < len(buf) {
		s.streetBefore(start, end)
	}
}

// lowerInto appends b in small letters; beyond ASCII they stay.
func lowerInto(dst, b []byte) []byte {
	for _, c := range b {
		if c < utf8.RuneSelf {
			c = lowered[c]
		}
		dst = append(dst, c)
	}
	return dst
}

// small are words that no street's name starts or goes on with where it is written in
// small letters.
var small = set("the", "a", "an", "of", "on", "in", "at", "to", "and", "or", "for", "by", "with", "per", "from", "is", "are", "more", "miles", "km", "minutes", "hours", "days", "weeks", "people", "times", "lane", "way", "my", "our", "this", "that")

// streetAfter reads the number and the names before the street's word, which is
// buf[start:end], as in 1482 Oakmont Drive, and reports whether they are there.
func (s *scanner) streetAfter(start, end int) bool {
	buf, i := s.buf, start-1
	for names := 0; names <= maxNames; names++ {
		j := i
		for j > 0 && i-j < maxName && (nameByte(buf[j-1]) || buf[j-1] == '.' && j < i) {
			j--
		}
		if j == i {
			return false
		}
		switch w := buf[j:i]; {
		case !isDigit(w[0]):
			if !capital(w) && (!isLower(buf[start]) || small[string(w)]) {
				return false
			}
		case names > 0 && s.house(j) == i:
			s.work += end - j
			s.direction(&end)
			s.postalAddress(j, end, false)
			return true
		case !ordinal(w):
			return false
		}
		if j == 0 || buf[j-1] != ' ' {
			return false
		}
		i = j - 1
	}
	return false
}

// ordinal reports whether w is a number of an avenue: 1st, 42nd.
func ordinal(w []byte) bool {
	n := len(w) - 2
	if n < 1 || !allDigits(w[:n]) {
		return false
	}
	switch string(w[n:]) {
	case "st", "nd", "rd", "th":
		return true
	}
	return false
}

// direction moves end behind the direction that may follow a street: NW.
func (s *scanner) direction(end *int) {
	i := *end
	if i < len(s.buf) && s.buf[i] == '.' {
		i++
	}
	n := 0
	for i+1+n < len(s.buf) && n < 3 && s.buf[i] == ' ' && strings.IndexByte("NSEW", s.buf[i+1+n]) >= 0 {
		n++
	}
	if n > 0 && n < 3 && (i+1+n == len(s.buf) || !wordAt(s.buf, i+1+n)) {
		*end = i + 1 + n
	}
}

// house reads the number of a house at i, as 12, 12a, 3-5 or 7/12, and returns where
// it ends; 0 if there is none.
func (s *scanner) house(i int) int {
	buf := s.buf
	if i > 0 && (wordBefore(buf, i) || strings.IndexByte(".-#$/:+_=", buf[i-1]) >= 0) || i >= len(buf) || buf[i] == '0' {
		return 0
	}
	j := i
	for part := 0; part < 3; part++ {
		from := j
		for j < len(buf) && j-from < 6 && isDigit(buf[j]) {
			j++
		}
		if j == from || j-from > 5 {
			if part == 0 {
				return 0
			}
			j = from - 1 // the sign belongs to something else
			break
		}
		if j < len(buf) && isLetter(buf[j]) && (j+1 == len(buf) || !wordAt(buf, j+1)) {
			j++
		}
		if j+1 >= len(buf) || buf[j] != '-' && buf[j] != '/' || !isDigit(buf[j+1]) {
			break
		}
		j++
	}
	if j < len(buf) && (wordAt(buf, j) || strings.IndexByte(":.,%", buf[j]) >= 0 && j+1 < len(buf) && isDigit(buf[j+1]) || buf[j] == '%') {
		return 0
	}
	return j
}

// connecting are the words in small letters that stand in a street's name.
var connecting = set("de", "du", "des", "la", "le", "les", "las", "los", "el", "del", "da", "do", "das", "dos", "di", "dei", "della", "delle", "degli", "der", "den", "van", "von", "y", "e", "i", "et", "św", "gen", "ks")

// streetBefore reads the names behind the street's word, which is buf[start:end], and
// the number before it or behind them, as in 14 rue des Lilas and Calle Mayor, 15.
func (s *scanner) streetBefore(start, end int) {
	buf, i := s.buf, end
	if buf[i] == '.' {
		i++
	}
	if i < len(buf) && buf[i] == ' ' {
		i++
	} else if buf[end-1] != '/' {
		return
	}
	names := 0
	to := i
	for words := 0; words < maxNames+2 && i < len(buf); words++ {
		j := i
		for j < len(buf) && j-i < maxName && (nameByte(buf[j]) || buf[j] == '.' && j > i && j-i < 4) {
			j++
		}
		w := buf[i:j]
		if n := bytes.IndexByte(w, '\''); n == 1 || n == 4 { // d'Or, dell'Arte
			w = w[n+1:]
		}
		var room [8]byte
		switch {
		case len(w) > 0 && !isDigit(w[0]) && capital(w) && (j == len(buf) || !nameByte(buf[j])):
			names++
			to = j
		case len(w) < len(room) && connecting[strings.Trim(string(w), ".")]:
		default:
			words = maxNames + 2
			continue
		}
		if i = j; j == len(buf) || buf[j] != ' ' {
			break
		}
		i++
	}
	s.work += to - start
	if names == 0 {
		return
	}
	if from := s.houseBefore(start); from < start {
		s.postalAddress(from, to, false)
		return
	}
	i = to
	for i < len(buf) && i-to < 2 && (buf[i] == ',' || buf[i] == ' ') {
		i++
	}
	for _, w := range []string{"n.º ", "n.º", "nº ", "nº", "n° ", "n°", "n. ", "no. ", "nr ", "nr. ", "numero "} {
		if i > to && i+len(w) < len(buf) && matches(buf[i:i+len(w)], w, true) {
			i += len(w)
			break
		}
	}
	if i > to {
		if n := s.house(i); n > 0 {
			s.postalAddress(start, n, false)
		}
	}
}

// houseBefore returns where the number of a house right before start begins, start if
// there is none: 14, 23 bis, "8, ".
func (s *scanner) houseBefore(start int) int {
	buf, i := s.buf, start
	for i > 0 && start-i < 2 && (buf[i-1] == ' ' || buf[i-1] == ',') {
		i--
	}
	for _, w := range []string{" bis", " ter", " quater"} {
		if i > len(w) && matches(buf[i-len(w):i], w, true) {
			i -= len(w)
			break
		}
	}
	j := i
	for j > 0 && i-j < 12 && (isAlnum(buf[j-1]) || buf[j-1] == '-' || buf[j-1] == '/') {
		j--
	}
	if j < i && i < start && isDigit(buf[j]) && s.house(j) == i {
		return j
	}
	return start
}

// housed looks for a street before the number at i: its name ends as streets do.
func (s *scanner) housed(i int) {
	buf, end := s.buf, i-1
	to := s.house(i)
	if to == 0 {
		return
	}
	from := end
	for from > 0 && end-from < 2*maxName && (nameByte(buf[from-1]) || buf[from-1] == '.' && from == end) {
		from--
	}
	var room [2*maxName + 2]byte
	w := lowerInto(room[:0], buf[from:end])
	s.work += to - from
	n, weak := streetEnd(w)
	if n == 0 {
		return
	}
	switch name := len(w) - n; {
	case name >= 2 && (capital(buf[from:end]) || !weak && isLower(buf[from])):
	case name == 0 && capital(buf[from:end]) || name == 0 && string(w) == "gate":
		// Mariahilfer Straße, Kongens gate: the word before it is part of the name.
		j := from - 1
		if j < 3 || buf[j] != ' ' {
			return
		}
		for from = j; from > 0 && j-from < maxName && nameByte(buf[from-1]); {
			from--
		}
		if j-from < 3 || !capital(buf[from:j]) {
			return
		}
		weak = weak && !(string(w) == "gate" && buf[j-1] == 's')
	default:
		return
	}
	if to+1 < len(buf) && buf[to] == ' ' && isLetter(buf[to+1]) && isLower(buf[to+1]|0x20) && buf[to+1]|0x20 < 'i' && (to+2 == len(buf) || !wordAt(buf, to+2)) {
		to += 2 // 12 a
	}
	s.postalAddress(from, to, weak)
}

// streetEnd returns how long the end of w is that streets end in.
func streetEnd(w []byte) (n int, weak bool) {
	for _, e := range streetEnds {
		if bytes.HasSuffix(w, []byte(e)) {
			return len(e), false
		}
	}
	for _, e := range weakEnds {
		if bytes.HasSuffix(w, []byte(e)) {
			return len(e), true
		}
	}
	return 0, false
}

// postBox looks for the number of a post office box behind its word.
func (s *scanner) postBox(start, end int) {
	buf, from := s.buf, start
	if start > 0 && wordBefore(buf, start) {
		return
	}
	if buf[start]|0x20 == 'b' {
		for _, w := range []string{"p.o. ", "p. o. ", "p.o.", "po "} {
			if start >= len(w) && matches(buf[start-len(w):start], w, true) {
				from = start - len(w)
				break
			}
		}
		if from == start || from > 0 && wordBefore(buf, from) {
			return
		}
	}
	to := end
	for to < len(buf) && to-end < 10 && (isDigit(buf[to]) || buf[to] == ' ' && to+1 < len(buf) && isDigit(buf[to+1])) {
		to++
	}
	if to > end && (to == len(buf) || !wordAt(buf, to)) {
		s.postalAddress(from, to, false)
	}
}

// postalAddress judges the street and number buf[from:to]. weak: what it is called is
// no street's name by itself.
func (s *scanner) postalAddress(from, to int, weak bool) {
	k := kinds["street-address"]
	street := to
	if end := s.postalTail(to); end > 0 {
		to = end
	}
	full := to > street
	why := "form of an address"
	if full {
		why += " with a postal code"
	}
	ev := evidence{term: -1}
	if !weak || full {
		ev = s.evidence(k.set, k.Within, from, to)
	}
	c := candidate{kind: k, start: from, end: to, level: k.Alone, why: why, value: strings.Join(strings.Fields(strings.ToLower(string(s.buf[from:to]))), " ")}
	switch {
	case ev.found() && (ev.before || ev.header || ev.dist <= beside) && !s.covered(ev, k.set):
		c.level, c.evidence, c.dist = k.BareContext, true, ev.rank()
		if full {
			c.level = k.WithContext
		}
		c.why += "; " + s.tell(ev)
	default:
		c.why += "; no keyword nearby, without which it says too little"
	}
	if c.level < s.floor && !s.explain {
		return
	}
	s.add(c)
}

// maxTail bounds what stands between a street and the postal code.
const maxTail, maxTailWords = 64, 8

// postalTail looks for the postal code of an address whose street ends at i, and
// returns where the code, and the town behind it, ends; 0 if there is none.
func (s *scanner) postalTail(i int) int {
	buf, from := s.buf, i
	defer func() { s.work += maxTail }()
	named, state := false, false // what stood before: a name, a state's letters
	for words := 0; words < maxTailWords; words++ {
		at, lines := i, 0
		for i < len(buf) && i-at < 6 && strings.IndexByte(" ,;-\n", buf[i]) >= 0 {
			if buf[i] == '\n' {
				lines++
			}
			i++
		}
		if bytes.HasPrefix(buf[i:], []byte("– ")) {
			i += len("– ")
		}
		if i == at && words > 0 || i >= len(buf) || lines > 2 || i-from > maxTail {
			return 0
		}
		if code := postalCode(buf, i); code.end > 0 && i > at {
			town := s.town(code.end)
			switch {
			case code.sure:
			case town > code.end && code.first:
			case named && code.last || state && code.digits >= 4:
				town = code.end
			default:
				code.end = 0
			}
			if code.end > 0 {
				if code.first && !(state && code.form == "5") { // NY 10009 USA
					return town
				}
				return code.end
			}
		}
		j := i
		for j < len(buf) && j-i < maxName && (nameByte(buf[j]) || buf[j] == '.' || buf[j] == '/') {
			j++
		}
		w := buf[i:j]
		switch {
		case j == i:
			return 0
		case len(w) > 4 && w[len(w)-1] == '.':
			return 0 // the end of a sentence
		case isDigit(w[0]):
			if len(w) > 5 {
				return 0
			}
		case capital(w):
			named = len(w) > 3
			state = len(w) <= 3 && string(bytes.ToUpper(w)) == string(w)
		case connecting[string(w)] || len(w) <= 2:
		case string(w) == "apt" || string(w) == "flat" || string(w) == "unit" || string(w) == "apto":
		default:
			return 0
		}
		i = j
	}
	return 0
}

// town returns where the name of the town that follows a postal code at i ends; i if
// there is none.
func (s *scanner) town(i int) int {
	buf, end := s.buf, i
	for words := 0; words < 3; words++ {
		j := end
		if j < len(buf) && words == 0 && buf[j] == ',' {
			j++
		}
		if j == len(buf) || buf[j] != ' ' {
			break
		}
		j++
		k := j
		for k < len(buf) && k-j < maxName && nameByte(buf[k]) {
			k++
		}
		if w := buf[j:k]; len(w) < 2 || isDigit(w[0]) || !capital(w) || k < len(buf) && nameByte(buf[k]) {
			break
		}
		end = k
	}
	return end
}

// A postal is a stretch with the form of a postal code.
type postal struct {
	end    int    // where it ends; 0: there is none
	form   string // see postalForms
	digits int    // of a form that is only digits
	first  bool   // the town follows: 10969 Berlin
	last   bool   // the town is before it: Auckland 1010
	sure   bool   // nothing else in an address is written so
}

// postalCode reads a postal code at i.
func postalCode(buf []byte, i int) (p postal) {
	if i >= len(buf) || i > 0 && wordBefore(buf, i) {
		return p
	}
	// The country before it: D-10969, SE-111 51.
	if n := lettersAt(buf, i); n > 0 && n <= 2 && i+n+1 < len(buf) && buf[i+n] == '-' && isDigit(buf[i+n+1]) && isUpper(buf[i]) {
		i += n + 1
	}
	switch {
	case isDigit(buf[i]):
		p = numericCode(buf, i)
	case isLetter(buf[i]):
		p = letteredCode(buf, i)
	}
	if e := p.end; e > 0 && e < len(buf) && (wordAt(buf, e) || (buf[e] == '-' || buf[e] == '.' || buf[e] == '/' || buf[e] == ',' || buf[e] == ':') && e+1 < len(buf) && isDigit(buf[e+1])) {
		return postal{}
	}
	return p
}

func lettersAt(buf []byte, i int) int {
	n := 0
	for i+n < len(buf) && n < 6 && isLetter(buf[i+n]) {
		n++
	}
	return n
}

func digitsAt(buf []byte, i int) int {
	n := 0
	for i+n < len(buf) && n < 10 && isDigit(buf[i+n]) {
		n++
	}
	return n
}

// numericCode reads a code that starts with a digit.
func numericCode(buf []byte, i int) postal {
	n := digitsAt(buf, i)
	j := i + n
	next, sep := 0, byte(0)
	if j+1 < len(buf) && (buf[j] == '-' || buf[j] == ' ') {
		sep = buf[j]
		next = digitsAt(buf, j+1)
	}
	switch {
	case n == 2 && sep == '-' && next == 3:
		return postal{end: j + 4, form: "2-3", first: true, digits: 5}
	case n == 3 && sep == ' ' && next == 2:
		return postal{end: j + 3, form: "3 2", first: true, digits: 5}
	case n == 3 && sep == ' ' && next == 3:
		return postal{end: j + 4, form: "3 3", last: true, digits: 6}
	case n == 4 && sep == '-' && next == 3:
		return postal{end: j + 4, form: "4-3", first: true, digits: 7}
	case n == 4 && j+2 < len(buf) && buf[i] != '0':
		k := j
		if buf[k] == ' ' {
			k++
		}
		if lettersAt(buf, k) == 2 && isUpper(buf[k]) && isUpper(buf[k+1]) {
			if w := string(buf[k : k+2]); w != "SA" && w != "SD" && w != "SS" {
				return postal{end: k + 2, form: "nl", first: true}
			}
		}
	case n == 5 && sep == '-' && next == 3:
		return postal{end: j + 4, form: "5-3", first: true, last: true, digits: 8}
	case n == 5 && sep == '-' && next == 4:
		return postal{end: j + 5, form: "5-4", last: true, digits: 9}
	}
	switch n {
	case 4:
		year := buf[i] == '1' && buf[i+1] == '9' || buf[i] == '2' && buf[i+1] == '0'
		return postal{end: j, form: "4", first: true, last: !year, digits: 4}
	case 5:
		return postal{end: j, form: "5", first: true, last: false, digits: 5}
	case 6:
		return postal{end: j, form: "6", first: true, last: true, digits: 6}
	case 8:
		return postal{end: j, form: "8", digits: 8}
	}
	return postal{}
}

// ukAreas are the letters that British codes start with (Royal Mail).
var ukAreas = set("AB", "AL", "B", "BA", "BB", "BD", "BH", "BL", "BN", "BR", "BS", "BT", "CA", "CB", "CF", "CH", "CM", "CO", "CR", "CT", "CV", "CW", "DA", "DD", "DE", "DG", "DH", "DL", "DN", "DT", "DY",
	"E", "EC", "EH", "EN", "EX", "FK", "FY", "G", "GL", "GU", "GY", "HA", "HD", "HG", "HP", "HR", "HS", "HU", "HX", "IG", "IM", "IP", "IV", "JE", "KA", "KT", "KW", "KY", "L", "LA", "LD", "LE", "LL", "LN", "LS", "LU",
	"M", "ME", "MK", "ML", "N", "NE", "NG", "NN", "NP", "NR", "NW", "OL", "OX", "PA", "PE", "PH", "PL", "PO", "PR", "RG", "RH", "RM", "S", "SA", "SE", "SG", "SK", "SL", "SM", "SN", "SO", "SP", "SR", "SS", "ST", "SW", "SY",
	"TA", "TD", "TF", "TN", "TQ", "TR", "TS", "TW", "UB", "W", "WA", "WC", "WD", "WF", "WN", "WR", "WS", "WV", "YO", "ZE")

// letteredCode reads a code that starts with a letter: of the United Kingdom, Canada or
// Ireland.
func letteredCode(buf []byte, i int) postal {
	var v [8]byte // without the blank
	n, gap := 0, 0
	for j := i; j < len(buf) && n < len(v); j++ {
		if c := buf[j]; isAlnum(c) {
			v[n] = c
			if c >= 'a' {
				v[n] = c &^ 0x20
			}
			n++
			continue
		}
		if buf[j] != ' ' || gap > 0 || n < 2 || n > 4 {
			break
		}
		gap = n
	}
	// What follows may be a word: N1 9GU today.
	for _, end := range []int{n, 7, 6, 5} {
		if end > n || end < 5 {
			continue
		}
		to := i + end
		if gap > 0 && gap < end {
			to++
		}
		if to < len(buf) && wordAt(buf, to) {
			continue
		}
		w := v[:end]
		in := end - 3
		switch {
		case (gap == 0 || gap == in) && british(w):
			return postal{end: to, form: "uk", sure: true}
		case end == 6 && (gap == 0 || gap == 3) && canadian(w):
			return postal{end: to, form: "ca", sure: true}
		case end == 7 && (gap == 0 || gap == 3) && irish(w):
			return postal{end: to, form: "ie", sure: true}
		}
	}
	return postal{}
}

func british(w []byte) bool {
	n := len(w)
	if n > 7 || !isDigit(w[n-3]) || bytes.ContainsAny(w[n-2:], "CIKMOV0123456789") {
		return false
	}
	out := w[:n-3]
	area := 1
	if len(out) > 1 && !isDigit(out[1]) {
		area = 2
	}
	district := out[area:]
	return ukAreas[string(out[:area])] && len(district) > 0 && len(district) < 3 && isDigit(district[0])
}

func canadian(w []byte) bool {
	for i, c := range w {
		if i%2 == 1 != isDigit(c) || i%2 == 0 && strings.IndexByte("DFIOQU", c) >= 0 {
			return false
		}
	}
	return w[0] != 'W' && w[0] != 'Z'
}

// irish reports whether w is an Eircode: a routing key and four characters.
func irish(w []byte) bool {
	if !(isDigit(w[1]) && (isDigit(w[2]) || string(w[:3]) == "D6W")) || strings.IndexByte("ACDEFHKNPRTVWXY", w[0]) < 0 {
		return false
	}
	digits := 0
	for _, c := range w[3:] {
		if isDigit(c) {
			digits++
		} else if strings.IndexByte("ACDEFHKNPRTVWXY", c) < 0 {
			return false
		}
	}
	return digits > 0
}

// postalForms are the words for postal codes, folded, each with the forms that it is
// said of. '!' asks for capitals or a colon behind it, '^' for capitals, '+' for capitals
// and a town behind the code: plz is please as well, a cap a limit, and CP a code page.
var postalForms = map[string]string{
	"zip": "5-4", "zip code": "5|5-4", "zipcode": "5|5-4", "zip+4": "5|5-4", "zip codes": "5|5-4",
	"postcode": "uk|nl|ie|ca|4|5|3 2|4-3|6", "post code": "uk|ie|4", "postal code": "ca|uk|ie|nl|4|5|5-4|2-3|3 2|3 3|4-3|5-3|6", "eircode": "ie",
	"plz": "!4|5", "postleitzahl": "4|5", "code postal": "5|4|ca", "cp": "+5", "codigo postal": "5|4-3|4", "cep": "!5-3|8", "codigo de enderecamento postal": "5-3|8",
	"cap": "^5", "codice di avviamento postale": "5", "codice postale": "5|4", "kod pocztowy": "2-3", "postnummer": "3 2|4|5", "postnr": "3 2|4|5", "postinumero": "5",
	"pincode": "6|3 3", "postal pin code": "6|3 3", "area pin code": "6|3 3", "psc": "!3 2|5",
}

func init() {
	for _, w := range []string{"zip", "post", "eircode", "plz", "code postal", "cp ", "cp:", "codigo", "código", "cep", "cap ", "cap:", "codice", "kod ", "pincode", "area pin", "psc", "psč", "psČ"} {
		on(w, true, (*scanner).postalWord)
	}
}

// postalWord looks for a postal code right behind a word for it, which starts at start.
func (s *scanner) postalWord(start, i int) {
	buf := s.buf
	if start > 0 && wordBefore(buf, start) {
		return
	}
	if s.t.Zone(start) == extract.Cell {
		s.postal = true // it may head a column
	}
	// The rest of the words, then signs and at most a word of few letters.
	for n := 0; i < len(buf) && n < 32; n++ {
		if buf[i] == '\n' || buf[i] == '\f' || buf[i] == '\t' {
			break
		}
		if isDigit(buf[i]) || isUpper(buf[i]) {
			if code := postalCode(buf, i); code.end > 0 && s.postalNamed(i, code) {
				break
			}
		}
		i++
	}
	s.work += i - start
}

// postalNamed judges a stretch with the form of a postal code that starts at i: it is
// one if a word for codes of that form names it.
func (s *scanner) postalNamed(i int, code postal) bool {
	k := kinds["postal-code"]
	ev := s.evidence(k.set, k.Within, i, code.end)
	from, to, below := s.t.Header(i)
	heads := ev.found() && (ev.header || below && ev.at.Start >= from && ev.at.End <= to)
	if !heads && (!ev.found() || !ev.before || !s.names(ev, i)) || s.counted(code.end) {
		return false
	}
	forms := postalForms[s.term(ev)]
	word := ev.in.buf[ev.at.Start:ev.at.End]
	capitals := isUpper(word[0]) && isUpper(word[1]) || heads
	switch forms[0] {
	case '!':
		if forms = forms[1:]; !capitals && (ev.at.End == len(ev.in.buf) || ev.in.buf[ev.at.End] != ':') {
			return false
		}
	case '^', '+':
		town := forms[0] == '^' || heads || s.town(code.end) > code.end
		if forms = forms[1:]; !capitals || !town {
			return false
		}
	}
	for f := range strings.SplitSeq(forms, "|") {
		if f == code.form {
			s.add(candidate{kind: k, start: i, end: code.end, level: k.WithContext, value: strings.ToUpper(strings.NewReplacer(" ", "", "-", "").Replace(string(s.buf[i:code.end]))),
				why: "form of a postal code; " + s.tell(ev), evidence: true, dist: ev.rank()})
			return true
		}
	}
	s.reject(k.ID, i, code.end, "its form is not that of the codes that the word before it is said of")
	return false
}

// names reports whether nothing but signs and a word like "is" stands between a word
// and what it names.
func (s *scanner) names(ev evidence, start int) bool {
	if ev.in != s || start-ev.at.End > labelGap {
		return false
	}
	for _, w := range strings.FieldsFunc(strings.ToLower(string(s.buf[ev.at.End:start])), func(r rune) bool { return strings.ContainsRune(" :=#.-()'\"[]–", r) }) {
		switch w {
		case "is", "ist", "est", "é", "es", "e", "er", "on", "är", "no", "nr", "code", "d", "a", "ch", "se", "fi", "dk", "l", "b", "f", "to":
		default:
			return false
		}
	}
	return true
}

// postalColumns looks for codes in the cells below a heading that names them.
func (s *scanner) postalColumns() {
	buf := s.buf
	for i := 0; i < len(buf); i++ {
		if i > 0 && buf[i-1] != '\t' && buf[i-1] != '\n' || !isAlnum(buf[i]) {
			continue
		}
		if code := postalCode(buf, i); code.end > 0 && (code.end == len(buf) || buf[code.end] == '\t' || buf[code.end] == '\n' || buf[code.end] == '\f') {
			if _, _, ok := s.t.Header(i); ok {
				s.postalNamed(i, code)
			}
		}
	}
	s.work += len(buf)
}
