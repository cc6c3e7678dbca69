package graphtwin_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/test/graphtwin"
)

func TestRichNotificationOpensWithIndependentCode(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	sub := contoso(t, tw).subscribe(rc)
	m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: `<p>card 4111 & <b>more</b></p>`})
	settle(t, tw)
	posts := rc.got()
	if len(posts) != 1 || len(posts[0].Value) != 1 {
		t.Fatalf("got %d posts", len(posts))
	}
	n := posts[0].Value[0]
	path := "chats('" + m.ChatID + "')/messages('" + m.GraphID + "')"
	if n.SubscriptionID != sub || n.ChangeType != "created" || n.ClientState != "the-client-state" || n.TenantID != graphtwin.ContosoTenant || n.Resource != path {
		t.Errorf("envelope: %+v", n)
	}
	if want := map[string]string{"id": m.GraphID, "@odata.type": "#Microsoft.Graph.chatMessage", "@odata.id": path}; !cmp.Equal(want, n.ResourceData) {
		t.Error(cmp.Diff(want, n.ResourceData))
	}
	if n.EncryptedContent.EncryptionCertificateID != "cert-1" || len(n.EncryptedContent.EncryptionCertificateThumbprint) != 40 {
		t.Errorf("certificate: %+v", n.EncryptedContent)
	}
	plain, err := open(encryptionKey(), n.EncryptedContent)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(string(plain), `{"@odata.context":"https://graph.microsoft.com/$metadata#chats('19%3A`) {
		t.Errorf("plaintext starts %.80s", plain)
	}
	for _, want := range []string{
		`"id":"` + m.GraphID + `"`, `"replyToId":null`, `"lastEditedDateTime":null`, `"deletedDateTime":null`, `"channelIdentity":null`, `"policyViolation":null`,
		`"content":"<p>card 4111 & <b>more</b></p>"`, `"attachments":[]`, `"mentions":[]`, `"reactions":[]`, `"replies":[]`, `"hostedContents":[]`,
		`"userIdentityType":"aadUser"`, `"tenantId":"` + graphtwin.ContosoTenant + `"`, `"messageType":"message"`,
	} {
		if !strings.Contains(string(plain), want) {
			t.Errorf("plaintext lacks %s:\n%s", want, plain)
		}
	}
}

