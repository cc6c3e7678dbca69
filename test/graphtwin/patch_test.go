package graphtwin_test

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/test/graphtwin"
)

const block = `{"policyViolation":{"dlpAction":"blockAccess","verdictDetails":"allowOverrideWithJustification","policyTip":{"generalText":"a card","complianceUrl":"https://x.example","matchedConditionDescriptions":["Card"]}}}`

// violation is block with other flags.
func violation(action, details string) string {
	return strings.NewReplacer("blockAccess", action, "allowOverrideWithJustification", details).Replace(block)
}

func TestPatchBody(t *testing.T) {
	for _, tc := range []struct {
		body   string
		status int
	}{
		{block, 200},
		{`{"policyViolation":{"dlpAction":"none","verdictDetails":"none"}}`, 200},
		{`{"policyViolation":{"dlpAction":"notifySender"}}`, 200},
		{violation("BLOCKACCESS", "AllowFalsePositiveOverride, AllowOverrideWithJustification"), 200},
		{violation("blockAccessExternal", "allowFalsePositiveOverride,allowOverrideWithoutJustification"), 200},
		{`{"@odata.type":"#microsoft.graph.chatMessage","policyViolation":{"@odata.type":"#x","dlpAction":"blockAccess","policyTip":null,"userAction":null}}`, 200},

		{``, 400},
		{`{`, 400},
		{`[]`, 400},
		{`null`, 400},
		{block + block, 400},
		{`{"policyViolation":null}`, 400},
		{`{"policyViolation":"blockAccess"}`, 400},
		{`{"body":{"content":"x"}}`, 400},
		{`{"policyViolation":{"dlpAction":"blockAccess"},"subject":"x"}`, 400},
		{`{"policyViolation":{"dlpAction":"blockAccess","severity":"high"}}`, 400},
		{`{"policyViolation":{"dlpAction":2}}`, 400},
		{`{"policyViolation":{"dlpAction":"2"}}`, 400},
		{`{"policyViolation":{"dlpAction":"blockEverything"}}`, 400},
		{`{"policyViolation":{"dlpAction":"block_access"}}`, 400},
		{`{"policyViolation":{"dlpAction":"blockAccess","verdictDetails":"allowEverything"}}`, 400},
		{violation("blockAccess", "allowOverrideWithJustification,allowOverrideWithoutJustification"), 400},
		{`{"policyViolation":{"dlpAction":"blockAccess","userAction":"override"}}`, 400},
		{`{"policyViolation":{"dlpAction":"blockAccess","justificationText":"x"}}`, 400},
		{`{"policyViolation":{"dlpAction":"blockAccess","policyTip":{"text":"x"}}}`, 400},
		{`{"policyViolation":{"dlpAction":"blockAccess","policyTip":{"generalText":7}}}`, 400},
	} {
		tw := start(t)
		m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
		r := contoso(t, tw).do("PATCH", m.Path, tc.body, "Content-Type", "application/json")
		if r.status != tc.status {
			t.Errorf("%s: %d, want %d: %s", tc.body, r.status, tc.status, r.body)
			continue
		}
		v := shown(t, tw, m.ID)
		if tc.status == 200 && (len(r.body) != 0 || v.PatchCount != 1 || v.ETag == m.ETag || !v.Modified.After(m.Modified)) {
			t.Errorf("%s: body %q, view %+v", tc.body, r.body, v)
		}
		if tc.status != 200 && (v.PatchCount != 0 || v.PolicyViolation != nil || v.ETag != m.ETag || len(v.Patches) != 1 || v.Patches[0].Applied) {
			t.Errorf("%s: refused, and yet %+v", tc.body, v)
		}
	}
}

func TestPatchContentType(t *testing.T) {
	tw := start(t)
	m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	a := contoso(t, tw)
	header := map[string]string{"Authorization": "Bearer " + a.token}
	if r := send(t, "PATCH", tw.URL()+"/v1.0"+m.Path, header, block); r.status != 400 {
		t.Errorf("no Content-Type: %d", r.status)
	}
	if r := a.do("PATCH", m.Path, block, "Content-Type", "text/plain"); r.status != 415 {
		t.Errorf("text/plain: %d", r.status)
	}
}

