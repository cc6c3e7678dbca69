package sqlite

import "golang.org/x/sys/unix"

// networkFS names the network file system that dir is on; empty: it is on none
// that is known. The write-ahead log needs memory shared between processes and
// locks that hold, which these do not give.
// Source: sqlite.org/wal.html, "All processes using a database must be on the
// same host computer"; magic numbers from statfs(2).
func networkFS(dir string) string {
	var s unix.Statfs_t
	if unix.Statfs(dir, &s) != nil {
		return ""
	}
	switch uint32(s.Type) {
	case unix.NFS_SUPER_MAGIC:
		return "NFS"
	case unix.SMB_SUPER_MAGIC, unix.CIFS_SUPER_MAGIC, unix.SMB2_SUPER_MAGIC:
		return "SMB"
	case unix.AFS_SUPER_MAGIC:
		return "AFS"
	case unix.CEPH_SUPER_MAGIC:
		return "CephFS"
	}
	return ""
}
