// Package catalogue holds the declarations of the built-in detectors: YAML files
// in the form of a company's own rule files, one or more a family, embedded in the
// program and readable as they stand.
//
// What is looked for as words (diseases, drugs, examinations) stands in lists beside
// them, terms/*.txt: see [Terms].
//
// A declaration says what a detector is called, where it belongs, which words are
// its evidence, what it is worth without and with them, where its form and its
// arithmetic come from, and texts in which it must and must not find something.
// What finds a candidate and what confirms it is Go, in package detect, which
// joins the two by id and checks that neither is without the other.
//
// It is a package of its own, below detect, because detect needs the declarations
// and must not import policy/rulefile, which imports detect. It keeps to the
// rules of rule files: a key that is not known, a word that is not one of a closed
// list, a key or an id that is there twice, an entry without a name, a source or
// three examples each way is an error, and never passed over.
package catalogue

import (
	"bytes"
	"embed"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"
)

//go:embed *.yaml
var files embed.FS

// Order is the files' order, which is that of the catalogue: where two detectors
// are worth the same on the same text, the earlier wins.
var Order = []string{
	"secret", "secret-token", "secret-service", "financial", "person", "person-europe", "person-world", "contact", "company", "health", "travel", "network", "content", "financial-market",
}

// Entry is one declaration.
type Entry struct {
	ID     string `yaml:"id"`
	Name   string `yaml:"name"`
	Family string `yaml:"family"`
	Region string `yaml:"region"` // ISO 3166 country in lower case; empty: everywhere
	Tier   string `yaml:"tier"`   // A on by default, B by region, C off

	// Tokens are forms of secrets, as "ghp_{Aa0:36-255}": prefix, class of
	// characters, count. ByName: they have no prefix of their own, and are looked
	// for where one of the context's words names the value.
	Tokens   []string `yaml:"tokens"`
	ByName   bool     `yaml:"by_name"`
	Validate string   `yaml:"validate"` // a named check
	// Terms is the list of terms that are looked for: see [Terms]. A word of the
	// context speaks of care; the level with_context is for that and a person beside.
	Terms string `yaml:"terms"`

	// Nouns are kinds of nouns (see [Nouns]) that are evidence behind the name of a
	// country: the entry's region, or one of its Countries.
	Nouns     []string `yaml:"nouns"`
	Countries []string `yaml:"countries"`

	Context struct {
		Words  []string `yaml:"words"`
		Within int      `yaml:"within"`
	} `yaml:"context"`

	// Confidence is of a value without evidence, written without a break or as it
	// is printed, and with evidence, the same. An empty level is that to its left
	// or right: printed as alone, bare_with_context as with_context.
	Confidence struct {
		Alone           Level `yaml:"alone"`
		Printed         Level `yaml:"printed"`
		BareWithContext Level `yaml:"bare_with_context"`
		WithContext     Level `yaml:"with_context"`
	} `yaml:"confidence"`

	Mask   Mask   `yaml:"mask"`
	Source string `yaml:"source"`

	Tests struct {
		Match   []string `yaml:"match"`
		NoMatch []string `yaml:"no_match"`
	} `yaml:"tests"`
}

// Level is none, internal, low, medium or high.
type Level string

// Mask is tail, card, prefix, email or all; empty is tail.
type Mask string

// The closed lists.
var (
	Families = []string{"financial", "person", "company", "health", "travel", "contact", "network", "secret", "content"}
	Levels   = []Level{"none", "internal", "low", "medium", "high"}
	Masks    = []Mask{"tail", "card", "prefix", "email", "all"}
	tiers    = []string{"A", "B", "C"}
)

// Load decodes the embedded files: every entry in the catalogue's order.
func Load() ([]Entry, error) {
	var all []Entry
	var errs []error
	at := map[string]string{}
	for _, name := range Order {
		data, err := Source(name)
		if err != nil {
			return nil, err
		}
		entries, err := Decode(name+".yaml", data)
		if err != nil {
			errs = append(errs, err)
		}
		for _, e := range entries {
			if first, ok := at[e.ID]; ok {
				errs = append(errs, fmt.Errorf("%s.yaml: detector %q is already in %s.yaml", name, e.ID, first))
			}
			at[e.ID] = name
		}
		all = append(all, entries...)
	}
	return all, errors.Join(errs...)
}

