package graphtwin

import (
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/url"
	"sort"
	"strconv"
	"time"
)

// Post is something to be said. As and one of In, or Team and Channel, are
// required, and some content.
type Post struct {
	As string `json:"as"` // a user or bot, by id or alias
	// In is a conversation: a chat id or alias, "chat:alias", "team/channel" by
	// ids or aliases, or a channel id.
	In      string `json:"in"`
	ReplyTo string `json:"reply_to"` // root message in a channel, by Message.ID

	HTML        string       `json:"html"`
	Text        string       `json:"text"` // instead of HTML: contentType text
	Subject     string       `json:"subject"`
	Summary     string       `json:"summary"`
	Importance  string       `json:"importance"` // normal (default), high, urgent
	Attachments []Attachment `json:"attachments"`
	Mentions    []string     `json:"mentions"` // users, in the order of <at id="n">

	ForwardOf string `json:"forward_of"` // Message.ID: becomes a forwardedMessageReference, body empty but for it
	QuoteOf   string `json:"quote_of"`   // Message.ID: becomes a messageReference in front of the body

	// SystemEvent makes a systemEventMessage from nobody, as membersAdded.
	SystemEvent string `json:"system_event"`
	// GraphID is the chatMessage id. Default: the time in Unix milliseconds,
	// unique in the twin. Given ids must be unique in their conversation only,
	// as Graph's are.
	GraphID string `json:"graph_id"`
}

// Attachment is Graph's chatMessageAttachment. Empty fields are null on the wire.
type Attachment struct {
	ID           string `json:"id"`
	ContentType  string `json:"content_type"`
	ContentURL   string `json:"content_url"`
	Content      string `json:"content"` // a JSON text, where it is JSON
	Name         string `json:"name"`
	ThumbnailURL string `json:"thumbnail_url"`
	TeamsAppID   string `json:"teams_app_id"`
}

// Message is a message as the twin has it now.
type Message struct {
	ID           string    `json:"id"`       // unique in the twin: what every call of ours takes
	GraphID      string    `json:"graph_id"` // chatMessage id, unique in its conversation
	Path         string    `json:"path"`     // its Graph path, from /chats or /teams on
	TenantID     string    `json:"tenant_id"`
	Conversation string    `json:"conversation"` // chat id, or team id/channel id
	Alias        string    `json:"alias,omitempty"`
	ChatID       string    `json:"chat_id,omitempty"`
	TeamID       string    `json:"team_id,omitempty"`
	ChannelID    string    `json:"channel_id,omitempty"`
	ReplyTo      string    `json:"reply_to,omitempty"` // chatMessage id of the root
	SenderID     string    `json:"sender_id,omitempty"`
	Sender       string    `json:"sender,omitempty"`
	ETag         string    `json:"etag"`
	Created      time.Time `json:"created"`
	Modified     time.Time `json:"modified"`
	Edited       time.Time `json:"edited,omitzero"`
	Deleted      time.Time `json:"deleted,omitzero"`
}

// Patch is one PATCH that reached a message and what it was answered.
type Patch struct {
	At        time.Time       `json:"at"`
	AppID     string          `json:"app_id"`
	Status    int             `json:"status"`
	RequestID string          `json:"request_id"`
	Body      json.RawMessage `json:"body"` // as sent; a JSON string if it was not JSON
	Applied   bool            `json:"applied"`
}

// View is what Teams shows of a message, and how it came to that.
type View struct {
	Message
	// Text is the content as its readers see it: markup, or Placeholder while it
	// is blocked, or empty once deleted.
	Text string `json:"text"`
	// Blocked says that no reader but the sender can read it; BlockedExternal,
	// that readers outside the organisation cannot.
	Blocked         bool             `json:"blocked"`
	BlockedExternal bool             `json:"blocked_external"`
	IsDeleted       bool             `json:"is_deleted"`
	PolicyViolation *PolicyViolation `json:"policy_violation"`
	// PatchCount counts the PATCHes that were applied; Patches holds the
	// refused ones too.
	PatchCount int     `json:"patch_count"`
	Patches    []Patch `json:"patches,omitempty"`
	// BlockedAt is when it was first blocked; ReleasedAt when it was last
	// readable again. Zero: never.
	BlockedAt  time.Time `json:"blocked_at,omitzero"`
	ReleasedAt time.Time `json:"released_at,omitzero"`
}

