package main

import (
	"fmt"
	"runtime/debug"
)

// version is set by the linker in a release: -ldflags "-X main.version=v1.2.3".
var version = "devel"

type versionCmd struct{}

// Help is printed by --help.
func (versionCmd) Help() string { return "Example:\n  teamsdlp version" }

func (versionCmd) Run(e *env) error {
	goVersion := "unknown Go"
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
	}
	_, err := fmt.Fprintf(e.stdout, "teamsdlp %s (%s)\n", version, goVersion)
	return err
}
