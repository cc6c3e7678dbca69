package sqlite

import (
	"bytes"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"

	"teamsdlp/webhook"
)

// watched is what a test sees of the writes that reach the platform, and what they
// answer from then on.
var watched struct {
	open   openFunc
	write  copyFunc
	writes atomic.Int64
	answer atomic.Int32
}

// watch has the write-ahead logs watched that the test opens.
func watch(t *testing.T) {
	if joinedVFS() == "" {
		t.Fatal("not registered")
	}
	watched.open = platformOpen
	watched.writes.Store(0)
	platformOpen = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
		rc := watched.open(tls, vfs, name, file, flags, outFlags)
		if rc == lib.SQLITE_OK && flags&lib.SQLITE_OPEN_WAL != 0 {
			methods := at[uintptr](file)
			m := at[lib.Tsqlite3_io_methods](lib.Xsqlite3_malloc(tls, int32(unsafe.Sizeof(lib.Tsqlite3_io_methods{})))) // for good: it may be closed late
			*m = *at[lib.Tsqlite3_io_methods](*methods)
			watched.write = function[copyFunc](m.FxWrite)
			m.FxWrite = pointer(writeWatched)
			*methods = pointer(m)
		}
		return rc
	}
	t.Cleanup(func() {
		platformOpen = watched.open
		watched.answer.Store(lib.SQLITE_OK)
	})
}

func writeWatched(tls *libc.TLS, file, buf uintptr, size int32, off int64) int32 {
	watched.writes.Add(1)
	if rc := watched.answer.Load(); rc != lib.SQLITE_OK {
		return rc
	}
	return watched.write(tls, file, buf, size, off)
}

// A file whose writes are joined reads as one whose writes are not, and after a sync it
// is on disk as it reads, whatever fails in between.
func TestJoinedWrites(t *testing.T) {
	watch(t)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 0))
	tls := libc.NewTLS()
	t.Cleanup(tls.Close)
	path := filepath.Join(t.TempDir(), "log")
	name, err := libc.CString(path)
	must(t, err)
	t.Cleanup(func() { libc.Xfree(tls, name) })
	size := int32(joinedAt + unsafe.Sizeof(joined{}))
	file := lib.Xsqlite3_malloc(tls, size)
	t.Cleanup(func() { lib.Xsqlite3_free(tls, file) })
	clear(bytesAt(file, size))
	vfs := lib.Xsqlite3_vfs_find(tls, 0)
	must(t, touch(path))
	if rc := platformOpen(tls, vfs, name, file, lib.SQLITE_OPEN_READWRITE|lib.SQLITE_OPEN_WAL, 0); rc != lib.SQLITE_OK {
		t.Fatal(rc)
	}
	j := join(file)
	const most = 2 * joinBytes
	buf := lib.Xsqlite3_malloc(tls, most)
	t.Cleanup(func() { lib.Xsqlite3_free(tls, buf) })

	var want []byte
	var next int64
	ok := func(doing string, rc int32) bool {
		if rc != lib.SQLITE_OK && rc != watched.answer.Load() {
			t.Fatalf("%s: %d", doing, rc)
		}
		return rc == lib.SQLITE_OK
	}
	write := func(off int64, size int32) {
		b := bytesAt(buf, size)
		for i := range b {
			b[i] = byte(rng.Uint32())
		}
		if !ok("write", function[copyFunc](j.methods.FxWrite)(tls, file, buf, size, off)) {
			return
		}
		want = diskWrite{off: off, data: b}.on(want)
		next = off + int64(size)
	}
	sync := func() {
		if !ok("sync", function[syncFunc](j.methods.FxSync)(tls, file, lib.SQLITE_SYNC_NORMAL)) {
			return
		}
		if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
			t.Fatalf("after a sync %d bytes are on disk, %v; %d were written", len(got), err, len(want))
		}
	}
	for range 300 { // pages, as SQLite writes them
		write(next, 24)
		write(next, 4096)
	}
	sync()
	if n := watched.writes.Load(); n != 10 {
		t.Errorf("%d writes for 300 pages", n)
	}
	failed := 0
	for range 5000 / slowly {
		if watched.answer.Store(lib.SQLITE_OK); rng.IntN(20) == 0 {
			watched.answer.Store(lib.SQLITE_FULL)
			failed++
		}
		anywhere := rng.Int64N(3 * joinBytes)
		switch rng.IntN(40) {
		case 0:
			sync()
		case 1:
			n := 1 + rng.Int32N(most)
			rc := function[copyFunc](j.methods.FxRead)(tls, file, buf, n, anywhere)
			if rc == lib.SQLITE_FULL {
				continue
			}
			b := append(slices.Clone(want), make([]byte, 5*joinBytes)...)[anywhere:][:n]
			if short := anywhere+int64(n) > int64(len(want)); short != (rc == lib.SQLITE_IOERR_SHORT_READ) || !bytes.Equal(b, bytesAt(buf, n)) {
				t.Fatalf("read of %d at %d: %d", n, anywhere, rc)
			}
		case 2:
			if ok("truncate", function[truncateFunc](j.methods.FxTruncate)(tls, file, anywhere)) {
				want = diskWrite{off: anywhere, truncate: true}.on(want)
			}
		case 3:
			if ok("size", function[sizeFunc](j.methods.FxFileSize)(tls, file, buf)) && *at[int64](buf) != int64(len(want)) {
				t.Fatalf("size %d, want %d", *at[int64](buf), len(want))
			}
		case 4:
			write(anywhere, 1+rng.Int32N(most)%5000)
		case 5:
			write(next, joinBytes-100+rng.Int32N(200))
		default:
			if next > 3*joinBytes {
				next = 32
			}
			write(next, []int32{24, 4096}[rng.IntN(2)])
		}
	}
	watched.answer.Store(lib.SQLITE_OK)
	sync()
	if failed == 0 {
		t.Error("nothing failed")
	}
	if rc := function[closeFunc](j.methods.FxClose)(tls, file); rc != lib.SQLITE_OK {
		t.Error(rc)
	}
}

