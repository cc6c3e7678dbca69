package actions

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"

	"teamsdlp/test/trial"
)

func testKeys(t testing.TB) *Keys {
	k, err := NewKeys("log.example")
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// stored is a log that can be tampered with.
type stored struct {
	bodies map[int64][]byte
	hashes map[int64]tlog.Hash
	size   int64
}

func (s *stored) LogSize(context.Context) (int64, error) { return s.size, nil }

func (s *stored) Hashes(_ context.Context, indexes []int64) ([]tlog.Hash, error) {
	var list []tlog.Hash
	for _, i := range indexes {
		h, ok := s.hashes[i]
		if !ok {
			return nil, fmt.Errorf("hash %d is missing", i)
		}
		list = append(list, h)
	}
	return list, nil
}

func (s *stored) Bodies(_ context.Context, from int64, fn func(int64, []byte) error) error {
	var seqs []int64
	for seq := range s.bodies {
		if seq >= from {
			seqs = append(seqs, seq)
		}
	}
	slices.Sort(seqs)
	for _, seq := range seqs {
		if err := fn(seq, s.bodies[seq]); err != nil {
			return err
		}
	}
	return nil
}

// rebuild makes the tree good again, as an intruder who knows it would.
func (s *stored) rebuild() {
	s.hashes = map[int64]tlog.Hash{}
	next := int64(0)
	for n := range s.size {
		hashes, err := AppendHashes(n, s.bodies[n], tlog.HashReaderFunc(func(i []int64) ([]tlog.Hash, error) {
			return s.Hashes(context.Background(), i)
		}))
		if err != nil {
			panic(err)
		}
		for _, h := range hashes {
			s.hashes[next] = h
			next++
		}
	}
}

func (s *stored) truncate(size int64) {
	for n := size; n < s.size; n++ {
		delete(s.bodies, n)
	}
	for i := tlog.StoredHashCount(size); i < tlog.StoredHashCount(s.size); i++ {
		delete(s.hashes, i)
	}
	s.size = size
}

func (s *stored) clone() *stored {
	c := &stored{bodies: map[int64][]byte{}, hashes: map[int64]tlog.Hash{}, size: s.size}
	for k, v := range s.bodies {
		c.bodies[k] = bytes.Clone(v)
	}
	for k, v := range s.hashes {
		c.hashes[k] = v
	}
	return c
}

func (s *stored) checkpoint(t testing.TB, k *Keys, size int64) []byte {
	root, err := tlog.TreeHash(size, tlog.HashReaderFunc(func(i []int64) ([]tlog.Hash, error) { return s.Hashes(context.Background(), i) }))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := SignCheckpoint(Checkpoint{Size: size, Root: root}, k.Signer())
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

// newLog is a log of size entries, a second apart.
func newLog(t testing.TB, size int) *stored {
	m := NewMemory()
	at := time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)
	for i := range size {
		if err := m.Append(t.Context(), Entry{Kind: KindIntent, Case: fmt.Sprint(i % 7), Time: at.Add(time.Duration(i) * time.Second), Verdict: fmt.Sprint("entry ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	s := &stored{bodies: map[int64][]byte{}, hashes: map[int64]tlog.Hash{}, size: int64(size)}
	for i, b := range m.bodies {
		s.bodies[int64(i)] = b
	}
	for i, h := range m.hashes {
		s.hashes[int64(i)] = h
	}
	return s
}

func faults(r Report) []string {
	var list []string
	for _, f := range r.Faults {
		list = append(list, fmt.Sprintf("%s %d-%d", f.Kind, f.From, f.To))
	}
	return list
}

func TestVerify(t *testing.T) {
	const size = 2500
	var (
		k        = testKeys(t)
		good     = newLog(t, size)
		stranger = testKeys(t)
		all      []byte
		edit     = func(s *stored, n int64) {
			s.bodies[n] = bytes.Replace(s.bodies[n], []byte("entry"), []byte("ENTRY"), 1)
		}
		swap = func(s *stored, a, b int64) { s.bodies[a], s.bodies[b] = s.bodies[b], s.bodies[a] }
	)
	for _, n := range []int64{1, 1000, 1024, 2000, 2400} {
		all = append(all, framed(good.checkpoint(t, k, n))...)
	}
	only := func(n int64) []byte { return good.checkpoint(t, k, n) }
	for _, tt := range []struct {
		name   string
		tamper func(*stored)
		points []byte
		want   []string
	}{
		{"untouched", func(*stored) {}, all, nil},
		{"untouched, no checkpoints", func(*stored) {}, nil, nil},
		{"untouched, sealed to the last entry", func(*stored) {}, only(size), nil},
		{"untouched, a checkpoint of nothing", func(*stored) {}, only(0), nil},
		{"untouched, Windows line ends", func(*stored) {}, bytes.ReplaceAll(all, []byte("\n"), []byte("\r\n")), nil},
		{"untouched, a checkpoint half written", func(*stored) {}, slices.Concat(framed(only(1000))[:30], framed(only(2000))), nil},

		// The tree was left alone: the entry is named.
		{"edited", func(s *stored) { edit(s, 1500) }, nil, []string{"edited 1500-1500"}},
		{"edited, first", func(s *stored) { edit(s, 0) }, nil, []string{"edited 0-0"}},
		{"edited, last", func(s *stored) { edit(s, size-1) }, nil, []string{"edited 2499-2499"}},
		{"edited, with checkpoints", func(s *stored) { edit(s, 1500) }, all, []string{"edited 1500-1500", "rewritten 0-1999", "rewritten 0-2399"}},
		{"one byte of space", func(s *stored) { s.bodies[7] = append(s.bodies[7], ' ') }, nil, []string{"edited 7-7"}},
		{"emptied", func(s *stored) { s.bodies[7] = []byte{} }, nil, []string{"edited 7-7", "edited 7-7"}},
		{"no entry any more", func(s *stored) { s.bodies[7] = []byte("[]") }, nil, []string{"edited 7-7", "edited 7-7"}},
		{"dropped", func(s *stored) { delete(s.bodies, 1500) }, all, []string{"missing 1500-1500"}},
		{"several dropped", func(s *stored) { delete(s.bodies, 0); delete(s.bodies, 9) }, nil, []string{"missing 0-0", "missing 9-9"}},
		{"swapped", func(s *stored) { swap(s, 10, 20) }, nil, []string{"moved 10-10", "edited 10-10", "moved 20-20", "edited 20-20"}},
		{"leaf hash damaged", func(s *stored) { s.hashes[tlog.StoredHashIndex(0, 500)] = tlog.Hash{} }, nil, []string{"edited 500-500"}},
		{"inner hash damaged", func(s *stored) { s.hashes[tlog.StoredHashIndex(3, 4)] = tlog.Hash{} }, all, []string{"hash 39-39"}},
		{"leaf hash dropped", func(s *stored) { delete(s.hashes, tlog.StoredHashIndex(0, 500)) }, all, []string{"hash 500-500"}},

		// The tree was made good: only checkpoints tell, between which of them.
		{"edited and rebuilt, nobody can tell", func(s *stored) { edit(s, 1500); s.rebuild() }, nil, nil},
		{"edited and rebuilt", func(s *stored) { edit(s, 1500); s.rebuild() }, all, []string{"rewritten 1024-1999", "rewritten 1024-2399"}},
		{"edited and rebuilt, first", func(s *stored) { edit(s, 0); s.rebuild() }, only(1), []string{"rewritten 0-0"}},
		{"edited after the last checkpoint and rebuilt: not covered", func(s *stored) { edit(s, 2450); s.rebuild() }, all, nil},
		{"dropped, renumbered and rebuilt", func(s *stored) {
			for n := int64(1500); n < size-1; n++ {
				s.bodies[n] = bytes.Replace(s.bodies[n+1], []byte(fmt.Sprintf(`"seq":%d`, n+1)), []byte(fmt.Sprintf(`"seq":%d`, n)), 1)
			}
			s.truncate(size - 1)
			s.rebuild()
		}, all, []string{"rewritten 1024-1999", "rewritten 1024-2399"}},
		{"swapped and rebuilt", func(s *stored) { swap(s, 10, 20); s.rebuild() }, only(1000), []string{"moved 10-10", "moved 20-20", "rewritten 0-999"}},

		// Cut off and rolled back.
		{"cut off", func(s *stored) { s.truncate(2100) }, all, []string{"cut-off 2100-2399"}},
		{"cut off by one", func(s *stored) { s.truncate(size - 1) }, only(size), []string{"cut-off 2499-2499"}},
		{"cut off to nothing", func(s *stored) { s.truncate(0) }, only(1000), []string{"cut-off 0-999"}},
		{"cut off, nobody can tell", func(s *stored) { s.truncate(2450) }, all, nil},
		{"cut off, the tree left behind", func(s *stored) { delete(s.bodies, size-1); s.size-- }, nil, []string{"cut-off 2499-2499"}},

		// Checkpoints that cannot be trusted.
		{"forged", func(*stored) {}, good.checkpoint(t, stranger, 1000), []string{"checkpoint 0-0"}},
		{"signature damaged", func(*stored) {}, bytes.Replace(only(1000), []byte("\n1000\n"), []byte("\n1001\n"), 1), []string{"checkpoint 0-0"}},
		{"no checkpoints in the file", func(*stored) {}, []byte("hello\n\nworld\n"), []string{"checkpoint 0-0"}},
		{"sealed again after a roll-back", func(*stored) {}, slices.Concat(framed(only(2000)), framed(only(1000))), []string{"checkpoint 1000-1999"}},
		{"two logs", func(*stored) {}, slices.Concat(framed(only(1000)), framed(func() []byte {
			other := good.clone()
			edit(other, 5)
			other.rebuild()
			return other.checkpoint(t, k, 1000)
		}())), []string{"checkpoint 0-999", "rewritten 1000-999"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := good.clone()
			tt.tamper(s)
			got, err := Verify(t.Context(), s, tt.points, note.VerifierList(k.Verifier()))
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(tt.want, faults(got)); d != "" {
				t.Errorf("faults (-want +got):\n%s%v", d, got.Faults)
			}
			if got.OK() != (len(tt.want) == 0) {
				t.Errorf("OK = %v with %d faults", got.OK(), len(got.Faults))
			}
		})
	}
}

// Every single entry of a log is protected, wherever it stands in the tree.
func TestVerifyNamesEveryEntry(t *testing.T) {
	k := testKeys(t)
	good := newLog(t, 70)
	for n := range good.size {
		s := good.clone()
		s.bodies[n][len(s.bodies[n])-2] ^= 1
		got, err := Verify(t.Context(), s, nil, note.VerifierList(k.Verifier()))
		if err != nil || got.OK() || got.Faults[0].From != n {
			t.Errorf("entry %d edited: %v, %v", n, got.Faults, err)
		}
		s = good.clone()
		s.truncate(n)
		got, err = Verify(t.Context(), s, good.checkpoint(t, k, good.size), note.VerifierList(k.Verifier()))
		if err != nil || got.OK() {
			t.Errorf("cut off at %d: %v, %v", n, got.Faults, err)
		}
	}
}

func TestVerifyReports(t *testing.T) {
	k := testKeys(t)
	s := newLog(t, 100)
	var e Entry
	if err := json.Unmarshal(s.bodies[50], &e); err != nil {
		t.Fatal(err)
	}
	e.Time = e.Time.Add(-time.Hour)
	s.bodies[50], _ = json.Marshal(e)
	s.rebuild()
	got, err := Verify(t.Context(), s, s.checkpoint(t, k, 60), note.VerifierList(k.Verifier()))
	if err != nil {
		t.Fatal(err)
	}
	_, root, err := TreeHead(t.Context(), s)
	if err != nil {
		t.Fatal(err)
	}
	want := Report{Size: 100, Root: root, Checkpoints: 1, Covered: 60, Notes: []string{"the clock went back by 59m59s before entry 50"}}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("report (-want +got):\n%s", d)
	}
}

func TestVerifyIsBoundedByHoles(t *testing.T) {
	s := newLog(t, 3)
	s.bodies[1<<50] = s.bodies[2]
	got, err := Verify(t.Context(), s, nil, note.VerifierList())
	if err != nil || got.OK() || len(got.Faults) > maxFaults {
		t.Errorf("%d faults, %v", len(got.Faults), err)
	}
}

func TestVerifyFailsWithItsSource(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Verify(ctx, newLog(t, 3), nil, note.VerifierList()); !errors.Is(err, context.Canceled) {
		t.Errorf("Verify = %v", err)
	}
}

func TestOpenCheckpointRefuses(t *testing.T) {
	k := testKeys(t)
	root := strings.Repeat("A", 43) + "="
	sign := func(text string) []byte {
		b, err := note.Sign(&note.Note{Text: text}, k.Signer())
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	if c, err := openCheckpoint(sign("log.example\n12\n"+root+"\nmore\n"), note.VerifierList(k.Verifier())); err != nil || c.Size != 12 {
		t.Errorf("with an extension: %+v, %v", c, err)
	}
	for _, text := range []string{
		"", "log.example\n", "log.example\n12\n", "other.example\n12\n" + root + "\n", "log.example\n-1\n" + root + "\n",
		"log.example\n012\n" + root + "\n", "log.example\n99999999999999999999\n" + root + "\n", "log.example\n12\nAAAA\n",
		"log.example\n12\n" + root[:42] + "\n", "log.example\ntwelve\n" + root + "\n", "log.example\n12\n\n" + root + "\n",
	} {
		if text == "" {
			if _, err := openCheckpoint(nil, note.VerifierList(k.Verifier())); !errors.Is(err, errCheckpoint) {
				t.Errorf("nothing: %v", err)
			}
			continue
		}
		if _, err := openCheckpoint(sign(text), note.VerifierList(k.Verifier())); !errors.Is(err, errCheckpoint) {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := openCheckpoint(sign("log.example\n12\n"+root+"\n"), note.VerifierList()); !errors.Is(err, errCheckpoint) {
		t.Errorf("no keys: %v", err)
	}
}

func FuzzCheckpoints(f *testing.F) {
	k := testKeys(f)
	s := newLog(f, 5)
	f.Add(framed(s.checkpoint(f, k, 5)))
	f.Add([]byte("\n\n— a b\n\n— c d\n"))
	f.Add([]byte("log.example\n5\n\n\n— log.example AAAA\n"))
	trial.Fuzz(f, 1000, func(t *testing.T, b []byte) {
		r, err := Verify(context.Background(), s, b, note.VerifierList(k.Verifier()))
		if err != nil || r.Size != 5 {
			t.Fatalf("%+v, %v", r, err)
		}
		if r.OK() && len(bytes.TrimSpace(b)) > 0 && r.Checkpoints == 0 {
			t.Fatal("a file without a checkpoint passed")
		}
		if err := CheckpointsOf(b, note.VerifierList(k.Verifier())); err != nil && (r.Checkpoints > 0 || !errors.Is(err, errNotThisLog)) {
			t.Fatalf("%+v, and: %v", r, err)
		}
	})
}

func TestSealPolicy(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, tt := range []struct {
		size, last int64
		age        time.Duration
		p          SealPolicy
		want       bool
	}{
		{0, 0, time.Hour, SealPolicy{}, false},
		{10, 10, time.Hour, SealPolicy{}, false},
		{9, 10, time.Hour, SealPolicy{}, false},
		{11, 10, 59 * time.Second, SealPolicy{}, false},
		{11, 10, time.Minute, SealPolicy{}, true},
		{1009, 10, 0, SealPolicy{}, false},
		{1010, 10, 0, SealPolicy{}, true},
		{12, 10, 0, SealPolicy{Rows: 2}, true},
		{11, 10, time.Second, SealPolicy{Interval: time.Second}, true},
	} {
		if got := tt.p.due(tt.size, tt.last, now, now.Add(-tt.age)); got != tt.want {
			t.Errorf("due(%d, %d, %v) = %v, want %v", tt.size, tt.last, tt.age, got, tt.want)
		}
	}
}

type sinkFunc func([]byte) error

func (f sinkFunc) Put(_ context.Context, b []byte) error { return f(b) }

func TestSealer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var (
			m      = NewMemory()
			k      = testKeys(t)
			sizes  []int64
			broken = errors.New("no space")
			fail   error
			told   []error
			mu     sync.Mutex // of sizes, fail and told
		)
		grow := func(n int) {
			for range n {
				if err := m.Append(t.Context(), Entry{Kind: KindGap}); err != nil {
					t.Fatal(err)
				}
			}
		}
		s := &Sealer{Tree: m, Signer: k.Signer(), Policy: SealPolicy{Rows: 5}, Fault: func(err error) { mu.Lock(); defer mu.Unlock(); told = append(told, err) },
			Sinks: []CheckpointSink{sinkFunc(func([]byte) error { mu.Lock(); defer mu.Unlock(); return fail }), sinkFunc(func(b []byte) error {
				mu.Lock()
				defer mu.Unlock()
				c, err := openCheckpoint(b, note.VerifierList(k.Verifier()))
				sizes = append(sizes, c.Size)
				return err
			})}}
		grow(2)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { s.Run(ctx); close(done) }()
		want := func(when string, w ...int64) {
			t.Helper()
			synctest.Wait()
			mu.Lock()
			defer mu.Unlock()
			if d := cmp.Diff(w, sizes); d != "" {
				t.Errorf("%s (-want +got):\n%s", when, d)
			}
		}
		want("at the start", 2)
		grow(1)
		s.Appended()
		want("too few, too early", 2)
		<-time.After(time.Minute)
		want("after a minute", 2, 3)
		<-time.After(time.Hour)
		want("nothing new", 2, 3)
		grow(5)
		s.Appended()
		want("enough rows", 2, 3, 8)
		set := func(err error) { mu.Lock(); defer mu.Unlock(); fail = err }
		set(broken)
		grow(5)
		s.Appended()
		want("one sink fails, the other has it", 2, 3, 8, 13)
		mu.Lock()
		if len(told) != 1 || !errors.Is(told[0], broken) {
			t.Errorf("told %v", told)
		}
		mu.Unlock()
		grow(1)
		s.Appended()
		want("while it fails, no more often than else", 2, 3, 8, 13)
		set(nil)
		<-time.After(time.Minute)
		want("delivered again to both", 2, 3, 8, 13, 14)
		grow(1)
		stop()
		<-done
		want("at the end", 2, 3, 8, 13, 14, 15)
	})
}

func TestFileSink(t *testing.T) {
	k := testKeys(t)
	log := newLog(t, 20)
	path := filepath.Join(t.TempDir(), "checkpoints")
	sink := &FileSink{Path: path}
	if err := sink.Put(t.Context(), log.checkpoint(t, k, 5)); err != nil {
		t.Fatal(err)
	}
	// A crash left half a checkpoint behind.
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString("\n\nlog.example\n1"); err != nil {
		t.Fatal(err)
	}
	f.Close()
	if err := sink.Put(t.Context(), log.checkpoint(t, k, 20)); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	r, err := Verify(t.Context(), log, b, note.VerifierList(k.Verifier()))
	if err != nil || !r.OK() || r.Checkpoints != 2 || r.Covered != 20 || len(r.Notes) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	if err := (&FileSink{Path: filepath.Join(path, "x")}).Put(t.Context(), nil); err == nil {
		t.Error("a file below a file was written")
	}
	var out bytes.Buffer
	if err := (&WriterSink{W: &out}).Put(t.Context(), log.checkpoint(t, k, 20)); err != nil || out.Len() == 0 {
		t.Errorf("%q, %v", out.String(), err)
	}
	r1, w1 := io.Pipe()
	r1.Close()
	if err := (&WriterSink{W: w1}).Put(t.Context(), []byte("x")); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("a closed pipe: %v", err)
	}
}

func BenchmarkVerify(b *testing.B) {
	log := newLog(b, 5000)
	for b.Loop() {
		if r, err := Verify(b.Context(), log, nil, note.VerifierList()); err != nil || !r.OK() {
			b.Fatal(r.Faults, err)
		}
	}
	b.ReportMetric(float64(b.N*5000)/b.Elapsed().Seconds(), "entries/s")
}

// What retention deleted is no fault where an entry of the log says so, and only
// there; the proof of the rest does not suffer.
func TestVerifyForgotten(t *testing.T) {
	k := testKeys(t)
	forgetful := func(before int64, gone ...int64) *stored {
		s := newLog(t, 40)
		body := fmt.Appendf(nil, `{"seq":40,"id":"x","time":"2026-11-25T00:00:00Z","kind":"forget","forgot":{"before":%d,"until":"2026-01-01T00:00:00Z"}}`, before)
		s.bodies[40], s.size = body, 41
		s.rebuild()
		for _, n := range gone {
			delete(s.bodies, n)
		}
		return s
	}
	to := func(n int64) (list []int64) {
		for i := range n {
			list = append(list, i)
		}
		return list
	}
	for _, tt := range []struct {
		name   string
		log    *stored
		spoil  func(*stored)
		faults []string
		gone   int64
	}{
		{"as recorded", forgetful(20, to(20)...), nil, nil, 20},
		{"not all of it yet", forgetful(20, to(7)...), nil, nil, 7},
		{"more than recorded", forgetful(20, to(25)...), nil, []string{"missing 20-24"}, 20},
		{"one more", forgetful(20, to(21)...), nil, []string{"missing 20-20"}, 20},
		{"not recorded at all", forgetful(0, to(3)...), nil, []string{"missing 0-2"}, 0},
		{"from the middle", forgetful(20, 3, 4), nil, []string{"missing 3-3", "missing 4-4"}, 0},
		{"a record that forgets itself", forgetful(41, to(20)...), nil, []string{"missing 0-19"}, 0},
		{"a hash of what is gone was changed", forgetful(20, to(20)...), func(s *stored) { s.hashes[tlog.StoredHashIndex(0, 5)] = tlog.Hash{1} },
			[]string{"rewritten 0-40"}, 20},
		{"a hash of what is gone is gone too", forgetful(20, to(20)...), func(s *stored) { delete(s.hashes, tlog.StoredHashIndex(0, 5)) }, []string{"missing 5-5"}, 5},
	} {
		point := tt.log.checkpoint(t, k, 41)
		if tt.spoil != nil {
			tt.spoil(tt.log)
		}
		got, err := Verify(t.Context(), tt.log, point, note.VerifierList(k.Verifier()))
		if err != nil {
			t.Fatal(err)
		}
		var faults []string
		for _, f := range got.Faults {
			faults = append(faults, fmt.Sprintf("%s %d-%d", f.Kind, f.From, f.To))
		}
		if tt.spoil == nil && !slices.Equal(faults, tt.faults) || tt.spoil != nil && len(faults) == 0 || got.Forgotten != tt.gone {
			t.Errorf("%s: faults %q, %d forgotten; want %q, %d", tt.name, faults, got.Forgotten, tt.faults, tt.gone)
		}
	}
}

// A key is believed that an entry names, if that entry is covered by a key that is
// believed already; no other is.
func TestVerifyFollowsKeys(t *testing.T) {
	old, next, third, thief := testKeys(t), testKeys(t), testKeys(t), testKeys(t)
	s := newLog(t, 10)
	announce := func(n int64, key string) {
		s.bodies[n] = fmt.Appendf(nil, `{"seq":%d,"id":"x","time":"2026-11-25T00:00:00Z","kind":"keys","keys":{"encryption":"e","checkpoint":%q,"digest":"e1"}}`, n, key)
		s.size = n + 1
		s.rebuild()
	}
	announce(10, next.PublicKey())
	first := s.checkpoint(t, old, 11)
	announce(11, third.PublicKey())
	second := s.checkpoint(t, next, 12)
	last := s.checkpoint(t, third, 12)
	stolen := s.checkpoint(t, thief, 12)
	announce(12, thief.PublicKey())
	uncovered := s.checkpoint(t, thief, 13)
	for _, tt := range []struct {
		name   string
		points [][]byte
		given  *Keys
		ok     bool
	}{
		{"one after the other", [][]byte{first, second, last}, old, true},
		{"from the second on", [][]byte{second, last}, next, true},
		{"the link is missing", [][]byte{second, last}, old, false},
		{"a key that nobody named", [][]byte{first, second, stolen}, old, false},
		{"a key named after the last checkpoint", [][]byte{first, second, last, uncovered}, old, false},
	} {
		got, err := Verify(t.Context(), s, bytes.Join(tt.points, []byte("\n")), note.VerifierList(tt.given.Verifier()))
		if err != nil || got.OK() != tt.ok {
			t.Errorf("%s: %v, %+v; want ok %v", tt.name, err, got, tt.ok)
		}
	}
}

// A proof stands for its entry and for no other, whatever is changed in it.
func TestProve(t *testing.T) {
	k, stranger := testKeys(t), testKeys(t)
	known := note.VerifierList(k.Verifier())
	s := newLog(t, 700)
	points := slices.Concat(framed(s.checkpoint(t, k, 300)), framed(s.checkpoint(t, k, 650)), framed(s.checkpoint(t, stranger, 700)))
	for _, n := range []int64{0, 1, 255, 299, 300, 511, 649} {
		proof, err := Prove(t.Context(), s, n, points, known)
		if err != nil {
			t.Fatal(err)
		}
		got, err := CheckProof(proof, known)
		if err != nil || got.Seq != n || !bytes.Equal(got.Body, s.bodies[n]) {
			t.Fatalf("entry %d: %+v, %v", n, got, err)
		}
		if want := int64(300); n < 300 && got.Checkpoint.Size != want {
			t.Errorf("entry %d: checkpoint of size %d; want the smallest, %d", n, got.Checkpoint.Size, want)
		}
		if _, err := CheckProof(proof, note.VerifierList(stranger.Verifier())); !errors.Is(err, ErrProof) {
			t.Errorf("entry %d: passed with another key: %v", n, err)
		}
		lines := bytes.IndexByte(proof, '\n') + 1
		for i := lines; i < len(proof); i += 1 + len(proof)/211 {
			bad := bytes.Clone(proof)
			bad[i] ^= 1
			if got, err := CheckProof(bad, known); err == nil && (got.Seq != n || !bytes.Equal(got.Body, s.bodies[n])) || err != nil && !errors.Is(err, ErrProof) {
				t.Fatalf("entry %d, byte %d changed: %+v, %v", n, i, got, err)
			}
			if _, err := CheckProof(proof[:i], known); !errors.Is(err, ErrProof) {
				t.Fatalf("entry %d cut off at %d: %v", n, i, err)
			}
		}
	}
	gone := s.clone()
	delete(gone.bodies, 5)
	edited := s.clone()
	edited.bodies[7] = bytes.Replace(edited.bodies[7], []byte(`"seq":7`), []byte(`"seq": 7`), 1)
	for _, tt := range []struct {
		name   string
		log    *stored
		seq    int64
		points []byte
		want   error
	}{
		{"past the end", s, 700, points, ErrNotFound},
		{"before the start", s, -1, points, ErrNotFound},
		{"not covered", s, 660, points, ErrNotCovered},
		{"no checkpoint", s, 3, nil, ErrNotCovered},
		{"deleted by retention", gone, 5, points, ErrForgotten},
		{"edited", edited, 7, points, ErrProof},
	} {
		if got, err := Prove(t.Context(), tt.log, tt.seq, tt.points, known); !errors.Is(err, tt.want) {
			t.Errorf("%s: %q, %v; want %v", tt.name, got, err, tt.want)
		}
	}
}

// Every kind of tampering with a log of 10,000 entries is found against
// checkpoints that were kept elsewhere, at places that a seed chooses.
func TestTamperingIsFound(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	const size = 10_000
	k := testKeys(t)
	whole := newLog(t, size)
	var points []byte
	for n := int64(1000); n <= size; n += 1000 {
		points = append(points, framed(whole.checkpoint(t, k, n))...)
	}
	at := func() int64 { return r.Int64N(size - 1) }
	one := func(s *stored, n int64) { // one byte
		b := bytes.Clone(s.bodies[n])
		b[r.IntN(len(b))] ^= byte(1 + r.IntN(255))
		s.bodies[n] = b
	}
	drop := func(s *stored, n int64) { // an entry, and the rest moves up
		for i := n; i < s.size-1; i++ {
			s.bodies[i] = s.bodies[i+1]
		}
		s.truncate(s.size - 1)
	}
	swap := func(s *stored, n int64) {
		s.bodies[n], s.bodies[n+1] = s.bodies[n+1], s.bodies[n]
	}
	for i, tamper := range []struct {
		name    string
		do      func(s *stored, n int64)
		rebuild bool // and the tree is made good
		rounds  int
		named   bool // the very entry is named
	}{
		{"a byte of an entry", one, false, 4, true},
		{"an entry deleted", func(s *stored, n int64) { delete(s.bodies, n) }, false, 4, true},
		{"two entries swapped", swap, false, 4, true},
		{"a byte, and the tree", one, true, 3, false},
		{"an entry dropped, and the tree", drop, true, 3, false},
		{"two entries swapped, and the tree", swap, true, 3, false},
		{"the end cut off", func(s *stored, n int64) { s.truncate(n) }, false, 4, false},
		{"rolled back and gone on", func(s *stored, n int64) {
			s.truncate(n)
			for ; n < size; n++ {
				s.bodies[n] = fmt.Appendf(nil, `{"seq":%d,"id":"new","time":"2026-11-25T00:00:00Z"}`, n)
			}
			s.size = size
		}, true, 2, false},
	} {
		for range tamper.rounds {
			s, n := whole.clone(), at()
			tamper.do(s, n)
			if tamper.rebuild {
				s.rebuild()
			}
			got, err := Verify(t.Context(), s, points, note.VerifierList(k.Verifier()))
			if err != nil {
				t.Fatal(err)
			}
			if got.OK() {
				t.Errorf("%d: %s at %d was not found", i, tamper.name, n)
			}
			if tamper.named && !slices.ContainsFunc(got.Faults, func(f Fault) bool { return f.From == n && f.To == n }) {
				t.Errorf("%d: %s at %d: named %v", i, tamper.name, n, got.Faults)
			}
		}
	}
}

func FuzzCheckProof(f *testing.F) {
	k := testKeys(f)
	known := note.VerifierList(k.Verifier())
	s := newLog(f, 9)
	proof, err := Prove(context.Background(), s, 4, s.checkpoint(f, k, 9), known)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(proof)
	f.Add([]byte(proofHeader + "\nextra \nindex 0\n\n"))
	trial.Fuzz(f, 2000, func(t *testing.T, b []byte) {
		got, err := CheckProof(b, known)
		if err == nil && !bytes.Equal(got.Body, s.bodies[got.Seq]) {
			t.Fatalf("proved what is not in the log: %q", got.Body)
		}
	})
}
