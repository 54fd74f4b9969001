# The examples in examples/sealed, in Node.js and in C, against a server: what
# either of them seals the server takes, what the server seals they open. And
# what takes a program that seals: limits of size, and master keys that change.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use SealedBoxes;
use TarxKeys;

my $examples = "$FindBin::RealBin/../../examples/sealed";
my $dir = PostgreSQL::Test::Utils::tempdir;
my ($old, $new) = (hex_key('sealed'), hex_key('sealed, later'));
# characters that a shell would look into, and those that take more than a byte
my $value = q{sk-proj-'"$1\\-0123456789abcdef0123456789};
my $secret = "first line\n\tsecond \x{f0}\x{9f}\x{94}\x{91}";

npm_packages($examples);

my $keys = write_private("$dir/keys", $old);
my $node = new_node(
	'sealed',
	keyring => { master_key_file => $keys },
	conf => "tarx_keys.log_resolves = all\n");
$node->start;
install($node);
$ENV{PGHOST} = $node->host;
$ENV{PGPORT} = $node->port;
$ENV{PGDATABASE} = 'postgres';

# Run one of the Node.js examples as a login.
sub node
{
	my ($login, $script, $input, @args) = @_;
	local $ENV{PGUSER} = $login;

	return run_program([ 'node', "$examples/$script", @args ], $input);
}

# Seal with the C program; returns a box as a literal.
sub seal
{
	return seal_box($node, @_);
}

sub as_alice
{
	my ($sql) = @_;
	return "SELECT tarx_keys.act_as('alice'); SELECT tarx_keys.$sql";
}

# Node.js: in

my ($ok, $key, $err) = node('service', 'backend.js', $value, 'alice', $PROJECT, 'openai', 'By Node');
ok($ok, 'Node.js: an admin adds a key') or diag($err);
is(ask_ok($node, 'runner', resolve_sql($key)), $value, 'Node.js: it is the value');
($ok, my $with_url, $err) = node('service', 'backend.js', $value, 'alice', $PROJECT,
	'openai_compatible', "Caf\x{c3}\x{a9}", 'https://llm.example/v1');
ok($ok, 'Node.js: a key with a base URL and a name that is not ASCII') or diag($err);
is(ask_ok($node, 'runner', resolve_sql($with_url)), $value, 'Node.js: it is the value');
($ok, my $out, $err) = node('service', 'backend.js', $secret, 'alice', $PROJECT, 'secret', 'BY_NODE');
is($out, '1', 'Node.js: an admin sets a secret') or diag($err);
is(ask_ok($node, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'BY_NODE') = E'first line\\n\\tsecond \x{f0}\x{9f}\x{94}\x{91}'"),
	't', 'Node.js: it is the secret');
($ok, $out, $err) = node('service', 'backend.js', $value, 'bob', $PROJECT, 'openai', 'By Bob');
like($err, qr/^42501: must be admin/, 'Node.js: a member is refused');

# Node.js: out

my $agent = ask_ok($node, 'service', as_alice("create_agent('$PROJECT', 'Helper', '$key')"));
($ok, $out, $err) = node('runner', 'runner.js', undef, $PROJECT, $agent);
is($out, "https://api.openai.com/v1 $value\nBY_NODE=$secret", 'Node.js: a runner opens what it gets')
  or diag($err);
($ok, $out, $err) = node('runner', 'runner.js', undef, $PROJECT, $key);
like($err, qr/^TK003: agent/, 'Node.js: a runner is told of an agent that is none');

# C: in

$key = ask_ok($node, 'service',
	as_alice("add_sealed_llm_key('$PROJECT', 'openai', 'By C', " . seal($value, 'llm-key', 'openai', 'By C') . ')'));
is(ask_ok($node, 'runner', resolve_sql($key)), $value, 'C: an admin adds a key');
is( ask_ok($node, 'service',
		as_alice("set_sealed_secret('$PROJECT', 'BY_C', " . seal($secret, 'secret', 'BY_C') . ')')),
	'1', 'C: an admin sets a secret');

# C: out

my $recipient = new_recipient('runner');
my $sealed = ask_ok($node, 'runner',
	"SELECT sealed FROM tarx_keys.resolve_key_sealed('$PROJECT', '$key', $recipient)");
is(open_box('runner', $sealed), $value, 'C: a runner opens what it gets');
$sealed = ask_ok($node, 'runner',
	"SELECT sealed FROM tarx_keys.resolve_secrets_sealed('$PROJECT', '{BY_C}', $recipient)");
is(open_box('runner', $sealed), $secret, 'C: and a secret');
new_recipient('other');
($ok) = try_open_box('other', $sealed);
ok(!$ok, 'C: nobody else does');

# Sealed calls are logged as those in clear are

my $log = log_since($node, 0);
like($log, qr/event=resolve outcome=allowed project=$PROJECT object=$key sqlstate=- login=runner/,
	'a sealed resolve is logged');
like($log, qr/event=resolve outcome=refused project=$PROJECT object=[0-9a-f-]{36} sqlstate=TK003 login=runner/,
	'so is one that was refused');
is(scalar(() = $log =~ /event=resolve_secret outcome=allowed project=$PROJECT/g), 3,
	'so are two sealed secrets, after one in clear');

# Boxes are in UTF-8 whatever the database's encoding is

$node->safe_psql('postgres', q{
	CREATE DATABASE latin1 ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0});
$node->safe_psql('latin1', 'CREATE EXTENSION tarx_keys');
ask_ok($node, 'service', qq{
	SELECT tarx_keys.act_as('alice');
	SELECT tarx_keys.create_project('Story', '$PROJECT')}, 'latin1');
my $latin1 = ask_ok($node, 'service', as_alice(
	"add_sealed_llm_key('$PROJECT', 'openai', 'Caf\x{c3}\x{a9}', "
	  . seal($value, 'llm-key', 'openai', "Caf\x{c3}\x{a9}") . ')'), 'latin1');
is(ask_ok($node, 'runner', resolve_sql($latin1), 'latin1'), $value, 'LATIN1: a key');
ask_ok($node, 'service', as_alice(
	"set_sealed_secret('$PROJECT', 'BY_C', " . seal($secret, 'secret', 'BY_C') . ')'), 'latin1');
state_is($node, 'runner', "SELECT tarx_keys.resolve_secret('$PROJECT', 'BY_C')", '22P05',
	'LATIN1: a secret that the database cannot show', 'latin1');
$sealed = ask_ok($node, 'runner',
	"SELECT sealed FROM tarx_keys.resolve_secrets_sealed('$PROJECT', '{BY_C}', $recipient)", 'latin1');
is(open_box('runner', $sealed), $secret, 'LATIN1: but seal');

# Sizes: the largest of each, and one byte more

foreach my $case (
	[ "add_sealed_llm_key('$PROJECT', 'openai', 'Size', %s)", [ 'llm-key', 'openai', 'Size' ],
		[ 8192, '' ], [ 8193, '22023' ], [ 65536, '22023' ], [ 65537, 'TK013' ] ],
	[ "set_sealed_secret('$PROJECT', 'SIZE', %s)", [ 'secret', 'SIZE' ],
		[ 1, '' ], [ 65536, '' ], [ 65537, 'TK013' ] ])
{
	my ($call, $args, @sizes) = @$case;

	foreach my $size (@sizes)
	{
		my ($bytes, $state) = @$size;
		my $box = write_private("$dir/box", seal('v' x $bytes, @$args));
		my $file = write_private("$dir/call.sql", as_alice(sprintf $call, slurp_file($box)));

		state_is($node, 'service', "\\i $file", $state, "$args->[0] of $bytes bytes");
	}
}
is(ask_ok($node, 'runner', "SELECT length(tarx_keys.resolve_secret('$PROJECT', 'SIZE'))"),
	'65536', 'the largest secret');

# Boxes to a master key that has been retired, or dropped

my $first = public_key($node);
my @boxes = map { seal($value, 'llm-key', 'openai', "Retired $_") } 1 .. 3;
my $add = sub { as_alice("add_sealed_llm_key('$PROJECT', 'openai', 'Retired $_[0]', $boxes[$_[0] - 1])") };

write_private($keys, "$new\n$old");
reload_keyring($node);
isnt(public_key($node), $first, 'another active master key has another public key');
is(ask_ok($node, 'runner', resolve_sql(ask_ok($node, 'service', $add->(1)))), $value,
	'a box to a retired master key');
my $later = seal($value, 'llm-key', 'openai', 'Later');
write_private($keys, $new);
reload_keyring($node);
state_is($node, 'service', $add->(2), 'TK013', 'a box to a master key that is gone');
is( ask_ok($node, 'runner', resolve_sql(ask_ok($node, 'service',
				as_alice("add_sealed_llm_key('$PROJECT', 'openai', 'Later', $later)")))),
	$value, 'a box to the active one');
state_is($node, 'runner',
	"SELECT * FROM tarx_keys.resolve_key_sealed('$PROJECT', '$key', $recipient)",
	'TK006', 'a key whose master key is gone does not resolve sealed');

# Without a keyring, which only a start can bring about

set_keyring($node);
$node->restart;
state_is($node, 'service', 'SELECT * FROM tarx_keys.sealing_public_key()', 'TK005',
	'no keyring: no public key');
state_is($node, 'service', $add->(3), 'TK005', 'no keyring: no box opens');
state_is($node, 'runner',
	"SELECT * FROM tarx_keys.resolve_key_sealed('$PROJECT', '$key', $recipient)",
	'TK005', 'no keyring: no key resolves sealed');

done_testing();
