package rulefile

import (
	"encoding/json"
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

// checker validates against the keywords of JSON Schema that ours uses, and fails on
// any other.
type checker struct {
	t    *testing.T
	root map[string]any
}

// check returns the paths at which v does not fit s.
func (c *checker) check(s map[string]any, v any, path string) []string {
	var bad []string
	fail := func(format string, args ...any) { bad = append(bad, path+": "+fmt.Sprintf(format, args...)) }
	for key, want := range s {
		switch key {
		case "$schema", "title", "$defs", "description", "format":
		case "$ref":
			name := strings.TrimPrefix(want.(string), "#/$defs/")
			bad = append(bad, c.check(c.root["$defs"].(map[string]any)[name].(map[string]any), v, path)...)
		case "type":
			if got := jsonType(v); got != want && !(got == "integer" && want == "number") {
				fail("is %s, not %s", got, want)
			}
		case "enum":
			if !slices.Contains(want.([]any), v) {
				fail("%v is not in %v", v, want)
			}
		case "pattern":
			if x, ok := v.(string); ok && !regexp.MustCompile(want.(string)).MatchString(x) {
				fail("%q does not match %s", x, want)
			}
		case "minLength", "maxLength":
			x, ok := v.(string)
			if n := float64(utf8.RuneCountInString(x)); ok && (key == "minLength" && n < want.(float64) || key == "maxLength" && n > want.(float64)) {
				fail("%s %v", key, want)
			}
		case "minItems", "maxItems":
			x, ok := v.([]any)
			if n := float64(len(x)); ok && (key == "minItems" && n < want.(float64) || key == "maxItems" && n > want.(float64)) {
				fail("%s %v", key, want)
			}
		case "minimum", "maximum":
			if n, ok := v.(float64); ok && (key == "minimum" && n < want.(float64) || key == "maximum" && n > want.(float64)) {
				fail("%s %v", key, want)
			}
		case "items":
			list, _ := v.([]any)
			for i, x := range list {
				bad = append(bad, c.check(want.(map[string]any), x, fmt.Sprintf("%s[%d]", path, i))...)
			}
		case "required":
			for _, k := range want.([]any) {
				if m, ok := v.(map[string]any); ok && m[k.(string)] == nil {
					fail("no %s", k)
				}
			}
		case "properties":
			m, _ := v.(map[string]any)
			for k, x := range m {
				if p, ok := want.(map[string]any)[k]; ok {
					bad = append(bad, c.check(p.(map[string]any), x, path+"."+k)...)
				} else if s["additionalProperties"] == false {
					fail("unknown key %s", k)
				}
			}
		case "additionalProperties":
			if want != false {
				c.t.Fatalf("%s: additionalProperties %v", path, want)
			}
		case "oneOf":
			fits := 0
			for _, form := range want.([]any) {
				if len(c.check(form.(map[string]any), v, path)) == 0 {
					fits++
				}
			}
			if fits != 1 {
				fail("fits %d of %d forms", fits, len(want.([]any)))
			}
		default:
			c.t.Fatalf("%s: the schema uses %q, which this test does not know", path, key)
		}
	}
	return bad
}

func jsonType(v any) string {
	switch v := v.(type) {
	case map[string]any:
		return "object"
	case []any:
		return "array"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v == float64(int64(v)) {
			return "integer"
		}
		return "number"
	}
	return "null"
}

func newChecker(t *testing.T) *checker {
	t.Helper()
	c := &checker{t: t}
	if err := json.Unmarshal(Schema(), &c.root); err != nil {
		t.Fatal(err)
	}
	return c
}

// load returns YAML as JSON has it. Dates stay text, as editors see them.
func load(t *testing.T, data []byte) any {
	t.Helper()
	var doc yaml.Node
	if err := yaml.Unmarshal(data, &doc); err != nil {
		t.Fatal(err)
	}
	var value func(n *yaml.Node) any
	value = func(n *yaml.Node) any {
		switch n.Kind {
		case yaml.DocumentNode:
			return value(n.Content[0])
		case yaml.MappingNode:
			m := map[string]any{}
			for i := 0; i+1 < len(n.Content); i += 2 {
				m[n.Content[i].Value] = value(n.Content[i+1])
			}
			return m
		case yaml.SequenceNode:
			list := []any{}
			for _, c := range n.Content {
				list = append(list, value(c))
			}
			return list
		}
		switch n.ShortTag() {
		case "!!int", "!!float", "!!bool":
			var v any
			if err := json.Unmarshal([]byte(n.Value), &v); err != nil {
				t.Fatal(err)
			}
			return v
		}
		return n.Value
	}
	return value(&doc)
}

func TestSchemaTakesGoodFiles(t *testing.T) {
	c := newChecker(t)
	for _, name := range []string{"testdata/example/payments.yaml", "testdata/full/full.yaml", "testdata/full/groups.yml"} {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		if bad := c.check(c.root, load(t, data), name); bad != nil {
			t.Errorf("refused:\n%s", strings.Join(bad, "\n"))
		}
	}
}

// TestSchemaKnowsEveryKey: the schema refuses what the decoder refuses, key by key.
// Since the full file names every key the decoder has (below), it covers them all.
func TestSchemaKnowsEveryKey(t *testing.T) {
	c := newChecker(t)
	data, err := os.ReadFile("testdata/full/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	eachKey(t, data, func(key *yaml.Node) {
		lines := strings.Split(string(data), "\n")
		line := lines[key.Line-1]
		lines[key.Line-1] = line[:key.Column-1] + "q" + line[key.Column-1:]
		if c.check(c.root, load(t, []byte(strings.Join(lines, "\n"))), "") == nil {
			t.Errorf("line %d: the schema takes q%s", key.Line, key.Value)
		}
	})
}