// Placeholder is what readers see in place of a blocked message.
const Placeholder = "This message was blocked."

// Errors of what a sender tries to do.
var (
	// ErrNoMessage is returned for an id that names no message, or several.
	ErrNoMessage = errors.New("no such message")
	// ErrNotAllowed is returned when Teams would not offer the sender the action.
	ErrNotAllowed = errors.New("the policy violation does not allow this")
	// ErrJustification is returned for an override without the text it needs.
	ErrJustification = errors.New("a justification is required")
	// ErrDeleted is returned for an action on a deleted message.
	ErrDeleted = errors.New("message is deleted")
)

type message struct {
	ref                             string
	conv                            *conversation
	id, replyTo                     string
	user                            *User
	bot                             *Bot
	created, modified, edited, gone time.Time
	stamp                           int64 // etag
	subject, summary, importance    string
	contentType, content            string
	version                         int // counts edits of the content
	attachments                     []Attachment
	mentions                        []*User
	reactions                       []reaction
	event                           string
	pv                              *violation
	patches                         []Patch
	applied                         int
	blockedAt, releasedAt           time.Time
}

type reaction struct {
	kind string
	by   *User
	at   time.Time
}

// Say posts a message and notifies whoever subscribed to it.
func (t *Twin) Say(p Post) (Message, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m, err := t.compose(p)
	if err != nil {
		return Message{}, fmt.Errorf("saying something in %q: %w", p.In, err)
	}
	m.conv.messages[m.key()] = m
	t.messages[m.ref] = m
	t.order = append(t.order, m.ref)
	t.notify(m, "created")
	t.changed()
	return m.describe(), nil
}

// Reply posts p as a reply to a channel message.
func (t *Twin) Reply(id string, p Post) (Message, error) {
	root, err := t.Message(id)
	if err != nil {
		return Message{}, err
	}
	p.In, p.ReplyTo = root.Conversation, id
	return t.Say(p)
}

// Forward posts p as a forward of a message.
func (t *Twin) Forward(id string, p Post) (Message, error) {
	p.ForwardOf = id
	return t.Say(p)
}

func (t *Twin) compose(p Post) (*message, error) {
	conv := t.findConversation(p.In)
	if conv == nil {
		return nil, errors.New("no such conversation")
	}
	now := t.now()
	m := &message{
		conv: conv, subject: p.Subject, summary: p.Summary, importance: p.Importance, event: p.SystemEvent,
		contentType: "html", content: p.HTML, attachments: append([]Attachment{}, p.Attachments...),
	}
	if p.Text != "" {
		m.contentType, m.content = "text", p.Text
	}
	if m.importance == "" {
		m.importance = "normal"
	}
	if m.event != "" {
		m.content = "<systemEventMessage/>"
	} else if m.user, m.bot = t.findUser(p.As), t.findBot(p.As); m.user == nil && m.bot == nil {
		return nil, fmt.Errorf("no user or bot %q", p.As)
	}
	if p.ReplyTo != "" {
		root := t.find(p.ReplyTo)
		if root == nil || root.conv != conv || !conv.channel() || root.replyTo != "" {
			return nil, fmt.Errorf("reply to %q: %w", p.ReplyTo, ErrNoMessage)
		}
		m.replyTo = root.id
	}
	mentions, err := t.resolveUsers(p.Mentions)
	if err != nil {
		return nil, err
	}
	m.mentions = mentions
	if err := t.attach(m, p); err != nil {
		return nil, err
	}
	for i := range m.attachments {
		if m.attachments[i].ID == "" {
			m.attachments[i].ID = t.newGUID()
		}
	}
	m.stamp = t.newStamp(now)
	m.id = p.GraphID
	if m.id == "" {
		m.id = strconv.FormatInt(m.stamp, 10)
	}
	if conv.messages[m.key()] != nil {
		return nil, fmt.Errorf("message id %s is taken", m.id)
	}
	m.created = time.UnixMilli(m.stamp).UTC()
	m.modified = m.created
	t.refs++
	m.ref = "m" + strconv.Itoa(t.refs)
	return m, nil
}

