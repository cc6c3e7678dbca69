//go:build !race

package sqlite

// slowly is how much less is tried under the race detector; without it, nothing less.
const slowly = 1
