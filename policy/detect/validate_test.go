package detect

import (
	"slices"
	"strings"
	"testing"

	"teamsdlp/test/trial"
)

func TestValidate(t *testing.T) {
	for _, tc := range []struct {
		name, good, bad string // values parted by blanks
	}{
		{"luhn", "79927398713 18 4539578763621486 CE-123455 0000", "79927398710 1 4539578763621487 CE-123456 CE-12 abc -"},
		{"mod97", "GB82WEST12345698765432X 00001 3214282912345698765432161182", "00002 1 - 3214282912345698765432161183"},
		{"verhoeff", "2363 123451 84736430954837284567892", "2364 123450 84736430954837284567893 0 -"},
		{"mod11-10", "86095742719 07945", "86095742718 07944 5 -"},
		{"iban", "GB82WEST12345698765432 gb82-west-1234-5698-7654-32 DE89370400440532013000 NO9386011117947 MT84MALT011000012345MTLCAST001S", "GB82WEST12345698765431 GB82WEST1234569876543 GB82123412345698765432 ZZ82WEST12345698765432 DE8937040044053201300O GB -"},
		{"credit-card", "4539578763621486 4222222222222 371449635398431 6759649826438453 6304000000000000 2221001234123450", "4539578763621487 1234567890123452 9999999999999995 453957876362148 - abc"},
		{"us-ssn", "536-22-1234 001-01-0001 899-99-9999", "000-22-1234 666-22-1234 900-22-1234 536-00-1234 536-22-0000 53622123 5362212345"},
		{"us-aba", "021000021 011401533", "021000022 131000021 02100002"},
		{"gtin", "4006381333931 9783161484100 036000291452 96385074", "4006381333932 978316148410 123456789"},
		{"uk-nhs", "9434765919 943-476-5919", "9434765918 1111111111 943476591"},
		{"nl-bsn", "111222333 123456782", "111222334 000000000 12345678"},
		{"de-steuer-id", "86095742719 65929970489", "86095742710 06095742719 12345678903 8609574271"},
		{"fr-nir", "255081416802538", "255081416802539 355081416802538 255131416802538 255080016802538 25508141680253"},
		{"es-dni", "12345678Z X1234567L y-2345678-z", "12345678A X1234567M W1234567L 1234567Z 1234A678Z"},
		{"it-cf", "RSSMRA85T10A562S rssmra85t10a562s", "RSSMRA85T10A562T RSSMRA85Z10A562S RSSMRA85T10A562 1SSMRA85T10A562S"},
		{"uk-nino", "CE123456D ab 12 34 56 c", "QQ123456C BG123456A AB123456E AO123456C DA123456C AB12345C AB1234567"},
		{"none", "", "4539578763621486 -"},
	} {
		if HasValidator(tc.name) != (tc.name != "none") {
			t.Errorf("HasValidator(%q) is wrong", tc.name)
		}
		for _, s := range strings.Fields(tc.good) {
			// mod97 here is of the rearranged number, so a plain IBAN is not one.
			if tc.name == "mod97" && strings.HasPrefix(s, "GB") {
				continue
			}
			if tc.name == "uk-nino" && len(s) < 9 {
				continue
			}
			if !Validate(tc.name, s) {
				t.Errorf("Validate(%q, %q) = false", tc.name, s)
			}
		}
		for _, s := range strings.Fields(tc.bad) {
			if Validate(tc.name, s) {
				t.Errorf("Validate(%q, %q) = true", tc.name, s)
			}
		}
	}
	if !slices.IsSorted(Validators()) || len(Validators()) != len(validators) {
		t.Errorf("Validators() = %v", Validators())
	}
}

// Luhn and Verhoeff find every single wrong digit.
func TestCheckDigitsFindTypos(t *testing.T) {
	for name, good := range map[string]string{"luhn": "4539578763621486", "verhoeff": "84736430954837284567892", "mod11-10": "86095742719", "iban": "DE89370400440532013000"} {
		for i := range len(good) {
			if !isDigit(good[i]) {
				continue
			}
			for c := byte('0'); c <= '9'; c++ {
				if typo := good[:i] + string(c) + good[i+1:]; c != good[i] && Validate(name, typo) {
					t.Errorf("%s: %s passes", name, typo)
				}
			}
		}
	}
}

// Every country's form adds up to a length that exists, and reads to its end.
func TestIBANForms(t *testing.T) {
	for country, form := range ibanForms {
		if n := ibanLength(form); n < 15 || n > 33 || len(form)%3 != 0 {
			t.Errorf("%s: %d characters by %q", country, n, form)
		}
		var s []byte
		for i := 0; i+2 < len(form); i += 3 {
			for range int(form[i+1]-'0')*10 + int(form[i+2]-'0') {
				s = append(s, map[byte]byte{'n': '1', 'a': 'A', 'c': 'Z'}[form[i]])
			}
		}
		if !ibanShape(form, s) || ibanShape(form, s[1:]) || ibanShape(form, append(s, '1')) {
			t.Errorf("%s: %q does not read its own form", country, form)
		}
	}
}

// A validator that a rule names sees values of any length, whatever they begin with.
func TestValidatorsTakeAnyLength(t *testing.T) {
	for _, name := range Validators() {
		for a := byte('A'); a <= 'Z'; a++ {
			for b := byte('A'); b <= 'Z'; b++ {
				for n := range 16 {
					value := string([]byte{a, b}) + strings.Repeat("9", n)
					func() {
						defer func() {
							if v := recover(); v != nil {
								t.Errorf("%s of %q: %v", name, value, v)
							}
						}()
						Validate(name, value)
					}()
				}
			}
		}
	}
}

func FuzzValidate(f *testing.F) {
	for _, s := range []string{"", "0", "DE", "DE8", "é", "\xff", "GB82WEST12345698765432", strings.Repeat("9", 100)} {
		f.Add(s)
	}
	lower := func(s string) string { // of ASCII: elsewhere it can make letters that were none
		b := []byte(s)
		for i, c := range b {
			if 'A' <= c && c <= 'Z' {
				b[i] |= 0x20
			}
		}
		return string(b)
	}
	trial.Fuzz(f, 50, func(t *testing.T, s string) {
		for _, name := range Validators() {
			if Validate(name, s) != Validate(name, " "+lower(s)+"-") {
				t.Errorf("%s: case or separators matter in %q", name, s)
			}
		}
	})
}
