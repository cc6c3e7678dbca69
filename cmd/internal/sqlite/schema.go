package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"

	"teamsdlp/cmd/internal/faults"
)

// applicationID marks the file as ours ("tdlp"), so that another program's
// database is refused and not extended.
const applicationID = 0x74646c70

// minSQLite is the first release without the WAL-reset race of 3.7.0 to 3.51.2,
// which can lose commits where several connections are open.
// Source: sqlite.org/wal.html#walresetbug.
var minSQLite = [3]int{3, 51, 3}

// ErrNewerSchema is returned for a file that a newer release has written.
var ErrNewerSchema = errors.New("the store was written by a newer release")

// ErrOlderSchema is returned by OpenReadOnly for a file that an older release has
// written and no server of this one has migrated.
var ErrOlderSchema = errors.New("the store was written by an older release")

// ErrNothing is returned by OpenReadOnly for a file without tables.
var ErrNothing = errors.New("there is nothing in " + FileName + ": serve has not begun it yet, or it was copied without " + FileName + "-wal")

// A migration takes the schema from one version to the next. It runs in one
// transaction with the version number it leads to.
type migration string

// migrations is the history of the schema: the element at index i leads from
// version i to version i+1. Elements are only ever added at the end.
var migrations = []migration{schema1, schema2, schema3, schema4, schema5}

// schema1 is the first schema. Times are milliseconds (_ms) or nanoseconds (_ns)
// since 1970. The inbox has no secondary index: it is on the
// path of every 202, and each index would be one more page to write.
const schema1 migration = `
CREATE TABLE inbox (
	seq     INTEGER PRIMARY KEY,
	recv_ms INTEGER NOT NULL,
	flags   INTEGER NOT NULL,
	body    BLOB    NOT NULL
);
-- Rows that were put back: when they are due, and how often it happened.
CREATE TABLE work (
	seq        INTEGER PRIMARY KEY,
	due_ms     INTEGER NOT NULL,
	attempts   INTEGER NOT NULL,
	reason     TEXT    NOT NULL
);
-- AUTOINCREMENT: a number that an operator was shown never names another row.
CREATE TABLE quarantine (
	id       INTEGER PRIMARY KEY AUTOINCREMENT,
	at_ms    INTEGER NOT NULL,
	recv_ms  INTEGER NOT NULL,
	flags    INTEGER NOT NULL,
	attempts INTEGER NOT NULL,
	reason   TEXT    NOT NULL,
	body     BLOB    NOT NULL
);
CREATE TABLE effect (
	message_key TEXT    NOT NULL,
	version     TEXT    NOT NULL,
	state       TEXT    NOT NULL,
	case_id     TEXT    NOT NULL,
	updated_ms  INTEGER NOT NULL,
	body        BLOB    NOT NULL,
	PRIMARY KEY (message_key, version)
) WITHOUT ROWID;
CREATE INDEX effect_prunable ON effect (updated_ms) WHERE case_id = '';
CREATE TABLE standing (
	message_key TEXT    NOT NULL PRIMARY KEY,
	case_id     TEXT    NOT NULL,
	updated_ms  INTEGER NOT NULL,
	body        BLOB    NOT NULL
) WITHOUT ROWID;
CREATE INDEX standing_prunable ON standing (updated_ms) WHERE case_id = '';
-- body is the entry's JSON as it was appended: the tree is over these bytes,
-- and the other columns are copies for filters.
CREATE TABLE entries (
	seq          INTEGER PRIMARY KEY,
	id           TEXT    NOT NULL,
	time_ns      INTEGER NOT NULL,
	kind         TEXT    NOT NULL,
	tenant       TEXT    NOT NULL,
	case_id      TEXT    NOT NULL,
	conversation TEXT    NOT NULL,
	sender_id    TEXT    NOT NULL,
	sender_fold  TEXT    NOT NULL,
	severity     TEXT    NOT NULL,
	action       TEXT    NOT NULL,
	outcome      TEXT    NOT NULL,
	label        TEXT    NOT NULL,
	body         BLOB    NOT NULL
);
CREATE INDEX entries_case ON entries (case_id) WHERE case_id <> '';
CREATE INDEX entries_kind ON entries (kind);
CREATE INDEX entries_time ON entries (time_ns);
CREATE INDEX entries_sender ON entries (sender_id) WHERE sender_id <> '';
CREATE INDEX entries_conversation ON entries (conversation) WHERE conversation <> '';
CREATE TABLE entry_rule (
	rule TEXT    NOT NULL,
	seq  INTEGER NOT NULL,
	PRIMARY KEY (rule, seq)
) WITHOUT ROWID;
CREATE TABLE entry_detector (
	detector TEXT    NOT NULL,
	seq      INTEGER NOT NULL,
	PRIMARY KEY (detector, seq)
) WITHOUT ROWID;
-- The tree of the log, in the storage order of golang.org/x/mod/sumdb/tlog.
CREATE TABLE tlog_hash (
	idx  INTEGER PRIMARY KEY,
	hash BLOB NOT NULL
);
CREATE TABLE checkpoint (
	size    INTEGER PRIMARY KEY,
	time_ms INTEGER NOT NULL,
	note    BLOB    NOT NULL
);
-- The fold of each case's entries, kept in the commit that appends them.
CREATE TABLE cases (
	id           TEXT    NOT NULL PRIMARY KEY,
	last_seq     INTEGER NOT NULL,
	updated_ns   INTEGER NOT NULL,
	tenant       TEXT    NOT NULL,
	conversation TEXT    NOT NULL,
	sender_id    TEXT    NOT NULL,
	sender_fold  TEXT    NOT NULL,
	severity     TEXT    NOT NULL,
	action       TEXT    NOT NULL,
	outcome      TEXT    NOT NULL,
	label        TEXT    NOT NULL,
	overridden   INTEGER NOT NULL,
	reported     INTEGER NOT NULL,
	released     INTEGER NOT NULL,
	edited       INTEGER NOT NULL,
	deleted      INTEGER NOT NULL,
	body         BLOB    NOT NULL
);
CREATE UNIQUE INDEX cases_last ON cases (last_seq);
CREATE INDEX cases_sender ON cases (sender_id, last_seq);
CREATE INDEX cases_conversation ON cases (conversation, last_seq);
CREATE TABLE case_rule (
	case_id TEXT NOT NULL,
	rule    TEXT NOT NULL,
	PRIMARY KEY (case_id, rule)
) WITHOUT ROWID;
CREATE TABLE case_detector (
	case_id  TEXT NOT NULL,
	detector TEXT NOT NULL,
	PRIMARY KEY (case_id, detector)
) WITHOUT ROWID;
CREATE TABLE subscription (
	local_id TEXT NOT NULL PRIMARY KEY,
	body     BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE alive (
	target TEXT    NOT NULL PRIMARY KEY,
	at_ns  INTEGER NOT NULL
) WITHOUT ROWID;
`

