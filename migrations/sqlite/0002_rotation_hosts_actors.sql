-- Passphrases, rotations, host keys that people trust, and who did what.

ALTER TABLE key_material ADD COLUMN encrypted INTEGER NOT NULL DEFAULT 0; -- with a passphrase, before it was sealed
ALTER TABLE key_material ADD COLUMN first_login_ms INTEGER;

ALTER TABLE audit ADD COLUMN actor TEXT NOT NULL DEFAULT '';

-- Which service of which user's remote has let a key pair through while a rotation was under way.
CREATE TABLE key_answers (
    material_id TEXT NOT NULL REFERENCES key_material (id) ON DELETE CASCADE,
    user        TEXT NOT NULL,
    service     TEXT NOT NULL CHECK (service IN ('read', 'write')),
    PRIMARY KEY (material_id, user, service)
) STRICT, WITHOUT ROWID;

-- Several keys a host; the host is named as in known_hosts.
CREATE TABLE host_keys (
    host        TEXT    NOT NULL,
    kind        TEXT    NOT NULL,
    key         TEXT    NOT NULL, -- base64
    fingerprint TEXT    NOT NULL,
    trusted_ms  INTEGER NOT NULL,
    trusted_by  TEXT    NOT NULL,
    PRIMARY KEY (host, fingerprint)
) STRICT, WITHOUT ROWID;

-- The last key that a host showed in place of a trusted one, so that the audit log tells of it once.
CREATE TABLE host_key_changes (
    host  TEXT PRIMARY KEY NOT NULL,
    shown TEXT NOT NULL
) STRICT, WITHOUT ROWID;

-- A name that something uses is not taken away from it.
CREATE TRIGGER key_name_is_used BEFORE UPDATE OF name ON keys
WHEN OLD.name <> NEW.name AND EXISTS (SELECT 1 FROM key_users WHERE key_id = OLD.id)
BEGIN
    SELECT RAISE(ABORT, 'the key is in use');
END;

CREATE TRIGGER key_claimed_by_new_name AFTER UPDATE OF name ON keys
WHEN OLD.name <> NEW.name
BEGIN
    INSERT OR IGNORE INTO key_users (key_id, user) SELECT NEW.id, user FROM key_claims WHERE key_name = NEW.name;
END;

-- Users are called by their instance from now on: several may share a store.
DELETE FROM key_users WHERE user = 'environment';
DELETE FROM key_claims WHERE user = 'environment';
