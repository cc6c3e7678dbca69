package webhook

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
)

const maxMessageDepth = 64

// Message is a decoded chatMessage, as far as it matters for DLP. Enum values
// are in Graph's camelCase whatever casing came; one that we do not know is
// "unknownFutureValue". Dates that were absent, null or not dates are zero.
// A Message prints as its id and version only.
// Source: learn.microsoft.com/graph/api/resources/chatmessage.
type Message struct {
	ID string // Unix milliseconds as text; unique in its conversation only
	// ReplyToID is the root's id in a channel reply.
	ReplyToID   string
	ETag        string
	MessageType Enum // message, chatEvent, typing, systemEventMessage
	// ChatID or ChannelIdentity is set, never both.
	ChatID          string
	ChannelIdentity *ChannelIdentity

	Created      time.Time
	LastModified time.Time // moves with reactions too
	LastEdited   time.Time // zero unless the sender edited it
	Deleted      time.Time

	Subject     Text
	Summary     Text
	Body        Body
	Attachments []Attachment
	Mentions    []Mention

	From       *Identity // nil for many system events
	Importance Enum
	WebURL     string

	PolicyViolation *PolicyViolation // nil: never judged by anybody
	EventDetail     *EventDetail     // not nil: a system event, nobody's text
}

// ChannelIdentity is the channel of a channel message.
type ChannelIdentity struct {
	TeamID    string `json:"teamId"`
	ChannelID string `json:"channelId"`
}

// Body is Graph's itemBody.
type Body struct {
	ContentType Enum // text, html
	Content     Text
}

// HTML reports whether Content is markup: all that is not said to be text.
func (b Body) HTML() bool { return b.ContentType != "text" }

// Attachment is Graph's chatMessageAttachment. Content is JSON in a string for
// cards, quotes and forwards.
type Attachment struct {
	ID          string `json:"id"`
	ContentType string `json:"contentType"`
	ContentURL  Text   `json:"contentUrl"`
	Content     Text   `json:"content"`
	Name        Text   `json:"name"`
	TeamsAppID  string `json:"teamsAppId"`
}

// Mention is Graph's chatMessageMention. ID is n in <at id="n">.
type Mention struct {
	ID        int      `json:"id"`
	Text      Text     `json:"mentionText"`
	Mentioned Identity `json:"mentioned"`
}

// Identity is Graph's identitySet. User and Application can both be set.
type Identity struct {
	User         *User         `json:"user"`
	Application  *Application  `json:"application"`
	Conversation *Conversation `json:"conversation"` // in a mention: a team, channel or chat
}

// User is Graph's teamworkUserIdentity.
type User struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	// UserIdentityType is aadUser, onPremiseAadUser, anonymousGuest, federatedUser,
	// personalMicrosoftAccountUser, skypeUser, phoneUser or emailUser.
	UserIdentityType Enum `json:"userIdentityType"`
	// TenantID is the user's own tenant; older responses leave it out.
	TenantID string `json:"tenantId"`
}

// Application is Graph's teamworkApplicationIdentity: a bot or a connector.
type Application struct {
	ID          string `json:"id"`
	DisplayName string `json:"displayName"`
	// ApplicationIdentityType is aadApplication, bot, tenantBot,
	// office365Connector or outgoingWebhook.
	ApplicationIdentityType Enum `json:"applicationIdentityType"`
}

// Conversation is Graph's teamworkConversationIdentity.
type Conversation struct {
	ID                       string `json:"id"`
	ConversationIdentityType Enum   `json:"conversationIdentityType"` // team, channel, chat
}

// EventDetail says which system event a message is.
type EventDetail struct {
	Type string `json:"@odata.type"`
}

// PolicyViolation is Graph's chatMessagePolicyViolation.
type PolicyViolation struct {
	DLPAction         Flags      `json:"dlpAction"`
	VerdictDetails    Flags      `json:"verdictDetails"`
	UserAction        Flags      `json:"userAction"`
	JustificationText Text       `json:"justificationText"`
	PolicyTip         *PolicyTip `json:"policyTip"`
}

// PolicyTip is Graph's chatMessagePolicyViolationPolicyTip.
type PolicyTip struct {
	GeneralText                  Text   `json:"generalText"`
	ComplianceURL                string `json:"complianceUrl"`
	MatchedConditionDescriptions []Text `json:"matchedConditionDescriptions"`
}

