# What a backend's memory has of a value when a call is over, as a core dump
# would show it: nothing, where neither a statement nor a result had the value;
# the extension wipes its copies. Where one had it, PostgreSQL's buffers of that
# session have it too, but no memory that all sessions share.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use Memory;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SealedBoxes;
use TarxKeys;

my ($master, $later) = (hex_key('memory'), hex_key('memory, later'));
my $keys = write_private(PostgreSQL::Test::Utils::tempdir . '/keys', $master);
my $node = new_node(
	'memory',
	keyring => { master_key_file => $keys },
	conf => "shared_buffers = 1MB\n");
$node->start;
install($node);

my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query_safe('SELECT pg_backend_pid()');

plan skip_all => 'needs to read /proc/PID/mem and smaps with flags'
  unless can_read_memory($pid);

sub value
{
	my ($label) = @_;
	return 'sk-proj-abc' . hex_key($label) . 'wxyz';
}

# What to search for: 16 bytes each, so that a copy is found that was overwritten
# in part.
sub parts
{
	return map { unpack('(a16)4', hex_key($_)) } @_;
}

my @labels = ('key', 'secret', 'refused', 'elsewhere', 'compressed', 'header', 'other header', 'broken');
my $act = q{SELECT tarx_keys.act_as('alice')};
my $recipient = new_recipient('runner');

# Run a statement in the session; returns what it printed, and its error.
sub run
{
	my ($sql) = @_;
	return $session->query($sql);
}

sub leaves_nothing
{
	my ($test, $sql, $error) = @_;

	run("BEGIN; $act");
	my ($out) = run($sql);
	like($session->{stderr}, $error || qr/^(?!.*ERROR)/s, "$test: " . ($error ? 'fails' : 'succeeds'));
	$session->{stderr} = '';
	is(count_in($pid, parts(@labels)), 0, "$test leaves no value in memory");
	run('COMMIT');
	return $out;
}

# Sealed in: neither the statement nor the result has the value

my $key = leaves_nothing('add_sealed_llm_key',
	"SELECT tarx_keys.add_sealed_llm_key('$PROJECT', 'openai', 'In', "
	  . seal_box($node, value('key'), 'llm-key', 'openai', 'In') . ')');

# Switches for a box whose options have a header with this value
sub with_header
{
	my ($value, $rest) = @_;
	my $json = sprintf('{"headers": {"x-other": "\u0022%s", "x-gateway-key": "%s"}%s',
		value('other header'), $value, $rest || '}');
	my $file = write_private(PostgreSQL::Test::Utils::tempdir . '/options', $json);

	return ('-d', 'https://api.openai.com/v1', '-o', $file);
}

my $with_header = leaves_nothing('add_sealed_llm_key with headers',
	"SELECT tarx_keys.add_sealed_llm_key('$PROJECT', 'openai', 'Header', "
	  . seal_box($node, value('key'), 'llm-key', with_header(value('header')), 'openai', 'Header') . ')');
leaves_nothing('options that are no JSON',
	"SELECT tarx_keys.add_sealed_llm_key('$PROJECT', 'openai', 'Broken', "
	  . seal_box($node, value('key'), 'llm-key', with_header(value('broken'), ', nonsense'), 'openai', 'Broken') . ')',
	qr/the sealed box does not open/);
leaves_nothing('options with an escape that is none',
	"SELECT tarx_keys.add_sealed_llm_key('$PROJECT', 'openai', 'Broken', "
	  . seal_box($node, value('key'), 'llm-key', with_header(value('broken') . '\ud800'), 'openai', 'Broken') . ')',
	qr/the sealed box does not open/);
leaves_nothing('set_sealed_secret',
	"SELECT tarx_keys.set_sealed_secret('$PROJECT', 'IN', "
	  . seal_box($node, value('secret'), 'secret', 'IN') . ')');
leaves_nothing('a value that is refused',
	"SELECT tarx_keys.add_sealed_llm_key('$PROJECT', 'openai', 'Refused', "
	  . seal_box($node, "\n" . value('refused'), 'llm-key', 'openai', 'Refused') . ')',
	qr/ERROR:  the sealed value /);
leaves_nothing('a box for something else',
	"SELECT tarx_keys.add_sealed_llm_key('$PROJECT', 'openai', 'Here', "
	  . seal_box($node, value('elsewhere'), 'llm-key', 'openai', 'There') . ')',
	qr/the sealed box does not open/);

# Sealed out