// rawDB is a connection without a driver, so that its files can be reached.
type rawDB struct {
	t   *testing.T
	tls *libc.TLS
	db  uintptr
}

func openRaw(t *testing.T, path, vfs string) *rawDB {
	t.Helper()
	r := &rawDB{t: t, tls: libc.NewTLS()}
	p := lib.Xsqlite3_malloc(r.tls, 8)
	*at[uintptr](p) = 0
	rc := lib.Xsqlite3_open_v2(r.tls, r.c(path), p, lib.SQLITE_OPEN_READWRITE|lib.SQLITE_OPEN_CREATE, r.c(vfs))
	r.db = *at[uintptr](p)
	lib.Xsqlite3_free(r.tls, p)
	t.Cleanup(func() {
		if rc := lib.Xsqlite3_close(r.tls, r.db); rc != lib.SQLITE_OK {
			t.Errorf("closing: %d", rc)
		}
		r.tls.Close()
	})
	if rc != lib.SQLITE_OK {
		t.Fatal(rc)
	}
	r.must("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=20; CREATE TABLE IF NOT EXISTS t (n, body)")
	return r
}

func (r *rawDB) c(s string) uintptr {
	p, err := libc.CString(s)
	must(r.t, err)
	r.t.Cleanup(func() { libc.Xfree(r.tls, p) })
	return p
}

func (r *rawDB) exec(query string) int32 {
	return lib.Xsqlite3_exec(r.tls, r.db, r.c(query), 0, 0, 0)
}

func (r *rawDB) must(query string) {
	r.t.Helper()
	if rc := r.exec(query); rc != lib.SQLITE_OK {
		r.t.Fatalf("%s: %d", query, rc)
	}
}

// put is the statement that writes rows of about a page each, of number n.
func (r *rawDB) put(n, rows int) string {
	return fmt.Sprintf("WITH RECURSIVE i(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM i WHERE x < %d) INSERT INTO t SELECT %d, randomblob(4000) FROM i", rows, n)
}

