# Clients that do everything at once for SOAK_SECONDS, on a primary, its hot standby and
# through PgBouncer, while the DBA rotates the master key, purges and verifies. Each client
# (client.py) knows what is right, and compares; this looks at the servers. SOAK_SEED repeats
# what each client does, though not how they meet.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use IPC::Run;
use JSON::PP;
use List::Util qw(max sum0);
use Pooler;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealedBoxes;
use Test::More;
use TarxKeys;
use Time::HiRes qw(sleep time);
use Tokens;

my $clients = 16;
my $seconds = $ENV{SOAK_SECONDS} || 300;
my $seed = $ENV{SOAK_SEED} || int(rand(1_000_000));
# each with a new master key
my $rounds = max(3, int($seconds / 30));
my $marker = 'soak-0123456789-marker';
my $destination = 'https://llm.example.com/v1';
# What a process may have of its own, and may have grown by in the second half, where that is
# long enough to know all caches by then
my $most_kb = 24_576;
my $most_growth_kb = $seconds >= 120 ? 2048 : $most_kb;
# How much larger a live row's part of a table may be at the end, beside 512 kB
my $most_bloat = 3;

note("seed $seed, $seconds seconds, $rounds rounds");
my $python = python_with('psycopg, psycopg_pool, nacl');
need('psycopg 3 with its pool, and PyNaCl', defined $python);
need('PgBouncer', pooler_version());

# The servers. All statements are in the logs, so that there is something to find there.

my $dir = PostgreSQL::Test::Utils::tempdir_short;
my @keys = (hex_key('soak 0'));
my $pair = key_pair('Ed25519');
write_issuers("$dir/issuers", [ issuer([ jwk($pair, kid => 'ed') ], algorithms => ['Ed25519'], max_lifetime => '12 h') ]);
my $primary = new_node(
	'primary',
	init => { allows_streaming => 1 },
	keyring => { master_key_file => write_private("$dir/primary", $keys[0]) },
	conf => qq{
max_connections = 100
shared_buffers = 64MB
log_statement = all
log_line_prefix = '%m [%p] %e %u '
log_parameter_max_length_on_error = -1
autovacuum_naptime = 10s
tarx_keys.usage_flush_interval = 5s
# a standby keeps the last uses of all keys that this makes
tarx_keys.usage_entries = 50000
tarx_keys.jwt_issuers_file = '$dir/issuers'
});
$primary->start;
install($primary);
my @rooms = map { sprintf '00000000-0000-4000-8000-%012d', $_ } 1 .. 4;
my %agents;
$primary->safe_psql(
	'postgres', qq{
	CREATE ROLE web LOGIN IN ROLE tarx_keys_login;
	CREATE ROLE ender LOGIN;
	GRANT USAGE ON SCHEMA tarx_keys TO ender;
	GRANT EXECUTE ON FUNCTION tarx_keys.end_user TO ender;
	INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, auth_scheme, models_path)
		SELECT slug, slug, '$destination', 'Bearer', '/models'
		  FROM (SELECT 'soak' UNION ALL SELECT 'soak' || n FROM generate_series(0, $clients - 1) n) s (slug)});