// The flags of a PolicyViolation, on the wire of Graph.
const (
	NotifySender                      = "notifySender"
	BlockAccess                       = "blockAccess"
	BlockAccessExternal               = "blockAccessExternal"
	AllowFalsePositiveOverride        = "allowFalsePositiveOverride"
	AllowOverrideWithoutJustification = "allowOverrideWithoutJustification"
	AllowOverrideWithJustification    = "allowOverrideWithJustification"
	Override                          = "override"
	ReportFalsePositive               = "reportFalsePositive"
)

const unknownValue = "unknownFutureValue"

// Flags is a set of flags; none is empty. Graph writes one comma-separated
// string, in camelCase or PascalCase, with and without spaces; what is parsed
// here is camelCase and without repetition.
type Flags []string

var knownFlags = []string{
	NotifySender, BlockAccess, BlockAccessExternal,
	AllowFalsePositiveOverride, AllowOverrideWithoutJustification, AllowOverrideWithJustification,
	Override, ReportFalsePositive,
}

// Has reports whether the set has a flag.
func (f Flags) Has(flag string) bool {
	for _, g := range f {
		if g == flag {
			return true
		}
	}
	return false
}

// UnmarshalJSON parses a set; null and none are empty.
func (f *Flags) UnmarshalJSON(b []byte) error {
	*f = nil
	s, ok := unquote(b)
	if !ok {
		if string(b) != "null" {
			*f = Flags{unknownValue} // a form that we do not know is an unknown value
		}
		return nil
	}
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" || strings.EqualFold(part, "none") {
			continue
		}
		flag := oneOf(part, knownFlags...)
		if flag == "" {
			flag = unknownValue
		}
		if !f.Has(flag) {
			*f = append(*f, flag)
		}
	}
	return nil
}

// Enum is a value of one of Graph's enumerations; empty for null.
type Enum string

var knownEnums = []string{
	"message", "chatEvent", "typing", "systemEventMessage",
	"text", "html",
	"normal", "high", "urgent",
	"aadUser", "onPremiseAadUser", "anonymousGuest", "federatedUser", "personalMicrosoftAccountUser",
	"skypeUser", "phoneUser", "emailUser", "azureCommunicationServicesUser",
	"aadApplication", "bot", "tenantBot", "office365Connector", "outgoingWebhook",
	"team", "channel", "chat",
}

// UnmarshalJSON takes any casing.
func (e *Enum) UnmarshalJSON(b []byte) error {
	s, ok := unquote(b)
	if *e = Enum(oneOf(s, knownEnums...)); *e == "" && s != "" || !ok && string(b) != "null" {
		*e = unknownValue
	}
	return nil
}

// date takes RFC 3339 with any number of fraction digits. The service is known
// to leave the zone out at times: that is UTC.
type date time.Time

func (d *date) UnmarshalJSON(b []byte) error {
	s, ok := unquote(b)
	if !ok {
		return nil // what is no date is zero; see Message
	}
	for _, layout := range []string{time.RFC3339, "2006-01-02T15:04:05"} {
		if t, err := time.Parse(layout, s); err == nil {
			*d = date(t.UTC())
			return nil
		}
	}
	return nil
}

// DecodeMessage decodes a decrypted chatMessage: a JSON object that has an id and
// is not said to be of another type. Members that it does not know are ignored.
// Its error is ErrNotMessage and never quotes the input.
func DecodeMessage(b []byte) (*Message, error) {
	r, err := newJSONReader(b, maxMessageDepth, false)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNotMessage, err)
	}
	var (
		m    Message
		kind string
	)
	err = r.object(func(key string) error { return r.message(key, &m, &kind) })
	if err == nil {
		err = r.end()
	}
	switch {
	case errors.Is(err, errGrammar), errors.Is(err, errType):
		return nil, fmt.Errorf("%w: %s", ErrNotMessage, fieldOf(err))
	case err != nil:
		return nil, fmt.Errorf("%w: %w", ErrNotMessage, err)
	case m.ID == "":
		return nil, fmt.Errorf("%w: no id", ErrNotMessage)
	case kind != "" && !strings.EqualFold(kind, "#microsoft.graph.chatMessage"):
		return nil, fmt.Errorf("%w: another @odata.type", ErrNotMessage)
	}
	return &m, nil
}

