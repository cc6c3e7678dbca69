package detect

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"teamsdlp/policy/extract"
)

// A maker writes one message that holds nothing sensitive.
type maker struct {
	name string
	make func(n *noisy) string
}

// noisy makes random values that pass as many checks as they can: noise that
// fails them proves nothing.
type noisy struct{ *rand.Rand }

func (n *noisy) digits(k int) string {
	b := make([]byte, k)
	for i := range b {
		b[i] = '0' + byte(n.IntN(10))
	}
	if b[0] == '0' {
		b[0] = '1' + byte(n.IntN(9))
	}
	return string(b)
}

func (n *noisy) from(chars string, k int) string {
	b := make([]byte, k)
	for i := range b {
		b[i] = chars[n.IntN(len(chars))]
	}
	return string(b)
}

func (n *noisy) hex(k int) string { return n.from("0123456789abcdef", k) }

func (n *noisy) pick(list ...string) string { return list[n.IntN(len(list))] }

// card is a number of 16 digits with a brand and Luhn's digit.
func (n *noisy) card() string {
	b := []byte(n.pick("4", "51", "55", "6011", "35", "2221", "62") + n.digits(16))[:16]
	for c := byte('0'); c <= '9'; c++ {
		if b[15] = c; luhn(b) {
			break
		}
	}
	return string(b)
}

func (n *noisy) guid() string {
	return n.pick("45395787", n.digits(8), n.hex(8)) + "-" + n.pick(n.digits(4), n.hex(4)) + "-" + n.digits(4) + "-" + n.digits(4) + "-" + n.pick(n.digits(12), n.hex(12))
}

func (n *noisy) blob(k int) string {
	return n.from("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/", k)
}

// gtin is an article number with its check digit.
func (n *noisy) gtin(k int) string {
	b := []byte(n.digits(k))
	sum := 0
	for i := range k - 1 {
		w := 1
		if (k-1-i)%2 == 1 {
			w = 3
		}
		sum += w * int(b[i]-'0')
	}
	b[k-1] = '0' + byte((10-sum%10)%10)
	return string(b)
}

func (n *noisy) date() string {
	return fmt.Sprintf("%04d-%02d-%02d", 2019+n.IntN(9), 1+n.IntN(12), 1+n.IntN(28))
}

func (n *noisy) clock() string {
	return fmt.Sprintf("%02d:%02d:%02d", n.IntN(24), n.IntN(60), n.IntN(60))
}

