package limit

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// queue sends calls through a limiter and notes when each was granted.
type queue struct {
	ctx   context.Context
	l     *Limiter
	start time.Time
	mu    sync.Mutex
	done  []string
	at    []time.Duration
}

func newQueue(t *testing.T, r Rates) *queue {
	return &queue{ctx: t.Context(), l: New(r, nil), start: time.Now()}
}

// add begins to wait for a call; it is in line when add returns.
func (q *queue) add(name string, c Call) {
	go func() {
		if q.l.Wait(q.ctx, c) != nil {
			return
		}
		q.mu.Lock()
		defer q.mu.Unlock()
		q.done = append(q.done, name)
		q.at = append(q.at, time.Since(q.start))
	}()
	synctest.Wait()
}

func (q *queue) after(d time.Duration) []string {
	time.Sleep(d) //nolint:forbidigo // the bubble's clock
	synctest.Wait()
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.done)
}

// times returns when each of those that were granted was.
func (q *queue) times() []time.Duration {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.at)
}

var published = Rates{Conversation: 1, Team: 4, Tenant: 30}

func TestOneConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, published)
		for i := range 5 {
			q.add(fmt.Sprint(i), Call{Conversation: "c", Metered: true})
		}
		if got := q.after(0); len(got) != 1 {
			t.Fatalf("at once: %v", got)
		}
		q.after(10 * time.Second)
		for i := 1; i < len(q.at); i++ {
			if gap := q.at[i] - q.at[i-1]; gap < time.Second || gap > 1100*time.Millisecond {
				t.Errorf("call %d came %v after the one before", i, gap)
			}
		}
		if want := []string{"0", "1", "2", "3", "4"}; !cmp.Equal(q.done, want) {
			t.Errorf("order %v", q.done)
		}
	})
}

// In no second are more calls granted than a scope's rate.
func TestWindows(t *testing.T) {
	cases := []struct {
		name  string
		rates Rates
		call  func(i int) Call
		most  int
		span  time.Duration
	}{
		{"team", published, func(i int) Call { return Call{Conversation: fmt.Sprint(i), Team: "t", Metered: true} }, 4, time.Second},
		{"tenant", published, func(i int) Call { return Call{Conversation: fmt.Sprint(i), Metered: true} }, 30, time.Second},
		{"one in five seconds", Rates{Conversation: 0.2}, func(int) Call { return Call{Conversation: "c"} }, 1, 5 * time.Second},
		{"two and a half a second", Rates{Tenant: 2.5}, func(int) Call { return Call{Metered: true} }, 2, 800 * time.Millisecond},
	}
	for _, c := range cases {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(t, c.rates)
			const calls = 100
			for i := range calls {
				q.add("", c.call(i))
			}
			q.after(time.Duration(calls/c.most+2) * (c.span + slack))
			if len(q.at) != calls {
				t.Fatalf("%s: %d granted", c.name, len(q.at))
			}
			for i := range q.at {
				n := 0
				for _, at := range q.at {
					if at >= q.at[i] && at < q.at[i]+c.span {
						n++
					}
				}
				if n > c.most {
					t.Fatalf("%s: %d calls within %v from %v", c.name, n, c.span, q.at[i])
				}
			}
		})
	}
}

func TestUnlimited(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Rates{})
		for range 1000 {
			q.add("", Call{Conversation: "c", Team: "t", Metered: true})
		}
		if got := q.after(0); len(got) != 1000 {
			t.Errorf("%d granted at once", len(got))
		}
	})
}

func TestUrgency(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, published)
		q.add("first", Call{Conversation: "c", Priority: 9})
		q.add("context", Call{Conversation: "c", Priority: 9})
		q.add("low", Call{Conversation: "c", Priority: 3})
		q.add("critical", Call{Conversation: "c", Priority: 0})
		q.add("low, later", Call{Conversation: "c", Priority: 3})
		got := q.after(10 * time.Second)
		if want := []string{"first", "critical", "low", "low, later", "context"}; !cmp.Equal(got, want) {
			t.Errorf("order %v, want %v", got, want)
		}
	})
}