// log is the file of the write-ahead log.
func (r *rawDB) log() uintptr {
	p := lib.Xsqlite3_malloc(r.tls, 8)
	defer lib.Xsqlite3_free(r.tls, p)
	if rc := lib.Xsqlite3_file_control(r.tls, r.db, r.c("main"), lib.SQLITE_FCNTL_JOURNAL_POINTER, p); rc != lib.SQLITE_OK {
		r.t.Fatal(rc)
	}
	return *at[uintptr](p)
}

// Others see a commit whole or not at all, it fails when a write does, and what was
// rolled back is written over nobody's commit.
func TestJoinedLog(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	watch(t)
	a := openRaw(t, path, joinedVFS())
	kept, _ := of(a.log())
	others, err := sql.Open("sqlite", path) // over the platform's own files
	must(t, err)
	t.Cleanup(func() { must(t, others.Close()) })
	want := func(when string, rows int) { // 3 is what is rolled back
		t.Helper()
		var n int
		var whole string
		must(t, others.QueryRow("SELECT count(*) FROM t WHERE n <> 3").Scan(&n))
		must(t, others.QueryRow("PRAGMA integrity_check").Scan(&whole))
		if n != rows || whole != "ok" {
			t.Errorf("%s: %d rows of %d, %s", when, n, rows, whole)
		}
	}

	a.must("PRAGMA cache_size=1000")
	before := watched.writes.Load()
	a.must(a.put(1, 100))
	if n := watched.writes.Load() - before; n > 6 {
		t.Errorf("%d writes for 100 pages", n)
	}
	want("after a commit", 100)

	for _, answer := range []int32{lib.SQLITE_FULL, lib.SQLITE_IOERR_WRITE} {
		watched.answer.Store(answer)
		if rc := a.exec(a.put(2, 5)); rc != answer&0xff { // all of it is kept until the sync
			t.Errorf("a commit whose write answers %d: %d", answer, rc)
		}
		watched.answer.Store(lib.SQLITE_OK)
		want("after a commit that failed", 100)
	}
	a.must(a.put(2, 5))
	want("after it was repeated", 105)

	// With a small cache, pages are written before the commit. All is copied first, so
	// that to roll back reads nothing from the log.
	a.must("PRAGMA wal_checkpoint(PASSIVE); PRAGMA cache_size=20; BEGIN; " + a.put(3, 100))
	if kept.size == 0 {
		t.Error("nothing is kept back")
	}
	want("before the commit", 105)
	a.must("ROLLBACK")
	b := openRaw(t, path, joinedVFS())
	b.must(b.put(4, 200))
	want("after another's commit", 305)
	a.must(a.put(5, 10))
	want("after one's own", 315)
	a.must("PRAGMA wal_checkpoint(TRUNCATE); " + a.put(6, 200))
	want("after the log began anew", 515)
}

// The store joins its writes, and what one of them answers reaches whoever waits for
// the commit: no room refuses it, and an error ends the store.
func TestStoreJoins(t *testing.T) {
	ctx := t.Context()
	watch(t)
	s := openTest(t, testOptions(t.TempDir()))
	defer func() { _, _ = s.conn.Close(), s.db.Close() }() // which Close leaves open after a failure
	item := func(id string) webhook.Item {
		i := testItem(id)
		i.Encrypted.Data = strings.Repeat("QUJD", 50_000)
		return i
	}
	before := watched.writes.Load()
	must(t, s.Put(ctx, []webhook.Item{item("1")}))
	if n := watched.writes.Load() - before; n == 0 || n > 5 {
		t.Errorf("%d writes for 50 pages", n)
	}
	watched.answer.Store(lib.SQLITE_FULL)
	wantErr(t, "Put on a full disk", s.Put(ctx, []webhook.Item{item("2")}), webhook.ErrFull, ErrDiskFull)
	watched.answer.Store(lib.SQLITE_OK)
	must(t, s.Put(ctx, []webhook.Item{item("3")}))
	wantRows(t, s, "inbox", 2)
	watched.answer.Store(lib.SQLITE_IOERR_WRITE)
	wantErr(t, "Put after an error", s.Put(ctx, []webhook.Item{item("4")}), ErrFailed)
	wantErr(t, "Fatal", <-s.Fatal(), ErrFailed)
	wantRows(t, s, "inbox", 2)
}
