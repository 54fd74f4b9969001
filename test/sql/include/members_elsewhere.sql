-- An application that says itself who is a member of which project. Included with ECHO
-- none, after people.sql, so it must print nothing. The projects of people.sql are there
-- with other people, of whom our own table knows nothing:
--
--   A  ann (admin), kim (key_manager), max (member), vera (viewer)
--   B  max (admin)
--   C  ann (admin), which has not been created here
CREATE ROLE regress_app;
CREATE SCHEMA app AUTHORIZATION regress_app;
GRANT USAGE ON SCHEMA app TO PUBLIC;
SET ROLE regress_app;
CREATE TABLE app.members (project uuid, person text COLLATE "C", rank text, note text);
CREATE INDEX ON app.members (person, project);
CREATE VIEW app.project_roles AS SELECT m.project AS project_id, m.person AS user_id, m.rank AS role FROM app.members m;
INSERT INTO app.members VALUES
    (:'A', 'ann', 'admin'), (:'A', 'kim', 'key_manager'), (:'A', 'max', 'member'), (:'A', 'vera', 'viewer'),
    (:'B', 'max', 'admin'), (:'nowhere', 'ann', 'admin');
RESET ROLE;
SET tarx_keys.membership = 'app.project_roles';
