-- Who may do what: all there is. Rows are a matter of the policies, and what a
-- function does of the function.

GRANT USAGE ON SCHEMA tarx_keys TO tarx_keys_backend, tarx_keys_agent;
GRANT SELECT ON tarx_keys.providers TO tarx_keys_backend, tarx_keys_agent;

-- Backend services act for users, manage projects, keys and agents, and list.
GRANT EXECUTE ON FUNCTION
    tarx_keys.act_as,
    tarx_keys.current_user_id,
    tarx_keys.current_project_id,
    tarx_keys.visible_project_ids,
    tarx_keys.create_project,
    tarx_keys.add_member,
    tarx_keys.remove_member,
    tarx_keys.create_agent,
    tarx_keys.set_agent_key,
    tarx_keys.delete_agent,
    tarx_keys.repoint_agents,
    tarx_keys.add_llm_key,
    tarx_keys.delete_llm_key,
    tarx_keys.display_mask,
    tarx_keys.visible_usage
TO tarx_keys_backend;
GRANT SELECT ON
    tarx_keys.projects,
    tarx_keys.project_members,
    tarx_keys.agents,
    tarx_keys.llm_keys,
    tarx_keys.key_usage
TO tarx_keys_backend;
-- what the view llm_keys reads; not the ciphertext
GRANT SELECT (project_id, id, provider, name, base_url, masked_key, added_by, created_at)
    ON tarx_keys.project_llm_keys TO tarx_keys_backend;

-- Agent runners resolve, and do nothing else.
GRANT EXECUTE ON FUNCTION
    tarx_keys.resolve_key,
    tarx_keys.resolve_agent_key
TO tarx_keys_agent;
