# Run tickets where there are several servers and databases, over time, on a standby,
# with master keys that change, and in the logs.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $keys = write_private("$dir/keys", hex_key('a'));
my $value = 'sk-proj-tickets-0123456789abcdef01234567';

my $primary = new_node(
	'primary',
	init => { allows_streaming => 1 },
	keyring => { master_key_file => $keys },
	conf => "tarx_keys.log_resolves = off\nlog_statement = all\nlog_min_messages = log\n");
$primary->start;
install($primary);
my $key = add_key($primary, 'first', $value);
my $agent = ask_ok($primary, 'service', as_bob("create_agent('$PROJECT', 'Helper', '$key')"));

sub as_bob
{
	my ($call) = @_;
	return "SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.$call";
}

sub issue
{
	my ($node, $more) = @_;
	return ask_ok($node, 'service', as_bob("issue_run_ticket('$PROJECT', '$agent'" . ($more || '') . ')'));
}

sub run_is
{
	my ($node, $ticket, $expected, $name, $db) = @_;
	if ($expected =~ /^TK|^42/)
	{
		state_is($node, 'runner', run_sql($ticket), $expected, $name, $db);
	}
	else
	{
		is(ask_ok($node, 'runner', run_sql($ticket), $db), $expected, $name);
	}
	return;
}

# Of the log: a line for each ticket, whatever the setting says, and the ticket in none

my $offset = log_size($primary);
my $ticket = issue($primary);
my $renewed = ask_ok($primary, 'runner', "SELECT tarx_keys.renew_run_ticket('$ticket', '1 hour')");
run_is($primary, $ticket, $value, 'a run resolves');
run_is($primary, $renewed, $value, 'so does a renewed one');
my $log = log_since($primary, $offset);
my ($id) = $log =~ /event=issue_run_ticket outcome=allowed project=$PROJECT object=$agent sqlstate=- login=service role=- user=bob client=\S+ run=([-0-9a-f]{36})/;
ok($id, 'issuing has a line') or diag($log);
like($log, qr/event=renew_run_ticket outcome=allowed .* login=runner role=- user=- client=\S+ run=$id/, 'and renewing, with the same id');
unlike($log, qr/event=resolve /, 'uses have none');
unlike($log, qr/tarx-run-|\Q$value\E/, 'no line has a ticket or a value');
$primary->append_conf('postgresql.conf', "tarx_keys.log_resolves = all\n");
$primary->reload;
ok($primary->poll_query_until('postgres', q{SELECT current_setting('tarx_keys.log_resolves') = 'all'}), 'uses are logged');
$offset = log_size($primary);
run_is($primary, $ticket, $value, 'again');
state_is($primary, 'runner', "SELECT tarx_keys.enter_run('$ticket'); SELECT tarx_keys.resolve_key('$PROJECT', '$PROJECT')", '42501', 'of another key');
state_is($primary, 'runner', "SELECT tarx_keys.enter_run('" . substr($ticket, 0, -4) . "')", 'TK016', 'what is no ticket');
$log = log_since($primary, $offset);
like($log, qr/event=resolve outcome=allowed .*run=$id/, 'a use names the ticket');
like($log, qr/event=resolve outcome=refused .*sqlstate=42501 .*run=$id/, 'a refusal, too');
like($log, qr/event=enter_run outcome=refused .*sqlstate=TK016/, 'what does not enter is logged');
unlike($log, qr/tarx-run-|\Q$value\E/, 'no line has a ticket or a value, whatever goes wrong');

# Time: said only of what is authentic

my $short = issue($primary, ", '1 second'");
ok(wait_until(sub { my ($status, undef, $err) = ask($primary, 'runner', run_sql($short)); $status != 0 && state_of($err) eq 'TK017' }), 'a ticket expires');
state_is($primary, 'runner', "SELECT tarx_keys.renew_run_ticket('$short')", 'TK017', 'and is not renewed then');
state_is($primary, 'runner', run_sql(substr($short, 0, -4) . 'AAAA'), 'TK016', 'what is no ticket does not expire');
my $ending = issue($primary, ", '1 second', '0'");
$ending = ask_ok($primary, 'runner', "SELECT tarx_keys.renew_run_ticket('$ending', '1 hour')");
ok(wait_until(sub { my ($status, undef, $err) = ask($primary, 'runner', run_sql($ending)); $status != 0 && state_of($err) eq 'TK017' }), 'nor is one beyond its end');

