package test

import (
	"testing"
)

// TestShadow: a thousand messages that only a shadow rule matches are a thousand
// entries and not one PATCH.
func TestShadow(t *testing.T) {
	t.Parallel()
	const messages = 1000
	twin := newTwin(t)
	s := newSite(t, twin.URL()).up()
	x := newTraffic(t, twin)
	said := map[string]bool{}
	for i := range messages {
		said[say(t, twin, "ana", x.rooms[i%len(x.rooms)], "meet me in the glasshouse").GraphID] = true
	}
	s.settle(twin)
	if list := twin.Patches(); len(list) > 0 {
		t.Fatalf("%d PATCHes, the first: %+v", len(list), list[0])
	}
	for _, e := range s.entries("kind=shadow") {
		if e.Target == nil || !said[e.Target.MessageID] {
			t.Errorf("entry %d is about no message, or one that has an entry", e.Seq)
			continue
		}
		delete(said, e.Target.MessageID)
	}
	if len(said) > 0 {
		t.Errorf("%d messages have no entry", len(said))
	}
	for _, kind := range []string{"intent", "result"} {
		if n := len(s.entries("kind=" + kind)); n > 0 {
			t.Errorf("%d entries of kind %s", n, kind)
		}
	}
	// The same service, asked to block, does: it was not merely idle.
	m := say(t, twin, "ana", "ana-li", "card "+card)
	await(t, twin, m, "blocked", blocked)
}