// An urgent call that waits for its conversation holds up nobody else.
func TestNoHeadOfLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, published)
		q.add("a1", Call{Conversation: "a", Metered: true})
		q.add("a2", Call{Conversation: "a", Metered: true, Priority: 0})
		q.add("b", Call{Conversation: "b", Metered: true, Priority: 9})
		if got := q.after(0); !cmp.Equal(got, []string{"a1", "b"}) {
			t.Errorf("granted at once: %v", got)
		}
	})
}

func TestThrottled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Rates{})
		chats, users := Call{Workload: "chats"}, Call{Workload: "users"}
		if d := q.l.Throttled("chats", 2128*time.Millisecond); d != 2128*time.Millisecond {
			t.Errorf("closed for %v", d)
		}
		q.add("chat", chats)
		q.add("user", users)
		if got := q.after(2127 * time.Millisecond); !cmp.Equal(got, []string{"user"}) {
			t.Errorf("within Retry-After: %v", got)
		}
		if got := q.after(time.Millisecond); !cmp.Equal(got, []string{"user", "chat"}) {
			t.Errorf("after Retry-After: %v", got)
		}

		// A shorter one does not open what a longer one closed.
		q.l.Throttled("chats", 10*time.Second)
		if d := q.l.Throttled("chats", time.Second); d != 10*time.Second {
			t.Errorf("closed for %v, want 10s", d)
		}
		// Those that wait already wait on.
		q.add("waiting", chats)
		q.l.Throttled("chats", 20*time.Second)
		if got := q.after(19 * time.Second); slices.Contains(got, "waiting") {
			t.Error("sent within the second Retry-After")
		}
		if got := q.after(2 * time.Second); !slices.Contains(got, "waiting") {
			t.Error("never sent")
		}
	})
}

func TestThrottledWithoutTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Rates{}, nil)
		var got []time.Duration
		for range 8 {
			d := l.Throttled("chats", 0)
			got = append(got, d)
			time.Sleep(d) //nolint:forbidigo // the bubble's clock
		}
		var want []time.Duration
		for _, seconds := range []int{1, 2, 4, 8, 16, 32, 60, 60} {
			want = append(want, time.Duration(seconds)*time.Second)
		}
		if !cmp.Equal(got, want) {
			t.Errorf("pauses %v, want %v", got, want)
		}
		l.Passed("chats")
		if d := l.Throttled("chats", -1); d != time.Second {
			t.Errorf("after a success: %v", d)
		}
	})
}

// Answers to calls that were under way when Graph began to throttle are one
// refusal, not many.
func TestThrottledManyAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Rates{}, nil)
		for range 30 {
			if d := l.Throttled("chats", 0); d != time.Second {
				t.Fatalf("closed for %v", d)
			}
		}
		l.Passed("chats")       // so was this one
		time.Sleep(time.Second) //nolint:forbidigo // the bubble's clock
		if d := l.Throttled("chats", 0); d != 2*time.Second {
			t.Errorf("the second time: closed for %v, want 2s", d)
		}
		// A time that is named counts beside one that is not.
		if d := l.Throttled("chats", 5500*time.Millisecond); d != 5500*time.Millisecond {
			t.Errorf("closed for %v, want 5.5s", d)
		}
		if d := l.Throttled("chats", 0); d != 5500*time.Millisecond {
			t.Errorf("closed for %v, want 5.5s still", d)
		}
		if l.Paused("chats") != 5500*time.Millisecond || l.Paused("users") != 0 {
			t.Errorf("paused %v, %v", l.Paused("chats"), l.Paused("users"))
		}
	})
}

// In no Retry-After window is anything of the workload granted, whatever its
// scope and however urgent, over many windows of odd lengths.
func TestNothingWithinAnyWindow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, published)
		var windows [][2]time.Duration
		for i := range 40 {
			for j := range 5 {
				q.add("", Call{Conversation: fmt.Sprint(i, j), Team: fmt.Sprint(i % 3), Workload: "teams", Metered: true, Priority: Priority(j)})
			}
			after := time.Duration(i%7) * 377 * time.Millisecond // 0: no time is named
			from := time.Since(q.start)
			windows = append(windows, [2]time.Duration{from, from + q.l.Throttled("teams", after)})
			q.after(time.Duration(i%5) * 413 * time.Millisecond)
		}
		q.after(5 * time.Minute)
		if len(q.at) != 200 {
			t.Fatalf("%d granted", len(q.at))
		}
		for _, w := range windows {
			for _, at := range q.at {
				if at > w[0] && at < w[1] {
					t.Fatalf("granted at %v, within %v to %v", at, w[0], w[1])
				}
			}
		}
	})
}

