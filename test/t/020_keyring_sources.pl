# Where the keyring can come from, in which forms, and what is refused: then the
# server runs, says why in its log, and what needs a keyring fails with TK005.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use POSIX qw(mkfifo);
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my ($hex_a, $hex_b, $hex_c) = map { hex_key($_) } qw(a b c);
my ($base64_a, $base64_b) = map { base64_key($_) } qw(a b);
(my $unpadded_a = $base64_a) =~ s/=+$//;
my $file = write_private("$dir/keys", "$hex_a\n$hex_b\n$hex_c\n");

my $node = new_node('sources', keyring => { master_key_file => $file });
$node->start;
install($node);
my $value = 'sk-proj-sources-0123456789abcdef0123456789';
my $key = add_key($node, 'first', $value);

my %fingerprint;
@fingerprint{qw(a b c)} = map { (split /\|/)[0] } split /\n/, keyring($node);

# Is the keyring made of these keys, the first of them active?
sub keyring_is
{
	my ($labels, $test) = @_;
	my $active = 't';
	my $expected = '';
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	foreach my $label (@$labels)
	{
		$expected .= "$fingerprint{$label}|$active\n";
		$active = 'f';
	}
	chomp $expected;
	is( $node->safe_psql(
			'postgres',
			'SELECT fingerprint, is_active FROM tarx_keys.keyring_status()'),
		$expected,
		$test);
	return;
}

# Does the keyring open what was sealed with key a, and seal?
my $added = 0;

sub keyring_works
{
	my ($test) = @_;
	my $new = $value . $added;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$added++;
	is(ask_ok($node, 'runner', resolve_sql($key)), $value, "$test: resolves");
	is(ask_ok($node, 'runner', resolve_sql(add_key($node, "more $added", $new))),
		$new, "$test: adds");
	return;
}

