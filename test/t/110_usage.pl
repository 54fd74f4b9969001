# The counters of keys, what of them survives, and the log lines: flush,
# restart, crash, standby.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $value = 'sk-proj-usage-0123456789abcdef0123456789ab';
my $nowhere = 'cccccccc-0000-4000-8000-000000000003';
my $keyring = write_private("$dir/keys", hex_key('usage'));

my $node = new_node(
	'usage',
	init => { allows_streaming => 1 },
	keyring => { master_key_file => $keyring },
	conf => q{
restart_after_crash = on
tarx_keys.usage_entries = 100
tarx_keys.usage_flush_interval = 1
max_prepared_transactions = 1
});
$node->start;
install($node);
my $key = add_key($node, 'used', $value);
my $deleted = add_key($node, 'deleted', $value);
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.delete_llm_key('$PROJECT', '$deleted')});

# What bob is told of a key, as uses|refused|last_used_at
sub usage
{
	my ($server, $id) = @_;
	return ask_ok(
		$server, 'service', qq{
		SELECT tarx_keys.act_as('bob');
		SELECT uses, refused, last_used_at FROM tarx_keys.key_usage WHERE key_id = '$id'});
}

sub last_used
{
	my ($server, $id) = @_;
	return (split /\|/, usage($server, $id), -1)[2];
}

sub stored
{
	my ($server, $id) = @_;
	return $server->safe_psql('postgres',
		"SELECT last_used_at FROM tarx_keys_internal.last_used WHERE project_id = '$PROJECT' AND kind = 'llm_key' AND id = '$id'");
}

sub set_interval
{
	my ($seconds) = @_;
	$node->append_conf('postgresql.conf', "tarx_keys.usage_flush_interval = $seconds");
	$node->reload;
	$node->poll_query_until('postgres', "SELECT current_setting('tarx_keys.usage_flush_interval') = '$seconds' || CASE $seconds % 60 WHEN 0 THEN 'x' ELSE 's' END")
	  or die 'the interval was not set';
	return;
}

# Wait until the table has what memory has.
sub wait_for_flush
{
	my ($id) = @_;
	my $last = last_used($node, $id);

	$node->poll_query_until(
		'postgres',
		"SELECT last_used_at FROM tarx_keys_internal.last_used WHERE id = '$id'",
		$last) or die 'the last use was not flushed';
	return $last;
}

# Flush and restart

is(usage($node, $key), '0|0|', 'a new key has no usage');
ask($node, 'runner', resolve_sql($key) . '; ROLLBACK; BEGIN');
ask_ok($node, 'runner', resolve_sql($key));
my $first = wait_for_flush($key);
like($first, qr/^20/, 'the last use is written down');
is(usage($node, $key), "2|0|$first", 'memory says the same');
$node->restart;
is(usage($node, $key), "0|0|$first", 'after a restart the counters begin anew, last_used_at stays');
is( ask_ok($node, 'service', qq{
		SELECT tarx_keys.act_as('bob');
		SELECT last_used_at FROM tarx_keys.llm_keys}),
	$first, 'llm_keys has last_used_at');

# a use that a ROLLBACK follows is flushed, too
ask($node, 'runner', resolve_sql($key) . '; ROLLBACK; BEGIN');
my $second = wait_for_flush($key);
cmp_ok($second, 'gt', $first, 'a later use is written over the earlier');

# a refused call is no use
state_is($node, 'runner', resolve_sql($deleted), 'TK002', 'a deleted key');
state_is($node, 'runner', resolve_sql($nowhere), 'TK001', 'a guessed id');
is( $node->safe_psql('postgres', qq{
		SELECT id, uses, refused, last_used_at IS NULL
		  FROM tarx_keys_internal.usage_in_memory('llm_key', ARRAY['$PROJECT'::uuid]) WHERE id <> '$key'}),
	"$deleted|0|1|t", 'counted is what existed');

# Crash: shared memory begins anew

