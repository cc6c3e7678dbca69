package detect

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"teamsdlp/policy/extract"
)

// A specimen is a value of one kind that evasions are tried on.
type specimen struct {
	id, printed, value, word string
	digits                   bool // what it is made of, but for separators
}

// specimens are of every way in which a detector finds its values: digits,
// letters and digits, addresses, tokens.
var specimens = []specimen{
	{"credit-card", "4539 5787 6362 1486", "4539578763621486", "card number", true},
	{"credit-card", "3714 496353 98431", "371449635398431", "amex", true},
	{"credit-card", "6759 6498 2643 8453", "6759649826438453", "maestro", true},
	{"credit-card", "2221 0012 3412 3450", "2221001234123450", "mastercard", true},
	{"iban", "DE75 5121 0800 1245 1261 99", "DE75512108001245126199", "iban", false},
	{"iban", "GB33 BUKB 2020 1555 5555 55", "GB33BUKB20201555555555", "bank account", false},
	{"us-ssn", "536-22-1234", "536221234", "ssn", true},
	{"uk-nhs", "943 476 5919", "9434765919", "nhs number", true},
	{"br-cpf", "529.982.247-25", "52998224725", "cpf", true},
	{"in-aadhaar", "2345 6789 0124", "234567890124", "aadhaar", true},
	{"de-steuer-id", "86 095 742 719", "86095742719", "steuer-id", true},
	{"fr-nir", "2 55 08 14 168 025 38", "255081416802538", "numéro de sécurité sociale", true},
	{"ca-sin", "130 692 544", "130692544", "social insurance number", true},
	{"au-tfn", "123 456 782", "123456782", "tfn", true},
	{"au-medicare", "2123 45670 1", "2123456701", "medicare card", true},
	{"nl-bsn", "1112.22.333", "111222333", "bsn", true},
	{"be-nn", "85.07.30-033.28", "85073003328", "rijksregisternummer", true},
	{"se-pnr", "811228-9874", "8112289874", "personnummer", true},
	{"th-id", "1-2345-67890-12-1", "1234567890121", "thai id", true},
	{"ch-ahv", "756.9217.0769.85", "7569217076985", "AHV", true},
	{"uk-nino", "AB 12 34 56 C", "AB123456C", "national insurance number", false},
	{"es-dni", "12345678-Z", "12345678Z", "dni", false},
	{"es-nie", "Y-2345678-Z", "Y2345678Z", "nie", false},
	{"us-mbi", "1EG4-TE5-MK73", "1EG4TE5MK73", "mbi", false},
	{"phone-e164", "+44 20 7946 0018", "+442079460018", "phone", false},
	{"phone-national", "212-736-5000", "2127365000", "phone", true},
}

// tokens are values without separators.
var tokens = []specimen{
	{"it-cf", "RSSMRA85T10A562S", "RSSMRA85T10A562S", "codice fiscale", false},
	{"in-pan", "AFZPK7190K", "AFZPK7190K", "pan card", false},
	{"sg-nric-fin", "S1234567D", "S1234567D", "nric", false},
	{"email", "jane.doe@contoso.com", "jane.doe@contoso.com", "mail", false},
	{"secret-aws-access-key", "AKIAZ7QW4NTPL2XKVB5M", "AKIAZ7QW4NTPL2XKVB5M", "key", false},
	{"secret-github-token", "ghp_k7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0W", "ghp_k7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0W", "token", false},
	{"secret-google-api-key", "AIzaSyK7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5U", "AIzaSyK7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5U", "key", false},
	{"ipv4", "52.174.88.213", "52.174.88.213", "ip address", false},
	{"crypto-btc", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "1BvBMSEYstWetqTFn5Au4m4GFg7xJaNVN2", "wallet", false},
}

// An evasion writes a value in a way that hides it from a plain pattern. It
// returns "" where it cannot be done to the value.
type evasion struct {
	name   string
	markup bool
	hidden bool // the match must say so
	make   func(v specimen) string
}

// groups parts a value as it is printed.
func (v specimen) groups() []string {
	return strings.FieldsFunc(v.printed, func(r rune) bool { return strings.ContainsRune(" -./", r) })
}

