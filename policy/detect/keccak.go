package detect

import (
	"encoding/binary"
	"math/bits"
)

// keccak256 is the hash of Ethereum and Monero: Keccak as submitted to NIST, whose
// padding differs from that of SHA-3, which is what the standard library has.
func keccak256(data []byte) (sum [32]byte) {
	const rate = 136
	var a [25]uint64
	var block [rate]byte
	for {
		n := copy(block[:], data)
		data = data[n:]
		last := n < rate
		if last {
			clear(block[n:])
			block[n] |= 1
			block[rate-1] |= 0x80
		}
		for i := range rate / 8 {
			a[i] ^= binary.LittleEndian.Uint64(block[8*i:])
		}
		permute(&a)
		if last {
			break
		}
	}
	for i := range 4 {
		binary.LittleEndian.PutUint64(sum[8*i:], a[i])
	}
	return sum
}

// permute is Keccak-f[1600] (FIPS 202, section 3).
func permute(a *[25]uint64) {
	r := byte(1) // of the linear feedback shift register that makes the constants
	for range 24 {
		var c [5]uint64
		for x := range 5 {
			c[x] = a[x] ^ a[x+5] ^ a[x+10] ^ a[x+15] ^ a[x+20]
		}
		for x := range 5 {
			d := c[(x+4)%5] ^ bits.RotateLeft64(c[(x+1)%5], 1)
			for y := 0; y < 25; y += 5 {
				a[y+x] ^= d
			}
		}
		x, y, t := 1, 0, a[1]
		for i := range 24 {
			x, y = y, (2*x+3*y)%5
			t, a[5*y+x] = a[5*y+x], bits.RotateLeft64(t, (i+1)*(i+2)/2%64)
		}
		for y := 0; y < 25; y += 5 {
			row := [5]uint64(a[y : y+5])
			for x := range 5 {
				a[y+x] = row[x] ^ row[(x+2)%5]&^row[(x+1)%5]
			}
		}
		for j := range 7 {
			if r&1 == 1 {
				a[0] ^= 1 << (1<<j - 1)
			}
			if r&0x80 != 0 {
				r = r<<1 ^ 0x71
			} else {
				r <<= 1
			}
		}
	}
}
