package sqlite

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/webhook"
)

func testItems(names ...string) []webhook.Item {
	var items []webhook.Item
	for _, n := range names {
		items = append(items, testItem(n))
	}
	return items
}

// claim claims and returns what came, by resource.
func claim(t testing.TB, s *Store, limit int) (names []string, items []webhook.Item) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	items, err := s.Claim(ctx, limit)
	must(t, err)
	for _, i := range items {
		names = append(names, i.Resource)
	}
	return names, items
}

func wantNames(t testing.TB, doing string, got []string, want ...string) {
	t.Helper()
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("%s (-want +got):\n%s", doing, d)
	}
}

// wantDepth compares what is counted in memory, and that it is what a new start
// would count.
func wantDepth(t testing.TB, s *Store, want Depth) {
	t.Helper()
	got, err := s.Depth(context.Background())
	must(t, err)
	got.Bytes, got.OldestReceived = 0, time.Time{}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("depth (-want +got):\n%s", d)
	}
	var fresh inbox
	must(t, fresh.load(context.Background(), s.Reader))
	s.inbox.mu.Lock()
	defer s.inbox.mu.Unlock()
	have := [4]int64{s.inbox.items, s.inbox.bytes, s.inbox.unverified, s.inbox.quarantined}
	if file := [4]int64{fresh.items, fresh.bytes, fresh.unverified, fresh.quarantined}; have != file {
		t.Errorf("memory counts items, bytes, unverified, quarantined %v, the file %v", have, file)
	}
}

func TestPutClaim(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	ctx := t.Context()
	must(t, s.Put(ctx, nil))
	want := testItem("a")
	want.Deferred = []string{"token"}
	must(t, s.Put(ctx, append([]webhook.Item{want}, testItems("b", "c")...)))
	must(t, s.Put(ctx, testItems("d", "e")))

	names, items := claim(t, s, 2)
	wantNames(t, "first", names, "a", "b")
	want.Receipt = items[0].Receipt
	if d := cmp.Diff(want, items[0]); d != "" || want.Receipt == "" {
		t.Errorf("item (-want +got):\n%s", d)
	}
	names, _ = claim(t, s, 100)
	wantNames(t, "rest", names, "c", "d", "e")
	wantDepth(t, s, Depth{Items: 5, InFlight: 5, Unverified: 1})
	if d, _ := s.Depth(ctx); !d.OldestReceived.Equal(want.Received) {
		t.Errorf("oldest is %v, want %v", d.OldestReceived, want.Received)
	}

	must(t, s.Drop(ctx, items[0].Receipt, "test"))
	must(t, s.Drop(ctx, items[0].Receipt, "twice is once"))
	wantDepth(t, s, Depth{Items: 4, InFlight: 4})

	// What was not ended is claimed again after a restart, in the same order.
	s = reopen(t, s)
	names, _ = claim(t, s, 100)
	wantNames(t, "after restart", names, "b", "c", "d", "e")
}

func TestClaimBoundsMemory(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	big := testItem("big")
	big.Encrypted.Data = string(make64(claimBytes * 3 / 4))
	must(t, s.Put(t.Context(), []webhook.Item{big, big, testItem("small")}))
	for i, want := range [][]string{{"big"}, {"big", "small"}} {
		names, _ := claim(t, s, 10)
		wantNames(t, strconv.Itoa(i), names, want...)
	}
	huge := testItem("huge")
	huge.Encrypted.Data = string(make64(claimBytes + 1))
	must(t, s.Put(t.Context(), []webhook.Item{huge, huge}))
	for range 2 {
		names, _ := claim(t, s, 10)
		wantNames(t, "larger than the bound", names, "huge")
	}
}

func TestClaimWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), testOptions(t.TempDir()))
		must(t, err)
		defer s.Close()
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error)
		start := func(ctx context.Context) {
			go func() {
				items, err := s.Claim(ctx, 10)
				if err == nil && len(items) != 1 {
					err = fmt.Errorf("%d items", len(items))
				}
				got <- err
			}()
			synctest.Wait()
			select {
			case err := <-got:
				t.Fatalf("Claim of an empty inbox returned %v", err)
			default:
			}
		}
		start(ctx)
		must(t, s.Put(t.Context(), testItems("a")))
		must(t, <-got)

		start(ctx)
		cancel()
		wantErr(t, "cancelled", <-got, context.Canceled)

		start(t.Context())
		must(t, s.Put(t.Context(), testItems("b")))
		must(t, <-got)

		start(t.Context())
		go s.Close()
		wantErr(t, "closed", <-got, ErrClosed)
	})
}

