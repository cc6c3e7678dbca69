package rulefile

import (
	"fmt"
	"io/fs"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"go.yaml.in/yaml/v3"

	"teamsdlp/policy"
	"teamsdlp/policy/detect"
)

// set is what the files of a directory say, before it is compiled.
type set struct {
	detectors map[string]*detector
	lists     map[string]*list
	groups    map[string]*group
	rules     []*rule
	order     []string // ids of detectors, in file order
	ruleNodes []ruleNode
	faults    Faults
	engine    *detect.Engine
	known     []string // detector ids
	dir       string
	named     map[string][]byte // the files that rule files name
	modes     map[string]fs.FileMode
	bad       map[string]error // why one could not be read
	tables    map[string]*detect.Table
	terms     int // in files of keywords
	steps     int // of regular expressions
}

// place is where something was written.
type place struct {
	file, rule string
	line, col  int
}

func (d *decoder) place(n *yaml.Node) place {
	return place{d.file, d.rule, n.Line, n.Column}
}

type detector struct {
	detect.Detector
	place
	patterns []*yaml.Node
	exact    *exactRef // or
	form     *formRef  // instead of patterns
	node     *yaml.Node
	tests    tests[string]
	broken   bool // has faults already; the engine need not see it
	used     bool
}

type list struct {
	id    string
	words []string
	file  reference // instead of words
	place
	used bool
}

type group struct {
	policy.Group
	place
	used bool
}

// rule is one rule as it was written.
type rule struct {
	about      policy.Rule
	scope      policy.Scope
	when       policy.Condition
	exceptions []exception
	tests      tests[testMessage]
	place
	compiled *policy.Rule
}

type exception struct {
	policy.Exception
	place
}

// tests are the examples beside a rule or a detector.
type tests[T any] struct{ match, noMatch []example[T] }

type example[T any] struct {
	what T
	place
}

// ruleNode is a rule that waits until all names are known.
type ruleNode struct {
	file string
	node *yaml.Node
}

// file is the root of a rule file; its fields write into the set.
type file struct{ *set }

func fileFields() []field[file] {
	return []field[file]{
		{name: "detectors", doc: "Detectors of your own, in the form of the built-in ones.", schema: listOf(objectSchema(detectorFields())), read: (*decoder).detectors},
		{name: "lists", doc: "Named lists of keywords, for the condition list.", schema: listOf(objectSchema(listFields())), read: (*decoder).lists},
		{name: "groups", doc: "Directory groups under a name of your own. Always by object id: display names can be forged.", schema: listOf(objectSchema(groupFields())), read: (*decoder).groups},
		{name: "rules", doc: "The rules, in order: of two that are equally severe, the first gives the tip.", schema: listOf(objectSchema(ruleFields())), read: (*decoder).ruleList},
	}
}

func (d *decoder) detectors(n *yaml.Node, into *file) {
	for _, item := range d.items(n, "detectors") {
		x := &detector{place: d.place(item), node: item}
		before := len(*d.faults)
		if !object(d, item, "a detector", detectorFields(), x) || x.ID == "" {
			continue
		}
		d.oneKind(item)
		x.broken = len(*d.faults) > before
		if first := into.set.detectors[x.ID]; first != nil {
			d.twice(item, "detector", x.ID, first.place)
			continue
		}
		into.set.detectors[x.ID] = x
		into.order = append(into.order, x.ID)
	}
}

func (d *decoder) twice(n *yaml.Node, what, id string, first place) {
	at := n
	if v := find(n, "id"); v != nil {
		at = v
	}
	d.fault(at, "%s %q is already defined at %s:%d:%d", what, id, first.file, first.line, first.col)
}

// The words of a closed list, in the order in which faults print them.
var (
	levelWords    = []string{"low", "medium", "high"}
	severityWords = []string{"low", "medium", "high", "critical"}
	modeWords     = []string{"off", "shadow", "enforce"}
	actionWords   = []string{"notify", "block", "block-external"}
	overrideWords = []string{"none", "without-justification", "with-justification"}
	reportWords   = []string{"none", "review", "release"}
	audienceWords = []string{"internal", "external", "guest"}
)

