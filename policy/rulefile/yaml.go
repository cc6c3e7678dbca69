package rulefile

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// decoder walks the nodes of one file and collects faults. It never decodes a node
// into a Go value by reflection: yaml/v3 forgets to refuse unknown keys there.
type decoder struct {
	file   string
	rule   string // id of the rule that is being read
	faults *Faults
	steps  *int // of the regular expressions so far, in all files; nil where none is read
}

// fault records a fault at n; n may be nil for the file as a whole.
func (d *decoder) fault(n *yaml.Node, format string, args ...any) {
	if len(*d.faults) >= maxFaults {
		*d.faults = append(*d.faults, nil) // it counts: see compileAll
		return
	}
	f := &Fault{File: d.file, Rule: d.rule, Msg: fmt.Sprintf(format, args...)}
	for _, a := range args {
		if err, ok := a.(error); ok {
			f.Err = err
		}
	}
	if n != nil {
		f.Line, f.Col = n.Line, n.Column
	}
	*d.faults = append(*d.faults, f)
}

// yamlLine is what an error of yaml/v3 begins with: a line that may be before the one
// where it stumbles.
var yamlLine = regexp.MustCompile(`^(?:yaml: )?(?:line (\d+): )?`)

// parse returns the root of the file's one document; nil if there is none.
func (d *decoder) parse(data []byte) *yaml.Node {
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	if at := bytes.IndexByte(data, 0); at >= 0 {
		d.faultAt(data, at, "a NUL byte: the file is not UTF-8 text")
		return nil
	}
	if at := invalidUTF8(data); at >= 0 {
		d.faultAt(data, at, "a byte that is not UTF-8: save the file as UTF-8")
		return nil
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return nil
	case err != nil:
		d.syntax(data, err)
		return nil
	}
	var next yaml.Node
	switch err := dec.Decode(&next); {
	case err == nil:
		d.fault(&next, "a second document: put it into a file of its own")
		return nil
	case !errors.Is(err, io.EOF):
		d.syntax(data, err)
		return nil
	}
	if len(doc.Content) == 0 {
		return nil
	}
	root := doc.Content[0]
	if !d.plain(root) {
		return nil
	}
	if root.Kind == yaml.ScalarNode && root.ShortTag() == "!!null" {
		return nil
	}
	return root
}

func (d *decoder) faultAt(data []byte, offset int, msg string) {
	before := data[:offset]
	line := 1 + bytes.Count(before, []byte("\n"))
	col := 1 + utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:])
	d.fault(&yaml.Node{Line: line, Column: col}, "%s", msg)
}

func invalidUTF8(data []byte) int {
	for i := 0; i < len(data); {
		r, n := utf8.DecodeRune(data[i:])
		if r == utf8.RuneError && n == 1 {
			return i
		}
		i += n
	}
	return -1
}

// syntax reports an error of the YAML parser.
func (d *decoder) syntax(data []byte, err error) {
	msg := yamlLine.ReplaceAllString(err.Error(), "")
	lines := bytes.SplitAfter(bytes.TrimRight(data, "\n"), []byte("\n"))
	early, _ := strconv.Atoi(yamlLine.FindStringSubmatch(err.Error())[1])
	at := &yaml.Node{Line: stumbles(lines, early, msg), Column: 1}
	if line := lines[at.Line-1]; bytes.ContainsRune(line[:len(line)-len(bytes.TrimLeft(line, " \t"))], '\t') {
		msg = "a tab: YAML is indented with spaces"
	}
	for n := max(0, at.Line-2); n < at.Line; n++ { // with such a character two lines can be one text
		i := bytes.IndexFunc(lines[n], oddBlank)
		before := strings.TrimRight(string(lines[n][:max(0, i)]), " ")
		if i >= 0 && (before == "" || strings.HasSuffix(before, ":") || strings.HasSuffix(before, "-")) {
			r, _ := utf8.DecodeRune(lines[n][i:])
			at.Line, at.Column = n+1, 1+utf8.RuneCount(lines[n][:i])
			msg = fmt.Sprintf("a character that looks like a blank, or like nothing, and is neither (%U): write a blank in its place", r)
			break
		}
	}
	switch msg {
	case "found unknown escape character":
		msg = "a backslash in double quotes begins an escape: put the text, as a regular expression, in single quotes"
		at.Column = 1 + utf8.RuneCount(lines[at.Line-1][:max(0, bytes.IndexByte(lines[at.Line-1], '\\'))])
	case "found unexpected end of stream":
		msg = "the file ends within quotes: one above is not closed"
	case "did not find expected node content":
		msg = "a value is missing here, or a bracket above is not closed"
	case "did not find expected ',' or '}'", "did not find expected ',' or ']'":
		msg = "within brackets a comma or the closing bracket is missing: put a text that holds a comma, a colon or a bracket in quotes"
	case "did not find expected key", "did not find expected '-' indicator":
		msg = "this line, or one just above it, does not fit the lines before: indent what belongs together alike, and put a text that goes on after a quote in quotes as a whole"
	case "could not find expected ':'":
		msg = "a key without a colon, or a text that goes on in the next line without quotes"
	case "found character that cannot start any token":
		msg = "a text that begins with %, @ or ` must be in quotes"
	case "mapping values are not allowed in this context":
		msg = "a colon and a blank where no key can be: put a text that holds them in quotes, and look above for a quote that is not closed, a key without a colon, or a dash without a blank"
	}
	d.fault(at, "%s", msg)
}

