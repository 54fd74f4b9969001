# Clients add, set and delete, and the master key is rotated, while backends or the
# postmaster are killed, and while statements are cancelled or time out: what was
# acknowledged is there, what was not is there as a whole or not at all, and
# everything verifies.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(usleep);
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $clients = 4;
my $rounds = 5;
my $seed = $ENV{TARX_KEYS_TEST_SEED} || int(rand(1_000_000));
srand($seed);
note("seed $seed");

my @keys = (hex_key('crash'));
my $keyring = write_private("$dir/keys", "@keys");
my $node = new_node(
	'crash',
	keyring => { master_key_file => $keyring },
	# clients add many agents
	conf => "restart_after_crash = on\ntarx_keys.max_per_project = 100000\n");
$node->start;
install($node);

# What a client does: transactions that write to everything, and report each one
# that was acknowledged. "ok" is unset when one of its statements failed. BEGIN may be
# what was too late: then there is no transaction, and nothing is written.
sub script
{
	my ($name, $count, $timeout) = @_;
	my $script = '';
	my $note_ok = 'SELECT pg_current_xact_id_if_assigned() IS NOT NULL AS ok \\gset';

	foreach my $i (1 .. $count)
	{
		my $row = "$name-$i";
		# by chance many are too late, or none: every tenth is for sure
		my $wait = $timeout && $i % 10 == 0 ? ', pg_sleep(10)' : '';
		my $limit = $timeout ? 'SET statement_timeout = ' . (1 + int(rand($timeout))) . ';' : '';

		$script .= qq{
$limit
\\set ok false
\\set key 00000000-0000-4000-8000-000000000000
BEGIN;
SELECT tarx_keys.act_as('alice', '$PROJECT');
SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', '$row', 'sk-value-$row') AS key \\gset
SELECT tarx_keys.create_agent('$PROJECT', '$row', :'key');
SELECT tarx_keys.set_secret('$PROJECT', '${name}_SECRET', '$row') AS version$wait \\gset
SELECT token FROM tarx_keys.create_platform_key('$row') \\gset
$note_ok
COMMIT;
\\if :ERROR
\\elif :ok
\\echo added $row :key :version :token
\\endif
};
		$script .= qq{
\\set ok false
BEGIN;
SELECT tarx_keys.act_as('alice', '$PROJECT');
SELECT tarx_keys.delete_llm_key('$PROJECT', :'key');
$note_ok
COMMIT;
\\if :ERROR
\\elif :ok
\\echo deleted $row :key
\\endif
} if $i % 2 == 0;
	}
	return $script;
}

my %added;
my %deleted;
my %version;
my @logs;

sub start_client
{
	my ($name, $count, $timeout) = @_;
	my $log = "$dir/$name.log";

	push @logs, $log;
	return IPC::Run::start(
		[
			'psql', '-XAtq', '-f', write_private("$dir/$name.sql", script($name, $count, $timeout)),
			'-U', 'service', '-h', $node->host, '-p', $node->port, 'postgres'
		],
		'<', \undef, '>', $log, '2>', "$log.errors");
}

# Wait for the clients, and take down what was acknowledged.
sub finish_clients
{
	my $count = 0;

	$_->finish foreach @_;
	foreach my $log (splice @logs)
	{
		my $client = $log =~ s/.*\/(.*)\.log$/$1/r;

		# no line is cut off: psql writes them, and is not killed
		foreach my $line (split /\n/, slurp_file($log))
		{
			my ($what, $row, $key, $version, $token) = split / /, $line;

			next unless $what && $what =~ /^(added|deleted)$/;
			$count++;
			if ($what eq 'deleted')
			{
				$deleted{$key} = $row;
				next;
			}
			$added{$key} = { row => $row, token => $token };
			$version{"${client}_SECRET"} = $version;
		}
	}
	return $count;
}

