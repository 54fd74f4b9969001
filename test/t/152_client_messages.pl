# The verdict on a client's message holds for all that it starts: parallel workers
# and positions of errors among them. It is found once, however many statements the
# message has, and takes no memory that stays.

use strict;
use warnings FATAL => 'all';
use utf8;

use FindBin;
use lib $FindBin::RealBin;

use Encode qw(decode_utf8 encode_utf8);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Protocol;
use TarxKeys;

my $node = new_node('messages',
	keyring => { master_key => hex_key('a') },
	conf => "log_min_messages = notice\nmax_parallel_workers = 4\n");
$node->start;
install($node);
$node->safe_psql(
	'postgres', qq{
	GRANT CREATE ON SCHEMA public TO service;
	ALTER ROLE service SET parallel_setup_cost = 0;
	ALTER ROLE service SET parallel_tuple_cost = 0;
	ALTER ROLE service SET min_parallel_table_scan_size = 0;
	ALTER ROLE service SET max_parallel_workers_per_gather = 2;
	ALTER ROLE service SET max_parallel_maintenance_workers = 2;
	SET ROLE service;
	CREATE TABLE public.big (x int) WITH (parallel_workers = 2, autovacuum_enabled = off);
	INSERT INTO public.big SELECT generate_series(1, 20000);
	-- as if it were immutable, for an index
	CREATE FUNCTION public.sleeps(x int) RETURNS int LANGUAGE plpgsql IMMUTABLE PARALLEL SAFE AS \$\$
	BEGIN PERFORM pg_sleep(600); RETURN x; END \$\$;
	CREATE FUNCTION public.wrapper(v text) RETURNS int LANGUAGE plpgsql AS \$\$
	BEGIN RETURN tarx_keys.set_secret('$PROJECT', 'WRAPPED', v); END \$\$;});
my $superuser = $node->safe_psql('postgres', 'SELECT current_user');

# Parallel workers

my $act = q{SELECT tarx_keys.act_as('alice');};
my $sleep = 'SELECT count(pg_sleep(600)) FROM public.big';
my $set = "SELECT tarx_keys.set_secret('$PROJECT', 'S', 'MARKER')";
my %messages = (
	'a later statement' => "BEGIN; $act $set; $sleep; COMMIT;",
	'an earlier statement' => "BEGIN; $act $sleep; $set; COMMIT;",
	'CREATE INDEX' => "BEGIN; $act $set; CREATE INDEX ON public.big (public.sleeps(x)); COMMIT;",
	'a statement after a wrapper' => "BEGIN; $act SELECT public.wrapper('MARKER'); $sleep; COMMIT;",
	'CREATE INDEX after a wrapper' => "BEGIN; $act SELECT public.wrapper('MARKER'); CREATE INDEX ON public.big (public.sleeps(x)); COMMIT;",
	'dynamic SQL' => "BEGIN; $act $set; DO \$\$ BEGIN EXECUTE '$sleep WHERE ''MARKER'' <> '''''; END \$\$; COMMIT;",
	'dynamic SQL of several statements' =>
	  "DO \$\$ DECLARE f text := 'set_' || 'secret'; BEGIN EXECUTE '$sleep; SELECT tarx_' || 'keys.' || f || '(NULL, NULL, ''MARKER'')'; END \$\$");
my $counter = 0;

# Run it until a parallel worker sleeps; look at what others see, and cancel it.
sub workers_show
{
	my ($form, $send) = @_;
	my $offset = log_size($node);
	my $session = Protocol->connect($node, 'service');
	my $pid = $session->query('SELECT pg_backend_pid()')->{rows}[0];
	my $marker = 'marker' . $counter++ . 'x';

	$send->($session, $marker);
	$node->poll_query_until('postgres',
		qq{SELECT count(*) > 0 FROM pg_stat_activity WHERE leader_pid = $pid AND pid <> $pid AND wait_event = 'PgSleep'})
	  or die "no worker sleeps in $form";
	my $shown = $node->safe_psql('postgres', 'SELECT a::text FROM pg_stat_activity a');
	my $workers = $node->safe_psql('postgres',
		"SELECT DISTINCT query FROM pg_stat_activity WHERE leader_pid = $pid");
	$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
	is($session->answer->{C}, '57014', "$form is cancelled");
	$node->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_stat_activity WHERE leader_pid = $pid")
	  or die "the workers of $form stay";
	is(index($shown, $marker), -1, "workers of $form do not show a value");
	like($workers, qr{^/\* statement redacted: it names tarx_keys\.\w+ \*/$}, 'but which function it was');
	is(index(log_since($node, $offset), $marker), -1, 'and the log has none');
	return;
}

foreach my $form (sort keys %messages)
{
	workers_show($form, sub { $_[0]->send($messages{$form} =~ s/MARKER/$_[1]/gr) });
}
workers_show('a bound statement with a name in a string',
	sub { $_[0]->send_bound("$sleep WHERE 'tarx_keys.set_secret $_[1]' <> \$1", 'x') });

