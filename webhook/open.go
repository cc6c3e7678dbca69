package webhook

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/sha1" //nolint:gosec // Graph's OAEP and thumbprints are SHA-1; neither rests on collisions
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Errors of opening encrypted content. They hold nothing of the content. None of
// them goes away by trying again with the same keys.
var (
	// ErrUnknownKey: no key of ours has this certificate id, or its certificate
	// has another thumbprint. The error says which.
	ErrUnknownKey = errors.New("encrypted for a key that is not ours")
	// ErrDataKey: dataKey does not open with our private key, or what is in it
	// is not an AES-256 key.
	ErrDataKey = errors.New("data key does not open")
	// ErrSignature: dataSignature is not that of data, or data is not decryptable
	// although it is. The two are not told apart, so that nobody can ask about paddings.
	ErrSignature = errors.New("signature of the data does not match")
	// ErrNotMessage: the content opens and is not a chatMessage.
	ErrNotMessage = errors.New("not a message")
)

// CheckName names a check of Inspect.
type CheckName string

// The checks, in order.
const (
	CheckID          CheckName = "certificate id"
	CheckThumbprint  CheckName = "certificate thumbprint"
	CheckCertificate CheckName = "certificate fits the key"
	CheckDataKey     CheckName = "dataKey opens"
	CheckKeyLength   CheckName = "data key is 32 bytes"
	CheckSignature   CheckName = "dataSignature matches"
	CheckDecrypts    CheckName = "data decrypts"
	CheckMessage     CheckName = "is a message"
)

// CheckResult is how a check came out.
type CheckResult string

// The results of a check.
const (
	Passed     CheckResult = "passed"
	Failed     CheckResult = "failed"
	NotChecked CheckResult = "not checked"
)

// Check is one line of Inspect's report.
type Check struct {
	Name   CheckName   `json:"check"`
	Result CheckResult `json:"result"`
	Reason string      `json:"reason,omitempty"`
	// Err is what Keyring.Open or DecodeMessage would return, or wrap, for a check
	// that failed.
	Err error `json:"-"`
}

// opening is the way from encrypted content to plaintext, a step at a time. Each
// step needs those before it to have passed.
type opening struct {
	ec   *EncryptedContent
	key  *rsa.PrivateKey
	k    []byte // the data key
	data []byte // the ciphertext, then the plaintext
}

// steps are the checks that need the private key, in the only order that is
// safe: the signature is compared before anything is decrypted.
// Source: learn.microsoft.com/graph/change-notifications-with-resource-data.
var steps = []step{
	{CheckDataKey, ErrDataKey, (*opening).unwrap},
	{CheckKeyLength, ErrDataKey, (*opening).checkLength},
	{CheckSignature, ErrSignature, (*opening).checkSignature},
	{CheckDecrypts, ErrSignature, (*opening).decrypt},
}

type step struct {
	name  CheckName
	class error // what Open returns instead of run's error; nil: run's error
	run   func(*opening) error
}

func (o *opening) unwrap() error {
	wrapped, err := strictBase64(o.ec.DataKey)
	if err != nil {
		return err
	}
	// OAEP with SHA-1 for both hashes and no label is what Graph uses.
	k, err := rsa.DecryptOAEP(sha1.New(), nil, o.key, wrapped, nil) //nolint:gosec // see above
	if err != nil {
		return errors.New("wrong key, or damaged")
	}
	o.k = k
	return nil
}

func (o *opening) checkLength() error {
	if len(o.k) != 32 {
		return fmt.Errorf("it is %d bytes", len(o.k))
	}
	return nil
}

func (o *opening) checkSignature() error {
	data, err := strictBase64(o.ec.Data)
	if err != nil {
		return fmt.Errorf("data: %w", err)
	}
	sig, err := strictBase64(o.ec.DataSignature)
	if err != nil {
		return fmt.Errorf("dataSignature: %w", err)
	}
	mac := hmac.New(sha256.New, o.k)
	mac.Write(data)
	if !hmac.Equal(mac.Sum(nil), sig) {
		return errors.New("data or dataSignature is not what was sent")
	}
	o.data = data
	return nil
}

