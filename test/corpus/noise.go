package corpus

import (
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// silent is a case in which nothing is to be said.
func (g *gen) silent(s string, reason string) Case {
	html := g.coin()
	return Case{HTML: html, Body: g.chat(escape(s, html), html), Reason: reason}
}

// labelled returns a run of the type for behind a label that says it is something
// else: a type that one check makes at most 65 may pass it.
func (t *baseType) labelled(g *gen) string {
	switch t.id {
	case "credit-card", "br-cpf", "de-steuer-id", "pl-pesel", "es-dni":
		return t.make(g).compact()
	}
	if t.near == nil {
		return g.number(10)
	}
	return t.near(g)
}

var guidLabels = []string{"trace id", "correlation id", "request", "tenant", "see run", "object", "session", "x-ms-request-id:"}

// noises are the rows of what only looks like a value.
var noises = []Row{
	{Name: "guid", Kind: Noise, About: "41111111-1111-1111-1111-111111111111", types: but(allTypes(), "email", "secret", "es-dni"), build: func(g *gen, t *baseType, i int) Case {
		s := t.make(g).compact()
		if t.id == "iban" {
			s = ibanOf(g, "DE")
		}
		s = strings.TrimPrefix(s, "+")
		if i%4 == 0 {
			s = g.from(hexes, 8) + s
		}
		s = (s + g.from(hexes, 32))[:32]
		return g.silent(g.one(guidLabels...)+" "+s[:8]+"-"+s[8:12]+"-"+s[12:16]+"-"+s[16:20]+"-"+s[20:]+" failed", "digits of a GUID")
	}},
	{Name: "url-id", Kind: Noise, About: "?order=4111111111111111 without a word for it", types: but(allTypes(), "fr-nir"), build: func(g *gen, t *baseType, i int) Case {
		var u string
		host := "https://" + g.one("shop.contoso.com", "portal.fabrikam.de", "contoso.sharepoint.com")
		switch t.id {
		case "email":
			u = g.one("https://git.contoso.com/@jo.lind/notes", "git@git.contoso.com:web/site.git", "ssh://git@git.contoso.com/web/site.git", "https://social.contoso.com/@jane@news/"+g.from(digits, 12))
		case "secret":
			u = "https://contoso.sharepoint.com/:" + g.one("w", "x", "p") + ":/s/Team" + g.from(alnums, 4) + "/E" + g.from(alnums, 40) + "?e=" + g.from(alnums, 6)
		default:
			s := t.make(g).compact()
			if t.id == "iban" {
				s = t.near(g) // where the check holds, it is one
			}
			u = host + g.one("/cart?order=", "/list?page=2&ref=", "/items/", "/v1/runs/", "/a/b?x=1&o=") + strings.TrimPrefix(s, "+") + g.one("", "&lang=en", "/details", "#top")
			if strings.Contains(u, "/items/") || strings.Contains(u, "/runs/") {
				u = strings.Replace(u, "&lang", "?lang", 1)
			}
		}
		if i%3 == 0 {
			return Case{HTML: true, Body: `<p>` + g.filler(true) + ` <a href="` + escape(u, true) + `" title="` + escape(u, true) + `">` + g.one("here", "link", escape(u, true)) + "</a></p>", Reason: "an id in a URL"}
		}
		return g.silent(g.one("see ", "", "updated: ")+u, "an id in a URL")
	}},
	{Name: "order-ids", Kind: Noise, About: "order 4539578763621486", types: but(allTypes(), "email"), build: func(g *gen, t *baseType, i int) Case {
		s := t.labelled(g)
		label := g.one("order", "ticket", "tracking no.", "invoice no.", "Bestellung", "Auftrag", "Rechnung Nr.", "commande", "facture", "pedido", "factura", "ordine", "bestelling", "zamówienie", "order #", "parcel", "case", "shipment", "PO", "订单", "注文")
		switch t.id {
		case "iban":
			s = "PO" + s
		case "secret":
			s = g.one("ORD-", "INV-", "PO-", "SR-") + g.number(4) + "-" + g.from(uppers+digits, 8) + "-" + g.from(uppers+digits, 4)
		}
		return g.silent(label+" "+s+" "+g.one("is on its way", "was closed", "ist bezahlt", "est arrivée", "ready", ""), "a label says what the number is")
	}},
	{Name: "decimal-fraction", Kind: Noise, About: "0.4111111111111111", types: digitTypes, build: func(g *gen, t *baseType, i int) Case {
		s := t.make(g).compact()
		return g.silent(g.one("the ratio is ", "p = ", "mean ", "score: ", "Faktor ")+g.one("0.", "-0.", "3.", "12.", "0,")+s+g.one("", " ms", " (n=12)", "e-05"), "digits behind a decimal point")
	}},
	{Name: "quantities", Kind: Noise, About: "1234 5678 9012 3452 units", types: digitTypes, build: func(g *gen, t *baseType, i int) Case {
		var groups []string
		for _, n := range t.make(g).groups {
			groups = append(groups, g.number(max(2, len(n)%6)))
		}
		if t.id == "credit-card" { // passes Luhn, and no card starts with 1
			v := cardOf(g, "1", 16)
			groups = v.groups
		}
		unit := g.one("units", "pcs", "pieces", "kg", "EUR", "boxes", "Stück", "pièces", "unidades", "szt.", "個")
		return g.silent(g.one("stock: ", "quantities ", "we need ", "Q1-Q4: ", "")+strings.Join(groups, g.one(" ", " ", " / ", "  "))+" "+unit, "quantities with a unit")
	}},
	{Name: "timestamps", Kind: Noise, About: "1732375200000, ISO date-times", types: digitTypes, build: func(g *gen, t *baseType, i int) Case {
		at := time.Date(2020+g.IntN(7), time.Month(g.some(1, 12)), g.some(1, 28), g.IntN(24), g.IntN(60), g.IntN(60), g.IntN(1e9), time.UTC)
		forms := []string{
			fmt.Sprint(at.Unix()), fmt.Sprint(at.UnixMilli()), fmt.Sprint(at.UnixMicro()), fmt.Sprint(at.UnixNano()), at.Format("2006-01-02T15:04:05.000000Z"),
			at.Format("20060102150405"), at.Format("2006-01-02 15:04:05,000"), at.Format("20060102T150405Z"), at.Format("02.01.2006 15:04"), at.Format("200601021504"),
		}
		return g.silent(g.one("ts=", "last seen ", "epoch ", "at ", "started ", "")+forms[i%len(forms)]+g.one("", " done", ", next in 5 min"), "a point in time")
	}},
	{Name: "hex-and-base64", Kind: Noise, About: "4111111111111111abcdef…, git hashes, ETags", types: but(allTypes(), "es-dni"), build: func(g *gen, t *baseType, i int) Case {
		s := ""
		if t.id != "email" && t.id != "secret" {
			s = strings.TrimPrefix(t.make(g).compact(), "+")
			if t.id == "iban" {
				s = strings.ToLower(ibanOf(g, "DE"))
			}
		}
		length := []int{32, 40, 64}[i%3]
		h := g.from("abcdef", 2) + s + g.from("abcdef", 1)
		if g.coin() {
			h = s + g.from("abcdef", 3)
		}
		h = (h + g.from(hexes, 64))[:length]
		b := make([]byte, 48)
		for j := range b {
			b[j] = byte(g.IntN(256))
		}
		b64 := base64.StdEncoding.EncodeToString(b)
		b64 = b64[:20] + "a" + s + "Q" + b64[20:]
		switch i % 7 {
		case 0:
			return g.silent("commit "+h+" touched 3 files", "a hash")
		case 1:
			return g.silent(`ETag: W/"`+h+`"`, "a hash")
		case 2:
			return g.silent("sha256:"+h+" is the image", "a digest")
		case 3:
			return g.silent("md5 "+h, "a digest")
		case 4:
			return g.silent("sha512-"+b64[:len(b64)/4*4]+"==", "a digest in base64")
		case 5:
			return g.silent("blob "+b64, "base64 of nothing known")
		}
		return g.silent(h+"  "+g.one("setup.exe", "image.iso", "teamsdlp.tar.gz"), "a line of checksums")
	}},
	{Name: "meeting-id", Kind: Noise, About: "Meeting ID: 312 456 789 012", types: but(allTypes(), "iban", "es-dni", "email", "fr-nir"), build: func(g *gen, t *baseType, i int) Case {
		s := strings.TrimPrefix(t.make(g).compact(), "+")
		if t.id == "secret" || len(s) > 15 {
			s = g.number(3 * g.some(3, 5))
		}
		var parts []string
		for len(s) > 3 {
			parts, s = append(parts, s[:3]), s[3:]
		}
		parts = append(parts, s)
		id := strings.Join(parts, " ")
		switch i % 5 {
		case 0:
			return g.silent(g.one("Meeting ID: ", "Besprechungs-ID: ", "ID de réunion : ", "Id. de la reunión: ", "ID riunione: ")+id+"\n"+g.one("Passcode: ", "Kennung: ")+g.from(alnums, 6), "a meeting id")
		case 1:
			return g.silent("Phone conference ID: "+id+"#", "a conference id")
		case 2:
			return g.silent("Join on your computer. Meeting ID: "+strings.ReplaceAll(id, " ", "")+" Passcode: "+g.from(alnums, 8), "a meeting id")
		case 3:
			return g.silent("PIN "+g.from(digits, 6)+", ext. "+g.from(digits, 4)+", room "+g.from(digits, 3), "an extension")
		}
		return g.silent("webinar id "+id+", passcode "+g.from(digits, 6), "a webinar id")
	}},
	{Name: "thread-ids", Kind: Noise, About: "19:meeting_…@thread.v2", build: func(g *gen, t *baseType, i int) Case {
		s := ""
		if t.ascii {
			s = strings.TrimPrefix(t.make(g).compact(), "+")
		}
		h := (s + g.from(hexes, 32))[:32]
		id := []string{
			"19:meeting_" + g.from(alnums, 48) + "@thread.v2", "19:" + h + "@thread.tacv2", "19:" + h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:] + "_" + g.guid() + "@unq.gbl.spaces",
			"8:orgid:" + g.guid(), "19:" + h + "@thread.skype",
		}[i%5]
		return g.silent(g.one("chat ", "thread ", "see ", "conversation id: ")+id+g.one("", " message "+"17"+g.from(digits, 11)), "an id of Teams")
	}},
	{Name: "versions-and-addresses", Kind: Noise, About: "10.0.19041.1, 192.0.2.7, 2001:db8::1, localhost, 10.1.2.3", build: func(g *gen, t *baseType, i int) Case {
		n := func(below int) string { return fmt.Sprint(g.IntN(below)) }
		s := []string{
			"version 10.0." + g.number(5) + "." + n(5000), "v" + n(20) + "." + n(20) + "." + n(2000), "build " + n(20) + "." + n(10) + "." + g.number(4) + "." + n(900),
			"use 192.0.2." + n(255) + " in the docs", "198.51.100." + n(255) + " is an example", "203.0.113." + n(255) + ":8080", "2001:db8::" + g.from(hexes, 4) + ":1", "localhost:" + g.number(4),
			"127.0.0.1:" + g.number(4), "10." + n(255) + "." + n(255) + "." + n(255) + " is down", "192.168." + n(255) + "." + n(255), "172.16." + n(255) + "." + n(255) + "/24", "go" + n(2) + "." + n(30) + "." + n(10) + " and Chrome/1" + g.from(digits, 2) + ".0.0.0",
			"KB" + g.number(7) + " for 22H2 (19045." + g.number(4) + ")", "fe80::1%eth0", "release " + g.number(4) + "." + two(g.some(1, 12)) + "." + n(30),
		}[i%16]
		return g.silent(s, "a version, or an address that is nobody's")
	}},
	{Name: "product-codes", Kind: Noise, About: "GTIN, ISBN, IMEI, container numbers", build: func(g *gen, t *baseType, i int) Case {
		gtin := func(prefix string, n int) string {
			s := prefix + g.from(digits, n-1-len(prefix))
			sum := 0
			for j := range len(s) {
				w := 1
				if (len(s)-j)%2 == 1 {
					w = 3
				}
				sum += digit(s[j]) * w
			}
			return s + char((10-sum%10)%10)
		}
		switch i % 6 {
		case 0:
			return g.silent(g.one("EAN ", "GTIN ", "barcode ")+gtin(g.one("4", "40", "50", "30"), 13), "a product code")
		case 1:
			s := gtin("978", 13)
			return g.silent("ISBN "+s[:3]+"-"+s[3:4]+"-"+s[4:7]+"-"+s[7:12]+"-"+s[12:], "a book")
		case 2:
			s := g.one("35", "86", "01") + g.from(digits, 12)
			return g.silent("serial "+s+luhn(s)+" is in the device list", "a device, labelled as one")
		case 3:
			return g.silent("container "+g.one("MSCU", "MAEU", "CSQU", "HLXU")+g.number(7)+" left "+g.one("Rotterdam", "Hamburg"), "a container")
		case 4:
			return g.silent("UPC "+gtin(g.one("0", "7", "6"), 12)+", SKU "+g.number(t.width()), "a product code")
		}
		return g.silent("article "+g.number(t.width())+" (GTIN "+gtin("4", 14)+")", "a product code")
	}},
	{Name: "math-logs-csv", Kind: Noise, About: "log lines, CSV of counters, part numbers, 555-01xx", build: func(g *gen, t *baseType, i int) Case {
		n := func(w int) string { return g.number(w) }
		switch i % 7 {
		case 0:
			return g.silent(n(3)+" × "+n(4)+" = "+n(t.width())+", so "+n(6)+" + "+n(5)+" is less", "arithmetic")
		case 1:
			return g.silent("2026-0"+g.from("123456789", 1)+"-1"+g.from(digits, 1)+"T10:1"+g.from(digits, 1)+":07Z INFO worker "+n(1)+" done in "+n(3)+" ms rows="+n(t.width())+" bytes="+n(9), "a line of a log")
		case 2:
			row := func() string { return n(4) + "," + n(6) + "," + n(9) + "," + n(t.width()) }
			return g.silent("a,b,c,d\n"+row()+"\n"+row(), "counters, comma separated")
		case 3:
			return g.silent("part "+g.from(uppers, 2)+"-"+n(7)+"-"+n(3)+", rev "+g.from(uppers, 1), "a part number")
		case 4:
			return g.silent(g.one("call 555-01", "(212) 555-01", "212-555-01")+g.from(digits, 2)+" in the film", "a number kept for fiction")
		case 5:
			return g.silent("heap "+n(10)+" of "+n(11)+" bytes, addr 0x"+g.from(hexes, 12)+" pid "+n(5), "a line of a log")
		}
		return g.silent("x="+n(2)+" y="+n(3)+" sum(1..n)="+n(t.width())+" err=-1", "numbers of a program")
	}},
	{Name: "template-secrets", Kind: Noise, About: "your-api-key-here, xxxxx, ${VAR}, <token>, {{ }}", types: []string{"secret"}, build: templates},
	{Name: "known-test-values", Kind: Noise, About: "4242 4242 4242 4242, 078-05-1120, QQ123456C: reported, if at all, as test values", types: []string{"credit-card", "us-ssn", "uk-nino"}, build: func(g *gen, t *baseType, i int) Case {
		s := ""
		switch t.id {
		case "credit-card":
			s = g.one("4242 4242 4242 4242", "4111 1111 1111 1111", "4111111111111111", "378282246310005", "3782 822463 10005", "5555 5555 5555 4444", "5555555555554444", "4000 0000 0000 0002", "6011111111111117", "4012888888881881")
		case "us-ssn":
			s = g.one("078-05-1120", "987-65-4320", "987-65-4329", "219-09-9999", "987-65-4325")
		case "uk-nino":
			s = g.one("QQ123456C", "QQ 12 34 56 C", "QQ123456A")
		}
		html := g.coin()
		return Case{HTML: html, Known: true, Body: g.chat(g.say(t, s, true, html), html), Reason: "a published test value"}
	}},
}

