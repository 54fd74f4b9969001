-- Projects and their members.
--
-- Row security: services see what the acting user may see. Our functions run as
-- the owner, who sees and writes only rows of the project that the function has
-- entered.
--
-- Texts have the collation "C", because an upgrade of the operating system can
-- change others, and so break a unique index.

CREATE TABLE tarx_keys.projects (
    id uuid PRIMARY KEY,
    name text COLLATE "C",
    created_by text COLLATE "C",
    created_at timestamptz DEFAULT pg_catalog.now(),
    ended_by text COLLATE "C",
    ended_at timestamptz,
    run_epoch uuid DEFAULT pg_catalog.gen_random_uuid(),
    -- of a purged project nothing is left but the id and when it ended
    CHECK (ended_at IS NOT NULL OR name IS NOT NULL AND created_by IS NOT NULL AND created_at IS NOT NULL AND ended_by IS NULL)
);
ALTER TABLE tarx_keys.projects ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY members_read ON tarx_keys.projects FOR SELECT TO tarx_keys_backend, tarx_keys_login
    USING (ended_at IS NULL AND id = ANY (tarx_keys_internal.visible_project_ids()));
CREATE POLICY owner_in_project ON tarx_keys.projects TO tarx_keys_owner
    USING (id = tarx_keys.current_project_id());
CREATE POLICY owner_in_maintenance ON tarx_keys.projects FOR SELECT TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
-- for the look-up of a membership, before there is an active project
CREATE POLICY owner_sees_ended ON tarx_keys.projects FOR SELECT TO tarx_keys_owner
    USING (ended_at IS NOT NULL);
COMMENT ON TABLE tarx_keys.projects IS 'Projects. Users can read their own, or only the active one. One that was deleted keeps its row, which nobody but the DBA sees, so that its id is never given again.';
COMMENT ON COLUMN tarx_keys.projects.created_by IS 'The user that created it and became its first admin';
COMMENT ON COLUMN tarx_keys.projects.run_epoch IS 'Random; run tickets that have another one do not count';
COMMENT ON COLUMN tarx_keys.projects.ended_by IS 'The user that deleted it';
COMMENT ON COLUMN tarx_keys.projects.ended_at IS 'When it was deleted; NULL while it lives';

CREATE TABLE tarx_keys.project_members (
    project_id uuid NOT NULL REFERENCES tarx_keys.projects (id) ON DELETE CASCADE,
    user_id text COLLATE "C" NOT NULL,
    id uuid NOT NULL,
    role text COLLATE "C" NOT NULL CHECK (role IN ('admin', 'key_manager', 'member', 'viewer')),
    service_account text COLLATE "C",
    revision integer NOT NULL CHECK (revision > 0),
    added_at timestamptz NOT NULL,
    stamp bytea NOT NULL,
    PRIMARY KEY (project_id, user_id)
);
CREATE INDEX project_members_user_id ON tarx_keys.project_members (user_id, project_id);
ALTER TABLE tarx_keys.project_members ALTER COLUMN stamp SET STATISTICS 0;
ALTER TABLE tarx_keys.project_members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
CREATE POLICY members_read ON tarx_keys.project_members FOR SELECT TO tarx_keys_backend, tarx_keys_login
    USING (project_id = ANY (tarx_keys_internal.visible_project_ids()));
CREATE POLICY owner_in_project ON tarx_keys.project_members TO tarx_keys_owner
    USING (project_id = tarx_keys.current_project_id());
-- for the look-up of a membership before there is an active project
CREATE POLICY owner_own_memberships ON tarx_keys.project_members FOR SELECT TO tarx_keys_owner
    USING (user_id = tarx_keys.current_user_id());
CREATE POLICY owner_in_maintenance ON tarx_keys.project_members FOR SELECT TO tarx_keys_owner
    USING (tarx_keys_internal.in_maintenance());
COMMENT ON TABLE tarx_keys.project_members IS 'Members of projects. Users can read those of their own projects, or only of the active one.';
COMMENT ON COLUMN tarx_keys.project_members.user_id IS 'The application''s own id of the user, or that of a service account, which begins with sa:';
COMMENT ON COLUMN tarx_keys.project_members.id IS 'Of this membership, as long as it lasts: one that has ended and is put back is known by it';
COMMENT ON COLUMN tarx_keys.project_members.role IS 'admin: may do everything; key_manager: adds and deletes LLM keys and secrets; member: uses them, sees LLM keys masked, and manages agents; viewer: sees lists';
COMMENT ON COLUMN tarx_keys.project_members.service_account IS 'The name of a service account; NULL for a user';
COMMENT ON COLUMN tarx_keys.project_members.revision IS 'From 1, and one more with each change';
COMMENT ON COLUMN tarx_keys.project_members.stamp IS 'MAC over the other columns';

