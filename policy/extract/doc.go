// Package extract turns what Teams sends into the text a person would read,
// ready to be searched for sensitive data, with a map back to where every byte
// came from.
//
// A message has parts (its subject, its body, a card, a file name); extract
// lays them out one after the other in the buffer of a [Text]. On the way it
//
//   - takes markup away: inline tags vanish, so that they never split a number;
//     <br> becomes a line break, a block two of them, a table cell a tab;
//   - decodes entities and JSON escapes, and the percent escapes of links;
//   - removes what cannot be seen (zero-width characters, soft hyphens, controls
//     of direction, variation selectors, NUL) and remembers where: a value that
//     was hidden in this way is [Text.Obfuscated];
//   - folds what only looks different: every decimal digit of Unicode, full-width
//     and mathematical letters become ASCII, dashes '-', odd spaces ' ', curly
//     quotes straight ones. Letters of other alphabets and accents stay.
//
// # The buffer
//
// The buffer is UTF-8. '\n' is a line break, two in a row end a paragraph or
// another block, '\t' ends a table cell and '\f' with the '\n' after it ends a
// part; none of the last two comes from the message itself, where they are
// spaces. A detector may join a number across '\n', and never across '\f'.
//
// A [Zone] says what a stretch was (prose, code, a cell, a quote, a link). Link
// targets, titles, alt texts and what a list is numbered with, if that is large, are
// no part of the running text: they follow at the end of their part, each on a line
// of its own, so that a link in the middle
// of a number does not split it. The name in a mention (<at>) is left out, unless
// it holds what no name does, as a digit.
//
// # Guarantees
//
// Extraction takes one pass and time linear in the source, keeps no stack, and
// never panics: invalid UTF-8 becomes U+FFFD, a tag that never ends is text, a
// comment, script or style sheet is nothing, and nesting is only counted. Nothing
// is lost for being malformed, because a sender would malform on purpose.
//
// A Text never prints: it is [redacted] under every verb.
package extract
