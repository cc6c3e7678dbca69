package main

import (
	"bytes"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"text/tabwriter"
	"time"

	"teamsdlp/webhook"
)

// maxCapture is the size of the largest file that inspect reads: four times the
// largest request that the webhook takes by default.
const maxCapture = 64 << 20

type inspectCmd struct {
	Key      string `required:"" placeholder:"FILE" help:"Private key, PEM."`
	Cert     string `placeholder:"FILE" help:"Its certificate, PEM: then the thumbprint is checked too."`
	ID       string `name:"id" placeholder:"ID" help:"Certificate id that the content must name."`
	ShowText bool   `help:"Print the decrypted JSON, message text included."`
	JSON     bool   `name:"json" help:"Print one JSON object a line for each content."`
	File     string `arg:"" help:"A captured notification: a whole collection, one item or an encryptedContent; - is standard input."`
}

// Help is printed by --help.
func (inspectCmd) Help() string {
	return `Opens one captured notification and prints each check: passed, failed, or not checked. Nothing is sent anywhere.
Without --show-text no message text is printed.

Example:
  teamsdlp inspect --key keys/encryption-2026-11.key.pem --cert keys/encryption-2026-11.cert.pem captured.json`
}

// inspected is the report on one encryptedContent.
type inspected struct {
	// Item is the place in the collection, from 0.
	Item   int             `json:"item"`
	Checks []webhook.Check `json:"checks,omitempty"`
	// Skipped says why there was nothing to check.
	Skipped string          `json:"skipped,omitempty"`
	Bytes   int             `json:"bytes,omitempty"`
	Message *messageFacts   `json:"message,omitempty"`
	Text    json.RawMessage `json:"text,omitempty"`

	plain []byte
}

// messageFacts is what can be said of a message without its text.
type messageFacts struct {
	ID          string    `json:"id"`
	Version     string    `json:"version,omitempty"`
	Type        string    `json:"type,omitempty"`
	Place       string    `json:"place,omitempty"`
	Created     time.Time `json:"created,omitzero"`
	Modified    time.Time `json:"modified,omitzero"`
	Edited      time.Time `json:"edited,omitzero"`
	Deleted     time.Time `json:"deleted,omitzero"`
	BodyBytes   int       `json:"body_bytes"`
	Attachments int       `json:"attachments"`
	Mentions    int       `json:"mentions"`
	Judged      bool      `json:"judged"` // policyViolation is set
}

func (c inspectCmd) Run(e *env) error {
	key, cert, err := c.readKey()
	if err != nil {
		return err
	}
	contents, err := c.readContents(e.stdin)
	if err != nil {
		return err
	}
	var failures []error
	for i, ec := range contents {
		report := inspect(i, ec, key, cert, c.ID)
		if c.ShowText {
			report.Text = report.plain
		}
		if err := c.print(e.stdout, report, len(contents)); err != nil {
			return err
		}
		failures = append(failures, report.failure())
	}
	if err := errors.Join(failures...); err != nil {
		return found{strings.ReplaceAll(err.Error(), "\n", "; ")}
	}
	return nil
}

// readKey reads what the command line names.
func (c inspectCmd) readKey() (*rsa.PrivateKey, *x509.Certificate, error) {
	key, err := parseFile(c.Key, webhook.ParsePrivateKey)
	if err != nil {
		return nil, nil, err
	}
	if c.Cert == "" {
		return key, nil, nil
	}
	cert, err := parseFile(c.Cert, webhook.ParseCertificate)
	return key, cert, err
}

func parseFile[T any](path string, parse func([]byte) (T, error)) (T, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		var zero T
		return zero, err
	}
	v, err := parse(b)
	if err != nil {
		return v, fmt.Errorf("%s: %w", path, err)
	}
	return v, nil
}

