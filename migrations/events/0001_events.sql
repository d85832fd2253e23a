-- Events of one data folder, and who did not get them yet. In a file of its own: the key store may be shared by several instances.

CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice
    at_ms INTEGER NOT NULL,
    origin TEXT UNIQUE, -- what was told twice is kept once
    body TEXT NOT NULL
);
CREATE INDEX events_at ON events (at_ms);

-- What each target is still to get; events of one lane arrive in their order.
CREATE TABLE queue (
    target TEXT NOT NULL,
    event_id INTEGER NOT NULL REFERENCES events (id) ON DELETE CASCADE,
    lane TEXT NOT NULL,
    PRIMARY KEY (target, event_id)
) WITHOUT ROWID;
CREATE INDEX queue_event ON queue (event_id);

-- The states told last: of the apps that are not in sync, and of the repository itself (an empty name).
CREATE TABLE states (
    repository TEXT NOT NULL,
    app TEXT NOT NULL,
    state TEXT NOT NULL,
    PRIMARY KEY (repository, app)
) WITHOUT ROWID;
