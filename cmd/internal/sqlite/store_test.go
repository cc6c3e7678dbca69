package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"teamsdlp/webhook"
)

func TestSettings(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	for pragma, want := range map[string]string{
		"journal_mode":       "wal",
		"synchronous":        "2", // FULL
		"auto_vacuum":        "2", // INCREMENTAL
		"page_size":          "4096",
		"foreign_keys":       "1",
		"wal_autocheckpoint": "0", // the writer's work
		"journal_size_limit": "67108864",
		"busy_timeout":       "2000",
		"temp_store":         "2", // MEMORY
		"application_id":     strconv.Itoa(applicationID),
	} {
		t.Run(pragma, func(t *testing.T) {
			var got string
			must(t, s.do(t.Context(), 0, func(tx *tx) error {
				return tx.conn.QueryRowContext(tx.ctx, "PRAGMA "+pragma).Scan(&got)
			}, nil))
			if got != want {
				t.Errorf("PRAGMA %s = %s, want %s", pragma, got, want)
			}
		})
	}
	t.Run("no index on the inbox", func(t *testing.T) {
		var n int
		must(t, s.Reader.db.QueryRow(`SELECT count(*) FROM sqlite_schema WHERE type = 'index' AND tbl_name = 'inbox'`).Scan(&n))
		if n != 0 {
			t.Errorf("the inbox has %d indexes", n)
		}
	})
}

func TestReadersCannotWrite(t *testing.T) {
	s := openTest(t, testOptions(t.TempDir()))
	if _, err := s.Reader.db.Exec(`DELETE FROM meta`); err == nil {
		t.Error("a reader's connection could write")
	}
}

func TestVersionAtLeast(t *testing.T) {
	for _, c := range []struct {
		have string
		ok   bool
	}{
		{"3.51.3", true},
		{"3.54.1", true},
		{"4.0.0", true},
		{"3.51.2", false},
		{"3.50.9", false},
		{"2.99.99", false},
		{"", false},
		{"three", false},
	} {
		if err := versionAtLeast(c.have, minSQLite); (err == nil) != c.ok {
			t.Errorf("version %q: got error %v, want ok %v", c.have, err, c.ok)
		}
	}
}

func TestMigrate(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	must(t, touch(dbPath(dir)))
	db, err := openWriterDB(dir)
	must(t, err)
	defer db.Close()
	conn, err := db.Conn(ctx)
	must(t, err)
	defer conn.Close()

	one := migration(`CREATE TABLE a (x INTEGER)`)
	two := migration(`CREATE TABLE b (x INTEGER); INSERT INTO b VALUES (1)`)
	broken := migration(`CREATE TABLE b (x INTEGER); INSERT INTO nowhere VALUES (1)`)
	tables := func() string {
		var names string
		must(t, conn.QueryRowContext(ctx, `SELECT coalesce(group_concat(name, ' '), '') FROM (SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name)`).Scan(&names))
		return names
	}
	for _, c := range []struct {
		name    string
		steps   []migration
		wantErr bool
		version int
		tables  string
	}{
		{"first", []migration{one}, false, 1, "a meta"},
		{"nothing to do", []migration{one}, false, 1, "a meta"},
		{"a step that fails leaves nothing of itself", []migration{one, broken}, true, 1, "a meta"},
		{"goes on from where it was", []migration{one, two}, false, 2, "a b meta"},
		{"file is newer", []migration{one}, true, 2, "a b meta"},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := migrate(ctx, conn, c.steps)
			if (err != nil) != c.wantErr {
				t.Errorf("got error %v, want one: %v", err, c.wantErr)
			}
			version, err := schemaVersion(ctx, conn)
			must(t, err)
			if got := tables(); version != c.version || got != c.tables {
				t.Errorf("got version %d with %q, want %d with %q", version, got, c.version, c.tables)
			}
		})
	}
	wantErr(t, "newer file", migrate(ctx, conn, []migration{one}), ErrNewerSchema)
}

