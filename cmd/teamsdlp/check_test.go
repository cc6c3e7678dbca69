package main

import (
	"bufio"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"teamsdlp/actions"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/config"
	"teamsdlp/webhook"
)

const (
	checkTenant = "11111111-1111-4111-8111-111111111111"
	checkApp    = "22222222-2222-4222-8222-222222222222"
	checkSecret = "hunter2-the-client-secret"
)

// checkKeys are the files of a key directory, made once: RSA keys take time.
var checkKeys = sync.OnceValues(func() (map[string][]byte, error) {
	dir, err := os.MkdirTemp("", "keys")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	if _, err := writeKeys(context.Background(), keyOptions{Dir: dir, ID: "a", Bits: 2048, Now: time.Now()}); err != nil {
		return nil, err
	}
	if _, err := writeKeys(context.Background(), keyOptions{Dir: dir, ID: "b", Bits: 2048, Now: time.Now().Add(-time.Hour)}); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if files[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			return nil, err
		}
	}
	return files, nil
})

const checkRule = `
rules:
  - id: bluebird
    title: A secret project
    owner: projects@contoso.com
    severity: high
    mode: enforce
    when: {regex: 'Bluebird-[0-9]+'}
    action: block
    tip: {text: This project is secret.}
    tests:
      match: ["about Bluebird-7"]
      no_match: ["about a bluebird"]
`

// site is a folder in which check finds nothing to say, with a configuration
// that ends in more.
func site(t *testing.T, more string) string {
	t.Helper()
	dir := t.TempDir()
	keys, err := checkKeys()
	if err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"keys", "data", "rules"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for name, data := range keys {
		mode := os.FileMode(0o600)
		if name == actions.CheckpointPublicFile {
			mode = 0o644
		}
		if err := os.WriteFile(filepath.Join(dir, "keys", name), data, mode); err != nil {
			t.Fatal(err)
		}
	}
	put(t, dir, "rules/projects.yaml", checkRule)
	text := more
	if !strings.Contains(more, "public:") {
		text = "public: {url: https://dlp.example.com}\n" + more
	}
	put(t, dir, "teamsdlp.yaml", text+`
tenants:
  - {id: `+checkTenant+`, app_id: `+checkApp+`, credential: {kind: client_secret, secret: env:SECRET}}
`)
	return dir
}

