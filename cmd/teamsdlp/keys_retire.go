package main

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/faults"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/subscriptions"
	"teamsdlp/webhook"
)

// sentAgain is how long Graph goes on sending a notification that was not
// answered, encrypted for the key of its time.
// Source: learn.microsoft.com/graph/change-notifications-delivery-webhooks.
const sentAgain = 4 * time.Hour

// retiredDir is the folder in the key directory that retired pairs are moved to.
const retiredDir = "retired"

// ---- list ----

type keysListCmd struct {
	where
	KeysDir string `placeholder:"DIR" help:"The key directory, instead of the configured one."`
	JSON    bool   `name:"json" help:"One JSON object a line."`
}

// Help is printed by --help.
func (keysListCmd) Help() string {
	return `Lists the encryption keys, newest first: id, bits, until when the certificate is
valid, and what still needs the key: items in the inbox, items in quarantine,
subscriptions. It reads beside a running service and prints no secret.

Example:
  teamsdlp keys list
  teamsdlp keys list --data /var/lib/teamsdlp --keys-dir /etc/teamsdlp/keys`
}

// listedKey is a line of keys list.
type listedKey struct {
	ID         string    `json:"id"`
	Bits       int       `json:"bits"`
	Thumbprint string    `json:"thumbprint"`
	NotBefore  time.Time `json:"not_before"`
	NotAfter   time.Time `json:"not_after"`
	Current    bool      `json:"current"`
	sqlite.KeyUse
	Subscriptions int      `json:"subscriptions"`
	Needed        []string `json:"needed"` // in words; empty: it can be retired
}

func (c *keysListCmd) Run(e *env) error {
	_, keys, err := c.dirs(e)
	if err != nil {
		return err
	}
	if keys = cmp.Or(c.KeysDir, keys); keys == "" {
		return errors.New("name the key directory with --keys-dir")
	}
	ring, err := webhook.LoadKeyring(keys)
	if err != nil {
		return keysFault(err, keys)
	}
	r, err := c.openStore(e)
	if err != nil {
		return err
	}
	defer r.Close()
	use, err := readKeyUses(e.ctx, r, time.Now())
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	for _, k := range listKeys(ring, use) {
		if c.JSON {
			if err := json.NewEncoder(e.stdout).Encode(k); err != nil {
				return err
			}
			continue
		}
		need := "not needed: can be retired"
		if len(k.Needed) > 0 {
			need = strings.Join(k.Needed, "; ")
		}
		fmt.Fprintln(table, columns(k.ID, fmt.Sprintf("%d bits", k.Bits), "until "+k.NotAfter.UTC().Format(time.DateOnly), need))
	}
	for _, id := range use.lost(ring) {
		fmt.Fprintf(e.stderr, "warning: %s, and there is no such key here\n", strings.Join(use.of(id), "; "))
	}
	return table.Flush()
}

func listKeys(ring *webhook.Keyring, use keyUses) (list []listedKey) {
	current := ring.Current().ID
	for _, id := range ring.Keys() {
		c, _ := ring.Certificate(id)
		k := listedKey{
			ID: id, Thumbprint: c.Thumbprint, NotBefore: c.NotBefore, NotAfter: c.NotAfter, Current: id == current,
			KeyUse: use.stored[id], Subscriptions: len(use.subscriptions[id]), Needed: use.needs(ring, id),
		}
		if k.Needed == nil {
			k.Needed = []string{}
		}
		if cert, err := x509.ParseCertificate(c.DER); err == nil {
			if public, ok := cert.PublicKey.(*rsa.PublicKey); ok {
				k.Bits = public.N.BitLen()
			}
		}
		list = append(list, k)
	}
	slices.SortStableFunc(list, func(a, b listedKey) int { return b.NotBefore.Compare(a.NotBefore) })
	return list
}

// ---- what needs a key ----

// keyUses is what names encryption keys.
type keyUses struct {
	stored        map[string]sqlite.KeyUse
	subscriptions map[string][]subscriptions.Subscription // that Graph may still notify for
	// free is when no notification encrypted for an older key than the current
	// one can come any more; zero if that is past.
	free time.Time
}

// keyReader is what readKeyUses needs of a store.
type keyReader interface {
	KeysNamed(ctx context.Context) (map[string]sqlite.KeyUse, error)
	Subscriptions(ctx context.Context) ([]subscriptions.Subscription, error)
	Entries(ctx context.Context, f actions.Filter) ([]actions.Entry, error)
}

