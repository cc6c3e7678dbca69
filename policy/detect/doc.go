// Package detect finds sensitive data in a text that policy/extract has laid out.
//
// A detector finds candidates by their form, confirms them by arithmetic (a check
// digit, a range, a structure), drops what is a placeholder or part of something
// else, and earns a confidence [Level] from how the value is printed and from
// words nearby, its evidence. Check digits alone are weak: one random number in
// ten passes Luhn. So a bare run of digits stays low, and a word like "card"
// beside it, or the grouping people print cards in, lifts it.
//
// # The one pass
//
// [Engine.Scan] walks the buffer once. What can start a value (a run of digits,
// '@', '+', "://", "-----", the first three letters of a word that a secret may
// start with) leads to the few detectors that it may belong to; no regular
// expression runs for a built-in detector. Numbers are read as chains of groups
// with the separators that people and editors put between them, and every
// stretch of a chain that has the right number of digits is a candidate. Evidence
// is looked for only once a candidate has passed its check, by one automaton over
// all words of all detectors. A clean message costs no allocation.
//
// A company's own detectors are patterns of package regexp. Each runs only on a
// text that holds what the pattern cannot match without, which is derived from
// the pattern. Others are exact data (see [Table]): the text's numbers, addresses
// and groups of words are looked up by keyed hashes, a filter first; or copies of
// a form (see [Fingerprint]), known by its groups of words. Lists of keywords are
// looked up by whole words ([Keywords]). None of these costs more for having more
// to look for.
//
// # Gates
//
// A candidate that is not reported was stopped by a gate: Luhn, a placeholder, a
// GUID around it, a label like "order" before it. [Engine.ScanExplain] names the
// gate. It never repeats the value. What base64, hexadecimal digits and escapes
// decode to is searched like the text itself, a company's own patterns, exact data and
// forms included; the match, or what stopped it, is told of the whole stretch.
//
// # Guarantees
//
// Time is linear in the text for any set of detectors. Nothing panics on any
// input. Matches do not overlap, but for those of a company's own detectors, which
// are reported beside whatever else is found. An [Engine] is immutable and safe
// for concurrent use. A matched value is a [Value], which does not print.
package detect
