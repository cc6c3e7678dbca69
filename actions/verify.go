package actions

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// VerifySource is a stored log as Verify reads it. What it returns is not
// trusted.
type VerifySource interface {
	Tree
	// Bodies calls fn with the stored bytes of the entries from number from on,
	// by number. It leaves out what is missing, and returns fn's error.
	Bodies(ctx context.Context, from int64, fn func(seq int64, body []byte) error) error
}

// FaultKind says what is wrong with a log.
type FaultKind string

// The kinds of fault.
const (
	FaultMissing    FaultKind = "missing"    // an entry is not there
	FaultEdited     FaultKind = "edited"     // an entry's bytes are not those that were appended
	FaultMoved      FaultKind = "moved"      // an entry stands at the place of another
	FaultHash       FaultKind = "hash"       // a stored hash of the tree is wrong or missing
	FaultRewritten  FaultKind = "rewritten"  // entries and tree agree with each other, but not with a checkpoint
	FaultCutOff     FaultKind = "cut-off"    // a checkpoint covers more entries than there are
	FaultCheckpoint FaultKind = "checkpoint" // a checkpoint cannot be trusted, or two contradict each other
)

// Fault is one thing that is wrong. From and To are the first and the last entry
// it is about.
type Fault struct {
	Kind FaultKind
	From int64
	To   int64
	Text string // a sentence
}

// String returns the sentence.
func (f Fault) String() string { return f.Text }

// Report is what Verify found.
type Report struct {
	Size int64     // entries
	Root tlog.Hash // over the entries as they are
	// Checkpoints counts those that were checked, Covered is the greatest size
	// among those that hold. What is after it is not covered by any.
	Checkpoints int
	Covered     int64
	// Forgotten counts the entries at the start of the log that retention deleted,
	// as an entry of the log says; their hashes were checked.
	Forgotten int64
	Faults    []Fault
	// Notes are not faults: clocks that went back, pieces of the checkpoint file
	// that a crash left half written.
	Notes []string
}

// OK reports whether nothing is wrong.
func (r Report) OK() bool { return len(r.Faults) == 0 }

const (
	verifyBatch = 512
	maxFaults   = 100
	clockSlack  = time.Minute // entries are made a little before they are appended
	maxNotes    = 20
)

// Verify recomputes the tree of a stored log from the entries' bytes and holds
// it against what is stored of the tree and against checkpoints, a concatenation
// of signed checkpoints that were kept elsewhere (nil: none). An edit, drop, swap
// or insertion that left the tree alone is named by its entry. One that was made
// good in the tree is found through the checkpoints, and so are cut-offs and
// roll-backs. The error is for a source that cannot be read; what is wrong with
// the log is in the Report.
//
// A checkpoint key that an entry names as the one to follow is believed if a
// checkpoint by a key that is known already covers that entry.
func Verify(ctx context.Context, src VerifySource, checkpoints []byte, verifiers note.Verifiers) (Report, error) {
	known := &keyChain{Verifiers: verifiers}
	for {
		v := &verification{src: src}
		points := v.open(checkpoints, known)
		v.report.Checkpoints = len(points)
		slices.SortStableFunc(points, func(a, b Checkpoint) int { return int(min(1, max(-1, a.Size-b.Size))) })
		v.points = points
		if err := v.walk(ctx); err != nil {
			return Report{}, err
		}
		if !v.strange || !known.follow(v) {
			v.report.Notes = append(known.notes, v.report.Notes...)
			return v.report, nil
		}
	}
}

// A keyChain is the keys that were given and those that follow them.
type keyChain struct {
	note.Verifiers
	more  []note.Verifier
	notes []string
}

// Verifier implements note.Verifiers.
func (c *keyChain) Verifier(name string, hash uint32) (note.Verifier, error) {
	for _, v := range c.more {
		if v.Name() == name && v.KeyHash() == hash {
			return v, nil
		}
	}
	return c.Verifiers.Verifier(name, hash)
}

// follow takes the keys that covered entries name, and reports whether there was a
// new one.
func (c *keyChain) follow(v *verification) bool {
	grew := false
	for _, a := range v.announced {
		if a.seq >= v.report.Covered {
			continue
		}
		key, err := note.NewVerifier(a.key)
		if err != nil {
			continue
		}
		if _, err := c.Verifier(key.Name(), key.KeyHash()); err == nil {
			continue
		}
		c.more, grew = append(c.more, key), true
		c.notes = append(c.notes, fmt.Sprintf("the checkpoint key %s is believed for entry %d, which a checkpoint by the key before it covers", a.key, a.seq))
	}
	return grew
}

