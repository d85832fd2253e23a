-- The key store; the same tables as for SQLite, where each is explained. Times are milliseconds since the Unix epoch, UTC.

CREATE TABLE canary (
    "only"           BIGINT PRIMARY KEY CHECK ("only" = 1),
    envelope         BIGINT NOT NULL,
    master_key_id    TEXT   NOT NULL,
    wrapped_data_key BYTEA  NOT NULL,
    sealed           BYTEA  NOT NULL
);

-- Names are compared and sorted by their bytes.
CREATE TABLE keys (
    id            TEXT   PRIMARY KEY,
    name          TEXT   COLLATE "C" NOT NULL UNIQUE CHECK (length(name) BETWEEN 1 AND 64),
    created_ms    BIGINT NOT NULL,
    last_used_ms  BIGINT,
    last_used_for TEXT
);

CREATE TABLE key_material (
    id                TEXT    COLLATE "C" PRIMARY KEY,
    key_id            TEXT    NOT NULL REFERENCES keys (id) ON DELETE CASCADE,
    generation        BIGINT  NOT NULL CHECK (generation >= 1),
    role              TEXT    NOT NULL CHECK (role IN ('current', 'previous')),
    kind              TEXT    NOT NULL,
    bits              BIGINT  NOT NULL,
    fingerprint       TEXT    NOT NULL,
    public_key        TEXT    NOT NULL,
    created_ms        BIGINT  NOT NULL,
    envelope          BIGINT  NOT NULL,
    master_key_id     TEXT    COLLATE "C" NOT NULL,
    wrapped_data_key  BYTEA   NOT NULL,
    sealed_private    BYTEA   NOT NULL,
    sealed_passphrase BYTEA,
    encrypted         BOOLEAN NOT NULL DEFAULT FALSE,
    first_login_ms    BIGINT,
    UNIQUE (key_id, generation),
    UNIQUE (key_id, role)
);

CREATE INDEX key_material_master_key ON key_material (master_key_id);

CREATE TABLE key_answers (
    material_id TEXT NOT NULL REFERENCES key_material (id) ON DELETE CASCADE,
    "user"      TEXT COLLATE "C" NOT NULL,
    service     TEXT NOT NULL CHECK (service IN ('read', 'write')),
    PRIMARY KEY (material_id, "user", service)
);

CREATE TABLE key_users (
    key_id TEXT NOT NULL REFERENCES keys (id) ON DELETE RESTRICT,
    "user" TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (key_id, "user")
);

CREATE TABLE key_claims (
    "user"   TEXT COLLATE "C" NOT NULL,
    key_name TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY ("user", key_name)
);

-- A claim and a new name do not see each other before they are committed: one at a time. Before the row, as everybody else
-- who takes this lock does (src/store/users.rs): in another order two could wait for each other.
CREATE FUNCTION key_claims_wait() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('appferry claims'));
    RETURN NEW;
END $$;

CREATE TRIGGER key_claims_wait BEFORE INSERT OR UPDATE OF name ON keys
FOR EACH ROW EXECUTE FUNCTION key_claims_wait();

CREATE FUNCTION key_claimed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO key_users (key_id, "user") SELECT NEW.id, "user" FROM key_claims WHERE key_name = NEW.name
    ON CONFLICT DO NOTHING;
    RETURN NULL;
END $$;

CREATE TRIGGER key_claimed AFTER INSERT OR UPDATE OF name ON keys
FOR EACH ROW EXECUTE FUNCTION key_claimed();

CREATE FUNCTION key_name_is_used() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT 1 FROM key_users WHERE key_id = OLD.id) THEN
        RAISE EXCEPTION 'the key is in use' USING ERRCODE = 'restrict_violation';
    END IF;
    RETURN NEW;
END $$;

CREATE TRIGGER key_name_is_used BEFORE UPDATE OF name ON keys
FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION key_name_is_used();

CREATE TABLE host_keys (
    host        TEXT   COLLATE "C" NOT NULL,
    kind        TEXT   COLLATE "C" NOT NULL,
    key         TEXT   NOT NULL,
    fingerprint TEXT   COLLATE "C" NOT NULL,
    trusted_ms  BIGINT NOT NULL,
    trusted_by  TEXT   NOT NULL,
    PRIMARY KEY (host, fingerprint)
);

CREATE TABLE host_key_changes (
    host  TEXT PRIMARY KEY,
    shown TEXT NOT NULL
);

CREATE TABLE audit (
    id       BIGINT PRIMARY KEY,
    at_ms    BIGINT NOT NULL,
    event    TEXT   NOT NULL,
    key_id   TEXT,
    key_name TEXT,
    purpose  TEXT,
    host_key TEXT,
    outcome  TEXT   NOT NULL,
    detail   TEXT,
    actor    TEXT   NOT NULL DEFAULT ''
);

CREATE INDEX audit_at ON audit (at_ms);
CREATE SEQUENCE audit_ids OWNED BY audit.id;

-- One writer at a time until it has committed: whoever follows the log by its ids misses no row.
CREATE FUNCTION audit_id() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('appferry audit'));
    NEW.id := nextval('audit_ids');
    RETURN NEW;
END $$;

CREATE TRIGGER audit_id BEFORE INSERT ON audit FOR EACH ROW EXECUTE FUNCTION audit_id();

CREATE FUNCTION audit_is_never_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'audit rows are never changed';
END $$;

CREATE TRIGGER audit_is_never_changed BEFORE UPDATE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_never_changed();
CREATE TRIGGER audit_is_never_emptied BEFORE TRUNCATE ON audit EXECUTE FUNCTION audit_is_never_changed();

CREATE FUNCTION audit_is_kept() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.at_ms >= (extract(epoch FROM now()) - 400 * 86400) * 1000 THEN
        RAISE EXCEPTION 'audit rows are kept for 400 days';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit FOR EACH ROW EXECUTE FUNCTION audit_is_kept();
