package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"teamsdlp/config"
	"teamsdlp/policy/rulefile"
	"teamsdlp/test/graphtwin"
)

// runTwin runs the twin command until ctx ends.
func runTwin(ctx context.Context, stdout io.Writer, args ...string) (code int, stderr string) {
	var errs bytes.Buffer
	e := &env{ctx, func(string) string { return "" }, strings.NewReader(""), stdout, &errs}
	return run(e, append([]string{"twin"}, args...)), errs.String()
}

func TestTwinRefuses(t *testing.T) {
	for _, tc := range []struct {
		args []string
		want string
	}{
		{[]string{"--listen", "0.0.0.0:9400"}, "not a loopback address"},
		{[]string{"--listen", ":9400"}, "not a loopback address"},
		{[]string{"--listen", "192.0.2.1:9400"}, "not a loopback address"},
		{[]string{"--listen", "nonsense"}, "--listen nonsense"},
		{[]string{"--blocked-body", "gone"}, "--blocked-body"},
		{[]string{"--token-version", "3"}, "--token-version"},
		{[]string{"--backoff-scale", "0"}, "above 0"},
		{[]string{"--backoff-scale", "nan"}, "above 0"},
		{[]string{"--exit"}, "--write-config"},
		{[]string{"--log-level", "loud"}, "--log-level"},
	} {
		code, stderr := runTwin(t.Context(), io.Discard, tc.args...)
		if code != 2 || !strings.Contains(stderr, tc.want) {
			t.Errorf("%v: exit %d, %q; want 2 and %q", tc.args, code, stderr, tc.want)
		}
	}
}

// firstLine hands on the first line that is written.
type firstLine struct {
	buf  bytes.Buffer
	line chan string
	sent bool
}

func (f *firstLine) Write(b []byte) (int, error) {
	n, err := f.buf.Write(b)
	if line, _, found := strings.Cut(f.buf.String(), "\n"); found && !f.sent {
		f.sent = true
		f.line <- line
	}
	return n, err
}

func TestTwinServesUntilInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	out := &firstLine{line: make(chan string, 1)}
	done := make(chan int, 1)
	go func() {
		code, stderr := runTwin(ctx, out, "--listen", "127.0.0.1:0", "--blocked-body", "empty", "--odd-casing", "--no-echo", "--patch-moves-last-edited", "--token-version", "1")
		if stderr != "" {
			t.Error(stderr)
		}
		done <- code
	}()
	_, url, _ := strings.Cut(<-out.line, "http")
	resp, err := http.Get("http" + url + "/twin/world")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var world struct {
		Apps     []graphtwin.App
		Switches graphtwin.Switches
	}
	if err := json.NewDecoder(resp.Body).Decode(&world); err != nil {
		t.Fatal(err)
	}
	want := graphtwin.Switches{BlockedBody: graphtwin.BodyEmpty, OddCasing: true, PatchMovesLastEdited: true}
	if d := cmp.Diff(want, world.Switches); d != "" || len(world.Apps) == 0 || world.Apps[0].TokenVersion != 1 {
		t.Errorf("%s, apps %+v", d, world.Apps)
	}
	cancel()
	if code := <-done; code != 0 {
		t.Errorf("exit %d", code)
	}
}

