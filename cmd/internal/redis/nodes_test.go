package redis

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	goredis "github.com/redis/go-redis/v9"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/archive"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/cmd/internal/storetest"
	"teamsdlp/subscriptions"
	"teamsdlp/webhook"
)

// crash ends a node as kill -9 does: nothing is given back.
func (s *Store) crash(t testing.TB) {
	t.Helper()
	s.closeOnce.Do(func() {
		s.end()
		s.loops.Wait()
		s.puts.close()
		s.closeErr = errors.Join(s.rdb.Close(), s.ctl.Close(), s.model.Close())
	})
	must(t, s.closeErr)
}

// messages are one item in each of n conversations.
func messages(n int) []webhook.Item {
	list := make([]webhook.Item, n)
	for i := range list {
		list[i] = storetest.Item(fmt.Sprint("c", i), 1)
	}
	return list
}

func keyOf(i int) string { return fmt.Sprintf("tenant/chats/c%d/messages/1", i) }

// claimAll claims n items of a node.
func claimAll(t testing.TB, s *Store, n int) []webhook.Item {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var list []webhook.Item
	for len(list) < n {
		items, err := s.Claim(ctx, n)
		if err != nil {
			t.Fatalf("claimed %d of %d: %v", len(list), n, err)
		}
		list = append(list, items...)
	}
	return list
}

func TestNodesShareTheWork(t *testing.T) {
	t.Parallel()
	o := testOptions(t, sharedServer(t))
	a := owner(t, o)
	b := openTest(t, another(t, o, "b"))
	waitFor(t, "each to hold half", func() bool { return a.Holds() == 2 && b.Holds() == 2 })
	if a.Live() != 2 || b.Live() != 2 {
		t.Errorf("live: %d and %d, want 2", a.Live(), b.Live())
	}
	if !a.Leads() || b.Leads() {
		t.Error("leadership moved without need")
	}
	const n = 40
	must(t, b.Put(t.Context(), messages(n))) // any node takes any item
	d, err := a.Depth(t.Context())
	must(t, err)
	if d.Items != n {
		t.Errorf("%d items, want %d", d.Items, n)
	}
	seen := map[string]bool{}
	waitFor(t, "all to be claimed", func() bool {
		for _, s := range []*Store{a, b} {
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			items, _ := s.Claim(ctx, n) // nothing, where all of its partitions were claimed
			cancel()
			for _, i := range items {
				if seen[i.Resource] {
					t.Errorf("%s was claimed twice", i.Resource)
				}
				seen[i.Resource] = true
			}
		}
		return len(seen) >= n
	})
	if len(seen) != n {
		t.Errorf("%d of %d were claimed", len(seen), n)
	}
	if err := b.Close(); err != nil { // gives its leases back
		t.Error(err)
	}
	waitFor(t, "one node to hold everything again", func() bool { return a.Holds() == 4 })
}

// A node that dies is replaced within twice the lease, and what it had in flight
// is claimed again.
func TestTakeover(t *testing.T) {
	t.Parallel()
	o := testOptions(t, sharedServer(t))
	a := owner(t, o)
	must(t, a.Put(t.Context(), messages(20)))
	inFlight := claimAll(t, a, 20)
	must(t, a.Drop(t.Context(), inFlight[0].Receipt, "done"))
	must(t, a.Defer(t.Context(), inFlight[1].Receipt, time.Now(), "again"))
	a.crash(t)
	died := time.Now()
	b := openTest(t, another(t, o, "b"))
	got := claimAll(t, b, 19)
	waitFor(t, "all partitions and the lead", func() bool { return b.Holds() == 4 && b.Leads() })
	if took := time.Since(died); took > 2*o.Lease {
		t.Errorf("the partitions were taken over after %s, the lease is %s", took, o.Lease)
	}
	attempts := 0
	for _, g := range got {
		if g.Resource == inFlight[0].Resource {
			t.Error("an item that had ended came again")
		}
		attempts += g.Attempts
	}
	if attempts != 1 {
		t.Errorf("%d attempts were kept, want 1", attempts)
	}
}

// steal gives every lease of a node to another, as if it had run out unnoticed.
func (s *Store) steal(t testing.TB) {
	t.Helper()
	for p := lead; p < s.opts.Partitions; p++ {
		must(t, s.rdb.HSet(t.Context(), s.keys.lease(p), "owner", "thief", "until", time.Now().Add(time.Hour).UnixMilli()).Err())
		must(t, s.rdb.HIncrBy(t.Context(), s.keys.lease(p), "fence", 1).Err())
	}
}

// Under a lease that another node has, nothing is written, whatever the node
// itself still believes.
func TestFenced(t *testing.T) {
	ctx := t.Context()
	o := testOptions(t, sharedServer(t))
	a := owner(t, o)
	must(t, a.Put(ctx, messages(8)))
	items := claimAll(t, a, 8)
	held, release := a.Held(ctx, items[0].Receipt)
	defer release()
	must(t, held.Err())
	must(t, Guard(held))
	term, end, err := a.Lead(ctx)
	must(t, err)
	defer end()
	a.steal(t)
	before := a.dump(t)
	work := context.WithoutCancel(held)
	e := actions.Effect{MessageKey: strings.Replace(strings.NewReplacer("('", "/", "')", "").Replace("tenant/"+items[0].Resource), "//", "/", 1), Version: "1", State: actions.StateApplied}
	for name, err := range map[string]error{
		"Decide":             a.Decide(work, e, actions.Standing{}, actions.Entry{Kind: actions.KindIntent}),
		"Finish":             a.Finish(work, e, actions.Standing{}, items[0].Receipt, actions.Entry{Kind: actions.KindResult}),
		"Drop":               a.Drop(work, items[0].Receipt, ""),
		"Defer":              a.Defer(work, items[0].Receipt, time.Now(), ""),
		"Quarantine":         a.Quarantine(work, items[0].Receipt, ""),
		"SaveSubscription":   a.SaveSubscription(context.WithoutCancel(term), subscriptions.Subscription{LocalID: "x"}),
		"DeleteSubscription": a.DeleteSubscription(context.WithoutCancel(term), "x"),
		"Alive":              a.Alive(context.WithoutCancel(term), "x", time.Now()),
		"Show":               a.Show(context.WithoutCancel(term), nil),
		"checkpoint":         a.CheckpointSink().Put(context.WithoutCancel(term), []byte("o\n1\nx\n")),
	} {
		if !errors.Is(err, ErrFenced) {
			t.Errorf("%s: got %v, want ErrFenced", name, err)
		}
	}
	if d := cmp.Diff(before, a.dump(t)); d != "" {
		t.Errorf("a fenced node wrote (-before +after):\n%s", d)
	}
	waitFor(t, "the node to notice", func() bool { return a.Holds() == 0 && !a.Leads() })
	<-held.Done()
	<-term.Done()
	if err := Guard(held); !errors.Is(err, ErrFenced) {
		t.Errorf("a request to Graph passes: %v", err)
	}
	// Work that begins now finds no lease at all.
	later, stop := a.Held(ctx, items[1].Receipt)
	defer stop()
	if later.Err() == nil {
		t.Error("work on an item of another node may begin")
	}
	if _, _, err := a.HeldKey(ctx, keyOf(1)); !errors.Is(err, ErrFenced) {
		t.Errorf("HeldKey: %v", err)
	}
	if err := a.Decide(ctx, actions.Effect{MessageKey: keyOf(1), Version: "1"}, actions.Standing{}); !errors.Is(err, ErrFenced) {
		t.Errorf("Decide without a lease: %v", err)
	}
}

