package webhook

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
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

const (
	tenantA = "9f3f2b0e-6a54-4c39-8c0b-6f0f6a3f7d21"
	tenantB = "1c0ffee0-0000-4000-8000-00000000000b"
	appA    = "0c9a7a52-7d0e-4a57-9b0f-2f4f2f6f5d11"
	appB    = "0c9a7a52-7d0e-4a57-9b0f-2f4f2f6f5d1b"
	stateA  = "client-state-A-8d1f0c77"
	stateP  = "client-state-pending-51aa"
	subA    = "5b0c1f5e-6a1e-4f7e-9a55-3d7c2b4b8e10"
	subB    = "5b0c1f5e-6a1e-4f7e-9a55-3d7c2b4b8e1b"
	stateB  = "client-state-B-77aa"
	tenantC = "3aaaaaaa-0000-4000-8000-00000000000c" // not ours
	appC    = "3aaaaaaa-7d0e-4a57-9b0f-2f4f2f6f5d1c"
	stateC  = "client-state-C-03bd"
)

var start = time.Date(2026, 11, 1, 8, 10, 0, 0, time.UTC)

// fakeClock is a time that the test moves.
type fakeClock struct{ nanos atomic.Int64 }

func newClock() *fakeClock {
	c := &fakeClock{}
	c.nanos.Store(start.UnixNano())
	return c
}

func (c *fakeClock) now() time.Time          { return time.Unix(0, c.nanos.Load()).UTC() }
func (c *fakeClock) advance(d time.Duration) { c.nanos.Add(int64(d)) }

func makeKey(bits int) func() *rsa.PrivateKey {
	return sync.OnceValue(func() *rsa.PrivateKey {
		k, err := rsa.GenerateKey(rand.Reader, bits)
		if err != nil {
			panic(err)
		}
		return k
	})
}

// Keys take time to make: each is made once.
var (
	signKey  = makeKey(2048) // published as "k1"
	otherKey = makeKey(2048) // published by nobody
	boxKey   = makeKey(2048) // what Graph encrypts for
	box2Key  = makeKey(3072)
	smallKey = makeKey(1024) // too short for anything
)

// issuer is a token service that publishes keys.
type issuer struct {
	*httptest.Server
	mu     sync.Mutex
	status int                 // 0: 200
	keys   []map[string]string // JWKs
	body   string              // instead of keys
	ofB    []map[string]string // further ones, of tenant B alone
	asked  map[string]int      // by path
	hold   chan struct{}       // not nil: answers wait for it to be closed
}

func newIssuer(t testing.TB) *issuer {
	is := &issuer{asked: make(map[string]int)}
	is.keys = []map[string]string{jwk("k1", signKey(), "https://login.test/{tenantid}/v2.0")}
	is.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		is.mu.Lock()
		is.asked[r.URL.Path]++
		status, hold := is.status, is.hold
		published := is.keys
		if strings.HasPrefix(r.URL.Path, "/"+tenantB+"/") {
			published = append(published[:len(published):len(published)], is.ofB...)
		}
		body, _ := json.Marshal(map[string]any{"keys": published})
		if is.body != "" {
			body = []byte(is.body)
		}
		is.mu.Unlock()
		if hold != nil {
			<-hold
		}
		if status != 0 {
			w.Header().Set("Location", "/elsewhere")
			w.WriteHeader(status)
			return
		}
		_, _ = w.Write(body)
	}))
	t.Cleanup(is.Close)
	return is
}

func (is *issuer) set(f func()) {
	is.mu.Lock()
	defer is.mu.Unlock()
	f()
}

func (is *issuer) fetches() int {
	is.mu.Lock()
	defer is.mu.Unlock()
	n := 0
	for _, c := range is.asked {
		n += c
	}
	return n
}

