package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"text/tabwriter"
	"time"

	"teamsdlp/actions"
	"teamsdlp/actions/review"
	"teamsdlp/config"
	"teamsdlp/test/graphtwin"
)

type demoCmd struct {
	Once     bool    `help:"Play the script to its end, print what was expected and what happened, and exit."`
	Speed    float64 `default:"1" help:"How fast people talk: 1 is a line in 0.6s, 2 is twice as fast."`
	Data     string  `type:"path" placeholder:"DIR" help:"Keep data, keys and rules here. Default: a directory that is removed at the end."`
	LogLevel string  `enum:"debug,info,warn,error" default:"error" help:"Least level of the program log on standard error: debug, info, warn or error."`

	switches `embed:""`
}

// switches are the positions in which Graph's behaviour is not documented.
type switches struct {
	NoEcho             bool   `help:"Twin: Graph sends no notification for our own PATCH."`
	BlockedBody        string `enum:"kept,empty" default:"kept" help:"Twin: what Graph returns as the body of a blocked message: kept or empty."`
	PatchMovesLastEdit bool   `name:"patch-moves-last-edited" help:"Twin: our PATCH moves lastEditedDateTime."`
	OddCasing          bool   `help:"Twin: Graph writes enumerations as its documentation does, not as its metadata does."`
	TokenVersion       int    `enum:"1,2" default:"2" help:"Twin: version of validation tokens, 1 or 2."`
}

// twin is a simulated Graph with its cast. Its throttling is Graph's.
func (s switches) twin() graphtwin.Options {
	world := graphtwin.Contoso()
	for i := range world.Apps {
		world.Apps[i].TokenVersion = s.TokenVersion
	}
	return graphtwin.Options{World: world, Switches: &graphtwin.Switches{
		Echo: !s.NoEcho, BlockedBody: s.BlockedBody, PatchMovesLastEdited: s.PatchMovesLastEdit, OddCasing: s.OddCasing,
	}}
}

// Help is printed by --help.
func (demoCmd) Help() string {
	return `Runs the whole product on loopback against a simulated Microsoft Graph, with a
cast of people talking. Nothing leaves this machine, no tenant is needed. What is
found is shown as it happens, with masked values and how long the text could be
read. Ctrl-C drains and ends it.

With --once the script is played to its end, and what happened is taken from the
simulated Teams, never from our own log. Exit code 0 only if all of it was as
expected, else 1.

Example:
  teamsdlp demo --once`
}

func (c *demoCmd) Run(e *env) (err error) {
	if !(c.Speed > 0) { // NaN too
		return fmt.Errorf("--speed %g: it must be above 0", c.Speed)
	}
	started := time.Now()
	dir := c.Data
	if dir == "" {
		if dir, err = os.MkdirTemp("", "teamsdlp-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	log, err := newLogger(e.stderr, c.LogLevel)
	if err != nil {
		return err
	}
	twin := graphtwin.New(c.twin())
	defer twin.Close()
	url, err := twin.Start("127.0.0.1:0")
	if err != nil {
		return err
	}
	cfg, err := demoConfig(dir, url)
	if err != nil {
		return err
	}
	s, err := openService(e.ctx, cfg, log)
	if err != nil {
		return err
	}
	return c.play(e, s, twin, url, started)
}

// demoConfig writes keys and rules into dir, where they are not there yet, and
// returns the configuration of a service that watches the twin at url.
func demoConfig(dir, url string) (*config.Config, error) {
	file, err := writeTwinConfig(dir, url)
	if err != nil {
		return nil, err
	}
	cfg, err := config.Load(file, func(string) string { return "" })
	if err != nil {
		return nil, err
	}
	// Whatever ports are free: a demo must not fail because something else runs.
	cfg.Public.Listen, cfg.Public.URL, cfg.Private.Listen = "127.0.0.1:0", "http://127.0.0.1:0", "127.0.0.1:0"
	return cfg, nil
}

// play runs service and script side by side until the end or Ctrl-C.
func (c *demoCmd) play(e *env, s *service, twin *graphtwin.Twin, url string, started time.Time) error {
	run, stop := context.WithCancel(e.ctx)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- s.run(run) }()

	out := &ticker{w: e.stdout, started: started, last: -1, entries: func(f actions.Filter) ([]actions.Entry, error) {
		return s.store.Entries(run, f)
	}}
	out.say("Simulated Microsoft Graph  %s", url)
	out.say("Public listener            http://%s", s.public.Addr())
	out.say("Review desk                %s  (works once)", s.link)
	out.say("")
	played := make(chan error, 1)
	var results []result
	go func() {
		var err error
		results, err = c.script(run, s, twin, out)
		played <- err
	}()
	following, unfollow := context.WithCancel(run)
	defer unfollow()
	followed := make(chan struct{})
	go func() { defer close(followed); out.follow(following) }()

	var (
		err, end error // of the script and of the service
		over     bool  // the service has ended
	)
	select {
	case err = <-played:
	case end = <-served:
		over = true
		stop()
		err = <-played
	}
	if err == nil && !over && !c.Once {
		out.say("")
		out.say("The script is over; the service goes on. Say something yourself:")
		out.say(`  curl -s %s/twin/messages -d '{"as":"ana","chat":"ana-li","text":"my card is 4111 1111 1111 1111"}'`, url)
		out.say("Ctrl-C ends it.")
		select {
		case <-e.ctx.Done():
		case end = <-served:
			over = true
		}
	}
	interrupted := e.ctx.Err() != nil
	unfollow()
	<-followed
	if !over {
		out.say("Draining.")
		stop()
		end = <-served
	}
	switch {
	case end != nil:
		return fmt.Errorf("the service ended by itself: %w", end)
	case over && !interrupted:
		return errors.New("the service ended by itself")
	case err != nil && interrupted && !c.Once:
		return nil
	case err != nil && interrupted:
		return errors.New("interrupted before the script was over")
	case err != nil || !c.Once:
		return err
	}
	return report(e.stdout, results)
}

// report prints what was expected and what happened, as the twin saw it.
func report(w io.Writer, results []result) error {
	fmt.Fprintln(w)
	table := tabwriter.NewWriter(w, 0, 4, 2, ' ', 0)
	fmt.Fprintln(table, "\tWHAT WAS SAID\tEXPECTED\tWHAT TEAMS SHOWS\tREADABLE FOR")
	bad := 0
	for _, r := range results {
		mark := "ok"
		if !r.ok() {
			mark = "BAD"
			bad++
		}
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%s\n", mark, r.line.what, r.line.want, r.got, r.readable)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	if bad > 0 {
		return found{fmt.Sprintf("%d of %d were not as expected", bad, len(results))}
	}
	fmt.Fprintf(w, "all %d as expected\n", len(results))
	return nil
}

// ticker prints the live timeline, in whole lines and in the order in which things
// happened. It is safe for concurrent use.
type ticker struct {
	started time.Time
	entries func(actions.Filter) ([]actions.Entry, error)

	mu   sync.Mutex
	w    io.Writer
	last int64 // entry that was printed
}

func (t *ticker) say(format string, args ...any) {
	t.mu.Lock()
	defer t.mu.Unlock()
	_, _ = io.WriteString(t.w, fmt.Sprintf(format, args...)+"\n")
}

// event prints what somebody does, after all that the log has by now.
func (t *ticker) event(who, format string, args ...any) {
	now := time.Now()
	t.catchUp()
	t.line(now, who, fmt.Sprintf(format, args...))
}

func (t *ticker) line(at time.Time, who, what string) {
	t.say("%7.2fs  %-9s %s", at.Sub(t.started).Seconds(), who, what)
}

// follow prints each entry of the action log soon after it is written.
func (t *ticker) follow(ctx context.Context) {
	beat := time.NewTicker(50 * time.Millisecond)
	defer beat.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-beat.C:
			t.catchUp()
		}
	}
}

