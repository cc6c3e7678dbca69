package webhook

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/test/trial"
)

const plainMessage = `{"@odata.context":"x","id":"1793520612345","etag":"1793520612345","body":{"contentType":"html","content":"<p>SECRET-CANARY</p>"}}`

// ring writes pairs c1 (older, PKCS #8) and c2 (newer, PKCS #1) to a folder.
func ring(t testing.TB) (*Keyring, string, seal) {
	t.Helper()
	dir := t.TempDir()
	one, two := selfSigned(boxKey(), start), selfSigned(box2Key(), start.AddDate(0, 1, 0))
	write(t, dir, "encryption-c1.key.pem", pemKey(boxKey(), false), 0o600)
	write(t, dir, "encryption-c1.cert.pem", pemCert(one), 0o644)
	write(t, dir, "encryption-c2.key.pem", pemKey(box2Key(), true), 0o600)
	write(t, dir, "encryption-c2.cert.pem", pemCert(two), 0o644)
	write(t, dir, "checkpoint.key", []byte("something else"), 0o600)
	k, err := LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	return k, dir, seal{key: boxKey(), id: "c1", thumb: thumb(one)}
}

func flip(s string) string {
	b, _ := base64.StdEncoding.DecodeString(s)
	b[len(b)/2] ^= 1
	return base64.StdEncoding.EncodeToString(b)
}

