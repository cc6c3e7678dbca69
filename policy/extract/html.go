package extract

import (
	"html"
	"strings"
	"unicode/utf8"
)

// The tokenizer follows the HTML standard's tokenization (section 13.2.5) as far
// as it decides what is text. It departs from it in one point: a tag that never
// ends is text, because dropping the rest of a message would be a way past every
// detector.

// An attr is an attribute's value in the source, written when its part ends.
type attr struct {
	from, to int32
	target   bool // a link's target, with percent escapes
}

// A table is where in a table the tokenizer is.
type table struct{ id, row, col int32 }

// A page is the state of one HTML source beyond what is being written.
type page struct {
	*writer
	at                int // of the next byte
	code, cell, quote int // how deep
	verbatim          int // how deep in <pre>
	tables            [8]table
	depth             int // tables open
	unclosed          bool
	afterTables       int32 // ids given to what follows a nested table
}

// html writes the whole source as markup.
func (w *writer) html() {
	p := page{writer: w}
	for p.at < len(w.src) {
		switch w.src[p.at] {
		case '<':
			p.markup()
		case '&':
			p.at = p.entity(p.at, len(w.src), false)
		default:
			p.at = w.text(p.at, len(w.src), true)
		}
	}
	p.closeCell()
	p.turn()
	p.attributes()
}

// markup reads what starts with the '<' at p.at.
func (p *page) markup() {
	src, i := p.src, p.at
	switch {
	case i+1 == len(src) || p.unclosed:
		p.literal(1)
	case isLetter(src[i+1]):
		p.tag(i+1, false)
	case src[i+1] == '!':
		p.at = declarationEnd(src, i+2)
		p.t.work += p.at - i
	case src[i+1] == '?':
		p.at = closeAngle(src, i+2)
		p.t.work += p.at - i
	case src[i+1] != '/':
		p.literal(1)
	case i+2 == len(src):
		p.literal(2)
	case src[i+2] == '>': // </> is nothing
		p.at = i + 3
	case isLetter(src[i+2]):
		p.tag(i+2, true)
	default:
		p.at = closeAngle(src, i+2)
		p.t.work += p.at - i
	}
}

// literal writes the next n bytes as they are.
func (p *page) literal(n int) {
	p.plain(p.at, p.at+n)
	p.at += n
}

// closeAngle returns what follows the next '>'.
func closeAngle(s string, i int) int {
	if j := strings.IndexByte(s[i:], '>'); j >= 0 {
		return i + j + 1
	}
	return len(s)
}

// declarationEnd returns what follows the comment or declaration whose "<!" ends
// at i.
func declarationEnd(s string, i int) int {
	if !strings.HasPrefix(s[i:], "--") {
		return closeAngle(s, i)
	}
	dashes, first := 0, true
	for i += 2; i < len(s); i++ {
		switch {
		case s[i] == '-':
			dashes++
			continue
		case s[i] == '>' && (dashes >= 2 || first):
			return i + 1
		case s[i] == '!' && dashes >= 2:
			if i++; i == len(s) {
				return i
			}
			if s[i] == '>' {
				return i + 1
			}
			if s[i] == '-' {
				dashes, first = 1, false
				continue
			}
		}
		dashes, first = 0, false
	}
	return len(s)
}

// tag reads the tag whose name starts at i.
func (p *page) tag(i int, end bool) {
	src := p.src
	var buf [12]byte
	n := 0
	for ; i < len(src) && !isSpace(src[i]) && src[i] != '/' && src[i] != '>'; i++ {
		if n < len(buf) {
			buf[n] = lower(src[i])
		}
		n++
	}
	name := buf[:min(n, len(buf))]
	if n > len(buf) {
		name = nil // no tag that matters has so long a name
	}
	waiting := len(p.t.links)
	from := p.at
	alt, closed, i := p.attrs(name, i, end)
	if i < 0 {
		p.t.work += len(src) - from
		p.t.links = p.t.links[:waiting]
		p.unclosed = true
		p.literal(1)
		return
	}
	p.t.work += i - from
	p.at = i
	switch {
	case end:
		p.endTag(string(name))
	default:
		p.startTag(string(name), alt, closed)
	}
}

