package graphtwin

// The tenants and apps of Contoso. The secrets guard nothing: they open a twin.
const (
	ContosoTenant  = "c0a7050c-7e41-4b1e-9c00-0000000000a1"
	ContosoApp     = "c0a7050c-a001-4d1f-8c00-0000000000b1"
	ContosoSecret  = "contoso-opens-the-twin"
	FabrikamTenant = "fab21ca0-7e42-4b1e-9c00-0000000000a2"
	FabrikamApp    = "fab21ca0-a002-4d1f-8c00-0000000000b2"
	FabrikamSecret = "fabrikam-opens-the-twin"
)

// Contoso returns the built-in cast. Its names, aliases and ids are stable.
//
// People of contoso.com: ana (Ana Ruiz, sales), li (Li Wei, finance), jo (Jo
// Berg, payments security, in the group pci-team), sam (Sam Okoye, engineering),
// max (Max Stone, whose licence lacks the DLP plan), gia (Gia Park, a guest).
// kim (Kim Ito) is an account of fabrikam.com; sky is a consumer Skype account;
// deploybot is a bot.
//
// Chats: ana-li and li-jo (oneOnOne), deal (group, with the guest), ext-deal
// (group, with Fabrikam's kim), engineering (group, with the bot), standup
// (meeting), max-ana (oneOnOne), skype (group, with sky). Team sales has the channels general
// (standard), board (private) and partners (shared, with kim).
func Contoso() World {
	return World{
		Tenants: []Tenant{
			{ID: ContosoTenant, Name: "Contoso", Domain: "contoso.com"},
			{ID: FabrikamTenant, Name: "Fabrikam", Domain: "fabrikam.com"},
		},
		Apps: []App{
			{ID: ContosoApp, TenantID: ContosoTenant, Name: "teamsdlp", Secret: ContosoSecret, Roles: AllRoles},
			{ID: FabrikamApp, TenantID: FabrikamTenant, Name: "teamsdlp", Secret: FabrikamSecret, Roles: AllRoles},
		},
		Users: []User{
			{ID: "0a000001-5a1e-4c0e-8a11-000000000a4a", Alias: "ana", TenantID: ContosoTenant, Name: "Ana Ruiz", UPN: "ana@contoso.com", Mail: "ana@contoso.com", Department: "Sales", JobTitle: "Account manager"},
			{ID: "0a000002-f1a2-4c0e-8a12-000000000111", Alias: "li", TenantID: ContosoTenant, Name: "Li Wei", UPN: "li@contoso.com", Mail: "li@contoso.com", Department: "Finance", JobTitle: "Controller"},
			{ID: "0a000003-5ec0-4c0e-8a13-000000000222", Alias: "jo", TenantID: ContosoTenant, Name: "Jo Berg", UPN: "jo@contoso.com", Mail: "jo@contoso.com", Department: "Payments security", JobTitle: "Analyst"},
			{ID: "0a000004-e0a1-4c0e-8a14-000000000333", Alias: "sam", TenantID: ContosoTenant, Name: "Sam Okoye", UPN: "sam@contoso.com", Mail: "sam@contoso.com", Department: "Engineering", JobTitle: "Developer"},
			{ID: "0a000005-11ce-4c0e-8a15-000000000444", Alias: "max", TenantID: ContosoTenant, Name: "Max Stone", UPN: "max@contoso.com", Mail: "max@contoso.com", Department: "Warehouse", Unlicensed: true},
			{ID: "0a000006-9e57-4c0e-8a16-000000000555", Alias: "gia", TenantID: ContosoTenant, Name: "Gia Park", UPN: "gia_partner.example#EXT#@contoso.com", Mail: "gia@partner.example", Guest: true},
			{ID: "fa000001-0b0b-4c0e-8b11-000000000666", Alias: "kim", TenantID: FabrikamTenant, Name: "Kim Ito", UPN: "kim@fabrikam.com", Mail: "kim@fabrikam.com"},
			{ID: "8:live:sky.example", Alias: "sky", TenantID: FabrikamTenant, Name: "Sky Example", Identity: "skypeUser"},
		},
		Bots: []Bot{{ID: "b0700001-de91-4c0e-8c11-000000000777", Alias: "deploybot", Name: "Deploy bot"}},
		Groups: []Group{
			{ID: "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a11", Alias: "pci-team", TenantID: ContosoTenant, Name: "PCI team", Members: []string{"jo"}},
			{ID: "1d6f0b52-6f0e-4b0c-9d5e-0c5f4b7f1a12", Alias: "security", TenantID: ContosoTenant, Name: "Security", Members: []string{"pci-team", "sam"}},
		},
		Chats: []Chat{
			{Alias: "ana-li", Type: "oneOnOne", Members: []string{"ana", "li"}},
			{Alias: "li-jo", Type: "oneOnOne", Members: []string{"li", "jo"}},
			{Alias: "max-ana", Type: "oneOnOne", Members: []string{"max", "ana"}},
			{ID: "19:c0a7050c0dea100000000000000000d1@thread.v2", Alias: "deal", Topic: "The deal", Members: []string{"ana", "li", "gia"}},
			{ID: "19:c0a7050c0dea200000000000000000d2@thread.v2", Alias: "ext-deal", Topic: "Deal with Fabrikam", Members: []string{"ana", "sam", "kim"}},
			{ID: "19:c0a7050c0e11900000000000000000d3@thread.v2", Alias: "engineering", Topic: "Engineering", Members: []string{"sam", "jo", "li"}},
			{ID: "19:meeting_c0a7050c57a11d0000000000000d4@thread.v2", Alias: "standup", Type: "meeting", Topic: "Stand-up", Members: []string{"ana", "li", "jo", "sam"}},
			{ID: "19:c0a7050c05c1900000000000000000d5@thread.v2", Alias: "skype", Topic: "Old friends", Members: []string{"ana", "sky"}},
		},
		Teams: []Team{{
			ID: "7ea00001-5a1e-4c0e-8d11-000000000888", Alias: "sales", TenantID: ContosoTenant, Name: "Sales", Members: []string{"ana", "li", "sam", "gia"},
			Channels: []Channel{
				{ID: "19:c0a7050c5a1e000000000000000000c1@thread.tacv2", Alias: "general", Name: "General"},
				{ID: "19:c0a7050c5a1e000000000000000000c2@thread.tacv2", Alias: "board", Name: "Board", Membership: "private", Members: []string{"ana", "li"}},
				{ID: "19:c0a7050c5a1e000000000000000000c3@thread.tacv2", Alias: "partners", Name: "Partners", Membership: "shared", Members: []string{"ana", "kim"}},
			},
		}},
	}
}