// schema2 finds the effects of a case, for retention.
const schema2 migration = `
CREATE INDEX effect_case ON effect (case_id) WHERE case_id <> '';
CREATE INDEX standing_case ON standing (case_id) WHERE case_id <> '';
`

// schema3 finds what was decided and has no result, without reading the effects
// of all clean messages. Those are never in it, so it costs them nothing.
const schema3 migration = `CREATE INDEX effect_unfinished ON effect (version) WHERE state = 'decided'`

// schema4 stores messages under keys that begin with their id: see rowKey, which
// its SQL follows. The tables are made anew, because an UPDATE of a key holds every
// row in memory.
const schema4 migration = `
CREATE TABLE effect4 (
	message_key TEXT    NOT NULL,
	version     TEXT    NOT NULL,
	state       TEXT    NOT NULL,
	case_id     TEXT    NOT NULL,
	updated_ms  INTEGER NOT NULL,
	body        BLOB    NOT NULL,
	PRIMARY KEY (message_key, version)
) WITHOUT ROWID;
INSERT INTO effect4 SELECT ` + rotated + `, version, state, case_id, updated_ms, body FROM effect;
DROP TABLE effect;
ALTER TABLE effect4 RENAME TO effect;
CREATE INDEX effect_prunable ON effect (updated_ms) WHERE case_id = '';
CREATE INDEX effect_case ON effect (case_id) WHERE case_id <> '';
CREATE INDEX effect_unfinished ON effect (version) WHERE state = 'decided';
CREATE TABLE standing4 (
	message_key TEXT    NOT NULL PRIMARY KEY,
	case_id     TEXT    NOT NULL,
	updated_ms  INTEGER NOT NULL,
	body        BLOB    NOT NULL
) WITHOUT ROWID;
INSERT INTO standing4 SELECT ` + rotated + `, case_id, updated_ms, body FROM standing;
DROP TABLE standing;
ALTER TABLE standing4 RENAME TO standing;
CREATE INDEX standing_prunable ON standing (updated_ms) WHERE case_id = '';
CREATE INDEX standing_case ON standing (case_id) WHERE case_id <> '';
`