my $offset = log_size($node);
my $pid = $node->safe_psql('postgres',
	"SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
kill 'KILL', $pid;
$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
$node->poll_query_until('postgres', 'SELECT true') or die 'no restart';
is(usage($node, $key), "0|0|$second", 'after a crash, too');
ask_ok($node, 'runner', resolve_sql($key));
cmp_ok(wait_for_flush($key), 'gt', $second, 'and the worker is there again');

# A flush that fails is tried again

$offset = log_size($node);
$node->safe_psql('postgres',
	q{ALTER TABLE tarx_keys_internal.last_used ADD CONSTRAINT never CHECK (last_used_at < '2000-01-01') NOT VALID});
ask_ok($node, 'runner', resolve_sql($key));
$node->wait_for_log(qr/ERROR:.*violates check constraint "never"/, $offset);
is(ask_ok($node, 'runner', resolve_sql($key)), $value, 'keys resolve all the same');
$node->safe_psql('postgres', 'ALTER TABLE tarx_keys_internal.last_used DROP CONSTRAINT never');
wait_for_flush($key);
pass('the flush was made up for');

# The worker runs nothing as a superuser that the owner can change

my $original = $node->safe_psql('postgres',
	q{SELECT pg_get_functiondef('tarx_keys_internal.flush_last_used'::regproc)});
$node->safe_psql(
	'postgres', q{
	CREATE TABLE public.ran_as (who text, moment text);
	GRANT INSERT ON public.ran_as TO tarx_keys_owner;
	SET ROLE tarx_keys_owner;
	CREATE OR REPLACE FUNCTION tarx_keys_internal.flush_last_used(server uuid, project_ids uuid[], kinds text[], ids uuid[], times timestamptz[])
		RETURNS void LANGUAGE plpgsql SECURITY INVOKER AS $$
	BEGIN
		INSERT INTO public.ran_as VALUES (current_user, 'at once');
		BEGIN
			RESET ROLE;
			INSERT INTO public.ran_as VALUES (current_user, 'after RESET ROLE');
		EXCEPTION WHEN insufficient_privilege THEN
			INSERT INTO public.ran_as VALUES (current_user, 'refused');
		END;
	END $$;});
ask_ok($node, 'runner', resolve_sql($key));
$node->poll_query_until('postgres', 'SELECT count(*) >= 2 FROM public.ran_as')
  or die 'the worker did not call the function';
is($node->safe_psql('postgres', 'SELECT DISTINCT moment, who FROM public.ran_as ORDER BY 1'),
	"at once|tarx_keys_owner\nrefused|tarx_keys_owner",
	'the function runs as the owner, and stays that');
$node->safe_psql('postgres', "$original; DROP TABLE public.ran_as");
ask_ok($node, 'runner', resolve_sql($key));
wait_for_flush($key);

# A full table: no call is refused, what is flushed makes room, the oldest first

set_interval(3601);
my @keys = split /\n/, $node->safe_psql(
	'postgres', qq{
	SET ROLE tarx_keys_backend;
	BEGIN;
	SELECT tarx_keys.act_as('alice') \\gset
	SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'many ' || i, '$value') FROM generate_series(1, 150) i;
	COMMIT;});
is(scalar @keys, 150, 'more keys than entries');
my $counted = qq{SELECT count(*) FROM tarx_keys_internal.usage_in_memory('llm_key', ARRAY['$PROJECT'::uuid])};

sub resolve_all
{
	return $node->safe_psql(
		'postgres',
		join "\n", map { "SELECT count(key_value) FROM tarx_keys.resolve_key('$PROJECT', '$_');" } @_);
}

# How many of these keys have their last use written down
sub flushed
{
	return $node->safe_psql('postgres', qq{
		SELECT count(*) FROM tarx_keys_internal.last_used l, tarx_keys_internal.usage_of('llm_key', l.project_id, l.id) m
		 WHERE l.id = ANY ('{@{[join ',', @_]}}') AND coalesce(l.last_used_at = m.last_used_at, true)});
}

