package webhook

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"teamsdlp/test/trial"
)

const fullMessage = `{ "@odata.context": "x", "@odata.type": "#Microsoft.Graph.ChatMessage",
 "id": "1761984123456", "replyToId": "1761984000100", "etag": "1761984123457", "messageType": "Message",
 "createdDateTime": "2026-11-01T08:02:03.4567891Z", "lastModifiedDateTime": "2026-11-01T09:02:03+01:00",
 "lastEditedDateTime": "2026-11-01T08:05:00", "deletedDateTime": null, "subject": "CANARY-subject", "summary": "CANARY-summary", "chatId": null,
 "importance": "URGENT", "locale": "en-us", "webUrl": "https://teams.microsoft.com/l/message/1",
 "from": { "application": null, "device": null, "user": { "@odata.type": "#microsoft.graph.teamworkUserIdentity",
   "id": "2f0e", "displayName": "Ana Ruiz", "userIdentityType": "FederatedUser", "tenantId": "9b7d" } },
 "body": { "contentType": "html", "content": "<p>CANARY-body</p>" },
 "channelIdentity": { "teamId": "7C1A0000-0000-4000-8000-000000000000", "channelId": "19:ab@thread.tacv2" },
 "attachments": [ { "id": "5b2c", "contentType": "reference", "name": "CANARY-name", "content": null, "thumbnailUrl": null, "teamsAppId": null, "contentUrl": "https://CANARY-url" },
   { "id": "6", "contentType": "application/vnd.microsoft.card.adaptive", "content": {"body": "CANARY-card"} } ],
 "mentions": [ { "id": 0, "mentionText": "CANARY-mention", "mentioned": { "user": { "id": "77aa", "userIdentityType": "aadUser" }, "conversation": {"id": "c", "conversationIdentityType": "Channel"} } } ],
 "policyViolation": { "dlpAction": "BlockAccess", "verdictDetails": "allowFalsePositiveOverride,AllowOverrideWithJustification", "userAction": "Override, ReportFalsePositive",
   "justificationText": "CANARY-justification", "policyTip": { "generalText": "CANARY-tip", "complianceUrl": "https://c", "matchedConditionDescriptions": ["CANARY-condition"] } },
 "reactions": [{"reactionType": "like"}], "messageHistory": [], "eventDetail": { "@odata.type": "#microsoft.graph.x" }, "brandNew": {"a": 1} }`

func TestDecodeMessage(t *testing.T) {
	got, err := DecodeMessage([]byte(fullMessage))
	if err != nil {
		t.Fatal(err)
	}
	want := &Message{
		ID: "1761984123456", ReplyToID: "1761984000100", ETag: "1761984123457", MessageType: "message",
		ChannelIdentity: &ChannelIdentity{"7C1A0000-0000-4000-8000-000000000000", "19:ab@thread.tacv2"},
		Created:         time.Date(2026, 11, 1, 8, 2, 3, 456789100, time.UTC),
		LastModified:    time.Date(2026, 11, 1, 8, 2, 3, 0, time.UTC),
		LastEdited:      time.Date(2026, 11, 1, 8, 5, 0, 0, time.UTC),
		Subject:         NewText("CANARY-subject"), Summary: NewText("CANARY-summary"),
		Body: Body{"html", NewText("<p>CANARY-body</p>")},
		Attachments: []Attachment{
			{ID: "5b2c", ContentType: "reference", Name: NewText("CANARY-name"), ContentURL: NewText("https://CANARY-url")},
			{ID: "6", ContentType: "application/vnd.microsoft.card.adaptive", Content: NewText(`{"body": "CANARY-card"}`)},
		},
		Mentions: []Mention{{ID: 0, Text: NewText("CANARY-mention"), Mentioned: Identity{
			User: &User{ID: "77aa", UserIdentityType: "aadUser"}, Conversation: &Conversation{"c", "channel"},
		}}},
		From:       &Identity{User: &User{ID: "2f0e", DisplayName: "Ana Ruiz", UserIdentityType: "federatedUser", TenantID: "9b7d"}},
		Importance: "urgent", WebURL: "https://teams.microsoft.com/l/message/1",
		PolicyViolation: &PolicyViolation{
			DLPAction:      Flags{BlockAccess},
			VerdictDetails: Flags{AllowFalsePositiveOverride, AllowOverrideWithJustification},
			UserAction:     Flags{Override, ReportFalsePositive}, JustificationText: NewText("CANARY-justification"),
			PolicyTip: &PolicyTip{NewText("CANARY-tip"), "https://c", []Text{NewText("CANARY-condition")}},
		},
		EventDetail: &EventDetail{"#microsoft.graph.x"},
	}
	if got.LastModified.Location() != time.UTC {
		t.Errorf("times are in %v", got.LastModified.Location())
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("message (-want +got):\n%s", diff)
	}
	if ref := (Ref{TeamID: "7c1a0000-0000-4000-8000-000000000000", ChannelID: "19:ab@thread.tacv2", MessageID: "1761984123456", ReplyTo: "1761984000100"}); got.Ref() != ref {
		t.Errorf("ref %+v, want %+v", got.Ref(), ref)
	}
}

