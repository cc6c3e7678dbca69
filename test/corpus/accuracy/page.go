package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"teamsdlp/test/corpus"
)

// page is what is printed and committed.
func (b *baseline) page() string {
	var w strings.Builder
	f := b.Full
	cases, labels := 0, 0
	for _, r := range f.Rows {
		cases, labels = cases+r.Cases, labels+r.Labels
	}
	fmt.Fprintf(&w, `# How accurate the detectors are

<!-- Written by "make accuracy UPDATE=1". -->

Measured on the project's own labelled corpus: %d chat messages (plain text and Teams' markup, twelve languages) with %d labelled values,
made by a seeded generator that shares no code with the product, check digits included; and on real text that nobody made for this.
It is our own measure: a corpus of your own chat says more.

    make accuracy                                                 # print this page, fail if anything got worse
    make accuracy UPDATE=1                                        # take the new figures
    go run ./test/corpus/accuracy -failures -row glued -type iban # show what went wrong

A value is found if a match of its detector, of level 65 or more, covers half of it. *Exact* has the very span; *level* is where the evidence model puts it.
What else is matched in the same message is *beside*.

## Evasions: values that are to be found

| Row | Values | Found | Exact | Level | Beside |
|---|---|---|---|---|---|
`, cases, labels)
	total := rowScore{}
	for i := range corpus.Rows() {
		row := &corpus.Rows()[i]
		s := f.Rows[row.Name]
		if row.Kind == corpus.Noise {
			continue
		}
		found := s.Labels - s.Missed
		fmt.Fprintf(&w, "| %s: %s | %d | %s | %s | %s | %d |\n", row.Name, row.About, s.Labels, percent(found, s.Labels), percent(s.Exact, found), percent(s.Level, found), s.Others)
		if row.Kind == corpus.Evasion {
			total.Labels, total.Missed, total.Exact, total.Level, total.Others = total.Labels+s.Labels, total.Missed+s.Missed, total.Exact+s.Exact, total.Level+s.Level, total.Others+s.Others
		}
	}
	found := total.Labels - total.Missed
	fmt.Fprintf(&w, "| **all evasions** | %d | **%s** | %s | %s | %d |\n", total.Labels, percent(found, total.Labels), percent(total.Exact, found), percent(total.Level, found), total.Others)
	w.WriteString(`
## Noise: messages in which nothing is to be said

| Row | Messages | Silent |
|---|---|---|
`)
	total = rowScore{}
	for i := range corpus.Rows() {
		row := &corpus.Rows()[i]
		s := f.Rows[row.Name]
		if row.Kind != corpus.Noise {
			continue
		}
		fmt.Fprintf(&w, "| %s: %s | %d | %s |\n", row.Name, row.About, s.Cases, percent(s.Cases-s.Failed, s.Cases))
		total.Cases, total.Failed = total.Cases+s.Cases, total.Failed+s.Failed
	}
	fmt.Fprintf(&w, "| **all noise** | %d | **%s** |\n", total.Cases, percent(total.Cases-total.Failed, total.Cases))
	w.WriteString(`
## Detectors

Precision (P) and recall (R) at each level that a rule can ask for. Recall is of the values that the model puts there; precision is over every message, noise included.

| Detector | Values | P 65 | R 65 | P 75 | R 75 | P 85 | R 85 |
|---|---|---|---|---|---|---|---|
`)
	for _, id := range slices.Sorted(maps.Keys(f.Detectors)) {
		d := f.Detectors[id]
		if d[0].Labels == 0 && d[0].False == 0 {
			continue
		}
		fmt.Fprintf(&w, "| %s | %d |", id, d[0].Labels)
		for _, c := range d {
			p, r := "–", "–"
			if c.Right+c.False > 0 {
				p = fmt.Sprintf("%.3f", c.precision())
			}
			if c.Labels > 0 {
				r = fmt.Sprintf("%.3f", c.recall())
			}
			fmt.Fprintf(&w, " %s | %s |", p, r)
		}
		w.WriteString("\n")
	}
	fmt.Fprintf(&w, "\n## Real text\n\nAlarms in %.1f MB that packages ship, in messages of up to 4 KB, each paragraph once, read on the machine that wrote this page:\n\n", mb(b.Real.Bytes))
	for _, s := range b.Real.Sources {
		fmt.Fprintf(&w, "- %s: %d files, %d bytes\n", s.Name, s.Files, s.Bytes)
	}
	w.WriteString(`
Values that are marked as published test values are not counted. Addresses, telephone numbers and public IP addresses are mostly real, so their rows are no errors.

| Detector | Alarms per MB at 65 | at 75 | at 85 | Alarms at 65 |
|---|---|---|---|---|
`)
	ids := slices.SortedFunc(maps.Keys(b.Real.Count), func(x, y string) int {
		return cmp.Or(cmp.Compare(b.Real.Count[y][0], b.Real.Count[x][0]), cmp.Compare(x, y))
	})
	for _, id := range ids {
		n := b.Real.Count[id]
		fmt.Fprintf(&w, "| %s |", id)
		for _, c := range n {
			fmt.Fprintf(&w, " %.2f |", float64(c)/mb(b.Real.Bytes))
		}
		fmt.Fprintf(&w, " %d |\n", n[0])
	}
	return w.String()
}

func mb(bytes int) float64 { return float64(bytes) / (1 << 20) }

func percent(n, of int) string { return fmt.Sprintf("%.1f %%", 100*share(n, of)) }

// worstCells lists rows and types by how many of their cases fail, with an example
// of each.
func worstCells(r *results) string {
	example := map[string]failure{}
	for _, f := range r.failures {
		k := f.Row + "/" + f.Type
		if _, ok := example[k]; !ok {
			example[k] = f
		}
	}
	cells := slices.SortedFunc(maps.Keys(example), func(x, y string) int {
		return cmp.Or(cmp.Compare(r.Cells[y][1], r.Cells[x][1]), cmp.Compare(x, y))
	})
	var w strings.Builder
	w.WriteString("# Worst rows of the corpus\n\nrow/type: failed of cases, then one example. More: go run ./test/corpus/accuracy -failures -row R -type T\n\n")
	for _, k := range cells {
		f := example[k]
		fmt.Fprintf(&w, "%s: %d of %d\n    %q\n    %s\n", k, r.Cells[k][1], r.Cells[k][0], f.Body, f.what)
	}
	w.WriteString("\n# Found, but at another level than the model has it\n\nMore: go run ./test/corpus/accuracy -levels -row R -type T\n\n")
	off := map[string]int{}
	for _, f := range r.levels {
		k := f.Row + "/" + f.Type
		if off[k]++; off[k] == 1 {
			example[k] = f
		}
	}
	for _, k := range slices.SortedFunc(maps.Keys(off), func(x, y string) int { return cmp.Or(cmp.Compare(off[y], off[x]), cmp.Compare(x, y)) }) {
		fmt.Fprintf(&w, "%s: %d of %d\n    %q\n    %s\n", k, off[k], r.Cells[k][0], example[k].Body, example[k].what)
	}
	return w.String()
}