# While a later statement is parsed, and waits for a lock

{
	my $holder = Protocol->connect($node, $superuser);

	$holder->query('CREATE TABLE public.locked (x int); GRANT SELECT ON public.locked TO service');
	$holder->query('BEGIN');
	$holder->query('LOCK TABLE public.locked');
	foreach my $first ('BEGIN', 'START TRANSACTION READ WRITE', 'COMMIT', q{SET application_name = 'a'}, 'SHOW port')
	{
		my $session = Protocol->connect($node, 'service');
		my $pid = $session->query('SELECT pg_backend_pid()')->{rows}[0];

		$session->send(qq{$first; SELECT count(*) FROM public.locked; $act SELECT tarx_keys.set_secret('$PROJECT', 'S', 'parsed'); ROLLBACK});
		$node->poll_query_until('postgres', qq{SELECT wait_event_type = 'Lock' FROM pg_stat_activity WHERE pid = $pid})
		  or die "nothing waits after $first";
		is($node->safe_psql('postgres', "SELECT query FROM pg_stat_activity WHERE pid = $pid"),
			'/* statement redacted: it names tarx_keys.set_secret */', "after $first, what waits for a lock shows no value");
		$node->safe_psql('postgres', "SELECT pg_cancel_backend($pid)");
		is($session->answer->{C}, '57014', 'it is cancelled');
	}
	$holder->query('ROLLBACK');
}

# What the server says that the session runs

{
	my $session = Protocol->connect($node, $superuser);
	my $notice = '/* statement redacted: it names tarx_keys.set_secret */';

	is_deeply($session->query(q{SELECT current_query() AS set_secret, 'value'})->{rows}, [$notice], 'current_query() shows no value');
	is_deeply($session->query(q{SELECT 1; SELECT current_query()})->{rows}, [ 1, 'SELECT 1; SELECT current_query()' ],
		'that of the next message is its own');
}

# Positions of errors

my @texts = (
	q{PREPARE p AS SELECT tarx_keys.set_secret(NULL, 'é漢😀', nope)},
	q{/* é漢😀 */ PREPARE p AS SELECT tarx_keys.set_secret(NULL, 'é', nope)},
	q{DECLARE c CURSOR WITH HOLD FOR SELECT 'ключ от всех дверей, ключ от всех дверей', tarx_keys.set_secret(NULL, nope)},
	q{EXPLAIN SELECT '漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字', tarx_keys.set_secret(NULL, nope)},
	q{CREATE TABLE public.t AS SELECT 'é', tarx_keys.set_secret(NULL, nope)},
	q{COPY (SELECT '😀😀', tarx_keys.set_secret(NULL, nope)) TO STDOUT},
	q{SET application_name = 'é'; SELECT 'é'; EXPLAIN SELECT 'é', tarx_keys.set_secret(NULL, nope)},
	q{DO $$ BEGIN EXECUTE 'SELECT ''é''; EXPLAIN SELECT ''é'', tarx_keys.set_secret(NULL, nope)'; END $$},
	q{EXPLAIN SELECT tarx_keys.set_secret(NULL, nope)});

foreach my $db (qw(postgres eucjp))
{
	if ($db ne 'postgres')
	{
		$node->safe_psql('postgres', "CREATE DATABASE $db TEMPLATE template0 ENCODING 'EUC_JP' LOCALE 'C'");
		$node->safe_psql($db, 'CREATE EXTENSION tarx_keys');
	}
	my $session = Protocol->connect($node, $superuser, $db);

	foreach my $text (@texts)
	{
		my $sql = $db eq 'postgres' ? $text : $text =~ tr/é😀/語丐/r;
		my $answer = $session->query(encode_utf8($sql));
		my $where = defined $answer->{q} ? decode_utf8($answer->{q}) : $sql;
		my $position = defined $answer->{q} ? $answer->{p} : $answer->{P};

		is($answer->{C}, '42703', encode_utf8("$db: fails: $sql"));
		is($position, index($where, 'nope') + 1, 'and the error is where it is');
	}

	# what a session sees of its own can be shown in its encoding
	$session->query(encode_utf8(qq{PREPARE "\x{8a9e}" AS SELECT '\x{8a9e}\x{4e10}', tarx_keys.set_secret(NULL, NULL, NULL)}));
	foreach my $encoding ('UTF8', 'EUC_JP')
	{
		$session->query("SET client_encoding = $encoding");
		my $rows = $session->query('SELECT statement FROM pg_prepared_statements')->{rows};

		is(scalar @$rows, 1, "$db: the prepared statement is shown in $encoding");
		like($rows->[0], qr/statement redacted: it names tarx_keys\.set_secret \*\/ *$/, 'without its text');
		unlike($rows->[0], qr/SELECT/, 'which is blank');
	}
}

# Memory

