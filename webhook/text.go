package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
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
	var s *string
	if json.Unmarshal(b, &s) != nil {
		if !json.Valid(b) {
			return errors.New("not JSON")
		}
		raw := string(bytes.TrimSpace(b))
		s = &raw
	}
	t.p = s
	return nil
}
