package policy

import (
	"fmt"
	"math/rand/v2"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
)

// fake is a scanner that finds what the text says it finds: "card@85=1" is a match
// of card at 85 with value 1, and "card@85=1!" one of a known test value.
type fake struct {
	calls int
	now   time.Time // as it was told last
}

func (f *fake) ScanIn(_ *detect.Haystack, t *extract.Text, o detect.Options) []detect.Match {
	f.calls++
	f.now = o.Now
	var out []detect.Match
	at := 0
	for _, word := range strings.Fields(string(t.Bytes())) {
		id, rest, ok := strings.Cut(word, "@")
		level, value, _ := strings.Cut(rest, "=")
		n, err := strconv.Atoi(level)
		if ok && err == nil {
			out = append(out, detect.Match{
				Detector: id, Level: detect.Level(n), Start: at, End: at + 1,
				Value: detect.NewValue(strings.TrimSuffix(value, "!")), KnownTest: strings.HasSuffix(value, "!"),
			})
		}
		at += 2
	}
	return out
}

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// at builds a rule that enforces a block on when; change alters it.
func at(id string, when Condition, change ...func(*ruleParts)) *Rule {
	p := &ruleParts{Rule: Rule{ID: id, Title: "title of " + id, Severity: Medium, Mode: Enforce, Action: Block,
		Tip: Tip{Text: "tip of " + id}, Override: NoOverride, Report: ReviewReport}}
	for _, c := range change {
		c(p)
	}
	return NewRule(p.Rule, p.scope, when, p.except)
}

type ruleParts struct {
	Rule
	scope  Scope
	except []Exception
}

func mode(m Mode) func(*ruleParts)         { return func(p *ruleParts) { p.Mode = m } }
func action(a Action) func(*ruleParts)     { return func(p *ruleParts) { p.Action = a } }
func severity(s Severity) func(*ruleParts) { return func(p *ruleParts) { p.Severity = s } }
func override(o Override) func(*ruleParts) { return func(p *ruleParts) { p.Override = o } }
func report(r Report) func(*ruleParts)     { return func(p *ruleParts) { p.Report = r } }
func tip(text string) func(*ruleParts)     { return func(p *ruleParts) { p.Tip = Tip{Text: text} } }
func scope(s Scope) func(*ruleParts)       { return func(p *ruleParts) { p.scope = s } }
func except(id string, expires time.Time, when Condition) func(*ruleParts) {
	return func(p *ruleParts) {
		p.except = append(p.except, Exception{ID: id, Reason: "for a reason", Expires: expires, When: when})
	}
}

func setOf(rules ...*Rule) (*Set, *fake) {
	s := NewSet("gen", nil, rules, detect.Options{})
	f := &fake{}
	s.scanner = f
	return s, f
}

func card(level detect.Level) *Detect { return &Detect{Detector: "card", Level: level} }
func bird() *Keywords                 { return &Keywords{List: "birds", Terms: []string{"heron", "night jar"}} }
func matches(p string) *Regex         { return &Regex{Pattern: regexp.MustCompile(p)} }
func ptr(b bool) *bool                { return &b }

var (
	pci   = Group{"pci", "11111111-1111-1111-1111-111111111111"}
	audit = Group{"audit", "22222222-2222-2222-2222-222222222222"}
)

const ana = "aaaaaaaa-0000-0000-0000-000000000001"

func chat(text string) *Message {
	return &Message{TenantID: "home", Text: extract.Plain(text), Sender: Sender{ID: ana, Kind: "aadUser", TenantID: "home"}}
}

func said(text string, change func(*Message)) *Message {
	m := chat(text)
	change(m)
	return m
}

func from(s Sender) func(*Message) { return func(m *Message) { m.Sender = s } }

func members(list ...Member) *Context {
	return &Context{Conversation: &Conversation{Kind: "group", Members: append([]Member{{ID: ana, Domain: "contoso.com"}}, list...)}}
}

func final(c *Context) *Context {
	f := *c
	f.Final = true
	return &f
}

var (
	outsider = Member{ID: "x", External: true}
	guest    = Member{ID: "g", Guest: true, External: true, TenantID: "home"}
	inside   = Member{ID: "i", TenantID: "home"}
)

