package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"

	"teamsdlp/config"
)

const (
	// graphHandshakeWait is how long Graph waits for the answer to a handshake.
	graphHandshakeWait = 10 * time.Second
	// clockDrift is from when on a wrong clock is worth a word. Tokens are taken
	// with 5 minutes of it.
	clockDrift = time.Minute
	maxAnswer  = 1 << 20
)

// online is everything that asks another machine.
func (k *checker) online(ctx context.Context, cfg *config.Config) {
	at := cfg.Cloud.Resolve()
	for i, t := range cfg.Tenants {
		if token, ok := k.token(ctx, at, t); ok {
			k.roles(t, token, cfg.Cloud.CanEnforce())
		}
		date := k.signingKeys(ctx, at, t.ID)
		if i == 0 {
			k.clock(date)
		}
	}
	k.handshake(ctx, "notification", cfg.Public.NotificationURL())
	k.handshake(ctx, "lifecycle", cfg.Public.LifecycleURL())
}

func (k *checker) token(ctx context.Context, at config.Endpoints, t config.Tenant) (string, bool) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	token, err := k.requestToken(ctx, at, t)
	if err != nil {
		detail, mend := tokenFailure(err)
		k.add(isFault, "token", t.ID, mend, "%s credential of app %s: %s", t.Credential.Kind, t.AppID, detail)
		return "", false
	}
	k.add(isOK, "token", t.ID, "", "%s credential of app %s", t.Credential.Kind, t.AppID)
	return token, true
}

func (k *checker) requestToken(ctx context.Context, at config.Endpoints, t config.Tenant) (string, error) {
	credential, err := tenantCredential(t, at, k.client.Transport)
	if err != nil {
		return "", err
	}
	token, err := credential.GetToken(ctx, policy.TokenRequestOptions{Scopes: []string{at.Graph + "/.default"}})
	return token.Token, err
}

