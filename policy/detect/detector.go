package detect

import "fmt"

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
	// Validate names a validator (see [Validators]) that the value must pass
	// without its separators. Empty: none.
	Validate string
	// Words are the evidence: whole words or phrases, accents and case do not
	// matter. A '*' at the end lets the word go on.
	Words []string
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
	number *form     // found among digits
	code   *codeForm // found among letters and digits
	rank   int       // place in the catalogue: the earlier is the more specific
	set    int       // of evidence words
	named  bool      // found by its name before a value; its tokens have no prefix
	weak   bool      // loses against any other detector on the same text
}

// catalogue is every built-in detector, the more specific first.
var catalogue = func() []*kind {
	var all []*kind
	for _, family := range [][]*kind{secrets, namedSecrets, specialSecrets, serviceSecrets, financial, person, contact, accounts, european, worldwide, companies, medical, travel, network} {
		all = append(all, family...)
	}
	for i, k := range all {
		k.rank, k.set = i, i+1
		if len(k.Tokens) > 0 || k.Family == "secret" {
			for _, examples := range [][]string{k.Match, k.NoMatch} {
				for i := range examples {
					examples[i] = Fill(examples[i])
				}
			}
		}
		if k.Within == 0 {
			k.Within = defaultWithin
		}
		if k.Printed == 0 {
			k.Printed = k.Alone
		}
		if k.BareContext == 0 {
			k.BareContext = k.WithContext
		}
	}
	return all
}()

// Builtin returns the built-in detectors in the order of the catalogue.
func Builtin() []Detector {
	all := make([]Detector, len(catalogue))
	for i, k := range catalogue {
		all[i] = k.Detector
	}
	return all
}

// defaultWithin is Purview's window: every published definition uses 300
// characters (learn.microsoft.com/purview/sit-sensitive-information-type-entity-definitions).
const defaultWithin = 300
