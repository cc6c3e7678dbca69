package main

import (
	"bufio"
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"teamsdlp/policy"
	"teamsdlp/policy/detect"
	"teamsdlp/policy/extract"
	"teamsdlp/policy/rulefile"
)

type scanCmd struct {
	Files      []string `arg:"" optional:"" name:"file" help:"What to read; standard input if there is none, or for -."`
	JSON       bool     `name:"json" help:"Print one JSON line for each input."`
	HTML       bool     `name:"html" xor:"form" help:"Read each input as HTML, as the body of a Teams message is."`
	JSONL      bool     `name:"jsonl" xor:"form" help:"Read lines of {\"id\":…,\"text\":…} or {\"id\":…,\"html\":…}; implies --json."`
	MinLevel   int      `default:"65" enum:"40,65,75,85" help:"The least level reported: 40, 65 (low), 75 (medium) or 85 (high)."`
	Regions    []string `default:"all" placeholder:"us,de" help:"Countries that data is expected from, by ISO 3166 code; data of others drops one level. Default: all."`
	Explain    bool     `help:"Also print the candidates that came to nothing, and what each failed at."`
	RegionHint string   `placeholder:"GB" help:"The home country, for phone numbers without a country code."`
	Rules      string   `placeholder:"DIR" help:"Judge by this rule directory as well and print what each rule says."`
}

// Help is printed by --help.
func (scanCmd) Help() string {
	return `Finds sensitive data in text, without configuration and network. Values are printed masked.

With --json or --jsonl it prints one line for each input:

  {"id":"-","matches":[{"detector":"credit-card","family":"financial","confidence":"high",
    "level":85,"start":11,"end":30,"masked":"411111••••••1111","known_test":true}]}

The id is the input's own, or the file's name; offsets are in Unicode code points of
the input, for html of the markup; known_test marks a published test number, obfuscated
what was written to get past a detector. With --rules it also has the verdict of the rules
that enforce (none, notify, block-external or block) and what each rule says: id, result, reason, action, mode. With --explain it also has
"rejected": detector, start, end and gate, a sentence that says what a candidate lacked,
for at most a thousand of them. What has not even the form of a value is no candidate.
For a person --explain with --rules leaves out the candidates of detectors that no rule names.

Exit code: 0 nothing found, 1 something found or a rule matches, in shadow too, 2 an input could not be read.

Example:
  echo 'my card is 4111 1111 1111 1111' | teamsdlp scan
  echo 'order 4111 1111 1111 1112' | teamsdlp scan --explain
  echo '<p>card <b>4111</b> 1111 1111 1111</p>' | teamsdlp scan --html --rules rules
  teamsdlp scan --jsonl --min-level 75 chats.jsonl`
}

// maxScan bounds one input, so that a wrong file name does not eat the machine.
const maxScan = 256 << 20

// scanLine is what --json prints of one input.
type scanLine struct {
	ID      json.RawMessage `json:"id"`
	Matches []scanMatch     `json:"matches"`
	// Rejected is there with --explain alone.
	Rejected []scanRejected `json:"rejected,omitzero"`
	*scanVerdict
}

type scanMatch struct {
	Detector   string `json:"detector"`
	Family     string `json:"family"`
	Confidence string `json:"confidence"`
	Level      int    `json:"level"`
	Start      int    `json:"start"` // code points
	End        int    `json:"end"`
	Masked     string `json:"masked"`
	KnownTest  bool   `json:"known_test,omitempty"`
	Obfuscated bool   `json:"obfuscated,omitempty"`

	why string
}

type scanRejected struct {
	Detector string `json:"detector"`
	Start    int    `json:"start"` // code points
	End      int    `json:"end"`
	Gate     string `json:"gate"`
}

// A scanRun is one run of the command.
type scanRun struct {
	*scanCmd
	e       *env
	out     *bufio.Writer
	engine  *detect.Engine
	options detect.Options
	set     *policy.Set     // nil without --rules
	named   map[string]bool // the detectors that the rules name; nil without --rules
	now     time.Time
	found   int
	failed  int // inputs that could not be read
	text    extract.Text
}

// Run scans every input. An input that cannot be read is reported and does not
// keep the others from being scanned.
func (c *scanCmd) Run(e *env) error {
	r := &scanRun{scanCmd: c, e: e, out: bufio.NewWriter(e.stdout), now: time.Now()}
	if err := r.open(); err != nil {
		return err
	}
	r.strangeRegions()
	files := c.Files
	if len(files) == 0 {
		files = []string{"-"}
	}
	for _, name := range files {
		if err := r.file(name); err != nil {
			return err
		}
	}
	if err := r.out.Flush(); err != nil {
		return err
	}
	switch {
	case r.failed > 0:
		return fmt.Errorf("%d of the inputs could not be read", r.failed)
	case r.found > 0:
		return found{}
	}
	return nil
}

