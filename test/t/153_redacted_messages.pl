# The odd parts of messages, and of plans, that could carry a value: texts of the caller's
# own, details, details for the log alone, queries within functions, and texts that are
# recorded when a plan ends. For each there is a statement that has a value in just that.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Protocol;
use TarxKeys;

my $pgss = -e (`pg_config --pkglibdir` =~ s/\n//r) . '/pg_stat_statements.so';
my $node = new_node('messages',
	keyring => { master_key => hex_key('messages') },
	conf => ($pgss ? "shared_preload_libraries = 'pg_stat_statements, tarx_keys'\n" : '') . "log_error_verbosity = verbose\n");
$node->start;
install($node);
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');
my $session = Protocol->connect($node, $superuser);

# PostgreSQL shows 50 characters of a JSON document, and a value has to fit
sub value
{
	my ($form) = @_;
	return 'sk-proj-' . substr(hex_key("messages: $form"), 0, 24);
}

# Run something that has a value, and look for it in the log; what is expected there instead
sub leaves_no_value
{
	my ($form, $run, $instead) = @_;
	my $offset = log_size($node);

	$run->(value($form));
	my $log = log_since($node, $offset);

	# the log is not shown when this fails
	is(index($log, value($form)), -1, "$form: the log has no value");
	like($log, $instead, 'and what it has instead');
	return;
}

sub fails_with
{
	my ($sql, $state) = @_;

	is($session->query($sql)->{C}, $state, "fails with $state");
	return;
}

# A text of the caller's own counts as no format, whatever error it claims to be

leaves_no_value(
	'message of RAISE',
	sub {
		fails_with(qq{DO \$\$ BEGIN PERFORM 'tarx_keys.add_llm_key'; RAISE insufficient_privilege USING MESSAGE = '$_[0]'; END \$\$}, '42501');
	},
	qr/42501: %s <redacted: tarx_keys.add_llm_key>/);
leaves_no_value(
	'message of RAISE with an error of ours',
	sub {
		fails_with(qq{DO \$\$ BEGIN PERFORM 'tarx_keys.add_llm_key'; RAISE SQLSTATE 'TK004' USING MESSAGE = '$_[0]'; END \$\$}, 'TK004');
	},
	qr/TK004: %s <redacted: tarx_keys.add_llm_key>/);
leaves_no_value(
	'detail of RAISE',
	sub {
		fails_with(
			qq{DO \$\$ BEGIN PERFORM 'tarx_keys.add_llm_key'; RAISE insufficient_privilege USING MESSAGE = 'x', DETAIL = '$_[0]'; END \$\$}, '42501');
	},
	qr/42501: %s <redacted: tarx_keys.add_llm_key>/);

leaves_no_value(
	'hint of RAISE',
	sub {
		fails_with(
			qq{DO \$\$ BEGIN PERFORM 'tarx_keys.add_llm_key'; RAISE insufficient_privilege USING MESSAGE = 'x', HINT = '$_[0]'; END \$\$}, '42501');
	},
	qr/42501: %s <redacted: tarx_keys.add_llm_key>/);

leaves_no_value(
	'message of RAISE that looks like a line of pgaudit',
	sub { fails_with(qq{DO \$\$ BEGIN PERFORM 'tarx_keys.add_llm_key'; RAISE 'AUDIT: $_[0]'; END \$\$}, 'P0001'); },
	qr/P0001: %s <redacted: tarx_keys.add_llm_key>/);

# Where the client's statement names nothing of ours, a message or a context may

$session->query(q{
	CREATE FUNCTION say(hex text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN RAISE '%', convert_from(decode(hex, 'hex'), 'UTF8'); END $$;
	CREATE TABLE two_columns (a text, b text)});
leaves_no_value(
	'message of a function',
	sub { fails_with("SELECT say('" . unpack('H*', "tarx_keys.add_llm_key(NULL, '', '', '$_[0]')") . "')", 'P0001'); },
	qr/P0001: %s <redacted: tarx_keys.add_llm_key>/);
leaves_no_value(
	'context of COPY',
	sub {
		write_private($node->data_dir . '/line', "SELECT tarx_keys.add_llm_key(NULL, '', '', '$_[0]')\n");
		fails_with(q{COPY two_columns FROM 'line'}, '22P04');
	},
	qr/22P04: missing data for column "%s" <redacted: tarx_keys.add_llm_key>/);

# What a parallel worker has sent to its leader has no format either

my ($in_parallel, $not_in_parallel) =
  map { "SELECT set_config(name, '$_', false) FROM pg_settings WHERE name IN ('force_parallel_mode', 'debug_parallel_query')" } qw(on off);
leaves_no_value(
	'message of a parallel worker',
	sub {
		$session->query("CREATE TABLE texts AS SELECT '$_[0]'::text AS t");
		$session->query($in_parallel);
		fails_with(q{SELECT t::integer FROM texts WHERE t <> 'tarx_keys.add_llm_key'}, '22P02');
		$session->query($not_in_parallel);
	},
	qr/22P02: .*<redacted: tarx_keys.add_llm_key>(?s:.*)22P02: .*<redacted: tarx_keys.add_llm_key>/);

# nor do others see what text its statement is of, of which a later part has a value

{
	my $value = value('text of a parallel worker');
	my $text = "SELECT pg_sleep(600) FROM texts; SELECT tarx_keys.add_llm_key(NULL, '', '', '$value')";
	my $seen;

	$session->query(q{CREATE FUNCTION run(hex text) RETURNS void LANGUAGE plpgsql AS $$ BEGIN EXECUTE convert_from(decode(hex, 'hex'), 'UTF8'); END $$});
	$session->query($in_parallel);
	$session->write(Protocol::message('Q', "SELECT run('" . unpack('H*', $text) . "')\0"));
	ok( wait_until(
			sub { $seen = $node->safe_psql('postgres', "SELECT query FROM pg_stat_activity WHERE backend_type = 'parallel worker'") }),
		'a parallel worker runs a part of a text');
	$node->safe_psql('postgres', "SELECT pg_cancel_backend(leader_pid) FROM pg_stat_activity WHERE backend_type = 'parallel worker'");
	is($session->answer->{C}, '57014', 'until it is cancelled');
	is($seen, '/* statement redacted: it names tarx_keys.add_llm_key */', 'of which others see a notice alone');
	$session->query($not_in_parallel);
}

# The plan of a cursor is logged when that ends, in a message that says nothing of it

SKIP:
{
	skip 'auto_explain is not installed', 5 if defined $session->query("LOAD 'auto_explain'")->{C};
	$session->query(q{
		CREATE FUNCTION wrap(v text) RETURNS text LANGUAGE plpgsql AS $$
		BEGIN
			RETURN tarx_keys.add_llm_key(NULL, '', '', v);
		EXCEPTION WHEN OTHERS THEN
			RETURN SQLSTATE;
		END $$});
	$session->query('SET auto_explain.log_min_duration = 0');
	leaves_no_value(
		'plan of a cursor',
		sub {
			is($session->query("BEGIN; DECLARE c CURSOR FOR SELECT wrap('$_[0]')")->{C}, undef, 'a cursor is opened');
			is($session->query('FETCH c')->{C}, undef, 'it is read, and calls a function that calls one of ours');
			is($session->query('CLOSE c')->{C}, undef, 'and closed');
		},
		qr/duration: [0-9.]+ ms <redacted: tarx_keys.add_llm_key>/);
	$session->query('COMMIT; SET auto_explain.log_min_duration = -1');
}

# A statement that is prepared keeps all of a text, also the part of another statement

{
	my $value = value('text of a prepared statement');
	my $text = "PREPARE kept AS SELECT 1; SELECT tarx_keys.add_llm_key(NULL, '', '', '$value')";

	fails_with("SELECT run('" . unpack('H*', $text) . "')", '22023');
	is_deeply($session->query(q{SELECT rtrim(statement) FROM pg_prepared_statements WHERE name = 'kept'})->{rows},
		['/* statement redacted: it names tarx_keys.add_llm_key */'], 'a prepared statement keeps a notice alone');
}

# A message that has no place for a value may have a detail, or a context, that has one

leaves_no_value(
	'detail of a message without places',
	sub {
		fails_with(
			qq{DO \$\$ #print_strict_params on\nDECLARE v text := '$_[0]'; r record; BEGIN SELECT 'tarx_keys.add_llm_key' INTO STRICT r WHERE v = ''; END \$\$}, 'P0002');
	},
	qr/ERROR:  P0002: query returned no rows\n/);
leaves_no_value(
	'context of a message without places',
	sub { fails_with(qq{SELECT tarx_keys.update_llm_key(NULL, NULL, '{"$_[0]": "\\u0000"}')}, '22P05'); },
	qr/ERROR:  22P05: unsupported Unicode escape sequence\n/);

# A session that has marked nothing yet, and fails before the plan of what it prepared begins

{
	my $new = Protocol->connect($node, $superuser);

	$new->query('PREPARE acting(text) AS SELECT tarx_keys.act_as($1)');
	leaves_no_value(
		'EXECUTE of act_as() with too many parameters',
		sub { is($new->query("EXECUTE acting('$_[0]', 1)")->{C}, '42601', 'fails with 42601'); },
		qr/42601: wrong number of parameters for prepared statement "%s" <redacted: tarx_keys.act_as>/);

	# while one that has called it keeps what fails later
	my $offset = log_size($node);
	is($new->query("SELECT tarx_keys.act_as('alice')")->{C}, undef, 'act_as() is called');
	is($new->query("SELECT 'harmless'::integer")->{C}, '22P02', 'another statement fails');
	like(log_since($node, $offset), qr/ERROR:  22P02: invalid input syntax for type integer: "harmless".*\n(?s:.*)STATEMENT:  SELECT 'harmless'::integer/,
		'and is in the log as it was');
}

# Whatever the setting is, a token that was nearly right is in no log

$session->query('SET tarx_keys.redact_logs = off');
leaves_no_value(
	'login that fails',
	sub { fails_with("SELECT tarx_keys.login('$_[0]')", 'TK010'); },
	qr/ERROR:  TK010: /);
$session->query('SET tarx_keys.redact_logs = on');

# A message of the protocol that calls a function has no text to go by

my ($function) = @{ $session->query(q{SELECT 'tarx_keys.update_llm_key'::regproc::oid})->{rows} };
leaves_no_value(
	'function call',
	sub { is($session->call($function, undef, undef, qq({"$_[0]": "\\u0000"}))->{C}, '22P05', 'fails with 22P05'); },
	qr/ERROR:  22P05: /);

# A message that is all right by itself comes with its statement, which may not be known yet:
# this one is written while the text is read

SKIP:
{
	$session->query('SET log_min_error_statement = warning');
	skip 'this PostgreSQL has no such warning any more', 2
	  if defined $session->query('SET standard_conforming_strings = off')->{C};
	leaves_no_value(
		'statement of a warning',
		sub { $session->query("SELECT tarx_keys.add_llm_key(NULL, NULL, NULL, '$_[0]\\n')"); },
		qr/WARNING:  22P06: nonstandard use of escape in a string literal at character \d+\n(?!.*STATEMENT:)/s);
	$session->query('SET standard_conforming_strings = on');
}

# Queries within a function: their texts come with the error, and may be all that names ours

leaves_no_value(
	'query within a statement',
	sub {
		fails_with(qq{DO \$\$ BEGIN EXECUTE 'SELECT tarx_keys.add_llm_key(NULL, NULL, NULL, ''$_[0]'') + FROM'; END \$\$}, '42601');
	},
	qr/42601: %s at or near "%s" <redacted/);
$node->safe_psql('postgres', q{
	CREATE FUNCTION public.broken(v text) RETURNS void LANGUAGE plpgsql AS $$
	BEGIN EXECUTE 'SELECT tarx' || '_keys.add_' || 'llm_key(NULL, NULL, NULL, ' || quote_literal(v) || ') + FROM'; END $$});
leaves_no_value(
	'query within a function',
	sub { is($session->execute('SELECT public.broken($1)', $_[0])->{C}, '42601', 'fails with 42601'); },
	qr/42601: %s at or near "%s" <redacted/);

# What waits to be parsed is not hidden yet, and a deadlock shows it, in a detail for the log

my $other = Protocol->connect($node, $superuser);
$node->safe_psql('postgres', 'CREATE TABLE one (); CREATE TABLE two ()');
$session->query(q{SET deadlock_timeout = '100ms'});
$session->query('BEGIN; LOCK TABLE one');
$other->query(q{SET deadlock_timeout = '60s'});
$other->query('BEGIN; LOCK TABLE two');
leaves_no_value(
	'statement that a deadlock shows',
	sub {
		$other->send("SELECT tarx_keys.add_llm_key(NULL, 'openai', 'x', '$_[0]') FROM one");
		ok(wait_until(sub { $node->safe_psql('postgres', 'SELECT count(*) FROM pg_locks WHERE NOT granted') eq '1' }), 'it waits');
		fails_with('LOCK TABLE two', '40P01');
		$other->answer;
	},
	qr/ERROR:  40P01: deadlock detected\n/);
$session->query('ROLLBACK');

# Whoever records statements when a plan ends gets no text with a value, even if it has
# forgotten what it recorded when that was parsed

SKIP:
{
	skip 'pg_stat_statements is not installed', 15 unless $pgss;
	my $value = value('plan');

	$session->query('CREATE EXTENSION pg_stat_statements');
	$session->query(q{BEGIN; SELECT tarx_keys.act_as('alice')});
	$session->write(Protocol::message('P', "named\0SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'Plan', '$value')\0" . pack('n', 0))
		  . Protocol::message('S', ''));
	is($session->answer->{C}, undef, 'a statement is parsed');
	$session->query('SELECT pg_stat_statements_reset()');
	$session->write(Protocol::message('B', "\0named\0" . pack('nnn', 0, 0, 0))
		  . Protocol::message('E', "\0" . pack('N', 0))
		  . Protocol::message('S', ''));
	is($session->answer->{C}, undef, 'and executed later');
	$session->query('COMMIT');
	is(index($node->safe_psql('postgres', 'SELECT query FROM pg_stat_statements'), $value), -1,
		'pg_stat_statements has no value of a plan');

	# a text that has a value though its plan calls nothing, executed where the client's text does not say so
	$session->write(Protocol::message('P', "constants\0SELECT 'tarx_keys.add_llm_key' AS a, '$value' AS b\0" . pack('n', 0)) . Protocol::message('S', ''));
	is($session->answer->{C}, undef, 'a statement of constants is parsed');
	foreach my $executing ('EXECUTE constants', 'EXPLAIN EXECUTE constants', 'CREATE TABLE of_constants AS EXECUTE constants')
	{
		$session->query(q{SET pg_stat_statements.track = 'all'; SELECT pg_stat_statements_reset()});
		is($session->query("SELECT run('" . unpack('H*', $executing) . "')")->{C}, undef, "$executing: done");
		my $queries = $node->safe_psql('postgres', 'SELECT query FROM pg_stat_statements');
		is(index($queries, $value), -1, 'pg_stat_statements has no value');
		like($queries, qr/redacted: it names tarx_keys.add_llm_key/, 'but a notice');
	}

	$session->query('RESET pg_stat_statements.track');

	# the notice has another length than what it stands for: one of several statements, without constants
	$session->query("CREATE TABLE arguments AS SELECT '$PROJECT'::uuid AS p, 'PLACE' AS n, '$value' AS v");
	$session->query(q{BEGIN; SELECT tarx_keys.act_as('alice'); SELECT pg_stat_statements_reset()});
	is($session->query('SELECT tarx_keys.set_secret(p, n, v) FROM arguments WHERE n IS NOT NULL AND v IS NOT NULL; SELECT p FROM arguments')->{C},
		undef, 'one of several statements');
	$session->query('COMMIT');
	is($node->safe_psql('postgres', q{SELECT DISTINCT query FROM pg_stat_statements WHERE query LIKE '%redacted%'}),
		'/* statement redacted: it names tarx_keys.set_secret */', 'pg_stat_statements has its notice, and no more');
}

# A function of another schema that has the name of one of ours is none of ours

$session->query(q{
	CREATE FUNCTION public.add_llm_key(text) RETURNS integer LANGUAGE plpgsql AS $$ BEGIN RETURN 0; END $$;
	CREATE VIEW view_of_another AS SELECT public.add_llm_key('x') AS zero});
my $offset = log_size($node);
fails_with('SELECT 1 / zero FROM view_of_another', '22012');
like(log_since($node, $offset), qr/STATEMENT:  SELECT 1 \/ zero FROM view_of_another/, 'a statement that calls it is logged as it is');

# The text of this call does not say that it is one, and it fails before the function begins. Each message
# of the extended protocol shows the text again.

$session->query('CREATE TABLE zeros AS SELECT 0 AS zero');
my $escaped = q{SELECT U&"tarx\\005fkeys".U&"add\\005fllm\\005fkey"(NULL, '', '', '%s' || (1 / zero)::text) FROM zeros};
leaves_no_value(
	'statement that is run by a later message',
	sub {
		$session->write(Protocol::message('P', "\0" . sprintf($escaped, $_[0]) . "\0" . pack('n', 0))
			  . Protocol::message('B', "\0\0" . pack('nnn', 0, 0, 0))
			  . Protocol::message('E', "\0" . pack('N', 0))
			  . Protocol::message('S', ''));
		is($session->answer->{C}, '22012', 'fails with 22012');
	},
	qr/ERROR:  22012: /);

# While a statement is planned it is no secret that it runs, but its text is one

{
	my $value = value('statement that is planned');
	my $blocker = Protocol->connect($node, $superuser);
	my ($pid) = @{ $session->query('SELECT pg_backend_pid()')->{rows} };

	$blocker->query('CREATE INDEX of_zeros ON zeros (zero)');
	$blocker->query('BEGIN; REINDEX INDEX of_zeros');
	$session->write(Protocol::message('Q', "SELECT tarx_keys.add_llm_key(NULL, '', '', '$value') FROM zeros\0"));
	ok( wait_until(sub { $node->safe_psql('postgres', "SELECT count(*) FROM pg_stat_activity WHERE pid = $pid AND wait_event_type = 'Lock'") }),
		'a statement waits while it is planned');
	my $shown = $node->safe_psql('postgres', "SELECT query FROM pg_stat_activity WHERE pid = $pid");
	$blocker->query('COMMIT');
	is($session->answer->{C}, '22023', 'and goes on');
	is($shown, '/* statement redacted: it names tarx_keys.add_llm_key */', 'others see a notice');
}

# An extension that is made anew has other functions

$session->query('DROP EXTENSION tarx_keys CASCADE; CREATE EXTENSION tarx_keys');
leaves_no_value('function that was made anew', sub { fails_with(sprintf($escaped, $_[0]), '22012'); }, qr/ERROR:  22012: /);

$node->stop;
done_testing();
