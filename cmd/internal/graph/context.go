package graph

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"strings"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/graph/limit"
	"teamsdlp/policy"
)

const (
	maxPages       = 100 // of members
	groupsPerCheck = 20  // ids that checkMemberGroups takes
)

// title is what hardly ever changes about a conversation.
type title struct{ kind, name string }

// Conversation returns kind, name and members of the chat or channel that t's
// message is in. Members are believed for 10 minutes, the rest for a day. It
// takes two calls of the one a second that Graph allows for a conversation, or
// one if only the members are old, and one more for each further page of members.
//
// A member is external if it is not an account of this tenant: another kind of
// account than a work account, one of another tenant, or a guest. Roles prove
// nothing else, since members of other tenants can be owners.
func (c *Client) Conversation(ctx context.Context, t actions.Target) (*policy.Conversation, error) {
	if t.MessageID == "" {
		t.MessageID = "-" // it is not looked at
	}
	if err := c.checkTarget(t); err != nil {
		return nil, err
	}
	at := turn(t, around)
	name, ok := c.cache.names.get(at.Conversation)
	if !ok {
		var fault *actions.CallError
		if name, fault = c.title(ctx, t, at); fault != nil {
			return nil, fault
		}
		c.cache.names.put(at.Conversation, name, nameLife)
	}
	members, ok := c.cache.members.get(at.Conversation)
	if !ok {
		var fault *actions.CallError
		if members, fault = c.members(ctx, t, at); fault != nil {
			return nil, fault
		}
	}
	return &policy.Conversation{Kind: name.kind, Name: name.name, Members: append([]policy.Member(nil), members...)}, nil
}

// ForgetMembers drops what is known of the members of t's conversation: Teams said
// that they changed. For a channel it is those of every channel of its team: who joins
// a team is in all that are standard, and only one of them is told.
func (c *Client) ForgetMembers(t actions.Target) {
	at := turn(t, around)
	if at.Team == "" {
		c.cache.members.drop(at.Conversation)
		c.cache.rosters.drop(at.Conversation)
		return
	}
	c.cache.members.dropUnder(at.Team + "/")
	c.cache.rosters.dropUnder(at.Team + "/")
}

func (c *Client) conversationURL(t actions.Target) *url.URL {
	if t.ChatID != "" {
		return c.base.JoinPath("chats", url.PathEscape(t.ChatID))
	}
	return c.base.JoinPath("teams", url.PathEscape(t.TeamID), "channels", url.PathEscape(t.ChannelID))
}

func (c *Client) title(ctx context.Context, t actions.Target, at limit.Call) (title, *actions.CallError) {
	data, fault := c.get(ctx, "conversation", at, c.conversationURL(t))
	if fault != nil {
		return title{}, fault
	}
	var body struct {
		ChatType       string `json:"chatType"`
		Topic          string `json:"topic"`
		MembershipType string `json:"membershipType"`
		DisplayName    string `json:"displayName"`
	}
	if json.Unmarshal(data, &body) != nil {
		return title{}, unreadable()
	}
	if t.ChatID != "" {
		return title{known(body.ChatType, "oneOnOne", "group", "meeting"), body.Topic}, nil
	}
	return title{known(body.MembershipType, "standard", "private", "shared"), body.DisplayName}, nil
}

// known returns the word among words that s is in any casing, or "".
func known(s string, words ...string) string {
	for _, w := range words {
		if strings.EqualFold(strings.TrimSpace(s), w) {
			return w
		}
	}
	return ""
}

// members reads all members, page by page, and keeps them. For channels it is
// allMembers, which holds those of other tenants and of teams that the channel is
// shared with. Of a large team it takes longer than a verdict waits, at the one call a
// second that Graph allows: what was read when ctx ends is gone on from the next time.
func (c *Client) members(ctx context.Context, t actions.Target, at limit.Call) ([]policy.Member, *actions.CallError) {
	r, ok := c.cache.rosters.get(at.Conversation)
	c.cache.rosters.drop(at.Conversation)
	if !ok {
		r = roster{begun: c.clock(), next: c.conversationURL(t).JoinPath("allMembers")}
		if t.ChatID != "" {
			r.next = c.conversationURL(t).JoinPath("members")
		}
	}
	life := memberLife - c.clock().Sub(r.begun)
	for ; r.pages < maxPages; r.pages++ {
		data, fault := c.get(ctx, "conversation", at, r.next)
		if fault != nil {
			if ctx.Err() != nil {
				c.cache.rosters.put(at.Conversation, r, life)
			}
			return nil, fault
		}
		var page struct {
			Value []member `json:"value"`
			Next  string   `json:"@odata.nextLink"`
		}
		if json.Unmarshal(data, &page) != nil || page.Value == nil {
			return nil, unreadable()
		}
		for _, m := range page.Value {
			r.members = append(r.members, m.policy(c.tenant))
		}
		if page.Next == "" {
			c.cache.members.put(at.Conversation, r.members, life)
			return r.members, nil
		}
		next, err := url.Parse(page.Next)
		if err != nil || !sameHost(next, c.base) {
			return nil, &actions.CallError{Code: "foreign_host", NotSent: true}
		}
		r.next = next
	}
	return nil, unreadable()
}

