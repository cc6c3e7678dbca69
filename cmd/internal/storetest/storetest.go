// Package storetest holds the acceptance suite of the stores behind the webhook,
// the pipeline and the subscription manager; [teamsdlp/actions/actionstest] has
// that of the action log. Whatever passes both can carry the product.
package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/pipeline"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/subscriptions"
	"teamsdlp/webhook"
)

// Store is what is tested.
type Store interface {
	webhook.Inbox
	pipeline.Inbox
	actions.Ledger
	subscriptions.Store
	Depth(ctx context.Context) (sqlite.Depth, error)
	ListQuarantine(ctx context.Context, before int64, limit int) ([]sqlite.Quarantined, error)
	GetQuarantine(ctx context.Context, id int64) (sqlite.Quarantined, error)
	RetryQuarantine(ctx context.Context, id int64) error
	DropQuarantine(ctx context.Context, id int64) error
	CountWaiting(ctx context.Context, prefix string) ([]sqlite.WaitingFor, error)
	RecallWaiting(ctx context.Context, prefix string, most int) error
	Meta(ctx context.Context, key string) (string, bool, error)
	SetMeta(ctx context.Context, key, value string) error
}

// Bounds are the bounds of a store's inbox.
type Bounds struct{ Items, Bytes, Unverified int64 }

// Opener opens stores for one test.
type Opener interface {
	// Open returns a store that is empty and ready.
	Open(t *testing.T, b Bounds) Store
	// Reopen ends the store's process, as it were, and opens what it left.
	Reopen(t *testing.T, s Store) Store
}

// Errors are those of the implementation that the suite asks for.
type Errors struct{ Receipt, NotClaimed error }

type suite struct {
	*testing.T
	Store
	open Opener
	is   Errors
}

// Test runs the suite.
func Test(t *testing.T, open Opener, is Errors) {
	for _, tt := range []struct {
		name string
		b    Bounds
		run  func(*suite)
	}{
		{"OrderAndRestart", Bounds{}, orderAndRestart},
		{"EndedStaysEnded", Bounds{}, endedStaysEnded},
		{"DeferOutlivesRestart", Bounds{}, deferOutlivesRestart},
		{"Recall", Bounds{}, recall},
		{"WaitingFor", Bounds{}, waitingFor},
		{"FinishEndsTheRow", Bounds{}, finishEndsTheRow},
		{"Receipts", Bounds{}, receipts},
		{"QuarantineAndBack", Bounds{}, quarantineAndBack},
		{"ProvedStaysProved", Bounds{}, provedStaysProved},
		{"ItemBound", Bounds{Items: 2}, itemBound},
		{"ByteBound", Bounds{Bytes: 4500}, byteBound},
		{"UnverifiedBound", Bounds{Unverified: 1}, unverifiedBound},
		{"ClaimWaits", Bounds{}, claimWaits},
		{"Hostile", Bounds{}, hostile},
		{"Subscriptions", Bounds{}, subscriptionTable},
		{"AliveAndMeta", Bounds{}, aliveAndMeta},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tt.run(&suite{t, open.Open(t, tt.b), open, is})
		})
	}
}

// Item is an item of about 2 KB about message n of a conversation.
func Item(conversation string, n int) webhook.Item {
	letters := func(n int) string {
		b := make([]byte, n)
		for i := range b {
			b[i] = 'A' + byte(i*7%26)
		}
		return string(b)
	}
	return webhook.Item{
		Received:       time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC),
		SubscriptionID: "sub", TenantID: "tenant", AppID: "app", ChangeType: "created",
		Resource: fmt.Sprintf("chats('%s')/messages('%d')", conversation, n),
		Encrypted: &webhook.EncryptedContent{
			Data: letters(1400), DataKey: letters(344), DataSignature: fmt.Sprint(conversation, n),
			CertificateID: "cert-1", CertificateThumbprint: "AB12",
		},
	}
}

// Items are items 1 to n of a conversation.
func Items(conversation string, n int) []webhook.Item {
	list := make([]webhook.Item, n)
	for i := range list {
		list[i] = Item(conversation, i+1)
	}
	return list
}

