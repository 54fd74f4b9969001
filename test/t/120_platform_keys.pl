# Platform keys over restarts and on a standby: when one was last used survives
# a restart, login works on a hot standby, and a revocation on the primary ends
# that as soon as it is replayed.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $keys = write_private("$dir/keys", hex_key('a'));
my $node = new_node(
	'platform',
	init => { allows_streaming => 1 },
	keyring => { master_key_file => $keys },
	conf => "tarx_keys.usage_flush_interval = 1\n");
$node->start;
install($node);
$node->safe_psql('postgres', 'CREATE ROLE web LOGIN IN ROLE tarx_keys_login');

# the last line is the token
my $token = ask_ok(
	$node, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT token FROM tarx_keys.create_platform_key('laptop')});
like($token, qr/^sk-tarx-[0-9A-Za-z]{49}$/, 'a token');
my $login = "SELECT user_id || ' ' || role FROM tarx_keys.login('$token', '$PROJECT')";
my $list = "SELECT tarx_keys.act_as('bob'); SELECT last_used_at IS NOT NULL FROM tarx_keys.platform_keys";

is(ask_ok($node, 'service', $list), 'f', 'a new key has not been used');
is(ask_ok($node, 'web', $login), 'bob member', 'login');
is(ask_ok($node, 'service', $list), 't', 'its use shows at once');
$node->poll_query_until('postgres',
	"SELECT count(*) = 1 FROM tarx_keys.last_used WHERE kind = 'platform_key'")
  or die 'the use was not written down';
$node->restart;
is(ask_ok($node, 'service', $list), 't', 'its use shows after a restart');

$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('platform_standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(ask_ok($standby, 'web', $login), 'bob member', 'login on a standby');
state_is($standby, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT token FROM tarx_keys.create_platform_key('phone')},
	'25006', 'none is created there');

ask_ok(
	$node, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys});
$node->wait_for_catchup($standby);
state_is($standby, 'web', $login, 'TK010', 'a revoked key is refused on the standby');
state_is($node, 'web', $login, 'TK010', 'and on the primary');

$standby->stop;
$node->stop;
done_testing();
