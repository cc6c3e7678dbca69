package graph

import (
	"maps"
	"net/url"
	"strings"
	"sync"
	"time"

	"teamsdlp/policy"
)

// How long what Graph told is believed. A chat's kind never changes; names may,
// and hardly matter; members and groups decide about rules.
const (
	nameLife   = 24 * time.Hour
	memberLife = 10 * time.Minute
	personLife = time.Hour
	// strangerLife is for people whom Graph does not have in this tenant.
	strangerLife = 10 * time.Minute
)

// cacheSize bounds each cache; what is nearest its end goes first.
const cacheSize = 20_000

// caches hold what rules asked about.
type caches struct {
	names   *cache[title]           // by conversation
	members *cache[[]policy.Member] // by conversation
	rosters *cache[roster]          // by conversation
	people  *cache[*policy.Person]  // by user; nil: not in this tenant
	groups  *cache[bool]            // by user and group
}

func newCaches(clock func() time.Time) caches {
	return caches{names: newCache[title](clock), members: newCache[[]policy.Member](clock), rosters: newCache[roster](clock), people: newCache[*policy.Person](clock), groups: newCache[bool](clock)}
}

// roster is a list of members that was not read to its end.
type roster struct {
	members []policy.Member
	begun   time.Time
	pages   int      // read
	next    *url.URL // the page that follows
}

// cache keeps values for a time. It is safe for concurrent use.
type cache[V any] struct {
	clock func() time.Time
	mu    sync.Mutex
	held  map[string]held[V]
}

type held[V any] struct {
	value V
	until time.Time
}

func newCache[V any](clock func() time.Time) *cache[V] {
	return &cache[V]{clock: clock, held: map[string]held[V]{}}
}

func (c *cache[V]) get(key string) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.held[key]
	if !ok || !c.clock().Before(h.until) {
		var none V
		return none, false
	}
	return h.value, true
}

func (c *cache[V]) put(key string, v V, life time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := c.clock()
	if len(c.held) >= cacheSize {
		c.shed(now)
	}
	c.held[key] = held[V]{v, now.Add(life)}
}

// shed makes room: what has ended, or else a tenth of what there is.
func (c *cache[V]) shed(now time.Time) {
	for k, h := range c.held {
		if !now.Before(h.until) {
			delete(c.held, k)
		}
	}
	for k := range c.held {
		if len(c.held) <= cacheSize*9/10 {
			return
		}
		delete(c.held, k)
	}
}

// dropUnder drops the keys that begin with prefix.
func (c *cache[V]) dropUnder(prefix string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	maps.DeleteFunc(c.held, func(key string, _ held[V]) bool { return strings.HasPrefix(key, prefix) })
}

func (c *cache[V]) drop(key string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.held, key)
}