func TestDefer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		o := testOptions(t.TempDir())
		s, err := Open(ctx, o)
		must(t, err)
		must(t, s.Put(ctx, testItems("a", "b", "c")))
		_, items := claim(t, s, 3)
		start := time.Now()
		must(t, s.Defer(ctx, items[0].Receipt, start.Add(time.Hour), "later"))
		must(t, s.Defer(ctx, items[2].Receipt, start.Add(time.Minute), "sooner"))
		wantErr(t, "deferring twice", s.Defer(ctx, items[0].Receipt, start, "again"), ErrNotClaimed)
		wantDepth(t, s, Depth{Items: 3, InFlight: 1, Deferred: 2})

		next := func(name string, attempts int, after time.Duration) webhook.Item {
			t.Helper()
			items, err := s.Claim(ctx, 10)
			must(t, err)
			if len(items) != 1 || items[0].Resource != name || items[0].Attempts != attempts || time.Since(start) != after {
				t.Fatalf("got %d items, first %s with %d attempts after %v, want %s with %d after %v",
					len(items), items[0].Resource, items[0].Attempts, time.Since(start), name, attempts, after)
			}
			return items[0]
		}
		c := next("c", 1, time.Minute)
		must(t, s.Defer(ctx, c.Receipt, start.Add(2*time.Minute), "once more"))
		c = next("c", 2, 2*time.Minute)
		must(t, s.Drop(ctx, c.Receipt, "done"))

		// The time and the count outlive the process; b was in flight when it ended.
		must(t, s.Close())
		must(t, os.Chtimes(dbPath(o.Dir), time.Time{}, time.Now())) // files know no bubble's clock
		s, err = Open(ctx, o)
		must(t, err)
		defer s.Close()
		next("b", 0, 2*time.Minute)
		a := next("a", 1, time.Hour)
		must(t, s.Defer(ctx, a.Receipt, start, "again"))
		wantErr(t, "deferring twice", s.Defer(ctx, a.Receipt, start, "again"), ErrNotClaimed)
		a = next("a", 2, time.Hour)
		must(t, s.Drop(ctx, a.Receipt, "done"))
		wantDepth(t, s, Depth{Items: 1, InFlight: 1})
	})
}

// Rows that were deferred before a restart lie beyond the cursor and come
// through the heap: never twice.
func TestDeferredAcrossRestartComesOnce(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	must(t, s.Put(ctx, testItems("a", "b", "c")))
	_, items := claim(t, s, 3)
	must(t, s.Defer(ctx, items[1].Receipt, time.Unix(0, 0), "due at once"))
	s = reopen(t, s)
	names, items := claim(t, s, 1)
	wantNames(t, "due first", names, "b")
	must(t, s.Drop(ctx, items[0].Receipt, "done"))
	names, _ = claim(t, s, 10)
	wantNames(t, "then new", names, "a", "c")
	must(t, s.Put(ctx, testItems("d")))
	names, _ = claim(t, s, 10)
	wantNames(t, "then newer", names, "d")
	wantDepth(t, s, Depth{Items: 3, InFlight: 3})
}

// When a row is due does not hang on a clock that is set meanwhile.
func TestDueWhateverTheClock(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	must(t, s.Put(ctx, testItems("a")))
	_, items := claim(t, s, 1)
	until := time.Now().Add(time.Hour).UTC() // UTC leaves the wall clock alone
	must(t, s.Defer(ctx, items[0].Receipt, until, "later"))
	for _, doing := range []string{"put back", "after a restart"} {
		due, ok := s.inbox.firstDue()
		if monotonic := strings.Contains(due.String(), " m="); !ok || !monotonic || due.Sub(until).Abs() > time.Second {
			t.Errorf("%s: due at %v, want %v by the clock that is never set", doing, due, until)
		}
		s = reopen(t, s)
	}
}

