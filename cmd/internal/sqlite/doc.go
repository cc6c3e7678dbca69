// Package sqlite is the embedded store: one SQLite file that holds the inbox,
// the effects, the subscriptions, the action log and the log's tree, so that
// one commit can move all of them.
//
// # What it promises
//
// A write that returned nil has been synced to disk: the database runs in WAL
// mode with synchronous=FULL, and no option lowers that. A kill at any point
// loses nothing that was answered. The entries of a Finish, the effect they
// belong to, their hashes in the tree, the case they change and the inbox row
// they end are one transaction: all of it is there, or none of it.
//
// # How it writes
//
// One goroutine, the writer, owns the one connection that writes. It takes
// whatever has queued up while the last commit was syncing (at most 256
// operations or 2 MiB), runs each in a savepoint of its own, so that one that
// fails leaves the others alone, commits once and then answers them all. New items
// go without a savepoint: there is nothing in one that can fail by itself, and if
// one does all the same the batch is repeated one by one. There is no
// lingering: a lone write is committed at once, and under load the sync is
// shared. The one exception are the ends of messages, which only their
// conversations wait for: while others are worked on (see [Store.Working]) they
// wait up to 20 ms for a commit to go along with, since a commit costs several
// times what such an end writes. What SQLite writes of a commit page by page reaches
// the log in few large writes (see joinedVFS). The log is copied into the database
// beside all that, over a second connection, and written bit by bit, so that the disk
// is never busy with all of it while commits wait; the writer copies the last pages
// only. From 64 MiB on it waits until the log
// can begin anew: for the copy, and for those who read, but not for a read that stands
// still. Reads go through a small pool of read-only connections, in pages; no read
// holds a transaction longer than a page, because an open read transaction keeps the
// write-ahead log from being emptied.
//
// # The inbox
//
// A row of the inbox is an item as Microsoft encrypted it. It is claimed in
// the order in which it was stored, is in flight until it is ended ([Store.Finish],
// [Store.Drop]), deferred, released or quarantined, and is claimed again after
// a restart unless it was ended. A row is ended at most once, but it may be
// worked on more than once: what makes that harmless is that an effect has one
// terminal state. Notifications that Graph sends twice are therefore not
// filtered here; the second one finds the effect of the first.
//
// # How it fails
//
// A full disk, or the mark of free space above it, refuses new items with
// webhook.ErrFull and new records with [ErrDiskFull], and everything else goes
// on: rows can still be worked off, and space that comes back is used without
// a restart. An input/output error, a corrupt file or a failed sync is final:
// after a failed sync the kernel may have dropped the very pages that a second
// attempt would then report as written. Every operation from then on fails
// with [ErrFailed], and [Store.Fatal] tells the owner to exit, non-zero; the
// next start recovers from what is on disk.
//
// The file is readable by its owner alone, in a directory that is; a lock on a
// file beside it keeps a second server out. Message text is never part of what
// is stored here, but the client states of subscriptions are.
package sqlite
