package graphtwin_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/test/graphtwin"
)

func TestMembers(t *testing.T) {
	tw := start(t)
	a := contoso(t, tw)
	w := tw.World()
	chats := map[string]string{}
	for _, c := range w.Chats {
		chats[c.Alias] = c.ID
	}
	sales := "/teams/" + w.Teams[0].ID
	for _, tc := range []struct {
		path string
		want []string // name, roles
	}{
		{"/chats/" + chats["ana-li"] + "/members", []string{"Ana Ruiz owner", "Li Wei owner"}},
		{"/chats/" + chats["deal"] + "/members", []string{"Ana Ruiz owner", "Li Wei owner", "Gia Park guest"}},
		{"/chats/" + chats["ext-deal"] + "/members", []string{"Ana Ruiz owner", "Sam Okoye owner", "Kim Ito "}},
		{sales + "/members", []string{"Ana Ruiz owner", "Li Wei ", "Sam Okoye ", "Gia Park guest"}},
		{sales + "/channels/" + w.Teams[0].Channels[0].ID + "/members", []string{"Ana Ruiz owner", "Li Wei ", "Sam Okoye ", "Gia Park guest"}},
		{sales + "/channels/" + w.Teams[0].Channels[1].ID + "/allMembers", []string{"Ana Ruiz owner", "Li Wei "}},
		{sales + "/channels/" + w.Teams[0].Channels[2].ID + "/allMembers", []string{"Ana Ruiz owner", "Kim Ito "}},
	} {
		var got []string
		for _, m := range a.do("GET", tc.path, "").json(t)["value"].([]any) {
			member := m.(map[string]any)
			roles := []string{}
			for _, r := range member["roles"].([]any) {
				roles = append(roles, r.(string))
			}
			got = append(got, member["displayName"].(string)+" "+strings.Join(roles, ","))
		}
		if d := cmp.Diff(tc.want, got); d != "" {
			t.Errorf("%s: %s", tc.path, d)
		}
	}
	raw := string(a.do("GET", "/chats/"+chats["ext-deal"]+"/members", "").body)
	for _, want := range []string{`"email":null,"tenantId":"` + graphtwin.FabrikamTenant + `"`, `"email":"ana@contoso.com","tenantId":"` + graphtwin.ContosoTenant + `"`, `#microsoft.graph.aadUserConversationMember`} {
		if !strings.Contains(raw, want) {
			t.Errorf("lacks %s: %s", want, raw)
		}
	}
	if raw := string(a.do("GET", "/chats/"+chats["skype"]+"/members", "").body); !strings.Contains(raw, "#microsoft.graph.skypeUserConversationMember") {
		t.Errorf("skype: %s", raw)
	}
}

func TestConversations(t *testing.T) {
	tw := start(t)
	a := contoso(t, tw)
	w := tw.World()
	team := w.Teams[0]
	for path, want := range map[string][]string{
		"/chats/" + w.Chats[0].ID:                                {`"chatType":"oneOnOne"`, `"topic":null`, `"tenantId":"` + graphtwin.ContosoTenant + `"`, `"onlineMeetingInfo":null`},
		"/chats/" + w.Chats[6].ID:                                {`"chatType":"meeting"`, `"topic":"Stand-up"`, `"joinWebUrl"`},
		"/teams/" + team.ID:                                      {`"displayName":"Sales"`, `"visibility":"private"`},
		"/teams/" + team.ID + "?$select=displayName,tenantId":    {`"displayName":"Sales","tenantId":"`},
		"/teams/" + team.ID + "/channels/" + team.Channels[1].ID: {`"membershipType":"private"`, `"displayName":"Board"`},
		"/teams/" + team.ID + "/channels/" + team.Channels[2].ID: {`"membershipType":"unknownFutureValue"`},
		"/teams/" + team.ID + "/channels":                        {`"General"`, `"Board"`, `"Partners"`},
	} {
		r := a.do("GET", path, "")
		for _, s := range want {
			if r.status != 200 || !strings.Contains(string(r.body), s) {
				t.Errorf("%s: %d lacks %s: %s", path, r.status, s, r.body)
			}
		}
	}
	if r := a.do("GET", "/teams/"+team.ID+"/channels/"+team.Channels[2].ID, "", "Prefer", "include-unknown-enum-members"); !strings.Contains(string(r.body), `"membershipType":"shared"`) {
		t.Errorf("with Prefer: %s", r.body)
	}
	for _, path := range []string{"/chats/nobody", "/chats/nobody/members", "/teams/nobody", "/teams/" + team.ID + "/channels/nobody", "/teams/nobody/channels", "/teams/nobody/members"} {
		if r := a.do("GET", path, ""); r.status != 404 {
			t.Errorf("%s: %d", path, r.status)
		}
	}
	if r := fabrikam(t, tw).do("GET", "/teams/"+team.ID, ""); r.status != 404 {
		t.Errorf("a team of another tenant: %d", r.status)
	}
}

