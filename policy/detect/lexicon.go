package detect

import (
	"bytes"
	"slices"
	"sort"
	"strings"
	"unicode"
	"unicode/utf8"

	"teamsdlp/policy/detect/catalogue"
	"teamsdlp/policy/extract"
)

// A lexicon finds what the detectors look for that are lists of terms: diseases,
// drugs, examinations. Everybody speaks of them, so a term alone is worth nothing
// that a rule can ask for. A word for care beside it (patient, diagnosed with) says
// that it is somebody's; an id of a person, or the word and a person who is named,
// says whose.
//
// Terms and words are looked up in one dictionary. Most messages never are: only one
// in which a word for care begins, or an id was found.
type lexicon struct {
	dict  *dictionary
	kinds []*kind
	entry []lexEntry // by the index of the dictionary
}

// A lexEntry is a term, a word for care or a form of address.
type lexEntry struct {
	text    string
	term    *kind  // of which it is a term; nil: it is none
	concept string // what it is a name of
	common  bool
	care    uint32 // the kinds for which it is a word for care, by bit in lexicon.kinds
	address bool   // Mrs, Herr, Mme: a name follows
	has     bool   // between a name and a term: Mrs Smith has asthma
	idle    bool   // a phrase that takes a word for care out of it
}

// addresses are words that stand before a person's name, and before few other things.
var addresses = []string{
	"mr", "mrs", "ms", "miss", "herr", "herrn", "frau", "monsieur", "madame", "mme", "mlle", "señor", "señora", "sra", "srta", "senhor", "senhora", "dona",
	"signor", "signora", "signorina", "sig", "sig.ra", "meneer", "mevrouw", "dhr", "mevr", "mw", "pan", "pani", "employee", "mitarbeiter", "mitarbeiterin",
}

// having are the words by which a person has something. French has one that is an
// article elsewhere.
var (
	having       = []string{"has", "had", "hat", "hatte", frenchHas, "avait", "tiene", "tenía", "tem", "tinha", "ha", "aveva", "heeft", "takes", "nimmt", "prend", "toma", "prende", "slikt", "got", "bekam"}
	frenchTitles = set("monsieur", "madame", "mme", "mlle")
)

const frenchHas = "a"

// idle are phrases in which a word for care says nothing of it.
var idle = []string{"be patient", "being patient", "so patient", "very patient", "more patient", "patient person", "patient enough", "patient portal", "patient app", "patient engagement", "medical history class"}

// nobody are detectors of family health that name no patient.
var nobody = set("us-npi", "us-dea", "de-lanr", "de-bsnr", "icd10-cm", "icd9", "ndc", "loinc", "snomed-ct")

// namesSomebody reports whether a value of k says who somebody is.
func (k *kind) namesSomebody() bool {
	switch k.Family {
	case "person":
		return true
	case "health":
		return k.terms == nil && !nobody[k.ID]
	case "travel":
		return k.ID != "vin"
	}
	return k.ID == "date-of-birth"
}

// reaches reports whether a value of k is how somebody is reached.
func (k *kind) reaches() bool {
	return k.ID == "email" || k.ID == "phone-e164" || k.ID == "phone-national"
}

var lex lexicon

