package sqlite

import (
	"cmp"
	"database/sql"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/mod/sumdb/tlog"

	"teamsdlp/actions"
)

// filters are one of each kind, and what the list they are of must be: cases, entries
// or both.
func filters() map[string]actions.Filter {
	return map[string]actions.Filter{
		"both tenant":          {Tenant: "t1"},
		"both conversation":    {Conversation: "chat1"},
		"both sender":          {Sender: "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11"},
		"both rule":            {Rule: "card"},
		"both detector":        {Detector: "iban"},
		"both severity":        {Severity: "high"},
		"both action":          {Action: actions.ActionBlock},
		"both outcome":         {Outcome: actions.OutcomeFailed},
		"both case":            {Case: "a"},
		"both label":           {Label: "false-positive"},
		"entries common kind":  {Kind: actions.KindIntent},
		"entries seldom kind":  {Kind: actions.KindGap},
		"cases open":           {State: "open"},
		"cases overridden":     {State: "overridden"},
		"cases reported":       {State: "reported"},
		"cases released":       {State: "released"},
		"cases edited":         {State: "edited"},
		"cases deleted":        {State: "deleted"},
		"both since":           {Since: time.Date(2026, 3, 1, 12, 3, 0, 0, time.UTC)},
		"both until":           {Until: time.Date(2026, 3, 1, 12, 3, 0, 0, time.UTC)},
		"both before":          {Before: 5},
		"entries after":        {After: new(int64)},
		"entries from nowhere": {After: func() *int64 { n := int64(-1); return &n }(), Case: "a"},
	}
}

// merge returns what both filters ask for; a wins.
func merge(a, b actions.Filter) actions.Filter {
	to, from := reflect.ValueOf(&a).Elem(), reflect.ValueOf(b)
	for i := range to.NumField() {
		if to.Field(i).IsZero() {
			to.Field(i).Set(from.Field(i))
		}
	}
	return a
}

// plan is how SQLite goes about a query.
func plan(t testing.TB, r *Reader, query string, args []any) string {
	t.Helper()
	rows, err := r.db.Query("EXPLAIN QUERY PLAN "+query, args...)
	must(t, err)
	var steps []string
	must(t, drain(rows, func(rows *sql.Rows) error {
		var id, parent, x int
		var detail string
		if err := rows.Scan(&id, &parent, &x, &detail); err != nil {
			return err
		}
		steps = append(steps, detail)
		return nil
	}))
	return strings.Join(steps, "; ")
}

// ofThose is a scan of an index that holds no other rows than those asked for.
var ofThose = regexp.MustCompile(`SCAN cases USING INDEX cases_(open|overridden|reported|released|edited|deleted)\b`)

// Any page costs what the newest costs: whatever is filtered by, and by whatever else
// besides, what fits is followed by an index from where the page begins, and nothing
// is sorted. No query counts rows that it does not show.
func TestPagesAreSearched(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	story(t, s)
	check := func(name, query string, args ...any) {
		t.Helper()
		p := plan(t, s.Reader, query, args)
		p = ofThose.ReplaceAllString(p, "the index of those alone")
		if strings.Contains(p, "SCAN") || strings.Contains(p, "TEMP B-TREE") || strings.Contains(query, "OFFSET") {
			t.Errorf("%s: %s\n\tplan: %s", name, query, p)
		}
	}
	all := filters()
	for name, f := range all {
		for more, g := range all {
			what := name + " and " + more
			f := merge(f, g)
			at, err := s.span(t.Context(), f)
			must(t, err)
			if at == (span{-1, maxSeq}) && what == "both since and both since" {
				t.Fatal("a time is no bound")
			}
			if !strings.Contains(what, "cases ") {
				query, args := entriesQuery(f, at)
				check(what, query, args...)
			}
			if !strings.Contains(what, "entries ") {
				f.After = nil
				query, args, err := casesQuery(f, at)
				must(t, err)
				check(what, query, args...)
			}
		}
	}
	for _, q := range []string{
		`SELECT body FROM entries WHERE case_id = 'a' AND case_id <> '' AND seq > 0 ORDER BY seq LIMIT 50`,
		`SELECT seq FROM entries WHERE time_ns < 5 ORDER BY time_ns DESC, seq DESC LIMIT 1`,
		`SELECT seq FROM entries WHERE time_ns >= 5 ORDER BY time_ns, seq LIMIT 1`,
		`SELECT seq, flags, body FROM inbox WHERE seq > 5 ORDER BY seq`,
		`SELECT message_key, version FROM effect WHERE case_id = '' AND updated_ms < 5 AND state IN ('clean') LIMIT 5`,
	} {
		check("as it is", q)
	}
	// The newest page of everything is the one that begins anywhere.
	query, args := entriesQuery(actions.Filter{}, span{-1, maxSeq})
	if p := plan(t, s.Reader, query, args); p != "SCAN entries" {
		t.Errorf("the newest page: %s", p)
	}
}

