-- What doctor() says of the relation that tarx_keys.membership names.
\getenv abs_srcdir PG_ABS_SRCDIR
\set include :abs_srcdir /sql/include
\set people :include /people.sql
\set elsewhere :include /members_elsewhere.sql
\set clean_up :include /clean_up.sql
\set ECHO none
\i :people
\i :elsewhere
\set ECHO all
\set QUIET on
CREATE VIEW findings AS SELECT severity, finding, advice FROM tarx_keys.doctor() WHERE check_name ~ '^membership';
CREATE ROLE regress_other;

-- as it should be
SELECT * FROM findings;
SET tarx_keys.membership = '';
SELECT * FROM findings;
SET tarx_keys.membership = 'app.project_roles';

-- critical: a login with one of our roles writes what is below, by whatever way, or owns it
CREATE FUNCTION after(VARIADIC commands text[]) RETURNS SETOF text LANGUAGE plpgsql AS $$
DECLARE
    command text;
BEGIN
    FOREACH command IN ARRAY commands LOOP
        EXECUTE command;
    END LOOP;
    RETURN QUERY SELECT concat_ws(' | ', f.severity, f.finding, f.advice) FROM findings f;
    RAISE SQLSTATE 'ZZ000';
EXCEPTION WHEN SQLSTATE 'ZZ000' THEN
    NULL;
END $$;
SELECT 'a role that is no login''s'; SELECT after('GRANT ALL ON app.members TO regress_other');
SELECT 'a login without our roles'; SELECT after('GRANT ALL ON app.members TO regress_nobody');
SELECT 'a superuser'; SELECT after('CREATE ROLE regress_super SUPERUSER LOGIN IN ROLE tarx_keys_backend');
SELECT 'INSERT'; SELECT after('GRANT INSERT ON app.members TO regress_backend');
SELECT 'DELETE, because that takes away the lower of two rows'; SELECT after('GRANT DELETE ON app.members TO regress_agent');
SELECT 'TRUNCATE'; SELECT after('GRANT TRUNCATE ON app.members TO regress_login');
SELECT 'TRIGGER'; SELECT after('GRANT TRIGGER ON app.members TO regress_login');
SELECT 'one column'; SELECT after('GRANT UPDATE (rank) ON app.members TO regress_login');
SELECT 'the view'; SELECT after('GRANT UPDATE ON app.project_roles TO regress_backend');
SELECT 'SELECT'; SELECT after('GRANT SELECT ON app.project_roles, app.members TO regress_backend');
SELECT 'PUBLIC'; SELECT after('GRANT INSERT ON app.members TO PUBLIC');
SELECT 'by another role that it does not inherit'; SELECT after('ALTER ROLE regress_backend NOINHERIT', 'GRANT INSERT ON app.members TO regress_other', 'GRANT regress_other TO regress_backend');
SELECT 'the owner''s role'; SELECT after('GRANT regress_app TO regress_backend');
SELECT 'the owner of the table below'; SELECT after('GRANT CREATE ON SCHEMA app TO regress_backend', 'ALTER TABLE app.members OWNER TO regress_backend', 'GRANT SELECT ON app.members TO regress_app');
SELECT 'a view below'; SELECT after('CREATE VIEW app.inner AS SELECT * FROM app.members', 'ALTER VIEW app.inner OWNER TO regress_app',
    'CREATE OR REPLACE VIEW app.project_roles AS SELECT i.project AS project_id, i.person AS user_id, i.rank AS role FROM app.inner i', 'GRANT INSERT ON app.inner TO regress_backend');
SELECT 'a subquery of it'; SELECT after('CREATE TABLE app.blocked (person text COLLATE "C" PRIMARY KEY)', 'ALTER TABLE app.blocked OWNER TO regress_app', 'GRANT DELETE ON app.blocked TO regress_backend',
    'CREATE OR REPLACE VIEW app.project_roles AS SELECT m.project AS project_id, m.person AS user_id, m.rank AS role FROM app.members m WHERE NOT EXISTS (SELECT FROM app.blocked b WHERE b.person = m.person)');
SELECT 'the schema'; SELECT after('ALTER SCHEMA app OWNER TO regress_backend');
SELECT 'a function'; SELECT after('CREATE FUNCTION app.is_member(text) RETURNS boolean LANGUAGE sql AS ''SELECT true''', 'GRANT CREATE ON SCHEMA app TO regress_login', 'ALTER FUNCTION app.is_member OWNER TO regress_login',
    'CREATE OR REPLACE VIEW app.project_roles AS SELECT m.project AS project_id, m.person AS user_id, m.rank AS role FROM app.members m WHERE app.is_member(m.person)');
SELECT 'a part of the table'; SELECT after('CREATE TABLE app.part () INHERITS (app.members)', 'CREATE INDEX ON app.part (person, project)', 'ALTER TABLE app.part OWNER TO regress_app', 'GRANT INSERT ON app.part TO regress_backend');
SELECT 'the table that it is a part of'; SELECT after('CREATE TABLE app.whole (LIKE app.members)', 'ALTER TABLE app.whole OWNER TO regress_app', 'ALTER TABLE app.members INHERIT app.whole', 'GRANT INSERT ON app.whole TO regress_backend');

