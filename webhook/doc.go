// Package webhook is the side of the product that Microsoft Graph talks to. It
// answers the validation handshake, proves that a change notification is Graph's
// and meant for us, stores it, and only then says 202. Later, away from the
// request, it opens what was stored.
//
// # Vocabulary
//
// Graph's words are kept. A POST carries a change notification collection: the
// items in value, and validationTokens, one JWT for each (app, tenant) among
// them. An item with encryptedContent is rich; one without is basic, or
// content-less. An item with lifecycleEvent is a lifecycle notification. A
// validationToken (singular, in the query) is the handshake and has nothing to
// do with the JWTs.
//
// # From POST to 202
//
// [Receiver] takes a POST through these steps, each of which can only drop, never
// add:
//
//  1. The handshake, if the query asks for it. Nothing else is looked at.
//  2. Limits and form: encoding, media type, size, depth, counts, duplicate keys.
//     What fails here was not sent by Graph and is answered 4xx.
//  3. Each item by itself: subscription id, clientState, tenant, kind of change.
//  4. The tokens, by [Verifier]: valid, refused (then every item of the POST is
//     dropped) or unverifiable now (then rich items are stored with their tokens,
//     see Item.Deferred). Tokens that come with somebody else's items, because
//     his subscription has our URL, are passed over.
//  5. [Inbox.Put]. It returned nil: 202. It did not: 503, and Graph sends again
//     for 4 hours.
//
// Steps 3 and 4 have one answer, 202, whatever they find, so that nobody learns
// from it which part of a forgery was wrong. What they drop is counted by
// [Reason] and summed up in the log, without a word of what was sent.
// Nothing is decrypted before the 202: neither time nor answer can tell a caller
// anything about a padding, and a slow key cannot slow the acknowledgement.
//
// # From the inbox to a message
//
// [Verifier.Prove] settles what was deferred, [Keyring.Open] decrypts,
// [DecodeMessage] makes a [Message] of it, [ParseResource] says where it lives.
// All refuse with typed errors that hold no content, so that an item can be put
// in quarantine with its reason. Text of a message is of type [Text], which does
// not print.
//
// # How it fails
//
// Keys of the token issuer out of reach: rich items are stored with their tokens
// up to the inbox's quota, then 503. Inbox full or slow: 503 within
// Config.StoreTimeout. An encryption key that is gone: ErrUnknownKey, and the
// ciphertext is still there. A panic in a handler: 500, logged without content.
package webhook