// A job that outlived its lease stays fenced when the same node gets the
// partition back.
func TestAnotherLeaseIsAnother(t *testing.T) {
	ctx := t.Context()
	a := owner(t, testOptions(t, sharedServer(t)))
	must(t, a.Put(ctx, messages(1)))
	item := claimAll(t, a, 1)[0]
	held, release := a.Held(ctx, item.Receipt)
	defer release()
	r, err := parseReceipt(item.Receipt)
	must(t, err)
	a.lose(a.lease(r.part), "test")
	must(t, a.rdb.HSet(ctx, a.keys.lease(r.part), "until", 0).Err())
	waitFor(t, "the partition to come back", func() bool { return a.lease(r.part) != nil })
	again := claimAll(t, a, 1)[0]
	if again.Receipt != item.Receipt {
		t.Errorf("the item has receipt %s, had %s", again.Receipt, item.Receipt)
	}
	late := context.WithoutCancel(held)
	e := actions.Effect{MessageKey: keyOf(0), Version: "1", State: actions.StateClean}
	if err := a.Finish(late, e, actions.Standing{}, item.Receipt); !errors.Is(err, ErrFenced) {
		t.Errorf("Finish under the old lease: %v", err)
	}
	if Guard(late) == nil {
		t.Error("a request to Graph passes under the old lease")
	}
	now, stop := a.Held(ctx, again.Receipt)
	defer stop()
	must(t, a.Finish(now, e, actions.Standing{}, again.Receipt))
}

// An item that led to an effect is dropped when it comes again, on any node; one that
// did not is not.
func TestComesAgain(t *testing.T) {
	t.Parallel()
	s := owner(t, testOptions(t, sharedServer(t)))
	ctx := t.Context()
	again := messages(3)
	put := func() []webhook.Item {
		t.Helper()
		marker := storetest.Item("c0", 2+int(s.call.Load())) // so that something is claimed
		must(t, s.Put(ctx, append(slices.Clone(again), marker)))
		var got []webhook.Item
		for !slices.ContainsFunc(got, func(i webhook.Item) bool { return i.Resource == marker.Resource }) || len(got) < 1 {
			got = append(got, claimAll(t, s, 1)...)
		}
		waitFor(t, "the rest", func() bool {
			d, err := s.Depth(ctx)
			must(t, err)
			if d.Items == d.InFlight {
				return true
			}
			got = append(got, claimAll(t, s, 1)...)
			return false
		})
		return got
	}
	end := func(items []webhook.Item) {
		t.Helper()
		for n, i := range items {
			switch i.Resource {
			case again[0].Resource:
				e := actions.Effect{MessageKey: keyOf(0), Version: "1", State: actions.StateClean}
				must(t, s.Finish(ctx, e, actions.Standing{Version: "1"}, i.Receipt))
			case again[1].Resource:
				must(t, s.Quarantine(ctx, i.Receipt, "test"))
			default:
				must(t, s.Drop(ctx, i.Receipt, fmt.Sprint("test ", n)))
			}
		}
	}
	first := put()
	if len(first) != 4 {
		t.Fatalf("claimed %d; want 4", len(first))
	}
	end(first)
	second := put()
	var names []string
	for _, i := range second {
		names = append(names, i.Resource)
	}
	if len(second) != 3 || slices.Contains(names, again[0].Resource) {
		t.Errorf("claimed %v; want what led to an effect to be left out", names)
	}
	end(second)
	dead, err := s.ListQuarantine(ctx, 0, 0)
	must(t, err)
	for _, q := range dead {
		must(t, s.RetryQuarantine(ctx, q.ID))
	}
	if got := claimAll(t, s, len(dead)); len(got) != 2 {
		t.Errorf("%d items came back from quarantine; want 2", len(got))
	}
}

// An item that was put back comes again even if one like it led to an effect meanwhile:
// those behind it in its conversation wait until it does.
func TestPutBackComesAgain(t *testing.T) {
	t.Parallel()
	s := owner(t, testOptions(t, sharedServer(t)))
	ctx := t.Context()
	must(t, s.Put(ctx, messages(1)))
	must(t, s.Put(ctx, messages(1)))
	items := claimAll(t, s, 2)
	must(t, s.Defer(ctx, items[1].Receipt, time.Now(), "its conversation is behind"))
	must(t, s.Finish(ctx, actions.Effect{MessageKey: keyOf(0), Version: "1", State: actions.StateClean}, actions.Standing{Version: "1"}, items[0].Receipt))
	if got := claimAll(t, s, 1); got[0].Receipt != items[1].Receipt {
		t.Errorf("claimed %s, want %s", got[0].Receipt, items[1].Receipt)
	}
}

// Lost is told which lanes a lease held before they can be claimed again.
func TestLostNamesTheLanes(t *testing.T) {
	o := testOptions(t, sharedServer(t))
	told := make(chan func(string) bool, 10)
	var opened atomic.Pointer[Store]
	o.Lost = func(owns func(string) bool) {
		if s := opened.Load(); s != nil && s.mu.TryLock() { // then the lease could be taken already
			s.mu.Unlock()
			t.Error("told too late")
		}
		told <- owns
	}
	a := owner(t, o)
	opened.Store(a)
	for p := lead; p < o.Partitions; p++ {
		a.lose(a.lease(p), "test")
		owns := <-told
		for i := range 50 {
			lane := laneOf(keyOf(i))
			if got, want := owns(lane), partition(lane, o.Partitions) == p; got != want {
				t.Errorf("partition %d, lane %s: %v", p, lane, got)
			}
		}
		if owns("lifecycle/sub") != (p == lead) {
			t.Errorf("partition %d and the lifecycle lane", p)
		}
	}
}

// dump is everything in the keys of a store, but for who leads and lives.
func (s *Store) dump(t testing.TB) map[string]string {
	t.Helper()
	out := map[string]string{}
	keys, err := s.rdb.Keys(t.Context(), s.opts.Prefix+":*").Result()
	must(t, err)
	for _, k := range keys {
		if strings.HasSuffix(k, ":nodes") || strings.HasSuffix(k, ":lease") {
			continue
		}
		v, err := s.rdb.Dump(t.Context(), k).Result()
		must(t, err)
		out[k] = fmt.Sprintf("%x", v)
	}
	return out
}

// ---- the log ----

func appendN(t testing.TB, s *Store, n int) {
	t.Helper()
	for i := range n {
		must(t, s.Append(t.Context(), actions.Entry{Kind: actions.KindGap, Case: fmt.Sprint("c", i%7), Tenant: "t", Verdict: fmt.Sprint(i)}))
	}
}

