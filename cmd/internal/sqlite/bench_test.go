package sqlite

import (
	"context"
	"encoding/json"
	"hash/crc32"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teamsdlp/actions"
	"teamsdlp/webhook"
)

// rawLog is the physical limit that Put is compared with: an append-only file
// with a checksum, one sync for whatever queued up during the last.
type rawLog struct {
	f     *os.File
	queue chan rawOp
}

type rawOp struct {
	body []byte
	done chan error
}

func newRawLog(path string) (*rawLog, error) {
	f, err := os.Create(path)
	l := &rawLog{f: f, queue: make(chan rawOp, queueOps)}
	return l, err
}

func (l *rawLog) loop() {
	var batch []rawOp
	var buf []byte
	for first := range l.queue {
		batch, buf = append(batch[:0], first), buf[:0]
	more:
		for len(batch) < batchOps {
			select {
			case o, ok := <-l.queue:
				if !ok {
					break more
				}
				batch = append(batch, o)
			default:
				break more
			}
		}
		for _, o := range batch {
			sum := crc32.ChecksumIEEE(o.body)
			buf = append(append(buf, byte(sum), byte(sum>>8), byte(sum>>16), byte(sum>>24)), o.body...)
		}
		_, err := l.f.Write(buf)
		if err == nil {
			err = l.f.Sync()
		}
		for _, o := range batch {
			o.done <- err
		}
	}
}

func (l *rawLog) put(body []byte) error {
	o := rawOp{body, make(chan error, 1)}
	l.queue <- o
	return <-o.done
}

// waits is how long each call took.
type waits []time.Duration

// p99 is their 99th percentile in milliseconds.
func (w waits) p99() float64 {
	slices.Sort(w)
	return float64(w[len(w)*99/100].Microseconds()) / 1000
}

// produce calls put from many goroutines for a while.
func produce(b *testing.B, producers int, d time.Duration, put func() error) waits {
	all := make([]waits, producers)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range all {
		wg.Go(func() {
			for time.Since(start) < d {
				before := time.Now()
				if err := put(); err != nil {
					b.Error(err)
					return
				}
				all[i] = append(all[i], time.Since(before))
			}
		})
	}
	wg.Wait()
	return slices.Concat(all...)
}

// BenchmarkPut reports how many items a second 64 producers store, each waiting
// for its own, and the same as a share of what the raw log does on the same disk
// in the windows before and after.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{1024, 4096, 8192} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			const window = 500 * time.Millisecond
			item := testItem("x")
			item.Encrypted.Data = string(make64(size - 700))
			items := []webhook.Item{item}
			body, err := json.Marshal(item)
			must(b, err)
			seen := &commits{}
			o := testOptions(b.TempDir())
			o.Observe = seen
			s := openTest(b, o)
			raw, err := newRawLog(filepath.Join(b.TempDir(), "raw"))
			must(b, err)
			go raw.loop()
			defer close(raw.queue)
			var store, limit waits
			for b.Loop() {
				limit = append(limit, produce(b, 64, window/2, func() error { return raw.put(body) })...)
				store = append(store, produce(b, 64, window, func() error { return s.Put(context.Background(), items) })...)
				limit = append(limit, produce(b, 64, window/2, func() error { return raw.put(body) })...)
			}
			b.ReportMetric(float64(len(store))/(float64(b.N)*window.Seconds()), "items/s")
			b.ReportMetric(float64(len(store))/float64(len(limit)), "of-raw")
			b.ReportMetric(float64(len(store))/float64(len(seen.sizes())), "items/commit")
			b.ReportMetric(store.p99(), "p99-ms")
			b.ReportMetric(limit.p99(), "raw-p99-ms")
		})
	}
}

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
