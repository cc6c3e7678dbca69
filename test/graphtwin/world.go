package graphtwin

import (
	"crypto/x509"
	"fmt"
	"strings"
	"time"
)

// World is what exists when a Twin starts: plain data, added in the order of
// the fields. See Contoso for a furnished one.
type World struct {
	Tenants []Tenant
	Apps    []App
	Users   []User
	Bots    []Bot
	Groups  []Group
	Chats   []Chat
	Teams   []Team
}

// Tenant is one Microsoft 365 organisation.
type Tenant struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Domain string `json:"domain,omitempty"` // stands for ID in login paths
}

// App is an app registration with its consent in one tenant.
type App struct {
	ID       string `json:"id"`
	TenantID string `json:"tenant_id"`
	Name     string `json:"name,omitempty"`
	// Secret is the client secret; empty: none is accepted.
	Secret string `json:"-"`
	// Certificates are those with which a client assertion may be signed.
	Certificates []*x509.Certificate `json:"-"`
	// Roles are the application permissions that tokens carry; see AllRoles.
	Roles []string `json:"roles"`
	// TokenVersion is the manifest's requestedAccessTokenVersion, 1 or 2, by
	// which validation tokens are made. Default 2.
	TokenVersion int `json:"token_version"`
	// ServicePrincipalID is shown as creatorId. Default derived from ID.
	ServicePrincipalID string `json:"service_principal_id,omitempty"`
}

// AllRoles are the application permissions that the twin knows and that a DLP
// product wants.
var AllRoles = []string{
	"Chat.Read.All", "Chat.UpdatePolicyViolation.All", "ChatMember.Read.All",
	"ChannelMessage.Read.All", "ChannelMessage.UpdatePolicyViolation.All",
	"Team.ReadBasic.All", "Channel.ReadBasic.All", "ChannelMember.Read.All",
	"User.Read.All", "GroupMember.Read.All",
}

// User is a person.
type User struct {
	// ID is the object id. Default: made up.
	ID string `json:"id"`
	// Alias is a short name that every call of ours accepts for ID.
	Alias string `json:"alias,omitempty"`
	// TenantID is where the account is. Default: the first tenant.
	TenantID string `json:"tenant_id"`
	Name     string `json:"name"`
	UPN      string `json:"upn,omitempty"`
	Mail     string `json:"mail,omitempty"`
	// Guest says that the account is a guest in TenantID.
	Guest bool `json:"guest,omitempty"`
	// Unlicensed says that the licence lacks the Communications DLP plan.
	Unlicensed bool `json:"unlicensed,omitempty"`
	// Identity is the userIdentityType that messages show. Default aadUser
	// within the account's tenant and federatedUser from any other.
	Identity   string `json:"identity,omitempty"`
	Department string `json:"department,omitempty"`
	JobTitle   string `json:"job_title,omitempty"`
}

// Bot is an application that posts messages.
type Bot struct {
	ID    string `json:"id"`
	Alias string `json:"alias,omitempty"`
	Name  string `json:"name"`
	// Identity is the applicationIdentityType. Default bot.
	Identity string `json:"identity,omitempty"`
}

// Group is a security or Microsoft 365 group. Members are users or groups, by
// id or alias.
type Group struct {
	ID       string   `json:"id"`
	Alias    string   `json:"alias,omitempty"`
	TenantID string   `json:"tenant_id"`
	Name     string   `json:"name"`
	Members  []string `json:"members"`
}

// Chat is a one-on-one, group or meeting chat.
type Chat struct {
	ID       string   `json:"id"` // default: in the form that Graph uses for the type
	Alias    string   `json:"alias,omitempty"`
	Type     string   `json:"type"`      // oneOnOne, group (default), meeting
	TenantID string   `json:"tenant_id"` // where it was created; default: the first member's
	Topic    string   `json:"topic,omitempty"`
	Members  []string `json:"members"` // users, by id or alias
}

// Team is a team with its channels.
type Team struct {
	ID       string    `json:"id"`
	Alias    string    `json:"alias,omitempty"`
	TenantID string    `json:"tenant_id"`
	Name     string    `json:"name"`
	Members  []string  `json:"members"` // the first is the owner
	Channels []Channel `json:"channels"`
}

// Channel is a channel of a team.
type Channel struct {
	ID         string   `json:"id"`
	Alias      string   `json:"alias,omitempty"` // unique within its team
	Name       string   `json:"name"`
	Membership string   `json:"membership"`        // standard (default), private, shared
	Members    []string `json:"members,omitempty"` // of a private or shared channel
}

// conversation is a chat or a channel. Everything in it is guarded by Twin.mu.
type conversation struct {
	kind      string // oneOnOne, group, meeting, standard, private, shared
	chatID    string // else teamID and channelID
	teamID    string
	channelID string
	name      string
	alias     string
	tenant    string
	created   time.Time
	members   []*User // nil for a standard channel: the team's
	team      *team
	messages  map[string]*message
}

type team struct {
	Team
	members  []*User
	channels []*conversation
}

