package sqlite

import (
	"context"
	"database/sql"
	"fmt"
)

const (
	// The copier copies again what was written while it copied, so that little is
	// left for the writer; but each time syncs the write-ahead log.
	copyRounds = 3
	copyRest   = 200 // pages
)

// A copier copies the write-ahead log into the database while the writer goes
// on, over a connection of its own. It cannot finish under load, because the log
// begins anew only when all of it was copied and synced: the writer copies the
// rest, which is short, between two commits.
type copier struct {
	conn *sql.Conn
	// sync makes durable what was copied, so that the writer's own sync of the
	// database finds little to do.
	sync func() error
	fail func(error) // is told of an error that is final, before done

	start chan struct{} // takes one at a time,
	done  chan struct{} // and gives one back
	ended chan struct{}
}

func newCopier(conn *sql.Conn, sync func() error) *copier {
	c := &copier{conn: conn, sync: sync, start: make(chan struct{}, 1), done: make(chan struct{}, 1), ended: make(chan struct{})}
	go c.loop()
	return c
}

func (c *copier) loop() {
	defer close(c.ended)
	for range c.start {
		if err := c.copy(); err != nil {
			c.fail(err)
		}
		c.done <- struct{}{}
	}
}

// copy returns an error that is final, and nil after any other: the writer, who
// copies the rest, meets it too.
func (c *copier) copy() error {
	for range copyRounds {
		if _, _, _, err := checkpoint(c.conn, "PASSIVE"); err != nil {
			return final(err)
		}
		_, pages, copied, err := checkpoint(c.conn, "NOOP")
		if err != nil {
			return final(err)
		}
		if pages-copied < copyRest {
			break
		}
	}
	// Whatever the error is: the kernel tells it once, and a second sync would
	// report the same pages as written.
	if err := c.sync(); err != nil {
		return fmt.Errorf("syncing the database: %w", err)
	}
	return nil
}

// close returns when the copier has ended. Nothing may be started any more.
func (c *copier) close() {
	close(c.start)
	<-c.ended
}

func final(err error) error {
	if isFatal(err) {
		return err
	}
	return nil
}

// checkpoint returns how many pages the write-ahead log holds and how many of
// them are in the database. That somebody who reads or writes has held it back is
// no error.
func checkpoint(conn *sql.Conn, mode string) (held bool, pages, copied int, err error) {
	err = conn.QueryRowContext(context.Background(), "PRAGMA wal_checkpoint("+mode+")").Scan(&held, &pages, &copied)
	if err != nil {
		err = fmt.Errorf("copying the write-ahead log: %w", err)
	}
	return held, pages, copied, err
}
