package actions

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teamsdlp/test/trial"
)

// everyField is an entry in which nothing is empty.
func everyField(t testing.TB) Entry {
	t.Helper()
	var e Entry
	fill(reflect.ValueOf(&e).Elem())
	return e
}

// fill sets whatever v holds to something that is not its zero.
func fill(v reflect.Value) {
	switch at := v.Addr().Interface().(type) {
	case *time.Time:
		*at = time.Date(2026, 11, 1, 12, 0, 0, 123456789, time.UTC)
		return
	}
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range v.Len() {
			fill(v.Index(i))
		}
	case reflect.String:
		v.SetString("a \"b\" \\ <c> \u2022\u2022\n\x01" + strings.Repeat("d", 20))
	case reflect.Bool:
		v.SetBool(true)
	default:
		v.SetInt(-1204)
	}
}

// Verify is as fast as it is because skim reads nearly every entry that the product
// writes: all but those with what it asks for and few have.
func TestSkimKnowsWhatIsWritten(t *testing.T) {
	full := everyField(t)
	for _, tt := range []struct {
		name string
		e    Entry
		want bool
	}{
		{"nothing but what every entry has", Entry{Kind: KindGap}, true},
		{"everything", full, false},
		{"everything but keys and what was forgotten", func() Entry { e := full; e.Keys, e.Forgot = nil, nil; return e }(), true},
	} {
		body, err := SealEntry(&tt.e, 1204)
		if err != nil {
			t.Fatal(err)
		}
		got, ok := skim(body)
		if ok != tt.want || ok && (got != facts{ok: true, seq: 1204, time: tt.e.Time}) {
			t.Errorf("%s: %+v, %v; want ok %v\n%s", tt.name, got, ok, tt.want, body)
		}
	}
}

// A field that is new in Entry must be known to skim, or verifying logs that have it
// becomes slow; one that is new in decodeFacts must not be passed over by it.
func TestSkimKnowsEveryField(t *testing.T) {
	asked := map[string]bool{"keys": true, "forgot": true}
	for f := range reflect.TypeFor[Entry]().Fields() {
		name, _, _ := strings.Cut(f.Tag.Get("json"), ",")
		value := "{}"
		switch name {
		case "seq":
			continue
		case "time":
			value = `"2026-11-01T12:00:00Z"`
		}
		body := fmt.Appendf(nil, `{"seq":1,%q:%s}`, name, value)
		if _, ok := skim(body); ok == asked[name] {
			t.Errorf("%s: ok %v", body, ok)
		}
	}
}

func sameFacts(a, b facts) bool {
	return a.ok == b.ok && a.seq == b.seq && a.time.Equal(b.time) && a.time.String() == b.time.String() && a.keys == nil && b.keys == nil && a.forgot == nil && b.forgot == nil
}

// FuzzSkim holds skim against the decoder that it spares.
func FuzzSkim(f *testing.F) {
	full := everyField(f)
	for _, e := range []Entry{full, {Kind: KindGap}, {Kind: KindKeys, Keys: full.Keys}, {Kind: KindForget, Forgot: full.Forgot}, {Kind: KindIntent, Time: full.Time, Rules: full.Rules, SealedAt: full.Time}} {
		body, err := SealEntry(&e, 7)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(body)
	}
	for _, s := range []string{
		``, `{}`, `[]`, `null`, `{"seq":0}`, `{"seq":00}`, `{"seq":-1}`, `{"seq":1.0}`, `{"seq":1e2}`, `{"seq":null}`, `{"seq":"1"}`, `{"seq":1}x`, `{"seq":1} `, ` {"seq":1}`,
		`{"seq":1,"seq":2}`, `{"seq":1,"SEQ":2}`, `{"seq":1,"ſeq":2}`, `{"seq":1,"\u0073eq":2}`, `{"seq":999999999999999999}`, `{"seq":9223372036854775808}`,
		`{"seq":1,"time":"2026-11-01T12:00:00Z","time":"2025-11-01T12:00:00Z"}`, `{"seq":1,"time":null}`, `{"seq":1,"time":"x"}`, `{"seq":1,"time":1}`, `{"seq":1,"time":"2026-11-01T12:00:00\u005a"}`,
		`{"seq":1,"\u212aeys":{}}`, `{"seq":1,"keys":null}`, `{"seq":1,"Keys":{}}`, `{"seq":1,"forgot":{"before":1}}`, `{"seq":1,"more":1}`, `{"seq":1,}`, `{,"seq":1}`, `{"seq":1,"id"}`,
		`{"seq":1,"id":"` + "\x1f" + `"}`, `{"seq":1,"id":"` + "\xff" + `"}`, `{"seq":1,"id":"1234567\"89"}`, `{"seq":1,"id":"\u12g4"}`, `{"seq":1,"id":"\u1`, `{"seq":1,"id":"\`, `{"seq":1,"id":"\x"}`,
		`{"seq":1,"rules":[[],{},[{"a":[1,-2,0,true,false,null]}]]}`, `{"seq":1,"rules":[1,]}`, `{"seq":1,"rules":[01]}`, `{"seq":1,"rules":[-]}`, `{"seq":1,"rules":[1.5]}`, `{"seq":1,"rules":[tru]}`, `{"seq":1,"rules":{"a"}}`, `{"seq":1,"rules":{"a":1,}}`, `{"seq":1,"rules":[}`,
		`{"seq":1,"rules":` + strings.Repeat("[", 17) + strings.Repeat("]", 17) + `}`,
	} {
		f.Add([]byte(s))
	}
	trial.Fuzz(f, 300, func(t *testing.T, b []byte) {
		had := bytes.Clone(b)
		got, ok := skim(b)
		if want := decodeFacts(b); ok && !sameFacts(got, want) {
			t.Fatalf("%q\nskim   %+v\ndecode %+v", b, got, want)
		}
		if ok && !json.Valid(b) {
			t.Fatalf("%q passed for JSON", b)
		}
		if !bytes.Equal(had, b) {
			t.Fatal("the bytes were changed")
		}
	})
}

func BenchmarkFacts(b *testing.B) {
	now, yes := time.Now().UTC(), true
	e := Entry{
		Kind: KindIntent, Case: "3f9a1c0be2d47a55", Tenant: "9f3f2b0e-6a54-4c39-8c0b-6f0f6a3f7d21", Time: now, Action: ActionBlock, Outcome: OutcomePending,
		Conversation: &Conversation{Kind: "group", ID: "19:c", Name: "The deal", External: &yes, Size: 3}, Sender: &Sender{ID: "ana", Name: "Ana", Kind: "aadUser"},
		Rules: []RuleResult{{ID: "card", Severity: "high", Mode: "enforce", Result: "matched", Reason: strings.Repeat("a reason ", 20),
			Matched: []Match{{Detector: "credit-card", Count: 1, Distinct: 1, Masked: []string{"411111••••••1111"}, Digest: []string{strings.Repeat("e1", 20)}}}}},
		Exposure: &Exposure{Sent: now, Received: now, Judged: now}, Verdict: "block: card, 1 credit-card (high)", Actor: ActorSelf,
	}
	body, err := SealEntry(&e, 7)
	if err != nil {
		b.Fatal(err)
	}
	for name, of := range map[string]func(){
		"skim":    func() { _, _ = skim(body) },
		"decode":  func() { _ = decodeFacts(body) },
		"SHA-256": func() { _ = tlog.RecordHash(body) },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			for b.Loop() {
				of()
			}
		})
	}
}