CREATE FUNCTION tarx_keys_internal.put_member(
    project_id uuid, user_id text, role text, service_account text, needs_room boolean DEFAULT true, OUT id uuid, OUT revision integer)
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    id := gen_random_uuid();
    INSERT INTO tarx_keys.project_members AS m (project_id, user_id, id, role, service_account, revision, added_at, stamp)
        VALUES (put_member.project_id, put_member.user_id, put_member.id, put_member.role, put_member.service_account, 1, now(),
                tarx_keys_internal.member_stamp(put_member.project_id, put_member.user_id, put_member.id, put_member.role, put_member.service_account, 1, now()))
        ON CONFLICT ON CONSTRAINT project_members_pkey DO UPDATE
        SET role = put_member.role,
            revision = tarx_keys_internal.next_member_revision(m.project_id, m.user_id, m.id, m.role, m.service_account, m.revision, m.added_at, m.stamp),
            stamp = tarx_keys_internal.member_stamp(m.project_id, m.user_id, m.id, put_member.role, m.service_account, m.revision + 1, m.added_at)
        -- a row that already has the role must be what was written as well
        WHERE m.role <> put_member.role
           OR tarx_keys_internal.next_member_revision(m.project_id, m.user_id, m.id, m.role, m.service_account, m.revision, m.added_at, m.stamp) IS NULL
        RETURNING m.id, m.revision INTO put_member.id, put_member.revision;
    IF put_member.needs_room AND put_member.revision = 1 THEN
        PERFORM tarx_keys_internal.check_room(put_member.project_id, 'project_members');
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.put_member IS
'Internal. Makes the user, or with its name a service account, a member of the project with this role, or changes the role; returns id and revision of the membership, NULL if it has that role already. Errors: TK004 if the row there is is not what was written, 54000 if there is no room, TK005, TK006.';

-- What a project leaves behind that was deleted as a row. Its id is not given again,
-- because the audit log of the former project would be that of the new one.
CREATE FUNCTION tarx_keys_internal.project_has_past(project_id uuid) RETURNS boolean
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_maintenance();
    RETURN EXISTS (SELECT FROM tarx_keys.audit_log a WHERE a.project_id = project_has_past.project_id AND NOT a.personal)
        OR EXISTS (SELECT FROM tarx_keys_internal.audit_ends e WHERE e.project_id = project_has_past.project_id AND NOT e.personal);
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.project_has_past IS
'Internal. Whether there is an audit log under the id of this project, which the caller has entered.';