func (c *conversation) channel() bool { return c.teamID != "" }

// key names the conversation in View.Conversation and aliases.
func (c *conversation) key() string {
	if c.channel() {
		return c.teamID + "/" + c.channelID
	}
	return c.chatID
}

func (c *conversation) people() []*User {
	if c.kind == "standard" {
		return c.team.members
	}
	return c.members
}

// visible reports whether apps of a tenant may see the conversation: the host
// tenant sees a channel, every member's tenant sees a chat.
func (c *conversation) visible(tenant string) bool {
	if c.tenant == tenant {
		return true
	}
	if c.channel() {
		return false
	}
	for _, m := range c.members {
		if m.TenantID == tenant {
			return true
		}
	}
	return false
}

// addApp registers an app.
func (t *Twin) addApp(a App) {
	setDefault(&a.TokenVersion, 2)
	setDefault(&a.ServicePrincipalID, derivedGUID("service principal "+a.TenantID+a.ID))
	t.apps[appKey{a.TenantID, a.ID}] = &a
}

// SetRoles changes what later tokens of the app carry.
func (t *Twin) SetRoles(tenantID, appID string, roles ...string) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.apps[appKey{tenantID, appID}]
	if a == nil {
		return fmt.Errorf("no app %s in tenant %s", appID, tenantID)
	}
	a.Roles = roles
	return nil
}

// SetTokenVersion changes the version of the app's validation tokens.
func (t *Twin) SetTokenVersion(tenantID, appID string, version int) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	a := t.apps[appKey{tenantID, appID}]
	if a == nil {
		return fmt.Errorf("no app %s in tenant %s", appID, tenantID)
	}
	if version != 1 && version != 2 {
		return fmt.Errorf("token version %d: want 1 or 2", version)
	}
	a.TokenVersion = version
	clear(t.tokenCache)
	return nil
}

func (t *Twin) addUser(u User) error {
	if u.ID == "" {
		u.ID = t.newGUID()
	}
	setDefault(&u.TenantID, t.home())
	if t.findTenant(u.TenantID) == nil {
		return fmt.Errorf("user %s: no tenant %s", u.Name, u.TenantID)
	}
	if t.findUser(u.ID) != nil || u.Alias != "" && t.findUser(u.Alias) != nil {
		return fmt.Errorf("user %s: id or alias is taken", u.Name)
	}
	t.users = append(t.users, &u)
	return nil
}

func (t *Twin) addBot(b Bot) {
	if b.ID == "" {
		b.ID = t.newGUID()
	}
	setDefault(&b.Identity, "bot")
	t.bots = append(t.bots, &b)
}

// addGroup adds a group; its members must exist.
func (t *Twin) addGroup(g Group) error {
	if g.ID == "" {
		g.ID = t.newGUID()
	}
	setDefault(&g.TenantID, t.home())
	resolved := make([]string, 0, len(g.Members))
	for _, m := range g.Members {
		switch {
		case t.findUser(m) != nil:
			resolved = append(resolved, t.findUser(m).ID)
		case t.findGroup(m) != nil:
			resolved = append(resolved, t.findGroup(m).ID)
		default:
			return fmt.Errorf("group %s: no member %q", g.Name, m)
		}
	}
	g.Members = resolved
	t.groups = append(t.groups, &g)
	return nil
}

// AddChat adds a chat; its members must exist.
func (t *Twin) AddChat(c Chat) (Chat, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.addChat(c)
}

func (t *Twin) addChat(c Chat) (Chat, error) {
	members, err := t.resolveUsers(c.Members)
	if err != nil {
		return Chat{}, fmt.Errorf("chat %s: %w", c.Alias, err)
	}
	if len(members) == 0 {
		return Chat{}, fmt.Errorf("chat %s: no members", c.Alias)
	}
	if c.Type == "" {
		c.Type = "group"
	}
	if c.TenantID == "" {
		c.TenantID = members[0].TenantID
	}
	if c.ID == "" {
		c.ID = t.chatID(c.Type, members)
	}
	if t.findConversation(c.ID) != nil || c.Alias != "" && t.findConversation("chat:"+c.Alias) != nil {
		return Chat{}, fmt.Errorf("chat %s: id or alias is taken", c.Alias)
	}
	c.Members = nil
	for _, m := range members {
		c.Members = append(c.Members, m.ID)
	}
	t.conversations = append(t.conversations, &conversation{
		kind: c.Type, chatID: c.ID, name: c.Topic, alias: c.Alias, tenant: c.TenantID,
		created: t.now(), members: members, messages: map[string]*message{},
	})
	return c, nil
}

// chatID makes an id in the form of the chat's type.
func (t *Twin) chatID(kind string, members []*User) string {
	switch kind {
	case "oneOnOne":
		last := members[len(members)-1]
		return "19:" + members[0].ID + "_" + last.ID + "@unq.gbl.spaces"
	case "meeting":
		return "19:meeting_" + strings.ReplaceAll(t.newGUID(), "-", "") + "@thread.v2"
	}
	return "19:" + strings.ReplaceAll(t.newGUID(), "-", "") + "@thread.v2"
}

