package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
)

// A baseline is what a run gave, and what the next one is compared with.
type baseline struct {
	Full  *results `json:"full"`
	Quick *results `json:"quick"` // of the part that the tests run
	Real  *alarms  `json:"real"`
}

const baselineName = "baseline.json"

func readBaseline(dir string) (*baseline, error) {
	b, err := os.ReadFile(filepath.Join(dir, baselineName))
	if err != nil {
		return nil, err
	}
	then := new(baseline)
	if err := json.Unmarshal(b, then); err != nil {
		return nil, fmt.Errorf("%s: %w", baselineName, err)
	}
	if then.Full == nil || then.Quick == nil || then.Real == nil {
		return nil, fmt.Errorf("%s is not whole: write it with -update", baselineName)
	}
	return then, nil
}

// write writes the baseline, the page, and the figures of each detector for the
// page of the catalogue.
func (b *baseline) write(dir, page string) error {
	type line struct {
		Detector  string  `json:"detector"`
		Labels    int     `json:"labels"`
		Precision float64 `json:"precision"`
		Recall    float64 `json:"recall"`
	}
	var lines []line
	for _, id := range slices.Sorted(maps.Keys(b.Full.Detectors)) {
		if c := b.Full.Detectors[id][0]; c.Labels > 0 {
			lines = append(lines, line{id, c.Labels, round(c.precision()), round(c.recall())})
		}
	}
	base, err := json.MarshalIndent(b, "", " ")
	if err != nil {
		return err
	}
	figures, err := json.MarshalIndent(lines, "", "  ")
	if err != nil {
		return err
	}
	return errors.Join(
		os.WriteFile(filepath.Join(dir, baselineName), append(base, '\n'), 0o600),
		os.WriteFile(filepath.Join(dir, "accuracy.json"), append(figures, '\n'), 0o600),
		os.WriteFile(filepath.Join(dir, "README.md"), []byte(page), 0o600))
}

func round(x float64) float64 { return float64(int(x*10000)) / 10000 }

// worse returns what got worse than b.
func (b *baseline) worse(now *baseline) error {
	return errors.Join(b.Full.worse(now.Full), b.Real.worse(now.Real))
}

// worse compares row by row and detector by detector: the corpus is the same every
// time, so that one case more is one too many. Less of it is not better, but less.
func (r *results) worse(now *results) error {
	var errs []error
	complain := func(format string, args ...any) { errs = append(errs, fmt.Errorf(format, args...)) }
	for _, name := range slices.Sorted(maps.Keys(r.Rows)) {
		was, is := r.Rows[name], now.Rows[name]
		switch {
		case is == nil || is.Cases == 0:
			complain("row %s ran nothing", name)
		case is.Cases < was.Cases:
			complain("row %s has %d cases, and had %d", name, is.Cases, was.Cases)
		case is.Failed > was.Failed:
			complain("row %s: %d of %d cases fail, and %d did (-failures -row %s shows them)", name, is.Failed, is.Cases, was.Failed, name)
		case is.Others > was.Others:
			complain("row %s: %d matches of something else, and %d were", name, is.Others, was.Others)
		}
	}
	for _, id := range slices.Sorted(maps.Keys(r.Detectors)) {
		for t, level := range thresholds {
			was, is := r.Detectors[id][t], counts{}
			if now.Detectors[id] != nil {
				is = now.Detectors[id][t]
			}
			switch {
			case was.Labels > 0 && is.Labels == 0:
				complain("detector %s has no values to find any more", id)
			case is.recall() < was.recall():
				complain("detector %s finds %.4f at %d, and found %.4f", id, is.recall(), level, was.recall())
			case is.precision() < was.precision():
				complain("detector %s is right in %.4f at %d, and was in %.4f", id, is.precision(), level, was.precision())
			}
		}
	}
	return errors.Join(errs...)
}

// worse compares alarms. The same text must give no more of them; another text (of
// another version of Go, of another machine) not half as many again.
func (a *alarms) worse(now *alarms) error {
	var errs []error
	same := a.Bytes == now.Bytes
	for _, id := range slices.Sorted(maps.Keys(now.Count)) {
		var was [3]int
		if a.Count[id] != nil {
			was = *a.Count[id]
		}
		for t, level := range thresholds {
			is := now.Count[id][t]
			most := float64(was[t])
			if !same {
				most = most/float64(a.Bytes)*float64(now.Bytes)*1.5 + 3
			}
			if float64(is) > most {
				errs = append(errs, fmt.Errorf("real text: %s gives %d alarms at %d in %d bytes, and gave %d in %d", id, is, level, now.Bytes, was[t], a.Bytes))
			}
		}
	}
	return errors.Join(errs...)
}
