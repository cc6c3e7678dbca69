package corpus

import (
	"slices"
	"strings"
)

// A value is one number, address or secret, in the groups it is printed in.
type value struct {
	groups, seps []string // seps are between groups
	detector     string
	also         []string
	least        int // level with evidence, if not that of the type
}

// grouped splits s into groups of the given lengths, printed with sep.
func grouped(s, sep string, lengths ...int) value {
	v := value{}
	for i, n := range lengths {
		if i > 0 {
			v.seps = append(v.seps, sep)
		}
		v.groups = append(v.groups, s[:n])
		s = s[n:]
	}
	if s != "" {
		panic("corpus: groups leave " + s)
	}
	return v
}

func single(s string) value { return value{groups: []string{s}} }

// printed is the value as people print it.
func (v value) printed() string {
	var b strings.Builder
	for i, g := range v.groups {
		if i > 0 {
			b.WriteString(v.seps[i-1])
		}
		b.WriteString(g)
	}
	return b.String()
}

func (v value) compact() string        { return strings.Join(v.groups, "") }
func (v value) with(sep string) string { return strings.Join(v.groups, sep) }
func (v value) split(at int) (a, b string) {
	return strings.Join(v.groups[:at], v.sep()), strings.Join(v.groups[at:], v.sep())
}

func (v value) sep() string {
	if len(v.seps) == 0 {
		return ""
	}
	return v.seps[0]
}

// A baseType is a kind of value that every row is made for.
type baseType struct {
	id              string   // of the detector; secret stands for several
	lang            string   // of native
	native, english []string // words for it; none: the languages have their own
	make            func(g *gen) value

	bare, printed    int // level without evidence, written without and with its grouping
	bareNamed, named int // and with evidence

	numeric bool   // groups of digits that any separators may part
	ascii   bool   // all digits
	glue    string // a word that is written right before the number
	// near returns a run that has the form, and that must not be reported without
	// evidence: it fails the check where a check is all it takes.
	near func(g *gen) string
}

// level is what a value has with evidence.
func (t *baseType) level(v value, compact bool) int {
	switch {
	case v.least > 0:
		return v.least
	case compact:
		return t.bareNamed
	}
	return t.named
}

func (t *baseType) span(v value, least, most int) Span {
	s := Span{Detector: t.id, Also: v.also, Least: least, Most: most}
	if v.detector != "" {
		s.Detector = v.detector
	}
	return s
}

func typeOf(id string) *baseType {
	for _, set := range [][]*baseType{baseTypes, moreTypes, furtherTypes, healthTypes, secretTypes, {{id: "phone-national"}, {id: "password-assignment"}, {id: "secret-basic-auth"}, {id: "us-driver-licence"}, {id: "classification-marker"}, {id: "street-address"}, {id: "postal-code"}, {id: "internal-hostname"}}} {
		if i := slices.IndexFunc(set, func(t *baseType) bool { return t.id == id }); i >= 0 {
			return set[i]
		}
	}
	panic("corpus: no type " + id)
}

