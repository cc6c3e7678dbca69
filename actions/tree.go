package actions

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// SealEntry gives e its place in the log and 16 random bytes, and returns the
// bytes to store. They are never serialised again: the tree is over them.
func SealEntry(e *Entry, seq int64) ([]byte, error) {
	var id [16]byte
	_, _ = rand.Read(id[:]) // never fails: crypto/rand
	e.Seq, e.ID = seq, hex.EncodeToString(id[:])
	data, err := json.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("encoding entry %d: %w", seq, err)
	}
	return data, nil
}

// AppendHashes returns the hashes to store for entry number size, in a tree that
// holds size entries. They belong at index tlog.StoredHashIndex(0, size) and
// those after it. A store calls it in the transaction that stores the entry; r
// must see what was stored earlier in the same transaction.
func AppendHashes(size int64, data []byte, r tlog.HashReader) ([]tlog.Hash, error) {
	hashes, err := tlog.StoredHashes(size, data, r)
	if err != nil {
		return nil, fmt.Errorf("hashing entry %d: %w", size, err)
	}
	return hashes, nil
}

// Checkpoint is a commitment to the first Size entries of a log.
// Source: c2sp.org/tlog-checkpoint.
type Checkpoint struct {
	Origin string
	Size   int64
	Root   tlog.Hash
}

// SignCheckpoint returns c as a signed note. Its origin is the signer's name.
func SignCheckpoint(c Checkpoint, signer note.Signer) ([]byte, error) {
	text := fmt.Sprintf("%s\n%d\n%s\n", signer.Name(), c.Size, base64.StdEncoding.EncodeToString(c.Root[:]))
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return nil, fmt.Errorf("signing the checkpoint of size %d: %w", c.Size, err)
	}
	return signed, nil
}

// errCheckpoint is wrapped by every error about a checkpoint that cannot be
// trusted.
var errCheckpoint = errors.New("untrusted checkpoint")

// unknownKey is of a checkpoint that no known key signed. It names those that did.
type unknownKey string

func (k unknownKey) Error() string { return "not signed by a known key, but by " + string(k) }

// signersOf names the keys that signed n as the first part of a public key does.
func signersOf(n *note.Note) string {
	var names []string
	for _, s := range n.UnverifiedSigs {
		names = append(names, fmt.Sprintf("%s+%08x", s.Name, s.Hash))
	}
	return strings.Join(names, ", ")
}

// errMalformed is of bytes that are not a signed note at all.
var errMalformed = errors.New("not a signed note")

// openCheckpoint verifies a signed checkpoint: one signature must be of a key
// that verifiers know, and that key's name be the origin.
func openCheckpoint(signed []byte, verifiers note.Verifiers) (Checkpoint, error) {
	n, err := note.Open(signed, verifiers)
	if err != nil {
		var (
			bad     *note.InvalidSignatureError
			unknown *note.UnverifiedNoteError
		)
		switch {
		case errors.As(err, &bad):
			return Checkpoint{}, fmt.Errorf("%w: its signature is wrong", errCheckpoint)
		case errors.As(err, &unknown):
			return Checkpoint{}, fmt.Errorf("%w: %w", errCheckpoint, unknownKey(signersOf(unknown.Note)))
		}
		return Checkpoint{}, fmt.Errorf("%w: %w", errCheckpoint, errMalformed)
	}
	lines := strings.Split(n.Text, "\n")
	if len(lines) < 4 {
		return Checkpoint{}, fmt.Errorf("%w: too short", errCheckpoint)
	}
	c := Checkpoint{Origin: lines[0]}
	if !isSize(lines[1]) {
		return Checkpoint{}, fmt.Errorf("%w: its size is not a number", errCheckpoint)
	}
	c.Size, _ = strconv.ParseInt(lines[1], 10, 64) // that is what isSize says
	root, err := base64.StdEncoding.Strict().DecodeString(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return Checkpoint{}, fmt.Errorf("%w: its root is not a hash", errCheckpoint)
	}
	copy(c.Root[:], root)
	for _, s := range n.Sigs {
		if s.Name == c.Origin {
			return c, nil
		}
	}
	return Checkpoint{}, fmt.Errorf("%w: not signed by its origin", errCheckpoint)
}

// isSize reports whether a line is a number of entries, in the one form that it has.
func isSize(line string) bool {
	n, err := strconv.ParseInt(line, 10, 64)
	return err == nil && n >= 0 && line == strconv.FormatInt(n, 10)
}

// CheckpointSink takes signed checkpoints to a place that the log's own machine
// cannot rewrite, or towards it.
type CheckpointSink interface {
	// Put returns nil only when the checkpoint is safe there.
	Put(ctx context.Context, signed []byte) error
}

// FileSink appends checkpoints to a file and syncs it. The zero Path is refused.
// It is safe for concurrent use within a process.
type FileSink struct {
	Path string
	mu   sync.Mutex
}

