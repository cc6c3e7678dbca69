package rulefile

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"
)

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func namesIn(list []Source) (names []string) {
	for _, s := range list {
		names = append(names, s.Name)
	}
	return names
}

func TestReadDirPicks(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"b.yaml", "a.yml", "README.md", ".hidden.yaml", "c.yaml~", "d.YAML", "yaml", ".yaml"} {
		write(t, dir, name, "rules: []\n")
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "sub"), "e.yaml", "rules: []\n")
	got, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"a.yml", "b.yaml"}, namesIn(got)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// configMap lays a directory out as the kubelet does: files are links through
// ..data, which is swapped as one.
func configMap(t *testing.T, dir, version, text string) {
	t.Helper()
	if err := os.Mkdir(filepath.Join(dir, version), 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, version), "r.yaml", text)
	next := filepath.Join(dir, "..next")
	if err := os.Symlink(version, next); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(next, filepath.Join(dir, "..data")); err != nil {
		t.Fatal(err)
	}
	link := filepath.Join(dir, "r.yaml")
	if _, err := os.Lstat(link); err != nil {
		if err := os.Symlink(filepath.Join("..data", "r.yaml"), link); err != nil {
			t.Fatal(err)
		}
	}
}

func TestReadDirConfigMap(t *testing.T) {
	dir := t.TempDir()
	configMap(t, dir, "..2026_11_24_1", "one")
	configMap(t, dir, "..2026_11_24_2", "two")
	got, err := ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]Source{{"r.yaml", []byte("two")}}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestReadDirRefuses(t *testing.T) {
	tests := []struct {
		name string
		fill func(dir string)
		want string
	}{
		{"a directory named as a file", func(dir string) { _ = os.Mkdir(filepath.Join(dir, "a.yaml"), 0o700) }, "is not a regular file"},
		{"a pipe", func(dir string) { _ = syscall.Mkfifo(filepath.Join(dir, "a.yaml"), 0o600) }, "is not a regular file"},
		{"a device", func(dir string) { _ = os.Symlink("/dev/zero", filepath.Join(dir, "a.yaml")) }, "is not a regular file"},
		{"a dangling link", func(dir string) { _ = os.Symlink("nowhere", filepath.Join(dir, "a.yaml")) }, "no such file"},
		{"a link to itself", func(dir string) { _ = os.Symlink("a.yaml", filepath.Join(dir, "a.yaml")) }, "too many levels"},
		{"a large file", func(dir string) { write(t, dir, "a.yaml", strings.Repeat("#", MaxFile+1)) }, "is larger than 1048576 bytes"},
	}
	for _, tt := range tests {
		dir := t.TempDir()
		tt.fill(dir)
		_, err := ReadDir(dir)
		lines := faultLines(t, err)
		if len(lines) != 1 || !strings.HasPrefix(lines[0], filepath.Join(dir, "a.yaml")+": ") || !strings.Contains(lines[0], tt.want) {
			t.Errorf("%s: %q, want %q", tt.name, lines, tt.want)
		}
	}
	if _, err := ReadDir(filepath.Join(t.TempDir(), "none")); err == nil || !strings.Contains(err.Error(), "reading rules in ") {
		t.Errorf("no directory: %v", err)
	}
}

func TestReadFSLimits(t *testing.T) {
	many := fstest.MapFS{}
	for i := range MaxFiles + 1 {
		many[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{}
	}
	big := fstest.MapFS{}
	for i := range MaxTotal/MaxFile + 1 {
		big[fmt.Sprintf("%d.yaml", i)] = &fstest.MapFile{Data: bytes.Repeat([]byte("#"), MaxFile)}
	}
	for want, fsys := range map[string]fs.FS{"1001 rule files; at most 1000": many, "17825792 bytes; at most 16777216": big} {
		_, err := readFS(fsys)
		if lines := faultLines(t, err); len(lines) != 1 || !strings.Contains(lines[0], want) {
			t.Errorf("%q, want %q", lines, want)
		}
	}
	fits := fstest.MapFS{"a.yaml": &fstest.MapFile{Data: bytes.Repeat([]byte("#"), MaxFile)}}
	if _, err := readFS(fits); err != nil {
		t.Errorf("a file of exactly %d bytes: %v", MaxFile, err)
	}
}

// TestGenerationOf: whatever tells two directories apart tells their names apart.
func TestGenerationOf(t *testing.T) {
	base := []Source{{"a.yaml", []byte("x")}, {"b.yaml", []byte("y")}}
	seen := map[string]string{}
	for name, files := range map[string][]Source{
		"base":         base,
		"content":      {{"a.yaml", []byte("x ")}, {"b.yaml", []byte("y")}},
		"name":         {{"c.yaml", []byte("x")}, {"b.yaml", []byte("y")}},
		"one less":     base[:1],
		"moved border": {{"a.yaml", []byte("xb.yaml")}, {"", []byte("y")}},
		"swapped":      {{"a.yaml", []byte("y")}, {"b.yaml", []byte("x")}},
		"none":         nil,
		"an empty one": {{"a.yaml", nil}},
	} {
		g := generationOf(files)
		if len(g) != 12 {
			t.Errorf("%s: %q", name, g)
		}
		if other, ok := seen[g]; ok {
			t.Errorf("%s and %s have the same name %s", name, other, g)
		}
		seen[g] = name
	}
	if generationOf(base) != generationOf([]Source{{"a.yaml", []byte("x")}, {"b.yaml", []byte("y")}}) {
		t.Error("equal directories have different names")
	}
}

// TestUnreadFiles: what looks like a rule file and is not read is a finding, and
// what a rule file may name is none.
func TestUnreadFiles(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"r.yaml": "rules: []\n", "b.yml": "", "C.YAML": quiet, "notes.txt": "x", ".hidden.yaml": "x", "lists/birds.txt": "heron\n",
		"team/r.yaml": quiet, "team/deep/R.yml": quiet, "..data/r.yaml": quiet,
	} {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	g, err := Open(dir, Options{SkipTests: true})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, f := range g.Findings {
		if f.Code == "unread-file" {
			name, err := filepath.Rel(dir, f.File)
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, filepath.ToSlash(name))
		}
	}
	if want := []string{"C.YAML", "team/deep/R.yml", "team/r.yaml"}; !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
