package rulefile

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"teamsdlp/policy/detect"
)

// A reference is a file that a rule file names, and where it does.
type reference struct {
	name string
	node *yaml.Node // nil: there is none
}

// exactRef is what a detector of exact data says.
type exactRef struct {
	table, key      reference
	corroborate     *yaml.Node
	columns         []string
	atLeast, within int
}

// formRef is what a detector of a form says.
type formRef struct {
	file              reference
	similarity        *yaml.Node
	low, medium, high int
}

// detectorKinds are the keys of which a detector has one.
var detectorKinds = []string{"patterns", "exact", "fingerprint"}

// oneKind checks what a detector is, and that its keys fit.
func (d *decoder) oneKind(n *yaml.Node) {
	var has []string
	for _, k := range detectorKinds {
		if find(n, k) != nil {
			has = append(has, k)
		}
	}
	switch {
	case len(has) == 0:
		d.fault(n, "a detector needs one of the keys %s", strings.Join(detectorKinds, ", "))
		return
	case len(has) > 1:
		d.fault(find(n, has[1]), "a detector has one of the keys %s, and this one has %s already", strings.Join(detectorKinds, ", "), has[0])
		return
	case has[0] == "patterns":
		return
	}
	for _, k := range []struct{ name, why string }{
		{"validate", "only what a pattern found can be validated"},
		{"context", "only patterns take context words"},
	} {
		if at := find(n, k.name); at != nil {
			d.fault(at, "%s: %s", k.name, k.why)
		}
	}
	if at := find(n, "confidence"); at != nil && has[0] == "fingerprint" {
		d.fault(at, "confidence: that of a fingerprint is told by its similarity")
	}
}

func exactFields() []field[exactRef] {
	return []field[exactRef]{
		{name: "table", doc: "The table: a file in the rule directory or below it.", required: true, schema: anyText, read: func(d *decoder, n *yaml.Node, x *exactRef) {
			x.table = d.beside(n, "table")
		}},
		{name: "key", doc: "The key it was built with: file: and a path that leads out of the rule directory.", required: true, schema: schema{"type": "string", "pattern": "^file:."}, read: func(d *decoder, n *yaml.Node, x *exactRef) {
			s, ok := d.text(n, "key")
			if !ok {
				return
			}
			name, why := keyPath(s)
			if why != "" {
				d.fault(n, "key %s", why) // what stands there instead may be the key itself
				return
			}
			x.key = reference{name, n}
		}},
		{name: "corroborate", doc: "What else of the same record must stand nearby; default one of all its other columns within 300 characters.", schema: objectSchema(corroborateFields()), read: func(d *decoder, n *yaml.Node, x *exactRef) {
			x.corroborate = n
			object(d, n, "corroborate", corroborateFields(), x)
		}},
	}
}

func corroborateFields() []field[exactRef] {
	return []field[exactRef]{
		{name: "columns", doc: "These columns; default all but the primary one.", schema: strs, read: func(d *decoder, n *yaml.Node, x *exactRef) {
			x.columns = []string{}
			for _, e := range d.texts(n, "columns") {
				x.columns = append(x.columns, e.value)
			}
		}},
		{name: "at_least", doc: "How many of them; default 1.", schema: schema{"type": "integer", "minimum": 1, "maximum": detect.MaxTableColumns - 1}, read: func(d *decoder, n *yaml.Node, x *exactRef) {
			x.atLeast = d.integer(n, "at_least", detect.MaxTableColumns-1)
		}},
		{name: "within", doc: "How many characters away; default 300.", schema: schema{"type": "integer", "minimum": 1, "maximum": 1000}, read: func(d *decoder, n *yaml.Node, x *exactRef) {
			x.within = d.integer(n, "within", 1000)
		}},
	}
}

