//go:build race

package trial

// slowly is by how much fewer forms the race detector leaves time for.
const slowly = 5
