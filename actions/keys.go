package actions

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

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
	signer      note.Signer
	verifier    note.Verifier // of signer
	predecessor note.Signer   // nil: there is none
	private     string        // of signer
	public      string        // of signer
	publics     []string      // all there ever were, the one in use last
	epochs      []epoch       // of the digest key, the one in use last; never empty
}

// An epoch is a span of time in which one key made the digests of values.
type epoch struct {
	name string
	key  []byte
	macs *sync.Pool // of *keyedHash; set by keys
}

// keyedHash is an HMAC that is used again and again: to make one costs as much as
// a digest does.
type keyedHash struct {
	hash.Hash
	some [512]byte // of a string, on its way into the hash
}

func (h *keyedHash) writeString(s string) {
	for s != "" {
		n := copy(h.some[:], s)
		h.Write(h.some[:n])
		s = s[n:]
	}
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
	return keys([]string{private}, []string{public}, []epoch{{name: "e1", key: digest}})
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
//
// The checkpoint files hold a key a line, the one in use last; see [RotateKeys].
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
	epochs, err := parseDigestKeys(text)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", filepath.Join(dir, DigestKeyFile), err)
	}
	k, err := keys(strings.Fields(private), strings.Fields(public), epochs)
	if err != nil {
		return nil, fmt.Errorf("reading the checkpoint key in %s: %w", dir, err)
	}
	return k, nil
}

// LoadVerifiers reads the public checkpoint keys at path, one a line, for
// verifying a log away from the machine that wrote it.
func LoadVerifiers(path string) (note.Verifiers, error) {
	text, err := readKey(path, 0o022)
	if err != nil {
		return nil, err
	}
	var list []note.Verifier
	for _, line := range strings.Fields(text) {
		v, err := note.NewVerifier(line)
		if err != nil {
			list = nil
			break
		}
		list = append(list, v)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("reading %s: %w: not a public checkpoint key", path, ErrKeys)
	}
	return note.VerifierList(list...), nil
}

// The keys of the log that can be rotated.
const (
	RotateCheckpoint = "checkpoint"
	RotateDigest     = "digest"
)

// RotateKeys adds a new key to those in dir, in use from the next start on.
//
// A new checkpoint key stands after the one before it, which a server needs once
// more: it signs that the new one follows. Older private keys are dropped; every
// public key stays, for old checkpoints. A new digest key begins an epoch; the keys
// of all epochs stay, or what was recorded under them could not be searched for.
// Each file is replaced whole. A kill between two files leaves keys that load.
func RotateKeys(dir, which string) error {
	k, err := LoadKeys(dir)
	if err != nil {
		return err
	}
	switch which {
	case RotateCheckpoint:
		private, public, err := note.GenerateKey(rand.Reader, k.signer.Name())
		if err != nil {
			return fmt.Errorf("making a checkpoint key: %w", err)
		}
		// The public one first: a private key whose public one is missing does not load.
		if err := replace(filepath.Join(dir, CheckpointPublicFile), strings.Join(append(k.publics, public), "\n")+"\n", 0o644); err != nil {
			return err
		}
		return replace(filepath.Join(dir, CheckpointKeyFile), k.private+"\n"+private+"\n", 0o600)
	case RotateDigest:
		key := make([]byte, digestKeySize)
		_, _ = rand.Read(key)
		var text strings.Builder
		for _, e := range append(k.epochs, epoch{name: fmt.Sprintf("e%d", len(k.epochs)+1), key: key}) {
			fmt.Fprintf(&text, "epoch: %s\nkey: %s\n", e.name, hex.EncodeToString(e.key))
		}
		return replace(filepath.Join(dir, DigestKeyFile), text.String(), 0o600)
	}
	return fmt.Errorf("there is no key %q: it is %s or %s", which, RotateCheckpoint, RotateDigest)
}

// replace writes a file beside the old one and puts it in its place.
func replace(path, text string, mode os.FileMode) error {
	next := path + ".new"
	_ = os.Remove(next) // of an attempt that was killed
	if err := writeNew(next, text, mode); err != nil {
		return err
	}
	if err := os.Rename(next, path); err != nil {
		return fmt.Errorf("replacing a key file: %w", err)
	}
	return syncDir(filepath.Dir(path))
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
		return "", fmt.Errorf("reading %s: %w: mode %04o lets others at it: chmod %o", path, ErrKeys, info.Mode().Perm(), 0o644&^forbidden)
	case info.Size() > maxKeyFile:
		return "", fmt.Errorf("reading %s: %w: too large for a key", path, ErrKeys)
	}
	b, err := io.ReadAll(io.LimitReader(f, maxKeyFile))
	if err != nil {
		return "", fmt.Errorf("%w: %w", ErrKeys, err)
	}
	return string(b), nil
}

