package config

import "strings"

// The names of clouds.
const (
	Global = "global" // and GCC
	USGov  = "usgov"  // GCC High
	DoD    = "dod"
	China  = "china"  // 21Vianet
	Custom = "custom" // graph_url and login_url say where it is
)

// Cloud says which Microsoft cloud the tenants are in.
type Cloud struct {
	Name           string `yaml:"name"`             // global (default), usgov, dod, china, custom
	GraphURL       string `yaml:"graph_url"`        // custom only; as https://graph.microsoft.com
	LoginURL       string `yaml:"login_url"`        // custom only; as https://login.microsoftonline.com
	PublisherAppID string `yaml:"publisher_app_id"` // default 0bf30f3b-4a52-48df-9a82-234910c4a086
}

// Endpoints are the addresses of one cloud, without a slash at their end.
type Endpoints struct {
	Graph string // as https://graph.microsoft.com, without the version
	Login string // as https://login.microsoftonline.com
	// IssuerV1 and IssuerV2 are the issuers of its tokens, {tid} standing for
	// the tenant's id: compare the whole, never a part.
	IssuerV1, IssuerV2 string
}

// clouds are the named clouds. Source: Microsoft Learn, "National cloud
// deployments", for the roots. The issuers of the national clouds are observed,
// not documented.
var clouds = map[string]Endpoints{
	Global: {
		Graph:    "https://graph.microsoft.com",
		Login:    "https://login.microsoftonline.com",
		IssuerV1: "https://sts.windows.net/{tid}/",
		IssuerV2: "https://login.microsoftonline.com/{tid}/v2.0",
	},
	USGov: {
		Graph:    "https://graph.microsoft.us",
		Login:    "https://login.microsoftonline.us",
		IssuerV1: "https://sts.windows.net/{tid}/",
		IssuerV2: "https://login.microsoftonline.us/{tid}/v2.0",
	},
	DoD: {
		Graph:    "https://dod-graph.microsoft.us",
		Login:    "https://login.microsoftonline.us",
		IssuerV1: "https://sts.windows.net/{tid}/",
		IssuerV2: "https://login.microsoftonline.us/{tid}/v2.0",
	},
	China: {
		Graph:    "https://microsoftgraph.chinacloudapi.cn",
		Login:    "https://login.chinacloudapi.cn",
		IssuerV1: "https://sts.chinacloudapi.cn/{tid}/",
		IssuerV2: "https://login.partner.microsoftonline.cn/{tid}/v2.0",
	},
}

// Resolve is where the cloud is. A custom cloud issues its tokens under its
// login URL: {login_url}/{tid}/ and {login_url}/{tid}/v2.0.
func (c Cloud) Resolve() Endpoints {
	if c.Name != Custom {
		return clouds[c.Name]
	}
	login := strings.TrimRight(c.LoginURL, "/")
	return Endpoints{
		Graph:    strings.TrimRight(c.GraphURL, "/"),
		Login:    login,
		IssuerV1: login + "/{tid}/",
		IssuerV2: login + "/{tid}/v2.0",
	}
}

// CanEnforce reports whether the cloud has the API that sets policyViolation on
// a message. The national clouds do not; there every action is logged as not
// enforceable. Source: Microsoft Learn, "Update chatMessage", national cloud
// table.
func (c Cloud) CanEnforce() bool { return c.Name == Global || c.Name == Custom }

// V1Keys is the address of the keys (a JWK set) that sign v1.0 tokens.
func (e Endpoints) V1Keys(tenantID string) string {
	return e.Login + "/" + tenantID + "/discovery/keys"
}

// V2Keys is the address of the keys that sign v2.0 tokens.
func (e Endpoints) V2Keys(tenantID string) string {
	return e.Login + "/" + tenantID + "/discovery/v2.0/keys"
}
