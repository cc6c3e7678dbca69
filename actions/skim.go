package actions

import (
	"encoding/binary"
	"encoding/json"
	"math/bits"
	"time"
)

// facts are what an entry says of itself, as far as Verify asks.
type facts struct {
	ok     bool // it is an entry
	seq    int64
	time   time.Time
	keys   *KeysInUse
	forgot *Forgot
}

// factsOf reads the stored bytes of an entry. Nearly all of the time that it
// takes to decode one goes into what is not asked for, so skim tries first.
func factsOf(body []byte) facts {
	if f, ok := skim(body); ok {
		return f
	}
	return decodeFacts(body)
}

// decodeFacts is factsOf for any bytes whatever.
func decodeFacts(body []byte) facts {
	var e struct {
		Seq    *int64     `json:"seq"`
		Time   time.Time  `json:"time"`
		Keys   *KeysInUse `json:"keys"`
		Forgot *Forgot    `json:"forgot"`
	}
	if json.Unmarshal(body, &e) != nil || e.Seq == nil {
		return facts{}
	}
	return facts{ok: true, seq: *e.Seq, time: e.Time, keys: e.Keys, forgot: e.Forgot}
}

// maxSkimDepth is more than an entry nests.
const maxSkimDepth = 16

// skim reads the facts from JSON in the form that SealEntry writes: no space
// between tokens, the names of Entry letter by letter, whole numbers. It goes over
// every byte, and ok is false for whatever it does not know, or does not know to
// be valid: only decodeFacts says that something is no entry. Where ok is true,
// both say the same.
func skim(b []byte) (f facts, ok bool) {
	i := 0
	if len(b) == 0 || b[0] != '{' {
		return f, false
	}
	for {
		i++ // past the brace or the comma
		if i >= len(b) || b[i] != '"' {
			return f, false
		}
		from := i + 1
		if i = skipString(b, from); i < 0 || i >= len(b) || b[i] != ':' {
			return f, false
		}
		name := b[from : i-1]
		i++
		from = i
		switch string(name) {
		case "seq":
			for ; i < len(b) && i < from+18 && b[i]-'0' <= 9; i++ {
				f.seq = f.seq*10 + int64(b[i]-'0')
			}
			if f.ok || i == from || b[from] == '0' && i > from+1 {
				return f, false
			}
			f.ok = true
		case "time":
			if i = skipValue(b, i, 0); i < 0 || b[from] != '"' || !f.time.IsZero() || f.time.UnmarshalJSON(b[from:i]) != nil {
				return f, false
			}
		case "id", "case", "kind", "tenant", "conversation", "message", "sender", "target", "generation", "rules", "verdict",
			"action", "outcome", "graph", "exposure", "gap", "label", "actor", "reason", "sealed_at":
			if i = skipValue(b, i, 0); i < 0 {
				return f, false
			}
		default: // what Verify asks for and few entries have, and what is no name of an entry
			return f, false
		}
		switch {
		case i >= len(b):
			return f, false
		case b[i] == '}':
			return f, f.ok && i == len(b)-1
		case b[i] != ',':
			return f, false
		}
	}
}

// skipValue returns the index after the value at b[i], -1 if there is none in the
// form that skim knows.
func skipValue(b []byte, i, depth int) int {
	if i >= len(b) || depth > maxSkimDepth {
		return -1
	}
	switch c := b[i]; c {
	case '"':
		return skipString(b, i+1)
	case '{', '[':
		end := c + 2 // of ASCII, in both cases
		if i++; i < len(b) && b[i] == end {
			return i + 1
		}
		for ; ; i++ {
			if c == '{' {
				if i >= len(b) || b[i] != '"' {
					return -1
				}
				if i = skipString(b, i+1); i < 0 || i >= len(b) || b[i] != ':' {
					return -1
				}
				i++
			}
			if i < len(b) && b[i] == '"' { // as most values are
				i = skipString(b, i+1)
			} else {
				i = skipValue(b, i, depth+1)
			}
			if i < 0 || i >= len(b) {
				return -1
			}
			if b[i] == end {
				return i + 1
			}
			if b[i] != ',' {
				return -1
			}
		}
	case 't':
		return skipWord(b, i, "true")
	case 'f':
		return skipWord(b, i, "false")
	case 'n':
		return skipWord(b, i, "null")
	case '-':
		i++
	}
	from := i
	for i < len(b) && b[i]-'0' <= 9 {
		i++
	}
	// A fraction or an exponent would be next: whoever called finds no comma there.
	if i == from || b[from] == '0' && i > from+1 {
		return -1
	}
	return i
}

func skipWord(b []byte, i int, word string) int {
	if i+len(word) > len(b) || string(b[i:i+len(word)]) != word {
		return -1
	}
	return i + len(word)
}

// skipString returns the index after the quote that ends the string whose first
// byte is b[i]. It looks at eight bytes at a time.
func skipString(b []byte, i int) int {
	const (
		ones  = 0x0101010101010101
		highs = 0x80 * ones
	)
	for {
		for ; i+8 <= len(b); i += 8 {
			x := binary.LittleEndian.Uint64(b[i:])
			// The lowest bit that is left is of the first byte that is below 0x20, a quote or a
			// backslash: a borrow can set others above it only. Bytes from 0x80 on are text.
			stop := ((x - 0x20*ones) | (x ^ '"'*ones - ones) | (x ^ '\\'*ones - ones)) &^ x & highs
			if stop != 0 {
				i += bits.TrailingZeros64(stop) / 8
				break
			}
		}
		for i < len(b) && b[i] != '"' && b[i] != '\\' && b[i] >= 0x20 {
			i++
		}
		if i >= len(b) || b[i] < 0x20 {
			return -1
		}
		if b[i] == '"' {
			return i + 1
		}
		if i+1 >= len(b) {
			return -1
		}
		switch b[i+1] {
		case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
			i += 2
		case 'u':
			if i+6 > len(b) {
				return -1
			}
			for _, c := range b[i+2 : i+6] {
				if c-'0' > 9 && c-'a' > 5 && c-'A' > 5 {
					return -1
				}
			}
			i += 6
		default:
			return -1
		}
	}
}
