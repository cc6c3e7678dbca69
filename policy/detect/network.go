package detect

// Networks, devices and places; the date of birth.
var network = []*kind{
	{Detector: Detector{
		ID: "ipv4", Name: "Public IPv4 address", Family: "network", Tier: "A",
		Words: []string{"ip", "ip address", "ips", "ipv4", "client ip", "source ip", "remote", "host", "server", "ping", "address", "adresse ip", "ip-adresse", "direccion ip", "indirizzo ip", "firewall", "dns"},
		Alone: Low, WithContext: Medium, Mask: MaskTail,
		Source:  "RFC 791, without the special-purpose registries",
		Match:   []string{"52.174.88.213", "client ip 8.8.8.8", "blocked 185.199.108.153:443"},
		NoMatch: []string{"10.0.0.12", "192.0.2.17", "v52.174.88.213", "1.2.3.4", "version 52.174.88.213"},
	}},
	{Detector: Detector{
		ID: "ipv6", Name: "Public IPv6 address", Family: "network", Tier: "A",
		Words: []string{"ip", "ip address", "ipv6", "client ip", "host", "server", "address", "dns"},
		Alone: Low, WithContext: Medium, Mask: MaskTail,
		Source:  "RFC 4291, RFC 5952",
		Match:   []string{"2a00:1450:4001:81b::200e", "host 2606:4700:4700::1111", "2a02:2e0:3fe:1001:7777:772e:2:85"},
		NoMatch: []string{"2001:db8::1", "fe80::1ff:fe23:4567:890a", "10:42:33", "::1"},
	}},
	{Detector: Detector{
		ID: "mac", Name: "Device (MAC) address", Family: "network", Tier: "B",
		Words: []string{"mac", "mac address", "hardware address", "ethernet", "hwaddr", "wifi", "physical address"},
		Alone: Low, WithContext: Medium, Mask: MaskTail,
		Source:  "IEEE 802: EUI-48",
		Match:   []string{"00:1A:2B:3C:4D:5E", "mac 00-1a-2b-3c-4d-5e", "a4:5e:60:c2:17:f3"},
		NoMatch: []string{"00:00:00:00:00:00", "12-34-56-78-90-12", "00:1A:2B:3C:4D"},
	}},
	{Detector: Detector{
		ID: "imei", Name: "Device number (IMEI)", Family: "network", Tier: "B", Validate: "imei",
		Words: []string{"imei", "imei number", "imei no"},
		Alone: Internal, WithContext: High, Mask: MaskTail,
		Source:  "3GPP TS 23.003: Luhn",
		Match:   []string{"IMEI 490154203237518", "imei: 49-015420-323751-8", "IMEI no 356938035643809"},
		NoMatch: []string{"490154203237518", "IMEI 490154203237519", "order 490154203237518"},
	}, number: &form{
		min: 15, max: 15, layouts: []string{"\x02\x06\x06\x01", "\x06\x02\x06\x01"}, gate: "Luhn",
		check: only(imei),
	}},
	{Detector: Detector{
		ID: "iccid", Name: "SIM card number", Family: "network", Tier: "B", Validate: "iccid",
		Words: []string{"iccid", "sim", "sim card", "sim number", "sim-karte", "simkarte", "carte sim"},
		Alone: Low, WithContext: Medium, Mask: MaskTail,
		Source:  "ITU-T E.118: 89, Luhn",
		Match:   []string{"8901260852290847193", "SIM 8901260852290847193", "iccid: 8944500102198304826"},
		NoMatch: []string{"8901260852290847194", "7901260852290847198", "order 8901260852290847193"},
	}, number: &form{
		min: 19, max: 20, layouts: []string{"\x04\x04\x04\x04\x03", "\x04\x04\x04\x04\x04"}, gate: "89 and Luhn",
		check: only(iccid),
	}},
	{Detector: Detector{
		ID: "geo-coordinates", Name: "Coordinates", Family: "contact", Tier: "B",
		Words: []string{"gps", "coordinates", "location", "lat", "latitude", "longitude", "koordinaten", "coordonnees", "coordenadas"},
		Alone: Low, WithContext: Low, Mask: MaskTail,
		Source:  "decimal degrees, WGS 84",
		Match:   []string{"52.520008, 13.404954", "gps -33.856784,151.215297", "location 40.689247, -74.044502"},
		NoMatch: []string{"12.50, 13.50", "152.520008, 13.404954", "52.520008"},
	}},
	{Detector: Detector{
		ID: "date-of-birth", Name: "Date of birth", Family: "person", Tier: "A",
		Words:  []string{"dob", "d.o.b", "date of birth", "born", "born on", "birth date", "birthdate", "birthday", "geburtsdatum", "geboren", "geb", "geb.", "date de naissance", "ne le", "nee le", "fecha de nacimiento", "nacido", "nacida", "data di nascita", "nato il", "nata il", "data de nascimento", "nascido", "geboortedatum", "fodselsdato", "fodelsedatum", "syntymaaika", "data urodzenia", "urodzony", "urodzona", "datum narozeni", "dogum tarihi", "дата рождения", "出生日期", "生年月日", "생년월일"},
		Within: 40, WithContext: Medium, Mask: MaskAll,
		Source:  "a date beside a word for birth",
		Match:   []string{"DOB 12/03/1985", "geboren am 03.11.1972", "date de naissance: 1990-05-17"},
		NoMatch: []string{"12/03/1985", "meeting on 03.11.2026", "DOB 12/03/85x", "born in 1985"},
	}},
}
