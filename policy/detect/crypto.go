package detect

import (
	"bytes"
	"crypto/sha256"
	"strings"
)

// Addresses and keys are 26 to 62 characters; extended private keys 111.
const shortestKey, longestKey, extendedKey = 26, 62, 111

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// rippleAlphabet is the same letters and digits in the order of the XRP Ledger.
const rippleAlphabet = "rpshnaf39wBUDNEGHJKLM4PQRST7VWXYZ2bcdeCg65jkm8oFqi1tuvAxyz"

// base58check decodes s into dst, which has the length that the value must have,
// and checks the four bytes at its end (Bitcoin: "Base58Check encoding").
func base58check(dst, s []byte) bool { return baseCheck(dst, s, base58Alphabet) }

func baseCheck(dst, s []byte, alphabet string) bool {
	if !base58(dst, s, alphabet) {
		return false
	}
	body := dst[:len(dst)-4]
	sum := sha256.Sum256(body)
	sum = sha256.Sum256(sum[:])
	return bytes.Equal(sum[:4], dst[len(body):])
}

// base58 decodes s into dst; false if it is too long or has other characters.
func base58(dst, s []byte, alphabet string) bool {
	clear(dst)
	for _, c := range s {
		carry := strings.IndexByte(alphabet, c)
		if carry < 0 {
			return false
		}
		for i := len(dst) - 1; i >= 0; i-- {
			carry += 58 * int(dst[i])
			dst[i] = byte(carry)
			carry >>= 8
		}
		if carry != 0 {
			return false
		}
	}
	return true
}

const bech32Alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

// bech32 checks an address with a prefix, as bc1 (BIP 173, BIP 350).
func bech32(s []byte, prefix string) bool {
	n := len(prefix)
	if len(s) < n+11 || !bytes.EqualFold(s[:n], []byte(prefix)) {
		return false
	}
	lower, upper := false, false
	sum := uint32(1)
	feed := func(v byte) {
		top := sum >> 25
		sum = sum&0x1ffffff<<5 ^ uint32(v)
		for i, g := range [5]uint32{0x3b6a57b2, 0x26508e6d, 0x1ea119fa, 0x3d4233dd, 0x2a1462b3} {
			if top>>i&1 == 1 {
				sum ^= g
			}
		}
	}
	for i := range n - 1 {
		feed(prefix[i] >> 5)
	}
	feed(0)
	for i := range n - 1 {
		feed(prefix[i] & 31)
	}
	for i, c := range s {
		lower, upper = lower || isLower(c), upper || isUpper(c)
		if i < n {
			continue
		}
		if isUpper(c) {
			c |= 0x20
		}
		n := strings.IndexByte(bech32Alphabet, c)
		if n < 0 {
			return false
		}
		feed(byte(n))
	}
	return !(lower && upper) && (sum == 1 || sum == 0x2bc830a3)
}

// crypto looks for an address or a private key in the token buf[start:end].
func (s *scanner) crypto(start, end int) {
	v := s.buf[start:end]
	var room [38]byte
	var id string
	var ok bool
	switch {
	case (v[0] == '1' || v[0] == '3') && len(v) <= 35:
		id, ok = "crypto-btc", base58check(room[:25], v) && (room[0] == 0 || room[0] == 5)
	case v[0]|0x20 == 'b':
		id, ok = "crypto-btc", bech32(v, "bc1")
	case len(v) == 51 && v[0] == '5':
		id, ok = "crypto-private-key", base58check(room[:37], v) && room[0] == 0x80
	case len(v) == 52 && (v[0] == 'K' || v[0] == 'L'):
		id, ok = "crypto-private-key", base58check(room[:38], v) && room[0] == 0x80 && room[33] == 1
	case v[0] == '0' && v[1]|0x20 == 'x' && len(v) == 42:
		id = "crypto-eth"
		_, ok = ether(v[2:])
	case len(v) <= 35:
		id, ok = "crypto-other", otherAddress(room[:25], v)
		if !ok {
			return // any word of that length
		}
	case v[0]|0x20 == 'l' && v[1]|0x20 == 't' && v[2]|0x20 == 'c':
		id, ok = "crypto-other", bech32(v, "ltc1")
	default:
		return
	}
	s.work += len(v) * len(room)
	s.cryptoFound(id, start, end, ok)
}