// width is how many digits a number of the type has.
func (t *baseType) width() int {
	if !t.ascii {
		return 8
	}
	switch t.id {
	case "credit-card":
		return 14
	case "fr-nir":
		return 15
	case "in-aadhaar":
		return 12
	case "us-ssn", "nl-bsn":
		return 9
	case "uk-nhs", "phone-e164":
		return 10
	}
	return 11
}

func (g *gen) guid() string {
	h := g.from(hexes, 32)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

// templates are assignments of what a reader is to replace.
func templates(g *gen, t *baseType, i int) Case {
	x := func(c string, n int) string { return strings.Repeat(c, n) }
	all := []string{ //nolint:gosec // placeholders
		"AK" + "IAIOSFODNN7EXAMPLE", "aws_secret_access_key = wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "gh" + "p_" + x("x", 36), "gh" + "p_" + x("X", 36), "api_key = your-api-key-here",
		`apiKey: "YOUR_API_KEY_GOES_HERE_12345"`, "password: ${DB_PASSWORD}", "password = <password>", "token: <your-token>", "token: {{ .Values.github.token }}", "Authorization: Bearer <token>",
		"Authorization: Bearer $TOKEN", "password: ********", "password: xxxxxxxx", "secret: changeme", "SECRET_KEY=${SECRET_KEY}", "sk" + "_live_" + x("x", 24), "glp" + "at-" + x("x", 20),
		"xox" + "b-your-bot-token-here", "Account" + "Key=<storage-account-key>", "DB_PASSWORD=%DB_PASSWORD%", "password=$(cat /run/secrets/db)", "client_secret: 'REPLACE_ME_WITH_CLIENT_SECRET'",
		"password: [REDACTED]", "postgres://user:${PASSWORD}@db:5432/app", "https://user:password@host.contoso.com/", "api_key=process.env.API_KEY", `token = os.environ["API_TOKEN_1"]`,
		"pwd: [hidden]", "-----BEGIN PRIVATE KEY-----\n...\n-----END PRIVATE KEY-----", "SharedAccessKey=<key>", "token=REDACTED-0123456789abcdef0123", `"token": "00000000000000000000000000000000"`,
		"AI" + "zaSy" + x("X", 33), "npm_" + x("0", 36), "secret = secrets.token_urlsafe(32)", "curl -u user:password https://contoso.com", "sk" + "-ant-api03-your-key-here", "token: ENC[AES256_GCM,data:abc]",
		"password=%s", "my password is not working", "password reset for the portal is done", "apikey = 'abcdefghijklmnopqrstuvwxyz123456'", "token: 1234567890abcdef1234567890abcdef",
	}
	return g.silent(all[(i*7+g.IntN(2)*3)%len(all)], "a placeholder")
}
