package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"

	"golang.org/x/mod/sumdb/note"

	"teamsdlp/actions"
	"teamsdlp/actions/review"
	"teamsdlp/cmd/internal/sqlite"
	"teamsdlp/config"
	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
)

// actionsCmd is the action log on the command line.
type actionsCmd struct {
	List    actionsListCmd    `cmd:"" help:"List cases or, with --entries, the log itself."`
	Show    actionsShowCmd    `cmd:"" help:"Show one case with its timeline."`
	Find    actionsFindCmd    `cmd:"" help:"Look for cases in which a value was found that you know."`
	Verify  actionsVerifyCmd  `cmd:"" help:"Verify that nobody edited, dropped, moved or cut off an entry."`
	Prove   actionsProveCmd   `cmd:"" help:"Print a proof that one entry is in the log, for somebody who has not the log."`
	Release actionsReleaseCmd `cmd:"" help:"Lift what stands on a message."`
	Label   actionsLabelCmd   `cmd:"" help:"Label a case as a true or a false positive."`
}

// where says whose log it is.
type where struct {
	Config string `short:"c" default:"teamsdlp.yaml" type:"path" help:"Configuration file; it says where the data directory is."`
	Data   string `type:"path" placeholder:"DIR" help:"Data directory, instead of the configured one; then no configuration is read."`
}

// dirs returns the data directory, and the key directory where it is known.
func (w where) dirs(e *env) (data, keys string, err error) {
	if w.Data != "" {
		return w.Data, "", nil
	}
	cfg, err := config.Load(w.Config, e.getenv)
	if err != nil {
		return "", "", configFault(err, "name it with --config FILE, or the data directory with --data DIR")
	}
	return cfg.DataDir, cfg.KeysDir, nil
}

// configFault is an error of config.Load with what to do if there is no file.
func configFault(err error, mend string) error {
	if isMissing(err) {
		return fmt.Errorf("%w (%s)", err, mend)
	}
	return err
}

// isMissing reports whether an error of config.Load is that there is no such file;
// a file that it names may be missing too.
func isMissing(err error) bool {
	var faults config.Faults
	return errors.Is(err, fs.ErrNotExist) && errors.As(err, &faults) && faults[0].Line == 0
}

func (w where) open(e *env) (*sqlite.Reader, error) {
	data, _, err := w.dirs(e)
	if err != nil {
		return nil, err
	}
	return openLog(e.ctx, data)
}

// openLog opens the store in a data directory, or the copy of one, for reading.
func openLog(ctx context.Context, data string) (*sqlite.Reader, error) {
	r, err := sqlite.OpenReadOnly(ctx, data)
	if err == nil {
		return r, nil
	}
	// SQLite says only that it could not: the system says why.
	f, cannot := os.Open(filepath.Join(data, sqlite.FileName))
	if cannot == nil {
		_ = f.Close() // it was only tried
	}
	switch {
	case errors.Is(cannot, fs.ErrPermission):
		return nil, fmt.Errorf("reading the store in %s: permission denied (be the user that serve runs as)", data)
	case cannot == nil && sqlite.WantsFolder(err):
		return nil, fmt.Errorf("%w (its index is made beside it: be the user that serve runs as, or copy all files of the store into a folder that you can write to)", err)
	}
	return nil, err
}

// ---- list ----

type actionsListCmd struct {
	where
	Filters []string `arg:"" optional:"" name:"filter" help:"name=value, as severity=high or since=24h; all must hold."`
	Entries bool     `help:"List entries of the log, not cases."`
	JSON    bool     `name:"json" help:"One JSON object a line."`
	All     bool     `help:"Go on past the first 50, to the end."`
}

// Help is printed by --help.
func (actionsListCmd) Help() string {
	return `Lists what was found and done, newest first. Filters: ` + strings.Join(review.FilterKeys, ", ") + `.

  state is open, overridden, reported, released, edited or deleted
  limit is 50 if it is not given, 5000 at most
  since and until take 2026-11-24, 2026-11-24T08:00:00Z, or a span back: 24h, 7d
  after=N (with --entries) lists oldest first, from the entry after N; -1 is the start
  sender is an object id, or a part of a name, for which the log is searched: say since

It reads beside a running service. Exit code 1 if nothing fits.

Example:
  teamsdlp actions list severity=high state=open since=7d
  teamsdlp actions list --entries --json --all after=-1 > log.ndjson`
}

