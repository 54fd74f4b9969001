# A master key is lost. Without it nothing that it sealed opens, but admins put
# their projects right, one after the other: they delete what does not open and add
# it again, and the audit log goes on in a new generation. When the old keyring
# turns up behind the new one, the old rows verify; if it never does, the DBA
# purges them.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = write_private("$dir/keys", hex_key('a'));
my $node = new_node('lost', keyring => { master_key_file => $file });
my $second = '22222222-2222-4222-8222-222222222222';
my $untouched = '33333333-3333-4333-8333-333333333333';
my %admin = ($PROJECT => 'alice', $second => 'carol', $untouched => 'carol');

$node->start;
install($node);

# Make these the master keys, the active one first.
sub use_master_keys
{
	write_private($file, join("\n", map { hex_key($_) } @_));
	like(reload_keyring($node), qr/loaded: \d+ key/, "keyring @_");
	return;
}

sub as
{
	my ($user, $sql, $db) = @_;
	return ask_ok($node, 'service', "SELECT tarx_keys.act_as('$user'); SELECT $sql", $db);
}

sub verdict
{
	my ($project, $db) = @_;
	return $node->safe_psql(defined $db ? $db : 'postgres',
		"SELECT * FROM tarx_keys.verify_audit('$project')");
}

sub personal_verdict
{
	my ($user) = @_;
	return $node->safe_psql('postgres', "SELECT * FROM tarx_keys.verify_personal_audit('$user')");
}

# The findings of a check of doctor() with their severity
sub doctor
{
	my ($check) = @_;
	return $node->safe_psql('postgres',
		"SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = '$check'");
}

sub actions
{
	my ($project, $generation) = @_;
	return $node->safe_psql('postgres', qq{
		SELECT string_agg(action, ' ' ORDER BY seq) FROM tarx_keys.audit_log
		 WHERE project_id = '$project' AND generation = $generation AND NOT personal});
}

# All rows of the first generation with all that is in them
sub old_rows
{
	return $node->safe_psql('postgres',
		'SELECT * FROM tarx_keys.audit_log WHERE generation = 1 ORDER BY project_id, personal, seq');
}

# What there was under the first key

ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('carol');
	SELECT tarx_keys.create_project('Second', '$second');
	SELECT tarx_keys.create_project('Untouched', '$untouched')});
my (%key, %agent);
foreach my $project ($PROJECT, $second)
{
	my $user = $admin{$project};

	$key{$project} = as($user, "tarx_keys.add_llm_key('$project', 'mistral', 'Production', 'the-value-before-it-all')");
	$agent{$project} = as($user, "tarx_keys.create_agent('$project', 'Helper', '$key{$project}')");
	as($user, "tarx_keys.set_secret('$project', 'TOKEN', 'first'), tarx_keys.set_secret('$project', 'GONE', 'x')");
	as($user, "tarx_keys.set_secret('$project', 'TOKEN', 'second')");
}
my ($platform_key, $token) = split /\|/, as('alice', "* FROM tarx_keys.create_platform_key('laptop')");
my $old_rows = old_rows();

# It is gone

use_master_keys('b');
state_is($node, 'runner', resolve_sql($key{$PROJECT}), 'TK006', 'a key does not open');
state_is($node, 'service', "SELECT tarx_keys.login('$token')", 'TK010', 'nor does a token log in');
foreach my $project ($PROJECT, $second, $untouched)
{
	is(verdict($project), 'f|0|master key missing', 'nor is there anything to verify the log with');
}
is(personal_verdict('alice'), 'f|0|master key missing', 'nor a user\'s own');
like(doctor('audit_log'), qr/^critical\|chains of the audit log that nobody can verify, because master key [0-9a-f]{16} is not in the keyring: 4$/,
	'doctor() is critical');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tarx_keys_internal.audit_ends}), '4', 'of all chains');

