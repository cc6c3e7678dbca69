package detect

import (
	"slices"
	"strings"
	"testing"

	"teamsdlp/policy/detect/catalogue"
	"teamsdlp/policy/extract"
)

// A term is worth what stands beside it: nothing alone, low with a word for care,
// medium with an id of a person, or with the word and somebody who is named.
func TestTerms(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want want
	}{
		{"diabetes", ""},
		{"patient has diabetes", "disease 65"},
		{"Patient: DIABETES", "disease 65"},
		{"le patient souffre d’épilepsie", "disease 65"},
		{"patient with Crohn’s disease", "disease 65"},
		{"SSN 536-22-1234, diabetes", "us-ssn 85, disease 75"},
		{"born 5 March 1985, diabetes", "date-of-birth 75, disease 75"},
		{"NPI 1234567893 wrote about diabetes", "us-npi 85"}, // a doctor's
		{"IBAN DE75512108001245126199, diabetes", "iban 85"},
		{"Mrs Okafor was diagnosed with asthma", "disease 75"},
		{"mrs okafor was diagnosed with asthma", "disease 65"},
		{"diagnosed with asthma: jane@contoso.com", "disease 75, email 75"},
		{"Frau Müller hat Brustkrebs", "disease 65"},
		{"Frau Müller stellt Brustkrebs vor", ""},
		{"Frau Müller kommt. Wer hat Asthma?", ""},
		{"jane@contoso.com presents asthma", "email 75"},
		{"Ms. Arnold has severe asthma", "disease 65"},
		{"Mr Arnold has the asthma slides", ""},
		{"Mme Leroy a un cancer du col de l'utérus", "disease 65"},
		{"a senhora Costa lidera a campanha da malária", ""}, // an article
		{"please be patient, asthma season", ""},
		{"the patient portal speaks of asthma", ""},
		{"patient on sertraline, HbA1c 9.1, depression", "drug 65, lab-test 65, disease 65"},
		{"prescribed sertraline against asthma", "drug 65"}, // that is no word for diseases

		// What has other meanings needs a word for care, whoever is named.
		{"SSN 536-22-1234, migraine", "us-ssn 85"},
		{"SSN 536-22-1234, patient, migraine", "us-ssn 85, disease 75"},

		// The longest term, once.
		{"patient: type 2 diabetes", "disease 65"},
		{"patient: lithium level", "lab-test 65"},
		{"patient: multipler Sklerose", "disease 65"},
		{"patient: prediabetesx, sertralinex", ""},

		// Where it is a part of something else.
		{"patient, see https://contoso.test/diabetes/faq", ""},
		{"patient: /srv/asthma.csv", ""},
		{"patient: metformin.csv", ""},
		{"patient: asthma_model()", ""},
		{"patient: #diabetes", ""},
		{"patient: asthma@clinic.test", "email 75"},
		{"patient: diabetes-newsletter", ""},
		{"the diabetes-patient Miller", "disease 65"},
		{"patient: diabetes/asthma", "disease 65, disease 65"},

		// How far.
		{"patient " + strings.Repeat("x ", 40) + "asthma", "disease 65"},
		{"patient " + strings.Repeat("x ", 60) + "asthma", ""},
		{"SSN 536-22-1234 " + strings.Repeat("x ", 140) + "asthma", "us-ssn 85, disease 75"},
		{"SSN 536-22-1234 " + strings.Repeat("x ", 160) + "asthma", "us-ssn 85"},
	} {
		if got := found(extract.Plain(tc.in), Options{}); got != tc.want {
			t.Errorf("%q: %q, want %q%s", tc.in, got, tc.want, explain(tc.in))
		}
	}
}

// All names of a thing are one value, which is never shown.
func TestTermsAreOneValue(t *testing.T) {
	text := extract.Plain("Patient: Zuckerkrankheit, diabète, DIABETES MELLITUS")
	ms := builtinEngine.Scan(text, Options{})
	if len(ms) != 3 {
		t.Fatalf("%d matches: %+v", len(ms), ms)
	}
	for _, m := range ms {
		if m.Value.Reveal() != "diabetes" || strings.ContainsAny(m.Masked, "abdeit") {
			t.Errorf("value %q, shown as %q", m.Value.Reveal(), m.Masked)
		}
	}
}