func (s *suite) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) want(doing string, err, want error) {
	s.Helper()
	if !errors.Is(err, want) {
		s.Errorf("%s: got error %v, want %v", doing, err, want)
	}
}

// claim claims n items, however many calls that takes.
func (s *suite) claim(n int) []webhook.Item {
	s.Helper()
	ctx, cancel := context.WithTimeout(s.Context(), 2*time.Minute)
	defer cancel()
	var list []webhook.Item
	for len(list) < n {
		items, err := s.Claim(ctx, n-len(list))
		if err != nil {
			s.Fatalf("claimed %d of %d: %v", len(list), n, err)
		}
		list = append(list, items...)
	}
	return list
}

// nothing fails if there is something to claim: it puts in a last item and wants
// to see that one only.
func (s *suite) nothing(doing string) {
	s.Helper()
	last := Item("c", 999)
	s.must(s.Put(s.Context(), []webhook.Item{last}))
	got := s.claim(1)
	if got[0].Resource != last.Resource {
		s.Errorf("%s: claimed %s", doing, got[0].Resource)
	}
	s.must(s.Drop(s.Context(), got[0].Receipt, "test"))
}

func (s *suite) depth(want sqlite.Depth) {
	s.Helper()
	d, err := s.Depth(s.Context())
	s.must(err)
	d.Bytes, d.OldestReceived = 0, time.Time{}
	if diff := cmp.Diff(want, d); diff != "" {
		s.Errorf("depth (-want +got):\n%s", diff)
	}
}

func resources(items []webhook.Item) []string {
	var list []string
	for _, i := range items {
		list = append(list, i.Resource)
	}
	return list
}

func (s *suite) reopen() { s.Store = s.open.Reopen(s.T, s.Store) }

func orderAndRestart(s *suite) {
	items := Items("c", 40)
	s.must(s.Put(s.Context(), items[:10]))
	s.must(s.Put(s.Context(), items[10:]))
	got := s.claim(40)
	for i, g := range got {
		receipt := g.Receipt
		if receipt == "" || g.Attempts != 0 {
			s.Errorf("item %d: receipt %q, %d attempts", i, receipt, g.Attempts)
		}
		g.Receipt = ""
		if d := cmp.Diff(items[i], g); d != "" {
			s.Fatalf("item %d (-want +got):\n%s", i, d)
		}
	}
	for _, g := range got[:5] {
		s.must(s.Drop(s.Context(), g.Receipt, "test"))
	}
	s.depth(sqlite.Depth{Items: 35, InFlight: 35})
	s.reopen() // what was in flight comes again, in order
	s.depth(sqlite.Depth{Items: 35})
	if d := cmp.Diff(resources(items[5:]), resources(s.claim(35))); d != "" {
		s.Errorf("after a restart (-want +got):\n%s", d)
	}
}

func endedStaysEnded(s *suite) {
	s.must(s.Put(s.Context(), Items("c", 2)))
	got := s.claim(2)
	for range 3 {
		s.must(s.Drop(s.Context(), got[0].Receipt, "test"))
	}
	s.depth(sqlite.Depth{Items: 1, InFlight: 1})
	s.want("proving an ended row", s.Proved(s.Context(), got[0].Receipt), s.is.NotClaimed)
	s.want("deferring an ended row", s.Defer(s.Context(), got[0].Receipt, time.Now(), ""), s.is.NotClaimed)
	s.want("quarantining an ended row", s.Quarantine(s.Context(), got[0].Receipt, ""), s.is.NotClaimed)
	s.must(s.Drop(s.Context(), got[1].Receipt, "test"))
	s.reopen()
	s.depth(sqlite.Depth{})
	s.nothing("all were ended")
}