// attach adds what a quote or a forward carries.
func (t *Twin) attach(m *message, p Post) error {
	if p.ForwardOf != "" {
		src := t.find(p.ForwardOf)
		if src == nil {
			return fmt.Errorf("forward of %q: %w", p.ForwardOf, ErrNoMessage)
		}
		m.attachments = append(m.attachments, Attachment{ID: src.id, ContentType: "forwardedMessageReference", Content: encode(map[string]any{
			"originalMessageId": src.id, "originalMessageContent": src.markup(), "originalConversationId": src.conv.threadID(),
			"originalSentDateTime": stamp(src.created), "originalMessageSender": src.reference(),
		})})
		m.content = `<attachment id="` + src.id + `"></attachment>` + m.content
	}
	if p.QuoteOf != "" {
		src := t.find(p.QuoteOf)
		if src == nil {
			return fmt.Errorf("quote of %q: %w", p.QuoteOf, ErrNoMessage)
		}
		m.attachments = append(m.attachments, Attachment{ID: src.id, ContentType: "messageReference", Content: encode(map[string]any{
			"messageId": src.id, "messagePreview": src.content, "messageSender": src.reference(),
		})})
		m.content = `<attachment id="` + src.id + `"></attachment>` + m.content
	}
	return nil
}

func encode(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic("graphtwin: encoding an attachment: " + err.Error())
	}
	return string(b)
}

func (c *conversation) threadID() string {
	if c.channel() {
		return c.channelID
	}
	return c.chatID
}

// markup is the content as HTML, whatever its type.
func (m *message) markup() string {
	if m.contentType == "text" {
		return html.EscapeString(m.content)
	}
	return m.content
}

func (m *message) reference() map[string]any {
	ref := map[string]any{"application": nil, "device": nil, "user": nil}
	switch {
	case m.user != nil:
		ref["user"] = map[string]any{"userIdentityType": "aadUser", "id": m.user.ID, "displayName": m.user.Name}
	case m.bot != nil:
		ref["application"] = map[string]any{"applicationIdentityType": m.bot.Identity, "id": m.bot.ID, "displayName": m.bot.Name}
	}
	return ref
}

// Edit changes a message's text, as its sender does in Teams. The new text is
// HTML, whatever it was before.
func (t *Twin) Edit(id, html string) (Message, error) {
	return t.change(id, "updated", func(m *message, now time.Time) error {
		m.contentType, m.content = "html", html
		m.version++
		m.edited = now
		if t.switches.EditClears && m.pv != nil {
			m.setViolation(nil, now)
		}
		return nil
	})
}

// Delete deletes a message, as its sender does.
func (t *Twin) Delete(id string) (Message, error) {
	return t.change(id, "deleted", func(m *message, now time.Time) error {
		m.gone = now
		m.content = ""
		m.version++
		m.attachments, m.mentions, m.reactions = nil, nil, nil
		return nil
	})
}

