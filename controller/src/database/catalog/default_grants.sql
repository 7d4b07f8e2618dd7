SELECT NULL::text,
    concat_ws(' ', quote_ident(pg_get_userbyid(d.defaclrole)), 'in ' || s.name, 'on', d.defaclobjtype),
    array_to_string(d.defaclacl, ', '), '{}'::text[]
FROM pg_default_acl d
LEFT JOIN users_schema s ON s.oid = d.defaclnamespace
ORDER BY 2
