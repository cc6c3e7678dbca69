package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/test/trial"
)

// decoded is a collection as encoding/json reads it.
type decoded struct {
	Value *[]*struct {
		SubscriptionID string            `json:"subscriptionId"`
		ChangeType     string            `json:"changeType"`
		LifecycleEvent string            `json:"lifecycleEvent"`
		ClientState    string            `json:"clientState"`
		TenantID       string            `json:"tenantId"`
		Resource       string            `json:"resource"`
		Encrypted      *EncryptedContent `json:"encryptedContent"`
	} `json:"value"`
	Tokens []string `json:"validationTokens"`
}

// byDecoder is readCollection without its limits.
func byDecoder(b []byte) (c collection, ok bool) {
	var d decoded
	if json.Unmarshal(b, &d) != nil || d.Value == nil {
		return c, false
	}
	c.Value = []notification{}
	for _, n := range *d.Value {
		if n == nil {
			return c, false
		}
		c.Value = append(c.Value, notification(*n))
	}
	c.Tokens = d.Tokens
	return c, true
}

// sameAsDecoder fails unless the reader and encoding/json agree on b: what one
// takes the other does, with the same values, but for what the reader refuses by
// name.
func sameAsDecoder(t *testing.T, b []byte) {
	t.Helper()
	got, err := readCollection(b, 10)
	want, ok := byDecoder(b)
	switch {
	case err == nil && !ok:
		t.Errorf("%q: taken, and encoding/json does not", b)
	case err == nil:
		if len(got.Tokens) == 0 {
			got.Tokens, want.Tokens = nil, want.Tokens[:0:0]
		}
		if len(want.Tokens) == 0 {
			want.Tokens = nil
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%q: (-encoding/json +ours):\n%s", b, diff)
		}
	case ok && (errors.Is(err, errGrammar) || errors.Is(err, errType)):
		t.Errorf("%q: %v, and encoding/json takes it", b, err)
	case errors.Is(err, errEncoding) == utf8.Valid(b):
		t.Errorf("%q: %v", b, err)
	}

	err = checkJSON(b, 10_000, false)
	if valid := json.Valid(b) && utf8.Valid(b); valid != (err == nil) && !errors.Is(err, errDepth) {
		t.Errorf("%q: %v, valid %v", b, err, valid)
	}
}

var documents = []string{
	`{"value":[]}`, ` { "value" : [ ] } `, "{\"value\":[]}\n", `{"VALUE":[{"TENANTID":"a","dataKey":"b"}]}`, `{"value":[],"validationTokens":["a",null,"b"]}`,
	`{"value":[{"encryptedContent":null,"tenantId":null}],"validationTokens":null}`, `{"value":[null]}`, `{"value":[[]]}`, `{"value":[{}],}`, `{"value":[{},]}`, `{,}`,
	`{"value":[{"resource":"a\u0027b\/c\n\"","encryptedContent":{"data":"a\u002Bb","DATAKEY":"k","x":[{"y":1}]}}]}`, `{"value":[{"resource":"` + "a\tb" + `"}]}`,
	"{\"value\":[{\"\u017fubscriptionId\":\"a\"}]}", "{\"value\":[{\"encryptedContent\":{\"data\u212aey\":\"a\"}}]}", `{"value":[{"tenant\u0049d":"a"}]}`, `{"value":[{"\ud800":"\udc00"}]}`,
	`{"value":[{"resource":"\x"}]}`, `{"value":[{"resource":"\u12"}]}`, `{"value":[{"resource":"a}]}`, `{"value":[{"resource":"a\"}]}`, `{"value":[{"changeType":7}]}`, `{"value":"x"}`,
	`{"value":[],"x":-0.5e+3}`, `{"value":[],"x":01}`, `{"value":[],"x":-}`, `{"value":[],"x":1.}`, `{"value":[],"x":1e}`, `{"value":[],"x":.5}`, `{"value":[],"x":+1}`, `{"value":[],"x":0}`,
	`{"value":[],"x":true,"y":false,"z":null}`, `{"value":[],"x":tru}`, `{"value":[],"x":nulls}`, `{"value":[],"x":True}`, `{"value":[]} x`, `{"value":[]}{}`, `{"value":[]`, `{"value":[}`, `{"value"}`,
	`{"value":}`, `{"value" []}`, `{value:[]}`, `{'value':[]}`, `[]`, `null`, `"x"`, ``, ` `, "\x00", "{\"value\":[]}\x00", "{\"value\":[],\"x\":\"\u00e9\u65e5\"}", "{\"value\":[],\"x\":\"\xff\"}",
	"{\"value\":[],\"x\":\"\x7f\x1f\"}", "{\"value\":[],\"x\":\"\u0080\u009f\"}", `{"":"","value":[]}`, "{\v\"value\":[]}", "\ufeff{}", `{"value":[],"x":{"a":[{"b":{}},[]]}}`,
}

func TestJSONIsReadAsTheDecoderReadsIt(t *testing.T) {
	taken := 0
	for _, s := range documents {
		sameAsDecoder(t, []byte(s))
		if _, err := readCollection([]byte(s), 10); err == nil {
			taken++
		}
		// Cut anywhere, and with any one byte another.
		for i := range len(s) {
			sameAsDecoder(t, []byte(s[:i]))
			for _, c := range []byte("\"\\{}[],:x0-. \n\x00\x80\xff") {
				b := []byte(s)
				b[i] = c
				sameAsDecoder(t, b)
			}
		}
	}
	if taken < 10 || taken > len(documents)-10 {
		t.Errorf("%d of %d taken", taken, len(documents))
	}
}

