# A router for three shards, by PL/Proxy and the scripts of router_sql() and shard_sql(): the
# README's story goes on, errors are those of a shard, identity is no setting of clients, no
# log has a value, and while a shard is down the others serve.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

need('PL/Proxy', -e shell_output('"$PG_CONFIG" --pkglibdir') =~ s/\n//r . '/plproxy.so');

my $dir = PostgreSQL::Test::Utils::tempdir;
my $hex = hex_key('router');

# Everything that PostgreSQL can log
my $logged = q{
log_statement = all
log_min_duration_statement = 0
log_min_error_statement = error
log_error_verbosity = verbose
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
};
my @shards = map { new_node("shard$_", keyring => { master_key => $hex }, conf => $logged) } 0 .. 2;
# a router has no keyring
my $router = new_node('router', conf => $logged);
my @all = ($router, @shards);
my $roles = q{
	CREATE ROLE service LOGIN IN ROLE tarx_keys_backend;
	CREATE ROLE runner LOGIN IN ROLE tarx_keys_agent;};
foreach my $shard (@shards)
{
	$shard->start;
	$shard->safe_psql('postgres', "CREATE EXTENSION tarx_keys; $roles");
}

# Four places for three servers
my @places = @shards[ 0, 1, 2, 1 ];

sub router_sql
{
	my (@nodes) = @_;
	my $list = join ', ', map { "'" . $_->connstr('postgres') =~ s/'/''/gr . "'" } @nodes;

	return $shards[0]->safe_psql('postgres', "SELECT tarx_keys.router_sql(ARRAY[$list])");
}

sub make_router
{
	my (@nodes) = @_;

	$router->safe_psql('postgres', router_sql(@nodes));
	return;
}

# Where identity would be a setting of clients, and over the extension itself, there is no router.
sub refuses
{
	my ($node, $message, $test) = @_;
	my ($status, $out, $err) = $node->psql('postgres', router_sql(@places), extra_params => [ '-v', 'VERBOSITY=verbose' ], on_error_stop => 1);

	is(state_of($err), '55000', $test);
	like($err, $message, "$test: what it says");
	is($node->safe_psql('postgres', q{SELECT count(*) FROM pg_namespace WHERE nspname = 'tarx_keys_router'}), 0, "$test: nothing is left");
	return;
}
$router->append_conf('postgresql.conf', q{shared_preload_libraries = ''});
$router->start;
refuses($router, qr/does not preload/, 'without the library');
refuses($shards[2], qr/has the extension/, 'on a shard');
$router->append_conf('postgresql.conf', q{shared_preload_libraries = 'tarx_keys'});
$router->restart;
# As the chapter says
my ($commands) = slurp_file("$FindBin::RealBin/../../docs/operations.md") =~ /^### A router for shards\n.*?^```sh\n(.*?)^```$/ms;
my $map = write_private("$dir/shards", join '', map { $_->connstr('postgres') . "\n" } @places);
$commands =~ s{/etc/tarx_keys/shards}{$map}g;
$commands =~ s/-d router/-d "@{[ $router->connstr('postgres') ]}"/ or die 'the commands name no router';
foreach my $time ('', ' again')
{
	my ($out, $err) = ('', '');

	IPC::Run::run([ 'bash', '-euo', 'pipefail', '-c', $commands ], '>', \$out, '2>', \$err);
	is("$? $err", '0 ', "the commands run$time");
}
$router->safe_psql('postgres', "$roles CREATE ROLE stranger LOGIN");

sub as_alice
{
	my ($sql) = @_;
	return ask_ok($router, 'service', "SELECT tarx_keys.act_as('alice'); $sql");
}

# The story in the README, once for each place

my ($story) = slurp_file("$FindBin::RealBin/../../README.md") =~ /^```sql\n(.*?)^```$/ms;
my ($value) = $story =~ /'(sk-ant-[^']*)'/;
$story =~ s/^CREATE EXTENSION tarx_keys;\n// or die 'the story does not begin with the extension';
$story =~ s/^COMMIT;\n/COMMIT;\n\\connect - runner\n/m or die 'the story has no COMMIT';
my %count;
my $lists = 0;
while (keys %count < 3)
{
	my ($status, $out, $err) = $router->psql('postgres', "$story\n\\echo :project\n", extra_params => [ '-U', 'service' ], on_error_stop => 1);
	my ($project) = $out =~ /([0-9a-f-]{36})\n?\z/;

	is("$status $err", '0 ', 'the story');
	like($out, qr/^anthropic\|https:\/\/api.anthropic.com\|\Q$value\E$/m, 'the runner gets the key');
	is(scalar(() = $out =~ /^Production\|/mg), ++$lists, 'the list has the keys of all shards, each once');
	my $shard = $places[ $router->safe_psql('postgres', "SELECT tarx_keys.project_bucket('$project') % 4") ];
	is($shard->safe_psql('postgres', "SELECT count(*) FROM tarx_keys.projects WHERE id = '$project'"), 1, 'the project is on its shard');
	$count{ $shard->name }++;
}
my $projects = as_alice('SELECT count(*) FROM tarx_keys.projects');
is($projects, $lists, 'the list of projects');

