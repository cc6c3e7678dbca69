package sqlite

import (
	"sync"
	"unsafe"

	"modernc.org/libc"
	lib "modernc.org/sqlite/lib"
)

// joinBytes is how much is joined at most: 30 pages of 4096 bytes with their
// headers. SQLite's own write takes less than 128 KiB at once.
const joinBytes = 30 * (4096 + 24)

// joinedVFS registers the files of the platform with SQLite a second time, and
// returns the name of that; if it cannot be, the name is empty and means the first.
//
// For each page of a commit SQLite writes a header of 24 bytes and the page, by two
// system calls. Here what is written into a write-ahead log end to end is kept back
// and written at once: when there is no room for more, and before the log is synced,
// read, measured, cut or written elsewhere. A write that fails then is the failure of
// that call, so that a commit fails at its sync at the latest.
//
// Nobody misses what is kept back. With synchronous=FULL, which the connection must
// have, a commit is synced before the index of the log names its pages to others, and
// to write is the right of one connection at a time: what that one still keeps back
// when it gives the right away was rolled back, and is forgotten.
var joinedVFS = sync.OnceValue(func() string {
	const name = "joined"
	tls := libc.NewTLS()
	defer tls.Close()
	platform := lib.Xsqlite3_vfs_find(tls, 0)
	own, err := libc.CString(name) // it and vfs are SQLite's from now on
	if platform == 0 || err != nil {
		return ""
	}
	vfs := lib.Xsqlite3_malloc(tls, int32(unsafe.Sizeof(lib.Tsqlite3_vfs{})))
	if vfs == 0 {
		return ""
	}
	v := at[lib.Tsqlite3_vfs](vfs)
	*v = *at[lib.Tsqlite3_vfs](platform)
	platformOpen = function[openFunc](v.FxOpen)
	joinedAt = uintptr(v.FszOsFile+7) &^ 7
	v.FzName = own
	v.FszOsFile = int32(joinedAt + unsafe.Sizeof(joined{}))
	v.FxOpen = pointer(openJoined)
	if lib.Xsqlite3_vfs_register(tls, vfs, 0) != lib.SQLITE_OK {
		return ""
	}
	return name
})

var (
	platformOpen openFunc
	joinedAt     uintptr // where an open file has its joined; the platform's part is before it
)

// joined is our part of an open file. SQLite gives it its memory, which Go's collector
// does not know.
type joined struct {
	methods  lib.Tsqlite3_io_methods // the file's: the platform's, but for some
	platform uintptr                 // its methods
	log      uintptr                 // of a database: the file that is its write-ahead log, if open
	database uintptr                 // of a write-ahead log: the file that it belongs to

	// Of a write-ahead log: what is kept back, and where in the file it begins.
	kept uintptr // joinBytes, once there was something to keep
	size int32
	off  int64
}

// The functions of files, as SQLite calls them.
type (
	openFunc     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	closeFunc    = func(tls *libc.TLS, file uintptr) int32
	copyFunc     = func(tls *libc.TLS, file, buf uintptr, size int32, off int64) int32 // reads or writes
	truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32
	syncFunc     = func(tls *libc.TLS, file uintptr, flags int32) int32
	sizeFunc     = func(tls *libc.TLS, file, size uintptr) int32
	lockFunc     = func(tls *libc.TLS, file uintptr, first, n, flags int32) int32
)

// at is what C's pointer p points to, function the function that it stands for, and
// pointer the other way round: f must be one that stays where it is, as those of a
// package do.
func at[T any](p uintptr) *T            { return *(**T)(unsafe.Pointer(&p)) }      //nolint:gosec // not memory of Go's
func function[F any](p uintptr) F       { return *(*F)(unsafe.Pointer(&p)) }       //nolint:gosec // the form that pointer made
func pointer[F any](f F) uintptr        { return *(*uintptr)(unsafe.Pointer(&f)) } //nolint:gosec // as SQLite's own functions are
func bytesAt(p uintptr, n int32) []byte { return unsafe.Slice(at[byte](p), n) }    //nolint:gosec // n is what SQLite says

// of returns our part of file, and the platform's methods.
func of(file uintptr) (*joined, *lib.Tsqlite3_io_methods) {
	j := at[joined](file + joinedAt)
	return j, at[lib.Tsqlite3_io_methods](j.platform)
}

