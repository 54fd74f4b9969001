# The worker that writes last uses down: settings of a database or a role do not
# stop it; databases that it cannot connect to cost no line of the log, and hold
# nobody up; and where there are many, each has its turn.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $entries = 2000;
my $keys = 1500;
my $node = new_node(
	'usage_worker',
	keyring => { master_key => hex_key('usage worker') },
	conf => qq{
tarx_keys.usage_entries = $entries
tarx_keys.max_per_project = $keys
tarx_keys.usage_flush_interval = 1
max_prepared_transactions = 1
});
$node->start;
install($node);
# so many that a flush sorts more than the least work_mem
$node->safe_psql(
	'postgres', qq{
	SET ROLE tarx_keys_backend;
	BEGIN;
	SELECT tarx_keys.act_as('alice');
	SELECT count(tarx_keys.add_llm_key('$PROJECT', 'openai', 'key ' || i, 'sk-proj-usage-0123456789abcdef0123456789ab')) FROM generate_series(1, $keys) i;
	COMMIT;
	RESET ROLE;
	CREATE ROLE watcher SUPERUSER LOGIN;
	CREATE TABLE public.uses AS SELECT project_id, id FROM tarx_keys.project_llm_keys;});

# Ask as somebody else than the role that the worker has, for which a lot is set.
sub watcher
{
	my ($sql, $db) = @_;
	return $node->safe_psql(defined $db ? $db : 'postgres', $sql, extra_params => [ '-U', 'watcher' ]);
}

sub set_interval
{
	my ($seconds) = @_;
	$node->append_conf('postgresql.conf', "tarx_keys.usage_flush_interval = $seconds");
	$node->reload;
	wait_until(sub { watcher("SELECT extract(epoch FROM current_setting('tarx_keys.usage_flush_interval')::interval) = $seconds") eq 't' })
	  or die 'the interval was not set';
	return;
}

# Use the keys of a database, all or the first; returns when.
sub use_keys
{
	my ($db, $some) = @_;
	return watcher(sprintf(q{
		SELECT count(r.key_value) FROM (SELECT * FROM public.uses %s) u, tarx_keys.resolve_key(u.project_id, u.id) r \gset
		SELECT min(m.last_used_at) FROM (SELECT * FROM public.uses %1$s) u, tarx_keys_internal.usage_of('llm_key', u.project_id, u.id) m},
		$some ? "LIMIT $some" : ''), $db);
}

# Are uses since then written down, of all keys or of so many?
sub is_flushed
{
	my ($db, $since, $some) = @_;
	return watcher("SELECT count(*) >= " . ($some || $keys) . " FROM tarx_keys_internal.last_used WHERE last_used_at >= '$since'", $db) eq 't';
}

sub flushes
{
	my ($db, $some, $test) = @_;
	my $since = use_keys($db, $some);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(wait_until(sub { is_flushed($db, $since, $some) }), $test);
	return;
}

#
# Settings
#

flushes('postgres', 0, 'uses are written down');

my $offset = log_size($node);
foreach my $change (
	'ALTER DATABASE postgres', 'ALTER ROLE CURRENT_USER', 'ALTER ROLE CURRENT_USER IN DATABASE postgres', 'ALTER ROLE ALL')
{
	$node->safe_psql('postgres', "$change SET row_security = off");
	flushes('postgres', 1, "$change SET row_security = off");
	$node->safe_psql('postgres', "$change RESET ALL");
}
$node->append_conf('postgresql.conf', "row_security = off\nwork_mem = 64kB\ntemp_file_limit = 0\n");
$node->reload;
flushes('postgres', 0, 'the configuration sets it');
$node->append_conf('postgresql.conf', "row_security = on\nwork_mem = 4MB\ntemp_file_limit = -1\n");
$node->reload;

# All that a superuser can set for the worker's role, at one end and at the other.
# Assertions make debug_discard_caches too slow, and log_% and trace_% write a lot.
my $all = q{FROM pg_settings s, (SELECT rolname FROM pg_roles WHERE oid = 10) r
	WHERE s.context IN ('user', 'superuser') AND s.name !~ '^(tarx_keys|log_|debug_|trace_)' AND s.vartype <> 'string'};
my %odd = (
	'the least' => qq{SELECT format('ALTER ROLE %I SET %I = %L', r.rolname, s.name, CASE s.vartype WHEN 'bool' THEN 'off'
		WHEN 'enum' THEN s.enumvals[1] ELSE CASE WHEN s.min_val IN ('-1', '0') THEN '1' ELSE s.min_val END END) $all},
	'the most' => qq{SELECT format('ALTER ROLE %I SET %I = %L', r.rolname, s.name, CASE s.vartype WHEN 'bool' THEN 'on'
		WHEN 'enum' THEN s.enumvals[cardinality(s.enumvals)] ELSE s.max_val END) $all},
	'strings' => q{SELECT format('ALTER ROLE %I SET %s', r.rolname, s.setting) FROM pg_roles r, (VALUES
		('search_path = nowhere'), ('role = runner'), ('datestyle = sql, dmy'), ('timezone = ''Asia/Kolkata'''), ('client_encoding = sjis'),
		('session_preload_libraries = nothing'), ('local_preload_libraries = nothing'), ('default_text_search_config = simple'))
		AS s (setting) WHERE r.oid = 10});
