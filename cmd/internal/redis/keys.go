package redis

import (
	"crypto/sha256"
	"encoding/base64"
	"hash/fnv"
	"strconv"
	"strings"

	"teamsdlp/actions"
	"teamsdlp/webhook"
)

// lead is the partition of the leader: subscriptions, lifecycle notifications,
// the sealed log and the list of nodes.
const lead = -1

// keyset makes the names of keys. All of one partition have one hash tag.
type keyset struct{ prefix string }

func tag(p int) string {
	if p == lead {
		return "lead"
	}
	return "p" + strconv.Itoa(p)
}

func (k keyset) of(p int, name string) string { return k.prefix + ":{" + tag(p) + "}:" + name }

func (k keyset) queue(p int) string    { return k.of(p, "q") }        // stream of items
func (k keyset) counts(p int) string   { return k.of(p, "n") }        // hash: bytes and unverified items in the queue, and which were proved since
func (k keyset) delay(p int) string    { return k.of(p, "delay") }    // zset of deferred ids by ms
func (k keyset) attempts(p int) string { return k.of(p, "attempts") } // hash of id to how often it was put back
func (k keyset) dead(p int) string     { return k.of(p, "dlq") }      // stream of quarantined items
func (k keyset) alog(p int) string     { return k.of(p, "alog") }     // stream of entries to be numbered
func (k keyset) lease(p int) string    { return k.of(p, "lease") }    // hash: owner, fence, until
func (k keyset) open(p int) string     { return k.of(p, "open") }     // hash of releases that are decided and not finished

func (k keyset) effect(p int, message, version string) string {
	return k.of(p, "e:"+digest(message, version))
}
func (k keyset) standing(p int, message string) string { return k.of(p, "s:"+digest(message)) }

func (k keyset) wake() string { return k.prefix + ":wake" } // channel: which partition has something new

// digest is a short name for parts: ids are long, and the key needs no more than
// to be different.
func digest(parts ...string) string {
	h := sha256.New()
	for _, p := range parts {
		_, _ = h.Write([]byte(strconv.Itoa(len(p)) + ":" + p))
	}
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil)[:18])
}

// knownPrefix begins the keys of what items are known by.
const knownPrefix = "d:"

// knownBy names an item that Graph may send twice: resource data is encrypted
// for each notification anew, so its signature tells two apart. An item without
// content has no such name: two of them may be two changes.
func knownBy(item webhook.Item) string {
	if item.Encrypted == nil || item.Encrypted.DataSignature == "" || item.LifecycleEvent != "" {
		return ""
	}
	return digest(item.SubscriptionID, item.ChangeType, item.Resource, item.Encrypted.DataSignature)
}

// laneOf is the conversation of a message key, as [actions.Target.Key] makes it:
// what stands before the message.
func laneOf(messageKey string) string {
	lane, _, _ := strings.Cut(messageKey, "/messages/")
	return lane
}

// laneOfItem is laneOf for an item, and names a lane for those that lead to no
// message.
func laneOfItem(item webhook.Item) string {
	ref, err := webhook.ParseResource(item.Resource)
	if err != nil {
		return "unreadable/" + item.SubscriptionID
	}
	return laneOf(actions.Target{
		Tenant: item.TenantID, ChatID: ref.ChatID, TeamID: ref.TeamID, ChannelID: ref.ChannelID, MessageID: ref.MessageID, ReplyTo: ref.ReplyTo,
	}.Key())
}

// partition is where a lane lies among n.
func partition(lane string, n int) int {
	h := fnv.New64a()
	_, _ = h.Write([]byte(lane))
	return int(h.Sum64() % uint64(n)) //nolint:gosec // n is positive and the rest smaller
}