func TestThumbprintIsSHA1OfTheCertificate(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	der := derOf(encryptionKey())
	contoso(t, tw).subscribe(rc, with("encryptionCertificate", der))
	say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	settle(t, tw)
	sum := sha1.Sum(must(base64.StdEncoding.DecodeString(der)))
	want := strings.ToUpper(hex.EncodeToString(sum[:]))
	if got := rc.items()[0].EncryptedContent.EncryptionCertificateThumbprint; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestValidationTokens(t *testing.T) {
	for _, tc := range []struct {
		version       int
		caller, other string
		issuer        string
		x5t           bool
		lifetime      float64
	}{
		{1, "appid", "azp", "/" + graphtwin.ContosoTenant + "/", true, 29100},
		{2, "azp", "appid", "/" + graphtwin.ContosoTenant + "/v2.0", false, 86700},
	} {
		tw, rc := start(t), newReceiver(t)
		if err := tw.SetTokenVersion(graphtwin.ContosoTenant, graphtwin.ContosoApp, tc.version); err != nil {
			t.Fatal(err)
		}
		contoso(t, tw).subscribe(rc)
		say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
		settle(t, tw)
		tokens := rc.got()[0].Tokens
		if tokens == nil || len(*tokens) != 1 {
			t.Fatalf("version %d: tokens %v", tc.version, tokens)
		}
		header, claims, err := checkToken(t, tw, (*tokens)[0])
		if err != nil {
			t.Fatalf("version %d: %v", tc.version, err)
		}
		if (header["x5t"] != nil) != tc.x5t || claims["iss"] != tw.URL()+tc.issuer || claims["aud"] != graphtwin.ContosoApp || claims["tid"] != graphtwin.ContosoTenant ||
			claims[tc.caller] != graphtwin.PublisherAppID || claims[tc.other] != nil || claims["exp"].(float64)-claims["iat"].(float64) != tc.lifetime {
			t.Errorf("version %d: header %v claims %v", tc.version, header, claims)
		}
	}
}

func TestOneTokenForEachAppAndTenantOfABatch(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	contoso(t, tw).subscribe(rc)
	fabrikam(t, tw).subscribe(rc)
	tw.Hold(true)
	for range 3 {
		say(t, tw, graphtwin.Post{As: "ana", In: "chat:ext-deal", HTML: "x"})
	}
	tw.Hold(false)
	settle(t, tw)
	posts := rc.got()
	if len(posts) != 1 || len(posts[0].Value) != 6 {
		t.Fatalf("%d posts, %d items in the first", len(posts), len(posts[0].Value))
	}
	seen := map[any]bool{}
	for _, token := range *posts[0].Tokens {
		_, claims, err := checkToken(t, tw, token)
		if err != nil {
			t.Fatal(err)
		}
		seen[claims["aud"]] = true
	}
	if want := map[any]bool{graphtwin.ContosoApp: true, graphtwin.FabrikamApp: true}; !cmp.Equal(want, seen) || len(*posts[0].Tokens) != 2 {
		t.Errorf("%d tokens for %v", len(*posts[0].Tokens), seen)
	}
}

func TestKeysRotate(t *testing.T) {
	tw := start(t)
	kids := func() []string {
		var list []string
		for _, path := range []string{"/common/discovery/keys", "/" + graphtwin.ContosoTenant + "/discovery/v2.0/keys"} {
			for _, k := range send(t, "GET", tw.URL()+path, nil, "").json(t)["keys"].([]any) {
				key := k.(map[string]any)
				if key["issuer"] != tw.URL()+"/{tenantid}/v2.0" {
					t.Errorf("issuer %v", key["issuer"])
				}
				cert := must(x509.ParseCertificate(must(base64.StdEncoding.DecodeString(key["x5c"].([]any)[0].(string)))))
				sum := sha1.Sum(cert.Raw)
				if key["x5t"] != base64.RawURLEncoding.EncodeToString(sum[:]) {
					t.Error("x5t is not the thumbprint of x5c")
				}
				list = append(list, key["kid"].(string))
			}
		}
		return list
	}
	before := kids()
	if len(before) != 4 || before[0] == before[1] || before[0] != before[2] {
		t.Fatalf("kids %v", before)
	}
	fresh := tw.Rotate()
	after := kids()
	if want := []string{before[1], fresh, before[1], fresh}; !cmp.Equal(want, after) {
		t.Error(cmp.Diff(want, after))
	}
}

func TestDiscoveryDocuments(t *testing.T) {
	tw := start(t)
	for path, issuer := range map[string]string{
		"/" + graphtwin.ContosoTenant + "/.well-known/openid-configuration":      "/" + graphtwin.ContosoTenant + "/",
		"/" + graphtwin.ContosoTenant + "/v2.0/.well-known/openid-configuration": "/" + graphtwin.ContosoTenant + "/v2.0",
		"/contoso.com/v2.0/.well-known/openid-configuration":                     "/" + graphtwin.ContosoTenant + "/v2.0",
		"/common/v2.0/.well-known/openid-configuration":                          "/{tenantid}/v2.0",
	} {
		got := send(t, "GET", tw.URL()+path, nil, "").json(t)
		if got["issuer"] != tw.URL()+issuer {
			t.Errorf("%s: issuer %v", path, got["issuer"])
		}
		if r := send(t, "GET", got["jwks_uri"].(string), nil, ""); r.status != 200 {
			t.Errorf("%s: jwks_uri answers %d", path, r.status)
		}
	}
	if r := send(t, "GET", tw.URL()+"/nobody.example/v2.0/.well-known/openid-configuration", nil, ""); r.status != 400 {
		t.Errorf("unknown tenant: %d", r.status)
	}
}

func TestTokenEndpointRefusals(t *testing.T) {
	tw := start(t)
	good := func() map[string]string {
		return map[string]string{"tenant": graphtwin.ContosoTenant, "client_id": graphtwin.ContosoApp, "client_secret": graphtwin.ContosoSecret, "grant_type": "client_credentials", "scope": "https://graph.microsoft.com/.default"}
	}
	for _, tc := range []struct {
		field, value string
		status       int
		code         float64
	}{
		{"", "", 200, 0},
		{"tenant", "contoso.com", 200, 0},
		{"scope", "https://graph.microsoft.com/.default openid offline_access profile", 200, 0}, // as client libraries send it
		{"scope", "https://graph.microsoft.com/.default https://vault.example/.default", 400, 500011},
		{"scope", "openid", 400, 1002012},
		{"client_secret", "wrong", 401, 7000215},
		{"client_secret", "", 401, 7000215},
		{"client_id", graphtwin.FabrikamApp, 400, 700016},
		{"tenant", graphtwin.FabrikamTenant, 400, 700016},
		{"tenant", "nobody.example", 400, 90002},
		{"grant_type", "password", 400, 70003},
		{"scope", "https://graph.microsoft.com/Chat.Read.All", 400, 1002012},
		{"scope", "https://vault.example/.default", 400, 500011},
	} {
		f := good()
		if tc.field != "" {
			f[tc.field] = tc.value
		}
		form := tokenForm(tw, f["client_id"], f["client_secret"])
		form.Set("grant_type", f["grant_type"])
		form.Set("scope", f["scope"])
		r := postForm(t, tw, f["tenant"], form)
		if r.status != tc.status {
			t.Errorf("%s=%q: status %d, want %d: %s", tc.field, tc.value, r.status, tc.status, r.body)
			continue
		}
		if tc.code != 0 && r.json(t)["error_codes"].([]any)[0] != tc.code {
			t.Errorf("%s=%q: %s, want code %v", tc.field, tc.value, r.body, tc.code)
		}
	}
}

func TestClientAssertion(t *testing.T) {
	key := encryptionKey()
	cert := certificate(key)
	tw := start(t, func(o *graphtwin.Options) { o.World.Apps[0].Certificates = []*x509.Certificate{cert} })
	endpoint := tw.URL() + "/" + graphtwin.ContosoTenant + "/oauth2/v2.0/token"
	claims := func(change func(map[string]any)) map[string]any {
		c := map[string]any{"aud": endpoint, "iss": graphtwin.ContosoApp, "sub": graphtwin.ContosoApp, "nbf": time.Now().Unix(), "exp": time.Now().Add(time.Minute).Unix(), "jti": "1"}
		change(c)
		return c
	}
	sum1, sum256 := sha1.Sum(cert.Raw), sha256.Sum256(cert.Raw)
	rs256 := map[string]any{"alg": "RS256", "typ": "JWT", "x5t": base64.RawURLEncoding.EncodeToString(sum1[:])}
	ps256 := map[string]any{"alg": "PS256", "typ": "JWT", "x5t#S256": base64.RawURLEncoding.EncodeToString(sum256[:])}
	same := func(map[string]any) {}
	other := must(rsa.GenerateKey(rand.Reader, 2048))
	for _, tc := range []struct {
		name      string
		assertion string
		status    int
	}{
		{"RS256", assertion(key, rs256, claims(same)), 200},
		{"PS256", assertion(key, ps256, claims(same)), 200},
		{"thumbprint in the other alphabet", assertion(key, map[string]any{"alg": "PS256", "x5t#S256": base64.StdEncoding.EncodeToString(sum256[:])}, claims(same)), 200},
		{"key that is not registered", assertion(other, rs256, claims(same)), 401},
		{"no thumbprint", assertion(key, map[string]any{"alg": "RS256"}, claims(same)), 401},
		{"alg none", assertion(key, map[string]any{"alg": "none", "x5t": rs256["x5t"]}, claims(same)), 401},
		{"expired", assertion(key, rs256, claims(func(c map[string]any) { c["exp"] = time.Now().Add(-time.Minute).Unix() })), 401},
		{"for another endpoint", assertion(key, rs256, claims(func(c map[string]any) { c["aud"] = "https://login.example/" })), 401},
		{"of another app", assertion(key, rs256, claims(func(c map[string]any) { c["sub"] = graphtwin.FabrikamApp })), 401},
		{"not a token", "x.y", 401},
	} {
		form := tokenForm(tw, graphtwin.ContosoApp, "")
		form.Set("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer")
		form.Set("client_assertion", tc.assertion)
		if r := postForm(t, tw, graphtwin.ContosoTenant, form); r.status != tc.status {
			t.Errorf("%s: %d, want %d: %s", tc.name, r.status, tc.status, r.body)
		}
	}
}

func assertion(key *rsa.PrivateKey, header, claims map[string]any) string {
	part := func(v any) string { return base64.RawURLEncoding.EncodeToString(must(json.Marshal(v))) }
	input := part(header) + "." + part(claims)
	sum := sha256.Sum256([]byte(input))
	var sig []byte
	switch header["alg"] {
	case "PS256":
		sig = must(rsa.SignPSS(rand.Reader, key, crypto.SHA256, sum[:], nil))
	case "RS256":
		sig = must(rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:]))
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sig)
}

