# Values that are passed by mistake, in place of an id or a number, are not logged
# with the error; nor are master keys that somebody tries to set.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Protocol;
use TarxKeys;

my $node = new_node('mistakes',
	keyring => { master_key => hex_key('a') },
	conf => "log_parameter_max_length_on_error = -1\nlog_error_verbosity = verbose\n");
$node->start;
install($node);
$node->safe_psql('postgres', 'CREATE ROLE plain LOGIN; CREATE DATABASE other');

# what is passed, and how
my %form_of;

sub value
{
	my ($form) = @_;
	my $value = sprintf 'sk-mistake-%05d', scalar keys %form_of;

	$form_of{$value} = $form;
	return $value;
}

sub found_since
{
	my ($offset) = @_;
	my $log = log_since($node, $offset);

	return [ map { $form_of{$_} } grep { index($log, $_) >= 0 } sort keys %form_of ];
}

# Functions, each with a value in place of each argument

my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
my @functions = map { [ split /\|/ ] } split /\n/, $node->safe_psql('postgres', q{
	SELECT oid, proname, prokind, pronargs FROM pg_proc
	WHERE pronamespace = 'tarx_keys'::regnamespace AND provolatile = 'v' AND pronargs > 0
	ORDER BY proname});

cmp_ok(scalar @functions, '>=', 40, 'there are functions to call');

sub call_all
{
	my ($session, $what) = @_;

	foreach my $function (@functions)
	{
		my ($oid, $name, $kind, $nargs) = @$function;
		my $verb = $kind eq 'p' ? 'CALL' : 'SELECT';

		# any text may be a user's id, and act_as succeeds with it
		foreach my $n (($name eq 'act_as' ? 1 : 0) .. $nargs - 1)
		{
			my $args = sub { my ($value) = @_; return map { $_ == $n ? $value : undef } 0 .. $nargs - 1; };
			my $list = sub { my ($value) = @_; return join ', ', map { defined $_ ? "'$_'" : 'NULL' } $args->($value); };
			my $form = "$name, argument $n, $what";

			$session->query("$verb tarx_keys.$name(" . $list->(value("$form: in a statement")) . ')');
			# doctor is a word that applications have as well, and takes true or false
			$session->query("$verb $name(" . $list->(value("$form: without the schema")) . ')')
			  if $name ne 'doctor';
			$session->query("DO \$\$ DECLARE v text := '" . value("$form: in PL/pgSQL") . "'; BEGIN "
				  . ($kind eq 'p' ? 'CALL' : 'PERFORM') . " tarx_keys.$name("
				  . join(', ', map { $_ == $n ? "v::pg_catalog.uuid::text::pg_catalog.uuid" : 'NULL' } 0 .. $nargs - 1)
				  . '); END $$');
			$session->execute("$verb tarx_keys.$name("
				  . join(', ', map { '$' . $_ } 1 .. $nargs) . ')', $args->(value("$form: bound")));
			$session->call($oid, $args->(value("$form: in a function call")))
			  if $kind ne 'p';
		}
	}
	return;
}

my $session = Protocol->connect($node, $superuser);
$session->query('SET search_path = public, tarx_keys');
$session->query('SET tarx_keys.redact_logs = off');
my $offset = log_size($node);
call_all($session, 'off');
my $found = found_since($offset);

foreach my $way ('in a statement', 'without the schema', 'in PL/pgSQL', 'bound', 'in a function call')
{
	cmp_ok(scalar(grep { $_ =~ /: \Q$way\E$/ } @$found), '>=', 40, "without redaction, values $way are in the log");
}

$session->query('SET tarx_keys.redact_logs = on');
$offset = log_size($node);
call_all($session, 'on');
is_deeply(found_since($offset), [], 'with it, none is');

my $log = log_since($node, $offset);
like($log, qr/ERROR:  22P02: invalid input syntax for type %s: "%s" <redacted: tarx_keys.$_>/, "the log says that $_ failed, and why")
  foreach ('delete_llm_key', 'restore_secret', 'rotate_master_key');

# act_as() is logged as it is, unless it fails; a platform key never is

