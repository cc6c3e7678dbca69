package test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/mod/sumdb/note"

	"teamsdlp/test/trial"
)

// TestKeyRotation: a new checkpoint key is vouched for by the one before it, so
// that whoever has only the old public key can still verify the log; and a value is
// found under the digest keys of every epoch.
func TestKeyRotation(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	checkpoints := filepath.Join(t.TempDir(), "checkpoints")
	s := newSite(t, twin.URL(), oftenSealed(checkpoints))
	keys, old := s.file("keys"), filepath.Join(t.TempDir(), "old.pub")
	writeFile(t, old, readFile(t, filepath.Join(keys, "checkpoint.pub")))
	rotate := func(which string) {
		t.Helper()
		if code, out, errs := run(t, "keys", "rotate", which, "--keys-dir", keys); code != 0 {
			t.Fatalf("keys rotate %s: exit code %d\n%s%s", which, code, out, errs)
		}
	}
	block := func() {
		t.Helper()
		await(t, twin, say(t, twin, "ana", "ana-li", "card "+card), "blocked", blocked)
		s.settle(twin)
	}
	s.up()
	block()
	s.stop(t)
	rotate("checkpoint")
	rotate("digest")
	s.up()
	block()
	s.stop(t)

	verify := func(points string) (int, string) {
		code, out, errs := run(t, "actions", "verify", "--data", s.data(), "--checkpoints", points, "--key", old)
		return code, out + errs
	}
	if code, out := verify(checkpoints); code != 0 || !strings.Contains(out, "is believed for entry") {
		t.Errorf("verify with the old key: exit code %d\n%s", code, out)
	}
	// Without the checkpoint that vouches for it, the new key is a stranger's.
	var rest []string
	pieces := strings.Split(readFile(t, checkpoints), "\n\n\n")
	signedBy := func(piece string) string { return piece[strings.LastIndex(piece, " ")+1:][:5] } // of the key hash in front of the signature
	for _, p := range pieces {
		if signedBy(p) != signedBy(pieces[0]) {
			rest = append(rest, p)
		}
	}
	if len(rest) == 0 || len(rest) == len(pieces) {
		t.Fatalf("%d of %d checkpoints are by the new key", len(rest), len(pieces))
	}
	alone := filepath.Join(t.TempDir(), "rest")
	writeFile(t, alone, strings.Join(rest, "\n\n\n"))
	if code, out := verify(alone); code != 2 || !strings.Contains(out, "no key of this log signed any") {
		t.Errorf("verify without the link: exit code %d\n%s", code, out)
	}

	value := filepath.Join(t.TempDir(), "value")
	writeFile(t, value, card)
	code, out, errs := run(t, "actions", "find", value, "--config", s.config())
	if code != 0 || strings.Count(out, "intent") != 2 {
		t.Errorf("find: exit code %d; want two intents\n%s%s", code, out, errs)
	}
	if n := len(s.entries("kind=keys")); n != 2 {
		t.Errorf("%d entries about keys; want 2", n)
	}
}

// TestKeyRotatedTwice: a key that never signed anything vouches for no other. Whoever
// runs the service is told, and the log still verifies with every public key.
func TestKeyRotatedTwice(t *testing.T) {
	t.Parallel()
	for _, nodes := range []int{1, 2} {
		t.Run(fmt.Sprint(nodes), func(t *testing.T) {
			t.Parallel()
			twin := newTwin(t)
			checkpoints := filepath.Join(t.TempDir(), "checkpoints")
			var sites []*site
			if nodes == 1 {
				sites = []*site{newSite(t, twin.URL(), oftenSealed(checkpoints))}
			} else {
				sites = newCluster(t, twin, nodes, oftenSealed(checkpoints)).nodes
			}
			up := func() (said string) {
				t.Helper()
				for _, s := range sites {
					s.up()
				}
				waitFor(t, "a checkpoint by the key in use", func() bool { return signs(t, checkpoints, newestKey(t, sites[0])) })
				for _, s := range sites {
					s.stop(t)
					said += s.stderr.String()
				}
				return said
			}
			const warning = "is not there to vouch for it"
			up()
			var keys []string
			for range 2 {
				if code, out, errs := run(t, "keys", "rotate", "checkpoint", "--keys-dir", sites[0].file("keys")); code != 0 {
					t.Fatalf("keys rotate: exit code %d\n%s%s", code, out, errs)
				}
				keys = append(keys, newestKey(t, sites[0]))
			}
			if said := up(); !strings.Contains(said, warning) {
				t.Errorf("nobody was told that there is nobody to vouch for the new key\n%s", said)
			}
			if signs(t, checkpoints, keys[0]) {
				t.Error("a key that was rotated away before it came into use signed something")
			}
			if said := up(); strings.Contains(said, warning) {
				t.Error("that was said again at the next start")
			}
			for _, s := range sites {
				if code, out, errs := run(t, "actions", "verify", "--config", s.config(), "--checkpoints", checkpoints); code != 0 {
					t.Errorf("verify: exit code %d\n%s%s", code, out, errs)
				}
			}
		})
	}
}

// newestKey is the public checkpoint key in use.
func newestKey(t *testing.T, s *site) string {
	t.Helper()
	lines := strings.Fields(readFile(t, publicKey(t, s)))
	return lines[len(lines)-1]
}

// signs reports whether a key signed anything in a file of checkpoints.
func signs(t *testing.T, checkpoints, key string) bool {
	t.Helper()
	verifier, err := note.NewVerifier(key)
	if err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(checkpoints)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	for piece := range strings.SplitSeq(string(data), "\n\n\n") {
		if _, err := note.Open([]byte(strings.Trim(piece, "\n")+"\n"), note.VerifierList(verifier)); err == nil {
			return true
		}
	}
	return false
}

