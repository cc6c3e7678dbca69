// Package config reads the file that the product is started with, usually
// teamsdlp.yaml, into plain values.
//
// The file is YAML, read strictly: a key that is not known, a key given twice,
// a value of the wrong type and a value out of range are faults. Each [Fault]
// has the file, line and column it was found at, and all of them are reported
// together, as [Faults]. A [Config] is returned only if there is none.
//
// # Vocabulary
//
// A default is what holds when a key is left out; each is named in the comment
// of its field and in [Example], the commented file that lists every key.
// Relative paths are relative to the folder of the configuration file.
//
// # Secrets
//
// A secret is never written into the file. The file holds a reference,
// env:NAME or file:path, and [Load] reads what it refers to into a [Secret],
// which cannot be printed. No fault repeats a value where a secret may have
// been written by mistake. A secret in a file that others than its owner can
// read is a warning, in [Config.Warnings], not a fault: container platforms
// mount secrets that way.
//
// The package knows no other package of the product.
package config

import (
	"fmt"
	"io"
	"time"
)

// The defaults, each of the field that it is named after.
const (
	defaultPublicListen    = "0.0.0.0:8443"
	defaultPrivateListen   = "127.0.0.1:8444"
	defaultDataDir         = "data"
	defaultKeysDir         = "keys"
	defaultRulesDir        = "rules"
	defaultCloud           = Global
	defaultMaxBody         = 16 << 20
	defaultMaxItems        = 1000
	defaultMaxInbox        = 1_000_000
	defaultMaxUnverified   = 10_000
	defaultStoreTimeout    = 2 * time.Second
	defaultLifetime        = 71*time.Hour + 55*time.Minute
	defaultCheck           = 10 * time.Minute
	defaultConversationRPS = 1
	defaultTeamRPS         = 4
	defaultTenantRPS       = 30
	defaultAppRPS          = 300
	defaultTimeout         = 30 * time.Second
	defaultMaxParked       = 10_000
	defaultParkedFor       = 72 * time.Hour
	defaultCheckpointEvery = time.Minute
	defaultCheckpointRows  = 1000
	defaultStore           = Embedded
	defaultRedisMode       = Single
	defaultRedisPrefix     = "tdlp"
	defaultPartitions      = 16
	defaultLease           = 6 * time.Second
	defaultMinCopies       = 2

	// defaultPublisherAppID is the app id of Microsoft Graph Change Tracking, the
	// caller of every notification. Source: Microsoft Learn, "Set up change
	// notifications that include resource data", which calls it globally unique.
	defaultPublisherAppID = "0bf30f3b-4a52-48df-9a82-234910c4a086"
)

// The resources that have a word of their own: all chats, and all channels.
const (
	ResourceChats    = "chats"
	ResourceChannels = "channels"
)

// Config is the whole configuration, resolved: defaults filled in, paths made
// relative to the working directory or absolute, secrets read. It is not
// changed after [Load] returned it and may be shared.
type Config struct {
	Public  Public  `yaml:"public"`
	Private Private `yaml:"private"`
	// DataDir holds the store and the admin socket. Default data.
	DataDir string `yaml:"data_dir" is:"dir"`
	Store   Store  `yaml:"store"`
	// KeysDir holds the encryption keys, the checkpoint key and the digest key,
	// as keys new writes them. It is never inside DataDir, so that a copy of the
	// data is no copy of the keys. Default keys.
	KeysDir string `yaml:"keys_dir" is:"dir"`
	// RulesDir holds the rule files. Default rules.
	RulesDir      string        `yaml:"rules_dir" is:"dir"`
	Cloud         Cloud         `yaml:"cloud"`
	Tenants       []Tenant      `yaml:"tenants"` // at least one
	Webhook       Webhook       `yaml:"webhook"`
	Subscriptions Subscriptions `yaml:"subscriptions"`
	Graph         Graph         `yaml:"graph"`
	ActionLog     ActionLog     `yaml:"action_log"`
	Desk          Desk          `yaml:"desk"`

	// Warnings are what is in order but not wise, with positions as faults have
	// them. A program prints them at start.
	Warnings Faults `yaml:"-"`
}

// Public is the listener that Microsoft Graph reaches.
type Public struct {
	// URL is the public base URL, https, without a path of ours: the
	// notification route is URL + "/graph/notifications", the lifecycle route
	// URL + "/graph/lifecycle". Plain http only where the host is loopback.
	// Required. A slash at its end is removed.
	URL    string `yaml:"url"`
	Listen string `yaml:"listen"` // default 0.0.0.0:8443
	TLS    TLS    `yaml:"tls"`    // empty: TLS ends at a proxy in front
	// TrustedProxies are the addresses, or CIDR ranges, whose X-Forwarded-For is
	// believed. Default none.
	TrustedProxies []string `yaml:"trusted_proxies"`
}

// NotificationURL is where Graph sends change notifications.
func (p Public) NotificationURL() string { return p.URL + "/graph/notifications" }