func TestPatchPaths(t *testing.T) {
	tw := start(t)
	a := contoso(t, tw)
	chat := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	root := say(t, tw, graphtwin.Post{As: "ana", In: "sales/general", HTML: "x"})
	answer, err := tw.Reply(root.ID, graphtwin.Post{As: "li", HTML: "y"})
	if err != nil {
		t.Fatal(err)
	}
	all := func(s string) string { return strings.NewReplacer(":", "%3A", "@", "%40").Replace(s) }
	channel := "/teams/" + root.TeamID + "/channels/" + root.ChannelID + "/messages/"
	for _, tc := range []struct {
		path   string
		status int
		hit    string
	}{
		{"/chats/" + chat.ChatID + "/messages/" + chat.GraphID, 200, chat.ID},
		{"/chats/" + all(chat.ChatID) + "/messages/" + chat.GraphID, 200, chat.ID},
		{"/chats/" + chat.ChatID + "/messages/" + chat.GraphID + "?model=A", 200, chat.ID},
		{"/chats('" + chat.ChatID + "')/messages('" + chat.GraphID + "')", 200, chat.ID},
		{channel + root.GraphID, 200, root.ID},
		{all(channel) + root.GraphID, 200, root.ID},
		{channel + root.GraphID + "/replies/" + answer.GraphID, 200, answer.ID},

		{channel + answer.GraphID, 404, ""},
		{channel + answer.GraphID + "/replies/" + root.GraphID, 404, ""},
		{"/chats/" + chat.ChatID + "/messages/1", 404, ""},
		{"/chats/19:nobody@thread.v2/messages/" + chat.GraphID, 404, ""},
		{"/chats/" + root.ChannelID + "/messages/" + root.GraphID, 404, ""},
		{"/users/" + chat.SenderID + "/chats/" + chat.ChatID + "/messages/" + chat.GraphID, 400, ""},
		{"/chats/" + chat.ChatID, 405, ""},
	} {
		r := a.do("PATCH", tc.path, block)
		if r.status != tc.status {
			t.Errorf("%s: %d, want %d: %s", tc.path, r.status, tc.status, r.body)
		}
		log := tw.Requests(graphtwin.Filter{})
		if last := log[len(log)-1]; last.MessageID != tc.hit || last.Applied != (tc.hit != "") || last.Body != block || last.AppID != graphtwin.ContosoApp {
			t.Errorf("%s: journal %+v", tc.path, last)
		}
	}
	if r := a.do("PATCH", tw.URL()+"/beta"+chat.Path, block); r.status != 200 {
		t.Errorf("beta: %d", r.status)
	}
}

func TestPatchGzip(t *testing.T) {
	tw := start(t)
	m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	a := contoso(t, tw)
	var b bytes.Buffer
	zw := gzip.NewWriter(&b)
	_, _ = zw.Write([]byte(block))
	_ = zw.Close()
	if r := a.do("PATCH", m.Path, b.String(), "Content-Encoding", "gzip"); r.status != 200 {
		t.Fatalf("%d %s", r.status, r.body)
	}
	if got := string(shown(t, tw, m.ID).Patches[0].Body); got != block {
		t.Errorf("the journal holds %s", got)
	}
	if r := a.do("PATCH", m.Path, block, "Content-Encoding", "gzip"); r.status != 400 {
		t.Errorf("not gzip: %d", r.status)
	}
}

func TestPatchNeedsTheRole(t *testing.T) {
	for _, tc := range []struct {
		in, role string
	}{
		{"chat:ana-li", "Chat.UpdatePolicyViolation.All"},
		{"sales/general", "ChannelMessage.UpdatePolicyViolation.All"},
	} {
		tw := start(t)
		m := say(t, tw, graphtwin.Post{As: "ana", In: tc.in, HTML: "x"})
		roles := slices.DeleteFunc(slices.Clone(graphtwin.AllRoles), func(r string) bool { return r == tc.role })
		if err := tw.SetRoles(graphtwin.ContosoTenant, graphtwin.ContosoApp, roles...); err != nil {
			t.Fatal(err)
		}
		r := contoso(t, tw).do("PATCH", m.Path, block)
		if code, message := r.code(); r.status != 403 || code != "Forbidden" || !strings.Contains(message, tc.role) {
			t.Errorf("%s: %d %s %q", tc.in, r.status, code, message)
		}
		if shown(t, tw, m.ID).PatchCount != 0 {
			t.Errorf("%s: it was applied", tc.in)
		}
	}
}

