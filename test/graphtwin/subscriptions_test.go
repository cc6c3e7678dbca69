package graphtwin_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/test/graphtwin"
)

func TestHandshakeOnTheWire(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	contoso(t, tw).subscribe(rc)
	if len(rc.handshakes) != 2 {
		t.Fatalf("%d handshakes, want one for each URL", len(rc.handshakes))
	}
	for i, path := range []string{"/notify", "/lifecycle"} {
		r := rc.handshakes[i]
		_, token, _ := strings.Cut(r.URL.RawQuery, "validationToken=")
		const want = "Validation%3a+Testing+client+application+reachability+for+subscription+Request-Id%3a+"
		if r.Method != "POST" || r.URL.Path != path || !strings.HasPrefix(token, want) {
			t.Errorf("%s %s", r.Method, r.URL)
		}
		if r.Header.Get("Content-Type") != "text/plain; charset=utf-8" || r.Header.Values("User-Agent") != nil || r.ContentLength != 0 {
			t.Errorf("headers %v, length %d", r.Header, r.ContentLength)
		}
	}
	if q := rc.handshakes[0].URL.RawQuery; !strings.HasPrefix(q, "keep=1&") {
		t.Errorf("the URL's own query was lost: %s", q)
	}
}

func TestCreateIsRefused(t *testing.T) {
	const minutes = time.Minute
	in := func(d time.Duration) func(map[string]any) {
		return with("expirationDateTime", time.Now().Add(d).UTC().Format(time.RFC3339))
	}
	small := must(rsa.GenerateKey(rand.Reader, 1024))
	ec := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	ecCert := must(x509.CreateCertificate(rand.Reader, &x509.Certificate{SerialNumber: big.NewInt(1)}, &x509.Certificate{SerialNumber: big.NewInt(1)}, ec.Public(), ec))
	bare := must(x509.MarshalPKIXPublicKey(encryptionKey().Public()))
	b64 := base64.StdEncoding.EncodeToString
	const payload = "Could not process subscription creation payload."
	for _, tc := range []struct {
		name    string
		change  func(map[string]any)
		status  int
		code    string
		message string
	}{
		{"no resource", without("resource"), 400, "InvalidRequest", "'resource' is required"},
		{"no changeType", without("changeType"), 400, "InvalidRequest", "'changeType' is required"},
		{"no notificationUrl", without("notificationUrl"), 400, "InvalidRequest", "'notificationUrl' is required"},
		{"no expirationDateTime", without("expirationDateTime"), 400, "InvalidRequest", "'expirationDateTime' is required"},
		{"misspelt property", with("notificationURI", "x"), 400, "InvalidRequest", payload},
		{"wrong type", with("includeResourceData", "yes"), 400, "InvalidRequest", payload},
		{"no date", with("expirationDateTime", "soon"), 400, "InvalidRequest", payload},
		{"web push", with("vapidPublicKey", "x"), 400, "InvalidRequest", payload},
		{"query options", with("notificationQueryOptions", "x"), 400, "InvalidRequest", "notificationQueryOptions"},
		{"unknown changeType", with("changeType", "created,moved"), 400, "InvalidRequest", "changeType"},
		{"unknown resource", with("resource", "/chats/getSomeMessages"), 400, "InvalidRequest", "is not supported"},
		{"$select", with("resource", "/chats/getAllMessages?$select=id"), 400, "InvalidRequest", "$select"},
		{"delegated only", with("resource", "/me/chats/getAllMessages"), 500, "ExtensionError", "Specified method is not supported"},
		{"plain http", with("notificationUrl", "http://dlp.example.com/n"), 400, "InvalidRequest", "must be https"},
		{"plain http for lifecycle", with("lifecycleNotificationUrl", "http://10.0.0.1/n"), 400, "InvalidRequest", "must be https"},
		{"long clientState", with("clientState", strings.Repeat("x", 129)), 400, "InvalidRequest", "clientState"},
		{"long certificate id", with("encryptionCertificateId", strings.Repeat("x", 129)), 400, "InvalidRequest", "encryptionCertificateId"},
		{"TLS version", with("latestSupportedTlsVersion", "v2_0"), 400, "InvalidRequest", "latestSupportedTlsVersion"},
		{"rich without certificate", without("encryptionCertificate"), 400, "InvalidRequest", "required when includeResourceData"},
		{"rich without certificate id", without("encryptionCertificateId"), 400, "InvalidRequest", "required when includeResourceData"},
		{"PEM instead of DER", with("encryptionCertificate", "-----BEGIN CERTIFICATE-----"), 400, "InvalidRequest", "Certificate validation error"},
		{"bare public key", with("encryptionCertificate", b64(bare)), 400, "InvalidRequest", "Certificate validation error: Cannot find the requested object."},
		{"1024 bits", with("encryptionCertificate", derOf(small)), 400, "InvalidRequest", "2048 to 4096"},
		{"not RSA", with("encryptionCertificate", b64(ecCert)), 400, "InvalidRequest", "2048 to 4096"},
		{"over an hour without lifecycle", without("lifecycleNotificationUrl"), 400, "InvalidRequest",
			"lifecycleNotificationUrl is a required property for subscription creation on this resource when the expirationDateTime value is set to greater than 1 hour"},
		{"over 3 days", in(4325 * minutes), 400, "ExtensionError", "is beyond allowed max '3.00:00:00'."},
		{"over 7 days", in(10085 * minutes), 400, "InvalidRequest", "Subscription expiration can only be 10080 minutes in the future."},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tw, rc := start(t), newReceiver(t)
			r := contoso(t, tw).do("POST", "/subscriptions", body(rc, tc.change))
			code, message := r.code()
			if r.status != tc.status || code != tc.code || !strings.Contains(message, tc.message) {
				t.Errorf("got %d %s %q, want %d %s %q", r.status, code, message, tc.status, tc.code, tc.message)
			}
			if len(tw.Subscriptions()) != 0 {
				t.Error("the subscription was made all the same")
			}
		})
	}
}