// LifecycleURL is where Graph sends lifecycle notifications.
func (p Public) LifecycleURL() string { return p.URL + "/graph/lifecycle" }

// TLS names PEM files: both or none.
type TLS struct {
	Cert string `yaml:"cert" is:"file"` // the certificate, then its chain
	Key  string `yaml:"key" is:"file"`
}

// On reports whether the listener speaks TLS itself.
func (t TLS) On() bool { return t.Cert != "" }

// Private is the listener of the review desk, metrics and health.
type Private struct {
	// Listen is default 127.0.0.1:8444. An address that is not loopback needs
	// named people in [Desk.Users].
	Listen string `yaml:"listen"`
	// Hosts are further host names under which the desk is reached; the Host
	// header must be one of them or the listen address.
	Hosts []string `yaml:"hosts"`
}

// Tenant is one Microsoft 365 tenant.
type Tenant struct {
	ID         string     `yaml:"id"`     // GUID, lower case once loaded; required, once in the list
	AppID      string     `yaml:"app_id"` // GUID of the app registration, lower case once loaded; required
	Credential Credential `yaml:"credential"`
	// Resources are chats (all chats), channels (all channels), or one of the
	// paths teams/{id}/channels/{id}/messages, chats/{id}/messages and
	// users/{id}/chats/getAllMessages. Default [chats, channels].
	Resources []string `yaml:"resources"`
}

// Paths are the tenant's resources in Graph's form, without a leading slash,
// as chats/getAllMessages.
func (t Tenant) Paths() []string {
	paths := make([]string, 0, len(t.Resources))
	for _, r := range t.Resources {
		switch r {
		case ResourceChats:
			r = "chats/getAllMessages"
		case ResourceChannels:
			r = "teams/getAllMessages"
		}
		paths = append(paths, r)
	}
	return paths
}

// The kinds of credential.
const (
	ClientSecret     = "client_secret"
	Certificate      = "certificate"
	WorkloadIdentity = "workload_identity" // a federated token that the platform mounts
	ManagedIdentity  = "managed_identity"  // of the Azure machine that this runs on
)

// Credential is how the app proves who it is. Each kind has its own fields and
// refuses those of the others.
type Credential struct {
	Kind        string `yaml:"kind"`                  // client_secret, certificate, workload_identity, managed_identity; required
	Secret      Secret `yaml:"secret"`                // client_secret: env:NAME or file:path
	Certificate string `yaml:"certificate" is:"file"` // certificate: a PEM file with certificate and key
	ClientID    string `yaml:"client_id"`             // managed_identity: of a user-assigned identity
}

// The kinds of store.
const (
	Embedded = "embedded" // one file in DataDir, for one node
	Redis    = "redis"    // for several nodes; DataDir holds each one's copy of the action log
)

// Store is where the inbox, the effects, the subscriptions and the action log
// are.
type Store struct {
	Kind  string     `yaml:"kind"` // embedded or redis; default embedded
	Redis RedisStore `yaml:"redis"`
}

// The ways to reach Redis.
const (
	Single   = "single"
	Sentinel = "sentinel"
	Cluster  = "cluster"
)

// RedisStore is how Redis, or Valkey, is reached.
type RedisStore struct {
	Mode             string        `yaml:"mode"`                // single, sentinel or cluster; default single
	Addresses        []string      `yaml:"addresses"`           // host:port: of the server, of the sentinels, or of some of the cluster's nodes; required
	Master           string        `yaml:"master"`              // sentinel: its name
	Database         int           `yaml:"database"`            // default 0; not for a cluster
	Username         string        `yaml:"username"`            // default none
	Password         Secret        `yaml:"password"`            // default none
	SentinelPassword Secret        `yaml:"sentinel_password"`   // default none
	TLS              bool          `yaml:"tls"`                 // default false
	CA               string        `yaml:"ca" is:"file"`        // PEM file of the authority of Redis' certificate; default the system's
	Prefix           string        `yaml:"prefix"`              // of every key; default tdlp
	Partitions       int           `yaml:"partitions"`          // fixed by the first node; default 16
	Node             string        `yaml:"node"`                // this node's name; default the host's
	Lease            time.Duration `yaml:"lease"`               // how long a dead node holds its part; default 6s
	Replicas         int           `yaml:"replicas"`            // that must have confirmed a write; default 0
	AssertDurable    bool          `yaml:"assert_durable"`      // Redis keeps what it confirms, though CONFIG GET is refused; default false
	MinCopies        int           `yaml:"min_copies"`          // nodes that must have an entry of the log before Redis forgets it; default 2
	MaxBytes         int64         `yaml:"max_bytes" is:"size"` // of items waiting; default 60 % of Redis' maxmemory, or 8 GiB
}

