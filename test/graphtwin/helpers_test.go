package graphtwin_test

import (
	"bytes"
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"teamsdlp/test/graphtwin"
)

// start is a running twin of Contoso, without limits unless o sets them.
func start(t *testing.T, change ...func(*graphtwin.Options)) *graphtwin.Twin {
	t.Helper()
	o := graphtwin.Options{World: graphtwin.Contoso(), Throttle: graphtwin.Throttle{Off: true}, Delivery: graphtwin.Delivery{Scale: 0.001}}
	for _, c := range change {
		c(&o)
	}
	tw := graphtwin.New(o)
	if _, err := tw.Start("127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(tw.Close)
	return tw
}

func switches(change func(*graphtwin.Switches)) func(*graphtwin.Options) {
	return func(o *graphtwin.Options) {
		s := graphtwin.DefaultSwitches()
		change(&s)
		o.Switches = &s
	}
}

// reply is an HTTP answer, read whole.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func (r reply) json(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(r.body, &m); err != nil {
		t.Fatalf("answer is not JSON: %v: %s", err, r.body)
	}
	return m
}

// code and message are those of Graph's error envelope.
func (r reply) code() (code, message string) {
	var e struct {
		Error struct {
			Code       string
			Message    string
			InnerError map[string]string
		}
	}
	if json.Unmarshal(r.body, &e) != nil || e.Error.InnerError["request-id"] == "" {
		return "", ""
	}
	return e.Error.Code, e.Error.Message
}

