package corpus

import (
	"slices"
	"strings"
)

// What people suffer from, take and are examined for, by language.
var ailments = map[string]map[string][]string{
	"disease": {
		"en": {"multiple sclerosis", "hepatitis B", "bipolar disorder", "ulcerative colitis", "prostate cancer", "epilepsy", "chronic kidney disease", "tuberculosis"},
		"de": {"Leukämie", "Epilepsie", "Hepatitis", "Morbus Bechterew", "Vorhofflimmern", "Lungenkrebs", "Schizophrenie", "Niereninsuffizienz"},
		"fr": {"cirrhose", "épilepsie", "cancer de la prostate", "schizophrénie", "maladie de Parkinson", "tuberculose", "insuffisance rénale"},
		"es": {"cirrosis", "epilepsia", "cáncer de próstata", "esquizofrenia", "artritis reumatoide", "tuberculosis", "insuficiencia renal"},
		"pt": {"cirrose", "epilepsia", "esclerose múltipla", "esquizofrenia", "artrite reumatoide", "câncer de próstata", "insuficiência renal"},
		"it": {"cirrosi", "epilessia", "sclerosi multipla", "schizofrenia", "artrite reumatoide", "tubercolosi", "insufficienza renale"},
		"nl": {"leukemie", "epilepsie", "multiple sclerose", "schizofrenie", "reumatoïde artritis", "longkanker", "nierfalen"},
	},
	"drug": {
		"en": {"methotrexate", "olanzapine", "tenofovir", "methadone", "tamoxifen", "levothyroxine", "clozapine"}, "de": {"Methotrexat", "Olanzapin", "Methadon", "Marcumar", "Tamoxifen", "Bisoprolol"},
		"fr": {"méthotrexate", "olanzapine", "lamotrigine", "tamoxifène", "lévothyroxine", "rivaroxaban"}, "es": {"metotrexato", "olanzapina", "lamotrigina", "tamoxifeno", "levotiroxina", "enalapril"},
		"pt": {"metotrexato", "olanzapina", "lamotrigina", "tamoxifeno", "losartana", "fluoxetina"}, "it": {"metotrexato", "olanzapina", "lamotrigina", "tamoxifene", "bisoprololo", "ramipril"},
		"nl": {"methotrexaat", "olanzapine", "lamotrigine", "tamoxifen", "metoprolol", "clozapine"},
	},
	"lab-test": {
		"en": {"serum creatinine", "troponin", "viral load", "liver function tests", "bone marrow biopsy", "HbA1c"}, "de": {"Kreatinin", "Leberwerte", "HbA1c", "Tumormarker", "Lumbalpunktion"},
		"fr": {"créatinine", "troponine", "bilan hépatique", "biopsie", "charge virale"}, "es": {"creatinina", "hemograma", "carga viral", "biopsia", "colonoscopia"},
		"pt": {"creatinina", "hemograma", "carga viral", "mamografia", "colonoscopia"}, "it": {"creatinina", "emocromo", "carica virale", "biopsia", "mammografia"}, "nl": {"creatinine", "bloedbeeld", "leverwaarden", "biopsie", "coloscopie"},
	},
}

// A saying is a sentence about a patient, of one kind of term or of any.
type saying struct {
	kind, lang, says string
	named            bool
}

// somebodys are sentences about a patient: %V is what the person has, takes or was
// examined for, %I an id of that person. Without an id, who is named is named by name
// (named), or not at all.
var somebodys = []saying{
	{"", "en", "%I - %V, please update the file", false}, {"", "en", "claim of %I: %V since last year", false}, {"", "en", "the patient's record says %V", false}, {"", "en", "Mrs Hale is the patient with %V", true},
	{"", "de", "%I: %V, bitte in die Akte", false}, {"", "de", "Patient mit %V auf Zimmer 4", false}, {"", "de", "Frau Sommer ist Patientin, %V", true}, {"", "fr", "%I : %V depuis mars", false}, {"", "fr", "la patiente a %V", false},
	{"", "fr", "Mme Roche est une patiente, %V", true}, {"", "es", "%I, %V desde marzo", false}, {"", "es", "el paciente con %V viene a las dos", false}, {"", "pt", "%I, %V desde março", false}, {"", "pt", "o doente com %V chega às duas", false},
	{"", "it", "%I, %V da marzo", false}, {"", "it", "il paziente con %V arriva alle due", false}, {"", "nl", "%I, %V sinds maart", false}, {"", "nl", "de patiënt met %V komt om twee uur", false},
	{"disease", "en", "she was diagnosed with %V", false}, {"disease", "de", "er leidet an %V", false}, {"disease", "fr", "elle souffre de %V", false}, {"disease", "es", "fue diagnosticada de %V", false}, {"disease", "pt", "foi diagnosticado com %V", false},
	{"disease", "it", "è affetto da %V", false}, {"disease", "nl", "zij lijdt aan %V", false}, {"disease", "en", "Mr Doyle has %V", false},
	{"drug", "en", "they prescribed %V to her", false}, {"drug", "de", "ihm wurde %V verschrieben", false}, {"drug", "es", "le recetaron %V", false}, {"drug", "nl", "haar is %V voorgeschreven", false},
	{"lab-test", "en", "lab results: %V abnormal", false}, {"lab-test", "de", "Laborbefund: %V auffällig", false}, {"lab-test", "it", "cartella clinica: %V fuori norma", false},
}