// A clock that was set back while the store was closed, or was far ahead when a row was
// put back, makes no row wait the longer: the files say when they were written last.
func TestDueAfterAClockSetBack(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	must(t, s.Put(ctx, testItems("a", "b")))
	_, items := claim(t, s, 2)
	ahead := time.Now().Add(6 * time.Hour) // as the clock was
	must(t, s.Defer(ctx, items[0].Receipt, ahead.Add(time.Hour), "later"))
	must(t, s.Defer(ctx, items[1].Receipt, ahead.AddDate(5, 0, 0), "put back by a clock that was years ahead"))
	must(t, s.Close())
	must(t, os.Chtimes(dbPath(s.opts.Dir), time.Time{}, ahead))
	for _, doing := range []string{"after a start", "after another"} {
		s = openTest(t, s.opts)
		list, err := s.ListWaiting(ctx, 0, 0)
		must(t, err)
		for i, most := range []time.Duration{time.Hour, longestDeferred} {
			for by, due := range map[string]time.Time{"the file": list[i].Due, "memory": s.inbox.held[list[i].Seq].due} {
				if in := time.Until(due); in > most || in < most-time.Hour {
					t.Errorf("%s: row %d is due in %v by %s, want %v", doing, i+1, in, by, most)
				}
			}
		}
		must(t, s.Close())
	}
}

// Many rows that were deferred before a restart hide no new one behind them.
func TestManyDeferredAcrossRestart(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	const many = 2*maxPage + 1
	must(t, s.do(ctx, 0, func(tx *tx) error {
		_, err := tx.exec(`WITH RECURSIVE n(seq) AS (SELECT 1 UNION ALL SELECT seq + 1 FROM n WHERE seq < ?1)
			INSERT INTO inbox (seq, recv_ms, flags, body) SELECT seq, 0, 0, '{"resource":"old"}' FROM n`, many)
		if err == nil {
			_, err = tx.exec(`INSERT INTO work (seq, due_ms, attempts, reason) SELECT seq, ?, 1, '' FROM inbox`, millis(time.Now().Add(time.Hour)))
		}
		return err
	}, nil))
	s = reopen(t, s)
	must(t, s.Put(ctx, testItems("new")))
	<-s.inbox.wake // as if somebody had heard it and come before the claim
	if got, end, err := s.readFresh(ctx, 10, 1<<20); err != nil || len(got) != 0 || end != maxPage {
		t.Errorf("one read came to row %d with %d to claim, %v; want to %d", end, len(got), err, maxPage)
	}
	names, _ := claim(t, s, 10)
	wantNames(t, "behind them", names, "new")
	wantDepth(t, s, Depth{Items: many + 1, InFlight: 1, Deferred: many})
	must(t, s.Recall(ctx, []string{strconv.Itoa(many)}))
	names, _ = claim(t, s, 10)
	wantNames(t, "called", names, "old")
}

func TestClaimOrder(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	must(t, s.Put(ctx, testItems("a", "b", "c")))
	_, items := claim(t, s, 3)
	must(t, s.Put(ctx, testItems("d")))
	must(t, s.Defer(ctx, items[2].Receipt, time.Unix(0, 0), "again"))
	must(t, s.Defer(ctx, items[0].Receipt, time.Unix(0, 0), "again"))
	names, _ := claim(t, s, 10)
	wantNames(t, "due and new", names, "a", "c", "d")
}

func TestReceipts(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	for _, receipt := range []string{"", "x", "-1", "0", "1.5", "99999999999999999999", "1; DROP TABLE inbox"} {
		wantErr(t, "Drop "+receipt, s.Drop(ctx, receipt, ""), ErrReceipt)
		wantErr(t, "Defer "+receipt, s.Defer(ctx, receipt, time.Now(), ""), ErrReceipt)
		wantErr(t, "Quarantine "+receipt, s.Quarantine(ctx, receipt, ""), ErrReceipt)
	}
	for _, err := range []error{s.Defer(ctx, "7", time.Now(), ""), s.Quarantine(ctx, "7", "")} {
		wantErr(t, "row that was never claimed", err, ErrNotClaimed)
	}
}

