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
my $by_agent = "SELECT key_value FROM tarx_keys.resolve_agent_key('$PROJECT', '$agent')";

$primary->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('standby');
$standby->init_from_backup($primary, 'backup', has_streaming => 1);
my $keys = write_private("$dir/standby", $other);
set_keyring($standby, master_key_file => $keys);
$standby->start;
$primary->wait_for_catchup($standby);
is($standby->safe_psql('postgres', 'SELECT pg_is_in_recovery()'), 't', 'a standby');

# Its own keyring, with its own reload

my ($fingerprint) = split /\|/, keyring($primary);
like(
	state_is($standby, 'runner', resolve_sql($key), 'TK006', 'another master key'),
	qr/ERROR:.*$fingerprint/,
	'the standby names the missing master key');
write_private($keys, "$other\n$hex");
reload_keyring($standby);

# What agents and services do there

is(ask_ok($standby, 'runner', resolve_sql($key)), $value, 'resolve_key');
is(ask_ok($standby, 'runner', $by_agent), $value, 'resolve_agent_key');
is(ask_ok($standby, 'runner', 'SET TRANSACTION ISOLATION LEVEL REPEATABLE READ; ' . resolve_sql($key)),
	$value, 'resolve_key in a REPEATABLE READ transaction');
is( ask_ok(
		$standby, 'service', qq{
		SELECT tarx_keys.act_as('bob', '$PROJECT');
		SELECT name, masked_key, agent_count FROM tarx_keys.llm_keys}),
	"first|sk-proj-sta\x{e2}\x{80}\x{a6}6789|1",
	'the list');
is( ask_ok(
		$standby, 'service', qq{
		SELECT tarx_keys.act_as('bob');
		SELECT tarx_keys.current_user_id(), count(*) FROM tarx_keys.agents}),
	'bob|1',
	'agents');
state_is($standby, 'service', qq{SELECT tarx_keys.act_as('mallory', '$PROJECT')},
	'42501', 'no member');
state_is($standby, 'service', resolve_sql($key), '42501', 'services do not resolve');
like(
	keyring($standby),
	qr/^$fingerprint\|f\|1$/m,
	'keyring_status');

is( $standby->safe_psql('postgres', 'SELECT kind, name, status FROM tarx_keys.verify_keys()'),
	'llm_key|first|ok',
	'verify_keys');

# What nobody does there

my ($status, $out, $err) = $standby->psql('postgres', 'CALL tarx_keys.rotate_master_key()',
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
is(state_of($err), '25006', 'rotate_master_key is refused');

foreach my $case (
	[ 'add_llm_key', "'openai', 'x', '$value'" ],
	[ 'delete_llm_key', "'$key'" ],
	[ 'create_agent', "'x'" ],
	[ 'set_agent_key', "'$agent', '$key'" ],
	[ 'delete_agent', "'$agent'" ],
	[ 'repoint_agents', "'$key', '$key'" ],
	[ 'add_member', "'carol'" ],
	[ 'remove_member', "'bob'" ])
{
	my ($function, $args) = @$case;
	state_is($standby, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.$function('$PROJECT', $args)}, '25006', "$function is refused");
}
state_is($standby, 'service', q{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_project('x')}, '25006', 'create_project is refused');

# A deletion, replayed; also for a transaction that has begun before

my $session = $standby->background_psql('postgres', on_error_stop => 0,
	extra_params => [ '-U', 'runner', '-v', 'VERBOSITY=verbose' ]);
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($session->query_safe(resolve_sql($key)), $value, 'resolved before the deletion');

ask_ok(
	$primary, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.delete_llm_key('$PROJECT', '$key')});
$primary->wait_for_catchup($standby);
state_is($standby, 'runner', resolve_sql($key), 'TK002', 'a deleted key');
state_is($standby, 'runner', $by_agent, 'TK002', 'the agent of a deleted key');
$session->query(resolve_sql($key));
is(state_of($session->{stderr}), 'TK002', 'a deleted key in an older transaction');
$session->quit;

# As the new primary

$standby->promote;
my $new = add_key($standby, 'second', $value);
is(ask_ok($standby, 'runner', resolve_sql($new)), $value, 'adding works once promoted');
is( ask_ok(
		$standby, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.repoint_agents('$PROJECT', '$key', '$new')}),
	'1',
	'repointing works once promoted');
is(ask_ok($standby, 'runner', $by_agent), $value, 'the agent resolves again');

done_testing();
