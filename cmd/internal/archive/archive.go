// Package archive is the form in which everything in a store is moved to another
// one: a file of JSON lines. The first says what it is, then comes one record a
// line, and the last has the counts and the SHA-256 of all that stands before it,
// so that a file that was cut off or changed is told from a whole one before
// anything of it is written.
//
// It holds what the store holds: items as Microsoft encrypted them, the secrets of
// subscriptions, no message text.
package archive

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teamsdlp/actions"
)

// The kinds of record.
const (
	Entry        = "entry"      // Seq, Body: an entry of the action log, byte for byte
	Checkpoint   = "checkpoint" // Seq: its size; At; Body: the note
	Effect       = "effect"     // Key, Version, State, Case, At, Body
	Standing     = "standing"   // Key, Case, At, Body
	Item         = "item"       // Received, Unverified, Attempts, Reason, Due if it was put back; Body
	Quarantined  = "quarantined"
	Subscription = "subscription" // Key: local id; Body
	Alive        = "alive"        // Key: target; At
	Meta         = "meta"         // Key; Body: the value
)

// A Record is one thing that a store holds.
type Record struct {
	Kind       string    `json:"kind"`
	Seq        int64     `json:"seq,omitempty"`
	Key        string    `json:"key,omitempty"`
	Version    string    `json:"version,omitempty"`
	State      string    `json:"state,omitempty"`
	Case       string    `json:"case,omitempty"`
	At         time.Time `json:"at,omitzero"`
	Received   time.Time `json:"received,omitzero"`
	Due        time.Time `json:"due,omitzero"`
	Unverified bool      `json:"unverified,omitempty"`
	Attempts   int       `json:"attempts,omitempty"`
	Reason     string    `json:"reason,omitempty"`
	Body       []byte    `json:"body,omitempty"`
}

// Source is a store that can be moved from.
type Source interface {
	// Dump calls fn with every record, entries in the order of the log. Nothing
	// else may use the store meanwhile.
	Dump(ctx context.Context, fn func(Record) error) error
}

// Sink is a store that can be moved to.
type Sink interface {
	// Restore writes records, of one kind and in the order of Dump.
	Restore(ctx context.Context, list []Record) error
}

// Summary is what an archive holds.
type Summary struct {
	Counts map[string]int64 `json:"counts"` // by kind
	Size   int64            `json:"log_size"`
	Root   string           `json:"log_root"` // over the entries
}

const format = 1

type first struct {
	Archive int       `json:"teamsdlp_archive"`
	Created time.Time `json:"created"`
}

type last struct {
	End bool `json:"end"`
	Summary
	SHA256 string `json:"sha256"` // of the lines before
}

// tree computes the root over entries as they come.
type tree struct {
	size   int64
	hashes []tlog.Hash
}

func (t *tree) read(indexes []int64) ([]tlog.Hash, error) {
	list := make([]tlog.Hash, len(indexes))
	for i, x := range indexes {
		if x < 0 || x >= int64(len(t.hashes)) {
			return nil, errors.New("the tree has no such hash")
		}
		list[i] = t.hashes[x]
	}
	return list, nil
}

func (t *tree) add(seq int64, body []byte) error {
	if seq != t.size {
		return fmt.Errorf("entry %d of the log follows on entry %d", seq, t.size-1)
	}
	hashes, err := actions.AppendHashes(seq, body, tlog.HashReaderFunc(t.read))
	if err != nil {
		return err
	}
	t.hashes, t.size = append(t.hashes, hashes...), t.size+1
	return nil
}

func (t *tree) root() (string, error) {
	h, err := tlog.TreeHash(t.size, tlog.HashReaderFunc(t.read))
	return h.String(), err
}

// summing counts what passes.
type summing struct {
	counts map[string]int64
	log    tree
}

func (s *summing) see(r Record) error {
	s.counts[r.Kind]++
	if r.Kind == Entry {
		return s.log.add(r.Seq, r.Body)
	}
	return nil
}

func (s *summing) summary() (Summary, error) {
	root, err := s.log.root()
	return Summary{Counts: s.counts, Size: s.log.size, Root: root}, err
}

