//go:build race

package sqlite

// slowly is how much less is tried under the race detector.
const slowly = 4