// message reads a member of a chatMessage. What is large or in every message it
// reads itself, the rest it leaves to encoding/json.
func (r *jsonReader) message(key string, m *Message, kind *string) error {
	switch {
	case equalKeys(key, "@odata.type"):
		return r.string(kind)
	case equalKeys(key, "id"):
		return r.string(&m.ID)
	case equalKeys(key, "replyToId"):
		return r.string(&m.ReplyToID)
	case equalKeys(key, "etag"):
		return r.string(&m.ETag)
	case equalKeys(key, "messageType"):
		return r.decode(&m.MessageType)
	case equalKeys(key, "chatId"):
		return r.string(&m.ChatID)
	case equalKeys(key, "channelIdentity"):
		return r.decode(&m.ChannelIdentity)
	case equalKeys(key, "createdDateTime"):
		return r.decode((*date)(&m.Created))
	case equalKeys(key, "lastModifiedDateTime"):
		return r.decode((*date)(&m.LastModified))
	case equalKeys(key, "lastEditedDateTime"):
		return r.decode((*date)(&m.LastEdited))
	case equalKeys(key, "deletedDateTime"):
		return r.decode((*date)(&m.Deleted))
	case equalKeys(key, "subject"):
		return r.prose(&m.Subject)
	case equalKeys(key, "summary"):
		return r.prose(&m.Summary)
	case equalKeys(key, "body"):
		if r.null() {
			return nil
		}
		return r.object(func(key string) error {
			switch {
			case equalKeys(key, "contentType"):
				return r.decode(&m.Body.ContentType)
			case equalKeys(key, "content"):
				return r.prose(&m.Body.Content)
			}
			return r.skip()
		})
	case equalKeys(key, "attachments"):
		return r.decode(&m.Attachments)
	case equalKeys(key, "mentions"):
		return r.decode(&m.Mentions)
	case equalKeys(key, "from"):
		return r.decode(&m.From)
	case equalKeys(key, "importance"):
		return r.decode(&m.Importance)
	case equalKeys(key, "webUrl"):
		return r.string(&m.WebURL)
	case equalKeys(key, "policyViolation"):
		return r.decode(&m.PolicyViolation)
	case equalKeys(key, "eventDetail"):
		return r.decode(&m.EventDetail)
	}
	return r.skip()
}

// string reads a string; null leaves what is there.
func (r *jsonReader) string(to *string) error {
	if r.null() {
		return nil
	}
	return r.member(to)
}

// prose reads a text as Text.UnmarshalJSON does.
func (r *jsonReader) prose(to *Text) error {
	if r.next() != '"' {
		return r.decode(to)
	}
	s, err := r.text()
	*to = NewText(s)
	return err
}

// decode reads a value of any type as encoding/json does.
func (r *jsonReader) decode(to any) error {
	r.next()
	from := r.i
	if err := r.skip(); err != nil {
		return err
	}
	value := r.b[from:r.i]
	if own, ok := to.(json.Unmarshaler); ok {
		return own.UnmarshalJSON(value)
	}
	if err := json.Unmarshal(value, to); err != nil {
		return errors.New(fieldOf(err))
	}
	return nil
}

// fieldOf says where a decoding error is, in names of ours: the error itself
// quotes the input.
func fieldOf(err error) string {
	if typed, ok := errors.AsType[*json.UnmarshalTypeError](err); ok && typed.Field != "" {
		return "unexpected type of " + typed.Field
	}
	return "not the JSON of a chatMessage"
}

// Version names this version of the message: its etag, else the time of its
// last change in Unix milliseconds, which is what etags have been seen to be.
// It is empty if there is neither.
func (m *Message) Version() string {
	switch {
	case m.ETag != "":
		return m.ETag
	case !m.LastModified.IsZero():
		return strconv.FormatInt(m.LastModified.UnixMilli(), 10)
	}
	return ""
}

// Ref returns where the message says it lives. It is what the notification's
// resource says too, unless somebody put two notifications together; compare
// both by Key. It is the zero Ref if the message does not say.
func (m *Message) Ref() Ref {
	r := Ref{MessageID: m.ID}
	switch c := m.ChannelIdentity; {
	case m.ChatID != "" && c == nil:
		r.ChatID = m.ChatID
	case m.ChatID == "" && c != nil && c.TeamID != "" && c.ChannelID != "":
		r.TeamID, r.ChannelID, r.ReplyTo = canonicalGUID(c.TeamID), c.ChannelID, m.ReplyToID
		if r.ReplyTo == m.ID {
			r.ReplyTo = ""
		}
	default:
		return Ref{}
	}
	return r
}

// Format implements fmt.Formatter: no verb prints text.
func (m Message) Format(f fmt.State, _ rune) {
	_, _ = io.WriteString(f, "message "+m.ID+" version "+m.Version())
}