// oddBlank reports whether r is one of the characters that come along with a copied
// text, and that YAML takes for letters.
func oddBlank(r rune) bool {
	return r != ' ' && (unicode.Is(unicode.Zs, r) || unicode.Is(unicode.Cf, r))
}

// stumbles is the line, from 1, at which the YAML parser stumbles with msg. Its error
// names the line where the mapping, the list or the bracket began that it was in, so
// it is asked for the shortest beginning of the file, from that line on, that it says
// the same of: of one that ends within a list before, it may say the same as well.
func stumbles(lines [][]byte, early int, msg string) int {
	early = min(max(early, 1), len(lines))
	return early + sort.Search(len(lines)-early, func(n int) bool {
		dec := yaml.NewDecoder(bytes.NewReader(bytes.Join(lines[:early+n], nil)))
		for {
			if err := dec.Decode(new(yaml.Node)); err != nil {
				return yamlLine.ReplaceAllString(err.Error(), "") == msg
			}
		}
	})
}

// plain refuses anchors, aliases, merge keys and tags of any node under n: no rule
// needs them, and a few lines of them can stand for gigabytes.
func (d *decoder) plain(n *yaml.Node) bool {
	switch {
	case n.Kind == yaml.AliasNode:
		d.fault(n, "an alias (*%s): write the value out", n.Value)
		return false
	case n.Anchor != "":
		d.fault(n, "an anchor (&%s): write the value out where it is needed", n.Anchor)
		return false
	case n.Style&yaml.TaggedStyle != 0:
		d.fault(n, "a tag (%s): write the value without", n.Tag)
		return false
	}
	ok := true
	for _, c := range n.Content {
		ok = d.plain(c) && ok
	}
	return ok
}

// field is one key of a mapping: what reads it, and how the schema describes it.
type field[T any] struct {
	name     string
	doc      string
	required bool
	schema   schema
	read     func(d *decoder, n *yaml.Node, into *T)
}

// object reads a mapping by its fields. It returns false if n is no mapping; a
// fault inside does not stop it.
func object[T any](d *decoder, n *yaml.Node, what string, fields []field[T], into *T) bool {
	if n.Kind != yaml.MappingNode {
		d.fault(n, "%s must be a mapping (key: value), not %s", what, kindOf(n))
		return false
	}
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !d.newKey(key, seen) {
			continue
		}
		at := slices.IndexFunc(fields, func(f field[T]) bool { return f.name == key.Value })
		if at < 0 {
			d.unknownKey(key, what, fieldNames(fields))
			continue
		}
		fields[at].read(d, value, into)
	}
	for _, f := range fields {
		if f.required && seen[f.name] == nil {
			d.fault(n, "%s needs the key %q", what, f.name)
		}
	}
	return true
}

func fieldNames[T any](fields []field[T]) []string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	return names
}

func (d *decoder) unknownKey(key *yaml.Node, what string, known []string) {
	hint := didYouMean(key.Value, known)
	if hint == "" && len(known) > 0 {
		hint = "; it has " + strings.Join(known, ", ")
	}
	if d.rule != "" && what != "a rule" && slices.Contains(fieldNames(ruleFields()), key.Value) {
		hint = ": it is a key of the rule; indent it as the rule's id is"
	}
	d.fault(key, "unknown key %q in %s%s", clip(key.Value), what, hint)
}

// newKey refuses a key that is no string, or is there a second time.
func (d *decoder) newKey(key *yaml.Node, seen map[string]*yaml.Node) bool {
	if key.Kind != yaml.ScalarNode {
		d.fault(key, "a key must be a word, not %s", kindOf(key))
		return false
	}
	if first := seen[key.Value]; first != nil {
		d.fault(key, "key %q is already there at line %d", clip(key.Value), first.Line)
		return false
	}
	seen[key.Value] = key
	return true
}

// find returns the value of a key without recording faults; nil if there is none.
func find(n *yaml.Node, key string) *yaml.Node {
	if n.Kind != yaml.MappingNode {
		return nil
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == key {
			return n.Content[i+1]
		}
	}
	return nil
}

func kindOf(n *yaml.Node) string {
	switch n.Kind {
	case yaml.MappingNode:
		return "a mapping"
	case yaml.SequenceNode:
		return "a list"
	case yaml.ScalarNode:
		switch n.ShortTag() {
		case "!!null":
			return "nothing"
		case "!!int", "!!float":
			return "a number"
		case "!!bool":
			return "true or false"
		case "!!timestamp":
			return "a date"
		}
		return "text"
	}
	return "this"
}

