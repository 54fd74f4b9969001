# DROP EXTENSION takes everything in its database, and nothing elsewhere; what it
# leaves, the roles, can be dropped with the last one; then all can begin anew.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $value = 'sk-proj-drop-0123456789abcdef0123456789';
my $drop_roles = 'DROP ROLE tarx_keys_owner, tarx_keys_backend, tarx_keys_login, tarx_keys_agent, tarx_keys_auditor';
my $node = new_node('drop', keyring => { master_key => hex_key('drop') });
$node->start;

# What the extension could leave behind, in this database and in the cluster
my $traces = q{
	SELECT 'role', rolname FROM pg_roles WHERE rolname ~ '^tarx_keys' ORDER BY 2;
	SELECT 'schema', nspname FROM pg_namespace WHERE nspname ~ 'tarx_keys';
	SELECT 'function', proname FROM pg_proc WHERE probin ~ 'tarx_keys';
	SELECT 'setting of a role', setconfig FROM pg_db_role_setting;
	SELECT 'default right', defaclacl FROM pg_default_acl;
	SELECT 'owned', pg_describe_object(classid, objid, objsubid) FROM pg_shdepend
		WHERE refobjid IN (SELECT oid FROM pg_roles WHERE rolname ~ '^tarx_keys')
			AND dbid IN (0, (SELECT oid FROM pg_database WHERE datname = current_database()));};

is($node->safe_psql('postgres', $traces), '', 'nothing at first');
install($node);
$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION tarx_keys');
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_project('Story', '$PROJECT')}, 'other');
my $key = add_key($node, 'here', $value);
my $there = add_key($node, 'there', $value, 'other');

# a session that stays connected, and has plans for what goes
my $session = $node->background_psql('postgres', on_error_stop => 0,
	extra_params => [ '-U', 'runner', '-v', 'VERBOSITY=verbose' ]);
is($session->query(resolve_sql($key)), $value, 'a key resolves');

$node->safe_psql('postgres', 'DROP EXTENSION tarx_keys');
is( $node->safe_psql('postgres', $traces),
	join("\n", map { "role|tarx_keys_$_" } qw(agent auditor backend login owner)),
	'DROP EXTENSION leaves four roles, which own nothing here');
$session->query(resolve_sql($key));
is(state_of($session->{stderr}), '3F000', 'a session that was connected has nothing left, either');
is(ask_ok($node, 'runner', resolve_sql($there), 'other'), $value, 'another database is as before');

state_is($node, undef, $drop_roles, '2BP01', 'no role can go while a database has the extension');
is(ask_ok($node, 'runner', resolve_sql($there), 'other'), $value, 'nor is anything lost by trying');
$node->safe_psql('other', 'DROP EXTENSION tarx_keys');
$node->safe_psql('postgres', $drop_roles);
is($node->safe_psql($_, $traces), '', "no trace in $_") foreach qw(postgres other);

# Anew: nobody has kept a right

$node->safe_psql('postgres', 'CREATE EXTENSION tarx_keys');
state_is($node, 'service', "SELECT tarx_keys.act_as('alice')", '42501', 'old members have no rights');
$node->safe_psql('postgres', 'GRANT tarx_keys_backend TO service; GRANT tarx_keys_agent TO runner');
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_project('Story', '$PROJECT')});
$session->{stderr} = '';
$session->query(resolve_sql($key));
is(state_of($session->{stderr}), 'TK001', 'the old session finds the new extension, without the old key');
$key = add_key($node, 'new', $value);
is($session->query(resolve_sql($key)), $value, 'and new ones');
$session->quit;

# Without the library, once the extension is gone

$node->safe_psql('postgres', "DROP EXTENSION tarx_keys; $drop_roles");
set_keyring($node);
$node->adjust_conf('postgresql.conf', 'shared_preload_libraries', "''");
$node->restart;
is($node->safe_psql('postgres', $traces), '', 'the server starts without the library');
$node->stop;

done_testing();
