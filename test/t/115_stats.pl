# The view stats: a server counts for itself, from its start on, in any database; what
# is wrong with the keyring is there. And the collector for a Prometheus exporter, as
# docs/operations.md has it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $master_key = hex_key('stats');
my $file = write_private("$dir/keys", $master_key);
my $value = 'sk-proj-stats-0123456789abcdef0123456789ab';
my $nowhere = 'cccccccc-0000-4000-8000-000000000003';
my $node = new_node(
	'stats',
	init => { allows_streaming => 1 },
	keyring => { master_key_file => $file },
	conf => "tarx_keys.usage_entries = 100\nrestart_after_crash = on\nmax_prepared_transactions = 1\n");
$node->start;
install($node);
my $key = add_key($node, 'key', $value);

my ($section) = slurp_file("$FindBin::RealBin/../../docs/operations.md") =~ /^### Prometheus\n(.*?)^##/ms
  or die 'the section is gone';
my ($role) = $section =~ /^```sql\n(.*?)^```$/ms or die 'the role is gone';
my ($collector) = $section =~ /^```yaml\n(.*?)^```$/ms or die 'the collector is gone';

sub stats
{
	my ($server, $columns, $db) = @_;
	return $server->safe_psql(defined $db ? $db : 'postgres', "SELECT $columns FROM tarx_keys.stats");
}

# In any database, from all that end meanwhile, each server for itself

$node->safe_psql('postgres', 'CREATE DATABASE app');
$node->safe_psql('app', 'CREATE EXTENSION tarx_keys');
foreach (1 .. 20)
{
	ask_ok($node, 'runner', resolve_sql($key));
}
state_is($node, 'runner', resolve_sql($nowhere), 'TK001', 'a guessed id');
is(stats($node, q{resolves, refusals ->> 'TK001'}), '20|1', 'sessions that have ended count');
is(stats($node, q{resolves, refusals ->> 'TK001'}, 'app'), '20|1', 'it is the server that counts');

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('stats_standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
ask_ok($standby, 'runner', resolve_sql($key));
is(stats($standby, q{resolves, refusals ->> 'TK001'}), '1|0', 'a standby counts what it does itself');
is(stats($node, q{resolves, refusals ->> 'TK001'}), '20|1', 'and nobody else does');
$standby->stop;

# Uses that have no room are there, as doctor() has them

my @keys = split /\n/, $node->safe_psql(
	'postgres', qq{
	SET ROLE tarx_keys_backend;
	BEGIN;
	SELECT tarx_keys.act_as('alice') \\gset
	SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'many ' || i, '$value') FROM generate_series(1, 110) i;
	COMMIT;});
$node->safe_psql('postgres', q{BEGIN; LOCK TABLE tarx_keys_internal.last_used IN EXCLUSIVE MODE; PREPARE TRANSACTION 'holder'});
$node->safe_psql('postgres', join "\n", map { "SELECT count(key_value) FROM tarx_keys.resolve_key('$PROJECT', '$_');" } @keys);
is(stats($node, 'uses_not_counted > 0'), 't', 'uses that were not counted');
is( stats($node, 'uses_not_counted'),
	$node->safe_psql('postgres', q{SELECT substring(finding FROM '[0-9]+$') FROM tarx_keys.doctor() WHERE check_name = 'usage' AND severity = 'warning'}),
	'as many as doctor() says');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'holder'});

# The collector

is(($node->psql('postgres', $role))[0], 0, 'the role for the exporter can be made');
my %queries = $collector =~ /^  - query_name: (\w+)\n    query: \|\n((?:      .*\n)+)/mg;
my %metrics = $collector =~ /^  - metric_name: (\w+)\n((?:    .*\n)+)/mg;
is(join(' ', sort keys %metrics), join(' ', sort $collector =~ /metric_name: (\w+)/g), 'each metric is understood');

# The rows of a query as the exporter's login, each as column => value
sub rows
{
	my ($query) = @_;
	my ($names, @rows) = split /\n/, $node->safe_psql('app', $query, extra_params => [ '-U', 'exporter', '-P', 'tuples_only=off', '-P', 'footer=off' ]);
	my @names = split /\|/, $names;

	return map { my %row; @row{@names} = split /\|/, $_, -1; \%row } @rows;
}

