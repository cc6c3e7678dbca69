package detect

import (
	"maps"
	"slices"
	"strings"
)

// validators are the algorithms by name. Each takes a value without separators,
// letters in upper case.
var validators = map[string]func([]byte) bool{
	"luhn":         onDigits(luhn),
	"mod97":        mod97,
	"verhoeff":     onDigits(verhoeff),
	"mod11-10":     onDigits(mod1110),
	"iban":         iban,
	"credit-card":  onDigits(card),
	"us-ssn":       onDigits(ssn),
	"us-aba":       onDigits(aba),
	"gtin":         onDigits(gtin),
	"uk-nhs":       onDigits(nhs),
	"nl-bsn":       onDigits(bsn),
	"de-steuer-id": onDigits(steuerID),
	"fr-nir":       insee,
	"es-dni":       dni,
	"it-cf":        codiceFiscale,
	"uk-nino":      nino,
}

// Validators returns the names that a detector's Validate may have, sorted.
func Validators() []string { return slices.Sorted(maps.Keys(validators)) }

// HasValidator reports whether there is a validator of that name.
func HasValidator(name string) bool { return validators[name] != nil }

// Validate reports whether value passes the named validator; never, if there is
// none of that name. Separators in value do not matter, and neither does case. A
// validator of digits looks at the digits only.
func Validate(name, value string) bool {
	v := validators[name]
	return v != nil && v([]byte(canonical(value)))
}

// canonical strips everything but letters and digits, and raises the case.
func canonical(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return -1
	}, s)
}

// onDigits lets check see only the digits.
func onDigits(check func([]byte) bool) func([]byte) bool {
	return func(s []byte) bool {
		d := make([]byte, 0, len(s))
		for _, c := range s {
			if isDigit(c) {
				d = append(d, c)
			}
		}
		return len(d) > 0 && check(d)
	}
}

// luhn is ISO/IEC 7812-1 annex B: every second digit from the right is doubled.
func luhn(d []byte) bool {
	sum, double := 0, false
	for i := len(d) - 1; i >= 0; i-- {
		n := int(d[i] - '0')
		if double {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
		double = !double
	}
	return len(d) > 1 && sum%10 == 0
}

// mod97 is ISO/IEC 7064 MOD 97-10 over letters (A is 10) and digits.
func mod97(s []byte) bool { return len(s) > 2 && rest97(0, s) == 1 }

// rest97 continues the remainder of a number by 97.
func rest97(r int, s []byte) int {
	for _, c := range s {
		if isDigit(c) {
			r = (r*10 + int(c-'0')) % 97
		} else {
			r = (r*100 + int(c-'A'+10)) % 97
		}
	}
	return r
}

// iban checks country, length, the form of the account number and the check
// digits (ISO 13616).
func iban(s []byte) bool {
	if len(s) < 5 {
		return false
	}
	form := ibanForms[string(s[:2])]
	if len(s) != ibanLength(form) || !isDigit(s[2]) || !isDigit(s[3]) || !ibanShape(form, s[4:]) {
		return false
	}
	return rest97(rest97(0, s[4:]), s[:4]) == 1
}

// ibanLength returns the length of an IBAN of that form, -1 for no form.
func ibanLength(form string) int {
	if form == "" {
		return -1
	}
	n := 4
	for i := 0; i+2 < len(form); i += 3 {
		n += int(form[i+1]-'0')*10 + int(form[i+2]-'0')
	}
	return n
}

// ibanShape checks an account number against a form like a04n14: n digits, a
// letters, c either.
func ibanShape(form string, s []byte) bool {
	for i := 0; i+2 < len(form); i += 3 {
		n := int(form[i+1]-'0')*10 + int(form[i+2]-'0')
		if n > len(s) {
			return false
		}
		for _, c := range s[:n] {
			if form[i] == 'n' && !isDigit(c) || form[i] == 'a' && isDigit(c) {
				return false
			}
		}
		s = s[n:]
	}
	return len(s) == 0
}

// The tables of Verhoeff's algorithm: the dihedral group of order 10 and the
// permutation that is applied position by position.
var (
	verhoeffGroup = [10][10]byte{
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 2, 3, 4, 0, 6, 7, 8, 9, 5}, {2, 3, 4, 0, 1, 7, 8, 9, 5, 6},
		{3, 4, 0, 1, 2, 8, 9, 5, 6, 7}, {4, 0, 1, 2, 3, 9, 5, 6, 7, 8}, {5, 9, 8, 7, 6, 0, 4, 3, 2, 1},
		{6, 5, 9, 8, 7, 1, 0, 4, 3, 2}, {7, 6, 5, 9, 8, 2, 1, 0, 4, 3}, {8, 7, 6, 5, 9, 3, 2, 1, 0, 4},
		{9, 8, 7, 6, 5, 4, 3, 2, 1, 0},
	}
	verhoeffTurn = [8][10]byte{
		{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}, {1, 5, 7, 6, 2, 8, 3, 0, 9, 4}, {5, 8, 0, 3, 7, 9, 6, 1, 4, 2},
		{8, 9, 1, 6, 0, 4, 3, 5, 2, 7}, {9, 4, 5, 3, 1, 2, 6, 8, 7, 0}, {4, 2, 8, 6, 5, 7, 3, 9, 0, 1},
		{2, 7, 9, 3, 8, 0, 6, 4, 1, 5}, {7, 0, 4, 6, 9, 1, 3, 2, 5, 8},
	}
)

