package extract

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/net/html"

	"teamsdlp/test/trial"
)

func TestPlain(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"", ""},
		{"card 4111 1111 1111 1111", "card 4111 1111 1111 1111"},
		{"a\r\nb\n\nc", "a\nb\n\nc"},
		{"a\tb\vc\fd", "a b c d"},
		{"<b>&amp;", "<b>&amp;"},
		{"４１１１\u3000１１１１", "4111 1111"},
		{"٤١١١", "4111"},
		{"४१११", "4111"},
		{"𝟒𝟏𝟏𝟏 𝐯𝐢𝐬𝐚 𝑪", "4111 visa C"},
		{"4⁴⁰₉①⓪", "440910"},
		{"4\uFE0F\u20E31\uFE0F\u20E3", "41"},
		{"4\u200b1\u200c1\u200d1\ufeff1\u20601\u00ad1\ufe0f1", "41111111"},
		{"\u202e1111 1114\u202c", "1111 1114\f\n4111 1111"},
		{"a\u202ebcde\u202cf\ng", "abcdef\f\nedcb\n\n\ng"},
		{"\u202eab\u202c\u202dabcd\u202c", "ababcd"},
		{"\u202e\u202eéabc", "éabc\f\ncbaé"},
		{"4\u03361\u03361\u0336", "411"},
		{"v\u0336i\u0336s\u0336a", "visa"},
		{"cafe\u0301", "cafe\u0301"},
		{"536\u201122\u20131234 \u22125", "536-22-1234 -5"},
		{"a\u00a0b\u2009c\u202fd", "a b c d"},
		{"“pw” ‘x’", `"pw" 'x'`},
		{"jane＠example．com", "jane@example.com"},
		{"4111\x001111\x7f", "41111111"},
		{"a\xffb\xc3", "a\uFFFDb\uFFFD"},
		{"a\u2028b\u2029c", "a\nb\n\nc"},
		{"Straße 日本 Ключ", "Straße 日本 Ключ"},
	} {
		if got := string(Plain(tc.in).Bytes()); got != tc.want {
			t.Errorf("Plain(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestHTML(t *testing.T) {
	for _, tc := range []struct{ in, want string }{
		{"<p>a</p>\n<p>b</p>", "a\n\nb"},
		{"<div>a<div>b</div></div>c", "a\n\nb\n\nc"},
		{"a<br>b<br/><br>c", "a\nb\n\nc"},
		{"4111<b>1111</b><span class=x>11111111</span>", "4111111111111111"},
		{"4111<!-- x -->1111<!---->1<!-->1", "4111111111"},
		{"4111&nbsp;1111&#160;1111&#xA0;1111", "4111 1111 1111 1111"},
		{"&#52;&#49;&#x31;1 &#52 &amp;amp; &copy &notit; &unknown; & &#; &#x;", "4111 4 &amp; © ¬it; &unknown; & &#; &#x;"},
		{"&#8203;4&shy;1&zwj;1&ZeroWidthSpace;1", "4111"},
		{"4111<a href=\"https://x.test/?a=1&amp;b=%32\" title=t>1111</a>", "41111111\n\nhttps://x.test/?a=1&b=2\n\nt"},
		{"a<img src=x alt=\"4111 1111\">b", "ab\n\n4111 1111"},
		{`<emoji id="x" alt="4️⃣"></emoji><emoji alt="1️⃣" title=""></emoji>1`, "411"},
		{`<emoji alt="4"></emoji><emoji alt="1"></emoji>1`, "411"},
		{`ssn<ol start="536221234"><li>a<li value=536221235>b</ol><ol start="3"><li>c</ol>`, "ssn\n\na\n\nb\n\nc\n\n536221234\n\n536221235"},
		{`4<emoji id="1f61b" alt="😛" title="hi"></emoji>1`, "41\n\nhi\n\n😛"},
		{`<at id="0">Li Wei</at>&nbsp;hi <at id=1>R&amp;D Köln</AT>`, " hi "},
		{`<at id="0">Team&nbsp;4</at>`, "Team 4"},
		{`<at id="0">4111 11</at><at id="1">11 1111</at><at id="2"> 1111</at>`, "4111 1111 1111 1111"},
		{`<at id="0">password: Sommer</at> <at id="1">pwd＝Sommer</at> <at id="2">jo@contoso.test</at> <at id="3">pwd&colon; x</at>`, "password: Sommer pwd=Sommer jo@contoso.test pwd: x"},
		{`<at id="0">4111 1111 1111 1111</at>`, "4111 1111 1111 1111"},
		{`<at id="0">４１１１１１１</at>`, "4111111"},
		{`<at id="0">no end`, "no end"},
		{"<table><tr><th>Card no</th><th></th></tr><tr><td>4111</td><td>x</td></tr></table>y", "Card no\n4111\tx\n\ny"},
		{"<codeblock class=Go><code>a := 1<br>b  :=\t2</code></codeblock>x", "a := 1\nb  := 2\n\nx"},
		{"<pre>a\n  b</pre>", "a\n  b"},
		{"<p>a\n  b</p>", "a   b"},
		{"<script>4111</script>a<style>b</style><STYLE>x</style >c", "ac"},
		{"<script>4111", ""},
		{"<title>a&amp;<b></title><textarea>c</textarea>", "a&<b>\n\nc"},
		{"<xmp>&amp;<b>1</xmp>", "&amp;<b>1"},
		{"x <1 and y < z <", "x <1 and y < z <"},
		{"a </> b </ c> d </", "a  b  d </"},
		{"<?xml a?>b<!DOCTYPE html>c<!-- no end", "bc"},
		{"a <b 4111 1111", "a <b 4111 1111"},
		{"a <b title='4111 &amp; 1111", "a <b title='4111 & 1111"},
		{"<b title='>'>x</b>", "x\n\n>"},
		{"<b a=b/>x", "x"},
		{"</p></td></table></code></blockquote></pre></at>x", "x"},
		{"<systemEventMessage/>", ""},
		{"<attachment id=\"1\"></attachment>", ""},
		{"4\x001", "41"},
	} {
		if got := string(HTML(tc.in).Bytes()); got != tc.want {
			t.Errorf("HTML(%q) = %q, want %q", tc.in, got, tc.want)
		}
	}
}

func TestZone(t *testing.T) {
	text := HTML(`p<code>c</code><pre>C<b>C</b></pre><table><tr><td>t<code>T</code></td></tr></table>` +
		`<blockquote>q<code>q</code></blockquote><a href="l">p</a><img alt=l><codeblock/>p`)
	want := map[byte]Zone{'p': Prose, 'c': Code, 'C': Code, 't': Cell, 'T': Cell, 'q': Quote, 'l': Link}
	for i, c := range text.Bytes() {
		if z, ok := want[c]; ok && text.Zone(i) != z {
			t.Errorf("zone of %q at %d is %d, want %d", c, i, text.Zone(i), z)
		}
	}
	if z := new(Text).Zone(0); z != Prose {
		t.Errorf("zone in an empty text is %d", z)
	}
}

func TestHeader(t *testing.T) {
	text := HTML(`<p>x</p><table><tr><th>Name</th><th></th><th>Card</th></tr><tr><td>jo</td><td>-</td><td>4111</td></tr>` +
		`<tr><td>al</td><td>y<table><tr><td>in</td></tr><tr><td>down</td></tr></table>out</td><td>late</td></tr></table>` +
		`<table><tr><td>solo</td></tr></table><p>after</p>`)
	buf := string(text.Bytes())
	for word, want := range map[string]string{
		"jo": "Name", "4111": "Card", "-": "", "al": "Name", "down": "in",
		"x": "none", "Name": "none", "in": "none", "out": "none", "late": "none", "solo": "none", "after": "none",
	} {
		got := "none"
		if s, e, ok := text.Header(strings.Index(buf, word)); ok {
			got = buf[s:e]
		}
		if got != want {
			t.Errorf("header of %q is %q, want %q", word, got, want)
		}
	}
}

// origins maps every byte of a text back and checks what it finds there.
func TestOrigin(t *testing.T) {
	for _, tc := range []struct{ in, find, want string }{
		{"card 4111 1111", "4111 1111", "4111 1111"},
		{"<p>x 41<b>11</b>&nbsp;11&#49;1</p>", "4111 1111", "41<b>11</b>&nbsp;11&#49;1"},
		{"<b>4111</b>", "4111", "4111"},
		{"x&#52;111", "4111", "&#52;111"},
		{"<p>a</p><p>b</p>", "a\n\nb", "a</p><p>b"},
		{"é４１１１é", "4111", "４１１１"},
		{"4\u200b1\u200b", "41", "4\u200b1"},
		{"<a href='mailto:j%40x.com'>z</a>", "j@x.com", "j%40x.com"},
		{"&copy;x", "©", "&copy;"},
		{"a\xffb", "\uFFFD", "\xff"},
		{"<pre>a\r\nb</pre>", "a\nb", "a\r\nb"},
		// What draws a digit as a keycap, and the end of a direction that began inside.
		{"x 4\uFE0F\u20E31\uFE0F\u20E3 y", "41", "4\uFE0F\u20E31\uFE0F\u20E3"},
		{"x 4&#xFE0F;&#x20E3;1&#xFE0F;&#x20E3; y", "41", "4&#xFE0F;&#x20E3;1&#xFE0F;&#x20E3;"},
		{"信\uFE0Fx", "信", "信\uFE0F"},
		{"x 41\u202d11\u202c y", "4111", "41\u202d11\u202c"},
		{"x 41 \u206611\u2069 y", "41 11", "41 \u206611\u2069"},
		{"x \u202d4111\u202c y", "4111", "4111"},
		{"x 41\u202d11<br>22\u202c y", "22", "22"},
	} {
		text := HTML(tc.in)
		i := strings.Index(string(text.Bytes()), tc.find)
		part, s, e := text.Origin(i, i+len(tc.find))
		if i < 0 || part.Kind != PartBody || tc.in[s:e] != tc.want {
			t.Errorf("origin of %q in %q is %v %q, want %q", tc.find, tc.in, part, tc.in[s:e], tc.want)
		}
	}
	text := Plain("ab")
	for _, r := range [][2]int{{0, 0}, {1, 1}, {-1, 1}, {0, 3}, {2, 1}} {
		if p, s, e := text.Origin(r[0], r[1]); p != (Part{}) || s != 0 || e != 0 {
			t.Errorf("Origin(%d, %d) = %v %d %d, want nothing", r[0], r[1], p, s, e)
		}
	}
}

func TestMessage(t *testing.T) {
	src := Source{
		Subject: "subject", Summary: "summary", Body: "<p>bo&shy;dy</p>", HTML: true,
		Attachments: []Attachment{
			{ContentType: "forwardedMessageReference", Content: `{"originalMessageId":"1761980000009","originalMessageContent":"<p>pw:\u00a0hun\u200bter2!<\/p>","originalMessageSender":{"user":{"id":"77aa","displayName":"Li Wei"}}}`},
			{ContentType: "messageReference", Content: `{"messageId":"1","messagePreview":"he said \"4111\"\n","messageSender":{"user":{"displayName":"Bo"}}}`},
			{ContentType: "application/vnd.microsoft.card.adaptive", Content: `{"type":"AdaptiveCard","$schema":"http://s","body":[{"type":"TextBlock","text":"card 4111"},{"n":4111111111111111,"k":12}],"actions":[{"url":"https://x.test/a%20b"}]}`},
			{ContentType: "reference", Name: "q3.xlsx", ContentURL: "https://contoso.test/Shared%20Documents/q3.xlsx"},
			{ContentType: "application/vnd.microsoft.card.codesnippet", Content: `{"language":"a<b","codeSnippetUrl":"https://g.test/$value"}`},
			{ContentType: "x", Content: `plain <b>text</b>`},
			{ContentType: "x", Content: `{"broken": "no end`},
			{ContentType: "x", Content: `{"escape": "\ud83d\ude00 \ud800 \q \u12`},
		},
	}
	text := Message(src)
	want := strings.Join([]string{
		"subject", "summary", "body", "pw: hunter2!", "he said \"4111\" ",
		"card 4111\n\n4111111111111111\n\nhttps://x.test/a b", "q3.xlsx", "https://contoso.test/Shared Documents/q3.xlsx",
		"a<b\n\nhttps://g.test/$value", "plain text", "no end", "😀 \uFFFD \\q \\u12",
	}, "\f\n")
	if diff := cmp.Diff(want, string(text.Bytes())); diff != "" {
		t.Errorf("buffer (-want +got):\n%s", diff)
	}
	for _, tc := range []struct {
		find string
		part Part
		src  string
		zone Zone
	}{
		{"subject", Part{PartSubject, 0}, "subject", Prose},
		{"body", Part{PartBody, 0}, "bo&shy;dy", Prose},
		{"hunter2!", Part{PartAttachment, 0}, `hun\u200bter2!`, Quote},
		{": h", Part{PartAttachment, 0}, `:\u00a0h`, Quote},
		{`"4111"`, Part{PartAttachment, 1}, `\"4111\"`, Quote},
		{"card 4111", Part{PartAttachment, 2}, "card 4111", Prose},
		{"a b", Part{PartAttachment, 2}, "a%20b", Link},
		{"q3", Part{PartName, 3}, "q3", Prose},
		{"Shared D", Part{PartLink, 3}, "Shared%20D", Link},
		{"a<b", Part{PartAttachment, 4}, "a<b", Code},
		{"😀", Part{PartAttachment, 7}, `\ud83d\ude00`, Prose},
	} {
		i := strings.Index(string(text.Bytes()), tc.find)
		part, s, e := text.Origin(i, i+len(tc.find))
		if got := source(src, part)[s:e]; part != tc.part || got != tc.src || text.Zone(i) != tc.zone {
			t.Errorf("%q: %v %q zone %d, want %v %q zone %d", tc.find, part, got, text.Zone(i), tc.part, tc.src, tc.zone)
		}
	}
	// A stretch over two parts is told of the first.
	i := strings.Index(string(text.Bytes()), "summary")
	if part, s, e := text.Origin(i, text.Len()); part.Kind != PartSummary || s != 0 || e != len("summary") {
		t.Errorf("origin over parts: %v %d %d", part, s, e)
	}
}

// source returns the field that p names.
func source(src Source, p Part) string {
	switch p.Kind {
	case PartSubject:
		return src.Subject
	case PartSummary:
		return src.Summary
	case PartBody:
		return src.Body
	case PartAttachment:
		return src.Attachments[p.Index].Content
	case PartName:
		return src.Attachments[p.Index].Name
	case PartLink:
		return src.Attachments[p.Index].ContentURL
	}
	return ""
}

func TestObfuscated(t *testing.T) {
	for _, tc := range []struct {
		in   string
		want bool
	}{
		{"4111", false},
		{"４１１１", false}, // what a Japanese keyboard types
		{"41\u200b11", true},
		{"\u200b4111", false},
		{"4111\u200b", false},
		{"41\u00ad11", true},
		{"41\u202e11", true},
		{"𝟒111", true},
		{"411𝟏", true},
		{"4\uFE0F\u20E3111", true},
		{"41 11", false},
		{"41\x0011", true},
	} {
		text := Plain(tc.in)
		if got := text.Obfuscated(0, text.Len()); got != tc.want {
			t.Errorf("%q: obfuscated %t, want %t", tc.in, got, tc.want)
		}
	}
}

func TestNeverPrints(t *testing.T) {
	text := Plain("secret")
	for _, f := range []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x"} {
		if got := fmt.Sprintf(f, text); got != "[redacted]" {
			t.Errorf("%s prints %q", f, got)
		}
	}
	if b, err := text.MarshalText(); err != nil || string(b) != "[redacted]" {
		t.Errorf("MarshalText: %q, %v", b, err)
	}
}

// Loading again must leave nothing of the message before, and allocate nothing.
func TestLoadAgain(t *testing.T) {
	long := Source{Subject: "s", Body: "<table><tr><td>a</td></tr><tr><td>4&shy;1</td></tr></table><a href=x>b</a>", HTML: true,
		Attachments: []Attachment{{Content: `{"a":"b"}`, Name: "n"}}}
	short := Source{Body: "<p>hello &amp; <b>good&nbsp;bye</b></p>", HTML: true}
	var text Text
	text.Load(long)
	text.Load(short)
	fresh := Message(short)
	if string(text.Bytes()) != string(fresh.Bytes()) || text.Obfuscated(0, text.Len()) {
		t.Errorf("loaded again: %q, want %q", text.buf, fresh.buf)
	}
	if n := testing.AllocsPerRun(100, func() { text.Load(short); text.Load(long) }); n > 0 {
		t.Errorf("a warm Load allocates %v times", n)
	}
}

// visible is the oracle: the lines of a page and what its attributes say, by
// golang.org/x/net/html's Tokenizer, through the same rules of blocks, cells and
// attributes.
func visible(markup string) (lines, attrs string) {
	var b, links strings.Builder
	z := html.NewTokenizer(strings.NewReader(markup))
	hidden, verbatim := false, 0
	write := func(s string) {
		for _, r := range s { // an invalid byte must not join with the next token
			if verbatim == 0 && strings.ContainsRune("\n\t\r\f", r) {
				r = ' '
			}
			b.WriteRune(r)
		}
	}
	for {
		switch tt := z.Next(); tt {
		case html.ErrorToken:
			write(html.UnescapeString(string(z.Raw()))) // a tag without end is text
			return b.String(), links.String()
		case html.TextToken:
			if !hidden {
				write(string(z.Text()))
			}
			hidden = false
		case html.StartTagToken, html.EndTagToken, html.SelfClosingTagToken:
			n, more := z.TagName()
			name := string(n)
			hidden = tt != html.EndTagToken && (name == "script" || name == "style")
			for more && tt != html.EndTagToken {
				var k, v []byte
				k, v, more = z.TagAttr()
				switch string(k) {
				case "href":
					links.WriteString(" \n " + unpercent(string(v)))
				case "title", "alt":
					links.WriteString(" \n " + string(v))
				}
			}
			switch name {
			case "br", "blockquote", "table", "tr", "td", "th":
				b.WriteString("\n")
			case "pre", "codeblock":
				b.WriteString("\n")
				switch tt {
				case html.StartTagToken:
					verbatim++
				case html.EndTagToken:
					verbatim = max(0, verbatim-1)
				}
			default:
				if block(name) {
					b.WriteString("\n")
				}
			}
		default:
			hidden = false
		}
	}
}

// unpercent decodes the percent escapes of printable ASCII.
func unpercent(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if n, err := strconv.ParseUint(s[min(i+1, len(s)):min(i+3, len(s))], 16, 8); s[i] == '%' && i+2 < len(s) && err == nil && n >= ' ' && n < 0x7F && s[i+1] != '+' {
			b.WriteByte(byte(n))
			i += 2
			continue
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// linesOf returns the words of each line that has any.
func linesOf(s string) []string {
	var all []string
	for _, l := range strings.FieldsFunc(s, func(r rune) bool { return r == '\n' || r == '\t' }) {
		if f := strings.Fields(l); len(f) > 0 {
			all = append(all, strings.Join(f, " "))
		}
	}
	return all
}

func FuzzHTML(f *testing.F) {
	for _, s := range []string{
		"<p>a</p>", "<b", "<b a='", "</", "</x", "<!--", "<!-- --!>x", "<!--->x", "<a/b=c>x", "<a = b>x", "<a =b>x", "<a b = 'c'd>x",
		"&#x110000;&#99999999999;&#128;&#0;&amp&notin;&notit", "<title>&lt;</titl></title >x", "<plaintext><b>", "<style></style", "x<",
		"<table><td>1<table><th>2", "\xc3<b>\xa9", "<td><p>1</td>", "4\u0336<b>\u0336", "<xmp/>&amp;</xmp>", "<a href='&amp;x%3'>y", "<at>1</at>",
		"<p/a>b", "<A\x00>", "<a\fb>c", "<iframe>&lt;</iframe>", "<!>x", "<!a>x", "<?a>x", "</ a>x", "</>x", "<a '>'>x", "<a \"b=c>d\">x",
		"&acE;&NotEqualTilde;&bne;&fjlig;", "<titleabcdefgh>1</title>",
	} {
		f.Add(s)
	}
	trial.Fuzz(f, 300, func(t *testing.T, s string) {
		text := HTML(s)
		check(t, s, text)
		low := strings.ToLower(s)
		if strings.Contains(low, "<script") && strings.Contains(s, "<!--") || strings.Contains(low, "<at") || strings.Contains(low, "<emoji") || len(text.turned) > 0 || strings.Contains(s, "\x00") {
			return // rules that the oracle does not share
		}
		var got, links []byte
		for i, c := range text.Bytes() {
			if text.Zone(i) == Link {
				links = append(links, c)
				c = '\n'
			}
			got = append(got, c)
		}
		lines, attrs := visible(s)
		if diff := cmp.Diff(linesOf(string(Plain(lines).Bytes())), linesOf(string(got))); diff != "" {
			t.Errorf("HTML(%q) differs from the tokenizer (-want +got):\n%s", s, diff)
		}
		if strings.Count(low, "href") > 1 || strings.Count(low, "title") > 1 || strings.Count(low, "alt") > 1 {
			return // of an attribute that is there twice the tokenizer gives the first, and we read both
		}
		if diff := cmp.Diff(strings.Fields(string(Plain(attrs).Bytes())), strings.Fields(string(links))); diff != "" {
			t.Errorf("attributes of HTML(%q) differ from the tokenizer (-want +got):\n%s", s, diff)
		}
	})
}

// check holds for every text.
func check(t *testing.T, src string, text *Text) {
	t.Helper()
	if !utf8.Valid(text.Bytes()) {
		t.Errorf("%q: the buffer is not UTF-8", src)
	}
	last, links := 0, false
	for i := range text.Bytes() {
		_, s, e := text.Origin(i, i+1)
		if s < 0 || e < s || e > len(src) {
			t.Fatalf("%q: byte %d comes from %d:%d", src, i, s, e)
		}
		if links = links || text.Zone(i) == Link || len(text.turned) > 0; !links {
			if s < last {
				t.Fatalf("%q: byte %d comes from %d, before %d", src, i, s, last)
			}
			last = s
		}
		text.Header(i)
	}
	if len(text.Bytes()) > 3*len(src)+16 {
		t.Errorf("%q: %d bytes became %d", src, len(src), text.Len())
	}
}

func FuzzMessage(f *testing.F) {
	f.Add(`{"a":"b\u00e9<b>c</b>","type":"x"}`, "forwardedMessageReference")
	f.Add(`{"a":["\\","\"",1234567.8,"\ud800\u0041"]}`, "application/vnd.microsoft.card.adaptive")
	f.Add(`"\`, "messageReference")
	f.Add(`[{"https://x":"https://%41%"}]`, "")
	trial.Fuzz(f, 300, func(t *testing.T, content, kind string) {
		text := Message(Source{Body: "x", Attachments: []Attachment{{ContentType: kind, Content: content}}})
		if !utf8.Valid(text.Bytes()) {
			t.Errorf("%q: the buffer is not UTF-8", content)
		}
		for i := range text.Bytes() {
			part, s, e := text.Origin(i, i+1)
			if limit := map[Kind]int{PartBody: 1, PartAttachment: len(content)}[part.Kind]; s < 0 || e < s || e > limit {
				t.Fatalf("%q: byte %d comes from %v %d:%d", content, i, part, s, e)
			}
		}
	})
}

// hostile are texts that are quadratic for a careless reader.
var hostile = []string{
	"<", "<a", "<a ", "<a b='", "</", "<!--", "<!", "<?", "<div>", "<table><tr><td>", "<at>", "<title>", "<xmp></", "<script>", "<pre>", "<b title='x'>", "<b title=\"&amp;\">", "<style></styl", "<textarea>&",
	"&", "&#", "&#x", "&#0", "&abcdefghijklmnopqrstuvwxyz", "&not", "&#52;", "\u200b", "\u0336", "４", "<td>4</td>", "<at>Jo</at>", "<a href='%41'>", "<a href='a&a&'>", "<a href=\"&", "a&", "\xff", "<blockquote>", "<br>",
	"\u202e", "\u202e12345", "\u202e12345\u202c", "\u202e12345<br>", "<td>\u202e12345", "\\u0041", "\\", "\\\"", "\"", "\":\"", "1234567", "1.", "{", "https://%", "\"https://%41\",", "<at>\x00", "<emoji alt='4\ufe0f\u20e3'>", "<b a=b ", "<b/", "<b =", "<p>a",
}

// perByte bounds the steps that a byte of source may cost: the worst of the hostile
// texts costs about a third of it.
const perByte = 60

// Time is linear: twice the source is twice the work, and no byte costs more than a
// constant.
func TestLinear(t *testing.T) {
	for _, h := range append(append([]string{}, hostile...), "4", "@") {
		for name, wrap := range map[string]func(string) Source{
			"body": func(s string) Source { return Source{Body: s, HTML: true} },
			"one attribute": func(s string) Source {
				return Source{Body: "<a href=\"" + strings.ReplaceAll(s, "\"", "'") + "\">x</a>", HTML: true}
			},
			"plain": func(s string) Source { return Source{Body: s} },
			"card":  func(s string) Source { return Source{Attachments: []Attachment{{Content: `{"a":"` + s + `"}`}}} },
			"link":  func(s string) Source { return Source{Attachments: []Attachment{{ContentURL: s, Name: s}}} },
		} {
			var work [2]int
			for i, size := range []int{32 << 10, 64 << 10} {
				var text Text
				text.Load(wrap(strings.Repeat(h, size/len(h))))
				if work[i] = text.work; work[i] > perByte*size {
					t.Errorf("%s of %q: %d steps a byte", name, h, work[i]/size)
				}
			}
			if work[1] > 2*work[0]+work[0]/4+1<<12 {
				t.Errorf("%s of %q: %d steps for 32 KB, %d for 64 KB", name, h, work[0], work[1])
			}
		}
	}
}

// FuzzLinear asserts the same of whatever comes, repeated.
func FuzzLinear(f *testing.F) {
	for _, h := range hostile {
		f.Add(h, h)
	}
	trial.Fuzz(f, 5, func(t *testing.T, before, s string) {
		if len(s) == 0 || len(s) > 1<<10 || len(before) > 1<<10 {
			return
		}
		long := before + strings.Repeat(s, 1<<14/len(s))
		for _, src := range []Source{{Body: long, HTML: true}, {Body: long}, {Attachments: []Attachment{{Content: `{"a":"` + long, ContentURL: long}}}} {
			var text Text
			text.Load(src)
			if most := perByte * (2*len(long) + 64); text.work > most {
				t.Errorf("%q, then %q over and over: %d steps for %d bytes", before, s, text.work, len(long))
			}
			if most := 16*len(long) + 64; text.Len() > most || len(text.segs) > most || len(text.cells) > most || len(text.marks) > most {
				t.Errorf("%q, then %q over and over: %d bytes, %d segments, %d cells, %d marks of %d bytes", before, s, text.Len(), len(text.segs), len(text.cells), len(text.marks), len(long))
			}
		}
	})
}

// Ten megabytes of nesting end, and what follows is read.
func TestNesting(t *testing.T) {
	for _, tag := range []string{"<div>", "<table><tr><td>", "<blockquote>", "<pre>", "<b>", "<ul><li>"} {
		src := strings.Repeat(tag, 10<<20/len(tag)) + "4539 5787 6362 1486"
		text := HTML(src)
		if got := strings.TrimSpace(string(text.Bytes())); got != "4539 5787 6362 1486" {
			t.Errorf("under %s: %.40q", tag, got)
		}
		if _, s, e := text.Origin(text.Len()-19, text.Len()); src[s:e] != "4539 5787 6362 1486" {
			t.Errorf("under %s: origin %d:%d", tag, s, e)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	src := Source{HTML: true, Body: strings.Repeat(`<p>Hi <at id="0">Li Wei</at>&nbsp;could you look at <a href="https://contoso.test/a?b=1">the build</a>? It&#39;s <b>red</b> since 10:42.</p>`, 14)}
	b.Run("text", func(b *testing.B) {
		var t Text
		b.SetBytes(int64(len(src.Body)))
		b.ReportAllocs()
		for b.Loop() {
			t.Load(src)
		}
	})
	b.Run("tokenizer", func(b *testing.B) {
		b.SetBytes(int64(len(src.Body)))
		b.ReportAllocs()
		for b.Loop() {
			z := html.NewTokenizer(strings.NewReader(src.Body))
			for z.Next() != html.ErrorToken {
				_ = z.Token()
			}
		}
	})
}

// Eight bytes at a time stop where one by one would.
func TestOrdinary(t *testing.T) {
	for c := range 256 {
		for at := range 20 {
			s := []byte(strings.Repeat("aZ ~;=", 4))
			s[at] = byte(c)
			want := len(s)
			if special[c] {
				want = at
			}
			if got := ordinary(string(s), 0, len(s)); got != want {
				t.Errorf("byte %#x at %d: %d, want %d", c, at, got, want)
			}
		}
	}
}
