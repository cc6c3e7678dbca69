package actions

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

// The first line of a proof. Source: c2sp.org/tlog-proof.
const proofHeader = "c2sp.org/tlog-proof@v1"

// maxProof bounds a proof that is read: an entry is a few KiB, and a path has at
// most 63 hashes.
const maxProof = 1 << 20

var (
	// ErrProof is wrapped by every error about a proof that does not hold.
	ErrProof = errors.New("the proof does not hold")
	// ErrNotCovered is returned by Prove for an entry that no checkpoint covers yet.
	ErrNotCovered = errors.New("no checkpoint covers the entry yet")
	// ErrForgotten is returned by Prove for an entry that retention deleted: its
	// hash still holds up the tree, what it said is gone.
	ErrForgotten = errors.New("the entry was deleted by retention")
)

// Proven is an entry that a proof shows to be in the log.
type Proven struct {
	Seq        int64
	Body       []byte // the entry, as it was appended
	Checkpoint Checkpoint
}

// Prove returns a proof that entry seq is in the log: the entry, its audit path
// and the smallest of the signed checkpoints that covers it, in the form of
// c2sp.org/tlog-proof with the entry's bytes as the extra data. Whoever has the
// public key can check it with [CheckProof], without the log.
//
// checkpoints is a concatenation, as [Verify] takes it; those that verifiers do
// not know are passed over. The proof is checked before it is returned, so that a
// log that was tampered with gives none.
func Prove(ctx context.Context, src VerifySource, seq int64, checkpoints []byte, verifiers note.Verifiers) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("proving entry %d: %w", seq, err) }
	size, err := src.LogSize(ctx)
	if err != nil {
		return fail(err)
	}
	if seq < 0 || seq >= size {
		return fail(fmt.Errorf("%w: the log has %d entries, from 0 on", ErrNotFound, size))
	}
	var point Checkpoint
	var signed []byte
	blocks, _ := splitCheckpoints(checkpoints)
	for _, b := range blocks {
		c, err := openCheckpoint(b, verifiers)
		if err == nil && c.Size > seq && c.Size <= size && (signed == nil || c.Size < point.Size) {
			point, signed = c, b
		}
	}
	if signed == nil {
		return fail(ErrNotCovered)
	}
	var body []byte
	found := errors.New("found")
	err = src.Bodies(ctx, seq, func(n int64, b []byte) error {
		if n == seq {
			body = b
		}
		return found
	})
	if err != nil && !errors.Is(err, found) {
		return fail(err)
	}
	if body == nil {
		return fail(ErrForgotten)
	}
	path, err := tlog.ProveRecord(point.Size, seq, tlog.HashReaderFunc(func(indexes []int64) ([]tlog.Hash, error) {
		return src.Hashes(ctx, indexes)
	}))
	if err != nil {
		return fail(err)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, "%s\nextra %s\nindex %d\n", proofHeader, base64.StdEncoding.EncodeToString(body), seq)
	for _, h := range path {
		fmt.Fprintln(&out, h)
	}
	out.WriteByte('\n')
	out.Write(signed)
	if _, err := CheckProof(out.Bytes(), verifiers); err != nil {
		return fail(fmt.Errorf("%w: the stored log differs from its checkpoint; run verify", err))
	}
	return out.Bytes(), nil
}

// CheckProof checks a proof that [Prove] made. Every error wraps [ErrProof].
func CheckProof(proof []byte, verifiers note.Verifiers) (Proven, error) {
	refuse := func(format string, args ...any) (Proven, error) {
		return Proven{}, fmt.Errorf("%w: "+format, append([]any{ErrProof}, args...)...)
	}
	head, signed, ok := strings.Cut(string(proof), "\n\n")
	lines := strings.Split(head, "\n")
	switch {
	case len(proof) > maxProof:
		return refuse("it is too large for one")
	case !ok || len(lines) < 3 || lines[0] != proofHeader:
		return refuse("it is no proof of an entry (want %q as its first line)", proofHeader)
	}
	extra, isExtra := strings.CutPrefix(lines[1], "extra ")
	index, isIndex := strings.CutPrefix(lines[2], "index ")
	if !isExtra || !isIndex {
		return refuse("it lacks the entry or its place")
	}
	body, err := base64.StdEncoding.Strict().DecodeString(extra)
	if err != nil {
		return refuse("the entry in it is not in base64")
	}
	seq, err := strconv.ParseInt(index, 10, 64)
	if err != nil || seq < 0 || index != strconv.FormatInt(seq, 10) {
		return refuse("the entry's place is not a number")
	}
	var path tlog.RecordProof
	for _, l := range lines[3:] {
		h, err := tlog.ParseHash(l)
		if err != nil {
			return refuse("its path holds what is no hash")
		}
		path = append(path, h)
	}
	point, err := openCheckpoint([]byte(signed), verifiers)
	if err != nil {
		return refuse("%w", err)
	}
	if seq >= point.Size || tlog.CheckRecord(path, point.Size, point.Root, seq, tlog.RecordHash(body)) != nil {
		return refuse("entry %d as it stands here is not in the log of the checkpoint of size %d", seq, point.Size)
	}
	return Proven{Seq: seq, Body: body, Checkpoint: point}, nil
}