// extended looks for an extended private key (BIP 32) that starts at i.
func (s *scanner) extended(i, _ int) {
	if i+extendedKey > len(s.buf) || i > 0 && wordBefore(s.buf, i) || i+extendedKey < len(s.buf) && wordAt(s.buf, i+extendedKey) {
		return
	}
	var room [82]byte
	s.work += extendedKey * len(room)
	s.cryptoFound("crypto-private-key", i, i+extendedKey, base58check(room[:], s.buf[i:i+extendedKey]))
}

func (s *scanner) cryptoFound(id string, start, end int, ok bool) {
	k := kinds[id]
	if !ok {
		if id != "crypto-btc" || end-start > 30 {
			s.reject(id, start, end, "check bytes")
		}
		return
	}
	ev := s.evidence(k.set, k.Within, start, end)
	c := candidate{kind: k, start: start, end: end, level: k.Alone, value: string(s.buf[start:end]), why: "check bytes hold"}
	if ev.found() {
		c.level, c.evidence, c.dist = max(k.Alone, k.WithContext), true, ev.rank()
		c.why += "; " + s.tell(ev)
	}
	s.add(c)
}

// otherAddress checks an address of Litecoin, Dogecoin, Dash, Zcash, TRON or the
// XRP Ledger: each has its version byte, which decides the first letter.
func otherAddress(room, v []byte) bool {
	switch v[0] {
	case 'L', 'M', 'D', 'X', 'T', 'A', '9', '7':
		if len(v) < 33 || len(v) > 35 {
			return false
		}
		if base58check(room, v) {
			switch room[0] {
			case 0x30, 0x32, 0x1e, 0x16, 0x4c, 0x10, 0x41:
				return true
			}
		}
	case 't':
		var zcash [26]byte
		return len(v) == 35 && (v[1] == '1' || v[1] == '3') && base58check(zcash[:], v) && zcash[0] == 0x1c && (zcash[1] == 0xb8 || zcash[1] == 0xbd)
	case 'r':
		return baseCheck(room, v, rippleAlphabet) && room[0] == 0
	}
	return false
}

// The lengths of Monero's addresses, the longer with a payment id.
const moneroKey, moneroIntegrated = 95, 106

// monero looks for an address of Monero that starts at i: blocks of eleven
// characters for eight bytes each, a Keccak sum at the end.
func (s *scanner) monero(i int) {
	end := i
	for end < len(s.buf) && end-i <= moneroIntegrated && isAlnum(s.buf[end]) {
		end++
	}
	s.work += end - i
	n := end - i
	if n != moneroKey && n != moneroIntegrated {
		return
	}
	var room [77]byte
	d, v := room[:0], s.buf[i:end]
	for len(v) > 0 {
		size := 8
		if len(v) < 11 {
			size = 5 // of seven characters: neither length leaves any other rest
		}
		from := len(d)
		d = d[:from+size]
		if !base58(d[from:], v[:min(11, len(v))], base58Alphabet) {
			return
		}
		v = v[min(11, len(v)):]
	}
	body := d[:len(d)-4]
	sum := keccak256(body)
	s.work += len(d) * 8
	s.cryptoFound("crypto-other", i, end, (d[0] == 18 || d[0] == 19 || d[0] == 42) && bytes.Equal(sum[:4], d[len(body):]))
}

// ether checks an address of Ethereum after its 0x: if it has letters of both
// cases, they must be those of EIP-55. mixed: it has.
func ether(s []byte) (mixed, ok bool) {
	var folded [40]byte
	lower, upper := false, false
	for i, c := range s {
		if !isHex(c) {
			return false, false
		}
		lower, upper = lower || isLower(c), upper || isUpper(c)
		folded[i] = c
		if isUpper(c) {
			folded[i] |= 0x20
		}
	}
	if same(s) || !lower || !upper {
		return false, !same(s)
	}
	sum := keccak256(folded[:])
	for i, c := range s {
		if nibble := sum[i/2] >> (4 * (1 - i%2)) & 15; !isDigit(c) && isUpper(c) != (nibble > 7) {
			return true, false
		}
	}
	return true, true
}

func init() { on("xprv", false, (*scanner).extended) }