$node->safe_psql('postgres', q{
	CREATE FUNCTION public.acts(u text, p text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN PERFORM act_as(u); PERFORM p::pg_catalog.uuid; END $$;
	CREATE FUNCTION public.acts_in(u text, p text) RETURNS void LANGUAGE sql AS $$
	SELECT tarx_keys.act_as(u, (p || pg_catalog.left(pg_catalog.random()::text, 0))::pg_catalog.uuid) $$;
	ALTER FUNCTION public.acts SET search_path = tarx_keys;
	-- it is not inlined, nor are its arguments known when it is planned: else it would fail
	-- before anything names act_as
	ALTER FUNCTION public.acts_in SET search_path = tarx_keys;});
my $act_as = $node->safe_psql('postgres', q{SELECT 'tarx_keys.act_as'::regproc::oid});
my $long = 'x' x 201;
my @failures = (
	q{SELECT tarx_keys.act_as('alice', 'VALUE')}, q{SELECT act_as('alice', 'VALUE')}, qq{SELECT tarx_keys.act_as('VALUE$long')},
	q{SELECT tarx_keys.act_as('VALUE', gen_random_uuid())}, q{SELECT tarx_keys.act_as('VALUE'}, q{SELECT tarx_keys.act_as('VALUE', 1)},
	q{DO $$ BEGIN PERFORM tarx_keys.act_as('alice', 'VALUE'); END $$},
	q{DO $$ BEGIN EXECUTE 'SELECT tarx_keys.act' || '_as(''alice'', ''VALUE'')'; END $$},
	q{EXECUTE acting('alice', 'VALUE')}, q{EXPLAIN EXECUTE acting('alice', 'VALUE')},
	q{SELECT public.acts('alice', 'VALUE')}, q{SELECT public.acts_in('alice', 'VALUE')});

$session = Protocol->connect($node, $superuser);
$session->query('SET search_path = public, tarx_keys');
$session->query('PREPARE acting AS SELECT tarx_keys.act_as($1, $2)');
foreach my $redact ('off', 'on')
{
	$session->query("SET tarx_keys.redact_logs = $redact");
	$offset = log_size($node);
	foreach my $failure (@failures)
	{
		my $sql = $failure =~ s/VALUE/value($failure)/er;

		isnt($session->query($sql)->{C}, undef, "$failure fails");
	}
	isnt($session->execute('SELECT tarx_keys.act_as($1, $2)', 'alice', value('bound'))->{C}, undef, 'act_as fails when bound');
	isnt($session->call($act_as, 'alice', value('call'))->{C}, undef, 'and in a function call');
	$found = found_since($offset);
	is(scalar @$found, scalar(@failures) + 2, 'without redaction, all are in the log') if $redact eq 'off';
	is_deeply($found, [], 'with it, no error of act_as has a value') if $redact eq 'on';
}
like(log_since($node, $offset), qr/ERROR:  22P02: .*<redacted: tarx_keys\.act_as>/, 'but what it was');

$session->query(q{SET log_statement = 'all'; LOAD 'auto_explain'; SET auto_explain.log_min_duration = 0});
$offset = log_size($node);
my $acting = q{SELECT tarx_keys.act_as('alice')};
$session->query('BEGIN');
is($session->query($acting)->{C}, undef, 'act_as succeeds');
$session->query('ROLLBACK');
my $log_of_act_as = log_since($node, $offset);
like($log_of_act_as, qr/statement: \Q$acting\E/, 'it is logged as it is');
like($log_of_act_as, qr/Query Text: \Q$acting\E/, 'also with its plan');

my $key = 'sk-tarx-ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopq13R1ia';
$offset = log_size($node);
$session->query(qq{SELECT tarx_keys.act_as('$key')});
$session->query(qq{SELECT '$key'::uuid});
$session->query(qq{SELECT * FROM "$key"});
$session->execute('SELECT $1', $key);
$session->execute('SELECT $1::uuid', $key);
my $log_of_key = log_since($node, $offset);
unlike($log_of_key, qr/sk-tarx-ABC/, 'a platform key is in no line, whatever the statement calls');
like($log_of_key, qr/ERROR:  22P02: .*<redacted: tarx_keys\.\*>/, 'but what failed');

# Nor is a run ticket, also a part of one
my $resolved = add_key($node, 'of a run', 'sk-proj-0123456789abcdefghijklmnopqrstuv');
my $ticket = ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.issue_run_ticket('$PROJECT', NULL, key_id => '$resolved')});
$offset = log_size($node);
foreach my $text ($ticket, substr($ticket, 0, 25), "run ended: $ticket")
{
	$session->query(qq{SELECT tarx_keys.act_as('$text' || repeat(' ', 200))});
	$session->query(qq{SELECT '$text'::uuid});
	$session->query(qq{SELECT * FROM "$text"});
	$session->execute('SELECT $1', $text);
	$session->execute('SELECT $1::uuid', $text);
}
my $log_of_ticket = log_since($node, $offset);
unlike($log_of_ticket, qr/tarx-run-|\Q@{[substr($ticket, 9, 40)]}\E/, 'a run ticket is in no line, whatever the statement calls');
like($log_of_ticket, qr/ERROR:  22P02: .*<redacted: tarx_keys\.\*>/, 'but what failed');

# What is not ours is logged as ever

