package corpus

import (
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
)

// holds is a case of one value in a sentence. written is how it stands in the body.
func (g *gen) holds(t *baseType, v value, written string, named, html bool, least, most int, reason string) Case {
	if !strings.ContainsRune(written, markFrom) {
		written = mark(written)
	}
	return Case{HTML: html, Body: g.chat(g.say(t, written, named, html), html), Want: []Span{t.span(v, least, most)}, Reason: reason}
}

// bent is a case of a value that is written oddly, with its word beside it: it is
// to be found, at what level the model does not say.
func (g *gen) bent(t *baseType, v value, written string, html bool, reason string) Case {
	return g.holds(t, v, written, true, html, 65, 85, reason)
}

// evasions are the rows of values that are to be found however they are written.
var evasions = []Row{
	{Name: "plain", Kind: Evasion, About: "4111 1111 1111 1111, with a word for it, or alone", build: func(g *gen, t *baseType, i int) Case {
		v, html := t.make(g), g.coin()
		switch i % 4 {
		case 0:
			return g.holds(t, v, v.compact(), true, html, t.level(v, true), 85, "written without a break, with a word for it")
		case 3:
			if t.printed >= 65 {
				return g.holds(t, v, v.printed(), false, html, t.printed, t.printed, "printed as usual, nothing said about it")
			}
			return Case{HTML: html, Body: g.chat(g.say(t, v.printed(), false, html), html), Reason: "its check is too weak to stand alone"}
		}
		return g.holds(t, v, v.printed(), true, html, t.level(v, false), 85, "printed as usual, with a word for it")
	}},
	{Name: "dots-slashes-underscores", Kind: Evasion, About: "4111.1111.1111.1111", types: but(numericTypes, "pl-pesel", "nl-bsn"), build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		return g.bent(t, v, v.with([]string{".", "/", "_"}[i%3]), g.coin(), "other separators than usual")
	}},
	{Name: "double-space", Kind: Evasion, About: "4111  1111, tabs", types: but(numericTypes, "pl-pesel", "nl-bsn", "es-dni"), build: func(g *gen, t *baseType, i int) Case {
		v, html := t.make(g), i%2 == 0
		sep := []string{"  ", "\t", "   ", " \t"}[i%4]
		if html {
			sep = []string{"&nbsp; ", " &nbsp;", "&nbsp;&nbsp;", "&#9;"}[i/2%4]
		}
		return g.bent(t, v, v.with(sep), html, "more than one blank between groups")
	}},
	{Name: "odd-spaces", Kind: Evasion, About: "NBSP, thin, ideographic space", types: append(but(numericTypes, "pl-pesel", "nl-bsn", "es-dni"), "phone-e164"), build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		return g.bent(t, v, v.with([]string{"\u00a0", "\u2009", "\u3000", "\u202f", "\u2007", "\u2003"}[i%6]), g.coin(), "a blank that is no ASCII space")
	}},
	{Name: "odd-dashes", Kind: Evasion, About: "U+2010 to U+2015, U+2212", types: append(but(numericTypes, "pl-pesel", "nl-bsn"), "phone-e164"), build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		return g.bent(t, v, v.with([]string{"\u2010", "\u2011", "\u2012", "\u2013", "\u2014", "\u2015", "\u2212"}[i%7]), g.coin(), "a dash that is no hyphen")
	}},
	{Name: "each-digit-spaced", Kind: Evasion, About: "4 1 1 1 1 1 …", types: numericTypes, build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		return g.bent(t, v, strings.Join(strings.Split(v.compact(), ""), []string{" ", "-", "\u00a0"}[i%3]), g.coin(), "every character apart")
	}},
	{Name: "zero-width", Kind: Evasion, About: "U+200B to U+200D, U+FEFF, U+2060, U+00AD, variation selectors", build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		hidden := []string{"\u200b", "\u200c", "\u200d", "\ufeff", "\u2060", "\u00ad", "\ufe0f"}[i%7]
		s := v.printed()
		if i%3 == 0 {
			return g.bent(t, v, strings.Join(strings.Split(s, ""), hidden), g.coin(), "something invisible between all characters")
		}
		for range 3 {
			at := g.some(1, len(s)-1)
			for at < len(s) && s[at]&0xc0 == 0x80 {
				at++
			}
			s = s[:at] + hidden + s[at:]
		}
		return g.bent(t, v, s, g.coin(), "something invisible in it")
	}},
	{Name: "other-digits", Kind: Evasion, About: "full-width, Arabic-Indic, Devanagari, mathematical digits", types: append(slices.Clone(numericTypes), "phone-e164"), build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		return g.bent(t, v, inDigits(v.printed(), []rune{'０', '٠', '۰', '०', '𝟎', '𝟶', '𝟢', '๐'}[i%8]), g.coin(), "digits of another script")
	}},
	{Name: "bidi", Kind: Evasion, About: "U+202E and the reversed value; controls of direction inside", build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		s := v.printed()
		if i%2 == 0 && t.numeric {
			return g.bent(t, v, "\u202e"+mark(reversed(s))+"\u202c", g.coin(), "stored backwards, shown forwards")
		}
		at := g.some(1, len(s)-1)
		return g.bent(t, v, s[:at]+g.one("\u200e", "\u200f", "\u202a", "\u2066", "\u202d")+s[at:]+g.one("", "\u202c", "\u2069"), g.coin(), "a control of direction in it")
	}},
	{Name: "html-split", Kind: Evasion, About: "4111<b>1111</b>, a <span> a digit, &nbsp;, &#52;", build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		s := v.printed()
		at := g.some(1, len(s)-1)
		switch i % 6 {
		case 0:
			s = mark(s[:at]+"<b>"+s[at:]) + "</b>"
		case 1:
			s = "<span>" + mark(strings.Join(strings.Split(s, ""), "</span><span>")) + "</span>"
		case 2:
			s = strings.ReplaceAll(s, " ", "&nbsp;")
			s = strings.ReplaceAll(s, "-", "&#x2d;")
		case 3:
			var b strings.Builder
			for _, r := range s {
				fmt.Fprintf(&b, g.one("&#%d;", "&#x%x;", "&#0%d;"), r)
			}
			s = b.String()
		case 4:
			s = s[:at] + "<!-- x -->" + s[at:]
		case 5:
			s = mark(s[:at]+`</span><span style="color:red"><i>`+s[at:]) + "</i>"
		}
		return g.bent(t, v, s, true, "markup in it that nobody sees")
	}},
	{Name: "line-break", Kind: Evasion, About: "4111 1111 / 1111 1111", types: but(numericTypes, "pl-pesel", "nl-bsn", "es-dni"), build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		if v.sep() == "." {
			v.seps = slices.Repeat([]string{" "}, len(v.seps))
		}
		a, b := v.split(g.some(1, len(v.groups)-1))
		switch i % 4 {
		case 0:
			return g.holds(t, v, a+"\n"+b, true, false, 65, 85, "one line break in it, with a word for it")
		case 1:
			return g.holds(t, v, a+g.one("<br>", "<br/>", "<br />\n")+b, true, true, 65, 85, "one line break in it, with a word for it")
		}
		c := Case{HTML: true, Want: []Span{t.span(v, 65, 75)}, Reason: "over two paragraphs, with a word for it: one level less"}
		tag := g.one("p", "div")
		c.Body = "<" + tag + ">" + escape(g.word(t), true) + ": " + string(markFrom) + a + "</" + tag + "><" + tag + ">" + b + string(markTo) + "</" + tag + ">"
		return c
	}},
	{Name: "table", Kind: Evasion, About: "the heading of the column names the values", build: tables},
	{Name: "letters-for-digits", Kind: Evasion, About: "4lll llll …, O for 0: only with a word for it, at most 65", types: digitTypes, build: func(g *gen, t *baseType, i int) Case {
		for {
			v := t.make(g)
			s := v.printed()
			if strings.Count(s, "0")+strings.Count(s, "1") < 2 {
				continue
			}
			one, zero := g.one("l", "I"), g.one("O", "o")
			switch i % 3 {
			case 0:
				s = strings.ReplaceAll(s, "1", one)
			case 1:
				s = strings.ReplaceAll(s, "0", zero)
			case 2:
				s = strings.NewReplacer("1", one, "0", zero).Replace(s)
			}
			if s != v.printed() {
				return g.holds(t, v, s, true, g.coin(), 65, 65, "letters that look like digits")
			}
		}
	}},
	{Name: "glued", Kind: Evasion, About: "card4111111111111111please", types: numericTypes, build: func(g *gen, t *baseType, i int) Case {
		v, html := t.make(g), g.coin()
		after := g.one("please", "thanks", "ok")
		if !t.ascii {
			after = g.one(",", "!", ".") // a letter would belong to the number
		}
		return Case{Lang: "en", HTML: html, Body: g.chat(escape(g.one("", "my", "the ", "see "), html)+t.glue+mark(v.compact())+after, html),
			Want: []Span{t.span(v, 65, 85)}, Reason: "its word is written right before it"}
	}},
	{Name: "unusual-lengths", Kind: Evasion, About: "19-digit Visa, 2-series Mastercard, 12-digit Maestro, 13-digit Visa", types: []string{"credit-card"}, build: func(g *gen, t *baseType, i int) Case {
		var v value
		switch i % 5 {
		case 0:
			v = cardOf(g, "4", 19)
		case 1:
			v = cardOf(g, padded(g.some(2221, 2720), 4), 16)
		case 2:
			v = cardOf(g, g.one("5018", "5020", "5038", "6304", "6759", "6761"), 12)
		case 3:
			v = cardOf(g, "4", 13)
		case 4:
			v = cardOf(g, "36", 14)
		}
		if g.coin() {
			return g.holds(t, v, v.compact(), true, g.coin(), 85, 85, "a length that few cards have")
		}
		return g.holds(t, v, v.printed(), true, g.coin(), 85, 85, "a length that few cards have")
	}},
	{Name: "iban-case-and-spacing", Kind: Evasion, About: "gb82west…, NBSP groups", types: []string{"iban"}, build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		s := v.printed()
		switch i % 5 {
		case 0:
			s = strings.ToLower(v.compact())
		case 1:
			s = strings.ReplaceAll(strings.ToLower(s), " ", "\u00a0")
		case 2:
			c := v.compact()
			s = c[:4] + " " + c[4:]
		case 3:
			s = strings.ReplaceAll(s, " ", "-")
		case 4:
			s = strings.ToUpper(s[:1]) + strings.ToLower(s[1:])
		}
		return g.holds(t, v, s, i%2 == 0, g.coin(), 75, 85, "any case and any groups are an IBAN")
	}},
	{Name: "email-spelled", Kind: Evasion, About: "jane.doe [at] contoso.com, full-width @", types: []string{"email"}, build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		at, dot := []string{" [at] ", "[at]", " (at) ", "＠", " [AT] ", "(at)", "﹫"}[i%7], "."
		switch {
		case i%3 == 1 && strings.Contains(at, "["):
			dot = g.one(" [dot] ", "[dot]")
		case at == "＠" && i%2 == 0:
			dot = "．"
		}
		name, host, _ := strings.Cut(v.printed(), "@")
		host = strings.ReplaceAll(host, ".", dot)
		return g.holds(t, v, name+at+host, i%2 == 0, g.coin(), 65, 85, "an address that people can read")
	}},
	{Name: "encoded-secret", Kind: Evasion, About: "base64, hexadecimal and percent-encoded, up to twice", types: []string{"secret"}, build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		s := "key=" + v.compact()
		if i%2 == 0 {
			s = v.compact()
		}
		std := base64.StdEncoding.EncodeToString
		switch i % 6 {
		case 0:
			s = std([]byte(s))
		case 1:
			s = base64.RawURLEncoding.EncodeToString([]byte(s + "\n"))
		case 2:
			s = hex.EncodeToString([]byte(s))
		case 3:
			s = percented(s)
		case 4:
			s = std([]byte(std([]byte(s))))
		case 5:
			s = std([]byte(`{"user":"svc-build","token":"` + v.compact() + `"}`))
		}
		before := g.one("", "config: ", "data:text/plain;base64,", "payload=")
		if i%6 == 2 || i%6 == 3 {
			before = g.one("", "config: ", "payload=")
		}
		return Case{HTML: i%4 < 2, Body: g.chat(before+mark(s), i%4 < 2), Want: []Span{t.span(v, 65, 85)}, Reason: "decoded, it is a secret"}
	}},
	{Name: "code-block", Kind: Evasion, About: "export TOKEN=…, JSON, YAML, .env, curl", build: codes},
	{Name: "keycap-superscript", Kind: Evasion, About: "U+0034 U+FE0F U+20E3, ⁴¹¹¹", types: append(slices.Clone(numericTypes), "phone-e164"), build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		var b strings.Builder
		super := strings.Split("⁰¹²³⁴⁵⁶⁷⁸⁹", "")
		for _, r := range v.printed() {
			switch {
			case r < '0' || r > '9':
				b.WriteRune(r)
			case i%2 == 0:
				b.WriteString(string(r) + "\ufe0f\u20e3")
			case i%4 == 1:
				b.WriteString(super[r-'0'])
			default:
				b.WriteRune('₀' + r - '0')
			}
		}
		return g.bent(t, v, b.String(), g.coin(), "digits drawn as signs")
	}},
	{Name: "said-twice", Kind: Evasion, About: "a quoted reply, a forward: once per value", build: func(g *gen, t *baseType, i int) Case {
		v := t.make(g)
		quote := func(s string) string {
			return `<blockquote itemscope itemtype="http://schema.skype.com/Reply" itemid="1764100000000"><p itemprop="preview">` + s + "</p></blockquote>"
		}
		first := g.say(t, mark(v.printed()), true, true)
		c := Case{HTML: true, Once: true, Want: []Span{t.span(v, t.level(v, false), 85)}, Reason: "the answer does not repeat it"}
		switch i % 3 {
		case 0: // the answer is other words
			c.Body = quote(first) + "<p>" + g.filler(true) + "</p>"
		case 1: // the answer repeats it
			c.Body = quote(g.say(t, v.printed(), true, true)) + "<p>" + first + "</p>"
			c.Reason = "quote and answer hold one value"
		case 2: // the link and its text
			if t.id != "email" && t.id != "phone-e164" {
				c.Body = quote(g.say(t, v.printed(), true, true)) + "<p>" + first + "</p>"
				c.Reason = "quote and answer hold one value"
				break
			}
			scheme := "mailto:"
			if t.id == "phone-e164" {
				scheme = "tel:"
			}
			c.Body = "<p>" + escape(g.word(t), true) + `: <a href="` + scheme + v.compact() + `">` + mark(v.printed()) + "</a></p>"
			c.Reason = "a link and its text hold one value"
		}
		return c
	}},
}

