package detect

import (
	"cmp"
	"fmt"
	"sync"

	"teamsdlp/policy/detect/catalogue"
)

// MaskKind says how much of a value may be shown.
type MaskKind uint8

// The masks. None shows more than is public or than tells two values apart.
const (
	MaskTail   MaskKind = iota // at most the last 4 characters, at most a quarter of the value
	MaskCard                   // the first 6 and the last 4 digits
	MaskPrefix                 // a secret's public prefix
	MaskEmail                  // the first letter and the domain
	MaskAll                    // nothing
	maskForm                   // the value is the form's name and no text of the message
)

// Detector describes one kind of sensitive data. The built-in ones are listed by
// [Builtin]; a company's own are given to [New].
type Detector struct {
	ID     string // as in rule files: credit-card
	Name   string // for people: Payment card number
	Family string // financial, person, company, health, travel, contact, network, secret or content
	Region string // ISO 3166 country in lower case; empty: everywhere
	Tier   string // A on by default, B by region, C off; empty for a company's own

	// Patterns are for package regexp, and for a company's own detectors only. A
	// pattern's first group, if it has one, is the value; else the whole match is.
	Patterns []string
	// Exact or Fingerprint are instead of Patterns, and for a company's own
	// detectors only.
	Exact       *Exact
	Fingerprint *Fingerprint
	// Tokens are forms of secrets with a public prefix, as "ghp_{Aa0:36-255}":
	// prefix, class of characters, count. For built-in detectors only.
	Tokens []string
	// Terms are what a list of words looks for: the names of each thing, the English
	// first. For built-in detectors only; a company has lists and keywords.
	Terms [][]string
	// Validate names a validator (see [Validators]) that the value must pass
	// without its separators. Empty: none.
	Validate string
	// Words are the evidence: whole words or phrases, accents and case do not
	// matter. A '*' at the end lets the word go on.
	Words []string
	// Names and Nouns are evidence where one of the names of a country stands right
	// before one of the nouns, as in "Greek tax number". For built-in detectors only.
	Names, Nouns []string
	// Within is how far evidence may be from the value, in characters; 0 is 300.
	Within int

	Alone       Level // without evidence, written without a break; 0: not reported
	Printed     Level // without evidence, in the grouping it is printed in; 0: as Alone
	BareContext Level // with evidence, written without a break; 0: as WithContext
	WithContext Level // with evidence

	Mask   MaskKind
	Source string // of the form and the algorithm
	// Match and NoMatch are examples: texts in which the detector finds a value
	// of at least Low, and none.
	Match, NoMatch []string
}

// Fault is what [New] finds wrong with one of a company's detectors.
type Fault struct {
	Detector string
	// Field is id, patterns, validate, context, confidence; exact, columns,
	// at_least, within; fingerprint or similarity.
	Field string
	Index int // of the pattern or the word; -1 where there is no list
	Err   error
}

