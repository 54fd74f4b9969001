# Whatever a row of a sealed table holds is that row's state and nobody else's: in
# databases of three encodings, each column of each such table gets every sort of
# odd value, and whoever looks at all rows, or at others, sees what was there before.
#
# Two parts, both in any_row.sql: each value by itself, looked at in a transaction
# that is rolled back; and then all at once, committed, for clients, a rotation
# and the background worker as they really are.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my @encodings = qw(UTF8 LATIN1 SQL_ASCII);
my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = write_private("$dir/keys", hex_key('a'));
my $node = new_node(
	'rows',
	keyring => { master_key_file => $file },
	conf => q{
tarx_keys.usage_flush_interval = 1h
log_min_messages = error
log_line_prefix = '%e %d '
});

$node->start;
$node->safe_psql('postgres', qq{CREATE DATABASE "$_" TEMPLATE template0 ENCODING '$_' LOCALE 'C'})
  foreach @encodings;
$node->safe_psql('UTF8', q{
	CREATE EXTENSION tarx_keys;
	CREATE ROLE service LOGIN IN ROLE tarx_keys_backend;
	CREATE ROLE runner LOGIN IN ROLE tarx_keys_agent});
$node->safe_psql($_, 'CREATE EXTENSION tarx_keys') foreach grep { $_ ne 'UTF8' } @encodings;

# Run SQL as a superuser in all databases at once; returns what each printed.
sub in_all
{
	my ($sql) = @_;
	my $script = write_private("$dir/script.sql", $sql);
	my (%out, %err, %session);
	local $ENV{PGCLIENTENCODING} = 'UTF8';
	local $ENV{PGOPTIONS} = '-c client_min_messages=error';

	foreach my $db (@encodings)
	{
		$session{$db} = IPC::Run::start(
			[ 'psql', '-XqAt', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr($db), '-f', $script ],
			'<', \undef, '>', \$out{$db}, '2>', \$err{$db});
	}
	foreach my $db (@encodings)
	{
		$session{$db}->finish or die "$db: $err{$db}";
	}
	return %out;
}

# The story, and then another active master key, so that there is something to rotate

in_all(slurp_file("$FindBin::RealBin/any_row.sql") . "\\set purge_schema odd\n"
	  . slurp_file("$FindBin::RealBin/../sql/include/purge.sql"));
write_private($file, join("\n", hex_key('b'), hex_key('a')));
like(reload_keyring($node), qr/loaded: 2 key/, 'another active master key');
my %before = in_all(q{
	BEGIN;
	INSERT INTO odd.baseline SELECT l.what, odd.try(l.who, l.acting_user, l.query) FROM odd.looks l;
	COMMIT;
	SELECT * FROM odd.baseline WHERE jsonb_typeof(result) <> 'array';
	SELECT DISTINCT r -> 'status' FROM odd.baseline, jsonb_array_elements(result) r WHERE what = 'verify_keys';
	SELECT result FROM odd.baseline WHERE what = 'audit of P'});
is($before{$_}, qq{"ok"\n[{"ok": true}]\n}, "$_: nothing is odd to begin with") foreach @encodings;

# Each by itself

my @columns = map { [ split /\|/ ] } split /\n/,
  $node->safe_psql('UTF8', 'SELECT table_name, column_name FROM tarx_keys_internal.sealed_columns()');
cmp_ok(scalar @columns, '>', 50, 'sealed tables have columns');
my %wrong = in_all(q{
	BEGIN;
	SELECT c.table_name, c.column_name, r.sort, left(r.wrong, 2000)
	  FROM tarx_keys_internal.sealed_columns() c, odd.run(c.table_name, c.column_name) r});
foreach my $db (@encodings)
{
	foreach my $column (@columns)
	{
		my ($table, $name) = @$column;
		my @lines = grep { /^$table\|$name\|/ } split /\n/, $wrong{$db};

		is(join("\n", @lines), '', "$db: odd values of $table.$name concern no other row");
	}
}

# All at once

in_all(q{
	SELECT odd.add_copies();
	INSERT INTO tarx_keys.custom_providers
		SELECT (jsonb_populate_record(NULL::tarx_keys.custom_providers, to_jsonb(p))).*
		FROM tarx_keys.providers p WHERE slug IN ('mistral', 'openai_compatible');
	UPDATE tarx_keys.custom_providers SET label = (SELECT value FROM odd.texts WHERE sort = 'bytes') WHERE slug = 'openai_compatible';
	UPDATE tarx_keys.custom_providers SET label = (SELECT value FROM odd.texts WHERE sort = 'large') WHERE slug = 'mistral'});

# What a client gets of a list, as alice
sub list
{
	my ($db, $encoding, $list) = @_;
	local $ENV{PGCLIENTENCODING} = $encoding;
	my ($status, $out, $err) = $node->psql(
		$db, qq{
		BEGIN;
		SELECT tarx_keys.act_as('alice', odd.id('P'));
		SELECT * FROM tarx_keys.$list},
		extra_params => [ '-U', 'service', '-v', 'VERBOSITY=verbose' ]);

	is("$status $err", '0 ', "$db: $list for a client with $encoding");
	return $out;
}