// An announcement is an entry that names a checkpoint key.
type announcement struct {
	seq int64
	key string
}

// verification is the state of one Verify.
type verification struct {
	src    VerifySource
	report Report
	points []Checkpoint // by size; checked ones are dropped

	actual forest      // over the bytes that are there
	stored forest      // over the leaf hashes that are stored, once they are others
	parted bool        // they are
	made   []tlog.Hash // by the last entry, in actual
	known  int64       // hashes that there should be, by the size of the log
	hashes []tlog.Hash // read ahead, from index first on
	absent []bool      // of hashes, those that could not be read
	first  int64
	last   time.Time

	headless  int64 // entries missing at the start
	kept      int64 // from here on entries must be there, by what the log says
	strange   bool  // a checkpoint is by a key that is not known
	announced []announcement
}

// open reads the external checkpoints in the order in which they were written.
func (v *verification) open(file []byte, verifiers note.Verifiers) []Checkpoint {
	var list []Checkpoint
	blocks, torn := splitCheckpoints(file)
	for i, b := range blocks {
		c, err := openCheckpoint(b, verifiers)
		switch {
		case errors.Is(err, errMalformed):
			torn++
			continue
		case err != nil:
			v.strange = v.strange || errors.As(err, new(unknownKey))
			v.fault(FaultCheckpoint, 0, 0, fmt.Sprintf("checkpoint %d of the file: %v", i+1, err))
			continue
		}
		if n := len(list); n > 0 {
			switch before := list[n-1]; {
			case c.Size < before.Size:
				v.fault(FaultCheckpoint, c.Size, before.Size-1,
					fmt.Sprintf("checkpoint %d of the file covers %d entries, after one that covered %d: the log was rolled back", i+1, c.Size, before.Size))
			case c.Size == before.Size && c.Root != before.Root:
				v.fault(FaultCheckpoint, 0, c.Size-1,
					fmt.Sprintf("two checkpoints of size %d contradict each other: there were two logs", c.Size))
			}
		}
		list = append(list, c)
	}
	if torn > 0 {
		v.note(fmt.Sprintf("%d pieces of the checkpoint file are no checkpoints and were passed over", torn))
	}
	if len(list) == 0 && len(v.report.Faults) == 0 && len(bytes.TrimSpace(file)) > 0 {
		v.fault(FaultCheckpoint, 0, 0, "the checkpoint file holds no checkpoint")
	}
	return list
}

// errHoles ends the walk over a log that is mostly holes.
var errHoles = errors.New("too many entries are missing")

// walk goes over all entries once.
func (v *verification) walk(ctx context.Context) error {
	size, err := v.src.LogSize(ctx)
	if err != nil {
		return fmt.Errorf("reading the size of the log: %w", err)
	}
	v.known = tlog.StoredHashCount(size)
	v.check()
	err = readAhead(ctx, v.src, func(seq int64, read *reading) error {
		if seq < v.report.Size { // not by number, or twice
			v.fault(FaultMoved, seq, seq, fmt.Sprintf("entry %d is stored twice or out of order", seq))
			return nil
		}
		for v.report.Size < seq {
			if len(v.report.Faults) >= maxFaults && seq-v.report.Size > verifyBatch {
				return errHoles
			}
			if err := v.entry(ctx, v.report.Size, nil); err != nil {
				return err
			}
		}
		return v.entry(ctx, seq, read)
	})
	if err != nil && !errors.Is(err, errHoles) {
		return fmt.Errorf("reading entries from %d: %w", v.report.Size, err)
	}
	v.report.Root = v.actual.root()
	v.head()
	v.surplus(ctx)
	for _, c := range v.points { // longer than the log
		v.fault(FaultCutOff, v.report.Size, c.Size-1,
			fmt.Sprintf("a checkpoint covers %d entries and the log has %d: entries %d to %d were cut off", c.Size, v.report.Size, v.report.Size, c.Size-1))
	}
	return ctx.Err()
}

