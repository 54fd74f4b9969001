# Workers that are stopped, as by a debugger or an overloaded host, or killed: nobody
# waits for them, what they had to do they do later, and the server can be stopped.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;
use Faults;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = write_private("$dir/keys", hex_key('a'));
my $entries = 100;
my $node = new_node(
	'stopped_workers',
	keyring => { master_key_file => $file },
	conf => qq{
restart_after_crash = on
log_statement = all
tarx_keys.usage_entries = $entries
tarx_keys.usage_flush_interval = 1
});
$node->start;
my $story = new_story($node);
my @stopped;

sub stop_process
{
	my ($pid) = @_;

	push @stopped, $pid;
	kill('STOP', $pid) == 1 or die "could not stop $pid";
	wait_until(sub { slurp_file("/proc/$pid/status") =~ /^State:\s+T/m }) or die "$pid does not stop";
	return $pid;
}

sub usage_worker
{
	# another one is "tarx_keys usage flush"
	return wait_until(sub { child_pid(postmaster_of($node), qr/tarx_keys usage\s*\0*$/) });
}

sub flush_worker
{
	return wait_until(sub { child_pid(postmaster_of($node), qr/tarx_keys usage flush/) });
}

# When the keys of the story were last used, as it is written down; '' if that is not.
sub written_down
{
	return $node->safe_psql('postgres', q{SELECT max(last_used_at) FROM tarx_keys_internal.last_used WHERE kind = 'llm_key'});
}

sub uses_are_written_down
{
	my ($test) = @_;
	my $before = written_down();
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	story_holds($node, $story, $test);
	ok(wait_until(sub { written_down() ne $before }), "$test: uses are written down");
	return;
}

sub is_back
{
	my ($offset, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	ok(wait_until(sub { system('pg_isready', '-q', '-d', $node->connstr('postgres')) == 0 }), "$test: the server is back");
	return;
}

uses_are_written_down('at first');

# The one that reloads the keyring

wait_for_worker($node);
my $worker = stop_process(worker_pid($node));
my $offset = log_size($node);
write_private($file, hex_key('b') . "\n" . hex_key('a'));
$node->reload;
$node->wait_for_log(qr/received SIGHUP/, $offset);
story_holds($node, $story, 'the keyring\'s worker is stopped');
add_to_story($node, $story, 'with the old keyring');
like(keyring($node), qr/^[0-9a-f]{16}\|t\|4$/, 'a reload waits, and the keyring in use stays');
kill 'CONT', $worker;
ok(wait_until(sub { keyring($node) =~ /^[0-9a-f]{16}\|t\|0\n[0-9a-f]{16}\|f\|4$/ }), 'when it goes on it makes up for the reload');

$worker = stop_process(worker_pid($node));
write_private($file, hex_key('a') . "\n" . hex_key('b'));
$node->reload;
$offset = log_size($node);
kill 'KILL', $worker;
is_back($offset, 'it is killed while it is stopped');
ok(wait_until(sub { keyring($node) =~ /^[0-9a-f]{16}\|t\|4\n/ }), 'the next one makes up for the reload');
all_verifies($node, 'after that');

# The one that writes last uses down

uses_are_written_down('before it is stopped');
$worker = stop_process(usage_worker());
my $before = written_down();
story_holds($node, $story, 'the usage worker is stopped');
# more than there is room for
$node->safe_psql('postgres', qq{
	SET ROLE tarx_keys_backend;
	BEGIN;
	SELECT tarx_keys.act_as('alice', '$PROJECT');
	SELECT count(tarx_keys.set_secret('$PROJECT', 'S' || i, 's' || i)) FROM generate_series(1, 2 * $entries) i;
	COMMIT});
is( ask_ok($node, 'runner', "SELECT count(*) FILTER (WHERE value = lower(name)) FROM tarx_keys.resolve_secrets('$PROJECT') WHERE name ~ '^S\\d'"),
	2 * $entries, 'calls that cannot be counted return what they should');
is(written_down(), $before, 'nothing is written down');
cmp_ok($node->safe_psql('postgres', 'SELECT uncounted FROM tarx_keys_internal.usage_losses()'), '>', 0, 'they are counted as not counted');
kill 'CONT', $worker;
uses_are_written_down('when it goes on');

$worker = usage_worker();
$offset = log_size($node);
kill 'KILL', $worker;
is_back($offset, 'the usage worker is killed');
isnt(usage_worker(), $worker, 'there is another one');
uses_are_written_down('it is killed');

# The one that does so in a database

my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; LOCK TABLE tarx_keys_internal.last_used IN EXCLUSIVE MODE');
story_holds($node, $story, 'a flush has to wait');
$worker = stop_process(flush_worker());
$holder->query_safe('COMMIT');
story_holds($node, $story, 'a flush is stopped');
all_verifies($node, 'a flush is stopped');
$holder->quit;
$offset = log_size($node);
kill 'KILL', $worker;
is_back($offset, 'a flush is killed');
uses_are_written_down('a flush was killed');

# A server whose workers do not answer can be stopped.

stop_process(worker_pid($node));
stop_process(usage_worker());
$node->stop('immediate');
is(scalar(grep { kill 0, $_ } @stopped), 0, 'an immediate shutdown ends them');
$node->start;
story_holds($node, $story, 'the next server');
all_verifies($node, 'the next server');

nothing_leaked($node, $story, 'all the time');
$node->stop;
done_testing();
