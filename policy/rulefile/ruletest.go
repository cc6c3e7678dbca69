package rulefile

import (
	"fmt"
	"time"

	"go.yaml.in/yaml/v3"

	"teamsdlp/policy"
	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
)

// TestResult is the outcome of one test beside a rule or a detector.
type TestResult struct {
	Rule     string `json:"rule,omitempty"`     // of the rule's test; or
	Detector string `json:"detector,omitempty"` // of the detector's
	File     string `json:"file"`
	Line     int    `json:"line"`
	Col      int    `json:"col"`
	Want     string `json:"want"` // match or no_match
	Passed   bool   `json:"passed"`
	Reason   string `json:"reason"` // why it came out as it did
}

// testMessage is the message of a rule's test, and what it says of its
// surroundings.
type testMessage struct {
	text    *extract.Text
	sender  policy.Sender
	channel *bool // nil: not said
	context policy.Context
}

// testSender is what a test says of who speaks.
type testSender struct {
	set    *set
	sender policy.Sender
	person *policy.Person
	groups map[string]bool
}

// testReader is a rule's test being read.
type testReader struct {
	text, subject string
	html          bool
	kind          string
	channel       *bool
	audience      string
	testSender
}

// somebody is the sender of a test that does not name one.
const somebody = "00000000-0000-0000-0000-000000000001"

func ruleTestFields() []field[ruleReader] {
	item := schema{"oneOf": []any{anyText, objectSchema(testFields())}}
	read := func(d *decoder, n *yaml.Node, r *ruleReader, into *[]example[testMessage]) {
		for _, item := range d.items(n, "tests") {
			if m, ok := d.testMessage(item, r.set); ok {
				*into = append(*into, example[testMessage]{m, d.place(item)})
			}
		}
	}
	return []field[ruleReader]{
		{name: "match", doc: "Messages that it must match: a text, or a mapping.", schema: listOf(item), read: func(d *decoder, n *yaml.Node, r *ruleReader) { read(d, n, r, &r.tests.match) }},
		{name: "no_match", doc: "Messages that it must not.", schema: listOf(item), read: func(d *decoder, n *yaml.Node, r *ruleReader) { read(d, n, r, &r.tests.noMatch) }},
	}
}

func testFields() []field[testReader] {
	return []field[testReader]{
		{name: "text", doc: "The message as plain text.", schema: schema{"type": "string"}, read: func(d *decoder, n *yaml.Node, t *testReader) {
			t.text, _ = d.text(n, "text")
		}},
		{name: "html", doc: "The message as Teams' markup.", schema: schema{"type": "string"}, read: func(d *decoder, n *yaml.Node, t *testReader) {
			t.text, _ = d.text(n, "html")
			t.html = true
		}},
		{name: "subject", doc: "The subject of a channel message.", schema: anyText, read: func(d *decoder, n *yaml.Node, t *testReader) {
			t.subject, _ = d.text(n, "subject")
		}},
		{name: "sender", doc: "Who says it; what is left out is not known.", schema: objectSchema(testSenderFields()), read: func(d *decoder, n *yaml.Node, t *testReader) {
			object(d, n, "sender", testSenderFields(), &t.testSender)
		}},
		{name: "conversation", doc: "Where it is said; without, it is tried in a chat and in a channel.", schema: words(conversationWords), read: func(d *decoder, n *yaml.Node, t *testReader) {
			word, ok := d.oneOf(n, "conversation", conversationWords)
			if !ok {
				return
			}
			channel := word == "channel"
			for _, k := range policy.ChannelKinds {
				channel = channel || word == k
			}
			t.channel = &channel
			if word != "chat" && word != "channel" {
				t.kind = word
			}
		}},
		{name: "audience", doc: "Who can read it; without, it is not known.", schema: words(audienceWords), read: func(d *decoder, n *yaml.Node, t *testReader) {
			t.audience, _ = d.oneOf(n, "audience", audienceWords)
		}},
	}
}

func testSenderFields() []field[testSender] {
	person := func(t *testSender) *policy.Person {
		if t.person == nil {
			t.person = &policy.Person{}
		}
		return t.person
	}
	return []field[testSender]{
		{name: "user", doc: "The sender's object id.", schema: guidText, read: func(d *decoder, n *yaml.Node, t *testSender) {
			if id, ok := d.guid(n, "user"); ok {
				t.sender.ID = id
			}
		}},
		{name: "groups", doc: "The groups that the sender is in; all others are known not to hold.", schema: schema{"oneOf": []any{idText, listOf(idText)}}, read: func(d *decoder, n *yaml.Node, t *testSender) {
			t.groups = map[string]bool{}
			for _, g := range t.set.groups {
				t.groups[g.ObjectID] = false
			}
			if n.Kind == yaml.SequenceNode && len(n.Content) == 0 {
				return
			}
			for _, g := range d.groupRefs(n, t.set) {
				t.groups[g.ObjectID] = true
			}
		}},
		{name: "domain", doc: "The domain of the sender's address.", schema: anyText, read: func(d *decoder, n *yaml.Node, t *testSender) {
			if list := d.domains(n); len(list) == 1 {
				person(t).Domain = list[0]
			}
		}},
		{name: "guest", doc: "Whether the sender is a guest.", schema: boolean, read: func(d *decoder, n *yaml.Node, t *testSender) {
			if b, ok := d.boolean(n, "guest"); ok {
				person(t).Guest = b
			}
		}},
		{name: "app", doc: "Whether the sender is a bot or connector.", schema: boolean, read: func(d *decoder, n *yaml.Node, t *testSender) {
			if b, ok := d.boolean(n, "app"); ok && b {
				t.sender.Kind = "application"
			}
		}},
	}
}