// adopt puts our methods in the place of those of a file that the platform has opened.
func adopt(file uintptr) *joined {
	methods := at[uintptr](file) // the first word of every open file
	j := at[joined](file + joinedAt)
	*j = joined{methods: *at[lib.Tsqlite3_io_methods](*methods), platform: *methods}
	*methods = file + joinedAt + unsafe.Offsetof(j.methods)
	return j
}

func openJoined(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
	rc := platformOpen(tls, vfs, name, file, flags, outFlags)
	switch {
	case rc != lib.SQLITE_OK:
	case flags&lib.SQLITE_OPEN_MAIN_DB != 0:
		adopt(file).methods.FxShmLock = pointer(lockJoined)
	case flags&lib.SQLITE_OPEN_WAL != 0:
		j := join(file)
		j.database = lib.Xsqlite3_database_file_object(tls, name)
		database, _ := of(j.database)
		database.log = file
	}
	return rc
}

// join has the writes to file joined.
func join(file uintptr) *joined {
	j := adopt(file)
	j.methods.FxClose = pointer(closeJoined)
	j.methods.FxRead = pointer(readJoined)
	j.methods.FxWrite = pointer(writeJoined)
	j.methods.FxTruncate = pointer(truncateJoined)
	j.methods.FxSync = pointer(syncJoined)
	j.methods.FxFileSize = pointer(sizeJoined)
	return j
}

// lockJoined is called on the database for the locks of the log's index, of which the
// first is the right to write.
func lockJoined(tls *libc.TLS, file uintptr, first, n, flags int32) int32 {
	j, platform := of(file)
	if j.log != 0 && first == 0 && flags&lib.SQLITE_SHM_UNLOCK != 0 {
		log, _ := of(j.log)
		log.size = 0
	}
	return function[lockFunc](platform.FxShmLock)(tls, file, first, n, flags)
}

func writeJoined(tls *libc.TLS, file, buf uintptr, size int32, off int64) int32 {
	j, platform := of(file)
	if off != j.off+int64(j.size) || size > joinBytes-j.size {
		if rc := writeKept(tls, file); rc != lib.SQLITE_OK {
			return rc
		}
		j.off = off
	}
	if j.kept == 0 {
		j.kept = lib.Xsqlite3_malloc(tls, joinBytes)
	}
	if j.kept == 0 || size > joinBytes {
		return function[copyFunc](platform.FxWrite)(tls, file, buf, size, off)
	}
	copy(bytesAt(j.kept+uintptr(j.size), size), bytesAt(buf, size))
	j.size += size
	return lib.SQLITE_OK
}

// writeKept writes what is kept back. After an error it is still kept, so that nothing
// is missing if SQLite goes on in spite of that.
func writeKept(tls *libc.TLS, file uintptr) int32 {
	j, platform := of(file)
	if j.size == 0 {
		return lib.SQLITE_OK
	}
	rc := function[copyFunc](platform.FxWrite)(tls, file, j.kept, j.size, j.off)
	if rc == lib.SQLITE_OK {
		j.size = 0
	}
	return rc
}

func readJoined(tls *libc.TLS, file, buf uintptr, size int32, off int64) int32 {
	if rc := writeKept(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	_, platform := of(file)
	return function[copyFunc](platform.FxRead)(tls, file, buf, size, off)
}

func truncateJoined(tls *libc.TLS, file uintptr, size int64) int32 {
	if rc := writeKept(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	_, platform := of(file)
	return function[truncateFunc](platform.FxTruncate)(tls, file, size)
}

func syncJoined(tls *libc.TLS, file uintptr, flags int32) int32 {
	if rc := writeKept(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	_, platform := of(file)
	return function[syncFunc](platform.FxSync)(tls, file, flags)
}

func sizeJoined(tls *libc.TLS, file, size uintptr) int32 {
	if rc := writeKept(tls, file); rc != lib.SQLITE_OK {
		return rc
	}
	_, platform := of(file)
	return function[sizeFunc](platform.FxFileSize)(tls, file, size)
}

func closeJoined(tls *libc.TLS, file uintptr) int32 {
	j, platform := of(file)
	if j.database != 0 {
		database, _ := of(j.database)
		database.log = 0
	}
	lib.Xsqlite3_free(tls, j.kept)
	return function[closeFunc](platform.FxClose)(tls, file)
}
