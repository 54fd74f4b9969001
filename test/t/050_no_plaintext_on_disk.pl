# No file of the data directory ever gets an LLM key in clear, nor the master
# key: not heap, index, TOAST or WAL, whether the transaction commits, rolls
# back or fails; and so neither does logical decoding, a dump or a statistic.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use File::Find;
use MIME::Base64 qw(decode_base64);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my ($hex, $base64) = (hex_key('disk'), base64_key('disk'));
my $file = write_private("$dir/keys", "$hex\n");

my $node = new_node(
	'disk',
	init => { allows_streaming => 'logical' },
	keyring => { master_key_command => "cat '$file'" },
	conf => "log_min_error_statement = panic\n");
$node->start;

# The files below a directory that have any of these strings in them
sub files_with
{
	my ($path, @needles) = @_;
	my %found;

	find(
		{
			no_chdir => 1,
			wanted => sub {
				my $name = $File::Find::name;

				# a running server removes files meanwhile
				return unless -f $name && open(my $fh, '<:raw', $name);
				local $/;
				my $bytes = <$fh>;
				return unless defined $bytes;
				foreach my $needle (@needles)
				{
					$found{ substr($name, length($path) + 1) } = 1
					  if index($bytes, $needle) >= 0;
				}
			}
		},
		$path);
	return join(' ', sort keys %found);
}

# Is any of these strings in the text? Not like(), which would print all of it.
sub has
{
	my ($text, @needles) = @_;
	return scalar grep { index($text, $_) >= 0 } @needles;
}

# A key value, and the part of it that no mask shows
my %hidden;

sub value
{
	my ($label) = @_;
	my $middle = substr(hex_key("value $label"), 0, 40);

	$hidden{$label} = $middle;
	return "sk-proj-abc${middle}wxyz";
}

install($node);
$node->safe_psql(
	'postgres', q{
	CREATE PUBLICATION everything FOR ALL TABLES;
	SELECT pg_create_logical_replication_slot('everything', 'pgoutput');});

# Added, resolved, deleted

my $kept = add_key($node, 'kept', value('kept'));
my $deleted = add_key($node, 'deleted', value('deleted'));
is(ask_ok($node, 'runner', resolve_sql($kept)), value('kept'), 'a key resolves');
ask_ok(
	$node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.delete_llm_key('$PROJECT', '$deleted');});

# In other clothes

sub add_sql
{
	my ($name, $value) = @_;
	return qq{tarx_keys.add_llm_key('$PROJECT', 'openai', '$name', '$value')};
}
my $act = q{SELECT tarx_keys.act_as('alice')};
ask_ok($node, 'service',
	"$act; PREPARE p AS SELECT " . add_sql('prepared', value('prepared')) . '; EXECUTE p');
ask_ok($node, 'service',
	"$act; DO \$do\$ BEGIN PERFORM " . add_sql('block', value('block')) . '; END $do$');
ask_ok($node, 'service',
	    "$act; DECLARE c CURSOR WITH HOLD FOR SELECT "
	  . add_sql('cursor', value('cursor'))
	  . '; FETCH c');
my $long = substr(join('', map { hex_key("long $_") } 1 .. 130), 0, 8192);
$hidden{long} = substr($long, 4000, 40);
my $long_key = add_key($node, 'long', $long);
is(ask_ok($node, 'runner', resolve_sql($long_key)), $long, 'the longest key resolves');

# Given up

ask_ok($node, 'service',
	"$act; SAVEPOINT s; SELECT " . add_sql('savepoint', value('savepoint')) . '; ROLLBACK TO s');
ask_ok($node, 'service', "$act; SELECT " . add_sql('rolled back', value('rolled back')) . '; ROLLBACK');

