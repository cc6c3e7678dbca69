package graphtwin

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// route is one operation. A star in the pattern takes one segment.
type route struct {
	method, pattern string
	roles           []string // any one of them; nil: the handler checks
	serve           func(*Twin, *call) answer
}

// The permissions that each operation takes, least first.
var (
	readChat     = []string{"Chat.Read.All", "Chat.ReadWrite.All"}
	basicChat    = []string{"Chat.ReadBasic.All", "Chat.Read.All", "Chat.ReadWrite.All"}
	chatMembers  = []string{"ChatMember.Read.All", "Chat.ReadBasic.All", "Chat.Read.All", "Chat.ReadWrite.All"}
	patchChat    = []string{"Chat.UpdatePolicyViolation.All", "Chat.ReadWrite.All"}
	readChannel  = []string{"ChannelMessage.Read.All", "Group.Read.All", "Group.ReadWrite.All"}
	patchChannel = []string{"ChannelMessage.UpdatePolicyViolation.All", "Group.ReadWrite.All"}
	basicTeam    = []string{"Team.ReadBasic.All", "Group.Read.All", "Group.ReadWrite.All"}
	teamMembers  = []string{"TeamMember.Read.All", "Group.Read.All", "Group.ReadWrite.All", "ChannelMember.Read.All"}
	basicChannel = []string{"Channel.ReadBasic.All", "Group.Read.All", "Group.ReadWrite.All"}
	inChannel    = []string{"ChannelMember.Read.All", "Group.Read.All", "Group.ReadWrite.All"}
	readUser     = []string{"User.Read.All", "Directory.Read.All"}
)

// routes are the operations of Graph that exist here.
var routes = []route{
	{"POST", "subscriptions", nil, (*Twin).createSubscription},
	{"GET", "subscriptions", nil, (*Twin).listSubscriptions},
	{"GET", "subscriptions/*", nil, (*Twin).getSubscription},
	{"PATCH", "subscriptions/*", nil, (*Twin).patchSubscription},
	{"DELETE", "subscriptions/*", nil, (*Twin).deleteSubscription},
	{"POST", "subscriptions/*/reauthorize", nil, (*Twin).reauthorize},
	{"GET", "chats/*", basicChat, (*Twin).getChat},
	{"GET", "chats/*/members", chatMembers, (*Twin).listMembers},
	{"GET", "chats/*/messages/*", readChat, (*Twin).getMessage},
	{"PATCH", "chats/*/messages/*", patchChat, (*Twin).patchMessage},
	{"GET", "teams/*", basicTeam, (*Twin).getTeam},
	{"GET", "teams/*/members", teamMembers, (*Twin).listTeamMembers},
	{"GET", "teams/*/channels", basicChannel, (*Twin).listChannels},
	{"GET", "teams/*/channels/*", basicChannel, (*Twin).getChannel},
	{"GET", "teams/*/channels/*/members", inChannel, (*Twin).listMembers},
	{"GET", "teams/*/channels/*/allMembers", inChannel, (*Twin).listMembers},
	{"GET", "teams/*/channels/*/messages/*", readChannel, (*Twin).getMessage},
	{"PATCH", "teams/*/channels/*/messages/*", patchChannel, (*Twin).patchMessage},
	{"GET", "teams/*/channels/*/messages/*/replies/*", readChannel, (*Twin).getMessage},
	{"PATCH", "teams/*/channels/*/messages/*/replies/*", patchChannel, (*Twin).patchMessage},
	{"GET", "users", readUser, (*Twin).listUsers},
	{"GET", "users/*", readUser, (*Twin).getUser},
	{"POST", "users/*/checkMemberGroups", readUser, (*Twin).checkMemberGroups},
}

// match reports whether the path fits the pattern, and what its stars stand for.
func match(pattern string, path []string) ([]string, bool) {
	parts := strings.Split(pattern, "/")
	if len(parts) != len(path) {
		return nil, false
	}
	var args []string
	for i, p := range parts {
		switch {
		case p == "*" && path[i] != "":
			args = append(args, path[i])
		case !strings.EqualFold(p, path[i]):
			return nil, false
		}
	}
	return args, true
}

