package graphtwin

import (
	"crypto/rsa"
	"crypto/subtle"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
)

// access is who a Graph request comes from: an app in a tenant, with the roles
// that its token carried when it was issued.
type access struct {
	tenant, app string
	roles       []string
}

type cachedToken struct {
	token string
	until time.Time
}

// serveLogin answers the token service's paths.
func (t *Twin) serveLogin(c *call) answer {
	p := c.path
	switch {
	case len(p) == 3 && p[0] == "common" && p[1] == "discovery" && p[2] == "instance":
		return t.instanceDiscovery(c)
	case len(p) < 2:
		return failure(http.StatusNotFound, "ResourceNotFound", "There is nothing here. Graph is under /v1.0/, the twin's controls under /twin/.")
	}
	tenant, rest := p[0], strings.Join(p[1:], "/")
	if rest != "oauth2/v2.0/token" && c.r.Method != http.MethodGet {
		return failure(http.StatusMethodNotAllowed, "MethodNotAllowed", "The method is not allowed.")
	}
	switch rest {
	case "oauth2/v2.0/token":
		return t.token(c, tenant)
	case ".well-known/openid-configuration":
		return t.discovery(c, tenant, "discovery/keys", issuerV1)
	case "v2.0/.well-known/openid-configuration":
		return t.discovery(c, tenant, "discovery/v2.0/keys", issuerV2)
	case "discovery/keys", "discovery/v2.0/keys":
		if !t.knownTenant(tenant) {
			return oauthError(http.StatusBadRequest, "invalid_tenant", "AADSTS90002: Tenant not found.", 90002, t.now())
		}
		return t.jwks(c)
	}
	return failure(http.StatusNotFound, "ResourceNotFound", "There is nothing here. Graph is under /v1.0/, the twin's controls under /twin/.")
}

func (t *Twin) knownTenant(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return name == "common" || name == "organizations" || t.findTenant(name) != nil
}

// issuer fills in the pattern; {tenantid} stays where the tenant is common.
func issuer(pattern, base, tenant string) string {
	return strings.NewReplacer("{login}", base, "{tid}", tenant).Replace(pattern)
}

func (t *Twin) instanceDiscovery(c *call) answer {
	host := strings.TrimPrefix(strings.TrimPrefix(c.base, "https://"), "http://")
	return ok(map[string]any{
		"tenant_discovery_endpoint": c.base + "/common/v2.0/.well-known/openid-configuration", "api-version": "1.1",
		"metadata": []any{map[string]any{"preferred_network": host, "preferred_cache": host, "aliases": []string{host}}},
	})
}

func (t *Twin) discovery(c *call, tenant, keys, pattern string) answer {
	if !t.knownTenant(tenant) {
		return oauthError(http.StatusBadRequest, "invalid_tenant", "AADSTS90002: Tenant '"+tenant+"' not found.", 90002, t.now())
	}
	t.mu.Lock()
	tid := "{tenantid}"
	if x := t.findTenant(tenant); x != nil {
		tid = x.ID
	}
	t.mu.Unlock()
	root := c.base + "/" + tenant + "/"
	return ok(map[string]any{
		"issuer": issuer(pattern, c.base, tid), "jwks_uri": root + keys,
		"token_endpoint": root + "oauth2/v2.0/token", "authorization_endpoint": root + "oauth2/v2.0/authorize",
		"token_endpoint_auth_methods_supported": []string{"client_secret_post", "private_key_jwt"},
		"response_types_supported":              []string{"code", "id_token"}, "subject_types_supported": []string{"pairwise"},
		"id_token_signing_alg_values_supported": []string{"RS256"}, "tenant_region_scope": "EU", "cloud_instance_name": "twin",
	})
}

func (t *Twin) jwks(c *call) answer {
	t.mu.Lock()
	published := t.published()
	t.mu.Unlock()
	list := []any{}
	for _, k := range published {
		list = append(list, k.jwk(issuer(issuerV2, c.base, "{tenantid}")))
	}
	return ok(map[string]any{"keys": list})
}

