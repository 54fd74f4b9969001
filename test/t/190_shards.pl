# Three servers with one keyring are shards. Platform keys are the home server's, and log in
# on all; JWT need no copy; a rotation goes from server to server; examples/shards/move-bucket
# takes a bucket of projects to another server, with all that belongs to them.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;
use Tokens;

# the chapter's blocks of code, as they stand there
my ($chapter) = slurp_file("$FindBin::RealBin/../../docs/operations.md") =~ /^## Shards\n(.*?)^## /ms;
my ($publish, $subscribe) = $chapter =~ /^```sql\n(.*?)^```$/msg;
my ($javascript) = $chapter =~ /^```js\n(.*?)^```$/ms;

my $move = "$FindBin::RealBin/../../examples/shards/move-bucket";
my $dir = PostgreSQL::Test::Utils::tempdir;
my ($old, $new) = map { hex_key("shards $_") } 1, 2;
my $issuer_key = key_pair('Ed25519');
my $issuers = "$dir/issuers.json";
write_issuers($issuers, [ issuer([ jwk($issuer_key, kid => 'ed') ]) ]);

my @shards = map {
	new_node(
		"shard$_",
		keyring => { master_key_file => write_private("$dir/keys$_", $old) },
		init => { allows_streaming => 'logical' },
		conf => "tarx_keys.jwt_issuers_file = '$issuers'\n")
} 0 .. 2;
my ($home) = @shards;
foreach my $shard (@shards)
{
	$shard->start;
	$shard->safe_psql(
		'postgres', q{
		CREATE EXTENSION tarx_keys;
		CREATE ROLE service LOGIN IN ROLE tarx_keys_backend;
		CREATE ROLE web LOGIN IN ROLE tarx_keys_login;
		CREATE ROLE runner LOGIN IN ROLE tarx_keys_agent;});
}

# The map, as applications read it: four places for three servers
my $map = "$dir/shards";
my @servers = map { $_->connstr('postgres') } @shards;
write_private($map, join '', map { "$servers[$_]\n" } 0, 1, 2, 1);

sub bucket_of
{
	my ($project) = @_;
	return hex(substr($project, -8)) % 1024;
}

sub shard_of
{
	my ($project) = @_;
	my @places = split /\n/, slurp_file($map);
	my $server = $places[ bucket_of($project) % @places ];
	return (grep { $_->connstr('postgres') eq $server } @shards)[0];
}

# A change in a project, as an admin, on the server that the map names
sub as_alice
{
	my ($project, $sql) = @_;
	return ask_ok(shard_of($project), 'service', "SELECT tarx_keys.act_as('alice'); $sql");
}

# The bucket

foreach my $id (qw(00000000-0000-0000-0000-000000000000 ffffffff-ffff-ffff-ffff-ffffffffffff 6b0f0c1e-3c0c-4c8e-9d62-5f2a4c1f7f10 00000000-0000-4000-8000-00000a0b0c0d))
{
	is($home->safe_psql('postgres', "SELECT tarx_keys.project_bucket('$id')"), bucket_of($id), "the bucket of $id");
}
SKIP:
{
	my $ids = join ',', map { "'$_'" } qw(6b0f0c1e-3c0c-4c8e-9d62-5f2a4c1f7f10 ffffffff-ffff-4fff-bfff-ffffffffffff 00000000-0000-4000-8000-00000000040A);
	my ($out, $err) = ('', '');

	skip('needs Node.js', 1) unless eval { IPC::Run::run([ 'node', '-e', "$javascript console.log([$ids].map(id => shardOf(id, '$map')).join('\\n'))" ], '>', \$out, '2>', \$err) };
	is($out, join('', map { "$servers[$_]\n" } 0, 1, 2), 'the server of a project, in JavaScript');
}

# A project on each server; two more are in the bucket of the last one