// Override is the sender's "override and send". It returns ErrNotAllowed where
// Teams would not offer it and ErrJustification where text is required.
func (t *Twin) Override(id, justification string) (Message, error) {
	return t.change(id, "updated", func(m *message, now time.Time) error {
		switch {
		case m.pv == nil || m.pv.action == 0:
			return fmt.Errorf("override of a message that has no violation: %w", ErrNotAllowed)
		case m.pv.details&allowOverrideWithJustification != 0 && justification == "":
			return ErrJustification
		case m.pv.details&(allowOverrideWithJustification|allowOverrideWithoutJustification) == 0:
			return fmt.Errorf("override: %w", ErrNotAllowed)
		}
		next := *m.pv
		next.user |= userOverride
		if justification != "" {
			next.justification = &justification
		}
		m.setViolation(&next, now)
		return nil
	})
}

// Report is the sender's report of a false positive. It is offered wherever
// there is a policy tip, and un-blocks under allowFalsePositiveOverride.
func (t *Twin) Report(id string) (Message, error) {
	return t.change(id, "updated", func(m *message, now time.Time) error {
		if m.pv == nil || m.pv.action == 0 || m.pv.tip == nil {
			return fmt.Errorf("report of a message without a policy tip: %w", ErrNotAllowed)
		}
		next := *m.pv
		next.user |= userReport
		if next.details&allowFalsePositiveOverride != 0 {
			next.user |= userOverride
		}
		m.setViolation(&next, now)
		return nil
	})
}

// React adds a reaction by somebody: it raises updated and changes no text.
func (t *Twin) React(id, by, kind string) (Message, error) {
	return t.change(id, "updated", func(m *message, now time.Time) error {
		u := t.findUser(by)
		if u == nil {
			return fmt.Errorf("no user %q", by)
		}
		m.reactions = append(m.reactions, reaction{kind, u, now})
		return nil
	})
}

// change applies do to a message, moves its version on, and notifies.
func (t *Twin) change(id, changeType string, do func(m *message, now time.Time) error) (Message, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.find(id)
	if m == nil {
		return Message{}, fmt.Errorf("message %s: %w", id, ErrNoMessage)
	}
	if !m.gone.IsZero() {
		return Message{}, fmt.Errorf("message %s: %w", id, ErrDeleted)
	}
	stamp, modified := m.stamp, m.modified
	now := t.touch(m)
	if err := do(m, now); err != nil {
		m.stamp, m.modified = stamp, modified
		return Message{}, fmt.Errorf("message %s: %w", id, err)
	}
	t.notify(m, changeType)
	t.changed()
	return m.describe(), nil
}

// touch moves etag and lastModifiedDateTime on and returns the new time.
func (t *Twin) touch(m *message) time.Time {
	m.stamp = t.newStamp(t.now())
	m.modified = time.UnixMilli(m.stamp).UTC()
	return m.modified
}

// setViolation replaces the violation and keeps the times of block and release.
func (m *message) setViolation(v *violation, now time.Time) {
	const both = blockAccess | blockAccessExternal
	was := m.pv.blocks(both)
	m.pv = v
	switch is := v.blocks(both); {
	case is && m.blockedAt.IsZero():
		m.blockedAt = now
	case was && !is:
		m.releasedAt = now
	}
}

// Message returns a message by its id: Message.ID, or a chatMessage id that is
// unique in the twin.
func (t *Twin) Message(id string) (Message, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.find(id)
	if m == nil {
		return Message{}, fmt.Errorf("message %s: %w", id, ErrNoMessage)
	}
	return m.describe(), nil
}

// Shown returns what Teams now shows of a message.
func (t *Twin) Shown(id string) (View, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.find(id)
	if m == nil {
		return View{}, fmt.Errorf("message %s: %w", id, ErrNoMessage)
	}
	return m.view(), nil
}

// ShownAll returns the view of every message, in the order they were said.
func (t *Twin) ShownAll() []View {
	t.mu.Lock()
	defer t.mu.Unlock()
	list := make([]View, 0, len(t.order))
	for _, ref := range t.order {
		list = append(list, t.messages[ref].view())
	}
	return list
}

