package rulefile

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
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
	MaxSteps    = 5000 // of one, with its repetitions written out
	MaxAllSteps = 1_000_000
	MaxPatterns = 20 // of one detector
	MaxWords    = 10_000
	MaxWord     = 128  // characters of one keyword
	MaxTip      = 256  // characters of a tip; as in Microsoft Purview
	MaxDepth    = 32   // conditions inside conditions
	maxFaults   = 1000 // that are told one by one
	maxTitle    = 128  // characters
	maxID       = 64

	MaxListFile  = 8 << 20 // bytes of a file of keywords
	MaxListWords = 200_000 // keywords in one
	MaxAllWords  = 1_000_000
	MaxFormFile  = 1 << 20 // bytes of a form
	maxKeyFile   = 4 << 10
)

// Source is one file of a generation: its name in the directory, by slashes, and
// its content. It is a rule file, or one that a rule file names: a list of
// keywords, a form, a table of exact data or, outside the directory, its key.
type Source struct {
	Name string
	Data []byte
}

// Format implements fmt.Formatter: a file's content is never printed.
func (s Source) Format(f fmt.State, _ rune) {
	_, _ = fmt.Fprintf(f, "%s (%d bytes)", s.Name, len(s.Data))
}

// ReadDir reads the rule files of a directory, sorted by name: every *.yaml and
// *.yml that does not begin with a dot; then the files that they name. Symbolic
// links are followed, because that is how Kubernetes mounts a ConfigMap.
// Sub-directories are entered only where a rule file names a file in one. Its error
// is [Faults] if the directory holds what no rule directory may, or lacks what a
// rule file names.
func ReadDir(dir string) ([]Source, error) {
	s, err := newReader(dir).read()
	if err != nil {
		return nil, err
	}
	var faults Faults
	for _, name := range keys(s.bad) {
		faults = append(faults, &Fault{File: inDir(dir, name), Msg: s.bad[name].Error(), Err: s.bad[name]})
	}
	if len(faults) > 0 {
		return nil, faults
	}
	return s.files, nil
}

// inDir is the path of a file of the directory, or of one outside it.
func inDir(dir, name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(dir, filepath.FromSlash(name))
}

// readFS reads the rule files of any file system, and not what they name.
func readFS(fsys fs.FS) ([]Source, error) {
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
			faults = append(faults, &Fault{File: name, Msg: shortError(err).Error(), Err: err})
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

// generationOf names a generation: the first 12 hexadecimal digits of the SHA-256
// over every file's name and content, each with its length before it. Of a file
// that is no rule file it takes the SHA-256 of the content instead.
func generationOf(files []Source) string {
	return generationBy(files, func(f Source) [sha256.Size]byte { return sha256.Sum256(f.Data) })
}

func generationBy(files []Source, sum func(Source) [sha256.Size]byte) string {
	h := sha256.New()
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	for _, f := range files {
		part([]byte(f.Name))
		if isRuleFile(f.Name) {
			part(f.Data)
			continue
		}
		s := sum(f)
		part(s[:])
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}