// Who is recalled comes before those who are due, in the order that was asked for;
// what is claimed, has ended or was never there stays as it is.
func recall(s *suite) {
	ctx := s.Context()
	s.must(s.Put(ctx, Items("c", 5)))
	got := s.claim(5)
	for _, g := range got[:3] {
		s.must(s.Defer(ctx, g.Receipt, time.Now().Add(time.Hour), "later"))
	}
	s.must(s.Drop(ctx, got[3].Receipt, "test"))
	s.must(s.Recall(ctx, []string{got[2].Receipt, got[0].Receipt, got[3].Receipt, got[4].Receipt}))
	s.depth(sqlite.Depth{Items: 4, InFlight: 1, Deferred: 3})
	for _, want := range []webhook.Item{got[2], got[0]} {
		if again := s.claim(1)[0]; again.Receipt != want.Receipt || again.Attempts != 1 {
			s.Errorf("recalled: row %s with %d attempts, want %s with 1", again.Receipt, again.Attempts, want.Receipt)
		}
	}
	s.nothing("one was not recalled, one is claimed, one has ended")
	s.depth(sqlite.Depth{Items: 4, InFlight: 3, Deferred: 1})
}

func waitingFor(s *suite) {
	ctx := s.Context()
	list, err := s.CountWaiting(ctx, "")
	if s.must(err); len(list) != 0 {
		s.Errorf("waiting in an empty store: %v", list)
	}
	begun := time.Now().Add(-time.Second)
	s.must(s.Put(ctx, Items("c", 7)))
	got := s.claim(7)
	for i, reason := range []string{"föö: b", "föö: a", "fö", "föö: a", "föö: a", "FÖÖ: a"} {
		s.must(s.Defer(ctx, got[i].Receipt, time.Now().Add(time.Duration(1+i)*time.Hour), reason))
	}
	check := func(doing string) {
		s.Helper()
		list, err := s.CountWaiting(ctx, "föö")
		s.must(err)
		want := []struct {
			reason string
			items  int
			next   time.Duration
		}{{"föö: a", 3, 2 * time.Hour}, {"föö: b", 1, time.Hour}}
		if len(list) != len(want) {
			s.Fatalf("%s: got %+v, want %v", doing, list, want)
		}
		for i, w := range want {
			// SQLite keeps when it was received, Redis when it was stored.
			since := list[i].Since.Equal(got[0].Received) || list[i].Since.After(begun)
			next := begun.Add(w.next)
			if list[i].Reason != w.reason || list[i].Items != w.items || !since || list[i].Next.Before(next) || list[i].Next.After(time.Now().Add(w.next)) {
				s.Errorf("%s: got %+v, want %v", doing, list[i], w)
			}
		}
	}
	check("by reason")
	s.reopen()
	check("after a restart")
	s.must(s.RecallWaiting(ctx, "nothing", 10))
	s.must(s.RecallWaiting(ctx, "föö", 2))
	want := []string{got[0].Resource, got[1].Resource, got[6].Resource} // that one was claimed when the process ended
	if back := resources(s.claim(3)); !slices.Equal(slices.Sorted(slices.Values(back)), want) {
		s.Errorf("recalled %q, want %q", back, want)
	}
	s.nothing("more was recalled")
	if list, err := s.CountWaiting(ctx, "föö"); err != nil || len(list) != 2 || list[0].Items != 3 {
		s.Errorf("while some are tried: %+v, %v", list, err)
	}
}

func deferOutlivesRestart(s *suite) {
	ctx := s.Context()
	s.must(s.Put(ctx, Items("c", 3)))
	got := s.claim(3)
	s.must(s.Defer(ctx, got[0].Receipt, time.Now().Add(time.Hour), "later"))
	s.must(s.Defer(ctx, got[1].Receipt, time.Now().Add(-time.Second), "now"))
	again := s.claim(1)
	if again[0].Resource != got[1].Resource || again[0].Attempts != 1 || again[0].Receipt != got[1].Receipt {
		s.Errorf("due again is %s with %d attempts and receipt %s; was %s", again[0].Resource, again[0].Attempts, again[0].Receipt, got[1].Receipt)
	}
	s.must(s.Defer(ctx, again[0].Receipt, time.Now().Add(300*time.Millisecond), "soon"))
	s.depth(sqlite.Depth{Items: 3, InFlight: 1, Deferred: 2})
	s.reopen()
	back := map[string]int{} // the one in flight, and the one that becomes due
	for _, g := range s.claim(2) {
		back[g.Resource] = g.Attempts
	}
	if d := cmp.Diff(map[string]int{got[2].Resource: 0, got[1].Resource: 2}, back); d != "" {
		s.Errorf("attempts after a restart (-want +got):\n%s", d)
	}
	s.depth(sqlite.Depth{Items: 3, InFlight: 2, Deferred: 1})
}