// Put implements CheckpointSink.
func (f *FileSink) Put(_ context.Context, signed []byte) (err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, statErr := os.Stat(f.Path)
	file, err := os.OpenFile(f.Path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("opening the checkpoint file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(framed(signed)); err != nil {
		return fmt.Errorf("writing the checkpoint file: %w", err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("syncing the checkpoint file: %w", err)
	}
	if errors.Is(statErr, os.ErrNotExist) {
		return syncDir(filepath.Dir(f.Path))
	}
	return nil
}

// syncDir makes a new file's name durable, where directories can be synced.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("syncing a directory: %w", err)
	}
	defer d.Close()
	_ = d.Sync() // Windows has no such call; the file itself is synced
	return nil
}

// WriterSink writes checkpoints to W, as to standard output where a log
// collector takes them away. It is safe for concurrent use.
type WriterSink struct {
	W  io.Writer
	mu sync.Mutex
}

// Put implements CheckpointSink.
func (w *WriterSink) Put(_ context.Context, signed []byte) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if _, err := w.W.Write(framed(signed)); err != nil {
		return fmt.Errorf("writing a checkpoint: %w", err)
	}
	return nil
}

// framed puts an empty line before the checkpoint even where the last line was
// left half written, so that a crash spoils nothing but the checkpoint it struck.
func framed(signed []byte) []byte { return append([]byte("\n\n"), signed...) }

// SealPolicy says when a checkpoint is due. The zero value is 60 s or 1,000
// entries, whichever comes first.
type SealPolicy struct {
	Interval time.Duration
	Rows     int64
}

// due reports whether a log of size entries needs a checkpoint at now, the last
// one having been made at last for lastSize entries. It is pure.
func (p SealPolicy) due(size, lastSize int64, now, last time.Time) bool {
	p = p.withDefaults()
	return size > lastSize && (size-lastSize >= p.Rows || now.Sub(last) >= p.Interval)
}

func (p SealPolicy) withDefaults() SealPolicy {
	if p.Interval <= 0 {
		p.Interval = time.Minute
	}
	if p.Rows <= 0 {
		p.Rows = 1000
	}
	return p
}

// Tree is the log's tree as a store keeps it.
type Tree interface {
	// LogSize returns the number of entries.
	LogSize(ctx context.Context) (int64, error)
	// Hashes returns stored hashes by their index in the order of
	// tlog.StoredHashIndex. One that is missing is an error.
	Hashes(ctx context.Context, indexes []int64) ([]tlog.Hash, error)
}

// TreeHead returns the number of entries of t and the root over them.
func TreeHead(ctx context.Context, t Tree) (size int64, root tlog.Hash, err error) {
	if size, err = t.LogSize(ctx); err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("reading the size of the log: %w", err)
	}
	root, err = tlog.TreeHash(size, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return t.Hashes(ctx, indexes)
	}))
	if err != nil {
		return 0, tlog.Hash{}, fmt.Errorf("computing the root over %d entries: %w", size, err)
	}
	return size, root, nil
}

// Sealer signs checkpoints of a log when they are due and hands them to every
// sink. Run, Seal and Appended are safe for concurrent use.
type Sealer struct {
	Tree   Tree        // required
	Signer note.Signer // required
	Policy SealPolicy
	Sinks  []CheckpointSink
	// Fault is told of a checkpoint that could not be made or delivered; the
	// next one covers what it covered. Nil: nobody is.
	Fault func(error)

	mu       sync.Mutex // held while sealing; guards the next three
	lastSize int64      // of what every sink has
	tried    int64      // of the last attempt
	last     time.Time  // of that

	once sync.Once
	wake chan struct{}
}

// Appended tells a running Sealer that the log has grown. It does not block.
func (s *Sealer) Appended() {
	s.init()
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

func (s *Sealer) init() { s.once.Do(func() { s.wake = make(chan struct{}, 1) }) }

// Run seals whenever it is due, and once more when ctx ends. It seals what it
// finds at its start.
func (s *Sealer) Run(ctx context.Context) {
	s.init()
	s.try(ctx, true)
	tick := time.NewTicker(s.Policy.withDefaults().Interval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			s.try(context.WithoutCancel(ctx), true)
			return
		case <-tick.C:
			s.try(ctx, true) // the interval itself has passed
		case <-s.wake:
			s.try(ctx, false)
		}
	}
}

func (s *Sealer) try(ctx context.Context, force bool) {
	if _, err := s.seal(ctx, force); err != nil && s.Fault != nil {
		s.Fault(err)
	}
}

// Seal makes a checkpoint now, unless nothing was appended since the last; it
// then returns nil bytes. An error of one sink does not keep it from the others.
func (s *Sealer) Seal(ctx context.Context) ([]byte, error) { return s.seal(ctx, true) }

func (s *Sealer) seal(ctx context.Context, force bool) ([]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	size, root, err := TreeHead(ctx, s.Tree)
	if err != nil {
		return nil, fmt.Errorf("sealing the log: %w", err)
	}
	now := time.Now()
	if !s.Policy.due(size, s.tried, now, s.last) && (!force || size <= s.lastSize) {
		return nil, nil
	}
	signed, err := SignCheckpoint(Checkpoint{Size: size, Root: root}, s.Signer)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, sink := range s.Sinks {
		if err := sink.Put(ctx, signed); err != nil {
			errs = append(errs, fmt.Errorf("delivering the checkpoint of size %d: %w", size, err))
		}
	}
	s.tried, s.last = size, now
	if len(errs) == 0 {
		s.lastSize = size
	}
	return signed, errors.Join(errs...)
}
