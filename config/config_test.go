package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"teamsdlp/test/trial"
)

var update = flag.Bool("update", false, "write the faults found into testdata/*.bad.yaml")

// environment is what the tests' references can refer to. None of the values
// may ever be printed.
func environment(name string) string {
	return map[string]string{
		"SECRET":                 "hunter2-the-client-secret",
		"TOKEN":                  "hunter2-the-token-of-jo",
		"SHORT":                  "hunter2-fifteen",
		"NEWLINE":                "hunter2-the-client-secret\n",
		"TEAMSDLP_CLIENT_SECRET": "hunter2-the-client-secret",
		"TEAMSDLP_TOKEN_JO":      "hunter2-the-token-of-jo",

		"TEAMSDLP_REDIS_PASSWORD":    "hunter2-of-redis",
		"TEAMSDLP_SENTINEL_PASSWORD": "hunter2-of-the-sentinels",
	}[name]
}

const minimal = `
public: {url: https://dlp.example.com}
tenants:
  - id: 11111111-1111-4111-8111-111111111111
    app_id: 22222222-2222-4222-8222-222222222222
    credential: {kind: client_secret, secret: env:SECRET}
`

// wantMark begins the lines at the end of a bad file that say what is to be
// found in it.
const wantMark = "# want: "

// Each *.bad.yaml ends with its faults, all of them, as they are printed.
func TestBadFiles(t *testing.T) {
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) < 100 {
		t.Fatalf("found %d bad files, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".bad.yaml"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var body, want []string
			for line := range strings.Lines(string(data)) {
				if msg, found := strings.CutPrefix(line, wantMark); found {
					want = append(want, strings.TrimSuffix(msg, "\n"))
				} else {
					body = append(body, line)
				}
			}
			cfg, err := Parse("teamsdlp.yaml", []byte(strings.Join(body, "")), environment, "testdata")
			var faults Faults
			if !errors.As(err, &faults) || len(faults) == 0 || cfg != nil {
				t.Fatalf("got config %v and error %v, want none and Faults", cfg, err)
			}
			got := strings.Split(err.Error(), "\n")
			if strings.Contains(err.Error(), "hunter2") {
				t.Errorf("a fault repeats a secret:\n%v", err)
			}
			if *update {
				for _, msg := range got {
					body = append(body, wantMark+msg+"\n")
				}
				if err := os.WriteFile(file, []byte(strings.Join(body, "")), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("faults (-want +got):\n%s", diff)
			}
		})
	}
}

func parse(t *testing.T, text string) *Config {
	t.Helper()
	cfg, err := Parse("teamsdlp.yaml", []byte(text), environment, "/etc/teamsdlp")
	if err != nil {
		t.Fatalf("parsing: %v", err)
	}
	return cfg
}

func TestDefaults(t *testing.T) {
	got := parse(t, minimal)
	want := defaults()
	want.Public.URL = "https://dlp.example.com"
	want.DataDir, want.KeysDir, want.RulesDir = "/etc/teamsdlp/data", "/etc/teamsdlp/keys", "/etc/teamsdlp/rules"
	want.Tenants = []Tenant{{
		ID: "11111111-1111-4111-8111-111111111111", AppID: "22222222-2222-4222-8222-222222222222",
		Credential: Credential{Kind: ClientSecret, Secret: NewSecret(environment("SECRET"))},
		Resources:  []string{"chats", "channels"},
	}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Secret{})); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// Each line changes one thing and says what must come of it.
