-- Neither the row types of tables nor the arrays and multiranges that come with another type.
SELECT NULL::text, s.name || '.' || quote_ident(t.typname),
    concat_ws(' ',
        CASE t.typtype
        WHEN 'e' THEN format('enum (%s)', (
            SELECT string_agg(quote_literal(e.enumlabel), ', ' ORDER BY e.enumsortorder)
            FROM pg_enum e WHERE e.enumtypid = t.oid))
        WHEN 'd' THEN concat_ws(' ', 'domain', format_type(t.typbasetype, t.typtypmod),
            CASE WHEN t.typnotnull THEN 'not null' END,
            'default ' || t.typdefault,
            'collate ' || NULLIF(t.typcollation, 0)::regcollation::text,
            (SELECT string_agg(
                format('%I %s', k.conname, pg_get_constraintdef(k.oid)), ', ' ORDER BY k.conname)
            FROM pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'))
        WHEN 'c' THEN format('composite (%s)', (
            SELECT string_agg(
                format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod)),
                ', ' ORDER BY a.attnum)
            FROM pg_attribute a WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped))
        WHEN 'r' THEN format('range (%s)', (
            SELECT format_type(r.rngsubtype, NULL) FROM pg_range r WHERE r.rngtypid = t.oid))
        ELSE format('base (%s, %s)', t.typinput, t.typoutput)
        END,
        format('owner %I', pg_get_userbyid(t.typowner))),
    '{}'::text[]
FROM pg_type t
JOIN users_schema s ON s.oid = t.typnamespace
LEFT JOIN pg_class c ON c.oid = t.typrelid
WHERE (c.oid IS NULL OR c.relkind = 'c') AND t.typtype <> 'm' AND t.typtype <> 'p'
    AND NOT EXISTS (SELECT FROM pg_type of WHERE of.typarray = t.oid)
    AND NOT EXISTS (SELECT FROM brought b WHERE b.classid = 'pg_type'::regclass AND b.objid = t.oid)
ORDER BY 2
