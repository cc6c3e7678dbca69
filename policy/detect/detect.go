package detect

import "fmt"

// Level is a confidence: 40 (internal, for compound rules), 65 low, 75 medium,
// 85 high, as in Microsoft Purview.
type Level uint8

// The levels.
const (
	Internal Level = 40
	Low      Level = 65
	Medium   Level = 75
	High     Level = 85
)

// String returns internal, low, medium or high.
func (l Level) String() string {
	switch {
	case l >= High:
		return "high"
	case l >= Medium:
		return "medium"
	case l >= Low:
		return "low"
	}
	return "internal"
}

// Value is a matched value. It prints as [redacted] under every verb; Reveal
// is the one way out.
type Value struct{ s string }

// NewValue wraps s.
func NewValue(s string) Value { return Value{s} }

// Reveal returns the value itself: for digests, never for output.
func (v Value) Reveal() string { return v.s }

// Format implements fmt.Formatter.
func (v Value) Format(f fmt.State, _ rune) { _, _ = f.Write([]byte("[redacted]")) }

// MarshalText implements encoding.TextMarshaler.
func (v Value) MarshalText() ([]byte, error) { return []byte("[redacted]"), nil }

// Match is one finding.
type Match struct {
	Detector string
	Family   string
	Level    Level
	// Start and End are byte offsets in the Text's buffer.
	Start, End int
	// Value is canonical (digits folded, separators stripped): for counting
	// distinct values and for keyed digests.
	Value  Value
	Masked string
	// Why says what earned the level, as "Luhn holds; keyword \"card\" 12 characters before".
	Why        string
	KnownTest  bool // a published test value
	Obfuscated bool // hidden by zero-width or look-alike characters
}