// Source returns a file of [Order] as it is.
func Source(name string) ([]byte, error) { return files.ReadFile(name + ".yaml") }

// Decode reads one file and checks every entry in it; file is for errors.
func Decode(file string, data []byte) ([]Entry, error) {
	if !utf8.Valid(data) {
		return nil, fmt.Errorf("%s: not UTF-8", file)
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	dec.KnownFields(true) // no type here has an UnmarshalYAML, in which yaml would forget this
	var doc struct {
		Detectors []Entry `yaml:"detectors"`
	}
	if err := dec.Decode(&doc); err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	if err := dec.Decode(new(any)); !errors.Is(err, io.EOF) {
		return nil, fmt.Errorf("%s: a second document", file)
	}
	if len(doc.Detectors) == 0 {
		return nil, fmt.Errorf("%s: no detectors", file)
	}
	var errs []error
	for i := range doc.Detectors {
		for _, what := range doc.Detectors[i].check() {
			errs = append(errs, fmt.Errorf("%s: detector %q: %s", file, doc.Detectors[i].ID, what))
		}
	}
	return doc.Detectors, errors.Join(errs...)
}

var (
	goodID     = regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)
	goodRegion = regexp.MustCompile(`^[a-z]{2}$`)
)

// check returns all that is wrong with e.
func (e *Entry) check() (faults []string) {
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Sprintf(format, args...))
		}
	}
	fault(!goodID.MatchString(e.ID), "the id must be words of a-z and 0-9, joined by '-'")
	fault(strings.TrimSpace(e.Name) == "", "no name")
	fault(strings.TrimSpace(e.Source) == "", "no source")
	fault(!slices.Contains(Families, e.Family), "unknown family %q", e.Family)
	fault(e.Region != "" && !goodRegion.MatchString(e.Region), "region %q is no ISO 3166 country in lower case", e.Region)
	fault(!slices.Contains(tiers, e.Tier), "unknown tier %q", e.Tier)
	fault(e.Mask != "" && !slices.Contains(Masks, e.Mask), "unknown mask %q", e.Mask)
	c := &e.Confidence
	for _, l := range []Level{c.Alone, c.Printed, c.BareWithContext, c.WithContext} {
		fault(l != "" && !slices.Contains(Levels, l), "unknown confidence %q", l)
	}
	fault(c.Alone == "" || c.WithContext == "", "the confidence alone and with_context must be there")
	fault(c.WithContext == "none", "it could never report anything")
	fault(c.WithContext != c.Alone && len(e.Context.Words) == 0 && e.Family != "secret", "no words for the confidence with_context")
	fault(e.Context.Within < 0 || e.Context.Within > 3000, "within must be 1 to 3000")
	seen := map[string]bool{}
	for _, w := range e.Context.Words {
		fault(!strings.ContainsFunc(w, func(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }), "the word %q has no letter or digit", w)
		fault(w != strings.TrimSpace(w), "the word %q has blanks around it", w)
		fault(seen[w], "the word %q is there twice", w)
		seen[w] = true
	}
	for _, n := range e.Nouns {
		fault(len(nouns().Nouns[n]) == 0, "there are no nouns of the kind %q", n)
	}
	countries := e.named()
	for _, c := range countries {
		fault(len(e.Nouns) > 0 && len(nouns().Names[c]) == 0, "the country %q has no name", c)
	}
	fault(len(e.Nouns) > 0 && len(countries) == 0, "nouns need a region or countries")
	fault(len(e.Nouns) == 0 && len(e.Countries) > 0, "countries are for nouns")
	fault(len(e.Tokens) > 0 && e.Family != "secret", "tokens are of secrets")
	if e.Terms != "" {
		_, err := Terms(e.Terms)
		fault(err != nil, "%v", err)
	}
	fault(e.ByName && (len(e.Tokens) == 0 || len(e.Context.Words) == 0), "by_name needs tokens and words")
	fault(len(e.Tests.Match) < 3, "%d texts to match, at least 3 are needed", len(e.Tests.Match))
	fault(len(e.Tests.NoMatch) < 3, "%d texts not to match, at least 3 are needed", len(e.Tests.NoMatch))
	return faults
}
