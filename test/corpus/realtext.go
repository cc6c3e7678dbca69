package corpus

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"
)

// A Source is one place that real text was read from.
type Source struct {
	Name  string
	Files int
	Bytes int // after what was there before is left out
}

// chunk is how long a message of real text is at most, but for a paragraph that is
// longer.
const chunk = 4 << 10

// RealText reads what people wrote: the comments of Go's own source, the READMEs,
// changelogs and comments of the modules in the module cache, and what packages of
// the system put into /usr/share/doc. Test files and generated code are left out;
// so is every paragraph that was there before, as licences are. It calls each with
// messages of a few KB until limit bytes are read; 0 is no limit.
func RealText(ctx context.Context, limit int, each func(source, text string)) ([]Source, error) {
	out, err := exec.CommandContext(ctx, "go", "env", "GOROOT", "GOMODCACHE").Output()
	if err != nil {
		return nil, fmt.Errorf("asking the go command where its files are: %w", err)
	}
	where := strings.Split(strings.TrimSpace(string(out)), "\n")
	if len(where) != 2 {
		return nil, errors.New("the go command does not know its GOROOT and GOMODCACHE")
	}
	r := newReader(limit, each)
	r.source("documentation and comments of the Go distribution")
	for _, dir := range []string{"README.md", "CONTRIBUTING.md", "SECURITY.md", "LICENSE", "doc", "src"} {
		r.tree(filepath.Join(where[0], dir))
	}
	r.source("READMEs, changelogs, licences and comments of the modules this repository is built and checked with")
	r.tree(where[1])
	r.source("/usr/share/doc")
	r.tree("/usr/share/doc")
	return r.sources, nil
}

type reader struct {
	seen    map[uint64]bool
	seed    maphash.Seed
	sources []Source
	total   int
	limit   int
	each    func(source, text string)
}

func newReader(limit int, each func(source, text string)) *reader {
	return &reader{seen: map[uint64]bool{}, seed: maphash.MakeSeed(), limit: limit, each: each}
}

func (r *reader) source(name string) { r.sources = append(r.sources, Source{Name: name}) }

func (r *reader) done() bool { return r.limit > 0 && r.total >= r.limit }

// tree reads the files under root that hold prose. What cannot be read is not
// there.
func (r *reader) tree(root string) {
	_ = filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		switch {
		case r.done():
			return filepath.SkipAll
		case err != nil:
			return nil //nolint:nilerr // not there, or not ours to read
		case d.IsDir():
			if slices.Contains([]string{"testdata", "cache", "test", "tests", "examples", "corpus", "node_modules"}, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		case !d.Type().IsRegular():
			return nil
		}
		if text := prose(path); len(text) > 0 {
			r.file(text)
		}
		return nil
	})
}

// prose returns the text of a file that people wrote to be read; nothing, if it is
// no such file.
func prose(path string) []byte {
	name := strings.ToLower(filepath.Base(path))
	stem := strings.TrimSuffix(name, ".gz")
	ext := filepath.Ext(stem)
	code := ext == ".go" && !strings.HasSuffix(stem, "_test.go")
	page := ext == ".md" || ext == ".txt" || ext == ".rst"
	for _, s := range []string{"readme", "changelog", "changes", "news", "history", "license", "licence", "copying", "copyright", "authors", "contributing", "notice", "faq", "todo", "thanks"} {
		page = page || strings.HasPrefix(stem, s) && !code
	}
	if !page && !code {
		return nil
	}
	f, err := os.Open(path)
	if err != nil {
		return nil
	}
	defer f.Close()
	in := io.Reader(f)
	if stem != name {
		if in, err = gzip.NewReader(f); err != nil {
			return nil
		}
	}
	b, err := io.ReadAll(io.LimitReader(in, 2<<20))
	if err != nil || !utf8.Valid(b) || bytes.IndexByte(b, 0) >= 0 {
		return nil
	}
	if code {
		return comments(b)
	}
	return b
}

// comments returns what stands in the comments of Go code, unless it is generated.
func comments(src []byte) []byte {
	head := src[:min(len(src), 4<<10)]
	if bytes.Contains(head, []byte("Code generated")) || bytes.Contains(head, []byte("DO NOT EDIT")) {
		return nil
	}
	var out []byte
	inside, before := false, false
	lines := bufio.NewScanner(bytes.NewReader(src))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		line := bytes.TrimSpace(lines.Bytes())
		comment := false
		switch {
		case inside:
			comment = true
			if i := bytes.Index(line, []byte("*/")); i >= 0 {
				line, inside = line[:i], false
			}
		case bytes.HasPrefix(line, []byte("//go:")), bytes.HasPrefix(line, []byte("//nolint")):
		case bytes.HasPrefix(line, []byte("//")):
			line, comment = bytes.TrimPrefix(line[2:], []byte(" ")), true
		case bytes.HasPrefix(line, []byte("/*")):
			line, comment, inside = bytes.TrimSpace(line[2:]), true, true
			if i := bytes.Index(line, []byte("*/")); i >= 0 {
				line, inside = line[:i], false
			}
		}
		if comment {
			out = append(append(out, line...), '\n')
		} else if before {
			out = append(out, '\n')
		}
		before = comment
	}
	return out
}

// file gives out the paragraphs of a file that are new, a few KB at a time.
func (r *reader) file(text []byte) {
	s := &r.sources[len(r.sources)-1]
	s.Files++
	var b strings.Builder
	flush := func() {
		if b.Len() > 0 {
			s.Bytes += b.Len()
			r.total += b.Len()
			r.each(s.Name, b.String())
			b.Reset()
		}
	}
	text = bytes.ReplaceAll(text, []byte("\r\n"), []byte("\n"))
	for p := range bytes.SplitSeq(text, []byte("\n\n")) {
		p = bytes.Trim(p, "\n")
		h := maphash.Bytes(r.seed, bytes.Join(bytes.Fields(p), []byte(" ")))
		if len(p) == 0 || r.seen[h] {
			continue
		}
		r.seen[h] = true
		if b.Len() > 0 && b.Len()+len(p) > chunk {
			flush()
		}
		b.Write(p)
		b.WriteString("\n\n")
	}
	flush()
}
