# What a stolen thing gives, what it does not give, and what ends it: each line of the
# table in docs/security.md is a case here, by the same name.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use Protocol;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use SealedBoxes;
use Test::More;
use TarxKeys;
use Tokens;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $issuers = "$dir/issuers.json";
my $pair = key_pair('Ed25519');
my $keys = write_private("$dir/keys", hex_key('a'));
my $value = 'sk-proj-stolen-0123456789abcdef0123456789';
my $other_value = 'another-key-0123456789abcdef0123456789';
my $nowhere = '99999999-9999-4999-8999-999999999999';

write_issuers($issuers, [ issuer([ jwk($pair) ]) ]);
my $node = new_node(
	'stolen',
	keyring => { master_key_file => $keys },
	conf => "tarx_keys.jwt_issuers_file = '$issuers'\n");
$node->start;
install($node);
$node->safe_psql('postgres', 'CREATE ROLE web LOGIN IN ROLE tarx_keys_login; CREATE ROLE nobody LOGIN');

my $key = add_key($node, 'Production', $value);
my $other_key = as('alice', "add_llm_key('$PROJECT', 'mistral', 'Other', '$other_value')");
my $agent = as('bob', "create_agent('$PROJECT', 'Helper', '$key')");
my $other_agent = as('bob', "create_agent('$PROJECT', 'Another', '$other_key')");
as('alice', "set_secret('$PROJECT', 'TOKEN', 'value of TOKEN'), tarx_keys.set_secret('$PROJECT', 'HIDDEN', 'value of HIDDEN')");

# A call by a user through the backend, and what it returned
sub as
{
	my ($user, $call, $db) = @_;
	return ask_ok($node, 'service', "SELECT tarx_keys.act_as('$user'); SELECT tarx_keys.$call", $db);
}

sub token_of
{
	my ($user, $more) = @_;
	my $token = "create_platform_key('laptop'" . ($more || '') . ')';
	return ask_ok($node, 'service', "SELECT tarx_keys.act_as('$user'); SELECT token FROM tarx_keys.$token");
}

sub ticket_of
{
	my ($user, $more, $db) = @_;
	return as($user, "issue_run_ticket('$PROJECT', '$agent'" . ($more || '') . ')', $db);
}

# A login of its own with this role: what ends it ends no other case.
my $logins = 0;
sub new_login
{
	my ($role, @settings) = @_;
	my $login = 'stolen' . ++$logins;

	$node->safe_psql('postgres', join ';', "CREATE ROLE $login LOGIN IN ROLE $role", map { "ALTER ROLE $login SET $_" } @settings);
	return $login;
}

sub take_role
{
	my ($role, $login) = @_;
	$node->safe_psql('postgres', "REVOKE $role FROM $login");
	return;
}