func TestPatchThatCannotBe(t *testing.T) {
	for _, tc := range []struct {
		name    string
		post    graphtwin.Post
		refusal graphtwin.Refusal
		status  int
		before  func(tw *graphtwin.Twin, id string) error
	}{
		{name: "federated sender", post: graphtwin.Post{As: "kim", In: "chat:ext-deal", HTML: "x"}, refusal: graphtwin.RefuseForeign, status: 403},
		{name: "own sender in an external chat", post: graphtwin.Post{As: "ana", In: "chat:ext-deal", HTML: "x"}, status: 200},
		{name: "guest", post: graphtwin.Post{As: "gia", In: "chat:deal", HTML: "x"}, status: 200},
		{name: "foreign sender in a shared channel", post: graphtwin.Post{As: "kim", In: "sales/partners", HTML: "x"}, refusal: graphtwin.RefuseForeign, status: 403},
		{name: "Skype member", post: graphtwin.Post{As: "ana", In: "chat:skype", HTML: "x"}, refusal: graphtwin.RefuseSkype, status: 403},
		{name: "unlicensed sender", post: graphtwin.Post{As: "max", In: "chat:max-ana", HTML: "x"}, refusal: graphtwin.RefuseUnlicensed, status: 403},
		{name: "system event", post: graphtwin.Post{In: "chat:deal", SystemEvent: "membersAdded"}, refusal: graphtwin.RefuseSystem, status: 403},
		{name: "bot", post: graphtwin.Post{As: "deploybot", In: "chat:engineering", HTML: "x"}, refusal: graphtwin.RefuseApp, status: 200},
		{name: "deleted", post: graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"}, refusal: graphtwin.RefuseDeleted, status: 404,
			before: func(tw *graphtwin.Twin, id string) error { _, err := tw.Delete(id); return err }},
	} {
		for _, override := range []int{-1, 0, 400} {
			tw := start(t, func(o *graphtwin.Options) {
				if override >= 0 {
					o.Refusals = map[graphtwin.Refusal]int{tc.refusal: override}
				}
			})
			m := say(t, tw, tc.post)
			if tc.before != nil {
				if err := tc.before(tw, m.ID); err != nil {
					t.Fatal(err)
				}
			}
			want := tc.status
			switch {
			case override == 0:
				want = 200
			case override > 0 && tc.refusal != "":
				want = override
			}
			r := contoso(t, tw).do("PATCH", m.Path, block)
			if code, _ := r.code(); r.status != want || want != 200 && code == "" {
				t.Errorf("%s (%d): %d, want %d: %s", tc.name, override, r.status, want, r.body)
			}
			if applied := shown(t, tw, m.ID).PatchCount == 1; applied != (want == 200) {
				t.Errorf("%s (%d): applied %v", tc.name, override, applied)
			}
		}
	}
}

func TestPatchOfAnotherTenantsConversation(t *testing.T) {
	tw := start(t)
	f := fabrikam(t, tw)
	inside := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	kim := say(t, tw, graphtwin.Post{As: "kim", In: "chat:ext-deal", HTML: "x"})
	if r := f.do("PATCH", inside.Path, block); r.status != 404 {
		t.Errorf("a chat that it is no part of: %d", r.status)
	}
	if r := f.do("GET", inside.Path, ""); r.status != 404 {
		t.Errorf("reading it: %d", r.status)
	}
	if r := f.do("PATCH", kim.Path, block); r.status != 200 {
		t.Errorf("its own sender: %d", r.status)
	}
}

// opened is what the n-th notification says, decrypted.
func opened(t *testing.T, rc *receiver, n int) (raw string, m map[string]any) {
	t.Helper()
	items := rc.items()
	if len(items) <= n {
		t.Fatalf("%d notifications, want more than %d", len(items), n)
	}
	plain, err := open(encryptionKey(), items[n].EncryptedContent)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(plain, &m); err != nil {
		t.Fatal(err)
	}
	return string(plain), m
}

