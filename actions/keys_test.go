package actions

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
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
	if v, err := LoadVerifier(filepath.Join(dir, CheckpointPublicFile)); err != nil || v.Name() != "teamsdlp/test" || v.KeyHash() != k.Verifier().KeyHash() {
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
	if _, err := LoadVerifier(filepath.Join(dir, CheckpointKeyFile)); !errors.Is(err, ErrKeys) {
		t.Errorf("LoadVerifier = %v", err)
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