// keysOf lists every key that the decoder knows, as path below its table.
func keysOf() []string {
	var list []string
	add := func(where string, names []string) {
		for _, n := range names {
			list = append(list, where+"."+n)
		}
	}
	add("file", fieldNames(fileFields()))
	add("detector", fieldNames(detectorFields()))
	add("context", fieldNames(contextFields()))
	add("exact", fieldNames(exactFields()))
	add("corroborate", fieldNames(corroborateFields()))
	add("fingerprint", fieldNames(formFields()))
	add("similarity", fieldNames(similarityFields()))
	add("confidence", fieldNames(confidenceFields()))
	add("detector-tests", fieldNames(detectorTestFields()))
	add("list", fieldNames(listFields()))
	add("group", fieldNames(groupFields()))
	add("rule", fieldNames(ruleFields()))
	add("tip", fieldNames(tipFields()))
	add("scope", fieldNames(scopeFields()))
	add("senders", fieldNames(scopeSenderFields()))
	add("exception", fieldNames(exceptionFields()))
	add("rule-tests", fieldNames(ruleTestFields()))
	add("test", fieldNames(testFields()))
	add("test-sender", fieldNames(testSenderFields()))
	add("sender", fieldNames(senderFields()))
	add("count", fieldNames(countFields()))
	add("detect", fieldNames(detectFields()))
	for _, k := range conditionKinds() {
		list = append(list, "condition."+k.name)
	}
	return list
}

// TestFullFileNamesEveryKey keeps the full file full.
func TestFullFileNamesEveryKey(t *testing.T) {
	data, err := os.ReadFile("testdata/full/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	named := map[string]bool{}
	eachKey(t, data, func(key *yaml.Node) { named[key.Value] = true })
	for _, path := range keysOf() {
		_, key, _ := strings.Cut(path, ".")
		if !named[key] {
			t.Errorf("testdata/full/full.yaml does not name %s", path)
		}
	}
}

// TestSchemaDescribesEveryKey: an editor shows a sentence for each.
func TestSchemaDescribesEveryKey(t *testing.T) {
	c := newChecker(t)
	n := 0
	var walk func(v any, path string)
	walk = func(v any, path string) {
		switch v := v.(type) {
		case map[string]any:
			if p, ok := v["properties"].(map[string]any); ok {
				for k, f := range p {
					n++
					if doc, _ := f.(map[string]any)["description"].(string); !strings.HasSuffix(doc, ".") {
						t.Errorf("%s.%s has no sentence: %q", path, k, doc)
					}
				}
			}
			for k, x := range v {
				walk(x, path+"/"+k)
			}
		case []any:
			for i, x := range v {
				walk(x, fmt.Sprint(path, "/", i))
			}
		}
	}
	walk(c.root, "")
	if want := len(keysOf()); n < want {
		t.Errorf("the schema has %d keys, the decoder %d", n, want)
	}
}

func TestSchemaIsStable(t *testing.T) {
	if a, b := Schema(), Schema(); string(a) != string(b) {
		t.Error("two calls differ")
	}
}