// parseDigestKeys reads pairs of lines "epoch: e1" and "key: <64 hex digits>", the
// key in use last. Its errors do not quote them.
func parseDigestKeys(text string) ([]epoch, error) {
	var list []epoch
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		name, value, _ := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		last := len(list) - 1
		switch {
		case name == "epoch" && (last < 0 || list[last].key != nil) && value != "" && len(value) <= 16 && !strings.ContainsAny(value, ": \t"):
			for _, e := range list {
				if e.name == value {
					return nil, fmt.Errorf("%w: an epoch is there twice", ErrKeys)
				}
			}
			list = append(list, epoch{name: value})
		case name == "key" && last >= 0 && list[last].key == nil:
			key, err := hex.DecodeString(value)
			if err != nil {
				return nil, fmt.Errorf("%w: the key is not in hex", ErrKeys)
			}
			if len(key) != digestKeySize {
				return nil, fmt.Errorf("%w: want a key of %d bytes", ErrKeys, digestKeySize)
			}
			list[last].key = key
		default:
			return nil, fmt.Errorf(`%w: want the lines "epoch: NAME" and "key: HEX", in turn`, ErrKeys)
		}
	}
	if len(list) == 0 || list[len(list)-1].key == nil {
		return nil, fmt.Errorf("%w: want an epoch and a key of %d bytes", ErrKeys, digestKeySize)
	}
	return list, nil
}

// keys puts them together. Of the private keys the last is in use and the one
// before it, if there is one, its predecessor.
func keys(private, public []string, epochs []epoch) (*Keys, error) {
	if len(private) == 0 || len(private) > 2 {
		return nil, fmt.Errorf("%w: not a private checkpoint key", ErrKeys)
	}
	var signers []note.Signer
	for _, line := range private {
		signer, err := note.NewSigner(line)
		if err != nil {
			return nil, fmt.Errorf("%w: not a private checkpoint key", ErrKeys)
		}
		signers = append(signers, signer)
	}
	for i, e := range epochs {
		epochs[i].macs = &sync.Pool{New: func() any { return &keyedHash{Hash: hmac.New(sha256.New, e.key)} }}
	}
	k := &Keys{signer: signers[len(signers)-1], private: private[len(private)-1], publics: public, epochs: epochs}
	if len(signers) == 2 {
		k.predecessor = signers[0]
	}
	sample := []byte("do these two belong together?\n")
	signature, err := k.signer.Sign(sample)
	if err != nil {
		return nil, fmt.Errorf("%w: not a private checkpoint key", ErrKeys)
	}
	for _, line := range public {
		v, err := note.NewVerifier(line)
		if err != nil {
			return nil, fmt.Errorf("%w: not a public checkpoint key", ErrKeys)
		}
		if k.signer.Name() == v.Name() && k.signer.KeyHash() == v.KeyHash() && v.Verify(sample, signature) {
			k.verifier, k.public = v, line
		}
	}
	if k.verifier == nil {
		return nil, fmt.Errorf("%w: %s is not the public key of %s", ErrKeys, CheckpointPublicFile, CheckpointKeyFile)
	}
	return k, nil
}

// Digest is the keyed digest of a value that a detector found, as
// "e1:" and 32 hex digits; e1 names the key. Equal values of one detector have
// equal digests, and without the key a digest tells nothing of its value.
func (k *Keys) Digest(detector, value string) string {
	return k.epochs[len(k.epochs)-1].sum(detector, "\x00", value)
}

// Digests are what Digest is, and was in every epoch before, the newest first: to
// look for a value that is known.
func (k *Keys) Digests(detector, value string) []string {
	var list []string
	for _, e := range slices.Backward(k.epochs) {
		list = append(list, e.sum(detector, "\x00", value))
	}
	return list
}

// Epoch names the digest key in use.
func (k *Keys) Epoch() string { return k.epochs[len(k.epochs)-1].name }

// Fingerprint is the keyed digest of a text made of parts. Where one part ends
// counts: ("ab", "c") and ("a", "bc") differ. It stays the same over all epochs:
// a new one must not make an edit of every text.
func (k *Keys) Fingerprint(parts ...string) string {
	input := append(make([]string, 0, 1+2*len(parts)), "fingerprint\x00")
	for _, p := range parts {
		input = append(input, string(binary.BigEndian.AppendUint64(nil, uint64(len(p)))), p)
	}
	return k.epochs[0].sum(input...)
}

// CaseID names the case of a message: 16 hex digits that tell nothing of it, the
// same over all epochs.
func (k *Keys) CaseID(messageKey string) string {
	return hex.EncodeToString(k.epochs[0].mac("case", messageKey)[:8])
}

func (e epoch) sum(parts ...string) string {
	return e.name + ":" + hex.EncodeToString(e.mac(parts...)[:digestSize])
}

func (e epoch) mac(parts ...string) []byte {
	h := e.macs.Get().(*keyedHash)
	defer e.macs.Put(h)
	h.Reset()
	for _, p := range parts {
		h.writeString(p)
	}
	return h.Sum(nil)
}

// Signer signs checkpoints.
func (k *Keys) Signer() note.Signer { return k.signer }

// Predecessor is the checkpoint key before the one in use, while it is needed to
// sign that the new one follows; nil if there is none.
func (k *Keys) Predecessor() note.Signer { return k.predecessor }

// Verifier verifies checkpoints.
func (k *Keys) Verifier() note.Verifier { return k.verifier }

// PublicKey is the public checkpoint key as text, to be handed out.
func (k *Keys) PublicKey() string { return k.public }

// Format implements fmt.Formatter.
func (Keys) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[keys]") }

// MarshalText keeps keys out of anything that is encoded.
func (Keys) MarshalText() ([]byte, error) { return []byte("[keys]"), nil }
