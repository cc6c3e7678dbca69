// Package policy judges one message against compiled rules.
//
// It is pure: a [Message], what is known about its surroundings ([Context]) and
// a time go in, a [Verdict] comes out. It reads no file, no clock and no
// network; package rulefile makes a [Set] out of YAML, and the caller fetches
// what a verdict still needs.
//
// # Vocabulary
//
// A rule has a scope (where and for whom it is judged), one condition (when),
// exceptions, a mode, and an action. A condition is a tree of [All], [Any] and
// [Not] over leaves. Leaves that look at the text ([Detect], [Keywords],
// [Regex]) are content; leaves that look at people and places ([Audience],
// [SentBy], [InConversation]) are context.
//
// A rule has matched when its scope and its condition hold and no exception
// does. Every rule gets a [Result] with a reason, matched or not, because "why
// did this rule not fire" is the question its author will ask. A near miss is a
// rule that found something and was stopped by another gate.
//
// # What is not known
//
// Context costs calls to Graph, so a message is first judged without. Every
// condition answers yes, no or unknown, and unknown spreads by Kleene's rules: a
// rule whose text condition does not hold is over without a single call. Only
// where a rule's result hangs on what is unknown does [Verdict.Need] name it.
// Once [Context.Final] is set, what is still unknown counts as the answer that
// keeps the rule in force: a scope is entered, a condition holds, the inside of
// a [Not] does not, and no exception applies. [RuleVerdict.Assumed] names each
// such assumption.
//
// # Guarantees
//
//   - A rule in shadow mode is judged like any other and never contributes to
//     the verdict's action, tip, override, report or descriptions.
//   - The text is searched at most once a message, and not at all where no rule
//     is in scope.
//   - Reasons name rules, detectors, lists, counts and levels, never text.
//   - A [Set] does not change once made; any number of goroutines may judge by it.
package policy