# One on each shard, whose ids we know
my @projects = map { "11111111-1111-4111-8111-00000000000$_" } 0, 1, 2;
my $in = "'$projects[1]'";
as_alice("SELECT tarx_keys.create_project('Known', '$_')") foreach @projects;
my $key = as_alice("SELECT tarx_keys.add_llm_key($in, 'openai', 'Key', 'sk-proj-0123456789-of-the-second', options => '{\"priority\": 7}')");
my $agent = as_alice("SELECT tarx_keys.create_agent($in, 'Agent', '$key')");
is(as_alice("SELECT tarx_keys.set_secret($in, 'SECRET', 'of-the-second')"), 1, 'a secret');
is(ask_ok($router, 'runner', "SELECT * FROM tarx_keys.resolve_secrets($in)"), 'SECRET|of-the-second', 'resolve_secrets');
is(ask_ok($router, 'runner', "SELECT key_id, key_value, attempt FROM tarx_keys.resolve_provider_key($in, 'openai')"),
	"$key|sk-proj-0123456789-of-the-second|1", 'resolve_provider_key');
is(ask_ok($router, 'runner', "SELECT tarx_keys.render_template($in, 'a \${secrets.SECRET}')"), 'a of-the-second', 'render_template');
is(ask_ok($router, 'runner', q{SELECT * FROM tarx_keys.template_references('a ${secrets.B}')}), 'B', 'template_references');
is(ask_ok($router, 'service', 'SELECT * FROM tarx_keys.sealing_public_key()'),
	ask_ok($shards[2], 'service', 'SELECT * FROM tarx_keys.sealing_public_key()'), 'sealing_public_key');
like(as_alice("SELECT * FROM tarx_keys.create_service_account_key($in, tarx_keys.create_service_account($in, 'CI'), 'CI')"),
	qr/\|sk-tarx-/, 'a service account with a key');
ask_ok($router, 'service', qq{
	SELECT tarx_keys.act_as('alice'); SET LOCAL datestyle = 'SQL, DMY'; SET LOCAL intervalstyle = 'sql_standard';
	SELECT tarx_keys.create_service_account_key($in, user_id, 'Until April', '2027-04-05 10:00+00') FROM tarx_keys.project_members WHERE user_id LIKE 'sa:%';
	SELECT tarx_keys.issue_run_ticket($in, '$agent', lifetime => '0:10')});
is($shards[1]->safe_psql('postgres', q{SELECT expires_at AT TIME ZONE 'UTC' FROM tarx_keys.platform_api_keys WHERE name = 'Until April'}),
	'2027-04-05 10:00:00', 'a time is what it was, however the caller writes times');

# for members, and for runners
is(as_alice("SELECT tarx_keys.project_version($in) > 1"), 't', 'project_version for a member');
is(ask_ok($router, 'runner', "SELECT tarx_keys.project_version($in) > 1"), 't', 'and for a runner');

sub in_project
{
	my ($user, $project, $sql) = @_;
	return ask_ok($router, 'service', "SELECT tarx_keys.act_as('$user', '$project'); $sql");
}

is(in_project('alice', $projects[1], 'SELECT string_agg(name, \',\') FROM tarx_keys.llm_keys'), 'Key', 'a list of the active project');
is(in_project('alice', $projects[1], 'SELECT name, priority, agent_count FROM tarx_keys.llm_keys'), 'Key|7|1', 'its columns');
is(in_project('alice', $projects[1], 'SELECT string_agg(name, \',\') FROM tarx_keys.agents'), 'Agent', 'agents');
is(in_project('alice', $projects[1], 'SELECT action FROM tarx_keys.project_audit LIMIT 1'), 'service_account.create_key', 'the audit log, newest first');
is(in_project('alice', $projects[1], 'SELECT tarx_keys.current_user_id(), tarx_keys.current_project_id()'), "alice|$projects[1]", 'who acts');
is( ask_ok($router, 'runner', 'SELECT count(*) FROM tarx_keys.providers'),
	$shards[0]->safe_psql('postgres', 'SELECT count(*) FROM tarx_keys.providers'), 'providers are those of the home');