my $agent = leaves_nothing('create_agent', "SELECT tarx_keys.create_agent('$PROJECT', 'Agent', '$key')");
foreach my $call (
	"resolve_key_sealed('$PROJECT', '$key', $recipient)",
	"resolve_keys_sealed('$PROJECT', '{$key}', $recipient)",
	"resolve_agent_key_sealed('$PROJECT', '$agent', $recipient)",
	"resolve_secrets_sealed('$PROJECT', NULL, $recipient)")
{
	my $sealed = leaves_nothing($call =~ s/\(.*//r, "SELECT sealed FROM tarx_keys.$call");

	is( $call =~ /secret/ ? open_secret('runner', $sealed, 'IN') :
		  open_key('runner', $sealed, $call =~ /agent/ ? $agent : $key)->{value},
		value($call =~ /secret/ ? 'secret' : 'key'), 'which it had opened');
}
is( open_key('runner', leaves_nothing('a key with headers',
			"SELECT sealed FROM tarx_keys.resolve_key_sealed('$PROJECT', '$with_header', $recipient)"), $with_header)->{headers},
	sprintf('{"x-other":"\"%s","x-gateway-key":"%s"}', value('other header'), value('header')),
	'which it had opened');

# In a run, whose ticket only the statement has that enters it

my $ticket = ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent', recipient_public_key => $recipient)});
run('BEGIN');
isnt(run("SELECT * FROM tarx_keys.enter_run('$ticket')"), '', 'a run');
foreach my $call ("resolve_agent_key_sealed('$PROJECT', '$agent', $recipient)", "resolve_key_sealed('$PROJECT', '$key', $recipient)")
{
	my $name = $call =~ s/\(.*//r;

	isnt(run("SELECT sealed FROM tarx_keys.$call"), '', "$name in a run");
	is(count_in($pid, parts(@labels)), 0, 'leaves no value in memory');
}
run("SELECT tarx_keys.resolve_agent_key('$PROJECT', '$agent')");
like($session->{stderr}, qr/for another recipient/, 'a call that the run is not for');
$session->{stderr} = '';
is(count_in($pid, parts(@labels)), 0, 'leaves none either');
run('ROLLBACK');

# What opens values and shows none

leaves_nothing('restore_secret', "SELECT tarx_keys.restore_secret('$PROJECT', 'IN', 1)");
leaves_nothing('the list of keys', 'SELECT status FROM tarx_keys.llm_keys');
leaves_nothing('verify_keys', 'SELECT * FROM tarx_keys.verify_keys()');

# A value that PostgreSQL itself has compressed only, so that the copy in clear
# is ours; lz4 leaves what does not repeat as it is
$node->safe_psql(
	'postgres', q{
	SET default_toast_compression = 'pglz';
	CREATE TABLE compressed AS
		SELECT encode(sha256('tarx_keys test compressed'), 'hex') || repeat('x', 8000) AS value});
leaves_nothing('set_secret of a compressed value',
	"SELECT tarx_keys.set_secret('$PROJECT', 'COMPRESSED', value) FROM compressed");

write_private($keys, "$later\n$master");
reload_keyring($node);
run('CALL tarx_keys.rotate_master_key()');
is(run('SELECT bool_and(remaining = 0) FROM tarx_keys.rotation_progress'), 't', 'a rotation');
is(count_in($pid, parts(@labels)), 0, 'leaves no value in memory');
is(count_in($pid, map { ($_, pack('H*', $_)) } $master, $later), 0,
	'nor does any call leave a master key there');

# The page has the keyring in use, and nothing of the ones before

is(count_in_page($node, $master), 1, 'the page has the keyring with the former master key');
write_private($keys, $later);
reload_keyring($node);
is(count_in_page($node, $later), 1, 'after a reload it has the new one');
is(count_in_page($node, $master), 0, 'and the master key that was taken out has left it');

# The same search finds what PostgreSQL has of a statement, also in shared memory

my $other = $node->background_psql('postgres');
my $other_pid = $other->query_safe('SELECT pg_backend_pid()');
$other->query_safe(q{SELECT '} . value('plain') . q{'});
cmp_ok(count_in($other_pid, parts('plain')), '>=', 4, 'a session has its statement');
is(count_in($pid, parts('plain')), 4, 'other sessions have it, too, for pg_stat_activity');

$other->query_safe("BEGIN; $act");
$other->query_safe("SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'Plain', '" . value('bound') . q{')});
cmp_ok(count_in($other_pid, parts('bound')), '>=', 4, 'so it is with one that adds a key');
is(count_in($pid, parts('bound')), 0, 'but other sessions have nothing of that one');

$other->query_safe('COMMIT');
$ticket = ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.issue_run_ticket('$PROJECT', '$agent')});
my @parts = unpack('(a16)*', $ticket);
# each has 16 characters, and the first one is that of all tickets
@parts = @parts[ 1 .. $#parts - 1 ];
$other->query_safe("SELECT * FROM tarx_keys.enter_run('$ticket')");
cmp_ok(count_in($other_pid, @parts), '>=', 4, 'a session that has entered a run has its ticket');
is(count_in($pid, @parts), 0, 'but other sessions have nothing of that');

$other->quit;
$session->quit;
$node->stop;
done_testing();
