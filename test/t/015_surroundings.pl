# What is around the extension: another library with the same hooks, too few
# background workers, clients that come by TCP, and role names that could break a
# line of the log.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $missing = '00000000-0000-0000-0000-00000000dead';
my $node = new_node(
	'surroundings',
	keyring => { master_key => hex_key('surroundings') },
	conf => q{
shared_preload_libraries = 'pg_stat_statements, tarx_keys'
listen_addresses = '127.0.0.1'
tarx_keys.usage_flush_interval = 1
# just the two that always run
max_worker_processes = 2
max_logical_replication_workers = 0
});
$node->start;
install($node);
my $key = add_key($node, 'first', 'sk-proj-surroundings-0123456789abcdefghij');

# A library that was loaded before has its shared memory as well
$node->safe_psql('postgres', 'CREATE EXTENSION pg_stat_statements');
is( $node->safe_psql('postgres', 'SELECT count(*) > 0 FROM pg_stat_statements'),
	't', 'the hooks of a library before this one are called');

# Nothing but the written last uses needs a third worker
my $offset = log_size($node);
is(ask_ok($node, 'runner', resolve_sql($key)),
	'sk-proj-surroundings-0123456789abcdefghij', 'a key resolves');
$node->wait_for_log(qr/no background worker is free.*\n.*HINT:.*max_worker_processes/, $offset);
pass('the log says that a worker lacks');
is( ask_ok($node, 'service', q{SELECT tarx_keys.act_as('alice'); SELECT uses FROM tarx_keys.key_usage}),
	'1', 'uses are counted all the same');

# It says so once. A round begins with a line about refused logins that had none, so
# the second such line comes when the round of the first one is over.
foreach (1, 2)
{
	my $before = log_size($node);
	$node->psql('postgres', "SELECT * FROM tarx_keys.login('sk-tarx-none');\n" x 30,
		on_error_stop => 0, extra_params => [ '-U', 'service' ]);
	$node->wait_for_log(qr/more refused logins? of service/, $before);
}
is(scalar(() = log_since($node, $offset) =~ /no background worker is free/g), 1, 'once for as long as it lasts');

# A client's address stands in the audit log and in log lines
my $tcp = 'host=127.0.0.1 port=' . $node->port . ' dbname=postgres';
is( $node->safe_psql(
		'postgres', qq{
		BEGIN;
		SELECT FROM tarx_keys.act_as('alice', '$PROJECT');
		SELECT FROM tarx_keys.set_secret('$PROJECT', 'BY_TCP', 'value');
		SELECT client FROM tarx_keys.project_audit WHERE object_name = 'BY_TCP';
		COMMIT},
		connstr => "$tcp user=service"),
	'127.0.0.1', 'the audit log has the address');
$offset = log_size($node);
$node->psql(
	'postgres', "SELECT * FROM tarx_keys.resolve_key('$PROJECT', '$missing')",
	connstr => "$tcp user=runner");
like(log_since($node, $offset), qr/login=runner role=- user=- client=127\.0\.0\.1\n/,
	'a log line has the address');

# One refused call is one line, whoever made it; since 19 no role has a line feed
my $break = $node->pg_version->major >= 19 ? "\t" : "\n";
my $escape = sprintf('\\x%02x', ord($break));
$node->safe_psql('postgres', qq{CREATE ROLE "a${break}b""c\\" IN ROLE tarx_keys_agent});
$offset = log_size($node);
$node->psql(
	'postgres', qq{
	SET SESSION AUTHORIZATION "a${break}b""c\\";
	SELECT * FROM tarx_keys.resolve_key('$PROJECT', '$missing')});
like(log_since($node, $offset), qr/login="a\Q$escape\Eb\\"c\\\\" role=- user=- /,
	'a role name is quoted');

# More failed logins than are free of charge are still failed logins
is( join(' ',
		map { state_of((ask($node, 'service', "SELECT * FROM tarx_keys.login('sk-tarx-none')"))[2]) } 1 .. 8),
	join(' ', ('TK010') x 8),
	'failed logins that had to wait');

done_testing();
