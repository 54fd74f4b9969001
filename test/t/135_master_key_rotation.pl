# The master key is rotated while everybody works, by one session or two, and
# also if it is cancelled, crashes or waits on the way: in the end nothing hangs
# on the old key, which can then be dropped, and nothing is lost.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = write_private("$dir/keys", hex_key('a'));
my $node = new_node('masters', keyring => { master_key_file => $file });
my $call = 'CALL tarx_keys.rotate_master_key(batch_size => 50)';

$node->start;
install($node);
$node->safe_psql('postgres',
	'CREATE ROLE worker LOGIN IN ROLE tarx_keys_backend, tarx_keys_agent');

# Make these the master keys, the active one first.
sub use_master_keys
{
	write_private($file, join("\n", map { hex_key($_) } @_));
	like(reload_keyring($node), qr/loaded: \d+ key/, "keyring @_");
	return;
}

sub fingerprint
{
	my ($position) = @_;
	return $node->safe_psql('postgres',
		"SELECT (tarx_keys_internal.keyring_fingerprints())[$position]");
}

# How many rows hang on other master keys than the active one
sub remaining
{
	return $node->safe_psql('postgres',
		'SELECT sum(remaining) FROM tarx_keys.rotation_progress');
}

sub wait_for
{
	my ($query, $expected, $what) = @_;
	ok($node->poll_query_until('postgres', $query, $expected), $what);
	return;
}

# All that is stored opens, and the audit log is whole.
sub all_verifies
{
	my ($when) = @_;

	is( $node->safe_psql(
			'postgres',
			q{SELECT DISTINCT status FROM tarx_keys.verify_keys()}),
		'ok',
		"$when: all keys verify");
	is( $node->safe_psql(
			'postgres', q{
			SELECT ok, reason FROM tarx_keys.projects p, tarx_keys.verify_audit(p.id)
			UNION SELECT ok, reason FROM tarx_keys.verify_personal_audit('alice')}),
		't|',
		"$when: the audit log verifies");
	return;
}

# Rows of every table, under the first key. The values tell whose they are.
my $fill = qq{
	SELECT tarx_keys.act_as('alice');
	SELECT count(tarx_keys.add_llm_key('$PROJECT', 'mistral', 'key ' || i, 'value-of-key-' || i)) FROM generate_series(1, 400) i;
	SELECT count(tarx_keys.set_secret('$PROJECT', 'S' || i % 100, repeat('value of ' || i % 100, 1 + (i % 7) * 500))) FROM generate_series(0, 399) i;
	SELECT count(tarx_keys.add_member('$PROJECT', 'member ' || i)) FROM generate_series(1, 100) i;
	SELECT count(tarx_keys.create_agent('$PROJECT', 'agent ' || i)) FROM generate_series(1, 100) i;
	SELECT count(c.id) FROM generate_series(1, 100) i, tarx_keys.create_platform_key('key ' || i) c;};
my $token = ask_ok($node, 'service', "$fill SELECT token FROM tarx_keys.create_platform_key('mine')");
my $values = qq{
	SELECT count(*) FROM tarx_keys.projects p, tarx_keys.project_llm_keys k, tarx_keys.resolve_key(p.id, k.id) r
	 WHERE k.state <> 'deleted' AND k.name ~ '^key' AND r.key_value = 'value-of-' || replace(k.name, ' ', '-')
	UNION ALL
	SELECT count(*) FROM tarx_keys.resolve_secrets('$PROJECT') r
	 WHERE r.value ~ ('^(value of ' || substring(r.name FROM 2) || ')+\$')};
my $complete = "400\n100";
is($node->safe_psql('postgres', $values), $complete, 'all is there');

# A dry run

use_master_keys('b', 'a');
my ($new, $old) = (fingerprint(1), fingerprint(2));
my $before = $node->safe_psql('postgres',
	"SELECT llm_keys, secret_versions, platform_keys, members, agents, audit_chains FROM tarx_keys.keyring_status() WHERE fingerprint = '$old'");
is($before, '400|400|101|102|100|2', 'everything hangs on the old key');
is( $node->safe_psql('postgres', 'SELECT * FROM tarx_keys.rotation_progress WHERE total > 0'),
	join("\n", map { "$_|$new" } 'project_llm_keys|400|0|400', 'project_secrets|100|0|100',
		'project_secret_versions|300|0|300', 'platform_api_keys|101|0|101', 'project_members|102|0|102',
		'agents|100|0|100', 'audit_ends|2|0|2'),
	'rotation_progress before it');