// inDigits writes the digits of s in those of another script, of which zero is
// given; full-width also takes the letters.
func inDigits(s string, zero rune) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r >= '0' && r <= '9':
			r += zero - '0'
		case zero == '０' && r >= 'A' && r <= 'Z':
			r += 'Ａ' - 'A'
		}
		b.WriteRune(r)
	}
	return b.String()
}

func reversed(s string) string {
	r := []rune(s)
	slices.Reverse(r)
	return string(r)
}

func percented(s string) string {
	var b strings.Builder
	for i := range len(s) {
		fmt.Fprintf(&b, "%%%02X", s[i])
	}
	return b.String()
}

// tables puts two or three values into the column that their word heads.
func tables(g *gen, t *baseType, i int) Case {
	c := Case{HTML: true, Reason: "the heading of its column is the word for it"}
	word := escape(g.word(t), true)
	column := i % 3
	if i%5 == 4 { // a table of one column of names and one of values, by row
		v := t.make(g)
		c.Want = []Span{t.span(v, t.level(v, false), 85)}
		c.Reason = "the cell before it is the word for it"
		c.Body = "<table><tbody><tr><td>Name</td><td>Anna Berg</td></tr><tr><td>" + word + "</td><td>" + mark(v.printed()) + "</td></tr><tr><td>Status</td><td>ok</td></tr></tbody></table>"
		return c
	}
	var b strings.Builder
	b.WriteString("<p>" + g.filler(true) + "</p><table><thead><tr>")
	cell := g.one("th", "td", "td")
	heads := []string{"Name", "Team", "Status"}
	for j, h := range heads {
		if j == column {
			h = word
		}
		b.WriteString("<" + cell + ">" + h + "</" + cell + ">")
	}
	b.WriteString("</tr></thead><tbody>")
	for range g.some(2, 3) {
		b.WriteString("<tr>")
		for j := range heads {
			s := []string{g.one("Anna Berg", "Jo Lind", "M. Rossi"), g.one("Sales", "Ops", "R&amp;D"), g.one("ok", "open", "done")}[j]
			if j == column {
				v := t.make(g)
				compact := g.coin()
				c.Want = append(c.Want, t.span(v, t.level(v, compact), 85))
				s = v.printed()
				if compact {
					s = v.compact()
				}
				s = g.one("<p>", "") + mark(s)
			}
			b.WriteString("<td>" + s + "</td>")
		}
		b.WriteString("</tr>")
	}
	b.WriteString("</tbody></table>")
	c.Body = b.String()
	return c
}