var makers = []maker{
	{"GUID", func(n *noisy) string { return "trace " + n.guid() + " failed" }},
	{"GUID in braces", func(n *noisy) string { return "{" + strings.ToUpper(n.guid()) + "}" }},
	{"GUID in a path", func(n *noisy) string { return "/subscriptions/" + n.guid() + "/resourceGroups/rg-" + n.digits(4) }},
	{"GUID of digits", func(n *noisy) string {
		c := n.card()
		return "id " + c[:8] + "-" + c[8:12] + "-" + c[12:] + "-" + n.digits(4) + "-" + n.digits(12)
	}},
	{"URL id", func(n *noisy) string {
		return "see https://shop.contoso.com/view?order=" + n.card() + "&x=" + n.digits(9)
	}},
	{"URL path", func(n *noisy) string { return "https://contoso.com/items/" + n.card() + "/" + n.digits(10) + ".html" }},
	{"URL without a scheme", func(n *noisy) string { return "contoso.com/orders/" + n.card() }},
	{"video", func(n *noisy) string { return "https://youtu.be/" + n.blob(11) + "?t=" + n.digits(4) }},
	{"social post", func(n *noisy) string { return "https://twitter.com/contoso/status/1" + n.digits(18) }},
	{"order", func(n *noisy) string {
		return n.pick("order ", "Order no. ", "order #", "Order number: ", "PO ", "purchase order ", "Bestellung ", "commande n° ", "pedido ") + n.card()
	}},
	{"ticket", func(n *noisy) string {
		return n.pick("ticket ", "ticket #", "case ", "Case ID: ", "INC", "incident ", "SR ") + n.pick(n.digits(9), n.digits(10), n.digits(11), n.card())
	}},
	{"invoice", func(n *noisy) string {
		return n.pick("invoice ", "invoice no ", "Invoice #", "Rechnung ", "facture ", "factura ") + n.pick(n.digits(8), n.digits(9), n.digits(10), n.digits(11), n.digits(12), n.card())
	}},
	{"tracking", func(n *noisy) string {
		return n.pick("tracking ", "tracking number: ", "tracking no. ", "Sendungsnummer ", "parcel ") + n.pick(n.digits(12), n.digits(14), n.digits(15), n.card(), n.digits(20), "1Z"+n.digits(16), "JD0"+n.digits(17))
	}},
	{"decimal fraction", func(n *noisy) string { return "the weight is 0." + n.card() + " now" }},
	{"larger fraction", func(n *noisy) string {
		return "x = " + n.digits(2) + "." + n.digits(n.IntN(8)+9) + ", y = -" + n.digits(1) + "." + n.digits(15)
	}},
	{"exponent", func(n *noisy) string { return "1." + n.digits(14) + "e-" + n.digits(2) }},
	{"quantities", func(n *noisy) string {
		return n.digits(4) + " " + n.digits(4) + " " + n.digits(4) + " 1" + n.digits(3) + " units sold per quarter"
	}},
	{"quantities first", func(n *noisy) string {
		return "units: 1" + n.digits(3) + " 1" + n.digits(3) + " 1" + n.digits(3) + " 1" + n.digits(3)
	}},
	{"epoch", func(n *noisy) string {
		return "ts=17" + n.digits(8) + " and 17" + n.digits(11) + " and 17" + n.digits(14)
	}},
	{"epoch bare", func(n *noisy) string { return "at 17" + n.digits(11) }},
	{"ISO date-time", func(n *noisy) string { return n.date() + "T" + n.clock() + "." + n.digits(7) + "Z" }},
	{"compact date-time", func(n *noisy) string { return "backup_" + strings.ReplaceAll(n.date()+n.clock(), "-", "") }},
	{"compact stamp", func(n *noisy) string {
		return "file " + strings.NewReplacer("-", "", ":", "").Replace(n.date()+n.clock()) + ".log"
	}},
	{"log line", func(n *noisy) string {
		return n.date() + " " + n.clock() + "," + n.digits(3) + " [main-" + n.digits(2) + "] INFO c.c.Service - took " + n.digits(6) + "us id=" + n.digits(12) + " size=" + n.digits(9)
	}},
	{"access log", func(n *noisy) string {
		return "10.1.2." + n.digits(2) + " - - [25/Nov/2026:" + n.clock() + " +0000] \"GET /a/" + n.digits(10) + " HTTP/1.1\" 200 " + n.digits(5)
	}},
	{"hash", func(n *noisy) string {
		return n.pick("commit ", "sha1 ", "etag \"", "digest sha256:") + n.pick(n.hex(40), n.hex(32), n.hex(64))
	}},
	{"hash of digits first", func(n *noisy) string { return "md5 " + n.card() + n.hex(16) }},
	{"short hash", func(n *noisy) string { return "revert " + n.hex(7) + " and " + n.hex(12) }},
	{"base64 blob", func(n *noisy) string { return "data:image/png;base64," + n.blob(400) }},
	{"base64 with digits", func(n *noisy) string { return n.blob(10) + n.card() + n.blob(14) }},
	{"base64 of bytes", func(n *noisy) string {
		b := make([]byte, 60)
		for i := range b {
			b[i] = byte(n.Uint32())
		}
		return "payload " + base64.StdEncoding.EncodeToString(b)
	}},
	{"base64 of text", func(n *noisy) string {
		return base64.StdEncoding.EncodeToString([]byte("the meeting is moved to " + n.date() + " at " + n.clock() + ", room 4." + n.digits(3)))
	}},
	{"ETag", func(n *noisy) string { return "ETag: W/\"" + n.hex(16) + "-" + n.digits(10) + "\"" }},
	{"meeting id", func(n *noisy) string {
		return n.pick("Meeting ID: ", "Meeting ID ", "meeting id: ") + n.digits(3) + " " + n.digits(3) + " " + n.digits(3) + " " + n.digits(3) + n.pick("", " Passcode: "+n.blob(6))
	}},
	{"meeting id, new", func(n *noisy) string {
		return "Besprechungs-ID: " + n.digits(3) + " " + n.digits(3) + " " + n.digits(3) + " " + n.digits(3) + " " + n.digits(1)
	}},
	{"conference PIN", func(n *noisy) string {
		return "Phone conference ID: " + n.digits(3) + " " + n.digits(3) + " " + n.digits(3) + "#"
	}},
	{"conference, plain", func(n *noisy) string { return "Conference ID: " + n.digits(9) + "#" }},
	{"extension", func(n *noisy) string { return "call me at ext. " + n.digits(4) + " or x" + n.digits(5) }},
	{"thread id", func(n *noisy) string { return "19:meeting_" + n.blob(48)[:40] + "@thread.v2" }},
	{"thread id, old", func(n *noisy) string { return "19:" + n.hex(32) + "@thread.tacv2" }},
	{"chat id", func(n *noisy) string { return "19:" + n.guid() + "_" + n.guid() + "@unq.gbl.spaces" }},
	{"deep link", func(n *noisy) string {
		return "https://teams.microsoft.com/l/message/19:" + n.hex(32) + "@thread.tacv2/17" + n.digits(11) + "?tenantId=" + n.guid()
	}},
	{"version", func(n *noisy) string {
		return "v" + n.digits(2) + ".0." + n.digits(5) + "." + n.digits(1) + " and version " + n.digits(1) + "." + n.digits(2) + "." + n.digits(2) + "." + n.digits(3)
	}},
	{"build", func(n *noisy) string {
		return "Build " + n.digits(8) + "." + n.digits(2) + " (release " + n.digits(4) + "." + n.digits(6) + ")"
	}},
	{"documentation IP", func(n *noisy) string {
		return n.pick("192.0.2.", "198.51.100.", "203.0.113.") + fmt.Sprint(n.IntN(256)) + " and 2001:db8::" + n.hex(4)
	}},
	{"private IP", func(n *noisy) string {
		return fmt.Sprintf("host 10.%d.%d.%d and 192.168.%d.%d, 172.16.0.1, 127.0.0.1, ::1, fe80::%s", n.IntN(256), n.IntN(256), n.IntN(256), n.IntN(256), n.IntN(256), n.hex(4))
	}},
	{"GTIN", func(n *noisy) string {
		return n.pick("EAN ", "GTIN: ", "barcode ", "UPC ") + n.pick(n.gtin(13), n.gtin(12), n.gtin(14), n.gtin(8))
	}},
	{"GTIN bare", func(n *noisy) string { return "we stock " + n.gtin(13) + " here" }},
	{"ISBN", func(n *noisy) string {
		return "ISBN " + n.pick("978-3-16-"+n.digits(6)+"-0", "978"+n.digits(10), "3-16-"+n.digits(6)+"-X")
	}},
	{"IMEI labelled order", func(n *noisy) string { return "serial number " + n.digits(15) }},
	{"container", func(n *noisy) string { return "container " + n.pick("MSCU", "TGHU", "CSQU") + n.digits(7) + " left" }},
	{"math", func(n *noisy) string {
		return n.digits(3) + " * " + n.digits(4) + " = " + n.digits(7) + "; " + n.digits(4) + "+" + n.digits(4) + "=" + n.digits(5) + ", 2^" + n.digits(2)
	}},
	{"CSV of counters", func(n *noisy) string {
		return n.date() + "," + n.digits(4) + "," + n.digits(6) + "," + n.digits(5) + "," + n.digits(7) + "," + n.digits(3) + ".5"
	}},
	{"CSV of large counters", func(n *noisy) string {
		return "rows;bytes;us\n" + n.digits(9) + ";" + n.digits(10) + ";" + n.digits(8) + "\n" + n.digits(9) + ";" + n.digits(11) + ";" + n.digits(7)
	}},
	{"part number", func(n *noisy) string {
		return n.pick("part ", "P/N ", "SKU ", "article ", "model ") + n.digits(3) + "-" + n.digits(2) + "-" + n.digits(5) + n.pick("", "A", "-X")
	}},
	{"fictional phone", func(n *noisy) string { return "call " + n.pick("212", "415", "(310)", "617") + "-555-01" + n.digits(2) }},
	{"amounts", func(n *noisy) string {
		return "EUR " + n.digits(3) + "," + n.digits(3) + "," + n.digits(3) + ".00 and $" + n.digits(2) + " " + n.digits(3) + " " + n.digits(3) + " and " + n.digits(3) + "." + n.digits(3) + "," + n.digits(2) + " €"
	}},
	{"big numbers", func(n *noisy) string {
		return "revenue of " + n.digits(9) + " USD, " + n.digits(10) + " bytes, " + n.digits(12) + " rows"
	}},
	{"populations", func(n *noisy) string {
		return "population " + n.digits(2) + " " + n.digits(3) + " " + n.digits(3) + ", area " + n.digits(3) + " " + n.digits(3) + " km²"
	}},
	{"placeholder secrets", func(n *noisy) string {
		return n.pick("AKIAIOSFODNN7EXAMPLE", "api_key = \"your-api-key-here\"", "token=xxxxxxxxxxxxxxxxxxxxxxxx", "password: ${DB_PASSWORD}", "secret: <your secret>", "Authorization: Bearer {{ token }}",
			"export GITHUB_TOKEN=ghp_xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", "PASSWORD=changeme", "api_key: \"REPLACE_ME\"", "password=********", "token: $(cat token.txt)", "key = os.environ['API_KEY']", "secret = process.env.SECRET_KEY")
	}},
	{"prose of secrets", func(n *noisy) string {
		return n.pick("the password is stored in the vault", "please reset your password by Friday", "token budget is 4096 this week", "the secret of success: ship early", "password rules: at least twelve characters", "I forgot my password again", "key takeaways: we need more people", "the token expires in 3600 seconds", "Passwort vergessen? Hier klicken", "pass: 312 fail: 4", "secret santa is on 2026-12-18", "API key rotation is due, see the wiki")
	}},
	{"file names", func(n *noisy) string {
		return "IMG_" + strings.ReplaceAll(n.date(), "-", "") + "_" + n.digits(6) + ".jpg, report-" + n.digits(8) + "-" + n.digits(6) + ".xlsx, DSC0" + n.digits(4) + ".png"
	}},
	{"Windows path", func(n *noisy) string {
		return `C:\Users\jo\AppData\Local\Temp\` + n.card() + `\` + n.digits(9) + `.tmp`
	}},
	{"registry", func(n *noisy) string {
		return `HKLM\SOFTWARE\{` + n.guid() + `} S-1-5-21-` + n.digits(10) + "-" + n.digits(10) + "-" + n.digits(9) + "-" + n.digits(4)
	}},
	{"UPC list", func(n *noisy) string { return "items " + n.gtin(12) + ", " + n.gtin(12) + ", " + n.gtin(12) }},
	{"coordinates of a window", func(n *noisy) string {
		return "x=" + n.digits(4) + ", y=" + n.digits(4) + ", w=" + n.digits(4) + ", h=" + n.digits(4)
	}},
	{"IDs in JSON", func(n *noisy) string {
		return `{"id": ` + n.digits(10) + `, "count": ` + n.digits(9) + `, "userId": ` + n.digits(12) + `, "ts": 17` + n.digits(11) + `}`
	}},
	{"hex dump", func(n *noisy) string {
		return "0000" + n.hex(4) + "  " + n.hex(2) + " " + n.hex(2) + " " + n.hex(2) + " " + n.hex(2) + " " + n.hex(2) + " " + n.hex(2) + " " + n.hex(2) + " " + n.hex(2)
	}},
	{"KB and CVE", func(n *noisy) string {
		return "KB" + n.digits(7) + " fixes CVE-2026-" + n.digits(5) + " (MS26-0" + n.digits(2) + ")"
	}},
	{"Jira", func(n *noisy) string {
		return "PROJ-" + n.digits(4) + ", ABC-" + n.digits(6) + ", AB-" + n.digits(7) + " are done"
	}},
	{"flight", func(n *noisy) string {
		return "LH" + n.digits(3) + " at 10:15, booking X" + n.digits(1) + "KL" + n.digits(1) + "P, seat 23C"
	}},
	{"sports", func(n *noisy) string { return "6-3 4-6 7-6 (7-5), 21:19, 11-9 11-7 9-11" }},
	{"ticker", func(n *noisy) string {
		return "MSFT 4" + n.digits(2) + "." + n.digits(2) + " AAPL 2" + n.digits(2) + "." + n.digits(2) + " vol " + n.digits(8)
	}},
	{"page ranges", func(n *noisy) string {
		return "pp. " + n.digits(3) + "-" + n.digits(3) + ", vol. " + n.digits(2) + "(" + n.digits(1) + "), doi:10.1145/" + n.digits(7) + "." + n.digits(7)
	}},
	{"cables", func(n *noisy) string {
		return "rack 12-04-" + n.digits(3) + ", port 1/0/" + n.digits(2) + ", vlan " + n.digits(4)
	}},
	{"VAT amount", func(n *noisy) string {
		return n.pick("VAT total: ", "VAT amount ", "total VAT: ", "VAT due ", "VAT paid: ") + n.digits(9)
	}},
	{"CI run", func(n *noisy) string {
		return n.pick("CI run ", "CI job ", "CI build #", "CI pipeline ", "the run ", "run id ", "Run ", "pipeline ") + n.pick(n.digits(8), n.digits(9)) + n.pick(" failed", " is green")
	}},
	{"fingerprint in groups", func(n *noisy) string {
		s := n.pick("key fingerprint: ", "thumbprint ", "SHA256 checksum: ") + n.hex(4)
		for range 7 {
			s += ":" + n.hex(4)
		}
		return s
	}},
	{"resource name", func(n *noisy) string {
		return "arn:aws:iam::" + n.digits(12) + ":role/x and projects/" + n.digits(12) + "/topics/y"
	}},
	{"e-mail id", func(n *noisy) string { return "Message-ID: <" + n.digits(14) + "." + n.hex(8) + "@mail-contoso>" }},
	{"bullet list", func(n *noisy) string {
		return "1. " + n.digits(3) + "\n2. " + n.digits(3) + "\n3. " + n.digits(4) + "\n4. " + n.digits(4)
	}},
	{"column of numbers", func(n *noisy) string {
		return n.digits(4) + "\n" + n.digits(4) + "\n" + n.digits(4) + "\n" + n.digits(4) + "\n" + n.digits(4) + "\n" + n.digits(4)
	}},
}

// chance is how many of 200 messages may alarm, where a number is by its check digit
// what it is not: one in ten of those with the right start.
var chance = map[string]int{"GTIN bare": 3, "UPC list": 12}

// Noise of every kind stays silent, alone and in a chat.
func TestNoiseOfMany(t *testing.T) {
	n := &noisy{rand.New(rand.NewPCG(3, 4))}
	frames := []string{"%s", "<p>%s</p>", "Hi, can you look at this? %s Thanks, Jo", "<div>fyi <b>team</b>:&nbsp;%s</div>", "%s\n\nwe will talk about it at 3"}
	const rounds = 40
	total, alarms := 0, 0
	for _, m := range makers {
		kinds, alarmed, example := map[string]int{}, 0, ""
		for i := range rounds * len(frames) {
			s := fmt.Sprintf(frames[i%len(frames)], m.make(n))
			text := extract.Plain(s)
			if strings.HasPrefix(s, "<") {
				text = extract.HTML(s)
			}
			total++
			if got := found(text, Options{}); got != "" {
				alarms++
				alarmed++
				kinds[got]++
				example = s
			}
		}
		if len(kinds) > 0 && alarmed > chance[m.name] {
			t.Errorf("%s: %v, as %q%s", m.name, kinds, example, explain(example))
		}
	}
	t.Logf("%d alarms in %d", alarms, total)
}
