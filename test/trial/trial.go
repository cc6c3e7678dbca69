// Package trial holds what the tests of several packages share: how long the fault
// suite goes on, and where it says what it tried.
package trial

import (
	"fmt"
	"os"
	"sync"
	"testing"
)

// Chaos is the first number, or the second under make chaos.
func Chaos(otherwise, under int) int {
	if os.Getenv("TEAMSDLP_CHAOS") != "" {
		return under
	}
	return otherwise
}

var reporting sync.Mutex

// Tried says what was tried and what was lost: in the test's log, and in the file
// that make prints at the end. Of a test that failed it says that first.
func Tried(t *testing.T, format string, args ...any) {
	t.Helper()
	line := fmt.Sprintf(format, args...)
	if t.Failed() {
		line = "FAILED, and does not hold: " + line
	}
	t.Log(line)
	path := os.Getenv("TEAMSDLP_REPORT")
	if path == "" {
		return
	}
	reporting.Lock()
	defer reporting.Unlock()
	f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600) //nolint:gosec // where whoever runs the tests says
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := fmt.Fprintf(f, "%s [%s]\n", line, t.Name()); err != nil {
		t.Fatal(err)
	}
}
