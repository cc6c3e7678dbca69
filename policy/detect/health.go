package detect

// Health: numbers of patients, providers and diagnoses.
var medical = finders{
	"us-mbi": {code: &codeForm{patterns: []string{"9AX9AX9AA99", "9AX9_AX9_AA99"}, check: mbi, gate: "letters and digits in their places", known: set("1EG4TE5MK72", "1EG4TE5MK73")}},
	"us-npi": {number: &form{
		min: 10, max: 10, gate: "Luhn with the issuer prefix", known: set("1234567893"),
		check: only(npi),
	}},
	"us-dea": {code: &codeForm{patterns: []string{"AA9999999", "A99999999"}, check: dea, gate: "check digit", alone: deaAlone, known: set("AB1234563")}},
	"nz-nhi": {code: &codeForm{patterns: []string{"AAA9999", "AAA99AA"}, check: nhi, gate: "check digit or letter", known: set("ZAC5361")}},
	"ehic": {number: &form{
		min: 20, max: 20, layouts: []string{"\x05\x05\x05\x05", "\x0a\x0a"}, gate: "prefix 80",
		check: only(ehicNumber),
	}},
	"medical-record-number": {number: &form{
		min: 6, max: 10, gate: "6 to 10 digits", solid: true,
		check: only(anyDigits),
	}, weak: true},
	"icd10-cm": {code: &codeForm{patterns: []string{"A99.X", "A9A.X", "A99.XX", "A99.XXX", "A99.XXXX", "A99"}, check: icd10, gate: "chapter of ICD-10", capitals: true, labelled: category}},
	"de-lanr":  {number: &form{min: 9, max: 9, gate: "weights 4 and 9", layouts: []string{"\x07\x02"}, check: only(lanr)}},
	"de-bsnr":  {number: &form{min: 9, max: 9, gate: "length", solid: true, check: only(anyDigits)}, weak: true},
	"ca-health": {number: &form{
		min: 9, max: 10, layouts: []string{"\x04\x03\x03", "\x03\x03\x03", "\x05\x04"}, gate: "check digit of the province", solid: true,
		check: only(canadianHealth),
	}, code: &codeForm{patterns: []string{"AAAA99999999", "AAAA_9999_9999"}, check: ramq, gate: "date of birth"}},
	"icd9": {code: &codeForm{patterns: []string{"999.9", "999.99", "v99.9", "v99.99", "e999.9"}, gate: "digits, point", capitals: true}, weak: true},
	"ndc": {number: &form{
		min: 10, max: 11, layouts: []string{"\x04\x04\x02", "\x05\x03\x02", "\x05\x04\x01", "\x05\x04\x02"}, gate: "length", solid: true, seps: "-",
		check: only(drug),
	}, weak: true},
	"loinc":     {code: &codeForm{patterns: []string{"9999-9", "99999-9"}, check: loinc, gate: "check digit"}, weak: true},
	"snomed-ct": {number: &form{min: 6, max: 18, gate: "Verhoeff and partition", solid: true, check: only(snomed)}},
}
