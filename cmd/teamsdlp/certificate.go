package main

import (
	"crypto/tls"
	"fmt"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"
)

// certificate is what the public listener proves itself by. One that was renewed
// is in use without a restart: the files are looked at again at a handshake, and
// whenever somebody asks for the metrics. A pair that cannot be used changes
// nothing, as while one of the two files is still the old one; the log says so.
type certificate struct {
	cert, key string
	now       func() time.Time
	log       *zap.Logger

	pair atomic.Pointer[tls.Certificate]

	looking sync.Mutex // held by whoever looks at the files, and guards what follows
	looked  time.Time
	seen    [2]os.FileInfo // of cert and key, before pair was read
	failed  string         // why they could not be used, if that was the last to be tried
}

// lookAgain is how long the files of a certificate are not looked at again.
const lookAgain = 10 * time.Second

// newCertificate reads the pair, which must be usable.
func newCertificate(cert, key string, now func() time.Time, log *zap.Logger) (*certificate, error) {
	c := &certificate{cert: cert, key: key, now: now, log: log, looked: now()}
	if err := c.read(); err != nil {
		return nil, fmt.Errorf("public.tls: %w", err)
	}
	return c, nil
}

// current is the pair to use now. It waits for nobody who looks at the files: they may
// be on a disk that hangs.
func (c *certificate) current() *tls.Certificate {
	if c.looking.TryLock() {
		c.look()
		c.looking.Unlock()
	}
	return c.pair.Load()
}

// look takes the pair that the files hold, if it is time and they are others.
func (c *certificate) look() {
	now := c.now()
	if now.Sub(c.looked) < lookAgain {
		return
	}
	c.looked = now
	if !c.changed() && c.failed == "" { // who may read a file can change without the file
		return
	}
	if err := c.read(); err != nil {
		if err.Error() != c.failed {
			c.log.Warn("the new certificate cannot be used: the last one stays in use", zap.Error(err))
		}
		c.failed = err.Error()
		return
	}
	c.failed = ""
	c.log.Info("a new certificate is in use", zap.Time("until", c.pair.Load().Leaf.NotAfter))
}

// changed reports whether the files are others than were read, or tried, last.
func (c *certificate) changed() bool {
	for i, name := range []string{c.cert, c.key} {
		info, err := os.Stat(name)
		if err != nil {
			continue // about to be there
		}
		if was := c.seen[i]; was == nil || !os.SameFile(was, info) || was.Size() != info.Size() || !was.ModTime().Equal(info.ModTime()) {
			return true
		}
	}
	return false
}

// read remembers the files first: what is written while it reads is a change.
func (c *certificate) read() error {
	for i, name := range []string{c.cert, c.key} {
		c.seen[i], _ = os.Stat(name) // what is wrong with it, reading says
	}
	pair, err := tls.LoadX509KeyPair(c.cert, c.key)
	if err != nil {
		return fmt.Errorf("%s and %s: %w", c.cert, c.key, err)
	}
	c.pair.Store(&pair)
	return nil
}