# A metric as name{label}=value, sorted
sub samples
{
	my @samples;

	foreach my $name (sort keys %metrics)
	{
		my $metric = $metrics{$name};
		my ($ref) = $metric =~ /^    query_ref: (\w+)$/m or die "$name has no query";
		my ($label) = $metric =~ /^    key_labels: \[(\w+)\]$/m;
		my ($values) = $metric =~ /^    values: \[(.*)\]$/m or die "$name has no values";

		like($metric, qr/^    type: (?:counter|gauge)$/m, "the type of $name");
		is($name =~ /_total$/, scalar($metric =~ /type: counter/), "and its name");
		foreach my $row (rows($queries{$ref}))
		{
			push @samples, map { sprintf '%s{%s}=%s', $name, $label ? $row->{$label} : $values =~ /,/ ? $_ : '', $row->{$_} } split /, /, $values;
		}
	}
	return @samples;
}

my $since = stats($node, 'extract(epoch FROM keyring_loaded_at)::float8');
my ($resolves, $not_counted) = split /\|/, stats($node, 'resolves, uses_not_counted');
my @samples = samples();
is_deeply([ grep { !/refusals/ } @samples ], [
		"tarx_keys_calls_total{resolves}=$resolves", 'tarx_keys_calls_total{logins}=0',
		'tarx_keys_calls_total{refused_logins}=0', 'tarx_keys_calls_total{tickets}=0',
		"tarx_keys_calls_total{uses_not_counted}=$not_counted",
		"tarx_keys_keyring_loaded_timestamp_seconds{}=$since", 'tarx_keys_keyring_problem{}=0' ], 'the samples');
is(join(' ', map { /refusals_total\{(.*)\}=1$/ ? $1 : () } @samples), 'TK001', 'one refusal');
is(scalar(grep { /refusals_total\{\w{5}\}=[01]$/ } @samples), $node->safe_psql('postgres', 'SELECT count(*) FROM tarx_keys.stats, jsonb_each(refusals)'),
	'and a sample for each SQLSTATE');
# all that can be refused is in the view
my $errcodes = slurp_file("$FindBin::RealBin/../../src/base/errcodes.h");
is( join(' ', sort map { /refusals_total\{(.*)\}/ ? $1 : () } @samples),
	join(' ', '42501', sort grep { $_ ne 'TK000' } map { tr/', //dr } $errcodes =~ /MAKE_SQLSTATE\((.*?)\)/g),
	'which are 42501 and all of ours');

# What is wrong with the keyring, without a word of it

$node->append_conf('postgresql.conf', "log_min_messages = log");
write_private($file, "$master_key\nnonsense");
like(reload_keyring($node), qr/not reloaded/, 'a keyring that is none');
my $problem = stats($node, 'keyring_problem');
is($problem, $node->safe_psql('postgres', 'SELECT DISTINCT problem FROM tarx_keys.keyring_status()'), 'the view has what keyring_status() says');
isnt($problem, '', 'which is something');
unlike($problem, qr/$master_key|nonsense/, 'and nothing of the keyring');
is(join(' ', grep { /problem/ } samples()), 'tarx_keys_keyring_problem{}=1', 'the exporter has it');
is(stats($node, 'extract(epoch FROM keyring_loaded_at)::float8'), $since, 'the keyring in use is the same');

# A restart and a crash begin anew

my $first = stats($node, 'since');
write_private($file, $master_key);
$node->restart;
is(stats($node, qq{resolves, refusals ->> 'TK001', uses_not_counted, since > '$first', keyring_problem}), '0|0|0|t|', 'a restart');
ask_ok($node, 'runner', resolve_sql($key));
$first = stats($node, 'since');
my $offset = log_size($node);
my $pid = $node->safe_psql('postgres', "SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
kill 'KILL', $pid;
$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
$node->poll_query_until('postgres', 'SELECT true') or die 'no restart';
is(stats($node, qq{resolves, since > '$first'}), '0|t', 'a crash');

$node->stop;
done_testing();