# Inside a transaction
my $session = $primary->background_psql('postgres', extra_params => [ '-U', 'runner' ], on_error_stop => 0);
my $brief = issue($primary, ", '2 seconds'");
$session->query("BEGIN; SELECT tarx_keys.enter_run('$brief')");
ok(wait_until(sub {
		$session->query("SAVEPOINT s; SELECT tarx_keys.resolve_agent_key('$PROJECT', '$agent'); ROLLBACK TO s");
		my $said = $session->{stderr};
		$session->{stderr} = '';
		return $said =~ /the run ticket has expired/;
	}), 'a run ends within its transaction');
$session->quit;

# Where it counts

my $restored = PostgreSQL::Test::Cluster->new('restored');
$restored->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
$restored->append_conf('postgresql.conf', "shared_preload_libraries = 'tarx_keys'\ntarx_keys.master_key_file = '$keys'\n");
$restored->start;
my $dump = "$dir/dump.sql";
command_ok([ 'pg_dump', '-f', $dump, $primary->connstr('postgres') ], 'a dump');
$restored->safe_psql('postgres', 'CREATE ROLE service LOGIN; CREATE ROLE runner LOGIN; CREATE ROLE tarx_keys_owner NOLOGIN; CREATE ROLE tarx_keys_backend NOLOGIN; CREATE ROLE tarx_keys_login NOLOGIN; CREATE ROLE tarx_keys_agent NOLOGIN');
command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', $dump, $restored->connstr('postgres') ], 'restored elsewhere, with the same master key');
$restored->safe_psql('postgres', 'GRANT tarx_keys_backend TO service; GRANT tarx_keys_agent TO runner');
run_is($restored, $ticket, 'TK016', 'a ticket of another server does not count');
run_is($primary, issue($restored), 'TK016', 'nor does one of a copy count in the original');
run_is($restored, issue($restored), $value, 'where its own do');
$restored->stop;
$primary->safe_psql('postgres', 'CREATE DATABASE other TEMPLATE postgres');
run_is($primary, $ticket, 'TK016', 'a ticket of another database does not count', 'other');

# On a standby

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
$standby->start;
$primary->wait_for_catchup($standby);
run_is($standby, $ticket, $value, 'a standby takes a ticket of its primary');
my $there = issue($standby);
run_is($primary, $there, $value, 'and gives out tickets itself');
$there = ask_ok($standby, 'runner', "SELECT tarx_keys.renew_run_ticket('$there')");
run_is($standby, $there, $value, 'it renews them');
ask_ok($primary, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.revoke_run_tickets('$PROJECT', '$agent')");
run_is($primary, $there, 'TK016', 'revoked');
$primary->wait_for_catchup($standby);
run_is($standby, $there, 'TK016', 'there as well, as soon as it is replayed');
run_is($standby, $ticket, 'TK016', 'all of them');
run_is($standby, issue($standby), $value, 'but for new ones');
$standby->stop;

# Required by the server

$primary->append_conf('postgresql.conf', "tarx_keys.require_run_ticket = on\n");
$primary->reload;
ok($primary->poll_query_until('postgres', q{SELECT current_setting('tarx_keys.require_run_ticket') = 'on'}), 'tickets are required');
state_is($primary, 'runner', "SET tarx_keys.require_run_ticket = off", '42501', 'which a runner cannot change');
state_is($primary, 'runner', "SELECT tarx_keys.resolve_agent_key('$PROJECT', '$agent')", 'TK016', 'none is given');
run_is($primary, issue($primary), $value, 'one is given');

# Master keys

$ticket = issue($primary);
write_private($keys, join("\n", hex_key('b'), hex_key('a')));
reload_keyring($primary);
run_is($primary, $ticket, $value, 'a ticket under the former master key');
$primary->safe_psql('postgres', 'CALL tarx_keys.rotate_master_key()');
run_is($primary, $ticket, $value, 'after a rotation as well');
write_private($keys, hex_key('b'));
reload_keyring($primary);
run_is($primary, $ticket, 'TK016', 'until that key is dropped');
run_is($primary, issue($primary), $value, 'new ones count');
set_keyring($primary);
$primary->restart;
state_is($primary, 'service', as_bob("issue_run_ticket('$PROJECT', '$agent')"), 'TK005', 'without a keyring none is issued');
run_is($primary, $ticket, 'TK005', 'and none is entered');

$primary->stop;
done_testing();
