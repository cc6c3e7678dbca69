package actions

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/mod/sumdb/note"
)

// The files of a key directory that belong to the log.
const (
	CheckpointKeyFile    = "checkpoint.key" // signs checkpoints; 0600
	CheckpointPublicFile = "checkpoint.pub" // verifies them; may be read by anyone
	DigestKeyFile        = "digest.key"     // keys digests and fingerprints; 0600
)

// ErrKeys is wrapped by every error about a key file. The error names the file
// and never holds what is in it.
var ErrKeys = errors.New("unusable key")

const (
	digestKeySize = 32
	digestSize    = 16 // bytes of HMAC kept: enough against chance, short in the log
	maxKeyFile    = 4 << 10
)

// Keys are the keys of the log: one signs checkpoints, the other keys the
// digests by which equal values and equal texts are recognised without being
// kept. It cannot be printed or encoded, and is safe for concurrent use.
type Keys struct {
	signer   note.Signer
	verifier note.Verifier
	public   string
	epoch    string
	digest   []byte
}

// NewKeys makes keys that live in memory. The name is the log's origin: it
// stands in every checkpoint, and holds neither spaces nor "+".
func NewKeys(name string) (*Keys, error) {
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return nil, fmt.Errorf("making a checkpoint key: %w", err)
	}
	digest := make([]byte, digestKeySize)
	_, _ = rand.Read(digest)
	return keys(private, public, "e1", digest)
}

// CreateKeys makes new keys and writes their three files into dir, which must
// exist. It overwrites nothing: a file that is there already is an error that
// matches fs.ErrExist.
func CreateKeys(dir, name string) error {
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		return fmt.Errorf("making a checkpoint key: %w", err)
	}
	digest := make([]byte, digestKeySize)
	_, _ = rand.Read(digest)
	for _, f := range []struct {
		name, text string
		mode       os.FileMode
	}{
		{CheckpointKeyFile, private + "\n", 0o600},
		{CheckpointPublicFile, public + "\n", 0o644},
		{DigestKeyFile, "epoch: e1\nkey: " + hex.EncodeToString(digest) + "\n", 0o600},
	} {
		if err := writeNew(filepath.Join(dir, f.name), f.text, f.mode); err != nil {
			return err
		}
	}
	return nil
}

func writeNew(path, text string, mode os.FileMode) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return fmt.Errorf("writing a key file: %w", err)
	}
	_, err = io.WriteString(f, text)
	return errors.Join(err, f.Chmod(mode), f.Sync(), f.Close()) // whatever the umask
}

// LoadKeys reads the keys in dir. It refuses a private file that others than its
// owner can read, a public key that others can change, and a pair that does not
// belong together.
func LoadKeys(dir string) (*Keys, error) {
	private, err := readKey(filepath.Join(dir, CheckpointKeyFile), 0o077)
	if err != nil {
		return nil, err
	}
	public, err := readKey(filepath.Join(dir, CheckpointPublicFile), 0o022)
	if err != nil {
		return nil, err
	}
	text, err := readKey(filepath.Join(dir, DigestKeyFile), 0o077)
	if err != nil {
		return nil, err
	}
	epoch, digest, err := parseDigestKey(text)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, DigestKeyFile), err)
	}
	k, err := keys(strings.TrimSpace(private), strings.TrimSpace(public), epoch, digest)
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint key in %s: %w", dir, err)
	}
	return k, nil
}

// LoadVerifier reads the public checkpoint key at path, for verifying a log away
// from the machine that wrote it.
func LoadVerifier(path string) (note.Verifier, error) {
	text, err := readKey(path, 0o022)
	if err != nil {
		return nil, err
	}
	v, err := note.NewVerifier(strings.TrimSpace(text))
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w: not a public checkpoint key", path, ErrKeys)
	}
	return v, nil
}