func (c *actionsListCmd) Run(e *env) error {
	query := url.Values{}
	for _, f := range c.Filters {
		name, value, ok := strings.Cut(f, "=")
		if !ok {
			return fmt.Errorf("filter %q: it must be name=value", f)
		}
		query.Add(name, value)
	}
	parse := review.ParseFilter
	if c.Entries {
		parse = review.ParseEntryFilter
	}
	f, err := parse(query)
	if err != nil {
		return err
	}
	r, err := c.open(e)
	if err != nil {
		return err
	}
	defer r.Close()
	var n int
	if c.Entries {
		n, err = listAll(e, c, f, r.Entries, func(x actions.Entry, f *actions.Filter) {
			if f.After != nil {
				f.After = &x.Seq
			} else {
				f.Before = x.Seq
			}
		}, entryLine)
	} else {
		n, err = listAll(e, c, f, r.Cases, func(x actions.Case, f *actions.Filter) { f.Before = x.LastSeq }, caseLine)
	}
	if err == nil && n == 0 {
		return found{"nothing fits"}
	}
	return err
}

// firstPage is how many are listed if nobody says how many.
const firstPage = 50

// searchStep is how many entries a search looks at before it says how far it is.
const searchStep = 100_000

// listAll prints pages until the end or, without --all, one of them, and then says
// if there is more. A search that takes long says on standard error where it is.
func listAll[T actions.Entry | actions.Case](e *env, c *actionsListCmd, f actions.Filter,
	page func(context.Context, actions.Filter) ([]T, error), turn func(last T, f *actions.Filter), line func(T) string) (int, error) {
	table := tabwriter.NewWriter(e.stdout, 0, 4, 2, ' ', 0)
	n := 0
	show := cmp.Or(f.Limit, firstPage)
	switch {
	case !c.All:
		f.Limit = show + 1 // one more tells whether there is more
	case f.Limit == 0:
		f.Limit = 500
	}
	f.Scan = searchStep
	for {
		list, err := page(e.ctx, f)
		stopped, searching := errors.AsType[*actions.SearchStopped](err)
		if err != nil && !searching {
			return n, err
		}
		if !c.All && n+len(list) > show {
			list, searching = list[:show-n], false
			defer fmt.Fprintf(e.stderr, "only the first %d: --all prints the rest\n", show)
		}
		if c.JSON {
			if err := actions.WriteNDJSON(e.stdout, list); err != nil {
				return n, err
			}
		} else {
			for _, x := range list {
				fmt.Fprintln(table, line(x))
			}
			if err := table.Flush(); err != nil {
				return n, err
			}
		}
		n += len(list)
		if searching {
			fmt.Fprintf(e.stderr, "searching: %d found, at entry %d of the log\n", n, stopped.At)
			if !c.All {
				f.Limit -= len(list)
			}
			if f.After != nil {
				f.After = &stopped.At
			} else {
				f.Before = stopped.At
			}
			continue
		}
		if !c.All || len(list) == 0 {
			return n, nil
		}
		turn(list[len(list)-1], &f)
		spoilPage(&f)
		if f.After == nil && f.Before == 0 {
			return n, nil // entry 0 was the last
		}
	}
}

func caseLine(c actions.Case) string {
	var rules, masked []string
	for _, r := range c.Rules {
		rules = append(rules, r.ID)
		for _, m := range r.Matched {
			masked = append(masked, m.Masked...)
		}
	}
	var sender, place string
	if c.Sender != nil {
		sender = cmp.Or(c.Sender.Name, c.Sender.ID)
	}
	if c.Conversation != nil {
		place = cmp.Or(c.Conversation.Name, c.Conversation.Kind)
	}
	return columns(c.ID, c.Updated.UTC().Format(time.DateTime), c.Severity, string(c.Action), string(c.Outcome), strings.Join(review.Tags(c), ","), sender, place, strings.Join(rules, ","), strings.Join(masked, " "))
}