func put(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func checkAt(t *testing.T, dir string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	code, stdout, stderr = commandEnv(t, map[string]string{"SECRET": checkSecret},
		append([]string{"check", "--config", filepath.Join(dir, "teamsdlp.yaml")}, args...)...)
	if strings.Contains(stdout+stderr, "hunter2") {
		t.Errorf("it prints a secret:\n%s%s", stdout, stderr)
	}
	return code, stdout, stderr
}

func TestCheck(t *testing.T) {
	remove := func(names ...string) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			for _, name := range names {
				if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	chmod := func(name string, mode os.FileMode) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			if err := os.Chmod(filepath.Join(dir, name), mode); err != nil {
				t.Fatal(err)
			}
		}
	}
	file := func(name, text string) func(*testing.T, string) {
		return func(t *testing.T, dir string) { put(t, dir, name, text) }
	}
	pem := func(host string, until time.Duration) func(*testing.T, string) {
		return func(t *testing.T, dir string) { writeTLS(t, dir, host, until) }
	}
	// store makes one, with as many items in quarantine.
	store := func(aside int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			s, err := sqlite.Open(t.Context(), sqlite.Options{Dir: filepath.Join(dir, "data"), MinFree: -1})
			if err != nil {
				t.Fatal(err)
			}
			err = s.Append(t.Context(), actions.Entry{Kind: actions.KindRules, Actor: actions.ActorSelf})
			for range aside {
				err = errors.Join(err, s.Put(t.Context(), []webhook.Item{{SubscriptionID: "s", TenantID: checkTenant}}))
				items, claimed := s.Claim(t.Context(), 1)
				if err = errors.Join(err, claimed); err == nil {
					err = s.Quarantine(t.Context(), items[0].Receipt, "unknown_certificate")
				}
			}
			if err := errors.Join(err, s.Close()); err != nil {
				t.Fatal(err)
			}
		}
	}
	// credential makes the app prove itself by a certificate.
	credential := func(valid time.Duration, withKey bool, bits ...int) func(*testing.T, string) {
		return func(t *testing.T, dir string) {
			key, err := rsa.GenerateKey(rand.Reader, append(bits, 2048)[0])
			if err != nil {
				t.Fatal(err)
			}
			writePair(t, dir, "teamsdlp", valid, key)
			var pair []byte
			for _, name := range []string{"tls.pem", "tls.key"} {
				data, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Fatal(err)
				}
				if name == "tls.pem" || withKey {
					pair = append(pair, data...)
				}
			}
			put(t, dir, "graph.pem", string(pair))
			text, err := os.ReadFile(filepath.Join(dir, "teamsdlp.yaml"))
			if err != nil {
				t.Fatal(err)
			}
			put(t, dir, "teamsdlp.yaml", strings.Replace(string(text), "{kind: client_secret, secret: env:SECRET}", "{kind: certificate, certificate: graph.pem}", 1))
		}
	}
	const ownTLS = "public: {url: https://dlp.example.com, tls: {cert: tls.pem, key: tls.key}}"
	for _, c := range []struct {
		name, more string
		do         func(*testing.T, string)
		code       int
		want       []string // in the output, after "DIR" for the folder
	}{
		{"all in order", "", nil, 0, []string{
			"ok       config        DIR/teamsdlp.yaml: 1 tenant, cloud global\n",
			"ok       keys          encryption key a of 2 pairs, valid until ",
			"ok       keys          checkpoint key teamsdlp and digest key\n",
			"ok       tls           TLS for https://dlp.example.com ends at a proxy in front of 0.0.0.0:8443\n",
			"DIR/data: a synced write takes ",
			"ok       desk          on 127.0.0.1:8444, sign-in by a one-time link that serve prints\n",
			"ok       rules         1 rule in DIR/rules, generation ",
			": 0 faults, ",
		}},
		{"config faults", "privat: {}\ngraph: {timeout: 30}", nil, 1, []string{
			`fault    config        DIR/teamsdlp.yaml:2:1: unknown key "privat" (did you mean "private"?)`,
			`fault    config        DIR/teamsdlp.yaml:3:18: graph.timeout: must be a duration`,
			"-> correct it in the file; teamsdlp check --example", "2 checks: 2 faults",
		}},
		{"config warning", "action_log: {checkpoint_file: data/x}", nil, 0, []string{"warning  config        DIR/teamsdlp.yaml:2:31: action_log.checkpoint_file: is inside data_dir"}},
		{"no checkpoint file", "", nil, 0, []string{"note     checkpoints   signed checkpoints leave this machine by serve's standard output only\n"}},
		{"checkpoint file to be made", "action_log: {checkpoint_file: rules/../points}", nil, 0, []string{"ok       checkpoints   signed checkpoints are appended to DIR/points\n"}},
		{"checkpoint file in no folder", "action_log: {checkpoint_file: nowhere/points}", nil, 1, []string{"fault    checkpoints   DIR/nowhere/points cannot be made: ", "-> give the file's folder to the user"}},
		{"checkpoint file that is a folder", "action_log: {checkpoint_file: rules}", nil, 1, []string{"fault    checkpoints   open DIR/rules: is a directory"}},
		{"a cloud that cannot act", "cloud: {name: usgov}", nil, 0, []string{"warning  cloud         Graph cannot act on messages in the cloud usgov\n", "-> expect findings"}},
		{"a custom cloud", "cloud: {name: custom, graph_url: https://graph.example.com, login_url: https://login.example.com}", nil, 0, []string{"warning  cloud         a custom cloud: https://login.example.com decides"}},
		{"a file that is not there", "desk: {users: [{name: jo, token: \"file:no/token\"}]}", nil, 1, []string{`DIR/teamsdlp.yaml:2:34: desk.users[0].token: reading the secret from "no/token": no such file or directory` + "\n", "-> put the file there, or correct its path"}},
		{"a variable that is not set", "desk: {users: [{name: jo, token: env:NO_SUCH_TOKEN}]}", nil, 1, []string{"desk.users[0].token: the environment variable NO_SUCH_TOKEN is not set, or empty\n", "-> set it where serve is started, and for this command too"}},
		{"on this machine only", "public: {url: \"http://127.0.0.1:8443\"}", nil, 0, []string{"ok       tls           none: http://127.0.0.1:8443 is of this machine only\n"}},
		{"an address of this network", "public: {url: \"https://10.0.0.7\"}", nil, 0, []string{"warning  config        Microsoft Graph cannot reach 10.0.0.7: ", "-> set public.url to the name"}},
		{"a name of this network", "public: {url: \"https://dlp\"}", nil, 0, []string{"warning  config        Microsoft Graph cannot reach dlp: "}},
		{"a name that the log uses", "desk: {users: [{name: graph, token: env:SECRET}]}", nil, 1, []string{`fault    desk          desk.users[0]: the log uses the name "graph" for somebody else` + "\n", "-> give this person another name"}},
		{"no Redis", "store: {kind: redis, redis: {addresses: [\"127.0.0.1:1\"]}}", nil, 1, []string{"fault    store         the store on Redis at 127.0.0.1:1: ", "-> see that it runs, and that store.redis names where"}},
		{"named users", "desk: {users: [{name: jo, token: env:SECRET}]}", nil, 0, []string{"sign-in by the tokens of 1 named user\n"}},

		{"no key directory", "", remove("keys"), 1, []string{"fault    keys          keys_dir: ", "-> make keys: teamsdlp keys new --keys-dir DIR/keys\n"}},
		{"open key directory", "", chmod("keys", 0o755), 0, []string{"warning  keys          others than its owner can look into", "-> chmod 700 DIR/keys\n"}},
		{"open key", "", chmod("keys/encryption-b.key.pem", 0o640), 1, []string{"fault    keys          DIR/keys/encryption-b.key.pem has mode 0640", "-> chmod 600 DIR/keys/encryption-b.key.pem\n"}},
		{"open digest key", "", chmod("keys/digest.key", 0o644), 1, []string{"fault    keys          DIR/keys/digest.key has mode 0644"}},
		{"half a pair", "", remove("keys/encryption-b.cert.pem"), 1, []string{"fault    keys          encryption keys: pair b: ", "-> put right what is named, from your copy where half a pair is missing\n"}},
		{"no pair", "", remove("keys/encryption-a.cert.pem", "keys/encryption-a.key.pem", "keys/encryption-b.cert.pem", "keys/encryption-b.key.pem"), 1, []string{"fault    keys          encryption keys: no encryption-<id>.key.pem in DIR/keys\n", "-> make what is missing"}},
		{"certificate of another key", "", func(t *testing.T, dir string) {
			if err := os.Rename(filepath.Join(dir, "keys/encryption-b.cert.pem"), filepath.Join(dir, "keys/encryption-a.cert.pem")); err != nil {
				t.Fatal(err)
			}
		}, 1, []string{"pair a: the certificate is of another key"}},
		{"no digest key", "", remove("keys/digest.key"), 1, []string{"fault    keys ", "digest.key", "-> put it back from your copy, or move the other keys of the action log away to begin a new log\n"}},
		{"broken checkpoint key", "", file("keys/checkpoint.key", "hunter2\n"), 1, []string{"fault    keys          reading the checkpoint key"}},

		{"own TLS, not trusted", ownTLS, pem("dlp.example.com", 90*24*time.Hour), 0, []string{"warning  tls           this machine does not trust the certificate for dlp.example.com"}},
		{"own TLS on loopback", "public: {url: https://localhost, tls: {cert: tls.pem, key: tls.key}}", pem("localhost", 90*24*time.Hour), 0, []string{"ok       tls           certificate for localhost, valid until "}},
		{"TLS for another host", ownTLS, pem("www.example.com", 90*24*time.Hour), 1, []string{"fault    tls           DIR/tls.pem is not for the host dlp.example.com"}},
		{"TLS that ended", ownTLS, pem("dlp.example.com", -time.Hour), 1, []string{"fault    tls           the certificate for dlp.example.com ended on "}},
		{"TLS that ends soon", ownTLS, pem("dlp.example.com", 24*time.Hour), 0, []string{"warning  tls           the certificate for dlp.example.com ends on "}},
		{"TLS key of another", ownTLS, func(t *testing.T, dir string) {
			writeTLS(t, dir, "dlp.example.com", time.Hour)
			other := t.TempDir()
			writeTLS(t, other, "dlp.example.com", time.Hour)
			if err := os.Rename(filepath.Join(other, "tls.key"), filepath.Join(dir, "tls.key")); err != nil {
				t.Fatal(err)
			}
		}, 1, []string{"fault    tls           DIR/tls.pem and DIR/tls.key: tls: private key does not match public key"}},

		{"a certificate of the app", "", credential(90*24*time.Hour, true), 0, []string{"ok       credential    " + checkTenant + ": certificate in DIR/graph.pem, valid until "}},
		{"a certificate that ends soon", "", credential(24*time.Hour, true), 0, []string{"warning  credential    " + checkTenant + ": the certificate in DIR/graph.pem ends on ", "-> make a new certificate, upload it"}},
		{"a certificate that ended", "", credential(-time.Hour, true), 1, []string{"fault    credential    " + checkTenant + ": the certificate in DIR/graph.pem ended on "}},
		{"a certificate with another kind of key", "", func(t *testing.T, dir string) {
			credential(time.Hour, true)(t, dir)
			writeTLS(t, dir, "teamsdlp", time.Hour)
			data, err := os.ReadFile(filepath.Join(dir, "tls.pem"))
			key, err2 := os.ReadFile(filepath.Join(dir, "tls.key"))
			if err = errors.Join(err, err2); err != nil {
				t.Fatal(err)
			}
			put(t, dir, "graph.pem", string(data)+string(key))
		}, 1, []string{"fault    credential    " + checkTenant + ": DIR/graph.pem: key must be an RSA key\n"}},
		{"a certificate with a short key", "", credential(90*24*time.Hour, true, 1024), 1, []string{"fault    credential    " + checkTenant + ": the key of the certificate in DIR/graph.pem has 1024 bits", "-> make a new certificate"}},
		{"a certificate without its key", "", credential(90*24*time.Hour, false), 1, []string{"fault    credential    " + checkTenant + ": ", "does not hold a certificate and its key", "-> put the certificate and its key, RSA"}},

		{"data not there yet", "", remove("data"), 0, []string{"DIR/data (not there yet: serve makes it): a synced write"}},
		{"data is a file", "data_dir: rules/projects.yaml", nil, 1, []string{"fault    data          DIR/rules/projects.yaml is not a folder"}},
		{"data open", "", chmod("data", 0o755), 0, []string{"warning  data          others than its owner can look into DIR/data"}},
		{"data open, and somebody else's", "", func(t *testing.T, dir string) {
			put(t, dir, "data/notes", "")
			chmod("data", 0o755)(t, dir)
		}, 1, []string{"fault    data          others than its owner can look into DIR/data, and there is something else in it: serve does not start on it\n", "-> chmod 700 DIR/data, or"}},
		{"a store", "", store(0), 0, []string{"ok       store         log entries: 1; nothing in quarantine\n"}},
		{"a store with a quarantine", "", store(2), 0, []string{"warning  store         log entries: 1; items are in quarantine, the latest: unknown_certificate\n", "-> what is in quarantine was not judged: teamsdlp inbox list says why"}},
		{"a store without tables", "", file("data/teamsdlp.db", ""), 0, []string{"warning  store         there is nothing in teamsdlp.db: ", "-> if it was to hold a log, put it there again"}},
		{"a store of something else", "", file("data/teamsdlp.db", strings.Repeat("hunter2", 1000)), 1, []string{"fault    store         reading the store in DIR/data: ", "-> see that the disk is whole"}},
		{"data where nobody can write", "data_dir: /proc/teamsdlp", nil, 1, []string{"fault    data          writing to /proc: "}},

		{"no rule directory", "", remove("rules"), 1, []string{"fault    rules         reading rules in DIR/rules", "-> make the folder"}},
		{"no rule", "", remove("rules/projects.yaml"), 0, []string{"warning  rules         DIR/rules: no rules: no message is ever acted on."}},
		{"a rule fault", "", file("rules/projects.yaml", strings.Replace(checkRule, "regex:", "regxe:", 1)), 1, []string{"fault    rules         DIR/rules/projects.yaml:8:", `did you mean "regex"?`}},
		{"a rule test that fails", "", file("rules/projects.yaml", strings.Replace(checkRule, "about Bluebird-7", "about Bluebird-x", 1)), 1, []string{"fault    rules         DIR/rules/projects.yaml:"}},
		{"a rule without tests", "", file("rules/projects.yaml", checkRule[:strings.Index(checkRule, "    tests:")]), 0, []string{"warning  rules         DIR/rules/projects.yaml:"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := site(t, c.more)
			if c.do != nil {
				c.do(t, dir)
			}
			code, stdout, stderr := checkAt(t, dir)
			if code != c.code {
				t.Errorf("exit %d, want %d; %s", code, c.code, stderr)
			}
			for _, want := range c.want {
				if want = strings.ReplaceAll(want, "DIR", dir); !strings.Contains(stdout, want) {
					t.Errorf("no %q in\n%s", want, stdout)
				}
			}
			for line := range strings.Lines(stdout) {
				if c.code == 0 && strings.HasPrefix(line, "fault") {
					t.Errorf("unexpected: %s", line)
				}
			}
			if c.do == nil {
				if left, err := filepath.Glob(filepath.Join(dir, "data", ".*")); err != nil || len(left) > 0 {
					t.Errorf("it left %v, %v", left, err)
				}
			}
		})
	}
}

