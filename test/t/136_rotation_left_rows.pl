# A rotation leaves out no row: not one that was written with the old master key and is
# not committed yet, not one that an update moves behind its back, none in children of a
# table. Several sessions share the work, and whoever looks at it disturbs nobody.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $file = write_private("$dir/keys", hex_key('a'));
my $node = new_node('left', keyring => { master_key_file => $file });
my $call = 'CALL tarx_keys.rotate_master_key(batch_size => 50)';

$node->start;
install($node);

sub use_master_keys
{
	write_private($file, join("\n", map { hex_key($_) } @_));
	like(reload_keyring($node), qr/loaded: \d+ key/, "keyring @_");
	return;
}

sub query
{
	my ($sql) = @_;
	return $node->safe_psql('postgres', $sql);
}

# How many rows need another master key, counted
sub remaining
{
	is(query('SELECT count(*) FROM tarx_keys_internal.running_rotation()'), '0', 'no rotation is running');
	return query('SELECT sum(remaining) FROM tarx_keys.rotation_progress');
}

sub start_rotation
{
	my ($said) = @_;
	return IPC::Run::start(
		[ 'psql', '-Xq', '-v', 'ON_ERROR_STOP=1', '-d', $node->connstr('postgres'), '-c', $call ],
		'<', \undef, '>', \my $nothing, '2>', $said);
}

sub waits_for
{
	my ($locktype, $what) = @_;
	ok( $node->poll_query_until(
			'postgres', qq{
			SELECT count(*) = 1 FROM pg_stat_activity JOIN pg_locks USING (pid)
			 WHERE query ~ 'rotate_master_ke[y]' AND NOT granted AND locktype = '$locktype'}),
		$what);
	return;
}

# So that 128 blocks, which a session takes at once, are only a part of the table
ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT count(tarx_keys.add_llm_key('$PROJECT', 'mistral', 'key ' || i, 'value-of-key-' || i)) FROM generate_series(1, 100) i;
	SELECT count(tarx_keys.set_secret('$PROJECT', 'S' || i, repeat('x', 1800))) FROM generate_series(1, 700) i});

# Two sessions take different blocks

use_master_keys('b', 'a');
my $batch = q{SELECT resealed, (last >> 16) & 4294967295 >= 128
	FROM tarx_keys_internal.rotate_rows('project_secrets', 'tarx_keys.project_secrets'::regclass, NULL, 1000, false)};
my $progress = q{SELECT total, done, remaining FROM tarx_keys.rotation_progress WHERE table_name = 'project_secrets'};
my @sessions = map { $node->background_psql('postgres') } 1 .. 2;
my @batches = map {
	$_->query_safe('BEGIN; SELECT count(*) FROM tarx_keys_internal.begin_rotation(1000)');
	[ split /\|/, $_->query_safe($batch) ]
} @sessions;
is($batches[0][1], 'f', 'the first session takes the first blocks');
is($batches[1][1], 't', 'the second session takes others');
my $resealed = $batches[0][0] + $batches[1][0];
cmp_ok($batches[$_][0], '>', 20, 'which have rows') foreach 0 .. 1;
is(query($progress), join('|', 700, $resealed, 700 - $resealed), 'rotation_progress tells of both, without counting');
$sessions[0]->query_safe('ROLLBACK');
is(query('SELECT count(*) > 0 FROM tarx_keys_internal.running_rotation()'), 't', 'who is cancelled leaves the other one alone');
query(q{SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE state = 'idle in transaction'});
eval { $sessions[1]->quit };
ok($node->poll_query_until('postgres', 'SELECT count(*) = 0 FROM tarx_keys_internal.running_rotation()'),
	'it is over when the last one has gone');
$sessions[0]->quit;
is(query($progress), '700|0|700', 'and what they have not committed is still to be done');
query($call);
is(remaining(), '0', 'all that they left is done');

# New versions mostly stay where they are, and need nothing in indexes.
ok($node->poll_query_until('postgres',
	q{SELECT n_tup_hot_upd > n_tup_upd / 3 FROM pg_stat_user_tables WHERE relname = 'project_secrets'}),
	'most rows stay on their pages');

# A row that was written with the old key, and is committed after the rotation has begun