// entry checks one entry, nil for one that is missing, and the hashes that were
// stored with it.
func (v *verification) entry(ctx context.Context, n int64, read *reading) error {
	index := tlog.StoredHashIndex(0, n)
	leaf, known, err := v.hash(ctx, index)
	if err != nil {
		return err
	}
	actual := leaf // of a missing entry, the hash that was stored for it
	if read != nil {
		actual = read.leaf
		v.content(n, read.facts)
	}
	switch {
	case read == nil && known && n == v.headless:
		v.headless++ // retention, perhaps; see head
	case read == nil:
		v.fault(FaultMissing, n, n, fmt.Sprintf("entry %d is missing", n))
	case !known:
		v.fault(FaultHash, n, n, fmt.Sprintf("the stored hash of entry %d is missing", n))
		leaf = actual
	case leaf != actual:
		v.fault(FaultEdited, n, n, fmt.Sprintf("entry %d is not what was appended: its bytes do not have the stored hash", n))
	}
	if leaf != actual && !v.parted {
		v.stored, v.parted = v.actual, true
	}
	v.made = v.actual.add(actual, v.made[:0])
	made, stored := v.made, v.made
	if v.parted {
		stored = v.stored.add(leaf, nil)
	}
	for level := 1; level < len(made); level++ {
		index++
		have, known, err := v.hash(ctx, index)
		if err != nil {
			return err
		}
		// A fault of a leaf was named already: its ancestors may fit either.
		if !known || have != stored[level] && have != made[level] {
			v.fault(FaultHash, n, n, fmt.Sprintf("a stored hash of the tree over entry %d is wrong or missing (index %d)", n, index))
		}
	}
	v.report.Size = n + 1
	v.check()
	return nil
}

// content checks what an entry says of itself.
func (v *verification) content(n int64, e facts) {
	if !e.ok {
		v.fault(FaultEdited, n, n, fmt.Sprintf("entry %d is no entry", n))
		return
	}
	if e.seq != n {
		v.fault(FaultMoved, n, n, fmt.Sprintf("at the place of entry %d stands entry %d", n, e.seq))
	}
	if e.time.Add(clockSlack).Before(v.last) {
		v.note(fmt.Sprintf("the clock went back by %s before entry %d", v.last.Sub(e.time).Truncate(time.Second), n))
	}
	if e.time.After(v.last) {
		v.last = e.time
	}
	if e.keys != nil {
		v.announced = append(v.announced, announcement{n, e.keys.Checkpoint})
	}
	if e.forgot != nil && e.forgot.Before <= n { // nothing forgets itself
		v.kept = max(v.kept, e.forgot.Before)
	}
}

// A reading is what can be said of an entry by itself.
type reading struct {
	facts
	seq  int64
	leaf tlog.Hash
}

// A stretch is a run of entries on its way from the source to the walk.
type stretch struct {
	bodies [][]byte
	list   []reading
	size   int
	err    error // of the source, after these entries
	done   chan struct{}
}

func newStretch() *stretch {
	return &stretch{bodies: make([][]byte, 0, verifyBatch), list: make([]reading, 0, verifyBatch), done: make(chan struct{})}
}

func (s *stretch) read() {
	for i, body := range s.bodies {
		s.list[i].leaf, s.list[i].facts = tlog.RecordHash(body), factsOf(body)
	}
	s.bodies = nil
	close(s.done)
}

const maxStretch = 1 << 20 // bytes; with verifyBatch, what bounds one

