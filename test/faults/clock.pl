# The clock jumps, forward and back, while the server runs: what has expired counts no
# more, what has not does, nothing is locked out for as long as the clock went back, and
# the audit log verifies with times in any order.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;
use Faults;

my ($library) = glob '/usr/lib/*/faketime/libfaketime.so.1';
need('libfaketime', $library);

my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = write_private("$dir/keys", hex_key('a'));
my $clock = write_private("$dir/clock", '+0');
my $node = new_node(
	'clock',
	keyring => { master_key_file => $file },
	conf => qq{
log_statement = all
tarx_keys.usage_flush_interval = 1
});

# The server's processes alone have this clock; timeouts and waits have the true one.
sub start_server
{
	local $ENV{LD_PRELOAD} = $library;
	local $ENV{FAKETIME_TIMESTAMP_FILE} = $clock;
	local $ENV{FAKETIME_NO_CACHE} = 1;
	local $ENV{FAKETIME_DONT_FAKE_MONOTONIC} = 1;

	$node->start;
	return;
}

# Set the server's clock so many seconds ahead of the true one.
sub set_clock
{
	my ($ahead) = @_;

	write_private($clock, sprintf('%+d', $ahead));
	my $is = $node->safe_psql('postgres', 'SELECT extract(epoch FROM clock_timestamp())') - time();
	die "the server's clock is $is seconds ahead" if abs($is - $ahead) > 30;
	return;
}

my ($hour, $day) = (3600, 86400);
start_server();
set_clock(0);
my $story = new_story($node);
my ($first, $second) = map { $story->{keys}{$_} } 'no 1', 'no 2';
my $start = log_size($node);

sub as_alice
{
	my ($sql) = @_;
	return ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice', '$PROJECT'); SELECT $sql");
}

# Things that end in an hour, and one that has been ended

my $ends = q{now() + interval '1 hour'};
my $expiring = as_alice("tarx_keys.add_llm_key('$PROJECT', 'openai', 'expiring', '" . value_of('expiring') . "', NULL, jsonb_build_object('expires_at', $ends))");
my $token = as_alice("token FROM tarx_keys.create_platform_key('expiring', $ends)");
my $revoked = as_alice("token FROM tarx_keys.create_platform_key('revoked')");
as_alice("tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys WHERE name = 'revoked'");
my $agent = as_alice("tarx_keys.create_agent('$PROJECT', 'one', '$first')");
my $ticket = as_alice("tarx_keys.issue_run_ticket('$PROJECT', '$agent')");

# For each, the value or the SQLSTATE
sub answers
{
	my %sql = (
		key => [ 'runner', resolve_sql($expiring) ],
		token => [ 'service', "SELECT user_id FROM tarx_keys.login('$token')" ],
		ticket => [ 'runner', run_sql($ticket) ],
		revoked => [ 'service', "SELECT user_id FROM tarx_keys.login('$revoked')" ]);
	my %found;

	foreach my $what (keys %sql)
	{
		my ($status, $out, $err) = ask($node, @{ $sql{$what} });
		$found{$what} = $status == 0 ? $out : state_of($err);
	}
	return \%found;
}

my $good = { key => value_of('expiring'), token => 'alice', ticket => value_of('no 1'), revoked => 'TK010' };
my $over = { key => 'TK015', token => 'TK010', ticket => 'TK017', revoked => 'TK010' };

is_deeply(answers(), $good, 'before they expire');
foreach my $case ([ 2 * $hour, $over ], [ 0, $good ], [ 400 * $day, $over ], [ -400 * $day, $good ], [ 0, $good ])
{
	my ($ahead, $expected) = @$case;
	my $test = sprintf('%+.1f days', $ahead / $day);

	set_clock($ahead);
	is_deeply(answers(), $expected, "$test: what expires");
	story_holds($node, $story, $test);
	as_alice("tarx_keys.set_secret('$PROJECT', 'CHANGED', 'x')");
	all_verifies($node, $test);
}
is( $node->safe_psql('postgres', q{
		SELECT count(*) > 0 FROM (SELECT at < lag(at) OVER (ORDER BY seq) AS back FROM tarx_keys.audit_log WHERE action = 'secret.set') s WHERE back}),
	't', 'the audit log has times that go back');

# A session that was there before: what a login has proven ends at its time.

my $session = $node->background_psql('postgres', on_error_stop => 0, extra_params => [ '-U', 'service', '-v', 'VERBOSITY=sqlstate' ]);
$session->query("BEGIN; SELECT tarx_keys.login('$token')");
is($session->query("SELECT count(*) > 3 FROM (SELECT tarx_keys.create_agent('$PROJECT', 'of a login') FROM generate_series(1, 4)) s"), 't', 'in a transaction');
set_clock(2 * $hour);
$session->{stderr} = '';
$session->query("SELECT tarx_keys.create_agent('$PROJECT', 'too late')");
like($session->{stderr}, qr/TK010/, 'in the same transaction, two hours later');
$session->query('ROLLBACK');
$session->quit;
set_clock(0);

