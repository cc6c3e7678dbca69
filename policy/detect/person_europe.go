package detect

// Ids of persons in Europe.
var european = finders{
	"ie-pps":             {code: &codeForm{patterns: []string{"9999999A", "9999999AA", "9999999_A", "9999999_AA"}, check: pps, gate: "check letter", known: set("1234567T", "1234567FA")}},
	"de-rvnr":            {code: &codeForm{patterns: []string{"99999999A999", "99_999999_A_999"}, check: rvnr, gate: "date and check digit"}},
	"de-personalausweis": {code: &codeForm{patterns: []string{"XXXXXXXXXX", "A99999999_9"}, check: personalausweis, gate: "check digit", known: set("L01X00T471", "T220001293")}},
	"de-kvnr":            {code: &codeForm{patterns: []string{"A999999999", "A_999999999"}, check: kvnr, gate: "check digit", known: set("A123456780")}},
	"at-svnr": {number: &form{
		min: 10, max: 10, layouts: []string{"\x04\x06"}, seps: " ", gate: "date and modulo 11", known: set("1237010180"),
		check: only(svnr),
	}},
	"ch-ahv": {number: &form{
		min: 13, max: 13, layouts: []string{"\x03\x04\x04\x02"}, gate: "check digit", known: set("7569217076985"),
		check: only(ahv),
	}},
	"be-nn": {number: &form{
		min: 11, max: 11, layouts: []string{"\x02\x02\x02\x03\x02"}, gate: "date and modulo 97", mixed: true, known: set("85073003328"),
		check: only(belgian),
	}},
	"lu-id": {number: &form{
		min: 13, max: 13, layouts: []string{"\x04\x04\x05"}, gate: "date, Luhn and Verhoeff",
		check: only(luxembourg),
	}},
	"es-nuss": {number: &form{
		min: 12, max: 12, layouts: []string{"\x02\x08\x02", "\x02\x0a"}, gate: "modulo 97",
		check: only(nuss),
	}},
	"pt-nif": {number: &form{
		min: 9, max: 9, layouts: []string{"\x03\x03\x03"}, gate: "modulo 11", known: set("123456789"),
		check: only(nif),
	}},
	"pt-niss": {number: &form{
		min: 11, max: 11, layouts: []string{"\x03\x04\x04"}, gate: "prime weights",
		check: only(niss),
	}},
	"pt-cc": {code: &codeForm{patterns: []string{"99999999_9_AA9", "99999999_9_A99"}, check: cartaoCidadao, gate: "check digit", known: set("000000000ZZ4")}},
	"pl-pesel": {number: &form{
		min: 11, max: 11, layouts: []string{"\x06\x05"}, gate: "date and check digit", known: set("44051401359"),
		check: only(pesel),
	}},
	"pl-id-card": {code: &codeForm{patterns: []string{"AAA999999", "AAA_999999"}, check: polishSeries, gate: "check digit", known: set("ABA300000")}},
	"cz-sk-rc": {number: &form{
		min: 10, max: 10, layouts: []string{"\x06\x04"}, gate: "date and modulo 11", seps: "/", known: set("7801233540"),
		check: only(rodneCislo),
	}},
	"ro-cnp": {number: &form{
		min: 13, max: 13, gate: "date, county and modulo 11",
		check: only(cnp),
	}},
	"fi-hetu": {code: &codeForm{patterns: []string{"999999-999X", "999999+999X", "999999A999X"}, check: hetu, gate: "date and modulo 31", known: set("131052308T")}},
	"se-pnr": {number: &form{
		min: 10, max: 12, layouts: []string{"\x06\x04", "\x08\x04"}, gate: "date and Luhn", seps: "- ", known: set("8112289874", "198112289874"),
		check: only(personnummer),
	}},
	"no-fnr": {number: &form{
		min: 11, max: 11, layouts: []string{"\x06\x05"}, gate: "date and two digits modulo 11", known: set("01010750160"),
		check: only(fodselsnummer),
	}},
	"dk-cpr": {number: &form{
		min: 10, max: 10, layouts: []string{"\x06\x04"}, gate: "date of birth", solid: true, seps: "- ", known: set("2110625629"),
		check: only(cpr),
	}},
	"tr-tckn": {number: &form{
		min: 11, max: 11, layouts: []string{"\x03\x03\x03\x02"}, gate: "two check digits", known: set("10000000146"),
		check: only(tckn),
	}},
	"hu-taj": {number: &form{
		min: 9, max: 9, layouts: []string{"\x03\x03\x03"}, gate: "weights 3 and 7",
		check: only(taj),
	}},
	"bg-egn": {number: &form{
		min: 10, max: 10, gate: "date and modulo 11",
		check: only(egn),
	}},
	"hr-oib": {number: &form{
		min: 11, max: 11, gate: "check digit",
		check: only(oib),
	}},
	"si-emso": {number: &form{
		min: 13, max: 13, gate: "date and modulo 11",
		check: only(emso),
	}},
	"gr-amka": {number: &form{
		min: 11, max: 11, gate: "date and Luhn",
		check: only(amka),
	}},
	"gr-afm": {number: &form{
		min: 9, max: 9, gate: "modulo 11",
		check: only(afm),
	}},
	"ee-ik": {number: &form{
		min: 11, max: 11, gate: "date and modulo 11", known: set("37605030299"),
		check: only(baltic),
	}},
	"lt-ak": {number: &form{
		min: 11, max: 11, gate: "date and modulo 11",
		check: only(baltic),
	}},
	"lv-pk": {number: &form{
		min: 11, max: 11, layouts: []string{"\x06\x05"}, gate: "date and modulo 11", seps: "- ",
		check: only(latvian),
	}},
	"uk-utr": {number: &form{min: 10, max: 10, layouts: []string{"\x05\x05"}, gate: "ten digits", check: taxReference}},
	"fr-spi": {number: &form{
		min: 13, max: 13, layouts: []string{"\x02\x02\x03\x03\x03"}, gate: "modulo 511",
		check: only(spi),
	}},
	"fr-cni": {number: &form{min: 12, max: 12, gate: "date of issue", solid: true, check: only(carteIdentite)}, code: &codeForm{patterns: []string{"XXXXXXXXX"}, check: carteNouvelle, gate: "nine letters and digits", capitals: true}},
	"de-steuernummer": {number: &form{
		min: 10, max: 13, layouts: []string{"\x05\x05", "\x03\x03\x05", "\x02\x03\x05", "\x03\x04\x04", "\x03\x03\x04"}, gate: "digits of a tax office", solid: true,
		check: only(steuernummer),
	}, weak: true},
	"hu-adoazonosito": {number: &form{min: 10, max: 10, gate: "modulo 11", check: only(adoazonosito)}},
	"rs-jmbg":         {number: &form{min: 13, max: 13, gate: "date, place and modulo 11", check: only(jmbg)}},
	"cy-tin":          {code: &codeForm{patterns: []string{"99999999A"}, check: cypriot, gate: "modulo 26"}},
	"mt-id":           {code: &codeForm{patterns: []string{"9999999A", "9999999_A"}, check: maltese, gate: "letter"}},
	"is-kt":           {number: &form{min: 10, max: 10, layouts: []string{"\x06\x04"}, gate: "date and modulo 11", seps: "- ", check: only(kennitala)}},
	"ru-snils": {number: &form{
		min: 11, max: 11, layouts: []string{"\x03\x03\x03\x02"}, gate: "modulo 101", mixed: true,
		check: only(snils),
	}},
	"ru-inn":    {number: &form{min: 10, max: 12, gate: "modulo 11", check: only(inn)}},
	"ua-rnokpp": {number: &form{min: 10, max: 10, gate: "modulo 11", check: only(rnokpp)}},
	"kz-iin":    {number: &form{min: 12, max: 12, gate: "date and modulo 11", check: only(kazakh)}},
}