// writeTLS writes a self-signed certificate, tls.pem, and its key, tls.key.
func writeTLS(t *testing.T, dir, host string, valid time.Duration) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	writePair(t, dir, host, valid, key)
}

func writePair(t *testing.T, dir, host string, valid time.Duration, key crypto.Signer) {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: host}, DNSNames: []string{host},
		NotBefore: time.Now().Add(-48 * time.Hour), NotAfter: time.Now().Add(valid),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	put(t, dir, "tls.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})))
	put(t, dir, "tls.key", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})))
}

func TestCheckExpiryOfTheEncryptionKey(t *testing.T) {
	dir := site(t, "")
	for _, c := range []struct {
		after time.Duration
		want  checkState
	}{
		{0, isOK},
		{-24 * time.Hour, isFault}, // before it begins
		{5*365*24*time.Hour - 20*24*time.Hour, isWarn},
		{6 * 365 * 24 * time.Hour, isFault},
	} {
		k := &checker{now: func() time.Time { return time.Now().Add(c.after) }}
		k.keys(filepath.Join(dir, "keys"))
		if len(k.results) != 2 || k.results[0].State != c.want {
			t.Errorf("after %s: %+v, want %s first", c.after, k.results, c.want)
		}
	}
}

func TestCheckOfADiskTooFastToBeOne(t *testing.T) {
	for took, want := range map[time.Duration]checkState{sqlite.SyncTooFast - 1: isWarn, sqlite.SyncTooFast: isOK} {
		k := &checker{}
		if k.disk("d", took); k.results[0].State != want {
			t.Errorf("%s: %+v, want %s", took, k.results, want)
		}
	}
}

