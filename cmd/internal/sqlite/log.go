package sqlite

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
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

// nanos is the stored form of the log's times. The zero time is 0.
func nanos(t time.Time) int64 {
	if t.IsZero() {
		return 0
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
	for _, e := range entries {
		if e.Time.IsZero() {
			e.Time = time.Now()
		}
		e.Time = e.Time.UTC()
		if err := appendEntry(t, e, seq); err != nil {
			return fmt.Errorf("entry %d: %w", seq, err)
		}
		seq++
	}
	return nil
}

func appendEntry(t *tx, e actions.Entry, seq int64) error {
	body, err := actions.SealEntry(&e, seq)
	if err != nil {
		return err
	}
	return insertSealed(t, e, body)
}

// insertSealed writes an entry that has its number and its bytes.
func insertSealed(t *tx, e actions.Entry, body []byte) error {
	c := columnsOf(e.Conversation, e.Sender)
	_, err := t.exec(insertEntry, e.Seq, e.ID, nanos(e.Time), string(e.Kind), e.Tenant, e.Case,
		c.conversation, c.senderID, c.senderFold, severity(e.Rules), string(e.Action), string(e.Outcome), e.Label, body)
	if err != nil {
		return err
	}
	rules, detectors := findings(e.Rules)
	for _, r := range rules {
		if _, err := t.exec(`INSERT INTO entry_rule (rule, seq) VALUES (?, ?)`, r, e.Seq); err != nil {
			return err
		}
	}
	for _, d := range detectors {
		if _, err := t.exec(`INSERT INTO entry_detector (detector, seq) VALUES (?, ?)`, d, e.Seq); err != nil {
			return err
		}
	}
	if err := growTree(t, e.Seq, body); err != nil {
		return err
	}
	if e.Case == "" {
		return nil
	}
	return foldCase(t, e)
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

// foldCase brings the case of e up to date.
func foldCase(t *tx, e actions.Entry) error {
	var (
		c    actions.Case
		body []byte
	)
	err := t.row(`SELECT body FROM cases WHERE id = ?`, []any{e.Case}, &body)
	switch {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return err
	default:
		if err := json.Unmarshal(body, &c); err != nil {
			return fmt.Errorf("case %s: %w", e.Case, err)
		}
	}
	oldRules, oldDetectors := findings(c.Rules)
	c = actions.Fold(c, e)
	if body, err = json.Marshal(c); err != nil {
		return err
	}
	col := columnsOf(c.Conversation, c.Sender)
	_, err = t.exec(putCase, e.Case, e.Seq, nanos(c.Updated), c.Tenant, col.conversation, col.senderID, col.senderFold,
		c.Severity, string(c.Action), string(c.Outcome), c.Label,
		c.Overridden, c.Reported, c.Released, c.Edited, c.Deleted, body)
	if err != nil {
		return err
	}
	rules, detectors := findings(c.Rules)
	return errors.Join(
		replaceSet(t, "case_rule", "rule", e.Case, oldRules, rules),
		replaceSet(t, "case_detector", "detector", e.Case, oldDetectors, detectors),
	)
}

// replaceSet changes the rows of a case in one of its side tables from one sorted set
// to another.
func replaceSet(t *tx, table, column, id string, from, to []string) error {
	if slices.Equal(from, to) {
		return nil
	}
	if _, err := t.exec("DELETE FROM "+table+" WHERE case_id = ?", id); err != nil {
		return err
	}
	for _, v := range to {
		if _, err := t.exec("INSERT INTO "+table+" (case_id, "+column+") VALUES (?, ?)", id, v); err != nil {
			return err
		}
	}
	return nil
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
	for _, r := range matched(results) {
		rules = append(rules, r.ID)
		for _, m := range r.Matched {
			detectors = append(detectors, m.Detector)
		}
	}
	slices.Sort(rules)
	slices.Sort(detectors)
	return slices.Compact(rules), slices.Compact(detectors)
}

// matched leaves out what did not match: near misses, exceptions and the like.
func matched(results []actions.RuleResult) []actions.RuleResult {
	var list []actions.RuleResult
	for _, r := range results {
		if r.Result == "matched" {
			list = append(list, r)
		}
	}
	return list
}

// severity is the highest of the rules that matched.
func severity(results []actions.RuleResult) string {
	order := []string{"low", "medium", "high", "critical"}
	list := matched(results)
	if len(list) == 0 {
		return ""
	}
	return slices.MaxFunc(list, func(a, b actions.RuleResult) int {
		return cmp.Compare(slices.Index(order, a.Severity), slices.Index(order, b.Severity))
	}).Severity
}

// A where collects the conditions of a query.
type where struct {
	terms []string
	args  []any
}

// add adds a condition with its arguments.
func (w *where) add(term string, args ...any) {
	w.terms = append(w.terms, term)
	w.args = append(w.args, args...)
}

// equal adds a condition unless value is empty.
func (w *where) equal(column, value string) {
	if value != "" {
		w.add(column+" = ?", value)
	}
}

func (w *where) String() string {
	if len(w.terms) == 0 {
		return ""
	}
	return " WHERE " + strings.Join(w.terms, " AND ")
}

// objectID is the form of an object id in Microsoft Entra: it is looked up by
// index, and never searched for in names.
var objectID = regexp.MustCompile(`^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$`)

// common adds what lists of cases and of entries share.
func (w *where) common(f actions.Filter, seq, at string) {
	w.equal("tenant", f.Tenant)
	w.equal("conversation", f.Conversation)
	w.equal("severity", f.Severity)
	w.equal("action", string(f.Action))
	w.equal("outcome", string(f.Outcome))
	w.equal("label", f.Label)
	switch {
	case f.Sender == "":
	case objectID.MatchString(f.Sender):
		w.equal("sender_id", f.Sender)
	default:
		w.add("(sender_id = ? OR instr(sender_fold, ?) > 0)", f.Sender, strings.ToLower(f.Sender))
	}
	if !f.Since.IsZero() {
		w.add(at+" >= ?", nanos(f.Since))
	}
	if !f.Until.IsZero() {
		w.add(at+" < ?", nanos(f.Until))
	}
	if f.Before > 0 {
		w.add(seq+" < ?", f.Before)
	}
}

// states are the conditions of Filter.State.
var states = map[string]string{
	"overridden": "overridden",
	"reported":   "reported",
	"released":   "released",
	"edited":     "edited",
	"deleted":    "deleted",
	"open":       "NOT (overridden OR reported OR released OR edited OR deleted) AND label = ''",
}

// Cases lists cases by their last entry, newest first; Since and Until are about
// that entry's time.
func (r *Reader) Cases(ctx context.Context, f actions.Filter) ([]actions.Case, error) {
	var w where
	w.common(f, "last_seq", "updated_ns")
	w.equal("id", f.Case)
	if f.Rule != "" {
		w.add("EXISTS (SELECT 1 FROM case_rule r WHERE r.case_id = cases.id AND r.rule = ?)", f.Rule)
	}
	if f.Detector != "" {
		w.add("EXISTS (SELECT 1 FROM case_detector d WHERE d.case_id = cases.id AND d.detector = ?)", f.Detector)
	}
	if f.State != "" {
		term, ok := states[f.State]
		if !ok {
			return nil, fmt.Errorf("listing cases: there is no state %q", f.State)
		}
		w.add(term)
	}
	query := "SELECT body FROM cases" + w.String() + " ORDER BY last_seq DESC LIMIT ?"
	cases, err := list[actions.Case](ctx, r, query, append(w.args, pageSize(f.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("listing cases: %w", err)
	}
	return cases, nil
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
	var w where
	w.common(f, "seq", "time_ns")
	w.equal("kind", string(f.Kind))
	if f.Case != "" {
		w.add("case_id = ? AND case_id <> ''", f.Case)
	}
	if f.Rule != "" {
		w.add("EXISTS (SELECT 1 FROM entry_rule r WHERE r.rule = ? AND r.seq = entries.seq)", f.Rule)
	}
	if f.Detector != "" {
		w.add("EXISTS (SELECT 1 FROM entry_detector d WHERE d.detector = ? AND d.seq = entries.seq)", f.Detector)
	}
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
		w.add("seq > ?", *f.After)
		order = "ASC"
	}
	query := "SELECT body FROM entries" + w.String() + " ORDER BY seq " + order + " LIMIT ?"
	entries, err := list[actions.Entry](ctx, r, query, append(w.args, pageSize(f.Limit))...)
	if err != nil {
		return nil, fmt.Errorf("listing entries: %w", err)
	}
	return entries, nil
}

// list decodes the bodies that query selects.
func list[T any](ctx context.Context, r *Reader, query string, args ...any) ([]T, error) {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
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
