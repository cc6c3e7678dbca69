package corpus

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// localLabels are what people of a type's country write before a number that is an
// order, a parcel or a case.
var localLabels = map[string][]string{
	"br-cpf": {"pedido", "protocolo", "nota fiscal", "código de rastreio"}, "pt-nif": {"encomenda", "fatura", "referência"}, "es-nie": {"referencia", "número de serie", "pedido", "envío"},
	"be-nn": {"colis", "bestelling", "commande", "pakket"}, "se-pnr": {"beställning", "ärende", "spårningsnummer", "fraktsedel, order"}, "no-fnr": {"ordre", "sporingsnummer", "saksnummer"},
	"dk-cpr": {"ordre", "sagsnummer", "bestilling", "forsendelse"}, "pl-pesel": {"numer przesyłki", "zgłoszenie", "zamówienie", "paragon"}, "cz-sk-rc": {"objednávka", "číslo zásilky"},
	"hr-oib": {"narudžba", "pošiljka"}, "ro-cnp": {"comanda", "colet"}, "gr-amka": {"παραγγελία", "αποστολή"}, "ee-ik": {"tellimus", "saadetis", "arve"}, "tr-tckn": {"sipariş no", "kargo takip", "takip no"},
	"de-steuer-id": {"Sendung", "Paketnummer", "Aktenzeichen", "Quittung"}, "at-svnr": {"Sendung", "Lieferung", "Auftragsnummer"}, "ru-snils": {"заказ", "накладная"}, "jp-my-number": {"伝票番号", "追跡番号"}, "cn-ric": {"快递单号", "运单号"},
}

// phoneVerbs ask to be called, in the language of the country's numbers.
var phoneVerbs = []struct{ region, says string }{
	{"ES", "llámame al %s"}, {"ES", "mi número es el %s"}, {"FR", "appelez-moi au %s"}, {"FR", "je suis joignable au %s"}, {"IT", "chiamami al %s"}, {"IT", "il mio numero: %s"}, {"NL", "bel me op %s"},
	{"NL", "mijn nummer is %s"}, {"DE", "meine Handynummer ist %s"}, {"DE", "bitte anrufen: %s"}, {"PL", "zadzwoń pod %s"}, {"SE", "ring mig på %s"}, {"CH", "Natel %s"}, {"BR", "me liga no celular %s"}, {"IN", "my number is %s"},
	{"AU", "my mobile number is %s"}, {"GB", "phone number %s"}, {"US", "call me at %s"}, {"JP", "電話は %s です"},
}

// loneNumbers are national numbers whose print no other numbers have.
var loneNumbers = []string{"(11) 2N##-####", "(11) 9N###-####", "(0221) N##-###", "(02) N###-####", "(0#1) N######", "070-1N# ## ##", "08-6N# ## ##", "011 4N##-####", "03-3N##-####", "020 7N## ####", "06-N#######", "02 N#######", "13# N### ####", "8 (495) N##-##-##", "0412 N## ###", "06 N# ## ## ##", "0151 N#######"}

// births are dates of birth as they are written out.
var births = []struct{ says, date string }{
	{"date of birth: %s", "12 August 19##"}, {"she was born on %s", "March 5th, 19##"}, {"DOB %s", "05-Mar-19##"}, {"geboren am %s", "3. Juli 19##"}, {"geboren am %s", "17. März 19##"}, {"né le %s", "5 mars 19##"},
	{"née le %s", "14 août 19##"}, {"nacido el %s", "23 de noviembre de 19##"}, {"fecha de nacimiento: %s", "2 de enero de 19##"}, {"nato il %s", "9 maggio 19##"}, {"nascido em %s", "7 de fevereiro de 19##"},
	{"geboren op %s", "21 oktober 19##"}, {"född %s", "8 juni 19##"}, {"født den %s", "30. desember 19##"}, {"data urodzenia: %s", "11 września 19##"}, {"birthday: %s", "April 2, 19##"},
}

// licences are the forms of driver licences by state: A is a letter, # a digit.
var licences = []string{"#######", "########", "#########", "A#######", "A########", "A############", "A###-###-##-###-#", "A###-####-####", "####-##-####", "A##-##-####", "##-###-####", "#######A", "A ### ### ### ###", "AA######A", "###AA####",
	"A#### ##### #####", "### ### ###", "AAA######", "########AA", "A###-####-####-##", "######-###", "############"}

var licenceSays = []string{"my driver's license number is %s", "driver license %s", "DL# %s", "DLN: %s", "Can you verify the driver's licence %s for the rental?", "I lost my driver license, it was %s", "%s is my driver license number", "Texas driver's license %s",
	"operator's license %s", "driver's license on file: %s", "the officer took my driver's license (%s)"}