// sameLog wants the logs of nodes to be the same bytes, whole and numbered, with
// one root.
func sameLog(t testing.TB, size int64, stores ...*Store) {
	t.Helper()
	var first [][]byte
	var root string
	for i, s := range stores {
		waitFor(t, fmt.Sprintf("node %d to have %d entries", i, size), func() bool {
			n, err := s.LogSize(t.Context())
			must(t, err)
			return n >= size
		})
		var bodies [][]byte
		must(t, s.Bodies(t.Context(), 0, func(seq int64, b []byte) error {
			if seq != int64(len(bodies)) {
				return fmt.Errorf("entry %d follows entry %d", seq, len(bodies)-1)
			}
			bodies = append(bodies, b)
			return nil
		}))
		n, head, err := actions.TreeHead(t.Context(), s)
		must(t, err)
		if n != size {
			t.Errorf("node %d has %d entries, want %d", i, n, size)
		}
		if i == 0 {
			first, root = bodies, head.String()
			continue
		}
		if !slices.EqualFunc(first, bodies, bytes.Equal) || root != head.String() {
			t.Errorf("node %d has another log", i)
		}
	}
}

func TestLogReachesEveryNode(t *testing.T) {
	t.Parallel()
	o := testOptions(t, sharedServer(t))
	a := owner(t, o)
	b := openTest(t, another(t, o, "b"))
	appendN(t, a, 10)
	appendN(t, b, 10)
	sameLog(t, 20, a, b)
	c, entries, err := b.Case(t.Context(), "c1")
	must(t, err)
	if len(entries) != 4 || c.LastSeq != entries[3].Seq {
		t.Errorf("case c1 has %d entries, the last is %d", len(entries), c.LastSeq)
	}
	for _, e := range entries {
		if d := e.SealedAt.Sub(e.Time); d < -time.Second || d > 5*time.Second {
			t.Errorf("entry %d was numbered %s after it was made", e.Seq, d)
		}
	}
	// A new leader goes on from there.
	a.crash(t)
	appendN(t, b, 5)
	sameLog(t, 25, b)
}

// A leader that died after it had published and before it had deleted what it
// published from does not make anything twice.
func TestPublishedIsNotPublishedAgain(t *testing.T) {
	ctx := t.Context()
	a := owner(t, testOptions(t, sharedServer(t)))
	a.sealing.Lock() // the loop waits
	appendN(t, a, 5)
	e := actions.Effect{MessageKey: keyOf(1), Version: "1", State: actions.StateShadow}
	must(t, a.Finish(ctx, e, actions.Standing{}, "", actions.Entry{Kind: actions.KindShadow, Case: "x"}))
	saved := map[string]string{}
	for p := lead; p < a.opts.Partitions; p++ {
		if v, err := a.rdb.Dump(ctx, a.keys.alog(p)).Result(); err == nil {
			saved[a.keys.alog(p)] = v
		}
	}
	a.sealing.Unlock()
	must(t, a.Flush(ctx))
	sameLog(t, 6, a)
	if len(saved) != 2 {
		t.Fatalf("%d streams held entries", len(saved))
	}
	for k, v := range saved {
		must(t, a.rdb.RestoreReplace(ctx, k, 0, v).Err())
	}
	must(t, a.Flush(ctx))
	sameLog(t, 6, a)
	appendN(t, a, 1)
	must(t, a.Flush(ctx))
	sameLog(t, 7, a)
}

// Entries of one case keep the order in which they were committed, whichever
// partition they went to.
func TestOrderAcrossPartitions(t *testing.T) {
	ctx := t.Context()
	a := owner(t, testOptions(t, sharedServer(t)))
	const n = 30
	for i := range n {
		entry := actions.Entry{Kind: actions.KindGap, Case: "x", Verdict: fmt.Sprint(i)}
		if i%3 == 0 {
			must(t, a.Append(ctx, entry))
			continue
		}
		must(t, a.Finish(ctx, actions.Effect{MessageKey: keyOf(i), Version: "1", State: actions.StateShadow}, actions.Standing{}, "", entry))
	}
	must(t, a.Flush(ctx))
	waitFor(t, "the log", func() bool { size, err := a.LogSize(ctx); must(t, err); return size == n })
	_, entries, err := a.Case(ctx, "x")
	must(t, err)
	for i, e := range entries {
		if e.Verdict != fmt.Sprint(i) {
			t.Fatalf("entry %d is %s", i, e.Verdict)
		}
	}
}

// Redis forgets sealed entries that every node has; a node that comes later is
// sent them by the leader.
func TestForgottenEntriesAreSent(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := testOptions(t, sharedServer(t))
	o.keepSealed = 10
	a := owner(t, o)
	appendN(t, a, 50)
	sameLog(t, 50, a)
	if n, err := a.rdb.XLen(ctx, a.sealedKey()).Result(); err != nil || n != 50 {
		t.Errorf("with one copy, Redis has %d of 50 entries: %v", n, err)
	}
	b := openTest(t, another(t, o, "b"))
	sameLog(t, 50, a, b)
	waitFor(t, "Redis to forget", func() bool {
		n, err := a.rdb.XLen(ctx, a.sealedKey()).Result()
		must(t, err)
		return n == 10
	})
	c := openTest(t, another(t, o, "c"))
	sameLog(t, 50, a, b, c)
	appendN(t, c, 20)
	sameLog(t, 70, a, b, c)
}

// loseSealed has Redis lose all sealed entries from number n on, as where a replica took over
// that had not got them yet.
func (s *Store) loseSealed(t testing.TB, n int64) {
	t.Helper()
	s.sealing.Lock()
	defer s.sealing.Unlock()
	list, err := s.rdb.XRange(t.Context(), s.sealedKey(), fmt.Sprintf("%d-0", n+1), "+").Result()
	must(t, err)
	for _, m := range list {
		must(t, s.rdb.XDel(t.Context(), s.sealedKey(), m.ID).Err())
	}
	must(t, s.rdb.Do(t.Context(), "XSETID", s.sealedKey(), fmt.Sprintf("%d-0", n)).Err())
	must(t, s.rdb.HSet(t.Context(), s.headKey(), "size", n).Err())
}

// What Redis lost of the sealed log and the leader has is published again: every node has
// one log. A node that has what nobody else has goes no further, and says so.
func TestRedisLosesSealedEntries(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := testOptions(t, sharedServer(t))
	a := owner(t, o)
	appendN(t, a, 3)
	sameLog(t, 3, a)
	a.loseSealed(t, 1)
	b := openTest(t, another(t, o, "b"))
	sameLog(t, 3, a, b)

	b.tailing.Lock() // it alone copies what is lost then
	appendN(t, a, 1)
	sameLog(t, 4, a)
	body, err := actions.SealBody([]byte(`{"kind":"gap","verdict":"lost"}`), 3, time.Now())
	must(t, err)
	must(t, b.model.AppendSealed(ctx, 3, [][]byte{body}))
	b.tailing.Unlock()
	appendN(t, a, 1)
	sameLog(t, 5, a)
	waitFor(t, "the node to say that it has another log", func() bool {
		err := b.tail(ctx)
		return err != nil && strings.Contains(err.Error(), "entry 3 of the action log is another here")
	})
	if n, err := b.model.LogSize(ctx); err != nil || n != 4 {
		t.Errorf("it holds %d entries: %v", n, err)
	}
}

