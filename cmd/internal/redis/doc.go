// Package redis is the store of an installation with more than one node: the
// inbox, the effects, the subscriptions and the log on its way into the tree are
// in Redis (7.0 or later, or Valkey 7.2 or later), in streams, hashes and
// scripts.
//
// # Partitions
//
// Everything about one conversation lies in one partition, whose keys share a
// hash tag ({p0}, {p1}, …), so that a script moves them together, in a cluster
// as well. A partition is leased to one node, with a fence: a number that grows
// each time the lease changes hands. Every script that ends, defers or decides
// anything is given the fence and refuses an old one. A node that lost a lease
// stops the work about it; the next holder starts at the head of the partition's
// inbox and the effects tell how far each item came. Within a node there is one
// lane a conversation, so there is one in the whole installation.
//
// The lease is what keeps nodes apart, so there are no consumer groups: a
// second list of who works on what could only disagree with it.
//
// One more lease, with the tag {lead}, makes a node the leader: it owns the
// subscriptions and numbers the entries of the log.
//
// # The log
//
// A script that decides or finishes an effect appends the entries to the
// partition's stream, unnumbered. The leader takes what has come in, orders it
// by Redis' time, numbers it, and appends it to the one sealed stream, which
// every node copies into a SQLite file of its own (its read model, with the
// tree over the entries): lists, cases and verification are answered from there.
// A sealed entry leaves Redis once every live node, and at least two, has it; a
// node that needs older ones is sent them by the leader.
//
// # What it promises
//
// A call that returned nil is as durable as Redis makes it: the store refuses to
// open on settings under which Redis answers before it has written (see Options).
// Scripts are never repeated blindly: each is recognised by a number of its own,
// and one that was carried out already says so.
//
// # How it fails
//
// While Redis does not answer, writes fail within Options.Timeout, and once one
// did, new items are refused at once for a short while. Leases that could not be
// renewed in time are given up here before they end there.
package redis