// items returns the elements of a list.
func (d *decoder) items(n *yaml.Node, what string) []*yaml.Node {
	if n.Kind != yaml.SequenceNode {
		d.fault(n, "%s must be a list, not %s", what, kindOf(n))
		return nil
	}
	return n.Content
}

// text returns a string that is not blank.
func (d *decoder) text(n *yaml.Node, what string) (string, bool) {
	switch {
	case n.Kind != yaml.ScalarNode:
		d.fault(n, "%s must be text, not %s", what, kindOf(n))
	case n.ShortTag() != "!!str" && n.ShortTag() != "!!null":
		d.fault(n, "%s must be text, not %s: put it in quotes", what, kindOf(n))
	case strings.TrimSpace(n.Value) == "" || n.ShortTag() == "!!null":
		d.fault(n, "%s is empty", what)
	default:
		return n.Value, true
	}
	return "", false
}

// line is text on one line without control characters, of at most limit characters.
func (d *decoder) line(n *yaml.Node, what string, limit int) (string, bool) {
	s, ok := d.text(n, what)
	if !ok {
		return "", false
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r == 0x7f || r == '\u2028' || r == '\u2029' }) {
		d.fault(n, "%s must be one line without control characters", what)
		return "", false
	}
	if got := utf8.RuneCountInString(s); got > limit {
		d.fault(n, "%s has %d characters; at most %d are allowed", what, got, limit)
		return "", false
	}
	return s, true
}

// element is a string of a list, with where it stands.
type element struct {
	value string
	node  *yaml.Node
}

// texts returns the strings of a list, or the one string that is there instead.
func (d *decoder) texts(n *yaml.Node, what string) []element {
	nodes := []*yaml.Node{n}
	if n.Kind == yaml.SequenceNode {
		nodes = n.Content
		if len(nodes) == 0 {
			d.fault(n, "%s is an empty list", what)
		}
	}
	var list []element
	for _, c := range nodes {
		if s, ok := d.text(c, what); ok {
			list = append(list, element{s, c})
		}
	}
	return list
}

func (d *decoder) boolean(n *yaml.Node, what string) (value, ok bool) {
	if n.Kind == yaml.ScalarNode && n.ShortTag() == "!!bool" {
		return strings.EqualFold(n.Value, "true"), true
	}
	d.fault(n, "%s must be true or false", what)
	return false, false
}

// integer returns a whole number from 1 to most; 0 if it is not one.
func (d *decoder) integer(n *yaml.Node, what string, most int) int {
	i, err := strconv.Atoi(n.Value)
	if n.Kind != yaml.ScalarNode || n.ShortTag() != "!!int" || err != nil || i < 1 || i > most {
		d.fault(n, "%s must be a whole number from 1 to %d", what, most)
		return 0
	}
	return i
}

// oneOf returns a word out of a closed list.
func (d *decoder) oneOf(n *yaml.Node, what string, words []string) (string, bool) {
	s := n.Value
	if n.Kind != yaml.ScalarNode || n.ShortTag() == "!!null" || strings.TrimSpace(s) == "" {
		return d.text(n, what) // a fault: of a number or a truth the words themselves say more
	}
	if !slices.Contains(words, s) {
		guess := didYouMean(s, words)
		if guess != "" && len(words) > 20 { // more than anybody reads
			d.fault(n, "unknown %s %q%s; teamsdlp rules schema lists them all", what, clip(s), guess)
			return "", false
		}
		d.fault(n, "unknown %s %q%s; it is one of %s", what, clip(s), guess, strings.Join(words, ", "))
		return "", false
	}
	return s, true
}

// goodID is the form of every id: it is safe in a log line, a path and a URL.
var goodID = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]*$`)

func (d *decoder) id(n *yaml.Node, what string) string {
	s, ok := d.text(n, what)
	if !ok {
		return ""
	}
	if !goodID.MatchString(s) || len(s) > maxID {
		d.fault(n, "%s %q must be at most %d of a-z, 0-9, '.', '_' and '-', and begin with a letter or digit", what, clip(s), maxID)
		return ""
	}
	return s
}

var guid = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

func (d *decoder) guid(n *yaml.Node, what string) (string, bool) {
	s, ok := d.text(n, what)
	if !ok {
		return "", false
	}
	if !guid.MatchString(s) {
		d.fault(n, "%s %q is not an object id (00000000-0000-0000-0000-000000000000)", what, clip(s))
		return "", false
	}
	return strings.ToLower(s), true
}

// clip keeps a message readable whatever is in the file.
func clip(s string) string {
	if utf8.RuneCountInString(s) <= maxID {
		return s
	}
	return string([]rune(s)[:maxID]) + "…"
}
