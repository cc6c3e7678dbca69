package redis

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/archive"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/cmd/internal/storetest"
	"teamsdlp/subscriptions"
	"teamsdlp/webhook"
)

// From the embedded store to Redis, to a cluster's worth of other partitions, and
// back: every record is there, the tree is the same, and work goes on.
func TestMove(t *testing.T) {
	ctx := t.Context()
	so := sqlite.Options{Dir: t.TempDir(), MinFree: -1, PruneEvery: -1}
	from, err := sqlite.Open(ctx, so)
	must(t, err)
	fill(t, from)
	first, wrote := export(t, from)
	must(t, from.Close())
	if want := map[string]int64{"entry": 24, "checkpoint": 1, "effect": 22, "standing": 21, "item": 8, "quarantined": 2, "subscription": 1, "alive": 1, "meta": 1}; !cmp.Equal(want, wrote.Counts) {
		t.Errorf("exported %v, want %v", wrote.Counts, want)
	}

	o := testOptions(t, sharedServer(t))
	mid := owner(t, o)
	empty, err := archive.Summarise(ctx, mid)
	must(t, err)
	if len(empty.Counts) > 0 {
		t.Errorf("a new store is not empty: %v", empty.Counts)
	}
	_, err = archive.Restore(ctx, bytes.NewReader(first), mid)
	must(t, err)
	sameLog(t, 24, mid)
	second, moved := export(t, mid)
	if d := cmp.Diff(wrote, moved); d != "" {
		t.Errorf("on Redis (-embedded +redis):\n%s", d)
	}
	goesOn(t, func() storetest.Store { must(t, mid.Close()); return owner(t, o) })

	other := testOptions(t, sharedServer(t))
	other.Partitions = 7
	last := owner(t, other)
	_, err = archive.Restore(ctx, bytes.NewReader(second), last)
	must(t, err)
	third, moved := export(t, last)
	if d := cmp.Diff(wrote, moved); d != "" {
		t.Errorf("on Redis with other partitions (-embedded +redis):\n%s", d)
	}

	bo := sqlite.Options{Dir: t.TempDir(), MinFree: -1, PruneEvery: -1}
	back, err := sqlite.Open(ctx, bo)
	must(t, err)
	_, err = archive.Restore(ctx, bytes.NewReader(third), back)
	must(t, err)
	_, moved = export(t, back)
	if d := cmp.Diff(wrote, moved); d != "" {
		t.Errorf("back again (-embedded +back):\n%s", d)
	}
	goesOn(t, func() storetest.Store {
		must(t, back.Close())
		s, err := sqlite.Open(ctx, bo)
		must(t, err)
		t.Cleanup(func() { must(t, s.Close()) })
		return s
	})
}

// What was proved on Redis is proved wherever it is moved.
func TestMoveProved(t *testing.T) {
	ctx := t.Context()
	s := owner(t, testOptions(t, sharedServer(t)))
	items := messages(2)
	items[0].Deferred, items[1].Deferred = []string{"token"}, []string{"token"}
	must(t, s.Put(ctx, items))
	for n := 0; n < 2; {
		claimed, err := s.Claim(ctx, 2)
		must(t, err)
		for _, i := range claimed {
			if n++; i.Resource == items[0].Resource {
				must(t, s.Proved(ctx, i.Receipt))
			}
		}
	}
	unverified := map[string]bool{}
	must(t, s.Dump(ctx, func(rec archive.Record) error {
		item, err := webhook.ReadItem(rec.Body)
		unverified[item.Resource] = rec.Unverified
		return err
	}))
	if want := map[string]bool{items[0].Resource: false, items[1].Resource: true}; !cmp.Equal(want, unverified) {
		t.Errorf("unverified: %v, want %v", unverified, want)
	}
}

// However many items were set aside at one moment, each has a number of its own where it
// is moved to.
func TestMoveQuarantine(t *testing.T) {
	ctx := t.Context()
	o := testOptions(t, sharedServer(t))
	o.Partitions = 1
	s := owner(t, o)
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	const n = 2500
	var list []archive.Record
	for i := range n {
		body, err := json.Marshal(webhook.Item{TenantID: "tenant", Resource: fmt.Sprintf("chats('c')/messages('%d')", i)})
		must(t, err)
		list = append(list, archive.Record{Kind: archive.Quarantined, At: at.Add(-time.Duration(i) * time.Minute), Received: at, Reason: "no key", Body: body})
	}
	for some := range slices.Chunk(list, 500) {
		must(t, s.Restore(ctx, some))
	}
	have, err := s.ListQuarantine(ctx, 0, 5000)
	must(t, err)
	if len(have) != n {
		t.Fatalf("%d in quarantine, want %d", len(have), n)
	}
	for i, q := range have {
		if one, err := s.GetQuarantine(ctx, q.ID); err != nil || one.Item.Resource != q.Item.Resource || q.Item.Resource != fmt.Sprintf("chats('c')/messages('%d')", n-1-i) {
			t.Fatalf("number %d: %q, listed as %q at place %d: %v", q.ID, one.Item.Resource, q.Item.Resource, i, err)
		}
	}
}