# A key that cools: a day's jump back does not make that a day.

my $choose = "SELECT name FROM tarx_keys.resolve_provider_key('$PROJECT', 'openai')";
as_alice("tarx_keys.update_llm_key('$PROJECT', '$second', '{\"priority\": 1}')");
is(ask_ok($node, 'runner', $choose), 'no 2', 'a key is chosen');
set_clock($day);
ask_ok($node, 'runner', "SELECT tarx_keys.report_key('$PROJECT', '$second', 'server')");
isnt(ask_ok($node, 'runner', $choose), 'no 2', 'it cools');
set_clock(0);
is(ask_ok($node, 'runner', $choose), 'no 2', 'when the clock is set back it is chosen again');
ask_ok($node, 'runner', "SELECT tarx_keys.report_key('$PROJECT', '$second', 'rejected')");
set_clock(-$day);
isnt(ask_ok($node, 'runner', $choose), 'no 2', 'what the provider rejects stays out');
set_clock(0);
ask_ok($node, 'runner', "SELECT tarx_keys.report_key('$PROJECT', '$second', 'ok')");
set_clock($day);
ask_ok($node, 'runner', "SELECT tarx_keys.report_key('$PROJECT', '$second', 'quota')");
set_clock(0);
ask_ok($node, 'runner', "SELECT tarx_keys.report_key('$PROJECT', '$second', 'server')");
isnt(ask_ok($node, 'runner', $choose), 'no 2', 'what fails after that cools');
set_clock(0);
ask_ok($node, 'runner', "SELECT tarx_keys.report_key('$PROJECT', '$second', 'ok')");

# Last uses: those of the future stay until the clock is there, and cost nothing else.

set_clock($day);
ask_ok($node, 'runner', resolve_sql($first));
ok(wait_until(sub { $node->safe_psql('postgres', "SELECT max(last_used_at) > now() - interval '1 minute' FROM tarx_keys_internal.last_used WHERE id = '$first'") eq 't' }),
	'a use is written down a day ahead');
set_clock(0);
ask_ok($node, 'runner', resolve_sql($second));
ok(wait_until(sub { $node->safe_psql('postgres', "SELECT max(last_used_at) FROM tarx_keys_internal.last_used WHERE id = '$second'") ne '' }),
	'the worker goes on when the clock is set back');

# The keyring: a reload counts, whatever the clock says, also one that a worker that was
# ended has to leave to the next.

foreach my $case ([ $day, 'b' ], [ 0, 'c' ], [ -$day, 'd' ])
{
	my ($ahead, $label) = @$case;

	set_clock($ahead);
	write_private($file, hex_key($label) . "\n" . hex_key('a'));
	reload_keyring($node);
	is($node->safe_psql('postgres', 'SELECT count(*) FROM tarx_keys.keyring_status()'), 2, sprintf('%+d days: a reload', $ahead / $day));
}
set_clock($day);
write_private($file, hex_key('e') . "\n" . hex_key('a'));
reload_keyring($node);
my $active = (split /\|/, keyring($node))[0];
set_clock(0);
my $worker = worker_pid($node);
kill 'STOP', $worker;
write_private($file, hex_key('f') . "\n" . hex_key('a'));
my $offset = log_size($node);
$node->reload;
$node->wait_for_log(qr/received SIGHUP/, $offset);
# no signal that it could still handle
kill 'TERM', $worker;
kill 'CONT', $worker;
ok(wait_until(sub { (worker_pid($node) || $worker) != $worker }), 'the worker is ended, a day after its last load');
ok(wait_until(sub { (split /\|/, keyring($node))[0] ne $active }), 'the reload is made up for');

# What cannot be loaded is tried again, and the log says so, though the clock went back.

set_clock($day);
unlink $file;
reload_keyring($node);
$offset = log_size($node);
set_clock(0);
ok(wait_until(sub { log_since($node, $offset) =~ /master keyring not reloaded/ }), 'the clock was set back: the log goes on to say what cannot be loaded');
write_private($file, hex_key('a'));
ok(wait_until(sub { keyring($node) =~ /^[0-9a-f]{16}\|t\|\d+$/ }), 'a file that comes later is loaded');

# Restarts on another day

foreach my $ahead (400 * $day, 0)
{
	$node->stop;
	write_private($clock, sprintf('%+d', $ahead));
	start_server();
	is_deeply(answers(), $ahead ? $over : { %$good, ticket => $good->{ticket} }, 'after a restart');
	story_holds($node, $story, 'after a restart');
}
all_verifies($node, 'at the end');
is_same_server($node, $start, 'all the time');
nothing_leaked($node, $story, 'all the time');
$node->stop;
done_testing();