func entryLine(x actions.Entry) string {
	if x.Gap != nil {
		x.Verdict = gapLine(*x.Gap)
	}
	return columns(strconv.FormatInt(x.Seq, 10), x.Time.UTC().Format(time.DateTime), string(x.Kind), x.Case, string(x.Action), string(x.Outcome), x.Actor, x.Verdict)
}

// gapLine is a gap in words.
func gapLine(g actions.Gap) string {
	to := "on"
	if !g.To.IsZero() {
		to = "to " + g.To.UTC().Format(time.DateTime)
	}
	return fmt.Sprintf("%s not covered from %s %s: %s", g.Resource, g.From.UTC().Format(time.DateTime), to, g.Cause)
}

func columns(values ...string) string {
	for i, v := range values {
		values[i] = plain(v)
	}
	return strings.Join(values, "\t")
}

// plain is text from outside for a terminal: without control characters and those
// that turn the direction of writing, so that a display name cannot move the cursor.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			return '?'
		}
		return r
	}, s)
}

// plainLines is plain for a text that may have several lines.
func plainLines(s string) string {
	lines := strings.Split(s, "\n")
	for i, line := range lines {
		lines[i] = plain(line)
	}
	return strings.Join(lines, "\n")
}

// ---- show ----

type actionsShowCmd struct {
	where
	Case string `arg:"" help:"The case, as list prints it."`
	JSON bool   `name:"json" help:"One JSON object: case and entries."`
}

// Help is printed by --help.
func (actionsShowCmd) Help() string {
	return `Shows one case: what was found, every rule's reason, the exposure clock and the
timeline. It never shows the message's text.

Example:
  teamsdlp actions show 3f9a1c0be2d47a55`
}

func (c *actionsShowCmd) Run(e *env) error {
	r, err := c.open(e)
	if err != nil {
		return err
	}
	defer r.Close()
	one, entries, err := r.Case(e.ctx, c.Case)
	if errors.Is(err, actions.ErrNotFound) {
		return found{fmt.Sprintf("there is no case %q: teamsdlp actions list prints them", c.Case)}
	}
	if err != nil {
		return err
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(map[string]any{"case": one, "entries": entries})
	}
	w := e.stdout
	caseHead(w, one)
	for _, x := range entries {
		fmt.Fprintf(w, "\n#%d  %s  %s by %s\n", x.Seq, x.Time.UTC().Format(time.RFC3339Nano), strings.Join(strings.Fields(fmt.Sprintln(x.Kind, x.Action, x.Outcome)), " "), plain(x.Actor))
		for _, said := range []string{x.Verdict, x.Reason, x.Label} {
			if said != "" {
				fmt.Fprintf(w, "    %s\n", plain(said))
			}
		}
		for _, rule := range x.Rules {
			fmt.Fprintf(w, "    %-12s %s: %s\n", plain(rule.Result), plain(rule.ID), plain(rule.Reason))
		}
		if g := x.Graph; g != nil {
			fmt.Fprintf(w, "    graph: %s, %s\n", strings.TrimSpace(fmt.Sprintf("status %d %s", g.Status, plain(g.Code))), plural(g.Attempts, "attempt"))
		}
	}
	return nil
}

