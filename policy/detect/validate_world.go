package detect

import "strings"

// The algorithms of ids outside Europe, of companies and of devices.

// itin checks a US individual taxpayer number (irs.gov: 900 to 999, groups 50-65,
// 70-88, 90-92 and 94-99).
func itin(d []byte) bool {
	if len(d) != 9 || d[0] != '9' {
		return false
	}
	g := number(d[3:5])
	return g >= 50 && g <= 65 || g >= 70 && g <= 88 || g >= 90 && g <= 92 || g >= 94
}

// ein checks the prefix of a US employer number (irs.gov: "How EINs are assigned").
func ein(d []byte) bool {
	if len(d) != 9 {
		return false
	}
	switch p := number(d[:2]); p {
	case 0, 7, 8, 9, 17, 18, 19, 28, 29, 49, 69, 70, 78, 79, 89, 96, 97:
		return false
	}
	return true
}

// npi checks a US provider number: Luhn with 80840 before it.
func npi(d []byte) bool {
	if len(d) != 10 || d[0] != '1' && d[0] != '2' {
		return false
	}
	var v [15]byte
	copy(v[:], "80840")
	copy(v[5:], d)
	return luhn(v[:])
}

// dea checks a DEA registration number.
func dea(s []byte) bool {
	return len(s) == 9 && strings.IndexByte("ABCDEFGHJKLMPRSTUX", s[0]) >= 0 && (isUpper(s[1]) || s[1] == '9') && allDigits(s[2:]) &&
		!same(s[2:]) && (weighted(s[2:], 1, 0, 1, 0, 1)+2*weighted(s[2:], 0, 1, 0, 1, 0, 1))%10 == at10(s, 8)
}

// mbi checks the form of a Medicare number: no S, L, O, I, B, Z.
func mbi(s []byte) bool {
	if len(s) != 11 || s[0] == '0' {
		return false
	}
	for i, c := range s {
		if isUpper(c) && strings.IndexByte("SLOIBZ", c) >= 0 {
			return false
		}
		switch i {
		case 0, 3, 6, 9, 10:
			if !isDigit(c) {
				return false
			}
		case 1, 4, 7, 8:
			if isDigit(c) {
				return false
			}
		}
	}
	return true
}

// sin checks a Canadian social insurance number.
func sin(d []byte) bool { return len(d) == 9 && d[0] != '0' && d[0] != '8' && luhn(d) }

// cpf checks a Brazilian number of a person.
func cpf(d []byte) bool {
	return len(d) == 11 && !same(d) && elevenLess(weighted(d, 10, 9, 8, 7, 6, 5, 4, 3, 2)) == at10(d, 9) &&
		elevenLess(weighted(d, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)) == at10(d, 10)
}

// elevenLess is 11 less the remainder by 11, and 0 where that has two digits.
func elevenLess(sum int) int {
	if r := sum % 11; r >= 2 {
		return 11 - r
	}
	return 0
}

// cnpj checks a Brazilian number of a company, with letters as they are given out
// from 2026: a character counts its ASCII code less 48.
func cnpj(s []byte) bool {
	if len(s) != 14 || !allDigits(s[12:]) || string(s[:12]) == "000000000000" {
		return false
	}
	return elevenLess(cnpjSum(s[:12])) == at10(s, 12) && elevenLess(cnpjSum(s[:13])) == at10(s, 13)
}

// cnpjSum weighs 2 to 9 from the right, over and over.
func cnpjSum(s []byte) int {
	sum := 0
	for i := range s {
		sum += int(s[len(s)-1-i]-'0') * (2 + i%8)
	}
	return sum
}

// cnpjLetters is cnpj, of a number with a letter in it.
func cnpjLetters(s []byte) bool { return !allDigits(s) && cnpj(s) }

// pis checks a Brazilian social integration number.
func pis(d []byte) bool {
	return len(d) == 11 && !same(d) && elevenLess(weighted(d, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)) == at10(d, 10)
}

// curp checks a Mexican population code: names, date, sex, state and a check digit
// over an alphabet of 37.
func curp(s []byte) bool {
	if len(s) != 18 || !allDigits(s[4:10]) || !yymmdd(s[4:]) || strings.IndexByte("HMX", s[10]) < 0 || !isDigit(s[17]) {
		return false
	}
	if !strings.Contains(" AS BC BS CC CL CM CS CH DF DG GT GR HG JC MC MN MS NT NL OC PL QT QR SP SL SR TC TS TL VZ YN ZS NE ", " "+string(s[11:13])+" ") {
		return false
	}
	sum := 0
	for i, c := range s[:17] {
		n := value36(c)
		if c > 'N' {
			n++ // after the Ñ
		}
		sum += n * (18 - i)
	}
	return (10-sum%10)%10 == at10(s, 17)
}

