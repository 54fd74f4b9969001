# How projects and users end, where that takes a server's log, restarts, dumps and
# a standby: lines in the log, an end without the keyring, ids that stay taken in a
# restored database, and logins that end with their key, on a standby as well.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $keys = write_private("$dir/keys", hex_key('endings'));
my $node = new_node(
	'endings',
	init => { allows_streaming => 1 },
	keyring => { master_key_file => $keys });
$node->start;
install($node);
$node->append_conf('postgresql.conf', 'tarx_keys.require_login = on');
$node->restart;
$node->safe_psql(
	'postgres', q{
	CREATE ROLE web LOGIN IN ROLE tarx_keys_login;
	CREATE ROLE leavers LOGIN;
	GRANT USAGE ON SCHEMA tarx_keys TO leavers;
	GRANT EXECUTE ON FUNCTION tarx_keys.end_user TO leavers});
my ($gone, $purged, $other) = map { $PROJECT =~ s/1/$_/gr } 2, 3, 4;

# As users, whom nobody else may name here
sub as_user
{
	my ($user, $sql) = @_;
	return ask_ok($node, undef, "SET LOCAL tarx_keys.require_login = off; SELECT tarx_keys.act_as('$user'); $sql");
}

sub lines_since
{
	my ($offset) = @_;
	return join "\n", log_since($node, $offset) =~ /LOG:  (tarx_keys: .*)/g;
}

# A user, where act_as() is refused

my %token = map { $_ => as_user($_, "SELECT token FROM tarx_keys.create_platform_key('laptop')") } qw(alice bob);
my $login = "SELECT user_id FROM tarx_keys.login('$token{bob}', '$PROJECT')";
is(ask_ok($node, 'web', $login), 'bob', 'bob logs in');
my $offset = log_size($node);
is(ask_ok($node, 'leavers', q{SELECT * FROM tarx_keys.end_user('bob')}), '1|1', 'the platform ends him');
is(lines_since($offset), 'tarx_keys: role "leavers" ends a user: revoked platform keys: 1, left projects: 1', 'the log says so');
state_is($node, 'web', $login, 'TK010', 'his key is no good any more');
state_is($node, 'leavers', "SELECT tarx_keys.act_as('alice')", '42501', 'who ends users does nothing else');
state_is($node, 'web', "SELECT * FROM tarx_keys.end_user('alice')", '42501', 'and nobody else ends them');
$offset = log_size($node);
state_is($node, 'leavers', "SELECT * FROM tarx_keys.end_user('alice', 'mallory')", '42501', 'no successor of the caller\'s choice');
is(ask_ok($node, 'leavers', q{SELECT * FROM tarx_keys.end_user('nobody')}), '0|0', 'somebody unknown');
is(lines_since($offset), '', 'nothing was done');

# Projects: one ends, one is purged

as_user('alice', qq{
	SELECT tarx_keys.create_project('Gone', '$gone'), tarx_keys.create_project('Purged', '$purged');
	SELECT tarx_keys.add_llm_key('$gone', 'openai', 'key', 'sk-proj-0123456789abcdef');
	SELECT tarx_keys.delete_project('$gone'), tarx_keys.delete_project('$purged')});
$offset = log_size($node);
$node->safe_psql('postgres', "SELECT tarx_keys.purge_project('$purged')");
like(lines_since($offset), qr/^tarx_keys: role "\w+" purges project $purged$/, 'a purge leaves a line');

# A dump takes along that they have ended

sub state_of_projects
{
	my ($db) = @_;
	return $node->safe_psql(
		$db, q{
		SELECT p.id, p.name, p.created_by, p.ended_by, p.ended_at, v.ok,
			   (SELECT count(*) FROM tarx_keys.audit_log a WHERE a.project_id = p.id),
			   (SELECT count(*) FROM tarx_keys.project_llm_keys t WHERE t.project_id = p.id AND t.state = 'deleted')
		  FROM tarx_keys.projects p, tarx_keys.verify_audit(p.id) v ORDER BY p.id});
}

$node->safe_psql('postgres', 'CREATE DATABASE restored');
$node->command_ok([ 'pg_dump', '-Fc', '-f', "$dir/dump", $node->connstr('postgres') ], 'pg_dump');
$node->command_ok([ 'pg_restore', '-d', $node->connstr('restored'), "$dir/dump" ], 'pg_restore');
is(state_of_projects('restored'), state_of_projects('postgres'), 'projects are as they were');
foreach my $id ($gone, $purged)
{
	state_is($node, undef, qq{
		SET LOCAL tarx_keys.require_login = off;
		SELECT tarx_keys.act_as('mallory');
		SELECT tarx_keys.create_project('x', '$id')}, '23505', "the id of $id stays taken", 'restored');
}

