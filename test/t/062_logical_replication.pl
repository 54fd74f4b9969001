# A blue/green upgrade by logical replication, as docs/operations.md has it: all tables
# are published to a server with the same keyring, where keys resolve meanwhile. What
# ends on the publisher ends there. In the end the subscriber takes over.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my ($hex, $next) = (hex_key('blue'), hex_key('blue, next'));
my $value = 'sk-proj-logical-0123456789abcdef0123456789';
my $second = '22222222-2222-4222-8222-222222222222';

sub server
{
	my ($name, %init) = @_;
	return new_node(
		$name,
		init => \%init,
		keyring => { master_key_file => write_private("$dir/$name", $hex) },
		conf => "tarx_keys.usage_flush_interval = 1\nwal_retrieve_retry_interval = 100ms\n");
}

my ($blue, $green) = (server('blue', allows_streaming => 'logical'), server('green'));
$_->start foreach $blue, $green;
my $is_15 = $green->safe_psql('postgres', "SELECT current_setting('server_version_num')::integer < 160000") eq 't';

sub as_user
{
	my ($node, $user, $sql) = @_;
	return ask_ok($node, 'service', "SELECT tarx_keys.act_as('$user'); $sql", 'app');
}

sub resolves
{
	my ($node, $key, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	is(ask_ok($node, 'runner', resolve_sql($key), 'app'), $value, $test);
	return;
}

sub caught_up
{
	$blue->wait_for_catchup('green');
	return;
}

sub same_rows
{
	my ($test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	caught_up();
	is(differences([ rows_of($blue, 'app') ], [ rows_of($green, 'app') ]), '', $test);
	return;
}

sub findings
{
	my ($node) = @_;
	return [ split /\n/, $node->safe_psql('app',
		"SELECT check_name, severity, regexp_replace(finding, '[0-9]+', 'N', 'g') FROM tarx_keys.doctor(true) WHERE severity <> 'ok'") ];
}

sub last_uses
{
	my ($node, $key) = @_;
	return $node->safe_psql('app', "SELECT count(*), max(last_used_at) FROM tarx_keys_internal.last_used WHERE id = '$key'");
}

# Resolve a key, and wait until its use is written down; with how many other servers' rows
sub use_key
{
	my ($node, $key, $rows, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	my $start = $node->safe_psql('app', 'SELECT clock_timestamp()');
	ask_ok($node, 'runner', resolve_sql($key), 'app');
	ok($node->poll_query_until('app',
			"SELECT count(*) = $rows AND max(last_used_at) > '$start' FROM tarx_keys_internal.last_used WHERE id = '$key'"), $test);
	return;
}

# What there is before

$blue->safe_psql('postgres', q{CREATE DATABASE app; ALTER DATABASE app SET tarx_keys.realm = 'app'; REVOKE CONNECT ON DATABASE app FROM PUBLIC});
$blue->safe_psql(
	'app', q{
	CREATE EXTENSION tarx_keys;
	CREATE ROLE service LOGIN IN ROLE tarx_keys_backend;
	CREATE ROLE runner LOGIN IN ROLE tarx_keys_agent;
	GRANT CONNECT ON DATABASE app TO service, runner;
	INSERT INTO tarx_keys.custom_providers (slug, label, default_base_url, models_path)
		VALUES ('acme', 'Acme', 'https://llm.acme.example/v1', '/models')});
as_user($blue, 'alice', "SELECT tarx_keys.create_project('Story', '$PROJECT'); SELECT tarx_keys.add_member('$PROJECT', 'bob')");
as_user($blue, 'alice', "SELECT tarx_keys.create_project('Second', '$second')");
my %key = map {
	$_ => as_user($blue, 'alice', "SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', '$_', '$value')")
} qw(kept replaced deleted later);
my $agent = as_user($blue, 'bob', "SELECT tarx_keys.create_agent('$PROJECT', 'Helper', '$key{deleted}')");
my %token = map { $_ => as_user($blue, 'bob', "SELECT token FROM tarx_keys.create_platform_key('$_')") } qw(laptop lost);
as_user($blue, 'alice', "SELECT tarx_keys.set_secret('$PROJECT', '$_', '$value')") foreach qw(TOKEN GONE);
use_key($blue, $key{$_}, 1, "$_ is used") foreach qw(kept deleted);
my ($findings, $rights) = (findings($blue), [ rights_of($blue, 'app') ]);

# The steps of the chapter

$blue->command_ok([ 'pg_dumpall', '--globals-only', '-f', "$dir/globals.sql", '-d', $blue->connstr('postgres') ], 'roles');
$blue->command_ok([ 'pg_dump', '--schema-only', '--create', '-f', "$dir/app.sql", $blue->connstr('app') ], 'the database without rows');
$green->command_ok([ 'psql', '-Xq', '-f', "$dir/$_.sql", $green->connstr('postgres') ], "$_ restored") foreach qw(globals app);
is(differences($rights, [ rights_of($green, 'app') ]), '', 'with all rights');
$blue->safe_psql('app', q{
	CREATE ROLE replicator LOGIN REPLICATION BYPASSRLS IN ROLE pg_read_all_data;
	GRANT CONNECT ON DATABASE app TO replicator;
	CREATE PUBLICATION blue FOR ALL TABLES});

# whom row security keeps from the rows would copy none of them, without an error
my $copy = 'COPY tarx_keys.projects (id) TO STDOUT';
$blue->safe_psql('app', 'ALTER ROLE replicator NOBYPASSRLS');
is($blue->safe_psql('app', $copy, extra_params => [ '-U', 'replicator' ]), '', 'without BYPASSRLS no row is copied');
state_is($blue, 'replicator', "SET row_security = off; $copy", '42501', 'and by the option of the chapter none is left out without an error', 'app');
$blue->safe_psql('app', 'ALTER ROLE replicator BYPASSRLS');

$green->safe_psql('app', 'ALTER ROLE service SET default_transaction_read_only = on');
my $connection = $blue->connstr('app') . ' user=replicator options=-crow_security=off';
$connection =~ s/'/''/g;
my $run_as_owner = $is_15 ? '' : 'WITH (run_as_owner = true)';
$green->safe_psql('app', "CREATE SUBSCRIPTION green CONNECTION '$connection' PUBLICATION blue $run_as_owner");
$green->wait_for_subscription_sync($blue, 'green', 'app');
same_rows('all rows are copied');
is(differences($findings, findings($green)), '', 'doctor() finds there what it found here');

# The realm is a setting of the database, and came with it; without it no row opens

resolves($green, $key{kept}, 'a key resolves');
$green->safe_psql('postgres', 'ALTER DATABASE app RESET tarx_keys.realm');
state_is($green, 'runner', resolve_sql($key{kept}), 'TK004', 'in another realm it does not', 'app');
$green->safe_psql('postgres', q{ALTER DATABASE app SET tarx_keys.realm = 'app'});

state_is($green, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', 'x')", '25006', 'services change nothing there', 'app');

# Keys resolve there, and uses are written down on both sides

use_key($green, $key{$_}, 2, "the subscriber writes down a use of $_, beside the publisher's") foreach qw(kept deleted);
use_key($green, $key{later}, 1, 'and one that the publisher has no use of');
use_key($blue, $key{$_}, 1, "the publisher writes one of $_") foreach qw(kept later);
caught_up();
my ($here) = split /\n/, last_uses($blue, $key{kept}) =~ s/^1\|//r;
is(last_uses($green, $key{kept}), "2|$here", 'which comes to the subscriber, and is the latest');
is($green->safe_psql('app', "SELECT last_used_at FROM tarx_keys.known_usage('llm_key', ARRAY['$PROJECT'::uuid]) WHERE id = '$key{kept}'"),
	$here, 'as is shown');
is(last_uses($green, $key{later}) =~ s/\|.*//r, '2', 'a first use on both sides is no conflict');

# What changes and ends on the publisher

my $by_agent = "SELECT key_value FROM tarx_keys.resolve_agent_key('$PROJECT', '$agent')";
my $session = $green->background_psql('app', on_error_stop => 0, extra_params => [ '-U', 'runner', '-v', 'VERBOSITY=verbose' ]);
$session->query_safe('BEGIN ISOLATION LEVEL REPEATABLE READ');
is($session->query_safe(resolve_sql($key{deleted})), $value, 'resolved before the deletion');
$key{successor} = as_user($blue, 'alice', "SELECT tarx_keys.replace_llm_key('$PROJECT', '$key{replaced}', '$value-new')");
as_user($blue, 'alice', qq{
	SELECT tarx_keys.delete_llm_key('$PROJECT', '$key{deleted}');
	SELECT tarx_keys.set_secret('$PROJECT', 'TOKEN', '$value-new');
	SELECT tarx_keys.delete_secret('$PROJECT', 'GONE');
	SELECT tarx_keys.remove_member('$PROJECT', 'bob');
	SELECT tarx_keys.add_member('$PROJECT', 'carol')});
as_user($blue, 'alice', "SELECT tarx_keys.delete_project('$second')");
as_user($blue, 'bob', "SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys WHERE name = 'lost'");
$key{added} = as_user($blue, 'alice', "SELECT tarx_keys.add_llm_key('$PROJECT', 'acme', 'added', '$value')");
$blue->safe_psql('app', q{UPDATE tarx_keys.custom_providers SET label = 'Acme II' WHERE slug = 'acme'});
caught_up();
resolves($green, $key{$_}, "$_ resolves") foreach qw(kept added);
is(ask_ok($green, 'runner', resolve_sql($key{successor}), 'app'), "$value-new", 'the successor of a replaced key');
state_is($green, 'runner', resolve_sql($key{replaced}), 'TK015', 'a replaced key', 'app');
is(ask_ok($green, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'TOKEN')", 'app'), "$value-new", 'a new version of a secret');
state_is($green, 'runner', resolve_sql($key{deleted}), 'TK002', 'a deleted key', 'app');
state_is($green, 'runner', $by_agent, 'TK002', 'the agent of a deleted key', 'app');
$session->query(resolve_sql($key{deleted}));
is(state_of($session->{stderr}), 'TK002', 'a deleted key in an older transaction');
$session->quit;
state_is($green, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'GONE')", 'TK011', 'a deleted secret', 'app');
state_is($green, 'service', "SELECT tarx_keys.login('$token{lost}')", 'TK010', 'a revoked platform key', 'app');
is(ask_ok($green, 'service', "SELECT user_id FROM tarx_keys.login('$token{laptop}')", 'app'), 'bob', 'another one logs in');
state_is($green, 'service', "SELECT tarx_keys.act_as('bob', '$PROJECT')", '42501', 'a removed member', 'app');
state_is($green, 'service', "SELECT tarx_keys.act_as('alice', '$second')", '42501', 'a deleted project', 'app');

# Rotation: the subscriber needs the keyring first

sub next_keyring
{
	my ($node) = @_;
	write_private("$dir/" . $node->name, "$next\n$hex");
	reload_keyring($node);
	return;
}

next_keyring($blue);
$key{late} = as_user($blue, 'alice', "SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'late', '$value')");
caught_up();
state_is($green, 'runner', resolve_sql($key{late}), 'TK006', 'a master key that was not handed over', 'app');
next_keyring($green);
resolves($green, $key{late}, 'and then was');
$blue->safe_psql('app', 'CALL tarx_keys.rotate_master_key()');
caught_up();
is(keyring($green, 'app'), keyring($blue, 'app'), 'the rows of a rotation come');
is($green->safe_psql('app', 'SELECT sum(remaining) FROM tarx_keys.rotation_progress'), '0', 'all of them');
resolves($green, $key{kept}, 'and resolve');

# Row security stops who is no superuser, and from 16 on who applies as the tables' owner.
# What waits comes when that is mended.

my ($break, $mend) =
	$is_15 ? ('CREATE ROLE keeper LOGIN SUPERUSER IN ROLE pg_read_all_data, pg_write_all_data; GRANT CONNECT ON DATABASE app TO keeper; ALTER SUBSCRIPTION green OWNER TO keeper; ALTER ROLE keeper NOSUPERUSER', 'ALTER SUBSCRIPTION green OWNER TO CURRENT_USER; DROP OWNED BY keeper; DROP ROLE keeper')
	: ('ALTER SUBSCRIPTION green SET (run_as_owner = false)', 'ALTER SUBSCRIPTION green SET (run_as_owner = true)');
my $offset = log_size($green);
my $subscriptions = q{SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = 'subscriptions'};
like($green->safe_psql('app', $subscriptions), qr/^ok\|/, 'doctor() is content with a subscription that runs');
# one that runs, but whose login may not copy
$blue->safe_psql('app', 'CREATE ROLE poor LOGIN REPLICATION; GRANT CONNECT ON DATABASE app TO poor; CREATE PUBLICATION again FOR TABLE tarx_keys.projects');
$green->safe_psql('app', "CREATE SUBSCRIPTION again CONNECTION '@{[ $connection =~ s/user=replicator/user=poor/r ]}' PUBLICATION again $run_as_owner");
ok($green->poll_query_until('app', "SELECT count(*) = 1 FROM ($subscriptions) s WHERE severity = 'warning' AND finding LIKE 'subscription again has not copied table tarx_keys.projects yet%'"),
	'doctor() names a table that is not copied');
$green->safe_psql('app', 'DROP SUBSCRIPTION again');
$blue->safe_psql('app', 'DROP PUBLICATION again; DROP OWNED BY poor; DROP ROLE poor');
$green->safe_psql('app', 'ALTER SUBSCRIPTION green DISABLE');
ok($green->poll_query_until('app', "SELECT severity || finding LIKE 'critical%subscription green%' FROM ($subscriptions) s"),
	'and not with one that does not');
$green->safe_psql('app', "$break; ALTER SUBSCRIPTION green ENABLE");
as_user($blue, 'alice', "SELECT tarx_keys.set_secret('$PROJECT', 'LATE', '$value')");
$green->wait_for_log(qr/cannot replicate into relation with row-level security enabled/, $offset);
pass('row security stops a subscription');
$green->safe_psql('app', $mend);
caught_up();
is(ask_ok($green, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'LATE')", 'app'), $value, 'and then it goes on');

# Cut-over

$blue->safe_psql('app', 'REVOKE CONNECT ON DATABASE app FROM service, runner');
caught_up();
is(differences([ grep { !/last_used/ } rows_of($blue, 'app') ], [ grep { !/last_used/ } rows_of($green, 'app') ]), '', 'all rows but those of uses are the same');
$green->safe_psql('app', 'DROP SUBSCRIPTION green; ALTER ROLE service RESET default_transaction_read_only');
$blue->stop;

sub audits
{
	return $green->safe_psql('app', q{
		SELECT v FROM tarx_keys.projects p, tarx_keys.verify_audit(p.id) v
		UNION SELECT tarx_keys.verify_personal_audit(u) FROM unnest('{alice,bob}'::text[]) u});
}

is(audits(), '(t,,)', 'all audit logs verify');
$key{new} = as_user($green, 'alice', "SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'new', '$value')");
resolves($green, $key{new}, 'a key that is added after the cut-over');
as_user($green, 'carol', "SELECT tarx_keys.repoint_agents('$PROJECT', '$key{deleted}', '$key{new}')");
is(ask_ok($green, 'runner', $by_agent, 'app'), $value, 'an agent gets it');
is(audits(), '(t,,)', 'the audit logs go on');
is($green->safe_psql('app', 'SELECT DISTINCT status FROM tarx_keys.verify_keys()'), 'ok', 'all rows authenticate');
use_key($green, $key{kept}, 1, 'rows of uses by the former server are taken over');
is($green->safe_psql('app', 'SELECT count(DISTINCT server) FROM tarx_keys_internal.last_used'), '1', 'all of them');
is(last_uses($green, $key{deleted}), '0|', 'of a deleted key there is none');
is(differences([ grep { !/retired|no row needs/ } @$findings ], [ grep { !/retired/ } @{ findings($green) } ]), '', 'doctor() finds what it found before');

unlike(slurp_file($_->logfile), qr/\Q$value\E|\Q$token{laptop}\E/, 'no value or token in the log of ' . $_->name) foreach $blue, $green;
unlike(slurp_file($green->logfile), qr/duplicate key|conflict detected/, 'and no conflict');

$green->stop;
done_testing();
