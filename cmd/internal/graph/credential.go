package graph

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/cloud"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"

	"teamsdlp/config"
)

// CredentialOptions say how an app proves who it is.
type CredentialOptions struct {
	// Kind is one of those of package config.
	Kind   string
	Tenant string
	AppID  string
	// Secret is needed for config.ClientSecret.
	Secret config.Secret
	// CertificateFile is needed for config.Certificate: a PEM file with certificate and key.
	CertificateFile string
	// ClientID, for config.ManagedIdentity, is that of a user-assigned identity; empty
	// means the system-assigned one.
	ClientID string
	// LoginURL is the authority, as https://login.microsoftonline.com. Plain
	// http is taken for a loopback address only, and then with config.ClientSecret only.
	LoginURL string
	// HTTP carries the token requests. Nil: a transport with Go's defaults.
	HTTP http.RoundTripper
	// Clock decides when a token for a loopback authority has to be replaced;
	// other tokens are kept by azidentity. Nil: time.Now.
	Clock func() time.Time
}

// microsoftLogins are the authorities that azidentity may ask Microsoft about.
// For any other the discovery would name a stranger to login.microsoftonline.com.
var microsoftLogins = []string{
	"login.microsoftonline.com", "login.microsoftonline.us", "login.chinacloudapi.cn", "login.partner.microsoftonline.cn",
}

// NewCredential returns the token source that o describes: azidentity's, or our
// own for an authority on loopback without TLS, which azidentity refuses.
// It reads the certificate file and sends nothing.
func NewCredential(o CredentialOptions) (azcore.TokenCredential, error) {
	login, err := endpoint(o.LoginURL)
	if err != nil {
		return nil, fmt.Errorf("login URL: %w", err)
	}
	client := &http.Client{Transport: o.HTTP, CheckRedirect: noRedirect, Timeout: 30 * time.Second}
	if o.HTTP == nil {
		client.Transport = newTransport()
	}
	if login.Scheme == "http" {
		if o.Kind != config.ClientSecret {
			return nil, fmt.Errorf("a credential of kind %s needs an https login URL", o.Kind)
		}
		if o.Secret.Reveal() == "" {
			return nil, errors.New("the client secret is empty")
		}
		return &loopbackCredential{url: login.JoinPath(o.Tenant, "oauth2/v2.0/token").String(), appID: o.AppID, secret: o.Secret, client: client, clock: o.Clock}, nil
	}
	c := &renewable{anew: func() (azcore.TokenCredential, error) { return identity(o, login, client) }}
	if c.current, err = c.anew(); err != nil {
		return nil, err
	}
	return c, nil
}

// renewable is one of azidentity's credentials. Each keeps its token until that ends,
// whatever Graph says of it, so that to forget the token is to make another.
type renewable struct {
	anew func() (azcore.TokenCredential, error)

	mu      sync.Mutex
	current azcore.TokenCredential
}

// GetToken implements azcore.TokenCredential.
func (c *renewable) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.mu.Lock()
	current := c.current
	c.mu.Unlock()
	return current.GetToken(ctx, o)
}

// Forget drops the token, as after Graph refused it.
func (c *renewable) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if next, err := c.anew(); err == nil { // a certificate's file may be away for a moment
		c.current = next
	}
}

// identity returns azidentity's credential.
func identity(o CredentialOptions, login *url.URL, client *http.Client) (azcore.TokenCredential, error) {
	options := azcore.ClientOptions{
		Cloud:     cloud.Configuration{ActiveDirectoryAuthorityHost: login.String()},
		Transport: client,
	}
	private := !slices.Contains(microsoftLogins, strings.ToLower(login.Hostname()))
	switch o.Kind {
	case config.ClientSecret:
		return azidentity.NewClientSecretCredential(o.Tenant, o.AppID, o.Secret.Reveal(), &azidentity.ClientSecretCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: private})
	case config.Certificate:
		data, err := os.ReadFile(o.CertificateFile)
		if err != nil {
			return nil, err
		}
		certs, key, err := azidentity.ParseCertificates(data, nil)
		if err != nil {
			// The cause may quote the file, which holds a key.
			return nil, fmt.Errorf("%s does not hold a certificate and its key in PEM, unencrypted", o.CertificateFile)
		}
		return azidentity.NewClientCertificateCredential(o.Tenant, o.AppID, certs, key, &azidentity.ClientCertificateCredentialOptions{ClientOptions: options, DisableInstanceDiscovery: private})
	case config.WorkloadIdentity:
		return azidentity.NewWorkloadIdentityCredential(&azidentity.WorkloadIdentityCredentialOptions{ClientOptions: options, TenantID: o.Tenant, ClientID: o.AppID, DisableInstanceDiscovery: private})
	case config.ManagedIdentity:
		m := &azidentity.ManagedIdentityCredentialOptions{ClientOptions: azcore.ClientOptions{Transport: client}}
		if o.ClientID != "" {
			m.ID = azidentity.ClientID(o.ClientID)
		}
		return azidentity.NewManagedIdentityCredential(m)
	}
	return nil, fmt.Errorf("unknown kind of credential %q", o.Kind)
}