# A login ends with its key on a standby as well, in the middle of a transaction

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('endings_standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nwal_receiver_status_interval = 1");
$standby->start;
$node->wait_for_catchup($standby);
my $session = $standby->background_psql('postgres', on_error_stop => 0,
	extra_params => [ '-U', 'web', '-v', 'VERBOSITY=verbose' ]);
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($session->query_safe("SELECT user_id FROM tarx_keys.login('$token{alice}')"), 'alice', 'a login on a standby');
is($session->query_safe('SELECT name FROM tarx_keys.projects'), 'Story', 'a list');
as_user('alice', 'SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys WHERE revoked_at IS NULL');
$node->wait_for_catchup($standby);
$session->query('SELECT name FROM tarx_keys.projects');
is(state_of($session->{stderr}), 'TK010', 'once the revocation is replayed, the next list is refused');
$session->quit;
$standby->stop;

# Refused for a key that has ended: a line of its own

$token{alice} = as_user('alice', "SELECT token FROM tarx_keys.create_platform_key('another')");
my $key = $node->safe_psql('postgres', q{SELECT id FROM tarx_keys.platform_api_keys WHERE name = 'another'});
$offset = log_size($node);
$session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'web' ]);
$session->query_safe('BEGIN');
$session->query_safe("SELECT * FROM tarx_keys.login('$token{alice}')");
as_user('alice', "SELECT tarx_keys.revoke_platform_key('$key')");
$session->query("SELECT tarx_keys.create_agent('$PROJECT', 'x')");
$session->quit;
is( lines_since($offset),
	"tarx_keys: event=manage outcome=refused project=$PROJECT object=- sqlstate=TK010 login=web role=- user=alice client=[local]",
	'a change is refused, with a line');

# Idle transactions that hold all lanes of a project's audit log hold up no end

my $held = $PROJECT =~ s/1/5/gr;
my $held_key = as_user('alice', qq{
	SELECT tarx_keys.create_project('Held', '$held');
	SELECT tarx_keys.add_member('$held', 'dave');
	SELECT tarx_keys.add_llm_key('$held', 'openai', 'key', 'sk-proj-0123456789abcdef')});
my @holders;
foreach (1 .. 4)
{
	my $holder = $node->background_psql('postgres');
	$holder->query_safe('BEGIN');
	$holder->query_safe('SET LOCAL tarx_keys.require_login = off');
	$holder->query_safe("SELECT tarx_keys.act_as('alice')");
	# a change of nothing, which has its lane all the same
	$holder->query_safe("SELECT tarx_keys.repoint_agents('$held', gen_random_uuid(), '$held_key')");
	push @holders, $holder;
}
$offset = log_size($node);
is(ask_ok($node, 'leavers', q{SET LOCAL statement_timeout = '60s'; SELECT * FROM tarx_keys.end_user('dave')}), '0|1', 'a user');
as_user('alice', "SET LOCAL statement_timeout = '60s'; SELECT tarx_keys.delete_project('$held')");
is($node->safe_psql('postgres', "SELECT ended_by FROM tarx_keys.projects WHERE id = '$held'"), 'alice', 'a project');
is( join(' ', map { /user=(\w+)/ } grep { /outcome=unlogged project=$held .* sqlstate=55P03/ } split /\n/, lines_since($offset)),
	'dave alice', 'the log has both');
$_->quit foreach @holders;

# Without the keyring: nothing can be logged, and the user ends all the same

as_user('alice', qq{
	SELECT tarx_keys.create_project('Other', '$other');
	SELECT tarx_keys.add_member('$other', 'carol', 'admin'), tarx_keys.add_member('$PROJECT', 'carol')});
as_user('carol', "SELECT token FROM tarx_keys.create_platform_key('laptop')");
my $carols = $node->safe_psql('postgres', q{SELECT id FROM tarx_keys.platform_api_keys WHERE user_id = 'carol'});
my %memberships = map { $_ => $node->safe_psql('postgres', "SELECT id FROM tarx_keys.project_members WHERE user_id = 'carol' AND project_id = '$_'") } $PROJECT, $other;
write_private($keys, 'no key');
$node->stop;
$node->start;
$offset = log_size($node);
is(ask_ok($node, 'leavers', q{SELECT * FROM tarx_keys.end_user('carol')}), '1|2', 'without a keyring');
is( join("\n", sort grep { /unlogged/ } split /\n/, lines_since($offset)),
	join("\n",
		sort map { my ($project, $object, $action) = @$_; "tarx_keys: event=manage outcome=unlogged project=$project object=$object sqlstate=TK005 login=leavers role=- user=carol client=[local] action=$action" }
		  [ '-', $carols, 'platform_key.revoke' ], map { [ $_, $memberships{$_}, 'member.end' ] } $PROJECT, $other),
	'the log has what the audit log could not take');
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM tarx_keys.project_members WHERE user_id = 'carol'
		UNION ALL SELECT count(*) FROM tarx_keys.platform_api_keys WHERE user_id = 'carol' AND revoked_at IS NULL}),
	"0\n0", 'nothing is left');

$node->stop;
done_testing();
