SELECT NULL::text,
    format('%s.%I(%s)', s.name, p.proname, pg_get_function_identity_arguments(p.oid)),
    concat_ws(' ',
        CASE WHEN p.prokind = 'a' THEN (
            SELECT format('aggregate %s over %s state %s final %s initial %s', a.aggkind, a.aggtransfn,
                format_type(a.aggtranstype, NULL), a.aggfinalfn, a.agginitval)
            FROM pg_aggregate a WHERE a.aggfnoid = p.oid)
        ELSE pg_get_functiondef(p.oid) END,
        format('owner %I', pg_get_userbyid(p.proowner))),
    '{}'::text[]
FROM pg_proc p
JOIN users_schema s ON s.oid = p.pronamespace
WHERE NOT EXISTS (SELECT FROM brought b WHERE b.classid = 'pg_proc'::regclass AND b.objid = p.oid)
    -- The constructors of a range type come and go with it.
    AND NOT EXISTS (SELECT FROM pg_depend d
        WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'i')
ORDER BY 2