func TestValues(t *testing.T) {
	dir := t.TempDir()
	secret := filepath.Join(dir, "secret")
	write(t, secret, "hunter2-from-a-file\r\n", 0o600)
	with := func(more string) string { return minimal + more }
	url := func(u string) string { return strings.Replace(minimal, "https://dlp.example.com", u, 1) }
	cred := func(c string) string {
		return strings.Replace(minimal, "{kind: client_secret, secret: env:SECRET}", c, 1)
	}
	res := func(r string) string { return with("    resources: " + r + "\n") }
	for _, c := range []struct {
		name, file string
		get        func(*Config) any
		want       any
	}{
		{"size with unit", with("webhook: {max_body: 32MiB}"), func(c *Config) any { return c.Webhook.MaxBody }, int64(32 << 20)},
		{"size, space, unit", with("webhook: {max_body: 1 GiB}"), func(c *Config) any { return c.Webhook.MaxBody }, int64(1 << 30)},
		{"size in bytes", with("webhook: {max_body: 1_024}"), func(c *Config) any { return c.Webhook.MaxBody }, int64(1024)},
		{"duration", with("subscriptions: {lifetime: 45m, check: 22m30s}"), func(c *Config) any { return c.Subscriptions }, Subscriptions{45 * time.Minute, 22*time.Minute + 30*time.Second}},
		{"longest lifetime", with("subscriptions: {lifetime: 72h}"), func(c *Config) any { return c.Subscriptions.Lifetime }, 72 * time.Hour},
		{"rate", with("graph: {team_rps: 0.5}"), func(c *Config) any { return c.Graph.TeamRPS }, 0.5},
		{"sections of comments only", with("webhook:\ndesk:\n"), func(c *Config) any { return c.Webhook.MaxItems }, defaultMaxItems},
		{"slash at the end", url("https://dlp.example.com/teams/"), func(c *Config) any { return c.Public.NotificationURL() }, "https://dlp.example.com/teams/graph/notifications"},
		{"lifecycle", url("https://dlp.example.com:8443"), func(c *Config) any { return c.Public.LifecycleURL() }, "https://dlp.example.com:8443/graph/lifecycle"},
		{"http on loopback", url("http://127.0.0.1:8443"), func(c *Config) any { return c.Public.URL }, "http://127.0.0.1:8443"},
		{"http on localhost", url("http://localhost"), func(c *Config) any { return c.Public.URL }, "http://localhost"},
		{"http on ::1", url("'http://[::1]:80'"), func(c *Config) any { return c.Public.URL }, "http://[::1]:80"},
		{"tenant in capitals", strings.Replace(minimal, "11111111", "AAAAAAAA", 1), func(c *Config) any { return c.Tenants[0].ID }, "aaaaaaaa-1111-4111-8111-111111111111"},
		{"secret of a variable", cred("{kind: client_secret, secret: env:NEWLINE}"), func(c *Config) any { return c.Tenants[0].Credential.Secret.Reveal() }, "hunter2-the-client-secret"},
		{"secret of a file", cred("{kind: client_secret, secret: 'file:" + secret + "'}"), func(c *Config) any { return c.Tenants[0].Credential.Secret.Reveal() }, "hunter2-from-a-file"},
		{"workload identity", cred("{kind: workload_identity}"), func(c *Config) any { return c.Tenants[0].Credential.Kind }, WorkloadIdentity},
		{"managed identity", cred("{kind: managed_identity, client_id: ABCDEFAB-2222-4222-8222-222222222222}"), func(c *Config) any { return c.Tenants[0].Credential.ClientID }, "abcdefab-2222-4222-8222-222222222222"},
		{"certificate", cred("{kind: certificate, certificate: '" + secret + "'}"), func(c *Config) any { return c.Tenants[0].Credential.Certificate }, secret},
		{"resources left empty", res(""), func(c *Config) any { return c.Tenants[0].Paths() }, []string{"chats/getAllMessages", "teams/getAllMessages"}},
		{
			"resources", res("[channels, chats/19:a_b@unq.gbl.spaces/messages, users/33333333-3333-4333-8333-333333333333/chats/getAllMessages]"),
			func(c *Config) any { return c.Tenants[0].Paths() },
			[]string{"teams/getAllMessages", "chats/19:a_b@unq.gbl.spaces/messages", "users/33333333-3333-4333-8333-333333333333/chats/getAllMessages"},
		},
		{
			"one channel", res("[teams/33333333-3333-4333-8333-333333333333/channels/19:abc@thread.tacv2/messages]"),
			func(c *Config) any { return c.Tenants[0].Resources },
			[]string{"teams/33333333-3333-4333-8333-333333333333/channels/19:abc@thread.tacv2/messages"},
		},
		{
			"desk for named people", with("private: {listen: 0.0.0.0:8444, hosts: [desk.example.com, 'desk.example.com:8444']}\ndesk: {users: [{name: Jo, token: env:TOKEN}]}"),
			func(c *Config) any { return c.Desk.Users[0].Token.Reveal() }, "hunter2-the-token-of-jo",
		},
		{"listeners on any port", strings.Replace(minimal, "example.com}", "example.com, listen: '127.0.0.1:0'}", 1) + "private: {listen: '127.0.0.1:0'}", func(c *Config) any { return c.Private.Listen }, "127.0.0.1:0"},
		{"proxies", strings.Replace(minimal, "example.com}", "example.com, trusted_proxies: [10.0.0.0/8, '::1']}", 1), func(c *Config) any { return c.Public.TrustedProxies }, []string{"10.0.0.0/8", "::1"}},
		{"absolute path", with("rules_dir: /srv/rules/"), func(c *Config) any { return c.RulesDir }, "/srv/rules"},
		{"relative path", with("rules_dir: ../rules"), func(c *Config) any { return c.RulesDir }, "/etc/rules"},
		{"keys beside data", with("data_dir: d\nkeys_dir: d-keys"), func(c *Config) any { return c.KeysDir }, "/etc/teamsdlp/d-keys"},
		{"data inside keys", with("data_dir: keys/data"), func(c *Config) any { return c.DataDir }, "/etc/teamsdlp/keys/data"},
		{"checkpoint file elsewhere", with("action_log: {checkpoint_file: ../log}"), func(c *Config) any { return c.ActionLog.CheckpointFile }, "/etc/log"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := parse(t, c.file)
			if diff := cmp.Diff(c.want, c.get(cfg)); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if cfg.Warnings != nil {
				t.Errorf("warnings: %v", cfg.Warnings)
			}
		})
	}
}

