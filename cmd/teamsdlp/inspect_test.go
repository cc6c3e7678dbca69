package main

import (
	"bytes"
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const captureText = `{"id":"1793520612345","etag":"1793520612399","messageType":"message","chatId":"19:a@thread.v2","createdDateTime":"2026-11-01T08:10:12.345Z","body":{"contentType":"html","content":"<p>CANARY-TEXT</p>"}}`

// capture is a notification and the files that go with it.
type capture struct {
	dir     string
	content map[string]string
}

// newCapture seals text as Graph does and writes key.pem, cert.pem, other.pem
// (a key that it was not sealed for) and content.json.
func newCapture(t *testing.T, text string) capture {
	t.Helper()
	key, other := newRSA(t), newRSA(t)
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	k := make([]byte, 32)
	_, _ = rand.Read(k)
	wrapped, err := rsa.EncryptOAEP(sha1.New(), rand.Reader, &key.PublicKey, k, nil)
	if err != nil {
		t.Fatal(err)
	}
	n := 16 - len(text)%16
	data := append([]byte(text), bytes.Repeat([]byte{byte(n)}, n)...)
	block, _ := aes.NewCipher(k)
	cipher.NewCBCEncrypter(block, k[:16]).CryptBlocks(data, data)
	mac := hmac.New(sha256.New, k)
	mac.Write(data)
	b64 := base64.StdEncoding.EncodeToString
	c := capture{t.TempDir(), map[string]string{
		"data": b64(data), "dataKey": b64(wrapped), "dataSignature": b64(mac.Sum(nil)),
		"encryptionCertificateId": "enc-1", "encryptionCertificateThumbprint": fmt.Sprintf("%X", sha1.Sum(der)),
	}}
	c.write(t, "key.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)}))
	c.write(t, "other.pem", pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(other)}))
	c.write(t, "cert.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
	c.writeJSON(t, "content.json", c.content)
	return c
}

func newRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	k, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func (c capture) write(t *testing.T, name string, b []byte) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.dir, name), b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (c capture) writeJSON(t *testing.T, name string, v any) {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	c.write(t, name, b)
}

// inspect runs the command; arguments that end in .pem or .json are files of the capture.
func (c capture) inspect(stdin string, args ...string) (code int, stdout, stderr string) {
	full := []string{"inspect"}
	for _, a := range args {
		if strings.HasSuffix(a, ".pem") || strings.HasSuffix(a, ".json") {
			a = filepath.Join(c.dir, a)
		}
		full = append(full, a)
	}
	var out, err bytes.Buffer
	code = run(&env{ctx: context.Background(), getenv: func(string) string { return "" }, stdin: strings.NewReader(stdin), stdout: &out, stderr: &err}, full)
	return code, out.String(), err.String()
}

