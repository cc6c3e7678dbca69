package webhook

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"teamsdlp/test/trial"
)

// What is echoed in the handshake is inert, and is what was asked for.
func FuzzHandshake(f *testing.F) {
	for _, s := range []string{
		"validationToken=Validation%3a+Testing+client", "validationToken=%3Cscript%3E", "validationToken=a&validationToken=b", "validationToken",
		"a=%zz&validationToken=b", "a=b;validationToken=c", "validationToken=%ff", "validationToken=%c2%85", "validationtoken=a", "%76alidationToken=a", "x=%zz",
	} {
		f.Add(s)
	}
	trial.Fuzz(f, 300, func(t *testing.T, query string) {
		token, asked, why := handshake(query)
		switch {
		case !asked && (token != "" || why != ""), why != "" && token != "":
			t.Errorf("%q: token %q, asked %v, %q", query, token, asked, why)
		case !asked || why != "":
			return
		}
		values, err := url.ParseQuery(query)
		if err != nil || len(values["validationToken"]) != 1 || values["validationToken"][0] != token {
			t.Errorf("%q: echoed %q of %q, %v", query, token, values["validationToken"], err)
		}
		if token == "" || len(token) > 2048 || !utf8.ValidString(token) || strings.ContainsAny(token, "<>") || strings.ContainsFunc(token, unicode.IsControl) {
			t.Errorf("%q: echoed %q", query, token)
		}
	})
}

// No key set makes a key that is not to be trusted.
func FuzzJWKS(f *testing.F) {
	f.Add(`{"keys":[` + string(mustJSON(jwk("k1", signKey(), "https://login.test/{tenantid}/v2.0"))) + `]}`)
	f.Add(`{"keys":[` + string(mustJSON(jwk("small", smallKey(), ""))) + `]}`)
	f.Add(`{"keys":[{"kty":"RSA","kid":"a","n":"` + strings.Repeat("_", 342) + `","e":"AQAB"}]}`)
	f.Add(`{"keys":[{"kty":"RSA","kid":"a","n":"` + strings.Repeat("_", 342) + `","e":"AAAAAAAB"}]}`)
	f.Add(`{"keys":null}`)
	trial.Fuzz(f, 300, func(t *testing.T, set string) {
		keys, err := parseJWKS([]byte(set))
		if err != nil {
			return
		}
		n := 0
		for kid, list := range keys {
			for _, k := range list {
				n++
				if p := k.public; kid == "" || k.KeyID != kid || p.N.BitLen() < 2048 || p.N.BitLen() > 8192 || p.E < 3 || p.E%2 == 0 || p.N.Bit(0) == 0 {
					t.Errorf("key %q of %d bits, exponent %d", kid, p.N.BitLen(), p.E)
				}
			}
		}
		if n == 0 {
			t.Error("a set without keys was taken")
		}
	})
}

// What is opened with a signature that matches is what decrypts to it and
// nothing else; and it never gets that far without one.
func FuzzSigned(f *testing.F) {
	k := bytes.Repeat([]byte{7}, 32)
	block, err := aes.NewCipher(k)
	if err != nil {
		f.Fatal(err)
	}
	sealed := func(padded []byte) []byte {
		out := make([]byte, len(padded))
		cipher.NewCBCEncrypter(block, k[:16]).CryptBlocks(out, padded)
		return out
	}
	f.Add(sealed(bytes.Repeat([]byte{16}, 16)), uint16(0))
	f.Add(sealed(append([]byte(`{"id":"1"}`), 6, 6, 6, 6, 6, 6)), uint16(3))
	f.Add(sealed(append([]byte(`{"id":"1"}`), 6, 6, 6, 6, 5, 6)), uint16(7))
	f.Add(sealed(make([]byte, 32)), uint16(255))
	f.Add([]byte("15 bytes of odd"), uint16(1))
	f.Add([]byte{}, uint16(1))
	trial.Fuzz(f, 300, func(t *testing.T, data []byte, bit uint16) {
		mac := hmac.New(sha256.New, k)
		mac.Write(data)
		sum := mac.Sum(nil)
		run := func(data, sum []byte) (plain []byte, at CheckName) {
			b64 := base64.StdEncoding.EncodeToString
			o := &opening{ec: &EncryptedContent{Data: b64(data), DataSignature: b64(sum)}, k: k}
			for _, s := range steps[1:] { // the data key is there
				if s.run(o) != nil {
					return nil, s.name
				}
			}
			return o.data, ""
		}
		if plain, at := run(data, sum); at == "" {
			pad := aes.BlockSize - len(plain)%aes.BlockSize
			if again := sealed(append(bytes.Clone(plain), bytes.Repeat([]byte{byte(pad)}, pad)...)); !bytes.Equal(again, data) {
				t.Errorf("%x opened as %q, which seals to %x", data, plain, again)
			}
		} else if at == CheckSignature && len(data) > 0 {
			t.Errorf("the right signature is refused")
		}
		// One bit of either is changed: the signature says so, before anything is decrypted.
		flip := func(b []byte) []byte {
			c := bytes.Clone(b)
			if len(c) > 0 {
				c[int(bit/8)%len(c)] ^= 1 << (bit % 8)
			}
			return c
		}
		if _, at := run(data, flip(sum)); at != CheckSignature {
			t.Errorf("another signature: stopped at %q", at)
		}
		if _, at := run(flip(data), sum); at != CheckSignature {
			t.Errorf("other data: stopped at %q", at)
		}
	})
}
