package sqlite

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"teamsdlp/actions"
)

const (
	maxSeq      = math.MaxInt64
	defaultPage = 50
	entryBytes  = 2048 // what an entry weighs in a batch, roughly
)

// pageSize is how many rows a list returns.
func pageSize(limit int) int {
	if limit <= 0 {
		return defaultPage
	}
	return min(limit, maxPage)
}

// nanos is the stored form of the log's times. The zero time is 0; one that is too far
// away for nanoseconds is as far as they go, and still before or after all others.
func nanos(t time.Time) int64 {
	switch {
	case t.IsZero():
		return 0
	case t.Year() < 1678:
		return math.MinInt64
	case t.Year() > 2261:
		return math.MaxInt64
	}
	return t.UnixNano()
}

const insertEntry = `INSERT INTO entries
	(seq, id, time_ns, kind, tenant, case_id, conversation, sender_id, sender_fold, severity, action, outcome, label, body)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`

// appendEntries gives entries their number and id and writes them, their hashes
// and what they make of their cases.
func appendEntries(t *tx, entries []actions.Entry) error {
	if len(entries) == 0 {
		return nil
	}
	var seq int64
	if err := t.row(`SELECT coalesce(max(seq) + 1, 0) FROM entries`, nil, &seq); err != nil {
		return err
	}
	entries = slices.Clone(entries)
	for i := range entries {
		e := &entries[i]
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		e.Time = e.Time.UTC()
		body, err := actions.SealEntry(e, seq)
		if err == nil {
			err = insertSealed(t, *e, body)
		}
		if err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		seq++
	}
	return foldCases(t, entries)
}

// insertSealed writes an entry that has its number and its bytes. What it makes of its
// case is for foldCases.
func insertSealed(t *tx, e actions.Entry, body []byte) error {
	if err := noteDisorder(t, nanos(e.Time)); err != nil {
		return err
	}
	c := columnsOf(e.Conversation, e.Sender)
	_, err := t.exec(insertEntry, e.Seq, e.ID, nanos(e.Time), string(e.Kind), e.Tenant, e.Case,
		c.conversation, c.senderID, c.senderFold, severity(e.Rules), string(e.Action), string(e.Outcome), e.Label, body)
	if err != nil {
		return err
	}
	rules, detectors := findings(e.Rules)
	err = errors.Join(
		t.execEach(`INSERT INTO entry_rule (rule, seq) SELECT value, ?2 FROM json_each(?1)`, rules, e.Seq),
		t.execEach(`INSERT INTO entry_detector (detector, seq) SELECT value, ?2 FROM json_each(?1)`, detectors, e.Seq),
	)
	if err != nil {
		return err
	}
	return growTree(t, e.Seq, body)
}

// noteDisorder keeps how far times go back from one entry to a later one. It must be
// called before the entry of that time is written.
func noteDisorder(t *tx, at int64) error {
	var back, most int64
	if err := t.row(`SELECT coalesce(max(time_ns), ?1) - ?1 FROM entries`, []any{at}, &back); err != nil || back <= 0 {
		return err
	}
	if err := t.row(`SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = ?`, []any{keyDisorder}, &most); err != nil || back <= most {
		return err
	}
	_, err := t.exec(putMeta, keyDisorder, strconv.FormatInt(back, 10))
	return err
}

const putCase = `INSERT INTO cases
	(id, last_seq, updated_ns, tenant, conversation, sender_id, sender_fold, severity, action, outcome, label,
	 overridden, reported, released, edited, deleted, body)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
	ON CONFLICT (id) DO UPDATE SET
	last_seq = excluded.last_seq, updated_ns = excluded.updated_ns, tenant = excluded.tenant,
	conversation = excluded.conversation, sender_id = excluded.sender_id, sender_fold = excluded.sender_fold,
	severity = excluded.severity, action = excluded.action, outcome = excluded.outcome, label = excluded.label,
	overridden = excluded.overridden, reported = excluded.reported, released = excluded.released,
	edited = excluded.edited, deleted = excluded.deleted, body = excluded.body`

