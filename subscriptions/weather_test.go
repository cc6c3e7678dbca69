package subscriptions

import (
	"errors"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"teamsdlp/test/trial"
)

// weather is what a run of TestBadWeather does to a product that keeps one
// subscription for four weeks.
type weather struct{ refusals, jumps, losses, lapses int }

// storm refuses, for a while, one call or all of them, in one of the ways in which
// Graph and the network do.
func storm(w *world, rng *rand.Rand) {
	how := []error{
		&APIError{Status: 401}, &APIError{Status: 403, Code: "Forbidden"}, &APIError{Status: 429, RetryAfter: time.Duration(1+rng.IntN(40)) * time.Minute},
		&APIError{Status: 500}, &APIError{Status: 503}, &APIError{Status: 504}, errors.New("dial: connection refused"),
	}[rng.IntN(7)]
	ops := []string{"renew"}
	if rng.IntN(2) == 0 {
		ops = []string{"create", "list", "renew", "get", "delete"}
	}
	w.graph.with(func(g *fakeGraph) {
		for _, op := range ops {
			g.refuse[op] = how
		}
	})
}

// calm ends a storm.
func calm(w *world) {
	w.graph.with(func(g *fakeGraph) { g.refuse = map[string]error{} })
}

// F16. For four weeks Graph refuses renewals, or everything, for hours: with 401,
// 403, 429, 5xx or no answer at all; and the clock is set by up to two hours, this
// way and that. As long as each storm is shorter than what is left of a
// subscription when its renewal is due, nothing is missed: the subscription is the
// first one to the end, and no gap is recorded. When Graph itself loses the
// subscription (404), or a storm outlasts its life, another is made as soon as
// Graph allows it, and each minute that nothing covered lies within a recorded gap.
func TestBadWeather(t *testing.T) {
	const step = time.Minute
	seeds := trial.Chaos(12, 400)
	var sum weather
	for seed := range seeds {
		synctest.Test(t, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(16, uint64(seed)))
			harsh := seed%2 == 1 // the kind in which gaps cannot be avoided
			w := newWorld(t)
			var offset atomic.Int64
			w.opts.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())) }
			w.start()
			var bare []time.Time // by the product's clock: no subscription existed
			ended := 0
			look := func(d time.Duration) {
				for end := time.Now().Add(d); time.Now().Before(end); {
					w.pass(step)
					if len(w.graph.there(chats)) == 0 {
						bare = append(bare, w.m.now())
					}
				}
			}
			for end := time.Now().Add(28 * 24 * time.Hour); time.Now().Before(end); {
				look(time.Duration(6+rng.IntN(30)) * time.Hour)
				switch kind := rng.IntN(4); {
				case kind == 0 && !harsh: // a gap is told by the clock, so the clock must not be set
					offset.Add(int64(time.Duration(rng.IntN(241)-120) * time.Minute))
					sum.jumps++
				case kind == 1 && harsh:
					w.graph.with(func(g *fakeGraph) { clear(g.subs) })
					ended++
					sum.losses++
				default:
					length := time.Duration(1+rng.IntN(28)) * time.Hour
					if harsh && rng.IntN(3) == 0 {
						length += DefaultLifetime
						ended++
						sum.lapses++
					}
					storm(w, rng)
					look(length)
					calm(w)
					sum.refusals++
				}
			}
			look(2 * time.Hour)
			if !w.m.Ready() || len(w.graph.there(chats)) != 1 {
				t.Errorf("seed %d: at the end %+v", seed, w.m.Snapshot())
			}
			w.stop()
			gaps := w.store.takeGaps()
			created := len(w.graph.take("create"))
			if !harsh && (len(gaps) > 0 || created != 1 || len(bare) > 0) {
				t.Errorf("seed %d: asked %d times for a subscription, %d minutes without one, gaps %v", seed, created, len(bare), gaps)
			}
			for _, at := range bare {
				if !slices.ContainsFunc(gaps, func(g Gap) bool { return !g.To.IsZero() && !at.Before(g.From) && at.Before(g.To.Add(step)) }) {
					t.Fatalf("seed %d: nothing covered %v, and no gap tells of it: %v", seed, at, gaps)
				}
			}
			gaps = slices.DeleteFunc(gaps, func(g Gap) bool { return g.To.IsZero() })
			if len(gaps) > ended {
				t.Errorf("seed %d: a subscription ended %d times, gaps %v", seed, ended, gaps)
			}
		})
		if t.Failed() {
			return
		}
	}
	trial.Tried(t, "F16: %d times four weeks: Graph refused for hours %d times, the clock was set %d times: nothing missed; Graph lost the subscription %d times, refused it for longer than it lives %d times: each uncovered minute is in a recorded gap",
		seeds, sum.refusals, sum.jumps, sum.losses, sum.lapses)
}
