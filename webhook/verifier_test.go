package webhook

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/sha512"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
	"go.uber.org/zap/zaptest/observer"

	"teamsdlp/test/trial"
)

func hs256(secret []byte) edit {
	return func(t *tok) {
		t.header["alg"] = "HS256"
		t.sign = func(input string) []byte {
			mac := hmac.New(sha256.New, secret)
			mac.Write([]byte(input))
			return mac.Sum(nil)
		}
	}
}

func signedWith(alg string, sign func(input string) []byte) edit {
	return func(t *tok) { t.header["alg"] = alg; t.sign = sign }
}

func ps256(input string) []byte {
	sum := sha256.Sum256([]byte(input))
	sig, _ := rsa.SignPSS(rand.Reader, signKey(), crypto.SHA256, sum[:], nil)
	return sig
}

// es256 signs with an elliptic curve key, in the form that JWS has for it.
func es256(input string) []byte {
	sum := sha256.Sum256([]byte(input))
	r, s, _ := ecdsa.Sign(rand.Reader, ecKey(), sum[:])
	return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
}

var ecKey = sync.OnceValue(func() *ecdsa.PrivateKey {
	k, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return k
})

// flipFirst changes the first character of a base64 text, and so its first bits.
func flipFirst(s string) string {
	if s[0] == 'A' {
		return "B" + s[1:]
	}
	return "A" + s[1:]
}

func rs512(input string) []byte {
	sum := sha512.Sum512([]byte(input))
	sig, _ := rsa.SignPKCS1v15(nil, signKey(), crypto.SHA512, sum[:])
	return sig
}

// rawParts signs header and claims that no map can hold.
func rawParts(header, claims string) edit {
	return func(t *tok) {
		t.raw = (&tok{key: signKey()}).compact([]byte(header), []byte(claims))
	}
}

func with(s, before, after string) string { return strings.Replace(s, before, after, 1) }

// tokenCase is a token and what is to be said of it.
type tokenCase struct {
	name  string
	edits []edit
	want  Reason // empty: good
}

// publishOdd adds to the issuer's keys those that tokenCases name.
func publishOdd(is *issuer) {
	is.set(func() {
		is.ofB = []map[string]string{jwk("b-only", otherKey(), "")}
		is.keys = append(is.keys,
			jwk("fixed-other", signKey(), "https://login.test/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"),
			jwk("fixed-ours", signKey(), "https://login.test/"+tenantA+"/v2.0"),
			jwk("no-issuer", signKey(), ""),
			map[string]string{"kty": "EC", "kid": "ec", "crv": "P-256", "x": "AA", "y": "AA"},
			map[string]string{"kty": "RSA", "use": "enc", "kid": "enc", "n": jwk("", signKey(), "")["n"], "e": "AQAB"},
			jwk("small", smallKey(), ""))
	})
}