// A checkpoint of the leader reaches the other nodes.
func TestCheckpointsReachEveryNode(t *testing.T) {
	o := testOptions(t, sharedServer(t))
	a := owner(t, o)
	b := openTest(t, another(t, o, "b"))
	must(t, a.CheckpointSink().Put(t.Context(), []byte("origin\n3\nroot\n")))
	waitFor(t, "the checkpoint", func() bool {
		c, err := b.model.LastCheckpoint(t.Context())
		must(t, err)
		return c.Size == 3
	})
	if err := b.CheckpointSink().Put(t.Context(), []byte("origin\n4\nroot\n")); !errors.Is(err, ErrFenced) {
		t.Errorf("a node that does not lead shared a checkpoint: %v", err)
	}
}

// ---- subscriptions ----

// A pending subscription is known to every live node once it is saved.
func TestPendingIsKnownEverywhere(t *testing.T) {
	ctx := t.Context()
	o := testOptions(t, sharedServer(t))
	a := owner(t, o)
	b := openTest(t, another(t, o, "b"))
	waitFor(t, "the nodes to know each other", func() bool { return a.Live() == 2 && b.Live() == 2 })
	for i := range 20 {
		sub := subscriptions.Subscription{LocalID: fmt.Sprint(i), TenantID: "t", ClientState: fmt.Sprint("secret", i), Status: subscriptions.Pending}
		must(t, a.SaveSubscription(ctx, sub))
		if !slices.ContainsFunc(b.PendingOnes(), func(s subscriptions.Subscription) bool { return s.ClientState == sub.ClientState }) {
			t.Fatalf("subscription %d is not known to the other node", i)
		}
		sub.ID, sub.Status = fmt.Sprint("ID", i), subscriptions.Active
		must(t, a.SaveSubscription(ctx, sub))
		waitFor(t, "it to be in force everywhere", func() bool { _, ok := b.Lookup(fmt.Sprint("id", i)); return ok })
	}
	old := subscriptions.Subscription{LocalID: "old", ID: "old", Status: subscriptions.Retired, RetiredAt: time.Now().Add(-late - time.Minute)}
	must(t, a.SaveSubscription(ctx, old))
	for _, id := range []string{"", "old", "nobody"} {
		if _, ok := a.Lookup(id); ok {
			t.Errorf("%q was found", id)
		}
	}
	if err := b.SaveSubscription(ctx, old); !errors.Is(err, ErrFenced) {
		t.Errorf("a node that does not lead saved a subscription: %v", err)
	}
}

// A node that cannot answer is waited for no longer than it is live.
func TestPendingDoesNotWaitForTheDead(t *testing.T) {
	t.Parallel()
	o := testOptions(t, sharedServer(t))
	o.Lease = time.Second
	a := owner(t, o)
	b := openTest(t, another(t, o, "b"))
	waitFor(t, "the nodes to know each other", func() bool { return a.Live() == 2 })
	b.crash(t)
	waitFor(t, "it to be saved", func() bool { // at once, unless the disk of Redis is slow
		return a.SaveSubscription(t.Context(), subscriptions.Subscription{LocalID: "x", Status: subscriptions.Pending}) == nil
	})
}

func TestNotifiedAndViews(t *testing.T) {
	ctx := t.Context()
	o := testOptions(t, sharedServer(t))
	a := owner(t, o)
	b := openTest(t, another(t, o, "b"))
	at := time.Now().UTC()
	must(t, b.Notified(ctx, map[string]time.Time{"id": at}))
	got, err := a.TakeNotified(ctx)
	must(t, err)
	if !got["id"].Equal(at) || len(got) != 1 {
		t.Errorf("told %v", got)
	}
	if got, err = a.TakeNotified(ctx); err != nil || len(got) != 0 {
		t.Errorf("told twice: %v %v", got, err)
	}
	must(t, a.Show(ctx, []subscriptions.View{{TenantID: "t", ID: "id", Gap: &subscriptions.Gap{Cause: "c"}}}))
	waitFor(t, "the view", func() bool { v := b.Views(); return len(v) == 1 && v[0].Gap != nil && v[0].Gap.Cause == "c" })
}