// A number is never used for two rows, even when the inbox was empty in between:
// an old receipt must not end a new row.
func TestReceiptsAreNotReused(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	must(t, s.Put(ctx, testItems("a")))
	_, items := claim(t, s, 1)
	must(t, s.Drop(ctx, items[0].Receipt, ""))
	must(t, s.Put(ctx, testItems("b")))
	must(t, s.Drop(ctx, items[0].Receipt, "stale"))
	names, _ := claim(t, s, 1)
	wantNames(t, "new row", names, "b")
}

func TestBounds(t *testing.T) {
	size := func() int64 {
		_, buf, _, err := encode(testItems("x"))
		must(t, err)
		return int64(len(*buf))
	}()
	unverified := testItem("u")
	unverified.Deferred = []string{"token"}
	for _, c := range []struct {
		name  string
		set   func(*Options)
		fits  [][]webhook.Item
		not   []webhook.Item
		why   string
		still []webhook.Item // what else is taken all the same
	}{
		{"items", func(o *Options) { o.MaxItems = 2 }, [][]webhook.Item{testItems("a"), testItems("b")}, testItems("c"), "items", nil},
		{"items of one call", func(o *Options) { o.MaxItems = 2 }, nil, testItems("a", "b", "c"), "items", testItems("a", "b")},
		{"bytes", func(o *Options) { o.MaxBytes = 2 * size }, [][]webhook.Item{testItems("a"), testItems("b")}, testItems("c"), "bytes", nil},
		{"unverified", func(o *Options) { o.MaxUnverified = 1 }, [][]webhook.Item{{unverified}}, []webhook.Item{unverified}, "unverified", testItems("a")},
		{"disk", func(o *Options) {
			o.MinFree = 1000
			o.space = func(string) (uint64, uint64, error) { return 999, 1, nil }
		}, nil, testItems("a"), "disk_mark", nil},
		{"5 % of the disk", func(o *Options) {
			o.MinFree = 1
			o.space = func(string) (uint64, uint64, error) { return 99, 2000, nil }
		}, nil, testItems("a"), "disk_mark", nil},
		{"at the mark", func(o *Options) {
			o.MinFree = 100
			o.space = func(string) (uint64, uint64, error) { return 100, 2000, nil }
			o.MaxItems = 1
		}, [][]webhook.Item{testItems("a")}, testItems("b"), "items", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := testOptions(t.TempDir())
			seen := &commits{}
			o.Observe = seen
			c.set(&o)
			s := openTest(t, o)
			for _, items := range c.fits {
				must(t, s.Put(t.Context(), items))
			}
			wantErr(t, "Put", s.Put(t.Context(), c.not), webhook.ErrFull)
			if want := []string{c.why}; !slices.Equal(seen.refused, want) {
				t.Errorf("refused for %v, want %v", seen.refused, want)
			}
			if c.still != nil {
				must(t, s.Put(t.Context(), c.still))
			} else if s.Ready() == nil {
				t.Error("Ready says that items are taken")
			}
			if len(c.fits) == 0 {
				return
			}
			// What is ended makes room.
			_, items := claim(t, s, 1)
			must(t, s.Drop(t.Context(), items[0].Receipt, ""))
			must(t, s.Put(t.Context(), c.not))
			must(t, reopen(t, s).Close())
		})
	}
}

func TestDiskMarkOpensAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		free := uint64(10)
		o := testOptions(t.TempDir())
		o.MinFree = 100
		o.space = func(string) (uint64, uint64, error) {
			mu.Lock()
			defer mu.Unlock()
			return free, 1000, nil
		}
		s, err := Open(t.Context(), o)
		must(t, err)
		defer s.Close()
		wantErr(t, "below", s.Put(t.Context(), testItems("a")), webhook.ErrFull, ErrDiskFull)
		// What needs the disk to work rows off goes on.
		must(t, s.Append(t.Context(), shadowEntry("c")))
		mu.Lock()
		free = 100
		mu.Unlock()
		<-time.After(2 * diskEvery)
		must(t, s.Put(t.Context(), testItems("a")))
		mu.Lock()
		free = 99
		mu.Unlock()
		<-time.After(2 * diskEvery)
		wantErr(t, "below again", s.Put(t.Context(), testItems("b")), webhook.ErrFull)
	})
}

