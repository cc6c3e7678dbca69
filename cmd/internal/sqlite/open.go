package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	"modernc.org/sqlite"

	"teamsdlp/cmd/internal/faults"
)

// ErrLocked is returned by Open when another process has the store open.
var ErrLocked = errors.New("another server process uses this data directory")

const (
	dirMode  = 0o700
	fileMode = 0o600
)

func dbPath(dir string) string { return filepath.Join(dir, FileName) }

// fdatasync makes SQLite sync with fdatasync(2) where there is one: it skips
// the timestamps, nothing else.
var fdatasync = sync.OnceFunc(func() {
	// The one error is that this platform has none.
	_, _ = sqlite.Fdatasync(true)
})

// prepareDir makes the directory and the database file with modes that keep
// others out, and takes the lock. SQLite gives the files beside the database
// the database's own mode.
func prepareDir(dir string, log *zap.Logger) (*fileLock, error) {
	if err := os.MkdirAll(dir, dirMode); err != nil {
		return nil, err
	}
	if name := networkFS(dir); name != "" {
		return nil, fmt.Errorf("the directory is on %s: a write-ahead log needs a disk of this host; choose another data directory", name)
	}
	if err := keepOthersOut(dir, log); err != nil {
		return nil, err
	}
	lock, err := takeLock(dir)
	if err != nil {
		return nil, err
	}
	if err := touch(dbPath(dir)); err != nil {
		return nil, errors.Join(err, lock.release())
	}
	return lock, nil
}

// Ours reports whether a directory is empty or holds a store. Any other that others
// can enter is refused by Open.
func Ours(dir string) (bool, error) {
	entries, err := os.ReadDir(dir)
	return len(entries) == 0 || slices.ContainsFunc(entries, func(e fs.DirEntry) bool { return e.Name() == FileName }), err
}

// keepOthersOut takes the rights of group and others from a directory that is
// ours: an empty one, or one that holds a store. Any other that others can
// enter is refused rather than changed: it may be somebody's home.
func keepOthersOut(dir string, log *zap.Logger) error {
	info, err := os.Stat(dir)
	if err != nil {
		return err
	}
	mode := info.Mode().Perm()
	if mode&0o077 == 0 || os.PathSeparator == '\\' { // Windows has no such bits
		return nil
	}
	mend := fmt.Errorf("mode %#o lets other users into the data directory; run: chmod 700 %s", mode, dir)
	ours, err := Ours(dir)
	if err != nil {
		return err
	}
	if !ours {
		return mend
	}
	if err := os.Chmod(dir, dirMode); err != nil {
		if mode&0o007 != 0 {
			return mend
		}
		// A volume that belongs to root and is shared through its group.
		log.Warn("data directory is open to its group", zap.String("dir", dir), zap.String("mode", fmt.Sprintf("%#o", mode)))
	}
	return nil
}

// touch makes the file if there is none, and its mode ours. A file that exists
// is not opened: closing it would drop the POSIX locks that a reader in this
// process may hold on it. Source: sqlite.org/howtocorrupt.html, section 2.2.
func touch(path string) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_EXCL, fileMode)
	if errors.Is(err, fs.ErrExist) {
		return os.Chmod(path, fileMode)
	}
	if err != nil {
		return err
	}
	return errors.Join(f.Chmod(fileMode), f.Close())
}

// fileLock is the lock that keeps a second server out. It ends with the
// process, however that ends.
type fileLock struct{ f *os.File }

func takeLock(dir string) (*fileLock, error) {
	path := filepath.Join(dir, LockName)
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, fileMode)
	if err != nil {
		return nil, err
	}
	held, err := LockFile(f)
	held = held || faults.On(faults.NoLock)
	if err == nil && !held {
		err = fmt.Errorf("%w%s; stop it, or give this one its own data directory", ErrLocked, holder(path))
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	// The number is for the message of whoever comes second; the lock is what counts.
	if err := f.Truncate(0); err == nil {
		_, _ = f.WriteAt([]byte(strconv.Itoa(os.Getpid())+"\n"), 0)
	}
	return &fileLock{f}, nil
}

