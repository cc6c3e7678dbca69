package webhook

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Faults that a jsonReader finds. They hold nothing of the input.
var (
	errGrammar   = errors.New("not JSON")
	errDepth     = errors.New("nested too deeply")
	errDuplicate = errors.New("the same key twice in one object")
	errEncoding  = errors.New("not UTF-8")
	errCount     = errors.New("too many elements")
	errKeys      = errors.New("too many keys in one object")
	errType      = errors.New("a value of another type")
)

const (
	// maxKeys bounds what is remembered of one object to find the same key twice.
	// Graph's objects have below 50.
	maxKeys = 1000
	// fewKeys are compared one by one; the keys of a larger object get a map.
	fewKeys = 32
	// usualKeys are open at once, over all levels, in what Graph sends.
	usualKeys = 16
)

// jsonReader reads JSON from outside in one pass, and is stricter than
// encoding/json: it bounds the depth, and refuses invalid UTF-8 and, if told to,
// two keys in one object that encoding/json would decode into the same field.
// What it takes, encoding/json takes too, and reads the same in it.
//
// Its methods read one value each, from the next byte on, and stop at the first
// fault: after an error nothing can be read any more.
type jsonReader struct {
	b     []byte
	s     string // the same: values are parts of it
	i     int    // of the next byte
	depth int    // levels that may still be opened
	dups  bool   // refuse duplicate keys
	clean bool   // no control character is in it

	keys []string // of the objects that are open, the innermost last
}

func newJSONReader(b []byte, depth int, dups bool) (*jsonReader, error) {
	ascii, clean := look(b)
	if !ascii && !utf8.Valid(b) {
		return nil, errEncoding
	}
	r := &jsonReader{b: b, s: string(b), depth: depth, dups: dups, clean: clean}
	if dups {
		r.keys = make([]string, 0, usualKeys)
	}
	return r, nil
}

// checkJSON reports the first fault of a whole document.
func checkJSON(b []byte, depth int, dups bool) error {
	r, err := newJSONReader(b, depth, dups)
	if err != nil {
		return err
	}
	if err := r.skip(); err != nil {
		return err
	}
	return r.end()
}

// appendJSONString appends a string as encoding/json writes it.
func appendJSONString(b []byte, s string) []byte {
	from := len(b) + 1
	b = append(append(b, '"'), s...)
	text := b[from:]
	if ascii, clean := look(text); ascii && clean {
		plain := true
		for _, c := range []byte(`"\<>&`) { // the last three because JSON ends up in HTML at times
			plain = plain && bytes.IndexByte(text, c) < 0
		}
		if plain {
			return append(b, '"')
		}
	}
	quoted, _ := json.Marshal(s) // no string fails
	return append(b[:from-1], quoted...)
}

// look reports whether b is ASCII alone, and whether it is without control
// characters.
func look(b []byte) (ascii, clean bool) {
	const ones = 0x0101010101010101
	var high, low uint64
	for len(b) >= 8 {
		x := binary.LittleEndian.Uint64(b)
		high |= x
		low |= (x - 0x20*ones) &^ x // the top bit of a byte below 0x20, and perhaps of one after it
		b = b[8:]
	}
	for _, c := range b {
		high |= uint64(c)
		low |= (uint64(c) - 0x20) &^ uint64(c)
	}
	return high&(0x80*ones) == 0, low&(0x80*ones) == 0
}

// next returns the next byte that is no white space without reading it, 0 at the
// end.
func (r *jsonReader) next() byte {
	for r.i < len(r.b) {
		switch c := r.b[r.i]; c {
		case ' ', '\t', '\r', '\n':
			r.i++
		default:
			return c
		}
	}
	return 0
}

// end returns nil if nothing but white space is left.
func (r *jsonReader) end() error {
	if r.next() != 0 || r.i < len(r.b) {
		return errGrammar
	}
	return nil
}

// null reads a null, if that is what is next.
func (r *jsonReader) null() bool {
	if r.next() == 'n' && strings.HasPrefix(r.s[r.i:], "null") {
		r.i += len("null")
		return true
	}
	return false
}

// object reads an object and calls member for each key, in its canonical form;
// member must read the value.
func (r *jsonReader) object(member func(key string) error) error {
	if err := r.open('{'); err != nil {
		return err
	}
	first := len(r.keys)
	var many map[string]bool
	if r.next() != '}' {
		for {
			if r.next() != '"' {
				return errGrammar
			}
			key, err := r.text()
			if err != nil {
				return err
			}
			key = canonicalKey(key)
			if r.next() != ':' {
				return errGrammar
			}
			r.i++
			if r.dups {
				if err := r.see(key, first, &many); err != nil {
					return err
				}
			}
			if err := member(key); err != nil {
				return err
			}
			if r.next() != ',' {
				break
			}
			r.i++
		}
	}
	r.keys = r.keys[:first]
	return r.close('}')
}