var conversationWords = slices.Concat([]string{"chat", "channel"}, policy.ChatKinds, policy.ChannelKinds)

func detectorFields() []field[detector] {
	patterns := schema{"type": "array", "minItems": 1, "maxItems": MaxPatterns, "items": schema{"type": "string", "maxLength": MaxPattern}}
	return []field[detector]{
		{name: "id", doc: "What rules call it.", required: true, schema: idText, read: func(d *decoder, n *yaml.Node, x *detector) {
			x.ID = d.id(n, "a detector's id")
			x.place = d.place(n)
		}},
		{name: "name", doc: "What people call it.", schema: anyText, read: func(d *decoder, n *yaml.Node, x *detector) {
			x.Name, _ = d.line(n, "name", maxTitle)
		}},
		{name: "family", doc: "The family it is shown under; default content.", schema: anyText, read: func(d *decoder, n *yaml.Node, x *detector) {
			x.Family = d.id(n, "family")
		}},
		{name: "region", doc: "The country it belongs to, as two small letters.", schema: anyText, read: func(d *decoder, n *yaml.Node, x *detector) {
			x.Region = d.id(n, "region")
		}},
		{name: "patterns", doc: "RE2 regular expressions; one of them must match. A detector has patterns, exact or fingerprint.", schema: patterns, read: func(d *decoder, n *yaml.Node, x *detector) {
			x.patterns = d.items(n, "patterns")
			if len(x.patterns) == 0 && n.Kind == yaml.SequenceNode || len(x.patterns) > MaxPatterns {
				d.fault(n, "a detector has 1 to %d patterns, not %d", MaxPatterns, len(x.patterns))
			}
			for _, p := range x.patterns {
				if re := d.pattern(p); re != nil {
					x.Patterns = append(x.Patterns, re.String())
				}
			}
		}},
		{name: "exact", doc: "A table of your own records, made by teamsdlp edm build: values of its primary column are found.", schema: objectSchema(exactFields()), read: func(d *decoder, n *yaml.Node, x *detector) {
			x.exact = &exactRef{}
			object(d, n, "exact", exactFields(), x.exact)
		}},
		{name: "fingerprint", doc: "An empty form: its copies are found, filled in or not.", schema: objectSchema(formFields()), read: func(d *decoder, n *yaml.Node, x *detector) {
			x.form = &formRef{}
			object(d, n, "fingerprint", formFields(), x.form)
		}},
		{name: "validate", doc: "A named check on what a pattern found, as luhn, mod97 or verhoeff.", schema: words(validators()), read: func(d *decoder, n *yaml.Node, x *detector) {
			x.Validate, _ = d.oneOf(n, "validator", validators())
		}},
		{name: "context", doc: "Words nearby that raise the confidence.", schema: objectSchema(contextFields()), read: func(d *decoder, n *yaml.Node, x *detector) {
			object(d, n, "context", contextFields(), x)
		}},
		{name: "confidence", doc: "The confidence without and with such a word nearby, or of exact data without and with enough of the other columns. Without this key low and high; of exact data none and high, or medium where there is nothing to corroborate.", schema: objectSchema(confidenceFields()), read: func(d *decoder, n *yaml.Node, x *detector) {
			object(d, n, "confidence", confidenceFields(), x)
		}},
		{name: "tests", doc: "Texts that it must and must not match.", schema: objectSchema(detectorTestFields()), read: func(d *decoder, n *yaml.Node, x *detector) {
			object(d, n, "tests", detectorTestFields(), &x.tests)
		}},
	}
}

// validators are the named checks, sorted.
func validators() []string { return slices.Sorted(slices.Values(detect.Validators())) }

