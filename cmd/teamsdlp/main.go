package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/alecthomas/kong"
)

// cli is the command line: one field and one file a command.
type cli struct {
	Demo    demoCmd    `cmd:"" help:"Run the product on loopback against a simulated Microsoft Graph."`
	Serve   serveCmd   `cmd:"" help:"Run the product."`
	Twin    twinCmd    `cmd:"" help:"Run the simulated Microsoft Graph alone."`
	Check   checkCmd   `cmd:"" help:"Check configuration, keys, store, rules and, with --online, permissions and the public address."`
	Keys    keysCmd    `cmd:"" help:"Make, list and retire keys."`
	Inspect inspectCmd `cmd:"" help:"Open one captured notification and print each check."`
	Scan    scanCmd    `cmd:"" help:"Find sensitive data in text."`
	Rules   rulesCmd   `cmd:"" help:"Test, lint and show rules."`
	EDM     edmCmd     `cmd:"" name:"edm" help:"Make and show tables of exact data."`
	Actions actionsCmd `cmd:"" help:"List, show, verify and decide what is in the action log."`
	Inbox   inboxCmd   `cmd:"" help:"List, show, retry and drop what could not be opened."`
	Store   storeCmd   `cmd:"" help:"Move everything to another store."`
	Version versionCmd `cmd:"" help:"Print the version."`
}

// env is what a command may touch of the world around it.
type env struct {
	ctx    context.Context
	getenv func(string) string
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer
}

// found ends a command that did its work and found something: exit code 1.
// Any other error is exit code 2, a command that could not run.
type found struct{ msg string }

func (f found) Error() string { return f.msg }

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // a second signal ends it at once
	os.Exit(run(&env{ctx, os.Getenv, os.Stdin, os.Stdout, os.Stderr}, os.Args[1:]))
}

// run is the whole program: it parses args, runs one command and returns the
// exit code: 0 fine, 1 found something, 2 could not run.
func run(e *env, args []string) int {
	var c cli
	done := -1
	parser, err := kong.New(&c,
		kong.Name("teamsdlp"),
		kong.Description("Data loss prevention for Microsoft Teams, in real time."),
		kong.Writers(e.stdout, e.stderr),
		kong.Exit(func(code int) { done = code }),
		kong.Bind(e),
	)
	if err != nil {
		fmt.Fprintln(e.stderr, "teamsdlp:", err)
		return 2
	}
	switch { // what people try first
	case len(args) == 0:
		args = []string{"--help"}
	case args[0] == "help":
		args = append(slices.Clone(args[1:]), "--help")
	case args[0] == "--version":
		args = []string{"version"}
	}
	kctx, err := parser.Parse(args)
	if done >= 0 { // --help
		return done
	}
	if err != nil {
		fmt.Fprintf(e.stderr, "teamsdlp: %s (%s)\n", err, usageHint(err))
		return 2
	}
	err = kctx.Run()
	var f found
	switch {
	case err == nil:
		return 0
	case errors.As(err, &f):
		if f.msg != "" {
			fmt.Fprintln(e.stderr, "teamsdlp:", plainLines(f.msg))
		}
		return 1
	}
	fmt.Fprintln(e.stderr, "teamsdlp:", plainLines(err.Error()))
	return 2
}

// usageHint says what to do about a command line that cannot be parsed.
func usageHint(err error) string {
	const help = "--help says what there is"
	parse, ok := errors.AsType[*kong.ParseError](err)
	if !ok || !strings.HasPrefix(err.Error(), "unexpected argument") {
		return help
	}
	at := cmp.Or(parse.Context.Selected(), parse.Context.Model.Node)
	var commands []string
	for _, c := range at.Children {
		commands = append(commands, c.Name)
	}
	if len(commands) > 0 {
		return "the commands are " + strings.Join(commands, ", ") + "; " + help
	}
	return help + "; flags stand before or after the arguments, not between them"
}