func verhoeff(d []byte) bool {
	var c byte
	for i := range d {
		c = verhoeffGroup[c][verhoeffTurn[i%8][d[len(d)-1-i]-'0']]
	}
	return len(d) > 1 && c == 0
}

// mod1110 is ISO/IEC 7064 MOD 11,10.
func mod1110(d []byte) bool {
	if len(d) < 2 {
		return false
	}
	p := 10
	for _, c := range d[:len(d)-1] {
		s := (int(c-'0') + p) % 10
		if s == 0 {
			s = 10
		}
		p = s * 2 % 11
	}
	return (p+int(d[len(d)-1]-'0'))%10 == 1
}

// weighted sums digits times weights.
func weighted(d []byte, weights ...int) int {
	sum := 0
	for i, w := range weights {
		sum += w * int(d[i]-'0')
	}
	return sum
}

// aba checks a US routing number: prefix and the 3-7-1 sum.
func aba(d []byte) bool {
	if len(d) != 9 {
		return false
	}
	p := int(d[0]-'0')*10 + int(d[1]-'0')
	return (p <= 12 || p >= 21 && p <= 32 || p >= 61 && p <= 72 || p == 80) && weighted(d, 3, 7, 1, 3, 7, 1, 3, 7, 1)%10 == 0
}

// gtin checks the article numbers of GS1 (EAN, UPC, ISBN-13): 3 and 1 in turn
// from the right.
func gtin(d []byte) bool {
	if n := len(d); n != 8 && (n < 12 || n > 14) {
		return false
	}
	sum, w := 0, 1
	for i := len(d) - 1; i >= 0; i-- {
		sum += w * int(d[i]-'0')
		w = 4 - w
	}
	return sum%10 == 0
}

// nhs checks a UK NHS number (NHS Data Dictionary, "NHS number").
func nhs(d []byte) bool {
	if len(d) != 10 || same(d) {
		return false
	}
	c := 11 - weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11
	return c != 10 && c%11 == int(d[9]-'0')
}

// bsn checks a Dutch citizen service number, the "eleven test".
func bsn(d []byte) bool {
	return len(d) == 9 && !same(d) && weighted(d, 9, 8, 7, 6, 5, 4, 3, 2, -1)%11 == 0
}

// steuerID checks a German tax identification number (section 139b AO): among
// the first ten digits exactly one comes twice or three times, and the check
// digit is ISO/IEC 7064 MOD 11,10.
func steuerID(d []byte) bool {
	if len(d) != 11 || d[0] == '0' || !mod1110(d) {
		return false
	}
	var n [10]int
	for _, c := range d[:10] {
		n[c-'0']++
	}
	twice, thrice := 0, 0
	for _, k := range n {
		switch {
		case k == 2:
			twice++
		case k == 3:
			thrice++
		case k > 3:
			return false
		}
	}
	return twice+thrice == 1
}

// nir checks a French social security number of digits only (the departments of
// Corsica, 2A and 2B, have letters): sex, month, department and the key.
func nir(d []byte) bool {
	if len(d) != 15 || d[0] != '1' && d[0] != '2' {
		return false
	}
	return nirKey(d)
}

// corsican checks one of Corsica, whose department 2A or 2B counts as 19 or 18 in
// the key.
func corsican(s []byte) bool {
	if len(s) != 15 || s[5] != '2' || s[6] != 'A' && s[6] != 'B' {
		return false
	}
	var d [15]byte
	copy(d[:], s)
	d[5], d[6] = '1', '9'-(s[6]-'A')
	return allDigits(d[:]) && (d[0] == '1' || d[0] == '2') && nirKey(d[:])
}