func TestQuarantine(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	a, b := testItem("a"), testItem("b")
	a.Deferred = []string{"token"}
	must(t, s.Put(ctx, []webhook.Item{a, b}))
	_, items := claim(t, s, 2)
	must(t, s.Quarantine(ctx, items[0].Receipt, "unknown certificate"))
	must(t, s.Quarantine(ctx, items[1].Receipt, "signature does not match"))
	wantErr(t, "quarantining twice", s.Quarantine(ctx, items[1].Receipt, ""), ErrNotClaimed)
	wantDepth(t, s, Depth{Quarantined: 2})

	s = reopen(t, s)
	wantDepth(t, s, Depth{Quarantined: 2})
	list, err := s.ListQuarantine(ctx, 0, 0)
	must(t, err)
	var said []string
	for _, q := range list {
		said = append(said, q.Item.Resource+": "+q.Reason)
		if q.Item.Encrypted.Data != "" || q.Item.Encrypted.DataKey != "" || q.Item.Deferred != nil || q.Item.Encrypted.CertificateID != "cert-1" {
			t.Errorf("listed item %+v", q.Item)
		}
		if q.At.IsZero() || q.Size == 0 {
			t.Errorf("listed without time or size: %+v", q)
		}
	}
	wantNames(t, "newest first", said, "b: signature does not match", "a: unknown certificate")
	page, err := s.ListQuarantine(ctx, list[0].ID, 1)
	must(t, err)
	if len(page) != 1 || page[0].ID != list[1].ID {
		t.Errorf("next page is %+v", page)
	}

	idA, idB := list[1].ID, list[0].ID
	got, err := s.GetQuarantine(ctx, idA)
	must(t, err)
	if d := cmp.Diff(a, got.Item); d != "" {
		t.Errorf("quarantined item (-want +got):\n%s", d)
	}
	must(t, s.RetryQuarantine(ctx, idA))
	wantDepth(t, s, Depth{Items: 1, Unverified: 1, Quarantined: 1})
	names, items := claim(t, s, 10)
	wantNames(t, "retried", names, "a")
	a.Receipt = items[0].Receipt
	if d := cmp.Diff(a, items[0]); d != "" {
		t.Errorf("retried item (-want +got):\n%s", d)
	}
	must(t, s.DropQuarantine(ctx, idB))
	wantDepth(t, s, Depth{Items: 1, Unverified: 1, InFlight: 1})
	for _, id := range []int64{idA, idB, 0, -1, 1 << 60} {
		_, err := s.GetQuarantine(ctx, id)
		wantErr(t, "Get", err, ErrNotQuarantined)
		wantErr(t, "Retry", s.RetryQuarantine(ctx, id), ErrNotQuarantined)
		wantErr(t, "Drop", s.DropQuarantine(ctx, id), ErrNotQuarantined)
	}
}

// What was put back is listed with its reason, and without what it holds.
func TestListWaiting(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	a := testItem("a")
	a.Deferred = []string{"token"}
	must(t, s.Put(ctx, append([]webhook.Item{a}, testItems("b", "c", "d")...)))
	_, items := claim(t, s, 3)
	due := time.Now().Add(time.Hour).Truncate(time.Millisecond).UTC()
	for _, i := range items {
		must(t, s.Defer(ctx, i.Receipt, due, "because of "+i.Resource))
	}
	must(t, s.do(ctx, 0, func(tx *tx) error {
		_, err := tx.exec(`UPDATE inbox SET body = '{"resource": "cut sho' WHERE seq = 3`)
		return err
	}, nil))
	list, err := s.ListWaiting(ctx, 0, 0)
	must(t, err)
	var said []string
	for _, w := range list {
		said = append(said, w.Item.Resource+": "+w.Reason)
		if !w.Due.Equal(due) || w.Attempts != 1 || w.Size == 0 || !w.Received.Equal(testItem("").Received) {
			t.Errorf("listed %+v", w)
		}
		if w.Item.Deferred != nil || w.Item.Encrypted != nil && w.Item.Encrypted.Data+w.Item.Encrypted.DataKey+w.Item.Encrypted.DataSignature != "" {
			t.Errorf("listed with what it holds: %+v", w.Item)
		}
	}
	wantNames(t, "oldest first", said, "a: because of a", "b: because of b", ": because of c")
	page, err := s.ListWaiting(ctx, list[0].Seq, 1)
	must(t, err)
	if len(page) != 1 || page[0].Seq != list[1].Seq {
		t.Errorf("next page is %+v", page)
	}
}