# What doctor() says of uses
sub losses
{
	return $node->safe_psql('postgres',
		q{SELECT severity, substring(finding FROM '[0-9]+$') FROM tarx_keys.doctor() WHERE check_name = 'usage'});
}

# half a table is written down at once, however long the interval is
is(losses(), 'ok|', 'all calls are counted');
foreach my $part ([ 0 .. 54 ], [ 55 .. 109 ], [ 110 .. 149 ])
{
	my @these = @keys[@$part];

	is(resolve_all(@these), join("\n", (1) x @these), 'some more resolve');
	last if $part->[0] == 110;
	ok(wait_until(sub { flushed(@these) >= 50 }), 'half of the table is written down long before the interval ends');
}
cmp_ok($node->safe_psql('postgres', $counted), '<=', 100, 'the table stays within its size');
like(usage($node, $keys[149]), qr/^1\|0\|20/, 'there is room for a new one');
like(usage($node, $keys[0]), qr/^0\|0\|20/, 'the one used longest ago went, its last_used_at stays');
like(losses(), qr/^info\|[1-9]\d*$/, 'doctor() says that counters went, and no more');
set_interval(1);
ok(wait_until(sub { flushed(@keys) == 150 }), 'no last use was lost');

# What cannot be written down has no room in the end. That is counted, too.
set_interval(3601);
$node->safe_psql('postgres', q{BEGIN; LOCK TABLE tarx_keys_internal.last_used IN EXCLUSIVE MODE; PREPARE TRANSACTION 'holder'});
$offset = log_size($node);
is(resolve_all(@keys), join("\n", (1) x 150), 'all resolve');
is($node->safe_psql('postgres', $counted), '100', 'the table is full');
like(losses(), qr/^warning\|50\ninfo\|\d+$/, 'what has no room is counted as such');
$node->wait_for_log(qr/LOG:  tarx_keys: \d+ calls? (?:was|were) not counted.*\n.*HINT:.*tarx_keys\.usage_entries/, $offset);
pass('the log says so');
$node->safe_psql('postgres', q{ROLLBACK PREPARED 'holder'});
set_interval(1);
ok(wait_until(sub { flushed(@keys) == 150 }), 'what is in the table is written down later');

# Databases that go, and extensions

$node->safe_psql('postgres', 'CREATE DATABASE other');
$node->safe_psql('other', 'CREATE EXTENSION tarx_keys');
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_project('Story', '$PROJECT')}, 'other');
my $other = add_key($node, 'other', $value, 'other');
ask_ok($node, 'runner', resolve_sql($other), 'other');
$node->poll_query_until('other', "SELECT count(*) = 1 FROM tarx_keys_internal.last_used WHERE id = '$other'")
  or die 'the other database was not flushed';
is($node->safe_psql('postgres', "SELECT count(*) FROM tarx_keys_internal.last_used WHERE id = '$other'"),
	'0', 'each database has its own');
isnt(stored($node, $key), '', 'and keeps it');
$offset = log_size($node);
set_interval(3601);
ask_ok($node, 'runner', resolve_sql($other), 'other');
$node->safe_psql('other', q{
	DROP EXTENSION tarx_keys;
	CREATE FUNCTION in_memory(text, uuid[]) RETURNS TABLE (project_id uuid, id uuid, uses bigint, refused bigint, last_used_at timestamptz)
		LANGUAGE c AS 'tarx_keys', 'tarx_keys_usage_in_memory'});
my $in_memory = "SELECT count(*) FROM in_memory('llm_key', ARRAY['$PROJECT'::uuid])";
is($node->safe_psql('other', $in_memory), '1', 'the extension is gone, its counters are not');
set_interval(1);
$node->poll_query_until('other', $in_memory, '0') or die 'they were not forgotten';
set_interval(3601);
$node->safe_psql('other', 'CREATE EXTENSION tarx_keys');
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_project('Story', '$PROJECT')}, 'other');
$other = add_key($node, 'other', $value, 'other');
ask_ok($node, 'runner', resolve_sql($other), 'other');
$node->safe_psql('postgres', 'DROP DATABASE other');
set_interval(1);
ask_ok($node, 'runner', resolve_sql($key));
wait_for_flush($key);
unlike(log_since($node, $offset), qr/ERROR|FATAL/, 'databases and extensions may go');

