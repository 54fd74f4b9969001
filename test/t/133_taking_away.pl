# Whoever takes something away is not kept from it by the audit log: not by chains
# that somebody has broken, not without a keyring, and not by others that hold all
# lanes. A line in the server log takes the place of the row. What adds something
# fails as ever.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = write_private("$dir/keys", hex_key('a'));
my $node = new_node(
	'taking_away',
	keyring => { master_key_file => $file },
	# The line does not depend on it. The time limit is an upper bound for what
	# would wait for ever.
	conf => "tarx_keys.log_resolves = off\nstatement_timeout = 60s\n");
$node->start;
install($node);
my $ends = "tarx_keys_internal.audit_ends";
my $personal = "tarx_keys_internal.personal_chain('alice')";

sub as
{
	my ($user, $sql) = @_;
	return ask_ok($node, 'service', "SELECT tarx_keys.act_as('$user'); SELECT $sql");
}

# What there is to take away: made anew each time, because it is gone then
sub make
{
	my %made = (
		key => as('alice', "tarx_keys.add_llm_key('$PROJECT', 'mistral', 'key', 'the-value-of-a-key')"),
		agent => as('alice', "tarx_keys.create_agent('$PROJECT', 'agent')"));
	as('alice', "tarx_keys.set_secret('$PROJECT', 'SECRET', 'value')");
	as('alice', "tarx_keys.add_member('$PROJECT', 'dave'), tarx_keys.add_member('$PROJECT', 'frank')");
	$made{account} = as('alice', "tarx_keys.create_service_account('$PROJECT', 'programs')");
	$made{account_key} = as('alice', "id FROM tarx_keys.create_service_account_key('$PROJECT', '$made{account}', 'key')");
	$made{account_id} = as('alice', "id FROM tarx_keys.project_members WHERE user_id = '$made{account}'");
	$made{secret} = as('alice', "id FROM tarx_keys.secrets WHERE name = 'SECRET'");
	$made{dave} = as('alice', "id FROM tarx_keys.project_members WHERE project_id = '$PROJECT' AND user_id = 'dave'");
	@made{qw(platform_key token)} = split /\|/, as('alice', q{* FROM tarx_keys.create_platform_key('laptop')});
	$made{ticket} = as('alice', "tarx_keys.issue_run_ticket('$PROJECT', '$made{agent}')");
	$made{descendant} = ask_ok($node, 'service', "SELECT tarx_keys.login('$made{token}'); SELECT id FROM tarx_keys.create_platform_key('made with it')");
	return %made;
}

