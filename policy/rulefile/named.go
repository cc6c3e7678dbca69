package rulefile

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"teamsdlp/policy/detect"
)

// A named file is one that a rule file names: it belongs to the generation as the
// rule file does. What it is decides how large it may be.
type namedKind uint8

const (
	listFile namedKind = iota
	formFile
	tableFile
	keyFile
)

func (k namedKind) limit() int64 {
	switch k {
	case listFile:
		return MaxListFile
	case formFile:
		return MaxFormFile
	case tableFile:
		return detect.MaxTableBytes
	}
	return maxKeyFile
}

// snapshot is the state of a directory at one look.
type snapshot struct {
	files      []Source
	modes      map[string]fs.FileMode // of the files named
	bad        map[string]error       // why a file named could not be read
	generation string
}

// state names what a look has found, the files that could not be read included.
func (s *snapshot) state() string {
	state := s.generation
	for _, name := range keys(s.bad) {
		state += "\n" + name + ": " + s.bad[name].Error()
	}
	return state
}

// reader looks at a directory again and again. A named file, which may be large, is
// read anew only if what the file system says of it has changed.
type reader struct {
	dir   string
	now   func() time.Time
	rules string               // the rule files whose names are
	names map[string]namedKind // these
	known map[string]*seenFile
}

// seenFile is a named file as it was last read.
type seenFile struct {
	info  fs.FileInfo
	at    time.Time // before it was read
	since time.Time // when it was first seen as it is
	data  []byte
	sum   [sha256.Size]byte
}

// settled is how long a file must have been left alone before its time of change
// proves that it is the same: clocks of file systems are coarse.
const settled = 3 * time.Second

func newReader(dir string) *reader {
	return &reader{dir: dir, now: time.Now, known: map[string]*seenFile{}}
}

// read looks at the directory. Its error is that of the rule files; what is wrong
// with a named file is in the snapshot.
func (r *reader) read() (*snapshot, error) {
	files, err := readFS(os.DirFS(r.dir))
	if faults, ok := AsFaults(err); ok {
		for _, f := range faults {
			f.File = filepath.Join(r.dir, f.File)
		}
		return nil, faults
	}
	if err != nil {
		var p *fs.PathError // its path is "." seen from inside
		if errors.As(err, &p) {
			err = p.Err
		}
		return nil, fmt.Errorf("reading rules in %s: %w", r.dir, err)
	}
	if g := generationOf(files); g != r.rules || r.names == nil {
		r.rules, r.names = g, namedBy(files)
	}
	s := &snapshot{files: files, modes: map[string]fs.FileMode{}, bad: map[string]error{}}
	for name := range r.known {
		if _, ok := r.names[name]; !ok {
			delete(r.known, name)
		}
	}
	for _, name := range keys(r.names) {
		f, err := r.file(name, r.names[name])
		if err != nil {
			s.bad[name] = err
			continue
		}
		s.files = append(s.files, Source{name, f.data})
		s.modes[name] = f.info.Mode()
	}
	s.generation = generationBy(s.files, func(f Source) [sha256.Size]byte { return r.known[f.Name].sum })
	return s, nil
}

// file reads a named file, unless it is the one that was read before.
func (r *reader) file(name string, kind namedKind) (*seenFile, error) {
	at := inDir(r.dir, name)
	before := r.now()
	info, err := os.Stat(at) // before opening: a pipe would block
	if err != nil {
		return nil, shortError(err)
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("is not a regular file")
	}
	if info.Size() > kind.limit() {
		return nil, fmt.Errorf("is larger than %d bytes", kind.limit())
	}
	f := &seenFile{info: info, at: before, since: before, data: make([]byte, info.Size())}
	old := r.known[name]
	if old != nil && os.SameFile(old.info, info) && old.info.Size() == info.Size() && old.info.ModTime().Equal(info.ModTime()) {
		if f.since = old.since; old.at.Sub(info.ModTime()) > settled || old.at.Sub(old.since) > settled {
			old.info = info // its mode may be another
			return old, nil
		}
	}
	in, err := os.Open(at)
	if err != nil {
		return nil, shortError(err)
	}
	defer in.Close()
	if _, err := io.ReadFull(in, f.data); err != nil {
		return nil, errors.New("became shorter while it was read")
	}
	if n, _ := in.Read(make([]byte, 1)); n > 0 {
		return nil, errors.New("became longer while it was read")
	}
	f.sum = sha256.Sum256(f.data)
	// Equal content keeps the memory of before, which the set in force holds too.
	if old != nil && old.sum == f.sum {
		f.data = old.data
	}
	r.known[name] = f
	return f, nil
}

// shortError leaves out the path, which the fault names.
func shortError(err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// namedBy returns the files that rule files name, as far as they can be read.
func namedBy(files []Source) map[string]namedKind {
	names := map[string]namedKind{}
	add := func(n *yaml.Node, kind namedKind) {
		if n == nil || n.Kind != yaml.ScalarNode {
			return
		}
		var why string
		name := n.Value
		if kind == keyFile {
			name, why = keyPath(n.Value)
		} else {
			why = besideFault(n.Value)
		}
		if why == "" && len(names) < MaxFiles {
			names[name] = max(kind, names[name])
		}
	}
	for _, f := range files {
		d := &decoder{file: f.Name, faults: new(Faults)}
		root := d.parse(f.Data)
		if root == nil {
			continue
		}
		for _, x := range elements(find(root, "lists")) {
			add(find(x, "file"), listFile)
		}
		for _, x := range elements(find(root, "detectors")) {
			if e := find(x, "exact"); e != nil {
				add(find(e, "table"), tableFile)
				add(find(e, "key"), keyFile)
			}
			if p := find(x, "fingerprint"); p != nil {
				add(find(p, "file"), formFile)
			}
		}
	}
	return names
}

func elements(n *yaml.Node) []*yaml.Node {
	if n == nil || n.Kind != yaml.SequenceNode {
		return nil
	}
	return n.Content
}

// besideFault says why name is not that of a file in the rule directory or below
// it; empty if it is.
func besideFault(name string) string {
	switch {
	case !fs.ValidPath(name) || name == "." || strings.Contains(name, `\`):
		return "must be the path of a file in the rule directory or below it, as lists/names.txt"
	case slices.ContainsFunc(strings.Split(name, "/"), func(part string) bool { return strings.HasPrefix(part, ".") }):
		return "must not be hidden: no part of its path begins with a dot"
	case isRuleFile(path.Base(name)):
		return "must not end as a rule file does"
	}
	return ""
}

// keyPath returns the path in a reference to a key file, or says why it is none. A
// relative one begins at the rule directory and leads out of it: rule files are
// shown, copied and kept in version control.
func keyPath(ref string) (name, why string) {
	name, ok := strings.CutPrefix(ref, "file:")
	if !ok || name == "" {
		return "", "must be file: and a path, as file:/etc/teamsdlp/keys/edm.key"
	}
	if filepath.IsAbs(name) {
		return filepath.Clean(name), ""
	}
	name = path.Clean(name)
	if !strings.HasPrefix(name, "../") {
		return "", "must not be in the rule directory: rule files are shown and copied, and a key must not be"
	}
	return name, ""
}

// keyInside reports whether an absolute path leads into the rule directory.
func keyInside(dir, name string) bool {
	at, err := filepath.Abs(inDir(dir, name))
	if err != nil {
		return false
	}
	base, err := filepath.Abs(dir)
	if err != nil {
		return false
	}
	rel, err := filepath.Rel(base, at)
	return err == nil && filepath.IsLocal(rel)
}