// codes puts a value into a block of code. With its word it keeps its level; a
// secret needs none; everything else loses a level.
func codes(g *gen, t *baseType, i int) Case {
	v := t.make(g)
	s := v.printed()
	if g.coin() {
		s = v.compact()
	}
	named := i%2 == 0
	name := map[string]string{"credit-card": "card_number", "iban": "iban", "us-ssn": "ssn", "uk-nhs": "nhs_number", "br-cpf": "cpf", "in-aadhaar": "aadhaar", "de-steuer-id": "steuer_id", "fr-nir": "nir",
		"pl-pesel": "pesel", "nl-bsn": "bsn", "es-dni": "dni", "phone-e164": "phone", "email": "email", "secret": "token"}[t.id]
	if !named {
		name = g.one("value", "x", "field1")
	}
	m := mark(s)
	code := ""
	switch i % 5 {
	case 0:
		code = "export " + strings.ToUpper(name) + "=" + m
	case 1:
		code = "{\n  \"user\": \"svc\",\n  \"" + name + "\": \"" + m + "\"\n}"
	case 2:
		code = "user: svc\n" + name + ": " + m + "\nenabled: true"
	case 3:
		code = "curl -s -d '" + name + "=" + m + "' https://api.contoso.com/v1/check"
	case 4:
		code = "def run():\n    " + name + " = \"" + m + "\"\n    return f(" + name + ")"
	}
	c := Case{HTML: true, Reason: "code with a word for it"}
	least, most := t.level(v, s == v.compact()), 85
	switch {
	case t.id == "secret":
		c.Reason = "secrets keep their level in code"
		least = 85
	case !named:
		c.Reason = "code without a word for it: one level less"
		least, most = lower(t.printed), t.printed
		if s == v.compact() && s != v.printed() {
			least = lower(t.bare)
		}
		if least < 65 { // it may be reported or not
			least, most = 65, 85
			code = "export " + strings.ToUpper(t.glue) + "=" + mark(v.printed())
			c.Reason = "code with a word for it"
		}
	}
	c.Want = []Span{t.span(v, least, most)}
	if t.id == "secret" {
		c.Want[0].Least = 85
	}
	escaped := strings.ReplaceAll(strings.ReplaceAll(code, "&", "&amp;"), "\"", "&quot;")
	if g.coin() {
		c.Body = `<p>` + g.filler(true) + `</p><codeblock class="Bash"><code>` + strings.ReplaceAll(escaped, "\n", "<br>") + "</code></codeblock>"
	} else {
		c.Body = "<pre><code>" + escaped + "</code></pre>"
	}
	return c
}

func lower(level int) int {
	switch level {
	case 85:
		return 75
	case 75:
		return 65
	}
	return 40
}
