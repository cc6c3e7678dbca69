// Package rulefile turns a directory of YAML into a compiled rule set, or into
// every fault in it with its position.
//
// All *.yaml and *.yml files of one directory are one generation, with the lists,
// forms and tables of exact data that they name, which lie beside them or below;
// its name is a hash over their names and contents. A generation is compiled whole or not at all:
// [Load] returns a set only if every file parses, every name that a rule uses
// exists, and every test beside a rule or a detector passes. [Watcher] keeps the
// last good generation in force while the directory holds a broken one.
//
// # What is refused
//
// A key that is not known is a fault with the nearest known one, at any depth. A
// condition that this version does not have yet is a fault that says so; nothing
// that a rule asks for is ever ignored. Anchors, aliases and merge keys are
// refused, as are several documents in a file, a key that is there twice, a
// pattern that RE2 does not have, and files beyond the limits below.
//
// # What is only remarked on
//
// A [Finding] is about a set that works but may not do what its author thinks: a
// rule that can never fire, one that enforces without tests, an exception that has
// expired. Each has a stable code, a position and a sentence on the mend.
//
// # Tests
//
// What a test does not say of its sender and conversation is not known, as if
// Graph had not answered: the rule stays in force. A test without a conversation
// is tried in a chat and in a channel; to match it must match in one of them, not
// to match in neither. Tests see every exception as not yet expired, so that a set
// that loads today still loads tomorrow, and a rule whose mode is off as if it
// were judged.
package rulefile