func (v specimen) bare() string { return strings.Join(v.groups(), "") }

func (v specimen) parted(sep string) string { return strings.Join(v.groups(), sep) }

// middle puts s where the value is cut in two.
func (v specimen) middle(s string) string {
	g := v.groups()
	if len(g) == 1 || strings.ContainsAny(v.printed, "@") || v.id == "ipv4" {
		return v.printed[:len(v.printed)/2] + s + v.printed[len(v.printed)/2:]
	}
	return strings.Join(g[:len(g)/2], "") + s + strings.Join(g[len(g)/2:], "")
}

// line parts the groups by spaces, but two in the middle by s.
func (v specimen) line(s string) string {
	g := v.groups()
	return strings.Join(g[:len(g)/2], " ") + s + strings.Join(g[len(g)/2:], " ")
}

func fullWidth(s string) string {
	return strings.Map(func(r rune) rune {
		if r > ' ' && r < 0x7F {
			return r + 0xFEE0
		}
		return r
	}, s)
}

func mathematical(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= '0' && r <= '9':
			return 0x1D7D8 + r - '0'
		case r >= 'A' && r <= 'Z':
			return 0x1D400 + r - 'A'
		case r >= 'a' && r <= 'z':
			return 0x1D41A + r - 'a'
		}
		return r
	}, s)
}

func reversed(s string) string {
	r := []rune(s)
	for i, j := 0, len(r)-1; i < j; i, j = i+1, j-1 {
		r[i], r[j] = r[j], r[i]
	}
	return string(r)
}

func superscript(s string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return []rune("⁰¹²³⁴⁵⁶⁷⁸⁹")[r-'0']
		}
		return r
	}, s)
}

