# The limits of the command that prints the keyring: how long it may take, on reload
# and at start, who can end it before, and what of its standard error gets into the log.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use KeyCommand;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $value = 'sk-proj-limits-0123456789abcdef0123456789';
my $file = write_private("$dir/keys", hex_key('a'));
my $conf = 'limits.conf';

my $node = new_node('limits', keyring => { master_key_file => $file }, conf => "include = '$conf'\n");
set_limit(1);
$node->start;
install($node);
my $key = add_key($node, 'first', $value);

# Takes a reload or restart
sub set_limit
{
	my ($seconds) = @_;

	write_private($node->data_dir . "/$conf", "tarx_keys.master_key_timeout = ${seconds}s\n");
	return;
}

# What keyring_status() says of the keyring as a whole
sub reload_state
{
	return $node->safe_psql('postgres',
		q{SELECT DISTINCT loaded_at IS NOT NULL, reload, coalesce(problem, '') FROM tarx_keys.keyring_status()});
}

# Has this process a child, or one that has ended and that it has not looked at?
sub has_child
{
	my ($pid) = @_;

	return grep { (eval { slurp_file($_) } || '') =~ /^PPid:\s+$pid$/m } glob '/proc/[0-9]*/status';
}

sub finding
{
	my ($severity) = @_;
	return $node->safe_psql('postgres',
		"SELECT finding FROM tarx_keys.doctor() WHERE check_name = 'keyring' AND severity = '$severity'");
}

# The time limit, on reload

my $too_late = qr/has not ended within 1 s, and is killed\n(?:.*\n)*?.*the one in use stays\n.*DETAIL:  .*did not end within/;

my %hanging = hanging();
foreach my $kind (sort keys %hanging)
{
	my $offset = log_size($node);
	my @pids = reload_command($node, $hanging{$kind}, $kind);
	my $worker = worker_pid($node);

	$node->wait_for_log($too_late, $offset);
	all_gone($kind, @pids);
	# it tries again between pauses
	ok(wait_until(sub { !has_child($worker) }), "$kind: the worker keeps no child, not even a dead one");
	key_resolves($node, $key, $value, "$kind: the keyring in use stays");
}
like(log_since($node, 0), qr/HINT:  .*longer tarx_keys\.master_key_timeout.* tried again/, 'the log says what to do');
like(reload_state(), qr/^t\|(?:failed|waiting)\|.* did not end within tarx_keys\.master_key_timeout/,
	'keyring_status() says that the reload has failed');
like(finding('critical'), qr/^the keyring in use stays only .* loaded at \d{4}-.* did not end within/,
	'so does doctor()');

# While the command runs, a reload waits, and people can see that; it is made up for,
# also when the former command has run into its time limit.

set_keyring($node, master_key_file => $file);
reload_until($node, qr/loaded: 1 key/);
like(reload_state(), qr/^t\|done\|$/, 'keyring_status() says that all is well');
like(finding('ok'), qr/^one setting names the keyring, and it was loaded at \d{4}-\d\d-\d\d \d\d:/, 'so does doctor()');

set_limit(600);
my @pids = reload_command($node, $hanging{hanging}, 'waiting');
is(reload_state(), 't|waiting|', 'keyring_status() says that a reload is waiting');
like(finding('warning'), qr/^a keyring has been waited for since \d{4}-.*; the one in use was loaded at \d{4}-/,
	'so does doctor()');
my $offset = log_size($node);
set_keyring($node, master_key_file => $file);
$node->reload;
$node->wait_for_log(qr/received SIGHUP/, $offset);
is(reload_state(), 't|waiting|', 'a corrected reload waits');
my $worker = worker_pid($node);
kill 'TERM', $worker;
$node->wait_for_log(qr/loaded: 1 key/, $offset);
all_gone('a corrected reload', @pids, $worker);
is(reload_state(), 't|done|', 'a corrected reload is not lost with the worker');

