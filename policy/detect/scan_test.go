package detect

import (
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy/extract"
)

// A want is a detector at a level, as "credit-card 85"; "" is nothing.
type want = string

// found lists what is found in a text, in order.
func found(t *extract.Text, o Options) want {
	var all []string
	for _, m := range builtinEngine.Scan(t, o) {
		all = append(all, fmt.Sprintf("%s %d", m.Detector, m.Level))
	}
	return strings.Join(all, ", ")
}

// Levels are those of the evidence model: what a number earns by its print, by
// words, and loses by labels.
func TestLevels(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want want
	}{
		{"4539578763621486", "credit-card 65"},
		{"4539 5787 6362 1486", "credit-card 75"},
		{"card 4539578763621486", "credit-card 85"},
		{"my card is 4111 1111 1111 1111", "credit-card 85"},
		{"4111 1111 1111 1111", "credit-card 75"},
		{"order 4111 1111 1111 1112", ""},
		{"4539578763621486 12/27", "credit-card 85"}, {"4539578763621486 12/2027", "credit-card 85"}, {"12-27 4539578763621486", "credit-card 85"}, {"4539578763621486, exp 2027-12-31", "credit-card 85"},
		// a day is none of expiry
		{"4539578763621486 2026-08-27", "credit-card 65"}, {"4539578763621486 shipped 07/09/2026", "credit-card 65"}, {"26-08-27 4539578763621486", "credit-card 65"}, {"4539578763621486 at 27/08/26 10:00", "credit-card 65"}, {"2026-08-27 4539578763621486", "credit-card 65"},
		{"4539578763621486 12.08/27", "credit-card 65"},
		// a row of a file
		{"D5305900", "hk-hkid 65"}, {"266475,D5305900,021", ""}, {"hkid,D5305900,021", "hk-hkid 85"},
		{"4539578763621486 cvv 123", "credit-card 85, card-cvv 75"},
		{"4539578763621486 13/27", "credit-card 65"},
		{"card" + strings.Repeat(" word", 15) + " 4539578763621486", "credit-card 85"},
		{"card" + strings.Repeat(" word", 30) + " 4539578763621486", "credit-card 85"},   // the same line
		{"card\n" + strings.Repeat("word ", 30) + " 4539578763621486", "credit-card 75"}, // far
		{"card\n" + strings.Repeat("word ", 70) + " 4539578763621486", "credit-card 65"}, // out of the window
		{"cardigan 4539578763621486", "credit-card 65"},
		{"discard 4539578763621486", "credit-card 65"},
		{"cardNumber=4539578763621486", "credit-card 85"},
		{"card_number: 4539578763621486", "credit-card 85"},
		{"Kreditkartennummer 4539578763621486", "credit-card 85"},
		{"número de carte 4539578763621486", "credit-card 85"},
		{"信用卡4539578763621486", "credit-card 85"},
		{"4539578763621486,5412750123450984", "credit-card 65, credit-card 65"},
		{"order 4539578763621486", ""},
		{"beställning 7412165800", ""},
		{"numer przesyłki 55032331248", ""},
		{"resident id is 110105198604279436", "cn-ric 85"},
		{`{"id":110105198604279436}`, "cn-ric 85"},
		{"meine SV-Nummer ist 3273 030372", "at-svnr 85"},
		{"routing number 119089611", "us-aba-routing 75"},
		{"packet routing took 119089611 ns", ""},
		{"checking account number 6639582336", "us-bank-account 75"},
		{"sort code 20-45-77, account no. 63849201", "uk-sort-code-account 75"},
		{`{"pan":"4860619846047544","cvc":"533"}`, "credit-card 85, card-cvv 75"},
		{"plugin DL1234567", ""},
		{"NL123456789B01", ""},
		{"https://user:password@fabrikam.com", ""},
		{"Reisepassnummer C01X00T478", "passport-number 75"},
		{"Reisepassnummer C01X00T479", ""},
		{"order no. 4539 5787 6362 1486", ""},
		{"order card no. 4539 5787 6362 1486", "credit-card 85"},
		{"card id: 4539 5787 6362 1486", "credit-card 85"},
		{"order 4539578763621486, the card will follow", ""},
		{"order: card 4539578763621486", "credit-card 85"},
		{"4539-5787 6362.1486", "credit-card 65"},
		{"card 4539-5787 6362.1486", "credit-card 75"},
		{"card 4539 5787\n6362 1486", "credit-card 85"},
		{"card 4539 5787\n\n6362 1486", "credit-card 75"},
		{"4539 5787\n6362 1486", ""},
		{"ssn 536-22-1234", "us-ssn 85"},
		{"536-22-1234", "us-ssn 65"},
		{"ssn 536221234", "us-ssn 75"},
		{"536221234", ""},
		{"DE75512108001245126199", "iban 85"},
		{"NHS number 9434765919", "uk-nhs 85"},
		{"943 476 5919", "uk-nhs 65"},
		{"9434765919", ""},
		{"jane@contoso.com", "email 75"},
		{"mail jane@contoso.com", "email 85"},
		{"jane [at] contoso.com", "email 65"},
		{"+442079460018", "phone-e164 75"},
		{"call +44 20 7946 0018", "phone-e164 85"},
		{"(212) 736-5000", "phone-national 65"},
		{"phone 212-736-5000", "phone-national 75"},
		{"212-555-0123", ""},
		{"eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.mX2vQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0W", "secret-jwt 75"},
		{"bearer eyJhbGciOiJFUzI1NiJ9.eyJpc3MiOiJhIn0.mX2vQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0W", "secret-jwt 85"},
		{"pw: hunter2!", "password-assignment 75"},
		{"password: swordfish", "password-assignment 65"},
		{"password=AKIAZ7QW4NTPL2XKVB5M", "secret-aws-access-key 85"},
	} {
		if got := found(extract.Plain(tc.in), Options{}); got != tc.want {
			t.Errorf("%q: %q, want %q%s", tc.in, got, tc.want, explain(tc.in))
		}
	}
}