// array reads an array of at most so many elements and calls element for each,
// which must read it.
func (r *jsonReader) array(most int, element func() error) error {
	if err := r.open('['); err != nil {
		return err
	}
	if r.next() != ']' {
		for n := 1; ; n++ {
			if n > most {
				return errCount
			}
			if err := element(); err != nil {
				return err
			}
			if r.next() != ',' {
				break
			}
			r.i++
		}
	}
	return r.close(']')
}

// open and close read one byte. Another one is a value of another type, or none.
func (r *jsonReader) open(c byte) error {
	if r.next() != c {
		return errType
	}
	if r.depth == 0 {
		return errDepth
	}
	r.depth--
	r.i++
	return nil
}

func (r *jsonReader) close(c byte) error {
	if r.next() != c {
		return errGrammar
	}
	r.depth++
	r.i++
	return nil
}

// see remembers a key of the object whose first key is keys[first].
func (r *jsonReader) see(key string, first int, many *map[string]bool) error {
	mine := r.keys[first:]
	switch {
	case len(mine) == maxKeys:
		return errKeys
	case len(mine) < fewKeys:
		for _, k := range mine {
			if equalKeys(k, key) {
				return errDuplicate
			}
		}
	default:
		if *many == nil {
			*many = make(map[string]bool, 2*fewKeys)
			for _, k := range mine {
				(*many)[strings.ToLower(k)] = true
			}
		}
		lower := strings.ToLower(key)
		if (*many)[lower] {
			return errDuplicate
		}
		(*many)[lower] = true
	}
	r.keys = append(r.keys, key)
	return nil
}

// skip reads a value of any type.
func (r *jsonReader) skip() error {
	switch c := r.next(); {
	case c == '{':
		return r.object(func(string) error { return r.skip() })
	case c == '[':
		return r.array(len(r.b), r.skip)
	case c == '"':
		_, err := r.text()
		return err
	case c == '-' || '0' <= c && c <= '9':
		return r.number()
	}
	for _, word := range []string{"null", "true", "false"} {
		if strings.HasPrefix(r.s[r.i:], word) {
			r.i += len(word)
			return nil
		}
	}
	return errGrammar
}

// number reads a number. RFC 8259, section 6.
func (r *jsonReader) number() error {
	digits := func() bool {
		from := r.i
		for r.i < len(r.b) && '0' <= r.b[r.i] && r.b[r.i] <= '9' {
			r.i++
		}
		return r.i > from
	}
	is := func(these string) bool {
		if r.i < len(r.b) && strings.IndexByte(these, r.b[r.i]) >= 0 {
			r.i++
			return true
		}
		return false
	}
	is("-")
	if !is("0") && !digits() {
		return errGrammar
	}
	if is(".") && !digits() {
		return errGrammar
	}
	if is("eE") {
		is("+-")
		if !digits() {
			return errGrammar
		}
	}
	return nil
}

// text reads a string.
func (r *jsonReader) text() (string, error) {
	if r.next() != '"' {
		return "", errType
	}
	from := r.i + 1
	n := bytes.IndexByte(r.b[from:], '"')
	if n < 0 {
		return "", errGrammar
	}
	plain := r.b[from : from+n]
	if bytes.IndexByte(plain, '\\') < 0 && (r.clean || !bytes.ContainsFunc(plain, isControl)) {
		r.i = from + n + 1
		return r.s[from : from+n], nil
	}
	end := stringEnd(r.b, r.i)
	if end < 0 || !r.clean && bytes.ContainsFunc(r.b[from:end], isControl) {
		return "", errGrammar
	}
	v, ok := unquote(r.b[r.i:end])
	if !ok {
		return "", errGrammar
	}
	r.i = end
	return v, nil
}

func isControl(c rune) bool { return c < ' ' }

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

// canonicalKey returns what equalKeys compares: keys that encoding/json takes for
// the same field differ in the casing of ASCII letters at most.
func canonicalKey(key string) string {
	for i := range len(key) {
		if key[i] >= utf8.RuneSelf {
			return fold(key)
		}
	}
	return key
}

// equalKeys compares canonical keys.
func equalKeys(a, b string) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range len(a) {
		if x, y := a[i], b[i]; x != y && (x|0x20 != y|0x20 || x|0x20 < 'a' || x|0x20 > 'z') {
			return false
		}
	}
	return true
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