my $halves = qq{
	-- each row of a key has its rows in the audit log, and the reverse
	SELECT 'key without audit row', k.id FROM tarx_keys.project_llm_keys k
		WHERE NOT EXISTS (SELECT FROM tarx_keys.audit_log a WHERE a.object_id = k.id AND a.action = 'llm_key.add');
	SELECT 'audit row without key', a.object_id FROM tarx_keys.audit_log a
		WHERE a.action = 'llm_key.add'
			AND NOT EXISTS (SELECT FROM tarx_keys.project_llm_keys k WHERE k.id = a.object_id);
	SELECT 'deleted or logged, but not both', k.id FROM tarx_keys.project_llm_keys k
		WHERE (k.state = 'deleted') <> EXISTS (SELECT FROM tarx_keys.audit_log a WHERE a.object_id = k.id AND a.action = 'llm_key.delete');
	SELECT 'a part of what was added', name, array_agg(what) FROM (
			SELECT object_name AS name, action AS what FROM tarx_keys.audit_log
				WHERE action IN ('llm_key.add', 'agent.create', 'platform_key.create')
			UNION ALL SELECT name, 'agent' FROM tarx_keys.agents
			UNION ALL SELECT name, 'platform key' FROM tarx_keys.platform_api_keys) s
		GROUP BY name HAVING count(*) <> 5;
	SELECT 'version of a secret', s.name, s.version FROM tarx_keys.project_secrets s
		WHERE s.version <> (SELECT count(*) FROM tarx_keys.audit_log a WHERE a.action = 'secret.set' AND a.object_name = s.name)
			OR least(s.version, 5) - 1 <> (SELECT count(*) FROM tarx_keys_internal.project_secret_versions v WHERE v.name = s.name);
	SELECT 'value', k.name FROM (SELECT * FROM tarx_keys.project_llm_keys WHERE state <> 'deleted' OFFSET 0) k, tarx_keys.resolve_key(k.project_id, k.id) r
		WHERE r.key_value <> 'sk-value-' || k.name;
	SELECT 'secret', s.name FROM tarx_keys.project_secrets s
		WHERE tarx_keys.resolve_secret(s.project_id, s.name) NOT LIKE replace(s.name, '_SECRET', '-%');
	SELECT 'row', v FROM tarx_keys.verify_keys() v WHERE v.status <> 'ok';
	SELECT 'audit', v FROM tarx_keys.verify_audit('$PROJECT') v WHERE NOT v.ok;
	SELECT 'personal audit', v FROM tarx_keys.verify_personal_audit('alice') v WHERE NOT v.ok;};

