package graph

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"teamsdlp/actions"
	"teamsdlp/policy"
	"teamsdlp/test/graphtwin"
)

func parse(t *testing.T, s string) *url.URL {
	t.Helper()
	u, err := url.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

const (
	ana = "0a000001-5a1e-4c0e-8a11-000000000a4a"
	li  = "0a000002-f1a2-4c0e-8a12-000000000111"
	jo  = "0a000003-5ec0-4c0e-8a13-000000000222"
	sam = "0a000004-e0a1-4c0e-8a14-000000000333"
	gia = "0a000006-9e57-4c0e-8a16-000000000555"
	kim = "fa000001-0b0b-4c0e-8b11-000000000666"
)

func TestConversation(t *testing.T) {
	tw, c := newTwin(t, graphtwin.Options{PageSize: 1, Throttle: graphtwin.Throttle{Off: true}}, unlimited)
	employee := func(id, name string) policy.Member {
		return policy.Member{ID: id, TenantID: home, Domain: "contoso.com"}
	}
	guest := policy.Member{ID: gia, TenantID: home, Domain: "partner.example", Guest: true, External: true}
	foreign := policy.Member{ID: kim, TenantID: graphtwin.FabrikamTenant, Domain: "fabrikam.com", External: true}
	cases := []struct {
		in   string
		want policy.Conversation
	}{
		{"chat:ana-li", policy.Conversation{Kind: "oneOnOne", Members: []policy.Member{employee(ana, "ana"), employee(li, "li")}}},
		{"chat:deal", policy.Conversation{Kind: "group", Name: "The deal", Members: []policy.Member{employee(ana, "ana"), employee(li, "li"), guest}}},
		{"chat:ext-deal", policy.Conversation{Kind: "group", Name: "Deal with Fabrikam", Members: []policy.Member{employee(ana, "ana"), employee(sam, "sam"), foreign}}},
		{"chat:standup", policy.Conversation{Kind: "meeting", Name: "Stand-up", Members: []policy.Member{employee(ana, ""), employee(li, ""), employee(jo, ""), employee(sam, "")}}},
		{"sales/general", policy.Conversation{Kind: "standard", Name: "General", Members: []policy.Member{employee(ana, ""), employee(li, ""), employee(sam, ""), guest}}},
		{"sales/board", policy.Conversation{Kind: "private", Name: "Board", Members: []policy.Member{employee(ana, ""), employee(li, "")}}},
		{"sales/partners", policy.Conversation{Kind: "shared", Name: "Partners", Members: []policy.Member{employee(ana, ""), foreign}}},
	}
	for _, x := range cases {
		got, err := c.Conversation(t.Context(), targetOf(speak(t, tw, "ana", x.in)))
		if err != nil {
			t.Errorf("%s: %v", x.in, err)
			continue
		}
		// A twin may leave mail addresses out, as Graph often does.
		domains := cmp.FilterPath(func(p cmp.Path) bool { return strings.HasSuffix(p.String(), "Domain") }, cmp.Comparer(func(a, b string) bool { return a == b || a == "" || b == "" }))
		byID := cmpopts.SortSlices(func(a, b policy.Member) bool { return a.ID < b.ID })
		if diff := cmp.Diff(&x.want, got, domains, byID); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", x.in, diff)
		}
	}
}

func TestMember(t *testing.T) {
	const aad = "#microsoft.graph.aadUserConversationMember"
	cases := []struct {
		name            string
		m               member
		guest, external bool
	}{
		{"employee", member{Type: aad, UserID: ana, TenantID: home, Roles: []string{"owner"}}, false, false},
		{"employee, no tenant told", member{Type: aad, UserID: ana}, false, false},
		{"employee, tenant in capitals", member{Type: aad, UserID: ana, TenantID: strings.ToUpper(home)}, false, false},
		{"guest", member{Type: aad, TenantID: home, Roles: []string{"guest"}}, true, true},
		{"Guest", member{Type: aad, TenantID: home, Roles: []string{"Guest"}}, true, true},
		{"owner of another tenant", member{Type: aad, TenantID: "other", Roles: []string{"owner"}}, false, true},
		{"anonymous", member{Type: "#microsoft.graph.anonymousGuestConversationMember"}, false, true},
		{"personal account", member{Type: "#microsoft.graph.microsoftAccountUserConversationMember", TenantID: home}, false, true},
		{"Skype", member{Type: "#microsoft.graph.skypeUserConversationMember"}, false, true},
		{"phone", member{Type: "#microsoft.graph.phoneUserConversationMember"}, false, true},
		{"a kind to come", member{Type: "#microsoft.graph.marsUserConversationMember", TenantID: home}, false, true},
	}
	for _, c := range cases {
		got := c.m.policy(home)
		if got.Guest != c.guest || got.External != c.external {
			t.Errorf("%s: guest %v, external %v", c.name, got.Guest, got.External)
		}
	}
}