// readContents returns the encryptedContent of every item in the file; nil for
// an item that has none. It does not quote the file: a capture is not for logs.
func (c inspectCmd) readContents(stdin io.Reader) ([]*webhook.EncryptedContent, error) {
	r := stdin
	if c.File != "-" {
		f, err := os.Open(c.File)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		r = f
	}
	b, err := io.ReadAll(io.LimitReader(r, maxCapture+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("reading %s: %w", c.File, err)
	case len(b) > maxCapture:
		return nil, fmt.Errorf("reading %s: larger than %d MiB", c.File, maxCapture>>20)
	}
	type item struct {
		Encrypted *webhook.EncryptedContent `json:"encryptedContent"`
	}
	var capture struct {
		Value []item `json:"value"`
		item
		webhook.EncryptedContent
	}
	if err := json.Unmarshal(bytes.TrimPrefix(b, []byte("\ufeff")), &capture); err != nil {
		return nil, fmt.Errorf("reading %s: not the JSON of a notification or an encryptedContent", c.File)
	}
	switch {
	case len(capture.Value) > 0:
		var all []*webhook.EncryptedContent
		for _, it := range capture.Value {
			all = append(all, it.Encrypted)
		}
		return all, nil
	case capture.Encrypted != nil:
		return []*webhook.EncryptedContent{capture.Encrypted}, nil
	case capture.EncryptedContent != webhook.EncryptedContent{}:
		return []*webhook.EncryptedContent{&capture.EncryptedContent}, nil
	}
	return nil, fmt.Errorf("reading %s: nothing encrypted in it", c.File)
}

// inspect makes the report on one content.
func inspect(i int, ec *webhook.EncryptedContent, key *rsa.PrivateKey, cert *x509.Certificate, id string) inspected {
	if ec == nil {
		return inspected{Item: i, Skipped: "no encryptedContent: a basic or a lifecycle notification"}
	}
	checks, plain := webhook.Inspect(ec, key, cert, id)
	report := inspected{Item: i, Checks: checks, Bytes: len(plain)}
	if plain == nil {
		return report
	}
	if json.Valid(plain) {
		report.plain = plain
	}
	m, err := webhook.DecodeMessage(plain)
	if err != nil {
		return report
	}
	report.Message = &messageFacts{
		ID: m.ID, Version: m.Version(), Type: string(m.MessageType),
		Created: m.Created, Modified: m.LastModified, Edited: m.LastEdited, Deleted: m.Deleted,
		BodyBytes: len(m.Body.Content.Reveal()), Attachments: len(m.Attachments), Mentions: len(m.Mentions), Judged: m.PolicyViolation != nil,
	}
	if ref := m.Ref(); ref != (webhook.Ref{}) {
		report.Message.Place = ref.Key()
	}
	return report
}

// failure is the first check that failed, in the words of what it means.
func (r inspected) failure() error {
	for _, c := range r.Checks {
		if c.Result == webhook.Failed {
			// Reason is what is wrong, Err which of the four refusals that is;
			// for the last of them Err says both.
			if errors.Is(c.Err, webhook.ErrNotMessage) {
				return c.Err
			}
			return fmt.Errorf("%w: %s", c.Err, c.Reason)
		}
	}
	return nil
}

func (c inspectCmd) print(w io.Writer, r inspected, of int) error {
	if c.JSON {
		enc := json.NewEncoder(w)
		enc.SetEscapeHTML(false)
		return enc.Encode(r)
	}
	if of > 1 {
		fmt.Fprintf(w, "item %d of %d\n", r.Item+1, of)
	}
	if r.Skipped != "" {
		_, err := fmt.Fprintln(w, r.Skipped)
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, check := range r.Checks {
		line := fmt.Sprintf("%s\t%s", check.Name, check.Result)
		if check.Reason != "" {
			line += "\t" + check.Reason
		}
		fmt.Fprintln(t, line)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	return c.printMessage(w, r)
}

// printMessage prints what is known of the message, and its JSON if asked for.
func (c inspectCmd) printMessage(w io.Writer, r inspected) error {
	if m := r.Message; m != nil {
		t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
		line := func(name, value string) {
			if value != "" {
				fmt.Fprintf(t, "%s\t%s\n", name, value)
			}
		}
		at := func(v time.Time) string {
			if v.IsZero() {
				return ""
			}
			return v.Format(time.RFC3339Nano)
		}
		fmt.Fprintln(t)
		line("message", fmt.Sprintf("%q", m.ID))
		line("version", fmt.Sprintf("%q", m.Version))
		line("type", m.Type)
		if m.Place != "" {
			line("place", fmt.Sprintf("%q", m.Place))
		}
		line("created", at(m.Created))
		line("modified", at(m.Modified))
		line("edited", at(m.Edited))
		line("deleted", at(m.Deleted))
		line("size", fmt.Sprintf("%d bytes, body %d, attachments %d, mentions %d", r.Bytes, m.BodyBytes, m.Attachments, m.Mentions))
		line("judged before", map[bool]string{true: "yes", false: "no"}[m.Judged])
		if err := t.Flush(); err != nil {
			return err
		}
	}
	if c.ShowText && r.Text != nil {
		_, err := fmt.Fprintf(w, "\n%s\n", r.Text)
		return err
	}
	return nil
}