// foldCases brings the cases of entries up to date, each once.
func foldCases(t *tx, entries []actions.Entry) error {
	byCase := map[string][]actions.Entry{}
	for _, e := range entries {
		if e.Case != "" {
			byCase[e.Case] = append(byCase[e.Case], e)
		}
	}
	for _, e := range entries { // in the order of the log
		if of := byCase[e.Case]; of != nil {
			if err := foldCase(t, e.Case, of); err != nil {
				return fmt.Errorf("case %s: %w", e.Case, err)
			}
			delete(byCase, e.Case)
		}
	}
	return nil
}

// foldCase brings a case up to date with entries of it, one at least.
func foldCase(t *tx, id string, entries []actions.Entry) error {
	var (
		c    actions.Case
		body []byte
	)
	err := t.row(`SELECT body FROM cases WHERE id = ?`, []any{id}, &body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	default:
		if c, err = t.cases.decode(id, body); err != nil {
			return fmt.Errorf("case %s: %w", id, err)
		}
	}
	oldRules, oldDetectors := findings(c.Rules)
	before := c.LastSeq
	for _, e := range entries {
		c = actions.Fold(c, e)
	}
	if body, err = json.Marshal(c); err != nil {
		return err
	}
	t.cases.keep(c, body)
	col := columnsOf(c.Conversation, c.Sender)
	_, err = t.exec(putCase, id, c.LastSeq, nanos(c.Updated), c.Tenant, col.conversation, col.senderID, col.senderFold,
		c.Severity, string(c.Action), string(c.Outcome), c.Label,
		c.Overridden, c.Reported, c.Released, c.Edited, c.Deleted, body)
	if err != nil {
		return err
	}
	rules, detectors := findings(c.Rules)
	return errors.Join(
		dropFindings(t, before, oldRules, oldDetectors),
		t.execEach(`INSERT INTO case_rule (rule, last_seq) SELECT value, ?2 FROM json_each(?1)`, rules, c.LastSeq),
		t.execEach(`INSERT INTO case_detector (detector, last_seq) SELECT value, ?2 FROM json_each(?1)`, detectors, c.LastSeq),
	)
}

// dropFindings takes a case out of its side tables, where it stands by its last entry.
func dropFindings(t *tx, last int64, rules, detectors []string) error {
	return errors.Join(
		t.execEach(`DELETE FROM case_rule WHERE rule IN (SELECT value FROM json_each(?1)) AND last_seq = ?2`, rules, last),
		t.execEach(`DELETE FROM case_detector WHERE detector IN (SELECT value FROM json_each(?1)) AND last_seq = ?2`, detectors, last),
	)
}

// recentCases are the cases folded last, decoded, since most entries come shortly
// after another of their case. What is kept counts only for the very bytes that are
// stored: a fold that was rolled back is never taken for one.
type recentCases struct {
	all   map[string]recentCase
	bytes int
}

type recentCase struct {
	body string
	c    actions.Case
}

// maxRecentCases is how many bytes are kept; then all are forgotten.
const maxRecentCases = 4 << 20

func (r *recentCases) keep(c actions.Case, body []byte) {
	r.bytes += len(body) - len(r.all[c.ID].body)
	if r.all == nil || r.bytes > maxRecentCases {
		r.all, r.bytes = map[string]recentCase{}, len(body)
	}
	r.all[c.ID] = recentCase{string(body), c}
}

func (r *recentCases) decode(id string, body []byte) (c actions.Case, err error) {
	if have := r.all[id]; have.body == string(body) {
		return have.c, nil
	}
	err = json.Unmarshal(body, &c)
	return c, err
}

// columns are copies for filters.
type columns struct{ conversation, senderID, senderFold string }