// attrs reads attributes up to the tag's end and returns what follows it, or -1
// if there is no end. closed is set by a '/' right before the end. Values that a
// person might see wait in t.links; alt is that of an emoji.
func (p *page) attrs(name []byte, i int, end bool) (alt attr, closed bool, next int) {
	src := p.src
	for {
		for i < len(src) && isSpace(src[i]) {
			i++
		}
		if i >= len(src) {
			return alt, false, -1
		}
		if src[i] == '>' {
			return alt, closed, i + 1
		}
		key := i
		for i < len(src) && !isSpace(src[i]) && src[i] != '/' && src[i] != '>' && (src[i] != '=' || i == key) {
			i++
		}
		keyEnd := i
		for i < len(src) && isSpace(src[i]) {
			i++
		}
		if i >= len(src) {
			return alt, false, -1
		}
		if src[i] == '/' {
			i++
			closed = i < len(src) && src[i] == '>'
			continue
		}
		if src[i] != '=' {
			continue
		}
		i++
		for i < len(src) && isSpace(src[i]) {
			i++
		}
		if i >= len(src) {
			return alt, false, -1
		}
		var from, to int
		switch q := src[i]; q {
		case '>':
			continue
		case '"', '\'':
			from = i + 1
			j := strings.IndexByte(src[from:], q)
			if j < 0 {
				return alt, false, -1
			}
			to = from + j
			i = to + 1
		default:
			from = i
			for i < len(src) && !isSpace(src[i]) && src[i] != '>' {
				i++
			}
			to = i
		}
		if end || from == to {
			continue
		}
		v := attr{int32(from), int32(to), false}
		switch attribute(name, src[key:keyEnd]) {
		case noAttr:
		case listNumber:
			if to-from >= 5 { // a list that begins so late is none
				p.t.links = append(p.t.links, v)
			}
		case emojiAlt:
			alt = v
		case linkTarget:
			v.target = true
			p.t.links = append(p.t.links, v)
		case readable:
			p.t.links = append(p.t.links, v)
		}
	}
}

// What an attribute is to a reader.
type attrKind uint8

const (
	noAttr     attrKind = iota
	readable            // title, alternative text
	linkTarget          // href
	emojiAlt            // the character that an emoji is
	listNumber          // what an item of a list is numbered
)

func attribute(tag []byte, key string) attrKind {
	switch {
	case strings.EqualFold(key, "alt"):
		if string(tag) == "emoji" {
			return emojiAlt
		}
		return readable
	case strings.EqualFold(key, "title"):
		return readable
	case strings.EqualFold(key, "href"):
		return linkTarget
	case string(tag) == "ol" && strings.EqualFold(key, "start"), string(tag) == "li" && strings.EqualFold(key, "value"):
		return listNumber
	}
	return noAttr
}

func (p *page) startTag(name string, alt attr, closed bool) {
	switch name {
	case "br":
		p.lineBreak()
	case "at":
		p.mention()
	case "emoji":
		p.emoji(alt)
	case "code":
		p.code++
	case "pre", "codeblock":
		p.code++
		p.verbatim++
		p.pauseFor(blockPause)
	case "blockquote":
		p.quote++
		p.pauseFor(blockPause)
	case "table":
		p.openTable()
	case "tr":
		p.row()
	case "td", "th":
		p.openCell()
	case "script", "style", "textarea", "title", "iframe", "noembed", "noframes", "noscript", "plaintext", "xmp":
		p.rawElement(name)
		return
	default:
		if block(name) {
			p.pauseFor(blockPause)
		}
	}
	if closed {
		p.endTag(name)
		return
	}
	p.state()
}

func (p *page) endTag(name string) {
	switch name {
	case "br":
		p.lineBreak()
	case "code":
		p.code = max(0, p.code-1)
	case "pre", "codeblock":
		p.code = max(0, p.code-1)
		p.verbatim = max(0, p.verbatim-1)
		p.pauseFor(blockPause)
	case "blockquote":
		p.quote = max(0, p.quote-1)
		p.pauseFor(blockPause)
	case "table":
		p.closeTable()
	case "tr":
		p.closeCell()
		p.pauseFor(linePause)
	case "td", "th":
		p.closeCell()
		p.pauseFor(cellPause)
	default:
		if block(name) {
			p.pauseFor(blockPause)
		}
	}
	p.state()
}

