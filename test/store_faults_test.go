package test

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"teamsdlp/test/graphtwin"
	"teamsdlp/test/trial"
)

// smallDisk is a file system of that many MiB of its own. Where we may not mount
// one (that takes root) there is none, and the caller says so.
func smallDisk(t *testing.T, mib int) (dir string, ok bool) {
	t.Helper()
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm,mode=0700", mib)); err != nil {
		return "", false
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, true
}

// F4. The disk fills up: notifications are refused at once and said to be, nothing
// that was answered 202 is lost, nothing is sent without its record, and all goes
// on by itself when there is space again. Without root the same is shown inside the
// process, with SQLite's own bound: cmd/internal/sqlite.TestDiskFull.
func TestDiskFillsUp(t *testing.T) {
	t.Parallel()
	for _, fault := range []string{"", "ack-when-full"} {
		t.Run("build "+fault, func(t *testing.T) {
			t.Parallel()
			disk, ok := smallDisk(t, 32)
			if !ok {
				trial.Tried(t, "F4: NOT RUN on a real file system: mounting a tmpfs takes root. See cmd/internal/sqlite.TestDiskFull")
				return
			}
			twin := newTwin(t)
			s := newSite(t, twin.URL(), func(d node) { d["data_dir"] = filepath.Join(disk, "data") })
			s.away = filepath.Join(disk, "data")
			s.breaking(fault)
			// 32 MiB are below the mark of free space: without this nothing is taken at all.
			s.env = append(s.env, "TEAMSDLP_HIT_MIN_FREE=-1")
			s.exe = faulty(t)
			s.up()
			x := newTraffic(t, twin)
			x.say(20)
			s.settle(twin)
			ballast := filepath.Join(disk, "ballast")
			fill(t, ballast)
			x.say(30)
			if fault == "" {
				waitFor(t, "notifications to be refused", func() bool { return refused(twin) > 3 })
				s.says(t, `"notifications refused".*"inbox_full"`)
			} else {
				waitFor(t, "everything to be answered", func() bool { return twin.Undelivered() == 0 })
			}
			if s.ended() {
				t.Fatalf("it ended with code %d\n%s", s.code, s.stderr.String())
			}
			if err := os.Remove(ballast); err != nil {
				t.Fatal(err)
			}
			s.settle(twin)
			if fault == "" {
				wantAccount(t, x, s)
				wantSound(t, s, "")
				trial.Tried(t, "F4: a disk of 32 MiB filled up: %d notifications refused with 503, %d messages in all, nothing lost, it went on by itself", refused(twin), len(x.said))
				return
			}
			n := lost(x, s)
			if n == 0 {
				t.Error("not noticed")
			}
			trial.Tried(t, "control: %q is found out: %d messages lost", fault, n)
		})
	}
}

// The mark of free space, on the product as it is: below it notifications are
// refused though there is room, what waits is worked off, and above it they are
// taken again.
func TestDiskMark(t *testing.T) {
	t.Parallel()
	disk, ok := smallDisk(t, 600)
	if !ok {
		trial.Tried(t, "F4: NOT RUN on a real file system: mounting a tmpfs takes root. See cmd/internal/sqlite.TestDiskMark")
		return
	}
	twin := newTwin(t)
	s := newSite(t, twin.URL(), func(d node) { d["data_dir"] = filepath.Join(disk, "data") })
	s.away = filepath.Join(disk, "data")
	s.up()
	x := newTraffic(t, twin)
	x.say(20)
	ballast := filepath.Join(disk, "ballast")
	if err := os.WriteFile(ballast, make([]byte, 150<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	unready := func() bool {
		status, _, err := get("http://" + s.private + "/readyz")
		return err == nil && status == 503
	}
	waitFor(t, "the service to be unready", unready)
	waitFor(t, "what waits to be worked off", func() bool { return s.metric("teamsdlp_inbox_items") == 0 })
	x.say(20)
	waitFor(t, "notifications to be refused", func() bool { return refused(twin) > 0 })
	if err := os.Remove(ballast); err != nil {
		t.Fatal(err)
	}
	s.settle(twin)
	wantAccount(t, x, s)
	wantSound(t, s, "")
	trial.Tried(t, "F4: below the mark of free space: 503 and unready, what waited was worked off, above it all went on by itself; %d messages, nothing lost", len(x.said))
}

// refused is how many notifications were answered 503.
func refused(twin *graphtwin.Twin) (n int) {
	for _, d := range twin.Deliveries() {
		if d.Status == http.StatusServiceUnavailable {
			n++
		}
	}
	return n
}

// fill takes all the space that is left.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 20; size >= 1; {
		if _, err := f.Write(make([]byte, size)); err != nil {
			size /= 2
		}
	}
}