func formFields() []field[formRef] {
	return []field[formRef]{
		{name: "file", doc: "The empty form as plain text: a file in the rule directory or below it.", required: true, schema: anyText, read: func(d *decoder, n *yaml.Node, x *formRef) {
			x.file = d.beside(n, "file")
		}},
		{name: "similarity", doc: "How much of the form's own text must occur, in percent, for each confidence; default low 40, medium 60, high 80.", schema: objectSchema(similarityFields()), read: func(d *decoder, n *yaml.Node, x *formRef) {
			x.similarity = n
			object(d, n, "similarity", similarityFields(), x)
			if n.Kind == yaml.MappingNode && len(n.Content) == 0 {
				d.fault(n, "similarity needs one of %s", strings.Join(levelWords, ", "))
			}
		}},
	}
}

func similarityFields() []field[formRef] {
	percent := schema{"type": "integer", "minimum": 1, "maximum": 100}
	at := func(name string, into func(*formRef) *int) field[formRef] {
		return field[formRef]{name: name, doc: "From this share on the confidence is " + name + ".", schema: percent, read: func(d *decoder, n *yaml.Node, x *formRef) {
			*into(x) = d.integer(n, name, 100)
		}}
	}
	return []field[formRef]{
		at("low", func(x *formRef) *int { return &x.low }),
		at("medium", func(x *formRef) *int { return &x.medium }),
		at("high", func(x *formRef) *int { return &x.high }),
	}
}

// beside returns the name of a file in the rule directory or below it.
func (d *decoder) beside(n *yaml.Node, what string) reference {
	s, ok := d.line(n, what, 255)
	if !ok {
		return reference{}
	}
	if why := besideFault(s); why != "" {
		d.fault(n, "%s %q %s", what, clip(s), why)
		return reference{}
	}
	return reference{s, n}
}

// data returns what a named file holds.
func (s *set) data(d *decoder, r reference, what string) ([]byte, bool) {
	data, ok := s.named[r.name]
	if !ok {
		reason := s.bad[r.name]
		if reason == nil {
			reason = fmt.Errorf("there is no such file")
		}
		d.fault(r.node, "%s %s: %v", what, r.name, reason)
	}
	return data, ok
}

// attach loads what a detector names. It reports whether the detector can be used.
func (s *set) attach(x *detector) bool {
	d := &decoder{file: x.file, faults: &s.faults}
	before := len(s.faults)
	switch {
	case x.exact != nil:
		if t := s.table(d, x); t != nil {
			x.Exact = &detect.Exact{Table: t, Columns: x.exact.columns, AtLeast: x.exact.atLeast, Within: x.exact.within}
			d.columns(x, t)
		}
	case x.form != nil:
		if form, ok := s.data(d, x.form.file, "form"); ok {
			if msg := notText(form); msg != "" {
				d.fault(x.form.file.node, "form %s: %s", x.form.file.name, msg)
			}
			x.Fingerprint = &detect.Fingerprint{Text: string(form), Low: x.form.low, Medium: x.form.medium, High: x.form.high}
			if x.form.similarity == nil {
				x.Fingerprint.Low, x.Fingerprint.Medium, x.Fingerprint.High = 40, 60, 80
			}
		}
	}
	return len(s.faults) == before
}

// table returns a detector's table, unlocked; nil after a fault.
func (s *set) table(d *decoder, x *detector) *detect.Table {
	ref := x.exact
	file, ok := s.data(d, ref.table, "table")
	if keyInside(s.dir, ref.key.name) {
		d.fault(ref.key.node, "key must not be in the rule directory: rule files are shown and copied, and a key must not be")
		return nil
	}
	secret, keyed := s.data(d, ref.key, "key")
	if !ok || !keyed {
		return nil
	}
	key, err := detect.ParseTableKey(secret)
	if err != nil {
		d.fault(ref.key.node, "key %s: %v", ref.key.name, err)
		return nil
	}
	id := ref.table.name + "\x00" + key.ID()
	if t := s.tables[id]; t != nil {
		return t
	}
	t, err := detect.ReadTable(file)
	if err != nil {
		d.fault(ref.table.node, "table %s: %v", ref.table.name, err)
		return nil
	}
	t, err = t.Unlock(key)
	if err != nil {
		d.fault(ref.key.node, "table %s: %v", ref.table.name, err)
		return nil
	}
	s.tables[id] = t
	return t
}

