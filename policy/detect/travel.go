package detect

// Travel documents, licences and vehicles.
var travel = finders{
	"mrz":         {scanned: true},
	"in-passport": {code: &codeForm{patterns: []string{"A9999999"}, gate: "a letter, seven digits", capitals: true}},
	"passport-number": {number: &form{
		min: 9, max: 9, gate: "nine digits", solid: true,
		check: only(anyDigits),
	}, code: &codeForm{patterns: []string{"AXXXXXXXX", "AXXXXXXXX9", "99AA99999", "A9999999", "AA999999"}, check: passport, gate: "letters and digits", capitals: true}, weak: true},
	"uk-driving-licence": {code: &codeForm{patterns: []string{"XXXXXXXXXXXXXXXX", "AAAAA_999999_XXXXX"}, check: drivingLicence, gate: "form that DVLA gives out", known: set("MORGA657054SM9IJ")}},
	"us-driver-licence": {number: &form{
		min: 7, max: 13, gate: "form of a state", layouts: []string{"\x02\x03\x04", "\x02\x03\x03", "\x06\x03", "\x04\x02\x04", "\x03\x03\x03", "\x03\x02\x04"}, solid: true,
		check: only(anyDigits),
	}, code: &codeForm{patterns: []string{"A9999999", "A99999999", "A99999", "A999999", "A999999999", "A99999999999", "A999999999999", "A9999999999999", "A_999_999_999_999", "A999_999_999_999", "A999_999_99_999_9", "A999_9999_9999", "A999_9999_9999_99",
		"A9999_99999_99999", "A99_999_999", "A99_99_9999", "AA999999", "AA999999A", "AAA999999", "999AA9999", "99AAA99999", "9AAAA99999AA", "AA9999999", "9999999A", "99999999AA", "AAA99999999", "A-999-999-999-999"}, check: notSame, gate: "form of a state", capitals: true}, weak: true},
	"vin": {code: &codeForm{patterns: []string{"XXXXXXXXXXXXXXXXX"}, check: vin, gate: "check digit"}},
	"eu-driving-licence": {number: &form{
		min: 8, max: 12, gate: "length", solid: true, check: only(anyDigits),
	}, code: &codeForm{patterns: []string{"XXXXXXXXXXX", "XXXXXXXXXX", "XXXXXXXXX", "99_99_99999", "99999_99_9999", "AA9999999A", "99999999A"}, check: hasDigits, gate: "letters and digits", capitals: true}, weak: true},
	"ca-driving-licence": {number: &form{min: 7, max: 9, gate: "length", layouts: []string{"\x06\x03"}, solid: true, check: only(anyDigits)},
		code: &codeForm{patterns: []string{"A9999_99999_99999", "A9999_999999_99", "A999999999999", "AAAAA999999999", "AA_99_99_99_AAA"}, gate: "form of a province", capitals: true}, weak: true},
	"au-driving-licence": {number: &form{min: 6, max: 10, gate: "length", layouts: []string{"\x03\x03\x03"}, solid: true, check: only(anyDigits)},
		code: &codeForm{patterns: []string{"9999AA", "A99999", "AA9999"}, gate: "letters and digits", capitals: true}, weak: true},
	"in-driving-licence": {code: &codeForm{patterns: []string{"AA99_99999999999", "AA_99_99999999999", "AA99_9999_9999999", "AA_99_9999_9999999"}, check: indianLicence, gate: "state and year", capitals: true}},
	"jp-driving-licence": {number: &form{min: 12, max: 12, gate: "prefecture", layouts: []string{"\x04\x04\x04"}, solid: true, check: only(japaneseLicence)}},
	"kr-driving-licence": {number: &form{min: 12, max: 12, gate: "region", layouts: []string{"\x02\x02\x06\x02"}, check: only(koreanLicence)}},
	"licence-plate": {code: &codeForm{patterns: []string{"AA99_AAA", "A_9999", "AA_9999", "AA_999", "AA_99_AA_9999", "AA_99_A_9999", "AA_999_AA", "9999_AAA", "99_AA_999", "99_AAA_99", "99_A_9999", "99_AA_99", "AAA9A99",
		"AAA_9999", "AAA_999", "9AAA999"}, gate: "form of a country", capitals: true}, weak: true},
}
