package main

import (
	"cmp"
	"context"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"teamsdlp/actions"
	"teamsdlp/actions/review"
	"teamsdlp/cmd/internal/redis"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/config"
	"teamsdlp/policy"
	"teamsdlp/policy/rulefile"
	"teamsdlp/webhook"
)

type checkCmd struct {
	Config  string `short:"c" default:"teamsdlp.yaml" type:"path" help:"Configuration file."`
	Online  bool   `help:"Also ask Microsoft: token and permissions, signing keys, clock; and try the public address, for which serve must be running."`
	JSON    bool   `help:"Print JSON." name:"json"`
	Example bool   `help:"Print a commented configuration file with every key, and do nothing else."`
	Live    string `help:"Ask the URL of a health endpoint, and do nothing else: for containers without curl." placeholder:"URL"`
}

// Help is printed by --help.
func (checkCmd) Help() string {
	return `Each check is ok, a note, a warning or a fault; what is not ok says how to mend it.
The exit code is 1 if there is a fault. It changes nothing, and may run beside serve:
run it as the user that serve runs as.

Example:
  teamsdlp check --config /etc/teamsdlp/teamsdlp.yaml --online
  teamsdlp check --example >teamsdlp.yaml
  teamsdlp check --live http://127.0.0.1:8444/livez`
}

func (c *checkCmd) Run(e *env) error {
	switch {
	case c.Example:
		_, err := e.stdout.Write(config.Example)
		return err
	case c.Live != "":
		return live(e, c.Live)
	}
	cfg, err := config.Load(c.Config, e.getenv)
	if isMissing(err) {
		return configFault(err, noConfig)
	}
	k := &checker{now: time.Now, client: &http.Client{Timeout: graphHandshakeWait, CheckRedirect: noRedirect}}
	if k.config(c.Config, cfg, err) {
		k.offline(cfg)
		if cfg.Store.Kind == config.Redis {
			k.nodes(e.ctx, cfg)
		}
		if c.Online {
			k.online(e.ctx, cfg)
		}
	}
	if err := k.print(e.stdout, c.JSON); err != nil {
		return err
	}
	if n := k.count(isFault); n > 0 {
		return found{fmt.Sprintf("check: %s", plural(n, "fault"))}
	}
	return nil
}

