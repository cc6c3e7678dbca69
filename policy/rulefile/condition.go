package rulefile

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"teamsdlp/policy"
	"teamsdlp/policy/detect"
)

// maxCount is the highest count a condition may ask for; as in Microsoft Purview.
const maxCount = 500

// conditionReader is a condition being read.
type conditionReader struct {
	set   *set
	depth int
	out   policy.Condition // nil: it had a fault
}

// conditionKind is one kind of condition: the key that names it, and the keys that
// may stand beside that one.
type conditionKind struct {
	name    string
	doc     string
	schema  schema
	read    func(d *decoder, n *yaml.Node, c *conditionReader)
	options []field[policy.Detect]
}

// unsupported are the conditions of the rule file format that this version does not
// have yet.
var unsupported = []string{"near", "audience_size", "recipient_domain", "attachment", "has", "link_domain", "importance", "mentions", "time", "edited"}

func conditionKinds() []conditionKind {
	self := schema{"$ref": "#/$defs/condition"}
	return []conditionKind{
		{name: "all", doc: "Every one of these conditions holds.", schema: schema{"type": "array", "minItems": 1, "items": self}, read: func(d *decoder, n *yaml.Node, c *conditionReader) {
			if list := d.conditions(n, "all", c); list != nil {
				c.out = policy.All(list)
			}
		}},
		{name: "any", doc: "One of these conditions holds.", schema: schema{"type": "array", "minItems": 1, "items": self}, read: func(d *decoder, n *yaml.Node, c *conditionReader) {
			if list := d.conditions(n, "any", c); list != nil {
				c.out = policy.Any(list)
			}
		}},
		{name: "not", doc: "This condition does not hold.", schema: self, read: func(d *decoder, n *yaml.Node, c *conditionReader) {
			if inner := d.condition(n, c.set, c.depth+1); inner != nil {
				c.out = policy.Not{Condition: inner}
			}
		}},
		{name: "detect", doc: "A detector, built-in or of your own, found something.", schema: anyText, options: detectFields(), read: (*decoder).detectCondition},
		{name: "keyword", doc: "One of these words or phrases occurs, whatever its case and accents.", schema: strs, read: func(d *decoder, n *yaml.Node, c *conditionReader) {
			if terms := d.words(n, "keyword", false); len(terms) > 0 {
				c.out = &policy.Keywords{Terms: terms}
			}
		}},
		{name: "list", doc: "A word of one of these named lists occurs.", schema: oneOrMore(idText), read: (*decoder).listCondition},
		{name: "regex", doc: "This RE2 regular expression matches the text.", schema: schema{"type": "string", "minLength": 1, "maxLength": MaxPattern}, read: func(d *decoder, n *yaml.Node, c *conditionReader) {
			if re := d.pattern(n); re != nil {
				c.out = &policy.Regex{Pattern: re}
			}
		}},
		{name: "audience", doc: "Who can read the conversation. internal: accounts of the organisation only. external: somebody else as well, guests included. guest: a guest as well.", schema: words(audienceWords), read: func(d *decoder, n *yaml.Node, c *conditionReader) {
			if s, ok := d.oneOf(n, "audience", audienceWords); ok {
				c.out = policy.Audience(s)
			}
		}},
		{name: "conversation", doc: "The kind of conversation; chat and channel stand for all of a kind.", schema: oneOrMore(words(conversationWords)), read: func(d *decoder, n *yaml.Node, c *conditionReader) {
			if kinds := d.conversations(n); len(kinds) > 0 {
				c.out = policy.InConversation(kinds)
			}
		}},
		{name: "sender", doc: "Who said it. All keys that are there must hold.", schema: schema{"$ref": "#/$defs/sender"}, read: (*decoder).senderCondition},
	}
}

