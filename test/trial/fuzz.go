package trial

import (
	"flag"
	"fmt"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// Fuzz is f.Fuzz, and more when nothing is fuzzed: then each input of the corpus,
// added or kept, is tried as it is and in n changed forms. They follow from the input
// alone, so that every run tries the same ones, or under the race detector the first
// of them. What fails is printed in the form of
// a file of testdata/fuzz, to be kept there.
//
// target is a function as f.Fuzz takes it.
func Fuzz(f *testing.F, n int, target any) {
	f.Helper()
	if w := flag.Lookup("test.fuzz"); w != nil && w.Value.String() != "" {
		f.Fuzz(target)
		return
	}
	call := reflect.ValueOf(target)
	f.Fuzz(reflect.MakeFunc(call.Type(), func(args []reflect.Value) []reflect.Value {
		tryForms(n/slowly, call, args)
		return nil
	}).Interface())
}

// tryForms calls a target with args, the first of which is its test, and then with n
// changed forms of the others, until one fails.
func tryForms(n int, target reflect.Value, args []reflect.Value) {
	t, seed := args[0].Interface().(*testing.T), args[1:]
	hash := fnv.New64a()
	_, _ = fmt.Fprint(hash, corpusFile(seed))
	rng := rand.New(rand.NewPCG(hash.Sum64(), 0)) //nolint:gosec // the same in each run
	target.Call(args)
	for i := 0; i < n && !t.Failed(); i++ {
		form := change(rng, seed)
		func() {
			whole := false
			defer func() {
				if !whole || t.Failed() { // it panicked, ended the test or failed
					t.Logf("form %d of this input failed:\n%s", i, corpusFile(form))
				}
			}()
			target.Call(append([]reflect.Value{args[0]}, form...))
			whole = true
		}()
	}
}

// corpusFile is an input as go test keeps it in testdata/fuzz.
func corpusFile(args []reflect.Value) string {
	var b strings.Builder
	b.WriteString("go test fuzz v1\n")
	for _, v := range args {
		switch x := v.Interface().(type) {
		case []byte, string:
			fmt.Fprintf(&b, "%s(%q)\n", v.Type(), x)
		default:
			fmt.Fprintf(&b, "%s(%v)\n", v.Type(), x)
		}
	}
	return strings.ReplaceAll(b.String(), "[]uint8(", "[]byte(")
}

// change returns an input that differs from this one in a few places.
func change(rng *rand.Rand, args []reflect.Value) []reflect.Value {
	out := append([]reflect.Value(nil), args...)
	for range 1 + rng.IntN(4) {
		i := rng.IntN(len(out))
		v := reflect.New(out[i].Type()).Elem()
		v.Set(out[i])
		switch v.Kind() {
		case reflect.String:
			v.SetString(string(bend(rng, []byte(v.String()))))
		case reflect.Slice:
			v.SetBytes(bend(rng, append([]byte(nil), v.Bytes()...)))
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
			v.SetInt(pick(rng, v.Int()+1, v.Int()-1, -v.Int(), 0, math.MaxInt64, math.MinInt64, rng.Int64())) // what does not fit is cut
		case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
			v.SetUint(pick(rng, v.Uint()+1, v.Uint()-1, 0, math.MaxUint64, rng.Uint64()))
		case reflect.Float32, reflect.Float64:
			v.SetFloat(pick(rng, -v.Float(), 0, math.Inf(1), math.NaN(), math.MaxFloat64, v.Float()/3))
		}
		out[i] = v
	}
	return out
}

func pick[T any](rng *rand.Rand, of ...T) T { return of[rng.IntN(len(of))] }

// tokens are what parsers stumble over.
var tokens = []string{
	"\x00", "\xff", "\xed\xa0\x80", "\xef\xbb\xbf", "\u202e", "\u200b", "é", "カ", "𝟜", "\r\n", "\n", "\t", " ", "\"", "'", "`", "\\", "\\u0000", "\\ud800", "<", ">", "</", "<!--", "-->", "<![CDATA[", "&", "&#x41;", "&#0;", "&amp;", "%", "%00", "%2F", "%zz",
	"{", "}", "[", "]", "(", ")", ",", ":", ";", ".", "..", "/", "//", "?", "#", "@", "=", "==", "+", "-", "*", "|", "!", "~", "null", "true", "0", "-1", "1e999", "0x", "9223372036854775808", "18446744073709551616", "0.1", "$", "${", "<<", "&a", "*a", "- ", "? ",
}

// bend changes b in one place.
func bend(rng *rand.Rand, b []byte) []byte {
	at := rng.IntN(len(b) + 1)
	end := at + min(len(b)-at, 1+rng.IntN(1<<rng.IntN(8)))
	insert := func(what []byte) []byte {
		return append(append(append([]byte(nil), b[:at]...), what...), b[at:]...)
	}
	switch rng.IntN(9) {
	case 0: // one bit
		if at < len(b) {
			b[at] ^= 1 << rng.IntN(8)
		}
		return b
	case 1: // cut out
		return append(b[:at:at], b[end:]...)
	case 2: // the end is missing
		return b[:at]
	case 3: // twice
		return insert(b[at:end])
	case 4: // often
		return insert([]byte(strings.Repeat(pick(rng, tokens...), 1+rng.IntN(200))))
	case 5: // from another place
		from := rng.IntN(len(b) + 1)
		return insert(b[from : from+min(len(b)-from, rng.IntN(40))])
	case 6: // in place of what is there
		what := pick(rng, tokens...)
		return append(append(append([]byte(nil), b[:at]...), what...), b[end:]...)
	case 7: // in the other case
		for i := at; i < end; i++ {
			if c := b[i] | 0x20; 'a' <= c && c <= 'z' {
				b[i] ^= 0x20
			}
		}
		return b
	default:
		return insert([]byte(pick(rng, tokens...)))
	}
}