func TestSwitches(t *testing.T) {
	for _, tc := range []struct {
		name     string
		change   func(*graphtwin.Switches)
		items    int    // notifications of a message that is said and blocked
		content  string // as read and notified while blocked
		edited   bool   // lastEditedDateTime is set
		fragment string // in what is read
	}{
		{"default", func(*graphtwin.Switches) {}, 2, "card", false, `"dlpAction":"blockAccess","verdictDetails":"allowFalsePositiveOverride,allowOverrideWithJustification"`},
		{"no echo", func(s *graphtwin.Switches) { s.Echo = false }, 1, "card", false, `"userAction":"none"`},
		{"body empty", func(s *graphtwin.Switches) { s.BlockedBody = graphtwin.BodyEmpty }, 2, "", false, `"dlpAction":"blockAccess"`},
		{"moves last edited", func(s *graphtwin.Switches) { s.PatchMovesLastEdited = true }, 2, "card", true, `"dlpAction":"blockAccess"`},
		{"odd casing", func(s *graphtwin.Switches) { s.OddCasing = true }, 2, "card", false, `"dlpAction":"BlockAccess","verdictDetails":"AllowFalsePositiveOverride, AllowOverrideWithJustification","userAction":"None"`},
	} {
		tw, rc := start(t, switches(tc.change)), newReceiver(t)
		a := contoso(t, tw)
		a.subscribe(rc)
		m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "card"})
		if r := a.do("PATCH", m.Path, violation("blockAccess", "allowFalsePositiveOverride,allowOverrideWithJustification")); r.status != 200 {
			t.Fatalf("%s: %d", tc.name, r.status)
		}
		settle(t, tw)
		if n := len(rc.items()); n != tc.items {
			t.Errorf("%s: %d notifications, want %d", tc.name, n, tc.items)
		}
		read := a.do("GET", m.Path, "")
		got := read.json(t)
		if content := got["body"].(map[string]any)["content"]; content != tc.content {
			t.Errorf("%s: content %q, want %q", tc.name, content, tc.content)
		}
		if (got["lastEditedDateTime"] != nil) != tc.edited {
			t.Errorf("%s: lastEditedDateTime %v", tc.name, got["lastEditedDateTime"])
		}
		if !strings.Contains(string(read.body), tc.fragment) {
			t.Errorf("%s: lacks %s:\n%s", tc.name, tc.fragment, read.body)
		}
		if tc.items == 2 {
			raw, last := opened(t, rc, 1)
			if content := last["body"].(map[string]any)["content"]; content != tc.content || !strings.Contains(raw, tc.fragment) {
				t.Errorf("%s: notified content %q:\n%s", tc.name, content, raw)
			}
		}
		if v := shown(t, tw, m.ID); !v.Blocked || v.Text != graphtwin.Placeholder || v.BlockedAt.IsZero() {
			t.Errorf("%s: readers see %+v", tc.name, v)
		}
	}
}

func TestOddCasingOfAllEnums(t *testing.T) {
	tw := start(t, switches(func(s *graphtwin.Switches) { s.OddCasing = true }))
	a := contoso(t, tw)
	m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:deal", HTML: "x"})
	team := tw.World().Teams[0]
	for path, want := range map[string][]string{
		m.Path:                            {`"messageType":"Message"`, `"importance":"Normal"`, `"contentType":"Html"`, `"userIdentityType":"AadUser"`},
		"/chats/" + m.ChatID:              {`"chatType":"Group"`},
		"/chats/" + m.ChatID + "/members": {`"roles":["Owner"]`, `"roles":["Guest"]`},
		"/teams/" + team.ID + "/channels/" + team.Channels[0].ID: {`"membershipType":"Standard"`},
		"/users/" + m.SenderID + "?$select=userType":             {`"userType":"member"`},
	} {
		r := a.do("GET", path, "")
		for _, w := range want {
			if !strings.Contains(string(r.body), w) {
				t.Errorf("%s lacks %s: %s", path, w, r.body)
			}
		}
	}
}

