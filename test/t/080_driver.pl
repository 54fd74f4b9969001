# The story as a program tells it: extended protocol, values as parameters of
# unknown type. pgbench is the driver that every server package has; psql has
# parameters since 16.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $value = q{sk-proj-o'dri\ver"-$1-0123456789abcdef0123456789};

my $node = new_node('driver', keyring => { master_key => hex_key('driver') });
$node->start;
install($node);

# Where a script leaves what it got
$node->safe_psql(
	'postgres', q{
	CREATE TABLE got (what text, value text);
	GRANT INSERT ON got TO service, runner;});

# Run a script of pgbench as a login; returns the SQL error, or ''.
sub drive
{
	my ($login, $mode, $script, %variables) = @_;
	my $file = write_private("$dir/script.sql", $script);
	my ($out, $err);

	IPC::Run::run(
		[
			'pgbench', '--no-vacuum', '-M', $mode, '-t', '2',
			(map { ('-D', "$_=$variables{$_}") } sort keys %variables),
			'-f', $file, '-h', $node->host, '-p', $node->port, '-U', $login, 'postgres'
		],
		'>', \$out, '2>', \$err);
	return $err =~ /(ERROR: .*)/ ? $1 : '';
}

# What the scripts got since the last time, once each
sub got
{
	return $node->safe_psql(
		'postgres', q{
		WITH gone AS (DELETE FROM got RETURNING *)
		SELECT DISTINCT what, value FROM gone ORDER BY 1, 2});
}

# Each script runs twice, so that "prepared" meets its statements again.
foreach my $mode (qw(extended prepared))
{
	my %story = (project => $PROJECT, value => $value);

	is( drive(
			'service', $mode, q{
			\set n random(1, 1000000000)
			BEGIN;
			SELECT tarx_keys.act_as(:user, :project);
			SELECT tarx_keys.add_llm_key(:project, :provider, :name || ' ' || :n, :value) AS key \gset
			INSERT INTO got SELECT 'key', :key;
			INSERT INTO got SELECT 'mask', masked_key FROM tarx_keys.llm_keys WHERE id = :key;
			SELECT tarx_keys.create_agent(project_id => :project, name => :name, user_api_key_id => :key) AS agent \gset
			INSERT INTO got SELECT 'agent', :agent;
			COMMIT;
			},
			%story, user => 'alice', provider => 'openai', name => "with $mode"),
		'',
		"$mode: an admin adds keys");
	my %got;
	push @{ $got{ (split /\|/)[0] } }, (split /\|/)[1] foreach split /\n/, got();
	is(scalar(@{ $got{key} }), 2, "$mode: two keys");
	is("@{ $got{mask} }", "sk-proj-o'd\x{e2}\x{80}\x{a6}6789", "$mode: masked");
	my ($key, $other) = @{ $got{key} };

	is( drive(
			'service', $mode, q{
			BEGIN;
			SELECT tarx_keys.act_as(:user);
			INSERT INTO got SELECT 'list', name FROM tarx_keys.llm_keys WHERE project_id = :project AND id = :key;
			COMMIT;
			},
			%story, user => 'bob', key => $key),
		'',
		"$mode: a member reads the list");
	like(got(), qr/^list\|with $mode \d+$/, "$mode: it has the key");

	like(
		drive(
			'service', $mode, q{
			BEGIN;
			SELECT tarx_keys.act_as(:user);
			SELECT tarx_keys.add_llm_key(:project, :provider, :name, :value);
			COMMIT;
			},
			%story, user => 'bob', provider => 'openai', name => 'refused'),
		qr/must be key manager or admin/,
		"$mode: a member is refused to add");

	my $resolve = q{
		BEGIN;
		INSERT INTO got SELECT 'key', key_value FROM tarx_keys.resolve_key(:project, :key);
		INSERT INTO got SELECT 'agent', base_url || ' ' || key_value FROM tarx_keys.resolve_agent_key(:project, :agent);
		COMMIT;
		};
	my @agents = @{ $got{agent} };
	is(drive('runner', $mode, $resolve, %story, key => $key, agent => $agents[0]),
		'', "$mode: an agent resolves");
	is(got(), "agent|https://api.openai.com/v1 $value\nkey|$value", "$mode: the value");

	is( drive(
			'service', $mode, q{
			BEGIN;
			SELECT tarx_keys.act_as(:user, :project);
			SELECT tarx_keys.set_agent_key(:project, :agent, :key);
			SELECT tarx_keys.repoint_agents(:project, :key, :other);
			COMMIT;
			},
			%story, user => 'bob', key => $key, other => $other, agent => $agents[0]),
		'',
		"$mode: a member repoints agents");

	# the second time finds it deleted
	like(
		drive(
			'service', $mode, q{
			BEGIN;
			SELECT tarx_keys.act_as(:user, :project);
			SELECT tarx_keys.delete_llm_key(:project, :key);
			COMMIT;
			},
			%story, user => 'alice', key => $key),
		qr/LLM key "$key" has been deleted/,
		"$mode: an admin deletes");
	like(drive('runner', $mode, $resolve, %story, key => $key, agent => $agents[0]),
		qr/LLM key "$key" has been deleted/, "$mode: the agent is told");
	is(drive('runner', $mode, $resolve, %story, key => $other, agent => $agents[0]),
		'', "$mode: the agent resolves the other key");
	got();
}

SKIP:
{
	skip 'psql has parameters since 16', 4 if $node->pg_version < 16;

	my $act = "SELECT tarx_keys.act_as(\$1, \$2) \\bind alice $PROJECT \\g";
	(my $quoted = $value) =~ s/(['\\])/\\$1/g;
	my $key = ask_ok(
		$node, 'service', qq{
		$act
		SELECT tarx_keys.add_llm_key(\$1, \$2, \$3, \$4) \\bind $PROJECT openai 'by psql' '$quoted' \\g
		});
	like($key, qr/^[0-9a-f-]{36}$/, 'psql: an admin adds a key');

	my $resolve =
	  "SELECT key_value FROM tarx_keys.resolve_key(\$1, \$2) \\bind $PROJECT $key \\g\n";
	is(ask_ok($node, 'runner', $resolve), $value, 'psql: an agent resolves it');
	is( ask_ok(
			$node, 'service', qq{
			$act
			SELECT masked_key FROM tarx_keys.llm_keys WHERE id = \$1 \\bind $key \\g
			}),
		"sk-proj-o'd\x{e2}\x{80}\x{a6}6789",
		'psql: the list has it masked');
	ask_ok(
		$node, 'service', qq{
		$act
		SELECT tarx_keys.delete_llm_key(\$1, \$2) \\bind $PROJECT $key \\g
		});
	state_is($node, 'runner', $resolve, 'TK002', 'psql: deleted');
}

done_testing();