set_limit(1);
reload_until($node, qr/loaded: 1 key/);
$offset = log_size($node);
@pids = reload_command($node, $hanging{hanging}, 'a reload behind a hanging one');
set_keyring($node, master_key_file => $file);
$node->reload;
$node->wait_for_log(qr/$too_late(?:.*\n)*.*loaded: 1 key/, $offset);
all_gone('a reload behind a hanging one', @pids);
is(reload_state(), 't|done|', 'a reload behind a hanging one is done');

# The exit status

foreach my $case (
	[ 'exit 3', 'child process exited with exit code 3' ],
	[ "$dir/missing", 'command not found' ],
	[ 'kill -9 $$', 'child process was terminated by signal 9: Killed' ])
{
	my ($command, $how) = @$case;

	set_keyring($node, master_key_command => $command);
	like(reload_until($node, qr/the one in use stays\n.*DETAIL: .*\n/),
		qr/DETAIL:  The master key command failed: \Q$how\E\.$/m, "$command: the log says how it ended");
	like(reload_state(), qr/^t\|(?:failed|waiting)\|The master key command failed: \Q$how\E\.$/,
		"$command: so does keyring_status()");
	like(finding('critical'), qr/the last reload failed: The master key command failed: \Q$how\E\.$/,
		"$command: so does doctor()");
}

# Standard error

my $said = qr/LOG:  tarx_keys: master key command wrote to its standard error: "(.*)"$/m;
my $token = 'ya29.token-that-a-client-printed';
my $printed = write_private("$dir/printed", $token);
my $long = 'x' x 250;
foreach my $case (
	[ 'one line', "echo 'KMS is sealed' >&2; exit 1", 'KMS is sealed' ],
	[ 'several lines', "printf '\\nKMS is sealed\\n' >&2; cat '$printed' >&2; exit 1", 'KMS is sealed' ],
	[ 'a long line', "(printf '$long'; cat '$printed') >&2; exit 1", 'x' x 200 ],
	[ 'what is not printable', q{printf '\\033[31msealed\\377\\007\\n' >&2; exit 1}, '?[31msealed??' ],
	[ 'a line and a keyring', "echo 'KMS is slow' >&2; cat '$file'", 'KMS is slow' ],
	[ 'more than a pipe holds', "echo first >&2; head -c 1000000 /dev/zero | tr '\\0' 'y' >&2; cat '$file'", 'first' ])
{
	my ($test, $command, $line) = @$case;

	# what fails has printed something
	set_keyring($node, master_key_command => ($command =~ /exit 1/ ? "cat '$printed'; " : '') . $command);
	my $log = reload_until($node, qr/tarx_keys: (?:master keyring loaded|master keyring not reloaded).*\n/);
	my ($logged) = $log =~ $said;
	is($logged, $line, "standard error, $test");
	is(index($log, $token), -1, "standard error, $test: nothing else, and nothing of the output");
}
set_keyring($node, master_key_command => "echo asking >&2; cat '$file'");
$offset = log_size($node);
$node->restart;
like(log_since($node, $offset), $said, 'standard error at start');
unlike(log_since($node, $offset), qr/^asking/m, 'standard error at start has no line of its own');

# what it leaves may have standard error open, and nobody waits for its end
$offset = log_size($node);
my ($daemon) = reload_command(
	$node, "sleep 300 > /dev/null & @{[note_pids('$!')]}; echo started >&2; cat '$file'",
	'a daemon with the standard error');
$node->wait_for_log(qr/loaded: 1 key/, $offset);
all_gone('a daemon with the standard error', $daemon);
unlike(log_since($node, $offset), $too_late, 'a daemon with the standard error: nobody has waited for it');

# The time limit, at start

foreach my $kind (sort keys %hanging)
{
	set_keyring($node, master_key_command => $hanging{$kind});
	$node->stop;
	$offset = log_size($node);
	$node->start;
	all_gone("$kind, at start", wait_started("$kind, at start"));
	like(log_since($node, $offset),
		qr/within 1 s, and is killed\n(?:.*\n)*?.*no usable master keyring\n.*DETAIL:  .*did not end within(?:.*\n)*.*ready to accept/,
		"$kind, at start: the server starts without a keyring");
	set_keyring($node, master_key_file => $file);
	reload_until($node, qr/loaded: 1 key/);
	# which may have been started anew meanwhile
	$node->stop;
	$node->start;
	key_resolves($node, $key, $value, "$kind, at start: a reload gets the keyring");
}
$node->stop;

