package config

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// Example is a commented configuration file with every key, its meaning and its
// default. It loads once TEAMSDLP_CLIENT_SECRET is set.
//
//go:embed example.yaml
var Example []byte

// maxFile bounds a configuration file and a file with a secret.
const maxFile = 1 << 20

// Load reads the file at path. Its error is [Faults].
func Load(path string, getenv func(string) string) (*Config, error) {
	data, err := readFile(path)
	if err != nil {
		return nil, Faults{{File: path, Msg: "reading the configuration: " + reason(err), Err: err}}
	}
	return Parse(path, data, getenv, filepath.Dir(path))
}

// Parse is [Load] for a file that was read already: name is what faults call
// it, dir the folder that its relative paths start from.
func Parse(name string, data []byte, getenv func(string) string, dir string) (*Config, error) {
	d := &decoder{file: name, dir: dir, getenv: getenv, at: map[string]pos{}, bad: map[string]bool{}}
	cfg := d.decode(data)
	if cfg != nil {
		d.paths("", reflect.ValueOf(cfg).Elem())
		d.validate(cfg)
	}
	d.faults.sort()
	d.warnings.sort()
	if len(d.faults) > 0 {
		return nil, d.faults
	}
	cfg.Warnings = d.warnings
	return cfg, nil
}

// decode reads the one document of a file over the defaults. It returns nil if
// there is nothing to go on with.
func (d *decoder) decode(data []byte) *Config {
	if len(data) > maxFile {
		d.add(pos{1, 1}, fmt.Sprintf("the file is larger than %d bytes", maxFile))
		return nil
	}
	if !d.isText(data) {
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		d.add(pos{1, 1}, "the file is empty; teamsdlp check --example prints one to start from")
		return nil
	case err != nil:
		d.syntax(data, err)
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		d.add(pos{second.Line, second.Column}, "a second document; the configuration is one")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(data, err)
	}
	if root := doc.Content[0]; root.Kind != yaml.MappingNode {
		d.add(pos{root.Line, root.Column}, "the file must be a mapping of keys to values, not a "+kindName(root))
		return nil
	}
	cfg := defaults()
	d.value("", doc.Content[0], reflect.ValueOf(cfg).Elem(), "")
	return cfg
}

var (
	syntaxLine = regexp.MustCompile(`^yaml: (?:line (\d+): )?(.*)$`)
	anchorName = regexp.MustCompile(`anchor '[^']*'`)
)

// isText reports whether the file is text, and else adds a fault that says where it
// is not. UTF-16 says what it is by its first two bytes.
func (d *decoder) isText(data []byte) bool {
	if bytes.HasPrefix(data, []byte{0xff, 0xfe}) || bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
		return true
	}
	at := pos{1, 1}
	for len(data) > 0 {
		r, size := utf8.DecodeRune(data)
		switch {
		case r == utf8.RuneError && size == 1:
			d.add(at, "a byte that is not UTF-8: save the file as UTF-8")
			return false
		case unicode.IsControl(r) && !strings.ContainsRune("\t\n\r\u0085", r):
			d.add(at, fmt.Sprintf("a control character (%U): take it out", r))
			return false
		case r == '\n':
			at = pos{at.line + 1, 1}
		default:
			at.col++
		}
		data = data[size:]
	}
	return true
}

// syntax adds a fault for an error of the YAML parser. The one thing it
// quotes of the file, the name of an anchor, is left out: it can be a secret that
// begins with * or &.
func (d *decoder) syntax(data []byte, err error) {
	at, msg := pos{1, 1}, "not YAML"
	if m := syntaxLine.FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			at.line = n
		}
		at.line = stumbles(data, at.line, m[2])
		msg = "not YAML: " + anchorName.ReplaceAllString(m[2], "anchor")
	}
	if mend, known := syntaxMends[strings.TrimPrefix(msg, "not YAML: ")]; known {
		msg += ": " + mend
	}
	switch {
	case strings.Contains(msg, "tab character"), strings.HasSuffix(msg, "cannot start any token"):
		lines := bytes.Split(data, []byte("\n"))
		for i := at.line - 1; i <= at.line && i < len(lines); i++ { // the parser is one line early at times
			if line := lines[i]; bytes.ContainsRune(line[:len(line)-len(bytes.TrimLeft(line, " \t"))], '\t') {
				at, msg = pos{i + 1, 1}, "not YAML: a tab; YAML is indented with spaces"
				break
			}
		}
	case strings.HasSuffix(msg, "mapping values are not allowed in this context"):
		msg = "not YAML: a colon and a blank where no key can be; put a value that holds them in quotes, and look for a quote above that is not closed"
	case strings.HasSuffix(msg, "unknown escape character"):
		msg = `not YAML: a backslash in double quotes begins an escape; put the value in single quotes`
	}
	d.add(at, msg)
}

// syntaxMends are what to look for after an error of the YAML parser.
var syntaxMends = map[string]string{
	"did not find expected key":           "this line, or one just above it, does not fit the lines before; indent what belongs together alike",
	"did not find expected '-' indicator": "this line, or one just above it, does not fit the lines before; indent what belongs together alike",
	"did not find expected node content":  "a value is missing here, or a bracket above is not closed",
	"did not find expected ',' or '}'":    "a comma or the closing bracket is missing",
	"did not find expected ',' or ']'":    "a comma or the closing bracket is missing",
	"could not find expected ':'":         "a key without a colon and a blank after it",
	"found unexpected end of stream":      "a quote that begins here or above is not closed",
}

// stumbles is the line, from 1, at which the YAML parser stumbles with msg: that where
// the shortest beginning of the file ends of which it says the same. The line that it
// names, early, may be the one where a mapping or a list began, far above.
func stumbles(data []byte, early int, msg string) int {
	lines := bytes.SplitAfter(bytes.TrimRight(data, "\n"), []byte("\n"))
	early = min(max(early, 1), len(lines))
	return early + sort.Search(len(lines)-early, func(n int) bool {
		dec := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:early+n], nil)))
		for {
			if err := dec.Decode(new(yaml.Node)); err != nil {
				m := syntaxLine.FindStringSubmatch(err.Error())
				return m != nil && m[2] == msg
			}
		}
	})
}

// readFile reads a regular file of bounded size: a pipe or a device would let
// the program wait, or read, for ever.
func readFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = f.Close() }() // it was only read
	data, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err == nil && len(data) > maxFile {
		err = fmt.Errorf("larger than %d bytes", maxFile)
	}
	return data, err
}

// reason is err without the path that its reader knows already.
func reason(err error) string {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err.Error()
	}
	return err.Error()
}