# What holds after each accident
sub all_is_well
{
	my ($test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my %keys = map { $_ => 1 }
	  split /\n/, $node->safe_psql('postgres', q{SELECT id FROM tarx_keys.project_llm_keys WHERE state <> 'deleted'});
	my %gone = map { $_ => 1 }
	  split /\n/, $node->safe_psql('postgres', q{SELECT id FROM tarx_keys.project_llm_keys WHERE state = 'deleted'});
	my %versions = map { split /\|/ }
	  split /\n/, $node->safe_psql('postgres', 'SELECT name, version FROM tarx_keys.project_secrets');

	is( join(' ', map { $added{$_}{row} } grep { !$keys{$_} && !$gone{$_} } keys %added),
		'', "$test: no key is lost");
	# one whose deletion was not acknowledged may be deleted: every second is
	is( join(' ', map { $added{$_}{row} } grep { !$keys{$_} && $added{$_}{row} =~ /[13579]$/ } keys %added),
		'', "$test: none was deleted that nobody deleted");
	is(join(' ', map { $deleted{$_} } grep { !$gone{$_} } keys %deleted),
		'', "$test: no deletion is lost");
	is(join(' ', grep { ($versions{$_} || 0) < $version{$_} } keys %version),
		'', "$test: no version of a secret is lost");
	is($node->safe_psql('postgres', $halves), '', "$test: nothing is there by half, everything verifies");
	return;
}

# Rotation to a new master key, row by row so that it takes a while

sub new_master_key
{
	my ($name) = @_;

	# those of them that get the new master key do so by the rotation, not by a client
	$node->safe_psql('postgres',
		'DROP TABLE IF EXISTS old_keys; CREATE TABLE old_keys AS SELECT id FROM tarx_keys.project_llm_keys');
	unshift @keys, hex_key($name);
	write_private($keyring, join "\n", @keys);
	reload_keyring($node);
	return;
}

sub start_rotation
{
	my ($name, $times) = @_;

	new_master_key($name);
	return IPC::Run::start(
		[
			'psql', '-XAtq', (map { ('-c', 'CALL tarx_keys.rotate_master_key(1)') } 1 .. $times),
			'-h', $node->host, '-p', $node->port, 'postgres'
		],
		'<', \undef, '>', "$dir/$name.rotation", '2>', "$dir/$name.errors");
}

sub rotation_has_begun
{
	return $node->poll_query_until(
		'postgres', q{
		SELECT count(*) > 0 FROM old_keys JOIN tarx_keys.project_llm_keys USING (id)
			WHERE tarx_keys_internal.fingerprint_of(ciphertext) = (tarx_keys_internal.keyring_fingerprints())[1]});
}

sub rotation_remains
{
	return $node->safe_psql('postgres', 'SELECT sum(remaining) FROM tarx_keys.rotation_progress');
}

# Kill a backend or the postmaster at a random moment; the server recovers.

sub postmaster_is_up
{
	# psql gets no statement on its standard input, which it would not read while nobody answers
	return wait_until(sub { return system('pg_isready', '-q', '-d', $node->connstr('postgres')) == 0 });
}

sub kill_backend
{
	my $offset = log_size($node);
	my @pids = split /\n/, $node->safe_psql('postgres',
		"SELECT pid FROM pg_stat_activity WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()");

	kill 'KILL', $pids[ rand @pids ];
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	return postmaster_is_up();
}

# By the kernel's word: pg_stat_activity lacks those that are starting or ending
sub children_of
{
	my ($parent) = @_;
	my @children;

	foreach my $file (glob '/proc/[0-9]*/stat')
	{
		open(my $stat, '<', $file) or next;
		my ($pid, $of) = (<$stat> // '') =~ /^(\d+) \(.*\) \S (\d+) /s or next;
		push @children, $pid if $of == $parent;
	}
	return @children;
}

sub kill_postmaster
{
	my $pid = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];
	my $tries = 100;

	# it starts no more of them while they are counted
	kill 'STOP', $pid;
	my @children = children_of($pid);
	$node->kill9;
	# all of them, as in a crash of the machine: the rotation would go on to its end,
	# because it waits for no client, and who is left alone may wait for a lock of
	# one that is gone
	kill 'KILL', @children;
	# another may start once they are gone
	usleep(100_000) while kill 0, $pid;
	usleep(100_000) until $node->start(fail_ok => 1) || --$tries == 0;
	return postmaster_is_up();
}

# so that already the first rotation takes a while
finish_clients(map { start_client("first$_", 200) } 1 .. $clients);
my ($acknowledged, $hits) = (0, 0);
foreach my $round (1 .. $rounds)
{
	foreach my $case ([ 'backend', \&kill_backend ], [ 'postmaster', \&kill_postmaster ])
	{
		my ($what, $kill) = @$case;
		my @running = map { start_client("$what${round}x$_", 2000) } 1 .. $clients;

		$node->poll_query_until('postgres',
			"SELECT count(*) = $clients FROM pg_stat_activity WHERE usename = 'service'")
		  or die 'the clients did not start';
		my $rotation = start_rotation("$what$round", 1);
		rotation_has_begun() or die 'the rotation does not begin';
		usleep(rand(400_000));
		ok($kill->(), "$what $round: the server is back");
		my $is_complete = $rotation->finish;
		$acknowledged += finish_clients(@running);
		my $remaining = rotation_remains();
		note("rows left by the rotation: $remaining");
		$hits++ if !$is_complete && $remaining > 0;
		all_is_well("$what $round");
	}
}
cmp_ok($acknowledged, '>', 100, 'there was something to lose');
cmp_ok($hits, '>', 0, 'rotations were hit in their midst');

# Cancelled at random moments, and out of time

my @running = map { start_client("cancel${_}", 150) } 1 .. $clients;
my $rotation = start_rotation('cancel', 100);
my $cancels = ask_ok(
	$node, undef, q{
	CREATE TEMP TABLE cancels AS SELECT 0 AS n;
	DO $$
	BEGIN
		FOR i IN 1..400 LOOP
			PERFORM pg_sleep(random() * 0.02), pg_stat_clear_snapshot();
			UPDATE cancels SET n = n + (
				SELECT count(*) FROM (
					SELECT pg_cancel_backend(pid) FROM pg_stat_activity
					WHERE (usename = 'service' OR query ~ 'rotate_master_ke[y]') AND state = 'active' ORDER BY random() LIMIT 1) s);
		END LOOP;
	END $$;
	SELECT n FROM cancels;});
my @cancelled = map { "$_.errors" } @logs;
cmp_ok($cancels, '>', 10, 'there were cancels');
cmp_ok(finish_clients(@running), '>', 0, 'some calls were acknowledged all the same');
like(join('', map { slurp_file($_) } @cancelled), qr/due to user request/, 'some were cancelled');
$rotation->finish;
like(slurp_file("$dir/cancel.errors"), qr/due to user request/, 'the rotation as well');
all_is_well('cancel');

@running = map { start_client("timeout${_}", 150, 20) } 1 .. $clients;
my @late = map { "$_.errors" } @logs;
new_master_key('timeout');
my ($status, $calls, $timeouts) = (1, 0, 0);
while ($status != 0 && $calls < 100)
{
	# more and more time, so that it comes to an end on a slow machine as well
	local $ENV{PGOPTIONS} = '-c statement_timeout=' . (10 + int(rand(20 * ++$calls)));
	my ($out, $err);

	($status, $out, $err) = $node->psql('postgres', 'CALL tarx_keys.rotate_master_key(20)');
	$timeouts++ if $err =~ /due to statement timeout/;
}
cmp_ok(finish_clients(@running), '>', 0, 'with a timeout, some calls were acknowledged');
like(join('', map { slurp_file($_) } @late), qr/due to statement timeout/, 'some were too late');
cmp_ok($timeouts, '>', 0, 'rotations were too late as well');
is($status, 0, 'until one came to the end');
all_is_well('timeout');

# What was rotated by half is rotated to its end, and the old keys can go.
$node->safe_psql('postgres', 'CALL tarx_keys.rotate_master_key()');
write_private($keyring, $keys[0]);
reload_keyring($node);
is($node->safe_psql('postgres', 'SELECT count(*) FROM tarx_keys.keyring_status()'),
	1, 'everything hangs on the newest master key');
all_is_well('rotated');

# A server that has been through all this takes everything up again.
my @tokens = grep { defined } map { $_->{token} } values %added;
is(ask_ok($node, 'service', "SELECT user_id FROM tarx_keys.login('$tokens[ rand @tokens ]')"),
	'alice', 'a token of that time logs in');
finish_clients(map { start_client("after${_}", 5) } 1 .. $clients);
all_is_well('after');
is(scalar(grep { $_->{row} =~ /^after/ } values %added), $clients * 5, 'after: everything goes through');

$node->stop;
done_testing();
