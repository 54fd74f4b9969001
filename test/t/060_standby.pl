# Agents resolve keys on a hot standby, which has a keyring of its own: nothing
# there may write. A deletion counts as soon as it is replayed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my ($hex, $other) = (hex_key('standby'), hex_key('other'));
my $value = 'sk-proj-standby-0123456789abcdef0123456789';

my $primary = new_node(
	'primary',
	init => { allows_streaming => 1 },
	keyring => { master_key_file => write_private("$dir/primary", $hex) });
$primary->start;
install($primary);
my $key = add_key($primary, 'first', $value);
my $agent = ask_ok(
	$primary, 'service', qq{
	SELECT tarx_keys.act_as('bob');
	SELECT tarx_keys.create_agent('$PROJECT', 'Helper', '$key')});
my $second = ask_ok(
	$primary, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'second', '$value-2', options => '{"priority": 200}')});
my $by_agent = "SELECT key_value FROM tarx_keys.resolve_agent_key('$PROJECT', '$agent')";
ask_ok(
	$primary, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', 'first');
	SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', 'second');
	SELECT tarx_keys.set_secret('$PROJECT', 'GONE', 'goes')});
my $token = ask_ok(
	$primary, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT token FROM tarx_keys.create_platform_key('laptop')});
my $login = "SELECT user_id, role FROM tarx_keys.login('$token', '$PROJECT')";
my $secret = "SELECT tarx_keys.resolve_secret('$PROJECT', 'TOKEN')";
my $gone = "SELECT tarx_keys.resolve_secret('$PROJECT', 'GONE')";
my $verify = "SELECT ok FROM tarx_keys.verify_audit('$PROJECT')";
my $verify_personal = "SELECT ok FROM tarx_keys.verify_personal_audit('bob')";

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
my $keys = write_private("$dir/standby", $other);
set_keyring($standby, master_key_file => $keys);
# Each change prunes older rows of audit_ends: without this the older transaction
# below would be in the way of the replay, which would end it.
$standby->append_conf('postgresql.conf', "hot_standby_feedback = on\nwal_receiver_status_interval = 1");
$standby->start;
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'a standby');

# Its own keyring, with its own reload

my ($fingerprint) = split /\|/, keyring($primary);
like(
	state_is($standby, 'runner', resolve_sql($key), 'TK006', 'another master key'),
	qr/ERROR:.*$fingerprint/,
	'the standby names the missing master key');
is( ask_ok($standby, undef, "SELECT ok, reason FROM tarx_keys.verify_audit('$PROJECT')"),
	'f|master key missing', 'verify_audit without the master key');
write_private($keys, "$other\n$hex");
reload_keyring($standby);

# What agents and services do there

is(ask_ok($standby, 'runner', resolve_sql($key)), $value, 'resolve_key');
is(ask_ok($standby, 'runner', $by_agent), $value, 'resolve_agent_key');
foreach my $call ('models_request', 'probe_request', 'chat_request_base')
{
	is( ask_ok($standby, 'runner', "SELECT headers ->> 'Authorization' FROM tarx_keys.$call('$PROJECT', '$key')"),
		"Bearer $value", $call);
}
is(ask_ok($standby, 'runner', 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; ' . resolve_sql($key)),
	$value, 'resolve_key in a REPEATABLE READ transaction');

# What a standby is told of a key stays there, and is of its own memory.
my $next = "SELECT name, attempt, remaining FROM tarx_keys.resolve_provider_key('$PROJECT', 'openai')";
my $health = qq{
	SELECT tarx_keys.act_as('bob', '$PROJECT');
	SELECT string_agg(name || ' ' || health, ', ' ORDER BY name) FROM tarx_keys.llm_keys};
is(ask_ok($standby, 'runner', $next), 'first|1|1', 'resolve_provider_key');
ask_ok($standby, 'runner', "SELECT tarx_keys.report_key('$PROJECT', '$key', 'quota')");
is(ask_ok($standby, 'runner', $next), 'second|1|0', 'after report_key another key is first');
is(ask_ok($standby, 'service', $health), 'first quota, second unverified', 'and the list says why');
is(ask_ok($standby, 'runner', resolve_sql($key)), $value, 'resolve_key does not look at it');
is(ask_ok($primary, 'runner', $next), 'first|1|1', 'the primary knows nothing of it');
ask_ok(
	$primary, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.update_llm_key('$PROJECT', '$key', '{"priority": 50}')});
$primary->wait_for_catchup($standby);
is(ask_ok($standby, 'runner', $next), 'first|1|1', 'a change by an admin, replayed, makes a key as good as new');
is(ask_ok($standby, 'service', $health), 'first unverified, second unverified', 'and the list says so');

my ($key_id, $public_key) = split /\|/,
  ask_ok($standby, 'service', 'SELECT * FROM tarx_keys.sealing_public_key()');