// licenceTalk has the words and other numbers.
var licenceTalk = []string{"my driver's license expires 05/12/2027", "I renewed my driver license in 2019 for $45.50", "driver license appointment at 555 Main St, 94110", "software license 27183456 expired", "the driver version is 27183456",
	"license key D1234567 for the plugin", "MIT license, Copyright 2019", "nursing license application from 2021", "DL1234567 is the plugin's file", "the DMV opens at 0800, room 1204"}

// markings classify a message; markingTalk speaks of what is confidential.
var markings = []string{"STRICTLY CONFIDENTIAL", "Highly Confidential", "Confidential", "Internal Use Only", "Streng vertraulich", "VERTRAULICH", "VS-NUR FÜR DEN DIENSTGEBRAUCH", "Confidentiel", "DIFFUSION RESTREINTE", "Confidencial", "Strettamente riservato",
	"Strikt vertrouwelijk", "Strängt konfidentiellt", "ŚCIŚLE POUFNE", "社外秘", "机密", "TOP SECRET", "Company Confidential"}

var markingTalk = []string{"this is confidential, please do not share it", "our talks are strictly confidential", "das bleibt bitte streng vertraulich", "c'est confidentiel, ne le transmets pas", "es confidencial, gracias", "è riservato ai soci", "Confidential Computing is on the agenda",
	"Secret Santa is on Friday", "what is the secret of good coffee?", "Restricted area, please use door 3", "he told me in confidence", "TLP:CLEAR, share as you like", "the confidential annex comes later", "it is an open secret", "vertraulich", "Secret"}

