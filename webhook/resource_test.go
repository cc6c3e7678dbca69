package webhook

import (
	"errors"
	"strings"
	"testing"

	"teamsdlp/test/trial"
)

func TestParseResource(t *testing.T) {
	const guid = "7c1a0000-0000-4000-8000-00000000000a"
	chat := Ref{ChatID: "19:a_b@unq.gbl.spaces", MessageID: "1"}
	post := Ref{TeamID: guid, ChannelID: "19:x@thread.tacv2", MessageID: "1"}
	reply := Ref{TeamID: guid, ChannelID: "19:x@thread.tacv2", MessageID: "2", ReplyTo: "1"}
	for in, want := range map[string]Ref{
		"chats('19:a_b@unq.gbl.spaces')/messages('1')":                                       chat,
		"/chats('19:a_b@unq.gbl.spaces')/messages('1')":                                      chat,
		"Chats('19:a_b@unq.gbl.spaces')/Messages('1')":                                       chat,
		"chats/19:a_b@unq.gbl.spaces/messages/1":                                             chat,
		"/chats/19%3Aa_b%40unq.gbl.spaces/messages/1":                                        chat,
		"chats('19%3Aa_b%40unq.gbl.spaces')/messages('1')":                                   chat,
		"chats(%2719:a_b@unq.gbl.spaces%27)/messages(%271%27)":                               chat,
		"chats('19:a_b@unq.gbl.spaces')/messages/1":                                          chat,
		"chats('19:a_b@unq.gbl.spaces')/messages('1')?model=A":                               chat,
		"chats/19:a_b@unq.gbl.spaces/messages/1?$select=id":                                  chat,
		"users('u')/chats('19:a_b@unq.gbl.spaces')/messages('1')":                            chat,
		"users/u/chats/19:a_b@unq.gbl.spaces/messages/1":                                     chat,
		"teams('" + guid + "')/channels('19:x@thread.tacv2')/messages('1')":                  post,
		"teams('" + strings.ToUpper(guid) + "')/channels('19:x@thread.tacv2')/messages('1')": post,
		"teams/" + guid + "/channels/19:x@thread.tacv2/messages/1":                           post,
		"teams('" + guid + "')/channels('19:x@thread.tacv2')/messages('1')/replies('2')":     reply,
		"/teams/" + guid + "/channels/19:x@thread.tacv2/messages/1/replies/2":                reply,
		"chats('it''s')/messages('1')":                                                       {ChatID: "it's", MessageID: "1"},
		"chats('''')/messages('1')":                                                          {ChatID: "'", MessageID: "1"},
		"chats('a/b(c)d')/messages('1')":                                                     {ChatID: "a/b(c)d", MessageID: "1"},
		"chats('a')/messages('1')/replies":                                                   {},
		"chats('100%')/messages('1')":                                                        {ChatID: "100%", MessageID: "1"},
		"chats('a%2527b')/messages('1')":                                                     {ChatID: "a%27b", MessageID: "1"},
		"chats('a+b')/messages('1')":                                                         {ChatID: "a+b", MessageID: "1"},
		"chats('" + strings.Repeat("a", maxName) + "')/messages('1')":                        {ChatID: strings.Repeat("a", maxName), MessageID: "1"},
	} {
		got, err := ParseResource(in)
		if want == (Ref{}) {
			if !errors.Is(err, ErrResource) {
				t.Errorf("%s: %+v, %v", in, got, err)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%s: got %+v, %v; want %+v", in, got, err, want)
			continue
		}
		if again, err := ParseResource(got.Key()); err != nil || again != got {
			t.Errorf("%s: key %s reads as %+v, %v", in, got.Key(), again, err)
		}
	}
	for _, in := range []string{
		"", "/", "//", "chats", "chats('a')", "chats('a')/messages", "chats('a')/messages('')", "chats('')/messages('1')", "chats//messages/1",
		"chats('a)/messages('1')", "chats(a)/messages(1)", "chats('a'/messages('1')", "chats('a')messages('1')", "chats('a')/messages('1'", "chats('a')/messages('1')x",
		"chats('a')/messages('1')/", "chats('a')/messages('1')/hostedContents('2')", "chats('a')/messages('1')/replies('2')", "chats('a')/members('1')",
		"teams('t')/messages('1')", "teams('t')/channels('c')", "teams('t')/channels('c')/messages('1')/replies", "channels('c')/messages('1')",
		"chats/../messages/1", "chats/%2e%2e/messages/1", "chats('a b')/messages('1')", "chats('a\n')/messages('1')", "chats('a%0a')/messages('1')", "chats('a%00')/messages('1')",
		"chats('\xff')/messages('1')", "chats('%ff')/messages('1')", "chats/a/messages/1#x/y", "https://graph.microsoft.com/v1.0/chats/a/messages/1", "users('u')", "users('u')/users('u')/chats('a')/messages('1')",
		"chats('" + strings.Repeat("a", maxName+1) + "')/messages('1')", "/" + strings.Repeat("chats('a')/", 1000), strings.Repeat("(", 4000), strings.Repeat("'", 5000),
	} {
		got, err := ParseResource(in)
		if !errors.Is(err, ErrResource) || got != (Ref{}) {
			t.Errorf("%.80q: got %+v, %v", in, got, err)
		}
	}
}

func TestLane(t *testing.T) {
	root := Ref{TeamID: "t", ChannelID: "c", MessageID: "1"}
	reply := Ref{TeamID: "t", ChannelID: "c", MessageID: "2", ReplyTo: "1"}
	chat := Ref{ChatID: "c", MessageID: "1"}
	if root.Lane() != reply.Lane() {
		t.Errorf("root %s and reply %s are not in one lane", root.Lane(), reply.Lane())
	}
	if root.Lane() == chat.Lane() || root.Lane() == (Ref{TeamID: "t", ChannelID: "d", MessageID: "1"}).Lane() {
		t.Error("two conversations share a lane")
	}
	if root.Key() == reply.Key() || root.Key() == (Ref{TeamID: "t", ChannelID: "c", MessageID: "2"}).Key() {
		t.Error("two messages share a key")
	}
}

func FuzzResource(f *testing.F) {
	f.Add("chats('19:a_b@unq.gbl.spaces')/messages('1')")
	f.Add("teams/t/channels/c/messages/1/replies/2?x")
	f.Add("chats('a''%27b')/messages(%271%27)")
	f.Add("users('u')/chats('%25')/messages('1')")
	trial.Fuzz(f, 300, func(t *testing.T, s string) {
		r, err := ParseResource(s)
		if err != nil {
			if r != (Ref{}) || strings.Contains(err.Error(), s) && len(s) > 40 {
				t.Errorf("%q: %+v, %v", s, r, err)
			}
			return
		}
		if r.MessageID == "" || (r.ChatID == "") == (r.TeamID == "" || r.ChannelID == "") {
			t.Errorf("%q: half a place %+v", s, r)
		}
		if again, err := ParseResource(r.Key()); err != nil || again != r {
			t.Errorf("%q: %+v has key %q, which reads as %+v, %v", s, r, r.Key(), again, err)
		}
	})
}
