package webhook

import (
	"context"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"go.uber.org/zap"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/singleflight"
)

const (
	maxJWKS   = 1 << 20 // bytes; Entra's are about 10 KiB
	minKeyLen = 2048    // bits of a key that signs tokens
	maxKeyLen = 8192
)

// setName names a key set: each tenant has one for each token version.
type setName struct{ tenant, version string }

// path is where the set is published, under the login URL. The tenant's own
// endpoint is used, not the common one, so that no other tenant's keys are in it.
func (n setName) path() string {
	if n.version == "2.0" {
		return "/" + n.tenant + "/discovery/v2.0/keys"
	}
	return "/" + n.tenant + "/discovery/keys"
}

func (n setName) file() string { return "jwks-" + n.tenant + "-" + n.version + ".json" }

// keySet is the last good set of keys and when it was asked for. Verifier.mu
// guards all of it; the map itself is replaced and never changed.
type keySet struct {
	keys     map[string][]signingKey // by kid
	fetched  time.Time               // when the fetch that brought keys began; zero: no keys yet
	tried    time.Time               // when the last fetch began
	missed   time.Time               // when the last fetch for a missing kid began
	fetching bool
}

// signingKey is one key of a JWKS. It is also its form in the cache file.
type signingKey struct {
	KeyID  string `json:"kid"`
	N      string `json:"n"`
	E      string `json:"e"`
	Issuer string `json:"issuer,omitempty"`

	public *rsa.PublicKey
}

// key returns the key for a token that claims t, or ErrUnverifiable, or a
// *Refusal. A kid that is missing from a set which was asked for after the token
// came in does not exist: keys are published before they sign. A kid missing
// from an older set says nothing, and the set is fetched again if it may be.
func (v *Verifier) key(ctx context.Context, t Token, kid string, at time.Time) (*rsa.PublicKey, error) {
	name := setName{t.TenantID, t.Version}
	keys, fetched := v.snapshot(name)
	if len(keys[kid]) == 0 && fetched.Before(at) {
		if !v.fetchForMiss(ctx, name) {
			return nil, ErrUnverifiable
		}
		keys, fetched = v.snapshot(name)
	}
	switch {
	case len(keys[kid]) == 0 && fetched.Before(at):
		return nil, ErrUnverifiable
	case len(keys[kid]) == 0:
		return nil, &Refusal{ReasonTokenUnknownKey}
	}
	return v.choose(keys[kid], t.TenantID)
}

// choose returns the key of those under one kid that may sign for a tenant, or a
// *Refusal.
func (v *Verifier) choose(keys []signingKey, tid string) (*rsa.PublicKey, error) {
	for _, k := range keys {
		if v.keyFits(k, tid) {
			return k.public, nil
		}
	}
	return nil, &Refusal{ReasonTokenKeyIssuer}
}

// keyFits reports whether a key may sign for a tenant: its issuer, where it
// names one, is a template for any tenant or fixed to one.
// Source: entra-docs access-tokens.md, "Issuer validation".
func (v *Verifier) keyFits(k signingKey, tid string) bool {
	if k.Issuer == "" {
		return true
	}
	issuer := strings.ReplaceAll(k.Issuer, keyTenantMark, tid)
	return issuer == v.issuer(tid, "2.0") || issuer == v.issuer(tid, "1.0")
}

func (v *Verifier) snapshot(name setName) (map[string][]signingKey, time.Time) {
	v.mu.Lock()
	defer v.mu.Unlock()
	s := v.sets[name]
	return s.keys, s.fetched
}

// fetchForMiss fetches a set in which a kid was missing, or waits for the fetch
// under way; but not if such a fetch was made a short time ago, since anyone who
// makes up kids could have us ask all the time. It reports whether there is a
// new set.
func (v *Verifier) fetchForMiss(ctx context.Context, name setName) bool {
	v.mu.Lock()
	s, now := v.sets[name], v.cfg.Clock()
	last, least := s.missed, missInterval
	if s.fetched.IsZero() {
		last, least = s.tried, retryEmpty
	}
	if !s.fetching && !last.IsZero() && now.Sub(last) < least {
		v.mu.Unlock()
		return false
	}
	if !s.fetched.IsZero() {
		s.missed = now
	}
	done := v.begin(ctx, name)
	v.mu.Unlock()
	return wait(ctx, done) == nil
}