# The DBA takes over who is a member, and the agents
sub restamp
{
	my ($project) = @_;
	my $offset = log_size($node);
	my ($status, $out, $err) = $node->psql('postgres', "SELECT tarx_keys.restamp_members('$project')");
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is($status, 0, 'members are stamped anew');
	like($err, qr/NOTICE:  took over user '$admin{$project}' as admin$/m, 'with a notice for each');
	like(log_since($node, $offset), qr/LOG:  tarx_keys: role "\w+" stamps members and agents of project $project anew: $out$/m,
		'and a line in the log');
	return;
}

# What its admins do in a project, by the reference
sub put_right
{
	my ($project) = @_;
	my $user = $admin{$project};
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	is(as($user, "string_agg(name || ' ' || status, ',') FROM tarx_keys.llm_keys"),
		'Production needs_reentry', "$user sees what does not open");
	state_is($node, 'service', "SELECT tarx_keys.act_as('$user'); SELECT tarx_keys.restore_secret('$project', 'TOKEN', 1)",
		'TK006', 'an older version does not open either');
	as($user, "tarx_keys.delete_llm_key('$project', '$key{$project}')");
	state_is($node, 'service', "SELECT tarx_keys.act_as('$user'); SELECT tarx_keys.add_llm_key('$project', 'mistral', 'x', 'the-value-of-a-key')",
		'TK006', 'nobody knows who is an admin');
	restamp($project);
	my $new = as($user, "tarx_keys.add_llm_key('$project', 'mistral', 'Production', 'the-value-after-it-all')");
	is(as($user, "tarx_keys.repoint_agents('$project', '$key{$project}', '$new')"), '1', 'agents are repointed');
	is(as($user, "tarx_keys.set_secret('$project', 'TOKEN', 'third')"), '3', 'a secret is set again');
	as($user, "tarx_keys.delete_secret('$project', 'GONE')");
	as($user, "tarx_keys.add_member('$project', 'dave'), tarx_keys.remove_member('$project', 'dave')");
	is($node->safe_psql('postgres', "SELECT key_value FROM tarx_keys.resolve_agent_key('$project', '$agent{$project}')"),
		'the-value-after-it-all', 'agents resolve');
	is($node->safe_psql('postgres', "SELECT tarx_keys.resolve_secret('$project', 'TOKEN')"), 'third', 'the secret, too');
	is(as($user, 'string_agg(status, chr(44)) FROM tarx_keys.llm_keys'), 'ok', 'nothing needs to be entered');
	is(actions($project, 2),
		'audit.new_generation llm_key.delete ' . ($project eq $PROJECT ? 'member.restamp_admin member.restamp_member' : 'member.restamp_admin')
		  . ' agent.restamp llm_key.add agent.set_key agents.repoint secret.set secret.delete member.add_member member.remove',
		'all of it is in the log');
	return;
}

put_right($PROJECT);
is($node->safe_psql('postgres', q{SELECT count(*) FROM tarx_keys_internal.audit_ends WHERE generation > 1}),
	'1', 'and others\' chains are as they were');
as('alice', "tarx_keys.revoke_platform_key('$platform_key')");
$token = as('alice', "token FROM tarx_keys.create_platform_key('laptop')");
is(ask_ok($node, 'service', "SELECT user_id FROM tarx_keys.login('$token')"), 'alice', 'a new token logs in');
put_right($second);

# The first row of the new generation says which key is missing, and where the old one ended.
my $first = $node->safe_psql('postgres', qq{
	SELECT user_id || ' ' || object_name FROM tarx_keys.audit_log
	 WHERE project_id = '$PROJECT' AND action = 'audit.new_generation'});
like($first, qr/^alice (lane 0: master key [0-9a-f]{16}, from row \d+ behind 0{64}, to row -?\d+ with [0-9a-f]{64})$/,
	'what the first row says');