// After Graph throttled a workload goes on at half its rate, evenly, and regains
// it; another workload is not touched.
func TestAdapts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, Rates{Tenant: 30})
		for range 1000 {
			q.add("", Call{Workload: "chats", Metered: true})
		}
		in := func(from, to time.Duration) (n int) {
			for _, at := range q.times() {
				if at >= from && at < to {
					n++
				}
			}
			return n
		}
		q.after(3 * time.Second)
		if n := in(2*time.Second, 3*time.Second); n < 28 || n > 30 {
			t.Fatalf("%d a second at first", n)
		}
		q.l.Throttled("chats", 2*time.Second)
		q.after(2 * time.Second)
		q.add("users", Call{Workload: "users"})
		q.after(time.Second)
		if n := in(3*time.Second, 5*time.Second); n != 0 {
			t.Errorf("%d granted within Retry-After", n)
		}
		if n := in(5*time.Second, 6*time.Second); n < 13 || n > 17 {
			t.Errorf("%d in the second after, want about 15 and the one of another workload", n)
		}
		if n := in(5*time.Second, 5*time.Second+200*time.Millisecond); n > 5 {
			t.Errorf("%d in a burst after it", n)
		}
		q.after(20 * time.Second)
		now := time.Since(q.start)
		if n := in(now-time.Second, now); n < 27 || n > 30 {
			t.Errorf("%d a second after %v, want about 30 again", n, now)
		}
		// Again and again: it does not come to a stop.
		for range 20 {
			q.l.Throttled("chats", 100*time.Millisecond)
			q.after(100 * time.Millisecond)
		}
		before := len(q.times())
		q.after(time.Second)
		if n := len(q.times()) - before; n < leastRate-1 || n > leastRate+2 {
			t.Errorf("%d a second, want about %d", n, leastRate)
		}
	})
}

// A slow conversation is not slowed by being throttled.
func TestAdaptsNoFurtherThanNeeded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q := newQueue(t, published)
		for range 20 {
			q.add("", Call{Conversation: "c", Workload: "chats", Metered: true})
		}
		q.after(3500 * time.Millisecond)
		q.l.Throttled("chats", time.Second)
		q.after(10 * time.Second)
		if n := len(q.at); n < 12 || n > 14 {
			t.Errorf("%d granted in 13.5 s, want about 13", n)
		}
	})
}

// Tenants of one app keep to the app's limit between them.
func TestApp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		app := NewApp(10)
		var at []time.Time
		var mu sync.Mutex
		for tenant := range 5 {
			l := New(published, nil)
			l.Of(app)
			for i := range 20 {
				go func() {
					if l.Wait(t.Context(), Call{Conversation: fmt.Sprint(tenant, i), Metered: true}) == nil {
						mu.Lock()
						at = append(at, time.Now())
						mu.Unlock()
					}
				}()
			}
		}
		time.Sleep(20 * time.Second) //nolint:forbidigo // the bubble's clock
		synctest.Wait()
		if len(at) != 100 {
			t.Fatalf("%d granted", len(at))
		}
		for i := range at {
			n := 0
			for _, o := range at {
				if d := o.Sub(at[i]); d >= 0 && d < time.Second {
					n++
				}
			}
			if n > 10 {
				t.Fatalf("%d of the app's calls within a second", n)
			}
		}
		if took := at[len(at)-1].Sub(at[0]); took > 11*time.Second {
			t.Errorf("100 calls took %v", took)
		}
		if NewApp(0) != nil {
			t.Error("an app without a limit has one")
		}
	})
}