func TestTwinWritesAConfigThatLoads(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "try")
	if code, stderr := runTwin(t.Context(), io.Discard, "--write-config", dir, "--exit"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	file := filepath.Join(dir, "teamsdlp.yaml")
	cfg, err := config.Load(file, func(string) string { return "" })
	if err != nil {
		t.Fatal(err)
	}
	tenant := cfg.Tenants[0]
	if cfg.Public.URL != "http://127.0.0.1:9500" || cfg.Public.Listen != "127.0.0.1:9500" || cfg.Private.Listen != "127.0.0.1:9501" || cfg.Cloud.Name != config.Custom ||
		cfg.Cloud.GraphURL != "http://127.0.0.1:9400" || cfg.Cloud.LoginURL != "http://127.0.0.1:9400" || tenant.ID != graphtwin.ContosoTenant || tenant.AppID != graphtwin.ContosoApp ||
		tenant.Credential.Secret.Reveal() != graphtwin.ContosoSecret || cfg.DataDir != filepath.Join(dir, "data") || cfg.KeysDir != filepath.Join(dir, "keys") || cfg.RulesDir != filepath.Join(dir, "rules") {
		t.Errorf("%+v", cfg)
	}
	if len(cfg.Warnings) > 0 {
		t.Errorf("warnings: %v", cfg.Warnings)
	}
	yaml, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(yaml, []byte(graphtwin.ContosoSecret)) {
		t.Error("the configuration holds the secret itself")
	}
	before := tree(t, dir)
	for path := range before {
		info, err := os.Stat(filepath.Join(dir, path))
		if err != nil || info.Mode().Perm()&0o077 != 0 && !strings.Contains(path, "pub") {
			t.Errorf("%s: mode %v, %v", path, info.Mode(), err)
		}
	}
	// A second time, with a rule of one's own: nothing but the configuration changes.
	own := filepath.Join(dir, "rules", "payments.yaml")
	if err := os.WriteFile(own, []byte("rules: []\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	before[filepath.Join("rules", "payments.yaml")] = "rules: []\n"
	if code, stderr := runTwin(t.Context(), io.Discard, "--write-config", dir, "--exit"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if d := cmp.Diff(before, tree(t, dir)); d != "" {
		t.Error(d)
	}
}

// TestTwinKeepsAConfigOfOnesOwn: one that was changed by hand only gets the
// address of the new twin, and one that the twin never wrote is not touched, nor
// is its folder.
func TestTwinKeepsAConfigOfOnesOwn(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "try")
	write := func(args ...string) (int, string) {
		return runTwin(t.Context(), io.Discard, append([]string{"--write-config", dir, "--exit"}, args...)...)
	}
	if code, stderr := write(); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	file := filepath.Join(dir, "teamsdlp.yaml")
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(data), "127.0.0.1:9501", "127.0.0.1:19501", 1) + "graph: {tenant_rps: 7} # ours\n"
	if err := os.WriteFile(file, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	want := tree(t, dir)
	want["teamsdlp.yaml"] = strings.ReplaceAll(changed, "http://127.0.0.1:9400", "http://127.0.0.1:19400")
	if code, stderr := write("--listen", "127.0.0.1:19400"); code != 0 {
		t.Fatalf("exit %d: %s", code, stderr)
	}
	if d := cmp.Diff(want, tree(t, dir)); d != "" {
		t.Error(d)
	}

	dir = t.TempDir()
	for _, own := range []string{"public: {url: https://dlp.example.com}\n", "", configHead, configHead + "cloud: [\n"} {
		if err := os.WriteFile(filepath.Join(dir, "teamsdlp.yaml"), []byte(own), 0o600); err != nil {
			t.Fatal(err)
		}
		if code, stderr := write(); code != 2 || !strings.Contains(stderr, "is no configuration for a twin: name another directory") {
			t.Errorf("%q: exit %d, %q", own, code, stderr)
		}
		if d := cmp.Diff(map[string]string{"teamsdlp.yaml": own}, tree(t, dir)); d != "" {
			t.Errorf("%q: %s", own, d)
		}
	}
}

func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		name, _ := filepath.Rel(dir, path)
		files[name] = string(data)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func TestSampleRulesLoadWithoutFindings(t *testing.T) {
	dir := t.TempDir()
	if err := writeSampleRules(dir); err != nil {
		t.Fatal(err)
	}
	set, findings, err := rulefile.Load(dir, rulefile.Options{Now: time.Now()})
	if err != nil {
		t.Fatal(err) // the tests beside the rules are run, too
	}
	for _, f := range findings {
		t.Errorf("%s:%d:%d: %s: %s", f.File, f.Line, f.Col, f.Code, f.Msg)
	}
	if len(set.Rules) < 7 {
		t.Errorf("%d rules", len(set.Rules))
	}
}