// listTerms makes the lexicon, and puts what words for care begin with on the list of
// triggers.
func listTerms() {
	l := &lex
	at := map[string]int{}
	var texts []string
	entry := func(text string) *lexEntry {
		i, ok := at[text]
		if !ok {
			i = len(l.entry)
			at[text] = i
			texts, l.entry = append(texts, text), append(l.entry, lexEntry{text: text})
		}
		return &l.entry[i]
	}
	heads := map[string]bool{}
	for _, k := range builtin {
		if k.terms == nil {
			continue
		}
		bit := uint32(1) << len(l.kinds)
		l.kinds = append(l.kinds, k)
		for _, t := range k.terms {
			for _, n := range t.Names {
				for _, spelt := range spellings(strings.ToLower(n.Text)) {
					e := entry(spelt)
					e.term, e.concept, e.common = k, t.Names[0].Text, n.Common
				}
			}
		}
		for _, w := range k.Words {
			for _, spelt := range spellings(w) {
				entry(spelt).care |= bit
				if head := headOf(spelt); len(head) >= 3 && !everywhere[head[:3]] { // else it counts only beside another
					heads[head] = true
				}
			}
		}
	}
	for _, w := range addresses {
		entry(w).address = true
		heads[(w + " ")[:min(len(w)+1, longestHead)]] = true
		heads[(w + ".")[:min(len(w)+1, longestHead)]] = true
	}
	for _, w := range having {
		entry(w).has = true
	}
	for _, w := range idle {
		entry(w).idle = true
	}
	var rest []int
	l.dict, rest = newDictionary(texts, (&Keywords{}).fold)
	if len(rest) > 0 {
		panic("the lexicon holds a term that fits no dictionary: " + texts[rest[0]])
	}
	for head := range heads {
		on(head, true, func(s *scanner, _, _ int) { s.care = true })
	}
}

// spellings are the ways in which a term is written: an apostrophe may be the
// typesetter's, and a dash a blank or nothing where a digit is beside it.
func spellings(text string) []string {
	all := []string{text}
	if strings.Contains(text, "'") {
		all = append(all, strings.ReplaceAll(text, "'", "’"))
	}
	if strings.Contains(text, "-") {
		all = append(all, strings.ReplaceAll(text, "-", " "))
	}
	return all
}

// longestHead is how much of a word for care tells that it may be one.
const longestHead = 7

// everywhere are heads that are too common to look further.
var everywhere = set("the", "on ", "in ")

// loneArticles stand before what is not somebody's illness: has the asthma slides.
var loneArticles = []string{" the ", " den ", " das "}

// headOf returns what a word for care begins with, however its case is: letters of
// ASCII, or all of it if that would be too little.
func headOf(w string) string {
	for _, small := range []string{"on ", "in "} {
		w = strings.TrimPrefix(w, small)
	}
	n := 0
	for n < len(w) && n < longestHead && w[n] < utf8.RuneSelf {
		n++
	}
	if n < 3 {
		return w
	}
	return w[:n]
}

// lookUp adds the terms of the text. What else is found is settled.
func (s *scanner) lookUp() {
	if s.outer != nil || !s.asksTerms() {
		return
	}
	somebody := s.explain || s.floor < Low || s.care
	for i := range s.found {
		c := &s.found[i]
		somebody = somebody || !c.dropped && c.kind != nil && c.level >= Low && c.kind.namesSomebody()
	}
	if !somebody {
		return
	}
	l := &lex
	var work int
	s.words, work = l.dict.find(s.buf, s.words[:0])
	s.work += work
	others := len(s.found)
	// The dictionary tells of what starts first, and of that the shorter first.
	slices.SortStableFunc(s.words, func(a, b Hit) int {
		if a.Start != b.Start {
			return a.Start - b.Start
		}
		return b.End - a.End
	})
	to, next, covered := 0, 0, -1 // what else is found is read up to next, and lies up to covered
	for _, h := range s.words {
		e := &l.entry[h.Term]
		if e.term == nil || h.Start < to {
			continue
		}
		to = h.End
		for ; next < others && s.found[next].start < h.End; next++ {
			if c := &s.found[next]; !c.dropped && c.kind != nil && c.level >= Low && c.end > s.foundEnd(covered) {
				covered = next
			}
		}
		if s.foundEnd(covered) > h.Start {
			s.reject(e.term.ID, h.Start, h.End, "overlaps with "+s.found[covered].kind.ID)
			continue
		}
		s.judgeTerm(e, h, s.found[:others])
	}
	if len(s.found) > others {
		slices.SortStableFunc(s.found, func(a, b candidate) int { return a.start - b.start })
	}
}

// asksTerms reports whether a term could be of use.
func (s *scanner) asksTerms() bool {
	return s.o.Only == nil || slices.ContainsFunc(lex.kinds, func(k *kind) bool { return s.o.Only[k.ID] })
}

