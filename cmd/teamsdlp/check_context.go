package main

import (
	"fmt"
	"slices"
	"strings"

	"teamsdlp/policy"
)

// contextNeed is what of a message's context a rule can hang on.
type contextNeed int

const (
	needChat    contextNeed = 1 << iota // members of a chat, or its kind
	needChannel                         // the same of a channel
	needPerson                          // the sender's domain, or whether the sender is a guest
	needGroups                          // whether the sender is in a group
)

// needOf is what the rule's scope, condition and exceptions ask of Graph.
func needOf(r *policy.Rule) (need contextNeed) {
	leaf := func(c policy.Condition, _ bool) {
		switch c := c.(type) {
		case policy.Audience:
			need |= needChat | needChannel
		case policy.InConversation:
			need |= kindNeed(c)
		case policy.SentBy:
			if c.Domains != nil || c.Guest != nil {
				need |= needPerson
			}
			if c.Groups != nil {
				need |= needGroups
			}
		}
	}
	for _, g := range r.Scope().Conditions() {
		policy.Leaves(g, leaf)
	}
	policy.Leaves(r.When(), leaf)
	for _, e := range r.Exceptions() {
		policy.Leaves(e.When, leaf)
	}
	return need
}

// kindNeed: chats are told from channels by the message itself.
func kindNeed(kinds policy.InConversation) (need contextNeed) {
	parted := func(all []string) bool {
		n := 0
		for _, k := range all {
			if slices.Contains(kinds, k) {
				n++
			}
		}
		return n > 0 && n < len(all)
	}
	if parted(policy.ChatKinds) {
		need |= needChat
	}
	if parted(policy.ChannelKinds) {
		need |= needChannel
	}
	return need
}

// rulesThatNeed are the rules of a set that can hang on any of it.
func rulesThatNeed(set *policy.Set, need contextNeed) (ids []string) {
	if set == nil {
		return nil
	}
	for _, r := range set.Rules {
		if r.Mode != policy.Off && needOf(r)&need != 0 {
			ids = append(ids, r.ID)
		}
	}
	return ids
}

// someOf names a few of many.
func someOf(ids []string) string {
	const few = 3
	if len(ids) <= few {
		return strings.Join(ids, ", ")
	}
	return fmt.Sprintf("%s and %s", strings.Join(ids[:few], ", "), plural(len(ids)-few, "more rule"))
}