func TestCreateIsRefusedByTheEndpoint(t *testing.T) {
	const prefix = "Subscription validation request failed. "
	answer := func(status int, body func(token string) string) func(http.ResponseWriter, string) {
		return func(w http.ResponseWriter, token string) {
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body(token))
		}
	}
	same := func(s string) string { return s }
	for _, tc := range []struct {
		name     string
		validate func(http.ResponseWriter, string)
		message  string
	}{
		{"202", answer(202, same), prefix + "Notification endpoint must respond with 200 OK to validation request. HTTP status code is 'Accepted'."},
		{"403", answer(403, same), prefix + "Notification endpoint must respond with 200 OK to validation request. HTTP status code is 'Forbidden'."},
		{"redirect", func(w http.ResponseWriter, token string) { w.Header().Set("Location", "/other"); w.WriteHeader(307) }, prefix + "Notification endpoint must respond with 200 OK to validation request. HTTP status code is 'TemporaryRedirect'."},
		{"still encoded", answer(200, url.QueryEscape), prefix + "Response must exactly match validationToken query parameter."},
		{"with a newline", answer(200, func(s string) string { return s + "\n" }), prefix + "Response must exactly match validationToken query parameter."},
		{"as JSON", answer(200, func(s string) string { return `"` + s + `"` }), prefix + "Response must exactly match validationToken query parameter."},
		{"connection closed", func(http.ResponseWriter, string) { panic(http.ErrAbortHandler) }, prefix + "Notification endpoint must respond with 200 OK to validation request."},
	} {
		tw, rc := start(t), newReceiver(t)
		rc.validate = tc.validate
		r := contoso(t, tw).do("POST", "/subscriptions", body(rc))
		if code, message := r.code(); r.status != 400 || code != "ValidationError" || message != tc.message {
			t.Errorf("%s: got %d %s %q, want %q", tc.name, r.status, code, message, tc.message)
		}
		if len(tw.Subscriptions()) != 0 {
			t.Errorf("%s: the subscription was made all the same", tc.name)
		}
	}
}

func TestHandshakeTimesOut(t *testing.T) {
	clock := graphtwin.NewManualClock(time.Now())
	tw, rc := start(t, func(o *graphtwin.Options) { o.Clock = clock }), newReceiver(t)
	blocked, release := make(chan struct{}), make(chan struct{})
	defer close(release)
	slow := &slowEndpoint{blocked, release}
	srv := newServer(t, slow)
	a := contoso(t, tw)
	got := make(chan reply, 1)
	go func() { got <- a.do("POST", "/subscriptions", body(rc, with("notificationUrl", srv))) }()
	<-blocked
	clock.Advance(10 * time.Second)
	if code, message := (<-got).code(); code != "ValidationError" || message != "Subscription validation request timed out." {
		t.Errorf("%s %q", code, message)
	}
}

