package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
	"teamsdlp/test/corpus"
)

// thresholds are the levels that rules ask for.
var thresholds = [3]int{65, 75, 85}

// counts are what one detector got right and wrong at one threshold.
type counts struct {
	Labels int `json:"labels"` // values that the model puts at the threshold or above
	Found  int `json:"found"`  // of those
	Exact  int `json:"exact"`  // of those found, with the very span
	Right  int `json:"right"`  // matches that lie on a value of the detector
	False  int `json:"false"`  // matches that do not
}

func (c counts) recall() float64    { return share(c.Found, c.Labels) }
func (c counts) precision() float64 { return share(c.Right, c.Right+c.False) }

// rowScore is how a row went.
type rowScore struct {
	Kind   corpus.Kind `json:"kind"`
	Cases  int         `json:"cases"`
	Failed int         `json:"failed"`           // cases with a miss, or with an alarm where there should be none
	Labels int         `json:"labels"`           // values to be found
	Missed int         `json:"missed"`           //
	Exact  int         `json:"exact"`            // values found with the very span
	Level  int         `json:"level"`            // values found at the level of the model
	Others int         `json:"others,omitempty"` // matches of something else, beside the values
}

// A failure is a case that went wrong, for people to read.
type failure struct {
	corpus.Case
	what string
}

// results are what a run of the corpus gave.
type results struct {
	Rows      map[string]*rowScore  `json:"rows"`
	Cells     map[string]*[2]int    `json:"-"` // by row and type: cases, failed
	Detectors map[string]*[3]counts `json:"detectors"`
	failures  []failure
	levels    []failure // found, but not at the level of the model
}

func share(n, of int) float64 {
	if of == 0 {
		return 1
	}
	return float64(n) / float64(of)
}

// score runs the engine over the cases.
func score(engine *detect.Engine, cases []corpus.Case) *results {
	r := &results{Rows: map[string]*rowScore{}, Cells: map[string]*[2]int{}, Detectors: map[string]*[3]counts{}}
	for i := range corpus.Rows() {
		row := &corpus.Rows()[i]
		r.Rows[row.Name] = &rowScore{Kind: row.Kind}
	}
	var text extract.Text
	for _, c := range cases {
		text.Load(extract.Source{Body: c.Body, HTML: c.HTML})
		r.judge(&c, &text, engine.Scan(&text, detect.Options{RegionHint: c.Hint}))
	}
	return r
}

func (r *results) detector(id string) *[3]counts {
	if r.Detectors[id] == nil {
		r.Detectors[id] = new([3]counts)
	}
	return r.Detectors[id]
}

// judge compares the matches of one case with its labels.
func (r *results) judge(c *corpus.Case, text *extract.Text, matches []detect.Match) {
	row := r.Rows[c.Row]
	cell := r.Cells[c.Row+"/"+c.Type]
	if cell == nil {
		cell = new([2]int)
		r.Cells[c.Row+"/"+c.Type] = cell
	}
	row.Cases++
	cell[0]++
	var wrong []string
	on := make([]int, len(c.Want))   // matches on each label
	best := make([]int, len(c.Want)) // level of the best one
	exact := make([]bool, len(c.Want))
	for _, m := range matches {
		_, start, end := text.Origin(m.Start, m.End)
		label, own := -1, false
		for i, w := range c.Want {
			shared := min(end, w.End) - max(start, w.Start)
			if shared <= 0 || shared*2 < w.End-w.Start && !w.Inside || !(w.Detector == m.Detector || slices.Contains(w.Also, m.Detector)) {
				continue
			}
			label, own = i, w.Detector == m.Detector
			if m.Level >= detect.Low {
				on[i]++
			}
			if int(m.Level) > best[i] {
				best[i], exact[i] = int(m.Level), start == w.Start && end == w.End
			}
		}
		for t, level := range thresholds {
			switch d := &r.detector(m.Detector)[t]; {
			case int(m.Level) < level, c.Known && m.KnownTest, label >= 0 && !own:
			case label >= 0:
				d.Right++
			default:
				d.False++
			}
		}
		if label < 0 && m.Level >= detect.Low && !(c.Known && m.KnownTest) {
			row.Others++
			if len(c.Want) == 0 || c.Once {
				wrong = append(wrong, fmt.Sprintf("false alarm: %s at %d: %s", m.Detector, m.Level, m.Why))
			}
		}
	}
	for i, w := range c.Want {
		row.Labels++
		d := r.detector(w.Detector)
		for t, level := range thresholds {
			if w.Least < level {
				continue
			}
			d[t].Labels++
			if best[i] >= level {
				d[t].Found++
				if exact[i] {
					d[t].Exact++
				}
			}
		}
		switch {
		case best[i] < thresholds[0]:
			row.Missed++
			wrong = append(wrong, fmt.Sprintf("missed: %s in %q%s", w.Detector, c.Body[w.Start:w.End], instead(text, matches, w)))
			continue
		case c.Once && on[i] > 1:
			wrong = append(wrong, "reported more than once: "+w.Detector)
		}
		if exact[i] {
			row.Exact++
		}
		if best[i] >= w.Least && best[i] <= w.Most {
			row.Level++
		} else {
			r.levels = append(r.levels, failure{*c, fmt.Sprintf("%s in %q is at %d, and the model has it at %d to %d", w.Detector, c.Body[w.Start:w.End], best[i], w.Least, w.Most)})
		}
	}
	if len(wrong) > 0 {
		row.Failed++
		cell[1]++
		r.failures = append(r.failures, failure{*c, strings.Join(wrong, "; ")})
	}
}

// instead says what was found where w should have been.
func instead(text *extract.Text, matches []detect.Match, w corpus.Span) string {
	var all []string
	for _, m := range matches {
		if _, start, end := text.Origin(m.Start, m.End); start < w.End && end > w.Start {
			all = append(all, fmt.Sprintf("%s %d", m.Detector, m.Level))
		}
	}
	if all == nil {
		return ""
	}
	return " (instead: " + strings.Join(all, ", ") + ")"
}

// alarms are what was found in real text.
type alarms struct {
	Sources []corpus.Source    `json:"sources"`
	Bytes   int                `json:"bytes"`
	Count   map[string]*[3]int `json:"count"` // by detector and threshold
	samples []failure
}

// leastText is how much real text there must be for a figure.
const leastText = 20 << 20

// realText counts what is found in real text.
func realText(ctx context.Context, engine *detect.Engine, limit int) (*alarms, error) {
	a := &alarms{Count: map[string]*[3]int{}}
	var text extract.Text
	sources, err := corpus.RealText(ctx, limit, func(source, s string) {
		a.Bytes += len(s)
		text.Load(extract.Source{Body: s})
		for _, m := range engine.Scan(&text, detect.Options{}) {
			if m.KnownTest {
				continue // marked as what it is
			}
			n := a.Count[m.Detector]
			if n == nil {
				n = new([3]int)
				a.Count[m.Detector] = n
			}
			for t, level := range thresholds {
				if int(m.Level) >= level {
					n[t]++
				}
			}
			_, start, end := text.Origin(m.Start, m.End)
			a.samples = append(a.samples, failure{
				corpus.Case{Row: "real text", Type: m.Detector, Body: strings.ToValidUTF8(s[max(0, start-60):min(len(s), end+30)], "")},
				fmt.Sprintf("%s at %d in %q: %s", m.Detector, m.Level, s[start:end], m.Why),
			})
		}
	})
	a.Sources = sources
	return a, err
}