// Reads cost the budget that blocks need: what was asked once is not asked again
// until it is old.
func TestCaches(t *testing.T) {
	var now = time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	s := newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		body := `{"chatType":"group","userPrincipalName":"ana@contoso.com","userType":"Member"}`
		switch {
		case strings.HasSuffix(r.URL.Path, "/members"):
			body = `{"value":[{"userId":"u"}]}`
		case strings.HasSuffix(r.URL.Path, "/checkMemberGroups"):
			body = `{"value":[]}`
		case strings.HasSuffix(r.URL.Path, "/"+kim):
			say(404, "application/json", `{"error":{"code":"Request_ResourceNotFound"}}`)(0, w, r)
			return
		}
		say(200, "application/json", body)(0, w, r)
	})
	c := newClient(t, s.URL, func(o *Options) { o.Clock = func() time.Time { return now } })
	group := []string{"1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11"}
	ask := func() int {
		t.Helper()
		before := len(s.got())
		conv, err := c.Conversation(t.Context(), inChat)
		if err != nil {
			t.Fatal(err)
		}
		conv.Members[0].ID = "spoiled by a caller"
		if again, err := c.Conversation(t.Context(), inChat); err != nil || again.Members[0].ID != "u" {
			t.Errorf("a caller changed the cache: %v", err)
		}
		p, err := c.Person(t.Context(), ana)
		if err != nil || p.Domain != "contoso.com" {
			t.Fatal(p, err)
		}
		p.Domain = "spoiled by a caller"
		var call *actions.CallError
		if _, err := c.Person(t.Context(), kim); !errors.As(err, &call) || call.Status != 404 {
			t.Errorf("somebody of another tenant: %v", err)
		}
		if _, err := c.Groups(t.Context(), ana, group); err != nil {
			t.Fatal(err)
		}
		return len(s.got()) - before
	}
	for _, step := range []struct {
		after time.Duration
		want  int
		why   string
	}{
		{0, 5, "everything"},
		{0, 0, "nothing"},
		{9 * time.Minute, 0, "nothing yet"},
		{time.Minute, 2, "members and the stranger"},
		{50 * time.Minute, 4, "members, person, stranger and groups"},
		{23 * time.Hour, 5, "everything"},
	} {
		now = now.Add(step.after)
		if got := ask(); got != step.want {
			t.Errorf("after %v: %d requests, want %d: %s", step.after, got, step.want, step.why)
		}
	}
	c.ForgetMembers(inChat)
	if got := ask(); got != 1 {
		t.Errorf("after members changed: %d requests, want 1", got)
	}
}

// A large team is not read in the time that one message waits: what was read counts for
// the next, and no longer than it would if it were whole.
func TestMembersOfALargeTeam(t *testing.T) {
	const pages = 5
	now := time.Date(2026, 11, 2, 12, 0, 0, 0, time.UTC)
	var stop func()
	var asked []string
	var s *server
	s = newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		if !strings.HasSuffix(r.URL.Path, "/allMembers") {
			say(200, "application/json", `{"membershipType":"standard"}`)(0, w, r)
			return
		}
		page, _ := strconv.Atoi(r.URL.Query().Get("page"))
		asked = append(asked, strconv.Itoa(page))
		if page == 2 && stop != nil {
			stop()
			<-r.Context().Done()
			return
		}
		next := ""
		if page+1 < pages {
			next = fmt.Sprintf(`,"@odata.nextLink":"%s%s?page=%d"`, s.URL, r.URL.Path, page+1)
		}
		say(200, "application/json", fmt.Sprintf(`{"value":[{"userId":"u%d"}]%s}`, page, next))(0, w, r)
	})
	c := newClient(t, s.URL, func(o *Options) { o.Clock = func() time.Time { return now } })
	for _, step := range []struct {
		after time.Duration
		stops bool
		want  string
	}{
		{0, true, "0 1 2"},
		{9 * time.Minute, false, "2 3 4"},
		{59 * time.Second, false, ""},
		{time.Second, false, "0 1 2 3 4"}, // ten minutes after the first page was read
		{10 * time.Minute, true, "0 1 2"},
		{10 * time.Minute, false, "0 1 2 3 4"}, // what was read is too old
	} {
		now = now.Add(step.after)
		ctx, cancel := context.WithCancel(t.Context())
		asked, stop = nil, nil
		if step.stops {
			stop = cancel
		}
		got, err := c.Conversation(ctx, actions.Target{TeamID: "team", ChannelID: "general"})
		if (err != nil) != step.stops || err == nil && len(got.Members) != pages {
			t.Errorf("after %v: %v, %v", step.after, got, err)
		}
		cancel()
		if said := strings.Join(asked, " "); said != step.want {
			t.Errorf("after %v: pages %q were read, want %q", step.after, said, step.want)
		}
	}
}

