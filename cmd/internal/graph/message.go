package graph

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/microsoftgraph/msgraph-sdk-go/chats"
	"github.com/microsoftgraph/msgraph-sdk-go/models"
	"github.com/microsoftgraph/msgraph-sdk-go/teams"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/graph/answer"
	"teamsdlp/cmd/internal/graph/limit"
)

// Patch sets a message's policyViolation as o says, and nothing else: an app may
// change no other property. An order that no verdict made is refused.
// Source: learn.microsoft.com/graph/api/chatmessage-update.
func (c *Client) Patch(ctx context.Context, o actions.Order) (actions.Call, error) {
	if !o.Valid() {
		return actions.Call{}, refused("invalid_order")
	}
	t := o.Target()
	if err := c.checkTarget(t); err != nil {
		return actions.Call{}, err
	}
	body, err := violation(o)
	if err != nil {
		return actions.Call{}, err
	}
	rec := &record{discard: true}
	fault := c.call(ctx, "patch", turn(t, priority(o.Severity())), rec, func(ctx context.Context) error {
		var err error
		switch {
		case t.ChatID != "":
			_, err = chats.NewChatsRequestBuilderInternal(c.path(), c.adapter).ByChatId(t.ChatID).Messages().ByChatMessageId(t.MessageID).Patch(ctx, body, nil)
		case t.ReplyTo != "":
			_, err = c.channel(t).Messages().ByChatMessageId(t.ReplyTo).Replies().ByChatMessageId1(t.MessageID).Patch(ctx, body, nil)
		default:
			_, err = c.channel(t).Messages().ByChatMessageId(t.MessageID).Patch(ctx, body, nil)
		}
		if err != nil && rec.status >= 200 && rec.status <= 299 {
			return nil // Graph took it; that the SDK finds no message in the answer is as documented
		}
		return err
	})
	if fault != nil {
		return actions.Call{}, fault
	}
	return actions.Call{Status: rec.status, RequestID: rec.requestID}, nil
}

func (c *Client) channel(t actions.Target) *teams.ItemChannelsChannelItemRequestBuilder {
	return teams.NewTeamsRequestBuilderInternal(c.path(), c.adapter).ByTeamId(t.TeamID).Channels().ByChannelId(t.ChannelID)
}

// violation is the body of the PATCH. The SDK's constants are not the wire's
// numbers, so values are chosen by their names.
func violation(o actions.Order) (models.ChatMessageable, error) {
	pv := models.NewChatMessagePolicyViolation()
	action, err := models.ParseChatMessagePolicyViolationDlpActionTypes(o.DLPAction())
	dlp, ok := action.(*models.ChatMessagePolicyViolationDlpActionTypes)
	if err != nil || !ok || dlp == nil || dlp.String() != o.DLPAction() {
		return nil, refused("invalid_order")
	}
	pv.SetDlpAction(dlp)
	details, err := models.ParseChatMessagePolicyViolationVerdictDetailsTypes(o.VerdictDetails())
	verdict, ok := details.(*models.ChatMessagePolicyViolationVerdictDetailsTypes)
	if err != nil || !ok || verdict == nil || verdict.String() != o.VerdictDetails() {
		return nil, refused("invalid_order")
	}
	pv.SetVerdictDetails(verdict)
	if o.HasTip() {
		tip := models.NewChatMessagePolicyViolationPolicyTip()
		if text := o.Tip(); text != "" {
			tip.SetGeneralText(&text)
		}
		if page := o.URL(); page != "" {
			tip.SetComplianceUrl(&page)
		}
		if matched := o.Matched(); len(matched) > 0 {
			tip.SetMatchedConditionDescriptions(matched)
		}
		pv.SetPolicyTip(tip)
	}
	m := models.NewChatMessage()
	m.SetPolicyViolation(pv)
	return m, nil
}

// Read returns the message as Graph has it now. It is decoded here, not by the
// SDK: Graph's casing and spacing of flags vary, and an override must not be
// lost over that.
func (c *Client) Read(ctx context.Context, t actions.Target) (actions.Snapshot, error) {
	data, err := c.message(ctx, "read", t, reconcile)
	if err != nil {
		return actions.Snapshot{}, err
	}
	s, ok := answer.Snapshot(data)
	if !ok {
		return actions.Snapshot{}, &actions.CallError{Status: http.StatusBadGateway, Code: "unreadable_answer"}
	}
	if c.fingerprint != nil {
		s.Fingerprint = c.fingerprint(data)
	}
	return s, nil
}

// Message returns the message's JSON as Graph sent it. It is message text: it
// must not be logged. A message that Graph does not have is an
// *actions.CallError with status 404.
func (c *Client) Message(ctx context.Context, t actions.Target) ([]byte, error) {
	return c.message(ctx, "message", t, content)
}

func (c *Client) message(ctx context.Context, op string, t actions.Target, p limit.Priority) ([]byte, error) {
	if err := c.checkTarget(t); err != nil {
		return nil, err
	}
	u := c.base.JoinPath("chats", url.PathEscape(t.ChatID), "messages", url.PathEscape(t.MessageID))
	switch {
	case t.ChatID != "":
	case t.ReplyTo != "":
		u = c.base.JoinPath("teams", url.PathEscape(t.TeamID), "channels", url.PathEscape(t.ChannelID), "messages", url.PathEscape(t.ReplyTo), "replies", url.PathEscape(t.MessageID))
	default:
		u = c.base.JoinPath("teams", url.PathEscape(t.TeamID), "channels", url.PathEscape(t.ChannelID), "messages", url.PathEscape(t.MessageID))
	}
	data, fault := c.get(ctx, op, turn(t, p), u)
	if fault != nil {
		return nil, fault
	}
	return data, nil
}

// turn is the place in line of a call about t's conversation. All verbs share
// its limit.
func turn(t actions.Target, p limit.Priority) limit.Call {
	if t.ChatID != "" {
		return limit.Call{Conversation: t.ChatID, Workload: workChats, Metered: true, Priority: p}
	}
	return limit.Call{Conversation: t.TeamID + "/" + t.ChannelID, Team: t.TeamID, Workload: workTeams, Metered: true, Priority: p}
}

// checkTarget refuses a target whose ids could lead elsewhere, or that is not
// in this tenant.
func (c *Client) checkTarget(t actions.Target) error {
	ids := []string{t.ChatID, t.MessageID}
	if t.ChatID == "" {
		ids = []string{t.TeamID, t.ChannelID, t.MessageID}
		if t.ReplyTo != "" {
			ids = append(ids, t.ReplyTo)
		}
	}
	if t.Tenant != "" && !strings.EqualFold(t.Tenant, c.tenant) {
		return refused("foreign_tenant")
	}
	return checkIDs(ids...)
}

// refused is for a call that is not made because it could never be right. It
// reads like Graph's own 400, so that nobody tries again.
func refused(code string) *actions.CallError {
	return &actions.CallError{Status: http.StatusBadRequest, Code: code}
}

// checkIDs refuses ids that are no path segment.
func checkIDs(ids ...string) error {
	for _, id := range ids {
		if id == "" || id == "." || id == ".." || strings.ContainsAny(id, "/\\?#") {
			return refused("invalid_target")
		}
	}
	return nil
}