is($node->safe_psql('postgres', $values), $complete, 'old rows still open');

# While four sessions and more work, until the file "stop" is there

my $work = write_private("$dir/work.sql", qq{
\\set n random(0, 99)
BEGIN;
SELECT tarx_keys.act_as('alice', '$PROJECT');
SELECT tarx_keys.add_llm_key('$PROJECT', 'mistral', 'worker ' || gen_random_uuid(), 'value-of-a-worker') AS key \\gset
SELECT tarx_keys.create_agent('$PROJECT', 'worker', ':key') AS agent \\gset
COMMIT;
SELECT 1 / (key_value = 'value-of-a-worker')::int FROM tarx_keys.resolve_agent_key('$PROJECT', ':agent');
BEGIN;
SELECT tarx_keys.act_as('alice', '$PROJECT');
SELECT tarx_keys.delete_llm_key('$PROJECT', ':key');
SELECT tarx_keys.delete_agent('$PROJECT', ':agent');
COMMIT;
SELECT 1 / (tarx_keys.resolve_secret('$PROJECT', 'S' || :n) ~ ('^(value of ' || :n || ')+\$'))::int;
BEGIN;
SELECT tarx_keys.act_as('alice', '$PROJECT');
SELECT tarx_keys.set_secret('$PROJECT', 'S' || :n, repeat('value of ' || :n, 300)) AS version \\gset
SELECT tarx_keys.restore_secret('$PROJECT', 'S' || :n, :version - 1);
COMMIT;
BEGIN;
SELECT user_id FROM tarx_keys.login('$token', '$PROJECT');
SELECT id FROM tarx_keys.create_platform_key('worker') AS id \\gset
SELECT tarx_keys.revoke_platform_key(':id');
SELECT count(*) / (bool_and(status = 'ok'))::int FROM tarx_keys.llm_keys;
COMMIT;
});