my @projects = map { "11111111-1111-4111-8111-00000000000$_" } 4, 5, 6;
my ($same, $ended) = qw(22222222-2222-4222-8222-000000000406 22222222-2222-4222-8222-000000000806);
as_alice($_, "SELECT tarx_keys.create_project('Project', '$_')") foreach @projects, $same, $ended;
is(join(' ', map { shard_of($_)->name } @projects, $same, $ended), 'shard0 shard1 shard2 shard2 shard2', 'where projects are');
my @keys = map { as_alice($_, "SELECT tarx_keys.add_llm_key('$_', 'openai', 'Key', 'sk-proj-0123456789-of-$_')") } @projects;

sub resolves
{
	my ($shard, $place) = @_;
	return ask_ok($shard, 'runner', "SELECT key_value FROM tarx_keys.resolve_key('$projects[$place]', '$keys[$place]')");
}

# Platform keys

$home->safe_psql('postgres', $publish);
$subscribe =~ s/\s+WITH \(run_as_owner = true\)// if $home->safe_psql('postgres', 'SHOW server_version_num') < 160000;
foreach my $place (1, 2)
{
	$shards[$place]->safe_psql('postgres',
		$subscribe =~ s/tarx_keys_home_2/tarx_keys_home_$place/r =~ s/CONNECTION '.*?'/"CONNECTION '" . $servers[0] =~ s{'}{''}gr . "'"/er);
}

sub create_token
{
	my ($arguments) = @_;
	my ($id, $token) = split /\|/, ask_ok($home, 'service', "SELECT tarx_keys.act_as('alice'); SELECT * FROM tarx_keys.create_platform_key($arguments)");
	return { id => $id, login => "SELECT tarx_keys.login('$token'" };
}

sub catch_up
{
	$home->wait_for_catchup("tarx_keys_home_$_") foreach 1, 2;
	return;
}

my $wide = create_token(q{'wide'});
my $narrow = create_token("'narrow', project_ids => '{$projects[2],$projects[1]}'");
catch_up();
foreach my $place (0 .. 2)
{
	is(ask_ok($shards[$place], 'web', "$wide->{login}, '$projects[$place]')"), '(alice,admin)', "a key of home logs in on shard $place");
}
is(ask_ok($shards[$_], 'web', "$narrow->{login}, '$projects[$_]')"), '(alice,admin)', "a key of home for a project on shard $_") foreach 1, 2;
state_is($home, 'web', "$narrow->{login}, '$projects[0]')", '42501', 'it is narrowed to that project');
state_is($shards[2], 'web', "$narrow->{login}, '$same')", '42501', 'there as well');
ask_ok($home, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.revoke_platform_key('$narrow->{id}')");
catch_up();
state_is($shards[2], 'web', "$narrow->{login}, '$projects[2]')", 'TK010', 'a key that was revoked at home');
my ($account, $account_token) = split /\|/, as_alice($projects[2], qq{
	SELECT s, k.token FROM tarx_keys.create_service_account('$projects[2]', 'CI') s, tarx_keys.create_service_account_key('$projects[2]', s, 'CI') k});
my $account_login = "SELECT tarx_keys.login('$account_token', '$projects[2]')";
is(ask_ok($shards[2], 'web', $account_login), "($account,member)", 'a service account logs in on its shard');

my $jwt = token($issuer_key, claims());
is(ask_ok($shards[$_], 'web', "SELECT tarx_keys.login_jwt('$jwt', '$projects[$_]')"), '(alice,admin)', "a JWT logs in on shard $_") foreach 0 .. 2;

# A rotation: first all keyrings, then each server

foreach my $place (0 .. 2)
{
	write_private("$dir/keys$place", "$new\n$old");
	reload_keyring($shards[$place]);
	next if $place > 0;
	# too early
	$home->safe_psql('postgres', 'CALL tarx_keys.rotate_master_key()');
	catch_up();
	state_is($shards[1], 'web', "$wide->{login})", 'TK010', 'a server without the new key refuses what home has rotated');
}
foreach my $shard (@shards)
{
	$shard->safe_psql('postgres', 'CALL tarx_keys.rotate_master_key()');
	catch_up();
	is(ask_ok($_, 'web', "$wide->{login})"), '(alice,)', $_->name . ' logs in after the rotation of ' . $shard->name) foreach @shards;
}
is($_->safe_psql('postgres', 'SELECT count(*) FROM tarx_keys.keyring_status() WHERE NOT is_active AND (llm_keys > 0 OR platform_keys > 0)'),
	0, $_->name . ' needs the old key no more') foreach @shards;
foreach my $place (0 .. 2)
{
	write_private("$dir/keys$place", $new);
	reload_keyring($shards[$place]);
}
is(resolves($shards[$_], $_), "sk-proj-0123456789-of-$projects[$_]", "keys of shard $_ resolve") foreach 0 .. 2;
is($_->safe_psql('postgres', q{SELECT string_agg(check_name || ': ' || finding, E'\n') FROM tarx_keys.doctor(full => true)
	WHERE severity = 'critical' OR check_name IN ('rows', 'older_rows', 'audit_log', 'grants', 'ownership') AND severity <> 'ok'}),
	'', 'doctor has nothing against ' . $_->name) foreach @shards;

# Moving a bucket

my $agent = as_alice($projects[2], "SELECT tarx_keys.create_agent('$projects[2]', 'Agent', '$keys[2]')");
as_alice($projects[2], qq{
	SELECT tarx_keys.set_secret('$projects[2]', 'SECRET', 'one'), tarx_keys.set_secret('$projects[2]', 'SECRET', 'two');
	SELECT tarx_keys.add_member('$projects[2]', 'bob')});
my $ticket = as_alice($projects[2], "SELECT tarx_keys.issue_run_ticket('$projects[2]', '$agent')");
is(ask_ok($shards[2], 'runner', run_sql($ticket)), "sk-proj-0123456789-of-$projects[2]", 'a run');
as_alice($same, "SELECT tarx_keys.set_secret('$same', 'SECRET', 'three')");
as_alice($ended, "SELECT tarx_keys.delete_project('$ended')");
my @moving = ($projects[2], $same, $ended);
my $bucket = bucket_of($projects[2]);

sub run_move
{
	my (@args) = @_;
	my ($out, $err) = ('', '');
	local $ENV{TMPDIR} = $dir;

	IPC::Run::run([ $move, @args ], '<', '/dev/null', '>', \$out, '2>', \$err);
	return ($? >> 8, $out, $err);
}

sub moves
{
	my ($test, $says, @args) = @_;
	my ($status, $out, $err) = run_move(@args);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($status, 0, $test) or diag($err);
	like($out, $says, "$test: what it says");
	return;
}

sub fails
{
	my ($test, $says, @args) = @_;
	my ($status, $out, $err) = run_move(@args);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($status, 1, $test);
	like($err, $says, "$test: what it says");
	return;
}

# All rows of these projects, and of the service account, but for a platform key of home
sub rows_moving
{
	my ($shard) = @_;
	my $chain = $shard->safe_psql('postgres', "SELECT tarx_keys_internal.personal_chain('$account')");
	my $of_them = join '|', @moving, $account, $chain;

	return grep { /$of_them/ && !/\|narrow\|/ } rows_of($shard, 'postgres');
}

my $version = "SELECT tarx_keys.project_version('$projects[2]')";
my $version_before = ask_ok($shards[2], 'runner', $version);
my @before = rows_moving($shards[2]);
my @others = map { scalar rows_of($shards[$_], 'postgres') } 0, 1;
cmp_ok(scalar(@before), '>', 20, 'rows to move');

# Another realm, so rows would not open
$home->safe_psql('postgres', q{ALTER DATABASE postgres SET tarx_keys.realm = 'another'});
fails('to a server with another realm', qr/what has to be the same.*\n< realm \n> realm another/, $map, $bucket, $servers[0]);
$home->safe_psql('postgres', 'ALTER DATABASE postgres RESET tarx_keys.realm');
write_private("$dir/keys0", "$old\n$new");
reload_keyring($home);
fails('to a server with another keyring', qr/> master key /, $map, $bucket, $servers[0]);
write_private("$dir/keys0", $new);
reload_keyring($home);
fails('to where it is', qr/the map has bucket $bucket at/, $map, $bucket, $servers[2]);
# deleting "from the other one" would leave nothing
my $spelt_anew = join ' ', reverse split / /, $servers[2];
fails($_->[0], qr/are the same database/, @{ $_->[1] })
  foreach [ 'to where it is, spelt anew', [ $map, $bucket, $spelt_anew ] ], [ 'the rest of it, spelt anew', [ '--rest', $spelt_anew, $map, $bucket ] ];
is(differences(\@before, [ rows_moving($shards[2]) ]), '', 'and deletes nothing');
fails('no bucket', qr/from 0 to 1023/, $map, 1024, $servers[0]);
write_private("$dir/three", "$servers[0]\n" x 3);
fails('no map', qr/no power of two/, "$dir/three", $bucket, $servers[0]);

write_private("$dir/three", "$servers[0]\n\n");
fails('a map with an empty line', qr/has an empty line/, "$dir/three", $bucket, $servers[0]);
command_fails_like([ 'flock', $dir, $move, $map, $bucket, $servers[0] ], qr/another move/, 'one move at a time');

# A changed log does not get there
$shards[2]->safe_psql('postgres', "UPDATE tarx_keys.audit_log SET object_name = 'Other' WHERE project_id = '$same' AND action = 'project.create'");
fails('a log that does not verify', qr/$same: .*\n.*nothing has moved/s, $map, $bucket, $servers[0]);
$shards[2]->safe_psql('postgres', "UPDATE tarx_keys.audit_log SET object_name = 'Project' WHERE project_id = '$same' AND action = 'project.create'");
is(scalar(rows_moving($home)), 0, 'nothing has got there');

# Interrupted before the switch: the old server goes on, and the new one is tidied up.
mkdir "$dir/maps";
my $fixed = write_private("$dir/maps/map", slurp_file($map));
mkdir "$fixed.new";
fails('the map cannot be written', qr/could not write \Q$fixed\E.*--rest '\Q$servers[0]\E'/s, $fixed, $bucket, $servers[0]);
is(resolves($shards[2], 2), "sk-proj-0123456789-of-$projects[2]", 'the old server goes on');
fails('again', qr/from a move that was interrupted.*--rest '\Q$servers[0]\E' \Q$map\E $bucket/, $map, $bucket, $servers[0]);
moves('tidying up', qr/deleted from \Q$servers[0]\E what both have.*\nmoved .*: 0 projects/, '--rest', $servers[0], $map, $bucket);
is(scalar(rows_moving($home)), 0, 'nothing is left of it');
is(differences(\@before, [ rows_moving($shards[2]) ]), '', 'the old server has all');

# Behind the switch, but before the old server has deleted them: keys resolve on both, and
# changes wait on the old one.
write_private(
	"$dir/meanwhile", qq{
psql -XAtq -d "$servers[2] user=runner" -c "SELECT key_value FROM tarx_keys.resolve_key('$projects[2]', '$keys[2]')"
psql -XAtq -d "$servers[0] user=runner" -c "SELECT key_value FROM tarx_keys.resolve_key('$projects[2]', '$keys[2]')"
for call in "add_llm_key('$projects[2]', 'openai', 'Late', 'sk-proj-0123456789-late')" "delete_llm_key('$projects[2]', '$keys[2]')" \\
	"create_project('Late', '22222222-2222-4222-8222-000000000c06')" "remove_member('$projects[2]', 'bob')"; do
	psql -Xq -v VERBOSITY=sqlstate -d "$servers[2] user=service" <<SQL 2>&1
		SET lock_timeout = '100ms';
		BEGIN; SELECT tarx_keys.act_as('alice') \\\\g /dev/null
		SELECT tarx_keys.\$call;
SQL
done
psql -Xq -v VERBOSITY=sqlstate -d "$servers[2] user=service" <<SQL
	BEGIN; SELECT tarx_keys.act_as('alice') \\\\g /dev/null
	SELECT tarx_keys.rename_project('$projects[2]', 'Too late');
SQL
}, 0700);
my ($status, $out, $err) = run_move('--then', "timeout 60 bash $dir/meanwhile >$dir/seen 2>&1 &
	waits=\"SELECT count(*) FROM pg_stat_activity WHERE usename = 'service' AND wait_event_type = 'Lock' AND query ~ 'rename_project'\"
	for i in \$(seq 300); do [ \"\$(psql -XAtd \"$servers[2]\" -c \"\$waits\")\" = 0 ] || break; sleep 0.1; done", $map, $bucket, $servers[0]);
is($status, 0, 'the move') or diag($err);
like($out, qr/moved from \Q$servers[2]\E to \Q$servers[0]\E: 3 projects\n.*--rest '\Q$servers[2]\E'/, 'what it says');
ok(wait_until(sub { (() = slurp_file("$dir/seen") =~ /ERROR/g) == 5 }), 'all have ended');
is( slurp_file("$dir/seen"),
	("sk-proj-0123456789-of-$projects[2]\n" x 2) . ("ERROR:  55P03\n" x 4) . "ERROR:  42501\n",
	'meanwhile keys resolve, and changes wait; who waited for the end finds no such project');
is(shard_of($_)->name, 'shard0', "the map has $_ at its new place") foreach @moving;
is(scalar(split /\n/, slurp_file($map)), 1024, 'the map has a line for each bucket');
is(join(' ', map { shard_of($_)->name } @projects[ 0, 1 ]), 'shard0 shard1', 'the others are where they were');
is(differences(\@before, [ rows_moving($home) ]), '', 'all rows are there as they were');
is(scalar(rows_moving($shards[2])), 0, 'no row is left');
is(scalar(rows_of($shards[1], 'postgres')), $others[1], 'the third server has what it had');

# It works there, and its logs go on
is(ask_ok($home, 'runner', $version), $version_before, 'its version is the same');
is(resolves($home, 2), "sk-proj-0123456789-of-$projects[2]", 'its keys resolve');
state_is($shards[2], 'runner', "SELECT * FROM tarx_keys.resolve_key('$projects[2]', '$keys[2]')", 'TK001', 'where it was there is no such key');
is(ask_ok($home, 'runner', "SELECT key_value FROM tarx_keys.resolve_agent_key('$projects[2]', '$agent')"),
	"sk-proj-0123456789-of-$projects[2]", 'by its agent');
state_is($home, 'runner', run_sql($ticket), 'TK016', 'runs need new tickets');
is(ask_ok($home, 'web', $account_login), "($account,member)", 'its service account logs in');
as_alice($projects[2], "SELECT tarx_keys.restore_secret('$projects[2]', 'SECRET', 1); SELECT tarx_keys.remove_member('$projects[2]', 'bob')");
is(ask_ok($home, 'runner', "SELECT tarx_keys.resolve_secret('$projects[2]', 'SECRET')"), 'one', 'older versions of secrets are there');
state_is($home, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_project('Again', '$ended')", '23505', 'an id that has ended is not given again');
is($home->safe_psql('postgres', "SELECT bool_and(v.ok) FROM unnest('{@{[ join ',', @moving ]}}'::uuid[]) p, tarx_keys.verify_audit(p) v"), 't', 'audit logs verify');
is($home->safe_psql('postgres', "SELECT ok FROM tarx_keys.verify_personal_audit('$account')"), 't', 'that of the service account as well');
is($home->safe_psql('postgres', "SELECT count(*) FROM tarx_keys.verify_keys() WHERE status <> 'ok'"), 0, 'all rows open');

# An old map has made a project where the bucket was
my $late = '22222222-2222-4222-8222-000000000c06';
ask_ok($shards[2], 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_project('Late', '$late')");
moves('the rest', qr/moved from \Q$servers[2]\E to \Q$servers[0]\E: 1 projects/, '--rest', $servers[2], $map, $bucket);
as_alice($late, "SELECT tarx_keys.rename_project('$late', 'In time')");
is($home->safe_psql('postgres', "SELECT ok FROM tarx_keys.verify_audit('$late')"), 't', 'its log verifies');

# And back, with platform keys of service accounts, which home does not publish
moves('back', qr/: 4 projects/, $map, $bucket, $servers[2]);
is(ask_ok($shards[2], 'web', $account_login), "($account,member)", 'its service account logs in');
create_token(q{'last'});
catch_up();
is($_->safe_psql('postgres', q{SELECT count(*) FROM tarx_keys.platform_api_keys WHERE name = 'last'}), 1, $_->name . ' has home\'s keys') foreach @shards;
is(join("\n", glob "$dir/move-bucket.*"), '', 'nothing is left of its files');

# Killed behind the switch; before the rest is deleted, an old map changes what is there.
run_move('--then', 'kill -KILL $PPID', $map, $bucket, $servers[0]);
is(shard_of($same)->name, 'shard0', 'killed behind the switch');
my @rest = ('--rest', $servers[2], $map, $bucket);
my $count = "SELECT count(*) FROM tarx_keys.projects WHERE id IN ('@{[ join q{','}, @moving, $late ]}')";
is(ask_ok($shards[2], 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$same', 'TOO_LATE', 'x')"), 1, 'a change where it was');
fails('the rest has changes of an old map', qr/\Q$servers[2]\E has changes that .* add --discard\. The projects: $same\n/, @rest);
is($_->safe_psql('postgres', $count), 4, $_->name . ' has all projects') foreach @shards[ 0, 2 ];
moves('what is discarded', qr/deleted from \Q$servers[2]\E what both have/, '--discard', @rest);
is(join(' ', map { $_->safe_psql('postgres', $count) } @shards[ 0, 2 ]), '4 0', 'all are where the map has them');

# Somebody holds the end of a log; the move waits for it, and a writer comes: neither waits for
# the other with what that needs.
sub session
{
	my ($login, $sql) = @_;
	my %session = (in => "$sql\n", out => '');

	$session{run} = IPC::Run::start([ 'psql', '-XAtq', '-v', 'VERBOSITY=sqlstate', '-d', "$servers[0] user=$login" ], '<', \$session{in}, '>', \$session{out}, '2>&1');
	$session{run}->pump while length $session{in};
	return \%session;
}
my $waiting = q{SELECT count(*) = %s FROM pg_stat_activity WHERE backend_type = 'client backend' AND wait_event_type = 'Lock'};
my $holder = session($home->safe_psql('postgres', 'SELECT current_user'),
	"BEGIN; SELECT 'held' FROM tarx_keys_internal.audit_ends WHERE project_id = '$same' AND NOT personal FOR UPDATE;");
$holder->{run}->pump until $holder->{out} =~ /held/;
my ($moved, $said) = ('', '');
my $mover = IPC::Run::start([ $move, $map, $bucket, $servers[2] ], '<', '/dev/null', '>', \$moved, '2>', \$said);
ok($home->poll_query_until('postgres', sprintf($waiting, 1)), 'the move waits');
my $writer = session('service', "BEGIN; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$same', 'WITH_A_MOVE', 'x');");
ok($home->poll_query_until('postgres', sprintf($waiting, 2)), 'and so does who changes something');
$holder->{in} = "COMMIT;\n";
$_->{run}->finish foreach $holder, $writer;
$mover->finish;
is($said, '', 'the move is done');
like($moved, qr/: 4 projects/, 'with all projects');
like($writer->{out}, qr/^ERROR:  42501\n/m, 'who came too late is told so');

done_testing();