// values are the values that the evasions are made of: as printed, digits and
// letters only, and the word that is evidence for them.
var values = []struct{ id, printed, bare, word string }{
	{"credit-card", "4539 5787 6362 1486", "4539578763621486", "card"},
	{"credit-card", "3714 496353 98431", "371449635398431", "amex"},
	{"credit-card", "2221 0012 3412 3450", "2221001234123450", "visa"},
	{"us-ssn", "536-22-1234", "536221234", "ssn"},
	{"iban", "DE75 5121 0800 1245 1261 99", "DE75512108001245126199", "iban"},
	{"iban", "GB33 BUKB 2020 1555 5555 55", "GB33BUKB20201555555555", "iban"},
}

// apart puts sep between the groups of a printed value.
func apart(printed, sep string) string {
	return strings.NewReplacer(" ", sep, "-", sep).Replace(printed)
}

// between puts sep between all characters.
func between(s, sep string) string { return strings.Join(strings.Split(s, ""), sep) }

// digitsAs replaces digits by those that start at zero.
func digitsAs(s string, zero rune) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return zero + r - '0'
		}
		return r
	}, s)
}

// entities writes every character as a reference.
func entities(s string) string {
	var b strings.Builder
	for _, r := range s {
		fmt.Fprintf(&b, "&#%d;", r)
	}
	return b.String()
}

