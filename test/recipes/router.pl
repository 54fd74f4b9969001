use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $hex = hex_key('router');
my @shards = map { new_node("shard$_", keyring => { master_key => $hex }) } 1 .. 3;
foreach my $s (@shards) { $s->start; $s->safe_psql('postgres', q{
	CREATE EXTENSION tarx_keys;
	CREATE ROLE service LOGIN IN ROLE tarx_keys_backend;
	CREATE ROLE runner LOGIN IN ROLE tarx_keys_agent;});
	my $sql = $s->safe_psql('postgres', 'SELECT tarx_keys.shard_sql()');
	write_private('/tmp/shards-try-shard.sql', $sql);
	$s->safe_psql('postgres', $sql);
}
my $list = join ',', map { "'host=" . $shards[$_]->host . " port=" . $shards[$_]->port . " dbname=postgres'" } 0, 1, 2, 0;
my $router = new_node('router');
$router->start;
my $sql = $shards[0]->safe_psql('postgres', "SELECT tarx_keys.router_sql(ARRAY[$list])");
	write_private('/tmp/shards-try-router.sql', $sql);
$router->safe_psql('postgres', $sql);
$router->safe_psql('postgres', q{
	CREATE ROLE service LOGIN IN ROLE tarx_keys_backend;
	CREATE ROLE runner LOGIN IN ROLE tarx_keys_agent;});
my @p;
for (1..6) {
my ($rc,$out,$err) = ask($router, 'service', q{
SELECT tarx_keys.act_as('alice');
SELECT tarx_keys.current_user_id();
SELECT tarx_keys.create_project('Support bots') AS project \gset
SELECT :'project', tarx_keys.project_bucket(:'project');
SELECT tarx_keys.add_llm_key(:'project', 'anthropic', 'Production', 'sk-ant-api03-not-a-real-key-0123456789abcdefWXYZ') AS key \gset
SELECT tarx_keys.create_agent(:'project', 'Answer bot', :'key') AS agent \gset
SELECT name, masked_key, added_by, agent_count FROM tarx_keys.llm_keys;
COMMIT; \c - runner
SELECT provider, base_url, key_value FROM tarx_keys.resolve_agent_key(:'project', :'agent');
});
diag "$rc\n$out\n$err";
}
foreach my $s (@shards) { diag $s->safe_psql('postgres', 'SELECT count(*) FROM tarx_keys.projects') }
diag join "|", ask($router, 'service', q{SELECT tarx_keys.act_as('alice', 'aaaaaaaa-0000-4000-8000-000000000002')});
diag join "|", ask($router, 'service', q{SELECT tarx_keys.create_project('x')});
diag join "|", ask($router, 'service', q{SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_project('')});
diag join "|", ask($router, 'service', q{SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_project('y', NULL)});
diag join "|", ask($router, 'service', q{SELECT tarx_keys.act_as('alice'); SELECT * FROM tarx_keys.providers});
diag join "|", ask($router, 'service', q{SELECT tarx_keys.act_as('alice'); SELECT * FROM tarx_keys.projects});
diag join "|", ask($router, 'service', q{SELECT tarx_keys.act_as('alice'); SELECT * FROM tarx_keys.project_audit});
diag join "|", ask($router, 'service', q{SELECT * FROM tarx_keys.sealing_public_key()});
diag join "|", ask($router, 'runner', q{SELECT * FROM tarx_keys.template_references('a ${secrets.B}')});
diag join "|", ask($router, 'runner', q{SELECT * FROM tarx_keys.resolve_key('aaaaaaaa-0000-4000-8000-000000000002', 'aaaaaaaa-0000-4000-8000-000000000002')});
$shards[1]->stop;
diag join "|", ask($router, 'runner', "SELECT * FROM tarx_keys.resolve_key('aaaaaaaa-0000-4000-8000-00000000000$_', 'aaaaaaaa-0000-4000-8000-000000000002')") for 0..3;
diag join "|", ask($router, 'service', q{SELECT tarx_keys.act_as('alice'); SELECT name FROM tarx_keys.projects});
diag slurp_file($router->logfile);
diag slurp_file($shards[0]->logfile);
ok 1;
done_testing();