func FuzzJSON(f *testing.F) {
	for _, s := range documents {
		f.Add([]byte(s))
	}
	trial.Fuzz(f, 300, sameAsDecoder)
}

// Nothing that was read is part of the body any more: its buffer is used again.
func TestNothingReadIsInTheBody(t *testing.T) {
	body := collectionOf(tokens("a.b.c", `d"e`), rich(), basic())
	want, why := parseCollection(slices.Clone(body), 10)
	got, _ := parseCollection(body, 10)
	for i := range body {
		body[i] = 'x'
	}
	if diff := cmp.Diff(want, got); diff != "" || why != "" || len(got.Value) != 2 {
		t.Errorf("%s (-want +got):\n%s", why, diff)
	}
}

// An item is stored as encoding/json would write it, byte for byte.
func TestItemAppendJSON(t *testing.T) {
	full := Item{
		Receipt: "r", Attempts: 3, Received: start, SubscriptionID: subA, TenantID: tenantA, AppID: appA, ChangeType: "created", LifecycleEvent: "missed", Resource: "chats('19:a')/messages('1')",
		Encrypted: &EncryptedContent{Data: strings.Repeat("QUJD+/==", 300), DataKey: "k", DataSignature: "s", CertificateID: "c", CertificateThumbprint: "t"}, Deferred: []string{"a.b.c", "d"},
	}
	items := []Item{{}, full, {Received: start.Add(123456789).In(time.FixedZone("", 3600)), Encrypted: &EncryptedContent{}, Deferred: []string{}}}
	for _, s := range []string{"\"", "\\", "<", ">", "&", "\x00", "\x1f", "\x7f", "\u00e9", "\u2028", "\xff", "\n"} {
		for _, at := range []int{0, 1, 7, 8, 9, 15, 16, 30} {
			odd := strings.Repeat("a", at) + s + strings.Repeat("b", 30-at)
			items = append(items, Item{SubscriptionID: odd, Resource: odd, Encrypted: &EncryptedContent{Data: odd, CertificateID: odd}, Deferred: []string{odd}})
		}
	}
	for _, i := range items {
		want, err := json.Marshal(i)
		if err != nil {
			t.Fatal(err)
		}
		for _, before := range []string{"", "before"} {
			got, err := i.AppendJSON([]byte(before)[:len(before):len(before)])
			if err != nil || string(got) != before+string(want) {
				t.Errorf("got  %s\nwant %s\n%v", got, want, err)
			}
		}
	}
	if _, err := (Item{Received: time.Date(10000, 1, 1, 0, 0, 0, 0, time.UTC)}).AppendJSON(nil); err == nil {
		t.Error("a time that JSON cannot hold was taken")
	}
}

// The same key twice is found whatever its casing, its escapes and the number of
// keys before it; different ones are not the same.
func TestDuplicateKeys(t *testing.T) {
	object := func(before int, keys ...string) []byte {
		var b strings.Builder
		b.WriteString(`{"value":[{"resourceData":{`)
		for i := range before {
			fmt.Fprintf(&b, `"Key%d":{"a":1,"b":[{"a":2}]},`, i)
		}
		for i, k := range keys {
			fmt.Fprintf(&b, `%s"%s":{"a":0}`, strings.Repeat(",", min(i, 1)), k)
		}
		b.WriteString(`}}]}`)
		return []byte(b.String())
	}
	for _, before := range []int{0, 1, fewKeys - 2, fewKeys - 1, fewKeys, fewKeys + 1, 500} {
		for _, same := range [][]string{
			{"same", "same"}, {"same", "SAME"}, {"same", `s\u0061me`}, {"\u017fame", "Same"}, {"\u212aey", "KEY"}, {"\u00c9", "\u00e9"}, {"\u1e9e", "\u00df"}, {"\u03c2", "\u03a3"}, {"", ""},
		} {
			if err := checkJSON(object(before, same...), maxDepth, true); !errors.Is(err, errDuplicate) {
				t.Errorf("%q after %d others: %v", same, before, err)
			}
			if err := checkJSON(object(before, same...), maxDepth, false); err != nil {
				t.Errorf("%q after %d others, which may be: %v", same, before, err)
			}
		}
		for _, other := range [][]string{{"a", "b"}, {"a", "aa"}, {"[", "{"}, {"@", "`"}, {"\u00e9", "e"}, {"a\u0301", "\u00e1"}} {
			if err := checkJSON(object(before, other...), maxDepth, true); err != nil {
				t.Errorf("%q after %d others: %v", other, before, err)
			}
		}
	}
	if err := checkJSON(object(1, "key0"), maxDepth, true); !errors.Is(err, errDuplicate) {
		t.Errorf("the first key again: %v", err)
	}
	if err := checkJSON(object(maxKeys, "key0"), maxDepth, true); !errors.Is(err, errKeys) {
		t.Errorf("one key more than allowed: %v", err)
	}
}
