package sqlite

import (
	"os"

	"golang.org/x/sys/unix"
)

// beginWriting has the kernel begin to write what of f only its memory holds, and
// waits for none of it. It promises nothing, and what goes wrong the next sync of f
// tells.
func beginWriting(f *os.File) {
	_ = unix.SyncFileRange(int(f.Fd()), 0, 0, unix.SYNC_FILE_RANGE_WRITE)
}
