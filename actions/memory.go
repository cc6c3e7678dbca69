package actions

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/tlog"
)

// Memory is a Ledger, Log, Reader, Tree and VerifySource that lives in memory,
// for tests and examples. It keeps the contract of each to the letter and keeps
// nothing when the process ends. It is safe for concurrent use.
type Memory struct {
	// Ended is called, inside the commit, for the inbox row that a Finish ends.
	// Fail is asked before every call, with its name, and can make it fail with
	// nothing written. Both may be nil; set them before use.
	Ended func(receipt string)
	Fail  func(call string) error

	mu        sync.Mutex
	standings map[string][]byte
	effects   map[[2]string][]byte
	bodies    [][]byte
	entries   []Entry
	hashes    []tlog.Hash
	cases     map[string]Case
}

// NewMemory returns an empty Memory.
func NewMemory() *Memory {
	return &Memory{standings: map[string][]byte{}, effects: map[[2]string][]byte{}, cases: map[string]Case{}}
}

// Begin implements Ledger.
func (m *Memory) Begin(_ context.Context, key, version string) (Standing, Effect, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail("Begin"); err != nil {
		return Standing{}, Effect{}, err
	}
	var (
		s Standing
		e = Effect{MessageKey: key, Version: version}
	)
	if b, ok := m.standings[key]; ok {
		if err := json.Unmarshal(b, &s); err != nil {
			return Standing{}, Effect{}, fmt.Errorf("reading a standing: %w", err)
		}
	}
	if b, ok := m.effects[[2]string{key, version}]; ok {
		if err := json.Unmarshal(b, &e); err != nil {
			return Standing{}, Effect{}, fmt.Errorf("reading an effect: %w", err)
		}
	}
	return s, e, nil
}

// Decide implements Ledger.
func (m *Memory) Decide(_ context.Context, e Effect, s Standing, entries ...Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail("Decide"); err != nil {
		return err
	}
	e.State = StateDecided
	return m.commit(e, s, entries)
}

// Finish implements Ledger.
func (m *Memory) Finish(_ context.Context, e Effect, s Standing, receipt string, entries ...Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail("Finish"); err != nil {
		return err
	}
	if !e.State.Terminal() {
		return fmt.Errorf("finishing an effect: state %q is not terminal", e.State)
	}
	err := m.commit(e, s, entries)
	if receipt != "" && m.Ended != nil && (err == nil || errors.Is(err, ErrFinished)) {
		m.Ended(receipt)
	}
	return err
}

// UnfinishedReleases returns the releases that were decided and have no result.
func (m *Memory) UnfinishedReleases(context.Context) ([]Effect, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail("UnfinishedReleases"); err != nil {
		return nil, err
	}
	var list []Effect
	for _, b := range m.effects {
		var e Effect
		if err := json.Unmarshal(b, &e); err != nil {
			return nil, fmt.Errorf("reading an effect: %w", err)
		}
		if e.State == StateDecided && e.isRelease() {
			list = append(list, e)
		}
	}
	return list, nil
}

// Append implements Log.
func (m *Memory) Append(_ context.Context, entries ...Entry) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail("Append"); err != nil {
		return err
	}
	return m.append(entries)
}

func (m *Memory) fail(call string) error {
	if m.Fail == nil {
		return nil
	}
	return m.Fail(call)
}

func (m *Memory) commit(e Effect, s Standing, entries []Entry) error {
	id := [2]string{e.MessageKey, e.Version}
	var have Effect
	if b, ok := m.effects[id]; ok {
		if err := json.Unmarshal(b, &have); err != nil {
			return fmt.Errorf("reading an effect: %w", err)
		}
	}
	if have.State.Terminal() {
		return ErrFinished
	}
	effect, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding an effect: %w", err)
	}
	standing, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("encoding a standing: %w", err)
	}
	if err := m.append(entries); err != nil {
		return err
	}
	m.effects[id], m.standings[e.MessageKey] = effect, standing
	return nil
}

func (m *Memory) append(entries []Entry) error {
	for _, e := range entries {
		size := int64(len(m.bodies))
		data, err := SealEntry(&e, size)
		if err != nil {
			return err
		}
		hashes, err := AppendHashes(size, data, tlog.HashReaderFunc(m.readHashes))
		if err != nil {
			return err
		}
		var stored Entry // apart from the caller's
		if err := json.Unmarshal(data, &stored); err != nil {
			return fmt.Errorf("reading entry %d: %w", size, err)
		}
		m.bodies = append(m.bodies, data)
		m.hashes = append(m.hashes, hashes...)
		m.entries = append(m.entries, stored)
		if stored.Case != "" {
			m.cases[stored.Case] = Fold(m.cases[stored.Case], stored)
		}
	}
	return nil
}

func (m *Memory) readHashes(indexes []int64) ([]tlog.Hash, error) {
	list := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(m.hashes)) {
			return nil, fmt.Errorf("hash %d of the tree is missing", x)
		}
		list[i] = m.hashes[x]
	}
	return list, nil
}

