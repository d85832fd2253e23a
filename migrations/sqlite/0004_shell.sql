-- Shell commands: hosts, what is saved to be run on them, and past runs. A host's key is in use (key_users).

CREATE TABLE shell_hosts (
    name       TEXT PRIMARY KEY NOT NULL,
    definition TEXT NOT NULL, -- JSON
    changed_ms INTEGER NOT NULL
) STRICT;

CREATE TABLE shell_commands (
    name       TEXT PRIMARY KEY NOT NULL,
    host       TEXT NOT NULL REFERENCES shell_hosts (name) ON DELETE RESTRICT,
    definition TEXT NOT NULL, -- JSON
    changed_ms INTEGER NOT NULL
) STRICT;

-- Names are copied, not referenced: a run outlives its command. No value of a variable is in it.
CREATE TABLE shell_runs (
    id          INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms       INTEGER NOT NULL,
    command     TEXT,
    host        TEXT    NOT NULL,
    asked_by    TEXT    NOT NULL,
    ended       TEXT    NOT NULL,
    reason      TEXT,
    duration_ms INTEGER NOT NULL,
    report      TEXT    NOT NULL -- JSON
) STRICT;

CREATE INDEX shell_runs_at ON shell_runs (at_ms);
