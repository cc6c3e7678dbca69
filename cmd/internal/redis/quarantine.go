package redis

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"time"

	goredis "github.com/redis/go-redis/v9"

	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/webhook"
)

// Quarantine moves a claimed row out of the inbox, with the reason and the time.
// Quarantined items count against none of the inbox's bounds, only against
// Redis' memory.
func (s *Store) Quarantine(ctx context.Context, receipt, reason string) error {
	r, l, row, err := s.flight(ctx, receipt)
	if err == nil && row == nil {
		err = ErrNotClaimed
	}
	if err == nil {
		_, err = s.run(ctx, buryScript, s.rowKeys(r.part, s.keys.dead(r.part)), l.args(r.id, r.size, r.unverified, row.attempts, reason)...)
	}
	if err != nil {
		return fmt.Errorf("quarantining inbox row %q: %w", receipt, err)
	}
	s.ended(l, r.id)
	return nil
}

// A quarantined item's number is made of the time at which it came there, the
// place among those of that millisecond, and its partition: newer ones have
// higher numbers.
const (
	seqBits  = 10
	partBits = 9 // 256 partitions and the leader's
)

func deadID(id streamID, part int) int64 {
	return int64(id.ms)<<(seqBits+partBits) | int64(id.seq&(1<<seqBits-1))<<partBits | int64(part+1) //nolint:gosec // 41 bits of time
}

func splitDeadID(n int64) (id streamID, part int) {
	u := uint64(max(n, 0))                                                                                   //nolint:gosec // not negative
	return streamID{u >> (seqBits + partBits), u >> partBits & (1<<seqBits - 1)}, int(u&(1<<partBits-1)) - 1 //nolint:gosec // 9 bits
}

// ListQuarantine returns up to limit quarantined items, newest first: those with
// a number below before, or the newest if before is 0. limit is at most 5000; 0
// means 50.
func (s *Store) ListQuarantine(ctx context.Context, before int64, limit int) ([]sqlite.Quarantined, error) {
	ctx, cancel := context.WithTimeout(ctx, 4*s.opts.Timeout)
	defer cancel()
	if limit <= 0 {
		limit = 50
	}
	limit = min(limit, 5000)
	if before <= 0 {
		before = math.MaxInt64
	}
	last, _ := splitDeadID(before)
	var parts []int
	for p := lead; p < s.opts.Partitions; p++ {
		parts = append(parts, p)
	}
	cmds := make([]*goredis.XMessageSliceCmd, len(parts))
	_, err := s.rdb.Pipelined(ctx, func(pipe goredis.Pipeliner) error {
		for i, p := range parts {
			cmds[i] = pipe.XRevRangeN(ctx, s.keys.dead(p), last.String(), "-", int64(limit)+1)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("listing the quarantine: %w", s.judged(err))
	}
	var list []sqlite.Quarantined
	for i, p := range parts {
		for _, m := range cmds[i].Val() {
			q := quarantined(m, p)
			if q.ID >= before {
				continue
			}
			q.Item.Deferred = nil
			if e := q.Item.Encrypted; e != nil {
				e.Data, e.DataKey, e.DataSignature = "", "", ""
			}
			list = append(list, q)
		}
	}
	slices.SortFunc(list, func(a, b sqlite.Quarantined) int { return cmp.Compare(b.ID, a.ID) })
	return list[:min(len(list), limit)], nil
}

func quarantined(m goredis.XMessage, part int) sqlite.Quarantined {
	id, _ := parseID(m.ID)
	body := text(m.Values["b"])
	q := sqlite.Quarantined{
		ID: deadID(id, part), At: time.UnixMilli(int64(id.ms)).UTC(), Reason: text(m.Values["w"]), Size: len(body), //nolint:gosec // a time
	}
	q.Attempts, _ = strconv.Atoi(text(m.Values["a"]))
	if json.Unmarshal([]byte(body), &q.Item) != nil {
		q.Item = webhook.Item{}
	}
	if text(m.Values["u"]) == "0" { // verified since it was received
		q.Item.Deferred = nil
	}
	return q
}

// GetQuarantine returns one quarantined item, whole. sqlite.ErrNotQuarantined if
// there is none with that number.
func (s *Store) GetQuarantine(ctx context.Context, id int64) (sqlite.Quarantined, error) {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	at, p := splitDeadID(id)
	err := sqlite.ErrNotQuarantined
	if id > 0 && p < s.opts.Partitions {
		var list []goredis.XMessage
		list, err = s.rdb.XRange(ctx, s.keys.dead(p), at.String(), at.String()).Result()
		if err == nil && len(list) == 1 {
			return quarantined(list[0], p), nil
		}
		if err = s.judged(err); err == nil {
			err = sqlite.ErrNotQuarantined
		}
	}
	return sqlite.Quarantined{}, fmt.Errorf("reading quarantined item %d: %w", id, err)
}

// RetryQuarantine puts a quarantined item back into the inbox, as a new row that
// is received when the item was. The inbox's bounds do not apply: somebody asked
// for it. sqlite.ErrNotQuarantined if there is none with that number.
func (s *Store) RetryQuarantine(ctx context.Context, id int64) error {
	at, p := splitDeadID(id)
	err := sqlite.ErrNotQuarantined
	if id > 0 && p < s.opts.Partitions {
		var v any
		v, err = s.run(ctx, exhumeScript, []string{s.keys.dead(p), s.keys.queue(p), s.keys.counts(p)}, at.String(), s.keys.wake(), tag(p))
		if err == nil && v != int64(1) {
			err = sqlite.ErrNotQuarantined
		}
	}
	if err != nil {
		return fmt.Errorf("retrying quarantined item %d: %w", id, err)
	}
	return nil
}

// DropQuarantine forgets a quarantined item for good. sqlite.ErrNotQuarantined if
// there is none with that number.
func (s *Store) DropQuarantine(ctx context.Context, id int64) error {
	ctx, cancel := context.WithTimeout(ctx, s.opts.Timeout)
	defer cancel()
	at, p := splitDeadID(id)
	err := sqlite.ErrNotQuarantined
	if id > 0 && p < s.opts.Partitions {
		var n int64
		n, err = s.rdb.XDel(ctx, s.keys.dead(p), at.String()).Result()
		if err = s.judged(err); err == nil && n == 0 {
			err = sqlite.ErrNotQuarantined
		}
	}
	if err != nil {
		return fmt.Errorf("dropping quarantined item %d: %w", id, err)
	}
	return nil
}
