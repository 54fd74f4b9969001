-- How projects and users end: delete_project(), purge_project(), end_user().

-- Whoever adds a key, a secret or an agent refers to the project's row, and looks
-- afterwards whether the project has ended. So this lock waits for those who have
-- added something and not committed yet, and whoever comes later finds that it has
-- ended. Nothing is left behind.
CREATE FUNCTION tarx_keys.delete_project(project_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    this_name text;
BEGIN
    PERFORM tarx_keys_internal.enter_to_remove(delete_project.project_id, 'admin');
    SELECT p.name INTO this_name FROM tarx_keys.projects p WHERE p.id = delete_project.project_id FOR UPDATE;
    PERFORM tarx_keys_internal.enter_to_remove(delete_project.project_id, 'admin');
    PERFORM tarx_keys_internal.record_removal(delete_project.project_id, 'project.delete', delete_project.project_id, this_name);
    PERFORM tarx_keys_internal.end_llm_keys(delete_project.project_id, NULL, tarx_keys.current_user_id());
    DELETE FROM tarx_keys.project_secrets s WHERE s.project_id = delete_project.project_id;
    DELETE FROM tarx_keys.agents a WHERE a.project_id = delete_project.project_id;
    PERFORM tarx_keys_internal.end_service_accounts(delete_project.project_id);
    DELETE FROM tarx_keys.project_members m WHERE m.project_id = delete_project.project_id;
    UPDATE tarx_keys.projects p SET ended_by = tarx_keys.current_user_id(), ended_at = now()
        WHERE p.id = delete_project.project_id;
    IF NOT FOUND OR tarx_keys_internal.project_has_rest(delete_project.project_id) THEN
        PERFORM tarx_keys_internal.fail_changed_meanwhile();
    END IF;
    PERFORM tarx_keys_internal.enter_maintenance();
    DELETE FROM tarx_keys_internal.last_used l WHERE l.project_id = delete_project.project_id;
END
$$;
COMMENT ON FUNCTION tarx_keys.delete_project IS
'For admins: ends the project with its LLM keys, secrets, agents, members and service accounts, for good. Its audit log stays for the DBA, and its id is never given again. Errors: TK007, 42501, 22023, 40001 if somebody adds something at the same time.';

-- As its caller, because the owner must not delete ends of the audit log.
CREATE FUNCTION tarx_keys.purge_project(project_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    since timestamptz;
    is_there boolean;
BEGIN
    PERFORM tarx_keys_internal.require_argument('project_id', purge_project.project_id);
    PERFORM tarx_keys_internal.require_superuser('purge a project', 'An admin of the project can delete it with tarx_keys.delete_project().');
    SELECT p.ended_at INTO since FROM tarx_keys.projects p WHERE p.id = purge_project.project_id FOR UPDATE;
    is_there := FOUND;
    IF is_there AND since IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            COLUMN = 'project_id',
            MESSAGE = 'the project has not ended',
            HINT = 'Have an admin of the project call tarx_keys.delete_project() first.';
    END IF;
    IF NOT is_there AND NOT tarx_keys_internal.project_has_past(purge_project.project_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            COLUMN = 'project_id',
            MESSAGE = 'there is no project with this id, and was none',
            HINT = 'The row of a deleted project in tarx_keys.projects has ended_at.';
    END IF;
    -- a project that was deleted as a row gets one, so that its id is not given again
    INSERT INTO tarx_keys.projects AS p (id, created_at, ended_at, run_epoch) VALUES (purge_project.project_id, NULL, now(), NULL)
        ON CONFLICT (id) DO UPDATE SET name = NULL, created_by = NULL, created_at = NULL, ended_by = NULL, run_epoch = NULL;
    DELETE FROM tarx_keys.audit_log a WHERE a.project_id = purge_project.project_id AND NOT a.personal;
    DELETE FROM tarx_keys_internal.audit_ends e WHERE e.project_id = purge_project.project_id AND NOT e.personal;
    DELETE FROM tarx_keys_internal.unlogged_removals r WHERE r.project_id = purge_project.project_id;
    DELETE FROM tarx_keys.project_llm_keys k WHERE k.project_id = purge_project.project_id;
    DELETE FROM tarx_keys_internal.last_used l WHERE l.project_id = purge_project.project_id;
    PERFORM tarx_keys_internal.purge_service_accounts(purge_project.project_id);
    PERFORM tarx_keys_internal.log_operation(format('purges project %s', purge_project.project_id));
END
$$;
COMMENT ON FUNCTION tarx_keys.purge_project IS
'For superusers: removes all that is left of a deleted project, its audit log too, but the id. Errors: 22023, 42501, 55000 if the project has not ended, 42704 if there never was one.';

-- Users
--
-- Whoever has stolen a platform key must not keep it alive: neither by holding what
-- is to be ended, another key's row or a project whose members they have changed, nor
-- by adding something all the time, nor by sheer numbers. So end_user() waits for
-- locks until a deadline, looks a few times for what is new, and ends so many projects
-- at most. It keeps what it has done then, and warns of what is left.

CREATE FUNCTION tarx_keys_internal.wait_for_locks_until(deadline timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM set_config('lock_timeout', greatest(1, ceil(extract(epoch FROM wait_for_locks_until.deadline - clock_timestamp()) * 1000)) || 'ms', true);
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.wait_for_locks_until IS
'Internal. Sets lock_timeout to what is left until then, for the calling function, which has a SET clause for it.';

-- These have a SET clause, so that the project they enter ends with them.
CREATE FUNCTION tarx_keys_internal.last_admin_of(project_id uuid) RETURNS text
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_left_project(last_admin_of.project_id, false);
    -- a service account never counts as one
    IF starts_with(tarx_keys.current_user_id(), 'sa:') OR tarx_keys_internal.other_admin_exists(last_admin_of.project_id, tarx_keys.current_user_id()) THEN
        RETURN NULL;
    END IF;
    RETURN (SELECT format('"%s" (%s)', p.name, p.id)
              FROM tarx_keys.projects p JOIN tarx_keys.project_members m ON m.project_id = p.id
             WHERE p.id = last_admin_of.project_id AND p.ended_at IS NULL AND m.user_id = tarx_keys.current_user_id() AND m.role = 'admin');
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.last_admin_of IS
'Internal. The name of a project, if the acting user is its last admin.';

-- A successor is no removal: without a row in the audit log there is none.
CREATE FUNCTION tarx_keys_internal.make_successor(project_id uuid, successor text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    membership record;
    why text;
    what_to_do text;
BEGIN
    -- in the place of the user, so that no limit of members keeps the user
    SELECT * INTO membership FROM tarx_keys_internal.put_member(make_successor.project_id, make_successor.successor, 'admin', NULL, needs_room => false);
    PERFORM tarx_keys_internal.record_audit(make_successor.project_id, 'member.add_admin', membership.id, make_successor.successor, membership.revision);
    RETURN true;
EXCEPTION
    WHEN lock_not_available OR insufficient_resources OR transaction_rollback THEN
        RAISE;
    WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS why = MESSAGE_TEXT, what_to_do = PG_EXCEPTION_HINT;
        RAISE WARNING USING
            ERRCODE = SQLSTATE,
            MESSAGE = format('project "%s" gets no successor, and keeps the user: %s', make_successor.project_id, why),
            HINT = what_to_do;
        RETURN false;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.make_successor IS
'Internal. Makes somebody an admin of a project that has been entered; returns whether that could be done, and warns of why not. Errors: 55P03 and those of classes 40 and 53.';

CREATE FUNCTION tarx_keys_internal.leave_project(project_id uuid, successor text, deadline timestamptz, OUT has_left boolean, OUT stuck_in text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = 0
AS $$
DECLARE
    membership record;
BEGIN
    has_left := false;
    PERFORM tarx_keys_internal.wait_for_locks_until(leave_project.deadline);
    PERFORM tarx_keys_internal.enter_left_project(leave_project.project_id, true);
    PERFORM tarx_keys_internal.lock_members(leave_project.project_id);
    stuck_in := tarx_keys_internal.last_admin_of(leave_project.project_id);
    IF stuck_in IS NOT NULL THEN
        IF leave_project.successor IS NULL OR NOT tarx_keys_internal.make_successor(leave_project.project_id, leave_project.successor) THEN
            RETURN;
        END IF;
        stuck_in := NULL;
    END IF;
    DELETE FROM tarx_keys.project_members m
        WHERE m.project_id = leave_project.project_id AND m.user_id = tarx_keys.current_user_id()
        RETURNING m.id INTO membership;
    has_left := FOUND;
    IF has_left THEN
        PERFORM tarx_keys_internal.record_removal(leave_project.project_id, 'member.end', membership.id, tarx_keys.current_user_id());
    END IF;
EXCEPTION WHEN lock_not_available OR deadlock_detected OR insufficient_resources THEN
    -- with all locks of this project
    has_left := false;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.leave_project IS
'Internal. Ends the acting user''s membership in a project, and makes successor, if given, an admin of it where it would have none; returns whether it has ended, and the project''s name if a successor is missing. Leaves a project alone that others hold until then, or for whose locks there is no room.';

CREATE FUNCTION tarx_keys_internal.check_successor(user_id text, successor text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM tarx_keys_internal.require_person('successor', check_successor.successor);
    IF check_successor.successor = check_successor.user_id THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            COLUMN = 'successor',
            MESSAGE = 'nobody succeeds themselves',
            HINT = 'Pass another user.';
    END IF;
    IF current_setting('tarx_keys.require_login')::boolean
        AND NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = session_user) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            COLUMN = 'successor',
            MESSAGE = 'a successor is refused by tarx_keys.require_login',
            HINT = 'Have the user make another member admin, or ask a superuser to call tarx_keys.end_user().';
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.check_successor IS 'Internal. Whether this may be the successor of a user who is ended. Errors: 22023, 42501.';

CREATE FUNCTION tarx_keys_internal.fail_last_admin_of(names text[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = format('the user is the last admin of projects: %s%s', array_to_string(fail_last_admin_of.names[:100], ', '),
                         ' and ' || nullif(greatest(cardinality(fail_last_admin_of.names) - 100, 0), 0) || ' more'),
        HINT = 'Make another member of each admin first, delete the project, or pass a successor.';
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.fail_last_admin_of IS 'Internal. Raises error 23514, which names projects.';

CREATE FUNCTION tarx_keys_internal.require_other_admins() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
DECLARE
    project uuid;
    names text[] := '{}';
BEGIN
    FOR project IN
        SELECT m.project_id FROM tarx_keys.project_members m
         WHERE m.user_id = tarx_keys.current_user_id() AND m.role = 'admin' ORDER BY m.project_id
    LOOP
        names := array_remove(names || tarx_keys_internal.last_admin_of(project), NULL);
    END LOOP;
    IF names <> '{}' THEN
        PERFORM tarx_keys_internal.fail_last_admin_of(names);
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.require_other_admins IS
'Internal. Error 23514 if the acting user is the last admin of a project.';

CREATE FUNCTION tarx_keys_internal.warn_of_rest(keys bigint, projects uuid[], is_alone boolean) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
AS $$
BEGIN
    IF warn_of_rest.keys > 0 OR warn_of_rest.projects <> '{}' OR NOT warn_of_rest.is_alone THEN
        RAISE WARNING USING
            ERRCODE = 'lock_not_available',
            MESSAGE = format('the user has not ended yet: platform keys left: %s, projects left: %s%s%s',
                             warn_of_rest.keys, coalesce(nullif(array_to_string(warn_of_rest.projects[:100], ', '), ''), 'none'),
                             ' and ' || nullif(greatest(cardinality(warn_of_rest.projects) - 100, 0), 0) || ' more',
                             CASE WHEN NOT warn_of_rest.is_alone THEN '; another transaction is changing platform keys' END),
            HINT = 'Commit, and call tarx_keys.end_user() again. What other transactions hold or add ends when they are over.';
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.warn_of_rest IS 'Internal. Warns of what end_user() has left.';

-- Nobody acts here. Projects are locked in the order of their ids, so that two calls
-- do not wait for each other in a circle. Each takes two locks, and all sessions have
-- 64 for each connection, so one call leaves 500 at most.
CREATE FUNCTION tarx_keys.end_user(user_id text, successor text DEFAULT NULL, OUT revoked_keys integer, OUT left_projects integer)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET lock_timeout = 0
AS $$
DECLARE
    deadline CONSTANT timestamptz := clock_timestamp() + interval '2 s';
    has_projects CONSTANT boolean := NOT tarx_keys_internal.members_are_elsewhere() OR starts_with(end_user.user_id, 'sa:');
    is_alone boolean;
    project uuid;
    leaving record;
    tried uuid[] := '{}';
    stuck text[] := '{}';
    rest record;
BEGIN
    PERFORM tarx_keys_internal.require_user_id('user_id', end_user.user_id);
    IF end_user.successor IS NOT NULL THEN
        PERFORM tarx_keys_internal.require_own_members('there is no successor');
        PERFORM tarx_keys_internal.check_successor(end_user.user_id, end_user.successor);
    END IF;
    PERFORM tarx_keys_internal.wait_for_locks_until(deadline);
    is_alone := tarx_keys_internal.enter_end_of_user(end_user.user_id);
    IF end_user.successor IS NULL AND has_projects THEN
        PERFORM tarx_keys_internal.require_other_admins();
    END IF;
    PERFORM tarx_keys_internal.record_end_of_user();
    revoked_keys := 0;
    left_projects := 0;
    FOR round IN 1 .. 3 LOOP
        revoked_keys := revoked_keys + (SELECT r.revoked FROM tarx_keys_internal.revoke_platform_keys(NULL, deadline) r);
        FOR project IN
            SELECT m.project_id FROM tarx_keys.project_members m
             WHERE m.user_id = end_user.user_id AND m.project_id <> ALL (tried) AND has_projects
             ORDER BY m.project_id LIMIT 500 - cardinality(tried)
        LOOP
            tried := tried || project;
            SELECT l.has_left, l.stuck_in INTO leaving FROM tarx_keys_internal.leave_project(project, end_user.successor, deadline) l;
            left_projects := left_projects + leaving.has_left::integer;
            stuck := array_remove(stuck || leaving.stuck_in, NULL);
        END LOOP;
        -- it has lost its other admin meanwhile; later ones are left, and named
        IF round = 1 AND stuck <> '{}' AND end_user.successor IS NULL THEN
            PERFORM tarx_keys_internal.fail_last_admin_of(stuck);
        END IF;
        SELECT r.keys, CASE WHEN has_projects THEN r.projects ELSE '{}' END AS projects INTO rest FROM tarx_keys_internal.user_rest(end_user.user_id) r;
        EXIT WHEN rest.keys = 0 AND rest.projects <@ tried;
    END LOOP;
    PERFORM tarx_keys_internal.warn_of_rest(rest.keys, rest.projects, is_alone);
    IF revoked_keys > 0 OR left_projects > 0 THEN
        PERFORM tarx_keys_internal.log_operation(format('ends a user: revoked platform keys: %s, left projects: %s', revoked_keys, left_projects));
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys.end_user IS
'For the platform, also under tarx_keys.require_login and without an acting user: revokes all platform keys of a user and ends all memberships, 500 at most; returns how many. Tokens of the user that were issued before log in no more, and run tickets that the user has issued count no more. Under tarx_keys.membership it ends no memberships, and a successor is 0A000. CREATE EXTENSION grants it to nobody. successor becomes admin of the projects whose last admin the user was. Errors: 22023, 23514 if the user is the last admin of a project and there is no successor, 42501 for a successor under tarx_keys.require_login unless the session is a superuser''s. Warning 55P03 if something of the user is left, because other transactions hold it or have added it meanwhile, or because there is more: call it again.';