// do makes one request of bounded answer, and returns the answer's Date too.
func (k *checker) do(ctx context.Context, method, address, contentType string) (status int, answer []byte, header http.Header, err error) {
	req, err := http.NewRequestWithContext(ctx, method, address, nil)
	if err != nil {
		return 0, nil, nil, err
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	resp, err := k.client.Do(req)
	if err != nil {
		return 0, nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }() // it was only read
	answer, err = io.ReadAll(io.LimitReader(resp.Body, maxAnswer))
	return resp.StatusCode, answer, resp.Header, err
}

var entraError = regexp.MustCompile(`AADSTS([0-9]{4,9})(?:: ([^\r\n"\\]*))?`)

// entraMends are the errors that a first set-up meets.
// Source: learn.microsoft.com/entra/identity-platform/reference-error-codes.
var entraMends = map[string]string{
	"700016":  "correct app_id, or make the app registration in this tenant",
	"90002":   "correct the tenant's id, and the cloud",
	"900023":  "correct the tenant's id",
	"7000215": "give the value of a client secret of this app, not the secret's id",
	"7000222": "make a new client secret: this one has expired",
	"700027":  "upload the certificate to the app registration, or name the one that is there",
	"700024":  "set this machine's clock",
	"7000229": "let an administrator consent, which makes the app's service principal in the tenant",
	"53003":   "exempt the app from the Conditional Access policy that blocks it",
}

// tokenFailure is what went wrong, in a line, and how to mend it. The errors of
// Entra name apps and tenants, never credentials.
func tokenFailure(err error) (detail, mend string) {
	if m := entraError.FindStringSubmatch(err.Error()); m != nil {
		text, _, _ := strings.Cut(m[2], " Trace ID")
		mend, known := entraMends[m[1]]
		if !known {
			mend = "look the code up: https://login.microsoftonline.com/error?code=" + m[1]
		}
		return strings.TrimSuffix("AADSTS"+m[1]+": "+text, ": "), mend
	}
	text, rest, _ := strings.Cut(netReason(err), "; ")
	for strings.HasSuffix(text, ":") && rest != "" { // it goes on in the next line
		var next string
		next, rest, _ = strings.Cut(rest, "; ")
		text = strings.TrimRight(text+" "+strings.TrimSpace(next), " ")
	}
	text, _, _ = strings.Cut(text, " To troubleshoot, visit")
	if len(text) > 300 {
		text = text[:300] + "…"
	}
	return text, "correct the credential, or the network's way to the login server"
}

// A permission is an application permission that is needed: one of several that
// will do, the least first.
type permission struct {
	anyOf []string
	why   string
	of    contextNeed // what only some rules need it for; 0: all need it
}

// permissions are what a tenant's app needs, and what only some rules need.
// Source: learn.microsoft.com/graph, "Create subscription", "Update chatMessage"
// and the pages of the reads.
func permissions(resources []string, enforce bool) (needed, optional []permission) {
	chats := slices.ContainsFunc(resources, func(r string) bool { return strings.HasPrefix(r, "chats") || strings.HasPrefix(r, "users/") })
	channels := slices.ContainsFunc(resources, func(r string) bool { return r == config.ResourceChannels || strings.HasPrefix(r, "teams/") })
	if chats {
		needed = append(needed, permission{[]string{"Chat.Read.All"}, "to be notified of chat messages", 0})
		if enforce {
			needed = append(needed, permission{[]string{"Chat.UpdatePolicyViolation.All", "Chat.ReadWrite.All"}, "to act on them", 0})
		}
		optional = append(optional, permission{[]string{"ChatMember.Read.All", "Chat.ReadBasic.All", "Chat.Read.All"}, "for rules about who is in a chat", needChat})
	}
	if channels {
		needed = append(needed, permission{[]string{"ChannelMessage.Read.All"}, "to be notified of channel messages", 0})
		if enforce {
			needed = append(needed, permission{[]string{"ChannelMessage.UpdatePolicyViolation.All", "Group.ReadWrite.All"}, "to act on them", 0})
		}
		optional = append(optional,
			permission{[]string{"Channel.ReadBasic.All"}, "for rules about kinds of channels, and their names in the log", needChannel},
			permission{[]string{"ChannelMember.Read.All"}, "for rules about who is in a channel", needChannel})
	}
	optional = append(optional,
		permission{[]string{"User.Read.All"}, "for rules about the sender", needPerson | needGroups},
		permission{[]string{"GroupMember.Read.All"}, "for rules about groups", needGroups})
	return needed, optional
}

func (k *checker) roles(t config.Tenant, token string, enforce bool) {
	have, err := rolesOf(token)
	if err != nil {
		k.add(isFault, "permissions", t.ID, "see that login_url and the credential are of the tenant's cloud", "%s", err)
		return
	}
	needed, optional := permissions(t.Resources, enforce)
	for _, p := range needed {
		if role := p.in(have); role != "" {
			k.add(isOK, "permissions", t.ID, "", "%s, %s", role, p.why)
			continue
		}
		k.add(isFault, "permissions", t.ID, "add it to the app registration as an application permission of Microsoft Graph, and let an administrator consent; a new token can take minutes to have it",
			"%s is missing, %s", p.anyOf[0], p.why)
	}
	for _, p := range optional {
		if role := p.in(have); role != "" {
			k.add(isOK, "permissions", t.ID, "", "%s, %s (optional)", role, p.why)
			continue
		}
		if rules := rulesThatNeed(k.set, p.of); len(rules) > 0 {
			k.add(isWarn, "permissions", t.ID, "add it to the app registration as an application permission of Microsoft Graph, and let an administrator consent; without it these rules stay in force where they cannot be judged: they act on more than they are meant for",
				"%s is missing, %s, as %s", p.anyOf[0], p.why, someOf(rules))
			continue
		}
		k.add(isNote, "permissions", t.ID, "add it if there are such rules; without it they stay in force where they cannot be judged",
			"%s is missing: optional, %s", p.anyOf[0], p.why)
	}
}

// in is the first of the permissions that is among have.
func (p permission) in(have []string) string {
	for _, role := range p.anyOf {
		if slices.Contains(have, role) {
			return role
		}
	}
	return ""
}

// rolesOf reads the roles of an access token without verifying it: it came from
// where it was asked for, and it is Graph that has to believe it.
func rolesOf(token string) ([]string, error) {
	unreadable := errors.New("the access token is not a JWT with roles")
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, unreadable
	}
	payload, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return nil, unreadable
	}
	var claims struct {
		Roles []string `json:"roles"`
	}
	if json.Unmarshal(payload, &claims) != nil {
		return nil, unreadable
	}
	return claims.Roles, nil
}

