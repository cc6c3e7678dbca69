package detect

import (
	"cmp"
	"fmt"
	"math/bits"
	"slices"
	"sort"
	"strings"
)

// Exact is a detector that finds the values of a company's own records. A match is
// a value of the table's primary column. It has the detector's WithContext level if
// enough of the other values of one of its rows stand around it, else Alone.
type Exact struct {
	Table *Table // unlocked
	// Columns are the names of the corroborating columns; nil: all but the primary
	// one.
	Columns []string
	// AtLeast is how many of them must be found; 0 is 1, or none where the table
	// has no other column.
	AtLeast int
	// Within is how far from the primary value, in characters; 0 is 300.
	Within int
}

// An exactSearch is an Exact, compiled.
type exactSearch struct {
	own   *owned
	table *Table
	group int   // of searches whose tables have one key
	cols  []int // corroborating columns, of the table's
	need  int
}

// An exactGroup is the tables of one key: their tokens are read and hashed once.
type exactGroup struct {
	id    string
	keys  *tableKeys
	sizes [2][columnKinds]uint64 // of the tokens looked for: of primary columns, of others
	// What lets a token pass that may be a primary value of one of the tables.
	filters [columnKinds][][]byte
}

// compileExact checks an exact detector.
func compileExact(o *owned, fault func(field string, index int, text string)) {
	x := o.Exact
	if x.Table == nil || x.Table.keys == nil {
		fault("exact", -1, "there is no table, or it is not unlocked")
		return
	}
	s := &exactSearch{own: o, table: x.Table, need: x.AtLeast}
	others := x.Table.info.Columns[1:]
	for i, name := range x.Columns {
		at := x.Table.Column(name)
		switch {
		case at < 0:
			fault("columns", i, fmt.Sprintf("the table has no column %q", name))
		case at == 0:
			fault("columns", i, fmt.Sprintf("%q is the primary column", name))
		case slices.Contains(s.cols, at):
			fault("columns", i, fmt.Sprintf("%q is there twice", name))
		default:
			s.cols = append(s.cols, at)
		}
	}
	if x.Columns == nil {
		for i := range others {
			s.cols = append(s.cols, i+1)
		}
	}
	if s.need == 0 && len(s.cols) > 0 {
		s.need = 1
	}
	switch {
	case x.AtLeast < 0 || s.need > len(s.cols):
		fault("at_least", -1, fmt.Sprintf("%d corroborating columns are needed, and there are %d", s.need, len(s.cols)))
	case x.Within < 0 || x.Within > maxWithin:
		fault("within", -1, fmt.Sprintf("the distance must be 0 to %d characters", maxWithin))
	}
	o.exact, o.Within = s, cmp.Or(x.Within, defaultWithin)
	if o.Mask == MaskTail && x.Table.info.Columns[0].Kind == EmailColumn {
		o.Mask = MaskEmail
	}
}

// startExact puts the searches of an engine in groups.
func (e *Engine) startExact() {
	for _, o := range e.own {
		s := o.exact
		if s == nil {
			continue
		}
		s.group = slices.IndexFunc(e.groups, func(g *exactGroup) bool { return g.id == s.table.info.KeyID })
		if s.group < 0 {
			s.group = len(e.groups)
			e.groups = append(e.groups, &exactGroup{id: s.table.info.KeyID, keys: s.table.keys})
		}
		g := e.groups[s.group]
		kind := s.table.info.Columns[0].Kind
		g.sizes[0][kind] |= s.table.sizes[0]
		g.filters[kind] = append(g.filters[kind], s.table.filter)
		for _, c := range s.cols {
			g.sizes[1][s.table.info.Columns[c].Kind] |= s.table.sizes[c]
		}
		e.exact = append(e.exact, s)
	}
}

// exactState is what a scanner keeps for exact data.
type exactState struct {
	tokenizer tokenizer
	text      tokenizer // of the words of the text, which all that look for words share
	textRead  bool
	lists     []tokenList // by group, role and kind
	rows      map[rowKey]*alikeRows
	hash      *tableHash // of the table being searched
	normal    []byte
}

// A tokenList is the tokens of one kind in the text, and an index of them.
type tokenList struct {
	read, indexed bool
	tokens        []token
	// Tokens by the last bits of their hash: those of bucket b, in the order of
	// the text, are order[heads[b]:heads[b+1]].
	heads, order []int32
}

type rowKey struct {
	table *Table
	value string // normalised
}

// alikeRows are the rows of one primary value.
type alikeRows struct {
	value string
	cells []uint64 // of one row after the other
	count int
}