func (m *message) view() View {
	v := View{
		Message: m.describe(), Text: m.content, IsDeleted: !m.gone.IsZero(), PolicyViolation: m.pv.wire(false),
		PatchCount: m.applied, Patches: append([]Patch(nil), m.patches...), BlockedAt: m.blockedAt, ReleasedAt: m.releasedAt,
	}
	v.Blocked = m.pv.blocks(blockAccess)
	v.BlockedExternal = v.Blocked || m.pv.blocks(blockAccessExternal)
	if v.Blocked && !v.IsDeleted {
		v.Text = Placeholder
	}
	return v
}

// find takes a Message.ID or an unambiguous chatMessage id; t.mu is held.
func (t *Twin) find(id string) *message {
	if m := t.messages[id]; m != nil {
		return m
	}
	var hit *message
	for _, m := range t.messages {
		if m.id == id {
			if hit != nil {
				return nil
			}
			hit = m
		}
	}
	return hit
}

// key is the message's name within its conversation.
func (m *message) key() string { return messageKey(m.replyTo, m.id) }

func messageKey(replyTo, id string) string { return replyTo + "/" + id }

// segments are the parts of the message's path, unescaped.
func (m *message) segments() []string {
	if !m.conv.channel() {
		return []string{"chats", m.conv.chatID, "messages", m.id}
	}
	list := []string{"teams", m.conv.teamID, "channels", m.conv.channelID, "messages"}
	if m.replyTo != "" {
		return append(list, m.replyTo, "replies", m.id)
	}
	return append(list, m.id)
}

// resource is the path as notifications name it: quoted, not percent-encoded.
func (m *message) resource() string {
	s := m.segments()
	out := ""
	for i := 0; i < len(s); i += 2 {
		if i > 0 {
			out += "/"
		}
		out += s[i] + "('" + s[i+1] + "')"
	}
	return out
}

func (m *message) describe() Message {
	d := Message{
		ID: m.ref, GraphID: m.id, TenantID: m.conv.tenant, Conversation: m.conv.key(), ChatID: m.conv.chatID, TeamID: m.conv.teamID,
		ChannelID: m.conv.channelID, ReplyTo: m.replyTo, ETag: strconv.FormatInt(m.stamp, 10),
		Created: m.created, Modified: m.modified, Edited: m.edited, Deleted: m.gone,
	}
	switch {
	case m.conv.channel():
		d.Alias = m.conv.team.Alias + "/" + m.conv.alias
	case m.conv.alias != "":
		d.Alias = "chat:" + m.conv.alias
	}
	switch {
	case m.user != nil:
		d.SenderID, d.Sender = m.user.ID, m.user.Name
	case m.bot != nil:
		d.SenderID, d.Sender = m.bot.ID, m.bot.Name
	}
	for _, s := range m.segments() {
		d.Path += "/" + url.PathEscape(s)
	}
	return d
}

// The structs below are a chatMessage on the wire. Their order of fields is the
// order of its properties; what is null is written as null.

type wireMessage struct {
	Context     string           `json:"@odata.context"`
	ID          string           `json:"id"`
	ReplyToID   *string          `json:"replyToId"`
	ETag        string           `json:"etag"`
	MessageType string           `json:"messageType"`
	Created     string           `json:"createdDateTime"`
	Modified    string           `json:"lastModifiedDateTime"`
	Edited      *string          `json:"lastEditedDateTime"`
	Deleted     *string          `json:"deletedDateTime"`
	Subject     *string          `json:"subject"`
	Summary     *string          `json:"summary"`
	ChatID      *string          `json:"chatId"`
	Importance  string           `json:"importance"`
	Locale      string           `json:"locale"`
	WebURL      *string          `json:"webUrl"`
	Channel     *wireChannelID   `json:"channelIdentity"`
	Violation   *PolicyViolation `json:"policyViolation"`
	Event       map[string]any   `json:"eventDetail"`
	From        *wireIdentities  `json:"from"`
	Body        wireBody         `json:"body"`
	Attachments []wireAttachment `json:"attachments"`
	Mentions    []wireMention    `json:"mentions"`
	Reactions   []wireReaction   `json:"reactions"`
	History     []wireHistory    `json:"messageHistory"`
	Replies     *[]any           `json:"replies,omitempty"`
	Hosted      *[]any           `json:"hostedContents,omitempty"`
}

