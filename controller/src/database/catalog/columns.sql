-- A column whose type is a domain refuses nulls where the domain does, and gets the domain's default.
-- Options that the server itself keeps there (pg_attver, Debian's 15.20) say when a column was made, not what it is; pg_dump
-- leaves them out as well.
SELECT r.name, quote_ident(a.attname),
    concat_ws(' ',
        format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation::text END,
        CASE WHEN a.attnotnull THEN 'not null' END,
        CASE a.attgenerated WHEN '' THEN 'default ' ELSE 'generated ' END || pg_get_expr(d.adbin, d.adrelid),
        CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
        CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' || a.attstorage::text END,
        'with ' || NULLIF(array_to_string(ARRAY(
            SELECT option FROM unnest(a.attoptions) AS option WHERE NOT starts_with(option, 'pg_')), ', '), '')),
    array_remove(ARRAY[
        CASE WHEN a.attnotnull OR t.typnotnull THEN 'not-null' END,
        CASE WHEN d.oid IS NOT NULL OR a.attidentity <> '' OR t.typdefault IS NOT NULL THEN 'has-value' END], NULL)
FROM relation r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'f')
ORDER BY 1, 2