// exactData looks for exact data.
func (s *scanner) exactData() {
	if len(s.e.exact) == 0 || len(s.buf) == 0 {
		return
	}
	x := &s.exact
	for _, search := range s.e.exact {
		if s.o.Only == nil || s.o.Only[search.own.ID] {
			s.exactSearch(search)
		}
	}
	clear(x.normal[:cap(x.normal)])
	x.rows = nil
}

// end forgets the text. Its tokens may have been read for what a stretch of it says,
// even where nothing was looked for in the text itself.
func (x *exactState) end() {
	for i := range x.lists {
		x.lists[i].end()
	}
	x.tokenizer.end()
	x.text.end()
	x.textRead = false
}

func (l *tokenList) end() {
	l.read, l.indexed = false, false
	if cap(l.tokens) > 1<<14 {
		*l = tokenList{}
	}
}

// textWords returns the words of the text.
func (s *scanner) textWords() *tokenizer {
	x := &s.exact
	if !x.textRead {
		x.text.read(TextColumn, s.buf)
		x.textRead = true
		s.work += len(s.buf)
	}
	return &x.text
}

// list returns the tokens of a kind: role 0 of primary columns, and of them only those
// that may be a value, 1 of others.
func (s *scanner) list(group, role int, kind ColumnKind) *tokenList {
	if want := len(s.e.groups) * 2 * int(columnKinds); len(s.exact.lists) < want {
		s.exact.lists = append(s.exact.lists, make([]tokenList, want-len(s.exact.lists))...)
	}
	l := &s.exact.lists[(group*2+role)*int(columnKinds)+int(kind)]
	if !l.read {
		g := s.e.groups[group]
		var filters [][]byte
		if role == 0 {
			filters = g.filters[kind]
		}
		t := &s.exact.tokenizer
		if kind == TextColumn {
			t = s.textWords()
		} else {
			t.read(kind, s.buf)
		}
		l.tokens = t.tokens(l.tokens[:0], kind, g.keys.sip, g.sizes[role][kind], filters)
		l.read = true
		s.work += len(s.buf) + len(t.words)*min(bits.OnesCount64(g.sizes[role][kind]), maxWords)
	}
	return l
}

// exactSearch asks the filter for every token, and the table for those that pass.
// Of several values that begin at one place the longest is taken.
func (s *scanner) exactSearch(x *exactSearch) {
	kind := x.table.info.Columns[0].Kind
	tokens := s.list(x.group, 0, kind).tokens
	taken := int32(0) // what has been matched ends here
	s.work += len(tokens)
	for i := 0; i < len(tokens); {
		next := i + 1
		for next < len(tokens) && tokens[next].start == tokens[i].start {
			next++
		}
		for k := next - 1; k >= i; k-- {
			t := &tokens[k]
			if t.end > taken && x.table.may(t.hash) && s.exactValue(x, kind, t) {
				taken = t.end
				break
			}
		}
		i = next
	}
	if s.exact.hash != nil {
		x.table.keys.pool.Put(s.exact.hash)
		s.exact.hash = nil
	}
}

// exactValue reports whether a token is a value of the table, and adds the match.
func (s *scanner) exactValue(x *exactSearch, kind ColumnKind, t *token) bool {
	rows, value := s.alike(x.table, kind, t)
	if rows == nil {
		return false
	}
	start, end := int(t.start), int(t.end)
	c := candidate{own: x.own, start: start, end: end, level: x.own.Alone, value: value, why: "a value of column " + x.table.info.Columns[0].Name}
	if len(x.cols) == 0 {
		c.level = max(x.own.Alone, x.own.WithContext)
	} else {
		found, where := s.corroborated(x, rows, start, end)
		if found > 0 {
			c.why += fmt.Sprintf("; within %d characters %d of %d other columns: %s", x.own.Within, found, len(x.cols), where)
		}
		if found >= x.need {
			c.level, c.evidence = x.own.WithContext, true
		}
	}
	if c.level == 0 {
		s.reject(x.own.ID, start, end, "too few of the other columns nearby")
		return false
	}
	s.found = append(s.found, c)
	return true
}

// alike returns the rows whose primary value a token is. A value that occurs again
// is not looked up again.
func (s *scanner) alike(table *Table, kind ColumnKind, t *token) (*alikeRows, string) {
	x := &s.exact
	x.normal, _ = x.tokenizer.value(x.normal[:0], kind, s.buf[t.start:t.end])
	if rows := x.rows[rowKey{table, string(x.normal)}]; rows != nil {
		return rows, rows.value
	}
	if x.hash == nil {
		x.hash = table.keys.pool.Get().(*tableHash)
	}
	hash := x.hash.value(kind, x.normal)
	s.work += len(x.normal) + primarySize
	from, to := table.find(hash[:])
	if from == to {
		return nil, ""
	}
	rows := &alikeRows{value: string(x.normal), count: to - from}
	for i := from; i < to; i++ {
		rows.cells = table.uncovered(rows.cells, x.hash, i, i-from)
		s.work += len(table.info.Columns)
	}
	if x.rows == nil {
		x.rows = map[rowKey]*alikeRows{}
	}
	x.rows[rowKey{table, rows.value}] = rows
	return rows, rows.value
}