isnt(ask_ok($primary, 'service', 'SELECT key_id FROM tarx_keys.sealing_public_key()'),
	$key_id, 'another active master key, another public key');
is( ask_ok($standby, 'runner',
		"SELECT length(sealed) > 48 FROM tarx_keys.resolve_key_sealed('$PROJECT', '$key', '$public_key')"),
	't', 'resolve_key_sealed');
is( ask_ok($standby, 'runner',
		"SELECT length(sealed) > 48 FROM tarx_keys.resolve_agent_key_sealed('$PROJECT', '$agent', '$public_key')"),
	't', 'resolve_agent_key_sealed');
is( ask_ok($standby, 'runner', qq{
		SELECT length(sealed) > 48, remaining
		  FROM tarx_keys.resolve_provider_key_sealed('$PROJECT', 'openai', '$public_key', 'any', ARRAY['$key'::uuid])}),
	't|0', 'resolve_provider_key_sealed');
is( ask_ok($standby, 'runner',
		"SELECT count(*) FROM tarx_keys.resolve_secrets_sealed('$PROJECT', NULL, '$public_key')"),
	'2', 'resolve_secrets_sealed');
is( ask_ok(
		$standby, 'service', qq{
		SELECT tarx_keys.act_as('bob', '$PROJECT');
		SELECT name, masked_key, agent_count FROM tarx_keys.llm_keys WHERE id = '$key'}),
	"first|sk-proj-sta\x{e2}\x{80}\x{a6}6789|1",
	'the list');
is( ask_ok(
		$standby, 'service', qq{
		SELECT tarx_keys.act_as('bob');
		SELECT tarx_keys.current_user_id(), count(*) FROM tarx_keys.agents}),
	'bob|1',
	'agents');
is(ask_ok($standby, 'runner', $secret), 'second', 'resolve_secret');
is( ask_ok($standby, 'runner', "SELECT tarx_keys.render_template('$PROJECT', 'x \${secrets.TOKEN}')"),
	'x second', 'render_template');
is( ask_ok(
		$standby, 'service', qq{
		SELECT tarx_keys.act_as('bob', '$PROJECT');
		SELECT string_agg(name || ' ' || version, ',' ORDER BY name) FROM tarx_keys.secrets}),
	'GONE 1,TOKEN 2',
	'the list of secrets');
is(ask_ok($standby, 'service', $login), 'bob|member', 'login');
is( ask_ok($standby, 'service', "$login; SELECT name FROM tarx_keys.llm_keys WHERE id = '$key'"),
	'first', 'who has logged in lists');
is( ask_ok(
		$standby, 'service', q{
		SELECT tarx_keys.act_as('bob');
		SELECT name FROM tarx_keys.platform_keys}),
	'laptop',
	'the list of platform keys');
is( ask_ok(
		$standby, 'service', qq{
		SELECT tarx_keys.act_as('alice', '$PROJECT');
		SELECT action, object_name FROM tarx_keys.project_audit ORDER BY at DESC LIMIT 1}),
	'llm_key.update|first',
	'the audit log');
is(ask_ok($standby, undef, $verify), 't', 'verify_audit');
is(ask_ok($standby, undef, $verify_personal), 't', 'verify_personal_audit');
state_is($standby, 'service', qq{SELECT tarx_keys.act_as('mallory', '$PROJECT')},
	'42501', 'no member');
state_is($standby, 'service', resolve_sql($key), '42501', 'services do not resolve');
like(
	keyring($standby),
	qr/^$fingerprint\|f\|2$/m,
	'keyring_status');
is( $standby->safe_psql(
		'postgres',
		q{SELECT check_name, finding FROM tarx_keys.doctor() WHERE finding ~ 'could not be checked'}),
	'', 'doctor');

is( $standby->safe_psql('postgres', 'SELECT kind, name, status FROM tarx_keys.verify_keys() ORDER BY kind = \'platform_key\', kind, name'),
	join("\n", 'agent|Helper|ok', 'llm_key|first|ok', 'llm_key|second|ok', 'member|alice|ok', 'member|bob|ok', 'secret|GONE|ok', 'secret|TOKEN|ok', 'platform_key|laptop|ok'),
	'verify_keys');

# What nobody does there