// caseHead prints what the log knows of a case by now.
func caseHead(w io.Writer, c actions.Case) {
	line := func(name string, values ...string) {
		for i, v := range values {
			values[i] = plain(v)
		}
		fmt.Fprintf(w, "%-9s %s\n", name, strings.TrimSpace(strings.Join(values, "  ")))
	}
	line("case", c.ID, "last changed "+c.Updated.UTC().Format(time.RFC3339))
	line("severity", c.Severity)
	line("action", string(c.Action), string(c.Outcome), strings.Join(review.Tags(c), ", "))
	line("stands", cmp.Or(string(c.Standing), "none"))
	if s := c.Sender; s != nil {
		line("sender", s.Name, s.ID, s.Kind)
	}
	if p := c.Conversation; p != nil {
		line("where", p.Kind, p.Name, p.ID)
	}
	if m := c.Message; m != nil {
		line("message", m.ID, "sent "+m.SentAt.UTC().Format(time.RFC3339Nano))
	}
	for _, r := range c.Rules {
		found := []string{r.ID}
		for _, m := range r.Matched {
			found = append(found, m.Masked...)
		}
		line("found", found...)
	}
	readable := cmp.Or(review.Readable(c), "not known")
	if x := c.Exposure; x != nil && !x.Applied.IsZero() {
		_, microsoft, ours := review.Parts(x)
		readable += fmt.Sprintf("; until the action Microsoft took %s, we %s", microsoft, ours)
	}
	line("readable", readable)
}

// ---- verify ----

type actionsVerifyCmd struct {
	where
	Checkpoints string `type:"existingfile" placeholder:"FILE" help:"Signed checkpoints that were kept elsewhere, one after the other."`
	Key         string `type:"existingfile" placeholder:"FILE" help:"Public checkpoint key. Default: checkpoint.pub in the configured key directory."`
	Proof       string `type:"existingfile" placeholder:"FILE" help:"Verify this proof of one entry instead, as prove printed it; needs no data."`
	JSON        bool   `name:"json" help:"One JSON object."`
}

// Help is printed by --help.
func (actionsVerifyCmd) Help() string {
	return `Recomputes the log's tree from the entries and compares it with what is stored
and with signed checkpoints. Give the checkpoints that left this machine (the
configured checkpoint_file, or serve's standard output) and a copy of the public
key: whoever can write this machine's disk can write the checkpoints on it too.
Without --checkpoints those of the store are used, and the answer says so.

A checkpoint key that followed another is believed if a checkpoint by the one
before it covers the entry that names it. What retention deleted is no fault where
an entry says so; its hashes are verified all the same. Of a long log it says on
standard error every 5 seconds how far it is.

Exit code 0 if nothing is wrong, 1 if something is, 2 if it could not be verified:
there is nothing to read, or the checkpoints or the key are not of this log.

Example:
  teamsdlp actions verify --data /var/lib/teamsdlp --checkpoints /mnt/worm/checkpoints --key checkpoint.pub
  teamsdlp actions verify --proof entry-1204.proof --key checkpoint.pub`
}

// sealedLog opens the log for reading, and reads the public checkpoint key that was
// named, or the configured one, and the checkpoints: see readCheckpoints.
func (w where) sealedLog(e *env, file, key string) (r *sqlite.Reader, checkpoints []byte, known note.Verifiers, err error) {
	data, keys, err := w.dirs(e)
	if err != nil {
		return nil, nil, nil, err
	}
	if key == "" {
		if keys == "" {
			return nil, nil, nil, errors.New("name the public checkpoint key with --key")
		}
		key = filepath.Join(keys, actions.CheckpointPublicFile)
	}
	if known, err = actions.LoadVerifiers(key); err != nil {
		return nil, nil, nil, err
	}
	if r, err = openLog(e.ctx, data); err != nil {
		return nil, nil, nil, err
	}
	if checkpoints, err = readCheckpoints(e.ctx, r, file, known); err != nil {
		return nil, nil, nil, errors.Join(err, r.Close())
	}
	return r, checkpoints, known, nil
}

func (c *actionsVerifyCmd) Run(e *env) error {
	if c.Proof != "" {
		return c.proof(e)
	}
	r, checkpoints, known, err := c.sealedLog(e, c.Checkpoints, c.Key)
	if err != nil {
		return err
	}
	defer r.Close()
	report, err := actions.Verify(e.ctx, telling{r, e.stderr, 5 * time.Second}, checkpoints, known)
	if err != nil {
		return err
	}
	if c.JSON {
		err = json.NewEncoder(e.stdout).Encode(map[string]any{
			"ok": report.OK(), "size": report.Size, "root": report.Root.String(), "checkpoints": report.Checkpoints,
			"covered": report.Covered, "forgotten": report.Forgotten, "external": c.Checkpoints != "", "faults": report.Faults, "notes": report.Notes,
		})
	} else {
		c.print(e.stdout, report)
	}
	if err == nil && !report.OK() {
		return found{"the action log was tampered with or damaged: " + plural(len(report.Faults), "fault")}
	}
	return err
}