// tokenCases are the good ones, and every way in which one can be wrong. The
// keys that publishOdd adds must be at jku.
func tokenCases(jku string) []tokenCase {
	good := newToken()
	parts := strings.Split(good, ".")
	pub := x509.MarshalPKCS1PublicKey(&signKey().PublicKey)
	pkix, _ := x509.MarshalPKIXPublicKey(&signKey().PublicKey)
	pubPEM := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: pkix})
	claimsJSON := string(mustJSON(v2claims()))
	headJSON := `{"typ":"JWT","alg":"RS256","kid":"k1"}`
	der := base64.StdEncoding.EncodeToString(selfSigned(otherKey(), start).Raw)
	return []tokenCase{
		{"v2", nil, ""},
		{"v1", []edit{v1}, ""},
		{"v1, resource URI", []edit{v1, claim("aud", "api://"+appA)}, ""},
		{"just expired, within the skew", []edit{claim("exp", start.Add(-4*time.Minute).Unix())}, ""},
		{"not yet, within the skew", []edit{claim("nbf", start.Add(4*time.Minute).Unix())}, ""},
		{"without nbf", []edit{without("nbf"), without("iat")}, ""},
		{"x5t beside kid", []edit{head("x5t", "k1")}, ""},
		{"key fixed to the tenant", []edit{head("kid", "fixed-ours")}, ""},
		{"key without an issuer", []edit{head("kid", "no-issuer")}, ""},
		{"jku is not followed", []edit{head("jku", jku+"/evil")}, ""},
		{"other tenant of ours", []edit{ofB}, ""},
		{"aud in upper case", []edit{claim("aud", strings.ToUpper(appA))}, ""},
		{"publisher in upper case", []edit{claim("azp", strings.ToUpper(DefaultPublisher))}, ""},

		{"alg none", []edit{signedWith("none", func(string) []byte { return nil })}, ReasonTokenAlgorithm},
		{"alg None, signed", []edit{head("alg", "None")}, ReasonTokenAlgorithm},
		{"alg missing", []edit{noHead("alg")}, ReasonTokenAlgorithm},
		{"alg a number", []edit{head("alg", 256)}, ReasonTokenAlgorithm},
		{"alg lower case", []edit{head("alg", "rs256")}, ReasonTokenAlgorithm},
		{"ALG for alg", []edit{noHead("alg"), head("ALG", "RS256")}, ReasonTokenAlgorithm},
		{"HS256 with the DER public key", []edit{hs256(pub)}, ReasonTokenAlgorithm},
		{"HS256 with the PEM public key", []edit{hs256(pubPEM)}, ReasonTokenAlgorithm},
		{"HS256 under the name of RS256", []edit{hs256(pubPEM), head("alg", "RS256")}, ReasonTokenSignature},
		{"PS256", []edit{signedWith("PS256", ps256)}, ReasonTokenAlgorithm},
		{"PS256 under the name of RS256", []edit{signedWith("RS256", ps256)}, ReasonTokenSignature},
		{"RS512", []edit{signedWith("RS512", rs512)}, ReasonTokenAlgorithm},
		{"RS512 under the name of RS256", []edit{signedWith("RS256", rs512)}, ReasonTokenSignature},
		{"RS384", []edit{head("alg", "RS384")}, ReasonTokenAlgorithm},
		{"PS512", []edit{head("alg", "PS512")}, ReasonTokenAlgorithm},
		{"HS512 with the PEM public key", []edit{hs256(pubPEM), head("alg", "HS512")}, ReasonTokenAlgorithm},
		{"ES256", []edit{signedWith("ES256", es256)}, ReasonTokenAlgorithm},
		{"ES256 under the name of RS256", []edit{signedWith("RS256", es256)}, ReasonTokenSignature},
		{"ES256 by the kid of an EC key", []edit{signedWith("ES256", es256), head("kid", "ec")}, ReasonTokenAlgorithm},
		{"EdDSA", []edit{head("alg", "EdDSA")}, ReasonTokenAlgorithm},
		{"alg empty", []edit{head("alg", "")}, ReasonTokenAlgorithm},
		{"alg null", []edit{head("alg", nil)}, ReasonTokenAlgorithm},
		{"alg a list", []edit{head("alg", []string{"RS256"})}, ReasonTokenAlgorithm},
		{"alg with a space", []edit{head("alg", "RS256 ")}, ReasonTokenAlgorithm},
		{"crit", []edit{head("crit", []string{"exp"})}, ReasonTokenMalformed},
		{"b64 false", []edit{head("b64", false)}, ReasonTokenMalformed},

		{"no kid", []edit{noHead("kid")}, ReasonTokenKeyID},
		{"empty kid", []edit{head("kid", "")}, ReasonTokenKeyID},
		{"kid a list", []edit{head("kid", []string{"k1"})}, ReasonTokenKeyID},
		{"kid null", []edit{head("kid", nil)}, ReasonTokenKeyID},
		{"kid a number", []edit{head("kid", 1)}, ReasonTokenKeyID},
		{"KID for kid", []edit{noHead("kid"), head("KID", "k1")}, ReasonTokenKeyID},
		{"kid in another case", []edit{head("kid", "K1")}, ReasonTokenUnknownKey},
		{"kid of another tenant of ours", []edit{head("kid", "b-only"), byKey(otherKey())}, ReasonTokenUnknownKey},
		{"that kid for its own tenant", []edit{ofB, head("kid", "b-only"), byKey(otherKey())}, ""},
		{"unknown kid", []edit{head("kid", "k9")}, ReasonTokenUnknownKey},
		{"kid of an EC key", []edit{head("kid", "ec")}, ReasonTokenUnknownKey},
		{"kid of an encryption key", []edit{head("kid", "enc")}, ReasonTokenUnknownKey},
		{"kid of a 1024 bit key", []edit{head("kid", "small"), byKey(smallKey())}, ReasonTokenUnknownKey},
		{"kid with a path", []edit{head("kid", "../../etc/passwd")}, ReasonTokenUnknownKey},
		{"key fixed to another tenant", []edit{head("kid", "fixed-other")}, ReasonTokenKeyIssuer},
		{"signed by another key", []edit{byKey(otherKey())}, ReasonTokenSignature},
		{"another key in jwk", []edit{byKey(otherKey()), head("jwk", jwk("k1", otherKey(), ""))}, ReasonTokenSignature},
		{"another key at jku", []edit{byKey(otherKey()), head("jku", jku)}, ReasonTokenSignature},
		{"another key in x5c", []edit{byKey(otherKey()), head("x5c", []string{der})}, ReasonTokenSignature},
		{"another key at x5u", []edit{byKey(otherKey()), head("x5u", jku+"/cert.pem")}, ReasonTokenSignature},
		{"a made-up kid and its key in jwk", []edit{byKey(otherKey()), head("kid", "mine"), head("jwk", jwk("mine", otherKey(), ""))}, ReasonTokenUnknownKey},
		{"signature of zeros", []edit{raw(parts[0] + "." + parts[1] + "." + base64.RawURLEncoding.EncodeToString(make([]byte, 256)))}, ReasonTokenSignature},
		{"signature a bit off", []edit{raw(parts[0] + "." + parts[1] + "." + flipFirst(parts[2]))}, ReasonTokenSignature},
		{"signature cut off", []edit{raw(parts[0] + "." + parts[1] + "." + parts[2][:340])}, ReasonTokenSignature},
		{"signature with more behind", []edit{raw(good + "AAAA")}, ReasonTokenSignature},
		{"no signature", []edit{raw(parts[0] + "." + parts[1] + ".")}, ReasonTokenSignature},
		{"signature of another token", []edit{raw(parts[0] + "." + parts[1] + "." + strings.Split(newToken(claim("sub", "y")), ".")[2])}, ReasonTokenSignature},
		{"claims of another token", []edit{raw(parts[0] + "." + strings.Split(newToken(claim("sub", "y")), ".")[1] + "." + parts[2])}, ReasonTokenSignature},

		{"no tid", []edit{without("tid")}, ReasonTokenTenant},
		{"unknown tid", []edit{claim("tid", "00000000-0000-4000-8000-000000000000")}, ReasonTokenTenant},
		{"unknown tid, iss to match", []edit{claim("tid", "evil"), claim("iss", "https://login.test/evil/v2.0")}, ReasonTokenTenant},
		{"tid of another tenant of ours", []edit{claim("tid", tenantB)}, ReasonTokenIssuer},
		{"tid in upper case", []edit{claim("tid", strings.ToUpper(tenantA))}, ReasonTokenTenant},
		{"tid a list", []edit{claim("tid", []string{tenantA})}, ReasonTokenTenant},
		{"TID for tid", []edit{without("tid"), claim("TID", tenantA)}, ReasonTokenTenant},
		{"tid null", []edit{claim("tid", nil)}, ReasonTokenTenant},
		{"tid in braces", []edit{claim("tid", "{"+tenantA+"}")}, ReasonTokenTenant},
		{"the placeholder for a tid", []edit{claim("tid", "{tid}"), claim("iss", "https://login.test/{tid}/v2.0")}, ReasonTokenTenant},
		{"the common tenant", []edit{claim("tid", "common"), claim("iss", "https://login.test/common/v2.0")}, ReasonTokenTenant},
		{"personal accounts", []edit{claim("tid", "9188040d-6c67-4c5b-b112-36a304b66dad"), claim("iss", "https://login.test/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0")}, ReasonTokenTenant},
		{"no iss", []edit{without("iss")}, ReasonTokenIssuer},
		{"iss of v1 in v2", []edit{claim("iss", "https://sts.windows.net/"+tenantA+"/")}, ReasonTokenIssuer},
		{"iss of v2 in v1", []edit{v1, claim("iss", "https://login.test/"+tenantA+"/v2.0")}, ReasonTokenIssuer},
		{"iss with a slash more", []edit{claim("iss", "https://login.test/"+tenantA+"/v2.0/")}, ReasonTokenIssuer},
		{"v1 iss without its slash", []edit{v1, claim("iss", "https://sts.windows.net/"+tenantA)}, ReasonTokenIssuer},
		{"iss of another tenant of ours", []edit{claim("iss", "https://login.test/"+tenantB+"/v2.0")}, ReasonTokenIssuer},
		{"iss with the placeholder", []edit{claim("iss", "https://login.test/{tid}/v2.0")}, ReasonTokenIssuer},
		{"iss over http", []edit{claim("iss", "http://login.test/"+tenantA+"/v2.0")}, ReasonTokenIssuer},
		{"iss in upper case", []edit{claim("iss", "https://LOGIN.test/"+tenantA+"/v2.0")}, ReasonTokenIssuer},
		{"iss a list", []edit{claim("iss", []string{"https://login.test/" + tenantA + "/v2.0"})}, ReasonTokenMalformed},
		{"iss on another host", []edit{claim("iss", "https://login.test.evil/"+tenantA+"/v2.0")}, ReasonTokenIssuer},
		{"no aud", []edit{without("aud")}, ReasonTokenAudience},
		{"aud of another app", []edit{claim("aud", "0c9a7a52-7d0e-4a57-9b0f-000000000000")}, ReasonTokenAudience},
		{"aud of our app in another tenant", []edit{claim("aud", appB)}, ReasonTokenAudience},
		{"aud empty", []edit{claim("aud", "")}, ReasonTokenAudience},
		{"aud null", []edit{claim("aud", nil)}, ReasonTokenMalformed},
		{"aud an empty list", []edit{claim("aud", []string{})}, ReasonTokenAudience},
		{"aud Microsoft Graph", []edit{claim("aud", "https://graph.microsoft.com")}, ReasonTokenAudience},
		{"aud a prefix of ours", []edit{claim("aud", appA[:30])}, ReasonTokenAudience},
		{"resource URI twice over", []edit{v1, claim("aud", "api://api://"+appA)}, ReasonTokenAudience},
		{"two auds", []edit{claim("aud", []string{appA, "x"})}, ReasonTokenAudience},
		{"our aud twice", []edit{claim("aud", []string{appA, appA})}, ReasonTokenAudience},
		{"resource URI in v2", []edit{claim("aud", "api://"+appA)}, ReasonTokenAudience},
		{"aud with a space", []edit{claim("aud", appA+" ")}, ReasonTokenAudience},
		{"no azp", []edit{without("azp")}, ReasonTokenPublisher},
		{"another azp", []edit{claim("azp", appA)}, ReasonTokenPublisher},
		{"azp empty", []edit{claim("azp", "")}, ReasonTokenPublisher},
		{"azp a list", []edit{claim("azp", []string{DefaultPublisher})}, ReasonTokenPublisher},
		{"azp with a space", []edit{claim("azp", DefaultPublisher+" ")}, ReasonTokenPublisher},
		{"appid for azp", []edit{without("azp"), claim("appid", DefaultPublisher)}, ReasonTokenPublisher},
		{"azp for appid", []edit{v1, without("appid"), claim("azp", DefaultPublisher)}, ReasonTokenPublisher},
		{"another appid", []edit{v1, claim("appid", appA)}, ReasonTokenPublisher},
		{"no ver", []edit{without("ver")}, ReasonTokenVersion},
		{"ver 3.0", []edit{claim("ver", "3.0")}, ReasonTokenVersion},
		{"ver a number", []edit{claim("ver", 2.0)}, ReasonTokenVersion},
		{"ver 1.0 on v2", []edit{claim("ver", "1.0")}, ReasonTokenIssuer},

		{"no exp", []edit{without("exp")}, ReasonTokenNoExpiry},
		{"exp null", []edit{claim("exp", nil)}, ReasonTokenMalformed},
		{"exp negative", []edit{claim("exp", -1)}, ReasonTokenMalformed},
		{"exp as text", []edit{claim("exp", "4102444800x")}, ReasonTokenMalformed},
		{"exp a list", []edit{claim("exp", []int{1})}, ReasonTokenMalformed},
		{"exp beyond all numbers", []edit{rawParts(headJSON, with(claimsJSON, "{", `{"x":1e999,`))}, ReasonTokenMalformed},
		{"a second past the skew", []edit{claim("exp", start.Add(-5*time.Minute-time.Second).Unix())}, ReasonTokenExpired},
		{"a second beyond the skew", []edit{claim("nbf", start.Add(5*time.Minute+time.Second).Unix())}, ReasonTokenNotYet},
		{"nbf words", []edit{claim("nbf", "now")}, ReasonTokenMalformed},
		{"iat words", []edit{claim("iat", "now")}, ReasonTokenMalformed},
		{"exp zero", []edit{claim("exp", 0)}, ReasonTokenExpired},
		{"expired", []edit{claim("exp", start.Add(-5*time.Minute).Unix())}, ReasonTokenExpired},
		{"exp words", []edit{claim("exp", "tomorrow")}, ReasonTokenMalformed},
		{"not yet", []edit{claim("nbf", start.Add(6*time.Minute).Unix())}, ReasonTokenNotYet},
		{"issued in the future", []edit{claim("iat", start.Add(6*time.Minute).Unix())}, ReasonTokenNotYet},

		{"empty", []edit{func(t *tok) { t.raw = " " }}, ReasonTokenMalformed},
		{"two parts", []edit{raw(parts[0] + "." + parts[1])}, ReasonTokenMalformed},
		{"four parts", []edit{raw(good + ".AAAA")}, ReasonTokenMalformed},
		{"five parts", []edit{raw(good + ".AAAA.AAAA")}, ReasonTokenMalformed},
		{"a JWE", []edit{raw(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RSA-OAEP","enc":"A256GCM","kid":"k1"}`)) + ".AAAA.AAAA.AAAA.AAAA")}, ReasonTokenMalformed},
		{"general JSON form", []edit{raw(`{"payload":"` + parts[1] + `","signatures":[{"protected":"` + parts[0] + `","signature":"` + parts[2] + `"}]}`)}, ReasonTokenMalformed},
		{"space in front", []edit{raw(" " + good)}, ReasonTokenMalformed},
		{"line break behind", []edit{raw(good + "\n")}, ReasonTokenMalformed},
		{"NUL behind", []edit{raw(good + "\x00")}, ReasonTokenMalformed},
		{"dots alone", []edit{raw("..")}, ReasonTokenMalformed},
		{"two tokens in one", []edit{raw(good + "," + good)}, ReasonTokenMalformed},
		{"padding inside", []edit{raw(parts[0] + "=." + parts[1] + "." + parts[2])}, ReasonTokenMalformed},
		{"JSON form", []edit{raw(`{"payload":"` + parts[1] + `","protected":"` + parts[0] + `","signature":"` + parts[2] + `"}`)}, ReasonTokenMalformed},
		{"padded base64", []edit{raw(good + "=")}, ReasonTokenMalformed},
		{"leftover bits", []edit{raw(good[:len(good)-1] + string(good[len(good)-1]+1))}, ReasonTokenMalformed},
		{"line break inside", []edit{raw(good[:20] + "\n" + good[20:])}, ReasonTokenMalformed},
		{"standard alphabet", []edit{raw("+" + good[1:])}, ReasonTokenMalformed},
		{"Bearer in front", []edit{raw("Bearer " + good)}, ReasonTokenMalformed},
		{"too long", []edit{claim("rh", strings.Repeat("x", maxToken))}, ReasonTokenMalformed},
		{"claims not JSON", []edit{rawParts(headJSON, "hello")}, ReasonTokenMalformed},
		{"header not an object", []edit{rawParts(`["RS256"]`, claimsJSON)}, ReasonTokenMalformed},
		{"claims with more behind", []edit{rawParts(headJSON, claimsJSON+"{}")}, ReasonTokenMalformed},
		{"claims a list", []edit{rawParts(headJSON, "["+claimsJSON+"]")}, ReasonTokenMalformed},
		{"no claims", []edit{rawParts(headJSON, "{}")}, ReasonTokenVersion},
		{"claims null", []edit{rawParts(headJSON, "null")}, ReasonTokenMalformed},
		{"byte order mark", []edit{rawParts(headJSON, "\ufeff"+claimsJSON)}, ReasonTokenMalformed},
		{"two tids, one escaped", []edit{rawParts(headJSON, with(claimsJSON, "{", `{"t\u0069d":"`+tenantB+`",`))}, ReasonTokenMalformed},
		{"two exps", []edit{rawParts(headJSON, with(claimsJSON, "{", `{"exp":4102444800,`))}, ReasonTokenMalformed},
		{"two kids", []edit{rawParts(`{"alg":"RS256","kid":"evil","kid":"k1"}`, claimsJSON)}, ReasonTokenMalformed},
		{"two tids", []edit{rawParts(headJSON, with(claimsJSON, "{", `{"tid":"`+tenantB+`",`))}, ReasonTokenMalformed},
		{"two algs", []edit{rawParts(`{"alg":"none","alg":"RS256","kid":"k1"}`, claimsJSON)}, ReasonTokenMalformed},
		{"alg and ALG", []edit{rawParts(`{"ALG":"none","alg":"RS256","kid":"k1"}`, claimsJSON)}, ReasonTokenMalformed},
		{"deep claims", []edit{claim("x", [][][][][][][][]int{{{{{{{{1}}}}}}}})}, ReasonTokenMalformed},
	}
}

func TestVerify(t *testing.T) {
	is := newIssuer(t)
	publishOdd(is)
	for _, tt := range tokenCases(is.URL) {
		t.Run(tt.name, func(t *testing.T) {
			v := newVerifier(t, is.config(newClock()))
			token := newToken(tt.edits...)
			got, err := v.Verify(t.Context(), token, start)
			refusal, refused := errors.AsType[*Refusal](err)
			switch {
			case tt.want == "" && err != nil:
				t.Fatalf("refused: %v", err)
			case tt.want != "" && !refused:
				t.Fatalf("got %+v, %v; want refusal %q", got, err, tt.want)
			case tt.want != "" && refusal.Reason != tt.want:
				t.Fatalf("refused as %q, want %q", refusal.Reason, tt.want)
			case tt.want != "" && got != Token{}:
				t.Fatalf("a refused token still gave %+v", got)
			}
		})
	}
	is.set(func() {
		for path := range is.asked {
			if !strings.HasSuffix(path, "/keys") {
				t.Errorf("a token made us fetch %s", path)
			}
		}
	})
}

func TestVerifyReturnsWhatWasProved(t *testing.T) {
	is := newIssuer(t)
	v := newVerifier(t, is.config(newClock()))
	got, err := v.Verify(t.Context(), newToken(v1, claim("aud", "api://"+appA)), start)
	if err != nil {
		t.Fatal(err)
	}
	if want := (Token{TenantID: tenantA, AppID: appA, Version: "1.0"}); got != want {
		t.Errorf("got %+v, want %+v", got, want)
	}
	want := map[string]int{"/" + tenantA + "/discovery/keys": 1}
	is.set(func() {
		if diff := cmp.Diff(want, is.asked); diff != "" {
			t.Errorf("fetched (-want +got):\n%s", diff)
		}
	})
}

// What is said of a token does not depend on having seen it, or a good one,
// before: every case comes twice to one verifier that has proved the good ones.
func TestVerifyAgain(t *testing.T) {
	is := newIssuer(t)
	publishOdd(is)
	v := newVerifier(t, is.config(newClock()))
	good := 0
	for _, tt := range tokenCases(is.URL) {
		if tt.want != "" {
			continue
		}
		good++
		if _, err := v.Verify(t.Context(), newToken(tt.edits...), start); err != nil {
			t.Errorf("%s: %v", tt.name, err)
		}
	}
	if n := len(v.proven.all); n != good || good == 0 {
		t.Fatalf("%d tokens are remembered, want %d", n, good)
	}
	for _, tt := range tokenCases(is.URL) {
		token, want := newToken(tt.edits...), string(tt.want)
		if want == "" {
			want = "good"
		}
		for _, when := range []string{"first", "again"} {
			got, err := v.Verify(t.Context(), token, start)
			// An unknown key may not make us ask twice: that is all the difference.
			if said := verdict(err); said != want && (tt.want != ReasonTokenUnknownKey || said != "unverifiable") {
				t.Errorf("%s, %s: %s, want %s", tt.name, when, said, want)
			}
			if (err == nil) != (got.AppID != "") && verdict(err) != "unverifiable" {
				t.Errorf("%s, %s: %+v with %v", tt.name, when, got, err)
			}
		}
	}
	if n := len(v.proven.all); n != good {
		t.Errorf("%d tokens are remembered, want the %d good ones", n, good)
	}
}

// Of many who bring a new token at once one verifies its signature. The others wait
// for that, and look for themselves only if it came to nothing.
func TestNewTokenIsVerifiedOnce(t *testing.T) {
	keys, err := parseJWKS(mustJSON(map[string]any{"keys": []any{jwk("k1", signKey(), "")}}))
	if err != nil {
		t.Fatal(err)
	}
	signed := Token{TenantID: tenantA, AppID: appA, Version: "2.0"}
	byFirst := Token{TenantID: tenantA, AppID: "as the first found", Version: "2.0"}
	for name, tt := range map[string]struct {
		token    string
		remember bool // what the first finds is good
		want     Token
		verdict  string
	}{
		"remembered": {newToken(), true, byFirst, "good"},
		"refused":    {newToken(), false, signed, "good"}, // as of the time of the first, say
		"forged":     {newToken(byKey(otherKey())), false, Token{}, "token_signature"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				v := newVerifier(t, VerifierConfig{LoginURL: "https://login.test", Tenants: []TenantApps{{tenantA, []string{appA}}}})
				v.sets[setName{tenantA, "2.0"}] = &keySet{keys: keys, fetched: start}
				release := make(chan struct{})
				go func() {
					_, _, _ = v.proving.Do(tt.token, func() (any, error) {
						<-release
						if tt.remember {
							v.proven.add(tt.token, provenToken{byFirst, lifetime{until: start.Add(time.Hour)}, "k1", &signKey().PublicKey}, start)
						}
						return nil, nil
					})
				}()
				synctest.Wait()
				var (
					wg   sync.WaitGroup
					done atomic.Int32
				)
				for range 3 {
					wg.Go(func() {
						defer done.Add(1)
						if got, err := v.Verify(t.Context(), tt.token, start); got != tt.want || verdict(err) != tt.verdict {
							t.Errorf("%+v, %s", got, verdict(err))
						}
					})
				}
				synctest.Wait()
				if n := done.Load(); n > 0 {
					t.Errorf("%d did not wait", n)
				}
				close(release)
				wg.Wait()
			})
		})
	}
}