func contextFields() []field[detector] {
	return []field[detector]{
		{name: "words", doc: "Whole words or phrases, whatever their case and accents; a star at the end stands for any ending.", required: true, schema: strs, read: func(d *decoder, n *yaml.Node, x *detector) {
			x.Words = d.words(n, "words", true)
		}},
		{name: "within", doc: "How many characters away; default 300.", schema: schema{"type": "integer", "minimum": 1, "maximum": 1000}, read: func(d *decoder, n *yaml.Node, x *detector) {
			x.Within = d.integer(n, "within", 1000)
		}},
	}
}

func confidenceFields() []field[detector] {
	level := schema{"enum": []any{"none", "low", "medium", "high", 65, 75, 85}}
	return []field[detector]{
		{name: "alone", doc: "Without a context word or corroborating column; default none, which is not reported.", schema: level, read: func(d *decoder, n *yaml.Node, x *detector) {
			x.Alone = d.level(n, true)
		}},
		{name: "with_context", doc: "With a context word, or enough corroborating columns; default as alone.", schema: level, read: func(d *decoder, n *yaml.Node, x *detector) {
			x.WithContext = d.level(n, true)
		}},
	}
}

func detectorTestFields() []field[tests[string]] {
	read := func(d *decoder, n *yaml.Node, into *[]example[string]) {
		for _, item := range d.items(n, "tests") {
			if s, ok := d.text(item, "a test"); ok {
				*into = append(*into, example[string]{s, d.place(item)})
			}
		}
	}
	return []field[tests[string]]{
		{name: "match", doc: "Texts in which it must be found.", schema: listOf(anyText), read: func(d *decoder, n *yaml.Node, t *tests[string]) { read(d, n, &t.match) }},
		{name: "no_match", doc: "Texts in which it must not.", schema: listOf(anyText), read: func(d *decoder, n *yaml.Node, t *tests[string]) { read(d, n, &t.noMatch) }},
	}
}

// level returns a confidence by its name or its number in Microsoft Purview.
func (d *decoder) level(n *yaml.Node, none bool) detect.Level {
	levels := map[string]detect.Level{"low": detect.Low, "medium": detect.Medium, "high": detect.High, "65": detect.Low, "75": detect.Medium, "85": detect.High}
	words := levelWords
	if none {
		levels["none"], words = 0, slices.Concat([]string{"none"}, levelWords)
	}
	if n.Kind == yaml.ScalarNode {
		if l, ok := levels[n.Value]; ok {
			return l
		}
	}
	d.fault(n, "unknown confidence %q%s; it is one of %s (65, 75, 85)", clip(n.Value), didYouMean(n.Value, words), strings.Join(words, ", "))
	return 0
}

// words returns the keywords of a list. Only context words of a detector may end in
// a star, which stands for any ending.
func (d *decoder) words(n *yaml.Node, what string, star bool) []string {
	var out []string
	for _, e := range d.texts(n, what) {
		word, ok := d.line(e.node, "a keyword", MaxWord)
		if !ok {
			continue
		}
		if !strings.ContainsFunc(word, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }) {
			d.fault(e.node, "keyword %q has no letter or digit and can never occur as a word", word)
			continue
		}
		word = strings.TrimSpace(word)
		if at := strings.IndexByte(word, '*'); at >= 0 && (!star || at < len(word)-1) {
			d.fault(e.node, "keyword %q: a star is not a wildcard here; write the forms out, or use regex", word)
			continue
		}
		out = append(out, word)
	}
	if len(out) > MaxWords {
		d.fault(n, "%s holds %d keywords; at most %d are allowed", what, len(out), MaxWords)
	}
	return out
}

func (d *decoder) lists(n *yaml.Node, into *file) {
	for _, item := range d.items(n, "lists") {
		x := &list{place: d.place(item)}
		if !object(d, item, "a list", listFields(), x) || x.id == "" {
			continue
		}
		if (find(item, "words") == nil) == (find(item, "file") == nil) {
			d.fault(item, "a list has one of the keys words and file")
		}
		if x.file.node != nil {
			into.set.termsOf(d, x)
		}
		if first := into.set.lists[x.id]; first != nil {
			d.twice(item, "list", x.id, first.place)
			continue
		}
		into.set.lists[x.id] = x
	}
}

