// Package graph speaks the few Microsoft Graph endpoints that the product
// calls, through msgraph-sdk-go's sub-packages where something is written and
// through plain GETs where something is read. It returns domain types and
// domain errors.
//
// A [Client] is one app in one tenant. It sets a message's policyViolation
// ([Client.Patch]), reads messages ([Client.Read], [Client.Message]) and reads
// what rules ask about ([Client.Conversation], [Client.Person],
// [Client.Groups]). [Subscriptions] is the part that package subscriptions
// drives. [NewCredential] makes the token source.
//
// # What the SDK does not do here
//
// Measurements of the SDK's default client decided what it may do. It builds
// requests and writes their JSON. It does not
//
//   - retry: a retried PATCH can go out with an empty body. Every method here
//     sends at most once; who calls decides about another try, for which the
//     request is built anew.
//   - follow redirects, or attach the token to any host but the configured one:
//     scheme, host and port must be equal.
//   - compress requests.
//   - parse errors: its error type panics when printed for a body without a
//     message, and loses the status of an answer that is not JSON. Answers that
//     are not 2xx are turned into [actions.CallError] in the transport, below
//     the SDK (package answer).
//   - parse policyViolation: its parser drops spellings that Graph itself has
//     used, and with them a sender's override. Messages are decoded by our own
//     structs.
//
// # Pace
//
// One limiter for every verb keeps to Graph's published limits for a
// conversation, a team and the tenant, lets the most severe PATCH go first and
// context reads last, and sends nothing while Graph asked to wait.
//
// # Errors
//
// Where Graph, or nobody, answered, the error is an [*actions.CallError]. It
// says whether the call certainly never left (NotSent) and whether it is open
// that it worked (Ambiguous). No error prints text of Graph's: it may quote what
// was sent.
package graph