// published are the two keys that the JWKS shows: the older one, and the one
// that signs; t.mu is held.
func (t *Twin) published() []*signingKey { return t.keys[len(t.keys)-2:] }

func (t *Twin) signer() *signingKey { return t.keys[len(t.keys)-1] }

// Rotate publishes a new signing key, which signs from now on, and withdraws
// the oldest. It returns the new kid.
func (t *Twin) Rotate() string {
	t.mu.Lock()
	n := t.nextKey
	t.nextKey++
	t.mu.Unlock()
	key := poolKey(n)
	t.mu.Lock()
	defer t.mu.Unlock()
	t.keys = append(t.keys, key)
	clear(t.tokenCache)
	return key.kid
}

// unpublishedKey is a key that no JWKS ever shows.
var unpublishedKey = sync.OnceValue(func() *signingKey { return newSigningKey(-1) })

// oauthError is an error of the token service, in its own form.
func oauthError(status int, code, description string, number int, now time.Time) answer {
	return answer{status: status, body: map[string]any{
		"error": code, "error_description": description, "error_codes": []int{number},
		"timestamp": now.Format("2006-01-02 15:04:05Z"), "trace_id": randomGUID(), "correlation_id": randomGUID(),
	}}
}

// token is the client credentials grant.
func (t *Twin) token(c *call, tenantName string) answer {
	form, err := url.ParseQuery(string(c.body))
	if c.r.Method != http.MethodPost || err != nil {
		return oauthError(http.StatusBadRequest, "invalid_request", "AADSTS900144: The request body must be a form.", 900144, t.now())
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	now := t.now()
	tenant := t.findTenant(tenantName)
	switch {
	case tenant == nil:
		return oauthError(http.StatusBadRequest, "invalid_request", "AADSTS90002: Tenant '"+tenantName+"' not found. Check to make sure you have the correct tenant ID.", 90002, now)
	case form.Get("grant_type") != "client_credentials":
		return oauthError(http.StatusBadRequest, "unsupported_grant_type", "AADSTS70003: The app requested an unsupported grant type.", 70003, now)
	}
	app := t.apps[appKey{tenant.ID, form.Get("client_id")}]
	if app == nil {
		return oauthError(http.StatusBadRequest, "unauthorized_client", "AADSTS700016: Application with identifier '"+form.Get("client_id")+"' was not found in the directory '"+tenant.Name+"'.", 700016, now)
	}
	if a, bad := t.checkCredential(c, app, tenantName, form, now); bad {
		return a
	}
	resource, isDefault := strings.CutSuffix(resourceScope(form.Get("scope")), "/.default")
	if !isDefault {
		return oauthError(http.StatusBadRequest, "invalid_scope", "AADSTS1002012: The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.", 1002012, now)
	}
	if !t.isGraph(resource, c) {
		return oauthError(http.StatusBadRequest, "invalid_resource", "AADSTS500011: The resource principal named "+resource+" was not found in the tenant.", 500011, now)
	}
	life := int(t.opts.TokenLifetime / time.Second)
	return answer{status: http.StatusOK, body: map[string]any{
		"token_type": "Bearer", "expires_in": life, "ext_expires_in": life, "access_token": t.accessToken(app, resource, now),
	}}
}

// resourceScope is the scope without those of OpenID Connect, which Microsoft's
// client libraries always add.
func resourceScope(scope string) string {
	return strings.Join(slices.DeleteFunc(strings.Fields(scope), func(s string) bool {
		return s == "openid" || s == "profile" || s == "offline_access"
	}), " ")
}

// isGraph reports whether a token may be asked for the resource.
func (t *Twin) isGraph(resource string, c *call) bool {
	resource = strings.TrimSuffix(resource, "/")
	return resource == "https://graph.microsoft.com" || resource == t.base || resource == "http://"+c.r.Host || resource == "https://"+c.r.Host
}

func (t *Twin) checkCredential(c *call, app *App, tenantName string, form url.Values, now time.Time) (answer, bool) {
	if form.Get("client_assertion") != "" {
		if why := t.checkAssertion(c, app, tenantName, form, now); why != "" {
			return oauthError(http.StatusUnauthorized, "invalid_client", "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered on application, or the assertion is not valid: "+why+".", 700027, now), true
		}
		return answer{}, false
	}
	secret := form.Get("client_secret")
	if app.Secret == "" || subtle.ConstantTimeCompare([]byte(secret), []byte(app.Secret)) != 1 {
		return oauthError(http.StatusUnauthorized, "invalid_client", "AADSTS7000215: Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '"+app.ID+"'.", 7000215, now), true
	}
	return answer{}, false
}

// checkAssertion verifies a client assertion against the registered
// certificates; it says why it is not valid.
func (t *Twin) checkAssertion(c *call, app *App, tenantName string, form url.Values, now time.Time) string {
	if form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
		return "client_assertion_type is wrong"
	}
	j, err := parseJWT(form.Get("client_assertion"))
	if err != nil {
		return err.Error()
	}
	signed := false
	for _, cert := range app.Certificates {
		pub, isRSA := cert.PublicKey.(*rsa.PublicKey)
		if isRSA && j.names(cert) && j.verify(pub) == nil {
			signed = true
		}
	}
	endpoints := []string{}
	for _, base := range []string{c.base, "http://" + c.r.Host, "https://" + c.r.Host} {
		endpoints = append(endpoints, base+"/"+tenantName+"/oauth2/v2.0/token", base+"/"+app.TenantID+"/oauth2/v2.0/token")
	}
	switch {
	case !signed:
		return "no registered certificate signed it"
	case j.text("iss") != app.ID || j.text("sub") != app.ID:
		return "iss and sub must be the client id"
	case !slices.Contains(endpoints, j.text("aud")):
		return "aud must be the token endpoint"
	case now.After(j.time("exp")) || now.Add(5*time.Minute).Before(j.time("nbf")):
		return "it is not valid at this time"
	}
	return ""
}

