package rulefile

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// The limits of a rule directory. They are far beyond what people write, and keep
// a wrong mount or a hostile file from taking the service down.
const (
	MaxFile     = 1 << 20 // bytes of one file
	MaxFiles    = 1000
	MaxTotal    = 16 << 20 // bytes of all files
	MaxRules    = 2000
	MaxPattern  = 1024 // bytes of one regular expression; as in Microsoft Purview
	MaxPatterns = 20   // of one detector
	MaxWords    = 10_000
	MaxWord     = 128 // characters of one keyword
	MaxTip      = 256 // characters of a tip; as in Microsoft Purview
	MaxDepth    = 32  // conditions inside conditions
	maxTitle    = 128 // characters
	maxID       = 64
)

// Source is one rule file: its name in the directory and its content.
type Source struct {
	Name string
	Data []byte
}

// ReadDir reads the rule files of a directory, sorted by name: every *.yaml and
// *.yml that does not begin with a dot. Symbolic links are followed, because that
// is how Kubernetes mounts a ConfigMap. Sub-directories are not entered. Its error
// is [Faults] if the directory holds what no rule directory may.
func ReadDir(dir string) ([]Source, error) {
	list, err := ReadFS(os.DirFS(dir))
	if faults, ok := AsFaults(err); ok {
		for _, f := range faults {
			f.File = filepath.Join(dir, f.File)
		}
		return nil, faults
	}
	if err != nil {
		var p *fs.PathError // its path is "." seen from inside
		if errors.As(err, &p) {
			err = p.Err
		}
		return nil, fmt.Errorf("reading rules in %s: %w", dir, err)
	}
	return list, nil
}

// ReadFS is [ReadDir] for any file system.
func ReadFS(fsys fs.FS) ([]Source, error) {
	entries, err := fs.ReadDir(fsys, ".")
	if err != nil {
		return nil, err
	}
	var list []Source
	var faults Faults
	total := 0
	for _, e := range entries {
		name := e.Name()
		if !isRuleFile(name) {
			continue
		}
		data, err := readFile(fsys, name)
		if err != nil {
			faults = append(faults, &Fault{File: name, Msg: err.Error(), Err: err})
			continue
		}
		total += len(data)
		list = append(list, Source{name, data})
	}
	switch {
	case len(list) > MaxFiles:
		faults = append(faults, &Fault{Msg: fmt.Sprintf("%d rule files; at most %d are read", len(list), MaxFiles)})
	case total > MaxTotal:
		faults = append(faults, &Fault{Msg: fmt.Sprintf("rule files hold %d bytes; at most %d are read", total, MaxTotal)})
	}
	if len(faults) > 0 {
		faults.sort()
		return nil, faults
	}
	slices.SortFunc(list, func(a, b Source) int { return strings.Compare(a.Name, b.Name) })
	return list, nil
}

func isRuleFile(name string) bool {
	ext := path.Ext(name)
	return !strings.HasPrefix(name, ".") && (ext == ".yaml" || ext == ".yml")
}

func readFile(fsys fs.FS, name string) ([]byte, error) {
	info, err := fs.Stat(fsys, name) // before opening: a pipe would block
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("is not a regular file")
	}
	f, err := fsys.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxFile+1))
	if err != nil {
		return nil, err
	}
	if len(data) > MaxFile {
		return nil, fmt.Errorf("is larger than %d bytes", MaxFile)
	}
	return data, nil
}

// GenerationOf names a generation: the first 12 hexadecimal digits of the SHA-256
// over every file's name and content, each with its length before it.
func GenerationOf(files []Source) string {
	h := sha256.New()
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	for _, f := range files {
		part([]byte(f.Name))
		part(f.Data)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}
