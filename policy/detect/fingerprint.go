package detect

import (
	"bytes"
	"cmp"
	"fmt"
	"regexp"
	"slices"

	"teamsdlp/policy/extract"
)

// Fingerprint is a detector that finds copies of a form, filled in or not. The form
// is known by its groups of words; what counts is how many of them stand in one
// stretch of the message. A match has the highest level whose share is reached. It
// is one a part of a message, and its value is the form, not what was filled in.
type Fingerprint struct {
	// Text is the empty form as plain text. What people fill in is told by a colon,
	// a row of dots or underscores, a box, brackets or the end of a line; no group
	// of words reaches over it.
	Text string
	// Low, Medium and High are the percentages of the form's groups that must
	// occur; 0: no match has that level.
	Low, Medium, High int
}

const (
	groupWords = 4    // words in a group; fewer where the form itself has fewer
	minGroups  = 10   // that a form must have
	maxSketch  = 2000 // that are kept of a form
)

// blanks of a form: what is filled in, or tells where.
var formBlanks = regexp.MustCompile(`\{[^}\n]{0,64}\}|<[^>\n]{0,64}>|\[[^\]\n]{0,64}\]|_{2,}|\.{3,}|[…:☐□☑☒•|]`)

// A formSearch is a Fingerprint, compiled.
type formSearch struct {
	own   *owned
	words int // of the form
	total int // groups kept of it
}

// A formIndex finds the groups of all forms of an engine.
type formIndex struct {
	forms  []*formSearch
	sizes  uint64   // of groups, a bit for each number of words
	gate   []uint64 // of the quick hashes of groups, and of their first two words
	groups map[uint64][]formGroup
}

// A formGroup is one group of words of a form.
type formGroup struct{ form, group int32 }

// formKey keys the hashes of words. It is no secret: a form is none.
var formKey = newSIPKey([]byte("pldsmaetsmrof\x00\x00\x00"))

// compileForm checks a fingerprint and returns its groups.
func compileForm(o *owned, fault func(field string, index int, text string)) {
	f := o.Fingerprint
	last := 0
	for _, p := range []int{f.Low, f.Medium, f.High} {
		if p < 0 || p > 100 {
			fault("similarity", -1, "a share is a percentage from 1 to 100")
			return
		}
		if p > 0 && p <= last {
			fault("similarity", -1, "a higher confidence needs a higher share")
			return
		}
		last = max(last, p)
	}
	if last == 0 {
		fault("similarity", -1, "is missing: the detector could never report anything")
		return
	}
	s := &formSearch{own: o}
	o.groups, s.words = formGroups(f.Text)
	if s.total = len(o.groups); s.total < minGroups {
		fault("fingerprint", -1, fmt.Sprintf("the form has %d groups of words, and at least %d are needed to know it by: is it the whole form, as plain text?", s.total, minGroups))
		return
	}
	o.form, o.Mask = s, maskForm
	for _, l := range []struct {
		share int
		level Level
	}{{f.High, High}, {f.Medium, Medium}, {f.Low, Low}} {
		if l.share > 0 {
			o.WithContext = max(o.WithContext, l.level)
			o.Alone = l.level
		}
	}
}

// A formHash stands for a group of words of a form.
type formHash struct {
	hash          uint64
	pair, quickly uint64 // quick hashes of its first two words, and of all
}

// formGroups returns the groups of words of a form, sorted by hash, and how many words
// it has. Of a long form it is those with the lowest hashes: a sample by chance.
func formGroups(form string) (groups []formHash, words int) {
	text := formBlanks.ReplaceAllString(string(extract.Plain(form).Bytes()), "\n")
	var t tokenizer
	for _, line := range bytes.FieldsFunc([]byte(text), func(r rune) bool { return r == '\n' || r == '\t' || r == '\f' }) {
		t.read(TextColumn, line)
		words += len(t.words)
		n := min(groupWords, len(t.words))
		for i := 0; n > 1 && i+n <= len(t.words); i++ {
			h, q, pair := t.hash(formKey, &t.words[i]), t.quick(&t.words[i]), uint64(0)
			for k := 1; k < n; k++ {
				h, q = joinHash(h, t.hash(formKey, &t.words[i+k])), joinHash(q, t.quick(&t.words[i+k]))
				if k == 1 {
					pair = q
				}
			}
			groups = append(groups, formHash{sized(h, n), pair, q})
		}
	}
	slices.SortFunc(groups, func(a, b formHash) int { return cmp.Compare(a.hash, b.hash) })
	groups = slices.CompactFunc(groups, func(a, b formHash) bool { return a.hash == b.hash })
	return groups[:min(len(groups), maxSketch)], words
}

// sized makes groups of different lengths differ, and keeps the length.
func sized(h uint64, n int) uint64 { return spread(h)&^7 | uint64(n) }

// startForms indexes the forms of an engine.
func (e *Engine) startForms() {
	x := &formIndex{groups: map[uint64][]formGroup{}}
	for _, o := range e.own {
		if o.form == nil {
			continue
		}
		for i, g := range o.groups {
			x.sizes |= 1 << (g.hash & 7)
			x.groups[g.hash] = append(x.groups[g.hash], formGroup{int32(len(x.forms)), int32(i)}) //nolint:gosec // a few thousand
		}
		x.forms = append(x.forms, o.form)
	}
	if len(x.forms) == 0 {
		return
	}
	size := 64
	for size < 32*len(x.groups) {
		size *= 2
	}
	x.gate = make([]uint64, size/64)
	for _, o := range e.own {
		for _, g := range o.groups {
			for _, q := range []uint64{g.pair, g.quickly} {
				at, bit := x.gatePlace(q)
				x.gate[at] |= bit
			}
		}
	}
	e.forms = x
}