// serveGraph authorises, throttles and routes.
func (t *Twin) serveGraph(c *call) answer {
	t.mu.Lock()
	c.log.Body = string(c.body)
	t.mu.Unlock()
	if a, good := t.authorize(c); !good {
		return a
	}
	conversation, team := buckets(c.path)
	t.mu.Lock()
	a, slow := t.throttled(c, conversation, team)
	t.mu.Unlock()
	if slow {
		return a
	}
	known := false
	for _, r := range routes {
		args, fits := match(r.pattern, c.path)
		if !fits {
			continue
		}
		known = true
		if r.method != c.r.Method {
			continue
		}
		c.args = args
		if r.roles != nil {
			if a, allowed := c.allow(r.roles...); !allowed {
				return a
			}
		}
		return r.serve(t, c)
	}
	if known {
		return failure(http.StatusMethodNotAllowed, "BadRequest", "Request not applicable to target resource.")
	}
	return failure(http.StatusBadRequest, "BadRequest", "Resource not found for the segment '%s'.", c.path[len(c.path)-1])
}

// buckets names the conversation and the team whose limits a path falls under.
func buckets(path []string) (conversation, team string) {
	if len(path) < 2 {
		return "", ""
	}
	switch strings.ToLower(path[0]) {
	case "chats":
		return path[1], ""
	case "teams":
		if len(path) > 3 {
			return path[1] + "/" + path[3], path[1]
		}
		return "", path[1]
	}
	return "", ""
}

func notFound(what string) answer {
	return failure(http.StatusNotFound, "NotFound", "%s was not found.", what)
}

// needJSON checks that a write carries JSON.
func (c *call) needJSON() (answer, bool) {
	contentType := c.r.Header.Get("Content-Type")
	switch {
	case contentType == "":
		return failure(http.StatusBadRequest, "BadRequest", "Write requests (excluding DELETE) must contain the Content-Type header declaration."), true
	case !strings.HasPrefix(strings.ToLower(contentType), "application/json"):
		return failure(http.StatusUnsupportedMediaType, "UnsupportedMediaType", "The Content-Type must be application/json."), true
	case len(c.body) == 0:
		return failure(http.StatusBadRequest, "BadRequest", "Empty Payload. JSON content expected."), true
	}
	return answer{}, false
}

// at finds the conversation of a chats or teams path, as the caller may see it;
// t.mu is held.
func (t *Twin) at(c *call) *conversation {
	var conv *conversation
	if strings.EqualFold(c.path[0], "chats") {
		conv = t.conversationByID("", c.args[0])
	} else {
		conv = t.conversationByID(c.args[0], c.args[1])
	}
	if conv == nil || !conv.visible(c.from.tenant) {
		return nil
	}
	return conv
}

func (t *Twin) conversationByID(team, id string) *conversation {
	for _, c := range t.conversations {
		if team == "" && c.chatID == id || team != "" && strings.EqualFold(c.teamID, team) && c.channelID == id {
			return c
		}
	}
	return nil
}

// message finds the message of a path; t.mu is held.
func (t *Twin) message(c *call) *message {
	conv := t.at(c)
	if conv == nil {
		return nil
	}
	n := len(c.args)
	key := messageKey("", c.args[n-1])
	if n == 4 {
		key = messageKey(c.args[2], c.args[3])
	}
	m := conv.messages[key]
	if m != nil {
		c.log.MessageID = m.ref
	}
	return m
}

func (t *Twin) getMessage(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.message(c)
	if m == nil {
		return notFound("The message")
	}
	return ok(t.wire(m, reading{tenant: c.from.tenant, unknownMembers: prefersUnknown(c.r)}))
}

// ordered is a JSON object with its properties in order.
type ordered []property

type property struct {
	name  string
	value any
}

// MarshalJSON implements json.Marshaler.
func (o ordered) MarshalJSON() ([]byte, error) {
	b := []byte{'{'}
	for i, p := range o {
		if i > 0 {
			b = append(b, ',')
		}
		v, err := json.Marshal(p.value)
		if err != nil {
			return nil, err
		}
		b = strconv.AppendQuote(b, p.name)
		b = append(append(b, ':'), v...)
	}
	return append(b, '}'), nil
}

