package detect

// Travel documents, licences and vehicles.
var travel = finders{
	"mrz":         {scanned: true},
	"in-passport": {code: &codeForm{patterns: []string{"A9999999"}, gate: "a letter, seven digits", capitals: true}},
	"passport-number": {number: &form{
		min: 9, max: 9, gate: "nine digits", solid: true,
		check: only(anyDigits),
	}, code: &codeForm{patterns: []string{"AXXXXXXXX", "99AA99999", "A9999999", "AA999999"}, check: passport, gate: "letters and digits", capitals: true}, weak: true},
	"uk-driving-licence": {code: &codeForm{patterns: []string{"XXXXXXXXXXXXXXXX", "AAAAA_999999_XXXXX"}, check: drivingLicence, gate: "form", known: set("MORGA657054SM9IJ")}},
	"us-driver-licence": {number: &form{
		min: 7, max: 9, gate: "7 to 9 digits", solid: true,
		check: only(anyDigits),
	}, code: &codeForm{patterns: []string{"A9999999", "A99999999999", "A999999999999", "A99999999", "A9999_9999_9999"}, gate: "a letter and digits", capitals: true}, weak: true},
	"vin": {code: &codeForm{patterns: []string{"XXXXXXXXXXXXXXXXX"}, check: vin, gate: "check digit"}},
}