func TestCloud(t *testing.T) {
	const tid = "11111111-1111-4111-8111-111111111111"
	for _, c := range []struct {
		cloud                          Cloud
		graph, login, issuer1, issuer2 string
		enforce                        bool
	}{
		{Cloud{Name: Global}, "https://graph.microsoft.com", "https://login.microsoftonline.com", "https://sts.windows.net/" + tid + "/", "https://login.microsoftonline.com/" + tid + "/v2.0", true},
		{Cloud{Name: USGov}, "https://graph.microsoft.us", "https://login.microsoftonline.us", "https://sts.windows.net/" + tid + "/", "https://login.microsoftonline.us/" + tid + "/v2.0", false},
		{Cloud{Name: DoD}, "https://dod-graph.microsoft.us", "https://login.microsoftonline.us", "https://sts.windows.net/" + tid + "/", "https://login.microsoftonline.us/" + tid + "/v2.0", false},
		{Cloud{Name: China}, "https://microsoftgraph.chinacloudapi.cn", "https://login.chinacloudapi.cn", "https://sts.chinacloudapi.cn/" + tid + "/", "https://login.partner.microsoftonline.cn/" + tid + "/v2.0", false},
		{Cloud{Name: Custom, GraphURL: "http://127.0.0.1:1/", LoginURL: "http://127.0.0.1:2"}, "http://127.0.0.1:1", "http://127.0.0.1:2", "http://127.0.0.1:2/" + tid + "/", "http://127.0.0.1:2/" + tid + "/v2.0", true},
	} {
		t.Run(c.cloud.Name, func(t *testing.T) {
			e := c.cloud.Resolve()
			got := []any{e.Graph, e.Login, strings.ReplaceAll(e.IssuerV1, "{tid}", tid), strings.ReplaceAll(e.IssuerV2, "{tid}", tid), c.cloud.CanEnforce(), e.V1Keys(tid), e.V2Keys(tid)}
			want := []any{
				c.graph, c.login, c.issuer1, c.issuer2, c.enforce,
				c.login + "/" + tid + "/discovery/keys", c.login + "/" + tid + "/discovery/v2.0/keys",
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			text := minimal + "cloud: {name: " + c.cloud.Name + "}"
			if c.cloud.Name == Custom {
				text = minimal + "cloud: {name: custom, graph_url: 'http://127.0.0.1:1/', login_url: 'http://127.0.0.1:2'}"
			}
			if got := parse(t, text).Cloud.Resolve(); got != e {
				t.Errorf("from a file: %+v", got)
			}
		})
	}
}

func TestWarnings(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "open"), "hunter2-the-client-secret", 0o640)
	write(t, filepath.Join(dir, "closed"), "hunter2-the-client-secret", 0o600)
	for _, c := range []struct{ file, want string }{
		{"secret: file:open", `c.yaml:6:47: tenants[0].credential.secret: its file has mode 0640: others than its owner can read it; chmod 600 mends that`},
		{"secret: file:closed", ""},
	} {
		text := strings.Replace(minimal, "secret: env:SECRET", c.file, 1)
		checkWarnings(t, text, dir, c.want)
	}
	checkWarnings(t, strings.Replace(minimal, "client_secret, secret: env:SECRET", "certificate, certificate: open", 1), dir,
		`c.yaml:6:50: tenants[0].credential.certificate: its file has mode 0640: others than its owner can read it; chmod 600 mends that`)
	checkWarnings(t, strings.Replace(minimal, "example.com", "example.com, tls: {cert: open, key: open}", 1), dir,
		`c.yaml:2:63: public.tls.key: its file has mode 0640: others than its owner can read it; chmod 600 mends that`)
	checkWarnings(t, minimal+"    resources: [chats, chats/a/messages, users/a/chats/getAllMessages, teams/a/channels/b/messages]", dir,
		`c.yaml:7:24: tenants[0].resources[1]: chats covers it already; each message will be notified twice`+"\n"+
			`c.yaml:7:42: tenants[0].resources[2]: chats covers it already; each message will be notified twice`)
	checkWarnings(t, minimal+"action_log: {checkpoint_file: data/checkpoints}", dir,
		`c.yaml:7:31: action_log.checkpoint_file: is inside data_dir: who can change the log there can change the checkpoints too`)
}