const contextRoot = "https://graph.microsoft.com/v1.0/$metadata#"

// nullable is s, or null if it is empty.
func nullable(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func (t *Twin) getChat(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	conv := t.at(c)
	if conv == nil {
		return notFound("The chat")
	}
	var meeting any
	if conv.kind == "meeting" {
		meeting = map[string]any{"calendarEventId": nil, "joinWebUrl": "https://teams.microsoft.com/l/meetup-join/" + url.PathEscape(conv.chatID) + "/0", "organizer": nil}
	}
	return ok(ordered{
		{"@odata.context", contextRoot + "chats/$entity"}, {"id", conv.chatID}, {"topic", nullable(conv.name)}, {"createdDateTime", stamp(conv.created)},
		{"lastUpdatedDateTime", stamp(conv.created)}, {"chatType", oddCase(conv.kind, t.switches.OddCasing)},
		{"webUrl", "https://teams.microsoft.com/l/chat/" + url.PathEscape(conv.chatID) + "/0?tenantId=" + conv.tenant},
		{"tenantId", conv.tenant}, {"onlineMeetingInfo", meeting}, {"viewpoint", nil},
	})
}

func (t *Twin) listMembers(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	conv := t.at(c)
	if conv == nil {
		return notFound("The conversation")
	}
	list := []any{}
	for i, u := range conv.people() {
		list = append(list, t.member(u, conv, conv.channel() && i == 0))
	}
	what := "chats('" + url.QueryEscape(conv.chatID) + "')/members"
	if conv.channel() {
		what = "teams('" + conv.teamID + "')/channels('" + url.QueryEscape(conv.channelID) + "')/" + c.path[len(c.path)-1]
	}
	return t.page(c, what, list)
}

func (t *Twin) listTeamMembers(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	tm := t.teamOf(c)
	if tm == nil {
		return notFound("The team")
	}
	list := []any{}
	for i, u := range tm.members {
		list = append(list, t.member(u, &conversation{teamID: tm.ID, tenant: tm.TenantID}, i == 0))
	}
	return t.page(c, "teams('"+tm.ID+"')/members", list)
}

// member is a conversationMember. Its type follows the kind of account; the
// e-mail of another tenant's user is null, as it often is at Graph.
func (t *Twin) member(u *User, conv *conversation, owner bool) ordered {
	roles := []string{}
	switch {
	case owner:
		roles = append(roles, "owner")
	case u.Guest:
		roles = append(roles, "guest")
	case !conv.channel() && u.TenantID == conv.tenant:
		roles = append(roles, "owner") // everybody in a chat is
	}
	for i := range roles {
		roles[i] = oddCase(roles[i], t.switches.OddCasing)
	}
	id := base64.StdEncoding.EncodeToString([]byte("1##" + conv.tenant + "##" + conv.key() + "##" + u.ID))
	out := ordered{{"@odata.type", ""}, {"id", id}, {"roles", roles}, {"displayName", u.Name}, {"visibleHistoryStartDateTime", "0001-01-01T00:00:00Z"}}
	kind := "aadUser"
	switch u.Identity {
	case "skypeUser":
		kind, out = "skypeUser", append(out, property{"skypeId", u.ID})
	case "anonymousGuest":
		kind, out = "anonymousGuest", append(out, property{"anonymousGuestId", u.ID})
	case "personalMicrosoftAccountUser":
		kind, out = "microsoftAccountUser", append(out, property{"userId", u.ID})
	case "phoneUser":
		kind, out = "phoneUser", append(out, property{"phoneNumber", u.ID})
	default:
		mail := nullable(u.Mail)
		if u.TenantID != conv.tenant {
			mail = nil
		}
		out = append(out, property{"userId", u.ID}, property{"email", mail}, property{"tenantId", u.TenantID})
	}
	out[0].value = "#microsoft.graph." + kind + "ConversationMember"
	return out
}

func (t *Twin) teamOf(c *call) *team {
	for _, tm := range t.teams {
		if strings.EqualFold(tm.ID, c.args[0]) && tm.TenantID == c.from.tenant {
			return tm
		}
	}
	return nil
}

func (t *Twin) getTeam(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	tm := t.teamOf(c)
	if tm == nil {
		return failure(http.StatusNotFound, "NotFound", "No team found with Group Id %s", c.args[0])
	}
	return ok(selected(c, ordered{
		{"@odata.context", contextRoot + "teams/$entity"}, {"id", tm.ID}, {"displayName", tm.Name}, {"description", nil}, {"internalId", nil},
		{"classification", nil}, {"visibility", oddCase("private", t.switches.OddCasing)}, {"tenantId", tm.TenantID}, {"isArchived", false},
		{"webUrl", "https://teams.microsoft.com/l/team/" + tm.ID},
	}))
}

func (t *Twin) wireChannel(conv *conversation, r *http.Request, context string) ordered {
	kind := conv.kind
	if kind == "shared" && !prefersUnknown(r) {
		kind = "unknownFutureValue"
	}
	out := ordered{
		{"id", conv.channelID}, {"createdDateTime", stamp(conv.created)}, {"displayName", conv.name}, {"description", nil}, {"isFavoriteByDefault", nil},
		{"email", nil}, {"tenantId", conv.tenant}, {"webUrl", "https://teams.microsoft.com/l/channel/" + url.PathEscape(conv.channelID)},
		{"membershipType", oddCase(kind, t.switches.OddCasing)}, {"isArchived", false},
	}
	if context != "" {
		out = slices.Insert(out, 0, property{"@odata.context", context})
	}
	return out
}

func (t *Twin) getChannel(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	conv := t.at(c)
	if conv == nil {
		return notFound("The channel")
	}
	return ok(selected(c, t.wireChannel(conv, c.r, contextRoot+"teams('"+conv.teamID+"')/channels/$entity")))
}

func (t *Twin) listChannels(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	tm := t.teamOf(c)
	if tm == nil {
		return notFound("The team")
	}
	list := []any{}
	for _, conv := range tm.channels {
		list = append(list, t.wireChannel(conv, c.r, ""))
	}
	return t.page(c, "teams('"+tm.ID+"')/channels", list)
}

// userProperties are what GET of a user gives without $select; userType and
// others come only when asked for.
var userProperties = []string{"businessPhones", "displayName", "givenName", "jobTitle", "mail", "mobilePhone", "officeLocation", "preferredLanguage", "surname", "userPrincipalName", "id"}

func (t *Twin) wireUserObject(c *call, u *User, context string) ordered {
	kind := "Member"
	if u.Guest {
		kind = "Guest"
	}
	if t.switches.OddCasing {
		kind = strings.ToLower(kind)
	}
	given, surname, _ := strings.Cut(u.Name, " ")
	all := ordered{
		{"@odata.context", context}, {"businessPhones", []string{}}, {"displayName", u.Name}, {"givenName", given}, {"jobTitle", nullable(u.JobTitle)},
		{"mail", nullable(u.Mail)}, {"mobilePhone", nil}, {"officeLocation", nil}, {"preferredLanguage", nil}, {"surname", surname},
		{"userPrincipalName", u.UPN}, {"id", u.ID}, {"department", nullable(u.Department)}, {"companyName", nil}, {"country", nil},
		{"userType", kind}, {"accountEnabled", true},
	}
	if context == "" {
		all = all[1:]
	}
	if c.r.URL.Query().Get("$select") != "" {
		return selected(c, all)
	}
	return slices.DeleteFunc(all, func(p property) bool {
		return p.name != "@odata.context" && !slices.Contains(userProperties, p.name)
	})
}

// selected keeps what $select names; all of it without one.
func selected(c *call, o ordered) ordered {
	sel := c.r.URL.Query().Get("$select")
	if sel == "" {
		return o
	}
	names := strings.Split(sel, ",")
	for i := range names {
		names[i] = strings.TrimSpace(names[i])
	}
	return slices.DeleteFunc(o, func(p property) bool {
		return !strings.HasPrefix(p.name, "@odata.") && !slices.Contains(names, p.name)
	})
}

// person finds a directory object of the caller's tenant; t.mu is held.
func (t *Twin) person(c *call) (*User, answer, bool) {
	for _, u := range t.users {
		if u.TenantID == c.from.tenant && u.Identity == "" && (strings.EqualFold(u.ID, c.args[0]) || u.UPN != "" && strings.EqualFold(u.UPN, c.args[0])) {
			return u, answer{}, true
		}
	}
	return nil, failure(http.StatusNotFound, "Request_ResourceNotFound", "Resource '%s' does not exist or one of its queried reference-property objects are not present.", c.args[0]), false
}

func (t *Twin) getUser(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	u, a, found := t.person(c)
	if !found {
		return a
	}
	return ok(t.wireUserObject(c, u, contextRoot+"users/$entity"))
}

func (t *Twin) listUsers(c *call) answer {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := []any{}
	for _, u := range t.users {
		if u.TenantID == c.from.tenant && u.Identity == "" {
			list = append(list, t.wireUserObject(c, u, ""))
		}
	}
	return t.page(c, "users", list)
}

var guidForm = regexp.MustCompile(`^[0-9a-fA-F]{8}-([0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$`)

// maxGroupIDs is the most that checkMemberGroups takes.
const maxGroupIDs = 20

func (t *Twin) checkMemberGroups(c *call) answer {
	if a, bad := c.needJSON(); bad {
		return a
	}
	if a, allowed := c.allow("GroupMember.Read.All", "Directory.Read.All"); !allowed {
		return a
	}
	var body struct {
		GroupIDs []string `json:"groupIds"`
	}
	if json.Unmarshal(c.body, &body) != nil {
		return failure(http.StatusBadRequest, "BadRequest", "Unable to read JSON request payload.")
	}
	if len(body.GroupIDs) > maxGroupIDs {
		return failure(http.StatusBadRequest, "Request_BadRequest", "The collection 'groupIds' must not hold more than 20 elements.")
	}
	for _, id := range body.GroupIDs {
		if !guidForm.MatchString(id) {
			return failure(http.StatusBadRequest, "Request_BadRequest", "Invalid object identifier '%s'.", id)
		}
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	u, a, found := t.person(c)
	if !found {
		return a
	}
	list := []any{}
	for _, id := range body.GroupIDs {
		g := t.findGroup(strings.ToLower(id))
		if g != nil && g.TenantID == c.from.tenant && t.inGroup(u.ID, g, 0) {
			list = append(list, g.ID)
		}
	}
	return ok(ordered{{"@odata.context", contextRoot + "Collection(Edm.String)"}, {"value", list}})
}

// inGroup follows nested groups, at most ten deep.
func (t *Twin) inGroup(user string, g *Group, depth int) bool {
	if depth > 10 {
		return false
	}
	for _, m := range g.Members {
		if m == user {
			return true
		}
		if nested := t.findGroup(m); nested != nil && t.inGroup(user, nested, depth+1) {
			return true
		}
	}
	return false
}

// page is one page of a list, with an opaque link to the next. $top asks for
// smaller pages.
func (t *Twin) page(c *call, what string, list []any) answer {
	q := c.r.URL.Query()
	from := 0
	if token := q.Get("$skiptoken"); token != "" {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if from, _ = strconv.Atoi(string(raw)); err != nil || from <= 0 || from > len(list) {
			return failure(http.StatusBadRequest, "BadRequest", "The skip token is not valid.")
		}
	}
	size := t.opts.PageSize
	if top := q.Get("$top"); top != "" {
		n, err := strconv.Atoi(top)
		if err != nil || n < 1 {
			return failure(http.StatusBadRequest, "BadRequest", "Invalid value '%s' for $top.", top)
		}
		size = min(size, n)
	}
	to := min(from+size, len(list))
	out := ordered{{"@odata.context", contextRoot + what}}
	if to < len(list) {
		q.Set("$skiptoken", base64.RawURLEncoding.EncodeToString([]byte(strconv.Itoa(to))))
		out = append(out, property{"@odata.nextLink", c.base + c.r.URL.EscapedPath() + "?" + q.Encode()})
	}
	return ok(append(out, property{"value", list[from:to]}))
}
