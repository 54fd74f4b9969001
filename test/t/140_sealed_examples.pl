# The examples in examples/sealed, in Node.js, C and Python, against a server: what
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

my $python = python_with('nacl');
need('PyNaCl', defined $python);
npm_packages("$examples/../client");

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
like($err, qr/^42501: must be key manager or admin/, 'Node.js: a member is refused');

# Node.js: out

my $agent = ask_ok($node, 'service', as_alice("create_agent('$PROJECT', 'Helper', '$key')"));
($ok, $out, $err) = node('runner', 'runner.js', undef, $PROJECT, $agent);
is($out, "https://api.openai.com/v1 Authorization: Bearer $value\nBY_NODE=$secret", 'Node.js: a runner opens what it gets')
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
is_deeply(open_key('runner', $sealed, $key),
	{ provider => 'openai', base_url => 'https://api.openai.com/v1', auth_header => 'Authorization',
		auth_scheme => 'Bearer', value => $value, headers => '' },
	'C: a runner opens what it gets');
$sealed = ask_ok($node, 'runner',
	"SELECT sealed FROM tarx_keys.resolve_secrets_sealed('$PROJECT', '{BY_C}', $recipient)");
is(open_secret('runner', $sealed, 'BY_C'), $secret, 'C: and a secret');

# C: in, with options, and a header that JSON escapes

my $options = write_private("$dir/options", q({"priority": 7, "headers": {"x-gateway": "\"a\\\\b\""}}));
my @with_options = ('-d', 'https://api.openai.com/v1', '-o', $options);
my $with_headers = ask_ok($node, 'service',
	as_alice("add_sealed_llm_key('$PROJECT', 'openai', 'Options', " . seal($value, 'llm-key', @with_options, 'openai', 'Options') . ')'));
my $sealed_headers = ask_ok($node, 'runner',
	"SELECT sealed FROM tarx_keys.resolve_key_sealed('$PROJECT', '$with_headers', $recipient)");
is(open_key('runner', $sealed_headers, $with_headers)->{headers}, q({"x-gateway":"\"a\\\\b\""}),
	'C: a runner gets the headers');

# Python: in

sub seal_by_python
{
	my ($what, @args) = @_;
	return "'\\x" . run_program_ok([ $python, "$FindBin::RealBin/sealed_reader.py", $what, public_key($node), $PROJECT, @args ], $value) . "'";
}

my $by_python = ask_ok($node, 'service', as_alice("add_sealed_llm_key('$PROJECT', 'openai', 'Caf\x{c3}\x{a9} by Python', "
	  . seal_by_python('seal-llm-key', 'https://api.openai.com/v1', 'openai', "Caf\x{c3}\x{a9} by Python") . ')'));
is(ask_ok($node, 'runner', resolve_sql($by_python)), $value, 'Python: an admin adds a key');
is( ask_ok($node, 'service', as_alice("set_sealed_secret('$PROJECT', 'BY_PYTHON', " . seal_by_python('seal-secret', 'BY_PYTHON') . ')')),
	'1', 'Python: an admin sets a secret');

# Somebody in between, as a pooler, who changes what passes through. Each case is the
# box that a reader gets, and what it asked for.

my $other_key = add_key($node, 'other', 'sk-proj-other-0123456789abcdef0123456789');
my $agent_of_c = ask_ok($node, 'service', as_alice("create_agent('$PROJECT', 'Of C', '$key')"));
ask_ok($node, 'service', as_alice("set_secret('$PROJECT', 'OTHER', 'other')"));
ask_ok($node, 'service', as_alice("add_llm_key('$PROJECT', 'mistral', 'Mistral', '0123456789abcdefghijklmnopqrstuv')"));

sub sealed_row
{
	my ($call, $to) = @_;
	$call =~ s/TO$/$to || $recipient/e;
	return ask_ok($node, 'runner', "SELECT sealed FROM tarx_keys.$call)");
}

