-- An object without a list has its owner's default one; written out, so that the first GRANT changes only what it grants.
, granted AS (
    SELECT r.name AS on_object, NULL::text AS part,
        COALESCE(r.relacl, acldefault(CASE WHEN r.relkind = 'S' THEN 's' ELSE 'r' END::"char", r.relowner)) AS acl
    FROM relation r WHERE r.relkind IN ('r', 'p', 'f', 'v', 'm', 'S')
    UNION ALL
    SELECT r.name, quote_ident(a.attname), a.attacl
    FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid
    WHERE a.attacl IS NOT NULL AND NOT a.attisdropped
    UNION ALL
    SELECT 'schema ' || s.name, NULL, COALESCE(s.nspacl, acldefault('n', s.nspowner)) FROM users_schema s
    UNION ALL
    SELECT format('%s.%I(%s)', s.name, p.proname, pg_get_function_identity_arguments(p.oid)), NULL,
        COALESCE(p.proacl, acldefault('f', p.proowner))
    FROM pg_proc p JOIN users_schema s ON s.oid = p.pronamespace
    WHERE NOT EXISTS (SELECT FROM brought b WHERE b.classid = 'pg_proc'::regclass AND b.objid = p.oid)
    UNION ALL
    SELECT 'type ' || s.name || '.' || quote_ident(t.typname), NULL, t.typacl
    FROM pg_type t JOIN users_schema s ON s.oid = t.typnamespace WHERE t.typacl IS NOT NULL
)
SELECT g.on_object,
    concat_ws(' ', 'to', CASE e.grantee WHEN 0 THEN 'public' ELSE quote_ident(pg_get_userbyid(e.grantee)) END,
        'column ' || g.part),
    string_agg(e.privilege_type || CASE WHEN e.is_grantable THEN ' with grant option' ELSE '' END, ', '
        ORDER BY e.privilege_type, e.is_grantable),
    '{}'::text[]
FROM granted g, aclexplode(g.acl) e
GROUP BY 1, 2
ORDER BY 1, 2
