package main

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/faults"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/config"
	"teamsdlp/webhook"
)

// certificateYears is how long the certificate of a new encryption key is valid.
// Graph uses nothing of it but the public key.
const certificateYears = 5

type keysCmd struct {
	New    keysNewCmd    `cmd:"" help:"Make an encryption key with its certificate and, where there is none yet, a checkpoint key and a digest key."`
	Rotate keysRotateCmd `cmd:"" help:"Make a new key of the action log, in use from the next start on."`
	List   keysListCmd   `cmd:"" help:"List the encryption keys and what still needs each."`
	Retire keysRetireCmd `cmd:"" help:"Take an encryption key that nothing needs any more out of use, through the running service."`
}

type keysRotateCmd struct {
	Key     string `arg:"" enum:"checkpoint,digest" help:"checkpoint, which signs the log, or digest, which keys the digests of values."`
	KeysDir string `type:"path" default:"keys" help:"The key directory, as keys_dir in the configuration."`
}

// Help is printed by --help.
func (keysRotateCmd) Help() string {
	return `checkpoint: at its next start serve records the new key in the log and has the old
one sign that record; from then on the new one signs. checkpoint.pub keeps every
public key, for old checkpoints: give it to whoever verifies the log. Restart serve
before you rotate again: only the last key is kept to sign for the next.

digest: begins an epoch. The keys of all epochs stay, so that "actions find" still
finds what was recorded under them.

For a new encryption key run: teamsdlp keys new

Example:
  teamsdlp keys rotate checkpoint --keys-dir /etc/teamsdlp/keys`
}

func (c *keysRotateCmd) Run(e *env) error {
	unlock, err := lockKeys(e.ctx, c.KeysDir)
	if err == nil {
		err = actions.RotateKeys(c.KeysDir, c.Key)
		unlock()
	}
	if err != nil {
		return keysFault(err, c.KeysDir)
	}
	more := ""
	if c.Key == "checkpoint" {
		more = ", and before you rotate again: only the last key is kept to vouch for the next"
	}
	_, err = fmt.Fprintf(e.stdout, "a new %s key is in %s; restart serve to use it%s\n", c.Key, c.KeysDir, more)
	return err
}

// keysFault is an error of reading keys with what to do about it.
func keysFault(err error, dir string) error {
	return fmt.Errorf("%w (%s)", err, keysMend(err, dir))
}

// keysMend is what to do about an error of reading keys.
func keysMend(err error, dir string) string {
	switch {
	case errors.Is(err, errKeysBusy):
		return "wait until that has ended"
	case isUnfinished(dir):
		return "start serve: it finishes the keys whose making was cut short"
	case len(cutShort(dir)) > 0:
		return "start serve: it puts back the key whose retirement was cut short"
	case errors.Is(err, fs.ErrPermission):
		return "be the user that serve runs as, and give that user the folder"
	case errors.Is(err, actions.ErrKeys) && errors.Is(err, fs.ErrNotExist) && hasLogKeys(dir):
		return "put it back from your copy, or move the other keys of the action log away to begin a new log"
	case errors.Is(err, webhook.ErrNoKeys), errors.Is(err, actions.ErrKeys) && errors.Is(err, fs.ErrNotExist):
		return "make what is missing: teamsdlp keys new --keys-dir " + dir + "; or put it back from your copy"
	}
	return "put right what is named, from your copy where half a pair is missing"
}

// hasLogKeys reports whether some of the keys of the action log are there: then keys
// new makes none of those that are missing.
func hasLogKeys(dir string) bool {
	return slices.ContainsFunc([]string{actions.CheckpointKeyFile, actions.CheckpointPublicFile, actions.DigestKeyFile}, func(name string) bool {
		_, err := os.Lstat(filepath.Join(dir, name))
		return err == nil
	})
}

type keysNewCmd struct {
	KeysDir string `type:"path" default:"keys" help:"The folder to write to, as keys_dir in the configuration."`
	DataDir string `type:"path" default:"data" help:"The data directory, which the keys must not be in."`
	Bits    int    `help:"Size of the RSA key in bits: 2048, 3072 or 4096." enum:"2048,3072,4096" default:"3072"`
	ID      string `help:"Name of the encryption key, sent to Graph as encryptionCertificateId. Default: enc- and the time." name:"id"`
	Origin  string `help:"Name in the checkpoint key." default:"teamsdlp"`
}