// A token that was proved is good for its time only, and for as long as the key
// that proved it is the one of its kid.
func TestProvenTokenIsJudgedEachTime(t *testing.T) {
	token := newToken()
	keys := func(list ...map[string]string) func(*issuer, *fakeClock) {
		return func(is *issuer, _ *fakeClock) { is.keys = list }
	}
	for name, tt := range map[string]struct {
		change func(*issuer, *fakeClock)
		at     time.Time
		want   string
	}{
		"nothing changes":                 {keys(jwk("k1", signKey(), "")), start, "good"},
		"expired":                         {keys(jwk("k1", signKey(), "")), start.Add(48 * time.Hour), "token_expired"},
		"as of a time before its own":     {keys(jwk("k1", signKey(), "")), start.Add(-time.Hour), "token_not_yet"},
		"key withdrawn":                   {keys(jwk("k2", signKey(), "")), start, "token_key"},
		"another key under its kid":       {keys(jwk("k1", otherKey(), "")), start, "token_signature"},
		"key for another tenant now":      {keys(jwk("k1", signKey(), "https://login.test/"+tenantC+"/v2.0")), start, "token_key_issuer"},
		"key in front of it in its kid":   {keys(jwk("k1", otherKey(), ""), jwk("k1", signKey(), "")), start, "token_signature"},
		"key set out of reach, as it was": {func(is *issuer, _ *fakeClock) { is.status = 500 }, start, "good"},
	} {
		t.Run(name, func(t *testing.T) {
			is, c := newIssuer(t), newClock()
			v := newVerifier(t, is.config(c))
			for range 2 {
				if _, err := v.Verify(t.Context(), token, start); err != nil {
					t.Fatal(err)
				}
			}
			c.advance(time.Minute)
			is.set(func() { tt.change(is, c) })
			_ = v.refresh(t.Context(), tenantA) // what it brought, or did not, is the case
			for _, when := range []string{"then", "again"} {
				if _, err := v.Verify(t.Context(), token, tt.at); verdict(err) != tt.want {
					t.Errorf("%s: %s, want %s", when, verdict(err), tt.want)
				}
			}
		})
	}
}