is(as_alice("SELECT string_agg(n, ' ' ORDER BY n COLLATE tarx_keys.people) FROM unnest('{Key 10,Key 9,gemini,GPT}'::text[]) n"),
	'gemini GPT Key 9 Key 10', 'people sort as on a shard');

# Errors are those of the shard

foreach my $case (
	[ 'service', "SELECT tarx_keys.create_agent($in, 'Agent')", 'TK007' ],
	[ 'service', "SELECT tarx_keys.act_as('mallory', $in)", '42501' ],
	[ 'service', "SELECT tarx_keys.act_as('mallory'); SELECT tarx_keys.create_agent($in, 'Agent')", '42501' ],
	[ 'service', "SELECT tarx_keys.act_as('alice', $in); SELECT tarx_keys.create_agent('11111111-1111-4111-8111-000000000005', 'Agent')", '42501' ],
	[ 'service', "SELECT tarx_keys.act_as(NULL)", '22023' ],
	[ 'service', "SELECT tarx_keys.act_as('sa:x')", '22023' ],
	[ 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_project('Known', $in)", '23505' ],
	[ 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_project('Known', NULL)", '22023' ],
	[ 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_llm_key($in, 'nobody', 'Key', 'sk-proj-0123456789-refused')", '22023' ],
	[ 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key($in, '$agent')", 'TK001' ],
	[ 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_agent($in, '$key')", 'TK003' ],
	[ 'service', 'SELECT * FROM tarx_keys.llm_keys', 'TK007' ],
	[ 'service', "SELECT tarx_keys.act_as('mallory'); SELECT tarx_keys.project_version($in)", 'TK001' ],
	[ 'runner', "SELECT * FROM tarx_keys.resolve_key($in, '$agent')", 'TK001' ],
	[ 'runner', "SELECT * FROM tarx_keys.resolve_agent_key($in, '$key')", 'TK003' ],
	[ 'runner', "SELECT tarx_keys.resolve_secret($in, 'NONE')", 'TK011' ],
	[ 'runner', 'SELECT * FROM tarx_keys.resolve_key(NULL, NULL)', '22023' ])
{
	my ($login, $sql, $state) = @$case;
	my ($there, $here) = map { state_is($_, $login, $sql, $state, "$state from " . $_->name . " for $sql") } $shards[1], $router;
	my ($message, $hint) = map { $there =~ /^(?:.*ERROR:  \w{5}:|HINT: ) +(.*)/mg } 1;
	my ($routed) = $here =~ /ERROR:  \w{5}: (?:.* REMOTE ERROR: )?(.*)/;

	is($routed, $message, 'the same message');
	is(join('', $here =~ /^HINT:  (?:Remote hint: )?(.*)/m), $hint // '', 'the same hint');
}

# Who may do what

state_is($router, 'service', "SELECT * FROM tarx_keys.resolve_key($in, '$key')", '42501', 'a service resolves nothing');
state_is($router, 'runner', "SELECT tarx_keys.act_as('alice')", '42501', 'a runner acts for nobody');
state_is($router, 'runner', "SELECT tarx_keys_router.create_agent('alice', NULL, $in, 'Agent')", '42501', 'nor by the functions beneath');
state_is($router, 'stranger', 'SELECT * FROM tarx_keys.providers', '42501', 'others do nothing');
is($router->safe_psql(
		'postgres', q{
		SELECT p.oid::regprocedure FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		 WHERE p.pronamespace::regnamespace::text ~ '^tarx_keys' AND a.grantee = 0}), '', 'PUBLIC has no right on the router');
is($shards[0]->safe_psql(
		'postgres', q{
		SELECT p.oid::regprocedure FROM pg_proc p, aclexplode(coalesce(p.proacl, acldefault('f', p.proowner))) a
		 WHERE p.pronamespace::regnamespace::text ~ '^tarx_keys' AND a.grantee = 0}), '', 'nor on a shard');
state_is($router, 'service', q{SET tarx_keys.acting_user = 'alice'}, '55P02', 'who acts is no setting of clients');
state_is($router, 'service', "SET SESSION tarx_keys.active_project = $in", '55P02', 'nor is the active project');
is(ask_ok($router, 'service', q{SELECT tarx_keys.act_as('alice'); COMMIT; SELECT tarx_keys.current_user_id() IS NULL}), 't', 'an identity ends with its transaction');

is($shards[0]->safe_psql('postgres', q{
	SELECT count(*), bool_and(severity = 'ok') FROM tarx_keys.doctor()
	 WHERE check_name IN ('ownership', 'grants', 'public_rights', 'row_security', 'policies', 'triggers')}), '6|t', 'doctor has nothing against a shard');

# Each call is a transaction of its own
is(as_alice("SELECT tarx_keys.create_agent($in, 'Stays'); ROLLBACK; BEGIN; SELECT tarx_keys.act_as('alice', $in); SELECT count(*) FROM tarx_keys.agents"),
	2, 'ROLLBACK on the router undoes nothing');

# No log has a value

my %marker;

sub marker
{
	my ($form) = @_;
	my $marker = 'sk-proj-leak' . sprintf('%06d', scalar keys %marker) . 'abcdefghij';

	$marker{$marker} = $form;
	return $marker;
}

sub found
{
	my ($node) = @_;
	my $log = slurp_file($node->logfile);
	return join '; ', sort map { $marker{$_} } grep { index($log, $_) >= 0 } keys %marker;
}

sub drive
{
	my ($login, $mode, $script, %variables) = @_;
	my ($out, $err) = ('', '');

	IPC::Run::run(
		[ 'pgbench', '--no-vacuum', '-M', $mode, '-t', '1', (map { ('-D', "$_=$variables{$_}") } sort keys %variables),
			'-f', write_private("$dir/script", $script), '-h', $router->host, '-p', $router->port, '-U', $login, 'postgres' ],
		'>', \$out, '2>', \$err);
	return $err;
}

as_alice("SELECT tarx_keys.add_llm_key($in, 'openai', 'Simple', '" . marker('simple') . "')");
as_alice("SELECT tarx_keys.set_secret($in, 'SIMPLE', '" . marker('secret') . "')");
state_is($router, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_llm_key($in, 'nobody', 'Refused', '" . marker('refused') . "')",
	'22023', 'a refused value');
state_is($router, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret($in, '" . marker('in place of a name') . "', 'x', 'y')",
	'22023', 'a value in place of a name');
state_is($router, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.add_llm_keys($in, '" . marker('misspelt') . "')", '42883', 'a misspelt call');
state_is($router, 'service', "SELECT tarx_keys_router.set_secret('alice', NULL, $in, 'x y', '" . marker('beneath') . "')", '22023', 'the function beneath');
foreach my $mode (qw(extended prepared))
{
	my %variables = (project => $projects[1], value => marker($mode), name => uc $mode);

	is(drive('service', $mode, "BEGIN;\nSELECT tarx_keys.act_as('alice');\nSELECT tarx_keys.set_secret(:project, :name, :value);\nCOMMIT;\n", %variables)
		  =~ /ERROR/, '', "bound by $mode");
	like(drive('service', $mode, "BEGIN;\nSELECT tarx_keys.act_as('alice');\nSELECT tarx_keys.set_secret(:project, 'x y', :value);\n", %variables, value => marker("refused, $mode")),
		qr/ERROR/, "refused, by $mode");
	is(drive('runner', $mode, "SELECT tarx_keys.resolve_secret(:project, :name);\n", %variables) =~ /ERROR/, '', "resolved by $mode");
}

# A shard that does not answer, and one that is down

my ($postmaster) = split /\n/, slurp_file($shards[1]->data_dir . '/postmaster.pid');
kill 'STOP', $postmaster;
state_is($router, 'runner', "SET LOCAL statement_timeout = '1s'; SELECT * FROM tarx_keys.resolve_key($in, '$key')", '57014',
	'a shard that does not answer');
kill 'CONT', $postmaster;
$shards[1]->stop;
my $down = state_is($router, 'runner', "SELECT * FROM tarx_keys.resolve_key($in, '$key')", 'XX000', 'a shard that is down');
like($down, qr/connection to server .* failed/, 'the message says so');
state_is($router, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret($in, 'DOWN', '" . marker('down') . "')", 'XX000', 'for changes');
state_is($router, 'service', "SELECT tarx_keys.act_as('alice'); SELECT count(*) FROM tarx_keys.projects", 'XX000', 'for lists of all shards');
is(in_project('alice', $projects[2], "SELECT name FROM tarx_keys.projects"), 'Known', 'lists of a project on another one');
is(as_alice("SELECT tarx_keys.set_secret('$projects[0]', 'UP', 'x')"), 1, 'changes on another one');
is(ask_ok($router, 'runner', "SELECT tarx_keys.resolve_secret('$projects[0]', 'UP')"), 'x', 'resolving on another one');
$shards[1]->start;
is(ask_ok($router, 'runner', "SELECT key_value FROM tarx_keys.resolve_key($in, '$key')"), 'sk-proj-0123456789-of-the-second', 'it is back');

is(found($_), '', 'no value in the log of ' . $_->name) foreach @all;
unlike(slurp_file($router->logfile), qr/\Q$value\E/, 'nor that of the story');

# The same search finds them where redaction is off.
foreach my $node ($router, $shards[1])
{
	$node->safe_psql('postgres', 'ALTER SYSTEM SET tarx_keys.redact_logs = off');
	reload_until($node, qr/parameter "tarx_keys.redact_logs" changed/);
}
as_alice("SELECT tarx_keys.set_secret($in, 'FOUND', '" . marker('found') . "')");
is(found($_), 'found', 'it is found in the log of ' . $_->name) foreach $router, $shards[1];

# As whom the router connects, and to where, is not for its callers to choose.
is($router->safe_psql('postgres', 'SELECT count(*) FROM pg_foreign_server'), 0, 'there is no server that they could map themselves on');
foreach my $login (qw(service runner))
{
	state_is($router, $login, $_, '42501', "$login: $_")
	  foreach q{CREATE SERVER tarx_keys_shards FOREIGN DATA WRAPPER plproxy OPTIONS (p0 '')},
	  q{CREATE OR REPLACE FUNCTION plproxy.get_cluster_version(cluster_name text) RETURNS integer LANGUAGE sql AS 'SELECT 0'},
	  q{CREATE FUNCTION pg_temp.f() RETURNS text LANGUAGE plproxy AS $$ CONNECT 'user=postgres'; $$};
}
is(join("\n", $shards[1]->safe_psql('postgres', q{SELECT DISTINCT usename FROM pg_stat_activity WHERE application_name = '' AND backend_type = 'client backend'}) =~ /postgres/g),
	'', 'nobody is a superuser on a shard by it');

# Schemas that somebody else has made, to read what goes through
foreach my $case ([ $router, 'tarx_keys_router', router_sql(@places) ], [ $shards[2], 'tarx_keys_shard', $shards[2]->safe_psql('postgres', 'SELECT tarx_keys.shard_sql()') ])
{
	my ($node, $schema, $script) = @$case;

	$node->safe_psql('postgres', "CREATE DATABASE other; CREATE ROLE intruder");
	$node->safe_psql('other', 'CREATE EXTENSION tarx_keys') if $schema eq 'tarx_keys_shard';
	foreach my $prepare ("CREATE SCHEMA $schema AUTHORIZATION intruder",
		"ALTER SCHEMA $schema OWNER TO CURRENT_USER; CREATE FUNCTION $schema.act_as(text, uuid) RETURNS void LANGUAGE sql AS ''; ALTER FUNCTION $schema.act_as OWNER TO intruder")
	{
		$node->safe_psql('other', $prepare);
		my ($status, $out, $err) = $node->psql('other', $script, extra_params => [ '-v', 'VERBOSITY=verbose' ], on_error_stop => 1);
		is(state_of($err), '55000', "$schema is not taken over");
		like($err, qr/belongs to intruder/, "$schema: whose it is");
	}
	$node->safe_psql('postgres', 'DROP DATABASE other');
}

# Another map: whoever is connected has it with the next call.
make_router(@places, reverse @places);
is(as_alice('SELECT count(*) FROM tarx_keys.projects'), $projects + 3, 'eight places: the list has each project once');
is(ask_ok($router, 'runner', "SELECT key_value FROM tarx_keys.resolve_key($in, '$key')"), 'sk-proj-0123456789-of-the-second', 'eight places: keys resolve');
make_router(($places[0], $places[1]) x 512);
is(ask_ok($router, 'runner', "SELECT key_value FROM tarx_keys.resolve_key($in, '$key')"), 'sk-proj-0123456789-of-the-second', '1024 places');

# Anew, as after an update of the extension
$shards[1]->safe_psql('postgres', 'DROP SCHEMA tarx_keys_shard CASCADE');
$router->safe_psql('postgres', 'DROP SCHEMA tarx_keys, tarx_keys_router CASCADE');
IPC::Run::run([ 'bash', '-euo', 'pipefail', '-c', $commands ], '>', \my $out, '2>', \my $err);
is("$? $err", '0 ', 'the commands run anew');
is(as_alice('SELECT count(*) FROM tarx_keys.projects'), $projects + 3, 'the list is there again');

done_testing();