// evasionsOf lists the evasions for values in groups, or for tokens.
func evasionsOf(token bool) []evasion {
	plain := func(name string, f func(specimen) string) evasion { return evasion{name, false, false, f} }
	markup := func(name string, f func(specimen) string) evasion { return evasion{name, true, false, f} }
	hidden := func(e evasion) evasion { e.hidden = true; return e }
	all := []evasion{
		plain("as it is", func(v specimen) string { return v.printed }),
		plain("full-width", func(v specimen) string { return fullWidth(v.printed) }),
		hidden(plain("mathematical", func(v specimen) string { return mathematical(v.printed) })),
		plain("Arabic-Indic digits", func(v specimen) string { return digitsAs(v.printed, '٠') }),
		plain("extended Arabic-Indic digits", func(v specimen) string { return digitsAs(v.printed, '۰') }),
		plain("Devanagari digits", func(v specimen) string { return digitsAs(v.printed, '०') }),
		plain("Bengali digits", func(v specimen) string { return digitsAs(v.printed, '০') }),
		plain("Thai digits", func(v specimen) string { return digitsAs(v.printed, '๐') }),
		hidden(plain("superscripts", func(v specimen) string { return superscript(v.printed) })),
		hidden(plain("overridden to the left", func(v specimen) string { return "\u202e" + reversed(v.printed) + "\u202c" })),
		hidden(plain("overridden, never closed", func(v specimen) string {
			if v.id == "ipv4" { // the full stop after it is then before it
				return ""
			}
			return "\u202e" + reversed(v.printed)
		})),
		hidden(plain("override without turning", func(v specimen) string { return "\u202e" + v.printed + "\u202c" })),
		markup("bold in the middle", func(v specimen) string { return v.middle("<b></b>") }),
		markup("a span a character", func(v specimen) string {
			return "<span style=\"x\">" + between(v.printed, "</span><span>") + "</span>"
		}),
		markup("references", func(v specimen) string { return entities(v.printed) }),
		markup("hexadecimal references", func(v specimen) string {
			var b strings.Builder
			for _, r := range v.printed {
				fmt.Fprintf(&b, "&#x%x;", r)
			}
			return b.String()
		}),
		hidden(markup("&zwnj;", func(v specimen) string { return v.middle("&zwnj;") })),
		hidden(markup("&shy;", func(v specimen) string { return v.middle("&shy;") })),
		hidden(markup("<wbr> and a soft hyphen", func(v specimen) string { return v.middle("<wbr>&#173;") })),
		markup("a font tag", func(v specimen) string { return v.middle(`<font color="#111111">`) + "</font>" }),
		markup("a comment", func(v specimen) string { return v.middle("<!-- 12 -->") }),
		markup("an image", func(v specimen) string { return v.middle(`<img src="x.png">`) }),
		markup("a paragraph of its own", func(v specimen) string { return "<p>" + v.printed + "</p>" }),
		markup("a list item", func(v specimen) string { return "<ul><li>" + v.printed + "</li></ul>" }),
		markup("a quote", func(v specimen) string { return "<blockquote itemtype=\"x\"><p>" + v.printed + "</p></blockquote>" }),
		markup("code", func(v specimen) string { return "<code>" + v.printed + "</code>" }),
		markup("upper case tags", func(v specimen) string { return "<P>" + v.middle("<B></B>") + "</P>" }),
		markup("unclosed tags", func(v specimen) string { return v.middle("<b><i><u>") }),
		markup("alternative text", func(v specimen) string { return `<img src=x alt="` + v.printed + `">` }),
	}
	for _, c := range []rune{0x200B, 0x200C, 0x200D, 0xFEFF, 0x2060, 0xAD, 0xFE0F, 0xFE00, 0x202D, 0x202C, 0x2067, 0x200E, 0x200F, 0x61C, 0x180E, 0x34F, 0x115F, 0x3164, 0xE0061, 0x2062, 0x2064} {
		all = append(all,
			hidden(plain(fmt.Sprintf("%U in the middle", c), func(v specimen) string { return v.middle(string(c)) })),
			hidden(plain(fmt.Sprintf("%U everywhere", c), func(v specimen) string { return between(v.printed, string(c)) })))
	}
	if token {
		return all
	}
	all = append(all,
		plain("bare", specimen.bare),
		plain("glued to words", func(v specimen) string {
			if !v.digits {
				return ""
			}
			return "nr" + v.bare() + "please"
		}),
		plain("each spaced", func(v specimen) string { return between(v.bare(), " ") }),
		plain("each spaced by NBSP", func(v specimen) string { return between(v.bare(), "\u00a0") }),
		plain("each dashed", func(v specimen) string { return between(v.bare(), "-") }),
		plain("each dotted", func(v specimen) string { return between(v.bare(), ".") }),
		plain("each spaced, groups wider", func(v specimen) string {
			g := v.groups()
			for i := range g {
				g[i] = between(g[i], " ")
			}
			return strings.Join(g, "  ")
		}),
		hidden(plain("keycaps", func(v specimen) string {
			if !v.digits {
				return ""
			}
			return between(v.bare(), "\ufe0f\u20e3") + "\ufe0f\u20e3"
		})),
		plain("over a line's end", func(v specimen) string { return v.line("\n") }),
		plain("over a line's end with spaces", func(v specimen) string { return v.line(" \n ") }),
		plain("over a line's end, CRLF", func(v specimen) string { return v.line("\r\n") }),
		markup("over <br>", func(v specimen) string { return v.line("<br>") }),
		markup("over <br /> and a new line", func(v specimen) string { return v.line("<br />\n") }),
		markup("over paragraphs", func(v specimen) string { return "<p>" + v.line("</p><p>") + "</p>" }),
		markup("over paragraphs and a new line", func(v specimen) string { return "<p>" + v.line("</p>\n<p>") + "</p>" }),
		markup("over div", func(v specimen) string { return "<div>" + v.line("</div><div>") + "</div>" }),
		markup("&nbsp;", func(v specimen) string { return v.parted("&nbsp;") }),
		markup("&thinsp;", func(v specimen) string { return v.parted("&thinsp;") }),
		markup("&ndash;", func(v specimen) string { return v.parted("&ndash;") }),
		markup("&#8209;", func(v specimen) string { return v.parted("&#8209;") }),
		markup("spaces of all kinds", func(v specimen) string { return v.parted(" &nbsp;") }),
		markup("bold groups", func(v specimen) string { return "<b>" + v.parted("</b> <b>") + "</b>" }),
		markup("digits from <b>", func(v specimen) string { return "<b>" + between(v.bare(), "</b><b>") + "</b>" }),
		markup("a nested table cell", func(v specimen) string { return "<table><tr><td>" + v.printed + "</td></tr></table>" }),
	)
	for _, sep := range []string{" ", "-", ".", "/", "_", "  ", "   ", "\t", " - ", "- ", "\u00a0", "\u2009", "\u200a", "\u2002", "\u2003", "\u2007", "\u3000", "\u202f", "\u205f", "\u1680",
		"\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2015", "\u2212", "\ufe63", "\uff0d", "\u2043", "\u00b7", "\uff0e", "\u2024", "\uff0f", "\u2044", "\u2215", "\uff3f", " \u2013 ", "\u00a0\u00a0", "\u2027", "\u30fb", "\u058a", "\u2e3a", "\ufe58", "\u3002"} {
		all = append(all, plain(fmt.Sprintf("separator %q", sep), func(v specimen) string { return v.parted(sep) }))
	}
	// Signs that nobody prints numbers with.
	for _, sep := range []string{"*", ":", ",", "|", "~", "+", "=", "\\", "\u2022", " * ", ", ", "#"} {
		all = append(all, plain(fmt.Sprintf("separator %q", sep), func(v specimen) string {
			if !v.digits || len(v.groups()) < 3 || v.groups()[1] == "095" || v.groups()[1] == "692" || v.groups()[1] == "456" {
				return "" // parted by commas, three digits and three are an amount
			}
			return v.parted(sep)
		}))
	}
	return all
}

