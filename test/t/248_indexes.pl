# Each index of the extension is missing, or was left behind invalid: every answer is the
# same, or PostgreSQL's error; doctor() says what to do; and made again, all is as before.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;
use Faults;

my $node = new_node('indexes', keyring => { master_key => hex_key('a') }, conf => "log_statement = all\n");
$node->start;
my $story = new_story($node);
my $start = log_size($node);
my ($first) = sort values %{ $story->{keys} };

my $agent = ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_agent('$PROJECT', 'one', '$first')");
my $routed = ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.update_llm_key('$PROJECT', id, '{"priority": 5}') FROM tarx_keys.llm_keys WHERE name = 'no 2';
	SELECT tarx_keys.create_agent('$PROJECT', 'two', provider => 'openai')});
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_service_account('$PROJECT', 'robot') AS account \\gset
	SELECT id FROM tarx_keys.create_service_account_key('$PROJECT', :'account', 'its key')});
my $ticket = ask_ok($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent')");
my $revoked = ask_ok($node, 'service', q{
	SELECT tarx_keys.act_as('bob');
	SELECT token FROM tarx_keys.create_platform_key('revoked') \gset
	SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys WHERE name = 'revoked';
	SELECT :'token'});

# What callers get, each as a role and a user: rows as text, or an SQLSTATE. All is
# undone. Ids and times of what is made are left out.
$node->safe_psql('postgres', q{
	CREATE FUNCTION public.try(who text, acting_user text, query text) RETURNS text LANGUAGE plpgsql AS $$
	DECLARE
		result text;
	BEGIN
		PERFORM set_config('role', who, true);
		IF acting_user IS NOT NULL THEN
			PERFORM tarx_keys.act_as(acting_user, '} . $PROJECT . q{');
		END IF;
		EXECUTE 'SELECT coalesce(string_agg(r::text, chr(10)), ''nothing'') FROM (' || query || ') r' INTO result;
		RAISE 'undo %', result USING ERRCODE = 'ZZ999';
	EXCEPTION WHEN SQLSTATE 'ZZ999' THEN
		RETURN substr(SQLERRM, 6);
	WHEN OTHERS THEN
		RETURN SQLSTATE;
	END $$});

my @reads = (
	[ 'runner', undef, "SELECT * FROM tarx_keys.resolve_keys('$PROJECT', '{" . join(',', sort values %{ $story->{keys} }) . "}')" ],
	[ 'runner', undef, "SELECT * FROM tarx_keys.resolve_key('$PROJECT', '$agent')" ],
	[ 'runner', undef, "SELECT * FROM tarx_keys.resolve_agent_key('$PROJECT', '$agent')" ],
	[ 'runner', undef, "SELECT * FROM tarx_keys.resolve_agent_key('$PROJECT', '$routed')" ],
	[ 'runner', undef, "SELECT * FROM tarx_keys.resolve_provider_key('$PROJECT', 'openai')" ],
	[ 'runner', undef, "SELECT * FROM tarx_keys.resolve_secrets('$PROJECT')" ],
	[ 'runner', undef, "SELECT tarx_keys.resolve_secret('$PROJECT', 'NONE')" ],
	[ 'runner', undef, "SELECT r.agent_id, r.user_id, k.key_value FROM tarx_keys.enter_run('$ticket') r, tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k" ],
	[ 'service', undef, "SELECT * FROM tarx_keys.login('$story->{token}', '$PROJECT')" ],
	[ 'service', undef, "SELECT * FROM tarx_keys.login('$revoked')" ],
	(map { my $user = $_; map { [ 'service', $user, $_ ] }
		'SELECT id, name, masked_key, state, agent_count FROM tarx_keys.llm_keys ORDER BY name',
		'SELECT name, version FROM tarx_keys.secrets ORDER BY name',
		'SELECT id, name FROM tarx_keys.platform_keys ORDER BY name',
		'SELECT user_id, role FROM tarx_keys.project_members ORDER BY user_id',
		'SELECT id, name, user_api_key_id FROM tarx_keys.agents ORDER BY name',
		'SELECT action, object_name, seq FROM tarx_keys.project_audit ORDER BY seq' } 'alice', 'bob', 'mallory'),
	[ 'none', undef, "SELECT * FROM tarx_keys.verify_audit('$PROJECT')" ],
	[ 'none', undef, "SELECT * FROM tarx_keys.verify_personal_audit('bob')" ],
	[ 'none', undef, 'SELECT kind, name, status FROM tarx_keys.verify_keys() ORDER BY 1, 2, 3' ]);

my @changes = map { [ 'service', @$_ ] } (
	[ 'alice', "SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'new', 'sk-proj-0123456789abcdef') IS NOT NULL" ],
	[ 'alice', "SELECT tarx_keys.replace_llm_key('$PROJECT', '$first', 'sk-proj-0123456789abcdef') IS NOT NULL" ],
	[ 'alice', "SELECT tarx_keys.delete_llm_key('$PROJECT', '$first')" ],
	[ 'alice', "SELECT tarx_keys.repoint_agents('$PROJECT', '$first', (SELECT id FROM tarx_keys.llm_keys WHERE name = 'no 2'))" ],
	[ 'alice', "SELECT tarx_keys.set_secret('$PROJECT', 'NO_1', 'x')" ],
	[ 'alice', "SELECT tarx_keys.set_secret('$PROJECT', 'NEW', 'x')" ],
	[ 'alice', "SELECT tarx_keys.rename_secret('$PROJECT', 'NO_1', 'NO_2')" ],
	[ 'alice', "SELECT tarx_keys.rename_secret('$PROJECT', 'NO_1', 'OTHER')" ],
	[ 'alice', "SELECT tarx_keys.delete_secret('$PROJECT', 'NO_1')" ],
	[ 'alice', "SELECT tarx_keys.create_agent('$PROJECT', 'three', '$first') IS NOT NULL" ],
	[ 'alice', "SELECT tarx_keys.rename_agent('$PROJECT', '$agent', 'renamed')" ],
	[ 'alice', "SELECT tarx_keys.add_member('$PROJECT', 'bob', 'viewer')" ],
	[ 'alice', "SELECT tarx_keys.add_member('$PROJECT', 'dave')" ],
	[ 'alice', "SELECT tarx_keys.remove_member('$PROJECT', 'bob')" ],
	[ 'alice', "SELECT tarx_keys.remove_member('$PROJECT', 'alice')" ],
	[ 'alice', "SELECT tarx_keys.create_service_account('$PROJECT', 'second') IS NOT NULL" ],
	[ 'alice', "SELECT tarx_keys.create_service_account('$PROJECT', 'robot') IS NOT NULL" ],
	[ 'alice', "SELECT tarx_keys.delete_service_account('$PROJECT', (SELECT user_id FROM tarx_keys.project_members WHERE service_account = 'robot'))" ],
	[ 'bob', 'SELECT id IS NOT NULL FROM tarx_keys.create_platform_key(\'another\')' ],
	[ 'bob', 'SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys WHERE name = \'laptop\'' ],
	[ 'bob', "SELECT tarx_keys.delete_secret('$PROJECT', 'NO_1')" ],
	[ 'mallory', "SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'new', 'sk-proj-0123456789abcdef')" ],
	[ "alice", "SELECT tarx_keys.create_project('again', '$PROJECT')" ]);
push @changes, [ 'none', undef, q{SELECT * FROM tarx_keys.end_user('bob', 'alice')} ],
  [ 'service', 'alice', "SELECT tarx_keys.delete_project('$PROJECT')" ];

sub literal
{
	my ($text) = @_;
	return 'NULL' unless defined $text;
	return "'" . ($text =~ s/'/''/gr) . "'";
}

# The answers to all of that, one for each
sub answers
{
	my ($prepare, $undo, @queries) = @_;
	my $sql = join "\n", map { 'SELECT public.try(' . join(', ', map { literal($_) } @$_) . ") || E'\\n=='" . ';' } @queries;
	my $out = $node->safe_psql('postgres', "SET client_min_messages = error;\n$prepare;\n$sql\n$undo;");

	return [ map { s/^\n//r } split /\n==/, $out ];
}

my @queries = (@reads, @changes);
my $expected = answers('BEGIN', 'ROLLBACK', @queries);
is(scalar(@$expected), scalar(@queries), 'each has an answer');
is(scalar(grep { /^[0-9A-Z]{5}$/ } @$expected[ $#reads + 1 .. $#queries ]), 5, 'of the changes five are refused');

# What may differ: these changes need the index to be there, and fail without it.
my %needed = (
	'tarx_keys.projects_pkey' => qr/create_project/,
	'tarx_keys.project_members_pkey' => qr/add_member|create_service_account/,
	'tarx_keys_internal.project_secret_versions_pkey' => qr/set_secret\(.* 'NO_1'/);

my @indexes = map { [ split /\|/ ] } split /\n/, $node->safe_psql('postgres', q{
	SELECT i.indexrelid::regclass, i.indrelid::regclass, c.conname, i.indisunique
	  FROM pg_index i JOIN pg_class t ON t.oid = i.indrelid LEFT JOIN pg_constraint c ON c.conindid = i.indexrelid AND c.contype IN ('p', 'u')
	 WHERE t.relnamespace IN ('tarx_keys'::regnamespace, 'tarx_keys_internal'::regnamespace) ORDER BY 1});
note(scalar(@indexes) . ' indexes');
foreach my $case (@indexes)
{
	my ($index, $table, $constraint) = @$case;
	my $drop = $constraint ? "ALTER TABLE $table DROP CONSTRAINT $constraint CASCADE" : "DROP INDEX $index";

	foreach my $fault ([ 'missing', $drop ], [ 'invalid', "UPDATE pg_index SET indisvalid = false WHERE indexrelid = '$index'::regclass" ])
	{
		my ($how, $sql) = @$fault;
		my $found = answers("BEGIN; $sql", 'ROLLBACK', @queries);
		my $wrong = '';

		foreach my $n (0 .. $#queries)
		{
			my ($answer, $query) = ($found->[$n] // 'none', $queries[$n][2]);

			next if $answer eq $expected->[$n];
			# PostgreSQL's "there is no unique constraint", and "constraint does not exist"
			next if $answer =~ /^(?:42P10|42704)$/ && $needed{$index} && $query =~ $needed{$index};
			$wrong .= "$query\n  -> $answer\n  <> $expected->[$n]\n";
		}
		is($wrong, '', "$index is $how");
		# what it says cannot be done in a transaction, where it can be undone
		is( $node->safe_psql('postgres', qq{
				SET client_min_messages = error;
				BEGIN;
				$sql;
				SELECT severity, finding FROM tarx_keys.doctor() WHERE check_name = 'indexes';
				SELECT replace(advice, 'CONCURRENTLY ', '') FROM tarx_keys_internal.doctor_indexes() \\gexec
				SELECT severity FROM tarx_keys.doctor() WHERE check_name = 'indexes';
				ROLLBACK}),
			sprintf("warning|index %s of table %s is %s, and without it calls are slow or fail\nok",
				$index, $table, $how eq 'missing' ? 'gone' : 'invalid'),
			"$index is $how: doctor() says so, and what helps");
	}
}

story_holds($node, $story, 'at the end');
all_verifies($node, 'at the end');
is_same_server($node, $start, 'all the time');
nothing_leaked($node, $story, 'all the time');
$node->stop;
done_testing();
