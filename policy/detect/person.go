package detect

var person = []*kind{
	{Detector: Detector{
		ID: "us-ssn", Name: "US social security number", Family: "person", Region: "us", Tier: "A", Validate: "us-ssn",
		Words: []string{"ssn", "ssns", "ss#", "ss no", "social security", "social security number", "social security no", "soc sec", "social insurance", "ssa", "ssid",
			"taxpayer id", "taxpayer identification", "tax id", "tin", "seguro social", "numero de seguro social"},
		Printed: Low, BareContext: Medium, WithContext: High, Mask: MaskTail,
		Source: "ssa.gov: areas 001-899 without 666, groups 01-99, serials 0001-9999",
		Match:  []string{"ssn 536-22-1234", "536-22-1234", "social security number: 536221234", "SSN: 536 22 1234", "ssn is 536.22.1234", "ssn536221234", "ssn 5 3 6 2 2 1 2 3 4"},
		NoMatch: []string{"666-22-1234", "000-22-1234", "912-22-1234", "536-00-1234", "536-22-0000", "536221234", "ticket 536-22-1234", "1-536-22-1234-9",
			"build 10.536.22.1234"},
	}, number: &form{
		min: 9, max: 9, layouts: []string{"\x03\x02\x04"}, known: set("078051120", "219099999", "457555462", "123456789"), gate: "range",
		check: func(d []byte, _ string) (string, bool) { return "", ssn(d) },
	}},
	{Detector: Detector{
		ID: "uk-nino", Name: "UK National Insurance number", Family: "person", Region: "gb", Tier: "A", Validate: "uk-nino",
		Words: []string{"nino", "ni number", "ni no", "national insurance", "national insurance number", "nat ins", "insurance number"},
		Alone: Medium, WithContext: High, Mask: MaskTail, Source: "HMRC NIM39110",
		Match:   []string{"AB123456C", "ni number jg 10 37 59 a", "NINO: CE 12 34 56 D", "her national insurance no is ZY-98-76-54-A"},
		NoMatch: []string{"QV123456C", "AB123456E", "BG123456A", "AB12345C", "XAB123456C", "AB1234567C"},
	}, number: &form{
		min: 6, max: 6, before: 2, after: 1, layouts: []string{"\x02\x02\x02"}, gate: "prefix and suffix", known: set("QQ123456C", "AB123456C"),
		letters: nino,
	}},
	{Detector: Detector{
		ID: "uk-nhs", Name: "UK NHS number", Family: "health", Region: "gb", Tier: "A", Validate: "uk-nhs",
		Words: []string{"nhs", "nhs number", "nhs no", "patient", "patient id", "patient number", "health number"},
		Alone: Internal, Printed: Low, WithContext: High, Mask: MaskTail, Source: "NHS Data Dictionary, NHS number: modulus 11",
		Match:   []string{"NHS number 9434765919", "943 476 5919", "patient 943-476-5919"},
		NoMatch: []string{"nhs 9434765918", "9434765919", "NHS 1111111111", "order 943 476 5919"},
	}, number: &form{
		min: 10, max: 10, layouts: []string{"\x03\x03\x04"}, gate: "modulus 11", known: set("9434765919"),
		check: func(d []byte, _ string) (string, bool) { return "", nhs(d) },
	}},
	{Detector: Detector{
		ID: "de-steuer-id", Name: "German tax identification number", Family: "person", Region: "de", Tier: "A", Validate: "de-steuer-id",
		Words: []string{"steuer-id", "steuerid", "steuer-identifikationsnummer", "steueridentifikationsnummer", "identifikationsnummer", "idnr", "steuer-idnr", "steuernummer",
			"steuerliche identifikationsnummer", "tax id", "tax identification", "tin", "finanzamt"},
		Alone: Low, WithContext: High, Mask: MaskTail, Source: "section 139b AO; ISO/IEC 7064 MOD 11,10",
		Match:   []string{"Steuer-ID 86095742719", "steuer-id: 86 095 742 719", "meine IdNr. ist 65929970489"},
		NoMatch: []string{"Steuer-ID 86095742710", "Steuer-ID 12345678901", "06095742719", "order 86095742719"},
	}, number: &form{
		min: 11, max: 11, layouts: []string{"\x02\x03\x03\x03"}, gate: "check digit", known: set("86095742719"),
		check: func(d []byte, _ string) (string, bool) { return "", steuerID(d) },
	}},
	{Detector: Detector{
		ID: "fr-nir", Name: "French social security number", Family: "person", Region: "fr", Tier: "A", Validate: "fr-nir",
		Words: []string{"nir", "insee", "securite sociale", "numero de securite sociale", "numero de secu", "secu", "carte vitale", "assurance maladie", "social security"},
		Alone: High, WithContext: High, Mask: MaskTail, Source: "INSEE: key is 97 minus the number modulo 97",
		Match:   []string{"255081416802538", "2 55 08 14 168 025 38", "sécurité sociale 2-55-08-14-168-025-38"},
		NoMatch: []string{"255081416802539", "355081416802538", "255001416802538", "2550814168025"},
	}, number: &form{
		min: 15, max: 15, layouts: []string{"\x01\x02\x02\x02\x03\x03\x02", "\x0d\x02"}, gate: "key",
		check: func(d []byte, _ string) (string, bool) { return "", nir(d) },
	}},
	{Detector: Detector{
		ID: "es-nie", Name: "Spanish foreigner's identity number", Family: "person", Region: "es", Tier: "A", Validate: "es-dni",
		Words: []string{"nie", "numero de identidad de extranjero", "extranjero", "extranjeria", "dni", "nif"},
		Alone: Medium, WithContext: High, Mask: MaskTail, Source: "Real Decreto 557/2011; check letter modulo 23",
		Match:   []string{"X1234567L", "NIE Y-2345678-Z", "mi nie es x1234567l"},
		NoMatch: []string{"X1234567M", "W1234567L", "X123456L", "AX1234567L"},
	}, number: &form{min: 7, max: 7, before: 1, after: 1, gate: "check letter", letters: dni, known: set("X1234567L")}},
	{Detector: Detector{
		ID: "es-dni", Name: "Spanish identity number", Family: "person", Region: "es", Tier: "A", Validate: "es-dni",
		Words: []string{"dni", "nif", "documento nacional de identidad", "documento de identidad", "numero de identidad"},
		Alone: Low, WithContext: High, Mask: MaskTail, Source: "Real Decreto 1553/2005; check letter modulo 23",
		Match:   []string{"DNI 12345678Z", "87654321-X", "dni: 54.362.315-K"},
		NoMatch: []string{"12345678A", "1234567Z", "912345678Z", "12345678ZZ"},
	}, number: &form{min: 8, max: 8, after: 1, layouts: []string{"\x02\x03\x03"}, gate: "check letter", letters: dni, known: set("12345678Z")}},
	{Detector: Detector{
		ID: "nl-bsn", Name: "Dutch citizen service number", Family: "person", Region: "nl", Tier: "A", Validate: "nl-bsn",
		Words: []string{"bsn", "burgerservicenummer", "burger service nummer", "sofinummer", "sofi-nummer", "sofi", "persoonsnummer", "citizen service number"},
		Alone: Internal, WithContext: High, Mask: MaskTail, Source: "Rijksoverheid: eleven test",
		Match:   []string{"BSN 111222333", "burgerservicenummer: 123456782", "mijn bsn is 1112.22.333"},
		NoMatch: []string{"BSN 111222334", "111222333", "123456782", "bsn 000000000"},
	}, number: &form{
		min: 9, max: 9, layouts: []string{"\x04\x02\x03", "\x03\x03\x03"}, gate: "eleven test", known: set("111222333", "123456782"),
		check: func(d []byte, _ string) (string, bool) { return "", bsn(d) },
	}},
	{Detector: Detector{
		ID: "it-cf", Name: "Italian tax code", Family: "person", Region: "it", Tier: "A", Validate: "it-cf",
		Words: []string{"codice fiscale", "cf", "cod fisc", "tessera sanitaria", "tax code", "fiscal code"},
		Alone: High, WithContext: High, Mask: MaskTail, Source: "Decreto Ministeriale 23 December 1976",
		Match:   []string{"RSSMRA85T10A562S", "codice fiscale rssmra85t10a562s", "CF: RSSMRA85T10A562S"},
		NoMatch: []string{"RSSMRA85T10A562T", "RSSMRA85Z10A562S", "RSSMRA85T10A562", "XRSSMRA85T10A562S"},
	}},
}