// gatePlace returns where in the gate the bit of a quick hash is.
func (x *formIndex) gatePlace(q uint64) (at, bit uint64) {
	q ^= q >> 32
	return q >> 6 & uint64(len(x.gate)-1), 1 << (q & 63)
}

// may reports whether some group, or its first two words, may have that quick hash.
func (x *formIndex) may(q uint64) bool {
	at, bit := x.gatePlace(q)
	return x.gate[at]&bit != 0
}

// formState is what a scanner keeps for fingerprints.
type formState struct {
	events [][]formEvent // by form
	counts []int32
}

// A formEvent is a group of words of a form, found in a text.
type formEvent struct {
	group      int32
	word       int32 // the number of its first word
	start, end int32
}

// copies looks for copies of forms, in each part of the message by itself.
func (s *scanner) copies() {
	if s.e.forms == nil || s.o.Only != nil && !slices.ContainsFunc(s.e.forms.forms, func(f *formSearch) bool { return s.o.Only[f.own.ID] }) {
		return
	}
	t := s.textWords()
	t.hashes = append(t.hashes[:0], make([]uint64, len(t.words))...)
	if len(s.form.events) < len(s.e.forms.forms) {
		s.form.events = make([][]formEvent, len(s.e.forms.forms))
	}
	s.work += groupWords * len(t.words)
	for from, first := 0, 0; from < len(s.buf); {
		to := len(s.buf)
		if n := bytes.IndexByte(s.buf[from:], '\f'); n >= 0 {
			to = from + n
		}
		last := first
		if to == len(s.buf) {
			last = len(t.words)
		}
		for last < len(t.words) && int(t.words[last].start) < to {
			last++
		}
		s.copiesIn(t, first, last)
		from, first = to+1, last
	}
}

// copiesIn looks for copies in the words of t from first to last. Few pairs of words are
// those that a group of a form begins with, so the groups of most are not looked at, and
// their words not hashed but quickly.
func (s *scanner) copiesIn(t *tokenizer, first, last int) {
	x := s.e.forms
	hit := false
	next := uint64(0)
	if first < last {
		next = t.quick(&t.words[first])
	}
	for i := first; i+1 < last; i++ {
		q := next
		next = t.quick(&t.words[i+1])
		if q = joinHash(q, next); !x.may(q) {
			continue
		}
		for n := 2; n <= groupWords && i+n <= last; n++ {
			if n > 2 {
				q = joinHash(q, t.quick(&t.words[i+n-1]))
			}
			if x.sizes&(1<<n) == 0 || !x.may(q) {
				continue
			}
			for _, f := range x.groups[s.groupHash(t, i, n)] {
				s.form.events[f.form] = append(s.form.events[f.form], formEvent{f.group, int32(i), t.words[i].start, t.words[i+n-1].end}) //nolint:gosec // a text is far below 2 GiB
				hit = true
				s.work++
			}
		}
	}
	if !hit {
		return
	}
	for i, f := range x.forms {
		s.copy(f, s.form.events[i])
		if s.form.events[i] = s.form.events[i][:0]; cap(s.form.events[i]) > 1<<12 {
			s.form.events[i] = nil
		}
	}
}

// groupHash is the hash of the group of n words from the ith on. A word is hashed once.
func (s *scanner) groupHash(t *tokenizer, i, n int) uint64 {
	h := uint64(0)
	for k := i; k < i+n; k++ {
		if t.hashes[k] == 0 {
			t.hashes[k] = t.hash(formKey, &t.words[k])
		}
		if k == i {
			h = t.hashes[k]
		} else {
			h = joinHash(h, t.hashes[k])
		}
	}
	return sized(h, n)
}

// copy finds the stretch of the text with the most groups of a form. What is
// filled in makes a copy longer than its form, but not without end: groups that a
// long text has by chance lie far apart.
func (s *scanner) copy(f *formSearch, events []formEvent) {
	if len(events) == 0 || s.o.Only != nil && !s.o.Only[f.own.ID] {
		return
	}
	if len(s.form.counts) < f.total {
		s.form.counts = make([]int32, f.total)
	}
	counts := s.form.counts
	reach := int32(4*f.words + 200) //nolint:gosec // a form is at most a megabyte
	first, distinct, best, from, to := 0, 0, 0, 0, 0
	for i := range events {
		if counts[events[i].group]++; counts[events[i].group] == 1 {
			distinct++
		}
		for events[i].word-events[first].word > reach {
			if counts[events[first].group]--; counts[events[first].group] == 0 {
				distinct--
			}
			first++
		}
		if distinct > best {
			best, from, to = distinct, first, i
		}
	}
	for i := range events {
		counts[events[i].group] = 0
	}
	s.work += 2 * len(events)
	end := events[from].end
	for _, e := range events[from : to+1] {
		end = max(end, e.end)
	}
	share := best * 100 / f.total
	p := f.own.Fingerprint
	c := candidate{own: f.own, start: int(events[from].start), end: int(end), value: f.own.ID,
		why: fmt.Sprintf("%d %% of the form's groups of words occur", share)}
	switch {
	case p.High > 0 && share >= p.High:
		c.level = High
	case p.Medium > 0 && share >= p.Medium:
		c.level = Medium
	case p.Low > 0 && share >= p.Low:
		c.level = Low
	default:
		s.reject(f.own.ID, c.start, c.end, "it holds too little of the form: "+c.why)
		return
	}
	s.found = append(s.found, c)
}
