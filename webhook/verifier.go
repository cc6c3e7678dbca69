package webhook

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwa"
	"github.com/lestrrat-go/jwx/v2/jwt"
	"go.uber.org/zap"
	"golang.org/x/sync/singleflight"
)

// DefaultPublisher is the app id of Microsoft Graph Change Tracking, the only
// client whose tokens count.
// Source: learn.microsoft.com/graph/change-notifications-with-resource-data.
const DefaultPublisher = "0bf30f3b-4a52-48df-9a82-234910c4a086"

// The placeholder for a tenant id in VerifierConfig, and in the issuer of a
// published key.
const (
	tenantMark    = "{tid}"
	keyTenantMark = "{tenantid}"
)

const (
	maxToken      = 16 << 10
	maxTokenDepth = 8
	// maxDeferred bounds the tokens that are kept with an item to be verified later.
	// Graph sends one for each tenant and app; all that somebody may put into a POST,
	// kept with each of its items, would be a hundred times the POST.
	maxDeferred = 4
)

// TenantApps names a tenant and the apps of ours that it knows.
type TenantApps struct {
	TenantID string
	AppIDs   []string
}

// VerifierConfig says whose tokens count. LoginURL and Tenants must be set;
// every other zero value means the default that is named.
type VerifierConfig struct {
	// LoginURL is the root of the token service, as https://login.microsoftonline.com.
	// Plain http is taken for a loopback host only.
	LoginURL string
	// IssuerV1 and IssuerV2 are the issuers of both token versions, with {tid}
	// for the tenant; https://sts.windows.net/{tid}/ and LoginURL/{tid}/v2.0.
	// China's v1 issuer is https://sts.chinacloudapi.cn/{tid}/.
	IssuerV1, IssuerV2 string
	Tenants            []TenantApps
	Publisher          string // DefaultPublisher

	Client   *http.Client     // a client of its own; redirects are never followed
	Clock    func() time.Time // time.Now
	CacheDir string           // where the last good key sets are kept, public keys only; nowhere
	Log      *zap.Logger      // nowhere
}

const (
	skew         = 5 * time.Minute  // of clocks
	refreshEvery = time.Hour        // of key sets, by Run
	missInterval = 5 * time.Minute  // least time between two fetches for an unknown kid
	retryEmpty   = 15 * time.Second // least time between two fetches while there is no set at all
	fetchTimeout = 10 * time.Second
)

// Verifier proves that a validation token was issued by the tenant's token
// service, to Microsoft's change tracking, for one of our apps. It is safe for
// concurrent use.
//
// Only RS256 counts, with the key that the tenant's own JWKS has under the
// token's kid; nothing a token says about keys (jku, x5u, jwk, x5c) is read.
// Everything that can be seen without a key is looked at first, so that only a
// token without any other fault can make us fetch one.
type Verifier struct {
	cfg     VerifierConfig
	tenants map[string]map[string]bool // lower-case tenant id: lower-case app ids; never changed
	client  *http.Client
	flight  singleflight.Group // of key sets
	proving singleflight.Group // of signatures, by token
	proven  provenTokens

	mu   sync.Mutex // guards sets and what is in them
	sets map[setName]*keySet
}

// Token is what a validation token says.
type Token struct {
	TenantID string
	AppID    string
	Version  string // 1.0 or 2.0
}

// NewVerifier returns a Verifier with the key sets that CacheDir holds; it
// fetches nothing. Run keeps the sets fresh.
func NewVerifier(cfg VerifierConfig) (*Verifier, error) {
	login, err := loginURL(cfg.LoginURL)
	if err != nil {
		return nil, err
	}
	cfg.LoginURL = login
	if cfg.IssuerV1 == "" {
		cfg.IssuerV1 = "https://sts.windows.net/" + tenantMark + "/"
	}
	if cfg.IssuerV2 == "" {
		cfg.IssuerV2 = login + "/" + tenantMark + "/v2.0"
	}
	if cfg.Publisher == "" {
		cfg.Publisher = DefaultPublisher
	}
	if cfg.Clock == nil {
		cfg.Clock = time.Now
	}
	if cfg.Log == nil {
		cfg.Log = zap.NewNop()
	}
	v := &Verifier{
		cfg:     cfg,
		tenants: make(map[string]map[string]bool),
		client:  &http.Client{},
		sets:    make(map[setName]*keySet),
	}
	if cfg.Client != nil {
		c := *cfg.Client
		v.client = &c
	}
	v.client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	for _, t := range cfg.Tenants {
		id := strings.ToLower(t.TenantID)
		if !isGUID(id) {
			return nil, errors.New("token verifier: a tenant id is not a GUID")
		}
		if v.tenants[id] == nil {
			v.tenants[id] = make(map[string]bool)
			for _, version := range []string{"1.0", "2.0"} {
				name := setName{id, version}
				v.sets[name] = v.loadSet(name)
			}
		}
		for _, app := range t.AppIDs {
			if app == "" {
				return nil, fmt.Errorf("token verifier: tenant %s: empty app id", id)
			}
			v.tenants[id][strings.ToLower(app)] = true
		}
	}
	return v, nil
}