func finishEndsTheRow(s *suite) {
	ctx := s.Context()
	s.must(s.Put(ctx, Items("c", 3)))
	got := s.claim(3)
	e := actions.Effect{MessageKey: "tenant/chats/c/messages/1", Version: "1", State: actions.StateClean}
	s.must(s.Finish(ctx, e, actions.Standing{Version: "1"}, got[0].Receipt))
	s.depth(sqlite.Depth{Items: 2, InFlight: 2})
	// Finished already: nothing is written, and the row ends all the same.
	s.want("finishing again", s.Finish(ctx, e, actions.Standing{Version: "2"}, got[1].Receipt), actions.ErrFinished)
	s.depth(sqlite.Depth{Items: 1, InFlight: 1})
	st, _, err := s.Begin(ctx, e.MessageKey, "1")
	s.must(err)
	if st.Version != "1" {
		s.Errorf("the standing is of version %s", st.Version)
	}
	// A decided effect leaves the row.
	e.Version = "3"
	s.must(s.Decide(ctx, e, actions.Standing{Version: "3"}))
	s.depth(sqlite.Depth{Items: 1, InFlight: 1})
	e.State = actions.StateApplied
	s.must(s.Finish(ctx, e, actions.Standing{Version: "3"}, got[2].Receipt))
	s.depth(sqlite.Depth{})
	s.reopen()
	_, kept, err := s.Begin(ctx, e.MessageKey, "3")
	s.must(err)
	if kept.State != actions.StateApplied {
		s.Errorf("after a restart the effect is %q", kept.State)
	}
	s.nothing("all were finished")
}

func receipts(s *suite) {
	ctx := s.Context()
	for _, r := range []string{"", "x", "-1", "0", "1.5", "p/1-0/1/0", "p1/1/1/0", "q1/1-0/1/0", "p1/1-0/-1/0", "p1/1-0/1/2", "p1/1-0/1/0/0", "99999999999999999999", "1; DROP TABLE inbox", "p-3/1-0/1/0"} {
		s.want("Drop "+r, s.Drop(ctx, r, ""), s.is.Receipt)
		s.want("Proved "+r, s.Proved(ctx, r), s.is.Receipt)
		s.want("Defer "+r, s.Defer(ctx, r, time.Now(), ""), s.is.Receipt)
		s.want("Quarantine "+r, s.Quarantine(ctx, r, ""), s.is.Receipt)
		s.want("Recall "+r, s.Recall(ctx, []string{r}), s.is.Receipt)
	}
	// An old receipt never ends a new row.
	s.must(s.Put(ctx, Items("c", 1)))
	old := s.claim(1)[0]
	s.must(s.Drop(ctx, old.Receipt, ""))
	s.must(s.Put(ctx, []webhook.Item{Item("c", 2)}))
	s.must(s.Drop(ctx, old.Receipt, "stale"))
	if got := s.claim(1); got[0].Resource != Item("c", 2).Resource {
		s.Errorf("claimed %s", got[0].Resource)
	}
}