func TestOpenRefuses(t *testing.T) {
	ctx := t.Context()
	foreign := func(t *testing.T, dir string) {
		db, err := sql.Open("sqlite", dbPath(dir))
		must(t, err)
		_, err = db.Exec(`CREATE TABLE cookies (x)`)
		must(t, errors.Join(err, db.Close()))
	}
	newer := func(t *testing.T, dir string) {
		s := openTest(t, testOptions(dir))
		must(t, s.do(ctx, 0, func(tx *tx) error {
			_, err := tx.exec(putMeta, keySchema, "99")
			return err
		}, nil))
		must(t, s.Close())
	}
	garbage := func(t *testing.T, dir string) {
		must(t, os.WriteFile(dbPath(dir), []byte(strings.Repeat("not a database ", 1000)), fileMode))
	}
	for _, c := range []struct {
		name  string
		setup func(*testing.T, string)
		says  string
		is    error
	}{
		{"another program's database", foreign, "another program's database", nil},
		{"newer schema", newer, "schema version 99", ErrNewerSchema},
		{"garbage", garbage, "not a database", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			must(t, os.Chmod(dir, dirMode))
			c.setup(t, dir)
			s, err := Open(ctx, testOptions(dir))
			if err == nil {
				s.Close()
				t.Fatal("Open took it")
			}
			r, errRead := OpenReadOnly(ctx, dir)
			if errRead == nil {
				r.Close()
				t.Fatal("OpenReadOnly took it")
			}
			for _, err := range []error{err, errRead} {
				if !strings.Contains(err.Error(), c.says) || c.is != nil && !errors.Is(err, c.is) {
					t.Errorf("got error %q, want %q and %v", err, c.says, c.is)
				}
			}
			// A refused open holds no lock.
			lock, err := takeLock(dir)
			must(t, err)
			must(t, lock.release())
		})
	}
	t.Run("read only and no store", func(t *testing.T) {
		dir := t.TempDir()
		if _, err := OpenReadOnly(ctx, dir); err == nil || !strings.Contains(err.Error(), "there is no store") {
			t.Errorf("got error %v", err)
		}
		if _, err := os.Stat(dbPath(dir)); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("reading made a file: %v", err)
		}
	})
}

func TestLock(t *testing.T) {
	dir := t.TempDir()
	s := openTest(t, testOptions(dir))
	_, err := Open(t.Context(), testOptions(dir))
	wantErr(t, "second open in this process", err, ErrLocked)
	if want := "process " + strconv.Itoa(os.Getpid()); err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("error %v does not name %s", err, want)
	}
	out, err := another(t, "open", dir, "").Output()
	if err != nil || !strings.HasPrefix(string(out), "locked: true") {
		t.Errorf("second process: %q, %v", out, err)
	}
	must(t, s.Close())
	out, err = another(t, "open", dir, "").Output()
	if err != nil || !strings.HasPrefix(string(out), "locked: false <nil>") {
		t.Errorf("process after Close: %q, %v", out, err)
	}
}

func TestReadOnlyBesideServer(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s := openTest(t, testOptions(dir))
	r, err := OpenReadOnly(ctx, dir)
	must(t, err)
	defer r.Close()
	for want := range int64(3) {
		got, err := r.LogSize(ctx)
		must(t, err)
		out, err := another(t, "read", dir, "").Output()
		must(t, err)
		if said := "entries: " + strconv.FormatInt(want, 10) + " <nil>\n"; got != want || string(out) != said {
			t.Errorf("got %d here and %q there, want %d and %q", got, out, want, said)
		}
		must(t, s.Append(ctx, shadowEntry("c")))
	}
	// After a clean stop there is no log beside the database; reading still works.
	must(t, s.Close())
	if info, err := os.Stat(dbPath(dir) + "-wal"); err == nil && info.Size() > 0 {
		t.Errorf("Close left %d bytes in the write-ahead log", info.Size())
	}
	out, err := another(t, "read", dir, "").Output()
	if err != nil || string(out) != "entries: 3 <nil>\n" {
		t.Errorf("after Close: %q, %v", out, err)
	}
}