foreach my $r (0 .. $#rooms)
{
	ask_ok($primary, 'service', qq{
		SELECT tarx_keys.act_as('owner');
		SELECT tarx_keys.create_project('Room $r', '$rooms[$r]');} . join '', map {
			# clients change this room, and the next one beside it
			my $role = $_ % @rooms == $r ? 'admin' : ($_ + 1) % @rooms == $r ? 'key_manager' : undef;
			$role ? "SELECT tarx_keys.add_member('$rooms[$r]', 'user$_', '$role');" : ''
		} 0 .. $clients - 1);
	$agents{ $rooms[$r] } = [
		map {
			ask_ok($primary, 'service', qq{
				SELECT tarx_keys.act_as('owner');
				SELECT tarx_keys.create_agent('$rooms[$r]', 'shared $_')})
		} 1 .. 3 ];
}

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
set_keyring($standby, master_key_file => write_private("$dir/standby", $keys[0]));
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nwal_receiver_status_interval = 1");
$standby->start;
$primary->wait_for_catchup($standby);
my ($socket, $port) = start_pooler($primary, [qw(service web runner ender)], 6, qq{
[databases]
standby = host=@{[ $standby->host ]} port=@{[ $standby->port ]} dbname=postgres
});

# What the servers are like: memory that is not shared, of each process in kB

sub memory
{
	my %memory;

	foreach my $node ($primary, $standby)
	{
		my ($postmaster) = split /\n/, slurp_file($node->data_dir . '/postmaster.pid');

		foreach my $proc (glob '/proc/[0-9]*')
		{
			# processes come and go
			my $status = eval { slurp_file("$proc/status") } || '';
			next unless $status =~ /^PPid:\s+$postmaster$/m;
			my $title = (eval { slurp_file("$proc/cmdline") } || '') =~ tr/\0//dr;
			my ($kb) = (eval { slurp_file("$proc/smaps_rollup") } || '') =~ /^Anonymous:\s+(\d+) kB$/m or next;
			my ($what) = $title =~ /^postgres: (?:\w+: )?(.*?) *(?:(?:\[local\]|streaming|recovering).*)?$/ or next;
			$memory{ $node->name . ' ' . $proc =~ s!^/proc/!!r } = { what => $node->name . " $what", kb => $kb };
		}
	}
	return \%memory;
}

# Sizes of tables with their indexes, live and dead rows
sub sizes
{
	my %sizes;

	foreach my $line (split /\n/, $primary->safe_psql('postgres', q{
		SELECT c.oid::regclass, pg_total_relation_size(c.oid), pg_stat_get_live_tuples(c.oid), pg_stat_get_dead_tuples(c.oid)
		  FROM pg_class c
		 WHERE relkind = 'r' AND relnamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[])}))
	{
		my ($table, @numbers) = split /\|/, $line;
		$sizes{$table} = \@numbers;
	}
	return \%sizes;
}

# The DBA, of whose statements none may fail; returns what it printed. A purge leaves for the next
# one what others hold for a second.

my %dba;
my $left = 0;

sub dba
{
	my ($what, $node, $sql) = @_;
	my ($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);

	$left += $err =~ s/^.*WARNING:  55P03:.*\n(?:(?:DETAIL|HINT|LOCATION):.*\n)*//mg if $what eq 'purge_audit';
	$dba{$what} ||= '';
	$dba{$what} .= $err =~ s/^(?:.*:)?\s*(?:NOTICE|LOCATION):.*\n?//mgr;
	return $out;
}

sub dba_finds_nothing
{
	my ($what, $node, $sql) = @_;

	my $found = dba($what, $node, $sql);

	$dba{$what} .= $found;
	return;
}

sub write_keyring
{
	# standbys first, and from them a key goes when they have replayed what was sealed anew
	foreach my $node ($standby, $primary)
	{
		write_private("$dir/" . $node->name, join "\n", @keys);
		reload_keyring($node);
	}
	return;
}

sub rotate
{
	my ($round) = @_;

	unshift @keys, hex_key("soak $round");
	write_keyring();
	dba('rotate_master_key', $primary, 'CALL tarx_keys.rotate_master_key(100)');
	$primary->wait_for_catchup($standby);
	# what was sealed or stamped with the last but two is over: tickets last for a round
	if (@keys > 3)
	{
		pop @keys;
		write_keyring();
	}
	dba_finds_nothing('keyring_status', $_,
		'SELECT fingerprint, is_active, reload, problem FROM tarx_keys.keyring_status()'
		  . " WHERE is_active IS NULL OR reload <> 'done' OR problem IS NOT NULL")
	  foreach $primary, $standby;
	return;
}

my $rows_verify = "SELECT * FROM tarx_keys.verify_keys() WHERE status <> 'ok'";
my $logs_verify = q{
	SELECT p.id, v FROM tarx_keys.projects p, tarx_keys.verify_audit(p.id) v WHERE NOT v.ok;
	SELECT u, v FROM (SELECT DISTINCT user_id FROM tarx_keys.platform_api_keys) u, tarx_keys.verify_personal_audit(u.user_id) v WHERE NOT v.ok};
# clients delete keys that agents refer to
my $doctor_finds = "WHERE severity IN ('warning', 'critical') AND check_name <> 'agents'";