func quarantineAndBack(s *suite) {
	ctx := s.Context()
	a, b := Item("c", 1), Item("d", 1)
	a.Deferred = []string{"token"}
	s.must(s.Put(ctx, []webhook.Item{a, b}))
	got := s.claim(2)
	reasons := map[string]string{a.Resource: "unknown certificate", b.Resource: "signature does not match"}
	for _, g := range got {
		s.must(s.Quarantine(ctx, g.Receipt, reasons[g.Resource]))
	}
	s.want("quarantining twice", s.Quarantine(ctx, got[1].Receipt, ""), s.is.NotClaimed)
	s.depth(sqlite.Depth{Quarantined: 2})
	s.reopen()
	list, err := s.ListQuarantine(ctx, 0, 0)
	s.must(err)
	if len(list) != 2 || list[0].ID <= list[1].ID {
		s.Fatalf("quarantine lists %+v", list)
	}
	ids := map[string]int64{}
	for _, q := range list {
		ids[q.Item.Resource] = q.ID
		if q.Reason != reasons[q.Item.Resource] || q.At.IsZero() || q.Size == 0 {
			s.Errorf("listed %+v", q)
		}
		if q.Item.Encrypted.Data != "" || q.Item.Encrypted.DataKey != "" || q.Item.Deferred != nil || q.Item.Encrypted.CertificateID != "cert-1" {
			s.Errorf("listed item %+v", q.Item)
		}
	}
	page, err := s.ListQuarantine(ctx, list[0].ID, 1)
	s.must(err)
	if len(page) != 1 || page[0].ID != list[1].ID {
		s.Errorf("the next page is %+v", page)
	}
	whole, err := s.GetQuarantine(ctx, ids[a.Resource])
	s.must(err)
	if d := cmp.Diff(a, whole.Item); d != "" {
		s.Errorf("quarantined item (-want +got):\n%s", d)
	}
	s.must(s.RetryQuarantine(ctx, ids[a.Resource]))
	s.depth(sqlite.Depth{Items: 1, Unverified: 1, Quarantined: 1})
	back := s.claim(1)[0]
	a.Receipt = back.Receipt
	if d := cmp.Diff(a, back); d != "" {
		s.Errorf("retried item (-want +got):\n%s", d)
	}
	s.must(s.DropQuarantine(ctx, ids[b.Resource]))
	s.depth(sqlite.Depth{Items: 1, Unverified: 1, InFlight: 1})
	for _, id := range []int64{ids[a.Resource], ids[b.Resource], 0, -1, 1 << 60} {
		_, err := s.GetQuarantine(ctx, id)
		s.want("Get", err, sqlite.ErrNotQuarantined)
		s.want("Retry", s.RetryQuarantine(ctx, id), sqlite.ErrNotQuarantined)
		s.want("Drop", s.DropQuarantine(ctx, id), sqlite.ErrNotQuarantined)
	}
}

// An item that was proved comes without its tokens, wherever it has been; one that was
// not comes with them.
func provedStaysProved(s *suite) {
	ctx := s.Context()
	a, b := Item("c", 1), Item("d", 1)
	a.Deferred, b.Deferred = []string{"token"}, []string{"token"}
	s.must(s.Put(ctx, []webhook.Item{a, b}))
	receipts := map[string]string{}
	come := func(doing string, items []webhook.Item) (of map[string]webhook.Item) {
		s.Helper()
		of = map[string]webhook.Item{}
		for _, i := range items {
			of[i.Resource] = i
			if want := map[string]int{a.Resource: 0, b.Resource: 1}[i.Resource]; len(i.Deferred) != want {
				s.Errorf("%s: %s has %d tokens, want %d", doing, i.Resource, len(i.Deferred), want)
			}
		}
		return of
	}
	for _, g := range s.claim(2) {
		receipts[g.Resource] = g.Receipt
	}
	s.depth(sqlite.Depth{Items: 2, InFlight: 2, Unverified: 2})
	for range 2 {
		s.must(s.Proved(ctx, receipts[a.Resource]))
	}
	s.depth(sqlite.Depth{Items: 2, InFlight: 2, Unverified: 1})
	s.must(s.Defer(ctx, receipts[a.Resource], time.Now().Add(-time.Second), "now"))
	again := come("put back", s.claim(1))
	if got := again[a.Resource]; got.Receipt != receipts[a.Resource] || got.Attempts != 1 {
		s.Errorf("put back: %+v, want row %s", got, receipts[a.Resource])
	}
	s.reopen()
	for _, g := range come("after a restart", s.claim(2)) {
		s.must(s.Quarantine(ctx, g.Receipt, "unknown certificate"))
	}
	s.depth(sqlite.Depth{Quarantined: 2})
	s.reopen()
	list, err := s.ListQuarantine(ctx, 0, 0)
	s.must(err)
	for _, q := range list {
		whole, err := s.GetQuarantine(ctx, q.ID)
		s.must(err)
		come("in quarantine", []webhook.Item{whole.Item})
		s.must(s.RetryQuarantine(ctx, q.ID))
	}
	s.depth(sqlite.Depth{Items: 2, Unverified: 1})
	back := come("retried", s.claim(2))
	if len(back) != 2 {
		s.Fatalf("retried: %v", back)
	}
	for _, g := range back {
		s.must(s.Drop(ctx, g.Receipt, "test"))
	}
	s.depth(sqlite.Depth{})
}