// What names a key is found wherever it is stored, and what only looks like a
// name is not one.
func TestKeysNamed(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	named := func(id string) webhook.Item {
		i := testItem("chats('x')/messages('encryptionCertificateId')")
		i.Encrypted.CertificateID = id
		return i
	}
	none := testItem("content-less")
	none.Encrypted = nil
	must(t, s.Put(ctx, []webhook.Item{named("one"), named("two"), named("one"), named("o\"ne"), none, named(""), named("one")}))
	for i, want := range []map[string]KeyUse{
		{"one": {Inbox: 3}, "two": {Inbox: 1}, "o\"ne": {Inbox: 1}, "": {Inbox: 1}},
		{"one": {Inbox: 1, Quarantine: 1}, "two": {Quarantine: 1}, "o\"ne": {Inbox: 1}, "": {Inbox: 1}},
	} {
		got, err := s.KeysNamed(ctx)
		must(t, err)
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("keys named (-want +got):\n%s", d)
		}
		if i > 0 {
			break
		}
		_, items := claim(t, s, 3)
		must(t, s.Quarantine(ctx, items[0].Receipt, "unknown key"))
		must(t, s.Quarantine(ctx, items[1].Receipt, "unknown key"))
		must(t, s.do(ctx, 0, func(tx *tx) error {
			_, err := tx.exec(`UPDATE inbox SET body = '{"encrypted":{"encryptionCertificateId":"one"' WHERE seq = 3`)
			return err
		}, nil))
	}
	r, err := OpenReadOnly(ctx, s.opts.Dir)
	must(t, err)
	defer r.Close()
	if got, err := r.KeysNamed(ctx); err != nil || len(got) != 4 {
		t.Errorf("read beside the server: %v, %v", got, err)
	}
}

// A row that cannot be decoded is set aside and keeps nobody waiting.
func TestUndecodableRow(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	must(t, s.Put(ctx, testItems("a", "b")))
	must(t, s.do(ctx, 0, func(tx *tx) error {
		_, err := tx.exec(`UPDATE inbox SET body = '{"resource": "cut sho' WHERE seq = 1`)
		return err
	}, nil))
	s = reopen(t, s)
	names, _ := claim(t, s, 10)
	wantNames(t, "claimed", names, "b")
	list, err := s.ListQuarantine(ctx, 0, 0)
	must(t, err)
	if len(list) != 1 || list[0].Item.Resource != "" || list[0].Size == 0 {
		t.Errorf("quarantine holds %+v", list)
	}
	wantDepth(t, s, Depth{Items: 1, InFlight: 1, Quarantined: 1})
}

// Rows that cannot be decoded keep nobody waiting, however many come before one that can.
func TestUndecodableRowsInARow(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	must(t, s.Put(ctx, testItems("a", "b", "c", "d")))
	must(t, s.do(ctx, 0, func(tx *tx) error {
		_, err := tx.exec(`UPDATE inbox SET body = '{"resource": "cut sho' WHERE seq < 4`)
		return err
	}, nil))
	s = reopen(t, s)
	names, _ := claim(t, s, 1)
	wantNames(t, "claimed", names, "d")
	wantDepth(t, s, Depth{Items: 1, InFlight: 1, Quarantined: 3})
}

