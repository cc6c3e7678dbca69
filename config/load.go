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
	"strconv"

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
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		d.add(pos{1, 1}, "the file is empty; teamsdlp check --example prints one to start from")
		return nil
	case err != nil:
		d.syntax(err)
		return nil
	}
	var second yaml.Node
	if err := dec.Decode(&second); err == nil {
		d.add(pos{second.Line, second.Column}, "a second document; the configuration is one")
	} else if !errors.Is(err, io.EOF) {
		d.syntax(err)
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

// syntax adds a fault for an error of the YAML parser. The one thing it
// quotes of the file, the name of an anchor, is left out: it can be a secret that
// begins with * or &.
func (d *decoder) syntax(err error) {
	at, msg := pos{1, 1}, "not YAML"
	if m := syntaxLine.FindStringSubmatch(err.Error()); m != nil {
		if n, err := strconv.Atoi(m[1]); err == nil {
			at.line = n
		}
		msg = "not YAML: " + anchorName.ReplaceAllString(m[2], "anchor")
	}
	d.add(at, msg)
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