func TestBearerTokenIsChecked(t *testing.T) {
	clock := graphtwin.NewManualClock(time.Now())
	tw := start(t, func(o *graphtwin.Options) { o.Clock = clock })
	a := contoso(t, tw)
	parts := strings.Split(a.token, ".")
	check := func(name, token string, want int) {
		t.Helper()
		r := send(t, "GET", tw.URL()+"/v1.0/users", map[string]string{"Authorization": token}, "")
		if r.status != want {
			t.Errorf("%s: %d, want %d: %s", name, r.status, want, r.body)
		}
		if code, _ := r.code(); want == 401 && (code != "InvalidAuthenticationToken" || !strings.HasPrefix(r.header.Get("WWW-Authenticate"), "Bearer ")) {
			t.Errorf("%s: %s, WWW-Authenticate %q", name, r.body, r.header.Get("WWW-Authenticate"))
		}
	}
	check("good", "Bearer "+a.token, 200)
	check("none", "", 401)
	check("garbage", "Bearer x", 401)
	check("another scheme", "Basic "+a.token, 401)
	check("signature cut off", "Bearer "+parts[0]+"."+parts[1]+".", 401)
	check("claims of another token", "Bearer "+parts[0]+"."+strings.Split(fabrikam(t, tw).token, ".")[1]+"."+parts[2], 401)
	tw.RevokeTokens()
	check("revoked", "Bearer "+a.token, 401)
	fresh := contoso(t, tw)
	check("fresh", "Bearer "+fresh.token, 200)
	clock.Advance(time.Hour)
	check("expired", "Bearer "+fresh.token, 401)
}