// A page by time is the same page as without the numbers that times become, whatever
// the clock did.
func TestSpanOfTimes(t *testing.T) {
	ctx := t.Context()
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for round := range 8 {
		s := openTest(t, testOptions(t.TempDir()))
		now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
		var at []time.Time
		const size = 200
		for i := range size {
			now = now.Add(time.Second)
			if r.IntN(40) == 0 && round > 1 {
				now = now.Add(time.Duration(r.IntN(240)-120) * time.Second)
			}
			one := now
			if round > 0 {
				one = one.Add(-time.Duration(r.IntN(5000)) * time.Millisecond)
			}
			at = append(at, one)
			must(t, s.Append(ctx, actions.Entry{Kind: actions.KindShadow, Case: fmt.Sprint("c", i%60), Time: one}))
		}
		if round == 7 { // what is known of the clock outlives what retention deletes
			must(t, s.SaveCheckpoint(ctx, Checkpoint{Size: size, Note: []byte("signed")}))
			_, err := s.Forget(ctx, at[90])
			must(t, err)
		}
		everything, err := s.Entries(ctx, actions.Filter{Limit: maxPage})
		must(t, err)
		cases, err := s.Cases(ctx, actions.Filter{Limit: maxPage})
		must(t, err)
		for range 60 {
			f := actions.Filter{Limit: 1 + r.IntN(300)}
			pick := func() time.Time { return at[r.IntN(size)].Add(time.Duration(r.IntN(3) - 1)) }
			if r.IntN(3) > 0 {
				f.Since = pick()
			}
			if r.IntN(3) > 0 {
				f.Until = pick()
			}
			var want, got []int64
			for _, e := range everything {
				if f.MatchesEntry(e) {
					want = append(want, e.Seq)
				}
			}
			list, err := s.Entries(ctx, f)
			must(t, err)
			for _, e := range list {
				got = append(got, e.Seq)
			}
			if want = want[:min(len(want), f.Limit)]; !slices.Equal(want, got) {
				t.Fatalf("round %d, entries %+v: got %v, want %v", round, f, got, want)
			}
			want, got = nil, nil
			for _, c := range cases {
				if f.MatchesCase(c) {
					want = append(want, c.LastSeq)
				}
			}
			found, err := s.Cases(ctx, f)
			must(t, err)
			for _, c := range found {
				got = append(got, c.LastSeq)
			}
			if want = want[:min(len(want), f.Limit)]; !slices.Equal(want, got) {
				t.Fatalf("round %d, cases %+v: got %v, want %v", round, f, got, want)
			}
		}
		// And it bounds: of a clock that goes right hardly more is read than is shown.
		if round == 0 {
			sp, err := s.span(ctx, actions.Filter{Since: at[50], Until: at[60]})
			must(t, err)
			if sp != (span{49, 60}) {
				t.Errorf("entries 50 to 59 are within %+v", sp)
			}
		}
	}
}

