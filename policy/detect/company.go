package detect

// Ids of companies: for rules that ask for several things at once.
var companies = finders{
	"eu-vat": {code: &codeForm{patterns: []string{"atu99999999", "at_u99999999", "be9999999999", "be_9999_999_999", "be_9999999999", "bg_999999999", "bg_9999999999", "cy_99999999A", "cz_99999999", "cz_9999999999",
		"de_999999999", "de_999_999_999", "dk_99999999", "dk_99_99_99_99", "ee_999999999", "el_999999999", "esA99999999", "es_A99999999", "esA9999999A", "es_A9999999A", "es_99999999A", "fi_99999999", "fr_99999999999", "fr_99_999_999_999",
		"hr_99999999999", "hu_99999999", "ie_9999999A", "ie_9999999AA", "it_99999999999", "lt_999999999", "lt_999999999999", "lu_99999999", "lv_99999999999", "mt_99999999", "nl999999999b99", "nl_999999999_b99",
		"pl_9999999999", "pl_999_99_99_999", "pl_999_999_99_99", "pt_999999999", "pt_999_999_999", "ro999999", "ro9999999", "ro99999999", "ro999999999", "ro9999999999", "ro_99999999",
		"se_999999999999", "se_999999_9999_99", "si99999999", "si_99999999", "sk_9999999999"}, check: euVAT, gate: "check digit of the country"}},
	"uk-vat": {number: &form{
		min: 9, max: 9, layouts: []string{"\x03\x04\x02"}, gate: "modulo 97", named: true,
		check: only(ukVAT),
	}, code: &codeForm{patterns: []string{"gb999999999", "gb_999_9999_99"}, check: ukVATPrefix, gate: "modulo 97"}},
	"ch-uid": {code: &codeForm{patterns: []string{"che999999999", "che_999_999_999"}, check: uid, gate: "modulo 11"}},
	"au-abn": {number: &form{
		min: 11, max: 11, layouts: []string{"\x02\x03\x03\x03"}, gate: "modulo 89",
		check: only(abn),
	}},
	"au-acn": {number: &form{
		min: 9, max: 9, layouts: []string{"\x03\x03\x03"}, gate: "weights 8 to 1",
		check: only(acn),
	}},
	"br-cnpj": {number: &form{
		min: 14, max: 14, layouts: []string{"\x02\x03\x03\x04\x02"}, gate: "two digits modulo 11", mixed: true, known: set("11222333000181"),
		check: only(cnpj),
	}, code: &codeForm{patterns: []string{"XXXXXXXXXXXXXX", "99_XXX_XXX_XXXX_99", "A9_XXX_XXX_XXXX_99", "AA_XXX_XXX_XXXX_99"}, check: cnpjLetters, gate: "two digits modulo 11", known: set("12ABC34501DE35"), capitals: true, printed: true}},
	"in-gstin": {code: &codeForm{patterns: []string{"99AAAAA9999AXAX"}, check: gstin, gate: "modulo 36"}},
	"us-ein": {number: &form{
		min: 9, max: 9, layouts: []string{"\x02\x07"}, gate: "prefix that is given out", solid: true,
		check: only(ein),
	}},
	"kr-brn":       {number: &form{min: 10, max: 10, layouts: []string{"\x03\x02\x05"}, gate: "check digit", check: only(koreanBusiness)}},
	"jp-corporate": {number: &form{min: 13, max: 13, layouts: []string{"\x01\x04\x04\x04"}, gate: "modulo 9", check: only(japaneseCorporate)}},
	"cn-uscc":      {code: &codeForm{patterns: []string{"XX999999XXXXXXXXXX"}, check: uscc, gate: "modulo 31", capitals: true}},
	"sg-uen":       {code: &codeForm{patterns: []string{"99999999A", "999999999A", "A99AA9999A"}, check: uen, gate: "check letter"}},
	"no-orgnr":     {number: &form{min: 9, max: 9, layouts: []string{"\x03\x03\x03"}, gate: "modulo 11", check: only(orgnr)}},
	"se-orgnr":     {number: &form{min: 10, max: 10, layouts: []string{"\x06\x04"}, gate: "Luhn", seps: "- ", check: only(organisationsnummer)}},
	"za-company":   {number: &form{min: 12, max: 12, layouts: []string{"\x04\x06\x02"}, gate: "year and kind", solid: true, seps: "/", check: only(southAfricanCompany)}},
	"nz-company":   {number: &form{min: 13, max: 13, gate: "GS1 check digit", check: only(nzbn)}},
}
