-- What the acting user may do: act_as(), roles in projects, and the way into
-- functions that change something.
--
-- The enter_ functions have no SET clause on purpose. With one, what they set
-- would end when they return; without one, it ends when their caller returns.

-- logged as it is, unless it fails: who acts is worth knowing, and each transaction begins with it
CREATE FUNCTION tarx_keys.act_as(user_id text, project_id uuid DEFAULT NULL) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_act_as';
COMMENT ON FUNCTION tarx_keys.act_as IS
'Makes user_id (1 to 200 characters, no control characters, not beginning with sa:) the acting user until the transaction or savepoint ends, and project_id, if given, the active project. Errors: 42501 if the user is no member of that project or it does not exist, if tarx_keys.require_login is on, or after login(); 22023 for a bad user id. Warns outside a transaction block.';

CREATE FUNCTION tarx_keys_internal.act_on_router(user_id text, project_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_act_on_router';
COMMENT ON FUNCTION tarx_keys_internal.act_on_router IS
'Internal. Of the router that router_sql() makes: act_as() without a look-up of members. Error: 22023 for a bad user id.';

-- Row security calls the two without find_ for every row, and they keep the answer.
-- All look up what other sessions have committed by now, and a parallel query
-- cannot do that.
CREATE FUNCTION tarx_keys_internal.acting_user_id() RETURNS text
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_acting_user_id';
COMMENT ON FUNCTION tarx_keys_internal.acting_user_id IS
'Internal. The acting user. Used by row security. Errors: TK007 without an acting user, TK010 if the platform key of the login has ended.';

CREATE FUNCTION tarx_keys_internal.find_visible_project_ids() RETURNS uuid[]
LANGUAGE c STABLE PARALLEL UNSAFE SECURITY DEFINER SET search_path = pg_catalog, pg_temp
AS 'MODULE_PATHNAME', 'tarx_keys_find_visible_project_ids';
COMMENT ON FUNCTION tarx_keys_internal.find_visible_project_ids IS
'Internal. What visible_project_ids() tells, looked up again with each call.';

CREATE FUNCTION tarx_keys_internal.visible_project_ids() RETURNS uuid[]
LANGUAGE c STABLE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_visible_project_ids';
COMMENT ON FUNCTION tarx_keys_internal.visible_project_ids IS
'Internal. The projects whose rows the acting user may see: the user''s own, or only the active one. Used by row security. Errors: TK007 without an acting user, TK010 if the platform key of the login has ended.';

CREATE FUNCTION tarx_keys_internal.enter_as_member(project_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_as_member';
COMMENT ON FUNCTION tarx_keys_internal.enter_as_member IS
'Internal. Makes the project the active one for the calling function, if the acting user is member, key manager or admin now. Errors: TK007, 42501, 22023.';

CREATE FUNCTION tarx_keys_internal.enter_as_admin(project_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_as_admin';
COMMENT ON FUNCTION tarx_keys_internal.enter_as_admin IS
'Internal. Makes the project the active one for the calling function, if the acting user is an admin now. Errors: TK007, 42501, 22023.';

CREATE FUNCTION tarx_keys_internal.enter_to_remove(project_id uuid, role text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_to_remove_sql';
COMMENT ON FUNCTION tarx_keys_internal.enter_to_remove IS
'Internal. Enters a project as enter_as_admin() does, with at least this role, for a function that only takes away: it does not wait for long if others hold the audit log, and fails for nothing that is wrong with it. Such a function calls record_removal(). Errors: TK007, 42501, 22023.';

CREATE FUNCTION tarx_keys_internal.enter_new_project(project_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_new_project';
COMMENT ON FUNCTION tarx_keys_internal.enter_new_project IS
'Internal. Makes a project that is about to be created the active one for the calling function. Errors: TK007, 42501, 22023.';

CREATE FUNCTION tarx_keys_internal.other_admin_exists(project_id uuid, user_id text) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_other_admin_exists';
COMMENT ON FUNCTION tarx_keys_internal.other_admin_exists IS
'Internal. Whether the project now has an admin other than this user; a service account is none. It uses a new snapshot instead of the transaction''s. Error: 22023.';

CREATE FUNCTION tarx_keys_internal.members_are_elsewhere() RETURNS boolean
LANGUAGE c STABLE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_members_are_elsewhere_sql';
COMMENT ON FUNCTION tarx_keys_internal.members_are_elsewhere IS
'Internal. Whether tarx_keys.membership names a relation that says who is a member, but for service accounts.';

CREATE FUNCTION tarx_keys_internal.require_own_members(what text) RETURNS void
LANGUAGE plpgsql STABLE PARALLEL SAFE
AS $$
BEGIN
    IF tarx_keys_internal.members_are_elsewhere() THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = pg_catalog.format('%s while tarx_keys.membership says who is a member', require_own_members.what),
            HINT = pg_catalog.format('Change the members in %s.', pg_catalog.current_setting('tarx_keys.membership'));
    END IF;
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.require_own_members IS
'Internal. Error 0A000 if tarx_keys.membership names a relation that says who is a member.';

CREATE FUNCTION tarx_keys_internal.require_person(argument text, user_id text) RETURNS void
LANGUAGE c VOLATILE PARALLEL SAFE
AS 'MODULE_PATHNAME', 'tarx_keys_require_person';
COMMENT ON FUNCTION tarx_keys_internal.require_person IS
'Internal. Error 22023 unless user_id is a valid user id, and no service account''s.';

-- The columns are those of project_members, in their order.
CREATE FUNCTION tarx_keys_internal.member_stamp(
    project_id uuid, user_id text, id uuid, role text, service_account text, revision integer, added_at timestamptz) RETURNS bytea
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_member_stamp';
COMMENT ON FUNCTION tarx_keys_internal.member_stamp IS 'Internal. The stamp of a row with these columns. Error: TK005.';

CREATE FUNCTION tarx_keys_internal.next_member_revision(
    project_id uuid, user_id text, id uuid, role text, service_account text, revision integer, added_at timestamptz, stamp bytea) RETURNS integer
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_next_member_revision';
COMMENT ON FUNCTION tarx_keys_internal.next_member_revision IS
'Internal. The revision behind that of a row with these columns, which is to be changed. Errors: TK004 if the row is not what was written, TK005 or TK006 if the master key is missing, 54000.';

-- Of use to delete_project(), end_user() and restamp_members()

CREATE FUNCTION tarx_keys_internal.enter_end_of_user(user_id text) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_end_of_user';
COMMENT ON FUNCTION tarx_keys_internal.enter_end_of_user IS
'Internal. Makes the user the acting one for the calling function, with no active project; returns whether nobody else changes the user''s platform keys until the transaction ends. Error: 22023.';

CREATE FUNCTION tarx_keys_internal.enter_left_project(project_id uuid, to_remove boolean) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_left_project';
COMMENT ON FUNCTION tarx_keys_internal.enter_left_project IS
'Internal. Makes the project the active one for the calling function, whoever acts; to remove something, locks its audit log as enter_to_remove() does. Errors: 22023, 42501 if another one is active.';

CREATE FUNCTION tarx_keys_internal.enter_restamping(project_id uuid) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_enter_restamping';
COMMENT ON FUNCTION tarx_keys_internal.enter_restamping IS
'Internal. Makes the project the active one for the calling function, whose caller is a superuser; if nobody acts, the session''s login does. Errors: 22023, 42501 if another one is active, TK005.';

CREATE FUNCTION tarx_keys_internal.record_own_removals(action text, ids uuid[], names text[]) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_record_own_removals';
COMMENT ON FUNCTION tarx_keys_internal.record_own_removals IS
'Internal. record_removal() for several objects, in the acting user''s own chain. Errors: TK007, 22023.';

CREATE FUNCTION tarx_keys_internal.project_has_rest(project_id uuid) RETURNS boolean
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_project_has_rest';
COMMENT ON FUNCTION tarx_keys_internal.project_has_rest IS
'Internal. Whether the project now has keys, secrets, agents or members. It uses a new snapshot instead of the transaction''s. Error: 22023.';

CREATE FUNCTION tarx_keys_internal.user_rest(user_id text, OUT keys bigint, OUT projects uuid[])
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_user_rest';
COMMENT ON FUNCTION tarx_keys_internal.user_rest IS
'Internal. What the user now has: platform keys that are not revoked, and memberships. It uses a new snapshot instead of the transaction''s. Error: 22023.';

CREATE FUNCTION tarx_keys_internal.log_operation(operation text) RETURNS void
LANGUAGE c VOLATILE PARALLEL UNSAFE
AS 'MODULE_PATHNAME', 'tarx_keys_log_operation_sql';
COMMENT ON FUNCTION tarx_keys_internal.log_operation IS
'Internal. A line in the server log that says what the session''s role has done. Error: 22023.';

CREATE FUNCTION tarx_keys_internal.fail_changed_meanwhile() RETURNS void
LANGUAGE plpgsql VOLATILE PARALLEL SAFE
AS $$
BEGIN
    RAISE EXCEPTION USING
        ERRCODE = 'serialization_failure',
        MESSAGE = 'somebody else has added something at the same time',
        HINT = 'Run the transaction again.';
END
$$;
COMMENT ON FUNCTION tarx_keys_internal.fail_changed_meanwhile IS 'Internal. Raises error 40001.';
