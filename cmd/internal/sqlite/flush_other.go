//go:build !linux

package sqlite

import "os"

// beginWriting is known on Linux only. Elsewhere the sync writes all of it.
func beginWriting(*os.File) {}
