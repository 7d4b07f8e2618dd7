SELECT NULL::text, r.name,
    concat_ws(' ',
        format('%s start %s increment %s min %s max %s cache %s cycle %s', format_type(q.seqtypid, NULL),
            q.seqstart, q.seqincrement, q.seqmin, q.seqmax, q.seqcache, q.seqcycle),
        'persistence ' || r.relpersistence::text,
        (SELECT format('of %s.%I', d.refobjid::regclass, a.attname)
        FROM pg_depend d
        JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        WHERE d.classid = 'pg_class'::regclass AND d.objid = r.oid AND d.deptype IN ('a', 'i')
            AND d.refclassid = 'pg_class'::regclass
        LIMIT 1),
        format('owner %I', pg_get_userbyid(r.relowner))),
    '{}'::text[]
FROM relation r
JOIN pg_sequence q ON q.seqrelid = r.oid
ORDER BY 2
