-- Takes the indexes of the large tables away for the load, and puts them back.
-- Those of referenced tables have to stay.
\set ON_ERROR_STOP on
CREATE TABLE bench.dropped_indexes (relation regclass, name name, constraint_name name, definition text);

CREATE PROCEDURE bench.drop_indexes() LANGUAGE plpgsql AS $$
DECLARE
    this bench.dropped_indexes;
BEGIN
    INSERT INTO bench.dropped_indexes
        SELECT i.indrelid::regclass, c.relname, k.conname,
               coalesce(pg_get_constraintdef(k.oid), pg_get_indexdef(i.indexrelid))
          FROM pg_index i
          JOIN pg_class c ON c.oid = i.indexrelid
          LEFT JOIN pg_constraint k ON k.conindid = i.indexrelid AND k.contype IN ('p', 'u')
         WHERE i.indrelid IN ('tarx_keys.project_llm_keys'::regclass, 'tarx_keys.project_members'::regclass,
                              'bench.plain_keys'::regclass);
    FOR this IN SELECT * FROM bench.dropped_indexes LOOP
        EXECUTE CASE WHEN this.constraint_name IS NULL THEN format('DROP INDEX tarx_keys.%I', this.name)
                     ELSE format('ALTER TABLE %s DROP CONSTRAINT %I', this.relation, this.constraint_name) END;
    END LOOP;
END
$$;

CREATE FUNCTION bench.index_command(d bench.dropped_indexes) RETURNS text LANGUAGE sql AS $$
    SELECT CASE WHEN d.constraint_name IS NULL THEN d.definition
                ELSE format('ALTER TABLE %s ADD CONSTRAINT %I %s', d.relation, d.constraint_name, d.definition) END
$$;
