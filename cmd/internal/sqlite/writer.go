package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"

	"modernc.org/sqlite"
	lib "modernc.org/sqlite/lib"

	"teamsdlp/cmd/internal/faults"
)

const (
	queueOps   = 4096    // operations that may wait for the writer
	batchOps   = 256     // operations that share a commit
	batchBytes = 2 << 20 // or their bytes, whichever comes first

	// The write-ahead log is copied into the database once it holds this many
	// pages of 4096 bytes: 32 MiB. At twice that the writer waits until it is, and
	// for those who read: see beginAnew.
	checkpointPages = 8000
	// How much may be written, and how much the file may grow, before the length
	// of the write-ahead log is looked at again.
	checkpointLookBytes   = 1 << 20
	checkpointLookCommits = 32

	// For how long the writer waits for those who read when the write-ahead log is
	// to begin anew: so long at first, twice as long at each look that finds it
	// held still, and after the longest wait not at all.
	leastWait = 25 * time.Millisecond
	mostWait  = 800 * time.Millisecond
	waitStep  = time.Millisecond
)

var (
	// ErrFailed is returned by every write after the store has failed for good;
	// see [Store.Fatal].
	ErrFailed = errors.New("the store has failed; restart to recover")
	// ErrDiskFull is returned for a write that the disk had no room for. Nothing
	// of it was stored, and it can be repeated.
	ErrDiskFull = errors.New("no space left for the store")
	// ErrClosed is returned by operations on a store that was closed.
	ErrClosed = errors.New("the store is closed")
)

// An op is one write. The writer runs it in a savepoint and answers done once.
type op struct {
	ctx  context.Context
	size int  // bytes it brings, roughly
	shed bool // it is refused on a full disk without another attempt
	// bare says that it runs without a savepoint, which costs more than to store an
	// item. If its run fails the whole batch is repeated one by one.
	bare bool
	// run does the writing. It may run twice (a batch that did not fit is
	// repeated one by one), so what it changes in memory it changes in after.
	run func(*tx) error
	// after, if not nil, runs in the writer once the outcome is known, in the
	// order of commits.
	after func(error)
	done  chan error // holds one
}

// tx is the writer's connection during a transaction.
type tx struct {
	ctx   context.Context
	conn  *sql.Conn
	stmts map[string]*sql.Stmt
	cases recentCases
}

// prepare returns the prepared form of query, which is a constant of this
// package.
func (t *tx) prepare(query string) (*sql.Stmt, error) {
	if s := t.stmts[query]; s != nil {
		return s, nil
	}
	s, err := t.conn.PrepareContext(t.ctx, query)
	if err == nil {
		t.stmts[query] = s
	}
	return s, err
}

func (t *tx) exec(query string, args ...any) (sql.Result, error) {
	s, err := t.prepare(query) //nolint:sqlclosecheck // kept; closeWriterDB closes it
	if err != nil {
		return nil, err
	}
	return s.ExecContext(t.ctx, args...)
}

// execEach executes query, whose first argument is list as a JSON array, unless
// list is empty: SQLite makes the rows of it, since a statement costs more than a row.
func (t *tx) execEach(query string, list []string, args ...any) error {
	if len(list) == 0 {
		return nil
	}
	values, err := json.Marshal(list)
	if err == nil {
		_, err = t.exec(query, append([]any{string(values)}, args...)...)
	}
	return err
}

// row scans the one row of query into dest; sql.ErrNoRows if there is none.
func (t *tx) row(query string, args []any, dest ...any) error {
	s, err := t.prepare(query) //nolint:sqlclosecheck // kept; closeWriterDB closes it
	if err != nil {
		return err
	}
	return s.QueryRowContext(t.ctx, args...).Scan(dest...)
}