// The base types.
var baseTypes = []*baseType{
	{id: "credit-card", make: card, bare: 65, printed: 75, bareNamed: 85, named: 85, numeric: true, ascii: true, glue: "card",
		near: func(g *gen) string { return breakLast(card(g).compact()) }},
	{id: "iban", make: iban, bare: 85, printed: 85, bareNamed: 85, named: 85, numeric: true, glue: "iban",
		near: func(g *gen) string { return breakLast(ibanOf(g, "DE")) }},
	{id: "us-ssn", lang: "en", english: []string{"SSN", "social security number", "social security no"}, make: ssn, printed: 65, bareNamed: 75, named: 85, numeric: true, ascii: true, glue: "ssn",
		near: func(g *gen) string { return ssn(g).compact() }},
	{id: "uk-nhs", lang: "en", english: []string{"NHS number", "NHS no", "NHS"}, make: nhs, bare: 40, printed: 65, bareNamed: 85, named: 85, numeric: true, ascii: true, glue: "nhs",
		near: func(g *gen) string { return nhs(g).compact() }},
	{id: "br-cpf", lang: "pt", native: []string{"CPF"}, english: []string{"CPF"}, make: cpf, bare: 65, printed: 75, bareNamed: 85, named: 85, numeric: true, ascii: true, glue: "cpf",
		near: func(g *gen) string { return breakLast(cpf(g).compact()) }},
	{id: "in-aadhaar", lang: "en", english: []string{"Aadhaar", "Aadhaar number", "UIDAI"}, make: aadhaar, bare: 40, printed: 65, bareNamed: 85, named: 85, numeric: true, ascii: true, glue: "aadhaar",
		near: func(g *gen) string { return aadhaar(g).compact() }},
	{id: "de-steuer-id", lang: "de", native: []string{"Steuer-ID", "Steueridentifikationsnummer", "IdNr"}, english: []string{"Steuer-ID", "German tax id"}, make: steuerID, bare: 65, printed: 65, bareNamed: 85,
		named: 85, numeric: true, ascii: true, glue: "steuerid", near: func(g *gen) string { return breakLast(steuerID(g).compact()) }},
	{id: "fr-nir", lang: "fr", native: []string{"numéro de sécurité sociale", "NIR", "numéro de sécu"}, english: []string{"NIR", "INSEE"}, make: nir, bare: 85, printed: 85, bareNamed: 85, named: 85,
		numeric: true, ascii: true, glue: "nir", near: func(g *gen) string { return breakLast(nir(g).compact()) }},
	{id: "pl-pesel", lang: "pl", native: []string{"PESEL", "numer PESEL"}, english: []string{"PESEL"}, make: pesel, bare: 65, printed: 65, bareNamed: 85, named: 85, numeric: true, ascii: true, glue: "pesel",
		near: func(g *gen) string { return breakLast(pesel(g).compact()) }},
	{id: "nl-bsn", lang: "nl", native: []string{"BSN", "burgerservicenummer"}, english: []string{"BSN"}, make: bsn, bare: 40, printed: 40, bareNamed: 85, named: 85, numeric: true, ascii: true, glue: "bsn",
		near: func(g *gen) string { return bsn(g).compact() }},
	{id: "es-dni", lang: "es", native: []string{"DNI", "NIF"}, english: []string{"DNI"}, make: dni, bare: 65, printed: 65, bareNamed: 85, named: 85, numeric: true, glue: "dni",
		near: func(g *gen) string { return breakLetter(dni(g).compact()) }},
	{id: "phone-e164", make: phone, bare: 75, printed: 75, bareNamed: 85, named: 85, ascii: true,
		near: func(g *gen) string { return g.from("23456789", 1) + g.from(digits, 9) }},
	{id: "email", make: email, bare: 75, printed: 75, bareNamed: 85, named: 85},
	{id: "secret", make: secret, bare: 85, printed: 85, bareNamed: 85, named: 85},
}

// numericTypes are the base types whose separators and digits vary.
var numericTypes = func() (ids []string) {
	for _, t := range baseTypes {
		if t.numeric {
			ids = append(ids, t.id)
		}
	}
	return ids
}()

// digitTypes are those that are all digits.
var digitTypes = func() (ids []string) {
	for _, t := range baseTypes {
		if t.numeric && t.ascii {
			ids = append(ids, t.id)
		}
	}
	return ids
}()

func but(ids []string, not ...string) []string {
	return slices.DeleteFunc(slices.Clone(ids), func(id string) bool { return slices.Contains(not, id) })
}

func allTypes() []string {
	var ids []string
	for _, t := range baseTypes {
		ids = append(ids, t.id)
	}
	return ids
}

// breakLast changes the last digit, so that no check of one digit holds.
func breakLast(s string) string {
	last := s[len(s)-1]
	return s[:len(s)-1] + string('0'+(last-'0'+1)%10)
}

func breakLetter(s string) string {
	last := s[len(s)-1]
	return s[:len(s)-1] + string('A'+(last-'A'+1)%26)
}

// digit is the value of a digit.
func digit(c byte) int { return int(c - '0') }

// weigh sums digits times weights.
func weigh(s string, weights ...int) int {
	sum := 0
	for i := range len(s) {
		sum += digit(s[i]) * weights[i%len(weights)]
	}
	return sum
}

func char(d int) string { return string(rune('0' + d)) }

// luhn returns the digit that makes s+digit pass Luhn.
func luhn(s string) string {
	sum := 0
	for i := range len(s) {
		d := digit(s[len(s)-1-i])
		if i%2 == 0 {
			if d *= 2; d > 9 {
				d -= 9
			}
		}
		sum += d
	}
	return char((10 - sum%10) % 10)
}

// mod computes the remainder of a decimal number of any length.
func mod(s string, m int) int {
	r := 0
	for i := range len(s) {
		r = (r*10 + digit(s[i])) % m
	}
	return r
}

// mod97 is mod with letters as two digits, A = 10.
func mod97(s string) int {
	var b strings.Builder
	for i := range len(s) {
		if c := s[i]; c >= 'A' {
			b.WriteString(two(int(c-'A') + 10))
		} else {
			b.WriteByte(c)
		}
	}
	return mod(b.String(), 97)
}

// two prints a number with at least two digits.
func two(n int) string { return padded(n, 2) }

