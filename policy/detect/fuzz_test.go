package detect

import (
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"teamsdlp/policy/extract"
	"teamsdlp/test/trial"
)

// worked scans a text and returns the matches and the steps beyond the one pass.
func worked(t *extract.Text, o Options) ([]Match, int) {
	s := new(scanner)
	s.start(builtinEngine, t, o, true)
	s.run()
	s.custom()
	return s.resolve(), s.work
}

// perByte bounds the steps that a byte may cost, whatever the text. Measured on
// the hostile texts below the worst is about a quarter of this.
const perByte = 500

// hostile are texts that are quadratic for a careless scanner.
var hostile = []string{
	"1", "1 ", "4111 ", "4539578763621486 ", "4539578763621486 card ", "card ", "536-22-1234 ", "1-", "1.", "1/", "1\n", "12\n\n", "@", "a@", "a@b.", "a@b.co ", "+", "+1", "+44 ", "://", "a://b:c@",
	"-", "-----BEGIN ", "-----BEGIN PRIVATE KEY-----", "-----BEGIN PRIVATE KEY-----\nabcdefghijklmnopqrstuvwxyz", "eyJ", "eyJa.", "AKIA", "ghp_", "xoxb-", "xoxe.xoxp-", "hooks.slack.com/services/",
	"password", "password:", "password: a ", "pw:", "token=", "secret", "aws ", "aws k7Rm2XvQ9pLw4TzBn8YhJ3cFs6Dg1Ke5Ua0Wo+/i ", "Q~", "a.b1Q~", "[at]", "a [at] ", "GB82", "GB82 ", "DE75512108001245126199 ",
	"DE 7 5 ", "RSSMRA85T10A562S ", "AB123456C ", "X1234567L ", "12345678Z ", "a", "A", "aB", "é", "密码", "カード 4539578763621486 ", "accountkey=", "(212) 736-5000 ", "(", "ssn 536221234 ", "9434765919 ",
	"%", "%41", "%41 ", "%4", "\\u0041", "\\x41", "QUtJQVo3UVc0TlRQTDJYS1ZCNU0=", "QUtJQVo3UVc0TlRQTDJYS1ZCNU0= ", "UVV0SlFWbzNVVmMwVGxSUVREY", "41414141", "a b ", "1 a ", "1 2 ", "A 1 2 3 4 5 6 7 8 9 , ",
	"4l", "l", "4S39 S787 6362 l486 ", "card 4S39 S787 6362 l486 ", "l1 ", "1*", "1*2,", "123,456*", "123*456*789 ", " at ", " dot ", "a at b dot ", "[at]a[dot]", "a@b[.]", "a @ b", " @ ", "(", "{ a", "\u202e1", "\u202e12345\u202c", "<at>",
	"{\"", "\f", "\n", " ", "\x00", "\xff", "41111111-1111-1111-1111-111111111111 ", "https://x/4539578763621486 ", "order 4539578763621486 ",
	"12 Main Street ", "address 12 Main Street, ", "1 Aa Aa Aa St ", "Rue Aa Aa ", "12 rue Aa, ", "Aastr. 1 ", "Aa Straße 1, ", "via ", "lives at Via Aa 12, 12345 Aa ", "PO Box 1 ", "postcode ", "postcode A", "postcode 12345 ", "PLZ:", "zip code 12345-6789 ",
	".local", "a.local ", "ssh a1.b.local ", ".ad.ad.", "a1.corp.local 10.1.2.3 ", "10.1.2.3 ab-1 ", "ab-12 is 10.1.2.3 ",
	"curl ", "curl -u a:bcdefg ", "machine ", "machine a login b password c ", "sig=", "&sig=%2F", "sv=1&sig=" + strings.Repeat("aZ9", 15) + "&", "key=", "_key=a1", "api key ", "bearer ", "authorization: basic ", "us1", "-us1", "AAE",
	":AAE", "1:AAE", "MTA", "azure ", "azure a", "pgpass\n", "pgpass\na:1:b:c:dddd\n", "PuTTY-User-Key-File-", "PuTTY-User-Key-File-Private-Lines: 1\n", "client-key-data:", "client-key-data: LS0t", "datadog", "datadog_key=",
	"datadog: ", "password for ", "password for the ", "password is ", "_authToken=", "atlasv1.", "a.atlasv1.", "_mmk", "mmk", "PrivateKey=", "token(\"", "token, \"", "<token>", "--token ", "token=\"", "pwd;host=;pwd=", "password=a;server=b;uid=c;",
	"login: a / b", "login", "sshpass -p ", "mysql -p", "creds: x / Aa1bbbbb ", "password's ", "password new ", "password → ", "service_account", "-----BEGIN PRIVATE KEY-----service_account", "ya29.", "hf_", "sk-", "AccountKey=", "documents.azure.com AccountKey=",
}

