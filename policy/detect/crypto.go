package detect

import (
	"bytes"
	"crypto/sha256"
	"strings"
)

// Addresses and keys are 26 to 62 characters; extended private keys 111.
const shortestKey, longestKey, extendedKey = 26, 62, 111

const base58Alphabet = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"

// base58check decodes s into dst, which has the length that the value must have,
// and checks the four bytes at its end (Bitcoin: "Base58Check encoding").
func base58check(dst, s []byte) bool {
	clear(dst)
	for _, c := range s {
		carry := strings.IndexByte(base58Alphabet, c)
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
	body := dst[:len(dst)-4]
	sum := sha256.Sum256(body)
	sum = sha256.Sum256(sum[:])
	return bytes.Equal(sum[:4], dst[len(body):])
}

const bech32Alphabet = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"

// bech32 checks an address with the prefix bc (BIP 173, BIP 350).
func bech32(s []byte) bool {
	if len(s) < 14 || !bytes.EqualFold(s[:3], []byte("bc1")) {
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
	for _, v := range [5]byte{'b' >> 5, 'c' >> 5, 0, 'b' & 31, 'c' & 31} {
		feed(v)
	}
	for i, c := range s {
		lower, upper = lower || isLower(c), upper || isUpper(c)
		if i < 3 {
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
	id, ok := "", false
	switch {
	case (v[0] == '1' || v[0] == '3') && len(v) <= 35:
		id, ok = "crypto-btc", base58check(room[:25], v) && (room[0] == 0 || room[0] == 5)
	case v[0]|0x20 == 'b':
		id, ok = "crypto-btc", bech32(v)
	case len(v) == 51 && v[0] == '5':
		id, ok = "crypto-private-key", base58check(room[:37], v) && room[0] == 0x80
	case len(v) == 52 && (v[0] == 'K' || v[0] == 'L'):
		id, ok = "crypto-private-key", base58check(room[:38], v) && room[0] == 0x80 && room[33] == 1
	default:
		return
	}
	s.work += len(v) * len(room)
	s.cryptoFound(id, start, end, ok)
}

// extended looks for an extended private key (BIP 32) that starts at i.
func (s *scanner) extended(i, _ int) {
	if i+extendedKey > len(s.buf) || i > 0 && isWordByte(s.buf[i-1]) || i+extendedKey < len(s.buf) && isWordByte(s.buf[i+extendedKey]) {
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

func init() { on("xprv", false, (*scanner).extended) }