// columns checks the columns that corroborate, with a hint at the one that was
// meant.
func (d *decoder) columns(x *detector, t *detect.Table) {
	if x.exact.corroborate == nil {
		return
	}
	at := find(x.exact.corroborate, "columns")
	if at == nil {
		if len(t.Info().Columns) == 1 {
			d.fault(x.exact.corroborate, "the table has no column but %q: nothing can corroborate it", t.Info().Columns[0].Name)
		}
		return
	}
	var names []string
	for _, c := range t.Info().Columns[1:] {
		names = append(names, c.Name)
	}
	for _, e := range d.texts(at, "columns") {
		if t.Column(e.value) < 0 {
			d.fault(e.node, "the table has no column %q%s; beside the primary one, %q, it has %s",
				clip(e.value), didYouMean(e.value, names), t.Info().Columns[0].Name, strings.Join(names, ", "))
		}
	}
}

// notText says why data is no text file; empty if it is one.
func notText(data []byte) string {
	switch {
	case bytes.HasPrefix(data, []byte("\xFF\xFE")), bytes.HasPrefix(data, []byte("\xFE\xFF")):
		return "it is UTF-16: save it as UTF-8"
	case bytes.IndexByte(data, 0) >= 0, !utf8.Valid(data):
		return "it is not UTF-8 text"
	}
	return ""
}

// maxTermFaults is how many faults of one file of keywords are told one by one.
const maxTermFaults = 10

// termsOf reads the keywords of a list from its file. Faults give the line, and do
// not repeat what stands there: such files are made from other data.
func (s *set) termsOf(d *decoder, x *list) {
	data, ok := s.data(d, x.file, "file")
	if !ok {
		return
	}
	if msg := notText(data); msg != "" {
		d.fault(x.file.node, "file %s: %s", x.file.name, msg)
		return
	}
	data = bytes.TrimPrefix(data, []byte("\uFEFF"))
	in := &decoder{file: inDir(s.dir, x.file.name), faults: d.faults}
	faults := 0
	fault := func(line int, msg string, args ...any) {
		if faults++; faults <= maxTermFaults {
			in.fault(&yaml.Node{Line: line, Column: 1}, msg, args...)
		}
	}
	number := 0
	for line := range bytes.Lines(data) {
		number++
		term := string(bytes.TrimSpace(line))
		switch {
		case term == "", term == "#", strings.HasPrefix(term, "# "):
			continue
		case strings.ContainsFunc(term, unicode.IsControl):
			fault(number, "a keyword must be without control characters")
		case utf8.RuneCountInString(term) > MaxWord:
			fault(number, "the keyword has %d characters; at most %d are allowed", utf8.RuneCountInString(term), MaxWord)
		case !strings.ContainsFunc(term, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }):
			fault(number, "the keyword has no letter or digit and can never occur as a word")
		case strings.IndexByte(term, '*') >= 0:
			fault(number, "a star is not a wildcard here: write the forms out, or use regex")
		default:
			x.words = append(x.words, term)
		}
	}
	if faults > maxTermFaults {
		d.fault(x.file.node, "file %s: %d more of its lines are wrong", x.file.name, faults-maxTermFaults)
	}
	s.terms += len(x.words)
	switch {
	case faults > 0:
	case len(x.words) == 0:
		d.fault(x.file.node, "file %s: there is no keyword in it", x.file.name)
	case len(x.words) > MaxListWords:
		d.fault(x.file.node, "file %s holds %d keywords; at most %d are allowed", x.file.name, len(x.words), MaxListWords)
	case s.terms > MaxAllWords:
		d.fault(x.file.node, "with file %s the lists hold %d keywords; at most %d are allowed", x.file.name, s.terms, MaxAllWords)
	}
}