func TestProvenTokensAreBounded(t *testing.T) {
	var p provenTokens
	add := func(name string, i int, until time.Time) {
		p.add(name+strconv.Itoa(i), provenToken{lifetime: lifetime{until: until}}, start)
	}
	for i := range maxProven / 2 {
		add("over", i, start.Add(-time.Hour))
		add("good", i, start.Add(time.Hour))
	}
	if n := len(p.all); n != maxProven {
		t.Fatalf("%d are remembered", n)
	}
	add("more", 0, start.Add(time.Hour))
	if _, ok := p.find("good1"); !ok || len(p.all) != maxProven/2+1 {
		t.Errorf("%d are remembered, want those whose time is not over", len(p.all))
	}
	for i := range 2 * maxProven {
		add("many", i, start.Add(time.Hour))
		if len(p.all) > maxProven {
			t.Fatalf("%d are remembered", len(p.all))
		}
	}
	if _, ok := p.find("many" + strconv.Itoa(2*maxProven-1)); !ok {
		t.Error("the newest is not remembered")
	}
}

// Nothing that can be seen to be wrong without a key makes us fetch one.
func TestFaultsWithoutKeysFetchNothing(t *testing.T) {
	is := newIssuer(t)
	v := newVerifier(t, is.config(newClock()))
	for _, e := range []edit{claim("tid", "x"), claim("iss", "x"), claim("aud", "x"), claim("azp", "x"), claim("exp", 1), head("alg", "none"), raw("x.y.z")} {
		if _, err := v.Verify(t.Context(), newToken(e), start); err == nil {
			t.Error("a wrong token was taken")
		}
	}
	if n := is.fetches(); n != 0 {
		t.Errorf("%d fetches", n)
	}
}