func detectFields() []field[policy.Detect] {
	count := schema{"$ref": "#/$defs/count"}
	return []field[policy.Detect]{
		{name: "confidence", doc: "The lowest confidence that counts; default low.", schema: schema{"enum": []any{"low", "medium", "high", 65, 75, 85}}, read: func(d *decoder, n *yaml.Node, x *policy.Detect) {
			x.Level = d.level(n, false)
		}},
		{name: "count", doc: "How many matches: a number is at least that many. Default 1.", schema: count, read: func(d *decoder, n *yaml.Node, x *policy.Detect) {
			x.Count = d.count(n, "count")
		}},
		{name: "distinct", doc: "How many different values: a number is at least that many.", schema: count, read: func(d *decoder, n *yaml.Node, x *policy.Detect) {
			x.Distinct = d.count(n, "distinct")
		}},
		{name: "ignore_known_test", doc: "Published test values do not count; default false.", schema: boolean, read: func(d *decoder, n *yaml.Node, x *policy.Detect) {
			x.IgnoreKnownTest, _ = d.boolean(n, "ignore_known_test")
		}},
	}
}

func countFields() []field[policy.Range] {
	n := schema{"type": "integer", "minimum": 1, "maximum": maxCount}
	return []field[policy.Range]{
		{name: "min", doc: "At least so many.", schema: n, read: func(d *decoder, n *yaml.Node, r *policy.Range) { r.Min = d.integer(n, "min", maxCount) }},
		{name: "max", doc: "At most so many.", schema: n, read: func(d *decoder, n *yaml.Node, r *policy.Range) { r.Max = d.integer(n, "max", maxCount) }},
	}
}

// count returns a range: 3 is at least 3, {min: 2, max: 5} is what it says.
func (d *decoder) count(n *yaml.Node, what string) policy.Range {
	var r policy.Range
	if n.Kind != yaml.MappingNode {
		r.Min = d.integer(n, what, maxCount)
		return r
	}
	object(d, n, what, countFields(), &r)
	switch {
	case len(n.Content) == 0:
		d.fault(n, "%s needs min or max", what)
	case r.Max > 0 && r.Min > r.Max:
		d.fault(n, "%s: min %d is more than max %d", what, r.Min, r.Max)
	}
	return r
}

// condition returns the condition that n is, or nil after a fault.
func (d *decoder) condition(n *yaml.Node, s *set, depth int) policy.Condition {
	if depth > MaxDepth {
		d.fault(n, "conditions are nested more than %d deep", MaxDepth)
		return nil
	}
	if n.Kind != yaml.MappingNode {
		d.fault(n, "a condition must be a mapping (detect: credit-card), not %s", kindOf(n))
		return nil
	}
	kinds := conditionKinds()
	head := d.head(n, kinds)
	if head == nil {
		return nil
	}
	c := &conditionReader{set: s, depth: depth}
	before := len(*d.faults)
	var options policy.Detect
	seen := map[string]*yaml.Node{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		if !d.newKey(key, seen) {
			continue
		}
		if key.Value == head.name {
			head.read(d, value, c)
			continue
		}
		at := slices.IndexFunc(head.options, func(f field[policy.Detect]) bool { return f.name == key.Value })
		switch {
		case at >= 0:
			head.options[at].read(d, value, &options)
		case slices.ContainsFunc(kinds, func(k conditionKind) bool { return k.name == key.Value }), slices.Contains(unsupported, key.Value):
			d.fault(key, "a condition has one kind, and this one is %q already: join it with %q under all or any", head.name, key.Value)
		default:
			d.unknownKey(key, "condition "+head.name, fieldNames(head.options))
		}
	}
	if x, ok := c.out.(*policy.Detect); ok {
		options.Detector = x.Detector
		if options.Level == 0 {
			options.Level = detect.Low
		}
		*x = options
	}
	if len(*d.faults) > before {
		return nil
	}
	return c.out
}

