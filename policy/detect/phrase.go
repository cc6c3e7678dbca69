package detect

import (
	"slices"
	"strings"
)

// phrases are those of a country's name and a noun, "Greek tax number": which
// detectors they are evidence for. They are not searched for as such, since there are
// some thousands of them, but put together where the name and the noun were found.
var phrases struct {
	names, nouns []string
	sets         [][]uint16 // by name*len(nouns)+noun
	general      [][]uint16 // by noun: what it is some evidence for without a name
}

func listPhrases() {
	p := &phrases
	at := func(list *[]string, w string) int {
		if i := slices.Index(*list, w); i >= 0 {
			return i
		}
		*list = append(*list, w)
		return len(*list) - 1
	}
	for _, k := range builtin {
		for _, n := range k.Names {
			at(&p.names, n)
		}
		for _, n := range k.Nouns {
			at(&p.nouns, n)
		}
	}
	p.sets, p.general = make([][]uint16, len(p.names)*len(p.nouns)), make([][]uint16, len(p.nouns))
	for _, k := range builtin {
		set := uint16(k.set) //nolint:gosec // some hundreds
		k.nouns, k.general = make([]uint64, len(p.nouns)/64+1), make([]uint64, len(p.nouns)/64+1)
		for _, noun := range k.Nouns {
			if i := at(&p.nouns, noun); k.Alone >= Low {
				k.nouns[i/64] |= 1 << (i % 64)
			}
		}
		for _, noun := range k.sayable() {
			i := at(&p.nouns, noun)
			k.general[i/64] |= 1 << (i % 64)
			p.general[i] = append(p.general[i], set)
		}
		for _, name := range k.Names {
			for _, noun := range k.Nouns {
				sets := &p.sets[at(&p.names, name)*len(p.nouns)+at(&p.nouns, noun)]
				if !slices.Contains(*sets, set) {
					*sets = append(*sets, set)
				}
			}
		}
	}
}

// sayable are those of the nouns of k that are some evidence for it without a country:
// of a value whose form says something by itself, a noun of several words that is none
// of k's own. "Tax number" before nine digits is of any country's.
func (k *kind) sayable() (words []string) {
	own := func(noun string) bool {
		return slices.ContainsFunc(k.Words, func(w string) bool { return evidenceKey(w) == evidenceKey(noun) })
	}
	for _, noun := range k.Nouns {
		if k.Alone >= Low && strings.Contains(noun, " ") && !own(noun) {
			words = append(words, noun)
		}
	}
	return words
}

// shortened adds what people write for short to words: "tax no" for "tax number",
// "personnr" for "personnummer".
func shortened(words []string) []string {
	all := slices.Clone(words)
	add := func(w string, ok bool) {
		if ok && !slices.Contains(all, w) {
			all = append(all, w)
		}
	}
	for _, w := range words {
		english, ok := strings.CutSuffix(w, " number")
		add(english+" no", ok)
		other, ok := strings.CutSuffix(w, "nummer")
		add(other+"nr", ok && other != "")
	}
	return all
}

// A part says of a term that it is a name or a noun of phrases, by number and one
// more; 0: it is none.
type part struct{ name, noun uint16 }

// addPhrases adds the names and nouns to the terms of e.
func (t *evidenceTerms) addPhrases() {
	for i, w := range phrases.names {
		t.parts[t.index(w)].name = uint16(i + 1) //nolint:gosec // some hundreds
	}
	for i, w := range phrases.nouns {
		t.parts[t.index(w)].noun = uint16(i + 1) //nolint:gosec // some hundreds
	}
}

// called reports whether a term is a noun for k's values, which say something by
// themselves: without a country it does not say that they are something else.
func (k *kind) called(p part) bool { return p.in(k.nouns) }

// in reports whether the noun is in a set.
func (p part) in(nouns []uint64) bool {
	i := int(p.noun) - 1
	return i >= 0 && nouns[i/64]>>(i%64)&1 == 1
}

// partOf says of which phrases a term is a part.
func (e *Engine) partOf(term int) part {
	if term < len(e.parts) {
		return e.parts[term]
	}
	return part{}
}

// setsOf are the sets of evidence that a term or phrase belongs to; none, if it is a
// noun that is some evidence only.
func (e *Engine) setsOf(term int) []uint16 {
	if term < len(e.sets) {
		return e.sets[term]
	}
	return phrases.sets[term-len(e.sets)]
}

// label is a term or phrase for people.
func (e *Engine) label(term int) string {
	if term < len(e.labels) {
		return strings.TrimSuffix(e.labels[term], "*")
	}
	i := term - len(e.labels)
	return phrases.names[i/len(phrases.nouns)] + " " + phrases.nouns[i%len(phrases.nouns)]
}

// compose puts phrases together: where a name stands right before a noun, the phrase
// follows the noun. What is a name or a noun and no evidence by itself is left out.
func (e *Engine) compose(buf []byte, hits, out []Hit) []Hit {
	for i, h := range hits {
		noun := int(e.parts[h.Term].noun)
		if e.sets[h.Term] != nil || noun > 0 && phrases.general[noun-1] != nil {
			out = append(out, h)
		}
		if noun == 0 {
			continue
		}
		for j := i - 1; j >= 0 && hits[j].End >= h.Start-maxNameGap; j-- {
			name := int(e.parts[hits[j].Term].name)
			if name == 0 || hits[j].End > h.Start || !joins(buf[hits[j].End:h.Start]) {
				continue
			}
			if phrase := (name-1)*len(phrases.nouns) + noun - 1; phrases.sets[phrase] != nil {
				out = append(out, Hit{len(e.sets) + phrase, hits[j].Start, h.End})
			}
		}
	}
	return out
}

// maxNameGap is the most that stands between a name and a noun: "Greece's tax number".
const maxNameGap = 3

// joins reports whether no more than a blank or a genitive stands between a name and a
// noun.
func joins(gap []byte) bool {
	switch string(gap) {
	case " ", "-", "_", "'s ", "  ":
		return true
	}
	return false
}