func TestCreateNeedsThePermission(t *testing.T) {
	for resource, role := range map[string]string{
		"/chats/getAllMessages": "Chat.Read.All", "/teams/getAllMessages": "ChannelMessage.Read.All",
		"teams/t/channels/c/messages": "ChannelMessage.Read.All", "chats/c/messages": "Chat.Read.All", "users/u/chats/getAllMessages": "Chat.Read.All",
	} {
		tw, rc := start(t), newReceiver(t)
		roles := slices.DeleteFunc(slices.Clone(graphtwin.AllRoles), func(r string) bool { return r == role })
		if err := tw.SetRoles(graphtwin.ContosoTenant, graphtwin.ContosoApp, roles...); err != nil {
			t.Fatal(err)
		}
		r := contoso(t, tw).do("POST", "/subscriptions", body(rc, with("resource", resource)))
		if code, message := r.code(); r.status != 403 || code != "ExtensionError" || !strings.HasPrefix(message, "Operation: Create; Exception: [Status Code: Forbidden; Reason: ") {
			t.Errorf("%s without %s: %d %s", resource, role, r.status, r.body)
		}
	}
}

func TestDuplicatesAndQuota(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	a := contoso(t, tw)
	id := a.subscribe(rc)
	for _, resource := range []string{"/chats/getAllMessages", "chats/getAllMessages", "chats/getAllMessages?model=A"} {
		r := a.do("POST", "/subscriptions", body(rc, with("resource", resource), with("changeType", "deleted, updated,created")))
		if _, message := r.code(); r.status != 409 || message != "Subscription Id "+id+" already exists for the requested combination" {
			t.Errorf("%s: %d %q", resource, r.status, message)
		}
	}
	if r := a.do("POST", "/subscriptions", body(rc, with("changeType", "created"))); r.status != 403 {
		t.Errorf("a second one for the resource: %d", r.status)
	}
	fabrikam(t, tw).subscribe(rc) // another app, another tenant
	a.subscribe(rc, with("resource", "/teams/getAllMessages"))
	if r := a.do("DELETE", "/subscriptions/"+id, ""); r.status != 204 || len(r.body) != 0 {
		t.Errorf("delete: %d %s", r.status, r.body)
	}
	a.subscribe(rc)
}

func TestWhatASubscriptionShows(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	a := contoso(t, tw)
	r := a.do("POST", "/subscriptions", body(rc, with("expirationDateTime", time.Now().Add(time.Minute).UTC().Format(time.RFC3339))), "Prefer", "include-unknown-enum-members")
	made := r.json(t)
	if r.status != 201 || made["clientState"] != "the-client-state" || made["encryptionCertificate"] != nil || made["encryptionCertificateId"] != "cert-1" ||
		made["applicationId"] != graphtwin.ContosoApp || made["latestSupportedTlsVersion"] != "v1_2" || made["changeType"] != "created,deleted,updated" {
		t.Errorf("create: %d %s", r.status, r.body)
	}
	at := must(time.Parse(time.RFC3339, made["expirationDateTime"].(string)))
	if left := time.Until(at); left < 44*time.Minute || left > 45*time.Minute {
		t.Errorf("expiry under 45 minutes was raised to %v", left)
	}
	id := made["id"].(string)
	got := a.do("GET", "/subscriptions/"+id, "").json(t)
	list := a.do("GET", "/subscriptions", "").json(t)["value"].([]any)
	if got["clientState"] != nil || len(list) != 1 || list[0].(map[string]any)["clientState"] != nil {
		t.Error("GET shows the client state")
	}
	if r := fabrikam(t, tw).do("GET", "/subscriptions/"+id, ""); r.status != 404 {
		t.Errorf("another app reads it: %d", r.status)
	}
}

