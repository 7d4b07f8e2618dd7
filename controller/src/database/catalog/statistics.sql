SELECT t.name, s.name || '.' || quote_ident(x.stxname), pg_get_statisticsobjdef(x.oid), '{}'::text[]
FROM pg_statistic_ext x
JOIN users_schema s ON s.oid = x.stxnamespace
JOIN relation t ON t.oid = x.stxrelid
ORDER BY 1, 2