// loginURL checks the token service's root: no keys over a wire that others can
// write to.
func loginURL(s string) (string, error) {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return "", errors.New("token verifier: login URL must be a plain https URL")
	}
	ip := net.ParseIP(u.Hostname())
	loopback := u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
	if u.Scheme != "https" && (u.Scheme != "http" || !loopback) {
		return "", errors.New("token verifier: login URL must be https, or http on a loopback host")
	}
	return strings.TrimRight(s, "/"), nil
}

func isGUID(s string) bool {
	if len(s) != 36 {
		return false
	}
	for i := range len(s) {
		switch c := s[i]; {
		case i == 8 || i == 13 || i == 18 || i == 23:
			if c != '-' {
				return false
			}
		case (c < '0' || c > '9') && (c < 'a' || c > 'f'):
			return false
		}
	}
	return true
}

// Verify returns what a token says if it was good at that time: the time when
// the notification came in, which for a deferred item is not now.
//
// The error is ErrUnverifiable, with what the token claims and nobody has
// proved, or a *Refusal with a zero Token. ctx bounds the wait for keys; a fetch
// that was begun goes on without it.
func (v *Verifier) Verify(ctx context.Context, token string, at time.Time) (Token, error) {
	t, err := v.verify(ctx, token, at)
	if _, refused := errors.AsType[*Refusal](err); refused {
		return Token{}, err
	}
	return t, err
}

// verify is Verify, but with the tenant that a token claims which was refused
// for not being for us.
func (v *Verifier) verify(ctx context.Context, token string, at time.Time) (Token, error) {
	if t, ok := v.remembered(token, at); ok {
		return t, nil
	}
	claimed, kid, why := v.examine(token, at)
	if why != "" {
		return claimed, &Refusal{why}
	}
	key, err := v.key(ctx, claimed, kid, at)
	if err != nil {
		if errors.Is(err, ErrUnverifiable) {
			return claimed, err
		}
		return Token{}, err
	}
	// Many POSTs can bring a new token at once: its signature is verified for the first,
	// and the others find it remembered. What was refused each finds out for itself.
	first := false
	_, _, _ = v.proving.Do(token, func() (any, error) {
		first = true
		claimed, err = v.checkSignature(token, kid, key, at)
		return nil, nil
	})
	if first {
		return claimed, err
	}
	if t, ok := v.remembered(token, at); ok {
		return t, nil
	}
	return v.checkSignature(token, kid, key, at)
}

// checkSignature verifies a token with one RSA key and RS256, whatever its
// header says, checks its claims again, on what was verified, and remembers it.
func (v *Verifier) checkSignature(token, kid string, key *rsa.PublicKey, at time.Time) (Token, error) {
	parsed, err := jwt.Parse([]byte(token), jwt.WithKey(jwa.RS256, key), jwt.WithValidate(false))
	if err != nil {
		return Token{}, &Refusal{ReasonTokenSignature}
	}
	proved, why := v.checkClaims(parsed, at)
	if why != "" {
		return Token{}, &Refusal{why}
	}
	v.proven.add(token, provenToken{proved, lifetimeOf(parsed), kid, key}, at)
	return proved, nil
}

// examine looks at everything in a token but its signature.
func (v *Verifier) examine(token string, at time.Time) (t Token, kid string, why Reason) {
	header, payload, ok := split(token)
	if !ok {
		return Token{}, "", ReasonTokenMalformed
	}
	// The library would read the first value of several.
	if checkJSON(header, maxTokenDepth, true) != nil || checkJSON(payload, maxTokenDepth, true) != nil {
		return Token{}, "", ReasonTokenMalformed
	}
	if kid, why = checkJOSE(header); why != "" {
		return Token{}, "", why
	}
	parsed, err := jwt.ParseInsecure([]byte(token))
	if err != nil {
		return Token{}, "", ReasonTokenMalformed
	}
	t, why = v.checkClaims(parsed, at)
	return t, kid, why
}

// split takes a JWS in compact form apart. It is stricter than the library, so
// that one token has one spelling: unpadded base64url, no line breaks, no
// leftover bits, no JSON form, no JWE.
func split(token string) (header, payload []byte, ok bool) {
	parts := strings.Split(token, ".")
	if len(token) > maxToken || len(parts) != 3 || strings.ContainsAny(token, "\r\n") {
		return nil, nil, false
	}
	var raw [3][]byte
	for i, p := range parts {
		b, err := base64.RawURLEncoding.Strict().DecodeString(p)
		if err != nil {
			return nil, nil, false
		}
		raw[i] = b
	}
	return raw[0], raw[1], true
}

// checkJOSE reads the header by exact member names: encoding/json would take
// "ALG" for alg. Extensions that must be understood are not.
func checkJOSE(header []byte) (kid string, why Reason) {
	var h map[string]json.RawMessage
	if json.Unmarshal(header, &h) != nil {
		return "", ReasonTokenMalformed
	}
	if _, ok := h["crit"]; ok {
		return "", ReasonTokenMalformed
	}
	var alg string
	if json.Unmarshal(h["alg"], &alg) != nil || alg != "RS256" {
		return "", ReasonTokenAlgorithm
	}
	if json.Unmarshal(h["kid"], &kid) != nil || kid == "" {
		return "", ReasonTokenKeyID
	}
	return kid, ""
}

