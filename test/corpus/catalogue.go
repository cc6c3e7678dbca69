package corpus

import (
	"crypto/sha256"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// more declares a type beyond the base types: the levels of the reference without
// and with evidence, the words for it, and how it is drawn.
func more(id string, alone, named int, lang string, words []string, draw func(g *gen) value) *baseType {
	return &baseType{id: id, lang: lang, native: words, english: words, make: draw, bare: alone, printed: alone, bareNamed: named, named: named}
}

// checked is more of a type whose last character is a check: changed, it is no
// value any more.
func checked(id string, alone, named int, lang string, words []string, draw func(g *gen) value) *baseType {
	t := more(id, alone, named, lang, words, draw)
	t.near = func(g *gen) string {
		v := t.make(g)
		last := &v.groups[len(v.groups)-1]
		if c := (*last)[len(*last)-1]; c >= 'A' {
			*last = breakLetter(*last)
		} else {
			*last = breakLast(*last)
		}
		return v.printed()
	}
	return t
}

// missed is checked of a type whose check digit is the one at i as it is printed.
func missed(i int, id string, alone, named int, lang string, words []string, draw func(g *gen) value) *baseType {
	t := more(id, alone, named, lang, words, draw)
	t.near = func(g *gen) string {
		s := t.make(g).printed()
		return breakLast(s[:i+1]) + s[i+1:]
	}
	return t
}

func words(w ...string) []string { return w }

// moreTypes are the types beyond the base types: they are written plainly.
var moreTypes = []*baseType{
	// Americas
	more("us-itin", 65, 85, "en", words("ITIN", "taxpayer id"), func(g *gen) value {
		return grouped("9"+g.from(digits, 2)+two(g.some(70, 88))+g.from(digits, 4), "-", 3, 2, 4)
	}),
	checked("ca-sin", 65, 85, "en", words("SIN", "social insurance number"), func(g *gen) value {
		s := g.from("1234567", 1) + g.from(digits, 7)
		return grouped(s+luhn(s), " ", 3, 3, 3)
	}),
	checked("br-pis", 40, 75, "pt", words("PIS", "PASEP", "NIS"), func(g *gen) value {
		s := g.from("12", 1) + g.from(digits, 9)
		v := grouped(s+elevenTo(weigh(s, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)), ".", 3, 5, 2, 1)
		v.seps[2] = "-"
		return v
	}),
	checked("br-cnpj", 75, 85, "pt", words("CNPJ"), func(g *gen) value {
		s := g.from(digits, 8) + "0001"
		s += elevenTo(weigh(s, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2))
		s += elevenTo(weigh(s, 6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2))
		v := grouped(s, ".", 2, 3, 3, 4, 2)
		v.seps[2], v.seps[3] = "/", "-"
		return v
	}),
	checked("mx-curp", 85, 85, "es", words("CURP"), func(g *gen) value {
		s := g.from("BCDFGHJKLM", 1) + g.from("AEIOU", 1) + g.from("BCDFGHJKLMNPRSTVZ", 2) + two(g.some(50, 99)) + two(g.some(1, 12)) + two(g.some(1, 28)) + g.from("HM", 1) +
			g.one("AS", "BC", "DF", "JC", "NL", "PL") + g.from("BCDFGHJKLMNPRSTVZ", 3) + g.from(digits, 1)
		sum := 0
		for i := range len(s) {
			sum += (18 - i) * strings.Index("0123456789ABCDEFGHIJKLMN_OPQRSTUVWXYZ", s[i:i+1])
		}
		return single(s + char((10-sum%10)%10))
	}),
	checked("mx-clabe", 65, 85, "es", words("CLABE"), func(g *gen) value {
		s := g.one("002", "012", "014", "021", "072") + g.from(digits, 14)
		sum := 0
		for i := range len(s) {
			sum += digit(s[i]) * []int{3, 7, 1}[i%3] % 10
		}
		return single(s + char((10-sum%10)%10))
	}),
	checked("ar-cuil", 65, 85, "es", words("CUIL", "CUIT"), func(g *gen) value {
		for {
			s := g.one("20", "27", "23") + g.number(8)
			if d := 11 - weigh(s, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11; d != 10 {
				return grouped(s+char(d%11), "-", 2, 8, 1)
			}
		}
	}),
	checked("cl-rut", 75, 85, "es", words("RUT"), func(g *gen) value {
		for {
			s := g.one("1", "2") + g.from(digits, 7)
			if d := 11 - weigh(s, 3, 2, 7, 6, 5, 4, 3, 2)%11; d != 10 {
				v := grouped(s+char(d%11), ".", 2, 3, 3, 1)
				v.seps[2] = "-"
				return v
			}
		}
	}),
	checked("us-aba-routing", 40, 75, "en", words("routing number", "ABA", "ABA routing"), func(g *gen) value {
		s := two(g.some(1, 12)) + g.from(digits, 6)
		return single(s + char((10-weigh(s, 3, 7, 1)%10)%10))
	}),
	checked("us-npi", 40, 85, "en", words("NPI", "national provider identifier"), func(g *gen) value {
		s := g.from("12", 1) + g.from(digits, 8)
		return single(s + luhn("80840"+s))
	}),
	checked("us-dea", 65, 85, "en", words("DEA number", "DEA"), func(g *gen) value {
		s := g.from(digits, 6)
		return single(g.from("ABFM", 1) + g.from(uppers, 1) + s + char((weigh(s, 1, 2, 1, 2, 1, 2))%10))
	}),
	more("us-mbi", 75, 85, "en", words("MBI", "Medicare number"), func(g *gen) value {
		const a, an = "ACDEFGHJKMNPQRTUVWXY", "ACDEFGHJKMNPQRTUVWXY0123456789"
		return grouped(g.from("123456789", 1)+g.from(a, 1)+g.from(an, 1)+g.from(digits, 1)+g.from(a, 1)+g.from(an, 1)+g.from(digits, 1)+g.from(a, 2)+g.from(digits, 2), "-", 4, 3, 4)
	}),
	more("us-ein", 40, 75, "en", words("EIN", "employer identification number"), func(g *gen) value {
		return grouped(g.one("12", "20", "27", "36", "45", "54", "61", "75", "82", "95")+g.from(digits, 7), "-", 2, 7)
	}),

	// Asia and Pacific
	checked("au-tfn", 40, 85, "en", words("TFN", "tax file number"), func(g *gen) value {
		for {
			s := g.number(8)
			sum := weigh(s, 1, 4, 3, 7, 5, 8, 6, 9)
			for d := range 10 {
				if (sum+10*d)%11 == 0 {
					return grouped(s+char(d), " ", 3, 3, 3)
				}
			}
		}
	}),
	more("au-medicare", 65, 85, "en", words("Medicare", "Medicare card"), func(g *gen) value {
		s := g.from("23456", 1) + g.from(digits, 7)
		return grouped(s+char(weigh(s, 1, 3, 7, 9, 1, 3, 7, 9)%10)+g.from("123", 1), " ", 4, 5, 1)
	}),
	checked("au-abn", 75, 85, "en", words("ABN"), func(g *gen) value {
		for {
			s := g.number(11)
			if sum := (digit(s[0])-1)*10 + weigh(s[1:], 1, 3, 5, 7, 9, 11, 13, 15, 17, 19); sum%89 == 0 {
				return grouped(s, " ", 2, 3, 3, 3)
			}
		}
	}),
	checked("au-acn", 40, 75, "en", words("ACN"), func(g *gen) value {
		s := g.from(digits, 8)
		return grouped(s+char((10-weigh(s, 8, 7, 6, 5, 4, 3, 2, 1)%10)%10), " ", 3, 3, 3)
	}),
	checked("nz-ird", 40, 85, "en", words("IRD number", "IRD"), func(g *gen) value {
		for {
			s := padded(g.some(10000000, 14999999), 8)
			r := weigh("0"+s[:0]+s, 0, 3, 2, 7, 6, 5, 4, 3, 2) % 11
			d := (11 - r) % 11
			if d == 10 {
				continue
			}
			return grouped(s+char(d), "-", 3, 3, 3)
		}
	}),
	checked("in-gstin", 75, 85, "en", words("GSTIN", "GST number"), func(g *gen) value {
		s := two(g.some(1, 29)) + panOf(g) + "1Z"
		const table = digits + uppers
		sum := 0
		for i := range len(s) {
			p := strings.IndexByte(table, s[i]) * (1 + i%2)
			sum += p/36 + p%36
		}
		return single(s + string(table[(36-sum%36)%36]))
	}),
	more("in-pan", 75, 85, "en", words("PAN", "PAN card"), func(g *gen) value { return single(panOf(g)) }),
	more("in-voter", 40, 75, "en", words("voter id", "EPIC number"), func(g *gen) value { return single(g.from(uppers, 3) + g.from(digits, 7)) }),
	more("in-ifsc", 65, 75, "en", words("IFSC", "IFSC code"), func(g *gen) value {
		return single(g.one("SBIN", "HDFC", "ICIC", "UTIB") + "0" + g.from(digits, 6))
	}),
	checked("sg-nric-fin", 75, 85, "en", words("NRIC", "FIN"), func(g *gen) value {
		p, s := g.from("STFG", 1), g.from(digits, 7)
		sum := weigh(s, 2, 7, 6, 5, 4, 3, 2)
		if p == "T" || p == "G" {
			sum += 4
		}
		letters := "JZIHGFEDCBA"
		if p == "F" || p == "G" {
			letters = "XWUTRQPNMLK"
		}
		return single(p + s + string(letters[sum%11]))
	}),
	more("hk-hkid", 65, 85, "zh", words("HKID", "HK id"), func(g *gen) value {
		for {
			l, s := g.from(uppers, 1), g.from(digits, 6)
			sum := 36*9 + (int(l[0]-'A')+10)*8 + weigh(s, 7, 6, 5, 4, 3, 2)
			if d := (11 - sum%11) % 11; d != 10 {
				return single(l + s + "(" + char(d) + ")")
			}
		}
	}),
	checked("cn-ric", 85, 85, "zh", words("身份证", "身份证号码"), func(g *gen) value {
		s := g.one("110101", "310104", "440305", "510107", "330106") + "19" + two(g.some(50, 99)) + two(g.some(1, 12)) + two(g.some(1, 28)) + g.from(digits, 3)
		r := weigh(s, 7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2) % 11
		return single(s + string("10X98765432"[r]))
	}),
	checked("jp-my-number", 40, 85, "ja", words("マイナンバー", "My Number"), func(g *gen) value {
		s := g.number(11)
		r := weigh(s, 6, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2) % 11
		if r <= 1 {
			return grouped(s+"0", " ", 4, 4, 4)
		}
		return grouped(s+char(11-r), " ", 4, 4, 4)
	}),
	more("kr-rrn", 65, 85, "en", words("RRN", "주민등록번호"), func(g *gen) value {
		s := two(g.some(50, 99)) + two(g.some(1, 12)) + two(g.some(1, 28)) + g.from("12", 1) + g.from(digits, 5)
		return grouped(s+char((11-weigh(s, 2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)%11)%10), "-", 6, 7)
	}),
	checked("th-id", 65, 85, "en", words("Thai id", "บัตรประชาชน"), func(g *gen) value {
		s := g.from("12345678", 1) + g.from(digits, 11)
		return grouped(s+char((11-weigh(s, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2)%11)%10), "-", 1, 4, 5, 2, 1)
	}),
	checked("tw-id", 65, 85, "zh", words("身分證字號", "Taiwan id"), func(g *gen) value {
		l := g.from("ABCDEFGH", 1)
		n := 10 + int(l[0]-'A')
		s := g.from("12", 1) + g.from(digits, 7)
		sum := n/10 + n%10*9 + weigh(s, 8, 7, 6, 5, 4, 3, 2, 1)
		return single(l + s + char((10-sum%10)%10))
	}),
	checked("za-id", 75, 85, "en", words("SA id", "South African id"), func(g *gen) value {
		s := two(g.some(50, 99)) + two(g.some(1, 12)) + two(g.some(1, 28)) + g.from(digits, 4) + "08"
		return single(s + luhn(s))
	}),
	checked("il-tz", 40, 85, "en", words("teudat zehut", "תעודת זהות"), func(g *gen) value {
		s := g.number(8)
		return single(s + luhn(s))
	}),

	// Europe
	more("uk-nino", 75, 85, "en", words("NI number", "National Insurance number", "NINO"), func(g *gen) value {
		// None of these letters is refused alone; of the refused pairs, none is of them.
		return grouped(g.from("ACEHJLMPRSWXY", 1)+g.from("ACEHJLMPRSWXY", 1)+g.from(digits, 6)+g.from("ABCD", 1), " ", 2, 2, 2, 2, 1)
	}),
	checked("uk-vat", 65, 85, "en", words("VAT number", "VAT no"), func(g *gen) value {
		s := g.number(7)
		r := 97 - weigh(s, 8, 7, 6, 5, 4, 3, 2)%97
		v := grouped(s+two(r), " ", 3, 4, 2)
		v.groups[0] = "GB" + v.groups[0]
		return v
	}),
	more("uk-driving-licence", 75, 85, "en", words("driving licence", "DVLA"), func(g *gen) value {
		return single(g.from("BCDFGHJKLM", 1) + g.from("AEIOU", 1) + g.from("BCDFGHLMNPRST", 3) + g.from("5678", 1) + two(g.some(1, 12)) + two(g.some(1, 28)) + g.from(digits, 1) + g.from("ABCDEFGHJKLM", 2) + "9" + g.from("ABCDEFGHJKLM", 2))
	}),
	more("uk-sort-code-account", 40, 75, "en", words("sort code"), func(g *gen) value {
		return single(g.one("20", "30", "40", "60") + "-" + g.from(digits, 2) + "-" + g.from(digits, 2) + " " + g.number(8))
	}),
	more("ie-pps", 75, 85, "en", words("PPS number", "PPSN"), func(g *gen) value {
		s := g.number(7)
		return single(s + string("WABCDEFGHIJKLMNOPQRSTUV"[(weigh(s, 8, 7, 6, 5, 4, 3, 2)+9*1)%23]) + "A")
	}),
	checked("de-rvnr", 75, 85, "de", words("Rentenversicherungsnummer", "Sozialversicherungsnummer"), func(g *gen) value {
		l := g.from(uppers, 1)
		s := g.one("12", "15", "24", "53", "65") + two(g.some(1, 28)) + two(g.some(1, 12)) + two(g.some(40, 99))
		serial := two(g.some(1, 99))
		all := s + two(int(l[0]-'A')+1) + serial
		sum := 0
		for i, w := range []int{2, 1, 2, 5, 7, 1, 2, 1, 2, 1, 2, 1} {
			p := digit(all[i]) * w
			sum += p/10 + p%10
		}
		return grouped(s+l+serial+char(sum%10), " ", 2, 6, 1, 3)
	}),
	checked("de-personalausweis", 65, 85, "de", words("Personalausweis", "Personalausweisnummer"), func(g *gen) value {
		s := g.from("LMNPRTVWXY", 1) + g.from("0123456789CFGHJKLMNPRTVWXYZ", 8)
		for !strings.ContainsAny(s, digits) {
			s = s[:8] + g.from(digits, 1)
		}
		return single(s + icao(s))
	}),
	checked("de-kvnr", 65, 85, "de", words("Krankenversicherungsnummer", "Versichertennummer", "KVNR"), func(g *gen) value {
		l, s := g.from(uppers, 1), g.from(digits, 8)
		all := two(int(l[0]-'A')+1) + s
		sum := 0
		for i := range len(all) {
			p := digit(all[i]) * (1 + i%2)
			sum += p/10 + p%10
		}
		return single(l + s + char(sum%10))
	}),
	more("at-svnr", 65, 85, "de", words("SVNR", "Sozialversicherungsnummer"), func(g *gen) value {
		for {
			n := g.from("123456789", 1) + g.from(digits, 2)
			d := two(g.some(1, 28)) + two(g.some(1, 12)) + two(g.some(40, 99))
			if c := (weigh(n, 3, 7, 9) + weigh(d, 5, 8, 4, 2, 1, 6)) % 11; c != 10 {
				return grouped(n+char(c)+d, " ", 4, 6)
			}
		}
	}),
	checked("ch-ahv", 85, 85, "de", words("AHV-Nummer", "AVS", "AHV"), func(g *gen) value {
		s := "756" + g.from(digits, 9)
		return grouped(s+char((10-weigh(s, 1, 3)%10)%10), ".", 3, 4, 4, 2)
	}),
	checked("ch-uid", 75, 85, "de", words("UID", "MWST"), func(g *gen) value {
		for {
			s := g.number(8)
			if d := (11 - weigh(s, 5, 4, 3, 2, 7, 6, 5, 4)%11) % 11; d != 10 {
				return single("CHE-" + s[:3] + "." + s[3:6] + "." + s[6:] + char(d))
			}
		}
	}),
	checked("be-nn", 75, 85, "nl", words("rijksregisternummer", "INSZ", "numéro national"), func(g *gen) value {
		s := two(g.some(40, 99)) + two(g.some(1, 12)) + two(g.some(1, 28)) + padded(g.some(1, 997), 3)
		v := grouped(s+two(97-mod(s, 97)), ".", 2, 2, 2, 3, 2)
		v.seps[2] = "-"
		return v
	}),
	checked("lu-id", 75, 85, "fr", words("matricule", "CNS"), func(g *gen) value {
		s := "19" + two(g.some(50, 99)) + two(g.some(1, 12)) + two(g.some(1, 28)) + g.from(digits, 3)
		return single(s + luhn(s) + verhoeff(s))
	}),
	checked("it-cf", 85, 85, "it", words("codice fiscale", "CF"), func(g *gen) value {
		s := g.from("BCDFGLMNPRSTVZ", 6) + two(g.some(40, 99)) + g.from("ABCDEHLMPRST", 1) + two(g.some(1, 28)) + g.one("H501", "F205", "L219", "A944", "D612")
		odd := []int{1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23}
		sum := 0
		for i := range len(s) {
			n := int(s[i] - '0')
			if n > 9 {
				n = int(s[i] - 'A')
			}
			if i%2 == 0 {
				n = odd[n]
			}
			sum += n
		}
		return single(s + string(uppers[sum%26]))
	}),
	checked("es-nie", 75, 85, "es", words("NIE"), func(g *gen) value {
		p, s := g.IntN(3), g.from(digits, 7)
		return single("XYZ"[p:p+1] + s + string(dniLetters[mod(char(p)+s, 23)]))
	}),
	checked("es-nuss", 75, 85, "es", words("NUSS", "número de seguridad social", "NAF"), func(g *gen) value {
		s := two(g.some(1, 52)) + g.number(8)
		return grouped(s+two(mod(s, 97)), " ", 2, 8, 2)
	}),
	checked("es-ccc", 65, 85, "es", words("CCC", "cuenta bancaria"), func(g *gen) value {
		bank, account := g.one("2100", "0049", "0182", "2085")+g.from(digits, 4), g.from(digits, 10)
		v := grouped(bank+esCheck("00"+bank)+esCheck(account)+account, " ", 4, 4, 2, 10)
		return v
	}),
	checked("fr-rib", 65, 85, "fr", words("RIB", "relevé d'identité bancaire"), func(g *gen) value {
		s := g.one("30004", "30003", "20041", "10278") + g.from(digits, 16)
		return grouped(s+two(97-(89*mod(s[:5], 97)+15*mod(s[5:10], 97)+3*mod(s[10:], 97))%97), " ", 5, 5, 11, 2)
	}),
	checked("pt-nif", 40, 85, "pt", words("NIF", "contribuinte"), func(g *gen) value {
		s := g.from("125", 1) + g.from(digits, 7)
		return single(s + elevenTo(weigh(s, 9, 8, 7, 6, 5, 4, 3, 2)))
	}),
	checked("pl-id-card", 65, 85, "pl", words("dowód osobisty", "numer dowodu"), func(g *gen) value {
		for {
			l, s := g.from("ABCD", 1)+g.from("ABCDEFGHIJKLMN", 2), g.from(digits, 5)
			sum := weigh(s, 7, 3, 1, 7, 3)
			for i, w := range []int{7, 3, 1} {
				sum += (int(l[i]-'A') + 10) * w
			}
			// The check digit stands first, with weight 9.
			for d := range 10 {
				if (sum+9*d)%10 == 0 {
					return single(l + char(d) + s)
				}
			}
		}
	}),
	checked("cz-sk-rc", 65, 85, "en", words("rodné číslo", "RČ"), func(g *gen) value {
		for {
			m := g.some(1, 12) + 50*g.IntN(2)
			s := two(g.some(54, 99)) + two(m) + two(g.some(1, 28)) + g.from(digits, 3)
			if d := mod(s, 11); d != 10 {
				return grouped(s+char(d), "/", 6, 4)
			}
		}
	}),
	checked("ro-cnp", 75, 85, "en", words("CNP", "cod numeric personal"), func(g *gen) value {
		s := g.from("12", 1) + two(g.some(40, 99)) + two(g.some(1, 12)) + two(g.some(1, 28)) + two(g.some(1, 40)) + padded(g.some(1, 999), 3)
		d := weigh(s, 2, 7, 9, 1, 4, 6, 3, 5, 8, 2, 7, 9) % 11
		if d == 10 {
			d = 1
		}
		return single(s + char(d))
	}),
	checked("bg-egn", 65, 85, "en", words("EGN", "ЕГН"), func(g *gen) value {
		s := two(g.some(40, 99)) + two(g.some(1, 12)) + two(g.some(1, 28)) + g.from(digits, 3)
		return single(s + char(weigh(s, 2, 4, 8, 5, 10, 9, 7, 3, 6)%11%10))
	}),
	checked("hu-taj", 40, 85, "en", words("TAJ szám", "TAJ"), func(g *gen) value {
		s := g.number(8)
		return grouped(s+char(weigh(s, 3, 7)%10), " ", 3, 3, 3)
	}),
	checked("hr-oib", 40, 85, "en", words("OIB"), func(g *gen) value { s := g.number(10); return single(s + mod1110(s)) }),
	checked("si-emso", 75, 85, "en", words("EMŠO", "JMBG"), func(g *gen) value {
		for {
			s := two(g.some(1, 28)) + two(g.some(1, 12)) + padded(g.some(940, 999), 3) + "50" + padded(g.some(0, 999), 3)
			if d := 11 - weigh(s, 7, 6, 5, 4, 3, 2)%11; d != 10 {
				return single(s + char(d%11))
			}
		}
	}),
	checked("gr-amka", 65, 85, "en", words("AMKA", "ΑΜΚΑ"), func(g *gen) value {
		s := two(g.some(1, 28)) + two(g.some(1, 12)) + two(g.some(40, 99)) + g.from(digits, 4)
		return single(s + luhn(s))
	}),
	checked("gr-afm", 40, 85, "en", words("AFM", "ΑΦΜ"), func(g *gen) value {
		s := g.one("0", "1") + g.from("123456789", 1) + g.from(digits, 6)
		return single(s + char(weigh(s, 256, 128, 64, 32, 16, 8, 4, 2)%11%10))
	}),
	checked("ee-ik", 75, 85, "en", words("isikukood", "Eesti isikukood"), baltic),
	checked("lt-ak", 75, 85, "en", words("asmens kodas"), baltic),
	checked("lv-pk", 65, 85, "en", words("personas kods"), func(g *gen) value {
		for {
			s := two(g.some(1, 28)) + two(g.some(1, 12)) + two(g.some(40, 99)) + "1" + g.from(digits, 3)
			r := (1101 - weigh(s, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)) % 11
			if r >= 0 && r != 10 {
				return grouped(s+char(r), "-", 6, 5)
			}
		}
	}),
	checked("fi-hetu", 85, 85, "en", words("hetu", "henkilötunnus"), func(g *gen) value {
		d := two(g.some(1, 28)) + two(g.some(1, 12)) + two(g.some(30, 99))
		n := padded(g.some(2, 899), 3)
		return single(d + "-" + n + string("0123456789ABCDEFHJKLMNPRSTUVWXY"[mod(d+n, 31)]))
	}),
	checked("se-pnr", 75, 85, "sv", words("personnummer"), func(g *gen) value {
		s := two(g.some(40, 99)) + two(g.some(1, 12)) + two(g.some(1, 28)) + g.from(digits, 3)
		return grouped(s+luhn(s), "-", 6, 4)
	}),
	checked("no-fnr", 75, 85, "en", words("fødselsnummer", "personnummer"), func(g *gen) value {
		for {
			s := two(g.some(1, 28)) + two(g.some(1, 12)) + two(g.some(50, 99)) + padded(g.some(0, 499), 3)
			k1 := 11 - weigh(s, 3, 7, 6, 1, 8, 9, 4, 5, 2)%11
			if k1 == 10 {
				continue
			}
			s += char(k1 % 11)
			if k2 := 11 - weigh(s, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11; k2 != 10 {
				return grouped(s+char(k2%11), " ", 6, 5)
			}
		}
	}),
	more("dk-cpr", 65, 85, "en", words("CPR-nummer", "CPR"), func(g *gen) value {
		return grouped(two(g.some(1, 28))+two(g.some(1, 12))+two(g.some(40, 99))+g.from("0123", 1)+g.from(digits, 3), "-", 6, 4)
	}),
	checked("tr-tckn", 65, 85, "tr", words("TC kimlik no", "TCKN"), func(g *gen) value {
		s := g.number(9)
		odd, even := 0, 0
		for i := range len(s) {
			if i%2 == 0 {
				odd += digit(s[i])
			} else {
				even += digit(s[i])
			}
		}
		s += char(((odd*7-even)%10 + 10) % 10)
		return single(s + char(weigh(s, 1)%10))
	}),
	checked("eu-vat", 75, 85, "de", words("VAT", "USt-IdNr", "TVA"), func(g *gen) value {
		if g.coin() {
			s := g.number(8)
			return single("DE" + s + mod1110(s))
		}
		s := g.number(8)
		s += luhn(s)
		return single("FR" + two((12+3*mod(s, 97))%97) + s)
	}),

	// Money, travel, devices, contact
	more("swift-bic", 40, 75, "en", words("SWIFT", "BIC", "SWIFT code"), func(g *gen) value {
		return single(g.one("DEUT", "BNPA", "CHAS", "NDEA", "RABO") + g.one("DE", "FR", "US", "SE", "NL") + g.from(uppers, 1) + g.from("ABCDEFGH23456789", 1) + g.one("", "", "XXX", g.from(digits, 3)))
	}),
	checked("crypto-btc", 75, 85, "en", words("bitcoin", "BTC"), func(g *gen) value {
		b := make([]byte, 21)
		for i := 1; i < len(b); i++ {
			b[i] = byte(g.IntN(256))
		}
		return single(base58check(b))
	}),
	missed(14, "nz-bank-account", 65, 85, "en", words("bank account", "account number"), func(g *gen) value {
		for {
			branch, account := padded(g.some(1, 999), 4), "0"+padded(g.some(100000, 989999), 6)
			if (weigh(branch, 6, 3, 7, 9)+weigh(account[1:], 10, 5, 8, 4, 2, 1))%11 == 0 {
				return single("01-" + branch + "-" + account + "-0" + g.from(digits, 1))
			}
		}
	}),
	more("passport-number", 40, 75, "en", words("passport number", "passport no", "Reisepass", "passeport"), func(g *gen) value {
		if g.coin() {
			return single(g.number(9))
		}
		return single("C" + g.from("0123456789CFGHJKLMNPRTVWXYZ", 7) + g.from(digits, 1))
	}),
	more("vin", 65, 75, "en", words("VIN", "vehicle identification number"), func(g *gen) value {
		const plain = "ABCDEFGHJKLMNPRSTUVWXYZ0123456789"
		s := g.one("WVW", "1HG", "JTD", "WBA") + g.from(plain, 5) + "0" + g.from("RSTVWXY", 1) + g.from(plain, 1) + g.from(digits, 6)
		letters := map[byte]int{'A': 1, 'B': 2, 'C': 3, 'D': 4, 'E': 5, 'F': 6, 'G': 7, 'H': 8, 'J': 1, 'K': 2, 'L': 3, 'M': 4, 'N': 5, 'P': 7, 'R': 9, 'S': 2, 'T': 3, 'U': 4, 'V': 5, 'W': 6, 'X': 7, 'Y': 8, 'Z': 9}
		sum := 0
		for i, w := range []int{8, 7, 6, 5, 4, 3, 2, 10, 0, 9, 8, 7, 6, 5, 4, 3, 2} {
			n, ok := letters[s[i]]
			if !ok {
				n = digit(s[i])
			}
			sum += n * w
		}
		return single(s[:8] + string("0123456789X"[sum%11]) + s[9:])
	}),
	checked("imei", 40, 85, "en", words("IMEI"), func(g *gen) value {
		s := g.one("35", "86", "01") + g.number(12)
		return single(s + luhn(s))
	}),
	more("ipv4", 65, 75, "en", words("IP", "IP address"), func(g *gen) value {
		return single(fmt.Sprintf("%s.%d.%d.%d", g.one("8", "51", "83", "93", "142", "188"), g.IntN(256), g.IntN(256), g.some(1, 254)))
	}),
	more("ipv6", 65, 75, "en", words("IP", "IPv6"), func(g *gen) value {
		h := func() string { return g.from("123456789abcdef", 1) + g.from(hexes, 3) }
		return single("2a0" + g.from("0123456789abcdef", 1) + ":" + h() + ":" + h() + "::" + h())
	}),
	more("mac", 65, 75, "en", words("MAC address", "MAC"), func(g *gen) value {
		var p []string
		for range 6 {
			p = append(p, g.from(hexes, 2))
		}
		p[0] = g.one("00", "3c", "a4", "f8")
		return single(strings.Join(p, g.one(":", "-")))
	}),
	more("date-of-birth", 40, 75, "en", words("date of birth", "DOB", "Geburtsdatum", "date de naissance"), func(g *gen) value {
		d, m, y := two(g.some(1, 28)), two(g.some(1, 12)), fmt.Sprint(g.some(1940, 2005))
		return single(g.one(d+"."+m+"."+y, d+"/"+m+"/"+y, y+"-"+m+"-"+d))
	}),
	more("url-with-credentials", 85, 85, "en", words("url", "connect to"), func(g *gen) value {
		return single(g.one("postgres", "https", "redis", "mongodb", "amqp") + "://svc_" + g.from(lowers, 4) + ":" + g.random(alnums, 14) + "@" + g.one("db", "mq", "build") + ".contoso.com/x")
	}),
}

func panOf(g *gen) string {
	return g.from(uppers, 3) + g.from("PCHF", 1) + g.from(uppers, 1) + g.from(digits, 4) + g.from(uppers, 1)
}

// icao is the check digit of ICAO Doc 9303.
func icao(s string) string {
	sum := 0
	for i := range len(s) {
		n := digit(s[i])
		if s[i] >= 'A' {
			n = int(s[i]-'A') + 10
		}
		sum += n * []int{7, 3, 1}[i%3]
	}
	return char(sum % 10)
}

// baltic is the personal code of Estonia and Lithuania.
func baltic(g *gen) value {
	s := g.from("34", 1) + two(g.some(40, 99)) + two(g.some(1, 12)) + two(g.some(1, 28)) + g.from(digits, 3)
	d := weigh(s, 1, 2, 3, 4, 5, 6, 7, 8, 9, 1) % 11
	if d == 10 {
		d = weigh(s, 3, 4, 5, 6, 7, 8, 9, 1, 2, 3) % 11 % 10
	}
	v := single(s + char(d))
	v.also = []string{"ee-ik", "lt-ak"} // they share the form
	return v
}

// base58check encodes bytes as Bitcoin addresses are.
func base58check(b []byte) string {
	const alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	one := sha256.Sum256(b)
	sum := sha256.Sum256(one[:])
	all := append(slices.Clone(b), sum[:4]...)
	n, m := new(big.Int).SetBytes(all), new(big.Int)
	out := ""
	for n.Sign() > 0 {
		n.DivMod(n, big.NewInt(58), m)
		out = alphabet[m.Int64():m.Int64()+1] + out
	}
	for i := 0; i < len(all) && all[i] == 0; i++ {
		out = "1" + out
	}
	return out
}

// catalogueRows are the rows of the further types, and of numbers whose check
// digit is wrong.
func catalogueRows() []Row {
	var ids, wrong []string
	for _, t := range baseTypes {
		if t.numeric && t.id != "us-ssn" {
			wrong = append(wrong, t.id)
		}
	}
	for _, t := range slices.Concat(moreTypes, furtherTypes, healthTypes) {
		ids = append(ids, t.id)
		if t.near != nil {
			wrong = append(wrong, t.id)
		}
	}
	return []Row{
		{Name: "wrong-check-digit", Kind: Noise, About: "a number with its word, and a check digit that does not hold", types: wrong, build: func(g *gen, t *baseType, i int) Case {
			html := g.coin()
			s := t.near(g)
			if slices.Contains([]string{"uk-nhs", "in-aadhaar", "nl-bsn"}, t.id) { // where near passes the check
				s = breakLast(t.make(g).printed())
			}
			return Case{HTML: html, Body: g.chat(g.say(t, s, true, html), html), Reason: "its check digit is wrong"}
		}},
		{Name: "catalogue", Kind: Plain, About: "every further type as it is printed, with a word for it and alone", types: ids, build: func(g *gen, t *baseType, i int) Case {
			v, html := t.make(g), g.coin()
			switch {
			case i%4 == 3 && t.printed >= 65:
				return g.holds(t, v, v.printed(), false, html, 65, 85, "printed as usual, nothing said about it")
			case i%4 == 3:
				return Case{HTML: html, Body: g.chat(g.say(t, v.printed(), false, html), html), Reason: "too weak to stand alone"}
			case i%4 == 2:
				return g.holds(t, v, v.compact(), true, html, t.level(v, true), 85, "written without a break, with a word for it")
			}
			return g.holds(t, v, v.printed(), true, html, t.level(v, false), 85, "printed as usual, with a word for it")
		}},
	}
}
