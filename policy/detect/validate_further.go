package detect

import "strings"

// The algorithms of the catalogue's further ids. Each takes digits, or letters in
// upper case and digits, without separators.

// rut checks a Chilean number: weights 2 to 7 from the right, modulo 11, K for ten.
func rut(s []byte) bool {
	n := len(s) - 1
	if n < 7 || n > 8 || !allDigits(s[:n]) || s[0] == '0' {
		return false
	}
	sum := 0
	for i := range n {
		sum += at10(s, n-1-i) * (2 + i%6)
	}
	return s[n] == "0K987654321"[sum%11]
}

// rutDigits is rut of digits alone.
func rutDigits(d []byte) bool { return !same(d) && rut(d) }

// nit checks a Colombian tax number: primes from the right, modulo 11.
func nit(d []byte) bool {
	if len(d) < 9 || len(d) > 10 {
		return false
	}
	n := len(d) - 1
	sum := 0
	for i := range n {
		sum += at10(d, n-1-i) * [...]int{3, 7, 13, 17, 19, 23, 29, 37, 41}[i]
	}
	r := sum % 11
	if r > 1 {
		r = 11 - r
	}
	return r == at10(d, n)
}

// peruRUC checks a Peruvian tax number.
func peruRUC(d []byte) bool {
	if len(d) != 11 {
		return false
	}
	switch number(d[:2]) {
	case 10, 15, 16, 17, 20:
		return (11-weighted(d, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11)%10 == at10(d, 10)
	}
	return false
}

// cedulaEC checks an Ecuadorian identity number: province, third digit, Luhn.
func cedulaEC(d []byte) bool {
	if len(d) != 10 {
		return false
	}
	p := number(d[:2])
	return (p >= 1 && p <= 24 || p == 30) && d[2] < '7' && luhn(d)
}

// cedulaUY checks a Uruguayan identity number.
func cedulaUY(d []byte) bool {
	return len(d) == 8 && (10-weighted(d, 2, 9, 8, 7, 6, 3, 4)%10)%10 == at10(d, 7)
}

// cedulaDO checks a Dominican identity number.
func cedulaDO(d []byte) bool { return len(d) == 11 && !same(d) && luhn(d) }

// rfc checks a Mexican taxpayer number: letters, date, and a check digit over an
// alphabet of 39.
func rfc(s []byte) bool {
	n := len(s)
	if n != 12 && n != 13 {
		return false
	}
	d := s[n-9 : n-3]
	if !allDigits(d) || !yymmdd(d) {
		return false
	}
	for _, c := range s[:n-9] {
		if !isUpper(c) {
			return false
		}
	}
	const alphabet = "0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ "
	sum := 0
	if n == 12 {
		sum = 13 * strings.IndexByte(alphabet, ' ')
	}
	for i, c := range s[:n-1] {
		sum += strings.IndexByte(alphabet, c) * (n - i)
	}
	return s[n-1] == "0A987654321"[sum%11]
}

// cbu checks an Argentine account number: two blocks, each with its check digit.
func cbu(d []byte) bool {
	return len(d) == 22 && !same(d) && (10-weighted(d, 7, 1, 3, 9, 7, 1, 3)%10)%10 == at10(d, 7) &&
		(10-weighted(d[8:], 3, 9, 7, 1, 3, 9, 7, 1, 3, 9, 7, 1, 3)%10)%10 == at10(d, 21)
}

// taiwanResident checks the number of a resident of Taiwan, of both forms: sex as
// a digit 8 or 9 (from 2021), or as a second letter.
func taiwanResident(s []byte) bool {
	const places = "ABCDEFGHJKLMNPQRSTUVXYWZIO"
	if len(s) != 10 || !allDigits(s[2:]) {
		return false
	}
	n, second := strings.IndexByte(places, s[0])+10, -1
	switch {
	case s[1] == '8' || s[1] == '9':
		second = at10(s, 1)
	case s[1] >= 'A' && s[1] <= 'D':
		second = strings.IndexByte(places, s[1])
	}
	return n >= 10 && second >= 0 && (n/10+n%10*9+second*8+weighted(s[2:], 7, 6, 5, 4, 3, 2, 1, 1))%10 == 0
}

// frn checks a Korean number of a foreigner. Since October 2020 there is no check
// digit: those born after are taken by their date.
func frn(d []byte) bool {
	return len(d) == 13 && yymmdd(d) && d[6] >= '5' && d[6] <= '8' &&
		((13-weighted(d, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)%11)%10 == at10(d, 12) || d[6] >= '7' && unchecked(d))
}

// unchecked reports whether a Korean number is of somebody born since October 2020.
func unchecked(d []byte) bool { return string(d[:4]) >= "2010" && string(d[:4]) < "35" }

// mykad checks a Malaysian number: date and place of birth.
func mykad(d []byte) bool {
	if len(d) != 12 || !yymmdd(d) {
		return false
	}
	p := number(d[6:8])
	return p >= 1 && p <= 16 || p >= 21 && p <= 59 || p >= 60 && p <= 68 || p == 71 || p == 72 || p >= 74 && p <= 79 || p >= 82 && p <= 93 || p >= 98
}

// nik checks an Indonesian number: province, and a date of birth with 40 added to
// the day of women.
func nik(d []byte) bool {
	if len(d) != 16 || string(d[12:]) == "0000" {
		return false
	}
	switch p := number(d[:2]); {
	case p >= 11 && p <= 19, p == 21, p >= 31 && p <= 36, p >= 51 && p <= 53, p >= 61 && p <= 65, p >= 71 && p <= 76, p == 81, p == 82, p >= 91 && p <= 97:
	default:
		return false
	}
	dd := number(d[6:8])
	if dd > 40 {
		dd -= 40
	}
	return day(number(d[10:12]), number(d[8:10]), dd)
}

// cccd checks a Vietnamese number: province and century.
func cccd(d []byte) bool {
	p := 0
	if len(d) == 12 {
		p = number(d[:3])
	}
	return p >= 1 && p <= 96 && d[3] <= '3'
}

// saudi checks a Saudi number of a citizen or a resident.
func saudi(d []byte) bool { return len(d) == 10 && (d[0] == '1' || d[0] == '2') && luhn(d) }

// emiratesID checks the form of an Emirates number: 784 and a year of birth. How
// its check digit is made is not published.
func emiratesID(d []byte) bool {
	return len(d) == 15 && string(d[:3]) == "784" && number(d[3:7]) >= 1900 && number(d[3:7]) <= 2035
}

// jmbg checks a number of Serbia and its neighbours, by the place of birth.
func jmbg(d []byte) bool {
	p := 0
	if masterNumber(d) {
		p = number(d[7:9])
	}
	return p >= 10 && p <= 49 || p >= 60 && p <= 96
}

// snils checks a Russian insurance number: weights 9 to 1, modulo 101.
func snils(d []byte) bool {
	return len(d) == 11 && string(d[:9]) > "001001998" && weighted(d, 9, 8, 7, 6, 5, 4, 3, 2, 1)%101%100 == number(d[9:])
}

// inn checks a Russian tax number, of a company (10) or a person (12).
func inn(d []byte) bool {
	switch {
	case len(d) == 0 || same(d):
		return false
	case len(d) == 10:
		return weighted(d, 2, 4, 10, 3, 5, 9, 4, 6, 8)%11%10 == at10(d, 9)
	case len(d) == 12:
		return weighted(d, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)%11%10 == at10(d, 10) &&
			weighted(d, 3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)%11%10 == at10(d, 11)
	}
	return false
}

// rnokpp checks a Ukrainian tax number.
func rnokpp(d []byte) bool {
	return len(d) == 10 && !same(d) && (weighted(d, -1, 5, 7, 9, 4, 6, 10, 5, 7)+110)%11%10 == at10(d, 9)
}

// koreanBusiness checks a Korean business number.
func koreanBusiness(d []byte) bool {
	return len(d) == 10 && !same(d) && (10-(weighted(d, 1, 3, 7, 1, 3, 7, 1, 3, 5)+at10(d, 8)*5/10)%10)%10 == at10(d, 9)
}

// japaneseCorporate checks a Japanese corporate number: the first digit is 9 less
// the others weighed 1 and 2 from the right, modulo 9.
func japaneseCorporate(d []byte) bool {
	return len(d) == 13 && !same(d) && 9-weighted(d[1:], 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1)%9 == at10(d, 0)
}

// uscc checks a Chinese unified social credit code (GB 32100): base 31, powers of 3.
func uscc(s []byte) bool {
	const alphabet = "0123456789ABCDEFGHJKLMNPQRTUWXY"
	if len(s) != 18 || !allDigits(s[2:8]) || strings.IndexByte("123456789ANY", s[0]) < 0 {
		return false
	}
	sum, w := 0, 1
	for _, c := range s[:17] {
		n := strings.IndexByte(alphabet, c)
		if n < 0 {
			return false
		}
		sum += n * w
		w = w * 3 % 31
	}
	return s[17] == alphabet[(31-sum%31)%31]
}

// uen checks a Singaporean number of a business (8 digits), of a local company (a
// year and five digits) or of another body (T08LL0001A).
func uen(s []byte) bool {
	switch n := len(s); {
	case n == 9 && allDigits(s[:8]):
		return s[8] == "XMKECAWLJDB"[weighted(s, 10, 4, 9, 3, 8, 2, 7, 1)%11]
	case n == 10 && allDigits(s[:9]):
		y := number(s[:4])
		return y >= 1800 && y <= 2035 && s[9] == "ZKCMDNERGWH"[weighted(s, 10, 8, 6, 4, 9, 7, 5, 3, 1)%11]
	case n == 10 && (s[0] == 'T' || s[0] == 'S' || s[0] == 'R') && allDigits(s[1:3]) && allDigits(s[5:9]):
		const alphabet = "ABCDEFGHJKLMNPQRSTUVWX0123456789"
		sum := 0
		for i, w := range [...]int{4, 3, 5, 3, 10, 2, 2, 5, 7} {
			v := strings.IndexByte(alphabet, s[i])
			if v < 0 {
				return false
			}
			sum += v * w
		}
		return s[9] == alphabet[(sum+6)%11]
	}
	return false
}

// orgnr checks a Norwegian number of an organisation.
func orgnr(d []byte) bool {
	if len(d) != 9 || d[0] != '8' && d[0] != '9' {
		return false
	}
	r := weighted(d, 3, 2, 7, 6, 5, 4, 3, 2) % 11
	return r != 1 && (11-r)%11 == at10(d, 8)
}

// organisationsnummer checks a Swedish number of an organisation. A firm of one
// person has that person's number, so that the third digit says nothing.
func organisationsnummer(d []byte) bool { return len(d) == 10 && d[0] != '0' && luhn(d) }

// cin checks an Italian account: a letter over bank, branch and account.
func cin(s []byte) bool {
	if len(s) != 23 || !allDigits(s[1:11]) {
		return false
	}
	sum := 0
	for i, c := range s[1:] {
		v := value36(c)
		switch {
		case i%2 == 0:
			sum += int(fiscaleOdd[v])
		case v >= 10:
			sum += v - 10
		default:
			sum += v
		}
	}
	return s[0] == byte('A'+sum%26)
}

// utr checks a British taxpayer reference: the first digit is over the others.
func utr(d []byte) bool {
	return len(d) == 10 && !same(d) && d[0] == "21987654321"[weighted(d[1:], 6, 7, 8, 9, 10, 5, 4, 3, 2)%11]
}

// taxReference takes any ten digits for a UK tax reference, as nothing is one
// without a word for it; a check digit that holds is said.
func taxReference(d []byte, _ string) (string, bool) {
	if utr(d) {
		return "check digit holds", true
	}
	return "", !same(d)
}

// spi checks a French tax number: the last three digits are the others modulo 511.
func spi(d []byte) bool {
	return len(d) == 13 && d[0] <= '3' && !same(d) && number(d[:10])%511 == number(d[10:])
}

// lanr checks a German physician's number: weights 4 and 9 over six digits.
func lanr(d []byte) bool {
	return len(d) == 9 && !same(d[:6]) && (10-weighted(d, 4, 9, 4, 9, 4, 9)%10)%10 == at10(d, 6)
}

// adoazonosito checks a Hungarian tax number of a person.
func adoazonosito(d []byte) bool {
	return len(d) == 10 && d[0] == '8' && weighted(d, 1, 2, 3, 4, 5, 6, 7, 8, 9)%11 == at10(d, 9)
}

// kennitala checks an Icelandic number of a person: date, modulo 11, century.
func kennitala(d []byte) bool {
	return len(d) == 10 && ddmmyy(d) && strings.IndexByte("890", d[9]) >= 0 && elevenLess(weighted(d, 3, 2, 7, 6, 5, 4, 3, 2)) == at10(d, 8)
}

// cnh checks a Brazilian driver's number: two digits, the second less two where the
// first came out as ten.
func cnh(d []byte) bool {
	if len(d) != 11 || same(d) {
		return false
	}
	less := 0
	first := weighted(d, 9, 8, 7, 6, 5, 4, 3, 2, 1) % 11
	if first == 10 {
		first, less = 0, 2
	}
	second := weighted(d, 1, 2, 3, 4, 5, 6, 7, 8, 9) % 11
	if second == 10 {
		second = 0
	} else if second -= less; second < 0 {
		second += 11 // the Departments' own programs differ here: 9 or 10, and 10 is none
	}
	return first == at10(d, 9) && second == at10(d, 10)
}

// egyptian checks an Egyptian number: century, date, governorate.
func egyptian(d []byte) bool {
	if len(d) != 14 || d[0] != '2' && d[0] != '3' || !yymmdd(d[1:7]) {
		return false
	}
	p := number(d[7:9])
	return p >= 1 && p <= 35 || p == 88
}

// kuwaiti checks a Kuwaiti number: century, date, modulo 11.
func kuwaiti(d []byte) bool {
	return len(d) == 12 && (d[0] == '2' || d[0] == '3') && yymmdd(d[1:7]) && 11-weighted(d, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)%11 == at10(d, 11)
}

// kazakh checks a Kazakh number: date, century and sex, modulo 11 in two steps.
func kazakh(d []byte) bool {
	if len(d) != 12 || !yymmdd(d) || d[6] < '1' || d[6] > '6' {
		return false
	}
	r := weighted(d, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11) % 11
	if r == 10 {
		r = weighted(d, 3, 4, 5, 6, 7, 8, 9, 10, 11, 1, 2) % 11
	}
	return r == at10(d, 11)
}

// ontario checks a health number of Ontario; britishColumbia one of that province.
func ontario(d []byte) bool { return len(d) == 10 && d[0] != '0' && luhn(d) }

func britishColumbia(d []byte) bool {
	return len(d) == 10 && d[0] == '9' && (11-weighted(d[1:], 2, 4, 8, 5, 10, 9, 7, 3)%11)%11 == at10(d, 9)
}

// canadianHealth checks a number of one of both, or nine digits of a province that
// has no check digit.
func canadianHealth(d []byte) bool {
	return !same(d) && (len(d) == 9 || ontario(d) || britishColumbia(d))
}

// ramq checks the form of a health number of Quebec: letters of the name, date of
// birth with 50 added to the month of women.
func ramq(s []byte) bool {
	m := number(s[6:8])
	if m > 50 {
		m -= 50
	}
	return day(number(s[4:6]), m, number(s[8:10]))
}

// imsi checks the country of a subscriber number (ITU E.212).
func imsi(d []byte) bool { return len(d) == 15 && d[0] >= '2' && d[0] <= '7' && !same(d[3:]) }

// isin checks a security's number: letters count two digits, Luhn.
func isin(s []byte) bool {
	if len(s) != 12 || !isUpper(s[0]) || !isUpper(s[1]) || !isDigit(s[11]) {
		return false
	}
	var room [24]byte
	d := room[:0]
	for _, c := range s {
		if v := value36(c); v >= 10 {
			d = append(d, '0'+byte(v/10), '0'+byte(v%10))
		} else {
			d = append(d, c)
		}
	}
	return luhn(d)
}

// lei checks a legal entity identifier (ISO 17442): ISO/IEC 7064 MOD 97-10.
func lei(s []byte) bool {
	return len(s) == 20 && allDigits(s[18:]) && !allDigits(s) && rest97(0, s) == 1
}

// cusip checks a North American security's number.
func cusip(s []byte) bool {
	if len(s) != 9 || !isDigit(s[8]) || !isDigit(s[0]) {
		return false
	}
	sum := 0
	for i, c := range s[:8] {
		v := value36(c) * (1 + i%2)
		sum += v/10 + v%10
	}
	return (10-sum%10)%10 == at10(s, 8)
}

// sedol checks a British security's number; there are no vowels.
func sedol(s []byte) bool {
	if len(s) != 7 || !isDigit(s[6]) {
		return false
	}
	sum := 0
	for i, c := range s {
		if strings.IndexByte("AEIOU", c) >= 0 {
			return false
		}
		sum += value36(c) * [...]int{1, 3, 1, 7, 3, 9, 1}[i]
	}
	return sum%10 == 0
}

// snomed checks a SNOMED CT concept identifier: Verhoeff, and a partition for
// concepts before the check digit.
func snomed(d []byte) bool {
	n := len(d)
	return n >= 6 && n <= 18 && d[0] != '0' && (string(d[n-3:n-1]) == "00" || string(d[n-3:n-1]) == "10") && verhoeff(d)
}

// loinc checks a code of a laboratory's observation: Luhn.
func loinc(d []byte) bool { return len(d) >= 3 && len(d) <= 7 && luhn(d) }

// southAfricanCompany checks a registration: year, number, kind of company.
func southAfricanCompany(d []byte) bool {
	y := number(d[:4])
	return len(d) == 12 && y >= 1900 && y <= 2035 && (d[10] == '0' || d[10] == '1' || d[10] == '2')
}

// icdBlocks are the categories of ICD-10 by the chapter's letter, from and to, as in
// the WHO's edition and those that countries made of it. What happened to somebody (V to
// Y) is no diagnosis.
var icdBlocks = map[byte]string{
	'A': "00-09 15-99", 'B': "00-10 15-99", 'C': "00-97", 'D': "00-89", 'E': "00-16 20-36 40-46 50-90", 'F': "00-99",
	'G': "00-14 20-26 30-32 35-37 40-47 50-65 70-73 80-83 89-99", 'H': "00-06 10-13 15-22 25-28 30-36 40-62 65-75 80-83 90-95",
	'I': "00-02 05-16 20-28 30-52 60-89 95-99", 'J': "00-06 09-18 20-22 30-47 60-70 80-86 90-99", 'K': "00-14 20-31 35-38 40-46 50-52 55-68 70-77 80-95",
	'L': "00-08 10-14 20-30 40-45 49-76 80-99", 'M': "00-36 40-43 45-51 53-54 60-63 65-68 70-99", 'N': "00-08 10-23 25-53 60-65 70-77 80-99",
	'O': "00-48 60-77 80-99", 'P': "00-96", 'Q': "00-07 10-18 20-28 30-45 50-56 60-99", 'R': "00-99", 'S': "00-99", 'T': "00-98", 'U': "04-04 07-12 80-89", 'Z': "00-99",
}

// icd10 checks that a category without a point is one of ICD-10. With one, the form
// says enough.
func icd10(v []byte) bool {
	if len(v) > len("A99") {
		return true
	}
	n := number(v[1:])
	for blocks := icdBlocks[v[0]]; len(blocks) >= len("00-99"); blocks = blocks[min(len(blocks), len("00-99 ")):] {
		if n >= number([]byte(blocks[:2])) && n <= number([]byte(blocks[3:5])) {
			return true
		}
	}
	return false
}

// category reports whether a code of ICD-10 is one without a point.
func category(v string) bool { return len(v) == len("A99") }

// nzbn checks a New Zealand business number: GS1's digit under New Zealand's prefix.
func nzbn(d []byte) bool { return len(d) == 13 && string(d[:4]) == "9429" && gtin(d) }

// cypriot checks a Cypriot tax number: odd places by a table, modulo 26.
func cypriot(s []byte) bool {
	if len(s) != 9 || !allDigits(s[:8]) || string(s[:2]) == "12" {
		return false
	}
	sum := 0
	for i := range 8 {
		if v := at10(s, i); i%2 == 0 {
			sum += int(fiscaleOdd[v])
		} else {
			sum += v
		}
	}
	return s[8] == byte('A'+sum%26)
}

// maltese checks the form of a Maltese identity card: seven digits and a letter.
func maltese(s []byte) bool { return strings.IndexByte("MGAPLHBZ", s[len(s)-1]) >= 0 }

// qatari checks a Qatari number: century, year, nationality.
func qatari(d []byte) bool {
	return len(d) == 11 && (d[0] == '2' || d[0] == '3') && number(d[3:6]) >= 1 && number(d[3:6]) <= 899
}

// drug checks a US drug code: ten digits in three groups.
func drug(d []byte) bool { return (len(d) == 10 || len(d) == 11) && !same(d) }

// A German tax number has no check digit that is the same in all states: this is
// only about its length.
func steuernummer(d []byte) bool { return (len(d) == 10 || len(d) == 11 || len(d) == 13) && !same(d) }

// mexicanSecurity checks a Mexican social security number: Luhn.
func mexicanSecurity(d []byte) bool { return len(d) == 11 && !same(d) && luhn(d) }

// japaneseAccount checks the length: an account, with its branch, with the bank.
func japaneseAccount(d []byte) bool {
	return (len(d) == 7 || len(d) == 10 || len(d) == 14) && !same(d)
}

// israeliAccount checks a bank's number, its branch and account.
func israeliAccount(d []byte) bool {
	b := number(d[:2])
	return (b >= 4 && b <= 99) && !same(d)
}

// cusipLetters and sedolLetters are of those that have a letter; anything else is a
// number.
func cusipLetters(s []byte) bool { return !allDigits(s) && cusip(s) }
func sedolLetters(s []byte) bool { return !allDigits(s) && sedol(s) }

// philippineTax checks the length: nine digits, and three or five of a branch.
func philippineTax(d []byte) bool {
	return (len(d) == 9 || len(d) == 12 || len(d) == 14) && !same(d)
}

// cnic checks the province of a Pakistani number.
func cnic(d []byte) bool { return d[0] >= '1' && d[0] <= '8' && !same(d) }

// bangladeshi checks the length: ten digits, 13, or 17 with the year of birth.
func bangladeshi(d []byte) bool {
	switch len(d) {
	case 10, 13:
		return !same(d)
	case 17:
		y := number(d[:4])
		return y >= 1900 && y <= 2020
	}
	return false
}

// lankan checks year and day of a Sri Lankan number; 500 are added for women.
func lankan(d []byte) bool {
	y := number(d[:4])
	return y >= 1900 && y <= 2020 && lankanDay(d[4:7])
}

func lankanOld(s []byte) bool { return lankanDay(s[2:5]) }

func lankanDay(d []byte) bool {
	n := number(d) % 500
	return number(d) < 1000 && n >= 1 && n <= 366
}

// carteIdentite checks the date of a French identity card up to 2021: the year and
// month of issue.
func carteIdentite(d []byte) bool {
	m := number(d[2:4])
	return m >= 1 && m <= 12 && !same(d)
}

// carteNouvelle is one since 2021: nine letters and digits of both kinds.
func carteNouvelle(s []byte) bool {
	n := countDigits(s)
	return n >= 2 && n < len(s)
}

// hasDigits reports whether four or more of s are digits.
func hasDigits(s []byte) bool { return countDigits(s) >= 4 }

func countDigits(s []byte) int {
	n := 0
	for _, c := range s {
		if isDigit(c) {
			n++
		}
	}
	return n
}

// indianLicence checks the state and the year of issue.
func indianLicence(s []byte) bool {
	y := number(s[4:8])
	return strings.Contains("AN AP AR AS BR CG CH DD DL DN GA GJ HP HR JH JK KA KL LA LD MH ML MN MP MZ NL OD OR PB PY RJ SK TN TR TS UK UP WB", string(s[:2])) && y >= 1950 && y <= 2035
}

// japaneseLicence checks the commission that issued a licence.
func japaneseLicence(d []byte) bool {
	p := number(d[:2])
	return p >= 10 && p <= 97 && !same(d)
}

// koreanLicence checks the region of a licence.
func koreanLicence(d []byte) bool {
	p := number(d[:2])
	return p >= 11 && p <= 28
}

// hkidAlone gives those with two letters no worth of their own but for the prefixes
// that are given out: KB6819296 is an article.
func hkidAlone(s []byte) Level {
	if isLetter(s[1]) && s[0] != 'X' && s[0] != 'W' {
		return Internal
	}
	return High
}

// deaAlone does the same for all but practitioners.
func deaAlone(s []byte) Level {
	if strings.IndexByte("ABFGM", s[0]) < 0 {
		return Internal
	}
	return High
}

// notSame is for forms that have no arithmetic: their digits are not all one.
func notSame(s []byte) bool {
	first := byte(0)
	for _, c := range s {
		if isDigit(c) && first == 0 {
			first = c
		} else if isDigit(c) && c != first {
			return true
		}
	}
	return false
}
