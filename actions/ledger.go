package actions

import (
	"context"
	"errors"
	"strings"
	"time"
)

// ErrFinished is returned by a Ledger for an effect that is terminal already:
// nothing was written.
var ErrFinished = errors.New("effect is finished already")

// Target is where a message lives in Graph: either ChatID, or TeamID and
// ChannelID, is set; ReplyTo is the root message's id for a channel reply.
type Target struct {
	Tenant    string `json:"tenant"`
	ChatID    string `json:"chat_id,omitempty"`
	TeamID    string `json:"team_id,omitempty"`
	ChannelID string `json:"channel_id,omitempty"`
	MessageID string `json:"message_id"`
	ReplyTo   string `json:"reply_to,omitempty"`
}

// Key names the message: tenant and canonical path. It is the message key of
// effects and standings, the same for every way in which Graph spells the path.
func (t Target) Key() string {
	var parts []string
	if t.ChatID != "" {
		parts = []string{t.Tenant, "chats", t.ChatID, "messages", t.MessageID}
	} else {
		parts = []string{t.Tenant, "teams", t.TeamID, "channels", t.ChannelID, "messages"}
		if t.ReplyTo != "" {
			parts = append(parts, t.ReplyTo, "replies")
		}
		parts = append(parts, t.MessageID)
	}
	return strings.Join(parts, "/")
}

// ConversationID is the chat id, or team id "/" channel id.
func (t Target) ConversationID() string {
	if t.ChatID != "" {
		return t.ChatID
	}
	return t.TeamID + "/" + t.ChannelID
}

// State is where an effect stands. All but StateDecided are terminal.
type State string

// The states of an effect.
const (
	StateDecided        State = "decided"         // intent logged, result not known
	StateApplied        State = "applied"         // Graph took it
	StateShadow         State = "shadow"          // nothing was to be sent
	StateClean          State = "clean"           // no rule matched
	StateNoop           State = "noop"            // echo, reaction, override, report, deletion: nothing to do in Graph
	StateSuperseded     State = "superseded"      // a newer version was decided already
	StateNotEnforceable State = "not_enforceable" // Graph will not take it from us
	StateFailed         State = "failed"          // refused for a reason that retrying cannot mend
)

// Terminal reports whether s is the end of an effect. The empty state, of an
// effect that does not exist yet, is not.
func (s State) Terminal() bool { return s != "" && s != StateDecided }

// Effect is what one version of one message leads to. Its key is
// (MessageKey, Version): there is one terminal state for each, for ever.
type Effect struct {
	MessageKey string `json:"message_key"`
	Version    string `json:"version"`
	State      State  `json:"state"`
	// Order is what is to be sent, kept so that it can be sent after a crash;
	// nil when nothing is.
	Order *OrderRecord `json:"order,omitempty"`
	// Intent is the entry that was logged before sending, without its rules.
	Intent  *Entry    `json:"intent,omitempty"`
	Decided time.Time `json:"decided,omitzero"`
	Updated time.Time `json:"updated"`
}

// OrderRecord is an Order in its stored form.
type OrderRecord struct {
	Target    Target   `json:"target"`
	Action    Action   `json:"action"` // none: lift what stands
	Tip       string   `json:"tip,omitempty"`
	URL       string   `json:"url,omitempty"`
	Matched   []string `json:"matched,omitempty"`  // matchedConditionDescriptions
	Override  string   `json:"override,omitempty"` // none, without-justification, with-justification
	ReportFP  string   `json:"report_fp,omitempty"`
	Severity  string   `json:"severity,omitempty"`
	SenderOID string   `json:"sender_oid,omitempty"`

	// Version and Fingerprint are of the text that was judged, so that a read
	// before a repeated PATCH can tell that the message has changed since.
	Version     string `json:"version,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	// StaleOverride: the judged version carried the override of an earlier text.
	StaleOverride bool `json:"stale_override,omitempty"`
}

// Standing is what is known of one message over all its versions; the zero
// value is a message never seen. It is computed by this package alone and kept
// by the store as it is.
type Standing struct {
	Case string `json:"case,omitempty"`
	// Version is the newest version seen, judged or not.
	Version string `json:"version,omitempty"`
	// TextVersion is the newest version whose text was seen. It stays behind
	// Version while Graph blanks the body of a blocked message: an edit that
	// arrives after a newer blanked item is still news.
	TextVersion string `json:"text_version,omitempty"`
	// Judged reports whether a text of the message was judged; Fingerprint is
	// that text's keyed digest and Generation the rules that judged it.
	Judged      bool   `json:"judged,omitempty"`
	Fingerprint string `json:"fingerprint,omitempty"`
	Generation  string `json:"generation,omitempty"`
	// Action is what stands in Teams by our doing, as far as it is known.
	Action Action `json:"action,omitempty"`
	// Pending is the version of an effect that may have reached Teams without
	// our knowing: it has no result yet, or one that leaves it open.
	Pending string `json:"pending,omitempty"`
	// Overridden: the sender overrode the action on the judged text.
	Overridden bool `json:"overridden,omitempty"`
	// StaleOverride: the edit that was last judged still carried the override of
	// the text before it; that override is not one of the new text.
	StaleOverride bool `json:"stale_override,omitempty"`
	Reported      bool `json:"reported,omitempty"`
	Released      bool `json:"released,omitempty"`
	Closed        bool `json:"closed,omitempty"` // deleted
	Confirmed     bool `json:"confirmed,omitempty"`
	// Last is the last entry with a verdict, without its rules, so that what follows
	// can name the people, the place and the generation.
	Last *Entry `json:"last,omitempty"`
	// Order is the last order decided; an echo is compared with it.
	Order *OrderRecord `json:"order,omitempty"`
}

// Ledger is the durable side of effects. A call that returns nil is on disk.
// Calls for one message never run at the same time (the pipeline has one lane
// a conversation; the desk's releases go through the same lane).
type Ledger interface {
	// Begin returns what is known of a message and the effect of this version:
	// its State is empty when there is none.
	Begin(ctx context.Context, messageKey, version string) (Standing, Effect, error)
	// Decide commits the effect as StateDecided with its entries, before
	// anything is sent. If the effect is terminal already nothing is written
	// and the error is ErrFinished.
	Decide(ctx context.Context, e Effect, s Standing, entries ...Entry) error
	// Finish commits the end of an effect, its entries and the end of the inbox
	// row that receipt names, in one commit. An empty receipt ends no row. If
	// the effect is terminal already nothing of it or of its entries is
	// written, but the row still ends; the error is then ErrFinished.
	Finish(ctx context.Context, e Effect, s Standing, receipt string, entries ...Entry) error
}

// Log is the durable action log.
type Log interface {
	// Append commits entries that end no effect (gap, rules, keys, inbox, label, view).
	Append(ctx context.Context, entries ...Entry) error
}