func TestOpen(t *testing.T) {
	k, _, s := ring(t)
	two, _ := k.Certificate("c2")
	change := func(f func(*seal)) seal { c := s; f(&c); return c }
	tamper := func(f func(*EncryptedContent)) seal { return change(func(s *seal) { s.tamper = f }) }
	padded := func(tail ...byte) seal {
		return change(func(s *seal) {
			s.pad = func(p []byte) []byte {
				p = append(p, bytes.Repeat([]byte{' '}, 32-len(p)%16-len(tail))...)
				return append(p, tail...)
			}
		})
	}
	tests := []struct {
		name  string
		seal  seal
		plain string
		want  error // nil: opens
		says  string
	}{
		{"as Graph does", s, plainMessage, nil, ""},
		{"the other key", change(func(s *seal) { s.key, s.id, s.thumb = box2Key(), "c2", two.Thumbprint }), plainMessage, nil, ""},
		{"thumbprint in lower case", change(func(s *seal) { s.thumb = strings.ToLower(s.thumb) }), plainMessage, nil, ""},
		{"length a multiple of 16", s, plainMessage + strings.Repeat(" ", 16-len(plainMessage)%16), nil, ""},
		{"not ASCII", s, `{"id":"1","body":{"content":"héllo 😀"}}`, nil, ""},

		{"unknown id", change(func(s *seal) { s.id = "c9" }), plainMessage, ErrUnknownKey, "certificate id"},
		{"no id", change(func(s *seal) { s.id = "" }), plainMessage, ErrUnknownKey, "certificate id"},
		{"id in another casing", change(func(s *seal) { s.id = "C1" }), plainMessage, ErrUnknownKey, "certificate id"},
		{"id of the other key", change(func(s *seal) { s.id = "c2" }), plainMessage, ErrUnknownKey, "thumbprint"},
		{"another thumbprint", change(func(s *seal) { s.thumb = strings.Repeat("0", 40) }), plainMessage, ErrUnknownKey, "thumbprint"},
		{"no thumbprint", change(func(s *seal) { s.thumb = "" }), plainMessage, ErrUnknownKey, "thumbprint"},

		{"encrypted for another key", change(func(s *seal) { s.key = box2Key() }), plainMessage, ErrDataKey, ""},
		{"OAEP with SHA-256", change(func(s *seal) { s.sha256 = true }), plainMessage, ErrDataKey, ""},
		{"dataKey flipped", tamper(func(e *EncryptedContent) { e.DataKey = flip(e.DataKey) }), plainMessage, ErrDataKey, ""},
		{"dataKey missing", tamper(func(e *EncryptedContent) { e.DataKey = "" }), plainMessage, ErrDataKey, ""},
		{"dataKey cut", tamper(func(e *EncryptedContent) { e.DataKey = e.DataKey[:8] }), plainMessage, ErrDataKey, ""},
		{"dataKey with a line break", tamper(func(e *EncryptedContent) { e.DataKey = e.DataKey[:8] + "\n" + e.DataKey[8:] }), plainMessage, ErrDataKey, ""},
		{"AES-128 key", change(func(s *seal) { s.dataKey = make([]byte, 16) }), plainMessage, ErrDataKey, ""},
		{"33 bytes of key", change(func(s *seal) { s.dataKey = make([]byte, 33) }), plainMessage, ErrDataKey, ""},
		{"empty key", change(func(s *seal) { s.dataKey = []byte{} }), plainMessage, ErrDataKey, ""},

		{"data flipped", tamper(func(e *EncryptedContent) { e.Data = flip(e.Data) }), plainMessage, ErrSignature, ""},
		{"data cut by a block", change(func(s *seal) { s.resigned = func(c []byte) []byte { return c[:len(c)-16] } }), plainMessage, ErrSignature, ""},
		{"data missing", tamper(func(e *EncryptedContent) { e.Data = "" }), plainMessage, ErrSignature, ""},
		{"data not base64", tamper(func(e *EncryptedContent) { e.Data = "*" + e.Data[1:] }), plainMessage, ErrSignature, ""},
		{"data unpadded base64", tamper(func(e *EncryptedContent) { e.Data = strings.TrimRight(e.Data, "=") + "A" }), plainMessage, ErrSignature, ""},
		{"signature flipped", tamper(func(e *EncryptedContent) { e.DataSignature = flip(e.DataSignature) }), plainMessage, ErrSignature, ""},
		{"signature cut", tamper(func(e *EncryptedContent) {
			e.DataSignature = base64.StdEncoding.EncodeToString([]byte("short"))
		}), plainMessage, ErrSignature, ""},
		{"signature missing", tamper(func(e *EncryptedContent) { e.DataSignature = "" }), plainMessage, ErrSignature, ""},
		{"signed and not whole blocks", change(func(s *seal) { s.pad = func([]byte) []byte { return []byte("seventeen bytes!!") } }), plainMessage, ErrSignature, ""},
		{"signed and no padding", padded(0), plainMessage, ErrSignature, ""},
		{"signed and padding over a block", padded(bytes.Repeat([]byte{17}, 17)...), plainMessage, ErrSignature, ""},
		{"signed and padding over everything", padded(200), "", ErrSignature, ""},
		{"signed and padding uneven", padded(3, 2, 3), plainMessage, ErrSignature, ""},

		{"empty text", s, "", ErrNotMessage, ""},
		{"not JSON", s, "SECRET-CANARY", ErrNotMessage, ""},
		{"a list", s, `["SECRET-CANARY"]`, ErrNotMessage, ""},
		{"a string", s, `"SECRET-CANARY"`, ErrNotMessage, ""},
		{"null", s, `null`, ErrNotMessage, ""},
		{"no id", s, `{"body":{"content":"SECRET-CANARY"}}`, ErrNotMessage, ""},
		{"id a number", s, `{"id":7781,"x":"SECRET-CANARY"}`, ErrNotMessage, ""},
		{"another resource", s, `{"id":"1","@odata.type":"#microsoft.graph.event","x":"SECRET-CANARY"}`, ErrNotMessage, ""},
		{"too deep", s, `{"id":"1","x":` + strings.Repeat("[", 64) + strings.Repeat("]", 64) + `}`, ErrNotMessage, ""},
		{"something behind", s, plainMessage + "SECRET-CANARY", ErrNotMessage, ""},
		{"not UTF-8", s, `{"id":"1","x":"` + "\xff" + `SECRET-CANARY"}`, ErrNotMessage, ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ec := tt.seal.encrypt(tt.plain)
			got, err := k.Open(ec)
			if err == nil {
				_, err = DecodeMessage(got)
				if errors.Is(tt.want, ErrNotMessage) {
					got = nil // it is opened, and not decoded
				}
			}
			if !errors.Is(err, tt.want) {
				t.Fatalf("error %v, want %v", err, tt.want)
			}
			if tt.want == nil {
				if string(got) != tt.plain {
					t.Errorf("got %q, want %q", got, tt.plain)
				}
				return
			}
			if got != nil {
				t.Errorf("returned content beside an error")
			}
			for _, other := range []error{ErrUnknownKey, ErrDataKey, ErrSignature, ErrNotMessage} {
				if !errors.Is(tt.want, other) && errors.Is(err, other) {
					t.Errorf("%v is %v too", err, other)
				}
			}
			if !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "CANARY") || strings.Contains(err.Error(), "7781") {
				t.Errorf("error says %q, want %q in it and no content", err, tt.says)
			}
			// Nothing in the error tells a bad padding from a bad signature.
			if errors.Is(tt.want, ErrSignature) && err.Error() != ErrSignature.Error() {
				t.Errorf("error %q is not the one of every other bad signature", err)
			}
		})
	}
}