// foundEnd is where what is found at i ends; -1 is nothing.
func (s *scanner) foundEnd(i int) int {
	if i < 0 {
		return -1
	}
	return s.found[i].end
}

// longestID is how long a value that names a person is at most.
const longestID = 128

// judgeTerm judges a term at h, beside what else is found.
func (s *scanner) judgeTerm(e *lexEntry, h Hit, found []candidate) {
	k := e.term
	if why := s.partOfName(h.Start, h.End); why != "" {
		s.reject(k.ID, h.Start, h.End, why)
		return
	}
	id, reach := -1, false
	lo, hi := s.window(h.Start, h.End, defaultWithin)
	i := sort.Search(len(found), func(i int) bool { return found[i].start >= lo-longestID })
	for ; i < len(found) && found[i].start < hi; i++ {
		s.work++
		c := &found[i]
		switch {
		case c.dropped || c.kind == nil || c.level < Low || c.end <= lo:
		case !c.kind.namesSomebody():
			reach = reach || c.kind.reaches()
		case id < 0 || gap(c.start, c.end, h) < gap(found[id].start, found[id].end, h):
			id = i
		}
	}
	b := s.nearTerm(e, h)
	c := candidate{kind: k, start: h.Start, end: h.End, level: k.Alone, value: e.concept, why: "a term of the list", evidence: b.care >= 0 || id >= 0}
	switch {
	case e.common && b.care < 0:
		c.why += " that has other meanings; no word for care nearby"
	case id >= 0:
		c.level, c.dist = k.WithContext, gap(found[id].start, found[id].end, h)
		c.why += "; " + found[id].kind.ID + " in the same message"
	case b.care >= 0 && b.person != "":
		c.level = k.WithContext
		c.why += "; " + b.tell() + "; a person is named"
	case b.care >= 0 && reach:
		c.level = k.WithContext
		c.why += "; " + b.tell() + "; an address or number of a person"
	case b.care >= 0:
		c.level = k.WithContext.lower()
		c.why += "; " + b.tell() + "; nobody is named"
	case b.has:
		c.level = k.WithContext.lower()
		c.why += "; a person who is named has it"
	default:
		c.why += "; no word for care and nobody nearby"
	}
	if c.level >= Low && s.t.Zone(h.Start) == extract.Code {
		c.level = c.level.lower()
		c.why += "; in code"
	}
	s.add(c)
}

// gap is how far what lies from start to end is from h.
func gap(start, end int, h Hit) int {
	if end <= h.Start {
		return h.Start - end
	}
	return max(0, start-h.End)
}

// A besides is what stands beside a term.
type besides struct {
	care   int    // how far the nearest word for care is, in bytes; -1: there is none
	word   string // that word
	header bool   // it heads the column
	person string // a form of address with a name
	has    bool   // a person who is named has the term
}

func (b besides) tell() string {
	if b.header {
		return `keyword "` + b.word + `" heads the column`
	}
	return `keyword "` + b.word + `" nearby`
}

// nearTerm looks for what stands beside a term.
func (s *scanner) nearTerm(e *lexEntry, h Hit) besides {
	b, l := besides{care: -1}, &lex
	bit := uint32(1) << slices.Index(l.kinds, e.term)
	lo, hi := s.window(h.Start, h.End, e.term.Within)
	i := sort.Search(len(s.words), func(i int) bool { return s.words[i].Start >= lo })
	personEnd, hasAt, idleTo := -1, -1, 0
	for ; i < len(s.words) && s.words[i].Start < hi; i++ {
		w := s.words[i]
		s.work++
		x := &l.entry[w.Term]
		if w.End > hi || w.Start < h.End && w.End > h.Start {
			continue
		}
		if x.idle {
			idleTo = w.End
		}
		if x.care&bit != 0 && w.Start >= idleTo {
			if d := gap(w.Start, w.End, h); b.care < 0 || d < b.care {
				b.care, b.word = d, x.text
			}
		}
		if x.address && s.nameAt(w.End) {
			b.person = x.text
			if w.End <= h.Start {
				personEnd, hasAt = w.End+1, -1 // a point may be there
			}
		}
		if x.has && w.End <= h.Start && personEnd >= 0 && w.Start > personEnd && w.Start-personEnd <= longestName && hasAt < 0 && (x.text != frenchHas || frenchTitles[b.person]) {
			hasAt = w.End
		}
	}
	b.has = hasAt >= 0 && h.Start-hasAt <= farthestHad && !bytes.ContainsAny(s.buf[personEnd:h.Start], ".\n\f?!") &&
		!slices.ContainsFunc(loneArticles, func(a string) bool { return bytes.Contains(s.buf[hasAt:h.Start], []byte(a)) })
	if from, to, ok := s.t.Header(h.Start); ok && b.care < 0 {
		j := sort.Search(len(s.words), func(j int) bool { return s.words[j].Start >= from })
		for ; j < len(s.words) && s.words[j].Start < to; j++ {
			if x := &l.entry[s.words[j].Term]; x.care&bit != 0 {
				b.care, b.word, b.header = 0, x.text, true
			}
		}
	}
	return b
}