// A disk so full that serve takes nothing is a fault, before serve says so.
func TestCheckOfAFullDisk(t *testing.T) {
	for _, c := range []struct {
		free uint64
		err  error
		want int
	}{{1 << 30, nil, 0}, {512 << 20, nil, 0}, {100 << 20, nil, 1}, {0, errors.ErrUnsupported, 0}} {
		k := &checker{}
		if k.room(c.free, 512<<20, c.err); k.count(isFault) != c.want {
			t.Errorf("%d bytes free: %+v, want %d faults", c.free, k.results, c.want)
		}
	}
	dir := t.TempDir()
	if got := existing(filepath.Join(dir, "a", "b")); got != dir {
		t.Errorf("the nearest folder that is there: %s, want %s", got, dir)
	}
	if free, mark, err := sqlite.Space(dir); err != nil || free == 0 || mark < 512<<20 {
		t.Errorf("free %d, mark %d: %v", free, mark, err)
	}
}

func TestCheckJSON(t *testing.T) {
	dir := site(t, "")
	for _, ok := range []bool{true, false} {
		if !ok {
			if err := os.RemoveAll(filepath.Join(dir, "rules")); err != nil {
				t.Fatal(err)
			}
		}
		code, stdout, _ := checkAt(t, dir, "--json")
		var got struct {
			OK     bool
			Checks []checkResult
		}
		if err := json.Unmarshal([]byte(stdout), &got); err != nil {
			t.Fatalf("%v in %s", err, stdout)
		}
		if got.OK != ok || (code == 0) != ok || len(got.Checks) < 6 || got.Checks[0].Check != "config" || got.Checks[0].State != isOK {
			t.Errorf("exit %d, %s", code, stdout)
		}
		for _, r := range got.Checks {
			if r.State == isFault && r.Mend == "" {
				t.Errorf("a fault without its mend: %+v", r)
			}
		}
	}
}

func TestCheckWithoutAFile(t *testing.T) {
	code, stdout, stderr := checkAt(t, t.TempDir())
	if code != 2 || stdout != "" || !strings.Contains(stderr, "no such file") || !strings.Contains(stderr, "--example") {
		t.Errorf("exit %d, %q, %q", code, stdout, stderr)
	}
}

func TestCheckExample(t *testing.T) {
	code, stdout, stderr := command(t, "check", "--example")
	if code != 0 || stdout != string(config.Example) || stderr != "" {
		t.Errorf("exit %d, %d bytes, %q", code, len(stdout), stderr)
	}
}