# Log lines

sub set_log
{
	my ($what) = @_;
	$node->safe_psql('postgres', "ALTER ROLE runner SET tarx_keys.log_resolves = '$what'");
	$offset = log_size($node);
	return;
}

sub lines
{
	return join "\n", log_since($node, $offset) =~ /LOG:  (tarx_keys: event=.*)/g;
}

sub line
{
	my ($outcome, $id, $state, $event, $user) = @_;
	$event = 'resolve' unless defined $event;
	$user = '-' unless defined $user;
	return "tarx_keys: event=$event outcome=$outcome project=$PROJECT object=$id sqlstate=$state login=runner role=- user=$user client=[local]";
}

my $agent = ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('bob');
	SELECT tarx_keys.create_agent('$PROJECT', 'Helper', '$key')});
my $by_agent = "SELECT name FROM tarx_keys.resolve_agent_key('$PROJECT', '$agent')";
my $no_agent = "SELECT name FROM tarx_keys.resolve_agent_key('$PROJECT', '$nowhere')";

# All that can happen: one allowed by key, one by agent, one refused each.
sub play
{
	ask_ok($node, 'runner', resolve_sql($key));
	ask_ok($node, 'runner', $by_agent);
	state_is($node, 'runner', resolve_sql($nowhere), 'TK001', 'no key');
	state_is($node, 'runner', resolve_sql($deleted), 'TK002', 'deleted key');
	state_is($node, 'runner', $no_agent, 'TK003', 'no agent');
	return;
}

my @refused = (
	line('refused', $nowhere, 'TK001'),
	line('refused', $deleted, 'TK002'),
	line('refused', $nowhere, 'TK003'));
$node->append_conf('postgresql.conf', "log_min_error_statement = error");
$node->reload;
$offset = log_size($node);
play();
is(lines(), join("\n", @refused), 'refused calls are logged');
set_log('off');
play();
is(lines(), '', 'off');
set_log('all');
play();
is(lines(), join("\n", (line('allowed', $key, '-')) x 2, @refused), 'all, agents by their key');
unlike(log_since($node, $offset), qr/\Q$value\E/, 'no value');
unlike(log_since($node, $offset), qr/outcome=.*\n.*(STATEMENT|CONTEXT):/,
	'the line comes without the statement');

# Through a function of an agent role, or after SET ROLE, a line names that as well:
# the login says who is connected, the role on whose right the call was made. So does
# that of each kind of call. What goes through functions of the owner names SET ROLE.
$node->safe_psql('postgres', qq{
	CREATE ROLE "an agent's" IN ROLE tarx_keys_agent;
	CREATE ROLE front IN ROLE tarx_keys_login;
	CREATE ROLE app LOGIN;
	GRANT front TO app;
	GRANT "an agent's" TO app;
	ALTER ROLE app SET tarx_keys.log_resolves = 'all';
	CREATE SCHEMA app;
	GRANT ALL ON SCHEMA app TO PUBLIC;
	SET ROLE "an agent's";
	CREATE FUNCTION app.resolve(call text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS \$\$ BEGIN EXECUTE call; END \$\$;
	RESET ROLE;
	SET ROLE front;
	CREATE FUNCTION app.front(call text) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS \$\$ BEGIN EXECUTE call; END \$\$});
# the key is the first of its provider
my $secret = ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.update_llm_key('$PROJECT', '$key', '{"priority": 1}');
	SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', '$value');
	SELECT id FROM tarx_keys.secrets WHERE name = 'TOKEN'}) =~ s/.*\n//sr;
