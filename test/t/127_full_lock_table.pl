# Room for locks is short: a user of many projects is ended all the same, call by
# call, and each end has its row in the audit log.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $node = new_node(
	'full_lock_table',
	keyring => { master_key => hex_key('a') },
	conf => "max_connections = 10\nlog_min_messages = log\n");
$node->start;
install($node);

# alice and bob are admins of all; more than one call can lock
my $projects = 1500;
foreach my $n (1 .. $projects / 20)
{
	ask_ok($node, 'service', q{
		SELECT tarx_keys.act_as('alice');
		SELECT count(tarx_keys.add_member(tarx_keys.create_project('p'), 'bob', 'admin')) FROM generate_series(1, 20)});
}
ask_ok($node, 'service', q{
	SELECT tarx_keys.act_as('alice');
	SELECT count(*) FROM generate_series(1, 20) n, tarx_keys.create_platform_key('key ' || n)});

# Another session takes all locks that there are, and gives 600 back: how many
# there are hangs on the major and on the machine.
my $other = $node->background_psql('postgres', on_error_stop => 1);
$other->query_safe(q{
	DO $$
	DECLARE
		taken integer := 0;
	BEGIN
		LOOP
			PERFORM pg_advisory_lock(127, taken + n) FROM generate_series(1, 50) n;
			taken := taken + 50;
		END LOOP;
	EXCEPTION WHEN out_of_memory THEN
		PERFORM pg_advisory_unlock(127, n) FROM generate_series(1, least(taken, 600)) n;
	END $$});

my $offset = log_size($node);
my ($calls, $left, $revoked, $least) = (0, 0, 0, $projects);
for (;;)
{
	my ($status, $out, $err) = $node->psql('postgres', q{SELECT * FROM tarx_keys.end_user('alice', 'bob')});
	my ($keys, $ended) = split /\|/, $out;

	is($status, 0, 'a call ends what it can') or diag($err);
	$calls++;
	$revoked += $keys;
	$left += $ended;
	last if $err !~ /the user has not ended yet/ || $ended == 0;
	$least = $ended if $ended < $least;
}
is($left, $projects + 1, 'all projects are left');
cmp_ok($least, '<', 500, 'and locks were short');
is($revoked, 20, 'all keys are revoked');
is($node->safe_psql('postgres', q{SELECT count(*), count(DISTINCT project_id) FROM tarx_keys.audit_log WHERE action = 'member.end'}),
	($projects + 1) . '|' . ($projects + 1), 'each has its row');
unlike(log_since($node, $offset), qr/unlogged|FATAL/, 'and no line in place of it');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tarx_keys.projects p, tarx_keys.verify_audit(p.id) v WHERE NOT v.ok}),
	'0', 'all logs verify');

$other->quit;
$node->stop;
done_testing();