// What editors, people and evaders do to a value. Each is found, at the span of
// the source, and said to be hidden if it was.
func TestEvasions(t *testing.T) {
	type evasion struct {
		name string
		make func(printed, bare string) string
		html bool
	}
	plain := func(name string, f func(printed, bare string) string) evasion { return evasion{name, f, false} }
	markup := func(name string, f func(printed, bare string) string) evasion { return evasion{name, f, true} }
	cases := []evasion{
		plain("as printed", func(p, _ string) string { return p }),
		plain("bare", func(_, b string) string { return b }),
		plain("lower case", func(_, b string) string { return strings.ToLower(b) }),
		plain("each spaced", func(_, b string) string { return between(b, " ") }),
		plain("full-width", func(p, _ string) string { return digitsAs(p, '０') }),
		plain("Arabic-Indic", func(p, _ string) string { return digitsAs(p, '٠') }),
		plain("Devanagari", func(p, _ string) string { return digitsAs(p, '०') }),
		plain("mathematical", func(p, _ string) string { return digitsAs(p, '𝟎') }),
		plain("keycaps", func(_, b string) string { return between(b, "\uFE0F\u20E3") }),
		plain("struck through", func(_, b string) string { return b[:5] + between(b[5:9], "\u0336") + b[9:] }),
		plain("over a line's end", func(p, _ string) string { return strings.Replace(apart(p, " "), " ", "\n", 1) }),
		plain("override of direction", func(_, b string) string { return b[:4] + "\u202d" + b[4:] + "\u202c" }),
		markup("bold inside", func(_, b string) string { return b[:4] + "<b>" + b[4:8] + "</b>" + b[8:] }),
		markup("a span each", func(_, b string) string { return "<span>" + between(b, "</span><span>") + "</span>" }),
		markup("&nbsp;", func(p, _ string) string { return apart(p, "&nbsp;") }),
		markup("references", func(_, b string) string { return entities(b) }),
		markup("references and spaces", func(p, _ string) string { return entities(p) }),
		markup("&shy;", func(_, b string) string { return b[:6] + "&shy;" + b[6:] }),
		markup("a comment inside", func(_, b string) string { return b[:6] + "<!-- 7 -->" + b[6:] }),
		markup("<br> inside", func(p, _ string) string { return strings.Replace(apart(p, " "), " ", "<br>", 1) }),
		markup("blocks", func(p, _ string) string { return "<p>" + strings.Replace(apart(p, " "), " ", "</p><p>", 1) + "</p>" }),
		markup("a link inside", func(_, b string) string { return b[:4] + `<a href="https://x.test">` + b[4:8] + "</a>" + b[8:] }),
		markup("a quote", func(p, _ string) string { return "<blockquote>" + p + "</blockquote>" }),
		markup("a code block", func(p, _ string) string { return "<codeblock><code>" + p + "</code></codeblock>" }),
		markup("alternative text", func(p, _ string) string { return `<img alt="` + p + `">` }),
		markup("a title", func(p, _ string) string { return `<b title="` + p + `">x</b>` }),
	}
	for _, sep := range []string{".", "/", "_", "-", " ", "  ", "\t", " - ", "\u00a0", "\u2009", "\u3000", "\u202f", "\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2015", "\u2212"} {
		cases = append(cases, plain(fmt.Sprintf("separator %q", sep), func(p, _ string) string { return apart(p, sep) }))
	}
	for _, sep := range []string{"\u200b", "\u200c", "\u200d", "\ufeff", "\u2060", "\u00ad", "\ufe0f", "\u202e", "\u2066", "\u180e", "\u034f"} {
		cases = append(cases, plain(fmt.Sprintf("invisible %q", sep), func(_, b string) string { return b[:5] + sep + b[5:] }),
			plain(fmt.Sprintf("invisible %q in print", sep), func(p, _ string) string { return between(p, sep) }))
	}
	for _, tc := range cases {
		for _, v := range values {
			made := tc.make(v.printed, v.bare)
			for _, around := range [][2]string{{v.word + " ", ""}, {"this is the " + v.word + ": ", " thanks"}, {"", " is my " + v.word}} {
				src := around[0] + made + around[1]
				text := extract.Plain(src)
				if tc.html {
					text = extract.HTML(src)
				}
				m, ok := find(v.id, text)
				if !ok || m.Level < Low {
					t.Errorf("%s: nothing of %s in %q", tc.name, v.id, src)
					continue
				}
				if got := strings.ToUpper(m.Value.Reveal()); got != v.bare {
					t.Errorf("%s: value of %q is %q, want %q", tc.name, src, got, v.bare)
				}
				if hidden := strings.HasPrefix(tc.name, "invisible") || tc.name == "mathematical" || tc.name == "&shy;"; hidden && !m.Obfuscated {
					t.Errorf("%s: %q is not said to be hidden", tc.name, src)
				}
				_, start, end := text.Origin(m.Start, m.End)
				if lo, hi := len(around[0]), len(around[0])+len(made); start < lo || end > hi || 2*(end-start) < hi-lo && !tc.html {
					t.Errorf("%s: span of %q is %d:%d, want %d:%d", tc.name, src, start, end, lo, hi)
				}
			}
		}
	}
}

