-- A column whose type is a domain refuses nulls where the domain does, and gets the domain's default.
-- Of a column's options only those that can be set count. Some servers (Debian's 15.20) keep a number of their own among them
-- (`pg_attver`), another one each time that a column is made; pg_dump leaves it out as well.
SELECT r.name, quote_ident(a.attname),
    concat_ws(' ',
        format_type(a.atttypid, a.atttypmod),
        CASE WHEN a.attcollation <> t.typcollation THEN 'collate ' || a.attcollation::regcollation::text END,
        CASE WHEN a.attnotnull THEN 'not null' END,
        CASE a.attgenerated WHEN '' THEN 'default ' ELSE 'generated ' END || pg_get_expr(d.adbin, d.adrelid),
        CASE a.attidentity WHEN 'a' THEN 'identity always' WHEN 'd' THEN 'identity by default' END,
        CASE WHEN a.attstorage <> t.typstorage THEN 'storage ' || a.attstorage::text END,
        (SELECT 'with ' || string_agg(o, ', ' ORDER BY o) FROM unnest(a.attoptions) o
        WHERE split_part(o, '=', 1) IN ('n_distinct', 'n_distinct_inherited'))),
    array_remove(ARRAY[
        CASE WHEN a.attnotnull OR t.typnotnull THEN 'not-null' END,
        CASE WHEN d.oid IS NOT NULL OR a.attidentity <> '' OR t.typdefault IS NOT NULL THEN 'has-value' END], NULL)
FROM relation r
JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
JOIN pg_type t ON t.oid = a.atttypid
LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
WHERE r.relkind IN ('r', 'p', 'f')
ORDER BY 1, 2