// F19. Whatever is done to the log behind the service's back is found, with the
// place; what only checkpoints elsewhere can show is not found without them.
func TestLogAttacked(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	away := filepath.Join(t.TempDir(), "checkpoints")
	s := newSite(t, twin.URL(), oftenSealed(away)).up()
	x := newTraffic(t, twin)
	x.say(20)
	s.settle(twin)
	s.stop(t)
	early := t.TempDir()
	copyDir(t, s.data(), early)
	s.up()
	x.say(20)
	s.settle(twin)
	s.stop(t)
	size := len(s.entries())
	last := size - 1
	// Of the tree's hashes, those of entries from n on: 2n less the bits of n.
	hashesFrom := func(n int) string { return fmt.Sprintf("DELETE FROM tlog_hash WHERE idx >= %d", 2*n-ones(n)) }
	for _, c := range []struct {
		name    string
		attack  []string
		from    string // copied over the file instead
		says    string
		unaided bool // found without checkpoints from elsewhere
	}{
		{"one byte of an entry", []string{`UPDATE entries SET body = CAST(replace(CAST(body AS TEXT), '"kind":"intent"', '"kind":"intenT"') AS BLOB) WHERE seq = (SELECT min(seq) FROM entries WHERE kind = 'intent')`}, "", "is not what was appended", true},
		{"an entry of the middle is gone", []string{"DELETE FROM entries WHERE seq = 7"}, "", "entry 7 is missing", true},
		{"two entries swapped", []string{"UPDATE entries SET seq = -1 WHERE seq = 5", "UPDATE entries SET seq = 5 WHERE seq = 9", "UPDATE entries SET seq = 9 WHERE seq = -1"}, "", "at the place of entry 5 stands entry 9", true},
		{"the last entry cut off", []string{fmt.Sprintf("DELETE FROM entries WHERE seq = %d", last)}, "", "cut off", true},
		{"the last entries cut off, and their hashes", []string{fmt.Sprintf("DELETE FROM entries WHERE seq >= %d", last-3), hashesFrom(last - 3), fmt.Sprintf("DELETE FROM checkpoint WHERE size > %d", last-3)}, "", "", false},
		{"the whole file rolled back", nil, early, "", false},
		{"a hash of the tree", []string{"UPDATE tlog_hash SET hash = zeroblob(32) WHERE idx = 10"}, "", "hash", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			copied := filepath.Join(t.TempDir(), "data")
			copyDir(t, s.data(), copied)
			if c.from != "" {
				copied = filepath.Join(t.TempDir(), "rolled")
				copyDir(t, c.from, copied)
			}
			victim := &site{t: t, away: copied}
			victim.change(c.attack...)
			verify := func(more ...string) (int, string) {
				code, out, errs := run(t, append([]string{"actions", "verify", "--data", copied, "--key", publicKey(t, s)}, more...)...)
				return code, out + errs
			}
			if code, out := verify("--checkpoints", away); code != 1 || !strings.Contains(out, c.says) {
				t.Errorf("exit code %d, want 1 and %q\n%s", code, c.says, out)
			}
			if code, out := verify(); (code == 1) != c.unaided {
				t.Errorf("without checkpoints from elsewhere: exit code %d\n%s", code, out)
			}
		})
	}
	t.Run("a forged checkpoint", func(t *testing.T) {
		data, err := os.ReadFile(away)
		if err != nil {
			t.Fatal(err)
		}
		forged := filepath.Join(t.TempDir(), "forged")
		text := strings.Replace(string(data), "\n"+strconv.Itoa(size)+"\n", "\n"+strconv.Itoa(size-1)+"\n", 1)
		if text == string(data) {
			t.Fatal("the last checkpoint does not name the size of the log")
		}
		if err := os.WriteFile(forged, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		code, out, errs := run(t, "actions", "verify", "--data", s.data(), "--key", publicKey(t, s), "--checkpoints", forged)
		if code != 1 {
			t.Errorf("exit code %d\n%s%s", code, out, errs)
		}
	})
	trial.Tried(t, "F19: 8 attacks on a log of %d entries, each found; cut off and rolled back only through the checkpoints elsewhere", size)
}

