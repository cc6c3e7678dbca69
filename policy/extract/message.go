package extract

import (
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Load extracts every part of src into t, which keeps its memory for the next
// message: once warm, it allocates nothing for a message without JSON escapes.
func (t *Text) Load(src Source) {
	t.buf, t.segs, t.parts, t.spans = t.buf[:0], t.segs[:0], t.parts[:0], t.spans[:0]
	t.marks, t.cells, t.links, t.turned = t.marks[:0], t.cells[:0], t.links[:0], t.turned[:0]
	t.work = 0
	t.add(PartSubject, 0, src.Subject, Prose, false)
	t.add(PartSummary, 0, src.Summary, Prose, false)
	t.add(PartBody, 0, src.Body, Prose, src.HTML)
	for i := range src.Attachments {
		if i > maxAttachments {
			break
		}
		a := &src.Attachments[i]
		t.content(i, a)
		t.add(PartName, i, a.Name, Prose, false)
		t.add(PartLink, i, a.ContentURL, Link, false)
	}
}

// maxAttachments bounds the parts of a message; Teams allows ten.
const maxAttachments = 5000

// part starts a part of the buffer.
func (t *Text) part(k Kind, index int) int16 {
	t.parts = append(t.parts, Part{k, index})
	return int16(len(t.parts) - 1)
}

// add writes one source as a part of its own.
func (t *Text) add(k Kind, index int, s string, base Zone, markup bool) {
	if s == "" {
		return
	}
	w := t.writer(t.part(k, index), s, base)
	w.write(markup)
}

// writer makes a writer for s, and ends the part before it.
func (t *Text) writer(part int16, s string, base Zone) writer {
	if len(s) > maxSource {
		s = s[:maxSource]
	}
	w := writer{t: t, src: s, part: part, base: base, zone: base, open: -1, turned: len(t.turned)}
	if len(t.buf) > 0 {
		w.separate(0, "\f\n")
	}
	return w
}

func (w *writer) write(markup bool) {
	defer w.turn()
	switch {
	case markup:
		w.html()
	case w.base == Link:
		for i := 0; i < len(w.src); {
			if w.src[i] == '%' {
				i = w.percent(i, len(w.src))
				continue
			}
			stop := len(w.src)
			if j := strings.IndexByte(w.src[i:], '%'); j >= 0 {
				stop = i + j
			}
			i = w.text(i, stop, false)
		}
	default:
		w.pre = true
		w.text(0, len(w.src), false)
	}
}

// content writes what an attachment holds, which Graph sends as JSON in a string.
func (t *Text) content(i int, a *Attachment) {
	s := a.Content
	if s == "" {
		return
	}
	if j := strings.TrimLeft(s, " \t\r\n"); j == "" || j[0] != '{' && j[0] != '[' && j[0] != '"' {
		t.add(PartAttachment, i, s, Prose, true)
		return
	}
	kind := strings.ToLower(a.ContentType)
	c := card{t: t, src: s, part: t.part(PartAttachment, i)}
	switch {
	case kind == "messagereference" || kind == "forwardedmessagereference":
		c.base, c.reference = Quote, true
	case strings.HasSuffix(kind, ".codesnippet"):
		c.base = Code
	}
	c.walk()
}

// A card is the JSON of an attachment. It is read as a row of strings: what
// nests in what does not matter to a reader, and neither does broken JSON.
type card struct {
	t         *Text
	src       string
	part      int16
	base      Zone
	reference bool // a quoted reply or a forward: who wrote it is no text
	key       string
}

// walk writes every string that is not a key, each as a block of its own.
func (c *card) walk() {
	if len(c.src) > maxSource {
		c.src = c.src[:maxSource]
	}
	first := true
	for i := 0; i < len(c.src); {
		j := strings.IndexByte(c.src[i:], '"')
		if j < 0 {
			// Numbers are read too: {"card": 4111111111111111}.
			c.numbers(i, len(c.src), &first)
			return
		}
		c.numbers(i, i+j, &first)
		from := i + j + 1
		to, escaped := stringEnd(c.src, from)
		c.t.work += to - i
		i = min(to+1, len(c.src))
		if next := strings.TrimLeft(c.src[i:min(len(c.src), i+16)], " \t\r\n"); next != "" && next[0] == ':' {
			c.key = c.src[from:to]
			continue
		}
		if to > from && !c.skip() {
			c.value(from, to, escaped, &first)
		}
	}
}

// skip reports whether the last key's value is no text.
func (c *card) skip() bool {
	switch c.key {
	case "type", "$schema", "version", "@type", "@context":
		return true
	case "messageId", "originalMessageId", "originalConversationId", "originalSentDateTime",
		"id", "displayName", "userIdentityType", "applicationIdentityType", "tenantId", "@odata.type":
		return c.reference
	}
	return false
}

// numbers writes the numbers of at least six digits in src[from:to], which is
// between two strings.
func (c *card) numbers(from, to int, first *bool) {
	c.t.work += to - from
	for i := from; i < to; i++ {
		if c.src[i]-'0' >= 10 {
			continue
		}
		j := i
		for j < to && (c.src[j]-'0' < 10 || c.src[j] == '.') {
			j++
		}
		if j-i >= 6 && !c.skip() {
			c.value(i, j, false, first)
		}
		i = j
	}
}

// value writes the string src[from:to].
func (c *card) value(from, to int, escaped bool, first *bool) {
	t := c.t
	s, base := c.src[from:to], c.base
	if strings.HasPrefix(s, "https://") || strings.HasPrefix(s, "http://") {
		base = Link
	}
	w := writer{t: t, src: s, part: c.part, base: base, zone: base, open: -1, turned: len(t.turned), shift: from}
	if escaped {
		w.src = c.unescape(s)
		w.jmap = t.jmap
	}
	if len(t.buf) > 0 {
		if *first {
			w.separate(0, "\f\n")
		} else {
			w.separate(0, "\n\n")
		}
	}
	*first = false
	// Cards and quotes may hold simple markup; a string of code does not.
	w.write(base != Link && base != Code)
}

// stringEnd returns where the JSON string that starts at i ends, and whether it
// holds escapes.
func stringEnd(s string, i int) (int, bool) {
	escaped := false
	for ; i < len(s); i++ {
		switch s[i] {
		case '"':
			return i, escaped
		case '\\':
			escaped = true
			i++
		}
	}
	return len(s), escaped
}

// unescape decodes the escapes of a JSON string into t.raw and t.jmap. What is
// no valid escape stays as it is.
func (c *card) unescape(s string) string {
	t := c.t
	t.raw, t.jmap = t.raw[:0], t.jmap[:0]
	for i := 0; i < len(s); {
		j := strings.IndexByte(s[i:], '\\')
		if j < 0 {
			j = len(s) - i
		}
		if j > 0 {
			t.jmap = append(t.jmap, seg{out: int32(len(t.raw)), src: int32(i)})
			t.raw = append(t.raw, s[i:i+j]...)
			i += j
			continue
		}
		r, n := jsonEscape(s[i:])
		t.jmap = append(t.jmap, seg{int32(len(t.raw)), int32(i), int32(n), 0, true})
		t.raw = utf8.AppendRune(t.raw, r)
		i += n
	}
	return string(t.raw)
}

// jsonEscape decodes the escape that s starts with and returns its length.
func jsonEscape(s string) (rune, int) {
	if len(s) < 2 {
		return '\\', 1
	}
	switch s[1] {
	case '"', '\\', '/':
		return rune(s[1]), 2
	case 'n':
		return '\n', 2
	case 't', 'b', 'f':
		return ' ', 2
	case 'r':
		return '\r', 2
	case 'u':
		r, ok := hex4(s[2:])
		if !ok {
			return '\\', 1
		}
		if utf16.IsSurrogate(r) {
			if len(s) >= 12 && s[6] == '\\' && s[7] == 'u' {
				if r2, ok := hex4(s[8:]); ok {
					if d := utf16.DecodeRune(r, r2); d != utf8.RuneError {
						return d, 12
					}
				}
			}
			return utf8.RuneError, 6
		}
		return r, 6
	}
	return '\\', 1
}

func hex4(s string) (rune, bool) {
	if len(s) < 4 {
		return 0, false
	}
	var r rune
	for i := range 4 {
		d := unhex(s[i])
		if d > 15 {
			return 0, false
		}
		r = r<<4 | rune(d)
	}
	return r, true
}
