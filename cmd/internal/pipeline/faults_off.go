//go:build !faults

package pipeline

import "teamsdlp/actions"

// spoil is where a build with the tag faults changes what a version is taken to
// show; in every other build it does nothing.
func spoil(*actions.Observation) {}