func listFields() []field[list] {
	return []field[list]{
		{name: "id", doc: "What rules call it.", required: true, schema: idText, read: func(d *decoder, n *yaml.Node, x *list) {
			x.id = d.id(n, "a list's id")
			x.place = d.place(n)
		}},
		{name: "words", doc: "Whole words or phrases, whatever their case and accents.", schema: strs, read: func(d *decoder, n *yaml.Node, x *list) {
			x.words = d.words(n, "words", false)
		}},
		{name: "file", doc: "Instead of words: a text file in the rule directory or below it, with one of them a line. Lines that begin with # and a blank are comments.", schema: anyText, read: func(d *decoder, n *yaml.Node, x *list) {
			x.file = d.beside(n, "file")
		}},
	}
}

func (d *decoder) groups(n *yaml.Node, into *file) {
	for _, item := range d.items(n, "groups") {
		x := &group{place: d.place(item)}
		if !object(d, item, "a group", groupFields(), x) || x.Name == "" {
			continue
		}
		if first := into.set.groups[x.Name]; first != nil {
			d.twice(item, "group", x.Name, first.place)
			continue
		}
		into.set.groups[x.Name] = x
	}
}

func groupFields() []field[group] {
	return []field[group]{
		{name: "id", doc: "What rules call it.", required: true, schema: idText, read: func(d *decoder, n *yaml.Node, x *group) {
			x.Name = d.id(n, "a group's id")
			x.place = d.place(n)
		}},
		{name: "object_id", doc: "The group's object id in the directory.", required: true, schema: guidText, read: func(d *decoder, n *yaml.Node, x *group) {
			x.ObjectID, _ = d.guid(n, "object_id")
		}},
	}
}

// ruleList only takes the rules down: what they name may be in a later file.
func (d *decoder) ruleList(n *yaml.Node, into *file) {
	for _, item := range d.items(n, "rules") {
		into.ruleNodes = append(into.ruleNodes, ruleNode{d.file, item})
	}
}

// ruleReader is a rule being read, with the names it may use.
type ruleReader struct {
	*rule
	set *set
}

