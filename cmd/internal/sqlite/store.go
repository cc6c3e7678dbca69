package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/subscriptions"
	"teamsdlp/webhook"
)

// Names of the files in the data directory.
const (
	// FileName is the database. SQLite keeps FileName-wal and FileName-shm beside it.
	FileName = "teamsdlp.db"
	// LockName is the file whose lock says that a server uses the directory.
	LockName = "lock"
)

// Options say how to open a store. The zero value of each field but Dir is
// usable.
type Options struct {
	// Dir is the data directory. It is made with mode 0700 if it does not exist.
	Dir string
	// Log receives what an operator should know. Nil: nothing is logged.
	Log *zap.Logger
	// MaxItems bounds the rows of the inbox. 0: 1,000,000.
	MaxItems int64
	// MaxBytes bounds the bytes of the inbox. 0: 8 GiB.
	MaxBytes int64
	// MaxUnverified bounds the rows whose tokens could not be verified on
	// receipt. 0: 10,000.
	MaxUnverified int64
	// MinFree is the free space in bytes below which items are refused, or 5 %
	// of the file system if that is more. 0: 512 MiB. Negative: no mark at all.
	MinFree int64
	// PruneEvery is how often what nobody can ask for any more is removed.
	// 0: every 10 minutes. Negative: never; the owner calls Prune.
	PruneEvery time.Duration
	// Observe is told of commits and refusals. Nil: nobody is.
	Observe Observer

	// space replaces the look at the disk in tests.
	space func(dir string) (free, total uint64, err error)
}

// Commit is what one commit of the writer was.
type Commit struct {
	Ops int // operations that shared it
}

// Observer is told what the store does, for metrics. Its methods are called
// from the store's goroutines and must not block.
type Observer interface {
	// Committed is called once for every transaction.
	Committed(Commit)
	// Refused is called once for every Put that was refused; reason is items,
	// bytes, unverified, disk_mark, disk_full or queue.
	Refused(reason string)
}

type noObserver struct{}

func (noObserver) Committed(Commit) {}
func (noObserver) Refused(string)   {}

// Stats is a look at the writer, for metrics.
type Stats struct {
	WALBytes int64 // size of the write-ahead log's file
	DiskFree int64 // bytes, at the last look
}

// Store is the embedded store of one server process. It is safe for concurrent
// use. It implements webhook.Inbox, actions.Ledger, actions.Log and
// subscriptions.Store, and through its Reader actions.Reader, actions.Tree and
// actions.VerifySource.
type Store struct {
	*Reader
	opts Options
	log  *zap.Logger
	lock *fileLock
	db   *sql.DB   // has two connections:
	conn *sql.Conn // the writer's once w is set,
	side *sql.Conn // and the copier's
	file *os.File  // the database itself, to sync it
	w    *writer

	inbox  inbox
	unseen unseen

	diskFree atomic.Int64
	diskLow  atomic.Bool

	life      context.Context // ended by Close
	end       context.CancelFunc
	loops     sync.WaitGroup
	closeOnce sync.Once
	closeErr  error
}

var (
	_ webhook.Inbox       = (*Store)(nil)
	_ actions.Ledger      = (*Store)(nil)
	_ actions.Log         = (*Store)(nil)
	_ subscriptions.Store = (*Store)(nil)

	_ actions.Reader       = (*Reader)(nil)
	_ actions.Tree         = (*Reader)(nil)
	_ actions.VerifySource = (*Reader)(nil)
)

// Open opens the store in o.Dir, making it if there is none, migrates its schema
// and starts its writer. It fails if another process has it open. The context
// bounds opening only.
func Open(ctx context.Context, o Options) (*Store, error) {
	o = o.withDefaults()
	s, err := open(ctx, o)
	if err != nil {
		return nil, fmt.Errorf("opening the store in %s: %w", o.Dir, err)
	}
	return s, nil
}

func (o Options) withDefaults() Options {
	set := func(v *int64, def int64) {
		if *v == 0 {
			*v = def
		}
	}
	set(&o.MaxItems, 1_000_000)
	set(&o.MaxBytes, 8<<30)
	set(&o.MaxUnverified, 10_000)
	set(&o.MinFree, 512<<20)
	if o.PruneEvery == 0 {
		o.PruneEvery = 10 * time.Minute
	}
	if o.Log == nil {
		o.Log = zap.NewNop()
	}
	if o.Observe == nil {
		o.Observe = noObserver{}
	}
	if o.space == nil {
		o.space = diskSpace
	}
	return o
}

func open(ctx context.Context, o Options) (_ *Store, err error) {
	lock, err := prepareDir(o.Dir, o.Log)
	if err != nil {
		return nil, err
	}
	s := &Store{opts: o, log: o.Log, lock: lock}
	s.life, s.end = context.WithCancel(context.Background())
	defer func() {
		if err != nil {
			_ = s.shut() // the first error says why
		}
	}()
	probeSync(o.Dir, o.Log)
	written := lastWrite(o.Dir)
	if s.db, err = openWriterDB(o.Dir); err != nil {
		return nil, err
	}
	if s.conn, err = s.db.Conn(ctx); err != nil {
		return nil, err
	}
	if err := checkVersion(ctx, s.conn); err != nil {
		return nil, err
	}
	if err := migrate(ctx, s.conn, migrations); err != nil {
		return nil, err
	}
	if err := followClock(ctx, s.conn, written, time.Now()); err != nil {
		return nil, err
	}
	if s.Reader, err = newReader(ctx, o.Dir); err != nil {
		return nil, err
	}
	if err := s.inbox.load(ctx, s.Reader); err != nil {
		return nil, err
	}
	if s.side, err = sideConn(ctx, s.db); err != nil {
		return nil, err
	}
	if s.file, err = os.OpenFile(dbPath(o.Dir), os.O_RDWR, 0); err != nil {
		return nil, err
	}
	s.w = newWriter(s.conn, newCopier(s.side, s.file.Sync, func() { beginWriting(s.file) }), dbPath(o.Dir)+"-wal", o.Observe)
	s.lookAtDisk()
	s.loops.Go(s.watchDisk)
	if o.PruneEvery > 0 {
		s.loops.Go(s.pruneLoop)
	}
	return s, nil
}