// What editors, people and evaders do to values of many kinds is undone: each is
// found where its word is near, at the span of the source, and said to be hidden
// where it was.
func TestEvasionsOfMany(t *testing.T) {
	frames := [][2]string{{"WORD ", ""}, {"the WORD is ", " thanks"}, {"my WORD: ", "."}, {"Here you go (WORD): ", ", ok?"}}
	tried := 0
	for _, group := range []struct {
		values []specimen
		token  bool
	}{{specimens, false}, {tokens, true}} {
		for _, e := range evasionsOf(group.token) {
			for _, v := range group.values {
				made := e.make(v)
				if made == "" {
					continue
				}
				for _, f := range frames {
					before := strings.ReplaceAll(f[0], "WORD", v.word)
					src := before + made + f[1]
					tried++
					text := extract.Plain(src)
					if e.markup {
						text = extract.HTML(src)
					}
					m, ok := find(v.id, text)
					switch {
					case !ok:
						t.Errorf("%s: nothing of %s in %q: %s", e.name, v.id, src, found(text, Options{Min: Internal}))
						continue
					case e.hidden && !m.Obfuscated && made != v.printed:
						t.Errorf("%s: %s in %q is not said to be hidden", e.name, v.id, src)
					}
					_, start, end := text.Origin(m.Start, m.End)
					lo, hi := len(before), len(before)+len(made)
					if over := min(end, hi) - max(start, lo); start < lo-12 || end > hi || !e.markup && 2*over < hi-lo {
						t.Errorf("%s: span of %s in %q is %d:%d of %d:%d", e.name, v.id, src, start, end, lo, hi)
					}
				}
			}
		}
	}
	if tried < 5000 {
		t.Errorf("only %d cases", tried)
	}
}