// verdict is good, unverifiable or the reason of a refusal.
func verdict(err error) string {
	refusal, refused := errors.AsType[*Refusal](err)
	switch {
	case err == nil:
		return "good"
	case refused:
		return string(refusal.Reason)
	case errors.Is(err, ErrUnverifiable):
		return "unverifiable"
	}
	return err.Error()
}

// A step of a story about keys.
type keyStep struct {
	what    string
	do      func(*issuer, *fakeClock)
	kid     string
	want    string
	fetches int // in all, after the step
}

func TestKeyRotation(t *testing.T) {
	wait := func(d time.Duration) func(*issuer, *fakeClock) {
		return func(_ *issuer, c *fakeClock) { c.advance(d) }
	}
	publish := func(kids ...string) func(*issuer, *fakeClock) {
		return func(is *issuer, c *fakeClock) {
			is.status, is.keys = 0, nil
			for _, kid := range kids {
				is.keys = append(is.keys, jwk(kid, signKey(), ""))
			}
			c.advance(time.Second)
		}
	}
	fail := func(is *issuer, c *fakeClock) { is.status = 500; c.advance(time.Second) }
	stories := map[string][]keyStep{
		"unknown kids ask every 5 minutes": {
			{"first use", publish("k1"), "k1", "good", 1},
			{"made up, asks", wait(time.Second), "evil", "token_key", 2},
			{"made up again, may not ask", wait(time.Second), "evil", "unverifiable", 2},
			{"another, may not ask", wait(time.Second), "evil2", "unverifiable", 2},
			{"the known one is not touched", wait(time.Second), "k1", "good", 2},
			{"still not", wait(4 * time.Minute), "evil", "unverifiable", 2},
			{"asks again", wait(2 * time.Minute), "evil", "token_key", 3},
		},
		"rotation": {
			{"first use", publish("k1"), "k1", "good", 1},
			{"new key", publish("k1", "k2"), "k2", "good", 2},
			{"old key", wait(time.Second), "k1", "good", 2},
			{"old key withdrawn, not seen yet", publish("k2"), "k1", "good", 2},
			{"seen with the next fetch", wait(6 * time.Minute), "k3", "token_key", 3},
			{"withdrawn", wait(6 * time.Minute), "k1", "token_key", 4},
		},
		"out of reach from the start": {
			{"no keys", fail, "k1", "unverifiable", 1},
			{"too soon", wait(time.Second), "k1", "unverifiable", 1},
			{"tries again", wait(15 * time.Second), "k1", "unverifiable", 2},
			{"back", func(is *issuer, c *fakeClock) { is.status = 0; c.advance(15 * time.Second) }, "k1", "good", 3},
		},
		"the last good set stays": {
			{"first use", publish("k1"), "k1", "good", 1},
			{"out of reach", fail, "k2", "unverifiable", 2},
			{"kept", wait(72 * time.Hour), "k1", "good", 2},
			{"still out of reach", fail, "k2", "unverifiable", 3},
			{"HTML error page", func(is *issuer, c *fakeClock) {
				is.status, is.body = 0, "<html>"
				c.advance(6 * time.Minute)
			}, "k2", "unverifiable", 4},
			{"empty set", func(is *issuer, c *fakeClock) { is.body = `{"keys":[]}`; c.advance(6 * time.Minute) }, "k2", "unverifiable", 5},
			{"too large", func(is *issuer, c *fakeClock) {
				good := `{"keys":[` + string(mustJSON(jwk("k2", signKey(), ""))) + `]}`
				is.body = strings.Repeat(" ", maxJWKS+1-len(good)) + good
				c.advance(6 * time.Minute)
			}, "k2", "unverifiable", 6},
			{"redirected", func(is *issuer, c *fakeClock) { is.body, is.status = "", 302; c.advance(6 * time.Minute) }, "k2", "unverifiable", 7},
			{"kept through all of it", wait(time.Second), "k1", "good", 7},
		},
	}
	for name, steps := range stories {
		t.Run(name, func(t *testing.T) {
			is, c := newIssuer(t), newClock()
			v := newVerifier(t, is.config(c))
			far := claim("exp", start.Add(1000*time.Hour).Unix())
			for _, s := range steps {
				is.set(func() { s.do(is, c) })
				_, err := v.Verify(t.Context(), newToken(head("kid", s.kid), far), c.now())
				if got := verdict(err); got != s.want {
					t.Errorf("%s: got %s, want %s", s.what, got, s.want)
				}
				if got := is.fetches(); got != s.fetches {
					t.Errorf("%s: %d fetches, want %d", s.what, got, s.fetches)
				}
			}
		})
	}
}