// What was read of members who changed meanwhile is not gone on from.
func TestMembersChangeWhileTheyAreRead(t *testing.T) {
	var stop func()
	var s *server
	var first int // requests for a first page
	s = newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		switch {
		case !strings.HasSuffix(r.URL.Path, "embers"):
			say(200, "application/json", `{"membershipType":"standard","chatType":"group"}`)(0, w, r)
		case r.URL.RawQuery == "":
			first++
			say(200, "application/json", fmt.Sprintf(`{"value":[{"userId":"u"}],"@odata.nextLink":"%s%s?page=1"}`, s.URL, r.URL.Path))(0, w, r)
		case stop != nil:
			stop()
			<-r.Context().Done()
		default:
			say(200, "application/json", `{"value":[{"userId":"v"}]}`)(0, w, r)
		}
	})
	c := newClient(t, s.URL)
	for _, step := range [][2]actions.Target{ // who is read, and where somebody came or went
		{{TeamID: "team", ChannelID: "general"}, {TeamID: "team", ChannelID: "plans"}},
		{{ChatID: "chat"}, {ChatID: "chat"}},
	} {
		first = 0
		ctx, cancel := context.WithCancel(t.Context())
		stop = cancel
		if got, err := c.Conversation(ctx, step[0]); err == nil {
			t.Errorf("%v: %v though it was stopped", step[0], got)
		}
		stop = nil
		c.ForgetMembers(step[1])
		if got, err := c.Conversation(t.Context(), step[0]); err != nil || len(got.Members) != 2 || first != 2 {
			t.Errorf("%v: %v, %v; begun %d times, want 2", step[0], got, err, first)
		}
	}
}

// Who joins a team is in all of its channels, and one of them is told.
func TestForgetMembersOfATeam(t *testing.T) {
	s := newServer(t, say(200, "application/json", `{"membershipType":"standard","value":[{"userId":"u"}]}`))
	c := newClient(t, s.URL)
	ask := func(team, channel string) int {
		t.Helper()
		before := len(s.got())
		if _, err := c.Conversation(t.Context(), actions.Target{TeamID: team, ChannelID: channel}); err != nil {
			t.Fatal(err)
		}
		return len(s.got()) - before
	}
	for _, want := range []int{2, 1} { // at first, and after members changed
		for _, channel := range []string{"general", "plans"} {
			if got := ask("team", channel); got != want {
				t.Errorf("%s: %d requests, want %d", channel, got, want)
			}
		}
		if got := ask("team2", "general"); got != 2*(want-1) {
			t.Errorf("another team: %d requests, want %d", got, 2*(want-1))
		}
		c.ForgetMembers(actions.Target{TeamID: "team", ChannelID: "general"})
	}
}

