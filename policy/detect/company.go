package detect

// Ids of companies: for rules that ask for several things at once.
var companies = finders{
	"eu-vat": {code: &codeForm{patterns: []string{"atu99999999", "be9999999999", "be_9999_999_999", "de999999999", "de_999_999_999", "dk99999999", "dk_99_99_99_99", "el999999999", "esA99999999", "esA9999999A", "es99999999A", "fi99999999", "fr99999999999", "fr_99_999_999_999", "hu99999999", "ie9999999A", "ie9999999AA", "it99999999999", "it_99999999999", "lu99999999", "nl999999999b99", "nl_999999999_b99", "pl9999999999", "pl_999_99_99_999", "pl_999_999_99_99", "pl_999_99_99_999", "pt999999999", "pt_999_999_999", "se999999999999", "se_999999_9999_99"}, check: euVAT, gate: "check digit of the country"}},
	"uk-vat": {code: &codeForm{patterns: []string{"gb999999999", "gb_999_9999_99"}, check: ukVATPrefix, gate: "modulo 97"}},
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
	}, code: &codeForm{patterns: []string{"XXXXXXXXXXXXXX", "99_XXX_XXX_XXXX_99", "A9_XXX_XXX_XXXX_99", "AA_XXX_XXX_XXXX_99"}, check: cnpjLetters, gate: "two digits modulo 11", known: set("12ABC34501DE35"), capitals: true, alone: internalBare}},
	"in-gstin": {code: &codeForm{patterns: []string{"99AAAAA9999AXAX"}, check: gstin, gate: "modulo 36"}},
	"us-ein": {number: &form{
		min: 9, max: 9, layouts: []string{"\x02\x07"}, gate: "prefix", solid: true,
		check: only(ein),
	}},
}