func ones(n int) (bits int) {
	for ; n > 0; n >>= 1 {
		bits += n & 1
	}
	return bits
}

func copyDir(t *testing.T, from, to string) {
	t.Helper()
	if err := os.MkdirAll(to, 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"teamsdlp.db", "teamsdlp.db-wal"} {
		data, err := os.ReadFile(filepath.Join(from, name))
		if os.IsNotExist(err) {
			continue
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(to, name), data, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// F21. A file of an older release, with items that wait in it, is migrated, also
// when the migration is killed half-way; one of a newer release is refused and left
// as it is. The older release is an invented one: schema version 1, which is this
// one less what the migrations add or change.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	twin := newTwin(t)
	s := newSite(t, twin.URL())
	x, waiting := oldFile(t, twin, s)
	for _, f := range upgraded(t, s, x, patience) {
		t.Error(f)
	}
	wantSound(t, s, "")
	trial.Tried(t, "F21: %d items waiting in a file of schema 1: migration killed half-way, a newer file refused, then migrated: nothing lost", waiting)
}

// The control of F21: a migration whose step and number are not one commit, and a
// product that opens what a newer release wrote.
func TestUpgradeIsNoticed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ fault, finds string }{
		{"migrate-in-pieces", "acted on"},
		{"open-newer", "a file of a newer release is not refused"},
	} {
		t.Run(c.fault, func(t *testing.T) {
			t.Parallel()
			twin := newTwin(t)
			s := newSite(t, twin.URL())
			x, _ := oldFile(t, twin, s)
			list := upgraded(t, s.breaking(c.fault), x, 10*time.Second) // what it breaks never settles
			found := strings.Join(list, "; ")
			if !strings.Contains(found, c.finds) {
				t.Errorf("not noticed: %s", found)
			}
			trial.Tried(t, "control: %q is found out by %d faults", c.fault, len(list))
		})
	}
}

