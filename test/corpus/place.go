package corpus

import (
	"fmt"
	"slices"
	"strings"
)

// addresses are addresses as countries write them, # a digit that is not 0, with what
// people there say before them. In brackets is what not all of them have.
var addresses = []struct {
	says     []string
	patterns []string
}{
	{[]string{"my home address is %s", "she lives at %s", "billing address: %s", "new address as of May: %s"}, []string{"### Oakmont Drive[, Portland, OR 97###]", "## W Magnolia Blvd Apt #B[, Burbank, CA 91###]", "#### 5th Avenue[, New York, NY 100##-####]", "P.O. Box ###[, Boise, ID 837##]",
		"# Larkfield Road[, Bristol BS# 7QT]", "##a High Street[, London SW1# 4NJ]", "## Rideau Terrace[, Ottawa, ON K#M #Y#]", "## Cowper Street[, Fitzroy VIC 30##]", "# Hobson Street[, Auckland 1###]", "## MG Road[, Bengaluru 5600##]", "## Eccles Street[, Dublin 7, D0# X#Y3]"}},
	{[]string{"meine Adresse ist %s", "er wohnt %s", "Lieferadresse: %s", "Anschrift %s"}, []string{"Lindenstraße ##[, 109## Berlin]", "Goethestr. ##a[, D-80### München]", "Karl-Marx-Allee #-#[, 101## Berlin]", "Bahnhofstrasse ##[, 8### Zürich]", "Mariahilfer Straße ###[, 1##0 Wien]"}},
	{[]string{"mon adresse : %s", "il habite %s", "adresse de livraison : %s"}, []string{"## rue des Lilas[, 69### Lyon]", "##, boulevard Saint-Michel[, 75### Paris]", "# bis avenue Victor Hugo[, 33### Bordeaux]", "Rue de la Loi ##[, 1### Bruxelles]"}},
	{[]string{"mi dirección es %s", "vive en %s", "domicilio: %s"}, []string{"Calle de la Princesa ##[, 28### Madrid]", "Avda. de la Constitución, ##[, 41### Sevilla]", "Paseo de Gracia ##[, 08### Barcelona]"}},
	{[]string{"o meu endereço: %s", "moro na %s", "morada: %s"}, []string{"Rua Augusta, ###[, São Paulo - SP, 01###-###]", "Av. Paulista ###[, São Paulo, 01###-###]", "Rua Garrett ##[, 12##-### Lisboa]"}},
	{[]string{"il mio indirizzo è %s", "abita in %s"}, []string{"Via Garibaldi ##[, 201## Milano]", "Corso Buenos Aires, ##[, 201## Milano]", "Piazza Dante #[, 801## Napoli]"}},
	{[]string{"mijn adres is %s", "hij woont op de %s"}, []string{"Keizersgracht ###[, 10## DV Amsterdam]", "Kerkstraat ##[, 2### Antwerpen]"}},
	{[]string{"min adress är %s", "hon bor på %s", "adressen er %s"}, []string{"Storgatan ##[, 11# 5# Stockholm]", "Vesterbrogade ##[, 1### København]", "Kongens gate #[, 01## Oslo]"}},
	{[]string{"osoite on %s"}, []string{"Aleksanterinkatu ##[, 001## Helsinki]"}},
	{[]string{"adres dostawy: %s", "mieszka przy %s"}, []string{"ul. Długiej #/##[, 00-### Warszawa]", "al. Jerozolimskie ##[, 02-### Warszawa]"}},
}

// postcodes are postal codes with the words that name them.
var postcodes = []struct{ says, code string }{
	{"my postcode is %s", "SW1# 4NJ"}, {"postcode: %s", "M# 1AE"}, {"the zip code is %s", "94###-####"}, {"ZIP+4 %s", "303##-####"}, {"postal code %s", "V6B #A#"}, {"code postal %s", "H3Z #Y#"}, {"Eircode %s", "D0# F#P8"},
	{"PLZ %s", "D-80###"}, {"Postleitzahl: %s", "A-10##"}, {"mijn postcode is %s", "35## LX"}, {"kod pocztowy %s", "31-0##"}, {"postnummer %s", "41# 0#"}, {"código postal %s", "12##-0##"}, {"meu CEP é %s", "045##-1##"}, {"pincode %s", "4000##"},
}

