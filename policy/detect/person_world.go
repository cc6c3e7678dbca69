package detect

// Ids of persons in the Americas, Asia, Africa and the Pacific.
var worldwide = finders{
	"us-itin": {number: &form{
		min: 9, max: 9, layouts: []string{"\x03\x02\x04"}, gate: "group", known: set("987654320", "987654321", "987654322", "987654323", "987654324", "987654325", "987654326", "987654327", "987654328", "987654329"),
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
	"in-pan":      {code: &codeForm{patterns: []string{"AAAAA9999A", "AAAAA_9999_A"}, check: pan, gate: "kind of holder", known: set("ABCDE1234F", "AAAPL1234C")}},
	"in-voter":    {code: &codeForm{patterns: []string{"AAA9999999"}, gate: "three letters, seven digits", capitals: true}},
	"sg-nric-fin": {code: &codeForm{patterns: []string{"A9999999A"}, check: nric, gate: "check letter", known: set("S1234567D")}},
	"hk-hkid":     {code: &codeForm{patterns: []string{"A999999<X>", "AA999999<X>"}, check: hkid, gate: "modulo 11", known: set("A1234563")}},
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
}