func TestMessageVariants(t *testing.T) {
	get := func(s string) *Message {
		t.Helper()
		m, err := DecodeMessage([]byte(s))
		if err != nil {
			t.Fatalf("%s: %v", s, err)
		}
		return m
	}
	tests := []struct{ name, got, want string }{
		{"version is the etag", get(`{"id":"1","etag":"7","lastModifiedDateTime":"2026-11-01T08:00:00.123Z"}`).Version(), "7"},
		{"version without etag", get(`{"id":"1","etag":null,"lastModifiedDateTime":"2026-11-01T08:00:00.123Z"}`).Version(), "1793520000123"},
		{"no version", get(`{"id":"1"}`).Version(), ""},
		{"null body", get(`{"id":"1","body":null}`).Body.Content.Reveal(), ""},
		{"body is markup unless it says text", fmt.Sprint(get(`{"id":"1","body":{"contentType":"Text"}}`).Body.HTML(), get(`{"id":"1","body":{"contentType":"markdown"}}`).Body.HTML(), get(`{"id":"1"}`).Body.HTML()), "false true true"},
		{"unknown type", string(get(`{"id":"1","messageType":"somethingNew"}`).MessageType), "unknownFutureValue"},
		{"type a number", string(get(`{"id":"1","messageType":4}`).MessageType), "unknownFutureValue"},
		{"from null", fmt.Sprint(get(`{"id":"1","from":null}`).From == nil), "true"},
		{"a bot", get(`{"id":"1","from":{"application":{"id":"b","applicationIdentityType":"Bot"}}}`).From.Application.ID, "b"},
		{"never judged", fmt.Sprint(get(`{"id":"1","policyViolation":null}`).PolicyViolation == nil), "true"},
		{"not a date", fmt.Sprint(get(`{"id":"1","createdDateTime":"yesterday","lastEditedDateTime":7}`).Created.IsZero()), "true"},
		{"chat", get(`{"id":"1","chatId":"19:c@thread.v2"}`).Ref().Key(), "chats('19:c@thread.v2')/messages('1')"},
		{"root post", get(`{"id":"1","channelIdentity":{"teamId":"t","channelId":"c"}}`).Ref().Key(), "teams('t')/channels('c')/messages('1')"},
		{"nowhere", fmt.Sprint(get(`{"id":"1"}`).Ref() == Ref{}), "true"},
		{"two places", fmt.Sprint(get(`{"id":"1","chatId":"x","channelIdentity":{"teamId":"t","channelId":"c"}}`).Ref() == Ref{}), "true"},
	}
	for _, tt := range tests {
		if tt.got != tt.want {
			t.Errorf("%s: got %q, want %q", tt.name, tt.got, tt.want)
		}
	}
}

func TestFlags(t *testing.T) {
	for in, want := range map[string]Flags{
		`null`: nil, `""`: nil, `"none"`: nil, `"None"`: nil, `","`: nil,
		`"override"`:                            {Override},
		`"Override"`:                            {Override},
		`"OVERRIDE , reportfalsepositive"`:      {Override, ReportFalsePositive},
		`"override,override"`:                   {Override},
		`"none,notifySender"`:                   {NotifySender},
		`"blockAccessExternal"`:                 {BlockAccessExternal},
		`"overrideX,CANARY"`:                    {unknownValue},
		`"allowOverrideWithoutJustification\n"`: {AllowOverrideWithoutJustification},
		`5`:                                     {unknownValue},
		`["override"]`:                          {unknownValue},
	} {
		var got Flags
		if err := json.Unmarshal([]byte(in), &got); err != nil || !cmp.Equal(want, got) {
			t.Errorf("%s: got %v, %v; want %v", in, got, err, want)
		}
		if got.Has("CANARY") || got.Has("") {
			t.Errorf("%s: has what was made up", in)
		}
	}
}

