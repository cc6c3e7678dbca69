package actions

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// Most of an entry are the rules that did not match: with 200 of them, nine tenths
// of its bytes. Stores that pass entries on as bytes have no need of them, and what
// is here goes over them without decoding. For a form that it does not know it
// decodes, to the same result.

// unnumbered begins the JSON of an entry that has no place in the log yet.
const unnumbered = `{"seq":0,"id":"",`

// SealBody is SealEntry for the JSON of an entry that has no number, no id and no
// SealedAt yet: it gives it those. Its error does not quote body.
func SealBody(body []byte, seq int64, at time.Time) ([]byte, error) {
	rest, ok := bytes.CutPrefix(body, []byte(unnumbered))
	if !ok || skipValue(body, 0, 0) != len(body) || bytes.Contains(rest, []byte(`"sealed_at":`)) {
		var e Entry
		if json.Unmarshal(body, &e) != nil {
			return nil, fmt.Errorf("entry %d cannot be decoded", seq)
		}
		e.SealedAt = at
		return SealEntry(&e, seq)
	}
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand
	data := make([]byte, 0, len(body)+100)
	data = append(data, `{"seq":`...)
	data = strconv.AppendInt(data, seq, 10)
	data = append(data, `,"id":"`...)
	data = hex.AppendEncode(data, id[:])
	data = append(data, `",`...)
	data = append(data, rest[:len(rest)-1]...)
	data = append(data, `,"sealed_at":"`...)
	data = at.AppendFormat(data, time.RFC3339Nano)
	return append(data, `"}`...), nil
}

// DecodeMatched decodes an entry, with those of its rules that matched: what lists
// and cases are made of.
func DecodeMatched(body []byte) (Entry, error) {
	var e Entry
	err := json.Unmarshal(withoutNoMatch(body), &e)
	e.Rules = matchedRules(e.Rules)
	return e, err
}

// withoutNoMatch returns an entry's JSON without the rules that say that they did
// not match, or body itself where it is not in the form that SealEntry writes.
func withoutNoMatch(body []byte) []byte {
	const member = `,"rules":[`
	at := bytes.Index(body, []byte(member)) // in a string the quotes would be escaped
	if at < 0 {
		return body
	}
	i := at + len(member)
	kept := append(make([]byte, 0, len(body)/4), body[:i]...)
	for first := true; ; i++ {
		from := i
		if i = skipValue(body, i, 0); i < 0 || i >= len(body) {
			return body
		}
		if rule := body[from:i]; !bytes.Contains(rule, []byte(`"result":"no_match"`)) {
			if !first {
				kept = append(kept, ',')
			}
			kept, first = append(kept, rule...), false
		}
		switch body[i] {
		case ',':
		case ']':
			return append(kept, body[i:]...)
		default:
			return body
		}
	}
}
