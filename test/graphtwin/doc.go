// Package graphtwin is a Microsoft Graph that fits in a process: what a DLP
// product for Teams needs of Graph and of the Entra token service, over real
// HTTP, with real cryptography.
//
// A [Twin] holds tenants, apps, people, chats, teams and messages. People talk
// through its methods ([Twin.Say], [Twin.Edit], [Twin.Override], ...); apps
// reach it as they reach Graph: they fetch a token, make subscriptions, receive
// encrypted change notifications with signed validation tokens, and PATCH the
// policyViolation of a message. What came of it is told by [Twin.Shown] (what
// Teams now shows of a message), by [Twin.Requests] (a journal of every request)
// and by [Twin.Deliveries] (every attempt to deliver a notification). Those are
// the truth that tests compare a product's own account with.
//
// One listener serves everything:
//
//	/{tenant}/oauth2/v2.0/token                        client credentials, by secret or signed assertion
//	/{tenant|common}[/v2.0]/.well-known/openid-configuration
//	/{tenant|common}/discovery[/v2.0]/keys             two signing keys
//	/common/discovery/instance
//	/v1.0/... and /beta/...                            Graph
//	/twin/...                                          the control API, below
//
// The package imports nothing of the product and no SDK, so that its encryption,
// its tokens and its reading of the documentation are a second opinion.
// Behaviour follows Microsoft's documentation as of November 2026. Where no
// public source settles a question there is a switch ([Switches]) or an option
// ([Options.Refusals]). Throttling, expiry and retries follow a [Clock]. The
// fault desk ([Faults]) spoils requests and notifications.
//
// # Ids
//
// Graph's message ids are unique only within a conversation. Every message
// therefore also has an id of the twin's own, m1, m2, ..., which is what every
// method here and the control API take. People, chats and channels are named by
// id or by alias: "ana", "chat:ana-li", "sales/general". [Contoso] is a
// furnished world with stable names.
//
// # Control API
//
// Plain HTTP and JSON, without authentication: serve it on loopback only. A
// member that is not known is refused. Errors are {"error": "..."}.
//
//	POST   /twin/messages       {"as":"ana","chat":"ana-li","html":"<p>hello</p>"}
//	                            or "team" and "channel", or "in":"sales/general"; "text" for plain text;
//	                            "reply_to", "forward_of" and "quote_of" take a message's id; "subject",
//	                            "importance", "mentions":["li"],
//	                            "attachments":[{"content_type","content","content_url","name"}]
//	PATCH  /twin/messages/{id}  one of {"edit":"<p>new</p>"} {"override":"why"} {"report":true} {"react":"like"}
//	DELETE /twin/messages/{id}  as its sender does
//	GET    /twin/messages/{id}  what Teams shows of it, policyViolation and PATCHes included
//	GET    /twin/messages       of all
//	GET    /twin/world          people, chats and teams with ids and aliases
//	GET    /twin/subscriptions  with delivery statistics
//	GET    /twin/deliveries     every attempt
//	GET    /twin/requests       the journal; ?method=PATCH&path=/messages/&status=429&message=m1&applied=true
//	PUT    /twin/faults         a Faults: {"rules":[{"method":"PATCH","path":"/messages/","count":2,"status":429,"retry_after":"1"}],
//	                            "delivery":[{"kind":"duplicate","count":1}],"hold":false}; {} heals
//	POST   /twin/lifecycle      {"event":"reauthorizationRequired","subscription":"..."}; without subscription: to all
//	PUT    /twin/switches       {"echo":false,"blocked_body":"empty","patch_moves_last_edited":true,"odd_casing":true}; what is left out stays
//	PUT    /twin/throttle       {"off":true} or {"conversation":1,"team":4,"tenant":30,"retry_after":"mixed"}
//	POST   /twin/rotate         a new signing key
//	POST   /twin/settle         waits until no notification is queued, under way or to be retried; ?timeout=30s
//
// # Not simulated yet
//
// Export reads and delta queries (getAllMessages), lists of messages, hosted
// content and files; the slow and drop states of an endpoint; notifications held
// back while a re-authorization is pending, and lifecycle events by timer;
// $batch; resource units of identity requests; the limits of /subscriptions and
// those over all tenants; delegated tokens.
package graphtwin