func (t *Twin) accessToken(app *App, resource string, now time.Time) string {
	return signing{key: t.signer(), x5t: true}.sign(map[string]any{
		"aud": resource, "iss": issuer(issuerV1, t.base, app.TenantID), "iat": now.Unix(), "nbf": now.Unix(),
		"exp": now.Add(t.opts.TokenLifetime).Unix(), "appid": app.ID, "app_displayname": app.Name, "idtyp": "app",
		"oid": app.ServicePrincipalID, "sub": app.ServicePrincipalID, "roles": append([]string{}, app.Roles...), "tid": app.TenantID,
		"uti": randomGUID(), "ver": "1.0", "xms_generation": t.tokenGeneration,
	})
}

// RevokeTokens makes Graph refuse, with 401, every access token issued before.
func (t *Twin) RevokeTokens() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.tokenGeneration++
}

// identify finds out whose token the request carries, for the journal; whether
// it is any good is authorize's business.
func (t *Twin) identify(c *call) {
	token, found := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !found {
		return
	}
	if j, err := parseJWT(token); err == nil {
		t.mu.Lock()
		c.log.AppID, c.log.TenantID = j.text("appid"), j.text("tid")
		t.mu.Unlock()
	}
}

// authorize checks the bearer token.
func (t *Twin) authorize(c *call) (answer, bool) {
	refuse := func(message string) (answer, bool) {
		a := failure(http.StatusUnauthorized, "InvalidAuthenticationToken", "%s", message)
		a.header = map[string]string{"WWW-Authenticate": `Bearer realm="", authorization_uri="` + c.base + `/common/oauth2/authorize", client_id="00000003-0000-0000-c000-000000000000"`}
		return a, false
	}
	token, found := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer ")
	if !found || token == "" {
		return refuse("Access token is empty.")
	}
	j, err := parseJWT(token)
	if err != nil {
		return refuse("CompactToken parsing failed with error code: 80049217")
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	i := slices.IndexFunc(t.keys, func(k *signingKey) bool { return k.kid == j.header.Kid })
	if i < 0 || j.header.Alg != "RS256" || j.verify(&t.keys[i].priv.PublicKey) != nil {
		return refuse("Access token validation failure. Invalid signature.")
	}
	now := t.now()
	switch {
	case !now.Before(j.time("exp")) || now.Add(5*time.Minute).Before(j.time("nbf")):
		return refuse("Lifetime validation failed, the token is expired.")
	case j.number("xms_generation") < t.tokenGeneration:
		return refuse("Continuous access evaluation resulted in challenge with result: InteractionRequired and code: TokenIssuedBeforeRevocationTimestamp")
	case !t.isGraph(j.text("aud"), c):
		return refuse("Access token validation failure. Invalid audience.")
	}
	a := &access{tenant: j.text("tid"), app: j.text("appid")}
	roles, _ := j.claims["roles"].([]any)
	for _, r := range roles {
		if s, isText := r.(string); isText {
			a.roles = append(a.roles, s)
		}
	}
	c.from = a
	return answer{}, true
}

// allow checks that the token carries one of the roles.
func (c *call) allow(anyOf ...string) (answer, bool) {
	for _, r := range anyOf {
		if slices.Contains(c.from.roles, r) {
			return answer{}, true
		}
	}
	return failure(http.StatusForbidden, "Forbidden", "Missing role permissions on the request. API requires one of '%s'. Roles on the request '%s'.",
		strings.Join(anyOf, ", "), strings.Join(c.from.roles, ", ")), false
}

// validationToken makes the JWT that proves a notification, spoiled by flaw if
// that names one; t.mu is held.
func (t *Twin) validationToken(app *App, flaw string) string {
	now := t.now()
	cacheKey := app.TenantID + " " + app.ID
	if flaw == "" {
		if cached, found := t.tokenCache[cacheKey]; found && now.Before(cached.until) {
			return cached.token
		}
	}
	publisher := derivedGUID("publisher " + app.TenantID)
	claims := map[string]any{
		"aud": app.ID, "iat": now.Unix(), "nbf": now.Unix(), "aio": randomGUID(), "oid": publisher, "sub": publisher,
		"rh": "0.", "tid": app.TenantID, "uti": randomGUID(),
	}
	s := signing{key: t.signer()}
	caller := "azp"
	if app.TokenVersion == 1 {
		s.x5t = true
		caller = "appid"
		claims["ver"], claims["appidacr"] = "1.0", "2"
		claims["iss"] = issuer(issuerV1, t.base, app.TenantID)
		claims["idp"] = claims["iss"]
		claims["exp"] = now.Add(29100 * time.Second).Unix() // as in Microsoft's example
	} else {
		claims["ver"], claims["azpacr"] = "2.0", "2"
		claims["iss"] = issuer(issuerV2, t.base, app.TenantID)
		claims["exp"] = now.Add(86700 * time.Second).Unix()
	}
	claims[caller] = PublisherAppID
	switch flaw {
	case FaultTokenAudience:
		claims["aud"] = derivedGUID("somebody else's app")
	case FaultTokenIssuer:
		claims["iss"] = "https://login.example/" + app.TenantID + "/v2.0"
	case FaultTokenTenant:
		claims["tid"] = derivedGUID("somebody else's tenant")
	case FaultTokenPublisher:
		claims[caller] = derivedGUID("somebody else's client")
	case FaultTokenExpired:
		claims["iat"], claims["nbf"], claims["exp"] = now.Add(-26*time.Hour).Unix(), now.Add(-26*time.Hour).Unix(), now.Add(-time.Hour).Unix()
	case FaultTokenAlgNone:
		s.mode = "none"
	case FaultTokenHS256:
		s.mode = "HS256"
	case FaultTokenUnpublishedKey:
		s.key = unpublishedKey()
	}
	token := s.sign(claims)
	if flaw == "" {
		t.tokenCache[cacheKey] = cachedToken{token, now.Add(5 * time.Minute)}
	}
	return token
}
