-- Platform API keys. They are personal: a service that logs in with one acts for
-- the key's user.
--
-- They belong to no project, so no primary key or index here has a project_id.
-- Revoking a key takes its hash and stamp away. Without these, no edit of the row
-- brings the key back; only somebody who has a copy of them can do that.
--
-- created_with is no foreign key. Its lock would let whoever makes a key keep the key
-- that they logged in with from being revoked, and a dump as INSERTs would not load.

CREATE TABLE tarx_keys.platform_api_keys (
    id uuid PRIMARY KEY,
    user_id text COLLATE "C" NOT NULL,
    name text COLLATE "C" NOT NULL,
    masked_key text COLLATE "C" NOT NULL,
    token_hash bytea UNIQUE,
    expires_at timestamptz,
    project_ids uuid[],
    read_only boolean NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    created_with uuid,
    revoked_at timestamptz,
    ends_descendants boolean NOT NULL DEFAULT false,
    stamp bytea,
    CHECK ((revoked_at IS NULL) = (token_hash IS NOT NULL) AND (revoked_at IS NULL) = (stamp IS NOT NULL))
);
CREATE INDEX platform_api_keys_user_id ON tarx_keys.platform_api_keys (user_id);
CREATE INDEX platform_api_keys_created_with ON tarx_keys.platform_api_keys (created_with) WHERE created_with IS NOT NULL;
ALTER TABLE tarx_keys.platform_api_keys
    ALTER COLUMN token_hash SET STATISTICS 0,
    ALTER COLUMN masked_key SET STATISTICS 0,
    ALTER COLUMN stamp SET STATISTICS 0;
ALTER TABLE tarx_keys.platform_api_keys ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY users_read ON tarx_keys.platform_api_keys FOR SELECT TO tarx_keys_backend, tarx_keys_login
    USING (user_id = tarx_keys_internal.acting_user_id());
CREATE POLICY owner_of_user ON tarx_keys.platform_api_keys TO tarx_keys_owner
    USING (user_id = tarx_keys.current_user_id());
CREATE POLICY owner_in_maintenance ON tarx_keys.platform_api_keys FOR SELECT TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
COMMENT ON TABLE tarx_keys.platform_api_keys IS 'Personal platform API keys, as hashes. Users list their own with the view platform_keys.';
COMMENT ON COLUMN tarx_keys.platform_api_keys.token_hash IS 'BLAKE2b-256 of the token; NULL once revoked';
COMMENT ON COLUMN tarx_keys.platform_api_keys.project_ids IS 'The projects it is narrowed to; NULL for all of the user''s';
COMMENT ON COLUMN tarx_keys.platform_api_keys.created_with IS 'The platform key that its user had logged in with; NULL if none';
COMMENT ON COLUMN tarx_keys.platform_api_keys.ends_descendants IS 'Whether it was revoked with all that was made with it';
COMMENT ON COLUMN tarx_keys.platform_api_keys.stamp IS 'MAC over all columns but revoked_at and ends_descendants; NULL once revoked';

