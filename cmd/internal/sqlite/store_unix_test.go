//go:build unix

package sqlite

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"teamsdlp/webhook"
)

// A permissive umask must not open the files to others.
func TestModes(t *testing.T) {
	old := syscall.Umask(0)
	defer syscall.Umask(old)
	dir := filepath.Join(t.TempDir(), "deep", "data")
	s := openTest(t, testOptions(dir))
	must(t, s.Put(t.Context(), []webhook.Item{testItem("a")}))
	for name, want := range map[string]os.FileMode{
		"": 0o700, FileName: 0o600, FileName + "-wal": 0o600, FileName + "-shm": 0o600, LockName: 0o600,
	} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("%q has mode %#o, want %#o", name, got, want)
		}
	}
	must(t, s.Close())
	must(t, os.Chmod(dbPath(dir), 0o666))
	must(t, os.Chmod(dir, 0o755))
	openTest(t, s.opts)
	for name, want := range map[string]os.FileMode{"": 0o700, FileName: 0o600} {
		info, err := os.Stat(filepath.Join(dir, name))
		must(t, err)
		if got := info.Mode().Perm(); got != want {
			t.Errorf("opened again, %q has mode %#o, want %#o", name, got, want)
		}
	}
}

func TestDirOfOthers(t *testing.T) {
	dir := t.TempDir()
	must(t, os.Chmod(dir, 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "notes.txt"), nil, 0o644))
	_, err := Open(t.Context(), testOptions(dir))
	if err == nil || !strings.Contains(err.Error(), "chmod 700 "+dir) {
		t.Errorf("got error %v, want the mend", err)
	}
	info, err := os.Stat(dir)
	must(t, err)
	if info.Mode().Perm() != 0o755 {
		t.Errorf("the mode was changed to %#o", info.Mode().Perm())
	}
}
