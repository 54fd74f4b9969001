# The kernel refuses to lock memory, whatever the limits say, as a seccomp profile may:
# the server runs, has no keyring, and says so; no secret gets into memory that could be
# swapped or dumped. What needs no keyring goes on.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;
use Faults;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $without = "$dir/without_mlock";
command_ok([ 'cc', '-Wall', '-Wextra', '-o', $without, "$FindBin::RealBin/without_mlock.c" ], 'what refuses system calls');

my $node = new_node('no_mlock', keyring => { master_key => hex_key('a') }, conf => "log_statement = all\n");
$node->start;
my $story = new_story($node);
my ($key) = values %{ $story->{keys} };
$node->stop;

# Start the server without these system calls.
sub start_without
{
	my (@calls) = @_;
	my $offset = log_size($node);

	system_log($without, @calls, '--', 'pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile, 'start') == 0
	  or die 'the server does not start';
	$node->_update_pid(1);
	return log_since($node, $offset);
}

foreach my $case ([ 'mlock', 'mlock', 'mlock2' ], [ 'madvise, which keeps the page out of core dumps', 'madvise' ])
{
	my ($test, @calls) = @$case;
	my $start = log_size($node);
	my $said = start_without(@calls);

	like($said, qr/could not lock memory for the master keyring: Operation not permitted/, "$test: the log says so");
	like($said, qr/no usable master keyring\n.*could not be locked.*\n.*HINT:  .*restart the server/m, "$test: and what to do");
	like(slurp_file('/proc/' . postmaster_of($node) . '/status'), qr/^Seccomp:\s+2$/m, "$test: by the filter");
	state_is($node, 'runner', resolve_sql($key), 'TK005', "$test: a key does not resolve");
	state_is($node, 'service', "SELECT tarx_keys.login('$story->{token}')", 'TK005', "$test: a token does not log in");
	state_is($node, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.set_secret('$PROJECT', 'NEW', '} . value_of('new') . q{')}, 'TK005', "$test: nothing is sealed");
	is(ask_ok($node, 'service', "SELECT tarx_keys.act_as('bob', '$PROJECT'); SELECT count(*) FROM tarx_keys.llm_keys"), 3, "$test: lists are read");
	is( $node->safe_psql('postgres', q{SELECT count(*) FROM tarx_keys.doctor() WHERE check_name = 'keyring' AND severity = 'critical'}),
		1, "$test: doctor() is critical");
	# a reload does not help, and neither hangs nor crashes
	like(reload_keyring_without_lock(), qr/no usable master keyring\n.*could not be locked/, "$test: nor does a reload");
	is_same_server($node, $start, $test);
	$node->stop;
}

sub reload_keyring_without_lock
{
	my $offset = log_size($node);

	wait_for_worker($node);
	$node->reload;
	$node->wait_for_log(qr/no usable master keyring/, $offset);
	return log_since($node, $offset);
}

$node->start;
story_holds($node, $story, 'with them again');
all_verifies($node, 'with them again');
nothing_leaked($node, $story, 'all the time');
$node->stop;
done_testing();
