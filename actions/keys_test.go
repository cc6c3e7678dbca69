package actions

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"
)

func TestKeysOnDisk(t *testing.T) {
	dir := t.TempDir()
	if err := CreateKeys(dir, "teamsdlp/test"); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{CheckpointKeyFile: 0o600, CheckpointPublicFile: 0o644, DigestKeyFile: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
	k, err := LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	again, err := LoadKeys(dir)
	if err != nil || again.Digest("d", "v") != k.Digest("d", "v") || again.PublicKey() != k.PublicKey() {
		t.Errorf("read twice, it differs: %v", err)
	}
	if v, err := LoadVerifiers(filepath.Join(dir, CheckpointPublicFile)); err != nil || !knows(v, k) {
		t.Errorf("verifier %v, %v", v, err)
	}
	if err := CreateKeys(dir, "teamsdlp/test"); !errors.Is(err, fs.ErrExist) {
		t.Errorf("keys were overwritten: %v", err)
	}
}

func TestLoadKeysRefuses(t *testing.T) {
	hex64 := strings.Repeat("0f", 32)
	other := t.TempDir()
	if err := CreateKeys(other, "teamsdlp/test"); err != nil {
		t.Fatal(err)
	}
	write := func(name, text string) func(string) error {
		return func(dir string) error { return os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600) }
	}
	mode := func(name string, m os.FileMode) func(string) error {
		return func(dir string) error { return os.Chmod(filepath.Join(dir, name), m) }
	}
	for _, tt := range []struct {
		name  string
		spoil func(dir string) error
	}{
		{"no private key", func(dir string) error { return os.Remove(filepath.Join(dir, CheckpointKeyFile)) }},
		{"no public key", func(dir string) error { return os.Remove(filepath.Join(dir, CheckpointPublicFile)) }},
		{"no digest key", func(dir string) error { return os.Remove(filepath.Join(dir, DigestKeyFile)) }},
		{"private key readable by the group", mode(CheckpointKeyFile, 0o640)},
		{"private key readable by all", mode(CheckpointKeyFile, 0o604)},
		{"digest key readable by all", mode(DigestKeyFile, 0o644)},
		{"public key writable by all", mode(CheckpointPublicFile, 0o666)},
		{"private key is a directory", func(dir string) error {
			path := filepath.Join(dir, CheckpointKeyFile)
			return errors.Join(os.Remove(path), os.Mkdir(path, 0o700))
		}},
		{"private key is something else", write(CheckpointKeyFile, "PRIVATE+KEY+secret-canary")},
		{"public key is something else", write(CheckpointPublicFile, "secret-canary")},
		{"public key of another pair", func(dir string) error {
			b, err := os.ReadFile(filepath.Join(other, CheckpointPublicFile))
			return errors.Join(err, write(CheckpointPublicFile, string(b))(dir))
		}},
		{"empty digest key", write(DigestKeyFile, "")},
		{"no epoch", write(DigestKeyFile, "key: "+hex64)},
		{"no key", write(DigestKeyFile, "epoch: e1\n")},
		{"short key", write(DigestKeyFile, "epoch: e1\nkey: 0f0f\n")},
		{"long key", write(DigestKeyFile, "epoch: e1\nkey: "+hex64+"00\n")},
		{"key not in hex", write(DigestKeyFile, "epoch: e1\nkey: secret-canary\n")},
		{"two keys", write(DigestKeyFile, "epoch: e1\nkey: "+hex64+"\nkey: "+hex64+"\n")},
		{"two epochs", write(DigestKeyFile, "epoch: e1\nepoch: e2\nkey: "+hex64+"\n")},
		{"epoch with a colon", write(DigestKeyFile, "epoch: e1:2\nkey: "+hex64+"\n")},
		{"another line", write(DigestKeyFile, "epoch: e1\nkey: "+hex64+"\nsecret-canary\n")},
		{"a huge file", write(DigestKeyFile, strings.Repeat("\n", maxKeyFile+1)+"epoch: e1\nkey: "+hex64)},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := errors.Join(CreateKeys(dir, "teamsdlp/test"), tt.spoil(dir)); err != nil {
				t.Fatal(err)
			}
			k, err := LoadKeys(dir)
			if k != nil || !errors.Is(err, ErrKeys) {
				t.Fatalf("LoadKeys = %v, %v", k, err)
			}
			if s := fmt.Sprintf("%v %+v", err, err); strings.Contains(s, "canary") || strings.Contains(s, hex64) {
				t.Errorf("the error quotes the file: %s", s)
			}
		})
	}
}

func TestLoadVerifierRefusesAPrivateKey(t *testing.T) {
	dir := t.TempDir()
	if err := CreateKeys(dir, "teamsdlp/test"); err != nil {
		t.Fatal(err)
	}
	if _, err := LoadVerifiers(filepath.Join(dir, CheckpointKeyFile)); !errors.Is(err, ErrKeys) {
		t.Errorf("LoadVerifiers = %v", err)
	}
}