func TestCheckLive(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.Method != http.MethodGet:
			w.WriteHeader(http.StatusMethodNotAllowed)
		case r.URL.Path == "/moved":
			http.Redirect(w, r, "/livez", http.StatusFound)
		case r.URL.Path != "/livez":
			w.WriteHeader(http.StatusServiceUnavailable)
		}
	}))
	defer s.Close()
	gone := httptest.NewServer(nil)
	gone.Close()
	for _, c := range []struct {
		url, want string
		code      int
	}{
		{s.URL + "/livez", "live\n", 0},
		{s.URL + "/readyz", "teamsdlp: not live: status 503\n", 1},
		{s.URL + "/moved", "teamsdlp: not live: status 302\n", 1},
		{gone.URL + "/livez", "connection refused\n", 1},
		{"127.0.0.1:8444", "teamsdlp: --live takes a URL", 2},
		{"file:///etc/passwd", "teamsdlp: --live takes a URL", 2},
	} {
		code, stdout, stderr := command(t, "check", "--live", c.url)
		if code != c.code || !strings.Contains(stdout+stderr, c.want) {
			t.Errorf("%s: exit %d, %q, want %d, %q", c.url, code, stdout+stderr, c.code, c.want)
		}
	}
}

// login is a login server whose every answer can be replaced.
type login struct {
	roles []string
	token http.HandlerFunc // nil: a token with roles
	keys  http.HandlerFunc // nil: one key
	skew  time.Duration
}

