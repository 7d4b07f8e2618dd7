SELECT r.name, quote_ident(p.polname),
    concat_ws(' ',
        CASE WHEN p.polpermissive THEN 'permissive' ELSE 'restrictive' END,
        'for ' || p.polcmd::text,
        (SELECT 'to ' || string_agg(CASE role WHEN 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(role)) END, ', '
            ORDER BY pg_get_userbyid(role)) FROM unnest(p.polroles) role),
        'using ' || pg_get_expr(p.polqual, p.polrelid),
        'check ' || pg_get_expr(p.polwithcheck, p.polrelid)),
    '{}'::text[]
FROM relation r
JOIN pg_policy p ON p.polrelid = r.oid
ORDER BY 1, 2