// longestName is how long a name after a form of address is at most, farthestHad how
// far the word that somebody has something is from what that is.
const longestName, farthestHad = 30, 16

// nameAt reports whether a name follows a form of address that ends at i.
func (s *scanner) nameAt(i int) bool {
	if i < len(s.buf) && s.buf[i] == '.' {
		i++
	}
	if i >= len(s.buf) || s.buf[i] != ' ' {
		return false
	}
	r, _ := utf8.DecodeRune(s.buf[i+1:])
	return unicode.IsUpper(r)
}

// partOfName says of what the word at buf[start:end] is a part that nobody says of a
// person: a link, a path, a file, a name in code.
func (s *scanner) partOfName(start, end int) string {
	buf := s.buf
	if s.t.Zone(start) == extract.Link {
		return "part of a link"
	}
	if start > 0 {
		switch c := buf[start-1]; {
		case c == '@' || c == '#' || c == '\\' || c == '=' || c == '_' || c == '&':
			return "part of a name"
		case (c == '.' || c == '/' || c == '-') && start > 1 && wordBefore(buf, start-1) && !s.slashed(start):
			return "part of a name"
		}
	}
	if end < len(buf) {
		switch c := buf[end]; {
		case c == '@' || c == '_' || c == '\\' || c == '(' && end+1 < len(buf) && buf[end+1] == ')':
			return "part of a name"
		case (c == '.' || c == '-') && end+1 < len(buf) && wordAt(buf, end+1) && !s.careAt(end+1):
			return "part of a name"
		}
	}
	lo := start
	for lo > 0 && start-lo < maxToken && !blankByte(buf[lo-1]) {
		lo--
	}
	s.work += start - lo
	if token := buf[lo:start]; bytes.Contains(token, []byte("://")) || bytes.HasPrefix(token, []byte("www.")) || len(token) > 0 && token[0] == '/' {
		return "part of a link"
	}
	return ""
}

// slashed reports whether what stands before start is one of two things: HIV/AIDS,
// diabetes/hypertension.
func (s *scanner) slashed(start int) bool {
	if s.buf[start-1] != '/' {
		return false
	}
	for i := start - 2; i >= 0 && start-i < maxToken && !blankByte(s.buf[i]); i-- {
		if c := s.buf[i]; c == '/' || c == '.' || c == ':' || isDigit(c) {
			return false
		}
	}
	return true
}

// careAt reports whether a word for care starts at i: Diabetes-Patientin.
func (s *scanner) careAt(i int) bool {
	j := sort.Search(len(s.words), func(j int) bool { return s.words[j].Start >= i })
	for ; j < len(s.words) && s.words[j].Start == i; j++ {
		if lex.entry[s.words[j].Term].care != 0 {
			return true
		}
	}
	return false
}

// listed are the terms of a declaration, as people may read them.
func listed(list []catalogue.Term) [][]string {
	all := make([][]string, len(list))
	for i, t := range list {
		for _, n := range t.Names {
			all[i] = append(all[i], n.Text)
		}
	}
	return all
}
