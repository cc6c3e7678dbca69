package detect

var person = finders{
	"us-ssn": {number: &form{
		min: 9, max: 9, layouts: []string{"\x03\x02\x04"}, known: set("078051120", "219099999", "457555462", "123456789"), gate: "area, group and serial that are given out",
		check: func(d []byte, _ string) (string, bool) { return "", ssn(d) },
	}},
	"uk-nino": {number: &form{
		min: 6, max: 6, before: 2, after: 1, layouts: []string{"\x02\x02\x02"}, gate: "prefix and suffix that are given out", known: set("QQ123456C", "AB123456C"),
		letters: nino,
	}},
	"uk-nhs": {number: &form{
		min: 10, max: 10, layouts: []string{"\x03\x03\x04"}, gate: "modulus 11", known: set("9434765919"),
		check: func(d []byte, _ string) (string, bool) { return "", nhs(d) },
	}},
	"de-steuer-id": {number: &form{
		min: 11, max: 11, layouts: []string{"\x02\x03\x03\x03"}, gate: "check digit", known: set("86095742719"),
		check: func(d []byte, _ string) (string, bool) { return "", steuerID(d) },
	}},
	"fr-nir": {number: &form{
		min: 15, max: 15, layouts: []string{"\x01\x02\x02\x02\x03\x03\x02", "\x0d\x02"}, gate: "month, department and key",
		check: only(nir),
	}, code: &codeForm{patterns: []string{"9_99_99_9a_999_999_99", "9_99_99_9b_999_999_99", "999999a99999999", "999999b99999999"}, check: corsican, gate: "month, department and key"}},
	"es-nie": {number: &form{min: 7, max: 7, before: 1, after: 1, gate: "check letter", letters: dni, known: set("X1234567L")}},
	"es-dni": {number: &form{min: 8, max: 8, after: 1, layouts: []string{"\x02\x03\x03"}, gate: "check letter", letters: dni, known: set("12345678Z")}},
	"nl-bsn": {number: &form{
		min: 9, max: 9, layouts: []string{"\x04\x02\x03", "\x03\x03\x03"}, gate: "eleven test", known: set("111222333", "123456782"),
		check: func(d []byte, _ string) (string, bool) { return "", bsn(d) },
	}},
	"it-cf": {scanned: true},
}