// filled wants that the last of items does not fit until one was ended.
func (s *suite) filled(items ...webhook.Item) {
	s.Helper()
	ctx := s.Context()
	last := items[len(items)-1]
	for _, i := range items[:len(items)-1] {
		s.must(s.Put(ctx, []webhook.Item{i}))
	}
	_, err := s.Depth(ctx) // a shared store counts now and then
	s.must(err)
	s.want("Put beyond the bound", s.Put(ctx, []webhook.Item{last}), webhook.ErrFull)
	got := s.claim(len(items) - 1)
	s.must(s.Drop(ctx, got[0].Receipt, "test"))
	_, err = s.Depth(ctx)
	s.must(err)
	s.must(s.Put(ctx, []webhook.Item{last}))
}

func itemBound(s *suite) {
	s.want("more than all at once", s.Put(s.Context(), Items("c", 3)), webhook.ErrFull)
	s.depth(sqlite.Depth{})
	s.filled(Item("c", 1), Item("d", 1), Item("e", 1))
}

func byteBound(s *suite) { s.filled(Item("c", 1), Item("d", 1), Item("e", 1)) }

func unverifiedBound(s *suite) {
	u, v := Item("c", 1), Item("d", 1)
	u.Deferred, v.Deferred = []string{"token"}, []string{"token"}
	s.filled(u, v)
	s.must(s.Put(s.Context(), Items("e", 1))) // one that is verified still fits
}

func claimWaits(s *suite) {
	ctx, cancel := context.WithCancel(s.Context())
	got := make(chan error, 1)
	go func() {
		_, err := s.Claim(ctx, 1)
		got <- err
	}()
	cancel()
	s.want("a claim that was given up", <-got, context.Canceled)
	found := make(chan string, 1)
	go func() {
		items, err := s.Claim(s.Context(), 1)
		if err != nil || len(items) != 1 {
			found <- fmt.Sprint(len(items), err)
			return
		}
		found <- items[0].Resource
	}()
	item := Item("c", 1)
	s.must(s.Put(s.Context(), []webhook.Item{item}))
	if r := <-found; r != item.Resource {
		s.Errorf("a waiting claim got %s", r)
	}
}

// hostile: what an attacker can put into names comes back as it was.
func hostile(s *suite) {
	var items []webhook.Item
	for i, name := range []string{"a/messages/b", "{p0}", "{lead}", "%00", "é🙂", "..'", "a\\b", "*", "19:x@thread.v2"} {
		item := Item("c", 1)
		item.Resource = "chats('" + name + "')/messages('1')"
		item.Encrypted.DataSignature = fmt.Sprint(i)
		items = append(items, item)
	}
	unreadable := Item("c", 1)
	unreadable.Resource, unreadable.Encrypted.DataSignature = "nonsense", "n"
	items = append(items, unreadable)
	s.must(s.Put(s.Context(), items))
	got := s.claim(len(items))
	want := resources(items)
	slices.Sort(want)
	have := resources(got)
	slices.Sort(have)
	if d := cmp.Diff(want, have); d != "" {
		s.Errorf("(-want +got):\n%s", d)
	}
	for _, g := range got {
		ref, err := webhook.ParseResource(g.Resource)
		if err != nil {
			s.must(s.Drop(s.Context(), g.Receipt, "test"))
			continue
		}
		key := actions.Target{Tenant: g.TenantID, ChatID: ref.ChatID, MessageID: ref.MessageID}.Key()
		if err := s.Finish(s.Context(), actions.Effect{MessageKey: key, Version: "1", State: actions.StateClean}, actions.Standing{}, g.Receipt); err != nil {
			s.Errorf("finishing %s: %v", g.Resource, err)
		}
	}
	s.depth(sqlite.Depth{})
}

