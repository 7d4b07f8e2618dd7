-- `_RETURN` is a view's own query.
SELECT r.name, quote_ident(w.rulename),
    format('%s state %s', pg_get_ruledef(w.oid), w.ev_enabled), '{}'::text[]
FROM relation r
JOIN pg_rewrite w ON w.ev_class = r.oid
WHERE w.rulename <> '_RETURN'
ORDER BY 1, 2