func TestAsk(t *testing.T) {
	t.Parallel()
	o := testOptions(t, sharedServer(t))
	a := owner(t, o)
	b := openTest(t, another(t, o, "b"))
	waitFor(t, "each to hold half", func() bool { return a.Holds() == 2 && b.Holds() == 2 })
	for _, s := range []*Store{a, b} {
		go func() {
			_ = s.Answer(t.Context(), func(_ context.Context, q []byte) []byte { return []byte(s.opts.Node + " " + string(q)) })
		}()
	}
	for i := range 10 {
		want := "a "
		if _, stop, err := b.HeldKey(t.Context(), keyOf(i)); err == nil {
			stop()
			want = "b "
		}
		got, err := a.Ask(t.Context(), keyOf(i), []byte("q"))
		must(t, err)
		if string(got) != want+"q" {
			t.Errorf("%s was answered by %s, want %s", keyOf(i), got, want)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := a.Ask(ctx, keyOf(0), nil); !errors.Is(err, context.Canceled) {
		t.Errorf("a question that was given up: %v", err)
	}
}

// ---- one installation ----

func TestJoining(t *testing.T) {
	ctx := t.Context()
	o := testOptions(t, sharedServer(t))
	o.Keys = "k1"
	a := owner(t, o)
	other := another(t, o, "b")
	other.Partitions = 8
	refuse(t, other, "set partitions to 4")
	other = another(t, o, "b")
	other.Keys = "k2"
	refuse(t, other, "copy its keys_dir")
	// Nor do two run that are started at once, after their keys were changed on one alone.
	first := testOptions(t, sharedServer(t))
	first.Keys = "k1"
	second := another(t, first, "b")
	second.Keys = "k2"
	second.Generation = sync.OnceValue(func() string { must(t, openTest(t, first).Ready()); return "" }) // asked for when it has joined
	refuse(t, second, "copy its keys_dir")

	// A data directory that is of something else.
	embedded := another(t, o, "b")
	st, err := sqlite.Open(ctx, sqlite.Options{Dir: embedded.Dir, MinFree: -1})
	must(t, err)
	must(t, st.Append(ctx, actions.Entry{Kind: actions.KindGap}))
	must(t, st.Close())
	refuse(t, embedded, "holds an embedded store with 1 log entries")
	full := another(t, o, "b")
	st, err = sqlite.Open(ctx, sqlite.Options{Dir: full.Dir, MinFree: -1})
	must(t, err)
	must(t, st.Put(ctx, messages(1)))
	must(t, st.Close())
	refuse(t, full, "holds an embedded store with 1 items")
	elsewhere := testOptions(t, sharedServer(t))
	elsewhere.Dir = a.opts.Dir
	must(t, a.Close())
	refuse(t, elsewhere, "the log of another installation")
	// Keys may change once nobody runs.
	o.Keys = "k3"
	must(t, owner(t, o).Close())
	r, err := sqlite.OpenReadOnly(ctx, o.Dir)
	must(t, err)
	defer r.Close()
	if whose, err := ReadModelOf(ctx, r); err != nil || whose == "" {
		t.Errorf("the directory says that it is of %q: %v", whose, err)
	}
}

// refuse wants opening to fail with a text.
func refuse(t testing.TB, o Options, want string) {
	t.Helper()
	s, err := Open(t.Context(), o)
	if err == nil {
		_ = s.Close()
		t.Errorf("opened; want an error with %q", want)
		return
	}
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got %v; want %q in it", err, want)
	}
}

// What is taken up from another node goes before the items of its conversations.
func TestTakenBeforeClaimed(t *testing.T) {
	t.Parallel()
	taken := make(chan struct{})
	told := sync.OnceFunc(func() { close(taken) })
	defer told()
	o := testOptions(t, sharedServer(t))
	o.Taken = func() { <-taken }
	s := owner(t, o)
	must(t, s.Put(t.Context(), messages(1)))
	ctx, cancel := context.WithTimeout(t.Context(), 3*pollEvery)
	defer cancel()
	if got, err := s.Claim(ctx, 1); err == nil {
		t.Errorf("claimed %d before", len(got))
	}
	told()
	claimAll(t, s, 1)
}

// A release whose node died is known to the node that takes over.
func TestUnfinishedReleases(t *testing.T) {
	ctx := t.Context()
	o := testOptions(t, sharedServer(t))
	o.Lease = time.Second
	a := owner(t, o)
	order := &actions.OrderRecord{Target: actions.Target{Tenant: "tenant", ChatID: "c0", MessageID: "1"}}
	for _, version := range []string{"100", "release/a", "release/b", "zzz"} {
		must(t, a.Decide(ctx, actions.Effect{MessageKey: keyOf(0), Version: version, Order: order}, actions.Standing{Case: "c"}))
	}
	must(t, a.Finish(ctx, actions.Effect{MessageKey: keyOf(0), Version: "release/b", State: actions.StateApplied}, actions.Standing{Case: "c"}, ""))
	a.crash(t)
	b := owner(t, another(t, o, "b"))
	got, err := b.UnfinishedReleases(ctx)
	must(t, err)
	if len(got) != 1 || got[0].Version != "release/a" || got[0].MessageKey != keyOf(0) || got[0].Order == nil {
		t.Errorf("unfinished: %+v", got)
	}
	must(t, b.Finish(ctx, actions.Effect{MessageKey: keyOf(0), Version: "release/a", State: actions.StateApplied}, actions.Standing{Case: "c"}, ""))
	if got, err = b.UnfinishedReleases(ctx); err != nil || len(got) != 0 {
		t.Errorf("unfinished after its end: %+v %v", got, err)
	}
}

// What is worked off leaves nothing behind that stays for good, but for the
// sealed log until a second node has it, and what is known of messages with a case.
func TestBackToTheFloor(t *testing.T) {
	ctx := t.Context()
	o := testOptions(t, sharedServer(t))
	a := owner(t, o)
	floor, err := a.rdb.Keys(ctx, o.Prefix+":*").Result()
	must(t, err)
	const n = 60
	must(t, a.Put(ctx, messages(n)))
	for i, item := range claimAll(t, a, n) {
		if i%3 == 0 { // some twice
			must(t, a.Defer(ctx, item.Receipt, time.Now(), "again"))
			continue
		}
		must(t, a.Finish(ctx, actions.Effect{MessageKey: laneOfItem(item) + "/messages/1", Version: "1", State: actions.StateClean}, actions.Standing{Version: "1"}, item.Receipt))
	}
	for _, item := range claimAll(t, a, n/3) {
		must(t, a.Drop(ctx, item.Receipt, "test"))
	}
	d, err := a.Depth(ctx)
	must(t, err)
	if d.Items != 0 || d.Bytes != 0 || d.Unverified != 0 || d.Deferred != 0 || d.InFlight != 0 {
		t.Errorf("depth %+v", d)
	}
	keys, err := a.rdb.Keys(ctx, o.Prefix+":*").Result()
	must(t, err)
	for _, k := range keys {
		if slices.Contains(floor, k) || strings.HasSuffix(k, "}:n") {
			continue
		}
		if strings.HasSuffix(k, "}:q") || strings.HasSuffix(k, "}:alog") {
			if size, err := a.rdb.XLen(ctx, k).Result(); err != nil || size != 0 {
				t.Errorf("%s holds %d", k, size)
			}
			continue
		}
		if ttl, err := a.rdb.PTTL(ctx, k).Result(); err != nil || ttl <= 0 || ttl > keepClean {
			t.Errorf("%s stays for %s", k, ttl)
		}
	}
}

// Retention is decided by the leader and carried out by every node, whenever it
// copies the entry that says so; the tree stays whole.
func TestRetention(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	o := testOptions(t, sharedServer(t))
	o.keepSealed, o.Retain = 5, 24*time.Hour
	a := owner(t, o)
	b := openTest(t, another(t, o, "b"))
	waitFor(t, "the nodes to know each other", func() bool { return a.Live() == 2 && b.Live() == 2 })
	old := actions.Entry{Kind: actions.KindResult, Case: "old", Tenant: "t", Time: time.Now().Add(-48 * time.Hour)}
	for range 20 {
		must(t, a.Append(ctx, old))
	}
	appendN(t, a, 10)
	sameLog(t, 30, a, b)
	cut := time.Now().Add(-24 * time.Hour)
	if n, err := a.Forget(ctx, cut); err != nil || n != 0 {
		t.Errorf("without a checkpoint %d entries went: %v", n, err)
	}
	must(t, a.CheckpointSink().Put(ctx, []byte("o\n30\nroot\n")))
	if n, err := b.Forget(ctx, cut); err != nil || n != 0 {
		t.Errorf("a node that does not lead deleted %d entries: %v", n, err)
	}
	n, err := a.Forget(ctx, cut)
	must(t, err)
	if n != 20 {
		t.Errorf("%d entries went, want 20", n)
	}
	for i, s := range []*Store{a, b} {
		waitFor(t, "the entries to go", func() bool {
			first, _, err := s.model.Forgettable(ctx, time.Time{})
			must(t, err)
			return first == 20
		})
		waitFor(t, "the case without entries to go", func() bool {
			_, _, err := s.Case(ctx, "old")
			return errors.Is(err, actions.ErrNotFound)
		})
		size, root, err := actions.TreeHead(ctx, s)
		must(t, err)
		if _, want, err := actions.TreeHead(ctx, a); err != nil || size != 31 || root != want {
			t.Errorf("node %d: %d entries, another root: %v", i, size, err)
		}
	}
	if n, err = a.Forget(ctx, cut); err != nil || n != 0 {
		t.Errorf("again %d entries went: %v", n, err)
	}
	// A node that was away does the same when it comes back.
	must(t, b.Close())
	b = openTest(t, b.opts)
	sub, _, err := b.model.Forgettable(ctx, time.Time{})
	must(t, err)
	if sub != 20 {
		t.Errorf("after a restart the log begins at %d", sub)
	}
	if err := a.Dump(ctx, func(archive.Record) error { return nil }); err == nil || !strings.Contains(err.Error(), "retention") {
		t.Errorf("a log without its start was dumped: %v", err)
	}
	// What is known of a message with a case goes as well.
	e := actions.Effect{MessageKey: keyOf(0), Version: "1", State: actions.StateApplied}
	s := a
	if a.lease(partition(laneOf(e.MessageKey), o.Partitions)) == nil {
		s = b
	}
	waitFor(t, "it to be written", func() bool { return s.Finish(ctx, e, actions.Standing{Case: "c"}, "") == nil })
	for _, key := range []string{a.keys.standing(partition(laneOf(e.MessageKey), 4), e.MessageKey), a.keys.effect(partition(laneOf(e.MessageKey), 4), e.MessageKey, "1")} {
		if ttl, err := a.rdb.PTTL(ctx, key).Result(); err != nil || ttl <= 0 || ttl > 24*time.Hour {
			t.Errorf("%s stays for %s: %v", key, ttl, err)
		}
	}
}

// losing is a connection that never brings some commands to Redis.
type losing struct {
	command string
	left    atomic.Int64 // of them
}

func (l *losing) DialHook(next goredis.DialHook) goredis.DialHook          { return next }
func (l *losing) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook { return next }
func (l *losing) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		if slices.ContainsFunc(cmds, func(c goredis.Cmder) bool { return c.Name() == l.command }) && l.left.Add(-1) >= 0 {
			return io.ErrUnexpectedEOF
		}
		return next(ctx, cmds)
	}
}