func TestPerson(t *testing.T) {
	_, c := newTwin(t, graphtwin.Options{Throttle: graphtwin.Throttle{Off: true}}, unlimited)
	cases := []struct {
		id   string
		want policy.Person
	}{
		{ana, policy.Person{Domain: "contoso.com"}},
		{gia, policy.Person{Domain: "partner.example", Guest: true}},
	}
	for _, x := range cases {
		got, err := c.Person(t.Context(), x.id)
		if diff := cmp.Diff(&x.want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", x.id, err, diff)
		}
	}
	var call *actions.CallError
	if _, err := c.Person(t.Context(), kim); !errors.As(err, &call) || call.Status != 404 {
		t.Errorf("an account of another tenant: %v", err)
	}
	for _, id := range []string{"", "..", "a/b"} {
		if _, err := c.Person(t.Context(), id); !errors.As(err, &call) || call.Code != "invalid_target" {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// A page of a proxy says nothing of an account, for ten minutes or at all.
func TestPersonBehindAProxy(t *testing.T) {
	s := newServer(t, func(n int, w http.ResponseWriter, r *http.Request) {
		if n == 1 {
			say(404, "text/html", "<html>no such host</html>")(n, w, r)
			return
		}
		say(200, "application/json", `{"userPrincipalName":"ana@contoso.com","userType":"Member"}`)(n, w, r)
	})
	c := newClient(t, s.URL)
	var call *actions.CallError
	if _, err := c.Person(t.Context(), ana); !errors.As(err, &call) || call.Gone() {
		t.Errorf("the page: %v", err)
	}
	if p, err := c.Person(t.Context(), ana); err != nil || p.Domain != "contoso.com" {
		t.Errorf("after it: %v, %v", p, err)
	}
}

func TestDomain(t *testing.T) {
	for in, want := range map[string]string{"": "", "ana": "", "Ana@Contoso.COM": "contoso.com", "a@b@c.test": "c.test", "@": ""} {
		if got := domain(in); got != want {
			t.Errorf("domain(%q) = %q, want %q", in, got, want)
		}
	}
}

func TestGroups(t *testing.T) {
	tw, c := newTwin(t, graphtwin.Options{Throttle: graphtwin.Throttle{Off: true}}, unlimited)
	const pci, security = "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11", "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a12"
	var many []string
	for i := range 44 {
		many = append(many, fmt.Sprintf("1d6f0b52-6f0e-4b0c-9d5e-0000000000%02d", i))
	}
	cases := []struct {
		name   string
		user   string
		groups []string
		want   []string
	}{
		{"member", jo, []string{pci}, []string{pci}},
		{"through another group", jo, []string{security, pci}, []string{security, pci}},
		{"in capitals", jo, []string{strings.ToUpper(security)}, []string{strings.ToUpper(security)}},
		{"not a member", ana, []string{pci, security}, nil},
		{"more than fit into one call", jo, append(many, pci), []string{pci}},
		{"one that is no id", jo, []string{"pci-team", pci}, []string{pci}},
		{"none", jo, nil, nil},
	}
	for _, x := range cases {
		got, err := c.Groups(t.Context(), x.user, x.groups)
		if diff := cmp.Diff(x.want, got, cmpopts.EquateEmpty(), cmpopts.SortSlices(strings.Compare)); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got)\n%s", x.name, err, diff)
		}
	}
	for _, r := range tw.Requests(graphtwin.Filter{Path: "checkMemberGroups"}) {
		if r.Status != 200 {
			t.Errorf("answered %d", r.Status)
		}
	}
}

// An answer that is not what was asked for is an error, never an empty audience.
func TestContextUnreadable(t *testing.T) {
	for _, body := range []string{`{}`, `null`, `[]`, `<html>`, `{"value":{}}`, ``} {
		s := newServer(t, say(200, "application/json", body))
		c := newClient(t, s.URL)
		var call *actions.CallError
		if got, err := c.Conversation(t.Context(), inChat); !errors.As(err, &call) {
			t.Errorf("%q: conversation %+v, %v", body, got, err)
		}
		if got, err := c.Groups(t.Context(), ana, []string{"1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11"}); !errors.As(err, &call) {
			t.Errorf("%q: groups %+v, %v", body, got, err)
		}
	}
}

// Pages without end are not followed for ever.
func TestEndlessPages(t *testing.T) {
	var s *server
	s = newServer(t, func(_ int, w http.ResponseWriter, r *http.Request) {
		say(200, "application/json", `{"chatType":"group","value":[],"@odata.nextLink":"`+s.URL+`/v1.0/again"}`)(0, w, r)
	})
	if _, err := newClient(t, s.URL).Conversation(t.Context(), inChat); err == nil {
		t.Error("no error")
	}
	if n := len(s.got()); n > maxPages+1 {
		t.Errorf("%d requests", n)
	}
}

func TestCacheIsBounded(t *testing.T) {
	now := time.Now()
	c := newCache[int](func() time.Time { return now })
	for i := range 3 * cacheSize {
		c.put(fmt.Sprint(i), i, time.Hour)
	}
	if n := len(c.held); n > cacheSize {
		t.Errorf("%d held", n)
	}
	if v, ok := c.get(fmt.Sprint(3*cacheSize - 1)); !ok || v != 3*cacheSize-1 {
		t.Error("the newest is gone")
	}
}

func TestGUID(t *testing.T) {
	for s, want := range map[string]bool{
		"1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11": true, "1D6F0B52-6F0E-4B0C-9D5E-0C5F4B7F1A11": true,
		"": false, "pci-team": false, "1d6f0b52x6f0e-4b0c-9d5e-0c5f4b7f1a11": false, "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a1g": false, "{d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11": false,
	} {
		if guid(s) != want {
			t.Errorf("guid(%q) = %v", s, !want)
		}
	}
}