// clabe checks a Mexican account number: 3-7-1, each product modulo 10.
func clabe(d []byte) bool {
	if len(d) != 18 {
		return false
	}
	sum := 0
	for i := range 17 {
		sum += at10(d, i) * [3]int{3, 7, 1}[i%3] % 10
	}
	return (10-sum%10)%10 == at10(d, 17)
}

// cuil checks an Argentine number of a person or company.
func cuil(d []byte) bool {
	if len(d) != 11 {
		return false
	}
	switch number(d[:2]) {
	case 20, 23, 24, 25, 26, 27, 30, 33, 34:
		c := (11 - weighted(d, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11) % 11
		return min(c, 9) == at10(d, 10) // what comes out as ten is written 9
	}
	return false
}

// tfn checks an Australian tax file number.
func tfn(d []byte) bool { return len(d) == 9 && weighted(d, 1, 4, 3, 7, 5, 8, 6, 9, 10)%11 == 0 }

// medicare checks an Australian Medicare number with its issue number.
func medicare(d []byte) bool {
	return len(d) == 10 && d[0] >= '2' && d[0] <= '6' && d[9] != '0' && weighted(d, 1, 3, 7, 9, 1, 3, 7, 9)%10 == at10(d, 8)
}

// abn checks an Australian business number: 1 less in front, modulo 89.
func abn(d []byte) bool {
	return len(d) == 11 && d[0] != '0' && (weighted(d, 10, 1, 3, 5, 7, 9, 11, 13, 15, 17, 19)-10)%89 == 0
}

// acn checks an Australian company number.
func acn(d []byte) bool {
	return len(d) == 9 && (10-weighted(d, 8, 7, 6, 5, 4, 3, 2, 1)%10)%10 == at10(d, 8)
}

// ird checks a New Zealand tax number of 8 or 9 digits.
func ird(d []byte) bool {
	var v [9]byte
	if len(d) != 8 && len(d) != 9 {
		return false
	}
	v[0] = '0'
	copy(v[9-len(d):], d)
	if n := number(v[:]); n < 10_000_000 || n > 150_000_000 {
		return false
	}
	c := (11 - weighted(v[:], 3, 2, 7, 6, 5, 4, 3, 2)%11) % 11
	if c == 10 {
		c = (11 - weighted(v[:], 7, 4, 3, 2, 5, 2, 7, 6)%11) % 11
	}
	return c == at10(v[:], 8)
}

// nhi checks a New Zealand health index number: modulo 11 of the first form, with
// four digits, modulo 24 of the second, with two digits and two letters. Letters
// count without I and O.
func nhi(s []byte) bool {
	const letters = "ABCDEFGHJKLMNPQRSTUVWXYZ"
	if len(s) != 7 {
		return false
	}
	sum, last := 0, isLetter(s[6])
	for i, c := range s[:6] {
		n := int(c - '0')
		if i < 3 || i == 5 && last {
			if n = strings.IndexByte(letters, c) + 1; n == 0 {
				return false
			}
		} else if !isDigit(c) {
			return false
		}
		sum += n * (7 - i)
	}
	if last {
		return letters[23-sum%24] == s[6]
	}
	r := sum % 11
	return isDigit(s[6]) && r != 0 && (11-r)%10 == at10(s, 6)
}

// aadhaar checks an Indian number: Verhoeff, not from 0 or 1.
func aadhaar(d []byte) bool { return len(d) == 12 && d[0] > '1' && verhoeff(d) }

// pan checks an Indian tax number: the fourth letter is the kind of holder.
func pan(s []byte) bool {
	return len(s) == 10 && strings.IndexByte("ABCFGHJLPT", s[3]) >= 0 && allDigits(s[5:9]) && isUpper(s[9])
}

// gstin checks an Indian tax number of a business: state, PAN and a check
// character modulo 36.
func gstin(s []byte) bool {
	if len(s) != 15 || !allDigits(s[:2]) || !pan(s[2:12]) || s[13] != 'Z' {
		return false
	}
	if state := number(s[:2]); state == 0 || state > 38 && state != 97 && state != 99 {
		return false
	}
	sum := 0
	for i, c := range s[:14] {
		n := value36(c) * (1 + i%2)
		sum += n/36 + n%36
	}
	return (36-sum%36)%36 == value36(s[14])
}

// nric checks a Singapore number.
func nric(s []byte) bool {
	if len(s) != 9 || !allDigits(s[1:8]) {
		return false
	}
	sum := weighted(s[1:], 2, 7, 6, 5, 4, 3, 2)
	switch s[0] {
	case 'S':
		return s[8] == "JZIHGFEDCBA"[sum%11]
	case 'T':
		return s[8] == "JZIHGFEDCBA"[(sum+4)%11]
	case 'F':
		return s[8] == "XWUTRQPNMLK"[sum%11]
	case 'G':
		return s[8] == "XWUTRQPNMLK"[(sum+4)%11]
	case 'M':
		return s[8] == "KLJNPQRTUWX"[10-(sum+3)%11]
	}
	return false
}

// hkid checks a Hong Kong number: one or two letters, six digits, 0-9 or A.
func hkid(s []byte) bool {
	sum, n := 0, len(s)
	if n != 8 && n != 9 || !allDigits(s[n-7:n-1]) || !isDigit(s[n-1]) && s[n-1] != 'A' {
		return false
	}
	if n == 8 {
		sum = 9 * 36
	}
	for i, c := range s {
		if i < n-7 && isDigit(c) {
			return false
		}
		sum += value36(c) * (n - i)
	}
	return sum%11 == 0
}

// residentID checks a Chinese number: region, date and ISO/IEC 7064 MOD 11-2.
func residentID(s []byte) bool {
	if len(s) != 18 || !allDigits(s[:17]) || s[0] == '0' || s[0] == '9' {
		return false
	}
	y := number(s[6:10])
	return y >= 1850 && y <= 2035 && yymmdd(s[8:14]) && s[17] == "10X98765432"[weighted(s, 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)%11]
}

// myNumber checks a Japanese individual number.
func myNumber(d []byte) bool {
	if len(d) != 12 {
		return false
	}
	return elevenLess(weighted(d, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)) == at10(d, 11)
}

// rrn checks a Korean number. Since October 2020 there is no check digit: those
// born after are taken by their date.
func rrn(d []byte) bool {
	return len(d) == 13 && yymmdd(d) && d[6] >= '1' && d[6] <= '4' &&
		((11-weighted(d, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)%11)%10 == at10(d, 12) || d[6] >= '3' && unchecked(d))
}

// thai checks a Thai number.
func thai(d []byte) bool {
	return len(d) == 13 && d[0] != '0' && d[0] != '9' && (11-weighted(d, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11)%10 == at10(d, 12)
}

// southAfrican checks a South African number: date, citizenship, Luhn.
func southAfrican(d []byte) bool {
	return len(d) == 13 && yymmdd(d) && d[10] <= '2' && luhn(d)
}

// teudatZehut checks an Israeli number.
func teudatZehut(d []byte) bool { return len(d) == 9 && luhn(d) }

// taiwanese checks a Taiwanese number: a letter for the place, sex, weights.
func taiwanese(s []byte) bool {
	if len(s) != 10 || !allDigits(s[1:]) || s[1] != '1' && s[1] != '2' {
		return false
	}
	n := strings.IndexByte("ABCDEFGHJKLMNPQRSTUVXYWZIO", s[0]) + 10
	sum := n/10 + n%10*9 + weighted(s[1:], 8, 7, 6, 5, 4, 3, 2, 1, 1)
	return n >= 10 && sum%10 == 0
}

// imei checks a device number.
func imei(d []byte) bool { return len(d) == 15 && !same(d) && luhn(d) }

// iccid checks a SIM card number.
func iccid(d []byte) bool {
	return (len(d) == 19 || len(d) == 20) && d[0] == '8' && d[1] == '9' && luhn(d)
}

// vin checks a vehicle number: ISO 3779, the check digit of 49 CFR 565.
func vin(s []byte) bool {
	if len(s) != 17 || !isDigit(s[13]) || !isDigit(s[14]) || !isDigit(s[15]) || !isDigit(s[16]) {
		return false
	}
	const letters, values = "ABCDEFGHJKLMNPRSTUVWXYZ", "12345678123457923456789"
	sum, digits := 0, 0
	for i, c := range s {
		n := int(c - '0')
		if isUpper(c) {
			j := strings.IndexByte(letters, c)
			if j < 0 {
				return false
			}
			n = int(values[j] - '0')
		} else {
			digits++
		}
		sum += n * [17]int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2}[i]
	}
	if digits == 17 {
		return false
	}
	if r := sum % 11; r < 10 {
		return s[8] == '0'+byte(r)
	}
	return s[8] == 'X'
}

// ukVAT checks a British VAT number of nine digits: modulo 97, or 55 more or less.
func ukVAT(d []byte) bool {
	if len(d) != 9 || same(d) {
		return false
	}
	sum := weighted(d, 8, 7, 6, 5, 4, 3, 2) + number(d[7:])
	return sum%97 == 0 || d[0] != '0' && (sum%97 == 42 || sum%97 == 55)
}

// uid checks a Swiss company number.
func uid(s []byte) bool {
	if len(s) < 9 {
		return false
	}
	d := s[len(s)-9:]
	if !allDigits(d) {
		return false
	}
	return (11-weighted(d, 5, 4, 3, 2, 7, 6, 5, 4)%11)%11 == at10(d, 8)
}

// euVAT checks a VAT number with its country's prefix (European Commission, VIES:
// "VAT number construction rules", and the countries' algorithms).
func euVAT(s []byte) bool {
	if len(s) < 8 {
		return false
	}
	d := s[2:]
	switch string(s[:2]) {
	case "AT":
		return len(d) == 9 && d[0] == 'U' && allDigits(d[1:]) && (96-alternate(d[1:8]))%10 == at10(d, 8)
	case "CY":
		return cypriot(d)
	case "ES":
		return len(d) == 9 && (dni(d) || cif(d))
	case "FR":
		return len(d) == 11 && allDigits(d) && (luhn(d[2:]) || string(d[2:5]) == "000") && number(d[:2]) == (12+3*(number(d[2:])%97))%97
	case "IE":
		return (len(d) == 8 || len(d) == 9) && digitsThenLetters(d, 7) && irishVAT(d)
	case "NL":
		return len(d) == 12 && d[9] == 'B' && allDigits(d[:9]) && allDigits(d[10:]) && (bsn(d[:9]) || mod97(s))
	}
	return allDigits(d) && euVATDigits(string(s[:2]), d)
}

// euVATDigits checks the digits after a country's prefix.
func euVATDigits(country string, d []byte) bool {
	n := len(d)
	switch country {
	case "BE":
		return n == 10 && d[0] <= '1' && number(d[:8]) > 0 && 97-number(d[:8])%97 == number(d[8:])
	case "BG":
		return n == 9 && bulgarianCompany(d) || n == 10 && (egn(d) || weighted(d, 21, 19, 17, 13, 11, 9, 7, 3, 1)%10 == at10(d, 9) || (11-weighted(d, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11)%11 == at10(d, 9))
	case "CZ":
		if n == 8 {
			c := (11 - weighted(d, 8, 7, 6, 5, 4, 3, 2)%11) % 11
			return d[0] != '9' && max(c, 1)%10 == at10(d, 7) // nought is written 1, ten 0
		}
		return n == 10 && rodneCislo(d)
	case "DE":
		return n == 9 && d[0] != '0' && mod1110(d)
	case "DK":
		return n == 8 && d[0] != '0' && weighted(d, 2, 7, 6, 5, 4, 3, 2, 1)%11 == 0
	case "EE":
		return n == 9 && weighted(d, 3, 7, 1, 3, 7, 1, 3, 7, 1)%10 == 0
	case "EL":
		return afm(d)
	case "FI":
		return n == 8 && (11-weighted(d, 7, 9, 10, 5, 8, 4, 2)%11)%11 == at10(d, 7)
	case "HR":
		return oib(d)
	case "HU":
		return n == 8 && weighted(d, 9, 7, 3, 1, 9, 7, 3, 1)%10 == 0
	case "IT":
		if n != 11 {
			return false
		}
		p := number(d[7:10])
		return luhn(d) && string(d[:7]) != "0000000" && (p >= 1 && p <= 100 || p == 120 || p == 121 || p == 888 || p == 999)
	case "LT":
		return n == 9 && d[7] == '1' && lithuanianVAT(d) || n == 12 && d[10] == '1' && lithuanianVAT(d)
	case "LU":
		return n == 8 && number(d[:6])%89 == number(d[6:])
	case "LV":
		if n == 11 && d[0] > '3' {
			return weighted(d, 9, 1, 4, 8, 3, 10, 2, 5, 7, 6, 1)%11 == 3
		}
		return n == 11 && latvian(d)
	case "MT":
		return n == 8 && d[0] != '0' && weighted(d, 3, 4, 6, 7, 8, 9, 10, 1)%37 == 0
	case "PL":
		return nip(d)
	case "PT":
		return nif(d)
	case "RO":
		return romanianVAT(d)
	case "SE":
		return n == 12 && luhn(d[:10]) && string(d[10:]) == "01"
	case "SI":
		c := 0
		if n == 8 {
			c = 11 - weighted(d, 8, 7, 6, 5, 4, 3, 2)%11
		}
		return n == 8 && d[0] != '0' && c != 11 && c%10 == at10(d, 7)
	case "SK":
		return n == 10 && (d[0] != '0' && strings.IndexByte("2346789", d[2]) >= 0 && number(d)%11 == 0 || rodneCislo(d))
	}
	return false
}

// irishVAT is the check letter of seven digits and perhaps a second letter.
func irishVAT(s []byte) bool {
	sum := weighted(s, 8, 7, 6, 5, 4, 3, 2)
	if len(s) == 9 && s[8] != 'W' {
		sum += 9 * int(s[8]-'A'+1)
	}
	return s[7] == "WABCDEFGHIJKLMNOPQRSTUV"[sum%23]
}

// bulgarianCompany checks nine digits: modulo 11 in two steps.
func bulgarianCompany(d []byte) bool {
	c := weighted(d, 1, 2, 3, 4, 5, 6, 7, 8) % 11
	if c == 10 {
		c = weighted(d, 3, 4, 5, 6, 7, 8, 9, 10) % 11 % 10
	}
	return c == at10(d, 8)
}

// lithuanianVAT checks the last digit: modulo 11 in two steps.
func lithuanianVAT(d []byte) bool {
	n := len(d) - 1
	first, second := 0, 0
	for i := range n {
		first += at10(d, i) * (1 + i%9)
		second += at10(d, i) * (1 + (i+2)%9)
	}
	c := first % 11
	if c == 10 {
		c = second % 11 % 10
	}
	return c == at10(d, n)
}

// romanianVAT checks up to ten digits: weights from the right, modulo 11.
func romanianVAT(d []byte) bool {
	n := len(d) - 1
	if n < 5 || n > 9 || d[0] == '0' {
		return false
	}
	sum := 0
	for i := range n {
		sum += at10(d, n-1-i) * [...]int{2, 3, 5, 7, 1, 2, 3, 5, 7}[i]
	}
	return sum*10%11%10 == at10(d, n)
}

// nip checks a Polish tax number.
func nip(d []byte) bool {
	return len(d) == 10 && !same(d) && weighted(d, 6, 5, 7, 2, 3, 4, 5, 6, 7)%11 == at10(d, 9)
}

// cif checks a Spanish company number: a letter, seven digits, a digit or letter.
func cif(s []byte) bool {
	if len(s) != 9 || strings.IndexByte("ABCDEFGHJNPQRSUVW", s[0]) < 0 || !allDigits(s[1:8]) {
		return false
	}
	sum := 0
	for i := 1; i < 8; i++ {
		n := at10(s, i) * (1 + i%2)
		sum += n/10 + n%10
	}
	c := (10 - sum%10) % 10
	return s[8] == byte('0'+c) || s[8] == "JABCDEFGHI"[c]
}

// anyDigits is for numbers that have no check digit.
func anyDigits(d []byte) bool { return !same(d) }

// sortCode checks the length: a sort code, alone or with an account.
func sortCode(d []byte) bool { return (len(d) == 6 || len(d) == 14) && !same(d) }

// bsb checks the length: a branch, alone or with an account.
func bsb(d []byte) bool { return len(d) == 6 || len(d) >= 12 }

// nzBanks are the banks of New Zealand: their number, that of their branches, and
// the rule of their accounts.
var nzBanks = []struct {
	bank, first, last int
	rule              byte
}{
	{1, 1, 999, 'A'}, {1, 1100, 1199, 'A'}, {1, 1800, 1899, 'A'}, {2, 1, 999, 'A'}, {2, 1200, 1299, 'A'},
	{3, 1, 999, 'A'}, {3, 1300, 1399, 'A'}, {3, 1500, 1599, 'A'}, {3, 1700, 1799, 'A'}, {3, 1900, 1999, 'A'}, {3, 7350, 7399, 'A'},
	{4, 2020, 2024, 'A'}, {6, 1, 999, 'A'}, {6, 1400, 1499, 'A'}, {8, 6500, 6599, 'D'}, {9, 0, 0, 'E'}, {10, 5165, 5169, 'A'},
	{11, 5000, 6499, 'A'}, {11, 6600, 8999, 'A'}, {12, 3000, 3299, 'A'}, {12, 3400, 3499, 'A'}, {12, 3600, 3699, 'A'}, {13, 4900, 4999, 'A'},
	{14, 4700, 4799, 'A'}, {15, 3900, 3999, 'A'}, {16, 4400, 4499, 'A'}, {17, 3300, 3399, 'A'}, {18, 3500, 3599, 'A'}, {19, 4600, 4649, 'A'},
	{20, 4100, 4199, 'A'}, {21, 4800, 4899, 'A'}, {22, 4000, 4049, 'A'}, {23, 3700, 3799, 'A'}, {24, 4300, 4349, 'A'}, {25, 2500, 2599, 'F'},
	{26, 2600, 2699, 'G'}, {27, 3800, 3849, 'A'}, {28, 2100, 2149, 'G'}, {29, 2150, 2299, 'G'}, {30, 2900, 2949, 'A'}, {31, 2800, 2849, 'X'},
	{33, 6700, 6799, 'F'}, {35, 2400, 2499, 'A'}, {38, 9000, 9499, 'A'}, {88, 8800, 8805, 'A'},
}

// nzBank checks the branch of an account number, of 2 digits for the bank, 4 for the
// branch, 7 for the account and 2 or 3 for its suffix, and its sum by the bank's rule.
func nzBank(d []byte) bool {
	if len(d) != 15 && len(d) != 16 {
		return false
	}
	bank, branch, account, suffix := number(d[:2]), number(d[2:6]), d[6:13], d[13:]
	for _, b := range nzBanks {
		if b.bank != bank || branch < b.first || branch > b.last {
			continue
		}
		switch b.rule {
		case 'A':
			sum := weighted(account, 0, 10, 5, 8, 4, 2, 1)
			if number(account) < 990000 { // rule B, of accounts from there on, leaves out the branch
				sum += weighted(d[2:6], 6, 3, 7, 9)
			}
			return sum%11 == 0
		case 'D':
			return weighted(account, 7, 6, 5, 4, 3, 2, 1)%11 == 0
		case 'E':
			return (crossed(account[3:], 5, 4, 3, 2)+int(suffix[len(suffix)-1]-'0'))%11 == 0
		case 'F':
			return weighted(account, 1, 7, 3, 1, 7, 3, 1)%10 == 0
		case 'G':
			weights := []int{3, 7, 1}
			return (crossed(account, 1, 3, 7, 1, 3, 7, 1)+crossed(suffix, weights[3-len(suffix):]...))%10 == 0
		}
		return true // rule X: there is no check digit
	}
	return false
}

// crossed is weighted with the digits of each product added up until one is left.
func crossed(d []byte, weights ...int) (sum int) {
	for i, w := range weights {
		n := int(d[i]-'0') * w
		for n > 9 {
			n = n/10 + n%10
		}
		sum += n
	}
	return sum
}

// ehicNumber checks the prefix for health (ISO/IEC 7812).
func ehicNumber(d []byte) bool { return d[0] == '8' && d[1] == '0' }

// ukVATPrefix is ukVAT, of a number with its prefix.
func ukVATPrefix(s []byte) bool { return len(s) == 11 && allDigits(s[2:]) && ukVAT(s[2:]) }

// passport checks that a number of letters and digits has enough digits, and the
// check digit of one that is written with it, as in the machine-readable zone.
func passport(s []byte) bool {
	digits, _, _ := mix(string(s))
	return digits >= 2 && (len(s) < 10 || icao(s[:9]) == s[9])
}

// bic checks the country of a bank identifier code.
func bic(s []byte) bool {
	return strings.Contains(countries, " "+string(s[4:6])+" ") && s[6] != '0' && s[6] != '1'
}

// countries are those of ISO 3166-1, and Kosovo.
const countries = " AD AE AF AG AI AL AM AO AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ " +
	"DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GT GU GW GY HK HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP " +
	"KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM " +
	"PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TG TH TJ TK TL TM TN TO TR TT TV TW TZ " +
	"UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW "

// ifsc checks that a branch code is no container's number, which has U, J or Z
// before seven digits (ISO 6346).
func ifsc(s []byte) bool { return strings.IndexByte("UJZ", s[3]) < 0 || !allDigits(s[4:]) }
