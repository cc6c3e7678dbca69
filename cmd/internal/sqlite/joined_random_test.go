package sqlite

import (
	"database/sql"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	lib "modernc.org/sqlite/lib"
)

// Transactions, savepoints, pages that leave a small cache, copies of the log, and writes
// that fail, at random and over two connections: others see what was committed and no
// more, and so does whoever opens the files as a kill would leave them.
func TestJoinedAtRandom(t *testing.T) {
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	rng := rand.New(rand.NewPCG(seed, 1))
	dir := t.TempDir()
	path := filepath.Join(dir, "x.db")
	watch(t)
	dbs := []*rawDB{openRaw(t, path, joinedVFS()), openRaw(t, path, joinedVFS())}
	for i, d := range dbs {
		d.must(fmt.Sprintf("PRAGMA cache_size=%d; PRAGMA journal_size_limit=%d", []int{10, 60}[i], []int{200000, -1}[i]))
	}
	dbs[0].must("CREATE TABLE u (k INTEGER PRIMARY KEY, v BLOB)")
	others, err := sql.Open("sqlite", path)
	must(t, err)
	t.Cleanup(func() { must(t, others.Close()) })
	model := map[int]int{} // key to version
	check := func(when string, db *sql.DB) {
		t.Helper()
		rows, err := db.Query("SELECT k, cast(substr(v, 1, 8) AS TEXT) FROM u")
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		defer rows.Close()
		got := map[int]int{}
		for rows.Next() {
			var k, v int
			must(t, rows.Scan(&k, &v))
			got[k] = v
		}
		must(t, rows.Err())
		if !maps.Equal(got, model) {
			t.Fatalf("%s: %d rows, which are not the %d that were committed", when, len(got), len(model))
		}
		var whole string
		must(t, db.QueryRow("PRAGMA integrity_check").Scan(&whole))
		if whole != "ok" {
			t.Fatalf("%s: %s", when, whole)
		}
	}
	crash := func(when string) {
		to := t.TempDir()
		for _, s := range []string{"", "-wal"} {
			b, err := os.ReadFile(path + s)
			if err != nil {
				continue
			}
			must(t, os.WriteFile(filepath.Join(to, "x.db"+s), b, 0o600))
		}
		db, err := sql.Open("sqlite", filepath.Join(to, "x.db"))
		must(t, err)
		defer db.Close()
		check(when+", after a kill", db)
	}
	version, fails, commits := 10000000, 0, 0
	for step := range 200 / slowly {
		d := dbs[rng.IntN(2)]
		next := maps.Clone(model)
		if rc := d.exec("BEGIN IMMEDIATE"); rc != 0 {
			t.Fatalf("begin: %d", rc)
		}
		failing := rng.IntN(6) == 0
		ok := true
		run := func(q string) bool {
			if rc := d.exec(q); rc != 0 {
				if !failing {
					t.Fatalf("step %d %s: %d", step, q, rc)
				}
				ok = false
			}
			return ok
		}
		saved := []map[int]int{}
		failAt := rng.IntN(20)
		for i := range 1 + rng.IntN(20) {
			if failing && i == failAt {
				watched.answer.Store([]int32{lib.SQLITE_FULL, lib.SQLITE_IOERR_WRITE}[rng.IntN(2)])
			}
			switch rng.IntN(8) {
			case 0:
				if run("SAVEPOINT s") {
					saved = append(saved, maps.Clone(next))
				}
			case 1:
				if len(saved) > 0 && run("ROLLBACK TO s; RELEASE s") {
					next = saved[len(saved)-1]
					saved = saved[:len(saved)-1]
				}
			case 2:
				if len(saved) > 0 && run("RELEASE s") {
					saved = saved[:len(saved)-1]
				}
			case 3:
				k := rng.IntN(200)
				if run(fmt.Sprintf("DELETE FROM u WHERE k BETWEEN %d AND %d", k, k+5)) {
					for j := k; j <= k+5; j++ {
						delete(next, j)
					}
				}
			case 4:
				run("SELECT sum(length(v)) FROM u")
			default:
				k, n := rng.IntN(200), 1+rng.IntN(25)
				version++
				if run(fmt.Sprintf("WITH RECURSIVE i(x) AS (SELECT %d UNION ALL SELECT x+1 FROM i WHERE x < %d) INSERT OR REPLACE INTO u SELECT x, CAST('%d' AS BLOB) || randomblob(%d) FROM i", k, k+n-1, version, 500+rng.IntN(9000))) {
					for j := k; j < k+n; j++ {
						next[j] = version
					}
				}
			}
			if !ok {
				break
			}
			if rng.IntN(30) == 0 && !failing {
				crash("within")
			}
		}
		if ok && rng.IntN(4) > 0 {
			if run("COMMIT") {
				model = next
				commits++
			}
		} else {
			ok = false
		}
		if !ok {
			if failing {
				fails++
			}
			if rng.IntN(2) == 0 {
				watched.answer.Store(0)
			}
			d.exec("ROLLBACK") // an error may have done it
		}
		watched.answer.Store(0)
		if rng.IntN(5) == 0 {
			check("others", others)
		}
		if rng.IntN(8) == 0 {
			crash("between")
		}
		if rng.IntN(6) == 0 {
			mode := []string{"PASSIVE", "FULL", "RESTART", "TRUNCATE"}[rng.IntN(4)]
			if rc := dbs[rng.IntN(2)].exec("PRAGMA wal_checkpoint(" + mode + ")"); rc != 0 {
				t.Fatalf("checkpoint %s: %d", mode, rc)
			}
			if rng.IntN(2) == 0 {
				crash("after a copy")
			}
		}
	}
	check("at the end", others)
	if commits == 0 || fails == 0 && slowly == 1 { // else there are few
		t.Errorf("%d commits, and %d failed", commits, fails)
	}
}