// Fatal returns a channel that yields the cause, and is then closed, once the
// store has failed for good. Its owner should stop and exit non-zero.
func (s *Store) Fatal() <-chan error { return s.w.fatal }

// Ready returns nil if items are taken, and otherwise why they are not.
func (s *Store) Ready() error {
	if err := s.w.err(); err != nil {
		return err
	}
	if s.diskLow.Load() {
		return fmt.Errorf("%w: %d bytes are free", ErrDiskFull, s.diskFree.Load())
	}
	if why := s.inbox.fullFor(1, 1, 0, s.opts); why != "" {
		return fmt.Errorf("%w (%s)", webhook.ErrFull, why)
	}
	return nil
}

// Stats returns a look at the writer and the disk.
func (s *Store) Stats() Stats {
	return Stats{
		WALBytes: s.w.walBytes(),
		DiskFree: s.diskFree.Load(),
	}
}

// Close answers what is queued, empties the write-ahead log into the database
// and releases the directory. Operations that come later fail with ErrClosed.
// Only the first call does anything; all return its error. After a failure (see
// Fatal) it leaves the files as they are, for the next start to recover from.
func (s *Store) Close() error {
	s.closeOnce.Do(func() { s.closeErr = s.shut() })
	return s.closeErr
}

// shut undoes as much of open as was done.
func (s *Store) shut() error {
	var errs []error
	s.end()
	s.loops.Wait()
	if s.w != nil {
		s.w.close()
	}
	if s.Reader != nil {
		// First, because a reader's snapshot would hold back the checkpoint.
		errs = append(errs, s.Reader.Close())
	}
	if s.w == nil || s.w.err() == nil {
		errs = append(errs, s.closeWriterDB())
	}
	errs = append(errs, s.lock.release())
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("closing the store: %w", err)
	}
	return nil
}

// closeWriterDB must not be called after a failure: closing the last connection
// copies the write-ahead log, and so would repeat a sync that failed.
func (s *Store) closeWriterDB() error {
	var errs []error
	if s.w != nil {
		if _, _, _, err := checkpoint(s.conn, "TRUNCATE"); err != nil {
			errs = append(errs, err)
		}
		for _, stmt := range s.w.tx.stmts {
			errs = append(errs, stmt.Close())
		}
	}
	if s.side != nil {
		errs = append(errs, s.side.Close())
	}
	if s.conn != nil {
		errs = append(errs, s.conn.Close())
	}
	if s.db != nil {
		errs = append(errs, s.db.Close())
	}
	if s.file != nil {
		// Last: closing it drops the POSIX locks that SQLite holds on the file.
		errs = append(errs, s.file.Close())
	}
	return errors.Join(errs...)
}

// do queues a write and waits for it to be durable.
func (s *Store) do(ctx context.Context, size int, run func(*tx) error, after func(error)) error {
	return s.w.submit(&op{ctx: ctx, size: size, run: run, after: after}, true)
}

// diskEvery is how often free space is looked at: at 200 MB/s a full second of
// writing fits twice into the smallest mark.
const diskEvery = time.Second

func (s *Store) watchDisk() {
	tick := time.NewTicker(diskEvery)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			s.lookAtDisk()
		case <-s.life.Done():
			return
		}
	}
}

// lookAtDisk closes admission below the mark. The mark is far above zero so
// that what frees rows can still write.
func (s *Store) lookAtDisk() {
	free, total, err := s.opts.space(s.opts.Dir)
	if err != nil {
		s.log.Warn("free disk space is not known", zap.Error(err))
		return
	}
	s.diskFree.Store(int64(free))
	if s.opts.MinFree < 0 {
		return
	}
	mark := diskMark(s.opts.MinFree, total)
	low := free < mark
	if s.diskLow.Swap(low) != low {
		fields := []zap.Field{zap.Uint64("free_bytes", free), zap.Uint64("mark_bytes", mark)}
		if low {
			s.log.Error("disk is below its mark: no new items are taken until there is room", fields...)
		} else {
			s.log.Info("disk is above its mark again", fields...)
		}
	}
}

// diskMark is the free space below which no items are taken, on a disk of a size.
func diskMark(minFree int64, total uint64) uint64 { return max(uint64(minFree), total/20) }

// Space returns the free bytes of the disk of dir, and the mark below which a store
// there takes no items, unless its Options say otherwise.
func Space(dir string) (free, mark uint64, err error) {
	free, total, err := diskSpace(dir)
	return free, diskMark(Options{}.withDefaults().MinFree, total), err
}

func (s *Store) pruneLoop() {
	tick := time.NewTicker(s.opts.PruneEvery)
	defer tick.Stop()
	for {
		select {
		case now := <-tick.C:
			n, err := s.Prune(s.life, now)
			if err != nil && s.life.Err() == nil {
				s.log.Warn("pruning the store", zap.Error(err))
			} else if n > 0 {
				s.log.Debug("pruned the store", zap.Int("rows", n))
			}
		case <-s.life.Done():
			return
		}
	}
}
