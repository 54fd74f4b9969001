-- Run tickets: a member's run gives a runner a short-lived right to one agent's keys
-- and to named secrets. Nothing is stored of a ticket: it is sealed under the master
-- key, and what it hangs on is looked up anew at each call.

-- carries a value
CREATE FUNCTION tarx_keys.issue_run_ticket(
    project_id uuid, agent_id uuid, lifetime interval DEFAULT '15 minutes', renewable interval DEFAULT '24 hours',
    runner_role name DEFAULT NULL, recipient_public_key bytea DEFAULT NULL, secret_names text[] DEFAULT '{}', key_id uuid DEFAULT NULL)
RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_issue_run_ticket';
COMMENT ON FUNCTION tarx_keys.issue_run_ticket IS
'For members, and for a key_id for key managers: a ticket for enter_run(), good for lifetime (from 1 second to tarx_keys.run_ticket_max_lifetime) and to be renewed for renewable (to tarx_keys.run_ticket_max_renewal), counted from now. It is for the keys of one agent and the secrets with these names (at most 100), or for requests with one key: agent_id or key_id is null. Only the database login runner_role enters it, if that is not null; and it resolves only in boxes to recipient_public_key, if that is not null. Writes nothing but a line in the server log. Errors: TK007, TK010, 42501 also with a read-only platform key, 22023, TK001, TK002, TK003, 42704 if there is no such role, TK004, TK005, TK006.';

-- carries a value
CREATE FUNCTION tarx_keys.enter_run(
    ticket text, OUT project_id uuid, OUT agent_id uuid, OUT user_id text, OUT expires_at timestamptz)
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_run';
COMMENT ON FUNCTION tarx_keys.enter_run IS
'For runners: resolve calls are narrowed to the ticket until the transaction ends, or until ROLLBACK TO an earlier savepoint. Returns what the ticket is for (agent_id is null for a key), who issued it, and when it expires. Nobody becomes the acting user. Writes nothing. Errors: TK016 if the ticket is not valid (any more), TK017 if it has expired, 42501 in a transaction that has an acting user or a run, 22023, TK004, TK005, TK006.';

-- carries a value
CREATE FUNCTION tarx_keys.renew_run_ticket(ticket text, lifetime interval DEFAULT '15 minutes') RETURNS text
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_renew_run_ticket';
COMMENT ON FUNCTION tarx_keys.renew_run_ticket IS
'For runners: a ticket like this one, which has not expired, that is good for lifetime from now, but never longer than it was issued to be renewed for, nor longer than the platform key of who issued it. Writes nothing but a line in the server log. Errors: TK016, TK017, 22023, TK004, TK005, TK006.';

CREATE FUNCTION tarx_keys.revoke_run_tickets(project_id uuid, agent_id uuid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    agent_name text;
BEGIN
    PERFORM tarx_keys_internal.enter_to_remove(revoke_run_tickets.project_id, 'admin');
    IF revoke_run_tickets.agent_id IS NULL THEN
        UPDATE tarx_keys.projects p SET run_epoch = gen_random_uuid() WHERE p.id = revoke_run_tickets.project_id;
        PERFORM tarx_keys_internal.record_removal(revoke_run_tickets.project_id, 'project.revoke_runs', revoke_run_tickets.project_id, NULL);
    ELSE
        SELECT a.name INTO agent_name FROM tarx_keys.agents a
            WHERE a.project_id = revoke_run_tickets.project_id AND a.id = revoke_run_tickets.agent_id;
        PERFORM tarx_keys_internal.change_agent(revoke_run_tickets.project_id, revoke_run_tickets.agent_id, NULL, NULL, NULL,
                                                'agent.revoke_runs', agent_name, gen_random_uuid());
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys.revoke_run_tickets IS
'For admins: ends all run tickets of an agent that exist, or all of the project if agent_id is null; new ones can be issued. Errors: TK007, 42501, 22023, TK003 if the project has no such agent, TK004 if it was tampered with, TK005 or TK006 if the master key is missing.';
