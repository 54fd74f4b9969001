# Transaction ids run out, because something keeps old ones: PostgreSQL warns and then
# refuses to give out new ones. What only reads goes on, what changes fails as a whole,
# and when the reason is gone the server recovers by itself.

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
	'wraparound',
	keyring => { master_key_file => $file },
	conf => qq{
log_statement = all
wal_level = logical
autovacuum = off
autovacuum_naptime = 1
tarx_keys.usage_flush_interval = 1
});
$node->start;
my $story = new_story($node);
my ($key) = sort values %{ $story->{keys} };
my ($name) = grep { $story->{keys}{$_} eq $key } keys %{ $story->{keys} };
my $agent = ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_agent('$PROJECT', 'one', '$key')");
my $ticket = ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent')");

# A slot that nobody reads keeps old transaction ids in the catalogs.
$node->safe_psql('postgres', q{SELECT pg_create_logical_replication_slot('forgotten', 'pgoutput')});

# The limit is three million before 2^31 behind the oldest; a few are left.
my $oldest = $node->safe_psql('postgres', 'SELECT min(datfrozenxid::text::bigint) FROM pg_database');
my $left = 60;
my $next = $oldest + 2**31 - 1 - 3_000_000 - $left;

$node->stop;
command_ok([ 'pg_resetwal', '-x', $next, $node->data_dir ], "the next transaction id is $next");
# where its state is to be written down; a segment has that of 2^20 ids, two bits each
my $segment = sprintf('%s/pg_xact/%04X', $node->data_dir, $next >> 20);
write_private($segment, "\0" x (2**18)) unless -e $segment;
$node->start;
my $start = log_size($node);

# Change something until that is refused; returns how often it succeeded, and the rest.
sub change_until_refused
{
	my ($count, $warnings) = (0, 0);

	for (;;)
	{
		my ($status, $out, $err) = ask($node, 'service', qq{
			SELECT tarx_keys.act_as('alice');
			SELECT tarx_keys.set_secret('$PROJECT', 'CHANGED', 'value } . ($count + 1) . q{')});
		return ($count, $warnings, $err) if $status != 0;
		$count++;
		$warnings++ if $err =~ /WARNING:  01000: database .* must be vacuumed/;
		die 'it is never refused' if $count > 2 * $left;
	}
}

story_holds($node, $story, 'close to the limit');
my ($count, $warnings, $err) = change_until_refused();
cmp_ok($count, '>', 5, "changes went through: $count");
is($warnings, $count, 'each with PostgreSQL\'s warning');
is(state_of($err), '54000', 'then they are refused');
like($err, qr/ERROR:  54000: database is not accepting commands/, 'by PostgreSQL');

# What only reads

story_holds($node, $story, 'refused');
is(ask_ok($node, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'CHANGED')"), "value $count", 'the last change is there, and no part of the next one');
is(ask_ok($node, 'runner', run_sql($ticket)), value_of($name), 'a run goes on');
is(ask_ok($node, 'service', "SELECT tarx_keys.act_as('bob', '$PROJECT'); SELECT count(*) FROM tarx_keys.llm_keys"), 3, 'lists are read');
is(ask_ok($node, 'runner', run_sql(ask_ok($node, 'service',
				"SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent')"))), value_of($name), 'a ticket is issued');
ask_ok($node, 'runner', "SELECT tarx_keys.report_key('$PROJECT', '$key', 'server')");
all_verifies($node, 'refused');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tarx_keys.doctor(true) WHERE finding ~ 'could not be checked'}), 0, 'doctor() looks at everything');
write_private($file, hex_key('b') . "\n" . hex_key('a'));
reload_keyring($node);
story_holds($node, $story, 'the keyring is loaded again');

# What changes: nothing of it

my $audit_rows = $node->safe_psql('postgres', 'SELECT count(*) FROM tarx_keys.audit_log');
foreach my $case (
	[ 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'new', '" . value_of('new') . "')" ],
	[ 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key('$PROJECT', '$key')" ],
	[ 'service', "SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys" ],
	[ undef, "SELECT * FROM tarx_keys.end_user('bob')" ])
{
	state_is($node, @$case, '54000', "refused: $case->[1]");
}
my ($status, $out, $said) = $node->psql('postgres', 'CALL tarx_keys.rotate_master_key()', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
is(state_of($said), '54000', 'refused: a rotation');
story_holds($node, $story, 'nothing was changed');
is($node->safe_psql('postgres', 'SELECT count(*) FROM tarx_keys.audit_log'), $audit_rows, 'nor logged');
# uses wait in memory until they can be written down
my $before = $node->safe_psql('postgres', 'SELECT clock_timestamp()');
is(ask_ok($node, 'runner', resolve_sql($key)), value_of($name), 'a use that cannot be written down');
$node->wait_for_log(qr/\] ERROR:  database is not accepting commands/, $start);

# The reason is gone.

$node->safe_psql('postgres', q{SELECT pg_drop_replication_slot('forgotten')});
ok( wait_until(sub { (ask($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$PROJECT', 'AFTER', 'x')"))[0] == 0 }),
	'autovacuum recovers the server');
ok( wait_until(sub { $node->safe_psql('postgres', "SELECT max(last_used_at) >= '$before' FROM tarx_keys_internal.last_used WHERE id = '$key'") eq 't' }),
	'the use is written down');
$node->safe_psql('postgres', 'CALL tarx_keys.rotate_master_key()');
is($node->safe_psql('postgres', 'SELECT sum(remaining) FROM tarx_keys.rotation_progress'), 0, 'the rotation goes through');
add_to_story($node, $story, 'after');
story_holds($node, $story, 'afterwards');
all_verifies($node, 'afterwards');
is_same_server($node, $start, 'all the time');
nothing_leaked($node, $story, 'all the time');

$node->stop;
done_testing();