type wireChannelID struct {
	TeamID    string `json:"teamId"`
	ChannelID string `json:"channelId"`
}

type wireBody struct {
	ContentType string `json:"contentType"`
	Content     string `json:"content"`
}

type wireIdentities struct {
	Application  *wireApplication `json:"application"`
	Device       *struct{}        `json:"device"`
	Conversation *struct{}        `json:"conversation,omitempty"`
	User         *wireUser        `json:"user"`
}

type wireApplication struct {
	Type        string `json:"@odata.type"`
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	Identity    string `json:"applicationIdentityType"`
}

type wireUser struct {
	Type        string  `json:"@odata.type"`
	ID          string  `json:"id"`
	DisplayName *string `json:"displayName"`
	Identity    string  `json:"userIdentityType"`
	TenantID    string  `json:"tenantId,omitempty"`
}

type wireAttachment struct {
	ID           string  `json:"id"`
	ContentType  string  `json:"contentType"`
	ContentURL   *string `json:"contentUrl"`
	Content      *string `json:"content"`
	Name         *string `json:"name"`
	ThumbnailURL *string `json:"thumbnailUrl"`
	TeamsAppID   *string `json:"teamsAppId"`
}

type wireMention struct {
	ID          int            `json:"id"`
	MentionText string         `json:"mentionText"`
	Mentioned   wireIdentities `json:"mentioned"`
}

type wireReaction struct {
	ReactionType string         `json:"reactionType"`
	DisplayName  string         `json:"displayName"`
	ContentURL   *string        `json:"reactionContentUrl"`
	Created      string         `json:"createdDateTime"`
	User         wireIdentities `json:"user"`
}

type wireHistory struct {
	Modified string       `json:"modifiedDateTime"`
	Actions  string       `json:"actions"`
	Reaction wireReaction `json:"reaction"`
}

// reading says for whom and in what form a message is written.
type reading struct {
	tenant string
	// notification: the context root differs and the navigation properties are
	// empty arrays.
	notification bool
	// unknownMembers: the reader sent Prefer: include-unknown-enum-members.
	unknownMembers bool
}

// wire is the message as Graph writes it; t.mu is held.
func (t *Twin) wire(m *message, r reading) wireMessage {
	odd := t.switches.OddCasing
	w := wireMessage{
		Context: m.context(r.notification), ID: m.id, ReplyToID: text(m.replyTo), ETag: strconv.FormatInt(m.stamp, 10),
		MessageType: oddCase(m.messageType(r.unknownMembers), odd), Created: stamp(m.created), Modified: stamp(m.modified), Edited: stampOrNull(m.edited),
		Deleted: stampOrNull(m.gone), Subject: text(m.subject), Summary: text(m.summary), ChatID: text(m.conv.chatID),
		Importance: oddCase(m.importance, odd), Locale: "en-us", Violation: m.pv.wire(odd), Event: m.eventDetail(),
		From: t.from(m, r.tenant), Body: wireBody{oddCase(m.contentType, odd), m.content},
		Attachments: []wireAttachment{}, Mentions: []wireMention{}, Reactions: []wireReaction{}, History: []wireHistory{},
	}
	if t.switches.BlockedBody == BodyEmpty && m.pv.blocks(blockAccess) && m.pv.content == m.version {
		w.Body.Content = ""
	}
	if m.conv.channel() {
		w.Channel = &wireChannelID{m.conv.teamID, m.conv.channelID}
		w.WebURL = text(m.webURL())
	}
	for _, a := range m.attachments {
		w.Attachments = append(w.Attachments, wireAttachment{a.ID, a.ContentType, text(a.ContentURL), text(a.Content), text(a.Name), text(a.ThumbnailURL), text(a.TeamsAppID)})
	}
	for i, u := range m.mentions {
		w.Mentions = append(w.Mentions, wireMention{i, u.Name, wireIdentities{User: t.wireUser(u, r.tenant)}})
	}
	for _, x := range m.reactions {
		wr := wireReaction{x.kind, x.kind, nil, stamp(x.at), wireIdentities{User: t.wireUser(x.by, r.tenant)}}
		w.Reactions = append(w.Reactions, wr)
		w.History = append(w.History, wireHistory{stamp(x.at), oddCase("reactionAdded", odd), wr})
	}
	if r.notification {
		w.Replies, w.Hosted = &[]any{}, &[]any{}
	}
	return w
}