foreach my $case (
	[ 'duplicate name', '23505', 'alice', add_sql('kept', value('duplicate name')) ],
	[ 'unknown provider', '22023', 'alice',
		"tarx_keys.add_llm_key('$PROJECT', 'acme', 'x', '@{[value('unknown provider')]}')" ],
	[ 'bad base URL', '22023', 'alice',
		"tarx_keys.add_llm_key('$PROJECT', 'openai_compatible', 'x', '@{[value('bad base URL')]}', 'http://localhost')" ],
	[ 'bad name', '22023', 'alice', add_sql(' ', value('bad name')) ],
	[ 'blank at the end', '22023', 'alice', add_sql('x', value('blank at the end') . ' ') ],
	[ 'no admin', '42501', 'bob', add_sql('x', value('no admin')) ],
	[ 'no member', '42501', 'mallory', add_sql('x', value('no member')) ])
{
	my ($test, $state, $user, $call) = @$case;

	my $err = state_is($node, 'service',
		"SELECT tarx_keys.act_as('$user'); SELECT $call", $state, "$test is refused");
	# the client sees its own statement, but not in the message
	my ($message) = $err =~ /(ERROR: .*)/;
	is(index($message, $hidden{$test}), -1, "$test: the message has no key");
}

# A marker where anybody may write proves that the search finds what is there.
# Several times, because the end of a page of WAL may part one in two.
my $plain = substr(hex_key('plain'), 0, 40);
my $raw = pack('H*', hex_key('raw'));
$node->safe_psql(
	'postgres', qq{
	CREATE TABLE plain (value text, raw bytea);
	INSERT INTO plain SELECT '$plain', '\\x@{[hex_key('raw')]}'::bytea FROM generate_series(1, 9);
	INSERT INTO plain VALUES ('other', NULL);
	ANALYZE;
	CHECKPOINT;});

my $data = $node->data_dir;
my @markers = values %hidden;
is(scalar(@markers), 15, 'all these keys are searched for');

my $where = files_with($data, $plain);
like($where, qr!base/\d+/\d+!, 'the search finds a marker in a table');
like($where, qr!pg_wal/!, 'the search finds a marker in WAL');
like(files_with($data, $raw), qr!base/\d+/\d+.*pg_wal/!, 'the search finds bytes');
is(files_with($data, @markers), '', 'no file has an LLM key in clear');
is(files_with($data, $hex, uc $hex, $base64, decode_base64($base64)),
	'', 'no file has the master key');

# Logical decoding sees each row that is written

my $changes = $node->safe_psql(
	'postgres', q{
	SELECT string_agg(encode(data, 'escape'), E'\n')
	FROM pg_logical_slot_peek_binary_changes('everything', NULL, NULL,
		'proto_version', '1', 'publication_names', 'everything')});
ok(has($changes, 'project_llm_keys'), 'logical decoding has the table of the keys');
ok(has($changes, $plain), 'logical decoding has a marker in a table');
ok(!has($changes, @markers), 'logical decoding has no LLM key in clear');

# Statistics

is( $node->safe_psql(
		'postgres', q{
		SELECT string_agg(attname, ' ' ORDER BY attname) FROM pg_stats
		WHERE schemaname = 'tarx_keys' AND tablename = 'project_llm_keys'
		AND attname IN ('name', 'masked_key', 'ciphertext')}),
	'name',
	'pg_stats has names of keys, but neither masks nor ciphertexts');
my $statistic = $node->safe_psql('postgres', 'SELECT * FROM pg_statistic');
ok(has($statistic, $plain), 'pg_statistic has a marker in a table');
ok(!has($statistic, @markers), 'pg_statistic has no LLM key in clear');

# A dump

$node->run_log([ 'pg_dump', '-f', "$dir/dump.sql", '-d', $node->connstr('postgres') ]);
my $dump = slurp_file("$dir/dump.sql");
ok(has($dump, $kept), 'a dump has the row of a key');
ok(!has($dump, @markers, $hex, $base64), 'a dump has no key in clear');

# What the server writes when it stops, and with the other sources of a keyring

$node->stop;
is(files_with($data, @markers), '', 'no file has an LLM key in clear after a shutdown');
is(files_with($data, $hex, uc $hex, $base64, decode_base64($base64)),
	'', 'no file has the master key after a shutdown');

set_keyring($node, master_key_file => $file);
$node->start;
is(ask_ok($node, 'runner', resolve_sql($kept)), value('kept'), 'a key resolves by a file');
is(files_with($data, $hex, uc $hex, $base64, decode_base64($base64)),
	'', 'no file has the master key that came from a file');

set_keyring($node, master_key => $base64);
$node->restart;
is(ask_ok($node, 'runner', resolve_sql($kept)), value('kept'), 'a key resolves by a setting');
is(files_with($data, $hex, uc $hex, $base64, decode_base64($base64)),
	'keyring.conf', 'only the configuration has the master key that is set there');

done_testing();
