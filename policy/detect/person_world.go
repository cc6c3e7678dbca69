package detect

// Ids of persons in the Americas, Asia, Africa and the Pacific.
var worldwide = finders{
	"us-itin": {number: &form{
		min: 9, max: 9, layouts: []string{"\x03\x02\x04"}, gate: "group that is given out", known: set("987654320", "987654321", "987654322", "987654323", "987654324", "987654325", "987654326", "987654327", "987654328", "987654329"),
		check: only(itin),
	}},
	"ca-sin": {number: &form{
		min: 9, max: 9, layouts: []string{"\x03\x03\x03"}, gate: "Luhn", known: set("046454286"),
		check: only(sin),
	}},
	"br-cpf": {number: &form{
		min: 11, max: 11, layouts: []string{"\x03\x03\x03\x02"}, gate: "two digits modulo 11", mixed: true, known: set("12345678909"),
		check: only(cpf),
	}},
	"br-pis": {number: &form{
		min: 11, max: 11, layouts: []string{"\x03\x05\x02\x01"}, gate: "modulo 11", mixed: true,
		check: only(pis),
	}},
	"mx-curp": {code: &codeForm{patterns: []string{"AAAA999999AAAAAAX9"}, check: curp, gate: "check digit"}},
	"ar-cuil": {number: &form{
		min: 11, max: 11, layouts: []string{"\x02\x08\x01"}, gate: "modulo 11",
		check: only(cuil),
	}},
	"au-tfn": {number: &form{
		min: 9, max: 9, layouts: []string{"\x03\x03\x03"}, gate: "modulo 11", known: set("123456782"),
		check: only(tfn),
	}},
	"au-medicare": {number: &form{
		min: 10, max: 10, layouts: []string{"\x04\x05\x01"}, gate: "weights 1-3-7-9", known: set("2123456701"),
		check: only(medicare),
	}},
	"nz-ird": {number: &form{
		min: 8, max: 9, layouts: []string{"\x02\x03\x03", "\x03\x03\x03"}, gate: "modulo 11",
		check: only(ird),
	}},
	"in-aadhaar": {number: &form{
		min: 12, max: 12, layouts: []string{"\x04\x04\x04"}, gate: "Verhoeff",
		check: only(aadhaar),
	}},
	"in-pan":      {code: &codeForm{patterns: []string{"AAAAA9999A", "AAAAA_9999_A"}, check: pan, gate: "letter for a kind of holder", known: set("ABCDE1234F", "AAAPL1234C")}},
	"in-voter":    {code: &codeForm{patterns: []string{"AAA9999999"}, gate: "three letters, seven digits", capitals: true}},
	"sg-nric-fin": {code: &codeForm{patterns: []string{"A9999999A"}, check: nric, gate: "check letter", known: set("S1234567D")}},
	"hk-hkid":     {code: &codeForm{patterns: []string{"A999999<X>", "AA999999<X>"}, check: hkid, gate: "modulo 11", alone: hkidAlone, known: set("A1234563")}},
	"tw-id":       {code: &codeForm{patterns: []string{"A999999999"}, check: taiwanese, gate: "modulo 10", known: set("A123456789")}},
	"cn-ric": {number: &form{
		min: 18, max: 18, layouts: []string{"\x06\x08\x04"}, gate: "date and check character",
		check: only(residentID),
	}, code: &codeForm{patterns: []string{"99999999999999999x"}, check: residentID, gate: "date and check character"}},
	"jp-my-number": {number: &form{
		min: 12, max: 12, layouts: []string{"\x04\x04\x04"}, gate: "modulo 11",
		check: only(myNumber),
	}},
	"kr-rrn": {number: &form{
		min: 13, max: 13, layouts: []string{"\x06\x07"}, gate: "date and modulo 11",
		check: only(rrn),
	}},
	"th-id": {number: &form{
		min: 13, max: 13, layouts: []string{"\x01\x04\x05\x02\x01"}, gate: "modulo 11",
		check: only(thai),
	}},
	"za-id": {number: &form{
		min: 13, max: 13, layouts: []string{"\x06\x04\x03", "\x06\x04\x02\x01"}, gate: "date and Luhn", known: set("8001015009087"),
		check: only(southAfrican),
	}},
	"il-tz": {number: &form{
		min: 9, max: 9, layouts: []string{"\x08\x01"}, gate: "Luhn",
		check: only(teudatZehut),
	}},
	"br-cnh": {number: &form{
		min: 11, max: 11, gate: "two digits modulo 11", layouts: []string{"\x09\x02"},
		check: only(cnh),
	}},
	"br-rg": {number: &form{
		min: 8, max: 9, layouts: []string{"\x02\x03\x03\x01", "\x02\x03\x03"}, gate: "length", solid: true, mixed: true,
		check: only(anyDigits),
	}, code: &codeForm{patterns: []string{"99_999_999_x", "99999999_x"}, gate: "eight digits and X"}, weak: true},
	"mx-rfc": {code: &codeForm{patterns: []string{"AAAA_999999_XXX", "AAA_999999_XXX"}, check: rfc, gate: "date and check digit"}},
	"mx-nss": {number: &form{
		min: 11, max: 11, layouts: []string{"\x02\x02\x02\x04\x01"}, gate: "Luhn",
		check: only(mexicanSecurity),
	}},
	"ar-dni": {number: &form{
		min: 7, max: 8, layouts: []string{"\x02\x03\x03", "\x01\x03\x03"}, gate: "length", solid: true, seps: ".",
		check: only(anyDigits),
	}, weak: true},
	"cl-rut": {number: &form{
		min: 8, max: 9, layouts: []string{"\x02\x03\x03\x01", "\x01\x03\x03\x01", "\x08\x01", "\x07\x01"}, gate: "modulo 11", mixed: true, seps: ".-",
		check: only(rutDigits),
	}, code: &codeForm{patterns: []string{"99_999_999_k", "9_999_999_k", "99999999_k", "9999999_k"}, check: rut, gate: "modulo 11"}},
	"co-nit": {number: &form{
		min: 9, max: 10, layouts: []string{"\x03\x03\x03\x01", "\x09\x01"}, gate: "primes modulo 11", mixed: true, seps: ".-",
		check: only(nit),
	}},
	"pe-ruc":    {number: &form{min: 11, max: 11, gate: "prefix and modulo 11", check: only(peruRUC)}},
	"ec-cedula": {number: &form{min: 10, max: 10, layouts: []string{"\x09\x01"}, gate: "province and Luhn", seps: "-", check: only(cedulaEC)}},
	"uy-ci": {number: &form{
		min: 8, max: 8, layouts: []string{"\x01\x03\x03\x01", "\x07\x01"}, gate: "modulo 10", mixed: true, seps: ".-",
		check: only(cedulaUY),
	}},
	"do-cedula": {number: &form{min: 11, max: 11, layouts: []string{"\x03\x07\x01"}, gate: "Luhn", check: only(cedulaDO)}},
	"tw-arc":    {code: &codeForm{patterns: []string{"AA99999999", "A999999999"}, check: taiwanResident, gate: "modulo 10"}},
	"kr-frn":    {number: &form{min: 13, max: 13, layouts: []string{"\x06\x07"}, gate: "date and modulo 11", check: only(frn)}},
	"my-mykad":  {number: &form{min: 12, max: 12, layouts: []string{"\x06\x02\x04"}, gate: "date and place of birth", seps: "- ", check: only(mykad)}},
	"id-nik": {number: &form{
		min: 16, max: 16, layouts: []string{"\x06\x06\x04"}, gate: "province and date",
		check: only(nik),
	}},
	"ph-umid": {number: &form{min: 12, max: 12, layouts: []string{"\x04\x07\x01"}, gate: "length", solid: true, check: only(anyDigits)}, weak: true},
	"ph-tin": {number: &form{
		min: 9, max: 14, layouts: []string{"\x03\x03\x03", "\x03\x03\x03\x03", "\x03\x03\x03\x05"}, gate: "length", solid: true,
		check: only(philippineTax),
	}, weak: true},
	"vn-cccd": {number: &form{min: 12, max: 12, gate: "province and century", layouts: []string{"\x03\x03\x06", "\x04\x04\x04", "\x03\x03\x03\x03"}, check: only(cccd)}},
	"pk-cnic": {number: &form{min: 13, max: 13, layouts: []string{"\x05\x07\x01"}, gate: "province", seps: "-", solid: true, check: only(cnic)}},
	"bd-nid":  {number: &form{min: 10, max: 17, gate: "length", solid: true, check: only(bangladeshi)}, weak: true},
	"lk-nic": {number: &form{
		min: 12, max: 12, gate: "year and day of the year", solid: true, check: only(lankan),
	}, code: &codeForm{patterns: []string{"999999999v", "999999999x", "999999999_v"}, check: lankanOld, gate: "day of the year"}},
	"ng-nin":   {number: &form{min: 11, max: 11, layouts: []string{"\x04\x03\x04"}, gate: "length", solid: true, check: only(anyDigits)}, weak: true},
	"ke-id":    {number: &form{min: 7, max: 8, gate: "length", solid: true, check: only(anyDigits)}, weak: true},
	"eg-nid":   {number: &form{min: 14, max: 14, gate: "century, date and governorate", check: only(egyptian)}},
	"sa-id":    {number: &form{min: 10, max: 10, gate: "first digit and Luhn", check: only(saudi)}},
	"ae-eid":   {number: &form{min: 15, max: 15, layouts: []string{"\x03\x04\x07\x01"}, gate: "784 and year", check: only(emiratesID)}},
	"kw-civil": {number: &form{min: 12, max: 12, gate: "date and modulo 11", check: only(kuwaiti)}},
	"qa-id":    {number: &form{min: 11, max: 11, gate: "century and nationality", solid: true, check: only(qatari)}},
}