// live asks a health endpoint.
func live(e *env, address string) error {
	u, err := url.Parse(address)
	if err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Host == "" {
		return errors.New("--live takes a URL like http://127.0.0.1:8444/livez")
	}
	req, err := http.NewRequestWithContext(e.ctx, http.MethodGet, address, nil)
	if err != nil {
		return err
	}
	client := &http.Client{Timeout: 3 * time.Second, CheckRedirect: noRedirect}
	resp, err := client.Do(req)
	if err != nil {
		return found{"not live: " + netReason(err)}
	}
	_ = resp.Body.Close() // only the status counts
	if resp.StatusCode != http.StatusOK {
		return found{fmt.Sprintf("not live: status %d", resp.StatusCode)}
	}
	_, err = fmt.Fprintln(e.stdout, "live")
	return err
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// checkState is how a check ended.
type checkState string

const (
	isOK    checkState = "ok"
	isNote  checkState = "note"    // nothing to do, or only if a rule needs it
	isWarn  checkState = "warning" // works, but is not wise
	isFault checkState = "fault"
)

// checkResult is one line of what check prints. What is not ok has a sentence on
// how to mend it.
type checkResult struct {
	Check   string     `json:"check"`
	Subject string     `json:"subject,omitempty"` // the tenant, say
	State   checkState `json:"state"`
	Detail  string     `json:"detail"`
	Mend    string     `json:"mend,omitempty"`
}

// checker collects results. It never stops at a fault.
type checker struct {
	now     func() time.Time
	client  *http.Client // for what is online
	set     *policy.Set  // the rules; nil: they cannot be loaded
	results []checkResult
}

func (k *checker) add(state checkState, check, subject, mend, detail string, args ...any) {
	k.results = append(k.results, checkResult{check, subject, state, fmt.Sprintf(detail, args...), mend})
}

func (k *checker) ok(check, detail string, args ...any) {
	k.add(isOK, check, "", "", detail, args...)
}

func (k *checker) warn(check, mend, detail string, args ...any) {
	k.add(isWarn, check, "", mend, detail, args...)
}

func (k *checker) fault(check, mend, detail string, args ...any) {
	k.add(isFault, check, "", mend, detail, args...)
}

func (k *checker) count(state checkState) int {
	n := 0
	for _, r := range k.results {
		if r.State == state {
			n++
		}
	}
	return n
}

func (k *checker) print(w io.Writer, asJSON bool) error {
	if asJSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(struct {
			OK     bool          `json:"ok"`
			Checks []checkResult `json:"checks"`
		}{k.count(isFault) == 0, k.results})
	}
	for _, r := range k.results {
		subject := ""
		if r.Subject != "" {
			subject = r.Subject + ": "
		}
		if _, err := fmt.Fprintf(w, "%-7s  %-12s  %s%s\n", r.State, r.Check, subject, plain(r.Detail)); err != nil {
			return err
		}
		if r.Mend != "" {
			if _, err := fmt.Fprintf(w, "%-7s  %-12s  -> %s\n", "", "", plain(r.Mend)); err != nil {
				return err
			}
		}
	}
	_, err := fmt.Fprintf(w, "%s: %s, %s\n", plural(len(k.results), "check"), plural(k.count(isFault), "fault"), plural(k.count(isWarn), "warning"))
	return err
}

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// config reports what loading found. It is false if there is nothing to go on
// with.
func (k *checker) config(path string, cfg *config.Config, err error) bool {
	var faults config.Faults
	if errors.As(err, &faults) {
		for _, f := range faults {
			mend := "correct it in the file; teamsdlp check --example shows every key with its form"
			switch {
			case errors.Is(f, fs.ErrPermission):
				mend = "check as the user that serve runs as, and let that user read it"
			case errors.Is(f, config.ErrNotSet):
				mend = "set it where serve is started, and for this command too"
			case errors.Is(f, fs.ErrNotExist):
				mend = "put the file there, or correct its path; it counts from the folder of the configuration"
			}
			k.fault("config", mend, "%s", f)
		}
		return false
	}
	k.ok("config", "%s: %s, cloud %s", path, plural(len(cfg.Tenants), "tenant"), cfg.Cloud.Name)
	if host := hostOf(cfg.Public.URL); cfg.Cloud.Name != config.Custom && private(host) {
		k.warn("config", "set public.url to the name that the internet knows this machine, or the proxy before it, by", "Microsoft Graph cannot reach %s: it is an address of this network only", host)
	}
	for _, w := range cfg.Warnings {
		k.warn("config", "", "%s", w)
	}
	if !cfg.Cloud.CanEnforce() {
		k.warn("cloud", "expect findings, not blocks: every action is logged as not enforceable", "Graph cannot act on messages in the cloud %s", cfg.Cloud.Name)
	}
	if cfg.Cloud.Name == config.Custom {
		k.warn("cloud", "leave the key cloud out for Microsoft's own", "a custom cloud: %s decides who may be believed", cfg.Cloud.LoginURL)
	}
	return true
}

// private reports whether a host is one that the internet cannot reach.
func private(host string) bool {
	if addr, err := netip.ParseAddr(host); err == nil {
		addr = addr.Unmap()
		return addr.IsPrivate() || addr.IsLoopback() || addr.IsLinkLocalUnicast() || addr.IsUnspecified()
	}
	return config.Loopback(host) || !strings.Contains(host, ".") || strings.HasSuffix(host, ".local") || strings.HasSuffix(host, ".internal")
}

// offline is everything that needs no network.
func (k *checker) offline(cfg *config.Config) {
	k.keys(cfg.KeysDir)
	k.certificates(cfg)
	k.tls(cfg)
	writable := k.data(cfg.DataDir)
	if cfg.Store.Kind == config.Embedded {
		if writable {
			k.room(sqlite.Space(existing(cfg.DataDir)))
		}
		k.store(cfg.DataDir)
	}
	k.checkpoints(cfg.ActionLog.CheckpointFile)
	k.desk(cfg)
	k.rules(cfg.RulesDir)
}