// What was numbered is deleted in the end, though the connection broke when it was to
// be: by the same leader or by the next. Else it would count as not numbered for ever.
func TestNumberedIsDeletedInTheEnd(t *testing.T) {
	o := testOptions(t, sharedServer(t))
	s := owner(t, o)
	link := &losing{command: "xtrim"}
	s.rdb.AddHook(link)
	whole := func(s *Store) func() bool {
		return func() bool {
			st, err := s.LogState(t.Context())
			return err == nil && st.Unsealed == 0 && st.Missing == 0
		}
	}
	say := func(what string) {
		t.Helper()
		must(t, s.Append(t.Context(), actions.Entry{Kind: actions.KindGap, Verdict: what}))
	}
	waitFor(t, "the log to be whole", whole(s))
	link.left.Store(1)
	say("one")
	waitFor(t, "a deletion to be lost", func() bool { return link.left.Load() <= 0 })
	waitFor(t, "the log to be whole again", whole(s))

	link.left.Store(1 << 40) // until another leads
	say("two")
	waitFor(t, "it to be numbered", func() bool { n, err := s.model.LogSize(t.Context()); return err == nil && n == 2 })
	must(t, s.Close())
	next := owner(t, o)
	waitFor(t, "the log to be whole at the next leader", whole(next))
	entries, err := next.Entries(t.Context(), actions.Filter{})
	must(t, err)
	if len(entries) != 2 || entries[0].Verdict != "two" || entries[1].Verdict != "one" {
		t.Errorf("entries %+v", entries)
	}
}

// narrow is a link over which no read of more than most entries at once comes in time,
// nor a write of so many bytes. most is 0: everything does.
type narrow struct{ most atomic.Int64 }

func (n *narrow) passes(cmds ...goredis.Cmder) bool {
	most := n.most.Load()
	for _, c := range cmds {
		bytes := 0
		for _, a := range c.Args() {
			switch a := a.(type) {
			case []byte:
				bytes += len(a)
			case string:
				bytes += len(a)
			}
		}
		if count, ok := c.Args()[len(c.Args())-1].(int64); most > 0 && (bytes > 2*publishBytes || c.Name() == "xrange" && ok && count > most) {
			return false
		}
	}
	return true
}

func (n *narrow) DialHook(next goredis.DialHook) goredis.DialHook { return next }
func (n *narrow) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		if !n.passes(cmd) {
			return os.ErrDeadlineExceeded
		}
		return next(ctx, cmd)
	}
}

func (n *narrow) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		if !n.passes(cmds...) {
			return os.ErrDeadlineExceeded
		}
		return next(ctx, cmds)
	}
}

// A log that fell behind and whose entries are long is numbered and copied in the end,
// in portions that come in time, and none of it is ever too much for one write.
func TestLongEntriesAreNumberedInTheEnd(t *testing.T) {
	t.Parallel()
	s := owner(t, testOptions(t, sharedServer(t)))
	link := new(narrow)
	s.rdb.AddHook(link)
	const entries = 60
	long := strings.Repeat("a reason ", 30_000)
	for round, most := range []int64{10, sealBatch} { // the second time all is read at once, and is too much for one write
		waitFor(t, "the portions to be whole", func() bool { return s.unsealedPortion.size() == sealBatch && s.sealedPortion.size() == sealBatch })
		s.sealing.Lock() // as if nobody led
		for i := range entries {
			must(t, s.Append(t.Context(), actions.Entry{Kind: actions.KindGap, Verdict: fmt.Sprintf("%d %s", i, long)}))
		}
		link.most.Store(most)
		s.sealing.Unlock()
		waitFor(t, "the log to be whole", func() bool {
			st, err := s.LogState(t.Context())
			return err == nil && st.Unsealed == 0 && st.Missing == 0
		})
		link.most.Store(0)
		n, err := s.model.LogSize(t.Context())
		must(t, err)
		if n != int64(entries*(round+1)) {
			t.Errorf("%d entries, want %d", n, entries*(round+1))
		}
	}
}

// What a node put back because its lanes were full, the node that takes over takes up
// at once, in the order of the inbox; what waits for something else goes on waiting.
func TestTakeoverTakesUpWhatWasBehind(t *testing.T) {
	t.Parallel()
	o := testOptions(t, sharedServer(t))
	o.Partitions, o.Behind = 1, "no room"
	a := owner(t, o)
	ctx := t.Context()
	must(t, a.Put(ctx, messages(8)))
	got := claimAll(t, a, 8)
	soon := time.Now().Add(time.Hour)
	for i, reason := range []string{2: "no room", 3: "no room here", 4: "Graph is slow", 6: "no room", 7: ""} {
		if reason != "" {
			must(t, a.Defer(ctx, got[i].Receipt, soon, reason))
		}
	}
	must(t, a.Close())
	b := owner(t, another(t, o, "b"))
	var have, want []string
	bounded, stop := context.WithTimeout(ctx, 30*time.Second)
	defer stop()
	for len(have) < 7 {
		items, err := b.Claim(bounded, 2) // in several goes
		must(t, err)
		for _, i := range items {
			have = append(have, i.Resource)
		}
	}
	for _, i := range []int{0, 1, 2, 3, 5, 6, 7} {
		want = append(want, got[i].Resource)
	}
	if !slices.Equal(have, want) {
		t.Errorf("claimed %q, want %q", have, want)
	}
	short, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	if more, _ := b.Claim(short, 5); len(more) > 0 {
		t.Errorf("claimed %q as well", more[0].Resource)
	}
}

// slow is a connection that carries commands to Redis, and brings the answers to scripts
// only when it is let to, or not at all.
type slow struct {
	script *goredis.Script
	lost   atomic.Int64  // how many answers still get lost
	held   atomic.Int64  // how many answers are still held back:
	there  chan struct{} // this is sent to once Redis has carried the script out,
	back   chan struct{} // and this received from before its answer is brought
}

func newSlow(script *goredis.Script) *slow {
	return &slow{script: script, there: make(chan struct{}), back: make(chan struct{})}
}