my ($last_seq, $last_stamp) = split /\|/, $node->safe_psql('postgres', qq{
	SELECT last_seq, encode(last_stamp, 'hex') FROM tarx_keys_internal.audit_ends
	 WHERE project_id = '$PROJECT' AND generation = 1 AND lane = 0});
like($first, qr/ lane 0: master key ([0-9a-f]{16}), .*? to row $last_seq with $last_stamp$/, 'of the ends as they are');
is(old_rows(), $old_rows, 'old rows are as they were');

# It stays unverified, since whoever writes the table can write any fingerprint.
is(verdict($_), 'f|0|master key missing', 'the old rows are not verified') foreach $PROJECT, $second;
is(personal_verdict('alice'), 'f|0|master key missing', 'nor those of a user');
like(doctor('audit_log'), qr/^critical\|.*: 4$/, 'doctor() stays critical');
my ($status, $out, $err) = $node->psql('postgres', 'CALL tarx_keys.rotate_master_key()');
is($status, 0, 'a rotation goes through');
like($err, qr/WARNING:  rows of table audit_ends that do not open were left as they are: 4/, 'and leaves them');

# Many at once, where nobody has yet; the DBA's own call would be the first row
$node->safe_psql('postgres', qq{
	UPDATE tarx_keys.project_members
	   SET stamp = tarx_keys_internal.member_stamp(project_id, user_id, id, role, service_account, revision, added_at)
	 WHERE project_id = '$untouched'});
my $writers = write_private("$dir/writers.sql", qq{
BEGIN;
SELECT tarx_keys.act_as('carol', '$untouched');
SELECT tarx_keys.create_agent('$untouched', 'one');
SELECT tarx_keys.create_agent('$untouched', 'two');
COMMIT;
});
$node->command_ok(
	[ 'pgbench', '-n', '-c', '8', '-j', '2', '-t', '10', '-f', $writers, '-U', 'service', $node->connstr('postgres') ],
	'eight writers at once');
is( $node->safe_psql('postgres', qq{
		SELECT generation, count(*), count(*) FILTER (WHERE action = 'audit.new_generation') FROM tarx_keys.audit_log
		 WHERE project_id = '$untouched' GROUP BY 1 ORDER BY 1}),
	"1|1|0\n2|161|1", 'begin one generation together');

# It turns up again, behind the new one.

use_master_keys('b', 'a');
is(verdict($_), 't||', 'all generations verify') foreach $PROJECT, $second, $untouched;
is(personal_verdict($_), 't||', "those of $_, too") foreach 'alice', 'carol';
like(doctor('audit_log'), qr/^ok\|/, 'doctor() is content');
state_is($node, 'runner', resolve_sql($key{$PROJECT}), 'TK002', 'a deleted key stays deleted');
is(as('alice', "tarx_keys.restore_secret('$PROJECT', 'TOKEN', 2)"), '4', 'an older version of a secret opens again');
is($node->safe_psql('postgres', "SELECT tarx_keys.resolve_secret('$PROJECT', 'TOKEN')"), 'second', 'it is what it was');
is(actions($PROJECT, 3) . actions($second, 3), '', 'changes go on in the second generation');
$node->restart;
is(verdict($PROJECT), 't||', 'it verifies after a restart');

