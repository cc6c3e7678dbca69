//go:build !race

package trial

const slowly = 1
