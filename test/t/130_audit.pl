# The audit log under load, with more writers of one project than there are
# lanes, and purges at the same time: all of it is there, and it verifies; also
# after a restart and in another database that it was dumped to.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node('audit',
	keyring => { master_key_file => write_private("$dir/keys", hex_key('a')) });
$node->start;
install($node);

my $verify = "SELECT ok, broken_at, reason FROM tarx_keys.verify_audit('$PROJECT')";
my $count = "SELECT count(*) FROM tarx_keys.audit_log WHERE project_id = '$PROJECT'";
my $before = $node->safe_psql('postgres', $count);

append_to_file("$dir/script.sql", qq{
BEGIN ISOLATION LEVEL :level;
SELECT tarx_keys.act_as('alice', '$PROJECT');
SELECT tarx_keys.create_agent('$PROJECT', 'one');
SELECT tarx_keys.create_agent('$PROJECT', 'two');
COMMIT;
});
my @writers = (
	'pgbench', '-n', '-c', '8', '-j', '2', '-t', '25', '-f', "$dir/script.sql",
	'-U', 'service', 'postgres');
my $written = 8 * 25 * 2;

$node->command_ok([ @writers, '-D', 'level=read committed' ], 'eight writers at once');
is($node->safe_psql('postgres', $count), $before + $written, 'every change is logged');
is($node->safe_psql('postgres', $verify), 't||', 'and the log verifies');
is( $node->safe_psql(
		'postgres', "SELECT count(*) > 1 FROM tarx_keys_internal.audit_ends WHERE last_seq > 4"),
	't',
	'in more than one lane');

# Old snapshots do not get in each other's way; nor do purges.
my $purges = IPC::Run::start(
	[
		'pgbench', '-n', '-t', '20', '-f', write_private("$dir/purge.sql", "SELECT tarx_keys.purge_audit(now());\n"),
		$node->connstr('postgres')
	],
	'>', \my $purge_output, '2>', \my $purge_errors);
$node->command_ok([ @writers, '-D', 'level=repeatable read' ],
	'eight writers with snapshots of their own, while the log is purged');
ok($purges->finish, 'the purges succeed') or diag($purge_errors);
unlike($purge_errors, qr/WARNING/, 'and find nothing wrong');
is($node->safe_psql('postgres', $verify), 't||', 'what they left verifies');

$node->restart;
is($node->safe_psql('postgres', $verify), 't||', 'it verifies after a restart');

$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'pg_dump', '-f', "$dir/dump.sql", $node->connstr('postgres') ], 'dump');
$node->command_ok(
	[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/dump.sql", $node->connstr('copy') ],
	'restore');
is($node->safe_psql('copy', $verify), 't||', 'it verifies where it was restored');
ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_agent('$PROJECT', 'goes on')}, 'copy');
is($node->safe_psql('copy', $verify), 't||', 'and goes on there');

# Call a function and take it back; what it returned.
sub call_in_little_memory
{
	my ($call, $name) = @_;
	my $peak = q{SELECT substring(pg_read_file('/proc/self/status') FROM 'VmPeak:\s*(\d+)')};
	my ($before, $result, $after) = split /\n/, $node->safe_psql('latin', qq{
		SELECT FROM tarx_keys.verify_audit((SELECT id FROM tarx_keys.projects WHERE id <> '$PROJECT' LIMIT 1)) WHERE NOT ok;
		SELECT FROM tarx_keys.purge_audit('-infinity') n WHERE n > 0;
		$peak;
		BEGIN;
		SELECT $call;
		$peak;
		ROLLBACK});

	cmp_ok($after - $before, '<', 8192, "$name needs little memory");
	return $result;
}

# Long logs take no more memory than short ones, nor do many of them; not even
# where each text is converted to UTF-8. Counted is the most that the backend
# ever mapped, in kB, beyond what a call for a short log needs.

$node->safe_psql('postgres',
	"CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'");
$node->safe_psql('latin', 'CREATE EXTENSION tarx_keys');
ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_project('Long', '$PROJECT');
	SELECT count(tarx_keys.create_project('one of many')) FROM generate_series(1, 2000)}, 'latin');
# two rows for each agent, of whom a project has no more than a thousand
ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice', '$PROJECT');
	SELECT count(tarx_keys.create_agent('$PROJECT', 'one of many')) FROM generate_series(1, 1000);
	SELECT count(tarx_keys.delete_agent('$PROJECT', id)) FROM tarx_keys.agents}, 'latin')
  foreach 1 .. 10;
is(call_in_little_memory("tarx_keys.verify_audit('$PROJECT')", 'verify_audit'),
	'(t,,)', 'and it verifies');
is(call_in_little_memory("tarx_keys.purge_audit('infinity')", 'purge_audit'),
	'22001', 'and all of it is purged');

# A text that was made too long is not even looked at.
$node->safe_psql('latin', qq{
	UPDATE tarx_keys.audit_log SET object_name = repeat('x', 20000000)
	 WHERE project_id = '$PROJECT' AND seq = 5});
is(call_in_little_memory("tarx_keys.verify_audit('$PROJECT')", 'a long text'),
	'(f,5,"row changed")', 'and it is found out');

$node->stop;
done_testing();
