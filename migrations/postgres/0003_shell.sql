-- Shell commands; the same tables as for SQLite, where each is explained.

CREATE TABLE shell_hosts (
    name       TEXT   COLLATE "C" PRIMARY KEY,
    definition TEXT   NOT NULL,
    changed_ms BIGINT NOT NULL
);

CREATE TABLE shell_commands (
    name       TEXT   COLLATE "C" PRIMARY KEY,
    host       TEXT   COLLATE "C" NOT NULL REFERENCES shell_hosts (name) ON DELETE RESTRICT,
    definition TEXT   NOT NULL,
    changed_ms BIGINT NOT NULL
);

CREATE TABLE shell_runs (
    id          BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    at_ms       BIGINT NOT NULL,
    command     TEXT,
    host        TEXT   NOT NULL,
    asked_by    TEXT   NOT NULL,
    ended       TEXT   NOT NULL,
    reason      TEXT,
    duration_ms BIGINT NOT NULL,
    report      TEXT   NOT NULL
);

CREATE INDEX shell_runs_at ON shell_runs (at_ms);