// A deferred token is judged as of when it came in, with keys fetched since.
func TestProveDeferred(t *testing.T) {
	is, c := newIssuer(t), newClock()
	is.set(func() { is.status = 503 })
	v := newVerifier(t, is.config(c))
	token := newToken(claim("exp", start.Add(10*time.Minute).Unix()))
	item := Item{TenantID: tenantA, AppID: appA, Received: start, Deferred: []string{token}}
	foreign := Item{TenantID: tenantB, AppID: appB, Received: start, Deferred: []string{token}}
	made := Item{TenantID: tenantA, AppID: appA, Received: start, Deferred: []string{newToken(head("kid", "evil"))}}
	forged := Item{TenantID: tenantA, AppID: appA, Received: start, Deferred: []string{newToken(byKey(otherKey()))}}

	if err := v.Prove(t.Context(), Item{}); err != nil {
		t.Errorf("nothing deferred: %v", err)
	}
	if err := v.Prove(t.Context(), item); !errors.Is(err, ErrUnverifiable) {
		t.Fatalf("without keys: %v", err)
	}
	c.advance(time.Hour)
	is.set(func() { is.status = 0 })
	if err := v.Prove(t.Context(), item); err != nil {
		t.Errorf("an hour later, token long expired by then: %v", err)
	}
	for name, tt := range map[string]struct {
		item Item
		want string
	}{
		"for another tenant":           {foreign, "token_not_for_it"},
		"kid that never was":           {made, "token_key"},
		"signed by somebody":           {forged, "token_signature"},
		"expired when it was received": {Item{TenantID: tenantA, AppID: appA, Received: start.Add(time.Hour), Deferred: []string{token}}, "token_expired"},
	} {
		if got := verdict(v.Prove(t.Context(), tt.item)); got != tt.want {
			t.Errorf("%s: got %s, want %s", name, got, tt.want)
		}
	}
	if n := is.fetches(); n != 2 {
		t.Errorf("%d fetches, want 2: a set fetched since the token came in answers for all kids", n)
	}
}