// expirySoon is from when on the end of a certificate is a warning.
const expirySoon = 30 * 24 * time.Hour

func (k *checker) keys(dir string) {
	const check = "keys"
	mend := "make keys: teamsdlp keys new --keys-dir " + dir
	info, err := os.Stat(dir)
	if err != nil {
		k.fault(check, mend, "keys_dir: %s", err)
		return
	}
	if info.Mode().Perm()&0o077 != 0 {
		k.warn(check, "chmod 700 "+dir, "others than its owner can look into %s", dir)
	}
	files, _ := os.ReadDir(dir) // what is wrong with it, LoadKeyring says
	for _, f := range files {
		file := filepath.Join(dir, f.Name())
		if !strings.HasSuffix(file, ".key") && !strings.HasSuffix(file, ".key.pem") {
			continue
		}
		if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
			k.fault(check, "chmod 600 "+file, "%s has mode %04o: others than its owner can read it", file, info.Mode().Perm())
		}
	}

	ring, err := webhook.LoadKeyring(dir)
	if err != nil {
		k.fault(check, keysMend(err, dir), "%s", oneLine(err))
	} else {
		k.encryptionKeys(ring, mend)
	}
	log, err := actions.LoadKeys(dir)
	if err != nil {
		k.fault(check, keysMend(err, dir), "%s", oneLine(err))
		return
	}
	k.ok(check, "checkpoint key %s and digest key", log.Verifier().Name())
}

// encryptionKeys judges the pair that new subscriptions are made with; of the
// older ones only the key is still used.
func (k *checker) encryptionKeys(ring *webhook.Keyring, mend string) {
	const check = "keys"
	current := ring.Current()
	detail := fmt.Sprintf("encryption key %s of %s, valid until %s", current.ID, plural(len(ring.Keys()), "pair"), current.NotAfter.Format(time.DateOnly))
	switch left := current.NotAfter.Sub(k.now()); {
	case left <= 0:
		k.fault(check, mend, "%s: that is past", detail)
	case k.now().Before(current.NotBefore):
		k.fault(check, "set this machine's clock", "%s, but only from %s", detail, current.NotBefore.Format(time.RFC3339))
	case left < expirySoon:
		k.warn(check, mend, "%s: that is soon", detail)
	default:
		k.ok(check, "%s", detail)
	}
}

// certificates judges the files by which apps prove who they are. What Entra has
// of them only online can tell.
func (k *checker) certificates(cfg *config.Config) {
	const check = "credential"
	for _, t := range cfg.Tenants {
		file := t.Credential.Certificate
		if t.Credential.Kind != config.Certificate {
			continue
		}
		if _, err := tenantCredential(t, cfg.Cloud.Resolve(), nil); err != nil {
			detail := oneLine(err)
			if !strings.Contains(detail, file) {
				detail = file + ": " + detail
			}
			k.add(isFault, check, t.ID, "put the certificate and its key, RSA and without a password, into the file, both as PEM", "%s", detail)
			continue
		}
		until, bits, err := certificateOf(file)
		const mend = "make a new certificate, upload it to the app registration, then put it and its key into the file"
		switch left := until.Sub(k.now()); {
		case err != nil:
			k.add(isFault, check, t.ID, mend, "%s: %s", file, oneLine(err))
		case left <= 0:
			k.add(isFault, check, t.ID, mend, "the certificate in %s ended on %s", file, until.Format(time.DateOnly))
		case bits < 2048:
			k.add(isFault, check, t.ID, mend, "the key of the certificate in %s has %d bits: it must have 2048 or more", file, bits)
		case left < expirySoon:
			k.add(isWarn, check, t.ID, mend, "the certificate in %s ends on %s", file, until.Format(time.DateOnly))
		default:
			k.add(isOK, check, t.ID, "", "certificate in %s, valid until %s", file, until.Format(time.DateOnly))
		}
	}
}