// state sets the zone from what is open.
func (p *page) state() {
	z := p.base
	if p.code > 0 {
		z = max(z, Code)
	}
	if p.cell > 0 {
		z = max(z, Cell)
	}
	if p.quote > 0 {
		z = max(z, Quote)
	}
	p.zone, p.pre = z, p.verbatim > 0
}

// block reports whether an element starts a line of its own.
func block(name string) bool {
	switch name {
	case "p", "div", "li", "ul", "ol", "dl", "dt", "dd", "h1", "h2", "h3", "h4", "h5", "h6", "hr",
		"caption", "thead", "tbody", "tfoot", "section", "article", "header", "footer", "main", "nav",
		"aside", "form", "fieldset", "figure", "figcaption", "address", "details", "summary", "center",
		"attachment", "html", "head", "body", "option", "select", "textarea", "title":
		return true
	}
	return false
}

// rawElement reads an element whose content is no markup: text, but for scripts
// and style sheets. Its end tag is left.
func (p *page) rawElement(name string) {
	if block(name) {
		p.pauseFor(blockPause)
	}
	end := len(p.src)
	if name != "plaintext" {
		end = rawEnd(p.src, p.at, name)
		p.t.work += end - p.at
	}
	switch name {
	case "script", "style":
		p.at = end
	case "textarea", "title":
		for p.at < end {
			if p.src[p.at] == '&' {
				p.at = p.entity(p.at, end, false)
				continue
			}
			if p.src[p.at] == '<' {
				p.literal(1)
				continue
			}
			p.at = p.text(p.at, end, true)
		}
	default:
		p.at = p.text(p.at, end, false)
	}
}

// rawEnd returns where the end tag of a raw element starts, or the end of s.
func rawEnd(s string, i int, name string) int {
	for ; i < len(s); i++ {
		j := strings.IndexByte(s[i:], '<')
		if j < 0 {
			break
		}
		i += j
		after := i + 2 + len(name)
		if after < len(s) && s[i+1] == '/' && strings.EqualFold(s[i+2:after], name) &&
			(isSpace(s[after]) || s[after] == '/' || s[after] == '>') {
			return i
		}
	}
	return len(s)
}

// mentionBytes is how long a name in a mention may be.
const mentionBytes = 256

// mention leaves the name of the <at> element out whose start tag was just read. What
// holds a digit, a sign before a value or a character reference is not believed to be
// one: whoever sends by a program of his own can put any text there, and part a number
// over several.
func (p *page) mention() {
	rest := p.src[p.at:min(len(p.src), p.at+mentionBytes)]
	for i := 0; i < len(rest); i++ {
		p.t.work++
		c := rest[i]
		if c == '<' {
			if len(rest) >= i+5 && strings.EqualFold(rest[i:i+5], "</at>") {
				p.at += i + 5
			}
			return
		}
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(rest[i:])
			i += n - 1
			c, _ = fold(r)
		}
		switch {
		case c-'0' < 10, c == ':', c == '=', c == '@':
			return
		case c == '&' && !strings.HasPrefix(rest[i:], "&amp;") && !strings.HasPrefix(rest[i:], "&nbsp;"):
			return
		}
	}
}

// emoji writes an emoji that is a digit (a keycap) where it stands. Any other
// waits, so that it does not split a number.
func (p *page) emoji(alt attr) {
	if alt.to == 0 {
		return
	}
	v := p.src[alt.from:alt.to]
	if c := v[0]; c-'0' < 10 {
		p.text(int(alt.from), int(alt.to), false)
		return
	}
	p.t.links = append(p.t.links, alt)
}

func (p *page) openTable() {
	p.closeCell()
	p.pauseFor(blockPause)
	if p.depth++; p.depth <= len(p.tables) {
		id := int32(0)
		if n := len(p.t.cells); n > 0 {
			id = p.t.cells[n-1].table + 1
		}
		p.tables[p.depth-1] = table{id: id + p.afterTables, row: -1, col: -1}
	}
}

