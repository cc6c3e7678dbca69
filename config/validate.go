package config

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Bounds that are Microsoft's, not ours.
const (
	// minLifetime is what Graph silently raises a shorter one to, and
	// maxLifetime, 4,320 minutes, the longest for chatMessage. Source: Microsoft
	// Learn, "subscription resource type".
	minLifetime = 45 * time.Minute
	maxLifetime = 72 * time.Hour
	// graphWaits is how long Graph waits for the answer to a notification.
	graphWaits = 3 * time.Second
)

// minToken is the least length of a desk token: 128 bits, if each byte is
// random.
const minToken = 16

var guid = regexp.MustCompile(`^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// validate judges values: each by itself, then those that hang together.
func (d *decoder) validate(c *Config) {
	d.public(&c.Public)
	d.private(c)
	d.store(&c.Store)
	d.cloud(&c.Cloud)
	d.tenants(c)
	d.limits(c)
	d.desk(c.Desk)
	d.apart(c)
}

// missing adds a fault if a required key is not in the file.
func (d *decoder) missing(path string) bool {
	if d.given(path) {
		return d.bad[path]
	}
	d.add(d.where(path), fmt.Sprintf("missing key %q", path))
	return true
}

// ourPath are the routes of the public listener.
var ourPath = regexp.MustCompile(`/graph(/(notifications|lifecycle))?/?$`)

func (d *decoder) public(p *Public) {
	if !d.missing("public.url") {
		if u := d.url("public.url", &p.URL); u != nil && (u.RawQuery != "" || u.ForceQuery) {
			d.fault("public.url", "must not have a query")
		} else if u != nil && ourPath.MatchString(u.Path) {
			d.fault("public.url", "must end before /graph: Graph is told to call <url>/graph/notifications and <url>/graph/lifecycle")
		}
	}
	d.address("public.listen", p.Listen)
	cert, key := d.given("public.tls.cert"), d.given("public.tls.key")
	switch {
	case cert && !key:
		d.missing("public.tls.key")
	case key && !cert:
		d.missing("public.tls.cert")
	case key && !d.bad["public.tls.key"]:
		d.modes("public.tls.key", p.TLS.Key)
	}
	for i, proxy := range p.TrustedProxies {
		at := fmt.Sprintf("public.trusted_proxies[%d]", i)
		_, addrErr := netip.ParseAddr(proxy)
		_, prefixErr := netip.ParsePrefix(proxy)
		if addrErr != nil && prefixErr != nil && !d.bad[at] {
			d.fault(at, "must be an IP address or a range like 10.0.0.0/8")
		}
	}
}

// url judges a base URL and takes the slash off its end. It returns nil if
// there was a fault. The URL is not repeated: it can hold a password.
func (d *decoder) url(path string, text *string) *url.URL {
	u, err := url.Parse(*text)
	switch {
	case err != nil || u.Hostname() == "" || u.Opaque != "":
		d.fault(path, "must be a URL like https://dlp.example.com")
	case u.User != nil:
		d.fault(path, "must not hold a user name or password")
	case u.Scheme != "https" && u.Scheme != "http":
		d.fault(path, "must begin with https://")
	case u.Scheme == "http" && !Loopback(u.Hostname()):
		d.fault(path, "must begin with https:// (plain http is for a loopback host only)")
	case u.Fragment != "":
		d.fault(path, "must not have a fragment")
	case u.Port() != "" && !port(u.Port(), 1):
		d.fault(path, "the port must be from 1 to 65535")
	default:
		*text = strings.TrimRight(*text, "/")
		return u
	}
	return nil
}

func port(text string, least int) bool {
	n, err := strconv.Atoi(text)
	return err == nil && n >= least && n <= 65535
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9](?:[A-Za-z0-9.-]{0,252}[A-Za-z0-9])?$`)

// address judges host:port of a listener. Port 0 is any free one.
func (d *decoder) address(path, text string) {
	if d.bad[path] {
		return
	}
	host, p, err := net.SplitHostPort(text)
	_, ipErr := netip.ParseAddr(host)
	if err != nil || !port(p, 0) || (host != "" && ipErr != nil && !hostName.MatchString(host)) {
		d.fault(path, "must be an address with a port from 0 to 65535, like 127.0.0.1:8444")
	}
}