func jwk(kid string, key *rsa.PrivateKey, issuer string) map[string]string {
	return map[string]string{
		"kty": "RSA", "use": "sig", "kid": kid, "x5t": kid, "issuer": issuer,
		"n": base64.RawURLEncoding.EncodeToString(key.N.Bytes()),
		"e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(key.E)).Bytes()),
	}
}

func (is *issuer) config(c *fakeClock) VerifierConfig {
	return VerifierConfig{
		LoginURL: is.URL,
		IssuerV2: "https://login.test/{tid}/v2.0",
		Tenants:  []TenantApps{{tenantA, []string{appA}}, {tenantB, []string{appB}}},
		Clock:    c.now,
	}
}

func newVerifier(t testing.TB, cfg VerifierConfig) *Verifier {
	t.Helper()
	v, err := NewVerifier(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// tok is a token in the making.
type tok struct {
	header, claims map[string]any
	key            *rsa.PrivateKey
	sign           func(input string) []byte
	raw            string // instead of all the rest
}

type edit func(*tok)

func v2claims() map[string]any {
	return map[string]any{
		"aud": appA, "iss": "https://login.test/" + tenantA + "/v2.0",
		"iat": start.Unix(), "nbf": start.Unix(), "exp": start.Add(24 * time.Hour).Unix(),
		"azp": DefaultPublisher, "azpacr": "2", "tid": tenantA, "ver": "2.0", "sub": "x",
	}
}

func v1claims() map[string]any {
	return map[string]any{
		"aud": appA, "iss": "https://sts.windows.net/" + tenantA + "/",
		"iat": start.Unix(), "nbf": start.Unix(), "exp": start.Add(8 * time.Hour).Unix(),
		"appid": DefaultPublisher, "appidacr": "2", "tid": tenantA, "ver": "1.0",
	}
}

// newToken returns a good v2 token after the edits.
func newToken(edits ...edit) string {
	t := &tok{header: map[string]any{"typ": "JWT", "alg": "RS256", "kid": "k1"}, claims: v2claims(), key: signKey()}
	for _, e := range edits {
		e(t)
	}
	if t.raw != "" {
		return t.raw
	}
	return t.compact(mustJSON(t.header), mustJSON(t.claims))
}

func (t *tok) compact(header, claims []byte) string {
	input := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	sign := t.sign
	if sign == nil {
		sign = func(input string) []byte {
			sum := sha256.Sum256([]byte(input))
			sig, err := rsa.SignPKCS1v15(nil, t.key, crypto.SHA256, sum[:])
			if err != nil {
				panic(err)
			}
			return sig
		}
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(sign(input))
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}

func claim(name string, value any) edit { return func(t *tok) { t.claims[name] = value } }
func without(name string) edit          { return func(t *tok) { delete(t.claims, name) } }
func head(name string, value any) edit  { return func(t *tok) { t.header[name] = value } }
func noHead(name string) edit           { return func(t *tok) { delete(t.header, name) } }
func v1(t *tok)                         { t.claims = v1claims() }
func byKey(k *rsa.PrivateKey) edit      { return func(t *tok) { t.key = k } }
func raw(s string) edit                 { return func(t *tok) { t.raw = s } }
func ofB(t *tok) {
	maps.Copy(t.claims, map[string]any{"tid": tenantB, "aud": appB, "iss": "https://login.test/" + tenantB + "/v2.0"})
}
func ofC(t *tok) {
	maps.Copy(t.claims, map[string]any{"tid": tenantC, "aud": appC, "iss": "https://login.test/" + tenantC + "/v2.0"})
}

// memory is an Inbox in memory.
type memory struct {
	mu    sync.Mutex
	items []Item
	put   func(ctx context.Context, items []Item) error // instead of keeping
}

func (m *memory) Put(ctx context.Context, items []Item) error {
	if m.put != nil {
		return m.put(ctx, items)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.items = append(m.items, items...)
	return nil
}

// known is a fixed set of subscriptions.
type known struct {
	active  map[string]Subscription
	pending []Subscription
}

func (k known) Lookup(id string) (Subscription, bool) { s, ok := k.active[id]; return s, ok }
func (k known) Pending() []Subscription               { return k.pending }

func someSubscriptions() known {
	return known{
		active: map[string]Subscription{
			subA: {ID: subA, TenantID: tenantA, AppID: appA, ClientState: stateA},
			subB: {ID: subB, TenantID: tenantB, AppID: appB, ClientState: stateB},
			// One whose state was lost: nothing may prove itself with an empty one.
			"empty": {ID: "empty", TenantID: tenantA, AppID: appA},
			"left":  {ID: "left", TenantID: tenantC, AppID: appC, ClientState: stateC},
		},
		pending: []Subscription{
			{TenantID: tenantB, AppID: appB, ClientState: "another-pending"},
			{TenantID: tenantA, AppID: appA, ClientState: stateP},
		},
	}
}

// seal encrypts as Graph does, written apart from what opens it.
type seal struct {
	key      *rsa.PrivateKey
	id       string
	thumb    string
	dataKey  []byte // 32 random bytes
	sha256   bool   // OAEP with SHA-256
	pad      func(plain []byte) []byte
	tamper   func(ec *EncryptedContent)
	resigned func(cipher []byte) []byte // what is signed instead
}

func (s seal) encrypt(plain string) *EncryptedContent {
	k := s.dataKey
	if k == nil {
		k = make([]byte, 32)
		_, _ = rand.Read(k)
	}
	var wrapped []byte
	var err error
	if s.sha256 {
		wrapped, err = rsa.EncryptOAEP(sha256.New(), rand.Reader, &s.key.PublicKey, k, nil)
	} else {
		wrapped, err = rsa.EncryptOAEP(sha1.New(), rand.Reader, &s.key.PublicKey, k, nil)
	}
	if err != nil {
		panic(err)
	}
	padded := []byte(plain)
	if s.pad != nil {
		padded = s.pad(padded)
	} else {
		n := 16 - len(padded)%16
		padded = append(padded, bytes.Repeat([]byte{byte(n)}, n)...)
	}
	data := padded
	if len(padded)%16 == 0 && len(k) == 32 {
		block, _ := aes.NewCipher(k)
		data = make([]byte, len(padded))
		cipher.NewCBCEncrypter(block, k[:16]).CryptBlocks(data, padded)
	}
	signed := data
	if s.resigned != nil {
		data = s.resigned(data)
	}
	mac := hmac.New(sha256.New, k)
	mac.Write(signed)
	b64 := base64.StdEncoding.EncodeToString
	ec := &EncryptedContent{Data: b64(data), DataKey: b64(wrapped), DataSignature: b64(mac.Sum(nil)), CertificateID: s.id, CertificateThumbprint: s.thumb}
	if s.tamper != nil {
		s.tamper(ec)
	}
	return ec
}

// selfSigned returns a certificate of key, valid from a day.
func selfSigned(key *rsa.PrivateKey, from time.Time) *x509.Certificate {
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "test"}, NotBefore: from, NotAfter: from.AddDate(1, 0, 0)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	c, err := x509.ParseCertificate(der)
	if err != nil {
		panic(err)
	}
	return c
}

func thumb(c *x509.Certificate) string {
	sum := sha1.Sum(c.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

func pemKey(key *rsa.PrivateKey, pkcs1 bool) []byte {
	if pkcs1 {
		return pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

func pemCert(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Raw})
}

// refresh fetches both key sets of a tenant now, whenever they were fetched before.
func (v *Verifier) refresh(ctx context.Context, tid string) error {
	for _, version := range []string{"1.0", "2.0"} {
		if err := v.fetch(ctx, setName{tid, version}); err != nil {
			return err
		}
	}
	return nil
}

func body(s string) io.ReadCloser { return io.NopCloser(strings.NewReader(s)) }

func write(t testing.TB, dir, name string, b []byte, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), b, mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
		t.Fatal(err)
	}
}
