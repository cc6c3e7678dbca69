package detect

// Accounts, and what is printed on a card besides its number.
var accounts = finders{
	"card-track-data": {scanned: true},
	"card-cvv":        {scanned: true},
	"us-aba-routing": {number: &form{
		min: 9, max: 9, layouts: []string{"\x04\x04\x01"}, gate: "prefix and weights 3-7-1",
		check: only(aba),
	}},
	"us-bank-account": {number: &form{
		min: 8, max: 17, gate: "8 to 17 digits", solid: true,
		check: only(anyDigits),
	}, weak: true},
	"uk-sort-code-account": {number: &form{
		min: 6, max: 14, layouts: []string{"\x02\x02\x02", "\x02\x02\x02\x08", "\x06\x08"}, gate: "six digits, or with an account", branch: true, solid: true, mixed: true, seps: "-",
		check: only(sortCode),
	}, weak: true},
	"au-bsb-account": {number: &form{
		min: 6, max: 15, layouts: []string{"\x03\x03", "\x03\x03\x06", "\x03\x03\x07", "\x03\x03\x08", "\x03\x03\x09"}, gate: "six digits, or with an account", branch: true, solid: true, mixed: true, seps: "- ",
		check: only(bsb),
	}, weak: true},
	"ca-transit-account": {number: &form{
		min: 8, max: 15, layouts: []string{"\x05\x03", "\x05\x03\x07"}, gate: "length", branch: true, solid: true, mixed: true,
		check: only(anyDigits),
	}, weak: true},
	"nz-bank-account": {number: &form{
		min: 15, max: 16, layouts: []string{"\x02\x04\x07\x02", "\x02\x04\x07\x03"}, gate: "branch and check digit of the bank", solid: true, known: set("010902006838900"),
		check: only(nzBank),
	}},
	"mx-clabe": {number: &form{
		min: 18, max: 18, layouts: []string{"\x03\x03\x0b\x01"}, gate: "3-7-1",
		check: only(clabe),
	}},
	"es-ccc": {number: &form{
		min: 20, max: 20, layouts: []string{"\x04\x04\x02\x0a", "\x04\x04\x04\x04\x04"}, gate: "modulo 11",
		check: only(ccc),
	}},
	"fr-rib": {number: &form{
		min: 23, max: 23, layouts: []string{"\x05\x05\x0b\x02"}, gate: "modulo 97",
		check: only(rib),
	}},
	"in-ifsc":            {code: &codeForm{patterns: []string{"AAAA0XXXXXX"}, check: ifsc, gate: "four letters, 0, six characters", capitals: true}},
	"swift-bic":          {code: &codeForm{patterns: []string{"AAAAAAXX", "AAAAAAXXXXX"}, check: bic, gate: "code of a country", capitals: true}},
	"crypto-btc":         {scanned: true},
	"crypto-private-key": {scanned: true},
	"ar-cbu": {number: &form{
		min: 22, max: 22, layouts: []string{"\x08\x0e"}, gate: "two check digits",
		check: only(cbu),
	}},
	"jp-bank-account": {number: &form{
		min: 7, max: 14, layouts: []string{"\x03\x07", "\x04\x03\x07"}, gate: "length", solid: true, seps: "- ",
		check: only(japaneseAccount),
	}, weak: true},
	"il-bank-account": {number: &form{
		min: 10, max: 14, layouts: []string{"\x02\x03\x06", "\x02\x03\x07", "\x02\x03\x08", "\x02\x03\x09"}, gate: "length", solid: true, mixed: true,
		check: only(israeliAccount),
	}, weak: true},
	"it-bban":            {code: &codeForm{patterns: []string{"A9999999999XXXXXXXXXXXX", "A_99999_99999_XXXXXXXXXXXX"}, check: cin, gate: "check letter"}},
	"crypto-eth":         {scanned: true},
	"crypto-other":       {scanned: true},
	"crypto-seed-phrase": {scanned: true},
	"isin":               {code: &codeForm{patterns: []string{"AAXXXXXXXXX9"}, check: isin, gate: "Luhn over letters", capitals: true}},
	"lei":                {code: &codeForm{patterns: []string{"XXXXXXXXXXXXXXXXXX99"}, check: lei, gate: "modulo 97", capitals: true}},
	"cusip": {number: &form{
		min: 9, max: 9, gate: "check digit", solid: true,
		check: only(cusip),
	}, code: &codeForm{patterns: []string{"XXXXXXXX9"}, check: cusipLetters, gate: "check digit", capitals: true}},
	"sedol": {number: &form{
		min: 7, max: 7, gate: "check digit", solid: true,
		check: only(sedol),
	}, code: &codeForm{patterns: []string{"XXXXXX9"}, check: sedolLetters, gate: "check digit", capitals: true}},
}
