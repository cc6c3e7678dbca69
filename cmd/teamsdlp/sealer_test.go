package main

import (
	"context"
	"testing"
)

// values is a store of names and values alone.
type values struct {
	store
	m map[string]string
}

func (v values) Meta(_ context.Context, key string) (string, bool, error) {
	value, ok := v.m[key]
	return value, ok, nil
}

func (v values) SetMeta(_ context.Context, key, value string) error { v.m[key] = value; return nil }

// Nodes that were rotated again before the leader came to vouch: the key in between
// is on record as in use, and has signed nothing.
func TestAskVouchAgain(t *testing.T) {
	ctx, m := context.Background(), map[string]string{}
	s := &service{store: values{m: m}}
	for _, step := range [][2]string{{"b", "in use: a"}, {"c", "in use: b"}} {
		if err := s.askVouch(ctx, step[0], step[1]); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := m[metaVouch], "c\nin use: a"; got != want {
		t.Errorf("to be vouched for: %q; want %q", got, want)
	}
	m[metaVouch] = "c" // it was done
	for _, step := range [][3]string{
		{"c", "in use: a", "c"}, // of a node that was started at the same time, and comes late
		{"d", "in use: c", "d\nin use: c"},
	} {
		if err := s.askVouch(ctx, step[0], step[1]); err != nil {
			t.Fatal(err)
		}
		if got := m[metaVouch]; got != step[2] {
			t.Errorf("to be vouched for: %q; want %q", got, step[2])
		}
	}
}
