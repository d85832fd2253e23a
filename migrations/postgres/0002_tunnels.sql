-- Tunnels that people have added; each belongs to the instance that listens.
CREATE TABLE tunnels (
    instance TEXT    COLLATE "C" NOT NULL,
    name     TEXT    COLLATE "C" NOT NULL,
    tunnel   TEXT    NOT NULL, -- JSON
    open     BOOLEAN NOT NULL,
    PRIMARY KEY (instance, name)
);
