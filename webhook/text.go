package webhook

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Text is text that people wrote. It prints as [text] under every verb, also
// inside a struct that is printed or logged; Reveal is the one way out. The zero
// value is empty. Two Texts are compared with Equal.
type Text struct {
	_ [0]func() // not comparable: == would compare pointers
	// A pointer, because fmt prints the strings of unexported fields without
	// asking Format.
	p *string
}

// NewText wraps s.
func NewText(s string) Text { return Text{p: &s} }

// Reveal returns the text itself.
func (t Text) Reveal() string {
	if t.p == nil {
		return ""
	}
	return *t.p
}

// Equal reports whether both are the same text.
func (t Text) Equal(u Text) bool { return t.Reveal() == u.Reveal() }

// Format implements fmt.Formatter.
func (t Text) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[text]") }

// MarshalText implements encoding.TextMarshaler, for encoding/json and zap.
func (t Text) MarshalText() ([]byte, error) { return []byte("[text]"), nil }

// UnmarshalJSON takes a string or null. Anything else is kept as the JSON that
// it is: text must not escape judgement by having an odd type.
func (t *Text) UnmarshalJSON(b []byte) error {
	s, ok := unquote(b)
	switch {
	case ok:
	case string(b) == "null":
		t.p = nil
		return nil
	case !json.Valid(b):
		return errors.New("not JSON")
	default:
		s = string(bytes.TrimSpace(b))
	}
	t.p = &s
	return nil
}

// unquote returns the string that a JSON literal stands for, and false for one that
// is no string. It takes b to be a literal of valid JSON, as the argument of every
// UnmarshalJSON is: to have encoding/json check again what it has just checked would
// be the dearest part of decoding a message.
func unquote(b []byte) (string, bool) {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return "", false
	}
	b = b[1 : len(b)-1]
	next := bytes.IndexByte(b, '\\')
	if next < 0 {
		return string(b), true
	}
	var s strings.Builder
	s.Grow(len(b))
	for ; next >= 0; next = bytes.IndexByte(b, '\\') {
		s.Write(b[:next])
		b = b[next:]
		if len(b) < 2 {
			return "", false
		}
		short := strings.IndexByte(`"\/bfnrt`, b[1])
		switch {
		case short >= 0:
			s.WriteByte("\"\\/\b\f\n\r\t"[short])
			b = b[2:]
		case b[1] == 'u':
			r, ok := codeUnit(b)
			if !ok {
				return "", false
			}
			b = b[6:]
			if utf16.IsSurrogate(r) {
				second, _ := codeUnit(b)
				if r = utf16.DecodeRune(r, second); r != utf8.RuneError {
					b = b[6:]
				}
			}
			s.WriteRune(r)
		default:
			return "", false
		}
	}
	s.Write(b)
	return s.String(), true
}

// codeUnit reads \u and four digits.
func codeUnit(b []byte) (rune, bool) {
	var unit [2]byte
	if len(b) < 6 || b[0] != '\\' || b[1] != 'u' {
		return 0, false
	}
	if _, err := hex.Decode(unit[:], b[2:6]); err != nil {
		return 0, false
	}
	return rune(unit[0])<<8 | rune(unit[1]), true
}