// No error of decoding holds anything of the message.
func TestDecodeErrorsHoldNoContent(t *testing.T) {
	for _, in := range []string{
		`CANARY`, `"CANARY"`, `{"id":"1","body":"CANARY"}`, `{"id":"1","attachments":{"CANARY":1}}`, `{"id":"1","subject":"CANARY"`,
		`{"id":"1","replyToId":4111111111111111}`, `{"id":"1","mentions":[{"id":"CANARY"}]}`, `{"id":"1","mentions":[{"id":4111111111111111.5}]}`,
		`{"id":"1","x":"` + "\\uCANARY" + `"}`, `{"id":4111111111111111}`, `{"id":"1","from":"CANARY"}`, `{"id":"1"}CANARY`, `{"id":"1","@odata.type":"CANARY"}`, "",
	} {
		m, err := DecodeMessage([]byte(in))
		if !errors.Is(err, ErrNotMessage) || m != nil {
			t.Errorf("%s: %v, %v", in, m, err)
			continue
		}
		if s := fmt.Sprintf("%v %+v %#v", err, err, err); strings.Contains(s, "CANARY") || strings.Contains(s, "4111") || strings.Contains(s, "invalid character") {
			t.Errorf("%s: error says %q", in, s)
		}
	}
}

// A message's text comes out of Reveal and of nothing else.
func TestTextDoesNotPrint(t *testing.T) {
	m, err := DecodeMessage([]byte(fullMessage))
	if err != nil {
		t.Fatal(err)
	}
	type hidden struct {
		m  Message // unexported: fmt does not ask Format here
		p  *Message
		ts []Text
	}
	values := map[string]any{
		"pointer": m, "value": *m, "inside": hidden{*m, m, []Text{m.Subject}}, "body": m.Body, "text": m.Subject, "text pointer": &m.Subject,
		"attachments": m.Attachments, "mentions": m.Mentions, "violation": *m.PolicyViolation, "tip": m.PolicyViolation.PolicyTip,
		"map": map[string]Text{"a": m.Subject}, "any": []any{m, m.Body},
	}
	var out bytes.Buffer
	for _, enc := range []zapcore.Encoder{zapcore.NewJSONEncoder(zap.NewDevelopmentEncoderConfig()), zapcore.NewConsoleEncoder(zap.NewDevelopmentEncoderConfig())} {
		log := zap.New(zapcore.NewCore(enc, zapcore.AddSync(&out), zapcore.DebugLevel))
		for name, v := range values {
			log.Info("x", zap.Any(name, v), zap.Reflect("r", v))
			log.Sugar().Infow("x", name, v)
			log.Sugar().Infof("%v %+v", v, v)
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T", "%10.3v"} {
		for _, v := range values {
			fmt.Fprintf(&out, verb+"\n", v)
		}
	}
	for _, v := range values {
		b, _ := json.Marshal(v)
		out.Write(b)
	}
	for _, leak := range []string{"CANARY", "43414e415259", "43414E415259"} {
		if i := strings.Index(out.String(), leak); i >= 0 {
			t.Errorf("text leaks: …%s…", out.String()[max(0, i-80):i+len(leak)])
		}
	}
	if got := m.Body.Content.Reveal(); got != "<p>CANARY-body</p>" {
		t.Errorf("Reveal: %q", got)
	}
}

func FuzzMessage(f *testing.F) {
	f.Add([]byte(fullMessage))
	f.Add([]byte(plainMessage))
	f.Add([]byte(`{"id":"1","createdDateTime":"0001-01-01T00:00:00.0000000000000Z"}`))
	f.Add([]byte(`{"id":"1","policyViolation":{"userAction":",,,"}}`))
	f.Add([]byte(`{"ID":"1","id":null,"Body":{"content":5,"CONTENT":{"a":[1]}},"body":null,"subject":null,"from":{"user":{"id":"a"}},"FROM":{"user":null}}`))
	f.Add([]byte(`{"id":"1","body":{"content":"\\u003cp\\u003e\\ud83d\\ude00","contentType":["x"]},"mentions":[{"id":1}],"attachments":null,"importance":7,"deletedDateTime":{}}`))
	trial.Fuzz(f, 300, func(t *testing.T, b []byte) {
		m, err := DecodeMessage(b)
		if err != nil {
			if !errors.Is(err, ErrNotMessage) {
				t.Errorf("untyped error %v", err)
			}
			return
		}
		if m.ID == "" || !utf8.Valid(b) || !json.Valid(b) {
			t.Error("took what is no message")
		}
		want, err := unmarshalled(b)
		if d := cmp.Diff(want, m); err != nil || d != "" {
			t.Errorf("%v, and as encoding/json reads it (-want +got):\n%s", err, d)
		}
		_ = m.Version()
		if r := m.Ref(); r != (Ref{}) {
			_, _ = r.Key(), r.Lane()
		}
	})
}

// unmarshalled is the message as encoding/json reads it.
func unmarshalled(b []byte) (*Message, error) {
	var w struct {
		ID              string           `json:"id"`
		ReplyToID       string           `json:"replyToId"`
		ETag            string           `json:"etag"`
		MessageType     Enum             `json:"messageType"`
		ChatID          string           `json:"chatId"`
		ChannelIdentity *ChannelIdentity `json:"channelIdentity"`
		Created         date             `json:"createdDateTime"`
		LastModified    date             `json:"lastModifiedDateTime"`
		LastEdited      date             `json:"lastEditedDateTime"`
		Deleted         date             `json:"deletedDateTime"`
		Subject         Text             `json:"subject"`
		Summary         Text             `json:"summary"`
		Body            struct {
			ContentType Enum `json:"contentType"`
			Content     Text `json:"content"`
		} `json:"body"`
		Attachments     []Attachment     `json:"attachments"`
		Mentions        []Mention        `json:"mentions"`
		From            *Identity        `json:"from"`
		Importance      Enum             `json:"importance"`
		WebURL          string           `json:"webUrl"`
		PolicyViolation *PolicyViolation `json:"policyViolation"`
		EventDetail     *EventDetail     `json:"eventDetail"`
	}
	err := json.Unmarshal(b, &w)
	return &Message{
		ID: w.ID, ReplyToID: w.ReplyToID, ETag: w.ETag, MessageType: w.MessageType, ChatID: w.ChatID, ChannelIdentity: w.ChannelIdentity,
		Created: time.Time(w.Created), LastModified: time.Time(w.LastModified), LastEdited: time.Time(w.LastEdited), Deleted: time.Time(w.Deleted),
		Subject: w.Subject, Summary: w.Summary, Body: Body{w.Body.ContentType, w.Body.Content}, Attachments: w.Attachments, Mentions: w.Mentions,
		From: w.From, Importance: w.Importance, WebURL: w.WebURL, PolicyViolation: w.PolicyViolation, EventDetail: w.EventDetail,
	}, err
}

// A literal stands for what encoding/json takes it for.
func FuzzUnquote(f *testing.F) {
	for _, s := range []string{`""`, `"a"`, `"\u003cp\u003e\"\\\/\b\f\n\r\t"`, `"\ud83d\ude00 \ud83d \ude00\ud83dx"`, `"\ud83d\u0041"`, `"😀"`, "\"a\xffb\"", `"\u00"`, `"\x"`, `null`, `7`, `{}`, `"a`, `"\"`} {
		f.Add([]byte(s))
	}
	trial.Fuzz(f, 2000, func(t *testing.T, b []byte) {
		if !json.Valid(b) || !utf8.Valid(b) {
			return // no decoder would ask
		}
		b = bytes.TrimSpace(b)
		var want *string
		if json.Unmarshal(b, &want) != nil {
			want = nil
		}
		got, ok := unquote(b)
		if ok != (want != nil) || ok && got != *want {
			t.Errorf("%s: got %q, %v, want %v", b, got, ok, want)
		}
	})
}