# It succeeds, and its last line is this.
sub gives
{
	my ($login, $sql, $expected, $test, $db) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;
	my ($status, $out, $err) = ask($node, $login, $sql, $db);

	is($status == 0 ? ($out =~ s/.*\n//sr) : state_of($err), $expected, $test) or diag($err);
	return;
}

sub refuses
{
	my ($login, $sql, $state, $test, $db) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	state_is($node, $login, $sql, $state, $test, $db);
	return;
}

# Until a moment that is near has passed
sub refuses_soon
{
	my ($login, $sql, $state, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok(wait_until(sub { state_of((ask($node, $login, $sql))[2]) eq $state }), $test);
	return;
}

# No value of any kind, by whatever call
sub refuses_values
{
	my ($login, $state, $before) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	foreach my $call ("resolve_key('$PROJECT', '$key')", "resolve_keys('$PROJECT', '{$key}')", "resolve_agent_key('$PROJECT', '$agent')",
		"resolve_provider_key('$PROJECT', 'openai')", "resolve_secret('$PROJECT', 'TOKEN')", "resolve_secrets('$PROJECT')",
		"render_template('$PROJECT', 'x')", "models_request('$PROJECT', '$key')")
	{
		refuses($login, ($before || '') . "SELECT tarx_keys.$call", $state, "no value: $call");
	}
	return;
}

sub login_sql { return "SELECT user_id FROM tarx_keys.login('$_[0]');" }

sub login_jwt_sql { return "SELECT user_id FROM tarx_keys.login_jwt('$_[0]');" }

sub agent_sql { return "SELECT key_value FROM tarx_keys.resolve_agent_key('$PROJECT', '$agent')" }

sub act_sql { return "SELECT tarx_keys.act_as('$_[0]');" }

my $add_member = "SELECT tarx_keys.add_member('$PROJECT', 'friend')";
my $end_user = "SELECT tarx_keys.end_user('bob')";
my $count_keys = 'SELECT count(*) FROM tarx_keys.llm_keys';

my %case;

$case{'backend login'} = sub {
	my $thief = new_login('tarx_keys_backend');

	gives($thief, act_sql('alice') . $count_keys, '2', 'lists, as any user');
	gives($thief, act_sql('alice') . $add_member, '', 'changes, as any user');
	my $made = ask_ok($node, $thief, act_sql('alice') . "SELECT token FROM tarx_keys.create_platform_key('thief')");
	my $ticket = ask_ok($node, $thief, act_sql('bob') . "SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent')");
	gives('runner', run_sql($ticket), $value, 'run tickets, for who has a runner login as well');
	refuses_values($thief, '42501');
	refuses($thief, run_sql($ticket), '42501', 'no run');
	refuses($thief, $end_user, '42501', 'ends no user');
	refuses($thief, "UPDATE tarx_keys.project_members SET role = 'admin'", '42501', 'writes no table');
	refuses($thief, act_sql('alice') . 'SELECT ciphertext FROM tarx_keys.project_llm_keys', '42501', 'reads no ciphertext');
	refuses($thief, act_sql('mallory') . $add_member, '42501', 'makes who is no member none');

	my $required = new_login('tarx_keys_backend', 'tarx_keys.require_login = on');
	refuses($required, act_sql('alice') . $count_keys, '42501', 'under require_login nobody by name');
	refuses($required, 'SET tarx_keys.require_login = off', '42501', 'which it cannot change');
	gives($required, login_sql(token_of('alice')) . $count_keys, '2', 'but whose token it has');

	my $session = Protocol->connect($node, $thief);
	is($session->query("SELECT tarx_keys.act_as('alice')")->{C}, undef, 'a session that is open');
	take_role('tarx_keys_backend', $thief);
	refuses($thief, act_sql('alice'), '42501', 'the role is taken away');
	is($session->query("SELECT tarx_keys.act_as('alice')")->{C}, '42501', 'in open sessions as well');
	gives('web', login_sql($made), 'alice', 'a platform key that was made stays');
	gives('runner', run_sql($ticket), $value, 'and a ticket');
	as('alice', "remove_member('$PROJECT', 'friend')");
	ask_ok($node, 'service', act_sql('alice') . "SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys WHERE name = 'thief'");
	refuses('web', login_sql($made), 'TK010', 'until it is revoked');
	as('alice', "revoke_run_tickets('$PROJECT')");
	refuses('runner', run_sql($ticket), 'TK016', 'and tickets are');
};

$case{'login-service login'} = sub {
	my $thief = new_login('tarx_keys_login');
	my $token = token_of('alice');

	gives($thief, login_sql($token) . $count_keys, '2', 'what the user may whose platform key passes through');
	gives($thief, login_jwt_sql(token($pair, claims())) . $count_keys, '2', 'or whose JWT does');
	refuses($thief, act_sql('alice'), '42501', 'nobody by name');
	refuses($thief, $count_keys, 'TK007', 'no list');
	refuses($thief, $add_member, 'TK007', 'no change');
	refuses_values($thief, '42501');
	refuses($thief, run_sql(ticket_of('bob')), '42501', 'no run');
	refuses($thief, $end_user, '42501', 'ends no user');
	take_role('tarx_keys_login', $thief);
	refuses($thief, login_sql($token), '42501', 'the role is taken away');
	gives('web', login_sql($token), 'alice', 'what it saw stays');
};

$case{'runner login'} = sub {
	my $thief = new_login('tarx_keys_agent');

	gives($thief, resolve_sql($key), $value, 'a key by its id');
	gives($thief, agent_sql(), $value, 'by an agent');
	gives($thief, "SELECT key_value FROM tarx_keys.resolve_provider_key('$PROJECT', 'mistral')", $other_value, 'by a provider');
	gives($thief, "SELECT string_agg(name, ' ' ORDER BY name) FROM tarx_keys.resolve_secrets('$PROJECT')", 'HIDDEN TOKEN', 'all secrets by the project');
	gives($thief, "SELECT tarx_keys.report_key('$PROJECT', '$key', 'ok')", '', 'reports');
	refuses($thief, "SELECT * FROM tarx_keys.$_", '42501', "no list: $_") foreach qw(projects llm_keys agents secrets);
	refuses($thief, "SELECT tarx_keys.resolve_key('$nowhere', '$key')", 'TK001', 'nothing of a project that it does not know');
	refuses($thief, "SELECT tarx_keys.delete_llm_key('$PROJECT', '$key')", '42501', 'no change');
	refuses($thief, act_sql('alice'), '42501', 'no user');
	refuses($thief, "SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent')", '42501', 'no ticket');

	$node->safe_psql('postgres', "ALTER ROLE $thief SET tarx_keys.require_run_ticket = on");
	refuses($thief, resolve_sql($key), 'TK016', 'tickets are required');
	$node->safe_psql('postgres', "ALTER ROLE $thief RESET tarx_keys.require_run_ticket");
	gives($thief, resolve_sql($key), $value, 'and are not');
	take_role('tarx_keys_agent', $thief);
	refuses($thief, resolve_sql($key), '42501', 'the role is taken away');
};

$case{'runner login, tickets required'} = sub {
	my $thief = new_login('tarx_keys_agent', 'tarx_keys.require_run_ticket = on');

	gives($thief, q{SELECT count(*) FROM tarx_keys.providers WHERE slug = 'openai'}, '1', 'the providers');
	gives($thief, run_sql(ticket_of('bob')), $value, 'runs, whose tickets pass through');
	refuses_values($thief, 'TK016');
	refuses($thief, 'SET tarx_keys.require_run_ticket = off', '42501', 'which it cannot change');
	refuses($thief, run_sql('tarx-run-AAAA'), 'TK016', 'it makes no ticket');
	refuses($thief, "SELECT * FROM tarx_keys.$_", '42501', "no list: $_") foreach qw(projects llm_keys agents secrets);
	my $ticket = ticket_of('bob');
	take_role('tarx_keys_agent', $thief);
	refuses($thief, run_sql($ticket), '42501', 'the role is taken away');
};

$case{'runner login and run ticket'} = sub {
	my $thief = new_login('tarx_keys_agent', 'tarx_keys.require_run_ticket = on');
	my $ticket = ticket_of('bob', q{, secret_names => '{TOKEN}'});
	my $enter = "SELECT 1 FROM tarx_keys.enter_run('$ticket');";
	my $renewed;

	gives($thief, run_sql($ticket), $value, 'the key of its agent');
	gives($thief, $enter . "SELECT tarx_keys.resolve_secret('$PROJECT', 'TOKEN')", 'value of TOKEN', 'a secret that it names');
	$renewed = ask_ok($node, $thief, "SELECT tarx_keys.renew_run_ticket('$ticket')");
	gives($thief, run_sql($renewed), $value, 'renewed');
	refuses($thief, $enter . "SELECT tarx_keys.$_", '42501', "nothing else: $_")
	  foreach "resolve_key('$PROJECT', '$other_key')", "resolve_keys('$PROJECT', '{$other_key}')", "resolve_agent_key('$PROJECT', '$other_agent')",
	  "resolve_provider_key('$PROJECT', 'openai')", "resolve_secret('$PROJECT', 'HIDDEN')", "resolve_secrets('$nowhere')";
	refuses($thief, $enter . "SELECT tarx_keys.delete_agent('$PROJECT', '$agent')", '42501', 'no change');

	my $of_key = "SELECT 1 FROM tarx_keys.enter_run('" . as('alice', "issue_run_ticket('$PROJECT', NULL, key_id => '$other_key')") . "');";
	gives($thief, $of_key . "SELECT headers->>'Authorization' FROM tarx_keys.probe_request('$PROJECT', '$other_key')", "Bearer $other_value", 'one for a key: requests with it');
	refuses($thief, $of_key . "SELECT tarx_keys.probe_request('$PROJECT', '$key')", '42501', 'with no other');

	my $recipient = new_recipient('recipient');
	my $boxed = 'SELECT 1 FROM tarx_keys.enter_run(\'' . ticket_of('bob', ", recipient_public_key => $recipient") . '\');';
	refuses($thief, $boxed . agent_sql(), '42501', 'one to a key: no value');
	refuses($thief, $boxed . "SELECT tarx_keys.resolve_agent_key_sealed('$PROJECT', '$agent', " . new_recipient('thief') . ')', '42501', 'no box to the thief');
	my $box = ask_ok($node, $thief, $boxed . "SELECT sealed FROM tarx_keys.resolve_agent_key_sealed('$PROJECT', '$agent', $recipient)");
	ok(!(try_open('thief', $box, 'key', $agent))[0], 'nor one that the thief opens');
	is(open_key('recipient', $box, $agent)->{value}, $value, 'only one for whom it is');
	refuses($thief, run_sql(ticket_of('bob', q{, runner_role => 'runner'})), 'TK016', 'none of another login');

	my $open = new_login('tarx_keys_agent');
	gives($open, resolve_sql($other_key), $other_value, 'with tickets not required, the login needs none');

	refuses_soon($thief, run_sql(ticket_of('bob', q{, '1 second'})), 'TK017', 'it expires');
	my $ends = ticket_of('bob', q{, '3 seconds', '3 seconds'});
	$ends = ask_ok($node, $thief, "SELECT tarx_keys.renew_run_ticket('$ends', '1 hour')");
	refuses_soon($thief, "SELECT tarx_keys.renew_run_ticket('$ends')", 'TK017', 'and can be renewed no longer than that');
	as('alice', "revoke_run_tickets('$PROJECT', '$agent')");
	refuses($thief, run_sql($_), 'TK016', 'tickets are revoked') foreach $ticket, $renewed;

	as('alice', "add_member('$PROJECT', 'helper')");
	$ticket = ticket_of('helper');
	as('alice', "remove_member('$PROJECT', 'helper')");
	refuses($thief, run_sql($ticket), 'TK016', 'who issued it is no member any more');
	my $brief = as('bob', "create_agent('$PROJECT', 'Brief', '$key')");
	$ticket = as('bob', "issue_run_ticket('$PROJECT', '$brief')");
	as('bob', "delete_agent('$PROJECT', '$brief')");
	refuses($thief, run_sql($ticket), 'TK016', 'the agent is deleted');
	my $token = token_of('bob');
	$ticket = ask_ok($node, 'web', login_sql($token) . "SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent')");
	gives($thief, run_sql($ticket), $value, 'one that was issued with a platform key');
	ask_ok($node, 'web', login_sql($token) . "SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys WHERE revoked_at IS NULL");
	refuses($thief, run_sql($ticket), 'TK016', 'which is revoked');
	take_role('tarx_keys_agent', $thief);
	refuses($thief, run_sql(ticket_of('bob')), '42501', 'the role is taken away');
};

$case{'run ticket'} = sub {
	my $ticket = ticket_of('bob');

	foreach my $login (qw(nobody web service))
	{
		refuses($login, run_sql($ticket), '42501', "no run, as $login");
		refuses($login, "SELECT tarx_keys.renew_run_ticket('$ticket')", '42501', "no renewal, as $login");
	}
	refuses('service', login_sql($ticket), 'TK010', 'it is no platform key');
	refuses('service', login_jwt_sql($ticket), 'TK010', 'and no JWT');
	gives('runner', run_sql($ticket), $value, 'for a runner it is good');
	as('alice', "revoke_run_tickets('$PROJECT')");
	refuses('runner', run_sql($ticket), 'TK016', 'until tickets are revoked');
	refuses_soon('runner', run_sql(ticket_of('bob', q{, '1 second'})), 'TK017', 'or it expires');
};

$case{'platform key'} = sub {
	my $strict = new_login('tarx_keys_login', 'tarx_keys.require_login = on');
	my $token = token_of('alice');
	my $in = login_sql($token);

	gives('web', $in . $add_member, '', 'what its user may');
	gives($strict, $in . $count_keys, '2', 'under require_login as well');
	my $more = ask_ok($node, 'web', $in . q{SELECT token FROM tarx_keys.create_platform_key('more')});
	my $ticket = ask_ok($node, 'web', $in . "SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent')");
	gives('runner', run_sql($ticket), $value, 'run tickets, for who has a runner login as well');
	my $account = ask_ok($node, 'web', $in . "SELECT tarx_keys.create_service_account('$PROJECT', 'thief')");
	my $lasting = ask_ok($node, 'web', $in . "SELECT token FROM tarx_keys.create_service_account_key('$PROJECT', '$account', 'lasting')");

	refuses('nobody', $in, '42501', 'nothing without a login of a service');
	refuses('service', $in . act_sql('bob'), '42501', 'no other user');
	refuses_values('web', '42501', $in);
	refuses('web', $in . "SELECT tarx_keys.rename_project('$nowhere', 'x')", '42501', 'no other project');
	refuses('web', login_sql(token_of('alice', ', read_only => true')) . $add_member, '42501', 'no change with a read-only one');
	refuses('web', login_sql(token_of('alice', ', read_only => true')) . "SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent')", '42501', 'nor a ticket');
	my $second = as('alice', "create_project('Second')");
	my $narrow = login_sql(token_of('alice', ", project_ids => ARRAY['$second'::uuid]"));
	gives('web', $narrow . "SELECT tarx_keys.rename_project('$second', 'x')", '', 'a narrowed one for its project');
	refuses('web', $narrow . $add_member, '42501', 'not for another');
	refuses('web', $narrow . q{SELECT tarx_keys.create_platform_key('x')}, '42501', 'makes no further one');

	refuses_soon('web', login_sql(token_of('alice', q{, clock_timestamp() + '1 second'})), 'TK010', 'it expires');
	my $session = Protocol->connect($node, 'web');
	$session->query('BEGIN; ' . $in);
	is($session->query($count_keys)->{rows}[0], '2', 'in an open transaction');
	ask_ok($node, 'service', act_sql('alice') . "SELECT tarx_keys.revoke_platform_key(created_with) FROM tarx_keys.platform_keys WHERE name = 'more'");
	is($session->query($count_keys)->{C}, 'TK010', 'it is revoked, there as well');
	refuses('web', login_sql($_), 'TK010', 'for all logins, with what it made') foreach $token, $more;
	refuses('runner', run_sql($ticket), 'TK016', 'and its tickets');
	gives('web', login_sql($lasting), $account, 'a service account stays');
	as('alice', "delete_service_account('$PROJECT', '$account')");
	refuses('web', login_sql($lasting), 'TK010', 'until it is deleted');
	gives('service', act_sql('friend') . $count_keys, '2', 'a member stays');
	as('alice', "remove_member('$PROJECT', 'friend')");
	gives('service', act_sql('friend') . $count_keys, '0', 'until that one is removed');

	as('alice', "add_member('$PROJECT', 'leaver')");
	my $last = token_of('leaver');
	gives('web', login_sql($last), 'leaver', 'before its user ends');
	$node->safe_psql('postgres', "SELECT tarx_keys.end_user('leaver')");
	refuses('web', login_sql($last), 'TK010', 'and afterwards');
};

$case{'JWT'} = sub {
	my $strict = new_login('tarx_keys_login', 'tarx_keys.require_login = on');
	my @jwt = (iat => time() - 10, sub => 'visitor');
	my $jwt = token($pair, claims(@jwt));
	my $issue = "SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent')";

	as('alice', "add_member('$PROJECT', 'visitor', 'admin')");
	gives($strict, login_jwt_sql($jwt) . $count_keys, '2', 'what its user may, under require_login as well');
	gives('web', login_jwt_sql($jwt) . "SELECT tarx_keys.rename_agent('$PROJECT', '$agent', 'Helper')", '', 'changes');
	refuses('nobody', login_jwt_sql($jwt), '42501', 'nothing without a login of a service');
	refuses('service', login_jwt_sql($jwt) . act_sql('alice'), '42501', 'no other user');
	refuses_values('web', '42501', login_jwt_sql($jwt));
	refuses('web', login_jwt_sql(token($pair, claims(@jwt, aud => 'another application'))), 'TK010', 'nothing with one for another application');
	refuses('runner', login_jwt_sql($jwt), '42501', 'nothing for runners');

	my $brief = token($pair, claims(@jwt, exp => time() + 3));
	my ($made, $ticket) = (
		ask_ok($node, 'web', login_jwt_sql($brief) . q{SELECT token FROM tarx_keys.create_platform_key('lasting')}),
		ask_ok($node, 'web', login_jwt_sql($brief) . $issue));
	refuses_soon('web', login_jwt_sql($brief), 'TK010', 'it expires');
	refuses('web', login_jwt_sql(token($pair, claims(@jwt, exp => time() + 2))) . "SELECT pg_sleep(2.1); $issue", 'TK010', 'in an open transaction as well');
	gives('web', login_sql($made), 'visitor', 'a platform key that was made stays');
	gives('runner', run_sql($ticket), $value, 'and a ticket');
	ask_ok($node, 'runner', "SELECT tarx_keys.renew_run_ticket('$ticket')");

	$node->safe_psql('postgres', "SELECT tarx_keys.end_user('visitor')");
	refuses('web', login_jwt_sql($jwt), 'TK010', 'its user ends');
	refuses('web', login_sql($made), 'TK010', 'with the key');
	refuses('runner', run_sql($ticket), 'TK016', 'and the ticket');
};

$case{'table writes'} = sub {
	my $thief = 'writer';
	my $again = 'SELECT * FROM json_populate_record(NULL::tarx_keys.project_members, ';
	my $epoch = $node->safe_psql('postgres', "SELECT run_epoch FROM tarx_keys.projects WHERE id = '$PROJECT'");
	my $broken = as('alice', "add_llm_key('$PROJECT', 'openai', 'Broken', '$other_value')");
	my $mint = ask_ok($node, 'service', act_sql('bob') . q{SELECT token FROM tarx_keys.create_platform_key('mint')});
	my $ticket = ticket_of('bob');

	$node->safe_psql('postgres', "CREATE ROLE $thief LOGIN BYPASSRLS IN ROLE pg_read_all_data, pg_write_all_data");

	# an older row, which works until somebody looks
	as('alice', "add_member('$PROJECT', 'former')");
	my $row = $node->safe_psql('postgres', q{SELECT to_json(m) FROM tarx_keys.project_members m WHERE user_id = 'former'});
	as('alice', "remove_member('$PROJECT', 'former')");
	gives($thief, "INSERT INTO tarx_keys.project_members $again '$row')", '', 'puts an older row back');
	gives('service', act_sql('former') . "SELECT count(tarx_keys.create_agent('$PROJECT', 'x'))", '1', 'which works');
	is($node->safe_psql('postgres', q{SELECT kind, name FROM tarx_keys.verify_keys() WHERE status = 'older'}), 'member|former', 'until verify_keys() finds it');
	is($node->safe_psql('postgres', 'SELECT tarx_keys.delete_older_rows()'), '1', 'and delete_older_rows() ends it');
	refuses('service', act_sql('former') . "SELECT tarx_keys.create_agent('$PROJECT', 'y')", '42501', 'then it works no more');

	# a project's epoch, and the time of a user's end
	as('alice', "revoke_run_tickets('$PROJECT')");
	refuses('runner', run_sql($ticket), 'TK016', 'tickets are revoked');
	gives($thief, "UPDATE tarx_keys.projects SET run_epoch = '$epoch' WHERE id = '$PROJECT'", '', 'puts the epoch back');
	gives('runner', run_sql($ticket), $value, 'so that they are good again');
	as('alice', "revoke_run_tickets('$PROJECT')");
	refuses('runner', run_sql($ticket), 'TK016', 'until they are revoked again');
	my $jwt = token($pair, claims(sub => 'ended', iat => time() - 10));
	$node->safe_psql('postgres', "SELECT tarx_keys.end_user('ended')");
	gives($thief, q{DELETE FROM tarx_keys_internal.ended_users WHERE user_id = 'ended'}, '', 'forgets the end of a user');
	gives('web', login_jwt_sql($jwt), 'ended', "so that the user's token logs in");
	gives('web', login_jwt_sql($jwt) . $count_keys, '0', 'as one who is no member');

	# rows of one's own make
	gives($thief, qq{INSERT INTO tarx_keys.project_members SELECT r.* FROM tarx_keys.project_members m,
		json_populate_record(m, '{"user_id": "mallory"}') r WHERE m.project_id = '$PROJECT' AND m.user_id = 'alice'}, '', 'adds a row for a member');
	gives('service', act_sql('mallory') . q{SELECT string_agg(name, ' ' ORDER BY name) FROM tarx_keys.llm_keys}, 'Broken Other Production', 'who sees lists');
	refuses('service', act_sql('mallory') . $add_member, 'TK004', 'but is no member');
	gives($thief, q{UPDATE tarx_keys.project_members SET role = 'admin' WHERE user_id = 'bob'}, '', 'makes one an admin');
	refuses('service', act_sql('bob') . $add_member, 'TK004', 'who is none');
	gives($thief, "UPDATE tarx_keys.agents SET user_api_key_id = '$other_key' WHERE id = '$agent'", '', 'points an agent to another key');
	refuses('runner', agent_sql(), 'TK004', 'which it does not resolve');
	gives($thief, "UPDATE tarx_keys.project_llm_keys SET base_url = 'https://thief.example' WHERE id = '$broken'", '', 'sends a key elsewhere');
	refuses('runner', resolve_sql($broken), 'TK004', 'where it does not go');
	gives($thief, q{UPDATE tarx_keys.platform_api_keys SET user_id = 'alice' WHERE name = 'mint'}, '', "makes one's platform key another's");
	refuses('web', login_sql($mint), 'TK010', 'which it is not');
	gives($thief, "DELETE FROM tarx_keys.project_llm_keys WHERE id = '$broken'", '', 'deletes a key');
	refuses('runner', resolve_sql($broken), 'TK001', 'which is gone');
	gives($thief, "UPDATE tarx_keys.audit_log SET user_id = 'mallory' WHERE project_id = '$PROJECT' AND seq = 1", '', 'changes the audit log');
	refuses_values($thief, '42501');
	refuses($thief, act_sql('alice'), '42501', 'no user');

	$node->safe_psql('postgres', "REVOKE pg_read_all_data, pg_write_all_data FROM $thief");
	refuses($thief, 'DELETE FROM tarx_keys.project_llm_keys', '42501', 'the right is taken away');
	is($node->safe_psql('postgres', q{SELECT string_agg(DISTINCT kind, ' ' ORDER BY kind) FROM tarx_keys.verify_keys() WHERE status = 'tampered'}),
		'agent member platform_key', 'verify_keys() finds what is false');
	is($node->safe_psql('postgres', "SELECT ok, broken_at FROM tarx_keys.verify_audit('$PROJECT')"), 'f|1', 'and verify_audit()');

	# put right, for the other cases
	$node->safe_psql('postgres', qq{
		DELETE FROM tarx_keys.project_members WHERE user_id = 'mallory';
		UPDATE tarx_keys.project_members SET role = 'member' WHERE user_id = 'bob';
		UPDATE tarx_keys.agents SET user_api_key_id = '$key' WHERE id = '$agent';
		UPDATE tarx_keys.audit_log SET user_id = 'alice' WHERE project_id = '$PROJECT' AND seq = 1;
		DELETE FROM tarx_keys.platform_api_keys WHERE name = 'mint'});
	is($node->safe_psql('postgres', q{SELECT * FROM tarx_keys.verify_keys() WHERE status <> 'ok'}), '', 'all is right again');
};

# All rows as they are, in a file
sub dump_rows
{
	my $file = "$dir/dump.sql";

	command_ok([ 'pg_dump', '-f', $file, $node->connstr('postgres') ], 'a dump');
	return $file;
}

# A dump in another database, which must take it
sub restore
{
	my ($file, $cluster, $db) = @_;

	command_ok([ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-o', '/dev/null', '-f', $file, $cluster->connstr($db) ], 'restored elsewhere');
	return;
}

$case{'dump'} = sub {
	my $away = PostgreSQL::Test::Cluster->new('away');
	my $token = token_of('alice');
	my $ticket = ticket_of('bob');
	my $dumped = add_key($node, 'Dumped', "$value-dumped");
	my $dump = dump_rows();
	my $text = slurp_file($dump);

	like($text, qr/\tProduction\t/, 'names');
	like($text, qr/\tProduction\t.*\S6789\t/, 'masks');
	like($text, qr/\talice\t/, 'who the users are');
	unlike($text, qr/\Q$_\E/, 'no value, token, ticket or master key')
	  foreach $value, $other_value, 'value of TOKEN', $token, $ticket, hex_key('a');

	$away->init(extra => [ '--encoding=UTF8', '--locale=C' ]);
	$away->append_conf('postgresql.conf', "shared_preload_libraries = 'tarx_keys'\ninclude = 'keyring.conf'\n");
	set_keyring($away);
	$away->start;
	$away->safe_psql('postgres', $node->safe_psql('postgres', q{
		SELECT format('CREATE ROLE %I %s;', rolname, CASE WHEN rolcanlogin THEN 'LOGIN' END) FROM pg_roles
		 WHERE NOT rolsuper AND rolname NOT LIKE 'pg\_%'}));
	restore($dump, $away, 'postgres');
	$away->safe_psql('postgres', 'GRANT tarx_keys_login TO web; GRANT tarx_keys_agent TO runner; GRANT tarx_keys_backend TO service');

	state_is($away, 'runner', resolve_sql($key), 'TK005', 'without a keyring no value');
	state_is($away, 'web', login_sql($token), 'TK005', 'and no login');
	set_keyring($away, master_key_file => write_private("$dir/others", hex_key('b')));
	$away->restart;
	state_is($away, 'runner', resolve_sql($key), 'TK006', 'nor with another one');
	state_is($away, 'web', login_sql($token), 'TK010', 'nor a login');
	set_keyring($away, master_key_file => $keys);
	$away->restart;
	is(ask_ok($away, 'runner', resolve_sql($key)), $value, 'with the same one, all');
	is(ask_ok($away, 'web', login_sql($token)), 'alice', 'a platform key logs in there');
	state_is($away, 'runner', run_sql($ticket), 'TK016', 'but a ticket is of one server');

	# nothing ends it there
	my $new = as('alice', "replace_llm_key('$PROJECT', '$dumped', '$value-new')");
	gives('runner', resolve_sql($new), "$value-new", 'a key is replaced here');
	as('alice', "delete_llm_key('$PROJECT', '$dumped')");
	refuses('runner', resolve_sql($dumped), 'TK002', 'and deleted');
	is(ask_ok($away, 'runner', resolve_sql($dumped)), "$value-dumped", 'the dump has the old value for good');
	as('alice', "delete_llm_key('$PROJECT', '$new')");
	ask_ok($node, 'service', act_sql('alice') . 'SELECT tarx_keys.revoke_platform_key(id) FROM tarx_keys.platform_keys WHERE revoked_at IS NULL');
	refuses('web', login_sql($token), 'TK010', 'a platform key is revoked here');
	$away->stop;
};

$case{"another database's login"} = sub {
	my $runner = new_login('tarx_keys_agent');
	my $backend = new_login('tarx_keys_backend');
	my $token = token_of('alice');
	my $ticket = ticket_of('bob');

	$node->safe_psql('postgres', 'CREATE DATABASE staging');
	restore(dump_rows(), $node, 'staging');

	gives($runner, resolve_sql($key), $value, 'of one realm: values of rows from here', 'staging');
	gives($backend, act_sql('alice') . "SELECT tarx_keys.rename_project('$PROJECT', 'There')", '', 'as any user there', 'staging');
	my $there = ask_ok($node, $backend, act_sql('bob') . "SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent')", 'staging');
	gives($runner, run_sql($there), $value, 'a ticket there', 'staging');
	gives('runner', run_sql($ticket), $value, 'as one here');
	refuses('runner', run_sql($there), 'TK016', 'which is none here');
	refuses($runner, run_sql($ticket), 'TK016', 'nor is one of here there', 'staging');
	gives($backend, act_sql('alice') . 'SELECT count(*) > 0 FROM tarx_keys.projects', 't', 'here the same, as long as it may connect');

	$node->safe_psql('postgres', q{ALTER DATABASE staging SET tarx_keys.realm = 'staging'});
	refuses($runner, resolve_sql($key), 'TK004', 'of another realm: no value', 'staging');
	refuses($runner, agent_sql(), 'TK004', 'by no agent', 'staging');
	refuses($runner, "SELECT tarx_keys.resolve_secrets('$PROJECT')", 'TK004', 'no secret', 'staging');
	refuses($backend, act_sql('alice') . "SELECT tarx_keys.rename_project('$PROJECT', 'x')", 'TK004', 'no member', 'staging');
	refuses($backend, login_sql($token), 'TK010', 'no platform key', 'staging');

	$node->safe_psql('postgres', 'REVOKE CONNECT ON DATABASE postgres FROM PUBLIC; GRANT CONNECT ON DATABASE postgres TO service, web, runner');
	foreach my $login ($runner, $backend)
	{
		my ($status, undef, $err) = ask($node, $login, 'SELECT 1');
		ok($status != 0 && $err =~ /permission denied for database "postgres"/, 'it may not connect here') or diag($err);
	}
	gives('service', act_sql('alice') . 'SELECT count(*) > 0 FROM tarx_keys.projects', 't', 'as the logins of here may');
};

# Each line of the table has its case, and is played.

my @lines = first_cells(slurp_file("$FindBin::RealBin/../../docs/security.md"), 'What a stolen thing gives', 'Stolen');
is(differences([ sort keys %case ], \@lines), '', 'the table has these lines and no others (lost: it lacks; new: no case)');
foreach my $line (grep { $case{$_} } @lines)
{
	subtest $line => $case{$line};
}

$node->stop;
done_testing();