// addTeam adds a team with its channels.
func (t *Twin) addTeam(x Team) error {
	members, err := t.resolveUsers(x.Members)
	if err != nil {
		return fmt.Errorf("team %s: %w", x.Name, err)
	}
	if x.ID == "" {
		x.ID = t.newGUID()
	}
	setDefault(&x.TenantID, t.home())
	channels := x.Channels
	x.Channels = nil
	tm := &team{Team: x, members: members}
	t.teams = append(t.teams, tm)
	for _, c := range channels {
		if err := t.addChannel(tm, c); err != nil {
			return err
		}
	}
	return nil
}

func (t *Twin) addChannel(tm *team, c Channel) error {
	members, err := t.resolveUsers(c.Members)
	if err != nil {
		return fmt.Errorf("channel %s: %w", c.Name, err)
	}
	setDefault(&c.Membership, "standard")
	if c.ID == "" {
		c.ID = "19:" + strings.ReplaceAll(t.newGUID(), "-", "") + "@thread.tacv2"
	}
	conv := &conversation{
		kind: c.Membership, teamID: tm.ID, channelID: c.ID, name: c.Name, alias: c.Alias, tenant: tm.TenantID,
		created: t.now(), members: members, team: tm, messages: map[string]*message{},
	}
	tm.channels = append(tm.channels, conv)
	t.conversations = append(t.conversations, conv)
	return nil
}

func (tm *team) describe() Team {
	x := tm.Team
	x.Members = ids(tm.members)
	x.Channels = nil
	for _, c := range tm.channels {
		x.Channels = append(x.Channels, Channel{ID: c.channelID, Alias: c.alias, Name: c.name, Membership: c.kind, Members: ids(c.members)})
	}
	return x
}

func ids(users []*User) []string {
	list := make([]string, 0, len(users))
	for _, u := range users {
		list = append(list, u.ID)
	}
	return list
}

// World returns what exists now, without secrets.
func (t *Twin) World() World {
	t.mu.Lock()
	defer t.mu.Unlock()
	w := World{Tenants: append([]Tenant{}, t.tenants...)}
	for _, a := range t.apps {
		c := *a
		c.Secret = ""
		w.Apps = append(w.Apps, c)
	}
	for _, u := range t.users {
		w.Users = append(w.Users, *u)
	}
	for _, b := range t.bots {
		w.Bots = append(w.Bots, *b)
	}
	for _, g := range t.groups {
		w.Groups = append(w.Groups, *g)
	}
	for _, c := range t.conversations {
		if !c.channel() {
			w.Chats = append(w.Chats, Chat{ID: c.chatID, Alias: c.alias, Type: c.kind, TenantID: c.tenant, Topic: c.name, Members: ids(c.members)})
		}
	}
	for _, tm := range t.teams {
		w.Teams = append(w.Teams, tm.describe())
	}
	return w
}

// The finders below take an id or an alias and want t.mu held.

func (t *Twin) home() string {
	if len(t.tenants) == 0 {
		return ""
	}
	return t.tenants[0].ID
}

func (t *Twin) findTenant(name string) *Tenant {
	for i, x := range t.tenants {
		if strings.EqualFold(x.ID, name) || x.Domain != "" && strings.EqualFold(x.Domain, name) {
			return &t.tenants[i]
		}
	}
	return nil
}

func (t *Twin) findUser(name string) *User {
	for _, u := range t.users {
		if name != "" && (u.ID == name || u.Alias == name || strings.EqualFold(u.UPN, name)) {
			return u
		}
	}
	return nil
}

func (t *Twin) findBot(name string) *Bot {
	for _, b := range t.bots {
		if name != "" && (b.ID == name || b.Alias == name) {
			return b
		}
	}
	return nil
}

func (t *Twin) findGroup(name string) *Group {
	for _, g := range t.groups {
		if name != "" && (g.ID == name || g.Alias == name) {
			return g
		}
	}
	return nil
}

// findConversation takes a chat id, chat:alias, a chat's alias, team/channel
// (ids or aliases), or a channel id.
func (t *Twin) findConversation(name string) *conversation {
	if name == "" {
		return nil
	}
	alias := strings.TrimPrefix(name, "chat:")
	teamName, channelName, both := strings.Cut(name, "/")
	for _, c := range t.conversations {
		switch {
		case c.channel() && c.channelID == name:
			return c
		case c.channel() && both:
			if (c.teamID == teamName || c.team.Alias == teamName) && (c.channelID == channelName || c.alias == channelName) {
				return c
			}
		case !c.channel() && (c.chatID == name || c.alias != "" && c.alias == alias):
			return c
		}
	}
	return nil
}

func (t *Twin) resolveUsers(names []string) ([]*User, error) {
	list := make([]*User, 0, len(names))
	for _, n := range names {
		u := t.findUser(n)
		if u == nil {
			return nil, fmt.Errorf("no user %q", n)
		}
		list = append(list, u)
	}
	return list, nil
}