// readKey reads a small regular file that has none of the mode bits in forbidden.
func readKey(path string, forbidden os.FileMode) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKeys, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKeys, err)
	}
	switch {
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("reading %s: %w: not a regular file", path, ErrKeys)
	case info.Mode().Perm()&forbidden != 0:
		return "", fmt.Errorf("reading %s: %w: mode %04o lets others at it, want at most %04o",
			path, ErrKeys, info.Mode().Perm(), 0o777&^forbidden)
	case info.Size() > maxKeyFile:
		return "", fmt.Errorf("reading %s: %w: too large for a key", path, ErrKeys)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKeys, err)
	}
	return string(b), nil
}

// parseDigestKey reads the two lines "epoch: e1" and "key: <64 hex digits>".
// Its errors do not quote them.
func parseDigestKey(text string) (epoch string, key []byte, err error) {
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		switch {
		case name == "epoch" && epoch == "" && value != "" && len(value) <= 16 && !strings.ContainsAny(value, ": \t"):
			epoch = value
		case name == "key" && key == nil:
			if key, err = hex.DecodeString(value); err != nil {
				return "", nil, fmt.Errorf("%w: the key is not in hex", ErrKeys)
			}
		default:
			return "", nil, fmt.Errorf(`%w: want the lines "epoch: NAME" and "key: HEX"`, ErrKeys)
		}
	}
	if epoch == "" || len(key) != digestKeySize {
		return "", nil, fmt.Errorf("%w: want an epoch and a key of %d bytes", ErrKeys, digestKeySize)
	}
	return epoch, key, nil
}

func keys(private, public, epoch string, digest []byte) (*Keys, error) {
	signer, err := note.NewSigner(private)
	if err != nil {
		return nil, fmt.Errorf("%w: not a private checkpoint key", ErrKeys)
	}
	verifier, err := note.NewVerifier(public)
	if err != nil {
		return nil, fmt.Errorf("%w: not a public checkpoint key", ErrKeys)
	}
	sample := []byte("do these two belong together?\n")
	signature, err := signer.Sign(sample)
	if err != nil || signer.Name() != verifier.Name() || signer.KeyHash() != verifier.KeyHash() || !verifier.Verify(sample, signature) {
		return nil, fmt.Errorf("%w: %s is not the public key of %s", ErrKeys, CheckpointPublicFile, CheckpointKeyFile)
	}
	return &Keys{signer: signer, verifier: verifier, public: public, epoch: epoch, digest: digest}, nil
}

// Digest is the keyed digest of a value that a detector found, as
// "e1:" and 32 hex digits; e1 names the key. Equal values of one detector have
// equal digests, and without the key a digest tells nothing of its value.
func (k *Keys) Digest(detector, value string) string {
	return k.sum([]byte(detector), []byte{0}, []byte(value))
}

// Fingerprint is the keyed digest of a text made of parts. Where one part ends
// counts: ("ab", "c") and ("a", "bc") differ.
func (k *Keys) Fingerprint(parts ...string) string {
	input := [][]byte{[]byte("fingerprint\x00")}
	for _, p := range parts {
		input = append(input, binary.BigEndian.AppendUint64(nil, uint64(len(p))), []byte(p))
	}
	return k.sum(input...)
}

// CaseID names the case of a message: 16 hex digits that tell nothing of it.
func (k *Keys) CaseID(messageKey string) string {
	return hex.EncodeToString(k.mac([]byte("case"), []byte(messageKey))[:8])
}

func (k *Keys) sum(parts ...[]byte) string {
	return k.epoch + ":" + hex.EncodeToString(k.mac(parts...)[:digestSize])
}

func (k *Keys) mac(parts ...[]byte) []byte {
	m := hmac.New(sha256.New, k.digest)
	for _, p := range parts {
		m.Write(p)
	}
	return m.Sum(nil)
}

// Signer signs checkpoints.
func (k *Keys) Signer() note.Signer { return k.signer }

// Verifier verifies checkpoints.
func (k *Keys) Verifier() note.Verifier { return k.verifier }

// PublicKey is the public checkpoint key as text, to be handed out.
func (k *Keys) PublicKey() string { return k.public }

// Format implements fmt.Formatter.
func (Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[keys]") }

// MarshalText keeps keys out of anything that is encoded.
func (Keys) MarshalText() ([]byte, error) { return []byte("[keys]"), nil }
