# Members from a relation of the application, where that takes several sessions, a
# setting of the database, or a standby: what one session changes counts at the next
# call of another one, which has saved its plans and may have an old snapshot.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $keys = write_private("$dir/keys", hex_key('membership'));
my $node = new_node('membership', init => { allows_streaming => 1 }, keyring => { master_key_file => $keys });
$node->start;
install($node);
$node->safe_psql('postgres', qq{
	CREATE ROLE app;
	CREATE SCHEMA app AUTHORIZATION app;
	SET ROLE app;
	CREATE TABLE app.members (project_id uuid, user_id text, role text, PRIMARY KEY (user_id, project_id));
	INSERT INTO app.members VALUES ('$PROJECT', 'ann', 'admin'), ('$PROJECT', 'max', 'member');
	RESET ROLE});

# by ALTER DATABASE, for sessions from then on

is(ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice', '$PROJECT'); SELECT count(*) FROM tarx_keys.projects"), '1',
	'a member in our table');
$node->safe_psql('postgres', q{ALTER DATABASE postgres SET tarx_keys.membership = 'app.members'});
state_is($node, 'service', "SELECT tarx_keys.act_as('alice', '$PROJECT')", '42501', 'is none by the application');
is(ask_ok($node, 'service', "SELECT tarx_keys.act_as('ann', '$PROJECT'); SELECT count(*) FROM tarx_keys.projects"), '1',
	'who is one');
state_is($node, 'service', q{SET tarx_keys.membership = ''}, '42501', 'a service does not change the setting');
state_is($node, 'postgres', q{ALTER DATABASE postgres SET tarx_keys.membership = 'members'}, '22023', 'a name without a schema is none');

# A session that has saved its plans, in a transaction with a snapshot of its own

my $session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'service', '-qAt' ]);

sub asks
{
	my ($sql) = @_;
	return $session->query("\\set VERBOSITY sqlstate\n$sql");
}

sub state_of_session
{
	my ($sql) = @_;
	$session->{stderr} = '';
	asks("SAVEPOINT s; $sql; ROLLBACK TO s;");
	return $session->{stderr} =~ /ERROR:  (\w{5})/ ? $1 : 'none';
}
my $adds = "SELECT tarx_keys.create_agent('$PROJECT', 'x')";
asks("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT tarx_keys.act_as('max', '$PROJECT');");
is(asks('SELECT count(*) FROM tarx_keys.projects;'), '1', 'it sees the project');
is(state_of_session($adds), 'none', 'and may change it');
$node->safe_psql('postgres', q{DELETE FROM app.members WHERE user_id = 'max'});
is(state_of_session($adds), '42501', 'a row that is removed is seen at the next call');
is(asks('SELECT count(*) FROM tarx_keys.projects;'), '0', 'and by the next list');
$node->safe_psql('postgres', qq{INSERT INTO app.members VALUES ('$PROJECT', 'max', 'viewer')});
is(asks('SELECT count(*) FROM tarx_keys.projects;'), '1', 'and so is one that is added');
is(state_of_session($adds), '42501', 'with its role');
$node->safe_psql('postgres', q{UPDATE app.members SET role = 'key_manager' WHERE user_id = 'max'});
is(state_of_session($adds), 'none', 'and one that is changed');
asks('COMMIT;');

# A function in a view has that snapshot, too, unless it is VOLATILE: doctor() warns of those

$node->safe_psql('postgres', q{
	ALTER TABLE app.members RENAME TO rows;
	CREATE FUNCTION app.role_of(id text) RETURNS text LANGUAGE plpgsql AS 'BEGIN RETURN (SELECT r.role FROM app.rows r WHERE r.user_id = id); END';
	ALTER FUNCTION app.role_of OWNER TO app;
	CREATE VIEW app.members AS SELECT project_id, user_id, app.role_of(user_id) AS role FROM app.rows;
	ALTER VIEW app.members OWNER TO app});