// member is a conversationMember of any kind.
type member struct {
	Type     string   `json:"@odata.type"`
	UserID   string   `json:"userId"`
	TenantID string   `json:"tenantId"`
	Email    string   `json:"email"`
	Roles    []string `json:"roles"`
}

func (m member) policy(home string) policy.Member {
	out := policy.Member{ID: m.UserID, TenantID: m.TenantID, Domain: domain(m.Email)}
	for _, role := range m.Roles {
		out.Guest = out.Guest || strings.EqualFold(role, "guest")
	}
	work := m.Type == "" || strings.EqualFold(strings.TrimPrefix(m.Type, "#"), "microsoft.graph.aadUserConversationMember")
	out.External = !work || out.Guest || (m.TenantID != "" && !strings.EqualFold(m.TenantID, home))
	return out
}

// domain is what follows the @ of an address, in lower case.
func domain(address string) string {
	at := strings.LastIndexByte(address, '@')
	if at < 0 {
		return ""
	}
	return strings.ToLower(strings.TrimSpace(address[at+1:]))
}

// Person returns what Graph has of an account, believed for an hour. One that is
// not in this tenant is an *actions.CallError with status 404.
func (c *Client) Person(ctx context.Context, userID string) (*policy.Person, error) {
	if err := checkIDs(userID); err != nil {
		return nil, err
	}
	key := strings.ToLower(userID)
	if p, ok := c.cache.people.get(key); ok {
		if p == nil {
			return nil, &actions.CallError{Status: http.StatusNotFound, Code: "not_in_tenant"}
		}
		known := *p
		return &known, nil
	}
	u := c.base.JoinPath("users", url.PathEscape(userID))
	u.RawQuery = "$select=id,userPrincipalName,mail,userType"
	data, fault := c.get(ctx, "person", limit.Call{Workload: workUsers, Priority: around}, u)
	if fault != nil {
		if fault.Gone() {
			c.cache.people.put(key, nil, strangerLife)
		}
		return nil, fault
	}
	var body struct {
		Principal string `json:"userPrincipalName"`
		Mail      string `json:"mail"`
		UserType  string `json:"userType"`
	}
	if json.Unmarshal(data, &body) != nil {
		return nil, unreadable()
	}
	p := policy.Person{Guest: strings.EqualFold(body.UserType, "guest"), Domain: domain(body.Principal)}
	// A guest's principal name is of this tenant, as jo_example.com#EXT#@contoso.onmicrosoft.com.
	if d := domain(body.Mail); d != "" && (p.Guest || p.Domain == "") {
		p.Domain = d
	}
	held := p
	c.cache.people.put(key, &held, personLife)
	return &p, nil
}

// Groups returns those of the groups that the account is a member of, directly
// or through other groups, believed for an hour. Ids that are no GUID are left
// out: one of them would make Graph refuse the whole question.
func (c *Client) Groups(ctx context.Context, userID string, groups []string) ([]string, error) {
	if err := checkIDs(userID); err != nil {
		return nil, err
	}
	user := strings.ToLower(userID)
	var in, ask []string
	for _, g := range groups {
		if !guid(g) {
			continue
		}
		switch member, ok := c.cache.groups.get(user + "/" + strings.ToLower(g)); {
		case !ok:
			ask = append(ask, g)
		case member:
			in = append(in, g)
		}
	}
	for len(ask) > 0 {
		n := min(len(ask), groupsPerCheck)
		found, fault := c.checkGroups(ctx, userID, ask[:n])
		if fault != nil {
			return nil, fault
		}
		for _, g := range ask[:n] {
			member := found[strings.ToLower(g)]
			c.cache.groups.put(user+"/"+strings.ToLower(g), member, personLife)
			if member {
				in = append(in, g)
			}
		}
		ask = ask[n:]
	}
	return in, nil
}

func (c *Client) checkGroups(ctx context.Context, userID string, groups []string) (map[string]bool, *actions.CallError) {
	body, err := json.Marshal(map[string][]string{"groupIds": groups})
	if err != nil {
		return nil, refused("invalid_target")
	}
	u := c.base.JoinPath("users", url.PathEscape(userID), "checkMemberGroups")
	data, fault := c.send(ctx, "groups", limit.Call{Workload: workUsers, Priority: around}, http.MethodPost, u, body)
	if fault != nil {
		return nil, fault
	}
	var answer struct {
		Value []string `json:"value"`
	}
	if json.Unmarshal(data, &answer) != nil || answer.Value == nil {
		return nil, unreadable()
	}
	found := map[string]bool{}
	for _, g := range answer.Value {
		found[strings.ToLower(g)] = true
	}
	return found, nil
}

// unreadable is for an answer that says success and is not what was asked for.
// It is treated like one of a broken gateway.
func unreadable() *actions.CallError {
	return &actions.CallError{Status: http.StatusBadGateway, Code: "unreadable_answer"}
}

// guid reports whether a text is 32 hex digits in groups of 8-4-4-4-12.
var guid = regexp.MustCompile(`(?i)^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$`).MatchString
