package detect

import (
	"strings"
	"testing"

	"teamsdlp/policy/extract"
)

// Phone numbers are found where they begin and end, as far as the plan, the home
// region and the words around them allow.
func TestPhoneNumbers(t *testing.T) {
	for _, tc := range []struct {
		home, text, value string // value: what is found, in the text's own letters; empty: nothing
		level             Level
	}{
		// With a country code no word is needed.
		{"", "+442079460018", "+442079460018", Medium},
		{"", "+73011234567", "+73011234567", Medium},
		{"", "+6837012", "+6837012", Medium},
		{"", "+55 11 96123-4567", "+55 11 96123-4567", Medium},
		{"", "+62 812-345-678", "+62 812-345-678", Medium},
		{"", "call +49 30 901820", "+49 30 901820", High},
		{"", "+999 123 456 789", "", 0},
		{"", "+4520", "", 0},
		{"", "+45 123 456 789 012", "", 0},
		// In the home region any grouping will do.
		{"GB", "020 7946 0018", "020 7946 0018", Low},
		{"GB", "(020) 7946 0018", "(020) 7946 0018", Low},
		{"GB", "02079460018", "02079460018", Low},
		{"GB", "call 020 7946 0018", "020 7946 0018", Medium},
		{"DK", "32 12 34 57", "32 12 34 57", Low},
		{"DK", "ring 32123457", "32123457", Medium},
		{"DK", "32123457", "", 0},
		{"BR", "(11) 96123-4567", "(11) 96123-4567", Low},
		{"RU", "8 (301) 123-45-67", "8 (301) 123-45-67", Low},
		{"HU", "(06 1) 234 5678", "(06 1) 234 5678", Low},
		{"FR", "01.42.68.53.00", "01.42.68.53.00", Low},
		{"GB", "020 7946 0018 2345 6789 1234", "", 0},
		{"AR", "011 15-2345-6789", "011 15-2345-6789", Low}, // of Argentina's mobiles: 15 behind the area code
		{"AR", "(0341) 15 512-3456", "(0341) 15 512-3456", Low},
		{"AR", "01 23 45 67 89 01", "", 0},
		{"CH", "0860 12 345 67 89", "0860 12 345 67 89", Low},
		{"DE", "0123 4567 8901 2345", "", 0}, // a dump of bytes
		{"GL", "22 12 34", "22 12 34", Low},  // Greenland's have six digits
		{"GL", "22.12.34", "", 0},            // a date
		{"NC", "75.12.34", "75.12.34", Low},
		{"DK", "22 12 34", "", 0},
		{"DE", "75.12.34", "", 0},
		{"BO", "71234567", "71234567", Low}, // printed without a break
		{"BO", "41234567", "", 0},
		{"BO", "order 71234567", "", 0},
		{"BO", "71234567 bytes", "", 0},
		{"", "71234567", "", 0},
		// Elsewhere a trunk prefix, pairs or a word.
		{"", "020 7946 0018", "020 7946 0018", Low},
		{"", "call 020 7946 0018", "020 7946 0018", Medium},
		{"", "912 34 56 79", "912 34 56 79", Low},
		{"", "llamar 912 345 679", "912 345 679", Low},
		{"", "912 345 679", "", 0},
		{"", "(310)-736-0121", "(310)-736-0121", Low},
		{"", "(11) 2345-6789", "(11) 2345-6789", Low},
		{"", "8 (301) 123-45-67", "8 (301) 123-45-67", Low},
		{"", "070-123 45 67", "070-123 45 67", Low},
		{"", "06-12345678", "06-12345678", Low},
		{"", "131 2345 6789", "131 2345 6789", Low},
		{"", "050 123 2028", "050 123 2028", Low}, // passes the check of NHS numbers
		{"", "llámame al 612 345 678", "612 345 678", Low},
		{"", "my number is 98765 43210", "98765 43210", Low},
		{"PT", "660 233 511", "660 233 511", Low},     // passes the check of Canadian numbers
		{"LT", "(8-312) 30513", "(8-312) 30513", Low}, // as it was dialled before 2025
		{"UZ", "8 91 234 56 44", "8 91 234 56 44", Low},
		{"BJ", "20 24 63 80", "20 24 63 80", Low},
		{"TM", "(8 12) 34-56-78", "(8 12) 34-56-78", Low},
		// What looks like one and is not.
		{"", "(2012) 1234-567", "", 0},
		{"", "account number 415-736-5000", "415-736-5000", Low}, // the word is no phone's
		{"", "phone log of 2006-2007", "", 0},
		{"", "UTC+0200 12345678", "", 0},
		{"", "r-xp 00000000 fc:01 1180217", "", 0},
		{"", "part 917-456-7812-B", "", 0},
		{"", "20 30 40 50", "", 0},
		{"", "32 31 30 29", "", 0},
		{"", "Boston, MA 02110-1301", "", 0},
		{"", "Mon, 06 Jun 2012 14:00", "", 0},
		{"", "06 2012 -0500", "", 0},
		{"", "call me on 2026-11-03 14:00", "", 0},
		{"", "call (310)-555-0121", "", 0},
		{"", "call 555-0131 in the film", "", 0},
		{"", "NHS number: 637 247 8952", "", 0},
		{"", "my NHS is 761 992 7132", "", 0},
		{"", "Phone conference ID: 416 669 146 551 787", "", 0},
		{"", "number 912 345 679", "", 0},
	} {
		text := extract.Plain(tc.text)
		var value string
		var level Level
		for _, m := range builtinEngine.Scan(text, Options{RegionHint: tc.home}) {
			if m.Detector == "phone-e164" || m.Detector == "phone-national" {
				value, level = string(text.Bytes()[m.Start:m.End]), m.Level
			}
		}
		if value != tc.value || level != tc.level {
			t.Errorf("%q at home in %q: %q at %d, want %q at %d%s", tc.text, tc.home, value, level, tc.value, tc.level, explain(tc.text))
		}
	}
}

// Every line of the plans is read, and says something.
func TestPhonePlans(t *testing.T) {
	p := plans()
	if len(p.regions) < 240 || len(p.codes) < 200 {
		t.Errorf("%d regions, %d codes", len(p.regions), len(p.codes))
	}
	for region, plan := range p.regions {
		all := uint16(0)
		for _, f := range plan.first {
			all |= f
		}
		if plan.code == "" || !allDigits([]byte(plan.code+strings.Join(plan.trunks, ""))) || all == 0 {
			t.Errorf("%s: %+v", region, plan)
		}
	}
}
