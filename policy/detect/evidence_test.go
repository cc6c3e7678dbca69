package detect

import (
	"testing"

	"teamsdlp/policy/extract"
)

// What a word beside a value says of it, and what it does not.
func TestWordsBeside(t *testing.T) {
	for _, tc := range []struct{ in, want string }{ // the one detector; empty: none
		{"Fleming (Books Inc) gave us 8939976946408903776 as SIM number", "iccid"}, // no incident
		{"order (no. A) 8939976946408903776", ""},
		{"Aadhaar card 5027-6465-7586", "in-aadhaar"}, // and a Maestro card's number
		{"the AFM number is 067895438", ""},           // its check digit is wrong, and no phone's
		{"her cedula number is 03138738732", ""},
		{"my number is 067895438", "phone-national"},
		{"MY OFFICE NUMBER 067895438", "phone-national"},
		{"T: 2875807570", "phone-national"},
		{"t: the build of 05 2021 -0800", ""},
		{"card 3599 7972 4849 6988", "credit-card"},  // JCB beyond the ranges of ISO
		{"Name A\nISIN CH2266578239\nTel -", "isin"}, // letters touch it: no phone's
		{"organisationsnr 5567016174", "se-orgnr"},   // organisationsnummer
		{"my social is 627387369", "us-ssn"},
		{"my social media id is 212736500", ""},
		{"AT U13585627", "eu-vat"},
		{"AT U13585628", ""},
		{"ES H18723874", "eu-vat"},
		{"VAT registration number 980780684", "uk-vat"},
		{"VAT registration number 980780685", ""},
		{"VAT: 980780684", "uk-vat"},
		{"our VAT is 980780684", "uk-vat"},
		{"VAT total: 980780684", ""},
		{"total VAT 980780684", ""},
		{"VAT invoice 980780684", ""},
		{"VAT 20 % of 980780684", ""},
		{"a copy of the passport. Order 123456789", ""},
		{"the passport ref 123456789", "passport-number"},
		{"passport, ID: 123456789", "passport-number"},
		{"credit card, id 4539578763621486", "credit-card"},
		{"D.N.I. ref. 12345678Z", "es-dni"},
		{"no BSN here. Meeting ID: 312 111 222 333", ""},
		{"no BSN here, but 312 111 222 333", "nl-bsn"},
		{"the BSN is missing. Kundennummer 111222333", ""},
		{"customer number 85073003328", "be-nn"},
		{"password = var.db_password_1", ""},
		{"password: DB_PASSWORD_1", ""},
		{"password: Welcome.Password1", "password-assignment"},
		{"password: PASSWORD_2024", "password-assignment"},
		{"pwd = my.password.2024", "password-assignment"},
		{"RUN 59154222", "cl-rut"},
		{"mi run es 5.915.422-2", "cl-rut"},
		{"the run 59154222 failed", ""},
		{"Run ID: 59154222", ""},
		{"CI 71977145", "uy-ci"},
		{"CI run 71977145", ""},
		{"CI/CD 71977145", ""},
		{"ci-71977145 is red", ""},
		{"sin 668307788", "ca-sin"},
		{"pedido sin factura 668307788", ""},
		{"card id 4539578763621486", "credit-card"},
		{"the card order 4539578763621486", ""},
		{"phone line 212-736-5000", "phone-national"},
		{"customer number 2127365000", ""},
		{"hotline number 2127365000", "phone-national"},
		{"licence plate AB12 CDE", "licence-plate"},
		{"licence plate AB12\nCDE", ""},
		{"https://contoso.zoom.us/j/84512345678?pwd=k7Rm2XvQ9pLw4TzBn8Yh", ""},
		{"https://contoso.com/j/84512345678?pwd=k7Rm2XvQ9pLw4TzBn8Yh", "password-assignment"},
	} {
		m := builtinEngine.Scan(extract.Plain(tc.in), Options{})
		switch {
		case tc.want == "" && len(m) > 0:
			t.Errorf("%q: %s: %s", tc.in, m[0].Detector, m[0].Why)
		case tc.want != "" && (len(m) != 1 || m[0].Detector != tc.want):
			t.Errorf("%q: no %s%s", tc.in, tc.want, explain(tc.in))
		}
	}
}