// Whenever the service is killed while it retires a key, the next start has the whole
// pair, says in the log that it is not retired after all, and can retire it.
func TestRetirementIsKilled(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL())
	keys := s.file("keys")
	old := keyIDs(t, keys)
	if code, out, errs := run(t, "keys", "new", "--keys-dir", keys, "--data-dir", s.data(), "--bits", "2048"); code != 0 {
		t.Fatalf("keys new: exit code %d\n%s%s", code, out, errs)
	}
	s.up().stop(t)
	// The newer key came into use long ago: Graph sends nothing for the other any more.
	s.change(`UPDATE entries SET body = CAST(json_set(CAST(body AS TEXT), '$.time', '2026-01-01T00:00:00Z') AS BLOB) WHERE kind = 'keys'`)
	said := func() (list []string) {
		for _, e := range s.entries("kind=keys") {
			list = append(list, e.Verdict)
		}
		return list
	}
	const steps = 6 // the mark, the entry, one file, the other, what needs it, the mark's end
	for n := 1; n <= steps+1; n++ {
		before := len(said())
		s.hitting(fmt.Sprintf("retiring:kill:%d", n)).launch()
		s.ready()
		code, out, errs := run(t, "keys", "retire", old[0], "--data", s.data())
		if n > steps { // killed nowhere
			if code != 0 {
				t.Fatalf("retire: exit code %d\n%s%s", code, out, errs)
			}
			break
		}
		if code == 0 {
			t.Fatalf("step %d: retired by a service that was killed\n%s", n, out)
		}
		s.awaitEnd()
		s.healed().launch()
		s.ready()
		if ids := keyIDs(t, keys); len(ids) != 2 {
			t.Errorf("step %d: pairs %v", n, ids)
		}
		if left, _ := filepath.Glob(filepath.Join(keys, "retired", "*")); len(left) > 0 {
			t.Errorf("step %d: left are %v", n, left)
		}
		log := said()[before:]
		if len(log) == 0 || !strings.HasPrefix(log[len(log)-1], "not retired after all: encryption key "+old[0]) {
			t.Errorf("step %d: entries %q", n, log)
		}
		if !strings.Contains(s.stderr.String(), "was cut short") {
			t.Errorf("step %d: the program log does not say so", n)
		}
		s.stop(t)
	}
	if ids := keyIDs(t, keys); len(ids) != 1 || ids[0] == old[0] {
		t.Errorf("pairs %v after it was retired", ids)
	}
	trial.Tried(t, "F20: a key's retirement was killed at %d steps: nothing half done, and said in the log", steps)
}

// Whenever the making of keys is killed, there are all of them or none: what was cut
// short is finished by the next start of the service, or by the next run, and until
// then said.
func TestMakingKeysIsKilled(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL())
	files := func(keys string) (n int) {
		found, err := filepath.Glob(filepath.Join(keys, "*.*"))
		if err != nil {
			t.Fatal(err)
		}
		return len(found)
	}
	const all = 5 // a pair, and the three of the log
	made := func(keys string, env ...string) *proc {
		p := start(t, faulty(t), env, "keys", "new", "--keys-dir", keys, "--data-dir", s.data(), "--bits", "2048", "--id", "one")
		p.wait(t)
		return p
	}
	nothing, half := 0, 0
	for n := 1; ; n++ {
		keys := filepath.Join(s.dir, fmt.Sprintf("keys-%d", n))
		s.edit(func(d node) { d["keys_dir"] = keys })
		if p := made(keys, fmt.Sprintf("TEAMSDLP_HIT=making:kill:%d", n)); p.code == 0 { // killed nowhere
			break
		}
		switch _, err := os.Stat(filepath.Join(keys, "made")); {
		case os.IsNotExist(err):
			nothing++
			if left := files(keys); left != 0 {
				t.Errorf("step %d: %d files", n, left)
			}
			if p := made(keys); p.code != 0 {
				t.Errorf("step %d: keys new after it: exit code %d\n%s", n, p.code, p.stderr.String())
			}
		case err != nil:
			t.Fatal(err)
		default:
			half++
			if code, out, errs := run(t, "check", "--config", s.config()); files(keys) < all && (code != 1 || !strings.Contains(out, "start serve: it finishes the keys")) {
				t.Errorf("step %d: check: exit code %d\n%s%s", n, code, out, errs)
			}
			if n%2 == 0 {
				s.up().stop(t)
				break
			}
			if p := made(keys); p.code != 2 || !strings.Contains(p.stderr.String(), "of that id is there already") { // now
				t.Errorf("step %d: keys new after it: exit code %d\n%s", n, p.code, p.stderr.String())
			}
		}
		if ids := keyIDs(t, keys); files(keys) != all || len(ids) != 1 || ids[0] != "one" {
			t.Errorf("step %d: %d files in the end, pairs %q", n, files(keys), ids)
		}
		if left, err := os.ReadDir(keys); err != nil || len(left) != all {
			t.Errorf("step %d: left are %v, %v", n, left, err)
		}
	}
	if nothing < 3 || half < all {
		t.Errorf("killed %d times before it was decided and %d times after", nothing, half)
	}
	trial.Tried(t, "F20: keys were made, and killed at %d steps: all or none each time", nothing+half)
}

// keyIDs are the ids of the whole pairs in a key directory.
func keyIDs(t *testing.T, dir string) (ids []string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "encryption-*.key.pem"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if _, err := os.Stat(strings.TrimSuffix(f, ".key.pem") + ".cert.pem"); err == nil {
			ids = append(ids, strings.TrimSuffix(strings.TrimPrefix(filepath.Base(f), "encryption-"), ".key.pem"))
		}
	}
	return ids
}