// context is the first member of a message's JSON. The notification form is
// that of Microsoft's public test vector, without the API version.
func (m *message) context(notification bool) string {
	root := contextRoot
	if notification {
		root = "https://graph.microsoft.com/$metadata#"
	}
	s := m.segments()
	path := ""
	for i := 0; i+1 < len(s)-2; i += 2 {
		path += s[i] + "('" + url.QueryEscape(s[i+1]) + "')/"
	}
	return root + path + s[len(s)-2] + "/$entity"
}

func (m *message) messageType(unknownMembers bool) string {
	switch {
	case m.event == "":
		return "message"
	case unknownMembers:
		return "systemEventMessage"
	}
	return "unknownFutureValue"
}

func (m *message) eventDetail() map[string]any {
	if m.event == "" {
		return nil
	}
	return map[string]any{"@odata.type": "#microsoft.graph." + m.event + "EventMessageDetail", "visibleHistoryStartDateTime": "0001-01-01T00:00:00Z"}
}

func (m *message) webURL() string {
	u := "https://teams.microsoft.com/l/message/" + url.QueryEscape(m.conv.channelID) + "/" + m.id +
		"?groupId=" + m.conv.teamID + "&tenantId=" + m.conv.tenant + "&createdTime=" + m.id
	if m.replyTo != "" {
		u += "&parentMessageId=" + m.replyTo
	}
	return u
}

func (t *Twin) from(m *message, tenant string) *wireIdentities {
	switch {
	case m.user != nil:
		return &wireIdentities{User: t.wireUser(m.user, tenant)}
	case m.bot != nil:
		return &wireIdentities{Application: &wireApplication{"#microsoft.graph.teamworkApplicationIdentity", m.bot.ID, m.bot.Name, oddCase(m.bot.Identity, t.switches.OddCasing)}}
	}
	return nil
}

// wireUser is a person as apps of a tenant see them.
func (t *Twin) wireUser(u *User, tenant string) *wireUser {
	kind := u.Identity
	switch {
	case kind != "":
	case u.TenantID == tenant:
		kind = "aadUser"
	default:
		kind = "federatedUser"
	}
	return &wireUser{"#microsoft.graph.teamworkUserIdentity", u.ID, text(u.Name), oddCase(kind, t.switches.OddCasing), u.TenantID}
}

func text(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func stamp(at time.Time) string { return at.UTC().Format("2006-01-02T15:04:05.999Z") }

func stampOrNull(at time.Time) *string {
	if at.IsZero() {
		return nil
	}
	return text(stamp(at))
}

// newStamp is the time in Unix milliseconds, moved on where needed so that no
// two are the same and later ones are larger; t.mu is held.
func (t *Twin) newStamp(now time.Time) int64 {
	t.lastStamp = max(now.UnixMilli(), t.lastStamp+1)
	return t.lastStamp
}

// sortedKeys returns a map's keys in order.
func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}
