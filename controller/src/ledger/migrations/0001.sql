-- Times are microseconds since 1970 in UTC; sets, plans and releases are JSON.

CREATE TABLE meta (key TEXT PRIMARY KEY, value BLOB NOT NULL) STRICT;

CREATE TABLE apps (
    name TEXT PRIMARY KEY,
    source TEXT,
    manifest_path TEXT,
    live_release TEXT,
    live_revision TEXT,
    attempted_revision TEXT,
    suspended INTEGER,
    schema TEXT,
    system_identifier TEXT
) STRICT;

CREATE TABLE releases (
    app TEXT NOT NULL REFERENCES apps (name),
    digest TEXT NOT NULL,
    revision TEXT NOT NULL,
    body TEXT,
    outputs TEXT,
    used_at INTEGER NOT NULL,
    PRIMARY KEY (app, digest)
) STRICT;

-- AUTOINCREMENT: a number names containers, so it is never given twice.
CREATE TABLE rollouts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT NOT NULL REFERENCES apps (name),
    release TEXT NOT NULL,
    revision TEXT NOT NULL,
    reason TEXT NOT NULL,
    previous TEXT,
    reverting TEXT,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    outcome TEXT,
    message TEXT
) STRICT;

CREATE INDEX rollouts_by_app ON rollouts (app, id);
CREATE UNIQUE INDEX one_open_rollout_an_app ON rollouts (app) WHERE finished_at IS NULL;

CREATE TABLE plans (
    rollout INTEGER NOT NULL REFERENCES rollouts (id),
    number INTEGER NOT NULL,
    stage TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (rollout, number)
) STRICT;

CREATE TABLE steps (
    id INTEGER PRIMARY KEY,
    rollout INTEGER NOT NULL,
    plan INTEGER NOT NULL,
    position INTEGER NOT NULL,
    stage TEXT NOT NULL,
    name TEXT NOT NULL,
    subject TEXT NOT NULL,
    why TEXT NOT NULL,
    body TEXT NOT NULL,
    started_at INTEGER NOT NULL,
    finished_at INTEGER,
    outcome TEXT,
    detail TEXT,
    FOREIGN KEY (rollout, plan) REFERENCES plans (rollout, number)
) STRICT;

CREATE INDEX steps_by_rollout ON steps (rollout, id);

CREATE TABLE facts (
    rollout INTEGER NOT NULL REFERENCES rollouts (id),
    key TEXT NOT NULL,
    value TEXT NOT NULL,
    PRIMARY KEY (rollout, key)
) STRICT;

CREATE TABLE applied (
    id INTEGER PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (name),
    rollout INTEGER NOT NULL REFERENCES rollouts (id),
    release TEXT NOT NULL,
    direction TEXT NOT NULL,
    from_revisions TEXT NOT NULL,
    to_revisions TEXT NOT NULL,
    at INTEGER NOT NULL
) STRICT;

CREATE INDEX applied_by_app ON applied (app, id);

CREATE TABLE containers (
    id TEXT PRIMARY KEY,
    app TEXT NOT NULL REFERENCES apps (name),
    service TEXT NOT NULL,
    name TEXT NOT NULL,
    rollout INTEGER REFERENCES rollouts (id),
    role TEXT NOT NULL,
    recorded_at INTEGER NOT NULL
) STRICT;

CREATE INDEX containers_by_app ON containers (app, recorded_at);

CREATE TABLE serving (
    app TEXT NOT NULL REFERENCES apps (name),
    service TEXT NOT NULL,
    container TEXT NOT NULL,
    PRIMARY KEY (app, service)
) STRICT;

CREATE TABLE backups (
    app TEXT NOT NULL REFERENCES apps (name),
    id TEXT NOT NULL,
    rollout INTEGER REFERENCES rollouts (id),
    body TEXT NOT NULL,
    recorded_at INTEGER NOT NULL,
    PRIMARY KEY (app, id)
) STRICT;

CREATE TABLE quarantine (
    app TEXT NOT NULL REFERENCES apps (name),
    release TEXT NOT NULL,
    revision TEXT NOT NULL,
    reason TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (app, release)
) STRICT;

-- Events may name an application that no manifest brought into being: no reference.
CREATE TABLE events (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    app TEXT,
    at INTEGER NOT NULL,
    kind TEXT NOT NULL,
    message TEXT NOT NULL
) STRICT;

CREATE TABLE conditions (
    app TEXT NOT NULL REFERENCES apps (name),
    reason TEXT NOT NULL,
    message TEXT NOT NULL,
    since INTEGER NOT NULL,
    PRIMARY KEY (app, reason)
) STRICT;