// results is a report as one string: + passed, - failed, . not checked.
func results(checks []Check) string {
	var b strings.Builder
	for _, c := range checks {
		b.WriteString(map[CheckResult]string{Passed: "+", Failed: "-", NotChecked: "."}[c.Result])
	}
	return b.String()
}

func TestInspect(t *testing.T) {
	_, _, s := ring(t)
	cert := selfSigned(boxKey(), start)
	s.thumb = thumb(cert)
	other := selfSigned(box2Key(), start)
	ec := s.encrypt(plainMessage)
	broken := func(f func(*EncryptedContent)) *EncryptedContent { c := *ec; f(&c); return &c }
	short := s
	short.dataKey = make([]byte, 16)
	pad := s
	pad.pad = func([]byte) []byte { return make([]byte, 16) }
	tests := []struct {
		name string
		ec   *EncryptedContent
		key  *rsa.PrivateKey
		cert *x509.Certificate
		id   string
		want string
		err  error // of the first that failed
		text bool
	}{
		{"all given", ec, boxKey(), cert, "c1", "++++++++", nil, true},
		{"key alone", ec, boxKey(), nil, "", "...+++++", nil, true},
		{"another id", ec, boxKey(), cert, "c9", "-+++++++", ErrUnknownKey, true},
		{"certificate of another key", ec, boxKey(), other, "c1", "+--+++++", ErrUnknownKey, true},
		{"another thumbprint", broken(func(e *EncryptedContent) { e.CertificateThumbprint = "00" }), boxKey(), cert, "", ".-++++++", ErrUnknownKey, true},
		{"another key", ec, box2Key(), nil, "", "...-....", ErrDataKey, false},
		{"dataKey damaged", broken(func(e *EncryptedContent) { e.DataKey = flip(e.DataKey) }), boxKey(), nil, "c1", "+..-....", ErrDataKey, false},
		{"short data key", short.encrypt(plainMessage), boxKey(), nil, "", "...+-...", ErrDataKey, false},
		{"signature differs", broken(func(e *EncryptedContent) { e.DataSignature = flip(e.DataSignature) }), boxKey(), nil, "", "...++-..", ErrSignature, false},
		{"padding", pad.encrypt(""), boxKey(), nil, "", "...+++-.", ErrSignature, false},
		{"not a message", s.encrypt("[]"), boxKey(), nil, "", "...++++-", ErrNotMessage, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			checks, plain := Inspect(tt.ec, tt.key, tt.cert, tt.id)
			if got := results(checks); got != tt.want {
				t.Errorf("checks %s, want %s: %+v", got, tt.want, checks)
			}
			if (plain != nil) != tt.text {
				t.Errorf("text returned: %v", plain != nil)
			}
			var first error
			for _, c := range checks {
				if first == nil {
					first = c.Err
				}
				if (c.Reason == "") != (c.Result == Passed) || strings.Contains(c.Reason, "CANARY") {
					t.Errorf("check %+v", c)
				}
			}
			if !errors.Is(first, tt.err) {
				t.Errorf("first failure %v, want %v", first, tt.err)
			}
		})
	}
}

func TestKeyring(t *testing.T) {
	k, dir, s := ring(t)
	if diff := cmp.Diff([]string{"c1", "c2"}, k.Keys()); diff != "" {
		t.Errorf("ids (-want +got):\n%s", diff)
	}
	if got := k.Current(); got.ID != "c2" || got.Thumbprint != Thumbprint(got.DER) || len(got.DER) == 0 {
		t.Errorf("current is %+v, want the one that is valid from later", got)
	}
	if _, ok := k.Certificate("c9"); ok {
		t.Error("a certificate out of nothing")
	}
	// A reload that fails changes nothing; one that works takes over all.
	write(t, dir, "encryption-c3.key.pem", []byte("garbage"), 0o600)
	if err := k.Reload(); err == nil || !strings.Contains(err.Error(), "c3") {
		t.Errorf("reload with a broken pair: %v", err)
	}
	if _, err := k.Open(s.encrypt(plainMessage)); err != nil {
		t.Errorf("after a failed reload: %v", err)
	}
	for _, name := range []string{"encryption-c3.key.pem", "encryption-c1.key.pem", "encryption-c1.cert.pem"} {
		if err := os.Remove(dir + "/" + name); err != nil {
			t.Fatal(err)
		}
	}
	if err := k.Reload(); err != nil {
		t.Fatal(err)
	}
	if _, err := k.Open(s.encrypt(plainMessage)); !errors.Is(err, ErrUnknownKey) {
		t.Errorf("after its key was removed: %v", err)
	}
}

