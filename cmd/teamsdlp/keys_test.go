package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/actions"
	"teamsdlp/webhook"
)

// command runs the program and returns its exit code and what it printed.
func command(t *testing.T, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	return commandEnv(t, nil, args...)
}

func commandEnv(t *testing.T, vars map[string]string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	var out, errs bytes.Buffer
	e := &env{ctx: t.Context(), getenv: func(name string) string { return vars[name] }, stdin: strings.NewReader(""), stdout: &out, stderr: &errs}
	code = run(e, args)
	return code, out.String(), errs.String()
}

func TestKeysNew(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "keys")
	code, stdout, stderr := command(t, "keys", "new", "--keys-dir", dir, "--bits", "2048", "--id", "first.key_1-a", "--origin", "dlp.example.com/log")
	if code != 0 || stderr != "" {
		t.Fatalf("exit %d, stderr %q", code, stderr)
	}
	want := map[string]fs.FileMode{
		"encryption-first.key_1-a.key.pem": 0o600, "encryption-first.key_1-a.cert.pem": 0o600,
		"checkpoint.key": 0o600, "checkpoint.pub": 0o644, "digest.key": 0o600,
	}
	checkFiles(t, dir, want)
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the folder: %v, %v", info.Mode(), err)
	}
	for name := range want {
		if !strings.Contains(stdout, filepath.Join(dir, name)) {
			t.Errorf("%s is not in what it printed:\n%s", name, stdout)
		}
	}
	if !strings.Contains(stdout, "Next:") {
		t.Errorf("it does not say what to do next:\n%s", stdout)
	}

	ring, err := webhook.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	cert := ring.Current()
	parsed, err := webhook.ParseCertificate(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.DER}))
	if err != nil {
		t.Fatal(err)
	}
	years := time.Until(parsed.NotAfter).Hours() / 24 / 365
	if cert.ID != "first.key_1-a" || parsed.Subject.CommonName != "teamsdlp" || years < 4.9 || years > 5.1 || !parsed.NotBefore.Before(time.Now()) {
		t.Errorf("certificate %s: %v, %v to %v", cert.ID, parsed.Subject, parsed.NotBefore, parsed.NotAfter)
	}
	if err := parsed.CheckSignature(parsed.SignatureAlgorithm, parsed.RawTBSCertificate, parsed.Signature); err != nil {
		t.Errorf("certificate not signed by its own key: %v", err)
	}

	keys, err := actions.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if name := keys.Verifier().Name(); name != "dlp.example.com/log" {
		t.Errorf("the checkpoint key is named %s", name)
	}
	checkNothingSecret(t, dir, stdout+stderr)
}

// checkNothingSecret fails if a line of a secret file was printed.
func checkNothingSecret(t *testing.T, dir, printed string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "*.key*"))
	if err != nil || len(files) < 3 {
		t.Fatalf("secret files: %v, %v", files, err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range strings.Fields(string(data)) {
			if len(word) > 20 && strings.Contains(printed, word) {
				t.Errorf("a line of %s was printed", filepath.Base(file))
			}
		}
	}
}

func checkFiles(t *testing.T, dir string, want map[string]fs.FileMode) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]fs.FileMode{}
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		got[e.Name()] = info.Mode()
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func contents(t *testing.T, dir string) map[string]string {
	t.Helper()
	all := map[string]string{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		data, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			t.Fatal(err)
		}
		all[e.Name()] = string(data)
	}
	return all
}

