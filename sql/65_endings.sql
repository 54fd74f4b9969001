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
    INSERT INTO tarx_keys_internal.llm_key_tombstones (project_id, id, deleted_by)
        SELECT k.project_id, k.id, tarx_keys.current_user_id()
          FROM tarx_keys.project_llm_keys k WHERE k.project_id = delete_project.project_id
        ON CONFLICT ON CONSTRAINT llm_key_tombstones_pkey DO NOTHING;
    DELETE FROM tarx_keys.project_llm_keys k WHERE k.project_id = delete_project.project_id;
    DELETE FROM tarx_keys.project_secrets s WHERE s.project_id = delete_project.project_id;
    DELETE FROM tarx_keys.agents a WHERE a.project_id = delete_project.project_id;
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
'For admins: ends the project with its LLM keys, secrets, agents and members, for good. Its audit log stays for the DBA, and its id is never given again. Errors: TK007, 42501, 22023, 40001 if somebody adds something at the same time.';

-- As its caller, because the owner must not delete ends of the audit log.
CREATE FUNCTION tarx_keys.purge_project(project_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    since timestamptz;
    is_there boolean;
BEGIN
    PERFORM tarx_keys_internal.require_argument('project_id', purge_project.project_id);
    IF NOT (SELECT r.rolsuper FROM pg_roles r WHERE r.rolname = current_user) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = 'must be superuser to purge a project',
            HINT = 'An admin of the project can delete it with tarx_keys.delete_project().';
    END IF;
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
    INSERT INTO tarx_keys.projects AS p (id, created_at, ended_at) VALUES (purge_project.project_id, NULL, now())
        ON CONFLICT (id) DO UPDATE SET name = NULL, created_by = NULL, created_at = NULL, ended_by = NULL;
    DELETE FROM tarx_keys.audit_log a WHERE a.project_id = purge_project.project_id AND NOT a.personal;
    DELETE FROM tarx_keys_internal.audit_ends e WHERE e.project_id = purge_project.project_id AND NOT e.personal;
    DELETE FROM tarx_keys_internal.llm_key_tombstones t WHERE t.project_id = purge_project.project_id;
    DELETE FROM tarx_keys_internal.last_used l WHERE l.project_id = purge_project.project_id;
    PERFORM tarx_keys_internal.log_operation(format('purges project %s', purge_project.project_id));
END
$$;
COMMENT ON FUNCTION tarx_keys.purge_project IS
'For superusers: removes all that is left of a deleted project, its audit log too, but the id. Errors: 22023, 42501, 55000 if the project has not ended, 42704 if there never was one.';

-- Users
--
-- Whoever has stolen a platform key must not keep it alive by holding what is to be
-- ended: another key's row, or a project whose members they have changed. So
-- end_user() waits for locks until a deadline. Then it goes on without what others
-- hold, and says so.

CREATE FUNCTION tarx_keys_internal.wait_for_locks_until(deadline timestamptz) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM set_config('lock_timeout', greatest(1, ceil(extract(epoch FROM wait_for_locks_until.deadline - clock_timestamp()) * 1000)) || 'ms', true);
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.wait_for_locks_until IS
'Internal. Sets lock_timeout to what is left until then, for the calling function, which has a SET clause for it.';

-- These two have a SET clause, so that the project they enter ends with them.
CREATE FUNCTION tarx_keys_internal.begin_leaving(project_id uuid, deadline timestamptz, OUT is_held boolean, OUT stuck_in text)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp SET lock_timeout = 0
AS $$
DECLARE
    this record;
BEGIN
    PERFORM tarx_keys_internal.wait_for_locks_until(begin_leaving.deadline);
    PERFORM tarx_keys_internal.enter_left_project(begin_leaving.project_id);
    is_held := false;
    BEGIN
        SELECT p.name, p.ended_at INTO this FROM tarx_keys.projects p WHERE p.id = begin_leaving.project_id FOR NO KEY UPDATE;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        is_held := true;
        RETURN;
    END;
    IF this.ended_at IS NULL
        AND EXISTS (SELECT FROM tarx_keys.project_members m
                     WHERE m.project_id = begin_leaving.project_id AND m.user_id = tarx_keys.current_user_id() AND m.role = 'admin')
        AND NOT tarx_keys_internal.other_admin_exists(begin_leaving.project_id, tarx_keys.current_user_id())
    THEN
        stuck_in := this.name;
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.begin_leaving IS
'Internal. Locks a project that the acting user is to leave against other changes of its members; returns whether others hold it, and its name if the user is its last admin.';

CREATE FUNCTION tarx_keys_internal.finish_leaving(project_id uuid, successor text) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_left_project(finish_leaving.project_id);
    IF finish_leaving.successor IS NOT NULL THEN
        INSERT INTO tarx_keys.project_members AS m (project_id, user_id, role)
            VALUES (finish_leaving.project_id, finish_leaving.successor, 'admin')
            ON CONFLICT ON CONSTRAINT project_members_pkey DO UPDATE SET role = 'admin';
        PERFORM tarx_keys_internal.record_removal(finish_leaving.project_id, 'member.add_admin', NULL, finish_leaving.successor);
    END IF;
    DELETE FROM tarx_keys.project_members m
        WHERE m.project_id = finish_leaving.project_id AND m.user_id = tarx_keys.current_user_id();
    IF NOT FOUND THEN
        RETURN false;
    END IF;
    PERFORM tarx_keys_internal.record_removal(finish_leaving.project_id, 'member.end', NULL, tarx_keys.current_user_id());
    RETURN true;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.finish_leaving IS
'Internal. Ends the acting user''s membership in a project, and makes successor, if given, an admin of it; returns whether there was one to end.';

CREATE FUNCTION tarx_keys_internal.check_successor(user_id text, successor text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM tarx_keys_internal.require_user_id('successor', check_successor.successor);
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

CREATE FUNCTION tarx_keys_internal.warn_of_held(keys integer, projects uuid[]) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
AS $$
BEGIN
    IF warn_of_held.keys > 0 OR warn_of_held.projects <> '{}' THEN
        RAISE WARNING USING
            ERRCODE = 'lock_not_available',
            MESSAGE = format('other transactions hold platform keys of the user: %s, projects that the user is to leave: %s',
                             warn_of_held.keys, coalesce(nullif(array_to_string(warn_of_held.projects, ', '), ''), 'none')),
            HINT = 'Commit, and call tarx_keys.end_user() again when they are over.';
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.warn_of_held IS 'Internal. Warns of what end_user() has left alone.';

-- Nobody acts here. All projects are locked first, in the order of their ids, so
-- that two calls do not wait for each other in a circle.
CREATE FUNCTION tarx_keys.end_user(user_id text, successor text DEFAULT NULL, OUT revoked_keys integer, OUT left_projects integer)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    deadline CONSTANT timestamptz := clock_timestamp() + interval '2 s';
    project uuid;
    leaving record;
    to_leave uuid[] := '{}';
    held_projects uuid[] := '{}';
    held_keys integer;
    stuck uuid[] := '{}';
    stuck_names text[] := '{}';
BEGIN
    PERFORM tarx_keys_internal.require_user_id('user_id', end_user.user_id);
    IF end_user.successor IS NOT NULL THEN
        PERFORM tarx_keys_internal.check_successor(end_user.user_id, end_user.successor);
    END IF;
    PERFORM tarx_keys_internal.enter_end_of_user(end_user.user_id);
    FOR project IN
        SELECT m.project_id FROM tarx_keys.project_members m WHERE m.user_id = end_user.user_id ORDER BY m.project_id
    LOOP
        SELECT b.is_held, b.stuck_in INTO leaving FROM tarx_keys_internal.begin_leaving(project, deadline) b;
        IF leaving.is_held THEN
            held_projects := held_projects || project;
        ELSE
            to_leave := to_leave || project;
        END IF;
        IF leaving.stuck_in IS NOT NULL THEN
            stuck := stuck || project;
            stuck_names := stuck_names || format('"%s" (%s)', leaving.stuck_in, project);
        END IF;
    END LOOP;
    IF stuck <> '{}' AND end_user.successor IS NULL THEN
        PERFORM tarx_keys_internal.fail_last_admin_of(stuck_names);
    END IF;
    SELECT r.revoked, r.held INTO revoked_keys, held_keys FROM tarx_keys_internal.revoke_platform_keys(NULL, deadline) r;
    left_projects := 0;
    FOREACH project IN ARRAY to_leave LOOP
        IF tarx_keys_internal.finish_leaving(project, CASE WHEN project = ANY (stuck) THEN end_user.successor END) THEN
            left_projects := left_projects + 1;
        END IF;
    END LOOP;
    PERFORM tarx_keys_internal.warn_of_held(held_keys, held_projects);
    IF held_keys = 0 AND held_projects = '{}' AND tarx_keys_internal.user_has_rest(end_user.user_id) THEN
        PERFORM tarx_keys_internal.fail_changed_meanwhile();
    END IF;
    IF revoked_keys > 0 OR left_projects > 0 THEN
        PERFORM tarx_keys_internal.log_operation(format('ends a user: revoked platform keys: %s, left projects: %s', revoked_keys, left_projects));
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys.end_user IS
'For the platform, also under tarx_keys.require_login and without an acting user: revokes all platform keys of a user and ends all memberships; returns how many. CREATE EXTENSION grants it to nobody. successor becomes admin of the projects whose last admin the user was. Errors: 22023, 23514 if the user is the last admin of a project and there is no successor, 42501 for a successor under tarx_keys.require_login unless the session is a superuser''s, 40001 if somebody adds something at the same time. Warning 55P03 if other transactions hold keys or projects of the user: these are left alone.';
