package detect

import (
	"cmp"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"teamsdlp/policy/extract"
)

// Engine finds what its detectors describe. It is immutable and safe for
// concurrent use.
type Engine struct {
	kinds   []*kind  // built in
	own     []*owned // a company's
	needles *Needles // what their patterns need
	ids     map[string]bool
	words   *Keywords
	sets    [][]uint16     // evidence sets by term; set 0 is of words against; see setsOf
	parts   []part         // by term
	labels  []string       // by term, for Why
	terms   map[string]int // by evidenceKey
	owners  map[int]bool   // the terms of owners
	pool    sync.Pool      // of *scanner

	exact  []*exactSearch // of own
	groups []*exactGroup
	forms  *formIndex // of own; nil: there is none
}

// Options say what a scan is about. The zero value reports everything of at least
// Low.
type Options struct {
	// Regions are the countries (ISO 3166, any case) that data is expected from;
	// nil is all. What belongs to another drops one level.
	Regions []string
	// RegionHint is the home country, for phone numbers without a country code.
	RegionHint string
	// Min is the least level reported; 0 is Low.
	Min Level
	// Only names the detectors whose matches are wanted; nil is all. The others
	// still run: that a number is a card keeps it from being something else.
	Only map[string]bool
	// Now is when the text was said: nobody was born later. Zero is any time.
	Now time.Time
}

// Rejected is a candidate that is not reported, with the gate that stopped it. It
// never holds the value.
type Rejected struct {
	Detector   string
	Start, End int    // byte offsets in the buffer
	Gate       string // a sentence that says what it lacked, as "it is part of a GUID"
}

// New makes an engine of the built-in detectors and a company's own. Every fault
// of every one of custom is reported, each a [*Fault]; then there is no engine.
func New(custom []Detector) (*Engine, []error) {
	load()
	e := &Engine{kinds: builtin, ids: map[string]bool{}}
	e.pool.New = func() any { return new(scanner) }
	terms := evidenceTerms{at: map[string]int{}}
	terms.add(0, against)
	terms.add(0, owners)
	terms.addPhrases()
	for i, k := range e.kinds {
		e.ids[k.ID] = true
		if k.terms == nil {
			terms.add(i+1, shortened(k.Words))
		}
	}
	var faults []error
	for i, d := range custom {
		o, errs := compile(d)
		if e.ids[d.ID] {
			errs = append(errs, &Fault{d.ID, "id", -1, errors.New("there is a detector of that id")})
		}
		e.ids[d.ID] = true
		faults = append(faults, errs...)
		o.set = len(e.kinds) + 1 + i
		terms.add(o.set, d.Words)
		e.own = append(e.own, o)
	}
	if len(faults) > 0 {
		return nil, faults
	}
	var patterns []*Pattern
	for _, o := range e.own {
		patterns = append(patterns, o.patterns...)
	}
	e.needles = NewNeedles(patterns)
	e.words, e.sets, e.parts, e.labels, e.terms = newKeywords(terms.words, true), terms.sets, terms.parts, terms.words, terms.at
	e.owners = make(map[int]bool, len(owners))
	for _, w := range owners {
		e.owners[e.terms[evidenceKey(w)]] = true
	}
	e.startExact()
	e.startForms()
	return e, nil
}

// evidenceTerms collects words, each once, with the sets it belongs to.
type evidenceTerms struct {
	at    map[string]int
	words []string
	sets  [][]uint16
	parts []part
}

// index returns the number of a word.
func (t *evidenceTerms) index(w string) int {
	w = strings.ToLower(strings.TrimSpace(w))
	key := evidenceKey(w)
	i, ok := t.at[key]
	if !ok {
		i = len(t.words)
		t.at[key] = i
		t.words = append(t.words, w)
		t.sets = append(t.sets, nil)
		t.parts = append(t.parts, part{})
	}
	return i
}

func (t *evidenceTerms) add(set int, words []string) {
	for _, w := range words {
		i := t.index(w)
		if !slices.Contains(t.sets[i], uint16(set)) {
			t.sets[i] = append(t.sets[i], uint16(set))
		}
	}
}

// evidenceKey is what the automaton sees of an evidence word: "sv-nummer" of one
// detector and "SV Nummer" of another are one word.
func evidenceKey(w string) string {
	k := Keywords{loose: true}
	return string(k.fold(w))
}

// term returns the number of an evidence word.
func (e *Engine) term(w string) (int, bool) {
	i, ok := e.terms[evidenceKey(w)]
	return i, ok
}