func (l *slow) hold() {
	if l.held.Add(-1) >= 0 {
		l.there <- struct{}{}
		<-l.back
	}
}

func (l *slow) is(c goredis.Cmder) bool { return len(c.Args()) > 1 && c.Args()[1] == l.script.Hash() }

func (l *slow) DialHook(next goredis.DialHook) goredis.DialHook { return next }
func (l *slow) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		err := next(ctx, cmd)
		if l.is(cmd) {
			l.hold()
		}
		return err
	}
}

func (l *slow) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []goredis.Cmder) error {
		err := next(ctx, cmds)
		if slices.ContainsFunc(cmds, l.is) {
			l.hold()
		}
		for _, c := range cmds {
			if l.is(c) && l.lost.Add(-1) >= 0 {
				c.SetErr(io.ErrUnexpectedEOF)
				err = io.ErrUnexpectedEOF
			}
		}
		return err
	}
}

// What Redis gave out, and the connection broke before it came, is given out again: also
// what was put back before, and so lies behind what was claimed already.
func TestClaimIsLost(t *testing.T) {
	t.Parallel()
	o := testOptions(t, sharedServer(t))
	o.Partitions = 1
	s := owner(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, s.Put(ctx, messages(3)))
	got := claimAll(t, s, 3)
	link := newSlow(claimScript)
	link.lost.Store(1)
	s.rdb.AddHook(link)
	must(t, s.Defer(ctx, got[0].Receipt, time.Now().Add(-time.Second), "again"))
	must(t, s.Put(ctx, []webhook.Item{storetest.Item("new", 1)}))
	for _, want := range []string{got[0].Resource, storetest.Item("new", 1).Resource} {
		again, err := s.Claim(ctx, 1)
		if err != nil || again[0].Resource != want {
			t.Fatalf("claimed %v, %v; want %s", again, err, want)
		}
	}
	if left := link.lost.Load(); left > 0 {
		t.Error("no answer was lost")
	}
}