func TestPatchSubscription(t *testing.T) {
	later := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339) }
	other := must(rsa.GenerateKey(rand.Reader, 2048))
	for _, tc := range []struct {
		name, body string
		status     int
	}{
		{"expiry", `{"expirationDateTime":"` + later(24*time.Hour) + `"}`, 200},
		{"expiry and certificate", `{"expirationDateTime":"` + later(24*time.Hour) + `","encryptionCertificate":"` + derOf(other) + `","encryptionCertificateId":"cert-2"}`, 200},
		{"nothing", `{}`, 400},
		{"certificate alone", `{"encryptionCertificate":"` + derOf(other) + `","encryptionCertificateId":"cert-2"}`, 400},
		{"certificate without its id", `{"expirationDateTime":"` + later(time.Hour) + `","encryptionCertificate":"` + derOf(other) + `"}`, 400},
		{"over the cap", `{"expirationDateTime":"` + later(4330*time.Minute) + `"}`, 400},
		{"clientState", `{"expirationDateTime":"` + later(time.Hour) + `","clientState":"x"}`, 400},
		{"resource", `{"expirationDateTime":"` + later(time.Hour) + `","resource":"chats/getAllMessages"}`, 400},
		{"lifecycle URL", `{"expirationDateTime":"` + later(time.Hour) + `","lifecycleNotificationUrl":"https://x.example"}`, 400},
		{"unknown property", `{"expirationDateTime":"` + later(time.Hour) + `","x":1}`, 400},
	} {
		tw, rc := start(t), newReceiver(t)
		a := contoso(t, tw)
		id := a.subscribe(rc)
		r := a.do("PATCH", "/subscriptions/"+id, tc.body)
		if r.status != tc.status {
			t.Errorf("%s: %d, want %d: %s", tc.name, r.status, tc.status, r.body)
			continue
		}
		if r.status != 200 {
			continue
		}
		if left := time.Until(tw.Subscriptions()[0].Expires); left > 24*time.Hour || left < 23*time.Hour {
			t.Errorf("%s: expires in %v", tc.name, left)
		}
		if len(rc.handshakes) != 2 {
			t.Errorf("%s: a renewal validated the endpoint again", tc.name)
		}
	}
}