func ruleFields() []field[ruleReader] {
	about := func(name, doc string, s schema, read func(*decoder, *yaml.Node, *policy.Rule)) field[ruleReader] {
		return field[ruleReader]{name: name, doc: doc, schema: s, read: func(d *decoder, n *yaml.Node, r *ruleReader) { read(d, n, &r.about) }}
	}
	needed := func(f field[ruleReader]) field[ruleReader] { f.required = true; return f }
	return []field[ruleReader]{
		needed(about("id", "Names the rule in the log, for good.", idText, func(d *decoder, n *yaml.Node, r *policy.Rule) {
			r.ID = d.id(n, "a rule's id")
			r.Line = n.Line
		})),
		about("title", "What the sender is told the rule is about; default the id.", schema{"type": "string", "maxLength": maxTitle}, func(d *decoder, n *yaml.Node, r *policy.Rule) {
			r.Title = d.shown(n, "title", maxTitle)
		}),
		about("owner", "Who answers for the rule.", anyText, func(d *decoder, n *yaml.Node, r *policy.Rule) {
			r.Owner, _ = d.line(n, "owner", maxTitle)
		}),
		about("severity", "How bad a match is; default medium.", words(severityWords), func(d *decoder, n *yaml.Node, r *policy.Rule) {
			s, _ := d.oneOf(n, "severity", severityWords)
			r.Severity = policy.Severity(s)
		}),
		needed(about("mode", "off: not judged. shadow: judged and logged, changes nothing in Teams. enforce: acts.", words(modeWords), func(d *decoder, n *yaml.Node, r *policy.Rule) {
			s, _ := d.oneOf(n, "mode", modeWords)
			r.Mode = policy.Mode(s)
		})),
		{name: "scope", doc: "Where and for whom it is judged; default everywhere and everybody.", schema: objectSchema(scopeFields()), read: func(d *decoder, n *yaml.Node, r *ruleReader) {
			object(d, n, "scope", scopeFields(), r)
		}},
		{name: "when", doc: "The condition under which it matches.", required: true, schema: schema{"$ref": "#/$defs/condition"}, read: func(d *decoder, n *yaml.Node, r *ruleReader) {
			r.when = d.condition(n, r.set, 1)
		}},
		needed(about("action", "notify: the sender is told. block: nobody can read it. block-external: people outside the organisation cannot.", words(actionWords), func(d *decoder, n *yaml.Node, r *policy.Rule) {
			s, _ := d.oneOf(n, "action", actionWords)
			r.Action = policy.Action(s)
		})),
		about("tip", "What the sender is told.", objectSchema(tipFields()), func(d *decoder, n *yaml.Node, r *policy.Rule) {
			object(d, n, "tip", tipFields(), &r.Tip)
		}),
		about("override", "Whether the sender may lift the block; default none.", words(overrideWords), func(d *decoder, n *yaml.Node, r *policy.Rule) {
			s, _ := d.oneOf(n, "override", overrideWords)
			r.Override = policy.Override(s)
		}),
		about("report_false_positive", "What the sender's report of a false positive does; none sends no tip, because Teams offers a report wherever there is a tip. Default review.", words(reportWords), func(d *decoder, n *yaml.Node, r *policy.Rule) {
			s, _ := d.oneOf(n, "report_false_positive", reportWords)
			r.Report = policy.Report(s)
		}),
		{name: "exceptions", doc: "Where the rule, though it matches, does not act.", schema: listOf(objectSchema(exceptionFields())), read: func(d *decoder, n *yaml.Node, r *ruleReader) {
			d.exceptions(n, r)
		}},
		{name: "tests", doc: "Messages that the rule must and must not match. They run whenever the rules are loaded.", schema: objectSchema(ruleTestFields()), read: func(d *decoder, n *yaml.Node, r *ruleReader) {
			object(d, n, "tests", ruleTestFields(), r)
		}},
	}
}

// looksLikeHTML finds what Teams would show as it stands.
var looksLikeHTML = regexp.MustCompile(`<[a-zA-Z/!]|&(#[0-9]+|#x[0-9a-fA-F]+|[a-zA-Z]+);`)

// shown is text that Teams shows to the sender: plain, on one line.
func (d *decoder) shown(n *yaml.Node, what string, limit int) string {
	s, ok := d.line(n, what, limit)
	if ok && looksLikeHTML.MatchString(s) {
		d.fault(n, "%s must be plain text: Teams shows HTML as it stands", what)
		return ""
	}
	return s
}

func tipFields() []field[policy.Tip] {
	return []field[policy.Tip]{
		{name: "text", doc: "The explanation: plain text of at most 256 characters.", required: true, schema: schema{"type": "string", "minLength": 1, "maxLength": MaxTip}, read: func(d *decoder, n *yaml.Node, t *policy.Tip) {
			t.Text = d.shown(n, "tip.text", MaxTip)
		}},
		{name: "url", doc: "Where to read more; https.", schema: schema{"type": "string", "format": "uri", "pattern": "^https://"}, read: func(d *decoder, n *yaml.Node, t *policy.Tip) {
			s, ok := d.line(n, "tip.url", 2048)
			if !ok {
				return
			}
			if u, err := url.Parse(s); err != nil || u.Scheme != "https" || u.Host == "" || u.User != nil {
				d.fault(n, "tip.url %q must be an https URL", clip(s))
				return
			}
			t.URL = s
		}},
	}
}

func scopeFields() []field[ruleReader] {
	return []field[ruleReader]{
		{name: "conversations", doc: "Kinds of conversation; chat and channel stand for all of a kind.", schema: oneOrMore(words(conversationWords)), read: func(d *decoder, n *yaml.Node, r *ruleReader) {
			r.scope.Conversations = d.conversations(n)
		}},
		{name: "senders", doc: "Who must, or must not, have said it.", schema: objectSchema(scopeSenderFields()), read: func(d *decoder, n *yaml.Node, r *ruleReader) {
			object(d, n, "senders", scopeSenderFields(), r)
		}},
	}
}