// open makes the engine and reads the rules.
func (r *scanRun) open() error {
	r.options = detect.Options{Min: detect.Level(r.MinLevel), RegionHint: r.RegionHint, Now: r.now}
	if !slices.Contains(r.Regions, "all") {
		r.options.Regions = r.Regions
	}
	for _, code := range append(slices.Clone(r.options.Regions), r.RegionHint) {
		if code != "" && len(code) != 2 {
			return fmt.Errorf("region %q: want a country code of two letters, or all", code)
		}
	}
	if r.Rules != "" {
		g, err := rulefile.Open(r.Rules, rulefile.Options{SkipTests: true, Now: r.now, Regions: r.options.Regions, RegionHint: r.RegionHint})
		if err != nil {
			return err
		}
		r.set, r.engine, r.named = g.Set, g.Set.Engine(), map[string]bool{}
		note := func(c policy.Condition, _ bool) {
			if d, ok := c.(*policy.Detect); ok {
				r.named[d.Detector] = true
			}
		}
		for _, rule := range r.set.Rules {
			policy.Leaves(rule.When(), note)
			for _, x := range rule.Exceptions() {
				policy.Leaves(x.When, note)
			}
		}
		return nil
	}
	engine, faults := detect.New(nil)
	r.engine = engine
	return errors.Join(faults...)
}

