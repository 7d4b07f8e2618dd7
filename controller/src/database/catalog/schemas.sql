SELECT NULL::text, s.name, format('owner %I', pg_get_userbyid(s.nspowner)), '{}'::text[]
FROM users_schema s
WHERE NOT EXISTS (SELECT FROM brought b WHERE b.classid = 'pg_namespace'::regclass AND b.objid = s.oid)
ORDER BY 2
