package graphtwin

import (
	"bytes"
	"crypto"
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
	"math/big"
	"strings"
	"sync"
	"time"
)

// signingKey is one of the token service's keys, with the certificate that the
// JWKS shows for it.
type signingKey struct {
	priv *rsa.PrivateKey
	der  []byte
	kid  string // base64url of the certificate's SHA-1: kid and x5t are the same, as at Microsoft
}

// keyPool makes signing keys once a process: every Twin takes its keys from the
// start of it, so that a test with many twins does not wait for primes.
var keyPool struct {
	mu   sync.Mutex
	keys []*signingKey
}

// poolKey returns the n-th key of the pool.
func poolKey(n int) *signingKey {
	keyPool.mu.Lock()
	defer keyPool.mu.Unlock()
	for len(keyPool.keys) <= n {
		keyPool.keys = append(keyPool.keys, newSigningKey(len(keyPool.keys)))
	}
	return keyPool.keys[n]
}

func newSigningKey(serial int) *signingKey {
	priv, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic("graphtwin: making a signing key: " + err.Error())
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(int64(serial) + 2),
		Subject:      pkix.Name{CommonName: "accounts.accesscontrol.graphtwin"},
		NotBefore:    time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC),
		NotAfter:     time.Date(2050, 1, 1, 0, 0, 0, 0, time.UTC),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, priv.Public(), priv)
	if err != nil {
		panic("graphtwin: making a signing certificate: " + err.Error())
	}
	sum := sha1.Sum(der)
	return &signingKey{priv: priv, der: der, kid: base64.RawURLEncoding.EncodeToString(sum[:])}
}

// jwk is the key as the JWKS shows it.
func (k *signingKey) jwk(issuer string) map[string]any {
	pub := k.priv.PublicKey
	return map[string]any{
		"kty": "RSA", "use": "sig", "kid": k.kid, "x5t": k.kid,
		"n":      base64.RawURLEncoding.EncodeToString(pub.N.Bytes()),
		"e":      base64.RawURLEncoding.EncodeToString(big.NewInt(int64(pub.E)).Bytes()),
		"x5c":    []string{base64.StdEncoding.EncodeToString(k.der)},
		"issuer": issuer,
	}
}

// signing says how a token is signed. The zero value of mode is RS256.
type signing struct {
	key  *signingKey
	mode string // "", "none", "HS256"
	x5t  bool   // version 1 headers carry x5t beside kid
}

// sign returns claims as a JWT in compact form.
func (s signing) sign(claims map[string]any) string {
	header := map[string]any{"typ": "JWT", "alg": "RS256", "kid": s.key.kid}
	if s.x5t {
		header["x5t"] = s.key.kid
	}
	if s.mode != "" {
		header["alg"] = s.mode
	}
	input := encodeSegment(header) + "." + encodeSegment(claims)
	var signature []byte
	switch s.mode {
	case "none":
	case "HS256": // the public key as the shared secret: the confusion attack
		mac := hmac.New(sha256.New, x509.MarshalPKCS1PublicKey(&s.key.priv.PublicKey))
		mac.Write([]byte(input))
		signature = mac.Sum(nil)
	default:
		sum := sha256.Sum256([]byte(input))
		var err error
		signature, err = rsa.SignPKCS1v15(rand.Reader, s.key.priv, crypto.SHA256, sum[:])
		if err != nil {
			panic("graphtwin: signing a token: " + err.Error())
		}
	}
	return input + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func encodeSegment(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("graphtwin: encoding a token: " + err.Error())
	}
	return base64.RawURLEncoding.EncodeToString(b)
}

var errToken = errors.New("token is malformed")

// jwt is a token taken apart, its signature not yet checked.
type jwt struct {
	header struct {
		Alg     string `json:"alg"`
		Kid     string `json:"kid"`
		X5t     string `json:"x5t"`
		X5tS256 string `json:"x5t#S256"`
	}
	claims    map[string]any
	input     string
	signature []byte
}

func parseJWT(compact string) (*jwt, error) {
	parts := strings.Split(compact, ".")
	if len(parts) != 3 {
		return nil, errToken
	}
	header, err1 := base64.RawURLEncoding.DecodeString(parts[0])
	claims, err2 := base64.RawURLEncoding.DecodeString(parts[1])
	signature, err3 := base64.RawURLEncoding.DecodeString(parts[2])
	if err1 != nil || err2 != nil || err3 != nil {
		return nil, errToken
	}
	j := &jwt{input: parts[0] + "." + parts[1], signature: signature}
	if json.Unmarshal(header, &j.header) != nil || json.Unmarshal(claims, &j.claims) != nil {
		return nil, errToken
	}
	return j, nil
}

// verify checks the signature against pub: RS256, and PS256 which the client
// libraries use for assertions.
func (j *jwt) verify(pub *rsa.PublicKey) error {
	sum := sha256.Sum256([]byte(j.input))
	switch j.header.Alg {
	case "RS256":
		return rsa.VerifyPKCS1v15(pub, crypto.SHA256, sum[:], j.signature)
	case "PS256":
		return rsa.VerifyPSS(pub, crypto.SHA256, sum[:], j.signature, nil)
	}
	return fmt.Errorf("algorithm %q is not supported", j.header.Alg)
}

func (j *jwt) text(claim string) string {
	s, _ := j.claims[claim].(string)
	return s
}

func (j *jwt) number(claim string) int {
	n, _ := j.claims[claim].(float64)
	return int(n)
}

func (j *jwt) time(claim string) time.Time { return time.Unix(int64(j.number(claim)), 0) }

// names reports whether the token's header names cert by thumbprint.
func (j *jwt) names(cert *x509.Certificate) bool {
	if j.header.X5tS256 != "" {
		sum := sha256.Sum256(cert.Raw)
		return thumbprint(j.header.X5tS256, sum[:])
	}
	sum := sha1.Sum(cert.Raw)
	return thumbprint(j.header.X5t, sum[:])
}

// thumbprint takes either alphabet: the standard says base64url, and Microsoft's
// own client library for Go writes the standard one.
func thumbprint(text string, sum []byte) bool {
	text = strings.NewReplacer("+", "-", "/", "_").Replace(strings.TrimRight(text, "="))
	got, err := base64.RawURLEncoding.DecodeString(text)
	return err == nil && bytes.Equal(got, sum)
}
