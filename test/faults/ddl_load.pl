# Indexes are made, made again and dropped, tables rewritten and changed, while sessions
# resolve and others write: no value is ever wrong, no call fails.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;
use Faults;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $node = new_node('ddl_load', keyring => { master_key => hex_key('a') }, conf => "tarx_keys.usage_flush_interval = 1\n");
$node->start;
my $story = new_story($node, 6);
my $start = log_size($node);
my ($first) = sort values %{ $story->{keys} };
my $agent = ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_agent('$PROJECT', 'one', '$first')");
my $value = ask_ok($node, 'runner', resolve_sql($first));

# Each statement divides by zero unless the value is right.
my $resolves = write_private("$dir/resolves.sql", join(";\n",
		resolve_and_compare($story),
		"SELECT 1 / (key_value = '$value')::int FROM tarx_keys.resolve_agent_key('$PROJECT', '$agent')",
		"SELECT 1 / (count(*) FILTER (WHERE value LIKE 'sk-proj-of-a-fault-no-%' AND name = replace(replace(value, 'sk-proj-of-a-fault-', ''), 'no-', 'NO_')) = 6)::int"
		  . " FROM tarx_keys.resolve_secrets('$PROJECT', '{" . join(',', sort keys %{ $story->{secrets} }) . "}')") . ";\n");
my $logs_in = write_private("$dir/logs_in.sql", qq{
BEGIN;
SELECT 1 / (user_id = 'bob' AND role = 'member')::int FROM tarx_keys.login('$story->{token}', '$PROJECT');
SELECT 1 / (count(*) >= 6)::int FROM tarx_keys.llm_keys;
COMMIT;
});
my $writes = write_private("$dir/writes.sql", qq{
BEGIN;
SELECT tarx_keys.act_as('alice', '$PROJECT');
SELECT tarx_keys.set_secret('$PROJECT', 'WRITTEN_' || :client_id, 'written');
SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'by ' || :client_id, 'sk-proj-0123456789abcdef') AS added \\gset
SELECT tarx_keys.set_agent_key('$PROJECT', '$agent', '$first');
SELECT tarx_keys.delete_llm_key('$PROJECT', ':added');
COMMIT;
});

sub start_clients
{
	my ($name, $login, $script, $clients) = @_;

	# they go on until they are told to stop, or fail
	return IPC::Run::start(
		[
			'pgbench', '-n', '-c', $clients, '-j', 1, '-T', 600, '-f', $script, '-U', $login,
			$node->connstr('postgres')
		],
		'<', \undef, '>', "$dir/$name.out", '2>', "$dir/$name.err");
}

my %clients = (
	resolves => start_clients('resolves', 'runner', $resolves, 3),
	logs_in => start_clients('logs_in', 'service', $logs_in, 1),
	writes => start_clients('writes', 'service', $writes, 2));

sub are_running
{
	return scalar(grep { $_->pumpable } values %clients) == keys %clients;
}

my $ddl = 0;
my @tables = map { [ split /\|/ ] } split /\n/, $node->safe_psql('postgres', q{
	SELECT DISTINCT ON (1) i.indrelid::regclass, i.indexrelid::regclass, n.nspname, c.conname, pg_get_constraintdef(c.oid)
	  FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid JOIN pg_namespace n ON n.oid = t.relnamespace
	  JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype = 'p' AND c.conrelid = t.oid
	 WHERE n.nspname IN ('tarx_keys', 'tarx_keys_internal')
	   AND t.relname IN ('project_llm_keys', 'project_secrets', 'project_secret_versions', 'agents', 'project_members', 'projects',
		'platform_api_keys', 'audit_log', 'audit_ends', 'last_used')
	 ORDER BY 1});
is(scalar(@tables), 10, 'there are ten tables');
foreach my $case (@tables)
{
	my ($table, $index, $schema, $constraint, $definition) = @$case;
	my $is_referred_to = $node->safe_psql('postgres', "SELECT count(*) FROM pg_constraint WHERE conindid = '$index'::regclass AND contype = 'f'");

	foreach my $sql (
		"CREATE INDEX CONCURRENTLY of_this_test ON $table (" . ($definition =~ /\((\w+)/)[0] . ')',
		"REINDEX TABLE CONCURRENTLY $table",
		"DROP INDEX CONCURRENTLY $schema.of_this_test",
		"VACUUM FULL $table",
		"CLUSTER $table USING " . ($index =~ s/.*\.//r),
		"ALTER TABLE $table ADD COLUMN of_this_test integer DEFAULT 1",
		"ALTER TABLE $table DROP COLUMN of_this_test",
		"ALTER TABLE $table SET (fillfactor = 50)",
		($is_referred_to ? () : "BEGIN; ALTER TABLE $table DROP CONSTRAINT $constraint; ALTER TABLE $table ADD CONSTRAINT $constraint $definition; COMMIT"),
		"BEGIN; CREATE TABLE public.of_this_test () INHERITS ($table); COMMIT",
		'DROP TABLE public.of_this_test',
		"ANALYZE $table")
	{
		# not REINDEX without CONCURRENTLY: it locks the table before the index, and so
		# deadlocks with whoever reads by the index and then writes
		my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);

		$ddl++ if $status == 0;
		is($err, '', $sql) if $status != 0;
	}
	last unless are_running();
}
cmp_ok($ddl, '>', 100, 'there were so many changes');

foreach my $name (sort keys %clients)
{
	my $client = $clients{$name};
	my $runs = $client->pumpable;

	$client->signal('INT');
	$client->finish;
	is(slurp_file("$dir/$name.err") =~ s/^pgbench: .*?interrupted.*?\n//mgr =~ s/^pgbench \(.*\n//mgr, '', "$name: no error, and no wrong value");
	ok($runs, "$name: went on until the end");
}

story_holds($node, $story, 'at the end');
all_verifies($node, 'at the end');
is_same_server($node, $start, 'all the time');
unlike(log_since($node, $start), qr/ERROR|division/, 'no call has failed');
nothing_leaked($node, $story, 'all the time');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tarx_keys.audit_log WHERE action = 'secret.set' AND object_name LIKE 'WRITTEN_%'}) > 10, 1,
	'there were writers');
$node->stop;
done_testing();