// A writer owns the connection that writes. Its goroutine ends when queue is
// closed and drained.
type writer struct {
	tx      *tx
	copier  *copier
	walPath string
	observe Observer

	mu     sync.RWMutex // guards closed; held to read while sending to queue
	closed bool
	queue  chan *op
	ended  chan struct{}
	gather gather

	fatalOnce sync.Once
	fatal     chan error    // the cause, then closed
	failed    chan struct{} // closed once cause is set
	cause     error

	// Of the goroutine alone. lookAfter, copyAfter and pause are constants but in tests.
	sinceLook, lookAfter struct {
		bytes, commits int
	}
	looked    int64               // size of the log's file at the last look
	copyAfter int                 // pages
	pause     func(time.Duration) // waits for those who read
	copying   bool                // the copier has not given back what it was started with
	rest      bool                // it has, and the log has not begun anew since
	wait      time.Duration       // of the next beginAnew; 0: whoever reads stands still
	heldAt    int                 // how many pages the last beginAnew found copied
}

func newWriter(conn *sql.Conn, copier *copier, walPath string, observe Observer) *writer {
	w := &writer{
		// The connection outlives every caller, and a transaction is shared by
		// many of them, so none of their contexts applies to it.
		tx:      &tx{ctx: context.Background(), conn: conn, stmts: map[string]*sql.Stmt{}},
		copier:  copier,
		walPath: walPath,
		observe: observe,
		queue:   make(chan *op, queueOps),
		ended:   make(chan struct{}),
		fatal:   make(chan error, 1),
		failed:  make(chan struct{}),
	}
	w.lookAfter.bytes, w.lookAfter.commits, w.copyAfter = checkpointLookBytes, checkpointLookCommits, checkpointPages
	w.pause, w.wait = time.Sleep, leastWait //nolint:forbidigo // tests put their own in its place
	copier.fail = w.fail
	w.gather.w, w.gather.patience = w, patience
	go w.loop()
	return w
}

// submit queues o and waits for its answer. If the context of o ends first it
// returns the context's error, and o may still be committed.
func (w *writer) submit(o *op, wait bool) error {
	o.done = make(chan error, 1)
	if err := w.enqueue(o, wait); err != nil {
		if o.after != nil {
			o.after(err)
		}
		return err
	}
	select {
	case err := <-o.done:
		return err
	case <-o.ctx.Done():
		return o.ctx.Err()
	}
}

// errQueueFull is the answer to an op that does not wait for a place.
var errQueueFull = errors.New("the writer has more queued than it can take")

func (w *writer) enqueue(o *op, wait bool) error {
	w.mu.RLock()
	defer w.mu.RUnlock()
	if w.closed {
		return ErrClosed
	}
	select {
	case w.queue <- o:
		return nil
	default:
	}
	if !wait {
		return errQueueFull
	}
	select {
	case w.queue <- o:
		return nil
	case <-o.ctx.Done():
		return o.ctx.Err()
	}
}

// close refuses further operations and returns when those queued are answered
// and nothing copies the write-ahead log.
func (w *writer) close() {
	w.gather.flush()
	w.mu.Lock()
	if !w.closed {
		w.closed = true
		close(w.queue)
	}
	w.mu.Unlock()
	<-w.ended
}

// fail ends the store for good. Only the first cause counts.
func (w *writer) fail(cause error) {
	w.fatalOnce.Do(func() {
		w.cause = fmt.Errorf("%w: %w", ErrFailed, cause)
		close(w.failed)
		w.fatal <- w.cause
		close(w.fatal)
	})
}

// err returns why the store has failed, or nil.
func (w *writer) err() error {
	select {
	case <-w.failed:
		return w.cause
	default:
		return nil
	}
}

func (w *writer) loop() {
	defer close(w.ended)
	defer w.copier.close()
	batch := make([]*op, 0, batchOps)
	for first := range w.queue {
		// Whoever was answered last and is about to write again gets its chance first, so
		// that fewer commits are synced, each for more.
		runtime.Gosched()
		batch = w.take(append(batch[:0], first))
		if o := w.gather.ride(); o != nil {
			batch = append(batch, o)
		}
		w.commit(batch)
		clear(batch)
		w.lookAtWAL() // after the answers: nobody waits for it
	}
}

// take adds what is queued already to batch, without waiting for more.
func (w *writer) take(batch []*op) []*op {
	size := batch[0].size
	for len(batch) < batchOps && size < batchBytes {
		select {
		case o, open := <-w.queue:
			if !open {
				return batch
			}
			batch = append(batch, o)
			size += o.size
		default:
			return batch
		}
	}
	return batch
}

