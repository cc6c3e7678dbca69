package main

import (
	"bytes"
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"time"

	"go.uber.org/zap"
	"go.yaml.in/yaml/v3"

	"teamsdlp/config"
	"teamsdlp/test/graphtwin"
)

// sampleRules are the rule files that the twin and the demo write.
//
//go:embed sample/*.yaml
var sampleRules embed.FS

type twinCmd struct {
	Listen       string  `default:"127.0.0.1:9400" help:"Where to listen; a loopback address only."`
	WriteConfig  string  `type:"path" placeholder:"DIR" help:"Write a configuration, keys and sample rules there, which serve takes unchanged. What is there already stays, but for the twin's address."`
	Exit         bool    `help:"End once the configuration is written."`
	NoThrottle   bool    `help:"Do not limit requests. By default the limits are Graph's: 1 a second in a conversation, 4 in a team, 30 in a tenant."`
	BackoffScale float64 `default:"1" help:"By what the waits between attempts at a delivery are multiplied: 0.01 makes 10s into 100ms."`
	LogLevel     string  `enum:"debug,info,warn,error" default:"info" help:"Least level of the program log on standard error: debug, info, warn or error."`

	switches `embed:""`
}

// Help is printed by --help.
func (twinCmd) Help() string {
	return `Runs a simulated Microsoft Graph alone: token service, subscriptions, encrypted
notifications, the PATCH of policyViolation, and a cast of people at Contoso. A
teamsdlp serve, or any other client of Graph, can be pointed at it; nothing of it
reaches Microsoft. It forgets everything when it ends.

Its control API takes plain HTTP and JSON:

  POST   /twin/messages        say something as somebody somewhere
           {"as":"ana","chat":"ana-li","html":"<p>hello</p>"}
           {"as":"li","team":"sales","channel":"general","text":"hello","reply_to":"m1"}
           also subject, importance, mentions, attachments, forward_of, quote_of
  PATCH  /twin/messages/{id}   what its sender does: {"edit":"<p>new</p>"}, {"override":"why"},
           {"report":true}, {"react":"like"}
  DELETE /twin/messages/{id}
  GET    /twin/messages[/{id}] what Teams now shows, policyViolation and every PATCH included
  GET    /twin/world           people, chats and teams, with ids and aliases
  GET    /twin/subscriptions   with delivery statistics
  GET    /twin/requests        every request; ?method= &path= &status= &message= &applied=true
  GET    /twin/deliveries      every attempt to deliver a notification
  PUT    /twin/faults          {"rules":[{"method":"PATCH","status":429,"retry_after":"1","count":2}],
           "delivery":[{"kind":"duplicate","count":1}]}; {} heals
  POST   /twin/lifecycle       {"event":"reauthorizationRequired"}, subscriptionRemoved or missed
  PUT    /twin/switches        {"echo":false,"blocked_body":"empty"}
  PUT    /twin/throttle        {"off":true}
  POST   /twin/rotate          a new signing key
  POST   /twin/settle          waits until every notification is delivered

People are ana, li, jo, sam, max (without licence), gia (a guest), kim (of
Fabrikam), deploybot. Chats are ana-li, li-jo, max-ana, deal, ext-deal,
engineering, standup, skype; the channels are sales/general, sales/board,
sales/partners.

Example:
  teamsdlp twin --write-config try
  teamsdlp serve --config try/teamsdlp.yaml
  curl -s 127.0.0.1:9400/twin/messages -d '{"as":"ana","chat":"ana-li","text":"my card is 4111 1111 1111 1111"}'
  curl -s 127.0.0.1:9400/twin/messages/m1`
}

func (c *twinCmd) Run(e *env) error {
	host, _, err := net.SplitHostPort(c.Listen)
	switch {
	case err != nil:
		return fmt.Errorf("--listen %s: %w", c.Listen, err)
	case !config.Loopback(host):
		return fmt.Errorf("--listen %s: not a loopback address, and the twin obeys everybody who can reach it", c.Listen)
	case !(c.BackoffScale > 0): // NaN too
		return fmt.Errorf("--backoff-scale %g: it must be above 0", c.BackoffScale)
	case c.Exit && c.WriteConfig == "":
		return errors.New("--exit is for --write-config")
	}
	log, err := newLogger(e.stderr, c.LogLevel)
	if err != nil {
		return err
	}
	if c.Exit {
		return c.write(e.stdout, "http://"+c.Listen)
	}
	o := c.twin()
	o.Throttle, o.Delivery = graphtwin.Throttle{Off: c.NoThrottle}, graphtwin.Delivery{Scale: c.BackoffScale}
	o.Logf = func(format string, args ...any) { log.Debug("twin", zap.String("event", fmt.Sprintf(format, args...))) }
	twin := graphtwin.New(o)
	defer twin.Close()
	url, err := twin.Start(c.Listen)
	if err != nil {
		return listenFault("--listen", err)
	}
	fmt.Fprintf(e.stdout, "Simulated Microsoft Graph  %s\n", url)
	if c.WriteConfig != "" {
		if err := c.write(e.stdout, url); err != nil {
			return err
		}
	}
	fmt.Fprintf(e.stdout, `Say something              curl -s %[1]s/twin/messages -d '{"as":"ana","chat":"ana-li","text":"my card is 4111 1111 1111 1111"}'
What Teams shows           curl -s %[1]s/twin/messages/m1
Who and where              curl -s %[1]s/twin/world
All of it                  teamsdlp twin --help
`, url)
	<-e.ctx.Done()
	return nil
}