func TestSenderActions(t *testing.T) {
	type step struct {
		do      string // block FLAGS, notify, none, override TEXT, report, edit TEXT, delete, react
		err     error
		blocked bool
		text    string
		user    string // userAction; "-": no policyViolation
	}
	placeholder := graphtwin.Placeholder
	for _, tc := range []struct {
		name  string
		body  string // BlockedBody
		steps []step
	}{
		{"with justification", "kept", []step{
			{"block allowOverrideWithJustification", nil, true, placeholder, "none"},
			{"override", graphtwin.ErrJustification, true, placeholder, "none"},
			{"override customer asked", nil, false, "card", "override"},
		}},
		{"without justification", "empty", []step{
			{"block allowOverrideWithoutJustification", nil, true, placeholder, "none"},
			{"override", nil, false, "card", "override"},
		}},
		{"no override", "kept", []step{
			{"block none", nil, true, placeholder, "none"},
			{"override please", graphtwin.ErrNotAllowed, true, placeholder, "none"},
			{"report", nil, true, placeholder, "reportFalsePositive"},
			{"none", nil, false, "card", "none"},
			{"report", graphtwin.ErrNotAllowed, false, "card", "none"},
		}},
		{"report that releases", "kept", []step{
			{"block allowFalsePositiveOverride", nil, true, placeholder, "none"},
			{"override please", graphtwin.ErrNotAllowed, true, placeholder, "none"},
			{"report", nil, false, "card", "override,reportFalsePositive"},
		}},
		{"nothing to override", "kept", []step{
			{"override please", graphtwin.ErrNotAllowed, false, "card", "-"},
			{"report", graphtwin.ErrNotAllowed, false, "card", "-"},
		}},
		{"an edit does not release by itself", "empty", []step{
			{"block none", nil, true, placeholder, "none"},
			{"edit clean", nil, true, placeholder, "none"},
			{"none", nil, false, "clean", "none"},
		}},
		{"a new block ends the override", "kept", []step{
			{"block allowOverrideWithoutJustification", nil, true, placeholder, "none"},
			{"override", nil, false, "card", "override"},
			{"edit card and more", nil, false, "card and more", "override"},
			{"block none", nil, true, placeholder, "none"},
		}},
		{"notify does not block", "empty", []step{
			{"notify", nil, false, "card", "none"},
			{"react", nil, false, "card", "none"},
		}},
		{"deleted", "kept", []step{
			{"delete", nil, false, "", "-"},
			{"edit x", graphtwin.ErrDeleted, false, "", "-"},
			{"react", graphtwin.ErrDeleted, false, "", "-"},
		}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			tw, rc := start(t, switches(func(s *graphtwin.Switches) { s.BlockedBody = tc.body })), newReceiver(t)
			a := contoso(t, tw)
			a.subscribe(rc)
			m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "card"})
			events := 1
			etag := m.ETag
			for _, s := range tc.steps {
				what, arg, _ := strings.Cut(s.do, " ")
				var err error
				switch what {
				case "block":
					err = patched(a, m, violation("blockAccess", arg))
				case "notify":
					err = patched(a, m, violation("notifySender", "none"))
				case "none":
					err = patched(a, m, `{"policyViolation":{"dlpAction":"none","verdictDetails":"none"}}`)
				case "override":
					_, err = tw.Override(m.ID, arg)
				case "report":
					_, err = tw.Report(m.ID)
				case "edit":
					_, err = tw.Edit(m.ID, arg)
				case "delete":
					_, err = tw.Delete(m.ID)
				case "react":
					_, err = tw.React(m.ID, "li", "like")
				}
				if !errors.Is(err, s.err) || s.err == nil && err != nil {
					t.Fatalf("%s: error %v, want %v", s.do, err, s.err)
				}
				if s.err == nil {
					events++
				}
				v := shown(t, tw, m.ID)
				user := "-"
				if v.PolicyViolation != nil {
					user = v.PolicyViolation.UserAction
				}
				if v.Blocked != s.blocked || v.Text != s.text || user != s.user {
					t.Errorf("%s: blocked %v, text %q, userAction %q; want %v, %q, %q", s.do, v.Blocked, v.Text, user, s.blocked, s.text, s.user)
				}
				if moved := v.ETag != etag; moved != (s.err == nil) {
					t.Errorf("%s: etag moved: %v", s.do, moved)
				}
				etag = v.ETag
			}
			settle(t, tw)
			if n := len(rc.items()); n != events {
				t.Errorf("%d notifications, want %d", n, events)
			}
		})
	}
}

func patched(a *app, m graphtwin.Message, body string) error {
	if r := a.do("PATCH", m.Path, body); r.status != 200 {
		return errors.New(string(r.body))
	}
	return nil
}

