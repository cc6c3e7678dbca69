package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3"
	_ "github.com/ncruces/go-sqlite3/driver" // the second driver, whose files can be ours
	"github.com/ncruces/go-sqlite3/vfs"
	"go.uber.org/zap"
)

// A disk is files in memory of which only what was synced is sure to outlive a
// power cut. The schema, the SQL and the writer over it are the product's; the
// driver is another build of the same SQLite, because the product's own does not
// let Go code stand in for the files. That the product joins writes to the log is
// not part of it: TestJoinedWrites.
type disk struct {
	mu    sync.Mutex
	files map[string]*diskFile
	index string // file for the index of the write-ahead log, which no power cut keeps

	// What happened so far.
	syncs, written int64

	// failSync, if not nil, says which sync fails. As on Linux, what could not be
	// written counts as clean afterwards: the next sync does not try it again.
	failSync func(name string) bool
}

// diskFile is one file: as it is read, as it is sure to be after a power cut, and
// the writes in between, in order.
type diskFile struct {
	now, sure []byte
	pending   []diskWrite
	open      int // connections that have it open
}

type diskWrite struct {
	off      int64
	data     []byte
	truncate bool // to off
}

func newDisk(t testing.TB) *disk {
	return &disk{files: map[string]*diskFile{}, index: filepath.Join(t.TempDir(), "shm")}
}

func (w diskWrite) on(b []byte) []byte {
	if w.truncate {
		if w.off <= int64(len(b)) {
			return b[:w.off]
		}
		return append(b, make([]byte, w.off-int64(len(b)))...)
	}
	if end := w.off + int64(len(w.data)); end > int64(len(b)) {
		b = append(b, make([]byte, end-int64(len(b)))...)
	}
	copy(b[w.off:], w.data)
	return b
}

// sector is what a disk writes whole.
const sector = 512

// cut is the disk after a power cut now: of what was not synced some sectors are
// there, in any order, and some are not.
func (d *disk) cut(t testing.TB, rng *rand.Rand) *disk {
	after := newDisk(t)
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, f := range d.files {
		var parts []diskWrite
		for _, w := range f.pending {
			for off := 0; !w.truncate && off < len(w.data); {
				// Up to the next sector's border.
				n := min(len(w.data)-off, sector-int(w.off+int64(off))%sector)
				parts = append(parts, diskWrite{off: w.off + int64(off), data: w.data[off : off+n]})
				off += n
			}
			if w.truncate {
				parts = append(parts, w)
			}
		}
		kept := rng.Float64()
		if rng.IntN(4) == 0 {
			kept = float64(rng.IntN(2)) // nothing, or all of it
		}
		parts = slices.DeleteFunc(parts, func(diskWrite) bool { return rng.Float64() >= kept })
		if rng.IntN(2) == 0 {
			rng.Shuffle(len(parts), func(i, j int) { parts[i], parts[j] = parts[j], parts[i] })
		}
		b := slices.Clone(f.sure)
		for _, w := range parts {
			b = w.on(b)
		}
		after.files[name] = &diskFile{now: b, sure: slices.Clone(b)}
	}
	return after
}

// free lets go of the files: SQLite knows a disk until the test ends, and thousands
// of them are more than memory holds.
func (d *disk) free() {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.files = nil
}

func (d *disk) counts() (syncs, written int64) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.syncs, d.written
}

// ---- the interface that SQLite sees ----

func (d *disk) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	f := d.files[name]
	if f == nil {
		if flags&vfs.OPEN_CREATE == 0 {
			return nil, flags, sqlite3.CANTOPEN
		}
		f = &diskFile{}
		d.files[name] = f
	}
	f.open++
	return &handle{d, f, name, vfs.NewSharedMemory(d.index, flags)}, flags, nil
}

func (d *disk) Delete(name string, _ bool) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.files[name] == nil {
		return sqlite3.IOERR_DELETE_NOENT
	}
	delete(d.files, name)
	return nil
}

func (d *disk) Access(name string, _ vfs.AccessFlag) (bool, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.files[name] != nil, nil
}

func (*disk) FullPathname(name string) (string, error) { return name, nil }

type handle struct {
	d     *disk
	f     *diskFile
	name  string
	index vfs.SharedMemory
}

func (h *handle) Close() error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	h.f.open--
	if h.index != nil {
		return h.index.Close()
	}
	return nil
}

func (h *handle) SharedMemory() vfs.SharedMemory { return h.index }

