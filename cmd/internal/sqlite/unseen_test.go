package sqlite

import (
	"testing"

	"teamsdlp/actions"
	"teamsdlp/webhook"
)

// messageItem is an item about a message, and the message's key.
func messageItem(id string) (webhook.Item, string) {
	item := testItem("chats('19:a')/messages('" + id + "')")
	return item, actions.Target{Tenant: item.TenantID, ChatID: "19:a", MessageID: id}.Key()
}

// A claim learns of which of its messages nothing is stored, and forgets it when
// something is about to be.
func TestUnseen(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	var keys []string
	put := func(ids ...string) {
		var items []webhook.Item
		for _, id := range ids {
			item, key := messageItem(id)
			items, keys = append(items, item), append(keys, key)
		}
		must(t, s.Put(ctx, items))
	}
	known := actions.Standing{Version: "1", Judged: true}
	_, seen := messageItem("1")
	must(t, s.Finish(ctx, effect(seen, "1", actions.StateClean), known, ""))
	put("1", "2", "3", "3")
	_, items := claim(t, s, 4)
	want := func(when string, unseen ...bool) {
		t.Helper()
		for i, key := range keys[:3] {
			if s.unseen.has(key) != unseen[i] {
				t.Errorf("%s: %s unseen: %v", when, key, !unseen[i])
			}
			st, e, err := s.Begin(ctx, key, "1")
			if err != nil || st.Judged == unseen[i] || e.MessageKey != key || e.Version != "1" || (e.State == "") != unseen[i] {
				t.Errorf("%s: %s: found %+v, %+v, %v", when, key, st, e, err)
			}
		}
	}
	want("claimed", false, true, true)
	must(t, s.Finish(ctx, effect(keys[2], "1", actions.StateClean), known, items[2].Receipt))
	want("finished", false, true, false)
	must(t, s.Decide(ctx, effect(keys[1], "1", ""), known))
	want("decided", false, false, false)

	// What is written between a claim's read and its end is not unseen.
	for _, during := range []bool{true, false} {
		done := func() {}
		if !during {
			done = s.unseen.write("t/m")
		}
		s.unseen.begin()
		if during {
			s.unseen.write("t/m")()
		}
		s.unseen.end([]string{"t/m", "t/n"})
		done()
		if s.unseen.has("t/m") || !s.unseen.has("t/n") {
			t.Errorf("written during the read %v: unseen", during)
		}
	}
	if len(s.unseen.writing) != 0 {
		t.Errorf("writes that ended are under way: %v", s.unseen.writing)
	}
}

// What is remembered is bounded, whatever becomes of the items.
func TestUnseenIsBounded(t *testing.T) {
	var u unseen
	for i := range 3 * maxUnseen {
		_, key := messageItem(string(rune('a'+i%26)) + string(rune(i)))
		u.begin()
		u.end([]string{key})
	}
	if len(u.keys) == 0 || len(u.keys) > maxUnseen {
		t.Errorf("%d keys", len(u.keys))
	}
}