func TestClose(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	must(t, s.Put(ctx, []webhook.Item{testItem("a")}))
	must(t, s.Close())
	must(t, s.Close())
	wantErr(t, "Put", s.Put(ctx, []webhook.Item{testItem("b")}), ErrClosed)
	wantErr(t, "Append", s.Append(ctx, shadowEntry("c")), ErrClosed)
	_, err := s.Claim(ctx, 1)
	wantErr(t, "Claim", err, ErrClosed)
	d := openTest(t, s.opts)
	depth, err := d.Depth(ctx)
	must(t, err)
	if depth.Items != 1 {
		t.Errorf("got %d items, want 1", depth.Items)
	}
}

func TestCorruptFileIsFatal(t *testing.T) {
	ctx := t.Context()
	dir := t.TempDir()
	s := openTest(t, testOptions(dir))
	var root int64
	must(t, s.Reader.db.QueryRow(`SELECT rootpage FROM sqlite_schema WHERE name = 'alive'`).Scan(&root))
	must(t, s.Close())
	f, err := os.OpenFile(dbPath(dir), os.O_WRONLY, 0)
	must(t, err)
	_, err = f.WriteAt(make([]byte, 4096), (root-1)*4096)
	must(t, errors.Join(err, f.Close()))

	s = openTest(t, testOptions(dir))
	defer func() { _, _ = s.conn.Close(), s.db.Close() }() // which Close leaves open after a failure
	must(t, s.Put(ctx, []webhook.Item{testItem("before")}))
	wantErr(t, "write to the bad page", s.Alive(ctx, "x", time.Now()), ErrFailed)
	wantErr(t, "later Put", s.Put(ctx, []webhook.Item{testItem("after")}), ErrFailed)
	wantErr(t, "later Append", s.Append(ctx, shadowEntry("c")), ErrFailed)
	wantErr(t, "Ready", s.Ready(), ErrFailed)
	wantErr(t, "Fatal", <-s.Fatal(), ErrFailed)
	if cause, open := <-s.Fatal(); open {
		t.Errorf("Fatal gave a second cause: %v", cause)
	}
	if d, err := s.Depth(ctx); err != nil || d.Items != 1 {
		t.Errorf("got %d items and %v, want 1: what was refused counts", d.Items, err)
	}
}

func TestSyncProbe(t *testing.T) {
	dir := t.TempDir()
	took, err := SyncLatency(dir)
	must(t, err)
	if took <= 0 {
		t.Errorf("got %v", took)
	}
	if left, _ := os.ReadDir(dir); len(left) != 0 {
		t.Errorf("left %v behind", left)
	}
	core, logs := observer.New(zap.WarnLevel)
	probeSync(filepath.Join(dir, "nowhere"), zap.New(core))
	if logs.FilterMessage("measuring the disk").Len() != 1 {
		t.Errorf("got logs %v", logs.All())
	}
}

func TestMeta(t *testing.T) {
	ctx := t.Context()
	s := openTest(t, testOptions(t.TempDir()))
	if _, found, err := s.Meta(ctx, "node_id"); err != nil || found {
		t.Errorf("before: found %v, error %v", found, err)
	}
	for _, want := range []string{"n1", "n2", ""} {
		must(t, s.SetMeta(ctx, "node_id", want))
		if got, found, err := s.Meta(ctx, "node_id"); err != nil || !found || got != want {
			t.Errorf("got %q, %v, %v, want %q", got, found, err, want)
		}
	}
	if s.SetMeta(ctx, keySchema, "0") == nil {
		t.Error("the schema version could be set")
	}
	if v, err := schemaVersion(context.Background(), s.Reader.db); err != nil || v != len(migrations) {
		t.Errorf("schema version %d, %v", v, err)
	}
}
