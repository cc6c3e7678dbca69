package main

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"teamsdlp/config"
	"teamsdlp/policy"
	"teamsdlp/policy/detect"
	"teamsdlp/policy/rulefile"
)

type rulesCmd struct {
	Test   rulesTestCmd   `cmd:"" help:"Run the tests beside rules and detectors."`
	Lint   rulesLintCmd   `cmd:"" help:"Remark on rules that load but may not do what their author thinks."`
	Show   rulesShowCmd   `cmd:"" help:"Show the rules, one rule, the detectors, or one detector."`
	Schema rulesSchemaCmd `cmd:"" help:"Print the JSON Schema of a rule file, for editors."`
}

// rulesSource says which rule directory is meant.
type rulesSource struct {
	Rules  string `placeholder:"DIR" xor:"source" help:"The rule directory. Default: rules."`
	Config string `short:"c" placeholder:"FILE" xor:"source" help:"Take the rule directory from this configuration."`
	JSON   bool   `name:"json" help:"Print JSON."`
}

// dir returns the rule directory. named reports whether the caller asked for it.
func (s rulesSource) dir(e *env) (dir string, named bool, err error) {
	switch {
	case s.Rules != "":
		return s.Rules, true, nil
	case s.Config != "":
		cfg, err := config.Load(s.Config, e.getenv)
		if err != nil {
			return "", true, configFault(err, "name the rule directory with --rules DIR instead, or put the file there")
		}
		return cfg.RulesDir, true, nil
	}
	return "rules", false, nil
}

// open compiles the rule directory without running its tests. Faults of the files
// come back apart from errors that kept the command from running.
func (s rulesSource) open(e *env) (*rulefile.Generation, rulefile.Faults, error) {
	dir, named, err := s.dir(e)
	if err != nil {
		return nil, nil, err
	}
	g, err := rulefile.Open(dir, rulefile.Options{SkipTests: true, Now: time.Now()})
	if faults, ok := rulefile.AsFaults(err); ok {
		return nil, faults, nil
	}
	if errors.Is(err, fs.ErrNotExist) && !named {
		err = fmt.Errorf("%w (name the rule directory with --rules DIR, or the configuration with --config FILE)", err)
	}
	return g, nil, err
}

// jsonFault is a fault as --json prints it.
type jsonFault struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Col     int    `json:"col"`
	Rule    string `json:"rule,omitempty"`
	Message string `json:"message"`
}

func jsonFaults(faults rulefile.Faults) []jsonFault {
	list := []jsonFault{}
	for _, f := range faults {
		list = append(list, jsonFault{f.File, f.Line, f.Col, f.Rule, f.Msg})
	}
	return list
}

