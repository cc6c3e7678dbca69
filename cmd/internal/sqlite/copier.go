package sqlite

import (
	"context"
	"database/sql"
	"fmt"
	"time"
)

const (
	// The copier copies again what was written while it copied, so that little is
	// left for the writer; but each time syncs the write-ahead log.
	copyRounds = 3
	copyRest   = 200 // pages
	// trickleEvery is how often the kernel is told to write what was copied.
	trickleEvery = 2 * time.Millisecond
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
	// begin has what was copied so far written, and does not wait for it.
	begin func()
	fail  func(error) // is told of an error that is final, before done

	start chan struct{} // takes one at a time,
	done  chan struct{} // and gives one back
	ended chan struct{}
}

func newCopier(conn *sql.Conn, sync func() error, begin func()) *copier {
	c := &copier{conn: conn, sync: sync, begin: begin, start: make(chan struct{}, 1), done: make(chan struct{}, 1), ended: make(chan struct{})}
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
	defer c.trickle()()
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

// trickle has what is copied written bit by bit, until what it returns is called. All
// at once, at the sync, it would keep the disk busy for as long as several commits
// take, and they would wait.
func (c *copier) trickle() (stop func()) {
	stopped, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		tick := time.NewTicker(trickleEvery)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				c.begin()
			case <-stopped:
				return
			}
		}
	}()
	return func() {
		close(stopped)
		<-ended
	}
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
