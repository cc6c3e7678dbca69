package sqlite

import (
	"strconv"
	"sync/atomic"
	"testing"

	"teamsdlp/actions"
)

// BenchmarkFinish is the end of a clean message: effect, standing and inbox row.
func BenchmarkFinish(b *testing.B) {
	s := openTest(b, testOptions(b.TempDir()))
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			i := n.Add(1)
			key := strconv.FormatInt(i, 10)
			err := s.Finish(b.Context(), effect(key, "1", actions.StateClean), actions.Standing{Version: "1", Judged: true}, key)
			if err != nil {
				b.Error(err)
			}
		}
	})
}

// BenchmarkAppend is an entry with its hashes and its case.
func BenchmarkAppend(b *testing.B) {
	s := openTest(b, testOptions(b.TempDir()))
	var n atomic.Int64
	b.SetParallelism(32)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := s.Append(b.Context(), shadowEntry(strconv.FormatInt(n.Add(1), 10))); err != nil {
				b.Error(err)
			}
		}
	})
}
