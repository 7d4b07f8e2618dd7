SELECT NULL::text, quote_ident(e.extname),
    format('version %s in %I', e.extversion, n.nspname), '{}'::text[]
FROM pg_extension e
JOIN pg_namespace n ON n.oid = e.extnamespace
ORDER BY 2