// Help is printed by --help.
func (keysNewCmd) Help() string {
	return `A key of 3072 bits is as strong as AES-128; one of 2048 takes less than half the time for each message.
Files that are there already are never overwritten. All are made or none, whenever it is
killed; what was cut short the next run, or the next start of serve, finishes. Two at once
wait for one another. Run it again for a new encryption key; the old one must stay until no notification needs it.

Example:
  teamsdlp keys new --keys-dir /etc/teamsdlp/keys --data-dir /var/lib/teamsdlp`
}

func (c *keysNewCmd) Run(e *env) error {
	made, err := writeKeys(e.ctx, keyOptions{
		Dir: c.KeysDir, DataDir: c.DataDir, Bits: c.Bits, ID: c.ID, Origin: c.Origin, Now: time.Now(),
	})
	for _, f := range made {
		did := "wrote"
		if f.Kept {
			did = "kept "
		}
		fmt.Fprintf(e.stdout, "%s %s  %s\n", did, f.Path, f.What)
	}
	if err != nil {
		return err
	}
	if info, err := os.Stat(c.KeysDir); err == nil && info.Mode().Perm()&0o077 != 0 {
		fmt.Fprintf(e.stderr, "warning: others than its owner can look into %s; chmod 700 mends that\n", c.KeysDir)
	}
	_, err = fmt.Fprintf(e.stdout, `
Next:
 1. Set keys_dir to %s in teamsdlp.yaml.
 2. Keep a copy of the folder in a safe place, apart from copies of the data: without the
    encryption key what Graph sends cannot be read, with it and the data it can.
 3. Give %s to whoever verifies the action log: it is not a secret.
 4. Run: teamsdlp check
`, c.KeysDir, actions.CheckpointPublicFile)
	return err
}

// keyOptions say what writeKeys makes.
type keyOptions struct {
	Dir     string
	DataDir string // Dir must not be inside it; empty: not looked at
	Bits    int    // of the RSA key; 0: 3072
	ID      string // of the encryption key; empty: enc- and the time
	Origin  string // name in the checkpoint key; empty: teamsdlp
	Now     time.Time
}

// freeID is id or, where a key of that name is there already, as of the same
// second, id with a number behind it.
func freeID(dir, id string) string {
	free := id
	for n := 2; n < 100; n++ {
		if _, err := os.Lstat(filepath.Join(dir, "encryption-"+free+".key.pem")); err != nil {
			break
		}
		free = fmt.Sprintf("%s-%d", id, n)
	}
	return free
}

// keyFile is one file that writeKeys made, or found and kept.
type keyFile struct {
	Path, What string
	Kept       bool
}

