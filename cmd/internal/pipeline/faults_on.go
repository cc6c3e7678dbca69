//go:build faults

package pipeline

import (
	"strconv"
	"sync/atomic"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/faults"
)

var arrivals atomic.Int64

// spoil breaks what is told of a version by its content and its number.
func spoil(o *actions.Observation) {
	if faults.On(faults.NoLoopGuard) {
		o.Fingerprint, o.EmptyBody = o.Version, false
	}
	if faults.On(faults.ArrivalOrder) {
		o.Version = strconv.FormatInt(1<<60+arrivals.Add(1), 10)
	}
	if faults.On(faults.IgnoreOverride) && o.Violation != nil {
		o.Violation.UserAction = ""
	}
}