// A file of the schema before is found through by rule, detector and time as one that
// was of this from the start.
func TestMigrateFilters(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	must(t, touch(dbPath(dir)))
	db, err := openWriterDB(dir)
	must(t, err)
	conn, err := db.Conn(ctx)
	must(t, err)
	must(t, migrate(ctx, conn, migrations[:4]))
	at := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	times := []int{0, 60, 50, 61, 10} // seconds: the last is from 51 seconds before the one before it
	var tree []tlog.Hash
	for seq, after := range times {
		rules := []actions.RuleResult{{ID: "card", Result: "matched", Matched: []actions.Match{{Detector: "iban"}}}}
		e := actions.Entry{Seq: int64(seq), Kind: actions.KindShadow, Case: fmt.Sprint("c", seq), Time: at.Add(time.Duration(after) * time.Second), Rules: rules}
		body, err := json.Marshal(e)
		must(t, err)
		folded, err := json.Marshal(actions.Fold(actions.Case{}, e))
		must(t, err)
		for _, q := range []struct {
			sql  string
			args []any
		}{
			{insertEntry, []any{seq, fmt.Sprint(seq), nanos(e.Time), "shadow", "t", e.Case, "", "", "", "", "", "shadow", "", body}},
			{putCase, []any{e.Case, seq, nanos(e.Time), "t", "", "", "", "", "", "shadow", "", false, false, false, false, false, folded}},
			{`INSERT INTO case_rule (case_id, rule) VALUES (?, 'card')`, []any{e.Case}},
			{`INSERT INTO case_detector (case_id, detector) VALUES (?, 'iban')`, []any{e.Case}},
		} {
			_, err := conn.ExecContext(ctx, q.sql, q.args...)
			must(t, err)
		}
		hashes, err := actions.AppendHashes(e.Seq, body, tlog.HashReaderFunc(func(indexes []int64) (list []tlog.Hash, _ error) {
			for _, i := range indexes {
				list = append(list, tree[i])
			}
			return list, nil
		}))
		must(t, err)
		for _, h := range hashes {
			_, err := conn.ExecContext(ctx, `INSERT INTO tlog_hash (idx, hash) VALUES (?, ?)`, len(tree), h[:])
			must(t, err)
			tree = append(tree, h)
		}
	}
	must(t, cmp.Or(conn.Close(), db.Close()))
	s := openTest(t, testOptions(dir))
	if back, _, err := s.Meta(ctx, keyDisorder); err != nil || back != fmt.Sprint(int64(51*time.Second)) {
		t.Errorf("the clock went back by %s, %v", back, err)
	}
	f := actions.Filter{Rule: "card", Detector: "iban", Until: at.Add(30 * time.Second)}
	cases, err := s.Cases(ctx, f)
	must(t, err)
	if len(cases) != 2 || cases[0].ID != "c4" || cases[1].ID != "c0" {
		t.Errorf("cases %+v", cases)
	}
	// The next entry of a case takes it along.
	must(t, s.Append(ctx, actions.Entry{Kind: actions.KindLabel, Case: "c0", Label: "false-positive", Time: at.Add(70 * time.Second)}))
	cases, err = s.Cases(ctx, actions.Filter{Rule: "card"})
	must(t, err)
	if len(cases) != len(times) || cases[0].ID != "c0" {
		t.Errorf("cases %+v", cases)
	}
	wantRows(t, s, "case_rule", len(times))
	wantRows(t, s, "case_detector", len(times))
	// What retention deletes is gone from there too.
	must(t, s.SaveCheckpoint(ctx, Checkpoint{Size: 6, Note: []byte("signed")}))
	_, err = s.Forget(ctx, at.Add(time.Hour))
	must(t, err)
	wantRows(t, s, "case_rule", 1) // of the last entry, which stays
	wantRows(t, s, "case_detector", 1)
}

func wantRows(t testing.TB, s *Store, table string, want int) {
	t.Helper()
	var n int
	must(t, s.Reader.db.QueryRow("SELECT count(*) FROM "+table).Scan(&n))
	if n != want {
		t.Errorf("%s has %d rows, want %d", table, n, want)
	}
}

// undo5 makes of a file without cases one as it was before schema5.
func undo5() []string {
	list := []string{
		"DROP TABLE case_rule", "CREATE TABLE case_rule (case_id TEXT, rule TEXT)",
		"DROP TABLE case_detector", "CREATE TABLE case_detector (case_id TEXT, detector TEXT)",
	}
	for name := range strings.SplitSeq(string(schema5), "CREATE INDEX ") {
		if name, _, ok := strings.Cut(name, " ON "); ok && !strings.Contains(name, "\n") {
			list = append(list, "DROP INDEX "+name)
		}
	}
	return list
}