// Letters that look like digits count as such, but only beside a keyword and
// never for more than low.
func TestLettersForDigits(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want want
	}{
		{"card 4lll llll llll llll", "credit-card 65"},
		{"my card is 4S39 S787 6362 l486", "credit-card 65"},
		{"card: 4539 5787 6362 I486", "credit-card 65"},
		{"card 4539-5787-6362-|486", "credit-card 65"},
		{"visa SI27 SOOl 2345 0984? mastercard 54l27SO1234S0984", "credit-card 65"},
		{"my visa is 4O12 8888 8888 l88l", "credit-card 65"},
		{"ssn 536-22-l234", "us-ssn 65"},
		{"ssn S36-2Z-1234 ok", "us-ssn 65"},
		{"nhs number 943 476 S9l9", "uk-nhs 65"},
		{"cpf 5Z9.982.247-25", "br-cpf 65"},
		{"aadhaar 2345 6789 OlZ4", "in-aadhaar 65"},
		{"4lll llll llll llll", ""},
		{"4S39 S787 6362 l486", ""},
		{"order 4S39 S787 6362 l486", ""},
		{"card 4lll llll llll lll2", ""},
		{"the card is in box 4, so all is lost I suppose", ""},
		{"card illicit 4 solo bliss", ""}, {"the card 4539 is so old, 5787 Bill", ""}, {"card 453957876362 is l486", ""},
		{"ssn x536-22-l234", ""},
		{"card " + strings.Repeat("word ", 30) + "4S39 S787 6362 l486", ""},
	} {
		if got := found(extract.Plain(tc.in), Options{}); got != tc.want {
			t.Errorf("%q: %q, want %q%s", tc.in, got, tc.want, explain(tc.in))
		}
		for _, m := range builtinEngine.Scan(extract.Plain(tc.in), Options{}) {
			if !m.Obfuscated || !strings.Contains(m.Why, "letters stand for digits") {
				t.Errorf("%q: %+v does not say so", tc.in, m)
			}
		}
	}
}

// What is encoded is decoded, twice, and reported where it stands.
func TestEncoded(t *testing.T) {
	b64 := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	percent := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, "%%%02X", s[i])
		}
		return b.String()
	}
	unicode := func(s string) string {
		var b strings.Builder
		for i := range len(s) {
			fmt.Fprintf(&b, "\\u%04x", s[i])
		}
		return b.String()
	}
	encodings := map[string]func(string) string{
		"base64": b64, "base64 unpadded": func(s string) string { return strings.TrimRight(b64(s), "=") },
		"base64url":        func(s string) string { return base64.URLEncoding.EncodeToString([]byte(s)) },
		"hex":              func(s string) string { return hex.EncodeToString([]byte(s)) },
		"HEX":              func(s string) string { return strings.ToUpper(hex.EncodeToString([]byte(s))) },
		"percent":          percent,
		"unicode":          unicode,
		"base64 twice":     func(s string) string { return b64(b64(s)) },
		"base64 of hex":    func(s string) string { return b64(hex.EncodeToString([]byte(s))) },
		"hex of base64":    func(s string) string { return hex.EncodeToString([]byte(b64(s))) },
		"base64, percent":  func(s string) string { return percent(b64(s)) },
		"percent, percent": func(s string) string { return percent(percent(s)) },
	}
	said := []struct{ text, id string }{
		{"AKIAZ7QW4NTPL2XKVB5M", "secret-aws-access-key"},
		{"ghp_k7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0W", "secret-github-token"},
		{"export TOKEN=glpat-k7Rm2XvQ9pLw4TzBn8Yh\n", "secret-gitlab-token"},
		{`{"user":"jo","password":"hunter2!kX9"}`, "password-assignment"},
		{"-----BEGIN RSA PRIVATE KEY-----\nMIIEpAIBAAKCAQEA7bq0Xk2vR9sT4uYwZ1cN8mL5jH3gF6dS\n-----END RSA PRIVATE KEY-----", "secret-private-key"},
		{"card number 4539 5787 6362 1486", "credit-card"},
	}
	frames := [][2]string{{"", ""}, {"look: ", " ok"}, {"data: \"", "\","}, {"kubectl says token=", "\nbye"}, {"x;", ";"}}
	for name, encode := range encodings {
		for _, v := range said {
			made := encode(v.text)
			for _, f := range frames {
				src := f[0] + made + f[1]
				text := extract.Plain(src)
				m, ok := find(v.id, text)
				if !ok {
					t.Errorf("%s: nothing of %s in %q: %s", name, v.id, src, found(text, Options{Min: Internal}))
					continue
				}
				if !strings.Contains(m.Why, "decoded from") || !m.Obfuscated {
					t.Errorf("%s: %s does not say that it was decoded: %+v", name, v.id, m)
				}
				if _, start, end := text.Origin(m.Start, m.End); start < len(f[0])-6 || start > len(f[0]) || end != len(f[0])+len(made) {
					t.Errorf("%s: span of %s in %q is %d:%d, want %d:%d", name, v.id, src, start, end, len(f[0]), len(f[0])+len(made))
				}
			}
		}
	}
	// Names with accents are text, at the start as well.
	accents := "Zoë Müller-Łoś žádá: card number 4539 5787 6362 1486"
	for name, made := range map[string]string{
		"base64": b64(accents), "base64 of an accent at the start": b64("ééééééééééé card number 4539 5787 6362 1486"), "hex": hex.EncodeToString([]byte(accents)), "percent": percent(accents),
		"unicode": `Zo\u00eb\u0020M\u00fcller\u0020card\u0020number\u00204539578763621486`,
	} {
		if m, ok := find("credit-card", extract.Plain("x "+made)); !ok || m.Level != High || m.Start != 2 {
			t.Errorf("%s: %+v", name, m)
		}
	}
	// Thrice is enough, and so is a blob that never ends; what is no text is none.
	for _, s := range []string{
		b64(b64(b64(said[0].text))), b64(strings.Repeat("word ", 900) + said[0].text), b64("internationalization of all"),
		"%41%4B", "100%25 of 4%20x %zz%41 %", "\\u0041", "c:\\users\\x41", b64("AKIAIOSFODNN7EXAMPLE is a placeholder"),
		"iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg==",
		"2fd4e1c67a2d28fced849ee1bb76e7391b93eb12", "4d7953716c576f726b62656e6368", b64("just a sentence with nothing in it"),
	} {
		if got := found(extract.Plain(s), Options{}); got != "" {
			t.Errorf("%q: %s", s, got)
		}
	}
	// Two things in one blob are both told of.
	if got, want := found(extract.Plain(b64("AKIAZ7QW4NTPL2XKVB5M and glpat-k7Rm2XvQ9pLw4TzBn8Yh")), Options{}), "secret-aws-access-key 85, secret-gitlab-token 85"; got != want {
		t.Errorf("two in one: %q, want %q", got, want)
	}
}

