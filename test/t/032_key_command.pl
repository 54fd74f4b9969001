# The command that prints the keyring: what it is given, how its end is told, and
# what becomes of it when the one who waits for it has to go. Whatever it does,
# nobody is held up by it, and neither it nor its children are left behind.

use strict;
use warnings FATAL => 'all';

use FindBin;
use lib $FindBin::RealBin;

use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;
use Time::HiRes qw(time sleep);
use KeyCommand;
use TarxKeys;

my $dir = PostgreSQL::Test::Utils::tempdir;
my $value = 'sk-proj-command-0123456789abcdef0123456789';
my $file = write_private("$dir/keys", hex_key('a'));
my $seen = "$dir/seen";

my $node = new_node(
	'command',
	keyring => { master_key_file => $file },
	conf => "restart_after_crash = on\n");
$node->start;
install($node);
my $key = add_key($node, 'first', $value);

# What the command is given

# The shell's signals, before it has changed them itself, the file descriptors of a
# program that it runs, of which 3 is the command's standard output, and its process
# group
my $look = qq{while read -r name mask; do echo "\$name \$mask"; done < /proc/\$\$/status > '$seen';
	ls -l /proc/self/fd 3>&1 >> '$seen';
	echo "group \$(cut -d ' ' -f 5 /proc/\$\$/stat) of \$\$" >> '$seen';
	cat '$file'};

foreach my $case ([ 'at start', sub { $node->restart } ], [ 'on reload', sub { reload_keyring($node) } ])
{
	my ($test, $load) = @$case;

	set_keyring($node, master_key_command => $look);
	$load->();
	my $got = slurp_file($seen);
	my ($pipe) = $got =~ / 3 -> (pipe:\[\d+\])$/m;
	my ($other) = $got =~ / 2 -> (pipe:\[\d+\])$/m;
	my @same = $got =~ / (\d+) -> \Q$pipe\E$/mg;
	is("@same", '3', "$test: of the pipe the command has its standard output only");
	isnt($other, $pipe, "$test: its standard error is another pipe");
	# the C library has the signals above 31 for itself
	like($got, qr/^SigBlk: [0-9a-f]{8}0{8}$/m, "$test: no signal is blocked");
	like($got, qr/^SigIgn: [0-9a-f]{8}[08]0{7}$/m, "$test: no signal is ignored");
	my ($group, $shell) = $got =~ /^group (\d+) of (\d+)$/m;
	is($group, $shell, "$test: a process group of its own");
}
key_resolves($node, $key, $value, 'a command\'s keyring works');

# How its end is told

foreach my $case (
	[ 'ends later than its output', "cat '$file'; exec >&-; sleep 1", qr/loaded: 1 key/ ],
	[
		'fails later than its output',
		"cat '$file'; exec >&-; sleep 1; exit 3",
		qr/exited with exit code 3\n(?:.*\n)*.*the one in use stays\n.*DETAIL:  .*command failed/
	])
{
	my ($test, $command, $expected) = @$case;

	set_keyring($node, master_key_command => $command);
	like(reload_until($node, qr/loaded: 1 key|DETAIL: .*\n/), $expected, "command that $test");
}

my ($daemon) = do
{
	my $offset = log_size($node);
	my @pids = reload_command(
		$node, "sleep 300 > /dev/null & @{[note_pids('$!')]}; cat '$file'",
		'a command that leaves a daemon');

	$node->wait_for_log(qr/loaded: 1 key/, $offset);
	@pids;
};
all_gone('a command that leaves a daemon', $daemon);

my $offset = log_size($node);
my @endless = reload_command(
	$node, "@{[note_pids('$$')]}; trap '' PIPE; while :; do echo '#'; done 2> /dev/null",
	'a command that writes without end');
$node->wait_for_log(qr/the one in use stays\n.*DETAIL:  .*too long/, $offset);
all_gone('a command that writes without end', @endless);

# What becomes of one that hangs

my %hanging = hanging();

# Time on a processor, in ticks of which a second has a hundred, and how often
# the process has gone to sleep
sub work_of
{
	my ($pid) = @_;
	my @stat = split ' ', slurp_file("/proc/$pid/stat") =~ s/^.*\) //sr;
	my ($sleeps) = slurp_file("/proc/$pid/status") =~ /^voluntary_ctxt_switches:\s+(\d+)$/m;

	return ($stat[11] + $stat[12], $sleeps);
}

# End a server that waits for a command, in this way; it comes back with the file.
sub stop_waiting
{
	my ($test, $stop, @pids) = @_;
	my $worker = worker_pid($node);
	my $offset = log_size($node);
	my $begin = time();
	local $Test::Builder::Level = $Test::Builder::Level + 1;

	$stop->();
	all_gone($test, @pids, $worker);
	cmp_ok(time() - $begin, '<', 10, "$test: promptly");
	set_keyring($node, master_key_file => $file);
	# what a killed postmaster leaves has to end first
	wait_until(sub { $node->start(fail_ok => 1) });
	key_resolves($node, $key, $value, "$test: the keyring is there at the next start");
	return $offset;
}

