# tarx_keys.master_key holds the keyring itself. Nobody gets to see it: not by
# SHOW, not in pg_settings, not in the log, whether it is good or bad, the same
# or changed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use Memory;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $hex = hex_key('active');
my $base64 = base64_key('retired');
my $changed = hex_key('changed');
my $system = hex_key('system');
my $bad = substr(hex_key('bad'), 1);
# None of them must appear anywhere, nor their halves.
my @secrets = map { $_, substr($_, 0, 20), substr($_, -20) }
  ($hex, uc $hex, $base64, $changed, $system, $bad);

# The most talkative log there is, but for statements: ours name the key.
my $node = new_node(
	'redaction',
	keyring => { master_key => "$hex,$base64" },
	conf => "log_min_messages = debug5\nlog_min_error_statement = panic\n");
$node->start;
install($node);
$node->safe_psql(
	'postgres', q{
	CREATE ROLE monitor LOGIN IN ROLE pg_monitor;
	CREATE ROLE plain LOGIN;});
my $value = 'sk-proj-redaction-0123456789abcdef0123456789';
my $key = add_key($node, 'first', $value);

sub has_no_secret
{
	my ($text, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	# the text itself is not shown when this fails
	is(scalar(grep { index($text, $_) >= 0 } @secrets), 0, $test);
	return;
}

my $fingerprints = join(',', map { (split /\|/)[0] } split /\n/, keyring($node));
my $shown = "fingerprint:$fingerprints";

# What has parsed the setting has wiped the keys. PostgreSQL leaves parts of the file's text
# in memory that it has freed, so nobody can tell whether our copy of the text is among them.

SKIP:
{
	my $postmaster = postmaster_of($node);

	skip 'needs to read /proc/PID/mem and smaps with flags', 1 unless can_read_memory($postmaster);
	is(count_in($postmaster, map { pack('H*', $_) } unpack('(a32)2', $hex)), 0,
		'the postmaster has no master key outside of the page');
}

# SHOW and pg_settings

my %ways = (
	'SHOW' => 'SHOW tarx_keys.master_key',
	'current_setting' => q{SELECT current_setting('tarx_keys.master_key')},
	'setting' => q{SELECT setting FROM pg_settings WHERE name = 'tarx_keys.master_key'},
	'reset_val' => q{SELECT reset_val FROM pg_settings WHERE name = 'tarx_keys.master_key'},
	'show_all_settings' =>
	  q{SELECT setting FROM pg_show_all_settings() WHERE name = 'tarx_keys.master_key'});

foreach my $login (undef, 'monitor')
{
	my $who = defined $login ? $login : 'superuser';

	foreach my $way (sort keys %ways)
	{
		is(ask_ok($node, $login, $ways{$way}), $shown, "$way shows fingerprints to $who");
	}
	is( ask_ok(
			$node, $login,
			q{SELECT boot_val FROM pg_settings WHERE name = 'tarx_keys.master_key'}),
		'',
		"boot_val is empty for $who");
	my ($status, $out, $err) = ask($node, $login, 'SHOW ALL; SELECT * FROM pg_settings');
	like($out, qr/\Q$shown\E/, "all settings show fingerprints to $who");
	has_no_secret($out, "all settings keep the key from $who");
}

foreach my $setting (qw(master_key master_key_file master_key_command))
{
	state_is($node, 'plain', "SHOW tarx_keys.$setting",
		'42501', "SHOW $setting is refused to others");
	state_is($node, 'plain', "SELECT current_setting('tarx_keys.$setting')",
		'42501', "current_setting of $setting is refused to others");
}
is( ask_ok(
		$node, 'plain',
		q{SELECT count(*) FROM pg_settings WHERE name LIKE 'tarx\_keys.master\_key%'}),
	'0',
	'others see none of these settings in pg_settings');

# Parallel workers inherit the settings by another way than backends

my $parallel = q{
	SET LOCAL max_parallel_workers_per_gather = 2;
	SET LOCAL min_parallel_table_scan_size = 0;
	SET LOCAL parallel_setup_cost = 0;
	SET LOCAL parallel_tuple_cost = 0;};
like(
	(ask(
			$node, undef,
			qq{$parallel
			EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF)
			SELECT count(*) FROM pg_class WHERE relname <> current_setting('tarx_keys.master_key')})
	)[1],
	qr/Workers Launched: [12]/,
	'parallel workers run');
is( ask_ok(
		$node, undef,
		qq{$parallel
		SELECT bool_and(current_setting('tarx_keys.master_key') = '$shown')
		FROM pg_class WHERE relkind = 'r'}),
	't',
	'parallel workers show fingerprints');
is(ask_ok($node, 'runner', "$parallel " . resolve_sql($key)),
	$value, 'keys resolve with parallel plans wished for');

# Nothing but the configuration file sets it