func readKeyUses(ctx context.Context, r keyReader, now time.Time) (u keyUses, err error) {
	if u.stored, err = r.KeysNamed(ctx); err != nil {
		return u, err
	}
	subs, err := r.Subscriptions(ctx)
	if err != nil {
		return u, err
	}
	u.subscriptions = map[string][]subscriptions.Subscription{}
	for _, s := range subs {
		if over := endOf(s); over.IsZero() || now.Sub(over) < sentAgain {
			u.subscriptions[s.CertificateID] = append(u.subscriptions[s.CertificateID], s)
		}
	}
	changes, err := r.Entries(ctx, actions.Filter{Kind: actions.KindKeys, Limit: 500})
	if err != nil {
		return u, err
	}
	for _, e := range changes { // newest first
		if strings.HasPrefix(e.Verdict, keysInUse) {
			if at := e.Time.Add(sentAgain); at.After(now) {
				u.free = at
			}
			break
		}
	}
	return u, nil
}

// endOf is when s ended at Graph, or ends; zero if it is not known. One that is active
// by what is stored has ended too once nobody renewed it, as that of a tenant that is
// not configured any more.
func endOf(s subscriptions.Subscription) time.Time {
	if s.Status == subscriptions.Retired {
		return s.RetiredAt
	}
	return s.Expires
}

// of says what is stored or subscribed under a key's id.
func (u keyUses) of(id string) (by []string) {
	if n := u.stored[id].Inbox; n > 0 {
		by = append(by, fmt.Sprintf("%s in the inbox named %s", plural(int(n), "item"), id))
	}
	if n := u.stored[id].Quarantine; n > 0 {
		by = append(by, fmt.Sprintf("%s in quarantine named %s", plural(int(n), "item"), id))
	}
	for _, s := range u.subscriptions[id] {
		by = append(by, fmt.Sprintf("the %s subscription %s to %s was made with %s", s.Status, cmp.Or(s.ID, s.LocalID), s.Resource, id))
	}
	return by
}

// needs says what keeps a key from being retired.
func (u keyUses) needs(ring *webhook.Keyring, id string) (by []string) {
	if id == ring.Current().ID {
		return append([]string{"in use for new subscriptions"}, u.of(id)...)
	}
	by = u.of(id)
	if !u.free.IsZero() {
		by = append(by, fmt.Sprintf("another key came into use a short time ago: Graph may send again what it encrypted for this one until %s", u.free.UTC().Format(time.RFC3339)))
	}
	return by
}