func TestInspectCommand(t *testing.T) {
	c := newCapture(t, captureText)
	edited := func(name, field, value string) {
		m := map[string]string{}
		for k, v := range c.content {
			m[k] = v
		}
		m[field] = value
		c.writeJSON(t, name, m)
	}
	flipped := func(s string) string {
		b, _ := base64.StdEncoding.DecodeString(s)
		b[0] ^= 1
		return base64.StdEncoding.EncodeToString(b)
	}
	edited("signature.json", "dataSignature", flipped(c.content["dataSignature"]))
	edited("data.json", "data", flipped(c.content["data"]))
	edited("datakey.json", "dataKey", flipped(c.content["dataKey"]))
	edited("thumb.json", "encryptionCertificateThumbprint", "00")
	basic := map[string]any{"changeType": "created", "encryptedContent": nil}
	rich := map[string]any{"changeType": "created", "encryptedContent": c.content}
	c.writeJSON(t, "collection.json", map[string]any{"value": []any{basic, rich}, "validationTokens": nil})
	c.writeJSON(t, "item.json", rich)
	c.writeJSON(t, "empty.json", map[string]any{"value": []any{}})
	c.write(t, "broken.json", []byte(`{"data":"CANARY-TEXT`))

	tests := []struct {
		name string
		args string
		code int
		out  string // in stdout
		err  string // in stderr
	}{
		{"all fine", "--key key.pem --cert cert.pem --id enc-1 content.json", 0, "1793520612399", ""},
		{"without certificate and id", "--key key.pem content.json", 0, "not checked", ""},
		{"collection", "--key key.pem collection.json", 0, "item 2 of 2", ""},
		{"one item", "--key key.pem item.json", 0, "1793520612345", ""},
		{"another id", "--key key.pem --id enc-2 content.json", 1, "", "not ours: the content is for another certificate id"},
		{"another thumbprint", "--key key.pem --cert cert.pem thumb.json", 1, "", "not ours: the content is for a certificate with another thumbprint"},
		{"another key", "--key other.pem content.json", 1, "", "data key does not open"},
		{"another key than the certificate's", "--key other.pem --cert cert.pem content.json", 1, "", "the certificate is of another key"},
		{"dataKey damaged", "--key key.pem datakey.json", 1, "", "data key does not open"},
		{"data damaged", "--key key.pem data.json", 1, "", "signature of the data does not match"},
		{"signature damaged", "--key key.pem signature.json", 1, "", "signature of the data does not match"},
		{"no such key", "--key nothing.pem content.json", 2, "", "nothing.pem"},
		{"certificate for a key", "--key cert.pem content.json", 2, "", "no private key"},
		{"no such file", "--key key.pem nothing.json", 2, "", "nothing.json"},
		{"not JSON", "--key key.pem broken.json", 2, "", "not the JSON"},
		{"nothing in it", "--key key.pem empty.json", 2, "", "nothing encrypted"},
		{"no key named", "content.json", 2, "", "--key"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			code, out, err := c.inspect("", strings.Fields(tt.args)...)
			if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(err, tt.err) {
				t.Errorf("exit %d, want %d\nstdout, want %q:\n%s\nstderr, want %q:\n%s", code, tt.code, tt.out, out, tt.err, err)
			}
			if strings.Contains(out+err, "CANARY") {
				t.Errorf("text was printed without being asked for:\n%s%s", out, err)
			}
		})
	}
	t.Run("text", func(t *testing.T) {
		code, out, _ := c.inspect("", "--key", "key.pem", "--show-text", "content.json")
		if code != 0 || !strings.Contains(out, captureText) {
			t.Errorf("exit %d:\n%s", code, out)
		}
	})
	t.Run("standard input", func(t *testing.T) {
		b, _ := json.Marshal(c.content)
		if code, out, err := c.inspect(string(b), "--key", "key.pem", "-"); code != 0 || !strings.Contains(out, "1793520612345") {
			t.Errorf("exit %d:\n%s%s", code, out, err)
		}
	})
	t.Run("JSON", func(t *testing.T) {
		code, out, _ := c.inspect("", "--key", "key.pem", "--json", "collection.json")
		lines := strings.Split(strings.TrimSpace(out), "\n")
		var report struct {
			Item    int
			Checks  []struct{ Check, Result, Reason string }
			Message struct{ ID, Version, Place string }
			Text    *json.RawMessage
		}
		if err := json.Unmarshal([]byte(lines[len(lines)-1]), &report); err != nil || code != 0 || len(lines) != 2 {
			t.Fatalf("exit %d, %v:\n%s", code, err, out)
		}
		if report.Item != 1 || len(report.Checks) != 8 || report.Message.Place != "chats('19:a@thread.v2')/messages('1793520612345')" || report.Text != nil {
			t.Errorf("report %+v", report)
		}
	})
	t.Run("JSON with text", func(t *testing.T) {
		_, out, _ := c.inspect("", "--key", "key.pem", "--json", "--show-text", "content.json")
		if !strings.Contains(out, "CANARY-TEXT") {
			t.Errorf("no text:\n%s", out)
		}
	})
}

func TestInspectNotAMessage(t *testing.T) {
	for name, text := range map[string]string{"another resource": `{"@odata.type":"#microsoft.graph.event","id":"CANARY"}`, "not JSON": "CANARY", "list": `["CANARY"]`, "empty": ""} {
		t.Run(name, func(t *testing.T) {
			code, out, err := newCapture(t, text).inspect("", "--key", "key.pem", "content.json")
			if code != 1 || !strings.Contains(err, "not a message") || strings.Contains(out+err, "CANARY") {
				t.Errorf("exit %d:\n%s%s", code, out, err)
			}
		})
	}
}