// A PATCH that comes late goes before context reads of other messages that have
// waited for long, in whatever scope they compete.
func TestPatchBeforeOthersContext(t *testing.T) {
	const patch, around = Priority(0), Priority(6)
	for name, call := range map[string]func(i int) Call{
		"conversation": func(int) Call { return Call{Conversation: "c"} },
		"team":         func(i int) Call { return Call{Conversation: fmt.Sprint(i), Team: "t"} },
		"tenant":       func(i int) Call { return Call{Conversation: fmt.Sprint(i), Metered: true} },
		"workload":     func(i int) Call { return Call{Workload: "chats"} },
	} {
		synctest.Test(t, func(t *testing.T) {
			q := newQueue(t, published)
			if name == "workload" {
				q.l.Throttled("chats", time.Second)
			}
			for i := range 100 {
				c := call(i)
				c.Priority = around
				q.add("read", c)
			}
			c := call(1000)
			c.Priority = patch
			granted := len(q.after(0))
			q.add("patch", c)
			got := q.after(10 * time.Second)
			// Those granted at one moment are noted in no order.
			times := q.times()
			if at := slices.Index(got, "patch"); at < granted || times[at] > times[granted] {
				t.Errorf("%s: the PATCH was call %d, after %d that had gone already", name, at, granted)
			}
			q.after(3 * time.Minute)
		})
	}
}

func TestWaitEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(published, nil)
		c := Call{Conversation: "c", Metered: true}
		if err := l.Wait(t.Context(), c); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		if err := l.Wait(ctx, c); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("error %v", err)
		}
		if err := l.Wait(ctx, Call{}); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("granted after the end: %v", err)
		}
		if n := l.Waiting(); n != 0 {
			t.Errorf("%d still wait", n)
		}
		// Who gave up took no turn.
		began := time.Now()
		if err := l.Wait(t.Context(), c); err != nil || time.Since(began) > time.Second {
			t.Errorf("error %v after %v", err, time.Since(began))
		}
	})
}

func TestForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Rates{Conversation: 1}, nil)
		for i := range 3 * crowd {
			if err := l.Wait(t.Context(), Call{Conversation: fmt.Sprint(i)}); err != nil {
				t.Fatal(err)
			}
			if i%crowd == crowd-1 {
				time.Sleep(2 * time.Second) //nolint:forbidigo // the bubble's clock
			}
		}
		if n := len(l.windows); n > crowd+1 {
			t.Errorf("%d conversations remembered", n)
		}
	})
}

// Many callers at once, for the race detector.
func TestConcurrent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(published, nil)
		var wg sync.WaitGroup
		for i := range 50 {
			wg.Go(func() {
				for j := range 10 {
					ctx, cancel := context.WithTimeout(context.Background(), time.Duration(1+j)*time.Second)
					_ = l.Wait(ctx, Call{Conversation: fmt.Sprint(i % 7), Team: fmt.Sprint(i % 2), Workload: "chats", Metered: true, Priority: Priority(i % 4)})
					cancel()
					if i == 0 {
						l.Throttled("chats", 100*time.Millisecond)
					}
					l.Passed("chats")
				}
			})
		}
		wg.Wait()
		if n := l.Waiting(); n != 0 {
			t.Errorf("%d still wait", n)
		}
	})
}

// Limiters that share grant no more between them than one alone, also when their
// number changes; a conversation is not shared.
func TestShare(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := newQueue(t, published), newQueue(t, published)
		for _, q := range []*queue{a, b} {
			q.l.Share(2)
			for i := range 60 {
				q.add(fmt.Sprint(i), Call{Metered: true})
			}
		}
		if n := len(a.after(0)) + len(b.after(0)); n != 30 {
			t.Errorf("%d calls at once, want 30", n)
		}
		if n := len(a.after(2*time.Second)) + len(b.after(0)); n > 90 || n < 60 {
			t.Errorf("%d calls in two seconds", n)
		}
		// Alone again: what was granted counts on.
		c := newQueue(t, published)
		c.l.Share(3)
		for i := range 40 {
			c.add(fmt.Sprint(i), Call{Metered: true})
		}
		if n := len(c.after(0)); n != 10 {
			t.Errorf("a third is %d calls", n)
		}
		c.l.Share(1)
		if n := len(c.after(0)); n != 30 {
			t.Errorf("alone it made %d calls in one second, want 30", n)
		}
		d := newQueue(t, published)
		d.l.Share(4)
		for i := range 4 {
			d.add(fmt.Sprint(i), Call{Conversation: "c", Team: "t"})
		}
		if n := len(d.after(0)); n != 1 {
			t.Errorf("%d calls at once in a conversation", n)
		}
		if n := len(d.after(2500 * time.Millisecond)); n != 3 {
			t.Errorf("%d calls of a conversation in 2.5 s, want 3", n)
		}
	})
}