// lost are the ids that something names and no key has.
func (u keyUses) lost(ring *webhook.Keyring) (ids []string) {
	for id := range u.stored {
		if _, ok := ring.Certificate(id); !ok && id != "" {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids
}

// ---- retire ----

type keysRetireCmd struct {
	where
	ID     string `arg:"" help:"The key's id, as keys list prints it."`
	Reason string `help:"Why; it goes into the action log beside your name."`
}

// Help is printed by --help.
func (keysRetireCmd) Help() string {
	return `Takes an encryption key out of use: its files move to the folder "retired" in the
key directory, from where you may destroy them. It is refused as long as anything
needs the key: an item in the inbox or in quarantine, a subscription, or what
Graph may still send again, for 4 hours after another key came into use. It is an
entry of the action log, with you as the actor. If the service is killed meanwhile,
its next start puts the key back, and says so there.

Exit code 1 if it is refused; what needs the key is then named.

Example:
  teamsdlp keys retire enc-20260101-080000 --reason "yearly rotation"`
}

func (c *keysRetireCmd) Run(e *env) error {
	data, _, err := c.dirs(e)
	if err != nil {
		return err
	}
	if err := ask(e.ctx, data, "/keys/"+url.PathEscape(c.ID)+"/retire", map[string]string{"reason": c.Reason}); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "key %s: retired\n", c.ID)
	return nil
}

// retireKey takes a key out of the ring if nothing needs it. What comes in
// while it does so is looked for afterwards: then the key is put back.
func (s *service) retireKey(ctx context.Context, id, actor, reason string) error {
	return s.retire(ctx, s.store, id, actor, reason)
}

func (s *service) retire(ctx context.Context, reader keyReader, id, actor, reason string) error {
	if err := s.reloadKeys(ctx); err != nil {
		return err
	}
	if _, known := s.keyring.Certificate(id); !known {
		return adminRefusal{404, fmt.Sprintf("there is no key of that id: there are %s", strings.Join(s.keyring.Keys(), ", "))}
	}
	needed := func() error {
		use, err := readKeyUses(ctx, reader, time.Now())
		if err != nil {
			return err
		}
		if by := use.needs(s.keyring, id); len(by) > 0 {
			return refuseChange("the key is needed: %s", strings.Join(by, "; "))
		}
		return nil
	}
	if err := needed(); err != nil {
		return err
	}
	dir, away := s.cfg.KeysDir, filepath.Join(s.cfg.KeysDir, retiredDir)
	for _, name := range pairFiles(id) {
		if _, err := os.Lstat(filepath.Join(away, name)); !errors.Is(err, fs.ErrNotExist) {
			return cmp.Or(err, refuseChange("%s is there already: move it away first", filepath.Join(away, name)))
		}
	}
	// From here to the removal of the mark a start undoes what was done: see undoRetirements.
	mark := filepath.Join(away, retiringFile(id))
	if err := makeMark(mark); err != nil {
		if errors.Is(err, fs.ErrExist) {
			err = refuseChange("it is being retired already")
		}
		return err
	}
	recorded, moved := false, false
	var err error
	for _, step := range []func() error{
		func() error {
			err := s.pipeline.Recorder().KeyRetired(ctx, actor, "retired: encryption key "+id, reason)
			recorded = err == nil
			return err
		},
		func() error {
			err := movePair(dir, away, id)
			moved = err == nil
			return err
		},
		s.keyring.Reload,
		needed,
		func() error { return removeMark(mark) },
	} {
		if err = faults.Hit(faults.Retiring); err == nil {
			err = step()
		}
		if err != nil {
			break
		}
	}
	if err == nil {
		s.log.Info("encryption key retired", zap.String("key", id), zap.String("actor", actor))
		return nil
	}
	if moved {
		err = errors.Join(err, movePair(away, dir, id), s.keyring.Reload())
	}
	if recorded {
		err = errors.Join(err, s.pipeline.Recorder().KeyRetired(context.WithoutCancel(ctx), actions.ActorSelf, "not retired after all: encryption key "+id, ""))
	}
	if removing := removeMark(mark); !errors.Is(removing, fs.ErrNotExist) {
		err = errors.Join(err, removing)
	}
	return err
}

// pairFiles are the names of the files of an encryption key.
func pairFiles(id string) []string {
	return []string{"encryption-" + id + ".cert.pem", "encryption-" + id + ".key.pem"}
}

// movePair moves both files of an encryption key, or neither. The caller
// has looked that it writes over nothing.
func movePair(from, to, id string) error {
	cert, key := pairFiles(id)[0], pairFiles(id)[1]
	if err := os.Rename(filepath.Join(from, cert), filepath.Join(to, cert)); err != nil {
		return err
	}
	err := faults.Hit(faults.Retiring)
	if err == nil {
		err = os.Rename(filepath.Join(from, key), filepath.Join(to, key))
	}
	if err != nil {
		return errors.Join(err, os.Rename(filepath.Join(to, cert), filepath.Join(from, cert)))
	}
	return errors.Join(syncDir(to), syncDir(from))
}

// ---- retirements that were cut short ----

// A pair is two files, and no file system moves two at once. So a mark stands in the
// folder of retired keys from before the first step until after the last: a service
// that starts and finds one was killed in between, and puts back what was moved. That
// is always safe, wherever it was, and whether the last look would have found that
// something needs the key.
const retiringSuffix = ".retiring"

func retiringFile(id string) string { return "encryption-" + id + retiringSuffix }

func makeMark(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	if err := writeNew(path, nil); err != nil {
		return err
	}
	return errors.Join(syncDir(filepath.Dir(path)), syncDir(filepath.Dir(filepath.Dir(path))))
}

func removeMark(path string) error {
	return errors.Join(os.Remove(path), syncDir(filepath.Dir(path)))
}

// cutShort are the ids of the keys whose retirement was begun and has not ended.
func cutShort(keysDir string) (ids []string) {
	files, _ := os.ReadDir(filepath.Join(keysDir, retiredDir)) // where there is none, nothing was begun
	for _, f := range files {
		if id := strings.TrimSuffix(strings.TrimPrefix(f.Name(), "encryption-"), retiringSuffix); f.Name() == retiringFile(id) {
			ids = append(ids, id)
		}
	}
	return ids
}

// undoRetirements puts back the pairs whose retirement was cut short by a kill. The
// store's lock must be held: then no other process of this node retires any. The
// marks stay until recordUndone has said so in the log.
func (s *service) undoRetirements() error {
	dir := s.cfg.KeysDir
	s.undone = cutShort(dir)
	for _, id := range s.undone {
		for _, name := range pairFiles(id) {
			if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
				continue
			}
			if err := os.Rename(filepath.Join(dir, retiredDir, name), filepath.Join(dir, name)); err != nil {
				return fmt.Errorf("putting back a key whose retirement was cut short: %w", err)
			}
		}
		s.log.Warn("the retirement of an encryption key was cut short: it is in use again", zap.String("key", id))
	}
	if len(s.undone) == 0 {
		return nil
	}
	return errors.Join(syncDir(dir), syncDir(filepath.Join(dir, retiredDir)))
}

// recordUndone records what undoRetirements did.
func (s *service) recordUndone(ctx context.Context) error {
	for _, id := range s.undone {
		if err := s.pipeline.Recorder().KeyRetired(ctx, actions.ActorSelf, "not retired after all: encryption key "+id+", the service was killed meanwhile", ""); err != nil {
			return err
		}
		if err := removeMark(filepath.Join(s.cfg.KeysDir, retiredDir, retiringFile(id))); err != nil {
			return err
		}
	}
	s.undone = nil
	return nil
}
