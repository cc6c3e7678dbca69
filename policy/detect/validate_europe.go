package detect

import "strings"

// The algorithms of European ids. Each takes digits, or letters in upper case and
// digits, without separators.

// day reports whether y-m-d is a day, in a leap year if y may be one.
func day(y, m, d int) bool {
	switch m {
	case 4, 6, 9, 11:
		return d >= 1 && d <= 30
	case 2:
		return d >= 1 && (d <= 28 || d == 29 && y%4 == 0)
	}
	return m >= 1 && m <= 12 && d >= 1 && d <= 31
}

// yymmdd and ddmmyy check six digits that are a date.
func yymmdd(d []byte) bool { return day(number(d[:2]), number(d[2:4]), number(d[4:6])) }
func ddmmyy(d []byte) bool { return day(number(d[4:6]), number(d[2:4]), number(d[:2])) }

// at10 returns the value of d's i-th digit.
func at10(d []byte, i int) int { return int(d[i] - '0') }

// value36 is 0 to 9 for digits, 10 to 35 for letters.
func value36(c byte) int {
	if isDigit(c) {
		return int(c - '0')
	}
	return int(c-'A') + 10
}

// icao is the check digit of ICAO Doc 9303 part 3: weights 7, 3, 1, '<' is 0.
func icao(s []byte) byte {
	sum := 0
	for i, c := range s {
		if c != '<' {
			sum += value36(c) * [3]int{7, 3, 1}[i%3]
		}
	}
	return '0' + byte(sum%10)
}

// alternate sums digits times 1 and 2 in turn, each product by its digit sum.
func alternate(d []byte) int {
	sum := 0
	for i := range d {
		n := at10(d, i) * (1 + i%2)
		sum += n/10 + n%10
	}
	return sum
}

// letterDigits writes a letter as two digits, A is 01.
func letterDigits(dst []byte, c byte) []byte {
	n := c - 'A' + 1
	return append(dst, '0'+n/10, '0'+n%10)
}

// ppsLetter is the check letter of an Irish PPS number: modulo 23, of seven digits
// and perhaps a second letter.
func ppsLetter(s []byte) bool {
	sum := weighted(s, 8, 7, 6, 5, 4, 3, 2)
	if len(s) == 9 {
		if s[8] > 'I' && s[8] != 'W' {
			return false
		}
		if s[8] != 'W' {
			sum += 9 * int(s[8]-'A'+1)
		}
	}
	return s[7] == "WABCDEFGHIJKLMNOPQRSTUV"[sum%23]
}

// pps checks an Irish PPS number.
func pps(s []byte) bool {
	return (len(s) == 8 || len(s) == 9) && digitsThenLetters(s, 7) && ppsLetter(s)
}

// digitsThenLetters reports whether s is n digits, then letters.
func digitsThenLetters(s []byte, n int) bool {
	for i, c := range s {
		if isDigit(c) != (i < n) {
			return false
		}
	}
	return len(s) >= n
}

// rvnr checks a German pension insurance number (VKVV section 2): area, date of
// birth, letter, serial, and the sum of digit sums.
func rvnr(s []byte) bool {
	if len(s) != 12 || !isUpper(s[8]) {
		return false
	}
	var room [13]byte
	d := append(room[:0], s[:8]...)
	d = append(letterDigits(d, s[8]), s[9:]...)
	for _, c := range d {
		if !isDigit(c) {
			return false
		}
	}
	born := number(d[2:4])
	if born > 50 {
		born -= 50
	}
	if area := number(d[:2]); area < 2 || area > 89 || !day(0, number(d[4:6]), born) {
		return false
	}
	sum := 0
	for i, w := range [12]int{2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1} {
		n := w * at10(d, i)
		sum += n/10 + n%10
	}
	return sum%10 == at10(d, 12)
}

// kvnr checks a German health insurance number (section 290 SGB V).
func kvnr(s []byte) bool {
	if len(s) != 10 || !isUpper(s[0]) || !allDigits(s[1:]) || same(s[1:9]) {
		return false
	}
	var room [10]byte
	d := append(letterDigits(room[:0], s[0]), s[1:9]...)
	return alternate(d)%10 == at10(s, 9)
}

