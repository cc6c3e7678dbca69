package config

import (
	"fmt"
	"math"
	"path/filepath"
	"reflect"
	"regexp"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

type pos struct{ line, col int }

// A decoder goes through a YAML tree by the types of Config. It never stops at
// a fault; what is faulty keeps its default and is marked, so that it is not
// judged a second time.
//
// Beside yaml, it knows the field tag is: size (a number of bytes, with a unit
// if one is written), dir and path (made relative to the file's folder) and
// file (the same, and it must be readable).
type decoder struct {
	file, dir string
	getenv    func(string) string
	faults    Faults
	warnings  Faults
	at        map[string]pos  // where the value of each key stands, as tenants[0].id
	bad       map[string]bool // keys that have a fault
}

func (d *decoder) add(at pos, msg string) {
	d.faults = append(d.faults, Fault{File: d.file, Line: at.line, Col: at.col, Msg: msg})
}

// fault adds a fault about the value of a key.
func (d *decoder) fault(path, msg string, args ...any) {
	d.bad[path] = true
	d.add(d.where(path), path+": "+fmt.Sprintf(msg, args...))
}

// unread adds a fault about a file that could not be read.
func (d *decoder) unread(path, what, file string, err error) {
	d.fault(path, "reading %s%s: %s", what, quote(file), reason(err))
	d.faults[len(d.faults)-1].Err = err
}

func (d *decoder) warn(path, msg string, args ...any) {
	at := d.where(path)
	d.warnings = append(d.warnings, Fault{File: d.file, Line: at.line, Col: at.col, Msg: path + ": " + fmt.Sprintf(msg, args...)})
}

// where is the position of a key's value, or of the nearest that holds it.
func (d *decoder) where(path string) pos {
	for path != "" {
		if at, ok := d.at[path]; ok {
			return at
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
	return pos{1, 1}
}

// given reports whether the file has the key.
func (d *decoder) given(path string) bool { _, ok := d.at[path]; return ok }

var (
	durationType = reflect.TypeFor[time.Duration]()
	secretType   = reflect.TypeFor[Secret]()
)

func (d *decoder) value(path string, n *yaml.Node, v reflect.Value, is string) {
	if n.Kind == yaml.AliasNode {
		d.fault(path, "an alias; write the value itself")
		return
	}
	null := n.Kind == yaml.ScalarNode && n.ShortTag() == "!!null"
	switch kind := v.Kind(); {
	case v.Type() == secretType:
		d.secret(path, n, v)
	case kind == reflect.Struct:
		if null { // every key of it is a comment, say
			return
		}
		d.mapping(path, n, v)
	case kind == reflect.Slice:
		if null {
			return
		}
		d.sequence(path, n, v)
	case n.Kind != yaml.ScalarNode:
		d.fault(path, "must be %s, not a %s", wanted(v, is), kindName(n))
	case null:
		d.fault(path, "has no value; leave the key out for its default")
	default:
		d.scalar(path, n, v, is)
	}
}

func kindName(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "mapping"
	case yaml.SequenceNode:
		return "list"
	default:
		return "single value"
	}
}

// fields are the keys of a struct and the field of each.
func fields(t reflect.Type) (keys []string, byKey map[string]reflect.StructField) {
	byKey = map[string]reflect.StructField{}
	for f := range t.Fields() {
		if key := f.Tag.Get("yaml"); key != "" && key != "-" {
			keys = append(keys, key)
			byKey[key] = f
		}
	}
	return keys, byKey
}

func (d *decoder) mapping(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		d.fault(path, "must be a mapping of keys to values, not a %s", kindName(n))
		return
	}
	keys, byKey := fields(v.Type())
	first := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, val := n.Content[i], n.Content[i+1]
		at := pos{key.Line, key.Column}
		if key.Kind != yaml.ScalarNode || key.ShortTag() != "!!str" {
			d.add(at, "a key must be a word")
			continue
		}
		f, known := byKey[key.Value]
		if !known {
			d.add(at, "unknown key "+quote(key.Value)+didYouMean(key.Value, keys))
			continue
		}
		if line, twice := first[key.Value]; twice {
			d.add(at, fmt.Sprintf("duplicate key %q (first on line %d)", key.Value, line))
			continue
		}
		first[key.Value] = key.Line
		below := join(path, key.Value)
		d.at[below] = pos{val.Line, val.Column}
		d.value(below, val, v.FieldByIndex(f.Index), f.Tag.Get("is"))
	}
}

func (d *decoder) sequence(path string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		d.fault(path, "must be a list, not a %s", kindName(n))
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		below := fmt.Sprintf("%s[%d]", path, i)
		d.at[below] = pos{item.Line, item.Column}
		d.value(below, item, v.Index(i), "")
	}
}

// wanted says what a value must be, with an example.
func wanted(v reflect.Value, is string) string {
	switch {
	case v.Type() == durationType:
		return "a duration like 60s, 10m or 71h55m"
	case is == "size":
		return "a size like 16MiB or 16777216"
	case v.Kind() == reflect.Bool:
		return "true or false"
	case v.Kind() == reflect.Float64:
		return "a number like 4 or 0.5"
	case v.CanInt():
		return "a whole number like 1000"
	default:
		return "text"
	}
}