// decrypt undoes AES-256-CBC, whose IV is the first half of the key, and the
// PKCS #7 padding.
func (o *opening) decrypt() error {
	errPadding := errors.New("not AES-CBC with PKCS #7 padding")
	if len(o.data) == 0 || len(o.data)%aes.BlockSize != 0 {
		return errPadding
	}
	block, err := aes.NewCipher(o.k)
	if err != nil {
		return err
	}
	plain := o.data
	cipher.NewCBCDecrypter(block, o.k[:aes.BlockSize]).CryptBlocks(plain, plain)
	pad := int(plain[len(plain)-1])
	if pad == 0 || pad > aes.BlockSize {
		return errPadding
	}
	for _, b := range plain[len(plain)-pad:] {
		if int(b) != pad {
			return errPadding
		}
	}
	o.data = plain[:len(plain)-pad]
	return nil
}

// checkMessage is of Inspect alone: whoever opens decodes next.
func (o *opening) checkMessage() error {
	_, err := DecodeMessage(o.data)
	return err
}

var strict = base64.StdEncoding.Strict()

// strictBase64 decodes the standard alphabet with padding. encoding/base64 would
// pass over line breaks, and its errors quote where.
func strictBase64(s string) ([]byte, error) {
	if s == "" {
		return nil, errors.New("it is missing")
	}
	b, err := strict.DecodeString(s)
	if err != nil || strings.IndexByte(s, '\r') >= 0 || strings.IndexByte(s, '\n') >= 0 {
		return nil, errors.New("it is not base64")
	}
	return b, nil
}

// open returns the plaintext or the error of the first step that fails.
func open(ec *EncryptedContent, key *rsa.PrivateKey) ([]byte, error) {
	o := &opening{ec: ec, key: key}
	for _, s := range steps {
		if s.run(o) != nil {
			return nil, s.class
		}
	}
	return o.data, nil
}

// Inspect does what Keyring.Open and DecodeMessage do, with one key, and tells how
// every check came out. cert and id may be missing (nil, ""): what needs them is then not
// checked. Other than Open it goes on after an id or a thumbprint that differs,
// to show whether the key would have opened the content. The plaintext is nil
// unless the content could be decrypted; it is message text.
func Inspect(ec *EncryptedContent, key *rsa.PrivateKey, cert *x509.Certificate, id string) ([]Check, []byte) {
	var report []Check
	add := func(name CheckName, known bool, missing string, err error, class error) {
		switch {
		case !known:
			report = append(report, Check{Name: name, Result: NotChecked, Reason: missing})
		case err != nil:
			report = append(report, Check{Name: name, Result: Failed, Reason: err.Error(), Err: class})
		default:
			report = append(report, Check{Name: name, Result: Passed})
		}
	}
	var idErr, thumbErr, certErr error
	if ec.CertificateID != id {
		idErr = errors.New("the content is for another certificate id")
	}
	if cert != nil {
		if !sameThumbprint(ec.CertificateThumbprint, Thumbprint(cert.Raw)) {
			thumbErr = errors.New("the content is for a certificate with another thumbprint")
		}
		if !key.PublicKey.Equal(cert.PublicKey) {
			certErr = errors.New("the certificate is of another key")
		}
	}
	add(CheckID, id != "", "no id was given", idErr, ErrUnknownKey)
	add(CheckThumbprint, cert != nil, "no certificate was given", thumbErr, ErrUnknownKey)
	add(CheckCertificate, cert != nil, "no certificate was given", certErr, ErrUnknownKey)

	o := &opening{ec: ec, key: key}
	var plain []byte
	stopped := false
	for _, s := range append(slices.Clone(steps), step{CheckMessage, nil, (*opening).checkMessage}) {
		if stopped {
			add(s.name, false, "an earlier check failed", nil, nil)
			continue
		}
		err := s.run(o)
		class := s.class
		if class == nil {
			class = err
		}
		add(s.name, true, "", err, class)
		stopped = err != nil
		if s.name == CheckDecrypts && err == nil {
			plain = o.data
		}
	}
	return report, plain
}

// Thumbprint returns a certificate's thumbprint as Graph writes it: the SHA-1 of
// the DER in upper-case hex.
func Thumbprint(der []byte) string {
	sum := sha1.Sum(der) //nolint:gosec // a name, not a proof
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

func sameThumbprint(a, b string) bool { return strings.EqualFold(a, b) }
