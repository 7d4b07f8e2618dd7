-- Constraint triggers are among the triggers, the not-null ones of newer servers among the columns.
SELECT r.name, quote_ident(k.conname),
    concat_ws(' ',
        pg_get_constraintdef(k.oid),
        CASE WHEN NOT k.convalidated THEN 'not validated' END,
        CASE WHEN NOT k.conislocal THEN 'inherited' END),
    '{}'::text[]
FROM relation r
JOIN pg_constraint k ON k.conrelid = r.oid
WHERE k.contype NOT IN ('t', 'n')
ORDER BY 1, 2
