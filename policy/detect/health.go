package detect

// Health: numbers of patients, providers and diagnoses.
var medical = finders{
	"us-mbi": {code: &codeForm{patterns: []string{"9AX9AX9AA99", "9AX9_AX9_AA99"}, check: mbi, gate: "places of letters and digits", known: set("1EG4TE5MK72", "1EG4TE5MK73")}},
	"us-npi": {number: &form{
		min: 10, max: 10, gate: "Luhn with the issuer prefix", known: set("1234567893"),
		check: only(npi),
	}},
	"us-dea": {code: &codeForm{patterns: []string{"AA9999999", "A99999999"}, check: dea, gate: "check digit", known: set("AB1234563")}},
	"nz-nhi": {code: &codeForm{patterns: []string{"AAA9999"}, check: nhi, gate: "modulo 11", known: set("ZAC5361")}},
	"ehic": {number: &form{
		min: 20, max: 20, layouts: []string{"\x05\x05\x05\x05", "\x0a\x0a"}, gate: "prefix 80",
		check: only(ehicNumber),
	}},
	"medical-record-number": {number: &form{
		min: 6, max: 10, gate: "6 to 10 digits", solid: true,
		check: only(anyDigits),
	}, weak: true},
	"icd10-cm": {code: &codeForm{patterns: []string{"A99.X", "A9A.X", "A99.XX", "A99.XXX", "A99.XXXX"}, gate: "letter, digits, point", capitals: true}},
}