func TestJudgeOne(t *testing.T) {
	yesterday, tomorrow := now.Add(-time.Hour), now.Add(time.Hour)
	test := func(k string) Condition { return &Keywords{Terms: []string{k}} }
	tests := []struct {
		name   string
		rule   *Rule
		m      *Message
		c      *Context
		want   Result
		reason string
		need   Need
	}{
		// Gates of the text.
		{"found", at("r", card(85)), chat("card@85=1"), nil, Matched, "card found 1 (1 distinct), up to high", Need{}},
		{"nothing", at("r", card(85)), chat("hello"), nil, NoMatch, "card did not occur", Need{}},
		{"no text at all", at("r", card(85)), said("", func(m *Message) { m.Text = nil }), nil, NoMatch, "card did not occur", Need{}},
		{"another detector", at("r", card(85)), chat("iban@85=1"), nil, NoMatch, "card did not occur", Need{}},
		{"too low", at("r", card(85)), chat("card@75=1"), nil, NearMiss, "card found 1, at medium; high needed", Need{}},
		{"too few", at("r", &Detect{Detector: "card", Level: 65, Count: Range{Min: 3}}), chat("card@85=1 card@85=2"), nil, NearMiss, "card found 2; at least 3 needed", Need{}},
		{"enough", at("r", &Detect{Detector: "card", Level: 65, Count: Range{Min: 2}}), chat("card@85=1 card@65=1"), nil, Matched, "card found 2 (1 distinct), up to high", Need{}},
		{"too many", at("r", &Detect{Detector: "card", Level: 65, Count: Range{Max: 1}}), chat("card@85=1 card@85=2"), nil, NearMiss, "card found 2; at most 1 needed", Need{}},
		{"too few at the level", at("r", &Detect{Detector: "card", Level: 85, Count: Range{Min: 2}}), chat("card@85=1 card@65=2"), nil, NearMiss, "card found 1; at least 2 needed", Need{}},
		{"the same twice", at("r", &Detect{Detector: "card", Level: 65, Distinct: Range{Min: 2}}), chat("card@85=1 card@85=1"), nil, NearMiss, "card found 1 distinct; at least 2 needed", Need{}},
		{"two different", at("r", &Detect{Detector: "card", Level: 65, Distinct: Range{Min: 2}}), chat("card@85=1 card@85=2"), nil, Matched, "card found 2 (2 distinct), up to high", Need{}},
		{"known test value", at("r", card(65)), chat("card@85=1!"), nil, Matched, "card found 1 (1 distinct), up to high", Need{}},
		{"known test value ignored", at("r", &Detect{Detector: "card", IgnoreKnownTest: true}), chat("card@85=1!"), nil, NearMiss, "card found 1, known test values only, which the rule ignores", Need{}},
		{"known test value beside a real one", at("r", &Detect{Detector: "card", IgnoreKnownTest: true}), chat("card@85=1! card@85=2"), nil, Matched, "card found 1 (1 distinct), up to high", Need{}},
		{"keyword", at("r", bird()), chat("a Heron!"), nil, Matched, "keyword list birds occurred once", Need{}},
		{"keyword in a longer word", at("r", bird()), chat("herons"), nil, NoMatch, "keyword list birds did not occur", Need{}},
		{"two words", at("r", bird()), chat("night jar, heron"), nil, Matched, "keyword list birds occurred 2 times", Need{}},
		{"inline keyword", at("r", test("heron")), chat("heron"), nil, Matched, "the rule's keyword occurred once", Need{}},
		{"regex", at("r", matches(`CE-\d{3}`)), chat("CE-123 CE-456"), nil, Matched, "the rule's regex matched 2 times", Need{}},
		{"regex not there", at("r", matches(`CE-\d{3}`)), chat("CE-12"), nil, NoMatch, "the rule's regex did not match", Need{}},

		// Joined conditions.
		{"all", at("r", All{card(85), bird()}), chat("card@85=1 heron"), nil, Matched, "card found 1 (1 distinct), up to high; keyword list birds occurred once", Need{}},
		{"one of all", at("r", All{card(85), bird()}), chat("card@85=1"), nil, NearMiss, "keyword list birds did not occur; held: card found 1 (1 distinct), up to high", Need{}},
		{"none of all", at("r", All{card(85), bird()}), chat("x"), nil, NoMatch, "card did not occur; keyword list birds did not occur", Need{}},
		{"any", at("r", Any{card(85), bird()}), chat("heron"), nil, Matched, "keyword list birds occurred once", Need{}},
		{"not, absent", at("r", All{card(85), Not{test("heron")}}), chat("card@85=1"), nil, Matched, "card found 1 (1 distinct), up to high", Need{}},
		{"not, present", at("r", All{card(85), Not{test("heron")}}), chat("card@85=1 heron"), nil, NearMiss, "the rule's keyword occurred once, which the rule excludes; held: card found 1 (1 distinct), up to high", Need{}},
		{"only what is excluded", at("r", All{card(85), Not{test("heron")}}), chat("heron"), nil, NoMatch, "card did not occur; the rule's keyword occurred once, which the rule excludes", Need{}},
		{"not alone", at("r", Not{test("heron")}), chat("hello"), nil, Matched, "nothing that the rule excludes occurred", Need{}},
		{"not not", at("r", Not{Not{bird()}}), chat("heron"), nil, Matched, "keyword list birds occurred once", Need{}},

		// Mode and scope.
		{"channel only", at("r", card(85), scope(Scope{Conversations: ChannelKinds})), chat("card@85=1"), nil, OutOfScope, "scope: the conversation is not standard or private or shared", Need{}},
		{"all chats need no fetch", at("r", card(85), scope(Scope{Conversations: ChatKinds})), chat("card@85=1"), nil, Matched, "card found 1 (1 distinct), up to high", Need{}},
		{"one kind of chat", at("r", card(85), scope(Scope{Conversations: []string{"meeting"}})), chat("card@85=1"), nil, NearMiss, "hangs on what is not known yet: kind of conversation", Need{Conversation: true}},
		{"one kind of chat, clean text", at("r", card(85), scope(Scope{Conversations: []string{"meeting"}})), chat("hello"), nil, NoMatch, "card did not occur", Need{}},
		{"another kind of chat", at("r", card(85), scope(Scope{Conversations: []string{"meeting"}})), chat("card@85=1"), members(), OutOfScope, "scope: the conversation is not meeting", Need{}},
		{"one kind of channel, in a chat", at("r", card(85), scope(Scope{Conversations: []string{"private"}})), chat("card@85=1"), nil, OutOfScope, "scope: the conversation is not private", Need{}},
		{"a kind nobody knows", at("r", card(85), scope(Scope{Conversations: []string{"meeting"}})), chat("card@85=1"), &Context{Conversation: &Conversation{Kind: "unknownFutureValue"}, Final: true}, Matched, "card found 1 (1 distinct), up to high; could not be told and was assumed: kind of conversation", Need{}},
		{"users", at("r", card(85), scope(Scope{Users: []string{"b"}})), chat("card@85=1"), nil, OutOfScope, "scope: the sender is not one of 1 named users", Need{}},
		{"users, by another case", at("r", card(85), scope(Scope{Users: []string{strings.ToUpper(ana)}})), chat("card@85=1"), nil, Matched, "card found 1 (1 distinct), up to high", Need{}},
		{"not users", at("r", card(85), scope(Scope{NotUsers: []string{ana}})), chat("card@85=1"), nil, OutOfScope, "scope: the sender is one of 1 named users, which the rule excludes", Need{}},
		{"not in groups, unknown", at("r", card(85), scope(Scope{NotInGroups: []Group{pci}})), chat("card@85=1"), nil, NearMiss, "hangs on what is not known yet: whether the sender is in group pci", Need{Groups: []string{pci.ObjectID}}},
		{"not in groups, is", at("r", card(85), scope(Scope{NotInGroups: []Group{pci}})), chat("card@85=1"), &Context{Groups: map[string]bool{pci.ObjectID: true}}, OutOfScope, "scope: the sender is in group pci, which the rule excludes", Need{}},
		{"in one of two groups", at("r", card(85), scope(Scope{InGroups: []Group{pci, audit}})), chat("card@85=1"), &Context{Groups: map[string]bool{audit.ObjectID: true}}, Matched, "card found 1 (1 distinct), up to high", Need{}},
		{"only the unknown group is asked for", at("r", card(85), scope(Scope{InGroups: []Group{pci, audit}})), chat("card@85=1"), &Context{Groups: map[string]bool{audit.ObjectID: false}}, NearMiss, "hangs on what is not known yet: whether the sender is in group pci", Need{Groups: []string{pci.ObjectID}}},
		{"a bot is in no group", at("r", card(85), scope(Scope{InGroups: []Group{pci}})), said("card@85=1", from(Sender{ID: "app", Kind: "application"})), nil, OutOfScope, "scope: the sender is not in group pci", Need{}},
		{"nor is another tenant's user", at("r", card(85), scope(Scope{NotInGroups: []Group{pci}})), said("card@85=1", from(Sender{ID: "f", Kind: "federatedUser"})), nil, Matched, "card found 1 (1 distinct), up to high", Need{}},
		{"domains", at("r", card(85), scope(Scope{Domains: []string{"contoso.com"}})), chat("card@85=1"), &Context{Person: &Person{Domain: "Contoso.com"}}, Matched, "card found 1 (1 distinct), up to high", Need{}},
		{"a sub-domain is another domain", at("r", card(85), scope(Scope{Domains: []string{"contoso.com"}})), chat("card@85=1"), &Context{Person: &Person{Domain: "evil.contoso.com"}}, OutOfScope, "scope: the sender is not of contoso.com", Need{}},
		{"not domains", at("r", card(85), scope(Scope{NotDomains: []string{"contoso.com"}})), chat("card@85=1"), &Context{Person: &Person{Domain: "contoso.com"}}, OutOfScope, "scope: the sender is of contoso.com, which the rule excludes", Need{}},

		// Audience.
		{"external, unknown", at("r", All{card(85), External}), chat("card@85=1"), nil, NearMiss, "hangs on what is not known yet: members of the conversation", Need{Conversation: true}},
		{"external, clean text", at("r", All{card(85), External}), chat("hello"), nil, NoMatch, "card did not occur", Need{}},
		{"external, an outsider", at("r", All{card(85), External}), chat("card@85=1"), members(inside, outsider), Matched, "card found 1 (1 distinct), up to high; people outside the organisation can read the conversation", Need{}},
		{"external, a guest", at("r", All{card(85), External}), chat("card@85=1"), members(guest), Matched, "card found 1 (1 distinct), up to high; people outside the organisation can read the conversation", Need{}},
		{"external, a guest who is not flagged so", at("r", All{card(85), External}), chat("card@85=1"), members(Member{ID: "g", Guest: true}), Matched, "card found 1 (1 distinct), up to high; people outside the organisation can read the conversation", Need{}},
		{"external, the speaker is a guest", at("r", All{card(85), External}), chat("card@85=1"), &Context{Person: &Person{Guest: true}}, Matched, "card found 1 (1 distinct), up to high; people outside the organisation can read the conversation", Need{}},
		{"external, by tenant", at("r", All{card(85), External}), chat("card@85=1"), members(Member{ID: "z", TenantID: "elsewhere"}), Matched, "card found 1 (1 distinct), up to high; people outside the organisation can read the conversation", Need{}},
		{"external, nobody", at("r", All{card(85), External}), chat("card@85=1"), members(inside), NearMiss, "nobody outside the organisation can read the conversation; held: card found 1 (1 distinct), up to high", Need{}},
		{"external, the speaker proves it", at("r", All{card(85), External}), said("card@85=1", from(Sender{ID: "f", Kind: "federatedUser"})), nil, Matched, "card found 1 (1 distinct), up to high; people outside the organisation can read the conversation", Need{}},
		{"internal, the speaker disproves it", at("r", All{card(85), Internal}), said("card@85=1", from(Sender{ID: "f", Kind: "aadUser", TenantID: "elsewhere"})), nil, NearMiss, "people outside the organisation can read the conversation; held: card found 1 (1 distinct), up to high", Need{}},
		{"internal", at("r", All{card(85), Internal}), chat("card@85=1"), members(inside), Matched, "card found 1 (1 distinct), up to high; nobody outside the organisation can read the conversation", Need{}},
		{"guest, an outsider is none", at("r", All{card(85), Guests}), chat("card@85=1"), members(outsider), NearMiss, "no guest can read the conversation; held: card found 1 (1 distinct), up to high", Need{}},
		{"guest", at("r", All{card(85), Guests}), chat("card@85=1"), members(guest), Matched, "card found 1 (1 distinct), up to high; a guest can read the conversation", Need{}},
		{"a conversation without members is not known", at("r", All{card(85), Internal}), chat("card@85=1"), &Context{Conversation: &Conversation{Kind: "group"}}, NearMiss, "hangs on what is not known yet: members of the conversation", Need{Conversation: true}},
		{"only context, half of it", at("r", All{External, SentBy{App: ptr(true)}}), chat("hello"), members(outsider), NearMiss, "the sender is not an application; held: people outside the organisation can read the conversation", Need{}},
		{"only context, none of it", at("r", All{External, SentBy{App: ptr(true)}}), chat("hello"), members(), NoMatch, "nobody outside the organisation can read the conversation; the sender is not an application", Need{}},

		// Sender.
		{"guest sender, unknown", at("r", All{card(85), SentBy{Guest: ptr(true)}}), chat("card@85=1"), nil, NearMiss, "hangs on what is not known yet: whether the sender is a guest", Need{Person: true}},
		{"guest sender", at("r", All{card(85), SentBy{Guest: ptr(true)}}), chat("card@85=1"), &Context{Person: &Person{Guest: true}}, Matched, "card found 1 (1 distinct), up to high; the sender is a guest", Need{}},
		{"an anonymous guest is one", at("r", SentBy{Guest: ptr(true)}), said("x", from(Sender{Kind: "anonymousGuest"})), nil, Matched, "the sender is a guest", Need{}},
		{"another tenant's user is none", at("r", SentBy{Guest: ptr(true)}), said("x", from(Sender{ID: "f", Kind: "federatedUser"})), nil, NoMatch, "the sender is not a guest", Need{}},
		{"not a guest", at("r", SentBy{Guest: ptr(false)}), chat("x"), &Context{Person: &Person{Guest: true}}, NoMatch, "the sender is not a member", Need{}},
		{"domain, unknown", at("r", SentBy{Domains: []string{"a.com"}}), chat("x"), nil, NearMiss, "hangs on what is not known yet: domain of the sender", Need{Person: true}},
		{"another tenant's domain is looked for among the members", at("r", SentBy{Domains: []string{"a.com"}}), said("x", from(Sender{ID: "f", Kind: "federatedUser"})), nil, NearMiss, "hangs on what is not known yet: domain of the sender", Need{Conversation: true}},
		{"and found there", at("r", SentBy{Domains: []string{"a.com"}}), said("x", from(Sender{ID: "f", Kind: "federatedUser"})), members(Member{ID: "f", Domain: "A.com"}), Matched, "the sender is of a.com", Need{}},
		{"a bot has no domain", at("r", SentBy{Domains: []string{"a.com"}}), said("x", from(Sender{ID: "b", Kind: "application"})), nil, NoMatch, "the sender is not of a.com", Need{}},
		{"another user, nothing else is asked", at("r", SentBy{Users: []string{"b"}, Groups: []Group{pci}, Guest: ptr(true)}), chat("x"), nil, NoMatch, "the sender is not one of 1 named users and is not in group pci and is not a guest", Need{}},

		// Exceptions.
		{"excepted", at("r", card(85), except("e", tomorrow, bird())), chat("card@85=1 heron"), nil, Excepted, "exception e applies (until 2026-11-24)", Need{}},
		{"excepted for ever", at("r", card(85), except("e", time.Time{}, bird())), chat("card@85=1 heron"), nil, Excepted, "exception e applies", Need{}},
		{"the second exception", at("r", card(85), except("d", tomorrow, &Keywords{Terms: []string{"owl"}}), except("e", tomorrow, bird())), chat("card@85=1 heron"), nil, Excepted, "exception e applies (until 2026-11-24)", Need{}},
		{"expired", at("r", card(85), except("e", yesterday, bird())), chat("card@85=1 heron"), nil, Matched, "card found 1 (1 distinct), up to high; exception e no longer applies: it expired after 2026-11-24", Need{}},
		{"expires at this instant", at("r", card(85), except("e", now, bird())), chat("card@85=1 heron"), nil, Matched, "card found 1 (1 distinct), up to high; exception e no longer applies: it expired after 2026-11-24", Need{}},
		{"another exception", at("r", card(85), except("e", tomorrow, bird())), chat("card@85=1"), nil, Matched, "card found 1 (1 distinct), up to high", Need{}},
		{"an exception is only asked for what matched", at("r", card(85), except("e", tomorrow, SentBy{Groups: []Group{pci}})), chat("hello"), nil, NoMatch, "card did not occur", Need{}},
		{"an exception that is unknown", at("r", card(85), except("e", tomorrow, SentBy{Groups: []Group{pci}})), chat("card@85=1"), nil, NearMiss, "hangs on what is not known yet: whether the sender is in group pci", Need{Groups: []string{pci.ObjectID}}},
		{"an expired exception is not asked for", at("r", card(85), except("e", yesterday, SentBy{Groups: []Group{pci}})), chat("card@85=1"), nil, Matched, "card found 1 (1 distinct), up to high", Need{}},
		{"an expired exception is not asked for beside a live one", at("r", card(85), except("e", yesterday, SentBy{Groups: []Group{audit}}), except("f", tomorrow, SentBy{Groups: []Group{pci}})), chat("card@85=1"), nil, NearMiss, "hangs on what is not known yet: whether the sender is in group pci", Need{Groups: []string{pci.ObjectID}}},
		{"what was assumed is not said to hold", at("r", All{card(85), External}), chat("card@85=1"), &Context{Final: true}, Matched, "card found 1 (1 distinct), up to high; could not be told and was assumed: members of the conversation", Need{}},
		{"nor is a branch that did not decide", at("r", Any{All{Not{External}, card(85)}, All{bird(), test("owl")}}), chat("card@85=1 heron"), &Context{Final: true}, Matched, "card found 1 (1 distinct), up to high; could not be told and was assumed: members of the conversation", Need{}},
		{"what an exception decides is not asked for", at("r", All{card(85), External}, except("e", tomorrow, bird())), chat("card@85=1 heron"), nil, Excepted, "exception e applies (until 2026-11-24)", Need{}},
		{"what another condition decides is not asked for", at("r", Any{card(85), External}), chat("card@85=1"), nil, Matched, "card found 1 (1 distinct), up to high", Need{}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := setOf(tt.rule)
			v := s.Judge(tt.m, tt.c, now)
			got := v.Rules[0]
			if got.Result != tt.want || got.Reason != tt.reason {
				t.Errorf("got  %s: %s\nwant %s: %s", got.Result, got.Reason, tt.want, tt.reason)
			}
			if diff := cmp.Diff(tt.need, v.Need); diff != "" {
				t.Errorf("need (-want +got):\n%s", diff)
			}
			if enforced := v.enforced(); !v.Need.Any() && enforced != (tt.want == Matched) {
				t.Errorf("enforced = %v with result %s", enforced, got.Result)
			}
		})
	}
}