foreach my $case (
	[ 'SET', "SET tarx_keys.master_key = '$system'" ],
	[ 'set_config', "SELECT set_config('tarx_keys.master_key', '$system', false)" ],
	[ 'ALTER ROLE', "ALTER ROLE plain SET tarx_keys.master_key = '$system'" ],
	[ 'ALTER DATABASE', "ALTER DATABASE postgres SET tarx_keys.master_key = '$system'" ])
{
	my ($test, $sql) = @$case;
	has_no_secret(state_is($node, undef, $sql, '55P02', "$test is refused"),
		"$test is refused without the value");
}
my ($status, $out, $err) =
  $node->psql('postgres', "ALTER SYSTEM SET tarx_keys.master_key = '$system'",
	extra_params => [ '-v', 'VERBOSITY=sqlstate' ]);
like($err, qr/ERROR:  55P02/, 'ALTER SYSTEM is refused');
has_no_secret(slurp_file($node->data_dir . '/postgresql.auto.conf'),
	'ALTER SYSTEM writes nothing');

# Reloads

sub reload_key
{
	my ($settings, $log) = @_;
	set_keyring($node, %$settings);
	return reload_until($node, $log);
}

# An unchanged value says nothing by itself, so that something else must.
my $reloads = 0;

sub reload_marked
{
	my ($settings) = @_;

	$reloads++;
	$node->append_conf('postgresql.conf', "search_path = 'reload_$reloads'");
	return reload_key($settings, qr/parameter "search_path" changed to "reload_$reloads"/);
}

my $log = reload_marked({ master_key => "$hex,$base64" });
unlike($log, qr/tarx_keys\.master_key"/, 'the log does not mention an unchanged key');
is( ask_ok(
		$node, undef,
		q{SELECT pending_restart FROM pg_settings WHERE name = 'tarx_keys.master_key'}),
	'f',
	'an unchanged key needs no restart');

foreach my $case (
	[ 'another key', { master_key => $changed } ],
	[ 'the keys in another order', { master_key => "$base64,$hex" } ],
	[ 'a bad key', { master_key => $bad } ],
	[ 'no key', {} ])
{
	my ($test, $settings) = @$case;

	like(
		reload_marked($settings),
		qr/parameter "tarx_keys.master_key" cannot be changed without restarting the server/,
		"$test needs a restart");
	is(ask_ok($node, undef, 'SHOW tarx_keys.master_key'), $shown, "$test: still the old one");
	is( ask_ok(
			$node, undef,
			q{SELECT pending_restart FROM pg_settings WHERE name = 'tarx_keys.master_key'}),
		't',
		"$test: pg_settings says that a restart is pending");
	is(ask_ok($node, 'runner', resolve_sql($key)), $value, "$test: keys resolve until then");
	$out = ask_ok($node, 'monitor',
		q{SELECT string_agg(s::text, ' ') FROM pg_settings s});
	has_no_secret($out, "$test: pg_settings has no key");
}

# A restart takes it, good or bad

set_keyring($node, master_key => "$base64,$hex");
$node->restart;
like(
	ask_ok($node, undef, 'SHOW tarx_keys.master_key'),
	qr/^fingerprint:[0-9a-f]{16},[0-9a-f]{16}$/,
	'a changed key shows as fingerprints');
isnt(ask_ok($node, undef, 'SHOW tarx_keys.master_key'),
	$shown, 'the changed key has been taken');

my $offset = log_size($node);
set_keyring($node, master_key => $bad);
$node->restart;
like(
	log_since($node, $offset),
	qr/tarx_keys: no usable master keyring/,
	'the server starts with a bad key and says so');
is(ask_ok($node, undef, 'SHOW tarx_keys.master_key'), '(invalid)', 'a bad key shows as invalid');
state_is($node, 'runner', resolve_sql($key), 'TK005', 'a bad key is no keyring');
has_no_secret(ask_ok($node, undef, q{SELECT string_agg(s::text, ' ') FROM pg_settings s}),
	'pg_settings has no bad key');

# The other settings are no secrets, but nobody's business

my $file = write_private(PostgreSQL::Test::Utils::tempdir . '/keys', $hex);
set_keyring($node, master_key_file => $file, master_key_command => 'true');
$node->restart;
foreach my $setting (qw(master_key_file master_key_command))
{
	isnt(ask_ok($node, undef, "SHOW tarx_keys.$setting"), '', "a superuser sees $setting");
	state_is($node, 'plain', "SHOW tarx_keys.$setting", '42501', "others do not see $setting");
	is( ask_ok(
			$node, 'plain',
			qq{SELECT count(*) FROM pg_settings WHERE name = 'tarx_keys.$setting'}),
		'0',
		"others have no $setting in pg_settings");
	state_is($node, 'plain', "SET tarx_keys.$setting = 'x'",
		'55P02', "$setting cannot be set in a session");
}

$log = log_since($node, 0);
like($log, qr/DEBUG:  /, 'the log is talkative');
has_no_secret($log, 'the log has no key');

done_testing();