// readAhead calls fn for every entry of src by number, while the source is read
// further and the entries in between are hashed and looked into on other cores. It
// returns the error of either.
func readAhead(ctx context.Context, src VerifySource, fn func(seq int64, read *reading) error) error {
	ctx, cancel := context.WithCancel(ctx)
	ahead := make(chan *stretch, runtime.GOMAXPROCS(0))
	defer func() {
		cancel()
		for range ahead { // until the reader has ended
		}
	}()
	go func() {
		defer close(ahead)
		next := newStretch()
		pass := func() error {
			select {
			case ahead <- next:
				go next.read()
				next = newStretch()
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		next.err = src.Bodies(ctx, 0, func(seq int64, body []byte) error {
			next.bodies, next.list = append(next.bodies, body), append(next.list, reading{seq: seq})
			if next.size += len(body); len(next.list) < verifyBatch && next.size < maxStretch {
				return nil
			}
			return pass()
		})
		_ = pass() // nobody waits for it any more
	}()
	for s := range ahead {
		<-s.done
		for i := range s.list {
			if err := fn(s.list[i].seq, &s.list[i]); err != nil {
				return err
			}
		}
		if s.err != nil {
			return s.err
		}
	}
	return nil
}

// head judges the entries that are missing at the start: an entry of the log must
// say that retention deleted them.
func (v *verification) head() {
	v.report.Forgotten = min(v.headless, v.kept)
	if v.report.Forgotten > 0 {
		v.note(fmt.Sprintf("entries 0 to %d were deleted by retention, as the log records; their hashes hold", v.report.Forgotten-1))
	}
	var list []Fault
	from := v.report.Forgotten
	switch v.headless {
	case from:
		return
	case from + 1:
		list = []Fault{{FaultMissing, from, from, fmt.Sprintf("entry %d is missing", from)}}
	default:
		list = []Fault{{FaultMissing, from, v.headless - 1, fmt.Sprintf("entries %d to %d are missing, and no entry says that retention deleted them", from, v.headless-1)}}
	}
	v.report.Faults = append(list, v.report.Faults...)
}

// check compares the checkpoints of the present size.
func (v *verification) check() {
	for len(v.points) > 0 && v.points[0].Size == v.report.Size {
		c := v.points[0]
		v.points = v.points[1:]
		switch root := v.actual.root(); {
		case root == c.Root:
			v.report.Covered = c.Size
		case v.parted && v.stored.root() == c.Root:
			v.fault(FaultRewritten, 0, c.Size-1,
				fmt.Sprintf("the log differs from the checkpoint of size %d, and the stored hashes do not: the entries named were changed after it", c.Size))
		default:
			v.fault(FaultRewritten, v.report.Covered, c.Size-1,
				fmt.Sprintf("the log differs from the checkpoint of size %d: of entries %d to %d at least one was changed, and the tree with it", c.Size, v.report.Covered, c.Size-1))
		}
	}
}

// surplus finds hashes of entries that are not there.
func (v *verification) surplus(ctx context.Context) {
	if _, err := v.src.Hashes(ctx, []int64{tlog.StoredHashIndex(0, v.report.Size)}); err == nil {
		v.fault(FaultCutOff, v.report.Size, v.report.Size,
			fmt.Sprintf("the tree has hashes of more entries than there are: entries from %d on were cut off", v.report.Size))
	}
}

// hash returns the stored hash at index, which goes up from call to call. One
// that cannot be read counts as missing.
func (v *verification) hash(ctx context.Context, index int64) (tlog.Hash, bool, error) {
	if index >= v.first+int64(len(v.hashes)) {
		if err := v.readHashes(ctx, index); err != nil {
			return tlog.Hash{}, false, err
		}
	}
	at := index - v.first
	return v.hashes[at], !v.absent[at], nil
}

func (v *verification) readHashes(ctx context.Context, from int64) error {
	indexes := make([]int64, min(2*verifyBatch, max(1, v.known-from)))
	for i := range indexes {
		indexes[i] = from + int64(i)
	}
	v.first, v.absent = from, make([]bool, len(indexes))
	hashes, err := v.src.Hashes(ctx, indexes)
	if err == nil && len(hashes) == len(indexes) {
		v.hashes = hashes
		return nil
	}
	v.hashes = make([]tlog.Hash, len(indexes)) // one of them is missing: which?
	for i := range indexes {
		if ctx.Err() != nil {
			return fmt.Errorf("reading hashes from %d: %w", from, ctx.Err())
		}
		one, err := v.src.Hashes(ctx, indexes[i:i+1])
		if v.absent[i] = err != nil || len(one) != 1; !v.absent[i] {
			v.hashes[i] = one[0]
		}
	}
	return nil
}

func (v *verification) fault(k FaultKind, from, to int64, text string) {
	if len(v.report.Faults) < maxFaults {
		v.report.Faults = append(v.report.Faults, Fault{Kind: k, From: from, To: to, Text: text})
	}
}

func (v *verification) note(text string) {
	if len(v.report.Notes) < maxNotes {
		v.report.Notes = append(v.report.Notes, text)
	}
}

// forest is the right edge of a growing RFC 6962 tree: the roots of its complete
// subtrees, one for each bit of size.
type forest struct {
	size  int64
	roots [64]tlog.Hash // by level; set where size has a bit
}

// add appends a leaf. It appends to made that leaf and the nodes that it completes,
// by level.
func (f *forest) add(leaf tlog.Hash, made []tlog.Hash) []tlog.Hash {
	made = append(made, leaf)
	level, h := 0, leaf
	for ; f.size&(1<<level) != 0; level++ {
		h = tlog.NodeHash(f.roots[level], h)
		made = append(made, h)
	}
	f.roots[level] = h
	f.size++
	return made
}

// root is the tree's root; that of an empty tree is the hash of nothing.
func (f *forest) root() tlog.Hash {
	if f.size == 0 {
		h, _ := tlog.TreeHash(0, nil)
		return h
	}
	var (
		h     tlog.Hash
		begun bool
	)
	for level := range f.roots {
		switch {
		case f.size&(1<<level) == 0:
		case begun:
			h = tlog.NodeHash(f.roots[level], h)
		default:
			h, begun = f.roots[level], true
		}
	}
	return h
}

// errNotThisLog is returned by CheckpointsOf.
var errNotThisLog = errors.New("not the checkpoints of this log")

// CheckpointsOf returns an error if checkpoints, a concatenation as Verify takes it,
// says nothing of the log whose keys verifiers know: it holds no checkpoint, or none
// that one of these keys signed or claims to have signed. That is a wrong file, or a
// wrong key, rather than a log that was tampered with.
func CheckpointsOf(checkpoints []byte, verifiers note.Verifiers) error {
	blocks, _ := splitCheckpoints(checkpoints)
	var others []string
	n := 0
	for _, b := range blocks {
		var other unknownKey
		switch _, err := openCheckpoint(b, verifiers); {
		case errors.Is(err, errMalformed):
		case !errors.As(err, &other):
			return nil
		default:
			n++
			if !slices.Contains(others, string(other)) && len(others) < 3 {
				others = append(others, string(other))
			}
		}
	}
	if n == 0 {
		return fmt.Errorf("%w: it holds no signed checkpoint: %s", errNotThisLog, whyNone(checkpoints))
	}
	return fmt.Errorf("%w: no key of this log signed any of its %d, but %s", errNotThisLog, n, strings.Join(others, "; "))
}

// whyNone says where a file without a checkpoint first differs from one, and does not
// quote it: it may be a file of secrets.
func whyNone(file []byte) string {
	lines := strings.Split(string(unixText(file)), "\n")
	at := slices.IndexFunc(lines, func(l string) bool { return l != "" })
	if at < 0 {
		return "it is empty"
	}
	line := func(n int) string {
		if n < len(lines) {
			return lines[n]
		}
		return ""
	}
	signature := at + 3 // at the earliest, and behind an empty line
	for line(signature) != "" {
		signature++
	}
	signature++
	root, err := base64.StdEncoding.Strict().DecodeString(line(at + 2))
	want, n := fmt.Sprintf("a signature, which begins with %q", signatureStart), signature
	switch {
	case !isSize(line(at + 1)):
		want, n = "the number of entries that the first checkpoint covers", at+1
	case err != nil || len(root) != tlog.HashSize:
		want, n = "the root hash of the first checkpoint, in base64", at+2
	}
	return fmt.Sprintf("line %d should be %s", n+1, want)
}

// signatureStart begins a line that is a signature of a note.
const signatureStart = "— "

// unixText is a file of text as it is written here: an editor may have changed the ends
// of lines, or put a mark in front.
func unixText(file []byte) []byte {
	return bytes.ReplaceAll(bytes.TrimPrefix(file, []byte("\ufeff")), []byte("\r\n"), []byte("\n"))
}

// splitCheckpoints cuts a concatenation of signed checkpoints into its pieces: a
// text, an empty line, and lines of signatures. What is not of that form is
// counted and passed over.
func splitCheckpoints(file []byte) (blocks [][]byte, torn int) {
	var paragraphs [][]byte
	for p := range bytes.SplitSeq(unixText(file), []byte("\n\n")) {
		if p = bytes.Trim(p, "\n"); len(p) > 0 {
			paragraphs = append(paragraphs, p)
		}
	}
	signature := []byte(signatureStart)
	for i := 0; i < len(paragraphs); i++ {
		if i+1 == len(paragraphs) || bytes.HasPrefix(paragraphs[i], signature) || !bytes.HasPrefix(paragraphs[i+1], signature) {
			torn++
			continue
		}
		blocks = append(blocks, slices.Concat(paragraphs[i], []byte("\n\n"), paragraphs[i+1], []byte("\n")))
		i++
	}
	return blocks, torn
}
