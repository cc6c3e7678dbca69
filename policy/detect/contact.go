package detect

var contact = finders{
	"email":          {scanned: true},
	"phone-e164":     {scanned: true},
	"street-address": {scanned: true, weak: true},
	"postal-code":    {scanned: true, weak: true},
	"phone-national": {number: &form{
		min: 6, max: 15, layouts: []string{"\x03\x03\x04", "\x01\x03\x03\x04"}, gate: "numbering plan", paren: true, check: national,
	}},
}

// nanp checks area and exchange: neither starts with 0 or 1, neither is N11.
func nanp(d []byte) bool {
	return d[0] > '1' && d[3] > '1' && (d[1] != '1' || d[2] != '1') && (d[4] != '1' || d[5] != '1') && !same(d)
}

// fictional reports whether a North American number is one of those kept for
// fiction, 555-0100 to 555-0199.
func fictional(d []byte) bool {
	return len(d) >= 7 && string(d[len(d)-7:len(d)-2]) == "55501"
}
