package sqlite

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"testing"

	"teamsdlp/actions"
	"teamsdlp/test/trial"
	"teamsdlp/webhook"
)

// answered is what was promised: items that were stored, effects that were
// finished.
type answered struct {
	mu   sync.Mutex
	puts []string
	ends []string
	more chan struct{} // takes one for each answer
	err  error
}

func (a *answered) fail(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err == nil {
		a.err = err
		close(a.more)
	}
}

func (a *answered) add(to *[]string, name string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	*to = append(*to, name)
	if a.err == nil {
		select {
		case a.more <- struct{}{}:
		default:
		}
	}
}

func (a *answered) copy() (puts, ends []string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return append(puts, a.puts...), append(ends, a.ends...)
}

// load stores items and finishes effects until stop, and notes what was answered.
func load(stop context.Context, s *Store, a *answered) {
	var wg sync.WaitGroup
	for g := range 6 {
		wg.Go(func() {
			for i := 0; stop.Err() == nil; i++ {
				name := strconv.Itoa(g) + "-" + strconv.Itoa(i)
				if g < 4 {
					if err := s.Put(context.Background(), []webhook.Item{testItem(name)}); err != nil {
						a.fail(err)
						return
					}
					a.add(&a.puts, name)
					continue
				}
				if err := s.Finish(context.Background(), shadowEffect(name), actions.Standing{Case: name}, "", shadowEntry(name)); err != nil {
					a.fail(err)
					return
				}
				a.add(&a.ends, name)
			}
		})
	}
	wg.Wait()
}

// verdict is what a power cut did.
type verdict struct {
	answered, lost   int
	corrupt, halfway bool // the file is not whole; an effect is there without its entry
}

// after opens what a power cut left, compares it with what was answered, and frees it.
func after(t *testing.T, d *disk, puts, ends []string) (v verdict) {
	t.Helper()
	v.answered = len(puts) + len(ends)
	ctx := context.Background()
	db := d.open(t)
	defer d.free()
	defer db.Close()
	broken := func(err error) bool {
		v.corrupt = v.corrupt || err != nil
		return err != nil
	}
	var said string
	if broken(db.QueryRowContext(ctx, "PRAGMA integrity_check").Scan(&said)) {
		return v
	}
	v.corrupt = said != "ok"
	there := func(query string) map[string]bool {
		have := map[string]bool{}
		rows, err := db.QueryContext(ctx, query)
		if broken(err) {
			return have
		}
		defer rows.Close()
		for rows.Next() {
			var name string
			if broken(rows.Scan(&name)) {
				return have
			}
			have[name] = true
		}
		broken(rows.Err())
		return have
	}
	items := there(`SELECT json_extract(body, '$.resource') FROM inbox`)
	effects := there(`SELECT message_key FROM effect`)
	entries := there(`SELECT case_id FROM entries`)
	for _, name := range puts {
		if !items[name] {
			v.lost++
		}
	}
	for _, name := range ends {
		if !effects[name] {
			v.lost++
		}
	}
	for name := range effects {
		v.halfway = v.halfway || !entries[name]
	}
	v.halfway = v.halfway || len(entries) != len(effects)
	return v
}

// cuts runs the store under load and cuts the power rounds times, each at a moment
// of its own, and sums up what that did.
func cuts(t *testing.T, seed uint64, rounds int, set ...string) (sum struct{ answered, lost, cuts, losing, corrupt, halfway int }) {
	t.Helper()
	rng := rand.New(rand.NewPCG(seed, 0))
	const perRun = 10
	for range (rounds/slowly + perRun - 1) / perRun {
		d := newDisk(t)
		s := d.store(t, set...)
		s.w.lookAfter.commits, s.w.copyAfter = 4, 40 // so that copying the log is hit too
		a := &answered{more: make(chan struct{}, 1)}
		stop, cancel := context.WithCancel(context.Background())
		var loads sync.WaitGroup
		loads.Go(func() { load(stop, s, a) })
		for range perRun {
			for range rng.IntN(40) + 1 {
				if _, open := <-a.more; !open {
					t.Fatalf("the load stopped: %v", a.err)
				}
			}
			puts, ends := a.copy() // before the cut: all of it was promised
			v := after(t, d.cut(t, rng), puts, ends)
			sum.answered += v.answered
			sum.lost += v.lost
			sum.cuts++
			if v.lost > 0 {
				sum.losing++
			}
			if v.corrupt {
				sum.corrupt++
			}
			if v.halfway && !v.corrupt {
				sum.halfway++
			}
		}
		cancel()
		loads.Wait()
		leave(s)
		d.free()
	}
	return sum
}

