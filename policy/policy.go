package policy

import (
	"sync"

	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
)

// Mode says whether a rule acts.
type Mode string

// The modes of a rule.
const (
	Off     Mode = "off"
	Shadow  Mode = "shadow" // judged and logged; never acts
	Enforce Mode = "enforce"
)

// Action is what a rule asks for.
type Action string

// The actions, from the mildest to the strictest.
const (
	NoAction      Action = "none"
	Notify        Action = "notify"
	BlockExternal Action = "block-external"
	Block         Action = "block"
)

// Override is what the sender may do about a tip or a block.
type Override string

// The overrides, from the least permissive.
const (
	NoOverride           Override = "none"
	WithJustification    Override = "with-justification"
	WithoutJustification Override = "without-justification"
)

// Report is what becomes of a sender's false-positive report.
type Report string

// The answers to a report.
const (
	NoReport      Report = "none"
	ReviewReport  Report = "review"
	ReleaseReport Report = "release"
)

// Severity is a rule's severity.
type Severity string

// The severities.
const (
	Low      Severity = "low"
	Medium   Severity = "medium"
	High     Severity = "high"
	Critical Severity = "critical"
)

// Message is what is judged.
type Message struct {
	TenantID string
	Text     *extract.Text
	Sender   Sender
	// ConversationID is the chat id, or team id "/" channel id.
	ConversationID string
	Channel        bool // in a channel; else in a chat
}

// Sender is who said it, as far as the message itself tells.
type Sender struct {
	ID string // object id; empty for anonymous people
	// Kind is Graph's userIdentityType (aadUser, federatedUser, ...), or
	// "application" for a bot or connector.
	Kind     string
	TenantID string // empty: not told
}

// Context is what only Graph can tell. A nil field or a missing key is not
// known (yet).
type Context struct {
	Conversation *Conversation
	Person       *Person
	// Groups maps group object ids to whether the sender is a member.
	Groups map[string]bool
	// Final: what is not known could not be fetched. It then counts as the
	// answer that keeps the rule in force, and the verdict says so.
	Final bool
}

// Conversation is what Graph tells of a chat or channel.
type Conversation struct {
	// Kind is oneOnOne, group, meeting, standard, private or shared.
	Kind    string
	Name    string   // topic or channel name; may be empty
	Members []Member // nil: not known
}

// Member is one member of a conversation.
type Member struct {
	ID       string
	TenantID string // empty: not told
	Guest    bool
	External bool   // not an account of the home tenant, guests included
	Domain   string // of the address; empty: not told
}

// Person is what Graph tells of the sender.
type Person struct {
	Domain string // of the user principal name or mail, lower case; empty: not known
	Guest  bool
}

// Need is context without which a verdict could change.
type Need struct {
	Conversation bool
	Person       bool
	Groups       []string
}

// Any reports whether anything is needed.
func (n Need) Any() bool { return n.Conversation || n.Person || len(n.Groups) > 0 }

// Result is what one rule says.
type Result string

// The results.
const (
	Matched    Result = "matched"
	NearMiss   Result = "near_miss"    // some condition held; Reason names the gate that stopped it
	NoMatch    Result = "no_match"     // no condition held
	OutOfScope Result = "out_of_scope" // scope, or mode off
	Excepted   Result = "excepted"     // matched, but for an exception
)

// RuleVerdict is one rule's result with its reason.
type RuleVerdict struct {
	Rule   *Rule
	Result Result
	// Reason is a sentence about what matched, or about the gate that stopped it.
	// It holds no text of the message.
	Reason string
	// Matches are what its content conditions found and counted, by place.
	// Keywords are under detector "keyword-list" and a regex under "regex".
	Matches []detect.Match
	// Assumed names context that was not to be had and was assumed.
	Assumed []string
}

// Verdict is what the rules decide of a message. It holds a result for every
// rule, in file order.
type Verdict struct {
	Generation string
	Rules      []RuleVerdict
	// Action is the strictest action of the enforcing rules that matched. The
	// enforcing rules that matched and ask for it, the winners, decide the rest.
	Action   Action
	Severity Severity // highest of all matched rules, shadow rules included; empty if none matched
	Tip      Tip      // of the winner with the highest severity that gives one, then file order
	Override Override // the least permissive of the winners
	// Report is release only if every winner says so, and none if no tip is sent:
	// Graph offers the sender a report wherever there is a tip.
	Report Report
	// Descriptions are the titles of the winners, for the sender.
	Descriptions []string
	// Need is what must be fetched before the verdict is final; the rest of
	// the verdict means nothing while Need.Any.
	Need Need
}

// Tip is what the sender is told.
type Tip struct {
	Text string
	URL  string
}

// Rule is a compiled rule.
type Rule struct {
	ID       string
	Title    string
	Owner    string
	Severity Severity
	Mode     Mode
	Action   Action
	Tip      Tip
	Override Override
	Report   Report
	File     string
	Line     int

	scope      Scope
	gates      []Condition // the scope's
	when       Condition
	exceptions []Exception
	leaves     []Condition // the content conditions in when
	content    bool        // some content condition speaks for the rule
	quiet      string      // the reason where none of them found anything
	needsText  bool        // it cannot hold where none of them found anything
	outside    []string    // the reason where a gate stops it, by gate
	shared     []int       // the number of each gate in the set
}

// Set is a compiled rule set: one generation. It is immutable and safe for
// concurrent use.
type Set struct {
	Generation string // hash of every file's name and content
	Rules      []*Rule

	engine   *detect.Engine
	scanner  scanner // the engine
	options  detect.Options
	keywords *detect.Keywords // nil: no rule names a keyword
	terms    []term           // what keywords looks for
	patterns []*detect.Pattern
	needles  *detect.Needles // what the patterns need
	sieve    *detect.Sieve   // of all that is looked for
	detects  bool            // some condition asks for a detector

	// Of a message in which nothing was found the verdicts are known beforehand,
	// but for those of the rules in open, and for whether a scope keeps it out.
	quiet  []RuleVerdict
	blank  []RuleVerdict // before a rule is judged
	open   []int
	scoped [][]int // rules that are not open, by their scope
	inside []int   // of a message that no scope keeps out: see Judging.kept
	always bool    // some rule that asks for the text has no scope

	unsearched []patternResult // what a new Judging has found of them: nothing
	pool       sync.Pool       // of *Judging
}

// A term is one keyword of a set.
type term struct {
	text  string
	lists []int // that it is in, by Keywords.index
}
