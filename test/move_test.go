package test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestMove: from the embedded store to two nodes on Redis and back to one, with
// traffic before, between and after: one log, and nothing is done twice.
func TestMove(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	away := filepath.Join(t.TempDir(), "checkpoints")
	c := newCluster(t, twin, 2, oftenSealed(away))
	x := newTraffic(t, twin)
	one := c.nodes[0]
	onRedis, err := os.ReadFile(one.config())
	if err != nil {
		t.Fatal(err)
	}
	data := one.data()
	embedded := func(dir string) {
		one.edit(func(d node) {
			d["store"] = node{"kind": "embedded"}
			d["data_dir"] = dir
		})
	}

	embedded(data)
	one.up()
	x.say(40)
	one.settle(twin)
	moved := filepath.Join(t.TempDir(), "moved")
	if code, _, errs := run(t, "store", "export", "--config", one.config(), moved); code != 2 || !strings.Contains(errs, "stop it") {
		t.Errorf("export beside serve: exit code %d\n%s", code, errs)
	}
	one.stop(t)
	before := one.entries()
	code, out, errs := run(t, "store", "export", "--config", one.config(), moved)
	if code != 0 {
		t.Fatalf("export: exit code %d\n%s%s", code, out, errs)
	}
	if info, err := os.Stat(moved); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v: %v", info, err)
	}
	if code, _, errs := run(t, "store", "export", "--config", one.config(), moved); code != 2 {
		t.Errorf("export over a file: exit code %d\n%s", code, errs)
	}
	if code, _, errs := run(t, "store", "import", "--config", one.config(), moved); code != 2 || !strings.Contains(errs, "not empty") {
		t.Errorf("import into a store that is not empty: exit code %d\n%s", code, errs)
	}

	// To Redis: a new data directory, for the node's copy of the log.
	writeFile(t, one.config(), string(onRedis))
	one.edit(func(d node) { d["data_dir"] = one.file("data-redis") })
	code, imported, errs := run(t, "store", "import", "--config", one.config(), moved)
	if code != 0 {
		t.Fatalf("import: exit code %d\n%s%s", code, imported, errs)
	}
	if strings.Replace(out, "exported", "imported", 1) != imported {
		t.Errorf("exported %s\nimported %s", out, imported)
	}
	c.up()
	x.say(40)
	c.settle(twin)
	if code, _, errs := run(t, "store", "export", "--config", one.config(), filepath.Join(t.TempDir(), "x")); code != 2 || !strings.Contains(errs, "stop serve on every node") {
		t.Errorf("export beside serve on Redis: exit code %d\n%s", code, errs)
	}
	for _, s := range c.nodes {
		s.stop(t)
	}
	code, out, errs = run(t, "store", "export", "--config", one.config(), moved+"2")
	if code != 0 {
		t.Fatalf("export from Redis: exit code %d\n%s%s", code, out, errs)
	}

	// And back.
	embedded(one.file("data-back"))
	if code, imported, errs = run(t, "store", "import", "--config", one.config(), moved+"2"); code != 0 || strings.Replace(out, "exported", "imported", 1) != imported {
		t.Fatalf("import: exit code %d\n%s%s\nexported %s", code, imported, errs, out)
	}
	c.front.nodes = c.front.nodes[:1]
	one.up()
	x.say(20)
	one.settle(twin)
	one.stop(t)
	if err := os.Rename(data, data+"-old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(one.file("data-back"), data); err != nil {
		t.Fatal(err)
	}
	log := one.entries()
	if len(log) <= len(before) {
		t.Errorf("%d entries, %d before the moves", len(log), len(before))
	}
	if faults := account(x.said, twin, log); len(faults) > 0 {
		t.Errorf("%d faults, as\n%s", len(faults), strings.Join(faults[:min(10, len(faults))], "\n"))
	}
	verifies(t, one, "the checkpoints of all three", away, len(log))
	if n := len(twin.Requests(subscribed)); n != 2 {
		t.Errorf("%d subscriptions were asked for over the moves; want 2", n)
	}
}
