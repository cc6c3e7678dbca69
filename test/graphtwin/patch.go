package graphtwin

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
)

// patchMessage sets policyViolation, the one property that an app may.
// Source: learn.microsoft.com/graph/api/chatmessage-update.
func (t *Twin) patchMessage(c *call) answer {
	v, a, good := t.decodeViolation(c)
	t.mu.Lock()
	defer t.mu.Unlock()
	m := t.message(c)
	if good {
		a = t.applyViolation(c, m, v)
	}
	if m != nil {
		body := json.RawMessage(c.body)
		if !json.Valid(body) {
			body, _ = json.Marshal(string(c.body))
		}
		m.patches = append(m.patches, Patch{
			At: t.now(), AppID: c.from.app, Status: a.status, RequestID: c.log.RequestID, Body: body, Applied: a.status == http.StatusOK,
		})
	}
	return a
}

// applyViolation checks what hangs on the message, and writes; t.mu is held.
func (t *Twin) applyViolation(c *call, m *message, v *violation) answer {
	if m == nil {
		return notFound("The message")
	}
	if a, refused := t.refuse(c, m); refused {
		return a
	}
	now := t.touch(m)
	v.content = m.version
	m.setViolation(v, now)
	if t.switches.PatchMovesLastEdited {
		m.edited = now
	}
	m.applied++
	c.log.Applied = true
	if t.switches.Echo {
		t.notify(m, "updated")
	}
	return answer{status: http.StatusOK}
}

// refuse says whether the message cannot be patched at all.
func (t *Twin) refuse(c *call, m *message) (answer, bool) {
	reasons := []struct {
		refusal Refusal
		holds   bool
		text    string
	}{
		{RefuseDeleted, !m.gone.IsZero(), "The message was deleted."},
		{RefuseSystem, m.event != "", "System event messages cannot be updated."},
		{RefuseForeign, m.user != nil && m.user.TenantID != c.from.tenant, "The message was sent by a user of another tenant; this operation does not support federation."},
		{RefuseSkype, m.conv.hasSkype(), "The operation is not supported for chats with a Skype participant."},
		{RefuseUnlicensed, m.user != nil && m.user.Unlicensed, "The user does not have a license with the Microsoft Communications DLP service plan."},
		{RefuseApp, m.bot != nil, "Messages sent by an application cannot be updated."},
	}
	for _, r := range reasons {
		status, set := t.opts.Refusals[r.refusal]
		if !set {
			status = defaultRefusals[r.refusal]
		}
		if r.holds && status != 0 {
			return failure(status, usualCodes[status], "%s", r.text), true
		}
	}
	return answer{}, false
}

func (c *conversation) hasSkype() bool {
	for _, u := range c.members {
		if u.Identity == "skypeUser" {
			return true
		}
	}
	return false
}

// decodeViolation reads the body strictly. What an app may not send is refused
// with 400; annotations (@odata.…) pass.
func (t *Twin) decodeViolation(c *call) (*violation, answer, bool) {
	no := func(format string, args ...any) (*violation, answer, bool) {
		return nil, failure(http.StatusBadRequest, "BadRequest", format, args...), false
	}
	if a, bad := c.needJSON(); bad {
		return nil, a, false
	}
	top, err := members(c.body)
	if err != nil {
		return no("Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.")
	}
	for name := range top {
		if name != "policyViolation" {
			return no("Only policyViolation may be updated in application context; '%s' was given.", name)
		}
	}
	inner, err := members(top["policyViolation"])
	if err != nil {
		return no("policyViolation must be an object.")
	}
	v := &violation{}
	for name, raw := range inner {
		switch name {
		case "dlpAction", "verdictDetails":
			var s string
			if json.Unmarshal(raw, &s) != nil {
				return no("The property '%s' must be a string.", name)
			}
			set, into := dlpActions, &v.action
			if name == "verdictDetails" {
				set, into = verdictDetails, &v.details
			}
			if *into, err = set.parse(s); err != nil {
				return no("%s", err.Error())
			}
		case "policyTip":
			if v.tip, err = decodeTip(raw); err != nil {
				return no("The property 'policyTip' is not valid.")
			}
		case "userAction", "justificationText":
			if string(raw) != "null" {
				return no("The property '%s' is set by the sender, not by an application.", name)
			}
		default:
			return no("The property '%s' does not exist on type 'microsoft.graph.chatMessagePolicyViolation'.", name)
		}
	}
	if v.details&allowOverrideWithJustification != 0 && v.details&allowOverrideWithoutJustification != 0 {
		return no("allowOverrideWithJustification and allowOverrideWithoutJustification are mutually exclusive.")
	}
	return v, answer{}, true
}

var errNotObject = errors.New("not one JSON object")

// members takes a JSON object apart, without its annotations.
func members(raw []byte) (map[string]json.RawMessage, error) {
	var m map[string]json.RawMessage
	d := json.NewDecoder(bytes.NewReader(raw))
	if err := d.Decode(&m); err != nil {
		return nil, err
	}
	if m == nil || d.More() {
		return nil, errNotObject
	}
	for k := range m {
		if strings.HasPrefix(k, "@odata.") {
			delete(m, k)
		}
	}
	return m, nil
}

func decodeTip(raw json.RawMessage) (*PolicyTip, error) {
	if string(raw) == "null" {
		return nil, nil
	}
	m, err := members(raw)
	if err != nil {
		return nil, err
	}
	clean, err := json.Marshal(m)
	if err != nil {
		return nil, err
	}
	d := json.NewDecoder(bytes.NewReader(clean))
	d.DisallowUnknownFields()
	tip := &PolicyTip{}
	if err := d.Decode(tip); err != nil {
		return nil, err
	}
	if tip.MatchedConditionDescriptions == nil {
		tip.MatchedConditionDescriptions = []string{}
	}
	return tip, nil
}
