package actions

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// ErrNotFound is returned for a case or entry that the log does not have.
var ErrNotFound = errors.New("not in the action log")

// Case is the present state of one message's story: the fold of its entries.
// The store keeps it beside the log, in the same commit, for lists and filters.
type Case struct {
	ID           string        `json:"id"`
	Tenant       string        `json:"tenant"`
	Conversation *Conversation `json:"conversation,omitempty"`
	Message      *Message      `json:"message,omitempty"`
	Sender       *Sender       `json:"sender,omitempty"`
	Target       *Target       `json:"target,omitempty"`
	FirstSeq     int64         `json:"first_seq"`
	LastSeq      int64         `json:"last_seq"`
	Opened       time.Time     `json:"opened"`
	Updated      time.Time     `json:"updated"`
	Generation   string        `json:"generation,omitempty"`
	// Severity is the highest of the rules that matched in the last verdict.
	Severity string       `json:"severity,omitempty"`
	Rules    []RuleResult `json:"rules,omitempty"` // that matched
	Verdict  string       `json:"verdict,omitempty"`
	// Action is what the last verdict asked for; Outcome how far it came.
	Action  Action  `json:"action,omitempty"`
	Outcome Outcome `json:"outcome,omitempty"`
	// Standing is what holds in Teams now by our doing: none after a release,
	// an override or a clean edit.
	Standing   Action     `json:"standing,omitempty"`
	Overridden bool       `json:"overridden,omitempty"`
	Reported   bool       `json:"reported,omitempty"`
	Released   bool       `json:"released,omitempty"`
	Edited     bool       `json:"edited,omitempty"`
	Deleted    bool       `json:"deleted,omitempty"`
	Label      string     `json:"label,omitempty"`
	Graph      *GraphCall `json:"graph,omitempty"`
	Exposure   *Exposure  `json:"exposure,omitempty"`
}

// Filter selects cases or entries. Zero fields do not filter. Lists are newest
// first and paged by sequence number: pass the last one's as Before.
type Filter struct {
	Tenant       string
	Conversation string // conversation id
	Sender       string // object id, or part of the name
	Rule         string
	Detector     string
	Severity     string
	Action       Action
	Outcome      Outcome
	Kind         Kind // entries only
	Case         string
	Label        string
	// State is a word of: overridden, reported, released, edited, deleted, open
	// (none of them and not labelled). Cases only.
	State string
	// Digests are of values, any of which must have been found. Entries only.
	Digests []string
	Since   time.Time
	Until   time.Time
	Before  int64  // sequence number; 0 starts at the newest
	After   *int64 // entries only: oldest first, those after this sequence number (-1: from the start); nil: newest first
	Limit   int    // default 50, at most 5000
	// Scan is how many entries back a search looks, or forth with After, about: Digests and
	// a Sender that is part of a name have it go over all that the rest leaves. Then it
	// ends with SearchStopped. 0: to the end of the log.
	Scan int
}

// SearchStopped is returned, beside what was found, by a search that looked as far as
// Filter.Scan and did not fill its page. It goes on with At as Before, or as After.
type SearchStopped struct{ At int64 }

// Error implements error.
func (s *SearchStopped) Error() string {
	return fmt.Sprintf("the search stopped at entry %d", s.At)
}

// Reader is the read side of the log. It is safe for concurrent use.
type Reader interface {
	Cases(ctx context.Context, f Filter) ([]Case, error)
	Case(ctx context.Context, id string) (Case, []Entry, error) // ErrNotFound
	Entries(ctx context.Context, f Filter) ([]Entry, error)
}