func TestLoadKeyringRefuses(t *testing.T) {
	key, cert := pemKey(boxKey(), false), pemCert(selfSigned(boxKey(), start))
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, _ := x509.MarshalPKCS8PrivateKey(ec)
	type files map[string][]byte
	tests := []struct {
		name  string
		files files
		mode  os.FileMode
		says  string
	}{
		{"empty folder", files{}, 0o600, "no encryption-<id>.key.pem"},
		{"no certificate", files{"encryption-a.key.pem": key}, 0o600, "encryption-a.cert.pem"},
		{"no key", files{"encryption-a.cert.pem": cert}, 0o600, "encryption-a.key.pem"},
		{"everybody can read the key", files{"encryption-a.key.pem": key, "encryption-a.cert.pem": cert}, 0o644, "chmod 600"},
		{"certificate of another key", files{"encryption-a.key.pem": pemKey(box2Key(), false), "encryption-a.cert.pem": cert}, 0o600, "of another key"},
		{"key too small", files{"encryption-a.key.pem": pemKey(smallKey(), false), "encryption-a.cert.pem": cert}, 0o600, "1024 bits"},
		{"not RSA", files{"encryption-a.key.pem": pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), "encryption-a.cert.pem": cert}, 0o600, "not an RSA"},
		{"key not PEM", files{"encryption-a.key.pem": []byte("SECRET"), "encryption-a.cert.pem": cert}, 0o600, "no private key"},
		{"key encrypted", files{"encryption-a.key.pem": pem.EncodeToMemory(&pem.Block{Type: "ENCRYPTED PRIVATE KEY"}), "encryption-a.cert.pem": cert}, 0o600, "passphrase"},
		{"certificate for key", files{"encryption-a.key.pem": cert, "encryption-a.cert.pem": cert}, 0o600, "no private key"},
		{"key for certificate", files{"encryption-a.key.pem": key, "encryption-a.cert.pem": key}, 0o600, "no certificate"},
		{"certificate broken", files{"encryption-a.key.pem": key, "encryption-a.cert.pem": pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})}, 0o600, "not an X.509"},
		{"no id", files{"encryption-.key.pem": key, "encryption-.cert.pem": cert}, 0o600, "the id must be"},
		{"one good, one bad", files{"encryption-a.key.pem": key, "encryption-a.cert.pem": cert, "encryption-b.key.pem": key}, 0o600, "pair b"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, b := range tt.files {
				write(t, dir, name, b, tt.mode)
			}
			_, err := LoadKeyring(dir)
			if err == nil || !strings.Contains(err.Error(), tt.says) || strings.Contains(err.Error(), "SECRET") {
				t.Errorf("error %v, want %q in it", err, tt.says)
			}
		})
	}
	if _, err := LoadKeyring(t.TempDir() + "/nowhere"); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no folder: %v", err)
	}
}

func FuzzEncryptedContent(f *testing.F) {
	k, _, s := ring(f)
	good := s.encrypt(plainMessage)
	f.Add(good.Data, good.DataKey, good.DataSignature)
	f.Add("", "", "")
	f.Add(good.Data, flip(good.DataKey), good.DataSignature)
	f.Add("AAAA", good.DataKey, good.DataSignature)
	trial.Fuzz(f, 20, func(t *testing.T, data, key, sig string) {
		ec := EncryptedContent{Data: data, DataKey: key, DataSignature: sig, CertificateID: s.id, CertificateThumbprint: s.thumb}
		plain, err := k.Open(&ec)
		if err == nil {
			_, err = DecodeMessage(plain)
		}
		if err == nil && ec != *good {
			t.Error("something else than what was sealed was opened")
		}
		if err != nil && !errors.Is(err, ErrDataKey) && !errors.Is(err, ErrSignature) && !errors.Is(err, ErrNotMessage) {
			t.Errorf("untyped error %v", err)
		}
	})
}

func BenchmarkOpen(b *testing.B) {
	k, _, s := ring(b)
	ec := s.encrypt(`{"id":"1","body":{"content":"` + strings.Repeat("x", 2000) + `"}}`)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := k.Open(ec); err != nil {
			b.Fatal(err)
		}
	}
}
