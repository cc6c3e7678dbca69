package rulefile

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"teamsdlp/policy"
	"teamsdlp/policy/detect"
)

// Options says how rules are compiled. The zero value is how a server does it.
type Options struct {
	// SkipTests leaves the tests beside rules and detectors to the caller, who
	// runs Generation.RunTests. Else a test that fails is a fault.
	SkipTests bool
	// Now is the time by which exceptions have expired; zero: the time of the call.
	Now time.Time
	// Regions are the detector packs that are on; nil: all.
	Regions []string
	// RegionHint is the home region for national phone numbers (ISO 3166 alpha-2).
	RegionHint string

	cost func(*detect.Pattern) time.Duration // nil: measured; a test says what it is
}

func (o Options) detect() detect.Options {
	return detect.Options{Regions: o.Regions, RegionHint: o.RegionHint}
}

// Generation is one compiled state of a rule directory. It does not change.
type Generation struct {
	Set      *policy.Set
	Findings []Finding // by file and position

	set     *set
	options detect.Options
}

// Load compiles the rule directory dir. Its error is [Faults], all of them, if the
// files are to blame.
func Load(dir string, o Options) (*policy.Set, []Finding, error) {
	g, err := Open(dir, o)
	if err != nil {
		return nil, nil, err
	}
	return g.Set, g.Findings, nil
}

// Open is [Load] for a caller who wants the tests and definitions as well.
func Open(dir string, o Options) (*Generation, error) {
	s, err := newReader(dir).read()
	if err != nil {
		return nil, err
	}
	g, err := compileAll(dir, s, o)
	if err != nil {
		return nil, err
	}
	g.Findings = append(g.Findings, unread(dir)...)
	return g, nil
}

// unread finds files that look like rule files and are none, since they are in a
// folder below the directory or have another ending: nobody would see why their
// rules never fire. It looks at so many names only.
func unread(dir string) (list []Finding) {
	left := 2000
	_ = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error { // a folder that cannot be read has none
		left--
		switch name := d.Name(); {
		case left < 0:
			return fs.SkipAll
		case err != nil:
			return nil //nolint:nilerr // as above
		case path != dir && strings.HasPrefix(name, "."):
			if d.IsDir() {
				return fs.SkipDir
			}
		case !d.IsDir() && isRuleFile(strings.ToLower(name)) && (filepath.Dir(path) != filepath.Clean(dir) || !isRuleFile(name)):
			list = append(list, Finding{Code: "unread-file", File: path, Msg: "this file is not read: rule files are *.yaml and *.yml of the directory itself. Move it there, or take it away"})
		}
		return nil
	})
	return list
}

// Compile compiles files as one generation, as [ReadDir] returns them: rule files
// and those that they name. Positions name them as files in dir.
func Compile(dir string, files []Source, o Options) (*Generation, error) {
	return compileAll(dir, &snapshot{files: files, generation: generationOf(files)}, o)
}

func compileAll(dir string, snap *snapshot, o Options) (*Generation, error) {
	if o.Now.IsZero() {
		o.Now = time.Now()
	}
	s := &set{
		detectors: map[string]*detector{}, lists: map[string]*list{}, groups: map[string]*group{},
		dir: dir, named: map[string][]byte{}, modes: snap.modes, bad: snap.bad, tables: map[string]*detect.Table{},
	}
	for _, f := range snap.files {
		if !isRuleFile(f.Name) {
			s.named[f.Name] = f.Data
		}
	}
	for _, f := range snap.files {
		if isRuleFile(f.Name) {
			s.readFile(filepath.Join(dir, f.Name), f.Data)
		}
	}
	s.startEngine()
	if len(s.ruleNodes) > MaxRules {
		s.faults = append(s.faults, &Fault{File: dir, Msg: fmt.Sprintf("%d rules; at most %d are allowed", len(s.ruleNodes), MaxRules)})
		s.ruleNodes = nil
	}
	for _, n := range s.ruleNodes {
		s.readRule(n)
	}
	if n := len(s.faults); n > maxFaults {
		s.faults = append(s.faults[:maxFaults:maxFaults], &Fault{File: dir, Msg: fmt.Sprintf("more than these: %d faults in all", n)})
	}
	if len(s.faults) > 0 {
		s.faults.sort()
		return nil, s.faults
	}
	g := &Generation{set: s, options: o.detect()}
	rules := make([]*policy.Rule, len(s.rules))
	for i, r := range s.rules {
		rules[i] = r.compile()
	}
	g.Set = policy.NewSet(snap.generation, s.engine, rules, g.options)
	if !o.SkipTests {
		if err := failures(g.RunTests()); err != nil {
			return nil, err
		}
	}
	g.Findings = s.lint(dir, o.Now, o.cost)
	return g, nil
}

