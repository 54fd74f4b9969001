# Disks that are full: those of the tables, of temporary files and of the WAL. A call that
# needs room fails as a whole with PostgreSQL's error, one that needs none returns what it
# should, and when there is room again everything that was acknowledged is there.
#
# TARX_KEYS_SMALL_DISKS is a directory with three file systems of a few megabytes, which
# test/faults/run mounts.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;
use Faults;

my $disks = $ENV{TARX_KEYS_SMALL_DISKS};
need('small file systems, which test/faults/run mounts', $disks);

# Fill a disk to its last byte, or leave so many; and make room again.
sub fill
{
	my ($disk, $left) = @_;
	my $piece = "\0" x 4096;

	open(my $fh, '>:raw', "$disks/$disk/ballast") or die "could not create the ballast: $!";
	1 while syswrite($fh, $piece) && -s $fh < 2**30;
	die "the disk is not full: $!" unless $!{ENOSPC};
	truncate($fh, (-s $fh) - $left) or die "could not truncate the ballast: $!" if $left;
	close($fh);
	return;
}

sub make_room
{
	my ($disk) = @_;
	unlink("$disks/$disk/ballast") or die "could not remove the ballast: $!";
	return;
}

# Tables

my $node = new_node(
	'full_disk',
	keyring => { master_key => hex_key('a') },
	conf => qq{
log_statement = all
autovacuum = off
tarx_keys.usage_flush_interval = 1
tarx_keys.max_per_project = 100000
});
$node->start;
mkdir "$disks/$_/space" or die "could not make a directory: $!" foreach 'data', 'temp';
$node->safe_psql('postgres', qq{
	CREATE TABLESPACE small LOCATION '$disks/data/space';
	CREATE TABLESPACE temp LOCATION '$disks/temp/space';
	GRANT CREATE ON TABLESPACE temp TO PUBLIC});
$node->safe_psql('template1', 'ALTER DATABASE postgres SET TABLESPACE small');
my $story = new_story($node, 5);
my ($key) = sort values %{ $story->{keys} };
my $start = log_size($node);

# Call something until it fails; returns how often it did not, and the error.
sub until_it_fails
{
	my ($sql) = @_;
	my ($status, $out, $err, $count) = (0, '', '', 0);

	for (;;)
	{
		($status, $out, $err) = ask($node, 'service', $sql->($count + 1));
		return ($count, $err) if $status != 0;
		die 'it never fails' if ++$count > 1000;
	}
}

# 200 secrets in one call
sub set_many
{
	my ($name) = @_;
	return sub {
		my ($n) = @_;
		return "SELECT tarx_keys.act_as('alice', '$PROJECT'); "
		  . "SELECT count(tarx_keys.set_secret('$PROJECT', '${name}_${n}_' || i, '" . value_of('many') . "')) FROM generate_series(1, 200) i";
	};
}

sub many_set
{
	my ($name, $n) = @_;
	return $node->safe_psql('postgres',
		"SELECT count(*), count(*) FILTER (WHERE tarx_keys.resolve_secret(project_id, name) = '" . value_of('many') . "')"
		  . " FROM tarx_keys.project_secrets WHERE name LIKE '${name}\\_${n}\\_%'");
}