// holder names the process that wrote its number into the lock file.
func holder(path string) string {
	b, err := os.ReadFile(path)
	if err != nil {
		return ""
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil {
		return ""
	}
	return fmt.Sprintf(" (process %d)", pid)
}

func (l *fileLock) release() error {
	if l == nil || l.f == nil {
		return nil
	}
	err := l.f.Close()
	l.f = nil
	return err
}

// dsn is the data source name of the database in dir. Pragmas run in the order
// given.
func dsn(dir string, query url.Values, pragmas ...string) (string, error) {
	path, err := filepath.Abs(dbPath(dir))
	if err != nil {
		return "", err
	}
	query.Set("_defensive", "1")
	query.Set("_dqs", "0")
	query["_pragma"] = pragmas
	u := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: query.Encode()}
	return u.String(), nil
}

// writerPragmas are the settings of the connection that writes.
var writerPragmas = []string{
	"busy_timeout(2000)",
	"page_size(4096)",
	"auto_vacuum(INCREMENTAL)", // counts only before the first table
	"journal_mode(WAL)",
	"synchronous(FULL)",
	"wal_autocheckpoint(0)", // the writer does it: see lookAtWAL
	"journal_size_limit(67108864)",
	"foreign_keys(ON)",
	"temp_store(MEMORY)",
	"cache_size(-16384)",
}

// openWriterDB opens the database for the connection that writes, and the one
// that copies the write-ahead log beside it.
func openWriterDB(dir string) (*sql.DB, error) {
	fdatasync()
	query := url.Values{}
	if vfs := joinedVFS(); vfs != "" {
		query.Set("vfs", vfs)
	}
	name, err := dsn(dir, query, writerPragmas...)
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(2)
	return db, nil
}

// sideConn is the second connection of db, which copies the write-ahead log. It
// waits for nobody: see writer.beginAnew.
func sideConn(ctx context.Context, db *sql.DB) (*sql.Conn, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA busy_timeout = 0"); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return conn, nil
}

// lastWrite is when the files of the store in dir were written last, by the clock of
// then.
func lastWrite(dir string) (at time.Time) {
	for _, path := range []string{dbPath(dir), dbPath(dir) + "-wal"} {
		if info, err := os.Stat(path); err == nil && info.ModTime().After(at) {
			at = info.ModTime()
		}
	}
	return at
}

// longestDeferred bounds how long after a start a row can be due, whatever the clock was
// when it was put back: longer than anybody puts one back for.
const longestDeferred = 24 * time.Hour

// followClock makes what was put back due earlier where the clock went back since the
// files were written last, or was far ahead before that. No row is due later than it
// would be by a clock that is never set; the file says when, so that the next start
// finds it as well.
func followClock(ctx context.Context, conn *sql.Conn, written, now time.Time) error {
	const query = `UPDATE work SET due_ms = min(due_ms - ?1, ?2) WHERE ?1 > 0 OR due_ms > ?2`
	back := max(0, written.Sub(now.Round(0)).Milliseconds())
	if _, err := conn.ExecContext(ctx, query, back, millis(now.Add(longestDeferred))); err != nil {
		return fmt.Errorf("setting when deferred rows are due: %w", err)
	}
	return nil
}

// SyncTooFast is the least time that a disk takes for a sync. Anything faster is
// memory, or a disk that says it has written what it has not.
const SyncTooFast = 20 * time.Microsecond

const syncTooSlow = 100 * time.Millisecond

// probeSync measures what a sync costs and says so when the figure is not
// believable, or when the disk cannot keep up with a busy tenant.
func probeSync(dir string, log *zap.Logger) {
	took, err := SyncLatency(dir)
	switch {
	case err != nil:
		log.Warn("measuring the disk", zap.Error(err))
	case took < SyncTooFast:
		log.Warn("the disk answers a sync faster than any disk writes: what it confirms may not survive a power cut", zap.Duration("sync", took))
	case took > syncTooSlow:
		log.Warn("the disk is slow to sync: every 202 waits for it", zap.Duration("sync", took))
	default:
		log.Debug("measured the disk", zap.Duration("sync", took))
	}
}

// SyncLatency returns the median time that writing and syncing one page takes
// in dir. It writes a small file there and removes it.
func SyncLatency(dir string) (time.Duration, error) {
	f, err := os.CreateTemp(dir, "sync-*")
	if err != nil {
		return 0, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	page := make([]byte, 4096)
	took := make([]time.Duration, 7)
	for i := range took {
		start := time.Now()
		if _, err := f.WriteAt(page, int64(i)*int64(len(page))); err != nil {
			return 0, err
		}
		if err := f.Sync(); err != nil {
			return 0, err
		}
		took[i] = time.Since(start)
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}