func (p *page) closeTable() {
	p.closeCell()
	p.pauseFor(blockPause)
	if p.depth == 0 {
		return
	}
	if p.depth--; p.depth > 0 && p.depth <= len(p.tables) {
		// What follows a nested table has lost its columns' headings: cells are
		// found by halves, in order.
		next := int32(0)
		if n := len(p.t.cells); n > 0 {
			next = p.t.cells[n-1].table + 1
		}
		p.tables[p.depth-1] = table{id: next, row: 1, col: -1}
	}
}

func (p *page) row() {
	p.closeCell()
	p.pauseFor(linePause)
	if p.depth > 0 && p.depth <= len(p.tables) {
		t := &p.tables[p.depth-1]
		t.row++
		t.col = -1
	}
}

func (p *page) openCell() {
	p.closeCell()
	p.pauseFor(cellPause)
	p.cell = 1
	if p.depth == 0 || p.depth > len(p.tables) {
		return
	}
	t := &p.tables[p.depth-1]
	t.row = max(t.row, 0)
	t.col++
	p.t.cells = append(p.t.cells, cell{-1, -1, t.id, t.row, t.col})
	p.open = len(p.t.cells) - 1
}

func (p *page) closeCell() {
	p.cell = 0
	if p.open < 0 {
		return
	}
	p.turn()
	c := &p.t.cells[p.open]
	c.end = int32(len(p.t.buf))
	if c.start < 0 {
		c.start = c.end
	}
	p.open = -1
}

// attributes writes what waits, each on a line of its own.
func (p *page) attributes() {
	if len(p.t.links) == 0 {
		return
	}
	p.pre, p.zone = false, Link
	for _, a := range p.t.links {
		p.pauseFor(blockPause)
		percent := -1 // where the next '%' is
		for i, to := int(a.from), int(a.to); i < to; {
			switch c := p.src[i]; {
			case c == '&':
				i = p.entity(i, to, true)
			case c == '<':
				p.plain(i, i+1)
				i++
			case c == '%' && a.target:
				i = p.percent(i, to)
			default:
				stop := to
				if a.target {
					if percent < i {
						percent = to
						if j := strings.IndexByte(p.src[i:to], '%'); j >= 0 {
							percent = i + j
						}
						p.t.work += percent - i
					}
					stop = percent
				}
				i = p.text(i, stop, true)
			}
		}
	}
	p.t.links = p.t.links[:0]
}

// percent writes the percent escape at i, if it is one of printable ASCII, and
// returns what follows.
func (w *writer) percent(i, to int) int {
	if i+2 < to {
		if h, l := unhex(w.src[i+1]), unhex(w.src[i+2]); h < 16 && l < 16 {
			if c := h<<4 | l; c >= ' ' && c < 0x7F {
				w.put(c, i, i+3)
				return i + 3
			}
		}
	}
	w.plain(i, i+1)
	return i + 1
}

// entity writes the character reference at i, or its '&', and returns what
// follows.
func (w *writer) entity(i, to int, attribute bool) int {
	s := w.src[i:to]
	w.t.work += min(len(s), longestName)
	if len(s) > 2 && s[1] == '#' {
		if r, n := numeric(s); n > 0 {
			w.t.work += n
			w.reference(r, i, i+n)
			return i + n
		}
	} else if r1, r2, n := named(s, attribute); n > 0 {
		w.reference(r1, i, i+n)
		if r2 != 0 {
			w.reference(r2, i, i+n)
		}
		return i + n
	}
	w.plain(i, i+1)
	return i + 1
}

// reference writes r for src[from:to].
func (w *writer) reference(r rune, from, to int) {
	switch {
	case r >= utf8.RuneSelf:
		w.foldRune(r, from, to, false)
	case isSpace(byte(r)) || r == '\v':
		if w.wait == noPause || w.pre {
			w.put(' ', from, to)
		}
	case r < ' ' || r == 0x7F:
		w.mark()
	default:
		w.put(byte(r), from, to)
	}
}