func TestOverrideIsNotified(t *testing.T) {
	tw, rc := start(t, switches(func(s *graphtwin.Switches) { s.BlockedBody = graphtwin.BodyEmpty })), newReceiver(t)
	a := contoso(t, tw)
	a.subscribe(rc)
	m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "card"})
	if err := patched(a, m, block); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Override(m.ID, "customer asked"); err != nil {
		t.Fatal(err)
	}
	settle(t, tw)
	_, echo := opened(t, rc, 1)
	_, last := opened(t, rc, 2)
	if got := echo["body"].(map[string]any)["content"]; got != "" {
		t.Errorf("echo shows %q", got)
	}
	pv := last["policyViolation"].(map[string]any)
	if pv["userAction"] != "override" || pv["justificationText"] != "customer asked" || pv["dlpAction"] != "blockAccess" || last["body"].(map[string]any)["content"] != "card" {
		t.Errorf("override: %v", last)
	}
}

func TestEditIsNotifiedWithItsTextWhileBlocked(t *testing.T) {
	tw, rc := start(t, switches(func(s *graphtwin.Switches) { s.BlockedBody = graphtwin.BodyEmpty })), newReceiver(t)
	a := contoso(t, tw)
	a.subscribe(rc)
	m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "card"})
	if err := patched(a, m, block); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Edit(m.ID, "clean"); err != nil {
		t.Fatal(err)
	}
	settle(t, tw)
	_, last := opened(t, rc, 2)
	if last["body"].(map[string]any)["content"] != "clean" || last["lastEditedDateTime"] == nil || last["createdDateTime"] == last["lastModifiedDateTime"] || last["policyViolation"] == nil {
		t.Errorf("edit: %v", last)
	}
	if n := rc.items()[2]; n.ChangeType != "updated" {
		t.Errorf("changeType %s", n.ChangeType)
	}
}

func TestEditClearsSwitch(t *testing.T) {
	tw := start(t, switches(func(s *graphtwin.Switches) { s.EditClears = true }))
	m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "card"})
	if err := patched(contoso(t, tw), m, block); err != nil {
		t.Fatal(err)
	}
	if _, err := tw.Edit(m.ID, "clean"); err != nil {
		t.Fatal(err)
	}
	if v := shown(t, tw, m.ID); v.PolicyViolation != nil || v.Blocked || v.Text != "clean" || v.ReleasedAt.IsZero() {
		t.Errorf("%+v", v)
	}
}

func TestDeleteIsNotified(t *testing.T) {
	tw, rc := start(t), newReceiver(t)
	contoso(t, tw).subscribe(rc)
	m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "card"})
	if _, err := tw.Delete(m.ID); err != nil {
		t.Fatal(err)
	}
	settle(t, tw)
	_, last := opened(t, rc, 1)
	if rc.items()[1].ChangeType != "deleted" || last["deletedDateTime"] == nil || last["body"].(map[string]any)["content"] != "" {
		t.Errorf("%v", last)
	}
}