// TestAssume: once nothing more can be known, the answer that keeps the rule in
// force counts, whichever way round the condition is written.
func TestAssume(t *testing.T) {
	never := time.Time{}
	tests := []struct {
		name    string
		rule    *Rule
		m       *Message
		assumed []string // nil: it must not match
	}{
		{"scope in group", at("r", card(85), scope(Scope{InGroups: []Group{pci}})), chat("card@85=1"), []string{"whether the sender is in group pci"}},
		{"scope not in group", at("r", card(85), scope(Scope{NotInGroups: []Group{pci}})), chat("card@85=1"), []string{"whether the sender is in group pci"}},
		{"scope kind", at("r", card(85), scope(Scope{Conversations: []string{"meeting"}})), chat("card@85=1"), []string{"kind of conversation"}},
		{"scope domain", at("r", card(85), scope(Scope{Domains: []string{"a.com"}})), chat("card@85=1"), []string{"domain of the sender"}},
		{"external", at("r", All{card(85), External}), chat("card@85=1"), []string{"members of the conversation"}},
		{"internal", at("r", All{card(85), Internal}), chat("card@85=1"), []string{"members of the conversation"}},
		{"not external", at("r", All{card(85), Not{External}}), chat("card@85=1"), []string{"members of the conversation"}},
		{"not not external", at("r", All{card(85), Not{Not{External}}}), chat("card@85=1"), []string{"members of the conversation"}},
		{"not any", at("r", All{card(85), Not{Any{External, SentBy{Guest: ptr(true)}}}}), chat("card@85=1"), []string{"members of the conversation", "whether the sender is a guest"}},
		{"not all", at("r", All{card(85), Not{All{External, bird()}}}), chat("card@85=1 heron"), []string{"members of the conversation"}},
		{"not a guest", at("r", All{card(85), SentBy{Guest: ptr(false)}}), chat("card@85=1"), []string{"whether the sender is a guest"}},
		{"exception", at("r", card(85), except("e", never, SentBy{Groups: []Group{pci}})), chat("card@85=1"), []string{"whether the sender is in group pci"}},
		{"exception with not", at("r", card(85), except("e", never, Not{SentBy{Groups: []Group{pci}}})), chat("card@85=1"), []string{"whether the sender is in group pci"}},
		{"scope, condition and exception", at("r", All{card(85), External}, scope(Scope{Domains: []string{"a.com"}}), except("e", never, SentBy{Groups: []Group{pci}})), chat("card@85=1"), []string{"domain of the sender", "members of the conversation", "whether the sender is in group pci"}},
		{"what was not needed is not assumed", at("r", Any{card(85), External}), chat("card@85=1"), []string{}},
		{"what was known is not assumed", at("r", All{card(85), External}), said("card@85=1", from(Sender{ID: "f", Kind: "federatedUser"})), []string{}},
		{"clean text", at("r", All{card(85), External}), chat("hello"), nil},
		{"excluded text", at("r", All{card(85), External, Not{bird()}}), chat("card@85=1 heron"), nil},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s, _ := setOf(tt.rule)
			v := s.Judge(tt.m, &Context{Final: true}, now)
			got := v.Rules[0]
			if v.Need.Any() {
				t.Errorf("final verdict still needs %+v", v.Need)
			}
			if matched := got.Result == Matched; matched != (tt.assumed != nil) {
				t.Fatalf("result %s: %s", got.Result, got.Reason)
			}
			if !slices.Equal(got.Assumed, tt.assumed) {
				t.Errorf("assumed %q, want %q", got.Assumed, tt.assumed)
			}
			for _, a := range tt.assumed {
				if !strings.Contains(got.Reason, a) {
					t.Errorf("reason %q does not name %q", got.Reason, a)
				}
			}
		})
	}
}