// certificateOf is when the first certificate of a PEM file ends, and the size of
// its RSA key.
func certificateOf(file string) (end time.Time, bits int, err error) {
	data, err := os.ReadFile(file)
	if err != nil {
		return time.Time{}, 0, err
	}
	for block, rest := pem.Decode(data); block != nil; block, rest = pem.Decode(rest) {
		if block.Type != "CERTIFICATE" {
			continue
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return time.Time{}, 0, err
		}
		if key, ok := cert.PublicKey.(*rsa.PublicKey); ok {
			bits = key.N.BitLen()
		}
		return cert.NotAfter, bits, nil
	}
	return time.Time{}, 0, errors.New("no certificate in PEM form")
}

func (k *checker) tls(cfg *config.Config) {
	const check = "tls"
	if !cfg.Public.TLS.On() && strings.HasPrefix(cfg.Public.URL, "http:") {
		k.ok(check, "none: %s is of this machine only", cfg.Public.URL)
		return
	}
	if !cfg.Public.TLS.On() {
		k.ok(check, "TLS for %s ends at a proxy in front of %s", cfg.Public.URL, cfg.Public.Listen)
		return
	}
	const mend = "get a certificate for the host of public.url, from a public authority, and its key"
	pair, err := tls.LoadX509KeyPair(cfg.Public.TLS.Cert, cfg.Public.TLS.Key)
	if err != nil {
		k.fault(check, mend, "%s and %s: %s", cfg.Public.TLS.Cert, cfg.Public.TLS.Key, oneLine(err))
		return
	}
	host := hostOf(cfg.Public.URL)
	if err := pair.Leaf.VerifyHostname(host); err != nil {
		k.fault(check, mend, "%s is not for the host %s", cfg.Public.TLS.Cert, host)
		return
	}
	until := pair.Leaf.NotAfter.Format(time.DateOnly)
	switch left := pair.Leaf.NotAfter.Sub(k.now()); {
	case left <= 0:
		k.fault(check, "renew it", "the certificate for %s ended on %s", host, until)
		return
	case left < 7*24*time.Hour:
		k.warn(check, "renew it", "the certificate for %s ends on %s", host, until)
		return
	}
	chain := x509.NewCertPool()
	for _, der := range pair.Certificate[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			chain.AddCert(cert)
		}
	}
	if _, err := pair.Leaf.Verify(x509.VerifyOptions{Intermediates: chain, CurrentTime: k.now()}); err != nil && !config.Loopback(host) {
		k.warn(check, mend+"; the file must hold the whole chain", "this machine does not trust the certificate for %s: Graph may not either", host)
		return
	}
	k.ok(check, "certificate for %s, valid until %s", host, until)
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// data reports whether serve can write to the folder, or make it.
func (k *checker) data(dir string) bool {
	const check = "data"
	at, missing := existing(dir), ""
	info, err := os.Stat(at)
	switch {
	case err != nil:
		k.fault(check, "run as the user that serve runs as, and give that user the folder", "%s", err)
		return false
	case !info.IsDir():
		k.fault(check, "set data_dir to a folder", "%s is not a folder", at)
		return false
	case at != dir:
		missing = " (not there yet: serve makes it)"
	case info.Mode().Perm()&0o077 != 0:
		if ours, err := sqlite.Ours(dir); err == nil && !ours {
			k.fault(check, "chmod 700 "+dir+", or set data_dir to a folder of its own", "others than its owner can look into %s, and there is something else in it: serve does not start on it", dir)
			break
		}
		k.warn(check, "chmod 700 "+dir, "others than its owner can look into %s", dir)
	}
	took, err := sqlite.SyncLatency(at)
	if err != nil {
		k.fault(check, "give the folder to the user that serve runs as, on a disk with room", "writing to %s: %s", at, err)
		return false
	}
	k.disk(dir+missing, took)
	return true
}