// Who asks for what is internal is told of a term alone, and why it is no more.
func TestTermsAlone(t *testing.T) {
	ms := builtinEngine.Scan(extract.Plain("a talk about asthma"), Options{Min: Internal})
	if len(ms) != 1 || ms[0].Level != Internal || ms[0].Why != "a term of the list; no word for care and nobody nearby" {
		t.Errorf("%+v", ms)
	}
	if _, rejected := builtinEngine.ScanExplain(extract.Plain("a talk about asthma"), Options{}); !slices.ContainsFunc(rejected, func(r Rejected) bool { return r.Detector == "disease" }) {
		t.Errorf("%+v", rejected)
	}
	if ms := builtinEngine.Scan(extract.Plain("patient: asthma"), Options{Only: map[string]bool{"drug": true}}); ms != nil {
		t.Errorf("%+v", ms)
	}
}

// A heading is evidence for its column, and code is one level less.
func TestTermsInTables(t *testing.T) {
	for _, tc := range []struct {
		html string
		want want
	}{
		{"<table><tr><td>Ward</td><td>Diagnosis</td></tr>" + strings.Repeat("<tr><td>4</td><td>"+strings.Repeat("none ", 8)+"</td></tr>", 6) + "<tr><td>5</td><td>asthma</td></tr></table>", "disease 65"},
		{"<table><tr><td>Diagnosis</td><td>Ward</td></tr>" + strings.Repeat("<tr><td>"+strings.Repeat("none ", 8)+"</td><td>4</td></tr>", 6) + "<tr><td>none</td><td>asthma</td></tr></table>", ""},
		{"<p>patient <b>Mil</b>ler: dia<b>be</b>tes</p>", "disease 65"},
		{"<pre><code>patient = 'diabetes'</code></pre>", ""},
		{`<p>patient <a href="https://contoso.test/diabetes">the page</a></p>`, ""},
	} {
		if got := found(extract.Message(extract.Source{Body: tc.html, HTML: true}), Options{}); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.html, got, tc.want)
		}
	}
}

// Every list has names in every language, and every name is found as it is written,
// in capitals and without its accents: beside a word for care, if it needs one.
func TestEveryTerm(t *testing.T) {
	languages := map[string]int{}
	owner := map[string]string{}
	for _, id := range []string{"disease", "drug", "lab-test"} {
		list, err := catalogue.Terms(id)
		if err != nil {
			t.Fatal(err)
		}
		for _, term := range list {
			for _, n := range term.Names {
				key := string((&Keywords{}).fold(n.Text))
				if other, ok := owner[key]; ok && other != term.Names[0].Text {
					t.Errorf("%q is a name of %q and of %q", n.Text, other, term.Names[0].Text)
				}
				owner[key] = term.Names[0].Text
				for _, l := range n.Languages {
					languages[id+" "+l]++
				}
				for _, spelt := range []string{n.Text, strings.ToUpper(n.Text), key} {
					if strings.Contains(strings.ToLower(n.Text), "ß") && spelt != n.Text {
						continue // SS is no capital of it to a computer
					}
					ms := builtinEngine.Scan(extract.Plain("patient: "+spelt+" .."), Options{})
					if len(ms) != 1 || ms[0].Detector != id || ms[0].Value.Reveal() != term.Names[0].Text {
						t.Errorf("%s: %q: %+v", id, spelt, ms)
					}
				}
			}
		}
	}
	for _, id := range []string{"disease", "drug", "lab-test"} {
		for _, l := range catalogue.Languages {
			if languages[id+" "+l] < 70 {
				t.Errorf("%s: only %d names in %s", id, languages[id+" "+l], l)
			}
		}
	}
}

// A text of nothing but terms and persons takes time in proportion to its length.
func TestTermsAreLinear(t *testing.T) {
	work := func(unit string, n int) int {
		s := builtinEngine.pool.Get().(*scanner)
		text := extract.Plain(strings.Repeat(unit, n))
		s.start(builtinEngine, text, Options{}, false)
		s.run()
		s.resolve()
		return s.work
	}
	for _, unit := range []string{"patient asthma ", "536-22-1234 asthma ", "Mrs A has asthma. "} {
		few, many := work(unit, 500), work(unit, 5000)
		if many > 12*few {
			t.Errorf("%q: %d steps, and %d for ten times as much", unit, few, many)
		}
	}
}