func padded(n, width int) string {
	s := ""
	for ; n > 0 || len(s) < width; n /= 10 {
		s = char(n%10) + s
	}
	return s
}

// number draws n digits, the first not 0.
func (g *gen) number(n int) string { return g.from("123456789", 1) + g.from(digits, n-1) }

func card(g *gen) value {
	switch g.IntN(10) {
	case 0, 1, 2, 3:
		return cardOf(g, "4", 16)
	case 4, 5, 6:
		return cardOf(g, "5"+g.from("12345", 1), 16)
	case 7:
		return cardOf(g, g.one("34", "37"), 15)
	case 8:
		return cardOf(g, g.one("6011", "65"), 16)
	}
	return cardOf(g, g.one("3530", "3566", "3580"), 16)
}

func cardOf(g *gen, prefix string, n int) value {
	s := prefix + g.from(digits, n-1-len(prefix))
	s += luhn(s)
	sep := g.one(" ", " ", " ", "-")
	switch n {
	case 15:
		return grouped(s, sep, 4, 6, 5)
	case 14:
		return grouped(s, sep, 4, 6, 4)
	case 13:
		return grouped(s, sep, 4, 3, 3, 3)
	case 12:
		return grouped(s, sep, 4, 4, 4)
	case 19:
		return grouped(s, sep, 4, 4, 4, 4, 3)
	}
	return grouped(s, sep, 4, 4, 4, 4)
}

func iban(g *gen) value {
	return ibanGroups(ibanOf(g, g.one("DE", "GB", "NL", "AT", "CH", "PL", "SE", "DK", "IE", "FR", "BE", "ES")))
}

func ibanGroups(s string) value {
	lengths := slices.Repeat([]int{4}, len(s)/4)
	if n := len(s) % 4; n > 0 {
		lengths = append(lengths, n)
	}
	return grouped(s, " ", lengths...)
}

func ibanOf(g *gen, country string) string {
	b := ""
	switch country {
	case "DE":
		b = g.number(18)
	case "GB":
		b = g.one("BARC", "LOYD", "NWBK", "MIDL") + g.from(digits, 14)
	case "IE":
		b = g.one("AIBK", "BOFI") + g.from(digits, 14)
	case "NL":
		b = g.one("ABNA", "INGB", "RABO") + "0" + bsn(g).compact()
	case "AT":
		b = g.number(16)
	case "CH":
		b = "00" + g.from(digits, 15)
	case "PL":
		b = g.number(24)
	case "SE":
		b = g.number(20)
	case "DK":
		b = g.number(14)
	case "FR":
		s := g.from(digits, 21)
		b = s + two(97-(89*mod(s[:5], 97)+15*mod(s[5:10], 97)+3*mod(s[10:], 97))%97)
	case "BE":
		s := g.number(10)
		k := mod(s, 97)
		if k == 0 {
			k = 97
		}
		b = s + two(k)
	case "ES":
		bank, account := g.from(digits, 8), g.from(digits, 10)
		b = bank + esCheck("00"+bank) + esCheck(account) + account
	}
	return country + two(98-mod97(b+country+"00")) + b
}

// esCheck is the check digit of half a Spanish account number.
func esCheck(s string) string {
	switch d := 11 - weigh(s, 1, 2, 4, 8, 5, 10, 9, 7, 3, 6)%11; d {
	case 10:
		return "1"
	case 11:
		return "0"
	default:
		return char(d)
	}
}

func ssn(g *gen) value {
	for {
		area, group, serial := g.some(1, 772), g.some(1, 99), g.some(1, 9999)
		if s := padded(area, 3) + two(group) + padded(serial, 4); area != 666 && s != "078051120" && s != "219099999" {
			return grouped(s, "-", 3, 2, 4)
		}
	}
}