# Run the call while four sessions work; returns what it said.
sub rotate_among_workers
{
	my (@calls) = @_;
	my ($said, $workers_said) = ('', '');
	my $workers = IPC::Run::start(
		[ 'pgbench', '-n', '-c', '4', '-j', '2', '-t', '40', '-f', $work, '-U', 'worker',
			$node->connstr('postgres') ],
		'>', \my $output, '2>', \$workers_said);
	my @sessions = map {
		IPC::Run::start(
			[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', $_ ],
			'<', \undef, '>', \my $nothing, '2>', \my $text)
	} @calls;
	ok($_->finish, 'the rotation goes through') foreach @sessions;
	ok($workers->finish, 'and so does all the work of others') or diag($workers_said);
	unlike($workers_said, qr/aborted|ERROR/, 'without an error');
	return;
}

rotate_among_workers($call);
is( $node->safe_psql(
		'postgres',
		"SELECT is_active, llm_keys + secret_versions + platform_keys + audit_chains FROM tarx_keys.keyring_status() WHERE fingerprint = '$old'"),
	'f|0',
	'nothing hangs on the old key');
is(remaining(), '0', 'nothing remains to be done');
all_verifies('rotated');
use_master_keys('b');
all_verifies('without the old key');
is($node->safe_psql('postgres', $values), $complete, 'nothing is lost');
is( ask_ok($node, 'service', "SELECT user_id FROM tarx_keys.login('$token', '$PROJECT')"),
	'alice', 'old tokens are good');

# What it says, and that it is harmless to run it once more

use_master_keys('c', 'b');
my ($status, $out, $err) = $node->psql('postgres', $call);
is($status, 0, 'rotated again');
my @lines = $err =~ /NOTICE:  rotation: table \w+, \d+ of \d+ rows \(\d+ %\), \d+ rows per second/g;
cmp_ok(scalar @lines, '>=', 5, 'it tells how far it is');
like($err, qr/table audit_ends, (\d+) of \1 rows \(100 %\)/, 'up to the end');
unlike($err, qr/WARNING/, 'without a warning');
my $sealed = q{SELECT md5(string_agg(ciphertext::text, '' ORDER BY project_id, id)) FROM tarx_keys.project_llm_keys};
my $digest = $node->safe_psql('postgres', $sealed);
$node->safe_psql('postgres', $call);
is($node->safe_psql('postgres', $sealed), $digest, 'a second time it changes nothing');

# Two at once

use_master_keys('d', 'c');
rotate_among_workers($call, $call);
is(remaining(), '0', 'two at once leave nothing');
use_master_keys('d');
all_verifies('rotated by two');
is($node->safe_psql('postgres', $values), $complete, 'nothing is lost by two');

# It waits for rows that are locked, at the end, with nothing else locked; and
# when it is cancelled there, or the server crashes, what is done stays done.

use_master_keys('e', 'd');
my $holder = $node->background_psql('postgres');
$holder->query_safe(q{
	BEGIN;
	SELECT 1 FROM tarx_keys.project_llm_keys WHERE name = 'key 7' FOR UPDATE;
	SELECT 1 FROM tarx_keys.project_secrets WHERE name = 'S7' FOR UPDATE});

# longer than it ever does with a batch locked
my $waiting = q{
	SELECT count(*) FROM pg_stat_activity JOIN pg_locks USING (pid)
	WHERE query ~ 'rotate_master_ke[y]' AND NOT granted AND waitstart < clock_timestamp() - interval '0.5 s'};
my $remaining_keys = q{SELECT remaining FROM tarx_keys.rotation_progress WHERE table_name = 'project_llm_keys'};

# Start SQL in the background, in one transaction: the rotation as a superuser, or another call as a login.
sub start_call
{
	my ($errors, $login, $sql) = @_;

	return IPC::Run::start(
		[ 'psql', '-Xq', '-v', 'VERBOSITY=verbose', '-v', 'ON_ERROR_STOP=1', defined $login ? ('-U', $login) : (),
			'-d', $node->connstr('postgres'), '-c', $sql // $call ],
		'<', \undef, '>', \my $nothing, '2>', $errors);
}

my $said = '';
my $session = start_call(\$said);
wait_for($waiting, '1', 'it waits for a locked row');
is($node->safe_psql('postgres', $remaining_keys), '1', 'when all others are done');
ask_ok($node, 'service', qq{
	SET lock_timeout = '10s';
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.delete_llm_key('$PROJECT', id) FROM tarx_keys.llm_keys WHERE name = 'key 8'});
pass('others change what it has done meanwhile');
$node->safe_psql('postgres',
	q{SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE query ~ 'rotate_master_ke[y]'});
$session->finish;
is(state_of($said), '57014', 'cancelled');
is($node->safe_psql('postgres', $remaining_keys), '1', 'what is done stays done');

$session = start_call(\$said);
wait_for($waiting, '1', 'once more');
$node->stop('immediate');
$session->finish;
eval { $holder->quit };
$node->start;
is($node->safe_psql('postgres', $remaining_keys), '1', 'also after a crash');

# what the holder writes to its rows meanwhile is kept
$holder = $node->background_psql('postgres', extra_params => [ '-U', 'service' ]);
$holder->query_safe(qq{
	BEGIN;
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.set_secret('$PROJECT', 'S7', 'value of 7');
	SELECT tarx_keys.update_llm_key('$PROJECT', id, '{"priority": 7}') FROM tarx_keys.llm_keys WHERE name = 'key 7'});
$said = '';
{
	# which must not matter
	local $ENV{PGOPTIONS} = '-c default_transaction_isolation=serializable';
	$session = start_call(\$said);
}
wait_for($waiting, '1', 'it waits for a secret that is being set');
$holder->query_safe('COMMIT');
$holder->quit;
ok($session->finish, 'and goes on');
unlike($said, qr/WARNING|ERROR/, 'without a warning');
is(remaining(), '0', 'now all is done, the archived version, too');
use_master_keys('e');
all_verifies('cancelled, crashed, waited');
is($node->safe_psql('postgres', $values), "399\n100", 'nothing is lost');
is( $node->safe_psql('postgres', "SELECT tarx_keys.resolve_secret('$PROJECT', 'S7')"),
	'value of 7', 'nor what was set meanwhile');
my $updated = q{SELECT priority, revision FROM tarx_keys.project_llm_keys WHERE name = 'key 7'};
is($node->safe_psql('postgres', $updated), '7|2', 'nor an update');

# Another master key becomes the active one while a rotation waits: what comes then is a
# rotation to that one, which does not take the other's work for its own.
use_master_keys('f', 'e');
$holder = $node->background_psql('postgres');
$holder->query_safe(q{BEGIN; SELECT 1 FROM tarx_keys.project_llm_keys WHERE name = 'key 9' FOR UPDATE});
$session = start_call(\$said);
wait_for($waiting, '1', 'a rotation waits for a locked row');
use_master_keys('g', 'f', 'e');
is($node->safe_psql('postgres', $remaining_keys), '399', 'all rows need the other key now');
my $second_said = '';
my $second = start_call(\$second_said);
wait_for($waiting, '2', 'another rotation comes to the same row');
is($node->safe_psql('postgres', $remaining_keys), '1', 'which rotation_progress tells of');
$holder->quit;
ok($_->finish, 'both go through') foreach $session, $second;
like($second_said, qr/table project_llm_keys, 398 of \d+ rows/, 'the other one did not take them for done');
is(remaining(), '0', 'and leave nothing');
use_master_keys('g');
all_verifies('rotated to another key meanwhile');

# The other way round: an update that waits for a row which is being rotated
use_master_keys('i', 'g');
my $rotating = $node->background_psql('postgres');
$rotating->query_safe(q{
	BEGIN;
	SELECT * FROM tarx_keys_internal.rotate_rows('project_llm_keys', 'tarx_keys.project_llm_keys'::regclass, NULL, 500, true)});
my $update = start_call(\$said, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.update_llm_key('$PROJECT', id, '{"priority": 8}') FROM tarx_keys.llm_keys WHERE name = 'key 7'});
wait_for(q{SELECT count(*) FROM pg_stat_activity WHERE usename = 'service' AND wait_event_type = 'Lock'},
	'1', 'an update waits for a row that is being sealed again');
$rotating->query_safe('COMMIT');
$rotating->quit;
ok($update->finish, 'and goes on') or diag($said);
is($node->safe_psql('postgres', $updated), '8|3', 'on the row as it is then');
is($node->safe_psql('postgres', $remaining_keys), '0', 'and seals under the active key');
$node->safe_psql('postgres', $call);
use_master_keys('i');
all_verifies('updated while rotated');

# Without the master key of some rows, and without any

use_master_keys('g', 'h');
($status, $out, $err) = $node->psql('postgres', $call);
is($status, 0, 'a rotation without the old key goes through');
like($err, qr/WARNING:  rows of table project_llm_keys that do not open were left as they are: 399/,
	'and warns of what it could not do');
is( ask_ok(
		$node, 'service', qq{
		SELECT tarx_keys.act_as('bob');
		SELECT DISTINCT status FROM tarx_keys.llm_keys}),
	'needs_reentry',
	'members see it');
is( $node->safe_psql('postgres', 'SELECT DISTINCT status FROM tarx_keys.verify_keys()'),
	'missing master key', 'verify_keys says why');
set_keyring($node);
$node->restart;
is( ask_ok(
		$node, 'service', qq{
		SELECT tarx_keys.act_as('bob');
		SELECT count(*), min(status), max(status) FROM tarx_keys.llm_keys}),
	'399|needs_reentry|needs_reentry',
	'the list does not break without any keyring');
foreach my $sql (
	'SELECT * FROM tarx_keys.verify_keys()',
	'SELECT * FROM tarx_keys.rotation_progress',
	$call,
	"SELECT * FROM tarx_keys.verify_audit('$PROJECT')",
	q{SELECT * FROM tarx_keys.verify_personal_audit('alice')},
	q{CALL tarx_keys.purge_audit('infinity')},
	"SELECT tarx_keys.purge_unverifiable_audit('$PROJECT')",
	q{SELECT tarx_keys.purge_unverifiable_personal_audit('alice')},
	"SELECT tarx_keys.begin_audit('00000000-0000-4000-8000-000000000000')")
{
	($status, $out, $err) = $node->psql('postgres', $sql, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	is(state_of($err), 'TK005', "without a keyring: $sql");
}
foreach my $call (
	"set_secret('$PROJECT', 'S1', 'value')",
	"set_secret('$PROJECT', 'NEW', 'value')",
	"restore_secret('$PROJECT', 'S7', (SELECT version FROM tarx_keys.secrets WHERE name = 'S7'))",
	"create_platform_key('x')")
{
	state_is($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.$call", 'TK005',
		"without a keyring: $call");
}
foreach my $call (
	"resolve_secret('$PROJECT', 'S1')",
	"resolve_secrets('$PROJECT')",
	"render_template('$PROJECT', '\${secrets.S1}')")
{
	state_is($node, 'runner', "SELECT tarx_keys.$call", 'TK005', "without a keyring: $call");
}
state_is($node, 'service', "SELECT tarx_keys.login('$token')", 'TK005', 'without a keyring: login()');
$node->safe_psql('postgres', 'CREATE DATABASE empty');
$node->safe_psql('empty', 'CREATE EXTENSION tarx_keys');
state_is($node, undef, 'SELECT * FROM tarx_keys.verify_keys()', 'TK005',
	'verify_keys says so without a row as well', 'empty');

$node->stop;
done_testing();