// fetch asks for a set and returns when it is there or ctx ends; the fetch
// itself goes on to its own time limit.
func (v *Verifier) fetch(ctx context.Context, name setName) error {
	v.mu.Lock()
	done := v.begin(ctx, name)
	v.mu.Unlock()
	return wait(ctx, done)
}

func wait(ctx context.Context, done <-chan singleflight.Result) error {
	select {
	case r := <-done:
		return r.Err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// begin starts the fetch of a set, or joins the one under way. The caller holds mu.
func (v *Verifier) begin(ctx context.Context, name setName) <-chan singleflight.Result {
	s, flight := v.sets[name], name.tenant+" "+name.version
	if !s.fetching {
		s.fetching, s.tried = true, v.cfg.Clock()
	}
	began := s.tried
	return v.flight.DoChan(flight, func() (any, error) {
		keys, err := v.download(context.WithoutCancel(ctx), name)
		v.mu.Lock()
		s.fetching = false
		v.flight.Forget(flight) // with fetching, so that nobody joins a fetch that is over
		if err == nil {
			s.keys, s.fetched = keys, began
		}
		v.mu.Unlock() // log and disk may be slow, and every request needs the keys
		if err != nil {
			v.cfg.Log.Warn("fetching token signing keys", zap.String("tenant", name.tenant), zap.String("version", name.version), zap.Error(err))
			return nil, err
		}
		v.saveSet(name, keys, began)
		return nil, nil
	})
}

// download gets one set from the token service.
func (v *Verifier) download(ctx context.Context, name setName) (map[string][]signingKey, error) {
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, v.cfg.LoginURL+name.path(), nil)
	if err != nil {
		return nil, err
	}
	resp, err := v.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("token service answered %d", resp.StatusCode)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxJWKS+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading key set: %w", err)
	case len(body) > maxJWKS:
		return nil, errors.New("key set is too large")
	}
	return parseJWKS(body)
}

// parseJWKS returns the RSA signing keys of a JWKS by kid. Keys of other kinds
// are passed over; a set without any usable key is an error, so that the last
// good one stays.
func parseJWKS(b []byte) (map[string][]signingKey, error) {
	var set struct {
		Keys []struct {
			signingKey
			Type string `json:"kty"`
			Use  string `json:"use"`
		} `json:"keys"`
	}
	if err := json.Unmarshal(b, &set); err != nil {
		return nil, errors.New("not a JSON Web Key Set")
	}
	keys := make(map[string][]signingKey)
	for _, k := range set.Keys {
		if k.Type != "RSA" || k.Use != "" && k.Use != "sig" {
			continue
		}
		if k.public = rsaKey(k.N, k.E); k.public != nil && k.KeyID != "" {
			keys[k.KeyID] = append(keys[k.KeyID], k.signingKey)
		}
	}
	if len(keys) == 0 {
		return nil, errors.New("key set has no usable key")
	}
	return keys, nil
}

// rsaKey decodes modulus and exponent (RFC 7518 section 6.3.1), nil if they are
// no key to trust.
func rsaKey(n, e string) *rsa.PublicKey {
	nb, errN := base64.RawURLEncoding.DecodeString(n)
	eb, errE := base64.RawURLEncoding.DecodeString(e)
	if errN != nil || errE != nil || len(eb) == 0 || len(eb) > 4 {
		return nil
	}
	key := &rsa.PublicKey{N: new(big.Int).SetBytes(nb), E: int(new(big.Int).SetBytes(eb).Int64())}
	if key.N.BitLen() < minKeyLen || key.N.BitLen() > maxKeyLen || key.N.Bit(0) == 0 || key.E < 3 || key.E%2 == 0 || key.E > 1<<31-1 {
		return nil
	}
	return key
}

