//go:build !faults

package sqlite

// spoilRead is where a build with the tag faults keeps a read open that should end with
// its page; in every other build it does nothing.
func spoilRead(*Reader) {}