func TestKeysNewKeepsWhatIsThere(t *testing.T) {
	dir := t.TempDir()
	if code, _, stderr := command(t, "keys", "new", "--keys-dir", dir, "--bits", "2048", "--id", "a"); code != 0 {
		t.Fatal(stderr)
	}
	before := contents(t, dir)

	code, _, stderr := command(t, "keys", "new", "--keys-dir", dir, "--bits", "2048", "--id", "a")
	if code != 2 || !strings.Contains(stderr, "of that id is there already") {
		t.Errorf("the same id: exit %d, %q", code, stderr)
	}
	if diff := cmp.Diff(before, contents(t, dir)); diff != "" {
		t.Errorf("the same id changed files")
	}

	code, stdout, stderr := command(t, "keys", "new", "--keys-dir", dir, "--bits", "2048", "--id", "b")
	if code != 0 {
		t.Fatalf("another id: exit %d, %q", code, stderr)
	}
	for _, name := range []string{actions.CheckpointKeyFile, actions.CheckpointPublicFile, actions.DigestKeyFile} {
		if !strings.Contains(stdout, "kept  "+filepath.Join(dir, name)) {
			t.Errorf("it does not say that %s was kept:\n%s", name, stdout)
		}
	}
	after := contents(t, dir)
	for name, text := range before {
		if after[name] != text {
			t.Errorf("%s was changed", name)
		}
	}
	if ring, err := webhook.LoadKeyring(dir); err != nil || len(ring.Keys()) != 2 {
		t.Errorf("keyring: %v", err)
	}

	// Half a pair of the same id counts as there.
	if err := os.Remove(filepath.Join(dir, "encryption-b.key.pem")); err != nil {
		t.Fatal(err)
	}
	if code, _, _ := command(t, "keys", "new", "--keys-dir", dir, "--bits", "2048", "--id", "b"); code != 2 {
		t.Errorf("a certificate of the same id: exit %d", code)
	}
	for _, name := range []string{actions.CheckpointKeyFile, actions.CheckpointPublicFile, actions.DigestKeyFile} {
		path := filepath.Join(dir, name)
		if err := os.Rename(path, path+".away"); err != nil {
			t.Fatal(err)
		}
		code, _, stderr = command(t, "keys", "new", "--keys-dir", dir, "--bits", "2048", "--id", "c")
		if code != 2 || !strings.Contains(stderr, name+" is missing beside the other keys") {
			t.Errorf("without %s: exit %d, %q", name, code, stderr)
		}
		if err := os.Rename(path+".away", path); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "encryption-c.key.pem")); err == nil {
		t.Error("an encryption key was made beside a fault")
	}
}

func TestKeysNewRefuses(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, want string
		args       []string
	}{
		{"1024 bits", "must be one of", []string{"--keys-dir", dir + "/k", "--bits", "1024"}},
		{"id with a slash", "the id must be", []string{"--keys-dir", dir + "/k", "--id", "../x"}},
		{"id with a space", "the id must be", []string{"--keys-dir", dir + "/k", "--id", "a b"}},
		{"id too long", "the id must be", []string{"--keys-dir", dir + "/k", "--id", strings.Repeat("a", 129)}},
		{"origin with a space", "the origin must", []string{"--keys-dir", dir + "/k", "--origin", "a b"}},
		{"origin with a plus", "the origin must", []string{"--keys-dir", dir + "/k", "--origin", "a+b"}},
		{"inside data", "is inside the data directory", []string{"--keys-dir", dir + "/data/keys", "--data-dir", dir + "/data"}},
		{"is data", "is inside the data directory", []string{"--keys-dir", dir + "/data", "--data-dir", dir + "/data/../data"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			code, stdout, stderr := command(t, append([]string{"keys", "new"}, c.args...)...)
			if code != 2 || !strings.Contains(stderr, c.want) {
				t.Errorf("exit %d, %q, want 2 and %q", code, stderr, c.want)
			}
			if strings.Contains(stdout, "wrote") {
				t.Errorf("printed %q", stdout)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("it left %v, %v", left, err)
			}
		})
	}
}

func TestKeysNewWarnsOfAnOpenFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	code, _, stderr := command(t, "keys", "new", "--keys-dir", dir, "--bits", "2048")
	if code != 0 || !strings.Contains(stderr, "chmod 700") {
		t.Errorf("exit %d, %q", code, stderr)
	}
	if files, err := filepath.Glob(filepath.Join(dir, "encryption-enc-*.key.pem")); err != nil || len(files) != 1 ||
		!regexp.MustCompile(`enc-\d{8}-\d{6}\.key\.pem$`).MatchString(files[0]) {
		t.Errorf("default id: %v, %v", files, err)
	}
}