func export(t *testing.T, src archive.Source) ([]byte, archive.Summary) {
	t.Helper()
	var b bytes.Buffer
	s, err := archive.Write(t.Context(), &b, src, time.Now())
	must(t, err)
	checked, err := archive.Check(bytes.NewReader(b.Bytes()))
	must(t, err)
	if d := cmp.Diff(s, checked); d != "" {
		t.Errorf("the file (-written +read):\n%s", d)
	}
	return b.Bytes(), s
}

// fill puts something of everything into a store.
func fill(t *testing.T, s *sqlite.Store) {
	t.Helper()
	ctx := t.Context()
	items := messages(10)
	for _, i := range []int{0, 4, 5} {
		items[i].Deferred = []string{"token"}
	}
	must(t, s.Put(ctx, items))
	claimed, err := s.Claim(ctx, 6)
	must(t, err)
	must(t, s.Proved(ctx, claimed[0].Receipt))
	must(t, s.Proved(ctx, claimed[5].Receipt))
	must(t, s.Quarantine(ctx, claimed[0].Receipt, "no key"))
	must(t, s.Quarantine(ctx, claimed[1].Receipt, "no key either"))
	must(t, s.Defer(ctx, claimed[2].Receipt, time.Now().Add(time.Hour), "later"))
	must(t, s.Defer(ctx, claimed[3].Receipt, time.Now().Add(-time.Hour), "now"))
	for i := range 20 {
		e := actions.Effect{MessageKey: keyOf(i), Version: "1", State: actions.StateApplied}
		st := actions.Standing{Case: fmt.Sprint("c", i), Version: "1", Overridden: true}
		if i%4 == 0 {
			e.State, st.Case = actions.StateClean, ""
		}
		must(t, s.Finish(ctx, e, st, "", actions.Entry{Kind: actions.KindResult, Case: st.Case}))
	}
	must(t, s.Decide(ctx, actions.Effect{MessageKey: keyOf(1), Version: "release/x", Order: &actions.OrderRecord{Tip: "t"}}, actions.Standing{Case: "c1", Pending: "release/x"}, actions.Entry{Kind: actions.KindRelease, Case: "c1"}))
	must(t, s.Decide(ctx, actions.Effect{MessageKey: "tenant/chats/z/messages/1", Version: "2"}, actions.Standing{Case: "z"}, actions.Entry{Kind: actions.KindIntent, Case: "z"}))
	must(t, s.Append(ctx, actions.Entry{Kind: actions.KindGap}, actions.Entry{Kind: actions.KindRules}))
	must(t, s.CheckpointSink().Put(ctx, []byte("o\n24\nroot\n")))
	must(t, s.SaveSubscription(ctx, subscriptions.Subscription{LocalID: "a", ID: "id", ClientState: "secret", Status: subscriptions.Active}))
	must(t, s.Alive(ctx, "process", time.Unix(1700000000, 7)))
	must(t, s.SetMeta(ctx, "keys_in_use", "k"))
}

// goesOn wants a store that was moved to do its work.
func goesOn(t *testing.T, reopen func() storetest.Store) {
	t.Helper()
	s := reopen()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	d, err := s.Depth(ctx)
	must(t, err)
	if d.Items != 8 || d.Deferred < 1 || d.Quarantined != 2 || d.Unverified != 1 {
		t.Errorf("depth %+v", d)
	}
	attempts, tokens, seen := 0, 0, map[string]bool{}
	for len(seen) < 7 { // one is due in an hour
		items, err := s.Claim(ctx, 10)
		must(t, err)
		for _, i := range items {
			seen[i.Resource] = true
			attempts += i.Attempts
			tokens += len(i.Deferred)
			must(t, s.Drop(ctx, i.Receipt, "test"))
		}
	}
	if attempts != 1 || tokens != 1 { // of those that were not proved
		t.Errorf("%d attempts and %d tokens, want 1 and 1", attempts, tokens)
	}
	list, err := s.ListQuarantine(ctx, 0, 0)
	must(t, err)
	for _, q := range list {
		whole, err := s.GetQuarantine(ctx, q.ID)
		if must(t, err); whole.Item.Deferred != nil {
			t.Error("an item in quarantine was proved, and has its tokens again")
		}
	}
	if len(list) != 2 || list[0].ID <= list[1].ID {
		t.Errorf("quarantine: %+v", list)
	}
	st, e, err := s.Begin(ctx, keyOf(1), "1")
	must(t, err)
	if !st.Overridden && st.Pending == "" || e.State != actions.StateApplied {
		t.Errorf("standing %+v, effect %+v", st, e)
	}
	if at, err := s.LastAlive(ctx, "process"); err != nil || !at.Equal(time.Unix(1700000000, 7)) {
		t.Errorf("alive at %s: %v", at, err)
	}
	subs, err := s.Subscriptions(ctx)
	must(t, err)
	if len(subs) != 1 || subs[0].ClientState != "secret" {
		t.Errorf("%d subscriptions", len(subs))
	}
	must(t, s.Put(ctx, []webhook.Item{storetest.Item("new", 1)}))
}