const (
	// head is a message key up to its last slash, and with it.
	head    = `rtrim(message_key, replace(message_key, '/', ''))`
	rotated = `iif(instr(message_key, '/') = 0, message_key, substr(message_key, length(` + head + `) + 1) || '/' || substr(` + head + `, 1, length(` + head + `) - 1))`
)

// schema5 lets every filter of the lists be followed by its value, newest first; see
// entriesQuery and casesQuery. What few entries have is indexed for those alone.
const schema5 migration = `
CREATE INDEX entries_label ON entries (label) WHERE label <> '';
CREATE INDEX entries_outcome ON entries (outcome) WHERE outcome <> '';
CREATE INDEX entries_severity ON entries (severity) WHERE severity <> '';
CREATE INDEX entries_action ON entries (action) WHERE action <> '';
CREATE INDEX entries_tenant ON entries (tenant) WHERE tenant <> '';
CREATE INDEX cases_label ON cases (label, last_seq) WHERE label <> '';
CREATE INDEX cases_overridden ON cases (last_seq) WHERE overridden;
CREATE INDEX cases_reported ON cases (last_seq) WHERE reported;
CREATE INDEX cases_released ON cases (last_seq) WHERE released;
CREATE INDEX cases_edited ON cases (last_seq) WHERE edited;
CREATE INDEX cases_deleted ON cases (last_seq) WHERE deleted;
CREATE INDEX cases_open ON cases (last_seq) WHERE ` + openCase + `;
CREATE INDEX cases_outcome ON cases (outcome, last_seq);
CREATE INDEX cases_severity ON cases (severity, last_seq);
CREATE INDEX cases_action ON cases (action, last_seq);
CREATE INDEX cases_tenant ON cases (tenant, last_seq);
-- By the case's last entry, so that the newest come first.
CREATE TABLE case_rule5 (
	rule     TEXT    NOT NULL,
	last_seq INTEGER NOT NULL,
	PRIMARY KEY (rule, last_seq)
) WITHOUT ROWID;
INSERT INTO case_rule5 SELECT r.rule, c.last_seq FROM case_rule r JOIN cases c ON c.id = r.case_id;
DROP TABLE case_rule;
ALTER TABLE case_rule5 RENAME TO case_rule;
CREATE TABLE case_detector5 (
	detector TEXT    NOT NULL,
	last_seq INTEGER NOT NULL,
	PRIMARY KEY (detector, last_seq)
) WITHOUT ROWID;
INSERT INTO case_detector5 SELECT d.detector, c.last_seq FROM case_detector d JOIN cases c ON c.id = d.case_id;
DROP TABLE case_detector;
ALTER TABLE case_detector5 RENAME TO case_detector;
INSERT INTO meta SELECT '` + keyDisorder + `', max(high - time_ns) FROM
	(SELECT time_ns, max(time_ns) OVER (ORDER BY seq ROWS UNBOUNDED PRECEDING) AS high FROM entries) HAVING max(high - time_ns) > 0;
`

const (
	// openCase is the condition of a case that nobody has done anything about.
	openCase = `NOT (overridden OR reported OR released OR edited OR deleted) AND label = ''`
	// keyDisorder is the meta key of how far the time of an entry lies before that of
	// an earlier one, at most, in nanoseconds; see span.
	keyDisorder = "log_disorder_ns"
)

// keySchema is the meta key of the schema's version.
const keySchema = "schema_version"

