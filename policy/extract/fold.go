package extract

import (
	"unicode"
	"unicode/utf8"
)

// What folding makes of a rune.
type folded uint8

const (
	keep      folded = iota // copied as it is
	replaced                // by one ASCII byte
	disguised               // by one ASCII byte; written to look like it
	removed                 // nothing is left
	newLine                 // a line break
	newBlock                // the end of a paragraph
)

// fold says what becomes of r, a rune beyond ASCII.
func fold(r rune) (byte, folded) {
	switch {
	case r < 0x300:
		return foldLatin(r)
	case r < 0x370: // combining marks: kept, unless they cover a digit
		if r == 0x34F || r >= 0x334 && r <= 0x338 { // grapheme joiner, strokes through a letter
			return 0, removed
		}
		return 0, keep
	case r < 0x2000:
		if invisible(r) {
			return 0, removed
		}
		switch r {
		case 0x1680:
			return ' ', replaced
		case 0x58A: // Armenian hyphen
			return '-', replaced
		}
		return foldDigit(r)
	case r < 0x2100:
		return foldPunctuation(r)
	case r == 0x2212 || r == 0x2E3A || r == 0x2E3B: // minus sign, long dashes
		return '-', replaced
	case r == 0x2215 || r == 0x29F8: // division and big slash
		return '/', replaced
	case r == 0x3002 || r == 0x30FB: // ideographic full stop and middle dot
		return '.', replaced
	case r >= 0x2460 && r <= 0x2468: // circled digits
		return byte('1' + r - 0x2460), disguised
	case r == 0x24EA:
		return '0', disguised
	case r >= 0x2776 && r <= 0x277E: // and their kin
		return byte('1' + r - 0x2776), disguised
	case r >= 0x2780 && r <= 0x2788:
		return byte('1' + r - 0x2780), disguised
	case r == 0x3000:
		return ' ', replaced
	case r < 0xA620: // CJK
		if r == 0x3164 { // Hangul filler
			return 0, removed
		}
		return 0, keep
	case r < 0xFE00:
		return foldDigit(r)
	case r >= 0xFF01 && r <= 0xFF5E: // full-width ASCII
		return byte(r - 0xFEE0), replaced
	case r >= 0xFE50 && r <= 0xFE6B: // small forms
		if b := ",,.\x00;:?!-(){}[]#&*+-<>=\x00\\$%@"[r-0xFE50]; b != 0 {
			return b, replaced
		}
		return 0, keep
	case r >= 0x1D400 && r <= 0x1D6A3: // mathematical letters, 26 + 26 an alphabet
		return "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"[(r-0x1D400)%52], disguised
	case r >= 0x1D7CE && r <= 0x1D7FF: // mathematical digits
		return byte('0' + (r-0x1D7CE)%10), disguised
	case invisible(r):
		return 0, removed
	}
	return foldDigit(r)
}

func foldLatin(r rune) (byte, folded) {
	switch r {
	case 0x85: // next line
		return 0, newLine
	case 0xA0:
		return ' ', replaced
	case 0xAD: // soft hyphen
		return 0, removed
	case 0xB2, 0xB3: // superscripts
		return byte('2' + r - 0xB2), disguised
	case 0xB9:
		return '1', disguised
	case 0xB7: // middle dot
		return '.', replaced
	}
	if r < 0xA0 { // C1 controls
		return 0, removed
	}
	return 0, keep
}

// foldPunctuation folds U+2000 to U+20FF.
func foldPunctuation(r rune) (byte, folded) {
	switch {
	case r <= 0x200A || r == 0x202F || r == 0x205F:
		return ' ', replaced
	case r <= 0x200F || r >= 0x202A && r <= 0x202E || r >= 0x2060 && r <= 0x206F || r == 0x20E3:
		return 0, removed
	case r <= 0x2015 || r == 0x2043:
		return '-', replaced
	case r >= 0x2018 && r <= 0x201B:
		return '\'', replaced
	case r >= 0x201C && r <= 0x201F:
		return '"', replaced
	case r == 0x2024 || r == 0x2027:
		return '.', replaced
	case r == 0x2028:
		return 0, newLine
	case r == 0x2029:
		return 0, newBlock
	case r == 0x2044: // fraction slash
		return '/', replaced
	case r == 0x2070:
		return '0', disguised
	case r >= 0x2074 && r <= 0x2079:
		return byte('4' + r - 0x2074), disguised
	case r >= 0x2080 && r <= 0x2089:
		return byte('0' + r - 0x2080), disguised
	}
	return 0, keep
}

// invisible reports whether r leaves no ink: what Unicode calls default
// ignorable, as far as fold does not treat it by range.
func invisible(r rune) bool {
	switch {
	case r == 0x61C, r == 0x115F, r == 0x1160, r == 0x17B4, r == 0x17B5,
		r >= 0x180B && r <= 0x180F, r >= 0xFE00 && r <= 0xFE0F, r == 0xFEFF, r == 0xFFA0,
		r >= 0xFFF0 && r <= 0xFFFB, r >= 0x1BCA0 && r <= 0x1BCA3, r >= 0x1D173 && r <= 0x1D17A,
		r >= 0xE0000 && r <= 0xE0FFF:
		return true
	}
	return false
}

// foldDigit folds the decimal digits of every script. Unicode assigns them in
// runs of ten from zero on (Unicode Standard, section 4.6), so a range table's
// distance from its low end gives the value.
func foldDigit(r rune) (byte, folded) {
	if r <= 0xFFFF {
		for _, g := range unicode.Nd.R16 {
			if uint16(r) < g.Lo {
				break
			}
			if uint16(r) <= g.Hi {
				return byte('0' + (uint16(r)-g.Lo)%10), replaced
			}
		}
		return 0, keep
	}
	for _, g := range unicode.Nd.R32 {
		if uint32(r) < g.Lo {
			break
		}
		if uint32(r) <= g.Hi {
			return byte('0' + (uint32(r)-g.Lo)%10), replaced
		}
	}
	return 0, keep
}

// overlay reports whether r is a combining mark that may be laid over a digit
// without hiding it (4 with a stroke through it).
func overlay(r rune) bool {
	return r >= 0x300 && r < 0x370 || r >= 0x20D0 && r < 0x2100 || r >= 0x1AB0 && r < 0x1B00 || r >= 0x1DC0 && r < 0x1E00
}

// replacement is what an invalid byte becomes.
const replacement = string(utf8.RuneError)
