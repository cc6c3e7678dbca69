package detect

var phoneWords = []string{"phone", "phones", "telephone", "tel", "mobile", "cell", "cellphone", "call", "call me", "fax", "whatsapp", "sms", "text me", "ring", "dial", "hotline", "contact",
	"number", "reach me", "reach", "telefon*", "handy", "mobil*", "rufnummer", "durchwahl", "anrufen", "telephone portable", "portable", "numero de telephone", "appeler", "telefono", "movil", "celular",
	"llamar", "telefone", "telemovel", "cellulare", "telefoonnummer", "mobiel", "telefoon", "komorka", "puhelin", "телефон", "電話", "携帯", "电话", "手机", "전화"}

var contact = finders{
	"email":      {scanned: true},
	"phone-e164": {scanned: true},
	"phone-national": {number: &form{
		min: 7, max: 13, layouts: []string{"\x03\x03\x04", "\x01\x03\x03\x04"}, gate: "numbering plan", paren: true, check: national,
	}},
}

// national reports whether d is a phone number as it is dialled inside a country:
// in North America, or in the home region.
func national(d []byte, home string) (string, bool) {
	if n := d; len(n) == 10 || len(n) == 11 && n[0] == '1' {
		n = n[len(n)-10:]
		if nanp(n) {
			return "North American plan", true
		}
	}
	p, ok := plans[home]
	if !ok || len(d) < p.min || len(d) > p.max || same(d) {
		return "", false
	}
	for _, f := range p.first {
		if d[0] == byte(f) && (d[0] != '0' || d[1] != '0') {
			return "numbering plan of " + home, true
		}
	}
	return "", false
}

// nanp checks area and exchange: neither starts with 0 or 1, neither is N11.
func nanp(d []byte) bool {
	return d[0] > '1' && d[3] > '1' && (d[1] != '1' || d[2] != '1') && (d[4] != '1' || d[5] != '1') && !same(d)
}

// fictional reports whether a North American number is one of those kept for
// fiction, 555-0100 to 555-0199.
func fictional(d []byte) bool {
	return len(d) >= 10 && string(d[len(d)-7:len(d)-2]) == "55501"
}

// A plan is how numbers look inside a country: total digits with the trunk
// prefix, and what they start with.
type plan struct {
	min, max int
	first    string
}

// plans are national numbering plans by home region (ITU-T national numbering
// plans collection), as far as length and first digit tell.
var plans = map[string]plan{
	"GB": {10, 11, "0"}, "IE": {8, 10, "0"}, "DE": {7, 13, "0"}, "AT": {7, 13, "0"}, "CH": {10, 10, "0"}, "FR": {10, 10, "0"}, "BE": {9, 10, "0"},
	"NL": {10, 10, "0"}, "LU": {6, 9, "2346789"}, "ES": {9, 9, "6789"}, "PT": {9, 9, "29"}, "IT": {8, 11, "03"}, "DK": {8, 8, "23456789"}, "NO": {8, 8, "2345679"},
	"SE": {8, 10, "0"}, "FI": {7, 11, "0"}, "PL": {9, 9, "123456789"}, "CZ": {9, 9, "23456789"}, "AU": {10, 10, "0"}, "NZ": {9, 11, "0"}, "IN": {10, 11, "06789"},
	"BR": {10, 11, "123456789"}, "MX": {10, 10, "23456789"}, "JP": {10, 11, "0"}, "KR": {9, 11, "0"}, "CN": {11, 12, "01"}, "ZA": {10, 10, "0"}, "IL": {9, 10, "0"}, "TR": {10, 11, "05"},
}

// dialCodes are the lengths of national numbers after a country code, without
// the trunk prefix. A code of three digits that is not listed has 7 to 10.
var dialCodes = map[string][2]int{
	"1": {10, 10}, "7": {10, 10}, "20": {8, 10}, "27": {9, 9}, "30": {10, 10}, "31": {9, 9}, "32": {8, 9}, "33": {9, 9}, "34": {9, 9}, "36": {8, 9},
	"39": {6, 11}, "40": {9, 9}, "41": {9, 9}, "43": {6, 13}, "44": {9, 10}, "45": {8, 8}, "46": {7, 10}, "47": {8, 8}, "48": {9, 9}, "49": {6, 12},
	"51": {8, 9}, "52": {10, 11}, "53": {8, 8}, "54": {10, 11}, "55": {10, 11}, "56": {9, 9}, "57": {8, 10}, "58": {10, 10}, "60": {8, 10}, "61": {9, 9},
	"62": {8, 12}, "63": {8, 10}, "64": {8, 10}, "65": {8, 8}, "66": {8, 9}, "81": {9, 10}, "82": {8, 10}, "84": {9, 10}, "86": {9, 11}, "90": {10, 10},
	"91": {10, 10}, "92": {9, 10}, "93": {9, 9}, "94": {9, 9}, "95": {7, 10}, "98": {10, 10},
	"351": {9, 9}, "352": {6, 11}, "353": {7, 9}, "354": {7, 9}, "355": {8, 9}, "356": {8, 8}, "357": {8, 8}, "358": {6, 11}, "370": {8, 8}, "371": {8, 8},
	"372": {7, 8}, "373": {8, 8}, "374": {8, 8}, "375": {9, 9}, "376": {6, 9}, "377": {8, 9}, "380": {9, 9}, "381": {8, 9}, "420": {9, 9}, "421": {9, 9},
	"423": {7, 9}, "852": {8, 8}, "853": {8, 8}, "886": {8, 9}, "961": {7, 8}, "965": {8, 8}, "968": {8, 8}, "971": {8, 9}, "972": {8, 9}, "973": {8, 8},
	"974": {8, 8}, "976": {8, 8}, "992": {9, 9}, "994": {9, 9}, "995": {9, 9}, "996": {9, 9}, "998": {9, 9},
}

// dialCode returns the length of the country code that d starts with and the
// lengths that may follow; 0 if no such code is given out.
func dialCode(d []byte) (code, least, most int) {
	for n := 1; n <= 3 && n <= len(d); n++ {
		if l, ok := dialCodes[string(d[:n])]; ok {
			return n, l[0], l[1]
		}
	}
	if len(d) < 3 {
		return 0, 0, 0
	}
	switch p := number(d[:2]); { // ranges of ITU-T E.164's list of assigned codes
	case p >= 21 && p <= 26, p == 29, p == 35, p == 37, p == 38, p == 42, p == 50, p == 59, p >= 67 && p <= 69, p == 85, p == 88, p == 96, p == 97:
		return 3, 7, 10
	}
	return 0, 0, 0
}
