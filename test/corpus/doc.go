// Package corpus makes the labelled messages that the detectors are measured by,
// and reads the real text in which they must be silent.
//
// A [Case] is one chat message: plain text or the markup Teams sends, in one of
// twelve languages, with fillers, threads, tables, lists, mentions and code around
// a value. It says which spans hold what, at which level the evidence model of the
// policy engine puts them, and why; or that nothing must be said, and why not.
//
// Every case belongs to a row: one way in which chat bends a value (evasion) or
// something that only looks like one (noise). A row is made for every base type it
// can be made for. Further rows hold every other type in plain print, the secrets
// of services, passwords as people hand them on, and telephone numbers as their
// countries write them.
//
// # Independence
//
// The package imports nothing of the product. Its check digits are computed here,
// by code of its own, so that a fault of a validator cannot make itself right. All
// values are random; secrets are random letters behind public prefixes.
//
// # Repeatability
//
// [Generate] is a pure function. Each case is drawn from a seed made of its row,
// its type and its number, so that a row that is added changes no other.
package corpus