$offset = log_size($node);
my $answer = $session->query(q{SELECT 'not ours'::uuid, count(*) FROM tarx_keys.llm_keys});
is($answer->{C}, '22P02', 'another statement fails');
$answer = $session->call($node->safe_psql('postgres', q{SELECT 'uuid_hash'::regproc::oid}), 'nor this');
is($answer->{C}, '22P02', 'and another function call');
$log = log_since($node, $offset);
like($log, qr/STATEMENT:  SELECT 'not ours'::uuid/, 'the statement is in the log');
like($log, qr/invalid input syntax for type uuid: "nor this"/, 'and so is the function call');

# The master key as a setting

my @settings = map {
	(
		"ALTER SYSTEM SET $_ = 'VALUE'",
		"SET $_ = 'VALUE'",
		"SET LOCAL $_ TO 'VALUE'",
		"ALTER DATABASE other SET $_ = 'VALUE'",
		"ALTER ROLE plain SET $_ = 'VALUE'",
		"ALTER ROLE plain IN DATABASE other SET $_ = 'VALUE'",
		"CREATE FUNCTION f() RETURNS int LANGUAGE sql SET $_ = 'VALUE' AS 'SELECT 1'",
		"ALTER FUNCTION public.g() SET $_ = 'VALUE'",
		"DO \$\$ BEGIN SET $_ = 'VALUE'; END \$\$")
} ('tarx_keys.master_key', '"tarx_keys"."master_key"', 'Tarx_Keys . MASTER_key');
push @settings, q{SELECT set_config('tarx_keys.master_key', 'VALUE', false)},
  q{SELECT set_config('tarx_keys.master_key', 'VALUE', true)},
  q{UPDATE pg_settings SET setting = 'VALUE' WHERE name = 'tarx_keys.master_key'; SELECT 1 / 0},
  q{DO $$ BEGIN PERFORM set_config('tarx_keys.master_key', 'VALUE', true); END $$},
  q{SELECT public.sets('VALUE')},
  q{SET tarx_keys.master_key = 'VALUE' 'syntax error'},
  q{SET tarx_keys.masterkey = 'VALUE'; SELECT 1 / 0};
$node->safe_psql('postgres', q{
	CREATE FUNCTION public.g() RETURNS int LANGUAGE sql AS 'SELECT 1';
	CREATE FUNCTION public.sets(v text) RETURNS text LANGUAGE plpgsql AS $$
	BEGIN
		PERFORM set_config('tarx_keys.master_key', v, false);
	END $$;});

foreach my $login ($superuser, 'plain')
{
	foreach my $redact ('off', 'on')
	{
		$node->safe_psql('postgres', "ALTER ROLE \"$login\" SET tarx_keys.redact_logs = $redact");
		my $setter = Protocol->connect($node, $login);

		$offset = log_size($node);
		foreach my $statement (@settings)
		{
			my $sql = $statement =~ s/VALUE/value("$statement as $login, $redact")/er;

			isnt($setter->query($sql)->{C}, undef, "$statement as $login fails");
		}
		$found = found_since($offset);
		is(scalar @$found, scalar @settings, 'without redaction, all are in the log') if $redact eq 'off';
		is_deeply($found, [], 'with it, no master key is') if $redact eq 'on';
	}
	$node->safe_psql('postgres', "ALTER ROLE \"$login\" RESET tarx_keys.redact_logs");
}

foreach my $options ('-c tarx_keys.master_key=VALUE', '-c tarx_keys.master_key VALUE', '--tarx_keys.master_key=VALUE', '-c tarx_keys.master-key=VALUE -c x')
{
	local $ENV{PGOPTIONS} = $options =~ s/VALUE/value("PGOPTIONS $options")/er;

	$offset = log_size($node);
	# psql reads nothing, so there is nothing to write: it may have ended by then
	isnt($node->psql('postgres', undef, extra_params => [ '-U', 'plain' ]), 0, "a connection with $options fails");
	is_deeply(found_since($offset), [], 'and the log has no master key');
}

# What only shows it, and the other settings, are logged as ever

$session = Protocol->connect($node, $superuser);
$session->query("SET log_statement = 'all'");
$offset = log_size($node);
my @shows = ('SHOW tarx_keys.master_key', q{SELECT current_setting('tarx_keys.master_key')},
	q{SET tarx_keys.master_key_file = '/x'}, 'ALTER SYSTEM RESET tarx_keys.master_key_command');
$session->query($_) foreach @shows;
$log = log_since($node, $offset);
like($log, qr/statement: \Q$_\E/, "$_ is logged") foreach @shows;
like($log, qr/STATEMENT:  SET tarx_keys.master_key_file = '\/x'/, 'also with its error');

$node->stop;
done_testing();