// testMessage reads a test: a text, or a mapping with one.
func (d *decoder) testMessage(n *yaml.Node, s *set) (testMessage, bool) {
	t := testReader{testSender: testSender{set: s, sender: policy.Sender{ID: somebody, Kind: "aadUser"}}}
	if n.Kind == yaml.ScalarNode {
		text, ok := d.text(n, "a test")
		t.text = text
		return t.message(), ok
	}
	before := len(*d.faults)
	if !object(d, n, "a test", testFields(), &t) {
		return testMessage{}, false
	}
	text, html := find(n, "text"), find(n, "html")
	switch {
	case text == nil && html == nil:
		d.fault(n, "a test needs the key text or html")
	case text != nil && html != nil:
		d.fault(n, "a test has text or html, not both")
	}
	return t.message(), len(*d.faults) == before
}

func (t *testReader) message() testMessage {
	m := testMessage{sender: t.sender, channel: t.channel}
	m.text = extract.Message(extract.Source{Subject: t.subject, Body: t.text, HTML: t.html})
	m.context = policy.Context{Final: true, Person: t.person, Groups: t.groups}
	if t.kind == "" && t.audience == "" {
		return m
	}
	c := &policy.Conversation{Kind: t.kind}
	if t.audience != "" {
		c.Members = []policy.Member{{ID: t.sender.ID}}
	}
	switch t.audience {
	case "external":
		c.Members = append(c.Members, policy.Member{External: true})
	case "guest":
		c.Members = append(c.Members, policy.Member{External: true, Guest: true})
	}
	m.context.Conversation = c
	return m
}

// RunTests runs every test beside a detector or a rule, in file order. Expired
// exceptions count as in force.
func (g *Generation) RunTests() []TestResult {
	var out []TestResult
	for _, id := range g.set.order {
		x := g.set.detectors[id]
		for _, t := range x.tests.match {
			out = append(out, g.tryDetector(x.ID, t, true))
		}
		for _, t := range x.tests.noMatch {
			out = append(out, g.tryDetector(x.ID, t, false))
		}
	}
	for _, r := range g.set.rules {
		for _, t := range r.tests.match {
			out = append(out, g.tryRule(r, t, true))
		}
		for _, t := range r.tests.noMatch {
			out = append(out, g.tryRule(r, t, false))
		}
	}
	return out
}

func (g *Generation) tryDetector(id string, t example[string], want bool) TestResult {
	r := result(t.place, want)
	r.Rule, r.Detector = "", id
	found := 0
	var best detect.Level
	for _, m := range g.Set.Engine().Scan(extract.Plain(t.what), g.options) {
		if m.Detector == id {
			found++
			best = max(best, m.Level)
		}
	}
	r.Passed = found > 0 == want
	r.Reason = "found nothing"
	if found > 0 {
		r.Reason = fmt.Sprintf("found %d, up to %s", found, best)
	}
	return r
}

func (g *Generation) tryRule(r *rule, t example[testMessage], want bool) TestResult {
	out := result(t.place, want)
	out.Rule = r.about.ID
	places := []bool{false, true}
	if t.what.channel != nil {
		places = []bool{*t.what.channel}
	}
	matched := false
	for _, channel := range places {
		m := &policy.Message{Text: t.what.text, Sender: t.what.sender, Channel: channel}
		v, _ := g.Set.Try(r.compiled, m, &t.what.context, time.Time{})
		if out.Reason == "" || v.Result != policy.OutOfScope {
			out.Reason = string(v.Result) + ": " + v.Reason
		}
		if v.Result == policy.Matched {
			matched = true
			break
		}
	}
	out.Passed = matched == want
	return out
}

func result(p place, want bool) TestResult {
	r := TestResult{File: p.file, Line: p.line, Col: p.col, Want: "no_match"}
	if want {
		r.Want = "match"
	}
	return r
}

// fault is the fault that a failed test is.
func (r TestResult) fault() *Fault {
	what := "test must match"
	if r.Want == "no_match" {
		what = "test must not match"
	}
	if r.Detector != "" {
		what = fmt.Sprintf("detector %q: %s", r.Detector, what)
	}
	return &Fault{File: r.File, Line: r.Line, Col: r.Col, Rule: r.Rule, Msg: what + ", but " + r.Reason}
}
