package detect

// Ids of companies: for rules that ask for several things at once.
var companies = []*kind{
	{Detector: Detector{
		ID: "eu-vat", Name: "EU VAT number", Family: "company", Tier: "B", Validate: "eu-vat",
		Words: []string{"vat", "vat no", "vat number", "vat id", "vat reg", "ust-id", "ust-idnr", "ustid", "umsatzsteuer", "uid", "tva", "numero de tva", "n° tva", "iva", "partita iva", "p.iva", "p iva", "nif-iva", "btw", "btw-nummer", "btw-nr", "moms", "momsnummer", "momsreg", "alv", "nip", "cif", "contribuinte", "adoszam", "afm"},
		Alone: Medium, WithContext: High, Mask: MaskTail,
		Source:  "VIES: VAT number construction rules; the countries' algorithms",
		Match:   []string{"ATU13585627", "VAT DE136695976", "FR 40 303 265 045", "NL004495445B01", "ESB58378431", "PL 526-10-40-828", "IE6388047V"},
		NoMatch: []string{"ATU13585628", "DE136695977", "FR41303265045", "XX136695976"},
	}, code: &codeForm{patterns: []string{"atu99999999", "be9999999999", "be_9999_999_999", "de999999999", "de_999_999_999", "dk99999999", "dk_99_99_99_99", "el999999999", "esA99999999", "esA9999999A", "es99999999A", "fi99999999", "fr99999999999", "fr_99_999_999_999", "hu99999999", "ie9999999A", "ie9999999AA", "it99999999999", "it_99999999999", "lu99999999", "nl999999999b99", "nl_999999999_b99", "pl9999999999", "pl_999_99_99_999", "pl_999_999_99_99", "pl_999_99_99_999", "pt999999999", "pt_999_999_999", "se999999999999", "se_999999_9999_99"}, check: euVAT, gate: "check digit of the country"}},
	{Detector: Detector{
		ID: "uk-vat", Name: "UK VAT number", Family: "company", Region: "gb", Tier: "B", Validate: "uk-vat",
		Words: []string{"vat", "vat no", "vat number", "vat reg", "vat registration"},
		Alone: Medium, WithContext: High, Mask: MaskTail,
		Source:  "HMRC: modulo 97, or 55 more",
		Match:   []string{"GB 980 7806 84", "GB980780684", "VAT no GB980780684"},
		NoMatch: []string{"980 7806 84", "GB980780685", "980780684"},
	}, code: &codeForm{patterns: []string{"gb999999999", "gb_999_9999_99"}, check: ukVATPrefix, gate: "modulo 97"}},
	{Detector: Detector{
		ID: "ch-uid", Name: "Swiss company number", Family: "company", Region: "ch", Tier: "B", Validate: "ch-uid",
		Words: []string{"uid", "mwst", "mwst-nr", "tva", "iva", "handelsregister", "ide"},
		Alone: Medium, WithContext: High, Mask: MaskTail,
		Source:  "Bundesamt für Statistik: modulo 11",
		Match:   []string{"CHE-116.281.710", "UID CHE-116.281.710 MWST", "CHE116281710"},
		NoMatch: []string{"CHE-116.281.711", "CHE-116.281.71", "XCHE116281710"},
	}, code: &codeForm{patterns: []string{"che999999999", "che_999_999_999"}, check: uid, gate: "modulo 11"}},
	{Detector: Detector{
		ID: "au-abn", Name: "Australian business number", Family: "company", Region: "au", Tier: "B", Validate: "au-abn",
		Words: []string{"abn", "australian business number", "abn no"},
		Alone: Internal, Printed: Medium, WithContext: High, Mask: MaskTail,
		Source:  "Australian Business Register: modulo 89",
		Match:   []string{"51 824 753 556", "ABN 51824753556", "abn: 51 824 753 556"},
		NoMatch: []string{"51 824 753 557", "ABN 51824753555", "order 51824753556"},
	}, number: &form{
		min: 11, max: 11, layouts: []string{"\x02\x03\x03\x03"}, gate: "modulo 89",
		check: only(abn),
	}},
	{Detector: Detector{
		ID: "au-acn", Name: "Australian company number", Family: "company", Region: "au", Tier: "B", Validate: "au-acn",
		Words: []string{"acn", "australian company number"},
		Alone: Internal, WithContext: Medium, Mask: MaskTail,
		Source:  "ASIC: weights 8 to 1",
		Match:   []string{"ACN 004 085 616", "acn 004085616", "ACN: 010 499 966"},
		NoMatch: []string{"004 085 616", "004085616", "ACN 004 085 617"},
	}, number: &form{
		min: 9, max: 9, layouts: []string{"\x03\x03\x03"}, gate: "weights 8 to 1",
		check: only(acn),
	}},
	{Detector: Detector{
		ID: "br-cnpj", Name: "Brazilian company number", Family: "company", Region: "br", Tier: "B", Validate: "br-cnpj",
		Words: []string{"cnpj", "cadastro nacional da pessoa juridica"},
		Alone: Low, Printed: Medium, WithContext: High, Mask: MaskTail,
		Source:  "Receita Federal: two digits modulo 11; letters by IN RFB 2229/2024",
		Match:   []string{"11.222.333/0001-81", "CNPJ 11222333000181", "12.ABC.345/01DE-35"},
		NoMatch: []string{"11.222.333/0001-82", "CNPJ 11222333000182", "12.ABC.345/01DE-36"},
	}, number: &form{
		min: 14, max: 14, layouts: []string{"\x02\x03\x03\x04\x02"}, gate: "two digits modulo 11", mixed: true, known: set("11222333000181"),
		check: only(cnpj),
	}, code: &codeForm{patterns: []string{"XXXXXXXXXXXXXX", "99_XXX_XXX_XXXX_99", "A9_XXX_XXX_XXXX_99", "AA_XXX_XXX_XXXX_99"}, check: cnpjLetters, gate: "two digits modulo 11", known: set("12ABC34501DE35"), capitals: true, alone: internalBare}},
	{Detector: Detector{
		ID: "in-gstin", Name: "Indian tax number of a business", Family: "company", Region: "in", Tier: "B", Validate: "in-gstin",
		Words: []string{"gstin", "gst", "gst no", "gst number"},
		Alone: Medium, WithContext: High, Mask: MaskTail,
		Source:  "GST Network: state, PAN, modulo 36",
		Match:   []string{"27AAPFU0939F1ZV", "GSTIN 29AAGCB7383J1Z4", "gst no: 27AAPFU0939F1ZV"},
		NoMatch: []string{"27AAPFU0939F1ZW", "40AAPFU0939F1ZV", "27AAPFU0939F1Z"},
	}, code: &codeForm{patterns: []string{"99AAAAA9999AXAX"}, check: gstin, gate: "modulo 36"}},
	{Detector: Detector{
		ID: "us-ein", Name: "US employer number", Family: "company", Region: "us", Tier: "B", Validate: "us-ein",
		Words:  []string{"ein", "fein", "employer identification", "employer identification number", "employer id", "federal tax id", "tax id number"},
		Within: 100, WithContext: Medium, Mask: MaskTail,
		Source:  "irs.gov: How EINs are assigned",
		Match:   []string{"EIN 12-3456789", "employer identification number: 94-1234567", "FEIN 121234567"},
		NoMatch: []string{"12-3456789", "EIN 07-3456789", "order 12-3456789"},
	}, number: &form{
		min: 9, max: 9, layouts: []string{"\x02\x07"}, gate: "prefix", solid: true,
		check: only(ein),
	}},
}
