package webhook

import (
	"crypto/rsa"
	"crypto/sha256"
	"hash"
	"sync"
	"time"

	"github.com/lestrrat-go/jwx/v2/jwt"
)

// maxProven bounds the tokens that are remembered. Graph sends one for each app
// and tenant, and the same again and again for about an hour.
const maxProven = 1024

// provenTokens remembers tokens whose signature was verified, so that one that
// comes with every POST is verified once. Only a token that passed everything is
// in it, so nobody but the token service can put one there. A token that is not
// in it, or not good by what it says here, is examined from the beginning.
type provenTokens struct {
	mu  sync.Mutex
	all map[[sha256.Size]byte]provenToken // by the hash of the whole token, signature included
}

// provenToken is what a token was proved to say, and by which key.
type provenToken struct {
	Token
	lifetime
	kid string
	key *rsa.PublicKey
}

// lifetime is when a token is good; a zero time is one that it does not name.
type lifetime struct{ issued, from, until time.Time }

func lifetimeOf(t jwt.Token) lifetime { return lifetime{t.IssuedAt(), t.NotBefore(), t.Expiration()} }

// at says why a token is not good at a time, or nothing.
func (l lifetime) at(now time.Time) Reason {
	switch {
	case l.until.IsZero():
		return ReasonTokenNoExpiry
	case !now.Before(l.until.Add(skew)):
		return ReasonTokenExpired
	case now.Add(skew).Before(l.from), now.Add(skew).Before(l.issued):
		return ReasonTokenNotYet
	}
	return ""
}

func (p *provenTokens) find(token string) (provenToken, bool) {
	sum := sumOf(token)
	p.mu.Lock()
	defer p.mu.Unlock()
	t, ok := p.all[sum]
	return t, ok
}

// add remembers a token. Where there are too many, those whose time is over are
// forgotten, and all if that is not enough: each costs one verification more.
func (p *provenTokens) add(token string, t provenToken, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.all) >= maxProven {
		for sum, old := range p.all {
			if old.at(now) != "" {
				delete(p.all, sum)
			}
		}
	}
	if p.all == nil || len(p.all) >= maxProven {
		p.all = make(map[[sha256.Size]byte]provenToken)
	}
	p.all[sumOf(token)] = t
}

// hashers are used again and again: a string cannot be hashed without a copy, and
// that of a token would be garbage of every POST.
var hashers = sync.Pool{New: func() any { return &hasher{Hash: sha256.New()} }}

type hasher struct {
	hash.Hash
	part [1 << 10]byte
	sum  [sha256.Size]byte
}

// sumOf is the SHA-256 of s.
func sumOf(s string) [sha256.Size]byte {
	h := hashers.Get().(*hasher)
	defer hashers.Put(h)
	h.Reset()
	for len(s) > 0 {
		n := copy(h.part[:], s)
		_, _ = h.Write(h.part[:n]) // never fails
		s = s[n:]
	}
	h.Sum(h.sum[:0])
	return h.sum
}

// remembered returns what a token was proved to say before, if it is good at that
// time too and the key that proved it is still the one that its kid names. Who it
// is for and by is in what was signed, and against a configuration that does not
// change.
func (v *Verifier) remembered(token string, at time.Time) (Token, bool) {
	if len(token) > maxToken {
		return Token{}, false
	}
	t, ok := v.proven.find(token)
	if !ok || t.at(at) != "" {
		return Token{}, false
	}
	keys, _ := v.snapshot(setName{t.TenantID, t.Version})
	key, _ := v.choose(keys[t.kid], t.TenantID)
	// Equal takes as long as the rest of this.
	return t.Token, key != nil && (key == t.key || key.Equal(t.key))
}

// rememberedCollection is VerifyCollection, ok, if all tokens were proved before:
// nothing has to be waited for.
func (v *Verifier) rememberedCollection(tokens []string, at time.Time) (p Proof, ok bool) {
	for _, token := range tokens {
		t, ok := v.remembered(token, at)
		if !ok {
			return Proof{}, false
		}
		p.proved = append(p.proved, pairOf(t.TenantID, t.AppID))
	}
	return p, true
}