func scopeSenderFields() []field[ruleReader] {
	return []field[ruleReader]{
		{name: "users", doc: "Only these users, by object id.", schema: oneOrMore(guidText), read: func(d *decoder, n *yaml.Node, r *ruleReader) { r.scope.Users = d.users(n) }},
		{name: "not_users", doc: "Not these users, by object id.", schema: oneOrMore(guidText), read: func(d *decoder, n *yaml.Node, r *ruleReader) { r.scope.NotUsers = d.users(n) }},
		{name: "domains", doc: "Only senders of these domains.", schema: strs, read: func(d *decoder, n *yaml.Node, r *ruleReader) { r.scope.Domains = d.domains(n) }},
		{name: "not_domains", doc: "Not senders of these domains.", schema: strs, read: func(d *decoder, n *yaml.Node, r *ruleReader) { r.scope.NotDomains = d.domains(n) }},
		{name: "in_groups", doc: "Only members of one of these groups.", schema: oneOrMore(idText), read: func(d *decoder, n *yaml.Node, r *ruleReader) { r.scope.InGroups = d.groupRefs(n, r.set) }},
		{name: "not_in_groups", doc: "Not members of any of these groups.", schema: oneOrMore(idText), read: func(d *decoder, n *yaml.Node, r *ruleReader) { r.scope.NotInGroups = d.groupRefs(n, r.set) }},
	}
}

// conversations returns kinds of conversation, the short words spelled out.
func (d *decoder) conversations(n *yaml.Node) []string {
	kinds := []string{}
	add := func(list ...string) {
		for _, k := range list {
			if !slices.Contains(kinds, k) {
				kinds = append(kinds, k)
			}
		}
	}
	for _, e := range d.texts(n, "conversations") {
		word, ok := d.oneOf(e.node, "conversation", conversationWords)
		switch {
		case !ok:
		case word == "chat":
			add(policy.ChatKinds...)
		case word == "channel":
			add(policy.ChannelKinds...)
		default:
			add(word)
		}
	}
	return kinds
}

func (d *decoder) users(n *yaml.Node) []string {
	ids := []string{}
	for _, e := range d.texts(n, "users") {
		if id, ok := d.guid(e.node, "user"); ok {
			ids = append(ids, id)
		}
	}
	return ids
}