// A row that ends while it is on its way into quarantine is not counted there.
func TestQuarantineOfARowThatEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s, err := Open(ctx, testOptions(t.TempDir()))
		must(t, err)
		defer s.Close()
		must(t, s.Put(ctx, testItems("a")))
		_, items := claim(t, s, 1)
		release := hold(t, s)
		var wg sync.WaitGroup
		wg.Go(func() { must(t, s.Drop(ctx, items[0].Receipt, "done")) })
		synctest.Wait()
		wg.Go(func() { must(t, s.Quarantine(ctx, items[0].Receipt, "odd")) })
		synctest.Wait()
		release()
		wg.Wait()
		wantDepth(t, s, Depth{})
	})
}

// hold keeps the writer busy until the function it returns is called.
func hold(t testing.TB, s *Store) (release func()) {
	t.Helper()
	busy, free := make(chan struct{}), make(chan struct{})
	done := make(chan error, 1)
	go func() {
		done <- s.do(context.Background(), 0, func(*tx) error {
			close(busy)
			<-free
			return nil
		}, nil)
	}()
	<-busy
	return func() {
		t.Helper()
		close(free)
		must(t, <-done)
	}
}

func TestGroupCommit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(t.TempDir())
		seen := &commits{}
		o.Observe = seen
		s, err := Open(t.Context(), o)
		must(t, err)
		defer s.Close()
		bad := errors.New("an operation that fails")
		release := hold(t, s)
		var wg sync.WaitGroup
		for i := range batchOps + 44 {
			wg.Go(func() {
				var err, want error
				if i%10 == 3 {
					want = bad
					err = s.do(t.Context(), 0, func(tx *tx) error {
						if _, err := tx.exec(insertInbox, 1_000_000+i, 0, 0, "x"); err != nil {
							return err
						}
						return bad
					}, nil)
				} else {
					err = s.Put(t.Context(), testItems(strconv.Itoa(i)))
				}
				if !errors.Is(err, want) {
					t.Errorf("operation %d: got %v, want %v", i, err, want)
				}
			})
		}
		synctest.Wait()
		release()
		wg.Wait()
		if d := cmp.Diff([]int{1, batchOps, 44}, seen.sizes()); d != "" {
			t.Errorf("operations of each commit (-want +got):\n%s", d)
		}
		wantDepth(t, s, Depth{Items: 270})
	})
}

// Items are stored without a savepoint each; one Put that fails is undone all the
// same, and fails alone.
func TestFailedPutFailsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), testOptions(t.TempDir()))
		must(t, err)
		defer s.Close()
		bad := errors.New("a write that fails")
		release := hold(t, s)
		var wg sync.WaitGroup
		for i := range 30 {
			wg.Go(func() {
				switch i % 3 {
				case 0:
					err := s.w.submit(&op{ctx: t.Context(), bare: true, run: func(tx *tx) error {
						if _, err := tx.exec(insertInbox, 1_000_000+i, 0, 0, "x"); err != nil {
							return err
						}
						return bad
					}}, true)
					if !errors.Is(err, bad) {
						t.Errorf("operation %d: got %v, want %v", i, err, bad)
					}
				case 1:
					must(t, s.Put(t.Context(), testItems(strconv.Itoa(i))))
				case 2:
					must(t, s.do(t.Context(), 0, func(tx *tx) error {
						_, err := tx.exec(insertInbox, 2_000_000+i, 0, 0, "x")
						return err
					}, nil))
				}
			})
		}
		synctest.Wait()
		release()
		wg.Wait()
		var failed, others int
		must(t, s.Reader.row(t.Context(), `SELECT coalesce(sum(seq BETWEEN 1000000 AND 1999999), 0), count(*) FROM inbox`, nil, &failed, &others))
		if failed != 0 || others != 20 {
			t.Errorf("%d rows of writes that failed, %d in all, want 0 and 20", failed, others)
		}
	})
}

func TestBatchIsBoundedByBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(t.TempDir())
		seen := &commits{}
		o.Observe = seen
		s, err := Open(t.Context(), o)
		must(t, err)
		defer s.Close()
		big := testItem("big")
		big.Encrypted.Data = string(make64(batchBytes/2 + 1))
		release := hold(t, s)
		var wg sync.WaitGroup
		for range 5 {
			wg.Go(func() { must(t, s.Put(t.Context(), []webhook.Item{big})) })
		}
		synctest.Wait()
		release()
		wg.Wait()
		if d := cmp.Diff([]int{1, 2, 2, 1}, seen.sizes()); d != "" {
			t.Errorf("operations of each commit (-want +got):\n%s", d)
		}
	})
}