// A column's heading is evidence for its cells, and only for its own.
func TestTable(t *testing.T) {
	text := extract.HTML(`<table><tr><th>Name</th><th>Card</th><th>Note</th><th>Ticket</th></tr>` + strings.Repeat(`<tr><td>Some One Of Many</td><td>-</td><td>none</td><td>none</td></tr>`, 20) +
		`<tr><td>Jo</td><td>4539578763621486</td><td>5412750123450984</td><td>4929420573595709</td></tr></table>`)
	m := builtinEngine.Scan(text, Options{})
	if len(m) != 2 || m[0].Level != High || m[1].Level != Low || !strings.Contains(m[0].Why, "heads the column") {
		t.Errorf("found %+v", m)
	}
	// What the heading says is told from what stands beside the value.
	for in, want := range map[string]want{
		`<table><tr><th>Order</th></tr><tr><td>4539578763621486</td></tr></table>`:                        "",
		`<table><tr><th>Order card</th></tr><tr><td>4539578763621486</td></tr></table>`:                   "credit-card 85",
		`<table><tr><th>Order</th><th>x</th></tr><tr><td>4539578763621486</td><td>card</td></tr></table>`: "credit-card 85",
		`<table><tr><th>ID</th></tr><tr><td>4539578763621486</td></tr></table>`:                           "credit-card 65",
		`<table><tr><th>Order</th><th>Name</th></tr><tr><td>7</td><td>4539578763621486</td></tr></table>`: "credit-card 65",
	} {
		if got := found(extract.HTML(in), Options{}); got != want {
			t.Errorf("%s: %q, want %q", in, got, want)
		}
	}
	// Nor are those of a column, unless one cell has several lines.
	last4 := extract.HTML(`<table><tr><th>Card</th></tr><tr><td>4539</td></tr><tr><td>5787</td></tr><tr><td>6362</td></tr><tr><td>1486</td></tr></table>`)
	if got := found(last4, Options{}); got != "" {
		t.Errorf("a column joined: %s", got)
	}
	lines := extract.HTML(`<table><tr><th>Card</th></tr><tr><td>4539 5787<br>6362 1486</td></tr></table>`)
	if got := found(lines, Options{}); got != "credit-card 85" {
		t.Errorf("the lines of a cell: %q", got)
	}
	// Cells are no groups of one number.
	split := extract.HTML(`<table><tr><td>card</td><td>4539</td><td>5787</td><td>6362</td><td>1486</td></tr></table>`)
	if got := found(split, Options{}); got != "" {
		t.Errorf("cells joined: %s", got)
	}
}