// endpoint parses a base URL and refuses one to which a secret must not be sent:
// anything but https, or http to a loopback address.
func endpoint(raw string) (*url.URL, error) {
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" {
		return nil, errors.New("not an absolute URL")
	}
	if u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return nil, errors.New("a base URL has no user, query or fragment")
	}
	switch {
	case u.Scheme == "https":
	case u.Scheme == "http" && config.Loopback(u.Hostname()):
	default:
		return nil, errors.New("must be https, or http to a loopback address")
	}
	return u, nil
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// loopbackCredential asks an authority on this machine by the client
// credentials grant. It is safe for concurrent use.
type loopbackCredential struct {
	url    string
	appID  string
	secret config.Secret
	client *http.Client
	clock  func() time.Time

	mu    sync.Mutex // held while a token is fetched: one request at a time
	scope string
	token azcore.AccessToken
}

// early is how long before its end a token is replaced.
const early = 5 * time.Minute

// GetToken implements azcore.TokenCredential.
func (c *loopbackCredential) GetToken(ctx context.Context, o policy.TokenRequestOptions) (azcore.AccessToken, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now
	if c.clock != nil {
		now = c.clock
	}
	scope := strings.Join(o.Scopes, " ")
	if c.scope == scope && now().Before(c.token.ExpiresOn.Add(-early)) {
		return c.token, nil
	}
	form := url.Values{"grant_type": {"client_credentials"}, "client_id": {c.appID}, "client_secret": {c.secret.Reveal()}, "scope": {scope}}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.url, strings.NewReader(form.Encode()))
	if err != nil {
		return azcore.AccessToken{}, errors.New("the login URL is not usable")
	}
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	resp, err := c.client.Do(req)
	if err != nil {
		return azcore.AccessToken{}, fmt.Errorf("requesting a token: %w", err)
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return azcore.AccessToken{}, fmt.Errorf("requesting a token: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return azcore.AccessToken{}, &tokenError{status: resp.StatusCode, code: loginCode(string(data), resp.StatusCode)}
	}
	var answer struct {
		AccessToken string      `json:"access_token"`
		ExpiresIn   json.Number `json:"expires_in"`
	}
	if json.Unmarshal(data, &answer) != nil || answer.AccessToken == "" {
		return azcore.AccessToken{}, errors.New("requesting a token: the answer holds none")
	}
	seconds, _ := answer.ExpiresIn.Int64()
	c.scope = scope
	c.token = azcore.AccessToken{Token: answer.AccessToken, ExpiresOn: now().Add(time.Duration(seconds) * time.Second)}
	return c.token, nil
}

// Forget drops the token, as after Graph refused it.
func (c *loopbackCredential) Forget() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.token = azcore.AccessToken{}
}

// tokenError is a refusal by the authority.
type tokenError struct {
	status int
	code   string
}

func (e *tokenError) Error() string {
	return fmt.Sprintf("requesting a token: status %d (%s)", e.status, e.code)
}

var aadsts = regexp.MustCompile(`AADSTS\d{4,9}`)

// loginCode is what tells why the authority refused, as AADSTS7000215 (wrong
// secret): the one part of its text that is certain to hold nothing else. Where
// there is none it is the answer's status.
func loginCode(text string, status int) string {
	if code := aadsts.FindString(text); code != "" {
		return code
	}
	return fmt.Sprintf("login_status_%d", status)
}