func TestCancelledWhileQueued(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s, err := Open(t.Context(), testOptions(t.TempDir()))
		must(t, err)
		defer s.Close()
		release := hold(t, s)
		ctx, cancel := context.WithCancel(t.Context())
		got := make(chan error)
		go func() { got <- s.Put(ctx, testItems("a")) }()
		synctest.Wait()
		cancel()
		wantErr(t, "Put", <-got, context.Canceled)
		release()
		must(t, s.Put(t.Context(), testItems("b")))
		wantDepth(t, s, Depth{Items: 1}) // a was not written, nor counted
	})
}

func TestQueueFullIsRefusedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := testOptions(t.TempDir())
		seen := &commits{}
		o.Observe = seen
		s, err := Open(t.Context(), o)
		must(t, err)
		defer s.Close()
		release := hold(t, s)
		var wg sync.WaitGroup
		for range queueOps {
			wg.Go(func() { must(t, s.SetMeta(t.Context(), "k", "v")) })
		}
		synctest.Wait()
		wantErr(t, "Put", s.Put(t.Context(), testItems("a")), webhook.ErrFull)
		if !slices.Equal(seen.refused, []string{"queue"}) {
			t.Errorf("refused for %v", seen.refused)
		}
		// What is not shed waits for its place.
		wg.Go(func() { must(t, s.Append(t.Context(), shadowEntry("c"))) })
		synctest.Wait()
		release()
		wg.Wait()
		wantDepth(t, s, Depth{})
	})
}

// limitPages makes the file full at its size now, or lifts that.
func limitPages(t testing.TB, s *Store, full bool) {
	t.Helper()
	must(t, s.do(context.Background(), 0, func(tx *tx) error {
		pages := int64(1 << 30)
		if full {
			if err := tx.conn.QueryRowContext(tx.ctx, "PRAGMA page_count").Scan(&pages); err != nil {
				return err
			}
		}
		return tx.conn.QueryRowContext(tx.ctx, "PRAGMA max_page_count="+strconv.FormatInt(pages, 10)).Scan(&pages)
	}, nil))
}

func TestDiskFull(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := t.Context()
		s, err := Open(ctx, testOptions(t.TempDir()))
		must(t, err)
		defer s.Close()
		big := testItem("big")
		big.Encrypted.Data = string(make64(100_000))
		must(t, s.Put(ctx, []webhook.Item{testItem("a"), testItem("b")}))
		_, items := claim(t, s, 2)
		limitPages(t, s, true)

		wantErr(t, "Put", s.Put(ctx, []webhook.Item{big}), webhook.ErrFull, ErrDiskFull)
		wantErr(t, "SetMeta", s.SetMeta(ctx, "k", string(make64(100_000))), ErrDiskFull)
		if err := s.w.err(); err != nil {
			t.Fatalf("a full disk ended the store: %v", err)
		}

		// In one batch, what has no room does not keep back what needs none.
		release := hold(t, s)
		var wg sync.WaitGroup
		wg.Go(func() { wantErr(t, "Put", s.Put(ctx, []webhook.Item{big}), webhook.ErrFull) })
		wg.Go(func() { must(t, s.Drop(ctx, items[0].Receipt, "")) })
		wg.Go(func() { wantErr(t, "SetMeta", s.SetMeta(ctx, "k", string(make64(100_000))), ErrDiskFull) })
		wg.Go(func() { must(t, s.Defer(ctx, items[1].Receipt, time.Now(), "")) })
		synctest.Wait()
		release()
		wg.Wait()
		wantDepth(t, s, Depth{Items: 1, Deferred: 1})

		// Space that comes back is used without a restart.
		limitPages(t, s, false)
		must(t, s.Put(ctx, []webhook.Item{big}))
		wantDepth(t, s, Depth{Items: 2, Deferred: 1})
		integrity(t, s.Reader)
	})
}