// checkClaims compares every claim that says for whom, by whom, to whom and
// when. Source: entra-docs access-token-claims-reference.md.
func (v *Verifier) checkClaims(t jwt.Token, at time.Time) (Token, Reason) {
	text := func(name string) string {
		c, _ := t.Get(name)
		s, _ := c.(string)
		return s
	}
	tid := text("tid")
	theirs := Token{TenantID: tid}
	apps := v.tenants[tid]
	ver := text("ver")
	caller := map[string]string{"1.0": "appid", "2.0": "azp"}[ver]
	switch {
	case caller == "":
		return Token{}, ReasonTokenVersion
	case apps == nil:
		return theirs, ReasonTokenTenant
	case t.Issuer() != v.issuer(tid, ver):
		return Token{}, ReasonTokenIssuer
	case len(t.Audience()) != 1:
		return Token{}, ReasonTokenAudience
	case !strings.EqualFold(text(caller), v.cfg.Publisher):
		return Token{}, ReasonTokenPublisher
	}
	aud := strings.ToLower(t.Audience()[0])
	if ver == "1.0" { // v1 may name the resource instead of the app
		aud = strings.TrimPrefix(aud, "api://")
	}
	if !apps[aud] {
		return theirs, ReasonTokenAudience
	}
	if why := lifetimeOf(t).at(at); why != "" {
		return Token{}, why
	}
	return Token{TenantID: tid, AppID: aud, Version: ver}, ""
}

func (v *Verifier) issuer(tid, ver string) string {
	pattern := v.cfg.IssuerV1
	if ver == "2.0" {
		pattern = v.cfg.IssuerV2
	}
	return strings.ReplaceAll(pattern, tenantMark, tid)
}

// Proof is what the tokens of one collection prove.
type Proof struct {
	proved  []pair
	claimed map[pair][]string
}

type pair struct{ tenant, app string }

func pairOf(tenant, app string) pair { return pair{strings.ToLower(tenant), strings.ToLower(app)} }

// Proves reports whether a valid token was for that tenant and app.
func (p Proof) Proves(tenantID, appID string) bool {
	return slices.Contains(p.proved, pairOf(tenantID, appID))
}

// Unproved returns the tokens that claim to be for that tenant and app and could
// not be verified now.
func (p Proof) Unproved(tenantID, appID string) []string { return p.claimed[pairOf(tenantID, appID)] }

// expects reports whether a token for that tenant and app can be verified.
func (v *Verifier) expects(tenantID, appID string) bool {
	of := pairOf(tenantID, appID)
	return v.tenants[of.tenant][of.app]
}

// VerifyCollection verifies every token of one collection as of one time. If one
// of them is refused so is the collection, with that token's *Refusal: nobody
// but a forger sends it. Tokens that cannot be verified now are in the Proof and
// no error.
//
// strangers are the tenants of items in the collection that are not for us.
// Graph puts items of several apps and tenants into one POST if they share a
// URL, and anyone may subscribe with ours. So a token whose one fault is to be
// for another app or tenant is passed over if an item of that tenant explains
// it: it proves nothing, and nobody can make us drop our items with his own.
func (v *Verifier) VerifyCollection(ctx context.Context, tokens []string, at time.Time, strangers ...string) (Proof, error) {
	var p Proof
	for _, token := range tokens {
		t, err := v.verify(ctx, token, at)
		switch of := pairOf(t.TenantID, t.AppID); {
		case isForOthers(err) && slices.ContainsFunc(strangers, func(s string) bool { return s != "" && strings.EqualFold(s, t.TenantID) }):
		case err == nil:
			p.proved = append(p.proved, of)
		case errors.Is(err, ErrUnverifiable):
			if p.claimed == nil {
				p.claimed = make(map[pair][]string)
			}
			if len(p.claimed[of]) < maxDeferred {
				p.claimed[of] = append(p.claimed[of], token)
			}
		default:
			return Proof{}, err
		}
	}
	return p, nil
}

// isForOthers reports whether a token was refused for being for another tenant
// or app than ours.
func isForOthers(err error) bool {
	refusal, ok := errors.AsType[*Refusal](err)
	return ok && (refusal.Reason == ReasonTokenTenant || refusal.Reason == ReasonTokenAudience)
}

// Prove settles an item with deferred tokens, as of when it was received: nil if
// it is proved now or was on receipt, ErrUnverifiable if it still cannot be, a
// *Refusal if it never will be.
func (v *Verifier) Prove(ctx context.Context, item Item) error {
	if len(item.Deferred) == 0 {
		return nil
	}
	p, err := v.VerifyCollection(ctx, item.Deferred, item.Received)
	switch {
	case err != nil:
		return err
	case len(p.claimed) > 0:
		return ErrUnverifiable
	case !p.Proves(item.TenantID, item.AppID):
		return &Refusal{ReasonTokenNotForIt}
	}
	return nil
}
