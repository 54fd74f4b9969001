# Recovery from an archive, beyond test/t/200_point_in_time.pl: to points in the midst of
# a rotation and of a load, looked at while it waits there; on along a timeline of its own;
# and from an archive that lacks a segment.

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
my $file = write_private("$dir/keys", hex_key('a'));
my $node = new_node(
	'archived',
	init => { has_archiving => 1, allows_streaming => 1 },
	keyring => { master_key_file => $file },
	conf => "log_statement = all\nwal_level = replica\n");
$node->start;
my $story = new_story($node, 5);
$node->backup('base');

sub restore_point
{
	my ($name) = @_;
	$node->safe_psql('postgres', "SELECT pg_create_restore_point('$name')");
	return;
}

# Have all WAL so far archived; returns the last segment's name.
sub archive
{
	my ($cluster) = @_;
	my $segment = $cluster->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())');

	$cluster->safe_psql('postgres', 'SELECT pg_switch_wal()');
	$cluster->poll_query_until('postgres', "SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver")
	  or die 'the segment was not archived';
	return $segment;
}

# A rotation that stops on its way: it has to wait for a row, and is cancelled then.
write_private($file, hex_key('b') . "\n" . hex_key('a'));
reload_keyring($node);
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; SELECT count(*) FROM (SELECT FROM tarx_keys.agents FOR UPDATE) s; LOCK TABLE tarx_keys.platform_api_keys IN EXCLUSIVE MODE');
my ($status, $out, $err) = $node->psql('postgres', "SET statement_timeout = '2s'; CALL tarx_keys.rotate_master_key(1)", extra_params => [ '-v', 'VERBOSITY=verbose' ]);
is(state_of($err), '57014', 'a rotation is cancelled');
$holder->query_safe('COMMIT');
$holder->quit;
my $remaining = $node->safe_psql('postgres', 'SELECT sum(remaining) FROM tarx_keys.rotation_progress');
my $done = $node->safe_psql('postgres', 'SELECT sum(done) FROM tarx_keys.rotation_progress');
cmp_ok($remaining, '>', 0, 'a part of it is left');
cmp_ok($done, '>', 0, 'a part of it is done');
restore_point('half_rotated');

# A transaction is open at the point.
my $open = $node->background_psql('postgres', extra_params => [ '-U', 'service' ]);
$open->query_safe("BEGIN; SELECT tarx_keys.act_as('alice', '$PROJECT') AS nothing \\gset\nSELECT tarx_keys.set_secret('$PROJECT', 'OPEN', 'x')");
add_to_story($node, $story, 'before');
restore_point('open_transaction');
$open->query_safe('COMMIT');
$open->quit;

# What comes after it
my %then = %{ $story->{keys} };
as_alice($node, "tarx_keys.delete_llm_key('$PROJECT', id) FROM tarx_keys.llm_keys WHERE name = 'no 1'");
as_alice($node, "tarx_keys.remove_member('$PROJECT', 'bob')");
$node->safe_psql('postgres', 'CALL tarx_keys.rotate_master_key()');
my $last = archive($node);
all_verifies($node, 'the archived server');

sub as_alice
{
	my ($cluster, $sql) = @_;
	return ask_ok($cluster, 'service', "SELECT tarx_keys.act_as('alice', '$PROJECT'); SELECT $sql");
}

sub recover
{
	my ($name, $target, $action, $from) = @_;
	my $recovered = PostgreSQL::Test::Cluster->new($name);

	$recovered->init_from_backup($from || $node, 'base', has_restoring => 1, standby => 0);
	$recovered->append_conf('postgresql.conf', "$target\nrecovery_target_action = $action\narchive_mode = off\n");
	set_keyring($recovered, master_key_file => $file);
	return $recovered;
}

# To the midst of the rotation, where it waits

