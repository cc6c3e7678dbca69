//go:build !faults

// Package faults is where a build with the tag faults can be told, through its
// environment, to die, wait or fail at a named point of the way of a message, or
// to break one of its own promises. In every other build it is empty functions
// that the compiler leaves out: no environment reaches the product.
//
// The end-to-end tests use it to hit each point of the protocol, and to be seen
// to fail on a product that is broken.
package faults

// Hit is called at a point; it returns an error where one was asked for.
func Hit(Point) error { return nil }

// On reports whether the product was told to break a promise in this way.
func On(Mutation) bool { return false }