func columnsOf(c *actions.Conversation, s *actions.Sender) columns {
	var col columns
	if c != nil {
		col.conversation = c.ID
	}
	if s != nil {
		col.senderID, col.senderFold = s.ID, strings.ToLower(s.Name)
	}
	return col
}

// findings are the rules that matched and what they matched by, each sorted and
// once.
func findings(results []actions.RuleResult) (rules, detectors []string) {
	for i := range results {
		r := &results[i]
		if r.Result != resultMatched {
			continue
		}
		rules = append(rules, r.ID)
		for _, m := range r.Matched {
			detectors = append(detectors, m.Detector)
		}
	}
	slices.Sort(rules)
	slices.Sort(detectors)
	return slices.Compact(rules), slices.Compact(detectors)
}

// resultMatched is the result of a rule that matched: not of a near miss, an
// exception and the like.
const resultMatched = "matched"

// severity is the highest of the rules that matched.
func severity(results []actions.RuleResult) string {
	order := []string{"low", "medium", "high", "critical"}
	highest, rank := "", -2
	for i := range results {
		if r := &results[i]; r.Result == resultMatched && slices.Index(order, r.Severity) > rank {
			highest, rank = r.Severity, slices.Index(order, r.Severity)
		}
	}
	return highest
}

// A where collects the conditions of a list. Only the first that an index is for is
// left for SQLite to look up by: without statistics it would choose among several by
// chance, and might choose the one that all rows meet. So they are added in the order
// of how few rows are likely to meet them.
type where struct {
	from  string // the table, or two of which the first is followed to the second
	seq   string // the column that orders the list, with its table
	terms []string
	args  []any
	led   bool // there is a condition that an index is for
}

// add adds a condition with its arguments.
func (w *where) add(term string, args ...any) {
	w.terms = append(w.terms, term)
	w.args = append(w.args, args...)
}

// equal adds a condition unless value is empty.
func (w *where) equal(column, value string) {
	switch {
	case value == "":
	case w.led:
		w.add("+"+column+" = ?", value)
	default: // some indexes are of what is not empty
		w.add(column+" = ? AND "+column+" <> ''", value)
		w.led = true
	}
}

// through adds that a side table holds value for the row, unless value is empty.
func (w *where) through(table, column, value string) {
	seq := w.seq[strings.IndexByte(w.seq, '.')+1:] // there as here
	switch {
	case value == "":
	case w.led:
		w.add("EXISTS (SELECT 1 FROM "+table+" x WHERE x."+column+" = ? AND x."+seq+" = "+w.seq+")", value)
	default:
		w.from = table + " s CROSS JOIN " + w.from + " ON " + w.seq + " = s." + seq
		w.seq = "s." + seq
		w.add("s."+column+" = ?", value)
		w.led = true
	}
}

// objectID is the form of an object id in Microsoft Entra: it is looked up by
// index, and never searched for in names.
var objectID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// sender adds the condition on who said it. A name, or part of one, is searched for
// in all that the other conditions leave.
func (w *where) sender(sender string) {
	switch {
	case sender == "":
	case objectID.MatchString(sender):
		w.equal("sender_id", sender)
	default:
		w.add("(sender_id = ? OR instr(sender_fold, ?) > 0)", sender, strings.ToLower(sender))
	}
}

// page returns the query of one page. time is the column of times.
func (w *where) page(time string, f actions.Filter, s span, order string) (query string, args []any) {
	if !f.Since.IsZero() {
		w.add("+"+time+" >= ?", nanos(f.Since))
	}
	if !f.Until.IsZero() {
		w.add("+"+time+" < ?", nanos(f.Until))
	}
	if s.before < maxSeq {
		w.add(w.seq+" < ?", s.before)
	}
	if s.after >= 0 {
		w.add(w.seq+" > ?", s.after)
	}
	query = "SELECT body FROM " + w.from
	if len(w.terms) > 0 {
		query += " WHERE " + strings.Join(w.terms, " AND ")
	}
	return query + " ORDER BY " + w.seq + " " + order + " LIMIT ?", append(w.args, pageSize(f.Limit))
}

