DO $$ BEGIN CREATE ROLE reader; EXCEPTION WHEN duplicate_object THEN NULL; END $$;
CREATE TABLE alembic_version (version_num varchar(32) CONSTRAINT alembic_version_pkc PRIMARY KEY);
INSERT INTO alembic_version VALUES ('a');
CREATE SCHEMA "Odd name";
CREATE TYPE mood AS ENUM ('good', 'bad');
CREATE TYPE place AS (x int, y int);
CREATE TYPE span AS RANGE (subtype = numeric);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN filled AS text NOT NULL;
CREATE SEQUENCE counter;
CREATE FUNCTION f(x int) RETURNS int LANGUAGE sql AS 'SELECT 1';
CREATE AGGREGATE total (int) (SFUNC = int4pl, STYPE = int, INITCOND = '0');
CREATE FUNCTION touch() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
CREATE TABLE users (
    id serial PRIMARY KEY,
    email text UNIQUE,
    feeling mood DEFAULT 'good',
    made timestamptz NOT NULL DEFAULT '2020-01-01 00:00+00'
);
CREATE INDEX by_email ON users (lower(email));
CREATE TRIGGER touching BEFORE UPDATE ON users FOR EACH ROW EXECUTE FUNCTION touch();
CREATE VIEW mails AS SELECT email FROM users;
CREATE MATERIALIZED VIEW kept AS SELECT count(*) FROM users;
CREATE TABLE papers (id int, at date) PARTITION BY RANGE (at);
CREATE TABLE papers_2020 PARTITION OF papers FOR VALUES FROM ('2020-01-01') TO ('2021-01-01');
CREATE TABLE "Odd name"."odd.table" ("a ""b""" int);
CREATE RULE quiet AS ON DELETE TO papers DO INSTEAD NOTHING;
CREATE POLICY mine ON users FOR SELECT TO reader USING (id > 0);
CREATE STATISTICS both_of_them ON id, email FROM users;
GRANT SELECT ON papers TO reader;
GRANT UPDATE (email) ON users TO reader;
ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO reader;