func ExamplekeysNewCmd() {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	made, err := writeKeys(context.Background(), keyOptions{Dir: dir, ID: "enc-1", Bits: 2048, Now: time.Now()})
	if err != nil {
		panic(err)
	}
	for _, f := range made {
		fmt.Println(filepath.Base(f.Path))
	}
	// Output:
	// checkpoint.key
	// checkpoint.pub
	// digest.key
	// encryption-enc-1.key.pem
	// encryption-enc-1.cert.pem
}

// Two keys of the same second have names of their own, and the later one is in use.
func TestKeysNewInOneSecond(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	for range 3 {
		if _, err := writeKeys(t.Context(), keyOptions{Dir: dir, Bits: 2048, Now: now}); err != nil {
			t.Fatal(err)
		}
	}
	ring, err := webhook.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	if id := ring.Current().ID; id != "enc-20261125-080000-3" {
		t.Errorf("%s is in use; want the third", id)
	}
}

// Whoever makes or rotates keys while others do waits until they have.
func TestKeysAtOnce(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys")
	now := time.Date(2026, 11, 25, 8, 0, 0, 0, time.UTC)
	create := func() error {
		_, err := writeKeys(t.Context(), keyOptions{Dir: dir, Bits: 2048, Now: now})
		return err
	}
	rotate := func(which string) func() error {
		return func() error {
			return (&keysRotateCmd{Key: which, KeysDir: dir}).Run(&env{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard})
		}
	}
	for n, doing := range [][]func() error{
		{create, create, create},
		{rotate("checkpoint"), rotate("digest"), create, rotate("checkpoint"), rotate("digest"), rotate("checkpoint"), rotate("digest")},
	} {
		var all sync.WaitGroup
		for _, do := range doing {
			all.Go(func() {
				if err := do(); err != nil {
					t.Errorf("round %d: %v", n, err)
				}
			})
		}
		all.Wait()
	}
	ring, err := webhook.LoadKeyring(dir)
	if err != nil {
		t.Fatal(err)
	}
	if ids := ring.Keys(); len(ids) != 4 {
		t.Errorf("pairs %q, want 4", ids)
	}
	keys, err := actions.LoadKeys(dir)
	if err != nil {
		t.Fatal(err)
	}
	if e := keys.Epoch(); e != "e4" {
		t.Errorf("epoch %s is in use, want the fourth", e)
	}
	known, err := actions.LoadVerifiers(filepath.Join(dir, actions.CheckpointPublicFile))
	if err != nil {
		t.Fatal(err)
	}
	before := keys.Predecessor()
	if before == nil {
		t.Fatal("no key before the one in use is kept")
	}
	if _, err := known.Verifier(before.Name(), before.KeyHash()); err != nil {
		t.Errorf("the key before the one in use: %v", err)
	}
	if public, err := os.ReadFile(filepath.Join(dir, actions.CheckpointPublicFile)); err != nil || len(strings.Fields(string(public))) != 4 {
		t.Errorf("public keys %q, %v; want 4", public, err)
	}
	if files, err := os.ReadDir(dir); err != nil || len(files) != 3+2*4 {
		t.Errorf("files %v, %v", files, err)
	}
}

// Whoever cannot wait is told why.
func TestKeysBusy(t *testing.T) {
	dir := t.TempDir()
	unlock, err := lockKeys(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := writeKeys(ctx, keyOptions{Dir: dir, Bits: 2048, Now: time.Now()}); !errors.Is(err, errKeysBusy) || !strings.Contains(err.Error(), "another process is changing the keys in "+dir) {
		t.Errorf("keys new: %v", err)
	}
	if err := finishKeysIn(ctx, dir); err != nil {
		t.Errorf("nothing is to be finished: %v", err)
	}
	if err := os.Mkdir(filepath.Join(dir, madeDir), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := finishKeysIn(ctx, dir); !errors.Is(err, errKeysBusy) {
		t.Errorf("finishing keys: %v", err)
	}
	unlock()
	if err := finishKeysIn(ctx, dir); err != nil {
		t.Errorf("finishing keys afterwards: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left are %v, %v", left, err)
	}
}