// cachedSet is the form of a cache file.
type cachedSet struct {
	Fetched time.Time    `json:"fetched"`
	Keys    []signingKey `json:"keys"`
}

// saveSet keeps a set for the next start; that it cannot is logged and no more.
func (v *Verifier) saveSet(name setName, keys map[string][]signingKey, fetched time.Time) {
	if v.cfg.CacheDir == "" {
		return
	}
	c := cachedSet{Fetched: fetched}
	for _, ks := range keys {
		c.Keys = append(c.Keys, ks...)
	}
	if err := writeFile(filepath.Join(v.cfg.CacheDir, name.file()), c); err != nil {
		v.cfg.Log.Warn("keeping token signing keys", zap.Error(err))
	}
}

// writeFile replaces a file by one that is whole, readable by us alone.
func writeFile(path string, content any) error {
	b, err := json.Marshal(content)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	f, err := os.CreateTemp(filepath.Dir(path), ".jwks-*") // 0600
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		_ = os.Remove(f.Name())
	}
	return err
}

// loadSet returns the set that the last process kept, or an empty one. A file
// that others may write to is not trusted.
func (v *Verifier) loadSet(name setName) *keySet {
	if v.cfg.CacheDir == "" {
		return &keySet{}
	}
	path := filepath.Join(v.cfg.CacheDir, name.file())
	info, err := os.Lstat(path)
	if errors.Is(err, os.ErrNotExist) {
		return &keySet{}
	}
	if err != nil || !info.Mode().IsRegular() || info.Mode().Perm()&0o022 != 0 {
		v.cfg.Log.Warn("kept token signing keys not used: not a file that only we can write", zap.String("file", path))
		return &keySet{}
	}
	b, err := os.ReadFile(path)
	var c cachedSet
	if err == nil {
		err = json.Unmarshal(b, &c)
	}
	keys := make(map[string][]signingKey)
	for _, k := range c.Keys {
		if k.public = rsaKey(k.N, k.E); k.public != nil && k.KeyID != "" {
			keys[k.KeyID] = append(keys[k.KeyID], k)
		}
	}
	if err != nil || len(keys) == 0 || c.Fetched.After(v.cfg.Clock()) {
		v.cfg.Log.Warn("kept token signing keys not used: damaged", zap.String("file", path))
		return &keySet{}
	}
	return &keySet{keys: keys, fetched: c.Fetched}
}

// Run fetches all key sets at once and then keeps them fresh until ctx ends: an
// hour after the last good fetch, and every minute while that fails.
func (v *Verifier) Run(ctx context.Context) {
	tick := time.NewTicker(time.Minute)
	defer tick.Stop()
	for {
		v.refreshDue(ctx)
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}

func (v *Verifier) refreshDue(ctx context.Context) {
	var g errgroup.Group
	g.SetLimit(4)
	v.mu.Lock()
	now := v.cfg.Clock()
	var due []setName
	for name, s := range v.sets {
		if s.tried.IsZero() || now.Sub(s.fetched) >= refreshEvery && now.Sub(s.tried) >= time.Minute {
			due = append(due, name)
		}
	}
	v.mu.Unlock()
	for _, name := range due {
		g.Go(func() error { return v.fetch(ctx, name) })
	}
	_ = g.Wait() // fetch has logged it; the next minute tries again
}

// KeySet says how fresh a set of token signing keys is.
type KeySet struct {
	TenantID string
	Version  string    // of tokens: 1.0 or 2.0
	Keys     int       // 0: tokens cannot be verified
	Fetched  time.Time // zero: never
}

// KeySets returns the state of every set, in no order.
func (v *Verifier) KeySets() []KeySet {
	v.mu.Lock()
	defer v.mu.Unlock()
	var out []KeySet
	for name, s := range v.sets {
		out = append(out, KeySet{name.tenant, name.version, len(s.keys), s.fetched})
	}
	return out
}