// Has reports whether the engine has a detector of that id.
func (e *Engine) Has(id string) bool { return e.ids[id] }

// IDs returns the ids of all detectors, sorted.
func (e *Engine) IDs() []string {
	ids := make([]string, 0, len(e.ids))
	for id := range e.ids {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	return ids
}

// Detectors returns the built-in detectors, then a company's own.
func (e *Engine) Detectors() []Detector {
	var all []Detector
	for _, k := range e.kinds {
		all = append(all, k.Detector)
	}
	for _, o := range e.own {
		all = append(all, o.Detector)
	}
	return all
}

// Scan returns the matches in t, in the order of the text; nil if there are none.
func (e *Engine) Scan(t *extract.Text, o Options) []Match {
	m, _ := e.scan(nil, t, &o, false)
	return m
}

// ScanIn is Scan of the text that h is of, which tells it of what it has in common with
// other searches.
func (e *Engine) ScanIn(h *Haystack, t *extract.Text, o Options) []Match {
	m, _ := e.scan(h, t, &o, false)
	return m
}

// ScanExplain is Scan, and tells of the candidates that came to nothing. Those
// that had not even the form are not told of, and neither are more than a
// thousand.
func (e *Engine) ScanExplain(t *extract.Text, o Options) ([]Match, []Rejected) {
	return e.scan(nil, t, &o, true)
}

func (e *Engine) scan(h *Haystack, t *extract.Text, o *Options, explain bool) ([]Match, []Rejected) {
	var s *scanner
	if h != nil && h.scanner != nil && h.scanner.e == e {
		s = h.scanner
	} else {
		s = e.pool.Get().(*scanner)
	}
	s.start(e, t, *o, explain)
	if h != nil {
		s.hay = h
	} else {
		s.hay.Reset(s.buf)
	}
	s.tallies = len(e.needles.digits) > 0 && !s.hay.counted
	s.run()
	s.custom()
	s.exactData()
	s.copies()
	out := s.resolve()
	rejected := s.rejected
	s.end()
	if h != nil {
		h.scanner = s
	} else {
		e.pool.Put(s)
	}
	return out, rejected
}

// A candidate is a value that a detector has confirmed.
type candidate struct {
	kind       *kind
	own        *owned // instead of kind
	start, end int
	level      Level
	value      string
	prefix     string // public, of a secret
	why        string
	evidence   bool
	dist, said int // how far the evidence is, and how long, for comparison
	known      bool
	hidden     bool // written so that nobody reads it
	decoded    bool // the span is that of what it was decoded from
	home       bool // a phone number of the home country's plan
	dropped    bool // something better overlaps
}

// better reports whether c is the one to report where c and b overlap.
func (c *candidate) better(b *candidate) bool {
	if c.kind.weak != b.kind.weak && min(c.level, b.level) >= Low {
		weak, other := c, b
		if b.kind.weak {
			weak, other = b, c
		}
		// A word right beside the one says more than the other's form alone.
		named := weak.evidence && weak.dist <= beside && !other.evidence && other.level <= Low
		return c.kind.weak == named
	}
	return cmp.Or(
		cmp.Compare(c.level, b.level),
		cmp.Compare(c.end-c.start, b.end-b.start),
		cmp.Compare(b.near(), c.near()),
		cmp.Compare(c.said, b.said), // "Aadhaar card" says more than "card"
		cmp.Compare(truth(c.home), truth(b.home)),
		cmp.Compare(b.kind.rank, c.kind.rank),
	) > 0
}

func truth(b bool) int {
	if b {
		return 1
	}
	return 0
}

// near is how far a candidate's evidence is; far, if there is none.
func (c *candidate) near() int {
	if !c.evidence {
		return 1 << 30
	}
	return c.dist
}

// settle drops what overlaps with something better.
func (s *scanner) settle() {
	if len(s.found) < 2 {
		return
	}
	slices.SortStableFunc(s.found, func(a, b candidate) int {
		return cmp.Or(cmp.Compare(a.start, b.start), cmp.Compare(b.end, a.end))
	})
	last := -1 // best built-in candidate so far that later ones may overlap
	for i := range s.found {
		c := &s.found[i]
		if c.own != nil {
			continue
		}
		if last < 0 || s.found[last].end <= c.start {
			last = i
			continue
		}
		l := &s.found[last]
		switch {
		case c.decoded && l.decoded && c.start == l.start && c.end == l.end && c.kind != l.kind:
			// Two things in one blob.
		case c.better(l):
			c.dropped, l.dropped = false, true
			s.reject(l.kind.ID, l.start, l.end, "it is better explained as "+c.kind.ID)
			last = i
		default:
			c.dropped = true
			s.reject(c.kind.ID, c.start, c.end, "it is better explained as "+l.kind.ID)
		}
	}
}

// resolve settles what overlaps, drops what is below the least level, and makes
// matches of the rest.
func (s *scanner) resolve() []Match {
	s.settle()
	s.lookUp()
	if len(s.found) == 0 {
		return nil
	}
	kept := 0
	for i := range s.found {
		if !s.found[i].dropped {
			kept++
		}
	}
	var out []Match
	least := cmp.Or(s.o.Min, Low)
	for i := range s.found {
		c := &s.found[i]
		switch d := c.detector(); {
		case c.dropped:
		case s.o.Only != nil && !s.o.Only[d.ID]:
		case c.level < least:
			s.reject(d.ID, c.start, c.end, "its level is "+c.level.String()+", below the least that is reported: "+c.why)
		case s.repeats(c):
			s.reject(d.ID, c.start, c.end, "said elsewhere in the message")
		default:
			if out == nil {
				out = make([]Match, 0, kept)
			}
			out = append(out, Match{
				Detector: d.ID, Family: d.Family, Level: c.level, Start: c.start, End: c.end,
				Value: NewValue(c.value), Masked: mask(d.Mask, c.value, c.prefix), Why: c.why,
				KnownTest: c.known, Obfuscated: c.hidden || s.t.Obfuscated(c.start, c.end),
			})
		}
	}
	return out
}

// repeats reports whether c is the target of a link or part of a quote and the
// same value stands in the message's own text.
func (s *scanner) repeats(c *candidate) bool {
	z := s.t.Zone(c.start)
	if z != extract.Link && z != extract.Quote {
		return false
	}
	if s.said == nil {
		s.said = map[string]bool{}
		for i := range s.found {
			if o := &s.found[i]; s.t.Zone(o.start) < extract.Quote {
				s.said[o.detector().ID+"\x00"+o.value] = true
			}
		}
	}
	key := c.detector().ID + "\x00" + c.value
	if s.said[key] {
		return true
	}
	s.said[key] = true
	return false
}

func (c *candidate) detector() *Detector {
	if c.own != nil {
		return &c.own.Detector
	}
	return &c.kind.Detector
}

// An owned is a company's own detector, compiled.
type owned struct {
	Detector
	set      int
	patterns []*Pattern
	exact    *exactSearch // or
	form     *formSearch  // instead of patterns
	groups   []formHash   // of the form's words
}

// maxWithin keeps the search for evidence linear.
const maxWithin = 3000

// compile checks every field of d.
func compile(d Detector) (*owned, []error) {
	o := &owned{Detector: d}
	var faults []error
	fault := func(field string, index int, text string) {
		faults = append(faults, &Fault{d.ID, field, index, errors.New(text)})
	}
	if d.ID == "" {
		fault("id", -1, "is missing")
	}
	checkKinds(&d, fault)
	for i, p := range d.Patterns {
		compiled, err := CompilePattern(p)
		if err != nil {
			fault("patterns", i, err.Error())
			continue
		}
		o.patterns = append(o.patterns, compiled)
	}
	if d.Validate != "" && !HasValidator(d.Validate) {
		fault("validate", -1, "there is no validator of that name")
	}
	for i, w := range d.Words {
		if len((&Keywords{loose: true}).fold(strings.TrimSuffix(w, "*"))) == 0 {
			fault("context", i, "a word must not be empty")
		}
	}
	if d.Within < 0 {
		fault("context", -1, "the distance must not be negative")
	}
	if d.Within > maxWithin {
		fault("context", -1, "the distance must not be more than 3000 characters")
	}
	if d.Alone == 0 && d.WithContext == 0 && d.Fingerprint == nil {
		fault("confidence", -1, "is missing: the detector could never report anything")
	}
	if d.WithContext != 0 && len(d.Words) == 0 && d.Alone == 0 && len(d.Patterns) > 0 {
		fault("confidence", -1, "there are no context words, and without them there is no confidence")
	}
	o.Within = cmp.Or(d.Within, defaultWithin)
	o.WithContext = max(d.WithContext, d.Alone)
	if d.Exact != nil {
		compileExact(o, fault)
	}
	if d.Fingerprint != nil {
		compileForm(o, fault)
	}
	return o, faults
}