// oldFile leaves a file of the older release with a backlog in it, and nothing
// running.
func oldFile(t *testing.T, twin *graphtwin.Twin, s *site) (x *traffic, waiting int) {
	t.Helper()
	s.up()
	x = newTraffic(t, twin)
	x.say(10)
	s.settle(twin)
	s.stop(t)
	s.hitting("leased:1h:0").launch()
	s.ready()
	known := len(accepted(twin))
	x.say(30)
	waitFor(t, "the backlog", func() bool { return len(accepted(twin)) == known+30 })
	s.kill()
	s.healed()
	s.look("SELECT count(*) FROM inbox", &waiting)
	if waiting != 30 {
		t.Fatalf("%d items wait", waiting)
	}
	unrotate := "message_key = substr(message_key, instr(message_key, '/') + 1) || '/' || substr(message_key, 1, instr(message_key, '/') - 1)"
	older := []string{
		"UPDATE effect SET " + unrotate, "UPDATE standing SET " + unrotate,
		"ALTER TABLE case_rule RENAME TO newer", "CREATE TABLE case_rule (case_id TEXT, rule TEXT)",
		"INSERT INTO case_rule SELECT c.id, r.rule FROM newer r JOIN cases c ON c.last_seq = r.last_seq", "DROP TABLE newer",
		"ALTER TABLE case_detector RENAME TO newer", "CREATE TABLE case_detector (case_id TEXT, detector TEXT)",
		"INSERT INTO case_detector SELECT c.id, r.detector FROM newer r JOIN cases c ON c.last_seq = r.last_seq", "DROP TABLE newer",
		"UPDATE meta SET value = '1' WHERE key = 'schema_version'", "DELETE FROM meta WHERE key = 'log_disorder_ns'",
	}
	for _, name := range strings.Fields(`effect_unfinished effect_case standing_case
		entries_label entries_outcome entries_severity entries_action entries_tenant cases_label cases_overridden cases_reported
		cases_released cases_edited cases_deleted cases_open cases_outcome cases_severity cases_action cases_tenant`) {
		older = append(older, "DROP INDEX "+name)
	}
	s.change(older...)
	return x, waiting
}

// upgraded starts the product on an old file whose migration is killed at its last
// step, then on a newer one, then on the old one, and says what was wrong; what becomes no
// less for so long is. People react to what was acted on before: it is known after.
func upgraded(t *testing.T, s *site, x *traffic, most time.Duration) (faults []string) {
	t.Helper()
	wrong := func(format string, args ...any) { faults = append(faults, fmt.Sprintf(format, args...)) }
	schema := func(s *site) (text string) {
		s.look("SELECT group_concat(sql, ';' ORDER BY name) FROM sqlite_schema WHERE sql IS NOT NULL", &text)
		return text
	}
	fresh := newSite(t, newTwin(t).URL())
	fresh.up().stop(t)
	var version, now int
	fresh.look("SELECT value FROM meta WHERE key = 'schema_version'", &version)

	s.hitting(fmt.Sprintf("migrating:kill:%d", version-1)).launch()
	s.awaitEnd()
	s.healed()
	s.look("SELECT value FROM meta WHERE key = 'schema_version'", &now)
	if now != version-1 {
		wrong("after a migration that was killed in its last step: version %d", now)
	}

	killed := now
	s.change(fmt.Sprintf("UPDATE meta SET value = '%d' WHERE key = 'schema_version'", version+1))
	s.launch()
	serves := func() bool {
		status, _, err := get("http://" + s.private + "/readyz")
		return err == nil && status == http.StatusOK
	}
	if waitFor(t, "it to end or to serve", func() bool { return s.ended() || serves() }); !s.ended() {
		wrong("a file of a newer release is not refused")
		s.kill()
	} else if s.code != 2 || !strings.Contains(s.stderr.String(), "newer release") {
		wrong("a file of a newer release: exit code %d\n%s", s.code, s.stderr.String())
	}
	s.change(fmt.Sprintf("UPDATE meta SET value = '%d' WHERE key = 'schema_version'", killed))

	s.launch()
	s.ready()
	for _, m := range x.said[:10] {
		if _, err := x.twin.React(m.ID, "li", "like"); err != nil {
			t.Fatal(err)
		}
	}
	if why := s.unsettled(x.twin, most); why != "" {
		wrong("%s", why)
	}
	s.look("SELECT value FROM meta WHERE key = 'schema_version'", &now)
	if now != version {
		wrong("migrated to version %d, want %d", now, version)
	}
	if got, want := schema(s), schema(fresh); got != want {
		wrong("what was migrated has not the schema of a new file: %d bytes, want %d", len(got), len(want))
	}
	return append(faults, account(x.said, x.twin, s.entries())...)
}
