package test

import (
	"bufio"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"

	"teamsdlp/test/redistest"
)

// composeFile is what is looked at in docker-compose.yml.
type composeFile struct {
	Services map[string]struct {
		Image    string
		Hostname string
		Profiles []string
		Configs  []struct{ Source, Target string }
		Build    struct {
			Context string
		}
		Command     []string
		User        string
		ReadOnly    bool   `yaml:"read_only"`
		Grace       string `yaml:"stop_grace_period"`
		Ports       []string
		Volumes     []string
		Secrets     []string
		Environment map[string]string
		Healthcheck struct {
			Test []string
		}
	}
	Volumes map[string]any
	Configs map[string]struct {
		Content string
	}
	Secrets map[string]struct {
		File string
	}
}

func readCompose(t *testing.T) composeFile {
	t.Helper()
	var compose composeFile
	if err := yaml.Unmarshal([]byte(readFile(t, "../docker-compose.yml")), &compose); err != nil {
		t.Fatal(err)
	}
	for name, s := range compose.Services {
		if len(s.Profiles) != 1 {
			t.Errorf("service %s has the profiles %v: it would start with either", name, s.Profiles)
		}
		for _, secret := range s.Secrets {
			if compose.Secrets[secret].File == "" {
				t.Errorf("secret %s of %s has no file", secret, name)
			}
		}
		for _, v := range s.Volumes {
			if from, _, _ := strings.Cut(v, ":"); !strings.HasPrefix(from, ".") {
				if _, ok := compose.Volumes[from]; !ok {
					t.Errorf("volume %s of %s is not declared", from, name)
				}
			}
		}
	}
	return compose
}

