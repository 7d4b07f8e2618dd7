-- A constraint's own index is listed only where it is not valid.
SELECT t.name, r.name,
    concat_ws(' ',
        pg_get_indexdef(r.oid),
        CASE WHEN NOT i.indisvalid THEN 'not valid' END,
        CASE WHEN NOT i.indisready THEN 'not ready' END,
        CASE WHEN i.indisclustered THEN 'clustered' END,
        CASE WHEN i.indisreplident THEN 'replica identity' END),
    array_remove(ARRAY[
        CASE WHEN i.indisunique OR i.indisexclusion THEN 'unique' END,
        CASE WHEN NOT i.indisvalid THEN 'invalid' END], NULL)
FROM relation r
JOIN pg_index i ON i.indexrelid = r.oid
JOIN relation t ON t.oid = i.indrelid
WHERE NOT i.indisvalid
    OR NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = r.oid AND k.contype IN ('p', 'u', 'x'))
ORDER BY 1, 2