my $half = recover('half', "recovery_target_name = 'half_rotated'", 'pause');
$half->start;
$half->poll_query_until('postgres', q{SELECT pg_get_wal_replay_pause_state() = 'paused'}) or die 'recovery does not pause';
my %half_story = (%$story, keys => { map { $_ => $then{$_} } grep { $_ ne 'before' } keys %then },
	secrets => { map { $_ => $story->{secrets}{$_} } grep { $_ ne 'BEFORE' } keys %{ $story->{secrets} } });
story_holds($half, \%half_story, 'paused');
all_verifies($half, 'paused');
is($half->safe_psql('postgres', 'SELECT sum(done) FROM tarx_keys.rotation_progress'), $done, 'paused: as far as the rotation was');
state_is($half, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$PROJECT', 'NEW', 'x')", '25006', 'paused: nothing changes');
$half->safe_psql('postgres', 'SELECT pg_wal_replay_resume()');
$half->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
is($half->safe_psql('postgres', 'SELECT sum(remaining) FROM tarx_keys.rotation_progress'), $remaining, 'promoted: as much is left');
$half->safe_psql('postgres', 'CALL tarx_keys.rotate_master_key()');
is($half->safe_psql('postgres', 'SELECT sum(remaining) FROM tarx_keys.rotation_progress'), 0, 'promoted: the rotation comes to its end');
story_holds($half, \%half_story, 'promoted');
as_alice($half, "tarx_keys.set_secret('$PROJECT', 'ON_ITS_OWN', 'x')");
all_verifies($half, 'promoted');
nothing_leaked($half, $story, 'promoted');
$half->stop;

# To where a transaction was open: nothing is there of that

my $opened = recover('opened', "recovery_target_name = 'open_transaction'", 'promote');
$opened->append_conf('postgresql.conf', "archive_mode = on\narchive_command = 'cp \"%p\" \"" . $node->archive_dir . "/%f\"'\n");
$opened->start;
$opened->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
story_holds($opened, $story, 'an open transaction');
state_is($opened, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'OPEN')", 'TK011', 'an open transaction: nothing is there of it');
is($opened->safe_psql('postgres', q{SELECT count(*) FROM tarx_keys.audit_log WHERE object_name = 'OPEN'}), 0, 'nor in the audit log');
all_verifies($opened, 'an open transaction');
as_alice($opened, "tarx_keys.set_secret('$PROJECT', 'TIMELINE', 'second')");
archive($opened);
$opened->stop;

# Along that timeline: what was done there, and not what the first one had

my $along = recover('along', "recovery_target_timeline = '2'", 'promote');
$along->start;
$along->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
story_holds($along, $story, 'another timeline');
is(ask_ok($along, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'TIMELINE')"), 'second', 'another timeline: what was done on it');
all_verifies($along, 'another timeline');
$along->stop;

# A segment is missing: the server ends, and says why; with it, it starts.

my $gap = recover('gap', "recovery_target_name = 'open_transaction'\nrecovery_target_timeline = '1'", 'promote');
my $needed = (sort grep { /^00000001[0-9A-F]{16}$/ && $_ le $last } map { s/.*\///r } glob $node->archive_dir . '/*')[-1];
rename($node->archive_dir . "/$needed", "$dir/$needed") or die "could not move \"$needed\": $!";
$gap->start(fail_ok => 1);
ok(wait_until(sub { !-e $gap->data_dir . '/postmaster.pid' }), 'a segment is missing: the server does not start');
like(slurp_file($gap->logfile), qr/FATAL:  recovery ended before configured recovery target was reached/, 'a segment is missing: PostgreSQL says so');
$gap->_update_pid(0);
rename("$dir/$needed", $node->archive_dir . "/$needed") or die "could not move \"$needed\": $!";
$gap->start;
$gap->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()') or die 'recovery does not end';
story_holds($gap, $story, 'the segment is back');
all_verifies($gap, 'the segment is back');
nothing_leaked($gap, $story, 'the segment is back');
$gap->stop;

nothing_leaked($node, $story, 'the archived server');
$node->stop;
done_testing();
