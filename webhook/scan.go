package webhook

import (
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Faults that scan finds. They hold nothing of the input.
var (
	errDepth     = errors.New("nested too deeply")
	errDuplicate = errors.New("the same key twice in one object")
	errEncoding  = errors.New("not UTF-8")
	errCount     = errors.New("too many elements")
	errKeys      = errors.New("too many keys in one object")
)

// maxKeys bounds what is remembered of one object to find the same key twice.
// Graph's objects have below 50.
const maxKeys = 1000

// scanner looks over JSON before it is decoded, for what encoding/json lets
// pass or pays for: depth, arrays longer than allowed, two keys in one object
// that decode to the same field, invalid UTF-8. It does not check the grammar:
// on input that is not JSON it ends without panic and the decoder says the rest.
type scanner struct {
	depth  int            // deepest nesting allowed
	counts map[string]int // elements allowed in an array under a key of the outermost object; folded keys
	dups   bool           // refuse duplicate keys
}

// level is one open object or array.
type level struct {
	object bool
	keys   map[string]bool
	key    string // of an object: the last key seen, folded
	commas int
}

// scan returns the first fault of b, and the folded key of the outermost object
// under which it was found; empty if neither counts nor duplicates are looked for.
func (s scanner) scan(b []byte) (string, error) {
	if !utf8.Valid(b) {
		return "", errEncoding
	}
	keys := s.dups || s.counts != nil // else nobody asks what they are
	var open []level
	under := func() string {
		if len(open) > 0 {
			return open[0].key
		}
		return ""
	}
	for i := 0; i < len(b); i++ {
		switch b[i] {
		case '{', '[':
			if len(open) == s.depth {
				return under(), errDepth
			}
			open = append(open, level{object: b[i] == '{'})
		case '}', ']':
			if len(open) > 0 {
				open = open[:len(open)-1]
			}
		case ',':
			if len(open) != 2 || open[1].object {
				continue
			}
			open[1].commas++
			if most, ok := s.counts[open[0].key]; ok && open[1].commas >= most {
				return under(), errCount
			}
		case '"':
			end := stringEnd(b, i)
			if end < 0 {
				return under(), nil // the decoder will complain
			}
			if n := len(open); keys && n > 0 && open[n-1].object && followedByColon(b, end) {
				if err := open[n-1].see(b[i:end], s.dups); err != nil {
					return under(), err
				}
			}
			i = end - 1
		}
	}
	return "", nil
}

// see records a quoted key of an object.
func (l *level) see(quoted []byte, dups bool) error {
	var key string
	if json.Unmarshal(quoted, &key) != nil {
		return nil //nolint:nilerr // the decoder will complain
	}
	l.key = fold(key)
	if !dups {
		return nil
	}
	if l.keys[l.key] {
		return errDuplicate
	}
	if len(l.keys) == maxKeys {
		return errKeys
	}
	if l.keys == nil {
		l.keys = make(map[string]bool)
	}
	l.keys[l.key] = true
	return nil
}

// stringEnd returns the index after the closing quote of the string that opens
// at b[i], or -1.
func stringEnd(b []byte, i int) int {
	for i++; i < len(b); i++ {
		switch b[i] {
		case '\\':
			i++
		case '"':
			return i + 1
		}
	}
	return -1
}

func followedByColon(b []byte, i int) bool {
	for ; i < len(b); i++ {
		switch b[i] {
		case ' ', '\t', '\r', '\n':
		default:
			return b[i] == ':'
		}
	}
	return false
}

// fold maps keys that encoding/json takes for the same field to one string: it
// compares by Unicode simple folding, so that K (U+212A) is a k.
func fold(s string) string {
	return strings.Map(func(r rune) rune {
		if r < utf8.RuneSelf {
			return unicode.ToLower(r)
		}
		least := r
		for f := unicode.SimpleFold(r); f != r; f = unicode.SimpleFold(f) {
			least = min(least, f)
		}
		return unicode.ToLower(least)
	}, s)
}
