-- Agents, and the LLM key that each refers to.
--
-- user_api_key_id has no foreign key, because an agent keeps its reference when
-- the key is deleted. It never leads to another project's key: functions that set
-- it look the key up in the agent's project, and so do resolve calls.

CREATE TABLE tarx_keys.agents (
    project_id uuid NOT NULL REFERENCES tarx_keys.projects (id) ON DELETE CASCADE,
    id uuid NOT NULL,
    name text COLLATE "C" NOT NULL,
    user_api_key_id uuid,
    provider text COLLATE "C",
    run_epoch uuid NOT NULL,
    revision integer NOT NULL CHECK (revision > 0),
    stamp bytea NOT NULL,
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (project_id, id),
    CHECK (user_api_key_id IS NULL OR provider IS NULL)
);
CREATE INDEX agents_user_api_key_id ON tarx_keys.agents (project_id, user_api_key_id);
ALTER TABLE tarx_keys.agents ALTER COLUMN stamp SET STATISTICS 0;
ALTER TABLE tarx_keys.agents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY members_read ON tarx_keys.agents FOR SELECT TO tarx_keys_backend, tarx_keys_login
    USING (project_id = ANY (tarx_keys_internal.visible_project_ids()));
CREATE POLICY owner_in_project ON tarx_keys.agents TO tarx_keys_owner
    USING (project_id = tarx_keys.current_project_id());
CREATE POLICY owner_in_maintenance ON tarx_keys.agents FOR SELECT TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
COMMENT ON TABLE tarx_keys.agents IS 'Agents of projects. Users can read those of their own projects, or only of the active one.';
COMMENT ON COLUMN tarx_keys.agents.user_api_key_id IS 'The LLM key the agent resolves, of the same project; it may have been deleted since';
COMMENT ON COLUMN tarx_keys.agents.provider IS 'The provider whose LLM keys the agent uses, in place of one key';
COMMENT ON COLUMN tarx_keys.agents.run_epoch IS 'Random; run tickets that have another one do not count';
COMMENT ON COLUMN tarx_keys.agents.revision IS 'From 1, and one more with each change';
COMMENT ON COLUMN tarx_keys.agents.stamp IS 'MAC over the columns before it';

-- The columns are those of the table, in its order.
CREATE FUNCTION tarx_keys_internal.agent_stamp(
    project_id uuid, id uuid, name text, user_api_key_id uuid, provider text, run_epoch uuid, revision integer) RETURNS bytea
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_agent_stamp';
COMMENT ON FUNCTION tarx_keys_internal.agent_stamp IS 'Internal. The stamp of a row with these columns. Error: TK005.';

CREATE FUNCTION tarx_keys_internal.next_agent_revision(
    project_id uuid, id uuid, name text, user_api_key_id uuid, provider text, run_epoch uuid, revision integer, stamp bytea) RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_next_agent_revision';
COMMENT ON FUNCTION tarx_keys_internal.next_agent_revision IS
'Internal. The revision behind that of a row with these columns, which is to be changed. Errors: TK004 if the row is not what was written, TK005 or TK006 if the master key is missing, 54000.';

