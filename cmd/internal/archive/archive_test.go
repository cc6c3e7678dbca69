package archive

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// list is a store that is a list of records.
type list []Record

func (l list) Dump(_ context.Context, fn func(Record) error) error {
	for _, r := range l {
		if err := fn(r); err != nil {
			return err
		}
	}
	return nil
}

func (l *list) Restore(_ context.Context, more []Record) error {
	for _, r := range more {
		if r.Kind != more[0].Kind {
			return errors.New("two kinds at once")
		}
	}
	*l = append(*l, more...)
	return nil
}

func sample() list {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.UTC)
	var l list
	for i := range 1200 {
		l = append(l, Record{Kind: Entry, Seq: int64(i), Body: fmt.Appendf(nil, `{"seq":%d}`, i)})
	}
	return append(l, Record{Kind: Effect, Key: "k\n\"", Version: "1", State: "clean", Case: "c", At: at, Body: []byte("{}")},
		Record{Kind: Item, Received: at, Due: at, Unverified: true, Attempts: 2, Reason: "r", Body: bytes.Repeat([]byte("x"), 2<<20)},
		Record{Kind: Item, Received: at, Body: []byte{0, 255, 10}})
}

func write(t *testing.T, src Source) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := Write(t.Context(), &b, src, time.Unix(0, 0)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestThereAndBack(t *testing.T) {
	want := sample()
	file := write(t, want)
	s, err := Check(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(map[string]int64{Entry: 1200, Effect: 1, Item: 2}, s.Counts); d != "" || s.Size != 1200 {
		t.Errorf("%d entries, counts (-want +got):\n%s", s.Size, d)
	}
	var got list
	back, err := Restore(t.Context(), bytes.NewReader(file), &got)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(want, got) { // a difference between megabytes is not for reading
		t.Errorf("%d records came back, not the %d that were written", len(got), len(want))
	}
	again, err := Summarise(t.Context(), got)
	if err != nil || back.Root != s.Root || again.Root != s.Root {
		t.Errorf("roots %s, %s and %s, %v", s.Root, back.Root, again.Root, err)
	}
	if empty, err := Summarise(t.Context(), list{}); err != nil || len(empty.Counts) != 0 {
		t.Errorf("an empty store holds %v: %v", empty, err)
	}
}

// A file of which anything is missing, changed or added is told from a whole one.
func TestSpoiled(t *testing.T) {
	small := list{{Kind: Entry, Seq: 0, Body: []byte("a")}, {Kind: Entry, Seq: 1, Body: []byte("b")}, {Kind: Meta, Key: "k", Body: []byte("v")}}
	whole := string(write(t, small))
	lines := strings.SplitAfter(whole, "\n")
	for name, text := range map[string]string{
		"empty":            "",
		"something else":   "hello\n",
		"a later format":   strings.Replace(whole, `"teamsdlp_archive":1`, `"teamsdlp_archive":2`, 1),
		"cut off":          strings.Join(lines[:3], ""),
		"cut in the end":   whole[:len(whole)-1],
		"a line missing":   lines[0] + lines[1] + strings.Join(lines[3:], ""),
		"lines swapped":    lines[0] + lines[2] + lines[1] + strings.Join(lines[3:], ""),
		"a line twice":     lines[0] + lines[1] + lines[2] + lines[3] + lines[3] + lines[4],
		"a byte changed":   strings.Replace(whole, `"key":"k"`, `"key":"l"`, 1),
		"no record":        lines[0] + "{}\n" + strings.Join(lines[1:], ""),
		"not JSON":         lines[0] + "{\n" + strings.Join(lines[1:], ""),
		"more after it":    whole + lines[3],
		"another checksum": strings.Replace(whole, `"sha256":"`, `"sha256":"0`, 1),
	} {
		if _, err := Check(strings.NewReader(text)); !errors.Is(err, errArchive) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := Check(strings.NewReader(whole)); err != nil {
		t.Errorf("whole: %v", err)
	}
}

func TestDumpWithAGap(t *testing.T) {
	for _, bad := range []list{{{Kind: Entry, Seq: 1}}, {{Kind: Entry}, {Kind: Entry, Seq: 2}}, {{Kind: Entry}, {Kind: Entry}}} {
		if _, err := Write(t.Context(), &bytes.Buffer{}, bad, time.Now()); err == nil {
			t.Errorf("a log with the numbers %v was taken", bad)
		}
	}
}