CREATE FUNCTION tarx_keys.create_project(name text, project_id uuid DEFAULT pg_catalog.gen_random_uuid()) RETURNS uuid
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_new_project(create_project.project_id);
    PERFORM tarx_keys_internal.require_name('name', create_project.name);
    INSERT INTO tarx_keys.projects (id, name, created_by)
        VALUES (create_project.project_id, create_project.name, tarx_keys.current_user_id())
        ON CONFLICT (id) DO NOTHING;
    IF NOT FOUND OR tarx_keys_internal.project_has_past(create_project.project_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'unique_violation',
            COLUMN = 'project_id',
            MESSAGE = 'a project with this id exists already, or did',
            HINT = 'Leave project_id out to get a new one.';
    END IF;
    IF NOT tarx_keys_internal.members_are_elsewhere() THEN
        PERFORM tarx_keys_internal.put_member(create_project.project_id, tarx_keys.current_user_id(), 'admin', NULL);
    END IF;
    PERFORM tarx_keys.begin_audit(create_project.project_id);
    PERFORM tarx_keys_internal.record_audit(create_project.project_id, 'project.create', create_project.project_id, create_project.name);
    RETURN create_project.project_id;
END
$$;
COMMENT ON FUNCTION tarx_keys.create_project IS
'Creates a project whose first admin is the acting user; returns its id. Under tarx_keys.membership project_id is that of a project of which the user is an admin there, and no member is recorded. Errors: TK007 without an acting user, 22023 for a bad name (1 to 100 characters), 23505 if there is, or ever was, a project with this id, 42501 if another project is active or the user''s platform key does not allow it, or the user is no admin there, TK005, 55000 if tarx_keys.membership names no usable relation.';

-- Changes of a project's members go one after the other: each locks the
-- project's row before it looks who is an admin. It enters the project before,
-- and so has its lane of the audit log, if it gets one.
CREATE FUNCTION tarx_keys_internal.lock_members(project_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM FROM tarx_keys.projects p
        WHERE p.id OPERATOR(pg_catalog.=) lock_members.project_id FOR NO KEY UPDATE;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.lock_members IS
'Internal. Locks a project, which has been entered, against other changes of its members. Roles are looked up after it.';

CREATE FUNCTION tarx_keys_internal.enter_membership_change(project_id uuid) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE
AS $$
BEGIN
    PERFORM tarx_keys_internal.enter_as_admin(enter_membership_change.project_id);
    PERFORM tarx_keys_internal.lock_members(enter_membership_change.project_id);
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.enter_membership_change IS
'Internal. Enters the project as an admin and locks it against other changes of its members. Errors: TK007, 42501, 22023.';

CREATE FUNCTION tarx_keys_internal.fail_last_admin() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'check_violation',
        MESSAGE = 'the last admin of a project can be neither removed nor demoted',
        HINT = 'Make another member admin first.';
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.fail_last_admin IS 'Internal. Raises error 23514.';

CREATE FUNCTION tarx_keys_internal.require_role(argument text, role text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
AS $$
BEGIN
    PERFORM tarx_keys_internal.require_argument(require_role.argument, require_role.role);
    IF require_role.role OPERATOR(pg_catalog.<>) ALL ('{admin,key_manager,member,viewer}') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            COLUMN = require_role.argument,
            MESSAGE = 'unknown role',
            HINT = 'A role is admin, key_manager, member or viewer.';
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.require_role IS 'Internal. Error 22023 unless this is a role in projects.';

CREATE FUNCTION tarx_keys.add_member(project_id uuid, user_id text, role text DEFAULT 'member') RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    membership record;
BEGIN
    PERFORM tarx_keys_internal.require_own_members('members cannot be added');
    PERFORM tarx_keys_internal.enter_membership_change(add_member.project_id);
    PERFORM tarx_keys_internal.enter_as_admin(add_member.project_id);
    PERFORM tarx_keys_internal.require_person('user_id', add_member.user_id);
    PERFORM tarx_keys_internal.require_role('role', add_member.role);
    IF add_member.role <> 'admin' AND NOT tarx_keys_internal.other_admin_exists(add_member.project_id, add_member.user_id) THEN
        PERFORM tarx_keys_internal.fail_last_admin();
    END IF;
    SELECT * INTO membership FROM tarx_keys_internal.put_member(add_member.project_id, add_member.user_id, add_member.role, NULL);
    IF membership.id IS NOT NULL THEN
        PERFORM tarx_keys_internal.record_audit(add_member.project_id, 'member.add_' || add_member.role, membership.id, add_member.user_id, membership.revision);
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys.add_member IS
'For admins: makes user_id a member of the project, or changes a member''s role (admin, key_manager, member or viewer). Errors: TK007, 42501, 22023, 0A000 under tarx_keys.membership, 23514 if this would leave the project without an admin, 54000 if the project has as many members as tarx_keys.max_per_project allows, TK004 if the membership there is was tampered with, TK005 or TK006 if the master key is missing.';

CREATE FUNCTION tarx_keys.remove_member(project_id uuid, user_id text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    membership_id uuid;
BEGIN
    PERFORM tarx_keys_internal.require_own_members('members cannot be removed');
    PERFORM tarx_keys_internal.enter_to_remove(remove_member.project_id, 'viewer');
    PERFORM tarx_keys_internal.lock_members(remove_member.project_id);
    PERFORM tarx_keys_internal.enter_to_remove(remove_member.project_id, 'viewer');
    PERFORM tarx_keys_internal.require_argument('user_id', remove_member.user_id);
    -- anything else can go
    IF starts_with(remove_member.user_id, 'sa:') THEN
        PERFORM tarx_keys_internal.require_person('user_id', remove_member.user_id);
    END IF;
    IF remove_member.user_id <> tarx_keys.current_user_id() THEN
        PERFORM tarx_keys_internal.enter_to_remove(remove_member.project_id, 'admin');
    END IF;
    IF NOT tarx_keys_internal.other_admin_exists(remove_member.project_id, remove_member.user_id) THEN
        PERFORM tarx_keys_internal.fail_last_admin();
    END IF;
    DELETE FROM tarx_keys.project_members m
        WHERE m.project_id = remove_member.project_id AND m.user_id = remove_member.user_id
        RETURNING m.id INTO membership_id;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            COLUMN = 'user_id',
            MESSAGE = 'this user is no member of the project',
            HINT = 'tarx_keys.project_members lists the members.';
    END IF;
    PERFORM tarx_keys_internal.record_removal(remove_member.project_id, 'member.remove', membership_id, remove_member.user_id);
END
$$;
COMMENT ON FUNCTION tarx_keys.remove_member IS
'For admins, and for oneself with any role: ends a membership. Errors: TK007, 42501, 22023, 0A000 under tarx_keys.membership, 42704 if user_id is no member, 23514 if this would leave the project without an admin.';

CREATE FUNCTION tarx_keys.rename_project(project_id uuid, name text) RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
    old_name text;
BEGIN
    PERFORM tarx_keys_internal.enter_as_admin(rename_project.project_id);
    PERFORM tarx_keys_internal.require_name('name', rename_project.name);
    SELECT p.name INTO old_name FROM tarx_keys.projects p WHERE p.id = rename_project.project_id FOR NO KEY UPDATE;
    IF NOT FOUND THEN
        PERFORM tarx_keys_internal.fail_changed_meanwhile();
    END IF;
    -- the project may have ended while we waited for the lock
    PERFORM tarx_keys_internal.enter_as_admin(rename_project.project_id);
    IF old_name <> rename_project.name THEN
        UPDATE tarx_keys.projects p SET name = rename_project.name WHERE p.id = rename_project.project_id;
        PERFORM tarx_keys_internal.record_audit(rename_project.project_id, 'project.rename', rename_project.project_id, rename_project.name);
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys.rename_project IS
'For admins: gives the project another name. Errors: TK007, 42501, 22023 for a bad name (1 to 100 characters).';

SELECT pg_catalog.pg_extension_config_dump('tarx_keys.projects', '');
SELECT pg_catalog.pg_extension_config_dump('tarx_keys.project_members', '');
