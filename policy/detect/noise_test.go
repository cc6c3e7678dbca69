package detect

import (
	_ "embed"
	"math/rand/v2"
	"strings"
	"testing"

	"teamsdlp/policy/extract"
)

// noise is business chat, one message a line, that holds nothing sensitive:
// orders, invoices, parcels, tickets, meetings, amounts, dates, versions, logs.
//
//go:embed testdata/noise.txt
var noise string

// Business chat is silent, line by line and as one text.
func TestBusinessNoise(t *testing.T) {
	lines := strings.Split(strings.TrimSpace(noise), "\n")
	if len(lines) < 300 {
		t.Fatalf("only %d lines", len(lines))
	}
	for _, s := range lines {
		if got := found(extract.Plain(s), Options{}); got != "" {
			t.Errorf("%q: %s%s", s, got, explain(s))
		}
	}
}

// bareAlarms are the detectors that report bare digits without any evidence, and
// how many of 10,000 random numbers of one length they may take. Cards have the
// narrowest check of their catalogue, Luhn, but a brand and a length; the others
// have two check digits, a remainder by 97 or a date.
var bareAlarms = map[string]int{
	"credit-card": 600, "de-steuer-id": 50, "br-cpf": 120, "br-cnpj": 130, "fr-nir": 40, "tr-tckn": 130, "be-nn": 40, "pl-pesel": 110, "no-fnr": 20, "ro-cnp": 30,
	"cn-ric": 10, "se-pnr": 80, "at-svnr": 90, "es-nuss": 80, "gr-amka": 60, "ee-ik": 50, "lu-id": 10, "si-emso": 30, "kr-rrn": 50, "za-id": 50,
	"ch-ahv": 10, "es-ccc": 150, "fr-rib": 130, "iccid": 20,
	"ar-cbu": 120, "eg-nid": 40, "fr-spi": 10, "hu-adoazonosito": 120, "pe-ruc": 60, "is-kt": 15, "kr-frn": 40, "kz-iin": 25, "rs-jmbg": 15,
	"ru-snils": 130, "ar-cuil": 110, "bg-egn": 130, "ec-cedula": 140, "lv-pk": 20,
}

// Random numbers are reported by no detector but those, and by no more than that.
func TestRandomDigits(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for n := 6; n <= 23; n++ {
		count := map[string]int{}
		for range 10_000 {
			b := make([]byte, n)
			for i := range b {
				b[i] = '0' + byte(r.IntN(10))
			}
			for _, m := range builtinEngine.Scan(extract.Plain(string(b)), Options{}) {
				count[m.Detector]++
			}
		}
		for id, k := range count {
			if k > bareAlarms[id] {
				t.Errorf("%d digits: %s takes %d of 10000, want at most %d", n, id, k, bareAlarms[id])
			}
		}
	}
}
