# Plants markers through statements that carry a value, in every form that a
# statement has, that succeed or fail; and searches every place where
# PostgreSQL, or a library that records statements, could have kept one.
#
# Each form has a marker of its own, so that what is found tells where it came
# from. A place is a channel: a name and a text. What is captured while the
# forms run is one too.

package LeakScan;

use strict;
use warnings FATAL => 'all';

use Digest::SHA qw(sha256_base64 sha256_hex);
use Exporter 'import';
use File::Find;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SealedBoxes;
use TarxKeys;
use Tokens;

our @EXPORT = qw(
  @LIBRARIES
  leak_node
  plant
  plant_wrapped
  plant_control
  channels
  log_forms
  found_in
  not_found_in
  sealed_among
);

# The libraries that record statements, as far as they are installed. pgaudit is
# a package of its own, which comes later than a new major.
our @LIBRARIES = grep { library_exists($_) } qw(pg_stat_statements auto_explain pgaudit);

# marker => the form that carries it
my %form_of;

# the forms that carry it in a box, which must not be found even where nothing
# is redacted
my %is_sealed;

# what sessions saw, by channel
my %captured;

my $counter = 0;

sub library_exists
{
	my ($name) = @_;
	my $dir = `pg_config --pkglibdir`;

	chomp $dir;
	return -e "$dir/$name.so";
}

# What signs tokens: one key for all nodes, because a marker is found in any
my $signing_key;
sub signing_key
{
	return $signing_key ||= key_pair('Ed25519');
}

# A cluster with these libraries in this order that records all it can
sub leak_node
{
	my ($name, $libraries, $redact, $conf) = @_;
	my $issuers = write_issuers(PostgreSQL::Test::Utils::tempdir . '/issuers.json', [ issuer([ jwk(signing_key()) ]) ]);
	my $node = new_node(
		$name,
		init => { allows_streaming => 'logical' },
		keyring => { master_key => hex_key('leak scan') },
		conf => qq{
shared_preload_libraries = '@{[join ', ', @$libraries]}'
tarx_keys.redact_logs = $redact
tarx_keys.jwt_issuers_file = '$issuers'
tarx_keys.log_resolves = all
restart_after_crash = on
logging_collector = on
log_destination = 'stderr,csvlog,jsonlog'
log_directory = 'log'
log_filename = 'server.log'
log_rotation_age = 0
log_rotation_size = 0
log_statement = all
log_duration = on
log_min_duration_statement = 0
log_min_messages = debug2
log_min_error_statement = debug5
log_error_verbosity = verbose
log_parameter_max_length = -1
log_parameter_max_length_on_error = -1
log_lock_waits = on
log_temp_files = 0
deadlock_timeout = 200ms
debug_print_parse = on
debug_print_rewritten = on
debug_print_plan = on
track_activity_query_size = 64kB
pg_stat_statements.track = all
pg_stat_statements.track_utility = on
pg_stat_statements.track_planning = on
auto_explain.log_min_duration = 0
auto_explain.log_analyze = on
auto_explain.log_verbose = on
auto_explain.log_buffers = on
auto_explain.log_triggers = on
auto_explain.log_settings = on
auto_explain.log_nested_statements = on
pgaudit.log = 'all'
pgaudit.log_parameter = on
pgaudit.log_relation = on
pgaudit.log_catalog = on
} . ($conf || ''));
	$node->append_conf('postgresql.conf', "auto_explain.log_parameter_max_length = -1\n")
	  if $node->pg_version >= 16;
	%form_of = ();
	%is_sealed = ();
	%captured = ();
	$counter = 0;
	$node->start;
	install($node);
	$node->safe_psql(
		'postgres', qq{
		CREATE EXTENSION pg_stat_statements;
		ALTER ROLE service SET deadlock_timeout = '60s';
		CREATE ROLE other LOGIN IN ROLE tarx_keys_backend;
		CREATE ROLE fool LOGIN;
		GRANT SELECT ON pg_backend_memory_contexts TO service;
		GRANT EXECUTE ON FUNCTION pg_get_backend_memory_contexts TO service;
		SELECT pg_create_logical_replication_slot('leaks', 'test_decoding');});
	return $node;
}

# A marker for a form; lower case and digits, so that it is a name as well.
sub marker
{
	my ($form) = @_;
	my $marker = 'mk' . substr(sha256_hex("leak scan $form"), 0, 22);

	die "two forms named $form" if grep { $_ eq $form } values %form_of;
	$form_of{$marker} = $form;
	return $marker;
}

# The same for a form that carries it in a box
sub sealed_marker
{
	my ($form) = @_;

	$is_sealed{$form} = 1;
	return marker($form);
}

# A call of add_llm_key() with a marker in its value, and perhaps options
sub add
{
	my ($marker, $options) = @_;

	$counter++;
	return "tarx_keys.add_llm_key('$PROJECT', 'openai', 'key $counter', 'sk-proj-abc${marker}wxyz'"
	  . ($options ? ", NULL, '$options')" : ')');
}

# A header with a marker in its value, as an option of a key
sub header
{
	my ($marker) = @_;
	return qq("headers": {"x-gateway-key": "$marker"});
}

sub act
{
	return q{SELECT tarx_keys.act_as('alice');};
}

# A value of 8 kB around a marker, which does not get shorter by compression
sub long_value
{
	my ($marker) = @_;
	my $noise = join '', map { sha256_base64("noise $_") } 1 .. 95;

	return "$noise$marker$noise";
}

# Run SQL as a login, each statement in a message of its own; goes on after an
# error. Returns what psql said.
sub run
{
	my ($node, $login, $sql) = @_;
	my ($out, $err) = ('', '');
	local $ENV{PGCLIENTENCODING} = 'UTF8';

	IPC::Run::run([ 'psql', '-XAtq', '-U', $login, '-d', $node->connstr('postgres') ],
		'<', \$sql, '>', \$out, '2>', \$err);
	return ($out, $err);
}

# A form that succeeds
sub succeeds
{
	my ($node, $login, $form, $sql) = @_;
	my ($out, $err) = run($node, $login, $sql);
	my @errors = grep { !/^WARNING|^NOTICE/ } split /\n/, $err;

	is("@errors", '', "$form succeeds");
	return $out;
}

# A form that fails; the client gets the error, whatever is in it.
sub fails
{
	my ($node, $login, $form, $sql, $error) = @_;
	my ($out, $err) = run($node, $login, $sql);

	like($err, $error, "$form fails, and the client sees why");
	return;
}

# The same by the extended protocol: pgbench binds its variables. Returns what it said.
sub drive
{
	my ($node, $login, $form, $mode, $script, $error, %variables) = @_;
	my $file = write_private(PostgreSQL::Test::Utils::tempdir . '/script.sql', $script);
	my ($out, $err);

	IPC::Run::run(
		[
			'pgbench', '--no-vacuum', '-M', $mode, '-t', '1',
			(map { ('-D', "$_=$variables{$_}") } sort keys %variables),
			'-f', $file, '-h', $node->host, '-p', $node->port, '-U', $login, 'postgres'
		],
		'>', \$out, '2>', \$err);
	if (defined $error)
	{
		like($err, $error, "$form by $mode fails, and the client sees why");
	}
	else
	{
		unlike($err, qr/ERROR/, "$form by $mode succeeds");
	}
	return $err;
}

# A session that stays; say() sends it a statement and does not wait.
sub session
{
	my ($node, $login) = @_;
	my $session = { in => '', out => '', err => '' };

	$session->{run} = IPC::Run::start(
		[ 'psql', '-XAtq', '-U', $login, '-d', $node->connstr('postgres') ],
		'<', \$session->{in}, '>', \$session->{out}, '2>', \$session->{err},
		IPC::Run::timer($PostgreSQL::Test::Utils::timeout_default));
	return $session;
}

sub say
{
	my ($session, $sql) = @_;

	$session->{in} .= "$sql\n";
	$session->{run}->pump_nb while length $session->{in};
	return;
}

