package detect

// Health: numbers of patients, providers and diagnoses.
var medical = []*kind{
	{Detector: Detector{
		ID: "us-mbi", Name: "US Medicare number", Family: "health", Region: "us", Tier: "A", Validate: "us-mbi",
		Words: []string{"mbi", "medicare", "medicare number", "medicare beneficiary", "beneficiary"},
		Alone: Medium, WithContext: High, Mask: MaskTail,
		Source:  "CMS: understanding the MBI format",
		Match:   []string{"1EG4-TE5-MK73", "medicare 1EG4TE5MK73", "MBI: 1EG4 TE5 MK73"},
		NoMatch: []string{"1EG4-TE5-MK7", "0EG4-TE5-MK73", "1SG4-TE5-MK73"},
	}, code: &codeForm{patterns: []string{"9AX9AX9AA99", "9AX9_AX9_AA99"}, check: mbi, gate: "places of letters and digits", known: set("1EG4TE5MK72", "1EG4TE5MK73")}},
	{Detector: Detector{
		ID: "us-npi", Name: "US provider number", Family: "health", Region: "us", Tier: "A", Validate: "us-npi",
		Words: []string{"npi", "npi number", "national provider", "national provider identifier", "provider id"},
		Alone: Internal, WithContext: High, Mask: MaskTail,
		Source:  "CMS: Luhn with 80840",
		Match:   []string{"NPI 1234567893", "national provider identifier 1245319599", "npi: 1234567893"},
		NoMatch: []string{"1234567893", "NPI 1234567894", "NPI 3234567893"},
	}, number: &form{
		min: 10, max: 10, gate: "Luhn with the issuer prefix", known: set("1234567893"),
		check: only(npi),
	}},
	{Detector: Detector{
		ID: "us-dea", Name: "US DEA registration number", Family: "health", Region: "us", Tier: "A", Validate: "us-dea",
		Words: []string{"dea", "dea number", "dea no", "dea registration", "prescriber"},
		Alone: Internal, WithContext: High, Mask: MaskTail,
		Source:  "21 CFR 1301; sum of digits",
		Match:   []string{"DEA AB1234563", "dea number: F91234563", "DEA no FJ1234563"},
		NoMatch: []string{"AB1234563", "DEA AB1234564", "DEA IB1234563"},
	}, code: &codeForm{patterns: []string{"AA9999999", "A99999999"}, check: dea, gate: "check digit", known: set("AB1234563")}},
	{Detector: Detector{
		ID: "nz-nhi", Name: "New Zealand health index number", Family: "health", Region: "nz", Tier: "B", Validate: "nz-nhi",
		Words: []string{"nhi", "nhi number", "nhi no", "health index"},
		Alone: Internal, WithContext: High, Mask: MaskTail,
		Source:  "HISO 10046: modulo 11",
		Match:   []string{"NHI ZAC5361", "nhi number ZAA0067", "NHI: zac5361"},
		NoMatch: []string{"ZAC5361", "NHI ZAC5362", "NHI ZAO5361"},
	}, code: &codeForm{patterns: []string{"AAA9999"}, check: nhi, gate: "modulo 11", known: set("ZAC5361")}},
	{Detector: Detector{
		ID: "ehic", Name: "European health insurance card number", Family: "health", Tier: "B",
		Words:  []string{"ehic", "european health insurance card", "health insurance card", "gesundheitskarte", "carte europeenne", "ceam", "tarjeta sanitaria europea", "tessera europea", "krankenversicherungskarte", "ekuz"},
		Within: 100, WithContext: Medium, Mask: MaskTail,
		Source:  "Decision S2: 20 digits from 80",
		Match:   []string{"EHIC 80276001234567890123", "european health insurance card: 80756000080123456789", "ehic no 80276 00123 45678 90123"},
		NoMatch: []string{"80276001234567890123", "EHIC 90276001234567890123", "ehic 8027600123456789"},
	}, number: &form{
		min: 20, max: 20, layouts: []string{"\x05\x05\x05\x05", "\x0a\x0a"}, gate: "prefix 80",
		check: only(ehicNumber),
	}},
	{Detector: Detector{
		ID: "medical-record-number", Name: "Medical record number", Family: "health", Tier: "B",
		Words:  []string{"mrn", "medical record", "medical record number", "medical record no", "patient id", "patient number", "patient no", "chart number", "patientennummer", "fallnummer", "numero de dossier medical", "historia clinica", "numero paziente"},
		Within: 40, WithContext: Medium, Mask: MaskTail,
		Source:  "hospital's own: 6 to 10 digits",
		Match:   []string{"MRN 00482913", "medical record number: 4829131", "patient id 1048291"},
		NoMatch: []string{"00482913", "order 4829131", "chart 12345"},
	}, number: &form{
		min: 6, max: 10, gate: "6 to 10 digits", solid: true,
		check: only(anyDigits),
	}, weak: true},
	{Detector: Detector{
		ID: "icd10-cm", Name: "Diagnosis code", Family: "health", Tier: "A",
		Words:  []string{"icd", "icd-10", "icd10", "icd-10-cm", "icd code", "diagnosis", "diagnosis code", "diagnosed", "diagnosed with", "dx", "diagnose", "diagnostic", "diagnostico", "diagnosi"},
		Within: 60, WithContext: Medium, Mask: MaskTail,
		Source:  "CDC/NCHS: ICD-10-CM tabular list",
		Match:   []string{"diagnosis E11.9", "ICD-10: F32.1", "dx code J45.909"},
		NoMatch: []string{"E11.9", "version F32.1", "diagnosis 11.9"},
	}, code: &codeForm{patterns: []string{"A99.X", "A9A.X", "A99.XX", "A99.XXX", "A99.XXXX"}, gate: "letter, digits, point", capitals: true}},
}
