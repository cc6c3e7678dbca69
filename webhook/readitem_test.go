package webhook

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// An item is read as encoding/json reads it, whether its form is the usual one,
// which is read in one pass, or not.
func TestReadItem(t *testing.T) {
	usual := Item{
		Received: time.Date(2026, 3, 1, 12, 0, 0, 123456789, time.UTC), SubscriptionID: "sub", TenantID: "tenant", AppID: "app",
		ChangeType: "created", Resource: "chats('19:a@thread.v2')/messages('1612289992105')",
		Encrypted: &EncryptedContent{Data: "QUJD", DataKey: "a2V5", DataSignature: "c2ln", CertificateID: "c1", CertificateThumbprint: "AB12"},
	}
	change := func(do func(*Item)) Item {
		i := usual
		e := *i.Encrypted
		i.Encrypted = &e
		do(&i)
		return i
	}
	for _, c := range []struct {
		name    string
		item    Item
		onePass bool
	}{
		{"usual", usual, true},
		{"empty", Item{}, true},
		{"a zone", change(func(i *Item) { i.Received = i.Received.In(time.FixedZone("", 3600)) }), true},
		{"no content", change(func(i *Item) { i.Encrypted = nil }), true},
		{"empty content", change(func(i *Item) { *i.Encrypted = EncryptedContent{} }), true},
		{"lifecycle", Item{SubscriptionID: "sub", LifecycleEvent: "missed"}, true},
		{"a token", change(func(i *Item) { i.Deferred = []string{"a.b.c"} }), true},
		{"tokens", change(func(i *Item) { i.Deferred = []string{"a.b.c", "", "d"} }), true},
		{"not ASCII", change(func(i *Item) { i.Resource = "chats('é')" }), true},
		{"quote", change(func(i *Item) { i.Resource = `a"b` }), false},
		{"backslash at the end", change(func(i *Item) { i.Encrypted.CertificateID = `a\` }), false},
		{"escaped for HTML", change(func(i *Item) { i.Resource = "<>&" }), false},
		{"escaped in a token", change(func(i *Item) { i.Deferred = []string{"a", "b\n", "c"} }), false},
		{"escaped in content", change(func(i *Item) { i.Encrypted.DataKey = "\t" }), false},
	} {
		b, err := json.Marshal(c.item)
		if err != nil {
			t.Fatal(err)
		}
		r := itemReader(b)
		if _, ok := r.item(); ok != c.onePass {
			t.Errorf("%s: read in one pass: %v", c.name, ok)
		}
		var want Item
		if err := json.Unmarshal(b, &want); err != nil {
			t.Fatal(err)
		}
		got, err := ReadItem(b)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, d)
		}
		// Cut anywhere, or with something more, it is none.
		for n := range b {
			if _, err := ReadItem(b[:n]); err == nil {
				t.Errorf("%s: took %d of %d bytes", c.name, n, len(b))
			}
		}
		for _, more := range []string{"}", "x", string(b)} {
			if _, err := ReadItem([]byte(string(b) + more)); err == nil {
				t.Errorf("%s: took %q behind it", c.name, more)
			}
		}
		if got, err := ReadItem([]byte(strings.ReplaceAll(string(b), `,"`, `, "`) + "\n")); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: with white space: %+v, %v", c.name, got, err)
		}
	}
	for _, s := range []string{"", "null ", "{}", `{"received":"x"}`, `{"received":"2026-03-01T12:00:00Z","subscription_id":7}`, `[]`, "\xff"} {
		var want Item
		bad := json.Unmarshal([]byte(s), &want) != nil
		got, err := ReadItem([]byte(s))
		if (err != nil) != bad || !bad && !cmp.Equal(want, got) || err != nil && s != "" && strings.Contains(err.Error(), s) {
			t.Errorf("%q: got %+v, %v", s, got, err)
		}
	}
}

func BenchmarkReadItem(b *testing.B) {
	body, err := json.Marshal(Item{
		Received: time.Now(), SubscriptionID: "3b0dbd5a-5e7c-4a37-a4f0-1d7d7a5a0c11", TenantID: "9f3f2b0e-6a54-4c39-8c0b-6f0f6a3f7d21", ChangeType: "created", Resource: "chats('19:a@thread.v2')/messages('1612289992105')",
		Encrypted: &EncryptedContent{Data: strings.Repeat("QUJD", 1000), DataKey: strings.Repeat("QUJD", 86), DataSignature: strings.Repeat("QUJD", 11), CertificateID: "enc-1", CertificateThumbprint: strings.Repeat("AB", 20)},
	})
	if err != nil {
		b.Fatal(err)
	}
	for name, read := range map[string]func([]byte) (Item, error){
		"one pass": ReadItem,
		"decoder":  func(b []byte) (i Item, err error) { return i, json.Unmarshal(b, &i) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if _, err := read(body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
