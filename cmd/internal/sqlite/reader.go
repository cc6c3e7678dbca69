package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"runtime"
	"sync"
	"time"

	"teamsdlp/cmd/internal/faults"
)

const (
	// maxPage bounds the rows of one read, and so how long it can hold back the
	// emptying of the write-ahead log.
	maxPage = 5000
	// readTimeout bounds one page, whatever the caller allows.
	readTimeout = 30 * time.Second
)

// Reader is the read side of the store. Opened by itself it works beside a
// running server, takes no lock and writes nothing. It is safe for concurrent
// use.
type Reader struct {
	db *sql.DB

	mu    sync.Mutex
	stmts map[string]*sql.Stmt
}

// OpenReadOnly opens the store in dir for reading, whether or not a server runs
// on it. The schema must be of this release: a server migrates it when it starts.
func OpenReadOnly(ctx context.Context, dir string) (*Reader, error) {
	r, err := newReader(ctx, dir)
	if err != nil {
		return nil, fmt.Errorf("reading the store in %s: %w", dir, err)
	}
	return r, nil
}

func newReader(ctx context.Context, dir string) (*Reader, error) {
	if _, err := os.Stat(dbPath(dir)); errors.Is(err, fs.ErrNotExist) {
		return nil, errors.New("there is no store; serve makes one when it starts")
	}
	name, err := dsn(dir, url.Values{"mode": {"ro"}}, "busy_timeout(2000)", "query_only(ON)", "temp_store(MEMORY)")
	if err != nil {
		return nil, err
	}
	db, err := sql.Open("sqlite", name)
	if err != nil {
		return nil, err
	}
	conns := max(2, runtime.GOMAXPROCS(0))
	db.SetMaxOpenConns(conns)
	db.SetMaxIdleConns(conns)
	if err := checkReadable(ctx, db); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Reader{db: db, stmts: map[string]*sql.Stmt{}}, nil
}

func checkReadable(ctx context.Context, db *sql.DB) error {
	if err := checkOurs(ctx, db); err != nil {
		return err
	}
	have, err := schemaVersion(ctx, db)
	switch {
	case err != nil:
		return err
	case have > len(migrations) && !faults.On(faults.OpenNewer):
		return fmt.Errorf("schema version %d, this release knows %d: %w; use that release", have, len(migrations), ErrNewerSchema)
	case have == 0:
		return ErrNothing
	case have < len(migrations):
		return fmt.Errorf("schema version %d, this release's is %d: %w: start serve once to migrate it", have, len(migrations), ErrOlderSchema)
	}
	return nil
}

// Close ends the connections. Reads that come later fail.
func (r *Reader) Close() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var errs []error
	for _, s := range r.stmts {
		errs = append(errs, s.Close())
	}
	clear(r.stmts)
	return errors.Join(append(errs, r.db.Close())...)
}

// prepare keeps the prepared form of queries that are constants of this package.
func (r *Reader) prepare(ctx context.Context, query string) (*sql.Stmt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.stmts[query]; s != nil {
		return s, nil
	}
	s, err := r.db.PrepareContext(ctx, query) //nolint:sqlclosecheck // kept; Close closes it
	if err == nil {
		r.stmts[query] = s
	}
	return s, err
}

// row scans the one row of a constant query; sql.ErrNoRows if there is none.
func (r *Reader) row(ctx context.Context, query string, args []any, dest ...any) error {
	s, err := r.prepare(ctx, query) //nolint:sqlclosecheck // kept; Close closes it
	if err != nil {
		return err
	}
	return s.QueryRowContext(ctx, args...).Scan(dest...)
}

// each calls scan for every row of a constant query, until it returns an error
// or errStop.
func (r *Reader) each(ctx context.Context, query string, args []any, scan func(*sql.Rows) error) error {
	s, err := r.prepare(ctx, query) //nolint:sqlclosecheck // kept; Close closes it
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	rows, err := s.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	return drain(rows, scan)
}

// errStop ends each early, without an error.
var errStop = errors.New("stop")

func drain(rows *sql.Rows, scan func(*sql.Rows) error) error {
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows); errors.Is(err, errStop) {
			return nil
		} else if err != nil {
			return err
		}
	}
	return rows.Err()
}

// millis and fromMillis are the stored form of times. The zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