// strangeRegions says which of the given regions no detector is of: a slip, as uk
// for gb, would lower every match of the country that was meant.
func (r *scanRun) strangeRegions() {
	known := map[string]bool{}
	for _, d := range r.engine.Detectors() {
		if d.Region != "" {
			known[d.Region] = true
		}
	}
	if strings.EqualFold(r.RegionHint, "uk") {
		fmt.Fprintf(r.e.stderr, "teamsdlp: scan: --region-hint %s: the code of the United Kingdom is GB\n", r.RegionHint)
	}
	for _, code := range r.options.Regions {
		if !known[strings.ToLower(code)] {
			fmt.Fprintf(r.e.stderr, "teamsdlp: scan: no detector is of the region %q; they are of %s\n", code, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
}

// file scans one file: as one text, or line by line. Its error is of the output.
func (r *scanRun) file(name string) error {
	in := io.ReadCloser(io.NopCloser(r.e.stdin))
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			r.fail("%v", err)
			return nil
		}
		in = f
	}
	defer in.Close()
	if r.JSONL {
		return r.lines(name, in)
	}
	b, err := io.ReadAll(io.LimitReader(in, maxScan+1))
	switch {
	case err != nil:
		r.fail("%v", err)
		return nil
	case len(b) > maxScan:
		r.fail("%s is larger than %d MiB", name, maxScan>>20)
		return nil
	}
	id, err := json.Marshal(name)
	if err != nil {
		return err
	}
	return r.scan(id, extract.Source{Body: string(b), HTML: r.HTML})
}

func (r *scanRun) fail(format string, args ...any) {
	r.failed++
	fmt.Fprintf(r.e.stderr, "teamsdlp: scan: "+format+"\n", args...)
}

// lines scans the lines of a JSONL file. The text of a line that is wrong is not
// repeated.
func (r *scanRun) lines(name string, in io.Reader) error {
	br := bufio.NewReaderSize(in, 1<<16)
	for n := 1; ; n++ {
		line, err := br.ReadBytes('\n')
		if len(bytes.TrimSpace(line)) > 0 {
			id, src, problem := parseLine(line)
			if problem != "" {
				r.fail("%s:%d: %s", name, n, problem)
			} else if err := r.scan(id, src); err != nil {
				return err
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			r.fail("reading %s: %v", name, err)
			return nil
		}
	}
}

// parseLine reads one line; problem says what is wrong with it.
func parseLine(line []byte) (id json.RawMessage, src extract.Source, problem string) {
	var in struct {
		ID   json.RawMessage `json:"id"`
		Text *string         `json:"text"`
		HTML *string         `json:"html"`
	}
	if json.Unmarshal(line, &in) != nil {
		return nil, src, `not an object with "id" and "text" or "html"`
	}
	switch {
	case in.ID == nil:
		return nil, src, `"id" is missing`
	case (in.Text == nil) == (in.HTML == nil):
		return nil, src, `want one of "text" and "html"`
	case in.HTML != nil:
		src = extract.Source{Body: *in.HTML, HTML: true}
	default:
		src = extract.Source{Body: *in.Text}
	}
	return in.ID, src, ""
}

// scan scans one input and prints what was found. Its error is of the output.
func (r *scanRun) scan(id json.RawMessage, src extract.Source) error {
	r.text.Load(src)
	line := scanLine{ID: id}
	if r.Explain {
		matches, rejected := r.engine.ScanExplain(&r.text, r.options)
		line.Matches = inCodePoints(src.Body, &r.text, matches)
		line.Rejected = rejectedInCodePoints(src.Body, &r.text, rejected)
	} else {
		line.Matches = inCodePoints(src.Body, &r.text, r.engine.Scan(&r.text, r.options))
	}
	if r.set != nil {
		v := judgeText(r.set, &r.text, r.now)
		line.scanVerdict = &v
	}
	if len(line.Matches) > 0 || line.scanVerdict.matched() {
		r.found++
	}
	if !r.JSON && !r.JSONL {
		return r.print(line)
	}
	enc := json.NewEncoder(r.out)
	enc.SetEscapeHTML(false)
	return enc.Encode(line)
}

// inCodePoints maps matches back to body, in its order.
func inCodePoints(body string, text *extract.Text, matches []detect.Match) []scanMatch {
	out := make([]scanMatch, 0, len(matches))
	for _, m := range matches {
		_, start, end := text.Origin(m.Start, m.End)
		out = append(out, scanMatch{
			m.Detector, m.Family, m.Level.String(), int(m.Level), start, end, m.Masked, m.KnownTest, m.Obfuscated, m.Why,
		})
	}
	slices.SortStableFunc(out, func(a, b scanMatch) int { return cmp.Compare(a.Start, b.Start) })
	c := counter{body: body}
	for i := range out {
		out[i].Start, out[i].End = c.span(out[i].Start, out[i].End)
	}
	return out
}

// rejectedInCodePoints is inCodePoints for what came to nothing.
func rejectedInCodePoints(body string, text *extract.Text, rejected []detect.Rejected) []scanRejected {
	out := make([]scanRejected, 0, len(rejected))
	for _, x := range rejected {
		_, start, end := text.Origin(x.Start, x.End)
		out = append(out, scanRejected{x.Detector, start, end, x.Gate})
	}
	slices.SortStableFunc(out, func(a, b scanRejected) int { return cmp.Compare(a.Start, b.Start) })
	c := counter{body: body}
	for i := range out {
		out[i].Start, out[i].End = c.span(out[i].Start, out[i].End)
	}
	return out
}

// counter turns byte offsets of body, which come in order, into code points.
type counter struct {
	body         string
	bytes, runes int
}

func (c *counter) span(start, end int) (from, to int) {
	c.runes += utf8.RuneCountInString(c.body[c.bytes:start])
	c.bytes = start
	return c.runes, c.runes + utf8.RuneCountInString(c.body[start:end])
}

// print writes the result of one input for a person.
func (r *scanRun) print(line scanLine) error {
	var name string
	if err := json.Unmarshal(line.ID, &name); err != nil {
		return err
	}
	name = plain(name)
	switch n := len(line.Matches); n {
	case 0:
		what := "nothing found"
		if line.scanVerdict.matched() {
			what = "found by a rule"
		}
		fmt.Fprintf(r.out, "%s: %s\n", name, what)
	case 1:
		fmt.Fprintf(r.out, "%s: 1 match\n", name)
	default:
		fmt.Fprintf(r.out, "%s: %d matches\n", name, n)
	}
	for _, m := range line.Matches {
		fmt.Fprintf(r.out, "  %d-%d  %s  %s %d  %s\n      %s", m.Start, m.End, m.Detector, m.Confidence, m.Level, m.Masked, m.why)
		if m.KnownTest {
			fmt.Fprint(r.out, "; a published test value")
		}
		if m.Obfuscated {
			fmt.Fprint(r.out, "; hidden by characters that cannot be seen or only look alike")
		}
		fmt.Fprintln(r.out)
	}
	others := 0
	for _, x := range line.Rejected {
		if r.named != nil && !r.named[x.Detector] {
			others++
			continue
		}
		fmt.Fprintf(r.out, "  %d-%d  %s rejected: %s\n", x.Start, x.End, x.Detector, x.Gate)
	}
	if others > 0 {
		fmt.Fprintf(r.out, "  %s of detectors that no rule names came to nothing: without --rules they are printed\n", plural(others, "candidate"))
	}
	if line.scanVerdict != nil {
		return line.scanVerdict.print(r.out)
	}
	return nil
}
