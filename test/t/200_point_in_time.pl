# Point-in-time recovery: before a deletion everything is as it was then, as long
# as the keyring still has the master keys of that time.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $value = 'sk-proj-in-time-0123456789abcdef0123456789';
my $file = write_private("$dir/keys", hex_key('then'));
my $verify = qq{
	SELECT p, u FROM tarx_keys.verify_audit('$PROJECT') p, tarx_keys.verify_personal_audit('bob') u};
my $secret = "SELECT tarx_keys.resolve_secret('$PROJECT', 'TOKEN')";

my $node = new_node(
	'now',
	init => { has_archiving => 1, allows_streaming => 1 },
	keyring => { master_key_file => $file });
$node->start;
install($node);
$node->backup('base');

# After the base backup, so that all of it comes from the archive
my $key = add_key($node, 'first', $value);
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', 'of then')});
my $token = ask_ok(
	$node, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT token FROM tarx_keys.create_platform_key('laptop')});
my $login = "SELECT user_id FROM tarx_keys.login('$token')";
my $then = $node->safe_psql('postgres', 'SELECT pg_sleep(0.1); SELECT clock_timestamp()');
$then =~ s/^\n//;

# The accident, and a new master key
$node->safe_psql('postgres', 'SELECT pg_sleep(0.1)');
ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.delete_llm_key('$PROJECT', '$key');
	SELECT tarx_keys.delete_secret('$PROJECT', 'TOKEN')});
ask_ok(
	$node, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys});
write_private($file, hex_key('now') . "\n" . hex_key('then'));
reload_keyring($node);
add_key($node, 'second', $value);
state_is($node, 'runner', resolve_sql($key), 'TK002', 'deleted');

my $segment = $node->safe_psql('postgres', 'SELECT pg_walfile_name(pg_current_wal_lsn())');
$node->safe_psql('postgres', 'SELECT pg_switch_wal()');
$node->poll_query_until('postgres',
	"SELECT last_archived_wal >= '$segment' FROM pg_stat_archiver")
  or die 'the last segment was not archived';

my $recovered = PostgreSQL::Test::Cluster->new('then');
$recovered->init_from_backup($node, 'base', has_restoring => 1, standby => 0);
$recovered->append_conf(
	'postgresql.conf', qq{
recovery_target_time = '$then'
recovery_target_action = promote
archive_mode = off
});
my $keys = write_private("$dir/recovered", hex_key('now'));
set_keyring($recovered, master_key_file => $keys);
$recovered->start;
$recovered->poll_query_until('postgres', 'SELECT NOT pg_is_in_recovery()')
  or die 'recovery did not end';

state_is($recovered, 'runner', resolve_sql($key),
	'TK006', 'the master key of now is not that of then');
write_private($keys, hex_key('now') . "\n" . hex_key('then'));
reload_keyring($recovered);

is(ask_ok($recovered, 'runner', resolve_sql($key)), $value, 'the key resolves again');
is(ask_ok($recovered, 'runner', $secret), 'of then', 'the secret, too');
is(ask_ok($recovered, 'service', $login), 'bob', 'the token logs in again');
is(ask_ok($recovered, undef, $verify), '(t,,)|(t,,)', 'the audit log verifies');
is( $recovered->safe_psql('postgres',
		q{SELECT count(*) FROM tarx_keys.audit_log WHERE action ~ '(delete|revoke)$'}),
	'0', 'and ends before the deletions');
add_key($recovered, 'third', $value);
is(ask_ok($recovered, undef, $verify), '(t,,)|(t,,)', 'it goes on from there');

$recovered->stop;
$node->stop;
done_testing();
