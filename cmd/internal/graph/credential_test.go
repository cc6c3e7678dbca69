package graph

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"teamsdlp/actions"
	"teamsdlp/config"
	"teamsdlp/test/graphtwin"
)

// azidentity's own credentials, over TLS, against the twin as authority and as
// Graph: no discovery, no other host.
func TestCredentialsOverTLS(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	der := selfSigned(t, key, 2)
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	pair := func(der []byte) []byte {
		return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})...)
	}
	path := filepath.Join(t.TempDir(), "app.pem")
	if err := os.WriteFile(path, pair(der), 0o600); err != nil {
		t.Fatal(err)
	}

	world := graphtwin.Contoso()
	world.Apps[0].Certificates = []*x509.Certificate{cert}
	tw := graphtwin.New(graphtwin.Options{World: world, Throttle: graphtwin.Throttle{Off: true}})
	t.Cleanup(tw.Close)
	url, err := tw.StartTLS("127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	trusting := newTransport()
	trusting.TLSClientConfig = &tls.Config{RootCAs: tw.CertPool(), MinVersion: tls.VersionTLS12}
	only := onlyHost{trusting, strings.TrimPrefix(url, "https://"), t}
	options := CredentialOptions{Tenant: home, AppID: graphtwin.ContosoApp, LoginURL: url, HTTP: only}
	secret, wrong, certified := options, options, options
	secret.Kind, secret.Secret = config.ClientSecret, config.NewSecret(graphtwin.ContosoSecret)
	wrong.Kind, wrong.Secret = config.ClientSecret, config.NewSecret("not it")
	certified.Kind, certified.CertificateFile = config.Certificate, path

	m := speak(t, tw, "ana", "chat:ana-li")
	for _, c := range []struct {
		name string
		o    CredentialOptions
		code string
	}{{"secret", secret, ""}, {"certificate", certified, ""}, {"wrong secret", wrong, "AADSTS7000215"}} {
		cred, err := NewCredential(c.o)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		client := newClient(t, url, func(o *Options) { o.Credential, o.HTTP = cred, only })
		if c.code == "" { // a permission that is granted holds at once, not when the token of before ends
			if err := tw.SetRoles(home, graphtwin.ContosoApp, "User.Read.All"); err != nil {
				t.Fatal(err)
			}
			var call *actions.CallError
			if _, err := client.Patch(t.Context(), order(t, targetOf(m))); !errors.As(err, &call) || !call.LacksRole() {
				t.Errorf("%s: without the permission: %v", c.name, err)
			}
			if err := tw.SetRoles(home, graphtwin.ContosoApp, graphtwin.AllRoles...); err != nil {
				t.Fatal(err)
			}
		}
		_, err = client.Patch(t.Context(), order(t, targetOf(m)))
		if c.code == "" && err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		var call *actions.CallError
		if c.code != "" && (!errors.As(err, &call) || call.Code != c.code || !call.NotSent) {
			t.Errorf("%s: %#v", c.name, err)
		}
	}
	if n := len(tw.Patches()); n != 4 { // two of them refused
		t.Errorf("%d PATCHes", n)
	}

	// A certificate that takes the place of one that ended is taken up where it lies.
	if err := os.WriteFile(path, pair(selfSigned(t, key, 3)), 0o600); err != nil {
		t.Fatal(err)
	}
	cred, err := NewCredential(certified)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	client := newClient(t, url, func(o *Options) {
		o.Credential, o.HTTP, o.Clock = cred, only, func() time.Time { return now }
	})
	var call *actions.CallError
	if _, err := client.Patch(t.Context(), order(t, targetOf(m))); !errors.As(err, &call) || call.Code != "AADSTS700027" || !call.NoToken {
		t.Errorf("with a certificate that is not registered: %v", err)
	}
	if err := os.WriteFile(path, pair(der), 0o600); err != nil {
		t.Fatal(err)
	}
	now = now.Add(forgetApart)
	_, _ = client.Patch(t.Context(), order(t, targetOf(m))) // is refused again, and has the file read
	if _, err := client.Patch(t.Context(), order(t, targetOf(m))); err != nil {
		t.Errorf("with the one that is: %v", err)
	}
}