func allDigits(s []byte) bool {
	for _, c := range s {
		if !isDigit(c) {
			return false
		}
	}
	return true
}

// personalausweis checks a German identity card number with its check digit. The
// letters are those of ICAO's serial numbers, without vowels.
func personalausweis(s []byte) bool {
	if len(s) != 10 || strings.IndexByte("LMNPRTVWXY", s[0]) < 0 || !isDigit(s[9]) {
		return false
	}
	for _, c := range s[:9] {
		if !isDigit(c) && strings.IndexByte("CFGHJKLMNPRTVWXYZ", c) < 0 {
			return false
		}
	}
	return icao(s[:9]) == s[9]
}

// svnr checks an Austrian social security number: serial, check digit, date.
func svnr(d []byte) bool {
	if len(d) != 10 || d[0] == '0' {
		return false
	}
	m := number(d[6:8])
	return (m >= 13 && m <= 15 || ddmmyy(d[4:])) && weighted(d, 3, 7, 9, 0, 5, 8, 4, 2, 1, 6)%11 == at10(d, 3)
}

// ahv checks a Swiss social security number: Switzerland's prefix and GS1's digit.
func ahv(d []byte) bool { return len(d) == 13 && string(d[:3]) == "756" && gtin(d) }

// belgian checks a Belgian national number: date, serial, 97 less the remainder.
func belgian(d []byte) bool {
	if len(d) != 11 {
		return false
	}
	m, dd := number(d[2:4]), number(d[4:6])
	if m >= 40 {
		m -= 40 // bis numbers
	} else if m >= 20 {
		m -= 20
	}
	if m > 12 || dd > 31 || number(d[6:9]) == 0 {
		return false
	}
	n, key := number(d[:9]), number(d[9:])
	return 97-n%97 == key || 97-(2_000_000_000+n)%97 == key
}

// luxembourg checks a national number: date, serial, Luhn and Verhoeff.
func luxembourg(d []byte) bool {
	if len(d) != 13 {
		return false
	}
	y := number(d[:4])
	var v [12]byte
	copy(v[:], d[:11])
	v[11] = d[12]
	return y >= 1880 && y <= 2035 && yymmdd(d[2:8]) && luhn(d[:12]) && verhoeff(v[:])
}

// nuss checks a Spanish social security number: modulo 97.
func nuss(d []byte) bool {
	if len(d) != 12 {
		return false
	}
	province, n := number(d[:2]), number(d[2:10])
	if province == 0 || province > 53 && province != 66 {
		return false
	}
	if n < 10_000_000 {
		n += province * 10_000_000
	} else {
		n += province * 100_000_000
	}
	return n%97 == number(d[10:])
}

// nif checks a Portuguese tax number.
func nif(d []byte) bool {
	if len(d) != 9 || d[0] == '0' || d[0] == '4' && d[1] != '5' {
		return false
	}
	c := 11 - weighted(d, 9, 8, 7, 6, 5, 4, 3, 2)%11
	if c > 9 {
		c = 0
	}
	return c == at10(d, 8)
}

// niss checks a Portuguese social security number.
func niss(d []byte) bool {
	return len(d) == 11 && (d[0] == '1' || d[0] == '2') && 9-weighted(d, 29, 23, 19, 17, 13, 11, 7, 5, 3, 2)%10 == at10(d, 10)
}

// cartaoCidadao checks a Portuguese citizen card number: Luhn over letters.
func cartaoCidadao(s []byte) bool {
	sum := 0
	for i, c := range s {
		n := value36(c)
		if i%2 == 0 {
			if n *= 2; n > 9 {
				n -= 9
			}
		}
		sum += n
	}
	return len(s) == 12 && sum%10 == 0
}

