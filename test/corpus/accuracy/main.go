// Command accuracy measures the built-in detectors on the project's own labelled
// corpus and on real text, and compares what comes out with the baseline that is
// committed beside it. It is what "make accuracy" runs.
//
//	accuracy                     print the tables; exit 1 if anything got worse
//	accuracy -update             write the baseline, the page and accuracy.json
//	accuracy -failures           print every case that went wrong
//	accuracy -failures -row glued -type iban
//	accuracy -failures -row "real text" -type ipv4
//	accuracy -levels             print every value that is at another level than the model has it
//
// Run it from the root of the repository.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"teamsdlp/policy/detect"
	"teamsdlp/test/corpus"
)

// perCell is how many cases each row and type has: all, and the part that the
// tests run.
const perCell, perCellQuick = 20, 4

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "accuracy:", err)
		os.Exit(1)
	}
}

func run(args []string, out io.Writer) error {
	flags := flag.NewFlagSet("accuracy", flag.ContinueOnError)
	update := flags.Bool("update", false, "write the baseline, the page and accuracy.json")
	show := flags.Bool("failures", false, "print the cases that went wrong")
	levels := flags.Bool("levels", false, "print the values that are found at another level")
	row := flags.String("row", "", "of that row only")
	kind := flags.String("type", "", "of that base type only, or of that detector in real text")
	worst := flags.String("worst", "", "write the worst rows and types to this `file`")
	dir := flags.String("dir", filepath.Join("test", "corpus"), "where the page and the baseline are")
	if err := flags.Parse(args); err != nil {
		return err
	}
	engine, faults := detect.New(nil)
	if err := errors.Join(faults...); err != nil {
		return err
	}
	full := score(engine, corpus.Generate(perCell))
	if *levels {
		printFailures(out, full.levels, *row, *kind)
		return nil
	}
	text, err := realText(context.Background(), engine, 0)
	if err != nil {
		return err
	}
	if *show {
		printFailures(out, append(full.failures, text.samples...), *row, *kind)
		return nil
	}
	if *worst != "" {
		if err := os.WriteFile(*worst, []byte(worstCells(full)), 0o600); err != nil {
			return err
		}
	}
	if text.Bytes < leastText {
		return fmt.Errorf("there are only %d bytes of real text on this machine, and the alarms per MB are measured on at least %d: fill the module cache (go mod download, make lint) or install packages with documentation", text.Bytes, leastText)
	}
	now := &baseline{Full: full, Quick: score(engine, corpus.Generate(perCellQuick)), Real: text}
	page := now.page()
	fmt.Fprint(out, page)
	if *update {
		return now.write(*dir, page)
	}
	then, err := readBaseline(*dir)
	if err != nil {
		return err
	}
	return then.worse(now)
}

func printFailures(out io.Writer, all []failure, row, kind string) {
	n := 0
	for _, f := range all {
		if (row == "" || f.Row == row) && (kind == "" || f.Type == kind) {
			n++
			fmt.Fprintf(out, "%s %s\n  %q\n  %s\n", f.ID, f.Lang, f.Body, f.what)
			if f.Reason != "" {
				fmt.Fprintf(out, "  because: %s\n", f.Reason)
			}
		}
	}
	fmt.Fprintf(out, "%d cases\n", n)
}