// failures returns the tests that failed as faults.
func failures(results []TestResult) error {
	var faults Faults
	for _, r := range results {
		if !r.Passed {
			faults = append(faults, r.fault())
		}
	}
	if len(faults) == 0 {
		return nil
	}
	faults.sort()
	return faults
}

// readFile reads all of a file but its rules.
func (s *set) readFile(name string, data []byte) {
	d := &decoder{file: name, faults: &s.faults, steps: &s.steps}
	if root := d.parse(data); root != nil {
		object(d, root, "a rule file", fileFields(), &file{s})
	}
}

// startEngine makes the detection engine, with the detectors that have no fault so
// far. What the engine itself refuses becomes a fault at the key it is about.
func (s *set) startEngine() {
	var custom []detect.Detector
	builtin := map[string]bool{}
	for _, b := range detect.Builtin() {
		builtin[b.ID] = true
		s.known = append(s.known, b.ID)
	}
	for _, id := range s.order {
		x := s.detectors[id]
		s.known = append(s.known, id)
		if builtin[id] {
			d := &decoder{file: x.file, faults: &s.faults}
			d.fault(&yaml.Node{Line: x.line, Column: x.col}, "detector %q is a built-in one: choose another id", id)
			continue
		}
		if !x.broken && s.attach(x) {
			x.defaults()
			custom = append(custom, x.Detector)
		}
	}
	engine, errs := detect.New(custom)
	for _, err := range errs {
		s.engineFault(err)
	}
	if engine == nil {
		if engine, errs = detect.New(nil); len(errs) > 0 {
			s.faults = append(s.faults, &Fault{Msg: errors.Join(errs...).Error()})
		}
	}
	s.engine = engine
	slices.Sort(s.known)
}

func (x *detector) defaults() {
	if x.Name == "" {
		x.Name = x.ID
	}
	if x.Family == "" {
		x.Family = "content"
	}
	if find(x.node, "confidence") == nil {
		switch {
		case x.Fingerprint != nil:
		case x.Exact != nil && len(x.Exact.Table.Info().Columns) > 1:
			x.WithContext = detect.High
		case x.Exact != nil:
			x.Alone = detect.Medium
		default:
			x.Alone, x.WithContext = detect.Low, detect.High
		}
	}
	for _, t := range x.tests.match {
		x.Match = append(x.Match, t.what)
	}
	for _, t := range x.tests.noMatch {
		x.NoMatch = append(x.NoMatch, t.what)
	}
}

// engineFault puts what the engine says of a detector where it was written.
func (s *set) engineFault(err error) {
	var f *detect.Fault
	if !errors.As(err, &f) || s.detectors[f.Detector] == nil {
		s.faults = append(s.faults, &Fault{Msg: err.Error(), Err: err})
		return
	}
	x := s.detectors[f.Detector]
	at := x.nodeOf(f)
	d := &decoder{file: x.file, faults: &s.faults}
	d.fault(at, "detector %q: %s: %v", f.Detector, f.Field, f.Err)
}

// nodeOf returns where the field that a fault is about was written.
func (x *detector) nodeOf(f *detect.Fault) *yaml.Node {
	item := func(list []*yaml.Node, n *yaml.Node) *yaml.Node {
		if f.Index >= 0 && f.Index < len(list) {
			return list[f.Index]
		}
		return n
	}
	var at *yaml.Node
	switch {
	case f.Field == "patterns":
		at = item(x.patterns, find(x.node, f.Field))
	case x.exact != nil && x.exact.corroborate != nil && find(x.exact.corroborate, f.Field) != nil:
		at = find(x.exact.corroborate, f.Field)
		at = item(elements(at), at)
	case x.form != nil && f.Field == "fingerprint":
		at = x.form.file.node
	case x.form != nil && f.Field == "similarity":
		at = x.form.similarity
	default:
		at = find(x.node, f.Field)
	}
	if at == nil {
		return x.node
	}
	return at
}