foreach my $what (sort keys %odd)
{
	# a few are refused: beyond a limit of the system, for instance
	my ($status, $out, $err) = $node->psql('postgres', "$odd{$what} \\gexec", on_error_stop => 0, extra_params => [ '-U', 'watcher' ]);
	my $set = watcher('SELECT count(*) FROM pg_db_role_setting, unnest(setconfig)');

	cmp_ok($set, '>=', $what eq 'strings' ? 8 : 100, "$what: $set settings of the worker's role");
	flushes('postgres', 0, "$what: uses are written down");
	watcher('SELECT format(\'ALTER ROLE %I RESET ALL\', rolname) FROM pg_roles WHERE oid = 10 \gexec');
}
# lines of sessions have a name there
unlike(log_since($node, $offset), qr/\] (?:ERROR|FATAL):/, 'no flush has failed');

#
# Databases that it cannot connect to
#

$node->safe_psql('template1', "CREATE DATABASE $_ TEMPLATE postgres") foreach 'closed', 'busy';

# Two rounds went by when what is used after the first one is written down as well.
sub two_rounds
{
	flushes('postgres', 1, 'the others are flushed');
	flushes('postgres', 1, 'again');
	return;
}

set_interval(3600);
my $when = use_keys('closed', 10);
$node->safe_psql('postgres', 'ALTER DATABASE closed ALLOW_CONNECTIONS false');
$offset = log_size($node);
set_interval(1);
two_rounds();
unlike(log_since($node, $offset), qr/FATAL/, 'a database that allows no connections costs no line');
$node->safe_psql('postgres', 'ALTER DATABASE closed ALLOW_CONNECTIONS true');
ok(wait_until(sub { is_flushed('closed', $when, 10) }), 'when it allows them again its uses are written down');

# as long as a copy of it is made, for instance
set_interval(3600);
$when = use_keys('busy', 10);
my $holder = $node->background_psql('postgres');
$holder->query_safe('BEGIN; ALTER DATABASE busy RENAME TO otherwise');
$offset = log_size($node);
set_interval(1);
two_rounds();
unlike(log_since($node, $offset), qr/ERROR|FATAL/, 'a database that somebody has locked costs no line');
$holder->query_safe('ROLLBACK');
$holder->quit;
ok(wait_until(sub { is_flushed('busy', $when, 10) }), 'its uses are written down later');

# One that stays closed does not keep the room from others; what it loses is counted.
set_interval(3600);
$node->safe_psql('closed', q{BEGIN; LOCK TABLE tarx_keys_internal.last_used IN EXCLUSIVE MODE; PREPARE TRANSACTION 'holder'});
$offset = log_size($node);
# ten of them were used before
use_keys('closed', $entries / 2 + 10);
$node->wait_for_log(qr/\] ERROR:  canceling statement due to lock timeout/, $offset);
$node->safe_psql('postgres', 'ALTER DATABASE closed ALLOW_CONNECTIONS false');
use_keys('postgres', $entries / 20);
ok(wait_until(sub { watcher('SELECT uncounted FROM tarx_keys_internal.usage_losses()') > 0 }), 'a closed database gives way');
is( watcher(q{SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = 'usage' AND severity <> 'info'}),
	'warning|calls that are counted nowhere, so that last_used_at of keys in use may be too early or missing: ' . ($entries / 2 + 20),
	'and doctor() says so');
$node->safe_psql('postgres', 'ALTER DATABASE closed ALLOW_CONNECTIONS true');
$node->safe_psql('closed', q{ROLLBACK PREPARED 'holder'});
set_interval(1);

#
# Many databases
#

my $databases = 130;
$node->safe_psql('template1', 'CREATE DATABASE one');
$node->safe_psql('one', 'CREATE EXTENSION tarx_keys');
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_project('Story', '$PROJECT')}, 'one');
my $key = add_key($node, 'of each', 'sk-proj-usage-0123456789abcdef0123456789ab', 'one');
$node->safe_psql('postgres', join ' ', map { "CREATE DATABASE d$_ TEMPLATE one STRATEGY file_copy;\n" } 1 .. $databases);

# Run this in each of them; returns what all printed.
sub in_each
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', join "\n", map { "\\c d$_\n$sql;" } 1 .. $databases);
}

# All are used before a round begins, and no second round follows it. A line about
# refused logins tells that it has begun.
set_interval(3600);
in_each("SELECT count(key_value) FROM tarx_keys.resolve_key('$PROJECT', '$key')");
$node->psql('postgres', "SELECT * FROM tarx_keys.login('sk-tarx-none');\n" x 30,
	on_error_stop => 0, extra_params => [ '-U', 'service' ]);
$offset = log_size($node);
set_interval(1);
$node->wait_for_log(qr/more refused logins? of service/, $offset);
set_interval(3600);
ok( wait_until(sub { in_each('SELECT count(*) FROM tarx_keys_internal.last_used') eq join "\n", (1) x $databases }),
	'one round is for all of many databases');

$node->stop;
done_testing();