// Many requests for one set are one fetch, and none waits longer than its ctx.
func TestFetchIsSharedAndBounded(t *testing.T) {
	is, c := newIssuer(t), newClock()
	hold := make(chan struct{})
	is.set(func() { is.hold = hold })
	v := newVerifier(t, is.config(c))
	token := newToken()

	ended, cancel := context.WithCancel(t.Context())
	cancel()
	if got, err := v.Verify(ended, token, start); !errors.Is(err, ErrUnverifiable) || got.TenantID != tenantA || got.AppID != appA {
		t.Fatalf("with no time to wait: %+v, %v", got, err)
	}
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := v.Verify(t.Context(), token, start); err != nil {
				t.Errorf("after the wait: %v", err)
			}
		})
	}
	close(hold)
	all.Wait()
	if n := is.fetches(); n != 1 {
		t.Errorf("%d fetches, want 1", n)
	}
}

func TestVerifyCollection(t *testing.T) {
	is, c := newIssuer(t), newClock()
	v := newVerifier(t, is.config(c))
	good, goodB := newToken(), newToken(ofB)
	p, err := v.VerifyCollection(t.Context(), []string{good, goodB}, start)
	if err != nil || !p.Proves(tenantA, appA) || !p.Proves(tenantB, strings.ToUpper(appB)) {
		t.Errorf("two good tokens: %+v, %v", p, err)
	}
	if p.Proves(tenantA, appB) || p.Proves(tenantB, appA) || p.Proves("", "") {
		t.Error("a token proves another pair than its own")
	}
	for name, tokens := range map[string][]string{"last": {good, "x"}, "first": {"x", good}, "other tenant's": {good, newToken(ofB, byKey(otherKey()))}} {
		p, err := v.VerifyCollection(t.Context(), tokens, start)
		if _, refused := errors.AsType[*Refusal](err); !refused || p.Proves(tenantA, appA) {
			t.Errorf("one bad token, %s: %+v, %v", name, p, err)
		}
	}
	if p, err := v.VerifyCollection(t.Context(), nil, start); err != nil || p.Proves(tenantA, appA) {
		t.Errorf("no tokens: %+v, %v", p, err)
	}
}

func TestKeyCacheOnDisk(t *testing.T) {
	is, c := newIssuer(t), newClock()
	cfg := is.config(c)
	cfg.CacheDir = filepath.Join(t.TempDir(), "jwks")
	if err := newVerifier(t, cfg).refresh(t.Context(), tenantA); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(cfg.CacheDir, "jwks-"+tenantA+"-2.0.json")
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("cache file: %v, %v", info, err)
	}
	kept, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	is.set(func() { is.status = 503 })
	tests := []struct {
		name    string
		content string
		mode    os.FileMode
		want    string
	}{
		{"as kept", string(kept), 0o600, "good"},
		{"group can write", string(kept), 0o660, "unverifiable"},
		{"all can write", string(kept), 0o602, "unverifiable"},
		{"cut off", string(kept[:len(kept)/2]), 0o600, "unverifiable"},
		{"empty", "", 0o600, "unverifiable"},
		{"no keys", `{"fetched":"2026-01-01T00:00:00Z","keys":[]}`, 0o600, "unverifiable"},
		{"from the future", strings.Replace(string(kept), `"2026`, `"2036`, 1), 0o600, "unverifiable"},
		{"weak key", string(mustJSON(cachedSet{start, []signingKey{{KeyID: "k1", N: jwk("", smallKey(), "")["n"], E: "AQAB"}}})), 0o600, "unverifiable"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			write(t, cfg.CacheDir, filepath.Base(file), []byte(tt.content), tt.mode)
			_, err := newVerifier(t, cfg).Verify(t.Context(), newToken(), start)
			if got := verdict(err); got != tt.want {
				t.Errorf("got %s, want %s", got, tt.want)
			}
		})
	}
}

// Who logs or writes to disk does not hold up those who verify.
func TestKeysCanBeReadWhileTheyAreKept(t *testing.T) {
	is, c := newIssuer(t), newClock()
	cfg := is.config(c)
	cfg.CacheDir = filepath.Join(t.TempDir(), "keys")
	var v *Verifier
	logged := make(chan bool, 2)
	core, _ := observer.New(zap.DebugLevel)
	cfg.Log = zap.New(zapcore.RegisterHooks(core, func(zapcore.Entry) error {
		free := v.mu.TryLock()
		if free {
			v.mu.Unlock()
		}
		logged <- free
		return nil
	}))
	v = newVerifier(t, cfg)
	write(t, filepath.Dir(cfg.CacheDir), "keys", nil, 0o600) // no folder: keeping them fails, and is logged
	for _, status := range []int{0, 503} {
		is.set(func() { is.status = status })
		_ = v.fetch(t.Context(), setName{tenantA, "2.0"})
		if free := <-logged; !free {
			t.Errorf("token service answers %d: the keys were locked meanwhile", status)
		}
	}
}

