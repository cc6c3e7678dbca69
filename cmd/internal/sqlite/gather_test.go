package sqlite

import (
	"errors"
	"runtime"
	"strconv"
	"testing"
	"time"

	"teamsdlp/actions"
	"teamsdlp/webhook"
)

// patient opens a store that holds back without an end, and counts its commits.
func patient(t *testing.T) (*Store, *commits) {
	seen := &commits{}
	o := testOptions(t.TempDir())
	o.Observe = seen
	s := openTest(t, o)
	s.w.gather.patience = time.Hour
	return s, seen
}

// finish ends messages, each in a goroutine, and returns what is told of each.
func finish(t *testing.T, s *Store, from, n int) <-chan error {
	t.Helper()
	done := make(chan error, n)
	for i := range n {
		go func() {
			done <- s.Finish(t.Context(), effect("m"+strconv.Itoa(from+i), "1", actions.StateClean), actions.Standing{Version: "1"}, "")
		}()
	}
	return done
}

// held waits until so many are held back.
func held(t *testing.T, s *Store, n int) {
	t.Helper()
	for {
		s.w.gather.mu.Lock()
		have := len(s.w.gather.list)
		s.w.gather.mu.Unlock()
		if have == n {
			return
		}
		runtime.Gosched()
	}
}

func TestEndsShareACommit(t *testing.T) {
	for _, c := range []struct {
		name    string
		working int
		ends    int
		then    func(*Store)
		ops     []int
	}{
		{"nobody else works", 1, 1, func(*Store) {}, []int{1}},
		{"nobody said that he works", 0, 1, func(*Store) {}, []int{1}},
		{"all have come", 3, 3, func(*Store) {}, []int{1}},
		{"too many to wait for more", 10 * gatherOps, gatherOps, func(*Store) {}, []int{1}},
		{"the others have gone", 3, 2, func(s *Store) { held(t, s, 2); s.Working(-1) }, []int{1}},
		{"another commit takes them along", 3, 2, func(s *Store) { held(t, s, 2); must(t, s.Put(t.Context(), testItems("a"))) }, []int{2}},
		{"an intent takes them along", 3, 2, func(s *Store) {
			held(t, s, 2)
			must(t, s.Decide(t.Context(), effect("d", "1", ""), actions.Standing{}, shadowEntry("d")))
		}, []int{2}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, seen := patient(t)
			s.Working(c.working)
			done := finish(t, s, 0, c.ends)
			c.then(s)
			for range c.ends {
				must(t, <-done)
			}
			if got := seen.sizes(); len(got) != len(c.ops) || got[0] != c.ops[0] {
				t.Errorf("commits of %v writes, want %v", got, c.ops)
			}
			for i := range c.ends {
				if _, e, err := s.Begin(t.Context(), "m"+strconv.Itoa(i), "1"); err != nil || e.State != actions.StateClean {
					t.Errorf("m%d is %q, %v", i, e.State, err)
				}
			}
		})
	}
	t.Run("patience ends", func(t *testing.T) {
		s, _ := patient(t)
		s.w.gather.patience = time.Millisecond
		s.Working(2)
		must(t, <-finish(t, s, 0, 1))
	})
}

// What one of them does wrong is not the others' fault.
func TestEndsThatShareACommitFailAlone(t *testing.T) {
	s, _ := patient(t)
	s.Working(3)
	done := finish(t, s, 0, 2)
	held(t, s, 2)
	odd := errors.New("odd")
	err := s.w.submitInTime(&op{ctx: t.Context(), bare: true, run: func(x *tx) error {
		if _, err := x.exec(insertInbox, 1, 0, 0, []byte("{}")); err != nil {
			return err
		}
		return odd
	}})
	wantErr(t, "the odd one", err, odd)
	must(t, <-done)
	must(t, <-done)
	for i := range 2 {
		if _, e, err := s.Begin(t.Context(), "m"+strconv.Itoa(i), "1"); err != nil || e.State != actions.StateClean {
			t.Errorf("m%d is %q, %v", i, e.State, err)
		}
	}
	var rows int
	must(t, s.row(t.Context(), `SELECT count(*) FROM inbox`, nil, &rows))
	if rows != 0 {
		t.Errorf("the odd one wrote %d rows", rows)
	}
}

// A row ends with its message, and what is held back when the store is closed is
// written still.
func TestHeldBackWhenClosed(t *testing.T) {
	s, _ := patient(t)
	must(t, s.Put(t.Context(), []webhook.Item{testItem("a"), testItem("b")}))
	_, items := claim(t, s, 2)
	s.Working(2)
	done := make(chan error, 2)
	go func() {
		done <- s.Finish(t.Context(), effect("m", "1", actions.StateClean), actions.Standing{}, items[0].Receipt)
	}()
	held(t, s, 1)
	wantDepth(t, s, Depth{Items: 2, InFlight: 2})
	s.Working(-1)
	must(t, <-done)
	wantDepth(t, s, Depth{Items: 1, InFlight: 1})

	s.Working(1)
	go func() {
		done <- s.Finish(t.Context(), effect("n", "1", actions.StateClean), actions.Standing{}, items[1].Receipt)
	}()
	held(t, s, 1)
	s = reopen(t, s)
	must(t, <-done)
	wantDepth(t, s, Depth{})
	must(t, s.Close())
	wantErr(t, "closed before", <-finish(t, s, 0, 1), ErrClosed)
}