func TestModeOff(t *testing.T) {
	s, f := setOf(at("r", card(85), mode(Off)))
	v := s.Judge(chat("card@85=1"), nil, now)
	if got := v.Rules[0]; got.Result != OutOfScope || got.Reason != "mode is off" {
		t.Errorf("got %s: %s", got.Result, got.Reason)
	}
	if v.enforced() || v.Severity != "" || f.calls != 0 {
		t.Errorf("a rule that is off had an effect: %+v, %d scans", v, f.calls)
	}
}

func TestScansOnce(t *testing.T) {
	in, out := Scope{Conversations: ChatKinds}, Scope{Conversations: ChannelKinds}
	tests := []struct {
		name  string
		rules []*Rule
		want  int
	}{
		{"no rules", nil, 0},
		{"none in scope", []*Rule{at("a", card(85), scope(out)), at("b", card(65), scope(out))}, 0},
		{"no rule asks", []*Rule{at("a", bird()), at("b", External)}, 0},
		{"many in scope", []*Rule{at("a", card(85), scope(in)), at("b", All{card(65), card(75)}), at("c", bird(), except("e", time.Time{}, card(85)))}, 1},
	}
	for _, tt := range tests {
		s, f := setOf(tt.rules...)
		s.Judge(chat("card@65=1 heron"), &Context{Final: true}, now)
		if f.calls != tt.want {
			t.Errorf("%s: %d scans, want %d", tt.name, f.calls, tt.want)
		}
	}
}