func (h *handle) ReadAt(b []byte, off int64) (int, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if off >= int64(len(h.f.now)) {
		return 0, io.EOF
	}
	n := copy(b, h.f.now[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func (h *handle) WriteAt(b []byte, off int64) (int, error) {
	h.change(diskWrite{off: off, data: slices.Clone(b)})
	return len(b), nil
}

func (h *handle) Truncate(size int64) error {
	h.change(diskWrite{off: size, truncate: true})
	return nil
}

func (h *handle) change(w diskWrite) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	h.f.now = w.on(h.f.now)
	h.f.pending = append(h.f.pending, w)
	h.d.written += int64(len(w.data))
}

func (h *handle) Sync(vfs.SyncFlag) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	h.d.syncs++
	failed := h.d.failSync != nil && h.d.failSync(h.name)
	if !failed {
		for _, w := range h.f.pending {
			h.f.sure = w.on(h.f.sure)
		}
	}
	h.f.pending = nil
	if failed {
		return sqlite3.IOERR_FSYNC
	}
	return nil
}

func (h *handle) Size() (int64, error) {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	return int64(len(h.f.now)), nil
}

// Two connections share the file, and the index of the write-ahead log has the
// locks that they need. Only the last to close may have the file for itself.
func (h *handle) Lock(level vfs.LockLevel) error {
	h.d.mu.Lock()
	defer h.d.mu.Unlock()
	if level == vfs.LOCK_EXCLUSIVE && h.f.open > 1 {
		return sqlite3.BUSY
	}
	return nil
}
func (*handle) Unlock(vfs.LockLevel) error       { return nil }
func (*handle) CheckReservedLock() (bool, error) { return false, nil }
func (*handle) SectorSize() int                  { return sector }
func (*handle) DeviceCharacteristics() vfs.DeviceCharacteristic {
	return vfs.IOCAP_POWERSAFE_OVERWRITE
}

// ---- a store on it ----

func init() {
	foreignCode = func(err error) int {
		var (
			extended sqlite3.ExtendedErrorCode
			plain    sqlite3.ErrorCode
		)
		switch {
		case errors.As(err, &extended):
			return int(extended)
		case errors.As(err, &plain):
			return int(plain)
		}
		return 0
	}
}

var disks atomic.Int64

// open opens the store's file with the product's own settings; set replaces some
// of them.
func (d *disk) open(t testing.TB, set ...string) *sql.DB {
	t.Helper()
	name := fmt.Sprintf("disk%d", disks.Add(1))
	vfs.Register(name, d)
	t.Cleanup(func() { vfs.Unregister(name) })
	var pragmas []string
	for _, p := range writerPragmas {
		what, _, _ := strings.Cut(p, "(")
		if i := slices.IndexFunc(set, func(s string) bool { return strings.HasPrefix(s, what+"(") }); i >= 0 {
			p = set[i]
		}
		pragmas = append(pragmas, p)
	}
	u := url.URL{Scheme: "file", Opaque: FileName, RawQuery: url.Values{"vfs": {name}, "_pragma": pragmas}.Encode()}
	db, err := sql.Open("sqlite3", u.String())
	must(t, err)
	return db
}

// store is the product's writer and copier on d, as open makes them, with no
// readers.
func (d *disk) store(t testing.TB, set ...string) *Store {
	t.Helper()
	ctx := context.Background()
	db := d.open(t, set...)
	conn, err := db.Conn(ctx)
	must(t, err)
	must(t, checkVersion(ctx, conn))
	must(t, migrate(ctx, conn, migrations))
	s := &Store{opts: Options{MinFree: -1}.withDefaults(), log: zap.NewNop(), db: db, conn: conn}
	s.life, s.end = context.WithCancel(ctx)
	s.inbox.wake = make(chan struct{}, 1)
	s.inbox.held, s.inbox.loaded = map[int64]*row{}, map[int64]bool{}
	must(t, conn.QueryRowContext(ctx, `SELECT coalesce(max(seq), 0) + 1 FROM inbox`).Scan(&s.inbox.next))
	side, err := sideConn(ctx, db)
	must(t, err)
	file, _, err := d.Open(FileName, vfs.OPEN_READWRITE)
	must(t, err)
	s.side = side
	s.w = newWriter(conn, newCopier(side, func() error { return file.Sync(vfs.SYNC_DATAONLY) }, func() {}), "", s.opts.Observe)
	return s
}

// leave ends a store on a disk.
func leave(s *Store) {
	s.end()
	s.w.close()
	_ = s.side.Close()
	_ = s.conn.Close()
	_ = s.db.Close()
}