# Take all of it away; each call leaves its line, and has taken it away.
sub take_away
{
	my ($what, $state, %made) = @_;
	# an agent's row has a stamp, which takes a keyring
	my @runs_of_agent = $state eq 'TK005' ? () : [ "revoke_run_tickets('$PROJECT', '$made{agent}')", 'agent.revoke_runs', $PROJECT, $made{agent} ];
	my @calls = (
		[ "revoke_run_tickets('$PROJECT')", 'project.revoke_runs', $PROJECT, $PROJECT ],
		@runs_of_agent,
		[ "delete_llm_key('$PROJECT', '$made{key}')", 'llm_key.delete', $PROJECT, $made{key} ],
		[ "delete_agent('$PROJECT', '$made{agent}')", 'agent.delete', $PROJECT, $made{agent} ],
		[ "delete_secret('$PROJECT', 'SECRET')", 'secret.delete', $PROJECT, $made{secret} ],
		[ "remove_member('$PROJECT', 'dave')", 'member.remove', $PROJECT, $made{dave} ],
		[ "revoke_platform_key('$made{platform_key}')", 'platform_key.revoke', '-', $made{platform_key}, $made{descendant} ]);
	my $logged = $node->safe_psql('postgres', 'SELECT count(*) FROM tarx_keys.audit_log');
	my $epochs = sub { $node->safe_psql('postgres', "SELECT run_epoch FROM tarx_keys.projects WHERE id = '$PROJECT' UNION ALL SELECT run_epoch FROM tarx_keys.agents WHERE id = '$made{agent}'") };
	my @before = split /\n/, $epochs->();
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	foreach my $case (@calls)
	{
		my ($call, $action, $project, @objects) = @$case;
		my $offset = log_size($node);

		as('alice', "tarx_keys.$call");
		is( join("\n", log_since($node, $offset) =~ /LOG:  (tarx_keys: .*)/g),
			join("\n", map { "tarx_keys: event=manage outcome=unlogged project=$project object=$_ sqlstate=$state login=service role=- user=alice client=[local] action=$action" } @objects),
			"$what: $call");
		unlike(log_since($node, $offset), qr/ERROR|WARNING/, "$what: and no error");
		next unless $action =~ /revoke_runs/;
		my @now = split /\n/, $epochs->();
		my $n = $action =~ /^agent/ ? 1 : 0;
		isnt($now[$n], $before[$n], "$what: with another epoch");
		state_is($node, 'runner', "SELECT tarx_keys.enter_run('$made{ticket}')", $state eq 'TK005' ? 'TK005' : 'TK016', "$what: no run is entered");
	}
	is($node->safe_psql('postgres', 'SELECT count(*) FROM tarx_keys.audit_log'), $logged, "$what: there is no row");
	is( as('alice', qq{(SELECT count(*) FROM tarx_keys.llm_keys) + (SELECT count(*) FROM tarx_keys.agents)
			+ (SELECT count(*) FROM tarx_keys.secrets) + (SELECT count(*) FROM tarx_keys.project_members WHERE user_id = 'dave')
			+ (SELECT count(*) FROM tarx_keys.platform_keys WHERE revoked_at IS NULL)}),
		'0', "$what: nothing is left");

	# the account's own log may be whole
	my $offset = log_size($node);
	as('alice', "tarx_keys.delete_service_account('$PROJECT', '$made{account}')");
	like(log_since($node, $offset), qr/object=$made{account_id} sqlstate=$state .* action=$_$/m, "$what: $_ of a service account")
	  foreach qw(service_account.delete member.remove);
	is( $node->safe_psql('postgres', qq{
			SELECT (SELECT count(*) FROM tarx_keys.project_members WHERE user_id = '$made{account}'),
			       (SELECT count(token_hash) FROM tarx_keys.platform_api_keys WHERE id = '$made{account_key}')}),
		'0|0', "$what: it is gone, and so is its key");
	return;
}