foreach my $kind (sort keys %hanging)
{
	my @first = reload_command($node, $hanging{$kind}, $kind);
	my $worker = worker_pid($node);

	key_resolves($node, $key, $value, "$kind: a new session resolves");
	my ($ticks, $sleeps) = work_of($worker);
	sleep 1;
	my ($ticks_now, $sleeps_now) = work_of($worker);
	cmp_ok($ticks_now - $ticks, '<', 10, "$kind: who waits does not take the processor");
	cmp_ok($sleeps_now - $sleeps, '<', 10, "$kind: nor does it wake up again and again");
	ok(runs($first[-1]), "$kind: the command still runs");

	# the reload is not lost with the worker: the next one starts the command anew
	my $log = log_size($node);
	kill 'TERM', $worker;
	all_gone("$kind, worker terminated", @first, $worker);
	my @second = wait_started("$kind, worker terminated");
	unlike(log_since($node, $log), qr/not reloaded|terminated by signal/,
		"$kind, worker terminated: the log blames nothing");

	$log = stop_waiting(
		"$kind, fast shutdown",
		sub { local $ENV{PGCTLTIMEOUT} = 20; $node->stop('fast') }, @second);
	like(log_since($node, $log), qr/database system is shut down/,
		"$kind, fast shutdown: it was one");
	unlike(log_since($node, $log), qr/not reloaded|terminated by signal|abnormal/,
		"$kind, fast shutdown: the log blames nothing");
}

my @pids = reload_command($node, $hanging{regrouped}, 'immediate shutdown');
stop_waiting('immediate shutdown', sub { $node->stop('immediate') }, @pids);
@pids = reload_command($node, $hanging{stubborn}, 'killed postmaster');
stop_waiting(
	'killed postmaster',
	sub {
		my ($postmaster) = slurp_file($node->data_dir . '/postmaster.pid') =~ /^(\d+)$/m;
		$node->kill9;
		# its pid is taken for a running one until somebody has looked at its end
		wait_until(sub { !kill 0, $postmaster });
	},
	@pids);

# A crash takes the worker with it, and its command; the next worker makes up for
# that.

@pids = reload_command($node, $hanging{stubborn}, 'crash');
my $session = $node->background_psql('postgres', on_error_stop => 0);
my $pid = $session->query('SELECT pg_backend_pid()');
kill 'KILL', $pid;
all_gone('crash', @pids);
@pids = wait_started('crash');
$session->{run}->finish;
$node->poll_query_until('postgres', 'SELECT true');
key_resolves($node, $key, $value, 'crash: the keyring stays');

# A reload while a command runs is made up for when it has ended, whatever it said.

$offset = log_size($node);
set_keyring($node, master_key_file => $file);
$node->reload;
$node->wait_for_log(qr/received SIGHUP/, $offset);
sleep 1;
unlike(log_since($node, $offset), qr/tarx_keys: master key/, 'a reload has to wait for the command');
kill 'KILL', @pids;
$node->wait_for_log(qr/master key command failed: .*\n(?:.*\n)*.*the one in use stays/, $offset);
$node->wait_for_log(qr/the one in use stays\n(?:.*\n)*.*loaded: 1 key/, $offset);
all_gone('killed command', @pids);
key_resolves($node, $key, $value, 'after a killed command the keyring works');
$node->stop;

# In a container the postmaster may be process 1, to which orphans go; it takes one
# that was killed for a crash of the server. Its /proc is not its own here, so that
# only the command's process group is known.

my @namespace = qw(unshare --user --map-current-user --pid --fork --kill-child);

SKIP:
{
	skip('no process can be process 1 here', 4) if system("@namespace true 2> /dev/null") != 0;

	my $begin = log_size($node);
	my $server = IPC::Run::start(
		[ @namespace, 'postgres', '-D', $node->data_dir ],
		'<', \undef, '>>', $node->logfile, '2>&1');
	$node->wait_for_log(qr/ready to accept/, $begin);
	set_keyring($node, master_key_command => "@{[note_pids('$$')]}; sleep 300 | sleep 300; true");
	$node->safe_psql('postgres', 'SELECT pg_reload_conf()');

	# its processes have other numbers out here
	forget(wait_started('process 1'));
	my $postmaster = child_pid($server->{KIDS}[0]{PID}, qr/postgres/);
	isnt($postmaster, 0, 'process 1: it is a postmaster');
	kill 'INT', $postmaster;
	$server->finish;
	like(log_since($node, $begin), qr/database system is shut down/, 'process 1: it was shut down');
	unlike(log_since($node, $begin), qr/terminated by signal|abnormal/, 'process 1: without a crash');
}

done_testing();
