package catalogue

import (
	"embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
)

//go:embed terms/*.txt
var lists embed.FS

// Languages are those of the columns of a list of terms.
var Languages = []string{"en", "de", "fr", "es", "pt", "it", "nl"}

// Term is one thing that a list names: a disease, a drug, an examination.
type Term struct {
	Names []Name // the first is English, and is what the term is counted as
}

// Name is one of its names, in one or more of the [Languages].
type Name struct {
	Text string
	// Common names have other meanings as well, or stand in everybody's talk.
	Common    bool
	Languages []string
}

// Terms reads a list of terms: a text file with one term a line and a column for
// each of the [Languages], parted by ';'. Names are parted by " / ", and a '?' is
// before those that are common. A column that is empty or missing is as in English.
// Empty lines and those that start with '#' are left out.
func Terms(name string) ([]Term, error) {
	data, err := lists.ReadFile("terms/" + name + ".txt")
	if err != nil {
		return nil, fmt.Errorf("there is no list of terms %q", name)
	}
	return decodeTerms(name+".txt", string(data))
}

func decodeTerms(file, data string) ([]Term, error) {
	var all []Term
	var errs []error
	first := map[string]int{} // the line of each name
	n := 0
	for line := range strings.Lines(data) {
		n++
		line = strings.TrimSpace(line)
		if line == "" || line[0] == '#' {
			continue
		}
		t, err := decodeTerm(line)
		if err != nil {
			errs = append(errs, fmt.Errorf("%s:%d: %w", file, n, err))
			continue
		}
		for _, name := range t.Names {
			key := strings.ToLower(name.Text)
			if at, ok := first[key]; ok {
				errs = append(errs, fmt.Errorf("%s:%d: %q is already in line %d", file, n, name.Text, at))
			}
			first[key] = n
		}
		all = append(all, t)
	}
	return all, errors.Join(errs...)
}

func decodeTerm(line string) (Term, error) {
	columns := strings.Split(line, ";")
	if len(columns) > len(Languages) {
		return Term{}, fmt.Errorf("%d columns, and there are %d languages", len(columns), len(Languages))
	}
	var t Term
	for i, language := range Languages {
		column := ""
		if i < len(columns) {
			column = strings.TrimSpace(columns[i])
		}
		if column == "" {
			if i == 0 {
				return t, errors.New("no English name")
			}
			column = strings.TrimSpace(columns[0])
		}
		for text := range strings.SplitSeq(column, " / ") {
			text, common := strings.CutPrefix(text, "?")
			if text != strings.TrimSpace(text) || !strings.ContainsFunc(text, unicode.IsLetter) || strings.ContainsAny(text, "?;") {
				return t, fmt.Errorf("%q is no name", text)
			}
			at := slices.IndexFunc(t.Names, func(n Name) bool { return strings.EqualFold(n.Text, text) })
			if at < 0 {
				t.Names = append(t.Names, Name{Text: text, Common: common, Languages: []string{language}})
				continue
			}
			n := &t.Names[at]
			n.Common = n.Common || common // whoever writes it in whichever language
			if !slices.Contains(n.Languages, language) {
				n.Languages = append(n.Languages, language)
			}
		}
	}
	return t, nil
}
