package sqlite

import (
	"bufio"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"teamsdlp/actions"
)

// A writer process dies twenty times in the middle of its work, each time the
// moment after it was told that something is stored. Whatever it was told is
// stored must be there, and the log must be whole.
func TestKilledWriterLosesNothing(t *testing.T) {
	dir := t.TempDir()
	acked := map[string]map[string]bool{"put": {}, "finish": {}}
	for round := range 20 {
		cmd := another(t, "write", dir, fmt.Sprintf("%d/%d", round, 50+rand.IntN(150)))
		out, err := cmd.StdoutPipe()
		must(t, err)
		must(t, cmd.Start())
		for lines := bufio.NewScanner(out); lines.Scan(); {
			what, name, _ := strings.Cut(lines.Text(), " ")
			if acked[what] == nil {
				t.Fatalf("round %d: the writer said %q", round, lines.Text())
			}
			acked[what][name] = true
		}
		if err := cmd.Wait(); err == nil || err.Error() != "signal: killed" {
			t.Fatalf("round %d: the writer ended with %v", round, err)
		}
		checkAcked(t, dir, acked)
	}
	if len(acked["put"]) < 100 || len(acked["finish"]) < 10 {
		t.Errorf("only %d items and %d effects were written", len(acked["put"]), len(acked["finish"]))
	}
	t.Logf("%d items and %d effects were answered, none was lost", len(acked["put"]), len(acked["finish"]))
}

func checkAcked(t *testing.T, dir string, acked map[string]map[string]bool) {
	t.Helper()
	// A reader needs no server to have recovered the file.
	r, err := OpenReadOnly(t.Context(), dir)
	must(t, err)
	checkTree(t, r)
	must(t, r.Close())

	s := openTest(t, testOptions(dir))
	defer s.Close()
	integrity(t, s.Reader)
	checkTree(t, s.Reader)
	var names []string
	for d, err := s.Depth(t.Context()); int64(len(names)) < d.Items; {
		must(t, err)
		page, _ := claim(t, s, 500)
		names = append(names, page...)
	}
	wantAll(t, "item", acked["put"], names)

	var ended []string
	after := int64(-1)
	for {
		page, err := s.Entries(t.Context(), actions.Filter{After: &after, Limit: 1000})
		must(t, err)
		if len(page) == 0 {
			break
		}
		for _, e := range page {
			ended = append(ended, e.Case)
			if _, effect, err := s.Begin(t.Context(), e.Case, "1"); err != nil || effect.State != actions.StateShadow {
				t.Errorf("entry %d is there and its effect is %q, %v", e.Seq, effect.State, err)
			}
		}
		after = page[len(page)-1].Seq
	}
	wantAll(t, "entry", acked["finish"], ended)
}

// wantAll fails unless got holds every name of want, and none twice.
func wantAll(t *testing.T, what string, want map[string]bool, got []string) {
	t.Helper()
	times := map[string]int{}
	for _, n := range got {
		if times[n]++; times[n] > 1 {
			t.Errorf("%s %s is there twice", what, n)
		}
	}
	for n := range want {
		if times[n] == 0 {
			t.Errorf("%s %s was answered and is lost", what, n)
		}
	}
}