# What adds or changes something fails.
sub adding_fails
{
	my ($what, $state, $id) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	state_is($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.$_", $state, "$what: $_")
	  foreach "add_llm_key('$PROJECT', 'mistral', 'x', 'the-value-of-a-key')",
	  "create_agent('$PROJECT', 'x')",
	  "set_agent_key('$PROJECT', '$id->{agent}', '$id->{key}')",
	  "set_secret('$PROJECT', 'X', 'x')",
	  "add_member('$PROJECT', 'eve')",
	  "create_platform_key('x')";
	return;
}

# A chain that cannot be extended: both of alice's have two lanes, since two of her
# transactions have met.
as('alice', q{tarx_keys.revoke_platform_key(k.id) FROM tarx_keys.create_platform_key('first') k});
my @meeting = map { $node->background_psql('postgres', extra_params => [ '-U', 'service' ]) } 1 .. 2;
$_->query_safe(qq{
	BEGIN;
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.delete_agent('$PROJECT', tarx_keys.create_agent('$PROJECT', 'met'));
	SELECT tarx_keys.revoke_platform_key(k.id) FROM tarx_keys.create_platform_key('met') k}) foreach @meeting;
$_->query_safe('COMMIT') foreach @meeting;
$_->quit foreach @meeting;
is($node->safe_psql('postgres', "SELECT count(*) FROM $ends WHERE lane = 1 AND (project_id = '$PROJECT' OR project_id = $personal)"), '2', 'two lanes');

my @breaks = (
	[ 'one changed byte', "UPDATE $ends SET sealed_key = set_byte(sealed_key, 60, get_byte(sealed_key, 60) # 1)" ],
	[ 'one changed number', "UPDATE $ends SET last_seq = last_seq - 4" ],
	[ 'nothing sealed', "UPDATE $ends SET sealed_key = ''" ],
	[ 'no ends', "DELETE FROM $ends" ],
	[ 'no log at all', "DELETE FROM $ends; DELETE FROM tarx_keys.audit_log" ],
	[ 'rows in the way', qq{
		INSERT INTO tarx_keys.audit_log
		SELECT e.project_id, e.personal, e.generation, e.last_seq + 4, now(), 'eve', true, 'x', 'x', 'x', NULL, 'x', 'done', NULL, ''
		  FROM $ends e} ],
	[ 'a fingerprint of no master key beside a changed byte', qq{
		UPDATE $ends SET sealed_key = set_byte(sealed_key, 60, get_byte(sealed_key, 60) # 1) WHERE lane = 1;
		UPDATE $ends SET sealed_key = set_byte(sealed_key, 1, get_byte(sealed_key, 1) # 1) WHERE lane <> 1} ]);
foreach my $case (@breaks)
{
	my ($what, $sql) = @$case;
	my %made = make();

	$node->safe_psql('postgres', qq{
		CREATE TABLE kept_ends AS TABLE $ends;
		CREATE TABLE kept_log AS TABLE tarx_keys.audit_log;
		$sql});
	adding_fails($what, 'TK004', \%made);
	take_away($what, 'TK004', %made);
	# as it was
	$node->safe_psql('postgres', qq{
		DELETE FROM $ends;
		DELETE FROM tarx_keys.audit_log;
		INSERT INTO $ends TABLE kept_ends;
		INSERT INTO tarx_keys.audit_log TABLE kept_log;
		DROP TABLE kept_ends, kept_log});
}

# Tables that are not as the extension made them, and a log that cannot be written
foreach my $case (
	[ 'a trigger that fails', '22012', q{
		CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN 1 / 0; END';
		CREATE TRIGGER fail BEFORE INSERT ON tarx_keys.audit_log FOR EACH ROW EXECUTE FUNCTION fail()},
		'DROP TRIGGER fail ON tarx_keys.audit_log; DROP FUNCTION fail' ],
	[ 'no right to append', '42501', 'REVOKE INSERT ON tarx_keys.audit_log FROM tarx_keys_owner',
		'GRANT INSERT ON tarx_keys.audit_log TO tarx_keys_owner' ])
{
	my ($what, $state, $break, $mend) = @$case;
	my %made = make();

	$node->safe_psql('postgres', $break);
	adding_fails($what, $state, \%made);
	take_away($what, $state, %made);
	$node->safe_psql('postgres', $mend);
}

# What is rolled back is not done, but the line stays.
{
	my %made = make();
	my $offset = log_size($node);

	$node->safe_psql('postgres', "CREATE TABLE kept AS TABLE $ends; UPDATE $ends SET sealed_key = ''");
	ask($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.delete_llm_key('$PROJECT', '$made{key}'); ROLLBACK");
	is(as('alice', 'count(*) FROM tarx_keys.llm_keys'), '1', 'a rollback takes it back');
	like(log_since($node, $offset), qr/outcome=unlogged .*object=$made{key}/, 'but not the line');
	$node->safe_psql('postgres', "DELETE FROM $ends; INSERT INTO $ends TABLE kept; DROP TABLE kept");

	# Errors that have nothing to do with the log are errors.
	state_is($node, 'service', "SELECT tarx_keys.act_as('bob'); SELECT tarx_keys.delete_llm_key('$PROJECT', '$made{key}')",
		'42501', 'no admin');
	state_is($node, 'service', "SELECT tarx_keys.delete_llm_key('$PROJECT', '$made{key}')", 'TK007', 'nobody');
	state_is($node, 'service', "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.remove_member('$PROJECT', 'alice')",
		'23514', 'the last admin');
	state_is($node, 'service', "SET TRANSACTION READ ONLY; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.$_",
		'25006', "in a read-only transaction: $_")
	  foreach "delete_llm_key('$PROJECT', '$made{key}')", "remove_member('$PROJECT', 'dave')",
	  "revoke_platform_key('$made{platform_key}')";

	# and where all is well there is a row and no line
	$offset = log_size($node);
	as('alice', "tarx_keys.$_") foreach "revoke_run_tickets('$PROJECT')", "revoke_run_tickets('$PROJECT', '$made{agent}')",
	  "delete_llm_key('$PROJECT', '$made{key}')", "delete_agent('$PROJECT', '$made{agent}')",
	  "delete_secret('$PROJECT', 'SECRET')", "remove_member('$PROJECT', 'dave')", "revoke_platform_key('$made{platform_key}')";
	unlike(log_since($node, $offset), qr/unlogged/, 'where all is well there is no line');
	is( $node->safe_psql('postgres', qq{
			SELECT string_agg(action, ' ' ORDER BY at) FROM tarx_keys.audit_log
			 WHERE object_id IN ('$PROJECT', '$made{key}', '$made{agent}', '$made{platform_key}') AND action ~ '(delete|revoke|revoke_runs)\$'}),
		'project.revoke_runs agent.revoke_runs llm_key.delete agent.delete platform_key.revoke', 'but rows');
}

# Others hold all lanes, and do nothing.

my %made = make();
my ($spare, $spare_too) = map { as('alice', "tarx_keys.create_agent('$PROJECT', '$_')") } 'spare', 'spare too';
my @holders = map { $node->background_psql('postgres', extra_params => [ '-U', 'service' ]) } 1 .. 4;
foreach my $n (0 .. 3)
{
	my $user = $n < 3 ? 'bob' : 'alice';

	$holders[$n]->query_safe(qq{
		BEGIN;
		SELECT tarx_keys.act_as('$user');
		SELECT tarx_keys.create_agent('$PROJECT', 'held')});
}
is( $node->safe_psql('postgres', q{
		SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND mode = 'ExclusiveLock'
		   AND classid = 'tarx_keys_internal.audit_ends'::regclass}),
	'4', 'four transactions hold four lanes');
my $offset = log_size($node);
as('alice', "tarx_keys.remove_member('$PROJECT', 'dave')");
as('alice', "tarx_keys.delete_llm_key('$PROJECT', '$made{key}')");
as('alice', "tarx_keys.revoke_run_tickets('$PROJECT', '$made{agent}')");
# several in a transaction, which waits once only, as long as a member would wait
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.delete_secret('$PROJECT', 'SECRET');
	SELECT tarx_keys.delete_agent('$PROJECT', '$made{agent}')});
is(scalar(() = log_since($node, $offset) =~ /outcome=unlogged project=$PROJECT object=\S+ sqlstate=55P03/g), 5,
	'what takes away goes through, with a line each');
is(as('alice', 'count(*) FROM tarx_keys.llm_keys'), '0', 'the key is gone');

# It stays cancellable, and a shorter limit of one's own counts.
$made{key} = $node->safe_psql('postgres', "SELECT gen_random_uuid()");
state_is($node, 'service', "SET statement_timeout = '200ms'; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.remove_member('$PROJECT', 'bob')",
	'57014', 'a call that is cancelled meanwhile has done nothing');
is(as('alice', q{count(*) FROM tarx_keys.project_members WHERE user_id = 'bob'}), '1', 'bob is still there');
ask_ok($node, 'service', qq{
	SET LOCAL lock_timeout = '10ms';
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.remove_member('$PROJECT', 'bob')});
is(as('alice', q{count(*) FROM tarx_keys.project_members WHERE user_id = 'bob'}), '0', 'with a limit of its own');
state_is($node, 'service', "SET LOCAL lock_timeout = '10ms'; SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.create_agent('$PROJECT', 'x')",
	'55P03', 'what adds something waits');

# Limits are as they were set. And who has taken away without a lane may have rows
# locked that others wait for: so this transaction waits for no lane any more.
is( ask_ok($node, 'service', qq{
		SET LOCAL lock_timeout = '30s';
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.delete_agent('$PROJECT', '$spare');
		SHOW lock_timeout}),
	'30s', 'limits are as they were set');
my $err = state_is($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.delete_agent('$PROJECT', '$spare_too');
	SELECT tarx_keys.create_agent('$PROJECT', 'x')}, '55P03', 'then it adds nothing');
like($err, qr/the audit log of project "$PROJECT" is in use by other transactions/, 'and says why');
state_is($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.remove_member('$PROJECT', 'alice')}, '23514', 'the last admin, without a lane');

# So it is in no deadlock with one that has a lane and waits for its rows.
my $alice = $node->background_psql('postgres', on_error_stop => 0,
	extra_params => [ '-U', 'service', '-v', 'VERBOSITY=verbose' ]);
$alice->query_safe(qq{
	BEGIN;
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.remove_member('$PROJECT', 'frank')});
$holders[3]->query_until(qr/begun/, "\\echo begun\nSELECT tarx_keys.add_member('$PROJECT', 'eve');\n");
$node->poll_query_until('postgres', q{
	SELECT count(*) = 1 FROM pg_stat_activity WHERE wait_event_type = 'Lock'})
  or die 'nobody waits';
$alice->query("SELECT tarx_keys.create_agent('$PROJECT', 'x')");
is(state_of($alice->{stderr}), '55P03', 'who has none does not wait for it');
$alice->query('ROLLBACK');
$alice->quit;
like($holders[3]->query_safe("SELECT role FROM tarx_keys.project_members WHERE user_id = 'eve'"), qr/^member$/m, 'and it goes on');

# A lane that comes free is taken.
$holders[0]->query_safe('COMMIT');
$offset = log_size($node);
as('alice', "tarx_keys.delete_agent('$PROJECT', id) FROM tarx_keys.agents WHERE name = 'held'");
unlike(log_since($node, $offset), qr/unlogged/, 'with a free lane there is a row');
$_->query_safe('ROLLBACK') foreach @holders[ 1 .. 3 ];
$_->quit foreach @holders;

# The DBA works on the log.
as('alice', "tarx_keys.$_") foreach "revoke_platform_key('$made{platform_key}')", "delete_agent('$PROJECT', '$spare_too')";
foreach my $lock ("LOCK TABLE $ends IN SHARE ROW EXCLUSIVE MODE", 'LOCK TABLE tarx_keys.audit_log', "SELECT 1 FROM $ends FOR UPDATE")
{
	my $added = as('alice', "tarx_keys.create_agent('$PROJECT', 'agent')");
	my $dba = $node->background_psql('postgres');

	$dba->query_safe("BEGIN; $lock");
	$offset = log_size($node);
	as('alice', "tarx_keys.delete_agent('$PROJECT', '$added')");
	like(log_since($node, $offset), qr/outcome=unlogged project=$PROJECT object=$added sqlstate=55P03/, "behind $lock");
	$dba->query_safe('COMMIT');
	$dba->quit;
}
is($node->safe_psql('postgres', "SELECT * FROM tarx_keys.verify_audit('$PROJECT')"), 't||', 'the log verifies');
is($node->safe_psql('postgres', q{SELECT * FROM tarx_keys.verify_personal_audit('alice')}), 't||', 'alice\'s, too');

# Without a keyring

%made = make();
set_keyring($node);
$node->restart;
adding_fails('no keyring', 'TK005', \%made);
take_away('no keyring', 'TK005', %made);
set_keyring($node, master_key_file => $file);
$node->restart;
is($node->safe_psql('postgres', "SELECT * FROM tarx_keys.verify_audit('$PROJECT')"), 't||', 'the log verifies then');

# With another one, all of it is logged: in a new generation.
%made = make();
write_private($file, hex_key('b'));
reload_keyring($node);
$offset = log_size($node);
as('alice', "tarx_keys.$_") foreach "delete_llm_key('$PROJECT', '$made{key}')", "revoke_platform_key('$made{platform_key}')";
unlike(log_since($node, $offset), qr/unlogged/, 'with another keyring there is no line');
is( $node->safe_psql('postgres', qq{
		SELECT string_agg(action, ' ' ORDER BY at, seq) FROM tarx_keys.audit_log WHERE generation = 2}),
	'audit.new_generation llm_key.delete audit.new_generation platform_key.revoke platform_key.revoke', 'but rows');

$node->stop;
done_testing();