// Time is linear: twice the text is twice the work, and no byte costs more than a
// constant.
func TestLinear(t *testing.T) {
	for _, h := range hostile {
		var work [2]int
		for i, size := range []int{32 << 10, 64 << 10} {
			text := extract.Plain(strings.Repeat(h, size/len(h)))
			_, work[i] = worked(text, Options{Min: Internal})
			if work[i] > perByte*size {
				t.Errorf("%q: %d steps a byte", h, work[i]/size)
			}
		}
		if work[1] > 2*work[0]+work[0]/4+1<<16 {
			t.Errorf("%q: %d steps for 32 KB, %d for 64 KB", h, work[0], work[1])
		}
	}
}

func FuzzScan(f *testing.F) {
	for i, k := range builtin {
		// One of each, or a short run would be over before all were tried; TestExamples
		// has them all.
		if i%2 == 0 {
			f.Add(k.Match[0], false)
		} else {
			f.Add(k.NoMatch[0], false)
		}
	}
	for _, h := range hostile {
		f.Add(strings.Repeat(h, 20), false)
	}
	f.Add("<table><tr><th>card</th></tr><tr><td>4539<b>5787</b>6362&#49;486</td></tr></table><a href='mailto:a@b.co'>", true)
	regions := []Options{{Min: Internal}, {Min: Internal, Regions: []string{"us"}, RegionHint: "GB"}}
	trial.Fuzz(f, 10, func(t *testing.T, s string, markup bool) {
		text := extract.Plain(s)
		if markup {
			text = extract.HTML(s)
		}
		for _, o := range regions {
			m, work := worked(text, o)
			checkMatches(t, s, text, m)
			if work > perByte*(len(s)+64) {
				t.Errorf("%q: %d steps", s, work)
			}
			if again := builtinEngine.Scan(text, o); len(again) != len(m) {
				t.Errorf("%q: %d matches, then %d", s, len(m), len(again))
			}
		}
		_, rejected := builtinEngine.ScanExplain(text, Options{})
		for _, r := range rejected {
			if r.Start < 0 || r.Start > r.End || r.End > text.Len() || r.Gate == "" || !builtinEngine.Has(r.Detector) {
				t.Errorf("%q: rejected %+v of %d bytes", s, r, text.Len())
			}
		}
		if masked := builtinEngine.MaskAll(s); utf8.ValidString(s) && !utf8.ValidString(masked) {
			t.Errorf("%q: masked text is not UTF-8", s)
		}
	})
}

// checkMatches holds for whatever is found.
func checkMatches(t *testing.T, s string, text *extract.Text, matches []Match) {
	t.Helper()
	last := 0
	for _, m := range matches {
		if m.Start < last || m.End <= m.Start || m.End > text.Len() {
			t.Fatalf("%q: %s at %d:%d after %d of %d", s, m.Detector, m.Start, m.End, last, text.Len())
		}
		last = m.End
		span := text.Bytes()[m.Start:m.End]
		if !utf8.Valid(span) || slices.Contains(span, '\f') || m.Level < Internal || m.Level > High || m.Why == "" || m.Masked == "" || m.Value.Reveal() == "" {
			t.Errorf("%q: %+v", s, m)
		}
		if d := kinds[m.Detector]; d == nil || d.Family != m.Family {
			t.Errorf("%q: %s of family %s", s, m.Detector, m.Family)
		}
		if _, start, end := text.Origin(m.Start, m.End); end <= start || end > len(s) {
			t.Errorf("%q: %s comes from %d:%d of %d", s, m.Detector, start, end, len(s))
		}
	}
}
