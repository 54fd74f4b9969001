# A reload of the configuration reloads the keyring, in sessions that stay
# connected too; a bad one changes nothing; and no failure of whatever loads it
# takes the keyring away, holds up anybody, or lasts.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my %hex = map { $_ => hex_key($_) } qw(a b c d);
my $file = write_private("$dir/keys", join("\n", @hex{qw(a b c d)}));
my $value = 'sk-proj-reload-0123456789abcdef0123456789';

my $node = new_node(
	'reload',
	keyring => { master_key_file => $file },
	conf => "restart_after_crash = on\n");
$node->start;
install($node);

my %fingerprint;
@fingerprint{qw(a b c d)} = map { (split /\|/)[0] } split /\n/, keyring($node);

# Give the file these keys and reload.
sub reload_keys
{
	my ($labels) = @_;

	write_private($file, join("\n", map { $hex{$_} } @$labels));
	return reload_keyring($node);
}

# A session of a login that stays connected.
sub connect_as
{
	my ($login) = @_;
	my $session = $node->background_psql(
		'postgres',
		on_error_stop => 0,
		extra_params => [ '-U', $login, '-v', 'VERBOSITY=verbose' ]);

	$session->set_query_timer_restart();
	return $session;
}

# What a session gets for a query: its output, or its error.
sub try_in
{
	my ($session, $sql) = @_;

	$session->{stderr} = '';
	my $out = $session->query($sql);
	return $session->{stderr} ne '' ? $session->{stderr} : $out;
}

sub add_in
{
	my ($session, $name) = @_;
	my $out = try_in(
		$session, qq{BEGIN;
		SELECT tarx_keys.act_as('alice');
		SELECT tarx_keys.add_llm_key('$PROJECT', 'openai', '$name', '$value-$name');
		COMMIT});
	return (split /\n/, $out)[-1];
}

# A new active key

reload_keys(['a']);
my $service = connect_as('service');
my $runner = connect_as('runner');
my $runner_pid = try_in($runner, 'SELECT pg_backend_pid()');
my $first = add_in($service, 'first');
is(try_in($runner, resolve_sql($first)), "$value-first", 'resolved before the reload');

reload_keys([qw(b a)]);
my $second = add_in($service, 'second');
is( keyring($node),
	"$fingerprint{b}|t|1\n$fingerprint{a}|f|1",
	'a session that stays connected encrypts with the new active key');
is(try_in($runner, resolve_sql($second)), "$value-second", 'a row of the new key resolves');
is(try_in($runner, resolve_sql($first)), "$value-first", 'a row of the old key resolves');

# The old key retired too early

reload_keys(['b']);
my $error = try_in($runner, resolve_sql($first));
is(state_of($error), 'TK006', 'without its master key a row fails with TK006');
like($error, qr/ERROR:.*$fingerprint{a}/, 'TK006 names the missing key');
like($error, qr/HINT:  .*add this master key to the keyring/, 'TK006 says what to do');
is(try_in($runner, resolve_sql($second)), "$value-second", 'other rows resolve');
is( keyring($node),
	"$fingerprint{b}|t|1\n$fingerprint{a}||1",
	'keyring_status tells which key is missing');

reload_keys([qw(b a)]);
is(try_in($runner, resolve_sql($first)), "$value-first", 'back with its master key');

# Bad ones

foreach my $case (
	[ 'garbage', sub { write_private($file, 'garbage') }, 'neither 64 hexadecimal' ],
	[ 'too open', sub { write_private($file, $hex{c}, 0644) }, 'must have permissions' ],
	[ 'missing', sub { unlink $file or die $! }, 'cannot be read' ])
{
	my ($test, $spoil, $why) = @$case;

	$spoil->();
	like(
		reload_keyring($node),
		qr/the one in use stays\n.*DETAIL:  .*$why/,
		"bad file, $test: the log says why");
	is(try_in($runner, resolve_sql($first)),
		"$value-first", "bad file, $test: an old session resolves");
	is(ask_ok($node, 'runner', resolve_sql($second)),
		"$value-second", "bad file, $test: a new session resolves");
	like(add_in($service, "with-" . ($test =~ tr! !-!r)),
		qr/^[0-9a-f-]{36}$/, "bad file, $test: an old session adds");
}
is(try_in($runner, 'SELECT pg_backend_pid()'), $runner_pid,
	'all that in the same session');

# Another source

write_private("$dir/command_keys", join("\n", @hex{qw(c b a)}));
my $command = "cat '$dir/command_keys'";
set_keyring($node, master_key_command => $command);
like(reload_keyring($node),
	qr/loaded: 3 keys, active fingerprint $fingerprint{c}/, 'the log tells the active key');
is(try_in($runner, resolve_sql($first)), "$value-first", 'from a file to a command');
like(keyring($node), qr/^$fingerprint{c}\|t\|0$/m, 'the command counts');

write_private($file, $hex{d});
set_keyring($node, master_key_file => $file, master_key_command => $command);
like(
	reload_keyring($node),
	qr/the one in use stays\n.*DETAIL:  .*More than one/,
	'with two sources the log says so');
is(try_in($runner, resolve_sql($first)),
	"$value-first", 'with two sources the keyring in use stays');
set_keyring($node);
like(
	reload_keyring($node),
	qr/the one in use stays\n.*DETAIL:  .*None of/,
	'without a source the log says so');
is(try_in($runner, resolve_sql($first)),
	"$value-first", 'without a source the keyring in use stays');

set_keyring($node, master_key_file => $file);
reload_keys([qw(b a)]);

# Crashes

my $postmaster = (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0];

sub crash
{
	my ($pid, $test) = @_;
	my $offset = log_size($node);
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	kill 'KILL', $pid;
	$node->wait_for_log(qr/all server processes terminated; reinitializing/, $offset);
	$node->poll_query_until('postgres', 'SELECT true');
	is( (split /\n/, slurp_file($node->data_dir . '/postmaster.pid'))[0],
		$postmaster, "$test: the postmaster goes on");
	is(ask_ok($node, 'runner', resolve_sql($first)), "$value-first", "$test: the keyring stays");
	ok(wait_until(sub { worker_pid($node) }), "$test: the worker is back");
	return;
}

$service->quit;
crash($runner_pid, 'a backend is killed');
$runner->quit;
reload_keys([qw(c b a)]);
like(keyring($node), qr/^$fingerprint{c}\|t/m, 'a backend is killed: reload works');

crash(worker_pid($node), 'the worker is killed');
reload_keys([qw(b c a)]);
like(keyring($node), qr/^$fingerprint{b}\|t/m, 'the worker is killed: reload works');

# Terminated, the worker comes back too; and a reload in the time without it is
# made up for.
my $terminated = worker_pid($node);
kill 'TERM', $terminated;
wait_until(sub { !kill 0, $terminated });
write_private($file, join("\n", @hex{qw(d b a)}));
$node->reload;
ok( wait_until(
		sub {
			my $pid = worker_pid($node);
			$pid != 0 && $pid != $terminated;
		}),
	'the worker is terminated: it is back');
ok( wait_until(sub { keyring($node) =~ /^$fingerprint{d}\|t/m }),
	'the worker is terminated: a reload without it is made up for');

$node->stop;

done_testing();