my ($platform_key, $platform_token) = split /\|/, ask_ok($node, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT * FROM tarx_keys.create_platform_key('bob''s', now() + '1 day', NULL, true)});

sub roles
{
	return join "\n", log_since($node, $offset) =~ /tarx_keys: event=(.* login=app role=(?:\S+|".*?")) user=/g;
}

sub roles_are
{
	my ($what, $test, @calls) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	foreach my $call (@calls)
	{
		$offset = log_size($node);
		ask($node, 'app', $call);
		like(roles(), qr/^$what$/m, "$test: $call");
		unlike(roles(), qr/\n/, 'one line');
	}
	return;
}

my @resolves = (
	"SELECT * FROM tarx_keys.resolve_key('$PROJECT', '$key')",
	"SELECT * FROM tarx_keys.resolve_agent_key('$PROJECT', '$agent')",
	"SELECT * FROM tarx_keys.resolve_provider_key('$PROJECT', 'openai')",
	"SELECT * FROM tarx_keys.models_request('$PROJECT', '$key')",
	"SELECT * FROM tarx_keys.probe_request('$PROJECT', '$key')",
	"SELECT * FROM tarx_keys.chat_request_base('$PROJECT', '$key')");
my @secrets = (
	"SELECT tarx_keys.resolve_secret('$PROJECT', 'TOKEN')",
	"SELECT * FROM tarx_keys.resolve_secrets('$PROJECT')",
	"SELECT tarx_keys.render_template('$PROJECT', '\${secrets.TOKEN}')");
my $login = "SELECT * FROM tarx_keys.login('$platform_token')";
my $change = "$login; SELECT tarx_keys.create_agent('$PROJECT', 'x')";

foreach my $way ([ 'a function', sub { my ($by, $sql) = @_; return "SELECT app.$by(\$call\$$sql\$call\$)" } ],
	[ 'SET ROLE', sub { my ($by, $sql) = @_; return 'SET LOCAL ROLE ' . ($by eq 'resolve' ? q{"an agent's"} : $by) . "; $sql" } ])
{
	my ($what, $through) = @$way;

	roles_are(qq{resolve outcome=allowed project=$PROJECT object=$key sqlstate=- login=app role="an agent's"},
		$what, map { $through->('resolve', $_) } @resolves);
	roles_are(qq{resolve outcome=refused project=$PROJECT object=$nowhere sqlstate=TK001 login=app role="an agent's"},
		$what, $through->('resolve', $resolves[0] =~ s/$key/$nowhere/r));
	roles_are(qq{resolve_secret outcome=allowed project=$PROJECT object=$secret sqlstate=- login=app role="an agent's"},
		$what, map { $through->('resolve', $_) } @secrets);
	roles_are(qq{resolve_secret outcome=refused project=$PROJECT object=- sqlstate=TK011 login=app role="an agent's"},
		$what, $through->('resolve', $secrets[0] =~ s/TOKEN/NONE/r));
	roles_are("login outcome=allowed project=- object=$platform_key sqlstate=- login=app role=front",
		$what, $through->('front', $login));
	roles_are('login outcome=refused project=- object=- sqlstate=TK010 login=app role=front',
		$what, $through->('front', "SELECT * FROM tarx_keys.login('x')"));
}
# the owner's functions do not know who calls them, but whom SET ROLE has chosen
$offset = log_size($node);
ask($node, 'app', "SET LOCAL ROLE front; $change");
like(roles(), qr/^manage outcome=refused project=$PROJECT object=- sqlstate=42501 login=app role=front$/m, 'a change');
# an error on the way leaves the rights as they were
is( ask_ok($node, 'app', qq{
		DO \$\$ BEGIN PERFORM app.resolve(\$call\$$resolves[0]; SELECT tarx_keys.resolve_secret('$PROJECT', 'NONE')\$call\$); EXCEPTION WHEN OTHERS THEN END \$\$;
		SELECT current_user, current_setting('search_path')}),
	q{app|"$user", public}, 'rights and search_path after an error');
