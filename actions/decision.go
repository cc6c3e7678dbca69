package actions

import "time"

// Exposure is the exposure clock of the intent: up to the judgement. It is zero
// for a decision that no judgement made.
func (d *Decision) Exposure() Exposure {
	if d.intent.Exposure == nil {
		return Exposure{}
	}
	return *d.intent.Exposure
}

// Outcome is how far the order came, for the log and for metrics.
func (r Result) Outcome() Outcome { return r.outcome() }

// Decided is when the order was decided: before this process began, if it is taken
// up again.
func (d *Decision) Decided() time.Time { return d.effect.Decided }