// signingKeys fetches the keys that sign validation tokens, and returns the
// server's time.
func (k *checker) signingKeys(ctx context.Context, at config.Endpoints, tenant string) (date string) {
	for _, set := range []struct{ version, address string }{{"v1.0", at.V1Keys(tenant)}, {"v2.0", at.V2Keys(tenant)}} {
		const mend = "let this machine reach the login server over https; correct the tenant's id, and the cloud"
		status, body, header, err := k.do(ctx, http.MethodGet, set.address, "")
		if err != nil {
			k.add(isFault, "signing keys", tenant, mend, "%s: %s", set.address, netReason(err))
			continue
		}
		date = header.Get("Date")
		var jwks struct {
			Keys []struct {
				Kid string `json:"kid"`
			} `json:"keys"`
		}
		if err := json.Unmarshal(body, &jwks); err != nil || status != http.StatusOK || len(jwks.Keys) == 0 {
			k.add(isFault, "signing keys", tenant, mend, "%s: status %d, no keys", set.address, status)
			continue
		}
		k.add(isOK, "signing keys", tenant, "", "%s for %s tokens", plural(len(jwks.Keys), "key"), set.version)
	}
	return date
}

func (k *checker) clock(date string) {
	at, err := http.ParseTime(date)
	if err != nil {
		k.add(isNote, "clock", "", "ask again when the login server can be reached", "not compared: the login server did not tell the time")
		return
	}
	off := k.now().Sub(at).Round(time.Second)
	if off.Abs() > clockDrift {
		k.warn("clock", "set this machine's clock, by NTP", "%s off the login server's: tokens will be refused from 5m on, and exposure times are wrong", off)
		return
	}
	k.ok("clock", "%s off the login server's", off)
}

// handshake does what Graph does before it makes a subscription, in Graph's
// spelling: %3a in lower case, + for a space, TLS 1.2.
// Source: learn.microsoft.com/graph/change-notifications-delivery-webhooks.
func (k *checker) handshake(ctx context.Context, route, address string) {
	const check = "handshake"
	token := "Validation: Testing client application reachability for subscription Request-Id: " + randomGUID()
	encoded := strings.NewReplacer(":", "%3a", " ", "+").Replace(token)
	client := &checker{client: withTLS12(k.client)}
	status, body, header, err := client.do(ctx, http.MethodPost, address+"?validationToken="+encoded, "text/plain; charset=utf-8")
	const reach = "serve must be running, and the name, the port and the proxy must lead to it; a network that does not let its own machines reach its public address may need this check from elsewhere"
	if err != nil {
		mend := reach
		if strings.Contains(err.Error(), "protocol version") {
			mend = "let it take TLS 1.2 too: Graph cannot use an address that takes TLS 1.3 only"
		}
		k.add(isFault, check, route, mend, "%s: %s", address, netReason(err))
		return
	}
	kind, _, _ := mime.ParseMediaType(header.Get("Content-Type"))
	switch {
	case status != http.StatusOK:
		k.add(isFault, check, route, reach+"; nothing in front may ask for a sign-in", "%s: status %d, where Graph wants 200", address, status)
	case kind != "text/plain":
		k.add(isFault, check, route, "see that it is teamsdlp that answers", "%s: the answer is not text/plain", address)
	case !bytes.Equal(body, []byte(token)):
		k.add(isFault, check, route, "see that it is teamsdlp that answers, and that nothing in front rewrites the query or the answer", "%s: the answer is not the validation token, byte for byte", address)
	default:
		k.add(isOK, check, route, "", "%s", address)
	}
}

// withTLS12 is client, speaking TLS 1.2 at most: Graph could not use an endpoint
// that takes nothing else than 1.3.
func withTLS12(client *http.Client) *http.Client {
	transport, ok := client.Transport.(*http.Transport)
	if !ok {
		transport = http.DefaultTransport.(*http.Transport)
	}
	transport = transport.Clone()
	if transport.TLSClientConfig == nil {
		transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	}
	transport.TLSClientConfig.MaxVersion = tls.VersionTLS12
	limited := *client
	limited.Transport = transport
	return &limited
}

func randomGUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // it never fails
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