func TestHeadersOfEveryAnswer(t *testing.T) {
	tw := start(t)
	a := contoso(t, tw)
	for _, r := range []reply{a.do("GET", "/users", ""), a.do("GET", "/chats/nobody", ""), a.do("GET", "/nothing", ""), (&app{t, tw, "bad"}).do("GET", "/users", "")} {
		for _, h := range []string{"request-id", "Date", "x-ms-ags-diagnostic", "Strict-Transport-Security"} {
			if r.header.Get(h) == "" {
				t.Errorf("%d: no %s", r.status, h)
			}
		}
		if r.header.Get("client-request-id") != "11111111-2222-4333-8444-555555555555" || r.header.Get("Cache-Control") != "no-store" {
			t.Errorf("%d: headers %v", r.status, r.header)
		}
		if r.status >= 400 {
			if code, _ := r.code(); code == "" {
				t.Errorf("%d: not Graph's envelope: %s", r.status, r.body)
			}
		}
	}
}

func TestStartTLS(t *testing.T) {
	tw := graphtwin.New(graphtwin.Options{World: graphtwin.Contoso()})
	defer tw.Close()
	base, err := tw.StartTLS("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	defer transport.CloseIdleConnections()
	client := &http.Client{Transport: transport}
	transport.TLSClientConfig = &tls.Config{RootCAs: tw.CertPool()}
	resp, err := client.Get(base + "/common/discovery/instance?api-version=1.1&authorization_endpoint=x")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if !strings.HasPrefix(base, "https://") || resp.StatusCode != 200 {
		t.Errorf("%s: %d", base, resp.StatusCode)
	}
}

func TestContosoIsStable(t *testing.T) {
	one, two := start(t).World(), graphtwin.New(graphtwin.Options{World: graphtwin.Contoso()}).World()
	if d := cmp.Diff(one.Chats, two.Chats); d != "" {
		t.Error(d)
	}
	if d := cmp.Diff(one.Teams, two.Teams); d != "" {
		t.Error(d)
	}
	for _, a := range one.Apps {
		if a.Secret != "" {
			t.Error("World shows a secret")
		}
	}
}