# Dumped and restored, and sealed with the new key
$node->safe_psql('postgres', 'CREATE DATABASE copy');
$node->command_ok([ 'pg_dump', '-f', "$dir/dump.sql", $node->connstr('postgres') ], 'dump');
$node->command_ok(
	[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-f', "$dir/dump.sql", $node->connstr('copy') ], 'restore');
is(verdict($_, 'copy'), 't||', 'it verifies where it was restored') foreach $PROJECT, $second;
as('alice', "tarx_keys.create_agent('$PROJECT', 'goes on')", 'copy');
is(verdict($PROJECT, 'copy'), 't||', 'and goes on there');
is( $node->safe_psql('postgres', q{SELECT audit_chains FROM tarx_keys.keyring_status() WHERE NOT is_active}),
	'4', 'keyring_status() counts the old chains');
($status, $out, $err) = $node->psql('postgres', 'CALL tarx_keys.rotate_master_key()');
unlike($err, qr/WARNING/, 'a rotation seals them again');
use_master_keys('b');
is(verdict($_), 't||', 'without the old key they verify') foreach $PROJECT, $second, $untouched;
is( $node->safe_psql('postgres', q{CALL tarx_keys.purge_audit('infinity'); SELECT count(*) FROM tarx_keys.audit_log}),
	'0', 'a purge goes through all of them');
is(verdict($_), 't||', 'what is left verifies') foreach $PROJECT, $second;

# Lost for good

as('alice', "tarx_keys.create_agent('$PROJECT', 'last')");
use_master_keys('c');
restamp($PROJECT);
as('alice', "tarx_keys.create_agent('$PROJECT', 'after')");
my $third = 'audit.new_generation member.restamp_admin member.restamp_member agent.restamp agent.restamp agent.create';
is(actions($PROJECT, 3), $third, 'a third generation');
is(verdict($PROJECT), 'f|0|master key missing', 'it is as before');
my $offset = log_size($node);
is($node->safe_psql('postgres', "SELECT tarx_keys.purge_unverifiable_audit('$PROJECT')"), '1', 'the DBA purges a project');
like(log_since($node, $offset),
	qr/LOG:  tarx_keys: role "\w+" purges 1 rows of the audit log of project $PROJECT, in 2 chains whose master key is missing/,
	'with a line in the log');
is(verdict($PROJECT), 't||', 'then it verifies');
is(verdict($second), 'f|0|master key missing', 'another one as before');
$offset = log_size($node);
# as docs/operations.md has it
$node->safe_psql('postgres', q{
	SELECT p.id, tarx_keys.purge_unverifiable_audit(p.id) FROM tarx_keys.projects p;
	SELECT u.user_id, tarx_keys.purge_unverifiable_personal_audit(u.user_id)
	  FROM (SELECT DISTINCT k.user_id FROM tarx_keys.platform_api_keys k) u});
like(log_since($node, $offset), qr/purges \d+ rows of the audit log of user [0-9a-f-]{36}, /, 'those of users, too');
is(verdict($_), 't||', 'all verifies') foreach $PROJECT, $second, $untouched;
is(personal_verdict('alice'), 't||', 'of users as well');
like(doctor('audit_log'), qr/^ok\|/, 'doctor() is content');
is(actions($PROJECT, 3), $third, 'what can be verified is there');

# and step 6
restamp($_) foreach $second, $untouched;
is( $node->safe_psql('postgres', q{SELECT kind, count(*) FROM tarx_keys.verify_keys() WHERE status <> 'ok' GROUP BY 1 ORDER BY 1}),
	"llm_key|2\nplatform_key|1\nsecret|2", 'verify_keys() names what still needs it');
foreach my $project ($PROJECT, $second)
{
	as($admin{$project}, "tarx_keys.delete_llm_key('$project', id) FROM tarx_keys.llm_keys WHERE project_id = '$project'");
	as($admin{$project}, "tarx_keys.delete_secret('$project', 'TOKEN')");
	is(as($admin{$project}, "tarx_keys.set_secret('$project', 'TOKEN', 'anew')"), '1', 'a secret begins anew');
}
as('alice', 'tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys WHERE revoked_at IS NULL');
is($node->safe_psql('postgres', q{SELECT count(*) FROM tarx_keys.verify_keys() WHERE status <> 'ok'}), '0', 'then nothing does');
is( $node->safe_psql('postgres', q{
		SELECT check_name FROM tarx_keys.doctor() WHERE severity = 'critical' AND check_name IN ('master_keys', 'rows', 'audit_log')}),
	'', 'and doctor() says nothing of it');
is(verdict($_), 't||', 'the log goes on') foreach $PROJECT, $second;

$node->stop;
done_testing();