// migrate brings the file to the newest version of steps, one transaction a
// step, so that a kill between two leaves a version that the next start goes on
// from.
func migrate(ctx context.Context, conn *sql.Conn, steps []migration) error {
	if err := checkOurs(ctx, conn); err != nil {
		return err
	}
	have, err := schemaVersion(ctx, conn)
	if err != nil {
		return err
	}
	if have > len(steps) && !faults.On(faults.OpenNewer) {
		return fmt.Errorf("schema version %d, this release knows %d: %w; run that release, or restore a backup made before it", have, len(steps), ErrNewerSchema)
	}
	for v := have; v < len(steps); v++ {
		if err := step(ctx, conn, steps[v], v+1); err != nil {
			return fmt.Errorf("migrating the schema from version %d to %d: %w", v, v+1, err)
		}
	}
	return nil
}

// step runs one migration. Its error leaves the schema as it was.
func step(ctx context.Context, conn *sql.Conn, m migration, version int) error {
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	err := func() error {
		if version == 1 {
			const first = `CREATE TABLE meta (key TEXT NOT NULL PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID`
			if _, err := conn.ExecContext(ctx, first); err != nil {
				return err
			}
			if _, err := conn.ExecContext(ctx, "PRAGMA application_id = "+strconv.Itoa(applicationID)); err != nil {
				return err
			}
		}
		if faults.On(faults.MigrateInPieces) && version > 1 {
			_, err := conn.ExecContext(ctx, putMeta, keySchema, strconv.Itoa(version))
			if err == nil {
				_, err = conn.ExecContext(ctx, "COMMIT; BEGIN IMMEDIATE")
			}
			if err != nil {
				return err
			}
		}
		if _, err := conn.ExecContext(ctx, string(m)); err != nil {
			return err
		}
		if _, err := conn.ExecContext(ctx, putMeta, keySchema, strconv.Itoa(version)); err != nil {
			return err
		}
		if err := faults.Hit(faults.Migrating); err != nil {
			return err
		}
		_, err := conn.ExecContext(ctx, "COMMIT")
		return err
	}()
	if err != nil {
		// Its own error says nothing new: the transaction may have ended already.
		_, _ = conn.ExecContext(ctx, "ROLLBACK")
	}
	return err
}

// queryer is what reads need of a connection or a pool.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

// checkOurs refuses a database that some other program made.
func checkOurs(ctx context.Context, q queryer) error {
	var id, tables int
	const query = "SELECT (SELECT application_id FROM pragma_application_id), (SELECT count(*) FROM sqlite_schema)"
	if err := q.QueryRowContext(ctx, query).Scan(&id, &tables); err != nil {
		return fmt.Errorf("reading the schema: %w", err)
	}
	if tables > 0 && id != applicationID {
		return fmt.Errorf("%s is another program's database (application id %#x)", FileName, uint32(id))
	}
	return nil
}

// schemaVersion returns the version of the file, 0 for an empty one.
func schemaVersion(ctx context.Context, q queryer) (int, error) {
	var tables int
	if err := q.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_schema WHERE name = 'meta'").Scan(&tables); err != nil {
		return 0, fmt.Errorf("reading the schema: %w", err)
	}
	if tables == 0 {
		return 0, nil
	}
	var version int
	if err := q.QueryRowContext(ctx, getMeta, keySchema).Scan(&version); err != nil {
		return 0, fmt.Errorf("reading the schema version: %w", err)
	}
	return version, nil
}

// checkVersion refuses a SQLite library that is too old to be trusted with a
// write-ahead log.
func checkVersion(ctx context.Context, q queryer) error {
	var text string
	if err := q.QueryRowContext(ctx, "SELECT sqlite_version()").Scan(&text); err != nil {
		return fmt.Errorf("reading the version of SQLite: %w", err)
	}
	return versionAtLeast(text, minSQLite)
}

func versionAtLeast(text string, least [3]int) error {
	var have [3]int
	if _, err := fmt.Sscanf(text, "%d.%d.%d", &have[0], &have[1], &have[2]); err != nil {
		return fmt.Errorf("version of SQLite %q is not understood", text)
	}
	for i := range have {
		if have[i] > least[i] {
			return nil
		}
		if have[i] < least[i] {
			return fmt.Errorf("SQLite %s can lose commits in WAL mode: %d.%d.%d or newer is needed", text, least[0], least[1], least[2])
		}
	}
	return nil
}