func TestMessageForms(t *testing.T) {
	tw := start(t)
	a := contoso(t, tw)
	src := say(t, tw, graphtwin.Post{As: "li", In: "chat:ana-li", Text: "pw: <hunter>"})
	forward, err := tw.Forward(src.ID, graphtwin.Post{As: "ana", In: "chat:deal"})
	if err != nil {
		t.Fatal(err)
	}
	quote := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", QuoteOf: src.ID, HTML: "see above"})
	root := say(t, tw, graphtwin.Post{As: "ana", In: "sales/general", Subject: "Hello", HTML: `<at id="0">Li Wei</at>`, Mentions: []string{"li"}, Importance: "high",
		Attachments: []graphtwin.Attachment{{ContentType: "reference", ContentURL: "https://contoso.sharepoint.com/q3.xlsx", Name: "q3.xlsx"}}})
	answer, err := tw.Reply(root.ID, graphtwin.Post{As: "sam", HTML: "hi"})
	if err != nil {
		t.Fatal(err)
	}
	bot := say(t, tw, graphtwin.Post{As: "deploybot", In: "chat:engineering", HTML: "done"})
	event := say(t, tw, graphtwin.Post{In: "chat:deal", SystemEvent: "membersAdded"})
	kim := say(t, tw, graphtwin.Post{As: "kim", In: "chat:ext-deal", HTML: "hi"})
	channel := "channels('" + url.QueryEscape(root.ChannelID) + "')/messages"
	for _, tc := range []struct {
		m    graphtwin.Message
		want []string
	}{
		{src, []string{`"contentType":"text","content":"pw: <hunter>"`, `{"@odata.context":"https://graph.microsoft.com/v1.0/$metadata#chats('19%3A`}},
		{forward, []string{`"contentType":"forwardedMessageReference"`, `"content":"<attachment id=\"` + src.GraphID + `\"></attachment>"`, `originalMessageContent\":\"pw: \\u0026lt;hunter\\u0026gt;\"`}},
		{quote, []string{`"contentType":"messageReference"`, `\"messagePreview\":\"pw: `}},
		{root, []string{`"subject":"Hello"`, `"importance":"high"`, `"chatId":null`, `"replyToId":null`, `"mentionText":"Li Wei"`, `"name":"q3.xlsx"`, `"content":null`, channel + "/$entity", `"webUrl":"https://teams.microsoft.com/l/message/`}},
		{answer, []string{`"replyToId":"` + root.GraphID + `"`, channel + "('" + root.GraphID + "')/replies/$entity", "parentMessageId=" + root.GraphID}},
		{bot, []string{`"application":{`, `"applicationIdentityType":"bot"`, `"user":null`}},
		{event, []string{`"messageType":"unknownFutureValue"`, `"from":null`, `<systemEventMessage/>`, `#microsoft.graph.membersAddedEventMessageDetail`}},
		{kim, []string{`"userIdentityType":"federatedUser","tenantId":"` + graphtwin.FabrikamTenant + `"`}},
	} {
		r := a.do("GET", tc.m.Path, "")
		for _, w := range tc.want {
			if r.status != 200 || !strings.Contains(string(r.body), w) {
				t.Errorf("%s: %d lacks %s:\n%s", tc.m.Path, r.status, w, r.body)
			}
		}
	}
	if r := a.do("GET", event.Path, "", "Prefer", "include-unknown-enum-members"); !strings.Contains(string(r.body), `"messageType":"systemEventMessage"`) {
		t.Errorf("with Prefer: %s", r.body)
	}
	if r := fabrikam(t, tw).do("GET", kim.Path, ""); !strings.Contains(string(r.body), `"userIdentityType":"aadUser"`) {
		t.Errorf("kim at home: %s", r.body)
	}
}

func TestIDsRise(t *testing.T) {
	tw := start(t)
	last := ""
	for range 200 {
		m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
		if m.GraphID <= last || len(m.GraphID) != 13 {
			t.Fatalf("%s after %s", m.GraphID, last)
		}
		last = m.GraphID
	}
}

func TestSameGraphIDInTwoChats(t *testing.T) {
	tw := start(t)
	one := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "1", GraphID: "1700000000000"})
	two := say(t, tw, graphtwin.Post{As: "ana", In: "chat:deal", HTML: "2", GraphID: "1700000000000"})
	if _, err := tw.Say(graphtwin.Post{As: "ana", In: "chat:deal", HTML: "3", GraphID: "1700000000000"}); err == nil {
		t.Error("the same id twice in one chat")
	}
	if _, err := tw.Message("1700000000000"); !errors.Is(err, graphtwin.ErrNoMessage) {
		t.Errorf("an ambiguous id: %v", err)
	}
	if err := patched(contoso(t, tw), two, block); err != nil {
		t.Fatal(err)
	}
	if shown(t, tw, one.ID).Blocked || !shown(t, tw, two.ID).Blocked {
		t.Error("the wrong one was blocked")
	}
}

func TestSayRefuses(t *testing.T) {
	tw := start(t)
	m := say(t, tw, graphtwin.Post{As: "ana", In: "sales/general", HTML: "x"})
	answer, err := tw.Reply(m.ID, graphtwin.Post{As: "ana", HTML: "x"})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []graphtwin.Post{
		{As: "ana", In: "chat:nowhere", HTML: "x"},
		{As: "ana", HTML: "x"},
		{As: "nobody", In: "chat:ana-li", HTML: "x"},
		{As: "ana", In: "chat:ana-li", ReplyTo: m.ID, HTML: "x"},
		{As: "ana", In: "sales/general", ReplyTo: answer.ID, HTML: "x"},
		{As: "ana", In: "sales/general", ReplyTo: "m99", HTML: "x"},
		{As: "ana", In: "chat:ana-li", ForwardOf: "m99"},
		{As: "ana", In: "chat:ana-li", Mentions: []string{"nobody"}, HTML: "x"},
	} {
		if got, err := tw.Say(p); err == nil {
			t.Errorf("%+v: said as %s", p, got.ID)
		}
	}
	if d := cmp.Diff(2, len(tw.ShownAll())); d != "" {
		t.Error(d)
	}
}