my $session = Protocol->connect($node, $superuser);
$session->query(
	q{
	CREATE FUNCTION public.asks(i int) RETURNS bigint LANGUAGE sql VOLATILE AS $$
		SELECT count(*) FROM (VALUES (i)) v (x) WHERE x < 0 AND tarx_keys.set_secret(NULL, NULL, NULL) IS NULL $$;
	CREATE FUNCTION public.runs(i int) RETURNS bigint LANGUAGE sql VOLATILE AS $$
		SET LOCAL application_name = 'set_secret'; SELECT i::bigint $$;});

# What the session uses when it has called a function so often, in the same statement
sub used_after
{
	my ($function, $calls) = @_;

	return $session->query(
		qq{
		SELECT used FROM (SELECT count(public.$function(i)) AS calls FROM generate_series(1, $calls) i OFFSET 0) c,
			LATERAL (SELECT sum(used_bytes) AS used FROM pg_backend_memory_contexts WHERE calls > 0 OFFSET 0) m})->{rows}[0];
}

# PostgreSQL itself keeps some memory for each call.
foreach my $function (qw(asks runs))
{
	my %grown;

	foreach my $redact ('off', 'on')
	{
		$session->query("SET tarx_keys.redact_logs = $redact");
		used_after($function, 10);
		$grown{$redact} = used_after($function, 5000) - used_after($function, 10);
	}
	note("5000 calls of $function(): $grown{off} bytes without redaction, $grown{on} with it");
	cmp_ok($grown{on} - $grown{off}, '<', 20_000, "redacted calls of $function() use no memory that stays");
}

my $used = q{SELECT used_bytes FROM pg_backend_memory_contexts WHERE name = 'ErrorContext'};
my $before = $session->query($used)->{rows}[0];
$session->query(q{DO $$ BEGIN FOR i IN 1..2000 LOOP RAISE NOTICE 'set_secret %', i; END LOOP; END $$});
cmp_ok($session->query($used)->{rows}[0] - $before, '<', 20_000, 'neither do notices');

# Many statements: the time of the session's process, for one message of all of them
# and for many messages, which a quadratic search would make many times shorter.

$session->query('CREATE TABLE public.many (a_number int, a_text text)');
$session->query('PREPARE a_name AS SELECT 1');
my @inserts = map { "INSERT INTO public.many (a_number, a_text) VALUES ($_, 'the text number $_ of a long series');" } 1 .. 8000;
my @sets = map { "SET LOCAL application_name = 'the name of an application, number $_ of a long series';" } 1 .. 8000;
my $marking = 'SELECT 1 AS set_secret;';
my %kinds = (
	'INSERT' => sub { join ' ', @inserts[ $_[0] .. $_[1] ] },
	'SET LOCAL' => sub { join ' ', @sets[ $_[0] .. $_[1] ] },
	'SAVEPOINT' => sub { 'BEGIN;' . 'SAVEPOINT a_name; RELEASE a_name; /* some words that make it as long as the others are */' x ($_[1] - $_[0]) . 'COMMIT;' },
	'EXECUTE' => sub { 'EXECUTE a_name; /* some words that make it as long as the others are, and not longer */' x ($_[1] - $_[0]) },
	'INSERT in dynamic SQL' => sub { 'DO $d$ BEGIN EXECUTE $e$' . join(' ', @inserts[ $_[0] .. $_[1] ]) . '$e$; END $d$' },
	'SET LOCAL in dynamic SQL' => sub { 'DO $d$ BEGIN EXECUTE $e$' . join(' ', @sets[ $_[0] .. $_[1] ]) . '$e$; END $d$' },
	'warnings' => sub { join ' ', map { 'ROLLBACK; ' . $_ } @sets[ $_[0] .. $_[1] ] });

$kinds{"$_, redacted"} = sub { "$marking " . $kinds{$_[2]}->(@_) } foreach ('INSERT', 'SET LOCAL');
$kinds{"$_, redacted"} = sub { $kinds{$_[2]}->(@_) =~ s/EXECUTE \$e\$/EXECUTE \$e\$$marking/r }
  foreach ('INSERT in dynamic SQL', 'SET LOCAL in dynamic SQL');

# A server that asserts looks through all its memory again and again
foreach my $kind ($node->safe_psql('postgres', 'SHOW debug_assertions') eq 'on' ? () : sort keys %kinds)
{
	my $time_of = sub {
		my ($size) = @_;
		my $start = $session->processor_time;

		for (my $n = 0; $n < 8000; $n += $size)
		{
			my $answer = $session->query($kinds{$kind}->($n, $n + $size - 1, $kind =~ s/, redacted//r));
			is($answer->{M}, undef, "$kind: succeeds") if defined $answer->{M};
		}
		return $session->processor_time - $start;
	};
	my $pieces = $time_of->(200);
	my $whole = $time_of->(8000);

	note("$kind: $pieces ticks for messages of 200 statements, $whole for one of 8000");
	cmp_ok($whole, '<', 4 * $pieces + 20, "$kind: thousands of statements in a message take no longer than by the hundred");
}

$node->stop;
done_testing();