// healthTalk speaks of illness, drugs and care, and of nobody.
var healthTalk = []string{
	"the diabetes congress is in Vienna this year", "our client sells insulin pumps in 40 countries", "run for the leukaemia foundation, who joins?", "World Tuberculosis Day is in March", "I have read a good novel about schizophrenia", "the epilepsy dataset has 11,500 rows",
	"is there ibuprofen in the first-aid box?", "hay fever season again, bless you all", "the flu is going round, stay at home", "add hepatitis to the glossary, please", "the statin market report of Q3 (simvastatin, atorvastatin) is done", "please be patient with the migration",
	"the diagnosis of the outage is in the ticket", "we have diagnosed the packet loss", "new podcast: living longer without dementia", "the ward round is the name of our retro", "stroke-width: 2px; stroke: red", "parkinson's law again: the meeting took the hour", "the CT scan viewer loads slowly",
	"the mammography devices are on the customs form", "Die Diabetes-Broschüre ist gedruckt", "Spendenaktion für die Krebshilfe, Link folgt", "Der Vortrag über Demenz beginnt um zehn", "Diagnose am Server: Lüfter defekt", "Unser Kunde stellt Methotrexat her", "Geduld, Patientenportal wird gewartet", "Grippeschutzimpfung am Montag",
	"le séminaire sur la maladie de Parkinson est complet", "le diagnostic réseau tourne encore", "la collecte contre le cancer a rapporté 300 euros", "notre client fabrique de la metformine", "la charla sobre la diabetes es a las cinco", "diagnóstico del disco: correcto", "mañana hay campaña contra la tuberculosis", "nuestro cliente vende enalapril",
	"a palestra sobre hipertensão foi adiada", "o diagnóstico da rede terminou", "o mercado de losartana cresceu 4%", "il convegno sulla sclerosi multipla è a Roma", "la diagnosi del guasto è pronta", "raccolta fondi contro la leucemia", "de lezing over dementie is vol", "diagnose van de storing volgt", "collecte voor longkankeronderzoek", "onze klant maakt metoprolol",
	"Monsieur Legrand commente le marché de la morphine", "Mr Ortega moderates the asthma panel", "Frau Abel plant den Aktionstag Depression", "Sra. Pinto apresenta o estudo da dengue", "see /docs/health/asthma and /docs/health/copd", "https://contoso.test/blog/living-with-diabetes", "git add models/epilepsy.py tests/test_epilepsy.py", "#diabetes is trending",
	"coffee against migraine? nonsense, says the Guardian", "the malaria vaccine passed phase 3", "quiz night: which mineral is in lithium batteries?", "cancer (the zodiac sign) from 22 June", "the depression over the Atlantic brings rain", "INR 45,000 for the venue, EUR for the rest",
}

// healthTypes are the detectors of terms.
var healthTypes = func() (all []*baseType) {
	words := map[string][]string{
		"disease":  {"diagnosis", "Diagnose", "diagnóstico", "diagnosi", "diagnostic"},
		"drug":     {"current medication", "Medikation", "medicación", "medicatie", "patient"},
		"lab-test": {"lab report", "Laborbefund", "lab results", "patient", "paciente"},
	}
	for _, id := range []string{"disease", "drug", "lab-test"} {
		all = append(all, more(id, 40, 65, "en", words[id], func(g *gen) value { return single(g.ailment(id, g.one("en", "de", "fr", "es", "pt", "it", "nl"))) }))
	}
	return append(all, more("icd10-cm", 40, 75, "en", []string{"ICD-10", "diagnosis code", "ICD-10 code", "icd code"}, func(g *gen) value {
		category := g.one("I", "J", "F", "G", "M") + g.one("10", "20", "30", "45")
		return single(category + g.one("", "", "."+g.from(digits, 1), "."+g.from(digits, 2)))
	}))
}()

func (g *gen) ailment(id, lang string) string { return g.one(ailments[id][lang]...) }

// identified is an id of a person, with a word for it.
func (g *gen) identified(lang string) (says, detector string) {
	in := map[string][]string{"en": {"us-ssn", "uk-nhs"}, "de": {"de-steuer-id"}, "fr": {"fr-nir"}, "es": {"es-dni"}, "pt": {"br-cpf"}, "it": {"it-cf"}, "nl": {"nl-bsn"}}[lang]
	t := typeOf(g.one(in...))
	return slices.Concat(t.native, t.english)[0] + " " + mark(t.make(g).printed()), t.id
}

func healthRows() []Row {
	ids := []string{"disease", "drug", "lab-test"}
	return []Row{
		{Name: "health-of-somebody", Kind: Plain, About: "SSN 536-22-1234, chronic kidney disease; Frau Sommer ist Patientin, Epilepsie; the patient's record says …: low, and medium where an id says who, or a name", types: ids, times: 3, build: func(g *gen, t *baseType, i int) Case {
			fits := slices.DeleteFunc(slices.Clone(somebodys), func(s saying) bool { return s.kind != "" && s.kind != t.id })
			x := fits[i%len(fits)]
			w := Span{Detector: t.id, Least: 65, Most: 65}
			if x.named {
				w.Least, w.Most = 75, 75
			}
			want := []Span{w}
			says := strings.Replace(x.says, "%V", mark(g.ailment(t.id, x.lang)), 1)
			if strings.Contains(says, "%I") {
				id, of := g.identified(x.lang)
				says = strings.Replace(says, "%I", id, 1)
				want = []Span{{Detector: of, Least: 65, Most: 85}, {Detector: t.id, Least: 75, Most: 75}}
			}
			html := g.coin()
			return Case{Lang: x.lang, HTML: html, Body: g.chat(escape(says, html), html), Want: want, Reason: "it is said of somebody"}
		}},
		{Name: "health-talk", Kind: Noise, About: "our client sells insulin pumps; the diagnosis of the outage: talk of illness, drugs and care, and of nobody", types: ids, build: func(g *gen, t *baseType, i int) Case {
			return g.silent(healthTalk[(i+20*slices.Index(ids, t.id))%len(healthTalk)], "it is said of nobody")
		}},
	}
}
