# The recipes for a keyring that is encrypted at rest, examples/master-key: age, a TPM 2.0
# (swtpm), and PKCS#11 (SoftHSM). Each is the server's command: wrapped, unwrapped, another
# wrapping key, a new master key, and what an outage does.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib "$FindBin::RealBin/../t";

use File::Path qw(remove_tree);
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $script = "$FindBin::RealBin/../../examples/master-key/wrapped-keyring";
my $module = '/usr/lib/softhsm/libsofthsm2.so';
my @programs = qw(age swtpm tpm2_unseal softhsm2-util pkcs11-tool openssl);
foreach my $program (@programs)
{
	need($program, grep { -x "$_/$program" } split /:/, $ENV{PATH});
}
need($module, -e $module);

# short, because a socket is in it
my $dir = PostgreSQL::Test::Utils::tempdir_short;
my $swtpm;

sub start_tpm
{
	mkdir "$dir/tpm";
	$swtpm = IPC::Run::start([ 'swtpm', 'socket', '--tpm2', '--tpmstate', "dir=$dir/tpm",
		'--server', "type=unixio,path=$dir/tpm.sock", '--ctrl', "type=unixio,path=$dir/tpm.sock.ctrl",
		'--flags', 'not-need-init,startup-clear' ], '<', '/dev/null', '>', '/dev/null', '2>&1');
	wait_until(sub { -S "$dir/tpm.sock" && -S "$dir/tpm.sock.ctrl" }) or die "swtpm does not start\n";
	return;
}

sub stop_tpm
{
	$swtpm->kill_kill if defined $swtpm;
	undef $swtpm;
	unlink "$dir/tpm.sock", "$dir/tpm.sock.ctrl";
	return;
}
END { local $?; stop_tpm() }

$ENV{TPM2TOOLS_TCTI} = "swtpm:path=$dir/tpm.sock";
$ENV{SOFTHSM2_CONF} = "$dir/softhsm2.conf";
$ENV{TARX_KEYS_PKCS11_MODULE} = $module;
$ENV{TARX_KEYS_PKCS11_TOKEN} = 'keys';
$ENV{TARX_KEYS_PKCS11_PIN_FILE} = write_private("$dir/pin", "1234\n");
write_private("$dir/softhsm2.conf", "directories.tokendir = $dir/tokens\n");
mkdir "$dir/tokens";
start_tpm();
run_command([ 'softhsm2-util', '--init-token', '--free', '--label', 'keys', '--so-pin', '5678', '--pin', '1234' ]);

# The script with an input; returns whether it succeeded, and what it printed.
sub wrapped_keyring
{
	my ($input, @args) = @_;
	my ($out, $err) = ('', '');
	my $ok = IPC::Run::run([ $script, @args ], '<', \$input, '>', \$out, '2>', \$err);

	return ($ok, $out, $err);
}

sub is_done
{
	my ($test, $input, @args) = @_;
	my ($ok, $out, $err) = wrapped_keyring($input, @args);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	ok($ok, $test) or diag($err);
	return $out;
}

# What makes what gives the identity unreachable, and reachable again
my %outage = (
	age => [ sub { rename "$_[0]/current/identity", "$_[0]/identity" }, sub { rename "$_[0]/identity", "$_[0]/current/identity" } ],
	tpm => [ \&stop_tpm, \&start_tpm ],
	pkcs11 => [ sub { rename "$dir/tokens", "$dir/gone" }, sub { rename "$dir/gone", "$dir/tokens" } ]);
my ($first, $second) = map { hex_key("wrapped $_") . "\n" } 1 .. 2;
my $node = new_node('wrapped');
$node->start;
my $key;