// head returns the kind of condition that n is. The first key that names one
// decides; a key that names one of a later version is refused by name.
func (d *decoder) head(n *yaml.Node, kinds []conditionKind) *conditionKind {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if slices.Contains(unsupported, key.Value) {
			d.fault(key, "condition %q is not supported yet by this version", key.Value)
			return nil
		}
		if at := slices.Index(names, key.Value); at >= 0 {
			return &kinds[at]
		}
	}
	if len(n.Content) == 0 {
		d.fault(n, "an empty condition; it is one of %s", strings.Join(names, ", "))
		return nil
	}
	key := n.Content[0]
	d.fault(key, "unknown condition %q%s; it is one of %s", clip(key.Value), didYouMean(key.Value, slices.Concat(names, unsupported)), strings.Join(names, ", "))
	return nil
}

func (d *decoder) conditions(n *yaml.Node, what string, c *conditionReader) []policy.Condition {
	items := d.items(n, what)
	if len(items) == 0 {
		if n.Kind == yaml.SequenceNode {
			d.fault(n, "%s needs at least one condition", what)
		}
		return nil
	}
	list := make([]policy.Condition, 0, len(items))
	for _, item := range items {
		if x := d.condition(item, c.set, c.depth+1); x != nil {
			list = append(list, x)
		}
	}
	if len(list) < len(items) {
		return nil
	}
	return list
}

func (d *decoder) detectCondition(n *yaml.Node, c *conditionReader) {
	if n.Kind == yaml.SequenceNode {
		d.fault(n, "detect takes one detector: join several under any, as any: [{detect: a}, {detect: b}]")
		return
	}
	id, ok := d.text(n, "detect")
	if !ok {
		return
	}
	own := c.set.detectors[id]
	if own != nil {
		own.used = true
	}
	if own == nil && !c.set.engine.Has(id) {
		guess := didYouMean(id, c.set.known)
		if guess == "" {
			guess = "; teamsdlp rules show detectors lists them"
			if near := holding(id, c.set.known); near != "" {
				guess = fmt.Sprintf(" (there is %s)%s", near, guess)
			}
		}
		d.fault(n, "unknown detector %q%s", clip(id), guess)
		return
	}
	c.out = &policy.Detect{Detector: id}
}

func (d *decoder) listCondition(n *yaml.Node, c *conditionReader) {
	var found policy.Any
	for _, e := range d.texts(n, "list") {
		l := c.set.lists[e.value]
		if l == nil {
			hint := cmp.Or(didYouMean(e.value, keys(c.set.lists)), "; lists are defined under lists, as {id: names, words: [a, b]}")
			d.fault(e.node, "unknown list %q%s", clip(e.value), hint)
			continue
		}
		l.used = true
		found = append(found, &policy.Keywords{List: l.id, Terms: l.words})
	}
	switch len(found) {
	case 0:
	case 1:
		c.out = found[0]
	default:
		c.out = found
	}
}

// senderReader is a sender condition being read.
type senderReader struct {
	policy.SentBy
	set *set
}

func senderFields() []field[senderReader] {
	return []field[senderReader]{
		{name: "user", doc: "One of these users, by object id.", schema: oneOrMore(guidText), read: func(d *decoder, n *yaml.Node, s *senderReader) { s.Users = d.users(n) }},
		{name: "domain", doc: "Of one of these domains.", schema: strs, read: func(d *decoder, n *yaml.Node, s *senderReader) { s.Domains = d.domains(n) }},
		{name: "group", doc: "A member of one of these groups.", schema: oneOrMore(idText), read: func(d *decoder, n *yaml.Node, s *senderReader) { s.Groups = d.groupRefs(n, s.set) }},
		{name: "guest", doc: "A guest, or not.", schema: boolean, read: func(d *decoder, n *yaml.Node, s *senderReader) {
			if b, ok := d.boolean(n, "guest"); ok {
				s.Guest = &b
			}
		}},
		{name: "app", doc: "A bot or connector, or not.", schema: boolean, read: func(d *decoder, n *yaml.Node, s *senderReader) {
			if b, ok := d.boolean(n, "app"); ok {
				s.App = &b
			}
		}},
	}
}

