package sqlite

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"teamsdlp/actions"
)

// What the store answers is what the ledger in memory answers, for every call
// and every filter, over random histories.
func TestLikeMemory(t *testing.T) {
	for seed := range uint64(8) {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			g := generator{rand.New(rand.NewPCG(seed, 1))}
			ctx := t.Context()
			s, m := openTest(t, testOptions(t.TempDir())), actions.NewMemory()
			same := cmp.Options{cmpopts.EquateEmpty(), cmpopts.IgnoreFields(actions.Entry{}, "ID")}
			check := func(doing string, want, got any, wantErr, gotErr error) {
				t.Helper()
				for _, is := range []error{actions.ErrFinished, actions.ErrNotFound} {
					if errors.Is(wantErr, is) != errors.Is(gotErr, is) {
						t.Fatalf("%s: memory says %v, the store %v", doing, wantErr, gotErr)
					}
				}
				if (wantErr == nil) != (gotErr == nil) {
					t.Fatalf("%s: memory says %v, the store %v", doing, wantErr, gotErr)
				}
				if d := cmp.Diff(want, got, same); d != "" {
					t.Fatalf("%s (-memory +store):\n%s", doing, d)
				}
			}
			for range 60 {
				e := actions.Effect{MessageKey: g.one("m1", "m2", "m3"), Version: g.one("1", "2"), Updated: g.time()}
				st := actions.Standing{Case: g.one("", "a", "b"), Version: e.Version, Overridden: g.N(2) == 0}
				entries := g.entries()
				switch g.N(3) {
				case 0:
					check("Append", nil, nil, m.Append(ctx, entries...), s.Append(ctx, entries...))
				case 1:
					e.State = actions.StateDecided
					check("Decide", nil, nil, m.Decide(ctx, e, st, entries...), s.Decide(ctx, e, st, entries...))
				case 2:
					e.State = actions.State(g.one("applied", "clean", "shadow", "failed"))
					check("Finish", nil, nil, m.Finish(ctx, e, st, "", entries...), s.Finish(ctx, e, st, "", entries...))
				}
				wantS, wantE, wantErr := m.Begin(ctx, e.MessageKey, e.Version)
				gotS, gotE, gotErr := s.Begin(ctx, e.MessageKey, e.Version)
				check("Begin", []any{wantS, wantE}, []any{gotS, gotE}, wantErr, gotErr)
			}
			for range 300 {
				f := g.filter()
				want, wantErr := m.Entries(ctx, f)
				got, gotErr := s.Entries(ctx, f)
				check(fmt.Sprintf("Entries %+v", f), want, got, wantErr, gotErr)
				f.Kind, f.After = "", nil
				f.State = g.one("", "", "open", "overridden", "reported", "released", "edited", "deleted")
				wantC, wantErr := m.Cases(ctx, f)
				gotC, gotErr := s.Cases(ctx, f)
				check(fmt.Sprintf("Cases %+v", f), wantC, gotC, wantErr, gotErr)
			}
			for _, id := range []string{"a", "b", "c", "d", ""} {
				wantC, wantE, wantErr := m.Case(ctx, id)
				gotC, gotE, gotErr := s.Case(ctx, id)
				check("Case "+id, []any{wantC, wantE}, []any{gotC, gotE}, wantErr, gotErr)
			}
			checkTree(t, s.Reader)
		})
	}
}

// generator makes values that collide often.
type generator struct{ *rand.Rand }

func (g generator) one(list ...string) string { return list[g.N(len(list))] }
func (g generator) N(n int) int               { return g.IntN(n) }

func (g generator) time() time.Time {
	return time.Date(2026, 3, 1, 12, 0, g.N(30), g.N(3), time.UTC)
}

func (g generator) entries() []actions.Entry {
	list := make([]actions.Entry, g.N(3))
	for i := range list {
		e := actions.Entry{
			Case: g.one("", "a", "b", "c"), Time: g.time(), Tenant: g.one("t1", "t2"), Label: g.one("", "", "true-positive"),
			Kind:    actions.Kind(g.one("intent", "result", "shadow", "override", "report", "edit", "deleted", "label", "gap")),
			Action:  actions.Action(g.one("none", "notify", "block")),
			Outcome: actions.Outcome(g.one("", "applied", "pending")),
			Message: &actions.Message{ID: "m", Version: g.one("1", "2"), SentAt: g.time()},
		}
		if g.N(2) == 0 {
			e.Conversation = &actions.Conversation{ID: g.one("c1", "c2")}
			e.Sender = &actions.Sender{ID: g.one("", "u1", "u2"), Name: g.one("", "Ann", "Bo%_", "Zoë")}
		}
		for range g.N(3) {
			e.Rules = append(e.Rules, actions.RuleResult{
				ID: g.one("r1", "r2"), Severity: g.one("", "low", "medium", "high", "critical"), Result: g.one("matched", "near_miss"),
				Matched: []actions.Match{{Detector: g.one("d1", "d2")}},
			})
		}
		list[i] = e
	}
	return list
}

// filter sets few fields, so that something is left.
func (g generator) filter() actions.Filter {
	var f actions.Filter
	for range 1 + g.N(3) {
		switch g.N(15) {
		case 0:
			f.Tenant = g.one("t1", "t2", "t3")
		case 1:
			f.Conversation = g.one("c1", "c2")
		case 2:
			f.Sender = g.one("u1", "ann", "%", "_", "ZOË", "o")
		case 3:
			f.Rule = g.one("r1", "r2", "r3")
		case 4:
			f.Detector = g.one("d1", "d2", "d3")
		case 5:
			f.Severity = g.one("low", "medium", "high", "critical")
		case 6:
			f.Action = actions.Action(g.one("none", "notify", "block"))
		case 7:
			f.Outcome = actions.Outcome(g.one("applied", "pending"))
		case 8:
			f.Kind = actions.Kind(g.one("intent", "shadow", "label"))
		case 9:
			f.Case = g.one("a", "b", "d")
		case 10:
			f.Since = g.time()
		case 11:
			f.Until = g.time()
		case 12:
			f.Before = int64(g.N(60))
		case 13:
			f.Limit = g.N(10)
		case 14:
			after := int64(g.N(60)) - 1
			f.After = &after
		}
	}
	return f
}