// windows1252 is what numeric references from 0x80 on mean (HTML standard,
// section 13.2.5.80); 0 where they mean themselves.
var windows1252 = [32]rune{
	0x20AC, 0, 0x201A, 0x0192, 0x201E, 0x2026, 0x2020, 0x2021, 0x02C6, 0x2030, 0x0160, 0x2039, 0x0152, 0, 0x017D, 0,
	0, 0x2018, 0x2019, 0x201C, 0x201D, 0x2022, 0x2013, 0x2014, 0x02DC, 0x2122, 0x0161, 0x203A, 0x0153, 0, 0x017E, 0x0178,
}

// numeric reads a reference like &#52; or &#x34 and returns its length, 0 if it
// is none.
func numeric(s string) (rune, int) {
	i, base := 2, rune(10)
	if s[i] == 'x' || s[i] == 'X' {
		base = 16
		i++
	}
	from, x := i, rune(0)
	for ; i < len(s); i++ {
		d := rune(unhex(s[i]))
		if d >= base {
			break
		}
		if x <= utf8.MaxRune {
			x = base*x + d
		}
	}
	if i == from {
		return 0, 0
	}
	if i < len(s) && s[i] == ';' {
		i++
	}
	switch {
	case x >= 0x80 && x < 0xA0 && windows1252[x-0x80] != 0:
		x = windows1252[x-0x80]
	case x == 0 || x > utf8.MaxRune || x >= 0xD800 && x < 0xE000:
		x = utf8.RuneError
	}
	return x, i
}

// longestName is the length of the longest name of a reference without its
// semicolon, longestBare that of the longest that needs none.
const longestName, longestBare = 32, 6

// named reads a reference like &nbsp; and returns its one or two runes and its
// length, 0 if it is none.
func named(s string, attribute bool) (rune, rune, int) {
	i := 1
	for i < len(s) && i <= longestName && (isLetter(s[i]) || s[i]-'0' < 10) {
		i++
	}
	if i < len(s) && s[i] == ';' {
		switch s[1:i] { // what Teams writes
		case "nbsp":
			return 0xA0, 0, i + 1
		case "amp":
			return '&', 0, i + 1
		case "lt":
			return '<', 0, i + 1
		case "gt":
			return '>', 0, i + 1
		case "quot":
			return '"', 0, i + 1
		case "apos":
			return '\'', 0, i + 1
		case "shy":
			return 0xAD, 0, i + 1
		}
		if r1, r2 := lookup(s[:i+1]); r1 != 0 {
			return r1, r2, i + 1
		}
	}
	least := 2
	if attribute {
		// In an attribute a name ends where its letters do, and what looks like
		// the next parameter of a link is none (HTML standard, 13.2.5.73).
		if i < len(s) && s[i] == '=' || i > 1+longestBare {
			return 0, 0, 0
		}
		least = i - 1
	}
	for j := min(i, 1+longestBare); j > max(2, least); j-- {
		if r1, r2 := lookup(s[:j]); r1 != 0 {
			return r1, r2, j
		}
	}
	return 0, 0, 0
}

// lookup decodes a named reference that takes up the whole of s; 0 if it is none.
func lookup(s string) (rune, rune) {
	d := html.UnescapeString(s)
	if d == s {
		return 0, 0
	}
	r1, n := utf8.DecodeRuneInString(d)
	r2, m := utf8.DecodeRuneInString(d[n:])
	if n+m != len(d) || m == 1 && r2 < utf8.RuneSelf { // "&notx" is "¬x": only a prefix was one
		if s != "&fjlig;" {
			return 0, 0
		}
	}
	if m == 0 {
		r2 = 0
	}
	return r1, r2
}

func isLetter(c byte) bool { return lower(c)-'a' < 26 }

func lower(c byte) byte {
	if c-'A' < 26 {
		return c | 0x20
	}
	return c
}

// unhex returns the value of a hexadecimal digit, 255 for any other byte.
func unhex(c byte) byte {
	switch {
	case c-'0' < 10:
		return c - '0'
	case lower(c)-'a' < 6:
		return lower(c) - 'a' + 10
	}
	return 255
}
