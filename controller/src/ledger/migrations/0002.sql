-- Of a container that was adopted as it was: the digest of the configuration that it was found to have.
ALTER TABLE containers ADD COLUMN config TEXT;