// Loopback reports whether host, a name or an IP address without port, is of
// this machine alone: localhost, 127.0.0.0/8 or ::1.
func Loopback(host string) bool {
	if strings.EqualFold(host, "localhost") {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

func (d *decoder) private(c *Config) {
	const at = "private.listen"
	d.address(at, c.Private.Listen)
	if !d.bad[at] {
		host, p, _ := net.SplitHostPort(c.Private.Listen)
		if !Loopback(host) && len(c.Desk.Users) == 0 {
			d.fault(at, "is not a loopback address; desk.users must then name who may sign in")
		}
		if c.Private.Listen == c.Public.Listen && p != "0" {
			d.fault(cmp.Or(given(d, at), "public.listen"), "private.listen and public.listen are the same")
		}
	}
	for i, host := range c.Private.Hosts {
		at := fmt.Sprintf("private.hosts[%d]", i)
		name, p, err := net.SplitHostPort(host)
		if err != nil {
			name, p = host, "1"
		}
		_, ipErr := netip.ParseAddr(name)
		if !d.bad[at] && (!port(p, 1) || (ipErr != nil && !hostName.MatchString(name))) {
			d.fault(at, "must be a host name, with a port if it is not the usual one")
		}
	}
}

func (d *decoder) cloud(c *Cloud) {
	names := []string{Global, USGov, DoD, China, Custom}
	switch {
	case d.bad["cloud.name"]:
	case !slices.Contains(names, c.Name):
		d.fault("cloud.name", "unknown cloud %s%s; it is one of %s", quote(c.Name), didYouMean(c.Name, names), strings.Join(names, ", "))
	case c.Name == Custom:
		for path, text := range map[string]*string{"cloud.graph_url": &c.GraphURL, "cloud.login_url": &c.LoginURL} {
			if d.missing(path) {
				continue
			}
			if u := d.url(path, text); u != nil && (u.RawQuery != "" || u.ForceQuery) {
				d.fault(path, "must not have a query")
			}
		}
	default:
		for _, path := range []string{"cloud.graph_url", "cloud.login_url"} {
			if d.given(path) {
				d.fault(path, "is for cloud.name custom only")
			}
		}
	}
	d.guid("cloud.publisher_app_id", &c.PublisherAppID)
}

// guid judges a GUID and makes it lower case.
func (d *decoder) guid(path string, text *string) {
	if d.bad[path] {
		return
	}
	*text = strings.ToLower(*text)
	if !guid.MatchString(*text) {
		d.fault(path, "must be a GUID like 00000000-0000-0000-0000-000000000000")
	}
}

func (d *decoder) tenants(c *Config) {
	if d.missing("tenants") {
		return
	}
	if len(c.Tenants) == 0 {
		d.fault("tenants", "must name at least one tenant")
	}
	ids := map[string]int{}
	for i := range c.Tenants {
		t, at := &c.Tenants[i], fmt.Sprintf("tenants[%d]", i)
		if d.bad[at] {
			continue
		}
		if !d.missing(at + ".id") {
			d.guid(at+".id", &t.ID)
			if first, twice := ids[t.ID]; twice {
				d.fault(at+".id", "is that of tenants[%d] too", first)
			} else {
				ids[t.ID] = i
			}
		}
		if !d.missing(at + ".app_id") {
			d.guid(at+".app_id", &t.AppID)
		}
		d.credential(at+".credential", &t.Credential)
		d.resources(at+".resources", t)
	}
}

// credentialFields are the kinds, with the key that each needs and the one it
// takes.
var credentialFields = map[string]struct{ needs, takes string }{
	ClientSecret:     {needs: "secret"},
	Certificate:      {needs: "certificate"},
	WorkloadIdentity: {},
	ManagedIdentity:  {takes: "client_id"},
}

func (d *decoder) credential(at string, c *Credential) {
	if d.bad[at] || d.missing(at+".kind") {
		return
	}
	kinds := []string{ClientSecret, Certificate, WorkloadIdentity, ManagedIdentity}
	fields, known := credentialFields[c.Kind]
	if !known {
		d.fault(at+".kind", "unknown kind %s%s; it is one of %s", quote(c.Kind), didYouMean(c.Kind, kinds), strings.Join(kinds, ", "))
		return
	}
	if fields.needs != "" {
		d.missing(at + "." + fields.needs)
	}
	for _, key := range []string{"secret", "certificate", "client_id"} {
		if path := at + "." + key; key != fields.needs && key != fields.takes && d.given(path) {
			d.fault(path, "is not for a credential of kind %s", c.Kind)
		}
	}
	if path := at + ".certificate"; c.Certificate != "" && !d.bad[path] {
		d.modes(path, c.Certificate)
	}
	if path := at + ".client_id"; c.ClientID != "" {
		d.guid(path, &c.ClientID)
	}
}

var resourceForm = regexp.MustCompile(`^(?:chats|channels|` +
	`teams/[\w.-]+/channels/[\w:.@-]+/messages|` +
	`chats/[\w:.@-]+/messages|` +
	`users/[\w.@-]+/chats/getAllMessages)$`)

func (d *decoder) resources(at string, t *Tenant) {
	if !d.given(at) || (t.Resources == nil && !d.bad[at]) {
		t.Resources = []string{ResourceChats, ResourceChannels}
		return
	}
	if len(t.Resources) == 0 && !d.bad[at] {
		d.fault(at, "must name at least one resource; leave the key out for chats and channels")
	}
	for i, r := range t.Resources {
		path := fmt.Sprintf("%s[%d]", at, i)
		if d.bad[path] {
			continue
		}
		if !resourceForm.MatchString(r) {
			d.fault(path, "unknown resource %s%s; it is chats, channels, teams/{id}/channels/{id}/messages, chats/{id}/messages or users/{id}/chats/getAllMessages",
				quote(r), didYouMean(r, []string{ResourceChats, ResourceChannels}))
			continue
		}
		if slices.Contains(t.Resources[:i], r) {
			d.fault(path, "is in the list already")
			continue
		}
		all := ResourceChats
		if strings.HasPrefix(r, "teams/") {
			all = ResourceChannels
		}
		if r != ResourceChats && r != ResourceChannels && slices.Contains(t.Resources, all) {
			d.warn(path, "%s covers it already; each message will be notified twice", all)
		}
	}
}

func positive[T int | int64 | float64 | time.Duration](d *decoder, path string, n T) bool {
	if d.bad[path] {
		return false
	}
	if n <= 0 {
		d.fault(path, "must be more than 0")
		return false
	}
	return true
}

var (
	prefixForm = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:._-]{0,63}$`)
	nodeForm   = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)
)

func (d *decoder) store(s *Store) {
	const redis = "store.redis"
	switch {
	case d.bad["store.kind"]:
		return
	case s.Kind == Embedded:
		if d.given(redis) {
			d.fault(redis, "is given, but store.kind is embedded; set it to redis, or take this away")
		}
		return
	case s.Kind != Redis:
		d.fault("store.kind", "unknown kind %s%s; it is embedded or redis", quote(s.Kind), didYouMean(s.Kind, []string{Embedded, Redis}))
		return
	}
	r := &s.Redis
	at := func(key string) string { return redis + "." + key }
	if modes := []string{Single, Sentinel, Cluster}; !d.bad[at("mode")] && !slices.Contains(modes, r.Mode) {
		d.fault(at("mode"), "unknown mode %s%s; it is single, sentinel or cluster", quote(r.Mode), didYouMean(r.Mode, modes))
	}
	if !d.missing(at("addresses")) {
		switch {
		case len(r.Addresses) == 0:
			d.fault(at("addresses"), "must name at least one address")
		case r.Mode == Single && len(r.Addresses) > 1:
			d.fault(at("addresses"), "single is one server; set mode to sentinel or cluster for more")
		}
	}
	away := false
	for i, a := range r.Addresses {
		path := fmt.Sprintf("%s[%d]", at("addresses"), i)
		host, p, err := net.SplitHostPort(a)
		switch {
		case d.bad[path]:
		case err != nil || host == "" || !port(p, 1):
			d.fault(path, "must be an address with a port, like redis.example.com:6379")
		case !Loopback(host):
			away = true
		}
	}
	switch {
	case r.Mode == Sentinel:
		d.missing(at("master"))
	case d.given(at("master")):
		d.fault(at("master"), "is for mode sentinel")
	}
	if r.Mode != Sentinel && d.given(at("sentinel_password")) {
		d.fault(at("sentinel_password"), "is for mode sentinel")
	}
	switch {
	case d.bad[at("database")]:
	case r.Database < 0:
		d.fault(at("database"), "must be 0 or more")
	case r.Database > 0 && r.Mode == Cluster:
		d.fault(at("database"), "a cluster has database 0 only")
	}
	if !r.TLS && d.given(at("ca")) {
		d.fault(at("ca"), "is given, but tls is not true")
	}
	if !r.TLS && away {
		d.warn(cmp.Or(given(d, at("tls")), at("addresses")), "Redis is reached without TLS: the secrets of subscriptions cross the network in the clear")
	}
	if !d.bad[at("prefix")] && !prefixForm.MatchString(r.Prefix) {
		d.fault(at("prefix"), "must be letters, digits and : . _ -, at most 64")
	}
	if r.Node != "" && !d.bad[at("node")] && !nodeForm.MatchString(r.Node) {
		d.fault(at("node"), "must be letters, digits and . _ -, at most 64")
	}
	if !d.bad[at("partitions")] && (r.Partitions < 1 || r.Partitions > 256) {
		d.fault(at("partitions"), "must be from 1 to 256")
	}
	if !d.bad[at("lease")] && (r.Lease < time.Second || r.Lease > time.Minute) {
		d.fault(at("lease"), "must be from 1s to 1m")
	}
	if !d.bad[at("replicas")] && (r.Replicas < 0 || r.Replicas > 16) {
		d.fault(at("replicas"), "must be from 0 to 16")
	}
	if !d.bad[at("min_copies")] && (r.MinCopies < 1 || r.MinCopies > 16) {
		d.fault(at("min_copies"), "must be from 1 to 16")
	}
	if d.given(at("max_bytes")) {
		positive(d, at("max_bytes"), r.MaxBytes)
	}
}

func (d *decoder) limits(c *Config) {
	positive(d, "webhook.max_body", c.Webhook.MaxBody)
	positive(d, "webhook.max_items", c.Webhook.MaxItems)
	inbox := positive(d, "webhook.max_inbox", c.Webhook.MaxInbox)
	if positive(d, "webhook.max_unverified", c.Webhook.MaxUnverified) && inbox && c.Webhook.MaxUnverified > c.Webhook.MaxInbox {
		at := cmp.Or(given(d, "webhook.max_unverified"), "webhook.max_inbox")
		d.fault(at, "max_unverified is %d, more than max_inbox, %d", c.Webhook.MaxUnverified, c.Webhook.MaxInbox)
	}
	if positive(d, "webhook.store_timeout", c.Webhook.StoreTimeout) && c.Webhook.StoreTimeout >= graphWaits {
		d.fault("webhook.store_timeout", "must be under 3s: Graph waits no longer for the answer")
	}

	const life = "subscriptions.lifetime"
	if !d.bad[life] && (c.Subscriptions.Lifetime < minLifetime || c.Subscriptions.Lifetime > maxLifetime) {
		d.fault(life, "must be from 45m to 72h, the bounds that Graph sets for messages")
	}
	if positive(d, "subscriptions.check", c.Subscriptions.Check) && !d.bad[life] && c.Subscriptions.Check > c.Subscriptions.Lifetime/2 {
		at := cmp.Or(given(d, "subscriptions.check"), life)
		d.fault(at, "check, %s, must be at most half of lifetime, %s", short(c.Subscriptions.Check), short(c.Subscriptions.Lifetime))
	}

	positive(d, "graph.conversation_rps", c.Graph.ConversationRPS)
	positive(d, "graph.team_rps", c.Graph.TeamRPS)
	positive(d, "graph.tenant_rps", c.Graph.TenantRPS)
	positive(d, "graph.app_rps", c.Graph.AppRPS)
	positive(d, "graph.timeout", c.Graph.Timeout)
	const parked = "graph.max_parked"
	if positive(d, parked, c.Graph.MaxParked) && d.given(parked) && inbox && int64(c.Graph.MaxParked) > c.Webhook.MaxInbox {
		d.fault(parked, "max_parked is %d, more than max_inbox, %d", c.Graph.MaxParked, c.Webhook.MaxInbox)
	}
	if !d.bad["graph.parked_for"] && (c.Graph.ParkedFor < time.Minute || c.Graph.ParkedFor > minRetentionDays*24*time.Hour) {
		d.fault("graph.parked_for", "must be from 1m to 168h")
	}
	positive(d, "action_log.checkpoint_every", c.ActionLog.CheckpointEvery)
	positive(d, "action_log.checkpoint_rows", c.ActionLog.CheckpointRows)
	// Within a week Graph may still tell of an override, and somebody review the case.
	if days := c.ActionLog.RetentionDays; days != 0 && (days < minRetentionDays || days > maxRetentionDays) && !d.bad["action_log.retention_days"] {
		d.fault("action_log.retention_days", "must be from %d to %d, or 0 to delete nothing", minRetentionDays, maxRetentionDays)
	}
}

const (
	minRetentionDays = 7
	maxRetentionDays = 36500 // far more does not fit into a time.Duration
)

// given is path if the file has it, else nothing.
func given(d *decoder, path string) string {
	if d.given(path) {
		return path
	}
	return ""
}

// short is d as one would write it: 71h55m, not 71h55m0s.
func short(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

func (d *decoder) desk(desk Desk) {
	names, tokens := map[string]int{}, map[string]int{}
	for i, u := range desk.Users {
		at := fmt.Sprintf("desk.users[%d]", i)
		if d.bad[at] {
			continue
		}
		if !d.missing(at + ".name") {
			if first, twice := names[u.Name]; twice {
				d.fault(at+".name", "is that of desk.users[%d] too", first)
			} else {
				names[u.Name] = i
			}
		}
		if d.missing(at + ".token") {
			continue
		}
		first, twice := tokens[u.Token.Reveal()]
		switch {
		case len(u.Token.Reveal()) < minToken:
			d.fault(at+".token", "is shorter than %d bytes; openssl rand -hex 32 makes a good one", minToken)
		case twice:
			d.fault(at+".token", "is that of desk.users[%d] too", first)
		default:
			tokens[u.Token.Reveal()] = i
		}
	}
}

// apart sees to it that keys and checkpoints are not kept with the data that
// they protect.
func (d *decoder) apart(c *Config) {
	if d.bad["data_dir"] || d.bad["keys_dir"] {
		return
	}
	switch inside, err := Inside(c.KeysDir, c.DataDir); {
	case err != nil:
		d.fault("keys_dir", "looking where it is: %s", reason(err))
	case inside && d.given("keys_dir"):
		d.fault("keys_dir", "is inside data_dir: a copy of the data would be a copy of the keys")
	case inside:
		d.fault("data_dir", "keys_dir, %s, is inside it: a copy of the data would be a copy of the keys", defaultKeysDir)
	}
	const file = "action_log.checkpoint_file"
	if c.ActionLog.CheckpointFile == "" || d.bad[file] {
		return
	}
	if inside, err := Inside(c.ActionLog.CheckpointFile, c.DataDir); err == nil && inside {
		d.warn(file, "is inside data_dir: who can change the log there can change the checkpoints too")
	}
}

// Inside reports whether path is dir or below it, after symbolic links. Neither
// has to exist.
func Inside(path, dir string) (bool, error) {
	path, err := resolved(path)
	if err != nil {
		return false, err
	}
	if dir, err = resolved(dir); err != nil {
		return false, err
	}
	rel, err := filepath.Rel(dir, path)
	return err == nil && rel != ".." && !strings.HasPrefix(rel, ".."+string(filepath.Separator)), nil
}

// resolved is path, absolute, with the links in that part of it that exists
// followed.
func resolved(path string) (string, error) {
	path, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	for rest := ""; ; {
		found, err := filepath.EvalSymlinks(path)
		if err == nil {
			return filepath.Join(found, rest), nil
		}
		up := filepath.Dir(path)
		if !errors.Is(err, fs.ErrNotExist) || up == path {
			return "", err
		}
		rest, path = filepath.Join(filepath.Base(path), rest), up
	}
}

// modes warns if others than its owner may read a file with a secret.
func (d *decoder) modes(path, file string) {
	if info, err := os.Stat(file); err == nil && info.Mode().Perm()&0o077 != 0 {
		d.warn(path, "its file has mode %04o: others than its owner can read it; chmod 600 mends that", info.Mode().Perm())
	}
}