// regionRows are rows of what is particular to countries and to how their people
// write.
func regionRows() []Row {
	around := func(g *gen, says, marked string) string {
		return fmt.Sprintf(says, marked) + g.one("", ".", ", "+g.one("thanks", "ok?", "merci", "danke"))
	}
	return []Row{
		{Name: "local-labels", Kind: Noise, About: "beställning 7412165800, ordre 17027134467: an order or parcel, in the language of the type's country", types: slices.Sorted(maps.Keys(localLabels)),
			build: func(g *gen, t *baseType, i int) Case {
				v := t.make(g)
				s := v.compact()
				if i%2 == 1 && t.id != "jp-my-number" {
					s = v.printed()
				}
				return g.silent(localLabels[t.id][i%len(localLabels[t.id])]+g.one(" ", ": ", " nr ")+s, "a label says what the number is")
			}},
		{Name: "measures", Kind: Noise, About: "routing took 121000248 ns: a measure, beside a word for something else", types: []string{"us-aba-routing", "us-npi", "nl-bsn", "au-tfn", "uk-nhs"}, build: func(g *gen, t *baseType, i int) Case {
			return g.silent(g.word(t)+g.one(" lookup took ", " table has ", " import: ")+t.make(g).compact()+" "+g.one("ns", "ms", "bytes", "rows", "records", "requests"), "a measure")
		}},
		{Name: "amounts-and-runs", Kind: Noise, About: "VAT total 980780684, CI run 12345670: what is counted or done, beside a word for something else", types: []string{"uk-vat", "cl-rut", "uy-ci"}, build: func(g *gen, t *baseType, i int) Case {
			label := g.one("CI run ", "CI job ", "CI build #", "the run ", "run id: ", "pipeline ")
			if t.id == "uk-vat" {
				label = g.one("VAT total: ", "VAT amount ", "total VAT: ", "VAT due: ", "VAT balance ")
			}
			return g.silent(label+t.make(g).compact()+g.one("", " today", ", see the log"), "an amount or a run")
		}},
		{Name: "next-sentence", Kind: Noise, About: "no BSN here. Order 111222333: a word for something ends the sentence before a label", types: []string{"nl-bsn", "us-ssn", "uk-nhs", "au-tfn", "us-npi"}, build: func(g *gen, t *baseType, i int) Case {
			return g.silent(g.one("no ", "the ", "we need the ")+g.word(t)+g.one(". ", "! ", "; ")+g.one("Order ", "Invoice ", "Kundennummer ", "Pedido ", "Bestelling ", "Meeting ID: ")+t.make(g).compact(), "a label says what the number is")
		}},
		{Name: "phone-verbs", Kind: Plain, About: "llámame al 612 345 678: where no home country is known, a word for calling", types: []string{"phone-national"}, times: 3, build: func(g *gen, t *baseType, i int) Case {
			v := phoneVerbs[i%len(phoneVerbs)]
			d := diallings[slices.IndexFunc(diallings, func(d dialling) bool { return d.region == v.region })]
			html := g.coin()
			return Case{HTML: html, Body: g.chat(escape(around(g, v.says, mark(g.dial(g.one(d.national...)))), html), html), Reason: "somebody is to be called",
				Want: []Span{{Detector: t.id, Least: 65, Most: 75}}}
		}},
		{Name: "phone-print", Kind: Plain, About: "(11) 2345-6789, 070-123 45 67, 131 2345 6789: print that only telephone numbers have", types: []string{"phone-national"}, times: 3, build: func(g *gen, t *baseType, i int) Case {
			html := g.coin()
			return Case{HTML: html, Body: g.chat(escape(around(g, g.one("here you are: %s", "%s", "after lunch %s"), mark(g.dial(loneNumbers[i%len(loneNumbers)]))), html), html), Reason: "grouped as only telephone numbers are",
				Want: []Span{{Detector: t.id, Least: 65, Most: 75}}}
		}},
		{Name: "driver-licences", Kind: Plain, About: "my driver's license number is D1234567, DL# G540-123-85-678-0: forms of the states, in sentences", types: []string{"us-driver-licence"}, times: 3, build: func(g *gen, t *baseType, i int) Case {
			var b strings.Builder
			for _, c := range g.dial(licences[i%len(licences)]) {
				if c == 'A' {
					c = rune(g.from(uppers, 1)[0])
				}
				b.WriteRune(c)
			}
			html := g.coin()
			return Case{HTML: html, Body: g.chat(escape(fmt.Sprintf(g.one(licenceSays...), mark(b.String())), html), html), Reason: "a form of a state, and a word for it",
				Want: []Span{{Detector: t.id, Least: 75, Most: 75}}}
		}},
		{Name: "licence-talk", Kind: Noise, About: "my driver's license expires 05/12/2027: talk of licences that gives none away", types: []string{"us-driver-licence"}, build: func(g *gen, t *baseType, i int) Case {
			return g.silent(licenceTalk[i%len(licenceTalk)], "no number of a licence")
		}},
		{Name: "markings", Kind: Plain, About: "STRICTLY CONFIDENTIAL as a line, a tag or a label of its own; TLP:RED", types: []string{"classification-marker"}, times: 3, build: func(g *gen, t *baseType, i int) Case {
			m, w := markings[i%len(markings)], Span{Detector: t.id, Least: 75, Most: 75}
			s := mark(m)
			switch i / len(markings) % 4 {
			case 1:
				s, w.Least, w.Most = g.one("Classification: ", "Klassifizierung: ", "Sensitivity: ", "classificazione: ")+s, 85, 85
			case 2:
				s = "[" + s + "] " + g.filler(false)
			case 3:
				s = g.one("*** ", "", "== ") + mark(g.one("TLP:RED", "TLP:AMBER", "TLP:AMBER+STRICT"))
			}
			return Case{Body: s + "\n" + g.filler(false), Reason: "it stands apart from every sentence", Want: []Span{w}}
		}},
		{Name: "confidential-talk", Kind: Noise, About: "this is confidential, please do not share it: talk that classifies nothing", types: []string{"classification-marker"}, build: func(g *gen, t *baseType, i int) Case {
			return g.silent(markingTalk[i%len(markingTalk)], "words of a sentence")
		}},
		{Name: "births", Kind: Plain, About: "né le 5 mars 1985, born March 5th, 1985", types: []string{"date-of-birth"}, times: 2, build: func(g *gen, t *baseType, i int) Case {
			b := births[i%len(births)]
			html := g.coin()
			return Case{HTML: html, Body: g.chat(escape(around(g, b.says, mark(g.dial(b.date))), html), html), Reason: "a date written out, and a word for birth",
				Want: []Span{{Detector: t.id, Least: 75, Most: 75}}}
		}},
		{Name: "branch-and-account", Kind: Plain, About: "sort code 20-45-77, account no. 63849201", types: []string{"uk-sort-code-account"}, build: func(g *gen, t *baseType, i int) Case {
			s := g.word(t) + " " + mark(g.number(2)+"-"+g.number(2)+"-"+g.number(2)+g.one(", account ", " acc no: ", ", account number ", " a/c ")+g.number(8))
			html := g.coin()
			return Case{HTML: html, Body: g.chat(escape(s, html), html), Reason: "a branch, and the account that is named after it", Want: []Span{{Detector: t.id, Least: 75, Most: 75}}}
		}},
	}
}