// scalar sets one value. Its faults do not repeat the value, nor do they wrap
// an error of a parser, which would: a secret may have been pasted there.
func (d *decoder) scalar(path string, n *yaml.Node, v reflect.Value, is string) {
	tag := n.ShortTag()
	var ok bool
	switch {
	case v.Type() == durationType:
		var dur time.Duration
		if dur, ok = duration(n.Value); ok {
			v.SetInt(int64(dur))
		}
	case is == "size":
		var size int64
		if size, ok = bytesOf(n.Value); ok {
			v.SetInt(size)
		}
	case v.Kind() == reflect.Bool:
		if ok = tag == "!!bool" && (n.Value == "true" || n.Value == "false"); ok {
			v.SetBool(n.Value == "true")
		}
	case v.Kind() == reflect.Float64:
		var f float64
		if ok = (tag == "!!float" || tag == "!!int") && n.Decode(&f) == nil && !math.IsInf(f, 0) && !math.IsNaN(f); ok {
			v.SetFloat(f)
		}
	case v.CanInt():
		var i int64
		if ok = tag == "!!int" && n.Decode(&i) == nil && !v.OverflowInt(i); ok {
			v.SetInt(i)
		}
	case tag != "!!str":
		d.fault(path, "must be text; put it in quotes")
		return
	case strings.TrimSpace(n.Value) == "":
		d.fault(path, "is empty; leave the key out for its default")
		return
	case strings.ContainsFunc(n.Value, func(r rune) bool { return r < ' ' || r == 0x7f }):
		d.fault(path, "holds a line break or another control character")
		return
	default:
		ok = true
		v.SetString(n.Value)
	}
	if !ok {
		d.fault(path, "must be %s", wanted(v, is))
	}
}

func duration(text string) (time.Duration, bool) {
	if text == "0" { // ParseDuration takes it, but every other number needs a unit
		return 0, false
	}
	d, err := time.ParseDuration(text)
	return d, err == nil
}

var (
	sizeForm  = regexp.MustCompile(`^([0-9][0-9_]*) ?([KMG]iB|B)?$`)
	sizeUnits = map[string]int64{"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30}
)

func bytesOf(text string) (int64, bool) {
	m := sizeForm.FindStringSubmatch(text)
	if m == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.ReplaceAll(m[1], "_", ""), 10, 64)
	unit := sizeUnits[m[2]]
	if err != nil || n > math.MaxInt64/unit {
		return 0, false
	}
	return n * unit, true
}

var variable = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// secret reads what a reference refers to. Nothing of a value that is not a
// reference is repeated.
func (d *decoder) secret(path string, n *yaml.Node, v reflect.Value) {
	const want = "must be a reference, env:NAME or file:path; a secret is never written into this file"
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!str" {
		d.fault(path, want)
		return
	}
	scheme, ref, found := strings.Cut(n.Value, ":")
	var value string
	switch {
	case scheme == "env" && found:
		if !variable.MatchString(ref) {
			d.fault(path, "env: must be followed by the name of a variable")
			return
		}
		if value = strings.TrimRight(d.getenv(ref), "\r\n"); value == "" {
			d.fault(path, "the environment variable %s %s", clipped(ref), ErrNotSet)
			d.faults[len(d.faults)-1].Err = ErrNotSet
			return
		}
	case scheme == "file" && found && ref != "":
		file := d.resolve(ref)
		data, err := readFile(file)
		if err != nil {
			d.unread(path, "the secret from ", ref, err)
			return
		}
		if value = strings.TrimRight(string(data), "\r\n"); value == "" {
			d.fault(path, "the file %s is empty", quote(ref))
			return
		}
		d.modes(path, file)
	default:
		d.fault(path, want)
		return
	}
	if strings.ContainsAny(value, "\r\n") {
		d.fault(path, "the secret holds more than one line")
		return
	}
	v.Set(reflect.ValueOf(NewSecret(value)))
}

// paths resolves every path below v and checks that files can be read.
func (d *decoder) paths(path string, v reflect.Value) {
	switch {
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			d.paths(fmt.Sprintf("%s[%d]", path, i), v.Index(i))
		}
	case v.Kind() == reflect.Struct && v.Type() != secretType:
		keys, byKey := fields(v.Type())
		for _, key := range keys {
			f := byKey[key]
			below, field := join(path, key), v.FieldByIndex(f.Index)
			is := f.Tag.Get("is")
			if is != "dir" && is != "file" && is != "path" {
				d.paths(below, field)
				continue
			}
			if field.String() == "" || d.bad[below] {
				continue
			}
			given := field.String()
			field.SetString(d.resolve(given))
			if is != "file" {
				continue
			}
			if _, err := readFile(field.String()); err != nil {
				d.unread(below, "", given, err)
			}
		}
	}
}

// resolve makes a path relative to the folder of the file.
func (d *decoder) resolve(path string) string {
	if filepath.IsAbs(path) {
		return filepath.Clean(path)
	}
	return filepath.Join(d.dir, path)
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

// quote is for words that came from the file: bounded, on one line.
func quote(s string) string { return strconv.Quote(clipped(s)) }

// clipped is the beginning of what is too long to repeat.
func clipped(s string) string {
	const most = 80
	if len(s) > most {
		s = s[:most] + "…"
	}
	return s
}
