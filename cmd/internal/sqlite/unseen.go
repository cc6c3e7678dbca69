package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"sync"
	"unicode/utf8"

	"teamsdlp/actions"
	"teamsdlp/webhook"
)

// unseen knows messages of claimed items of which nothing is stored: most are new.
// One query asks it for a whole claim, and Begin then needs none. What it holds
// is exact: a key is dropped before anything about its message is written. It may
// hold less than there is. The zero value is usable.
type unseen struct {
	mu      sync.Mutex
	keys    map[string]bool
	writing map[string]int  // writes under way, by message
	written map[string]bool // while a query runs: messages of writes since it began
}

// maxUnseen bounds the keys, which outlive the items that lead to no effect.
const maxUnseen = 1 << 14

// has reports whether nothing is stored of a message.
func (u *unseen) has(key string) bool {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.keys[key]
}

// write is called before a write about a message is queued, and done once its
// outcome is known.
func (u *unseen) write(key string) (done func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.keys, key)
	if u.writing == nil {
		u.writing = map[string]int{}
	}
	u.writing[key]++
	if u.written != nil {
		u.written[key] = true
	}
	return func() {
		u.mu.Lock()
		defer u.mu.Unlock()
		if u.writing[key]--; u.writing[key] == 0 {
			delete(u.writing, key)
		}
	}
}

// begin is called before a query, with one at a time, and end after it with the
// keys that it did not find.
func (u *unseen) begin() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.written = make(map[string]bool, len(u.writing))
	for key := range u.writing {
		u.written[key] = true
	}
}

func (u *unseen) end(missing []string) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.keys == nil || len(u.keys)+len(missing) > maxUnseen {
		u.keys = map[string]bool{}
	}
	for _, key := range missing {
		if !u.written[key] { // else the query may have missed it by a moment
			u.keys[key] = true
		}
	}
	u.written = nil
}

// foresee looks for the messages of claimed items, for their Begin. An error is
// none of the claim's: Begin looks for itself then. Claims take turns.
func (s *Store) foresee(ctx context.Context, items []webhook.Item) {
	var keys, rows []string
	for _, item := range items {
		ref, err := webhook.ParseResource(item.Resource)
		if err != nil || !utf8.ValidString(item.TenantID) { // JSON would change it
			continue
		}
		key := actions.Target{Tenant: item.TenantID, ChatID: ref.ChatID, TeamID: ref.TeamID, ChannelID: ref.ChannelID, MessageID: ref.MessageID, ReplyTo: ref.ReplyTo}.Key()
		keys, rows = append(keys, key), append(rows, rowKey(key))
	}
	if len(keys) < 2 {
		return // its Begin is one query too
	}
	list, err := json.Marshal(rows)
	if err != nil {
		return
	}
	found := make([]bool, len(keys))
	s.unseen.begin()
	const query = `SELECT key FROM json_each(?)
		WHERE EXISTS (SELECT 1 FROM standing WHERE message_key = value) OR EXISTS (SELECT 1 FROM effect WHERE message_key = value)`
	err = s.Reader.each(ctx, query, []any{string(list)}, func(rows *sql.Rows) error {
		var i int
		err := rows.Scan(&i)
		if err == nil {
			found[i] = true
		}
		return err
	})
	missing := keys[:0]
	for i, key := range keys {
		if err == nil && !found[i] {
			missing = append(missing, key)
		}
	}
	s.unseen.end(missing)
}