sub look_after
{
	my $age = int(1000 * $seconds / $rounds) . ' ms';

	dba('purge_audit', $primary, "CALL tarx_keys.purge_audit(now() - interval '$age', 500)");
	dba_finds_nothing('delete_older_rows', $primary, 'SELECT n FROM tarx_keys.delete_older_rows() n WHERE n <> 0');
	dba('purge_project', $primary,
		q{SELECT tarx_keys.purge_project(id) FROM tarx_keys.projects WHERE ended_at < now() - interval '3 s'});
	foreach my $node ($primary, $standby)
	{
		dba_finds_nothing('verify_keys', $node, $rows_verify);
		dba_finds_nothing('verify_audit', $node, $logs_verify);
		dba_finds_nothing('doctor', $node, "SELECT * FROM tarx_keys.doctor() $doctor_finds");
	}
	return;
}

# How far the standby is behind, in bytes
my @lags;
sub look_at_lag
{
	push @lags, $primary->safe_psql('postgres',
		'SELECT max(pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn))::bigint FROM pg_stat_replication') || 0;
	return;
}

# Go

$ENV{PYTHONPATH} = "$FindBin::RealBin/../../examples/client";
$ENV{PYTHONDONTWRITEBYTECODE} = 1;
$ENV{SOAK} = encode_json({
	marker => $marker, destination => $destination, rooms => \@rooms, shared_agents => \%agents,
	ticket_seconds => max(2, int($seconds / $rounds)),
	direct => { map { ($_->name => 'host=' . $_->host . ' port=' . $_->port . ' dbname=postgres') } $primary, $standby },
	pooled => { primary => "host=$socket port=$port dbname=postgres", standby => "host=$socket port=$port dbname=standby" },
	jwt => [ map { token($pair, claims(sub => "user$_", exp => time() + 36_000), kid => 'ed') } 0 .. $clients - 1 ] });
my $began = time();
my @running;
END
{
	local $?;
	$_->kill_kill foreach @running;
}
@running = map {
	IPC::Run::start([ $python, "$FindBin::RealBin/client.py", $_, $seconds, $seed, "$dir/client$_" ],
		'<', \undef, '>', "$dir/output$_", '2>&1')
} 0 .. $clients - 1;
my ($memory_before, $sizes_before);
foreach my $round (1 .. $rounds)
{
	rotate($round);
	look_after();
	($memory_before, $sizes_before) = (memory(), sizes()) if $round == int($rounds / 2);
	while (time() < $began + $round * $seconds / $rounds - 1)
	{
		look_at_lag();
		sleep 0.5;
	}
}
my ($memory_after, $sizes_after) = (memory(), sizes());
my $ended_well = 1;
$ended_well &= $_->finish foreach splice @running;
my $took = time() - $began;

# What the clients say

