package actions

import "time"

// Kind says what an Entry records.
type Kind string

// The kinds of entry. State changes are entries too: the current state of a
// case is a fold over its entries (see Case).
const (
	KindIntent   Kind = "intent"   // an enforcing verdict, committed before anything is sent
	KindResult   Kind = "result"   // what Graph answered to the intent
	KindShadow   Kind = "shadow"   // only shadow rules matched; nothing is sent
	KindOverride Kind = "override" // the sender overrode the tip
	KindReport   Kind = "report"   // the sender reported a false positive
	KindEdit     Kind = "edit"     // the text changed after it was judged
	KindDeleted  Kind = "deleted"  // the message was deleted
	KindRelease  Kind = "release"  // an analyst, or a clean edit, lifts the action
	KindLabel    Kind = "label"    // an analyst's true or false positive
	KindView     Kind = "view"     // somebody read the text on demand
	KindGap      Kind = "gap"      // a span in which messages may have been missed
	KindRules    Kind = "rules"    // a rule generation came into force, or was refused
	KindKeys     Kind = "keys"     // a key came into use or was retired
	KindForget   Kind = "forget"   // retention deleted what old entries said; their hashes stay
	KindInbox    Kind = "inbox"    // somebody had an item in quarantine tried again, or dropped
)

// Action is what is done to a message, in the words of rule files.
type Action string

// The actions, from the mildest to the strictest.
const (
	ActionNone          Action = "none"
	ActionNotify        Action = "notify"         // the sender is told
	ActionBlockExternal Action = "block-external" // readers outside the organisation are blocked
	ActionBlock         Action = "block"          // readers are blocked
)

// Outcome says how far an action came.
type Outcome string

// The outcomes. OutcomePending is an intent whose result is not yet known.
const (
	OutcomeApplied        Outcome = "applied"
	OutcomeShadow         Outcome = "shadow"
	OutcomeNotEnforceable Outcome = "not_enforceable"
	OutcomeFailed         Outcome = "failed"
	OutcomePending        Outcome = "pending"
)

// Entry is one record of the action log. It never holds message text, a
// matched value, a token or a client state; what identifies a match is its
// mask and a keyed digest.
//
// The bytes stored are the entry's JSON at the time it was appended; they are
// never serialised again, because the log's tree is over exactly those bytes.
type Entry struct {
	// Seq is the entry's place in the log, from 0, without gaps. The store sets it.
	Seq int64 `json:"seq"`
	// ID is 16 random bytes in hex. The store sets it. It also keeps a leaf
	// hash from being used to guess an entry of low entropy.
	ID string `json:"id"`
	// Case groups the entries about one message; empty for entries about none.
	Case string `json:"case,omitempty"`
	// Time is when the entry was made, UTC.
	Time   time.Time `json:"time"`
	Kind   Kind      `json:"kind"`
	Tenant string    `json:"tenant,omitempty"`

	Conversation *Conversation `json:"conversation,omitempty"`
	Message      *Message      `json:"message,omitempty"`
	Sender       *Sender       `json:"sender,omitempty"`
	// Target is where the message lives in Graph, for an entry with a verdict.
	Target *Target `json:"target,omitempty"`

	// Generation names the rule set that judged, or that the entry is about.
	Generation string       `json:"generation,omitempty"`
	Rules      []RuleResult `json:"rules,omitempty"`
	// Verdict is a sentence: what was decided and why.
	Verdict string  `json:"verdict,omitempty"`
	Action  Action  `json:"action,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"`

	Graph    *GraphCall `json:"graph,omitempty"`
	Exposure *Exposure  `json:"exposure,omitempty"`
	Gap      *Gap       `json:"gap,omitempty"`
	Keys     *KeysInUse `json:"keys,omitempty"`
	Forgot   *Forgot    `json:"forgot,omitempty"`
	// Label is "true-positive" or "false-positive", for KindLabel.
	Label string `json:"label,omitempty"`

	// Actor is who did it: a named analyst, "sender", "graph" or "teamsdlp".
	Actor string `json:"actor,omitempty"`
	// Reason is the actor's own words, scanned and masked before they are written.
	Reason string `json:"reason,omitempty"`

	// SealedAt is when the entry took its place in the log, where that is later
	// than its commit: a store that several nodes share numbers entries within
	// seconds. Zero: at once.
	SealedAt time.Time `json:"sealed_at,omitzero"`
}

