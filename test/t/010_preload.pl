# Without shared_preload_libraries nothing of the extension works, and every
# attempt says what to do. Placeholders for its settings would show the master
# key to anybody, so there is no other way to load it.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $advice = 'Add tarx_keys to shared_preload_libraries and restart the server.';
my $hint = qr/HINT:  \Q$advice\E/;

my $node = new_node('preload', keyring => { master_key => hex_key('preload') });
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->start;

# Before there is the extension

my $err = state_is($node, undef, 'CREATE EXTENSION tarx_keys', '55000',
	'CREATE EXTENSION fails');
like($err, $hint, 'CREATE EXTENSION says what to do');
is( $node->safe_psql(
		'postgres',
		q{SELECT count(*) FROM pg_roles WHERE rolname LIKE 'tarx\_keys%'}),
	'0',
	'CREATE EXTENSION leaves no roles behind');

$err = state_is($node, undef, "LOAD 'tarx_keys'", '55000', 'LOAD fails');
like($err, $hint, 'LOAD says what to do');

my ($status, $out);
{
	local $ENV{PGOPTIONS} = '-c session_preload_libraries=tarx_keys';
	($status, $out, $err) = $node->psql('postgres', 'SELECT 1');
}
is($status, 2, 'session_preload_libraries lets nobody connect');
like(
	$err,
	qr/tarx_keys must be loaded via shared_preload_libraries/,
	'session_preload_libraries says why');
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server runs');

# With the extension made while preloaded

$node->append_conf('postgresql.conf', "shared_preload_libraries = 'tarx_keys'");
$node->restart;
install($node);
my $key = add_key($node, 'first', 'sk-proj-preload-0123456789abcdef0123456789');
is(ask_ok($node, 'runner', resolve_sql($key)),
	'sk-proj-preload-0123456789abcdef0123456789', 'all is well while preloaded');
$node->append_conf('postgresql.conf', "shared_preload_libraries = ''");
$node->restart;

# All functions in one session, because a library whose initialization failed
# must be as unusable at the second call. Left out is what needs nothing of the
# library: what only raises an error or a warning of its own, waits for locks, computes,
# or reads or writes tables under row security, which stops no superuser; the checks of
# doctor(), which read catalogs; and what is not run with NULL.
my $called = $node->safe_psql(
	'postgres', q{
	CREATE TEMP TABLE called (name text, state text, hint text);
	DO $$
	DECLARE
		f record;
		state text;
		hint text;
	BEGIN
		FOR f IN
			SELECT p.proname AS name,
				   format('SELECT %s(%s)', p.oid::regproc,
						  (SELECT string_agg('NULL::' ||
											 CASE WHEN t IN ('anyelement'::regtype, '"any"'::regtype) THEN 'text'
											 ELSE format_type(t, NULL) END, ', ')
							 FROM unnest(p.proargtypes) t)) AS call
			  FROM pg_proc p
			 WHERE p.pronamespace = ANY ('{tarx_keys,tarx_keys_internal}'::regnamespace[])
			   AND p.prokind = 'f'
			   AND p.prorettype NOT IN ('trigger'::regtype, 'event_trigger'::regtype)
			   AND NOT p.proisstrict
			   AND p.proname NOT IN ('argument_numbers', 'changed_builtin', 'check_service_account_room', 'citus_tables', 'end_llm_keys', 'end_service_accounts', 'fail_changed_meanwhile', 'fail_last_admin', 'fail_last_admin_of',
									 'is_request_path', 'is_security_invoker', 'lock_members', 'logged_objects', 'make_successor', 'next_revision',
									 'platform_key_ancestors', 'platform_key_descendants', 'project_bucket', 'purge_service_accounts',
									 'report_purge', 'require_provider', 'require_superuser', 'status_of', 'wait_for_locks_until', 'warn_of_kept_rows', 'warn_of_rest')
			   AND p.proname !~ '^(doctor|routed|router|shard)_'
		LOOP
			state := 'none';
			hint := '';
			BEGIN
				EXECUTE f.call;
			EXCEPTION WHEN OTHERS THEN
				GET STACKED DIAGNOSTICS state = RETURNED_SQLSTATE,
					hint = PG_EXCEPTION_HINT;
			END;
			INSERT INTO called VALUES (f.name, state, hint);
		END LOOP;
	END
	$$;
	SELECT name, state, hint FROM called ORDER BY name;});
my %state;
foreach my $line (split /\n/, $called)
{
	my ($name, $state, $text) = split /\|/, $line, 3;
	$state{$name} = $state;
	is("$state: $text", "55000: $advice", "$name() fails and says what to do");
}
foreach my $name (
	qw(act_as current_user_id current_project_id create_project add_member
	remove_member add_llm_key add_sealed_llm_key update_llm_key replace_llm_key replace_sealed_llm_key
	delete_llm_key resolve_key resolve_keys resolve_agent_key resolve_provider_key report_key probe_request
	create_agent set_agent_key set_agent_provider delete_agent restamp_members delete_older_rows repoint_agents keyring_status
	rename_project delete_project purge_project end_user rename_agent
	rename_secret describe_secret
	doctor verify_keys))
{
	ok(exists $state{$name}, "$name() is among the functions tried");
}

# in no transaction block, for it commits
($status, $out, $err) = $node->psql('postgres', 'CALL tarx_keys.rotate_master_key()',
	extra_params => [ '-v', 'VERBOSITY=verbose' ]);
is(state_of($err), '55000', 'rotate_master_key() fails');
like($err, $hint, 'rotate_master_key() says what to do');

foreach my $table (qw(llm_keys projects project_members agents))
{
	$err = state_is($node, 'service', "SELECT * FROM tarx_keys.$table",
		'55000', "reading $table fails");
	like($err, $hint, "reading $table says what to do");
}

# A superuser, whom row security does not stop, asks for the mask all the same.
state_is($node, undef, 'SELECT * FROM tarx_keys.llm_keys',
	'55000', 'reading llm_keys fails for a superuser');
is($node->safe_psql('postgres', 'SELECT 1'), '1', 'the server still runs');

done_testing();
