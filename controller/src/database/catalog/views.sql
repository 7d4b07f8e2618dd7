SELECT NULL::text, r.name,
    concat_ws(' ',
        CASE WHEN r.relkind = 'm' THEN 'materialized' END,
        'with ' || array_to_string(r.reloptions, ', '),
        format('owner %I', pg_get_userbyid(r.relowner)),
        'as', pg_get_viewdef(r.oid)),
    '{}'::text[]
FROM relation r
WHERE r.relkind IN ('v', 'm')
ORDER BY 2