// TestBeginScansOnce: a message that waits for context is not searched again.
func TestBeginScansOnce(t *testing.T) {
	s, f := setOf(at("r", All{card(85), External}))
	j := s.Begin(chat("card@85=1"))
	if v := j.Judge(nil, now); !v.Need.Conversation {
		t.Errorf("need %+v", v.Need)
	}
	if v := j.Judge(members(outsider), now); v.Action != Block {
		t.Errorf("with an outsider: %s", v.Action)
	}
	if v := j.Judge(members(inside), now); v.Action != NoAction {
		t.Errorf("the context of the call before was kept: %s", v.Action)
	}
	if f.calls != 1 {
		t.Errorf("%d scans", f.calls)
	}
}

// TestJudgingsAreUsedAgain: what one message leaves in a judging says nothing of the
// next one, whichever scopes keep either out.
func TestJudgingsAreUsedAgain(t *testing.T) {
	rules := func() []*Rule {
		return []*Rule{
			at("all", card(85)), at("open", External), at("chats", card(85), scope(Scope{Conversations: ChatKinds})),
			at("channels", card(65), scope(Scope{Conversations: ChannelKinds})), at("too", bird(), scope(Scope{Conversations: ChannelKinds})),
			at("two", bird(), scope(Scope{Conversations: ChatKinds, NotUsers: []string{ana}})), at("off", bird(), mode(Off), scope(Scope{Conversations: ChatKinds})),
			at("meetings", card(65), scope(Scope{Conversations: []string{"meeting"}})),
		}
	}
	inChannel := func(m *Message) *Message { m.Channel = true; return m }
	by := func(id string, m *Message) *Message { m.Sender.ID = id; return m }
	type said struct {
		m *Message
		c *Context
	}
	all := []said{
		{chat("nothing"), nil}, {inChannel(chat("nothing")), nil}, {by("bo", chat("nothing")), nil}, {by("bo", chat("a heron")), nil}, {inChannel(chat("nothing")), members(outsider)},
		{chat("card@85=1"), &Context{Final: true}}, {by("bo", inChannel(chat("nothing"))), &Context{Final: true}}, {chat("nothing"), &Context{Conversation: &Conversation{Kind: "oneOnOne"}}},
		{inChannel(chat("card@65=1 heron")), nil}, {chat("nothing"), &Context{Conversation: &Conversation{Kind: "meeting"}}},
	}
	used, _ := setOf(rules()...)
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same every time
	for range 500 {
		x := all[random.IntN(len(all))]
		fresh, _ := setOf(rules()...)
		want := fresh.Judge(x.m, x.c, now)
		j := used.Begin(x.m)
		got := j.Judge(x.c, now)
		if got.Action != want.Action || got.Severity != want.Severity || !reflect.DeepEqual(got.Need, want.Need) {
			t.Fatalf("%s of %s: %+v, want %+v", x.m.Text.Bytes(), x.m.Sender.ID, got, want)
		}
		for i, w := range want.Rules {
			if g := got.Rules[i]; g.Rule.ID != w.Rule.ID || g.Result != w.Result || g.Reason != w.Reason || len(g.Matches) != len(w.Matches) {
				t.Fatalf("%s of %s: rule %s: %s: %s, want %s: %s", x.m.Text.Bytes(), x.m.Sender.ID, w.Rule.ID, g.Result, g.Reason, w.Result, w.Reason)
			}
		}
		j.End()
	}
}

