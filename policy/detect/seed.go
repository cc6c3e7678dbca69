package detect

import (
	"crypto/sha256"
	_ "embed"
	"slices"
	"strings"
	"sync"
)

//go:embed bip39.txt
var seedList string

// A seedWord is a word of at most eight letters, in lower case.
type seedWord [longestSeed]byte

// seedWords are the 2048 English words of BIP 39 with their places.
var seedWords = sync.OnceValue(func() map[seedWord]int {
	m := map[seedWord]int{}
	for i, w := range strings.Fields(seedList) {
		var k seedWord
		copy(k[:], w)
		m[k] = i
	}
	return m
})

// A wordRun is a row of words as short and as long as those of BIP 39. Few
// sentences have twelve of them in a row, so that the list is seldom looked into.
type wordRun struct{ from, to, n int }

const shortestSeed, longestSeed, fewestSeeds = 3, 8, 12

// add takes note of the word buf[start:end]; it returns a row that the word ends, if
// that is long enough.
func (r *wordRun) add(start, end int) (done wordRun) {
	n := end - start
	if n < shortestSeed || n > longestSeed {
		return r.take()
	}
	if r.n > 0 && start-r.to > maxSeedGap {
		done = r.take()
	}
	if r.n == 0 {
		r.from = start
	}
	r.to = end
	r.n++
	return done
}

func (r *wordRun) take() (done wordRun) {
	if r.n >= fewestSeeds {
		done = *r
	}
	r.n = 0
	return done
}

// maxSeedGap is the most that stands between two words: a number and a line's end.
const maxSeedGap = 6

// A seedAt is where a word of the list stands.
type seedAt struct{ start, end, value int }

// seedPhrase looks among the words of r for a mnemonic sentence: 12 to 24 words of
// the list, the last bits of which are a checksum.
func (s *scanner) seedPhrase(r wordRun) {
	s.seeds = s.seeds[:0]
	s.work += (r.to - r.from) * 2
	for i := r.from; i < r.to; {
		if c := s.buf[i]; !isLetter(c) {
			if !isDigit(c) && strings.IndexByte(" \n\t\f,;.)\"'", c) < 0 {
				s.mnemonics() // words of a program, or of a heading
				s.seeds = s.seeds[:0]
			}
			i++
			continue
		}
		var k seedWord
		j := i
		for j < r.to && isLetter(s.buf[j]) {
			if j-i < len(k) {
				k[j-i] = s.buf[j] | 0x20
			}
			j++
		}
		v, ok := seedWords()[k]
		if ok && j-i <= len(k) {
			s.seeds = append(s.seeds, seedAt{i, j, v})
		} else {
			s.mnemonics()
			s.seeds = s.seeds[:0]
		}
		i = j
	}
	s.mnemonics()
}

// mnemonics reports every sentence among the words read, which all are of the list,
// the longer first.
func (s *scanner) mnemonics() {
	w := s.seeds
	for i := 0; i+fewestSeeds <= len(w); {
		n := 24
		for n >= fewestSeeds && (i+n > len(w) || !mnemonic(w[i:i+n])) {
			n -= 3
		}
		s.work += 24 * 5
		if n < fewestSeeds {
			i++
			continue
		}
		k := kinds["crypto-seed-phrase"]
		c := candidate{
			kind: k, start: w[i].start, end: w[i+n-1].end, level: k.Alone, value: strings.ToLower(string(s.buf[w[i].start:w[i+n-1].end])),
			why: "words of BIP 39, and their checksum holds",
		}
		c.known = knownSeeds[c.value]
		if ev := s.evidence(k.set, k.Within, c.start, c.end); ev.found() {
			c.evidence = true
			c.why += "; " + s.tell(ev)
		}
		s.add(c)
		i += n
	}
}

// knownSeeds are the first of BIP 39's test vectors that have several words.
var knownSeeds = set(
	"letter advice cage absurd amount doctor acoustic avoid letter advice cage above",
)

// mnemonic checks the sentence of the words with these places in the list: eleven
// bits each, of which one in 33 is of the SHA-256 of the others.
func mnemonic(words []seedAt) bool {
	var entropy [33]byte
	bit, again := 0, 0
	for i, w := range words {
		if slices.ContainsFunc(words[:i], func(o seedAt) bool { return o.value == w.value }) {
			again++
		}
		for b := 10; b >= 0; b-- {
			entropy[bit/8] |= byte(w.value>>b&1) << (7 - bit%8)
			bit++
		}
	}
	if again > len(words)/4 {
		return false // a few words over and over are no secret, whatever they sum up to
	}
	check := bit / 33
	size := (bit - check) / 8
	sum := sha256.Sum256(entropy[:size])
	return sum[0]>>(8-check) == entropy[size]>>(8-check)
}