# Who waits for the command at start can be stopped.

set_limit(600);
set_keyring($node, master_key_command => $hanging{stubborn});
foreach my $signal (qw(TERM INT QUIT))
{
	$offset = log_size($node);
	my $server = IPC::Run::start([ 'postgres', '-D', $node->data_dir ],
		'<', '/dev/null', '>>', $node->logfile, '2>&1');
	remember($server->{KIDS}[0]{PID});
	@pids = wait_started("$signal at start");
	kill $signal, $server->{KIDS}[0]{PID};
	$server->finish;
	forget($server->{KIDS}[0]{PID});
	is($server->full_result(0), 1 << 8, "$signal at start: the server ends");
	all_gone("$signal at start", @pids);
	like(log_since($node, $offset), qr/FATAL:  tarx_keys: server is stopped by signal \d+ before its start has ended/,
		"$signal at start: the log says why");
	ok(!-e $node->data_dir . '/postmaster.pid', "$signal at start: its lock file is gone");
}

# In a container the postmaster may be process 1; what it kills is not for it a crash of
# the server, and it keeps nothing of the command, which would be one when it ends.

my @namespace = qw(unshare --user --map-current-user --pid --mount-proc --fork --kill-child);

SKIP:
{
	skip('no process can be process 1 here', 4) if system("@namespace true 2> /dev/null") != 0;

	set_limit(1);
	set_keyring($node, master_key_command => "@{[note_pids('$$')]}; timeout 300 sleep 300 | cat; true");
	$offset = log_size($node);
	my $server = IPC::Run::start([ @namespace, 'postgres', '-D', $node->data_dir ],
		'<', '/dev/null', '>>', $node->logfile, '2>&1');
	remember($server->{KIDS}[0]{PID});
	forget(wait_started('process 1'));
	$node->wait_for_log(qr/ready to accept/, $offset);
	like(log_since($node, $offset), qr/is killed\n(?:.*\n)*.*ready to accept/, 'process 1: the server has started');
	my $postmaster = child_pid($server->{KIDS}[0]{PID}, qr/postgres/);
	is(child_pid($postmaster, qr/timeout|sleep/), 0, 'process 1: nothing of the command is left');
	kill 'INT', $postmaster;
	$server->finish;
	forget($server->{KIDS}[0]{PID});
	unlike(log_since($node, $offset), qr/terminated by signal|abnormal/, 'process 1: without a crash');
}

# At a terminal it may ask.

SKIP:
{
	skip('there is no script(1)', 3) if system('script --version > /dev/null 2>&1') != 0;

	my $seen = "$dir/seen";
	my $answer = hex_key('a');
	my ($in, $out) = ('', '');
	set_keyring($node, master_key_command =>
		  "echo 'The master key, please:' >&2; read -r key < /dev/tty; cut -d ' ' -f 5 /proc/\$\$/stat /proc/\$PPID/stat > '$seen'; echo \$key");
	my $terminal = IPC::Run::start(
		[ 'script', '-qfec', 'postgres -D ' . $node->data_dir, '/dev/null' ], \$in, '>', \$out, '2>&1');
	remember($terminal->{KIDS}[0]{PID});
	$terminal->pump until $out =~ /The master key, please:/;
	$in .= "$answer\n";
	$terminal->pump until $out =~ /database system is ready to accept/;
	like($out, qr/loaded: 1 key/, 'at a terminal: somebody has answered');
	my ($group, $server) = split ' ', slurp_file($seen);
	is($group, $server, q{at a terminal: in the postmaster's process group});
	key_resolves($node, $key, $value, 'at a terminal: the keyring works');
	my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)$/m;
	kill 'INT', $postmaster;
	$terminal->finish;
	forget($terminal->{KIDS}[0]{PID});
}

done_testing();