// Cases implements Reader.
func (m *Memory) Cases(_ context.Context, f Filter) ([]Case, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail("Cases"); err != nil {
		return nil, err
	}
	if states := []string{"", "overridden", "reported", "released", "edited", "deleted", "open"}; !slices.Contains(states, f.State) {
		return nil, fmt.Errorf("listing cases: there is no state %q", f.State)
	}
	var list []Case
	for _, c := range m.cases {
		if f.MatchesCase(c) && (f.Before == 0 || c.LastSeq < f.Before) {
			list = append(list, c)
		}
	}
	slices.SortFunc(list, func(a, b Case) int { return int(b.LastSeq - a.LastSeq) })
	return list[:min(len(list), f.limit())], nil
}

// Case implements Reader.
func (m *Memory) Case(_ context.Context, id string) (Case, []Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail("Case"); err != nil {
		return Case{}, nil, err
	}
	c, ok := m.cases[id]
	if !ok {
		return Case{}, nil, ErrNotFound
	}
	var list []Entry
	for _, e := range m.entries {
		if e.Case == id {
			list = append(list, e)
		}
	}
	return c, list, nil
}

// Entries implements Reader.
func (m *Memory) Entries(_ context.Context, f Filter) ([]Entry, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.fail("Entries"); err != nil {
		return nil, err
	}
	if f.State != "" {
		return nil, fmt.Errorf("listing entries: state %q is one of cases", f.State)
	}
	var list []Entry
	for _, e := range m.entries {
		switch {
		case !f.MatchesEntry(e), f.Before != 0 && e.Seq >= f.Before, f.After != nil && e.Seq <= *f.After:
			continue
		}
		list = append(list, e)
	}
	if f.After == nil {
		slices.Reverse(list)
	}
	return list[:min(len(list), f.limit())], nil
}

// LogSize implements Tree.
func (m *Memory) LogSize(context.Context) (int64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return int64(len(m.bodies)), nil
}

// Hashes implements Tree.
func (m *Memory) Hashes(_ context.Context, indexes []int64) ([]tlog.Hash, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.readHashes(indexes)
}

// Bodies implements VerifySource. fn may keep body and must not change it.
func (m *Memory) Bodies(_ context.Context, from int64, fn func(seq int64, body []byte) error) error {
	m.mu.Lock()
	bodies := m.bodies
	m.mu.Unlock()
	for seq := max(0, from); seq < int64(len(bodies)); seq++ {
		if err := fn(seq, bodies[seq]); err != nil {
			return err
		}
	}
	return nil
}

func (f Filter) limit() int {
	if f.Limit <= 0 {
		return 50
	}
	return min(f.Limit, 5000)
}

// MatchesCase reports whether c is selected by f, paging apart.
func (f Filter) MatchesCase(c Case) bool {
	return is(f.Tenant, c.Tenant) && is(f.Case, c.ID) && is(f.Label, c.Label) && is(f.Severity, c.Severity) &&
		is(f.Action, c.Action) && is(f.Outcome, c.Outcome) &&
		f.conversation(c.Conversation) && f.sender(c.Sender) && f.rules(c.Rules) && f.span(c.Updated) && f.state(c)
}

// MatchesEntry reports whether e is selected by f, paging apart. Severity is
// that of a rule that matched.
func (f Filter) MatchesEntry(e Entry) bool {
	rules := matchedRules(e.Rules)
	return is(f.Tenant, e.Tenant) && is(f.Case, e.Case) && is(f.Label, e.Label) && is(f.Severity, highestSeverity(rules)) &&
		is(f.Action, e.Action) && is(f.Outcome, e.Outcome) && is(f.Kind, e.Kind) &&
		f.conversation(e.Conversation) && f.sender(e.Sender) && f.rules(rules) && f.span(e.Time) && f.digests(e.Rules)
}

func (f Filter) digests(rules []RuleResult) bool {
	return len(f.Digests) == 0 || slices.ContainsFunc(rules, func(r RuleResult) bool {
		return slices.ContainsFunc(r.Matched, func(m Match) bool {
			return slices.ContainsFunc(m.Digest, func(d string) bool { return slices.Contains(f.Digests, d) })
		})
	})
}

func is[T ~string](want, have T) bool { return want == "" || want == have }

func (f Filter) conversation(c *Conversation) bool {
	return f.Conversation == "" || c != nil && c.ID == f.Conversation
}

func (f Filter) sender(s *Sender) bool {
	return f.Sender == "" || s != nil &&
		(s.ID == f.Sender || strings.Contains(strings.ToLower(s.Name), strings.ToLower(f.Sender)))
}

func (f Filter) rules(rules []RuleResult) bool {
	return (f.Rule == "" || slices.ContainsFunc(rules, func(r RuleResult) bool { return r.ID == f.Rule })) &&
		(f.Detector == "" || slices.ContainsFunc(rules, func(r RuleResult) bool {
			return slices.ContainsFunc(r.Matched, func(m Match) bool { return m.Detector == f.Detector })
		}))
}

func (f Filter) state(c Case) bool {
	switch f.State {
	case "":
		return true
	case "overridden":
		return c.Overridden
	case "reported":
		return c.Reported
	case "released":
		return c.Released
	case "edited":
		return c.Edited
	case "deleted":
		return c.Deleted
	case "open":
		return !c.Overridden && !c.Reported && !c.Released && !c.Edited && !c.Deleted && c.Label == ""
	}
	return false
}

func (f Filter) span(t time.Time) bool {
	return (f.Since.IsZero() || !t.Before(f.Since)) && (f.Until.IsZero() || t.Before(f.Until))
}