// telling is a log that says now and then how far it has been read.
type telling struct {
	*sqlite.Reader
	w     io.Writer
	every time.Duration
}

// Bodies implements actions.VerifySource.
func (t telling) Bodies(ctx context.Context, from int64, fn func(seq int64, body []byte) error) error {
	const look = 1000 // entries between two looks at the clock
	size, err := t.LogSize(ctx)
	if err != nil {
		return err
	}
	told := time.Now()
	return t.Reader.Bodies(ctx, from, func(seq int64, body []byte) error {
		if seq%look == 0 && seq > from && time.Since(told) >= t.every {
			told = time.Now()
			fmt.Fprintf(t.w, "verified %d of %d entries\n", seq, size)
		}
		return fn(seq, body)
	})
}

// proof verifies one proof, on a machine that may have nothing else.
func (c *actionsVerifyCmd) proof(e *env) error {
	if c.Key == "" {
		return errors.New("name the public checkpoint key with --key")
	}
	known, err := actions.LoadVerifiers(c.Key)
	if err != nil {
		return err
	}
	b, err := os.ReadFile(c.Proof)
	if err != nil {
		return err
	}
	proven, err := actions.CheckProof(b, known)
	if err != nil {
		return found{plain(err.Error())}
	}
	if c.JSON {
		return json.NewEncoder(e.stdout).Encode(map[string]any{
			"ok": true, "seq": proven.Seq, "origin": proven.Checkpoint.Origin, "size": proven.Checkpoint.Size, "entry": json.RawMessage(proven.Body),
		})
	}
	fmt.Fprintf(e.stdout, "ok: entry %d is in the log of %s, by its checkpoint of size %d\n%s\n",
		proven.Seq, plain(proven.Checkpoint.Origin), proven.Checkpoint.Size, plain(string(proven.Body)))
	return nil
}

// readCheckpoints reads those of a file or, if none is named, of the store. A file
// that is not of this log is the mistake of whoever named it, and no tampering.
func readCheckpoints(ctx context.Context, r *sqlite.Reader, path string, known note.Verifiers) ([]byte, error) {
	if path != "" {
		all, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		if err := actions.CheckpointsOf(all, known); err != nil {
			return nil, fmt.Errorf(`%s: %s
--checkpoints takes the signed checkpoints of this log, one after the other, as serve appends them to
action_log.checkpoint_file and prints them; --key takes its checkpoint.pub, which keeps every key it had.
If these are the right ones, somebody has replaced one of them`, path, plain(err.Error()))
		}
		return all, nil
	}
	var all bytes.Buffer
	for last := int64(-1); ; {
		page, err := r.Checkpoints(ctx, last, 5000)
		if err != nil {
			return nil, err
		}
		if len(page) == 0 {
			return all.Bytes(), nil
		}
		for _, p := range page {
			all.WriteString("\n")
			all.Write(p.Note)
			last = p.Size
		}
	}
}

func (c *actionsVerifyCmd) print(w io.Writer, report actions.Report) {
	entries := "entries"
	if report.Size == 1 {
		entries = "entry"
	}
	fmt.Fprintf(w, "%d %s, root %s\n", report.Size, entries, report.Root)
	source := "kept elsewhere"
	if c.Checkpoints == "" {
		source = "of this machine only: they prove nothing against whoever can write its disk"
	}
	fmt.Fprintf(w, "%s, %s\n", plural(report.Checkpoints, "checkpoint"), source)
	if report.Covered > 0 {
		fmt.Fprintf(w, "covered up to entry %d; %d after it\n", report.Covered-1, report.Size-report.Covered)
	} else {
		fmt.Fprintln(w, "covered by no checkpoint")
	}
	for _, f := range report.Faults {
		fmt.Fprintf(w, "FAULT  %s\n", plain(f.String()))
	}
	for _, n := range report.Notes {
		fmt.Fprintf(w, "note   %s\n", plain(n))
	}
	if report.OK() {
		fmt.Fprintln(w, "ok")
	}
}