func (c *twinCmd) write(w io.Writer, url string) error {
	file, err := writeTwinConfig(c.WriteConfig, url)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w, "Configuration              %s\nThe product                teamsdlp serve --config %s\n", file, file)
	return err
}

// Where the product and its desk listen in a configuration for a twin.
const (
	twinPublic  = "127.0.0.1:9500"
	twinPrivate = "127.0.0.1:9501"
)

// configHead begins the configurations that writeTwinConfig writes.
const configHead = "# Written by teamsdlp: a configuration for the simulated Microsoft Graph at\n"

// writeTwinConfig writes into dir what serve needs to watch Contoso at the twin at url:
// teamsdlp.yaml, keys, the client secret and the sample rules. What is there
// already stays; in a configuration of ours only the twin's address is set. It
// refuses a directory with a configuration that is not ours, and writes nothing
// there. It returns the path of the configuration.
func writeTwinConfig(dir, url string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "teamsdlp.yaml")
	data, err := configurationFor(url, dir, file)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(filepath.Join(dir, "rules"), 0o700); err != nil {
		return "", err
	}
	if err := writeTwinKeys(dir); err != nil {
		return "", fmt.Errorf("writing keys for the twin: %w", err)
	}
	if err := writeUnlessThere(filepath.Join(dir, "secret"), []byte(graphtwin.ContosoSecret+"\n")); err != nil {
		return "", err
	}
	if err := writeSampleRules(filepath.Join(dir, "rules")); err != nil {
		return "", fmt.Errorf("writing sample rules: %w", err)
	}
	return file, os.WriteFile(file, data, 0o600)
}

// configurationFor is the content of file: a new one, or the one that is there with
// this twin's address in the place of the other twin's.
func configurationFor(url, dir, file string) ([]byte, error) {
	have, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		data, err := yaml.Marshal(documentFor(url, dir))
		if err != nil {
			return nil, fmt.Errorf("encoding the configuration: %w", err)
		}
		return append([]byte(configHead+"# "+url+". teamsdlp check --example prints every key.\n"), data...), nil
	}
	if err != nil {
		return nil, err
	}
	var there struct {
		Cloud struct {
			GraphURL string `yaml:"graph_url"`
		} `yaml:"cloud"`
	}
	if !bytes.HasPrefix(have, []byte(configHead)) || yaml.Unmarshal(have, &there) != nil || there.Cloud.GraphURL == "" {
		return nil, fmt.Errorf("%s is there and is no configuration for a twin: name another directory, or move it away", file)
	}
	return bytes.ReplaceAll(have, []byte(there.Cloud.GraphURL), []byte(url)), nil
}

// documentFor is the configuration as YAML. It holds a reference to the secret,
// never the secret.
func documentFor(url, dir string) any {
	return struct {
		Public  map[string]string `yaml:"public"`
		Private map[string]string `yaml:"private"`
		DataDir string            `yaml:"data_dir"`
		Keys    string            `yaml:"keys_dir"`
		Rules   string            `yaml:"rules_dir"`
		Cloud   map[string]string `yaml:"cloud"`
		Tenants []any             `yaml:"tenants"`
	}{
		map[string]string{"url": "http://" + twinPublic, "listen": twinPublic},
		map[string]string{"listen": twinPrivate},
		filepath.Join(dir, "data"), filepath.Join(dir, "keys"), filepath.Join(dir, "rules"),
		map[string]string{"name": config.Custom, "graph_url": url, "login_url": url},
		[]any{map[string]any{
			"id": graphtwin.ContosoTenant, "app_id": graphtwin.ContosoApp,
			"credential": map[string]string{"kind": "client_secret", "secret": "file:" + filepath.Join(dir, "secret")},
		}},
	}
}

// writeTwinKeys makes keys, unless there are some. 2048 bits: for a demonstration
// the time to make them counts.
func writeTwinKeys(dir string) error {
	keys := filepath.Join(dir, "keys")
	switch have, err := filepath.Glob(filepath.Join(keys, "encryption-*.key.pem")); {
	case err != nil:
		return err
	case len(have) > 0:
		return nil
	}
	_, err := writeKeys(context.Background(), keyOptions{Dir: keys, DataDir: filepath.Join(dir, "data"), Bits: 2048, Now: time.Now()})
	return err
}

// writeSampleRules copies the sample, unless there are rules already.
func writeSampleRules(dir string) error {
	switch have, err := filepath.Glob(filepath.Join(dir, "*.y*ml")); {
	case err != nil:
		return err
	case len(have) > 0:
		return nil
	}
	files, err := fs.ReadDir(sampleRules, "sample")
	if err != nil {
		return err
	}
	for _, f := range files {
		data, err := sampleRules.ReadFile("sample/" + f.Name())
		if err != nil {
			return err
		}
		if err := writeUnlessThere(filepath.Join(dir, f.Name()), data); err != nil {
			return err
		}
	}
	return nil
}

func writeUnlessThere(path string, data []byte) error {
	err := writeNew(path, data)
	if errors.Is(err, fs.ErrExist) {
		return nil
	}
	return err
}
