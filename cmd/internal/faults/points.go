package faults

// Point is a place on the way of a message, as in TEAMSDLP_HIT.
type Point string

// The points, in the order in which a message passes them.
const (
	Parsed       Point = "parsed"        // proved, not stored
	Commit       Point = "commit"        // written, not committed
	Committed    Point = "committed"     // durable, not answered
	Leased       Point = "leased"        // claimed, not opened
	Judged       Point = "judged"        // the verdict is known, nothing is on disk
	Decided      Point = "decided"       // the intent is on disk, nothing was sent
	PatchSent    Point = "patch-sent"    // the PATCH was written, no answer was read
	PatchApplied Point = "patch-applied" // Graph answered, the result is not on disk
	Terminal     Point = "terminal"      // the result is on disk
)

// Migrating is within a step of a schema migration, before its commit.
const Migrating Point = "migrating"

// Retiring is after each step by which an encryption key is retired.
const Retiring Point = "retiring"

// Making is before and after each step by which keys are made.
const Making Point = "making"

// Points lists them all.
var Points = []Point{Migrating, Retiring, Making, Parsed, Commit, Committed, Leased, Judged, Decided, PatchSent, PatchApplied, Terminal}

// Mutation is a promise broken, as in TEAMSDLP_FAULT.
type Mutation string

// The mutations. A test that does not notice proves nothing.
const (
	AckBeforeCommit  Mutation = "ack-before-commit"  // 202 first, stored 30 s later
	AckWhenFull      Mutation = "ack-when-full"      // what the store refuses is answered 202
	LogText          Mutation = "log-text"           // decrypted messages in the program log
	NoPatch          Mutation = "no-patch"           // the first order is said to be carried out, and is not
	PatchTwice       Mutation = "patch-twice"        // every order is sent twice
	NoIntent         Mutation = "no-intent"          // sent without a record
	NoLock           Mutation = "no-lock"            // a second process may use the data
	NoLoopGuard      Mutation = "no-loop-guard"      // whatever a version shows counts as a new text
	NoReadFirst      Mutation = "no-read-first"      // sent again without a look at the message
	NoRetryAfter     Mutation = "no-retry-after"     // Retry-After is not seen
	IgnoreOverride   Mutation = "ignore-override"    // what the sender did is not seen
	ArrivalOrder     Mutation = "arrival-order"      // the version that came last is the newest
	ForgetClean      Mutation = "forget-clean"       // clean messages leave no effect
	NoHMAC           Mutation = "no-hmac"            // decrypted without a look at the signature
	TrustDeferred    Mutation = "trust-deferred"     // what could not be verified is taken for proved
	NoFence          Mutation = "no-fence"           // a lease that is lost stops nothing
	ForgetUnfinished Mutation = "forget-unfinished"  // what was decided is not taken up again
	ExportInOneRead  Mutation = "export-in-one-read" // a reader of lists goes on with the read that it began with
	ExportSkips      Mutation = "export-skips"       // a list's next page begins one entry too late
	MigrateInPieces  Mutation = "migrate-in-pieces"  // the schema's number is committed before its step
	OpenNewer        Mutation = "open-newer"         // a file of a newer release is written to
	GiveUp           Mutation = "give-up"            // a permission that is missing ends the action
	Leak             Mutation = "leak"               // each notification leaves a goroutine and an open file
	RenewLate        Mutation = "renew-late"         // subscriptions are renewed in their last hour alone
	RenewOnce        Mutation = "renew-once"         // a renewal that was refused is not tried again
	NoGap            Mutation = "no-gap"             // what was not covered is not recorded
	AckWhenDown      Mutation = "ack-when-down"      // what the store did not take is answered 202
	UnsafeRedis      Mutation = "unsafe-redis"       // nobody looks at the settings of Redis
)