// ---- prove ----

type actionsProveCmd struct {
	where
	Seq         int64  `arg:"" name:"entry" help:"Number of the entry, as show prints it after #."`
	Checkpoints string `type:"existingfile" placeholder:"FILE" help:"Signed checkpoints that were kept elsewhere. Default: those of the store."`
	Key         string `type:"existingfile" placeholder:"FILE" help:"Public checkpoint key. Default: checkpoint.pub in the configured key directory."`
}

// Help is printed by --help.
func (actionsProveCmd) Help() string {
	return `Prints one entry with a signed checkpoint and the hashes that lead from one to the
other (the form of c2sp.org/tlog-proof). Whoever has the public key can verify it,
without the log, with: teamsdlp actions verify --proof FILE --key checkpoint.pub

Exit code 1 if the entry cannot be proved: no checkpoint covers it yet, retention
deleted it, or the log was tampered with.

Example:
  teamsdlp actions prove 1204 > entry-1204.proof`
}

func (c *actionsProveCmd) Run(e *env) error {
	r, checkpoints, known, err := c.sealedLog(e, c.Checkpoints, c.Key)
	if err != nil {
		return err
	}
	defer r.Close()
	proof, err := actions.Prove(e.ctx, r, c.Seq, checkpoints, known)
	switch {
	case errors.Is(err, actions.ErrNotCovered):
		return found{err.Error() + ": one is made at least every checkpoint_every"}
	case errors.Is(err, actions.ErrNotFound), errors.Is(err, actions.ErrForgotten), errors.Is(err, actions.ErrProof):
		return found{plain(err.Error())}
	case err != nil:
		return err
	}
	_, err = e.stdout.Write(proof)
	return err
}

// ---- find ----

type actionsFindCmd struct {
	where
	KeysDir  string `type:"path" placeholder:"DIR" help:"Key directory, instead of the configured one."`
	File     string `arg:"" optional:"" type:"existingfile" help:"File that holds the value. Default: standard input."`
	Detector string `placeholder:"ID" help:"Take the whole text as a value of this detector, as it was typed; a company's own, say."`
	Since    string `placeholder:"TIME" help:"Only what was found since then: 2026-11-24, or a span back: 30d."`
	JSON     bool   `name:"json" help:"One JSON object for each entry."`
}

// Help is printed by --help.
func (actionsFindCmd) Help() string {
	return `The log holds no values, only keyed digests of them. This command finds what the
built-in detectors see in your text, makes the digests under the keys of every
epoch, and prints the entries that hold one. The value is read from standard input
or a file, never from the command line, where others could see it; it is not logged.

An entry keeps the digests of the first five different values of a detector.
The log is searched from its newest entry on, which takes some seconds for a million
entries, and more where they must be read from the disk; --since ends it earlier. It
holds up nothing that the service does.
Exit code 1 if it was not found.

Example:
  teamsdlp actions find < number.txt`
}

// maxValue bounds the text of find.
const maxValue = 64 << 10