foreach my $db (@encodings)
{
	foreach my $encoding ($db eq 'UTF8' ? qw(UTF8) : qw(UTF8 LATIN1))
	{
		my $keys = list($db, $encoding, 'llm_keys');

		like($keys, qr/\|other\|.*\|ok$/m, 'with a key that is as it was');
		cmp_ok(length($keys), '<', 1000000, 'with none that is too long to be shown');
		like($keys, qr/\|xx(?:\xc3\xa9)+\|/, 'cut between characters') if $db ne 'LATIN1';
		like(list($db, $encoding, 'secrets'), qr/\|OTHER\|/, 'with a secret');
		like(list($db, $encoding, 'platform_keys'), qr/\|other\|/, 'with a platform key');
		like(list($db, $encoding, 'project_audit'), qr/\|secret\.set\|/, 'with rows');
		list($db, $encoding, 'key_usage');
	}
}

my $others = q{
	SELECT count(*) = 4 FROM tarx_keys.verify_keys() v
	 WHERE status = 'ok' AND (name IN ('other', 'plain') AND kind = 'llm_key' OR project_id = odd.id('P') AND name IN ('OTHER', 'PLAIN'));
	SELECT r.what FROM odd.looks l JOIN odd.baseline r USING (what)
	 WHERE what IN ('resolve', 'login', 'audits', 'platform_keys of bob') AND odd.try(l.who, l.acting_user, l.query) <> r.result;
	SELECT s.status, count(*) > 50 FROM tarx_keys.verify_keys() s WHERE s.status = 'tampered' GROUP BY 1;
	SELECT count(*) > 1 FROM tarx_keys.keyring_status();
	SELECT odd.try('service', 'alice', 'SELECT max(cardinality(project_ids)) FROM tarx_keys.platform_keys');
	SELECT DISTINCT check_name, severity FROM tarx_keys.doctor()
	 WHERE check_name IN ('rows', 'audit_log') OR finding ~ 'could not be checked' ORDER BY 1};
my $as_before = "t\ntampered|t\nt\n[{\"max\": 2}]\naudit_log|critical\nrows|critical\n";
my %after = in_all("BEGIN; $others");
is($after{$_}, $as_before, "$_: verify_keys(), doctor() and calls with all of them") foreach @encodings;

foreach my $db (@encodings)
{
	my ($status, $out, $err) = $node->psql($db, 'CALL tarx_keys.rotate_master_key(batch_size => 7)');
	my @kept = $err =~ /rows of table (\w+) that do not open were left as they are: (\d+)/g;

	is($status, 0, "$db: the rotation ends");
	is( $node->safe_psql($db, 'SELECT table_name, done FROM tarx_keys.rotation_progress'),
		"project_llm_keys|4\nproject_secrets|4\nproject_secret_versions|6\nplatform_api_keys|4\nproject_members|4\nagents|2\naudit_ends|4",
		"$db: it leaves out nothing else");
	is( join('|', @kept),
		$node->safe_psql($db, q{SELECT string_agg(table_name || '|' || remaining, '|') FROM tarx_keys.rotation_progress}),
		"$db: it warns of all that it left out");
}
write_private($file, hex_key('b'));
like(reload_keyring($node), qr/loaded: 1 key/, 'the old master key is gone');
%after = in_all("BEGIN; $others");
is($after{$_}, $as_before, "$_: the same without the old master key") foreach @encodings;

# What has been used above is written down, also of what is odd.
$node->append_conf('postgresql.conf', 'tarx_keys.usage_flush_interval = 1s');
$node->reload;
foreach my $db (@encodings)
{
	ok( $node->poll_query_until(
			$db, q{SELECT count(DISTINCT kind) = 3 FROM tarx_keys_internal.last_used
				WHERE last_used_at > now() - interval '1 hour'}),
		"$db: the worker writes down when keys were used");
}
%after = in_all(q{
	SELECT count(*) AS before FROM tarx_keys.audit_log \gset
	CALL tarx_keys.purge_audit('infinity');
	SELECT count(*) < :before, count(*) AS left FROM tarx_keys.audit_log;
	SELECT count(*) AS left FROM tarx_keys.audit_log \gset
	CALL tarx_keys.purge_audit('infinity');
	SELECT count(*) = :left FROM tarx_keys.audit_log});
like($after{$_}, qr/^t\|\d+\nt\n$/, "$_: purge_audit() deletes what it can verify") foreach @encodings;

is(join("\n", grep { /^XX|^\w{5} .*(?:ERROR|FATAL|PANIC): / } split /\n/, slurp_file($node->logfile)),
	'', 'and nobody has seen an error');

$node->stop;
done_testing();
