-- Tunnels that people have added; each belongs to the instance that listens.
CREATE TABLE tunnels (
    instance TEXT    NOT NULL,
    name     TEXT    NOT NULL,
    tunnel   TEXT    NOT NULL, -- JSON
    open     INTEGER NOT NULL,
    PRIMARY KEY (instance, name)
) STRICT, WITHOUT ROWID;
