package detect

import (
	"bytes"

	"teamsdlp/policy/extract"
)

// maxToken bounds how far around a candidate its surroundings are looked at.
const maxToken = 256

// veto says what a number at buf[start:end] is a part of, empty if of nothing.
// soft: a keyword right beside it outweighs that.
func (s *scanner) veto(start, end int) (why string, soft bool) {
	buf := s.buf
	lo, hi := start, end
	for lo > 0 && start-lo < maxToken && !blankByte(buf[lo-1]) {
		lo--
	}
	for hi < len(buf) && hi-end < maxToken && !blankByte(buf[hi]) {
		hi++
	}
	s.work += hi - lo
	token, from, to := buf[lo:hi], start-lo, end-lo
	switch {
	case inGUID(token, from, to):
		return "part of a GUID", false
	case fraction(buf, start, end):
		return "part of a decimal number", false
	case inCode(token, from, to):
		return "part of a hash or code", true
	case s.t.Zone(start) == extract.Link && bytes.Contains(s.buf[s.lineStart(start, maxToken*4):start], []byte("://")),
		bytes.Contains(token[:from], []byte("://")), bytes.HasPrefix(token, []byte("www.")):
		return "part of a URL", true
	case bytes.HasPrefix(token, []byte("arn:")):
		return "part of a resource name", true
	case localPart(token, to):
		return "part of an e-mail address", true
	case path(token, from):
		return "part of a path", true
	}
	return "", false
}

func blankByte(c byte) bool {
	switch c {
	case ' ', '\n', '\t', '\f', '"', '\'', '<', '>', '(', ')', '[', ']', '{', '}', ',', ';', '|', '`':
		return true
	}
	return false
}

// inGUID reports whether token[from:to] lies in 8-4-4-4-12 hexadecimal digits.
func inGUID(token []byte, from, to int) bool {
	for i := max(0, to-36); i <= from && i+36 <= len(token); i++ {
		if isGUID(token[i : i+36]) {
			return true
		}
	}
	return false
}

func isGUID(b []byte) bool {
	for i, c := range b {
		if i == 8 || i == 13 || i == 18 || i == 23 {
			if c != '-' {
				return false
			}
		} else if !isHex(c) {
			return false
		}
	}
	return true
}

func isHex(c byte) bool { return isDigit(c) || (c|0x20)-'a' < 6 }

// fraction reports whether the digits are behind the point of a decimal number,
// or before one. A list parted by commas is no fraction: its neighbours are long.
func fraction(buf []byte, start, end int) bool {
	if i := start - 2; i >= 0 && (buf[i+1] == '.' || buf[i+1] == ',') && isDigit(buf[i]) {
		n := 1
		for n <= 3 && i-n >= 0 && isDigit(buf[i-n]) {
			n++
		}
		if n <= 3 {
			return true
		}
	}
	if i := end + 1; i < len(buf) && (buf[end] == '.' || buf[end] == ',') && isDigit(buf[i]) && bytes.IndexByte(buf[start:end], '.') < 0 {
		n := 1
		for n <= 3 && i+n < len(buf) && isDigit(buf[i+n]) {
			n++
		}
		return n <= 2
	}
	return false
}

// inCode reports whether token[from:to] lies in a run of letters and digits that
// no person wrote: 20 or more hexadecimal digits with letters on either side, or
// 28 or more of base64 with digits outside the candidate.
func inCode(token []byte, from, to int) bool {
	hexFrom, hexTo := from, to
	for hexFrom > 0 && isHex(token[hexFrom-1]) {
		hexFrom--
	}
	for hexTo < len(token) && isHex(token[hexTo]) {
		hexTo++
	}
	if hexTo-hexFrom > to-from && hexTo-hexFrom >= 20 {
		return true
	}
	b64From, b64To := from, to
	for b64From > 0 && isBase64(token[b64From-1]) {
		b64From--
	}
	for b64To < len(token) && isBase64(token[b64To]) {
		b64To++
	}
	if b64To-b64From < 28 {
		return false
	}
	digits, upper, lower := 0, 0, 0
	for i := b64From; i < b64To; i++ {
		if i == from {
			i = to
			if i == b64To {
				break
			}
		}
		switch c := token[i]; {
		case isDigit(c):
			digits++
		case isUpper(c):
			upper++
		case isLower(c):
			lower++
		}
	}
	return digits > 0 && upper > 0 && lower > 0
}

func isBase64(c byte) bool {
	return isAlnum(c) || c == '+' || c == '/' || c == '=' || c == '-' || c == '_'
}

// localPart reports whether what follows the candidate makes it the local part of
// an address.
func localPart(token []byte, to int) bool {
	for _, c := range token[to:] {
		switch {
		case c == '@':
			return true
		case !isAlnum(c) && c != '.' && c != '-' && c != '_' && c != '+':
			return false
		}
	}
	return false
}

// path reports whether token[from:] continues a file's path.
func path(token []byte, from int) bool {
	before := token[:from]
	if bytes.IndexByte(before, '\\') >= 0 {
		return true
	}
	slash := bytes.IndexByte(before, '/')
	return slash == 0 || slash > 0 && bytes.IndexByte(before[slash+1:], '/') >= 0
}