my $earlier = new_recipient('earlier');
my $other_project = 'bbbbbbbb-0000-4000-8000-000000000002';
my $key_box = sealed_row("resolve_key_sealed('$PROJECT', '$key', TO");
my $agent_box = sealed_row("resolve_agent_key_sealed('$PROJECT', '$agent_of_c', TO");
my $provider_box = sealed_row("resolve_provider_key_sealed('$PROJECT', 'openai', TO");
my $secret_box = sealed_row("resolve_secrets_sealed('$PROJECT', '{BY_C}', TO");
my @refused = (
	[ 'the box of another key', $key_box, 'key', $other_key, qr/for something else/ ],
	[ 'the box of a key for its agent', $key_box, 'key', $agent_of_c, qr/for something else/ ],
	[ 'the box of an agent for its key', $agent_box, 'key', $key, qr/for something else/ ],
	[ 'the box of another provider', sealed_row("resolve_provider_key_sealed('$PROJECT', 'mistral', TO"), 'provider-key', 'openai', qr/for something else/ ],
	[ 'the box of a provider for another key', $provider_box, 'key', $key, qr/for something else/ ],
	[ 'the box of a secret for a provider', $secret_box, 'provider-key', 'openai', qr/for something else/ ],
	[ 'the box of a key that was tried', $provider_box, 'provider-key', 'openai', qr/was tried/, $PROJECT, $key, uc $with_headers ],
	[ 'what was tried, for an id', $agent_box, 'key', $agent_of_c, qr/usage|tried goes with provider/, $PROJECT, $key ],
	[ 'the box of another secret', $secret_box, 'secret', 'OTHER', qr/for something else/ ],
	[ 'the box of a secret for a key', $secret_box, 'key', $key, qr/for something else/ ],
	[ 'the box of a key for a secret', $key_box, 'secret', 'BY_C', qr/for something else/ ],
	[ 'the box of another project', $key_box, 'key', $key, qr/for something else/, $other_project ],
	[ 'a box of an earlier run', sealed_row("resolve_key_sealed('$PROJECT', '$key', TO", $earlier), 'key', $key, qr/./ ],
	[ 'a box to the server', seal($value, 'llm-key', 'openai', 'By C') =~ s/'//gr, 'key', $key, qr/./ ],
	[ 'a box that was changed', $key_box =~ s/(.)\z/$1 eq '0' ? '1' : '0'/er, 'key', $key, qr/./ ],
	[ 'a box that was cut', substr($key_box, 0, -2), 'key', $key, qr/./ ],
	[ 'no box', '\x00', 'key', $key, qr/./ ]);

# Boxes that nobody but an attacker makes: to the runner, from bytes of his own
my $start = unpack('H*', "\2tarx.box-out...2") . $PROJECT =~ s/-//gr;
my $field = sub { join '', map { defined $_ ? '01' . unpack('H*', pack('N/a*', $_)) : '00' } @_ };
my $id = pack('H*', $key =~ s/-//gr);
my @whole = ($id, 'openai', 'https://evil.example/v1', 'Authorization', 'Bearer', 'forged');
my %forged = (
	'that goes on' => $start . $field->(@whole, undef) . '00',
	'that ends early' => $start . $field->(@whole),
	'that ends in a field' => $start . $field->(@whole) . '01000000ff7b7d',
	'with a field that is none' => $start . $field->(@whole) . '02',
	'without a value' => $start . $field->(@whole[0 .. 4], undef, undef),
	'without a base URL' => $start . $field->(@whole[0, 1], undef, @whole[3 .. 5], undef),
	'without an id' => $start . $field->(undef, @whole[1 .. 5], undef),
	'with half an id' => $start . $field->(substr($id, 8), @whole[1 .. 5], undef),
	'with more than an id' => $start . $field->("$id.", @whole[1 .. 5], undef),
	'of another format' => $start =~ s/^02/01/r . $field->(@whole, undef),
	'for another purpose' => $start =~ s/32(?=\Q@{[ $PROJECT =~ s{-}{}gr ]}\E)/31/r . $field->(@whole, undef));

sub forge
{
	my ($payload, $to) = @_;
	return run_program_ok([ 'node', "$FindBin::RealBin/sealed_reader.mjs", 'forge', $to =~ s/^'\\x|'$//gr ], $payload);
}

# One to the server that is longer than any value and options need, and one that is not
foreach my $blanks (0, 262_144)
{
	my $box = forge(unpack('H*', "\2tarx.box-llm...2") . $PROJECT =~ s/-//gr . $field->('openai', 'Blanks', undef, 'https://api.openai.com/v1')
		  . sprintf('%016x', time() + 300) . $field->('{"priority": 7' . ' ' x $blanks . '}') . unpack('H*', $value), "'" . public_key($node) . "'");
	state_is($node, 'service', as_alice("add_sealed_llm_key('$PROJECT', 'openai', 'Blanks', '\\x$box')"),
		$blanks ? 'TK013' : '', "a box with $blanks blanks more than it needs");
}

foreach my $case (sort keys %forged)
{
	my $box = forge($forged{$case}, $recipient);
	push @refused, [ "a box $case", $box, 'key', $key, qr/./ ], [ "a provider's box $case", $box, 'provider-key', 'openai', qr/./ ];
}
push @refused, [ 'a secret with a base URL',
	forge($start . $field->('BY_C', undef, 'https://evil.example/v1', undef, undef, 'forged', undef), $recipient),
	'secret', 'BY_C', qr/no secret/ ];

my @readers = (
	[ 'C', seal_program() ],
	[ 'Node.js', 'node', "$FindBin::RealBin/sealed_reader.mjs" ],
	[ 'Python', $python, "$FindBin::RealBin/sealed_reader.py" ]);
foreach my $reader (@readers)
{
	my ($language, @program) = @$reader;
	my $open = sub {
		my ($sealed, $what, $asked, $project, @tried) = @_;
		return run_program([ @program, "open-$what", key_file('runner'), $project || $PROJECT, $asked, @tried ], $sealed);
	};

	# the row beside the box says what the pooler likes; the reader never sees it
	($ok, $out, $err) = $open->($key_box, 'key', $key);
	is($out, "openai\nhttps://api.openai.com/v1\nAuthorization\nBearer\n$value\n",
		"$language: the base URL is the one in the box") or diag($err);
	($ok, $out) = $open->($agent_box, 'key', $agent_of_c);
	is((split /\n/, $out)[4], $value, "$language: the box of an agent");
	($ok, $out, $err) = $open->($provider_box, 'provider-key', 'openai', $PROJECT, $key);
	is_deeply([ (split /\n/, $out)[ 0, 1, 5 ] ], [ $with_headers, 'openai', $value ], "$language: the box of a provider") or diag($err);
	($ok, $out) = $open->($sealed_headers, 'key', $with_headers);
	is((split /\n/, $out)[5], q({"x-gateway":"\"a\\\\b\""}), "$language: headers");
	($ok, $out) = $open->($secret_box, 'secret', 'BY_C');
	is($out, $secret, "$language: the box of a secret");
	foreach my $case (@refused)
	{
		my ($name, $sealed, $what, $asked, $error, @rest) = @$case;

		($ok, $out, $err) = $open->($sealed, $what, $asked, @rest);
		ok(!$ok && $out eq '', "$language: $name is refused");
		like($err, $error, "$language: and says why");
	}
}

# Sealed calls are logged as those in clear are

my $log = log_since($node, 0);
like($log, qr/event=resolve outcome=allowed project=$PROJECT object=$key sqlstate=- login=runner/,
	'a sealed resolve is logged');
like($log, qr/event=resolve outcome=refused project=$PROJECT object=[0-9a-f-]{36} sqlstate=TK003 login=runner/,
	'so is one that was refused');
is(scalar(() = $log =~ /event=resolve_secret outcome=allowed project=$PROJECT/g), 4,
	'so are three sealed secrets, after one in clear');

# The runner itself behind such a pooler: a database whose function hands on other rows
# than the real one has

$node->safe_psql('postgres', 'CREATE DATABASE between');
$node->safe_psql('between', 'CREATE EXTENSION tarx_keys');
my ($agent_between, $other_agent) = map {
	my $name = $_;
	ask_ok($node, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.create_project('Story', '$PROJECT') WHERE '$name' = 'Agent';
		SELECT tarx_keys.create_agent('$PROJECT', '$name', tarx_keys.add_llm_key('$PROJECT', 'openai', '$name', 'sk-proj-\L$name\E-0123456789abcdef'))}, 'between')
	  =~ s/.*\n//sr
} 'Agent', 'Other';
my $before = ask_ok($node, 'runner',
	"SELECT sealed FROM tarx_keys.resolve_agent_key_sealed('$PROJECT', '$agent_between', $earlier)", 'between');
$node->safe_psql('between', 'ALTER FUNCTION tarx_keys.resolve_agent_key_sealed RENAME TO real_one');

sub pooler_returns
{
	my ($columns, $of) = @_;

	$node->safe_psql('between', qq{
		CREATE OR REPLACE FUNCTION tarx_keys.resolve_agent_key_sealed(project_id uuid, agent_id uuid, recipient bytea,
			model text, tried uuid[], OUT base_url text, OUT sealed bytea) LANGUAGE sql
		AS \$\$ SELECT $columns FROM tarx_keys.real_one(project_id, $of, recipient) \$\$});
	local $ENV{PGDATABASE} = 'between';
	return node('runner', 'runner.js', undef, $PROJECT, $agent_between);
}

($ok, $out, $err) = pooler_returns(q('https://evil.example/v1', sealed), 'agent_id');
is($out, 'https://api.openai.com/v1 Authorization: Bearer sk-proj-agent-0123456789abcdef',
	'a runner does not believe another base URL beside the box') or diag($err);
($ok, $out, $err) = pooler_returns('base_url, sealed', "'$other_agent'");
like("$out$err", qr/^undefined: the box is for something else$/, 'a runner refuses the box of another agent');
($ok, $out, $err) = pooler_returns("base_url, '$before'::bytea", 'agent_id');
ok(!$ok && $out eq '', 'a runner refuses a box of an earlier run') or diag($out);

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
is(open_secret('runner', $sealed, 'BY_C'), $secret, 'LATIN1: but seal');
$latin1 = ask_ok($node, 'service', as_alice(
	"add_sealed_llm_key('$PROJECT', 'openai', 'L\x{c3}\x{b6}we', "
	  . seal($value, 'llm-key', @with_options, 'openai', "L\x{c3}\x{b6}we") . ')'), 'latin1');
is(ask_ok($node, 'runner', "SELECT headers ->> 'x-gateway' FROM tarx_keys.resolve_key('$PROJECT', '$latin1')", 'latin1'),
	'"a\\b"', 'LATIN1: a key with options');

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
# who is a member hangs on a master key, too
$node->safe_psql('postgres', "SELECT tarx_keys.restamp_members('$PROJECT')");
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
