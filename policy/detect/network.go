package detect

// Networks, devices and places; the date of birth.
var network = finders{
	"ipv4": {scanned: true},
	"ipv6": {scanned: true},
	"mac":  {scanned: true},
	"imei": {number: &form{
		min: 15, max: 15, layouts: []string{"\x02\x06\x06\x01", "\x06\x02\x06\x01"}, gate: "Luhn",
		check: only(imei),
	}},
	"iccid": {number: &form{
		min: 19, max: 20, layouts: []string{"\x04\x04\x04\x04\x03", "\x04\x04\x04\x04\x04"}, gate: "89 and Luhn",
		check: only(iccid),
	}},
	"internal-hostname": {scanned: true, weak: true},
	"geo-coordinates":   {scanned: true},
	"date-of-birth":     {scanned: true},
	"imsi":              {number: &form{min: 15, max: 15, gate: "country", layouts: []string{"\x03\x02\x0a", "\x03\x03\x09"}, check: only(imsi)}},
}