func TestDigests(t *testing.T) {
	k, other := testKeys(t), testKeys(t)
	form := regexp.MustCompile(`^e1:[0-9a-f]{32}$`)
	differ := func(name string, a, b string) {
		t.Helper()
		if a == b {
			t.Errorf("%s: both are %s", name, a)
		}
	}
	if d := k.Digest("credit-card", "4111"); !form.MatchString(d) || d != k.Digest("credit-card", "4111") {
		t.Errorf("digest %q", d)
	}
	if f := k.Fingerprint("a", "b"); !form.MatchString(f) || f != k.Fingerprint("a", "b") {
		t.Errorf("fingerprint %q", f)
	}
	if c := k.CaseID("key"); !regexp.MustCompile(`^[0-9a-f]{16}$`).MatchString(c) || c != k.CaseID("key") {
		t.Errorf("case id %q", c)
	}
	differ("another value", k.Digest("d", "1"), k.Digest("d", "2"))
	differ("another detector", k.Digest("d", "1"), k.Digest("e", "1"))
	differ("the border moved", k.Digest("d", "1"), k.Digest("d1", ""))
	differ("another key", k.Digest("d", "1"), other.Digest("d", "1"))
	differ("parts joined", k.Fingerprint("ab", "c"), k.Fingerprint("a", "bc"))
	differ("an empty part", k.Fingerprint("a"), k.Fingerprint("a", ""))
	differ("no part", k.Fingerprint(), k.Fingerprint(""))
	differ("a digest", k.Fingerprint("v"), k.Digest("fingerprint", "v"))
	differ("another message", k.CaseID("a"), k.CaseID("b"))
	differ("another key", k.CaseID("a"), other.CaseID("a"))
}

func TestTargetKey(t *testing.T) {
	for _, tt := range []struct {
		t    Target
		want string
	}{
		{Target{Tenant: "t", ChatID: "19:c@thread.v2", MessageID: "1"}, "t/chats/19:c@thread.v2/messages/1"},
		{Target{Tenant: "t", TeamID: "g", ChannelID: "19:x", MessageID: "1"}, "t/teams/g/channels/19:x/messages/1"},
		{Target{Tenant: "t", TeamID: "g", ChannelID: "19:x", MessageID: "2", ReplyTo: "1"}, "t/teams/g/channels/19:x/messages/1/replies/2"},
	} {
		if got := tt.t.Key(); got != tt.want {
			t.Errorf("Key(%+v) = %q, want %q", tt.t, got, tt.want)
		}
	}
}

func knows(v note.Verifiers, k *Keys) bool {
	_, err := v.Verifier(k.Verifier().Name(), k.Verifier().KeyHash())
	return err == nil
}

// New keys are in use, old ones where they are still needed, and what must not
// change with them does not.
func TestRotateKeys(t *testing.T) {
	dir := t.TempDir()
	load := func() *Keys {
		t.Helper()
		k, err := LoadKeys(dir)
		if err != nil {
			t.Fatal(err)
		}
		return k
	}
	rotate := func(which string) {
		t.Helper()
		if err := RotateKeys(dir, which); err != nil {
			t.Fatal(err)
		}
	}
	if err := CreateKeys(dir, "log.example"); err != nil {
		t.Fatal(err)
	}
	first := load()
	rotate(RotateCheckpoint)
	second := load()
	if first.Predecessor() != nil || second.Predecessor() == nil || second.Predecessor().KeyHash() != first.Signer().KeyHash() {
		t.Error("the key before is not at hand")
	}
	rotate(RotateCheckpoint)
	third := load()
	if third.Predecessor().KeyHash() != second.Signer().KeyHash() || third.PublicKey() == second.PublicKey() {
		t.Error("the second rotation did not move on")
	}
	private, err := os.ReadFile(filepath.Join(dir, CheckpointKeyFile))
	if err != nil || len(strings.Fields(string(private))) != 2 {
		t.Errorf("%d private keys; want 2 (%v)", len(strings.Fields(string(private))), err)
	}
	verifiers, err := LoadVerifiers(filepath.Join(dir, CheckpointPublicFile))
	if err != nil {
		t.Fatal(err)
	}
	for _, k := range []*Keys{first, second, third} {
		if !knows(verifiers, k) {
			t.Errorf("%s is not verified any more", k.PublicKey())
		}
	}

	rotate(RotateDigest)
	fourth := load()
	if fourth.Epoch() != "e2" || fourth.Digest("d", "v") == first.Digest("d", "v") {
		t.Errorf("epoch %s: the digest did not change", fourth.Epoch())
	}
	if want := []string{fourth.Digest("d", "v"), first.Digest("d", "v")}; !slices.Equal(fourth.Digests("d", "v"), want) {
		t.Errorf("Digests = %q; want %q", fourth.Digests("d", "v"), want)
	}
	if fourth.Fingerprint("text") != first.Fingerprint("text") || fourth.CaseID("m") != first.CaseID("m") {
		t.Error("a new epoch would make an edit, or another case, of every message")
	}
	if err := RotateKeys(dir, "encryption"); err == nil {
		t.Error("a key that there is not was rotated")
	}
	for _, name := range []string{CheckpointKeyFile, DigestKeyFile} {
		if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v, %v", name, info.Mode(), err)
		}
	}
}

// A kill between the two files of a rotation leaves keys that load, with the key
// that was in use.
func TestHalfRotated(t *testing.T) {
	dir, other := t.TempDir(), t.TempDir()
	if err := errors.Join(CreateKeys(dir, "log.example"), CreateKeys(other, "log.example")); err != nil {
		t.Fatal(err)
	}
	before, err := LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	stranger, err := os.ReadFile(filepath.Join(other, CheckpointPublicFile))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, CheckpointPublicFile)
	if err := os.WriteFile(path, []byte(before.PublicKey()+"\n"+string(stranger)), 0o644); err != nil {
		t.Fatal(err)
	}
	if k, err := LoadKeys(dir); err != nil || k.PublicKey() != before.PublicKey() {
		t.Errorf("LoadKeys = %v, %v", k, err)
	}
	// The other way round it must not load: nobody could verify what it signs.
	if err := os.WriteFile(path, stranger, 0o644); err != nil {
		t.Fatal(err)
	}
	if k, err := LoadKeys(dir); !errors.Is(err, ErrKeys) {
		t.Errorf("LoadKeys = %v, %v; want %v", k, err, ErrKeys)
	}
}