CREATE FUNCTION tarx_keys_internal.fail_agent(agent_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_fail_agent_sql';
COMMENT ON FUNCTION tarx_keys_internal.fail_agent IS 'Internal. Raises error TK003.';

CREATE FUNCTION tarx_keys_internal.require_provider(provider text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    IF NOT EXISTS (SELECT FROM tarx_keys.providers p WHERE p.slug = require_provider.provider) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            COLUMN = 'provider',
            MESSAGE = 'unknown provider',
            HINT = 'tarx_keys.providers lists the providers.';
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.require_provider IS 'Internal. Error 22023 unless providers has this slug.';

-- What the agent refers to is the key, or the provider; or neither, which leaves that
-- as it is.
CREATE FUNCTION tarx_keys_internal.change_agent(
    project_id uuid, agent_id uuid, name text, user_api_key_id uuid, provider text, action text, object_name text,
    run_epoch uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    new_revision integer;
BEGIN
    UPDATE tarx_keys.agents a
        SET (name, user_api_key_id, provider, run_epoch, updated_at, revision, stamp) = (
            SELECT n.name, n.key_id, n.provider, n.run_epoch, now(), n.revision,
                   tarx_keys_internal.agent_stamp(a.project_id, a.id, n.name, n.key_id, n.provider, n.run_epoch, n.revision)
              FROM (SELECT coalesce(change_agent.name, a.name) AS name,
                           CASE WHEN r.is_kept THEN a.user_api_key_id ELSE change_agent.user_api_key_id END AS key_id,
                           CASE WHEN r.is_kept THEN a.provider ELSE change_agent.provider END AS provider,
                           coalesce(change_agent.run_epoch, a.run_epoch) AS run_epoch,
                           tarx_keys_internal.next_agent_revision(a.project_id, a.id, a.name, a.user_api_key_id, a.provider, a.run_epoch, a.revision, a.stamp) AS revision
                      FROM (SELECT coalesce(change_agent.user_api_key_id::text, change_agent.provider) IS NULL AS is_kept) r
                    OFFSET 0) n)
        WHERE a.project_id = change_agent.project_id AND a.id = change_agent.agent_id
        RETURNING a.revision INTO new_revision;
    IF NOT FOUND THEN
        PERFORM tarx_keys_internal.fail_agent(change_agent.agent_id);
    END IF;
    IF change_agent.run_epoch IS NULL THEN
        PERFORM tarx_keys_internal.record_audit(change_agent.project_id, change_agent.action, change_agent.agent_id, change_agent.object_name, new_revision);
    ELSE
        PERFORM tarx_keys_internal.record_removal(change_agent.project_id, change_agent.action, change_agent.agent_id, change_agent.object_name, new_revision);
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.change_agent IS
'Internal. Gives an agent another name, or what else it refers to, or another run_epoch, which takes its run tickets away, and logs it. Errors: TK003, TK004 if the row is not what was written, TK005, TK006.';

CREATE FUNCTION tarx_keys.create_agent(project_id uuid, name text, user_api_key_id uuid DEFAULT NULL, provider text DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    agent_id uuid := gen_random_uuid();
    run_epoch uuid := gen_random_uuid();
BEGIN
    PERFORM tarx_keys_internal.enter_as_member(create_agent.project_id);
    PERFORM tarx_keys_internal.require_name('name', create_agent.name);
    IF create_agent.user_api_key_id IS NOT NULL AND create_agent.provider IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            COLUMN = 'provider',
            MESSAGE = 'an agent refers to an LLM key or to a provider, not to both',
            HINT = 'Leave out user_api_key_id or provider.';
    END IF;
    IF create_agent.user_api_key_id IS NOT NULL THEN
        PERFORM tarx_keys_internal.require_key(create_agent.project_id, create_agent.user_api_key_id);
    END IF;
    IF create_agent.provider IS NOT NULL THEN
        PERFORM tarx_keys_internal.require_provider(create_agent.provider);
    END IF;
    INSERT INTO tarx_keys.agents (project_id, id, name, user_api_key_id, provider, run_epoch, revision, created_by, stamp)
        VALUES (create_agent.project_id, agent_id, create_agent.name, create_agent.user_api_key_id, create_agent.provider, run_epoch, 1,
                tarx_keys.current_user_id(),
                tarx_keys_internal.agent_stamp(create_agent.project_id, agent_id, create_agent.name,
                                               create_agent.user_api_key_id, create_agent.provider, run_epoch, 1));
    PERFORM tarx_keys_internal.check_room(create_agent.project_id, 'agents');
    -- the project cannot end any more; it may have ended before
    PERFORM tarx_keys_internal.enter_as_member(create_agent.project_id);
    PERFORM tarx_keys_internal.record_audit(create_agent.project_id, 'agent.create', agent_id, create_agent.name, 1);
    RETURN agent_id;
END
$$;
COMMENT ON FUNCTION tarx_keys.create_agent IS
'For members: creates an agent of the project, which refers to one of its LLM keys, to a provider whose keys are tried in order, or to nothing yet; returns its id. Errors: TK007, 42501, 22023 also for a key and a provider at once, 54000 if the project has as many agents as tarx_keys.max_per_project allows, TK001, TK002, TK005.';

CREATE FUNCTION tarx_keys.set_agent_key(project_id uuid, agent_id uuid, user_api_key_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_as_member(set_agent_key.project_id);
    PERFORM tarx_keys_internal.require_argument('agent_id', set_agent_key.agent_id);
    PERFORM tarx_keys_internal.require_argument('user_api_key_id', set_agent_key.user_api_key_id);
    PERFORM tarx_keys_internal.require_key(set_agent_key.project_id, set_agent_key.user_api_key_id);
    PERFORM tarx_keys_internal.change_agent(set_agent_key.project_id, set_agent_key.agent_id, NULL, set_agent_key.user_api_key_id, NULL,
                                            'agent.set_key', set_agent_key.user_api_key_id::text);
END
$$;
COMMENT ON FUNCTION tarx_keys.set_agent_key IS
'For members: points an agent to an LLM key of its project, in place of what it referred to. Errors: TK007, 42501, 22023, TK001, TK002, TK003 if the project has no such agent, TK004 if it was tampered with, TK005 or TK006 if the master key is missing.';

CREATE FUNCTION tarx_keys.set_agent_provider(project_id uuid, agent_id uuid, provider text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_as_member(set_agent_provider.project_id);
    PERFORM tarx_keys_internal.require_argument('agent_id', set_agent_provider.agent_id);
    PERFORM tarx_keys_internal.require_argument('provider', set_agent_provider.provider);
    PERFORM tarx_keys_internal.require_provider(set_agent_provider.provider);
    PERFORM tarx_keys_internal.change_agent(set_agent_provider.project_id, set_agent_provider.agent_id, NULL, NULL, set_agent_provider.provider,
                                            'agent.set_provider', set_agent_provider.provider);
END
$$;
COMMENT ON FUNCTION tarx_keys.set_agent_provider IS
'For members: makes an agent use a provider''s LLM keys, which are tried in order, in place of what it referred to. Errors: TK007, 42501, 22023 also for an unknown provider, TK003 if the project has no such agent, TK004 if it was tampered with, TK005 or TK006 if the master key is missing.';

CREATE FUNCTION tarx_keys.rename_agent(project_id uuid, agent_id uuid, name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old_name text;
BEGIN
    PERFORM tarx_keys_internal.enter_as_member(rename_agent.project_id);
    PERFORM tarx_keys_internal.require_argument('agent_id', rename_agent.agent_id);
    PERFORM tarx_keys_internal.require_name('name', rename_agent.name);
    SELECT a.name INTO old_name FROM tarx_keys.agents a
        WHERE a.project_id = rename_agent.project_id AND a.id = rename_agent.agent_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM tarx_keys_internal.fail_agent(rename_agent.agent_id);
    END IF;
    IF old_name IS DISTINCT FROM rename_agent.name THEN
        PERFORM tarx_keys_internal.change_agent(rename_agent.project_id, rename_agent.agent_id, rename_agent.name, NULL, NULL,
                                                'agent.rename', rename_agent.name);
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys.rename_agent IS
'For members: gives an agent another name. Errors: TK007, 42501, 22023, TK003 if the project has no such agent, TK004 if it was tampered with, TK005 or TK006 if the master key is missing.';

CREATE FUNCTION tarx_keys.delete_agent(project_id uuid, agent_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_to_remove(delete_agent.project_id, 'member');
    PERFORM tarx_keys_internal.require_argument('agent_id', delete_agent.agent_id);
    DELETE FROM tarx_keys.agents a
        WHERE a.project_id = delete_agent.project_id AND a.id = delete_agent.agent_id;
    IF NOT FOUND THEN
        PERFORM tarx_keys_internal.fail_agent(delete_agent.agent_id);
    END IF;
    PERFORM tarx_keys_internal.record_removal(delete_agent.project_id, 'agent.delete', delete_agent.agent_id, NULL);
END
$$;
COMMENT ON FUNCTION tarx_keys.delete_agent IS
'For members: deletes an agent. Errors: TK007, 42501, 22023, TK003 if the project has no such agent.';

CREATE FUNCTION tarx_keys.repoint_agents(project_id uuid, from_key_id uuid, to_key_id uuid) RETURNS integer
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    agent uuid;
    repointed integer := 0;
BEGIN
    PERFORM tarx_keys_internal.enter_as_member(repoint_agents.project_id);
    PERFORM tarx_keys_internal.require_argument('from_key_id', repoint_agents.from_key_id);
    PERFORM tarx_keys_internal.require_argument('to_key_id', repoint_agents.to_key_id);
    PERFORM tarx_keys_internal.require_key(repoint_agents.project_id, repoint_agents.to_key_id);
    -- in the order of their ids, so that two calls do not wait for each other in a circle
    FOR agent IN
        SELECT a.id FROM tarx_keys.agents a
         WHERE a.project_id = repoint_agents.project_id AND a.user_api_key_id = repoint_agents.from_key_id
         ORDER BY a.id FOR NO KEY UPDATE
    LOOP
        PERFORM tarx_keys_internal.change_agent(repoint_agents.project_id, agent, NULL, repoint_agents.to_key_id, NULL,
                                                'agent.set_key', repoint_agents.to_key_id::text);
        repointed := repointed + 1;
    END LOOP;
    IF repointed > 0 THEN
        PERFORM tarx_keys_internal.record_audit(repoint_agents.project_id, 'agents.repoint', repoint_agents.from_key_id, repoint_agents.to_key_id::text);
    END IF;
    RETURN repointed;
END
$$;
COMMENT ON FUNCTION tarx_keys.repoint_agents IS
'For members: points all agents of the project that refer to from_key_id, deleted or not, to to_key_id; returns how many. Errors: TK007, 42501, 22023, TK001 or TK002 for to_key_id, TK004 if one of them was tampered with, TK005 or TK006 if the master key is missing.';

-- carries a value
CREATE FUNCTION tarx_keys.resolve_agent_key(
    project_id uuid, agent_id uuid, model text DEFAULT NULL, tried uuid[] DEFAULT '{}',
    OUT key_id uuid, OUT provider text, OUT name text, OUT base_url text, OUT key_value text, OUT headers jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_agent_key';
COMMENT ON FUNCTION tarx_keys.resolve_agent_key IS
'For agent runners: the row of resolve_key() for the key that an agent of the project refers to, or for the one that resolve_provider_key() chooses of the agent''s provider. model NULL stands for any; tried are the keys that this run has tried. Errors: TK003 if the project has no such agent or the agent refers to nothing, TK014 if no key is usable or its only one was tried, and those of resolve_key().';

SELECT pg_catalog.pg_extension_config_dump('tarx_keys.agents', '');
