package sqlite

import (
	"context"
	"database/sql"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"teamsdlp/webhook"
)

// A walTrial is a store whose write-ahead log is copied from 80 pages on, and somebody
// who begins to read after every commit unless he reads already.
type walTrial struct {
	*Store
	t   testing.TB
	big webhook.Item

	mu     sync.Mutex
	rounds int // of waiting that a read lasts; 0: nobody reads; negative: it stands still
	read   *sql.Tx
	left   int
	waited time.Duration
}

func newWALTrial(t testing.TB, rounds int) *walTrial {
	w := &walTrial{t: t, big: testItem("big"), rounds: rounds}
	w.big.Encrypted.Data = string(make64(40_000))
	o := testOptions(t.TempDir())
	o.Observe = w
	w.Store = openTest(t, o)
	t.Cleanup(func() { w.reads(0) }) // before Close
	w.w.lookAfter.bytes, w.w.copyAfter = 50_000, 80
	w.w.pause = w.pause
	_, err := w.conn.ExecContext(t.Context(), "PRAGMA journal_size_limit="+strconv.Itoa(2*w.w.copyAfter*frame))
	must(t, err)
	return w
}

// Committed is called by the writer before it looks at the log.
func (w *walTrial) Committed(Commit) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.rounds != 0 && w.read == nil {
		w.begin()
	}
}
func (*walTrial) Refused(string) {}

// begin needs mu.
func (w *walTrial) begin() {
	var n int
	read, err := w.Reader.db.BeginTx(context.Background(), &sql.TxOptions{ReadOnly: true})
	if err == nil {
		err = read.QueryRow(`SELECT count(*) FROM meta`).Scan(&n)
	}
	if err != nil {
		w.t.Error(err)
		return
	}
	w.read, w.left = read, w.rounds
}

// end needs mu.
func (w *walTrial) end() {
	if w.read != nil {
		_ = w.read.Rollback()
	}
	w.read = nil
}

// pause takes the place of the writer's wait. Who has read for long enough ends, and
// another one begins.
func (w *walTrial) pause(d time.Duration) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.waited += d
	if w.left--; w.left == 0 {
		w.end()
		w.begin()
	}
}

// reads says how long reads last from now on.
func (w *walTrial) reads(rounds int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.end()
	w.rounds = rounds
}

func (w *walTrial) store(n int) {
	w.t.Helper()
	for range n {
		must(w.t, w.Put(context.Background(), []webhook.Item{w.big}))
	}
}

const frame = 4096 + 24 // bytes of a page in the log

// longest is what the file of the log may come to while nobody stands still: what is
// too long, a look more, and as much again for each wait that was in vain.
func (w *walTrial) longest(inVain int) int64 {
	commit := int64(20 * frame) // an item of 40 KB, the pages that lead to it, and change
	return int64(2*w.w.copyAfter)*frame + int64(inVain+1)*(int64(w.w.lookAfter.bytes)+commit)
}

// The write-ahead log stays short though at every moment somebody reads in it, if only
// nobody does so for long: the writer waits until all have ended who began before all
// was copied.
func TestLogBeginsAnewBehindShortReads(t *testing.T) {
	for _, c := range []struct {
		name           string
		rounds, inVain int
	}{
		{"nobody reads", 0, 0},
		{"reads of a step", 1, 0},
		{"reads of as many steps as half the first wait", 12, 0},
		{"reads of as many steps as half the last wait", 400, 5},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWALTrial(t, c.rounds)
			w.store(200) // 8 MB
			if got := w.Stats().WALBytes; got > w.longest(c.inVain) {
				t.Errorf("the write-ahead log has %d bytes, want at most %d", got, w.longest(c.inVain))
			}
		})
	}
}

// What a write costs in the log shows in its file, whatever the write said that it
// brings.
func TestLogThatGrowsUnexpectedlyIsLookedAt(t *testing.T) {
	w := newWALTrial(t, 1)
	w.w.lookAfter.commits = 1000
	for i := range 200 {
		must(t, w.do(context.Background(), 0, func(t *tx) error {
			_, err := t.exec(putMeta, strconv.Itoa(i), w.big.Encrypted.Data)
			return err
		}, nil))
	}
	if got := w.Stats().WALBytes; got > w.longest(0) {
		t.Errorf("the write-ahead log has %d bytes, want at most %d", got, w.longest(0))
	}
}

// Behind a read that stands still the log grows, and the writer waits for it no longer
// than it said. When the read ends the log begins anew.
func TestLogGrowsBehindAReadThatStandsStill(t *testing.T) {
	w := newWALTrial(t, -1)
	w.store(200)
	var most time.Duration
	for d := leastWait; d <= mostWait; d *= 2 {
		most += d
	}
	w.mu.Lock()
	waited := w.waited
	w.mu.Unlock()
	if waited != most {
		t.Errorf("the writer waited %s for who reads, want %s", waited, most)
	}
	held := w.Stats().WALBytes
	if held < 200*40_000 {
		t.Errorf("the write-ahead log has %d bytes: nobody has held it", held)
	}
	w.reads(12) // from now on they are short again
	same := 0   // puts in a row that the file did not grow for
	for puts := 0; same < 100; puts++ {
		if puts > 20_000 {
			t.Fatal("the write-ahead log grows for ever")
		}
		w.store(1)
		if got := w.Stats().WALBytes; got != held {
			held, same = got, 0
		}
		same++
	}
}

// What is copied goes to the disk while the copy runs: the sync here ends only when
// the writing has begun.
func TestCopyIsWrittenBitByBit(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	must(t, s.Put(t.Context(), testItems("a", "b")))
	begun := make(chan struct{})
	var once sync.Once
	c := newCopier(s.side, func() error { <-begun; return nil }, func() { once.Do(func() { close(begun) }) })
	c.fail = func(err error) { t.Error(err) }
	c.start <- struct{}{}
	<-c.done
	c.close()
	synctest.Test(t, func(t *testing.T) {
		n := 0
		stop := (&copier{begin: func() { n++ }}).trickle()
		time.Sleep(10*trickleEvery + trickleEvery/2) //nolint:forbidigo // the bubble's clock
		stop()
		time.Sleep(10 * trickleEvery) //nolint:forbidigo // the bubble's clock
		if n != 10 {                  // none of them after the end
			t.Errorf("begun %d times, want 10", n)
		}
	})
}