func checkWarnings(t *testing.T, text, dir, want string) {
	t.Helper()
	cfg, err := Parse("c.yaml", []byte(text), environment, dir)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, cfg.Warnings.Error()); diff != "" {
		t.Errorf("warnings (-want +got):\n%s", diff)
	}
}

func TestKeysInsideDataThroughALink(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "data", "sub"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(filepath.Join(dir, "data", "sub"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	_, err := Parse("c.yaml", []byte(minimal+"data_dir: data\nkeys_dir: link/keys"), environment, dir)
	want := "c.yaml:8:11: keys_dir: is inside data_dir: a copy of the data would be a copy of the keys"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
}

func TestInside(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		path, dir string
		want      bool
	}{
		{"d", "d", true},
		{"d/k", "d", true},
		{"d/../d/k/l", "d", true},
		{"dk", "d", false},
		{"d", "d/k", false},
		{"..d", ".", true},
		{"d/../k", "d", false},
	} {
		got, err := Inside(filepath.Join(dir, c.path), filepath.Join(dir, c.dir))
		if got != c.want || err != nil {
			t.Errorf("Inside(%s, %s) = %v, %v, want %v", c.path, c.dir, got, err, c.want)
		}
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "teamsdlp.yaml")
	_, err := Load(path, environment)
	if !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("absent file: %v", err)
	}
	if want := path + ": reading the configuration: no such file or directory"; err.Error() != want {
		t.Errorf("absent file: %q, want %q", err, want)
	}
	if _, err = Load(dir, environment); err == nil || !strings.HasSuffix(err.Error(), "not a regular file") {
		t.Errorf("a folder: %v", err)
	}
	write(t, path, strings.Repeat("#", maxFile+1), 0o600)
	if _, err = Load(path, environment); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("a large file: %v", err)
	}
	if _, err = Parse("c", bytes.Repeat([]byte("#"), maxFile+1), environment, dir); err == nil || !strings.Contains(err.Error(), "larger than") {
		t.Errorf("large data: %v", err)
	}
	write(t, path, minimal, 0o600)
	cfg, err := Load(path, environment)
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(dir, "rules"); cfg.RulesDir != want {
		t.Errorf("rules_dir is %s, want %s", cfg.RulesDir, want)
	}
}

func TestSecretNeverPrints(t *testing.T) {
	const secret = "hunter2-the-client-secret"
	cfg := parse(t, minimal)
	one := cfg.Tenants[0].Credential.Secret
	if one.Reveal() != secret || NewSecret(secret).Reveal() != secret {
		t.Fatal("Reveal does not reveal")
	}
	var printed []string
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d", "%t", "%p", "%T%v", "%!", "%10.3s"} {
		for _, v := range []any{one, &one, cfg, *cfg, cfg.Tenants, NewSecret(secret), []Secret{one}, map[string]Secret{"a": one}} {
			printed = append(printed, fmt.Sprintf(verb, v))
		}
	}
	asJSON, err := json.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	asYAML, err := yaml.Marshal(cfg)
	if err != nil {
		t.Fatal(err)
	}
	printed = append(printed, string(asJSON), string(asYAML), errors.Join(fmt.Errorf("%w: %v", errors.New("x"), one)).Error())
	for _, p := range printed {
		if strings.Contains(p, "hunter2") || strings.Contains(p, fmt.Sprintf("%x", "hunter2")) || strings.Contains(p, fmt.Sprintf("%X", "hunter2")) {
			t.Errorf("printed: %s", p)
		}
	}
	if !bytes.Contains(asJSON, []byte(`"[secret]"`)) || !bytes.Contains(asYAML, []byte("[secret]")) {
		t.Errorf("a secret is not marked: %s", asJSON)
	}
}

