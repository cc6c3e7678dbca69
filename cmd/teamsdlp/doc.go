// Command teamsdlp does data loss prevention for Microsoft Teams: it hears of
// every message through Microsoft Graph, judges it by a company's own rule files,
// blocks it or tips its sender, and keeps a log of all of it that nobody can
// quietly edit.
//
// # How it is built, from the bottom
//
// [teamsdlp/policy/extract] makes of a message the text that a person would read.
// [teamsdlp/policy/detect] finds sensitive data in it. [teamsdlp/policy] judges a
// message by compiled rules, without I/O and without a clock of its own, and
// [teamsdlp/policy/rulefile] makes those of YAML files and watches them.
//
// [teamsdlp/webhook] proves what Graph sends, stores it before it answers, and
// opens it later. [teamsdlp/subscriptions] keeps Graph sending, and records every
// span for which it cannot vouch. [teamsdlp/actions] decides what a version of a
// message calls for, records the intent, carries it out and records the result;
// the log, its tree and its verification are there too, and
// [teamsdlp/actions/review] is the desk over them. None of these imports another
// of them: each declares the little that it needs.
//
// Under cmd/internal, sqlite is the store behind all of their interfaces and redis
// that of several nodes, which one suite holds to the same contract; graph speaks
// to Microsoft Graph through its SDK, and pipeline takes one stored item the whole
// way. [teamsdlp/config] is what an operator writes.
//
// This command joins them. One file is one subcommand; service.go is the product
// as serve and demo run it: it opens everything, runs it in stages, and ends the
// stages in the order in which data flows. [teamsdlp/test/graphtwin] is a Graph to
// run it against.
//
// Built with the tag faults, the binary can be told to die at a point of the way
// (TEAMSDLP_HIT) or to break one promise on purpose (TEAMSDLP_FAULT), so that the
// tests reach each point and can show that they would notice: see
// [teamsdlp/cmd/internal/faults].
package main