func (l *login) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Date", time.Now().Add(l.skew).UTC().Format(http.TimeFormat))
	base := "https://" + r.Host + "/" + checkTenant
	switch r.URL.Path {
	case "/" + checkTenant + "/v2.0/.well-known/openid-configuration":
		fmt.Fprintf(w, `{"issuer":"%[1]s/v2.0","authorization_endpoint":"%[1]s/a","token_endpoint":"%[1]s/oauth2/v2.0/token"}`, base)
	case "/" + checkTenant + "/oauth2/v2.0/token":
		if l.token != nil {
			l.token(w, r)
			return
		}
		if r.FormValue("client_secret") != checkSecret || r.FormValue("client_id") != checkApp || !strings.Contains(r.FormValue("scope"), "/.default") {
			w.WriteHeader(http.StatusUnauthorized)
			fmt.Fprint(w, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided. Trace ID: 1"}`)
			return
		}
		claims, err := json.Marshal(map[string]any{"roles": l.roles})
		if err != nil {
			panic(err)
		}
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"token_type":"Bearer","expires_in":3600,"access_token":"e30.%s.c2ln"}`, base64.RawURLEncoding.EncodeToString(claims))
	case "/" + checkTenant + "/discovery/keys", "/" + checkTenant + "/discovery/v2.0/keys":
		if l.keys != nil {
			l.keys(w, r)
			return
		}
		fmt.Fprint(w, `{"keys":[{"kid":"1"}]}`)
	default:
		w.WriteHeader(http.StatusNotFound)
	}
}

func reply(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// echo is the answer to a handshake as it must be.
func echo(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
}

var allRoles = []string{
	"Chat.Read.All", "Chat.UpdatePolicyViolation.All", "ChannelMessage.Read.All", "ChannelMessage.UpdatePolicyViolation.All",
	"ChatMember.Read.All", "ChannelMember.Read.All", "Channel.ReadBasic.All", "User.Read.All", "GroupMember.Read.All",
}

func without(roles ...string) []string {
	var left []string
	for _, have := range allRoles {
		keep := true
		for _, r := range roles {
			keep = keep && r != have
		}
		if keep {
			left = append(left, have)
		}
	}
	return left
}

// onlineConfig is a configuration of a custom cloud at loginURL and a public
// address.
func onlineConfig(t *testing.T, loginURL, publicURL, resources string) *config.Config {
	t.Helper()
	text := fmt.Sprintf(`
public: {url: "%s"}
cloud: {name: custom, graph_url: "%s", login_url: "%s"}
tenants:
  - {id: %s, app_id: %s, credential: {kind: client_secret, secret: env:SECRET}, resources: %s}
`, publicURL, loginURL, loginURL, checkTenant, checkApp, resources)
	cfg, err := config.Parse("c.yaml", []byte(text), func(string) string { return checkSecret }, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return cfg
}

func onlineLines(t *testing.T, cfg *config.Config, client *http.Client) (string, int) {
	t.Helper()
	k := &checker{now: time.Now, client: client}
	k.online(t.Context(), cfg)
	var out strings.Builder
	if err := k.print(&out, false); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(out.String(), "hunter2") || strings.Contains(out.String(), "e30.") {
		t.Errorf("it prints a secret:\n%s", out.String())
	}
	for _, r := range k.results {
		if r.State == isFault && r.Mend == "" {
			t.Errorf("a fault without its mend: %+v", r)
		}
	}
	return out.String(), k.count(isFault)
}

func TestCheckOnline(t *testing.T) {
	const both, chats, channels = "[chats, channels]", "[chats]", "[channels]"
	missing := func(role string) string {
		return "fault    permissions   " + checkTenant + ": " + role + " is missing, "
	}
	optional := func(role string) string {
		return "note     permissions   " + checkTenant + ": " + role + " is missing: optional, "
	}
	for _, c := range []struct {
		name      string
		login     login
		public    http.HandlerFunc
		resources string
		faults    int
		want      []string
	}{
		{"all in order", login{roles: allRoles}, echo, both, 0, []string{
			"ok       token         " + checkTenant + ": client_secret credential of app " + checkApp + "\n",
			"ok       permissions   " + checkTenant + ": Chat.UpdatePolicyViolation.All, to act on them\n",
			"ok       signing keys  " + checkTenant + ": 1 key for v1.0 tokens\n",
			"ok       signing keys  " + checkTenant + ": 1 key for v2.0 tokens\n",
			"ok       clock         ", "ok       handshake     notification: ", "/graph/notifications\n", "ok       handshake     lifecycle: ", "/graph/lifecycle\n",
		}},

		{"wrong secret", login{token: reply(401, `{"error_description":"AADSTS7000215: Invalid client secret provided. Trace ID: x"}`)}, echo, both, 1, []string{"fault    token         " + checkTenant + ": client_secret credential of app " + checkApp + ": AADSTS7000215", "-> give the value of a client secret of this app"}},
		{"unknown app", login{token: reply(400, `{"error_description":"AADSTS700016: Application not found"}`)}, echo, both, 1, []string{"AADSTS700016", "-> correct app_id"}},
		{"a code not known here", login{token: reply(400, `{"error_description":"AADSTS50000: x"}`)}, echo, both, 1, []string{"-> look the code up: https://login.microsoftonline.com/error?code=50000\n"}},
		{"an HTML page", login{token: reply(502, `<html>Bad gateway</html>`)}, echo, both, 1, []string{"fault    token", "502"}},
		{"no token in the answer", login{token: reply(200, `{}`)}, echo, both, 1, []string{"fault    token"}},
		{"a redirect", login{token: func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}}, echo, both, 1, []string{"fault    token"}},
		{"a token that is no JWT", login{token: reply(200, `{"access_token":"opaque","expires_in":3600}`)}, echo, both, 1, []string{"fault    permissions   " + checkTenant + ": the access token is not a JWT with roles\n"}},
		{"a token of other JSON", login{token: reply(200, `{"access_token":"e30.W10.x","expires_in":3600}`)}, echo, both, 1, []string{"fault    permissions"}},

		{"no role at all", login{}, echo, both, 4, []string{missing("Chat.Read.All"), missing("Chat.UpdatePolicyViolation.All"), missing("ChannelMessage.Read.All"), missing("ChannelMessage.UpdatePolicyViolation.All"), optional("User.Read.All"), optional("GroupMember.Read.All"), optional("ChatMember.Read.All"), optional("ChannelMember.Read.All"), optional("Channel.ReadBasic.All")}},
		{"chats only need chat roles", login{roles: []string{"Chat.Read.All", "Chat.UpdatePolicyViolation.All"}}, echo, chats, 0, nil},
		{"one user's chats", login{roles: []string{"Chat.Read.All", "Chat.UpdatePolicyViolation.All"}}, echo, "[users/" + checkApp + "/chats/getAllMessages]", 0, nil},
		{"channels only need channel roles", login{roles: []string{"ChannelMessage.Read.All", "ChannelMessage.UpdatePolicyViolation.All"}}, echo, channels, 0, nil},
		{"cannot read chats", login{roles: without("Chat.Read.All")}, echo, both, 1, []string{missing("Chat.Read.All")}},
		{"writing is not reading", login{roles: append(without("Chat.Read.All"), "Chat.ReadWrite.All")}, echo, both, 1, []string{missing("Chat.Read.All")}},
		{"cannot act in chats", login{roles: without("Chat.UpdatePolicyViolation.All")}, echo, both, 1, []string{missing("Chat.UpdatePolicyViolation.All")}},
		{"acts by an older permission", login{roles: append(without("ChannelMessage.UpdatePolicyViolation.All"), "Group.ReadWrite.All")}, echo, both, 0, []string{": Group.ReadWrite.All, to act on them\n"}},
		{"members by a wider permission", login{roles: without("ChatMember.Read.All")}, echo, both, 0, []string{": Chat.Read.All, for rules about who is in a chat (optional)\n"}},

		{"no keys", login{roles: allRoles, keys: reply(200, `{"keys":[]}`)}, echo, both, 2, []string{"fault    signing keys", "status 200, no keys"}},
		{"keys not found", login{roles: allRoles, keys: reply(404, `{"keys":[{"kid":"1"}]}`)}, echo, both, 2, []string{"status 404, no keys"}},
		{"keys in HTML", login{roles: allRoles, keys: reply(200, `<html>`)}, echo, both, 2, []string{"no keys"}},

		{"clock ahead", login{roles: allRoles, skew: -2 * time.Minute}, echo, both, 0, []string{"warning  clock         2m", "-> set this machine's clock, by NTP\n"}},
		{"clock behind", login{roles: allRoles, skew: 10 * time.Minute}, echo, both, 0, []string{"warning  clock         -"}},
		{"clock a little off", login{roles: allRoles, skew: 30 * time.Second}, echo, both, 0, []string{"ok       clock"}},

		{"handshake not found", login{roles: allRoles}, reply(404, ""), both, 2, []string{"fault    handshake     notification: ", "status 404, where Graph wants 200\n", "-> serve must be running"}},
		{"handshake accepted, not answered", login{roles: allRoles}, reply(202, ""), both, 2, []string{"status 202, where Graph wants 200"}},
		{"handshake without type", login{roles: allRoles}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			_, _ = io.WriteString(w, r.URL.Query().Get("validationToken"))
		}, both, 2, []string{"the answer is not text/plain"}},
		{"handshake still encoded", login{roles: allRoles}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, strings.TrimPrefix(r.URL.RawQuery, "validationToken="))
		}, both, 2, []string{"not the validation token, byte for byte"}},
		{"handshake with its plus signs", login{roles: allRoles}, func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/plain")
			_, _ = io.WriteString(w, strings.ReplaceAll(r.URL.Query().Get("validationToken"), " ", "+"))
		}, both, 2, []string{"byte for byte"}},
		{"handshake with a line break", login{roles: allRoles}, func(w http.ResponseWriter, r *http.Request) { echo(w, r); _, _ = io.WriteString(w, "\n") }, both, 2, []string{"byte for byte"}},
		{"handshake by GET only", login{roles: allRoles}, func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodGet {
				w.WriteHeader(http.StatusMethodNotAllowed)
				return
			}
			echo(w, r)
		}, both, 2, []string{"status 405"}},
		{"handshake behind a sign-in", login{roles: allRoles}, func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, "/sign-in", http.StatusFound) }, both, 2, []string{"status 302", "nothing in front may ask for a sign-in"}},
		{"one route only", login{roles: allRoles}, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path != "/graph/notifications" {
				http.NotFound(w, r)
				return
			}
			echo(w, r)
		}, both, 1, []string{"ok       handshake     notification", "fault    handshake     lifecycle"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := httptest.NewServer(&c.login)
			defer l.Close()
			p := httptest.NewServer(c.public)
			defer p.Close()
			client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: noRedirect}
			out, faults := onlineLines(t, onlineConfig(t, l.URL, p.URL, c.resources), client)
			if faults != c.faults {
				t.Errorf("%d faults, want %d:\n%s", faults, c.faults, out)
			}
			for _, want := range c.want {
				if !strings.Contains(out, want) {
					t.Errorf("no %q in\n%s", want, out)
				}
			}
		})
	}
}

// A permission that rules hang on is asked for in their name; the others are optional.
func TestCheckOnlineForRules(t *testing.T) {
	dir := t.TempDir()
	rule := func(id, rest string) string {
		return "  - {id: " + id + ", title: T, owner: o@contoso.com, severity: high, mode: " + rest + ", action: block, tip: {text: T}}\n"
	}
	rules := "groups: [{id: pci, object_id: " + checkApp + "}]\nrules:\n" +
		rule("plain", "enforce, when: {keyword: [a]}") +
		rule("off", "'off', when: {all: [{keyword: [a]}, {sender: {guest: true}}]}") +
		rule("all-chats", "enforce, scope: {conversations: [chat]}, when: {keyword: [a]}") +
		rule("in-groups", "shadow, scope: {senders: {not_in_groups: [pci]}}, when: {keyword: [a]}") +
		rule("outside", "enforce, when: {all: [{keyword: [a]}, {any: [{audience: external}, {keyword: [b]}]}]}") +
		rule("private", "enforce, scope: {conversations: [chat, private]}, when: {keyword: [a]}") +
		rule("private-2", "enforce, when: {all: [{keyword: [a]}, {not: {conversation: [standard]}}]}") +
		rule("excused", "enforce, when: {keyword: [a]}, exceptions: [{id: e, reason: r, owner: o@contoso.com, when: {sender: {domain: [qa.contoso.com]}}}]")
	if err := os.WriteFile(filepath.Join(dir, "r.yaml"), []byte(rules), 0o600); err != nil {
		t.Fatal(err)
	}
	k := &checker{now: time.Now}
	if k.rules(dir); k.set == nil {
		t.Fatalf("the rules do not load: %+v", k.results)
	}
	for _, tc := range []struct{ gone, want string }{
		{"User.Read.All", "warning  permissions   t: User.Read.All is missing, for rules about the sender, as in-groups, excused\n"},
		{"GroupMember.Read.All", "warning  permissions   t: GroupMember.Read.All is missing, for rules about groups, as in-groups\n"},
		{"Channel.ReadBasic.All", "warning  permissions   t: Channel.ReadBasic.All is missing, for rules about kinds of channels, and their names in the log, as outside, private, private-2\n"},
		{"ChannelMember.Read.All", "warning  permissions   t: ChannelMember.Read.All is missing, for rules about who is in a channel, as outside, private, private-2\n"},
	} {
		k.results = nil
		claims := fmt.Sprintf(`{"roles":["%s"]}`, strings.Join(without(tc.gone), `","`))
		k.roles(config.Tenant{ID: "t", Resources: []string{"chats", "channels"}}, "x."+base64.RawURLEncoding.EncodeToString([]byte(claims))+".x", true)
		var out strings.Builder
		if err := k.print(&out, false); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(out.String(), tc.want) || k.count(isWarn) != 1 || k.count(isFault) != 0 {
			t.Errorf("without %s: no %q in\n%s", tc.gone, tc.want, out.String())
		}
	}
	if needs := rulesThatNeed(k.set, needChat); !slices.Equal(needs, []string{"outside"}) {
		t.Errorf("rules that need to know who is in a chat: %q", needs)
	}
	if got := someOf([]string{"a", "b", "c", "d", "e"}); got != "a, b, c and 2 more rules" {
		t.Errorf("some of five: %q", got)
	}
}

func TestCheckOnlineOutOfReach(t *testing.T) {
	gone := httptest.NewServer(nil)
	gone.Close()
	client := &http.Client{Timeout: 10 * time.Second, CheckRedirect: noRedirect}
	out, faults := onlineLines(t, onlineConfig(t, gone.URL, gone.URL, "[chats]"), client)
	if faults != 5 || strings.Count(out, "connection refused") != 5 || !strings.Contains(out, "note     clock         not compared") {
		t.Errorf("%d faults:\n%s", faults, out)
	}
}

// Permissions to act are not asked for where Graph has no such API.
func TestPermissionsWhereNothingCanBeEnforced(t *testing.T) {
	needed, _ := permissions([]string{"chats", "teams/a/channels/b/messages"}, false)
	if len(needed) != 2 || needed[0].anyOf[0] != "Chat.Read.All" || needed[1].anyOf[0] != "ChannelMessage.Read.All" {
		t.Errorf("needed: %v", needed)
	}
}

// Over TLS, tokens come by the Azure library; the handshake is Graph's, which
// does not get along with an endpoint that speaks TLS 1.3 only.
func TestCheckOnlineOverTLS(t *testing.T) {
	for _, c := range []struct {
		name   string
		least  uint16
		faults int
		want   string
	}{
		{"TLS 1.2 too", tls.VersionTLS12, 0, "ok       handshake     lifecycle: "},
		{"TLS 1.3 only", tls.VersionTLS13, 2, "-> let it take TLS 1.2 too"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := httptest.NewTLSServer(&login{roles: allRoles})
			defer l.Close()
			p := httptest.NewUnstartedServer(http.HandlerFunc(echo))
			p.TLS = &tls.Config{MinVersion: c.least}
			p.Config.ErrorLog = zap.NewStdLog(zap.NewNop()) // a refused handshake is expected
			p.StartTLS()
			defer p.Close()
			trusted := x509.NewCertPool()
			trusted.AddCert(l.Certificate())
			trusted.AddCert(p.Certificate())
			client := &http.Client{
				Timeout: 10 * time.Second, CheckRedirect: noRedirect,
				Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: trusted}},
			}
			out, faults := onlineLines(t, onlineConfig(t, l.URL, p.URL, "[chats, channels]"), client)
			if faults != c.faults || !strings.Contains(out, "ok       token ") || !strings.Contains(out, c.want) {
				t.Errorf("%d faults, want %d:\n%s", faults, c.faults, out)
			}
		})
	}
}

// TestServeSaysWhatIsWrong: what keeps serve from starting is said with its mend,
// before anything begins.
func TestServeSaysWhatIsWrong(t *testing.T) {
	remove := func(names ...string) func(dir string) {
		return func(dir string) {
			for _, name := range names {
				if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	const free = "private: {listen: \"127.0.0.1:0\"}\n"
	for _, tc := range []struct {
		name, more string
		do         func(dir string)
		want       string
	}{
		{"no configuration", "", remove("teamsdlp.yaml"), "teamsdlp: DIR/teamsdlp.yaml: reading the configuration: no such file or directory (name it with --config FILE; teamsdlp check --example prints one to start from)\n"},
		{"no keys", free + "public: {url: https://dlp.example.com, listen: \"127.0.0.1:0\"}", remove("keys"), "checkpoint.key: no such file or directory (make what is missing: teamsdlp keys new --keys-dir DIR/keys; or put it back from your copy)\n"},
		{"half a pair", free + "public: {url: https://dlp.example.com, listen: \"127.0.0.1:0\"}", remove("keys/encryption-b.cert.pem"), "no such file or directory (put right what is named, from your copy where half a pair is missing)\n"},
		{"TLS key of another", free + "public: {url: https://dlp.example.com, listen: \"127.0.0.1:0\", tls: {cert: tls.pem, key: other/tls.key}}", func(dir string) {
			if err := os.Mkdir(filepath.Join(dir, "other"), 0o700); err != nil {
				t.Fatal(err)
			}
			writeTLS(t, dir, "dlp.example.com", time.Hour)
			writeTLS(t, filepath.Join(dir, "other"), "dlp.example.com", time.Hour)
		}, "teamsdlp: public.tls: DIR/tls.pem and DIR/other/tls.key: tls: private key does not match public key\n"},
	} {
		dir := site(t, tc.more)
		tc.do(dir)
		code, _, stderr := commandEnv(t, map[string]string{"SECRET": checkSecret}, "serve", "--config", filepath.Join(dir, "teamsdlp.yaml"))
		if want := strings.ReplaceAll(tc.want, "DIR", dir); code != 2 || !strings.HasSuffix(stderr, want) {
			t.Errorf("%s: exit %d\n%s\nwant 2 and\n%s", tc.name, code, stderr, want)
		}
	}
}

// TestTokenFailure: what keeps a token from coming is said in one line, to its end.
func TestTokenFailure(t *testing.T) {
	for _, tc := range []struct{ text, want string }{
		{"AADSTS7000215: Invalid client secret provided. Trace ID: x", "AADSTS7000215: Invalid client secret provided."},
		{"unable to resolve an endpoint: server response error:\n Get \"https://login.example.com\": no such host. To troubleshoot, visit https://aka.ms/x", `unable to resolve an endpoint: server response error: Get "https://login.example.com": no such host.`},
		{"first\nsecond", "first"},
		{"first:\n", "first:"},
	} {
		if got, mend := tokenFailure(errors.New(tc.text)); got != tc.want || mend == "" {
			t.Errorf("%q: %q, want %q; %q", tc.text, got, tc.want, mend)
		}
	}
}

// TestLetsIn: a Redis that answers PING without a password is open.
func TestLetsIn(t *testing.T) {
	for _, tc := range []struct {
		answer string
		want   bool
	}{
		{"+PONG\r\n", true},
		{"-NOAUTH Authentication required.\r\n", false},
		{"-DENIED Redis is running in protected mode\r\n", false},
		{"+", false},
		{"", false},
	} {
		ln, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer ln.Close()
		go func() {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			_, _ = bufio.NewReader(conn).ReadString('\n')
			_, _ = conn.Write([]byte(tc.answer))
			_ = conn.Close()
		}()
		if got := letsIn(t.Context(), ln.Addr().String(), nil); got != tc.want {
			t.Errorf("%q: %v", tc.answer, got)
		}
	}
}

// A folder's name may hold what a pattern of file names would give another meaning.
func TestKeysInAnyFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "keys [prod]*")
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	open := filepath.Join(dir, "checkpoint.key")
	if err := errors.Join(os.WriteFile(open, nil, 0o600), os.Chmod(open, 0o644), makeMark(filepath.Join(dir, retiredDir, retiringFile("enc-1")))); err != nil {
		t.Fatal(err)
	}
	k := &checker{now: time.Now}
	k.keys(dir)
	if !slices.ContainsFunc(k.results, func(r checkResult) bool { return strings.Contains(r.Detail, open+" has mode 0644") }) {
		t.Errorf("an open key is not seen: %+v", k.results)
	}
	if got := cutShort(dir); !slices.Equal(got, []string{"enc-1"}) {
		t.Errorf("a retirement that was cut short is not seen: %q", got)
	}
}
