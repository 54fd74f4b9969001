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
use Protocol;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node('audit',
	keyring => { master_key_file => write_private("$dir/keys", hex_key('a')) },
	conf => "restart_after_crash = on\nmax_prepared_transactions = 1\n");
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
		'pgbench', '-n', '-t', '20', '-f', write_private("$dir/purge.sql", "CALL tarx_keys.purge_audit(now(), 7);\n"),
		$node->connstr('postgres')
	],
	'>', \my $purge_output, '2>', \my $purge_errors);
$node->command_ok([ @writers, '-D', 'level=repeatable read' ],
	'eight writers with snapshots of their own, while the log is purged');
ok($purges->finish, 'the purges succeed') or diag($purge_errors);
unlike($purge_errors, qr/WARNING/, 'and find nothing wrong');
is($node->safe_psql('postgres', $verify), 't||', 'what they left verifies');

# A transaction that was prepared before a restart has none of its lanes afterwards. Who
# meets it is not told that somebody has changed the log.
my $early = Protocol->connect($node, 'service');
is($early->query("BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$PROJECT', 'EARLY', 'x')")->{C}, undef, 'a change');
is($early->query("PREPARE TRANSACTION 'early'")->{C}, undef, 'which is prepared');
$node->restart;
is($node->safe_psql('postgres', $verify), 't||', 'it verifies after a restart');
my $late = Protocol->connect($node, 'service');
my $change = "BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$PROJECT', 'LATE', 'x'); COMMIT";
$late->send($change);
ok( $node->poll_query_until('postgres', q{SELECT EXISTS (SELECT FROM pg_stat_activity WHERE usename = 'service' AND wait_event = 'transactionid')}),
	'another change meets it');
$node->safe_psql('postgres', "COMMIT PREPARED 'early'");
is($late->answer->{C}, '55P03', 'and is to be made again');
$late->query('ROLLBACK');
is($late->query($change)->{C}, undef, 'which succeeds');
is($node->safe_psql('postgres', $verify), 't||', 'and the log verifies');

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

# Run something; what it returned.
sub run_in_little_memory
{
	my ($sql, $name) = @_;
	my $peak = q{SELECT substring(pg_read_file('/proc/self/status') FROM 'VmPeak:\s*(\d+)')};
	my ($before, @result) = split /\n/, $node->safe_psql('latin', qq{
		SELECT FROM tarx_keys.verify_audit((SELECT id FROM tarx_keys.projects WHERE id <> '$PROJECT' LIMIT 1)) WHERE NOT ok;
		CALL tarx_keys.purge_audit('-infinity');
		$peak;
		$sql;
		$peak});
	my $after = pop @result;

	cmp_ok($after - $before, '<', 8192, "$name needs little memory");
	return join("\n", @result);
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
my $verify_long = "SELECT tarx_keys.verify_audit('$PROJECT')";
my $count_all = 'SELECT count(*) FROM tarx_keys.audit_log';
is(run_in_little_memory($verify_long, 'verify_audit'), '(t,,)', 'and it verifies');

# A purge that is killed on its way has done whole batches, and goes on when it is
# called again.

my $killed = $node->background_psql('latin', on_error_stop => 0);
my $pid = $killed->query_safe('SELECT pg_backend_pid()');
my $offset = log_size($node);
$killed->{stdin} .= "CALL tarx_keys.purge_audit('infinity', 10);\n";
$killed->{run}->pump_nb;
ok($node->poll_query_until('latin', "SELECT count(*) < 21500 FROM tarx_keys.audit_log"), 'a purge is on its way');
kill 'KILL', $pid;
$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
$node->poll_query_until('latin', 'SELECT true');
eval { $killed->quit };
my $left = $node->safe_psql('latin', $count_all);
cmp_ok($left, '>', 0, 'when it is killed, rows are left');
is( $node->safe_psql('latin', 'SELECT count(*) FROM tarx_keys.projects p, tarx_keys.verify_audit(p.id) v WHERE NOT v.ok'),
	'0', 'and all verifies');
$offset = log_size($node);
is(run_in_little_memory("CALL tarx_keys.purge_audit('infinity'); $count_all", 'purge_audit'),
	'0', 'and called again, it goes to the end');
like(log_since($node, $offset), qr/LOG:  tarx_keys: role "\w+" begins to purge the audit log, of rows from before infinity$/m, 'it is in the server log');
like(log_since($node, $offset), qr/LOG:  tarx_keys: role "\w+" has purged $left rows of the audit log$/m, 'with how many rows');

# Where there is nothing to be purged, it looks at nothing.
is( $node->safe_psql('latin', q{
		VACUUM tarx_keys_internal.audit_ends;
		SET track_functions = 'none';
		BEGIN;
		CREATE TEMPORARY TABLE before AS
			SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) AS rows FROM pg_stat_xact_user_tables WHERE relname ~ '^audit_';
		SELECT purged FROM tarx_keys_internal.purge_audit_batch('2000-01-01', 10, NULL, false, true);
		SELECT sum(seq_tup_read + coalesce(idx_tup_fetch, 0)) - (SELECT rows FROM before) FROM pg_stat_xact_user_tables WHERE relname ~ '^audit_';
		ROLLBACK}),
	"\n0", 'nothing to be purged: no row is read');

# A text that was made too long is not even looked at.
ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_agent('$PROJECT', 'the last')", 'latin');
my $seq = $node->safe_psql('latin', qq{
	UPDATE tarx_keys.audit_log SET object_name = repeat('x', 20000000)
	 WHERE project_id = '$PROJECT' RETURNING seq});
is(run_in_little_memory($verify_long, 'a long text'), qq{(f,$seq,"row changed")}, 'and it is found out');

# A DBA who begins a log leaves a line.
$offset = log_size($node);
$node->safe_psql('postgres', "SELECT tarx_keys.begin_audit('$PROJECT')");
unlike(log_since($node, $offset), qr/begins the audit log/, 'what there is does not begin');
my $new_project = $PROJECT =~ s/^./9/r;
$node->safe_psql('postgres', "SELECT tarx_keys.begin_audit('$new_project')");
like(log_since($node, $offset), qr/LOG:  tarx_keys: role "\w+" begins the audit log of project $new_project$/m, 'a log that begins leaves a line');

# A project with one key and one agent needs 2.3 kB with its indexes at most, beyond the
# pages that tables without rows have.
$node->safe_psql('postgres', 'CREATE DATABASE small');
$node->safe_psql('small', 'CREATE EXTENSION tarx_keys');
my $size = q{
	SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c
	 WHERE c.relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[]) AND c.relkind = 'r'};
my $empty = $node->safe_psql('small', $size);
$node->safe_psql('small', q{
	DO $$
	DECLARE
		project uuid;
	BEGIN
		FOR i IN 1 .. 3000 LOOP
			PERFORM tarx_keys.act_as('user-' || i);
			project := tarx_keys.create_project('Project ' || i);
			PERFORM tarx_keys.create_agent(project, 'agent', tarx_keys.add_llm_key(project, 'openai', 'main', 'sk-proj-' || md5(i::text)));
			COMMIT;
		END LOOP;
	END $$});
my $full = $node->safe_psql('small', "VACUUM FULL; $size");
is($node->safe_psql('small', 'SELECT count(*) FROM tarx_keys_internal.audit_ends'), '3000', 'each project has one chain');
cmp_ok(($full - $empty) / 3000, '<', 2300, 'and needs little room');

$node->stop;
done_testing();