func send(t *testing.T, method, target string, header map[string]string, body string) reply {
	t.Helper()
	r, err := trySend(t.Context(), method, target, header, body)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func trySend(ctx context.Context, method, target string, header map[string]string, body string) (reply, error) {
	req, err := http.NewRequestWithContext(ctx, method, target, strings.NewReader(body))
	if err != nil {
		return reply{}, err
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	resp, err := http.DefaultTransport.RoundTrip(req)
	if err != nil {
		return reply{}, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	return reply{resp.StatusCode, resp.Header, b}, err
}

// app is a client of Graph.
type app struct {
	t     *testing.T
	tw    *graphtwin.Twin
	token string
}

func contoso(t *testing.T, tw *graphtwin.Twin) *app {
	return &app{t, tw, fetchToken(t, tw, graphtwin.ContosoTenant, graphtwin.ContosoApp, graphtwin.ContosoSecret)}
}

func fabrikam(t *testing.T, tw *graphtwin.Twin) *app {
	return &app{t, tw, fetchToken(t, tw, graphtwin.FabrikamTenant, graphtwin.FabrikamApp, graphtwin.FabrikamSecret)}
}

func tokenForm(tw *graphtwin.Twin, id, secret string) url.Values {
	return url.Values{"grant_type": {"client_credentials"}, "client_id": {id}, "client_secret": {secret}, "scope": {tw.URL() + "/.default"}}
}

func fetchToken(t *testing.T, tw *graphtwin.Twin, tenant, id, secret string) string {
	t.Helper()
	r := postForm(t, tw, tenant, tokenForm(tw, id, secret))
	if r.status != 200 {
		t.Fatalf("token: %d %s", r.status, r.body)
	}
	return r.json(t)["access_token"].(string)
}

func postForm(t *testing.T, tw *graphtwin.Twin, tenant string, form url.Values) reply {
	t.Helper()
	return send(t, "POST", tw.URL()+"/"+tenant+"/oauth2/v2.0/token", map[string]string{"Content-Type": "application/x-www-form-urlencoded"}, form.Encode())
}

func (a *app) do(method, path, body string, extra ...string) reply {
	a.t.Helper()
	header := map[string]string{"Authorization": "Bearer " + a.token, "client-request-id": "11111111-2222-4333-8444-555555555555"}
	if body != "" {
		header["Content-Type"] = "application/json"
	}
	for i := 0; i+1 < len(extra); i += 2 {
		header[extra[i]] = extra[i+1]
	}
	if !strings.HasPrefix(path, "http") {
		path = a.tw.URL() + "/v1.0" + path
	}
	return send(a.t, method, path, header, body)
}

// encryptionKey is the receiver's, made once.
var encryptionKey = sync.OnceValue(func() *rsa.PrivateKey { return must(rsa.GenerateKey(rand.Reader, 2048)) })

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func certificate(key *rsa.PrivateKey) *x509.Certificate {
	template := &x509.Certificate{SerialNumber: big.NewInt(7), Subject: pkix.Name{CommonName: "receiver"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	return must(x509.ParseCertificate(must(x509.CreateCertificate(rand.Reader, template, template, key.Public(), key))))
}

func derOf(key *rsa.PrivateKey) string {
	return base64.StdEncoding.EncodeToString(certificate(key).Raw)
}

// receiver is a notification endpoint.
type receiver struct {
	*httptest.Server
	mu         sync.Mutex
	handshakes []*http.Request
	posts      []collection
	// answer, if set, replaces 202 for notifications; validate replaces the echo.
	answer   func(n int) int
	validate func(w http.ResponseWriter, token string)
}

type collection struct {
	Value  []notification
	Tokens *[]string `json:"validationTokens"`
	raw    string
}

type notification struct {
	SubscriptionID, ChangeType, LifecycleEvent, ClientState, TenantID, Resource string
	SubscriptionExpirationDateTime                                              string
	ResourceData                                                                map[string]string
	EncryptedContent                                                            *encrypted
}

type encrypted struct {
	Data, DataSignature, DataKey, EncryptionCertificateID, EncryptionCertificateThumbprint string
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	r.Server = httptest.NewServer(r)
	t.Cleanup(r.Close)
	return r
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if token := req.URL.Query().Get("validationToken"); token != "" {
		r.handshakes = append(r.handshakes, req.Clone(context.Background()))
		if r.validate != nil {
			r.validate(w, token)
			return
		}
		w.Header().Set("Content-Type", "text/plain")
		_, _ = io.WriteString(w, token)
		return
	}
	body, _ := io.ReadAll(req.Body)
	var c collection
	_ = json.Unmarshal(body, &c)
	c.raw = string(body)
	r.posts = append(r.posts, c)
	status := http.StatusAccepted
	if r.answer != nil {
		status = r.answer(len(r.posts))
	}
	w.WriteHeader(status)
}

func (r *receiver) set(f func()) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f()
}

// got is everything received so far.
func (r *receiver) got() []collection {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]collection{}, r.posts...)
}

func (r *receiver) items() []notification {
	var list []notification
	for _, c := range r.got() {
		list = append(list, c.Value...)
	}
	return list
}

func body(r *receiver, change ...func(map[string]any)) string {
	m := map[string]any{
		"resource": "/chats/getAllMessages", "changeType": "created,updated,deleted", "notificationUrl": r.URL + "/notify?keep=1",
		"lifecycleNotificationUrl": r.URL + "/lifecycle", "expirationDateTime": time.Now().Add(4315 * time.Minute).UTC().Format(time.RFC3339),
		"clientState": "the-client-state", "includeResourceData": true, "encryptionCertificate": derOf(encryptionKey()), "encryptionCertificateId": "cert-1",
	}
	for _, c := range change {
		c(m)
	}
	return string(must(json.Marshal(m)))
}

func with(name string, value any) func(map[string]any) {
	return func(m map[string]any) { m[name] = value }
}

func without(names ...string) func(map[string]any) {
	return func(m map[string]any) {
		for _, n := range names {
			delete(m, n)
		}
	}
}

func (a *app) subscribe(r *receiver, change ...func(map[string]any)) string {
	a.t.Helper()
	got := a.do("POST", "/subscriptions", body(r, change...))
	if got.status != 201 {
		a.t.Fatalf("create: %d %s", got.status, got.body)
	}
	return got.json(a.t)["id"].(string)
}

func settle(t *testing.T, tw *graphtwin.Twin) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := tw.Settle(ctx); err != nil {
		t.Fatal(err)
	}
}

func say(t *testing.T, tw *graphtwin.Twin, p graphtwin.Post) graphtwin.Message {
	t.Helper()
	m, err := tw.Say(p)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func shown(t *testing.T, tw *graphtwin.Twin, id string) graphtwin.View {
	t.Helper()
	v, err := tw.Shown(id)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

var errSignature = errors.New("signature does not match")

// open decrypts as the documentation tells a receiver to; it shares no code
// with the twin.
func open(key *rsa.PrivateKey, e *encrypted) ([]byte, error) {
	wrapped, err := base64.StdEncoding.DecodeString(e.DataKey)
	if err != nil {
		return nil, err
	}
	k, err := rsa.DecryptOAEP(sha1.New(), nil, key, wrapped, nil)
	if err != nil {
		return nil, fmt.Errorf("data key: %w", err)
	}
	data, err := base64.StdEncoding.DecodeString(e.Data)
	if err != nil || len(k) != 32 || len(data)%16 != 0 || len(data) == 0 {
		return nil, errors.New("malformed")
	}
	mac := hmac.New(sha256.New, k)
	mac.Write(data)
	want, _ := base64.StdEncoding.DecodeString(e.DataSignature)
	if !hmac.Equal(mac.Sum(nil), want) {
		return nil, errSignature
	}
	block := must(aes.NewCipher(k))
	cipher.NewCBCDecrypter(block, k[:16]).CryptBlocks(data, data)
	pad := int(data[len(data)-1])
	if pad < 1 || pad > 16 || !bytes.Equal(data[len(data)-pad:], bytes.Repeat([]byte{byte(pad)}, pad)) {
		return nil, errors.New("padding")
	}
	return data[:len(data)-pad], nil
}

// checkToken verifies a JWT against the twin's published keys.
func checkToken(t *testing.T, tw *graphtwin.Twin, token string) (header, claims map[string]any, err error) {
	t.Helper()
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return nil, nil, errors.New("not three parts")
	}
	for i, into := range []*map[string]any{&header, &claims} {
		raw, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			return nil, nil, err
		}
		if err := json.Unmarshal(raw, into); err != nil {
			return nil, nil, err
		}
	}
	if header["alg"] != "RS256" {
		return header, claims, errors.New("not RS256")
	}
	var set struct{ Keys []map[string]any }
	r := send(t, "GET", tw.URL()+"/common/discovery/v2.0/keys", nil, "")
	if err := json.Unmarshal(r.body, &set); err != nil {
		return header, claims, err
	}
	for _, k := range set.Keys {
		if k["kid"] != header["kid"] {
			continue
		}
		n := must(base64.RawURLEncoding.DecodeString(k["n"].(string)))
		e := must(base64.RawURLEncoding.DecodeString(k["e"].(string)))
		pub := &rsa.PublicKey{N: new(big.Int).SetBytes(n), E: int(new(big.Int).SetBytes(e).Int64())}
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		sig, _ := base64.RawURLEncoding.DecodeString(parts[2])
		return header, claims, rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], sig)
	}
	return header, claims, errors.New("kid is not published")
}

// slowEndpoint answers nothing until it is released.
type slowEndpoint struct{ blocked, release chan struct{} }

func (s *slowEndpoint) ServeHTTP(_ http.ResponseWriter, r *http.Request) {
	s.blocked <- struct{}{}
	<-s.release
}

func newServer(t *testing.T, h http.Handler) (url string) {
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}