func (c *actionsFindCmd) Run(e *env) error {
	data, keysDir, err := c.dirs(e)
	if err != nil {
		return err
	}
	if c.KeysDir != "" {
		keysDir = c.KeysDir
	}
	if keysDir == "" {
		return errors.New("name the key directory with --keys-dir")
	}
	keys, err := actions.LoadKeys(keysDir)
	if err != nil {
		return err
	}
	text, err := c.text(e)
	if err != nil {
		return err
	}
	filter := actions.Filter{Limit: 500}
	filter.Digests, filter.Detector = c.digests(keys, text)
	if len(filter.Digests) == 0 {
		return found{"no detector finds anything in this text, so no entry can hold it; for a detector of your own name it with --detector"}
	}
	if c.Since != "" {
		f, err := review.ParseEntryFilter(url.Values{"since": {c.Since}})
		if err != nil {
			return err
		}
		filter.Since = f.Since
	}
	r, err := openLog(e.ctx, data)
	if err != nil {
		return err
	}
	defer r.Close()
	list := &actionsListCmd{JSON: c.JSON, All: true}
	n, err := listAll(e, list, filter, r.Entries, func(x actions.Entry, f *actions.Filter) { f.Before = x.Seq }, entryLine)
	if err == nil && n == 0 {
		if c.Detector != "" && !slices.ContainsFunc(detect.Builtin(), func(d detect.Detector) bool { return d.ID == c.Detector }) {
			return found{fmt.Sprintf("not found; no built-in detector is called %q: look whether one of your rules' is", c.Detector)}
		}
		return found{"not found"}
	}
	return err
}

// text is the value, without the line's end.
func (c *actionsFindCmd) text(e *env) (string, error) {
	in := e.stdin
	if c.File != "" {
		f, err := os.Open(c.File)
		if err != nil {
			return "", err
		}
		defer f.Close()
		in = f
	}
	b, err := io.ReadAll(io.LimitReader(in, maxValue+1))
	if err != nil {
		return "", err
	}
	if len(b) > maxValue {
		return "", fmt.Errorf("the text is longer than %d KiB", maxValue>>10)
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return "", errors.New("there is no text to look for")
	}
	return text, nil
}

// digests are those that an entry would hold if the text had been said, with the
// detector if they are all of one.
func (c *actionsFindCmd) digests(keys *actions.Keys, text string) (list []string, detector string) {
	if c.Detector != "" {
		return keys.Digests(c.Detector, text), c.Detector
	}
	engine, faults := detect.New(nil)
	if len(faults) > 0 {
		panic(faults[0]) // of the built-in detectors
	}
	for i, m := range engine.Scan(extract.Plain(text), detect.Options{Min: detect.Internal}) {
		list = append(list, keys.Digests(m.Detector, m.Value.Reveal())...)
		if i == 0 {
			detector = m.Detector
		} else if detector != m.Detector {
			detector = ""
		}
	}
	return list, detector
}

// ---- decisions ----

type actionsReleaseCmd struct {
	where
	Case   string `arg:"" help:"The case, as list prints it."`
	Reason string `required:"" help:"Why; it goes into the log beside your name."`
}

// Help is printed by --help.
func (actionsReleaseCmd) Help() string {
	return `Lifts what stands on a message (PATCH none), through the running service. You are
named in the log as the user that you are on this machine.

Example:
  teamsdlp actions release 3f9a1c0be2d47a55 --reason "invoice number, not a card"`
}

func (c *actionsReleaseCmd) Run(e *env) error {
	return c.decide(e, c.Case, "release", map[string]string{"reason": c.Reason})
}

type actionsLabelCmd struct {
	where
	Case   string `arg:"" help:"The case, as list prints it."`
	Label  string `arg:"" enum:"true-positive,false-positive" help:"true-positive or false-positive."`
	Reason string `help:"A note that goes into the log beside your name."`
}

// Help is printed by --help.
func (actionsLabelCmd) Help() string {
	return `Records your opinion of a case in the log, through the running service.

Example:
  teamsdlp actions label 3f9a1c0be2d47a55 false-positive`
}

func (c *actionsLabelCmd) Run(e *env) error {
	return c.decide(e, c.Case, "label", map[string]string{"label": c.Label, "reason": c.Reason})
}

// decide asks the running service for a decision.
func (w where) decide(e *env, id, what string, body map[string]string) error {
	data, _, err := w.dirs(e)
	if err != nil {
		return err
	}
	if err := ask(e.ctx, data, "/cases/"+url.PathEscape(id)+"/"+what, body); err != nil {
		return err
	}
	fmt.Fprintf(e.stdout, "%s: done\n", what)
	return nil
}