func (d *decoder) senderCondition(n *yaml.Node, c *conditionReader) {
	s := senderReader{set: c.set}
	if !object(d, n, "condition sender", senderFields(), &s) {
		return
	}
	if len(n.Content) == 0 {
		d.fault(n, "condition sender needs one of %s", strings.Join(fieldNames(senderFields()), ", "))
		return
	}
	c.out = s.SentBy
}

// pattern compiles a regular expression, or says what is wrong with it.
func (d *decoder) pattern(n *yaml.Node) *regexp.Regexp {
	s, ok := d.text(n, "a regular expression")
	if !ok {
		return nil
	}
	if len(s) > MaxPattern {
		d.fault(n, "a regular expression has %d bytes; at most %d are allowed", len(s), MaxPattern)
		return nil
	}
	if tree, err := syntax.Parse(s, syntax.Perl); err == nil { // else Compile says why not
		steps, ranges := stepsOf(tree)
		size := steps + ranges/10 // ten take the room of a step
		if size > MaxSteps {
			d.fault(n, "a regular expression has %d steps with its repetitions written out; at most %d are allowed: shorten them", size, MaxSteps)
			return nil
		}
		if *d.steps += size; *d.steps > MaxAllSteps {
			d.fault(n, "with this one the regular expressions have %d steps; at most %d are allowed: take some out, or shorten their repetitions", *d.steps, MaxAllSteps)
			return nil
		}
	}
	re, err := regexp.Compile(s)
	if err != nil {
		d.fault(n, "%v", patternError{err})
		return nil
	}
	for _, sample := range []string{"", "a", " a b ", "1-2", "\n"} {
		if at := re.FindStringIndex(sample); at != nil && at[0] == at[1] {
			d.fault(n, "a regular expression that matches the empty text matches everywhere")
			return nil
		}
	}
	return re
}

// stepsOf is about how many steps an expression is compiled to, and how many bounds of
// ranges its classes hold: package regexp writes every repetition out, but for these, so
// that a few characters can stand for a hundred megabytes, and each byte of a message may
// be looked at by every step.
func stepsOf(re *syntax.Regexp) (steps, ranges int) {
	steps = 1
	switch re.Op {
	case syntax.OpLiteral:
		steps = len(re.Rune)
	case syntax.OpCharClass:
		ranges = len(re.Rune)
	}
	for _, sub := range re.Sub {
		s, r := stepsOf(sub)
		steps, ranges = steps+s, ranges+r
	}
	if re.Op == syntax.OpRepeat {
		steps *= max(1, re.Min, re.Max)
	}
	return steps, ranges
}

// patternError words an error of package regexp for people who know other
// dialects. It unwraps to the error itself.
type patternError struct{ err error }

// lookAround begins what package regexp names as the wrong part of a pattern.
var lookAround = []string{"(?=", "(?!", "(?<=", "(?<!", "(?<"}

func (e patternError) Unwrap() error { return e.err }

func (e patternError) Error() string {
	var s *syntax.Error
	if !errors.As(e.err, &s) {
		return e.err.Error()
	}
	const why = ": patterns are RE2, which takes time linear in the text"
	switch {
	case slices.ContainsFunc(lookAround, func(p string) bool { return strings.HasPrefix(s.Expr, p) }):
		return "look-around (" + clip(s.Expr) + ") is not supported" + why
	case s.Code == syntax.ErrInvalidPerlOp && strings.HasPrefix(s.Expr, "(?>"):
		return "an atomic group is not supported" + why
	case s.Code == syntax.ErrInvalidEscape && len(s.Expr) == 2 && s.Expr[1] >= '1' && s.Expr[1] <= '9':
		return "a back-reference (" + s.Expr + ") is not supported" + why
	case s.Code == syntax.ErrInvalidRepeatOp:
		return "a possessive or doubled repeat (" + s.Expr + ") is not supported" + why
	}
	return "bad regular expression: " + string(s.Code) + " at " + clip(s.Expr)
}