// commit runs a batch in one transaction and answers its operations.
func (w *writer) commit(batch []*op) {
	live := batch[:0:0]
	for _, o := range batch {
		if err := o.ctx.Err(); err != nil {
			answer(o, err)
		} else {
			live = append(live, o)
		}
	}
	if len(live) == 0 {
		return
	}
	answers, err := w.transact(live)
	if full, spoilt := isFull(err), errors.Is(err, errSpoilt); (full || spoilt) && len(live) > 1 || full && live[0].shed {
		// One operation that needs room must not fail another that makes room, and one
		// that failed no other.
		for _, o := range live {
			if full && o.shed {
				answer(o, diskFull(err))
				continue
			}
			alone, err := w.transact([]*op{o})
			answer(o, outcome(alone, 0, err))
		}
		return
	}
	for i, o := range live {
		answer(o, outcome(answers, i, err))
	}
}

// outcome is the answer to operation i of a transaction.
func outcome(answers []error, i int, err error) error {
	switch {
	case isFull(err):
		return diskFull(err)
	case err != nil:
		return err
	}
	return answers[i]
}

// errSpoilt is in the error of a transaction in which an op failed that ran
// without a savepoint.
var errSpoilt = errors.New("rolled back with the rest of its batch")

func diskFull(err error) error { return fmt.Errorf("%w: %w", ErrDiskFull, err) }

func answer(o *op, err error) {
	if o.after != nil {
		o.after(err)
	}
	o.done <- err
}

// transact runs ops in one transaction, each in a savepoint. The errors it
// returns beside a nil error are those of single operations, of which nothing
// was stored; if the error is not nil nothing at all was.
func (w *writer) transact(ops []*op) (answers []error, err error) {
	if err := w.err(); err != nil {
		return nil, err
	}
	answers, size, err := w.try(ops)
	if err != nil {
		// Its own error says nothing new: SQLite may have rolled back already.
		_, _ = w.tx.exec("ROLLBACK")
		if isFatal(err) {
			w.fail(err)
			err = w.err()
		}
	}
	w.observe.Committed(Commit{Ops: len(ops)})
	if err != nil {
		return nil, err
	}
	w.sinceLook.bytes += size
	w.sinceLook.commits++
	return answers, nil
}

func (w *writer) try(ops []*op) (answers []error, size int, err error) {
	if _, err := w.tx.exec("BEGIN IMMEDIATE"); err != nil {
		return nil, 0, err
	}
	answers = make([]error, len(ops))
	for i, o := range ops {
		size += o.size
		if o.bare {
			if err := o.run(w.tx); err != nil {
				return nil, size, fmt.Errorf("%w: %w", errSpoilt, err)
			}
			continue
		}
		if _, err := w.tx.exec("SAVEPOINT op"); err != nil {
			return nil, size, err
		}
		if err := o.run(w.tx); err != nil {
			if isFull(err) || isFatal(err) {
				return nil, size, err
			}
			answers[i] = err
			if _, err := w.tx.exec("ROLLBACK TO op"); err != nil {
				return nil, size, err
			}
		}
		if _, err := w.tx.exec("RELEASE op"); err != nil {
			return nil, size, err
		}
	}
	if err := faults.Hit(faults.Commit); err != nil {
		return nil, size, err
	}
	if _, err := w.tx.exec("COMMIT"); err != nil {
		return nil, size, err
	}
	return answers, size, nil
}

// lookAtWAL has the write-ahead log copied into the database when it has grown,
// and has it begin anew once that is done. It is done here, and not by SQLite's
// own trigger, because that ignores errors: a sync that fails while the log is
// copied must stop the store before the log is written over. The log is written
// over only after the copy of the rest, which comes after the copier's error.
func (w *writer) lookAtWAL() {
	size := w.walBytes()
	due := w.sinceLook.bytes >= w.lookAfter.bytes || w.sinceLook.commits >= w.lookAfter.commits || size >= w.looked+int64(w.lookAfter.bytes)
	if !due || w.err() != nil {
		return
	}
	w.sinceLook.bytes, w.sinceLook.commits, w.looked = 0, 0, size
	_, pages, copied, err := checkpoint(w.tx.conn, "NOOP")
	if err != nil {
		w.copyFailed(err)
		return
	}
	must := pages >= 2*w.copyAfter && w.wait > 0
	ended := w.copying && w.copied(must)
	switch {
	case w.copying || w.err() != nil:
	case ended || must:
		w.beginAnew()
	case pages-copied >= w.copyAfter:
		w.copying = true
		w.copier.start <- struct{}{}
	case w.rest:
		w.beginAnew()
	}
}

