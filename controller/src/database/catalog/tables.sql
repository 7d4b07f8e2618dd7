SELECT NULL::text, r.name,
    concat_ws(' ',
        CASE r.relkind WHEN 'p' THEN 'partitioned' WHEN 'f' THEN 'foreign' ELSE 'ordinary' END,
        'persistence ' || r.relpersistence::text,
        'by ' || CASE WHEN r.relkind = 'p' THEN pg_get_partkeydef(r.oid) END,
        (SELECT 'under ' || string_agg(i.inhparent::regclass::text, ', ' ORDER BY i.inhseqno)
        FROM pg_inherits i WHERE i.inhrelid = r.oid),
        pg_get_expr(r.relpartbound, r.oid),
        'of ' || NULLIF(r.reloftype, 0)::regtype::text,
        CASE WHEN r.relrowsecurity THEN 'row security' END,
        CASE WHEN r.relforcerowsecurity THEN 'forced' END,
        'replica identity ' || NULLIF(r.relreplident::text, 'd'),
        'with ' || array_to_string(r.reloptions, ', '),
        format('owner %I', pg_get_userbyid(r.relowner))),
    '{}'::text[]
FROM relation r
WHERE r.relkind IN ('r', 'p', 'f')
ORDER BY 2