foreach my $case ([ 'VOLATILE', 'none' ], [ 'STABLE', '42501' ])
{
	my ($volatility, $state) = @$case;
	$node->safe_psql('postgres', qq{
		ALTER FUNCTION app.role_of $volatility;
		UPDATE app.rows SET role = 'member' WHERE user_id = 'max'});
	asks("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT tarx_keys.act_as('max', '$PROJECT');");
	$node->safe_psql('postgres', q{UPDATE app.rows SET role = 'viewer' WHERE user_id = 'max'});
	is(state_of_session($adds), $state, "what a $volatility function reads");
	asks('COMMIT;');
}
$node->safe_psql('postgres', q{
	DROP VIEW app.members;
	ALTER TABLE app.rows RENAME TO members});

# The relation changes between its transactions

sub after
{
	my ($sql, $state, $test) = @_;
	$node->safe_psql('postgres', $sql);
	asks('BEGIN;');
	is(state_of_session("SELECT tarx_keys.act_as('max', '$PROJECT')"), $state, $test);
	asks('COMMIT;');
	return;
}
after('ALTER TABLE app.members RENAME TO others', '55000', 'it is away');
after('ALTER TABLE app.others RENAME TO members', 'none', 'and back');
after('ALTER TABLE app.members ALTER user_id TYPE varchar(100)', 'none', 'its column has another type');
after('ALTER TABLE app.members RENAME role TO rank', '55000', 'it lacks a column');
after('ALTER TABLE app.members RENAME rank TO role; ALTER TABLE app.members OWNER TO postgres', 'none', 'a superuser owns it');
after('ALTER TABLE app.members OWNER TO app; GRANT tarx_keys_agent TO app', '55000', 'its owner gets a role of ours');
after('REVOKE tarx_keys_agent FROM app', 'none', 'and loses it');
after('ALTER TABLE app.members RENAME TO rows; CREATE VIEW app.members AS SELECT * FROM app.rows; ALTER VIEW app.members OWNER TO app',
	'none', 'a view takes its place');
after('DROP VIEW app.members', '55000', 'it is dropped');
after('ALTER TABLE app.rows RENAME TO members', 'none', 'it is there again');
$session->quit;

# On a standby

$node->backup('base');
my $standby = PostgreSQL::Test::Cluster->new('membership_standby');
$standby->init_from_backup($node, 'base', has_streaming => 1);
$standby->start;
my $token = ask_ok($node, 'service', q{SELECT tarx_keys.act_as('ann'); SELECT token FROM tarx_keys.create_platform_key('x')});
my $account = ask_ok($node, 'service', "SELECT tarx_keys.act_as('ann'); SELECT tarx_keys.create_service_account('$PROJECT', 'programs', 'viewer')");
my $program = ask_ok($node, 'service', "SELECT tarx_keys.act_as('ann'); SELECT token FROM tarx_keys.create_service_account_key('$PROJECT', '$account', 'x')");
$node->wait_for_catchup($standby);
is(ask_ok($standby, 'service', "SELECT * FROM tarx_keys.login('$token', '$PROJECT')"), 'ann|admin', 'a login on a standby');
is(ask_ok($standby, 'service', q{SELECT tarx_keys.act_as('ann'); SELECT count(*) FROM tarx_keys.projects}), '1', 'a list there');
is(ask_ok($standby, 'service', "SELECT * FROM tarx_keys.login('$program', '$PROJECT')"), "$account|viewer", 'a login of a service account');
state_is($standby, 'service', "SELECT tarx_keys.act_as('alice', '$PROJECT')", '42501', 'who is no member');
$node->safe_psql('postgres', q{DELETE FROM app.members WHERE user_id = 'ann'});
$node->wait_for_catchup($standby);
state_is($standby, 'service', "SELECT * FROM tarx_keys.login('$token', '$PROJECT')", '42501', 'who is one no more');
is( $standby->safe_psql('postgres', q{SELECT severity FROM tarx_keys.doctor() WHERE check_name ~ '^membership' ORDER BY 1}),
	"ok\nok",
	'doctor() looks at it there');

$standby->stop;
$node->stop;
done_testing();
