package webhook

import (
	"errors"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Ref is the place of a message: ChatID, or TeamID and ChannelID, is set.
// ReplyTo is the root's id in a channel reply, and empty otherwise. A team's id
// is a GUID and in lower case; conversation ids are as Graph gave them.
type Ref struct {
	TeamID, ChannelID string
	ChatID            string
	MessageID         string
	ReplyTo           string
}

// ErrResource is returned for a path that does not lead to a message.
var ErrResource = errors.New("resource is not the path of a message")

const maxName = 256 // bytes of one id

// ParseResource reads the resource of a change notification. It takes
// name('value') as notifications have it, with a quote inside the quotes doubled,
// and name/value as requests have it, any casing of the names, a leading slash, an
// enclosing users(…) as subscriptions of one user have it, percent-encoding, and
// a query. The error is ErrResource and does not quote the path.
func ParseResource(path string) (Ref, error) {
	segments, ok := segment(path)
	if !ok || len(path) > maxResource {
		return Ref{}, ErrResource
	}
	if len(segments) > 0 && segments[0].is("users") {
		segments = segments[1:]
	}
	var r Ref
	switch {
	case follow(segments, "chats", &r.ChatID, "messages", &r.MessageID):
	case follow(segments, "teams", &r.TeamID, "channels", &r.ChannelID, "messages", &r.MessageID):
	case follow(segments, "teams", &r.TeamID, "channels", &r.ChannelID, "messages", &r.ReplyTo, "replies", &r.MessageID):
	default:
		return Ref{}, ErrResource
	}
	r.TeamID = canonicalGUID(r.TeamID)
	return r, nil
}

// pathSegment is one name of a path with its key.
type pathSegment struct{ name, key string }

func (s pathSegment) is(name string) bool { return strings.EqualFold(s.name, name) }

// follow reports whether the segments have exactly these names, and then stores
// their keys: want is name, *string, name, *string, …
func follow(segments []pathSegment, want ...any) bool {
	if 2*len(segments) != len(want) {
		return false
	}
	for i, s := range segments {
		if !s.is(want[2*i].(string)) {
			return false
		}
	}
	for i, s := range segments {
		*want[2*i+1].(*string) = s.key
	}
	return true
}

// segment takes a path apart.
func segment(path string) ([]pathSegment, bool) {
	rest := strings.TrimPrefix(path, "/")
	var out []pathSegment
	for {
		end := strings.IndexAny(rest, "/(")
		if end <= 0 {
			return nil, false
		}
		s := pathSegment{name: rest[:end]}
		quoted := rest[end] == '('
		rest = rest[end+1:]
		var ok bool
		if quoted {
			s.key, rest, ok = quotedKey(rest)
		} else {
			end := strings.IndexAny(rest, "/?")
			if end < 0 {
				end = len(rest)
			}
			s.key, rest, ok = rest[:end], rest[end:], true
		}
		if ok {
			s.key, ok = cleanKey(s.key)
		}
		if !ok {
			return nil, false
		}
		out = append(out, s)
		switch {
		case rest == "" || rest[0] == '?':
			return out, true
		case rest[0] != '/':
			return nil, false
		}
		rest = rest[1:]
	}
}

// quotedKey reads 'value') and returns the value and what follows. A quote may
// be percent-encoded, as in a URL.
func quotedKey(s string) (key, rest string, ok bool) {
	quote := func(s string) int {
		switch {
		case strings.HasPrefix(s, "'"):
			return 1
		case strings.HasPrefix(s, "%27"):
			return 3
		}
		return 0
	}
	n := quote(s)
	if n == 0 {
		return "", "", false
	}
	s = s[n:]
	// Nearly all have neither a quote inside nor an escape.
	if key, rest, found := strings.Cut(s, "'"); found && strings.HasPrefix(rest, ")") && strings.IndexByte(key, '%') < 0 {
		return key, rest[1:], true
	}
	var b strings.Builder
	for s != "" {
		n := quote(s)
		if n == 0 {
			b.WriteByte(s[0])
			s = s[1:]
			continue
		}
		s = s[n:]
		if m := quote(s); m > 0 {
			b.WriteByte('\'')
			s = s[m:]
			continue
		}
		if !strings.HasPrefix(s, ")") {
			return "", "", false
		}
		return b.String(), s[1:], true
	}
	return "", "", false
}

// cleanKey undoes percent-encoding, if that is what it is, and refuses ids that
// no service gives out.
func cleanKey(s string) (string, bool) {
	if d, err := url.PathUnescape(s); err == nil {
		s = d
	}
	ok := s != "" && s != "." && s != ".." && len(s) <= maxName && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return unicode.IsControl(r) || unicode.IsSpace(r) })
	return s, ok
}

func canonicalGUID(s string) string {
	if l := strings.ToLower(s); isGUID(l) {
		return l
	}
	return s
}

// doubled escapes what quotedKey and cleanKey undo.
var doubled = strings.NewReplacer("'", "''", "%", "%25")

// Key returns the canonical path, the same for every spelling of one place.
// ParseResource reads it back. It says nothing of the tenant: message keys of
// several tenants need that in front.
func (r Ref) Key() string {
	var b strings.Builder
	add := func(name, key string) {
		if b.Len() > 0 {
			b.WriteByte('/')
		}
		b.WriteString(name)
		b.WriteString("('")
		b.WriteString(doubled.Replace(key))
		b.WriteString("')")
	}
	if r.ChatID != "" {
		add("chats", r.ChatID)
	} else {
		add("teams", r.TeamID)
		add("channels", r.ChannelID)
	}
	if r.ReplyTo != "" {
		add("messages", r.ReplyTo)
		add("replies", r.MessageID)
	} else {
		add("messages", r.MessageID)
	}
	return b.String()
}

// Lane returns the conversation: messages with one lane are handled in order,
// one after the other. It is the chat, or the channel with all its threads.
func (r Ref) Lane() string {
	if r.ChatID != "" {
		return "chats/" + r.ChatID
	}
	return "teams/" + r.TeamID + "/channels/" + r.ChannelID
}
