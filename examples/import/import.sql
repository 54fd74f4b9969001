-- Moves values into tarx_keys that are in the same database already. Run it in psql, as
-- a superuser, by one of the files that say where they are: plaintext.sql, pgcrypto.sql,
-- vault.sql. These make the view import_source, with one row for each value:
--
--     project_id, project_name   the project; it is created if it is not there
--     user_id                    a key manager of it, or its first admin
--     kind                       llm_key or secret
--     provider, base_url         of an LLM key
--     name, value
--
-- Each value is sealed and then resolved, and compared with what was there, here in the
-- database. Nothing prints a value or writes it to a log: every statement that could
-- have one names a function of tarx_keys, which redacts it. What has its name already is
-- left as it is, and compared, so this can be run again. It changes nothing in the old
-- place; what to do there is said at the end.
-- for this session, and of a superuser's only
SET tarx_keys.require_login = off;
SET tarx_keys.require_run_ticket = off;
SET client_min_messages = warning;
CREATE TEMP TABLE IF NOT EXISTS import_result (project_id uuid, kind text, name text, outcome text, detail text);
TRUNCATE import_result;

DO $import$
DECLARE
    this record;
    found_id uuid;
    was_there boolean;
    is_same boolean;
    code text;
    why text;
BEGIN
    -- no ORDER BY, which could write values to a temporary file
    FOR this IN SELECT * FROM import_source LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM tarx_keys.projects p WHERE p.id = this.project_id) THEN
                PERFORM tarx_keys.act_as(this.user_id);
                PERFORM tarx_keys.create_project(this.project_name, this.project_id);
            END IF;
            PERFORM tarx_keys.act_as(this.user_id, this.project_id);
            IF this.kind = 'llm_key' THEN
                SELECT k.id INTO found_id FROM tarx_keys.project_llm_keys k
                 WHERE k.project_id = this.project_id AND lower(k.name) = lower(this.name) AND k.state <> 'deleted';
                was_there := FOUND;
                IF NOT was_there THEN
                    found_id := tarx_keys.add_llm_key(this.project_id, this.provider, this.name, btrim(this.value, E' \t\r\n'), this.base_url);
                END IF;
                SELECT r.key_value = btrim(this.value, E' \t\r\n') INTO is_same FROM tarx_keys.resolve_key(this.project_id, found_id) r;
            ELSE
                PERFORM FROM tarx_keys.project_secrets s WHERE s.project_id = this.project_id AND s.name = this.name;
                was_there := FOUND;
                IF NOT was_there THEN
                    PERFORM tarx_keys.set_secret(this.project_id, this.name, this.value);
                END IF;
                is_same := tarx_keys.resolve_secret(this.project_id, this.name) = this.value;
            END IF;
            INSERT INTO import_result VALUES (this.project_id, this.kind, this.name,
                CASE WHEN is_same IS NOT TRUE THEN 'differs' WHEN was_there THEN 'there already' ELSE 'imported' END);
        EXCEPTION WHEN OTHERS THEN
            -- an error of tarx_keys has no value in it; what others say is left out
            GET STACKED DIAGNOSTICS code = RETURNED_SQLSTATE, why = MESSAGE_TEXT;
            INSERT INTO import_result VALUES (this.project_id, this.kind, this.name, 'refused',
                CASE WHEN code ~ '^(TK|22023$|23505$|42501$)' THEN code || ' ' || why ELSE code END);
        END;
    END LOOP;
END
$import$;

\echo 'What was done:'
SELECT kind, outcome, count(*) FROM import_result GROUP BY kind, outcome ORDER BY kind, outcome;
\echo 'What is left to do by hand:'
SELECT project_id, kind, name, outcome, detail FROM import_result WHERE outcome IN ('differs', 'refused') ORDER BY project_id, kind, name;
\echo 'When your services read from tarx_keys, wipe the old place: see examples/import/README.md.'
DO $$
BEGIN
    IF EXISTS (SELECT FROM import_result WHERE outcome IN ('differs', 'refused')) THEN
        RAISE EXCEPTION 'not all values are in tarx_keys: do not wipe the old place yet'
            USING HINT = 'The list above names them. Mend them, and run this again.';
    END IF;
END
$$;
