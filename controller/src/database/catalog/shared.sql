-- What every query here starts with. The search path is empty, so the server's own functions qualify every name.
WITH users_schema AS (
    SELECT oid, quote_ident(nspname) AS name, nspname, nspowner, nspacl
    FROM pg_namespace
    WHERE nspname NOT IN ('pg_catalog', 'information_schema') AND nspname !~ '^pg_(toast|temp)'
), brought AS (
    -- What an extension brought changes with the extension, which is listed by itself.
    SELECT classid, objid FROM pg_depend WHERE deptype = 'e'
), relation AS (
    SELECT c.*, s.name || '.' || quote_ident(c.relname) AS name
    FROM pg_class c
    JOIN users_schema s ON s.oid = c.relnamespace
    WHERE NOT EXISTS (SELECT FROM brought b WHERE b.classid = 'pg_class'::regclass AND b.objid = c.oid)
)