// existing is path, or the nearest folder above it that is there.
func existing(path string) string {
	for {
		_, err := os.Stat(path)
		if up := filepath.Dir(path); errors.Is(err, fs.ErrNotExist) && up != path {
			path = up
			continue
		}
		return path
	}
}

// room compares the free space of the data directory with what the store wants.
func (k *checker) room(free, mark uint64, err error) {
	if err == nil && free < mark {
		k.fault("data", "make room, or put data_dir on a larger disk", "%d MiB are free: below %d MiB serve answers 503 and takes nothing new", free>>20, mark>>20)
	}
}

// store opens the store as the commands that read do. Before the first start there
// is none.
func (k *checker) store(dir string) {
	const check = "store"
	path := filepath.Join(dir, sqlite.FileName)
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return
	case err != nil:
		k.fault(check, "give data_dir and all that is in it to the user that serve runs as, and check as that user", "%s", err)
		return
	}
	_ = file.Close() // nothing was written
	ctx := context.Background()
	r, err := sqlite.OpenReadOnly(ctx, dir)
	switch {
	case errors.Is(err, sqlite.ErrOlderSchema):
		k.add(isNote, check, "", "nothing to do: serve migrates it when it starts", "%s", sqlite.ErrOlderSchema)
		return
	case errors.Is(err, sqlite.ErrNothing):
		k.warn(check, "if it was to hold a log, put it there again with all files beside it; else there is nothing to do", "%s", sqlite.ErrNothing)
		return
	case errors.Is(err, sqlite.ErrNewerSchema):
		k.fault(check, "run the newer release again, or restore a backup made before it", "%s", oneLine(err))
		return
	case err != nil:
		k.fault(check, "see that the disk is whole and that data_dir is the right folder; else restore a backup", "%s", oneLine(err))
		return
	}
	entries, err := r.LogSize(ctx)
	aside, err2 := r.ListQuarantine(ctx, 0, 1)
	if err = errors.Join(err, err2, r.Close()); err != nil {
		k.fault(check, "see that the disk is whole; else restore a backup", "%s", oneLine(err))
		return
	}
	if len(aside) > 0 {
		k.warn(check, "what is in quarantine was not judged: teamsdlp inbox list says why, teamsdlp inbox retry tries it again",
			"log entries: %d; items are in quarantine, the latest: %s", entries, aside[0].Reason)
		return
	}
	k.ok(check, "log entries: %d; nothing in quarantine", entries)
}

// nodes looks at Redis. It joins nothing and writes nothing.
func (k *checker) nodes(ctx context.Context, cfg *config.Config) {
	const check = "store"
	o, err := redisOptions(cfg)
	if err != nil {
		k.fault(check, "name a PEM file", "%s", oneLine(err))
		return
	}
	look, err := redis.Look(ctx, o)
	var op *net.OpError
	switch {
	case errors.As(err, &op):
		k.fault(check, "see that it runs, and that store.redis names where; serve does not start without it", "%s", oneLine(err))
		return
	case err != nil:
		k.fault(check, "change it there; serve does not start like this", "%s", oneLine(err))
		return
	}
	k.ok(check, "%s", look.Server)
	if o.Mode != config.Sentinel { // else the addresses are of the sentinels
		for _, addr := range o.Addrs {
			if letsIn(ctx, addr, o.TLS) {
				k.warn(check, `put "user default off" into its ACL file, or set requirepass`, "%s wants no password: whoever reaches it can read and delete what is in it", addr)
			}
		}
	}
	if look.Quarantined > 0 {
		k.warn(check, "what is in quarantine was not judged: teamsdlp inbox list says why, teamsdlp inbox retry tries it again", "items in quarantine: %d", look.Quarantined)
	}
	generations := map[string]bool{}
	for _, n := range look.Nodes {
		if !n.Live {
			continue
		}
		generations[n.Generation] = true
		leads := ""
		if n.Leads {
			leads = ", leads"
		}
		k.add(isOK, check, n.Name, "", "holds %s%s; rules %.12s; has %d entries of the log", plural(len(n.Partitions), "partition"), leads, n.Generation, n.Entries)
	}
	if len(generations) > 1 {
		k.warn(check, "give every node the same rule files", "the nodes run %d different rule generations", len(generations))
	}
}