// TestManyMatches: a message of nothing but matches is counted whole and kept in
// part.
func TestManyMatches(t *testing.T) {
	const n = 3000
	var text strings.Builder
	for i := range n {
		fmt.Fprintf(&text, "card@85=%d ", i)
	}
	s, _ := setOf(at("r", &Detect{Detector: "card", Count: Range{Min: 2}, Distinct: Range{Min: 2, Max: n}}), at("less", &Detect{Detector: "card", Distinct: Range{Max: n - 1}}))
	v := s.Judge(chat(text.String()), nil, now)
	if got, want := v.Rules[0].Reason, "card found 3000 (3000 distinct), up to high"; got != want || len(v.Rules[0].Matches) != maxMatches {
		t.Errorf("%s, %d matches kept; want %s", got, len(v.Rules[0].Matches), want)
	}
	if got, want := v.Rules[1].Reason, "card found 3000 distinct; at most 2999 needed"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

func TestConclusion(t *testing.T) {
	hit := func(id string, change ...func(*ruleParts)) *Rule { return at(id, card(85), change...) }
	miss := func(id string, change ...func(*ruleParts)) *Rule {
		return at(id, bird(), append(change, action(Block), severity(Critical))...)
	}
	type want struct {
		Action       Action
		Severity     Severity
		Tip          string
		Override     Override
		Report       Report
		Descriptions []string
	}
	tests := []struct {
		name  string
		rules []*Rule
		want  want
	}{
		{"nothing matched", []*Rule{miss("a")}, want{NoAction, "", "", NoOverride, NoReport, nil}},
		{"one", []*Rule{hit("a"), miss("b")}, want{Block, Medium, "tip of a", NoOverride, ReviewReport, []string{"title of a"}}},
		{"strictest action", []*Rule{hit("a", action(Notify), severity(Critical)), hit("b", action(BlockExternal)), hit("c", severity(Low))},
			want{Block, Critical, "tip of c", NoOverride, ReviewReport, []string{"title of c"}}},
		{"block-external over notify", []*Rule{hit("a", action(Notify)), hit("b", action(BlockExternal))}, want{BlockExternal, Medium, "tip of b", NoOverride, ReviewReport, []string{"title of b"}}},
		{"tip of the highest severity", []*Rule{hit("a"), hit("b", severity(High))}, want{Block, High, "tip of b", NoOverride, ReviewReport, []string{"title of a", "title of b"}}},
		{"then of the first", []*Rule{hit("a"), hit("b")}, want{Block, Medium, "tip of a", NoOverride, ReviewReport, []string{"title of a", "title of b"}}},
		{"a winner without tip gives none", []*Rule{hit("a", severity(Critical), tip("")), hit("b")}, want{Block, Critical, "tip of b", NoOverride, ReviewReport, []string{"title of a", "title of b"}}},
		{"report none sends no tip", []*Rule{hit("a", report(NoReport))}, want{Block, Medium, "", NoOverride, NoReport, []string{"title of a"}}},
		{"one report none does not silence another", []*Rule{hit("a", severity(Critical), report(NoReport)), hit("b", report(ReleaseReport))}, want{Block, Critical, "tip of b", NoOverride, ReviewReport, []string{"title of a", "title of b"}}},
		{"release only if all say so", []*Rule{hit("a", report(ReleaseReport)), hit("b", report(ReleaseReport))}, want{Block, Medium, "tip of a", NoOverride, ReleaseReport, []string{"title of a", "title of b"}}},
		{"else review", []*Rule{hit("a", report(ReleaseReport)), hit("b")}, want{Block, Medium, "tip of a", NoOverride, ReviewReport, []string{"title of a", "title of b"}}},
		{"least permissive override", []*Rule{hit("a", override(WithoutJustification)), hit("b", override(WithJustification))}, want{Block, Medium, "tip of a", WithJustification, ReviewReport, []string{"title of a", "title of b"}}},
		{"no override wins", []*Rule{hit("a", override(WithoutJustification)), hit("b")}, want{Block, Medium, "tip of a", NoOverride, ReviewReport, []string{"title of a", "title of b"}}},
		{"a milder rule does not count", []*Rule{hit("a", override(WithoutJustification)), hit("b", action(Notify), override(NoOverride))}, want{Block, Medium, "tip of a", WithoutJustification, ReviewReport, []string{"title of a"}}},
		{"shadow alone", []*Rule{hit("a", mode(Shadow), severity(Critical))}, want{NoAction, Critical, "", NoOverride, NoReport, nil}},
		{"shadow beside", []*Rule{hit("a", mode(Shadow), severity(Critical), report(NoReport)), hit("b", action(Notify), override(WithoutJustification), report(ReleaseReport))},
			want{Notify, Critical, "tip of b", WithoutJustification, ReleaseReport, []string{"title of b"}}},
		{"the same title once", []*Rule{hit("a"), at("b", card(85), func(p *ruleParts) { p.Title = "title of a" })}, want{Block, Medium, "tip of a", NoOverride, ReviewReport, []string{"title of a"}}},
	}
	for _, tt := range tests {
		s, _ := setOf(tt.rules...)
		v := s.Judge(chat("card@85=1"), nil, now)
		got := want{v.Action, v.Severity, v.Tip.Text, v.Override, v.Report, v.Descriptions}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", tt.name, diff)
		}
		if v.Generation != "gen" || len(v.Rules) != len(tt.rules) {
			t.Errorf("%s: generation %q, %d rules", tt.name, v.Generation, len(v.Rules))
		}
	}
}