func TestFetchReportsFailure(t *testing.T) {
	is, c := newIssuer(t), newClock()
	is.set(func() { is.status = 404 })
	core, logs := observer.New(zap.DebugLevel)
	cfg := is.config(c)
	cfg.Log = zap.New(core)
	v := newVerifier(t, cfg)
	if err := v.refresh(t.Context(), tenantA); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("got %v", err)
	}
	if logs.Len() != 1 {
		t.Errorf("%d log lines, want 1", logs.Len())
	}
}

// roundTrip is an http.RoundTripper that needs no network, for time bubbles.
type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Run fetches at once, then hourly, and every minute while it fails.
func TestRunKeepsKeysFresh(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		count, down := 0, false
		transport := roundTrip(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			count++
			rec := &http.Response{StatusCode: 200, Body: http.NoBody}
			if down {
				rec.StatusCode = 503
				return rec, nil
			}
			rec.Body = body(`{"keys":[` + string(mustJSON(jwk("k1", signKey(), ""))) + `]}`)
			return rec, nil
		})
		v := newVerifier(t, VerifierConfig{
			LoginURL: "https://login.test", Tenants: []TenantApps{{tenantA, []string{appA}}},
			Client: &http.Client{Transport: transport},
		})
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { v.Run(ctx); close(done) }()
		expect := func(after time.Duration, want int) {
			t.Helper()
			<-time.After(after) // of the bubble's time
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if count != want {
				t.Errorf("%d fetches, want %d", count, want)
			}
		}
		expect(0, 2) // both versions
		expect(59*time.Minute, 2)
		expect(time.Minute, 4)
		mu.Lock()
		down = true
		mu.Unlock()
		expect(59*time.Minute, 4)
		expect(time.Minute, 6)
		expect(time.Minute, 8)
		mu.Lock()
		down = false
		mu.Unlock()
		expect(time.Minute, 10)
		expect(30*time.Minute, 10)
		for _, s := range v.KeySets() {
			if s.Keys != 1 || s.Fetched.IsZero() || s.TenantID != tenantA {
				t.Errorf("key set %+v", s)
			}
		}
		cancel()
		<-done
	})
}

func TestNewVerifierRefuses(t *testing.T) {
	tenants := []TenantApps{{tenantA, []string{appA}}}
	for name, cfg := range map[string]VerifierConfig{
		"no URL":         {Tenants: tenants},
		"http elsewhere": {LoginURL: "http://login.test", Tenants: tenants},
		"like loopback":  {LoginURL: "http://localhost.evil", Tenants: tenants},
		"like 127":       {LoginURL: "http://127.0.0.1.evil", Tenants: tenants},
		"with a user":    {LoginURL: "https://a:b@login.test", Tenants: tenants},
		"with a query":   {LoginURL: "https://login.test?x=1", Tenants: tenants},
		"file":           {LoginURL: "file:///etc", Tenants: tenants},
		"tenant a path":  {LoginURL: "https://login.test", Tenants: []TenantApps{{"../common", []string{appA}}}},
		"tenant a name":  {LoginURL: "https://login.test", Tenants: []TenantApps{{"contoso.com", []string{appA}}}},
		"no app":         {LoginURL: "https://login.test", Tenants: []TenantApps{{tenantA, []string{""}}}},
	} {
		if _, err := NewVerifier(cfg); err == nil {
			t.Errorf("%s: taken", name)
		}
	}
	for _, u := range []string{"https://login.test/", "http://127.0.0.1:9400", "http://[::1]:80", "http://localhost"} {
		if _, err := NewVerifier(VerifierConfig{LoginURL: u, Tenants: tenants}); err != nil {
			t.Errorf("%s: %v", u, err)
		}
	}
}

func FuzzVerify(f *testing.F) {
	f.Add(newToken())
	f.Add(newToken(v1))
	f.Add("a.b.c")
	f.Add("e30.e30.")
	f.Add(base64.RawURLEncoding.EncodeToString([]byte(`{"alg":"RS256","kid":"k1"}`)) + "." + base64.RawURLEncoding.EncodeToString([]byte(`{"exp":1e400}`)) + ".AA")
	v, err := NewVerifier(VerifierConfig{
		LoginURL: "https://login.test", IssuerV2: "https://login.test/{tid}/v2.0", Tenants: []TenantApps{{tenantA, []string{appA}}}, Clock: newClock().now,
		Client: &http.Client{Transport: roundTrip(func(*http.Request) (*http.Response, error) {
			return &http.Response{StatusCode: 200, Body: body(`{"keys":[` + string(mustJSON(jwk("k1", signKey(), ""))) + `]}`)}, nil
		})},
	})
	if err != nil {
		f.Fatal(err)
	}
	good := map[string]bool{}
	for _, tt := range tokenCases("https://login.test") {
		token := newToken(tt.edits...)
		f.Add(token)
		good[token] = tt.want == ""
	}
	trial.Fuzz(f, 50, func(t *testing.T, token string) {
		if _, err := v.Verify(t.Context(), token, start); err == nil && !good[token] {
			t.Errorf("took a token that nobody signed: %q", token)
		}
	})
}

// Strings of every length around the parts that they are hashed in, on many
// goroutines at once, since what hashes them is used again.
func TestSumOf(t *testing.T) {
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for _, n := range []int{0, 1, 63, 64, 1023, 1024, 1025, 2048, 5000} {
				s := strings.Repeat("x", n/2) + strings.Repeat("y", n-n/2)
				if sumOf(s) != sha256.Sum256([]byte(s)) {
					t.Errorf("%d bytes have another sum", n)
				}
			}
		})
	}
	wg.Wait()
}