// Error says which detector and which field.
func (f *Fault) Error() string {
	if f.Index < 0 {
		return fmt.Sprintf("detector %q: %s: %v", f.Detector, f.Field, f.Err)
	}
	return fmt.Sprintf("detector %q: %s[%d]: %v", f.Detector, f.Field, f.Index, f.Err)
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// A kind is a built-in detector with what finds it.
type kind struct {
	Detector
	finder
	rank    int              // place in the catalogue: the earlier is the more specific
	set     int              // of evidence words
	nouns   []uint64         // its Nouns, by their number in phrases, as bits
	general []uint64         // those that are some evidence without a country
	byName  bool             // its tokens are looked for where a word names them
	terms   []catalogue.Term // looked for in the lexicon, where its words are too
}

// namesPerson reports whether k is the id of a person whose form says so by itself.
func (k *kind) namesPerson() bool { return k.Family == "person" && k.Alone >= Medium }

// A finder finds the candidates of a detector and confirms them. A secret whose
// declaration has its tokens needs none.
type finder struct {
	number  *form     // found among digits
	code    *codeForm // found among letters and digits
	scanned bool      // found by code of its own in the one pass
	weak    bool      // loses against any other detector on the same text
}

// finders are joined with the declarations of package catalogue by id.
type finders map[string]finder

// The catalogue: every built-in detector, the more specific first, and what is
// looked up in it. It is read when the first engine is made, and not changed after.
var (
	builtin []*kind
	kinds   map[string]*kind
)

// load reads the catalogue, once. What is wrong with it is wrong with the program.
var load = sync.OnceFunc(func() {
	entries, err := catalogue.Load()
	if err != nil {
		panic(err)
	}
	all := finders{}
	for _, family := range []finders{secrets, specialSecrets, financial, accounts, person, contact, european, worldwide, companies, medical, travel, network, content} {
		for id, f := range family {
			if _, ok := all[id]; ok {
				panic("two finders of " + id)
			}
			all[id] = f
		}
	}
	kinds = make(map[string]*kind, len(entries))
	for i := range entries {
		e := &entries[i]
		f, ok := all[e.ID]
		if !ok && len(e.Tokens) == 0 && e.Terms == "" {
			panic("no finder of " + e.ID)
		}
		delete(all, e.ID)
		k := &kind{Detector: declared(e), finder: f, rank: i, set: i + 1, byName: e.ByName}
		if e.Terms != "" {
			if k.terms, err = catalogue.Terms(e.Terms); err != nil {
				panic(err)
			}
			k.Detector.Terms = listed(k.terms)
		}
		builtin, kinds[e.ID] = append(builtin, k), k
	}
	for id := range all {
		panic("no declaration of " + id)
	}
	listBirthWords(kinds["date-of-birth"].Words)
	listNumbers()
	listCodes()
	listSecrets()
	listTerms()
	listPhrases()
})

// declared makes a detector of a declaration.
func declared(e *catalogue.Entry) Detector {
	d := Detector{
		ID: e.ID, Name: e.Name, Family: e.Family, Region: e.Region, Tier: e.Tier, Tokens: e.Tokens, Validate: e.Validate,
		Words: e.Context.Words, Within: cmp.Or(e.Context.Within, defaultWithin),
		Alone: levels[e.Confidence.Alone], WithContext: levels[e.Confidence.WithContext],
		Mask: masks[e.Mask], Source: e.Source, Match: e.Tests.Match, NoMatch: e.Tests.NoMatch,
	}
	d.Names = e.CountryNames()
	for _, n := range e.Nouns {
		d.Nouns = append(d.Nouns, shortened(catalogue.Nouns().Nouns[n])...)
	}
	d.Printed = cmp.Or(levels[e.Confidence.Printed], d.Alone)
	d.BareContext = cmp.Or(levels[e.Confidence.BareWithContext], d.WithContext)
	if e.Family == "secret" { // whose examples are drawn: a secret that is written down is found by everybody's scanner
		for _, examples := range [][]string{d.Match, d.NoMatch} {
			for i := range examples {
				examples[i] = Fill(examples[i])
			}
		}
	}
	return d
}

var (
	levels = map[catalogue.Level]Level{"internal": Internal, "low": Low, "medium": Medium, "high": High}
	masks  = map[catalogue.Mask]MaskKind{"": MaskTail, "tail": MaskTail, "card": MaskCard, "prefix": MaskPrefix, "email": MaskEmail, "all": MaskAll}
)

// Builtin returns the built-in detectors in the order of the catalogue.
func Builtin() []Detector {
	load()
	all := make([]Detector, len(builtin))
	for i, k := range builtin {
		all[i] = k.Detector
	}
	return all
}

// defaultWithin is Purview's window: every published definition uses 300
// characters (learn.microsoft.com/purview/sit-sensitive-information-type-entity-definitions).
const defaultWithin = 300
