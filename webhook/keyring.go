package webhook

import (
	"cmp"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// The names of a pair of key files: encryption-<id>.key.pem and .cert.pem.
const (
	keyPrefix  = "encryption-"
	keySuffix  = ".key.pem"
	certSuffix = ".cert.pem"
)

// Bits of an RSA key that Graph encrypts for.
// Source: learn.microsoft.com/graph/change-notifications-with-resource-data.
const (
	minRSA = 2048
	maxRSA = 4096
)

// Certificate is the public half of a key pair: what a subscription is made with.
type Certificate struct {
	ID         string // ours; Graph's encryptionCertificateId
	DER        []byte
	Thumbprint string
	NotBefore  time.Time
	NotAfter   time.Time
}

// Keyring holds the key pairs that Graph encrypts for. Old ones stay in it until
// no notification can name them any more. It is safe for concurrent use.
type Keyring struct {
	dir   string
	pairs atomic.Pointer[map[string]keyPair] // by id; replaced, never changed
}

type keyPair struct {
	Certificate
	private *rsa.PrivateKey
}

// LoadKeyring reads every pair encryption-<id>.key.pem and
// encryption-<id>.cert.pem in dir: an RSA key of 2048 to 4096 bits in PKCS #8 or
// PKCS #1, readable by its owner (and group) only, and the certificate of that
// key. It is an error if half a pair is missing, if a key does not fit its
// certificate, or if there is no pair at all.
func LoadKeyring(dir string) (*Keyring, error) {
	k := &Keyring{dir: dir}
	if err := k.Reload(); err != nil {
		return nil, err
	}
	return k, nil
}

// Reload reads the folder again and takes over what is there, whole or not at
// all: after an error the pairs are those from before.
func (k *Keyring) Reload() error {
	pairs, err := readPairs(k.dir)
	if err != nil {
		return fmt.Errorf("encryption keys: %w", err)
	}
	k.pairs.Store(&pairs)
	return nil
}

// ErrNoKeys is wrapped by errors about a folder that has no pair at all.
var ErrNoKeys = errors.New("no " + keyPrefix + "<id>" + keySuffix)

func readPairs(dir string) (map[string]keyPair, error) {
	names, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	ids := make(map[string]bool)
	for _, n := range names {
		id, ok := strings.CutPrefix(n.Name(), keyPrefix)
		if !ok {
			continue
		}
		for _, suffix := range []string{keySuffix, certSuffix} {
			if id, ok := strings.CutSuffix(id, suffix); ok {
				ids[id] = true
			}
		}
	}
	if len(ids) == 0 {
		return nil, fmt.Errorf("%w in %s", ErrNoKeys, dir)
	}
	pairs := make(map[string]keyPair)
	var faults []error
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		p, err := readPair(dir, id)
		if err != nil {
			faults = append(faults, fmt.Errorf("pair %s: %w", id, err))
			continue
		}
		pairs[id] = p
	}
	return pairs, errors.Join(faults...)
}

func readPair(dir, id string) (keyPair, error) {
	if id == "" || len(id) > maxID || !graphic(id) {
		return keyPair{}, errors.New("the id must be 1 to 128 printable characters")
	}
	path := filepath.Join(dir, keyPrefix+id)
	info, err := os.Stat(path + keySuffix)
	if err != nil {
		return keyPair{}, err
	}
	if info.Mode().Perm()&0o007 != 0 {
		return keyPair{}, fmt.Errorf("%s can be used by everybody on this machine: chmod 600", path+keySuffix)
	}
	key, err := readFile(path+keySuffix, ParsePrivateKey)
	if err != nil {
		return keyPair{}, err
	}
	cert, err := readFile(path+certSuffix, ParseCertificate)
	if err != nil {
		return keyPair{}, err
	}
	if !key.PublicKey.Equal(cert.PublicKey) {
		return keyPair{}, errors.New("the certificate is of another key")
	}
	return keyPair{
		Certificate: Certificate{ID: id, DER: cert.Raw, Thumbprint: Thumbprint(cert.Raw), NotBefore: cert.NotBefore, NotAfter: cert.NotAfter},
		private:     key,
	}, nil
}

func readFile[T any](path string, parse func([]byte) (T, error)) (T, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		var zero T
		return zero, err
	}
	v, err := parse(b)
	if err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// ParsePrivateKey returns the one RSA key in a PEM file: PKCS #8 or PKCS #1, of
// a size that Graph takes, not encrypted. Its errors do not quote the file.
func ParsePrivateKey(file []byte) (*rsa.PrivateKey, error) {
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		var parsed any
		var err error
		switch block.Type {
		case "PRIVATE KEY":
			parsed, err = x509.ParsePKCS8PrivateKey(block.Bytes)
		case "RSA PRIVATE KEY":
			parsed, err = x509.ParsePKCS1PrivateKey(block.Bytes)
		case "ENCRYPTED PRIVATE KEY":
			return nil, errors.New("the key is encrypted; give it without a passphrase")
		default:
			continue
		}
		key, ok := parsed.(*rsa.PrivateKey)
		if err != nil || !ok {
			return nil, errors.New("not an RSA private key")
		}
		if n := key.N.BitLen(); n < minRSA || n > maxRSA {
			return nil, fmt.Errorf("the key has %d bits; Graph takes %d to %d", n, minRSA, maxRSA)
		}
		return key, nil
	}
	return nil, errors.New("no private key in PEM form")
}

// ParseCertificate returns the first certificate in a PEM file.
func ParseCertificate(file []byte) (*x509.Certificate, error) {
	for block, rest := pem.Decode(file); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, errors.New("not an X.509 certificate")
		}
		return cert, nil
	}
	return nil, errors.New("no certificate in PEM form")
}

// Current returns the certificate for new subscriptions: the newest by
// NotBefore, then by id.
func (k *Keyring) Current() Certificate {
	newest := slices.MaxFunc(slices.Collect(maps.Values(*k.pairs.Load())), func(a, b keyPair) int {
		return cmp.Or(a.NotBefore.Compare(b.NotBefore), strings.Compare(a.ID, b.ID))
	})
	return newest.Certificate
}

// Certificate returns the one with that id.
func (k *Keyring) Certificate(id string) (Certificate, bool) {
	p, ok := (*k.pairs.Load())[id]
	return p.Certificate, ok
}

// Keys returns the ids of all pairs, sorted.
func (k *Keyring) Keys() []string { return slices.Sorted(maps.Keys(*k.pairs.Load())) }

// Open returns what is in ec as it was signed, which is for DecodeMessage to read.
// The error is ErrUnknownKey, ErrDataKey or ErrSignature.
func (k *Keyring) Open(ec *EncryptedContent) ([]byte, error) {
	p, ok := (*k.pairs.Load())[ec.CertificateID]
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: no key with that certificate id", ErrUnknownKey)
	case !sameThumbprint(ec.CertificateThumbprint, p.Thumbprint):
		return nil, fmt.Errorf("%w: the certificate %s has another thumbprint", ErrUnknownKey, p.ID)
	}
	return open(ec, p.private)
}