// Conversation is where a message was said.
type Conversation struct {
	Kind     string `json:"kind,omitempty"` // oneOnOne, group, meeting, standard, private, shared; chat or channel when not known
	ID       string `json:"id"`             // chat id, or team id "/" channel id
	Name     string `json:"name,omitempty"`
	External *bool  `json:"external,omitempty"` // nil: not known
	Size     int    `json:"size,omitempty"`     // members; 0: not known
}

// Message names one version of a message.
type Message struct {
	ID      string    `json:"id"`
	ReplyTo string    `json:"reply_to,omitempty"`
	Version string    `json:"version"` // etag, or what stands in for it
	SentAt  time.Time `json:"sent_at"` // created or last edited, by Microsoft's clock
}

// Sender is who said it. Kind is Graph's userIdentityType, or "application".
type Sender struct {
	ID   string `json:"id,omitempty"`
	Name string `json:"name,omitempty"`
	Kind string `json:"kind,omitempty"`
}

// RuleResult is what one rule said of the message.
type RuleResult struct {
	ID         string  `json:"id"`
	Title      string  `json:"title,omitempty"`
	Generation string  `json:"generation,omitempty"`
	Severity   string  `json:"severity,omitempty"`
	Mode       string  `json:"mode,omitempty"` // off, shadow, enforce
	Action     Action  `json:"action,omitempty"`
	Result     string  `json:"result,omitempty"` // matched, near_miss, out_of_scope, excepted, no_match
	Matched    []Match `json:"matched,omitempty"`
	Reason     string  `json:"reason,omitempty"`
	// Assumed names context that could not be had and counted in favour of the rule.
	Assumed []string `json:"assumed,omitempty"`
}

// Match is one detector's finding under one rule, without its value.
type Match struct {
	Detector   string   `json:"detector"`
	Count      int      `json:"count"`
	Distinct   int      `json:"distinct"`
	Confidence string   `json:"confidence"`       // low, medium, high
	Masked     []string `json:"masked,omitempty"` // at most 5 of the distinct values
	Digest     []string `json:"digest,omitempty"` // keyed HMACs, in the order of Masked
	KnownTest  bool     `json:"known_test,omitempty"`
}

// GraphCall is what became of a call to Graph.
type GraphCall struct {
	Status    int    `json:"status,omitempty"`
	RequestID string `json:"request_id,omitempty"`
	Attempts  int    `json:"attempts,omitempty"`
	Code      string `json:"code,omitempty"` // Graph's error code, or ours
	// Reconciled: the call's answer was lost and a read found it had worked.
	Reconciled bool `json:"reconciled,omitempty"`
}

// Exposure is how long the text could be read. A zero time is not known.
type Exposure struct {
	Sent      time.Time `json:"sent,omitzero"`
	Received  time.Time `json:"received,omitzero"`
	Judged    time.Time `json:"judged,omitzero"`
	Applied   time.Time `json:"applied,omitzero"`
	Confirmed time.Time `json:"confirmed,omitzero"`
}

// Gap is a span that is not provably covered by a subscription.
type Gap struct {
	Resource string    `json:"resource"`
	From     time.Time `json:"from"`
	To       time.Time `json:"to,omitzero"` // zero: still open
	Cause    string    `json:"cause"`
}

// KeysInUse names the keys of a server by what is public of them.
type KeysInUse struct {
	Encryption string `json:"encryption"` // id of the key that Graph encrypts for
	Checkpoint string `json:"checkpoint"` // public key of the checkpoints from here on
	Digest     string `json:"digest"`     // epoch of the digests
}

// Forgot says what retention deleted: the bodies of every entry before Before,
// none of which was younger than Until.
type Forgot struct {
	Before int64     `json:"before"`
	Until  time.Time `json:"until"`
}