// corroborated returns how many of the other columns of the best of rows stand
// around buf[start:end], and their names. Equal values count once. Around what a
// stretch of another text says is around the stretch as well.
func (s *scanner) corroborated(x *exactSearch, rows *alikeRows, start, end int) (found int, names string) {
	var room [maxDepth + 1]surroundings
	around := room[:0]
	for t := s; t != nil; t = t.outer {
		lo, hi := t.window(start, end, x.own.Within)
		around = append(around, surroundings{t, lo, hi, start, end})
		start, end = t.inFrom, t.inTo
	}
	width := len(x.table.info.Columns) - 1
	var best, now []int
	var seen [MaxTableColumns]uint64
	for r := range rows.count {
		cells := rows.cells[r*width:][:width]
		now = now[:0]
		for _, c := range x.cols {
			cell := cells[c-1]
			if cell == 0 || slices.Contains(seen[:len(now)], cell) {
				continue
			}
			kind := x.table.info.Columns[c].Kind
			if slices.ContainsFunc(around, func(a surroundings) bool { return a.s.stands(x.group, kind, cell, a.lo, a.hi, a.start, a.end) }) {
				seen[len(now)] = cell
				now = append(now, c)
			}
		}
		if len(now) > len(best) {
			best, now = now, best
		}
	}
	list := make([]string, len(best))
	for i, c := range best {
		list[i] = x.table.info.Columns[c].Name
	}
	return len(best), strings.Join(list, ", ")
}

// surroundings are where the other values of a row may stand: in a text, between lo
// and hi, and clear of the value at start.
type surroundings struct {
	s                  *scanner
	lo, hi, start, end int
}

// stands reports whether a value stands between lo and hi, and clear of
// buf[start:end].
func (s *scanner) stands(group int, kind ColumnKind, cell uint64, lo, hi, start, end int) bool {
	l := s.list(group, 1, kind)
	if len(l.tokens) == 0 {
		return false
	}
	if !l.indexed {
		l.index()
		s.work += len(l.tokens)
	}
	b := spread(cell) & uint64(len(l.heads)-2)
	order := l.order[l.heads[b]:l.heads[b+1]]
	at := sort.Search(len(order), func(i int) bool { return int(l.tokens[order[i]].start) >= lo })
	for _, i := range order[at:] {
		t := &l.tokens[i]
		if int(t.start) >= hi {
			break
		}
		s.work++
		if t.hash == cell && int(t.end) <= hi && (int(t.end) <= start || int(t.start) >= end) {
			return true
		}
	}
	return false
}

// index sorts the tokens into buckets.
func (l *tokenList) index() {
	size := 1
	for size < len(l.tokens) {
		size *= 2
	}
	l.heads = append(l.heads[:0], make([]int32, size+1)...)
	l.order = append(l.order[:0], make([]int32, len(l.tokens))...)
	bucket := func(i int) uint64 { return spread(l.tokens[i].hash) & uint64(size-1) }
	for i := range l.tokens {
		l.heads[bucket(i)+1]++
	}
	for i := range size {
		l.heads[i+1] += l.heads[i]
	}
	// Filled from behind, each head ends as the start of its bucket.
	next := slices.Clone(l.heads[1:])
	for i := len(l.tokens) - 1; i >= 0; i-- {
		b := bucket(i)
		next[b]--
		l.order[next[b]] = int32(i) //nolint:gosec // a text is far below 2 GiB
	}
	l.indexed = true
}

// checkKinds reports what is wrong with how a detector mixes its kinds.
func checkKinds(d *Detector, fault func(field string, index int, text string)) {
	var kinds []string
	if len(d.Patterns) > 0 {
		kinds = append(kinds, "patterns")
	}
	if d.Exact != nil {
		kinds = append(kinds, "exact")
	}
	if d.Fingerprint != nil {
		kinds = append(kinds, "fingerprint")
	}
	switch {
	case len(kinds) == 0:
		fault("patterns", -1, "there is none")
	case len(kinds) > 1:
		fault(kinds[1], -1, "a detector has patterns, exact or fingerprint: one of them")
	case kinds[0] != "patterns" && d.Validate != "":
		fault("validate", -1, "only what a pattern found can be validated")
	case kinds[0] != "patterns" && len(d.Words) > 0:
		fault("context", -1, "only patterns take context words")
	}
}