sub finish
{
	my ($session) = @_;

	say($session, '\q');
	$session->{run}->finish;
	return;
}

# Wait until a login's session is in this state; returns its process id.
sub wait_for
{
	my ($node, $login, $condition) = @_;
	my $query = "FROM pg_stat_activity WHERE usename = '$login' AND $condition";

	$node->poll_query_until('postgres', "SELECT count(*) = 1 $query")
	  or die "$login never got to $condition";
	return $node->safe_psql('postgres', "SELECT pid $query");
}

sub capture
{
	my ($channel, $text) = @_;
	$captured{$channel} = ($captured{$channel} || '') . "$text\n";
	return;
}

sub capture_activity
{
	my ($node) = @_;
	capture('pg_stat_activity',
		$node->safe_psql('postgres', 'SELECT a::text FROM pg_stat_activity a'));
	return;
}

# What a session can see of its own statements
my $own_state = q{
SELECT 'OWN prepared', p::text FROM pg_prepared_statements p;
SELECT 'OWN cursors', c::text FROM pg_cursors c;
SELECT 'OWN contexts', m::text FROM pg_backend_memory_contexts m;
};

sub capture_own_state
{
	my ($out) = @_;
	my %channel = (
		prepared => 'pg_prepared_statements',
		cursors => 'pg_cursors',
		contexts => 'pg_backend_memory_contexts');

	foreach my $line (split /\n/, $out)
	{
		capture($channel{$1}, $line) if $line =~ /^OWN (\w+)\|/;
	}
	return;
}

# The calls that return a key: name, what has it, and what it is found by
my @calls_for_keys = (
	[ 'resolve_key', 'key_value', 'key' ],
	[ 'resolve_keys', 'key_value', 'keys' ],
	[ 'resolve_agent_key', 'key_value', 'agent' ],
	[ 'resolve_provider_key', 'key_value', 'provider' ],
	[ 'models_request', 'headers::text', 'key' ],
	[ 'probe_request', 'headers::text', 'key' ],
	[ 'chat_request_base', 'headers::text', 'key' ]);

