// Package test holds the end-to-end tests: they build the binary once, as a user
// would, and run it as its own process against a simulated Microsoft Graph
// (teamsdlp/test/graphtwin). What happened is read from the twin, the files and
// the streams of the process, never from inside the product.
//
// The promises are also tested the other way round: a second binary, built with
// the tag faults, breaks one of them on purpose, and the test fails unless its own
// check notices.
//
// Everything runs on loopback. Processes are waited for by what they say or
// answer; nothing sleeps.
package test
