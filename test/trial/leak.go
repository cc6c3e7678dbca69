package trial

import (
	"fmt"
	"net/http"
	"os"
	"testing"

	"go.uber.org/goleak"
)

// Main runs the tests of a package whose parts live long, and fails them if a
// goroutine outlives them all. ends are run in between.
func Main(m *testing.M, ends ...func()) int {
	code := m.Run()
	for _, end := range ends {
		end()
	}
	if code != 0 {
		return code // what failed may have left something, and is told already
	}
	http.DefaultClient.CloseIdleConnections() // the tests' own
	if err := goleak.Find(); err != nil {
		fmt.Fprintln(os.Stderr, "goroutines that outlive the tests:", err)
		return 1
	}
	return 0
}