// letsIn reports whether a Redis server obeys who gives no password.
func letsIn(ctx context.Context, addr string, secure *tls.Config) bool {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	dial := (&net.Dialer{}).DialContext
	if secure != nil {
		dial = (&tls.Dialer{Config: secure}).DialContext
	}
	conn, err := dial(ctx, "tcp", addr)
	if err != nil {
		return false // it is not this that is wrong
	}
	defer conn.Close()
	end, _ := ctx.Deadline()
	answer := make([]byte, 5)
	if conn.SetDeadline(end) != nil {
		return false
	}
	if _, err := io.WriteString(conn, "PING\r\n"); err != nil {
		return false
	}
	_, err = io.ReadFull(conn, answer)
	return err == nil && string(answer) == "+PONG"
}

// checkpoints looks at where signed checkpoints go. It writes nothing to the
// file itself.
func (k *checker) checkpoints(path string) {
	const check = "checkpoints"
	if path == "" {
		k.add(isNote, check, "", "set action_log.checkpoint_file to a place on another machine or medium", "signed checkpoints leave this machine by serve's standard output only")
		return
	}
	const mend = "give the file's folder to the user that serve runs as"
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_APPEND, 0)
	switch {
	case err == nil:
		_ = file.Close()
	case errors.Is(err, fs.ErrNotExist):
		if _, err := sqlite.SyncLatency(filepath.Dir(path)); err != nil {
			k.fault(check, mend, "%s cannot be made: %s", path, err)
			return
		}
	default:
		k.fault(check, mend, "%s", err)
		return
	}
	k.ok(check, "signed checkpoints are appended to %s", path)
}

func (k *checker) disk(dir string, took time.Duration) {
	const check = "data"
	if took < sqlite.SyncTooFast {
		k.warn(check, "put data_dir on a real disk: what is accepted must survive a power cut", "%s: a synced write takes %s, too fast for a disk", dir, took)
		return
	}
	k.ok(check, "%s: a synced write takes %s", dir, took.Round(10*time.Microsecond))
}

func (k *checker) desk(cfg *config.Config) {
	signIn := "a one-time link that serve prints"
	if n := len(cfg.Desk.Users); n > 0 {
		signIn = "the tokens of " + plural(n, "named user")
	}
	for i, u := range cfg.Desk.Users {
		if review.Reserved(u.Name) {
			k.fault("desk", "give this person another name", "desk.users[%d]: the log uses the name %q for somebody else", i, u.Name)
			return
		}
	}
	k.ok("desk", "on %s, sign-in by %s", cfg.Private.Listen, signIn)
}

func (k *checker) rules(dir string) {
	const check = "rules"
	set, findings, err := rulefile.Load(dir, rulefile.Options{Now: k.now()})
	if faults, ok := rulefile.AsFaults(err); ok {
		for _, f := range faults {
			k.fault(check, "correct it; teamsdlp rules test shows each test, teamsdlp rules lint what is odd", "%s", f)
		}
		return
	}
	if err != nil {
		k.fault(check, "make the folder, and give the user that serve runs as the right to read it", "%s", oneLine(err))
		return
	}
	k.set = set
	k.ok(check, "%s in %s, generation %.12s", plural(len(set.Rules), "rule"), dir, set.Generation)
	for _, f := range findings {
		k.warn(check, "", "%s", f)
	}
}

// oneLine is the text of an error that may be several joined ones.
func oneLine(err error) string { return strings.ReplaceAll(err.Error(), "\n", "; ") }

// netReason is the cause of a failed request, without its URL.
func netReason(err error) string {
	var u *url.Error
	if errors.As(err, &u) {
		if u.Timeout() {
			return "no answer in time"
		}
		err = u.Err
	}
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Op + ": " + cmp.Or(op.Err, error(op)).Error()
	}
	return oneLine(err)
}
