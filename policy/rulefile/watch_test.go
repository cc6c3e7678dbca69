package rulefile

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy"
)

// watched is a watcher over a directory with one rule, and what it told.
type watched struct {
	*Watcher
	dir  string
	told []string
}

func watch(t *testing.T) *watched {
	t.Helper()
	w := &watched{dir: t.TempDir()}
	write(t, w.dir, "r.yaml", ruleNamed("one"))
	var err error
	w.Watcher, err = NewWatcher(WatchOptions{
		Dir:      w.dir,
		Now:      func() time.Time { return today },
		OnChange: func(g *Generation) { w.told = append(w.told, "change to "+idsOf(g)) },
		OnFault: func(err error) {
			if err == nil {
				w.told = append(w.told, "clear")
				return
			}
			w.told = append(w.told, fmt.Sprint("fault: ", err))
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	return w
}

func ruleNamed(id string) string { return strings.Replace(ruleWhen, "id: r", "id: "+id, 1) }

func idsOf(g *Generation) string {
	var ids []string
	for _, r := range g.Set.Rules {
		ids = append(ids, r.ID)
	}
	return strings.Join(ids, ",")
}

// expect checks what is in force and what was told since it was last asked.
func (w *watched) expect(t *testing.T, inForce string, told ...string) {
	t.Helper()
	if got := idsOf(w.current.Load()); got != inForce {
		t.Errorf("in force: %s, want %s", got, inForce)
	}
	var got []string
	for _, s := range w.told {
		got = append(got, strings.ReplaceAll(s, w.dir+string(filepath.Separator), ""))
	}
	if diff := cmp.Diff(told, got); diff != "" {
		t.Errorf("told (-want +got):\n%s", diff)
	}
	w.told = nil
}

func (w *watched) ticks(n int) {
	for range n {
		w.tick()
	}
}

func TestWatchChange(t *testing.T) {
	w := watch(t)
	w.ticks(5)
	w.expect(t, "one")
	write(t, w.dir, "r.yaml", ruleNamed("two"))
	w.tick()
	w.expect(t, "one") // seen once: it may still be being written
	w.tick()
	w.expect(t, "two", "change to two")
	w.ticks(5)
	w.expect(t, "two")
	write(t, w.dir, "s.yaml", ruleNamed("three"))
	w.ticks(2)
	w.expect(t, "two,three", "change to two,three")
	if err := os.Remove(filepath.Join(w.dir, "r.yaml")); err != nil {
		t.Fatal(err)
	}
	w.ticks(2)
	w.expect(t, "three", "change to three")
}

// TestWatchHalfWritten: a directory that differs at every look is not taken.
func TestWatchHalfWritten(t *testing.T) {
	w := watch(t)
	for i := range 10 {
		write(t, w.dir, "s.yaml", ruleNamed(fmt.Sprint("part", i)))
		w.tick()
	}
	w.expect(t, "one")
	w.tick()
	w.expect(t, "one,part9", "change to one,part9")
}

func TestWatchFault(t *testing.T) {
	w := watch(t)
	write(t, w.dir, "r.yaml", "rulez: []\n")
	w.ticks(5)
	w.expect(t, "one", `fault: r.yaml:1:1: unknown key "rulez" in a rule file (did you mean "rules"?)`)
	write(t, w.dir, "r.yaml", "rulex: []\n")
	w.ticks(5)
	w.expect(t, "one", `fault: r.yaml:1:1: unknown key "rulex" in a rule file (did you mean "rules"?)`)
	write(t, w.dir, "r.yaml", ruleNamed("two"))
	w.ticks(5)
	w.expect(t, "two", "change to two")
	write(t, w.dir, "r.yaml", "rulez: []\n")
	w.ticks(2)
	write(t, w.dir, "r.yaml", ruleNamed("two"))
	w.ticks(5) // back to what is in force: nothing changes, but the fault is over
	w.expect(t, "two", `fault: r.yaml:1:1: unknown key "rulez" in a rule file (did you mean "rules"?)`, "clear")
}

// TestWatchWhole: one bad file keeps the good ones beside it out.
func TestWatchWhole(t *testing.T) {
	w := watch(t)
	write(t, w.dir, "good.yaml", ruleNamed("good"))
	write(t, w.dir, "bad.yaml", ruleNamed("bad")+"    tests: {match: [y]}\n")
	w.ticks(3)
	w.expect(t, "one", `fault: bad.yaml:6:21: rule "bad": test must match, but no_match: the rule's keyword did not occur`)
}

func TestWatchDirectoryGone(t *testing.T) {
	w := watch(t)
	away := w.dir + ".away"
	if err := os.Rename(w.dir, away); err != nil {
		t.Fatal(err)
	}
	w.ticks(5)
	if len(w.told) != 1 || !strings.Contains(w.told[0], "no such file") {
		t.Errorf("told %q", w.told)
	}
	w.told = nil
	if err := os.Rename(away, w.dir); err != nil {
		t.Fatal(err)
	}
	w.ticks(5)
	w.expect(t, "one", "clear")
}

// TestWatchEmptied: a directory that lost its rules, as when its volume is not
// mounted, does not end all judging. Rules that are off are a decision.
func TestWatchEmptied(t *testing.T) {
	const fault = " has no rule any more: to stop judging messages, set mode: off in each rule; else put the rule files back"
	w := watch(t)
	if err := os.Remove(filepath.Join(w.dir, "r.yaml")); err != nil {
		t.Fatal(err)
	}
	w.ticks(5)
	w.expect(t, "one", "fault: "+w.dir+fault)
	write(t, w.dir, "r.yaml", "rules: []\n")
	w.ticks(5)
	w.expect(t, "one", "fault: "+w.dir+fault)
	write(t, w.dir, "r.yaml", ruleNamed("one"))
	w.ticks(5)
	w.expect(t, "one", "clear")
	write(t, w.dir, "r.yaml", strings.Replace(ruleNamed("one"), "mode: shadow", "mode: off", 1))
	w.ticks(2)
	w.expect(t, "one", "change to one")
	if got := w.Current().Rules[0].Mode; got != policy.Off {
		t.Errorf("mode %s", got)
	}

	// One that never had any takes its first, and may lose nothing.
	dir := t.TempDir()
	empty, err := NewWatcher(WatchOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	write(t, dir, "r.yaml", ruleNamed("first"))
	empty.tick()
	empty.tick()
	if got := idsOf(empty.current.Load()); got != "first" {
		t.Errorf("in force: %s", got)
	}
}

func TestWatchConfigMap(t *testing.T) {
	dir := t.TempDir()
	configMap(t, dir, "..1", ruleNamed("one"))
	w, err := NewWatcher(WatchOptions{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	configMap(t, dir, "..2", ruleNamed("two"))
	w.tick()
	w.tick()
	if got := idsOf(w.current.Load()); got != "two" {
		t.Errorf("in force: %s", got)
	}
}

// TestWatchStartsBroken: without a good generation there is nothing to run on.
func TestWatchStartsBroken(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "r.yaml", "rulez: []\n")
	if _, err := NewWatcher(WatchOptions{Dir: dir}); len(faultLines(t, err)) != 1 {
		t.Errorf("got %v", err)
	}
	if _, err := NewWatcher(WatchOptions{Dir: filepath.Join(dir, "none")}); err == nil {
		t.Error("a directory that is not there is no error")
	}
}

// TestWatchInTime: with the default interval a change is in force within 5 seconds,
// and Run ends with its context.
func TestWatchInTime(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "r.yaml", ruleNamed("one"))
	synctest.Test(t, func(t *testing.T) {
		w, err := NewWatcher(WatchOptions{Dir: dir})
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		var done sync.WaitGroup
		done.Go(func() { w.Run(ctx) })
		time.Sleep(10*time.Second + 300*time.Millisecond) //nolint:forbidigo // the bubble's clock
		write(t, dir, "r.yaml", ruleNamed("two"))
		changed := time.Now()
		for !slices.Equal([]string{idsOf(w.current.Load())}, []string{"two"}) {
			if time.Since(changed) > 5*time.Second {
				t.Fatal("not in force after 5 s")
			}
			time.Sleep(100 * time.Millisecond) //nolint:forbidigo // the bubble's clock
			synctest.Wait()
		}
		stop()
		done.Wait()
	})
}

// TestWatchReadersSeeWholeSets: whoever reads while generations change sees one or
// the other.
func TestWatchReadersSeeWholeSets(t *testing.T) {
	w := watch(t)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 4 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				set := w.Current()
				for _, r := range set.Rules {
					if r.ID != "one" && !strings.HasPrefix(r.ID, "gen") || len(set.Rules) > 2 {
						t.Errorf("a mixed set: %s", r.ID)
						return
					}
				}
			}
		})
	}
	for i := range 20 {
		write(t, w.dir, "r.yaml", ruleNamed(fmt.Sprint("gen", i)))
		w.ticks(2)
	}
	close(stop)
	readers.Wait()
	if got := idsOf(w.current.Load()); got != "gen19" {
		t.Errorf("in force: %s", got)
	}
}