my ($status, $out, $err) = $standby->psql('postgres', 'CALL tarx_keys.rotate_master_key()',
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
is(state_of($err), '25006', 'rotate_master_key is refused');

foreach my $case (
	[ 'add_llm_key', "'openai', 'x', '$value'" ],
	[ 'update_llm_key', qq{'$key', '{"priority": 1}'} ],
	[ 'replace_llm_key', "'$key', '$value'" ],
	[ 'delete_llm_key', "'$key'" ],
	[ 'create_agent', "'x'" ],
	[ 'set_agent_key', "'$agent', '$key'" ],
	[ 'set_agent_provider', "'$agent', 'openai'" ],
	[ 'rename_agent', "'$agent', 'x'" ],
	[ 'delete_agent', "'$agent'" ],
	[ 'repoint_agents', "'$key', '$key'" ],
	[ 'add_member', "'carol'" ],
	[ 'remove_member', "'bob'" ],
	[ 'set_secret', "'TOKEN', 'third'" ],
	[ 'restore_secret', "'TOKEN', 1" ],
	[ 'rename_secret', "'TOKEN', 'OTHER'" ],
	[ 'describe_secret', "'TOKEN', 'x'" ],
	[ 'delete_secret', "'TOKEN'" ],
	[ 'rename_project', "'x'" ],
	[ 'delete_project' ])
{
	my ($function, @args) = @$case;
	my $args = join ', ', "'$PROJECT'", @args;
	state_is($standby, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.$function($args)}, '25006', "$function is refused");
}
state_is($standby, 'service', q{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_project('x')}, '25006', 'create_project is refused');
state_is($standby, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT * FROM tarx_keys.create_platform_key('x')}, '25006', 'create_platform_key is refused');
state_is($standby, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys},
	'25006', 'revoke_platform_key is refused');
state_is($standby, undef, $_, '25006', "$_ is refused")
  foreach ("SELECT tarx_keys.end_user('bob')", "SELECT tarx_keys.purge_project('$PROJECT')");
{
	my ($status, $out, $err) = $standby->psql('postgres', 'CALL tarx_keys.purge_audit(now())', extra_params => [ '-v', 'VERBOSITY=verbose' ]);
	is(state_of($err), '25006', 'purge_audit is refused');
}
state_is($standby, undef, "SELECT tarx_keys.$_", '25006', "$_ is refused")
  foreach "purge_unverifiable_audit('$PROJECT')", q{purge_unverifiable_personal_audit('bob')};
state_is($standby, undef, "SELECT tarx_keys.begin_audit('@{[ $PROJECT =~ tr/1/2/r ]}')",
	'25006', 'begin_audit is refused');

# A deletion, replayed; also for a transaction that has begun before

my $session = $standby->background_psql('postgres', on_error_stop => 0,
	extra_params => [ '-U', 'runner', '-v', 'VERBOSITY=verbose' ]);
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($session->query_safe(resolve_sql($key)), $value, 'resolved before the deletion');
$primary->poll_query_until('postgres',
	'SELECT count(*) = 1 FROM pg_stat_replication WHERE backend_xmin IS NOT NULL')
  or die 'the primary knows nothing of the older transaction';

ask_ok(
	$primary, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.delete_llm_key('$PROJECT', '$key');
	SELECT tarx_keys.delete_secret('$PROJECT', 'GONE')});
ask_ok(
	$primary, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys});
$primary->wait_for_catchup($standby);
state_is($standby, 'runner', resolve_sql($key), 'TK002', 'a deleted key');
state_is($standby, 'runner', $by_agent, 'TK002', 'the agent of a deleted key');
state_is($standby, 'runner', $gone, 'TK011', 'a deleted secret');
state_is($standby, 'service', $login, 'TK010', 'a revoked platform key');
$session->query(resolve_sql($key));
is(state_of($session->{stderr}), 'TK002', 'a deleted key in an older transaction');
$session->quit;

# As the new primary

$standby->promote;
my $new = add_key($standby, 'third', $value);
is(ask_ok($standby, 'runner', resolve_sql($new)), $value, 'adding works once promoted');
is( ask_ok(
		$standby, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.repoint_agents('$PROJECT', '$key', '$new')}),
	'1',
	'repointing works once promoted');
is(ask_ok($standby, 'runner', $by_agent), $value, 'the agent resolves again');
is( ask_ok(
		$standby, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.restore_secret('$PROJECT', 'TOKEN', 1)}),
	'3',
	'restoring a secret works once promoted');
is(ask_ok($standby, 'runner', $secret), 'first', 'and it resolves');
$token = ask_ok(
	$standby, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT token FROM tarx_keys.create_platform_key('desktop')});
is(ask_ok($standby, 'service', "SELECT user_id FROM tarx_keys.login('$token')"),
	'bob', 'a platform key of the new primary logs in');
is(ask_ok($standby, undef, $verify), 't', 'the log goes on and verifies');
is(ask_ok($standby, undef, $verify_personal), 't', 'the personal one, too');
like(keyring($standby), qr/^[0-9a-f]{16}\|t\|1$/m,
	'new keys hang on the key that is active here');
my $rows = 'SELECT count(*) > 0 FROM tarx_keys.audit_log';
is($standby->safe_psql('postgres', "$rows; CALL tarx_keys.purge_audit(now()); $rows"), "t\nf", 'purge_audit works once promoted');
is(ask_ok($standby, undef, $verify), 't', 'what it left verifies');

done_testing();
