package redis

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"teamsdlp/cmd/internal/storetest"
	"teamsdlp/test/redistest"
	"teamsdlp/webhook"
)

// produce calls put from many goroutines for a while and returns how long each
// call took.
func produce(b *testing.B, producers int, d time.Duration, put func() error) []time.Duration {
	all := make([][]time.Duration, producers)
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

// serverCPU is how many seconds of CPU the server has used.
func serverCPU(b *testing.B, s *Store) float64 {
	info, err := s.rdb.Info(context.Background(), "cpu").Result()
	must(b, err)
	sum := 0.0
	for _, name := range []string{"used_cpu_user", "used_cpu_sys"} {
		v, err := strconv.ParseFloat(infoField(info, name), 64)
		must(b, err)
		sum += v
	}
	return sum
}

func p99(w []time.Duration) float64 {
	slices.Sort(w)
	return float64(w[len(w)*99/100].Microseconds()) / 1000
}

// BenchmarkPut reports how many items a second 64 producers store, each waiting
// for its own, and the same as a share of bare XADDs to the same server in the
// windows before and after.
func BenchmarkPut(b *testing.B) {
	for _, size := range []int{1024, 8192} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			const window = 500 * time.Millisecond
			srv := redistest.Start(b)
			o := testOptions(b, srv)
			o.Partitions = 16
			s := owner(b, o)
			limit := redistest.NewBare(srv.Addr)
			defer limit.Close()
			data := strings.Repeat("A", size-700)
			make1 := func(i int64) webhook.Item {
				item := storetest.Item(fmt.Sprint("c", i%500), int(i))
				item.Encrypted.Data = data
				return item
			}
			body, err := json.Marshal(make1(1))
			must(b, err)
			var n atomic.Int64
			var store, raw []time.Duration
			var ratios []float64
			cpu := map[bool]float64{} // of the server, by whether the items are ours
			counted := func(ours bool, run func() []time.Duration) []time.Duration {
				begun := serverCPU(b, s)
				w := run()
				cpu[ours] += serverCPU(b, s) - begun
				return w
			}
			for b.Loop() {
				before := counted(false, func() []time.Duration { return produce(b, 64, window/2, func() error { return limit.Put(body) }) })
				ours := counted(true, func() []time.Duration {
					return produce(b, 64, window, func() error { return s.Put(context.Background(), []webhook.Item{make1(n.Add(1))}) })
				})
				after := counted(false, func() []time.Duration { return produce(b, 64, window/2, func() error { return limit.Put(body) }) })
				ratios = append(ratios, float64(len(ours))/float64(len(before)+len(after)))
				store, raw = append(store, ours...), append(append(raw, before...), after...)
			}
			slices.Sort(ratios)
			b.ReportMetric(float64(len(store))/(float64(b.N)*window.Seconds()), "items/s")
			b.ReportMetric(ratios[len(ratios)/2], "of-bare")
			b.ReportMetric(ratios[0], "of-bare-min")
			b.ReportMetric(ratios[len(ratios)-1], "of-bare-max")
			b.ReportMetric(cpu[true]*1e6/float64(len(store)), "server-µs/item")
			b.ReportMetric(cpu[false]*1e6/float64(len(raw)), "bare-server-µs/item")
			b.ReportMetric(p99(store), "p99-ms")
			b.ReportMetric(p99(raw), "bare-p99-ms")
		})
	}
}