// What must stay silent, or the detectors would not be left on.
func TestNoise(t *testing.T) {
	for _, s := range []string{
		"41111111-1111-1111-1111-111111111111", "trace 45395787-6362-1486-8539-578763621486 card", "id=4539578763621486",
		"https://shop.test/?order=4539578763621486", "https://shop.test/o/4539578763621486/view", "www.shop.test/4539578763621486",
		"ticket 4539578763621486", "tracking no. 4539578763621486", "invoice #4539578763621486", "Bestellnummer: 4539578763621486",
		"0.4539578763621486", "it is 3.4539578763621486", "4539578763621486.25 units", "1234 5678 9012 3452 units", "1,453,957,876,362,148",
		"1732375200000", "1732375200000000", "2026-11-01T08:16:40.001Z", "2026-11-01 08:16:40", "20261101081640",
		"4539578763621486abcdef01", "2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "sha256:45395787636214864539578763621486abcdef0123456789abcdef0123456789",
		"W/\"4539578763621486abcdef\"", "k7Rm2XvQ9pLw4539578763621486TzBn8Yh",
		"INC083855 is open", "会议号：379-608-847", "會議號 944-513-167", "идентификатор собрания: 379-608-847", "회의 번호 379-608-847", "מזהה פגישה: 379-608-847", "รหัสการประชุม 379-608-847",
		"серийный номер 4539578763621486 доставлен 07/09/2026", "заявка 4539578763621486", "品番 4539578763621486", "請求書 4539578763621486", "工单 4539578763621486", "일련번호 4539578763621486", "seri no 4539578763621486",
		"sériové číslo 4539578763621486", "sarjanumero 4539578763621486", "số vận đơn, mã đơn hàng 4539578763621486", "nomor pesanan 4539578763621486", "رقم الطلب 4539578763621486", "מספר הזמנה 4539578763621486", "αριθμός παραγγελίας 4539578763621486",
		"хорошая партия 4539578763621486", "lote 4539578763621486", "orçamento 4539578763621486", "Belegnummer 4539578763621486", "คำสั่งซื้อ 4539578763621486",
		"Meeting ID: 312 456 789 012", "Meeting ID: 612 456 789 012 Passcode: aB3xYz", "Conference ID: 453 957 876#",
		"19:meeting_NGEwYzE0@thread.v2", "19:2f0e_77aa@unq.gbl.spaces", "19:ab@thread.tacv2", "v10.0.19041.1", "192.0.2.1", "10.0.0.1", "2001:db8::1",
		"ISBN 978-3-16-148410-0", "EAN 4006381333931", "part 555-0123", "212-555-0100",
		"AKIAIOSFODNN7EXAMPLE", "your-api-key-here", "api_key=xxxxxxxxxxxxxxxxxxxx", "api_key=${API_KEY}", "token: <token>", "token={{ token }}", "password: {{ pw }}", "password: ${PW}",
		"password: xxxxxx", "password: ********", "Password:", "password: \n\nsee above", "the password is required", "password is case-sensitive", "please reset the password today",
		"password policy: at least twelve characters", "pass: 12 of 14", "tokens: 4096", "a secret: we ship on Friday",
		"/var/log/4539578763621486.log", `C:\tmp\4539578763621486`, "4539578763621486@contoso-mail", "logo@2x.png", "user@host", "@channel @team", "a@b.c",
		"1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16", "10 20 30 40 50 60 70 80", "4 5 3 9 5 7 8 7 6 3 6 2 1 4 8 6",
		"2026-11-01", "01.11.2026", "12:30-13:45", "+1", "C++11 +100 +2000", "1+1=2", "call me at 5", "0000000000", "1111111111111111", "999-99-9999", "000-00-0000",
		"defined in Clause 252.227-7013 (c)", "call me on 2026-11-03 14:00", "told by phone that the count of things which came in was about 2127365000",
		"docker run -v $PWD:/workdir x", "PWD: '/home/jo'", "const password = 'Password used to generate key'", "arn:aws:kms:us-east-1:579766882180:key/1", "ssn w23\n0921250b",
		"-----BEGIN CERTIFICATE-----\nMIIEpAIBAAKCAQEA7bq0Xk2vR9sT4uYwZ1cN8mL5jH3gF6dS", "GB is 20 years", "https://user:password@host", "https://jo@contoso/",
		"x", "", "\x00", "\xff\xfe", "----------", "@@@@", "++++", "://", "[at]", "Q~", "eyJ", "AKIA", "password=", "pw:", "pw",
	} {
		if got := found(extract.Plain(s), Options{}); got != "" {
			t.Errorf("%q: %s%s", s, got, explain(s))
		}
	}
}