// catchUp prints the entries that were not yet, each with its own time.
func (t *ticker) catchUp() {
	t.mu.Lock()
	defer t.mu.Unlock()
	entries, err := t.entries(actions.Filter{After: &t.last, Limit: 100})
	if err != nil {
		return // the demo ends, or the next beat reads it
	}
	for _, e := range entries {
		t.last = e.Seq
		if line := describe(e); line != "" && e.Time.After(t.started) { // not of an earlier demo in the same directory
			_, _ = fmt.Fprintf(t.w, "%7.2fs  %-9s %s\n", e.Time.Sub(t.started).Seconds(), "teamsdlp", line)
		}
	}
}

// verbOf is what is about to be done.
var verbOf = map[actions.Action]string{
	actions.ActionBlock: "blocking", actions.ActionBlockExternal: "blocking outside", actions.ActionNotify: "tipping",
}

// describe is one entry in a line of the timeline; empty for those that say
// nothing to a spectator.
func describe(e actions.Entry) string {
	var masked []string
	var names []string
	for _, r := range e.Rules {
		if r.Result != "matched" {
			continue
		}
		names = append(names, r.ID)
		for _, m := range r.Matched {
			masked = append(masked, m.Masked...)
		}
	}
	what := strings.Join(names, ", ")
	if len(masked) > 0 {
		what += "  " + strings.Join(masked, " ")
	}
	switch e.Kind {
	case actions.KindIntent:
		return fmt.Sprintf("found     %s: %s", what, verbOf[e.Action])
	case actions.KindResult:
		if e.Outcome == actions.OutcomeApplied && e.Exposure != nil && !e.Exposure.Applied.IsZero() {
			total, microsoft, ours := review.Parts(e.Exposure)
			parts := fmt.Sprintf("%s: Microsoft %s, ours %s", total, microsoft, ours)
			if e.Action == actions.ActionNotify {
				return "tipped    after " + parts
			}
			return "blocked   readable for " + parts
		}
		if e.Outcome == actions.OutcomeNotEnforceable {
			if what != "" {
				return fmt.Sprintf("NOT ENFORCEABLE  %s (%s)", what, e.Reason)
			}
			return "NOT ENFORCEABLE  " + e.Verdict
		}
		if e.Outcome == actions.OutcomeFailed {
			return "FAILED    " + e.Verdict
		}
		return ""
	case actions.KindShadow:
		return "shadow    " + what + ": nothing is done"
	case actions.KindOverride:
		return fmt.Sprintf("override  by the sender: %q", e.Reason)
	case actions.KindReport:
		return "report    the sender says this is a false positive"
	case actions.KindEdit, actions.KindDeleted, actions.KindRelease:
		return fmt.Sprintf("%-9s %s", e.Kind, e.Verdict)
	case actions.KindRules:
		return fmt.Sprintf("rules     generation %s, %s", e.Generation, e.Verdict)
	}
	return ""
}