// dice makes random rules and contexts.
type dice struct{ *rand.Rand }

func pick[T any](d dice, list ...T) T { return list[d.IntN(len(list))] }

func (d dice) leaf() Condition {
	return pick(d,
		func() Condition {
			return &Detect{Detector: pick(d, "card", "iban"), Level: pick[detect.Level](d, 65, 75, 85)}
		},
		func() Condition { return bird() },
		func() Condition { return matches(`CE-\d+`) },
		func() Condition { return pick(d, External, Internal, Guests) },
		func() Condition { return InConversation{pick(d, "meeting", "group", "private")} },
		func() Condition { return SentBy{Groups: []Group{pick(d, pci, audit)}} },
		func() Condition { return SentBy{Domains: []string{"a.com"}} },
		func() Condition { return SentBy{Guest: ptr(d.IntN(2) == 0)} },
	)()
}

func (d dice) condition(depth int) Condition {
	if depth == 0 {
		return d.leaf()
	}
	switch d.IntN(5) {
	case 0:
		return Not{d.condition(depth - 1)}
	case 1, 2:
		return All{d.condition(depth - 1), d.condition(depth - 1)}
	case 3:
		return Any{d.condition(depth - 1), d.condition(depth - 1)}
	}
	return d.leaf()
}

func (d dice) rule(id string) *Rule {
	var s Scope
	switch d.IntN(4) {
	case 0:
		s.NotInGroups = []Group{pci}
	case 1:
		s.Conversations = []string{"meeting", "standard"}
	}
	change := []func(*ruleParts){scope(s), mode(pick(d, Enforce, Shadow, Off)), action(pick(d, Notify, Block, BlockExternal)),
		severity(pick(d, Low, Medium, High, Critical)), override(pick(d, NoOverride, WithJustification, WithoutJustification)), report(pick(d, NoReport, ReviewReport, ReleaseReport))}
	if d.IntN(3) == 0 {
		change = append(change, except("e", pick(d, time.Time{}, now, now.Add(1)), d.condition(1)))
	}
	return at(id, d.condition(3), change...)
}

func (d dice) text() string {
	var words []string
	for range d.IntN(4) {
		words = append(words, pick(d, "card@65=1", "card@85=2", "iban@75=3", "heron", "CE-12", "hello"))
	}
	return strings.Join(words, " ")
}

// contexts returns every context that could be the truth for a chat.
func contexts() []*Context {
	var list []*Context
	for _, kind := range []string{"group", "meeting", "oneOnOne"} {
		for _, m := range [][]Member{{inside}, {outsider}, {guest}} {
			for bits := range 4 {
				for _, p := range []Person{{Domain: "a.com"}, {Domain: "b.com"}, {Domain: "a.com", Guest: true}} {
					c := members(m...)
					c.Conversation.Kind, c.Person = kind, &p
					c.Groups = map[string]bool{pci.ObjectID: bits&1 > 0, audit.ObjectID: bits&2 > 0}
					if p.Guest {
						c.Conversation.Members = append(c.Conversation.Members, guest)
					}
					list = append(list, c)
				}
			}
		}
	}
	return list
}

// outcome is what of a verdict reaches Teams.
func outcome(v Verdict) any {
	return []any{v.Action, v.Tip, v.Override, v.Report, v.Descriptions}
}

// TestShadowChangesNothing: taking the shadow rules out of a set changes nothing of
// what reaches Teams, and neither does what a shadow rule says.
func TestShadowChangesNothing(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(1, 2))}
	mixed, acted := 0, 0
	for i := range 3000 {
		var all, live []*Rule
		for n := range 1 + d.IntN(5) {
			r := d.rule(fmt.Sprint("r", n))
			all = append(all, r)
			if r.Mode != Shadow {
				live = append(live, r)
			}
		}
		text, c := d.text(), final(pick(d, append(contexts(), &Context{})...))
		with, _ := setOf(all...)
		got := with.Judge(chat(text), c, now)
		without, _ := setOf(live...) // the rules of a set are compiled anew
		want := without.Judge(chat(text), c, now)
		if diff := cmp.Diff(outcome(want), outcome(got)); diff != "" {
			t.Fatalf("run %d: shadow rules changed the outcome (-without +with):\n%s", i, diff)
		}
		if got.enforced() {
			acted++
			mixed += min(1, len(all)-len(live))
		}
		if !got.enforced() && (got.Tip != Tip{} || got.Descriptions != nil || got.Override != NoOverride || got.Report != NoReport) {
			t.Fatalf("run %d: a verdict that enforces nothing carries something: %+v", i, got)
		}
	}
	if acted < 100 || mixed < 50 {
		t.Fatalf("too little was tried: %d acted, %d of them beside a shadow rule", acted, mixed)
	}
}

// TestNeedIsEnough: a verdict that needs nothing is the verdict under every truth;
// one that needs something is settled by it, and an assumption is never laxer than
// the truth.
func TestNeedIsEnough(t *testing.T) {
	d := dice{rand.New(rand.NewPCG(3, 4))}
	truths := contexts()
	settled, needed := 0, 0
	for i := range 1500 {
		r := d.rule("r")
		if r.Mode == Off {
			continue
		}
		s, _ := setOf(r)
		m := chat(d.text())
		blind := s.Judge(m, &Context{}, now)
		assumed := s.Judge(m, &Context{Final: true}, now)
		for _, truth := range truths {
			full := s.Judge(m, truth, now)
			if full.Need.Any() {
				t.Fatalf("run %d: needs %+v though all is known", i, full.Need)
			}
			if full.Rules[0].Result == Matched && assumed.Rules[0].Result != Matched {
				t.Fatalf("run %d: matched with %s, but not where nothing could be known", i, full.Rules[0].Reason)
			}
			if blind.Need.Any() {
				needed++
				if got := judgeStepwise(s, m, truth); outcomeOf(got) != outcomeOf(full) {
					t.Fatalf("run %d: fetching what is needed gave %s, knowing all gives %s", i, got.Rules[0].Result, full.Rules[0].Result)
				}
				continue
			}
			settled++
			if outcomeOf(blind) != outcomeOf(full) {
				t.Fatalf("run %d: needed nothing and said %s; the truth is %s", i, blind.Rules[0].Result, full.Rules[0].Result)
			}
		}
	}
	if settled == 0 || needed == 0 {
		t.Fatalf("nothing was tried: %d settled, %d needed", settled, needed)
	}
}