func writeIndented(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

// cannotLoad ends a command about rules that have faults.
func cannotLoad(faults rulefile.Faults) found {
	return found{plural(len(faults), "fault") + ": the rules cannot be loaded"}
}

// unusable prints faults and ends the command with exit code 1.
func unusable(w io.Writer, faults rulefile.Faults) error {
	for _, f := range faults {
		if _, err := fmt.Fprintln(w, plain(f.Error())); err != nil {
			return err
		}
	}
	return cannotLoad(faults)
}

type rulesTestCmd struct {
	rulesSource `embed:""`
	Verbose     bool `short:"v" help:"Print the tests that pass as well, each with its reason."`
}

// Help is printed by --help.
func (rulesTestCmd) Help() string {
	return `Runs every test beside a rule or a detector and prints those that fail. Exit code 1 if one does, or if the rules cannot be loaded.

Example:
  teamsdlp rules test --rules rules -v`
}

// testReport is what rules test --json prints.
type testReport struct {
	Generation string                `json:"generation,omitempty"`
	Passed     int                   `json:"passed"`
	Failed     int                   `json:"failed"`
	Tests      []rulefile.TestResult `json:"tests"`
	Faults     []jsonFault           `json:"faults"`
}

func (c rulesTestCmd) Run(e *env) error {
	g, faults, err := c.open(e)
	if err != nil {
		return err
	}
	report := testReport{Tests: []rulefile.TestResult{}, Faults: jsonFaults(faults)}
	if g != nil {
		report.Generation = g.Set.Generation
		report.Tests = append(report.Tests, g.RunTests()...)
	}
	for _, t := range report.Tests {
		if t.Passed {
			report.Passed++
		} else {
			report.Failed++
		}
	}
	if c.JSON {
		if err := writeIndented(e.stdout, report); err != nil {
			return err
		}
	} else if faults != nil {
		return unusable(e.stdout, faults)
	} else if err := c.print(e.stdout, len(g.Set.Rules), report); err != nil {
		return err
	}
	switch {
	case len(faults) > 0:
		return cannotLoad(faults)
	case report.Failed > 0:
		return found{plural(report.Failed, "test") + " failed"}
	}
	return nil
}

func (c rulesTestCmd) print(w io.Writer, rules int, report testReport) error {
	for _, t := range report.Tests {
		if t.Passed && !c.Verbose {
			continue
		}
		verdict := "FAIL"
		if t.Passed {
			verdict = "ok  "
		}
		subject := "rule " + t.Rule
		if t.Detector != "" {
			subject = "detector " + t.Detector
		}
		want := t.Want + ":"
		if !t.Passed {
			want = "test must " + map[string]string{"match": "", "no_match": "not "}[t.Want] + "match, but"
		}
		if _, err := fmt.Fprintf(w, "%s %s:%d:%d: %s, %s %s\n", verdict, t.File, t.Line, t.Col, subject, want, plain(t.Reason)); err != nil {
			return err
		}
	}
	_, err := fmt.Fprintf(w, "%s, %d passed, %d failed; %s, generation %s\n", plural(len(report.Tests), "test"), report.Passed, report.Failed, plural(rules, "rule"), report.Generation)
	return err
}

type rulesLintCmd struct {
	rulesSource `embed:""`
}

// Help is printed by --help.
func (rulesLintCmd) Help() string {
	return `Prints every fault that keeps the rules from loading, else every finding: a rule that can never fire, one that enforces without tests,
an expired exception, a file that is not read, and the like. Whether the tests pass, without which no set comes into force, says rules
test. Exit code 1 if there is any.

Example:
  teamsdlp rules lint --rules rules`
}

func (c rulesLintCmd) Run(e *env) error {
	g, faults, err := c.open(e)
	if err != nil {
		return err
	}
	report := struct {
		Generation string             `json:"generation,omitempty"`
		Faults     []jsonFault        `json:"faults"`
		Findings   []rulefile.Finding `json:"findings"`
	}{Faults: jsonFaults(faults), Findings: []rulefile.Finding{}}
	if g != nil {
		report.Generation = g.Set.Generation
		report.Findings = append(report.Findings, g.Findings...)
	}
	if c.JSON {
		if err := writeIndented(e.stdout, report); err != nil {
			return err
		}
	} else if faults != nil {
		return unusable(e.stdout, faults)
	} else {
		for _, f := range report.Findings {
			if _, err := fmt.Fprintln(e.stdout, plain(f.String())); err != nil {
				return err
			}
		}
	}
	if n := len(faults) + len(report.Findings); n > 0 {
		return found{plural(n, "finding")}
	}
	if !c.JSON {
		_, err = fmt.Fprintf(e.stdout, "%s, nothing to remark; generation %s\n", plural(len(g.Set.Rules), "rule"), report.Generation)
	}
	return err
}

type rulesSchemaCmd struct{}

// Help is printed by --help.
func (rulesSchemaCmd) Help() string {
	return `Prints the JSON Schema (draft 2020-12) of a rule file. Editors with a YAML language server complete and check by it.

Example:
  teamsdlp rules schema > rules.schema.json`
}

func (rulesSchemaCmd) Run(e *env) error {
	_, err := e.stdout.Write(rulefile.Schema())
	return err
}

type rulesShowCmd struct {
	rulesSource `embed:""`
	What        string `arg:"" optional:"" help:"detectors, or the id of a rule or a detector; without, every rule on a line."`
}

// Help is printed by --help.
func (rulesShowCmd) Help() string {
	return `Shows the rules as they were understood, and the detectors that rules can name. The detectors need no rule directory.

Example:
  teamsdlp rules show
  teamsdlp rules show card-number
  teamsdlp rules show detectors
  teamsdlp rules show credit-card`
}

func (c rulesShowCmd) Run(e *env) error {
	_, named, err := c.dir(e)
	if err != nil {
		return err
	}
	g, faults, err := c.open(e)
	if err != nil && (named || c.What == "") {
		return err
	}
	detectors := detect.Builtin()
	if g != nil {
		detectors = g.Set.Engine().Detectors()
	}
	if faults != nil {
		return c.despite(e, faults, detectors)
	}
	switch {
	case c.What == "":
		return c.rules(e.stdout, g.Set)
	case c.What == "detectors":
		return c.detectors(e.stdout, detectors)
	}
	if g != nil {
		at := slices.IndexFunc(g.Set.Rules, func(r *policy.Rule) bool { return r.ID == c.What })
		if at >= 0 {
			return c.rule(e.stdout, g.Set.Rules[at])
		}
	}
	at := slices.IndexFunc(detectors, func(d detect.Detector) bool { return d.ID == c.What })
	if at < 0 {
		return fmt.Errorf("no rule or detector %q: teamsdlp rules show lists the rules, teamsdlp rules show detectors the detectors", c.What)
	}
	return c.detector(e.stdout, detectors[at])
}

// despite shows the built-in detectors of rules that have faults: whoever looks for
// the name of one may do so because of such a fault. All else is the faults.
func (c rulesShowCmd) despite(e *env, faults rulefile.Faults, builtin []detect.Detector) error {
	at := slices.IndexFunc(builtin, func(d detect.Detector) bool { return d.ID == c.What })
	var err error
	switch {
	case c.What == "detectors":
		err = c.detectors(e.stdout, builtin)
	case at >= 0:
		err = c.detector(e.stdout, builtin[at])
	case c.JSON:
		if err = writeIndented(e.stdout, map[string]any{"faults": jsonFaults(faults)}); err != nil {
			return err
		}
		return cannotLoad(faults)
	default:
		return unusable(e.stdout, faults)
	}
	if err != nil {
		return err
	}
	return found{cannotLoad(faults).msg + ", so only the built-in detectors are shown; teamsdlp rules lint lists the faults"}
}

// shownRule is a rule as rules show prints it.
type shownRule struct {
	ID         string           `json:"id"`
	Title      string           `json:"title"`
	Owner      string           `json:"owner,omitempty"`
	Severity   string           `json:"severity"`
	Mode       string           `json:"mode"`
	Action     string           `json:"action"`
	Scope      []string         `json:"scope,omitempty"`
	When       string           `json:"when"`
	Tip        string           `json:"tip,omitempty"`
	URL        string           `json:"url,omitempty"`
	Override   string           `json:"override"`
	Report     string           `json:"report_false_positive"`
	Exceptions []shownException `json:"exceptions,omitempty"`
	File       string           `json:"file"`
	Line       int              `json:"line"`
}

type shownException struct {
	ID      string    `json:"id"`
	Reason  string    `json:"reason"`
	Owner   string    `json:"owner,omitempty"`
	Expires time.Time `json:"expires,omitzero"`
	When    string    `json:"when"`
}

func showRule(r *policy.Rule) shownRule {
	s := shownRule{ID: r.ID, Title: r.Title, Owner: r.Owner, Severity: string(r.Severity), Mode: string(r.Mode), Action: string(r.Action),
		When: rulefile.Describe(r.When()), Tip: r.Tip.Text, URL: r.Tip.URL, Override: string(r.Override), Report: string(r.Report),
		File: r.File, Line: r.Line}
	for _, c := range r.Scope().Conditions() {
		s.Scope = append(s.Scope, rulefile.Describe(c))
	}
	for _, x := range r.Exceptions() {
		s.Exceptions = append(s.Exceptions, shownException{x.ID, x.Reason, x.Owner, x.Expires, rulefile.Describe(x.When)})
	}
	return s
}

func (c rulesShowCmd) rules(w io.Writer, set *policy.Set) error {
	list := []shownRule{}
	for _, r := range set.Rules {
		list = append(list, showRule(r))
	}
	if c.JSON {
		return writeIndented(w, struct {
			Generation string      `json:"generation"`
			Rules      []shownRule `json:"rules"`
		}{set.Generation, list})
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RULE\tMODE\tACTION\tSEVERITY\tTITLE\tFILE")
	for _, r := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s:%d\n", r.ID, r.Mode, r.Action, r.Severity, plain(r.Title), r.File, r.Line)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "%s; generation %s\n", plural(len(list), "rule"), set.Generation)
	return err
}

func (c rulesShowCmd) rule(w io.Writer, rule *policy.Rule) error {
	r := showRule(rule)
	if c.JSON {
		return writeIndented(w, r)
	}
	lines := [][2]string{{"rule", r.ID}, {"title", r.Title}, {"owner", r.Owner}, {"severity", r.Severity}, {"mode", r.Mode}}
	for _, s := range r.Scope {
		lines = append(lines, [2]string{"scope", s})
	}
	lines = append(lines, [][2]string{{"when", r.When}, {"action", r.Action}, {"tip", r.Tip}, {"url", r.URL}, {"override", r.Override}, {"report_false_positive", r.Report}}...)
	for _, x := range r.Exceptions {
		until := "no end"
		if !x.Expires.IsZero() {
			until = "until " + x.Expires.AddDate(0, 0, -1).Format(time.DateOnly)
		}
		lines = append(lines, [2]string{"exception", fmt.Sprintf("%s (%s, %s): %s", x.ID, x.Reason, until, x.When)})
	}
	lines = append(lines, [2]string{"file", fmt.Sprintf("%s:%d", r.File, r.Line)})
	return writeLines(w, lines)
}

// writeLines prints names and values in two columns; empty values are left out.
func writeLines(w io.Writer, lines [][2]string) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for _, l := range lines {
		if l[1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", l[0], plainLines(l[1]))
		}
	}
	return t.Flush()
}

// shownDetector is a detector as rules show prints it.
type shownDetector struct {
	ID          string   `json:"id"`
	Name        string   `json:"name"`
	Family      string   `json:"family"`
	Region      string   `json:"region,omitempty"`
	Tier        string   `json:"tier,omitempty"`
	Alone       string   `json:"alone"`
	Printed     string   `json:"printed,omitempty"`
	BareContext string   `json:"bare_with_context,omitempty"`
	WithContext string   `json:"with_context"`
	Validate    string   `json:"validate,omitempty"`
	Patterns    []string `json:"patterns,omitempty"`
	// Terms are shown of a detector that is asked for by its id.
	Terms [][]string `json:"terms,omitempty"`
	Words []string   `json:"words,omitempty"`
	// Names are those of a country, Nouns what may follow one: "Greek tax number".
	Names      []string `json:"names,omitempty"`
	Nouns      []string `json:"nouns,omitempty"`
	Within     int      `json:"within,omitempty"`
	Exact      string   `json:"exact,omitempty"`
	Table      string   `json:"table,omitempty"`
	Similarity string   `json:"similarity,omitempty"`
	Match      []string `json:"match,omitempty"`
	NoMatch    []string `json:"no_match,omitempty"`
	Source     string   `json:"source,omitempty"`
}

func showDetector(d detect.Detector) shownDetector {
	level := func(l detect.Level) string {
		if l == 0 {
			return "none"
		}
		return l.String()
	}
	shown := shownDetector{ID: d.ID, Name: d.Name, Family: d.Family, Region: d.Region, Tier: d.Tier, Alone: level(d.Alone), WithContext: level(d.WithContext),
		Validate: d.Validate, Patterns: d.Patterns, Words: d.Words, Names: d.Names, Nouns: d.Nouns, Within: d.Within, Match: d.Match, NoMatch: d.NoMatch, Source: d.Source}
	if d.Exact != nil {
		shown.Exact, shown.Table = showExact(d.Exact, d.Within)
	}
	if f := d.Fingerprint; f != nil {
		var shares []string
		for _, l := range []struct {
			level detect.Level
			share int
		}{{detect.Low, f.Low}, {detect.Medium, f.Medium}, {detect.High, f.High}} {
			if l.share > 0 {
				shares = append(shares, fmt.Sprintf("%s from %d %%", l.level, l.share))
			}
		}
		shown.Similarity = strings.Join(shares, ", ")
	}
	if d.Tier != "" && d.Printed != d.Alone {
		shown.Printed = level(d.Printed)
	}
	if d.Tier != "" && d.BareContext != d.WithContext {
		shown.BareContext = level(d.BareContext)
	}
	return shown
}

// showExact says what exact data is looked for, and what table it is in.
func showExact(x *detect.Exact, within int) (exact, table string) {
	info := x.Table.Info()
	name := func(c detect.TableColumn) string { return fmt.Sprintf("%s (%s)", c.Name, c.Kind) }
	exact = "values of " + name(info.Columns[0])
	var others []string
	for _, c := range info.Columns[1:] {
		if x.Columns == nil || slices.Contains(x.Columns, c.Name) {
			others = append(others, name(c))
		}
	}
	if len(others) > 0 {
		exact += fmt.Sprintf("; with context: %s; at least %d within %d characters", strings.Join(others, ", "), max(1, x.AtLeast), within)
	}
	return exact, fmt.Sprintf("%d rows by %s, built %s with key %s", info.Rows, name(info.Columns[0]), info.Built.Format(time.RFC3339), info.KeyID)
}

func (c rulesShowCmd) detectors(w io.Writer, detectors []detect.Detector) error {
	list := []shownDetector{}
	for _, d := range detectors {
		list = append(list, showDetector(d))
	}
	slices.SortStableFunc(list, func(a, b shownDetector) int {
		return cmp.Or(strings.Compare(a.Family, b.Family), strings.Compare(a.ID, b.ID))
	})
	if c.JSON {
		return writeIndented(w, list)
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "DETECTOR\tFAMILY\tALONE\tWITH CONTEXT\tNAME")
	for _, d := range list {
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", d.ID, d.Family, d.Alone, d.WithContext, plain(d.Name))
	}
	return t.Flush()
}

func (c rulesShowCmd) detector(w io.Writer, detector detect.Detector) error {
	d := showDetector(detector)
	d.Terms = detector.Terms
	if c.JSON {
		return writeIndented(w, d)
	}
	lines := [][2]string{{"detector", d.ID}, {"name", d.Name}, {"family", d.Family}, {"region", d.Region}, {"tier", d.Tier}, {"alone", d.Alone}, {"as printed", d.Printed},
		{"with context", d.WithContext}, {"without a break", d.BareContext}, {"validate", d.Validate}}
	for _, p := range d.Patterns {
		lines = append(lines, [2]string{"pattern", p})
	}
	lines = append(lines, [][2]string{{"exact", d.Exact}, {"table", d.Table}, {"similarity", d.Similarity}, {"context words", strings.Join(d.Words, ", ")},
		{"or one of", strings.Join(d.Names, ", ")}, {"right before", strings.Join(d.Nouns, ", ")}}...)
	for _, names := range d.Terms {
		lines = append(lines, [2]string{"term", strings.Join(names, ", ")})
	}
	for _, m := range d.Match {
		lines = append(lines, [2]string{"matches", m})
	}
	for _, m := range d.NoMatch {
		lines = append(lines, [2]string{"does not match", m})
	}
	return writeLines(w, append(lines, [2]string{"source", d.Source}))
}