// pesel checks a Polish number: a date whose month is 20 more from 2000, and 80
// more up to 1899; 1-3-7-9.
func pesel(d []byte) bool {
	return len(d) == 11 && (d[2] < '4' || d[2] > '7') && day(number(d[:2]), number(d[2:4])%20, number(d[4:6])) &&
		(10-weighted(d, 1, 3, 7, 9, 1, 3, 7, 9, 1, 3)%10)%10 == at10(d, 10)
}

// polishCard checks a Polish identity card: three letters, check digit, five.
func polishCard(s []byte) bool {
	if len(s) != 9 {
		return false
	}
	sum := 0
	for i, w := range [9]int{7, 3, 1, 9, 7, 3, 1, 7, 3} {
		if isDigit(s[i]) != (i > 2) {
			return false
		}
		sum += w * value36(s[i])
	}
	return sum%10 == 0
}

// requests are what help desks number what people ask for with.
var requests = set("INC", "REQ", "CHG", "PRB", "TKT", "CRQ", "RFC")

// polishSeries is polishCard without requests: no series of cards starts so.
func polishSeries(s []byte) bool { return polishCard(s) && !requests[string(s[:3])] }

// rodneCislo checks a Czech or Slovak birth number of ten digits: women's months
// are 50 more, and 20 more where serials ran out.
func rodneCislo(d []byte) bool {
	if len(d) != 10 {
		return false
	}
	m := number(d[2:4])
	if m > 50 {
		m -= 50
	}
	if m > 20 {
		m -= 20
	}
	n := number(d)
	return day(number(d[:2]), m, number(d[4:6])) && (n%11 == 0 || number(d[:9])%11 == 10 && d[9] == '0')
}

// cnp checks a Romanian personal code.
func cnp(d []byte) bool {
	if len(d) != 13 || d[0] == '0' || !yymmdd(d[1:]) {
		return false
	}
	if county := number(d[7:9]); county == 0 || county > 52 && county != 70 && (county < 80 || county > 83) {
		return false
	}
	c := weighted(d, 2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9) % 11
	if c == 10 {
		c = 1
	}
	return c == at10(d, 12)
}

// hetu checks a Finnish personal identity code without its sign.
func hetu(s []byte) bool {
	var room [9]byte
	d := append(room[:0], s[:min(6, len(s))]...)
	rest := s[len(d):]
	if len(rest) == 5 { // the sign is a letter
		rest = rest[1:]
	}
	if len(rest) != 4 || !allDigits(d) || !allDigits(rest[:3]) {
		return false
	}
	d = append(d, rest[:3]...)
	serial := number(rest[:3])
	return ddmmyy(d) && serial >= 2 && rest[3] == "0123456789ABCDEFHJKLMNPRSTUVWXY"[number(d)%31]
}

// personnummer checks a Swedish personal number of 10 or 12 digits; of
// coordination numbers the day is 60 more.
func personnummer(d []byte) bool {
	if len(d) == 12 {
		if c := number(d[:2]); c < 18 || c > 20 {
			return false
		}
		d = d[2:]
	}
	if len(d) != 10 {
		return false
	}
	dd := number(d[4:6])
	if dd > 60 {
		dd -= 60
	}
	return day(number(d[:2]), number(d[2:4]), dd) && luhn(d)
}

// fodselsnummer checks a Norwegian number; D-numbers have 40 on the day.
func fodselsnummer(d []byte) bool {
	if len(d) != 11 {
		return false
	}
	dd, m := number(d[:2]), number(d[2:4])
	if dd > 40 {
		dd -= 40
	}
	if m > 40 {
		m -= 40
	}
	return day(number(d[4:6]), m, dd) && weighted(d, 3, 7, 6, 1, 8, 9, 4, 5, 2, 1)%11 == 0 && weighted(d, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2, 1)%11 == 0
}

// cpr checks the date of a Danish number. Since 2007 there is no check digit.
func cpr(d []byte) bool { return len(d) == 10 && ddmmyy(d) }

// tckn checks a Turkish identity number.
func tckn(d []byte) bool {
	if len(d) != 11 || d[0] == '0' {
		return false
	}
	odd := weighted(d, 1, 0, 1, 0, 1, 0, 1, 0, 1)
	even := weighted(d, 0, 1, 0, 1, 0, 1, 0, 1)
	return (7*odd-even+100)%10 == at10(d, 9) && weighted(d, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1)%10 == at10(d, 10)
}

