-- The key store. Times are milliseconds since the Unix epoch, UTC.
-- What is sealed is an envelope (src/keys/envelope.rs): a 24-byte nonce, then the ciphertext with its tag.

-- One record sealed under the master key: it proves at each start that the master key is the right one.
CREATE TABLE canary (
    only             INTEGER PRIMARY KEY CHECK (only = 1),
    envelope         INTEGER NOT NULL,
    master_key_id    TEXT    NOT NULL,
    wrapped_data_key BLOB    NOT NULL,
    sealed           BLOB    NOT NULL
) STRICT;

-- What a name stands for. Names are compared exactly (SQLite's default, BINARY).
CREATE TABLE keys (
    id            TEXT    PRIMARY KEY NOT NULL,
    name          TEXT    NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    created_ms    INTEGER NOT NULL,
    last_used_ms  INTEGER,
    last_used_for TEXT
) STRICT;

-- The key pairs. A rotation adds a row and turns the old one into `previous`, without encrypting it again: what is
-- sealed is bound to the id of this row, not to the name and not to the role.
CREATE TABLE key_material (
    id                TEXT    PRIMARY KEY NOT NULL,
    key_id            TEXT    NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
    generation        INTEGER NOT NULL CHECK (generation >= 1),
    role              TEXT    NOT NULL CHECK (role IN ('current', 'previous')),
    kind              TEXT    NOT NULL,
    bits              INTEGER NOT NULL,
    fingerprint       TEXT    NOT NULL,
    public_key        TEXT    NOT NULL, -- type and base64; the name is added as the comment when it is shown
    created_ms        INTEGER NOT NULL,
    envelope          INTEGER NOT NULL, -- version of the envelope's format
    master_key_id     TEXT    NOT NULL,
    wrapped_data_key  BLOB    NOT NULL,
    sealed_private    BLOB    NOT NULL,
    sealed_passphrase BLOB,
    UNIQUE (key_id, generation),
    UNIQUE (key_id, role)               -- one current and at most one previous
) STRICT;

CREATE INDEX key_material_master_key ON key_material (master_key_id);

-- What uses a key. The database itself refuses to delete a key that is in use.
CREATE TABLE key_users (
    key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE RESTRICT,
    user   TEXT NOT NULL,
    PRIMARY KEY (key_id, user)
) STRICT, WITHOUT ROWID;

-- Names that something wants to use, whether there is such a key yet or not: a key made later is in use from its first
-- moment.
CREATE TABLE key_claims (
    user     TEXT NOT NULL,
    key_name TEXT NOT NULL,
    PRIMARY KEY (user, key_name)
) STRICT, WITHOUT ROWID;

CREATE TRIGGER key_claimed AFTER INSERT ON keys
BEGIN
    INSERT OR IGNORE INTO key_users (key_id, user) SELECT NEW.id, user FROM key_claims WHERE key_name = NEW.name;
END;

-- Append-only. Names are copied, not referenced: a row outlives its key.
CREATE TABLE audit (
    id       INTEGER PRIMARY KEY AUTOINCREMENT,
    at_ms    INTEGER NOT NULL,
    event    TEXT    NOT NULL,
    key_id   TEXT,
    key_name TEXT,
    purpose  TEXT,
    host_key TEXT,
    outcome  TEXT    NOT NULL,
    detail   TEXT
) STRICT;

CREATE INDEX audit_at ON audit (at_ms);

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit
BEGIN
    SELECT RAISE(ABORT, 'audit rows are never changed');
END;

-- INSERT OR REPLACE would delete the old row without asking the trigger below.
CREATE TRIGGER audit_is_never_replaced BEFORE INSERT ON audit
WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
BEGIN
    SELECT RAISE(ABORT, 'audit rows are never replaced');
END;

-- The one way out is age: rows are kept for 400 days (a year and the audit after it), so that the log cannot grow
-- without limit. What is younger cannot be deleted at all.
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
WHEN OLD.at_ms >= unixepoch('now', '-400 days') * 1000
BEGIN
    SELECT RAISE(ABORT, 'audit rows are kept for 400 days');
END;
