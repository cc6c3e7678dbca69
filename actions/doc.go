// Package actions owns what is done about a message and the record of it.
//
// # Vocabulary
//
// An [Observation] is one version of a message as a change notification showed
// it. A [Standing] is what is known of the message over all its versions. [Next]
// compares the two and says, with a reason, what the version calls for: a
// [Step]. A [Judgement] is what the rules said of the text. An [Effect] is what
// one version leads to; it ends in exactly one terminal [State]. An [Order] is
// the only thing that may be sent to Graph, and only a [Recorder] makes one. An
// [Entry] is one record of the action log; the entries about one message fold
// into a [Case].
//
// # The way of one version
//
//	step, err := recorder.Begin(ctx, target, observation)
//	switch step.Kind {
//	case actions.Judge:
//		d, err = recorder.Judge(ctx, step, judgement, receipt) // intent is on disk when d is not nil
//	case actions.Resume:
//		d, err = recorder.Resume(step)
//	default:
//		return recorder.Follow(ctx, step, receipt)
//	}
//	if d != nil {
//		err = recorder.Settle(ctx, d, carrier.Carry(ctx, d.Order, d.Resumed), receipt)
//	}
//
// # Guarantees
//
// No record, no action: an Order exists only after the [Ledger] committed its
// intent. A rule in shadow mode cannot lead to an Order: there is no constructor
// for one. The same version is acted on once; what was decided and not finished
// is read from Graph before it is sent again, and a sender's override is never
// overwritten until the text changes.
//
// The log is a Merkle tree (RFC 6962) over the exact bytes of its entries.
// Checkpoints of it, signed and kept elsewhere, let [Verify] find any edit,
// drop, swap, cut-off or roll-back of what they cover. What happened since the
// last checkpoint that left the machine is not covered.
//
// # How it fails
//
// An error of the Ledger or the Log stops the step that asked: nothing is sent.
// An [Order] that could not be carried out in time leaves its effect decided, to
// be resumed. Nothing here retries a store.
package actions