// An item that is due again before this node has heard that it is put back is given out
// once it has.
func TestDueBeforeItIsPutBack(t *testing.T) {
	t.Parallel()
	o := testOptions(t, sharedServer(t))
	o.Partitions = 1
	s := owner(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	must(t, s.Put(ctx, messages(2)))
	got := claimAll(t, s, 2)
	must(t, deferScript.Load(ctx, s.rdb).Err())
	link := newSlow(deferScript)
	link.held.Store(1)
	s.rdb.AddHook(link)
	put := make(chan error, 1)
	go func() { put <- s.Defer(ctx, got[0].Receipt, time.Now().Add(-time.Second), "again") }()
	<-link.there
	waitFor(t, "it to be due", func() bool {
		items, _, err := s.claimNow(ctx, 1)
		must(t, err)
		if len(items) > 0 {
			t.Fatalf("claimed %s, which is in flight", items[0].Resource)
		}
		n, err := s.rdb.ZCard(ctx, s.keys.delay(0)).Result()
		must(t, err)
		return n == 0
	})
	claims := newSlow(claimScript) // one is under way meanwhile
	claims.held.Store(1)
	s.rdb.AddHook(claims)
	claimed := make(chan error, 1)
	go func() { _, _, err := s.claimNow(ctx, 1); claimed <- err }()
	<-claims.there
	close(link.back)
	must(t, <-put)
	close(claims.back)
	must(t, <-claimed)
	again, err := s.Claim(ctx, 1)
	if err != nil || again[0].Receipt != got[0].Receipt || again[0].Attempts != 1 {
		t.Errorf("claimed %v, %v; want %s, put back once", again, err, got[0].Receipt)
	}
}

// A claim that passes over what is in flight, and was not put back since, is no reason
// to begin at the head once more.
func TestInFlightIsPassedOver(t *testing.T) {
	t.Parallel()
	o := testOptions(t, sharedServer(t))
	o.Partitions = 1
	s := owner(t, o)
	must(t, s.Put(t.Context(), messages(2)))
	got := claimAll(t, s, 2)
	l := s.lease(0)
	begin := func() { s.mu.Lock(); l.rewind = true; s.mu.Unlock() }
	begin()
	if items, _, err := s.claimNow(t.Context(), 2); err != nil || len(items) > 0 {
		t.Fatalf("claimed %v, %v", items, err)
	}
	must(t, s.Defer(t.Context(), got[0].Receipt, time.Now().Add(time.Hour), "later"))
	s.mu.Lock()
	defer s.mu.Unlock()
	if l.rewind || l.cursor == head0 {
		t.Errorf("it begins at the head again: %v, cursor %s", l.rewind, l.cursor)
	}
}

// However much is put back before it, an item is claimed, and no call to Redis passes over
// all of that at once.
func TestManyPutBackArePassedInPortions(t *testing.T) {
	t.Parallel()
	const away = 5 * passMost
	o := testOptions(t, sharedServer(t))
	o.Partitions = 1
	s := owner(t, o)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	_, err := patient(t, o).Pipelined(ctx, func(p goredis.Pipeliner) error {
		for i := range away {
			id := fmt.Sprint("1-", i+1)
			p.XAdd(ctx, &goredis.XAddArgs{Stream: s.keys.queue(0), ID: id, Values: []any{"b", "{}", "u", "0", "r", 1}})
			p.ZAdd(ctx, s.keys.delay(0), goredis.Z{Score: float64(time.Now().Add(time.Hour).UnixMilli()), Member: id})
		}
		return nil
	})
	must(t, err)
	must(t, s.Put(ctx, messages(1)))
	claims := newSlow(claimScript)
	claims.lost.Store(-1 << 40) // it counts down
	s.rdb.AddHook(claims)
	got, err := s.Claim(ctx, 10)
	if err != nil || len(got) != 1 || got[0].Resource != messages(1)[0].Resource {
		t.Fatalf("claimed %v, %v", got, err)
	}
	if calls := -1<<40 - claims.lost.Load(); calls < away/passMost {
		t.Errorf("%d items were passed over in %d calls", away, calls)
	}
}

// A lease that could not be prolonged is given up before it ends, however long it was.
func TestGivenUpBeforeItEnds(t *testing.T) {
	for _, long := range []time.Duration{time.Second, 6 * time.Second, time.Minute} {
		synctest.Test(t, func(t *testing.T) {
			s := &Store{opts: Options{Lease: long}, epoch: time.Now(), log: zap.NewNop(), leases: map[int]*lease{}}
			s.life, s.end = context.WithCancel(t.Context())
			l := &lease{s: s}
			l.ctx, l.end = context.WithCancel(s.life)
			l.extend(time.Now().Add(-3 * time.Millisecond))
			s.leases[0] = l
			s.loops.Go(s.watchdog)
			<-l.ctx.Done()
			if l.left() <= 0 {
				t.Errorf("a lease of %s was given up %s after its end", long, -l.left())
			}
			s.end()
			s.loops.Wait()
		})
	}
}

// silent is a link over which a script is not answered: each call of it fails after some
// time.
type silent struct {
	script *goredis.Script
	after  time.Duration
	beats  *goredis.Script // begins a round
	round  atomic.Int64    // calls in this one
	most   atomic.Int64    // in any
	all    atomic.Int64
}

func (l *silent) DialHook(next goredis.DialHook) goredis.DialHook { return next }
func (l *silent) ProcessHook(next goredis.ProcessHook) goredis.ProcessHook {
	return func(ctx context.Context, cmd goredis.Cmder) error {
		switch args := cmd.Args(); {
		case len(args) > 1 && args[1] == l.beats.Hash():
			l.round.Store(0)
		case len(args) > 1 && args[1] == l.script.Hash():
			l.all.Add(1)
			l.most.Store(max(l.most.Load(), l.round.Add(1)))
			<-time.After(l.after)
			cmd.SetErr(os.ErrDeadlineExceeded)
			return os.ErrDeadlineExceeded
		}
		return next(ctx, cmd)
	}
}
func (l *silent) ProcessPipelineHook(next goredis.ProcessPipelineHook) goredis.ProcessPipelineHook {
	return next
}

// Servers that do not answer when they are asked for their partitions leave time to
// prolong the leases of others.
func TestTakingLeavesTimeToRenew(t *testing.T) {
	t.Parallel()
	o := testOptions(t, sharedServer(t))
	o.Lease = time.Second
	s := owner(t, o)
	link := &silent{script: acquireScript, beats: beatScript, after: o.Lease / 4}
	s.ctl.AddHook(link)
	s.steal(t)
	waitFor(t, "the node to ask for them", func() bool { return link.all.Load() > 8 })
	if n := link.most.Load(); n > 2 {
		t.Errorf("%d were asked for one after the other", n)
	}
}

// A machine that slept, and whose clock of its own stood still meanwhile, does not know
// the others until it has heard of them again.
func TestSleptIsNotFresh(t *testing.T) {
	t.Parallel()
	s := owner(t, testOptions(t, sharedServer(t)))
	must(t, s.Fresh())
	waitFor(t, "the node to know that it does not know the others", func() bool { // unless it has just heard of them
		s.wall.Store(time.Now().Add(-time.Hour).UnixNano())
		return s.Fresh() != nil && s.Ready() != nil
	})
	waitFor(t, "it to know them again", func() bool { return s.Ready() == nil })
}

// The clock of Redis went back by hours, as where a replica took over whose clock is
// behind. What was dated before that is not waited for: the lease of a node that died,
// its place among the nodes, entries that have no number yet.
func TestClockWentBack(t *testing.T) {
	t.Parallel()
	o := testOptions(t, sharedServer(t))
	ctx, keys := t.Context(), keyset{o.Prefix}
	rdb := goredis.NewClient(&goredis.Options{Addr: o.Addrs[0]})
	defer rdb.Close()
	later := time.Now().Add(3 * time.Hour)
	for _, p := range []int{lead, 0, 1} {
		must(t, rdb.HSet(ctx, keys.lease(p), "owner", "dead", "fence", 7, "until", later.UnixMilli()).Err())
	}
	must(t, rdb.HSet(ctx, keys.of(lead, "nodes"), "dead", fmt.Sprintf(`%d {"id":"dead","name":"dead"}`, later.UnixMilli())).Err())
	for i, at := range []time.Time{later, later.Add(time.Second), time.Now()} {
		must(t, rdb.XAdd(ctx, &goredis.XAddArgs{Stream: keys.alog(0), Values: []any{
			"t", at.UnixMicro(), "n", "dead", "k", fmt.Sprint("dead/", i), "e", fmt.Sprintf(`{"kind":"gap","verdict":"%d"}`, i),
		}}).Err())
	}
	s := owner(t, o)
	waitFor(t, "the log to be whole", func() bool {
		n, _ := s.model.LogSize(ctx)
		st, err := s.LogState(ctx)
		return err == nil && n == 3 && st.Unsealed == 0 && st.Missing == 0
	})
	entries, err := s.Entries(ctx, actions.Filter{})
	must(t, err)
	var order []string
	for _, e := range entries {
		order = append(order, e.Verdict)
	}
	if want := []string{"2", "1", "0"}; !slices.Equal(order, want) {
		t.Errorf("entries %q, newest first; want %q", order, want)
	}
}

// The clock went back under a load: of a stream that is read in portions the first
// entries are younger than the last of their portion, and are numbered all the same.
func TestClockWentBackUnderLoad(t *testing.T) {
	t.Parallel()
	const entries = sealBatch + 10
	o := testOptions(t, sharedServer(t))
	s := owner(t, o)
	s.sealing.Lock() // until all are there
	_, err := patient(t, o).Pipelined(t.Context(), func(p goredis.Pipeliner) error {
		for i := range entries {
			at := time.Now()
			if i >= entries/2 {
				at = at.Add(-time.Hour)
			}
			p.XAdd(t.Context(), &goredis.XAddArgs{Stream: s.keys.alog(0), Values: []any{
				"t", at.UnixMicro(), "n", "a", "k", fmt.Sprint("a/", i), "e", fmt.Sprintf(`{"kind":"gap","verdict":"%d"}`, i),
			}})
		}
		return nil
	})
	s.sealing.Unlock()
	must(t, err)
	waitFor(t, "the log to be whole", func() bool {
		n, err := s.model.LogSize(t.Context())
		return err == nil && n == entries
	})
	next := 0
	must(t, s.model.Bodies(t.Context(), 0, func(_ int64, body []byte) error {
		if !bytes.Contains(body, fmt.Appendf(nil, `"verdict":"%d"`, next)) {
			t.Fatalf("in place %d stands %s", next, body)
		}
		next++
		return nil
	}))
}

// That a node lacks what retention has deleted is said once, and not every second.
func TestLackIsSaidOnce(t *testing.T) {
	t.Parallel()
	core, said := observer.New(zap.WarnLevel)
	o := testOptions(t, sharedServer(t))
	o.MinCopies, o.keepSealed, o.Log = 1, 1, zap.New(core)
	o.Lease = 10 * time.Second // so that b is never taken for gone
	ctx := t.Context()
	a := owner(t, o)
	for i := range 10 {
		must(t, a.Append(ctx, actions.Entry{Kind: actions.KindGap, Time: time.Now().Add(-48 * time.Hour), Verdict: fmt.Sprint(i)}))
	}
	waitFor(t, "them to be numbered", func() bool { n, err := a.model.LogSize(ctx); return err == nil && n == 10 })
	waitFor(t, "a checkpoint", func() bool { return a.CheckpointSink().Put(ctx, []byte("o\n10\nroot\n")) == nil })
	waitFor(t, "entries to go", func() bool { n, err := a.Forget(ctx, time.Now().Add(-24*time.Hour)); return err == nil && n > 0 })
	waitFor(t, "Redis to forget what was deleted", func() bool { n, err := a.oldest(ctx); return err == nil && n > 1 })
	openTest(t, another(t, o, "b"))
	lacks := func() int { return said.FilterMessageSnippet("a node lacks entries").Len() }
	waitFor(t, "it to be said", func() bool { return lacks() > 0 })
	for range 5 {
		if l := a.lease(lead); l != nil {
			if err := a.fill(ctx, l); err != nil && !errors.Is(err, ErrUnavailable) { // the disk of Redis is slow
				t.Error(err)
			}
		}
	}
	if n := lacks(); n != 1 {
		t.Errorf("said %d times", n)
	}
}
