-- All rights that there are. Policies decide which rows a role sees, and each
-- function what its caller may do with it.

GRANT USAGE ON SCHEMA tarx_keys TO tarx_keys_backend, tarx_keys_login, tarx_keys_agent;
GRANT SELECT ON tarx_keys.providers TO tarx_keys_backend, tarx_keys_login, tarx_keys_agent;

-- Only backend services say who the user is; the others must prove it.
GRANT EXECUTE ON FUNCTION tarx_keys.act_as TO tarx_keys_backend;

-- Both kinds of services manage projects, keys, secrets and agents, and list them.
GRANT EXECUTE ON FUNCTION
    tarx_keys.login,
    tarx_keys.login_jwt,
    tarx_keys_internal.acting_user_id,
    tarx_keys_internal.audited_project_id,
    tarx_keys.current_user_id,
    tarx_keys.current_project_id,
    tarx_keys_internal.visible_project_ids,
    tarx_keys.create_project,
    tarx_keys.rename_project,
    tarx_keys.delete_project,
    tarx_keys.add_member,
    tarx_keys.remove_member,
    tarx_keys.create_service_account,
    tarx_keys.create_service_account_key,
    tarx_keys.delete_service_account,
    tarx_keys.create_agent,
    tarx_keys.set_agent_key,
    tarx_keys.set_agent_provider,
    tarx_keys.rename_agent,
    tarx_keys.delete_agent,
    tarx_keys.repoint_agents,
    tarx_keys.sealing_public_key,
    tarx_keys.add_llm_key,
    tarx_keys.add_sealed_llm_key,
    tarx_keys.update_llm_key,
    tarx_keys.replace_llm_key,
    tarx_keys.replace_sealed_llm_key,
    tarx_keys.delete_llm_key,
    tarx_keys.create_platform_key,
    tarx_keys.revoke_platform_key,
    tarx_keys.set_secret,
    tarx_keys.set_sealed_secret,
    tarx_keys.restore_secret,
    tarx_keys.rename_secret,
    tarx_keys.describe_secret,
    tarx_keys.delete_secret,
    tarx_keys.template_references,
    tarx_keys.issue_run_ticket,
    tarx_keys.revoke_run_tickets,
    tarx_keys_internal.display_mask,
    tarx_keys_internal.shown,
    tarx_keys_internal.llm_key_details,
    tarx_keys_internal.visible_usage,
    tarx_keys_internal.secret_last_use,
    tarx_keys_internal.platform_key_details
TO tarx_keys_backend, tarx_keys_login;
GRANT SELECT ON
    tarx_keys.projects,
    tarx_keys.llm_keys,
    tarx_keys.platform_keys,
    tarx_keys.secrets,
    tarx_keys.due_keys,
    tarx_keys.key_usage,
    tarx_keys.project_audit
TO tarx_keys_backend, tarx_keys_login;
-- all but the stamps
GRANT SELECT (project_id, user_id, id, role, service_account, revision, added_at) ON tarx_keys.project_members TO tarx_keys_backend, tarx_keys_login;
GRANT SELECT (project_id, id, name, user_api_key_id, provider, revision, created_by, created_at, updated_at)
    ON tarx_keys.agents TO tarx_keys_backend, tarx_keys_login;
-- what the view llm_keys reads, and where a row is; not the ciphertext
GRANT SELECT (ctid, project_id, id, provider, name, base_url, destination, masked_key, added_by, state, priority,
              expires_at, rotate_after, allowed_models, header_names, revision, created_at)
    ON tarx_keys.project_llm_keys TO tarx_keys_backend, tarx_keys_login;
-- what the view secrets reads; not the ciphertext
GRANT SELECT (project_id, name, id, description, version, updated_by, updated_at)
    ON tarx_keys.project_secrets TO tarx_keys_backend, tarx_keys_login;
-- what the view platform_keys reads, and where a row is; neither hash nor stamp
GRANT SELECT (ctid, id, user_id, name, masked_key, expires_at, project_ids, read_only, created_at, created_with, revoked_at)
    ON tarx_keys.platform_api_keys TO tarx_keys_backend, tarx_keys_login;

-- what monitoring reads: numbers, and what is wrong with the keyring
GRANT USAGE ON SCHEMA tarx_keys TO pg_monitor;
GRANT SELECT ON tarx_keys.stats TO pg_monitor;
GRANT EXECUTE ON FUNCTION
    tarx_keys_internal.server_counters,
    tarx_keys_internal.server_refusals,
    tarx_keys_internal.usage_losses,
    tarx_keys_internal.keyring_state
TO pg_monitor;

-- what the view project_audit reads
GRANT SELECT (project_id, personal, generation, seq, at, user_id, proven, login, client, action, object_id, object_name, outcome, revision)
    ON tarx_keys.audit_log TO tarx_keys_backend, tarx_keys_login;

-- Whoever may list or resolve asks whether anything has changed; the function tells
-- runners and members apart.
GRANT EXECUTE ON FUNCTION tarx_keys.project_version TO tarx_keys_backend, tarx_keys_login, tarx_keys_agent;

-- who collects the audit log, for instance for a SIEM
GRANT USAGE ON SCHEMA tarx_keys TO tarx_keys_auditor;
GRANT SELECT ON tarx_keys.audit_log TO tarx_keys_auditor;

-- The audit log is append-only for its owner as well; purge_audit() deletes.
REVOKE UPDATE, TRUNCATE ON tarx_keys.audit_log FROM tarx_keys_owner;
REVOKE UPDATE, DELETE, TRUNCATE ON tarx_keys_internal.unlogged_removals FROM tarx_keys_owner;
REVOKE DELETE, TRUNCATE ON tarx_keys_internal.audit_ends FROM tarx_keys_owner;

-- Agent runners resolve, and do nothing else. These functions are not SECURITY
-- DEFINER, because their lines in the server log name the role that calls them. Those
-- that need the owner's rights take them in C: see src/identity/owner.c.
GRANT EXECUTE ON FUNCTION
    tarx_keys.resolve_key,
    tarx_keys.resolve_keys,
    tarx_keys.resolve_agent_key,
    tarx_keys.resolve_provider_key,
    tarx_keys.report_key,
    tarx_keys.resolve_key_sealed,
    tarx_keys.resolve_keys_sealed,
    tarx_keys.resolve_agent_key_sealed,
    tarx_keys.resolve_provider_key_sealed,
    tarx_keys.models_request,
    tarx_keys.probe_request,
    tarx_keys.chat_request_base,
    tarx_keys.resolve_secret,
    tarx_keys.resolve_secrets,
    tarx_keys.resolve_secrets_sealed,
    tarx_keys.render_template,
    tarx_keys.template_references,
    tarx_keys.enter_run,
    tarx_keys.renew_run_ticket
TO tarx_keys_agent;
-- the types of their rows, for variables
GRANT USAGE ON TYPE
    tarx_keys.resolved_key,
    tarx_keys.sealed_key,
    tarx_keys.chosen_key,
    tarx_keys.chosen_sealed_key,
    tarx_keys.resolved_secret,
    tarx_keys.sealed_secret
TO tarx_keys_agent;