// outcomeOf: whether the rule takes effect. Which gate stopped it may differ.
func outcomeOf(v Verdict) bool { return v.Rules[0].Result == Matched }

// judgeStepwise fetches only what is asked for, out of truth, as the pipeline does.
func judgeStepwise(s *Set, m *Message, truth *Context) Verdict {
	c := &Context{}
	for range 4 {
		v := s.Judge(m, c, now)
		if !v.Need.Any() {
			return v
		}
		if v.Need.Conversation {
			c.Conversation = truth.Conversation
		}
		if v.Need.Person {
			c.Person = truth.Person
		}
		for _, g := range v.Need.Groups {
			if c.Groups == nil {
				c.Groups = map[string]bool{}
			}
			c.Groups[g] = truth.Groups[g]
		}
	}
	panic("never settled")
}

// TestMatches: what is handed on for the log are the findings that counted, once
// each and in order, and never of a rule that did not find them.
func TestMatches(t *testing.T) {
	both := Any{card(65), All{card(85), bird()}, matches(`heron`)}
	s, _ := setOf(at("r", both), at("high", card(85)), at("other", &Detect{Detector: "iban"}), at("near", All{card(85), &Keywords{Terms: []string{"owl"}}}))
	v := s.Judge(chat("card@85=1 card@65=2 heron"), nil, now)
	names := func(list []detect.Match) (out []string) {
		for _, m := range list {
			out = append(out, fmt.Sprintf("%s/%s", m.Detector, m.Level))
		}
		return out
	}
	for i, want := range [][]string{
		{"card/high", "card/low", "keyword-list/high", "regex/high"},
		{"card/high"}, nil, {"card/high"},
	} {
		if i == 0 { // the text's offsets and the fake's are not the same: compare as sets
			got := names(v.Rules[i].Matches)
			slices.Sort(got)
			slices.Sort(want)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("rule %d (-want +got):\n%s", i, diff)
			}
			continue
		}
		if diff := cmp.Diff(want, names(v.Rules[i].Matches)); diff != "" {
			t.Errorf("rule %d (-want +got):\n%s", i, diff)
		}
	}
	for _, m := range v.Rules[0].Matches {
		if m.Detector == "keyword-list" && m.Masked != "birds" {
			t.Errorf("a keyword's mask is %q, want its list", m.Masked)
		}
	}
}

// TestReasonsHoldNoText: nothing that occurs in the message is quoted.
func TestReasonsHoldNoText(t *testing.T) {
	const secret = "bluebird"
	s, _ := setOf(
		at("a", &Keywords{Terms: []string{secret}}), at("b", matches(secret)), at("c", All{matches(secret), card(85)}),
		at("d", All{card(85), Not{&Keywords{Terms: []string{secret}}}}), at("e", Any{&Keywords{List: "birds", Terms: []string{secret, "owl"}}}),
		at("f", matches(secret), except("x", time.Time{}, &Keywords{Terms: []string{secret}})))
	v := s.Judge(chat("card@85="+secret+" "+secret), nil, now)
	for _, r := range v.Rules {
		if strings.Contains(fmt.Sprintf("%s %v %+v", r.Reason, r.Assumed, r.Matches), secret) {
			t.Errorf("rule %s quotes the message: %+v", r.Rule.ID, r)
		}
	}
}

func TestNilContext(t *testing.T) {
	s, _ := setOf(at("r", All{card(85), External}))
	if v := s.Judge(chat("card@85=1"), nil, now); !v.Need.Conversation {
		t.Errorf("need %+v", v.Need)
	}
}

func TestTryIgnoresMode(t *testing.T) {
	r := at("r", card(85), mode(Off))
	s, _ := setOf(r)
	if v, need := s.Try(r, chat("card@85=1"), nil, now); v.Result != Matched || need.Any() {
		t.Errorf("got %s: %s, need %+v", v.Result, v.Reason, need)
	}
}

// TestJudgeIsPure: the same message judged by many goroutines gives one verdict.
func TestJudgeIsPure(t *testing.T) {
	s, _ := setOf(at("a", Any{bird(), matches(`(?i)heron`)}), at("b", All{External, bird()}))
	s.scanner = nil
	m, c := chat("Heron heron"), members(outsider)
	want := s.Judge(m, c, now)
	done := make(chan Verdict)
	for range 8 {
		go func() { done <- s.Judge(m, c, now) }()
	}
	for range 8 {
		if got := <-done; !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
	}
}

// Different values are counted alike, few or many.
func TestDistinct(t *testing.T) {
	for _, want := range []int{1, 5, 8, 9, 20} {
		var d distinct
		for i := range 100 {
			d.add(detect.NewValue(strconv.Itoa(i % want)))
		}
		if d.n != want {
			t.Errorf("%d different values, want %d", d.n, want)
		}
	}
}

// The detectors are told the time that the message is judged at.
func TestScannerKnowsTheTime(t *testing.T) {
	f := &fake{}
	s := NewSet("gen", nil, []*Rule{at("r", &Detect{Detector: "card", Level: detect.Low})}, detect.Options{})
	s.scanner = f
	s.Judge(&Message{Text: extract.Plain("card@85=1")}, &Context{Final: true}, now)
	if !f.now.Equal(now) {
		t.Errorf("it was told %s, and it is %s", f.now, now)
	}
	f.now = time.Time{}
	s.Try(s.Rules[0], &Message{Text: extract.Plain("card@85=1")}, &Context{Final: true}, now)
	if !f.now.Equal(now) {
		t.Errorf("to try a rule it was told %s, and it is %s", f.now, now)
	}
}
