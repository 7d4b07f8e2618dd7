SELECT r.name, quote_ident(g.tgname),
    format('%s state %s', pg_get_triggerdef(g.oid), g.tgenabled), '{}'::text[]
FROM relation r
JOIN pg_trigger g ON g.tgrelid = r.oid
WHERE NOT g.tgisinternal
UNION ALL
SELECT NULL, quote_ident(e.evtname),
    format('on %s (%s) calls %s state %s owner %I', e.evtevent, array_to_string(e.evttags, ', '),
        e.evtfoid::regprocedure, e.evtenabled, pg_get_userbyid(e.evtowner)), '{}'::text[]
FROM pg_event_trigger e
WHERE NOT EXISTS (SELECT FROM brought b
    WHERE b.classid = 'pg_event_trigger'::regclass AND b.objid = e.oid)
ORDER BY 1, 2