// A word right beside a value outweighs what it is part of, but not a GUID and no
// decimal number.
func TestVetoes(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want want
		gate string
	}{
		{"https://shop.test/?card=4539578763621486", "credit-card 85", ""},
		{"https://shop.test/?q=4539578763621486", "", "it is part of a URL"},
		{"https://shop.test/?order=4539578763621486", "", "it is part of a URL"},
		{"card 45395787-6362-1486-8539-578763621486", "", ""},
		{"card 0.4539578763621486", "", "it is part of a decimal number"},
		{"4539578763621486abcdef01", "", "it is part of a hash or code"},
		{"/data/4539578763621486", "", "it is part of a path"},
		{"4539578763621486@x", "", "it is part of an e-mail address"},
		{"4539578763621487", "", "it does not start as the cards of a known brand do, or is too long or too short for one, or its digits or letters fail the check that all values of its kind pass (Luhn)"},
		{"1-536-22-1234", "", "it is part of a longer number"},
		{"AKIAIOSFODNN7EXAMPLE", "", "it is a placeholder, not a real value"},
		{"ghp_abc", "", "it does not have the length of such a value"},
		{"password: ****", "", "it is a placeholder, not a real value"},
		{"19:a@thread.skype", "", "it is a Teams conversation id"},
		{"+999123456789", "", "it starts with no country's code"},
		{"DE75512108001245126198", "", "its check digits do not fit the rest, or it has not the form that its country's account numbers have"},
		{"111 111 111 111 111 1", "", ""},
		{"4539578763621486", "", "its level is low, below the least that is reported: Visa: brand and Luhn"},
	} {
		o := Options{}
		if strings.HasPrefix(tc.gate, "its level") {
			o.Min = High
		}
		m, rejected := builtinEngine.ScanExplain(extract.Plain(tc.in), o)
		var got []string
		for _, x := range m {
			got = append(got, fmt.Sprintf("%s %d", x.Detector, x.Level))
		}
		if strings.Join(got, ", ") != tc.want {
			t.Errorf("%q: %q, want %q", tc.in, got, tc.want)
		}
		named := tc.gate == ""
		for _, r := range rejected {
			named = named || r.Gate == tc.gate
			if r.Start < 0 || r.End > len(tc.in) || r.Start >= r.End {
				t.Errorf("%q: rejected at %d:%d", tc.in, r.Start, r.End)
			}
		}
		if !named {
			t.Errorf("%q: no gate %q among %+v", tc.in, tc.gate, rejected)
		}
	}
}

// Neither a match nor a reason holds the value.
func TestNothingLeaks(t *testing.T) {
	for _, d := range Builtin() {
		for _, s := range append(append([]string{}, d.Match...), d.NoMatch...) {
			m, rejected := builtinEngine.ScanExplain(extract.Plain(s), Options{Min: Internal})
			for _, x := range m {
				value := x.Value.Reveal()
				printed := fmt.Sprintf("%v %+v %#v %s", x, x, x, x.Why)
				if len(value) > 4 && strings.Contains(printed, value) {
					t.Errorf("%s prints its value: %s", x.Detector, printed)
				}
				for i := 0; i+5 <= len(value); i++ {
					if kinds[x.Detector].Mask == MaskAll && strings.Contains(x.Masked+x.Why, value[i:i+5]) {
						t.Errorf("%s shows %q of a value in %q, %q", x.Detector, value[i:i+5], x.Masked, x.Why)
					}
				}
			}
			for _, x := range rejected {
				if digits := strings.Map(onlyDigits, x.Gate); len(digits) > 4 {
					t.Errorf("%s: gate %q holds digits", x.Detector, x.Gate)
				}
			}
		}
	}
}

func onlyDigits(r rune) rune {
	if r >= '0' && r <= '9' {
		return r
	}
	return -1
}

func TestMasks(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"card 4539 5787 6362 1486", "453957••••••1486"},
		{"amex 371449635398431", "371449•••••8431"},
		{"ssn 536-22-1234", "•••••••34"},
		{"DE75512108001245126199", "••••••••••••••••••6199"},
		{"mail jane.doe@contoso.com", "j•••@contoso.com"},
		{"+442079460018", "••••••••••018"},
		{"AKIAZ7QW4NTPL2XKVB5M", "AKIA••••"},
		{"ghp_k7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0W", "ghp_••••"},
		{"pw: hunter2!", "••••"},
		{"kR78Q~mX2vQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0Wx", "••••"},
		{"redis://:s3cr3tV4lue@10.1.2.3:6379", "redis://••••"},
		{"-----BEGIN PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq0Xk2vR9sT4uYwZ1cN8mL5jH3gF6dS\n-----END PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----••••"},
	} {
		m := builtinEngine.Scan(extract.Plain(tc.in), Options{})
		if len(m) != 1 || m[0].Masked != tc.want {
			t.Errorf("%q: %+v, want one, masked %q", tc.in, m, tc.want)
		}
	}
	for _, tc := range []struct{ value, want string }{
		{"", ""}, {"abc", "•••"}, {"abcd", "•••d"}, {"abcdefgh", "••••••gh"}, {"ééééé", "••••é"}, {strings.Repeat("a", 16), "••••••••••••aaaa"}, {strings.Repeat("a", 1000), strings.Repeat("•", 40) + "aaaa"},
	} {
		if got := mask(MaskTail, tc.value, ""); got != tc.want {
			t.Errorf("mask(%q) = %q, want %q", tc.value, got, tc.want)
		}
	}
}