foreach my $backend (qw(age tpm pkcs11))
{
	my $home = "$dir/$backend";

	mkdir $home;
	is_done("$backend: a wrapping key", '', 'init', $backend, $home);
	is_done("$backend: a keyring is wrapped", $first, 'wrap', $home);
	unlike(slurp_file("$home/keyring.age"), qr/\Q${\ substr($first, 0, 32)}\E/, "$backend: what is stored is no keyring");
	is(is_done("$backend: it is unwrapped", '', 'unwrap', $home), $first, "$backend: as it was");
	my $identity = join '', map { slurp_file($_) } grep { -f } glob "$home/current/*";
	unlike($identity, qr/AGE-SECRET-KEY/, "$backend: the identity is not in a file") if $backend ne 'age';

	# the server's command
	set_keyring($node, master_key_command => "$script unwrap $home");
	like(reload_keyring($node), qr/master keyring loaded/, "$backend: the server loads it");
	install($node) unless defined $key;
	$key = add_key($node, 'Key', 'sk-proj-0123456789abcdefghijkl') unless defined $key;
	key_resolves($node, $key, 'sk-proj-0123456789abcdefghijkl', "$backend: a key resolves");

	# another wrapping key
	my $before = readlink "$home/current";
	is_done("$backend: another wrapping key", '', 'rewrap', $backend, $home);
	isnt(readlink("$home/current"), $before, "$backend: is another one");
	is(is_done("$backend: it unwraps", '', 'unwrap', $home), $first, "$backend: the same keyring");
	is(scalar(@{ [ glob "$home/key.*" ] }), 1, "$backend: the old one is gone");

	# another master key, in front of the old one
	is_done("$backend: a new master key is wrapped", $second . is_done("$backend: with the old one", '', 'unwrap', $home), 'wrap', $home);
	reload_keyring($node);
	is(keyring($node), hex_fingerprints($node), "$backend: the keyring has both");
	is_done("$backend: back to the first", $first, 'wrap', $home);
	reload_keyring($node);

	# an outage
	my ($out_of_order, $again) = @{ $outage{$backend} };
	$out_of_order->($home);
	my $said = reload_until($node, qr/tarx_keys: master keyring not reloaded.*\n.*DETAIL:.*\n/);
	like($said, qr/master key command wrote to its standard error: \S/, "$backend: an outage is logged, with what the command said");
	key_resolves($node, $key, 'sk-proj-0123456789abcdefghijkl', "$backend: the keyring that is there stays in use");
	$node->restart;
	state_is($node, 'runner', resolve_sql($key), 'TK005', "$backend: a server that starts meanwhile has none");
	my $offset = log_size($node);
	$again->($home);
	ok($node->wait_for_log(qr/master keyring loaded/, $offset), "$backend: it loads it by itself when the outage is over");
	key_resolves($node, $key, 'sk-proj-0123456789abcdefghijkl', "$backend: the key resolves again");
}

# From one backend to another
is_done('from a file to the TPM', '', 'rewrap', 'tpm', "$dir/age");
is(slurp_file("$dir/age/current/backend"), "tpm\n", 'the TPM gives the identity now');
is(is_done('it unwraps', '', 'unwrap', "$dir/age"), $first, 'and it is the same keyring');
like((run_command([ 'tpm2_getcap', 'handles-persistent' ]))[0], qr/^- 0x8101740[0-9]\n- 0x8101740[0-9]$/, 'the TPM has a handle for each, and no old ones');

# What is not right
foreach my $wrong (
	[ 'a second wrapping key', 'has a wrapping key already', '', 'init', 'age', "$dir/age" ],
	[ 'no such backend', 'there is no backend', '', 'rewrap', 'paper', "$dir/tpm" ],
	[ 'no keyring', 'no keyring on standard input', '', 'wrap', "$dir/tpm" ],
	[ 'no directory', 'has no wrapping key', '', 'unwrap', "$dir/none" ],
	[ 'no command', 'usage', '' ])
{
	my ($test, $message, @call) = @$wrong;
	my ($ok, $out, $err) = wrapped_keyring(@call);

	ok(!$ok && $out eq '' && $err =~ /wrapped-keyring: .*\Q$message\E/, "$test is refused") or diag($err);
}
is(is_done('and nothing of it has changed a keyring', '', 'unwrap', "$dir/tpm"), $first, 'it is the same');

# The commands and the log have no master key.
unlike(slurp_file($node->logfile), qr/@{[ join '|', map { substr $_, 0, 32 } $first, $second ]}|AGE-SECRET/, 'no master key and no identity is in the server log');
stop_tpm();

done_testing();

# keyring() of a server whose active key is another one than that of its row
sub hex_fingerprints
{
	my ($server) = @_;
	my ($row) = $server->safe_psql('postgres', q{SELECT tarx_keys_internal.fingerprint_of(ciphertext) FROM tarx_keys.project_llm_keys});
	my ($active) = grep { $_ ne $row } split /\n/, $server->safe_psql('postgres', 'SELECT unnest(tarx_keys_internal.keyring_fingerprints())');

	return "$active|t|0\n$row|f|1";
}