func selfSigned(t *testing.T, key *rsa.PrivateKey, serial int64) []byte {
	t.Helper()
	template := &x509.Certificate{SerialNumber: big.NewInt(serial), Subject: pkix.Name{CommonName: "app"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

// onlyHost fails the test when any other host is asked.
type onlyHost struct {
	http.RoundTripper
	host string
	t    *testing.T
}

func (o onlyHost) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != o.host {
		o.t.Errorf("%s was asked", r.URL.Host)
		return nil, errors.New("another host")
	}
	return o.RoundTripper.RoundTrip(r)
}

func TestNewCredentialRefuses(t *testing.T) {
	secret := config.NewSecret("s3cr3t-value")
	bad := filepath.Join(t.TempDir(), "bad.pem")
	if err := os.WriteFile(bad, []byte("-----BEGIN PRIVATE KEY-----\ns3cr3t-value\n-----END PRIVATE KEY-----\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const microsoft = "https://login.microsoftonline.com"
	cases := []struct {
		name string
		o    CredentialOptions
	}{
		{"no kind", CredentialOptions{LoginURL: microsoft, Secret: secret}},
		{"unknown kind", CredentialOptions{Kind: "password", LoginURL: microsoft, Secret: secret}},
		{"no login URL", CredentialOptions{Kind: config.ClientSecret, Secret: secret}},
		{"http to a stranger", CredentialOptions{Kind: config.ClientSecret, LoginURL: "http://login.test", Secret: secret}},
		{"http to a name that begins like loopback", CredentialOptions{Kind: config.ClientSecret, LoginURL: "http://localhost.evil.test", Secret: secret}},
		{"user in the URL", CredentialOptions{Kind: config.ClientSecret, LoginURL: "https://s3cr3t-value@login.test", Secret: secret}},
		{"certificate over http", CredentialOptions{Kind: config.Certificate, LoginURL: "http://127.0.0.1:1", CertificateFile: bad}},
		{"managed identity over http", CredentialOptions{Kind: config.ManagedIdentity, LoginURL: "http://127.0.0.1:1"}},
		{"no secret", CredentialOptions{Kind: config.ClientSecret, LoginURL: "http://127.0.0.1:1"}},
		{"no certificate", CredentialOptions{Kind: config.Certificate, LoginURL: microsoft, CertificateFile: bad + ".missing"}},
		{"not a certificate", CredentialOptions{Kind: config.Certificate, LoginURL: microsoft, CertificateFile: bad}},
	}
	for _, c := range cases {
		c.o.Tenant, c.o.AppID = home, graphtwin.ContosoApp
		cred, err := NewCredential(c.o)
		if err == nil {
			t.Errorf("%s: made %T", c.name, cred)
			continue
		}
		if contains(err.Error(), "s3cr3t") {
			t.Errorf("%s: the error quotes the secret: %v", c.name, err)
		}
	}
}

// The kinds that cannot be exercised here are made, at least.
func TestNewCredentialKinds(t *testing.T) {
	t.Setenv("AZURE_FEDERATED_TOKEN_FILE", filepath.Join(t.TempDir(), "token"))
	for _, o := range []CredentialOptions{
		{Kind: config.WorkloadIdentity}, {Kind: config.ManagedIdentity}, {Kind: config.ManagedIdentity, ClientID: graphtwin.ContosoApp},
	} {
		o.Tenant, o.AppID, o.LoginURL = home, graphtwin.ContosoApp, "https://login.microsoftonline.com"
		if cred, err := NewCredential(o); err != nil || cred == nil {
			t.Errorf("%s: %v", o.Kind, err)
		}
	}
}

func TestLoopbackCredential(t *testing.T) {
	now := time.Now()
	answer := say(200, "application/json", `{"access_token":"t1","expires_in":3600}`)
	s := newServer(t, func(n int, w http.ResponseWriter, r *http.Request) { answer(n, w, r) })
	made, err := NewCredential(CredentialOptions{Kind: config.ClientSecret, Tenant: home, AppID: "app", Secret: config.NewSecret("s3cr3t & more"), LoginURL: s.URL, Clock: func() time.Time { return now }})
	if err != nil {
		t.Fatal(err)
	}
	scope := policy.TokenRequestOptions{Scopes: []string{"http://127.0.0.1/.default"}}
	get := func() (string, error) {
		token, err := made.GetToken(t.Context(), scope)
		return token.Token, err
	}
	for _, step := range []struct {
		after time.Duration
		want  int
	}{{0, 1}, {0, 1}, {54 * time.Minute, 1}, {2 * time.Minute, 2}, {0, 2}} {
		now = now.Add(step.after)
		if token, err := get(); err != nil || token != "t1" || len(s.got()) != step.want {
			t.Errorf("after %v: %q, %v, %d requests, want %d", step.after, token, err, len(s.got()), step.want)
		}
	}
	r := s.got()[0]
	if r.method != "POST" || r.path != "/"+home+"/oauth2/v2.0/token" || r.auth != "" || !strings.Contains(r.body, "client_secret=s3cr3t+%26+more") || !strings.Contains(r.body, "grant_type=client_credentials") {
		t.Errorf("request %+v", r)
	}
	made.(*loopbackCredential).Forget()
	answer = say(401, "application/json", `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret s3cr3t"}`)
	var refused *tokenError
	if _, err := get(); !errors.As(err, &refused) || refused.code != "AADSTS7000215" || contains(err.Error(), "s3cr3t") {
		t.Errorf("refused: %v", err)
	}
	for _, body := range []string{``, `{}`, `<html>`, `{"access_token":""}`} {
		answer = say(200, "application/json", body)
		if token, err := get(); err == nil {
			t.Errorf("%q gave the token %q", body, token)
		}
	}
}

func TestNewRefuses(t *testing.T) {
	cred := &tokens{word: "x"}
	for name, o := range map[string]Options{
		"no URL":             {Credential: cred, Tenant: home},
		"http to a stranger": {GraphURL: "http://graph.test", Credential: cred, Tenant: home},
		"not a base":         {GraphURL: "https://graph.test/?x=1", Credential: cred, Tenant: home},
		"another scheme":     {GraphURL: "ftp://127.0.0.1", Credential: cred, Tenant: home},
		"no credential":      {GraphURL: "https://graph.test", Tenant: home},
		"no tenant":          {GraphURL: "https://graph.test", Credential: cred},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	for _, u := range []string{"https://graph.microsoft.com", "https://graph.microsoft.com/", "http://127.0.0.1:9400", "http://[::1]:9400", "http://localhost:9400"} {
		c, err := New(Options{GraphURL: u, Credential: cred, Tenant: home})
		if err != nil || c.scopes[0] != strings.TrimSuffix(u, "/")+"/.default" {
			t.Errorf("%s: %v", u, err)
		}
	}
}
