package detect

import (
	"slices"
	"strings"
	"testing"

	"teamsdlp/policy/extract"
)

// places returns what is found of postal addresses, postal codes and hosts: the level
// and the text itself.
func places(text *extract.Text, o Options) (all []string) {
	for _, m := range builtinEngine.Scan(text, o) {
		if slices.Contains([]string{"street-address", "postal-code", "internal-hostname"}, m.Detector) {
			all = append(all, m.Level.String()+" "+string(text.Bytes()[m.Start:m.End]))
		}
	}
	return all
}

// Addresses are read as fourteen languages write them, from the number or the street's
// word to the postal code and the town; without a word for an address they are for
// compound rules only.
func TestAddresses(t *testing.T) {
	for _, tc := range []struct{ word, address, rest string }{
		{"lives at ", "905 W Magnolia Blvd Apt 4B, Burbank, CA 91506", ""},
		{"home address: ", "1600 Pennsylvania Ave NW, Washington, DC 20500", " USA"},
		{"address ", "200 1st Avenue, New York, NY 10009-1234", "."},
		{"lives at ", "27 Larkfield Road, Bristol BS6 7QT", " now"},
		{"her address is\n", "88 Rideau Terrace,\nOttawa, ON K1M 0Y5", "\nthanks"},
		{"address ", "12 Eccles Street, Dublin 7, D07 X2Y3", ""},
		{"address ", "41 Cowper Street, Fitzroy VIC 3065", ""},
		{"address ", "12 Hobson Street, Auckland 1010", ""},
		{"address ", "16 MG Road, Bengaluru 560001", ""},
		{"address ", "16 MG Road, Bengaluru 560 001", ""},
		{"habite ", "14 rue des Lilas, 69003 Lyon", ", près du parc"},
		{"domicile : ", "23 bis avenue Victor-Hugo, 75116 Paris", ""},
		{"adresse: ", "Rue du Rhône 14, 1204 Genève", ""},
		{"wohnt ", "Lindenstraße 44, D-10969 Berlin", " im Hinterhaus"},
		{"wohnt ", "Goethestr. 12a, 8010 Graz", ""},
		{"Anschrift\n", "Karl-Marx-Allee 3-5\n10178 Berlin", ""},
		{"wohnt ", "Mariahilfer Straße 101, 1060 Wien", ""},
		{"wohnt ", "Alter Ring 7, 50667 Köln", ""},
		{"woont ", "Keizersgracht 221, 1016 DV Amsterdam", ""},
		{"bor på ", "Storgatan 12 B, 111 51 Stockholm", ""},
		{"adressen er ", "Vesterbrogade 42, 1620 København", ""},
		{"adressen er ", "Kongens gate 6, 0153 Oslo", ""},
		{"osoite ", "Mannerheimintie 20, 00100 Helsinki", ""},
		{"mieszka ", "ul. Długiej 7/12, 00-238 Warszawa", ""},
		{"vive en ", "Calle de la Princesa 15, 28008 Madrid", ""},
		{"dirección: ", "Avda. de la Constitución, n.º 22, 41004 Sevilla", ""},
		{"abita in ", "Via dell'Arte 18, 20121 Milano", ""},
		{"endereço: ", "Rua Augusta, 1520, São Paulo - SP, 01304-001", ""},
		{"morada: ", "Praceta do Sol 6, 2775-312 Parede", ""},
		{"mailing address ", "P.O. Box 1187, Portland, OR 97207", ""},
	} {
		for _, html := range []bool{false, true} {
			src := extract.Source{Body: "x\n" + tc.word + tc.address + tc.rest, HTML: html}
			if html {
				src.Body = strings.ReplaceAll(src.Body, "\n", "<br>")
			}
			text := extract.Message(src)
			if got := places(text, Options{}); len(got) != 1 || got[0] != "medium "+tc.address {
				t.Errorf("%q: %q", text.Bytes(), got)
			}
		}
		if got := places(extract.Plain("x, "+tc.address+tc.rest), Options{}); len(got) > 0 {
			t.Errorf("without a word: %q", got)
		}
		if got := places(extract.Plain("x, "+tc.address+tc.rest), Options{Min: Internal}); len(got) != 1 || got[0] != "internal "+tc.address {
			t.Errorf("without a word, at 40: %q", got)
		}
	}
	// Without a postal code the word makes it low, and what only may be a street nothing.
	for text, want := range map[string]string{
		"lives at 12 high street now":               "low 12 high street",
		"wohnt in der Goethestr. 12":                "low Goethestr. 12",
		"adressen er Karl Johans gate 22":           "low Johans gate 22",
		"adressen er Gate 22":                       "",
		"moro na Av. Paulista 900":                  "low Av. Paulista 900",
		"address: 12 Acacia Close, 5 min walk":      "low 12 Acacia Close",
		"die Adresse Stellplatz 12":                 "",
		"address the Gate 12 issue":                 "",
		"the IP address of 5 Main Drive":            "",
		"address 3 lanes of the road":               "",
		"address the 4 way street":                  "",
		"address 0x12 Main Street":                  "",
		"address ticket-12 Main Street":             "",
		"address 12% High Street":                   "",
		"the address via Teams":                     "",
		"die Adresse auf der Straße, 3 Stunden":     "",
		"adresse 12:30 Uhr, Hauptstr. 12:30":        "",
		"lives at " + talkOf(20) + "12 High Street": "",
	} {
		if got := strings.Join(places(extract.Plain(text), Options{}), ", "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	// An address does not hide what stands in it.
	if m := builtinEngine.Scan(extract.Plain("lives at 12 Main Street, call 212-736-5000"), Options{}); len(m) != 2 {
		t.Errorf("%+v", m)
	}
}

// talkOf is n words.
func talkOf(n int) string { return strings.Repeat("lorem ", n) }

// A postal code is told by the word that names it, and by a form that the word is said
// of.
func TestPostalCodes(t *testing.T) {
	for text, want := range map[string]string{
		"my postcode is SW11 4NJ":       "SW11 4NJ",
		"Postcode: sw114nj please":      "",
		"postcode SW114NJ, thanks":      "SW114NJ",
		"postcode W1A 1AA today":        "W1A 1AA",
		"postcode is 3511 LX":           "3511 LX",
		"postal code (V6B 1A9)":         "V6B 1A9",
		"code postal H3Z 2Y7":           "H3Z 2Y7",
		"Eircode: D6W XY00":             "D6W XY00",
		"zip code 94107-1234":           "94107-1234",
		"PLZ: D-80331 München":          "D-80331",
		"plz: 80331":                    "80331",
		"Código Postal 1250-096 Lisboa": "1250-096",
		"CEP 04538-133":                 "04538-133",
		"CAP 00184":                     "00184",
		"kod pocztowy: 31-042":          "31-042",
		"postnr. 5003":                  "5003",
		"PSČ 110 00":                    "110 00",
		"pincode 400076":                "400076",
		// Not right behind it, of another form, or of something else.
		"postcode of SW11 4NJ":      "",
		"postcode, see SW11 4NJ":    "",
		"postcode SW11 4NJX":        "",
		"postcode QX11 4NJ":         "",
		"kod pocztowy 31042":        "",
		"zip code 941071":           "",
		"zip code 94107.25":         "",
		"plz 80331":                 "",
		"Plz 80331 check":           "",
		"Cap 00184":                 "",
		"CP 1252":                   "",
		"post code review 12345":    "",
		"your PIN code is 482193":   "",
		"zip code 94107 rows":       "",
		"zip code\n94107":           "",
		"the postcode lottery 2024": "",
	} {
		got := strings.Join(places(extract.Plain(text), Options{}), ", ")
		if want != "" {
			want = "low " + want
		}
		if got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	table := extract.Message(extract.Source{HTML: true, Body: "<table><tr><td>Name</td><td>PLZ</td><td>Count</td></tr><tr><td>Anna</td><td>80331</td><td>80332</td></tr><tr><td>Li</td><td>10115</td><td>12</td></tr></table>"})
	if got := places(table, Options{}); !slices.Equal(got, []string{"low 80331", "low 10115"}) {
		t.Errorf("in a column: %q", got)
	}
	for _, d := range Builtin() {
		if d.ID == "postal-code" {
			for _, w := range d.Words {
				if postalForms[w] == "" {
					t.Errorf("no form of the codes that %q is said of", w)
				}
			}
			if len(d.Words) != len(postalForms) {
				t.Errorf("%d words, and forms of %d", len(d.Words), len(postalForms))
			}
		}
	}
}

// A host is told by its domain and a word for machines, or by a private address beside
// it.
func TestInternalHosts(t *testing.T) {
	for text, want := range map[string]string{
		"restart srv-sql02.corp.local please":               "low srv-sql02.corp.local",
		"Server vm-jenkins01.intra.firma.de neu starten":    "low vm-jenkins01.intra.firma.de",
		"RDP to TS01.AD.CONTOSO.COM":                        "low TS01.AD.CONTOSO.COM",
		"ssh admin@db01.prod.internal":                      "low db01.prod.internal",
		"ping fs03.hq.lan.":                                 "low fs03.hq.lan",
		"server https://grafana.monitoring.internal:3000/d": "low grafana.monitoring.internal",
		`map \\fs02.corp.local\finance`:                     "low fs02.corp.local",
		"dc04.emea.fabrikam.local = 10.1.2.3":               "medium dc04.emea.fabrikam.local",
		"192.168.10.7 nas1.home.lan nas1":                   "medium nas1.home.lan",
		"db-primary-1 is at 10.24.6.18":                     "low db-primary-1",
		"10.0.8.44 is print-srv2":                           "low print-srv2",
		"web01 (172.16.4.9)":                                "low web01",
		"web01 (172.32.4.9)":                                "",
		"node1 10.0.0.1":                                    "",
		"version 10.0.0.1 of app-2":                         "",
		"v10.0.8.44 print-srv2":                             "",
		"the router is 192.168.1.1":                         "",
		"srv-sql02.corp.local":                              "",
		"see http://grafana.monitoring.internal:3000":       "",
		"server foo.internal":                               "",
		"server example.corp":                               "",
		"server db01.example.internal":                      "",
		"server my-svc.ns1.svc.cluster.local":               "",
		"server com.sun.internal.http.js":                   "",
		"server local.settings.json":                        "",
		"host io.netty.internal":                            "low io.netty.internal",
		"host thread.local()":                               "",
		"ssh jane@contoso.local":                            "",
		"dns _ldap._tcp.dc._msdcs.corp.local":               "",
	} {
		if got := strings.Join(places(extract.Plain(text), Options{}), ", "); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