func nhs(g *gen) value {
	for {
		s := g.from("4679", 1) + g.from(digits, 8)
		if d := 11 - weigh(s, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11; d != 10 {
			return grouped(s+char(d%11), " ", 3, 3, 4)
		}
	}
}

func cpf(g *gen) value {
	s := g.from(digits, 9)
	s += elevenTo(weigh(s, 10, 9, 8, 7, 6, 5, 4, 3, 2))
	s += elevenTo(weigh(s, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2))
	v := grouped(s, ".", 3, 3, 3, 2)
	v.seps[2] = "-"
	return v
}

// elevenTo is 11 minus the remainder by 11, and 0 where that has two digits.
func elevenTo(sum int) string {
	if d := 11 - sum%11; d < 10 {
		return char(d)
	}
	return "0"
}

// The tables of Verhoeff's check, from the dihedral group of order 10.
func verhoeff(s string) string {
	multiply := func(a, b int) int {
		switch {
		case a < 5 && b < 5:
			return (a + b) % 5
		case a < 5:
			return 5 + (a+b)%5
		case b < 5:
			return 5 + (a-b+5)%5
		}
		return (a - b + 5) % 5
	}
	permute := func(times, d int) int {
		for range times % 8 {
			d = []int{1, 5, 7, 6, 2, 8, 3, 0, 9, 4}[d]
		}
		return d
	}
	c := 0
	for i := range len(s) {
		c = multiply(c, permute(i+1, digit(s[len(s)-1-i])))
	}
	for d := range 10 {
		if multiply(c, d) == 0 {
			return char(d)
		}
	}
	panic("corpus: no inverse")
}

func aadhaar(g *gen) value {
	s := g.from("23456789", 1) + g.from(digits, 10)
	return grouped(s+verhoeff(s), " ", 4, 4, 4)
}

// steuerID draws the first ten digits so that one occurs twice, one is missing and
// every other occurs once, and adds the check digit of ISO 7064, MOD 11,10.
func steuerID(g *gen) value {
	for {
		p := g.Perm(10)
		p[g.IntN(10)] = p[g.IntN(10)]
		seen := map[int]bool{}
		s := ""
		for _, d := range p {
			seen[d] = true
			s += char(d)
		}
		if len(seen) != 9 || s[0] == '0' {
			continue
		}
		return grouped(s+mod1110(s), " ", 2, 3, 3, 3)
	}
}

func mod1110(s string) string {
	p := 10
	for i := range len(s) {
		n := (digit(s[i]) + p) % 10
		if n == 0 {
			n = 10
		}
		p = n * 2 % 11
	}
	return char((11 - p) % 10)
}

func nir(g *gen) value {
	dept := g.some(1, 95)
	if dept == 20 {
		dept = 75
	}
	s := g.from("12", 1) + two(g.some(30, 99)) + two(g.some(1, 12)) + two(dept) + padded(g.some(1, 500), 3) + padded(g.some(1, 900), 3)
	return grouped(s+two(97-mod(s, 97)), " ", 1, 2, 2, 2, 3, 3, 2)
}

func pesel(g *gen) value {
	s := two(g.some(40, 99)) + two(g.some(1, 12)) + two(g.some(1, 28)) + g.from(digits, 4)
	return single(s + char((10-weigh(s, 1, 3, 7, 9)%10)%10))
}

func bsn(g *gen) value {
	for {
		s := g.number(8)
		if d := weigh(s, 9, 8, 7, 6, 5, 4, 3, 2) % 11; d != 10 {
			return single(s + char(d))
		}
	}
}

const dniLetters = "TRWAGMYFPDXBNJZSQVHLCKE"

func dni(g *gen) value {
	s := g.number(8)
	v := grouped(s+string(dniLetters[mod(s, 23)]), "", 8, 1)
	v.seps[0] = g.one("", "-", "-")
	return v
}

// phone draws a mobile number of a plan in which every number of that form may be
// given out.
func phone(g *gen) value {
	d := func(n int) string { return g.from(digits, n) }
	nz := func() string { return g.from("23456789", 1) }
	return value{groups: [][]string{
		{"+49", "15" + g.from("127", 1), nz() + d(7)},
		{"+44", "77" + g.from("123456", 1) + d(1), d(6)},
		{"+1", g.one("415", "646", "312", "206"), nz() + "7" + d(1), d(4)},
		{"+33", "6", d(2), d(2), d(2), d(2)},
		{"+34", "6" + d(2), d(3), d(3)},
		{"+39", "33" + g.from("3456789", 1), d(7)},
		{"+31", "6", nz() + d(7)},
		{"+48", "60" + d(1), d(3), d(3)},
		{"+46", "70", d(3), d(2), d(2)},
		{"+90", "53" + d(1), d(3), d(2), d(2)},
		{"+81", "90", nz() + d(3), d(4)},
		{"+86", "13" + d(1), d(4), d(4)},
		{"+55", "11", "9" + nz() + d(3), d(4)},
		{"+91", "98" + d(3), d(5)},
	}[g.IntN(14)], seps: slices.Repeat([]string{g.one(" ", " ", "-")}, 5)}
}

func email(g *gen) value {
	name := g.one("jane.doe", "a.berg", "jo_lind", "maria+billing", "k.nowak", "ines.ferreira", "y-tanaka", "li.wei", "p.o.brien", "s.oezdemir")
	if g.coin() {
		name += g.from(digits, 2)
	}
	host := g.one("contoso.com", "fabrikam.de", "adatum.fr", "tailspintoys.co.uk", "litware.nl", "mail.northwind.com.br", "wingtip.io", "proseware.pl")
	return single(name + "@" + host)
}