// Addresses are spelled in many ways, and words are not addresses.
func TestSpelledEmail(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want want
	}{
		{"jane.doe [at] contoso.com", "email 65"}, {"jane.doe(at)contoso.com", "email 65"}, {"jane.doe[at]contoso[dot]com", "email 65"}, {"jane.doe (at) contoso (dot) com", "email 65"},
		{"jane.doe {at} contoso {dot} com", "email 65"}, {"jane.doe <at> contoso <dot> com", "email 65"}, {"jane dot doe at contoso dot com", "email 65"}, {"jane.doe at contoso dot com", "email 65"},
		{"jane.doe AT contoso DOT com", "email 65"}, {"jane.doe @ contoso.com", "email 65"}, {"jane.doe@contoso[.]com", "email 65"}, {"jane.doe[@]contoso.com", "email 65"}, {"jane.doe(@)contoso.com", "email 65"},
		{"mail me: jane_doe [ at ] mail.contoso.co.uk", "email 65"}, {"jane.doe@contoso (dot) com", "email 65"}, {"jane.doe @contoso.com", "email 65"}, {"jane.doe＠contoso．com", "email 75"}, {"jane.doe[a]contoso.com", "email 65"},
		{"we meet at contoso.com", ""}, {"look at contoso dot", ""}, {"he is at home dot com or not", ""}, {"the party at contoso.com tonight", ""}, {"[at] contoso.com", ""}, {"x @ y", ""}, {"3 @ 4.50", ""}, {"lunch @ 12.30", ""},
		{"hi @contoso.com", ""}, {"see @ https://contoso.com", ""}, {"meet @ office.com", ""}, {"array[at]index.html", ""},
	} {
		if got := found(extract.Plain(tc.in), Options{}); got != tc.want {
			t.Errorf("%q: %q, want %q%s", tc.in, got, tc.want, explain(tc.in))
		}
	}
}