$node->safe_psql('postgres', q{DROP SCHEMA app CASCADE; DROP ROLE app, front, "an agent's"});

# secrets, in each call that resolves them; another active project is refused, too
my $elsewhere = '22222222-2222-4222-8222-222222222222';
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_project('Elsewhere', '$elsewhere');
	SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', '$value')});
my $token = $node->safe_psql('postgres', q{SELECT id FROM tarx_keys.project_secrets WHERE name = 'TOKEN'});

sub secret_calls
{
	my ($name) = @_;
	return (
		"SELECT tarx_keys.resolve_secret('$PROJECT', '$name')",
		"SELECT name FROM tarx_keys.resolve_secrets('$PROJECT', '{$name}')",
		"SELECT tarx_keys.render_template('$PROJECT', '\${secrets.$name}')");
}

sub play_secrets
{
	ask_ok($node, 'runner', $_) foreach secret_calls('TOKEN');
	state_is($node, 'runner', $_, 'TK011', 'no secret') foreach secret_calls('NONE');
	state_is($node, 'runner', "SELECT tarx_keys.act_as('alice', '$elsewhere'); $_", '42501', 'another active project')
	  foreach secret_calls('TOKEN');
	return;
}

my @refused_secrets = (
	(line('refused', '-', 'TK011', 'resolve_secret')) x 3,
	(line('refused', '-', '42501', 'resolve_secret', 'alice')) x 3);
$node->safe_psql('postgres', 'GRANT tarx_keys_backend TO runner');
set_log('refused');
play_secrets();
is(lines(), join("\n", @refused_secrets), 'refused secrets are logged');
set_log('off');
play_secrets();
is(lines(), '', 'secrets off');
set_log('all');
play_secrets();
is(lines(), join("\n", (line('allowed', $token, '-', 'resolve_secret')) x 3, @refused_secrets), 'all secrets');
unlike(log_since($node, $offset), qr/\Q$value\E/, 'no value of a secret');
set_log('refused');
state_is($node, 'runner', "SELECT tarx_keys.act_as('alice', '$elsewhere'); " . resolve_sql($key), '42501',
	'a key, with another project active');
is(lines(), line('refused', $key, '42501', 'resolve', 'alice'), 'is logged as well');

# refused changes, which the audit log does not have; users as they were then
my $fresh = '33333333-3333-4333-8333-333333333333';
my ($reader, $reads) = split /\|/, ask_ok(
	$node, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT id, token FROM tarx_keys.create_platform_key('reader', read_only => true)});
my $as_reader = "SELECT tarx_keys.login('$reads') \\gset\n";

sub play_changes
{
	state_is($node, 'runner', "SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', '$value')",
		'42501', 'no admin');
	state_is($node, 'runner', "SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.add_member('$PROJECT', 'eve')",
		'42501', 'no admin, for a function in SQL');
	state_is($node, 'runner', "SELECT tarx_keys.act_as('carol'); SELECT tarx_keys.create_agent('$PROJECT', 'x')",
		'42501', 'no member');
	state_is($node, 'runner', "SELECT tarx_keys.act_as('alice', '$elsewhere'); SELECT tarx_keys.delete_secret('$PROJECT', 'TOKEN')",
		'42501', 'another active project');
	state_is($node, 'runner', "SELECT tarx_keys.act_as('alice', '$elsewhere'); SELECT tarx_keys.create_project('x', '$fresh')",
		'42501', 'the same for a new one');
	state_is($node, 'runner', "SELECT tarx_keys.delete_llm_key('$PROJECT', '$key')", 'TK007', 'no acting user');
	state_is($node, 'runner', "$as_reader SELECT tarx_keys.create_platform_key('x')", '42501', 'a key that may only list');
	state_is($node, 'runner', "$as_reader SELECT tarx_keys.revoke_platform_key('$reader')", '42501', 'revokes no key');
	return;
}