// hosts are names of machines inside a company, with what is said of them.
var hosts = []struct {
	says, name string
	level      int
}{
	{"the server %s is down", "srv-sql0#.corp.local", 65}, {"ssh to %s please", "app-node-0#.prod.internal", 65}, {"RDP to %s does not work", "TS0#.ad.contoso.com", 65}, {"file server %s is full", "fs0#.hq.lan", 65},
	{"Server %s neu starten bitte", "vm-jenkins0#.intra.firma.de", 65}, {"le serveur %s ne répond plus", "srv-paie#.societe.local", 65}, {"%s is at 10.24.6.18 now", "db-primary-#", 65}, {"10.0.8.44 is %s", "print-srv#", 65},
	{"192.168.10.7 = %s", "nas#.home.lan", 75}, {"ping %s fails", "web-0#.dmz.corp", 65},
}

// placeTalk has streets, codes and hosts in other senses, and addresses that nobody
// says are anybody's.
var placeTalk = []string{"let's meet on the street near the office at 12", "take the high road, 3 of us will follow", "the 1st Avenue of attack is phishing", "Sprint 14 Lane B is blocked", "please address 14 comments in the Drive doc", "ich fahre 20 km auf der Straße, 3 Stunden",
	"Platz 3 in der Tabelle", "Stellplatz 12 ist frei", "il y a 3 rue barrées ce matin", "via Teams 2 people joined", "ship to Lindenstraße 44, 10969 Berlin, customer 957719", "the office is at 27 Larkfield Road, Bristol BS6 7QT", "zip the 12345 files and send", "plz check 80331",
	"the cap is 20000 requests", "CP 1252 is a code page", "your PIN code is 4821", "meet at room E14 5HP desk", "package io.netty.internal is deprecated", "local.settings.json is missing", "my-svc.ns1.svc.cluster.local is the DNS name", "10.0.0.1 is the gateway",
	"see https://wiki.infra.corp/display/OPS", "IP address 3 hops away", "the 2 way sync is broken again", "Version 12 Drive client is out"}

// placeRows are rows of where people live and machines stand.
func placeRows() []Row {
	fill := func(g *gen, s string) string {
		for strings.Contains(s, "#") {
			s = strings.Replace(s, "#", g.from("123456789", 1), 1)
		}
		return s
	}
	build := func(g *gen, says, value string, w Span, reason string) Case {
		html := g.coin()
		return Case{HTML: html, Body: g.chat(escape(fmt.Sprintf(says, mark(fill(g, value)))+g.one("", ".", ", thanks"), html), html), Reason: reason, Want: []Span{w}}
	}
	return []Row{
		{Name: "addresses", Kind: Plain, About: "she lives at 905 W Magnolia Blvd; Anschrift: Lindenstraße 44, 10969 Berlin: a word for an address, of 20 countries", types: []string{"street-address"}, times: 5, build: func(g *gen, t *baseType, i int) Case {
			a := addresses[i%len(addresses)]
			w, p := Span{Detector: t.id, Least: 75, Most: 75}, g.one(a.patterns...)
			if street, rest, _ := strings.Cut(p, "["); g.IntN(3) == 0 {
				p, w.Least, w.Most = street, 65, 65
			} else {
				p = street + strings.TrimSuffix(rest, "]")
			}
			return build(g, g.one(a.says...), p, w, "a street, a number and a word for an address")
		}},
		{Name: "postal-codes", Kind: Plain, About: "my postcode is SW11 4NJ: a code right behind the word that names it", types: []string{"postal-code"}, times: 2, build: func(g *gen, t *baseType, i int) Case {
			p := postcodes[i%len(postcodes)]
			return build(g, p.says, p.code, Span{Detector: t.id, Least: 65, Most: 65}, "a word names it")
		}},
		{Name: "internal-hosts", Kind: Plain, About: "the server srv-sql02.corp.local, print-srv2 is 10.0.8.44", types: []string{"internal-hostname"}, times: 2, build: func(g *gen, t *baseType, i int) Case {
			h := hosts[i%len(hosts)]
			return build(g, h.says, h.name, Span{Detector: t.id, Least: h.level, Most: h.level}, "a name of an inner domain or beside a private address, and a word for machines")
		}},
		{Name: "place-talk", Kind: Noise, About: "Sprint 14 Lane B, plz check 80331, io.netty.internal: streets, codes and hosts in other senses, and addresses that are nobody's", types: slices.Clone(placeTypes), build: func(g *gen, t *baseType, i int) Case {
			n := slices.Index(placeTypes, t.id)
			return g.silent(placeTalk[(i*len(placeTypes)+n)%len(placeTalk)], "no word says that it is somebody's address, a postal code or a machine")
		}},
	}
}

// placeTypes are what the rows are of.
var placeTypes = []string{"street-address", "postal-code", "internal-hostname"}