var goodDomain = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z0-9]([a-z0-9-]*[a-z0-9])?$`)

func (d *decoder) domains(n *yaml.Node) []string {
	list := []string{}
	for _, e := range d.texts(n, "domain") {
		s := strings.ToLower(e.value)
		if !goodDomain.MatchString(s) {
			d.fault(e.node, "domain %q must be a whole domain name, as contoso.com; a sub-domain is named by itself", clip(e.value))
			continue
		}
		list = append(list, s)
	}
	return list
}

// groupRefs resolves names of groups.
func (d *decoder) groupRefs(n *yaml.Node, s *set) []policy.Group {
	list := []policy.Group{}
	for _, e := range d.texts(n, "groups") {
		g := s.groups[e.value]
		if g == nil {
			d.fault(e.node, "unknown group %q%s; groups are defined under groups, by object id", clip(e.value), didYouMean(e.value, keys(s.groups)))
			continue
		}
		g.used = true
		list = append(list, g.Group)
	}
	return list
}

func keys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}

// exceptionReader is an exception being read.
type exceptionReader struct {
	*exception
	set *set
}

func (d *decoder) exceptions(n *yaml.Node, r *ruleReader) {
	seen := map[string]place{}
	for _, item := range d.items(n, "exceptions") {
		e := exception{place: d.place(item)}
		if !object(d, item, "an exception", exceptionFields(), &exceptionReader{&e, r.set}) {
			continue
		}
		if first, ok := seen[e.ID]; ok && e.ID != "" {
			d.twice(item, "exception", e.ID, first)
		}
		seen[e.ID] = e.place
		r.rule.exceptions = append(r.rule.exceptions, e)
	}
}

func exceptionFields() []field[exceptionReader] {
	return []field[exceptionReader]{
		{name: "id", doc: "Names the exception in the log.", required: true, schema: idText, read: func(d *decoder, n *yaml.Node, e *exceptionReader) {
			e.ID = d.id(n, "an exception's id")
			e.place = d.place(n)
		}},
		{name: "reason", doc: "Why it is there.", required: true, schema: anyText, read: func(d *decoder, n *yaml.Node, e *exceptionReader) {
			e.Reason, _ = d.line(n, "reason", 1024)
		}},
		{name: "owner", doc: "Who answers for it.", schema: anyText, read: func(d *decoder, n *yaml.Node, e *exceptionReader) {
			e.Owner, _ = d.line(n, "owner", maxTitle)
		}},
		{name: "expires", doc: "The last day on which it applies (UTC).", schema: schema{"type": "string", "format": "date"}, read: func(d *decoder, n *yaml.Node, e *exceptionReader) {
			day, err := time.Parse(time.DateOnly, n.Value)
			if n.Kind != yaml.ScalarNode || err != nil {
				d.fault(n, "expires must be a date, as 2027-03-31")
				return
			}
			e.Expires = day.AddDate(0, 0, 1)
		}},
		{name: "when", doc: "The condition under which it applies.", required: true, schema: schema{"$ref": "#/$defs/condition"}, read: func(d *decoder, n *yaml.Node, e *exceptionReader) {
			e.When = d.condition(n, e.set, 1)
		}},
	}
}

// readRule reads a rule, after all names are known.
func (s *set) readRule(n ruleNode) {
	d := &decoder{file: n.file, faults: &s.faults, steps: &s.steps}
	if id := find(n.node, "id"); id != nil && id.Kind == yaml.ScalarNode {
		d.rule = clip(id.Value)
	}
	r := &rule{place: d.place(n.node), about: policy.Rule{File: n.file, Line: n.node.Line}}
	before := len(s.faults)
	if !object(d, n.node, "a rule", ruleFields(), &ruleReader{r, s}) {
		return
	}
	if id := find(n.node, "id"); id != nil {
		r.line, r.col = id.Line, id.Column
	}
	r.defaults()
	d.ruleWhole(n.node, r)
	if at := slices.IndexFunc(s.rules, func(o *rule) bool { return o.about.ID == r.about.ID }); at >= 0 && r.about.ID != "" {
		d.twice(n.node, "rule", r.about.ID, s.rules[at].place)
	}
	if len(s.faults) == before || r.about.ID != "" {
		s.rules = append(s.rules, r)
	}
}

func (r *rule) defaults() {
	if r.about.Title == "" {
		r.about.Title = r.about.ID
	}
	if r.about.Severity == "" {
		r.about.Severity = policy.Medium
	}
	if r.about.Override == "" {
		r.about.Override = policy.NoOverride
	}
	if r.about.Report == "" {
		r.about.Report = policy.ReviewReport
	}
}

// ruleWhole checks what no single key can.
func (d *decoder) ruleWhole(n *yaml.Node, r *rule) {
	if r.about.Action != policy.Notify {
		return
	}
	switch {
	case find(n, "tip") == nil:
		d.fault(n, "action notify needs a tip: it is all the sender is told")
	case r.about.Report == policy.NoReport:
		d.fault(find(n, "report_false_positive"), "action notify with report_false_positive none would do nothing: none sends no tip")
	}
}

// compile makes the rule that the engine judges by.
func (r *rule) compile() *policy.Rule {
	list := make([]policy.Exception, len(r.exceptions))
	for i, e := range r.exceptions {
		list[i] = e.Exception
	}
	r.compiled = policy.NewRule(r.about, r.scope, r.when, list)
	return r.compiled
}

func (p place) String() string { return fmt.Sprintf("%s:%d:%d", p.file, p.line, p.col) }