func TestUsers(t *testing.T) {
	tw := start(t, func(o *graphtwin.Options) { o.PageSize = 4 })
	a := contoso(t, tw)
	ana, gia, kim := "0a000001-5a1e-4c0e-8a11-000000000a4a", "0a000006-9e57-4c0e-8a16-000000000555", "fa000001-0b0b-4c0e-8b11-000000000666"
	if r := a.do("GET", "/users/"+ana, "").json(t); r["userPrincipalName"] != "ana@contoso.com" || r["userType"] != nil {
		t.Errorf("without $select: %v", r)
	}
	if r := a.do("GET", "/users/"+gia+"?$select=id,userType,mail", "").json(t); r["userType"] != "Guest" || r["mail"] != "gia@partner.example" || r["displayName"] != nil {
		t.Errorf("with $select: %v", r)
	}
	if r := a.do("GET", "/users/ana@contoso.com", "").json(t); r["id"] != ana {
		t.Errorf("by name: %v", r)
	}
	r := a.do("GET", "/users/"+kim, "")
	if code, _ := r.code(); r.status != 404 || code != "Request_ResourceNotFound" {
		t.Errorf("another tenant's user: %d %s", r.status, code)
	}
	first := a.do("GET", "/users", "").json(t)
	second := a.do("GET", first["@odata.nextLink"].(string), "").json(t)
	if len(first["value"].([]any)) != 4 || len(second["value"].([]any)) != 2 || second["@odata.nextLink"] != nil {
		t.Errorf("pages: %v, %v", first, second)
	}
}

func TestCheckMemberGroups(t *testing.T) {
	tw := start(t)
	a := contoso(t, tw)
	const pci, security = "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11", "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a12"
	const unknown = "00000000-0000-4000-8000-000000000000"
	jo := "/users/jo@contoso.com/checkMemberGroups"
	ids := func(list ...string) string { return `{"groupIds":["` + strings.Join(list, `","`) + `"]}` }
	many := strings.Split(strings.Repeat(unknown+" ", 21), " ")[:21]
	for _, tc := range []struct {
		path, body string
		status     int
		want       []any
	}{
		{jo, ids(pci), 200, []any{pci}},
		{jo, ids(pci, unknown, security), 200, []any{pci, security}}, // security holds pci-team
		{"/users/sam@contoso.com/checkMemberGroups", ids(pci, security), 200, []any{security}},
		{"/users/ana@contoso.com/checkMemberGroups", ids(pci, security), 200, []any{}},
		{jo, ids(many[:20]...), 200, []any{}},
		{jo, ids(many...), 400, nil},
		{jo, ids(pci, "pci-team"), 400, nil},
		{jo, `{"groupIds":"` + pci + `"}`, 400, nil},
		{"/users/" + unknown + "/checkMemberGroups", ids(pci), 404, nil},
		{"/users/kim@fabrikam.com/checkMemberGroups", ids(pci), 404, nil},
	} {
		r := a.do("POST", tc.path, tc.body)
		if r.status != tc.status {
			t.Errorf("%s %s: %d, want %d: %s", tc.path, tc.body, r.status, tc.status, r.body)
			continue
		}
		if r.status == 200 && !cmp.Equal(tc.want, r.json(t)["value"]) {
			t.Errorf("%s %s: %s", tc.path, tc.body, r.body)
		}
	}
}

func TestReadsNeedTheirRoles(t *testing.T) {
	tw := start(t)
	m := say(t, tw, graphtwin.Post{As: "ana", In: "chat:ana-li", HTML: "x"})
	post := say(t, tw, graphtwin.Post{As: "ana", In: "sales/general", HTML: "x"})
	if err := tw.SetRoles(graphtwin.ContosoTenant, graphtwin.ContosoApp, "Nothing.Read.All"); err != nil {
		t.Fatal(err)
	}
	a := contoso(t, tw)
	for path, role := range map[string]string{
		m.Path: "Chat.Read.All", post.Path: "ChannelMessage.Read.All", "/chats/" + m.ChatID: "Chat.ReadBasic.All", "/chats/" + m.ChatID + "/members": "ChatMember.Read.All",
		"/teams/" + post.TeamID: "Team.ReadBasic.All", "/teams/" + post.TeamID + "/channels/" + post.ChannelID: "Channel.ReadBasic.All",
		"/teams/" + post.TeamID + "/channels/" + post.ChannelID + "/allMembers": "ChannelMember.Read.All", "/users": "User.Read.All",
	} {
		r := a.do("GET", path, "")
		if code, message := r.code(); r.status != 403 || code != "Forbidden" || !strings.Contains(message, role) || !strings.Contains(message, "Nothing.Read.All") {
			t.Errorf("%s: %d %q", path, r.status, message)
		}
	}
}