// A span is where in the log a list can be: after one entry and before another.
type span struct{ after, before int64 }

// span returns the span of f. Its times become numbers: lists are in the order of
// numbers, and would otherwise read all that is newer than what they show. Clocks go
// back at times, so entries are not in the order of their times; but no entry is
// older than one before it by more than the store keeps account of.
func (r *Reader) span(ctx context.Context, f actions.Filter) (span, error) {
	s := span{-1, maxSeq}
	if f.Before > 0 {
		s.before = f.Before
	}
	if f.After != nil {
		s.after = *f.After
	}
	if f.Since.IsZero() && f.Until.IsZero() {
		return s, nil
	}
	var back int64
	if err := r.row(ctx, `SELECT coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = ?`, []any{keyDisorder}, &back); err != nil {
		return s, err
	}
	if t := nanos(f.Since); !f.Since.IsZero() && t > math.MinInt64+back {
		// Whatever comes before an entry so old is too old as well.
		var seq int64
		const query = `SELECT coalesce((SELECT seq FROM entries WHERE time_ns < ? ORDER BY time_ns DESC, seq DESC LIMIT 1), -1)`
		if err := r.row(ctx, query, []any{t - back}, &seq); err != nil {
			return s, err
		}
		s.after = max(s.after, seq)
	}
	if t := nanos(f.Until); !f.Until.IsZero() && t < math.MaxInt64-back {
		// Whatever comes after an entry so young is too young as well.
		var seq int64
		const query = `SELECT coalesce((SELECT seq FROM entries WHERE time_ns >= ? ORDER BY time_ns, seq LIMIT 1), ?)`
		if err := r.row(ctx, query, []any{t + back, int64(maxSeq)}, &seq); err != nil {
			return s, err
		}
		s.before = min(s.before, seq)
	}
	return s, nil
}

// states are the conditions of Filter.State.
var states = map[string]string{
	"overridden": "overridden",
	"reported":   "reported",
	"released":   "released",
	"edited":     "edited",
	"deleted":    "deleted",
	"open":       openCase,
}

// Cases lists cases by their last entry, newest first; Since and Until are about
// that entry's time.
func (r *Reader) Cases(ctx context.Context, f actions.Filter) ([]actions.Case, error) {
	f.After = nil
	s, err := r.span(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("listing cases: %w", err)
	}
	cases, err := found[actions.Case](ctx, r, f, s, endsOfCases, casesQuery)
	if err != nil {
		return cases, fmt.Errorf("listing cases: %w", err)
	}
	return cases, nil
}

func casesQuery(f actions.Filter, s span) (query string, args []any, err error) {
	w := where{from: "cases", seq: "cases.last_seq"}
	w.equal("id", f.Case)
	w.equal("label", f.Label)
	state := func() {
		if term := states[f.State]; w.led {
			w.add("iif(" + term + ", 1, 0)") // no index is for that
		} else {
			w.add(term)
			w.led = true
		}
	}
	if f.State != "" && states[f.State] == "" {
		return "", nil, fmt.Errorf("there is no state %q", f.State)
	}
	if f.State != "" && f.State != "open" {
		state()
	}
	w.sender(f.Sender)
	w.equal("conversation", f.Conversation)
	w.through("case_rule", "rule", f.Rule)
	w.through("case_detector", "detector", f.Detector)
	w.equal("outcome", string(f.Outcome))
	w.equal("severity", f.Severity)
	w.equal("action", string(f.Action))
	if f.State == "open" { // as most are
		state()
	}
	w.equal("tenant", f.Tenant)
	query, args = w.page("updated_ns", f, s, "DESC")
	return query, args, nil
}