set_log('refused');
play_changes();
(my $in_fresh = line('refused', '-', '42501', 'manage', 'alice')) =~ s/$PROJECT/$fresh/;
is( lines(),
	join("\n",
		line('refused', '-', '42501', 'manage', 'bob'),
		line('refused', '-', '42501', 'manage', 'bob'),
		line('refused', '-', '42501', 'manage', 'carol'),
		line('refused', '-', '42501', 'manage', 'alice'),
		$in_fresh,
		line('refused', '-', 'TK007', 'manage', '-'),
		map { s/$PROJECT/-/r } line('refused', '-', '42501', 'manage', 'bob'), line('refused', $reader, '42501', 'manage', 'bob')),
	'refused changes are logged');
unlike(log_since($node, $offset), qr/\Q$value\E|$reads/, 'without values');
set_log('off');
play_changes();
is(lines(), '', 'or are not');
set_log('all');
ask_ok($node, 'runner', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', '$value')");
is(lines(), '', 'what is allowed is in the audit log');

# nobody can write a line that did not happen
set_log('refused');
state_is(
	$node, 'runner',
	q{SELECT tarx_keys.act_as(E'x" outcome=allowed \\\\ - é'); } . resolve_sql($nowhere),
	'TK001', 'a user with a strange name');
like(lines(), qr/user="x\\" outcome=allowed \\\\ - \x{c3}\x{a9}" client/, 'values are quoted');
$offset = log_size($node);
state_is($node, 'runner', q{SELECT tarx_keys.act_as('-'); } . resolve_sql($nowhere), 'TK001', 'a user -');
like(lines(), qr/user="-" client/, 'and not taken for none');
$node->safe_psql('postgres', 'REVOKE tarx_keys_backend FROM runner');

# Standby: counts, and writes nothing

my $before = wait_for_flush($key);
$node->backup('backup');
my $standby = PostgreSQL::Test::Cluster->new('usage_standby');
$standby->init_from_backup($node, 'backup', has_streaming => 1);
$standby->start;
$node->wait_for_catchup($standby);
is(usage($standby, $key), "0|0|$before", 'a standby has the last uses of the primary');
ask_ok($standby, 'runner', resolve_sql($key));
state_is($standby, 'runner', resolve_sql($deleted), 'TK002', 'a deleted key on the standby');
my ($uses, $refused, $there) = split /\|/, usage($standby, $key);
is("$uses|$refused", '1|0', 'and counts its own');
cmp_ok($there, 'gt', $before, 'with the time');
resolve_on_standby(@keys);

sub resolve_on_standby
{
	my $sql = join "\n", map { "SELECT count(key_value) FROM tarx_keys.resolve_key('$PROJECT', '$_');" } @_;
	return $standby->safe_psql('postgres', $sql);
}

like(usage($standby, $keys[149]), qr/^1\|/, 'nothing there needs to be flushed to make room');
is(resolve_on_standby($key), '1', 'used again');
$there = last_used($standby, $key);
is( $standby->safe_psql('postgres',
		q{SELECT count(*) FROM pg_stat_activity WHERE backend_type ~ 'tarx_keys usage'}),
	'0', 'there is no worker');
sleep 2;
is(stored($standby, $key), $before, 'nothing is written');
is(stored($node, $key), $before, 'on the primary neither');
$standby->promote;
$standby->poll_query_until('postgres',
	"SELECT last_used_at FROM tarx_keys_internal.last_used WHERE id = '$key'", $there)
  or die 'a promoted standby does not flush';
pass('a promoted standby flushes, in place of the row that the primary wrote');
my $server = "SELECT DISTINCT server FROM tarx_keys_internal.last_used WHERE project_id = '$PROJECT'";
like($standby->safe_psql('postgres', $server), qr/^[-0-9a-f]{36}$/, 'all rows of the project are of one server');
isnt($standby->safe_psql('postgres', $server), $node->safe_psql('postgres', $server), 'which is another one than the primary');

$standby->stop;
$node->stop;
done_testing();