// copied reports whether the copier is done with what it was started with. It
// waits for that if it must.
func (w *writer) copied(must bool) bool {
	if must {
		<-w.copier.done
	} else {
		select {
		case <-w.copier.done:
		default:
			return false
		}
	}
	w.copying, w.rest = false, true
	return true
}

// beginAnew copies the rest of the write-ahead log, so that the next commit
// writes it from its beginning. For that nobody may still read in it. Reads that
// are short are waited for: no new one gets in the way meanwhile, since who begins
// to read when all is copied reads the database alone. That is what bounds the
// log, whatever comes together: its file grows by one look for each wait, and a
// wait that is twice as long as the longest read cannot be in vain. A read
// that outlasts them all stands still. Commits do not wait for it, and behind it
// the log grows until it ends.
//
// The copier is idle, and its connection waits for nobody by itself.
func (w *writer) beginAnew() {
	w.rest = true
	for waited := time.Duration(0); ; waited += waitStep {
		held, _, copied, err := checkpoint(w.copier.conn, "RESTART")
		if err != nil {
			w.copyFailed(err)
			return
		}
		if !held {
			w.rest, w.wait = false, leastWait
			w.looked = 0 // the next commit cuts the file to journal_size_limit
			return
		}
		if w.wait == 0 && copied != w.heldAt {
			w.wait = leastWait // what stood still has ended
		}
		w.heldAt = copied
		if waited >= w.wait {
			break
		}
		w.pause(waitStep)
	}
	if w.wait *= 2; w.wait > mostWait {
		w.wait = 0
	}
}

// copyFailed ends the store if err is final. After any other the next look tries
// again.
func (w *writer) copyFailed(err error) {
	if isFatal(err) {
		w.fail(err)
	}
}

// walBytes is the size of the write-ahead log's file, 0 if there is none.
func (w *writer) walBytes() int64 {
	info, err := os.Stat(w.walPath)
	if err != nil {
		return 0
	}
	return info.Size()
}

// code returns the SQLite result code of err, 0 if it is no error of SQLite's.
func code(err error) int {
	var e *sqlite.Error
	if errors.As(err, &e) {
		return e.Code()
	}
	return foreignCode(err)
}

// foreignCode is code for the errors of another driver, which tests set.
var foreignCode = func(error) int { return 0 }

// WantsFolder reports whether err says that SQLite could not make or open the files
// that it keeps beside a store, even to read it.
func WantsFolder(err error) bool {
	c := code(err) & 0xff
	return c == lib.SQLITE_CANTOPEN || c == lib.SQLITE_READONLY
}

// isFull reports whether err says that there was no room. That includes room for
// the shared index of the write-ahead log, which SQLite reports otherwise.
func isFull(err error) bool {
	c := code(err)
	return c&0xff == lib.SQLITE_FULL || c == lib.SQLITE_IOERR_SHMSIZE
}

// isFatal reports whether err means that the connection cannot be trusted with
// another write.
func isFatal(err error) bool {
	if errors.Is(err, ErrFailed) {
		return true
	}
	if isFull(err) {
		return false
	}
	switch code(err) & 0xff {
	case lib.SQLITE_IOERR, lib.SQLITE_CORRUPT, lib.SQLITE_NOTADB, lib.SQLITE_CANTOPEN,
		lib.SQLITE_READONLY, lib.SQLITE_NOMEM, lib.SQLITE_PROTOCOL, lib.SQLITE_NOLFS:
		return true
	}
	return errors.Is(err, sql.ErrConnDone)
}
