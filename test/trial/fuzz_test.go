package trial

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
)

// What is tried follows from the input, holds forms of many kinds, and leaves the
// input as it was.
func TestChange(t *testing.T) {
	text, bytes := `{"value":[1,2]}`, []byte("<p>four</p>")
	seed := []reflect.Value{reflect.ValueOf(text), reflect.ValueOf(bytes), reflect.ValueOf(uint16(7)), reflect.ValueOf(true), reflect.ValueOf(1.5), reflect.ValueOf(int8(3))}
	runs := [2][]string{}
	for i := range runs {
		rng := rand.New(rand.NewPCG(1, 2))
		for range 500 {
			runs[i] = append(runs[i], corpusFile(change(rng, seed)))
		}
	}
	if !reflect.DeepEqual(runs[0], runs[1]) {
		t.Error("two runs differ")
	}
	if text != `{"value":[1,2]}` || string(bytes) != "<p>four</p>" {
		t.Errorf("the input was changed: %q %q", text, bytes)
	}
	distinct := map[string]bool{}
	for _, s := range runs[0] {
		distinct[s] = true
	}
	if len(distinct) < 300 {
		t.Errorf("%d forms of 500 differ", len(distinct))
	}
	if want := "go test fuzz v1\nstring(\"{\\\"value\\\":[1,2]}\")\n[]byte(\"<p>four</p>\")\nuint16(7)\nbool(true)\nfloat64(1.5)\nint8(3)\n"; corpusFile(seed) != want {
		t.Errorf("printed as %s", corpusFile(seed))
	}
}

// The input itself is tried, and each form of it.
func TestTryForms(t *testing.T) {
	calls, bare := 0, 0
	target := func(_ *testing.T, s string, n uint8) {
		calls++
		if !strings.HasPrefix(s, "[") && n != 1 {
			bare++
		}
	}
	tryForms(300, reflect.ValueOf(target), []reflect.Value{reflect.ValueOf(t), reflect.ValueOf("[1]"), reflect.ValueOf(uint8(1))})
	if calls != 301 || bare == 0 {
		t.Errorf("%d calls, %d with both changed", calls, bare)
	}
}

// Every fuzz target of the repository tries changed forms, and has inputs of its own
// kept beside it.
func TestEveryTargetTriesForms(t *testing.T) {
	target := regexp.MustCompile(`(?ms)^func (Fuzz\w+)\(f \*testing\.F\) \{\n.*?^\}`)
	found := 0
	err := filepath.WalkDir("../..", func(path string, _ fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for _, m := range target.FindAllSubmatch(text, -1) {
			found++
			if !bytes.Contains(m[0], []byte("trial.Fuzz(f, ")) {
				t.Errorf("%s: %s tries nothing but its inputs: it calls no trial.Fuzz", path, m[1])
			}
			if kept, err := os.ReadDir(filepath.Join(filepath.Dir(path), "testdata", "fuzz", string(m[1]))); err != nil || len(kept) == 0 {
				t.Errorf("%s: %s keeps no inputs (%v)", path, m[1], err)
			}
		}
		return nil
	})
	if err != nil || found == 0 {
		t.Fatalf("%d fuzz targets found, %v", found, err)
	}
}
