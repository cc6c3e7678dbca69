package webhook

import (
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

const (
	handshakeKey = "validationToken"
	maxHandshake = 2 << 10
)

// handshake returns the text to echo if the query asks for a validation
// handshake. Anyone can send one, before any subscription exists, so what is
// echoed must be inert in a browser.
//
// The token is decoded once, as application/x-www-form-urlencoded: Graph sends
// "+" for a space and lower-case escapes. Graph compares the body byte by byte
// with what it encoded.
// Source: learn.microsoft.com/graph/change-notifications-delivery-webhooks.
func handshake(rawQuery string) (token string, asked bool, why Reason) {
	query, err := url.ParseQuery(rawQuery)
	tokens, asked := query[handshakeKey]
	if !asked {
		// A notification URL may have a query of its own, of any form.
		if err != nil && strings.Contains(rawQuery, handshakeKey) {
			return "", true, ReasonHandshake
		}
		return "", false, ""
	}
	if err != nil || len(tokens) != 1 || !inert(tokens[0]) {
		return "", true, ReasonHandshake
	}
	return tokens[0], true, ""
}

// inert reports whether a token may be echoed.
func inert(s string) bool {
	return s != "" && len(s) <= maxHandshake && utf8.ValidString(s) &&
		!strings.ContainsFunc(s, func(r rune) bool { return r == '<' || r == '>' || unicode.IsControl(r) })
}
