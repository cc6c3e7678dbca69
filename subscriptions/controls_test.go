//go:build !faults

package subscriptions

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"testing"

	"teamsdlp/test/trial"
)

// The control of F16: TestBadWeather on a package that breaks a promise, which must
// find it out, and on one that can break it and does not.
func TestBadWeatherControl(t *testing.T) {
	t.Parallel()
	spoiled := filepath.Join(t.TempDir(), "spoiled.test")
	if out, err := exec.Command("go", "test", "-c", "-tags", "faults", "-o", spoiled, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	for _, c := range []struct{ fault, finds string }{
		{"", "^PASS"},
		{"renew-late", "minutes without one"},
		{"renew-once", "minutes without one"},
		{"no-gap", "no gap tells of it"},
	} {
		cmd := exec.Command(spoiled, "-test.run", "^TestBadWeather$")
		cmd.Env = append(os.Environ(), "TEAMSDLP_FAULT="+c.fault, "TEAMSDLP_REPORT=", "TEAMSDLP_CHAOS=")
		out, err := cmd.CombinedOutput()
		if (err == nil) != (c.fault == "") || !regexp.MustCompile(c.finds).Match(out) {
			t.Errorf("fault %q: %v\n%s", c.fault, err, out)
		}
		if c.fault != "" {
			trial.Tried(t, "control: %q is found out: %s", c.fault, regexp.MustCompile(`seed .*`+c.finds).Find(out))
		}
	}
}