func TestExampleLoads(t *testing.T) {
	cfg, err := Parse("example.yaml", Example, environment, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
}

// commented are the keys that the example shows without setting them.
var commented = regexp.MustCompile(`(?m)^( *)#([^ \n])`)

// With every commented key taken in, the example has every key there is, and
// what it shows as a default is the default.
func TestExampleIsComplete(t *testing.T) {
	full := commented.ReplaceAll(Example, []byte("$1$2"))
	d := &decoder{file: "example.yaml", dir: "/", getenv: environment, at: map[string]pos{}, bad: map[string]bool{}}
	got := d.decode(full)
	if len(d.faults) > 0 {
		t.Fatalf("with every key: %v", d.faults)
	}
	for _, path := range every("", reflect.TypeFor[Config]()) {
		if !d.given(path) {
			t.Errorf("the example does not show %s", path)
		}
	}
	if !slices.Contains(every("", reflect.TypeFor[Config]()), "tenants[0].credential.client_id") {
		t.Error("the walk over Config does not reach its depth")
	}
	// What has no default is shown with an example.
	want := defaults()
	want.Public.URL, want.Public.TLS, want.Public.TrustedProxies = got.Public.URL, got.Public.TLS, []string{}
	want.Private.Hosts = []string{}
	want.Cloud.GraphURL, want.Cloud.LoginURL = got.Cloud.GraphURL, got.Cloud.LoginURL
	want.Tenants, want.Desk = got.Tenants, got.Desk
	want.ActionLog.CheckpointFile = got.ActionLog.CheckpointFile
	r, shown := &want.Store.Redis, got.Store.Redis
	r.Addresses, r.Master, r.Username, r.Password, r.SentinelPassword = shown.Addresses, shown.Master, shown.Username, shown.Password, shown.SentinelPassword
	r.CA, r.Node, r.MaxBytes = shown.CA, shown.Node, shown.MaxBytes
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(Secret{})); diff != "" {
		t.Errorf("a default is shown wrong (-default +shown):\n%s", diff)
	}
	if diff := cmp.Diff([]string{"chats", "channels"}, got.Tenants[0].Resources); diff != "" {
		t.Errorf("resources (-default +shown):\n%s", diff)
	}
}

// every is the path of every key below t, in the first item of each list.
func every(path string, t reflect.Type) []string {
	switch {
	case t.Kind() == reflect.Slice && t.Elem().Kind() == reflect.Struct:
		return every(path+"[0]", t.Elem())
	case t.Kind() != reflect.Struct || t == secretType:
		return []string{path}
	}
	var all []string
	for f := range t.Fields() {
		switch key := f.Tag.Get("yaml"); key {
		case "-":
		case "":
			all = append(all, "a yaml name for the field "+f.Name)
		default:
			all = append(all, every(join(path, key), f.Type)...)
		}
	}
	return all
}

func FuzzParse(f *testing.F) {
	f.Add(Example)
	f.Add(commented.ReplaceAll(Example, []byte("$1$2")))
	f.Add([]byte(minimal))
	files, err := filepath.Glob("testdata/*.bad.yaml")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(data)
	}
	trial.Fuzz(f, 30, func(t *testing.T, data []byte) {
		// A path that does not exist keeps references to files off this machine.
		cfg, err := Parse("c.yaml", bytes.ReplaceAll(data, []byte("/"), []byte("_")), environment, "/nonexistent")
		var faults Faults
		switch {
		case err == nil && cfg == nil:
			t.Fatal("neither a config nor an error")
		case err == nil:
			if len(cfg.Tenants) == 0 || cfg.Public.URL == "" || cfg.Webhook.MaxBody <= 0 || cfg.Subscriptions.Lifetime > maxLifetime {
				t.Fatalf("an invalid config passed: %v", cfg)
			}
		case !errors.As(err, &faults) || len(faults) == 0 || cfg != nil:
			t.Fatalf("config %v, error %v", cfg, err)
		}
		for _, fault := range faults {
			if fault.Line < 1 || fault.Col < 1 || fault.Msg == "" || fault.File != "c.yaml" {
				t.Fatalf("a fault without a place: %+v", fault)
			}
			if strings.Contains(fault.Error(), "\n") || len(fault.Msg) > 1000 {
				t.Fatalf("a fault of many lines: %q", fault)
			}
			for _, name := range []string{"SECRET", "TOKEN", "SHORT"} {
				if strings.Contains(fault.Msg, environment(name)) && !bytes.Contains(data, []byte(environment(name))) {
					t.Fatalf("a fault repeats a secret: %v", fault)
				}
			}
		}
	})
}

func write(t *testing.T, path, text string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}
