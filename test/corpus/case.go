package corpus

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strings"
)

// A Case is one labelled message.
type Case struct {
	ID     string // row/type/number
	Row    string
	Type   string // base type
	Lang   string // ISO 639-1
	HTML   bool   // Body is markup
	Body   string
	Want   []Span // in the order of Body; nil: silence
	Hint   string // home country for telephone numbers, as ISO 3166
	Known  bool   // reported as a published test value is as good as silence
	Once   bool   // a value that is said twice is to be reported once
	Reason string // why that is what is to be found
}

// A Span is a value in a case's body.
type Span struct {
	Detector   string
	Also       []string // detectors that are right about the value as well
	Start, End int      // bytes of Body
	// Inside says that a match of any part of the span is as good as all of it: it
	// holds the secret and what belongs to it.
	Inside bool
	// Least and Most are the levels the evidence model gives it.
	Least, Most int
}

// Kind says whether a row's values are to be found.
type Kind string

// The kinds of rows.
const (
	Evasion Kind = "evasion"
	Noise   Kind = "noise"
	Plain   Kind = "catalogue"
)

// A Row is one way to write values, or one thing that is none.
type Row struct {
	Name  string
	Kind  Kind
	About string // an example or a sentence

	types []string // base types; nil: every one
	build func(g *gen, t *baseType, i int) Case
	times int // as many cases as other rows have; 0 is 1
}

// Types returns the names of the base types that the row is made for.
func (r *Row) Types() []string { return r.types }

// Rows returns every row, in the order of the report.
func Rows() []Row { return rows }

var rows = func() []Row {
	all := slices.Concat(evasions, noises, catalogueRows(), phoneRows(), regionRows(), placeRows(), secretRows(), healthRows())
	for i := range all {
		if all[i].types == nil {
			for _, t := range baseTypes {
				all[i].types = append(all[i].types, t.id)
			}
		}
	}
	return all
}()

// Generate makes perCell cases of every row and type.
func Generate(perCell int) []Case {
	var all []Case
	for i := range rows {
		r := &rows[i]
		for _, id := range r.types {
			t := typeOf(id)
			for n := range perCell * max(1, r.times) {
				name := fmt.Sprintf("%s/%s/%02d", r.Name, id, n)
				h := fnv.New64a()
				h.Write([]byte(name))
				g := &gen{Rand: rand.New(rand.NewPCG(h.Sum64(), 20260101))} //nolint:gosec // the same every time
				g.lang = languages[(n+int(h.Sum64()>>40))%len(languages)]
				c := r.build(g, t, n)
				c.ID, c.Row, c.Type = name, r.Name, id
				if c.Lang == "" {
					c.Lang = g.lang.code
				}
				c.settle()
				all = append(all, c)
			}
		}
	}
	return all
}

// A gen draws one case.
type gen struct {
	*rand.Rand
	lang *language
}

func (g *gen) one(of ...string) string { return of[g.IntN(len(of))] }

// some returns a number of least to most.
func (g *gen) some(least, most int) int { return least + g.IntN(most-least+1) }

func (g *gen) coin() bool { return g.IntN(2) == 0 }

// from draws n of the bytes of alphabet.
func (g *gen) from(alphabet string, n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = alphabet[g.IntN(len(alphabet))]
	}
	return string(b)
}

const (
	digits   = "0123456789"
	lowers   = "abcdefghijklmnopqrstuvwxyz"
	uppers   = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	hexes    = "0123456789abcdef"
	alnums   = uppers + lowers + digits
	base64s  = alnums + "+/"
	markFrom = '\ue000' // before a value, in a body that is not settled
	markTo   = '\ue001'
)

// mark wraps a value so that settle finds it.
func mark(s string) string { return string(markFrom) + s + string(markTo) }

// settle takes the marks out of the body and gives the spans their offsets.
func (c *Case) settle() {
	var b strings.Builder
	n := 0
	for _, r := range c.Body {
		switch r {
		case markFrom:
			if n >= len(c.Want) {
				panic("corpus: " + c.ID + ": more values than labels")
			}
			c.Want[n].Start = b.Len()
		case markTo:
			c.Want[n].End = b.Len()
			n++
		default:
			b.WriteRune(r)
		}
	}
	if n != len(c.Want) && !c.Once {
		panic("corpus: " + c.ID + ": more labels than values")
	}
	c.Body = b.String()
}

// escape makes text of a body's kind.
func escape(s string, html bool) string {
	if !html {
		return s
	}
	return escaper.Replace(s)
}

var escaper = strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;")
