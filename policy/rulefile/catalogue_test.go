package rulefile

import (
	"slices"
	"testing"

	"go.yaml.in/yaml/v3"

	"teamsdlp/policy/detect/catalogue"
)

// The built-in detectors are declared in the form of a company's own: a key of
// theirs is a key of rule files, or one that a company's detector has no use for.
func TestCatalogueIsInTheFormOfRuleFiles(t *testing.T) {
	more := map[string][]string{
		"a detector": {"tier", "tokens", "by_name", "terms", "nouns", "countries", "mask", "source"},
		"confidence": {"printed", "bare_with_context"},
	}
	known := func(what string, names []string) map[string]bool {
		m := map[string]bool{}
		for _, n := range slices.Concat(names, more[what]) {
			m[n] = true
		}
		return m
	}
	keys := map[string]map[string]bool{
		"a detector": known("a detector", fieldNames(detectorFields())),
		"context":    known("context", fieldNames(contextFields())),
		"confidence": known("confidence", fieldNames(confidenceFields())),
		"tests":      known("tests", fieldNames(detectorTestFields())),
	}
	entries := 0
	for _, name := range catalogue.Order {
		data, err := catalogue.Source(name)
		if err != nil {
			t.Fatal(err)
		}
		var faults Faults
		d := decoder{file: name + ".yaml", faults: &faults}
		root := d.parse(data)
		if root == nil || len(root.Content) != 2 || root.Content[0].Value != "detectors" {
			t.Fatalf("%s: no file of detectors: %v", name, faults)
		}
		check := func(n *yaml.Node, what string) {
			for i := 0; i+1 < len(n.Content); i += 2 {
				if k := n.Content[i]; !keys[what][k.Value] {
					t.Errorf("%s.yaml:%d:%d: %s has no key %q", name, k.Line, k.Column, what, k.Value)
				}
			}
		}
		for _, n := range root.Content[1].Content {
			entries++
			check(n, "a detector")
			for _, part := range []string{"context", "confidence", "tests"} {
				if p := find(n, part); p != nil {
					check(p, part)
				}
			}
			var x detector
			for _, f := range detectorFields() {
				v := find(n, f.name)
				if v == nil || f.name == "confidence" || f.name == "patterns" { // internal is a level of the built-in ones alone
					continue
				}
				f.read(&d, v, &x)
			}
			if x.ID == "" || x.Name == "" || len(x.tests.match) < 3 || len(x.tests.noMatch) < 3 {
				t.Errorf("%s.yaml:%d: not read as a detector of a rule file: %+v", name, n.Line, x)
			}
		}
		for _, f := range faults {
			t.Error(f)
		}
	}
	if entries < 200 {
		t.Errorf("%d entries", entries)
	}
}
