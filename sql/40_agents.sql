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
    created_by text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    updated_at timestamptz NOT NULL DEFAULT pg_catalog.now(),
    PRIMARY KEY (project_id, id)
);
CREATE INDEX agents_user_api_key_id ON tarx_keys.agents (project_id, user_api_key_id);
ALTER TABLE tarx_keys.agents ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY members_read ON tarx_keys.agents FOR SELECT TO tarx_keys_backend, tarx_keys_login
    USING (project_id = ANY (tarx_keys_internal.visible_project_ids()));
CREATE POLICY owner_in_project ON tarx_keys.agents TO tarx_keys_owner
    USING (project_id = tarx_keys.current_project_id());
CREATE POLICY owner_in_maintenance ON tarx_keys.agents FOR SELECT TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
COMMENT ON TABLE tarx_keys.agents IS 'Agents of projects. Users can read those of their own projects, or only of the active one.';
COMMENT ON COLUMN tarx_keys.agents.user_api_key_id IS 'The LLM key the agent resolves, of the same project; it may have been deleted since';

CREATE FUNCTION tarx_keys_internal.fail_agent(agent_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_fail_agent_sql';
COMMENT ON FUNCTION tarx_keys_internal.fail_agent IS 'Internal. Raises error TK003.';

CREATE FUNCTION tarx_keys.create_agent(project_id uuid, name text, user_api_key_id uuid DEFAULT NULL) RETURNS uuid
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    agent_id uuid := gen_random_uuid();
BEGIN
    PERFORM tarx_keys_internal.enter_as_member(create_agent.project_id);
    PERFORM tarx_keys_internal.require_name('name', create_agent.name);
    IF create_agent.user_api_key_id IS NOT NULL THEN
        PERFORM tarx_keys_internal.require_key(create_agent.project_id, create_agent.user_api_key_id);
    END IF;
    INSERT INTO tarx_keys.agents (project_id, id, name, user_api_key_id, created_by)
        VALUES (create_agent.project_id, agent_id, create_agent.name,
                create_agent.user_api_key_id, tarx_keys.current_user_id());
    -- the project cannot end any more; it may have ended before
    PERFORM tarx_keys_internal.enter_as_member(create_agent.project_id);
    PERFORM tarx_keys_internal.record_audit(create_agent.project_id, 'agent.create', agent_id, create_agent.name);
    RETURN agent_id;
END
$$;
COMMENT ON FUNCTION tarx_keys.create_agent IS
'For members: creates an agent of the project, which refers to one of its LLM keys or to none yet; returns its id. Errors: TK007, 42501, 22023, TK001, TK002.';

CREATE FUNCTION tarx_keys.set_agent_key(project_id uuid, agent_id uuid, user_api_key_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_as_member(set_agent_key.project_id);
    PERFORM tarx_keys_internal.require_argument('agent_id', set_agent_key.agent_id);
    PERFORM tarx_keys_internal.require_argument('user_api_key_id', set_agent_key.user_api_key_id);
    PERFORM tarx_keys_internal.require_key(set_agent_key.project_id, set_agent_key.user_api_key_id);
    UPDATE tarx_keys.agents a
        SET user_api_key_id = set_agent_key.user_api_key_id, updated_at = now()
        WHERE a.project_id = set_agent_key.project_id AND a.id = set_agent_key.agent_id;
    IF NOT FOUND THEN
        PERFORM tarx_keys_internal.fail_agent(set_agent_key.agent_id);
    END IF;
    PERFORM tarx_keys_internal.record_audit(set_agent_key.project_id, 'agent.set_key', set_agent_key.agent_id, set_agent_key.user_api_key_id::text);
END
$$;
COMMENT ON FUNCTION tarx_keys.set_agent_key IS
'For members: points an agent to an LLM key of its project. Errors: TK007, 42501, 22023, TK001, TK002, TK003 if the project has no such agent.';

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
    IF old_name <> rename_agent.name THEN
        UPDATE tarx_keys.agents a SET name = rename_agent.name, updated_at = now()
            WHERE a.project_id = rename_agent.project_id AND a.id = rename_agent.agent_id;
        PERFORM tarx_keys_internal.record_audit(rename_agent.project_id, 'agent.rename', rename_agent.agent_id, rename_agent.name);
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys.rename_agent IS
'For members: gives an agent another name. Errors: TK007, 42501, 22023, TK003 if the project has no such agent.';

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
    repointed integer;
BEGIN
    PERFORM tarx_keys_internal.enter_as_member(repoint_agents.project_id);
    PERFORM tarx_keys_internal.require_argument('from_key_id', repoint_agents.from_key_id);
    PERFORM tarx_keys_internal.require_argument('to_key_id', repoint_agents.to_key_id);
    PERFORM tarx_keys_internal.require_key(repoint_agents.project_id, repoint_agents.to_key_id);
    UPDATE tarx_keys.agents a
        SET user_api_key_id = repoint_agents.to_key_id, updated_at = now()
        WHERE a.project_id = repoint_agents.project_id
          AND a.user_api_key_id = repoint_agents.from_key_id;
    GET DIAGNOSTICS repointed = ROW_COUNT;
    IF repointed > 0 THEN
        PERFORM tarx_keys_internal.record_audit(repoint_agents.project_id, 'agents.repoint', repoint_agents.from_key_id, repoint_agents.to_key_id::text);
    END IF;
    RETURN repointed;
END
$$;
COMMENT ON FUNCTION tarx_keys.repoint_agents IS
'For members: points all agents of the project that refer to from_key_id, deleted or not, to to_key_id; returns how many. Errors: TK007, 42501, 22023, TK001 or TK002 for to_key_id.';

-- carries a value
CREATE FUNCTION tarx_keys.resolve_agent_key(
    project_id uuid, agent_id uuid,
    OUT key_id uuid, OUT provider text, OUT name text, OUT base_url text, OUT key_value text, OUT headers jsonb)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_resolve_agent_key';
COMMENT ON FUNCTION tarx_keys.resolve_agent_key IS
'For agent runners: the row of resolve_key() for the key that an agent of the project refers to. Errors: TK003 if the project has no such agent or the agent has no key, and those of resolve_key().';

SELECT pg_catalog.pg_extension_config_dump('tarx_keys.agents', '');
