package catalogue

import (
	"bytes"
	_ "embed"
	"fmt"
	"sync"

	"go.yaml.in/yaml/v3"
)

//go:embed nouns.yaml
var nounsFile []byte

// NounList says what the ids of countries are called in English: a name of the
// country before a noun of the id's kind, as in "Greek tax number".
type NounList struct {
	Names map[string][]string `yaml:"names"` // of countries, by ISO 3166 code
	Nouns map[string][]string `yaml:"nouns"` // by kind
}

// nouns reads the list, once. What is wrong with it is wrong with the program.
var nouns = sync.OnceValue(func() NounList {
	dec := yaml.NewDecoder(bytes.NewReader(nounsFile))
	dec.KnownFields(true)
	var l NounList
	if err := dec.Decode(&l); err != nil {
		panic(fmt.Errorf("nouns.yaml: %w", err))
	}
	return l
})

// Nouns returns the list, which is not to be changed.
func Nouns() NounList { return nouns() }

// CountryNames are those that may stand before the nouns of e.
func (e *Entry) CountryNames() (names []string) {
	for _, c := range e.named() {
		if len(e.Nouns) > 0 {
			names = append(names, nouns().Names[c]...)
		}
	}
	return names
}

// named are the countries whose names stand before the nouns of e.
func (e *Entry) named() []string {
	if len(e.Countries) > 0 || e.Region == "" {
		return e.Countries
	}
	return []string{e.Region}
}