# Add a key for a form, with a header, and an agent that has it. It is tried before
# those that are there. Returns its marker, that of its header, and what it is found by.
sub stored_key
{
	my ($node, $form) = @_;
	my $marker = marker($form);
	my $header = marker("header of $form");
	my $act = act();
	my $key = succeeds($node, 'service', "add_llm_key for $form",
		"BEGIN; $act SELECT " . add($marker, qq({"priority": -$counter, ) . header($header) . '}') . '; COMMIT;');
	($key) = $key =~ /([0-9a-f-]{36})/;
	my $agent = succeeds($node, 'service', "create_agent for $form",
		"BEGIN; $act SELECT tarx_keys.create_agent('$PROJECT', 'Agent', '$key'); COMMIT;");
	($agent) = $agent =~ /([0-9a-f-]{36})/;
	return ($marker, $header, key => $key, keys => "{$key}", agent => $agent, provider => 'openai');
}

# Set a secret for a form; returns its marker.
sub stored_secret
{
	my ($node, $form, $name) = @_;
	my $marker = marker($form);

	succeeds($node, 'service', "set_secret for $form",
		'BEGIN; ' . act() . " SELECT tarx_keys.set_secret('$PROJECT', '$name', '$marker'); COMMIT;");
	return $marker;
}

# Forms: calls in plain statements

sub plant_plain
{
	my ($node) = @_;
	my $act = act();
	my $value;

	foreach my $form ('add_llm_key', 'several statements in a message')
	{
		my $message = 'BEGIN; ' . act() . ' SELECT ' . add(marker($form)) . '; COMMIT;';

		$message =~ s/;(?=.)/\\;/g if $form ne 'add_llm_key';
		succeeds($node, 'service', $form, $message);
	}
	$value = marker('set_secret');
	succeeds($node, 'service', 'set_secret',
		"BEGIN; $act SELECT tarx_keys.set_secret('$PROJECT', 'PLAIN', '$value'); COMMIT;");
	my $template = marker('render_template');
	is( succeeds(
			$node, 'runner', 'render_template',
			"SELECT tarx_keys.render_template('$PROJECT', '$template \${secrets.PLAIN}');"),
		"$template $value\n",
		'render_template renders');

	# whose row goes to TOAST
	$value = long_value(marker('set_secret of 8 kB'));
	succeeds($node, 'service', 'set_secret of 8 kB',
		"BEGIN; $act SELECT tarx_keys.set_secret('$PROJECT', 'LONG', '$value'); COMMIT;");
	is(succeeds($node, 'runner', 'resolve_secret of 8 kB',
			"SELECT tarx_keys.resolve_secret('$PROJECT', 'LONG');"),
		"$value\n", 'resolve_secret returns it');

	# results that end in an error's message
	$value = stored_secret($node, 'resolve_secret', 'RESOLVED');
	foreach my $call (
		"tarx_keys.resolve_secret('$PROJECT', 'RESOLVED')",
		"(SELECT value FROM tarx_keys.resolve_secrets('$PROJECT', ARRAY['RESOLVED']))",
		"tarx_keys.render_template('$PROJECT', '\${secrets.RESOLVED}')")
	{
		fails($node, 'runner', "a cast of $call", "SELECT $call\::int;",
			qr/ERROR: .*integer: "\Q$value\E"/);
	}
	foreach my $call (@calls_for_keys)
	{
		my ($name, $column, $by) = @$call;
		my ($key, $header, %id) = stored_key($node, $name);

		fails($node, 'runner', "a cast of what $name returns",
			"SELECT $column\::int FROM tarx_keys.$name('$PROJECT', '$id{$by}');",
			qr/ERROR: .*integer: ".*\Q$key\E/);
		fails($node, 'runner', "a cast of the headers of $name",
			"SELECT headers::text::int FROM tarx_keys.$name('$PROJECT', '$id{$by}');",
			qr/ERROR: .*integer: ".*\Q$header\E/);
	}
	plant_changes($node);
	plant_tickets($node);

	# a token is a marker itself
	my $token = succeeds($node, 'service', 'create_platform_key',
		"BEGIN; $act SELECT token FROM tarx_keys.create_platform_key('laptop'); COMMIT;");
	($token) = $token =~ /(sk-tarx-\w+)/;
	$form_of{$token} = 'create_platform_key and login';
	like(
		succeeds($node, 'service', 'login', "BEGIN; SELECT user_id FROM tarx_keys.login('$token'); COMMIT;"),
		qr/alice/,
		'login logs in');
	my $account = "tarx_keys.create_service_account_key('$PROJECT', tarx_keys.create_service_account('$PROJECT', 'programs'), 'key')";
	my ($program) = succeeds($node, 'service', 'create_service_account_key', "BEGIN; $act SELECT token FROM $account; COMMIT;") =~ /(sk-tarx-\w+)/;
	$form_of{$program} = 'create_service_account_key';
	like(succeeds($node, 'service', 'login', "BEGIN; SELECT user_id FROM tarx_keys.login('$program'); COMMIT;"),
		qr/sa:/, 'a service account logs in');
	fails($node, 'fool', 'login without the right', "SELECT tarx_keys.login('$token');",
		qr/permission denied/);
	fails($node, 'fool', 'login without a schema', "SELECT login ('$token');",
		qr/function login\(unknown\) does not exist/);
	fails($node, 'service', 'a wrong login',
		"SELECT tarx_keys.login('sk-tarx-" . marker('wrong login') . "');", qr/login failed/);
	plant_jwts($node);
	return;
}

# Forms: tokens of an issuer. The signature of each is its marker.

sub jwt
{
	my ($form, %claims) = @_;
	my $token = token(signing_key(), claims(jti => $form, %claims));

	$form_of{ substr($token, -30) } = $form;
	return $token;
}

sub plant_jwts
{
	my ($node) = @_;
	my %wrong = map { $_ => jwt("login_jwt, $_", sub => "$_ 1") } ('without the right', 'misspelt', 'elsewhere', 'as a user');

	like(succeeds($node, 'service', 'login_jwt', "BEGIN; SELECT user_id FROM tarx_keys.login_jwt('@{[jwt('login_jwt')]}'); COMMIT;"),
		qr/alice/, 'login_jwt logs in');
	fails($node, 'service', 'an expired token', "SELECT tarx_keys.login_jwt('@{[jwt('expired token', exp => 1, iat => 0)]}');",
		qr/login failed/);
	fails($node, 'service', 'a token that is cut short',
		'SELECT tarx_keys.login_jwt(\'' . marker('cut token') . "');", qr/login failed/);
	fails($node, 'fool', 'login_jwt without the right', "SELECT tarx_keys.login_jwt('$wrong{'without the right'}');",
		qr/permission denied/);
	fails($node, 'service', 'login_jwt misspelt', "SELECT log_in('$wrong{misspelt}');", qr/does not exist/);
	succeeds($node, 'service', 'a token in another statement', "SELECT length('$wrong{elsewhere}');");
	fails($node, 'service', 'a token as a user', "SELECT tarx_keys.act_as('$wrong{'as a user'}');", qr/user_id/);
	return;
}

# Forms: run tickets, which are markers themselves, whole and their second half

sub ticket_markers
{
	my ($ticket, $form) = @_;
	my $half = substr($ticket, length($ticket) / 2);

	die "two forms named $form" if grep { $_ eq $form } values %form_of;
	die "no ticket: $form" unless $ticket =~ /^tarx-run-[\w-]{100,}$/;
	$form_of{$ticket} = $form;
	$form_of{$half} = "$form, its second half";
	return;
}

# A ticket for an agent, or with other arguments
sub stored_ticket
{
	my ($node, $form, $args) = @_;
	my $ticket = succeeds($node, 'service', "issue_run_ticket for $form",
		'BEGIN; ' . act() . " SELECT tarx_keys.issue_run_ticket('$PROJECT', $args); COMMIT;");

	($ticket) = $ticket =~ /(tarx-run-\S+)/;
	ticket_markers($ticket, $form);
	return $ticket;
}

sub plant_tickets
{
	my ($node) = @_;
	my $act = act();
	my ($key, $header, %id) = stored_key($node, 'a run');
	my $ticket = stored_ticket($node, 'run ticket', "'$id{agent}'");
	my $run = "tarx_keys.enter_run('$ticket') r";

	like(succeeds($node, 'runner', 'enter_run',
			"SELECT k.key_value FROM $run, tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k;"),
		qr/$key/, 'enter_run enters');
	succeeds($node, 'runner', 'enter_run in DO', "DO \$\$ BEGIN PERFORM * FROM $run; END \$\$;");
	my $renewed = succeeds($node, 'runner', 'renew_run_ticket', "SELECT tarx_keys.renew_run_ticket('$ticket');");
	$renewed =~ s/\s//g;
	ticket_markers($renewed, 'renewed run ticket');
	succeeds($node, 'runner', 'enter_run by a renewed ticket', "SELECT * FROM tarx_keys.enter_run('$renewed');");
	# results that end in an error's message
	foreach my $case (
		[ 'service', 'issue_run_ticket', "'$PROJECT', '$id{agent}'" ],
		[ 'runner', 'renew_run_ticket', "'$ticket'" ])
	{
		my ($login, $name, $args) = @$case;
		my ($out, $err) = run($node, $login, ($login eq 'service' ? "BEGIN; $act" : 'BEGIN;') . " SELECT tarx_keys.$name($args)::int; ROLLBACK;");

		like($err, qr/ERROR: .*integer: "tarx-run-/, "a cast of what $name returns fails, and the client sees why");
		ticket_markers($err =~ /"(tarx-run-[\w-]+)"/, "a cast of what $name returns");
	}
	fails($node, 'runner', 'a run of another agent',
		"SELECT * FROM $run, tarx_keys.resolve_agent_key(r.project_id, '$PROJECT') k;", qr/for another agent/);
	fails($node, 'runner', 'a second run', "BEGIN; SELECT * FROM $run; SELECT * FROM $run; ROLLBACK;", qr/has entered a run/);
	fails($node, 'runner', 'a wrong lifetime', "SELECT tarx_keys.renew_run_ticket('$ticket', 'long');", qr/type interval/);
	fails($node, 'fool', 'enter_run without the right', "SELECT * FROM $run;", qr/permission denied/);
	fails($node, 'runner', 'enter_run without a schema', "SELECT enter_run('$ticket');", qr/does not exist/);
	fails($node, 'runner', 'a ticket in double quotes', qq{SELECT tarx_keys.enter_run("$ticket");}, qr/column "tarx-run-.* does not exist/);
	fails($node, 'runner', 'a wrong ticket', "SELECT tarx_keys.enter_run('tarx-run-" . marker('wrong ticket') . "');", qr/run ticket is required/);
	my $over = stored_ticket($node, 'run ticket that is revoked', "'$id{agent}'");
	succeeds($node, 'service', 'revoke_run_tickets', "BEGIN; $act SELECT tarx_keys.revoke_run_tickets('$PROJECT', '$id{agent}'); COMMIT;");
	fails($node, 'runner', 'a run that was revoked', "SELECT tarx_keys.enter_run('$over');", qr/run ticket is required/);

	# where nothing else tells that it is one
	my $stray = stored_ticket($node, 'run ticket by mistake', "'$id{agent}'");
	fails($node, 'service', 'a ticket in place of an id', "SELECT '$stray'::uuid;", qr/type uuid: "tarx-run-/);
	fails($node, 'service', 'a ticket as a table', qq{SELECT * FROM "$stray";}, qr/does not exist/);
	fails($node, 'service', 'a ticket as a user', "BEGIN; SELECT tarx_keys.act_as('$stray'); ROLLBACK;", qr/user_id/);
	fails($node, 'service', 'a ticket as a name',
		"BEGIN; $act SELECT tarx_keys.create_agent('$PROJECT', 'run of ' || '$stray'); ROLLBACK;", qr/name is too long/);
	return;
}

# The same by the extended protocol
sub plant_bound_tickets
{
	my ($node, $mode) = @_;
	my ($key, $header, %id) = stored_key($node, "a run by $mode");
	my $ticket = stored_ticket($node, "run ticket by $mode", "'$id{agent}'");
	my %variables = (project => $PROJECT, agent => $id{agent}, ticket => $ticket);

	# a ticket is too long for \shell, so its result is that of an error
	foreach my $case (
		[ 'service', 'issue_run_ticket', ':project, :agent', "BEGIN;\nSELECT tarx_keys.act_as('alice');\n" ],
		[ 'runner', 'renew_run_ticket', ':ticket', '' ])
	{
		my ($login, $name, $args, $before) = @$case;

		drive($node, $login, $name, $mode, "${before}SELECT tarx_keys.$name($args);\n", undef, %variables);
		my $err = drive($node, $login, "a cast of what $name returns", $mode, "${before}SELECT tarx_keys.$name($args)::int;\n",
			qr/integer: "tarx-run-/, %variables);
		ticket_markers($err =~ /"(tarx-run-[\w-]+)"/, "a cast of what $name returns by $mode");
	}
	drive($node, 'runner', 'enter_run', $mode,
		"SELECT k.key_value FROM tarx_keys.enter_run(:ticket) r, tarx_keys.resolve_agent_key(r.project_id, r.agent_id) k;\n",
		undef, ticket => $ticket);
	drive($node, 'runner', 'a run of another agent', $mode,
		"SELECT k.key_value FROM tarx_keys.enter_run(:ticket) r, tarx_keys.resolve_agent_key(r.project_id, :agent) k;\n",
		qr/for another agent/, ticket => $ticket, agent => $PROJECT);
	drive($node, 'runner', 'a ticket in place of an id', $mode,
		"SELECT * FROM tarx_keys.resolve_agent_key(:project, :ticket);\n", qr/type uuid: "tarx-run-/, project => $PROJECT, ticket => $ticket);
	drive($node, 'runner', 'a run that is cut off', $mode, "SELECT tarx_keys.enter_run(:ticket);\n",
		qr/run ticket is required/, ticket => substr($ticket, 0, -1));
	return;
}

# Forms: changes of a key, and values by mistake in calls about one

sub plant_changes
{
	my ($node) = @_;
	my $act = act();
	my ($marker, $header, %id) = stored_key($node, 'key to be changed');
	my ($value, $fresh) = (marker('replace_llm_key'), marker('header of replace_llm_key'));
	my %wrong = map { $_ => marker($_) } (
		'value in changes', 'header in changes', 'header that is refused', 'value in place of options',
		'value as an outcome', 'value as a provider', 'value that was tried');
	my $raised = sub {
		my ($form, $call, $error) = @_;
		fails($node, 'service', $form, "BEGIN; $act SELECT tarx_keys.$call; ROLLBACK;", $error);
	};
	my $key = "'$PROJECT', '$id{key}'";

	succeeds($node, 'service', 'replace_llm_key',
		"BEGIN; $act SELECT tarx_keys.replace_llm_key($key, 'sk-proj-abc${value}wxyz', '{" . header($fresh) . "}'); COMMIT;");
	succeeds($node, 'service', 'update_llm_key',
		"BEGIN; $act SELECT tarx_keys.update_llm_key($key, '{\"enabled\": true}'); COMMIT;");
	$raised->('value in changes', qq{update_llm_key($key, '{"key_value": "$wrong{'value in changes'}"}')}, qr/"key_value"/);
	$raised->('header in changes', "update_llm_key($key, '{" . header($wrong{'header in changes'}) . "}')", qr/"headers"/);
	$raised->('header that is refused',
		qq{replace_llm_key($key, 'x', '{"headers": {"Host": "$wrong{'header that is refused'}"}}')}, qr/"Host"/);
	$raised->('value in place of options', "replace_llm_key($key, 'x', '$wrong{'value in place of options'}')", qr/type json/);
	fails($node, 'runner', 'value as an outcome',
		"SELECT tarx_keys.report_key($key, '$wrong{'value as an outcome'}');", qr/unknown outcome/);
	fails($node, 'runner', 'value as a provider',
		"SELECT * FROM tarx_keys.resolve_provider_key('$PROJECT', '$wrong{'value as a provider'}');", qr/no usable LLM key/);
	fails($node, 'runner', 'value that was tried',
		"SELECT * FROM tarx_keys.resolve_provider_key('$PROJECT', 'openai', NULL, '{$wrong{'value that was tried'}}');", qr/type uuid/);
	return;
}

# Forms: failures

sub plant_failures
{
	my ($node) = @_;
	my $act = act();
	my %call = map { $_ => marker($_) } (
		'unknown provider', 'no admin', 'no acting user', 'no right', 'shifted arguments',
		'too many arguments', 'misspelt', 'syntax error', 'no closing quote', 'in double quotes',
		'division by zero', 'name taken', 'statement timeout', 'lock timeout', 'as an identifier',
		'in an array', 'bad name', 'secret name', 'malformed reference', 'failed row');

	my $raised = sub {
		my ($form, $sql, $error) = @_;
		fails($node, 'service', $form, "BEGIN; $act $sql; ROLLBACK;", $error);
	};
	$raised->('unknown provider',
		"SELECT tarx_keys.add_llm_key('$PROJECT', 'acme', 'x', '$call{'unknown provider'}')",
		qr/provider/);
	fails($node, 'service', 'no admin',
		"BEGIN; SELECT tarx_keys.act_as('bob'); SELECT " . add($call{'no admin'}) . '; ROLLBACK;',
		qr/must be key manager or admin/);
	fails($node, 'service', 'no acting user', 'SELECT ' . add($call{'no acting user'}) . ';',
		qr/no acting user/);
	fails($node, 'fool', 'no right', 'SELECT ' . add($call{'no right'}) . ';',
		qr/permission denied/);
	$raised->('shifted arguments',
		"SELECT tarx_keys.add_llm_key('$call{'shifted arguments'}', '$PROJECT', 'openai', 'x')",
		qr/invalid input syntax for type uuid: "$call{'shifted arguments'}"/);
	$raised->('too many arguments',
		"SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'x', 'y', 'z', '{}', '$call{'too many arguments'}')",
		qr/does not exist/);
	$raised->('misspelt',
		"SELECT tarx_keys.add_lmm_key('$PROJECT', 'openai', 'x', '$call{misspelt}')",
		qr/function tarx_keys.add_lmm_key.* does not exist/);
	$raised->('syntax error',
		"SELECT tarx_keys.set_secret('$PROJECT', 'X', '$call{'syntax error'}' '$call{'syntax error'}')",
		qr/syntax error at or near "'$call{'syntax error'}'"/);
	fails($node, 'service', 'no closing quote',
		"SELECT tarx_keys.set_secret('$PROJECT', 'X', E'\\q$call{'no closing quote'}\\uzzzz');",
		qr/Unicode|escape/);
	$raised->('in double quotes',
		"SELECT tarx_keys.set_secret('$PROJECT', 'X', \"$call{'in double quotes'}\")",
		qr/column "$call{'in double quotes'}" does not exist/);
	$raised->('as an identifier',
		"SELECT tarx_keys.set_secret('$PROJECT', 'X', $call{'as an identifier'})",
		qr/column "$call{'as an identifier'}" does not exist/);
	$raised->('division by zero',
		'SELECT 1 / (random() * 0)::int, ' . add($call{'division by zero'}),
		qr/division by zero/);
	$raised->('name taken', 'SELECT tarx_keys.add_llm_key(' .
		  "'$PROJECT', 'openai', 'key 1', '$call{'name taken'}')", qr/already/);
	$raised->('bad name',
		"SELECT tarx_keys.set_secret('$PROJECT', 'a $call{'bad name'}', 'x')", qr/ERROR/);
	fails($node, 'runner', 'secret name',
		"SELECT tarx_keys.resolve_secret('$PROJECT', '$call{'secret name'}');",
		qr/secret "$call{'secret name'}" not found/);
	fails($node, 'runner', 'malformed reference',
		"SELECT tarx_keys.render_template('$PROJECT', '\${$call{'malformed reference'}}');",
		qr/malformed reference/);
	$raised->('in an array',
		"SELECT * FROM tarx_keys.create_platform_key('x', NULL, '{$call{'in an array'}}')",
		qr/invalid input syntax for type uuid/);
	$raised->('statement timeout',
		"SET LOCAL statement_timeout = '50ms'; SELECT pg_sleep(60), " . add($call{'statement timeout'}),
		qr/statement timeout/);
	$raised->('failed row', q{
		CREATE TEMP TABLE checked (v text CHECK (v IS NULL));
		INSERT INTO checked SELECT } . "'$call{'failed row'}' WHERE " . add($call{'failed row'}) . ' IS NOT NULL',
		qr/violates check constraint(?:.|\n)*Failing row contains \($call{'failed row'}\)/);

	# a lock that somebody else has
	my $holder = session($node, $node->safe_psql('postgres', 'SELECT current_user'));
	say($holder, 'BEGIN; LOCK TABLE tarx_keys.project_llm_keys; SELECT pg_advisory_lock(77);');
	$node->poll_query_until('postgres',
		q{SELECT count(*) = 1 FROM pg_locks WHERE locktype = 'advisory' AND objid = 77});
	$raised->('lock timeout', "SET LOCAL lock_timeout = '300ms'; SELECT " . add($call{'lock timeout'}),
		qr/lock timeout/);

	# as others see what failed before it was understood, in a transaction and not
	foreach my $begin ('', 'BEGIN;')
	{
		my $form = 'idle after a failure' . ($begin && ' in a transaction');
		my $failed = session($node, 'service');
		say($failed, "$begin SELECT tarx_keys.set_secret('$PROJECT', 'X', '" . marker($form) . q{' 'x');});
		$failed->{run}->pump until $failed->{err} =~ /LINE 1/;
		wait_for($node, 'service', q{state LIKE 'idle%'});
		capture_activity($node);
		finish($failed);
	}

	# as others see it meanwhile, and afterwards
	my $waiter = session($node, 'service');
	say($waiter, "BEGIN; $act");
	say($waiter, 'SELECT ' . add(marker('waiting for a lock')) . ';');
	wait_for($node, 'service', q{wait_event_type = 'Lock'});
	capture_activity($node);
	finish($holder);
	wait_for($node, 'service', q{state = 'idle in transaction'});
	capture_activity($node);
	say($waiter, 'ROLLBACK;');
	finish($waiter);
	return;
}

# Forms: utility statements

sub plant_utilities
{
	my ($node) = @_;
	my $act = act();
	my %call = map { $_ => marker($_) } (
		'PREPARE', 'EXECUTE', 'EXECUTE that fails', 'EXPLAIN EXECUTE', 'DO', 'DO that fails',
		'DO with dynamic SQL', 'DO with a notice', 'DO with an assignment', 'CALL', 'EXPLAIN',
		'EXPLAIN ANALYZE', 'EXPLAIN with a list', 'CREATE TABLE AS with a list', 'EXPLAIN that fails', 'COPY', 'CREATE TABLE AS', 'SELECT INTO', 'cursor',
		'cursor that is closed later', 'dynamic SQL in a function');

	my $runs = sub {
		my ($form, $sql) = @_;
		my $out = succeeds($node, 'service', $form, "BEGIN; $act $sql; $own_state ROLLBACK;");
		capture_own_state($out);
	};
	my $raised = sub {
		my ($form, $sql, $error) = @_;
		fails($node, 'service', $form, "BEGIN; $act $sql; ROLLBACK;", $error);
	};
	$runs->('PREPARE', 'PREPARE p AS SELECT ' . add($call{PREPARE}) . '; EXECUTE p');
	my $prepare =
	  "PREPARE p (text, text) AS SELECT tarx_keys.set_secret(\$1::uuid, 'X', \$2)";
	$runs->('EXECUTE', "$prepare; EXECUTE p ('$PROJECT', '$call{EXECUTE}')");
	$runs->('EXPLAIN EXECUTE',
		"$prepare; EXPLAIN (VERBOSE, ANALYZE) EXECUTE p ('$PROJECT', '$call{'EXPLAIN EXECUTE'}')");
	$raised->('EXECUTE that fails',
		"$prepare; EXECUTE p ('$call{'EXECUTE that fails'}', 'x')",
		qr/type uuid: "$call{'EXECUTE that fails'}"/);
	$runs->('DO', 'DO $$ BEGIN PERFORM ' . add($call{DO}) . '; END $$');
	$raised->('DO that fails',
		q{DO $$ DECLARE v text := '} . $call{'DO that fails'} . q{'; BEGIN PERFORM tarx_keys.add_llm_key(v::uuid, v, v, v); END $$},
		qr/type uuid: "$call{'DO that fails'}"/);
	$runs->('DO with dynamic SQL',
		q{DO $$ BEGIN EXECUTE 'SELECT } . (add($call{'DO with dynamic SQL'}) =~ s/'/''/gr) . q{'; END $$});
	$runs->('DO with a notice',
		q{DO $$ DECLARE v text := '} . $call{'DO with a notice'} . "'; BEGIN PERFORM tarx_keys.set_secret('$PROJECT', 'N', v); RAISE NOTICE 'set %', v; END \$\$");
	$runs->('DO with an assignment',
		q{DO $$ DECLARE v int; BEGIN v := tarx_keys.set_secret('} . "$PROJECT', 'A', '$call{'DO with an assignment'}'); END \$\$");
	$runs->('CALL',
		'CREATE PROCEDURE pg_temp.takes(v uuid) LANGUAGE sql AS $$ SELECT 1 $$; CALL pg_temp.takes(' . add($call{CALL}) . ')');
	$runs->('EXPLAIN', 'EXPLAIN (VERBOSE) SELECT ' . add($call{EXPLAIN}));
	$runs->('EXPLAIN ANALYZE', 'EXPLAIN (VERBOSE, ANALYZE) SELECT ' . add($call{'EXPLAIN ANALYZE'}));
	# pg_stat_statements knows the place of a list of constants in the text
	my $list = ' FROM generate_series(1, 3) g WHERE g IN (4, 5, 6)';
	$runs->('EXPLAIN with a list', 'EXPLAIN SELECT ' . add($call{'EXPLAIN with a list'}) . $list);
	$runs->('CREATE TABLE AS with a list',
		'CREATE TEMP TABLE t AS SELECT ' . add($call{'CREATE TABLE AS with a list'}) . $list);
	$raised->('EXPLAIN that fails',
		"EXPLAIN SELECT tarx_keys.set_secret('$PROJECT', 'X', 'x', 'x', '$call{'EXPLAIN that fails'}')",
		qr/LINE 1: .*EXPLAIN SELECT tarx_keys.set_secret(?:.|\n)*\n +\^/);
	$runs->('COPY', 'COPY (SELECT ' . add($call{COPY}) . ') TO STDOUT');
	$runs->('CREATE TABLE AS', 'CREATE TEMP TABLE t AS SELECT ' . add($call{'CREATE TABLE AS'}));
	$runs->('SELECT INTO', 'SELECT ' . add($call{'SELECT INTO'}) . ' INTO TEMP TABLE t');
	$runs->('cursor', 'DECLARE c CURSOR FOR SELECT ' . add($call{cursor}) . '; FETCH c');
	$runs->('cursor that is closed later',
		'DECLARE c CURSOR FOR SELECT ' . add($call{'cursor that is closed later'}) . '; FETCH c; SELECT 1; CLOSE c');
	$runs->('dynamic SQL in a function', q{
		CREATE FUNCTION pg_temp.f(a text, v text) RETURNS void LANGUAGE plpgsql AS $$
		BEGIN EXECUTE format('SELECT tarx_keys.%s(%L, %L, %L)', a, '} . $PROJECT . q{', 'D', v); END $$;
		SELECT pg_temp.f('set_secret', '} . $call{'dynamic SQL in a function'} . q{')});

	# what the server logs of a session's memory
	my $session = session($node, 'service');
	say($session, 'PREPARE p AS SELECT ' . add(marker('memory contexts of another session')) . ';');
	my $pid = wait_for($node, 'service', q{state = 'idle' AND query <> ''});
	$node->safe_psql('postgres', "SELECT pg_log_backend_memory_contexts($pid)");
	say($session, 'SELECT 1;');
	capture_activity($node);
	finish($session);
	return;
}

# Forms: the extended protocol, with values bound and not

sub plant_bound
{
	my ($node) = @_;

	foreach my $mode (qw(extended prepared))
	{
		my %common = (project => $PROJECT, user => 'alice');
		my $begin = 'BEGIN; SELECT tarx_keys.act_as(:user);';
		my $drive = sub {
			my ($form, $login, $script, $error) = @_;
			my $marker = marker("$form by $mode");

			drive($node, $login, $form, $mode, $script =~ s/MARKER/$marker/gr,
				defined $error ? qr/$error/ : undef, %common, value => $marker);
		};
		$begin = "BEGIN;\nSELECT tarx_keys.act_as(:user);\n";
		$drive->('add_llm_key', 'service',
			"${begin}SELECT tarx_keys.add_llm_key(:project, 'openai', 'bound', :value);\nROLLBACK;\n");
		$drive->('add_llm_key with a literal', 'service',
			"${begin}SELECT tarx_keys.add_llm_key(:project, 'openai', 'literal', 'MARKER');\nROLLBACK;\n");
		$drive->('set_secret', 'service',
			"${begin}SELECT tarx_keys.set_secret(:project, 'EXTENDED', :value);\nCOMMIT;\n");
		drive($node, 'service', 'set_secret of 8 kB', $mode,
			"${begin}SELECT tarx_keys.set_secret(:project, 'LONG', :value);\nCOMMIT;\n",
			undef, %common, value => long_value(marker("set_secret of 8 kB by $mode")));
		$drive->('render_template', 'runner',
			"SELECT tarx_keys.render_template(:project, :value);\n");
		$drive->('login', 'service', "SELECT tarx_keys.login(:value);\n", 'login failed');
		$drive->('login_jwt', 'service', "SELECT tarx_keys.login_jwt(:value);\n", 'login failed');
		$drive->('unknown provider', 'service',
			"${begin}SELECT tarx_keys.add_llm_key(:project, 'acme', 'x', :value);\n", 'provider');
		$drive->('shifted arguments', 'service',
			"${begin}SELECT tarx_keys.add_llm_key(:value, 'openai', 'x', :value);\n",
			'type uuid: "mk');
		$drive->('misspelt', 'service',
			"${begin}SELECT tarx_keys.add_lmm_key(:project, 'openai', 'MARKER', :value);\n",
			'does not exist');
		$drive->('statement timeout', 'service',
			"${begin}SET LOCAL statement_timeout = 50;\nSELECT pg_sleep(60), tarx_keys.set_secret(:project, 'X', :value);\n",
			'statement timeout');
		plant_bound_resolves($node, $mode);
		plant_bound_tokens($node, $mode);
		plant_bound_tickets($node, $mode);
		plant_activity($node, $mode);
	}
	return;
}

# Results, as they are and in the message of an error
sub plant_bound_resolves
{
	my ($node, $mode) = @_;
	my $both = sub {
		my ($name, $column, $call, $marker, %variables) = @_;

		drive($node, 'runner', $name, $mode, "SELECT * FROM tarx_keys.$call;\n", undef,
			project => $PROJECT, %variables);
		drive($node, 'runner', "a cast of what $name returns", $mode,
			"SELECT $column\::int FROM tarx_keys.$call;\n",
			qr/integer: ".*\Q$marker\E/, project => $PROJECT, %variables);
	};

	foreach my $call (@calls_for_keys)
	{
		my ($name, $column, $by) = @$call;
		my ($marker, $header, %id) = stored_key($node, "$name by $mode");

		$both->($name, $column, "$name(:project, :id)", $marker, id => $id{$by});
	}
	plant_bound_changes($node, $mode);
	my $secret = stored_secret($node, "resolve_secret by $mode", 'BOUND');
	$both->('resolve_secret', 'resolve_secret', 'resolve_secret(:project, :name)',
		$secret, name => 'BOUND');
	$both->('resolve_secrets', 'value', 'resolve_secrets(:project, ARRAY[:name])',
		$secret, name => 'BOUND');
	return;
}

# Changes of a key
sub plant_bound_changes
{
	my ($node, $mode) = @_;
	my ($marker, $header, %id) = stored_key($node, "key to be changed by $mode");
	my $change = sub {
		my ($call, $error, %variables) = @_;

		drive($node, 'service', $call =~ s/\(.*//r, $mode,
			"BEGIN;\nSELECT tarx_keys.act_as(:user);\nSELECT tarx_keys.$call;\nROLLBACK;\n",
			$error, user => 'alice', project => $PROJECT, key => $id{key}, %variables);
	};

	$change->('replace_llm_key(:project, :key, :value, :options)', undef,
		value => marker("replace_llm_key by $mode"),
		options => '{' . header(marker("header of replace_llm_key by $mode")) . '}');
	$change->('update_llm_key(:project, :key, :changes)', qr/"key_value"/,
		changes => '{"key_value": "' . marker("value in changes by $mode") . '"}');
	return;
}

# A token goes out as a result, and comes in bound; it is a marker itself.
sub plant_bound_tokens
{
	my ($node, $mode) = @_;
	my $file = PostgreSQL::Test::Utils::tempdir . '/token';

	drive($node, 'service', 'create_platform_key and login', $mode, qq{
BEGIN;
SELECT tarx_keys.act_as(:user);
SELECT token FROM tarx_keys.create_platform_key(:name) \\gset
COMMIT;
\\shell echo :token > $file
SELECT tarx_keys.login(:token);
}, undef, user => 'alice', name => "bound by $mode");
	my ($token) = slurp_file($file) =~ /^(sk-tarx-\w{49})$/;
	ok($token, "create_platform_key by $mode returns a token");
	$form_of{$token} = "create_platform_key and login by $mode";
	return;
}

# Forms: values in boxes, which only the server and the runner open

# Switches for a box with a header that has a marker, in JSON that is good, or broken
# in a way
sub options
{
	my ($form, $way) = @_;
	my $marker = sealed_marker($form);
	my %json = (
		good => qq({"headers": {"x-gateway-key": "$marker"}}),
		cut => qq({"headers": {"x-gateway-key": "$marker),
		nonsense => qq({"headers": {"x-gateway-key": "$marker"}, nonsense}),
		refused => qq({"headers": {"Authorization": "$marker"}}));
	my $file = write_private(PostgreSQL::Test::Utils::tempdir() . '/options', $json{ $way || 'good' });

	return ('-d', 'https://api.openai.com/v1', '-o', $file);
}

sub plant_sealed
{
	my ($node) = @_;
	my $begin = 'BEGIN; ' . act() . ' SELECT tarx_keys.';
	my $recipient = new_recipient($node->name);
	my $box = sub {
		my ($form, $what, @fields) = @_;
		return seal_box($node, 'sk-proj-abc' . sealed_marker($form) . 'wxyz', $what, @fields);
	};

	my $key = succeeds($node, 'service', 'add_sealed_llm_key',
		"${begin}add_sealed_llm_key('$PROJECT', 'openai', 'Sealed', "
		  . $box->('sealed key', 'llm-key', options('sealed header'), 'openai', 'Sealed') . '); COMMIT;');
	($key) = $key =~ /([0-9a-f-]{36})/;
	succeeds($node, 'service', 'set_sealed_secret',
		"${begin}set_sealed_secret('$PROJECT', 'SEALED', "
		  . $box->('sealed secret', 'secret', 'SEALED') . '); COMMIT;');
	fails($node, 'service', 'a sealed value that is refused',
		"${begin}add_sealed_llm_key('$PROJECT', 'openai', 'Refused', "
		  . seal_box($node, "\n" . sealed_marker('sealed key that is refused'), 'llm-key', 'openai', 'Refused')
		  . '); COMMIT;',
		qr/the sealed value /);
	foreach my $broken ('cut', 'nonsense')
	{
		fails($node, 'service', "options that are $broken",
			"${begin}add_sealed_llm_key('$PROJECT', 'openai', 'Refused', "
			  . $box->("sealed key with $broken options", 'llm-key', options("sealed header, $broken", $broken), 'openai', 'Refused')
			  . '); COMMIT;',
			qr/the sealed box does not open/);
	}
	fails($node, 'service', 'options with a header that is refused',
		"${begin}add_sealed_llm_key('$PROJECT', 'openai', 'Refused', "
		  . $box->('sealed key with a header that is refused', 'llm-key', options('sealed header that is refused', 'refused'), 'openai', 'Refused')
		  . '); COMMIT;',
		qr/header "Authorization" in options/);
	fails($node, 'service', 'a box for another name',
		"${begin}set_sealed_secret('$PROJECT', 'HERE', "
		  . $box->('sealed secret of another name', 'secret', 'THERE') . '); COMMIT;',
		qr/the sealed box does not open/);
	fails($node, 'service', 'a shifted box',
		"${begin}add_sealed_llm_key('$PROJECT', 'openai', "
		  . $box->('sealed key in place of its name', 'llm-key', 'openai', 'Shifted') . q{, 'Shifted'); COMMIT;},
		qr/ERROR: /);
	my $fresh = succeeds($node, 'service', 'replace_sealed_llm_key',
		"${begin}replace_sealed_llm_key('$PROJECT', '$key', "
		  . $box->('sealed replacement', 'replacement', options('sealed header of a replacement'), $key, 'openai') . '); COMMIT;');
	($fresh) = $fresh =~ /([0-9a-f-]{36})/;
	fails($node, 'service', 'a box for another key',
		"${begin}replace_sealed_llm_key('$PROJECT', '$key', "
		  . $box->('sealed replacement of another key', 'replacement', options('sealed header for another key'), $fresh, 'openai') . '); COMMIT;',
		qr/the sealed box does not open/);
	$key = $fresh;
	my $of_provider = succeeds($node, 'runner', 'resolve_provider_key_sealed',
		"SELECT sealed FROM tarx_keys.resolve_provider_key_sealed('$PROJECT', 'openai', $recipient);");
	like(open_key($node->name, $of_provider, 'openai')->{value}, qr/^sk-proj-abc\w+wxyz$/, 'resolve_provider_key_sealed returns a box');
	my %out = (
		resolve_key_sealed => "'$key', $recipient",
		resolve_secrets_sealed => "'{SEALED}', $recipient");
	foreach my $call (sort keys %out)
	{
		my $sealed = succeeds($node, 'runner', $call,
			"SELECT sealed FROM tarx_keys.$call('$PROJECT', $out{$call});");

		like($call =~ /secret/ ? open_secret($node->name, $sealed, 'SEALED') : open_key($node->name, $sealed, $key)->{value},
			qr/^sk-proj-abc\w+wxyz$/, "$call returns a box");
		fails($node, 'runner', "a cast of what $call returns",
			"SELECT sealed::text::int FROM tarx_keys.$call('$PROJECT', $out{$call});", qr/type integer/);
	}
	foreach my $mode (qw(extended prepared))
	{
		my %variables = (
			project => $PROJECT,
			box => $box->("sealed secret by $mode", 'secret', uc $mode),
			key => $key,
			recipient => $recipient);

		s/'//g foreach values %variables;
		drive($node, 'service', 'set_sealed_secret', $mode,
			"BEGIN;\nSELECT tarx_keys.act_as('alice');\n"
			  . "SELECT tarx_keys.set_sealed_secret(:project, '\U$mode\E', :box);\nCOMMIT;\n",
			undef, %variables);
		drive($node, 'runner', 'resolve_key_sealed', $mode,
			"SELECT * FROM tarx_keys.resolve_key_sealed(:project, :key, :recipient);\n",
			undef, %variables);
	}
	return;
}

# Forms: what the DBA looks for or revokes, because it was found somewhere
sub plant_leaked
{
	my ($node) = @_;
	my $dba = $node->safe_psql('postgres', 'SELECT current_user');
	my $stored = stored_secret($node, 'find_key', 'FOUND');

	like(succeeds($node, $dba, 'find_key', "SELECT * FROM tarx_keys.find_key('$stored');"), qr/FOUND/, 'find_key finds');
	fails($node, 'service', 'find_key without the right',
		"SELECT * FROM tarx_keys.find_key('" . marker('find_key without the right') . "');", qr/permission denied/);
	fails($node, $dba, 'find_key with too many arguments',
		"SELECT * FROM tarx_keys.find_key('" . marker('find_key with too many arguments') . "', 1);", qr/does not exist/);
	fails($node, $dba, 'find_key misspelt',
		"SELECT * FROM tarx_keys.find_keys('" . marker('find_key misspelt') . "');", qr/does not exist/);
	succeeds($node, $dba, 'find_sealed_key',
		"SELECT * FROM tarx_keys.find_sealed_key(" . seal_search($node, sealed_marker('find_sealed_key')) . ');');
	foreach my $mode (qw(extended prepared))
	{
		drive($node, $dba, 'find_key', $mode, "SELECT * FROM tarx_keys.find_key(:value);\n", undef,
			value => marker("find_key by $mode"));
	}

	my $act = act();
	my @tokens = map {
		my $form = "revoke_leaked_platform_keys, $_";
		my ($token) = succeeds($node, 'service', $form, "BEGIN; $act SELECT token FROM tarx_keys.create_platform_key('$_'); COMMIT;") =~ /(sk-tarx-\w+)/;

		$form_of{$token} = $form;
		$token;
	} 'first', 'misspelt', 'bound';
	my $no_token = marker('no token to be revoked');
	like(succeeds($node, $dba, 'revoke_leaked_platform_keys', "SELECT * FROM tarx_keys.revoke_leaked_platform_keys(ARRAY['$tokens[0]', '$no_token']);"),
		qr/revoked/, 'revoke_leaked_platform_keys revokes');
	fails($node, $dba, 'revoke_leaked_platform_keys misspelt', "SELECT * FROM tarx_keys.revoke_leaked_platform_keys('$tokens[1]');",
		qr/malformed array literal: "$tokens[1]"/);
	drive($node, $dba, 'revoke_leaked_platform_keys', 'extended', "SELECT * FROM tarx_keys.revoke_leaked_platform_keys(ARRAY[:token]);\n", undef,
		token => $tokens[2]);
	return;
}

# As another session sees a statement of the extended protocol while it runs
sub plant_activity
{
	my ($node, $mode) = @_;
	my $marker = marker("seen by another session by $mode");
	my $file = write_private(PostgreSQL::Test::Utils::tempdir . '/sleep.sql',
		'SELECT pg_sleep(600), ' . add($marker) . ";\n");
	my ($out, $err);
	my $run = IPC::Run::start(
		[
			'pgbench', '--no-vacuum', '-M', $mode, '-t', '1', '-f', $file, '-h', $node->host,
			'-p', $node->port, '-U', 'service', 'postgres'
		],
		'>', \$out, '2>', \$err);
	my $pid = wait_for($node, 'service', q{wait_event = 'PgSleep'});

	capture_activity($node);
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	$run->finish;
	like($err, qr/canceling statement due to user request/, "a statement by $mode is cancelled");
	return;
}

# Forms: sessions that end badly

sub plant_deadlocks
{
	my ($node) = @_;

	# "other" notices a deadlock; "service" would take longer than the test
	foreach my $noticed_by ('another session', 'the same session')
	{
		my ($ours, $plain) = $noticed_by eq 'another session' ? qw(service other) : qw(other service);
		my $form = "deadlock noticed by $noticed_by";
		my $marker = marker($form);
		my ($a, $b) = (session($node, $ours), session($node, $plain));
		say($a, 'BEGIN; ' . act() . ' SELECT pg_advisory_xact_lock(1);');
		wait_for($node, $ours, q{state = 'idle in transaction' AND query LIKE '%advisory%'});
		say($b, 'BEGIN; SELECT pg_advisory_xact_lock(2);');
		wait_for($node, $plain, q{state = 'idle in transaction' AND query LIKE '%advisory%'});
		if ($noticed_by eq 'another session')
		{
			say($a, 'SELECT pg_advisory_xact_lock(2), ' . add($marker) . ';');
			wait_for($node, $ours, q{wait_event_type = 'Lock'});
			say($b, 'SELECT pg_advisory_xact_lock(1);');
		}
		else
		{
			say($b, 'SELECT pg_advisory_xact_lock(1);');
			wait_for($node, $plain, q{wait_event_type = 'Lock'});
			say($a, 'SELECT pg_advisory_xact_lock(2), ' . add($marker) . ';');
		}
		$node->poll_query_until('postgres',
			q{SELECT count(*) = 0 FROM pg_stat_activity WHERE wait_event_type = 'Lock'});
		finish($a);
		finish($b);
		like($a->{err} . $b->{err}, qr/deadlock detected/, "$form: the client sees it");
	}
	return;
}

sub plant_ends
{
	my ($node) = @_;

	my $session = session($node, 'service');
	say($session, 'SELECT pg_sleep(600), ' . add(marker('terminated')) . ';');
	my $pid = wait_for($node, 'service', q{wait_event = 'PgSleep'});
	capture_activity($node);
	$node->safe_psql('postgres', "SELECT pg_terminate_backend($pid)");
	$session->{run}->finish;
	like($session->{err}, qr/terminating connection/, 'the client sees that it was terminated');

	$session = session($node, 'service');
	say($session, 'SELECT pg_sleep(600), ' . add(marker('killed')) . ';');
	$pid = wait_for($node, 'service', q{wait_event = 'PgSleep'});
	kill 'KILL', $pid;
	$session->{run}->finish;
	$node->poll_query_until('postgres', 'SELECT true') or die 'the server did not come back';
	return;
}

# The forms that a log has
sub log_forms
{
	return qw(stderr csv json);
}

# Everything in the files of a directory that wanted() admits
sub files
{
	my ($path, $wanted) = @_;
	my $text = '';

	find(
		{
			no_chdir => 1,
			wanted => sub {
				return unless $wanted->($_) && -f $_;
				$text .= slurp_file($_);
			}
		},
		$path);
	return $text;
}

sub is_of_pg_stat_statements
{
	return $_[0] =~ /pgss_query_texts|pg_stat_statements\.stat/;
}

# What a crash throws away
sub capture_statistics
{
	my ($node) = @_;

	capture('pg_stat_statements', $node->safe_psql('postgres', 'SELECT s::text FROM pg_stat_statements s'));
	capture('pg_stat_statements, its files', files($node->data_dir, \&is_of_pg_stat_statements));
	capture('logical decoding',
		$node->safe_psql('postgres', q{SELECT data FROM pg_logical_slot_peek_changes('leaks', NULL, NULL)}));
	return;
}

# Plant everything that names our functions
sub plant
{
	my ($node) = @_;

	plant_plain($node);
	plant_failures($node);
	plant_utilities($node);
	plant_bound($node);
	plant_sealed($node);
	plant_leaked($node);
	plant_deadlocks($node);
	capture_statistics($node);
	plant_ends($node);
	return;
}

# What anybody writes, to be found where rows are. Several times, because the end
# of a page of WAL may part one in two.
sub plant_control
{
	my ($node) = @_;
	my $short = marker('row');
	my $long = marker('row in TOAST');

	$node->safe_psql(
		'postgres', q{
		CREATE TABLE control (v text);
		ALTER TABLE control ALTER v SET STORAGE external;
		INSERT INTO control SELECT v FROM generate_series(1, 3), (VALUES ('} . $short . q{'), ('} . long_value($long) . q{')) w(v)});
	return;
}

# Statements that name none of our functions: wrappers
sub plant_wrapped
{
	my ($node) = @_;
	my $act = act();

	$node->safe_psql(
		'postgres', q{
		CREATE SCHEMA app;
		GRANT USAGE ON SCHEMA app TO service;
		CREATE FUNCTION app.store(v text) RETURNS integer LANGUAGE plpgsql AS $$
		BEGIN
			RETURN tarx_keys.set_secret('} . $PROJECT . q{', 'WRAPPED', v);
		END $$;
		CREATE PROCEDURE app.keep(v text) LANGUAGE plpgsql AS $$
		DECLARE
			version integer;
		BEGIN
			version := tarx_keys.set_secret('} . $PROJECT . q{', 'WRAPPED', v);
		END $$;
		CREATE FUNCTION app.fail(v text) RETURNS integer LANGUAGE plpgsql AS $$
		BEGIN
			RETURN v::integer;
		END $$;
		CREATE FUNCTION app.store_and_fail(v text) RETURNS integer LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM tarx_keys.set_secret('} . $PROJECT . q{', 'WRAPPED', v);
			RAISE EXCEPTION 'stored %', v;
		END $$;
		CREATE TABLE app.inbox (v text);
		GRANT INSERT ON app.inbox TO service;
		CREATE FUNCTION app.receive() RETURNS trigger LANGUAGE plpgsql AS $$
		BEGIN
			PERFORM app.store_and_fail(NEW.v);
			RETURN NULL;
		END $$;
		CREATE TRIGGER receive BEFORE INSERT ON app.inbox FOR EACH ROW EXECUTE FUNCTION app.receive();});
	my $marker = marker('wrapper');
	succeeds($node, 'service', 'wrapper', "BEGIN; $act SELECT app.store('$marker'); COMMIT;");
	$marker = marker('wrapper in CALL');
	succeeds($node, 'service', 'wrapper in CALL', "BEGIN; $act CALL app.keep('$marker'); COMMIT;");
	$marker = marker('wrapper that fails before');
	fails($node, 'service', 'wrapper that fails before', "SELECT app.fail('$marker');", qr/type integer: "$marker"/);
	$marker = marker('wrapper that fails afterwards');
	fails($node, 'service', 'wrapper that fails afterwards',
		"BEGIN; $act SELECT app.store_and_fail('$marker'); COMMIT;", qr/stored $marker/);
	$marker = marker('unusual spelling');
	succeeds($node, 'service', 'unusual spelling',
		"BEGIN; $act SELECT U&\"tarx\\005fkeys\".U&\"set\\005fsecret\"('$PROJECT', 'PLAIN', '$marker'); COMMIT;");
	$marker = marker('COPY with a trigger');
	fails($node, 'service', 'COPY with a trigger',
		"BEGIN; $act\nCOPY app.inbox FROM STDIN;\n$marker\n\\.\nCOMMIT;", qr/COPY inbox, line 1: "$marker"/);
	$marker = marker('bound wrapper');
	drive($node, 'service', 'bound wrapper', 'extended',
		"BEGIN;\nSELECT tarx_keys.act_as('alice');\nSELECT app.store(:value);\nCOMMIT;\n",
		undef, value => $marker);
	capture_statistics($node);
	return;
}

# All channels: name => text
sub channels
{
	my ($node) = @_;
	my %channels = %captured;
	my $data = $node->data_dir;

	$channels{'pg_dumpall'} = do
	{
		my ($out, $err);
		IPC::Run::run([ 'pg_dumpall', '-d', $node->connstr('postgres') ], '>', \$out, '2>', \$err);
		$out;
	};
	$node->stop;
	$channels{"log in $_->[0]"} = slurp_file("$data/log/server.$_->[1]")
	  foreach ([ 'stderr form', 'log' ], [ 'csv form', 'csv' ], [ 'json form', 'json' ]);
	my %part = (
		'data directory (heap, TOAST)' => sub { $_[0] =~ m{^\Q$data\E/(?:base|global)/} },
		'data directory (WAL)' => sub { $_[0] =~ m{^\Q$data\E/pg_wal/} });
	$channels{$_} = files($data, $part{$_}) foreach keys %part;
	$channels{'data directory (all else)'} = files($data,
		sub {
			my ($path) = @_;
			$path !~ m{/log/} && !is_of_pg_stat_statements($path) && !grep { $_->($path) } values %part;
		});
	$channels{'pg_stat_statements, its files'} .= files($data, \&is_of_pg_stat_statements);
	return %channels;
}

# A marker as debug_print_plan has it: a list of bytes
sub as_bytes
{
	my ($marker) = @_;
	return join(' ', map { ord } split //, $marker);
}

# The forms whose marker is in a text
sub found_in
{
	my ($text) = @_;
	return sort map { $form_of{$_} }
	  grep { index($text, $_) >= 0 || index($text, as_bytes($_)) >= 0 || index($text, unpack('H*', $_)) >= 0 }
	  keys %form_of;
}

# The forms whose marker is not, but for those in boxes, which are in none
sub not_found_in
{
	my ($text) = @_;
	my %found = map { $_ => 1 } found_in($text);

	return grep { !$found{$_} && !$is_sealed{$_} } sort values %form_of;
}

sub sealed_among
{
	return grep { $is_sealed{$_} } @_;
}

sub number_of_markers
{
	return scalar keys %form_of;
}

1;
