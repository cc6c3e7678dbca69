package detect

// Travel documents, licences and vehicles.
var travel = []*kind{
	{Detector: Detector{
		ID: "mrz", Name: "Machine-readable travel document", Family: "travel", Tier: "A",
		Words: []string{"passport", "mrz"},
		Alone: High, WithContext: High, Mask: MaskAll,
		Source:  "ICAO Doc 9303 parts 4 to 6",
		Match:   []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<10", "I<UTOD231458907<<<<<<<<<<<<<<<\n7408122F1204159UTO<<<<<<<<<<<6\nERIKSSON<<ANNA<MARIA<<<<<<<<<<", "I<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<\nD231458907UTO7408122F1204159<<<<<<<6"},
		NoMatch: []string{"P<UTOERIKSSON<<ANNA<MARIA<<<<<<<<<<<<<<<<<<<\nL898902C36UTO7408122F1204159ZE184226B<<<<<11", "<<<<<<<<<<<<", "if (a<<b<<c)"},
	}},
	{Detector: Detector{
		ID: "in-passport", Name: "Indian passport number", Family: "travel", Region: "in", Tier: "B",
		Words:  []string{"indian passport", "india passport", "passport of india"},
		Within: 60, WithContext: Medium, Mask: MaskTail,
		Source:  "Passport Seva: a letter, seven digits",
		Match:   []string{"indian passport K1234567", "Indian passport: M7654321", "passport of India Z1234567"},
		NoMatch: []string{"K1234567", "passport of India K123456", "indian passport 1234567"},
	}, code: &codeForm{patterns: []string{"A9999999"}, gate: "a letter, seven digits", capitals: true}},
	{Detector: Detector{
		ID: "passport-number", Name: "Passport number", Family: "travel", Tier: "A",
		Words:  []string{"passport", "passport no", "passport number", "passport #", "reisepass", "passnummer", "reisepassnummer", "pass-nr", "passeport", "numero de passeport", "pasaporte", "numero de pasaporte", "passaporto", "passaporte", "paspoort", "paspoortnummer", "paszport", "passin numero", "passnr", "pasport", "cestovni pas", "паспорт", "护照", "パスポート", "旅券", "여권"},
		Within: 60, WithContext: Medium, Mask: MaskTail,
		Source:  "ICAO Doc 9303: at most nine letters and digits; national forms",
		Match:   []string{"passport 123456789", "Reisepass C01X00T47", "passport no. AB1234567", "numéro de passeport 12AB34567"},
		NoMatch: []string{"123456789", "C01X00T47", "passport 12345"},
	}, number: &form{
		min: 9, max: 9, gate: "nine digits", solid: true,
		check: only(anyDigits),
	}, code: &codeForm{patterns: []string{"AXXXXXXXX", "99AA99999", "A9999999", "AA999999"}, check: passport, gate: "letters and digits", capitals: true}, weak: true},
	{Detector: Detector{
		ID: "uk-driving-licence", Name: "GB driver number", Family: "travel", Region: "gb", Tier: "A", Validate: "uk-driving-licence",
		Words: []string{"driving licence", "driving license", "driver number", "licence number", "licence no", "dvla", "drivers licence"},
		Alone: Medium, WithContext: High, Mask: MaskTail,
		Source:  "DVLA: driver number format",
		Match:   []string{"MORGA657054SM9IJ", "driving licence MORGA 657054 SM9IJ", "DVLA: SMITH901011JA9AB"},
		NoMatch: []string{"MORGA697054SM9IJ", "MORGA657994SM9IJ", "MORGA657054SM9I"},
	}, code: &codeForm{patterns: []string{"XXXXXXXXXXXXXXXX", "AAAAA_999999_XXXXX"}, check: drivingLicence, gate: "form", known: set("MORGA657054SM9IJ")}},
	{Detector: Detector{
		ID: "us-driver-licence", Name: "US driver licence number", Family: "travel", Region: "us", Tier: "B",
		Words:  []string{"driver license", "drivers license", "driver's license", "driver licence", "drivers licence", "dl number", "dl no", "dl#", "driver license number", "license number", "licence number"},
		Within: 40, WithContext: Medium, Mask: MaskTail,
		Source:  "AAMVA: forms of the states",
		Match:   []string{"driver license D1234567", "DL number S123456789012", "drivers license no. 12345678"},
		NoMatch: []string{"D1234567", "S123456789012", "12345678"},
	}, number: &form{
		min: 7, max: 9, gate: "7 to 9 digits", solid: true,
		check: only(anyDigits),
	}, code: &codeForm{patterns: []string{"A9999999", "A99999999999", "A999999999999", "A99999999", "A9999_9999_9999"}, gate: "a letter and digits", capitals: true}, weak: true},
	{Detector: Detector{
		ID: "vin", Name: "Vehicle identification number", Family: "travel", Tier: "B", Validate: "vin",
		Words: []string{"vin", "vehicle identification", "vehicle id", "chassis", "chassis number", "fahrgestellnummer", "fin", "numero de chassis", "bastidor", "telaio"},
		Alone: Low, WithContext: Medium, Mask: MaskTail,
		Source:  "ISO 3779; check digit of 49 CFR 565",
		Match:   []string{"1M8GDM9AXKP042788", "VIN 1HGCM82633A004352", "vin: 1hgcm82633a004352"},
		NoMatch: []string{"1M8GDM9A1KP042788", "1HGCM82633A00435", "1HGCM82633A004353"},
	}, code: &codeForm{patterns: []string{"XXXXXXXXXXXXXXXXX"}, check: vin, gate: "check digit"}},
}