-- critical: it does not serve
SELECT 'missing'; SELECT after('DROP VIEW app.project_roles');
SELECT 'a superuser''s'; SELECT after(format('ALTER VIEW app.project_roles OWNER TO %I', current_user));
SELECT 'a superuser''s, below another''s'; SELECT after('CREATE VIEW app.inner AS SELECT * FROM app.members', 'GRANT SELECT ON app.inner TO regress_app', 'GRANT SELECT ON app.members TO CURRENT_USER',
    'CREATE OR REPLACE VIEW app.project_roles AS SELECT i.project AS project_id, i.person AS user_id, i.rank AS role FROM app.inner i WHERE EXISTS (SELECT FROM pg_roles r WHERE r.rolname = ''regress_app'')');
SELECT 'a superuser''s table, and a cast'; SELECT after('CREATE TYPE app.rank AS ENUM (''admin'')', 'CREATE FUNCTION app.rank_text(app.rank) RETURNS text STABLE LANGUAGE sql AS $x$SELECT ''admin''$x$', 'CREATE CAST (app.rank AS text) WITH FUNCTION app.rank_text(app.rank)',
    'GRANT CREATE ON SCHEMA app TO regress_login', 'ALTER FUNCTION app.rank_text OWNER TO regress_login', 'CREATE TABLE app.typed (project_id uuid, user_id text, role app.rank, PRIMARY KEY (user_id, project_id))', 'SET LOCAL tarx_keys.membership = ''app.typed''');

-- warnings
SELECT 'a VOLATILE function'; SELECT after('CREATE FUNCTION app.is_member(text) RETURNS boolean LANGUAGE sql AS ''SELECT true''', 'GRANT CREATE ON SCHEMA app TO regress_app', 'ALTER FUNCTION app.is_member OWNER TO regress_app',
    'CREATE OR REPLACE VIEW app.project_roles AS SELECT m.project AS project_id, m.person AS user_id, m.rank AS role FROM app.members m WHERE app.is_member(m.person)');
SELECT 'security_invoker'; SELECT after('ALTER VIEW app.project_roles SET (security_invoker = true)');
SELECT 'not security_invoker'; SELECT after('ALTER VIEW app.project_roles SET (security_invoker = false)');
SELECT 'no index'; SELECT after('DROP INDEX app.members_person_project_idx');
SELECT 'an index for one of the two'; SELECT after('DROP INDEX app.members_person_project_idx', 'CREATE INDEX ON app.members (project)');
SELECT 'an index for both'; SELECT after('DROP INDEX app.members_person_project_idx', 'CREATE INDEX ON app.members (person)');
SELECT 'an index that serves neither'; SELECT after('DROP INDEX app.members_person_project_idx', 'CREATE INDEX ON app.members (note)', 'CREATE INDEX ON app.members (person COLLATE "POSIX")');
SELECT 'an index on an expression'; SELECT after('CREATE TABLE app.memberships (project_id uuid, account_id uuid, rank text, left_at timestamptz)', 'CREATE INDEX ON app.memberships ((account_id::text), project_id)', 'ALTER TABLE app.memberships OWNER TO regress_app',
    'DROP VIEW app.project_roles',
    'CREATE VIEW app.project_roles AS SELECT m.project_id, m.account_id::text AS user_id, m.rank AS role FROM app.memberships m WHERE m.left_at IS NULL', 'ALTER VIEW app.project_roles OWNER TO regress_app');
SELECT 'row security, forced'; SELECT after('ALTER TABLE app.members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY');
SELECT 'row security, not forced'; SELECT after('ALTER TABLE app.members ENABLE ROW LEVEL SECURITY');
SELECT 'row security, that shows all'; SELECT after('ALTER TABLE app.members ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY', 'CREATE POLICY x ON app.members FOR SELECT TO regress_app USING (true)');
SELECT 'row security, of another owner''s table'; SELECT after('GRANT CREATE ON SCHEMA app TO regress_other', 'ALTER TABLE app.members OWNER TO regress_other', 'GRANT SELECT ON app.members TO regress_app', 'ALTER TABLE app.members ENABLE ROW LEVEL SECURITY');
SELECT 'types'; SELECT after('CREATE TABLE app.typed (project_id uuid, user_id bigint, role "char", PRIMARY KEY (user_id, project_id))', 'ALTER TABLE app.typed OWNER TO regress_app', 'SET LOCAL tarx_keys.membership = ''app.typed''');
SELECT 'types that serve'; SELECT after('CREATE DOMAIN app.person AS varchar(50)', 'GRANT USAGE ON TYPE app.person TO regress_app', 'CREATE TABLE app.typed (project_id uuid, user_id app.person, role text, PRIMARY KEY (user_id, project_id))', 'ALTER TABLE app.typed OWNER TO regress_app', 'SET LOCAL tarx_keys.membership = ''app.typed''');
SELECT 'uuid'; SELECT after('CREATE TABLE app.typed (project_id uuid, user_id uuid, role text, PRIMARY KEY (user_id, project_id))', 'ALTER TABLE app.typed OWNER TO regress_app', 'SET LOCAL tarx_keys.membership = ''app.typed''');
SELECT 'collation'; SELECT after('CREATE COLLATION app.whatever_case (provider = icu, locale = ''und-u-ks-level2'', deterministic = false)',
    'CREATE TABLE app.typed (project_id uuid, user_id text COLLATE app.whatever_case, role text, PRIMARY KEY (user_id, project_id))', 'ALTER TABLE app.typed OWNER TO regress_app', 'SET LOCAL tarx_keys.membership = ''app.typed''');

RESET tarx_keys.membership;
DROP FUNCTION after;
DROP VIEW findings;
SET client_min_messages = warning;
DROP SCHEMA app CASCADE;
DROP ROLE regress_app, regress_other;
\i :clean_up