func TestMaskAll(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"the customer asked for it in writing", "the customer asked for it in writing"},
		{"card 4539 5787 6362 1486, pw: hunter2! ok", "card 453957••••••1486, pw: •••• ok"},
		{"é 4539\u200b578763621486 é", "é 453957••••••1486 é"},
		{"４５３９５７８７６３６２１４８６", "453957••••••1486"},
		{"jane@contoso.com and jo@contoso.com", "j•••@contoso.com and j•••@contoso.com"},
	} {
		if got := builtinEngine.MaskAll(tc.in); got != tc.want {
			t.Errorf("MaskAll(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

// Published test values keep their level and are marked.
func TestKnownTest(t *testing.T) {
	for _, tc := range []struct {
		in    string
		known bool
	}{
		{"card 4111 1111 1111 1111", true}, {"card 4242424242424242", true}, {"amex 378282246310005", true}, {"card 4539578763621486", false},
		{"ssn 078-05-1120", true}, {"ssn 536-22-1234", false}, {"GB82 WEST 1234 5698 7654 32", true}, {"mail jo@example.com", true}, {"mail jo@contoso.com", false},
		// Signed with the key of a manual: "secret", jwt.io's, RFC 7515's; and with one of nobody's.
		{"jwt eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzb21lIjoicGF5bG9hZCJ9.4twFt5NiznN84AWoo1d7KO1T_yoc0Z6XOpOVswacPZg", true},
		{"jwt eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxMjM0NTY3ODkwIiwibmFtZSI6IkpvaG4gRG9lIiwiaWF0IjoxNTE2MjM5MDIyfQ.SflKxwRJSMeKKF2QT4fwpMeJf36POk6yJV_adQssw5c", true},
		{"jwt eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9.eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", true},
		{"jwt eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzb21lIjoicGF5bG9hZCJ9.5twFt5NiznN84AWoo1d7KO1T_yoc0Z6XOpOVswacPZg", false},
	} {
		m := builtinEngine.Scan(extract.Plain(tc.in), Options{})
		if len(m) != 1 || m[0].KnownTest != tc.known || m[0].Level != High {
			t.Errorf("%q: %+v, want one at high, known %t", tc.in, m, tc.known)
		}
	}
	for h := range publicHashes {
		m := builtinEngine.Scan(extract.Plain("hash "+h), Options{})
		other := builtinEngine.Scan(extract.Plain("hash "+h[:len(h)-1]+"X"), Options{})
		if len(m) != 1 || !m[0].KnownTest || len(other) != 1 || other[0].KnownTest {
			t.Errorf("%s: %+v; with another end: %+v", h, m, other)
		}
	}
	for d := range knownCards {
		if !card([]byte(d)) {
			t.Errorf("the known card %s is no card", d)
		}
	}
	for v := range knownIBANs {
		if !iban([]byte(v)) {
			t.Errorf("the known IBAN %s is none", v)
		}
	}
}

func TestOptions(t *testing.T) {
	const s = "ssn 536-22-1234 mail jo@contoso.com 4539578763621486"
	for _, tc := range []struct {
		o    Options
		want want
	}{
		{Options{}, "us-ssn 85, email 85, credit-card 65"},
		{Options{Min: High}, "us-ssn 85, email 85"},
		{Options{Regions: []string{"DE"}}, "us-ssn 75, email 85, credit-card 65"},
		{Options{Regions: []string{"de", "us"}}, "us-ssn 85, email 85, credit-card 65"},
		{Options{Regions: []string{}}, "us-ssn 75, email 85, credit-card 65"},
		{Options{Only: map[string]bool{"email": true}}, "email 85"},
		{Options{Only: map[string]bool{"phone-national": true}}, ""}, // an SSN is not a phone number because nobody asks for it
		{Options{Only: map[string]bool{}}, ""},
	} {
		if got := found(extract.Plain(s), tc.o); got != tc.want {
			t.Errorf("%+v: %q, want %q", tc.o, got, tc.want)
		}
	}
}

// The same value in a link's target or a quote is reported once.
func TestOnce(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want want
	}{
		{`<a href="mailto:jo@contoso.com">jo@contoso.com</a>`, "email 85"},
		{`<a href="mailto:jo@contoso.com">write</a>`, "email 85"},
		{`<blockquote>pw: hunter2!</blockquote>pw: hunter2! works`, "password-assignment 75"},
		{`<p>pw: hunter2!</p><p>pw: hunter2!</p>`, "password-assignment 75, password-assignment 75"},
		{`<blockquote>pw: hunter2!</blockquote>pw: hunter3!`, "password-assignment 75, password-assignment 75"},
	} {
		if got := found(extract.HTML(tc.in), Options{}); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestSecretsInCode(t *testing.T) {
	text := extract.HTML(`<codeblock class="Bash"><code>export AWS_SECRET_ACCESS_KEY=k7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0Wo+/i<br>curl jo@contoso.com # 4539578763621486</code></codeblock>`)
	if got, want := found(text, Options{}), "secret-aws-secret-key 85, email 65"; got != want {
		t.Errorf("found %q, want %q", got, want)
	}
}

func TestJWTHeader(t *testing.T) {
	part := func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }
	for _, tc := range []struct {
		head string
		want want
	}{
		{`{"alg":"RS256","typ":"JWT"}`, "secret-jwt 75"}, {`{"typ":"JWT"}`, "secret-jwt 75"}, {`{"typ":""}`, ""}, {`{"alg":7,"a":1}`, ""}, {`{"alg":"RS256"`, ""}, {`{"a":"RS256"}`, ""}, {`{"enc":"A256GCM"}`, "secret-jwt 75"}, {`{"kid":"7"}`, "secret-jwt 75"}, {`{"kid":""}`, ""}, {`{"alg":"","kid":"7"}`, ""},
	} {
		if got := found(extract.Plain(part(tc.head)+"."+part(`{"sub":"x"}`)+".mX2vQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0W"), Options{}); got != tc.want {
			t.Errorf("%s: %q, want %q", tc.head, got, tc.want)
		}
	}
}

// A number does not reach from one part of a message into the next.
func TestParts(t *testing.T) {
	text := extract.Message(extract.Source{Subject: "card 4539 5787", Body: "6362 1486", Attachments: []extract.Attachment{{Name: "536-22-1234.docx", Content: `{"text":"visa 5412750123450984"}`}}})
	if diff := cmp.Diff("credit-card 85, us-ssn 65", found(text, Options{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestValuesNeverPrint(t *testing.T) {
	v := NewValue("4539578763621486")
	for _, f := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		if got := fmt.Sprintf(f, v); got != "[redacted]" {
			t.Errorf("%s prints %q", f, got)
		}
	}
}

// What a scan of a long text needed is given back, so that one such text does not hold
// memory for good.
func TestScanGivesMemoryBack(t *testing.T) {
	e := exactEngine(t, Detector{ID: "badge", Patterns: []string{`B\d{4}`}, Alone: Medium})
	text := extract.Plain(strings.Repeat("B1234 my card 4111 1111 1111 1111, born 5 March 1985 ", 40_000))
	s := new(scanner)
	s.start(e, text, Options{}, false)
	s.hay.Reset(s.buf)
	s.run()
	s.custom()
	s.end()
	for name, n := range map[string]int{"terms": cap(s.terms), "hits": cap(s.hits)} {
		if n > 1<<14 {
			t.Errorf("%s: room for %d is kept", name, n)
		}
	}
}