sub no_keyring
{
	my ($test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	state_is($node, 'runner', resolve_sql($key), 'TK005', "$test: resolve_key fails");
	state_is($node, 'service', qq{
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', 'none', '$value')},
		'TK005', "$test: add_llm_key fails");
	state_is($node, 'runner', "SELECT * FROM tarx_keys.resolve_provider_key('$PROJECT', 'openai')", 'TK005', "$test: resolve_provider_key fails");
	state_is($node, 'service', 'SELECT * FROM tarx_keys.sealing_public_key()',
		'TK005', "$test: there is no public key to seal to");
	return state_is($node, undef, 'SELECT * FROM tarx_keys.keyring_status()',
		'TK005', "$test: keyring_status fails");
}

# The server starts with a source that is no good, and says why.
sub refused_at_start
{
	my ($settings, $why, $test) = @_;
	my $offset = log_size($node);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	set_keyring($node, %$settings);
	$node->restart;
	like(log_since($node, $offset),
		qr/tarx_keys: no usable master keyring\n.*DETAIL:  .*$why/, "$test: the log says why");
	state_is($node, 'runner', resolve_sql($key), 'TK005', "$test: TK005");
	return;
}

# The same at a reload of a server that has no keyring, which is faster.
sub refused_at_reload
{
	my ($settings, $why, $test) = @_;
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	set_keyring($node, %$settings);
	like(reload_keyring($node),
		qr/tarx_keys: no usable master keyring\n.*DETAIL:  .*$why/, "$test: the log says why");
	state_is($node, 'runner', resolve_sql($key), 'TK005', "$test: TK005");
	return;
}

# Run a server; returns its exit status, or -1 if it goes on. All that it says is in a file.
sub run_server
{
	my ($path, @command) = @_;
	my $server = IPC::Run::start(\@command, '<', '/dev/null', '>', $path, '2>&1',
		IPC::Run::timeout($PostgreSQL::Test::Utils::timeout_default));

	return $server->result(0) if eval { $server->finish; 1 };
	$server->signal('QUIT');
	$server->kill_kill;
	return -1;
}

# Forms of a keyring, in a file

keyring_is([qw(a b c)], 'hexadecimal, one key a line');

foreach my $case (
	[ 'one key', $hex_a, 'a' ],
	[ 'upper case', uc $hex_a, 'a' ],
	[ 'base64', "$base64_a\n", 'a' ],
	[ 'base64 without padding', "$unpadded_a\n", 'a' ],
	[ 'commas', "$hex_a,$base64_b, $hex_c", 'abc' ],
	[ 'commas and newlines', "$hex_c,$hex_a\n$base64_b\n", 'cab' ],
	[ 'CRLF', "$hex_b\r\n$base64_a\r\n", 'ba' ],
	[
		'comments',
		"# of 2031\n\n  $hex_a # active\n#$hex_b\n$base64_b# retired, since $hex_c\n",
		'ab'
	])
{
	my ($test, $text, $labels) = @$case;

	write_private($file, $text);
	reload_keyring($node);
	keyring_is([ split //, $labels ], $test);
}

my $largest = "$hex_a\n$hex_b\n" . '#' x (16384 - 2 * 65);
write_private($file, $largest);
reload_keyring($node);
keyring_is([qw(a b)], 'a file of 16 KiB');

write_private($file, join("\n", map { hex_key($_) } 'a', 1 .. 15));
like(reload_keyring($node), qr/loaded: 16 keys/, 'a file with 16 keys');
keyring_works('16 keys');

# The three sources at server start

foreach my $case (
	[ 'file', { master_key_file => $file }, "$hex_a\n$base64_b", 'ab' ],
	[ 'command', { master_key_command => "cat '$file'" }, "$hex_a\n$base64_b", 'ab' ],
	[
		'command that writes to standard error',
		{ master_key_command => "echo asking the KMS >&2; cat '$file'" },
		$base64_a, 'a'
	],
	[ 'setting', { master_key => "$base64_a,$hex_b" }, undef, 'ab' ],
	[ 'setting with newlines', { master_key => "$hex_a\n$base64_b\n" }, undef, 'ab' ])
{
	my ($test, $settings, $text, $labels) = @$case;

	write_private($file, $text) if defined $text;
	set_keyring($node, %$settings);
	$node->restart;
	keyring_is([ split //, $labels ], "$test: loaded at start");
	keyring_works($test);
}

# None or more than one of them

write_private($file, $hex_a);
foreach my $case (
	[ 'file and command', { master_key_file => $file, master_key_command => "cat '$file'" } ],
	[ 'file and setting', { master_key_file => $file, master_key => $hex_a } ],
	[ 'command and setting', { master_key_command => "cat '$file'", master_key => $hex_a } ],
	[
		'all three',
		{
			master_key_file => $file,
			master_key_command => "cat '$file'",
			master_key => $hex_a
		}
	])
{
	my ($test, $settings) = @$case;
	refused_at_start($settings, 'More than one of', $test);
}
no_keyring('all three');

# A bad value of the setting. Key texts that no log line may have are collected.

my $short = substr($hex_a, 0, 62);
my $long = $hex_a . 'ab';
my $no_hex = 'xy' . substr($hex_a, 2);
my $zero = '00' x 32;
my $repeated = 'a7' x 32;
my $garbage = 'correct-horse-battery-staple';
my @secrets = (
	$hex_a, $hex_b, $hex_c, $base64_a, $base64_b, $unpadded_a, $short,
	substr($no_hex, 2), $zero, $repeated, $garbage, hex_key(7), hex_key(16));

my $malformed = 'neither 64 hexadecimal digits nor base64 of 32 bytes';
foreach my $case (
	[ '31 bytes', $short, $malformed ],
	[ '33 bytes', $long, $malformed ],
	[ 'zero', $zero, 'one byte repeated' ],
	[ 'duplicate', "$hex_a,$base64_a", 'occurs twice' ],
	[ 'garbage', $garbage, $malformed ],
	[ 'what it is shown as', "fingerprint:$fingerprint{a}", $malformed ],
	[ 'comment', '# later', 'no key' ])
{
	my ($test, $text, $why) = @$case;
	refused_at_start({ master_key => $text }, $why, "setting with $test");
}

# A bad file or command at server start: the postmaster reads them itself, and
# must neither fail nor wait.

mkfifo("$dir/fifo", 0600) or die "could not make a FIFO: $!";
refused_at_start({ master_key_file => "$dir/fifo" }, 'not a regular file', 'FIFO at start');
refused_at_start({ master_key_file => "$dir/missing" },
	'cannot be read', 'missing file at start');
refused_at_start({ master_key_command => "cat '$file'; exit 3" },
	'command failed', 'failing command at start');

refused_at_start({}, 'None of', 'no source');
like(
	no_keyring('no source'),
	qr/DETAIL:  .*None of/,
	'keyring_status tells the DBA what is wrong');
is( ask_ok(
		$node, 'service', qq{
		SELECT tarx_keys.act_as('bob');
		SELECT count(*) > 0 FROM tarx_keys.llm_keys}),
	't',
	'no source: the list works');
state_is($node, undef, "SELECT tarx_keys.purge_unverifiable_audit(gen_random_uuid())",
	'TK005', 'no source: no chain is taken for one whose master key is missing');

# Bad texts, in a file

foreach my $case (
	[ '31 bytes', $short, $malformed ],
	[ '33 bytes', $long, $malformed ],
	[ '31 bytes in base64', substr($base64_a, 0, 40) . 'ab==', $malformed ],
	[ '33 bytes in base64', substr($base64_a, 0, 43) . 'A', $malformed ],
	[ '64 characters that are not all hexadecimal', $no_hex, $malformed ],
	[ 'zero', $zero, 'one byte repeated' ],
	[ 'a repeated byte', "$hex_a\n$repeated", 'one byte repeated.* entry 2' ],
	[ 'a duplicate', "$hex_a\n$hex_b\n$hex_a", 'occurs twice.* entry 3' ],
	[ 'a duplicate in another form', "$hex_a\n$base64_a", 'occurs twice.* entry 2' ],
	[ 'no separator', "$hex_a $hex_b", $malformed ],
	[ 'garbage', $garbage, $malformed ],
	[ 'garbage behind a key', "$hex_a\n$garbage", "$malformed.* entry 2" ],
	[ 'a NUL byte', "$hex_a\0\n", $malformed ],
	[ 'nothing', '', 'no key' ],
	[ 'comments only', "# $hex_a\n# $hex_b\n", 'no key' ],
	[ 'a byte more than 16 KiB', "$largest#", 'too long' ],
	[ '17 keys', join("\n", map { hex_key($_) } 'a', 1 .. 16), 'too many' ])
{
	my ($test, $text, $why) = @$case;

	write_private("$dir/bad", $text);
	refused_at_reload({ master_key_file => "$dir/bad" }, $why, "file with $test");
}

# The rules of ssl_key_file

mkdir "$dir/directory", 0700 or die "could not make a directory: $!";
symlink $file, "$dir/link" or die "could not make a symbolic link: $!";
symlink "$dir/missing", "$dir/dangling" or die "could not make a symbolic link: $!";
symlink "$dir/bad", "$dir/link_to_open" or die "could not make a symbolic link: $!";
write_private("$dir/bad", $hex_a, 0644);

foreach my $case (
	[ 'relative path', 'keys', 'not an absolute path' ],
	[ 'missing file', "$dir/missing", 'cannot be read' ],
	[ 'dangling link', "$dir/dangling", 'cannot be read' ],
	[ 'directory', "$dir/directory", 'not a regular file' ],
	[ 'FIFO', "$dir/fifo", 'not a regular file' ],
	[ 'device', '/dev/zero', 'not a regular file' ],
	[ 'link to a file that all may read', "$dir/link_to_open", 'must have permissions' ])
{
	my ($test, $path, $why) = @$case;
	refused_at_reload({ master_key_file => $path }, $why, $test);
}

foreach my $mode (0640, 0644, 0620, 0610, 0604, 0602, 0601)
{
	write_private("$dir/bad", $hex_a, $mode);
	refused_at_reload({ master_key_file => "$dir/bad" },
		'must have permissions', sprintf('mode %04o', $mode));
}

SKIP:
{
	skip 'root may read everything', 2 if $> == 0;
	write_private("$dir/bad", $hex_a, 0);
	refused_at_reload({ master_key_file => "$dir/bad" }, 'cannot be read', 'mode 0000');
}

SKIP:
{
	my $path = $ENV{TARX_KEYS_FILE_OF_ANOTHER};
	skip 'root has made no file of another user', 2 unless defined $path;
	refused_at_reload({ master_key_file => $path }, 'must be owned by', 'file of another user');
}

# Commands

foreach my $case (
	[ 'fails behind its output', "cat '$file'; exit 3", 'command failed' ],
	[ 'is killed behind its output', "cat '$file'; kill -9 \$\$", 'command failed' ],
	[ 'does not exist', "$dir/missing", 'command failed' ],
	[ 'says nothing', 'true', 'no key' ],
	[ 'writes to standard error only', 'echo locked >&2', 'no key' ],
	[ 'writes without end', "yes '#'", 'too long' ])
{
	my ($test, $command, $why) = @$case;
	refused_at_reload({ master_key_command => $command }, $why, "command that $test");
}
like(
	log_since($node, 0),
	qr/master key command failed: child process exited with exit code 3/,
	"the log has the command's status");

# Out of that without a restart, and by every acceptable file

foreach my $case (
	[ 'mode 0400', $file, 0400 ],
	[ 'mode 0600', $file, 0600 ],
	[ 'symbolic link', "$dir/link", 0600 ])
{
	my ($test, $path, $mode) = @$case;

	write_private($file, "$hex_a\n$hex_b", $mode);
	set_keyring($node, master_key_file => $path);
	like(reload_keyring($node), qr/loaded: 2 keys/, "$test: loaded");
	keyring_works($test);

	# the next one must not live on this one's keyring
	set_keyring($node);
	$node->restart;
}

# The command line is no place for a key: ps shows it, and postmaster.opts would have it.
# Other settings may stand there.

$node->stop;
set_keyring($node);
my @postgres = ('postgres', '-D', $node->data_dir);
foreach my $case (
	[ '-c', @postgres, '-c', "tarx_keys.master_key=$hex_a" ],
	[ 'another case', @postgres, '-c', "TARX_KEYS.Master_Key=$hex_a" ],
	[ 'a long option', @postgres, "--tarx_keys.master-key=$hex_a" ],
	[ 'a bad key', @postgres, '-c', "tarx_keys.master_key=$garbage" ],
	[ 'what it is shown as', @postgres, '-c', "tarx_keys.master_key=fingerprint:$fingerprint{a}" ],
	[ 'a stand-alone server', 'postgres', '--single', '-D', $node->data_dir, '-c', "tarx_keys.master_key=$hex_a", 'postgres' ])
{
	my ($test, @command) = @$case;
	my $status = run_server("$dir/refused", @command);
	my $said = slurp_file("$dir/refused");

	is($status, 1, "$test: the server does not start");
	like($said, qr/FATAL:  tarx_keys: tarx_keys\.master_key must not be set on the command line/,
		"$test: it says why");
	is(scalar(grep { index($said, $_) >= 0 } @secrets), 0, "$test: without the key");
	unlike(slurp_file($node->data_dir . '/postmaster.opts'), qr/master_key/, "$test: nor is it in postmaster.opts");
}
foreach my $case (
	[ 'the command', "-c tarx_keys.master_key_command='cat $file'" ],
	[ 'the file, and no key', "-c tarx_keys.master_key= -c tarx_keys.master_key_file=$file" ])
{
	my ($test, $options) = @$case;

	system_log('pg_ctl', '-w', '-D', $node->data_dir, '-l', $node->logfile, '-o', $options, 'start');
	$node->_update_pid(1);
	keyring_works("$test on the command line");
	$node->stop;
}
$node->start;
{
	local $ENV{PGOPTIONS} = "-c tarx_keys.master_key=$hex_a";
	# psql reads nothing, so there is nothing to write: it may have ended by then
	my ($status, $out, $err) = $node->psql('postgres', undef);
	like($err, qr/parameter "tarx_keys\.master_key" cannot be changed/, 'a client cannot set it either');
}

my $log = log_since($node, 0);
foreach my $secret (@secrets)
{
	is(index($log, $secret), -1, 'the log has no key text');
}

done_testing();
