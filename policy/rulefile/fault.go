package rulefile

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Fault is one reason why a rule directory cannot be loaded.
type Fault struct {
	File string // as it was opened; the directory where no file is to blame
	Line int    // from 1; 0: the file as a whole
	Col  int
	Rule string // id of the rule it is in, if any
	Msg  string
	Err  error // the cause, if there is one; its text is part of Msg
}

// Error returns the fault as an editor can jump to it:
// rules/payments.yaml:17:9: rule "card-number": unknown detector "credit-crad".
func (f *Fault) Error() string {
	return position(f.File, f.Line, f.Col) + inRule(f.Rule) + f.Msg
}

// Unwrap returns the cause.
func (f *Fault) Unwrap() error { return f.Err }

// Faults is every fault of a rule directory, by file and position. It is the
// error of [Load] and [Compile] where rule files are to blame.
type Faults []*Fault

// Error returns one fault a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Unwrap returns the faults one by one.
func (f Faults) Unwrap() []error {
	list := make([]error, len(f))
	for i := range f {
		list[i] = f[i]
	}
	return list
}

func (f Faults) sort() {
	slices.SortStableFunc(f, func(a, b *Fault) int {
		return cmp.Or(strings.Compare(a.File, b.File), a.Line-b.Line, a.Col-b.Col)
	})
}

// Finding is a remark on a rule set that loads.
type Finding struct {
	Code string `json:"code"` // stable, as never-fires
	File string `json:"file"`
	Line int    `json:"line"`
	Col  int    `json:"col"`
	Rule string `json:"rule,omitempty"`
	Msg  string `json:"message"` // what is odd, and how to mend it
}

// String returns the finding in the form of a fault, its code at the end.
func (f Finding) String() string {
	return position(f.File, f.Line, f.Col) + inRule(f.Rule) + f.Msg + " [" + f.Code + "]"
}

func position(file string, line, col int) string {
	if line == 0 {
		return file + ": "
	}
	return file + ":" + strconv.Itoa(line) + ":" + strconv.Itoa(col) + ": "
}

func inRule(id string) string {
	if id == "" {
		return ""
	}
	return fmt.Sprintf("rule %q: ", id)
}

// AsFaults returns the faults in err, if rule files are to blame for it.
func AsFaults(err error) (Faults, bool) {
	var f Faults
	ok := errors.As(err, &f)
	return f, ok
}

// didYouMean returns ` (did you mean "x"?)` if one of known is a likely slip of
// got, else nothing.
func didYouMean(got string, known []string) string {
	best, at := 0, ""
	for _, k := range known {
		limit := max(1, min(len(got), len(k))/3)
		if d := distance(strings.ToLower(got), strings.ToLower(k), limit); d <= limit && (at == "" || d < best) {
			best, at = d, k
		}
	}
	if at == "" {
		return ""
	}
	return fmt.Sprintf(" (did you mean %q?)", at)
}

// holding names the first few of known that have got as one of the words between
// their dashes.
func holding(got string, known []string) string {
	var found []string
	for _, k := range known {
		if strings.Contains("-"+k+"-", "-"+strings.ToLower(got)+"-") && len(found) < 3 {
			found = append(found, strconv.Quote(k))
		}
	}
	return strings.Join(found, ", ")
}

// distance is the number of inserted, dropped, changed or swapped bytes between a
// and b; anything above limit may be returned as limit+1.
func distance(a, b string, limit int) int {
	if len(a)-len(b) > limit || len(b)-len(a) > limit {
		return limit + 1
	}
	before, prev, cur := make([]int, len(b)+1), make([]int, len(b)+1), make([]int, len(b)+1)
	for j := range prev {
		prev[j] = j
	}
	for i := 1; i <= len(a); i++ {
		cur[0] = i
		for j := 1; j <= len(b); j++ {
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			cur[j] = min(prev[j]+1, cur[j-1]+1, prev[j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				cur[j] = min(cur[j], before[j-2]+1)
			}
		}
		before, prev, cur = prev, cur, before
	}
	return prev[len(b)]
}