my $writer = $node->background_psql('postgres', extra_params => [ '-U', 'service' ]);
$writer->query_safe(qq{
	BEGIN;
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.add_llm_key('$PROJECT', 'mistral', 'late', 'value-of-key-late')});
use_master_keys('c', 'b');
my $said = '';
my $rotation = start_rotation(\$said);
waits_for('virtualxid', 'the rotation waits for who has written before');
$writer->query_safe('COMMIT');
$writer->quit;
ok($rotation->finish, 'and goes on');
is(remaining(), '0', 'the late row as well is sealed again');
unlike($said, qr/WARNING|ERROR/, 'without a warning');

# A row that is moved, while the rotation waits for another one, to blocks that it has seen

query($_) foreach
  'VACUUM FULL tarx_keys.project_llm_keys',
  "DELETE FROM tarx_keys.project_llm_keys WHERE ctid < '(2,0)'",
  'VACUUM tarx_keys.project_llm_keys';
my @names = split /\n/, query(q{SELECT name FROM tarx_keys.project_llm_keys ORDER BY ctid});
my ($holder, $mover) = map {
	my $session = $node->background_psql('postgres');
	$session->query_safe("BEGIN; SELECT 1 FROM tarx_keys.project_llm_keys WHERE name = '$_' FOR UPDATE");
	$session
} @names[ 0, -1 ];
use_master_keys('d', 'c');
$rotation = start_rotation(\$said);
waits_for('transactionid', 'the rotation waits for the first row');
my $place = "SELECT ctid FROM tarx_keys.project_llm_keys WHERE name =";
my $new = $mover->query_safe("UPDATE tarx_keys.project_llm_keys SET created_at = now() WHERE name = '$names[-1]' RETURNING ctid; COMMIT");
my $first = query("$place '$names[0]'");
is(query("SELECT '$new'::tid < '$first'::tid"), 't', "the last row moves before it, to $new, before $first");
$holder->query_safe('COMMIT');
$_->quit foreach $holder, $mover;
ok($rotation->finish, 'and goes on');
is(remaining(), '0', 'the row that has moved as well is sealed again');
unlike($said, qr/WARNING|ERROR/, 'without a warning');

# Rows of a child, and of a table with a trigger and a constraint

query($_) foreach
  'CREATE TABLE child () INHERITS (tarx_keys.project_llm_keys)',
  "WITH moved AS (DELETE FROM ONLY tarx_keys.project_llm_keys WHERE name = '$names[0]' RETURNING *) INSERT INTO child SELECT * FROM moved",
  'CREATE TABLE seen (name text)',
  'GRANT INSERT ON seen TO PUBLIC',
  q{CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS $$
	BEGIN
		INSERT INTO public.seen VALUES (CASE WHEN NEW.ciphertext <> OLD.ciphertext THEN NEW.name END);
		RETURN NEW;
	END $$},
  'CREATE TRIGGER see BEFORE UPDATE ON tarx_keys.project_secrets FOR EACH ROW EXECUTE FUNCTION see()',
  'CREATE TRIGGER see AFTER UPDATE ON child FOR EACH ROW EXECUTE FUNCTION see()';
use_master_keys('e', 'd');
my $offset = log_size($node);
query($call);
unlike(log_since($node, $offset), qr/WARNING/, 'triggers leave nothing open');
is(remaining(), '0', 'nothing is left');
is(query('SELECT count(DISTINCT name), count(*) FROM seen'), '701|701', 'triggers have seen each row once');
query('ALTER TABLE child ADD CHECK (octet_length(ciphertext) < 10) NOT VALID');
use_master_keys('f', 'e');
my ($status, $out, $err) = $node->psql('postgres', $call, extra_params => [ '-v', 'VERBOSITY=verbose' ]);
is(state_of($err), '23514', 'constraints are those of an UPDATE');
query('DROP TABLE child; DROP TRIGGER see ON tarx_keys.project_secrets');
query($call);
is(remaining(), '0', 'without it nothing is left');
is(query('SELECT DISTINCT status FROM tarx_keys.verify_keys() WHERE status NOT IN (SELECT $$older$$)'), 'ok', 'and all is what was written');

$node->stop;
done_testing();