// F3. The power fails at any moment, on a disk that keeps what was synced and any
// part of the rest. With the product's settings nothing that was answered is lost;
// with the two lesser ones it is, or the file is no file any more.
func TestPowerCut(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	full := cuts(t, seed, trial.Chaos(40, 1500))
	if full.lost+full.corrupt+full.halfway > 0 {
		t.Errorf("lost %d of %d in %d of %d cuts; corrupt in %d, half a commit in %d", full.lost, full.answered, full.losing, full.cuts, full.corrupt, full.halfway)
	}
	trial.Tried(t, "F3: %d power cuts, synchronous=FULL: of %d answers %d lost, %d files damaged", full.cuts, full.answered, full.lost, full.corrupt)
	normal := cuts(t, seed, trial.Chaos(20, 150), "synchronous(NORMAL)")
	if normal.lost == 0 {
		t.Errorf("synchronous=NORMAL lost nothing in %d cuts: the disk is not lossy", normal.cuts)
	}
	trial.Tried(t, "control: synchronous=NORMAL: of %d answers %d lost in %d of %d cuts", normal.answered, normal.lost, normal.losing, normal.cuts)
	off := cuts(t, seed, trial.Chaos(20, 150), "synchronous(OFF)")
	if off.corrupt == 0 {
		t.Errorf("synchronous=OFF damaged nothing in %d cuts", off.cuts)
	}
	trial.Tried(t, "control: synchronous=OFF: %d of %d files damaged", off.corrupt, off.cuts)
}

// F5. A sync that fails ends the store: nothing is answered after it, and a new
// start has all that was answered before. A writer that answers all the same, and
// goes on, is found out by the same account.
func TestSyncFails(t *testing.T) {
	for _, c := range []struct {
		name   string
		where  string // the file whose sync fails
		goesOn bool
	}{
		{"log", "-wal", false},
		{"database, while the log is copied", FileName, false},
		{"a writer that goes on", "-wal", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			rng := rand.New(rand.NewPCG(rand.Uint64(), 0))
			ctx := context.Background()
			d := newDisk(t)
			s := d.store(t)
			s.w.lookAfter.commits, s.w.copyAfter = 4, 40
			if c.goesOn {
				before := foreignCode
				foreignCode = func(error) int { return 0 } // every error is one that passes
				defer func() { foreignCode = before }()
			}
			var puts []string
			put := func(n int) (err error) {
				for i := range n {
					name := fmt.Sprintf("%d-%d", len(puts), i)
					if err = s.Put(ctx, []webhook.Item{testItem(name)}); err == nil || c.goesOn {
						puts = append(puts, name)
					}
				}
				return err
			}
			must(t, put(50))
			failed := false
			d.mu.Lock()
			d.failSync = func(name string) bool {
				if strings.HasSuffix(name, c.where) && !failed {
					failed = true
					return true
				}
				return false
			}
			d.mu.Unlock()
			err := put(100)
			for !c.goesOn && err == nil && len(puts) < 100_000 { // the log is copied when it is, not when a Put is
				err = put(1)
			}
			if !failed {
				t.Fatal("no sync failed")
			}
			if !c.goesOn {
				wantErr(t, "Put after a failed sync", err, ErrFailed)
				wantErr(t, "Append", s.Append(ctx, shadowEntry("c")), ErrFailed)
				wantErr(t, "Fatal", <-s.Fatal(), ErrFailed)
				if s.Ready() == nil {
					t.Error("it says that it is ready")
				}
			}
			lost := 0
			for range 20 {
				v := after(t, d.cut(t, rng), puts, nil)
				lost += v.lost
				if v.corrupt && !c.goesOn {
					t.Error("the file is damaged")
				}
				if v.corrupt {
					lost++
				}
			}
			if (lost > 0) != c.goesOn {
				t.Errorf("%d of %d answers lost", lost, len(puts))
			}
			if c.goesOn {
				trial.Tried(t, "control: a writer that answers in spite of EIO is found out: %d answers lost", lost/20)
			} else {
				trial.Tried(t, "F5: EIO on fsync: %d answers before it, the store stops, none lost", len(puts))
			}
			leave(s)
		})
	}
}

// B2. What a commit costs is counted, not timed: about one sync, and a bounded
// number of bytes for each of a payload.
func TestSyncsPerCommit(t *testing.T) {
	for _, c := range []struct {
		size, perCommit int
		amplification   float64
	}{
		{1 << 10, 32, 3.5},
		{8 << 10, 32, 2.5},
	} {
		t.Run(strconv.Itoa(c.size), func(t *testing.T) {
			d := newDisk(t)
			s := d.store(t)
			item := testItem("x")
			item.Encrypted.Data = string(make64(c.size - 650)) // so much is the rest of it, as stored
			payload := int64(0)
			rows, _, _, err := encode([]webhook.Item{item})
			must(t, errors.Join(err, s.Put(context.Background(), []webhook.Item{item})))
			size := int64(len(rows[0].body))
			if n := int(size); n < c.size*9/10 || n > c.size*11/10 {
				t.Fatalf("an item is %d bytes", n)
			}
			syncs, written := d.counts()
			const commits = 1000 / slowly
			items := make([]webhook.Item, c.perCommit)
			for i := range items {
				items[i] = item
			}
			for range commits {
				must(t, s.Put(context.Background(), items))
				payload += size * int64(c.perCommit)
			}
			afterSyncs, afterWritten := d.counts()
			perCommit := float64(afterSyncs-syncs) / commits
			amplification := float64(afterWritten-written) / float64(payload)
			if perCommit > 1.1 || amplification > c.amplification {
				t.Errorf("%.3f syncs a commit, want at most 1.1; %.2f bytes written for one, want at most %.1f", perCommit, amplification, c.amplification)
			}
			trial.Tried(t, "B2: %d commits of %d items of %d bytes: %.3f syncs a commit, %.2f bytes written for one stored", commits, c.perCommit, c.size, perCommit, amplification)
			leave(s)
		})
	}
}