func subscriptionTable(s *suite) {
	ctx := s.Context()
	list, err := s.Subscriptions(ctx)
	s.must(err)
	if len(list) != 0 {
		s.Fatalf("a new store has %d subscriptions", len(list))
	}
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	a := subscriptions.Subscription{LocalID: "a", TenantID: "t", AppID: "app", Resource: "chats/getAllMessages", ChangeTypes: "created",
		ClientState: "secret", NotificationURL: "n", LifecycleURL: "l", CertificateID: "c", Status: subscriptions.Pending}
	b := a
	b.LocalID, b.ID, b.Status, b.Created, b.Renewed, b.Expires, b.RetiredAt, b.LastNotified = "b", "id", subscriptions.Retired, at, at, at, at, at
	s.must(s.SaveSubscription(ctx, b))
	s.must(s.SaveSubscription(ctx, a))
	a.ID, a.Status = "a-id", subscriptions.Active
	s.must(s.SaveSubscription(ctx, a))
	if s.SaveSubscription(ctx, subscriptions.Subscription{}) == nil {
		s.Error("a subscription without local id was saved")
	}
	for range 2 {
		list, err = s.Subscriptions(ctx)
		s.must(err)
		if d := cmp.Diff([]string{fmt.Sprintf("%+q", []any{a.LocalID, a.ID, a.Status, a.ClientState}), fmt.Sprintf("%+q", []any{b.LocalID, b.ID, b.Status, b.ClientState})},
			func() (got []string) {
				for _, x := range list {
					got = append(got, fmt.Sprintf("%+q", []any{x.LocalID, x.ID, x.Status, x.ClientState}))
				}
				return got
			}()); d != "" {
			s.Errorf("subscriptions (-want +got):\n%s", d)
		}
		if !list[1].RetiredAt.Equal(at) || !list[1].LastNotified.Equal(at) {
			s.Errorf("times are %s and %s, want %s", list[1].RetiredAt, list[1].LastNotified, at)
		}
		s.reopen()
	}
	s.must(s.DeleteSubscription(ctx, "a"))
	s.must(s.DeleteSubscription(ctx, "nobody"))
	list, err = s.Subscriptions(ctx)
	s.must(err)
	if len(list) != 1 || list[0].LocalID != "b" {
		s.Errorf("%d subscriptions are left", len(list))
	}
}

func aliveAndMeta(s *suite) {
	ctx := s.Context()
	at := time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC)
	got, err := s.LastAlive(ctx, "x")
	s.must(err)
	if !got.IsZero() {
		s.Errorf("never alive, and yet at %s", got)
	}
	s.must(s.Alive(ctx, "x", at.Add(-time.Hour)))
	s.must(s.Alive(ctx, "x", at))
	_, found, err := s.Meta(ctx, "k")
	s.must(err)
	if found {
		s.Error("a key that nobody wrote was found")
	}
	s.must(s.SetMeta(ctx, "k", "1"))
	s.must(s.SetMeta(ctx, "k", "2"))
	s.reopen()
	got, err = s.LastAlive(ctx, "x")
	s.must(err)
	v, found, err := s.Meta(ctx, "k")
	s.must(err)
	if !got.Equal(at) || v != "2" || !found {
		s.Errorf("after a restart: %s, %q", got, v)
	}
}
