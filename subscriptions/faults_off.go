//go:build !faults

package subscriptions

// spoil is the joint at which a build with the tag faults can be told to break a
// promise, so that its test can be seen to fail. Here it returns what it was given.
func spoil(o Options) Options { return o }
