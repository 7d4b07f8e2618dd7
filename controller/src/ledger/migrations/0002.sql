-- Of a container that was adopted as it was: the digest of the configuration that it was found to have.
ALTER TABLE containers ADD COLUMN config TEXT;

-- Tags that registries are asked for again: where each led when it was first asked for, and where it leads now.
CREATE TABLE tags (
    app TEXT NOT NULL REFERENCES apps (name),
    reference TEXT NOT NULL,
    base TEXT,
    digest TEXT,
    asked_at INTEGER NOT NULL,
    PRIMARY KEY (app, reference)
) STRICT;