var keyID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,128}$`)

// writeKeys makes what is missing in the key directory, and a new encryption key
// in any case. What it made is returned even with an error.
func writeKeys(ctx context.Context, o keyOptions) (made []keyFile, err error) {
	o.Bits = cmp.Or(o.Bits, 3072)
	o.Origin = cmp.Or(o.Origin, "teamsdlp")
	switch {
	case o.Bits != 2048 && o.Bits != 3072 && o.Bits != 4096:
		return nil, fmt.Errorf("an RSA key of %d bits: it is 2048, 3072 or 4096", o.Bits)
	case o.ID != "" && !keyID.MatchString(o.ID):
		return nil, errors.New("the id must be 1 to 128 of the characters A-Z a-z 0-9 . _ -")
	case strings.ContainsAny(o.Origin, "+ \t\r\n"):
		return nil, errors.New("the origin must hold neither a space nor a plus sign")
	}
	if o.DataDir != "" {
		inside, err := config.Inside(o.Dir, o.DataDir)
		if err != nil {
			return nil, fmt.Errorf("looking where %s is: %w", o.Dir, err)
		}
		if inside {
			return nil, fmt.Errorf("the key directory %s is inside the data directory %s: a copy of the data would be a copy of the keys", o.Dir, o.DataDir)
		}
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, err
	}
	unlock, err := lockKeys(ctx, o.Dir)
	if err != nil {
		return nil, err
	}
	defer unlock()
	if err := finishKeys(o.Dir); err != nil {
		return nil, err
	}
	o.ID = cmp.Or(o.ID, freeID(o.Dir, "enc-"+o.Now.UTC().Format("20060102-150405")))
	return makeTogether(o.Dir, func(into string) (made []keyFile, err error) {
		for _, write := range []func(keyOptions, string) ([]keyFile, error){writeLogKeys, writeEncryptionKey} {
			files, err := write(o, into)
			made = append(made, files...)
			if err != nil {
				return made, err
			}
		}
		return made, nil
	})
}

// errKeysBusy is returned when another process changes a key directory for too long.
var errKeysBusy = errors.New("another process is changing the keys")

const (
	lockName  = "changing" // the file in a key directory whose lock says that somebody does
	lockEvery = 50 * time.Millisecond
	lockTries = int(time.Minute / lockEvery) // the largest key takes seconds to make
)

// lockKeys waits until nobody else makes, finishes or rotates keys in a folder, and
// keeps others from it until unlock is called or this process ends.
func lockKeys(ctx context.Context, dir string) (unlock func(), err error) {
	path := filepath.Join(dir, lockName)
	for range lockTries {
		f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", actions.ErrKeys, err)
		}
		got, err := sqlite.LockFile(f)
		if err != nil {
			return nil, errors.Join(fmt.Errorf("locking %s: %w", path, err), f.Close())
		}
		// Whoever had it before removed it: then this lock is of a file that nobody else finds.
		if mine, ours := f.Stat(); got && ours == nil {
			if there, err := os.Stat(path); err == nil && os.SameFile(mine, there) {
				return func() {
					_ = os.Remove(path) // while it is locked; where that cannot be, it stays and does no harm
					_ = f.Close()
				}, nil
			}
		}
		_ = f.Close()
		if ctx.Err() != nil {
			break
		}
		sleep(ctx, lockEvery)
	}
	return nil, fmt.Errorf("%w in %s", errKeysBusy, dir)
}

// The folders in the key directory through which new files go. No file system moves
// several files at once: so they are written into the one, which is then renamed to
// the other, and from there they are moved to their places. Before the rename there is
// nothing, and after it whoever comes next can finish: see finishKeys.
const (
	makingDir = "making"
	madeDir   = "made"
)

// makeTogether has write make files for dir, and puts all of them there or none,
// whenever it is killed.
func makeTogether(dir string, write func(into string) ([]keyFile, error)) ([]keyFile, error) {
	making := filepath.Join(dir, makingDir)
	if err := os.RemoveAll(making); err != nil { // of a run that was killed
		return nil, err
	}
	if err := os.Mkdir(making, 0o700); err != nil {
		return nil, err
	}
	made, err := write(making)
	if err == nil {
		err = syncDir(making)
	}
	if err == nil {
		err = os.Rename(making, filepath.Join(dir, madeDir))
	}
	if err != nil {
		return slices.DeleteFunc(made, func(f keyFile) bool { return !f.Kept }), errors.Join(err, os.RemoveAll(making))
	}
	if err := errors.Join(syncDir(dir), faults.Hit(faults.Making)); err != nil {
		return made, err
	}
	return made, finishKeys(dir)
}

// finishKeysIn is finishKeys for whoever does not have the folder's lock.
func finishKeysIn(ctx context.Context, dir string) error {
	if !isUnfinished(dir) { // the folder need not be one that can be written to
		return nil
	}
	unlock, err := lockKeys(ctx, dir)
	if err != nil {
		return err
	}
	defer unlock()
	return finishKeys(dir)
}

// finishKeys moves new keys to their places that a kill kept from there.
func finishKeys(dir string) error {
	made := filepath.Join(dir, madeDir)
	names, err := os.ReadDir(made)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, n := range names {
		from, to := filepath.Join(made, n.Name()), filepath.Join(dir, n.Name())
		if _, err := os.Lstat(to); !errors.Is(err, fs.ErrNotExist) {
			return cmp.Or(err, fmt.Errorf("%s is not written over by %s: move one of them away", to, from))
		}
		if err := os.Rename(from, to); err != nil {
			return err
		}
		if err := faults.Hit(faults.Making); err != nil {
			return err
		}
	}
	if err = errors.Join(err, syncDir(dir)); err != nil {
		return err
	}
	if err := os.Remove(made); err != nil {
		return err
	}
	return syncDir(dir)
}

// isUnfinished reports whether a kill kept new keys from their places.
func isUnfinished(dir string) bool {
	_, err := os.Lstat(filepath.Join(dir, madeDir))
	return err == nil
}

// writeEncryptionKey makes a pair for o.Dir, as yet into another folder.
func writeEncryptionKey(o keyOptions, into string) ([]keyFile, error) {
	for _, name := range pairFiles(o.ID) {
		if _, err := os.Lstat(filepath.Join(o.Dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("an encryption key of that id is there already: %s", filepath.Join(o.Dir, name))
		}
	}
	key, err := rsa.GenerateKey(rand.Reader, o.Bits)
	if err != nil {
		return nil, fmt.Errorf("making an RSA key: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encoding the RSA key: %w", err)
	}
	cert, err := selfSigned(key, o.Now.UTC())
	if err != nil {
		return nil, err
	}
	var made []keyFile
	for _, f := range []struct {
		name, what, kind string
		der              []byte
	}{
		{pairFiles(o.ID)[1], fmt.Sprintf("RSA key of %d bits that opens notifications: secret", o.Bits), "PRIVATE KEY", pkcs8},
		{pairFiles(o.ID)[0], "its certificate, which Graph gets", "CERTIFICATE", cert},
	} {
		if err := faults.Hit(faults.Making); err != nil {
			return nil, err
		}
		if err := writeNew(filepath.Join(into, f.name), pem.EncodeToMemory(&pem.Block{Type: f.kind, Bytes: f.der})); err != nil {
			return nil, err
		}
		made = append(made, keyFile{Path: filepath.Join(o.Dir, f.name), What: f.what})
	}
	return made, faults.Hit(faults.Making)
}

// selfSigned is the certificate of key, in DER. Graph does not ask who issued
// it. It begins a little before now, so that no clock finds it too young.
func selfSigned(key *rsa.PrivateKey, now time.Time) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("making a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)),
		Subject:      pkix.Name{CommonName: "teamsdlp"},
		NotBefore:    now.Add(-5 * time.Minute),
		NotAfter:     now.AddDate(certificateYears, 0, 0),
		KeyUsage:     x509.KeyUsageKeyEncipherment | x509.KeyUsageDataEncipherment,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, fmt.Errorf("making the certificate: %w", err)
	}
	return der, nil
}

// writeLogKeys makes the keys of the action log, as yet into another folder, or keeps
// those in o.Dir: all or none. One that is missing beside the others is not made anew,
// because what the old one signed or keyed would never fit it.
func writeLogKeys(o keyOptions, into string) ([]keyFile, error) {
	files := []keyFile{
		{Path: filepath.Join(o.Dir, actions.CheckpointKeyFile), What: "key that signs the action log: secret"},
		{Path: filepath.Join(o.Dir, actions.CheckpointPublicFile), What: "the key that verifies it: for everybody"},
		{Path: filepath.Join(o.Dir, actions.DigestKeyFile), What: "key of the digests of matched values: secret"},
	}
	var kept []keyFile
	var missing string
	for _, f := range files {
		switch _, err := os.Lstat(f.Path); {
		case err == nil:
			f.Kept = true
			kept = append(kept, f)
		case !errors.Is(err, fs.ErrNotExist):
			return nil, err
		default:
			missing = f.Path
		}
	}
	switch len(kept) {
	case len(files):
		return kept, nil
	case 0:
		return files, actions.CreateKeys(into, o.Origin)
	}
	return kept, fmt.Errorf("%s is missing beside the other keys of the action log: put it back from your copy, or move the others away to begin a new log", missing)
}

// writeNew writes a file that must not be there yet, for its owner alone, down to
// the disk. Half a file is not left behind.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return errors.Join(err, os.Remove(path))
	}
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