// in returns the services of a profile.
func (c composeFile) in(profile string) []string {
	var names []string
	for name, s := range c.Services {
		if slices.Contains(s.Profiles, profile) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// dockerfile is a Dockerfile as a list of instructions, lines joined.
type dockerfile [][2]string

func readDockerfile(t *testing.T) dockerfile {
	t.Helper()
	var d dockerfile
	text := strings.ReplaceAll(readFile(t, "../Dockerfile"), "\\\n", " ")
	for line := range strings.Lines(text) {
		word, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if word != "" && !strings.HasPrefix(word, "#") {
			d = append(d, [2]string{word, strings.TrimSpace(rest)})
		}
	}
	return d
}

// last is the last instruction of that name: the one that counts.
func (d dockerfile) last(t *testing.T, name string) string {
	t.Helper()
	for _, x := range slices.Backward(d) {
		if x[0] == name {
			return x[1]
		}
	}
	t.Fatalf("the Dockerfile has no %s", name)
	return ""
}

func (d dockerfile) list(t *testing.T, name string) []string {
	t.Helper()
	text := d.last(t, name)
	var list []string
	if err := json.Unmarshal([]byte(text[strings.IndexByte(text, '['):]), &list); err != nil {
		t.Fatalf("%s of the Dockerfile: %v", name, err)
	}
	return list
}

// TestCompose starts what docker-compose.yml says, with its paths mapped into a
// directory: command, environment, files, secrets and health check.
func TestCompose(t *testing.T) {
	t.Parallel()
	compose := readCompose(t)
	if got := compose.in("one"); !slices.Equal(got, []string{"teamsdlp"}) {
		t.Fatalf("the profile one has the services %v", got)
	}
	service, ok := compose.Services["teamsdlp"]
	if !ok || len(service.Command) == 0 {
		t.Fatal("no service teamsdlp with a command")
	}
	image := readDockerfile(t)
	twin := newTwin(t)

	// The host's side of every path in the container.
	s := newSite(t, twin.URL())
	withUser(s)
	mapped := map[string]string{} // path in the container to path here
	for _, v := range service.Volumes {
		from, to, _ := strings.Cut(v, ":")
		to, _, _ = strings.Cut(to, ":")
		if !strings.HasPrefix(from, ".") {
			if _, ok := compose.Volumes[from]; !ok {
				t.Errorf("volume %s is not declared", from)
			}
		}
		mapped[to] = filepath.Join(s.dir, "host", filepath.Base(from))
	}
	for _, name := range service.Secrets {
		if compose.Secrets[name].File == "" {
			t.Errorf("secret %s has no file", name)
		}
		mapped["/run/secrets/"+name] = filepath.Join(s.dir, "host", compose.Secrets[name].File)
	}
	here := func(text string) string {
		for to, path := range mapped {
			text = strings.ReplaceAll(text, to, path)
		}
		return text
	}
	etc, data := mapped["/etc/teamsdlp"], mapped["/var/lib/teamsdlp"]
	if etc == "" || data == "" {
		t.Fatalf("mapped are only %v", mapped)
	}
	for _, dir := range []string{etc, data, filepath.Dir(mapped["/run/secrets/client_secret"])} {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	for from, to := range map[string]string{
		"keys": filepath.Join(etc, "keys"), "rules": filepath.Join(etc, "rules"),
		"secret": mapped["/run/secrets/client_secret"], "desk-token": mapped["/run/secrets/desk_token"],
	} {
		if err := os.Rename(filepath.Join(s.dir, from), to); err != nil {
			t.Fatal(err)
		}
	}
	// The configuration as the file's head describes it.
	head := readFile(t, "../docker-compose.yml")
	for _, want := range []string{"listen: 0.0.0.0:8444", "data_dir: /var/lib/teamsdlp", "file:/run/secrets/client_secret", "file:/run/secrets/desk_token"} {
		if !strings.Contains(head, want) {
			t.Errorf("the head of the file does not say %s", want)
		}
	}
	s.edit(func(d node) {
		d["data_dir"] = here("/var/lib/teamsdlp")
		d["keys_dir"], d["rules_dir"] = "keys", "rules" // beside the configuration
		d["tenants"].([]any)[0].(node)["credential"] = node{"kind": "client_secret", "secret": here("file:/run/secrets/client_secret")}
		d["desk"] = node{"users": []any{node{"name": "jo@example.com", "token": here("file:/run/secrets/desk_token")}}}
	})
	if err := os.Rename(s.config(), filepath.Join(etc, "teamsdlp.yaml")); err != nil {
		t.Fatal(err)
	}

	var env, command []string
	for k, v := range service.Environment {
		env = append(env, k+"="+here(v))
	}
	for _, a := range service.Command {
		command = append(command, here(a))
	}
	s.proc = start(t, binary, env, command...)
	s.ready()

	// The health check asks the port that is published.
	check := slices.Clone(service.Healthcheck.Test)
	if len(check) < 3 || check[0] != "CMD" || check[1] != image.list(t, "ENTRYPOINT")[0] {
		t.Fatalf("healthcheck %v", check)
	}
	for i, a := range check {
		check[i] = strings.Replace(a, "127.0.0.1:8444", s.private, 1)
	}
	if code, out, errs := run(t, check[2:]...); code != 0 {
		t.Errorf("the health check fails: exit code %d\n%s%s", code, out, errs)
	}
	m := say(t, twin, "ana", "ana-li", "card "+card)
	await(t, twin, m, "blocked", blocked)
	s.stop(t)
	if code, _, _ := run(t, check[2:]...); code != 1 {
		t.Errorf("the health check of a service that is down: exit code %d; want 1", code)
	}
	for path := range filesUnder(t, s.dir) {
		if !strings.HasPrefix(path, s.dir+"/host/") {
			t.Errorf("%s is outside of what the container mounts", path)
		}
	}

	// What the two files say of the same thing.
	if got := image.list(t, "CMD"); !slices.Equal(got, service.Command) {
		t.Errorf("CMD %v of the Dockerfile; the compose file has %v", got, service.Command)
	}
	if got := image.list(t, "HEALTHCHECK"); !slices.Equal(got, service.Healthcheck.Test[1:]) {
		t.Errorf("HEALTHCHECK %v of the Dockerfile; the compose file has %v", got, service.Healthcheck.Test[1:])
	}
	if user := image.last(t, "USER"); user != service.User {
		t.Errorf("USER %s of the Dockerfile; the compose file has %s", user, service.User)
	}
	var ports []string
	for _, p := range service.Ports {
		ports = append(ports, p[strings.LastIndexByte(p, ':')+1:])
		if strings.HasSuffix(p, ":8444") && !strings.HasPrefix(p, "127.0.0.1:") {
			t.Errorf("the desk is published as %s", p)
		}
	}
	if exposed := strings.Fields(image.last(t, "EXPOSE")); !slices.Equal(exposed, ports) {
		t.Errorf("EXPOSE %v; published are %v", exposed, ports)
	}
	if !service.ReadOnly {
		t.Error("the container's file system is writable")
	}
	if grace, err := time.ParseDuration(service.Grace); err != nil || grace < 30*time.Second {
		t.Errorf("stop_grace_period %q: draining may take longer", service.Grace)
	}
}

// TestComposeNodes starts what the profile nodes of docker-compose.yml says: its
// Redis, with its command and its users, and its two nodes, behind a stand-in for
// the proxy, whose configuration must name them.
func TestComposeNodes(t *testing.T) {
	t.Parallel()
	compose := readCompose(t)
	if got := compose.in("nodes"); !slices.Equal(got, []string{"dlp-1", "dlp-2", "proxy", "redis"}) {
		t.Fatalf("the profile nodes has the services %v", got)
	}
	head := readFile(t, "../docker-compose.yml")
	twin := newTwin(t)
	host := t.TempDir()

	// Redis, as the file starts it, with users as the file's head says.
	const password = "correct horse battery staple"
	sum := sha256.Sum256([]byte(password))
	lines := regexp.MustCompile(`(?m)^#   (user .*\n)`).FindAllStringSubmatch(head, -1)
	if len(lines) == 0 {
		t.Fatal("the head of the file does not show secrets/redis_users")
	}
	var acl strings.Builder
	for _, line := range lines {
		acl.WriteString(strings.Replace(line[1], "<sha256>", fmt.Sprintf("%x", sum), 1))
	}
	users := filepath.Join(host, "redis_users")
	writeFile(t, users, acl.String())
	args := slices.Clone(compose.Services["redis"].Command)
	if args[0] != "redis-server" {
		t.Fatalf("redis is started by %v", args)
	}
	data := t.TempDir()
	for i, a := range args {
		args[i] = strings.NewReplacer("/run/secrets/redis_users", users, "/data", data).Replace(a)
	}
	if !slices.Contains(compose.Services["redis"].Secrets, "redis_users") || !slices.ContainsFunc(compose.Services["redis"].Volumes, func(v string) bool { return strings.HasSuffix(v, ":/data") }) {
		t.Error("redis is not given its users or its volume")
	}
	server := redistest.StartLocked(t, data, args[1:]...)

	// Whoever reaches it without the password gets nothing, which is what its health
	// check looks for.
	conn, err := net.Dial("tcp", server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("PING\r\n")); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(conn).ReadString('\n'); err != nil || !strings.HasPrefix(line, "-NOAUTH") {
		t.Errorf("without a password Redis says %q, %v", line, err)
	}
	if check := compose.Services["redis"].Healthcheck.Test; !strings.HasSuffix(check[len(check)-1], "grep -q NOAUTH") {
		t.Errorf("the health check of Redis is %q", check)
	}

	front := newBalancer(t)
	c := &cluster{redis: server, front: front}
	proxy := compose.Configs[compose.Services["proxy"].Configs[0].Source].Content
	for i, name := range []string{"dlp-1", "dlp-2"} {
		service := compose.Services[name]
		if !strings.Contains(proxy, " "+name+":8443") || service.Hostname != name {
			t.Errorf("the proxy does not know %s, whose host name is %q", name, service.Hostname)
		}
		for _, p := range service.Ports {
			if !strings.HasPrefix(p, "127.0.0.1:") {
				t.Errorf("%s publishes %s: only the proxy is for the network", name, p)
			}
		}
		if !service.ReadOnly {
			t.Errorf("the file system of %s is writable", name)
		}
		s := newSite(t, twin.URL())
		withUser(s)
		front.nodes = append(front.nodes, s.public)
		here := strings.NewReplacer("/etc/teamsdlp/teamsdlp.yaml", s.config(), "/etc/teamsdlp", s.dir, "/var/lib/teamsdlp", s.data(),
			"/run/secrets/redis_password", filepath.Join(host, "redis_password"), "redis:6379", server.Addr)
		writeFile(t, filepath.Join(host, "redis_password"), password+"\n")
		// The key of the head, read as YAML.
		line := regexp.MustCompile(`(?m)^#   store: (.*)$`).FindStringSubmatch(head)
		if line == nil {
			t.Fatal("the head of the file does not show the key store")
		}
		store := node{}
		if err := yaml.Unmarshal([]byte(here.Replace(line[1])), &store); err != nil {
			t.Fatal(err)
		}
		store["redis"].(node)["node"] = name // on one machine both have the same host name
		s.edit(func(d node) {
			d["public"].(node)["url"] = "http://" + front.addr
			d["store"] = store
			d["data_dir"] = s.data()
			if i > 0 {
				d["keys_dir"], d["rules_dir"] = filepath.Join(c.nodes[0].dir, "keys"), c.nodes[0].rules()
			}
		})
		var env, command []string
		for k, v := range service.Environment {
			env = append(env, k+"="+here.Replace(v))
		}
		for _, a := range service.Command {
			command = append(command, here.Replace(a))
		}
		s.proc = start(t, binary, env, command...)
		c.nodes = append(c.nodes, s)
	}
	for _, s := range c.nodes {
		s.ready()
		check := slices.Clone(compose.Services["dlp-1"].Healthcheck.Test)
		for i, a := range check {
			check[i] = strings.Replace(a, "127.0.0.1:8444", s.private, 1)
		}
		if code, out, errs := run(t, check[2:]...); code != 0 {
			t.Errorf("the health check fails: exit code %d\n%s%s", code, out, errs)
		}
	}
	if code, out, errs := run(t, "check", "--config", c.nodes[0].config()); code != 0 || strings.Contains(out, "wants no password") {
		t.Errorf("check: exit code %d\n%s%s", code, out, errs)
	}
	x := newTraffic(t, twin)
	x.say(20)
	c.settle(twin)
	if faults := account(x.said, twin, c.nodes[1].entries()); len(faults) > 0 {
		t.Errorf("%d faults, as\n%s", len(faults), strings.Join(faults[:min(10, len(faults))], "\n"))
	}
	for _, s := range c.nodes {
		s.stop(t)
	}
}

// TestDockerfile: what it copies and builds is there, with the Go that go.mod
// asks for, and nothing that must not get into an image.
func TestDockerfile(t *testing.T) {
	t.Parallel()
	image := readDockerfile(t)
	for _, x := range image {
		args := strings.Fields(x[1])
		switch {
		case x[0] == "COPY" && !strings.Contains(x[1], "--from="):
			for _, source := range args[:len(args)-1] {
				if strings.HasPrefix(source, "--") {
					continue
				}
				if _, err := os.Stat(filepath.Join("..", source)); err != nil {
					t.Errorf("COPY %s: %v", source, err)
				}
			}
		case x[0] == "RUN" && strings.Contains(x[1], "go build"):
			found := regexp.MustCompile(`\./(cmd/\w+)`).FindStringSubmatch(x[1])
			if found == nil {
				t.Errorf("what does %q build?", x[1])
				continue
			}
			if _, err := os.Stat(filepath.Join("..", found[1], "main.go")); err != nil {
				t.Error(err)
			}
			if !strings.Contains(x[1], "CGO_ENABLED=0") {
				t.Error("the image has no C library, so the binary must be static")
			}
		case x[0] == "FROM" && strings.Contains(x[1], "golang:"):
			have := regexp.MustCompile(`golang:(\d+\.\d+)`).FindStringSubmatch(x[1])
			want := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindStringSubmatch(readFile(t, "../go.mod"))
			if have == nil || want == nil || have[1] != want[1] {
				t.Errorf("FROM %s; go.mod asks for %v", x[1], want)
			}
		}
	}
	if user := image.last(t, "USER"); !regexp.MustCompile(`^[1-9]\d*(:[1-9]\d*)?$`).MatchString(user) {
		t.Errorf("USER %s: want a number that is not root's", user)
	}
	ignored := strings.Fields(readFile(t, "../.dockerignore"))
	for _, want := range []string{".git", "data", "keys", "etc", "secrets", "try", "teamsdlp.yaml"} {
		if !slices.Contains(ignored, want) {
			t.Errorf(".dockerignore does not leave out %s", want)
		}
	}
}