// Case returns one case with its entries, oldest first. actions.ErrNotFound if
// there is none with that id.
func (r *Reader) Case(ctx context.Context, id string) (actions.Case, []actions.Entry, error) {
	fail := func(err error) (actions.Case, []actions.Entry, error) {
		return actions.Case{}, nil, fmt.Errorf("reading case %s: %w", id, err)
	}
	var (
		c    actions.Case
		body []byte
		last int64
	)
	err := r.row(ctx, `SELECT body, last_seq FROM cases WHERE id = ?`, []any{id}, &body, &last)
	if errors.Is(err, sql.ErrNoRows) {
		err = actions.ErrNotFound
	}
	if err != nil {
		return fail(err)
	}
	if err := json.Unmarshal(body, &c); err != nil {
		return fail(err)
	}
	// Entries after the one that was folded last would contradict the case.
	const query = `SELECT body FROM entries WHERE case_id = ? AND case_id <> '' AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?`
	var entries []actions.Entry
	for after := int64(-1); after < last; after = entries[len(entries)-1].Seq {
		page, err := list[actions.Entry](ctx, r, query, id, after, last, maxPage)
		if err != nil {
			return fail(err)
		}
		if len(page) == 0 {
			var first int64
			if err := r.row(ctx, `SELECT coalesce(min(seq), 0) FROM entries`, nil, &first); err != nil {
				return fail(err)
			}
			if last < first {
				break // retention deleted what they said
			}
			return fail(fmt.Errorf("entry %d is missing from the log", last))
		}
		entries = append(entries, page...)
	}
	return c, entries, nil
}

// Entries lists entries, newest first, or oldest first from f.After on. State is
// of cases only and is refused.
func (r *Reader) Entries(ctx context.Context, f actions.Filter) ([]actions.Entry, error) {
	if f.State != "" {
		return nil, fmt.Errorf("listing entries: state %q is one of cases", f.State)
	}
	s, err := r.span(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("listing entries: %w", err)
	}
	entries, err := found[actions.Entry](ctx, r, f, s, endsOfEntries, func(f actions.Filter, s span) (string, []any, error) {
		query, args := entriesQuery(f, s)
		return query, args, nil
	})
	if err != nil {
		return entries, fmt.Errorf("listing entries: %w", err)
	}
	return entries, nil
}

func entriesQuery(f actions.Filter, s span) (query string, args []any) {
	w := where{from: "entries", seq: "entries.seq"}
	w.equal("case_id", f.Case)
	w.equal("label", f.Label)
	ofMost := []actions.Kind{actions.KindIntent, actions.KindResult, actions.KindShadow}
	if !slices.Contains(ofMost, f.Kind) {
		w.equal("kind", string(f.Kind))
	}
	w.sender(f.Sender)
	w.equal("conversation", f.Conversation)
	w.through("entry_rule", "rule", f.Rule)
	w.through("entry_detector", "detector", f.Detector)
	w.equal("outcome", string(f.Outcome))
	w.equal("severity", f.Severity)
	w.equal("action", string(f.Action))
	if slices.Contains(ofMost, f.Kind) {
		w.equal("kind", string(f.Kind))
	}
	w.equal("tenant", f.Tenant)
	if len(f.Digests) > 0 {
		// No index: values are looked for now and then.
		terms := make([]string, len(f.Digests))
		var args []any
		for i, d := range f.Digests {
			terms[i] = "instr(body, ?) > 0"
			args = append(args, []byte(d))
		}
		w.add("("+strings.Join(terms, " OR ")+")", args...)
	}
	order := "DESC"
	if f.After != nil {
		order = "ASC"
	}
	return w.page("time_ns", f, s, order)
}

// list decodes the bodies that query selects.
func list[T any](ctx context.Context, r *Reader, query string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	spoilRead(r)
	rows, err := r.db.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	var page []T
	err = drain(rows, func(rows *sql.Rows) error {
		var (
			body sql.RawBytes
			v    T
		)
		if err := rows.Scan(&body); err != nil {
			return err
		}
		if err := json.Unmarshal(body, &v); err != nil {
			return err
		}
		page = append(page, v)
		return nil
	})
	return page, err
}