-- carries a value
CREATE FUNCTION tarx_keys.create_platform_key(
    name text, expires_at timestamptz DEFAULT NULL, project_ids uuid[] DEFAULT NULL, read_only boolean DEFAULT false,
    OUT id uuid, OUT token text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_create_platform_key';
COMMENT ON FUNCTION tarx_keys.create_platform_key IS
'Creates a platform key for the acting user; the token is shown this once. project_ids (1 to 100) narrows it to some projects, which may be on another server, read_only to lists. Errors: TK007, 22023, 42501 if the acting user logged in with a key that is narrowed or expires earlier, 54000 if with one of the tenth generation, TK005.';

CREATE FUNCTION tarx_keys.revoke_platform_key(id uuid, descendants boolean DEFAULT true) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_revoke_platform_key';
COMMENT ON FUNCTION tarx_keys.revoke_platform_key IS
'Revokes a platform key of the acting user, for good, and with descendants also all keys that were made with it or with one of them. Errors: TK007, 22023, 42501 if the acting user logged in with a narrowed key, 42704 if the user has nothing of this to revoke. Warning 55P03 if other transactions hold some of them: these log nobody in.';

-- Row security shows the next two the keys of the acting user. They end in a cycle as
-- well, which only somebody who edits the table can make: UNION leaves out what was
-- there before. Each step is a subquery of its own, so that it is a look-up by index: a
-- join would read the whole table, for each generation.

CREATE FUNCTION tarx_keys_internal.platform_key_descendants(id uuid) RETURNS uuid[]
LANGUAGE sql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE made (id) AS (
        SELECT platform_key_descendants.id
        UNION
        SELECT n.id
          FROM made m, LATERAL (SELECT k.id FROM tarx_keys.platform_api_keys k WHERE k.created_with = m.id OFFSET 0) n)
    SELECT coalesce(array_agg(m.id) FILTER (WHERE m.id <> platform_key_descendants.id), '{}') FROM made m
$$;
COMMENT ON FUNCTION tarx_keys_internal.platform_key_descendants IS
'Internal. The platform keys that were made with this one, or with one of them, also those that are revoked.';

CREATE FUNCTION tarx_keys_internal.platform_key_ancestors(made uuid) RETURNS TABLE (id uuid, ends_descendants boolean)
LANGUAGE sql STABLE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
    WITH RECURSIVE before (id) AS (
        SELECT (SELECT k.created_with FROM tarx_keys.platform_api_keys k WHERE k.id = platform_key_ancestors.made)
        UNION
        SELECT (SELECT k.created_with FROM tarx_keys.platform_api_keys k WHERE k.id = b.id) FROM before b WHERE b.id IS NOT NULL)
    SELECT b.id, (SELECT k.ends_descendants FROM tarx_keys.platform_api_keys k WHERE k.id = b.id)
      FROM before b WHERE b.id IS NOT NULL
$$;
COMMENT ON FUNCTION tarx_keys_internal.platform_key_ancestors IS
'Internal. The platform keys with which this one was made, directly or not, and whether they were revoked with their descendants; NULL of one that has no row.';

-- Many at once, because each change of the audit log also writes the end of its chain.
CREATE FUNCTION tarx_keys_internal.revoke_free_platform_keys(ids uuid[]) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    revoked integer := 0;
    batch record;
BEGIN
    LOOP
        WITH free AS (
            SELECT k.id FROM tarx_keys.platform_api_keys k
             WHERE (revoke_free_platform_keys.ids IS NULL OR k.id = ANY (revoke_free_platform_keys.ids))
               AND k.user_id = tarx_keys.current_user_id() AND k.revoked_at IS NULL
             ORDER BY k.id LIMIT 1000 FOR UPDATE SKIP LOCKED),
        done AS (
            UPDATE tarx_keys.platform_api_keys k SET token_hash = NULL, stamp = NULL, revoked_at = now(), ends_descendants = true
              FROM free WHERE k.id = free.id RETURNING k.id, k.name)
        SELECT array_agg(d.id ORDER BY d.id) AS ids, array_agg(d.name ORDER BY d.id) AS names INTO batch FROM done d;
        EXIT WHEN batch.ids IS NULL;
        PERFORM tarx_keys_internal.record_own_removals('platform_key.revoke', batch.ids, batch.names);
        revoked := revoked + cardinality(batch.ids);
    END LOOP;
    RETURN revoked;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.revoke_free_platform_keys IS
'Internal. Revokes these platform keys of the acting user, or all if ids is NULL, but for those that somebody else holds; returns how many.';

CREATE FUNCTION tarx_keys_internal.revoke_platform_keys(ids uuid[], deadline timestamptz, OUT revoked integer, OUT held integer)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = 0
AS $$
DECLARE
    held_key uuid;
BEGIN
    revoked := 0;
    LOOP
        revoked := revoked + tarx_keys_internal.revoke_free_platform_keys(revoke_platform_keys.ids);
        SELECT min(k.id::text)::uuid, count(*) INTO held_key, held FROM tarx_keys.platform_api_keys k
         WHERE (revoke_platform_keys.ids IS NULL OR k.id = ANY (revoke_platform_keys.ids))
           AND k.user_id = tarx_keys.current_user_id() AND k.revoked_at IS NULL;
        EXIT WHEN held = 0 OR clock_timestamp() >= revoke_platform_keys.deadline;
        PERFORM tarx_keys_internal.wait_for_locks_until(revoke_platform_keys.deadline);
        BEGIN
            PERFORM FROM tarx_keys.platform_api_keys k WHERE k.id = held_key FOR UPDATE;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            -- others may have come free meanwhile
            NULL;
        END;
    END LOOP;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.revoke_platform_keys IS
'Internal. Revokes these platform keys of the acting user, or all if ids is NULL; returns how many, and how many others hold until then.';

-- carries a value
CREATE FUNCTION tarx_keys.login(token text, project_id uuid DEFAULT NULL, OUT user_id text, OUT role text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_login';
COMMENT ON FUNCTION tarx_keys.login IS
'Makes the user of a platform key the acting user, proven, until the transaction or savepoint ends, and project_id, if given, the active project; returns the user and the role in that project. Errors: TK010 whatever is wrong with the token, 42501 if the user is no member of the project or the key is not for it, TK005 without a keyring, 22023 if token is NULL.';

CREATE FUNCTION tarx_keys_internal.platform_key_details(id uuid, place tid, OUT last_used_at timestamptz, OUT status text)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_platform_key_details';
COMMENT ON FUNCTION tarx_keys_internal.platform_key_details IS
'Internal. What the list has of the platform key whose row is at this place, if it is the acting user''s: when it was last used, and unless it is revoked, whether it is what was written, and has not ended with another one. Error: TK007 without an acting user.';

-- The function is VOLATILE, and so is called once for each row: see llm_keys.
CREATE VIEW tarx_keys.platform_keys WITH (security_invoker = true, security_barrier = true) AS
SELECT k.id,
       k.name,
       k.masked_key,
       k.project_ids,
       k.read_only,
       k.created_at,
       k.created_with,
       k.expires_at,
       (k.details).last_used_at,
       k.revoked_at,
       (k.details).status
  FROM (SELECT k.id,
               tarx_keys_internal.shown(k.name) AS name,
               tarx_keys_internal.display_mask(tarx_keys_internal.shown(k.masked_key)) AS masked_key,
               -- of 100 ids, or none where there are more bytes than they can have
               CASE WHEN pg_column_size(k.project_ids) > 2000 THEN '{}' ELSE k.project_ids[:100] END AS project_ids,
               k.read_only, k.created_at, k.created_with, k.expires_at, k.revoked_at,
               tarx_keys_internal.platform_key_details(k.id, k.ctid) AS details
          FROM tarx_keys.platform_api_keys k) k;
COMMENT ON VIEW tarx_keys.platform_keys IS 'The acting user''s own platform keys';
COMMENT ON COLUMN tarx_keys.platform_keys.created_with IS 'The platform key that made it; NULL if none';
COMMENT ON COLUMN tarx_keys.platform_keys.status IS 'ok, tampered, missing master key, or ended with the key that made it; NULL once revoked';

SELECT pg_extension_config_dump('tarx_keys.platform_api_keys', '');