// insee checks one of either kind.
func insee(s []byte) bool { return corsican(s) || allDigits(s) && nir(s) }

// nirKey checks month, department and key.
func nirKey(d []byte) bool {
	month, dep := number(d[3:5]), number(d[5:7])
	if month == 0 || month > 12 && month < 20 || month > 42 && month < 50 || dep == 0 || dep == 96 {
		return false
	}
	return 97-number(d[:13])%97 == number(d[13:])
}

func number(d []byte) int {
	n := 0
	for _, c := range d {
		n = n*10 + int(c-'0')
	}
	return n
}

// dni checks a Spanish identity number: DNI (8 digits) or NIE (X, Y or Z and 7),
// with its letter.
func dni(s []byte) bool {
	if len(s) != 9 {
		return false
	}
	var n int
	switch c := s[0]; {
	case c >= 'X' && c <= 'Z':
		n = int(c - 'X')
	case isDigit(c):
		n = int(c - '0')
	default:
		return false
	}
	for _, c := range s[1:8] {
		if !isDigit(c) {
			return false
		}
		n = n*10 + int(c-'0')
	}
	return s[8] == "TRWAGMYFPDXBNJZSQVHLCKE"[n%23]
}

// nino checks the form of a UK National Insurance number and the prefixes that
// are not given out (HMRC manual NIM39110).
func nino(s []byte) bool {
	if len(s) != 9 || s[8] < 'A' || s[8] > 'D' {
		return false
	}
	if !isUpper(s[0]) || !isUpper(s[1]) || strings.IndexByte("DFIQUV", s[0]) >= 0 || strings.IndexByte("DFIOQUV", s[1]) >= 0 {
		return false
	}
	switch string(s[:2]) {
	case "BG", "GB", "KN", "NK", "NT", "TN", "ZZ":
		return false
	}
	for _, c := range s[2:8] {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// What a character counts in an odd place of a codice fiscale, digits and then
// letters (Decreto Ministeriale 23 December 1976).
const fiscaleOdd = "\x01\x00\x05\x07\x09\x0d\x0f\x11\x13\x15" +
	"\x01\x00\x05\x07\x09\x0d\x0f\x11\x13\x15\x02\x04\x12\x14\x0b\x03\x06\x08\x0c\x0e\x10\x0a\x16\x19\x18\x17"

// codiceFiscale checks an Italian tax code, homocode letters included.
func codiceFiscale(s []byte) bool {
	if len(s) != 16 {
		return false
	}
	sum := 0
	for i, c := range s {
		digit := strings.IndexByte("LMNPQRSTUV", c) >= 0 || isDigit(c)
		switch i {
		case 6, 7, 9, 10, 12, 13, 14:
			if !digit {
				return false
			}
		case 8:
			if strings.IndexByte("ABCDEHLMPRST", c) < 0 {
				return false
			}
		default:
			if !isUpper(c) {
				return false
			}
		}
		if i == 15 {
			break
		}
		v := int(c - '0')
		if !isDigit(c) {
			v = int(c-'A') + 10
		}
		switch {
		case i%2 == 0:
			sum += int(fiscaleOdd[v])
		case v >= 10:
			sum += v - 10
		default:
			sum += v
		}
	}
	return s[15] == byte('A'+sum%26)
}

// ssn checks the ranges of a US social security number (ssa.gov, "Social Security
// number randomization").
func ssn(d []byte) bool {
	if len(d) != 9 {
		return false
	}
	area := number(d[:3])
	return area != 0 && area != 666 && area < 900 && number(d[3:5]) != 0 && number(d[5:]) != 0
}

// card checks brand, length and Luhn.
func card(d []byte) bool { return brand(d) != "" && luhn(d) }

// same reports whether all digits are the same.
func same(d []byte) bool {
	for _, c := range d {
		if c != d[0] {
			return false
		}
	}
	return true
}

func isDigit(c byte) bool { return c-'0' < 10 }
func isUpper(c byte) bool { return c-'A' < 26 }
func isLower(c byte) bool { return c-'a' < 26 }

func isLetter(c byte) bool { return (c|0x20)-'a' < 26 }
func isAlnum(c byte) bool  { return alnumBytes[c] }