func TestCertificateRotatesForLaterItems(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	a := contoso(t, tw)
	id := a.subscribe(rc)
	say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "before"})
	other := must(rsa.GenerateKey(rand.Reader, 2048))
	r := a.do("PATCH", "/subscriptions/"+id, fmt.Sprintf(`{"expirationDateTime":%q,"encryptionCertificate":%q,"encryptionCertificateId":"cert-2"}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339), derOf(other)))
	if r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "after"})
	settle(t, tw)
	items := rc.items()
	if _, err := open(encryptionKey(), items[0].EncryptedContent); err != nil || items[0].EncryptedContent.EncryptionCertificateID != "cert-1" {
		t.Errorf("first: %v", err)
	}
	if _, err := open(other, items[1].EncryptedContent); err != nil || items[1].EncryptedContent.EncryptionCertificateID != "cert-2" {
		t.Errorf("second: %v", err)
	}
}

func TestNewNotificationURLIsValidated(t *testing.T) {
	tw, rc, next := start(t), newReceiver(t), newReceiver(t)
	a := contoso(t, tw)
	id := a.subscribe(rc)
	if r := a.do("PATCH", "/subscriptions/"+id, `{"notificationUrl":"`+next.URL+`/n"}`); r.status != 200 || len(next.handshakes) != 1 {
		t.Fatalf("%d, %d handshakes: %s", r.status, len(next.handshakes), r.body)
	}
	next.set(func() { next.validate = func(w http.ResponseWriter, _ string) { w.WriteHeader(500) } })
	if r := a.do("PATCH", "/subscriptions/"+id, `{"notificationUrl":"`+next.URL+`/other"}`); r.status != 400 {
		t.Errorf("refused handshake: %d", r.status)
	}
	if got := tw.Subscriptions()[0].NotificationURL; got != next.URL+"/n" {
		t.Errorf("notification URL is %s", got)
	}
}

func TestExpiredSubscriptionIsGone(t *testing.T) {
	clock := graphtwin.NewManualClock(time.Now())
	tw, rc := start(t, func(o *graphtwin.Options) { o.Clock = clock; o.TokenLifetime = 24 * time.Hour }), newReceiver(t)
	a := contoso(t, tw)
	id := a.subscribe(rc, without("lifecycleNotificationUrl"), with("expirationDateTime", time.Now().Add(50*time.Minute).UTC().Format(time.RFC3339)))
	if r := a.do("POST", "/subscriptions/"+id+"/reauthorize", ""); r.status != 204 || len(r.body) != 0 {
		t.Errorf("reauthorize: %d %s", r.status, r.body)
	}
	clock.Advance(time.Hour)
	say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	settle(t, tw)
	if len(rc.got()) != 0 {
		t.Error("notified after expiry")
	}
	for _, try := range [][2]string{{"GET", ""}, {"PATCH", ""}, {"DELETE", ""}, {"POST", "/reauthorize"}} {
		content := ""
		if try[0] == "PATCH" {
			content = `{"expirationDateTime":"` + clock.Now().Add(50*time.Minute).UTC().Format(time.RFC3339) + `"}`
		}
		if r := a.do(try[0], "/subscriptions/"+id+try[1], content); r.status != 404 {
			t.Errorf("%s%s after expiry: %d", try[0], try[1], r.status)
		}
	}
}

func TestWhoHearsWhat(t *testing.T) {
	world := graphtwin.Contoso()
	sales := world.Teams[0]
	general := sales.Channels[0].ID
	deal := world.Chats[3].ID
	ana := world.Users[0].ID
	for _, tc := range []struct {
		resource string
		tenant   string
		want     []string // aliases of conversations
	}{
		{"/chats/getAllMessages", "contoso", []string{"chat:ana-li", "chat:deal", "chat:ext-deal", "chat:li-jo"}},
		{"/chats/getAllMessages", "fabrikam", []string{"chat:ext-deal"}},
		{"/teams/getAllMessages", "contoso", []string{"sales/board", "sales/general"}},
		{"/teams/getAllMessages", "fabrikam", nil},
		{"chats/" + deal + "/messages", "contoso", []string{"chat:deal"}},
		{"/teams/" + sales.ID + "/channels/" + general + "/messages", "contoso", []string{"sales/general"}},
		{"/users/" + ana + "/chats/getAllMessages", "contoso", []string{"chat:ana-li", "chat:deal", "chat:ext-deal"}},
	} {
		tw, rc := start(t), newReceiver(t)
		a := contoso(t, tw)
		if tc.tenant == "fabrikam" {
			a = fabrikam(t, tw)
		}
		a.subscribe(rc, with("resource", tc.resource), with("changeType", "created"))
		byID := map[string]string{}
		for _, in := range []string{"chat:ana-li", "chat:li-jo", "chat:deal", "chat:ext-deal", "sales/general", "sales/board"} {
			as := "li"
			if in == "chat:ext-deal" {
				as = "kim"
			}
			m := say(t, tw, graphtwin.Post{As: as, In: in, HTML: "x"})
			byID[m.GraphID] = in
			if _, err := tw.Edit(m.ID, "y"); err != nil { // updated: not asked for
				t.Fatal(err)
			}
		}
		settle(t, tw)
		var got []string
		for _, n := range rc.items() {
			got = append(got, byID[n.ResourceData["id"]])
		}
		slices.Sort(got)
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s %s: %s", tc.tenant, tc.resource, d)
		}
	}
}

func TestBasicNotificationCarriesNoContentAndNoToken(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	contoso(t, tw).subscribe(rc, without("includeResourceData", "encryptionCertificate", "encryptionCertificateId"))
	say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	settle(t, tw)
	if got := rc.got()[0]; got.Tokens != nil || got.Value[0].EncryptedContent != nil {
		t.Errorf("%+v", got)
	}
}

func TestListPages(t *testing.T) {
	tw, rc := start(t, func(o *graphtwin.Options) { o.PageSize = 2 }), newReceiver(t)
	a := contoso(t, tw)
	want := map[string]bool{}
	for _, c := range tw.World().Chats[:5] {
		want[a.subscribe(rc, with("resource", "chats/"+c.ID+"/messages"))] = true
	}
	got := map[string]bool{}
	pages := 0
	for next := "/subscriptions"; next != ""; pages++ {
		page := a.do("GET", next, "").json(t)
		for _, s := range page["value"].([]any) {
			got[s.(map[string]any)["id"].(string)] = true
		}
		next, _ = page["@odata.nextLink"].(string)
		if next != "" && !strings.Contains(next, "skiptoken=") {
			t.Errorf("next link %s", next)
		}
	}
	if d := cmp.Diff(want, got); d != "" || pages != 3 {
		t.Errorf("%d pages: %s", pages, d)
	}
	if r := a.do("GET", "/subscriptions?$skiptoken=garbage", ""); r.status != 400 {
		t.Errorf("a skip token that is none: %d", r.status)
	}
}
