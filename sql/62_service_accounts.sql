-- Service accounts: users that a project has for its programs, so that these go on when
-- the admin who has set them up leaves.
--
-- A service account is a row of project_members with a name, whatever
-- tarx_keys.membership says. Its platform keys are narrowed to the project. Their rows
-- are seen and changed only while the account is the acting user, so what ends them
-- makes it that.

CREATE FUNCTION tarx_keys_internal.enter_service_accounts(project_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_service_accounts';
COMMENT ON FUNCTION tarx_keys_internal.enter_service_accounts IS
'Internal. Enters the project as an admin who is no service account, and locks it against other changes of its members. Errors: TK007, 42501, 22023.';

CREATE FUNCTION tarx_keys_internal.check_service_account_room(project_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    -- the end of a project ends them all, and each takes locks
    IF (SELECT count(*) FROM tarx_keys.project_members m
         WHERE m.project_id = check_service_account_room.project_id AND starts_with(m.user_id, 'sa:')) >= 100 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'program_limit_exceeded',
            MESSAGE = 'a project has at most 100 service accounts',
            HINT = 'Delete one that is not needed any more with tarx_keys.delete_service_account().';
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.check_service_account_room IS 'Internal. Error 54000 if the project has as many service accounts as it may have.';

CREATE FUNCTION tarx_keys.create_service_account(project_id uuid, name text, role text DEFAULT 'member') RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    account CONSTANT text := 'sa:' || gen_random_uuid();
    membership record;
BEGIN
    PERFORM tarx_keys_internal.enter_service_accounts(create_service_account.project_id);
    PERFORM tarx_keys_internal.require_name('name', create_service_account.name);
    PERFORM tarx_keys_internal.require_role('role', create_service_account.role);
    PERFORM tarx_keys_internal.check_service_account_room(create_service_account.project_id);
    SELECT * INTO membership
      FROM tarx_keys_internal.put_member(create_service_account.project_id, account, create_service_account.role, create_service_account.name);
    PERFORM tarx_keys_internal.record_audit(create_service_account.project_id, 'service_account.create', membership.id, create_service_account.name);
    PERFORM tarx_keys_internal.record_audit(create_service_account.project_id, 'member.add_' || create_service_account.role, membership.id, account, membership.revision);
    RETURN account;
END
$$;
COMMENT ON FUNCTION tarx_keys.create_service_account IS
'For admins: makes a user for programs, a member of this project alone; returns its id, which begins with sa:. name has 1 to 100 characters; role is admin, key_manager, member or viewer. Errors: TK007, 42501 also for a service account, 22023, 54000 if the project has 100 of them or as many members as tarx_keys.max_per_project allows, TK005.';

-- carries a value
CREATE FUNCTION tarx_keys.create_service_account_key(
    project_id uuid, user_id text, name text, expires_at timestamptz DEFAULT NULL, OUT id uuid, OUT token text)
LANGUAGE c VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_create_service_account_key';
COMMENT ON FUNCTION tarx_keys.create_service_account_key IS
'For admins: creates a platform key of a service account, narrowed to the project; the token is shown this once. It may expire later than the key that the admin has logged in with. Errors: TK007, 42501 also for a service account, 22023, 42704 if the project has no such service account, TK004 if its membership was tampered with, TK005.';

CREATE FUNCTION tarx_keys_internal.end_service_account_keys(user_id text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_end_of_user(end_service_account_keys.user_id);
    PERFORM tarx_keys_internal.revoke_platform_keys(NULL, clock_timestamp() + interval '2 s');
    IF (SELECT r.keys FROM tarx_keys_internal.user_rest(end_service_account_keys.user_id) r) > 0 THEN
        PERFORM tarx_keys_internal.fail_changed_meanwhile();
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.end_service_account_keys IS
'Internal. Revokes all platform keys of a service account. Error: 40001 if some are left.';

CREATE FUNCTION tarx_keys_internal.end_service_accounts(project_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM tarx_keys_internal.end_service_account_keys(m.user_id)
       FROM (SELECT m.user_id FROM tarx_keys.project_members m
              WHERE m.project_id OPERATOR(pg_catalog.=) end_service_accounts.project_id AND pg_catalog.starts_with(m.user_id, 'sa:')
              ORDER BY m.user_id) m;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.end_service_accounts IS
'Internal. Revokes the platform keys of all service accounts of a project that has been entered. Error: 40001.';

CREATE FUNCTION tarx_keys.delete_service_account(project_id uuid, user_id text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    membership record;
BEGIN
    PERFORM tarx_keys_internal.enter_to_remove(delete_service_account.project_id, 'admin');
    PERFORM tarx_keys_internal.lock_members(delete_service_account.project_id);
    PERFORM tarx_keys_internal.enter_to_remove(delete_service_account.project_id, 'admin');
    PERFORM tarx_keys_internal.require_argument('user_id', delete_service_account.user_id);
    DELETE FROM tarx_keys.project_members m
        WHERE m.project_id = delete_service_account.project_id AND m.user_id = delete_service_account.user_id AND starts_with(m.user_id, 'sa:')
        RETURNING m.id, m.service_account INTO membership;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            COLUMN = 'user_id',
            MESSAGE = 'the project has no such service account',
            HINT = 'tarx_keys.project_members lists the project''s service accounts.';
    END IF;
    PERFORM tarx_keys_internal.record_removal(delete_service_account.project_id, 'service_account.delete', membership.id, membership.service_account);
    PERFORM tarx_keys_internal.record_removal(delete_service_account.project_id, 'member.remove', membership.id, delete_service_account.user_id);
    PERFORM tarx_keys_internal.end_service_account_keys(delete_service_account.user_id);
END
$$;
COMMENT ON FUNCTION tarx_keys.delete_service_account IS
'For admins: ends a service account, and revokes its platform keys, for good. Errors: TK007, 42501, 22023, 42704 if the project has no such service account, 40001 if somebody adds something at the same time.';

-- As its caller, a superuser, for whom row security does not count.
CREATE FUNCTION tarx_keys_internal.purge_service_accounts(project_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    account text;
BEGIN
    FOR account IN
        SELECT DISTINCT k.user_id FROM tarx_keys.platform_api_keys k
         WHERE pg_catalog.starts_with(k.user_id, 'sa:') AND k.project_ids OPERATOR(pg_catalog.=) ARRAY[purge_service_accounts.project_id]
    LOOP
        DELETE FROM tarx_keys.audit_log a WHERE a.project_id OPERATOR(pg_catalog.=) tarx_keys_internal.personal_chain(account) AND a.personal;
        DELETE FROM tarx_keys_internal.audit_ends e WHERE e.project_id OPERATOR(pg_catalog.=) tarx_keys_internal.personal_chain(account) AND e.personal;
        DELETE FROM tarx_keys.platform_api_keys k WHERE k.user_id OPERATOR(pg_catalog.=) account;
    END LOOP;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.purge_service_accounts IS
'Internal. Removes what is left of the service accounts of a project that has ended: their revoked platform keys, and their own audit logs.';
