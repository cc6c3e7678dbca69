package corpus

import (
	"fmt"
	"strings"
)

// furtherTypes go on with moreTypes: ids of fewer people, of companies and of
// things.
var furtherTypes = []*baseType{
	// Americas
	checked("br-cnh", 40, 75, "pt", words("CNH", "carteira de habilitação"), func(g *gen) value {
		s := g.number(9)
		less := 0
		d1 := weigh(s, 9, 8, 7, 6, 5, 4, 3, 2, 1) % 11
		if d1 >= 10 {
			d1, less = 0, 2
		}
		d2 := weigh(s, 1, 2, 3, 4, 5, 6, 7, 8, 9)%11 - less
		if d2 < 0 {
			d2 += 11
		}
		if d2 >= 10 {
			d2 = 0
		}
		return single(s + char(d1) + char(d2))
	}),
	checked("mx-nss", 40, 75, "es", words("NSS", "número de seguridad social"), func(g *gen) value {
		s := two(g.some(1, 97)) + two(g.some(50, 99)) + two(g.some(50, 99)) + g.from(digits, 4)
		return single(s + luhn(s))
	}),
	checked("mx-rfc", 65, 85, "es", words("RFC"), func(g *gen) value {
		s := g.from("BCDFGHJKLM", 1) + g.from("AEIOU", 1) + g.from("BCDFGHJKLMNPRSTVZ", 2) + two(g.some(50, 99)) + two(g.some(1, 12)) + two(g.some(1, 28)) + g.from("ABCDEFGHJK", 1) + g.from(digits, 1)
		sum := 0
		for i := range len(s) {
			sum += strings.IndexByte("0123456789ABCDEFGHIJKLMN&OPQRSTUVWXYZ", s[i]) * (13 - i)
		}
		return single(s + string("0123456789A"[(11-sum%11)%11]))
	}),
	checked("co-nit", 40, 75, "es", words("NIT"), func(g *gen) value {
		s := g.from("89", 1) + g.from(digits, 8)
		d := weigh(s, 41, 37, 29, 23, 19, 17, 13, 7, 3) % 11
		if d >= 2 {
			d = 11 - d
		}
		v := grouped(s+char(d), ".", 3, 3, 3, 1)
		v.seps[2] = "-"
		return v
	}),
	checked("pe-ruc", 65, 85, "es", words("RUC"), func(g *gen) value {
		s := g.one("10", "20") + g.from(digits, 8)
		return single(s + char((11-weigh(s, 5, 4, 3, 2, 7, 6, 5, 4, 3, 2)%11)%10))
	}),
	checked("ec-cedula", 65, 85, "es", words("cédula"), func(g *gen) value {
		s := two(g.some(1, 24)) + g.from("012345", 1) + g.from(digits, 6)
		return single(s + luhn(s))
	}),
	checked("uy-ci", 40, 75, "es", words("cédula de identidad", "CI"), func(g *gen) value {
		s := g.from("12345", 1) + g.from(digits, 6)
		v := grouped(s+char((10-weigh(s, 2, 9, 8, 7, 6, 3, 4)%10)%10), ".", 1, 3, 3, 1)
		v.seps[2] = "-"
		return v
	}),
	checked("do-cedula", 40, 75, "es", words("cédula"), func(g *gen) value {
		s := padded(g.some(1, 121), 3) + g.from(digits, 7)
		return grouped(s+luhn(s), "-", 3, 7, 1)
	}),
	checked("ar-cbu", 75, 85, "es", words("CBU"), func(g *gen) value {
		bank, account := g.one("011", "014", "017", "072", "285")+g.from(digits, 4), g.from(digits, 13)
		check := func(s string, w ...int) string { return char((10 - weigh(s, w...)%10) % 10) }
		return single(bank + check(bank, 7, 1, 3, 9, 7, 1, 3) + account + check(account, 3, 9, 7, 1, 3, 9, 7, 1, 3, 9, 7, 1, 3))
	}),

	// Asia, Africa, Middle East
	more("tw-arc", 65, 85, "zh", words("居留證", "ARC"), func(g *gen) value {
		l := g.from("ABCDEFGH", 1)
		n := 10 + int(l[0]-'A')
		s := g.from("89", 1) + g.from(digits, 7)
		sum := n/10 + n%10*9 + weigh(s, 8, 7, 6, 5, 4, 3, 2, 1)
		return single(l + s + char((10-sum%10)%10))
	}),
	more("my-mykad", 65, 85, "en", words("MyKad", "IC number"), func(g *gen) value {
		return grouped(two(g.some(50, 99))+two(g.some(1, 12))+two(g.some(1, 28))+two(g.some(1, 14))+g.from(digits, 4), "-", 6, 2, 4)
	}),
	more("id-nik", 65, 85, "en", words("NIK", "KTP"), func(g *gen) value {
		return single(g.one("317401", "327306", "357801", "510304") + two(g.some(1, 28)) + two(g.some(1, 12)) + two(g.some(50, 99)) + padded(g.some(1, 999), 4))
	}),
	checked("sa-id", 40, 85, "en", words("Saudi id", "iqama"), func(g *gen) value {
		s := g.from("12", 1) + g.from(digits, 8)
		return single(s + luhn(s))
	}),
	more("ae-eid", 75, 85, "en", words("Emirates ID", "EID"), func(g *gen) value {
		return grouped("784"+fmt.Sprint(g.some(1950, 2005))+g.from(digits, 8), "-", 3, 4, 7, 1)
	}),

	// Europe
	checked("fr-spi", 65, 85, "fr", words("numéro fiscal", "SPI"), func(g *gen) value {
		s := g.from("0123", 1) + g.from(digits, 9)
		return single(s + padded(mod(s, 511), 3))
	}),
	more("uk-utr", 40, 75, "en", words("UTR", "unique taxpayer reference"), func(g *gen) value {
		s := g.from(digits, 9)
		return grouped(string("21987654321"[weigh(s, 6, 7, 8, 9, 10, 5, 4, 3, 2)%11])+s, " ", 5, 5)
	}),
	more("de-steuernummer", 40, 75, "de", words("Steuernummer", "St.-Nr."), func(g *gen) value {
		return grouped(g.from("123456789", 1)+g.from(digits, 9), "/", 2, 3, 5)
	}),
	checked("hu-adoazonosito", 65, 85, "en", words("adóazonosító jel", "adóazonosító"), func(g *gen) value {
		for {
			s := "8" + g.from(digits, 8)
			if d := weigh(s, 1, 2, 3, 4, 5, 6, 7, 8, 9) % 11; d != 10 {
				return single(s + char(d))
			}
		}
	}),
	checked("rs-jmbg", 75, 85, "en", words("JMBG"), func(g *gen) value {
		for {
			s := two(g.some(1, 28)) + two(g.some(1, 12)) + padded(g.some(940, 999), 3) + two(g.some(71, 79)) + padded(g.some(0, 999), 3)
			if d := 11 - weigh(s, 7, 6, 5, 4, 3, 2)%11; d != 10 {
				v := single(s + char(d%11))
				v.also = []string{"si-emso"} // one form for all of former Yugoslavia
				return v
			}
		}
	}),
	more("is-kt", 65, 85, "en", words("kennitala"), func(g *gen) value {
		for {
			s := two(g.some(1, 28)) + two(g.some(1, 12)) + two(g.some(40, 99)) + two(g.some(20, 99))
			if d := (11 - weigh(s, 3, 2, 7, 6, 5, 4, 3, 2)%11) % 11; d != 10 {
				return grouped(s+char(d)+"9", "-", 6, 4)
			}
		}
	}),
	checked("ru-snils", 65, 85, "en", words("СНИЛС", "SNILS"), func(g *gen) value {
		s := g.number(9)
		v := grouped(s+two(weigh(s, 9, 8, 7, 6, 5, 4, 3, 2, 1)%101%100), "-", 3, 3, 3, 2)
		v.seps[2] = " "
		return v
	}),
	checked("ru-inn", 40, 75, "en", words("ИНН", "INN"), func(g *gen) value {
		s := g.number(10)
		s += char(weigh(s, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8) % 11 % 10)
		return single(s + char(weigh(s, 3, 7, 2, 4, 10, 3, 5, 9, 4, 6, 8)%11%10))
	}),
	checked("ua-rnokpp", 40, 75, "en", words("РНОКПП", "ІПН"), func(g *gen) value {
		s := g.from("123", 1) + g.from(digits, 8)
		return single(s + char((weigh(s, -1, 5, 7, 9, 4, 6, 10, 5, 7)%11+11)%11%10))
	}),

	// Companies and securities
	checked("kr-brn", 40, 75, "en", words("BRN", "사업자등록번호"), func(g *gen) value {
		s := g.number(9)
		return grouped(s+char((10-(weigh(s, 1, 3, 7, 1, 3, 7, 1, 3, 5)+digit(s[8])*5/10)%10)%10), "-", 3, 2, 5)
	}),
	more("jp-corporate", 40, 75, "ja", words("法人番号", "corporate number"), func(g *gen) value {
		s := g.number(12)
		return single(char(9-weigh(s, 2, 1)%9) + s)
	}),
	checked("cn-uscc", 75, 85, "zh", words("统一社会信用代码"), func(g *gen) value {
		const table = "0123456789ABCDEFGHJKLMNPQRTUWXY"
		s := "91" + g.one("110105", "310115", "440300") + "MA" + g.from("3579", 1) + g.from(digits, 6)
		sum, w := 0, 1
		for i := range len(s) {
			sum += strings.IndexByte(table, s[i]) * w
			w = w * 3 % 31
		}
		return single(s + string(table[(31-sum%31)%31]))
	}),
	checked("no-orgnr", 40, 75, "en", words("organisasjonsnummer", "orgnr"), func(g *gen) value {
		for {
			s := g.from("89", 1) + g.from(digits, 7)
			if d := (11 - weigh(s, 3, 2, 7, 6, 5, 4, 3, 2)%11) % 11; d != 10 {
				return grouped(s+char(d), " ", 3, 3, 3)
			}
		}
	}),
	checked("se-orgnr", 40, 75, "sv", words("organisationsnummer", "orgnr"), func(g *gen) value {
		s := "55" + g.from("6789", 1) + g.from(digits, 6)
		return grouped(s+luhn(s), "-", 6, 4)
	}),
	checked("lei", 40, 65, "en", words("LEI", "legal entity identifier"), func(g *gen) value {
		s := g.one("5493", "2138", "9845") + "00" + g.from(uppers+digits, 12)
		return single(s + two(98-mod97(s+"00")))
	}),

	// Health and devices
	checked("nz-nhi", 65, 85, "en", words("NHI", "NHI number"), func(g *gen) value {
		const table = "ABCDEFGHJKLMNPQRSTUVWXYZ"
		for {
			l, s := g.from(table, 3), g.from(digits, 3)
			sum := weigh(s, 4, 3, 2)
			for i, w := range []int{7, 6, 5} {
				sum += (strings.IndexByte(table, l[i]) + 1) * w
			}
			if r := sum % 11; r != 0 {
				return single(l + s + char((11-r)%10))
			}
		}
	}),
	more("crypto-eth", 65, 85, "en", words("ethereum", "ETH wallet"), func(g *gen) value { return single("0x" + g.from(hexes, 40)) }),
}