fill('data', 2**20);
my ($count, $err) = until_it_fails(set_many('FULL'));
cmp_ok($count, '>', 1, 'tables: some changes go through');
is(state_of($err), '53100', 'tables: then there is no room');
like($err, qr/could not (?:extend|write)/, 'tables: PostgreSQL says which file');
story_holds($node, $story, 'tables');
is(many_set('FULL', $_), '200|200', "tables: call $_ was acknowledged, and is there") foreach 1 .. $count;
is(many_set('FULL', $count + 1), '0|0', 'tables: nothing is there of the call that failed');
all_verifies($node, 'tables');
is(ask_ok($node, 'service', "SELECT tarx_keys.act_as('bob', '$PROJECT'); SELECT count(*) FROM tarx_keys.llm_keys"), 5, 'tables: lists are read');
my ($status, $out, $said) = $node->psql('postgres', 'SELECT count(*) FROM tarx_keys.doctor(true)', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
is($status, 0, 'tables: doctor() goes on') or diag($said);
is_same_server($node, $start, 'tables');
make_room('data');
ask_ok($node, 'service', set_many('ROOM')->($_)) foreach 1 .. 6;
is(many_set('ROOM', $_), '200|200', "tables, with room again: call $_") foreach 1 .. 6;
all_verifies($node, 'tables, with room again');

# Temporary files, which a list or a check that sorts much may need; and so may what
# writes last uses down.

$node->safe_psql('postgres', qq{
	ALTER SYSTEM SET work_mem = '64kB';
	ALTER SYSTEM SET temp_tablespaces = 'temp';
	SELECT pg_reload_conf()});
fill('temp');
my $offset = log_size($node);
my $before = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
my %answers;
foreach my $sql (
	'SELECT count(*) FROM tarx_keys.verify_keys()',
	'SELECT count(*) FROM tarx_keys.doctor(true)',
	"SELECT * FROM tarx_keys.verify_audit('$PROJECT')",
	"SELECT count(*) FROM (SELECT * FROM tarx_keys.resolve_secrets('$PROJECT') ORDER BY value) s",
	"SELECT count(*) FROM tarx_keys.find_key('" . value_of('many') . "')")
{
	my ($failed, $result, $error) = $node->psql('postgres', "CREATE TEMP TABLE IF NOT EXISTS t(); $sql", extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	my $state = $failed ? state_of($error) : 'done';

	$answers{$state}++;
	like($state, qr/^(?:done|53100)$/, "temporary files: $state: $sql");
	unlike($error, qr/\Q@{[ value_of('') ]}\E/, 'temporary files: no value in what the client is told');
}
cmp_ok($answers{53100} || 0, '>', 0, 'temporary files: there were some that need them');
story_holds($node, $story, 'temporary files');
ok(wait_until(sub { log_since($node, $offset) =~ /\] ERROR:  could not write .*No space left on device/ }), 'temporary files: nor can uses be written down');
make_room('temp');
all_verifies($node, 'temporary files, with room again');
ok( wait_until(sub { $node->safe_psql('postgres', "SELECT count(*) FROM tarx_keys_internal.last_used WHERE last_used_at >= '$before' AND kind = 'secret'") >= 1200 }),
	'temporary files, with room again: uses are written down');
is_same_server($node, $start, 'temporary files');
nothing_leaked($node, $story, 'tables and temporary files');
$node->stop;

# The WAL: PostgreSQL panics, and stays down until there is room.

my $wal = new_node(
	'full_wal',
	init => { extra => [ '--encoding=UTF8', '--locale=C', '--waldir', "$disks/wal/pg_wal", '--wal-segsize=1' ] },
	keyring => { master_key => hex_key('a') },
	conf => qq{
log_statement = all
min_wal_size = 2MB
max_wal_size = 64MB
checkpoint_timeout = 1h
restart_after_crash = on
tarx_keys.max_per_project = 100000
});
$wal->start;
$story = new_story($wal);
$node = $wal;
fill('wal');
$offset = log_size($wal);
($count, $err) = until_it_fails(set_many('WAL'));
like($err, qr/PANIC|53100|server closed the connection|terminating connection|could not connect|starting up|recovery/, "WAL: call $count was the last one");
ok(wait_until(sub { log_since($wal, $offset) =~ /No space left on device/ }), 'WAL: the log says why');
# it may be down or up again by now
kill 'QUIT', postmaster_of($wal) if -e $wal->data_dir . '/postmaster.pid';
ok(wait_until(sub { !-e $wal->data_dir . '/postmaster.pid' }), 'WAL: it is down');
$wal->_update_pid(0);
make_room('wal');
$wal->start;
story_holds($wal, $story, 'WAL, with room again');
is(many_set('WAL', $_), '200|200', "WAL, with room again: call $_ was acknowledged, and is there") foreach 1 .. $count;
like(many_set('WAL', $count + 1), qr/^(?:0\|0|200\|200)$/, 'WAL, with room again: the one that failed is there as a whole or not at all');
all_verifies($wal, 'WAL, with room again');
ask_ok($wal, 'service', set_many('AFTER')->(1));
is(many_set('AFTER', 1), '200|200', 'WAL, with room again: changes go through');
nothing_leaked($wal, $story, 'WAL');
$wal->stop;
done_testing();