// taj checks a Hungarian social security number: 3 and 7 in turn.
func taj(d []byte) bool { return len(d) == 9 && weighted(d, 3, 7, 3, 7, 3, 7, 3, 7)%10 == at10(d, 8) }

// egn checks a Bulgarian number; months are 20 more before 1900, 40 from 2000.
func egn(d []byte) bool {
	return len(d) == 10 && number(d[2:4]) <= 52 && day(number(d[:2]), number(d[2:4])%20, number(d[4:6])) &&
		weighted(d, 2, 4, 8, 5, 10, 9, 7, 3, 6)%11%10 == at10(d, 9)
}

// oib checks a Croatian number: ISO/IEC 7064 MOD 11,10.
func oib(d []byte) bool { return len(d) == 11 && mod1110(d) }

// emso checks a Slovenian number: one of the former Yugoslavia's, with Slovenia's
// place of birth.
func emso(d []byte) bool { return masterNumber(d) && d[7] == '5' }

// masterNumber checks a number of the former Yugoslavia: date, modulo 11.
func masterNumber(d []byte) bool {
	if len(d) != 13 || d[4] != '9' && d[4] != '0' || !day(number(d[5:7]), number(d[2:4]), number(d[:2])) {
		return false
	}
	return (11-weighted(d, 7, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11)%11%10 == at10(d, 12)
}

// amka checks a Greek social security number: date and Luhn.
func amka(d []byte) bool { return len(d) == 11 && ddmmyy(d) && luhn(d) }

// afm checks a Greek tax number: powers of two, modulo 11.
func afm(d []byte) bool {
	return len(d) == 9 && !same(d) && weighted(d, 256, 128, 64, 32, 16, 8, 4, 2)%11%10 == at10(d, 8)
}

// baltic checks an Estonian or Lithuanian code: century and sex, date, and a check
// digit modulo 11 in two steps.
func baltic(d []byte) bool {
	if len(d) != 11 || d[0] < '1' || d[0] > '8' || !yymmdd(d[1:]) {
		return false
	}
	c := weighted(d, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1) % 11
	if c == 10 {
		c = weighted(d, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3) % 11
	}
	return c%10 == at10(d, 10)
}

// latvian checks a Latvian code as given out up to 2017.
func latvian(d []byte) bool {
	return len(d) == 11 && d[6] <= '2' && ddmmyy(d) && (1101-weighted(d, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2))%11 == at10(d, 10)
}

// ccc checks a Spanish account number: two digits modulo 11.
func ccc(d []byte) bool {
	if len(d) != 20 {
		return false
	}
	digit := func(n int) int {
		c := 11 - n%11
		if c == 10 {
			return 1
		}
		return c % 11
	}
	return digit(weighted(d, 4, 8, 5, 10, 9, 7, 3, 6)) == at10(d, 8) && digit(weighted(d[10:], 1, 2, 4, 8, 5, 10, 9, 7, 3, 6)) == at10(d, 9)
}

// rib checks a French account number of digits: modulo 97.
func rib(d []byte) bool {
	return len(d) == 23 && (89*number(d[:5])+15*number(d[5:10])+3*number(d[10:21])+number(d[21:]))%97 == 0
}

// drivingLicence checks the form of a driver number of Great Britain: surname,
// date of birth between digits, initials.
func drivingLicence(s []byte) bool {
	if len(s) != 16 || !isUpper(s[0]) || !allDigits(s[5:11]) || isDigit(s[14]) || isDigit(s[15]) {
		return false
	}
	nines := false
	for _, c := range s[:5] {
		if nines && c != '9' || isDigit(c) && c != '9' {
			return false
		}
		nines = c == '9'
	}
	m := number(s[6:8])
	if m > 50 {
		m -= 50
	}
	return day(0, m, number(s[8:10])) && (isUpper(s[11]) || s[11] == '9') && (isUpper(s[12]) || s[12] == '9')
}