my %sum;
my @faults;
foreach my $client (0 .. $clients - 1)
{
	my $said = eval { decode_json(slurp_file("$dir/client$client")) };

	push @faults, "client $client: " . slurp_file("$dir/output$client") if !$said;
	next if !$said;
	push @faults, map { "client $client: $_" } @{ $said->{faults} };
	foreach my $kind (qw(calls refusals unexpected stale))
	{
		$sum{$kind}{$_} += $said->{$kind}{$_} foreach keys %{ $said->{$kind} };
	}
	$sum{stale_for} = max($sum{stale_for} || 0, $said->{stale_for});
}
s/\Q$marker\E/MARKER/g foreach @faults;
ok($ended_well, 'all clients have come to their end');
foreach my $call (sort keys %{ $sum{calls} })
{
	my $refused = join ', ', map { s/^\Q$call\E //r . " x $sum{refusals}{$_}" } grep { /^\Q$call\E \w{5}$/ } sort keys %{ $sum{refusals} };

	is($sum{unexpected}{$call} || 0, 0, "$call: right all $sum{calls}{$call} times" . ($refused && ", refused $refused"));
}
is(join("\n", @faults), '', 'no answer was wrong');

# What the servers say

is($dba{$_}, '', "the DBA's $_ finds nothing wrong") foreach sort keys %dba;
$primary->wait_for_catchup($standby);
is($primary->safe_psql('postgres', $rows_verify), '', 'all rows verify');
is($primary->safe_psql('postgres', $logs_verify), '', 'the audit logs of all projects and users verify');
is($primary->safe_psql('postgres', "SELECT * FROM tarx_keys.doctor(true) $doctor_finds"), '', 'the doctor finds nothing');
is($standby->safe_psql('postgres', "$rows_verify; $logs_verify; SELECT * FROM tarx_keys.doctor(true) $doctor_finds"),
	'', 'nor on the standby');
is($_->safe_psql('postgres', 'SELECT uses_not_counted, keyring_problem FROM tarx_keys.stats'), '0|', $_->name . ': all uses were counted')
  foreach $primary, $standby;

# Memory, and how much those processes have grown that were there at both times

my %kind;
foreach my $process (keys %$memory_after)
{
	my ($after, $before) = ($memory_after->{$process}, $memory_before->{$process});
	my $kind = $kind{ $after->{what} } ||= { count => 0, kb => 0, growth => 0 };

	$kind->{count}++;
	$kind->{kb} = max($kind->{kb}, $after->{kb});
	$kind->{growth} = max($kind->{growth}, $after->{kb} - $before->{kb}) if $before;
}
foreach my $name (sort keys %kind)
{
	my $kind = $kind{$name};

	ok($kind->{kb} <= $most_kb && $kind->{growth} <= $most_growth_kb,
		"$name: $kind->{count} with at most $kind->{kb} kB, grown by at most $kind->{growth} kB");
}

# Bloat: rows that are there now are more than before, or fewer

foreach my $table (sort keys %$sizes_after)
{
	my ($before, $live_before) = @{ $sizes_before->{$table} };
	my ($after, $live, $dead) = @{ $sizes_after->{$table} };

	cmp_ok($after, '<=', $most_bloat * $before * max(1, $live / max(1, $live_before)) + 524_288,
		sprintf '%s: %d kB for %d rows, then %d kB for %d, with %d dead ones', $table, $before / 1024, $live_before, $after / 1024, $live, $dead);
}

# Logs, which have the statements, and with each line its SQLSTATE

my %states;
foreach my $node ($primary, $standby)
{
	my ($name, $statements, $leaks, @odd) = ($node->name, 0, 0);

	open(my $log, '<', $node->logfile) or die "could not open the log: $!";
	while (my $line = <$log>)
	{
		$statements++ if $line =~ /tarx_keys\.resolve_/;
		# values, tokens, tickets
		$leaks++ if $line =~ /\Q$marker\E|sk-tarx-[0-9A-Za-z]{49}|tarx-run-[0-9A-Za-z_-]{40}/;
		my ($state, $level) = $line =~ /^\S+ \S+ \S+ \[\d+\] (\w{5}) .*?(WARNING|ERROR|FATAL|PANIC): / or next;
		$states{"$name $state"}++;
		push @odd, $line if $state =~ /^(?:XX|58|53)/ || $level =~ /^(?:FATAL|PANIC)$/;
	}
	cmp_ok($statements, '>', 100, "$name: the log has statements");
	is($leaks, 0, "$name: the log has no value, token or ticket");
	is(join('', @odd[ 0 .. ($#odd > 9 ? 9 : $#odd) ]), '', "$name: no internal error, and nobody was thrown out");
}
my $pooler_log = slurp_file("$socket/log");
cmp_ok(length $pooler_log, '>', 100, 'PgBouncer has a log');
is(scalar(() = $pooler_log =~ /\Q$marker\E|sk-tarx-[0-9A-Za-z]{49}|tarx-run-[0-9A-Za-z_-]{40}/g), 0, 'which has no value, token or ticket');

my $calls = sum0(values %{ $sum{calls} });
note(sprintf '%d calls of %d clients in %d s, %d a second', $calls, $clients, $took, $calls / $took);
note("40P01: " . sum0(map { $sum{refusals}{$_} } grep { /40P01/ } keys %{ $sum{refusals} })
	  . ", 40001: " . sum0(map { $sum{refusals}{$_} } grep { /40001/ } keys %{ $sum{refusals} })
	  . ", XX000: " . sum0(map { $states{$_} } grep { /XX000/ } keys %states));
note('in the logs: ' . join ', ', map { "$_ x $states{$_}" } sort keys %states);
note(sprintf 'the standby was behind by at most %d kB; answers of before a change: %s; %.2f s after it at the latest',
	max(0, @lags) / 1024, (join ', ', map { "$_ x $sum{stale}{$_}" } sort keys %{ $sum{stale} }) || 'none', $sum{stale_for} || 0);
note("chains that a purge left for the next one: $left");

$standby->stop;
$primary->stop;
done_testing();