// Webhook bounds what the public listener takes.
type Webhook struct {
	MaxBody       int64         `yaml:"max_body" is:"size"` // bytes; default 16 MiB; the file may say 16MiB
	MaxItems      int           `yaml:"max_items"`          // per POST; default 1000
	MaxInbox      int64         `yaml:"max_inbox"`          // items waiting; default 1,000,000
	MaxUnverified int64         `yaml:"max_unverified"`     // items waiting whose tokens are not verified; default 10,000
	StoreTimeout  time.Duration `yaml:"store_timeout"`      // then 503; default 2s; under 3s, after which Graph stops waiting
}

// Subscriptions says how subscriptions are held.
type Subscriptions struct {
	Lifetime time.Duration `yaml:"lifetime"` // asked for; default 71h55m (4,315 minutes); from 45m to 72h
	Check    time.Duration `yaml:"check"`    // how often Graph's list is compared; default 10m
}

// Graph bounds our calls to Graph: Microsoft's published limits by default.
type Graph struct {
	ConversationRPS float64       `yaml:"conversation_rps"` // default 1
	TeamRPS         float64       `yaml:"team_rps"`         // default 4
	TenantRPS       float64       `yaml:"tenant_rps"`       // default 30
	AppRPS          float64       `yaml:"app_rps"`          // of one app registration over all its tenants; default 300
	Timeout         time.Duration `yaml:"timeout"`          // of one call; default 30s
	// MaxParked actions wait for an operator, as for a permission that Graph finds
	// missing, on each node; beyond, the least severe and oldest fail. Default 10,000;
	// they count against webhook.max_inbox.
	MaxParked int `yaml:"max_parked"`
	// ParkedFor is how long one waits before it fails; default 72h, from 1m to 168h:
	// within a week the log still holds what was to be done.
	ParkedFor time.Duration `yaml:"parked_for"`
}

// ActionLog says how the log is sealed.
type ActionLog struct {
	CheckpointFile  string        `yaml:"checkpoint_file" is:"path"` // signed checkpoints are appended here; should be on another machine or medium; default none
	CheckpointEvery time.Duration `yaml:"checkpoint_every"`          // default 60s
	CheckpointRows  int64         `yaml:"checkpoint_rows"`           // default 1000
	RetentionDays   int           `yaml:"retention_days"`            // what older entries said is deleted, their hashes stay; 7 to 36500; 0, the default: nothing is
}

// Desk is who may sign in to the review desk.
type Desk struct {
	Users []DeskUser `yaml:"users"` // default none: a one-time link is printed at start
}

// DeskUser is a named person with a token of at least 128 bits.
type DeskUser struct {
	Name  string `yaml:"name"` // as it stands in the action log; once in the list
	Token Secret `yaml:"token"`
}

// A Secret is read from a reference, env:NAME or file:path, when the
// configuration is loaded. It prints as [secret] under every verb but %T and %p, and under
// those not at all.
type Secret struct {
	// value is behind a pointer because %p is not left to Format: it prints the
	// fields, and of a pointer only the address.
	value *string
}

// NewSecret is the secret that value is.
func NewSecret(value string) Secret { return Secret{value: &value} }

// Reveal returns the secret itself; empty for the zero Secret.
func (s Secret) Reveal() string {
	if s.value == nil {
		return ""
	}
	return *s.value
}

// Format implements fmt.Formatter.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "[secret]") }

// MarshalText implements encoding.TextMarshaler.
func (s Secret) MarshalText() ([]byte, error) { return []byte("[secret]"), nil }

// defaults is a Config with every default that does not hang on another value.
func defaults() *Config {
	return &Config{
		Public:   Public{Listen: defaultPublicListen},
		Private:  Private{Listen: defaultPrivateListen},
		DataDir:  defaultDataDir,
		KeysDir:  defaultKeysDir,
		RulesDir: defaultRulesDir,
		Store: Store{Kind: defaultStore, Redis: RedisStore{
			Mode: defaultRedisMode, Prefix: defaultRedisPrefix, Partitions: defaultPartitions, Lease: defaultLease, MinCopies: defaultMinCopies,
		}},
		Cloud: Cloud{Name: defaultCloud, PublisherAppID: defaultPublisherAppID},
		Webhook: Webhook{
			MaxBody:       defaultMaxBody,
			MaxItems:      defaultMaxItems,
			MaxInbox:      defaultMaxInbox,
			MaxUnverified: defaultMaxUnverified,
			StoreTimeout:  defaultStoreTimeout,
		},
		Subscriptions: Subscriptions{Lifetime: defaultLifetime, Check: defaultCheck},
		Graph: Graph{
			ConversationRPS: defaultConversationRPS,
			TeamRPS:         defaultTeamRPS,
			TenantRPS:       defaultTenantRPS,
			AppRPS:          defaultAppRPS,
			Timeout:         defaultTimeout,
			MaxParked:       defaultMaxParked,
			ParkedFor:       defaultParkedFor,
		},
		ActionLog: ActionLog{CheckpointEvery: defaultCheckpointEvery, CheckpointRows: defaultCheckpointRows},
	}
}