// Write writes everything in src to w.
func Write(ctx context.Context, w io.Writer, src Source, now time.Time) (Summary, error) {
	sum := sha256.New()
	out := bufio.NewWriter(w)
	line := func(v any) error {
		data, err := json.Marshal(v)
		if err != nil {
			return err
		}
		data = append(data, '\n')
		_, _ = sum.Write(data)
		_, err = out.Write(data)
		return err
	}
	if err := line(first{format, now.UTC()}); err != nil {
		return Summary{}, fmt.Errorf("writing the archive: %w", err)
	}
	seen := summing{counts: map[string]int64{}}
	err := src.Dump(ctx, func(r Record) error {
		if err := seen.see(r); err != nil {
			return err
		}
		return line(r)
	})
	if err != nil {
		return Summary{}, fmt.Errorf("reading the store: %w", err)
	}
	s, err := seen.summary()
	if err != nil {
		return Summary{}, fmt.Errorf("reading the store: %w", err)
	}
	if err := errors.Join(line(last{true, s, hex.EncodeToString(sum.Sum(nil))}), out.Flush()); err != nil {
		return Summary{}, fmt.Errorf("writing the archive: %w", err)
	}
	return s, nil
}

// errArchive is wrapped by every error about a file that is not a whole archive.
var errArchive = errors.New("not a whole archive")

// Check reads an archive to its end and returns what it holds. Its error says
// what is wrong with it.
func Check(r io.Reader) (Summary, error) { return read(r, func(Record) error { return nil }) }

func read(r io.Reader, fn func(Record) error) (Summary, error) {
	in := bufio.NewReaderSize(r, 1<<20)
	var (
		sum  = sha256.New()
		seen = summing{counts: map[string]int64{}}
		n    int
	)
	bad := func(format string, args ...any) (Summary, error) {
		return Summary{}, fmt.Errorf("line %d: %s: %w", n, fmt.Sprintf(format, args...), errArchive)
	}
	for {
		line, err := in.ReadBytes('\n')
		n++
		if errors.Is(err, io.EOF) {
			return bad("it is cut off")
		}
		if err != nil {
			return Summary{}, fmt.Errorf("reading the archive: %w", err)
		}
		if n == 1 {
			var f first
			if json.Unmarshal(line, &f) != nil || f.Archive == 0 {
				return bad("it is something else")
			}
			if f.Archive != format {
				return bad("it has format %d, this release knows %d", f.Archive, format)
			}
			_, _ = sum.Write(line)
			continue
		}
		var end last
		if bytes.HasPrefix(line, []byte(`{"end":`)) && json.Unmarshal(line, &end) == nil && end.End {
			have, err := seen.summary()
			if err != nil {
				return bad("%v", err)
			}
			if end.SHA256 != hex.EncodeToString(sum.Sum(nil)) {
				return bad("its SHA-256 is another: it was changed")
			}
			if !maps.Equal(have.Counts, end.Counts) || have.Size != end.Size || have.Root != end.Root {
				return bad("it does not hold what it says")
			}
			if _, err := in.ReadByte(); !errors.Is(err, io.EOF) {
				return bad("something follows on its end")
			}
			return have, nil
		}
		_, _ = sum.Write(line)
		var rec Record
		if json.Unmarshal(line, &rec) != nil || rec.Kind == "" {
			return bad("not a record")
		}
		if err := seen.see(rec); err != nil {
			return bad("%v", err)
		}
		if err := fn(rec); err != nil {
			return Summary{}, err
		}
	}
}

// The bounds of what is restored at once.
const (
	batchRecords = 500
	batchBytes   = 1 << 20
)

// Restore writes everything in an archive, which Check has found whole, to dst.
func Restore(ctx context.Context, r io.Reader, dst Sink) (Summary, error) {
	var (
		batch []Record
		size  int
	)
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := dst.Restore(ctx, batch)
		batch, size = nil, 0
		return err
	}
	s, err := read(r, func(rec Record) error {
		if len(batch) > 0 && (batch[0].Kind != rec.Kind || len(batch) == batchRecords || size > batchBytes) {
			if err := flush(); err != nil {
				return err
			}
		}
		batch, size = append(batch, rec), size+len(rec.Body)
		return nil
	})
	if err == nil {
		err = flush()
	}
	if err != nil {
		return Summary{}, fmt.Errorf("restoring: %w", err)
	}
	return s, nil
}

// discard is a Write that keeps nothing.
type discard struct{}

func (discard) Write(p []byte) (int, error) { return len(p), nil }

// Summarise says what a store holds.
func Summarise(ctx context.Context, src Source) (Summary, error) {
	return Write(ctx, discard{}, src, time.Time{})
}
