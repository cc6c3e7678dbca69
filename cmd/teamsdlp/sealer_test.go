package main

import (
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"teamsdlp/config"
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

// slow is a store of which each Forget takes as long as is said, then no time.
type slow struct {
	store
	took  []time.Duration
	calls []time.Time
}

func (s *slow) Forget(_ context.Context, olderThan time.Time) (int64, error) {
	s.calls = append(s.calls, olderThan.AddDate(0, 0, 7))
	if len(s.took) > 0 {
		time.Sleep(s.took[0]) //nolint:forbidigo // the bubble's clock
		s.took = s.took[1:]
	}
	return 0, nil
}

// A clock that is suddenly far ahead deletes nothing for an hour; whoever has had
// nothing to log for long deletes all the same.
func TestRetentionWaitsForTheClock(t *testing.T) {
	const day = 24 * time.Hour
	for _, c := range []struct {
		name   string
		newest time.Duration // how old the newest entry is, 0: there is none
		took   []time.Duration
		want   []time.Duration // when what is old is deleted
	}{
		{"an empty log", 0, nil, []time.Duration{0, time.Hour, 2 * time.Hour}},
		{"a young log", 29 * day, nil, []time.Duration{0, time.Hour, 2 * time.Hour}},
		{"a log of before the clock was set back", -1000 * day, nil, []time.Duration{0, time.Hour, 2 * time.Hour}},
		{"years ahead, or nothing to log", 1000 * day, nil, []time.Duration{time.Hour, 2 * time.Hour}},
		{"set while it runs", day, []time.Duration{31*day + time.Minute}, []time.Duration{0, 31*day + time.Hour, 31*day + 2*time.Hour}},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				begun := time.Now()
				st := &slow{took: c.took}
				s := &service{cfg: &config.Config{ActionLog: config.ActionLog{RetentionDays: 7}}, log: zap.NewNop(), store: st}
				if c.newest != 0 {
					s.newest = begun.Add(-c.newest)
				}
				ctx, cancel := context.WithTimeout(t.Context(), c.want[len(c.want)-1]+time.Minute)
				defer cancel()
				if err := s.retain(ctx); err != nil {
					t.Fatal(err)
				}
				var got []time.Duration
				for _, at := range st.calls {
					got = append(got, at.Sub(begun))
				}
				if !slices.Equal(got, c.want) {
					t.Errorf("deleted after %v, want %v", got, c.want)
				}
			})
		})
	}
}
